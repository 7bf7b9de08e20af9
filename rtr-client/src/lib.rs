//! RPKI data as immutable snapshots: RTR caches (RFC 8210, version 2 with ASPA) through the
//! `rpki` crate, and VRP files as validators write them.
//!
//! One task for each cache speaks RTR; one task watches the files; one task joins what they have
//! into an [`RpkiState`], published through a `watch` channel: a reader sees whole snapshots only.
//!
//! The most preferred cache that has data is used alone (RFC 8210 §10); files add to it. Data
//! that has expired counts as absent, so that routes become NotFound and never stay Valid by
//! age.

mod bounded;
mod cache;
mod file;
mod join;
mod target;
mod watched;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use policy::{AspaTable, VrpTable};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use file::{FileError, parse_vrps};

/// Where RPKI data comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpkiConfig {
    /// RTR caches.
    pub caches: Vec<CacheConfig>,
    /// VRP files (JSON); they add to the cache in use.
    pub json: Vec<PathBuf>,
}

/// One RTR cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Host and port, `127.0.0.1:3323` or `rtr.example.net:323`.
    pub address: String,
    /// The lower, the more preferred (RFC 8210 §10).
    pub preference: u32,
}

/// What is known of one cache.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CacheStatus {
    /// As configured.
    pub address: String,
    /// As configured.
    pub preference: u32,
    /// Whether the TCP session is up and has had an End of Data.
    pub connected: bool,
    /// Whether its data are the ones in force.
    pub active: bool,
    /// The RTR version that the cache answers in. 2 is asked for first, 1 for an hour after the
    /// cache has failed with it.
    pub version: u8,
    /// The serial of the last End of Data.
    pub serial: Option<u32>,
    /// The session id of the last End of Data.
    pub session: Option<u16>,
    /// VRPs that it serves.
    pub vrps: usize,
    /// ASPA payloads that it serves.
    pub aspas: usize,
    /// The last End of Data.
    pub last_sync: Option<SystemTime>,
    /// When its data expire if nothing comes.
    pub expires: Option<SystemTime>,
    /// Why it is not connected, or was not the last time.
    pub last_error: Option<String>,
    /// Sessions and attempts that ended with an error.
    pub failures: u64,
}

/// What is known of one VRP file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileStatus {
    /// As configured.
    pub path: PathBuf,
    /// VRPs in force from it (expired ones left out).
    pub vrps: usize,
    /// ASPA payloads in force from it.
    pub aspas: usize,
    /// When it was last read without error.
    pub last_read: Option<SystemTime>,
    /// Why the newest content is not in use: the last good one is.
    pub last_error: Option<String>,
}

/// All RPKI data in force, and where they come from.
#[derive(Clone, Debug, Default)]
pub struct RpkiState {
    /// VRPs of the cache in use and of the files.
    pub vrps: Arc<VrpTable>,
    /// Likewise ASPA payloads.
    pub aspas: Arc<AspaTable>,
    /// Caches in order of preference.
    pub caches: Vec<CacheStatus>,
    /// Files as configured.
    pub files: Vec<FileStatus>,
    /// Whether every source that was asked at the start has answered once: a cache with data, if
    /// any is configured, and every file.
    pub synced: bool,
    /// Whether every file was looked at: no answer of a cache is needed for this.
    pub files_synced: bool,
}

/// The running tasks; dropping it ends them.
#[derive(Debug)]
pub struct RpkiHandle {
    state: watch::Receiver<Arc<RpkiState>>,
    caches: Vec<JoinHandle<()>>,
    /// The joiner, and who looks at the files.
    others: Vec<JoinHandle<()>>,
}

impl RpkiHandle {
    /// Starts the tasks on the current tokio runtime.
    #[must_use]
    pub fn start(config: &RpkiConfig) -> Self {
        let mut caches = config.caches.clone();
        caches.sort_by_key(|c| c.preference);
        let (updates, inbox) = tokio::sync::mpsc::channel(join::UPDATES);
        let (mut asking, mut others) = (Vec::new(), Vec::new());
        for (index, cache) in caches.iter().enumerate() {
            let run =
                cache::run(index, cache.address.clone(), updates.clone(), cache::VERSION_1_FOR);
            asking.push(tokio::spawn(run));
        }
        if !config.json.is_empty() {
            others.push(tokio::spawn(file::watch(config.json.clone(), updates)));
        }
        let joiner = join::Joiner::new(&caches, &config.json);
        let (publish, state) = watch::channel(Arc::new(joiner.state()));
        others.push(tokio::spawn(joiner.run(inbox, publish)));
        Self { state, caches: asking, others }
    }

    /// Ends the sessions with caches. What they said last stays until it expires.
    pub fn disconnect(&self) {
        self.caches.iter().for_each(JoinHandle::abort);
    }

    /// The snapshots, newest first to be had with `borrow_and_update`.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<RpkiState>> {
        self.state.clone()
    }

    /// The snapshot in force.
    #[must_use]
    pub fn state(&self) -> Arc<RpkiState> {
        self.state.borrow().clone()
    }

    /// Waits until every source has answered once, or until `limit` has passed; says which.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        let mut state = self.state.clone();
        let synced = state.wait_for(|s| s.synced);
        matches!(tokio::time::timeout(limit, synced).await, Ok(Ok(_)))
    }
}

impl Drop for RpkiHandle {
    fn drop(&mut self) {
        self.caches.iter().chain(&self.others).for_each(JoinHandle::abort);
    }
}

/// Speaks RTR over a stream until that ends, and tells `completed` the data of each End of Data:
/// for whoever brings the connection. Gives the error that ended it.
pub async fn follow<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    version: u8,
    mut completed: impl FnMut(&VrpTable, &AspaTable),
) -> std::io::Error {
    let spoken = bounded::Spoken::new(version);
    let mut client = cache::begin(stream, version, target::Target::default(), spoken);
    loop {
        if let Err(error) = client.step().await {
            return error;
        }
        let data = &client.target().data;
        completed(&data.vrps, &data.aspa_table());
    }
}

/// The first address that `text` resolves to.
async fn resolve(text: &str) -> std::io::Result<SocketAddr> {
    let not_found = || std::io::Error::new(std::io::ErrorKind::NotFound, "no address found");
    tokio::net::lookup_host(text).await?.next().ok_or_else(not_found)
}
