//! What a policy is made from: plain data, filled by whoever reads the configuration.
//!
//! Every value here is already resolved for one route server and one member: defaults of the
//! kind, then `[route_server.import]`, then `[member.import]`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp_wire::{Asn, Family, Prefix};

use crate::bogons;
use crate::communities::{CommunityScheme, Pattern, Preset};
use crate::rpsl::PeerFilter;

/// What a route server is for.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A route server as exchanges run them.
    #[default]
    Regular,
    /// Members plus transit sponsors, who send full tables.
    Transitable,
    /// Everything in, everything out.
    Chaos,
}

impl Kind {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Transitable => "transitable",
            Self::Chaos => "chaos",
        }
    }
}

/// How MED takes part in the choice.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum MedMode {
    /// Not at all.
    #[default]
    Off,
    /// Between routes of the same neighbour AS (RFC 4271 §9.1.2.2 c).
    SameAs,
    /// Between all routes.
    Always,
}

/// What a member is on a transitable route server.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An ordinary member.
    #[default]
    Downstream,
    /// A member who gives transit: it sends full tables.
    TransitSponsor,
}

/// What a member wants withheld from itself.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
pub enum FilterMode {
    /// Routes that fail IRR or ROV.
    #[default]
    #[serde(rename = "irr+rpki")]
    IrrRpki,
    /// Routes that fail IRR.
    #[serde(rename = "irr")]
    Irr,
    /// Routes that fail ROV.
    #[serde(rename = "rpki")]
    Rpki,
    /// Nothing; it reads the tags.
    #[serde(rename = "tag-only")]
    TagOnly,
}

impl FilterMode {
    /// Whether routes that fail IRR are withheld.
    #[must_use]
    pub fn withholds_irr(self) -> bool {
        matches!(self, Self::IrrRpki | Self::Irr)
    }

    /// Whether ROV Invalid routes are withheld.
    #[must_use]
    pub fn withholds_rpki(self) -> bool {
        matches!(self, Self::IrrRpki | Self::Rpki)
    }
}

/// Which next hops a member may send.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum NextHopMode {
    /// Any address of the same member.
    #[default]
    Strict,
    /// Any session of the same AS.
    SameAs,
    /// Inside the peering LAN.
    Lan,
    /// Any that is not refused for everybody.
    Any,
}

/// What happens to a route that fails IRR or ROV.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum CheckMode {
    /// Refused.
    #[default]
    Reject,
    /// Kept, with informational communities.
    Tag,
    /// Kept for those members whose filter mode lets it pass.
    PerMember,
    /// Not looked at.
    Off,
}

/// Which prefixes a route object allows.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum MoreSpecifics {
    /// More specifics too, up to the length limit.
    #[default]
    Allowed,
    /// Its own prefix only.
    Exact,
}

/// Which of several prepend requests of one kind counts.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum PrependTie {
    /// The highest count.
    #[default]
    Highest,
    /// The lowest count.
    Lowest,
}

/// What informational communities a route server adds by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Inform {
    /// The ROV state.
    pub rov: bool,
    /// The IRR states.
    pub irr: bool,
    /// The member that the route was learnt from.
    pub learnt_from: bool,
    /// Where it was learnt.
    pub location: bool,
}

/// Allowed prefix lengths, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
pub struct LengthRange {
    /// The shortest.
    pub min: u8,
    /// The longest.
    pub max: u8,
}

