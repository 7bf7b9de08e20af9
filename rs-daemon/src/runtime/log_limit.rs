//! Log lines that others can cause as often as they like, at most one in a while: stderr is
//! written synchronously, by threads that have KEEPALIVEs to send.

use std::time::{Duration, Instant};

/// Time between two lines, and how many were left out since the last.
#[derive(Debug)]
pub(crate) struct LogLimit {
    interval: Duration,
    last: Option<Instant>,
    unsaid: u64,
}

impl LogLimit {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, last: None, unsaid: 0 }
    }

    /// `Some`: write a line, which says how many were left out before it.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < self.interval) {
            self.unsaid += 1;
            return None;
        }
        Some(self.force(now))
    }

    /// Writes a line in any case, which says how many were left out before it.
    pub(crate) fn force(&mut self, now: Instant) -> u64 {
        self.last = Some(now);
        std::mem::take(&mut self.unsaid)
    }
}
