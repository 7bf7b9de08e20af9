//! The running daemon, in this process, seen from its members' sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backpressure;
mod bmp;
mod collector;
mod exchange;
mod graceful;
mod health;
mod limits;
mod mrt;
mod pages;
mod program;
mod reload;
mod secrets;
mod sessions;
mod slots;
mod support;
