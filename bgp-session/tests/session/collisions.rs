//! Two connections with one peer (RFC 4271 §6.8), and floods of them.
//!
//! Our identifier is 192.0.2.250 in all of these. A peer with a lower one loses what it opened.

use bgp_session::{
    ConnectionId, Direction, DownReason, GracefulRestartConfig, Input, Output, SessionConfig, State,
};
use bgp_wire::{Capability, Family, GracefulRestartFamily, Message, Notification, OpenMessage};

use crate::rig::*;

fn with_id(router_id: [u8; 4]) -> Message {
    Message::Open(OpenMessage { router_id: router_id.into(), ..open() })
}

const LOWER: [u8; 4] = [10, 0, 0, 1];
const HIGHER: [u8; 4] = [203, 0, 113, 1];

fn both_open(rig: &mut Rig) -> (ConnectionId, ConnectionId) {
    (rig.outbound(), rig.inbound())
}

#[test]
fn rfc4271_s6_8_the_side_with_the_higher_identifier_keeps_its_connection() {
    for (peer, inbound_first, outbound_lives) in
        [(LOWER, true, true), (LOWER, false, true), (HIGHER, true, false), (HIGHER, false, false)]
    {
        let mut rig = Rig::started(active());
        let (outbound, inbound) = both_open(&mut rig);
        let (first, second) = if inbound_first { (inbound, outbound) } else { (outbound, inbound) };
        rig.send(first, &with_id(peer));
        let outputs = rig.send(second, &with_id(peer));
        let (winner, loser) =
            if outbound_lives { (outbound, inbound) } else { (inbound, outbound) };
        assert_eq!(refused_with(&outputs, loser), Some((6, 7)));
        assert!(is_closed(&outputs, loser));
        assert_eq!(refused_with(&outputs, winner), None);
        let ids: Vec<_> = rig.session.connections().map(|(id, ..)| id).collect();
        assert_eq!(ids, [winner]);
        rig.send(winner, &Message::Keepalive);
        assert_eq!(rig.session.state(), State::Established);
        assert_eq!(rig.session.counters().collisions, 1);
        assert_eq!(rig.session.counters().last_error, None, "a collision is no error");
    }
}

#[test]
fn rfc6286_s2_3_equal_identifiers_are_decided_by_as() {
    // AS 64500 (we) is lower than 65010: the peer keeps what it opened.
    let mut rig = Rig::started(active());
    let (outbound, inbound) = both_open(&mut rig);
    rig.send(outbound, &with_id([192, 0, 2, 250]));
    let outputs = rig.send(inbound, &with_id([192, 0, 2, 250]));
    assert_eq!(refused_with(&outputs, outbound), Some((6, 7)));
}

#[test]
fn the_newcomer_loses_against_an_established_session() {
    let (mut rig, id) = Rig::established(config());
    let (late, outputs) = rig.connection(Direction::Inbound);
    assert_eq!(refused_with(&outputs, late), Some((6, 7)));
    assert_eq!(rig.session.negotiated().unwrap().connection, id);
}

#[test]
fn a_refused_newcomer_makes_us_probe_the_old_connection() {
    let (mut rig, id) = Rig::established(config());
    let (_, outputs) = rig.connection(Direction::Inbound);
    assert_eq!(sent(&outputs, id), [Message::Keepalive], "a dead peer answers with a reset");
    let (_, outputs) = rig.connection(Direction::Inbound);
    assert!(sent(&outputs, id).is_empty(), "a flood makes no flood");
    rig.pass(secs(1));
    let (_, outputs) = rig.connection(Direction::Inbound);
    assert_eq!(sent(&outputs, id), [Message::Keepalive]);
}

