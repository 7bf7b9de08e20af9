//! The thread that writes.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::files::adopt;
use super::status::Counters;
use super::table::{Table, TableError, Written};
use super::updates::{Updates, waits};
use crate::config::{Config, Mrt};
use crate::runtime::Inner;
use crate::runtime::limits::MRT_RETRY;
use crate::runtime::side_thread::{Control, SideThread};
use crate::times::since_epoch;

/// How often it is looked at the clock, and what is buffered goes to the disk.
const TICK: Duration = Duration::from_secs(1);

/// The tables that were written, or why not.
pub(crate) type Dumped = Result<Vec<PathBuf>, TableError>;

/// Tables are to be written now: of a route server, or of all that are configured for it.
#[derive(Debug)]
pub(crate) struct Dump {
    pub(crate) route_server: Option<String>,
    pub(crate) answer: oneshot::Sender<Dumped>,
}

/// A running writer.
pub(crate) type Service = SideThread<Dump>;

/// Starts the writer. Nothing is written before it is configured; what happens until then waits, so
/// that the first sessions of a process are in its files.
pub(crate) fn start(inner: Arc<Inner>) -> io::Result<Service> {
    inner.engine.mrt.switch(true);
    SideThread::start("rs-mrt", |controls| Writer::new(inner).run(controls))
}

/// See the module.
struct Writer {
    inner: Arc<Inner>,
    counters: Arc<Counters>,
    config: Option<Arc<Config>>,
    /// By route server, where they are written.
    updates: Vec<Option<Updates>>,
    /// Tables are due at the next full interval behind this one.
    tables_period: Option<u64>,
    retry_tables_at: Duration,
    /// A table is being written.
    dumping: Arc<tokio::sync::Mutex<()>>,
    /// Directories in which no earlier process has left anything.
    cleared: HashSet<PathBuf>,
}

impl Writer {
    fn new(inner: Arc<Inner>) -> Self {
        let counters = Arc::clone(&inner.mrt);
        Self {
            inner,
            counters,
            config: None,
            updates: Vec::new(),
            tables_period: None,
            retry_tables_at: Duration::ZERO,
            dumping: Arc::default(),
            cleared: HashSet::new(),
        }
    }

    async fn run(mut self, mut controls: UnboundedReceiver<Control<Dump>>) {
        let tap = Arc::clone(&self.inner.engine.mrt);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (failures, mut failed) = mpsc::unbounded_channel();
        loop {
            tokio::select! {
                control = controls.recv() => match control {
                    Some(Control::Configure(config)) => self.configure(config),
                    Some(Control::Request(Dump { route_server, answer })) => {
                        self.dump(route_server.as_deref(), Some(answer), failures.clone());
                    }
                    Some(Control::Stop(done)) => {
                        self.take();
                        tap.switch(false);
                        let now = since_epoch(SystemTime::now());
                        self.updates.drain(..).flatten().for_each(|one| one.close(now));
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = tap.doorbell.heard() => self.take(),
                _ = ticks.tick() => self.tick(&failures),
                Some(()) = failed.recv() => {
                    let now = since_epoch(SystemTime::now());
                    self.retry_tables_at = now + MRT_RETRY;
                    self.tables_period = self.tables_period.map(|period| period.saturating_sub(1));
                }
            }
        }
    }

    fn mrt(&self) -> Option<&Mrt> {
        self.config.as_ref().and_then(|config| config.mrt.as_ref())
    }

    fn configure(&mut self, config: Arc<Config>) {
        self.take();
        let before = self.mrt().cloned();
        self.config = Some(config);
        let now = since_epoch(SystemTime::now());
        let mrt = self.mrt().cloned();
        self.counters.configured.store(mrt.is_some(), Ordering::Relaxed);
        if before != mrt {
            self.tables_period = None;
        }
        let mut old = std::mem::take(&mut self.updates);
        let names: Vec<_> = self.names();
        // Tables may be asked for of any of them.
        for directory in mrt.iter().flat_map(|mrt| names.iter().map(|n| mrt.directory.join(&**n))) {
            self.clear(directory);
        }
        for (index, name) in names.iter().enumerate() {
            let kept = old.get_mut(index).and_then(Option::take);
            let wanted = mrt.as_ref().and_then(|mrt| {
                let interval = mrt.updates.filter(|_| is_wanted(mrt, name))?;
                Some((mrt.directory.join(&**name), interval))
            });
            let next = match (kept, wanted) {
                (Some(kept), Some((directory, interval))) if kept.is(&directory, interval) => {
                    Some(kept)
                }
                (kept, wanted) => {
                    kept.into_iter().for_each(|kept| kept.close(now));
                    wanted.map(|(directory, interval)| {
                        Updates::new(directory, interval, Arc::clone(&self.counters))
                    })
                }
            };
            self.updates.push(next);
        }
        self.inner.engine.mrt.switch(self.updates.iter().any(Option::is_some));
        self.take();
    }

    fn names(&self) -> Vec<Arc<str>> {
        let config = self.config.iter().flat_map(|config| &config.route_servers);
        config.map(|server| Arc::clone(&server.name)).collect()
    }

    /// Looks once at a directory that may have files of an earlier process.
    fn clear(&mut self, directory: PathBuf) {
        if !self.cleared.insert(directory.clone()) {
            return;
        }
        match adopt(&directory) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, directory = %directory.display(),
                "MRT: files of an earlier process are complete as they are"),
            Err(error) => tracing::warn!(%error, directory = %directory.display(),
                "MRT: cannot look for files of an earlier process"),
        }
    }

