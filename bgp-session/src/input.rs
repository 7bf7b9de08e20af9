//! What goes into a session.

use std::fmt;

use bgp_wire::{Notification, RouteRefresh};

use crate::StopReason;

/// Who opened a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// We.
    Outbound,
}

/// Names a TCP connection. The owner chooses, and does not use a number again within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Something that happened outside. See [`crate::Session`] for when to say what.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// The operator (or the start of the daemon) wants the session up. Ends a stop and an
    /// idle-hold; without effect on a session that is on its way.
    Start,
    /// The session has to end.
    Stop(StopReason),
    /// A TCP connection is open: accepted, or the answer to [`crate::Output::Connect`].
    ConnectionOpened {
        /// Its name from now on.
        id: ConnectionId,
        /// Who opened it.
        direction: Direction,
    },
    /// The attempt that [`crate::Output::Connect`] asked for failed.
    ConnectFailed,
    /// A TCP connection ended: closed or reset by the peer, or broken.
    ConnectionClosed {
        /// Which.
        id: ConnectionId,
    },
    /// Octets arrived.
    Octets {
        /// On which connection.
        id: ConnectionId,
        /// As they came, however cut.
        octets: &'a [u8],
    },
    /// The owner decoded an [`crate::Output::Update`], and the outcome is a session reset with
    /// this NOTIFICATION (RFC 7606 §2).
    UpdateFault(Notification),
    /// Octets wait to be sent on the Established connection, and the socket takes none. Starts the
    /// SendHoldTimer unless it runs.
    SendBlocked,
    /// The socket of the Established connection took octets. Stops the SendHoldTimer; if more is
    /// waiting and the socket is full again, say [`Input::SendBlocked`] after it.
    SendProgress,
    /// Send a ROUTE-REFRESH, if the session is Established and the peer can take it.
    RequestRefresh(RouteRefresh),
}
