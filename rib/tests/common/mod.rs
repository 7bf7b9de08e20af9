//! An exchange in memory around the shards: members whose workers apply batches in FIFO order,
//! and an oracle that really keeps one table for each member.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness of tests: each file uses its part, and what is wrong must panic"
)]

pub mod oracle;
pub mod run;
pub mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_wire::{
    AsPath, Asn, Community, EncodingProfile, Families, Family, LinkLocalForm, NextHop, Nlri,
    PathAttributes, Prefix,
};
use policy::{
    ImportPolicy, Kind, MedMode, NextHopMode, PeerPolicy, Policy, PolicyConfig, RoutingData, Slot,
};
use rib::{
    AttributeSet, Generation, Ingest, PeerLimit, PeerState, Scope, Shard, ShardConfig, ShardInput,
    ShardOutput, shard_of,
};

use worker::Worker;

pub const RS: u32 = 64500;

/// How the members of an exchange differ.
#[derive(Clone, Copy, Debug)]
pub struct MemberKind {
    pub add_path: bool,
    pub extended_next_hop: bool,
    pub four_octet_as: bool,
    pub llgr: bool,
    pub families: Families,
}

impl MemberKind {
    pub const PLAIN: Self = Self {
        add_path: false,
        extended_next_hop: true,
        four_octet_as: true,
        llgr: false,
        families: Families::BOTH,
    };

    pub fn profile(&self) -> EncodingProfile {
        EncodingProfile {
            four_octet_as: self.four_octet_as,
            add_path: [self.add_path; 2],
            extended_message: false,
            link_local_form: LinkLocalForm::Native,
        }
    }
}

pub fn asn_of(slot: u16) -> Asn {
    Asn(1001 + u32::from(slot))
}

pub fn address_of(slot: u16) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xC000_0201 + u32::from(slot)))
}

/// A policy without checks that random routes would fail.
pub fn policy_config(members: usize, epoch: u64, med: MedMode) -> PolicyConfig {
    let mut config = PolicyConfig::new(Kind::Regular, Asn(RS));
    config.epoch = epoch;
    config.med = med;
    let import = ImportPolicy {
        next_hop: NextHopMode::Any,
        irr: policy::CheckMode::Off,
        rpki: policy::CheckMode::Reject,
        first_as: false,
        bogon_asns: false,
        bogon_prefixes: false,
        peering_lan: false,
        transit_free: Arc::default(),
        ..ImportPolicy::for_kind(Kind::Regular)
    };
    let import = Arc::new(import);
    config.import = Arc::clone(&import);
    config.peers = (0..members as u16)
        .map(|slot| {
            let mut peer = PeerPolicy::new(u32::from(slot), asn_of(slot), address_of(slot));
            peer.import = Arc::clone(&import);
            Some(peer)
        })
        .collect();
    config
}

pub fn policy(members: usize, epoch: u64) -> Arc<Policy> {
    Arc::new(Policy::new(policy_config(members, epoch, MedMode::Off)).unwrap())
}

pub fn v4(n: u32) -> Prefix {
    Prefix::v4(Ipv4Addr::from_bits(0x1400_0000 + (n << 8)), 24).unwrap()
}

pub fn v6(n: u32) -> Prefix {
    let bits = (0x2a00_1111_u128 << 96) + (u128::from(n) << 80);
    Prefix::v6(Ipv6Addr::from_bits(bits), 48).unwrap()
}

/// Attributes of a route of `slot`: the path names the slot and the variant.
pub fn attributes(slot: u16, variant: u16) -> PathAttributes {
    let asn = asn_of(slot);
    let path = AsPath::from_sequence(&[asn, Asn(20_000 + u32::from(variant))]);
    let next_hop = NextHop::V4(Ipv4Addr::from_bits(0xC000_0201 + u32::from(slot)));
    PathAttributes::new(path, next_hop)
}

/// The same with an IPv6 next hop, as IPv6 NLRI and RFC 8950 have it.
pub fn attributes_v6(slot: u16, variant: u16) -> PathAttributes {
    let global = Ipv6Addr::from_bits((0x2001_07f8_u128 << 96) + u128::from(slot) + 1);
    let next_hop = NextHop::V6 { global: Some(global), link_local: None };
    PathAttributes { next_hop, ..attributes(slot, variant) }
}

