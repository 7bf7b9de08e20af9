//! Drives one session's state machine: octets, timers and wishes in; messages, routes and
//! connections out. Everything here runs to its end without waiting.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bgp_session::{
    ConnectionId, Direction, DownReason, Input, Negotiated, Output, Session, State, StopReason,
};
use bgp_wire::{Families, Family, MessageType, RouteRefresh};
use bytes::Bytes;
use rib::{PeerState, ShardInput, ShardOutput};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::connection::Connection;
use super::inbound::Inbound;
use super::linger;
use super::outbound::Outbound;
use super::peer_config::{PeerConfig, limit_config, limit_of, restart_after};
use super::query::SessionAction;
use super::session_task::{Peer, Waits};
use super::status::{MalformedCounters, NotificationStatus};
use super::stream::Stream;
use crate::net::{self, Protection};

/// Stale routes of a peer that has come back are kept no longer than this without its End-of-RIB.
const END_OF_RIB_WAIT: Duration = Duration::from_secs(360);

/// See the module.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) config: PeerConfig,
    pub(super) session: Session,
    pub(super) connections: Vec<Rc<Connection>>,
    next_connection: u32,
    connecting: Option<AbortHandle>,
    inbound: Option<Inbound>,
    /// Of the established session, also while it goes down.
    pub(super) negotiated: Option<Box<Negotiated>>,
    /// What the shards were told of it.
    pub(super) peer_state: Option<PeerState>,
    /// The socket of the established connection was full when we looked last.
    told_blocked: bool,
    /// Families of which the peer has not sent all it has.
    incomplete: Families,
    stale: Option<Stale>,
    removed: bool,
    pub(super) disabled: Option<String>,
    pub(super) malformed: MalformedCounters,
    pub(super) since: SystemTime,
    pub(super) established_at: SystemTime,
    state: State,
    pub(super) last_down: Option<End>,
    pub(super) last_notification: Option<NotificationStatus>,
    pub(super) received_octets: u64,
    pub(super) sent_octets_before: u64,
}

/// Routes kept over the peer's restart (RFC 4724, RFC 9494).
#[derive(Debug)]
struct Stale {
    families: Families,
    /// By family.
    until: [Instant; 2],
    /// When `until` has passed: so long as long-lived stale ones, by family.
    long_lived: [Option<Duration>; 2],
}

impl Stale {
    /// When something is to be done next.
    fn next(&self) -> Option<Instant> {
        self.families.iter().map(|family| self.until[family.index()]).min()
    }

    /// Families whose time is over: those that are gone, and those whose routes live on as
    /// long-lived stale ones for a time of their own (RFC 9494 §4.2).
    fn take_due(&mut self, now: Instant) -> (Families, Families) {
        let (mut gone, mut long) = (Families::NONE, Families::NONE);
        let due: Families =
            self.families.iter().filter(|family| self.until[family.index()] <= now).collect();
        for family in due.iter() {
            let time = self.long_lived[family.index()].take().filter(|time| !time.is_zero());
            if let Some(time) = time {
                self.until[family.index()] = now + time;
                long.insert(family);
            } else {
                self.families.remove(family);
                gone.insert(family);
            }
        }
        (gone, long)
    }
}

/// The end of a session.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) text: String,
    pub(super) at: SystemTime,
    /// The same, on the clock of the session.
    pub(super) seen: Instant,
}

/// What was said at an end.
pub(super) fn notification_status(
    reason: &DownReason,
    at: SystemTime,
) -> Option<NotificationStatus> {
    let (notification, sent) = reason.notification()?;
    Some(NotificationStatus {
        sent,
        code: notification.code,
        subcode: notification.subcode,
        text: notification.to_string(),
        at,
    })
}

impl Driver {
    pub(super) fn new(config: PeerConfig, now: Instant) -> Self {
        let session = Session::new(config.session.clone(), now);
        Self {
            config,
            session,
            connections: Vec::new(),
            next_connection: 0,
            connecting: None,
            inbound: None,
            negotiated: None,
            peer_state: None,
            told_blocked: false,
            incomplete: Families::NONE,
            stale: None,
            removed: false,
            disabled: None,
            malformed: MalformedCounters::default(),
            since: SystemTime::now(),
            established_at: SystemTime::now(),
            state: State::Idle,
            last_down: None,
            last_notification: None,
            received_octets: 0,
            sent_octets_before: 0,
        }
    }

