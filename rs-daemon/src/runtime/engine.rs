//! What all threads of a running daemon share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use policy::Policy;
use rib::Generation;

use super::histogram::Histogram;
use super::limits::Limits;
use super::placement::Placement;
use super::recovery::Recovery;
use super::shard_thread::ShardStats;
use super::tasks::Tasks;
use super::to_shards::Inboxes;
use crate::bmp::Tap;
use crate::mrt;

/// See the module. Nothing here is process-wide: several daemons run in one process, as in tests.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) inboxes: Inboxes,
    pub(crate) placement: Placement,
    /// By route server. A reload may append.
    pub(crate) route_servers: ArcSwap<Vec<Arc<RouteServerShared>>>,
    pub(crate) stats: EngineStats,
    pub(crate) limits: Limits,
    /// What BMP collectors are to be told.
    pub(crate) bmp: Arc<Tap>,
    /// What MRT files are to hold.
    pub(crate) mrt: Arc<mrt::Tap>,
}

/// What the workers need of one route server.
#[derive(Debug)]
pub(crate) struct RouteServerShared {
    pub(crate) name: Arc<str>,
    /// In force for what workers ingest; a shard may still hold an older one and plans again.
    pub(crate) policy: ArcSwap<Policy>,
    generations: AtomicU32,
    /// From our own restart.
    pub(crate) recovery: Recovery,
}

impl RouteServerShared {
    pub(crate) fn new(name: Arc<str>, policy: Arc<Policy>) -> Self {
        Self {
            name,
            policy: ArcSwap::new(policy),
            generations: AtomicU32::new(1),
            recovery: Recovery::default(),
        }
    }

    /// A generation greater than all before it, whatever slot it is for.
    pub(crate) fn next_generation(&self) -> Generation {
        Generation(self.generations.fetch_add(1, Ordering::Relaxed))
    }
}

/// Numbers of the engine.
#[derive(Debug, Default)]
pub(crate) struct EngineStats {
    pub(crate) flush: Histogram,
    pub(crate) propagation: Histogram,
    pub(crate) inbox_full: AtomicU64,
    pub(crate) shards: Arc<ShardStats>,
    /// Of the workers: sessions, attempts to connect, connections that are being closed.
    pub(crate) tasks: Tasks,
}
