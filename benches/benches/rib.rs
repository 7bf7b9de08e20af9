//! The table's hot paths at the size of a large exchange: from an ingested UPDATE to encoded
//! batches, partition and diff, and walks. `cargo bench -p rs-benches --bench rib`.

#![expect(clippy::expect_used, reason = "a benchmark that is wrong must panic")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{
    AsPath, Asn, Community, EncodingProfile, Families, Family, LinkLocalForm, NextHop, Nlri,
    PathAttributes, Prefix,
};
use divan::{Bencher, counter::ItemsCount};
use policy::{CheckMode, ImportPolicy, Kind, PeerPolicy, Policy, PolicyConfig, RoutingData, Slot};
use rib::{
    AttributeSet, Generation, Ingest, PeerState, Scope, Shard, ShardConfig, ShardInput, ShardOutput,
};

const RS: u32 = 50_000;
const GENERATION: Generation = Generation(1);
const PER_SET: u32 = 10;

fn main() {
    divan::main();
}

fn asn(slot: u16) -> Asn {
    Asn(20_000 + u32::from(slot))
}

fn policy(members: u16) -> Arc<Policy> {
    let mut config = PolicyConfig::new(Kind::Regular, Asn(RS));
    config.epoch = 1;
    let import =
        Arc::new(ImportPolicy { irr: CheckMode::Off, ..ImportPolicy::for_kind(Kind::Regular) });
    config.import = Arc::clone(&import);
    config.peers = (0..members)
        .map(|slot| {
            let mut peer = PeerPolicy::new(u32::from(slot), asn(slot), address(slot));
            peer.import = Arc::clone(&import);
            Some(peer)
        })
        .collect();
    Arc::new(Policy::new(config).expect("a valid policy"))
}

fn address(slot: u16) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xB900_0001 + u32::from(slot)))
}

fn prefix(n: u32) -> Prefix {
    Prefix::v4(Ipv4Addr::from_bits(0x1700_0000 + (n << 8)), 24).expect("a valid prefix")
}

/// The attributes of a member's set; a tenth of the sets carry control communities.
fn attribute_set(slot: u16, set: u32, members: u16) -> Arc<AttributeSet> {
    let IpAddr::V4(next_hop) = address(slot) else { unreachable!() };
    let path = AsPath::from_sequence(&[asn(slot), Asn(3000 + set), Asn(9000 + set)]);
    let mut attributes = PathAttributes::new(path, NextHop::V4(next_hop));
    let mut communities = vec![Community::new(20_000, set as u16)];
    if (u32::from(slot) * 7 + set).is_multiple_of(10) {
        communities.push(Community::new(0, asn((slot + 1) % members).0 as u16));
    }
    attributes.communities = communities.into();
    AttributeSet::new(Slot(slot), attributes)
}

fn peer(slot: u16) -> PeerState {
    PeerState {
        families: Families::BOTH,
        profile: EncodingProfile {
            four_octet_as: true,
            add_path: [false; 2],
            extended_message: false,
            link_local_form: LinkLocalForm::Native,
        },
        extended_next_hop: false,
        long_lived_graceful_restart: false,
        router_id: Ipv4Addr::from_bits(u32::from(slot) + 1),
        address: address(slot),
        limit: Arc::default(),
    }
}

/// A shard with this many members up, which have been told the (empty) table.
fn shard(members: u16) -> Shard {
    let mut shard = Shard::new(ShardConfig::default(), policy(members), RoutingData::default());
    let mut out = Vec::new();
    for slot in (0..members).map(Slot) {
        shard.handle(ShardInput::Up { slot, generation: GENERATION, peer: peer(slot.0) });
        let scope = Scope::Table { families: Families::BOTH, refresh: false };
        shard.handle(ShardInput::Resync { slot, generation: GENERATION, scope });
    }
    while shard.pending_work() {
        shard.work(usize::MAX);
        shard.finish_turn(&mut out);
    }
    shard
}

/// Every member's announcements, members taking turns, an UPDATE for each attribute set.
fn ingests(members: u16, per_member: u32) -> Vec<Ingest> {
    let received = Instant::now();
    let mut ingests = Vec::new();
    for set in 0..per_member.div_ceil(PER_SET) {
        for slot in 0..members {
            let first = u32::from(slot) * per_member + set * PER_SET;
            let count = PER_SET.min(per_member - set * PER_SET);
            ingests.push(Ingest {
                slot: Slot(slot),
                generation: GENERATION,
                epoch: 1,
                set: Some(attribute_set(slot, set, members)),
                reach: (first..first + count).map(|n| Nlri::from(prefix(n))).collect(),
                unreach: Vec::new(),
                received,
            });
        }
    }
    ingests
}

fn run(shard: &mut Shard, ingests: Vec<Ingest>, turn: usize) -> Vec<ShardOutput> {
    let mut out = Vec::new();
    for (n, ingest) in ingests.into_iter().enumerate() {
        shard.handle(ShardInput::Ingest(ingest));
        if n % turn == turn - 1 {
            shard.finish_turn(&mut out);
        }
    }
    shard.finish_turn(&mut out);
    out
}

/// The loads of the comparison with BIRD, as far as the shard sees them: (members, prefixes each).
#[divan::bench(args = [(100, 1000), (500, 100), (1000, 50)], sample_count = 10)]
fn ingest_to_encoded(bencher: Bencher<'_, '_>, (members, per_member): (u16, u32)) {
    bencher
        .counter(ItemsCount::new(u32::from(members) * per_member))
        .with_inputs(|| (shard(members), ingests(members, per_member)))
        .bench_values(|(mut shard, ingests)| {
            let out = run(&mut shard, ingests, 256);
            (shard, out)
        });
}

/// One UPDATE of one prefix, one turn: what a single change costs at 1,024 members.
#[divan::bench(args = [1, 2, 4, 8, 16])]
fn partition_and_diff(bencher: Bencher<'_, '_>, candidates: u16) {
    const MEMBERS: u16 = 1024;
    let mut shard = shard(MEMBERS);
    let mut out = Vec::new();
    // Each candidate is for its own part of the members, so that none ends the walk early.
    let set = |slot: u16, variant: u32| {
        let IpAddr::V4(next_hop) = address(slot) else { unreachable!() };
        let path = AsPath::from_sequence(&[asn(slot), Asn(3000 + variant)]);
        let mut attributes = PathAttributes::new(path, NextHop::V4(next_hop));
        attributes.communities =
            (0..40).map(|n| Community::new(0, asn(slot * 61 + n).0 as u16)).collect();
        AttributeSet::new(Slot(slot), attributes)
    };
    let ingest = |set: &Arc<AttributeSet>| {
        ShardInput::Ingest(Ingest {
            slot: set.source(),
            generation: GENERATION,
            epoch: 1,
            set: Some(Arc::clone(set)),
            reach: vec![Nlri::from(prefix(1))],
            unreach: Vec::new(),
            received: Instant::now(),
        })
    };
    for slot in 0..candidates {
        shard.handle(ingest(&set(slot, 0)));
    }
    shard.finish_turn(&mut out);
    let variants = [set(0, 1), set(0, 2)];
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        out.clear();
        shard.handle(ingest(&variants[n % 2]));
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
            run(&mut shard, ingests(1, 50_000), 256);
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
            run(&mut shard, ingests(MEMBERS, 50), 256);
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
