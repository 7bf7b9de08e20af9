//! Members and strangers who are slow, silent or too many, and what the others notice of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, Meanwhile, asn, holds, route};
use rs_tests::support::raw::{Speaker, connect};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::message;

const ROUTE_REFRESH: u8 = 5;
const ENHANCED_ROUTE_REFRESH: u8 = 70;

/// A connection may take so long to its OPEN; a busy machine adds to it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The header of a request over HTTP may be so long, and its client may take so long for it.
const HEADER_OCTETS: usize = 16_384;
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection from 127.0.0.n that has said nothing.
fn connection(exchange: &Exchange, n: u8) -> TcpStream {
    let stream = connect(&exchange.speaker_config(n)).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Whether the other side has ended it, after what it said.
fn ended(mut stream: &TcpStream) -> bool {
    let mut octets = [0; 4096];
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// RFC 4271 §6.8 leaves it open: connections that say nothing must not keep the member out.
#[test]
fn silent_connections_do_not_block_an_open_and_end_after_five_seconds() {
    let exchange = Exchange::new(&["", "", ""]);
    let began = Instant::now();
    let silent = connection(&exchange, 4);
    let member = exchange.speaker(4);
    assert!(!ended(&silent) || began.elapsed() >= OPEN_TIMEOUT, "it has its five seconds");
    eventually("the silent one is ended", ARRIVE, || ensure(ended(&silent), || "open".to_owned()));
    assert_eq!(member.status().closed, None);
}

/// Two may be on their way; who opens more is refused, and is let in when they are gone.
#[test]
fn a_flood_from_a_members_address_is_refused_beyond_two() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut meanwhile = Meanwhile::new(&exchange);
    let all: Vec<TcpStream> = (0..100)
        .map(|n| {
            if n % 10 == 9 {
                meanwhile.look();
            }
            connection(&exchange, 4)
        })
        .collect();
    eventually("all but two are refused", ARRIVE, || {
        meanwhile.look();
        let left = all.iter().filter(|stream| !ended(stream)).count();
        ensure(left <= 2, || format!("{left} are open"))
    });
    meanwhile.nothing_noticed("beside a flood");
    eventually("the two end for want of an OPEN", ARRIVE, || {
        let left = all.iter().filter(|stream| !ended(stream)).count();
        ensure(left == 0, || format!("{left} are open"))
    });
    exchange.speaker(4);
}

/// RFC 4271 §6.8: of many connections with an OPEN one becomes the session.
#[test]
fn a_flood_of_opens_leaves_one_session() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut meanwhile = Meanwhile::new(&exchange);
    let config = exchange.speaker_config(4);
    let all: Vec<Speaker> = (0..50)
        .filter_map(|n| {
            if n % 5 == 4 {
                meanwhile.look();
            }
            Speaker::start(config.clone()).ok()
        })
        .collect();
    eventually("one is left", ARRIVE, || {
        meanwhile.look();
        let open: Vec<_> = all.iter().filter(|speaker| speaker.status().closed.is_none()).collect();
        let established = open.iter().filter(|speaker| speaker.status().established).count();
        ensure(open.len() == 1 && established == 1, || {
            format!("{} are open, {established} of them established", open.len())
        })
    });
    meanwhile.nothing_noticed("beside a flood of OPENs");
}

/// Nobody is known at that address: nothing of it stays.
#[test]
fn strangers_in_hundreds_leave_nothing_behind() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let files = || fs::read_dir(format!("/proc/{}/fd", exchange.server.id())).unwrap().count();
    let before = files();
    let all: Vec<TcpStream> = (0..400).map(|_| connection(&exchange, 99)).collect();
    honest.serve("beside strangers");
    eventually("all are refused", ARRIVE, || {
        let left = all.iter().filter(|stream| !ended(stream)).count();
        ensure(left == 0, || format!("{left} are open"))
    });
    eventually("file descriptors are as before", ARRIVE, || {
        // The control socket and HTTP may have one each for a moment.
        ensure(files() <= before + 2, || format!("{} file descriptors, before {before}", files()))
    });
    let refused = exchange.metric("rs_connections_refused_total", &["reason=\"unconfigured\""]);
    assert_eq!(refused, Ok(400.0));
}

