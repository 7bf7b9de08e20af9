//! What one established member gets: its queue, how far each shard's answers have come, what it
//! missed, and when End-of-RIB and the refresh markers are due.
//!
//! Each shard believes that the member has all that it published. Where that is not so, because
//! the member does not drain its queue, the NLRI are in its dirty set for that shard. Below the
//! low-water mark the shard is asked for these NLRI's present state, which comes down the same
//! lane as everything else. As the lane keeps its order, a batch that arrives before the answer is
//! older than the answer, and may be passed on or be kept as dirty; it is passed on if the queue
//! has room and the member is not behind.

use std::rc::Rc;
use std::sync::Arc;

use bgp_session::Negotiated;
use bgp_wire::{EncodingProfile, Families, Family, Nlri, RouteRefresh, encode_end_of_rib};
use bytes::{Bytes, BytesMut};
use policy::Slot;
use rib::{Batch, Generation, Scope};

use super::connection::Connection;
use super::dirty::DirtySet;
use super::limits::Limits;

/// RFC 7313 §3.2.
const BORR: u8 = 1;
/// RFC 7313 §3.2.
const EORR: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) slot: Slot,
    pub(crate) generation: Generation,
    pub(crate) connection: Rc<Connection>,
    limits: Limits,
    profile: EncodingProfile,
    families: Families,
    enhanced_refresh: bool,
    shards: Box<[ShardView]>,
    /// Nothing is sent yet: we have restarted, and other members' routes are missing.
    held: bool,
    /// The table walk that is under way at some shard.
    walk: Option<Walk>,
    /// Families that the peer asked for while a walk was under way.
    refresh_wanted: Families,
    /// UPDATEs queued, not yet told to the session's counters.
    updates: u64,
    refreshes: u64,
}

#[derive(Debug)]
struct Walk {
    /// Families whose end is not yet told to the peer.
    families: Families,
    /// Between BoRR and EoRR, not before End-of-RIB.
    refresh: bool,
}

/// One shard, as this member sees it.
#[derive(Debug, Default)]
struct ShardView {
    /// Its `Up` marker has come: what it sends is for this session, not for the one before.
    ready: bool,
    walking: bool,
    /// It waits for credit to go on with its walk.
    owes_segment: bool,
    dirty: DirtySet,
    /// Families of the NLRI that it was asked for and has not answered.
    asked: Option<Families>,
}

impl ShardView {
    fn new(limits: &Limits) -> Self {
        Self { dirty: DirtySet::new(limits), ..Self::default() }
    }
}

/// What a shard is to be asked for.
pub(crate) type Request = (usize, Scope);

impl Outbound {
    /// The member is established; nothing is sent before [`release`](Self::release).
    pub(crate) fn new(
        slot: Slot,
        generation: Generation,
        connection: Rc<Connection>,
        negotiated: &Negotiated,
        shards: usize,
        limits: Limits,
    ) -> Self {
        Self {
            slot,
            generation,
            connection,
            limits,
            profile: negotiated.profile,
            families: negotiated.families,
            enhanced_refresh: negotiated.enhanced_route_refresh,
            held: true,
            shards: (0..shards).map(|_| ShardView::new(&limits)).collect(),
            walk: None,
            refresh_wanted: Families::NONE,
            updates: 0,
            refreshes: 0,
        }
    }

    /// Nothing is sent until [`release`](Self::release).
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// The first walk may begin. It is the answer to what the peer has asked for meanwhile, too.
    pub(crate) fn release(&mut self, requests: &mut Vec<Request>) {
        self.held = false;
        self.refresh_wanted = Families::NONE;
        self.begin_walk(self.families, false, requests);
    }

    /// A shard's marker: what follows is for the session that it names.
    pub(crate) fn on_up(&mut self, shard: usize, generation: Generation) {
        self.shards[shard].ready = generation == self.generation;
    }

    /// A batch that names this member. `true`: its queue has grown.
    pub(crate) fn on_batch(&mut self, shard: usize, batch: &Batch) -> bool {
        let view = &mut self.shards[shard];
        if !view.ready {
            return false;
        }
        let mut queue = self.connection.queue.borrow_mut();
        // A resync's answer was asked for and is bounded by the request.
        let room = batch.resync || (view.dirty.is_empty() && has_room(&queue, &self.limits));
        if !room {
            view.dirty.add(batch.family, &batch.nlri);
            return false;
        }
        let Some(frame) = batch.frame(&self.profile) else {
            debug_assert!(false, "a batch without a frame for a peer that it names");
            return false;
        };
        self.updates += u64::from(frame.messages);
        queue.push(frame.octets.clone());
        true
    }

    /// The shard could not send these and some more to this worker: some may concern this member.
    pub(crate) fn on_lagged(&mut self, shard: usize, family: Family, nlri: &Arc<[Nlri]>) {
        let view = &mut self.shards[shard];
        // A walk that has not begun has everything still to tell.
        if view.ready && !self.held && self.families.contains(family) {
            view.dirty.add(family, nlri);
        }
    }

