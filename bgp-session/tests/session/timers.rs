//! Timers, on a virtual clock.

use bgp_session::{DownReason, Input, MAX_IDLE_HOLD, Output, SessionConfig, State};
use bgp_wire::{Message, Notification};

use crate::rig::*;

#[test]
fn connect_retry_gives_an_attempt_up_and_makes_another() {
    let mut rig = Rig::started(active());
    assert!(rig.pass(secs(29)).is_empty());
    assert_eq!(rig.pass(secs(1)), [Output::CancelConnect, Output::Connect]);
    assert_eq!(rig.pass(secs(30)), [Output::CancelConnect, Output::Connect]);
}

#[test]
fn an_inbound_connection_has_five_seconds_for_its_open() {
    let mut rig = Rig::started(config());
    let id = rig.inbound();
    assert!(rig.pass(secs(4)).is_empty());
    let outputs = rig.pass(secs(1));
    assert_eq!(refused_with(&outputs, id), Some((4, 0)));
    assert!(is_closed(&outputs, id));
    // Nothing is held against the peer.
    assert_eq!(rig.session.state(), State::Active);
    rig.inbound();
}

#[test]
fn an_outbound_connection_has_four_minutes() {
    let mut rig = Rig::started(active());
    let id = rig.outbound();
    assert!(rig.pass(secs(239)).is_empty());
    let outputs = rig.pass(secs(1));
    assert_eq!(refused_with(&outputs, id), Some((4, 0)));
    assert_eq!(rig.session.state(), State::Active);
    assert!(rig.pass(secs(30)).contains(&Output::Connect));
}

#[test]
fn keepalives_go_out_every_third_of_the_hold_time() {
    let (mut rig, id) = Rig::established(config());
    for _ in 0..10 {
        assert!(rig.pass(secs(29)).is_empty());
        assert_eq!(sent(&rig.pass(secs(1)), id), [Message::Keepalive]);
        rig.send(id, &Message::Keepalive);
    }
    assert_eq!(rig.session.counters().sent.keepalive, 11);
}

#[test]
fn jitter_shortens_what_it_is_meant_to() {
    let jittered = SessionConfig { jitter_percent: 75, ..active() };
    let mut rig = Rig::started(jittered);
    assert!(rig.pass(secs(22)).is_empty());
    assert!(rig.pass(secs(1)).contains(&Output::Connect), "30 s × 0.75");
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    assert!(rig.pass(secs(22)).is_empty());
    assert_eq!(sent(&rig.pass(secs(1)), id), [Message::Keepalive]);
}

#[test]
fn rfc4271_s4_4_jitter_never_makes_two_keepalives_a_second() {
    let jittered = SessionConfig { jitter_percent: 75, ..config() };
    let mut peer = open();
    peer.hold_time = 3;
    let (mut rig, id) = Rig::established_with(jittered, peer);
    assert!(rig.pass(std::time::Duration::from_millis(999)).is_empty());
    assert_eq!(
        sent(&rig.pass(std::time::Duration::from_millis(1)), id),
        [Message::Keepalive],
        "a third of three seconds, and not 75 % of it"
    );
}

#[test]
fn the_hold_timer_expires_after_the_smaller_hold_time() {
    let mut peer = open();
    peer.hold_time = 30;
    let (mut rig, id) = Rig::established_with(config(), peer);
    rig.pass(secs(29));
    assert_eq!(rig.session.state(), State::Established);
    let outputs = rig.pass(secs(1));
    assert_eq!(refused_with(&outputs, id), Some((4, 0)));
    assert_eq!(down_reason(&outputs), Some(&DownReason::HoldTimerExpired));
    // A peer that went silent is welcome as soon as it is back.
    assert_eq!(rig.session.state(), State::Active);
}

#[test]
fn updates_and_keepalives_restart_the_hold_timer_and_nothing_else_does() {
    let (mut rig, id) = Rig::established(config());
    rig.pass(secs(80));
    rig.send(id, &end_of_rib());
    rig.pass(secs(80));
    rig.send(id, &Message::Keepalive);
    rig.pass(secs(80));
    assert_eq!(rig.session.state(), State::Established);
    rig.send(id, &refresh(bgp_wire::Family::V4));
    rig.octets(id, &[0xff; 16]);
    let outputs = rig.pass(secs(10));
    assert_eq!(down_reason(&outputs), Some(&DownReason::HoldTimerExpired));
}

