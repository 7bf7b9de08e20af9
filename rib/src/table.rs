//! The destinations of one family: a slab in segments with an index by prefix.
//!
//! A segment is the unit of everything that goes over the table: walks for peers, purges, and
//! judging again. Segments never move, so a growing table copies nothing.

use std::hash::BuildHasher;

use bgp_wire::{Family, Prefix};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::destination::Destination;
use crate::mask::Mask;

/// The place of a destination in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DestinationId(u32);

impl DestinationId {
    /// The place with this number.
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }
}

/// A part of the slab.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// `None` is a free place.
    places: Vec<Option<Destination>>,
    /// Peers whose walk still owes them this segment.
    pub(crate) owed: Mask,
    /// Sources whose stale routes are to be removed from this segment.
    pub(crate) sweep: Mask,
}

/// An entry of the index. The hash is kept so that growing does not read the destinations.
#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    hash: u32,
    id: u32,
}

/// The table spreads by the top bits of 64 and finds by the bottom ones; 32 are kept.
const fn widen(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// All destinations of a family in one shard.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) family: Family,
    pub(crate) segments: Vec<Segment>,
    /// Destinations in a segment, as a power of two.
    bits: u32,
    free: Vec<u32>,
    index: HashTable<IndexEntry>,
    hasher: RandomState,
}

impl Table {
    /// Segments are of the power of two nearest to `segment_len` from above.
    pub(crate) fn new(family: Family, segment_len: usize) -> Self {
        Self {
            family,
            bits: segment_len.max(1).next_power_of_two().trailing_zeros(),
            segments: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// Destinations in a segment.
    pub(crate) fn segment_len(&self) -> usize {
        1 << self.bits
    }

    /// The segment of a place.
    pub(crate) fn segment_of(&self, id: DestinationId) -> usize {
        id.0 as usize >> self.bits
    }

    /// The first place behind a place's segment.
    pub(crate) fn segment_end(&self, id: DestinationId) -> usize {
        (self.segment_of(id) + 1) << self.bits
    }

    fn offset(&self, id: DestinationId) -> usize {
        id.0 as usize & (self.segment_len() - 1)
    }

    /// The place of a prefix.
    pub(crate) fn find(&self, prefix: &Prefix) -> Option<DestinationId> {
        let hash = self.hash(prefix);
        self.index
            .find(widen(hash), |entry| self.holds(*entry, hash, prefix))
            .map(|entry| DestinationId(entry.id))
    }

    /// The place of a prefix, taken for it if need be.
    pub(crate) fn find_or_insert(&mut self, prefix: Prefix, version: u32) -> DestinationId {
        let hash = self.hash(&prefix);
        let found = self.index.find(widen(hash), |entry| self.holds(*entry, hash, &prefix));
        if let Some(entry) = found {
            return DestinationId(entry.id);
        }
        let id = self.free.pop().map_or_else(|| self.fresh_place(), DestinationId);
        let (segment, offset) = (self.segment_of(id), self.offset(id));
        self.segments[segment].places[offset] = Some(Destination::new(prefix, version));
        self.index
            .insert_unique(widen(hash), IndexEntry { hash, id: id.0 }, |entry| widen(entry.hash));
        id
    }

    /// Frees the place of a destination of which nothing is left.
    pub(crate) fn remove(&mut self, id: DestinationId) {
        let (segment, offset) = (self.segment_of(id), self.offset(id));
        let Some(destination) = self.segments[segment].places[offset].take() else {
            return;
        };
        let hash = self.hash(&destination.prefix);
        if let Ok(entry) = self.index.find_entry(widen(hash), |entry| entry.id == id.0) {
            entry.remove();
        }
        self.free.push(id.0);
    }

    /// The destination at a place.
    pub(crate) fn get(&self, id: DestinationId) -> Option<&Destination> {
        self.segments.get(self.segment_of(id))?.places.get(self.offset(id))?.as_ref()
    }

    /// The destination at a place.
    pub(crate) fn get_mut(&mut self, id: DestinationId) -> Option<&mut Destination> {
        let (segment, offset) = (self.segment_of(id), self.offset(id));
        self.segments.get_mut(segment)?.places.get_mut(offset)?.as_mut()
    }

    /// The places of a segment, free ones included.
    pub(crate) fn places(&self, segment: usize) -> impl Iterator<Item = DestinationId> + use<> {
        let start = segment << self.bits;
        let len = self.segments.get(segment).map_or(0, |s| s.places.len());
        (start..start + len).map(DestinationId::from_index)
    }

    /// Places that exist, free ones included.
    pub(crate) fn end(&self) -> usize {
        self.segments
            .last()
            .map_or(0, |last| ((self.segments.len() - 1) << self.bits) + last.places.len())
    }

    fn fresh_place(&mut self) -> DestinationId {
        if self.segments.last().is_none_or(|last| last.places.len() == 1 << self.bits) {
            self.segments.push(Segment::default());
        }
        let segment = self.segments.len() - 1;
        let places = &mut self.segments[segment].places;
        places.push(None);
        DestinationId((segment << self.bits) as u32 + places.len() as u32 - 1)
    }

    fn holds(&self, entry: IndexEntry, hash: u32, prefix: &Prefix) -> bool {
        entry.hash == hash && self.get(DestinationId(entry.id)).is_some_and(|d| d.prefix == *prefix)
    }

    fn hash(&self, prefix: &Prefix) -> u32 {
        (self.hasher.hash_one((prefix.bits(), prefix.len())) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(n: u32) -> Prefix {
        Prefix::v4(std::net::Ipv4Addr::from_bits(n << 8), 24).unwrap()
    }

    #[test]
    fn places_are_found_freed_and_used_again() {
        let mut table = Table::new(Family::V4, 2048);
        let ids: Vec<_> = (0..5000).map(|n| table.find_or_insert(prefix(n), 0)).collect();
        assert_eq!((table.index.len(), table.segments.len(), table.end()), (5000, 3, 5000));
        for n in 0..5000 {
            assert_eq!(table.find(&prefix(n)), Some(ids[n as usize]));
            assert_eq!(table.find_or_insert(prefix(n), 0), ids[n as usize]);
        }
        assert_eq!(table.find(&prefix(5000)), None);
        table.remove(ids[17]);
        assert_eq!(table.find(&prefix(17)), None);
        assert_eq!(table.get(ids[17]).map(|d| d.prefix), None);
        assert_eq!(table.find_or_insert(prefix(9999), 0), ids[17]);
        assert_eq!(table.index.len(), 5000);
        assert_eq!(table.places(2).count(), 5000 - 2 * 2048);
    }

    #[test]
    fn prefixes_that_differ_in_length_only_are_different() {
        let mut table = Table::new(Family::V6, 2048);
        let ids: Vec<_> = (0..=128)
            .map(|len| table.find_or_insert(Prefix::from_bits(Family::V6, 0, len).unwrap(), 0))
            .collect();
        for (len, id) in (0..=128).zip(ids) {
            assert_eq!(table.find(&Prefix::from_bits(Family::V6, 0, len).unwrap()), Some(id));
        }
    }
}
