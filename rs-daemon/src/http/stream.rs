//! Bodies that are written while they are read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_core::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::limits::Place;
use crate::control::operations::RouteWalk;
use crate::runtime::query::RouteEntry;

/// Parts on their way to a client that reads slowly; then the producer waits.
const PARTS: usize = 4;
/// Longest wait for a client to take a part. After that its connection is cut.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

struct Parts(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Parts {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// A JSON array's elements between `before` and `after`, made from routes by `shape` (which may
/// leave some out).
pub(super) fn routes<T: Serialize + Send>(
    mut walk: RouteWalk,
    place: Place,
    before: String,
    after: &'static str,
    mut shape: impl FnMut(RouteEntry) -> Option<T> + Send + 'static,
) -> Body {
    let (send, receive) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        let _place = place;
        let mut part = before.into_bytes();
        let mut first = true;
        loop {
            let more = match walk.next_page().await {
                Ok(more) => more,
                Err(refusal) => {
                    // Half an answer must not look like a whole one: cut the connection.
                    let _ = send.send(Err(io::Error::other(refusal))).await;
                    return;
                }
            };
            let Some(page) = more else { break };
            for item in page.into_iter().filter_map(&mut shape) {
                if !std::mem::take(&mut first) {
                    part.push(b',');
                }
                if let Err(error) = serde_json::to_writer(&mut part, &item) {
                    let _ = send.send(Err(error.into())).await;
                    return;
                }
            }
            let whole = Bytes::from(std::mem::take(&mut part));
            if !whole.is_empty() && !hand_over(&send, whole).await {
                return;
            }
        }
        part.extend_from_slice(after.as_bytes());
        hand_over(&send, Bytes::from(part)).await;
    });
    Body::from_stream(Parts(receive))
}

async fn hand_over(send: &mpsc::Sender<io::Result<Bytes>>, part: Bytes) -> bool {
    matches!(timeout(PART_TIMEOUT, send.send(Ok(part))).await, Ok(Ok(())))
}
