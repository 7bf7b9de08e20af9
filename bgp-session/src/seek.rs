//! How a session without a connection looks for one.

use std::time::{Duration, Instant};

use crate::active::Active;
use crate::connect::Connect;
use crate::context::Context;
use crate::events::Event;
use crate::idle::Idle;
use crate::{Output, SessionConfig, State};

/// The least time between two attempts, whatever is configured: no hot loops.
const MIN_RETRY: Duration = Duration::from_secs(1);

/// The states before a connection (RFC 4271 §8.2.2).
#[derive(Debug)]
pub(crate) enum Seek {
    Idle(Idle),
    Connect(Connect),
    Active(Active),
}

impl Seek {
    /// Starts to look: by connecting, or by listening only.
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        if cx.config.passive {
            Self::Active(Active::listening())
        } else {
            Self::Connect(Connect::begin(cx))
        }
    }

    pub(crate) fn handle(self, cx: &mut Context<'_>, event: &Event) -> Self {
        match self {
            Self::Idle(state) => state.handle(cx, event),
            Self::Connect(state) => state.handle(cx, event),
            Self::Active(state) => state.handle(cx, event),
        }
    }

    /// Gives up an attempt that is under way, to become `next`.
    pub(crate) fn become_instead(&mut self, cx: &mut Context<'_>, next: Self) {
        if matches!(self, Self::Connect(_)) {
            cx.outbox.push_back(Output::CancelConnect);
        }
        *self = next;
    }

    pub(crate) fn state(&self) -> State {
        match self {
            Self::Idle(_) => State::Idle,
            Self::Connect(_) => State::Connect,
            Self::Active(_) => State::Active,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Idle(state) => state.until,
            Self::Connect(state) => Some(state.retry_at),
            Self::Active(state) => state.retry_at,
        }
    }

    /// The event of the timer that runs in this state.
    pub(crate) fn timer_event(&self) -> Event {
        match self {
            Self::Idle(_) => Event::IdleHoldTimerExpires,
            Self::Connect(_) | Self::Active(_) => Event::ConnectRetryTimerExpires,
        }
    }
}

/// ConnectRetryTime with jitter and a floor.
pub(crate) fn retry_time(config: &SessionConfig) -> Duration {
    config.jittered(config.connect_retry).max(MIN_RETRY)
}

/// IdleHoldTime after so many failures in a row: doubled with each one (RFC 4271 §8.1.1,
/// DampPeerOscillations).
pub(crate) fn idle_hold_time(config: &SessionConfig, failures: u32) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(16);
    let time = config.idle_hold.saturating_mul(factor).min(crate::MAX_IDLE_HOLD);
    config.jittered(time.max(config.idle_hold)).max(MIN_RETRY)
}
