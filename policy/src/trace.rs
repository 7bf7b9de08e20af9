//! Explaining a verdict: the same evaluation, with somebody listening.

use std::fmt;

use bgp_wire::{Asn, Family, NextHop, Prefix};

use crate::aspa::AspaState;
use crate::communities::Function;
use crate::irr::IrrStatus;
use crate::peer_set::PeerSet;
use crate::reject::RejectReason;
use crate::rov::{RovState, Vrp};

/// A check of import policy: its row in the documentation and its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
pub struct Check {
    /// The row, in the order of evaluation.
    pub row: u8,
    /// A short name.
    pub name: &'static str,
}

/// A rule of export policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportRule {
    /// Never back to the session it came from.
    SplitHorizon,
    /// The next hop is the member's own address.
    NextHopOwner,
    /// Not to other sessions of the same AS (`same_as_export = false`).
    SameAs,
    /// NO_EXPORT or NO_ADVERTISE, where they are honoured.
    WellKnown,
    /// A transit route is withheld from sponsors.
    TransitToSponsor,
    /// The member's filter mode withholds what fails IRR.
    FilterIrr,
    /// The member's filter mode withholds what fails ROV.
    FilterRpki,
    /// The RPSL policy of one side.
    Rpsl,
    /// A control community.
    Community(Function),
}

impl fmt::Display for ExportRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SplitHorizon => "split horizon",
            Self::NextHopOwner => "the next hop is the member's own address",
            Self::SameAs => "not to sessions of the same AS",
            Self::WellKnown => "NO_EXPORT or NO_ADVERTISE is honoured",
            Self::TransitToSponsor => "transit routes are withheld from sponsors",
            Self::FilterIrr => "the member wants routes that fail IRR withheld",
            Self::FilterRpki => "the member wants ROV Invalid routes withheld",
            Self::Rpsl => "the RPSL policy of one side",
            Self::Community(function) => function.name(),
        })
    }
}

/// What decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Datum<'a> {
    /// Nothing in particular.
    None,
    /// An AS number.
    Asn(Asn),
    /// The next hop.
    NextHop(NextHop),
    /// The next hop, and what is wrong with it.
    NextHopFault {
        /// The next hop.
        next_hop: NextHop,
        /// What is wrong.
        fault: &'static str,
    },
    /// A count against its limit.
    Count {
        /// So many.
        found: usize,
        /// At most so many.
        limit: usize,
    },
    /// So many were taken off.
    Removed(usize),
    /// A prefix length against its limits.
    Length {
        /// The length.
        length: u8,
        /// From.
        min: u8,
        /// To.
        max: u8,
    },
    /// The entry of a list that matched.
    Listed {
        /// The entry.
        entry: Prefix,
        /// Where it is from.
        source: &'a str,
    },
    /// Origin validation, with the VRP that decided.
    Rov {
        /// The state.
        state: RovState,
        /// The VRP.
        vrp: Option<Vrp>,
    },
    /// Path verification, with the pair of ASes that decided.
    Aspa {
        /// The state.
        state: AspaState,
        /// Customer and provider of the first hop that is not attested.
        hop: Option<(Asn, Asn)>,
    },
    /// The member's IRR set.
    Irr {
        /// Its status.
        status: IrrStatus,
        /// What it was made from.
        source: &'a str,
        /// When it was fetched, in seconds since 1970.
        fetched_unix_secs: Option<u64>,
        /// Why it does not count although it is loaded.
        discount: Option<Discount>,
        /// The origin or prefix that is in it, or is not.
        entry: IrrEntry,
    },
    /// A community.
    Community(crate::communities::CommunityKey),
    /// In words.
    Text(&'a str),
}

/// Why a set does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discount {
    /// It has too many prefixes of a family (`irr_max_prefixes`).
    TooLarge {
        /// The family.
        family: Family,
        /// At most so many would do.
        limit: u32,
    },
    /// It holds a transit-free AS (`irr_refuse_transit_free`).
    TransitFree(Asn),
}

impl fmt::Display for Discount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { family, limit } => {
                write!(f, "does not count: more than {limit} {family} prefixes")
            }
            Self::TransitFree(asn) => write!(f, "does not count: holds transit-free AS{asn}"),
        }
    }
}

/// What was looked up in an IRR set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IrrEntry {
    /// The origin AS.
    Origin(Option<Asn>),
    /// The origin AS, which the configuration lets through.
    ExtraOrigin(Asn),
    /// The route object that covers the prefix.
    RouteObject(Prefix),
    /// The prefix of the configuration that lets it through.
    ExtraPrefix(Prefix),
    /// No route object covers the prefix.
    NoRouteObject,
    /// A ROA stands in for the route object.
    Roa(Vrp),
}

