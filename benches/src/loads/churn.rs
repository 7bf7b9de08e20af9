//! Single changes at a fixed rate, each timed from its sender to every receiver.

use std::collections::HashMap;
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
    /// By prefix: the last change, and how many members must hear of it. A daemon that is behind
    /// may leave out what it has already replaced.
    last: HashMap<u32, (usize, u32)>,
    late: Duration,
    interval: Duration,
}

impl Churn {
    pub(super) fn start(bench: &mut Bench) -> Self {
        bench.generator.probe = Some(Probe::default());
        Self {
            started: Instant::now(),
            number: 0,
            expected: 0,
            last: HashMap::new(),
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
            let (index, receivers) = change(bench, self.number)?;
            self.expected += u64::from(receivers);
            self.last.insert(index, (self.number as usize, receivers));
            self.number += 1;
        }
        Ok(())
    }

    /// Waits until everybody who reads has heard of the last change of every prefix.
    pub(super) fn receive(&self, bench: &mut Bench) -> Result<(), BoxError> {
        let waited = Instant::now();
        while self.unheard(bench) > 0 && waited.elapsed() < bench.limit() {
            bench.generator.turn(Some(Duration::from_millis(20)))?;
        }
        Ok(())
    }

    /// Prefixes whose last change has not come to everybody.
    fn unheard(&self, bench: &Bench) -> usize {
        let Some(probe) = &bench.generator.probe else { return 0 };
        let missing = |(number, receivers): &&(usize, u32)| probe.heard[*number] < *receivers;
        self.last.values().filter(missing).count()
    }

    /// Latencies, and whether the rate was held.
    pub(super) fn report(self, bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
        let unheard = self.unheard(bench);
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
        let deliveries = probe.latencies_micros.len() as f64;
        outcome.figure("deliveries", deliveries);
        outcome.figure("left out as already replaced", self.expected as f64 - deliveries);
        if unheard > 0 {
            return Err(
                format!("the last change of {unheard} prefixes is missing somewhere").into()
            );
        }
        Ok(())
    }
}

/// Announces one prefix of one member again, with a community that numbers the change; returns
/// the prefix and how many members must hear of it.
fn change(bench: &mut Bench, number: u32) -> Result<(u32, u32), BoxError> {
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
        probe.heard.push(0);
    }
    bench.generator.send(member, Rc::new(octets))?;
    Ok((index, receivers as u32))
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
