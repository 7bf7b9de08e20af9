//! What becomes of one prefix: rows 10 to 20.

use bgp_wire::{Asn, Family, Prefix};

use super::class::{IrrState, VerdictClass};
use super::{AttributeVerdict, Verdict, checks};
use crate::aspa::AspaState;
use crate::bogons;
use crate::config::{CheckMode, ImportPolicy, MoreSpecifics, PeerPolicy};
use crate::irr::{IrrStatus, MemberIrr};
use crate::peer_set::Slot;
use crate::policy::{CompiledPeer, Policy, RoutingData};
use crate::reject::RejectReason;
use crate::rov::{RovState, Vrp};
use crate::trace::{Check, Datum, Discount, IrrEntry, Outcome, Trace};

/// What a check on the prefix sees, and what the checks before it found.
struct Route<'a> {
    policy: &'a Policy,
    peer: &'a PeerPolicy,
    compiled: &'a CompiledPeer,
    attributes: &'a AttributeVerdict,
    prefix: Prefix,
    data: &'a RoutingData,
    class: VerdictClass,
    /// The member's IRR set, if it counts.
    irr: Option<&'a MemberIrr>,
    rov: Option<(RovState, Option<Vrp>)>,
}

type PrefixCheck = for<'a> fn(&mut Route<'a>) -> Outcome<'a>;

/// The checks in order; the first that refuses gives the reason.
const TABLE: [(Check, PrefixCheck); 10] = [
    (checks::GLOBAL_UNICAST, global_unicast),
    (checks::BLACKLIST, blacklist),
    (checks::MEMBER_BLACKLIST, member_blacklist),
    (checks::BOGON_PREFIX, bogon_prefix),
    (checks::IRR_ORIGIN, irr_origin),
    (checks::IRR_PREFIX, irr_prefix),
    (checks::BLACKHOLE, blackhole),
    (checks::ROV, rov),
    (checks::ASPA, aspa),
    (checks::PREFIX_LENGTH, prefix_length),
];

impl Policy {
    /// What becomes of one prefix with these attributes: rows 10 to 20, an early refusal first.
    pub fn prefix_verdict(
        &self,
        source: Slot,
        verdict: &AttributeVerdict,
        prefix: &Prefix,
        data: &RoutingData,
        trace: &mut impl Trace,
    ) -> Verdict {
        if let Some(reason) = verdict.reject {
            return Verdict::Reject(reason);
        }
        let Some((peer, compiled)) = self.source(source) else {
            return Verdict::Reject(RejectReason::Collector);
        };
        let mut route = Route {
            policy: self,
            peer,
            compiled,
            attributes: verdict,
            prefix: *prefix,
            data,
            class: VerdictClass::new(prefix.family()),
            irr: None,
            rov: None,
        };
        if verdict.facts.transit {
            route.class = route.class.with_transit();
        }
        for (check, run) in TABLE {
            let outcome = run(&mut route);
            trace.check(check, outcome);
            if let Outcome::Refused(reason, _) = outcome {
                return Verdict::Reject(reason);
            }
        }
        verdict.late_reject.map_or(Verdict::Accept(route.class), Verdict::Reject)
    }
}

impl<'a> Route<'a> {
    fn import(&self) -> &'a ImportPolicy {
        &self.compiled.import.policy
    }

    /// A blackhole request that the member may make, if its route set holds the prefix.
    fn wants_blackhole(&self) -> bool {
        self.import().blackhole && self.attributes.facts.blackhole
    }

    /// Origin validation, once.
    fn rov(&mut self) -> (RovState, Option<Vrp>) {
        *self
            .rov
            .get_or_insert_with(|| self.data.vrps.validate_by(&self.prefix, self.attributes.origin))
    }

    fn irr_datum(&self, entry: IrrEntry) -> Datum<'a> {
        self.data.irr.get(self.peer.member).map_or(
            Datum::Irr {
                status: IrrStatus::Unknown,
                source: "never fetched",
                fetched_unix_secs: None,
                discount: None,
                entry,
            },
            |irr| Datum::Irr {
                status: irr.status,
                source: &irr.source,
                fetched_unix_secs: irr.fetched_unix_secs,
                discount: discount(self, irr),
                entry,
            },
        )
    }

    /// What follows from a failed IRR check: refused, tagged, or transit from a sponsor.
    fn irr_failure(&mut self, reason: RejectReason, datum: Datum<'a>) -> Outcome<'a> {
        if self.compiled.sponsor {
            self.class = self.class.with_transit();
            return Outcome::Tagged(reason, datum);
        }
        failure(self.import().irr, reason, datum)
    }

    /// The length up to which a route object lets more specifics through.
    fn longest(&self) -> u8 {
        if self.wants_blackhole() {
            self.prefix.family().max_len()
        } else {
            self.import().longest(self.prefix.family())
        }
    }

    /// Whether an entry that covers the prefix lets it through.
    fn lets_through(&self, entry: Prefix) -> bool {
        let specific_enough =
            self.import().irr_more_specifics == MoreSpecifics::Allowed || self.wants_blackhole();
        entry == self.prefix || (specific_enough && self.prefix.len() <= self.longest())
    }
}

