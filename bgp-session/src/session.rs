//! The session: connections, the search for them, and what one's fate means for the others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bgp_wire::iana::cease;
use bgp_wire::{MessageType, Notification, RouteRefresh};

use crate::active::Active;
use crate::capabilities::{Omitted, local_open};
use crate::collision::{Contender, Verdict, judge, survivor};
use crate::connection::{Connection, Ending, Progress};
use crate::context::Context;
use crate::events::Event;
use crate::idle::Idle;
use crate::open_sent::{OUTBOUND_OPEN_TIME, OpenSent};
use crate::reason::Comeback;
use crate::seek::{Seek, idle_hold_time, retry_time};
use crate::timers::{SendHoldTimer, later};
use crate::{
    ConnectionId, Direction, DownReason, Input, LastError, Negotiated, Output, SessionConfig,
    SessionCounters, State, StopReason,
};

/// Connections of the peer that may be on their way at once. One that has sent no OPEN must not
/// block another; a third is refused with Cease/Connection Rejected.
pub const MAX_INBOUND: usize = 2;

/// The longest time in Idle after an error.
pub const MAX_IDLE_HOLD: Duration = Duration::from_secs(300);

/// How long a connection stays open for its last NOTIFICATION to be read.
pub const NOTIFICATION_LINGER: Duration = Duration::from_secs(3);

/// A session that lasted so long ends a row of failures.
const STABLE: Duration = Duration::from_secs(120);

/// So many shorter sessions in a row, and the next loss counts as an error: each of them costs a
/// full table.
const MAX_SHORT_SESSIONS: u32 = 5;

/// A connection attempt while we are Established may mean that the old connection is dead without
/// our knowledge; a KEEPALIVE on it finds out. Not more often than this.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The least time that a peer has for its OPEN.
const MIN_OPEN_TIME: Duration = Duration::from_secs(1);

/// A BGP session with one configured peer (RFC 4271 §8).
///
/// # How to drive it
///
/// 1. Tell it what happened with [`handle`](Self::handle); begin with [`Input::Start`].
/// 2. Take everything from [`poll_output`](Self::poll_output), in order, until it is `None`, and do
///    it. This may lead to more input (an [`Output::Update`] that is faulty: say
///    [`Input::UpdateFault`] before taking the next output; what is behind it is then dropped).
/// 3. Ask [`poll_timeout`](Self::poll_timeout) for the time of the next
///    [`handle_timeout`](Self::handle_timeout). Calling it early or late is harmless. Say truly
///    whether octets wait unread in a socket of this session: a hold timer that has expired then
///    grants time to read them first.
///
/// `now` is an argument everywhere, comes from one monotonic clock and must not go backwards.
///
/// # Bounds
///
/// At most four connections: an Established one, an outbound one and [`MAX_INBOUND`] of the peer's.
/// Each buffers less than one message between inputs. The outbox holds what one input made.
#[derive(Debug)]
pub struct Session {
    core: Core,
    seek: Seek,
    connections: Vec<Connection>,
    omitted: Omitted,
    /// Errors and losses in a row.
    failures: u32,
    /// Sessions in a row that did not last.
    short_sessions: u32,
    probed_at: Option<Instant>,
    reported: State,
    reported_at: Instant,
}

/// What every state may touch.
#[derive(Debug)]
struct Core {
    config: SessionConfig,
    counters: SessionCounters,
    outbox: VecDeque<Output>,
}

impl Core {
    fn at(&mut self, now: Instant) -> Context<'_> {
        Context {
            now,
            config: &self.config,
            counters: &mut self.counters,
            outbox: &mut self.outbox,
        }
    }
}

/// When the timers of a session end; for people to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timers {
    /// Idle until then; nothing if it needs a start.
    pub idle_hold: Option<Instant>,
    /// The next attempt to connect.
    pub connect_retry: Option<Instant>,
    /// The peer has to be heard until then.
    pub hold: Option<Instant>,
    /// Our next KEEPALIVE.
    pub keepalive: Option<Instant>,
    /// The peer has to read something until then.
    pub send_hold: Option<Instant>,
}

