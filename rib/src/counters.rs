//! Numbers: plain integers owned by the shard, copied out by whoever reads them.

use bgp_wire::Family;
use policy::{Policy, RejectReason, Slot};

use crate::destination::Candidate;
use crate::marks::{Mark, Marks};

/// What a shard has of one session's routes. Arrays are by [`Family::index`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotCounters {
    /// Routes in the Adj-RIB-In.
    pub received: [u32; 2],
    /// Of these, eligible for somebody.
    pub accepted: [u32; 2],
    /// Of the accepted, those that come first for their prefix.
    pub best: [u32; 2],
    /// Of the received, not eligible, by reason; reasons that never occurred may be missing.
    filtered: [Vec<u32>; 2],
    /// Routes in the Adj-RIB-In by [`Mark`].
    marked: [[u32; Mark::ALL.len()]; 2],
    /// Announcements that were not taken for want of room below the prefix limit.
    pub refused: [u64; 2],
    /// Announced NLRI ever.
    pub announcements: [u64; 2],
    /// Announced NLRI that were not eligible for anybody when they came, ever.
    pub rejected: [u64; 2],
    /// Withdrawn NLRI ever.
    pub withdrawals: [u64; 2],
}

impl SlotCounters {
    /// Routes that are not eligible for this reason.
    pub fn filtered(&self, family: Family, reason: RejectReason) -> u32 {
        self.filtered[family.index()].get(reason.index()).copied().unwrap_or(0)
    }

    /// Routes that are not eligible for anybody.
    pub fn filtered_total(&self, family: Family) -> u32 {
        self.filtered[family.index()].iter().sum()
    }

    /// Routes with this mark.
    pub fn marked(&self, family: Family, mark: Mark) -> u32 {
        self.marked[family.index()][mark as usize]
    }

    /// Nothing is left of what was received.
    fn holds_nothing(&self) -> bool {
        self.received == [0; 2] && self.best == [0; 2]
    }

    pub(crate) fn add<T>(
        &mut self,
        family: Family,
        judged: &Result<T, RejectReason>,
        marks: Marks,
    ) {
        let f = family.index();
        self.received[f] += 1;
        marks.iter().for_each(|mark| self.marked[f][mark as usize] += 1);
        match judged {
            Ok(_) => self.accepted[f] += 1,
            Err(reason) => {
                let reasons = &mut self.filtered[f];
                if reasons.len() <= reason.index() {
                    reasons.resize(reason.index() + 1, 0);
                }
                reasons[reason.index()] += 1;
            }
        }
    }

    pub(crate) fn subtract(&mut self, family: Family, candidate: &Candidate) {
        let f = family.index();
        self.received[f] -= 1;
        candidate.marks.iter().for_each(|mark| self.marked[f][mark as usize] -= 1);
        match &candidate.judged {
            Ok(_) => self.accepted[f] -= 1,
            Err(reason) => self.filtered[f][reason.index()] -= 1,
        }
    }
}

/// What a shard counts.
#[derive(Debug, Clone, Default)]
pub struct ShardCounters {
    /// By slot.
    pub slots: Vec<SlotCounters>,
    /// Prefixes with an eligible route, by [`Family::index`].
    pub destinations: [usize; 2],
    /// Distinct peer sets in use.
    pub peer_sets: usize,
    /// Turns that decided something.
    pub turns: u64,
    /// Destinations decided.
    pub decisions: u64,
    /// Batches published.
    pub batches: u64,
    /// Messages encoded, once for each profile.
    pub messages: u64,
    /// Octets encoded, once for each profile.
    pub octets: u64,
    /// Messages to the shard that belonged to an older session and were ignored.
    pub outdated: u64,
}

impl ShardCounters {
    /// What was counted ever is of the session that had the slot: another one begins at zero.
    pub(crate) fn forget_former(&mut self, old: &Policy, new: &Policy) {
        for (index, counters) in (0u16..).zip(&mut self.slots) {
            let session = |policy: &Policy| {
                let peer = policy.peer(Slot(index))?;
                Some((peer.address, peer.interface.clone()))
            };
            let next = session(new);
            if next.is_some() && next != session(old) && counters.holds_nothing() {
                *counters = SlotCounters::default();
            }
        }
    }

    /// The counters of a slot.
    pub fn slot(&self, slot: Slot) -> Option<&SlotCounters> {
        self.slots.get(slot.index())
    }

    /// The first eligible candidate of a prefix was one slot's and is another's.
    pub(crate) fn first_changed(
        &mut self,
        family: Family,
        before: Option<Slot>,
        now: Option<Slot>,
    ) {
        let f = family.index();
        if let Some(before) = before {
            self.slot_mut(before).best[f] -= 1;
            self.destinations[f] -= 1;
        }
        if let Some(now) = now {
            self.slot_mut(now).best[f] += 1;
            self.destinations[f] += 1;
        }
    }

    pub(crate) fn slot_mut(&mut self, slot: Slot) -> &mut SlotCounters {
        if self.slots.len() <= slot.index() {
            self.slots.resize_with(slot.index() + 1, SlotCounters::default);
        }
        &mut self.slots[slot.index()]
    }
}
