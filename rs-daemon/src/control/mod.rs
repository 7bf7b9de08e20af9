//! The control socket: what `rsctl` speaks to.
//!
//! One request, one answer, as JSON objects on lines of their own ([`protocol`]). The JSON API
//! answers from the same [`operations`], so that `rsctl --json` and HTTP agree.

pub mod answers;
pub mod client;
pub mod documents;
pub mod operations;
pub mod peer;
pub mod protocol;
#[cfg(test)]
pub(crate) mod sample;
pub mod server;

pub use operations::Operations;
pub use server::{ControlSettings, serve};
