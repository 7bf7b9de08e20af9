//! The decision: who gets which candidate, and what that changes.
//!
//! RFC 7947 §2.3 asks that a candidate which one peer may not have does not hide the next one from
//! it. With the candidates in order of preference that is one pass: each takes, of the peers that
//! are left, those it may go to. A peer with ADD-PATH is given every candidate that it may have
//! (RFC 7911), so it is never taken away by an earlier one.

use std::cmp::Reverse;
use std::sync::Arc;

use bgp_wire::{Family, NextHop, Nlri};
use policy::{ExportPlan, MedMode, OutgoingAttributes};
use smallvec::SmallVec;

use crate::destination::{Candidate, Class, Destination};
use crate::mask::{self, Mask};
use crate::outbox::Outbox;
use crate::peer_sets::PeerSetTable;
use crate::peers::{Masks, Peers};

/// How the policy orders candidates beyond the plans' preference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordering {
    pub(crate) med: MedMode,
    pub(crate) prefer_oldest: bool,
}

/// Plans whose classes are remembered within a turn: those of an attribute set arrive together,
/// a few verdict classes of it mixed.
const REMEMBERED: usize = 4;

/// What the first candidate of a destination comes to when nobody was taken yet.
#[derive(Debug)]
struct Remembered {
    plan: Arc<ExportPlan>,
    family: Family,
    masks_version: u64,
    classes: SmallVec<[Class; 1]>,
    /// Peers without ADD-PATH that are left for the next candidate.
    rest: Mask,
}

/// Makes partitions; owns the buffers for it.
#[derive(Debug, Default)]
pub(crate) struct Partitioner {
    rest: Mask,
    take: Mask,
    blocked: Mask,
    union: Mask,
    classes: SmallVec<[Class; 4]>,
    remembered: SmallVec<[Remembered; REMEMBERED]>,
    next_remembered: usize,
}

/// What a peer must have negotiated to take a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs<'a> {
    /// RFC 8950.
    pub(crate) extended_next_hop: bool,
    /// RFC 9494 §4.3.
    pub(crate) long_lived: bool,
    /// The attributes, if they are so large that it matters how they are written (RFC 8654).
    pub(crate) large: Option<&'a OutgoingAttributes>,
    family: Family,
}

impl<'a> Needs<'a> {
    pub(crate) fn new(family: Family, plan: &ExportPlan, outgoing: &'a OutgoingAttributes) -> Self {
        let v6_next_hop = matches!(outgoing.attributes.next_hop, NextHop::V6 { .. });
        Self {
            extended_next_hop: family == Family::V4 && v6_next_hop,
            long_lived: plan.llgr_stale,
            large: (!outgoing.fits_everywhere()).then_some(outgoing),
            family,
        }
    }

    fn restrict(&self, take: &mut [u64], peers: &Peers) {
        if self.extended_next_hop {
            mask::and_assign(take, &peers.masks.extended_next_hop);
        }
        if self.long_lived {
            mask::and_assign(take, &peers.masks.long_lived);
        }
        if let Some(attributes) = self.large {
            for with in &peers.profiles {
                if !mask::disjoint(take, &with.peers)
                    && !attributes.fits(&with.profile, self.family)
                {
                    mask::and_not_assign(take, &with.peers);
                }
            }
        }
    }
}

/// Are these the same on the wire?
pub(crate) fn same_attributes(a: &Arc<OutgoingAttributes>, b: &Arc<OutgoingAttributes>) -> bool {
    Arc::ptr_eq(a, b) || (a.content_hash == b.content_hash && a.attributes == b.attributes)
}

/// Puts the candidates in order of preference (RFC 4271 §9.1.2.2 as far as it applies), ineligible
/// ones last. Strict and total: the same candidates are in the same order whatever the order of
/// their arrival.
pub(crate) fn sort_candidates(candidates: &mut [Candidate], ordering: Ordering, peers: &Peers) {
    if candidates.len() < 2 {
        return;
    }
    candidates.sort_by_cached_key(|candidate| {
        let preference = candidate.plan().map(|plan| plan.preference);
        let age = if ordering.prefer_oldest { candidate.received_ms } else { 0 };
        (Reverse(preference), age, peers.rank(candidate.source), candidate.source)
    });
}

