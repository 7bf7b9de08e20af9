//! The thread that knows the configuration: owns the listeners, hands sessions to workers, applies
//! reloads, and ends it all.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use policy::{Policy, RoutingData, Slot};
use rib::{Changed, ShardInput};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::HandleError;
use super::clock::{self, Clock};
use super::daemon::{Options, StartError, compile, restarting_until};
use super::handle::Inner;
use super::learned::LearnedFile;
use super::learning::{LOOK, Learning, note_written};
use super::limits::{
    DATA_STATUS, LAST_WRITES_TIMEOUT, MEMBERS_FILE, RESTART_DEFERRAL, SHUTDOWN_TIMEOUT, STATE_RETRY,
};
use super::listener::Listener;
use super::locked;
use super::peer_config::{PeerConfig, limit_config};
use super::query::{DiffReport, ReloadReport, ShutdownKind};
use super::recovery::{self, RecoveryFile};
use super::registry::Registered;
use super::shard_thread::ShardEvent;
use super::signatures::{self, Signatures};
use super::slots::{SlotTable, is_clear};
use super::state_file;
use super::to_shards::ShardMessage;
use super::worker::Command;
use crate::bmp;
use crate::config::{self, Config, MemberSession, SessionKey};
use crate::data::{DataChange, Sources};
use crate::irr::RpslPolicies;
use crate::mrt;

/// While slots wait to be free, shards are asked that often.
const SLOT_CHECK: Duration = Duration::from_millis(250);

/// While the first answers of sources are waited for, their states are copied that often.
const DATA_STATUS_EARLY: Duration = Duration::from_millis(500);

/// RFC 9003 text of a shutdown by signal or command.
const SHUTDOWN_TEXT: &str = "route server is shutting down";

/// What the supervisor is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// Load and apply.
    Reload { path: Option<PathBuf>, answer: oneshot::Sender<Result<ReloadReport, HandleError>> },
    /// Apply this one (tests and the demo, which have no file).
    Apply { config: Box<Config>, answer: oneshot::Sender<Result<ReloadReport, HandleError>> },
    /// Load and say what would change.
    Diff { path: PathBuf, answer: oneshot::Sender<Result<DiffReport, HandleError>> },
    /// GRACEFUL_SHUTDOWN on everything exported.
    Drain { on: bool, answer: oneshot::Sender<Result<(), HandleError>> },
    /// Fetch every IRR set again.
    IrrRefresh { answer: oneshot::Sender<Result<(), HandleError>> },
    /// Write MRT tables.
    MrtDump {
        route_server: Option<String>,
        answer: oneshot::Sender<Result<Vec<PathBuf>, HandleError>>,
    },
    /// New routing data.
    Data { data: RoutingData, changed: Changed },
    /// The end.
    Shutdown(ShutdownKind),
}

/// See the module.
pub(crate) struct Supervisor {
    pub(super) inner: Arc<Inner>,
    pub(super) slots: Vec<SlotTable>,
    pub(super) peers: HashMap<SessionKey, PeerConfig>,
    pub(super) listeners: Vec<(Arc<Listener>, Option<JoinHandle<()>>)>,
    shard_events: UnboundedReceiver<ShardEvent>,
    /// Some while the supervisor runs.
    pub(super) sources: Option<Sources>,
    /// The members' RPSL policies in force.
    pub(super) rpsl: Arc<RpslPolicies>,
    /// Until when our OPENs say that we have just restarted, by route server.
    restarting: Vec<Option<Instant>>,
    /// When it is to be tried again to write who keeps our routes, if that failed.
    retry_members: Option<Instant>,
    /// A state file is being written, one at a time.
    writing: Option<JoinHandle<()>>,
    /// Some while a prefix limit is dynamic.
    pub(super) learning: Option<Learning>,
    /// Some since a BMP collector was configured first.
    bmp: Option<bmp::Service>,
    /// Some since MRT files were configured first.
    mrt: Option<mrt::Service>,
    pub(super) signatures: Signatures,
    pub(super) clock: Clock,
    options: Options,
}

impl Supervisor {
    pub(crate) fn new(
        inner: Arc<Inner>,
        slots: Vec<SlotTable>,
        listeners: Vec<Listener>,
        shard_events: UnboundedReceiver<ShardEvent>,
        options: Options,
    ) -> Self {
        let mut clock = Clock::new(SystemTime::now(), Instant::now());
        let learning = Learning::start(&inner.config.load(), &mut clock);
        let listeners = listeners.into_iter().map(|one| (Arc::new(one), None)).collect();
        Self {
            inner,
            slots,
            peers: HashMap::new(),
            listeners,
            shard_events,
            sources: None,
            rpsl: Arc::default(),
            restarting: Vec::new(),
            retry_members: None,
            writing: None,
            clock,
            learning,
            bmp: None,
            mrt: None,
            signatures: Signatures::default(),
            options,
        }
    }

