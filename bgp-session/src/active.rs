//! Active: waiting for a connection of the peer, or for the time of our next attempt
//! (RFC 4271 §8.2.2).

use std::time::Instant;

use crate::connect::Connect;
use crate::context::Context;
use crate::events::Event;
use crate::seek::Seek;

#[derive(Debug)]
pub(crate) struct Active {
    /// ConnectRetryTimer. `None`: we only listen, because the session is passive or because a
    /// connection of ours is on its way.
    pub(crate) retry_at: Option<Instant>,
}

impl Active {
    pub(crate) fn listening() -> Self {
        Self { retry_at: None }
    }

    pub(crate) fn until(retry_at: Instant) -> Self {
        Self { retry_at: Some(retry_at) }
    }

    /// Makes sure that we try again at that time at the latest.
    pub(crate) fn retry_by(&mut self, at: Instant) {
        self.retry_at = Some(self.retry_at.map_or(at, |retry_at| retry_at.min(at)));
    }

    pub(crate) fn handle(self, cx: &mut Context<'_>, event: &Event) -> Seek {
        match event {
            Event::ConnectRetryTimerExpires => Seek::Connect(Connect::begin(cx)),
            _ => Seek::Active(self),
        }
    }
}
