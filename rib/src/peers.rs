//! The sessions that a shard knows, and the masks that decisions are made with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp_wire::{EncodingProfile, Families, Family, Nlri};
use policy::Slot;
use smallvec::SmallVec;

use crate::mask::{self, Mask};
use crate::{Generation, PeerLimit, PeerState};

/// What becomes of a slot's stale routes when they are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StaleAction {
    /// They go.
    #[default]
    Remove,
    /// They are marked LLGR_STALE.
    LongLived,
}

/// A walk over the table for one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) families: Families,
    pub(crate) refresh: bool,
    /// Segments still owed.
    pub(crate) left: u32,
}

/// A slot, over all its sessions.
#[derive(Debug, Default)]
pub(crate) struct PeerSlot {
    pub(crate) generation: Generation,
    /// What the established session negotiated.
    pub(crate) session: Option<PeerState>,
    /// The tie-break between equally preferred candidates (RFC 4271 §9.1.2.2 f and g); kept over
    /// a restart, as its routes are.
    pub(crate) rank: Rank,
    pub(crate) limit: Arc<PeerLimit>,
    /// The round of routes in each family. Those of an older one are stale.
    pub(crate) round: [u16; 2],
    /// Something was announced in this round: without that, what is stale is so already.
    announced: [bool; 2],
    /// There are no routes of rounds before this, not even such that wait to be swept. Rounds are
    /// told apart by their distance to the current one, so this is never far away.
    oldest: [u16; 2],
    /// There may be stale routes.
    pub(crate) stale: [bool; 2],
    /// Segments in which it may have candidates, one bit each.
    pub(crate) occupied: [Vec<u64>; 2],
    /// Segments that a sweep has yet to visit.
    pub(crate) sweep_left: u32,
    /// Routes of rounds before this are to go.
    pub(crate) remove_before: [u16; 2],
    /// Routes of rounds before this are of sessions that counted elsewhere, and wait to be swept:
    /// `limit` does not count them.
    uncounted_before: [u16; 2],
    /// Routes of rounds before this are to be long-lived stale.
    pub(crate) long_lived_before: [u16; 2],
    /// Sessions whose purge is to be confirmed when the sweep is through.
    pub(crate) purging: SmallVec<[Generation; 1]>,
    pub(crate) walk: Option<Walk>,
}

/// BGP identifier and address: lower is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u32, IpAddr);

