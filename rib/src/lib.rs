//! One shard of a route server's table.
//!
//! Every UPDATE's routes become candidates of their destinations. At the end of a turn each
//! touched destination is decided once: which peer gets which candidate is a partition of the
//! peers, made with bit operations over all of them together. New partition minus old is what is
//! said, packed into buckets by (peers, attributes), encoded once for each encoding profile and
//! handed out as [`Batch`]es that everybody concerned shares. There is no table for each peer: a
//! peer's Adj-RIB-Out is a view of the partitions.
//!
//! Pure: no threads, no sockets, no clock. [`Shard`] says how it is driven.
#![warn(missing_docs)]

mod attribute_set;
mod counters;
mod destination;
mod exchanged;
mod explain;
mod ingest;
mod input;
mod interner;
mod limit;
mod marks;
mod mask;
mod outbox;
mod output;
mod partition;
mod peer_sets;
mod peers;
mod resync;
mod shard;
mod table;
mod turn;
mod view;
mod watch;
mod work;

pub use attribute_set::AttributeSet;
pub use counters::{ShardCounters, SlotCounters};
pub use exchanged::{Exchanged, Flow};
pub use explain::{CandidateOutcome, ExplainedCandidate, Explanation};
pub use input::{Changed, Generation, Ingest, PeerState, Scope, ShardConfig, ShardInput, shard_of};
pub use interner::{Interned, Interner};
pub use limit::{
    LimitAction, LimitConfig, NEAR_LIMIT_PERCENT, PeerLimit, ReachedLimit, Recount, Reservation,
};
pub use marks::Mark;
pub use output::{Batch, Frame, ShardOutput};
pub use shard::Shard;
pub use view::{AnyCommunity, Cursor, Page, PrefixMatch, RouteFilter, RouteView};
pub use watch::{Change, Watch, Watched, WatchedPage, WatchedRoute};
