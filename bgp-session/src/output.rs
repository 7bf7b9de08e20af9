//! What comes out of a session.

use std::fmt;
use std::time::Duration;

use bgp_wire::RouteRefresh;
use bytes::Bytes;

use crate::{ConnectionId, DownReason, Negotiated};

/// Something for the owner to do or to know. The order is that of
/// [`crate::Session::poll_output`]; nothing is ever sent on a connection after its `Close`.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a TCP connection to the peer. At most one attempt is wanted at a time.
    Connect,
    /// Give the attempt up: no [`crate::Input::ConnectFailed`] about it from now on. If it has just
    /// succeeded, close it, or say so: it is answered with a `Close`.
    CancelConnect,
    /// Write whole messages, ahead of queued UPDATEs but never inside one.
    Transmit {
        /// Where.
        id: ConnectionId,
        /// One or more messages.
        octets: Bytes,
    },
    /// Close a TCP connection. Everything known about it is forgotten; no input about it is
    /// expected (and none hurts).
    Close {
        /// Which.
        id: ConnectionId,
        /// How long the owner may go on writing what it was given in `Transmit` (a NOTIFICATION),
        /// and reading into the void, so that the peer gets to see it instead of a TCP reset.
        /// Queued UPDATEs are dropped at once. Zero: close now.
        linger: Duration,
    },
    /// Established. Announcements may be sent.
    Established(Box<Negotiated>),
    /// The body of an UPDATE, not decoded.
    Update {
        /// Without its header.
        body: Bytes,
    },
    /// The peer sent a ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
    /// The session is no longer Established. Comes once for every `Established`.
    Down(DownReason),
    /// The state as a whole changed.
    StateChanged(State),
}

/// The state of a session as a whole: that of its connection that got furthest, else whether we
/// try to connect (RFC 4271 §8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Refuses all connections.
    Idle,
    /// Waits for our own TCP connection, and accepts one.
    Connect,
    /// Waits for a TCP connection of the peer.
    Active,
    /// OPEN is sent, that of the peer awaited.
    OpenSent,
    /// OPENs are exchanged, the peer's KEEPALIVE is awaited.
    OpenConfirm,
    /// Up.
    Established,
}

impl State {
    /// All states, in order.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Connect,
        Self::Active,
        Self::OpenSent,
        Self::OpenConfirm,
        Self::Established,
    ];

    /// The name in RFC 4271.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
