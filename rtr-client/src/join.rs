//! Joins what caches and files have into one state, and publishes it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bgp_wire::Asn;
use policy::{AspaTable, Vrp, VrpTable};
use rpki::rtr::payload::Timing;
use rpki::rtr::state::State;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::target::CacheData;
use crate::{CacheConfig, CacheStatus, FileStatus, RpkiState};

/// The longest Expire Interval that there is (RFC 8210 §6), for a cache that says more: its data
/// would be in force for years after it is gone.
const LONGEST_LIFE: Duration = Duration::from_secs(172_800);

/// Updates under way from the tasks; when full, a cache's task waits with its next query.
pub(crate) const UPDATES: usize = 16;

/// What a task has to tell.
#[derive(Debug)]
pub(crate) enum Update {
    /// A cache's End of Data.
    Synced { index: usize, data: CacheData, timing: Timing, state: Option<State>, version: u8 },
    /// A cache's session has ended, or could not be had.
    Lost { index: usize, error: String, version: u8 },
    /// A file's payloads that have not expired; `read`: its content is new.
    File {
        index: usize,
        vrps: Vec<Vrp>,
        aspas: Vec<(Asn, Vec<Asn>)>,
        read: bool,
        error: Option<String>,
    },
}

#[derive(Debug)]
struct Cache {
    status: CacheStatus,
    data: CacheData,
    expires: Option<Instant>,
    /// Attempts to connect again that have failed: the first loss costs no rank, so that a
    /// cache's restart does not move everybody to another cache and back.
    failures: u32,
}

#[derive(Debug)]
struct File {
    status: FileStatus,
    vrps: Vec<Vrp>,
    aspas: Vec<(Asn, Vec<Asn>)>,
    looked_at: bool,
}

#[derive(Debug)]
pub(crate) struct Joiner {
    caches: Vec<Cache>,
    files: Vec<File>,
    vrps: Arc<VrpTable>,
    aspas: Arc<AspaTable>,
}

impl Joiner {
    /// `caches` in order of preference.
    pub(crate) fn new(caches: &[CacheConfig], files: &[PathBuf]) -> Self {
        let cache = |config: &CacheConfig| Cache {
            status: CacheStatus {
                address: config.address.clone(),
                preference: config.preference,
                connected: false,
                active: false,
                version: 2,
                serial: None,
                session: None,
                vrps: 0,
                aspas: 0,
                last_sync: None,
                expires: None,
                last_error: None,
                failures: 0,
            },
            data: CacheData::default(),
            expires: None,
            failures: 0,
        };
        let file = |path: &PathBuf| File {
            status: FileStatus {
                path: path.clone(),
                vrps: 0,
                aspas: 0,
                last_read: None,
                last_error: None,
            },
            vrps: Vec::new(),
            aspas: Vec::new(),
            looked_at: false,
        };
        Self {
            caches: caches.iter().map(cache).collect(),
            files: files.iter().map(file).collect(),
            vrps: Arc::default(),
            aspas: Arc::default(),
        }
    }

