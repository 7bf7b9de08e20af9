//! What goes into a shard.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{EncodingProfile, Families, Family, Nlri, Prefix};
use policy::{Policy, RoutingData, Slot};

use crate::{AttributeSet, PeerLimit, Recount};

/// Which session of a slot: counted up with each one that is established. A shard ignores what
/// belongs to an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(pub u32);

/// What a shard must know of an established session.
#[derive(Debug, Clone)]
pub struct PeerState {
    /// Families negotiated.
    pub families: Families,
    /// How its messages are written.
    pub profile: EncodingProfile,
    /// It takes IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// It negotiated LLGR, so it may have routes marked LLGR_STALE (RFC 9494 §4.3).
    pub long_lived_graceful_restart: bool,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its address.
    pub address: IpAddr,
    /// Its prefix limit, the same for all shards, and for sessions that keep each other's routes.
    pub limit: Arc<PeerLimit>,
}

/// Routes of one UPDATE, as far as they belong to this shard. `unreach` is taken first.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// From this session
    pub slot: Slot,
    /// of the slot.
    pub generation: Generation,
    /// The epoch of the policy that the worker had; what is older than the shard's is planned
    /// again by the shard.
    pub epoch: u64,
    /// The attributes of `reach`.
    pub set: Option<Arc<AttributeSet>>,
    /// Announced.
    pub reach: Vec<Nlri>,
    /// Withdrawn.
    pub unreach: Vec<Nlri>,
    /// When its octets were read.
    pub received: Instant,
}

/// What a peer is to be told again.
#[derive(Debug, Clone)]
pub enum Scope {
    /// The table, a segment at a time. A session gets nothing of a family before its first walk of
    /// it is asked for. The request is also the credit for the first segment.
    Table {
        /// Of these families.
        families: Families,
        /// The answer goes between BoRR and EoRR (RFC 7313), not before an End-of-RIB.
        refresh: bool,
    },
    /// These, with a withdrawal for each that the peer may not have. With ADD-PATH an entry is
    /// (prefix, path identifier); identifier 0 stands for all paths of the prefix.
    Nlri(Vec<Nlri>),
    /// There is room for one more segment of the walk.
    More,
}

/// What differs between the data that a shard has and the data that it is given.
#[derive(Debug, Clone)]
pub enum Changed {
    /// Anything.
    All,
    /// What these cover.
    Prefixes(Vec<Prefix>),
    /// The IRR sets of these sources.
    Members(Vec<Slot>),
}

/// A message to a shard.
#[derive(Debug)]
pub enum ShardInput {
    /// A session is established. Answered with [`crate::ShardOutput::Up`], ahead of anything that
    /// the session may take.
    Up {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// What was negotiated.
        peer: PeerState,
    },
    /// A session is over. Answered with [`crate::ShardOutput::Purged`] once its routes are gone,
    /// unless they are kept as stale.
    Down {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// Keep its routes for its graceful restart (RFC 4724 §4.2).
        stale: bool,
    },
    /// Routes.
    Ingest(Ingest),
    /// The peer has sent all it has: what is still stale of the family goes (RFC 4724 §4.2).
    EndOfRib {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// The family.
        family: Family,
    },
    /// The peer begins to send its routes again (BoRR, RFC 7313 §4): all of the family are stale
    /// until it has sent them, or until EoRR, which is an [`ShardInput::EndOfRib`] here.
    MarkStale {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// The family.
        family: Family,
    },
    /// The time for a graceful restart is over: stale routes of these families go.
    Sweep {
        /// The slot.
        slot: Slot,
        /// The families.
        families: Families,
    },
    /// The restart has become a long one: stale routes of these families are marked LLGR_STALE and
    /// least preferred, those with NO_LLGR go (RFC 9494 §4.2).
    LongLivedStale {
        /// The slot.
        slot: Slot,
        /// The families.
        families: Families,
    },
    /// The peer is to be told (again).
    Resync {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// What.
        scope: Scope,
    },
    /// A new policy with the data that belongs to it.
    Policy {
        /// The policy.
        policy: Arc<Policy>,
        /// The data.
        data: RoutingData,
    },
    /// A policy that differs from the one in force only in whom the routes of these sources go
    /// to: nothing else is decided again.
    Receivers {
        /// The policy.
        policy: Arc<Policy>,
        /// The data.
        data: RoutingData,
        /// The sources.
        sources: Vec<Slot>,
    },
    /// New data under the same policy.
    Data {
        /// The data.
        data: RoutingData,
        /// Where it differs.
        changed: Changed,
    },
    /// The slot's prefix limit was configured anew: say so if there is room again.
    LimitChanged {
        /// The slot.
        slot: Slot,
        /// What counts has changed, too: its routes are counted as this does.
        recount: Option<Arc<Recount>>,
    },
}

/// How a shard is set up.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// A batch is published when one of its frames has this many octets: small enough that what
    /// lies in a worker's queue is fine-grained, large enough that handing it over costs nothing.
    pub batch_octets: usize,
    /// Destinations in a segment, the unit of walks and of other passes over the table: 2,048
    /// prefixes are some 40 kB on the wire, about what a socket takes at once, and well under a
    /// millisecond of work.
    pub segment_destinations: usize,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self { batch_octets: 128 * 1024, segment_destinations: 2048 }
    }
}

/// The shard, out of `shards`, that owns a prefix. The same in every run, so that a recorded run
/// can be repeated; a peer who aims all its prefixes at one shard gains nothing but its own delay.
pub fn shard_of(prefix: &Prefix, shards: usize) -> usize {
    if shards <= 1 {
        return 0;
    }
    let bits = prefix.bits();
    let mixed = ((bits >> 64) as u64 ^ (bits as u64) ^ u64::from(prefix.len()))
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(mixed ^ (mixed >> 29)).wrapping_mul(shards as u128) >> 64) as usize)
        .min(shards - 1)
}
