//! Prefix limits, exact over several shards.
//!
//! One [`PeerLimit`] for each configured session, shared by all shards of its route server. A
//! route is reserved before it is inserted and given back when it goes; the reservation that fails
//! is the limit event. The counter belongs to the slot and not to a session of it: routes that are
//! kept over a restart stay counted, and a reload changes the limit without touching the count.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bgp_wire::Family;

/// What happens to the route above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitAction {
    /// It is taken, and said.
    #[default]
    Warn,
    /// It is not taken; what is there stays.
    Block,
    /// It is not taken, and the session's owner closes the session (`restart`, `shutdown`).
    Close,
}

impl LimitAction {
    const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Block,
            2 => Self::Close,
            _ => Self::Warn,
        }
    }
}

/// A limit as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitConfig {
    /// Prefixes allowed in each family, by [`Family::index`]; `None` is no limit.
    pub families: [Option<u32>; 2],
    /// Prefixes allowed in both families together.
    pub total: Option<u32>,
    /// What happens to the one above.
    pub action: LimitAction,
    /// Count accepted routes only, not all that were received.
    pub count_accepted: bool,
}

/// What a reservation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Counted.
    Taken,
    /// Counted, and the first to reach 80 % of the limit.
    TakenWarning,
    /// Counted although above the limit (action `warn`); `first` for the first one since there
    /// was room.
    TakenAbove {
        /// Say it once.
        first: bool,
    },
    /// Not counted, not to be inserted.
    Refused {
        /// Say it once.
        first: bool,
        /// The owner closes the session.
        close: bool,
    },
}

const NONE: u32 = u32::MAX;

/// The count of one session's prefixes and its limit. Families index 0 and 1, both together 2.
#[derive(Debug)]
pub struct PeerLimit {
    counts: [AtomicU32; 3],
    limits: [AtomicU32; 3],
    warned: [AtomicBool; 3],
    exceeded: [AtomicBool; 3],
    action: AtomicU32,
    count_accepted: AtomicBool,
}

const TOTAL: usize = 2;

impl Default for PeerLimit {
    fn default() -> Self {
        Self::new(LimitConfig::default())
    }
}

impl PeerLimit {
    /// Nothing counted yet.
    pub fn new(config: LimitConfig) -> Self {
        let limit = Self {
            counts: Default::default(),
            limits: std::array::from_fn(|_| AtomicU32::new(NONE)),
            warned: Default::default(),
            exceeded: Default::default(),
            action: AtomicU32::new(0),
            count_accepted: AtomicBool::new(config.count_accepted),
        };
        limit.configure(config);
        limit
    }

    /// A changed limit; the count stays. Whether accepted routes only are counted can't change
    /// while routes are counted, so it takes effect with the next [`PeerLimit`].
    pub fn configure(&self, config: LimitConfig) {
        for (limit, value) in
            self.limits.iter().zip([config.families[0], config.families[1], config.total])
        {
            limit.store(value.unwrap_or(NONE), Ordering::Relaxed);
        }
        self.action.store(config.action as u32, Ordering::Relaxed);
    }

    /// Prefixes counted in a family.
    pub fn count(&self, family: Family) -> u32 {
        self.counts[family.index()].load(Ordering::Relaxed)
    }

    /// The limit of a family, or else the one on both together.
    pub fn limit(&self, family: Family) -> Option<u32> {
        [family.index(), TOTAL]
            .into_iter()
            .map(|scope| self.limits[scope].load(Ordering::Relaxed))
            .find(|limit| *limit != NONE)
    }

    /// Are accepted routes counted only?
    pub fn counts_accepted_only(&self) -> bool {
        self.count_accepted.load(Ordering::Relaxed)
    }

    /// Is some prefix refused for want of room (action `block`)?
    pub fn is_exceeded(&self) -> bool {
        self.exceeded.iter().any(|e| e.load(Ordering::Relaxed))
    }

    /// Counts a prefix if there is room.
    pub fn reserve(&self, family: Family) -> Reservation {
        let mut result = Reservation::Taken;
        for (done, scope) in [family.index(), TOTAL].into_iter().enumerate() {
            match self.reserve_scope(scope) {
                Reservation::Taken => {}
                refused @ Reservation::Refused { .. } => {
                    if done == 1 {
                        self.counts[family.index()].fetch_sub(1, Ordering::Relaxed);
                    }
                    return refused;
                }
                noted => result = noted,
            }
        }
        result
    }

