//! Which ends of a session keep a member's routes: graceful restart (RFC 4724) with notifications
//! (RFC 8538), seen by another member.

use std::time::{Duration, Instant};

use rs_tests::support::loopback::{ARRIVE, Exchange, holds, route};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{end_of_rib, kind, message};

const GRACEFUL_RESTART: u8 = 64;
const LONG_LIVED: u8 = 71;
const LLGR_STALE: &str = "65535:6";
const CEASE: u8 = 6;
const HARD_RESET: u8 = 9;
/// Seconds that the member says to be away.
const AWAY: u8 = 60;

/// Graceful restart for IPv4, with the forwarding state kept or not; `flags` is R (0x80) and N (0x40).
fn graceful(exchange: &Exchange, n: u8, flags: u8, forwarding: bool) -> RawConfig {
    graceful_for(exchange, n, flags, forwarding, AWAY)
}

fn graceful_for(exchange: &Exchange, n: u8, flags: u8, forwarding: bool, away: u8) -> RawConfig {
    let mut config = exchange.speaker_config(n);
    let kept = if forwarding { 0x80 } else { 0 };
    config.capabilities.push((GRACEFUL_RESTART, vec![flags, away, 0, 1, 1, kept]));
    config
}

/// The same, away for a second, with LLGR of IPv4: its F bit, and for how many seconds.
fn long_lived(exchange: &Exchange, n: u8, forwarding: bool, seconds: u16) -> RawConfig {
    with_llgr(graceful_for(exchange, n, 0, true, 1), forwarding, seconds)
}

fn with_llgr(mut config: RawConfig, forwarding: bool, seconds: u16) -> RawConfig {
    let kept = if forwarding { 0x80 } else { 0 };
    let [high, low] = seconds.to_be_bytes();
    config.capabilities.push((LONG_LIVED, vec![0, 1, 1, kept, 0, high, low]));
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
    let witness = exchange.speaker(3);
    let routes = [route(2, "45.0.0.0/24", ""), route(2, "45.0.1.0/24", "")];
    // The last to come, since its time runs from then on.
    let member = Speaker::established(config);
    routes.iter().for_each(|route| member.announce(route));
    member.send(&end_of_rib(false)).unwrap();
    holds("both", &witness, &routes);
    (exchange, member, witness, routes)
}

/// Ends a session; whether the routes are still there afterwards.
fn ends(what: &str, flags: u8, end: End, kept: bool) {
    let (exchange, member, witness, routes) = before(flags, matches!(end, End::Silence));
    let updates = witness.status().changes();
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
        assert_eq!(witness.status().changes() - updates, 1, "{what}: the mark alone");
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
        let updates = witness.status().changes();
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
        let told = witness.status().changes() - updates;
        assert_eq!(told, 2, "the new one, and the one that is gone");
    }
}

/// RFC 4724 §4.2: what has been stale since the restart before goes with the next one.
#[test]
fn rfc4724_s4_2_what_two_restarts_did_not_bring_back_goes() {
    let (exchange, member, witness, routes) = before(N, false);
    member.close();
    exchange.wait_down(2);
    exchange.let_in(2);
    let again = Speaker::established(graceful(&exchange, 2, N | R, true));
    again.announce(&routes[0]);
    let mark = route(2, "45.0.2.0/24", "");
    again.announce(&mark);
    holds("after one restart", &witness, &[routes[0].clone(), routes[1].clone(), mark.clone()]);
    again.close();
    exchange.wait_down(2);
    holds("after two", &witness, &[routes[0].clone(), mark]);
}

/// The peer is away, so there is no session whose end could remove them.
#[test]
fn who_is_disabled_while_away_keeps_nothing() {
    for by_reload in [false, true] {
        let (exchange, member, witness, routes) = before(N, false);
        member.close();
        exchange.wait_down(2);
        holds("kept", &witness, &routes);
        if by_reload {
            let mut config = exchange.config.clone();
            let session = "address = \"127.0.0.2\"\n";
            assert!(config.members.contains(session));
            config.members =
                config.members.replace(session, &format!("{session}disabled = \"moving\"\n"));
            exchange.server.reload(&config);
        } else {
            exchange.server.act(&["session", "disable", "127.0.0.2"]);
        }
        holds("disabled", &witness, &[]);
    }
}

/// Members 2 and 3 with LLGR; member 2 is away for longer than its restart time.
fn away_for_long(seconds: u16, ours: &str) -> (Exchange, Speaker, [Route; 2]) {
    away(ours, |exchange| long_lived(exchange, 2, true, seconds))
}

fn away(
    ours: &str,
    member: impl FnOnce(&Exchange) -> RawConfig,
) -> (Exchange, Speaker, [Route; 2]) {
    let exchange = Exchange::new(&[ours, "llgr = \"1h\""]);
    let member = Speaker::established(member(&exchange));
    let witness = Speaker::established(long_lived(&exchange, 3, true, 3600));
    // Else all wait for what it has, after our own start.
    [false, true].into_iter().for_each(|v6| witness.send(&end_of_rib(v6)).unwrap());
    let routes = [route(2, "45.0.0.0/24", ""), route(2, "45.0.1.0/24", "")];
    routes.iter().for_each(|route| member.announce(route));
    [false, true].into_iter().for_each(|v6| member.send(&end_of_rib(v6)).unwrap());
    holds("both", &witness, &routes);
    member.close();
    exchange.wait_down(2);
    holds("long-lived stale", &witness, &routes.clone().map(stale));
    (exchange, witness, routes)
}

