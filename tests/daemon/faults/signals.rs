//! Signals and reloads at the wrong moment.

use std::net::TcpListener;
use std::thread;

use rs_tests::support::loopback::{
    ARRIVE, Exchange, Honest, asn, hang, holds, logged, measured, route,
};
use rs_tests::support::raw::Speaker;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::message;
use tempfile::TempDir;

const ROUTE_REFRESH: u8 = 5;
/// What the log says of a reload that was done.
const LOADED: &str = "configuration loaded";

/// SIGHUP while the first RPKI data are awaited: the file as it is then is loaded when there is
/// something to load it into.
#[test]
fn a_reload_during_the_start_is_done_after_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = format!("[[rpki.cache]]\naddress = \"{}\"", silent.local_addr().unwrap());
    let [port, http_port] = rs_tests::support::ports::free_ports();
    let mut config = Config::new(64500, &[format!("127.0.0.1:{port}")]).text(&cache);
    config.http_port = http_port;
    let mut server = RouteServer::start_in_directory(TempDir::new().unwrap(), &config);
    server.wait_ready();
    // What waits is to be seen while it waits.
    eventually("the cache is named", ARRIVE, || {
        let answer = server.ask(&["rpki"])?;
        let answer = answer.as_array().and_then(|list| list.first()).unwrap_or(&answer).clone();
        ensure(answer["sources"][0]["state"] == "connecting", || format!("{answer:#}"))
    });
    let mut more = Config::new(64500, &[format!("127.0.0.1:{port}")]);
    more.http_port = http_port;
    let more = more.member(asn(2), &["127.0.0.2".to_owned()], "");
    server.write_config(&more);
    for _ in 0..20 {
        server.signal("HUP");
    }
    assert!(!server.log().contains(LOADED), "nothing is loaded before the start is over");
    // The one that reloads takes what it waited for out of the configuration.
    eventually("the member is known", std::time::Duration::from_secs(40), || {
        let members = server.ask(&["members"])?;
        let count = members.as_array().map_or(0, Vec::len);
        ensure(count == 1, || format!("{members:#}"))
    });
    eventually("the log says so", ARRIVE, || {
        ensure(server.log().contains(LOADED), || server.log())
    });
    let success = server.metric(http_port, "rs_config_last_reload_success", &[]);
    assert_eq!(success, Ok(1.0));
    server.still_runs().unwrap();
}

#[test]
fn sigterm_during_a_reload_ends_it_cleanly() {
    let mut exchange = Exchange::new(&["", ""]);
    let _honest = Honest::new(&exchange);
    for n in 10..60 {
        exchange.config = exchange.config.clone().member(asn(n), &[format!("127.0.0.{n}")], "");
    }
    exchange.server.write_config(&exchange.config);
    exchange.server.signal("HUP");
    exchange.server.signal("TERM");
    assert_eq!(exchange.server.ended(), Some(0));
}

#[test]
fn a_broken_file_leaves_the_configuration_of_before() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let path = exchange.server.directory().join("rs.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    exchange.server.signal("HUP");
    logged(&exchange, "reload failed, nothing changed");
    measured(&exchange, "rs_config_last_reload_success", &[], |value| value == 0.0);
    honest.serve("after a broken file");
    std::fs::write(&path, good).unwrap();
    exchange.server.signal("HUP");
    measured(&exchange, "rs_config_last_reload_success", &[], |value| value == 1.0);
    honest.serve("after a good one");
}

/// `rsctl diff` of a FIFO, also of one that the file includes: whoever opens that waits for its
/// other end, and nobody must wait with the thread that lets members in.
#[test]
fn a_fifo_is_no_configuration() {
    let mut exchange = Exchange::new(&["", ""]);
    let directory = exchange.server.directory().to_owned();
    let fifo = directory.join("fifo.toml");
    hang(&fifo);
    let including = directory.join("including.toml");
    std::fs::write(&including, "include = [\"fifo.toml\"]\n").unwrap();
    for (file, member) in [(&fifo, 2), (&including, 3)] {
        let error = exchange.server.ask(&["diff", &file.to_string_lossy()]).unwrap_err();
        assert!(error.contains("not a regular file"), "{error}");
        exchange.speaker(member);
    }
    std::fs::remove_file(directory.join("rs.toml")).unwrap();
    hang(&directory.join("rs.toml"));
    exchange.server.signal("HUP");
    logged(&exchange, "reload failed, nothing changed");
    exchange.server.signal("TERM");
    assert_eq!(exchange.server.ended(), Some(0));
}

/// Both are done, one after the other, and nobody's session ends.
#[test]
fn reloads_at_once_are_done_one_after_the_other() {
    let mut exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    exchange.config = exchange.config.clone().member(asn(4), &["127.0.0.4".to_owned()], "");
    exchange.server.write_config(&exchange.config);
    thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| exchange.server.ask(&["reload"]))).collect();
        for one in all {
            one.join().unwrap().expect("each is answered");
        }
    });
    exchange.speaker(4);
    honest.serve("after eight reloads");
    let flaps = exchange.metric("rs_session_flaps_total", &["asn=\"65002\""]);
    assert_eq!(flaps, Ok(0.0));
}

/// A member is being told the table anew (ROUTE-REFRESH) while policies change under it: in the
/// end it holds what the last policy lets through.
#[test]
fn reloads_during_a_resync_leave_exact_tables() {
    let mut exchange = Exchange::new(&["", "", ""]);
    let honest = Honest::new(&exchange);
    let table: Vec<_> = (0..=255).map(|n| route(2, &format!("45.0.{n}.0/24"), "300000")).collect();
    table.iter().for_each(|route| honest.sender.announce(route));
    let member: Speaker = exchange.speaker(4);
    holds("the table", &member, &table);
    let import = exchange.config.import.clone();
    for round in 0..6 {
        member.send(&message(ROUTE_REFRESH, &[0, 1, 0, 1]).repeat(50)).unwrap();
        let longest = if round % 2 == 0 { 20 } else { 24 };
        let lengths = format!("prefix_length = {{ v4 = [8, {longest}], v6 = [12, 48] }}\n");
        exchange.config.import = import.clone() + &lengths;
        exchange.server.reload(&exchange.config);
        if round == 4 {
            holds("nothing is short enough", &member, &[]);
        }
    }
    holds("the table again", &member, &table);
    for speaker in [&honest.sender, &honest.receiver, &member] {
        assert_eq!(speaker.status().closed, None);
    }
}
