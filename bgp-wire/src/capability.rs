//! Capabilities (RFC 5492), a kind in each file of this folder.

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::iana::capability as code;
use crate::{Asn, Family, iana};

/// One capability.
///
/// ```text
/// +------------------------------+
/// | Capability Code (1 octet)    |
/// +------------------------------+
/// | Capability Length (1 octet)  |
/// +------------------------------+
/// | Capability Value (variable)  |
/// +------------------------------+
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Capability {
    /// A family (RFC 4760 §8).
    MultiProtocol {
        /// Address family identifier.
        afi: u16,
        /// Subsequent address family identifier.
        safi: u8,
    },
    /// Route refresh (RFC 2918 §2).
    RouteRefresh,
    /// Enhanced route refresh (RFC 7313 §3.1).
    EnhancedRouteRefresh,
    /// Four-octet AS numbers, with the sender's own (RFC 6793 §3).
    FourOctetAs(Asn),
    /// NLRI AFI, NLRI SAFI and next hop AFI (RFC 8950 §4).
    ExtendedNextHop(Vec<(u16, u16, u16)>),
    /// Several paths for a prefix (RFC 7911 §4).
    AddPath(Vec<AddPathFamily>),
    /// Messages of up to 65,535 octets (RFC 8654 §3).
    ExtendedMessage,
    /// Graceful restart (RFC 4724 §3).
    GracefulRestart {
        /// The sender restarted.
        restarting: bool,
        /// Also after a NOTIFICATION (RFC 8538 §2).
        notification: bool,
        /// Seconds until the sender is back, at most 4,095.
        restart_time: u16,
        /// The families.
        families: Vec<GracefulRestartFamily>,
    },
    /// Long-lived graceful restart (RFC 9494 §3.1).
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// The sender's role (RFC 9234 §4.1).
    Role(Role),
    /// The sender's name (draft-walton-bgp-hostname-capability).
    Hostname {
        /// Host name.
        host: String,
        /// Domain name, often empty.
        domain: String,
    },
    /// Lone link-local next hops (draft-ietf-idr-linklocal-capability).
    LinkLocalNextHop,
    /// Any other one, or one whose value cannot be used, kept as it came.
    Unknown {
        /// Capability code.
        code: u8,
        /// Value, at most 255 octets.
        value: Bytes,
    },
}

/// A family in the ADD-PATH capability (RFC 7911 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddPathFamily {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
    /// The sender wants to receive several paths.
    pub receive: bool,
    /// The sender wants to send several paths.
    pub send: bool,
}

/// A family in the graceful restart capability (RFC 4724 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GracefulRestartFamily {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
    /// Forwarding state was kept.
    pub forwarding: bool,
}

/// A family in the long-lived graceful restart capability (RFC 9494 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LongLivedFamily {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
    /// Forwarding state was kept.
    pub forwarding: bool,
    /// Seconds that stale routes live, at most 16,777,215.
    pub stale_time: u32,
}

/// The relation that a side of a session has to the other (RFC 9234 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sells transit.
    Provider,
    /// Route server.
    RouteServer,
    /// Client of a route server.
    RouteServerClient,
    /// Buys transit.
    Customer,
    /// Lateral peer.
    Peer,
    /// A value that nobody assigned: fits no role (RFC 9234 §4.2).
    Unassigned(u8),
}

impl Role {
    /// The role of a code point.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Provider,
            1 => Self::RouteServer,
            2 => Self::RouteServerClient,
            3 => Self::Customer,
            4 => Self::Peer,
            other => Self::Unassigned(other),
        }
    }

    /// The code point.
    pub const fn code(self) -> u8 {
        match self {
            Self::Provider => 0,
            Self::RouteServer => 1,
            Self::RouteServerClient => 2,
            Self::Customer => 3,
            Self::Peer => 4,
            Self::Unassigned(code) => code,
        }
    }

    /// Do the two ends of a session have roles that fit? (RFC 9234 §4.2, table 2)
    pub const fn fits(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Provider, Self::Customer)
                | (Self::Customer, Self::Provider)
                | (Self::RouteServer, Self::RouteServerClient)
                | (Self::RouteServerClient, Self::RouteServer)
                | (Self::Peer, Self::Peer)
        )
    }
}

impl Capability {
    /// The multiprotocol capability of a family.
    pub const fn multi_protocol(family: Family) -> Self {
        Self::MultiProtocol { afi: family.afi(), safi: iana::SAFI_UNICAST }
    }

    /// Writes code, length and value.
    pub fn encode(&self, out: &mut BytesMut) {
        let _ = code::ROLE;
        out.put_u8(0);
        todo!()
    }

    /// Reads one capability. `Short` is a malformed one (RFC 4271 §6.2).
    pub(crate) fn decode(_cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        todo!()
    }
}
