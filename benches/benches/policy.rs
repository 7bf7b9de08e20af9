//! What policy costs: per prefix (origin validation, IRR, the whole prefix verdict) and per
//! attribute set (attribute verdict, plan).
#![expect(clippy::expect_used, reason = "a benchmark ends where it cannot be set up")]

use std::sync::Arc;

use bgp_wire::{AsPath, Asn, Family, LargeCommunity, NextHop, PathAttributes, Prefix};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use policy::{
    IrrSets, Kind, MemberIrr, NoTrace, PeerPolicy, Policy, PolicyConfig, RouteSet, RoutingData,
    Slot, VerdictClass, VrpTable,
};
use rs_benches::cases::outside::{asked, spread, vrps};

const VRPS: u32 = 450_000;
const MEMBERS: u16 = 1000;
const OBJECTS: u32 = 500;
const RS: Asn = Asn(6500);

fn main() {
    divan::main();
}

fn exchange() -> (Policy, RoutingData) {
    let mut config = PolicyConfig::new(Kind::Regular, RS);
    for slot in 0..MEMBERS {
        let address = std::net::Ipv4Addr::from(0xB901_0000 + u32::from(slot) + 2);
        let peer = PeerPolicy::new(slot.into(), Asn(1000 + u32::from(slot)), address.into());
        config.peers.push(Some(peer));
    }
    let irr = IrrSets::from_members((0..u32::from(MEMBERS)).map(|member| {
        let objects = (member * OBJECTS..(member + 1) * OBJECTS).map(spread);
        let routes = RouteSet::new([Asn(1000 + member)], objects);
        (member, MemberIrr::fetched("AS-SET", 0, routes))
    }));
    let data = RoutingData { vrps: Arc::new(vrps(VRPS)), irr: Arc::new(irr), ..Default::default() };
    (Policy::new(config).expect("the configuration is right"), data)
}

/// A route of the first member, with a control community that names somebody.
fn route(communities: &[(u32, u32)]) -> PathAttributes {
    let next_hop = NextHop::V4(std::net::Ipv4Addr::from(0xB901_0002));
    let mut attributes = PathAttributes::new(AsPath::from_sequence(&[Asn(1000)]), next_hop);
    attributes.large_communities = communities
        .iter()
        .map(|&(local1, local2)| LargeCommunity { global: RS.0, local1, local2 })
        .collect();
    attributes
}

/// So many at a time, since one takes no longer than reading the clock.
const BATCH: u32 = 1000;

/// Prefixes as a member announces them, one close to the other, and in no order at all: then
/// every look-up misses the processor's caches. Half of them are in the table.
#[divan::bench(args = ["neighbours", "scattered"])]
fn rov_lookup(bencher: Bencher<'_, '_>, order: &str) {
    let table = vrps(VRPS);
    let mut asked = asked(2 * VRPS, VRPS);
    if order == "neighbours" {
        asked.sort_unstable();
    }
    let mut at = asked.chunks_exact(BATCH as usize).cycle();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let batch = at.next().unwrap_or_default();
        batch
            .iter()
            .filter(|prefix| {
                table.validate(black_box(prefix), Some(Asn(7))) == policy::RovState::Invalid
            })
            .count()
    });
}

#[divan::bench]
fn prefix_verdict(bencher: Bencher<'_, '_>) {
    let (policy, data) = exchange();
    let verdict = policy.attribute_verdict(Slot(0), &route(&[]), &mut NoTrace);
    let asked: Vec<Prefix> = (0..BATCH).map(|index| spread(index % OBJECTS)).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        asked
            .iter()
            .filter(|prefix| {
                let found = policy.prefix_verdict(
                    Slot(0),
                    &verdict,
                    black_box(prefix),
                    &data,
                    &mut NoTrace,
                );
                matches!(found, policy::Verdict::Accept(_))
            })
            .count()
    });
}

#[divan::bench(args = [0, 1, 10])]
fn attribute_verdict(bencher: Bencher<'_, '_>, communities: u32) {
    let (policy, _) = exchange();
    let named: Vec<(u32, u32)> = (0..communities).map(|index| (0, 1001 + index)).collect();
    let attributes = route(&named);
    bencher.bench(|| policy.attribute_verdict(Slot(0), black_box(&attributes), &mut NoTrace));
}

#[divan::bench(args = [0, 1, 10])]
fn plan(bencher: Bencher<'_, '_>, communities: u32) {
    let (policy, _) = exchange();
    let named: Vec<(u32, u32)> = (0..communities).map(|index| (101, 1001 + index)).collect();
    let verdict = policy.attribute_verdict(Slot(0), &route(&named), &mut NoTrace);
    bencher.bench(|| policy.plan(Slot(0), black_box(&verdict), VerdictClass::new(Family::V4)));
}

#[divan::bench(sample_count = 10)]
fn compile_a_thousand_members(bencher: Bencher<'_, '_>) {
    let (policy, _) = exchange();
    bencher.bench(|| Policy::new(policy.config().clone()));
}

#[divan::bench(sample_count = 5)]
fn build_the_vrp_table(bencher: Bencher<'_, '_>) {
    bencher.bench(|| vrps(VRPS));
}

#[divan::bench(sample_count = 5)]
fn compare_two_vrp_tables(bencher: Bencher<'_, '_>) {
    let (old, new) = (vrps(VRPS), vrps(VRPS));
    bencher.bench(|| VrpTable::changed_prefixes(black_box(&old), black_box(&new)));
}
