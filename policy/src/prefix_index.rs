//! Which listed prefixes cover a prefix: the one structure behind VRPs, IRR sets, bogons and
//! blacklists.
//!
//! Prefixes lie in a sorted array; each knows its nearest covering prefix in the array. All that
//! cover a prefix `p` form one chain, which is found from the last entry that is not greater than
//! `p`: whatever covers `p` covers that entry too. A table over the leading bits leaves a few
//! steps of binary search. No allocation, no hashing, a handful of cache lines.

use bgp_wire::{Family, Prefix};

const NO_PARENT: u32 = u32::MAX;

/// No more than this many bits are indexed: 4 MiB.
const MAX_INDEX_BITS: u32 = 20;

/// A set of prefixes that answers what covers a prefix. Entries have numbers, `0..len()`, in
/// ascending order of prefixes, IPv4 first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct PrefixIndex {
    v4: Side<u32>,
    v6: Side<u128>,
}

impl PrefixIndex {
    /// From prefixes in any order; duplicates count once.
    pub(crate) fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let mut sorted: Vec<Prefix> = prefixes.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self::from_sorted(&sorted)
    }

    /// From prefixes in ascending order without duplicates.
    pub(crate) fn from_sorted(prefixes: &[Prefix]) -> Self {
        Self::with_values(prefixes.len(), prefixes.iter().map(|&prefix| (prefix, 0)))
    }

    /// From prefixes in ascending order without duplicates, each with a value for whoever owns
    /// the index: it lies beside the prefix, where a look-up has been anyway.
    pub(crate) fn with_values(count: usize, entries: impl Iterator<Item = (Prefix, u32)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        v4.reserve(count);
        for (prefix, value) in entries {
            match prefix.family() {
                Family::V4 => v4.push(Node::new(&prefix, value)),
                Family::V6 => v6.push(Node::new(&prefix, value)),
            }
        }
        Self { v4: Side::from_sorted(v4), v6: Side::from_sorted(v6) }
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.nodes.len() + self.v6.nodes.len()
    }

    pub(crate) fn len_of(&self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4.nodes.len(),
            Family::V6 => self.v6.nodes.len(),
        }
    }

    /// The entries that cover the prefix, most specific first, itself included.
    #[inline]
    pub(crate) fn covering(&self, prefix: &Prefix) -> impl Iterator<Item = usize> + '_ {
        // One of the two chains is empty; which one is decided once.
        let (v4, v6) = match prefix.family() {
            Family::V4 => (self.v4.nearest(prefix), None),
            Family::V6 => (None, self.v6.nearest(prefix)),
        };
        let offset = self.v4.nodes.len();
        let chain4 = std::iter::successors(v4, |&entry| self.v4.parent(entry));
        let chain6 = std::iter::successors(v6, |&entry| self.v6.parent(entry));
        chain4.map(|entry| entry as usize).chain(chain6.map(move |entry| entry as usize + offset))
    }

    /// The most specific entry that covers the prefix.
    #[inline]
    pub(crate) fn nearest(&self, prefix: &Prefix) -> Option<usize> {
        self.covering(prefix).next()
    }

    /// The entry that is the prefix.
    #[cfg(test)]
    pub(crate) fn exact(&self, prefix: &Prefix) -> Option<usize> {
        self.nearest(prefix).filter(|&entry| self.get(entry) == *prefix)
    }

    /// An entry by its number.
    pub(crate) fn get(&self, entry: usize) -> Prefix {
        let v4 = self.v4.nodes.len();
        let (family, bits, len) = match entry.checked_sub(v4) {
            None => (Family::V4, self.v4.nodes[entry].key.to_bits(), self.v4.nodes[entry].len),
            Some(entry) => (Family::V6, self.v6.nodes[entry].key, self.v6.nodes[entry].len),
        };
        // Only lengths that came from a prefix of that family are stored.
        Prefix::from_bits(family, bits, len).unwrap_or_else(|| default_route(family))
    }

    /// The value of an entry, if there is one of that number.
    #[inline]
    pub(crate) fn value(&self, entry: usize) -> Option<u32> {
        match entry.checked_sub(self.v4.nodes.len()) {
            None => self.v4.nodes.get(entry).map(|node| node.value),
            Some(entry) => self.v6.nodes.get(entry).map(|node| node.value),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        (0..self.len()).map(|entry| self.get(entry))
    }

    /// Octets on the heap.
    pub(crate) fn heap_octets(&self) -> usize {
        self.v4.heap_octets() + self.v6.heap_octets()
    }
}

