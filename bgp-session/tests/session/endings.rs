//! How sessions end, and what follows.

use bgp_session::{
    DownReason, GracefulRestartConfig, Input, Output, SessionConfig, State, StopReason,
};
use bgp_wire::{
    Capability, Family, GracefulRestartFamily, LinkLocalForm, Message, Notification, OpenMessage,
};

use crate::rig::*;

fn stopped_with(reason: StopReason) -> (Rig, Option<Notification>) {
    let (mut rig, id) = Rig::established(config());
    let outputs = rig.input(Input::Stop(reason.clone()));
    assert_eq!(down_reason(&outputs), Some(&DownReason::Stopped(reason)));
    assert!(is_closed(&outputs, id));
    assert_eq!(rig.session.state(), State::Idle);
    let notification = refusal(&outputs, id);
    (rig, notification)
}

#[test]
fn rfc4486_and_rfc9003_each_stop_says_why() {
    let cases = [
        (StopReason::AdministrativeShutdown(Some("maintenance".into())), 2, "\u{b}maintenance"),
        (StopReason::AdministrativeReset(Some("new router".into())), 4, "\nnew router"),
        (StopReason::Deconfigured, 3, ""),
        (StopReason::ConfigurationChange, 6, ""),
        (StopReason::OutOfResources, 8, ""),
    ];
    for (reason, subcode, data) in cases {
        let (_, notification) = stopped_with(reason);
        assert_eq!(notification, Some(Notification::with_data(6, subcode, data.as_bytes())));
    }
    let limit =
        StopReason::MaxPrefixes { family: Some(Family::V6), limit: 100, restart_after: None };
    let (_, notification) = stopped_with(limit);
    let expected = Notification::with_data(6, 1, &[0, 2, 1, 0, 0, 0, 100]);
    assert_eq!(notification, Some(expected));
}

#[test]
fn a_notification_gets_time_to_arrive() {
    let (mut rig, id) = Rig::established(config());
    let outputs = rig.input(Input::Stop(StopReason::Deconfigured));
    assert!(outputs.contains(&Output::Close { id, linger: bgp_session::NOTIFICATION_LINGER }));
}

#[test]
fn what_is_taken_down_stays_down_until_started() {
    for reason in [
        StopReason::AdministrativeShutdown(None),
        StopReason::Deconfigured,
        StopReason::GracefulRestart,
        StopReason::MaxPrefixes { family: None, limit: 2000, restart_after: None },
    ] {
        let (mut rig, _) = stopped_with(reason.clone());
        assert!(rig.pass(secs(100_000)).is_empty());
        assert!(rig.input(Input::Stop(StopReason::AdministrativeReset(None))).is_empty());
        assert!(rig.pass(secs(100_000)).is_empty(), "a reset does not enable");
        assert_eq!(rig.session.stopped(), Some(&reason));
        assert_eq!(rig.input(Input::Start), [Output::StateChanged(State::Active)]);
    }
}

#[test]
fn what_is_reset_comes_back_after_idle_hold() {
    for reason in [
        StopReason::AdministrativeReset(None),
        StopReason::ConfigurationChange,
        StopReason::OutOfResources,
    ] {
        let (mut rig, _) = stopped_with(reason);
        assert!(rig.pass(secs(4)).is_empty());
        assert_eq!(rig.pass(secs(1)), [Output::StateChanged(State::Active)]);
    }
}

#[test]
fn a_prefix_limit_with_restart_comes_back_when_configured() {
    let restart_after = Some(secs(900));
    let limit = StopReason::MaxPrefixes { family: Some(Family::V4), limit: 1, restart_after };
    let (mut rig, _) = stopped_with(limit);
    assert!(rig.pass(secs(899)).is_empty());
    let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
    assert_eq!(refused_with(&outputs, id), Some((6, 1)), "the peer is told why");
    assert_eq!(rig.pass(secs(1)), [Output::StateChanged(State::Active)]);
}