#[test]
fn read_before_you_expire() {
    let (mut rig, id) = Rig::established(config());
    // For five minutes we do not come to read, and the peer is not to blame.
    let outputs = rig.pass_with(secs(300), true);
    assert!(down_reason(&outputs).is_none());
    assert!(rig.session.counters().hold_grants >= 2);
    rig.send(id, &Message::Keepalive);
    rig.pass(secs(89));
    assert_eq!(rig.session.state(), State::Established);
    assert!(down_reason(&rig.pass(secs(1))).is_some());
}

#[test]
fn a_header_that_never_ends_does_not_hold_a_session_up() {
    let (mut rig, id) = Rig::established(config());
    let header = encode(&Message::Update(vec![0; 1000].into()));
    let mut ended_after = None;
    for (second, octet) in header.iter().enumerate() {
        rig.octets(id, std::slice::from_ref(octet));
        // There is always one more octet in the socket.
        if down_reason(&rig.pass_with(secs(1), true)).is_some() {
            ended_after = Some(second + 1);
            break;
        }
    }
    assert_eq!(ended_after, Some(100), "hold time and one grant");
}

#[test]
fn hold_time_zero_means_no_keepalives_and_no_expiry() {
    let mut peer = open();
    peer.hold_time = 0;
    let (mut rig, _) = Rig::established_with(config(), peer);
    assert!(rig.pass(secs(100_000)).is_empty());
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn hold_time_zero_does_not_let_open_confirm_last_for_ever() {
    let mut rig = Rig::started(config());
    let id = rig.inbound();
    let mut peer = open();
    peer.hold_time = 0;
    rig.send(id, &Message::Open(peer));
    let outputs = rig.pass(secs(240));
    assert!(is_closed(&outputs, id));
}

#[test]
fn rfc9687_a_peer_that_reads_nothing_is_ended() {
    let (mut rig, id) = Rig::established(config());
    let alive = |rig: &mut Rig, time| {
        let mut outputs = Vec::new();
        for _ in 0..time / 10 {
            outputs.extend(rig.pass(secs(10)));
            rig.send(id, &Message::Keepalive);
        }
        outputs
    };
    rig.input(Input::SendBlocked);
    alive(&mut rig, 470);
    // It read something just in time, and then no more.
    rig.input(Input::SendProgress);
    rig.input(Input::SendBlocked);
    let outputs = alive(&mut rig, 470);
    assert!(down_reason(&outputs).is_none());
    let outputs = rig.pass(secs(10));
    assert_eq!(refused_with(&outputs, id), Some((8, 0)));
    assert_eq!(down_reason(&outputs), Some(&DownReason::SendHoldTimerExpired));
    assert!(outputs.contains(&Output::Close { id, linger: secs(0) }));
}

#[test]
fn rfc9687_the_send_hold_time_is_twice_a_long_hold_time_or_as_configured() {
    let blocked_for = |config: SessionConfig, hold_time| {
        let peer = bgp_wire::OpenMessage { hold_time, ..open() };
        let (mut rig, _) = Rig::established_with(config, peer);
        rig.input(Input::SendBlocked);
        rig.session.timers().send_hold.map(|at| at - rig.now)
    };
    let long = SessionConfig { hold_time: secs(600), ..config() };
    assert_eq!(blocked_for(long, 600), Some(secs(1200)));
    assert_eq!(blocked_for(config(), 90), Some(secs(480)));
    assert_eq!(blocked_for(config(), 0), None, "RFC 9687 s4.3: hold time zero stops it");
    let own = SessionConfig { send_hold_time: Some(secs(100)), ..config() };
    assert_eq!(blocked_for(own.clone(), 90), Some(secs(100)));
    assert_eq!(blocked_for(own, 0), None);
    let off = SessionConfig { send_hold_time: Some(secs(0)), ..config() };
    assert_eq!(blocked_for(off, 90), None);
}

/// Establishes and fails with an UPDATE error; gives how long the session stays Idle.
fn fail(rig: &mut Rig) -> std::time::Duration {
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    rig.input(Input::UpdateFault(Notification::malformed_attribute_list()));
    assert_eq!(rig.session.state(), State::Idle);
    let until = rig.session.timers().idle_hold.expect("starts by itself");
    let time = until - rig.now;
    rig.pass(time);
    assert_eq!(rig.session.state(), State::Active);
    time
}

#[test]
fn idle_hold_doubles_with_every_error_up_to_its_limit() {
    let mut rig = Rig::started(config());
    let times: Vec<u64> = (0..9).map(|_| fail(&mut rig).as_secs()).collect();
    assert_eq!(times, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(MAX_IDLE_HOLD, secs(300));
}

#[test]
fn idle_hold_starts_over_after_a_session_that_lasted() {
    let mut rig = Rig::started(config());
    fail(&mut rig);
    assert_eq!(fail(&mut rig), secs(10));
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    for _ in 0..5 {
        rig.send(id, &Message::Keepalive);
        rig.pass(secs(30));
    }
    rig.input(Input::ConnectionClosed { id });
    assert_eq!(rig.session.state(), State::Active);
    assert_eq!(fail(&mut rig), secs(10), "the second of a new row");
}

#[test]
fn a_start_ends_idle_hold() {
    let mut rig = Rig::started(config());
    fail(&mut rig);
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    rig.input(Input::UpdateFault(Notification::malformed_attribute_list()));
    assert_eq!(rig.session.state(), State::Idle);
    assert_eq!(rig.input(Input::Start), [Output::StateChanged(State::Active)]);
    assert_eq!(fail(&mut rig), secs(5), "the operator has forgiven");
}

#[test]
fn sessions_that_flap_are_held_off_too() {
    let mut rig = Rig::started(config());
    for _ in 0..5 {
        let id = rig.inbound();
        rig.send(id, &Message::Open(open()));
        rig.send(id, &Message::Keepalive);
        rig.input(Input::ConnectionClosed { id });
        assert_eq!(rig.session.state(), State::Active, "a plain loss is no error");
    }
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    rig.input(Input::ConnectionClosed { id });
    assert_eq!(rig.session.state(), State::Idle);
    assert_eq!(rig.session.counters().flaps, 6);
}

#[test]
fn an_active_session_connects_soon_after_a_loss() {
    let mut rig = Rig::started(active());
    let id = rig.outbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    rig.input(Input::ConnectionClosed { id });
    assert_eq!(rig.session.state(), State::Active);
    assert!(rig.pass(secs(4)).is_empty());
    assert!(rig.pass(secs(1)).contains(&Output::Connect), "idle_hold, not connect_retry");
}

#[test]
fn idle_hold_refuses_connections_meanwhile() {
    let (mut rig, id) = Rig::established(config());
    rig.octets(id, &[0; 19]);
    assert_eq!(rig.session.state(), State::Idle);
    let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
    assert_eq!(refused_with(&outputs, id), Some((6, 5)));
    rig.pass(secs(5));
    rig.inbound();
}

#[test]
fn resets_of_ours_are_no_flapping_of_the_peer() {
    let mut rig = Rig::started(config());
    for _ in 0..20 {
        let id = rig.inbound();
        rig.send(id, &Message::Open(open()));
        rig.send(id, &Message::Keepalive);
        rig.input(Input::Stop(bgp_session::StopReason::AdministrativeReset(None)));
        rig.pass(secs(5));
    }
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    rig.input(Input::ConnectionClosed { id });
    assert_eq!(rig.session.state(), State::Active);
}

#[test]
fn times_of_zero_and_of_ages_are_survived() {
    for time in [std::time::Duration::ZERO, std::time::Duration::MAX] {
        let config = SessionConfig {
            connect_retry: time,
            idle_hold: time,
            send_hold_time: Some(time),
            open_time: time,
            jitter_percent: 0,
            ..active()
        };
        let mut rig = Rig::started(config);
        let outputs = rig.pass(secs(3));
        assert!(outputs.len() <= 6, "no hot loop: {outputs:?}");
        let id = rig.inbound();
        rig.send(id, &Message::Open(open()));
        rig.send(id, &Message::Keepalive);
        rig.input(Input::SendBlocked);
        let reason = bgp_session::StopReason::MaxPrefixes {
            family: None,
            limit: 1,
            restart_after: Some(time),
        };
        rig.input(Input::Stop(reason));
        assert_eq!(rig.session.state(), State::Idle);
        rig.pass(secs(3));
    }
}

#[test]
fn a_hold_time_of_one_or_two_seconds_is_never_offered() {
    let mut rig = Rig::started(SessionConfig { hold_time: secs(2), ..config() });
    let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
    let Message::Open(open) = sent(&outputs, id).remove(0) else { panic!("{outputs:?}") };
    assert_eq!(open.hold_time, 3);
}
