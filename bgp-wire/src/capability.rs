//! Capabilities (RFC 5492), a kind in each file of this folder.

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::iana::capability as code;
use crate::{Asn, Family, iana};

mod add_path;
mod extended_next_hop;
mod four_octet_as;
mod graceful_restart;
mod hostname;
mod long_lived;
mod multi_protocol;
mod role;

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

    /// The code point.
    pub const fn code(&self) -> u8 {
        match self {
            Self::MultiProtocol { .. } => code::MULTIPROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::AddPath(_) => code::ADD_PATH,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::GracefulRestart { .. } => code::GRACEFUL_RESTART,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::Role(_) => code::ROLE,
            Self::Hostname { .. } => code::HOSTNAME,
            Self::LinkLocalNextHop => code::LINK_LOCAL_NEXT_HOP,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Writes code, length and value. Lists beyond 255 octets are cut between two entries.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut value = BytesMut::new();
        self.put_value(&mut value);
        let mut octets = value.len().min(self.greatest_value());
        octets = octets.min(usize::from(u8::MAX));
        out.put_u8(self.code());
        out.put_u8(u8::try_from(octets).unwrap_or(u8::MAX));
        out.put_slice(value.get(..octets).unwrap_or_default());
    }

    /// As many whole entries as 255 octets hold.
    const fn greatest_value(&self) -> usize {
        match self {
            Self::ExtendedNextHop(_) => 255 / 6 * 6,
            Self::AddPath(_) => 255 / 4 * 4,
            Self::GracefulRestart { .. } => 2 + 253 / 4 * 4,
            Self::LongLivedGracefulRestart(_) => 255 / 7 * 7,
            _ => 255,
        }
    }

    fn put_value(&self, out: &mut BytesMut) {
        match self {
            Self::RouteRefresh
            | Self::EnhancedRouteRefresh
            | Self::ExtendedMessage
            | Self::LinkLocalNextHop => {}
            Self::MultiProtocol { afi, safi } => multi_protocol::encode(*afi, *safi, out),
            Self::FourOctetAs(asn) => out.put_u32(asn.0),
            Self::ExtendedNextHop(entries) => extended_next_hop::encode(entries, out),
            Self::AddPath(families) => add_path::encode(families, out),
            Self::GracefulRestart { restarting, notification, restart_time, families } => {
                let head = (*restarting, *notification, *restart_time);
                graceful_restart::encode(head, families, out);
            }
            Self::LongLivedGracefulRestart(families) => long_lived::encode(families, out),
            Self::Role(role) => out.put_u8(role.code()),
            Self::Hostname { host, domain } => hostname::encode(host, domain, out),
            Self::Unknown { value, .. } => out.put_slice(value),
        }
    }

    /// Reads one capability. `Short` is a malformed one, which makes the OPEN malformed
    /// (RFC 4271 §6.2).
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        let [code, octets] = cursor.array()?;
        let value = cursor.take(usize::from(octets))?;
        let empty = |capability| if value.is_empty() { Ok(capability) } else { Err(Short) };
        let known = match code {
            code::MULTIPROTOCOL => Some(multi_protocol::decode(value)?),
            code::ROUTE_REFRESH => Some(empty(Self::RouteRefresh)?),
            code::EXTENDED_NEXT_HOP => Some(extended_next_hop::decode(value)?),
            code::EXTENDED_MESSAGE => Some(empty(Self::ExtendedMessage)?),
            code::ROLE => Some(role::decode(value)?),
            code::GRACEFUL_RESTART => Some(graceful_restart::decode(value)?),
            code::FOUR_OCTET_AS => Some(four_octet_as::decode(value)?),
            code::ADD_PATH => add_path::decode(value)?,
            code::ENHANCED_ROUTE_REFRESH => Some(empty(Self::EnhancedRouteRefresh)?),
            code::LONG_LIVED_GRACEFUL_RESTART => Some(long_lived::decode(value)?),
            code::HOSTNAME => hostname::decode(value),
            code::LINK_LOCAL_NEXT_HOP => Some(empty(Self::LinkLocalNextHop)?),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Unknown { code, value: Bytes::copy_from_slice(value) }))
    }
}

/// Reads entries of equal size to the end of the value.
fn entries<T>(
    value: &[u8],
    mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Short>,
) -> Result<Vec<T>, Short> {
    let mut cursor = Cursor::new(value);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        entries.push(read(&mut cursor)?);
    }
    Ok(entries)
}
