//! `transit_free` gains an AS that stands in a tenth of the paths, and the daemon gets SIGHUP.

use super::{Bench, BoxError, Meter, Outcome};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    bench.fill()?;
    bench.settle()?;
    bench.generator.universe.reload_as_rejected = true;
    bench.generator.recount();
    let meter = Meter::start(bench);
    bench.daemon.reload(&bench.generator.universe, bench.options.policy, &bench.dir)?;
    let limit = bench.limit();
    let ended = bench.generator.converge(limit)?;
    meter.stop(bench, ended, outcome);
    Ok(())
}
