//! Communities of any encoding as one kind of key.

use std::fmt;

use bgp_wire::{Community, ExtendedCommunity, LargeCommunity};

use super::pattern::Encoding;

/// A community of any encoding: the encoding in the leading bits, the value in the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommunityKey(u128);

const EXTENDED: u128 = 1 << 120;
const LARGE: u128 = 2 << 120;

impl CommunityKey {
    /// The bits, for masks.
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// The encoding.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        match self.0 >> 120 {
            0 => Encoding::Standard,
            1 => Encoding::Extended,
            _ => Encoding::Large,
        }
    }

    /// The standard community, if it is one.
    #[must_use]
    pub fn standard(self) -> Option<Community> {
        (self.encoding() == Encoding::Standard).then_some(Community(self.0 as u32))
    }

    /// The extended community, if it is one.
    #[must_use]
    pub fn extended(self) -> Option<ExtendedCommunity> {
        (self.encoding() == Encoding::Extended)
            .then(|| ExtendedCommunity((self.0 as u64).to_be_bytes()))
    }

    /// The large community, if it is one.
    #[must_use]
    pub fn large(self) -> Option<LargeCommunity> {
        (self.encoding() == Encoding::Large).then_some(LargeCommunity {
            global: (self.0 >> 64) as u32,
            local1: (self.0 >> 32) as u32,
            local2: self.0 as u32,
        })
    }
}

impl From<Community> for CommunityKey {
    fn from(community: Community) -> Self {
        Self(u128::from(community.0))
    }
}

impl From<ExtendedCommunity> for CommunityKey {
    fn from(community: ExtendedCommunity) -> Self {
        Self(EXTENDED | u128::from(u64::from_be_bytes(community.0)))
    }
}

impl From<LargeCommunity> for CommunityKey {
    fn from(community: LargeCommunity) -> Self {
        let LargeCommunity { global, local1, local2 } = community;
        Self(LARGE | u128::from(global) << 64 | u128::from(local1) << 32 | u128::from(local2))
    }
}

impl fmt::Display for CommunityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.standard(), self.extended(), self.large()) {
            (Some(community), ..) => community.fmt(f),
            (_, Some(community), _) => community.fmt(f),
            (_, _, Some(community)) => community.fmt(f),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for CommunityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for CommunityKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
