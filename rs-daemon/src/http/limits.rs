//! How many questions at once, and how long one may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Questions being answered at once; more are told 429.
const MAX_REQUESTS: usize = 32;
/// Scrapes of metrics at once, which have places of their own: who reads long lists slowly does not
/// make the daemon look dead.
const MAX_SCRAPES: usize = 4;
/// Longest time to the beginning of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Counts the questions being answered.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Semaphore>);

/// A question's place; a streamed answer keeps it until its end.
#[derive(Clone, Debug)]
pub(super) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Gate {
    /// For what anybody may ask.
    pub(super) fn questions() -> Self {
        Self(Arc::new(Semaphore::new(MAX_REQUESTS)))
    }

    /// For metrics.
    pub(super) fn scrapes() -> Self {
        Self(Arc::new(Semaphore::new(MAX_SCRAPES)))
    }

    fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Place { _permit: Arc::new(permit) })
    }
}

/// Lets a request through, or tells it to come back. The body stays empty: that is how Alice-LG
/// knows an overloaded birdwatcher.
pub(super) async fn limit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(place) = gate.enter() else {
        let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    // Kept here until there is an answer: a handler that streams nothing drops its request at once.
    request.extensions_mut().insert(place.clone());
    timeout(ANSWER_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| StatusCode::GATEWAY_TIMEOUT.into_response())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    /// Alice-LG knows an overloaded birdwatcher by 429 without a body.
    #[tokio::test]
    async fn more_questions_than_places_are_told_to_come_back() {
        let gate = Gate::questions();
        let router = Router::new()
            .route("/", get(|| async { "answer" }))
            .layer(middleware::from_fn_with_state(gate.clone(), limit));
        let service = TowerToHyperService::new(router);
        let ask = || service.call(Request::new(Body::empty()));
        let mut places: Vec<_> = (1..MAX_REQUESTS).map(|_| gate.enter().unwrap()).collect();
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK, "the last place");
        places.push(gate.enter().unwrap());
        let refused = ask().await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(header::RETRY_AFTER));
        assert!(to_bytes(refused.into_body(), 1).await.unwrap().is_empty());
        drop(places);
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    }
}
