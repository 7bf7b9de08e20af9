//! Where workers leave records for the writer.

use std::collections::VecDeque;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::runtime::limits::MRT_TAP_OCTETS;
use crate::runtime::{Doorbell, locked};
use crate::times::since_epoch;

/// A record of BGP4MP, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) route_server: usize,
    /// Since the Unix epoch.
    pub(crate) time: Duration,
    pub(crate) octets: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    on: AtomicBool,
    queue: Mutex<VecDeque<Record>>,
    octets: AtomicUsize,
    dropped: AtomicU64,
    pub(crate) doorbell: Doorbell,
}

impl Tap {
    /// Whether records are written at all.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// Adds a record of now, which `write` makes. When there is no room it is left out and
    /// counted.
    pub(crate) fn push(&self, route_server: usize, write: impl FnOnce(Duration) -> Bytes) {
        if self.octets.load(Ordering::Relaxed) > MRT_TAP_OCTETS {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let time = since_epoch(SystemTime::now());
        let octets = write(time);
        self.octets.fetch_add(octets.len(), Ordering::Relaxed);
        locked(&self.queue).push_back(Record { route_server, time, octets });
        self.doorbell.ring();
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> VecDeque<Record> {
        let taken = mem::take(&mut *locked(&self.queue));
        let octets = taken.iter().map(|record| record.octets.len()).sum();
        self.octets.fetch_sub(octets, Ordering::Relaxed);
        taken
    }

    /// How many records found no room since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_find_no_room_are_counted() {
        let tap = Tap::default();
        let large = Bytes::from(vec![0; MRT_TAP_OCTETS + 1]);
        tap.push(0, |_| large.clone());
        tap.push(0, |_| large.clone());
        tap.push(0, |_| large);
        assert_eq!((tap.take().len(), tap.take_dropped(), tap.take_dropped()), (1, 2, 0));
        tap.push(1, |_| Bytes::from_static(b"x"));
        assert_eq!(tap.take()[0].route_server, 1);
    }
}