/// An OPEN of one octet at a time is no OPEN when its time is over.
#[test]
fn an_open_that_trickles_is_ended_in_time() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    let began = Instant::now();
    let mut slow = connection(&exchange, 4);
    let open = exchange.speaker_config(4).open();
    for octet in &open {
        // Its own pace, not a wait for something to happen.
        thread::sleep(Duration::from_millis(300));
        if slow.write_all(&[*octet]).is_err() || ended(&slow) {
            break;
        }
    }
    assert!(ended(&slow), "{:?} for {} octets", began.elapsed(), open.len());
    assert!(began.elapsed() >= OPEN_TIMEOUT, "it has its five seconds");
    honest.serve("beside an OPEN that trickles");
    exchange.speaker(4);
}

/// RFC 4271 §6.5: octets of a message that does not end are no KEEPALIVE.
#[test]
fn a_message_that_never_ends_does_not_keep_a_session_alive() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    let mut config = exchange.speaker_config(4);
    config.hold_time = 3;
    let mut stream = connection(&exchange, 4);
    stream.write_all(&config.open()).unwrap();
    stream.write_all(&message(4, &[])).unwrap();
    // The head of an UPDATE of 4,096 octets, and then an octet now and then.
    stream.write_all(&[&[0xff; 16][..], &[0x10, 0x00, 2]].concat()).unwrap();
    let began = Instant::now();
    while began.elapsed() < ARRIVE {
        thread::sleep(Duration::from_millis(100));
        if stream.write_all(&[0]).is_err() || ended(&stream) {
            break;
        }
    }
    assert!(ended(&stream), "the hold time of 3 s is over");
    honest.serve("beside a message that never ends");
}

/// RFC 2918: requests that come faster than they can be answered are answered together.
#[test]
fn a_storm_of_route_refreshes_is_answered_with_few_tables() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut meanwhile = Meanwhile::new(&exchange);
    let table: Vec<_> = (0..=255).map(|n| route(2, &format!("45.0.{n}.0/24"), "300000")).collect();
    table.iter().for_each(|route| meanwhile.honest.sender.announce(route));
    // It is told where an answer begins and ends (RFC 7313): they can be counted.
    let mut config = exchange.speaker_config(4);
    config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
    let member = Speaker::established(config);
    holds("the table", &member, &table);
    let requests = 2_000;
    let storm = message(ROUTE_REFRESH, &[0, 1, 0, 1]).repeat(requests);
    member.send(&storm).unwrap();
    meanwhile.look();
    let expected = meanwhile.honest.receiver.routes();
    holds("still served", &member, &expected);
    // What it says behind the storm is taken behind the storm.
    member.announce(&route(4, "45.1.0.0/24", ""));
    meanwhile.honest.receiver.wait_routes("behind the storm", ARRIVE, |seen| {
        let there = seen.iter().any(|route| route.prefix.to_string() == "45.1.0.0/24");
        ensure(there, || format!("{} routes", seen.len()))
    });
    let mut last = (0, Instant::now());
    let answers = eventually("all is answered", ARRIVE, || {
        meanwhile.look();
        let refreshes = member.status().refreshes;
        if refreshes.len() != last.0 {
            last = (refreshes.len(), Instant::now());
        }
        let [begun, ended] =
            [1, 2].map(|mark| refreshes.iter().filter(|(_, subtype)| *subtype == mark).count());
        let quiet = last.1.elapsed() >= Duration::from_secs(1);
        ensure(quiet && begun > 0 && begun == ended, || format!("{begun} begun, {ended} ended"))?;
        Ok(begun)
    });
    assert_eq!(member.status().closed, None);
    // All that are read while an answer is under way are one more answer: there are no more than
    // reads and one, and what is sent at once comes in a few of 64 KiB at most.
    assert!(answers < 50, "{answers} tables for {requests} requests");
    meanwhile.nothing_noticed("beside a storm of ROUTE-REFRESH");
}

