//! What is asked again and again by whoever watches the daemon.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use rs_daemon::control::Operations;
use rs_daemon::http;
use rs_daemon::runtime::query::ShutdownKind;
use tokio::task::coop;

use crate::support::Running;

type Service = TowerToHyperService<Router>;
type Asked = Pin<Box<dyn Future<Output = Result<Response, Infallible>>>>;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Polls what is asked for once, as a task that has done its share: tokio then lets nothing arrive
/// from another thread, however quick that thread was, so that whatever waits for one is pending.
fn poll_without_threads(asked: &mut Asked) -> Poll<Result<Response, Infallible>> {
    let mut context = Context::from_waker(Waker::noop());
    while coop::has_budget_remaining() {
        let _ = pin!(coop::consume_budget()).poll(&mut context);
    }
    asked.as_mut().poll(&mut context)
}

/// The status of an answer, if it is there as soon as it is asked for: no thread was waited for.
fn at_once(rs: &Running, path: &str) -> Option<StatusCode> {
    let service = TowerToHyperService::new(http::service(Operations::new(rs.handle.clone())));
    // Limits have a clock, which needs a runtime.
    rs.ask(async {
        let mut asked: Asked = Box::pin(service.call(get(path)));
        match poll_without_threads(&mut asked) {
            Poll::Ready(Ok(response)) => Some(response.status()),
            Poll::Ready(Err(error)) => match error {},
            Poll::Pending => None,
        }
    })
}

/// Whoever asks often must not make the threads that serve members do anything for it.
#[test]
fn readiness_is_told_without_asking_a_thread() {
    let rs = Running::with_members("shards = 1\nworkers = 1", &[11]);
    for _ in 0..1000 {
        assert_eq!(at_once(&rs, "/readyz"), Some(StatusCode::OK));
    }
    assert_eq!(at_once(&rs, "/healthz"), Some(StatusCode::OK));
    assert_eq!(at_once(&rs, "/api/v1/status"), None, "what asks the workers is not there at once");
}

#[test]
fn who_has_stopped_is_not_ready() {
    let rs = Running::with_members("shards = 1\nworkers = 1", &[11]);
    let handle = rs.handle.clone();
    assert!(handle.is_ready());
    rs.stop(ShutdownKind::Cease);
    assert!(!handle.is_ready());
}

/// So many questions that are let in and get no further, as when their answers are read slowly.
fn fill(rs: &Running, service: &Service, path: &str, places: usize) -> Vec<Asked> {
    rs.ask(async {
        let mut asked: Vec<Asked> = Vec::new();
        for _ in 0..places {
            let mut one: Asked = Box::pin(service.call(get(path)));
            assert!(poll_without_threads(&mut one).is_pending());
            asked.push(one);
        }
        asked
    })
}

/// Questions of the public do not keep the operator's scraper out, nor the other way round.
#[test]
fn scrapes_have_places_of_their_own() {
    let rs = Running::with_members("shards = 1\nworkers = 1", &[11]);
    let service = TowerToHyperService::new(http::service(Operations::new(rs.handle.clone())));
    let status = |path| rs.ask(service.call(get(path))).unwrap().status();
    let questions = fill(&rs, &service, "/api/v1/members", 32);
    assert_eq!(status("/api/v1/members"), StatusCode::TOO_MANY_REQUESTS);
    let scrapes = fill(&rs, &service, "/metrics", 3);
    assert_eq!(status("/metrics"), StatusCode::OK);
    drop(questions);
    let fourth = fill(&rs, &service, "/metrics", 1);
    assert_eq!(status("/metrics"), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status("/api/v1/members"), StatusCode::OK);
    drop((scrapes, fourth));
    assert_eq!(status("/metrics"), StatusCode::OK);
}
