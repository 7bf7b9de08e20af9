//! Hash-consed peer sets: equal sets are one small number.
//!
//! A destination's partition names its sets by number, and two thousand destinations that go to
//! the same peers share one bitset. What a set is worth is counted by the classes that name it,
//! for each family, which makes the number of prefixes exported to a peer a sum over the sets that
//! hold it instead of a counter for each delivery.

use std::hash::BuildHasher;

use bgp_wire::Family;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use policy::PeerSet;

use crate::mask;

/// The number of an interned peer set. Stable while a class names it, and else until the end of
/// the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PeerSetId(pub(crate) u32);

#[derive(Debug)]
struct Entry {
    set: PeerSet,
    hash: u64,
    /// Classes of destinations that name the set, for each family.
    classes: [u32; 2],
    /// In `idle`, so that it is not put there twice.
    listed: bool,
}

/// The table of interned peer sets.
#[derive(Debug, Default)]
pub(crate) struct PeerSetTable {
    entries: Vec<Option<Entry>>,
    index: HashTable<u32>,
    free: Vec<u32>,
    /// Sets that no class named when they were looked at last; gone at the end of the turn.
    idle: Vec<u32>,
    hasher: RandomState,
}

impl PeerSetTable {
    /// The number of the set with these words. Allocates only when the set is new.
    pub(crate) fn intern(&mut self, words: &[u64]) -> PeerSetId {
        let words = mask::trimmed(words);
        let hash = self.hasher.hash_one(words);
        let entries = &self.entries;
        let same = |id: &u32| {
            entries[*id as usize].as_ref().is_some_and(|e| mask::trimmed(e.set.words()) == words)
        };
        if let Some(id) = self.index.find(hash, same) {
            return PeerSetId(*id);
        }
        let entry = Entry { set: PeerSet::from_words(words), hash, classes: [0; 2], listed: true };
        let id = self.free.pop().unwrap_or(self.entries.len() as u32);
        if id as usize == self.entries.len() {
            self.entries.push(Some(entry));
        } else {
            self.entries[id as usize] = Some(entry);
        }
        let entries = &self.entries;
        self.index
            .insert_unique(hash, id, |id| entries[*id as usize].as_ref().map_or(0, |e| e.hash));
        self.idle.push(id);
        PeerSetId(id)
    }

    /// The words of a set.
    pub(crate) fn words(&self, id: PeerSetId) -> &[u64] {
        self.entries[id.0 as usize].as_ref().map_or(&[], |entry| entry.set.words())
    }

    /// The set itself, to be sent along with a batch.
    pub(crate) fn set(&self, id: PeerSetId) -> PeerSet {
        self.entries[id.0 as usize].as_ref().map_or_else(PeerSet::empty, |entry| entry.set.clone())
    }

    /// A class of this family names the set.
    pub(crate) fn acquire(&mut self, id: PeerSetId, family: Family) {
        if let Some(entry) = &mut self.entries[id.0 as usize] {
            entry.classes[family.index()] += 1;
        }
    }

    /// A class of this family no longer names the set.
    pub(crate) fn release(&mut self, id: PeerSetId, family: Family) {
        let Some(entry) = &mut self.entries[id.0 as usize] else { return };
        debug_assert!(entry.classes[family.index()] > 0, "a set was released twice");
        entry.classes[family.index()] = entry.classes[family.index()].saturating_sub(1);
        if entry.classes == [0; 2] && !entry.listed {
            entry.listed = true;
            self.idle.push(id.0);
        }
    }

    /// Drops the sets that no class names. Numbers given out by [`Self::intern`] and named by no
    /// class are void after this.
    pub(crate) fn collect(&mut self) {
        for id in std::mem::take(&mut self.idle) {
            let slot = &mut self.entries[id as usize];
            let Some(entry) = slot else { continue };
            entry.listed = false;
            if entry.classes != [0; 2] {
                continue;
            }
            if let Ok(found) = self.index.find_entry(entry.hash, |other| *other == id) {
                found.remove();
            }
            *slot = None;
            self.free.push(id);
        }
    }

    /// The sets with the number of classes of each family that name them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerSet, [u32; 2])> {
        self.entries.iter().flatten().map(|entry| (&entry.set, entry.classes))
    }

    /// How many sets there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_number_and_width_does_not_matter() {
        let mut table = PeerSetTable::default();
        let a = table.intern(&[5, 1]);
        assert_eq!(table.intern(&[5, 1, 0, 0]), a);
        let b = table.intern(&[5]);
        assert_ne!(a, b);
        assert_eq!(table.words(a), [5, 1]);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_set_goes_when_no_class_names_it_and_its_number_is_used_again() {
        let mut table = PeerSetTable::default();
        let a = table.intern(&[1]);
        table.acquire(a, Family::V4);
        table.acquire(a, Family::V6);
        let b = table.intern(&[2]);
        table.collect();
        assert_eq!(table.len(), 1, "b was never named");
        table.release(a, Family::V4);
        table.collect();
        assert_eq!(table.iter().map(|(_, classes)| classes).collect::<Vec<_>>(), [[0, 1]]);
        table.release(a, Family::V6);
        // Named again before the turn ends: it stays.
        table.acquire(a, Family::V4);
        table.collect();
        assert_eq!(table.intern(&[1]), a);
        table.release(a, Family::V4);
        table.collect();
        assert_eq!(table.len(), 0);
        let c = table.intern(&[3]);
        assert!(c == a || c == b);
    }
}
