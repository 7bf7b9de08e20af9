//! How many questions at once, and how long one may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::App;

/// Questions being answered at once; more are told 429.
const MAX_REQUESTS: usize = 32;
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
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_REQUESTS)))
    }

    fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Place { _permit: Arc::new(permit) })
    }
}

/// Lets a request through, or tells it to come back. The body stays empty: that is how Alice-LG
/// knows an overloaded birdwatcher.
pub(super) async fn limit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(place) = app.gate.enter() else {
        let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    request.extensions_mut().insert(place);
    timeout(ANSWER_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| StatusCode::GATEWAY_TIMEOUT.into_response())
}
