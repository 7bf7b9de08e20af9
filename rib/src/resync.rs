//! Resync: telling a peer (again) what it has. Pulled by the session's worker when it has room,
//! and paced by it, so that a slow peer costs nobody anything.
//!
//! A walk goes over the table a segment at a time. A segment is served in one go to all peers that
//! have credit and still need it: a thousand members that come up together are one pass.

use bgp_wire::{Families, Family, Nlri, Prefix};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use policy::Slot;

use crate::mask::{self, Mask};
use crate::partition::{Context, path_id};
use crate::peers::Walk;
use crate::{Generation, Scope, Shard, ShardOutput};

/// A request of [`Scope::Nlri`].
#[derive(Debug)]
pub(crate) struct NlriRequest {
    pub(crate) slot: Slot,
    generation: Generation,
    nlri: Vec<Nlri>,
}

/// A segment to be served at the end of the turn, and to whom.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) family: Family,
    pub(crate) segment: usize,
    pub(crate) to: Mask,
}

impl Shard {
    /// What this turn's requests are about.
    pub(crate) fn requested_prefixes(&self) -> Vec<Prefix> {
        self.requests.iter().flat_map(|r| r.nlri.iter().map(|nlri| nlri.prefix)).collect()
    }

    /// The worker of an established session asks.
    pub(crate) fn resync(&mut self, slot: Slot, generation: Generation, scope: Scope) {
        match scope {
            Scope::Table { families, refresh } => self.begin_walk(slot, families, refresh),
            Scope::Nlri(nlri) => {
                // It may be told about a segment that is still owed, so nothing more can be taken
                // back silently there.
                mask::remove(&mut self.peers.masks.initial, slot);
                self.requests.push(NlriRequest { slot, generation, nlri });
            }
            Scope::More => {
                if self.peer(slot).is_some_and(|peer| peer.walk.is_some()) {
                    mask::insert(&mut self.peers.masks.credit, slot);
                }
            }
        }
    }

