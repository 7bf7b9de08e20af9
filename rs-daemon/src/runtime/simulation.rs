//! The running parts of one route server without threads, sockets and clocks: whoever owns a
//! [`Simulation`] says which part takes the next step, and what time it is.
//!
//! For the exchange in memory of the tests. Sessions, send queues, dirty sets, lanes, inboxes and
//! shards are those of the daemon; only what waits is left out (tasks, wake-ups, the supervisor).

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bgp_session::{ConnectionId, SessionConfig};
use policy::{Policy, RoutingData, Slot};
use rib::{Changed, Generation, LimitConfig, Shard, ShardConfig, ShardInput};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::daemon::Lanes;
use super::engine::{Engine, EngineStats, RouteServerShared};
use super::inbox::Inbox;
use super::lane::Lane;
pub use super::limits::Limits;
use super::peer_config::PeerConfig;
use super::placement::Placement;
use super::query::SessionAction;
use super::session_task::Peer;
use super::shard_thread::{Delivery, ShardEvent, ShardThread};
use super::slots::{SlotLimit, is_clear};
pub use super::stream::FarEnd;
use super::stream::{self, Stream};
use super::to_shards::ShardMessage;
use super::worker::{Clock, Deliveries, Worker};
use crate::config::{Limit, LimitAction, LimitCount, PrefixLimits, SessionKey};

const ROUTE_SERVER: usize = 0;

/// How large a simulation is.
#[derive(Clone, Debug)]
pub struct Size {
    /// Session workers.
    pub workers: usize,
    /// Shards.
    pub shards: usize,
    /// The bounds of the queues.
    pub limits: Limits,
    /// How the shards are set up.
    pub shard: ShardConfig,
}

/// See the module.
#[derive(Debug)]
pub struct Simulation {
    engine: Arc<Engine>,
    workers: Vec<SimulatedWorker>,
    shards: Vec<ShardThread>,
    now: Rc<Cell<Instant>>,
    data: RoutingData,
    // Kept so that the shards can send.
    _events: UnboundedReceiver<ShardEvent>,
}

#[derive(Debug)]
struct SimulatedWorker {
    worker: Rc<Worker>,
    lanes: Vec<Arc<Lane<Delivery>>>,
    deliveries: Deliveries,
}

