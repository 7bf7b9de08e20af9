//! RPSL policies: whom a member receives from and sends to.

use bgp_wire::{Asn, Family};
use hashbrown::HashSet;

/// A set of AS numbers, as RPSL describes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AsFilter {
    /// Everybody.
    #[default]
    All,
    /// These.
    Only(HashSet<Asn, foldhash::fast::FixedState>),
    /// Everybody but these.
    AllBut(HashSet<Asn, foldhash::fast::FixedState>),
}

impl AsFilter {
    /// Whether an AS is in it.
    #[must_use]
    pub fn allows(&self, asn: Asn) -> bool {
        match self {
            Self::All => true,
            Self::Only(asns) => asns.contains(&asn),
            Self::AllBut(asns) => !asns.contains(&asn),
        }
    }
}

/// Whom a member receives from and sends to, by family.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerFilter {
    /// Whom it receives from.
    pub receive_from: [AsFilter; 2],
    /// Whom it sends to.
    pub send_to: [AsFilter; 2],
}

impl PeerFilter {
    /// Whether it takes routes of a family from an AS.
    #[must_use]
    pub fn receives(&self, family: Family, from: Asn) -> bool {
        self.receive_from[family.index()].allows(from)
    }

    /// Whether it sends routes of a family to an AS.
    #[must_use]
    pub fn sends(&self, family: Family, to: Asn) -> bool {
        self.send_to[family.index()].allows(to)
    }
}