    fn begin_walk(&mut self, slot: Slot, families: Families, refresh: bool) {
        let Some(peer) = self.peers.get(slot) else { return };
        let Some(session) = &peer.session else { return };
        let families = families.intersection(session.families);
        let running = peer.walk;
        let fresh: usize =
            families.iter().filter(|family| self.peers.activate(slot, *family)).count();
        // A segment owed to a session that was told nothing yet needs no withdrawals. A second
        // walk over the same family is not of that kind.
        let first = fresh == families.iter().count()
            && (running.is_none() || mask::contains(&self.peers.masks.initial, slot));
        mask::assign(&mut self.peers.masks.initial, slot, first);
        let width = self.peers.masks.width;
        let mut left = running.map_or(0, |walk| walk.left);
        for family in families.iter() {
            for segment in &mut self.tables[family.index()].segments {
                segment.owed.resize(width, 0);
                if !mask::contains(&segment.owed, slot) {
                    mask::insert(&mut segment.owed, slot);
                    left += 1;
                }
            }
        }
        if running.is_none() {
            self.peers.walkers += 1;
        }
        mask::insert(&mut self.peers.masks.credit, slot);
        let walk = Walk {
            families: running
                .map_or(families, |walk| walk.families.iter().chain(families.iter()).collect()),
            refresh: refresh || running.is_some_and(|walk| walk.refresh),
            left,
        };
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.walk = Some(walk);
        }
    }

    /// The session is over: nothing is owed to it.
    pub(crate) fn end_walk(&mut self, slot: Slot) {
        if self.peer(slot).is_none_or(|peer| peer.walk.is_none()) {
            return;
        }
        for table in &mut self.tables {
            for segment in &mut table.segments {
                mask::remove(&mut segment.owed, slot);
            }
        }
    }

    /// Can some walk go on?
    pub(crate) fn walks_pending(&self) -> bool {
        self.peers.walkers > 0 && !mask::is_empty(&self.peers.masks.credit)
    }

    /// Chooses the segments that walks are served in this turn. All peers with credit that need a
    /// segment are in one mask; each credit is for one segment. They are owed until they are
    /// served: what the turn decides there first is told to a first walk once, not twice.
    pub(crate) fn choose_servings(&mut self) -> Vec<Serving> {
        let mut servings = Vec::new();
        let mut budget = std::mem::take(&mut self.walk_budget);
        let total: usize = self.tables.iter().map(|table| table.segments.len()).sum();
        let mut looked_at = 0;
        while budget > 0 && looked_at <= total && self.walks_pending() {
            let (family, segment) = self.walk_at;
            let table = &self.tables[family.index()];
            let Some(state) = table.segments.get(segment) else {
                self.walk_at = match family {
                    Family::V4 => (Family::V6, 0),
                    Family::V6 => (Family::V4, 0),
                };
                looked_at += usize::from(total == 0);
                if total == 0 {
                    break;
                }
                continue;
            };
            self.walk_at = (family, segment + 1);
            looked_at += 1;
            let mut to = self.peers.masks.credit.clone();
            mask::and_assign(&mut to, &state.owed);
            if mask::is_empty(&to) {
                continue;
            }
            mask::and_not_assign(&mut self.peers.masks.credit, &to);
            servings.push(Serving { family, segment, to });
            budget -= 1;
        }
        servings
    }

    /// Serves a segment.
    pub(crate) fn serve(&mut self, serving: &Serving, out: &mut Vec<ShardOutput>) {
        for slot in mask::slots(&serving.to) {
            if let Some(peer) = self.peer(slot) {
                let generation = peer.generation;
                out.push(ShardOutput::ResyncBegin { slot, generation, table: true });
            }
        }
        let ordering = self.ordering();
        let Self { tables, peers, sets, outbox, partitioner, .. } = self;
        let table = &mut tables[serving.family.index()];
        mask::and_not_assign(&mut table.segments[serving.segment].owed, &serving.to);
        let mut cx = Context { ordering, peers, sets, outbox };
        for id in table.places(serving.segment) {
            if let Some(destination) = table.get_mut(id) {
                partitioner.serve(destination, &serving.to, &mut cx);
            }
        }
        self.flush(true, out);
        for slot in mask::slots(&serving.to) {
            self.segment_served(slot, out);
        }
    }

    fn segment_served(&mut self, slot: Slot, out: &mut Vec<ShardOutput>) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let generation = peer.generation;
        let Some(walk) = &mut peer.walk else { return };
        walk.left = walk.left.saturating_sub(1);
        let walk = *walk;
        if walk.left == 0 {
            self.walk_done(slot);
        }
        out.push(ShardOutput::ResyncEnd {
            slot,
            generation,
            table: true,
            more: walk.left > 0,
            families: walk.families,
            refresh: walk.refresh,
        });
    }

    fn walk_done(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.get_mut(slot)
            && peer.walk.take().is_some()
        {
            self.peers.walkers -= 1;
        }
        mask::remove(&mut self.peers.masks.initial, slot);
        mask::remove(&mut self.peers.masks.credit, slot);
    }

    /// Walks over a table without segments are answered at once.
    pub(crate) fn finish_empty_walks(&mut self, out: &mut Vec<ShardOutput>) {
        if self.peers.walkers == 0 {
            return;
        }
        let asking = self.peers.masks.credit.clone();
        for slot in mask::slots(&asking) {
            let Some(peer) = self.peer(slot) else { continue };
            let generation = peer.generation;
            if peer.walk.is_some_and(|walk| walk.left == 0) {
                out.push(ShardOutput::ResyncBegin { slot, generation, table: true });
                self.segment_served(slot, out);
            }
        }
    }

    /// Answers the requests of the turn together: an NLRI that many ask for is encoded once.
    pub(crate) fn answer_requests(&mut self, out: &mut Vec<ShardOutput>) {
        let mut requests = std::mem::take(&mut self.requests);
        requests.retain(|r| self.peer(r.slot).is_some_and(|p| p.is_current(r.generation)));
        if requests.is_empty() {
            return;
        }
        let width = self.peers.masks.width;
        let mut asked: HashMap<Nlri, Mask, RandomState> = HashMap::default();
        let mut order: Vec<Nlri> = Vec::new();
        for request in &requests {
            let (slot, generation) = (request.slot, request.generation);
            out.push(ShardOutput::ResyncBegin { slot, generation, table: false });
            for nlri in &request.nlri {
                let f = nlri.prefix.family().index();
                if !mask::contains(&self.peers.masks.up[f], slot) {
                    continue;
                }
                let add_path = mask::contains(&self.peers.masks.add_path[f], slot);
                let key = Nlri { path_id: if add_path { nlri.path_id } else { 0 }, ..*nlri };
                let to = asked.entry(key).or_insert_with(|| {
                    order.push(key);
                    vec![0; width]
                });
                mask::insert(to, slot);
            }
        }
        for nlri in order {
            if let Some(to) = asked.get(&nlri) {
                self.answer(nlri, to);
            }
        }
        self.flush(true, out);
        for request in requests {
            let (slot, generation) = (request.slot, request.generation);
            out.push(ShardOutput::ResyncEnd {
                slot,
                generation,
                table: false,
                more: false,
                families: Families::NONE,
                refresh: false,
            });
        }
    }

    /// Tells `to` what it has of one NLRI; a withdrawal where it is in no class.
    fn answer(&mut self, nlri: Nlri, to: &[u64]) {
        let ordering = self.ordering();
        let f = nlri.prefix.family().index();
        let Self { tables, peers, sets, outbox, partitioner, .. } = self;
        let mut without = to.to_vec();
        let id = tables[f].find(&nlri.prefix);
        if let Some(destination) = id.and_then(|id| tables[f].get_mut(id)) {
            if peers.walkers > 0 {
                let mut cx = Context { ordering, peers, sets, outbox };
                partitioner.refresh(destination, &mut cx);
            }
            for class in &destination.classes {
                if nlri.path_id != 0 && path_id(class.source) != nlri.path_id {
                    continue;
                }
                let mut has = to.to_vec();
                mask::and_assign(&mut has, sets.words(class.peers));
                mask::and_not_assign(&mut without, &has);
                if !mask::is_empty(&has) {
                    let set = sets.intern(&has);
                    let announced = crate::partition::announced(nlri.prefix, class, peers);
                    outbox.announce(set, &class.attributes, announced);
                }
            }
        }
        if nlri.path_id == 0 {
            // What others missed of a path without identifier names no path of an ADD-PATH peer.
            mask::and_not_assign(&mut without, &peers.masks.add_path[f]);
        }
        if !mask::is_empty(&without) {
            let set = sets.intern(&without);
            outbox.withdraw(set, nlri);
        }
    }
}