    /// A shard's answer has ended.
    pub(crate) fn on_resync_end(
        &mut self,
        shard: usize,
        generation: Generation,
        table: bool,
        more: bool,
    ) {
        if generation != self.generation {
            return;
        }
        let view = &mut self.shards[shard];
        if !table {
            view.asked = None;
        } else if more {
            view.owes_segment = true;
        } else {
            view.walking = false;
        }
    }

    /// Whether both sides have named BoRR and EoRR (RFC 7313 §4).
    pub(crate) fn knows_enhanced_refresh(&self) -> bool {
        self.enhanced_refresh
    }

    /// The peer asked for its routes of a family (RFC 2918). While a walk is under way this means
    /// one more round.
    pub(crate) fn on_refresh_request(&mut self, family: Family) {
        if self.families.contains(family) {
            self.refresh_wanted.insert(family);
        }
    }

    /// Says what is due, now that the queue may be shorter or a shard may have answered: markers
    /// go into the queue, requests into `requests`.
    pub(crate) fn advance(&mut self, requests: &mut Vec<Request>) {
        if self.held {
            return;
        }
        self.end_families();
        if self.walk.is_none() && self.refresh_wanted != Families::NONE {
            let families = std::mem::replace(&mut self.refresh_wanted, Families::NONE);
            self.begin_walk(families, true, requests);
        }
        if self.connection.queue.borrow().octets() > self.limits.queue_low_octets {
            return;
        }
        for (shard, view) in self.shards.iter_mut().enumerate() {
            if std::mem::take(&mut view.owes_segment) {
                requests.push((shard, Scope::More));
            }
            if view.asked.is_none() && !view.dirty.is_empty() {
                view.asked = Some(dirty_families(&view.dirty));
                requests.push((shard, Scope::Nlri(view.dirty.take(self.limits.resync_nlri))));
            }
        }
    }

    fn begin_walk(&mut self, families: Families, refresh: bool, requests: &mut Vec<Request>) {
        self.walk = Some(Walk { families, refresh });
        if refresh {
            self.push_markers(families, BORR);
        }
        for (shard, view) in self.shards.iter_mut().enumerate() {
            view.walking = true;
            requests.push((shard, Scope::Table { families, refresh }));
        }
        if families == Families::NONE {
            self.walk = None;
        }
    }

    /// End-of-RIB (RFC 4724 §2) or EoRR (RFC 7313 §4.1) for each family for which every shard has
    /// answered in full and nothing is dirty. Said earlier, the peer would drop valid routes.
    fn end_families(&mut self) {
        let Some(walk) = &self.walk else { return };
        if self.shards.iter().any(|view| !view.ready || view.walking) {
            return;
        }
        let refresh = walk.refresh;
        let (mut ended, mut left) = (Families::NONE, Families::NONE);
        for family in walk.families.iter() {
            let open = self.shards.iter().any(|view| {
                view.dirty.may_hold(family)
                    || view.asked.is_some_and(|families| families.contains(family))
            });
            if open { left.insert(family) } else { ended.insert(family) }
        }
        if refresh {
            self.push_markers(ended, EORR);
        } else {
            for family in ended.iter() {
                let mut octets = BytesMut::new();
                encode_end_of_rib(family, &mut octets);
                self.updates += 1;
                self.push(octets.freeze());
            }
        }
        self.walk = (left != Families::NONE).then_some(Walk { families: left, refresh });
    }

    fn push_markers(&mut self, families: Families, subtype: u8) {
        if !self.enhanced_refresh {
            return;
        }
        for family in families.iter() {
            let mut octets = BytesMut::new();
            RouteRefresh::new(family, subtype).encode(&mut octets);
            self.refreshes += 1;
            self.push(octets.freeze());
        }
    }

    fn push(&self, octets: Bytes) {
        self.connection.queue.borrow_mut().push(octets);
    }

    /// UPDATEs and ROUTE-REFRESH markers queued since the last call.
    pub(crate) fn take_sent(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.updates), std::mem::take(&mut self.refreshes))
    }

    /// NLRI that the member missed.
    pub(crate) fn dirty_nlri(&self) -> usize {
        self.shards.iter().map(|view| view.dirty.len()).sum()
    }

    /// Whether the member is behind.
    pub(crate) fn is_lagging(&self) -> bool {
        self.shards.iter().any(|view| !view.dirty.is_empty() || view.asked.is_some())
    }

    /// Whether more is missed than we keep.
    pub(crate) fn is_beyond_recovery(&self) -> bool {
        self.shards.iter().any(|view| view.dirty.is_too_large())
    }
}

fn has_room(queue: &super::send_queue::SendQueue, limits: &Limits) -> bool {
    queue.octets() < limits.queue_high_octets && queue.entries() < limits.queue_high_entries
}

fn dirty_families(dirty: &DirtySet) -> Families {
    Family::ALL.into_iter().filter(|family| dirty.may_hold(*family)).collect()
}
