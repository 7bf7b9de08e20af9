//! Adj-RIB-In: routes come, are replaced and go.

use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{Families, Family, Prefix};
use policy::{AttributeVerdict, ExportPlan, NoTrace, RejectReason, Slot, Verdict, VerdictClass};
use smallvec::SmallVec;

use crate::attribute_set::Derived;
use crate::destination::{Candidate, CandidateFlags};
use crate::limit::Reservation;
use crate::marks::Marks;
use crate::shard::OUTDATED;
use crate::table::DestinationId;
use crate::watch::{Change, Seen};
use crate::{AttributeSet, Generation, Ingest, PeerLimit, Shard, ShardOutput};

/// The judge of one attribute set: what does not depend on the prefix is at hand.
pub(crate) struct Judge<'a> {
    source: Slot,
    derived: Arc<Derived>,
    policy: &'a policy::Policy,
    data: &'a policy::RoutingData,
    /// Plans asked for so far, so that the set's lock is taken once for each.
    plans: SmallVec<[(VerdictClass, Arc<ExportPlan>); 2]>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        set: &AttributeSet,
        policy: &'a policy::Policy,
        data: &'a policy::RoutingData,
    ) -> Self {
        let derived = set.derived(policy);
        Self { source: set.source(), derived, policy, data, plans: SmallVec::new() }
    }

    /// The plan for the prefix, or why there is none.
    pub(crate) fn judge(&mut self, prefix: &Prefix) -> Judged {
        let verdict: &AttributeVerdict = &self.derived.verdict;
        match self.policy.prefix_verdict(self.source, verdict, prefix, self.data, &mut NoTrace) {
            Verdict::Reject(reason) => {
                Judged { plan: Err(reason), marks: Marks::of(&verdict.facts, None) }
            }
            Verdict::Accept(class) => {
                let marks = Marks::of(&verdict.facts, Some(class));
                if let Some((_, plan)) = self.plans.iter().find(|(known, _)| *known == class) {
                    return Judged { plan: Ok(Arc::clone(plan)), marks };
                }
                let plan = self.derived.plan(self.policy, self.source, class);
                self.plans.push((class, Arc::clone(&plan)));
                Judged { plan: Ok(plan), marks }
            }
        }
    }
}

/// What was found of one route.
pub(crate) struct Judged {
    plan: Result<Arc<ExportPlan>, RejectReason>,
    marks: Marks,
}

/// Facts about the routes of one ingest.
struct Arrival {
    received: Instant,
    slot: Slot,
    generation: Generation,
    set: Arc<AttributeSet>,
    llgr_stale: bool,
    received_ms: u64,
    rounds: [u16; 2],
    limit: Arc<PeerLimit>,
}

impl Arrival {
    /// What a watcher is told of it.
    fn seen(&self, prefix: Prefix, accepted: (bool, bool)) -> Seen<'_> {
        Seen {
            source: self.slot,
            prefix,
            set: Some(&self.set),
            pre: Change::Reach,
            accepted,
            received: Some(self.received),
        }
    }
}

impl Shard {
    pub(crate) fn ingest(&mut self, ingest: Ingest) {
        if !self.is_current(ingest.slot, ingest.generation) {
            return;
        }
        let started = *self.started.get_or_insert(ingest.received);
        self.oldest = Some(self.oldest.map_or(ingest.received, |o| o.min(ingest.received)));
        for nlri in &ingest.unreach {
            if let Some(id) = self.find(&nlri.prefix) {
                self.withdraw(nlri.prefix.family(), id, ingest.slot);
            }
        }
        let Some(set) = ingest.set else { return };
        let Some(peer) = self.peers.get_mut(ingest.slot) else { return };
        peer.note_announced(&ingest.reach);
        let arrival = Arrival {
            received: ingest.received,
            slot: ingest.slot,
            generation: ingest.generation,
            llgr_stale: set.is_llgr_stale(),
            set,
            received_ms: ingest.received.saturating_duration_since(started).as_millis() as u64,
            rounds: peer.round,
            limit: Arc::clone(&peer.limit),
        };
        // The judge borrows policy and data for the whole message.
        let (policy, data) = (Arc::clone(&self.policy), self.data.clone());
        let mut judge = Judge::new(&arrival.set, &policy, &data);
        for nlri in &ingest.reach {
            let judged = judge.judge(&nlri.prefix);
            self.announce(&arrival, nlri.prefix, judged);
        }
    }

