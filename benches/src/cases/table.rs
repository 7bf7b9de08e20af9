//! The shard, and what follows it: partition and diff, whole tables, walks, the fan-out.

use std::sync::Arc;
use std::time::Instant;

use bgp_wire::iana::flag;
use bgp_wire::{AsPath, Asn, EncodingProfile, Families, Family, Nlri, RawAttribute};
use policy::Slot;
use rib::{
    AttributeSet, Batch, Generation, Ingest, PeerState, Scope, Shard, ShardInput, ShardOutput,
};
use rs_daemon::runtime::fan_out::FanOut;

use super::exchange::{
    GENERATION, PROFILE, asn, attributes, contested, ingests, peer, prefix, run, shard,
};
use super::{Case, Run};

/// UPDATEs between the ends of two turns.
const TURN: usize = 256;
const CHANGES: u32 = 100;
const MEMBERS: u16 = 200;
const PER_MEMBER: u32 = 50;
const LARGE_PREFIXES: u32 = 1000;
const FAN_OUT_MEMBERS: u16 = 1000;
const FAN_OUT_PER_MEMBER: u32 = 10;

/// One change of a destination that eight members announce, each to its own part of 1,024.
pub(super) const PARTITION_AND_DIFF: Case = Case {
    name: "partition-and-diff",
    items: CHANGES,
    item: "change",
    prepare: partition_and_diff,
};

/// All members announce all of their prefixes with other attributes than before.
pub(super) const INGEST_TO_ENCODED: Case = Case {
    name: "ingest-to-encoded",
    items: MEMBERS as u32 * PER_MEMBER,
    item: "prefix",
    prepare: ingest_to_encoded,
};

/// A member that comes back is told the table.
pub(super) const WALK: Case =
    Case { name: "walk", items: MEMBERS as u32 * PER_MEMBER, item: "prefix", prepare: walk };

/// A member with 5,000 prefixes goes, and comes back with them.
pub(super) const GONE_AND_BACK: Case =
    Case { name: "gone-and-back", items: 5_000, item: "prefix", prepare: gone_and_back };

/// A member's second routes for the prefixes of another, with 60 kB of attributes: first choice of
/// one member alone.
pub(super) const LARGE_ATTRIBUTES: Case = Case {
    name: "large-attributes",
    items: LARGE_PREFIXES,
    item: "prefix",
    prepare: large_attributes,
};

/// What the shards decided reaches the queues of a thousand members and leaves them.
pub(super) const FAN_OUT: Case = Case {
    name: "fan-out",
    items: FAN_OUT_MEMBERS as u32 * FAN_OUT_PER_MEMBER,
    item: "prefix to all",
    prepare: fan_out,
};

/// Octets of all batches, weighted with the number of peers they go to.
fn delivered(out: &[ShardOutput]) -> usize {
    let octets = |batch: &Arc<Batch>| {
        batch.peers.len() * batch.frames.iter().map(|frame| frame.octets.len()).sum::<usize>()
    };
    out.iter().map(|o| if let ShardOutput::Batch(batch) = o { octets(batch) } else { 0 }).sum()
}

/// Everything that is still to do, and what came of it.
fn finish(shard: &mut Shard, out: &mut Vec<ShardOutput>) {
    shard.finish_turn(out);
    while shard.pending_work() {
        shard.work(16 * 1024);
        shard.finish_turn(out);
    }
}

fn partition_and_diff() -> Run {
    let (mut shard, variants) = contested(8);
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        for n in 0..CHANGES {
            shard.handle(ShardInput::Ingest(variants[(n % 2) as usize].clone()));
            shard.finish_turn(&mut out);
        }
        delivered(&out)
    })
}

fn ingest_to_encoded() -> Run {
    let mut shard = shard(MEMBERS);
    // Two announcements of everything with marks of the same size: each replaces the other.
    let rounds = [ingests(MEMBERS, PER_MEMBER, 1), ingests(MEMBERS, PER_MEMBER, 2)];
    let mut n = 0;
    Box::new(move || {
        n += 1;
        delivered(&run(&mut shard, rounds[n % 2].clone(), TURN))
    })
}

