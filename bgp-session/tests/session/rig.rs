//! One session, a virtual clock and a peer that says what the test wants. Every output is checked
//! against the promises that hold for any sequence of events.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bgp_session::{ConnectionId, Direction, Input, Output, Session, SessionConfig, State};
use bgp_wire::{
    Asn, Capability, Families, Family, Message, Notification, OpenMessage, RouteRefresh,
    encode_keepalive, next_frame,
};
use bytes::{BufMut, BytesMut};

pub(crate) const LOCAL_AS: Asn = Asn(64500);
pub(crate) const PEER_AS: Asn = Asn(65010);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A passive session with both families and nothing optional.
pub(crate) fn config() -> SessionConfig {
    SessionConfig {
        local_as: LOCAL_AS,
        peer_as: PEER_AS,
        router_id: [192, 0, 2, 250].into(),
        families: Families::BOTH,
        connect_retry: secs(30),
        graceful_restart: None,
        ..SessionConfig::default()
    }
}

pub(crate) fn active() -> SessionConfig {
    SessionConfig { passive: false, ..config() }
}

/// An OPEN that the session accepts.
pub(crate) fn open() -> OpenMessage {
    OpenMessage {
        version: 4,
        my_as: 65010,
        hold_time: 90,
        router_id: [192, 0, 2, 10].into(),
        capabilities: vec![
            Capability::multi_protocol(Family::V4),
            Capability::multi_protocol(Family::V6),
            Capability::RouteRefresh,
            Capability::FourOctetAs(PEER_AS),
        ],
    }
}

/// The same with more capabilities.
pub(crate) fn open_with(capabilities: impl IntoIterator<Item = Capability>) -> OpenMessage {
    let mut open = open();
    open.capabilities.extend(capabilities);
    open
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    match message {
        Message::Open(open) => open.encode(&mut out),
        Message::Update(body) => {
            out.put_bytes(0xff, 16);
            out.put_u16(u16::try_from(19 + body.len()).unwrap());
            out.put_u8(2);
            out.put_slice(body);
        }
        Message::Notification(notification) => notification.encode(&mut out),
        Message::Keepalive => encode_keepalive(&mut out),
        Message::RouteRefresh(refresh) => refresh.encode(&mut out),
    }
    out.to_vec()
}

/// Takes octets apart; panics unless they are whole messages.
pub(crate) fn decode(octets: &[u8]) -> Vec<Message> {
    let mut buffer = BytesMut::from(octets);
    let mut messages = Vec::new();
    while let Some((kind, body)) = next_frame(&mut buffer, 4096).unwrap() {
        messages.push(Message::decode(kind, body).unwrap());
    }
    assert!(buffer.is_empty(), "half a message was transmitted");
    messages
}

/// The body of an End-of-RIB for IPv4.
pub(crate) fn end_of_rib() -> Message {
    Message::Update(vec![0; 4].into())
}

pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    next_id: u32,
    /// Connections on which output is allowed.
    live: BTreeSet<ConnectionId>,
    connecting: bool,
    established: bool,
    reported: State,
}