impl Default for Rank {
    fn default() -> Self {
        Self(0, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Rank {
    pub(crate) fn of(peer: &PeerState) -> Self {
        Self(peer.router_id.to_bits(), peer.address)
    }

    pub(crate) fn same_router_id(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Rounds that may have routes at a time: far less than can be told apart.
const MAX_ROUNDS: u16 = 16_384;

impl PeerSlot {
    /// Is this its established session?
    pub(crate) fn is_current(&self, generation: Generation) -> bool {
        self.session.is_some() && self.generation == generation
    }

    /// What is to become of a route of this round, if it may not stay as it is. Whatever is not of
    /// the few rounds that may stay goes.
    pub(crate) fn fate(&self, family: Family, round: u16) -> Option<StaleAction> {
        let f = family.index();
        if self.is_before(family, round, self.remove_before[f]) {
            Some(StaleAction::Remove)
        } else if self.is_before(family, round, self.long_lived_before[f]) {
            Some(StaleAction::LongLived)
        } else {
            None
        }
    }

    /// Does `limit` count a route of this round?
    pub(crate) fn is_counted(&self, family: Family, round: u16) -> bool {
        !self.is_before(family, round, self.uncounted_before[family.index()])
    }

    /// May there be routes that wait to be swept and that `limit` does not count?
    pub(crate) fn has_uncounted(&self) -> bool {
        self.sweep_left > 0 && self.uncounted_before != self.oldest
    }

    /// From here on `limit` counts what comes, and nothing of what is there.
    pub(crate) fn count_anew(&mut self, family: Family) {
        self.uncounted_before[family.index()] = self.round[family.index()];
    }

    fn is_before(&self, family: Family, round: u16, other: u16) -> bool {
        self.age(family, round) > self.age(family, other)
    }

    /// How many rounds ago this one was.
    fn age(&self, family: Family, round: u16) -> u16 {
        self.round[family.index()].wrapping_sub(round)
    }

    /// Routes are announced.
    pub(crate) fn note_announced(&mut self, reach: &[Nlri]) {
        for nlri in reach {
            self.announced[nlri.prefix.family().index()] = true;
        }
    }

    /// The routes of the family so far are stale from here on.
    pub(crate) fn next_round(&mut self, family: Family) {
        let f = family.index();
        if std::mem::take(&mut self.announced[f]) {
            self.round[f] = self.round[f].wrapping_add(1);
            self.stale[f] = true;
            let kept = self.age(family, self.oldest[f]);
            debug_assert!(kept <= MAX_ROUNDS, "{kept} rounds cannot be told apart for long");
        }
    }

    /// Whether there may be routes of so many rounds that the oldest have to go.
    pub(crate) fn has_too_many_rounds(&self, family: Family) -> bool {
        self.age(family, self.oldest[family.index()]) >= MAX_ROUNDS
    }

    /// Routes that were stale before this round began are to go.
    pub(crate) fn retire_older_rounds(&mut self, family: Family) {
        let f = family.index();
        let last = self.round[f].wrapping_sub(1);
        if self.age(family, self.remove_before[f]) > 1 {
            self.remove_before[f] = last;
        }
        if self.age(family, self.long_lived_before[f]) > 1 {
            self.long_lived_before[f] = last;
        }
    }

    /// Routes that are stale now are to go, or to be long-lived stale. Are there any?
    pub(crate) fn retire_stale(&mut self, family: Family, action: StaleAction) -> bool {
        let f = family.index();
        if !self.stale[f] {
            return false;
        }
        self.long_lived_before[f] = self.round[f];
        if action == StaleAction::Remove {
            self.stale[f] = false;
            self.remove_before[f] = self.round[f];
        }
        true
    }

    /// No segment is left to be swept: what was to go is gone.
    pub(crate) fn note_swept(&mut self) {
        self.oldest = self.remove_before;
        // There is none before that; rounds go round, and this must not fall behind them.
        self.uncounted_before = self.remove_before;
    }

    /// Notes that it has a candidate in a segment.
    pub(crate) fn occupy(&mut self, family: Family, segment: usize) {
        let bits = &mut self.occupied[family.index()];
        let word = segment >> 6;
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        bits[word] |= 1 << (segment & 63);
    }

    /// Notes that it has no candidate in a segment.
    pub(crate) fn vacate(&mut self, family: Family, segment: usize) {
        if let Some(word) = self.occupied[family.index()].get_mut(segment >> 6) {
            *word &= !(1 << (segment & 63));
        }
    }

    /// Segments in which it may have candidates.
    pub(crate) fn segments(&self, family: Family) -> impl Iterator<Item = usize> + '_ {
        let bits = &self.occupied[family.index()];
        (0..bits.len() * 64).filter(|s| bits[s >> 6] & (1 << (s & 63)) != 0)
    }
}

/// Masks over the slots: what was negotiated, as far as a decision asks.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// Words in a mask.
    pub(crate) width: usize,
    /// Sessions that take routes of the family: established, family negotiated, table asked for.
    pub(crate) up: [Mask; 2],
    /// Sessions whose first walk is under way: a segment still owed to them has told them nothing.
    pub(crate) initial: Mask,
    /// Sessions that may be sent a segment now.
    pub(crate) credit: Mask,
    pub(crate) add_path: [Mask; 2],
    add_path_up: [bool; 2],
    pub(crate) extended_next_hop: Mask,
    pub(crate) extended_message: Mask,
    pub(crate) long_lived: Mask,
    /// Counted up when `up` or anything negotiated changes.
    pub(crate) version: u64,
}

impl Masks {
    fn each(&mut self) -> [&mut Mask; 9] {
        let [up4, up6] = &mut self.up;
        let [add4, add6] = &mut self.add_path;
        [
            up4,
            up6,
            add4,
            add6,
            &mut self.initial,
            &mut self.credit,
            &mut self.extended_next_hop,
            &mut self.extended_message,
            &mut self.long_lived,
        ]
    }

    /// Does some peer take several paths of a prefix?
    pub(crate) fn any_add_path(&self, family: usize) -> bool {
        self.add_path_up[family]
    }

    /// To be called when `up` or `add_path` changed.
    fn changed(&mut self) {
        self.version += 1;
        for f in 0..2 {
            self.add_path_up[f] = !mask::disjoint(&self.up[f], &self.add_path[f]);
        }
    }

    fn resize(&mut self, width: usize) {
        self.width = width;
        self.each().into_iter().for_each(|mask| mask.resize(width, 0));
        self.version += 1;
    }
}

/// The sessions with one encoding.
#[derive(Debug)]
pub(crate) struct ProfilePeers {
    pub(crate) profile: EncodingProfile,
    pub(crate) peers: Mask,
}

/// All slots of a shard.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Vec<PeerSlot>,
    pub(crate) masks: Masks,
    /// The encodings in use: a handful at one exchange.
    pub(crate) profiles: Vec<ProfilePeers>,
    /// Peers with a walk under way.
    pub(crate) walkers: usize,
}

impl Peers {
    /// Makes room for this many slots.
    pub(crate) fn grow(&mut self, slots: usize) {
        if slots > self.slots.len() {
            self.slots.resize_with(slots, PeerSlot::default);
        }
        let width = self.slots.len().div_ceil(64);
        if width > self.masks.width {
            self.masks.resize(width);
            self.profiles.iter_mut().for_each(|p| p.peers.resize(width, 0));
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&PeerSlot> {
        self.slots.get(slot.index())
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut PeerSlot> {
        self.slots.get_mut(slot.index())
    }

    /// The slot's tie-break.
    pub(crate) fn rank(&self, slot: Slot) -> Rank {
        self.get(slot).map_or_else(Rank::default, |peer| peer.rank)
    }

    /// Does the slot's limit count a route of this round?
    pub(crate) fn is_counted(&self, slot: Slot, family: Family, round: u16) -> bool {
        self.get(slot).is_some_and(|peer| peer.is_counted(family, round))
    }

    /// The round of a slot's routes.
    pub(crate) fn round(&self, slot: Slot, family: Family) -> u16 {
        self.get(slot).map_or(0, |peer| peer.round[family.index()])
    }

    /// A session is established: its properties enter the masks, but it takes nothing yet.
    pub(crate) fn attach(&mut self, slot: Slot, generation: Generation, peer: PeerState) {
        self.grow(slot.index() + 1);
        let masks = &mut self.masks;
        for family in Family::ALL {
            let f = family.index();
            mask::assign(&mut masks.add_path[f], slot, peer.profile.add_path[f]);
        }
        mask::assign(&mut masks.extended_next_hop, slot, peer.extended_next_hop);
        mask::assign(&mut masks.extended_message, slot, peer.profile.extended_message);
        mask::assign(&mut masks.long_lived, slot, peer.long_lived_graceful_restart);
        masks.changed();
        let width = masks.width;
        let known = self.profiles.iter().position(|p| p.profile == peer.profile);
        let at = known.unwrap_or_else(|| {
            self.profiles.push(ProfilePeers { profile: peer.profile, peers: vec![0; width] });
            self.profiles.len() - 1
        });
        mask::insert(&mut self.profiles[at].peers, slot);
        let state = &mut self.slots[slot.index()];
        state.generation = generation;
        state.rank = Rank::of(&peer);
        state.session = Some(peer);
    }

    /// The session is over: it is taken out of every mask.
    pub(crate) fn detach(&mut self, slot: Slot) {
        for mask in self.masks.each() {
            mask::remove(mask, slot);
        }
        self.masks.changed();
        self.profiles.iter_mut().for_each(|p| {
            mask::remove(&mut p.peers, slot);
        });
        self.profiles.retain(|p| !mask::is_empty(&p.peers));
        if let Some(peer) = self.slots.get_mut(slot.index()) {
            peer.session = None;
            if peer.walk.take().is_some() {
                self.walkers -= 1;
            }
        }
    }

    /// From here on the session takes routes of the family. Did it not before?
    pub(crate) fn activate(&mut self, slot: Slot, family: Family) -> bool {
        let up = &mut self.masks.up[family.index()];
        if mask::contains(up, slot) {
            return false;
        }
        mask::insert(up, slot);
        self.masks.changed();
        true
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}
