//! The session state machine from outside: by state, by timer, in collisions, two of them
//! connected in memory, and under random events.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod capabilities;
mod collisions;
mod endings;
mod pair;
mod pairs;
mod properties;
mod rig;
mod states;
mod timers;
