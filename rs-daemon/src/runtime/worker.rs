//! A session worker: a thread with a current-thread runtime that owns sessions and their send
//! queues.
//!
//! ```text
//!            commands ──► sessions (one task each: reads, timers, blocked writes)
//!                             │ ingest                      ▲ wakes when blocked
//!                             ▼                             │
//!                       shard inboxes       lanes ──► delivery loop ──► queues ──► sockets
//! ```
//!
//! The delivery loop pushes a batch to the queue of each member that it names and then writes each
//! touched queue once: no task wakes for a batch, and a turn costs each member one system call.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use policy::Slot;
use rib::{Batch, PeerState, ShardOutput};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, oneshot};
use tokio::task::LocalSet;

use crate::bmp::Event;

use super::ends_all::EndsAll;
use super::engine::Engine;
use super::lane::{Doorbell, Lane};
use super::limits::{READ_BUFFER_OCTETS, SHUTDOWN_TIMEOUT};
use super::peer_config::PeerConfig;
use super::query::{SessionAction, ShutdownKind};
use super::session_task::Peer;
use super::shard_thread::{Delivered, Delivery};
use super::status::SessionStatus;
use super::to_shards::ToShards;

/// Which sessions are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// All here.
    All,
    /// Those of a route server.
    Of(usize),
    /// That of a slot.
    One(usize, Slot),
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// A session is new, or its configuration has changed.
    Configure(Box<PeerConfig>),
    /// A session is no longer configured. Answered when nothing of it is left here.
    Remove { route_server: usize, slot: Slot, done: oneshot::Sender<()> },
    /// A connection from a configured peer.
    Accepted { route_server: usize, slot: Slot, stream: std::net::TcpStream },
    /// An operator's wish.
    Act { route_server: usize, slot: Slot, action: SessionAction, done: oneshot::Sender<bool> },
    /// The state of sessions here.
    Snapshot { which: Which, answer: oneshot::Sender<Vec<SessionStatus>> },
    /// What the shards were told of the sessions of a route server that are up.
    Established { route_server: usize, answer: oneshot::Sender<Vec<(Slot, PeerState)>> },
    /// Tells the BMP station of every session that is up.
    TellStation { question: u64 },
    /// Ends all sessions and the thread.
    Shutdown { kind: ShutdownKind, text: Option<String>, done: oneshot::Sender<()> },
}

/// Where a worker's time comes from.
#[derive(Debug)]
pub(crate) enum Clock {
    Real,
    /// Of a simulation.
    Virtual(Rc<Cell<Instant>>),
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Real => Instant::now(),
            Self::Virtual(now) => now.get(),
        }
    }
}

/// What one look at the lanes leads to.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    taken: VecDeque<Delivery>,
    touched: Vec<Rc<Peer>>,
    events: Vec<(Rc<Peer>, ShardOutput)>,
}

/// What the sessions of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) engine: Arc<Engine>,
    pub(crate) shards: ToShards,
    pub(crate) clock: Clock,
    /// By route server and slot.
    peers: RefCell<Vec<Vec<Option<Rc<Peer>>>>>,
    /// Sessions that stopped reading because a shard's inbox is full.
    paused: RefCell<Vec<Rc<Peer>>>,
    /// Rung by shards when there is room again.
    pub(crate) room: Arc<Notify>,
    pub(crate) read_buffer: RefCell<Vec<u8>>,
    /// Closing connections that have not sent their last octets.
    pub(crate) lingering: Cell<usize>,
}

/// Runs a worker until it is told to shut down.
pub(crate) fn run(
    index: usize,
    engine: &Arc<Engine>,
    lanes: Vec<Arc<Lane<Delivery>>>,
    doorbell: Arc<Doorbell>,
    commands: UnboundedReceiver<Command>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker::new(index, engine, Clock::Real));
    let local = LocalSet::new();
    let (deliver, resume) =
        (Rc::clone(&worker).deliver(lanes, doorbell), Rc::clone(&worker).resume_paused());
    local.spawn_local(EndsAll::with(deliver));
    local.spawn_local(EndsAll::with(resume));
    local.block_on(&runtime, Rc::clone(&worker).obey(commands));
    // Peers hold their worker: break the circle.
    worker.peers.take();
    Ok(())
}