fn stale(mut route: Route) -> Route {
    route.communities.insert(LLGR_STALE.to_owned());
    route
}

#[test]
fn rfc9494_s4_2_who_comes_back_late_has_to_say_in_llgr_too_that_it_kept_its_state() {
    for (llgr, stays) in [(Some(true), true), (Some(false), false), (None, false)] {
        let (exchange, witness, routes) = away_for_long(3600, "llgr = \"1h\"");
        exchange.let_in(2);
        let again = Speaker::established(match llgr {
            Some(forwarding) => long_lived(&exchange, 2, forwarding, 3600),
            None => graceful_for(&exchange, 2, R, true, 1),
        });
        let mark = route(2, "45.0.2.0/24", "");
        again.announce(&mark);
        let [first, second] = routes.map(stale);
        let expected = if stays { vec![first, second, mark] } else { vec![mark] };
        holds(&format!("back with LLGR {llgr:?}"), &witness, &expected);
    }
}

/// `llgr` is a limit, whatever the member asks for.
#[test]
fn rfc9494_long_lived_routes_stay_no_longer_than_configured() {
    let (_exchange, witness, _) = away_for_long(50_000, "llgr = \"10s\"");
    holds("the time is over", &witness, &[]);
}

/// The time does not begin anew with each loss.
#[test]
fn rfc9494_s4_2_a_member_that_flaps_does_not_extend_the_long_lived_time() {
    // Anew where a slow machine has let the time run out meanwhile, which shows nothing.
    for _ in 0..3 {
        let (exchange, witness, routes) = away_for_long(20, "llgr = \"1h\"");
        let begin = Instant::now();
        for _ in 0..2 {
            exchange.let_in(2);
            let again = Speaker::established(long_lived(&exchange, 2, true, 50_000));
            if begin.elapsed() < Duration::from_secs(15) {
                holds("not complete", &witness, &routes.clone().map(stale));
            }
            again.close();
            exchange.wait_down(2);
        }
        let in_time = begin.elapsed() < Duration::from_secs(15);
        holds("the time is over", &witness, &[]);
        if in_time {
            return;
        }
    }
    panic!("three times too slow to see anything");
}

/// LLGR needs the other capability, but that one need not name the family: then there is no restart
/// time before the long-lived one.
#[test]
fn rfc9494_s4_2_a_family_that_llgr_alone_names_is_stale_for_long_at_once() {
    let only_llgr = |exchange: &Exchange| {
        let mut config = exchange.speaker_config(2);
        config.capabilities.push((GRACEFUL_RESTART, vec![0, AWAY]));
        with_llgr(config, true, 3600)
    };
    let (exchange, witness, routes) = away("llgr = \"1h\"", only_llgr);
    exchange.let_in(2);
    let again = Speaker::established(only_llgr(&exchange));
    again.announce(&routes[1]);
    again.send(&end_of_rib(false)).unwrap();
    holds("back", &witness, &routes[1..]);
}

/// A router that restarts gracefully has its new session at once; one that does nothing else waits
/// like any that flaps.
#[test]
fn rfc4724_s5_take_overs_without_end_are_held_off() {
    let (exchange, member, witness, routes) = before(0, false);
    let mut held = vec![member];
    for flaps in 1..=5 {
        held.push(Speaker::established(graceful(&exchange, 2, R, true)));
        // The server's side is established a moment later; before that, another is a collision.
        eventually("the server has the new session", ARRIVE, || {
            let status = exchange.server.ask(&["member", "127.0.0.2"])?;
            let there = status["state"] == "established" && status["flaps"] == flaps;
            ensure(there, || status.to_string())?;
            let timers = &status["timers"];
            let runs = timers["hold"].is_string() && timers["idle_hold"].is_null();
            ensure(runs, || timers.to_string())
        });
    }
    let last = Speaker::start(graceful(&exchange, 2, R, true)).unwrap();
    last.wait("is held off", ARRIVE, |status| {
        let told = status.notification.as_ref().map(|(code, sub, _)| (*code, *sub));
        ensure(told == Some((CEASE, 5)), || format!("{status:?}"))
    });
    let told = Instant::now();
    let timers =
        exchange.server.ask(&["member", "127.0.0.2"]).expect("it answers")["timers"].clone();
    // It is held off for 3.75 s at least: a machine that stands still for so long shows the time after.
    let in_time = told.elapsed() < Duration::from_secs(3);
    assert!(timers["idle_hold"].is_string() || !in_time, "{timers}");
    exchange.wait_down(2);
    // What was stale before is gone, as with any restart before End-of-RIB.
    holds("nothing was said again", &witness, &[]);
    exchange.let_in(2);
    let again = Speaker::established(graceful(&exchange, 2, R, true));
    again.announce(&routes[0]);
    holds("back", &witness, &routes[..1]);
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
