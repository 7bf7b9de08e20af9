//! Real daemons as members of an exchange whose route server is ours, in namespaces on one bridge.
//!
//! Needs root, Debian's bird2, openbgpd, frr, gobgpd and exabgp, for the IRR postgresql, redis-server,
//! bgpq4 and IRRd of PyPI, for the API schemathesis of PyPI, for the page chromium, for monitoring
//! pmacct, tshark and bgpdump, for the clock libfaketime; fails without them. `test.sh` installs them
//! and runs this.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy does not take a test's helpers for tests"
)]

mod api;
mod attributes;
mod cable;
mod client_config;
mod clock;
mod gtsm;
mod irr;
mod link_local;
mod looking_glass;
mod md5;
mod memory;
mod metrics;
mod monitoring;
mod package;
mod path_hiding;
mod privileges;
mod restart;