fn failure<'a>(mode: CheckMode, reason: RejectReason, datum: Datum<'a>) -> Outcome<'a> {
    match mode {
        CheckMode::Reject => Outcome::Refused(reason, datum),
        CheckMode::Tag | CheckMode::PerMember | CheckMode::Off => Outcome::Tagged(reason, datum),
    }
}

/// Row 10 (RFC 4291 §2.4: 2000::/3 is what IANA gives out).
fn global_unicast<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if !route.import().global_unicast_only {
        return Outcome::Skipped("off");
    }
    if route.prefix.family() == Family::V4 {
        return Outcome::Skipped("IPv4");
    }
    if route.prefix.len() >= 3 && route.prefix.bits() >> 125 == 1 {
        Outcome::Passed(Datum::None)
    } else {
        Outcome::Refused(RejectReason::NotGlobalUnicast, Datum::None)
    }
}

/// Row 11.
fn blacklist<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if !route.import().peering_lan {
        return Outcome::Skipped("off");
    }
    let list = route.policy.blacklist();
    list.nearest(&route.prefix).map_or(Outcome::Passed(Datum::None), |entry| {
        let entry = list.get(entry);
        let lan = route.policy.config().peering_lan.contains(&entry);
        let source = if lan { "peering LAN" } else { "blacklist" };
        Outcome::Refused(RejectReason::Blacklisted, Datum::Listed { entry, source })
    })
}

/// Row 12.
fn member_blacklist<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    let list = &route.compiled.import.blacklist;
    list.nearest(&route.prefix).map_or(Outcome::Passed(Datum::None), |entry| {
        let datum = Datum::Listed { entry: list.get(entry), source: "the member's blacklist" };
        Outcome::Refused(RejectReason::MemberBlacklisted, datum)
    })
}

/// Row 13.
fn bogon_prefix<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if !route.import().bogon_prefixes {
        return Outcome::Skipped("off");
    }
    bogons::bogon_prefix_of(&route.prefix).map_or(Outcome::Passed(Datum::None), |bogon| {
        let datum = Datum::Listed { entry: bogon.prefix, source: bogon.source };
        Outcome::Refused(RejectReason::BogonPrefix, datum)
    })
}

/// Row 14. A set that was configured and is not there lets nothing through: an empty answer must
/// never mean accept-all.
fn irr_origin<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if route.import().irr == CheckMode::Off && !route.compiled.sponsor {
        return Outcome::Skipped("off");
    }
    route.irr = usable_set(route);
    let state = origin_state(route);
    route.class = route.class.with_irr_origin(state);
    let entry = match (state, route.attributes.origin) {
        (IrrState::WhiteList, Some(origin)) => IrrEntry::ExtraOrigin(origin),
        (_, origin) => IrrEntry::Origin(origin),
    };
    let datum = route.irr_datum(entry);
    if state == IrrState::Absent {
        route.irr_failure(RejectReason::IrrOrigin, datum)
    } else {
        Outcome::Passed(datum)
    }
}

fn origin_state(route: &Route<'_>) -> IrrState {
    let Some(origin) = route.attributes.origin else { return IrrState::Absent };
    if route.irr.is_some_and(|irr| irr.routes.has_origin(origin)) {
        IrrState::Present
    } else if route.compiled.import.extra_asns.binary_search(&origin).is_ok() {
        IrrState::WhiteList
    } else if route.peer.as_set.is_empty() && origin == route.peer.asn {
        IrrState::Present
    } else {
        IrrState::Absent
    }
}

/// The member's set, if it is loaded and nothing in the configuration discounts it.
fn usable_set<'a>(route: &Route<'a>) -> Option<&'a MemberIrr> {
    let irr = route.data.irr.get(route.peer.member)?;
    (irr.status == IrrStatus::Loaded && discount(route, irr).is_none()).then_some(irr)
}

/// Why a set does not count.
fn discount(route: &Route<'_>, irr: &MemberIrr) -> Option<Discount> {
    let import = route.import();
    let too_large = Family::ALL.into_iter().find_map(|family| {
        let limit = import.irr_max_prefixes[family.index()]?;
        let is = irr.routes.prefix_count(family) > limit as usize;
        is.then_some(Discount::TooLarge { family, limit })
    });
    let transit_free = || {
        let held = |asn: &&Asn| **asn != route.peer.asn && irr.routes.has_origin(**asn);
        let found = import.irr_refuse_transit_free.then(|| import.transit_free.iter().find(held));
        found.flatten().map(|asn| Discount::TransitFree(*asn))
    };
    too_large.or_else(transit_free)
}

