//! A member at its prefix limit, as far as it can cause as much as it likes: by making room and
//! taking it, again and again, it may neither fill the log nor be asked for its routes each time.

use std::time::Instant;

use bgp_wire::Family;
use rib::ReachedLimit;

use super::limits::{LIMIT_LOG_INTERVAL, REFUSED_ASK_INTERVAL};
use super::log_limit::LogLimit;

/// Lines about a session's limits.
#[derive(Debug)]
pub(super) struct LimitLogs {
    pub(super) near: LogLimit,
    pub(super) exceeded: LogLimit,
    pub(super) room: LogLimit,
}

impl Default for LimitLogs {
    fn default() -> Self {
        let [near, exceeded, room] = [(); 3].map(|()| LogLimit::new(LIMIT_LOG_INTERVAL));
        Self { near, exceeded, room }
    }
}

/// Routes of a family that a limit refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused {
    asked: Option<Instant>,
    /// There is room for them again, and they are to be asked for.
    wanted: bool,
}

impl Refused {
    pub(super) const fn are_wanted(&mut self) {
        self.wanted = true;
    }

    pub(super) const fn are_asked_for(&mut self, now: Instant) {
        *self = Self { asked: Some(now), wanted: false };
    }

    /// When to ask for them, if they are wanted.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let at = self.asked.map_or(now, |asked| asked + REFUSED_ASK_INTERVAL);
        self.wanted.then_some(at)
    }
}

/// As the log has it.
pub(super) const fn families_of(reached: ReachedLimit) -> &'static str {
    match reached.family {
        Some(Family::V4) => "ipv4",
        Some(Family::V6) => "ipv6",
        None => "both together",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_refused_is_asked_for_at_once_and_then_once_a_minute() {
        let mut refused = Refused::default();
        let begin = Instant::now();
        assert_eq!(refused.due(begin), None, "nothing was refused");
        refused.are_wanted();
        assert_eq!(refused.due(begin), Some(begin));
        refused.are_asked_for(begin);
        let later = begin + Duration::from_secs(1);
        assert_eq!(refused.due(later), None);
        refused.are_wanted();
        assert_eq!(refused.due(later), Some(begin + REFUSED_ASK_INTERVAL), "not forgotten");
    }
}
