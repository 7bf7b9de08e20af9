//! Members whose TCP stands still or crawls, and what the others notice: how long a change takes
//! from one honest member to another, and the daemon's memory.

use std::thread;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{
    ARRIVE, Exchange, Honest, MORE_MEMORY_OCTETS, holds_within, route,
};
use rs_tests::support::raw::{Config as RawConfig, Reading, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{kind, message};

/// What one member may have waiting for it (`QUEUE_HIGH_OCTETS`), and the batch that went beyond.
const QUEUE_OCTETS: f64 = 6e6;
const PREFIXES: usize = 2_000;
const ROUNDS: usize = 24;
/// Much less than goes by. Not the smallest that there is: the kernel drops what it has no room for, and
/// who reads it all would be sent a few hundred octets in each retransmission timeout.
const RECEIVE_BUFFER: usize = 128 << 10;

/// How long who reads again waits for more: TCP asks a closed window, and sends what found no room, after
/// times that double (RFC 9293 §3.8.6.1, RFC 6298 §5.5), up to 120 s on Linux.
const REOPENED: Duration = Duration::from_secs(150);

/// A table of large attribute sets, none like the other, in its next version.
fn table(version: usize) -> Vec<Route> {
    let large = |route: Route, k: usize| {
        (0..24)
            .fold(route, |route, part| route.large(&format!("300000:{version}:{}", k * 100 + part)))
    };
    let one = |k: usize| large(route(2, &format!("45.{}.{}.0/24", k >> 8, k & 255), "65010"), k);
    (0..PREFIXES).map(one).collect()
}

/// All of it, and until it is there.
fn announce(honest: &Honest, version: usize) {
    let table = table(version);
    table.iter().for_each(|route| honest.sender.announce(route));
    eventually("the table arrives", ARRIVE, || {
        // What goes between them otherwise are higher prefixes.
        let routes = honest.receiver.routes();
        ensure(routes.starts_with(&table), || format!("{} routes", routes.len()))
    });
}

/// A member of a small window.
fn stuck(exchange: &Exchange) -> Speaker {
    let config = exchange.speaker_config(4);
    // A KEEPALIVE of its own would come in the middle of one that is sent an octet at a time.
    Speaker::established(RawConfig {
        receive_buffer: Some(RECEIVE_BUFFER),
        hold_time: 240,
        ..config
    })
}

/// Some 30 MB go by a member whose window is closed; afterwards it gets what holds then.
#[test]
fn a_closed_window_costs_a_bounded_queue_and_delays_nobody() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    let stuck = stuck(&exchange);
    announce(&honest, 0);
    stuck.wait("the table", ARRIVE, |status| {
        ensure(status.routes == PREFIXES, || format!("{} routes", status.routes))
    });
    stuck.read(Reading::Nothing);
    let before = exchange.resident_octets();
    let mut most = 0;
    for round in 1..=ROUNDS {
        announce(&honest, round);
        honest.probe();
        most = most.max(exchange.resident_octets());
    }
    let of_stuck = ["peer=\"127.0.0.4\""];
    let waiting = exchange.metric("rs_send_queue_bytes", &of_stuck).unwrap();
    assert!(waiting < QUEUE_OCTETS, "{waiting} octets wait");
    assert_eq!(exchange.metric("rs_lagging", &of_stuck), Ok(1.0), "it is behind");
    assert!(most < before + MORE_MEMORY_OCTETS, "{most} octets, before {before}");
    honest.is_served("beside a closed window");
    stuck.read(Reading::All);
    let expected = honest.receiver.routes();
    holds_within("what holds now", &stuck, &expected, REOPENED);
    let status = stuck.status();
    // It was not sent every version: that would be as many UPDATEs as there were.
    assert!(status.updates < (PREFIXES * ROUNDS) as u64, "{} UPDATEs", status.updates);
    eprintln!("{before} octets before, {most} at most");
}

