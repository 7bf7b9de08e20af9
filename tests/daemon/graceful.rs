//! Which ends of a session keep a member's routes: graceful restart (RFC 4724) with notifications
//! (RFC 8538), seen by another member.

use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{end_of_rib, kind, message};

use crate::exchange::{ARRIVE, Exchange, holds, route};

const GRACEFUL_RESTART: u8 = 64;
const CEASE: u8 = 6;
const HARD_RESET: u8 = 9;
/// Seconds that the member says to be away.
const AWAY: u8 = 60;

/// Graceful restart for IPv4, with the forwarding state kept or not; `flags` is R (0x80) and N (0x40).
fn graceful(exchange: &Exchange, n: u8, flags: u8, forwarding: bool) -> RawConfig {
    let mut config = exchange.speaker_config(n);
    let kept = if forwarding { 0x80 } else { 0 };
    config.capabilities.push((GRACEFUL_RESTART, vec![flags, AWAY, 0, 1, 1, kept]));
    config
}

const N: u8 = 0x40;
const R: u8 = 0x80;
const KEPT: bool = true;
const GONE: bool = false;

/// What ends a session.
enum End {
    /// The connection goes without a word.
    Close,
    /// The member sends this.
    Says(Vec<u8>),
    /// The member says nothing any more: its hold time is 3 s.
    Silence,
    /// The operator does this.
    Operator(&'static str),
}

fn notification(code: u8, subcode: u8) -> End {
    End::Says(message(kind::NOTIFICATION, &[code, subcode]))
}

/// Two routes of member 2 at member 3, and what ends member 2's session.
fn before(flags: u8, silent: bool) -> (Exchange, Speaker, Speaker, [Route; 2]) {
    // The member's own hold time stays long, so it sends no KEEPALIVE in these three seconds.
    let exchange = Exchange::new(&[if silent { "hold_time = \"3s\"" } else { "" }, "", ""]);
    let config = graceful(&exchange, 2, flags, true);
    let (member, witness) = (Speaker::established(config), exchange.speaker(3));
    let routes = [route(2, "45.0.0.0/24", ""), route(2, "45.0.1.0/24", "")];
    routes.iter().for_each(|route| member.announce(route));
    member.send(&end_of_rib(false)).unwrap();
    holds("both", &witness, &routes);
    (exchange, member, witness, routes)
}

/// Ends a session; whether the routes are still there afterwards.
fn ends(what: &str, flags: u8, end: End, kept: bool) {
    let (exchange, member, witness, routes) = before(flags, matches!(end, End::Silence));
    let updates = witness.status().updates;
    match &end {
        End::Close => member.close(),
        End::Says(octets) => member.send(octets).unwrap(),
        End::Silence => {}
        End::Operator(action) => exchange.server.act(&["session", action, "127.0.0.2"]),
    }
    exchange.wait_down(2);
    if let End::Operator(action) = &end {
        // RFC 8538 §3.1: a lasting end is a Hard Reset where N was agreed on, and holds the reason.
        let reason = if *action == "disable" { 2 } else { 4 };
        member.wait("is told", ARRIVE, |status| {
            let told = status
                .notification
                .as_ref()
                .map(|(code, sub, data)| (*code, *sub, data.first_chunk()));
            let lasting = flags & N != 0 && !kept;
            let inner = [CEASE, reason];
            let expected = if lasting {
                (CEASE, HARD_RESET, Some(&inner))
            } else {
                (CEASE, reason, told.and_then(|t| t.2))
            };
            ensure(told == Some(expected), || format!("{status:?}"))
        });
    }
    // What another member says comes behind what the end has led to.
    let third = exchange.speaker(4);
    let mark = route(4, "46.0.0.0/24", "");
    third.announce(&mark);
    if kept {
        holds(what, &witness, &[routes[0].clone(), routes[1].clone(), mark]);
        assert_eq!(witness.status().updates - updates, 1, "{what}: the mark alone");
    } else {
        holds(what, &witness, &[mark]);
    }
}

#[test]
fn rfc4724_a_connection_that_ends_without_a_word_keeps_the_routes() {
    ends("close", 0, End::Close, KEPT);
}

#[test]
fn rfc4724_a_notification_ends_what_graceful_restart_keeps() {
    ends("NOTIFICATION without N", 0, notification(CEASE, 6), GONE);
}

#[test]
fn rfc8538_a_notification_keeps_the_routes_where_n_was_agreed_on() {
    ends("NOTIFICATION with N", N, notification(CEASE, 6), KEPT);
}

#[test]
fn rfc8538_a_hard_reset_keeps_nothing() {
    let hard = End::Says(message(kind::NOTIFICATION, &[CEASE, HARD_RESET, CEASE, 2]));
    ends("Hard Reset", N, hard, GONE);
}

#[test]
fn rfc8538_a_message_that_we_refuse_keeps_the_routes_where_n_was_agreed_on() {
    ends("our own NOTIFICATION", N, End::Says(message(9, &[])), KEPT);
}

#[test]
fn rfc4724_a_message_that_we_refuse_keeps_nothing_otherwise() {
    ends("our own NOTIFICATION, no N", 0, End::Says(message(9, &[])), GONE);
}

#[test]
fn rfc8538_the_hold_timer_keeps_the_routes_where_n_was_agreed_on() {
    ends("silence", N, End::Silence, KEPT);
}

#[test]
fn rfc8538_who_is_disabled_is_told_with_a_hard_reset_and_keeps_nothing() {
    ends("disable", N, End::Operator("disable"), GONE);
}

/// Back with the F bit: what it sends again was never away, what it does not goes at End-of-RIB.
/// Without: all goes at once, whatever it says later (RFC 4724 §4.2).
#[test]
fn rfc4724_s4_2_what_comes_back_is_not_sent_to_anybody_again() {
    for forwarding in [true, false] {
        let (exchange, member, witness, routes) = before(N, false);
        let updates = witness.status().updates;
        member.close();
        exchange.wait_down(2);
        exchange.let_in(2);
        let again = Speaker::established(graceful(&exchange, 2, N | R, forwarding));
        if !forwarding {
            holds("F is not set", &witness, &[]);
            continue;
        }
        again.announce(&routes[0]);
        let third = route(2, "45.0.2.0/24", "");
        again.announce(&third);
        holds(
            "nobody is missing yet",
            &witness,
            &[routes[0].clone(), routes[1].clone(), third.clone()],
        );
        again.send(&end_of_rib(false)).unwrap();
        holds("after End-of-RIB", &witness, &[routes[0].clone(), third]);
        let told = witness.status().updates - updates;
        assert_eq!(told, 2, "the new one, and the one that is gone");
    }
}

/// RFC 4724 §4.2: whose capability says nothing of it any more has kept nothing.
#[test]
fn rfc4724_who_comes_back_without_graceful_restart_begins_anew() {
    let (exchange, member, witness, routes) = before(N, false);
    member.close();
    exchange.wait_down(2);
    holds("kept", &witness, &routes);
    exchange.let_in(2);
    let again = exchange.speaker(2);
    holds("gone", &witness, &[]);
    again.announce(&routes[1]);
    holds("what it says now", &witness, &routes[1..]);
}
