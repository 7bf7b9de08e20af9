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
use rib::{PeerState, ReachedLimit, Recount, ShardInput, ShardOutput};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::connection::Connection;
use super::inbound::Inbound;
use super::limit_events::{LimitLogs, Refused, families_of};
use super::linger;
use super::outbound::Outbound;
use super::peer_config::{PeerConfig, attribute_octets, limit_config, restart_after};
use super::query::SessionAction;
use super::session_task::{Peer, Waits};
use super::stale::Stale;
use super::status::{MalformedCounters, NotificationStatus};
use super::stream::Stream;
use crate::net::{self, Protection};

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
    /// Families that the peer sends again (BoRR came, EoRR did not).
    refreshing: Families,
    /// What is kept over the peer's restart.
    stale: Stale,
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
    limit_logs: LimitLogs,
    /// By family: routes that a limit refused.
    refused: [Refused; 2],
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
            refreshing: Families::NONE,
            stale: Stale::default(),
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
            limit_logs: LimitLogs::default(),
            refused: [Refused::default(); 2],
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
        let refused_until = self.ask_for_refused(peer, now);
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
                .chain(self.stale.next())
                .chain(held_until)
                .chain(refused_until)
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
        if self.stale.next().is_some_and(|at| at <= now) {
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
                Output::RouteRefresh(refresh) => self.on_route_refresh(peer, refresh),
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
        if negotiated.hold_time.is_zero()
            && let Err(error) = connection.stream.notice_silence()
        {
            tracing::warn!(%error, "no hold time, and TCP cannot be made to notice a pulled cable");
        }
        let servers = peer.worker.engine.route_servers.load();
        let Some(server) = servers.get(peer.route_server) else { return };
        let (slot, generation) = (peer.slot, server.next_generation());
        self.told_blocked = false;
        // Ahead of what the session counts.
        sweep(peer, self.stale.peer_is_back(negotiated, now));
        if self.stale.is_over(attribute_octets(&self.config.limits)) {
            tracing::warn!("its earlier sessions left too large attributes: stale routes go");
            sweep(peer, self.stale.take_all());
        }
        self.count_anew_if_nothing_is_kept(peer);
        let context = negotiated.decode;
        self.inbound = Some(Inbound::new(
            peer.route_server,
            slot,
            generation,
            context,
            attribute_octets(&self.config.limits),
        ));
        let state = PeerState {
            families: negotiated.families,
            profile: negotiated.profile,
            extended_next_hop: negotiated.extended_next_hop,
            long_lived_graceful_restart: negotiated.peer_llgr.iter().any(Option::is_some),
            router_id: negotiated.peer_router_id,
            address: self.config.key.address,
            limit: self.config.limit.current(),
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
        self.refreshing = Families::NONE;
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
        tracing::info!(
            router_id = %negotiated.peer_router_id,
            hold_time = negotiated.hold_time.as_secs(),
            "established"
        );
    }

    fn down(&mut self, peer: &Rc<Peer>, now: Instant, reason: &DownReason) {
        let Some(outbound) = peer.outbound.borrow_mut().take() else { return };
        let octets = self.inbound.take().map_or(0, Inbound::into_held_octets);
        self.peer_state = None;
        if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
            server.recovery.down(&self.config.key);
        }
        self.sent_octets_before += outbound.connection.sent_octets();
        outbound.connection.queue.borrow_mut().drop_data();
        let negotiated = self.negotiated.take();
        let keeps = negotiated.filter(|negotiated| reason.keeps_routes(negotiated));
        let (old, unnamed) = match &keeps {
            Some(negotiated) => {
                let goes = self.stale.session_lost(negotiated, now);
                self.stale.add_octets(octets);
                goes
            }
            None => (Families::NONE, Families::NONE),
        };
        sweep(peer, old);
        let (slot, generation) = (outbound.slot, outbound.generation);
        let keep = keeps.is_some();
        peer.worker.shards.push_all(peer.route_server, || ShardInput::Down {
            slot,
            generation,
            stale: keep,
        });
        sweep(peer, unnamed);
        if !keep {
            self.stale.take_all();
        }
        self.count_anew_if_nothing_is_kept(peer);
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

    /// Between two sessions: the next one has its whole limit, wherever shards are with what the
    /// last one left.
    fn count_anew_if_nothing_is_kept(&self, peer: &Peer) {
        if self.stale.next().is_none() && peer.outbound.borrow().is_none() {
            self.config.limit.begin_anew(limit_config(&self.config.limits));
        }
    }

    fn stale_time_over(&mut self, peer: &Peer, now: Instant) {
        let (gone, long) = self.stale.take_due(now);
        sweep(peer, gone);
        self.count_anew_if_nothing_is_kept(peer);
        if !long.is_empty() {
            let slot = peer.slot;
            peer.worker.shards.push_all(peer.route_server, || ShardInput::LongLivedStale {
                slot,
                families: long,
            });
        }
    }

    fn end_of_rib(&mut self, peer: &Peer, now: Instant, family: Family) {
        self.push_end(peer, family);
        self.stale.end_of_rib(family);
        self.refreshing.remove(family);
        self.incomplete.remove(family);
        if self.incomplete.is_empty() {
            // Who is released by this asks the shards for what stands ahead of it here.
            peer.worker.shards.flush();
            if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
                server.recovery.end_of_rib(&self.config.key, now);
            }
        }
    }

    /// What is still stale of a family goes.
    fn push_end(&self, peer: &Peer, family: Family) {
        let Some(outbound) = &*peer.outbound.borrow() else { return };
        let (slot, generation) = (outbound.slot, outbound.generation);
        peer.worker.shards.push_all(peer.route_server, || ShardInput::EndOfRib {
            slot,
            generation,
            family,
        });
    }

    fn on_route_refresh(&mut self, peer: &Peer, refresh: RouteRefresh) {
        let Some(family) = refresh.family() else { return };
        match refresh.subtype {
            1 | 2 if !self.heeds_refresh_marks(peer, family) => {}
            0 => {
                if let Some(outbound) = &mut *peer.outbound.borrow_mut() {
                    outbound.on_refresh_request(family);
                }
            }
            1 => {
                let Some(outbound) = &*peer.outbound.borrow() else { return };
                self.refreshing.insert(family);
                let (slot, generation) = (outbound.slot, outbound.generation);
                peer.worker.shards.push_all(peer.route_server, || ShardInput::MarkStale {
                    slot,
                    generation,
                    family,
                });
            }
            // RFC 7313 §4: one without a BoRR before it is ignored. It is no End-of-RIB either.
            2 if self.refreshing.contains(family) => {
                self.refreshing.remove(family);
                self.push_end(peer, family);
            }
            // RFC 7313 §5: other subtypes are ignored.
            _ => {}
        }
    }

    /// Do BoRR and EoRR of this family mean anything now (RFC 7313 §4)? A peer that has not named
    /// the capability knows none. With graceful restart, one that comes before the End-of-RIB is
    /// ignored: by it routes would go that the peer is still about to send.
    fn heeds_refresh_marks(&self, peer: &Peer, family: Family) -> bool {
        let graceful = self
            .negotiated
            .as_ref()
            .is_some_and(|negotiated| negotiated.peer_graceful_restart.is_some());
        let enhanced =
            peer.outbound.borrow().as_ref().is_some_and(Outbound::knows_enhanced_refresh);
        enhanced && !(graceful && self.incomplete.contains(family))
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

    /// The session ends, and what is kept over a restart of the peer with it. There need be no
    /// session that ends: the peer may be away.
    fn stop_for_good(&mut self, peer: &Rc<Peer>, reason: StopReason) {
        self.stop(peer, reason);
        sweep(peer, self.stale.take_all());
        self.count_anew_if_nothing_is_kept(peer);
        if let Some(server) = peer.worker.engine.route_servers.load().get(peer.route_server) {
            server.recovery.forget(&self.config.key, peer.now());
        }
    }

    pub(super) fn act(&mut self, peer: &Rc<Peer>, action: SessionAction) -> bool {
        match action {
            SessionAction::Reset { text } => {
                self.stop(peer, StopReason::AdministrativeReset(text));
            }
            SessionAction::SoftIn => return self.request_refresh(peer),
            SessionAction::Disable { text } => {
                self.disabled = Some(text.clone().unwrap_or_else(|| "by the operator".to_owned()));
                self.stop_for_good(peer, StopReason::AdministrativeShutdown(text));
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
        let outbound = peer.outbound.borrow();
        let local = outbound.as_ref().and_then(|outbound| outbound.connection.local);
        let restart = self.config.needs_restart(&config, local.map(|local| local.ip()));
        drop(outbound);
        let was_disabled = self.config.disabled.is_some();
        let limits_changed = self.config.limits != config.limits;
        let counts_otherwise = self.config.limits.count != config.limits.count;
        self.config = config;
        self.session.reconfigure(peer.now(), self.config.session.clone());
        if limits_changed {
            if let Some(inbound) = &mut self.inbound {
                inbound.allow_attribute_octets(attribute_octets(&self.config.limits));
            }
            let (config, limit) = (limit_config(&self.config.limits), self.config.limit.current());
            let recount = match counts_otherwise {
                true => Some(Recount::begin(&limit, config)),
                false => {
                    limit.configure(config);
                    None
                }
            };
            let slot = peer.slot;
            let changed = || ShardInput::LimitChanged { slot, recount: recount.clone() };
            let shards = &peer.worker.shards;
            shards.push_all(peer.route_server, changed);
            shards.flush();
        }
        match (was_disabled, self.config.disabled.clone()) {
            (_, Some(reason)) => {
                let text = Some(reason.to_string());
                self.disabled.clone_from(&text);
                self.stop_for_good(peer, StopReason::AdministrativeShutdown(text));
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
        self.stop_for_good(peer, StopReason::Deconfigured);
        if let Some(attempt) = self.connecting.take() {
            attempt.abort();
        }
        self.removed = true;
    }

    /// Asks for what a limit refused, where there is room again and it is time. When it will be.
    fn ask_for_refused(&mut self, peer: &Rc<Peer>, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for family in Family::ALL {
            let Some(due) = self.refused[family.index()].due(now) else { continue };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            self.refused[family.index()].are_asked_for(now);
            if self.carries(family) {
                if let Some(unsaid) = self.limit_logs.room.admit(now) {
                    tracing::info!(%family, unsaid, "room below the prefix limit again, asking for the routes");
                }
                self.input(peer, Input::RequestRefresh(RouteRefresh::new(family, 0)));
            }
        }
        next
    }

    pub(super) fn on_shard_event(&mut self, peer: &Rc<Peer>, event: &ShardOutput) {
        let current = peer.outbound.borrow().as_ref().map(|outbound| outbound.generation);
        match *event {
            ShardOutput::LimitWarning { generation, reached, .. }
                if current == Some(generation) =>
            {
                let (families, limit) = (families_of(reached), reached.limit);
                if let Some(unsaid) = self.limit_logs.near.admit(peer.now()) {
                    tracing::warn!(families, limit, unsaid, "80 % of the prefix limit reached");
                }
            }
            ShardOutput::LimitExceeded { generation, reached, close, .. }
                if current == Some(generation) =>
            {
                let ReachedLimit { family, limit, rejected } = reached;
                let (families, action) = (families_of(reached), self.config.limits.action);
                if let Some(unsaid) = self.limit_logs.exceeded.admit(peer.now()) {
                    let text = match rejected {
                        true => "more rejected prefixes than the limit lets be kept",
                        false => "prefix limit exceeded",
                    };
                    tracing::warn!(families, limit, ?action, unsaid, "{text}");
                }
                if close {
                    let restart_after = restart_after(&self.config.limits);
                    self.stop(peer, StopReason::MaxPrefixes { family, limit, restart_after });
                }
            }
            ShardOutput::LimitRoom { generation, family, .. }
                if current == Some(generation) && self.carries(family) =>
            {
                self.refused[family.index()].are_wanted();
                self.ask_for_refused(peer, peer.now());
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
