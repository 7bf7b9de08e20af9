//! Starting and ending: threads, listeners, and what ties them together.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use policy::{Policy, RoutingData};
use rib::{Shard, ShardConfig};
use tokio::sync::{mpsc, watch};

use super::ends_all::EndsAll;
use super::engine::{Engine, EngineStats, RouteServerShared};
use super::handle::{Inner, RuntimeHandle};
use super::inbox::Inbox;
use super::lane::{Doorbell, Lane, LaneSender};
use super::limits::Limits;
use super::listener::Listener;
use super::local_sockets::LocalSockets;
use super::peer_config::limit_config;
use super::placement::Placement;
use super::query::ShutdownKind;
use super::registry::Registry;
use super::shard_thread::ShardThread;
use super::slots::SlotTable;
use super::supervisor::Supervisor;
use super::worker::{self, Command};
use crate::bmp::{Collectors, Tap};
use crate::config::{Config, SessionKey};
use crate::irr::RpslPolicies;
use crate::net::NetError;

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener.
    #[error("route server {name}: {source}")]
    Listen {
        /// The route server.
        name: Arc<str>,
        /// What went wrong.
        source: NetError,
    },
    /// A policy that cannot be compiled.
    #[error("route server {name}: {text}")]
    Policy {
        /// The route server.
        name: Arc<str>,
        /// Every error, one a line.
        text: String,
    },
    /// A thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// What is not in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where a reload reads the configuration; none: `reload` needs a path.
    pub config_path: Option<std::path::PathBuf>,
    /// How long after a start members with graceful restart wait for each other's routes at most;
    /// none: a minute.
    pub restart_deferral: Option<Duration>,
    /// Bounds of queues, which tests lower to meet them.
    pub limits: Limits,
    /// Routing data to start with (tests; else nothing is loaded).
    pub data: RoutingData,
}

/// A running route server, in this process and independent of any other in it.
#[derive(Debug)]
pub struct Daemon {
    handle: RuntimeHandle,
    threads: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Opens the listeners and starts the threads.
    ///
    /// # Errors
    /// When an address cannot be listened on, a policy does not compile, or no thread can be made.
    pub fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let workers = count(config.engine.workers);
        // One shard by default: sharding splits inbound UPDATEs and packs worse, and one core
        // decides for any exchange that the lab has tried (docs/performance.md).
        let shards = config.engine.shards.max(1);
        let listeners = open_listeners(&config)?;
        let mut slots = Vec::new();
        let mut policies = Vec::new();
        for index in 0..config.route_servers.len() {
            let mut table = SlotTable::default();
            for session in config.sessions_of(index) {
                table.assign(&session.key, limit_config(&session.limits));
            }
            policies.push(compile(
                &config,
                index,
                FIRST_EPOCH,
                &table,
                false,
                &RpslPolicies::default(),
            )?);
            slots.push(table);
        }
        let placement = Placement::new(workers);
        let engine = Arc::new(Engine {
            inboxes: (0..shards).map(|_| Arc::new(Inbox::default())).collect(),
            placement,
            route_servers: ArcSwap::from_pointee(shared(&config, &policies)),
            stats: EngineStats::default(),
            limits: options.limits,
            bmp: Arc::new(Tap::new(options.limits.bmp_tap_octets)),
            mrt: Arc::default(),
        });
        let mut threads = Vec::new();
        let (events, shard_events) = mpsc::unbounded_channel();
        let lanes = Lanes::new(shards, workers);
        for index in 0..shards {
            let mut thread = ShardThread::new(
                index,
                Arc::clone(&engine.inboxes[index]),
                policies.iter().map(|policy| new_shard(policy, &options.data)).collect(),
                lanes.of_shard(index, options.limits.lane_octets),
                engine.placement.clone(),
                events.clone(),
                Arc::clone(&engine.stats.shards),
            );
            thread.limits = options.limits;
            thread.bmp = Arc::clone(&engine.bmp);
            threads.push(spawn(format!("rs-shard-{index}"), move || thread.run())?);
        }
        let mut commands = Vec::new();
        for index in 0..workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            commands.push(sender);
            let engine = Arc::clone(&engine);
            let (lanes, doorbell) = lanes.of_worker(index);
            threads.push(spawn(format!("rs-worker-{index}"), move || {
                if let Err(error) = worker::run(index, &engine, lanes, doorbell, receiver) {
                    tracing::error!(%error, "a worker cannot run");
                }
            })?);
        }
        let commands: Arc<[mpsc::UnboundedSender<Command>]> = commands.into();
        let (requests, received) = mpsc::unbounded_channel();
        let (stopped, _) = watch::channel(false);
        let inner = Arc::new(Inner {
            engine: Arc::clone(&engine),
            registry: Arc::new(Registry::default()),
            workers: Arc::clone(&commands),
            requests,
            config: ArcSwap::new(Arc::clone(&config)),
            listeners: ArcSwap::default(),
            started: SystemTime::now(),
            reload: Mutex::new((SystemTime::now(), true)),
            draining: AtomicBool::new(false),
            ready: watch::channel(false).0,
            epoch: AtomicU64::new(FIRST_EPOCH),
            data: ArcSwap::from_pointee(options.data.clone()),
            data_status: ArcSwap::default(),
            learned: ArcSwap::default(),
            state_written: AtomicBool::new(true),
            clock_jumps: AtomicU64::new(0),
            local_sockets: LocalSockets::default(),
            bmp_collectors: Collectors::default(),
            mrt: Arc::default(),
            stopped,
        });
        let handle = RuntimeHandle::new(Arc::clone(&inner));
        let supervisor = Supervisor::new(inner, slots, listeners, shard_events, options);
        let (ready, started) = std::sync::mpsc::channel();
        threads.push(spawn("rs-supervisor".to_owned(), move || {
            supervisor.run(received, &ready);
        })?);
        match started.recv() {
            Ok(Ok(())) => Ok(Self { handle, threads }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Thread(io::Error::other("the supervisor ended"))),
        }
    }

    /// What control, HTTP and tests talk to.
    #[must_use]
    pub fn handle(&self) -> &RuntimeHandle {
        &self.handle
    }

    /// Ends it and waits until it has ended.
    pub fn stop(self, kind: ShutdownKind) {
        self.handle.shutdown(kind);
        self.join();
    }

    /// Waits until it has ended.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread panicked");
            }
        }
    }
}

