//! What each state does with each kind of input (RFC 4271 §8.2.2).

use bgp_session::{Direction, DownReason, Input, Output, State, StopReason};
use bgp_wire::{Family, Message, Notification, RouteRefresh};

use crate::rig::*;

#[test]
fn idle_waits_for_a_start_and_refuses_connections() {
    let mut rig = Rig::new(active());
    assert!(rig.pass(secs(1000)).is_empty());
    let (id, outputs) = rig.connection(Direction::Inbound);
    assert_eq!(refused_with(&outputs, id), Some((6, 5)));
    assert!(is_closed(&outputs, id));
    assert_eq!(rig.session.counters().connections_refused, 1);
}

#[test]
fn idle_starts_by_connecting_or_by_listening() {
    let mut rig = Rig::new(active());
    let outputs = rig.input(Input::Start);
    assert_eq!(outputs, [Output::Connect, Output::StateChanged(State::Connect)]);
    assert!(rig.input(Input::Start).is_empty(), "a second start is without effect");

    let mut rig = Rig::new(config());
    assert_eq!(rig.input(Input::Start), [Output::StateChanged(State::Active)]);
    assert!(rig.pass(secs(1000)).is_empty(), "a passive session never connects");
}

#[test]
fn connect_goes_to_open_sent_when_the_connection_opens() {
    let mut rig = Rig::started(active());
    let id = rig.outbound();
    assert_eq!(rig.session.state(), State::OpenSent);
    assert_eq!(rig.session.connections().next(), Some((id, Direction::Outbound, State::OpenSent)));
}

#[test]
fn connect_listens_on_after_a_failed_attempt() {
    let mut rig = Rig::started(active());
    assert_eq!(rig.input(Input::ConnectFailed), [Output::StateChanged(State::Active)]);
    assert!(rig.pass(secs(29)).is_empty());
    let outputs = rig.pass(secs(1));
    assert_eq!(outputs, [Output::Connect, Output::StateChanged(State::Connect)]);
    assert_eq!(rig.session.counters().connect_attempts, 2);
    assert_eq!(rig.session.counters().connect_failures, 1);
}

#[test]
fn connect_accepts_a_connection_of_the_peer_meanwhile() {
    let mut rig = Rig::started(active());
    let id = rig.inbound();
    let outputs = rig.send(id, &Message::Open(open()));
    // An OPEN is here: the attempt is no longer needed.
    assert!(outputs.contains(&Output::CancelConnect));
    rig.send(id, &Message::Keepalive);
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn an_outbound_connection_that_crosses_its_cancellation_is_closed() {
    let mut rig = Rig::started(config());
    let (id, outputs) = rig.connection(Direction::Outbound);
    assert_eq!(outputs, [Output::Close { id, linger: secs(0) }]);
}

#[test]
fn open_sent_confirms_a_good_open() {
    let mut rig = Rig::started(config());
    let id = rig.inbound();
    let outputs = rig.send(id, &Message::Open(open()));
    assert_eq!(sent(&outputs, id), [Message::Keepalive]);
    assert_eq!(rig.session.state(), State::OpenConfirm);
    let outputs = rig.send(id, &Message::Keepalive);
    assert!(matches!(
        outputs.as_slice(),
        [Output::Established(_), Output::StateChanged(State::Established)]
    ));
}

#[test]
fn octets_may_come_one_by_one_or_all_at_once() {
    let all: Vec<u8> =
        [Message::Open(open()), Message::Keepalive, end_of_rib()].iter().flat_map(encode).collect();
    let mut rig = Rig::started(config());
    let id = rig.inbound();
    let mut outputs = Vec::new();
    for octet in &all {
        outputs.extend(rig.octets(id, std::slice::from_ref(octet)));
    }
    assert!(matches!(outputs.last(), Some(Output::Update { body }) if body.len() == 4));

    let mut rig = Rig::started(config());
    let id = rig.inbound();
    let outputs = rig.octets(id, &all);
    let kinds: Vec<_> = outputs.iter().map(std::mem::discriminant).collect();
    let expected = [
        Output::Transmit { id, octets: vec![].into() },
        Output::Established(Box::new(rig.session.negotiated().unwrap().clone())),
        Output::StateChanged(State::Established),
        Output::Update { body: vec![].into() },
    ];
    assert_eq!(kinds, expected.iter().map(std::mem::discriminant).collect::<Vec<_>>());
}

#[test]
fn rfc6608_unexpected_messages_are_answered_by_state() {
    let others = [Message::Keepalive, end_of_rib(), refresh(Family::V4)];
    for message in &others {
        let mut rig = Rig::started(config());
        let id = rig.inbound();
        let outputs = rig.send(id, message);
        assert_eq!(refused_with(&outputs, id), Some((5, 1)), "{message:?} in OpenSent");
        assert!(is_closed(&outputs, id));
    }
    for message in [Message::Open(open()), end_of_rib(), refresh(Family::V4)] {
        let mut rig = Rig::started(config());
        let id = rig.inbound();
        rig.send(id, &Message::Open(open()));
        let outputs = rig.send(id, &message);
        let type_octet = encode(&message)[18];
        let expected = Notification::with_data(5, 2, &[type_octet]);
        assert_eq!(refusal(&outputs, id), Some(expected), "{message:?} in OpenConfirm");
    }
    let (mut rig, id) = Rig::established(config());
    let outputs = rig.send(id, &Message::Open(open()));
    assert_eq!(refusal(&outputs, id), Some(Notification::with_data(5, 3, &[1])));
    assert_eq!(
        down_reason(&outputs),
        Some(&DownReason::NotificationSent(Notification::with_data(5, 3, &[1])))
    );
}

#[test]
fn rfc4271_s6_1_header_errors_end_a_connection_in_every_state() {
    for steps in 0..3 {
        let mut rig = Rig::started(config());
        let id = rig.inbound();
        for message in [Message::Open(open()), Message::Keepalive].iter().take(steps) {
            rig.send(id, message);
        }
        let outputs = rig.octets(id, &[0; 19]);
        assert_eq!(refused_with(&outputs, id), Some((1, 1)));
        assert!(is_closed(&outputs, id));
        assert_eq!(down_reason(&outputs).is_some(), steps == 2);
    }
}

#[test]
fn a_notification_is_never_answered() {
    for steps in 0..3 {
        let mut rig = Rig::started(config());
        let id = rig.inbound();
        for message in [Message::Open(open()), Message::Keepalive].iter().take(steps) {
            rig.send(id, message);
        }
        let outputs = rig.send(id, &Message::Notification(Notification::cease(4)));
        assert!(sent(&outputs, id).is_empty());
        assert!(is_closed(&outputs, id));
    }
}

#[test]
fn established_hands_out_updates_and_refreshes() {
    let (mut rig, id) = Rig::established(config());
    let outputs = rig.send(id, &end_of_rib());
    assert_eq!(outputs, [Output::Update { body: vec![0; 4].into() }]);
    let outputs = rig.send(id, &refresh(Family::V6));
    assert_eq!(outputs, [Output::RouteRefresh(RouteRefresh::new(Family::V6, 0))]);
    assert_eq!(rig.session.counters().received.update, 1);
    assert_eq!(rig.session.counters().received.route_refresh, 1);
}

#[test]
fn a_faulty_update_ends_the_session_and_what_is_behind_it_is_dropped() {
    let (mut rig, id) = Rig::established(config());
    let three: Vec<u8> = (0..3).flat_map(|_| encode(&end_of_rib())).collect();
    rig.session.handle(rig.now, Input::Octets { id, octets: &three });
    assert!(matches!(rig.session.poll_output(), Some(Output::Update { .. })));
    let outputs = rig.input(Input::UpdateFault(Notification::malformed_attribute_list()));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Update { .. })));
    assert_eq!(refused_with(&outputs, id), Some((3, 1)));
    assert_eq!(rig.session.state(), State::Idle);
}