    pub(crate) fn state(&self) -> RpkiState {
        let any_cache = self.caches.is_empty() || self.caches.iter().any(|c| c.status.active);
        let files_synced = self.files.iter().all(|f| f.looked_at);
        RpkiState {
            vrps: self.vrps.clone(),
            aspas: self.aspas.clone(),
            caches: self.caches.iter().map(|c| c.status.clone()).collect(),
            files: self.files.iter().map(|f| f.status.clone()).collect(),
            synced: any_cache && files_synced,
            files_synced,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Update>,
        publish: watch::Sender<Arc<RpkiState>>,
    ) {
        loop {
            let expiry = self.caches.iter().filter_map(|c| c.expires).min();
            let sleep = tokio::time::sleep_until(
                expiry.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600)),
            );
            tokio::pin!(sleep);
            tokio::select! {
                update = inbox.recv() => match update {
                    Some(update) => self.take(update),
                    // Every task has ended: nothing can change any more but expiry.
                    None if expiry.is_none() => return,
                    None => sleep.as_mut().await,
                },
                () = &mut sleep => {}
            }
            self.expire();
            self.join();
            if publish.send(Arc::new(self.state())).is_err() {
                return;
            }
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Synced { index, data, timing, state, version } => {
                let Some(cache) = self.caches.get_mut(index) else { return };
                let life = Duration::from_secs(u64::from(timing.expire)).min(LONGEST_LIFE);
                cache.expires = Some(Instant::now() + life);
                cache.failures = 0;
                if !cache.status.connected {
                    tracing::info!(cache = %cache.status.address, vrps = data.vrps.len(), "RTR cache connected");
                }
                cache.status.connected = true;
                cache.status.version = version;
                cache.status.serial = state.map(|s| s.serial().into());
                cache.status.session = state.map(State::session);
                cache.status.vrps = data.vrps.len();
                cache.status.aspas = data.aspas.len();
                cache.status.last_sync = Some(SystemTime::now());
                cache.status.expires = Some(SystemTime::now() + life);
                cache.data = data;
            }
            Update::Lost { index, error, version } => {
                let Some(cache) = self.caches.get_mut(index) else { return };
                if cache.status.last_error.as_ref() != Some(&error) || cache.status.connected {
                    tracing::warn!(cache = %cache.status.address, %error, "RTR cache not connected");
                }
                if !cache.status.connected {
                    cache.failures += 1;
                }
                cache.status.connected = false;
                cache.status.failures += 1;
                cache.status.version = version;
                cache.status.last_error = Some(error);
            }
            Update::File { index, vrps, aspas, read, error } => {
                let Some(file) = self.files.get_mut(index) else { return };
                file.looked_at = true;
                file.status.vrps = vrps.len();
                file.status.aspas = aspas.len();
                if read {
                    file.status.last_read = Some(SystemTime::now());
                    file.status.last_error = None;
                }
                if error.is_some() {
                    file.status.last_error = error;
                }
                (file.vrps, file.aspas) = (vrps, aspas);
            }
        }
    }

    /// Data past their time are no data (RFC 8210 §6): routes become NotFound, never frozen.
    fn expire(&mut self) {
        let now = Instant::now();
        for cache in self.caches.iter_mut().filter(|c| c.expires.is_some_and(|at| at <= now)) {
            tracing::warn!(cache = %cache.status.address, "RPKI data have expired: its VRPs no longer count");
            cache.expires = None;
            cache.data = CacheData::default();
            cache.status.vrps = 0;
            cache.status.aspas = 0;
        }
    }

    /// The cache in use: one with payloads before one without, one in reach before one that is
    /// not, and then the most preferred.
    fn choose(&self) -> Option<usize> {
        let rank = |(index, cache): (usize, &Cache)| {
            let out_of_reach = !cache.status.connected && cache.failures > 0;
            (cache.data.vrps.is_empty(), out_of_reach, cache.status.preference, index)
        };
        let with_data = self.caches.iter().enumerate().filter(|(_, c)| c.expires.is_some());
        with_data.map(rank).min().map(|(_, _, _, index)| index)
    }

    fn join(&mut self) {
        let chosen = self.choose();
        for (index, cache) in self.caches.iter_mut().enumerate() {
            let active = Some(index) == chosen;
            if active && !cache.status.active {
                tracing::info!(cache = %cache.status.address, vrps = cache.status.vrps, "using this RTR cache");
            }
            cache.status.active = active;
        }
        let data =
            chosen.and_then(|i| self.caches.get(i)).map(|c| c.data.clone()).unwrap_or_default();
        let mut aspas = data.aspa_table();
        let mut vrps = data.vrps.clone();
        if self.files.iter().any(|f| !f.vrps.is_empty()) {
            let added = self.files.iter().flat_map(|f| f.vrps.iter().copied());
            vrps = Arc::new(VrpTable::from_vrps(data.vrps.iter().chain(added)));
        }
        if self.files.iter().any(|f| !f.aspas.is_empty()) {
            let from_cache = data.aspas.iter().map(|(c, p)| (*c, p.clone()));
            let added = self.files.iter().flat_map(|f| f.aspas.iter().cloned());
            aspas = AspaTable::from_aspas(from_cache.chain(added));
        }
        // Equal tables keep their address, by which everybody else sees that nothing changed.
        if *self.vrps != *vrps {
            self.vrps = vrps;
        }
        if *self.aspas != aspas {
            self.aspas = Arc::new(aspas);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache that says what RFC 8210 does not let it say, and is gone, as is its task.
    #[tokio::test(start_paused = true)]
    async fn data_expire_after_two_days_at_the_latest_and_without_their_task() {
        let cache = CacheConfig { address: "192.0.2.1:3323".into(), preference: 1 };
        let joiner = Joiner::new(&[cache], &[]);
        let (updates, inbox) = mpsc::channel(UPDATES);
        let (publish, mut state) = watch::channel(Arc::new(joiner.state()));
        tokio::spawn(joiner.run(inbox, publish));
        let vrp = Vrp { prefix: "8.0.0.0/8".parse().unwrap(), max_len: 8, asn: Asn(64496) };
        let data = CacheData { vrps: Arc::new(VrpTable::from_vrps([vrp])), ..CacheData::default() };
        let timing = Timing { expire: u32::MAX, ..Timing::default() };
        let update = Update::Synced { index: 0, data, timing, state: None, version: 2 };
        updates.send(update).await.unwrap();
        drop(updates);
        state.wait_for(|state| state.vrps.len() == 1).await.unwrap();
        let synced = Instant::now();
        state.wait_for(|state| state.vrps.is_empty()).await.unwrap();
        let two_days = Duration::from_secs(2 * 24 * 3600);
        assert!((two_days..two_days + Duration::from_secs(1)).contains(&synced.elapsed()));
    }
}
