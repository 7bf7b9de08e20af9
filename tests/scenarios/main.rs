//! Exchanges as they are run, from end to end: what each member must see stands in tables.
//!
//! These need root (namespaces), BIRD and StayRTR, as `tests/interop` does.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy does not take a test's helpers for tests"
)]

mod differential;
mod irix;
mod live;
mod poema;
mod scene;
