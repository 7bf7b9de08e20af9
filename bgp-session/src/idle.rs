//! Idle: no connection is wanted, and none taken (RFC 4271 §8.2.2).

use std::time::Instant;

use bgp_wire::Notification;
use bgp_wire::iana::cease;

use crate::StopReason;
use crate::context::Context;
use crate::events::Event;
use crate::seek::Seek;

#[derive(Debug)]
pub(crate) struct Idle {
    /// IdleHoldTimer: when the session starts by itself. `None`: on [`Event::Start`] only.
    pub(crate) until: Option<Instant>,
    /// Why it was stopped; `None` before the first start and after an error.
    pub(crate) stopped: Option<StopReason>,
}

impl Idle {
    pub(crate) fn handle(self, cx: &mut Context<'_>, event: &Event) -> Seek {
        match event {
            Event::Start { .. } | Event::IdleHoldTimerExpires => Seek::begin(cx),
            _ => Seek::Idle(self),
        }
    }

    /// What a peer is told that connects nevertheless. It learns the true reason where there is
    /// one (RFC 4486 §3, RFC 9003), else that it comes at a bad moment.
    pub(crate) fn refusal(&self) -> Notification {
        self.stopped
            .as_ref()
            .and_then(StopReason::notification)
            .unwrap_or_else(|| Notification::cease(cease::CONNECTION_REJECTED))
    }
}