/// All that is checked on the routes of one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportPolicy {
    /// Row 2: which next hops.
    pub next_hop: NextHopMode,
    /// Row 3: whether an empty AS_PATH is refused.
    pub as_path_required: bool,
    /// Row 3: the longest AS_PATH (RFC 4271 §9.1.2.2 length); 0 is no limit.
    pub as_path_max: u32,
    /// Row 4: whether the leftmost AS must be the member's.
    pub first_as: bool,
    /// Row 5: whether AS_SET and AS_CONFED segments are refused.
    pub reject_as_sets: bool,
    /// Row 6: whether bogon AS numbers are refused.
    pub bogon_asns: bool,
    /// Row 7: transit-free AS numbers.
    pub transit_free: Arc<[Asn]>,
    /// Row 8: AS numbers that are never reached by way of route servers.
    pub never_via_rs: Arc<[Asn]>,
    /// Row 9: the most communities; 0 is no limit.
    pub max_communities: u32,
    /// Row 10: whether IPv6 prefixes must lie in 2000::/3.
    pub global_unicast_only: bool,
    /// Row 11: whether the peering LAN and the route server's blacklist are refused.
    pub peering_lan: bool,
    /// Row 12: prefixes refused from this member.
    pub blacklist: Arc<[Prefix]>,
    /// Row 13: whether bogon prefixes are refused.
    pub bogon_prefixes: bool,
    /// Rows 14 and 15.
    pub irr: CheckMode,
    /// Row 15: what a route object allows.
    pub irr_more_specifics: MoreSpecifics,
    /// Rows 14 and 15: origins allowed besides those of the set.
    pub irr_extra_asns: Arc<[Asn]>,
    /// Row 15: prefixes allowed besides those of the set.
    pub irr_extra_prefixes: Arc<[Prefix]>,
    /// A set of more prefixes than this does not count, by family.
    pub irr_max_prefixes: [Option<u32>; 2],
    /// A set that holds a transit-free AS does not count.
    pub irr_refuse_transit_free: bool,
    /// Row 16: whether blackhole requests are taken.
    pub blackhole: bool,
    /// Row 16: whether NO_EXPORT is added to them.
    pub blackhole_no_export: bool,
    /// Row 17.
    pub rpki: CheckMode,
    /// Row 18.
    pub aspa: CheckMode,
    /// Row 19: allowed lengths by the family of the NLRI.
    pub prefix_length: [Option<LengthRange>; 2],
    /// Row 21: whether GRACEFUL_SHUTDOWN is honoured (RFC 8326).
    pub graceful_shutdown: bool,
    /// Row 1: communities attached after the scrub; `$rs` and `$peer` (the member) are filled in.
    pub attach_communities: Arc<[Pattern]>,
}

impl ImportPolicy {
    /// The defaults of a kind of route server.
    #[must_use]
    pub fn for_kind(kind: Kind) -> Self {
        match kind {
            Kind::Regular | Kind::Transitable => Self::regular(),
            Kind::Chaos => Self::chaos(),
        }
    }

    fn regular() -> Self {
        Self {
            next_hop: NextHopMode::Strict,
            as_path_required: true,
            as_path_max: 32,
            first_as: true,
            reject_as_sets: true,
            bogon_asns: true,
            transit_free: bogons::transit_free_asns().into(),
            never_via_rs: Arc::default(),
            max_communities: 100,
            global_unicast_only: true,
            peering_lan: true,
            blacklist: Arc::default(),
            bogon_prefixes: true,
            irr: CheckMode::Reject,
            irr_more_specifics: MoreSpecifics::Allowed,
            irr_extra_asns: Arc::default(),
            irr_extra_prefixes: Arc::default(),
            irr_max_prefixes: [None; 2],
            irr_refuse_transit_free: false,
            blackhole: false,
            blackhole_no_export: true,
            rpki: CheckMode::Reject,
            aspa: CheckMode::Off,
            prefix_length: [
                Some(LengthRange { min: 8, max: 24 }),
                Some(LengthRange { min: 12, max: 48 }),
            ],
            graceful_shutdown: true,
            attach_communities: Arc::default(),
        }
    }

    fn chaos() -> Self {
        Self {
            next_hop: NextHopMode::Any,
            as_path_required: false,
            as_path_max: 0,
            first_as: false,
            reject_as_sets: false,
            bogon_asns: false,
            transit_free: Arc::default(),
            max_communities: 0,
            global_unicast_only: false,
            peering_lan: false,
            bogon_prefixes: false,
            irr: CheckMode::Off,
            blackhole: false,
            rpki: CheckMode::Off,
            prefix_length: [None; 2],
            graceful_shutdown: false,
            ..Self::regular()
        }
    }

    /// The longest prefix that a route object lets through.
    pub(crate) fn longest(&self, family: Family) -> u8 {
        self.prefix_length[family.index()].map_or_else(|| family.max_len(), |range| range.max)
    }
}

impl Default for ImportPolicy {
    fn default() -> Self {
        Self::regular()
    }
}

/// An address of a member, with the scope of a link-local one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemberAddress {
    /// The address.
    pub address: IpAddr,
    /// The interface that a link-local address is on: fe80::1 on two LANs are two hops.
    pub interface: Option<Arc<str>>,
}