    /// The session is new.
    pub(super) fn begin(&mut self, peer: &Rc<Peer>) {
        match self.config.disabled.clone() {
            Some(reason) => {
                tracing::info!(%reason, "kept down by the configuration");
                self.disabled = Some(reason.to_string());
            }
            None => self.input(peer, Input::Start),
        }
    }

    /// One turn: writes, reads, timers. Says what to wait for.
    pub(super) fn turn(&mut self, peer: &Rc<Peer>) -> Waits {
        let now = peer.now();
        self.write(peer, now);
        let reading_paused = self.established() && self.wait_for_room(peer);
        let unread = !reading_paused && self.read(peer, now);
        self.time_out(peer, now, unread || reading_paused);
        let held_until = self.hold(peer, now);
        if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
            peer.advance(outbound);
            let (updates, refreshes) = outbound.take_sent();
            self.session.count_sent(MessageType::Update, updates);
            self.session.count_sent(MessageType::RouteRefresh, refreshes);
        }
        let deadline = self.session.poll_timeout();
        Waits {
            deadline: deadline
                .into_iter()
                .chain(self.stale.as_ref().and_then(Stale::next))
                .chain(held_until)
                .min(),
            connections: self.connections.iter().cloned().collect(),
            reading_paused,
            unfinished: unread || self.connections.iter().any(|c| c.is_unfinished()),
            ended: self.removed,
        }
    }

    fn established(&self) -> bool {
        self.inbound.is_some()
    }

    /// Whether reading has to wait; who asks is woken when it need not.
    fn wait_for_room(&self, peer: &Peer) -> bool {
        peer.worker.shards.full().is_some_and(|inbox| inbox.wake_when_room(&peer.worker.room))
    }

    fn write(&mut self, peer: &Rc<Peer>, now: Instant) {
        for connection in self.connections.clone() {
            connection.retry();
            if connection.is_broken() {
                self.input_at(peer, now, Input::ConnectionClosed { id: connection.id });
                self.forget(connection.id);
            }
        }
        let carrier = peer.outbound.borrow().as_ref().map(|o| Rc::clone(&o.connection));
        let Some(carrier) = carrier else {
            self.told_blocked = false;
            return;
        };
        if carrier.take_progress() && self.told_blocked {
            self.told_blocked = false;
            self.input_at(peer, now, Input::SendProgress);
        }
        if carrier.is_blocked() && !self.told_blocked {
            self.told_blocked = true;
            self.input_at(peer, now, Input::SendBlocked);
        }
    }

    /// Reads a turn's share. `true`: there is more.
    fn read(&mut self, peer: &Rc<Peer>, now: Instant) -> bool {
        let mut buffer = std::mem::take(&mut *peer.worker.read_buffer.borrow_mut());
        let mut left = peer.worker.engine.limits.read_turn_octets;
        let mut more = false;
        for connection in self.connections.clone() {
            while self.connections.iter().any(|c| c.id == connection.id) {
                if left == 0 {
                    more = true;
                    break;
                }
                let id = connection.id;
                match connection.read(&mut buffer) {
                    Ok(None) => break,
                    Ok(Some(0)) | Err(_) => {
                        self.input_at(peer, now, Input::ConnectionClosed { id });
                        self.forget(id);
                    }
                    Ok(Some(n)) => {
                        left = left.saturating_sub(n);
                        self.received_octets += n as u64;
                        self.input_at(peer, now, Input::Octets { id, octets: &buffer[..n] });
                    }
                }
            }
        }
        *peer.worker.read_buffer.borrow_mut() = buffer;
        more
    }

    fn time_out(&mut self, peer: &Rc<Peer>, now: Instant, may_be_unread: bool) {
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            // Our own back-pressure must not kill a peer: say what waits in the kernel.
            let unread =
                may_be_unread && self.connections.iter().any(|c| c.stream.has_unread_input());
            self.session.handle_timeout(now, unread);
            self.pump(peer, now);
        }
        if self.stale.as_ref().and_then(Stale::next).is_some_and(|at| at <= now) {
            self.stale_time_over(peer, now);
        }
    }

    /// After our own restart: until when nothing is sent to this peer at the latest. When that is
    /// over, its first walk begins.
    fn hold(&mut self, peer: &Peer, now: Instant) -> Option<Instant> {
        let mut outbound = peer.outbound.borrow_mut();
        let outbound = outbound.as_mut().filter(|outbound| outbound.is_held())?;
        let servers = peer.worker.engine.route_servers.load();
        if let Some(until) = servers.get(peer.route_server)?.recovery.held(now) {
            return Some(until);
        }
        let mut requests = Vec::new();
        outbound.release(&mut requests);
        peer.request(outbound, requests);
        None
    }

    /// Tells the session something, and does what comes out.
    fn input(&mut self, peer: &Rc<Peer>, input: Input<'_>) {
        self.input_at(peer, peer.now(), input);
    }

    fn input_at(&mut self, peer: &Rc<Peer>, now: Instant, input: Input<'_>) {
        self.session.handle(now, input);
        self.pump(peer, now);
    }

    fn pump(&mut self, peer: &Rc<Peer>, now: Instant) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Update { body } => self.update(peer, now, &body),
                Output::Transmit { id, octets } => {
                    if let Some(connection) = self.connection(id) {
                        connection.push_urgent(octets);
                    }
                }
                Output::Connect => self.connect(peer),
                Output::CancelConnect => {
                    if let Some(attempt) = self.connecting.take() {
                        attempt.abort();
                    }
                }
                Output::Close { id, linger } => self.close(peer, id, linger),
                Output::Established(negotiated) => {
                    self.up(peer, now, &negotiated);
                    self.negotiated = Some(negotiated);
                }
                Output::RouteRefresh(refresh) => self.on_route_refresh(peer, now, refresh),
                Output::Down(reason) => self.down(peer, now, &reason),
                Output::StateChanged(state) => self.state_changed(peer, state),
            }
        }
    }

    fn connection(&self, id: ConnectionId) -> Option<&Rc<Connection>> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    fn update(&mut self, peer: &Rc<Peer>, now: Instant, body: &Bytes) {
        self.record_update(peer, body);
        let Some(inbound) = &mut self.inbound else { return };
        let servers = peer.worker.engine.route_servers.load();
        let Some(server) = servers.get(peer.route_server) else { return };
        let policy = server.policy.load();
        match inbound.on_update(body, now, &policy, &mut self.malformed, &peer.worker.shards) {
            Ok(None) => {}
            Ok(Some(family)) => self.end_of_rib(peer, now, family),
            // What was pushed before it is still valid; what is behind it, the session drops.
            Err(notification) => {
                self.session.handle(now, Input::UpdateFault(notification));
            }
        }
    }

    fn up(&mut self, peer: &Rc<Peer>, now: Instant, negotiated: &Negotiated) {
        let Some(connection) = self.connection(negotiated.connection).cloned() else {
            debug_assert!(false, "established on a connection that is not there");
            return;
        };
        let servers = peer.worker.engine.route_servers.load();
        let Some(server) = servers.get(peer.route_server) else { return };
        let (slot, generation) = (peer.slot, server.next_generation());
        self.told_blocked = false;
        let context = negotiated.decode;
        self.inbound = Some(Inbound::new(peer.route_server, slot, generation, context));
        let state = PeerState {
            families: negotiated.families,
            profile: negotiated.profile,
            extended_next_hop: negotiated.extended_next_hop,
            long_lived_graceful_restart: negotiated.peer_llgr.iter().any(Option::is_some),
            router_id: negotiated.peer_router_id,
            address: self.config.key.address,
            limit: std::sync::Arc::clone(&self.config.limit),
        };
        // Ahead of the shards, which may say something of the session at once.
        self.established_at = SystemTime::now();
        self.say_up(peer, negotiated, generation, &connection);
        let shards = &peer.worker.shards;
        shards.push_all(peer.route_server, || ShardInput::Up {
            slot,
            generation,
            peer: state.clone(),
        });
        self.peer_state = Some(state);
        self.incomplete = negotiated.families;
        let graceful = negotiated.peer_graceful_restart.as_ref();
        let held = server.recovery.established(&self.config.key, graceful, now, &peer.attention);
        let mut requests = Vec::new();
        let limits = peer.worker.engine.limits;
        let count = shards.count();
        let mut outbound = Outbound::new(slot, generation, connection, negotiated, count, limits);
        if !held {
            outbound.release(&mut requests);
        }
        peer.request(&outbound, requests);
        *peer.outbound.borrow_mut() = Some(outbound);
        self.resolve_stale(peer, now, negotiated);
        tracing::info!(
            router_id = %negotiated.peer_router_id,
            hold_time = negotiated.hold_time.as_secs(),
            "established"
        );
    }

    fn down(&mut self, peer: &Rc<Peer>, now: Instant, reason: &DownReason) {
        let Some(outbound) = peer.outbound.borrow_mut().take() else { return };
        self.inbound = None;
        self.peer_state = None;
        if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
            server.recovery.down(&self.config.key);
        }
        self.sent_octets_before += outbound.connection.sent_octets();
        outbound.connection.queue.borrow_mut().drop_data();
        let negotiated = self.negotiated.take();
        let keeps = negotiated.filter(|negotiated| reason.keeps_routes(negotiated));
        // Families that the peer's graceful restart does not name are not kept (RFC 4724 §4.2).
        let mut unnamed = Families::NONE;
        let stale = keeps.and_then(|negotiated| {
            let restart = negotiated.peer_graceful_restart.as_ref()?;
            unnamed = negotiated
                .families
                .iter()
                .filter(|family| !restart.families.contains(*family))
                .collect();
            Some(Stale {
                families: restart.families,
                until: [now + restart.restart_time; 2],
                long_lived: negotiated.peer_llgr,
            })
        });
        let (slot, generation) = (outbound.slot, outbound.generation);
        let keep = stale.is_some();
        peer.worker.shards.push_all(peer.route_server, || ShardInput::Down {
            slot,
            generation,
            stale: keep,
        });
        sweep(peer, unnamed);
        self.stale = stale;
        self.say_down(peer, generation, reason);
        self.note_end(now, reason);
    }

    fn note_end(&mut self, now: Instant, reason: &DownReason) {
        let hint = reason.hint();
        tracing::info!(%reason, hint, "down");
        let end = End { text: reason.to_string(), at: SystemTime::now(), seen: now };
        if let Some(said) = notification_status(reason, end.at) {
            self.last_notification = Some(said);
        }
        self.last_down = Some(end);
    }

    fn state_changed(&mut self, peer: &Peer, state: State) {
        let before = std::mem::replace(&mut self.state, state);
        self.record_state(peer, before, state);
        self.since = SystemTime::now();
        tracing::debug!(%state, "state");
    }

    // Graceful restart of the peer.

    /// The peer is back: what it does not say to have kept goes now (RFC 4724 §4.2), the rest at
    /// its End-of-RIB.
    fn resolve_stale(&mut self, peer: &Peer, now: Instant, negotiated: &Negotiated) {
        let Some(stale) = &mut self.stale else { return };
        let kept =
            negotiated.peer_graceful_restart.as_ref().map_or(Families::NONE, |r| r.forwarding);
        let gone: Families = stale.families.iter().filter(|f| !kept.contains(*f)).collect();
        stale.families = stale.families.intersection(kept);
        stale.until = [now + END_OF_RIB_WAIT; 2];
        stale.long_lived = [None; 2];
        sweep(peer, gone);
        if stale.families.is_empty() {
            self.stale = None;
        }
    }

    fn stale_time_over(&mut self, peer: &Peer, now: Instant) {
        let Some(stale) = &mut self.stale else { return };
        let (gone, long) = stale.take_due(now);
        if stale.families.is_empty() {
            self.stale = None;
        }
        sweep(peer, gone);
        if !long.is_empty() {
            let slot = peer.slot;
            peer.worker.shards.push_all(peer.route_server, || ShardInput::LongLivedStale {
                slot,
                families: long,
            });
        }
    }

    fn end_of_rib(&mut self, peer: &Peer, now: Instant, family: Family) {
        let Some(outbound) = &*peer.outbound.borrow() else { return };
        let (slot, generation) = (outbound.slot, outbound.generation);
        peer.worker.shards.push_all(peer.route_server, || ShardInput::EndOfRib {
            slot,
            generation,
            family,
        });
        if let Some(stale) = &mut self.stale {
            stale.families.remove(family);
            if stale.families.is_empty() {
                self.stale = None;
            }
        }
        self.incomplete.remove(family);
        if self.incomplete.is_empty() {
            // Who is released by this asks the shards for what stands ahead of it here.
            peer.worker.shards.flush();
            if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
                server.recovery.end_of_rib(&self.config.key, now);
            }
        }
    }

    fn on_route_refresh(&mut self, peer: &Peer, now: Instant, refresh: RouteRefresh) {
        let Some(family) = refresh.family() else { return };
        // RFC 7313 §4: a peer that has not named the capability knows no BoRR and EoRR, and removes
        // nothing by them.
        let enhanced =
            peer.outbound.borrow().as_ref().is_some_and(Outbound::knows_enhanced_refresh);
        match refresh.subtype {
            1 | 2 if !enhanced => {}
            0 => {
                if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                    outbound.on_refresh_request(family);
                }
            }
            1 => {
                let Some(outbound) = &*peer.outbound.borrow() else { return };
                let (slot, generation) = (outbound.slot, outbound.generation);
                peer.worker.shards.push_all(peer.route_server, || ShardInput::MarkStale {
                    slot,
                    generation,
                    family,
                });
            }
            2 => self.end_of_rib(peer, now, family),
            // RFC 7313 §5: other subtypes are ignored.
            _ => {}
        }
    }

    // Connections.

    fn add_connection(&mut self, peer: &Rc<Peer>, stream: Stream, direction: Direction) {
        let id = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        let connection = Connection::new(id, stream, std::sync::Arc::clone(&peer.attention));
        self.connections.push(Rc::new(connection));
        self.input(peer, Input::ConnectionOpened { id, direction });
    }

    pub(super) fn accepted(&mut self, peer: &Rc<Peer>, stream: Stream) {
        self.add_connection(peer, stream, Direction::Inbound);
    }

    fn connect(&mut self, peer: &Rc<Peer>) {
        let socket = self.outgoing_socket();
        let (peer, tasks) = (Rc::clone(peer), peer.worker.engine.stats.tasks.clone());
        let attempt = tokio::task::spawn_local(tasks.counted(async move {
            let result = match socket {
                Ok((socket, remote)) => socket.connect(remote).await,
                Err(error) => Err(error),
            };
            peer.connected(result);
        }));
        self.connecting = Some(attempt.abort_handle());
    }

    fn outgoing_socket(&self) -> io::Result<(TcpSocket, std::net::SocketAddr)> {
        let remote = self.config.remote().map_err(io::Error::other)?;
        let local = self.config.local().map_err(io::Error::other)?;
        let key = self.config.password.as_ref().map(|password| password.expose().as_bytes());
        let ttl_security = self.config.ttl_security;
        let protection = Protection { md5_key: key, ao: self.config.tcp_ao.as_ref(), ttl_security };
        let socket = net::outgoing(local, remote, protection).map_err(io::Error::other)?;
        Ok((TcpSocket::from_std_stream(socket), remote))
    }

    pub(super) fn connected(&mut self, peer: &Rc<Peer>, result: io::Result<TcpStream>) {
        self.connecting = None;
        match result {
            Ok(stream) => self.add_connection(peer, stream.into(), Direction::Outbound),
            Err(error) => {
                tracing::debug!(%error, "cannot connect");
                self.input(peer, Input::ConnectFailed);
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.connections.retain(|connection| connection.id != id);
    }

    fn close(&mut self, peer: &Rc<Peer>, id: ConnectionId, time: Duration) {
        let Some(at) = self.connections.iter().position(|c| c.id == id) else { return };
        let connection = self.connections.swap_remove(at);
        connection.queue.borrow_mut().drop_data();
        linger::close(peer, connection, time);
    }

    // Wishes.

    pub(super) fn stop(&mut self, peer: &Rc<Peer>, reason: StopReason) {
        self.input(peer, Input::Stop(reason));
    }

    pub(super) fn act(&mut self, peer: &Rc<Peer>, action: SessionAction) -> bool {
        match action {
            SessionAction::Reset { text } => {
                self.stop(peer, StopReason::AdministrativeReset(text));
            }
            SessionAction::SoftIn => return self.request_refresh(peer),
            SessionAction::Disable { text } => {
                self.disabled = Some(text.clone().unwrap_or_else(|| "by the operator".to_owned()));
                self.stop(peer, StopReason::AdministrativeShutdown(text));
            }
            SessionAction::Enable => {
                self.disabled = None;
                self.input(peer, Input::Start);
            }
        }
        true
    }

    fn carries(&self, family: Family) -> bool {
        self.session.negotiated().is_some_and(|negotiated| negotiated.families.contains(family))
    }

    fn request_refresh(&mut self, peer: &Rc<Peer>) -> bool {
        let Some(negotiated) = self.session.negotiated() else { return false };
        if !negotiated.route_refresh {
            return false;
        }
        let families = negotiated.families;
        for family in families.iter() {
            self.input(peer, Input::RequestRefresh(RouteRefresh::new(family, 0)));
        }
        true
    }

    pub(super) fn reconfigure(&mut self, peer: &Rc<Peer>, config: PeerConfig) {
        let restart = self.config.needs_restart(&config);
        let was_disabled = self.config.disabled.is_some();
        let limits_changed = self.config.limits != config.limits;
        self.config = config;
        self.session.reconfigure(peer.now(), self.config.session.clone());
        if limits_changed {
            self.config.limit.configure(limit_config(&self.config.limits));
            let slot = peer.slot;
            let shards = &peer.worker.shards;
            shards.push_all(peer.route_server, || ShardInput::LimitChanged { slot });
            shards.flush();
        }
        match (was_disabled, self.config.disabled.clone()) {
            (_, Some(reason)) => {
                let text = Some(reason.to_string());
                self.disabled.clone_from(&text);
                self.stop(peer, StopReason::AdministrativeShutdown(text));
            }
            (true, None) => {
                self.disabled = None;
                self.input(peer, Input::Start);
            }
            (false, None) => {
                if let Some(reason) = restart {
                    tracing::info!(reason, "restarting the session");
                    self.stop(peer, StopReason::ConfigurationChange);
                }
            }
        }
        self.pump(peer, peer.now());
    }

    pub(super) fn remove(&mut self, peer: &Rc<Peer>) {
        self.stop(peer, StopReason::Deconfigured);
        if let Some(attempt) = self.connecting.take() {
            attempt.abort();
        }
        let all = self.stale.take().map_or(Families::NONE, |stale| stale.families);
        sweep(peer, all);
        if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
            server.recovery.forget(&self.config.key, peer.now());
        }
        self.removed = true;
    }

    pub(super) fn on_shard_event(&mut self, peer: &Rc<Peer>, event: &ShardOutput) {
        let current = peer.outbound.borrow().as_ref().map(|outbound| outbound.generation);
        match *event {
            ShardOutput::LimitWarning { generation, family, .. } if current == Some(generation) => {
                let (_, limit) = limit_of(&self.config.limits, family);
                tracing::warn!(%family, limit, "80 % of the prefix limit reached");
            }
            ShardOutput::LimitExceeded { generation, family, close, .. }
                if current == Some(generation) =>
            {
                let (family, limit) = limit_of(&self.config.limits, family);
                let action = self.config.limits.action;
                tracing::warn!(?family, limit, ?action, "prefix limit exceeded");
                if close {
                    let restart_after = restart_after(&self.config.limits);
                    self.stop(peer, StopReason::MaxPrefixes { family, limit, restart_after });
                }
            }
            ShardOutput::LimitRoom { generation, family, .. }
                if current == Some(generation) && self.carries(family) =>
            {
                tracing::info!(%family, "room below the prefix limit again, asking for the routes");
                let refresh = RouteRefresh::new(family, 0);
                self.input(peer, Input::RequestRefresh(refresh));
            }
            _ => {}
        }
    }
}

fn sweep(peer: &Peer, families: Families) {
    if !families.is_empty() {
        let slot = peer.slot;
        peer.worker.shards.push_all(peer.route_server, || ShardInput::Sweep { slot, families });
    }
}
