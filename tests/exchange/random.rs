//! Numbers that depend on a seed alone, and what is drawn with them.

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_wire::{
    AsPath, Asn, Community, Family, LargeCommunity, NextHop, Origin, PathAttributes, Prefix,
};

use crate::kind::Kind;

/// The route server's AS.
pub(crate) const RS: u32 = 64500;
pub(crate) const PREFIXES: u64 = 24;
/// AS numbers that name a set of attributes start here.
const TAGS: u32 = 200_000;
const TAGS_OF_A_MEMBER: u32 = 10_000;

/// SplitMix64: enough randomness for this, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(crate) fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }
}

/// Half of them IPv4, half IPv6.
pub(crate) fn prefix(n: u64) -> Prefix {
    let n = n % PREFIXES;
    let made = if n.is_multiple_of(2) {
        Prefix::v4(Ipv4Addr::from_bits(0x1400_0000 + ((n as u32) << 8)), 24)
    } else {
        Prefix::v6(Ipv6Addr::from_bits((0x2a00_1111_u128 << 96) + (u128::from(n) << 80)), 48)
    };
    made.unwrap()
}

pub(crate) fn prefixes() -> impl Iterator<Item = Prefix> {
    (0..PREFIXES).map(prefix)
}

/// Whose attributes these are, and the number that names them.
pub(crate) fn tag_of(attributes: &PathAttributes) -> (u16, u32) {
    let tag = attributes.as_path.asns().find(|asn| asn.0 >= TAGS).unwrap().0;
    (((tag - TAGS) / TAGS_OF_A_MEMBER) as u16, tag)
}

/// AS numbers of some members, as they stand in communities.
fn some_members(random: &mut Random, kinds: &[Kind]) -> Vec<u16> {
    let mask = random.next();
    let chosen = kinds.iter().enumerate().filter(|(slot, _)| mask & (1 << slot) != 0);
    chosen.map(|(_, kind)| kind.asn.0 as u16).collect()
}

/// Random attributes of a member's route, named by the number `serial`.
pub(crate) fn attributes(
    random: &mut Random,
    kinds: &[Kind],
    slot: u16,
    family: Family,
    serial: u32,
) -> PathAttributes {
    let kind = &kinds[usize::from(slot)];
    let mut path = vec![kind.asn];
    if random.percent(20) {
        // A neighbour that several members have in common: MED compares such routes.
        path.insert(0, Asn(900));
    }
    for _ in 0..random.below(3) {
        path.push(kind.asn);
    }
    path.push(Asn(TAGS + u32::from(slot) * TAGS_OF_A_MEMBER + serial % TAGS_OF_A_MEMBER));
    path.push(Asn(20_000 + random.below(4) as u32));
    let v6_next_hop = family == Family::V6 || (kind.extended_next_hop && random.percent(30));
    // Sometimes a route of another router on the LAN, which may be a member.
    let owner = if random.percent(10) { &kinds[random.index(kinds.len())] } else { kind };
    let next_hop = if v6_next_hop {
        NextHop::V6 { global: Some(owner.address_v6()), link_local: None }
    } else {
        NextHop::V4(owner.address())
    };
    let mut made = PathAttributes::new(AsPath::from_sequence(&path), next_hop);
    made.communities = communities(random, kinds);
    made.origin = random.pick(&[Origin::Igp, Origin::Igp, Origin::Egp, Origin::Incomplete]);
    made.med = random.percent(40).then(|| random.below(3) as u32);
    made.atomic_aggregate = random.percent(10);
    if kind.extended_message && random.percent(10) {
        let global = 65_000;
        made.large_communities =
            (0..400).map(|n| LargeCommunity { global, local1: n, local2: 0 }).collect();
    } else if random.percent(20) {
        let local1 = random.below(9) as u32;
        made.large_communities = Box::new([LargeCommunity { global: 65_001, local1, local2: 7 }]);
    }
    made
}

fn communities(random: &mut Random, kinds: &[Kind]) -> Box<[Community]> {
    let mut made: Vec<(u16, u16)> = Vec::new();
    if random.percent(30) {
        made.extend(some_members(random, kinds).into_iter().map(|asn| (0, asn)));
    }
    if random.percent(15) {
        made.push((0, RS as u16));
        made.extend(some_members(random, kinds).into_iter().map(|asn| (RS as u16, asn)));
    }
    if random.percent(20) {
        made.extend(some_members(random, kinds).into_iter().map(|asn| (65504, asn)));
    }
    if random.percent(5) {
        made.push((RS as u16, 65501));
    }
    if random.percent(10) {
        // NO_LLGR, GRACEFUL_SHUTDOWN, NO_EXPORT.
        made.push((0xFFFF, random.pick(&[7, 0, 0xFF01])));
    }
    made.dedup();
    made.into_iter().map(|(high, low)| Community::new(high, low)).collect()
}
