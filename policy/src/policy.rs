//! A route server's policy, compiled.

use std::net::IpAddr;
use std::sync::Arc;

use bgp_wire::{Asn, Family, NextHop};
use hashbrown::{HashMap, HashSet};

use crate::aspa::AspaTable;
use crate::communities::{Communities, CommunityKey, Function, Values, compile};
use crate::config::{CheckMode, ImportPolicy, Kind, NextHopMode, PeerPolicy, PolicyConfig, Role};
use crate::error::{PolicyError, PolicyWarning};
use crate::irr::{IrrChange, IrrSets};
use crate::peer_set::{PeerBits, PeerSet, Slot};
use crate::prefix_index::PrefixIndex;
use crate::reject::RejectReason;
use crate::rov::VrpTable;
use crate::verdict::NextHops;

type AsnSet = HashSet<Asn, foldhash::fast::FixedState>;

/// Slots are 16 bits wide.
const MAX_SLOTS: usize = 1 << 16;

/// Outside data, as immutable snapshots. The default is "nothing loaded".
#[derive(Clone, Debug, Default)]
pub struct RoutingData {
    /// ROA payloads.
    pub vrps: Arc<VrpTable>,
    /// ASPA payloads.
    pub aspas: Arc<AspaTable>,
    /// The members' IRR sets.
    pub irr: Arc<IrrSets>,
}

/// A route server's policy: immutable, made for look-ups.
#[derive(Debug)]
pub struct Policy {
    config: PolicyConfig,
    warnings: Vec<PolicyWarning>,
    communities: Communities,
    peers: Vec<Option<CompiledPeer>>,
    blacklist: PrefixIndex,
    own_addresses: HashSet<IpAddr, foldhash::fast::RandomState>,
    next_hop_owners: HashMap<(IpAddr, Link), PeerSet, foldhash::fast::RandomState>,
    groups: Groups,
    /// Whom the RPSL policies of both sides let a source's routes go to, by source and family.
    rpsl: Option<Box<[[PeerSet; 2]]>>,
}

/// The scope of a link-local address: its interface, numbered; 0 for every other address.
type Link = u16;

/// Peers that export policy treats alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// Everybody.
    pub(crate) all: PeerSet,
    /// Looking-glass feeds.
    pub(crate) collectors: PeerSet,
    /// Sponsors that want no TRANSIT routes.
    pub(crate) no_transit: PeerSet,
    /// Those that want what fails IRR withheld.
    pub(crate) withhold_irr: PeerSet,
    /// Those that want ROV Invalid withheld.
    pub(crate) withhold_rpki: PeerSet,
    /// Those that read the tags.
    pub(crate) tag_only: PeerSet,
    /// RS-clients by RFC 9234.
    pub(crate) otc: PeerSet,
}

/// A session's policy, compiled.
#[derive(Clone, Debug)]
pub(crate) struct CompiledPeer {
    pub(crate) import: Arc<CompiledImport>,
    pub(crate) next_hops: NextHops,
    /// Communities to attach to its routes.
    pub(crate) attach: Box<[CommunityKey]>,
    /// A sponsor on a transitable route server.
    pub(crate) sponsor: bool,
    /// RFC 9234 applies.
    pub(crate) otc: bool,
    /// Sessions of the same AS.
    pub(crate) same_as: PeerSet,
    link: Link,
}

/// An import policy, compiled; shared between the sessions that share the policy.
#[derive(Clone, Debug)]
pub(crate) struct CompiledImport {
    pub(crate) policy: Arc<ImportPolicy>,
    pub(crate) transit_free: AsnSet,
    pub(crate) never_via_rs: AsnSet,
    pub(crate) blacklist: PrefixIndex,
    pub(crate) extra_asns: Box<[Asn]>,
    pub(crate) extra_prefixes: PrefixIndex,
}

impl Policy {
    /// Compiles a policy; all errors at once.
    pub fn new(config: PolicyConfig) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        check_peers(&config, &mut errors);
        if errors.iter().any(|error| matches!(error, PolicyError::TooManyPeers { .. })) {
            return Err(errors);
        }
        let communities = compile(&config, &mut errors, &mut warnings);
        let links = links(&config);
        let peers = compile_peers(&config, &communities, &links, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let blacklist = config.peering_lan.iter().chain(&config.blacklist).copied();
        Ok(Self {
            blacklist: PrefixIndex::new(blacklist),
            own_addresses: config.own_addresses.iter().copied().collect(),
            next_hop_owners: next_hop_owners(&config, &peers),
            groups: Groups::new(&config),
            rpsl: rpsl(&config),
            warnings,
            communities,
            peers,
            config,
        })
    }

