//! Random members, routes, communities, flaps, stalls, changes of policy, VRPs, ASPAs and IRR sets, refreshes, under a
//! scheduler that interleaves shards and workers at random: after everything has settled, each
//! member holds what a naive table made for it alone holds.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_wire::{Asn, Community, Families, Origin, PathAttributes, Prefix};
use common::oracle::Oracle;
use common::{
    Exchange, MemberKind, RS, asn_of, attributes, attributes_v6, policy_config, v4, v6,
    with_communities,
};
use policy::{
    AspaTable, CheckMode, FilterMode, IrrChange, IrrSets, MedMode, MemberIrr, Policy, PolicyConfig,
    RouteSet, RoutingData, Slot, Vrp, VrpTable,
};
use proptest::prelude::*;
use rib::{Changed, Cursor, RouteFilter};

const MEMBERS: usize = 7;
const PREFIXES: u32 = 14;

#[derive(Clone, Debug)]
enum Op {
    Up(u16),
    UpAs(u16, u8),
    Down { slot: u16, stale: bool },
    Announce { slot: u16, first: u32, count: u32, attributes: Attributes },
    Withdraw { slot: u16, first: u32, count: u32 },
    EndOfRib(u16),
    LongLived(u16),
    Stall(u16),
    Resume(u16),
    Refresh(u16),
    Policy { closed: u8 },
    Vrps(u8),
    Aspas(u8),
    Irr { member: u16, origins: u8, prefixes: u16 },
    Turn { shard: usize, inputs: usize, work: bool },
    Deliver { shard: usize, count: usize },
}

/// What varies about the attributes of a route.
#[derive(Clone, Copy, Debug)]
struct Attributes {
    variant: u16,
    longer: bool,
    same_neighbour: bool,
    med: u32,
    origin: bool,
    /// Members that must not get it.
    not_to: u8,
    /// To nobody but these.
    only_to: Option<u8>,
    /// Members towards whom it is prepended.
    prepend: u8,
    v6_next_hop: bool,
    no_llgr: bool,
}

fn bits(mask: u8) -> impl Iterator<Item = u16> {
    (0..MEMBERS as u16).filter(move |slot| mask & (1 << slot) != 0)
}

impl Attributes {
    fn make(self, slot: u16, v6_nlri: bool) -> PathAttributes {
        let mut made = if v6_nlri || self.v6_next_hop {
            attributes_v6(slot, self.variant)
        } else {
            attributes(slot, self.variant)
        };
        let low = |slot: u16| asn_of(slot).0 as u16;
        let mut communities: Vec<(u16, u16)> = bits(self.not_to).map(|s| (0, low(s))).collect();
        if let Some(only) = self.only_to {
            communities.push((0, RS as u16));
            communities.extend(bits(only).map(|s| (RS as u16, low(s))));
        }
        communities.extend(bits(self.prepend).map(|s| (65504, low(s))));
        if self.no_llgr {
            communities.push((0xFFFF, 7));
        }
        made = with_communities(made, communities);
        if self.longer {
            made.as_path = made.as_path.prepend(asn_of(slot), 1);
        }
        if self.same_neighbour {
            // Two sessions' worth of paths of one neighbour AS: MED compares them.
            made.as_path = made.as_path.prepend(Asn(900), 1);
        }
        made.origin = if self.origin { Origin::Igp } else { Origin::Incomplete };
        made.med = (self.med > 0).then_some(self.med);
        made
    }
}

fn attributes_strategy() -> impl Strategy<Value = Attributes> {
    (
        (0..40u16, any::<bool>(), prop::bool::weighted(0.3), 0..3u32, prop::bool::weighted(0.8)),
        prop_oneof![4 => Just(0u8), 2 => any::<u8>()],
        prop_oneof![5 => Just(None), 1 => any::<u8>().prop_map(Some)],
        prop_oneof![4 => Just(0u8), 1 => any::<u8>()],
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(facts, not_to, only_to, prepend, v6_next_hop, no_llgr)| {
            let (variant, longer, same_neighbour, med, origin) = facts;
            Attributes {
                variant,
                longer,
                same_neighbour,
                med,
                origin,
                not_to,
                only_to,
                prepend,
                v6_next_hop,
                no_llgr,
            }
        })
}

