//! MRT files (RFC 6396, RFC 8050): every UPDATE as it came, and the table of what members send.
//!
//! ```text
//! workers ──records──► tap ──► writer (a thread of its own) ──► RS/updates.….mrt
//! shards  ──pages────────────►                              ──► RS/rib.….mrt
//! ```
//!
//! A disk that is slow, full or gone costs records, which are counted: no member ever waits.

mod files;
mod service;
mod status;
mod table;
mod tap;
mod updates;

use bgp_session::State;
use bgp_wire::mrt;

pub(crate) use service::{Dump, Service, start};
pub(crate) use status::Counters;
pub(crate) use table::TableError;
pub(crate) use tap::Tap;

/// As MRT numbers them.
pub(crate) fn state(state: State) -> mrt::State {
    match state {
        State::Idle => mrt::State::Idle,
        State::Connect => mrt::State::Connect,
        State::Active => mrt::State::Active,
        State::OpenSent => mrt::State::OpenSent,
        State::OpenConfirm => mrt::State::OpenConfirm,
        State::Established => mrt::State::Established,
    }
}