/// RFC 9687: KEEPALIVEs of its own do not save it.
#[test]
fn rfc9687_a_window_that_stays_closed_ends_the_session() {
    let exchange = Exchange::new(&["", "", "hold_time = \"12s\"\nsend_hold_time = \"13s\""]);
    let mut honest = Honest::new(&exchange);
    // Its KEEPALIVEs come in time.
    let config = RawConfig { hold_time: 12, ..exchange.speaker_config(4) };
    let stuck = Speaker::established(RawConfig { receive_buffer: Some(RECEIVE_BUFFER), ..config });
    stuck.read(Reading::Nothing);
    let began = Instant::now();
    for round in 0..ROUNDS {
        announce(&honest, round);
        honest.probe();
    }
    eventually("member 4 is down", 3 * ARRIVE, || {
        ensure(!exchange.is_established(4), || "established".to_owned())
    });
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(13), "{took:?}");
    let told = ["peer=\"127.0.0.4\"", "direction=\"sent\"", "code=\"8\""];
    assert_eq!(exchange.metric("rs_notifications_total", &told), Ok(1.0));
    honest.probe();
    honest.is_served("beside a session that ends by its SendHoldTimer");
}

/// An octet a second, read and written: it is served at its own pace, the others at theirs.
#[test]
fn an_octet_a_second_both_ways_delays_nobody() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    let crawls = stuck(&exchange);
    crawls.read(Reading::Slowly(1));
    let before = exchange.resident_octets();
    // The beginning of a KEEPALIVE; the rest comes at the end.
    let keepalive = message(kind::KEEPALIVE, &[]);
    let (slow, rest) = keepalive.split_at(6);
    for (round, octet) in slow.iter().enumerate() {
        crawls.send(&[*octet]).unwrap();
        let second = Instant::now() + Duration::from_secs(1);
        announce(&honest, round);
        loop {
            honest.probe();
            if Instant::now() >= second {
                break;
            }
            // The pace of changes, not a wait for something to happen.
            thread::sleep(Duration::from_millis(50));
        }
    }
    let grown = exchange.resident_octets().saturating_sub(before);
    assert!(grown < MORE_MEMORY_OCTETS, "{grown} octets more");
    honest.is_served("beside an octet a second");
    // It is alive, and gets all when it reads like others.
    crawls.send(rest).unwrap();
    crawls.read(Reading::All);
    let its = route(4, "47.0.0.0/24", "");
    let expected = honest.receiver.routes();
    holds_within("the same table", &crawls, &expected, REOPENED);
    crawls.announce(&its);
    honest.receiver.wait_routes("its route", ARRIVE, |seen| {
        ensure(seen.contains(&its), || format!("{} routes", seen.len()))
    });
    assert_eq!(crawls.status().closed, None);
}

/// The timer of the daemon's end of its connection with member `n`, as the kernel numbers them.
fn tcp_timer(exchange: &Exchange, n: u8) -> Result<String, String> {
    let table = std::fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
    let (ours, theirs) = (format!("0100007F:{:04X}", exchange.port), format!("{n:02X}00007F:"));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|of| of[1] == ours && of[2].starts_with(&theirs));
    line.and_then(|of| of[5].split(':').next().map(str::to_owned)).ok_or(table)
}

/// RFC 4271 §4.2: without KEEPALIVEs it is TCP that notices when a member is gone, and only then: it
/// would end sessions ahead of a long hold time.
#[test]
fn rfc4271_s4_2_tcp_looks_after_a_session_without_a_hold_time() {
    const NONE: &str = "00";
    const KEEPALIVE: &str = "02";
    let exchange = Exchange::new(&["hold_time = \"600s\"", "hold_time = \"600s\""]);
    for (n, hold_time, timer) in [(2, 0, KEEPALIVE), (3, 600, NONE)] {
        let config = RawConfig { hold_time, ..exchange.speaker_config(n) };
        let _member = Speaker::established(config);
        // What is sent has a timer of its own until it is acknowledged.
        eventually(&format!("a hold time of {hold_time}"), ARRIVE, || {
            let set = tcp_timer(&exchange, n)?;
            ensure(set == timer, || format!("timer {set}, not {timer}"))
        });
    }
}
