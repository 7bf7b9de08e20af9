//! Sets of communities to take off a route.

use bgp_wire::PathAttributes;
use hashbrown::HashSet;

use super::encode::Masked;
use super::key::CommunityKey;
use super::pattern::Encoding;

/// A set of communities: a look-up is a hash for each mask in use, of which there are two or
/// three in an encoding.
#[derive(Clone, Default, Debug)]
pub(crate) struct CommunitySet {
    by_encoding: [Vec<MaskedKeys>; 3],
}

#[derive(Clone, Debug)]
struct MaskedKeys {
    mask: u128,
    keys: HashSet<u128, foldhash::fast::FixedState>,
}

impl CommunitySet {
    pub(crate) fn insert(&mut self, masked: Masked) {
        let sets = &mut self.by_encoding[slot(masked.key.encoding())];
        let key = masked.key.bits() & masked.mask;
        if let Some(set) = sets.iter_mut().find(|set| set.mask == masked.mask) {
            set.keys.insert(key);
        } else {
            let keys = [key].into_iter().collect();
            sets.push(MaskedKeys { mask: masked.mask, keys });
        }
    }

    pub(crate) fn contains(&self, community: impl Into<CommunityKey>) -> bool {
        let key = community.into();
        // 65535:* are everybody's (RFC 1997), whatever a pattern says.
        if key.standard().is_some_and(|community| community.global() == 0xFFFF) {
            return false;
        }
        self.by_encoding[slot(key.encoding())]
            .iter()
            .any(|set| set.keys.contains(&(key.bits() & set.mask)))
    }

    /// Takes the set's communities off; how many were there.
    pub(crate) fn scrub(&self, attributes: &mut PathAttributes) -> usize {
        remove(&mut attributes.communities, |&community| self.contains(community))
            + remove(&mut attributes.extended_communities, |&community| self.contains(community))
            + remove(&mut attributes.large_communities, |&community| self.contains(community))
    }
}

/// Removes in order, and leaves the slice alone where there is nothing to remove.
pub(crate) fn remove<T: Copy>(communities: &mut Box<[T]>, unwanted: impl Fn(&T) -> bool) -> usize {
    let count = communities.iter().filter(|community| unwanted(community)).count();
    if count > 0 {
        *communities = communities.iter().copied().filter(|c| !unwanted(c)).collect();
    }
    count
}

fn slot(encoding: Encoding) -> usize {
    encoding as usize
}
