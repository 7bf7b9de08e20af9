//! What an Established session has agreed on.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_wire::{
    Asn, Capability, DecodeContext, EncodingProfile, Families, MAX_EXTENDED_OCTETS, MAX_OCTETS,
    Role,
};
use bytes::Bytes;

use crate::ConnectionId;

/// The outcome of two OPENs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// How to read UPDATEs of the peer.
    pub decode: DecodeContext,
    /// How to write UPDATEs for the peer.
    pub profile: EncodingProfile,
    /// Families that both sides have.
    pub families: Families,
    /// IPv4 NLRI may have IPv6 next hops, both ways (RFC 8950).
    pub extended_next_hop: bool,
    /// The smaller of the two hold times; zero: no KEEPALIVEs.
    pub hold_time: Duration,
    /// A third of it, before jitter.
    pub keepalive: Duration,
    /// The peer's BGP Identifier.
    pub peer_router_id: Ipv4Addr,
    /// The peer's AS, which is the configured one.
    pub peer_as: Asn,
    /// Both know ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Both know BoRR and EoRR (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// The peer's side of graceful restart, if both have it (RFC 4724).
    pub peer_graceful_restart: Option<PeerGracefulRestart>,
    /// Graceful restart outlives NOTIFICATIONs other than Hard Reset (RFC 8538).
    pub graceful_notifications: bool,
    /// By [`bgp_wire::Family::index`]: how long the peer's routes may stay as long-lived stale, if
    /// both have that (RFC 9494): what the peer asks for, and no longer than we offer.
    pub peer_llgr: [Option<Duration>; 2],
    /// Families of those for which the peer says in that capability to have kept its forwarding
    /// state: it has an F bit of its own.
    pub peer_llgr_forwarding: Families,
    /// The peer's role, if it named one (RFC 9234). Ours applies either way.
    pub peer_role: Option<Role>,
    /// Both have the link-local next hop capability.
    pub link_local_next_hop: bool,
    /// We said that we take messages of up to 65,535 octets. That suffices for the peer to send
    /// them (RFC 8654 §4); for our sending see `profile.extended_message`.
    pub receives_extended_messages: bool,
    /// What our OPEN offered.
    pub local_capabilities: Vec<Capability>,
    /// What the peer's OPEN offered.
    pub peer_capabilities: Vec<Capability>,
    /// Our OPEN as it was sent, header included.
    pub sent_open: Bytes,
    /// The peer's OPEN as it came, header included.
    pub received_open: Bytes,
    /// The connection that carries the session.
    pub connection: ConnectionId,
}

/// The peer's graceful restart capability, as far as it concerns negotiated families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerGracefulRestart {
    /// The R bit: it has just restarted.
    pub restarting: bool,
    /// How long it may be away.
    pub restart_time: Duration,
    /// Families whose routes shall be kept meanwhile.
    pub families: Families,
    /// Those of them for which it says to have kept its forwarding state (F bit).
    pub forwarding: Families,
}

impl Negotiated {
    /// The greatest message that the peer may send us.
    pub fn max_receive_octets(&self) -> usize {
        if self.receives_extended_messages { MAX_EXTENDED_OCTETS } else { MAX_OCTETS }
    }
}
