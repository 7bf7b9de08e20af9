//! Threads, sockets, queues: the running route server.

pub mod handle;
pub mod query;
mod shape;
pub mod status;

pub use handle::{HandleError, RuntimeHandle};
