//! Which listed prefixes cover a prefix: the one structure behind VRPs, IRR sets, bogons and
//! blacklists.
//!
//! Prefixes lie in a sorted array; each knows its nearest covering prefix in the array. All that
//! cover a prefix `p` form one chain, which is found from the last entry that is not greater than
//! `p`: whatever covers `p` covers that entry too. A table over the leading bits leaves a few
//! steps of binary search. No allocation, no hashing, a handful of cache lines.

use bgp_wire::{Family, Prefix};

const NO_PARENT: u32 = u32::MAX;

/// No more than this many leading bits are indexed: 4 MiB.
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
        let split = prefixes.partition_point(|prefix| prefix.family() == Family::V4);
        let (v4, v6) = prefixes.split_at(split);
        Self { v4: Side::from_sorted(v4), v6: Side::from_sorted(v6) }
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.keys.len() + self.v6.keys.len()
    }

    pub(crate) fn len_of(&self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4.keys.len(),
            Family::V6 => self.v6.keys.len(),
        }
    }

    /// The entries that cover the prefix, most specific first, itself included.
    #[inline]
    pub(crate) fn covering(&self, prefix: &Prefix) -> impl Iterator<Item = usize> + '_ {
        let (first, parents, offset) = match prefix.family() {
            Family::V4 => (self.v4.nearest(prefix), &self.v4.parents, 0),
            Family::V6 => (self.v6.nearest(prefix), &self.v6.parents, self.v4.keys.len()),
        };
        std::iter::successors(first, |&entry| match parents[entry as usize] {
            NO_PARENT => None,
            parent => Some(parent),
        })
        .map(move |entry| entry as usize + offset)
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
        let v4 = self.v4.keys.len();
        let (family, bits, len) = if entry < v4 {
            (Family::V4, self.v4.keys[entry].to_bits(), self.v4.lens[entry])
        } else {
            (Family::V6, self.v6.keys[entry - v4], self.v6.lens[entry - v4])
        };
        // Only lengths that came from a prefix of that family are stored.
        Prefix::from_bits(family, bits, len).unwrap_or_else(|| default_route(family))
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
    /// The leading `count` bits, at least one and at most 32.
    fn leading(self, count: u32) -> usize;
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

    fn leading(self, count: Self) -> usize {
        (self >> (Self::BITS - count)) as usize
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

    fn leading(self, count: u32) -> usize {
        (self >> (Self::BITS - count)) as usize
    }

    fn agrees(self, other: Self, len: u8) -> bool {
        (self ^ other).leading_zeros() >= u32::from(len)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Side<K> {
    keys: Box<[K]>,
    lens: Box<[u8]>,
    /// The nearest entry that covers this one.
    parents: Box<[u32]>,
    /// For each value of the leading bits, the first entry that is not less.
    starts: Box<[u32]>,
    index_bits: u32,
}

impl<K> Default for Side<K> {
    fn default() -> Self {
        Self {
            keys: Box::default(),
            lens: Box::default(),
            parents: Box::default(),
            starts: Box::default(),
            index_bits: 0,
        }
    }
}

impl<K: Key> Side<K> {
    fn from_sorted(prefixes: &[Prefix]) -> Self {
        let keys: Box<[K]> = prefixes.iter().map(|prefix| K::from_bits(prefix.bits())).collect();
        let lens: Box<[u8]> = prefixes.iter().map(Prefix::len).collect();
        let parents = parents(&keys, &lens);
        let index_bits = keys.len().checked_ilog2().unwrap_or(0).min(MAX_INDEX_BITS);
        let starts = starts(&keys, index_bits);
        Self { keys, lens, parents, starts, index_bits }
    }

    #[inline]
    fn nearest(&self, prefix: &Prefix) -> Option<u32> {
        let (key, len) = (K::from_bits(prefix.bits()), prefix.len());
        let (low, high) = if self.index_bits == 0 {
            (0, self.keys.len())
        } else {
            let bucket = key.leading(self.index_bits);
            (self.starts[bucket] as usize, self.starts[bucket + 1] as usize)
        };
        let not_greater = |entry: usize| {
            let at = self.keys[entry];
            at < key || (at == key && self.lens[entry] <= len)
        };
        let mut last = low + partition_point(high - low, |offset| not_greater(low + offset));
        last = last.checked_sub(1)?;
        let mut entry = last as u32;
        loop {
            let at = entry as usize;
            if self.lens[at] <= len && self.keys[at].agrees(key, self.lens[at]) {
                return Some(entry);
            }
            entry = match self.parents[at] {
                NO_PARENT => return None,
                parent => parent,
            };
        }
    }

    fn heap_octets(&self) -> usize {
        size_of_val(&*self.keys)
            + size_of_val(&*self.lens)
            + size_of_val(&*self.parents)
            + size_of_val(&*self.starts)
    }
}

/// The first of `0..len` for which `before` is false, as `slice::partition_point` has it.
#[inline]
fn partition_point(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn parents<K: Key>(keys: &[K], lens: &[u8]) -> Box<[u32]> {
    let mut chain: Vec<u32> = Vec::new();
    let mut parents = Vec::with_capacity(keys.len());
    for (entry, (key, len)) in (0u32..).zip(keys.iter().zip(lens)) {
        while let Some(&last) = chain.last() {
            let at = last as usize;
            if lens[at] <= *len && keys[at].agrees(*key, lens[at]) {
                break;
            }
            chain.pop();
        }
        parents.push(chain.last().copied().unwrap_or(NO_PARENT));
        chain.push(entry);
    }
    parents.into()
}

fn starts<K: Key>(keys: &[K], index_bits: u32) -> Box<[u32]> {
    if index_bits == 0 {
        return Box::default();
    }
    debug_assert!(index_bits <= K::BITS);
    let mut starts = vec![0u32; (1 << index_bits) + 1];
    for key in keys {
        starts[key.leading(index_bits) + 1] += 1;
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