    /// The policies of a run are counted.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.config.epoch
    }

    /// How many slots there are, free ones included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.config.peers.len()
    }

    /// The session of a slot.
    #[must_use]
    pub fn peer(&self, slot: Slot) -> Option<&PeerPolicy> {
        self.config.peers.get(slot.index())?.as_ref()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// What the operator should know.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyWarning] {
        &self.warnings
    }

    /// Whether path verification (ASPA) is in force for anybody's routes.
    #[must_use]
    pub fn checks_aspa(&self) -> bool {
        let checks = |peer: &PeerPolicy| peer.import.aspa != CheckMode::Off;
        self.config.peers.iter().flatten().any(checks)
    }

    /// Whether transit routes are withheld from this session: a sponsor that did not ask for them.
    #[must_use]
    pub fn withholds_transit(&self, slot: Slot) -> bool {
        self.groups.no_transit.contains(slot)
    }

    /// The patterns in force for a function, after what cannot be encoded was left out.
    #[must_use]
    pub fn patterns(&self, function: Function) -> &[crate::communities::Pattern] {
        self.communities.active(function)
    }

    /// The communities that a refused route is shown with.
    #[must_use]
    pub fn reject_communities(&self, reason: RejectReason) -> Vec<CommunityKey> {
        let values = |code: u16| Values { code: Some(code.into()), ..Values::default() };
        let mut shown = self.communities.tags(Function::Reject, values(reason.code())).to_vec();
        if reason.euro_ix() != 0 {
            shown.extend(self.communities.tags(Function::RejectEuroIx, values(reason.euro_ix())));
        }
        shown
    }

    /// What is to be decided again when the IRR sets change: the difference, widened to all
    /// routes of a member whose set counts by its size.
    #[must_use]
    pub fn irr_changes(&self, old: &IrrSets, new: &IrrSets) -> Vec<(u32, IrrChange)> {
        let mut changes = IrrSets::changes(old, new);
        for (member, change) in &mut changes {
            let by_size = self.config.peers.iter().flatten().any(|peer| {
                peer.member == *member && peer.import.irr_max_prefixes.iter().any(Option::is_some)
            });
            if by_size {
                *change = IrrChange::All;
            }
        }
        changes
    }

    /// The sources whose routes go to others when one policy takes another's place that differs
    /// in RPSL filters only.
    #[must_use]
    pub fn rpsl_changes(old: &Self, new: &Self) -> Vec<Slot> {
        let differs = |slot: &Slot| {
            Family::ALL.iter().any(|&family| {
                let reached = |policy: &Self| match policy.rpsl_allowed(*slot, family) {
                    Some(allowed) => allowed.clone(),
                    None => policy.groups.all.clone(),
                };
                reached(old) != reached(new)
            })
        };
        slots(&new.config).map(|(slot, _)| slot).filter(differs).collect()
    }

    pub(crate) fn source(&self, slot: Slot) -> Option<(&PeerPolicy, &CompiledPeer)> {
        Some((self.peer(slot)?, self.peers.get(slot.index())?.as_ref()?))
    }

    pub(crate) fn communities(&self) -> &Communities {
        &self.communities
    }

    pub(crate) fn obeys_communities(&self) -> bool {
        self.config.export_communities && self.config.kind != Kind::Chaos
    }

    pub(crate) fn is_own_address(&self, address: IpAddr) -> bool {
        self.own_addresses.contains(&address)
    }

    pub(crate) fn blacklist(&self) -> &PrefixIndex {
        &self.blacklist
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The peers whose own address is the next hop, or half of it.
    pub(crate) fn next_hop_owners(&self, source: &CompiledPeer, next_hop: &NextHop) -> PeerSet {
        let owner = |address: IpAddr| {
            // ::ffff:192.0.2.1 is 192.0.2.1 to whoever forwards there.
            let address = address.to_canonical();
            self.next_hop_owners.get(&(address, scope(address, source.link)))
        };
        let mut owners = PeerBits::new();
        let (address, link_local) = match *next_hop {
            NextHop::V4(address) => (Some(IpAddr::V4(address)), None),
            NextHop::V6 { global, link_local } => (global.map(IpAddr::V6), link_local),
        };
        for half in address.into_iter().chain(link_local.map(IpAddr::V6)) {
            if let Some(peers) = owner(half) {
                owners.or(peers);
            }
        }
        owners.freeze()
    }

    /// Whom the RPSL policies of both sides let a source's routes go to; `None`: everybody.
    pub(crate) fn rpsl_allowed(&self, source: Slot, family: Family) -> Option<&PeerSet> {
        self.rpsl.as_ref()?.get(source.index()).map(|by_family| &by_family[family.index()])
    }

    /// Whether any RPSL policy is in force.
    pub(crate) fn has_rpsl(&self) -> bool {
        self.rpsl.is_some()
    }
}