    /// Runs until a shutdown is asked for.
    pub(crate) fn run(
        mut self,
        requests: UnboundedReceiver<Request>,
        ready: &std::sync::mpsc::Sender<Result<(), StartError>>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        runtime.block_on(async {
            let begun = self.protect_all();
            let failed = begun.is_err();
            let _ = ready.send(begun);
            let kind = if failed { ShutdownKind::Cease } else { self.serve(requests).await };
            let last = self.last_state(kind).await;
            self.end(kind, last).await;
        });
        // Dropped, it would wait for a disk that hangs.
        runtime.shutdown_background();
    }

    /// Keys first, then handshakes: a connection without a signature must not slip in between.
    fn protect_all(&self) -> Result<(), StartError> {
        let config = self.inner.config.load();
        config.sessions().try_for_each(|session| self.protect(session))?;
        self.listeners.iter().try_for_each(|(listener, _)| {
            let name = Arc::clone(&listener.name);
            listener.listen().map_err(|source| StartError::Listen { name, source })
        })
    }

    /// Hands all sessions out, then lets connections in.
    fn begin(&mut self) {
        let config = self.inner.config.load_full();
        let servers = 0..config.route_servers.len();
        self.restarting = servers.map(|index| restarting_until(&config, index)).collect();
        self.begin_recovery(&config);
        self.monitor(&config);
        for session in config.sessions() {
            self.add(&config, session, true);
        }
        for at in 0..self.listeners.len() {
            self.listen(at);
        }
        self.publish_listeners();
        self.publish_learned(&config);
        self.inner.ready.send_replace(true);
    }

