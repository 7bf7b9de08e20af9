//! RTR caches that are gone, talk nonsense, stop in the middle, or never come to rest (RFC 8210).

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{
    ARRIVE, Exchange, Honest, holds, logged, measured, route, times_logged,
};
use rs_tests::support::wait::{ensure, eventually, stays};

use super::server;

/// Types of PDUs (RFC 8210 §5).
const SERIAL_NOTIFY: u8 = 0;
const SERIAL_QUERY: u8 = 1;
const RESET_QUERY: u8 = 2;
const CACHE_RESPONSE: u8 = 3;
const IPV4_PREFIX: u8 = 4;
const END_OF_DATA: u8 = 7;
const CACHE_RESET: u8 = 8;
const ASPA: u8 = 11;

/// The longest silence of a cache, and what the rest takes.
const PATIENCE: Duration = Duration::from_secs(60);

const SESSION: u16 = 7;
const LONG: u32 = 86_400;

/// How a cache answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With the whole set.
    Good,
    /// With octets that are no RTR.
    Garbage,
    /// With the beginning of it, and nothing more.
    Stops,
    /// It tells of news as soon as it has answered, and a serial query that nothing holds.
    Restless,
    /// It tells of news before each answer, which has an ASPA where it is in version 2.
    Notifies,
    /// Not at all: connections are closed.
    Gone,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    expire: u32,
    /// Sets that it sent while it was restless.
    answers: u64,
}

/// A cache with one VRP, which makes 198.51.100.0/24 of member 2 INVALID.
type Cache = server::Server<State>;

fn good(expire: u32) -> Cache {
    Cache::start(State { manner: Manner::Good, expire, answers: 0 }, serve)
}

fn serve(cache: &Cache, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header)?;
        let [version, kind, ..] = header;
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        stream.read_exact(&mut vec![0; length as usize - 8])?;
        let (manner, expire) = {
            let state = &cache.lock().state;
            (state.manner, state.expire)
        };
        let pdu = |kind: u8, session: u16, body: &[u8]| {
            let mut octets = vec![version, kind];
            octets.extend(session.to_be_bytes());
            octets.extend(u32::try_from(body.len() + 8).unwrap().to_be_bytes());
            octets.extend(body);
            octets
        };
        let mut vrp = vec![1, 24, 24, 0, 198, 51, 100, 0];
        vrp.extend(65099_u32.to_be_bytes());
        let mut end = 1_u32.to_be_bytes().to_vec();
        for seconds in [LONG, 1, expire] {
            end.extend(seconds.to_be_bytes());
        }
        let whole = [
            pdu(CACHE_RESPONSE, SESSION, &[]),
            pdu(IPV4_PREFIX, 0, &vrp),
            pdu(END_OF_DATA, SESSION, &end),
        ];
        let news = pdu(SERIAL_NOTIFY, SESSION, &2_u32.to_be_bytes());
        match (manner, kind) {
            // Its other handle does not keep it open.
            (Manner::Gone, _) => return stream.shutdown(Shutdown::Both),
            (Manner::Garbage, _) => stream.write_all(&[0xa5; 4096])?,
            (Manner::Stops, _) => stream.write_all(&whole[..2].concat())?,
            (Manner::Restless, SERIAL_QUERY) => {
                stream.write_all(&pdu(CACHE_RESET, 0, &[]))?;
            }
            (Manner::Restless, RESET_QUERY) => {
                stream.write_all(&whole.concat())?;
                stream.write_all(&news)?;
                cache.lock().state.answers += 1;
            }
            (Manner::Notifies, RESET_QUERY) => {
                // Announced: flags 1 in the place of half of a session; AS65010 by AS65099.
                let aspa = pdu(ASPA, 0x0100, &[65010_u32, 65099].map(u32::to_be_bytes).concat());
                let [response, vrp, end] = &whole;
                let aspa = if version == 2 { &aspa[..] } else { &[] };
                stream.write_all(&[&news[..], response, &news, vrp, aspa, end].concat())?;
            }
            (Manner::Notifies, SERIAL_QUERY) => {
                stream.write_all(&[&whole[0][..], &whole[2]].concat())?;
                cache.lock().state.answers += 1;
            }
            (_, RESET_QUERY | SERIAL_QUERY) => stream.write_all(&whole.concat())?,
            (_, other) => panic!("a router does not send {other}"),
        }
    }
}

fn exchange(cache: &Cache) -> Exchange {
    Exchange::with(&["", ""], |config| {
        config.import = config.import.replace("rpki = \"off\"", "rpki = \"reject\"");
        let text = format!("[[rpki.cache]]\naddress = \"{}\"", cache.address);
        *config = config.clone().text(&text);
    })
}

