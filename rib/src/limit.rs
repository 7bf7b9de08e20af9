//! Prefix limits, exact over several shards.
//!
//! One [`PeerLimit`] for each session, and those that keep its routes, shared by all shards of its
//! route server. A route is reserved before it is inserted and given back when it goes; the
//! reservation that fails is the limit event. Routes that are kept over a restart stay counted, and
//! a reload changes the limit without touching the count. A session that begins with nothing kept
//! begins with a [`PeerLimit`] of its own: what the one before left in the table until it is swept
//! does not count for it. So there may be twice as many, and no more: a session that begins while
//! there are such of the last but one has them swept first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bgp_wire::{Families, Family};

use crate::Generation;

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

impl LimitConfig {
    /// Of what `limit` allows to count, how many routes are kept at most: rejected ones as well where
    /// they do not count. `None`: there is no bound, as `warn` takes them all.
    #[must_use]
    pub fn most_kept(&self, limit: Option<u32>) -> Option<u32> {
        let limit = limit.filter(|_| self.action != LimitAction::Warn)?;
        let rejected = if self.count_accepted { most_rejected(limit) } else { 0 };
        Some(limit.saturating_add(rejected))
    }
}

/// Which of a session's limits: a family's, or (`family` is none) the one on both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedLimit {
    /// The family.
    pub family: Option<Family>,
    /// The limit.
    pub limit: u32,
    /// It is the one on rejected routes, which stands behind a limit on accepted ones.
    pub rejected: bool,
}

/// What a reservation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Counted.
    Taken,
    /// Counted, and the first to reach 80 % of this limit.
    TakenWarning(ReachedLimit),
    /// Counted although above this limit (action `warn`); `first` for the first one since there
    /// was room.
    TakenAbove {
        /// Of what it was too much.
        reached: ReachedLimit,
        /// Say it once.
        first: bool,
    },
    /// Not counted, not to be inserted.
    Refused {
        /// Of what it would have been too much.
        reached: ReachedLimit,
        /// Say it once.
        first: bool,
        /// The owner closes the session.
        close: bool,
    },
}

/// A limit is near from this share of it on.
pub const NEAR_LIMIT_PERCENT: u64 = 80;

/// Where accepted routes are counted only, rejected ones need a bound, too: so many times the limit,
/// and so many more.
const REJECTED: (u32, u32) = (2, 1000);

fn most_rejected(limit: u32) -> u32 {
    let (times, more) = REJECTED;
    limit.saturating_mul(times).saturating_add(more)
}

const NONE: u32 = u32::MAX;

/// Scopes of a limit: each family by its index, and both together.
const TOTAL: usize = 2;

/// The count of one session's prefixes and its limit.
#[derive(Debug)]
pub struct PeerLimit {
    counted: Count,
    /// Of routes that are kept and not counted: rejected ones where only accepted ones are.
    rejected: Count,
    limits: [AtomicU32; 3],
    warned: [AtomicBool; 3],
    action: AtomicU32,
    count_accepted: AtomicBool,
    /// [`Recount`]s under way.
    recounts: AtomicU32,
}

/// A session's routes are being counted as another configuration counts, each shard's by itself.
/// While one of these is there its prefixes are taken and counted, and nothing is refused: it would
/// be by a count that is half the one and half the other.
#[derive(Debug)]
pub struct Recount(Arc<PeerLimit>);

impl Recount {
    /// The limit is `config` from here on, and each shard has a copy of this to let go of
    /// ([`crate::ShardInput::LimitChanged`]).
    #[must_use]
    pub fn begin(limit: &Arc<PeerLimit>, config: LimitConfig) -> Arc<Self> {
        // Before anything else, so that nobody sees the new limit without it.
        limit.recounts.fetch_add(1, Ordering::Relaxed);
        limit.count_accepted.store(config.count_accepted, Ordering::Release);
        limit.configure(config);
        Arc::new(Self(Arc::clone(limit)))
    }

    pub(crate) fn is_of(&self, limit: &Arc<PeerLimit>) -> bool {
        Arc::ptr_eq(&self.0, limit)
    }
}

impl Drop for Recount {
    fn drop(&mut self) {
        self.0.recounts.fetch_sub(1, Ordering::Release);
    }
}

