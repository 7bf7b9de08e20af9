//! Single changes at a fixed rate, each timed from its sender to every receiver.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome, percentile};
use crate::generator::Probe;
use crate::universe::Control;
use crate::wire::{self, CHURN};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    bench.fill()?;
    bench.settle()?;
    let meter = Meter::start(bench);
    let mut churn = Churn::start(bench);
    churn.send(bench, bench.options.rate * bench.options.seconds)?;
    churn.receive(bench)?;
    meter.stop(bench, Instant::now(), outcome);
    churn.report(bench, outcome)
}

/// A series of changes.
pub(super) struct Churn {
    started: Instant,
    number: u32,
    expected: u64,
    late: Duration,
    interval: Duration,
}

impl Churn {
    pub(super) fn start(bench: &mut Bench) -> Self {
        bench.generator.probe = Some(Probe { sent: Vec::new(), latencies_micros: Vec::new() });
        Self {
            started: Instant::now(),
            number: 0,
            expected: 0,
            late: Duration::ZERO,
            interval: Duration::from_secs(1) / bench.options.rate.max(1),
        }
    }

    /// Sends so many more changes, each when it is due.
    pub(super) fn send(&mut self, bench: &mut Bench, changes: u32) -> Result<(), BoxError> {
        // What numbers a change is half a community.
        let to = (self.number + changes).min(u32::from(u16::MAX));
        while self.number < to {
            let due = self.started + self.interval * self.number;
            loop {
                let now = Instant::now();
                if now >= due {
                    self.late = self.late.max(now - due);
                    break;
                }
                bench.generator.turn(Some(due - now))?;
            }
            self.expected += change(bench, self.number)?;
            self.number += 1;
        }
        Ok(())
    }

    /// Waits until everybody who reads has heard of everything.
    pub(super) fn receive(&self, bench: &mut Bench) -> Result<(), BoxError> {
        let waited = Instant::now();
        while received(bench) < self.expected && waited.elapsed() < bench.limit() {
            bench.generator.turn(Some(Duration::from_millis(20)))?;
        }
        Ok(())
    }

    /// Latencies, and whether the rate was held.
    pub(super) fn report(self, bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
        let Some(mut probe) = bench.generator.probe.take() else { return Ok(()) };
        probe.latencies_micros.sort_unstable();
        for (name, fraction) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            let value = percentile(&probe.latencies_micros, fraction);
            outcome.latencies.push((name.to_owned(), value));
        }
        outcome.figure("sent behind schedule at most, ms", self.late.as_secs_f64() * 1e3);
        let sent = probe.sent.last().map_or(Duration::ZERO, |last| *last - self.started);
        // The first is due at once: one interval less than there are changes.
        let rate = f64::from(self.number.saturating_sub(1)) / sent.as_secs_f64().max(1e-9);
        outcome.figure("changes/s", rate);
        let deliveries = probe.latencies_micros.len() as u64;
        outcome.figure("deliveries", deliveries as f64);
        if deliveries < self.expected {
            return Err(format!("{deliveries} of {} deliveries", self.expected).into());
        }
        Ok(())
    }
}

fn received(bench: &Bench) -> u64 {
    bench.generator.probe.as_ref().map_or(0, |p| p.latencies_micros.len() as u64)
}

/// Announces one prefix of one member again, with a community that numbers the change; returns
/// how many members must hear of it.
fn change(bench: &mut Bench, number: u32) -> Result<u64, BoxError> {
    let u = &bench.generator.universe;
    let members = bench.options.members;
    let announcing = (0..members).map(|n| (number + n) % members);
    let mut able = announcing.filter(|m| u.prefixes_of(*m) > 0 && bench.generator.reads(*m));
    let Some(member) = able.next() else { return Err("nobody announces anything".into()) };
    let mut k = (number / members * 17 + number) % u.prefixes_of(member);
    // A set that goes to everybody: the number of deliveries is then plain.
    let mut tried = 0;
    while !goes_to_everybody(u, member, k) {
        k = (k + 1) % u.prefixes_of(member);
        tried += 1;
        if tried > u.prefixes_of(member) {
            return Err(format!("member {member} has no route that everybody gets").into());
        }
    }
    let mut octets = Vec::new();
    let index = u.prefix_index(member, k);
    wire::announce(u, u.set_of(member, k), &[index], Some((CHURN, number as u16)), &mut octets);
    let receivers = (0..members).filter(|m| *m != member && bench.generator.reads(*m)).count();
    if let Some(probe) = &mut bench.generator.probe {
        probe.sent.push(Instant::now());
    }
    bench.generator.send(member, Rc::new(octets))?;
    Ok(receivers as u64)
}

fn goes_to_everybody(u: &crate::universe::Universe, member: u32, k: u32) -> bool {
    let set = u.set_of(member, k);
    // With several who announce a prefix, it must be the best for all the others.
    let sole = u.spec.overlap == 1 && u.recording().is_none();
    let best = || {
        let index = u.prefix_index(member, k);
        (0..u.spec.members).all(|m| m == member || u.expected(m, index) / 4 == set)
    };
    u.control(set) == Control::None && (sole || best())
}