/// The epoch of the policies that a daemon starts with.
pub(crate) const FIRST_EPOCH: u64 = 1;

/// A route server's policy, as the configuration has it.
pub(crate) fn compile(
    config: &Config,
    route_server: usize,
    epoch: u64,
    slots: &SlotTable,
    drain: bool,
    rpsl: &RpslPolicies,
) -> Result<Arc<Policy>, StartError> {
    compile_for(config, route_server, epoch, &slots.keys(), drain, rpsl)
}

/// The same for these slots.
pub(crate) fn compile_for(
    config: &Config,
    route_server: usize,
    epoch: u64,
    slots: &[Option<SessionKey>],
    drain: bool,
    rpsl: &RpslPolicies,
) -> Result<Arc<Policy>, StartError> {
    let name = Arc::clone(&config.route_servers[route_server].name);
    let Some(mut made) = config.policy_config(route_server, epoch, slots) else {
        return Err(StartError::Policy { name, text: "not in the configuration".to_owned() });
    };
    made.drain = drain;
    rpsl.put_into(&mut made);
    Policy::new(made).map(Arc::new).map_err(|errors| {
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        StartError::Policy { name, text }
    })
}

pub(crate) fn new_shard(policy: &Arc<Policy>, data: &RoutingData) -> Shard {
    Shard::new(ShardConfig::default(), Arc::clone(policy), data.clone())
}

/// Until when our OPENs say that we have just restarted (RFC 4724 §3).
pub(crate) fn restarting_until(config: &Config, route_server: usize) -> Option<Instant> {
    let time = config.route_servers[route_server].restart_time;
    (!time.is_zero()).then(|| Instant::now() + time.min(Duration::from_secs(4095)))
}

fn count(configured: usize) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

fn shared(config: &Config, policies: &[Arc<Policy>]) -> Vec<Arc<RouteServerShared>> {
    let each = config.route_servers.iter().zip(policies);
    each.map(|(server, policy)| {
        Arc::new(RouteServerShared::new(Arc::clone(&server.name), Arc::clone(policy)))
    })
    .collect()
}

fn open_listeners(config: &Config) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for (index, server) in config.route_servers.iter().enumerate() {
        for address in &server.listen {
            let name = Arc::clone(&server.name);
            let listener = Listener::open(index, Arc::clone(&name), address.clone())
                .map_err(|source| StartError::Listen { name, source })?;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(move || {
        let _ends_all = EndsAll;
        run();
    })
}

/// The lanes between every shard and every worker.
pub(super) struct Lanes<T> {
    /// By shard, then by worker.
    lanes: Vec<Vec<Arc<Lane<T>>>>,
    doorbells: Vec<Arc<Doorbell>>,
}

impl<T> Lanes<T> {
    pub(super) fn new(shards: usize, workers: usize) -> Self {
        let lane = |_| Arc::new(Lane::default());
        Self {
            lanes: (0..shards).map(|_| (0..workers).map(lane).collect()).collect(),
            doorbells: (0..workers).map(|_| Arc::new(Doorbell::default())).collect(),
        }
    }

    /// Each full from `bound` octets on.
    pub(super) fn of_shard(&self, shard: usize, bound: usize) -> Vec<LaneSender<T>> {
        let both = self.lanes[shard].iter().zip(&self.doorbells);
        both.map(|(lane, doorbell)| {
            let mut sender = LaneSender::new(Arc::clone(lane), Arc::clone(doorbell));
            sender.bound = bound;
            sender
        })
        .collect()
    }

    pub(super) fn of_worker(&self, worker: usize) -> (Vec<Arc<Lane<T>>>, Arc<Doorbell>) {
        let lanes = self.lanes.iter().map(|lanes| Arc::clone(&lanes[worker])).collect();
        (lanes, Arc::clone(&self.doorbells[worker]))
    }
}
