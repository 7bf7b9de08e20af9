//! All members return at once, each with its table and End-of-RIB as soon as it is Established.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome};
use crate::generator::Phase;

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    let tables: Vec<Rc<Vec<u8>>> = bench
        .members()
        .map(|m| Rc::new(crate::wire::table(&bench.generator.universe, m, true)))
        .collect();
    bench.generator.recount();
    let meter = Meter::start(bench);
    for member in bench.members() {
        if bench.generator.phase(member) == Phase::Down {
            bench.generator.connect(member)?;
        }
    }
    let limit = bench.limit();
    let started = Instant::now();
    let mut sent = vec![false; tables.len()];
    let mut last_established = started;
    while sent.iter().any(|s| !s) || bench.generator.wrong > 0 {
        bench.generator.turn(Some(Duration::from_millis(20)))?;
        for member in bench.members() {
            let m = member as usize;
            match bench.generator.phase(member) {
                Phase::Established if !sent[m] => {
                    sent[m] = true;
                    last_established = Instant::now();
                    bench.generator.send(member, tables[m].clone())?;
                }
                Phase::Down => bench.generator.connect(member)?,
                _ => {}
            }
        }
        if started.elapsed() > limit {
            return Err(format!("{} cells wrong after {limit:?}", bench.generator.wrong).into());
        }
    }
    let ended = Instant::now();
    meter.stop(bench, ended, outcome);
    let all = outcome.wall_secs;
    outcome.figure("from the first connection, s", all);
    outcome.wall_secs = (ended - last_established).as_secs_f64();
    Ok(())
}
