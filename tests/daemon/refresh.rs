//! BoRR and EoRR at the wrong time (RFC 7313 §4), and ROUTE-REFRESH that means nothing.

use rs_tests::support::loopback::{ARRIVE, Exchange, holds, route};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{end_of_rib, kind, message};

const GRACEFUL_RESTART: u8 = 64;
const ENHANCED_ROUTE_REFRESH: u8 = 70;

/// The two routes that stand before a row, a mark that comes behind it, and another member's routes
/// that go when the sweeps of a row are over.
const FIRST: &str = "45.0.0.0/24";
const SECOND: &str = "2a0e:1000::/32";
const MARK: &str = "203.0.113.0/24";
const SWEPT: [&str; 2] = ["198.51.100.0/24", "2a0e:2000::/32"];

/// Words: B4 BoRR of IPv4, E6 EoRR of IPv6, R4 a plain request, 1 and 2 the routes again, hN any
/// ROUTE-REFRESH in hexadecimal. What is left afterwards.
const ROWS: &[(&str, &str, &str)] = &[
    ("nothing", "", "1 2"),
    ("EoRR without BoRR", "E4", "1 2"),
    ("EoRR twice without BoRR", "E4 E4 E6", "1 2"),
    ("BoRR alone", "B4", "1 2"),
    ("nothing between BoRR and EoRR", "B4 E4", "2"),
    ("both families one in the other", "B4 B6 1 E6 E4", "1"),
    ("all between", "B4 B6 1 2 E4 E6", "1 2"),
    ("BoRR of one family, EoRR of the other", "B4 E6", "1 2"),
    ("BoRR again begins anew", "B4 1 B4 E4", "2"),
    ("BoRR again, the route behind it", "B4 B4 1 E4", "1 2"),
    ("EoRR twice", "B4 1 E4 E4", "1 2"),
    ("a plain request between", "B4 R4 1 E4", "1 2"),
    ("BoRR in the member's answer to nothing, then a withdrawal", "B4 w1 E4", "2"),
    ("a family that was not agreed on", "h40090147 h40090247", "1 2"),
    ("another SAFI", "h00010102 h00010202", "1 2"),
    ("subtype 3", "h00010301", "1 2"),
    ("subtype 254", "h0001fe01", "1 2"),
    ("subtype 255", "h0001ff01", "1 2"),
];

fn words(speaker: &Speaker, n: u8, row: u32, text: &str) {
    let refresh = |afi, subtype| message(kind::ROUTE_REFRESH, &[0, afi, subtype, 1]);
    let again = |prefix: &str| speaker.announce(&route(n, prefix, &(300_000 + row).to_string()));
    for word in text.split_whitespace() {
        let octets = match word {
            "B4" => refresh(1, 1),
            "B6" => refresh(2, 1),
            "E4" => refresh(1, 2),
            "E6" => refresh(2, 2),
            "R4" => refresh(1, 0),
            "1" | "2" => {
                again(if word == "1" { FIRST } else { SECOND });
                continue;
            }
            "w1" => {
                speaker.withdraw(FIRST);
                continue;
            }
            other => {
                let octets = rs_tests::support::route::unhex(&other[1..]);
                message(kind::ROUTE_REFRESH, &octets)
            }
        };
        speaker.send(&octets).unwrap();
    }
}

fn every_row(with_capability: bool) {
    // One shard sweeps in the order in which it was asked to, whosever the routes are.
    let exchange = Exchange::with(&["", "", ""], |config| {
        *config = config.clone().text("[engine]\nshards = 1");
    });
    let mut config = exchange.speaker_config(2);
    if with_capability {
        config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
    }
    let (sender, receiver) = (Speaker::established(config), exchange.speaker(3));
    let mut config = exchange.speaker_config(4);
    config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
    let other = Speaker::established(config);
    let has = |seen: &[Route], prefix: &str| seen.iter().any(|r| r.prefix.to_string() == prefix);
    for (row, (name, text, left)) in (0..).zip(ROWS) {
        for prefix in SWEPT {
            other.announce(&route(4, prefix, &(300_000 + row).to_string()));
        }
        receiver.wait_routes(name, ARRIVE, |seen| {
            ensure(SWEPT.iter().all(|prefix| has(seen, prefix)), || format!("{seen:?}"))
        });
        words(&sender, 2, row, "1 2");
        words(&sender, 2, row, text);
        let mark = |n: u32| route(2, MARK, &(300_000 + 2 * row + n).to_string());
        sender.announce(&mark(0));
        // Without the capability BoRR and EoRR are nothing of which routes could end.
        let stays = |word: &str| {
            let withdrawn = word == "1" && text.contains("w1");
            if with_capability { left.split(' ').any(|one| one == word) } else { !withdrawn }
        };
        let expected = [stays("1"), stays("2"), true];
        let holds = |seen: &[Route], mark: &Route| {
            let found = [has(seen, FIRST), has(seen, SECOND), seen.contains(mark)];
            ensure(found == expected, || format!("{found:?}: {seen:?}"))
        };
        // A sweep comes in its own time: what is to go is waited for.
        receiver.wait_routes(name, ARRIVE, |seen| holds(seen, &mark(0)));
        // What is to stay is looked at when the row's sweeps are over: those that member 4 asks for
        // stand behind them, and what is said after those is sent after them.
        words(&other, 4, row, "B4 B6 E4 E6");
        receiver.wait_routes(name, ARRIVE, |seen| {
            ensure(!SWEPT.iter().any(|prefix| has(seen, prefix)), || format!("{seen:?}"))
        });
        sender.announce(&mark(1));
        receiver.wait_routes(name, ARRIVE, |seen| {
            ensure(seen.contains(&mark(1)), || format!("{seen:?}"))
        });
        holds(&receiver.routes(), &mark(1)).unwrap_or_else(|seen| panic!("{name}: {seen}"));
        for speaker in [&sender, &other] {
            let status = speaker.status();
            assert_eq!((status.closed, status.notification), (None, None), "{name}");
        }
    }
    let status = receiver.status();
    assert_eq!((status.closed, status.empty_withdrawals), (None, 0));
}