#[test]
fn a_stop_ends_every_connection_and_attempt() {
    let mut rig = Rig::started(active());
    let inbound = rig.inbound();
    let outputs = rig.input(Input::Stop(StopReason::AdministrativeShutdown(None)));
    assert!(outputs.contains(&Output::CancelConnect));
    assert_eq!(refused_with(&outputs, inbound), Some((6, 2)));
    assert_eq!(rig.session.connections().count(), 0);
}

#[test]
fn rfc4724_s4_1_a_graceful_restart_of_ours_says_nothing() {
    let (_, notification) = stopped_with(StopReason::GracefulRestart);
    assert_eq!(notification, None);
}

/// A session on which graceful restart is negotiated.
fn graceful(notifications: bool) -> (Rig, bgp_session::ConnectionId) {
    let family = GracefulRestartFamily { afi: 1, safi: 1, forwarding: true };
    graceful_for(notifications, vec![family])
}

fn graceful_for(
    notifications: bool,
    families: Vec<GracefulRestartFamily>,
) -> (Rig, bgp_session::ConnectionId) {
    let graceful = GracefulRestartConfig { notification: true, ..GracefulRestartConfig::default() };
    let config = SessionConfig { graceful_restart: Some(graceful), ..config() };
    let capability = Capability::GracefulRestart {
        restarting: false,
        notification: notifications,
        restart_time: 120,
        families,
    };
    Rig::established_with(config, open_with([capability]))
}

#[test]
fn rfc8538_a_lasting_end_is_a_hard_reset() {
    let (mut rig, id) = graceful(true);
    let reason = StopReason::AdministrativeShutdown(Some("bye".into()));
    let outputs = rig.input(Input::Stop(reason));
    let sent = refusal(&outputs, id).unwrap();
    assert_eq!((sent.code, sent.subcode), (6, 9));
    let inner = sent.hard_reset_reason().unwrap();
    assert_eq!((inner.code, inner.subcode), (6, 2));

    let (mut rig, id) = graceful(true);
    let outputs = rig.input(Input::Stop(StopReason::AdministrativeReset(None)));
    assert_eq!(refused_with(&outputs, id), Some((6, 4)), "a reset keeps routes");

    let (mut rig, id) = graceful(false);
    let outputs = rig.input(Input::Stop(StopReason::AdministrativeShutdown(None)));
    assert_eq!(refused_with(&outputs, id), Some((6, 2)), "without N there is no hard reset");
}

#[test]
fn rfc4724_and_rfc8538_which_endings_keep_routes() {
    let (with_n, _) = graceful(true);
    let (without_n, _) = graceful(false);
    let (neither, _) = Rig::established(config());
    let (helper_only, _) = graceful_for(true, vec![]);
    let received =
        |code, subcode| DownReason::NotificationReceived(Notification::new(code, subcode));
    let hard = DownReason::NotificationReceived(Notification::cease(2).hard_reset());
    for (reason, n, no_n) in [
        (DownReason::ConnectionLost, true, true),
        (DownReason::PeerRestarted, true, true),
        (DownReason::HoldTimerExpired, true, false),
        (DownReason::SendHoldTimerExpired, true, false),
        (received(6, 4), true, false),
        (received(3, 1), true, false),
        (hard, false, false),
        (DownReason::NotificationSent(Notification::new(3, 1)), true, false),
        (DownReason::Stopped(StopReason::AdministrativeReset(None)), true, false),
        (DownReason::Stopped(StopReason::AdministrativeShutdown(None)), false, false),
        (DownReason::Stopped(StopReason::Deconfigured), false, false),
        (DownReason::Collision, true, true),
    ] {
        let keeps = |rig: &Rig| reason.keeps_routes(rig.session.negotiated().unwrap());
        assert_eq!(keeps(&with_n), n, "{reason} with N");
        assert_eq!(keeps(&without_n), no_n, "{reason} without N");
        assert!(!keeps(&neither), "{reason} without graceful restart");
        assert!(!keeps(&helper_only), "{reason} with a peer that has no families to keep");
    }
}

