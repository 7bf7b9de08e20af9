//! Routes that are kept over a peer's restart, and for how long (RFC 4724 §4.2, RFC 9494 §4.2).

use std::time::{Duration, Instant};

use bgp_session::Negotiated;
use bgp_wire::{Families, Family};

/// Stale routes of a peer that has come back are kept no longer than this without its End-of-RIB.
const END_OF_RIB_WAIT: Duration = Duration::from_secs(360);

/// The stale routes of one peer.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// By family.
    kept: [Option<Kept>; 2],
    /// Families whose long-lived stale time ended while the peer sent its routes: should the session
    /// end before it has sent all, nothing of them is kept.
    expired: Families,
    /// What the attributes of the sessions that left them came to, in octets as they came. More than
    /// what is still there, where a later session has sent the same again.
    octets: usize,
}

/// Stale routes of one family.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// They stay as they are until then: for the restart time, or waiting for the End-of-RIB of a
    /// peer that is back.
    until: Instant,
    /// The peer is back.
    back: bool,
    long_lived: LongLived,
}

/// What comes after the restart time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LongLived {
    Nothing,
    /// So long as long-lived stale routes.
    For(Duration),
    /// There are such already. Neither the peer's return nor its next loss moves this: only its
    /// End-of-RIB ends it.
    Until(Instant),
}

impl Kept {
    fn next(&self) -> Instant {
        match self.long_lived {
            LongLived::Until(end) => end.min(self.until),
            LongLived::Nothing | LongLived::For(_) => self.until,
        }
    }

    /// What becomes of them now that [`next`](Self::next) has passed; none: they go.
    fn go_on(self, now: Instant) -> Option<Self> {
        let end = match self.long_lived {
            _ if self.back => return None,
            LongLived::Nothing => return None,
            LongLived::For(time) if time.is_zero() => return None,
            LongLived::For(time) => now + time,
            LongLived::Until(end) if end <= now => return None,
            LongLived::Until(end) => end,
        };
        Some(Self { until: end, long_lived: LongLived::Until(end), ..self })
    }
}

impl Stale {
    fn of(&mut self, family: Family) -> &mut Option<Kept> {
        let [v4, v6] = &mut self.kept;
        if family == Family::V4 { v4 } else { v6 }
    }

    /// When something is to be done next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.kept.iter().flatten().map(Kept::next).min()
    }

    /// Families whose time is over: those that are gone, and those whose routes live on as
    /// long-lived stale ones for a time of their own (RFC 9494 §4.2).
    pub(super) fn take_due(&mut self, now: Instant) -> (Families, Families) {
        let (mut gone, mut long) = (Families::NONE, Families::NONE);
        for family in Family::ALL {
            let Some(kept) = self.of(family).filter(|kept| kept.next() <= now) else { continue };
            let next = kept.go_on(now);
            *self.of(family) = next;
            if next.is_some() {
                long.insert(family);
                continue;
            }
            gone.insert(family);
            if matches!(kept.long_lived, LongLived::Until(end) if kept.back && end <= now) {
                self.expired.insert(family);
            }
        }
        (gone, long)
    }

    /// The session ended in a way that keeps its routes. Families of which something goes: `.0` is
    /// what was stale before, to be removed ahead of the end; `.1` all of it, behind the end.
    pub(super) fn session_lost(
        &mut self,
        negotiated: &Negotiated,
        now: Instant,
    ) -> (Families, Families) {
        let before = std::mem::take(self);
        let graceful = negotiated.peer_graceful_restart.as_ref();
        let (mut old, mut all) = (Families::NONE, Families::NONE);
        for family in negotiated.families.iter() {
            let named = graceful.filter(|restart| restart.families.contains(family));
            let long_lived_time = negotiated.peer_llgr[family.index()];
            // Families that the peer's graceful restart does not name are not kept (RFC 4724 §4.2)
            // but as long-lived stale ones, from the first moment on (RFC 9494 §4.2); nor are those
            // whose long-lived stale time was over before they were complete.
            let kept = named.is_some() || long_lived_time.is_some_and(|time| !time.is_zero());
            if !kept || before.expired.contains(family) {
                all.insert(family);
                continue;
            }
            let restart_time = named.map_or(Duration::ZERO, |restart| restart.restart_time);
            let running = before.kept[family.index()].map(|kept| kept.long_lived);
            let long_lived = match running {
                // RFC 9494 §4.2: these outlive restarts one after the other, for their time.
                Some(until @ LongLived::Until(_)) => until,
                // RFC 4724 §4.2: what is stale for the second time goes.
                other => {
                    if other.is_some() {
                        old.insert(family);
                    }
                    long_lived_time.map_or(LongLived::Nothing, LongLived::For)
                }
            };
            let kept = Kept { until: now + restart_time, back: false, long_lived };
            *self.of(family) = Some(kept);
        }
        let of_before = |kept: &Kept| matches!(kept.long_lived, LongLived::Until(_));
        if self.kept.iter().flatten().any(of_before) {
            self.octets = before.octets;
        }
        (old, all)
    }

    /// The session that was lost left attributes of so many octets.
    pub(super) fn add_octets(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets);
    }

    /// Whether there are stale routes and sessions left more than this. One session may have so
    /// much; those that are long-lived stale outlive many of them.
    pub(super) fn is_over(&self, octets: usize) -> bool {
        self.octets > octets && self.kept.iter().any(Option::is_some)
    }

    /// The peer is back. Families whose routes go now: those of which it does not say to have kept
    /// the forwarding state (RFC 4724 §4.2), also those that are long-lived stale and of which the
    /// long-lived capability does not say so; where graceful restart does not name the family, that
    /// one alone counts (RFC 9494 §4.2).
    pub(super) fn peer_is_back(&mut self, negotiated: &Negotiated, now: Instant) -> Families {
        let (named, forwarding) = match &negotiated.peer_graceful_restart {
            Some(restart) => (restart.families, restart.forwarding),
            None => (Families::NONE, Families::NONE),
        };
        let mut gone = Families::NONE;
        for family in Family::ALL {
            let Some(kept) = self.of(family) else { continue };
            let is_long = matches!(kept.long_lived, LongLived::Until(_));
            let llgr = negotiated.peer_llgr[family.index()].is_some()
                && negotiated.peer_llgr_forwarding.contains(family);
            let unnamed = is_long && !named.contains(family);
            if !(forwarding.contains(family) || unnamed) || (is_long && !llgr) {
                *self.of(family) = None;
                gone.insert(family);
                continue;
            }
            kept.back = true;
            kept.until = now + END_OF_RIB_WAIT;
            if !is_long {
                kept.long_lived = LongLived::Nothing;
            }
        }
        gone
    }

    /// The peer has sent all it has of a family.
    pub(super) fn end_of_rib(&mut self, family: Family) {
        *self.of(family) = None;
        self.expired.remove(family);
    }

    /// Nothing is kept any longer. Families of which something was.
    pub(super) fn take_all(&mut self) -> Families {
        let before = std::mem::take(self);
        Family::ALL.into_iter().filter(|family| before.kept[family.index()].is_some()).collect()
    }
}

#[cfg(test)]
mod tests;