impl Simulation {
    /// A route server without sessions.
    pub fn new(size: &Size, policy: &Arc<Policy>, data: RoutingData, now: Instant) -> Self {
        let Size { workers, shards, limits, ref shard } = *size;
        let inbox = || Arc::new(Inbox::with_marks(limits.inbox_high, limits.inbox_low));
        let server = RouteServerShared::new("simulated".into(), Arc::clone(policy));
        let engine = Arc::new(Engine {
            inboxes: (0..shards).map(|_| inbox()).collect(),
            placement: Placement::new(workers),
            route_servers: ArcSwap::from_pointee(vec![Arc::new(server)]),
            stats: EngineStats::default(),
            limits,
            bmp: Arc::default(),
            mrt: Arc::default(),
        });
        let now = Rc::new(Cell::new(now));
        let (events, received) = mpsc::unbounded_channel();
        let lanes = Lanes::new(shards, workers);
        let shards = (0..shards).map(|index| {
            let mut thread = ShardThread::new(
                index,
                Arc::clone(&engine.inboxes[index]),
                vec![Shard::new(shard.clone(), Arc::clone(policy), data.clone())],
                lanes.of_shard(index, limits.lane_octets),
                engine.placement.clone(),
                events.clone(),
                Arc::clone(&engine.stats.shards),
            );
            thread.limits = limits;
            thread
        });
        let shards = shards.collect();
        let workers = (0..workers).map(|index| SimulatedWorker {
            worker: Rc::new(Worker::new(index, &engine, Clock::Virtual(Rc::clone(&now)))),
            lanes: lanes.of_worker(index).0,
            deliveries: Deliveries::default(),
        });
        let workers = workers.collect();
        Self { engine, workers, shards, now, data, _events: received }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Lets time pass. Timers act when their sessions have their turns.
    pub fn advance(&mut self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    fn worker_of(&self, slot: Slot) -> &SimulatedWorker {
        &self.workers[self.engine.placement.worker_of(ROUTE_SERVER, slot)]
    }

    fn peer(&self, slot: Slot) -> Option<Rc<Peer>> {
        self.worker_of(slot).worker.peer(ROUTE_SERVER, slot)
    }

    /// Configures a session; it must be a passive one.
    pub fn add_session(&mut self, slot: Slot, address: IpAddr, session: SessionConfig) {
        let key = SessionKey { route_server: "simulated".into(), address, interface: None };
        let config = PeerConfig {
            key,
            route_server: ROUTE_SERVER,
            slot,
            member: u32::from(slot.0),
            asn: session.peer_as.0,
            name: format!("AS{}", session.peer_as).into(),
            session,
            port: 179,
            password: None,
            tcp_ao: None,
            ttl_security: false,
            local: None,
            listen: [].into(),
            limits: PrefixLimits {
                v4: Limit::Off,
                v6: Limit::Off,
                total: Limit::Off,
                action: LimitAction::Warn,
                count: LimitCount::Received,
                restart_after: Duration::ZERO,
            },
            limit: Arc::new(SlotLimit::new(LimitConfig::default())),
            disabled: None,
        };
        let worker = Rc::clone(&self.worker_of(slot).worker);
        worker.insert(ROUTE_SERVER, slot, Peer::new(Rc::clone(&worker), config));
        worker.shards.flush();
    }

    /// The session is no longer configured. A policy without it is due, and when
    /// [`Self::is_slot_clear`] says so, the slot may be used again.
    pub fn remove_session(&mut self, slot: Slot) {
        self.worker_of(slot).worker.remove(ROUTE_SERVER, slot);
    }

    /// Whether nothing is left that concerns a slot which the policy of `epoch` no longer has.
    pub fn is_slot_clear(&self, slot: Slot, epoch: u64) -> bool {
        self.shards.iter().all(|thread| is_clear(&thread.shards[ROUTE_SERVER], slot, epoch))
    }

    /// The member connects; what the route server sends waits in at most `capacity` octets.
    pub fn connect(&mut self, slot: Slot, capacity: usize) -> FarEnd {
        let (near, far) = stream::connection(capacity);
        if let Some(peer) = self.peer(slot) {
            peer.accepted(Stream::Memory(near));
            self.worker_of(slot).worker.shards.flush();
        }
        far
    }

    /// The session reads, writes and looks at its timers.
    pub fn turn_session(&mut self, slot: Slot) {
        if let Some(peer) = self.peer(slot) {
            // A worker that was told to wait for room asks again with every turn here.
            peer.resume();
            peer.turn();
        }
    }

    /// The generation of the established session and the connection that carries it.
    pub fn established(&self, slot: Slot) -> Option<(Generation, ConnectionId)> {
        let peer = self.peer(slot)?;
        let outbound = peer.outbound.borrow();
        outbound.as_ref().map(|outbound| (outbound.generation, outbound.connection.id))
    }

    /// Whether the established member is behind with anything.
    pub fn is_lagging(&self, slot: Slot) -> bool {
        let Some(peer) = self.peer(slot) else { return false };
        let outbound = peer.outbound.borrow();
        outbound.as_ref().is_some_and(|o| o.is_lagging() || !o.connection.queue.borrow().is_empty())
    }

    /// An operator's wish.
    pub fn act(&mut self, slot: Slot, action: SessionAction) {
        if let Some(peer) = self.peer(slot) {
            peer.act(action);
            self.worker_of(slot).worker.shards.flush();
        }
    }

    /// The worker looks at what a shard has sent to it.
    pub fn turn_worker(&mut self, worker: usize, shard: usize) {
        let SimulatedWorker { worker, lanes, deliveries } = &mut self.workers[worker];
        worker.take_lane(shard, &lanes[shard], deliveries);
        worker.finish(deliveries);
    }

    /// The shard takes its turn. Was there anything to do?
    pub fn turn_shard(&mut self, shard: usize) -> bool {
        self.shards[shard].turn_now()
    }

    /// Whether messages wait between a shard and a worker.
    pub fn is_lane_empty(&self, worker: usize, shard: usize) -> bool {
        self.workers[worker].lanes[shard].is_empty()
    }

    /// What a shard holds.
    pub fn shard(&self, shard: usize) -> &Shard {
        &self.shards[shard].shards[ROUTE_SERVER]
    }

    /// A policy, as the supervisor distributes it.
    pub fn set_policy(&mut self, policy: &Arc<Policy>) {
        let servers = self.engine.route_servers.load();
        for inbox in &*self.engine.inboxes {
            let (policy, data) = (Arc::clone(policy), self.data.clone());
            let input = ShardInput::Policy { policy, data };
            inbox.push(1, ShardMessage::Input { route_server: ROUTE_SERVER, input });
        }
        servers[ROUTE_SERVER].policy.store(Arc::clone(policy));
    }

    /// Routing data, as the supervisor distributes them.
    pub fn set_data(&mut self, data: &RoutingData, changed: &Changed) {
        self.data = data.clone();
        for inbox in &*self.engine.inboxes {
            let input = ShardInput::Data { data: data.clone(), changed: changed.clone() };
            inbox.push(1, ShardMessage::Input { route_server: ROUTE_SERVER, input });
        }
    }

    /// How many batches found a lane full.
    pub fn lagged(&self) -> u64 {
        self.engine.stats.shards.lagged.load(std::sync::atomic::Ordering::Relaxed)
    }
}