#[test]
fn a_fault_of_a_session_that_is_over_hurts_nobody() {
    let (mut rig, id) = Rig::established(config());
    let mut octets = encode(&end_of_rib());
    octets.extend(encode(&Message::Notification(Notification::cease(4))));
    rig.session.handle(rig.now, Input::Octets { id, octets: &octets });
    assert!(matches!(rig.session.poll_output(), Some(Output::Update { .. })));
    let outputs = rig.input(Input::UpdateFault(Notification::malformed_attribute_list()));
    assert!(sent(&outputs, id).is_empty());
    assert!(matches!(down_reason(&outputs), Some(DownReason::NotificationReceived(_))));
}

#[test]
fn refresh_requests_need_a_peer_that_knows_them() {
    let (mut rig, id) = Rig::established(config());
    let request = RouteRefresh::new(Family::V4, 0);
    let outputs = rig.input(Input::RequestRefresh(request));
    assert_eq!(sent(&outputs, id), [Message::RouteRefresh(request)]);

    let mut open = open();
    open.capabilities.remove(2);
    let (mut rig, _) = Rig::established_with(config(), open);
    assert!(rig.input(Input::RequestRefresh(request)).is_empty());
}

#[test]
fn rfc7313_s5_a_refresh_of_wrong_length_is_an_error_between_enhanced_speakers() {
    let mut octets = encode(&refresh(Family::V4));
    octets[17] = 20;
    octets.truncate(20);
    let (mut rig, id) = Rig::established(config());
    assert!(rig.octets(id, &octets).is_empty());
    let enhanced = open_with([bgp_wire::Capability::EnhancedRouteRefresh]);
    let (mut rig, id) = Rig::established_with(config(), enhanced);
    let outputs = rig.octets(id, &octets);
    assert_eq!(refused_with(&outputs, id), Some((7, 1)));
}

#[test]
fn input_about_unknown_connections_is_ignored() {
    let (mut rig, id) = Rig::established(config());
    let other = bgp_session::ConnectionId(99);
    assert!(rig.octets(other, &[0; 40]).is_empty());
    assert!(rig.input(Input::ConnectionClosed { id: other }).is_empty());
    // A second opening of a live one too.
    let again = Input::ConnectionOpened { id, direction: Direction::Inbound };
    assert!(rig.input(again).is_empty());
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn a_stop_before_the_start_is_remembered_and_told() {
    let mut rig = Rig::new(config());
    let reason = StopReason::AdministrativeShutdown(Some("unpaid".into()));
    rig.input(Input::Stop(reason.clone()));
    assert_eq!(rig.session.stopped(), Some(&reason));
    let (id, outputs) = rig.connection(Direction::Inbound);
    let told = refusal(&outputs, id).and_then(|notification| notification.shutdown_text());
    assert_eq!(told.as_deref(), Some("unpaid"));
}
