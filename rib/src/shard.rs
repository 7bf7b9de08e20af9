//! A shard: the owner of some of one route server's prefixes.

use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{Families, Family, Prefix};
use policy::{Policy, RoutingData, Slot};

use crate::counters::ShardCounters;
use crate::destination::Candidate;
use crate::mask;
use crate::outbox::Outbox;
use crate::partition::{Ordering, Partitioner};
use crate::peer_sets::PeerSetTable;
use crate::peers::{PeerSlot, Peers, Rank, StaleAction};
use crate::resync::NlriRequest;
use crate::table::{DestinationId, Table};
use crate::watch::Watcher;
use crate::work::{Rejudge, SweepCursor};
use crate::{
    Changed, Generation, PeerLimit, PeerState, Recount, ShardConfig, ShardInput, ShardOutput,
};

/// A shard of one route server's table. It has no threads and no clock: give it what comes with
/// [`handle`](Self::handle), end the turn with [`finish_turn`](Self::finish_turn) when the inbox
/// is empty or enough was handled, and when nothing came, let it [`work`](Self::work) while there
/// is [`pending_work`](Self::pending_work), ending the turn each time.
///
/// ```text
/// loop { handle(input)* ; if inbox is empty && pending_work() { work(budget) } ; finish_turn(out) }
/// ```
#[derive(Debug)]
pub struct Shard {
    pub(crate) config: ShardConfig,
    pub(crate) policy: Arc<Policy>,
    pub(crate) data: RoutingData,
    /// Counted up with every policy and with data that may change any verdict. A destination
    /// that was judged by an older version is judged again before it is decided.
    pub(crate) version: u32,
    pub(crate) tables: [Table; 2],
    pub(crate) peers: Peers,
    pub(crate) sets: PeerSetTable,
    pub(crate) partitioner: Partitioner,
    pub(crate) outbox: Outbox,
    pub(crate) counters: ShardCounters,
    /// Destinations to decide at the end of the turn.
    pub(crate) touched: Vec<(Family, DestinationId)>,
    /// Said ahead of the turn's batches.
    pub(crate) markers: Vec<ShardOutput>,
    /// Said after them.
    pub(crate) events: Vec<ShardOutput>,
    /// Requests of [`crate::Scope::Nlri`], answered at the end of the turn.
    pub(crate) requests: Vec<NlriRequest>,
    pub(crate) sweeping: SweepCursor,
    pub(crate) rejudging: Option<Rejudge>,
    /// Where walks go on: all that have credit share the pass.
    pub(crate) walk_at: (Family, usize),
    /// Segments that walks may be served in this turn.
    pub(crate) walk_budget: usize,
    /// The oldest ingest of the turn.
    pub(crate) oldest: Option<Instant>,
    /// The first ingest of all: received times are kept relative to it.
    pub(crate) started: Option<Instant>,
    /// Some while somebody watches.
    pub(crate) watcher: Option<Box<Watcher>>,
}

/// The version of a destination that must be judged again.
pub(crate) const OUTDATED: u32 = 0;

impl Shard {
    /// An empty table under a policy.
    pub fn new(config: ShardConfig, policy: Arc<Policy>, data: RoutingData) -> Self {
        let mut peers = Peers::default();
        peers.grow(policy.slots());
        let segment = config.segment_destinations;
        Self {
            config,
            policy,
            data,
            version: OUTDATED + 1,
            tables: Family::ALL.map(|family| Table::new(family, segment)),
            peers,
            sets: PeerSetTable::default(),
            partitioner: Partitioner::default(),
            outbox: Outbox::default(),
            counters: ShardCounters::default(),
            touched: Vec::new(),
            markers: Vec::new(),
            events: Vec::new(),
            requests: Vec::new(),
            sweeping: SweepCursor::default(),
            rejudging: None,
            walk_at: (Family::V4, 0),
            walk_budget: 0,
            oldest: None,
            started: None,
            watcher: None,
        }
    }