impl Partitioner {
    /// Makes the partition of a destination whose candidates are judged; it is left in
    /// `self.classes`.
    fn partition(
        &mut self,
        family: Family,
        candidates: &mut [Candidate],
        ordering: Ordering,
        peers: &Peers,
        sets: &mut PeerSetTable,
    ) {
        sort_candidates(candidates, ordering, peers);
        self.classes.clear();
        let masks = &peers.masks;
        let f = family.index();
        let add_path = masks.any_add_path(f);
        // An earlier candidate may be the one that a later one's MED takes out.
        let med_matters = ordering.med == MedMode::SameAs && candidates.len() > 1;
        let mut first = true;
        for (index, candidate) in candidates.iter().enumerate() {
            let Some(plan) = candidate.plan() else { break };
            if first && !med_matters {
                self.take_first(family, candidate, plan, peers, sets);
            } else {
                if first {
                    self.reset_rest(family, masks);
                }
                self.block_by_med(family, &candidates[..], index, ordering, peers);
                self.take(family, candidate, plan, peers, sets);
            }
            first = false;
            if candidates.len() > 1 && !add_path && mask::is_empty(&self.rest) {
                break;
            }
        }
    }

    /// The first candidate finds everybody there, so what it comes to depends on its plan alone
    /// and is remembered for the next destination with the same.
    fn take_first(
        &mut self,
        family: Family,
        candidate: &Candidate,
        plan: &Arc<ExportPlan>,
        peers: &Peers,
        sets: &mut PeerSetTable,
    ) {
        let masks = &peers.masks;
        let known = self.remembered.iter().find(|known| {
            Arc::ptr_eq(&known.plan, plan)
                && known.family == family
                && known.masks_version == masks.version
        });
        if let Some(known) = known {
            self.classes.extend(known.classes.iter().cloned());
            self.rest.clone_from(&known.rest);
            return;
        }
        self.reset_rest(family, masks);
        self.blocked.clear();
        self.take(family, candidate, plan, peers, sets);
        let fresh = Remembered {
            plan: Arc::clone(plan),
            family,
            masks_version: masks.version,
            classes: self.classes.iter().cloned().collect(),
            rest: self.rest.clone(),
        };
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(fresh);
        } else {
            self.remembered[self.next_remembered] = fresh;
            self.next_remembered = (self.next_remembered + 1) % REMEMBERED;
        }
    }

    fn reset_rest(&mut self, family: Family, masks: &Masks) {
        let f = family.index();
        self.rest.clone_from(&masks.up[f]);
        mask::and_not_assign(&mut self.rest, &masks.add_path[f]);
    }

    /// The candidate takes what it may have of what is left.
    fn take(
        &mut self,
        family: Family,
        candidate: &Candidate,
        plan: &ExportPlan,
        peers: &Peers,
        sets: &mut PeerSetTable,
    ) {
        let masks = &peers.masks;
        let f = family.index();
        for entry in &plan.entries {
            self.take.clone_from(&self.rest);
            if !self.blocked.is_empty() {
                mask::and_not_assign(&mut self.take, &self.blocked);
            }
            for ((take, up), add_path) in
                self.take.iter_mut().zip(&masks.up[f]).zip(&masks.add_path[f])
            {
                *take |= up & add_path;
            }
            mask::and_assign(&mut self.take, entry.peers.words());
            Needs::new(family, plan, &entry.attributes).restrict(&mut self.take, peers);
            mask::remove(&mut self.take, candidate.source);
            if mask::is_empty(&self.take) {
                continue;
            }
            mask::and_not_assign(&mut self.rest, &self.take);
            self.classes.push(Class {
                attributes: Arc::clone(&entry.attributes),
                peers: sets.intern(&self.take),
                source: candidate.source,
            });
        }
    }

    /// RFC 4271 §9.1.2.2 c compares MED between routes of the same neighbour AS only, which orders
    /// nothing as a whole. Exact all the same: for those peers for which a candidate of lower MED
    /// from the same AS is eligible and equally preferred, this one is not in the running.
    fn block_by_med(
        &mut self,
        family: Family,
        candidates: &[Candidate],
        index: usize,
        ordering: Ordering,
        peers: &Peers,
    ) {
        let masks = &peers.masks;
        self.blocked.clear();
        let Some(plan) = candidates[index].plan() else { return };
        if ordering.med != MedMode::SameAs {
            return;
        }
        for (other_index, other) in candidates.iter().enumerate() {
            let Some(rival) = other.plan() else { break };
            let beats = other_index != index
                && rival.preference == plan.preference
                && rival.neighbour_as == plan.neighbour_as
                && rival.med < plan.med;
            if !beats {
                continue;
            }
            self.blocked.resize(masks.width, 0);
            for entry in &rival.entries {
                self.take.clone_from(&masks.up[family.index()]);
                mask::and_assign(&mut self.take, entry.peers.words());
                Needs::new(family, rival, &entry.attributes).restrict(&mut self.take, peers);
                mask::remove(&mut self.take, other.source);
                mask::or_assign(&mut self.blocked, &self.take);
            }
        }
    }
}