#[test]
fn the_other_open_connection_gets_little_time_after_establishment() {
    let mut rig = Rig::started(active());
    let (outbound, inbound) = both_open(&mut rig);
    rig.send(inbound, &with_id(LOWER));
    rig.send(inbound, &Message::Keepalive);
    assert_eq!(rig.session.state(), State::Established);
    let outputs = rig.pass(secs(5));
    assert!(is_closed(&outputs, outbound));
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn where_both_sides_crossed_the_peer_decides() {
    // The peer's KEEPALIVE on one connection overtakes its OPEN on the other, which the
    // identifiers favour: each side would close what the other has chosen.
    let crossed = || {
        let mut rig = Rig::started(active());
        let (outbound, inbound) = both_open(&mut rig);
        rig.pass(secs(1));
        rig.send(inbound, &with_id(LOWER));
        rig.send(inbound, &Message::Keepalive);
        let outputs = rig.send(outbound, &with_id(LOWER));
        assert_eq!(sent(&outputs, outbound), [Message::Keepalive]);
        (rig, outbound, inbound)
    };
    let (mut rig, outbound, inbound) = crossed();
    let outputs = rig.send(outbound, &Message::Keepalive);
    assert_eq!(refused_with(&outputs, inbound), Some((6, 7)));
    assert_eq!(down_reason(&outputs), Some(&DownReason::Collision));
    assert_eq!(rig.session.negotiated().unwrap().connection, outbound);

    let (mut rig, outbound, inbound) = crossed();
    rig.send(outbound, &Message::Notification(Notification::cease(7)));
    assert_eq!(rig.session.negotiated().unwrap().connection, inbound);
    assert_eq!(rig.session.counters().flaps, 0);
}

#[test]
fn a_connection_without_open_blocks_nobody_and_a_third_is_refused() {
    let mut rig = Rig::started(config());
    let silent = rig.inbound();
    let second = rig.inbound();
    let (third, outputs) = rig.connection(Direction::Inbound);
    assert_eq!(refused_with(&outputs, third), Some((6, 5)));
    rig.send(second, &Message::Open(open()));
    rig.send(second, &Message::Keepalive);
    assert_eq!(rig.session.negotiated().unwrap().connection, second);
    let outputs = rig.pass(secs(5));
    assert!(is_closed(&outputs, silent));
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn of_two_connections_of_the_peer_the_newer_one_lives() {
    let mut rig = Rig::started(config());
    let old = rig.inbound();
    rig.send(old, &Message::Open(open()));
    rig.pass(secs(1));
    let new = rig.inbound();
    let outputs = rig.send(new, &Message::Open(open()));
    assert_eq!(refused_with(&outputs, old), Some((6, 7)));
    rig.send(new, &Message::Keepalive);
    assert_eq!(rig.session.negotiated().unwrap().connection, new);
}

#[test]
fn a_flood_of_connections_is_bounded() {
    let mut rig = Rig::started(active());
    for _ in 0..1000 {
        rig.connection(Direction::Inbound);
    }
    assert_eq!(rig.session.connections().count(), 2);
    assert_eq!(rig.session.counters().connections_refused, 998);
    // And the session still comes up by our own connection.
    let id = rig.outbound();
    rig.send(id, &Message::Open(open()));
    rig.send(id, &Message::Keepalive);
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn garbage_before_an_open_does_not_hurt_the_session() {
    let mut rig = Rig::started(config());
    for _ in 0..100 {
        let id = rig.inbound();
        let outputs = rig.octets(id, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(refused_with(&outputs, id), Some((1, 1)));
        assert_eq!(rig.session.state(), State::Active);
    }
}

fn graceful() -> (SessionConfig, OpenMessage) {
    let config =
        SessionConfig { graceful_restart: Some(GracefulRestartConfig::default()), ..config() };
    let family =
        |family: Family| GracefulRestartFamily { afi: family.afi(), safi: 1, forwarding: true };
    let capability = Capability::GracefulRestart {
        restarting: false,
        notification: true,
        restart_time: 120,
        families: vec![family(Family::V4), family(Family::V6)],
    };
    (config, open_with([capability]))
}

#[test]
fn rfc4724_s5_a_peer_that_restarted_takes_over_with_its_new_connection() {
    let (config, open) = graceful();
    let (mut rig, old) = Rig::established_with(config, open.clone());
    let negotiated = rig.session.negotiated().unwrap().clone();
    rig.pass(secs(10));
    let new = rig.inbound();
    let outputs = rig.send(new, &Message::Open(open));
    assert!(!is_closed(&outputs, old), "an OPEN alone does not end a session that works");
    let outputs = rig.send(new, &Message::Keepalive);
    assert!(sent(&outputs, old).is_empty(), "a NOTIFICATION would end graceful restart");
    assert!(outputs.contains(&Output::Close { id: old, linger: secs(0) }));
    assert_eq!(down_reason(&outputs), Some(&DownReason::PeerRestarted));
    assert!(DownReason::PeerRestarted.keeps_routes(&negotiated));
    assert_eq!(rig.session.negotiated().unwrap().connection, new);
}

/// Each take-over costs a full table, as any other session that ends.
#[test]
fn a_peer_that_takes_over_again_and_again_is_held_off() {
    let (config, open) = graceful();
    let (mut rig, first) = Rig::established_with(config, open.clone());
    let mut current = first;
    for n in 0..5 {
        rig.pass(secs(10));
        let new = rig.inbound();
        rig.send(new, &Message::Open(open.clone()));
        let outputs = rig.send(new, &Message::Keepalive);
        assert_eq!(down_reason(&outputs), Some(&DownReason::PeerRestarted), "{n}");
        assert_eq!(rig.session.state(), State::Established, "{n}");
        current = new;
    }
    rig.pass(secs(10));
    let new = rig.inbound();
    rig.send(new, &Message::Open(open.clone()));
    let outputs = rig.send(new, &Message::Keepalive);
    assert_eq!(down_reason(&outputs), Some(&DownReason::PeerRestarted));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Established(_))));
    assert!(sent(&outputs, current).is_empty(), "a NOTIFICATION would end graceful restart");
    assert_eq!(refused_with(&outputs, new), Some((6, 5)));
    assert_eq!(rig.session.state(), State::Idle);
    assert_eq!((rig.session.counters().established, rig.session.counters().flaps), (6, 6));
    // It may come again when it has waited.
    rig.pass(secs(400));
    let new = rig.inbound();
    rig.send(new, &Message::Open(open));
    rig.send(new, &Message::Keepalive);
    assert_eq!(rig.session.state(), State::Established);
}

/// The same for one that closes the old connection itself while the new one waits for its KEEPALIVE.
#[test]
fn a_peer_that_closes_and_goes_on_with_another_connection_is_held_off() {
    let (config, open) = graceful();
    let (mut rig, mut current) = Rig::established_with(config, open.clone());
    for n in 0..6 {
        rig.pass(secs(10));
        let new = rig.inbound();
        rig.send(new, &Message::Open(open.clone()));
        let outputs = rig.input(Input::ConnectionClosed { id: current });
        assert_eq!(down_reason(&outputs), Some(&DownReason::ConnectionLost), "{n}");
        if n == 5 {
            assert_eq!(refused_with(&outputs, new), Some((6, 5)));
            break;
        }
        rig.send(new, &Message::Keepalive);
        assert_eq!(rig.session.state(), State::Established, "{n}");
        current = new;
    }
    assert_eq!(rig.session.state(), State::Idle);
    assert_eq!((rig.session.counters().established, rig.session.counters().flaps), (6, 6));
}

/// A router that restarts now and then is none of those.
#[test]
fn rfc4724_s5_take_overs_of_sessions_that_lasted_are_no_flapping() {
    let (config, open) = graceful();
    let (mut rig, _) = Rig::established_with(config, open.clone());
    for n in 0..20 {
        // Heard now and then, or the hold timer ends it.
        for _ in 0..5 {
            rig.pass(secs(30));
            let id = rig.session.negotiated().unwrap().connection;
            rig.send(id, &Message::Keepalive);
        }
        let new = rig.inbound();
        rig.send(new, &Message::Open(open.clone()));
        rig.send(new, &Message::Keepalive);
        assert_eq!(rig.session.state(), State::Established, "{n}");
    }
}

#[test]
fn a_newcomer_that_says_nothing_does_not_end_a_graceful_session() {
    let (config, open) = graceful();
    let (mut rig, old) = Rig::established_with(config, open);
    let new = rig.inbound();
    let outputs = rig.pass(secs(5));
    assert!(is_closed(&outputs, new));
    assert_eq!(rig.session.negotiated().unwrap().connection, old);
}

#[test]
fn pitfall_40_a_member_whose_port_is_closed_comes_up_at_once() {
    let mut rig = Rig::started(active());
    rig.input(Input::ConnectFailed);
    let id = rig.inbound();
    rig.send(id, &Message::Open(open()));
    let outputs = rig.send(id, &Message::Keepalive);
    assert!(matches!(outputs.first(), Some(Output::Established(_))));
    // And no attempts in the background.
    let outputs = rig.pass(secs(80));
    assert!(!outputs.contains(&Output::Connect));
}
