//! The first member, larger than the rest, goes away.

use super::{Bench, BoxError, Meter, Outcome};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    bench.fill()?;
    bench.settle()?;
    let meter = Meter::start(bench);
    bench.generator.universe.up[0] = false;
    bench.generator.disconnect(0);
    bench.generator.recount();
    let limit = bench.limit();
    let ended = bench.generator.converge(limit)?;
    meter.stop(bench, ended, outcome);
    Ok(())
}