fn walk() -> Run {
    let mut shard = shard(MEMBERS);
    run(&mut shard, ingests(MEMBERS, PER_MEMBER, 0), TURN);
    let slot = Slot(0);
    let mut generation = GENERATION;
    Box::new(move || {
        let mut out = Vec::new();
        // Its own routes stay, so that the walk is all there is to do.
        shard.handle(ShardInput::Down { slot, generation, stale: true });
        generation = Generation(generation.0 + 1);
        shard.handle(ShardInput::Up { slot, generation, peer: peer(slot.0) });
        let families = Families::only(Family::V4);
        let mut scope = Scope::Table { families, refresh: false };
        loop {
            shard.handle(ShardInput::Resync { slot, generation, scope });
            finish(&mut shard, &mut out);
            let more = |o: &ShardOutput| matches!(o, ShardOutput::ResyncEnd { more: true, .. });
            if !out.last().is_some_and(more) {
                break;
            }
            scope = Scope::More;
        }
        delivered(&out)
    })
}

fn gone_and_back() -> Run {
    let mut shard = shard(MEMBERS);
    let routes = ingests(1, 5_000, 0);
    let slot = Slot(0);
    let mut generation = GENERATION;
    run(&mut shard, routes.clone(), TURN);
    Box::new(move || {
        let mut out = Vec::new();
        shard.handle(ShardInput::Down { slot, generation, stale: false });
        finish(&mut shard, &mut out);
        generation = Generation(generation.0 + 1);
        shard.handle(ShardInput::Up { slot, generation, peer: peer(slot.0) });
        let back = routes.iter().cloned().map(|route| Ingest { generation, ..route });
        let sent = run(&mut shard, back.collect(), TURN);
        delivered(&out) + delivered(&sent)
    })
}

fn large_attributes() -> Run {
    let mut shard = shard(MEMBERS);
    let slot = Slot(0);
    let generation = Generation(GENERATION.0 + 1);
    // Who has the first routes gets the second ones, and can be sent so much at once.
    let profile = EncodingProfile { extended_message: true, ..PROFILE };
    shard.handle(ShardInput::Down { slot, generation: GENERATION, stale: false });
    shard.handle(ShardInput::Up { slot, generation, peer: PeerState { profile, ..peer(slot.0) } });
    let scope = Scope::Table { families: Families::BOTH, refresh: false };
    shard.handle(ShardInput::Resync { slot, generation, scope });
    finish(&mut shard, &mut Vec::new());
    let first = ingests(1, LARGE_PREFIXES, 0).into_iter();
    run(&mut shard, first.map(|route| Ingest { generation, ..route }).collect(), TURN);
    let [one, other] = [1, 2].map(large);
    let mut n = 0;
    Box::new(move || {
        n += 1;
        let again = if n % 2 == 0 { &one } else { &other };
        delivered(&run(&mut shard, vec![again.clone()], TURN))
    })
}

/// All prefixes in one message.
fn large(variant: u8) -> Ingest {
    let mut attributes = attributes(1, 0, MEMBERS, 0);
    attributes.as_path = AsPath::from_sequence(&[asn(1), Asn(3000), Asn(9000), Asn(9001)]);
    let flags = flag::OPTIONAL | flag::TRANSITIVE;
    attributes.unknown =
        Box::new([RawAttribute { flags, code: 240, value: vec![variant; 60_000].into() }]);
    Ingest {
        slot: Slot(1),
        generation: GENERATION,
        epoch: 1,
        set: Some(AttributeSet::new(Slot(1), attributes)),
        reach: (0..LARGE_PREFIXES).map(|n| Nlri::from(prefix(n))).collect(),
        unreach: Vec::new(),
        received: Instant::now(),
    }
}

fn fan_out() -> Run {
    let mut shard = shard(FAN_OUT_MEMBERS);
    let out = run(&mut shard, ingests(FAN_OUT_MEMBERS, FAN_OUT_PER_MEMBER, 0), TURN);
    let batches: Vec<Arc<Batch>> = out
        .into_iter()
        .filter_map(|o| if let ShardOutput::Batch(batch) = o { Some(batch) } else { None })
        .collect();
    let mut fan_out = FanOut::new(FAN_OUT_MEMBERS, PROFILE);
    Box::new(move || {
        for batch in &batches {
            fan_out.deliver(batch);
        }
        fan_out.write_all()
    })
}
