//! The table's hot paths at the size of a large exchange: from an ingested UPDATE to encoded
//! batches, partition and diff, and walks. `cargo bench -p rs-benches --bench rib`.

use bgp_wire::{Families, Family};
use divan::{Bencher, counter::ItemsCount};
use policy::Slot;
use rib::{Generation, Scope, ShardInput};
use rs_benches::cases::exchange::{GENERATION, contested, ingests, peer, run, shard};

fn main() {
    divan::main();
}

/// The loads of the comparison with BIRD, as far as the shard sees them: (members, prefixes each).
#[divan::bench(args = [(100, 1000), (500, 100), (1000, 50)], sample_count = 10)]
fn ingest_to_encoded(bencher: Bencher<'_, '_>, (members, per_member): (u16, u32)) {
    bencher
        .counter(ItemsCount::new(u32::from(members) * per_member))
        .with_inputs(|| (shard(members), ingests(members, per_member, 0)))
        .bench_values(|(mut shard, ingests)| {
            let out = run(&mut shard, ingests, 256);
            (shard, out)
        });
}

/// One UPDATE of one prefix, one turn: what a single change costs at 1,024 members.
#[divan::bench(args = [1, 2, 4, 8, 16])]
fn partition_and_diff(bencher: Bencher<'_, '_>, candidates: u16) {
    let (mut shard, variants) = contested(candidates);
    let mut out = Vec::new();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        out.clear();
        shard.handle(ShardInput::Ingest(variants[n % 2].clone()));
        shard.finish_turn(&mut out);
        out.len()
    });
}

/// Withdrawal of a member with many prefixes: the session goes down, the table is swept.
#[divan::bench(sample_count = 10)]
fn purge_of_50_000_prefixes(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(50_000_u32))
        .with_inputs(|| {
            let mut shard = shard(100);
            run(&mut shard, ingests(1, 50_000, 0), 256);
            shard
        })
        .bench_values(|mut shard| {
            let mut out = Vec::new();
            shard.handle(ShardInput::Down { slot: Slot(0), generation: GENERATION, stale: false });
            while shard.pending_work() {
                shard.work(16 * 1024);
                shard.finish_turn(&mut out);
            }
            (shard, out)
        });
}

/// A table of 50,000 prefixes told to peers that come up together.
#[divan::bench(args = [1, 100, 1000], sample_count = 10)]
fn walk_of_50_000_prefixes(bencher: Bencher<'_, '_>, peers: u16) {
    const MEMBERS: u16 = 1000;
    bencher
        .counter(ItemsCount::new(50_000_u32))
        .with_inputs(|| {
            let mut shard = shard(MEMBERS);
            run(&mut shard, ingests(MEMBERS, 50, 0), 256);
            let mut out = Vec::new();
            for slot in (0..peers).map(Slot) {
                // A restart that keeps the routes, so that the walk is all there is to do.
                let generation = GENERATION;
                shard.handle(ShardInput::Down { slot, generation, stale: true });
                let generation = Generation(2);
                shard.handle(ShardInput::Up { slot, generation, peer: peer(slot.0) });
            }
            shard.finish_turn(&mut out);
            shard
        })
        .bench_values(|mut shard| {
            let mut out = Vec::new();
            for slot in (0..peers).map(Slot) {
                let families = Families::only(Family::V4);
                let scope = Scope::Table { families, refresh: false };
                let generation = Generation(2);
                shard.handle(ShardInput::Resync { slot, generation, scope });
            }
            while shard.pending_work() {
                shard.work(16 * 1024);
                shard.finish_turn(&mut out);
                for slot in (0..peers).map(Slot) {
                    let (generation, scope) = (Generation(2), Scope::More);
                    shard.handle(ShardInput::Resync { slot, generation, scope });
                }
            }
            (shard, out)
        });
}