    /// Takes what is in the tap.
    fn take(&mut self) {
        if self.config.is_none() {
            return;
        }
        for record in self.inner.engine.mrt.take() {
            if let Some(Some(updates)) = self.updates.get_mut(record.route_server) {
                updates.add(&record);
            }
        }
        let dropped = self.inner.engine.mrt.take_dropped();
        if dropped > 0 {
            self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
            tracing::warn!(dropped, "MRT: UPDATEs came faster than they could be written");
        }
    }

    fn tick(&mut self, failures: &UnboundedSender<()>) {
        let now = since_epoch(SystemTime::now());
        for updates in self.updates.iter_mut().flatten() {
            updates.flush(now);
            updates.rotate(now);
        }
        let Some(interval) = self.mrt().and_then(|mrt| mrt.tables) else { return };
        let period = now.as_secs() / interval.as_secs().max(1);
        let due = self.tables_period.is_some_and(|last| period > last);
        if due && waits(now, self.retry_tables_at) {
            return;
        }
        self.tables_period = Some(period);
        if due {
            self.dump(None, None, failures.clone());
        }
    }

    /// Writes tables, beside everything else; one after the other.
    fn dump(
        &self,
        only: Option<&str>,
        answer: Option<oneshot::Sender<Dumped>>,
        failures: UnboundedSender<()>,
    ) {
        let (inner, counters) = (Arc::clone(&self.inner), Arc::clone(&self.counters));
        let (Some(config), turn) = (self.config.clone(), Arc::clone(&self.dumping)) else { return };
        let only = only.map(str::to_owned);
        tokio::task::spawn_local(async move {
            let _one_at_a_time = turn.lock().await;
            let dumped = dump(&inner, &counters, &config, only.as_deref()).await;
            if dumped.is_err() && answer.is_none() {
                let _ = failures.send(());
            }
            if let Some(answer) = answer {
                // Who asked may have gone.
                let _ = answer.send(dumped);
            }
        });
    }
}

fn is_wanted(mrt: &Mrt, name: &Arc<str>) -> bool {
    mrt.route_servers.as_ref().is_none_or(|names| names.contains(name))
}

async fn dump(inner: &Inner, counters: &Counters, config: &Config, only: Option<&str>) -> Dumped {
    let Some(mrt) = &config.mrt else {
        return Err(TableError::NotConfigured);
    };
    let mut paths = Vec::new();
    let mut failure = None;
    for (index, server) in config.route_servers.iter().enumerate() {
        let wanted = match only {
            Some(only) => *server.name == *only,
            None => is_wanted(mrt, &server.name),
        };
        if !wanted {
            continue;
        }
        let directory = mrt.directory.join(&*server.name);
        let add_path = mrt.path_identifiers;
        let table = Table { inner, index, server, directory: &directory, add_path };
        match table.write().await {
            Ok(Written { path, prefixes, routes, octets }) => {
                Counters::stamp(&counters.last_table);
                Counters::add(&counters.records, prefixes as usize + 1);
                counters.octets.fetch_add(octets, Ordering::Relaxed);
                counters.succeeded();
                tracing::info!(path = %path.display(), prefixes, routes, "MRT: table written");
                paths.push(path);
            }
            Err(TableError::Stopping) => return Err(TableError::Stopping),
            Err(error) => {
                Counters::add(&counters.errors, 1);
                counters.writable.store(false, Ordering::Relaxed);
                tracing::error!(%error, "MRT: a table cannot be written");
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(paths),
    }
}
