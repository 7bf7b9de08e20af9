//! What comes out of a shard.

use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{EncodingProfile, Families, Family, Nlri};
use bytes::Bytes;
use policy::{PeerSet, Slot};
use smallvec::SmallVec;

use crate::{Generation, ReachedLimit};

/// The messages of a batch in one encoding.
#[derive(Debug, Clone)]
pub struct Frame {
    /// For sessions with this profile.
    pub profile: EncodingProfile,
    /// Whole UPDATE messages, one after the other.
    pub octets: Bytes,
    /// How many.
    pub messages: u32,
}

/// Messages that go to the same peers: encoded once for each profile among them.
#[derive(Debug)]
pub struct Batch {
    /// Who gets them.
    pub peers: PeerSet,
    /// The family of the NLRI.
    pub family: Family,
    /// One for each profile present among the peers.
    pub frames: SmallVec<[Frame; 1]>,
    /// What the messages are about: what a peer that can't take them adds to its dirty set. The
    /// path identifier is the source's slot + 1 when somebody in the shard's exchange takes
    /// ADD-PATH, and means nothing to a session without it.
    pub nlri: Arc<[Nlri]>,
    /// Part of the answer to the addressed peers' resync.
    pub resync: bool,
    /// When the octets that led to this were read, the oldest of the turn; none when it was not an
    /// UPDATE that led to it.
    pub received: Option<Instant>,
}

impl Batch {
    /// The frame for a session's profile.
    pub fn frame(&self, profile: &EncodingProfile) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.profile == *profile)
    }
}

/// A message from a shard. The order in which they come out is the order in which a worker must
/// see them.
#[derive(Debug, Clone)]
pub enum ShardOutput {
    /// From here on batches are meant for this session of the slot.
    Up {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
    },
    /// Messages for the peers in it.
    Batch(Arc<Batch>),
    /// The answer to the peer's resync begins: until the end of it, batches with
    /// [`Batch::resync`] that name the peer belong to it.
    ResyncBegin {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// It is part of a table walk, not the answer to [`crate::Scope::Nlri`].
        table: bool,
    },
    /// The answer ends.
    ResyncEnd {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// It was part of a table walk, not the answer to [`crate::Scope::Nlri`].
        table: bool,
        /// More segments are owed: they come when there is [`crate::Scope::More`].
        more: bool,
        /// The families of the walk: End-of-RIB, or EoRR with `refresh`, is due for them when
        /// every shard has said `more: false` and nothing of them is dirty.
        families: Families,
        /// As it was asked.
        refresh: bool,
    },
    /// Nothing is left of what this session and older ones of the slot sent.
    Purged {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
    },
    /// The session has reached 80 % of a prefix limit.
    LimitWarning {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// Which limit.
        reached: ReachedLimit,
    },
    /// The session went over a prefix limit: said once until there is room again.
    LimitExceeded {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// Which limit.
        reached: ReachedLimit,
        /// The session is to be closed (actions `restart` and `shutdown`).
        close: bool,
    },
    /// There is room again below a limit with action `block`: ask for the routes that were not
    /// taken.
    LimitRoom {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// The family in which a route went.
        family: Family,
    },
    /// Every destination was judged by the policy of this epoch.
    PolicyApplied {
        /// The epoch.
        epoch: u64,
    },
}
