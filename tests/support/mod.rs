//! The harness of the tests that run real daemons: namespaces on one bridge, processes, one
//! module for each daemon, a raw BGP speaker, and routes in one normal form.
//!
//! Nothing in here uses `bgp-wire`: what a peer sent and what came out at another is compared with
//! a second reading of the octets, so that a mistake in our codec cannot cancel itself out.

#![expect(clippy::expect_used, reason = "a step of the harness that fails is a failed test")]

pub mod bird;
pub mod book;
pub mod browser;
pub mod cache;
pub mod exabgp;
pub mod forwarding;
pub mod frr;
pub mod gobgp;
pub mod irrd;
pub mod loopback;
pub mod machine;
pub mod member;
pub mod mrt;
pub mod netns;
pub mod openbgpd;
pub mod ports;
pub mod process;
pub mod raw;
pub mod route;
pub mod rs;
pub mod wait;
pub mod wire;
