//! Threads, sockets, queues: the running route server.

pub mod handle;
pub mod query;
pub mod status;

pub use handle::{HandleError, RuntimeHandle};
