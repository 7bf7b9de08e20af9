//! Path attributes as values (RFC 4271 §4.3, §5). Each attribute's wire form is in its own file.

use std::net::Ipv4Addr;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    AsPath, Asn, Community, ExtendedCommunity, Fault, Ipv6ExtendedCommunity, LargeCommunity,
    NextHop,
};

mod aggregator;
mod as4_path;
mod as_path;
mod atomic_aggregate;
mod communities;
mod discarded;
mod encode;
mod extended_communities;
mod ipv6_extended_communities;
mod large_communities;
mod med;
pub(crate) mod mp_reach;
pub(crate) mod mp_unreach;
pub(crate) mod next_hop;
mod origin;
mod otc;
mod parse;
pub(crate) mod raw;
mod unknown;

pub(crate) use encode::encode_all;
pub(crate) use parse::check_attributes;
pub use parse::parse_attributes;

/// How the originator learned the route (RFC 4271 §5.1.1). The order is that of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Interior to the originating AS.
    Igp,
    /// By EGP.
    Egp,
    /// By other means.
    Incomplete,
}

/// Who aggregated the route (RFC 4271 §5.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its BGP identifier.
    pub address: Ipv4Addr,
}

/// An attribute that we do not interpret, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RawAttribute {
    /// Flags as they came, that of extended length included.
    pub flags: u8,
    /// Type code.
    pub code: u8,
    /// Value.
    pub value: Bytes,
}

/// An optional transitive attribute that we know: its Partial flag is passed on as it came.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KnownAttribute {
    /// AGGREGATOR.
    Aggregator,
    /// COMMUNITIES.
    Communities,
    /// Extended communities.
    ExtendedCommunities,
    /// IPv6-address-specific extended communities.
    Ipv6ExtendedCommunities,
    /// Large communities.
    LargeCommunities,
    /// Only to Customer.
    OnlyToCustomer,
    /// AS4_AGGREGATOR. Speakers with two-octet AS numbers mark it, and it alone, where they pass
    /// it on; written only to one of them.
    As4Aggregator,
}

/// The known attributes whose Partial flag is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PartialFlags(u8);

impl PartialFlags {
    /// No attribute is partial.
    pub const NONE: Self = Self(0);

    /// Is the attribute partial?
    pub const fn contains(self, attribute: KnownAttribute) -> bool {
        self.0 & (1 << attribute as u8) != 0
    }

    /// Marks an attribute as partial.
    pub fn insert(&mut self, attribute: KnownAttribute) {
        self.0 |= 1 << attribute as u8;
    }
}

/// The attributes of a route, next hop included. LOCAL_PREF has no place: it does not cross AS
/// borders (RFC 4271 §5.1.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH, with AS4_PATH merged in (RFC 6793 §4.2.3).
    pub as_path: AsPath,
    /// NEXT_HOP, or that of MP_REACH_NLRI.
    pub next_hop: NextHop,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, with AS4_AGGREGATOR merged in.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Box<[Community]>,
    /// Extended communities.
    pub extended_communities: Box<[ExtendedCommunity]>,
    /// IPv6-address-specific extended communities.
    pub ipv6_extended_communities: Box<[Ipv6ExtendedCommunity]>,
    /// Large communities, without duplicates (RFC 8092 §5).
    pub large_communities: Box<[LargeCommunity]>,
    /// Only to Customer (RFC 9234 §5).
    pub otc: Option<Asn>,
    /// Optional transitive attributes that we do not know, in the order of arrival.
    pub unknown: Box<[RawAttribute]>,
    /// Which known optional transitive attributes came as partial.
    pub partial: PartialFlags,
}

impl PathAttributes {
    /// The least that a route has: ORIGIN IGP, a path and a next hop.
    pub fn new(as_path: AsPath, next_hop: NextHop) -> Self {
        Self {
            origin: Origin::Igp,
            as_path,
            next_hop,
            med: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Box::default(),
            extended_communities: Box::default(),
            ipv6_extended_communities: Box::default(),
            large_communities: Box::default(),
            otc: None,
            unknown: Box::default(),
            partial: PartialFlags::NONE,
        }
    }
}

/// The outcome of [`parse_attributes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAttributes {
    /// The values.
    pub attributes: PathAttributes,
    /// Attributes that were discarded, and why.
    pub faults: SmallVec<[Fault; 2]>,
}
