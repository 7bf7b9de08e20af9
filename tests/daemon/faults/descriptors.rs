//! No file descriptors left.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{Exchange, Honest, logged, measured, times_logged};
use rs_tests::support::process::output;
use rs_tests::support::raw::Speaker;
use rs_tests::support::wait::{ensure, stays};

fn set_limit(exchange: &Exchange, limit: &str) {
    let mut command = Command::new("prlimit");
    command.arg("--pid").arg(exchange.server.id().to_string());
    output(command.arg(format!("--nofile={limit}"))).unwrap();
}

/// CPU time of the daemon so far, in ticks of 10 ms.
fn ticks(exchange: &Exchange) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", exchange.server.id())).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn connections_wait_until_there_are_file_descriptors_again() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    // What is open stays so; nothing can be opened any more. The hard limit stays as it is.
    set_limit(&exchange, "3:");
    let waiting = Speaker::start(exchange.speaker_config(4)).expect("the kernel takes it");
    logged(&exchange, "connections cannot be accepted and wait");
    let (before, begun) = (ticks(&exchange), Instant::now());
    stays("it waits", Duration::from_secs(2), || {
        let status = waiting.status();
        ensure(!status.established && status.closed.is_none(), || format!("{status:?}"))
    });
    let (busy, passed) = (ticks(&exchange) - before, begun.elapsed());
    assert!(u128::from(busy) * 10 < passed.as_millis() / 4, "{busy} ticks in {passed:?}");
    honest.serve("without file descriptors");
    assert!(times_logged(&exchange, "connections cannot be accepted") <= 3, "said now and then");
    set_limit(&exchange, "1024:");
    waiting.wait("let in", rs_tests::support::loopback::ARRIVE, |status| {
        ensure(status.established, || format!("{status:?}"))
    });
    logged(&exchange, "connections are accepted again");
    measured(&exchange, "rs_accept_failures_total", &["bgp"], |failures| failures >= 1.0);
    honest.serve("with them");
}