/// Row 15.
fn irr_prefix<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if route.import().irr == CheckMode::Off && !route.compiled.sponsor {
        return Outcome::Skipped("off");
    }
    let covering = route.irr.and_then(|irr| irr.routes.covering(&route.prefix));
    let (state, entry) = if let Some(entry) = covering.filter(|e| route.lets_through(*e)) {
        (IrrState::Present, IrrEntry::RouteObject(entry))
    } else if let Some(entry) = extra_prefix(route) {
        (IrrState::WhiteList, IrrEntry::ExtraPrefix(entry))
    } else if let Some(vrp) = roa_instead(route) {
        (IrrState::Roa, IrrEntry::Roa(vrp))
    } else {
        (IrrState::Absent, IrrEntry::NoRouteObject)
    };
    route.class = route.class.with_irr_prefix(state);
    let datum = route.irr_datum(entry);
    if state == IrrState::Absent {
        route.irr_failure(RejectReason::IrrPrefix, datum)
    } else {
        Outcome::Passed(datum)
    }
}

fn extra_prefix(route: &Route<'_>) -> Option<Prefix> {
    let list = &route.compiled.import.extra_prefixes;
    list.nearest(&route.prefix).map(|entry| list.get(entry)).filter(|e| route.lets_through(*e))
}

/// A ROA that is Valid for an origin in the member's set counts as a route object.
fn roa_instead(route: &mut Route<'_>) -> Option<Vrp> {
    if route.class.irr_origin() == IrrState::Absent {
        return None;
    }
    match route.rov() {
        (RovState::Valid, vrp) => vrp,
        _ => None,
    }
}

/// Row 16 (RFC 7999 §3.3: only from who may announce the covering prefix).
fn blackhole<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if !route.attributes.facts.blackhole {
        return Outcome::Passed(Datum::None);
    }
    if !route.import().blackhole {
        return Outcome::Skipped("off");
    }
    // Not refused is not enough: with `irr = "off"` anybody could blackhole anything.
    if !route.class.passes_irr() {
        return Outcome::Skipped("not known to be the member's prefix");
    }
    route.class = route.class.with_blackhole();
    Outcome::Noted(Datum::Text("blackhole request taken"))
}

/// Row 17.
fn rov<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    let mode = route.import().rpki;
    if mode == CheckMode::Off {
        return Outcome::Skipped("off");
    }
    if route.class.blackhole() {
        return Outcome::Skipped("a blackhole request");
    }
    let (state, vrp) = route.rov();
    route.class = route.class.with_rov(state);
    let datum = Datum::Rov { state, vrp };
    if state == RovState::Invalid {
        failure(mode, RejectReason::RovInvalid, datum)
    } else {
        Outcome::Passed(datum)
    }
}

/// Row 18.
fn aspa<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    let mode = route.import().aspa;
    if mode == CheckMode::Off {
        return Outcome::Skipped("off");
    }
    if route.class.blackhole() {
        return Outcome::Skipped("a blackhole request");
    }
    let Some(base) = &route.attributes.base else { return Outcome::Skipped("refused before") };
    let (aspas, path) = (&route.data.aspas, &base.attributes.as_path);
    let result = if route.compiled.sponsor {
        aspas.verify_downstream(path)
    } else {
        aspas.verify_upstream(path)
    };
    route.class = route.class.with_aspa(result.state);
    let datum = Datum::Aspa { state: result.state, hop: result.hop };
    if result.state == AspaState::Invalid {
        failure(mode, RejectReason::AspaInvalid, datum)
    } else {
        Outcome::Passed(datum)
    }
}

/// Row 19: by the family of the prefix, not of the session's transport.
fn prefix_length<'a>(route: &mut Route<'a>) -> Outcome<'a> {
    if route.class.blackhole() {
        return Outcome::Skipped("a blackhole request");
    }
    let family = route.prefix.family();
    let Some(range) = route.import().prefix_length[family.index()] else {
        return Outcome::Skipped("no limit");
    };
    let length = route.prefix.len();
    let datum = Datum::Length { length, min: range.min, max: range.max };
    if length > range.max {
        Outcome::Refused(RejectReason::PrefixTooLong, datum)
    } else if length < range.min {
        Outcome::Refused(RejectReason::PrefixTooShort, datum)
    } else {
        Outcome::Passed(datum)
    }
}