fn op_strategy() -> impl Strategy<Value = Op> {
    let slot = 0..MEMBERS as u16;
    let shard = 0..8usize;
    prop_oneof![
        2 => slot.clone().prop_map(Op::Up),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, id)| Op::UpAs(slot, id)),
        1 => (slot.clone(), any::<bool>()).prop_map(|(slot, stale)| Op::Down { slot, stale }),
        8 => (slot.clone(), 0..PREFIXES, 1..6u32, attributes_strategy()).prop_map(
            |(slot, first, count, attributes)| Op::Announce { slot, first, count, attributes }
        ),
        3 => (slot.clone(), 0..PREFIXES, 1..6u32)
            .prop_map(|(slot, first, count)| Op::Withdraw { slot, first, count }),
        1 => slot.clone().prop_map(Op::EndOfRib),
        1 => slot.clone().prop_map(Op::LongLived),
        1 => slot.clone().prop_map(Op::Stall),
        1 => slot.clone().prop_map(Op::Resume),
        1 => slot.clone().prop_map(Op::Refresh),
        1 => any::<u8>().prop_map(|closed| Op::Policy { closed }),
        1 => any::<u8>().prop_map(Op::Vrps),
        1 => any::<u8>().prop_map(Op::Aspas),
        2 => (0..MEMBERS as u16, any::<u8>(), any::<u16>())
            .prop_map(|(member, origins, prefixes)| Op::Irr { member, origins, prefixes }),
        6 => (shard.clone(), 0..4usize, any::<bool>())
            .prop_map(|(shard, inputs, work)| Op::Turn { shard, inputs, work }),
        6 => (shard, 0..6usize).prop_map(|(shard, count)| Op::Deliver { shard, count }),
    ]
}

/// Half of them IPv4, half IPv6.
fn prefix(n: u32) -> Prefix {
    let n = n % PREFIXES;
    if n.is_multiple_of(2) { v4(n) } else { v6(n) }
}

fn kinds() -> Vec<MemberKind> {
    let plain = MemberKind::PLAIN;
    vec![
        plain,
        MemberKind { add_path: true, ..plain },
        MemberKind { extended_next_hop: false, ..plain },
        MemberKind { four_octet_as: false, ..plain },
        MemberKind { llgr: true, ..plain },
        MemberKind { families: Families::only(bgp_wire::Family::V4), ..plain },
        MemberKind { add_path: true, llgr: true, ..plain },
    ]
}

/// Members differ in what is checked on their routes, and in what they want withheld.
fn checked(mut config: PolicyConfig) -> PolicyConfig {
    let modes = [
        (CheckMode::Off, FilterMode::IrrRpki),
        (CheckMode::Reject, FilterMode::IrrRpki),
        (CheckMode::PerMember, FilterMode::Irr),
        (CheckMode::Tag, FilterMode::Rpki),
        (CheckMode::Reject, FilterMode::TagOnly),
        (CheckMode::PerMember, FilterMode::IrrRpki),
        (CheckMode::PerMember, FilterMode::Rpki),
    ];
    for (peer, (irr, filter)) in config.peers.iter_mut().flatten().zip(modes) {
        peer.filter = filter;
        peer.as_set = [Arc::from("AS-SET")].into();
        let import = Arc::make_mut(&mut peer.import);
        import.irr = irr;
        import.rpki = if irr == CheckMode::PerMember { irr } else { CheckMode::Reject };
        import.aspa = if irr == CheckMode::Off { CheckMode::Reject } else { CheckMode::Off };
        if irr == CheckMode::Reject {
            import.irr_max_prefixes = [Some(6), None];
        }
    }
    config
}

/// Some of the origins and prefixes that there are; none, or nothing known at all.
fn irr_set(origins: u8, prefixes: u16) -> MemberIrr {
    if origins & 3 == 1 {
        return MemberIrr::unknown("AS-SET");
    }
    let origins = (0..40).filter(|variant| origins & (1 << (variant % 8)) != 0);
    let origins = origins.map(|variant| Asn(20_000 + variant));
    let prefixes = (0..PREFIXES).filter(|n| prefixes & (1 << n) != 0).map(prefix);
    MemberIrr::fetched("AS-SET", 0, RouteSet::new(origins, prefixes))
}

struct Run {
    exchange: Exchange,
    oracle: Oracle,
    med: MedMode,
    epoch: u64,
}

impl Run {
    fn new(shards: usize, med: MedMode) -> Self {
        let policy = Arc::new(Policy::new(checked(policy_config(MEMBERS, 1, med))).unwrap());
        let mut exchange = Exchange::new(&kinds(), shards, policy);
        let sets = (0..MEMBERS as u16).map(|member| (member.into(), irr_set(0xFE, 0x3FFF)));
        let irr = Arc::new(IrrSets::from_members(sets));
        exchange.set_data(RoutingData { irr, ..RoutingData::default() }, &Changed::All);
        Self { exchange, oracle: Oracle::default(), med, epoch: 1 }
    }

    fn is_up(&self, slot: u16) -> bool {
        self.exchange.workers[usize::from(slot)].is_up
    }

