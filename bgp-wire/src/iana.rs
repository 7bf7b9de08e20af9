//! Code points, as IANA registers them: <https://www.iana.org/assignments/bgp-parameters>,
//! <https://www.iana.org/assignments/capability-codes>,
//! <https://www.iana.org/assignments/address-family-numbers> and
//! <https://www.iana.org/assignments/safi-namespace>.

/// AFI of IPv4.
pub const AFI_IPV4: u16 = 1;
/// AFI of IPv6.
pub const AFI_IPV6: u16 = 2;
/// SAFI of unicast forwarding (RFC 4760).
pub const SAFI_UNICAST: u8 = 1;

/// Message types.
pub mod message {
    /// RFC 4271 §4.2.
    pub const OPEN: u8 = 1;
    /// RFC 4271 §4.3.
    pub const UPDATE: u8 = 2;
    /// RFC 4271 §4.5.
    pub const NOTIFICATION: u8 = 3;
    /// RFC 4271 §4.4.
    pub const KEEPALIVE: u8 = 4;
    /// RFC 2918 §3.
    pub const ROUTE_REFRESH: u8 = 5;
}

/// Path attribute flags (RFC 4271 §4.3).
pub mod flag {
    /// Not every speaker recognises it.
    pub const OPTIONAL: u8 = 0x80;
    /// Passed on.
    pub const TRANSITIVE: u8 = 0x40;
    /// A speaker on the way did not recognise it.
    pub const PARTIAL: u8 = 0x20;
    /// The length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// Path attribute type codes.
pub mod attribute {
    /// RFC 4271 §5.1.1.
    pub const ORIGIN: u8 = 1;
    /// RFC 4271 §5.1.2.
    pub const AS_PATH: u8 = 2;
    /// RFC 4271 §5.1.3.
    pub const NEXT_HOP: u8 = 3;
    /// RFC 4271 §5.1.4.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// RFC 4271 §5.1.5.
    pub const LOCAL_PREF: u8 = 5;
    /// RFC 4271 §5.1.6.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// RFC 4271 §5.1.7.
    pub const AGGREGATOR: u8 = 7;
    /// RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// RFC 4456 §8.
    pub const ORIGINATOR_ID: u8 = 9;
    /// RFC 4456 §8.
    pub const CLUSTER_LIST: u8 = 10;
    /// RFC 4760 §3.
    pub const MP_REACH_NLRI: u8 = 14;
    /// RFC 4760 §4.
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// RFC 4360.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// RFC 6793 §3.
    pub const AS4_PATH: u8 = 17;
    /// RFC 6793 §3.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// RFC 5701.
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    /// RFC 7311.
    pub const AIGP: u8 = 26;
    /// RFC 8092.
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// RFC 9234 §5.
    pub const ONLY_TO_CUSTOMER: u8 = 35;
}

/// Values of ORIGIN (RFC 4271 §4.3).
pub mod origin {
    /// Interior to the originating AS.
    pub const IGP: u8 = 0;
    /// Learned by EGP.
    pub const EGP: u8 = 1;
    /// Learned by other means.
    pub const INCOMPLETE: u8 = 2;
}

/// AS_PATH segment types.
pub mod segment {
    /// RFC 4271 §4.3.
    pub const AS_SET: u8 = 1;
    /// RFC 4271 §4.3.
    pub const AS_SEQUENCE: u8 = 2;
    /// RFC 5065 §3.
    pub const AS_CONFED_SEQUENCE: u8 = 3;
    /// RFC 5065 §3.
    pub const AS_CONFED_SET: u8 = 4;
}

/// OPEN optional parameter types.
pub mod parameter {
    /// RFC 5492 §4.
    pub const CAPABILITIES: u8 = 2;
    /// RFC 9072 §2.
    pub const EXTENDED_LENGTH: u8 = 255;
}

/// Capability codes.
pub mod capability {
    /// RFC 4760 §8.
    pub const MULTIPROTOCOL: u8 = 1;
    /// RFC 2918 §2.
    pub const ROUTE_REFRESH: u8 = 2;
    /// RFC 8950 §4.
    pub const EXTENDED_NEXT_HOP: u8 = 5;
    /// RFC 8654 §3.
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// RFC 9234 §4.1.
    pub const ROLE: u8 = 9;
    /// RFC 4724 §3.
    pub const GRACEFUL_RESTART: u8 = 64;
    /// RFC 6793 §3.
    pub const FOUR_OCTET_AS: u8 = 65;
    /// RFC 7911 §4.
    pub const ADD_PATH: u8 = 69;
    /// RFC 7313 §3.1.
    pub const ENHANCED_ROUTE_REFRESH: u8 = 70;
    /// RFC 9494 §3.1.
    pub const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    /// draft-walton-bgp-hostname-capability.
    pub const HOSTNAME: u8 = 73;
    /// draft-ietf-idr-linklocal-capability.
    pub const LINK_LOCAL_NEXT_HOP: u8 = 77;
}

/// NOTIFICATION error codes.
pub mod error {
    /// RFC 4271 §6.1.
    pub const MESSAGE_HEADER: u8 = 1;
    /// RFC 4271 §6.2.
    pub const OPEN_MESSAGE: u8 = 2;
    /// RFC 4271 §6.3.
    pub const UPDATE_MESSAGE: u8 = 3;
    /// RFC 4271 §6.5.
    pub const HOLD_TIMER_EXPIRED: u8 = 4;
    /// RFC 4271 §6.6, RFC 6608.
    pub const FINITE_STATE_MACHINE: u8 = 5;
    /// RFC 4271 §6.7, RFC 4486.
    pub const CEASE: u8 = 6;
    /// RFC 7313 §5.
    pub const ROUTE_REFRESH_MESSAGE: u8 = 7;
    /// RFC 9687 §4.
    pub const SEND_HOLD_TIMER_EXPIRED: u8 = 8;
}

/// Subcodes of Message Header Error.
pub mod header_error {
    /// RFC 4271 §6.1.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// RFC 4271 §6.1.
    pub const BAD_LENGTH: u8 = 2;
    /// RFC 4271 §6.1.
    pub const BAD_TYPE: u8 = 3;
}

/// Subcodes of OPEN Message Error.
pub mod open_error {
    /// RFC 4271 §6.2.
    pub const UNSPECIFIC: u8 = 0;
    /// RFC 4271 §6.2.
    pub const UNSUPPORTED_VERSION: u8 = 1;
    /// RFC 4271 §6.2.
    pub const BAD_PEER_AS: u8 = 2;
    /// RFC 4271 §6.2.
    pub const BAD_BGP_IDENTIFIER: u8 = 3;
    /// RFC 4271 §6.2.
    pub const UNSUPPORTED_OPTIONAL_PARAMETER: u8 = 4;
    /// RFC 4271 §6.2.
    pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
    /// RFC 5492 §5.
    pub const UNSUPPORTED_CAPABILITY: u8 = 7;
    /// RFC 9234 §4.2.
    pub const ROLE_MISMATCH: u8 = 11;
}

/// Subcodes of UPDATE Message Error (RFC 4271 §6.3).
pub mod update_error {
    /// Lengths contradict each other.
    pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
    /// An attribute claims to be well-known and is not known.
    pub const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
    /// A mandatory attribute is missing.
    pub const MISSING_WELL_KNOWN: u8 = 3;
    /// Flags do not fit the type.
    pub const ATTRIBUTE_FLAGS: u8 = 4;
    /// The length does not fit the type.
    pub const ATTRIBUTE_LENGTH: u8 = 5;
    /// ORIGIN is none of the three.
    pub const INVALID_ORIGIN: u8 = 6;
    /// NEXT_HOP is no address of a host.
    pub const INVALID_NEXT_HOP: u8 = 8;
    /// An optional attribute has a wrong value.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// The NLRI cannot be parsed.
    pub const INVALID_NETWORK: u8 = 10;
    /// AS_PATH cannot be parsed.
    pub const MALFORMED_AS_PATH: u8 = 11;
}

/// Subcodes of Finite State Machine Error (RFC 6608 §3).
pub mod fsm_error {
    /// Any other state.
    pub const UNSPECIFIC: u8 = 0;
    /// Unexpected message in OpenSent.
    pub const OPEN_SENT: u8 = 1;
    /// Unexpected message in OpenConfirm.
    pub const OPEN_CONFIRM: u8 = 2;
    /// Unexpected message in Established.
    pub const ESTABLISHED: u8 = 3;
}

/// Subcodes of Cease (RFC 4486 §3, RFC 8538 §3.1, RFC 9384).
pub mod cease {
    /// Too many prefixes.
    pub const MAXIMUM_PREFIXES: u8 = 1;
    /// The operator took the session down (RFC 9003 text).
    pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
    /// The peer is no longer configured.
    pub const PEER_DECONFIGURED: u8 = 3;
    /// The operator restarts the session (RFC 9003 text).
    pub const ADMINISTRATIVE_RESET: u8 = 4;
    /// The connection is not wanted.
    pub const CONNECTION_REJECTED: u8 = 5;
    /// A changed configuration needs a new session.
    pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
    /// Another connection won (RFC 4271 §6.8).
    pub const CONNECTION_COLLISION: u8 = 7;
    /// Out of memory or the like.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Graceful restart shall not be used (RFC 8538 §3.1).
    pub const HARD_RESET: u8 = 9;
    /// BFD saw the path fail (RFC 9384).
    pub const BFD_DOWN: u8 = 10;
}

/// Subcodes of ROUTE-REFRESH Message Error (RFC 7313 §5).
pub mod refresh_error {
    /// The message has a wrong length.
    pub const INVALID_LENGTH: u8 = 1;
}

/// Message subtypes of ROUTE-REFRESH (RFC 7313 §3.2).
pub mod refresh {
    /// A request (RFC 2918 §3).
    pub const REQUEST: u8 = 0;
    /// Beginning of route refresh.
    pub const BEGIN: u8 = 1;
    /// End of route refresh.
    pub const END: u8 = 2;
}