#[test]
fn rfc7313_borr_and_eorr_in_any_order_remove_what_was_not_sent_between_them_and_nothing_else() {
    every_row(true);
}

#[test]
fn rfc7313_without_the_capability_borr_and_eorr_remove_nothing() {
    every_row(false);
}

/// Between BoRR and the end of the session: all goes with it, and the next one begins clean.
#[test]
fn rfc7313_a_session_that_ends_in_between_leaves_nothing_behind() {
    let exchange = Exchange::new(&["", ""]);
    let mut config = exchange.speaker_config(2);
    config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
    let (sender, receiver) = (Speaker::established(config.clone()), exchange.speaker(3));
    words(&sender, 2, 0, "1 2 B4 1");
    receiver.wait_routes("both", ARRIVE, |seen| ensure(seen.len() == 2, || format!("{seen:?}")));
    sender.close();
    receiver.wait_routes("none", ARRIVE, |seen| ensure(seen.is_empty(), || format!("{seen:?}")));
    let again = Speaker::established(config);
    words(&again, 2, 1, "1 2 E4");
    again.announce(&route(2, MARK, "1"));
    receiver
        .wait_routes("all three", ARRIVE, |seen| ensure(seen.len() == 3, || format!("{seen:?}")));
}

/// Member 2 with both capabilities; the forwarding state is kept.
fn enhanced_and_graceful(exchange: &Exchange) -> RawConfig {
    let mut config = exchange.speaker_config(2);
    config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
    config.capabilities.push((GRACEFUL_RESTART, vec![0, 60, 0, 1, 1, 0x80, 0, 2, 1, 0x80]));
    config
}

/// RFC 7313 §4: BoRR and EoRR mean nothing before End-of-RIB, or what a member has yet to send after
/// its restart would go.
#[test]
fn rfc7313_s4_with_graceful_restart_there_is_no_refresh_before_end_of_rib() {
    let exchange = Exchange::new(&["", ""]);
    let first = Speaker::established(enhanced_and_graceful(&exchange));
    let receiver = exchange.speaker(3);
    let [one, two, mark] =
        [FIRST, "45.0.1.0/24", MARK].map(|prefix| route(2, prefix, &300_000.to_string()));
    first.announce(&one);
    first.announce(&two);
    words(&first, 2, 0, "B4 E4");
    first.announce(&mark);
    holds("a first start", &receiver, &[one.clone(), two.clone(), mark.clone()]);
    first.send(&end_of_rib(false)).unwrap();
    first.close();
    exchange.wait_down(2);
    exchange.let_in(2);
    let again = Speaker::established(enhanced_and_graceful(&exchange));
    words(&again, 2, 0, "1 B4 E4 B4");
    let later = route(2, MARK, "300001");
    again.announce(&later);
    holds("after a restart", &receiver, &[one.clone(), two, later.clone()]);
    again.send(&end_of_rib(false)).unwrap();
    holds("after End-of-RIB", &receiver, &[one.clone(), later.clone()]);
    // The BoRR of before began nothing that could end here; the next does.
    words(&again, 2, 0, "E4");
    let last = route(2, MARK, "300002");
    again.announce(&last);
    holds("EoRR", &receiver, &[one, last.clone()]);
    words(&again, 2, 0, "B4");
    again.announce(&last);
    words(&again, 2, 0, "E4");
    holds("BoRR and EoRR", &receiver, &[last]);
}

/// More BoRR than rounds of routes can be told apart: what is old must not pass for fresh.
#[test]
fn rfc7313_no_route_outlives_its_session_after_tens_of_thousands_of_borr() {
    for announcing in [false, true] {
        let exchange = Exchange::new(&["", ""]);
        let mut config = exchange.speaker_config(2);
        config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
        let (sender, receiver) = (Speaker::established(config), exchange.speaker(3));
        let [old, mark] = ["45.0.1.0/24", MARK].map(|prefix| route(2, prefix, ""));
        sender.announce(&old);
        words(&sender, 2, 0, "1");
        let text = if announcing { "B4 1" } else { "B4" };
        for _ in 0..40_000 {
            words(&sender, 2, 0, text);
        }
        sender.announce(&mark);
        // What was missing in thousands of refreshes goes; BoRR after BoRR is no refresh.
        receiver.wait_routes("afterwards", ARRIVE, |seen| {
            let found = [&old, &mark].map(|route| seen.contains(route));
            ensure(found == [!announcing, true], || format!("{seen:?}"))
        });
        sender.close();
        holds("the session is over", &receiver, &[]);
    }
}
