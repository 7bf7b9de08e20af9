//! A day of figures, kept in memory for the looking glass's graphs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::control::Operations;

/// Between two samples.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// A day of them.
const SAMPLES: usize = 24 * 60;

/// The exchange at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sample {
    at: Timestamp,
    sessions: u64,
    received: u64,
    accepted: u64,
    filtered: u64,
    /// Since the start, as the two below.
    updates_received: u64,
    updates_sent: u64,
    flaps: u64,
}

/// The samples, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History(Arc<Mutex<VecDeque<Sample>>>);

impl History {
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Takes samples until `stop`.
    pub(super) async fn run(self, operations: Operations, stop: CancellationToken) {
        let mut clock = interval(INTERVAL);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = clock.tick() => self.push(sample(&operations).await),
            }
        }
    }
}

async fn sample(operations: &Operations) -> Sample {
    let mut sample = Sample {
        at: Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH),
        ..Sample::default()
    };
    for session in operations.runtime().sessions().await {
        sample.sessions +=
            u64::from(session.state == crate::runtime::status::SessionState::Established);
        for routes in &session.routes {
            sample.received += routes.received;
            sample.accepted += routes.accepted;
            sample.filtered += routes.filtered;
        }
        sample.updates_received += session.messages.received.update;
        sample.updates_sent += session.messages.sent.update;
        sample.flaps += session.flaps;
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_kept_and_no_more() {
        let history = History::default();
        let minute = |n: i64| Timestamp::from_second(n * 60).unwrap();
        for n in 0..24 * 60 + 5 {
            history.push(Sample { at: minute(n), ..Sample::default() });
        }
        let samples = history.samples();
        assert_eq!(samples.len(), 24 * 60);
        assert_eq!((samples[0].at, samples[24 * 60 - 1].at), (minute(5), minute(24 * 60 + 4)));
    }
}
