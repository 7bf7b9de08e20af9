//! Random policies and routing data.

use std::sync::Arc;

use bgp_wire::{Asn, Prefix};
use policy::{
    CheckMode, FilterMode, ImportPolicy, Inform, IrrChange, IrrSets, Kind, MedMode, MemberIrr,
    NextHopMode, PeerPolicy, Policy, PolicyConfig, RouteSet, RoutingData, Slot, Vrp, VrpTable,
};
use rib::Changed;

use crate::kind::Kind as Member;
use crate::random::{RS, Random, prefixes};

/// A policy as drawn: what is random about it changes who may have what.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    config: PolicyConfig,
    imports: [Arc<ImportPolicy>; 2],
    /// By slot.
    members: Vec<(usize, FilterMode)>,
}

impl Draft {
    pub(crate) fn random(random: &mut Random, members: usize, med: MedMode) -> Self {
        let mut config = PolicyConfig::new(Kind::Regular, Asn(RS));
        config.med = med;
        config.same_as_export = random.percent(70);
        config.export_communities = random.percent(90);
        config.drain = random.percent(5);
        config.inform = Inform {
            rov: random.percent(30),
            irr: random.percent(30),
            learnt_from: random.percent(30),
            location: false,
        };
        let import = import(random);
        let strict = Arc::new(ImportPolicy { as_path_max: 3, ..import.clone() });
        let import = Arc::new(import);
        config.import = Arc::clone(&import);
        let filters = [
            FilterMode::IrrRpki,
            FilterMode::IrrRpki,
            FilterMode::Irr,
            FilterMode::Rpki,
            FilterMode::TagOnly,
        ];
        let member = |_| (usize::from(random.percent(25)), random.pick(&filters));
        let members = (0..members).map(member).collect();
        Self { config, imports: [import, strict], members }
    }

    /// The policy for those members that are there.
    pub(crate) fn compile(&self, members: &[Option<&Member>], epoch: u64) -> Arc<Policy> {
        let mut config = self.config.clone();
        config.epoch = epoch;
        let peer = |(slot, member): (u32, &Option<&Member>)| {
            let member = (*member)?;
            let (import, filter) = self.members[slot as usize];
            let mut peer = PeerPolicy::new(slot, member.asn, member.address().into());
            peer.import = Arc::clone(&self.imports[import]);
            peer.filter = filter;
            Some(peer)
        };
        config.peers = (0..).zip(members).map(peer).collect();
        Arc::new(Policy::new(config).unwrap())
    }
}

fn import(random: &mut Random) -> ImportPolicy {
    use CheckMode::{Off, PerMember, Reject, Tag};
    ImportPolicy {
        next_hop: NextHopMode::Any,
        irr: random.pick(&[Off, Off, Reject, PerMember]),
        rpki: random.pick(&[Off, Tag, Reject, PerMember]),
        first_as: random.percent(20),
        bogon_asns: false,
        bogon_prefixes: false,
        peering_lan: false,
        max_communities: 0,
        transit_free: Arc::default(),
        ..ImportPolicy::for_kind(Kind::Regular)
    }
}

fn some_prefixes(random: &mut Random) -> Vec<Prefix> {
    let mask = random.next();
    prefixes().enumerate().filter(|(n, _)| mask & (1 << n) != 0).map(|(_, p)| p).collect()
}

/// Other VRPs, and what shards are told about the change.
pub(crate) fn change_vrps(random: &mut Random, data: &mut RoutingData) -> Changed {
    let vrps = some_prefixes(random).into_iter().map(|prefix| {
        let asn = Asn(20_000 + random.below(4) as u32);
        Vrp { prefix, max_len: prefix.len(), asn }
    });
    let vrps: Vec<Vrp> = vrps.collect();
    let vrps = VrpTable::from_vrps(vrps);
    let changed = VrpTable::changed_prefixes(&data.vrps, &vrps);
    data.vrps = Arc::new(vrps);
    if random.percent(20) { Changed::All } else { Changed::Prefixes(changed) }
}

/// Other IRR sets for some members.
pub(crate) fn change_irr(
    random: &mut Random,
    members: u16,
    policy: &Policy,
    data: &mut RoutingData,
) -> Changed {
    let sets = (0..members).filter_map(|slot| {
        let known = data.irr.get(u32::from(slot)).cloned();
        let set = match random.below(3) {
            0 => known?,
            1 => {
                let origins: Vec<Asn> = (0..4).map(|n| Asn(20_000 + n)).collect();
                MemberIrr::fetched("AS-TEST", 1, RouteSet::new(origins, some_prefixes(random)))
            }
            _ => {
                let origins = [Asn(20_000 + random.below(4) as u32)];
                MemberIrr::fetched("AS-TEST", 2, RouteSet::new(origins, prefixes()))
            }
        };
        Some((u32::from(slot), set))
    });
    let sets: Vec<(u32, MemberIrr)> = sets.collect();
    let sets = IrrSets::from_members(sets);
    let changes = policy.irr_changes(&data.irr, &sets);
    data.irr = Arc::new(sets);
    let whole = changes.iter().any(|(_, change)| *change == IrrChange::All);
    if whole {
        return Changed::Members(changes.iter().map(|(member, _)| Slot(*member as u16)).collect());
    }
    let prefixes = changes.into_iter().flat_map(|(_, change)| match change {
        IrrChange::Prefixes(list) => list,
        IrrChange::All => Vec::new(),
    });
    Changed::Prefixes(prefixes.collect())
}
