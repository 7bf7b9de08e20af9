//! An exchange in memory: the route server's sessions, queues and shards, members that speak
//! BGP over links with bounds and stalls, a virtual clock, and a scheduler that says who takes
//! the next step. At rest every member holds what a naive table kept for it alone holds; on the
//! way nobody holds what it must not.
//!
//! `RS_SEED=n` repeats one run, `RS_RUNS=n` says how many there are.

#![expect(clippy::unwrap_used, reason = "clippy does not take a test's helpers for tests")]

mod decode;
mod exchange;
mod heard;
mod kind;
mod member;
mod oracle;
mod policies;
mod random;
mod rest;
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs without `RS_RUNS`: some seconds.
const RUNS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn for_each_seed(first: u64, test: impl Fn(u64)) {
    let seeds = match number("RS_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("RS_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("failed: RS_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn every_member_holds_what_a_table_of_its_own_would_hold() {
    for_each_seed(1, |seed| {
        let one = run::run(seed, 1);
        let eight = run::run(seed, 8);
        assert_eq!(one, eight, "one shard and eight give equal views");
    });
}

#[test]
fn with_any_number_of_shards() {
    for_each_seed(1_000_001, |seed| {
        run::run(seed, 2 + (seed % 5) as usize);
    });
}
