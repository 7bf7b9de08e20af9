//! One TCP connection and how far its OPENs got.

use std::time::{Duration, Instant};

use bgp_wire::{MAX_OCTETS, Message, MessageType, Notification, next_frame};
use bytes::{Bytes, BytesMut};

use crate::context::Context;
use crate::established::Established;
use crate::events::Event;
use crate::open_confirm::OpenConfirm;
use crate::open_sent::OpenSent;
use crate::timers::Expiry;
use crate::{ConnectionId, Direction, DownReason, State};

/// A TCP connection on which our OPEN is out.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) direction: Direction,
    pub(crate) opened_at: Instant,
    /// Octets that are no whole message yet: at most one message less one octet between inputs.
    received: BytesMut,
    pub(crate) progress: Progress,
}

/// The states that belong to a connection (RFC 4271 §8.2.1: each has its own).
#[derive(Debug)]
pub(crate) enum Progress {
    OpenSent(OpenSent),
    OpenConfirm(OpenConfirm),
    Established(Established),
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        direction: Direction,
        opened_at: Instant,
        open_sent: OpenSent,
    ) -> Self {
        let progress = Progress::OpenSent(open_sent);
        Self { id, direction, opened_at, received: BytesMut::new(), progress }
    }

    pub(crate) fn state(&self) -> State {
        match &self.progress {
            Progress::OpenSent(_) => State::OpenSent,
            Progress::OpenConfirm(_) => State::OpenConfirm,
            Progress::Established(_) => State::Established,
        }
    }

    pub(crate) fn established(&self) -> Option<&Established> {
        match &self.progress {
            Progress::Established(established) => Some(established),
            _ => None,
        }
    }

    /// The peer's OPEN has been accepted.
    pub(crate) fn has_open(&self) -> bool {
        !matches!(self.progress, Progress::OpenSent(_))
    }

    pub(crate) fn receive(&mut self, octets: &[u8]) {
        match &mut self.progress {
            Progress::OpenSent(state) => state.hold.note_octets(),
            Progress::OpenConfirm(state) => state.hold.note_octets(),
            Progress::Established(state) => state.hold.note_octets(),
        }
        self.received.extend_from_slice(octets);
    }

    /// The next whole message as an event.
    pub(crate) fn next_message(&mut self) -> Option<(Option<MessageType>, Event)> {
        let max_octets = match &self.progress {
            Progress::OpenSent(_) => MAX_OCTETS,
            Progress::OpenConfirm(state) => state.negotiated.max_receive_octets(),
            Progress::Established(state) => state.negotiated.max_receive_octets(),
        };
        let (kind, body) = match next_frame(&mut self.received, max_octets) {
            Ok(frame) => frame?,
            Err(notification) => return Some((None, Event::HeaderError(notification))),
        };
        let octets = if kind == MessageType::Open { body.clone() } else { Bytes::new() };
        let event = match (Message::decode(kind, body), kind) {
            (Ok(Message::Open(open)), _) => Event::Open(open, octets),
            (Ok(Message::Update(body)), _) => Event::Update(body),
            (Ok(Message::Notification(notification)), _) => Event::Notification(notification),
            (Ok(Message::Keepalive), _) => Event::Keepalive,
            (Ok(Message::RouteRefresh(refresh)), _) => Event::RouteRefresh(refresh),
            (Err(fault), MessageType::Open) => Event::OpenError(fault),
            (Err(fault), MessageType::RouteRefresh) => Event::RouteRefreshError(fault),
            // RFC 4271 §6.4: an error in a NOTIFICATION is not answered with another one.
            (Err(_), MessageType::Notification) => Event::Notification(Notification::new(0, 0)),
            (Err(fault), MessageType::Update | MessageType::Keepalive) => Event::HeaderError(fault),
        };
        Some((Some(kind), event))
    }

    /// The earliest moment at which [`Self::expired`] has something to say.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Progress::OpenSent(state) => state.deadline(),
            Progress::OpenConfirm(state) => state.deadline(),
            Progress::Established(state) => state.deadline(),
        }
    }

    /// The timer that is over, if any; called until none is.
    pub(crate) fn expired(&mut self, cx: &mut Context<'_>, unread_input: bool) -> Option<Event> {
        let hold = match &mut self.progress {
            Progress::OpenSent(state) => &mut state.hold,
            Progress::OpenConfirm(state) => &mut state.hold,
            Progress::Established(state) => &mut state.hold,
        };
        match hold.check(cx.now, unread_input) {
            Expiry::Expired => return Some(Event::HoldTimerExpires),
            Expiry::Granted => cx.counters.hold_grants += 1,
            Expiry::Running => {}
        }
        match &mut self.progress {
            Progress::OpenSent(_) => None,
            Progress::OpenConfirm(state) => {
                state.keepalive.take_due(cx.now).then_some(Event::KeepaliveTimerExpires)
            }
            Progress::Established(state) if state.send_hold.is_expired(cx.now) => {
                Some(Event::SendHoldTimerExpires)
            }
            Progress::Established(state) => {
                state.keepalive.take_due(cx.now).then_some(Event::KeepaliveTimerExpires)
            }
        }
    }

    /// Lets a connection that has lost its purpose end soon.
    pub(crate) fn shorten_hold(&mut self, now: Instant, rest: Duration) {
        match &mut self.progress {
            Progress::OpenSent(state) => state.hold.shorten(now, rest),
            Progress::OpenConfirm(state) => state.hold.shorten(now, rest),
            Progress::Established(_) => {}
        }
    }

    /// Hands an event to the state. The connection comes back with its next state, or with the
    /// reason why it has to end.
    pub(crate) fn handle(
        self,
        cx: &mut Context<'_>,
        event: Event,
    ) -> Result<Self, (Ending, DownReason)> {
        let Self { id, direction, opened_at, received, progress } = self;
        let ending = Ending::of(id, direction, &progress);
        let next = match progress {
            Progress::OpenSent(state) => state.handle(cx, id, event),
            Progress::OpenConfirm(state) => state.handle(cx, id, event),
            Progress::Established(state) => state.handle(cx, id, event),
        };
        match next {
            Ok(progress) => Ok(Self { id, direction, opened_at, received, progress }),
            Err(reason) => Err((ending, reason)),
        }
    }

    /// What is left of the connection when it ends.
    pub(crate) fn into_ending(self) -> Ending {
        Ending::of(self.id, self.direction, &self.progress)
    }
}

/// What matters about a connection that ends.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) id: ConnectionId,
    pub(crate) direction: Direction,
    /// The peer's OPEN had been accepted.
    pub(crate) had_open: bool,
    /// Since when it was Established.
    pub(crate) established_at: Option<Instant>,
    /// It was Established and both sides keep routes over NOTIFICATIONs (RFC 8538).
    pub(crate) graceful_notifications: bool,
    /// Our OPEN, as long as the peer may refuse it.
    pub(crate) offered: Option<bgp_wire::OpenMessage>,
}

impl Ending {
    fn of(id: ConnectionId, direction: Direction, progress: &Progress) -> Self {
        let ending = Self {
            id,
            direction,
            had_open: true,
            established_at: None,
            graceful_notifications: false,
            offered: None,
        };
        match progress {
            Progress::OpenSent(state) => {
                Self { had_open: false, offered: Some(state.local.clone()), ..ending }
            }
            Progress::OpenConfirm(state) => Self { offered: Some(state.local.clone()), ..ending },
            Progress::Established(state) => Self {
                established_at: Some(state.since),
                graceful_notifications: state.negotiated.graceful_notifications,
                ..ending
            },
        }
    }
}
