//! Who has whose routes, as numbers: the partitions counted by source and peer set.
//!
//! A hundred destinations of one source that go to the same peers are one number here, so that a
//! table of members by members costs a look at each class and not one at each delivery.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use policy::{PeerSet, Slot};

use crate::Shard;
use crate::peer_sets::PeerSetId;
use crate::table::DestinationId;
use crate::view::Cursor;

/// Destinations looked at for one part: less than a millisecond.
const PART_SCAN: usize = 16 * 1024;

/// So many routes of one source are with each of these peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Whose routes.
    pub source: Slot,
    /// Who has them.
    pub peers: PeerSet,
    /// How many.
    pub routes: u64,
}

/// A part of the count.
#[derive(Debug, Clone, Default)]
pub struct Exchanged {
    /// The same source and peers may come several times, also in one part.
    pub flows: Vec<Flow>,
    /// Where to go on.
    pub next: Option<Cursor>,
}

/// What is counted together: everything that the same peers were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: Slot,
    peers: PeerSetId,
    family: usize,
    /// A segment that some peers have not been sent yet.
    owing: Option<usize>,
}

impl Shard {
    /// Counts the partitions from `cursor` on. A destination that changes meanwhile may be counted
    /// as it was or as it is.
    pub fn exchanged(&self, cursor: Cursor) -> Exchanged {
        let mut counts: HashMap<Key, u64, RandomState> = HashMap::default();
        let mut next = None;
        let mut looked_at = 0;
        let (mut f, mut place) = (usize::from(cursor.family), cursor.place as usize);
        while let Some(table) = self.tables.get(f) {
            if place >= table.end() {
                (f, place) = (f + 1, 0);
                continue;
            }
            if looked_at >= PART_SCAN {
                next = Some(Cursor { family: f as u8, place: place as u32 });
                break;
            }
            let id = DestinationId::from_index(place);
            if let Some(destination) = table.get(id) {
                let segment = table.segment_of(id);
                let owing = self.untold(f, segment).any(|word| word != 0).then_some(segment);
                for class in &destination.classes {
                    let key = Key { source: class.source, peers: class.peers, family: f, owing };
                    *counts.entry(key).or_default() += 1;
                }
            }
            place += 1;
            looked_at += 1;
        }
        let flows = counts.into_iter().map(|(key, routes)| Flow {
            source: key.source,
            peers: self.told(key),
            routes,
        });
        Exchanged { flows: flows.collect(), next }
    }

    /// Peers that have not been sent a segment since their session came up, in words.
    fn untold(&self, family: usize, segment: usize) -> impl Iterator<Item = u64> {
        let owed = self.tables[family].segments.get(segment).map_or(&[][..], |s| &s.owed);
        owed.iter().zip(&self.peers.masks.initial).map(|(owed, initial)| owed & initial)
    }

    fn told(&self, key: Key) -> PeerSet {
        let up = &self.peers.masks.up[key.family];
        let words = self.sets.words(key.peers).iter().zip(up).map(|(word, up)| word & up);
        match key.owing {
            None => PeerSet::from_words(&words.collect::<Vec<_>>()),
            Some(segment) => {
                let untold = self.untold(key.family, segment).chain(std::iter::repeat(0));
                let told = words.zip(untold).map(|(word, untold)| word & !untold);
                PeerSet::from_words(&told.collect::<Vec<_>>())
            }
        }
    }
}