    /// Takes a message. Marks what it touches; nothing is decided before the turn ends.
    pub fn handle(&mut self, input: ShardInput) {
        match input {
            ShardInput::Up { slot, generation, peer } => self.up(slot, generation, peer),
            ShardInput::Down { slot, generation, stale } => self.down(slot, generation, stale),
            ShardInput::Ingest(ingest) => self.ingest(ingest),
            ShardInput::EndOfRib { slot, generation, family } => {
                if self.is_current(slot, generation) {
                    self.see_end_of_rib(slot, generation, family);
                    self.sweep(slot, Families::only(family), StaleAction::Remove);
                }
            }
            ShardInput::MarkStale { slot, generation, family } => {
                if self.is_current(slot, generation) {
                    self.mark_stale(slot, family);
                }
            }
            ShardInput::Sweep { slot, families } => {
                self.sweep(slot, families, StaleAction::Remove);
            }
            ShardInput::LongLivedStale { slot, families } => {
                self.sweep(slot, families, StaleAction::LongLived);
            }
            ShardInput::Resync { slot, generation, scope } => {
                if self.is_current(slot, generation) {
                    self.resync(slot, generation, scope);
                }
            }
            ShardInput::Policy { policy, data } => self.set_policy(policy, data),
            ShardInput::Receivers { policy, data, sources } => {
                self.set_receivers(policy, data, sources);
            }
            ShardInput::Data { data, changed } => self.set_data(data, changed),
            ShardInput::LimitChanged { slot, recount } => {
                self.limit_changed(slot, recount.as_deref());
            }
        }
    }

    /// Counters of this shard. Sums over the shards are the route server's, but for distinct peer
    /// sets.
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    /// Counts what was exported since it was counted last, as far as that takes about `steps`
    /// additions, one for each change of a peer set and each of its members. Is it all?
    pub fn count_exported(&mut self, steps: usize) -> bool {
        self.sets.sum_exported(steps)
    }

    /// Prefixes (paths, with ADD-PATH) in each slot's Adj-RIB-Out, by [`Family::index`]: quick where
    /// [`Self::count_exported`] has left little to count. While a session's first walk is under way
    /// this runs ahead of what it was sent.
    pub fn exported(&self) -> Vec<[u64; 2]> {
        let mut exported = self.sets.exported();
        exported.resize(self.peers.len(), [0; 2]);
        for (index, counts) in exported.iter_mut().enumerate() {
            for (count, up) in counts.iter_mut().zip(&self.peers.masks.up) {
                if !mask::contains(up, Slot(index as u16)) {
                    *count = 0;
                }
            }
        }
        exported
    }

    /// The epoch of the policy in force.
    pub fn epoch(&self) -> u64 {
        self.policy.epoch()
    }