    fn step(&mut self, op: &Op) {
        let shards = self.exchange.shards.len();
        match op {
            Op::Up(slot) if !self.is_up(*slot) => self.exchange.up(*slot),
            Op::UpAs(slot, router_id) if !self.is_up(*slot) => {
                self.exchange.router_ids[usize::from(*slot)] = 0x0A00_0000 + u32::from(*router_id);
                self.exchange.up(*slot);
            }
            Op::Down { slot, stale } if self.is_up(*slot) => {
                self.exchange.down(*slot, *stale);
                self.oracle.down(*slot, *stale);
            }
            Op::Announce { slot, first, count, attributes } if self.is_up(*slot) => {
                self.announce(*slot, *first, *count, *attributes);
            }
            Op::Withdraw { slot, first, count } if self.is_up(*slot) => {
                let prefixes: Vec<_> = (*first..first + count).map(prefix).collect();
                prefixes.iter().for_each(|p| self.oracle.withdraw(*slot, *p));
                self.exchange.withdraw(*slot, &prefixes);
            }
            Op::EndOfRib(slot) if self.is_up(*slot) => {
                self.exchange.end_of_rib(*slot);
                self.oracle.sweep(*slot);
            }
            Op::LongLived(slot) if !self.is_up(*slot) => {
                self.exchange.long_lived(*slot);
                // The sweep looks at what is stale when it comes by; nothing else may happen to
                // the slot before, and nothing does in a daemon (the timer outlasts any sweep).
                self.exchange.settle();
                self.oracle.long_lived(*slot);
            }
            Op::Stall(slot) => self.exchange.workers[usize::from(*slot)].stalled = true,
            Op::Resume(slot) => self.exchange.workers[usize::from(*slot)].stalled = false,
            Op::Refresh(slot) if self.is_up(*slot) => self.exchange.refresh(*slot),
            Op::Policy { closed } => self.change_policy(*closed),
            Op::Vrps(which) => self.change_vrps(*which),
            Op::Aspas(which) => self.change_aspas(*which),
            Op::Irr { member, origins, prefixes } => self.change_irr(*member, *origins, *prefixes),
            Op::Turn { shard, inputs, work } => {
                self.exchange.turn(shard % shards, *inputs, *work);
            }
            Op::Deliver { shard, count } => self.exchange.deliver(shard % shards, *count),
            _ => {}
        }
    }

    fn announce(&mut self, slot: u16, first: u32, count: u32, attributes: Attributes) {
        for v6_nlri in [false, true] {
            let prefixes: Vec<_> = (first..first + count)
                .map(prefix)
                .filter(|p| (p.family() == bgp_wire::Family::V6) == v6_nlri)
                .collect();
            let made = attributes.make(slot, v6_nlri);
            prefixes.iter().for_each(|p| self.oracle.announce(slot, *p, made.clone()));
            if !prefixes.is_empty() {
                self.exchange.announce(slot, &prefixes, made);
            }
        }
    }

    /// A policy under which some members' sessions may not receive each other's routes.
    fn change_policy(&mut self, closed: u8) {
        self.epoch += 1;
        let mut config = policy_config(MEMBERS, self.epoch, self.med);
        // With a quarter of them IRR and ASPA are not looked at.
        if closed & 0x60 != 0 {
            config = checked(config);
        }
        config.same_as_export = closed & 1 == 0;
        for slot in bits(closed) {
            if let Some(peer) = &mut config.peers[usize::from(slot)] {
                let import = Arc::make_mut(&mut peer.import);
                import.as_path_max = if closed & 2 == 0 { 32 } else { 2 };
            }
        }
        self.exchange.set_policy(Arc::new(Policy::new(config).unwrap()));
    }

    fn change_vrps(&mut self, which: u8) {
        let vrps = VrpTable::from_vrps((0..8).filter(|n| which & (1 << n) != 0).map(|n| {
            let prefix = v4(n * 2);
            Vrp { prefix, max_len: 24, asn: Asn(20_000 + n % 3) }
        }));
        let changed = VrpTable::changed_prefixes(&self.exchange.data.vrps, &vrps);
        let data = RoutingData { vrps: Arc::new(vrps), ..self.exchange.data.clone() };
        self.exchange.set_data(data, &Changed::Prefixes(changed));
    }

    /// An attestation may decide about any path.
    fn change_aspas(&mut self, which: u8) {
        let customers = (0..40).filter(|variant| which & (1 << (variant % 8)) != 0);
        let aspas = AspaTable::from_aspas(
            customers
                .map(|variant| (Asn(20_000 + variant), [asn_of(0), asn_of(variant as u16 % 7)])),
        );
        let data = RoutingData { aspas: Arc::new(aspas), ..self.exchange.data.clone() };
        self.exchange.set_data(data, &Changed::All);
    }

