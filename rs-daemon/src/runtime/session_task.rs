//! A configured session on its worker: the task that waits for its sockets and timers, and the
//! ways in which the worker reaches it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bgp_session::StopReason;
use policy::Slot;
use rib::{PeerState, ShardInput, ShardOutput};
use smallvec::SmallVec;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tracing::Span;

use super::connection::Connection;
use super::driver::Driver;
use super::outbound::{Outbound, Request};
use super::peer_config::PeerConfig;
use super::query::{SessionAction, ShutdownKind};
use super::status::SessionStatus;
use super::stream::Stream;
use super::worker::Worker;

/// See the module.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) worker: Rc<Worker>,
    pub(crate) route_server: usize,
    pub(crate) slot: Slot,
    pub(crate) span: Span,
    pub(crate) attention: Arc<Notify>,
    /// Some while established.
    pub(crate) outbound: RefCell<Option<Outbound>>,
    driver: RefCell<Driver>,
    touched: Cell<bool>,
    paused: Cell<bool>,
    /// Closing connections that have not sent their last octets.
    pub(super) lingering: Cell<usize>,
}

/// What the task waits for.
pub(crate) struct Waits {
    pub(crate) deadline: Option<Instant>,
    pub(crate) connections: SmallVec<[Rc<Connection>; 2]>,
    /// Octets that arrive are not read now: a shard's inbox is full.
    pub(crate) reading_paused: bool,
    /// There is more to do at once.
    pub(crate) unfinished: bool,
    /// The session is removed and its task ends.
    pub(crate) ended: bool,
}

impl Peer {
    /// Starts the session's task.
    pub(crate) fn spawn(worker: Rc<Worker>, config: PeerConfig) -> Rc<Self> {
        let peer = Self::new(worker, config);
        let task = peer.worker.engine.stats.tasks.counted(Rc::clone(&peer).run());
        tokio::task::spawn_local(task);
        peer
    }

    /// A session whose turns somebody else gives it.
    pub(crate) fn new(worker: Rc<Worker>, config: PeerConfig) -> Rc<Self> {
        let span = tracing::info_span!(
            "session",
            rs = %config.key.route_server,
            peer = %config.key.address,
            interface = config.key.interface.as_deref(),
            asn = config.asn,
        );
        let now = worker.clock.now();
        let peer = Rc::new(Self {
            worker,
            route_server: config.route_server,
            slot: config.slot,
            span,
            attention: Arc::new(Notify::new()),
            outbound: RefCell::new(None),
            driver: RefCell::new(Driver::new(config, now)),
            touched: Cell::new(false),
            paused: Cell::new(false),
            lingering: Cell::new(0),
        });
        peer.with_driver(|driver, peer| driver.begin(peer));
        peer
    }

    fn with_driver<T>(self: &Rc<Self>, act: impl FnOnce(&mut Driver, &Rc<Self>) -> T) -> T {
        let _entered = self.span.enter();
        let result = act(&mut self.driver.borrow_mut(), self);
        // Timers and connections may have changed.
        self.attention.notify_one();
        result
    }

    async fn run(self: Rc<Self>) {
        loop {
            let waits = self.turn();
            if waits.ended {
                return;
            }
            if waits.unfinished {
                tokio::task::yield_now().await;
                continue;
            }
            if waits.reading_paused && !self.paused.replace(true) {
                self.worker.pause(&self);
            }
            self.wait(&waits).await;
        }
    }

    /// One turn of the session.
    pub(crate) fn turn(self: &Rc<Self>) -> Waits {
        let waits = {
            let _entered = self.span.enter();
            self.driver.borrow_mut().turn(self)
        };
        self.worker.shards.flush();
        waits
    }

    pub(crate) fn now(&self) -> Instant {
        self.worker.clock.now()
    }