fn default_route(family: Family) -> Prefix {
    let address: std::net::IpAddr = match family {
        Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    match Prefix::new(address, 0) {
        Some(prefix) => prefix,
        None => unreachable!("length 0 is possible in both families"),
    }
}

/// An address of a family in as few octets as it needs.
trait Key: Copy + Ord {
    const BITS: u32;
    /// From bits as `Prefix::bits` gives them, left aligned.
    fn from_bits(bits: u128) -> Self;
    fn to_bits(self) -> u128;
    /// `count` bits (from one to 32) after the first `skipped`, which are fewer than all.
    fn slice(self, skipped: u32, count: u32) -> usize;
    /// How many leading bits are the same.
    fn common(self, other: Self) -> u32;
    /// Whether the first `len` bits are the same.
    fn agrees(self, other: Self, len: u8) -> bool;
}

impl Key for u32 {
    const BITS: Self = Self::BITS;

    fn from_bits(bits: u128) -> Self {
        (bits >> 96) as Self
    }

    fn to_bits(self) -> u128 {
        u128::from(self) << 96
    }

    fn slice(self, skipped: Self, count: Self) -> usize {
        ((self << skipped) >> (Self::BITS - count)) as usize
    }

    fn common(self, other: Self) -> Self {
        (self ^ other).leading_zeros()
    }

    fn agrees(self, other: Self, len: u8) -> bool {
        (self ^ other).leading_zeros() >= Self::from(len)
    }
}

impl Key for u128 {
    const BITS: u32 = Self::BITS;

    fn from_bits(bits: u128) -> Self {
        bits
    }

    fn to_bits(self) -> u128 {
        self
    }

    fn slice(self, skipped: u32, count: u32) -> usize {
        ((self << skipped) >> (Self::BITS - count)) as usize
    }

    fn common(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }

    fn agrees(self, other: Self, len: u8) -> bool {
        (self ^ other).leading_zeros() >= u32::from(len)
    }
}

/// An entry: all that a look-up reads of it lies together.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node<K> {
    key: K,
    /// The nearest entry that covers this one.
    parent: u32,
    value: u32,
    len: u8,
}

impl<K: Key> Node<K> {
    fn new(prefix: &Prefix, value: u32) -> Self {
        Self { key: K::from_bits(prefix.bits()), parent: NO_PARENT, value, len: prefix.len() }
    }