pub fn with_communities(
    mut attributes: PathAttributes,
    communities: impl IntoIterator<Item = (u16, u16)>,
) -> PathAttributes {
    attributes.communities =
        communities.into_iter().map(|(high, low)| Community::new(high, low)).collect();
    attributes
}

/// "Not to this member".
pub fn not_to(slot: u16) -> (u16, u16) {
    (0, asn_of(slot).0 as u16)
}

/// Shards, the queues around them, and the members' workers.
pub struct Exchange {
    pub shards: Vec<Shard>,
    pub inputs: Vec<VecDeque<ShardInput>>,
    pub outputs: Vec<VecDeque<ShardOutput>>,
    pub workers: Vec<Worker>,
    pub policy: Arc<Policy>,
    pub data: RoutingData,
    pub limits: Vec<Arc<PeerLimit>>,
    /// What each member's session has, or the next one will.
    pub router_ids: Vec<u32>,
    /// The policy that each shard was given last.
    pub in_force: Vec<Arc<Policy>>,
    /// The data that each shard was given last.
    pub given: Vec<RoutingData>,
    /// What members announced, by source and variant.
    pub announced: BTreeMap<(u16, u16), Vec<PathAttributes>>,
    pub clock: Instant,
    /// Outputs that are no batches, as they were delivered.
    pub log: Vec<ShardOutput>,
    /// Batches delivered, with the number of peers addressed.
    pub batches: Vec<(usize, Arc<rib::Batch>)>,
}

impl Exchange {
    pub fn new(kinds: &[MemberKind], shards: usize, policy: Arc<Policy>) -> Self {
        let config = ShardConfig { batch_octets: 4096, segment_destinations: 4 };
        let data = RoutingData::default();
        Self {
            shards: (0..shards)
                .map(|_| Shard::new(config.clone(), Arc::clone(&policy), data.clone()))
                .collect(),
            inputs: (0..shards).map(|_| VecDeque::new()).collect(),
            outputs: (0..shards).map(|_| VecDeque::new()).collect(),
            workers: kinds
                .iter()
                .enumerate()
                .map(|(slot, kind)| Worker::new(Slot(slot as u16), *kind, shards))
                .collect(),
            in_force: vec![Arc::clone(&policy); shards],
            given: vec![data.clone(); shards],
            announced: BTreeMap::new(),
            policy,
            data,
            limits: kinds.iter().map(|_| Arc::default()).collect(),
            router_ids: (0..kinds.len() as u32).map(|slot| 0x0A00_0000 + (slot ^ 5)).collect(),
            clock: Instant::now(),
            log: Vec::new(),
            batches: Vec::new(),
        }
    }

    /// Plain members that are all up, everything settled.
    pub fn plain(members: usize, shards: usize) -> Self {
        let mut exchange = Self::new(&vec![MemberKind::PLAIN; members], shards, policy(members, 1));
        (0..members as u16).for_each(|slot| exchange.up(slot));
        exchange.settle();
        exchange
    }

    pub fn send(&mut self, shard: usize, input: ShardInput) {
        self.inputs[shard].push_back(input);
    }

    pub fn peer_state(&self, slot: u16) -> PeerState {
        let kind = self.workers[usize::from(slot)].kind;
        PeerState {
            families: kind.families,
            profile: kind.profile(),
            extended_next_hop: kind.extended_next_hop,
            long_lived_graceful_restart: kind.llgr,
            router_id: Ipv4Addr::from_bits(self.router_ids[usize::from(slot)]),
            address: address_of(slot),
            limit: Arc::clone(&self.limits[usize::from(slot)]),
        }
    }

    /// A session is established; its worker asks for the table.
    pub fn up(&mut self, slot: u16) {
        let generation = self.workers[usize::from(slot)].up();
        let families = self.workers[usize::from(slot)].kind.families;
        for shard in 0..self.shards.len() {
            let peer = self.peer_state(slot);
            self.send(shard, ShardInput::Up { slot: Slot(slot), generation, peer });
            let scope = Scope::Table { families, refresh: false };
            self.send(shard, ShardInput::Resync { slot: Slot(slot), generation, scope });
        }
    }