impl fmt::Display for Datum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Asn(asn) => write!(f, "AS{asn}"),
            Self::NextHop(next_hop) => next_hop.fmt(f),
            Self::NextHopFault { next_hop, fault } => write!(f, "{next_hop}: {fault}"),
            Self::Count { found, limit } => write!(f, "{found}, at most {limit}"),
            Self::Removed(count) => write!(f, "{count} removed"),
            Self::Length { length, min, max } => write!(f, "/{length}, from /{min} to /{max}"),
            Self::Listed { entry, source } => write!(f, "{entry} ({source})"),
            Self::Rov { state, vrp: Some(vrp) } => write!(f, "{state} by {vrp}"),
            Self::Rov { state, vrp: None } => state.fmt(f),
            Self::Aspa { state, hop: Some((customer, provider)) } => {
                write!(f, "{state} at AS{customer} to AS{provider}")
            }
            Self::Aspa { state, hop: None } => state.fmt(f),
            Self::Irr { status, source, entry, discount, .. } => {
                match entry {
                    IrrEntry::Origin(Some(asn)) => write!(f, "AS{asn}")?,
                    IrrEntry::ExtraOrigin(asn) => write!(f, "AS{asn} by irr_extra")?,
                    IrrEntry::ExtraPrefix(prefix) => write!(f, "{prefix} by irr_extra")?,
                    IrrEntry::Origin(None) => f.write_str("no origin AS")?,
                    IrrEntry::RouteObject(prefix) => write!(f, "route object {prefix}")?,
                    IrrEntry::NoRouteObject => f.write_str("no route object")?,
                    IrrEntry::Roa(vrp) => write!(f, "ROA {vrp} in place of a route object")?,
                }
                write!(f, "; {source}: {status}")?;
                discount.map_or(Ok(()), |discount| write!(f, ", {discount}"))
            }
            Self::Community(community) => community.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome<'a> {
    /// Nothing to object to.
    Passed(Datum<'a>),
    /// It changed or marked the route.
    Noted(Datum<'a>),
    /// It fails, but the route is kept.
    Tagged(RejectReason, Datum<'a>),
    /// The route is refused.
    Refused(RejectReason, Datum<'a>),
    /// Not configured, or not for this route.
    Skipped(&'static str),
}

/// Somebody who listens to an evaluation.
pub trait Trace {
    /// A check of import policy was made.
    fn check(&mut self, check: Check, outcome: Outcome<'_>);

    /// Whether anybody hears it: what is said for its own sake only need not be found out then.
    fn listens(&self) -> bool {
        true
    }

    /// A rule of export policy took `peers` out of those who get the route.
    fn withheld(&mut self, rule: ExportRule, peers: &PeerSet, datum: Datum<'_>) {
        let _ = (rule, peers, datum);
    }

    /// A rule of export policy changed the route towards `peers`, or gave it to them.
    fn applied(&mut self, rule: ExportRule, peers: &PeerSet, datum: Datum<'_>) {
        let _ = (rule, peers, datum);
    }
}

/// Nobody listens; costs nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline(always)]
    fn check(&mut self, _: Check, _: Outcome<'_>) {}

    #[inline(always)]
    fn listens(&self) -> bool {
        false
    }
}

/// A check of import policy, as recorded.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ImportStep {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// passed, noted, tagged, refused or skipped.
    pub result: &'static str,
    /// Why it was tagged or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RejectReason>,
    /// What decided.
    pub detail: String,
    /// When the IRR set that decided was fetched, in seconds since 1970: its age is for whoever
    /// has a clock to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_unix_secs: Option<u64>,
}

/// A rule of export policy, as recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportStep {
    /// The rule.
    pub rule: ExportRule,
    /// Whether it withheld the route (else changed it, or gave it).
    pub withheld: bool,
    /// From or for whom.
    pub peers: PeerSet,
    /// What decided.
    pub detail: String,
}

/// Collects what it hears.
#[derive(Clone, Default, Debug)]
pub struct Recorder {
    /// Import checks, in order.
    pub import: Vec<ImportStep>,
    /// Export rules, in order.
    pub export: Vec<ExportStep>,
}

impl Recorder {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Trace for Recorder {
    fn check(&mut self, check: Check, outcome: Outcome<'_>) {
        let (result, reason, datum) = match outcome {
            Outcome::Passed(datum) => ("passed", None, datum),
            Outcome::Noted(datum) => ("noted", None, datum),
            Outcome::Tagged(reason, datum) => ("tagged", Some(reason), datum),
            Outcome::Refused(reason, datum) => ("refused", Some(reason), datum),
            Outcome::Skipped(why) => ("skipped", None, Datum::Text(why)),
        };
        let fetched_unix_secs = match datum {
            Datum::Irr { fetched_unix_secs, .. } => fetched_unix_secs,
            _ => None,
        };
        let detail = datum.to_string();
        self.import.push(ImportStep { check, result, reason, detail, fetched_unix_secs });
    }

    fn withheld(&mut self, rule: ExportRule, peers: &PeerSet, datum: Datum<'_>) {
        let (peers, detail) = (peers.clone(), datum.to_string());
        self.export.push(ExportStep { rule, withheld: true, peers, detail });
    }

    fn applied(&mut self, rule: ExportRule, peers: &PeerSet, datum: Datum<'_>) {
        let (peers, detail) = (peers.clone(), datum.to_string());
        self.export.push(ExportStep { rule, withheld: false, peers, detail });
    }
}