/// All routes go and come again, over and over: in the end the others hold what was said last.
#[test]
fn a_member_that_changes_everything_all_the_time_leaves_exact_tables() {
    const ROUNDS: usize = 40;
    let gone = |n: usize, round: usize| (n + round).is_multiple_of(3);
    let exchange = Exchange::new(&["", "", ""]);
    let mut meanwhile = Meanwhile::new(&exchange);
    let member = exchange.speaker(4);
    let prefixes: Vec<String> = (0..=255).map(|n| format!("45.0.{n}.0/24")).collect();
    for round in 0..ROUNDS {
        for (n, prefix) in prefixes.iter().enumerate() {
            if gone(n, round) {
                member.withdraw(prefix);
            } else {
                member.announce(&route(4, prefix, &(300_000 + round).to_string()));
            }
        }
        meanwhile.look();
    }
    let last = ROUNDS - 1;
    let left = prefixes.iter().enumerate().filter(|(n, _)| !gone(*n, last));
    let expected: Vec<_> =
        left.map(|(_, prefix)| route(4, prefix, &(300_000 + last).to_string())).collect();
    let own = asn(4).to_string();
    meanwhile.honest.receiver.wait_routes("what was said last", ARRIVE, |seen| {
        let seen: Vec<_> = seen.iter().filter(|route| route.as_path.starts_with(&own)).collect();
        ensure(seen.iter().copied().eq(&expected), || format!("{seen:?}"))
    });
    meanwhile.nothing_noticed("beside all that");
}

/// What is answered to a request of HTTP until the daemon closes the connection, also if it leaves
/// part of the request unread.
fn answer_to(exchange: &Exchange, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", exchange.http_port)).unwrap();
    stream.set_read_timeout(Some(ARRIVE)).unwrap();
    // It may be closed before all of it is written.
    let _ = stream.write_all(request);
    let (mut answer, mut octets) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut octets) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&octets[..count]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                break;
            }
        }
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_header_of_http_beyond_its_limit_is_answered_with_431() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    for (octets, status) in
        [(HEADER_OCTETS - 1_000, "200"), (2 * HEADER_OCTETS, "431"), (8 << 20, "431")]
    {
        let request = format!("GET /healthz HTTP/1.0\r\nX-Long: {}\r\n\r\n", "x".repeat(octets));
        let answer = answer_to(&exchange, request.as_bytes());
        assert_eq!(answer.split(' ').nth(1), Some(status), "{octets} octets: {answer:?}");
        honest.serve("beside a long header");
    }
}

/// What goes on, but does not end, is no header; nor is silence after an answer.
#[test]
fn a_header_of_http_that_never_ends_is_closed_in_time() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let began = Instant::now();
    let question = "GET /healthz HTTP/1.1\r\nHost: rs\r\n";
    let slow = [
        ("an octet at a time", format!("{question}X-Long: "), "x"),
        ("a line at a time", question.to_owned(), "X-More: x\r\n"),
        ("silence after an answer", format!("{question}\r\n"), ""),
        ("silence", String::new(), ""),
    ];
    let mut all: Vec<_> = slow
        .iter()
        .map(|(name, first, more)| {
            let mut stream = TcpStream::connect(("127.0.0.1", exchange.http_port)).unwrap();
            stream.write_all(first.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            (*name, stream, *more)
        })
        .collect();
    while !all.is_empty() {
        // Their own pace, not a wait for something to happen.
        thread::sleep(Duration::from_millis(300));
        all.retain_mut(|(name, stream, more)| {
            let open = stream.write_all(more.as_bytes()).is_ok() && !ended(stream);
            assert!(open || began.elapsed() >= HEADER_TIMEOUT, "{name}: it has its time");
            open
        });
        let names: Vec<_> = all.iter().map(|(name, ..)| name).collect();
        assert!(began.elapsed() < HEADER_TIMEOUT + ARRIVE, "{names:?} are open");
        honest.serve("beside slow clients of HTTP");
    }
    assert!(answer_to(&exchange, b"GET /healthz HTTP/1.0\r\n\r\n").ends_with("ok\n"));
}