impl Groups {
    fn new(config: &PolicyConfig) -> Self {
        let those = |wanted: &dyn Fn(&PeerPolicy) -> bool| -> PeerSet {
            slots(config).filter(|(_, peer)| wanted(peer)).map(|(slot, _)| slot).collect()
        };
        let transitable = config.kind == Kind::Transitable;
        Self {
            all: those(&|_| true),
            collectors: those(&|peer| peer.collector),
            no_transit: those(&|peer| {
                transitable && peer.role == Role::TransitSponsor && !peer.receive_transit
            }),
            withhold_irr: those(&|peer| !peer.collector && peer.filter.withholds_irr()),
            withhold_rpki: those(&|peer| !peer.collector && peer.filter.withholds_rpki()),
            tag_only: those(&|peer| {
                !peer.collector && peer.filter == crate::config::FilterMode::TagOnly
            }),
            otc: those(&|peer| applies_otc(config, peer)),
        }
    }
}

impl CompiledImport {
    fn new(policy: &Arc<ImportPolicy>) -> Self {
        let mut extra_asns = policy.irr_extra_asns.to_vec();
        extra_asns.sort_unstable();
        Self {
            transit_free: policy.transit_free.iter().copied().collect(),
            never_via_rs: policy.never_via_rs.iter().copied().collect(),
            blacklist: PrefixIndex::new(policy.blacklist.iter().copied()),
            extra_asns: extra_asns.into(),
            extra_prefixes: PrefixIndex::new(policy.irr_extra_prefixes.iter().copied()),
            policy: Arc::clone(policy),
        }
    }
}

fn slots(config: &PolicyConfig) -> impl Iterator<Item = (Slot, &PeerPolicy)> {
    config
        .peers
        .iter()
        .enumerate()
        .filter_map(|(slot, peer)| Some((Slot(u16::try_from(slot).ok()?), peer.as_ref()?)))
}

/// Roles are off on a transitable route server, where what is learnt from providers carries OTC, and
/// on a chaos server, which takes every route and changes none.
fn applies_otc(config: &PolicyConfig, peer: &PeerPolicy) -> bool {
    peer.role_rfc9234 && config.kind == Kind::Regular
}

fn check_peers(config: &PolicyConfig, errors: &mut Vec<PolicyError>) {
    if config.peers.len() > MAX_SLOTS {
        errors.push(PolicyError::TooManyPeers { count: config.peers.len(), max: MAX_SLOTS });
        return;
    }
    let mut seen: HashMap<(IpAddr, Option<&str>), Slot> = HashMap::new();
    for (slot, peer) in slots(config) {
        let interface = peer.interface.as_deref().filter(|_| is_link_local(peer.address));
        if let Some(first) = seen.insert((peer.address, interface), slot) {
            let address = peer.address;
            errors.push(PolicyError::DuplicateAddress { first, second: slot, address });
        }
        for family in Family::ALL {
            let Some(range) = peer.import.prefix_length[family.index()] else { continue };
            if range.min > range.max || range.max > family.max_len() {
                let (asn, min, max) = (peer.asn, range.min, range.max);
                errors.push(PolicyError::LengthRange { asn, family, min, max });
            }
        }
    }
}

/// The interface of all link-local addresses of members, where there is one only: then a session over
/// a global address is on that link, too.
fn only_link(config: &PolicyConfig) -> Option<&str> {
    let peers = config.peers.iter().flatten();
    let mut interfaces = peers.flat_map(|peer| {
        let others = peer.member_addresses.iter().filter_map(|own| own.interface.as_deref());
        peer.interface.as_deref().into_iter().chain(others)
    });
    let first = interfaces.next()?;
    interfaces.all(|interface| interface == first).then_some(first)
}

