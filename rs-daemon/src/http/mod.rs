//! HTTP: metrics, health, the JSON API, the APIs of other looking glasses
//! (birdwatcher, Bird's Eye, bgplgd) and our own. Read-only.
//!
//! Loopback by default, but written as if it were not: connections are counted and live for a
//! limited time, headers must come soon and be short, answers that are long are produced page by
//! page while the client reads, and too many questions at once are told 429.

mod api;
mod bgplgd;
mod birdseye;
mod birdwatcher;
mod etag;
mod history;
mod limits;
mod matrix;
mod metrics;
mod page;
mod progress;
mod stream;
mod symbols;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::control::Operations;
use crate::runtime::local_sockets::Accepting;
use history::History;
use limits::Gate;
use progress::Progress;

/// Pause between attempts to listen while another program has the port.
const BIND_RETRY: Duration = Duration::from_secs(5);
/// Connections at once; more wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 256;
/// Longest wait for a request's header, also between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest request header.
const MAX_HEADER_OCTETS: usize = 16 * 1024;
/// Longest life of a connection: no client that reads slowly keeps its place for ever.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// Longest wait for a client to take anything of its answer: one that reads nothing loses its
/// place long before its time is over.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections beyond [`MAX_CONNECTIONS`], for health alone, so that those who ask for much and
/// read little do not make the daemon look dead.
const HEALTH_CONNECTIONS: usize = 16;
/// Longest life of those.
const HEALTH_LIFE: Duration = Duration::from_secs(2);

/// Every answer as a service, for whoever brings the requests.
pub fn service(operations: Operations) -> Router {
    router(App { operations, history: History::default() })
}

/// What the routes share.
#[derive(Clone, Debug)]
struct App {
    operations: Operations,
    history: History,
}

/// A bound HTTP port.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
}

impl HttpListener {
    /// Binds and says so in the log: connections are taken from now on, answers come with
    /// [`run`](Self::run). Needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        info!(address = %listen, "HTTP: listening");
        Ok(Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop`.
    pub async fn run(self, operations: Operations, stop: CancellationToken) {
        let history = History::default();
        tokio::spawn(history.clone().run(operations.clone(), stop.clone()));
        let mut accepting = Accepting::new("HTTP");
        let app = App { operations: operations.clone(), history };
        let (all, health) = (router(app.clone()), health_only(app));
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let health_slots = Arc::new(Semaphore::new(HEALTH_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => {
                    accepting.succeeded();
                    stream
                }
                Err(error) => {
                    let health = &operations.runtime().local_sockets().http;
                    health.accept_failed(&mut accepting, &error).await;
                    continue;
                }
            };
            let place = async {
                tokio::select! {
                    biased;
                    slot = Arc::clone(&slots).acquire_owned() => (slot, &all, CONNECTION_LIFE),
                    slot = Arc::clone(&health_slots).acquire_owned() => {
                        (slot, &health, HEALTH_LIFE)
                    }
                }
            };
            let (slot, router, life) = tokio::select! {
                () = stop.cancelled() => return,
                place = place => place,
            };
            let Ok(slot) = slot else { return };
            let (router, stop) = (router.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = timeout(life, serve_connection(stream, router)) => {}
                }
                drop(slot);
            });
        }
    }
}

/// Binds `listen` and answers until `stop`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    operations: Operations,
    stop: CancellationToken,
) -> io::Result<()> {
    HttpListener::bind(listen).await?.run(operations, stop).await;
    Ok(())
}

/// Answers until `stop`, as soon as `listen` can be had: `first` says whether it could be at once.
/// Members are served meanwhile.
pub async fn serve_when_free(
    listen: SocketAddr,
    first: io::Result<HttpListener>,
    operations: Operations,
    stop: CancellationToken,
) {
    let health = &operations.runtime().local_sockets().http;
    let mut bound = first;
    loop {
        match bound {
            Ok(listener) => {
                health.is_up();
                return listener.run(operations.clone(), stop).await;
            }
            Err(error) if health.is_down() => {
                let secs = BIND_RETRY.as_secs();
                error!(
                    address = %listen, %error,
                    "HTTP: cannot listen, tried again every {secs} s; members are served without"
                );
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BIND_RETRY) => {}
        }
        bound = HttpListener::bind(listen).await;
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_OCTETS)
        .serve_connection(
            TokioIo::new(Progress::new(stream, WRITE_TIMEOUT)),
            TowerToHyperService::new(router),
        )
        .await;
    if let Err(error) = served {
        debug!(%error, "HTTP: connection");
    }
}

fn router(app: App) -> Router {
    let limited = |gate| middleware::from_fn_with_state(gate, limits::limit);
    let metrics =
        Router::new().route("/metrics", get(metrics::serve)).layer(limited(Gate::scrapes()));
    let questions = Router::new()
        .nest("/api/v1", api::router().layer(middleware::from_fn(etag::layer)))
        .nest("/birdwatcher", birdwatcher::router())
        .nest("/birdseye", birdseye::router())
        .nest("/bgplgd", bgplgd::router())
        .layer(limited(Gate::questions()));
    health()
        .merge(page::router())
        .merge(metrics)
        .merge(questions)
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(middleware::map_response(harden))
        .with_state(app)
}

/// Health must answer when everything else is busy: it has no [`limits::limit`], and connections
/// of its own when all others are taken. So it must cost nothing: no thread is asked.
fn health() -> Router<App> {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(readyz))
}

/// What the last connections are served. Each ends with its answer.
fn health_only(app: App) -> Router {
    let busy = || async { (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n") };
    health()
        .fallback(busy)
        .layer(middleware::map_response(|mut response: Response| async move {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }))
        .layer(middleware::map_response(harden))
        .with_state(app)
}

async fn readyz(State(app): State<App>) -> Response {
    match app.operations.runtime().is_ready() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

/// Nothing served here is ever to be run as something else, framed, or to fetch from elsewhere.
async fn harden(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