    /// How many slots the shard has room for.
    pub fn slots(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn ordering(&self) -> Ordering {
        let config = self.policy.config();
        Ordering { med: config.med, prefer_oldest: config.prefer_oldest }
    }

    /// Does this belong to the slot's established session? Else it is counted and ignored.
    pub(crate) fn is_current(&mut self, slot: Slot, generation: Generation) -> bool {
        let current = self.peers.get(slot).is_some_and(|peer| peer.is_current(generation));
        if !current {
            self.counters.outdated += 1;
        }
        current
    }

    fn up(&mut self, slot: Slot, generation: Generation, peer: PeerState) {
        self.peers.grow(slot.index() + 1);
        let Some(state) = self.peers.get(slot) else { return };
        if state.session.is_some() {
            // The owner must say Down first; a lost one must not leave the old routes behind.
            self.down(slot, state.generation, false);
        }
        self.move_limit(slot, &peer);
        self.rank_again(slot, Rank::of(&peer));
        self.peers.attach(slot, generation, peer);
        self.markers.push(ShardOutput::Up { slot, generation });
    }

    /// Routes kept from an earlier session with another BGP identifier are preferred differently
    /// from here on (RFC 4271 §9.1.2.2 f). They are decided again for everybody before any walk
    /// shows what they come to now.
    fn rank_again(&mut self, slot: Slot, rank: Rank) {
        let Some(peer) = self.peers.get(slot) else { return };
        let has_routes = Family::ALL.iter().any(|family| peer.segments(*family).next().is_some());
        if has_routes && peer.rank != rank {
            let job = self.rejudging.take().unwrap_or_default();
            self.rejudging = Some(job.extended(Changed::Members(vec![slot])));
        }
    }

    /// The routes kept from an earlier session are counted where the new one's are, and as it counts:
    /// each says itself what it counts for. Where another shard has given their places to new routes
    /// already, that is above the limit until some go. What is not kept and not yet swept stays with
    /// the old count, which nobody looks at any more.
    fn move_limit(&mut self, slot: Slot, peer: &PeerState) {
        let is_same = |state: &PeerSlot| Arc::ptr_eq(&state.limit, &peer.limit);
        if self.peers.get(slot).is_none_or(is_same) {
            return;
        }
        // One session's that is not counted, and not those of any number of them: a peer that comes
        // back faster than the table is swept has it swept at once. That is time it has paid for.
        while self.peers.get(slot).is_some_and(PeerSlot::has_uncounted) && self.sweep_next() {}
        let Some(state) = self.peers.get_mut(slot) else { return };
        let old = std::mem::replace(&mut state.limit, Arc::clone(&peer.limit));
        let accepted_only = peer.limit.counts_accepted_only();
        let mut kept = Families::NONE;
        for family in Family::ALL {
            match state.stale[family.index()] {
                true => kept.insert(family),
                false => state.count_anew(family),
            }
        }
        self.each_counted(slot, kept, |family, candidate| {
            old.give_back(family, candidate.flags.counted);
            candidate.flags.counted = candidate.judged.is_ok() || !accepted_only;
            peer.limit.keep(family, candidate.flags.counted);
        });
    }

    fn down(&mut self, slot: Slot, generation: Generation, stale: bool) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        if peer.generation != generation {
            self.counters.outdated += 1;
            return;
        }
        if peer.session.is_some() {
            Family::ALL.into_iter().for_each(|family| self.mark_stale(slot, family));
        }
        self.requests.retain(|request| request.slot != slot);
        self.end_walk(slot);
        self.peers.detach(slot);
        if stale {
            return;
        }
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.purging.push(generation);
        }
        self.sweep(slot, Families::BOTH, StaleAction::Remove);
    }

    fn limit_changed(&mut self, slot: Slot, recount: Option<&Recount>) {
        let Some(peer) = self.peers.get(slot) else { return };
        let (limit, generation) = (Arc::clone(&peer.limit), peer.generation);
        if recount.is_some_and(|recount| recount.is_of(&limit)) {
            self.count_again(slot, &limit);
        }
        self.say_room(slot, generation, limit.take_room());
    }

    /// Each route counts, or is kept beside what counts, as the limit has it now.
    fn count_again(&mut self, slot: Slot, limit: &PeerLimit) {
        let accepted_only = limit.counts_accepted_only();
        let mut room = Families::NONE;
        self.each_counted(slot, Families::BOTH, |family, candidate| {
            let counted = candidate.judged.is_ok() || !accepted_only;
            let was = std::mem::replace(&mut candidate.flags.counted, counted);
            if was != counted {
                limit.keep(family, counted);
                limit.give_back(family, was).iter().for_each(|family| room.insert(family));
            }
        });
        if let Some(generation) = self.peers.get(slot).map(|peer| peer.generation) {
            self.say_room(slot, generation, room);
        }
    }

    /// The routes of a slot that its limit counts.
    fn each_counted(
        &mut self,
        slot: Slot,
        families: Families,
        mut act: impl FnMut(Family, &mut Candidate),
    ) {
        let Some(state) = self.peers.get(slot) else { return };
        for family in families.iter() {
            let table = &mut self.tables[family.index()];
            for segment in state.segments(family) {
                for id in table.places(segment) {
                    let candidates = table.get_mut(id).into_iter().flat_map(|d| &mut d.candidates);
                    let counted =
                        |c: &&mut Candidate| c.source == slot && state.is_counted(family, c.round);
                    candidates.filter(counted).for_each(|candidate| act(family, candidate));
                }
            }
        }
    }

    /// There is room again for what a limit refused.
    pub(crate) fn say_room(&mut self, slot: Slot, generation: Generation, room: Families) {
        let say = |family| ShardOutput::LimitRoom { slot, generation, family };
        self.events.extend(room.iter().map(say));
    }

    fn set_policy(&mut self, policy: Arc<Policy>, data: RoutingData) {
        self.peers.grow(policy.slots());
        self.counters.forget_former(&self.policy, &policy);
        self.policy = policy;
        self.set_data(data, Changed::All);
        self.partitioner.end_turn();
    }

    fn set_receivers(&mut self, policy: Arc<Policy>, data: RoutingData, sources: Vec<Slot>) {
        self.peers.grow(policy.slots());
        self.policy = policy;
        // The plans of all other sources would come out as they are.
        self.set_data(data, Changed::Members(sources));
        self.partitioner.end_turn();
    }

    fn set_data(&mut self, data: RoutingData, changed: Changed) {
        self.data = data;
        if matches!(changed, Changed::All) {
            self.version = self.version.wrapping_add(1).max(OUTDATED + 1);
        }
        let job = self.rejudging.take().unwrap_or_default();
        self.rejudging = Some(job.extended(changed));
    }

    /// To be decided at the end of the turn.
    pub(crate) fn touch(&mut self, family: Family, id: DestinationId) {
        if let Some(destination) = self.tables[family.index()].get_mut(id)
            && !destination.touched
        {
            destination.touched = true;
            self.touched.push((family, id));
        }
    }

    pub(crate) fn find(&self, prefix: &Prefix) -> Option<DestinationId> {
        self.tables[prefix.family().index()].find(prefix)
    }
}

impl Shard {
    pub(crate) fn peer(&self, slot: Slot) -> Option<&PeerSlot> {
        self.peers.get(slot)
    }
}