impl Session {
    /// A session in Idle, which waits for [`Input::Start`].
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        Self {
            core: Core { config, counters: SessionCounters::default(), outbox: VecDeque::new() },
            seek: Seek::Idle(Idle { until: None, stopped: None }),
            connections: Vec::new(),
            omitted: Omitted::default(),
            failures: 0,
            short_sessions: 0,
            probed_at: None,
            reported: State::Idle,
            reported_at: now,
        }
    }

    /// Takes note of something that happened outside.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Start => self.start(now),
            Input::Stop(reason) => self.stop(now, reason),
            Input::ConnectionOpened { id, direction } => self.connection_opened(now, id, direction),
            Input::ConnectFailed => self.seek_event(now, &Event::TcpConnectionFails),
            Input::ConnectionClosed { id } => self.deliver(now, id, Event::TcpConnectionFails),
            Input::Octets { id, octets } => self.read(now, id, octets),
            Input::UpdateFault(notification) => self.update_fault(now, notification),
            Input::SendBlocked => self.with_send_hold(|timer| timer.blocked(now)),
            Input::SendProgress => self.with_send_hold(SendHoldTimer::progress),
            Input::RequestRefresh(refresh) => self.request_refresh(now, refresh),
        }
        self.report_state(now);
    }

    /// Lets the timers act that are over. `unread_input`: octets wait in a socket of this session.
    pub fn handle_timeout(&mut self, now: Instant, unread_input: bool) {
        if self.seek.deadline().is_some_and(|deadline| deadline <= now) {
            let event = self.seek.timer_event();
            self.seek_event(now, &event);
        }
        for id in self.ids() {
            loop {
                let position = self.position(id);
                let connection = position.and_then(|position| self.connections.get_mut(position));
                let mut cx = self.core.at(now);
                let Some(event) = connection.and_then(|c| c.expired(&mut cx, unread_input)) else {
                    break;
                };
                self.deliver(now, id, event);
            }
        }
        self.report_state(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None`: no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connections = self.connections.iter().filter_map(Connection::deadline);
        connections.chain(self.seek.deadline()).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.outbox.pop_front()
    }

    /// The state as a whole.
    pub fn state(&self) -> State {
        let furthest = self.connections.iter().map(Connection::state).max();
        furthest.unwrap_or_else(|| self.seek.state())
    }

    /// Since when [`state`](Self::state) is what it is.
    pub fn state_since(&self) -> Instant {
        self.reported_at
    }

    /// What was agreed on, while Established.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.connections.iter().find_map(Connection::established).map(|state| &*state.negotiated)
    }

    /// The counts.
    pub fn counters(&self) -> &SessionCounters {
        &self.core.counters
    }

    /// Counts messages that the owner wrote itself: UPDATEs, and ROUTE-REFRESH markers.
    pub fn count_sent(&mut self, kind: MessageType, messages: u64) {
        self.core.counters.sent.add(kind, messages);
    }

    /// The configuration in force.
    pub fn config(&self) -> &SessionConfig {
        &self.core.config
    }

    /// Why the session is kept down, if it is.
    pub fn stopped(&self) -> Option<&StopReason> {
        match &self.seek {
            Seek::Idle(idle) => idle.stopped.as_ref(),
            Seek::Connect(_) | Seek::Active(_) => None,
        }
    }

    /// The connections there are, for people to look at.
    pub fn connections(&self) -> impl Iterator<Item = (ConnectionId, Direction, State)> + '_ {
        self.connections.iter().map(|c| (c.id, c.direction, c.state()))
    }

    /// The timers that run.
    pub fn timers(&self) -> Timers {
        let mut timers = Timers::default();
        match &self.seek {
            Seek::Idle(state) => timers.idle_hold = state.until,
            Seek::Connect(state) => timers.connect_retry = Some(state.retry_at),
            Seek::Active(state) => timers.connect_retry = state.retry_at,
        }
        if let Some(furthest) = self.connections.iter().max_by_key(|c| c.state()) {
            match &furthest.progress {
                Progress::OpenSent(state) => timers.hold = state.deadline(),
                Progress::OpenConfirm(state) => {
                    timers.hold = state.hold.deadline();
                    timers.keepalive = state.keepalive.deadline();
                }
                Progress::Established(state) => {
                    timers.hold = state.hold.deadline();
                    timers.keepalive = state.keepalive.deadline();
                    timers.send_hold = state.send_hold.deadline();
                }
            }
        }
        timers
    }

    /// Takes another configuration. What runs goes on with what it negotiated; new connections use
    /// the new one. Gives whether the session has to be reset for all of it to come into force
    /// ([`StopReason::ConfigurationChange`] does that).
    pub fn reconfigure(&mut self, now: Instant, config: SessionConfig) -> bool {
        let needs_reset = self.core.config.needs_reset(&config) && !self.connections.is_empty();
        let was_passive = self.core.config.passive;
        self.core.config = config;
        if was_passive != self.core.config.passive && !matches!(self.seek, Seek::Idle(_)) {
            self.seek.become_instead(&mut self.core.at(now), Seek::Active(Active::listening()));
            if self.connections.is_empty() {
                self.seek = Seek::begin(&mut self.core.at(now));
            }
        }
        self.report_state(now);
        needs_reset
    }
}

/// Start, stop and the search for a connection.
impl Session {
    fn start(&mut self, now: Instant) {
        if matches!(self.seek, Seek::Idle(_)) {
            self.failures = 0;
            self.short_sessions = 0;
            let passive = self.core.config.passive;
            self.seek_event(now, &Event::Start { passive });
        }
    }

    fn stop(&mut self, now: Instant, reason: StopReason) {
        let until = match reason.comeback() {
            Comeback::OnStart => None,
            Comeback::AfterIdleHold => Some(later(now, idle_hold_time(&self.core.config, 0))),
            Comeback::After(time) => Some(later(now, time)),
        };
        // What is down until somebody starts it does not come back through a mere reset.
        let stays_down = matches!(&self.seek, Seek::Idle(Idle { until: None, .. }));
        if stays_down && until.is_some() {
            return;
        }
        self.core.counters.last_event = Event::Stop(reason.clone()).number();
        self.drop_undelivered();
        let idle = Idle { until, stopped: Some(reason.clone()) };
        self.seek.become_instead(&mut self.core.at(now), Seek::Idle(idle));
        for id in self.ids() {
            self.deliver(now, id, Event::Stop(reason.clone()));
        }
    }

    fn seek_event(&mut self, now: Instant, event: &Event) {
        self.core.counters.last_event = event.number();
        let idle = Seek::Idle(Idle { until: None, stopped: None });
        let seek = std::mem::replace(&mut self.seek, idle);
        self.seek = seek.handle(&mut self.core.at(now), event);
    }

    /// Looks for a connection again after one ended, unless one is there or on its way.
    fn seek_again(&mut self, now: Instant, delay: Duration) {
        let has_outbound = self.connections.iter().any(|c| c.direction == Direction::Outbound);
        if let Seek::Active(active) = &mut self.seek
            && !self.core.config.passive
            && !has_outbound
        {
            active.retry_by(later(now, delay));
        }
    }
}

/// Connections and their messages.
impl Session {
    fn connection_opened(&mut self, now: Instant, id: ConnectionId, direction: Direction) {
        if self.position(id).is_some() {
            return;
        }
        let open_time = match direction {
            Direction::Outbound if !matches!(self.seek, Seek::Connect(_)) => {
                // It crossed our CancelConnect.
                self.core.outbox.push_back(Output::Close { id, linger: Duration::ZERO });
                return;
            }
            Direction::Outbound => {
                self.seek_event(now, &Event::TcpConnectionAcked);
                OUTBOUND_OPEN_TIME
            }
            Direction::Inbound => {
                if let Some(notification) = self.refusal(now) {
                    self.core.counters.connections_refused += 1;
                    self.core.at(now).send_notification(id, &notification);
                    self.close(id, NOTIFICATION_LINGER);
                    return;
                }
                self.core.counters.last_event = Event::TcpConnectionConfirmed.number();
                self.core.config.open_time.max(MIN_OPEN_TIME)
            }
        };
        self.core.counters.connections += 1;
        if self.omitted.take_try() {
            self.core.counters.capability_fallbacks += 1;
        }
        let open = local_open(&self.core.config, &self.omitted, now);
        self.core.at(now).send_open(id, &open);
        let state = OpenSent::new(open, now, open_time);
        self.connections.push(Connection::new(id, direction, now, state));
    }

    /// Why a connection of the peer is not wanted, if so.
    fn refusal(&mut self, now: Instant) -> Option<Notification> {
        if let Seek::Idle(idle) = &self.seek {
            return Some(idle.refusal());
        }
        let established = self.connections.iter().find_map(|c| Some((c.id, c.established()?)));
        if let Some((id, state)) = established
            && state.negotiated.peer_graceful_restart.is_none()
        {
            self.probe(now, id);
            return Some(Notification::cease(cease::CONNECTION_COLLISION));
        }
        let on_their_way = self.connections.iter().filter(|connection| {
            connection.direction == Direction::Inbound && connection.established().is_none()
        });
        (on_their_way.count() >= MAX_INBOUND)
            .then(|| Notification::cease(cease::CONNECTION_REJECTED))
    }

    /// Makes a dead connection show itself: a peer that has restarted answers with a TCP reset, and
    /// need not be refused until the hold timer expires.
    fn probe(&mut self, now: Instant, id: ConnectionId) {
        if self.probed_at.is_none_or(|at| now.saturating_duration_since(at) >= PROBE_INTERVAL) {
            self.probed_at = Some(now);
            self.core.at(now).send_keepalive(id);
        }
    }

    fn read(&mut self, now: Instant, id: ConnectionId, octets: &[u8]) {
        if let Some(connection) = self.find(id) {
            connection.receive(octets);
        }
        while let Some((kind, event)) = self.find(id).and_then(Connection::next_message) {
            if let Some(kind) = kind {
                self.core.counters.received.add(kind, 1);
            }
            if let Event::Notification(notification) = &event {
                self.core.counters.notifications_received.add(notification);
            }
            self.deliver(now, id, event);
        }
    }

    /// Hands an event to a connection, and draws the consequences for the others.
    fn deliver(&mut self, now: Instant, id: ConnectionId, event: Event) {
        let Some(position) = self.position(id) else { return };
        let connection = self.connections.remove(position);
        let before = connection.state();
        if let Some(number) = event.number() {
            self.core.counters.last_event = Some(number);
        }
        let already_closed = matches!(event, Event::TcpConnectionFails);
        match connection.handle(&mut self.core.at(now), event) {
            Ok(connection) => {
                let after = connection.state();
                self.connections.insert(position, connection);
                match (before, after) {
                    (State::OpenSent, State::OpenConfirm) => self.open_accepted(now, id),
                    (State::OpenConfirm, State::Established) => self.came_up(now, id),
                    _ => {}
                }
            }
            Err((ending, reason)) => {
                if !already_closed {
                    self.farewell(now, &ending, &reason);
                }
                self.ended(now, &ending, reason);
            }
        }
    }

    /// The peer's OPEN is accepted: settle collisions, then confirm it.
    fn open_accepted(&mut self, now: Instant, id: ConnectionId) {
        let rivals: Vec<ConnectionId> =
            self.connections.iter().filter(|c| c.id != id && c.has_open()).map(|c| c.id).collect();
        for rival in rivals {
            match self.collision(id, rival) {
                Some(Verdict::Newcomer) => self.deliver(now, rival, Event::CollisionDump),
                Some(Verdict::Incumbent) => {
                    self.deliver(now, id, Event::CollisionDump);
                    return;
                }
                Some(Verdict::PeerDecides) | None => {}
            }
        }
        // An OPEN is here: no need for a second connection.
        self.seek.become_instead(&mut self.core.at(now), Seek::Active(Active::listening()));
        self.core.at(now).send_keepalive(id);
    }

    fn collision(&self, newcomer: ConnectionId, incumbent: ConnectionId) -> Option<Verdict> {
        let newcomer = self.connections.iter().find(|c| c.id == newcomer)?;
        let incumbent = self.connections.iter().find(|c| c.id == incumbent)?;
        let Progress::OpenConfirm(state) = &newcomer.progress else { return None };
        let contender = |connection: &Connection| Contender {
            direction: connection.direction,
            opened_at: connection.opened_at,
            established_at: connection.established().map(|state| state.since),
            graceful: connection
                .established()
                .is_some_and(|state| state.negotiated.peer_graceful_restart.is_some()),
        };
        let survivor = survivor(&state.local, &state.peer);
        Some(judge(survivor, &contender(newcomer), &contender(incumbent)))
    }

    /// The peer's KEEPALIVE is here: this connection is the session from now on.
    fn came_up(&mut self, now: Instant, id: ConnectionId) {
        let opened_at = self.find(id).map_or(now, |connection| connection.opened_at);
        for other in self.ids() {
            let Some(connection) = self.find(other).filter(|connection| connection.id != id) else {
                continue;
            };
            match &connection.progress {
                Progress::Established(state) if opened_at >= state.since => {
                    self.replace(now, other);
                }
                Progress::Established(_) | Progress::OpenConfirm(_) => {
                    self.deliver(now, other, Event::CollisionDump);
                }
                Progress::OpenSent(_) => {
                    let rest = self.core.config.open_time.max(MIN_OPEN_TIME);
                    if let Some(connection) = self.find(other) {
                        connection.shorten_hold(now, rest);
                    }
                }
            }
            // With the other one's end all are held off.
            if self.find(id).is_none() {
                return;
            }
        }
        self.omitted.confirm();
        self.core.counters.established += 1;
        if let Some(negotiated) = self.negotiated().cloned() {
            self.core.outbox.push_back(Output::Established(Box::new(negotiated)));
        }
        self.report_state(now);
    }

    /// The peer restarted gracefully: its old connection ends without a NOTIFICATION, which would
    /// end graceful restart as well (RFC 4724 §5).
    fn replace(&mut self, now: Instant, id: ConnectionId) {
        let Some(position) = self.position(id) else { return };
        let ending = self.connections.remove(position).into_ending();
        self.close(id, Duration::ZERO);
        self.ended(now, &ending, DownReason::PeerRestarted);
    }

    fn update_fault(&mut self, now: Instant, notification: Notification) {
        // The faulty UPDATE may be one of a session whose end is queued behind it.
        let is_over = self.core.outbox.iter().any(|output| matches!(output, Output::Down(_)));
        let id = self.connections.iter().find(|c| c.established().is_some()).map(|c| c.id);
        if let Some(id) = id.filter(|_| !is_over) {
            self.drop_undelivered();
            self.deliver(now, id, Event::UpdateError(notification));
        }
    }

    /// Forgets what the peer sent and nobody has looked at, when the session ends by our will.
    fn drop_undelivered(&mut self) {
        self.core
            .outbox
            .retain(|output| !matches!(output, Output::Update { .. } | Output::RouteRefresh(_)));
    }

    fn request_refresh(&mut self, now: Instant, refresh: RouteRefresh) {
        let able = self.negotiated().filter(|negotiated| negotiated.route_refresh);
        if let Some(id) = able.map(|negotiated| negotiated.connection) {
            self.core.at(now).send_route_refresh(id, refresh);
        }
    }

    fn with_send_hold(&mut self, act: impl FnOnce(&mut SendHoldTimer)) {
        let established = self.connections.iter_mut().find_map(|c| match &mut c.progress {
            Progress::Established(state) => Some(state),
            Progress::OpenSent(_) | Progress::OpenConfirm(_) => None,
        });
        if let Some(state) = established {
            act(&mut state.send_hold);
        }
    }
}

/// Endings.
impl Session {
    /// Says why, and closes.
    fn farewell(&mut self, now: Instant, ending: &Ending, reason: &DownReason) {
        let ours = reason.notification().filter(|(_, is_ours)| *is_ours);
        let linger = match (&ours, reason) {
            // Nothing is read at the other end: there is nothing to wait for.
            (None, _) | (_, DownReason::SendHoldTimerExpired) => Duration::ZERO,
            _ => NOTIFICATION_LINGER,
        };
        if let Some((notification, _)) = ours {
            // RFC 8538 §3.1: a lasting end has to say that it is one.
            let lasting = matches!(reason, DownReason::Stopped(reason) if reason.is_lasting());
            let notification = if lasting && ending.graceful_notifications {
                notification.hard_reset()
            } else {
                notification
            };
            self.core.at(now).send_notification(ending.id, &notification);
        }
        self.close(ending.id, linger);
    }

    fn close(&mut self, id: ConnectionId, linger: Duration) {
        self.core.outbox.push_back(Output::Close { id, linger });
    }

    /// A connection is gone: what becomes of the session.
    fn ended(&mut self, now: Instant, ending: &Ending, reason: DownReason) {
        self.note_error(now, ending, &reason);
        if reason == DownReason::Collision {
            self.core.counters.collisions += 1;
        }
        let fell_back = match (&reason, &ending.offered) {
            (DownReason::NotificationReceived(notification), Some(offered)) => {
                self.omitted.learn(notification, offered)
            }
            _ => false,
        };
        let (is_error, is_stop) = (reason.is_error(), matches!(reason, DownReason::Stopped(_)));
        if let Some(since) = ending.established_at {
            self.core.counters.flaps += 1;
            self.core.outbox.push_back(Output::Down(reason));
            if now.saturating_duration_since(since) >= STABLE {
                self.failures = 0;
                self.short_sessions = 0;
            }
            // Ends of our own making say nothing about the peer.
            self.short_sessions += u32::from(!is_stop);
        }
        let oscillates =
            ending.established_at.is_some() && self.short_sessions > MAX_SHORT_SESSIONS;
        // A peer that has another connection at hand each time, to take over with or to go on with when
        // it has closed this one, costs as much as any that flaps.
        let is_settled = self.connections.iter().any(Connection::has_open) && !oscillates;
        if is_settled || matches!(self.seek, Seek::Idle(_)) {
            return;
        }
        if fell_back {
            self.seek_again(now, Duration::from_secs(1));
        } else if !ending.had_open {
            // An OPEN that we refuse, or that the peer does, costs little and happens at the pace of
            // whoever connects; the next attempt deserves to hear the true reason again.
            self.seek_again(now, retry_time(&self.core.config));
        } else {
            self.failures = self.failures.saturating_add(1);
            let delay = idle_hold_time(&self.core.config, self.failures);
            if is_error || oscillates {
                self.hold_off(now, delay);
            } else {
                self.seek_again(now, delay.min(retry_time(&self.core.config)));
            }
        }
        self.report_state(now);
    }

    /// Idle for a while (RFC 4271 §8.1.1, DampPeerOscillations). What else is open is refused.
    fn hold_off(&mut self, now: Instant, time: Duration) {
        let idle = Idle { until: Some(later(now, time)), stopped: None };
        self.seek.become_instead(&mut self.core.at(now), Seek::Idle(idle));
        for connection in std::mem::take(&mut self.connections) {
            self.core.counters.connections_refused += 1;
            let rejected = Notification::cease(cease::CONNECTION_REJECTED);
            self.core.at(now).send_notification(connection.id, &rejected);
            self.close(connection.id, NOTIFICATION_LINGER);
        }
    }

    fn note_error(&mut self, now: Instant, ending: &Ending, reason: &DownReason) {
        let is_ours = matches!(
            reason,
            DownReason::Stopped(_) | DownReason::Collision | DownReason::PeerRestarted
        );
        // Somebody looked whether the port is open.
        let is_silent = matches!(reason, DownReason::ConnectionLost | DownReason::HoldTimerExpired);
        let is_scan = is_silent && ending.direction == Direction::Inbound && !ending.had_open;
        if is_ours || is_scan {
            return;
        }
        let hint = reason.hint().or(match (reason, ending.had_open) {
            (DownReason::ConnectionLost, false) => Some(
                "the peer takes the TCP connection and closes it: it probably has no session \
                 with our address",
            ),
            _ => None,
        });
        let text = match hint {
            Some(hint) => format!("{reason} ({hint})"),
            None => reason.to_string(),
        };
        self.core.counters.last_error = Some(LastError { at: now, reason: reason.clone(), text });
    }
}

/// Small things.
impl Session {
    fn ids(&self) -> Vec<ConnectionId> {
        self.connections.iter().map(|connection| connection.id).collect()
    }

    fn position(&self, id: ConnectionId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.id == id)
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    fn report_state(&mut self, now: Instant) {
        let state = self.state();
        if state != self.reported {
            self.reported = state;
            self.reported_at = now;
            self.core.outbox.push_back(Output::StateChanged(state));
        }
    }
}