/// Prefixes, and which of their limits are exceeded.
#[derive(Debug, Default)]
struct Count {
    /// IPv4 in the lower half, IPv6 in the upper: one addition gives each count and their sum.
    packed: AtomicU64,
    /// By scope, the session to which it was said that the limit is exceeded ([`said_to`]); 0: there
    /// is room.
    exceeded: [AtomicU32; 3],
    /// By scope, whether something was left out that has not been asked for.
    missing: [AtomicBool; 3],
}

impl Count {
    fn now(&self) -> u64 {
        self.packed.load(Ordering::Relaxed)
    }

    fn is_exceeded(&self) -> bool {
        self.exceeded.iter().any(|exceeded| exceeded.load(Ordering::Relaxed) != 0)
            || self.is_missing()
    }

    fn is_missing(&self) -> bool {
        self.missing.iter().any(|missing| missing.load(Ordering::Relaxed))
    }

    /// Is it to be said to this session?
    fn say_exceeded(&self, scope: usize, generation: Generation) -> bool {
        let session = said_to(generation);
        self.exceeded[scope].swap(session, Ordering::Relaxed) != session
    }

    fn forget_exceeded(&self) {
        self.exceeded.iter().for_each(|exceeded| exceeded.store(0, Ordering::Relaxed));
    }

    /// Another limit, under which it is news when it is exceeded again.
    fn limit_changed(&self, scope: usize, limit: u32) {
        if scope_count(self.now(), scope) <= limit {
            self.exceeded[scope].store(0, Ordering::Relaxed);
        }
    }

