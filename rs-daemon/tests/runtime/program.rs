//! The program itself: what it tells systemd, and when it obeys signals.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, RS, free_port, head, member};

/// The running program, killed if the test fails.
struct Program {
    child: Child,
    systemd: UnixDatagram,
    http: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(more: &str) -> Self {
        Self::start_watched(more, None)
    }

    /// With a watchdog that wants to hear of it this often.
    fn start_watched(more: &str, watchdog: Option<Duration>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let (port, http) = (free_port(), free_port());
        let listen = format!("listen = \"{RS}:{http}\"");
        let text = head(port, "").replacen("listen = \"off\"", &listen, 1) + &member(11, "") + more;
        std::fs::write(directory.path().join("rs.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rs-daemon"));
        command.args(["--config", "rs.toml"]).current_dir(directory.path());
        command.env("NOTIFY_SOCKET", path).stderr(Stdio::null());
        if let Some(limit) = watchdog {
            command.env("WATCHDOG_USEC", limit.as_micros().to_string());
        }
        let child = command.spawn().unwrap();
        let program = Self { child, systemd, http, _directory: directory };
        // Signals are obeyed from before the first answer on.
        let deadline = Instant::now() + PATIENCE;
        while program.readyz().is_none() {
            assert!(Instant::now() < deadline, "HTTP does not answer");
            std::thread::sleep(Duration::from_millis(1));
        }
        // [exchange] data_wait and a minute.
        assert_eq!(program.told(PATIENCE).as_deref(), Some("EXTEND_TIMEOUT_USEC=80000000"));
        program
    }

    /// The status line of `/readyz`.
    fn readyz(&self) -> Option<String> {
        self.get("/readyz", PATIENCE)
    }

    fn get(&self, path: &str, within: Duration) -> Option<String> {
        let mut stream = TcpStream::connect((RS, self.http)).ok()?;
        stream.set_read_timeout(Some(within)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: rs\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines().next().map(str::to_owned)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// What systemd is told next.
    fn told(&self, within: Duration) -> Option<String> {
        self.systemd.set_read_timeout(Some(within)).unwrap();
        let mut octets = [0; 512];
        match self.systemd.recv(&mut octets) {
            Ok(n) => Some(String::from_utf8_lossy(&octets[..n]).trim().to_owned()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(e) => panic!("{e}"),
        }
    }

    fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            // Before the look: a machine that stands still stops the program as well.
            let late = Instant::now() >= deadline;
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(!late, "the program goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn systemd_is_told_of_readiness_reloads_and_the_end() {
    let mut program = Program::start("");
    assert_eq!(program.told(PATIENCE).as_deref(), Some("READY=1"));
    assert!(program.readyz().unwrap().contains("200"));
    program.signal("HUP");
    // systemd 253 wants to know when, else it does not take the reload for one.
    let reloading = program.told(PATIENCE).unwrap();
    let words: Vec<_> = reloading.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(words, ["RELOADING", "MONOTONIC_USEC"], "{reloading}");
    assert_eq!(program.told(PATIENCE).as_deref(), Some("READY=1"));
    program.signal("TERM");
    assert_eq!(program.told(PATIENCE).as_deref(), Some("STOPPING=1"));
    assert!(program.ended(PATIENCE).success());
}

#[test]
fn the_watchdog_hears_of_it_in_time_again_and_again() {
    let limit = Duration::from_secs(3);
    let program = Program::start_watched("", Some(limit));
    assert_eq!(program.told(PATIENCE).as_deref(), Some("READY=1"));
    for _ in 0..3 {
        // A third of the limit lies between two; the machine may be busy.
        let text = program.told(PATIENCE).unwrap();
        assert_eq!(text, "WATCHDOG=1\nSTATUS=0 of 1 sessions up");
    }
}

/// Members are let in when the cache has answered, or after 20 seconds.
#[test]
fn waiting_for_routing_data_is_not_readiness_and_does_not_hold_back_sigterm() {
    let silent = TcpListener::bind((RS, 0)).unwrap();
    let cache = silent.local_addr().unwrap();
    let mut program = Program::start(&format!("[[rpki.cache]]\naddress = \"{cache}\"\n"));
    assert!(program.readyz().unwrap().contains("503"));
    program.signal("HUP");
    program.signal("TERM");
    assert!(program.ended(Duration::from_secs(15)).success());
    assert_eq!(program.told(Duration::from_millis(1)).as_deref(), Some("STOPPING=1"));
}

/// Members keep our routes over two restarts, the first of which is over before anybody was let in.
#[test]
fn who_keeps_our_routes_is_known_still_when_nobody_was_let_in() {
    const MEMBERS: &str =
        r#"{"sessions":[{"route_server":"rs1","address":"127.0.0.11","interface":null}]}"#;
    let silent = TcpListener::bind((RS, 0)).unwrap();
    let cache = silent.local_addr().unwrap();
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("graceful-members.json");
    std::fs::write(&file, MEMBERS).unwrap();
    let mut program = Program::start(&format!(
        "[state]\ndirectory = \"{}\"\n[[rpki.cache]]\naddress = \"{cache}\"\n",
        state.path().display()
    ));
    assert!(program.readyz().unwrap().contains("503"));
    program.signal("TERM");
    assert!(program.ended(Duration::from_secs(15)).success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), MEMBERS);
}

#[test]
fn health_answers_when_every_http_connection_is_taken() {
    let program = Program::start("");
    let connect = || TcpStream::connect((RS, program.http)).unwrap();
    let mut held: Vec<_> = (0..256).map(|_| connect()).collect();
    // They are accepted in order, and let go after 15 seconds without a request.
    let soon = Duration::from_secs(8);
    // One of them may have had a place that is kept for health, while a question of the start still
    // had one of the others.
    while !program.get("/metrics", soon).unwrap().contains("503") {
        held.push(connect());
        assert!(held.len() < 300, "there is always room");
    }
    assert!(program.get("/healthz", soon).unwrap().contains("200"));
    assert!(program.get("/readyz", soon).unwrap().contains("200"));
    assert!(program.get("/metrics", soon).unwrap().contains("503"));
    drop(held);
}
