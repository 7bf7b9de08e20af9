//! The one way in which control socket, HTTP and metrics reach the running route server.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use policy::{Policy, RoutingData};
use rib::{Changed, Shard};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};

use super::answers::Passed;
use super::engine::Engine;
use super::listener::Listener;
use super::local_sockets::LocalSockets;
use super::locked;
use super::query::{
    Cursor, DiffReport, Explanation, ReloadReport, RoutePage, RouteQuery, SessionAction,
    ShutdownKind,
};
use super::registry::{Registry, id, key};
use super::status::{
    DaemonStatus, DataStatus, EngineCounters, LearnedLimit, MonitoringStatus, RouteServerStatus,
    SessionId, SessionStatus,
};
use super::supervisor::Request;
use super::to_shards::ShardMessage;
use super::worker::{Command, Which};
use crate::bmp::Collectors;
use crate::config::{Config, SessionKey};
use crate::mrt;

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// No such session.
    #[error("no session {0}")]
    NoSession(String),
    /// More than one session fits.
    #[error("{asked} is ambiguous: {candidates}")]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// What fits.
        candidates: String,
    },
    /// No such route server.
    #[error("no route server {0}")]
    NoRouteServer(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The configuration was refused; nothing changed.
    #[error("configuration refused, nothing changed:\n{0}")]
    Config(String),
    /// The configuration is not there for the daemon, though it may be for who asked.
    #[error(
        "the daemon cannot read {path}: {error}\n    it does so as its own user, and as a service it \
         sees no home directory and no /tmp of others: put the file beside its configuration"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: String,
    },
    /// The daemon is shutting down.
    #[error("the daemon is shutting down")]
    Stopping,
}

/// What the threads and the handle share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) workers: Arc<[UnboundedSender<Command>]>,
    pub(crate) requests: UnboundedSender<Request>,
    pub(crate) config: ArcSwap<Config>,
    pub(crate) listeners: ArcSwap<Vec<Arc<Listener>>>,
    pub(crate) started: SystemTime,
    /// When a configuration was last loaded, and whether the last attempt succeeded.
    pub(crate) reload: Mutex<(SystemTime, bool)>,
    pub(crate) draining: AtomicBool,
    /// Sessions were handed out and connections are let in.
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) epoch: AtomicU64,
    pub(crate) data: ArcSwap<RoutingData>,
    pub(crate) data_status: ArcSwap<DataStatus>,
    /// What dynamic prefix limits follow from, of the sessions that have one.
    pub(crate) learned: ArcSwap<HashMap<SessionKey, [Option<LearnedLimit>; 2]>>,
    /// Whether what is to survive a restart could be written when it was tried last.
    pub(crate) state_written: AtomicBool,
    /// How often the machine's clock was seen to jump.
    pub(crate) clock_jumps: AtomicU64,
    pub(crate) local_sockets: LocalSockets,
    pub(crate) bmp_collectors: Collectors,
    pub(crate) mrt: Arc<mrt::Counters>,
    pub(crate) stopped: watch::Sender<bool>,
}

impl Inner {
    /// Asks each shard of a route server between two turns.
    pub(crate) async fn ask_shards<T: Send + 'static>(
        &self,
        route_server: usize,
        question: impl Fn(&mut Shard) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, HandleError> {
        let asked: Vec<_> = (0..self.engine.inboxes.len())
            .map(|shard| self.post(shard, route_server, question.clone()))
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(answer.await.map_err(|_| HandleError::Stopping)?);
        }
        Ok(answers)
    }

    /// Asks one shard.
    pub(crate) async fn ask_shard<T: Send + 'static>(
        &self,
        shard: usize,
        route_server: usize,
        question: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T, HandleError> {
        self.post(shard, route_server, question).await.map_err(|_| HandleError::Stopping)
    }

    fn post<T: Send + 'static>(
        &self,
        shard: usize,
        route_server: usize,
        question: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |shard: &mut Shard| {
            // Who asked may have gone.
            let _ = answer.send(question(shard));
        });
        self.engine.inboxes[shard].push(1, ShardMessage::Inspect { route_server, run });
        answered
    }

    /// Every session as its worker sees it, without the shards' counts; of one route server or of
    /// all.
    pub(crate) async fn snapshot(&self, route_server: Option<usize>) -> Vec<SessionStatus> {
        let which = route_server.map_or(Which::All, Which::Of);
        let mut asked = Vec::new();
        for worker in &*self.workers {
            let (answer, answered) = oneshot::channel();
            if worker.send(Command::Snapshot { which, answer }).is_ok() {
                asked.push(answered);
            }
        }
        let mut sessions = Vec::new();
        for answered in asked {
            sessions.extend(answered.await.unwrap_or_default());
        }
        sessions.sort_by(|a, b| a.id.cmp(&b.id));
        self.fill_learned(&mut sessions);
        sessions
    }

    fn fill_learned(&self, sessions: &mut [SessionStatus]) {
        let learned = self.learned.load();
        if learned.is_empty() {
            return;
        }
        for session in sessions {
            session.dynamic_limits = learned.get(&key(&session.id)).copied().unwrap_or_default();
        }
    }
}