    /// A route comes, or replaces the one that its source sent before.
    fn announce(&mut self, arrival: &Arrival, prefix: Prefix, judged: Judged) {
        let family = prefix.family();
        let f = family.index();
        let id = self.tables[f].find_or_insert(prefix, self.version);
        let Some(destination) = self.tables[f].get_mut(id) else { return };
        let round = arrival.rounds[f];
        let source = arrival.slot;
        let Some(at) = destination.candidates.iter().position(|c| c.source == source) else {
            self.insert(arrival, family, id, judged);
            return;
        };
        let counts = judged.plan.is_ok() || !arrival.limit.counts_accepted_only();
        let before = &destination.candidates[at];
        let counted =
            self.peers.is_counted(source, family, before.round).then_some(before.flags.counted);
        if counted != Some(counts) {
            // It was rejected, and counts only now that it is not, or the other way round, or it is
            // an earlier session's: as a new one would, so that nobody has more of them by changing
            // its mind.
            if !self.reserve(arrival, family, counts) {
                self.remove(family, id, at);
                return;
            }
            if let Some(counted) = counted {
                let room = arrival.limit.give_back(family, counted);
                self.say_room(arrival.slot, arrival.generation, room);
            }
            let Some(destination) = self.tables[f].get_mut(id) else { return };
            destination.candidates[at].flags.counted = counts;
        }
        let Some(destination) = self.tables[f].get_mut(id) else { return };
        let candidate = &mut destination.candidates[at];
        let current = destination.version == self.version;
        if current && Arc::ptr_eq(&candidate.set, &arrival.set) {
            // The same again: a refresh, or the end of its being stale. Nothing to decide.
            candidate.round = round;
            return;
        }
        let counters = self.counters.slot_mut(arrival.slot);
        counters.announcements[f] += 1;
        counters.rejected[f] += u64::from(judged.plan.is_err());
        counters.subtract(family, candidate);
        counters.add(family, &judged.plan, judged.marks);
        let accepted = (candidate.judged.is_ok(), judged.plan.is_ok());
        candidate.set = Arc::clone(&arrival.set);
        candidate.judged = judged.plan;
        candidate.marks = judged.marks;
        candidate.round = round;
        candidate.received_ms = arrival.received_ms;
        candidate.flags.llgr_stale = arrival.llgr_stale;
        self.see(&arrival.seen(prefix, accepted));
        self.touch(family, id);
    }

    /// Counts one more of the source's routes, or keeps it as one that does not count, and says what
    /// is to be said. May it be taken?
    fn reserve(&mut self, arrival: &Arrival, family: Family, counted: bool) -> bool {
        let reservation = match counted {
            true => arrival.limit.reserve(family, arrival.generation),
            false => arrival.limit.reserve_rejected(family, arrival.generation),
        };
        self.report_limit(arrival, reservation);
        let refused = matches!(reservation, Reservation::Refused { .. });
        if refused {
            self.counters.slot_mut(arrival.slot).refused[family.index()] += 1;
        }
        !refused
    }

    fn insert(&mut self, arrival: &Arrival, family: Family, id: DestinationId, judged: Judged) {
        let f = family.index();
        let Judged { plan: judged, marks } = judged;
        let counted = judged.is_ok() || !arrival.limit.counts_accepted_only();
        let counters = self.counters.slot_mut(arrival.slot);
        counters.announcements[f] += 1;
        counters.rejected[f] += u64::from(judged.is_err());
        if !self.reserve(arrival, family, counted) {
            // The place may have been taken for nothing: deciding frees it.
            self.touch(family, id);
            return;
        }
        self.counters.slot_mut(arrival.slot).add(family, &judged, marks);
        let accepted = (false, judged.is_ok());
        if let Some(destination) = self.tables[f].get_mut(id) {
            destination.candidates.push(Candidate {
                set: Arc::clone(&arrival.set),
                judged,
                received_ms: arrival.received_ms,
                source: arrival.slot,
                round: arrival.rounds[f],
                flags: CandidateFlags { counted, llgr_stale: arrival.llgr_stale },
                marks,
            });
        }
        let segment = self.tables[f].segment_of(id);
        if let Some(peer) = self.peers.get_mut(arrival.slot) {
            peer.occupy(family, segment);
        }
        if let Some(destination) = self.tables[f].get(id) {
            self.see(&arrival.seen(destination.prefix, accepted));
        }
        self.touch(family, id);
    }