    pub fn down(&mut self, slot: u16, stale: bool) {
        let generation = self.workers[usize::from(slot)].down();
        for shard in 0..self.shards.len() {
            self.send(shard, ShardInput::Down { slot: Slot(slot), generation, stale });
        }
    }

    pub fn end_of_rib(&mut self, slot: u16) {
        let generation = self.generation(slot);
        for shard in 0..self.shards.len() {
            for family in Family::ALL {
                self.send(shard, ShardInput::EndOfRib { slot: Slot(slot), generation, family });
            }
        }
    }

    pub fn long_lived(&mut self, slot: u16) {
        for shard in 0..self.shards.len() {
            let families = Families::BOTH;
            self.send(shard, ShardInput::LongLivedStale { slot: Slot(slot), families });
        }
    }

    pub fn time_over(&mut self, slot: u16) {
        for shard in 0..self.shards.len() {
            let families = Families::BOTH;
            self.send(shard, ShardInput::Sweep { slot: Slot(slot), families });
        }
    }

    pub fn refresh(&mut self, slot: u16) {
        let generation = self.generation(slot);
        let families = self.workers[usize::from(slot)].kind.families;
        for shard in 0..self.shards.len() {
            let scope = Scope::Table { families, refresh: true };
            self.send(shard, ShardInput::Resync { slot: Slot(slot), generation, scope });
        }
    }

    pub fn generation(&self, slot: u16) -> Generation {
        self.workers[usize::from(slot)].generation
    }

    pub fn announce(&mut self, slot: u16, prefixes: &[Prefix], attributes: PathAttributes) {
        let (_, variant) = source_and_variant(&attributes);
        let announced = self.announced.entry((slot, variant)).or_default();
        if !announced.contains(&attributes) {
            announced.push(attributes.clone());
        }
        let set = AttributeSet::new(Slot(slot), attributes);
        self.ingest(slot, prefixes, &[], Some(set));
    }

    pub fn withdraw(&mut self, slot: u16, prefixes: &[Prefix]) {
        self.ingest(slot, &[], prefixes, None);
    }

