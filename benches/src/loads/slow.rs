//! Announce among members of whom one never reads: it must delay nobody, and cost little.

use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome};
use crate::universe::EMPTY;

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    let slow = bench.options.members - 1;
    bench.generator.set_deaf(slow, true)?;
    bench.generator.recount();
    // The slow member's own cells stay wrong for as long as it does not read.
    let owed = (0..bench.generator.universe.width())
        .filter(|index| bench.generator.universe.expected(slow, *index) != EMPTY)
        .count() as u64;
    let meter = Meter::start(bench);
    for member in bench.members() {
        let table = crate::wire::table(&bench.generator.universe, member, true);
        bench.generator.send(member, std::rc::Rc::new(table))?;
    }
    let started = Instant::now();
    while bench.generator.wrong > owed {
        bench.generator.turn(Some(Duration::from_millis(50)))?;
        if started.elapsed() > bench.limit() {
            return Err(format!("{} cells wrong", bench.generator.wrong - owed).into());
        }
    }
    meter.stop(bench, Instant::now(), outcome);
    // Then it reads again, and must come to the same table as everybody.
    let resumed = Instant::now();
    bench.generator.set_deaf(slow, false)?;
    let limit = bench.limit();
    bench.generator.converge(limit)?;
    outcome.figures.push(("slow reader caught up in, s".into(), resumed.elapsed().as_secs_f64()));
    Ok(())
}