/// What a decision works with.
pub(crate) struct Context<'a> {
    pub(crate) ordering: Ordering,
    pub(crate) peers: &'a Peers,
    pub(crate) sets: &'a mut PeerSetTable,
    pub(crate) outbox: &'a mut Outbox,
}

impl Partitioner {
    /// Forgets what names peer sets: due before unused sets are collected.
    pub(crate) fn end_turn(&mut self) {
        self.remembered.clear();
        self.next_remembered = 0;
        self.classes.clear();
    }

    /// Decides a destination whose candidates are judged, and puts what changed into the outbox.
    /// `owed` are the peers that a walk will tell about this destination.
    pub(crate) fn decide(
        &mut self,
        destination: &mut Destination,
        owed: &[u64],
        cx: &mut Context<'_>,
    ) {
        let family = destination.prefix.family();
        self.partition(family, &mut destination.candidates, cx.ordering, cx.peers, cx.sets);
        self.emit_difference(destination, owed, cx);
        self.replace(destination, cx.sets);
    }

    /// Decides a destination again for peers that are being told the table: no difference to
    /// anybody else, whose part was decided before. Tells `to` what it has.
    pub(crate) fn serve(
        &mut self,
        destination: &mut Destination,
        to: &[u64],
        cx: &mut Context<'_>,
    ) {
        let family = destination.prefix.family();
        self.partition(family, &mut destination.candidates, cx.ordering, cx.peers, cx.sets);
        self.replace(destination, cx.sets);
        for class in &destination.classes {
            let peers = cx.outbox.narrowed(class.peers, to, cx.sets);
            if let Some(peers) = peers {
                let nlri = announced(destination.prefix, class, cx.peers);
                cx.outbox.announce(peers, &class.attributes, nlri);
            }
        }
    }

    /// Brings a destination's partition up to date without telling anybody: before an answer to
    /// [`crate::Scope::Nlri`] while walks are under way.
    pub(crate) fn refresh(&mut self, destination: &mut Destination, cx: &mut Context<'_>) {
        let family = destination.prefix.family();
        self.partition(family, &mut destination.candidates, cx.ordering, cx.peers, cx.sets);
        self.replace(destination, cx.sets);
    }

    fn replace(&mut self, destination: &mut Destination, sets: &mut PeerSetTable) {
        let family = destination.prefix.family();
        let (old, new) = (&destination.classes, &self.classes);
        // A walk mostly finds what was decided before.
        let same = old.len() == new.len() && old.iter().zip(new).all(|(o, n)| o.peers == n.peers);
        if !same {
            for class in new {
                sets.acquire(class.peers, family);
            }
            for class in old {
                sets.release(class.peers, family);
            }
        }
        destination.classes.clear();
        destination.classes.extend(self.classes.drain(..));
        destination.classes.shrink_to_fit();
    }

    /// New partition minus old: who gets an announcement and who a withdrawal.
    fn emit_difference(&mut self, destination: &Destination, owed: &[u64], cx: &mut Context<'_>) {
        let family = destination.prefix.family();
        let old = &destination.classes;
        if self.is_unchanged(old) {
            return;
        }
        let everybody = owed.is_empty() || mask::disjoint(owed, &cx.peers.masks.initial);
        let whole = match (&old[..], &self.classes[..]) {
            ([], _) => true,
            ([old], [new]) => old.peers == new.peers && old.source == new.source,
            _ => false,
        };
        if everybody && whole {
            for class in &self.classes {
                let nlri = announced(destination.prefix, class, cx.peers);
                cx.outbox.announce(class.peers, &class.attributes, nlri);
            }
            return;
        }
        self.emit_announcements(destination, owed, cx);
        self.emit_withdrawals(destination, owed, cx);
        if cx.peers.masks.any_add_path(family.index()) {
            self.emit_path_withdrawals(destination, owed, cx);
        }
    }

    fn is_unchanged(&self, old: &[Class]) -> bool {
        old.len() == self.classes.len()
            && old.iter().zip(&self.classes).all(|(old, new)| {
                old.peers == new.peers
                    && old.source == new.source
                    && same_attributes(&old.attributes, &new.attributes)
            })
    }

