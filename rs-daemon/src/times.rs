//! Times as BMP and MRT write them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Moments of the monotonic clock as times since the Unix epoch: both clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    now: Instant,
    since_epoch: Duration,
}

impl Times {
    pub(crate) fn now() -> Self {
        Self { now: Instant::now(), since_epoch: since_epoch(SystemTime::now()) }
    }

    #[cfg(test)]
    pub(crate) const fn at(now: Instant, since_epoch: Duration) -> Self {
        Self { now, since_epoch }
    }

    /// Of a moment; none: now.
    pub(crate) fn of(&self, at: Option<Instant>) -> Duration {
        let ago = at.map_or(Duration::ZERO, |at| self.now.saturating_duration_since(at));
        self.since_epoch.saturating_sub(ago)
    }
}

pub(crate) fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}
