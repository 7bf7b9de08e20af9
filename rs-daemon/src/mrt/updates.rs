//! The file of UPDATEs of one route server, changed at every full interval.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::files::{Kind, Part};
use super::status::Counters;
use super::tap::Record;
use crate::runtime::limits::{MRT_BUFFER_OCTETS, MRT_RETRY};

/// Whether it is too early to try again. A clock that is set back by more than the pause does not
/// make the pause longer.
pub(super) fn waits(now: Duration, retry_at: Duration) -> bool {
    now < retry_at && retry_at - now <= MRT_RETRY
}

/// See the module.
#[derive(Debug)]
pub(super) struct Updates {
    directory: PathBuf,
    interval: Duration,
    part: Option<Part>,
    /// The number of the interval that `part` is of.
    period: u64,
    buffer: Vec<u8>,
    buffered_records: usize,
    /// After a failure: nothing is tried before this time.
    retry_at: Duration,
    counters: Arc<Counters>,
}

impl Updates {
    pub(super) fn new(directory: PathBuf, interval: Duration, counters: Arc<Counters>) -> Self {
        Self {
            directory,
            interval,
            part: None,
            period: 0,
            buffer: Vec::new(),
            buffered_records: 0,
            retry_at: Duration::ZERO,
            counters,
        }
    }

    pub(super) fn is(&self, directory: &PathBuf, interval: Duration) -> bool {
        self.directory == *directory && self.interval == interval
    }

    /// Which interval a time belongs to; they begin at full hours and the like, of Unix time.
    fn period_of(&self, time: Duration) -> u64 {
        time.as_secs() / self.interval.as_secs().max(1)
    }

    /// Adds a record. `time` is its own; a record that the clock, set back, dates earlier than the
    /// file goes into it all the same.
    pub(super) fn add(&mut self, record: &Record) {
        self.rotate(record.time);
        self.buffer.extend_from_slice(&record.octets);
        self.buffered_records += 1;
        if self.buffer.len() >= MRT_BUFFER_OCTETS {
            self.flush(record.time);
        }
    }

    /// Ends the file when its interval is over. A clock that was far ahead and is set right begins
    /// a new file, too: the old one would not end before its time comes.
    pub(super) fn rotate(&mut self, now: Duration) {
        let period = self.period_of(now);
        if period > self.period || period + 1 < self.period {
            self.flush(now);
            self.finish();
            self.period = period;
        }
    }

    /// Hands what is buffered to the disk.
    pub(super) fn flush(&mut self, now: Duration) {
        if self.buffer.is_empty() {
            return;
        }
        let records = std::mem::take(&mut self.buffered_records);
        let written = if waits(now, self.retry_at) { None } else { Some(self.write()) };
        match written {
            Some(Ok(())) => {
                self.counters.succeeded();
                Counters::add(&self.counters.records, records);
                Counters::add(&self.counters.octets, self.buffer.len());
            }
            Some(Err(error)) => {
                self.failed(&error);
                self.retry_at = now + MRT_RETRY;
                Counters::add(&self.counters.dropped, records);
            }
            None => Counters::add(&self.counters.dropped, records),
        }
        self.buffer.clear();
    }

    fn write(&mut self) -> io::Result<()> {
        // The first file of a process may begin within an interval; its name says when that began.
        let begun = self.period * self.interval.as_secs().max(1);
        let part = match &mut self.part {
            Some(part) => part,
            none => {
                let time = Duration::from_secs(begun);
                none.insert(Part::create(&self.directory, Kind::Updates, time)?)
            }
        };
        part.append(&self.buffer).map(drop)
    }

    fn failed(&self, error: &io::Error) {
        Counters::add(&self.counters.errors, 1);
        self.counters.writable.store(false, Ordering::Relaxed);
        let directory = self.directory.display();
        tracing::error!(%error, %directory, "MRT: UPDATEs cannot be written and are lost");
    }

