//! Whatever is asked, by HTTP or over the control socket, of an exchange that runs: no answer says
//! that the daemon failed, all of them are what they say they are, and none is endless.
//!
//! An input that begins with `{` is what a client of the control socket sends. Any other is the
//! target of an HTTP request and, on further lines, its headers. Orders and what reads a file are left
//! out: the exchange is to stay as it is.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use rs_daemon::control::Operations;
use rs_daemon::control::protocol::{Command, Line, Request as Asked};
use rs_daemon::control::server::serve_stream;
use rs_daemon::demo::Demo;
use rs_daemon::runtime::{Daemon, Options};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// More than the whole exchange in any answer.
const MOST_OCTETS: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

struct Exchange {
    operations: Operations,
    service: Router,
    /// Where questions are asked; the daemon and its members have threads of their own.
    runtime: Runtime,
}

static EXCHANGE: LazyLock<Exchange> = LazyLock::new(start);

/// The demo's exchange, with all that its members announce.
fn start() -> Exchange {
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let demo = Demo::prepare(nowhere, "fuzz.sock".into(), free_port()).await.unwrap();
            let daemon = Daemon::start(demo.config().unwrap(), Options::default()).unwrap();
            ready.send(Operations::new(daemon.handle().clone())).unwrap();
            demo.run(CancellationToken::new()).await;
            drop(daemon);
        });
    });
    let operations = started.recv().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let end = Instant::now() + PATIENCE;
    while !runtime.block_on(settled(&operations)) {
        assert!(Instant::now() < end, "the exchange does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let service = rs_daemon::http::service(operations.clone());
    Exchange { operations, service, runtime }
}

/// Free a moment ago, and nobody else binds this address.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 100, 0, 1), 0)).unwrap();
    listener.local_addr().unwrap().port()
}

async fn settled(operations: &Operations) -> bool {
    let sessions = operations.sessions(None).await.unwrap();
    let up = sessions.iter().filter(|s| s.routes.iter().all(|routes| routes.received > 0));
    up.count() >= 22
}

pub fn property(data: &[u8]) {
    let exchange = &*EXCHANGE;
    if data.first() == Some(&b'{') {
        exchange.runtime.block_on(control(exchange, data));
    } else if let Some(request) = request(data) {
        exchange.runtime.block_on(http(exchange, request));
    }
}

// ---- control socket ----

async fn control(exchange: &Exchange, octets: &[u8]) {
    if octets.split(|octet| *octet == b'\n').any(is_left_out) {
        return;
    }
    let mut answer = Vec::new();
    serve_stream(&exchange.operations, "fuzz", octets, &mut answer).await.unwrap();
    assert!(answer.len() <= MOST_OCTETS);
    let asked = octets.split(|octet| *octet == b'\n').count();
    let (mut answers, mut items) = (0, 0);
    let text = String::from_utf8(answer).unwrap();
    for line in text.lines() {
        match serde_json::from_str::<Line>(line).unwrap() {
            Line::Item(_) => items += 1,
            Line::End { items: counted } => {
                assert_eq!(counted, std::mem::take(&mut items));
                answers += 1;
            }
            Line::Error(refusal) => {
                assert!(!refusal.message.is_empty());
                (answers, items) = (answers + 1, 0);
            }
        }
    }
    assert_eq!(items, 0, "an answer without end: {text}");
    assert!((1..=asked).contains(&answers), "{answers} answers to {asked} questions");
}

/// Orders, and what reads a file.
fn is_left_out(line: &[u8]) -> bool {
    let Ok(asked) = serde_json::from_slice::<Asked>(line) else { return false };
    asked.request.acts() || matches!(asked.request, Command::Diff { .. })
}

// ---- HTTP ----

fn request(data: &[u8]) -> Option<Request<Body>> {
    let mut lines = data.split(|octet| *octet == b'\n');
    let target = lines.next()?;
    let (method, target) = match target.split_first()? {
        (b'!', rest) => (Method::POST, rest),
        (b'?', rest) => (Method::HEAD, rest),
        _ => (Method::GET, target),
    };
    let mut request = Request::builder().method(method).uri(target);
    for line in lines.take(4) {
        let colon = line.iter().position(|octet| *octet == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(Body::empty()).ok()
}

async fn http(exchange: &Exchange, request: Request<Body>) {
    let (method, target) = (request.method().clone(), request.uri().clone());
    let answer = exchange.service.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    assert!(!status.is_server_error(), "{status} to {target}");
    check_headers(&answer);
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
    let kind = kind.unwrap_or_default().to_owned();
    // A stream that breaks off is an error here.
    let body = to_bytes(answer.into_body(), MOST_OCTETS).await.unwrap();
    if method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
        assert!(body.is_empty(), "{status} to {method} {target}");
        return;
    }
    if kind.starts_with("application/json") {
        let json = serde_json::from_slice::<serde_json::Value>(&body);
        let Ok(json) = json else { panic!("{json:?} to {target}") };
        let is_error = json.get("error").is_some();
        assert!(!is_error || !status.is_success(), "{status} to {target}: {json}");
    } else if kind.starts_with("text/html") {
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.starts_with("<!doctype html>"), "{target}");
        assert_eq!(target.path(), "/", "HTML that is not ours");
    }
}

/// Nothing is ever to be run as something else.
fn check_headers(answer: &Response<Body>) {
    let headers = answer.headers();
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY));
    assert!(headers.contains_key(header::CACHE_CONTROL));
}