    async fn serve(&mut self, mut requests: UnboundedReceiver<Request>) -> ShutdownKind {
        let mut early = Vec::new();
        if let Some(kind) = self.wait_for_data(&mut requests, &mut early).await {
            return kind;
        }
        self.begin();
        for request in early {
            self.obey(request).await;
        }
        let inner = Arc::clone(&self.inner);
        let policies = || policies(&inner);
        let mut slot_check = tokio::time::interval(SLOT_CHECK);
        let mut data_status = tokio::time::interval(DATA_STATUS);
        let mut look = tokio::time::interval(LOOK);
        let mut members = tokio::time::interval(MEMBERS_FILE);
        let mut signed = tokio::time::interval(signatures::LOOK);
        let mut clock = tokio::time::interval(clock::LOOK);
        loop {
            let sources = self.sources.as_mut();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::Shutdown(kind)) => return kind,
                    Some(request) => self.obey(request).await,
                    None => return ShutdownKind::Cease,
                },
                Some(event) = self.shard_events.recv() => Self::on_event(event),
                change = next_change(sources, policies) => self.on_data_change(change),
                _ = data_status.tick() => self.publish_data_status(),
                _ = look.tick(), if self.learning.is_some() => self.learn().await,
                _ = members.tick() => self.note_members(),
                _ = signed.tick() => self.look_at_signatures().await,
                _ = clock.tick() => self.look_at_clock(),
                _ = slot_check.tick(), if self.slots.iter().any(SlotTable::has_leaving) => self.free_slots().await,
            }
        }
    }

    fn on_event(event: ShardEvent) {
        match event {
            ShardEvent::PolicyApplied { shard, route_server, epoch } => {
                tracing::debug!(shard, route_server, epoch, "policy applied everywhere");
            }
            ShardEvent::Purged { shard, route_server, slot, generation } => {
                tracing::debug!(shard, route_server, ?slot, ?generation, "purged");
            }
        }
    }

    async fn obey(&mut self, request: Request) {
        match request {
            Request::Reload { path, answer } => {
                let result = match self.read(path) {
                    Ok(config) => self.apply(config).await,
                    Err(error) => Err(error),
                };
                // Without a file there was nothing that could be wrong with it.
                if !matches!(result, Err(HandleError::Invalid(_))) {
                    self.note_reload(result.is_ok());
                }
                if let Err(error) = &result {
                    tracing::error!(%error, "reload failed, nothing changed");
                }
                let _ = answer.send(result);
            }
            Request::Apply { config, answer } => {
                let result = self.apply(*config).await;
                self.note_reload(result.is_ok());
                let _ = answer.send(result);
            }
            Request::Diff { path, answer } => {
                let result = match self.read(Some(path)) {
                    Ok(config) => self.diff(&config).await,
                    Err(error) => Err(error),
                };
                let _ = answer.send(result);
            }
            Request::Drain { on, answer } => {
                let _ = answer.send(self.drain(on));
            }
            Request::IrrRefresh { answer } => {
                let asked = self.sources.as_ref().is_some_and(Sources::refresh_irr);
                let none = || HandleError::Invalid("no IRR source is configured".to_owned());
                let _ = answer.send(asked.then_some(()).ok_or_else(none));
            }
            Request::MrtDump { route_server, answer } => self.mrt_dump(route_server, answer),
            Request::Data { data, changed } => {
                self.distribute(&data, |_| Some(changed.clone()));
            }
            Request::Shutdown(_) => {}
        }
    }

    fn read(&self, path: Option<PathBuf>) -> Result<Config, HandleError> {
        let path = path
            .or_else(|| self.options.config_path.clone())
            .ok_or_else(|| HandleError::Invalid("there is no configuration file".to_owned()))?;
        config::open_regular(&path).map_err(|error| HandleError::Unreadable {
            path: path.display().to_string(),
            error: error.to_string(),
        })?;
        config::load_regular(&path).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            HandleError::Config(lines.join("\n"))
        })
    }

    fn note_reload(&self, success: bool) {
        let mut reload = locked(&self.inner.reload);
        reload.1 = success;
        if success {
            reload.0 = SystemTime::now();
        }
    }

    // Sessions.

    /// Registers a session and hands it to its worker, or hands its worker the change.
    pub(super) fn add(&mut self, config: &Config, session: &MemberSession, starting: bool) {
        let route_server = session.route_server;
        let Some((slot, limit)) =
            self.slots[route_server].assign(&session.key, limit_config(&session.limits))
        else {
            tracing::error!(session = %session.key, "no slot left on this route server");
            return;
        };
        let until = self.restarting(route_server);
        let learned = self.learned_limits(session);
        let peer = PeerConfig::new(config, session, slot, limit, until, learned);
        if starting {
            // Made before anything was known; later on the session does this, and says so.
            peer.limit.current().configure(limit_config(&peer.limits));
        }
        self.inner.registry.insert(Registered {
            key: session.key.clone(),
            route_server,
            slot,
            asn: peer.asn,
            ttl_security: peer.ttl_security,
        });
        self.peers.insert(session.key.clone(), peer.clone());
        self.command(route_server, slot, Command::Configure(Box::new(peer)));
    }

    pub(super) fn command(&self, route_server: usize, slot: policy::Slot, command: Command) {
        let worker = self.inner.engine.placement.worker_of(route_server, slot);
        // A worker ends before the supervisor only if it panicked, which is logged where it did.
        let _ = self.inner.workers[worker].send(command);
    }

    // Monitoring.

    /// Puts what is said of monitoring in force.
    pub(super) fn monitor(&mut self, config: &Arc<Config>) {
        if self.bmp.is_none() && !config.bmp.collectors.is_empty() {
            match bmp::start(Arc::clone(&self.inner)) {
                Ok(service) => self.bmp = Some(service),
                Err(error) => tracing::error!(%error, "BMP: cannot start a thread"),
            }
        }
        if let Some(bmp) = &self.bmp {
            bmp.configure(Arc::clone(config));
        }
        if self.mrt.is_none() && config.mrt.is_some() {
            match mrt::start(Arc::clone(&self.inner)) {
                Ok(service) => self.mrt = Some(service),
                Err(error) => tracing::error!(%error, "MRT: cannot start a thread"),
            }
        }
        if let Some(mrt) = &self.mrt {
            mrt.configure(Arc::clone(config));
        }
    }

    /// Nothing waits for the tables but who asked for them.
    fn mrt_dump(
        &self,
        route_server: Option<String>,
        answer: oneshot::Sender<Result<Vec<PathBuf>, HandleError>>,
    ) {
        let Some(mrt) = &self.mrt else {
            let error = mrt::TableError::NotConfigured;
            let _ = answer.send(Err(HandleError::Invalid(error.to_string())));
            return;
        };
        let (dumped, dumping) = oneshot::channel();
        mrt.request(mrt::Dump { route_server, answer: dumped });
        tokio::spawn(async move {
            let dumped = dumping.await.map_err(|_| HandleError::Stopping);
            // Who asked may have gone.
            let invalid = |error: mrt::TableError| HandleError::Invalid(error.to_string());
            let _ = answer.send(dumped.and_then(|done| done.map_err(invalid)));
        });
    }

    // Listeners.

    pub(super) fn listen(&mut self, at: usize) {
        let (listener, task) = &mut self.listeners[at];
        let running = Arc::clone(listener).run(
            Arc::clone(&self.inner.registry),
            self.inner.engine.placement.clone(),
            Arc::<[UnboundedSender<Command>]>::clone(&self.inner.workers),
        );
        tracing::info!(rs = %listener.name, address = %listener.address, "listening");
        *task = Some(tokio::spawn(async move {
            if let Err(error) = running.await {
                tracing::error!(%error, "a listener ended");
            }
        }));
    }

    pub(super) fn publish_listeners(&self) {
        let all = self.listeners.iter().map(|(listener, _)| Arc::clone(listener)).collect();
        self.inner.listeners.store(Arc::new(all));
    }

    // Policy and data.

    /// Compiles and distributes a policy for each route server of `config`, one epoch on.
    pub(super) fn set_policies(
        &self,
        config: &Config,
        which: &[usize],
        drain: bool,
    ) -> Result<(), HandleError> {
        let mut made = Vec::new();
        let epoch = self.inner.epoch.load(Ordering::Acquire) + 1;
        for index in which {
            let policy = compile(config, *index, epoch, &self.slots[*index], drain, &self.rpsl)
                .map_err(|error| HandleError::Config(error.to_string()))?;
            made.push((*index, policy));
        }
        self.inner.epoch.store(epoch, Ordering::Release);
        let servers = self.inner.engine.route_servers.load();
        let data = self.inner.data.load_full();
        for (index, policy) in made {
            for inbox in &*self.inner.engine.inboxes {
                let input = ShardInput::Policy {
                    policy: Arc::clone(&policy),
                    data: RoutingData::clone(&data),
                };
                inbox.push(1, ShardMessage::Input { route_server: index, input });
            }
            servers[index].policy.store(policy);
        }
        Ok(())
    }

    fn drain(&self, on: bool) -> Result<(), HandleError> {
        let config = self.inner.config.load_full();
        let all: Vec<usize> = (0..config.route_servers.len()).collect();
        self.set_policies(&config, &all, on)?;
        self.inner.draining.store(on, Ordering::Release);
        tracing::info!(on, "drain");
        Ok(())
    }

    /// Starts the sources of routing data and gives them time to answer once, so that the first
    /// routes are judged with them. `Some`: a shutdown was asked for meanwhile; other requests
    /// are kept in `early`.
    async fn wait_for_data(
        &mut self,
        requests: &mut UnboundedReceiver<Request>,
        early: &mut Vec<Request>,
    ) -> Option<ShutdownKind> {
        let config = self.inner.config.load_full();
        let mut sources = Sources::start(&config);
        if config.irr.is_none() && config.rpki == config::Rpki::default() {
            self.sources = Some(sources);
            return None;
        }
        let shutdown = async {
            loop {
                match requests.recv().await {
                    Some(Request::Shutdown(kind)) => return kind,
                    // A reload, say: done when there is something to reload.
                    Some(request) => early.push(request),
                    None => return ShutdownKind::Cease,
                }
            }
        };
        // Who asks why nobody is let in is told.
        let inner = Arc::clone(&self.inner);
        let publish = async {
            loop {
                inner.data_status.store(Arc::new(sources.status()));
                tokio::time::sleep(DATA_STATUS_EARLY).await;
            }
        };
        tokio::select! {
            () = publish => {}
            synced = sources.wait_synced(config.exchange.data_wait) => if !synced {
                tracing::warn!("going on without all RPKI and IRR data");
            },
            kind = shutdown => return Some(kind),
        }
        let (data, rpsl) = sources.current();
        self.distribute(&data, |_| Some(Changed::All));
        self.set_rpsl(rpsl);
        self.sources = Some(sources);
        None
    }

    fn on_data_change(&mut self, change: DataChange) {
        self.distribute(&change.data, |policy| change.kind.for_policy(policy));
        self.set_rpsl(change.rpsl);
        self.publish_data_status();
    }

    /// Puts other RPSL policies in force: a new epoch for the route servers that they make a
    /// difference to, and for the sources there whose routes go to others than before.
    fn set_rpsl(&mut self, rpsl: Arc<RpslPolicies>) {
        if *self.rpsl == *rpsl {
            return;
        }
        self.rpsl = rpsl;
        let config = self.inner.config.load_full();
        let drain = self.inner.draining.load(Ordering::Acquire);
        let epoch = self.inner.epoch.load(Ordering::Acquire) + 1;
        let servers = self.inner.engine.route_servers.load();
        let data = self.inner.data.load_full();
        for (index, server) in servers.iter().enumerate().take(config.route_servers.len()) {
            let slots = &self.slots[index];
            let policy = match compile(&config, index, epoch, slots, drain, &self.rpsl) {
                Ok(policy) => policy,
                Err(error) => {
                    tracing::error!(%error, "RPSL policies cannot be put in force");
                    continue;
                }
            };
            let old = server.policy.load_full();
            let differs = |slot: &Slot| {
                let rpsl = |policy: &Policy| policy.peer(*slot).and_then(|peer| peer.rpsl.clone());
                rpsl(&old) != rpsl(&policy)
            };
            if !all_slots(&policy).any(|slot| differs(&slot)) {
                continue;
            }
            let sources = Policy::rpsl_changes(&old, &policy);
            tracing::info!(rs = %server.name, epoch, sources = sources.len(), "RPSL policies changed");
            self.inner.epoch.store(epoch, Ordering::Release);
            for inbox in &*self.inner.engine.inboxes {
                let (policy, data) = (Arc::clone(&policy), RoutingData::clone(&data));
                let input = ShardInput::Receivers { policy, data, sources: sources.clone() };
                inbox.push(1, ShardMessage::Input { route_server: index, input });
            }
            server.policy.store(policy);
        }
    }

    fn publish_data_status(&self) {
        if let Some(sources) = &self.sources {
            self.inner.data_status.store(Arc::new(sources.status()));
        }
    }

    fn distribute(&self, data: &RoutingData, changed: impl Fn(&Policy) -> Option<Changed>) {
        self.inner.data.store(Arc::new(data.clone()));
        for (route_server, policy) in policies(&self.inner).iter().enumerate() {
            let Some(changed) = changed(policy) else { continue };
            for inbox in &*self.inner.engine.inboxes {
                let input = ShardInput::Data { data: data.clone(), changed: changed.clone() };
                inbox.push(1, ShardMessage::Input { route_server, input });
            }
        }
    }

    // Slots.

    async fn free_slots(&mut self) {
        for index in 0..self.slots.len() {
            for (slot, epoch) in self.slots[index].leaving() {
                let clear = self.inner.ask_shards(index, move |shard| is_clear(shard, slot, epoch));
                if clear.await.is_ok_and(|answers| answers.iter().all(|clear| *clear)) {
                    self.slots[index].free(slot);
                }
            }
        }
    }

    // Our own restart.

    /// Until when our OPENs say that we have just restarted (RFC 4724 §3).
    pub(super) fn restarting(&self, route_server: usize) -> Option<Instant> {
        self.restarting.get(route_server).copied().flatten()
    }

    /// Who is to be waited for before members that keep our routes are sent anything.
    fn begin_recovery(&self, config: &Config) {
        let file = RecoveryFile::read(&config.state.directory.join(recovery::FILE));
        let deferral = self.options.restart_deferral.unwrap_or(RESTART_DEFERRAL);
        let until = Instant::now() + deferral;
        for (index, server) in self.inner.engine.route_servers.load().iter().enumerate() {
            // Without restart time members keep nothing, and are not told of a restart.
            if self.restarting(index).is_some() {
                server.recovery.begin(until, file.expected(config, index));
            }
        }
    }

    fn recovery_file(&self) -> RecoveryFile {
        let servers = self.inner.engine.route_servers.load();
        RecoveryFile::new(servers.iter().flat_map(|server| server.recovery.members()))
    }

    /// Notes who keeps our routes, for the process after this one.
    fn note_members(&mut self) {
        if self.is_writing() {
            return;
        }
        let servers = self.inner.engine.route_servers.load();
        // Each has to be asked.
        let changed = servers.iter().filter(|server| server.recovery.take_changed()).count();
        // What could not be written is written when it can be, whether or not there is news.
        let again = self.retry_members.is_some_and(|at| at <= Instant::now());
        let changed =
            changed + usize::from(again && !self.inner.state_written.load(Ordering::Acquire));
        if changed > 0 {
            self.retry_members = Some(Instant::now() + STATE_RETRY);
        }
        if changed > 0 {
            let path = self.recovery_path();
            let file = self.recovery_file();
            self.on_disk(move |written| file.keep(written, &path));
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| !writing.is_finished())
    }

    pub(super) fn write_state(&mut self, path: PathBuf, value: impl Serialize + Send + 'static) {
        self.on_disk(move |written| note_written(written, &path, state_file::write(&path, &value)));
    }

    /// A disk that is full or slow must not hold up anything: written by another thread.
    fn on_disk(&mut self, write: impl FnOnce(&AtomicBool) + Send + 'static) {
        let inner = Arc::clone(&self.inner);
        self.writing = Some(tokio::task::spawn_blocking(move || write(&inner.state_written)));
    }

    fn recovery_path(&self) -> PathBuf {
        self.inner.config.load().state.directory.join(recovery::FILE)
    }

    // The end.

    /// What the next process is to know, as it is while the members are still there.
    async fn last_state(&mut self, kind: ShutdownKind) -> LastState {
        let members = match kind {
            // Nobody was let in: what the process before this one wrote holds.
            _ if !*self.inner.ready.borrow() => None,
            ShutdownKind::Graceful => Some(self.recovery_file()),
            // A graceful end leaves the members their routes; any other one takes them away.
            ShutdownKind::Cease => Some(RecoveryFile::default()),
        };
        LastState { members, learned: self.last_learned().await }
    }

    /// After the NOTIFICATIONs: no member waits for a disk.
    async fn write_last(&mut self, last: LastState) {
        // One file is not written by two at a time; it logs what goes wrong.
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
        let path = self.recovery_path();
        self.on_disk(move |written| {
            if let Some((path, file)) = last.learned {
                note_written(written, &path, state_file::write(&path, &file));
            }
            if let Some(members) = last.members {
                members.keep(written, &path);
            }
        });
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
    }

    async fn end(&mut self, kind: ShutdownKind, last: LastState) {
        tracing::info!(?kind, "stopping");
        self.inner.ready.send_replace(false);
        for (_, task) in &mut self.listeners {
            if let Some(task) = task.take() {
                task.abort();
            }
        }
        // Whoever keeps a handle must not keep the ports.
        self.listeners.clear();
        self.publish_listeners();
        let mut waiting = Vec::new();
        for worker in &*self.inner.workers {
            let (done, finished) = oneshot::channel();
            let text = Some(SHUTDOWN_TEXT.to_owned());
            if worker.send(Command::Shutdown { kind, text, done }).is_ok() {
                waiting.push(finished);
            }
        }
        for finished in waiting {
            if tokio::time::timeout(SHUTDOWN_TIMEOUT * 2, finished).await.is_err() {
                tracing::warn!("a worker takes too long to stop");
            }
        }
        let (bmp, mrt) = (self.bmp.take(), self.mrt.take());
        let bmp = async {
            if let Some(bmp) = bmp {
                bmp.stop().await;
            }
        };
        let mrt = async {
            if let Some(mrt) = mrt {
                mrt.stop().await;
            }
        };
        tokio::join!(
            in_time("the state files", self.write_last(last)),
            in_time("BMP", bmp),
            in_time("MRT", mrt),
        );
        for inbox in &*self.inner.engine.inboxes {
            inbox.push(0, ShardMessage::Stop);
        }
        self.inner.stopped.send_replace(true);
    }
}

/// What the files in the state directory are to say when the process has ended.
struct LastState {
    /// Who keeps our routes; none where that is as before.
    members: Option<RecoveryFile>,
    learned: Option<(PathBuf, LearnedFile)>,
}

/// Waits for one of the last things, but not for ever.
async fn in_time(what: &str, last: impl Future<Output = ()>) {
    if tokio::time::timeout(LAST_WRITES_TIMEOUT, last).await.is_err() {
        tracing::error!("{what}: still not done at the end of the process; the rest is lost");
    }
}

fn all_slots(policy: &Policy) -> impl Iterator<Item = Slot> {
    (0..policy.slots()).filter_map(|slot| u16::try_from(slot).ok().map(Slot))
}

/// The policies in force, by route server.
fn policies(inner: &Inner) -> Vec<Arc<Policy>> {
    let servers = inner.engine.route_servers.load();
    servers.iter().map(|server| server.policy.load_full()).collect()
}

async fn next_change(
    sources: Option<&mut Sources>,
    policies: impl Fn() -> Vec<Arc<Policy>>,
) -> DataChange {
    match sources {
        Some(sources) => sources.next_change(policies).await,
        None => std::future::pending().await,
    }
}