    /// Ends the file, if there is one.
    pub(super) fn finish(&mut self) {
        match self.part.take().map(Part::finish) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(path))) => {
                Counters::stamp(&self.counters.last_updates);
                tracing::debug!(path = %path.display(), "MRT: file complete");
            }
            Some(Err(error)) => self.failed(&error),
        }
    }

    /// The last words.
    pub(super) fn close(mut self, now: Duration) {
        self.flush(now);
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use bytes::Bytes;

    use super::*;

    const HOUR: u64 = 1_795_320_000;

    fn record(secs: u64, text: &'static str) -> Record {
        let octets = Bytes::from_static(text.as_bytes());
        Record { route_server: 0, time: Duration::from_secs(secs), octets }
    }

    fn files(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn file(name: &str, content: &str) -> (String, String) {
        (name.to_owned(), content.to_owned())
    }

    #[test]
    fn files_change_at_full_intervals() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let mut updates = Updates::new(path.clone(), Duration::from_secs(900), Arc::default());
        updates.add(&record(HOUR + 100, "a"));
        updates.add(&record(HOUR + 899, "b"));
        // The clock was set back: it goes into the file that there is.
        updates.add(&record(HOUR - 5, "c"));
        updates.add(&record(HOUR + 900, "d"));
        let complete = file("updates.20261122.040000.mrt", "abc");
        assert_eq!(files(&path), std::slice::from_ref(&complete));
        // An interval passes without a record: no file for it.
        updates.rotate(Duration::from_secs(HOUR + 1800));
        updates.rotate(Duration::from_secs(HOUR + 2700));
        updates.add(&record(HOUR + 2701, "e"));
        updates.close(Duration::from_secs(HOUR + 2702));
        let second = file("updates.20261122.041500.mrt", "d");
        let third = file("updates.20261122.044500.mrt", "e");
        assert_eq!(files(&path), [complete, second, third]);
    }

    #[test]
    fn a_clock_that_was_a_day_ahead_and_is_set_begins_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let mut updates = Updates::new(path.clone(), Duration::from_secs(900), Arc::default());
        updates.add(&record(HOUR + 86_400, "a"));
        updates.add(&record(HOUR, "b"));
        updates.rotate(Duration::from_secs(HOUR + 900));
        let ahead = file("updates.20261123.040000.mrt", "a");
        assert_eq!(files(&path), [file("updates.20261122.040000.mrt", "b"), ahead]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_pause_longer() {
        let at = |secs| Duration::from_secs(HOUR + secs);
        assert!(waits(at(1), at(5)));
        assert!(!waits(at(5), at(5)));
        assert!(!waits(at(0), at(86_400)));
    }

    #[test]
    fn a_directory_that_cannot_be_made_costs_records_until_it_can() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("rs1");
        fs::write(&blocked, "in the way").unwrap();
        let counters: Arc<Counters> = Arc::default();
        let interval = Duration::from_secs(900);
        let mut updates = Updates::new(blocked.clone(), interval, Arc::clone(&counters));
        let at = |secs| Duration::from_secs(HOUR + secs);
        updates.add(&record(HOUR, "a"));
        updates.flush(at(0));
        fs::remove_file(&blocked).unwrap();
        updates.add(&record(HOUR + 1, "b"));
        updates.flush(at(1));
        let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        // Not tried again at once.
        assert_eq!((counted(&counters.dropped), counted(&counters.errors)), (2, 1));
        assert!(!counters.writable.load(Ordering::Relaxed));
        let later = MRT_RETRY.as_secs();
        updates.add(&record(HOUR + later, "c"));
        updates.flush(at(later));
        updates.close(at(later));
        assert!(counters.writable.load(Ordering::Relaxed));
        assert_eq!(counted(&counters.records), 1);
        assert_eq!(files(&blocked), [file("updates.20261122.040000.mrt", "c")]);
    }
}
