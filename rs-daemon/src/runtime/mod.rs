//! Threads, sockets, queues: the running route server.

mod answers;
mod capability;
mod clock;
mod connection;
mod daemon;
mod diff;
mod dirty;
mod driver;
mod ends_all;
mod engine;
mod exchanged;
#[doc(hidden)]
pub mod fan_out;
mod fault_log;
pub mod handle;
mod histogram;
mod inbound;
mod inbox;
mod keys;
mod lane;
mod learned;
mod learning;
mod limit_events;
pub(crate) mod limits;
mod linger;
mod listener;
pub(crate) mod local_sockets;
pub(crate) mod log_limit;
mod monitored;
mod outbound;
mod peer_config;
mod placement;
pub mod query;
mod recovery;
mod registry;
mod reload;
mod run;
mod send_queue;
mod session_status;
mod session_task;
mod shape;
mod shard_thread;
pub(crate) mod side_thread;
mod signatures;
pub mod simulation;
mod slots;
mod stale;
mod state_file;
pub mod status;
mod stream;
mod supervisor;
mod tasks;
mod to_shards;
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use handle::Inner;
pub(crate) use lane::Doorbell;
pub(crate) use to_shards::ShardMessage;
pub(crate) use worker::Command;

pub use daemon::{Daemon, Options, StartError};
pub use exchanged::Exchanged;
pub use handle::{HandleError, RuntimeHandle};
pub use run::{run, serve};

/// Locks. A thread that panicked with the lock held has ended the process or left a value that is
/// as good as any: no lock here guards an invariant over several fields.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
