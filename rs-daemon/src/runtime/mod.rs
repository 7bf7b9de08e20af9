//! Threads, sockets, queues: the running route server.

pub mod handle;
mod limits;
pub mod query;
mod send_queue;
mod shape;
pub mod status;

pub use handle::{HandleError, RuntimeHandle};