    /// Where there is room it is news when the limit is exceeded again. The families of what is
    /// missing there, said once: both for a limit on both together, whichever was refused.
    fn take_room(&self, is_room: impl Fn(usize) -> bool) -> Families {
        let mut room = Families::NONE;
        for (scope, (exceeded, missing)) in self.exceeded.iter().zip(&self.missing).enumerate() {
            let exceeds = exceeded.load(Ordering::Relaxed) != 0;
            let misses = missing.load(Ordering::Relaxed);
            if !(exceeds || misses) || !is_room(scope) {
                continue;
            }
            exceeded.store(0, Ordering::Relaxed);
            if missing.swap(false, Ordering::Relaxed) {
                let concerned = |family: &Family| scope == TOTAL || scope == family.index();
                Family::ALL.into_iter().filter(concerned).for_each(|family| room.insert(family));
            }
        }
        room
    }
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

/// Is there so much room that what was refused may come?
fn is_below_90(counts: u64, scope: usize, limit: u32) -> bool {
    u64::from(scope_count(counts, scope)) * 100 < u64::from(limit) * 90
}

/// The scopes that a prefix counts in: its family's, and that of both together.
const fn scopes(family: Family) -> [usize; 2] {
    [family.index(), TOTAL]
}

const fn reached(scope: usize, limit: u32, rejected: bool) -> ReachedLimit {
    let family = match scope {
        0 => Some(Family::V4),
        1 => Some(Family::V6),
        _ => None,
    };
    ReachedLimit { family, limit, rejected }
}

/// What became of one prefix more.
enum Added {
    Yes {
        /// What is counted now.
        counts: u64,
    },
    /// Added, above this of its two limits.
    Above(usize),
    /// Not added: it would be above this of its two limits.
    No { above: usize },
}

/// Counts one prefix more, if that is below both limits or may be `above` them. Compared and
/// exchanged, not added and taken back: an attempt that fails must not make another shard's fail
/// that has room.
fn add_below(counts: &AtomicU64, family: Family, limits: [u32; 2], above: bool) -> Added {
    let scopes = scopes(family);
    let full = |counts, n: usize| limits[n] != NONE && scope_count(counts, scopes[n]) >= limits[n];
    let mut before = counts.load(Ordering::Relaxed);
    loop {
        let reached = (0..2).find(|n| full(before, *n));
        if let Some(reached) = reached
            && !above
        {
            return Added::No { above: reached };
        }
        let after = before.wrapping_add(one(family));
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        match counts.compare_exchange_weak(before, after, success, failure) {
            Err(changed) => before = changed,
            Ok(_) => return reached.map_or(Added::Yes { counts: after }, Added::Above),
        }
    }
}

/// A session as [`PeerLimit::exceeded`] has it: what was said to an earlier one was not said to this.
fn said_to(generation: Generation) -> u32 {
    generation.0.wrapping_add(1).max(1)
}

/// Takes one prefix back. Below zero there is nothing: it would be the other family's.
fn take_back(counts: &AtomicU64, family: Family) -> u64 {
    let less = |counts: u64| {
        (scope_count(counts, family.index()) > 0).then(|| counts.wrapping_sub(one(family)))
    };
    let before = counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    debug_assert!(before.is_ok(), "given back twice");
    before.map_or_else(|counts| counts, |before| before.wrapping_sub(one(family)))
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
            counted: Count::default(),
            rejected: Count::default(),
            limits: std::array::from_fn(|_| AtomicU32::new(NONE)),
            warned: Default::default(),
            action: AtomicU32::new(0),
            count_accepted: AtomicBool::new(config.count_accepted),
            recounts: AtomicU32::new(0),
        };
        limit.configure(config);
        limit
    }

    /// A changed limit; the count stays. Another action acts on the next prefix that is too many,
    /// even where the one before has acted. Whether accepted routes only are counted stays as it is:
    /// that takes a [`Recount`].
    pub fn configure(&self, config: LimitConfig) {
        let [v4, v6] = config.families;
        for (scope, value) in [v4, v6, config.total].into_iter().enumerate() {
            let limit = value.unwrap_or(NONE);
            if self.limits[scope].swap(limit, Ordering::AcqRel) != limit {
                self.counted.limit_changed(scope, limit);
                self.rejected.limit_changed(scope, self.rejected_limit(scope));
            }
        }
        let action = config.action as u32;
        if self.action.swap(action, Ordering::Relaxed) != action {
            // What the action before did about it does not stand for what this one does.
            self.counted.forget_exceeded();
            self.rejected.forget_exceeded();
        }
    }

    /// Prefixes counted in a family.
    pub fn count(&self, family: Family) -> u32 {
        scope_count(self.counted.now(), family.index())
    }

    /// Prefixes of a family that are kept and not counted: rejected ones, where they do not count.
    pub fn rejected(&self, family: Family) -> u32 {
        scope_count(self.rejected.now(), family.index())
    }

    /// Are accepted routes counted only?
    pub fn counts_accepted_only(&self) -> bool {
        self.count_accepted.load(Ordering::Acquire)
    }

    /// Is the session over its limit, or was some prefix refused and there is no room yet?
    pub fn is_exceeded(&self) -> bool {
        self.counted.is_exceeded() || self.rejected.is_exceeded()
    }

    /// Was some prefix refused that has not been asked for since?
    pub fn has_refused(&self) -> bool {
        self.counted.is_missing() || self.rejected.is_missing()
    }

    /// Counts a prefix of this session if there is room.
    pub fn reserve(&self, family: Family, generation: Generation) -> Reservation {
        let scopes = scopes(family);
        let limits = scopes.map(|scope| self.limit(scope));
        let recounts = self.recounts();
        let above = recounts || self.action() == LimitAction::Warn;
        let reached = |n: usize| reached(scopes[n], limits[n], false);
        match add_below(&self.counted.packed, family, limits, above) {
            Added::No { above } => {
                let first = self.counted.say_exceeded(scopes[above], generation);
                self.refusal(&self.counted, reached(above), scopes[above], first)
            }
            // Nothing is said by such a count either.
            Added::Above(_) | Added::Yes { .. } if recounts => Reservation::Taken,
            Added::Above(above) => {
                let first = self.counted.say_exceeded(scopes[above], generation);
                Reservation::TakenAbove { reached: reached(above), first }
            }
            Added::Yes { counts } => {
                let near = (0..2).find(|n| self.is_near(scopes[*n], limits[*n], counts));
                near.map_or(Reservation::Taken, |n| Reservation::TakenWarning(reached(n)))
            }
        }
    }

    /// Keeps a route that does not count, if there are not by far too many of them already.
    pub fn reserve_rejected(&self, family: Family, generation: Generation) -> Reservation {
        let scopes = scopes(family);
        let limits = scopes.map(|scope| self.rejected_limit(scope));
        let above = self.recounts() || self.action() == LimitAction::Warn;
        match add_below(&self.rejected.packed, family, limits, above) {
            Added::No { above } => {
                let first = self.rejected.say_exceeded(scopes[above], generation);
                let reached = reached(scopes[above], limits[above], true);
                self.refusal(&self.rejected, reached, scopes[above], first)
            }
            Added::Above(_) | Added::Yes { .. } => Reservation::Taken,
        }
    }

    fn refusal(
        &self,
        count: &Count,
        reached: ReachedLimit,
        scope: usize,
        first: bool,
    ) -> Reservation {
        let close = self.action() == LimitAction::Close;
        // A session that is closed announces everything again.
        if !close {
            count.missing[scope].store(true, Ordering::Relaxed);
        }
        Reservation::Refused { reached, first, close }
    }

    /// Read after the limits: whoever sees new ones sees that they are counted for.
    fn recounts(&self) -> bool {
        self.recounts.load(Ordering::Acquire) != 0
    }

    fn limit(&self, scope: usize) -> u32 {
        self.limits[scope].load(Ordering::Acquire)
    }

    /// Of routes that do not count.
    fn rejected_limit(&self, scope: usize) -> u32 {
        match self.limit(scope) {
            NONE => NONE,
            limit => most_rejected(limit),
        }
    }

    /// Is this the first to reach 80 % of a limit?
    fn is_near(&self, scope: usize, limit: u32, counts: u64) -> bool {
        let count = u64::from(scope_count(counts, scope));
        limit != NONE
            && count * 100 >= u64::from(limit) * NEAR_LIMIT_PERCENT
            && !self.warned[scope].swap(true, Ordering::Relaxed)
    }

    /// Takes a route whether there is room or not (one that is there, and that a new policy or
    /// another count sees otherwise); `counted`, or as one that does not count.
    pub(crate) fn keep(&self, family: Family, counted: bool) {
        let count = if counted { &self.counted } else { &self.rejected };
        count.packed.fetch_add(one(family), Ordering::Relaxed);
    }

    /// A route that was `counted`, or kept as one that does not count, went or is seen otherwise from
    /// here on. The families for which there is room again for what was refused.
    pub(crate) fn give_back(&self, family: Family, counted: bool) -> Families {
        if counted { self.release(family) } else { self.release_rejected(family) }
    }

    /// Gives a prefix back. The families for which there is room again (below 90 %) for what was
    /// refused.
    pub fn release(&self, family: Family) -> Families {
        let counts = take_back(&self.counted.packed, family);
        self.rearm(counts);
        self.counted.take_room(|scope| is_below_90(counts, scope, self.limit(scope)))
    }

    fn release_rejected(&self, family: Family) -> Families {
        let counts = take_back(&self.rejected.packed, family);
        self.rejected.take_room(|scope| is_below_90(counts, scope, self.rejected_limit(scope)))
    }

    /// After [`Self::configure`]: the families in which the limit of now, or its action, leaves room
    /// for what the one before left out.
    pub fn take_room(&self) -> Families {
        let (counted, rejected) = (self.counted.now(), self.rejected.now());
        self.rearm(counted);
        let action = self.action();
        let is_room = |counts, scope, limit| match action {
            LimitAction::Warn => true,
            LimitAction::Block => scope_count(counts, scope) < limit,
            // Whoever announces a little more than the limit is not closed for having been asked.
            LimitAction::Close => is_below_90(counts, scope, limit),
        };
        let of_counted = self.counted.take_room(|scope| is_room(counted, scope, self.limit(scope)));
        let of_rejected =
            self.rejected.take_room(|scope| is_room(rejected, scope, self.rejected_limit(scope)));
        of_counted.iter().chain(of_rejected.iter()).collect()
    }

    /// What may be said again.
    fn rearm(&self, counts: u64) {
        for (scope, warned) in self.warned.iter().enumerate() {
            let is_far = || {
                let (count, limit) = (scope_count(counts, scope), self.limit(scope));
                u64::from(count) * 100 < u64::from(limit) * 75
            };
            if warned.load(Ordering::Relaxed) && is_far() {
                warned.store(false, Ordering::Relaxed);
            }
        }
    }

    fn action(&self) -> LimitAction {
        LimitAction::from_code(self.action.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Generation = Generation(1);

    const fn of(family: Option<Family>, limit: u32) -> ReachedLimit {
        ReachedLimit { family, limit, rejected: false }
    }

    const fn v4(limit: u32) -> ReachedLimit {
        of(Some(Family::V4), limit)
    }

    fn limit(v4: u32, action: LimitAction) -> PeerLimit {
        PeerLimit::new(LimitConfig { families: [Some(v4), None], action, ..Default::default() })
    }

    #[test]
    fn n_are_allowed_and_the_next_acts_once() {
        let limit = limit(10, LimitAction::Close);
        let results: Vec<_> = (0..12).map(|_| limit.reserve(Family::V4, SESSION)).collect();
        assert_eq!(results[..7], [Reservation::Taken; 7]);
        assert_eq!(results[7], Reservation::TakenWarning(v4(10)), "80 %");
        assert_eq!(results[8..10], [Reservation::Taken; 2]);
        let refused = |first| Reservation::Refused { reached: v4(10), first, close: true };
        assert_eq!(results[10..], [refused(true), refused(false)]);
        assert_eq!(limit.count(Family::V4), 10);
        assert_eq!(limit.reserve(Family::V6, SESSION), Reservation::Taken, "no limit there");
    }

    #[test]
    fn block_says_when_there_is_room_again() {
        let limit = limit(10, LimitAction::Block);
        (0..10).for_each(|_| {
            limit.reserve(Family::V4, SESSION);
        });
        let refused = Reservation::Refused { reached: v4(10), first: true, close: false };
        assert_eq!(limit.reserve(Family::V4, SESSION), refused);
        assert_eq!(limit.release(Family::V4), Families::NONE, "90 % is not below 90 %");
        assert_eq!(limit.release(Family::V4), Families::only(Family::V4));
        assert_eq!(limit.release(Family::V4), Families::NONE, "said once");
    }

    #[test]
    fn a_raised_limit_makes_room_and_keeps_the_count() {
        let limit = limit(2, LimitAction::Block);
        (0..3).for_each(|_| {
            limit.reserve(Family::V4, SESSION);
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

    /// However little it is raised, and whatever is done about the next one from now on.
    #[test]
    fn what_a_limit_left_out_is_asked_for_when_the_next_one_takes_it() {
        let cases = [
            (11, LimitAction::Block, true),
            (20, LimitAction::Close, true),
            (10, LimitAction::Warn, true),
            (10, LimitAction::Block, false),
            (11, LimitAction::Close, false),
        ];
        for (value, action, is_asked_for) in cases {
            let limit = limit(10, LimitAction::Block);
            (0..12).for_each(|_| {
                limit.reserve(Family::V4, SESSION);
            });
            let families = [Some(value), None];
            limit.configure(LimitConfig { families, action, ..Default::default() });
            let asked_for = limit.take_room() == Families::only(Family::V4);
            assert_eq!(asked_for, is_asked_for, "{value}, {action:?}");
            assert_eq!(limit.is_exceeded(), !is_asked_for, "{value}, {action:?}");
            assert_eq!(limit.take_room(), Families::NONE, "said once");
        }
    }

    /// What `block` left out is missing under another action, too, until there is room for it.
    #[test]
    fn what_block_left_out_is_asked_for_later_where_the_next_action_had_no_room() {
        let limit = limit(10, LimitAction::Block);
        (0..12).for_each(|_| {
            limit.reserve(Family::V4, SESSION);
        });
        let families = [Some(11), None];
        limit.configure(LimitConfig { families, action: LimitAction::Close, ..Default::default() });
        assert_eq!(limit.take_room(), Families::NONE, "ten of eleven");
        assert_eq!(limit.release(Family::V4), Families::only(Family::V4), "nine of eleven");
        assert_eq!(limit.release(Family::V4), Families::NONE, "said once");
    }

    #[test]
    fn above_a_raised_limit_is_news() {
        let limit = limit(1, LimitAction::Warn);
        (0..2).for_each(|_| {
            limit.reserve(Family::V4, SESSION);
        });
        let changed = |v4| LimitConfig { families: [Some(v4), None], ..Default::default() };
        limit.configure(changed(3));
        assert!(!limit.is_exceeded(), "two of three");
        limit.reserve(Family::V4, SESSION);
        let above = |first| Reservation::TakenAbove { reached: v4(3), first };
        assert_eq!(limit.reserve(Family::V4, SESSION), above(true));
        limit.configure(changed(2));
        assert!(limit.is_exceeded(), "four of two");
    }

    #[test]
    fn another_action_acts_on_the_next_prefix_too_many() {
        let limit = limit(1, LimitAction::Block);
        limit.reserve(Family::V4, SESSION);
        let refused = |first, close| Reservation::Refused { reached: v4(1), first, close };
        assert_eq!(limit.reserve(Family::V4, SESSION), refused(true, false));
        let families = [Some(1), None];
        let changed = |action| LimitConfig { families, action, ..Default::default() };
        limit.configure(changed(LimitAction::Block));
        assert_eq!(limit.reserve(Family::V4, SESSION), refused(false, false));
        limit.configure(changed(LimitAction::Close));
        assert_eq!(limit.reserve(Family::V4, SESSION), refused(true, true));
        assert_eq!(limit.reserve(Family::V4, SESSION), refused(false, true));
    }

    #[test]
    fn warn_takes_what_is_above() {
        let limit = limit(1, LimitAction::Warn);
        assert_eq!(limit.reserve(Family::V4, SESSION), Reservation::TakenWarning(v4(1)));
        let above = |first| Reservation::TakenAbove { reached: v4(1), first };
        assert_eq!(limit.reserve(Family::V4, SESSION), above(true));
        assert_eq!(limit.reserve(Family::V4, SESSION), above(false));
        assert_eq!(limit.count(Family::V4), 3);
    }

    #[test]
    fn a_total_counts_both_families() {
        let limit = PeerLimit::new(LimitConfig {
            total: Some(2),
            action: LimitAction::Close,
            ..Default::default()
        });
        assert_eq!(limit.reserve(Family::V4, SESSION), Reservation::Taken);
        assert_eq!(limit.reserve(Family::V6, SESSION), Reservation::TakenWarning(of(None, 2)));
        let refused = Reservation::Refused { reached: of(None, 2), first: true, close: true };
        assert_eq!(limit.reserve(Family::V4, SESSION), refused, "it names the limit that it was");
        assert_eq!(limit.count(Family::V4), 1, "a refusal leaves nothing counted");
        limit.release(Family::V6);
        assert!(!matches!(limit.reserve(Family::V4, SESSION), Reservation::Refused { .. }));
    }

    #[test]
    fn room_below_a_total_is_room_for_both_families() {
        let limit = PeerLimit::new(LimitConfig {
            total: Some(2),
            action: LimitAction::Block,
            ..Default::default()
        });
        limit.reserve(Family::V4, SESSION);
        limit.reserve(Family::V4, SESSION);
        assert!(matches!(limit.reserve(Family::V6, SESSION), Reservation::Refused { .. }));
        assert_eq!(limit.release(Family::V4), Families::BOTH, "it was IPv6 that was refused");
    }

    /// A member that comes back with more than it may have is told again.
    #[test]
    fn what_was_said_to_a_session_was_not_said_to_the_next() {
        let limit = limit(0, LimitAction::Close);
        let next = Generation(2);
        for session in [SESSION, next] {
            for first in [true, false] {
                let refused = Reservation::Refused { reached: v4(0), first, close: true };
                assert_eq!(limit.reserve(Family::V4, session), refused);
            }
        }
    }

    #[test]
    fn rejected_routes_that_do_not_count_are_bounded_too() {
        let limit = PeerLimit::new(LimitConfig {
            families: [Some(10), None],
            action: LimitAction::Close,
            count_accepted: true,
            ..Default::default()
        });
        for _ in 0..1020 {
            assert_eq!(limit.reserve_rejected(Family::V4, SESSION), Reservation::Taken);
        }
        let reached = ReachedLimit { family: Some(Family::V4), limit: 1020, rejected: true };
        let refused = Reservation::Refused { reached, first: true, close: true };
        assert_eq!(limit.reserve_rejected(Family::V4, SESSION), refused);
        assert_eq!(limit.reserve_rejected(Family::V6, SESSION), Reservation::Taken, "no limit");
        assert_eq!(limit.reserve(Family::V4, SESSION), Reservation::Taken, "another count");
        limit.release_rejected(Family::V4);
        assert_eq!(limit.reserve_rejected(Family::V4, SESSION), Reservation::Taken);
    }

    /// Room is where something was refused: not among those that count when it was a rejected one,
    /// nor the other way round.
    #[test]
    fn room_is_looked_for_where_something_was_refused() {
        let limit = PeerLimit::new(LimitConfig {
            families: [Some(10), None],
            action: LimitAction::Block,
            count_accepted: true,
            ..Default::default()
        });
        let keep = || limit.reserve_rejected(Family::V4, SESSION);
        (0..1020).for_each(|_| assert_eq!(keep(), Reservation::Taken));
        assert!(matches!(keep(), Reservation::Refused { .. }));
        limit.reserve(Family::V4, SESSION);
        assert_eq!(limit.release(Family::V4), Families::NONE, "that was never short");
        assert!(limit.is_exceeded());
        let room = (0..200).map(|_| limit.release_rejected(Family::V4));
        let said: Vec<_> = room.filter(|room| *room != Families::NONE).collect();
        assert_eq!(said, [Families::only(Family::V4)], "once, below 90 %");
        assert!(!limit.is_exceeded());
    }
}
