//! Prefix limits, exact over several shards.
//!
//! One [`PeerLimit`] for each configured session, shared by all shards of its route server. A
//! route is reserved before it is inserted and given back when it goes; the reservation that fails
//! is the limit event. The counter belongs to the slot and not to a session of it: routes that are
//! kept over a restart stay counted, and a reload changes the limit without touching the count.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bgp_wire::{Families, Family};

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

/// Scopes of a limit: each family by its index, and both together.
const TOTAL: usize = 2;

/// The count of one session's prefixes and its limit.
#[derive(Debug)]
pub struct PeerLimit {
    /// IPv4 in the lower half, IPv6 in the upper: one addition gives each count and their sum.
    counts: AtomicU64,
    limits: [AtomicU32; 3],
    warned: [AtomicBool; 3],
    exceeded: [AtomicBool; 3],
    action: AtomicU32,
    count_accepted: AtomicBool,
}

/// One prefix of a family in the packed counts.
const fn one(family: Family) -> u64 {
    1 << (32 * family.index())
}

/// The count of a scope in the packed counts.
const fn scope_count(counts: u64, scope: usize) -> u32 {
    match scope {
        0 => counts as u32,
        1 => (counts >> 32) as u32,
        _ => (counts as u32).saturating_add((counts >> 32) as u32),
    }
}

impl Default for PeerLimit {
    fn default() -> Self {
        Self::new(LimitConfig::default())
    }
}

impl PeerLimit {
    /// Nothing counted yet.
    pub fn new(config: LimitConfig) -> Self {
        let limit = Self {
            counts: AtomicU64::new(0),
            limits: std::array::from_fn(|_| AtomicU32::new(NONE)),
            warned: Default::default(),
            exceeded: Default::default(),
            action: AtomicU32::new(0),
            count_accepted: AtomicBool::new(config.count_accepted),
        };
        limit.configure(config);
        limit
    }

    /// A changed limit; the count stays. Another action acts on the next prefix that is too many,
    /// even where the one before has acted. Whether accepted routes only are counted can't change
    /// while routes are counted, so it takes effect with the next [`PeerLimit`].
    pub fn configure(&self, config: LimitConfig) {
        let [v4, v6] = config.families;
        for (limit, value) in self.limits.iter().zip([v4, v6, config.total]) {
            limit.store(value.unwrap_or(NONE), Ordering::Relaxed);
        }
        let action = config.action as u32;
        if self.action.swap(action, Ordering::Relaxed) != action {
            // What the action before did about it does not stand for what this one does.
            self.exceeded.iter().for_each(|exceeded| exceeded.store(false, Ordering::Relaxed));
        }
    }

