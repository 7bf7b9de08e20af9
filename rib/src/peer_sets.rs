//! Hash-consed peer sets: equal sets are one small number.
//!
//! A destination's partition names its sets by number, and two thousand destinations that go to
//! the same peers share one bitset. What a set is worth is counted by the classes that name it,
//! for each family, which makes the number of prefixes exported to a peer a sum over the sets that
//! hold it instead of a counter for each delivery. That sum is brought up to date when somebody asks,
//! by the sets that have changed since: who asks often makes no more work than there are changes.

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
    /// As far as they are in [`PeerSetTable::exported`].
    summed: [u32; 2],
    /// In `idle`, so that it is not put there twice.
    listed: bool,
    /// In `changed`, likewise.
    is_changed: bool,
}

/// So many changes are kept for whoever asks, beside twice the sets there are.
const MOST_CHANGED: usize = 4096;

/// The table of interned peer sets.
#[derive(Debug, Default)]
pub(crate) struct PeerSetTable {
    entries: Vec<Option<Entry>>,
    index: HashTable<u32>,
    /// Numbers to be used again. One that stands in `changed` waits until it is taken out there.
    free: Vec<u32>,
    /// Sets that no class named when they were looked at last; gone at the end of the turn.
    idle: Vec<u32>,
    /// By slot: what the classes that were summed up give it.
    exported: Vec<[u64; 2]>,
    /// Sets whose classes may differ from what was summed up.
    changed: Vec<u32>,
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
        let (classes, summed) = ([0; 2], [0; 2]);
        let set = PeerSet::from_words(words);
        let id = self.free.pop().unwrap_or(self.entries.len() as u32);
        let entry = Entry { set, hash, classes, summed, listed: true, is_changed: false };
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
            if !std::mem::replace(&mut entry.is_changed, true) {
                self.changed.push(id.0);
            }
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
        if !std::mem::replace(&mut entry.is_changed, true) {
            self.changed.push(id.0);
        }
    }

    /// Drops the sets that no class names. Numbers given out by [`Self::intern`] and named by no
    /// class are void after this.
    pub(crate) fn collect(&mut self) {
        // Nobody may ever ask.
        if self.changed.len() > MOST_CHANGED + 2 * self.index.len() {
            self.sum_exported(usize::MAX);
        }
        for id in std::mem::take(&mut self.idle) {
            let slot = &mut self.entries[id as usize];
            let Some(entry) = slot else { continue };
            entry.listed = false;
            if entry.classes != [0; 2] {
                continue;
            }
            // Nobody can sum it up later.
            sum_up(entry, &mut self.exported);
            if let Ok(found) = self.index.find_entry(entry.hash, |other| *other == id) {
                found.remove();
            }
            if !entry.is_changed {
                self.free.push(id);
            }
            *slot = None;
        }
    }

    /// Sums up what has changed, as far as that takes about `steps` additions. Is it all?
    pub(crate) fn sum_exported(&mut self, steps: usize) -> bool {
        let mut left = steps;
        while left > 0 {
            let Some(id) = self.changed.pop() else { return true };
            let Some(entry) = &mut self.entries[id as usize] else {
                self.free.push(id);
                continue;
            };
            entry.is_changed = false;
            left = left.saturating_sub(1 + sum_up(entry, &mut self.exported));
        }
        self.changed.is_empty()
    }

    /// By slot: classes of each family whose set holds it. Takes the longer the more there is to
    /// sum up.
    pub(crate) fn exported(&self) -> Vec<[u64; 2]> {
        let mut exported = self.exported.clone();
        for id in &self.changed {
            if let Some(entry) = &self.entries[*id as usize] {
                add_change(entry, &mut exported);
            }
        }
        exported
    }

    /// How many sets there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

/// Brings the sums of a set's members up to date; how many that were.
fn sum_up(entry: &mut Entry, exported: &mut Vec<[u64; 2]>) -> usize {
    let members = add_change(entry, exported);
    entry.summed = entry.classes;
    members
}

fn add_change(entry: &Entry, exported: &mut Vec<[u64; 2]>) -> usize {
    if entry.summed == entry.classes {
        return 0;
    }
    let mut members = 0;
    for slot in entry.set.iter() {
        if exported.len() <= slot.index() {
            exported.resize(slot.index() + 1, [0; 2]);
        }
        for (f, sum) in exported[slot.index()].iter_mut().enumerate() {
            *sum = (*sum + u64::from(entry.classes[f])).saturating_sub(u64::from(entry.summed[f]));
        }
        members += 1;
    }
    members
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
        assert!(table.sum_exported(usize::MAX));
        assert_eq!(table.exported(), [[0, 1]]);
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

    #[test]
    fn what_has_changed_is_summed_up_once_and_in_parts() {
        let mut table = PeerSetTable::default();
        let sets = [0b011, 0b110, 0b100].map(|words| table.intern(&[words]));
        for set in sets {
            table.acquire(set, Family::V4);
            table.acquire(set, Family::V4);
        }
        let mut parts = 1;
        while !table.sum_exported(1) {
            parts += 1;
        }
        assert_eq!(parts, 3, "a set at a time");
        assert_eq!(table.exported(), [[2, 0], [4, 0], [4, 0]]);
        assert!(table.sum_exported(1), "nothing has changed");
        // A set that goes takes its part along, and so does the one that has its number next.
        table.release(sets[2], Family::V4);
        table.release(sets[2], Family::V4);
        table.collect();
        assert!(table.sum_exported(usize::MAX), "what is gone is taken out");
        let next = table.intern(&[0b1000]);
        assert_eq!(next, sets[2]);
        table.acquire(next, Family::V6);
        assert!(table.sum_exported(usize::MAX));
        assert_eq!(table.exported(), [[2, 0], [4, 0], [2, 0], [0, 1]]);
    }

    /// Numbers that are used again and again without anybody asking fill nothing.
    #[test]
    fn what_has_changed_is_bounded_by_the_sets_there_were() {
        let mut table = PeerSetTable::default();
        for words in 1..100_000 {
            let set = table.intern(&[words]);
            table.acquire(set, Family::V4);
            table.release(set, Family::V4);
            table.collect();
        }
        assert!(table.changed.len() <= MOST_CHANGED + 2, "{}", table.changed.len());
        assert!(table.entries.len() <= MOST_CHANGED + 3, "{}", table.entries.len());
    }
}