    pub fn ingest(
        &mut self,
        slot: u16,
        reach: &[Prefix],
        unreach: &[Prefix],
        set: Option<Arc<AttributeSet>>,
    ) {
        let generation = self.generation(slot);
        let epoch = self.policy.epoch();
        let shards = self.shards.len();
        self.clock += Duration::from_millis(1);
        for shard in 0..shards {
            let mine = |prefixes: &[Prefix]| -> Vec<Nlri> {
                let mine = prefixes.iter().filter(|p| shard_of(p, shards) == shard);
                mine.map(|p| Nlri::from(*p)).collect()
            };
            let (reach, unreach) = (mine(reach), mine(unreach));
            if reach.is_empty() && unreach.is_empty() {
                continue;
            }
            let (slot, set, received) = (Slot(slot), set.clone(), self.clock);
            let ingest = Ingest { slot, generation, epoch, set, reach, unreach, received };
            self.send(shard, ShardInput::Ingest(ingest));
        }
    }

    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = Arc::clone(&policy);
        for shard in 0..self.shards.len() {
            let (policy, data) = (Arc::clone(&policy), self.data.clone());
            self.send(shard, ShardInput::Policy { policy, data });
        }
    }

    /// A policy that differs in whom the routes of some sources go to.
    pub fn set_receivers(&mut self, policy: Arc<Policy>) {
        let sources = Policy::rpsl_changes(&self.policy, &policy);
        self.policy = Arc::clone(&policy);
        for shard in 0..self.shards.len() {
            let (policy, data) = (Arc::clone(&policy), self.data.clone());
            self.send(shard, ShardInput::Receivers { policy, data, sources: sources.clone() });
        }
    }

    pub fn set_data(&mut self, data: RoutingData, changed: &rib::Changed) {
        self.data = data.clone();
        for shard in 0..self.shards.len() {
            let (data, changed) = (data.clone(), changed.clone());
            self.send(shard, ShardInput::Data { data, changed });
        }
    }

    /// One turn of a shard: at most `inputs` messages, then work if wanted.
    pub fn turn(&mut self, shard: usize, inputs: usize, work: bool) {
        for _ in 0..inputs {
            let Some(input) = self.inputs[shard].pop_front() else { break };
            if let ShardInput::Policy { policy, .. } | ShardInput::Receivers { policy, .. } = &input
            {
                self.in_force[shard] = Arc::clone(policy);
            }
            if let ShardInput::Policy { data, .. } | ShardInput::Data { data, .. } = &input {
                self.given[shard] = data.clone();
            }
            self.shards[shard].handle(input);
        }
        if work {
            self.shards[shard].work(1);
        }
        let mut out = Vec::new();
        self.shards[shard].finish_turn(&mut out);
        for output in &out {
            if let ShardOutput::Batch(batch) = output {
                self.check_allowed(shard, batch);
            }
        }
        self.outputs[shard].extend(out);
    }

    /// Whatever a shard says, at any moment, the policy and the data that it has been given allow:
    /// nothing of older ones leaves while they change.
    fn check_allowed(&self, shard: usize, batch: &rib::Batch) {
        let policy = &self.in_force[shard];
        for slot in batch.peers.iter() {
            let kind = self.workers[slot.index()].kind;
            let Some(frame) = batch.frame(&kind.profile()) else { continue };
            for (prefix, attributes) in worker::announcements(kind, &frame.octets) {
                let (source, variant) = source_and_variant(&attributes);
                let sent = self.announced.get(&(source as u16, variant));
                let data = &self.given[shard];
                let allowed = sent.into_iter().flatten().any(|sent| {
                    oracle::may_have(policy, data, source as u16, &prefix, sent, slot.0)
                });
                assert!(allowed, "{prefix} of member {source} to member {slot}");
            }
        }
    }

    /// Delivers what a shard said, at most `count` of it, to the workers.
    pub fn deliver(&mut self, shard: usize, count: usize) {
        for _ in 0..count {
            let Some(output) = self.outputs[shard].pop_front() else { break };
            match &output {
                ShardOutput::Batch(batch) => {
                    self.batches.push((batch.peers.len(), Arc::clone(batch)));
                    for slot in batch.peers.iter() {
                        self.workers[slot.index()].batch(shard, batch);
                    }
                }
                other => {
                    self.log.push(other.clone());
                    self.workers.iter_mut().for_each(|worker| worker.output(shard, other));
                }
            }
            self.collect_requests();
        }
    }

    pub fn collect_requests(&mut self) {
        for worker in 0..self.workers.len() {
            for (shard, input) in self.workers[worker].requests() {
                self.inputs[shard].push_back(input);
            }
        }
    }

    /// Until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            self.collect_requests();
            let mut busy = false;
            for shard in 0..self.shards.len() {
                if !self.inputs[shard].is_empty() || self.shards[shard].pending_work() {
                    busy = true;
                    self.turn(shard, usize::MAX, true);
                }
                if !self.outputs[shard].is_empty() {
                    busy = true;
                    self.deliver(shard, usize::MAX);
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the exchange does not settle");
    }

    /// Path variants in a member's table, by prefix: what most tests ask.
    pub fn sees(&self, slot: u16, prefix: Prefix) -> Option<(u32, u16)> {
        let table = &self.workers[usize::from(slot)].table;
        let mut found =
            table.iter().filter(|((p, _), _)| *p == prefix).map(|(_, attributes)| attributes);
        let attributes = found.next()?;
        assert!(found.next().is_none(), "one path was expected");
        Some(source_and_variant(attributes))
    }

    pub fn take_batches(&mut self) -> Vec<Arc<rib::Batch>> {
        std::mem::take(&mut self.batches).into_iter().map(|(_, batch)| batch).collect()
    }
}

/// Who sent it and which variant of its attributes it is.
pub fn source_and_variant(attributes: &PathAttributes) -> (u32, u16) {
    // A path may have a neighbour AS before the source's.
    let mut path = attributes.as_path.asns();
    let source = path.find(|asn| (1001..20_000).contains(&asn.0)).unwrap().0 - 1001;
    (source, (attributes.as_path.origin().unwrap().0 - 20_000) as u16)
}