impl Worker {
    pub(crate) fn new(index: usize, engine: &Arc<Engine>, clock: Clock) -> Self {
        Self {
            index,
            engine: Arc::clone(engine),
            shards: ToShards::new(Arc::clone(&engine.inboxes)),
            clock,
            peers: RefCell::default(),
            paused: RefCell::default(),
            room: Arc::new(Notify::new()),
            read_buffer: RefCell::new(vec![0; READ_BUFFER_OCTETS]),
            lingering: Cell::new(0),
        }
    }

    pub(crate) fn peer(&self, route_server: usize, slot: Slot) -> Option<Rc<Peer>> {
        self.peers.borrow().get(route_server)?.get(slot.index())?.clone()
    }

    fn all(&self) -> Vec<Rc<Peer>> {
        self.peers.borrow().iter().flatten().flatten().cloned().collect()
    }

    async fn obey(self: Rc<Self>, mut commands: UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Configure(config) => self.configure(*config),
                Command::Remove { route_server, slot, done } => {
                    self.remove(route_server, slot);
                    let _ = done.send(());
                }
                Command::Accepted { route_server, slot, stream } => {
                    self.accepted(route_server, slot, stream);
                }
                Command::Act { route_server, slot, action, done } => {
                    let peer = self.peer(route_server, slot);
                    let found = peer.is_some_and(|peer| peer.act(action));
                    let _ = done.send(found);
                }
                Command::Snapshot { which, answer } => {
                    let _ = answer.send(self.snapshot(which));
                }
                Command::Established { route_server, answer } => {
                    let _ = answer.send(self.established(route_server));
                }
                Command::TellStation { question } => {
                    self.all().iter().for_each(|peer| peer.tell_station());
                    self.engine.bmp.push(Event::AllUp { question });
                }
                Command::Shutdown { kind, text, done } => {
                    self.shutdown(kind, text).await;
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn configure(self: &Rc<Self>, config: PeerConfig) {
        let (route_server, slot) = (config.route_server, config.slot);
        if let Some(peer) = self.peer(route_server, slot) {
            peer.reconfigure(config);
            return;
        }
        self.insert(route_server, slot, Peer::spawn(Rc::clone(self), config));
    }

    pub(crate) fn insert(&self, route_server: usize, slot: Slot, peer: Rc<Peer>) {
        let mut peers = self.peers.borrow_mut();
        if peers.len() <= route_server {
            peers.resize_with(route_server + 1, Vec::new);
        }
        let slots = &mut peers[route_server];
        if slots.len() <= slot.index() {
            slots.resize_with(slot.index() + 1, || None);
        }
        slots[slot.index()] = Some(peer);
    }

    pub(crate) fn remove(&self, route_server: usize, slot: Slot) {
        let peer = self
            .peers
            .borrow_mut()
            .get_mut(route_server)
            .and_then(|slots| slots.get_mut(slot.index()))
            .and_then(Option::take);
        if let Some(peer) = peer {
            peer.remove();
        }
    }

    fn accepted(&self, route_server: usize, slot: Slot, stream: std::net::TcpStream) {
        // The session may have been removed since the listener looked.
        let Some(peer) = self.peer(route_server, slot) else { return };
        match TcpStream::from_std(stream) {
            Ok(stream) => peer.accepted(stream.into()),
            Err(error) => tracing::warn!(%error, "cannot take over a connection"),
        }
    }

    fn snapshot(&self, which: Which) -> Vec<SessionStatus> {
        let peers = match which {
            Which::All => self.all(),
            Which::Of(route_server) => {
                self.all().into_iter().filter(|peer| peer.route_server == route_server).collect()
            }
            Which::One(route_server, slot) => self.peer(route_server, slot).into_iter().collect(),
        };
        peers.iter().map(|peer| peer.status()).collect()
    }

    fn established(&self, route_server: usize) -> Vec<(Slot, PeerState)> {
        let peers = self.peers.borrow();
        let slots = peers.get(route_server).into_iter().flatten().flatten();
        slots.filter_map(|peer| Some((peer.slot, peer.state()?))).collect()
    }

    async fn shutdown(&self, kind: ShutdownKind, text: Option<String>) {
        for peer in self.all() {
            peer.stop_for_shutdown(kind, text.clone());
        }
        let deadline = tokio::time::Instant::now() + SHUTDOWN_TIMEOUT;
        while self.lingering.get() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// A session can't read while a shard's inbox is full.
    pub(crate) fn pause(&self, peer: &Rc<Peer>) {
        self.engine.stats.inbox_full.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.paused.borrow_mut().push(Rc::clone(peer));
    }

    async fn resume_paused(self: Rc<Self>) {
        loop {
            self.room.notified().await;
            for peer in self.paused.take() {
                peer.resume();
            }
        }
    }

    async fn deliver(self: Rc<Self>, lanes: Vec<Arc<Lane<Delivery>>>, doorbell: Arc<Doorbell>) {
        let mut deliveries = Deliveries::default();
        loop {
            doorbell.heard().await;
            for (shard, lane) in lanes.iter().enumerate() {
                self.take_lane(shard, lane, &mut deliveries);
            }
            self.finish(&mut deliveries);
        }
    }

    /// Hands out what a shard has sent; [`Self::finish`] is due afterwards.
    pub(crate) fn take_lane(
        &self,
        shard: usize,
        lane: &Lane<Delivery>,
        deliveries: &mut Deliveries,
    ) {
        let now = self.clock.now();
        let Deliveries { taken, touched, events } = deliveries;
        lane.take(taken);
        let peers = self.peers.borrow();
        for delivery in taken.drain(..) {
            self.distribute(&peers, shard, delivery, now, touched, events);
        }
    }

    fn distribute(
        &self,
        peers: &[Vec<Option<Rc<Peer>>>],
        shard: usize,
        delivery: Delivery,
        now: Instant,
        touched: &mut Vec<Rc<Peer>>,
        events: &mut Vec<(Rc<Peer>, ShardOutput)>,
    ) {
        let Some(peers) = peers.get(delivery.route_server) else { return };
        let peer = |slot: Slot| peers.get(slot.index()).and_then(Option::as_ref);
        match delivery.what {
            Delivered::Output(ShardOutput::Batch(batch)) => {
                self.push_batch(peers, shard, delivery.route_server, &batch, touched);
                if let Some(received) = batch.received {
                    self.engine.stats.propagation.record(now.saturating_duration_since(received));
                }
            }
            Delivered::Lagged(family, nlri) => {
                for peer in peers.iter().flatten() {
                    if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                        outbound.on_lagged(shard, family, &nlri);
                        peer.touch(touched);
                    }
                }
            }
            Delivered::Output(ShardOutput::Up { slot, generation }) => {
                let Some(peer) = peer(slot) else { return };
                if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                    outbound.on_up(shard, generation);
                }
            }
            Delivered::Output(ShardOutput::ResyncEnd { slot, generation, table, more, .. }) => {
                let Some(peer) = peer(slot) else { return };
                if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                    outbound.on_resync_end(shard, generation, table, more);
                    peer.touch(touched);
                }
            }
            Delivered::Output(
                output @ (ShardOutput::LimitWarning { slot, .. }
                | ShardOutput::LimitExceeded { slot, .. }
                | ShardOutput::LimitRoom { slot, .. }),
            ) => {
                let Some(peer) = peer(slot) else { return };
                events.push((Rc::clone(peer), output));
            }
            Delivered::Output(
                ShardOutput::ResyncBegin { .. }
                | ShardOutput::Purged { .. }
                | ShardOutput::PolicyApplied { .. },
            ) => {}
        }
    }

    fn push_batch(
        &self,
        peers: &[Option<Rc<Peer>>],
        shard: usize,
        route_server: usize,
        batch: &Batch,
        touched: &mut Vec<Rc<Peer>>,
    ) {
        let placement = &self.engine.placement;
        placement.each(route_server, self.index, &batch.peers, |slot| {
            let Some(Some(peer)) = peers.get(slot.index()) else { return };
            if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                outbound.on_batch(shard, batch);
                peer.touch(touched);
            }
        });
    }

    /// Ends a turn of deliveries: one write for each member touched.
    pub(crate) fn finish(&self, deliveries: &mut Deliveries) {
        let Deliveries { touched, events, .. } = deliveries;
        let begun = Instant::now();
        let any = !touched.is_empty();
        for peer in touched.drain(..) {
            peer.after_delivery();
        }
        for (peer, event) in events.drain(..) {
            peer.on_shard_event(&event);
        }
        self.shards.flush();
        if any {
            self.engine.stats.flush.record(begun.elapsed());
        }
    }
}
