//! Documents made from the running configuration: for members, for registries, for other
//! programs. None of them holds a password; where one is set, the text says so.

mod as_set;
mod client;
mod ixf;
mod policy;

pub use as_set::as_set;
pub use client::{STYLES, client_config};
pub use ixf::ixf;
pub use policy::{describe, listing};
