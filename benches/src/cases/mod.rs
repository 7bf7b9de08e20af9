//! One case for each hot path.
//!
//! A case is prepared once and can then be run any number of times, each run doing the same work
//! on the same data: nothing is drawn at random.
#![expect(clippy::expect_used, reason = "a case that cannot be set up measures nothing")]

pub mod exchange;
pub mod outside;
mod policy;
mod table;
mod wire;

/// A hot path.
#[derive(Debug)]
pub struct Case {
    /// What it is called on the command line and in the baseline.
    pub name: &'static str,
    /// Units of work of one run: what a count is divided by.
    pub items: u32,
    /// What an item is.
    pub item: &'static str,
    prepare: fn() -> Run,
}

/// One run of a prepared case; returns something that depends on all of the work.
pub type Run = Box<dyn FnMut() -> usize>;

impl Case {
    /// Sets everything up that is not to be measured.
    pub fn prepare(&self) -> Run {
        (self.prepare)()
    }
}

/// All of them, in the order of an UPDATE's way through the daemon.
pub const CASES: [Case; 15] = [
    wire::DECODE,
    wire::FIRST_SIGHT,
    wire::INTERN,
    policy::ATTRIBUTE_VERDICT,
    policy::PLAN,
    policy::ROV_LOOKUP,
    policy::IRR_LOOKUP,
    policy::PREFIX_VERDICT,
    table::PARTITION_AND_DIFF,
    table::INGEST_TO_ENCODED,
    table::WALK,
    table::GONE_AND_BACK,
    table::LARGE_ATTRIBUTES,
    wire::ENCODE,
    table::FAN_OUT,
];

/// The case of this name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

/// The region that is counted: a function of its own, so that callgrind can be told its name.
#[inline(never)]
pub fn rs_lab_counted_region(run: &mut Run) -> usize {
    std::hint::black_box(run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_a_case_does_the_same_work() {
        for case in &CASES {
            let mut run = case.prepare();
            run();
            let (first, second) = (run(), run());
            assert_eq!(first, second, "{}", case.name);
            assert!(first > 0, "{}", case.name);
        }
    }

    #[test]
    fn names_are_unique() {
        for case in &CASES {
            assert_eq!(CASES.iter().filter(|c| c.name == case.name).count(), 1);
        }
    }
}