/// A cache that turns bad in some manner: its data hold, members are served, and it is used again
/// when it is good again.
fn fails_and_comes_back(manner: Manner, says: &str) {
    let cache = good(LONG);
    let exchange = exchange(&cache);
    measured(&exchange, "rs_rpki_up", &[], |up| up == 1.0);
    let mut honest = Honest::new(&exchange);
    honest.sender.announce(&route(2, "198.51.100.0/24", ""));
    honest.serve("with a good cache");
    cache.becomes(|state| state.manner = manner);
    eventually(says, PATIENCE, || {
        let log = exchange.server.log();
        ensure(log.contains(says), || log)
    });
    measured(&exchange, "rs_rpki_up", &[], |up| up == 0.0);
    measured(&exchange, "rs_rpki_failures_total", &[], |failures| failures >= 1.0);
    assert_eq!(exchange.metric("rs_rpki_vrps_in_force", &[]), Ok(1.0), "its data hold");
    honest.serve("with a bad cache");
    assert_eq!(honest.receiver.routes().len(), 1, "what is INVALID stays out");
    let connected = times_logged(&exchange, "RTR cache connected");
    cache.becomes(|state| state.manner = Manner::Good);
    measured(&exchange, "rs_rpki_up", &[], |up| up == 1.0);
    assert!(times_logged(&exchange, "RTR cache connected") > connected);
    honest.serve("with a good cache again");
    assert_eq!(honest.receiver.routes().len(), 1);
}

#[test]
fn a_cache_that_is_gone_is_connected_to_when_it_is_back() {
    fails_and_comes_back(Manner::Gone, "RTR cache not connected");
}

#[test]
fn a_cache_that_talks_nonsense_costs_its_session_only() {
    fails_and_comes_back(Manner::Garbage, "RTR version 2 failed, trying version 1");
}

/// Its TCP connection is fine, so nothing but our own patience ends it.
#[test]
fn a_cache_that_stops_in_the_middle_of_an_answer_is_left_after_20_seconds() {
    fails_and_comes_back(Manner::Stops, "silent for 20 s in the middle of an answer");
}

/// RFC 8210 §8.2: it must not tell of news more than once a minute. One that does, and says of
/// each serial that it does not know it, gives its whole set once a second at most.
#[test]
fn a_cache_that_never_comes_to_rest_is_asked_once_a_second() {
    let cache = good(LONG);
    cache.becomes(|state| state.manner = Manner::Restless);
    let exchange = exchange(&cache);
    let mut honest = Honest::new(&exchange);
    honest.sender.announce(&route(2, "198.51.100.0/24", ""));
    honest.serve("beside a restless cache");
    let answers = || cache.lock().state.answers;
    let (begun, before) = (Instant::now(), (answers(), honest.receiver.status().changes()));
    stays("it is asked now and then", Duration::from_secs(3), || {
        let since = answers() - before.0;
        ensure(since <= begun.elapsed().as_secs() + 2, || format!("{since} whole sets"))
    });
    assert_eq!(honest.receiver.status().changes(), before.1, "nothing changes for members");
    assert_eq!(exchange.metric("rs_rpki_vrps_in_force", &[]), Ok(1.0));
    honest.serve("beside it still");
    eventually("it goes on", ARRIVE, || {
        ensure(answers() > before.0, || "asked no more".to_owned())
    });
}

/// RFC 8210 §7: a router ignores a Serial Notify that comes before it has an answer. Taken for
/// garbage, it would cost the ASPA payloads, which version 1 does not have.
#[test]
fn a_cache_that_notifies_before_it_answers_keeps_version_2() {
    let cache = good(LONG);
    cache.becomes(|state| state.manner = Manner::Notifies);
    let exchange = exchange(&cache);
    measured(&exchange, "rs_rpki_aspas_in_force", &[], |aspas| aspas == 1.0);
    let status = exchange.server.ask(&["rpki"]).unwrap();
    let status = status.as_array().and_then(|list| list.first()).unwrap_or(&status);
    assert_eq!(status["sources"][0]["version"], 2, "{status:#}");
    // Its news is not lost: it is asked about it when it has answered.
    eventually("it is asked for its news", ARRIVE, || {
        let answers = cache.lock().state.answers;
        ensure(answers > 0, || "not asked".to_owned())
    });
    assert_eq!(exchange.metric("rs_rpki_failures_total", &[]), Ok(0.0));
    Honest::new(&exchange).serve("with a cache that notifies");
}

/// RFC 8210 §6: what has expired counts no more; what comes after that counts again.
#[test]
fn data_expire_and_count_again_when_the_cache_is_back() {
    let cache = good(3);
    let exchange = exchange(&cache);
    let mut honest = Honest::new(&exchange);
    let invalid = route(2, "198.51.100.0/24", "");
    honest.sender.announce(&invalid);
    honest.serve("with data");
    cache.becomes(|state| state.manner = Manner::Gone);
    logged(&exchange, "RPKI data have expired");
    measured(&exchange, "rs_rpki_vrps_in_force", &[], |vrps| vrps == 0.0);
    honest.serve("without data");
    eventually("it is NotFound", ARRIVE, || {
        let seen = honest.receiver.routes();
        ensure(seen.contains(&invalid), || format!("{seen:?}"))
    });
    cache.lock().state.expire = LONG;
    cache.becomes(|state| state.manner = Manner::Good);
    measured(&exchange, "rs_rpki_vrps_in_force", &[], |vrps| vrps == 1.0);
    honest.serve("with data again");
    let left: Vec<_> =
        honest.receiver.routes().into_iter().filter(|seen| *seen != invalid).collect();
    holds("it is INVALID again", &honest.receiver, &left);
}