    /// Prefixes counted in a family.
    pub fn count(&self, family: Family) -> u32 {
        scope_count(self.counts.load(Ordering::Relaxed), family.index())
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

    /// Is the session over its limit, or was some prefix refused and there is no room yet?
    pub fn is_exceeded(&self) -> bool {
        self.exceeded.iter().any(|e| e.load(Ordering::Relaxed))
    }

    /// Counts a prefix if there is room.
    pub fn reserve(&self, family: Family) -> Reservation {
        let scopes = [family.index(), TOTAL];
        let limits = scopes.map(|scope| self.limits[scope].load(Ordering::Relaxed));
        // Compared and exchanged, not added and taken back: an attempt that fails must not make
        // another shard's fail that has room.
        let mut before = self.counts.load(Ordering::Relaxed);
        loop {
            let full = |n: usize| scope_count(before, scopes[n]) >= limits[n];
            let above = (0..2).find(|n| limits[*n] != NONE && full(*n));
            let action = self.action();
            if let Some(above) = above
                && action != LimitAction::Warn
            {
                let first = !self.exceeded[scopes[above]].swap(true, Ordering::Relaxed);
                return Reservation::Refused { first, close: action == LimitAction::Close };
            }
            let after = before.wrapping_add(one(family));
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.counts.compare_exchange_weak(before, after, success, failure) {
                Err(changed) => before = changed,
                Ok(_) => {
                    if let Some(above) = above {
                        let first = !self.exceeded[scopes[above]].swap(true, Ordering::Relaxed);
                        return Reservation::TakenAbove { first };
                    }
                    let near = (0..2).any(|n| self.is_near(scopes[n], limits[n], after));
                    return if near { Reservation::TakenWarning } else { Reservation::Taken };
                }
            }
        }
    }

    /// Is this the first to reach 80 % of a limit?
    fn is_near(&self, scope: usize, limit: u32, counts: u64) -> bool {
        let count = u64::from(scope_count(counts, scope));
        limit != NONE
            && count * 100 >= u64::from(limit) * 80
            && !self.warned[scope].swap(true, Ordering::Relaxed)
    }

    /// Counts a prefix whether there is room or not (an existing route that a new policy accepts).
    pub fn reserve_always(&self, family: Family) {
        self.counts.fetch_add(one(family), Ordering::Relaxed);
    }

    /// Gives a prefix back. The families for which there is room again (below 90 %) for what was
    /// refused.
    pub fn release(&self, family: Family) -> Families {
        let before = self.counts.fetch_sub(one(family), Ordering::Relaxed);
        debug_assert!(scope_count(before, family.index()) > 0, "given back twice");
        self.rearm(before.wrapping_sub(one(family)))
    }

    /// After [`Self::configure`]: the families in which a raised limit left room for what was
    /// refused.
    pub fn take_room(&self) -> Families {
        self.rearm(self.counts.load(Ordering::Relaxed))
    }

    /// What may be said again. The families for which that is that there is room: both for a limit
    /// on both together, whichever was refused.
    fn rearm(&self, counts: u64) -> Families {
        let mut room = Families::NONE;
        for scope in 0..self.limits.len() {
            let warned = self.warned[scope].load(Ordering::Relaxed);
            let exceeded = self.exceeded[scope].load(Ordering::Relaxed);
            if !warned && !exceeded {
                continue;
            }
            let limit = u64::from(self.limits[scope].load(Ordering::Relaxed));
            let count = u64::from(scope_count(counts, scope));
            if warned && count * 100 < limit * 75 {
                self.warned[scope].store(false, Ordering::Relaxed);
            }
            if exceeded
                && count * 100 < limit * 90
                && self.exceeded[scope].swap(false, Ordering::Relaxed)
            {
                let concerned = |family: &Family| scope == TOTAL || scope == family.index();
                Family::ALL.into_iter().filter(concerned).for_each(|family| room.insert(family));
            }
        }
        if self.action() == LimitAction::Block { room } else { Families::NONE }
    }

    fn action(&self) -> LimitAction {
        LimitAction::from_code(self.action.load(Ordering::Relaxed))
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
        assert_eq!(limit.release(Family::V4), Families::NONE, "90 % is not below 90 %");
        assert_eq!(limit.release(Family::V4), Families::only(Family::V4));
        assert_eq!(limit.release(Family::V4), Families::NONE, "said once");
    }

    #[test]
    fn a_raised_limit_makes_room_and_keeps_the_count() {
        let limit = limit(2, LimitAction::Block);
        (0..3).for_each(|_| {
            limit.reserve(Family::V4);
        });
        assert_eq!(limit.take_room(), Families::NONE);
        limit.configure(LimitConfig {
            families: [Some(100), None],
            action: LimitAction::Block,
            ..Default::default()
        });
        assert_eq!(limit.take_room(), Families::only(Family::V4));
        assert_eq!(limit.take_room(), Families::NONE, "said once");
        assert_eq!(limit.count(Family::V4), 2);
    }

    #[test]
    fn another_action_acts_on_the_next_prefix_too_many() {
        let limit = limit(1, LimitAction::Block);
        limit.reserve(Family::V4);
        assert_eq!(limit.reserve(Family::V4), Reservation::Refused { first: true, close: false });
        let families = [Some(1), None];
        let changed = |action| LimitConfig { families, action, ..Default::default() };
        limit.configure(changed(LimitAction::Block));
        assert_eq!(limit.reserve(Family::V4), Reservation::Refused { first: false, close: false });
        limit.configure(changed(LimitAction::Close));
        assert_eq!(limit.reserve(Family::V4), Reservation::Refused { first: true, close: true });
        assert_eq!(limit.reserve(Family::V4), Reservation::Refused { first: false, close: true });
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

    #[test]
    fn room_below_a_total_is_room_for_both_families() {
        let limit = PeerLimit::new(LimitConfig {
            total: Some(2),
            action: LimitAction::Block,
            ..Default::default()
        });
        limit.reserve(Family::V4);
        limit.reserve(Family::V4);
        assert!(matches!(limit.reserve(Family::V6), Reservation::Refused { .. }));
        assert_eq!(limit.release(Family::V4), Families::BOTH, "it was IPv6 that was refused");
    }
}