/// A cheap handle to the running route server.
#[derive(Clone, Debug)]
pub struct RuntimeHandle {
    pub(super) inner: Arc<Inner>,
}

impl RuntimeHandle {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Every configured session, by route server and address.
    pub async fn sessions(&self) -> Vec<SessionStatus> {
        self.look().await.1
    }

    /// Every route server and every session, from one look at the sessions and one at the tables.
    async fn look(&self) -> (Vec<RouteServerStatus>, Vec<SessionStatus>) {
        let mut sessions = self.inner.snapshot(None).await;
        let names = self.inner.engine.route_servers.load_full();
        let mut servers = Vec::new();
        for (index, server) in names.iter().enumerate() {
            let tables = self.inner.tables(index).await;
            let of_server = sessions.iter_mut().filter(|s| s.id.route_server == server.name);
            self.inner.fill_routes(index, &tables, of_server);
            servers.extend(self.inner.route_server_status(index, &tables, &sessions));
        }
        (servers, sessions)
    }

    /// A route server and its sessions. Nothing is asked about the others.
    pub async fn route_server(
        &self,
        name: &str,
    ) -> Result<(RouteServerStatus, Vec<SessionStatus>), HandleError> {
        let unknown = || HandleError::NoRouteServer(name.to_owned());
        let names = self.inner.engine.route_servers.load_full();
        let index = names.iter().position(|server| &*server.name == name).ok_or_else(unknown)?;
        let mut sessions = self.inner.snapshot(Some(index)).await;
        let tables = self.inner.tables(index).await;
        self.inner.fill_routes(index, &tables, sessions.iter_mut());
        let server = self.inner.route_server_status(index, &tables, &sessions);
        Ok((server.ok_or_else(unknown)?, sessions))
    }

    /// One session.
    pub async fn session(&self, id: &SessionId) -> Result<SessionStatus, HandleError> {
        let registered = self.inner.registry.named(id)?;
        let (index, slot) = (registered.route_server, registered.slot);
        let (answer, answered) = oneshot::channel();
        let worker = self.inner.engine.placement.worker_of(index, slot);
        self.inner.workers[worker]
            .send(Command::Snapshot { which: Which::One(index, slot), answer })
            .map_err(|_| HandleError::Stopping)?;
        let mut sessions = answered.await.map_err(|_| HandleError::Stopping)?;
        let tables = self.inner.tables(index).await;
        self.inner.fill_routes(index, &tables, sessions.iter_mut());
        self.inner.fill_learned(&mut sessions);
        sessions.pop().ok_or_else(|| HandleError::NoSession(id.to_string()))
    }

    /// The session that an operator means: an address (zone optional where unique) or an AS with
    /// one session, on `route_server` where given.
    pub fn find_session(
        &self,
        peer: &str,
        route_server: Option<&str>,
    ) -> Result<SessionId, HandleError> {
        let found = self.inner.registry.matching(peer, route_server);
        match &found[..] {
            [] => Err(HandleError::NoSession(peer.to_owned())),
            [one] => Ok(id(&one.key)),
            several => {
                let names: Vec<_> = several.iter().map(|one| id(&one.key).to_string()).collect();
                let candidates = names.join(", ");
                Err(HandleError::Ambiguous { asked: peer.to_owned(), candidates })
            }
        }
    }

