//! The demo exchange in this process, started once for all tests, asked over its real control
//! socket and its real HTTP port.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod alice;
mod demo;
mod looking_glasses;
mod schema;
mod top;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rs_daemon::control::server::ControlListener;
use rs_daemon::control::{ControlSettings, Operations};
use rs_daemon::demo::Demo;
use rs_daemon::http::HttpListener;
use rs_daemon::runtime::{Daemon, Options};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running exchange.
pub(crate) struct Exchange {
    pub http: SocketAddr,
    pub socket: PathBuf,
    _directory: tempfile::TempDir,
}

pub(crate) static EXCHANGE: LazyLock<Exchange> = LazyLock::new(start);

/// Starts one and waits until all is there that will be.
pub(crate) fn start() -> Exchange {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let port = free_port();
    let (ready, waiting) = std::sync::mpsc::channel();
    let path = socket.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let http = HttpListener::bind(any).await.unwrap();
            let address = http.local_addr().unwrap();
            let demo = Demo::prepare(address, path.clone(), port).await.unwrap();
            let settings = ControlSettings { socket: path, group: None };
            let control = ControlListener::bind(&settings).unwrap();
            let daemon = Daemon::start(demo.config().unwrap(), Options::default()).unwrap();
            let operations = Operations::new(daemon.handle().clone());
            let never = CancellationToken::new();
            tokio::spawn(control.run(operations.clone(), never.clone()));
            tokio::spawn(http.run(operations, never.clone()));
            ready.send(address).unwrap();
            demo.run(never).await;
        });
    });
    let http = waiting.recv().unwrap();
    let exchange = Exchange { http, socket, _directory: directory };
    until("all sessions and routes", || settled(http) && stands_still(http));
    exchange
}

/// Free a moment ago, and nobody else binds this address.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 100, 0, 1), 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// All members are up and what each announces has arrived.
fn settled(http: SocketAddr) -> bool {
    let members = ask_json(http, "/api/v1/members?page=all");
    let up: Vec<_> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["state"] == "established")
        .collect();
    let all = |family: &str| {
        up.iter().all(|session| session["routes"][family]["received"].as_u64().unwrap() > 0)
    };
    up.len() == 22 && all("ipv4") && all("ipv6") && {
        let elm = ask_json(http, "/api/v1/routes?rs=rs1&prefix=62.199.0.0/22");
        elm["routes"].as_array().unwrap().len() == 3
    }
}

/// What is counted is what it was a moment ago: what is under way has arrived, at others as well.
fn stands_still(http: SocketAddr) -> bool {
    let counted = || {
        let answer = ask_json(http, "/api/v1/members?page=all");
        let sessions = answer["members"].as_array().unwrap();
        sessions.iter().map(|session| session["routes"].to_string()).collect::<Vec<_>>()
    };
    let before = counted();
    std::thread::sleep(Duration::from_millis(300));
    counted() == before
}

/// Waits for something, with a limit.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `rsctl` as a user runs it.
pub(crate) fn rsctl(words: &[&str]) -> Output {
    rsctl_at(&EXCHANGE.socket, words)
}

/// `rsctl` with another socket.
pub(crate) fn rsctl_at(socket: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rsctl"))
        .arg("--socket")
        .arg(socket)
        .args(words)
        .output()
        .unwrap()
}

/// Status and body of a GET.
pub(crate) fn get(path: &str) -> (u16, String) {
    request(&format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// The body of a GET that succeeds, as JSON.
pub(crate) fn json(path: &str) -> Value {
    ask_json(EXCHANGE.http, path)
}

fn ask_json(http: SocketAddr, path: &str) -> Value {
    let (status, _, body) = exchange_octets(http, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// Status and body of any request.
pub(crate) fn request(text: &str) -> (u16, String) {
    let (status, _, body) = exchange_octets(EXCHANGE.http, text);
    (status, body)
}

/// Status and header of any request.
pub(crate) fn raw(text: &str) -> (u16, String) {
    let (status, head, _) = exchange_octets(EXCHANGE.http, text);
    (status, head)
}

fn exchange_octets(http: SocketAddr, text: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}
