//! Sessions up, tables full, nothing happens: what does the daemon burn?

use std::time::{Duration, Instant};

use super::{Bench, BoxError, Meter, Outcome};

/// Said once every member has all that it is to have.
const FULL: &str = "idle: all tables are full";

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    bench.fill()?;
    bench.settle()?;
    // For who looks at the daemon meanwhile.
    eprintln!("{FULL}");
    let meter = Meter::start(bench);
    let until = Instant::now() + Duration::from_secs(u64::from(bench.options.seconds));
    while Instant::now() < until {
        bench.generator.turn(Some(Duration::from_millis(100)))?;
    }
    meter.stop(bench, Instant::now(), outcome);
    let percent = outcome.cpu_secs / outcome.wall_secs * 100.0;
    outcome.figure("percent of a core", percent);
    Ok(())
}
