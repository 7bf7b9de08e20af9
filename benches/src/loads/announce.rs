//! All members, with sessions up, announce their tables at once.

use super::{Bench, BoxError, Meter, Outcome};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    let meter = Meter::start(bench);
    let ended = bench.fill()?;
    meter.stop(bench, ended, outcome);
    Ok(())
}
