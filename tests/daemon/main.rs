//! The daemon on loopback with raw speakers as members: no root, no namespaces, no other daemon.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy does not take a test's helpers for tests"
)]

mod add_path;
mod exchange;
mod faults;
mod hostile;
mod malformed;
mod path_hiding;
mod real_tables;
mod reasons;
mod refresh;
mod refused;
mod report;
mod rpki;
mod rude;
mod tables;
mod transparency;