/// Interfaces as numbers from 1; sessions without one share 0.
fn links(config: &PolicyConfig) -> HashMap<Arc<str>, Link> {
    let mut links = HashMap::new();
    for peer in config.peers.iter().flatten() {
        if let Some(interface) = &peer.interface {
            let next = links.len() as Link + 1;
            links.entry(Arc::clone(interface)).or_insert(next);
        }
    }
    links
}

fn compile_peers(
    config: &PolicyConfig,
    communities: &Communities,
    links: &HashMap<Arc<str>, Link>,
    errors: &mut Vec<PolicyError>,
) -> Vec<Option<CompiledPeer>> {
    let mut imports: HashMap<*const ImportPolicy, Arc<CompiledImport>> = HashMap::new();
    let mut by_asn: HashMap<Asn, Vec<Slot>> = HashMap::new();
    let mut by_member: HashMap<u32, Vec<Slot>> = HashMap::new();
    for (slot, peer) in slots(config) {
        by_asn.entry(peer.asn).or_default().push(slot);
        by_member.entry(peer.member).or_default().push(slot);
    }
    let only_link = only_link(config);
    let mut compile_one = |peer: &PeerPolicy| {
        let import = imports
            .entry(Arc::as_ptr(&peer.import))
            .or_insert_with(|| Arc::new(CompiledImport::new(&peer.import)));
        let same_as = by_asn.get(&peer.asn).map_or(&[][..], Vec::as_slice);
        let same_member = by_member.get(&peer.member).map_or(&[][..], Vec::as_slice);
        let own = if peer.import.next_hop == NextHopMode::SameAs { same_as } else { same_member };
        let others = own.iter().filter_map(|slot| config.peers[slot.index()].as_ref());
        let link = peer.interface.as_deref().or(only_link);
        let attached = peer.import.attach_communities.iter();
        let attach = attached.filter_map(|pattern| {
            communities
                .attached(pattern, peer.asn, peer.alias)
                .map_err(|reason| {
                    let (pattern, asn) = (*pattern, peer.asn);
                    errors.push(PolicyError::AttachNotEncodable { pattern, asn, reason });
                })
                .ok()
        });
        CompiledPeer {
            attach: attach.collect(),
            import: Arc::clone(import),
            next_hops: NextHops::new(peer, others, link),
            sponsor: config.kind == Kind::Transitable && peer.role == Role::TransitSponsor,
            otc: applies_otc(config, peer),
            same_as: same_as.iter().copied().collect(),
            link: link.and_then(|name| links.get(name)).copied().unwrap_or(0),
        }
    };
    config.peers.iter().map(|peer| peer.as_ref().map(&mut compile_one)).collect()
}

/// Who has which address: a route whose next hop is the receiver itself is no use to it.
fn next_hop_owners(
    config: &PolicyConfig,
    peers: &[Option<CompiledPeer>],
) -> HashMap<(IpAddr, Link), PeerSet, foldhash::fast::RandomState> {
    let mut owners: HashMap<_, PeerBits, foldhash::fast::RandomState> = HashMap::default();
    for ((slot, peer), compiled) in slots(config).zip(peers.iter().flatten()) {
        for address in [Some(peer.address), peer.link_local.map(IpAddr::V6)].into_iter().flatten() {
            let key = (address, scope(address, compiled.link));
            owners.entry(key).or_default().insert(slot);
        }
    }
    owners.into_iter().map(|(key, bits)| (key, bits.freeze())).collect()
}

fn scope(address: IpAddr, link: Link) -> Link {
    if is_link_local(address) { link } else { 0 }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// A route passes if both sides allow it.
fn rpsl(config: &PolicyConfig) -> Option<Box<[[PeerSet; 2]]>> {
    if config.peers.iter().flatten().all(|peer| peer.rpsl.is_none()) {
        return None;
    }
    let allowed = |source: &PeerPolicy, family: Family| -> PeerSet {
        slots(config)
            .filter(|(_, peer)| {
                let sends = source.rpsl.as_ref().is_none_or(|own| own.sends(family, peer.asn));
                let takes = peer.rpsl.as_ref().is_none_or(|own| own.receives(family, source.asn));
                sends && takes
            })
            .map(|(slot, _)| slot)
            .collect()
    };
    let by_source = config.peers.iter().map(|source| {
        source.as_ref().map_or_else(Default::default, |source| {
            Family::ALL.map(|family| allowed(source, family))
        })
    });
    Some(by_source.collect())
}

/// Whether routes that fail a check may be kept.
pub(crate) fn keeps(mode: CheckMode) -> bool {
    matches!(mode, CheckMode::Tag | CheckMode::PerMember)
}
