//! RPKI data from an RTR cache, version 2 with ASPA, that come, change and expire under a running
//! exchange.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rs_tests::support::cache::{Cache, Data};
use rs_tests::support::loopback::{ARRIVE, Exchange, asn, holds, route};
use rs_tests::support::raw::Speaker;
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;

/// Longer than any test.
const A_DAY: u32 = 86_400;
/// A start never goes on without data.
const LONG: Duration = Duration::from_secs(600);

/// Members 2 and 3 at a route server that checks by ROV and ASPA with this cache's data, which it
/// waits for at its start.
fn exchange(cache: &str, wait: Duration) -> Exchange {
    Exchange::with(&["", ""], |config| {
        let _ = writeln!(config.exchange, "data_wait = \"{}s\"", wait.as_secs());
        config.import = config.import.replace("rpki = \"off\"", "aspa = \"reject\"");
        *config = config.clone().text(&format!("[[rpki.cache]]\naddress = \"{cache}\""));
    })
}

fn in_force(exchange: &Exchange) -> Value {
    let answer = exchange.server.ask(&["rpki"]).unwrap_or_default();
    answer.as_array().and_then(|list| list.first()).cloned().unwrap_or(answer)
}

fn wait_in_force(exchange: &Exchange, vrps: u64, aspas: u64) {
    eventually("the data are in force", ARRIVE, || {
        let answer = in_force(exchange);
        ensure(answer["vrps"] == vrps && answer["aspas"] == aspas, || format!("{answer:#}"))
    });
}

/// Whether members are let in.
fn is_ready(exchange: &Exchange) -> bool {
    let status = exchange.server.ask(&["status"]).unwrap();
    let status = status.as_array().and_then(|list| list.first()).unwrap_or(&status);
    status["ready"] == true
}

fn wait_ready(exchange: &Exchange, limit: Duration) {
    eventually("it lets members in", limit, || {
        ensure(is_ready(exchange), || "not ready".to_owned())
    });
}

/// Nobody lost a session or was asked for its routes; UPDATEs at the receiver so far, End-of-RIB
/// not counted.
fn updates(members: [&Speaker; 2]) -> u64 {
    for member in members {
        let status = member.status();
        assert_eq!((status.closed, status.refreshes), (None, Vec::new()));
    }
    members[1].status().changes()
}

#[test]
fn aspas_that_come_and_go_decide_again_about_routes_that_are_there() {
    let mut cache = Cache::start(A_DAY);
    cache.serve(&Data::default());
    let exchange = exchange(&cache.address().to_string(), LONG);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let behind = route(2, "198.51.100.0/24", "65010");
    let own = route(2, "203.0.113.0/24", "");
    let further = route(2, "2001:db8:100::/48", "65010 65011");
    let all = [behind.clone(), own.clone(), further.clone()];
    all.iter().for_each(|route| sender.announce(route));
    holds("nothing is attested", &receiver, &all);
    let begun = updates([&sender, &receiver]);

    // AS65010 has providers, and the member is none of them.
    cache.serve(&Data::default().aspa(65010, &[65099]));
    holds("what AS65010 denies is gone", &receiver, std::slice::from_ref(&own));
    let sent = updates([&sender, &receiver]) - begun;
    assert!((1..=2).contains(&sent), "a withdrawal for each family at most: {sent}");
    let explained = exchange
        .server
        .ask(&["explain", "198.51.100.0/24", "--to", "127.0.0.3"])
        .unwrap()
        .to_string();
    assert!(explained.contains("Invalid at AS65010 to AS65002"), "{explained}");
    wait_in_force(&exchange, 0, 1);
    let status = &in_force(&exchange)["sources"][0];
    assert_eq!((&status["version"], &status["aspas"]), (&2.into(), &1.into()), "{status:#}");

    // Its providers are replaced, not added to.
    let begun = updates([&sender, &receiver]);
    cache.serve(&Data::default().aspa(65010, &[65098, asn(2)]));
    holds("the member is its provider", &receiver, &all);
    assert!(updates([&sender, &receiver]) - begun <= 2);

    // One hop further, and only there.
    let begun = updates([&sender, &receiver]);
    let further_denied = Data::default().aspa(65010, &[asn(2)]).aspa(65011, &[65099]);
    cache.serve(&further_denied);
    holds("what AS65011 denies is gone", &receiver, &[behind.clone(), own.clone()]);
    assert_eq!(updates([&sender, &receiver]) - begun, 1);

    // Withdrawn: unknown again, which passes.
    cache.serve(&Data::default());
    wait_in_force(&exchange, 0, 0);
    holds("nothing is attested any more", &receiver, &all);
    assert_eq!(updates([&sender, &receiver]) - begun, 2, "the announcement and nothing else");
    drop(cache);
    eventually("the loss is seen", ARRIVE, || {
        ensure(exchange.metric("rs_rpki_up", &[])? == 0.0, || "up".to_owned())
    });
    let mark = route(2, "192.0.0.0/24", "");
    sender.announce(&mark);
    holds("behind the loss", &receiver, &[mark, behind, own, further]);
    assert_eq!(updates([&sender, &receiver]) - begun, 3, "nothing because of the loss");
}

