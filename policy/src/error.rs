//! What is wrong with a policy at load.

use bgp_wire::Asn;

use crate::communities::{Function, Pattern};
use crate::peer_set::Slot;

/// A mistake in the configuration of a policy; nothing is loaded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyError {
    /// A configured pattern has no encoding.
    #[error(
        "communities.{function}: \"{pattern}\" cannot be encoded for AS{asn}: {reason}; \
         set short_asn or use a large community"
    )]
    PatternNotEncodable {
        /// Whose list it is in.
        function: Function,
        /// The pattern.
        pattern: Pattern,
        /// The route server's AS.
        asn: Asn,
        /// What does not fit.
        reason: NotEncodable,
    },
    /// A pattern of a to-peer function does not say which peer.
    #[error("communities.{function}: \"{pattern}\" has no $peer, so it names nobody")]
    PatternWithoutPeer {
        /// Whose list it is in.
        function: Function,
        /// The pattern.
        pattern: Pattern,
    },
    /// A variable where the function has no value for it.
    #[error("communities.{function}: \"{pattern}\" uses {variable}, which has no meaning there")]
    VariableOutOfPlace {
        /// Whose list it is in.
        function: Function,
        /// The pattern.
        pattern: Pattern,
        /// The variable.
        variable: &'static str,
    },
    /// A community that is to be attached has no encoding.
    #[error("attach_communities: \"{pattern}\" cannot be encoded for AS{asn}: {reason}")]
    AttachNotEncodable {
        /// The pattern.
        pattern: Pattern,
        /// The member's AS.
        asn: Asn,
        /// What does not fit.
        reason: NotEncodable,
    },
    /// An unusable range.
    #[error("AS{asn}: prefix_length {family}: {min} to {max} is no range of prefix lengths")]
    LengthRange {
        /// The member's AS.
        asn: Asn,
        /// The family.
        family: bgp_wire::Family,
        /// From.
        min: u8,
        /// To.
        max: u8,
    },
    /// More sessions than slots.
    #[error("{count} sessions; a route server takes at most {max}")]
    TooManyPeers {
        /// So many.
        count: usize,
        /// So many are possible.
        max: usize,
    },
    /// Two sessions with one address.
    #[error("slots {first} and {second} have the same address {address}")]
    DuplicateAddress {
        /// One.
        first: Slot,
        /// The other.
        second: Slot,
        /// The address.
        address: std::net::IpAddr,
    },
}

/// Something the operator should know; the policy works without it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyWarning {
    /// A default pattern is left out.
    #[error("communities.{function}: the default \"{pattern}\" is left out: {reason}")]
    DefaultLeftOut {
        /// Whose list it is in.
        function: Function,
        /// The pattern.
        pattern: Pattern,
        /// Why.
        reason: NotEncodable,
    },
    /// All standard patterns of the preset are off.
    #[error(
        "AS{asn} does not fit 16 bits and short_asn is not set: the standard communities of the \
         preset are off"
    )]
    StandardOff {
        /// The route server's AS.
        asn: Asn,
    },
    /// A member that some patterns cannot name.
    #[error("AS{asn} cannot be named in {count} patterns of 16 bits; alias would do")]
    PeerLeftOut {
        /// The member's AS.
        asn: Asn,
        /// How many patterns.
        count: usize,
    },
    /// A member whose community for a function is one for everybody, and stays that.
    #[error("communities.{function}: for AS{asn} \"{pattern}\" is a community of {means} already")]
    PeerShadowed {
        /// The member's AS.
        asn: Asn,
        /// What it cannot be used for.
        function: Function,
        /// The pattern.
        pattern: Pattern,
        /// What it does instead.
        means: Function,
    },
}

impl PolicyWarning {
    /// Is it about communities that name a member?
    #[must_use]
    pub fn names_peer(&self) -> bool {
        matches!(self, Self::PeerLeftOut { .. } | Self::PeerShadowed { .. })
    }
}

/// What does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum NotEncodable {
    /// `$rs` in 16 bits.
    #[error("the route server has no 16-bit AS")]
    NoShortAsn,
    /// A number in 16 bits.
    #[error("{0} does not fit 16 bits")]
    TooWide(u32),
    /// Neither of the two forms of an extended community.
    #[error("{0} and {1} fit neither form of an extended community")]
    NeitherForm(u32, u32),
    /// A wildcard where a value is needed.
    #[error("\"*\" is no value")]
    Wildcard,
    /// A variable without a value.
    #[error("{0} has no value here")]
    NoValue(&'static str),
}
