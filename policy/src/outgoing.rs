//! Path attributes on their way out.

use std::hash::{BuildHasher, Hash, Hasher};

use bgp_wire::{EncodingProfile, Family, PathAttributes, message_octets};
use foldhash::fast::FixedState;

/// Octets of a message besides what [`OutgoingAttributes`] counts: header, lengths, ORIGIN, MED,
/// OTC, AGGREGATOR, the largest next hop and one prefix with a path identifier, rounded up.
const FIXED_OCTETS: usize = 160;

/// The octets that any session may be sent in one message (RFC 4271 §4).
const CLASSIC_OCTETS: usize = 4096;

/// What leaves the route server: equal by pointer, then by hash, then by content.
#[derive(Debug)]
pub struct OutgoingAttributes {
    /// The attributes.
    pub attributes: PathAttributes,
    /// A hash of the content, the same for the whole run.
    pub content_hash: u64,
    /// No message with one route is longer than this, whatever the encoding profile.
    pub octets: usize,
}

impl OutgoingAttributes {
    /// With hash and size.
    #[must_use]
    pub fn new(attributes: PathAttributes) -> Self {
        // Not a defence against collisions: equality is by content in the end.
        let content_hash = FixedState::with_seed(0).hash_one(&attributes);
        let octets = octets_bound(&attributes);
        Self { attributes, content_hash, octets }
    }

    /// Whether every session can take them, whatever it negotiated.
    #[must_use]
    pub fn fits_everywhere(&self) -> bool {
        self.octets <= CLASSIC_OCTETS
    }

    /// Whether a route of the family fits a message of this profile.
    #[must_use]
    pub fn fits(&self, profile: &EncodingProfile, family: Family) -> bool {
        self.fits_everywhere()
            || message_octets(profile, family, &self.attributes) <= profile.max_message_octets()
    }
}

impl PartialEq for OutgoingAttributes {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.content_hash == other.content_hash && self.attributes == other.attributes)
    }
}

impl Eq for OutgoingAttributes {}

impl Hash for OutgoingAttributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.content_hash);
    }
}

/// An upper bound that needs no encoding. AS_PATH counts twice: for AS4_PATH (RFC 6793 §4.2.2).
fn octets_bound(a: &PathAttributes) -> usize {
    let unknown: usize = a.unknown.iter().map(|raw| raw.value.len() + 4).sum();
    FIXED_OCTETS
        + 2 * (a.as_path.octets().len() + 4)
        + 4 * a.communities.len()
        + 8 * a.extended_communities.len()
        + 20 * a.ipv6_extended_communities.len()
        + 12 * a.large_communities.len()
        + unknown
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bgp_wire::{AsPath, Asn, LargeCommunity, NextHop};

    use super::*;

    fn attributes(communities: u32) -> PathAttributes {
        let path = AsPath::from_sequence(&[Asn(65001), Asn(65002)]);
        let mut attributes = PathAttributes::new(path, NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
        attributes.large_communities = (0..communities)
            .map(|local2| LargeCommunity { global: 1, local1: 2, local2 })
            .collect();
        attributes
    }

    #[test]
    fn equal_content_is_equal() {
        let (a, b) =
            (OutgoingAttributes::new(attributes(3)), OutgoingAttributes::new(attributes(3)));
        assert_eq!(a, b);
        assert_eq!(a.content_hash, b.content_hash);
        assert_ne!(a, OutgoingAttributes::new(attributes(4)));
    }

    #[test]
    fn only_large_sets_need_a_closer_look() {
        assert!(OutgoingAttributes::new(attributes(100)).fits_everywhere());
        assert!(!OutgoingAttributes::new(attributes(400)).fits_everywhere());
    }
}
