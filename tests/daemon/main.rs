//! The daemon on loopback with raw speakers as members: no root, no namespaces, no other daemon.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy does not take a test's helpers for tests"
)]

mod add_path;
mod capabilities;
mod collision;
mod faults;
mod graceful;
mod hostile;
mod json;
mod malformed;
mod path_hiding;
mod real_tables;
mod reasons;
mod refresh;
mod refused;
mod report;
mod rpki;
mod rude;
mod sizes;
mod stuck;
mod tables;
mod transparency;
mod two_octets;