    fn report_limit(&mut self, arrival: &Arrival, reservation: Reservation) {
        let (slot, generation) = (arrival.slot, arrival.generation);
        let event = match reservation {
            Reservation::TakenWarning(reached) => {
                ShardOutput::LimitWarning { slot, generation, reached }
            }
            Reservation::TakenAbove { reached, first: true } => {
                ShardOutput::LimitExceeded { slot, generation, reached, close: false }
            }
            Reservation::Refused { reached, first: true, close } => {
                ShardOutput::LimitExceeded { slot, generation, reached, close }
            }
            _ => return,
        };
        self.events.push(event);
    }

    /// The source withdraws its route.
    fn withdraw(&mut self, family: Family, id: DestinationId, source: Slot) {
        let f = family.index();
        self.counters.slot_mut(source).withdrawals[f] += 1;
        let Some(destination) = self.tables[f].get_mut(id) else { return };
        let Some(at) = destination.candidates.iter().position(|c| c.source == source) else {
            return;
        };
        self.remove(family, id, at);
    }

    fn remove(&mut self, family: Family, id: DestinationId, at: usize) {
        let Some(destination) = self.tables[family.index()].get_mut(id) else { return };
        let candidate = destination.candidates.remove(at);
        let prefix = destination.prefix;
        self.see_gone(prefix, &candidate);
        self.forget(family, &candidate);
        self.touch(family, id);
    }

    /// A candidate was taken out of its destination: it is no longer counted.
    pub(crate) fn forget(&mut self, family: Family, candidate: &Candidate) {
        self.counters.slot_mut(candidate.source).subtract(family, candidate);
        let Some(peer) = self.peers.get(candidate.source) else { return };
        if !peer.is_counted(family, candidate.round) {
            return;
        }
        let room = peer.limit.give_back(family, candidate.flags.counted);
        if peer.session.is_some() {
            self.say_room(candidate.source, peer.generation, room);
        }
    }

    /// Judges every candidate of a destination by the policy and data in force.
    pub(crate) fn judge_again(&mut self, family: Family, id: DestinationId) {
        let Self { tables, policy, data, counters, peers, version, events, .. } = self;
        let Some(destination) = tables[family.index()].get_mut(id) else { return };
        let mut turned: SmallVec<[(Arc<AttributeSet>, bool); 1]> = SmallVec::new();
        for candidate in &mut destination.candidates {
            let Judged { plan: judged, marks } =
                Judge::new(&candidate.set, policy, data).judge(&destination.prefix);
            let changed = match (&candidate.judged, &judged) {
                (Ok(_), Ok(_)) => false,
                (Err(old), Err(new)) => old != new,
                _ => true,
            };
            if changed || candidate.marks != marks {
                let slot = counters.slot_mut(candidate.source);
                slot.subtract(family, candidate);
                slot.add(family, &judged, marks);
                if let Some(peer) = peers.get(candidate.source)
                    && peer.is_counted(family, candidate.round)
                {
                    let room = recount(candidate, &judged, family, &peer.limit);
                    let (slot, generation) = (candidate.source, peer.generation);
                    let say = |family| ShardOutput::LimitRoom { slot, generation, family };
                    events.extend(room.iter().map(say));
                }
            }
            if candidate.judged.is_ok() != judged.is_ok() {
                turned.push((Arc::clone(&candidate.set), judged.is_ok()));
            }
            candidate.judged = judged;
            candidate.marks = marks;
        }
        destination.version = *version;
        let prefix = destination.prefix;
        for (set, accepted) in turned {
            self.see(&Seen {
                source: set.source(),
                prefix,
                set: Some(&set),
                pre: Change::None,
                accepted: (!accepted, accepted),
                received: None,
            });
        }
    }

    /// Marks a destination to be judged again before it is decided.
    pub(crate) fn outdate(&mut self, family: Family, id: DestinationId) {
        if let Some(destination) = self.tables[family.index()].get_mut(id) {
            destination.version = OUTDATED;
        }
        self.touch(family, id);
    }
}

/// Where accepted routes are counted only, a route that a policy or data turned accepted enters the
/// count, whatever the limit, and one that they turned rejected leaves it: it is there, and that was
/// not its sender's doing. The families in which that left room for what was refused.
fn recount<T>(
    candidate: &mut Candidate,
    judged: &Result<T, RejectReason>,
    family: Family,
    limit: &PeerLimit,
) -> Families {
    let counted = judged.is_ok() || !limit.counts_accepted_only();
    let was = std::mem::replace(&mut candidate.flags.counted, counted);
    if was == counted {
        return Families::NONE;
    }
    limit.keep(family, counted);
    limit.give_back(family, was)
}
