//! One member never reads: it must delay nobody, cost little, and be ended by the SendHoldTimer
//! (RFC 9687).

use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::churn::Churn;
use super::{Bench, BoxError, Meter, Outcome};
use crate::daemon::{PORT, Which};
use crate::universe::EMPTY;

pub(crate) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    bench.establish_all()?;
    // The same without anybody who is slow, to compare.
    let started = Instant::now();
    let all_read = bench.fill()? - started;
    let resident = bench.daemon.usage().resident_octets;
    outcome.figure("wall when everybody reads, s", all_read.as_secs_f64());
    return_everybody(bench)?;

    let slow = bench.options.members - 1;
    // Nobody else may be closed: the count of wrong cells would say so.
    bench.generator.tolerate_close = true;
    bench.generator.stop_reading(slow)?;
    bench.generator.recount();
    // The slow member's own cells stay wrong for as long as it does not read.
    let owed = (0..bench.generator.universe.width())
        .filter(|index| bench.generator.universe.expected(slow, *index) != EMPTY)
        .count() as u64;
    let meter = Meter::start(bench);
    for member in bench.members() {
        let table = crate::wire::table(&bench.generator.universe, member, true);
        bench.generator.send(member, Rc::new(table))?;
    }
    let started = Instant::now();
    while bench.generator.wrong > owed {
        bench.generator.turn(Some(Duration::from_millis(50)))?;
        if started.elapsed() > bench.limit() {
            return Err(format!("{} cells wrong", bench.generator.wrong - owed).into());
        }
    }
    let ended = Instant::now();
    meter.stop(bench, ended, outcome);
    outcome.figure("wall to that", (ended - started).as_secs_f64() / all_read.as_secs_f64());
    wait_for_its_end(bench, slow, started, outcome)?;
    let grown = bench.daemon.usage().peak_octets.saturating_sub(resident);
    outcome.figure("memory above all reading, MB", grown as f64 / 1e6);
    Ok(())
}

/// Everybody leaves and comes back to an empty table (BIRD and OpenBGPD let nobody in for a while
/// who has sent Cease: it takes them a minute).
fn return_everybody(bench: &mut Bench) -> Result<(), BoxError> {
    for member in bench.members() {
        bench.generator.disconnect(member);
    }
    let limit = bench.limit();
    bench.generator.establish(bench.members(), limit)?;
    bench.settle()?;
    Ok(())
}

/// The others go on while the slow member's session lasts; nobody but it may notice.
fn wait_for_its_end(
    bench: &mut Bench,
    slow: u32,
    since: Instant,
    outcome: &mut Outcome,
) -> Result<(), BoxError> {
    let ours = bench.daemon.which == Which::Us;
    let patience = Duration::from_secs(u64::from(bench.options.send_hold) * 3);
    let mut churn = Churn::start(bench);
    while is_connected(bench, slow)? {
        if since.elapsed() > patience {
            if ours {
                return Err(format!("the slow reader is still up after {patience:?}").into());
            }
            outcome.figure("still up after, s", since.elapsed().as_secs_f64());
            churn.receive(bench)?;
            return churn.report(bench, outcome);
        }
        churn.send(bench, bench.options.rate)?;
    }
    outcome.figure("ended after, s", since.elapsed().as_secs_f64());
    churn.receive(bench)?;
    churn.report(bench, outcome)?;
    bench.generator.disconnect(slow);
    bench.generator.universe.up[slow as usize] = false;
    bench.generator.recount();
    let limit = bench.limit();
    bench.generator.converge(limit)?;
    Ok(())
}

/// Whether the daemon holds the member's connection. What it writes at the end never arrives, so
/// the kernel is asked.
fn is_connected(bench: &Bench, member: u32) -> Result<bool, BoxError> {
    let address = bench.generator.universe.address(member);
    let output = Command::new("ss")
        .args(["-Htn", "state", "established", "sport", "=", &format!(":{PORT}")])
        .args(["dst", &address.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(format!("ss: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(!output.stdout.is_empty())
}
