//! What a turn has to say, packed: changes in buckets by (peers, attributes), each encoded once.
//!
//! Two independent things decide octets: the attributes and the encoding profile. Buckets that go
//! to the same peers lie one after the other in one buffer, so that a peer's queue holds one slice
//! for them and not one for each.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{EncodingProfile, Family, Nlri, encode_reach, encode_unreach};
use bytes::{Bytes, BytesMut};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use policy::OutgoingAttributes;
use smallvec::SmallVec;

use crate::counters::ShardCounters;
use crate::mask::{self, Mask};
use crate::partition::same_attributes;
use crate::peer_sets::{PeerSetId, PeerSetTable};
use crate::peers::Peers;
use crate::{Batch, Frame, ShardOutput};

/// NLRI encoded at a time: with the longest prefixes some 40 kB, so that a batch is not much
/// larger than configured.
const CHUNK_NLRI: usize = 2048;

/// Vectors kept for the next turn, and how large one may be: at most 1.5 MB in all.
const SPARES: usize = 256;
const SPARE_NLRI: usize = 256;

/// NLRI of one turn that go to the same peers with the same attributes (`None`: withdrawn).
#[derive(Debug)]
struct Bucket {
    peers: PeerSetId,
    attributes: Option<Arc<OutgoingAttributes>>,
    nlri: Vec<Nlri>,
}

/// The buckets of one family.
#[derive(Debug, Default)]
struct FamilyBuckets {
    buckets: Vec<Bucket>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Where the last NLRI went: the next one mostly goes there too.
    last_reach: usize,
    last_unreach: usize,
}

/// What a turn has to say.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    families: [FamilyBuckets; 2],
    /// Vectors of spent buckets, for the next ones.
    spare: Vec<Vec<Nlri>>,
    /// The last narrowed set, since neighbours in the table mostly go to the same peers.
    narrowed: Option<(PeerSetId, Option<PeerSetId>)>,
    buffer: Mask,
    encoders: Vec<Encoder>,
}

/// The messages of the batch under construction in one profile.
#[derive(Debug)]
struct Encoder {
    profile: EncodingProfile,
    octets: BytesMut,
    messages: u32,
}

impl FamilyBuckets {
    fn bucket(
        &mut self,
        peers: PeerSetId,
        attributes: Option<&Arc<OutgoingAttributes>>,
        spare: &mut Vec<Vec<Nlri>>,
    ) -> usize {
        let hash = self.hash(peers, attributes.map(|a| a.content_hash));
        let buckets = &mut self.buckets;
        let found = self.index.find(hash, |at| {
            let bucket = &buckets[*at as usize];
            bucket.peers == peers
                && match (&bucket.attributes, attributes) {
                    (Some(a), Some(b)) => same_attributes(a, b),
                    (None, None) => true,
                    _ => false,
                }
        });
        if let Some(at) = found {
            return *at as usize;
        }
        let at = buckets.len();
        buckets.push(Bucket {
            peers,
            attributes: attributes.cloned(),
            nlri: spare.pop().unwrap_or_default(),
        });
        let (buckets, hasher) = (&self.buckets, &self.hasher);
        self.index.insert_unique(hash, at as u32, |at| {
            let bucket = &buckets[*at as usize];
            hasher.hash_one((bucket.peers, bucket.attributes.as_ref().map(|a| a.content_hash)))
        });
        at
    }

    fn hash(&self, peers: PeerSetId, attributes: Option<u64>) -> u64 {
        self.hasher.hash_one((peers, attributes))
    }
}

impl Outbox {
    /// These peers get this with these attributes.
    pub(crate) fn announce(
        &mut self,
        peers: PeerSetId,
        attributes: &Arc<OutgoingAttributes>,
        nlri: Nlri,
    ) {
        let family = &mut self.families[nlri.prefix.family().index()];
        if let Some(bucket) = family.buckets.get_mut(family.last_reach)
            && bucket.peers == peers
            && bucket.attributes.as_ref().is_some_and(|a| Arc::ptr_eq(a, attributes))
        {
            bucket.nlri.push(nlri);
            return;
        }
        let at = family.bucket(peers, Some(attributes), &mut self.spare);
        family.last_reach = at;
        family.buckets[at].nlri.push(nlri);
    }

    /// These peers no longer have this.
    pub(crate) fn withdraw(&mut self, peers: PeerSetId, nlri: Nlri) {
        let family = &mut self.families[nlri.prefix.family().index()];
        if let Some(bucket) = family.buckets.get_mut(family.last_unreach)
            && bucket.peers == peers
            && bucket.attributes.is_none()
        {
            bucket.nlri.push(nlri);
            return;
        }
        let at = family.bucket(peers, None, &mut self.spare);
        family.last_unreach = at;
        family.buckets[at].nlri.push(nlri);
    }