    /// Counts a prefix whether there is room or not (an existing route that a new policy accepts).
    pub fn reserve_always(&self, family: Family) {
        for scope in [family.index(), TOTAL] {
            self.counts[scope].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives a prefix back. True when there is room again (below 90 %) for what was refused.
    pub fn release(&self, family: Family) -> bool {
        let mut room = false;
        for scope in [family.index(), TOTAL] {
            let before = self.counts[scope].fetch_sub(1, Ordering::Relaxed);
            debug_assert!(before > 0, "a prefix was given back twice");
            room |= self.rearm(scope, before.saturating_sub(1));
        }
        room
    }

    /// After [`Self::configure`]: true when a raised limit left room for what was refused.
    pub fn take_room(&self) -> bool {
        let mut room = false;
        for (scope, count) in self.counts.iter().enumerate() {
            room |= self.rearm(scope, count.load(Ordering::Relaxed));
        }
        room
    }

    fn rearm(&self, scope: usize, count: u32) -> bool {
        let limit = self.limits[scope].load(Ordering::Relaxed);
        let below = |percent: u64| u64::from(count) * 100 < u64::from(limit) * percent;
        if self.warned[scope].load(Ordering::Relaxed) && below(75) {
            self.warned[scope].store(false, Ordering::Relaxed);
        }
        self.exceeded[scope].load(Ordering::Relaxed)
            && (limit == NONE || below(90))
            && self.exceeded[scope].swap(false, Ordering::Relaxed)
            && LimitAction::from_code(self.action.load(Ordering::Relaxed)) == LimitAction::Block
    }

    fn reserve_scope(&self, scope: usize) -> Reservation {
        let limit = self.limits[scope].load(Ordering::Relaxed);
        let before = self.counts[scope].fetch_add(1, Ordering::Relaxed);
        if before >= limit {
            let first = !self.exceeded[scope].swap(true, Ordering::Relaxed);
            let action = LimitAction::from_code(self.action.load(Ordering::Relaxed));
            if action == LimitAction::Warn {
                return Reservation::TakenAbove { first };
            }
            self.counts[scope].fetch_sub(1, Ordering::Relaxed);
            return Reservation::Refused { first, close: action == LimitAction::Close };
        }
        let near = limit != NONE && (u64::from(before) + 1) * 100 >= u64::from(limit) * 80;
        if near && !self.warned[scope].swap(true, Ordering::Relaxed) {
            return Reservation::TakenWarning;
        }
        Reservation::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(v4: u32, action: LimitAction) -> PeerLimit {
        PeerLimit::new(LimitConfig { families: [Some(v4), None], action, ..Default::default() })
    }

    #[test]
    fn n_are_allowed_and_the_next_acts_once() {
        let limit = limit(10, LimitAction::Close);
        let results: Vec<_> = (0..12).map(|_| limit.reserve(Family::V4)).collect();
        assert_eq!(results[..7], [Reservation::Taken; 7]);
        assert_eq!(results[7], Reservation::TakenWarning, "80 %");
        assert_eq!(results[8..10], [Reservation::Taken; 2]);
        assert_eq!(results[10], Reservation::Refused { first: true, close: true });
        assert_eq!(results[11], Reservation::Refused { first: false, close: true });
        assert_eq!(limit.count(Family::V4), 10);
        assert_eq!(limit.reserve(Family::V6), Reservation::Taken, "no limit there");
    }

    #[test]
    fn block_says_when_there_is_room_again() {
        let limit = limit(10, LimitAction::Block);
        (0..10).for_each(|_| {
            limit.reserve(Family::V4);
        });
        assert_eq!(limit.reserve(Family::V4), Reservation::Refused { first: true, close: false });
        assert!(!limit.release(Family::V4), "90 % is not below 90 %");
        assert!(limit.release(Family::V4));
        assert!(!limit.release(Family::V4), "said once");
    }

    #[test]
    fn a_raised_limit_makes_room_and_keeps_the_count() {
        let limit = limit(2, LimitAction::Block);
        (0..3).for_each(|_| {
            limit.reserve(Family::V4);
        });
        assert!(!limit.take_room());
        limit.configure(LimitConfig {
            families: [Some(100), None],
            action: LimitAction::Block,
            ..Default::default()
        });
        assert!(limit.take_room() && !limit.take_room());
        assert_eq!(limit.count(Family::V4), 2);
    }

    #[test]
    fn warn_takes_what_is_above() {
        let limit = limit(1, LimitAction::Warn);
        assert_eq!(limit.reserve(Family::V4), Reservation::TakenWarning);
        assert_eq!(limit.reserve(Family::V4), Reservation::TakenAbove { first: true });
        assert_eq!(limit.reserve(Family::V4), Reservation::TakenAbove { first: false });
        assert_eq!(limit.count(Family::V4), 3);
    }

    #[test]
    fn a_total_counts_both_families() {
        let limit = PeerLimit::new(LimitConfig {
            total: Some(2),
            action: LimitAction::Close,
            ..Default::default()
        });
        limit.reserve(Family::V4);
        limit.reserve(Family::V6);
        assert!(matches!(limit.reserve(Family::V4), Reservation::Refused { .. }));
        assert_eq!(limit.count(Family::V4), 1, "a refusal leaves nothing counted");
        limit.release(Family::V6);
        assert!(!matches!(limit.reserve(Family::V4), Reservation::Refused { .. }));
    }
}
