//! All members, with sessions up, announce their tables at once.

use super::{Bench, BoxError, Meter, Outcome};

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    bench.generator.watch_keepalives();
    let meter = Meter::start(bench);
    let ended = bench.fill()?;
    meter.stop(bench, ended, outcome);
    // A KEEPALIVE is due every third of the hold time (RFC 4271 §4.4), if the daemon takes ours.
    let due = f64::from(bench.options.hold_time) / 3.0;
    let silence = bench.generator.longest_silence().as_secs_f64();
    outcome.figure("longest wait for a KEEPALIVE, s", silence);
    outcome.figure("the same in keepalive times", silence / due);
    Ok(())
}
