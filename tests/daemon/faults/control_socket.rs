//! The control socket: deleted, in the way, and clients that keep it.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, logged, measured};
use rs_tests::support::ports::free_ports;
use rs_tests::support::rs::RouteServer;
use rs_tests::support::wait::{ensure, eventually};
use tempfile::TempDir;

/// As many as there may be at once.
const CLIENTS: usize = 32;

#[test]
fn a_socket_whose_file_is_deleted_is_made_anew() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let path = exchange.server.directory().join("control.sock");
    fs::remove_file(&path).unwrap();
    honest.serve("without a control socket");
    eventually("rsctl has an answer", ARRIVE, || exchange.server.ask(&["status"]));
    logged(&exchange, "control socket: its file was gone, it is made anew");
    measured(&exchange, "rs_socket_lost_total", &[], |lost| lost == 1.0);
    measured(&exchange, "rs_socket_up", &["control"], |up| up == 1.0);
    honest.serve("with it");
}

/// What has its place is not touched; when it goes, the socket comes.
#[test]
fn a_socket_whose_place_is_taken_waits_for_it() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let path = exchange.server.directory().join("control.sock");
    // At once: what is gone would be made anew.
    let precious = exchange.server.directory().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::rename(&precious, &path).unwrap();
    logged(&exchange, "control socket: its file is gone or another's");
    measured(&exchange, "rs_socket_up", &["control"], |up| up == 0.0);
    honest.serve("without a control socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    eventually("rsctl has an answer", ARRIVE, || exchange.server.ask(&["status"]));
    measured(&exchange, "rs_socket_up", &["control"], |up| up == 1.0);
    honest.serve("with it");
}

/// A start beside a file of somebody else's, and beside another daemon.
#[test]
fn a_start_says_what_is_in_the_way_and_leaves_it_there() {
    let running = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&running);
    let [port] = free_ports();
    let mut config = running.config.clone();
    config.http_port = 0;
    let moved = |directory: &TempDir| {
        let text = format!("127.0.0.1:{port}");
        let mut other = rs_tests::support::rs::Config::new(64500, &[text]);
        other.http_port = 0;
        (other, directory.path().join("control.sock"))
    };

    let directory = TempDir::new().unwrap();
    let (other, path) = moved(&directory);
    fs::write(&path, "precious").unwrap();
    let kept = directory.path().to_owned();
    let (code, log) = RouteServer::refused(directory, &other);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("is there and is not a socket"), "{log}");
    drop(kept);

    let directory = TempDir::new().unwrap();
    let (other, path) = moved(&directory);
    // The socket of the running one, by another name.
    fs::hard_link(running.server.directory().join("control.sock"), &path).unwrap();
    let (code, log) = RouteServer::refused(directory, &other);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another daemon answers at"), "{log}");
    running.server.ask(&["status"]).expect("the running one answers still");
    honest.serve("beside two that could not start");
}

#[test]
fn what_a_dead_daemon_left_behind_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let [port] = free_ports();
    let mut config = rs_tests::support::rs::Config::new(64500, &[format!("127.0.0.1:{port}")]);
    config.http_port = 0;
    let mut server = RouteServer::start_in_directory(directory, &config);
    server.wait_ready();
}

/// Clients that say nothing have the places; who comes then is told, and members are served.
#[test]
fn clients_that_never_speak_or_never_read_hold_up_nobody() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let path = exchange.server.directory().join("control.sock");
    let silent: Vec<UnixStream> =
        (0..CLIENTS).map(|_| UnixStream::connect(&path).unwrap()).collect();
    eventually("a client too many is told", ARRIVE, || {
        let mut late = UnixStream::connect(&path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        // Whether it may be said before it reads depends on who is faster.
        let _ = late.write_all(b"\n");
        let _ = late.read_to_string(&mut text);
        ensure(text.contains("more than 32 clients"), || text)
    });
    logged(&exchange, "control socket: too many clients");
    measured(&exchange, "rs_socket_refused_total", &[], |refused| refused >= 1.0);
    honest.serve("beside silent clients");
    drop(silent);
    eventually("there is room again", ARRIVE, || exchange.server.ask(&["status"]));

    let mut never_reads = UnixStream::connect(&path).unwrap();
    never_reads.set_nonblocking(true).unwrap();
    let question = b"{\"version\":1,\"request\":{\"command\":\"status\"}}\n".repeat(2000);
    // As many as find room: the daemon stops reading when its answers are not read.
    let (mut written, mut taken) = (0, Instant::now());
    while taken.elapsed() < Duration::from_secs(2) {
        match never_reads.write(&question) {
            Ok(count) => (written, taken) = (written + count, Instant::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(20));
            }
            // It has been left.
            Err(_) => break,
        }
        assert!(written < 64 << 20, "a client that reads nothing is read for ever");
    }
    honest.serve("beside a client that never reads");
    exchange.server.ask(&["status"]).expect("others have answers");
}
