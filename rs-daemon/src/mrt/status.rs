//! What operators see of MRT files.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::runtime::status::MrtStatus;
use crate::times::since_epoch;

/// Numbers since the start of the process.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) configured: AtomicBool,
    /// What was tried last with a file succeeded.
    pub(crate) writable: AtomicBool,
    pub(crate) records: AtomicU64,
    pub(crate) octets: AtomicU64,
    /// Records lost: the disk did not take them, or not in time.
    pub(crate) dropped: AtomicU64,
    /// Failures to make, write or rename a file.
    pub(crate) errors: AtomicU64,
    /// When a table, and a file of UPDATEs, was completed last, in seconds of Unix time.
    pub(crate) last_table: AtomicU64,
    pub(crate) last_updates: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            configured: AtomicBool::new(false),
            writable: AtomicBool::new(true),
            records: AtomicU64::new(0),
            octets: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_table: AtomicU64::new(0),
            last_updates: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// None: nothing is configured.
    pub(crate) fn status(&self) -> Option<MrtStatus> {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let time = |counter: &AtomicU64| {
            Some(number(counter))
                .filter(|secs| *secs > 0)
                .map(|s| UNIX_EPOCH + Duration::from_secs(s))
        };
        self.configured.load(Ordering::Relaxed).then(|| MrtStatus {
            writable: self.writable.load(Ordering::Relaxed),
            records: number(&self.records),
            octets: number(&self.octets),
            dropped: number(&self.dropped),
            errors: number(&self.errors),
            last_table: time(&self.last_table),
            last_updates: time(&self.last_updates),
        })
    }

    /// A file was written. After a failure this is news.
    pub(super) fn succeeded(&self) {
        if !self.writable.swap(true, Ordering::Relaxed) {
            tracing::info!("MRT: files can be written again");
        }
    }

    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn stamp(counter: &AtomicU64) {
        counter.store(since_epoch(SystemTime::now()).as_secs(), Ordering::Relaxed);
    }
}
