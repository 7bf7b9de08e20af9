//! Interning of attribute sets by the octets they came as.

use std::hash::BuildHasher;
use std::sync::Arc;

use bgp_wire::{DecodeContext, DecodedUpdate, Fault, NextHop, Reach, parse_attributes};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use policy::Slot;
use smallvec::SmallVec;

use crate::AttributeSet;

/// Below this many sets nothing is swept.
const FIRST_SWEEP: usize = 256;

/// Faults remembered of a set of attributes: it has room for twenty thousand of them.
const MOST_FAULTS: usize = 16;

/// The attribute sets of one session, by raw octets and next hop. Per session, because two
/// members of an exchange practically never send the same attributes. The hash is seeded, and a
/// hit is compared in full: a peer can neither degrade the table nor be given another's routes.
#[derive(Debug)]
pub struct Interner {
    source: Slot,
    entries: HashTable<Entry>,
    hasher: RandomState,
    /// Sets that nobody else holds are dropped when there are this many.
    sweep_at: usize,
    /// Octets of the sets that are kept.
    octets: usize,
    /// Likewise, for octets.
    sweep_at_octets: usize,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    octets: Box<[u8]>,
    next_hop: NextHop,
    set: Arc<AttributeSet>,
    faults: Box<[Fault]>,
}

/// An interned set, and the attribute-discard faults of its octets (the same each time).
#[derive(Debug, Clone)]
pub struct Interned {
    /// The set.
    pub set: Arc<AttributeSet>,
    /// Attributes that were discarded.
    pub faults: SmallVec<[Fault; 2]>,
}

impl Interner {
    /// For the session in this slot.
    pub fn new(source: Slot) -> Self {
        Self {
            source,
            entries: HashTable::new(),
            hasher: RandomState::default(),
            sweep_at: FIRST_SWEEP,
            octets: 0,
            sweep_at_octets: 0,
        }
    }

    /// The set of an UPDATE's attributes with the next hop of `reach`; parsed on first sight
    /// only. An error is treat-as-withdraw for the NLRI of `reach`.
    pub fn get_or_parse(
        &mut self,
        update: &DecodedUpdate,
        reach: &Reach,
        cx: &DecodeContext,
    ) -> Result<Interned, Fault> {
        let octets = update.attributes.as_slice();
        let hash = self.hasher.hash_one((octets, reach.next_hop));
        let same = |entry: &Entry| {
            entry.hash == hash && entry.next_hop == reach.next_hop && *entry.octets == *octets
        };
        if let Some(entry) = self.entries.find(hash, same) {
            return Ok(Interned {
                set: Arc::clone(&entry.set),
                faults: SmallVec::from_slice(&entry.faults),
            });
        }
        let mut parsed = parse_attributes(octets, reach.next_hop, cx)?;
        parsed.faults.truncate(MOST_FAULTS);
        let set = AttributeSet::received(self.source, parsed.attributes, octets.len());
        if self.entries.len() >= self.sweep_at {
            self.sweep();
        }
        let entry = Entry {
            hash,
            octets: octets.into(),
            next_hop: reach.next_hop,
            set: Arc::clone(&set),
            faults: parsed.faults.to_vec().into(),
        };
        self.octets += octets.len();
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        Ok(Interned { set, faults: parsed.faults })
    }

    /// Do the sets that routes hold take more than this many octets, as they came? Seen an eighth
    /// late at the most.
    pub fn is_over(&mut self, octets: usize) -> bool {
        if self.octets <= octets.max(self.sweep_at_octets) {
            return false;
        }
        self.sweep();
        self.sweep_at_octets = self.octets + octets / 8;
        self.octets > octets
    }

    /// The octets of the sets that routes hold, as they came.
    pub fn held_octets(&mut self) -> usize {
        self.sweep();
        self.octets
    }

    /// How many sets are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is no set kept?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops the sets that no route holds any more; again when what is left has doubled.
    fn sweep(&mut self) {
        self.entries.retain(|entry| Arc::strong_count(&entry.set) > 1);
        self.octets = self.entries.iter().map(|entry| entry.octets.len()).sum();
        self.sweep_at = (self.entries.len() * 2).max(FIRST_SWEEP);
        if self.entries.capacity() > self.sweep_at * 4 {
            self.entries.shrink_to(self.sweep_at, |entry| entry.hash);
        }
    }
}

#[cfg(test)]
mod tests;
