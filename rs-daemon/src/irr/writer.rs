//! Writes the last good answers to the disk, beside everything else.
//!
//! A disk that hangs, or takes its time for each of a thousand files, must hold up nothing: the
//! service shares its thread with what accepts members' connections. So files are written by a
//! blocking thread, one round at a time; what is fetched during a round waits for the next, a
//! later answer for a set in the place of an earlier one, so that no more waits than there are
//! sets.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::name::SetName;
use super::policies::StoredPolicies;
use super::{Expanded, IrrState, disk};

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) directory: PathBuf,
    pub(super) sets: BTreeMap<SetName, Arc<Expanded>>,
    pub(super) policies: Option<StoredPolicies>,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.policies.is_none()
    }

    /// What came later counts, and goes where that goes.
    fn join(&mut self, later: Self) {
        self.directory = later.directory;
        self.sets.extend(later.sets);
        self.policies = later.policies.or_else(|| self.policies.take());
    }

    /// Every file is tried; gives the first error.
    fn write(&self) -> io::Result<()> {
        let directory = &self.directory;
        let sets = self.sets.iter().map(|(name, set)| disk::store(directory, name, set));
        let policies = self.policies.iter().map(|all| disk::store_policies(directory, all));
        sets.chain(policies).fold(Ok(()), io::Result::and)
    }
}

/// Takes what is to be written; the other half is [`Self::run`].
#[derive(Debug)]
pub(super) struct Writer {
    waiting: Mutex<Round>,
    news: Notify,
    written: AtomicBool,
    ended: AtomicBool,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            news: Notify::new(),
            written: AtomicBool::new(true),
            ended: AtomicBool::new(false),
        }
    }
}

impl Writer {
    /// Has it written as soon as the round before is done.
    pub(super) fn add(&self, round: Round) {
        if !round.is_empty() {
            self.waiting().join(round);
            self.news.notify_one();
        }
    }

    /// Whether it went well the last time.
    pub(super) fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// What waits is the last that is written.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// Writes what is added, until it is told to end.
    pub(super) async fn run(self: Arc<Self>, publish: watch::Sender<Arc<IrrState>>) {
        loop {
            self.news.notified().await;
            let round = std::mem::take(&mut *self.waiting());
            if round.is_empty() {
                if self.ended.load(Ordering::Acquire) {
                    return;
                }
                continue;
            }
            let writing = tokio::task::spawn_blocking(move || {
                let written = round.write();
                (round.directory, written)
            });
            // It does not panic; if it does, that is in the log.
            let Ok((directory, written)) = writing.await else { continue };
            self.note(&directory, written);
            publish.send_if_modified(|state| {
                let changed = state.cache_written != self.is_written();
                if changed {
                    Arc::make_mut(state).cache_written = self.is_written();
                }
                changed
            });
            if self.ended.load(Ordering::Acquire) {
                self.news.notify_one();
            }
        }
    }

    /// Says once that the disk does not take the answers, and once that it does again.
    fn note(&self, directory: &std::path::Path, written: io::Result<()>) {
        let before = self.written.swap(written.is_ok(), Ordering::AcqRel);
        let dir = directory.display();
        match written {
            Err(error) if before => tracing::warn!(%dir, %error, "IRR cache cannot be written"),
            Ok(()) if !before => tracing::info!(%dir, "IRR cache can be written"),
            _ => {}
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Round> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn round(directory: &std::path::Path, name: &str, fetched: u64) -> Round {
        // More than a FIFO takes before somebody reads.
        let set = Arc::new(Expanded::new(true, 100_000..120_000, [], fetched));
        Round {
            directory: directory.to_owned(),
            sets: [(name.parse().unwrap(), set)].into(),
            policies: None,
        }
    }

    fn fetched(directory: &std::path::Path) -> BTreeMap<String, u64> {
        let sets = disk::load(directory).into_iter();
        sets.map(|(name, set)| (name.to_string(), set.fetched_unix_secs)).collect()
    }

    /// Waits until the directory holds these sets, with these times.
    async fn holds(directory: &std::path::Path, expected: &[(&str, u64)]) {
        let expected = expected.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        let all = async {
            while fetched(directory) != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = tokio::time::timeout(Duration::from_secs(20), all);
        limit.await.unwrap_or_else(|_| panic!("{:?}", fetched(directory)));
    }

    /// A file that is a FIFO is opened when its other end is: a disk that hangs.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody_and_then_gets_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let fifo = directory.join("AS-ONE.tmp");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let (publish, mut state) =
            watch::channel(Arc::new(IrrState { cache_written: true, ..IrrState::default() }));
        let writer = Arc::new(Writer::default());
        let running = tokio::spawn(Arc::clone(&writer).run(publish));
        writer.add(round(directory, "AS-ONE", 1));
        // The round is under way when nothing waits any more.
        while !writer.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
        for at in 2..=3 {
            writer.add(round(directory, "AS-ONE", at));
            writer.add(round(directory, "AS-TWO", at));
        }
        assert_eq!(writer.waiting().sets.len(), 2, "each set once");
        // The disk comes back, with an error: a FIFO cannot be synced. When it is open at both ends
        // it is removed, and only then read.
        let reading = std::thread::spawn(move || {
            let file = std::fs::File::open(&fifo)?;
            std::fs::remove_file(&fifo)?;
            io::read_to_string(file)
        });
        let patience = Duration::from_secs(20);
        timeout(patience, state.wait_for(|state| !state.cache_written)).await.unwrap().unwrap();
        assert!(reading.join().unwrap().unwrap().contains("AS-ONE"));
        timeout(patience, state.wait_for(|state| state.cache_written)).await.unwrap().unwrap();
        holds(directory, &[("AS-ONE", 3), ("AS-TWO", 3)]).await;
        writer.add(round(directory, "AS-ONE", 4));
        writer.end();
        running.await.unwrap();
        assert_eq!(fetched(directory).get("AS-ONE"), Some(&4), "what waited is written at the end");
    }
}
