//! All members return after a restart of the daemon, as fast as it takes them in.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome};
use crate::generator::Phase;

/// All sessions come up first; then each member sends its table and End-of-RIB.
pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    let limit = bench.limit();
    let members = bench.members();
    let began = Instant::now();
    bench.generator.establish(members, limit)?;
    let established = began.elapsed().as_secs_f64();
    let meter = Meter::start(bench);
    let ended = bench.fill()?;
    meter.stop(bench, ended, outcome);
    outcome.figure("sessions up after, s", established);
    Ok(())
}

/// Each member sends its table and End-of-RIB as soon as it is Established; all of it counts.
pub(crate) fn one_by_one(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    let tables: Vec<Rc<Vec<u8>>> = bench
        .members()
        .map(|m| Rc::new(crate::wire::table(&bench.generator.universe, m, true)))
        .collect();
    bench.generator.recount();
    let meter = Meter::start(bench);
    let limit = bench.limit();
    let started = Instant::now();
    let mut sent = vec![false; tables.len()];
    let mut last_established = started;
    while sent.iter().any(|s| !s) || bench.generator.wrong > 0 {
        let members = bench.members();
        bench.generator.arrive(members)?;
        bench.generator.turn(Some(Duration::from_millis(20)))?;
        for member in bench.members() {
            let m = member as usize;
            if bench.generator.phase(member) == Phase::Established && !sent[m] {
                sent[m] = true;
                last_established = Instant::now();
                bench.generator.send(member, tables[m].clone())?;
            }
        }
        if started.elapsed() > limit {
            return Err(format!("{} cells wrong after {limit:?}", bench.generator.wrong).into());
        }
    }
    let ended = Instant::now();
    meter.stop(bench, ended, outcome);
    outcome.figure("from the last Established, s", (ended - last_established).as_secs_f64());
    Ok(())
}
