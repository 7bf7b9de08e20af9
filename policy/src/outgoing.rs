//! Path attributes on their way out.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;

use bgp_wire::{EncodingProfile, Family, LinkLocalForm, PathAttributes, message_octets};
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
    /// Where that is too long for some sessions: how long it is for each profile.
    exact: OnceLock<Box<ExactOctets>>,
}

/// The octets of a message with one route, for each way to write it that makes a difference; each
/// is found by writing it, once.
type ExactOctets = [OnceLock<usize>; 24];

/// The place of a way to write.
fn exact_index(profile: &EncodingProfile, family: Family) -> usize {
    let bits = 4 * family.index()
        + 2 * usize::from(profile.four_octet_as)
        + usize::from(profile.add_path[family.index()]);
    let form = match profile.link_local_form {
        LinkLocalForm::Native => 0,
        LinkLocalForm::Single => 1,
        LinkLocalForm::Double => 2,
    };
    3 * bits + form
}

impl OutgoingAttributes {
    /// With hash and size.
    #[must_use]
    pub fn new(attributes: PathAttributes) -> Self {
        // Not a defence against collisions: equality is by content in the end.
        let content_hash = FixedState::with_seed(0).hash_one(&attributes);
        let octets = octets_bound(&attributes);
        Self { attributes, content_hash, octets, exact: OnceLock::new() }
    }

    /// Whether every session can take them, whatever it negotiated.
    #[must_use]
    pub fn fits_everywhere(&self) -> bool {
        self.octets <= CLASSIC_OCTETS
    }

    /// Whether a route of the family fits a message of this profile.
    #[must_use]
    pub fn fits(&self, profile: &EncodingProfile, family: Family) -> bool {
        self.fits_everywhere() || self.octets_for(profile, family) <= profile.max_message_octets()
    }

    /// [`message_octets`]. Asked for every prefix with these attributes, so remembered: writing 60 kB
    /// takes longer than everything else about a prefix.
    fn octets_for(&self, profile: &EncodingProfile, family: Family) -> usize {
        let exact = self.exact.get_or_init(Box::default);
        *exact[exact_index(profile, family)]
            .get_or_init(|| message_octets(profile, family, &self.attributes))
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
    use std::net::{Ipv4Addr, Ipv6Addr};

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

    fn profiles() -> Vec<EncodingProfile> {
        let forms = [LinkLocalForm::Native, LinkLocalForm::Single, LinkLocalForm::Double];
        let bits = |n: u8| [1, 2, 4, 8].map(|bit| n & bit != 0);
        let all = (0..16).map(bits).flat_map(|bits| forms.map(|form| (bits, form)));
        all.map(|([four_octet_as, extended_message, v4, v6], link_local_form)| EncodingProfile {
            four_octet_as,
            add_path: [v4, v6],
            extended_message,
            link_local_form,
        })
        .collect()
    }

    /// For each profile as if it was written for it, also when it is asked again.
    #[test]
    fn what_fits_is_what_would_be_written() {
        let link_local = NextHop::V6 { global: None, link_local: Some(Ipv6Addr::LOCALHOST) };
        let v4 = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
        // Around 4,096 octets, where each octet of an encoding counts, and far above.
        let counts = (325..=345).chain([5000]);
        let mut limits = [0, 0];
        for (next_hop, count) in counts.flat_map(|n| [(link_local, n), (v4, n)]) {
            let outgoing =
                OutgoingAttributes::new(PathAttributes { next_hop, ..attributes(count) });
            for (profile, family) in profiles().iter().flat_map(|p| Family::ALL.map(|f| (p, f))) {
                // IPv6 has no IPv4 next hops.
                if family == Family::V6 && next_hop == v4 {
                    continue;
                }
                let octets = message_octets(profile, family, &outgoing.attributes);
                let fits = octets <= profile.max_message_octets();
                for _ in 0..2 {
                    assert_eq!(outgoing.fits(profile, family), fits, "{profile:?} {count}");
                }
                limits[usize::from(fits)] += 1;
            }
        }
        assert!(limits.iter().all(|count| *count > 100), "{limits:?}");
    }

    #[test]
    fn only_large_sets_need_a_closer_look() {
        assert!(OutgoingAttributes::new(attributes(100)).fits_everywhere());
        assert!(!OutgoingAttributes::new(attributes(400)).fits_everywhere());
    }
}