impl Rig {
    pub(crate) fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now);
        Self {
            session,
            now,
            next_id: 1,
            live: BTreeSet::new(),
            connecting: false,
            established: false,
            reported: State::Idle,
        }
    }

    /// A session that has been started.
    pub(crate) fn started(config: SessionConfig) -> Self {
        let mut rig = Self::new(config);
        rig.input(Input::Start);
        rig
    }

    /// One that is Established on the connection that is returned.
    pub(crate) fn established(config: SessionConfig) -> (Self, ConnectionId) {
        Self::established_with(config, open())
    }

    pub(crate) fn established_with(
        config: SessionConfig,
        open: OpenMessage,
    ) -> (Self, ConnectionId) {
        let mut rig = Self::started(config);
        let id = rig.inbound();
        rig.send(id, &Message::Open(open));
        rig.send(id, &Message::Keepalive);
        assert_eq!(rig.session.state(), State::Established);
        (rig, id)
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        match &input {
            Input::ConnectionClosed { id } => {
                self.live.remove(id);
            }
            Input::ConnectFailed => self.connecting = false,
            _ => {}
        }
        self.session.handle(self.now, input);
        self.drain()
    }

    /// A new connection; `Transmit` of the OPEN is checked.
    pub(crate) fn inbound(&mut self) -> ConnectionId {
        let (id, outputs) = self.connection(Direction::Inbound);
        assert!(matches!(sent(&outputs, id).as_slice(), [Message::Open(_)]), "{outputs:?}");
        id
    }

    pub(crate) fn outbound(&mut self) -> ConnectionId {
        let (id, outputs) = self.connection(Direction::Outbound);
        assert!(matches!(sent(&outputs, id).as_slice(), [Message::Open(_)]), "{outputs:?}");
        id
    }

    pub(crate) fn connection(&mut self, direction: Direction) -> (ConnectionId, Vec<Output>) {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.live.insert(id);
        if direction == Direction::Outbound {
            self.connecting = false;
        }
        let outputs = self.input(Input::ConnectionOpened { id, direction });
        (id, outputs)
    }

    pub(crate) fn send(&mut self, id: ConnectionId, message: &Message) -> Vec<Output> {
        self.octets(id, &encode(message))
    }

    pub(crate) fn octets(&mut self, id: ConnectionId, octets: &[u8]) -> Vec<Output> {
        self.input(Input::Octets { id, octets })
    }

    /// Lets time pass, timers acting at their time, with nothing unread.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output> {
        self.pass_with(time, false)
    }

    pub(crate) fn pass_with(&mut self, time: Duration, unread_input: bool) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while let Some(deadline) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            outputs.extend(self.timeout(unread_input));
        }
        self.now = end;
        outputs
    }

    /// Calls the timers now.
    pub(crate) fn timeout(&mut self, unread_input: bool) -> Vec<Output> {
        self.session.handle_timeout(self.now, unread_input);
        let next = self.session.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "a timer that is over still runs");
        self.drain()
    }

    /// All outputs, checked.
    fn drain(&mut self) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.session.poll_output()).collect();
        for output in &outputs {
            self.check(output);
        }
        let connections: Vec<_> = self.session.connections().collect();
        assert!(connections.len() <= 4, "{connections:?}");
        let established =
            connections.iter().filter(|(.., state)| *state == State::Established).count();
        assert_eq!(established, usize::from(self.established));
        assert_eq!(self.session.negotiated().is_some(), self.established);
        assert_eq!(self.reported, self.session.state());
        outputs
    }

    fn check(&mut self, output: &Output) {
        match output {
            Output::Connect => {
                assert!(!self.connecting, "two attempts at once");
                self.connecting = true;
            }
            Output::CancelConnect => {
                assert!(self.connecting, "nothing to cancel");
                self.connecting = false;
            }
            Output::Transmit { id, octets } => {
                assert!(self.live.contains(id), "output for a closed connection");
                assert!(!decode(octets).is_empty());
            }
            Output::Close { id, .. } => assert!(self.live.remove(id), "closed twice"),
            Output::Established(negotiated) => {
                assert!(!self.established, "Established twice");
                assert!(self.live.contains(&negotiated.connection));
                self.established = true;
            }
            Output::Down(_) => {
                assert!(self.established, "Down without Established");
                self.established = false;
            }
            Output::Update { .. } | Output::RouteRefresh(_) => assert!(self.established),
            Output::StateChanged(state) => {
                assert_ne!(self.reported, *state);
                self.reported = *state;
            }
        }
    }
}

/// The messages for a connection among some outputs.
pub(crate) fn sent(outputs: &[Output], to: ConnectionId) -> Vec<Message> {
    let mut messages = Vec::new();
    for output in outputs {
        if let Output::Transmit { id, octets } = output
            && *id == to
        {
            messages.extend(decode(octets));
        }
    }
    messages
}

/// Code and subcode of the NOTIFICATION for a connection.
pub(crate) fn refused_with(outputs: &[Output], to: ConnectionId) -> Option<(u8, u8)> {
    refusal(outputs, to).map(|notification| (notification.code, notification.subcode))
}

pub(crate) fn refusal(outputs: &[Output], to: ConnectionId) -> Option<Notification> {
    sent(outputs, to).into_iter().find_map(|message| match message {
        Message::Notification(notification) => Some(notification),
        _ => None,
    })
}

pub(crate) fn is_closed(outputs: &[Output], which: ConnectionId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Close { id, .. } if *id == which))
}

pub(crate) fn down_reason(outputs: &[Output]) -> Option<&bgp_session::DownReason> {
    outputs.iter().find_map(|output| match output {
        Output::Down(reason) => Some(reason),
        _ => None,
    })
}

pub(crate) fn refresh(family: Family) -> Message {
    Message::RouteRefresh(RouteRefresh::new(family, 0))
}
