//! From octets to attribute sets, and back to octets.

use bgp_wire::{DecodedUpdate, Family, HEADER_OCTETS, Nlri, decode_update, encode_reach};
use bytes::BytesMut;
use policy::Slot;
use rib::Interner;

use super::exchange::{CONTEXT, PER_SET, PROFILE, attributes, prefix};
use super::{Case, Run};

const SETS: u32 = 500;

/// UPDATEs with ten prefixes each.
pub(super) const DECODE: Case =
    Case { name: "decode", items: SETS * PER_SET, item: "prefix", prepare: decode };

/// Attribute sets that the session has not seen before: parsed and kept.
pub(super) const FIRST_SIGHT: Case =
    Case { name: "intern-first-sight", items: SETS, item: "attribute set", prepare: first_sight };

/// Attribute sets that it knows.
pub(super) const INTERN: Case =
    Case { name: "intern-known", items: SETS, item: "attribute set", prepare: intern };

/// The octets of UPDATEs, once for all who get them.
pub(super) const ENCODE: Case =
    Case { name: "encode", items: SETS * PER_SET, item: "prefix", prepare: encode };

fn nlri(set: u32) -> Vec<Nlri> {
    (set * PER_SET..(set + 1) * PER_SET).map(|n| Nlri::from(prefix(n))).collect()
}

/// Bodies of UPDATEs, one for each attribute set.
fn bodies() -> Vec<Vec<u8>> {
    (0..SETS)
        .map(|set| {
            let mut octets = BytesMut::new();
            encode_reach(
                &PROFILE,
                Family::V4,
                &attributes(1, set, 100, 0),
                &nlri(set),
                &mut octets,
            );
            octets[HEADER_OCTETS..].to_vec()
        })
        .collect()
}

fn decoded() -> Vec<DecodedUpdate> {
    let decode = |body: Vec<u8>| {
        let mut update = DecodedUpdate::default();
        decode_update(&body, &CONTEXT, &mut update).expect("well formed");
        update
    };
    bodies().into_iter().map(decode).collect()
}

fn decode() -> Run {
    let bodies = bodies();
    let mut update = DecodedUpdate::default();
    Box::new(move || {
        let mut prefixes = 0;
        for body in &bodies {
            decode_update(body, &CONTEXT, &mut update).expect("well formed");
            prefixes += update.reach.iter().map(|reach| reach.nlri.len()).sum::<usize>();
        }
        prefixes
    })
}

fn intern_all(interner: &mut Interner, updates: &[DecodedUpdate]) -> usize {
    let mut communities = 0;
    for update in updates {
        let interned = interner.get_or_parse(update, &update.reach[0], &CONTEXT);
        communities += interned.expect("well formed").set.attributes().communities.len();
    }
    communities
}

fn first_sight() -> Run {
    let updates = decoded();
    Box::new(move || intern_all(&mut Interner::new(Slot(1)), &updates))
}

fn intern() -> Run {
    let updates = decoded();
    let mut interner = Interner::new(Slot(1));
    // Somebody must hold the sets, as routes do, or a sweep drops them.
    let held: Vec<_> = updates
        .iter()
        .map(|u| interner.get_or_parse(u, &u.reach[0], &CONTEXT).expect("well formed"))
        .collect();
    Box::new(move || intern_all(&mut interner, &updates).min(held.len() * 1000))
}

fn encode() -> Run {
    let sets: Vec<_> = (0..SETS).map(|set| (attributes(1, set, 100, 0), nlri(set))).collect();
    let mut octets = BytesMut::new();
    Box::new(move || {
        octets.clear();
        for (attributes, nlri) in &sets {
            encode_reach(&PROFILE, Family::V4, attributes, nlri, &mut octets);
        }
        octets.len()
    })
}
