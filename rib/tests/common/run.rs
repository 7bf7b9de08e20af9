//! Operations on an exchange and its oracle, and what must hold when they are over. Who makes the
//! operations up is somebody else's business: proptest's in `oracle.rs`, a fuzzer's in `fuzz/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_wire::{Asn, Families, Family, Origin, PathAttributes, Prefix};
use policy::{
    AspaTable, CheckMode, FilterMode, IrrChange, IrrSets, MedMode, MemberIrr, Policy, PolicyConfig,
    RouteSet, RoutingData, Slot, Vrp, VrpTable,
};
use rib::{Changed, Cursor, LimitConfig, PeerLimit, RouteFilter, Shard};

use super::oracle::Oracle;
use super::{
    Exchange, MemberKind, RS, asn_of, attributes, attributes_v6, policy_config, v4, v6,
    with_communities,
};

pub const MEMBERS: usize = 7;
pub const PREFIXES: u32 = 14;

#[derive(Clone, Debug)]
pub enum Op {
    Up(u16),
    UpAs(u16, u8),
    Down {
        slot: u16,
        stale: bool,
    },
    Announce {
        slot: u16,
        first: u32,
        count: u32,
        attributes: Attributes,
    },
    Withdraw {
        slot: u16,
        first: u32,
        count: u32,
    },
    EndOfRib(u16),
    LongLived(u16),
    /// What is kept of a member that is away is kept no longer.
    TimeOver(u16),
    Stall(u16),
    Resume(u16),
    Refresh(u16),
    Policy {
        closed: u8,
    },
    Vrps(u8),
    Aspas(u8),
    Irr {
        member: u16,
        origins: u8,
        prefixes: u16,
    },
    Turn {
        shard: usize,
        inputs: usize,
        work: bool,
    },
    Deliver {
        shard: usize,
        count: usize,
    },
}

/// What varies about the attributes of a route.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    pub variant: u16,
    pub longer: bool,
    pub same_neighbour: bool,
    pub med: u32,
    pub origin: bool,
    /// Members that must not get it.
    pub not_to: u8,
    /// To nobody but these.
    pub only_to: Option<u8>,
    /// Members towards whom it is prepended.
    pub prepend: u8,
    pub v6_next_hop: bool,
    pub no_llgr: bool,
}

fn bits(mask: u8) -> impl Iterator<Item = u16> {
    (0..MEMBERS as u16).filter(move |slot| mask & (1 << slot) != 0)
}

impl Attributes {
    pub fn make(self, slot: u16, v6_nlri: bool) -> PathAttributes {
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
        MemberKind { families: Families::only(Family::V4), ..plain },
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

fn limit(count_accepted: bool) -> Arc<PeerLimit> {
    Arc::new(PeerLimit::new(LimitConfig { count_accepted, ..LimitConfig::default() }))
}

pub struct Run {
    pub exchange: Exchange,
    oracle: Oracle,
    med: MedMode,
    epoch: u64,
}

impl Run {
    pub fn new(shards: usize, med: MedMode) -> Self {
        let policy = Arc::new(Policy::new(checked(policy_config(MEMBERS, 1, med))).unwrap());
        let mut exchange = Exchange::new(&kinds(), shards, policy);
        for (slot, place) in exchange.limits.iter_mut().enumerate() {
            *place = limit(slot % 2 == 1);
        }
        let sets = (0..MEMBERS as u16).map(|member| (member.into(), irr_set(0xFE, 0x3FFF)));
        let irr = Arc::new(IrrSets::from_members(sets));
        exchange.set_data(RoutingData { irr, ..RoutingData::default() }, &Changed::All);
        Self { exchange, oracle: Oracle::default(), med, epoch: 1 }
    }

    fn is_up(&self, slot: u16) -> bool {
        self.exchange.workers[usize::from(slot)].is_up
    }

    pub fn step(&mut self, op: &Op) {
        let shards = self.exchange.shards.len();
        match op {
            Op::Up(slot) if !self.is_up(*slot) => self.exchange.up(*slot),
            Op::UpAs(slot, router_id) if !self.is_up(*slot) => {
                self.exchange.router_ids[usize::from(*slot)] = 0x0A00_0000 + u32::from(*router_id);
                // The routes that were kept are counted as is configured since.
                self.exchange.limits[usize::from(*slot)] = limit(router_id & 1 == 1);
                self.exchange.up(*slot);
            }
            Op::Down { slot, stale } if self.is_up(*slot) => {
                self.exchange.down(*slot, *stale);
                self.oracle.down(*slot, *stale);
                if !stale {
                    self.count_anew(*slot);
                }
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
            Op::TimeOver(slot) if !self.is_up(*slot) => {
                self.exchange.time_over(*slot);
                self.oracle.sweep(*slot);
                self.count_anew(*slot);
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

    /// Nothing of it is kept.
    fn count_anew(&mut self, slot: u16) {
        let place = &mut self.exchange.limits[usize::from(slot)];
        *place = limit(place.counts_accepted_only());
    }

    fn announce(&mut self, slot: u16, first: u32, count: u32, attributes: Attributes) {
        for v6_nlri in [false, true] {
            let prefixes: Vec<_> = (first..first + count)
                .map(prefix)
                .filter(|p| (p.family() == Family::V6) == v6_nlri)
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

    /// At rest every member holds what the oracle says.
    pub fn finish(&mut self) {
        self.exchange.workers.iter_mut().for_each(|worker| worker.stalled = false);
        self.exchange.settle();
        for member in 0..MEMBERS as u16 {
            self.check_count(member);
            let worker = &self.exchange.workers[usize::from(member)];
            if !worker.is_up {
                continue;
            }
            assert!(worker.is_told() && !worker.is_dirty());
            let expected = self.oracle.table(&self.exchange, member);
            assert_eq!(worker.table, expected, "table of member {member}");
            self.check_views(member);
            // In parts, so that views meet it half done.
            self.exchange.shards.iter_mut().for_each(|shard| {
                shard.count_exported(5);
            });
        }
        self.exchange.shards.iter().for_each(check_best);
    }

    /// What a member's limit counts is what is there of it.
    fn check_count(&self, member: u16) {
        let limit = &self.exchange.limits[usize::from(member)];
        for family in Family::ALL {
            let f = family.index();
            let counters = self.exchange.shards.iter().map(|shard| shard.counters());
            let slots = counters.filter_map(|counters| counters.slot(Slot(member)));
            let there: u32 = slots
                .map(|slot| match limit.counts_accepted_only() {
                    true => slot.accepted[f],
                    false => slot.received[f],
                })
                .sum();
            assert_eq!(limit.count(family), there, "{family} of member {member}");
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

/// The counts of first candidates are those of the view.
fn check_best(shard: &Shard) {
    let mut destinations = [0; 2];
    let mut best: BTreeMap<Slot, [u32; 2]> = BTreeMap::new();
    let mut cursor = Some(Cursor::START);
    while let Some(from) = cursor {
        let page = shard.routes(&RouteFilter::default(), from, 100);
        for route in page.routes.iter().filter(|route| route.best && route.reject.is_none()) {
            let f = route.prefix.family().index();
            destinations[f] += 1;
            best.entry(route.source).or_default()[f] += 1;
        }
        cursor = page.next;
    }
    assert_eq!(shard.counters().destinations, destinations);
    for (slot, counters) in shard.counters().slots.iter().enumerate() {
        let of_slot = best.get(&Slot(slot as u16)).copied().unwrap_or_default();
        assert_eq!(counters.best, of_slot, "of slot {slot}");
    }
}