    async fn wait(&self, waits: &Waits) {
        let mut attention = pin!(self.attention.notified());
        let timer = waits.deadline.map(|at| tokio::time::sleep_until(at.into()));
        let mut timer = pin!(timer);
        std::future::poll_fn(|cx| {
            let mut ready = attention.as_mut().poll(cx).is_ready();
            if let Some(timer) = timer.as_mut().as_pin_mut() {
                ready |= timer.poll(cx).is_ready();
            }
            for connection in &waits.connections {
                if !waits.reading_paused {
                    ready |= connection.stream.poll_read_ready(cx).is_ready();
                }
                if connection.is_blocked() {
                    ready |= connection.stream.poll_write_ready(cx).is_ready();
                }
            }
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// There is room in the shards' inboxes again.
    pub(crate) fn resume(&self) {
        self.paused.set(false);
        self.attention.notify_one();
    }

    /// The peer has connected.
    pub(crate) fn accepted(self: &Rc<Self>, stream: Stream) {
        self.with_driver(|driver, peer| driver.accepted(peer, stream));
    }

    /// Our attempt has ended.
    pub(crate) fn connected(self: &Rc<Self>, result: std::io::Result<TcpStream>) {
        self.with_driver(|driver, peer| driver.connected(peer, result));
    }

    /// An operator's wish; `false` if the session can't do it.
    pub(crate) fn act(self: &Rc<Self>, action: SessionAction) -> bool {
        self.with_driver(|driver, peer| driver.act(peer, action))
    }

    /// Another configuration for the same session.
    pub(crate) fn reconfigure(self: &Rc<Self>, config: PeerConfig) {
        self.with_driver(|driver, peer| driver.reconfigure(peer, config));
    }

    /// No longer configured.
    pub(crate) fn remove(self: &Rc<Self>) {
        self.with_driver(|driver, peer| driver.remove(peer));
        self.worker.shards.flush();
    }

    /// The process ends.
    pub(crate) fn stop_for_shutdown(self: &Rc<Self>, kind: ShutdownKind, text: Option<String>) {
        let reason = match kind {
            ShutdownKind::Cease => StopReason::AdministrativeShutdown(text),
            ShutdownKind::Graceful => StopReason::GracefulRestart,
        };
        self.with_driver(|driver, peer| driver.stop(peer, reason));
    }

    /// The session as it stands.
    pub(crate) fn status(self: &Rc<Self>) -> SessionStatus {
        self.driver.borrow_mut().status(self)
    }

    /// What the shards were told of it, while it is up.
    pub(crate) fn state(&self) -> Option<PeerState> {
        self.driver.borrow().peer_state.clone()
    }

    /// Says to the BMP station that the session is up, if it is.
    pub(crate) fn tell_station(self: &Rc<Self>) {
        self.driver.borrow().tell_station(self);
    }

    /// Notes that the delivery loop has something to finish here.
    pub(crate) fn touch(self: &Rc<Self>, touched: &mut Vec<Rc<Self>>) {
        if !self.touched.replace(true) {
            touched.push(Rc::clone(self));
        }
    }

    /// Ends a turn of deliveries: writes, and asks for what is due.
    pub(crate) fn after_delivery(self: &Rc<Self>) {
        self.touched.set(false);
        let lost = {
            let mut outbound = self.outbound.borrow_mut();
            let Some(outbound) = &mut *outbound else { return };
            outbound.connection.flush();
            self.advance(outbound);
            outbound.is_beyond_recovery()
        };
        if lost {
            tracing::warn!(parent: &self.span, "the peer is too far behind to be brought up to date");
            self.with_driver(|driver, peer| driver.stop(peer, StopReason::OutOfResources));
        }
    }

    /// Says what is due, and writes it.
    pub(crate) fn advance(&self, outbound: &mut Outbound) {
        let mut requests = Vec::new();
        outbound.advance(&mut requests);
        outbound.connection.flush();
        self.request(outbound, requests);
    }

    /// Sends requests to shards.
    pub(crate) fn request(&self, outbound: &Outbound, requests: Vec<Request>) {
        let (slot, generation) = (outbound.slot, outbound.generation);
        for (shard, scope) in requests {
            let input = ShardInput::Resync { slot, generation, scope };
            self.worker.shards.push(shard, self.route_server, input);
        }
    }

    /// What a shard says about the session's prefix limit.
    pub(crate) fn on_shard_event(self: &Rc<Self>, event: &ShardOutput) {
        self.with_driver(|driver, peer| driver.on_shard_event(peer, event));
    }
}