    /// Every route server.
    pub async fn route_servers(&self) -> Vec<RouteServerStatus> {
        self.look().await.0
    }

    /// The process.
    pub async fn status(&self) -> Result<DaemonStatus, HandleError> {
        Ok(self.inner.daemon_status(&self.inner.snapshot(None).await))
    }

    /// The process, every route server and every session, from one look at the sessions.
    pub async fn overview(
        &self,
    ) -> Result<(DaemonStatus, Vec<RouteServerStatus>, Vec<SessionStatus>), HandleError> {
        let (servers, sessions) = self.look().await;
        Ok((self.inner.daemon_status(&sessions), servers, sessions))
    }

    /// Routes, a page at a time, so that no answer holds a shard long.
    pub async fn routes(
        &self,
        query: &RouteQuery,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<RoutePage, HandleError> {
        self.inner.routes(query, from, limit).await
    }

    /// Passes over at most `most` routes.
    pub(crate) async fn pass(
        &self,
        query: &RouteQuery,
        from: Option<&Cursor>,
        most: usize,
    ) -> Result<Passed, HandleError> {
        self.inner.pass(query, from, most).await
    }

    /// Why `to` has, or has not, got `prefix`.
    pub async fn explain(&self, prefix: &str, to: &SessionId) -> Result<Explanation, HandleError> {
        self.inner.explain(prefix, to).await
    }

    /// Does something to a session.
    pub async fn session_action(
        &self,
        id: &SessionId,
        action: SessionAction,
    ) -> Result<(), HandleError> {
        let session = self.inner.registry.named(id)?;
        let (route_server, slot) = (session.route_server, session.slot);
        let soft_in = action == SessionAction::SoftIn;
        let (done, finished) = oneshot::channel();
        let worker = self.inner.engine.placement.worker_of(route_server, slot);
        self.inner.workers[worker]
            .send(Command::Act { route_server, slot, action, done })
            .map_err(|_| HandleError::Stopping)?;
        match finished.await {
            Ok(true) => Ok(()),
            Ok(false) if soft_in => Err(HandleError::Invalid(format!(
                "{id} is not established, or does not understand ROUTE-REFRESH"
            ))),
            Ok(false) => Err(HandleError::NoSession(id.to_string())),
            Err(_) => Err(HandleError::Stopping),
        }
    }

    /// Loads the configuration again (`None`: the file of the start) and applies the difference.
    pub async fn reload(&self, path: Option<&Path>) -> Result<ReloadReport, HandleError> {
        let path = path.map(PathBuf::from);
        self.request(|answer| Request::Reload { path, answer }).await
    }

    /// Applies a configuration that is not in a file.
    pub async fn apply(&self, config: Config) -> Result<ReloadReport, HandleError> {
        let config = Box::new(config);
        self.request(|answer| Request::Apply { config, answer }).await
    }

    /// What loading `path` would change; changes nothing.
    pub async fn diff(&self, path: &Path) -> Result<DiffReport, HandleError> {
        let path = path.to_owned();
        self.request(|answer| Request::Diff { path, answer }).await
    }

    /// Adds GRACEFUL_SHUTDOWN (RFC 8326) to everything exported, or takes it away again.
    pub async fn drain(&self, on: bool) -> Result<(), HandleError> {
        self.request(|answer| Request::Drain { on, answer }).await
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, HandleError>>) -> Request,
    ) -> Result<T, HandleError> {
        let (answer, answered) = oneshot::channel();
        self.inner.requests.send(request(answer)).map_err(|_| HandleError::Stopping)?;
        answered.await.map_err(|_| HandleError::Stopping)?
    }

    /// Ends the process.
    pub fn shutdown(&self, kind: ShutdownKind) {
        // If nobody listens, it is ending already.
        let _ = self.inner.requests.send(Request::Shutdown(kind));
    }

