//! No file descriptors left.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, measured};
use rs_tests::support::process::output;
use rs_tests::support::raw::Speaker;
use rs_tests::support::wait::{ensure, eventually, stays};

const CANNOT: &str = "connections cannot be accepted and wait";

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

/// How often the daemon has said this of a socket.
fn times_said(exchange: &Exchange, socket: &str, text: &str) -> usize {
    let log = exchange.server.log();
    let of_socket = |line: &&str| line.contains(text) && line.contains(socket);
    log.lines().filter(of_socket).count()
}

/// Waits until it has.
fn said(exchange: &Exchange, socket: &str, text: &str) {
    eventually(&format!("{socket}: {text}"), ARRIVE, || {
        ensure(times_said(exchange, socket, text) > 0, || exchange.server.log())
    });
}

#[test]
fn connections_wait_until_there_are_file_descriptors_again() {
    let exchange = Exchange::new(&["", "", ""]);
    let mut honest = Honest::new(&exchange);
    // What is open stays so; nothing can be opened any more. The hard limit stays as it is.
    set_limit(&exchange, "3:");
    let began = Instant::now();
    let waiting = Speaker::start(exchange.speaker_config(4)).expect("the kernel takes it");
    // So do clients of the other sockets, whose questions are asked already.
    let path = exchange.server.directory().join("control.sock");
    let mut control = UnixStream::connect(path).expect("the kernel takes it");
    control.write_all(b"{\"version\":1,\"request\":{\"command\":\"status\"}}\n").unwrap();
    let mut http = TcpStream::connect(("127.0.0.1", exchange.http_port)).unwrap();
    http.write_all(b"GET /healthz HTTP/1.0\r\nHost: rs\r\n\r\n").unwrap();
    let bgp = format!("rs1 on 127.0.0.1:{}", exchange.port);
    let sockets = [bgp.as_str(), "control socket", "HTTP"].map(|name| format!("\"{name}\""));
    for socket in &sockets {
        said(&exchange, socket, CANNOT);
    }
    let (before, begun) = (ticks(&exchange), Instant::now());
    stays("it waits", Duration::from_secs(2), || {
        let status = waiting.status();
        ensure(!status.established && status.closed.is_none(), || format!("{status:?}"))
    });
    let (busy, passed) = (ticks(&exchange) - before, begun.elapsed());
    assert!(u128::from(busy) * 10 < passed.as_millis() / 4, "{busy} ticks in {passed:?}");
    honest.serve("without file descriptors");
    // Once in 10 s, and it has been no longer than that so often.
    let most = 1 + usize::try_from(began.elapsed().as_secs() / 10).unwrap();
    for socket in &sockets {
        let times = times_said(&exchange, socket, CANNOT);
        assert!(times <= most, "{socket}: said {times} times in {:?}", began.elapsed());
    }
    set_limit(&exchange, "1024:");
    waiting.wait("let in", ARRIVE, |status| ensure(status.established, || format!("{status:?}")));
    // Both are answered as if nothing had been.
    let mut answer = String::new();
    BufReader::new(&control).read_line(&mut answer).unwrap();
    assert!(answer.contains("route_servers"), "{answer}");
    let mut health = String::new();
    http.read_to_string(&mut health).unwrap();
    assert!(health.starts_with("HTTP/1.0 200") && health.ends_with("ok\n"), "{health}");
    for (socket, label) in sockets.iter().zip(["bgp", "control", "http"]) {
        said(&exchange, socket, "connections are accepted again");
        let label = format!("socket=\"{label}\"");
        measured(&exchange, "rs_accept_failures_total", &[&label], |failures| failures >= 1.0);
    }
    honest.serve("with them");
}
