//! Sets of peers as dense bitsets.
//!
//! An export plan names the members it is for by the slots of their sessions, one bit each. Plans
//! are made once for each attribute set and combined with "who is up" for every decision, so the
//! operations here are whole-word and branch-free.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

/// A configured session of one route server.
///
/// Slots are dense numbers; a session keeps its slot across flaps and reloads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Slot(pub u16);

impl Slot {
    /// The slot as an index into arrays by slot.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An immutable set of slots; cheap to clone, compared by content.
///
/// Trailing zero words are never stored, so equal sets have equal words whatever the sizes of the
/// sets they were made from. Users of [`words`](Self::words) take missing words as zero.
#[derive(Clone)]
pub struct PeerSet(Arc<[u64]>);

impl PeerSet {
    /// Nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// The slots `0..count`.
    #[must_use]
    pub fn full(count: usize) -> Self {
        PeerBits::full(count).freeze()
    }

    /// The set with these words, slot 0 in the lowest bit of the first.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Self {
        let used = words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        if used == 0 { Self::empty() } else { Self(Arc::from(&words[..used])) }
    }

    /// The words, without trailing zeros.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// Whether the slot is in the set.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = position(slot);
        self.0.get(word).is_some_and(|&found| found & bit != 0)
    }

    /// This set and one slot more.
    #[must_use]
    pub fn with(&self, slot: Slot) -> Self {
        if self.contains(slot) {
            return self.clone();
        }
        let mut bits = PeerBits::from(self);
        bits.insert(slot);
        bits.freeze()
    }

    /// This set without one slot.
    #[must_use]
    pub fn without(&self, slot: Slot) -> Self {
        if !self.contains(slot) {
            return self.clone();
        }
        let mut bits = PeerBits::from(self);
        bits.remove(slot);
        bits.freeze()
    }

    /// Slots in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut bits = PeerBits::from(self);
        bits.and(other);
        bits.freeze()
    }

    /// Slots in either set.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut bits = PeerBits::from(self);
        bits.or(other);
        bits.freeze()
    }

    /// Slots of this set that are not in the other.
    #[must_use]
    pub fn and_not(&self, other: &Self) -> Self {
        let mut bits = PeerBits::from(self);
        bits.and_not(other);
        bits.freeze()
    }

    /// Whether the sets share a slot.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).any(|(a, b)| a & b != 0)
    }

    /// Whether nobody is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many slots are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        iter_words(&self.0)
    }
}

impl Default for PeerSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for PeerSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for PeerSet {}

impl Hash for PeerSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for PeerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|slot| slot.0)).finish()
    }
}

impl FromIterator<Slot> for PeerSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        slots.into_iter().collect::<PeerBits>().freeze()
    }
}

/// A set of slots under construction.
#[derive(Clone, Default)]
pub struct PeerBits(SmallVec<[u64; 16]>);

impl PeerBits {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The slots `0..count`.
    #[must_use]
    pub fn full(count: usize) -> Self {
        let mut words = SmallVec::from_elem(u64::MAX, count / 64);
        if !count.is_multiple_of(64) {
            words.push((1 << (count % 64)) - 1);
        }
        Self(words)
    }

    /// The words; trailing zeros are possible here.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: Slot) {
        let (word, bit) = position(slot);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: Slot) {
        let (word, bit) = position(slot);
        if let Some(found) = self.0.get_mut(word) {
            *found &= !bit;
        }
    }

    /// Keeps what is also in `other`.
    pub fn and(&mut self, other: &PeerSet) {
        self.0.truncate(other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine &= theirs;
        }
    }

    /// Adds what is in `other`.
    pub fn or(&mut self, other: &PeerSet) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine |= theirs;
        }
    }

    /// Takes out what is in `other`.
    pub fn and_not(&mut self, other: &PeerSet) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine &= !theirs;
        }
    }

    /// Whether nobody is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The finished set.
    #[must_use]
    pub fn freeze(&self) -> PeerSet {
        PeerSet::from_words(&self.0)
    }
}

impl From<&PeerSet> for PeerBits {
    fn from(set: &PeerSet) -> Self {
        Self(SmallVec::from_slice(&set.0))
    }
}

impl FromIterator<Slot> for PeerBits {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut bits = Self::new();
        for slot in slots {
            bits.insert(slot);
        }
        bits
    }
}

fn position(slot: Slot) -> (usize, u64) {
    (slot.index() / 64, 1 << (slot.0 % 64))
}

fn iter_words(words: &[u64]) -> impl Iterator<Item = Slot> + '_ {
    words.iter().zip(0u16..).flat_map(|(&word, index)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                // At most 1024 words: a slot is 16 bits wide, and so is this sum.
                let slot = Slot(index * 64 + rest.trailing_zeros() as u16);
                rest &= rest - 1;
                slot
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(slots: &BTreeSet<u16>) -> PeerSet {
        slots.iter().map(|&slot| Slot(slot)).collect()
    }

    fn slots(set: &PeerSet) -> BTreeSet<u16> {
        set.iter().map(|slot| slot.0).collect()
    }

    fn hash(set: &PeerSet) -> u64 {
        use std::hash::BuildHasher;
        foldhash::fast::FixedState::with_seed(1).hash_one(set)
    }

    fn members() -> impl Strategy<Value = BTreeSet<u16>> {
        proptest::collection::btree_set(prop_oneof![0u16..200, 0u16..=u16::MAX], 0..60)
    }

    proptest! {
        #[test]
        fn operations_agree_with_an_ordered_set(a in members(), b in members(), one in 0u16..300) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(slots(&x), a.clone());
            prop_assert_eq!(slots(&x.and(&y)), &a & &b);
            prop_assert_eq!(slots(&x.or(&y)), &a | &b);
            prop_assert_eq!(slots(&x.and_not(&y)), &a - &b);
            prop_assert_eq!(x.intersects(&y), !a.is_disjoint(&b));
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.is_empty(), a.is_empty());
            prop_assert_eq!(x.contains(Slot(one)), a.contains(&one));
            let mut more = a.clone();
            more.insert(one);
            prop_assert_eq!(slots(&x.with(Slot(one))), more);
            let mut fewer = a.clone();
            fewer.remove(&one);
            prop_assert_eq!(slots(&x.without(Slot(one))), fewer);
        }

        #[test]
        fn equality_and_hash_are_by_content(a in members(), b in members()) {
            let (x, y) = (set(&a), set(&b));
            // The way a set was made leaves no trace, such as trailing zero words.
            let again = x.or(&y).and(&x);
            prop_assert_eq!(&again, &x);
            prop_assert_eq!(hash(&again), hash(&x));
            prop_assert_eq!(x == y, a == b);
        }

        #[test]
        fn full_is_every_slot_below(count in 0usize..400) {
            let full = PeerSet::full(count);
            prop_assert_eq!(full.len(), count);
            prop_assert!(full.iter().enumerate().all(|(index, slot)| slot.index() == index));
        }
    }

    #[test]
    fn the_last_slot_there_can_be() {
        let last = PeerSet::empty().with(Slot(u16::MAX));
        assert_eq!(last.iter().collect::<Vec<_>>(), [Slot(u16::MAX)]);
        assert!(last.without(Slot(u16::MAX)).words().is_empty());
    }
}