    /// Whether members are let in: not before the first routing data, and not while it stops.
    /// Nobody is asked: it may be called as often as anybody likes.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow() && !self.inner.requests.is_closed()
    }

    /// Waits until members are let in: after the first routing data, or the longest wait for it.
    pub async fn ready(&self) {
        let mut ready = self.inner.ready.subscribe();
        // An error means that the sender is gone: it never will be.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Waits until it has ended.
    pub async fn stopped(&self) {
        let mut stopped = self.inner.stopped.subscribe();
        // An error means that the sender is gone, which is an end too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Waits until every thread that serves members has looked at its queue: all workers and all
    /// shards. The supervisor is left out; it may be busy with a reload, and members are served.
    pub async fn answers(&self) -> Result<(), HandleError> {
        let mut asked = Vec::new();
        for worker in &*self.inner.workers {
            let (answer, answered) = oneshot::channel();
            let question = Command::Established { route_server: 0, answer };
            worker.send(question).map_err(|_| HandleError::Stopping)?;
            asked.push(answered);
        }
        for answered in asked {
            answered.await.map_err(|_| HandleError::Stopping)?;
        }
        self.inner.ask_shards(0, |_| ()).await.map(drop)
    }

    /// How it goes with the sockets that are not for members.
    pub(crate) fn local_sockets(&self) -> &LocalSockets {
        &self.inner.local_sockets
    }

    /// The configuration in force.
    pub async fn config(&self) -> Result<Arc<Config>, HandleError> {
        Ok(self.inner.config.load_full())
    }

    /// The policy in force on a route server.
    pub fn policy(&self, route_server: &str) -> Result<Arc<Policy>, HandleError> {
        let servers = self.inner.engine.route_servers.load();
        servers
            .iter()
            .find(|server| &*server.name == route_server)
            .map(|server| server.policy.load_full())
            .ok_or_else(|| HandleError::NoRouteServer(route_server.to_owned()))
    }

    /// New routing data for all route servers, in place of what the configured sources say.
    pub fn set_data(&self, data: RoutingData, changed: Changed) {
        // If nobody listens, it is ending.
        let _ = self.inner.requests.send(Request::Data { data, changed });
    }

    /// Numbers of the engine.
    pub fn counters(&self) -> EngineCounters {
        let stats = &self.inner.engine.stats;
        EngineCounters {
            flush_duration: stats.flush.snapshot(),
            propagation: stats.propagation.snapshot(),
            batches: stats.shards.batches.load(Ordering::Relaxed),
            lagged: stats.shards.lagged.load(Ordering::Relaxed),
            inbox_full: stats.inbox_full.load(Ordering::Relaxed),
            tasks: stats.tasks.alive(),
        }
    }

    /// RPKI and IRR.
    pub fn data(&self) -> DataStatus {
        DataStatus::clone(&self.inner.data_status.load())
    }

    /// Fetches every IRR set again now.
    pub async fn irr_refresh(&self) -> Result<(), HandleError> {
        self.request(|answer| Request::IrrRefresh { answer }).await
    }

    /// BMP collectors and MRT files.
    pub fn monitoring(&self) -> MonitoringStatus {
        let collectors = self.inner.bmp_collectors.load();
        MonitoringStatus {
            bmp: collectors.iter().map(|collector| collector.status()).collect(),
            bmp_lost: self.inner.engine.bmp.lost_total(),
            mrt: self.inner.mrt.status(),
        }
    }

    /// Writes MRT tables now: of a route server, or of all that `[mrt]` names. Their files.
    pub async fn mrt_dump(
        &self,
        route_server: Option<String>,
    ) -> Result<Vec<PathBuf>, HandleError> {
        if let Some(name) = &route_server
            && self.inner.config.load().route_server(name).is_none()
        {
            return Err(HandleError::NoRouteServer(name.clone()));
        }
        self.request(|answer| Request::MrtDump { route_server, answer }).await
    }

    /// A route server's BGP identifier.
    pub fn router_id(&self, route_server: &str) -> Result<Ipv4Addr, HandleError> {
        let config = self.inner.config.load();
        let server = config.route_server(route_server);
        let (_, server) =
            server.ok_or_else(|| HandleError::NoRouteServer(route_server.to_owned()))?;
        Ok(server.router_id)
    }

    /// When this process began to serve.
    pub fn started(&self) -> SystemTime {
        self.inner.started
    }

    /// When a configuration was last loaded, and whether the last attempt succeeded.
    pub fn last_reload(&self) -> (SystemTime, bool) {
        *locked(&self.inner.reload)
    }
}