/// RFC 8210 §6: what has expired counts no more, and no route stays refused by its age.
#[test]
fn data_of_a_cache_that_is_gone_expire() {
    let mut cache = Cache::start(3);
    cache.serve(&Data::default().vrp("198.51.100.0/24", 24, 65099).aspa(65010, &[65099]));
    let exchange = exchange(&cache.address().to_string(), LONG);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let by_rov = route(2, "198.51.100.0/24", "");
    let by_aspa = route(2, "203.0.113.0/24", "65010");
    let good = route(2, "192.0.0.0/24", "");
    drop(cache);
    wait_in_force(&exchange, 0, 0);
    let all = [good, by_rov, by_aspa];
    all.iter().for_each(|route| sender.announce(route));
    holds("NotFound and Unknown pass", &receiver, &all);
    updates([&sender, &receiver]);
}

/// A cache that is still validating says "No Data Available": it is asked again, in version 2,
/// and until it has answered nobody is let in to be judged without its data.
#[test]
fn a_start_waits_for_the_first_end_of_data() {
    let mut cache = Cache::start(A_DAY);
    let exchange = exchange(&cache.address().to_string(), LONG);
    eventually("the cache is asked, and again", ARRIVE, || {
        ensure(cache.asked() >= 2, || format!("asked {} times", cache.asked()))
    });
    assert!(!is_ready(&exchange), "members are let in after the data");
    cache.serve(&Data::default().vrp("198.51.100.0/24", 24, 65099).aspa(65010, &[65099]));
    // It asks after longer and longer pauses.
    wait_ready(&exchange, Duration::from_secs(90));
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    sender.announce(&route(2, "198.51.100.0/24", ""));
    sender.announce(&route(2, "203.0.113.0/24", "65010"));
    let good = route(2, "192.0.0.0/24", "");
    sender.announce(&good);
    holds("what passes", &receiver, &[good]);
    assert_eq!(updates([&sender, &receiver]), 1, "nothing else was ever sent");
    let status = &in_force(&exchange)["sources"][0];
    assert_eq!(status["version"], 2, "no data is no reason to leave ASPA: {status:#}");
}

/// A cache that never answers is waited for, but not for ever.
#[test]
fn a_start_goes_on_without_a_cache_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let exchange = exchange(&silent.local_addr().unwrap().to_string(), Duration::from_secs(5));
    let (waits, asked) = (!is_ready(&exchange), begun.elapsed());
    assert!(waits || asked >= Duration::from_secs(5), "it waits");
    wait_ready(&exchange, ARRIVE);
    assert!(begun.elapsed() >= Duration::from_secs(5), "it has given the cache some time");
    exchange.speaker(2);
    assert!(exchange.server.log().contains("without all RPKI"), "it says so");
}