    /// A member's set changes; what is decided again is what the daemon would say.
    fn change_irr(&mut self, member: u16, origins: u8, prefixes: u16) {
        let old = &self.exchange.data.irr;
        let kept = old.iter().filter(|(known, _)| *known != u32::from(member));
        let new = [(u32::from(member), irr_set(origins, prefixes))];
        let irr = IrrSets::from_members(kept.map(|(member, irr)| (member, irr.clone())).chain(new));
        let changes = self.exchange.policy.irr_changes(old, &irr);
        let data = RoutingData { irr: Arc::new(irr), ..self.exchange.data.clone() };
        for (member, change) in changes {
            let changed = match change {
                IrrChange::All => Changed::Members(vec![Slot(member as u16)]),
                IrrChange::Prefixes(prefixes) => Changed::Prefixes(prefixes),
            };
            self.exchange.set_data(data.clone(), &changed);
        }
    }

    fn finish(&mut self) {
        self.exchange.workers.iter_mut().for_each(|worker| worker.stalled = false);
        self.exchange.settle();
        for member in 0..MEMBERS as u16 {
            let worker = &self.exchange.workers[usize::from(member)];
            if !worker.is_up {
                continue;
            }
            assert!(worker.is_told() && !worker.is_dirty());
            let expected = self.oracle.table(&self.exchange, member);
            assert_eq!(worker.table, expected, "table of member {member}");
            self.check_views(member);
        }
    }

    /// The view of a member's Adj-RIB-Out and the count of it agree with what it was sent.
    fn check_views(&self, member: u16) {
        let table = &self.exchange.workers[usize::from(member)].table;
        let filter = RouteFilter { to: Some(Slot(member)), ..RouteFilter::default() };
        let (mut viewed, mut exported) = (0, 0);
        let mut by_source: BTreeMap<Slot, u64> = BTreeMap::new();
        let mut counted = BTreeMap::new();
        for shard in &self.exchange.shards {
            let mut cursor = Cursor::START;
            loop {
                let page = shard.routes(&filter, cursor, 3);
                for route in page.routes {
                    let id = route.path_id.unwrap_or(0);
                    let outgoing = route.outgoing.unwrap();
                    assert_eq!(table.get(&(route.prefix, id)), Some(&outgoing.attributes));
                    *by_source.entry(route.source).or_default() += 1;
                    viewed += 1;
                }
                let Some(next) = page.next else { break };
                cursor = next;
            }
            exported += shard.exported()[usize::from(member)].iter().sum::<u64>();
            let flows = shard.exchanged(Cursor::START).flows.into_iter();
            for flow in flows.filter(|flow| flow.peers.contains(Slot(member))) {
                *counted.entry(flow.source).or_default() += flow.routes;
            }
        }
        assert_eq!((viewed, exported), (table.len(), table.len() as u64));
        assert_eq!(counted, by_source);
    }
}

fn check(ops: &[Op], med: MedMode) {
    for shards in [1, 8] {
        let mut run = Run::new(shards, med);
        ops.iter().for_each(|op| run.step(op));
        run.finish();
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op_strategy(), 1..200).prop_map(|mut ops| {
        // Most members are there from the beginning, else little happens.
        let mut all: Vec<Op> = (0..MEMBERS as u16 - 2).map(Op::Up).collect();
        all.append(&mut ops);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_member_holds_what_a_table_of_its_own_would_hold(ops in ops()) {
        check(&ops, MedMode::Off);
    }

    #[test]
    fn with_med_between_routes_of_the_same_neighbour_too(ops in ops()) {
        check(&ops, MedMode::SameAs);
    }
}

#[test]
fn communities_of_the_harness_are_those_of_the_policy() {
    let made = Attributes {
        variant: 1,
        longer: false,
        same_neighbour: false,
        med: 0,
        origin: true,
        not_to: 0b10,
        only_to: None,
        prepend: 0b100,
        v6_next_hop: false,
        no_llgr: false,
    }
    .make(0, false);
    assert!(made.communities.contains(&Community::new(0, 1002)));
    let mut run = Run::new(1, MedMode::Off);
    (0..3).for_each(|slot| run.exchange.up(slot));
    run.exchange.announce(0, &[v4(0)], made);
    run.exchange.settle();
    assert_eq!(run.exchange.sees(1, v4(0)), None, "not to member 1");
    let prepended = run.exchange.workers[2].table.values().next();
    assert_eq!(prepended.map(|a| a.as_path.length()), Some(3), "prepended towards member 2");
}
