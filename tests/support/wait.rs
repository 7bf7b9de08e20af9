//! Waiting for a condition, never for luck.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(100);

/// What one look takes of the time at most: where the machine stalls, who is waited for has stood
/// still as well.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at `condition` until it answers `Ok`, or panics with its last complaint after `limit`.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> T {
    let mut left = limit;
    loop {
        let began = Instant::now();
        match condition() {
            Ok(value) => return value,
            Err(complaint) if left.is_zero() => {
                panic!("{what}: not within {limit:?}: {complaint}")
            }
            Err(_) => thread::sleep(POLL),
        }
        left = left.saturating_sub(began.elapsed().min(LOOK));
    }
}

/// Looks at `condition` for all of `period` and panics as soon as it answers `Err`.
pub fn stays(what: &str, period: Duration, mut condition: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + period;
    while Instant::now() < deadline {
        if let Err(complaint) = condition() {
            panic!("{what}: {complaint}");
        }
        thread::sleep(POLL);
    }
}

/// `Ok` when `holds`, else the complaint.
pub fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}
