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
    let changes = (bench.options.rate * bench.options.seconds).min(u32::from(u16::MAX));
    let interval = Duration::from_secs(1) / bench.options.rate.max(1);
    bench.generator.probe =
        Some(Probe { sent: Vec::with_capacity(changes as usize), latencies_micros: Vec::new() });
    let meter = Meter::start(bench);
    let started = Instant::now();
    let mut late = Duration::ZERO;
    let mut expected = 0_u64;
    for number in 0..changes {
        let due = started + interval * number;
        loop {
            let now = Instant::now();
            if now >= due {
                late = late.max(now - due);
                break;
            }
            bench.generator.turn(Some(due - now))?;
        }
        expected += change(bench, number)?;
    }
    let limit = bench.limit();
    let waited = Instant::now();
    while received(bench) < expected && waited.elapsed() < limit {
        bench.generator.turn(Some(Duration::from_millis(20)))?;
    }
    let ended = Instant::now();
    meter.stop(bench, ended, outcome);
    let Some(mut probe) = bench.generator.probe.take() else { return Ok(()) };
    probe.latencies_micros.sort_unstable();
    for (name, fraction) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        outcome.latencies.push((name.to_owned(), percentile(&probe.latencies_micros, fraction)));
    }
    outcome.figures.push(("sent behind schedule at most, ms".into(), late.as_secs_f64() * 1e3));
    outcome.figures.push(("deliveries".into(), probe.latencies_micros.len() as f64));
    if (probe.latencies_micros.len() as u64) < expected {
        return Err(format!("{} of {expected} deliveries", probe.latencies_micros.len()).into());
    }
    Ok(())
}

fn received(bench: &Bench) -> u64 {
    bench.generator.probe.as_ref().map_or(0, |p| p.latencies_micros.len() as u64)
}

/// Announces one prefix of one member again, with a community that numbers the change; returns
/// how many members must hear of it.
fn change(bench: &mut Bench, number: u32) -> Result<u64, BoxError> {
    let u = &bench.generator.universe;
    let member = number % bench.options.members;
    let mut k = (number / bench.options.members * 17 + number) % u.prefixes_of(member);
    // A set that goes to everybody: the number of deliveries is then plain.
    while u.control(u.set_of(member, k)) != Control::None {
        k = (k + u.spec.per_set) % u.prefixes_of(member);
    }
    let mut octets = Vec::new();
    let index = u.prefix_index(member, k);
    wire::announce(u, u.set_of(member, k), &[index], Some((CHURN, number as u16)), &mut octets);
    let receivers = u64::from(u.spec.members) - 1;
    if let Some(probe) = &mut bench.generator.probe {
        probe.sent.push(Instant::now());
    }
    bench.generator.send(member, Rc::new(octets))?;
    Ok(receivers)
}