    /// The peers of a set that are in `to` as well, if any. `to` must not change until
    /// [`Self::flush`].
    pub(crate) fn narrowed(
        &mut self,
        peers: PeerSetId,
        to: &[u64],
        sets: &mut PeerSetTable,
    ) -> Option<PeerSetId> {
        if let Some((known, narrowed)) = self.narrowed
            && known == peers
        {
            return narrowed;
        }
        let words = sets.words(peers);
        let narrowed = if mask::is_subset(words, to) {
            Some(peers)
        } else if mask::disjoint(words, to) {
            None
        } else {
            self.buffer.clear();
            self.buffer.extend_from_slice(words);
            mask::and_assign(&mut self.buffer, to);
            Some(sets.intern(&self.buffer))
        };
        self.narrowed = Some((peers, narrowed));
        narrowed
    }

    /// Encodes and publishes all of it: for each set of peers its withdrawals, then its
    /// announcements.
    pub(crate) fn flush(&mut self, cx: &mut FlushContext<'_>) {
        self.narrowed = None;
        for family in Family::ALL {
            let buckets = &mut self.families[family.index()];
            if buckets.buckets.is_empty() {
                continue;
            }
            buckets.index.clear();
            (buckets.last_reach, buckets.last_unreach) = (0, 0);
            let mut list = std::mem::take(&mut buckets.buckets);
            // Stable: within a set and kind the order of decision stays.
            list.sort_by_key(|bucket| (bucket.peers, bucket.attributes.is_some()));
            let mut rest = list.as_slice();
            while let Some(first) = rest.first() {
                let len = rest.iter().take_while(|b| b.peers == first.peers).count();
                let (group, others) = rest.split_at(len);
                self.flush_group(family, group, cx);
                rest = others;
            }
            self.spare.extend(list.drain(..).filter(|b| b.nlri.capacity() <= SPARE_NLRI).map(
                |mut bucket| {
                    bucket.nlri.clear();
                    bucket.nlri
                },
            ));
            self.spare.truncate(SPARES);
            list.shrink_to(SPARES);
            self.families[family.index()].buckets = list;
        }
    }

    /// All that goes to one set of peers.
    fn flush_group(&mut self, family: Family, group: &[Bucket], cx: &mut FlushContext<'_>) {
        let Some(first) = group.first() else { return };
        self.choose_encoders(first.peers, cx);
        if self.encoders.is_empty() {
            return;
        }
        // Unchanged buckets are named as they lie; only a batch of several needs a copy.
        let mut nlri: Vec<Nlri> = Vec::with_capacity(group.iter().map(|b| b.nlri.len()).sum());
        for bucket in group {
            for chunk in bucket.nlri.chunks(CHUNK_NLRI) {
                for encoder in &mut self.encoders {
                    let out = &mut encoder.octets;
                    let messages = match &bucket.attributes {
                        Some(a) => {
                            encode_reach(&encoder.profile, family, &a.attributes, chunk, out)
                        }
                        None => encode_unreach(&encoder.profile, family, chunk, out),
                    };
                    encoder.messages += messages as u32;
                }
                nlri.extend_from_slice(chunk);
                if self.encoders.iter().any(|e| e.octets.len() >= cx.batch_octets) {
                    self.publish(family, first.peers, &mut nlri, cx);
                }
            }
        }
        if !nlri.is_empty() {
            self.publish(family, first.peers, &mut nlri, cx);
        }
    }

    /// The profiles present among the peers of a set.
    fn choose_encoders(&mut self, peers: PeerSetId, cx: &FlushContext<'_>) {
        let words = cx.sets.words(peers);
        let mut used = 0;
        for profile in &cx.peers.profiles {
            if mask::disjoint(words, &profile.peers) {
                continue;
            }
            if used == self.encoders.len() {
                self.encoders.push(Encoder {
                    profile: profile.profile,
                    octets: BytesMut::new(),
                    messages: 0,
                });
            }
            self.encoders[used].profile = profile.profile;
            used += 1;
        }
        self.encoders.truncate(used);
    }

    fn publish(
        &mut self,
        family: Family,
        peers: PeerSetId,
        nlri: &mut Vec<Nlri>,
        cx: &mut FlushContext<'_>,
    ) {
        let mut frames: SmallVec<[Frame; 1]> = SmallVec::new();
        for encoder in &mut self.encoders {
            // Copied out, so that a batch that waits for a slow peer holds its own octets only.
            let octets = Bytes::copy_from_slice(&encoder.octets);
            cx.counters.messages += u64::from(encoder.messages);
            cx.counters.octets += octets.len() as u64;
            frames.push(Frame { profile: encoder.profile, octets, messages: encoder.messages });
            encoder.octets.clear();
            encoder.messages = 0;
        }
        cx.counters.batches += 1;
        cx.out.push(ShardOutput::Batch(Arc::new(Batch {
            peers: cx.sets.set(peers),
            family,
            frames,
            nlri: nlri.as_slice().into(),
            resync: cx.resync,
            received: cx.received,
        })));
        nlri.clear();
    }
}

/// What publishing works with.
pub(crate) struct FlushContext<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) sets: &'a PeerSetTable,
    pub(crate) counters: &'a mut ShardCounters,
    pub(crate) out: &'a mut Vec<ShardOutput>,
    pub(crate) batch_octets: usize,
    pub(crate) resync: bool,
    pub(crate) received: Option<Instant>,
}