/// One session, as policy sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct PeerPolicy {
    /// The member's AS.
    pub asn: Asn,
    /// A 16-bit stand-in for a 32-bit AS in standard communities.
    pub alias: Option<u16>,
    /// The member's name.
    pub name: Arc<str>,
    /// The session's address.
    pub address: IpAddr,
    /// The scope of link-local addresses on this session.
    pub interface: Option<Arc<str>>,
    /// The member's registered link-local address, on a session over a global one.
    pub link_local: Option<Ipv6Addr>,
    /// Further addresses of the same member, such as those of its sessions with other route
    /// servers; they count for row 2's `strict`.
    pub member_addresses: Arc<[MemberAddress]>,
    /// Which `[[member]]`.
    pub member: u32,
    /// The member's IRR sets as configured; empty: its own AS.
    pub as_set: Arc<[Arc<str>]>,
    /// What it is on a transitable route server.
    pub role: Role,
    /// A sponsor that gets TRANSIT routes too and filters them itself.
    pub receive_transit: bool,
    /// What it wants withheld from itself.
    pub filter: FilterMode,
    /// What is checked on its routes.
    pub import: Arc<ImportPolicy>,
    /// A looking-glass feed.
    pub collector: bool,
    /// RFC 9234: we are the route server, it is the client; true even if it sends no role.
    pub role_rfc9234: bool,
    /// Where it is, for the informational community.
    pub location: Option<u32>,
    /// RPSL policy: whom it receives from and sends to.
    pub rpsl: Option<Arc<PeerFilter>>,
}

impl PeerPolicy {
    /// A downstream member with everything at its default.
    #[must_use]
    pub fn new(member: u32, asn: Asn, address: IpAddr) -> Self {
        Self {
            asn,
            alias: None,
            name: Arc::from(format!("AS{asn}")),
            address,
            interface: None,
            link_local: None,
            member_addresses: Arc::default(),
            member,
            as_set: Arc::default(),
            role: Role::default(),
            receive_transit: false,
            filter: FilterMode::default(),
            import: Arc::default(),
            collector: false,
            role_rfc9234: false,
            location: None,
            rpsl: None,
        }
    }
}

/// A route server's policy as configured.
#[derive(Clone, PartialEq, Debug)]
pub struct PolicyConfig {
    /// Counts the policies of a run; a later one is greater.
    pub epoch: u64,
    /// The route server's name.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: Kind,
    /// Its AS.
    pub asn: Asn,
    /// What stands for its AS in standard communities; defaults to `asn` if that fits.
    pub short_asn: Option<u16>,
    /// Never accepted as routes; next hops of `lan` lie in here.
    pub peering_lan: Vec<Prefix>,
    /// Row 11: prefixes refused from everybody.
    pub blacklist: Vec<Prefix>,
    /// The route server's own addresses: never a next hop.
    pub own_addresses: Vec<IpAddr>,
    /// The defaults of `[route_server.import]`, for the description.
    pub import: Arc<ImportPolicy>,
    /// The community scheme.
    pub communities: CommunityScheme,
    /// What informational communities are added.
    pub inform: Inform,
    /// How MED takes part in the choice.
    pub med: MedMode,
    /// RFC 5004: the older route before the lower router identifier.
    pub prefer_oldest: bool,
    /// Whether NO_EXPORT and NO_ADVERTISE stop routes here.
    pub honour_well_known: bool,
    /// Whether a member's route goes to other sessions of the same AS.
    pub same_as_export: bool,
    /// Whether control communities are obeyed.
    pub export_communities: bool,
    /// Which of several prepend requests counts.
    pub prepend_tie: PrependTie,
    /// Whether a to-peer request that names the sender's own AS means everybody.
    pub own_asn_means_any: bool,
    /// Whether unknown transitive attributes leave with the Partial bit set (RFC 4271 §5).
    pub set_partial: bool,
    /// `rsctl drain`: GRACEFUL_SHUTDOWN on all that is exported (RFC 8326).
    pub drain: bool,
    /// Sessions by slot.
    pub peers: Vec<Option<PeerPolicy>>,
}

impl PolicyConfig {
    /// A route server without members, everything at the default of its kind.
    #[must_use]
    pub fn new(kind: Kind, asn: Asn) -> Self {
        Self {
            epoch: 0,
            name: Arc::from("rs"),
            kind,
            asn,
            short_asn: u16::try_from(asn.0).ok(),
            peering_lan: Vec::new(),
            blacklist: Vec::new(),
            own_addresses: Vec::new(),
            import: Arc::new(ImportPolicy::for_kind(kind)),
            communities: CommunityScheme::preset(Preset::default()),
            inform: Inform::default(),
            med: MedMode::default(),
            prefer_oldest: false,
            honour_well_known: false,
            same_as_export: true,
            export_communities: kind != Kind::Chaos,
            prepend_tie: PrependTie::default(),
            own_asn_means_any: false,
            set_partial: false,
            drain: false,
            peers: Vec::new(),
        }
    }
}