    fn emit_announcements(
        &mut self,
        destination: &Destination,
        owed: &[u64],
        cx: &mut Context<'_>,
    ) {
        let masks = &cx.peers.masks;
        let f = destination.prefix.family().index();
        for class in &self.classes {
            self.take.clear();
            self.take.extend_from_slice(cx.sets.words(class.peers));
            subtract_owed(&mut self.take, owed, masks);
            for old in &destination.classes {
                if !same_attributes(&old.attributes, &class.attributes) {
                    continue;
                }
                let words = cx.sets.words(old.peers);
                if old.source == class.source {
                    mask::and_not_assign(&mut self.take, words);
                } else {
                    // The same on the wire but for the path identifier.
                    for ((take, old), add_path) in
                        self.take.iter_mut().zip(words).zip(&masks.add_path[f])
                    {
                        *take &= !(old & !add_path);
                    }
                }
            }
            if !mask::is_empty(&self.take) {
                let peers = cx.sets.intern(&self.take);
                let nlri = announced(destination.prefix, class, cx.peers);
                cx.outbox.announce(peers, &class.attributes, nlri);
            }
        }
    }

    /// For peers without ADD-PATH: who was in some class and is in none.
    fn emit_withdrawals(&mut self, destination: &Destination, owed: &[u64], cx: &mut Context<'_>) {
        let masks = &cx.peers.masks;
        let f = destination.prefix.family().index();
        self.union.clear();
        self.union.resize(masks.width, 0);
        for old in &destination.classes {
            mask::or_assign(&mut self.union, cx.sets.words(old.peers));
        }
        for new in &self.classes {
            mask::and_not_assign(&mut self.union, cx.sets.words(new.peers));
        }
        mask::and_assign(&mut self.union, &masks.up[f]);
        mask::and_not_assign(&mut self.union, &masks.add_path[f]);
        subtract_owed(&mut self.union, owed, masks);
        if !mask::is_empty(&self.union) {
            let peers = cx.sets.intern(&self.union);
            cx.outbox.withdraw(peers, Nlri { prefix: destination.prefix, path_id: 0 });
        }
    }

    /// For peers with ADD-PATH: who was given a source's path and is no longer.
    fn emit_path_withdrawals(
        &mut self,
        destination: &Destination,
        owed: &[u64],
        cx: &mut Context<'_>,
    ) {
        let masks = &cx.peers.masks;
        let f = destination.prefix.family().index();
        let old = &destination.classes;
        for (index, class) in old.iter().enumerate() {
            if old[..index].iter().any(|earlier| earlier.source == class.source) {
                continue;
            }
            self.union.clear();
            self.union.resize(masks.width, 0);
            for same in old[index..].iter().filter(|o| o.source == class.source) {
                mask::or_assign(&mut self.union, cx.sets.words(same.peers));
            }
            for new in self.classes.iter().filter(|n| n.source == class.source) {
                mask::and_not_assign(&mut self.union, cx.sets.words(new.peers));
            }
            mask::and_assign(&mut self.union, &masks.up[f]);
            mask::and_assign(&mut self.union, &masks.add_path[f]);
            subtract_owed(&mut self.union, owed, masks);
            if !mask::is_empty(&self.union) {
                let peers = cx.sets.intern(&self.union);
                let path_id = path_id(class.source);
                cx.outbox.withdraw(peers, Nlri { prefix: destination.prefix, path_id });
            }
        }
    }
}

/// A peer on its first walk has been told nothing of a segment still owed to it, and will be.
fn subtract_owed(words: &mut [u64], owed: &[u64], masks: &Masks) {
    for ((word, owed), initial) in words.iter_mut().zip(owed).zip(&masks.initial) {
        *word &= !(owed & initial);
    }
}

/// The identifier of a source's path: it lives as long as the path and needs no allocator.
pub(crate) const fn path_id(source: policy::Slot) -> u32 {
    source.0 as u32 + 1
}

/// The NLRI of an announcement. The path identifier is left out where nobody can see it, so that
/// what is changed about a prefix is one entry in a dirty set.
pub(crate) fn announced(prefix: bgp_wire::Prefix, class: &Class, peers: &Peers) -> Nlri {
    let f = prefix.family().index();
    let masks = &peers.masks;
    let path_id = if masks.any_add_path(f) { path_id(class.source) } else { 0 };
    Nlri { prefix, path_id }
}
