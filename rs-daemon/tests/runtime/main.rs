//! The running daemon, in this process, seen from its members' sockets.

mod backpressure;
mod exchange;
mod reload;
mod sessions;
mod support;