    fn covers(&self, key: K, len: u8) -> bool {
        self.len <= len && self.key.agrees(key, self.len)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Side<K> {
    nodes: Box<[Node<K>]>,
    /// For each value of some bits, the first entry that is not less.
    starts: Box<[u32]>,
    /// The bits before those, which all entries share (as IPv6 does the first three or four).
    skipped_bits: u32,
    index_bits: u32,
}

impl<K> Default for Side<K> {
    fn default() -> Self {
        Self { nodes: Box::default(), starts: Box::default(), skipped_bits: 0, index_bits: 0 }
    }
}

impl<K: Key> Side<K> {
    fn from_sorted(mut nodes: Vec<Node<K>>) -> Self {
        set_parents(&mut nodes);
        let skipped_bits = skipped_bits(&nodes);
        // About two buckets for each entry.
        let index_bits = nodes.len().checked_ilog2().map_or(0, |bits| bits + 1);
        let index_bits = index_bits.min(MAX_INDEX_BITS).min(K::BITS - skipped_bits);
        let starts = starts(&nodes, skipped_bits, index_bits);
        Self { nodes: nodes.into(), starts, skipped_bits, index_bits }
    }

    fn parent(&self, entry: u32) -> Option<u32> {
        Some(self.nodes[entry as usize].parent).filter(|&parent| parent != NO_PARENT)
    }

    #[inline]
    fn nearest(&self, prefix: &Prefix) -> Option<u32> {
        let (key, len) = (K::from_bits(prefix.bits()), prefix.len());
        let (low, high) = self.bucket(key);
        let not_greater = |node: &Node<K>| (node.key, node.len) <= (key, len);
        let after = low + self.nodes[low..high].partition_point(not_greater);
        let mut entry = after.checked_sub(1)? as u32;
        while !self.nodes[entry as usize].covers(key, len) {
            entry = self.parent(entry)?;
        }
        Some(entry)
    }

    /// Where the last entry that is not greater ends up: among these, or right before them.
    #[inline]
    fn bucket(&self, key: K) -> (usize, usize) {
        let Some(first) = self.nodes.first().filter(|_| self.index_bits > 0) else {
            return (0, self.nodes.len());
        };
        if first.key.common(key) < self.skipped_bits {
            // It lies before or after all entries.
            return if key < first.key { (0, 0) } else { (self.nodes.len(), self.nodes.len()) };
        }
        let bucket = key.slice(self.skipped_bits, self.index_bits);
        (self.starts[bucket] as usize, self.starts[bucket + 1] as usize)
    }

    fn heap_octets(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.starts)
    }
}

/// In ascending order the entries that cover an entry are those of a chain of the ones before.
fn set_parents<K: Key>(nodes: &mut [Node<K>]) {
    let mut chain: Vec<u32> = Vec::new();
    for entry in 0..nodes.len() {
        let (key, len) = (nodes[entry].key, nodes[entry].len);
        while chain.last().is_some_and(|&last| !nodes[last as usize].covers(key, len)) {
            chain.pop();
        }
        nodes[entry].parent = chain.last().copied().unwrap_or(NO_PARENT);
        chain.push(entry as u32);
    }
}

/// The leading bits that all entries share; always fewer than all there are.
fn skipped_bits<K: Key>(nodes: &[Node<K>]) -> u32 {
    match nodes {
        [first, .., last] => first.key.common(last.key).min(K::BITS - 1),
        _ => 0,
    }
}

fn starts<K: Key>(nodes: &[Node<K>], skipped_bits: u32, index_bits: u32) -> Box<[u32]> {
    if index_bits == 0 {
        return Box::default();
    }
    let mut starts = vec![0u32; (1 << index_bits) + 1];
    for node in nodes {
        starts[node.key.slice(skipped_bits, index_bits) + 1] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    starts.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> impl Strategy<Value = Prefix> {
        // Few distinct leading bits, so that prefixes do cover each other.
        (any::<bool>(), 0u128..8, 0u128..64, 0u8..=128).prop_map(|(v6, high, low, len)| {
            let bits = high << 125 | low << 100;
            let family = if v6 { Family::V6 } else { Family::V4 };
            Prefix::from_bits(family, bits, len % (family.max_len() + 1)).unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_chain_is_what_covers(
            listed in proptest::collection::vec(prefix(), 0..200),
            asked in proptest::collection::vec(prefix(), 1..50),
        ) {
            let index = PrefixIndex::new(listed.iter().copied());
            let entries: Vec<Prefix> = index.iter().collect();
            prop_assert!(entries.is_sorted());
            for prefix in asked.iter().chain(&listed) {
                let mut expected: Vec<Prefix> =
                    entries.iter().copied().filter(|entry| entry.covers(prefix)).collect();
                expected.sort_by_key(|entry| std::cmp::Reverse(entry.len()));
                let found: Vec<Prefix> =
                    index.covering(prefix).map(|entry| index.get(entry)).collect();
                prop_assert_eq!(found, expected);
                prop_assert_eq!(index.exact(prefix).is_some(), entries.contains(prefix));
            }
        }
    }
}
