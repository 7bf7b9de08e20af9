//! One more member joins a full table: how long until it has all of it, and End-of-RIB.

use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    let joiner = bench.options.members - 1;
    let limit = bench.limit();
    bench.generator.universe.up[joiner as usize] = false;
    bench.generator.establish(1..joiner, limit)?;
    bench.generator.recount();
    for member in 0..joiner {
        let table = crate::wire::table(&bench.generator.universe, member, true);
        bench.generator.send(member, std::rc::Rc::new(table))?;
    }
    bench.generator.converge(limit)?;
    bench.settle()?;
    let meter = Meter::start(bench);
    bench.generator.universe.up[joiner as usize] = true;
    // What it would announce itself never comes: it only listens.
    let started = Instant::now();
    bench.generator.establish(joiner..bench.options.members, limit)?;
    listen_until_full(bench, joiner, limit)?;
    let full = Instant::now();
    while bench.generator.end_of_rib_at(joiner).is_none() && started.elapsed() < limit {
        bench.generator.turn(Some(Duration::from_millis(1)))?;
    }
    let Some(end_of_rib) = bench.generator.end_of_rib_at(joiner) else {
        return Err("no End-of-RIB".into());
    };
    meter.stop(bench, full.max(end_of_rib), outcome);
    let established = bench.generator.established_at(joiner).unwrap_or(started);
    let since = |at: Instant| at.saturating_duration_since(established).as_secs_f64() * 1e3;
    outcome.figure("full table after Established, ms", since(full));
    outcome.figure("End-of-RIB after Established, ms", since(end_of_rib));
    Ok(())
}

/// The others do not get the joiner's routes, as it sends none: only its own table counts.
fn listen_until_full(bench: &mut Bench, joiner: u32, limit: Duration) -> Result<(), BoxError> {
    let started = Instant::now();
    while bench.generator.missing(joiner) > 0 {
        bench.generator.turn(Some(Duration::from_millis(1)))?;
        if started.elapsed() > limit {
            return Err(format!("{} routes still missing", bench.generator.missing(joiner)).into());
        }
    }
    Ok(())
}