#[test]
fn pitfall_21_a_peer_that_enforces_the_first_as_gets_explained() {
    let (mut rig, id) = Rig::established(config());
    let outputs = rig.send(id, &Message::Notification(Notification::new(3, 11)));
    let hint = down_reason(&outputs).unwrap().hint().unwrap();
    assert!(hint.contains("enforce-first-as"), "{hint}");
    let error = rig.session.counters().last_error.as_ref().unwrap();
    assert!(
        error.text.contains("malformed AS_PATH") && error.text.contains(hint),
        "{}",
        error.text
    );
    assert_eq!(error.at, rig.now);
}

#[test]
fn a_cease_of_the_peer_is_no_error_and_it_may_come_back_at_once() {
    let (mut rig, id) = Rig::established(config());
    let notification = Notification::administrative_reset("upgrade");
    let outputs = rig.send(id, &Message::Notification(notification));
    assert!(down_reason(&outputs).unwrap().to_string().contains("upgrade"));
    assert_eq!(rig.session.state(), State::Active);
    rig.inbound();
}

#[test]
fn notifications_are_counted_by_code() {
    let (mut rig, id) = Rig::established(config());
    rig.send(id, &Message::Notification(Notification::cease(4)));
    let counters = rig.session.counters();
    assert_eq!(counters.notifications_received.iter().collect::<Vec<_>>(), [((6, 4), 1)]);
    assert_eq!((counters.established, counters.flaps), (1, 1));
    // A peer with imagination does not make them grow without bound.
    for subcode in 0..=255 {
        let id = rig.inbound();
        rig.send(id, &Message::Notification(Notification::new(200, subcode)));
    }
    let counts: Vec<_> = rig.session.counters().notifications_received.iter().collect();
    assert!(counts.len() <= 65);
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 257);
}

#[test]
fn a_peer_that_hangs_up_before_its_open_is_explained() {
    let mut rig = Rig::started(active());
    let id = rig.outbound();
    rig.input(Input::ConnectionClosed { id });
    let error = rig.session.counters().last_error.as_ref().unwrap();
    assert!(error.text.contains("no session"), "{}", error.text);
    assert!(rig.pass(secs(30)).contains(&Output::Connect));
}

#[test]
fn reconfiguration_resets_only_for_what_stands_in_the_open() {
    let (mut rig, _) = Rig::established(config());
    let now = rig.now;
    let timers = SessionConfig {
        connect_retry: secs(7),
        jitter_percent: 80,
        link_local_form: LinkLocalForm::Double,
        ..config()
    };
    assert!(!rig.session.reconfigure(now, timers.clone()));
    let families = SessionConfig { extended_next_hop: true, ..timers };
    assert!(rig.session.reconfigure(now, families));
    assert_eq!(rig.session.state(), State::Established);
    let outputs = rig.input(Input::Stop(StopReason::ConfigurationChange));
    assert!(down_reason(&outputs).is_some());
}

#[test]
fn a_session_that_becomes_active_by_reconfiguration_connects() {
    let mut rig = Rig::started(config());
    let now = rig.now;
    assert!(!rig.session.reconfigure(now, active()));
    assert_eq!(rig.session.poll_output(), Some(Output::Connect));
    assert_eq!(rig.session.state(), State::Connect);
    rig.session.reconfigure(now, config());
    let outputs: Vec<_> = std::iter::from_fn(|| rig.session.poll_output()).collect();
    assert!(outputs.contains(&Output::CancelConnect));
    assert_eq!(rig.session.state(), State::Active);
}

#[test]
fn an_open_that_is_refused_leaves_the_session_ready() {
    let mut rig = Rig::started(config());
    for _ in 0..50 {
        let id = rig.inbound();
        let wrong = OpenMessage { my_as: 65011, ..open() };
        let outputs = rig.send(id, &Message::Open(wrong));
        assert_eq!(refused_with(&outputs, id), Some((2, 2)));
        assert_eq!(rig.session.state(), State::Active);
    }
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    assert_eq!(rig.session.state(), State::Established);
}
