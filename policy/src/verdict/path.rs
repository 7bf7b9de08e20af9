//! Rows 3 to 8: the AS_PATH.

use bgp_wire::AsPath;

use super::attribute::Input;
use crate::bogons;
use crate::reject::RejectReason;
use crate::trace::{Datum, Outcome};

/// Row 3.
pub(super) fn length<'a>(input: &Input<'a>) -> Outcome<'a> {
    let (path, import) = (&input.attributes.as_path, input.import());
    let found = path.length();
    if found == 0 {
        return if import.as_path_required {
            Outcome::Refused(RejectReason::EmptyAsPath, Datum::None)
        } else {
            Outcome::Skipped("an empty path is allowed")
        };
    }
    if import.as_path_max == 0 {
        return Outcome::Skipped("no limit");
    }
    let limit = import.as_path_max as usize;
    let datum = Datum::Count { found, limit };
    if found > limit {
        Outcome::Refused(RejectReason::AsPathTooLong, datum)
    } else {
        Outcome::Passed(datum)
    }
}

/// Row 4. A route that violates it is refused, the session stays: one bad route must not take
/// the others with it (RFC 7606 §3 replaces RFC 4271 §6.3's reset).
pub(super) fn first_as<'a>(input: &Input<'a>) -> Outcome<'a> {
    if !input.import().first_as {
        return Outcome::Skipped("off");
    }
    match input.attributes.as_path.first() {
        Some(first) if first == input.peer.asn => Outcome::Passed(Datum::Asn(first)),
        Some(first) => Outcome::Refused(RejectReason::FirstAs, Datum::Asn(first)),
        None => Outcome::Refused(RejectReason::FirstAs, Datum::Text("no leftmost AS")),
    }
}

/// Row 5 (RFC 9774 §3).
pub(super) fn as_set<'a>(input: &Input<'a>) -> Outcome<'a> {
    if !input.import().reject_as_sets {
        return Outcome::Skipped("off");
    }
    if input.attributes.as_path.has_set_or_confed() {
        Outcome::Refused(RejectReason::AsSet, Datum::None)
    } else {
        Outcome::Passed(Datum::None)
    }
}

/// Row 6.
pub(super) fn bogon_asn<'a>(input: &Input<'a>) -> Outcome<'a> {
    if !input.import().bogon_asns {
        return Outcome::Skipped("off");
    }
    first(&input.attributes.as_path, |asn| bogons::bogon_asn_of(asn).is_some())
        .map_or(Outcome::Passed(Datum::None), |asn| {
            Outcome::Refused(RejectReason::BogonAsn, Datum::Asn(asn))
        })
}

/// Row 7. Sponsors give transit; that is what they are for.
pub(super) fn transit_free<'a>(input: &Input<'a>) -> Outcome<'a> {
    if input.compiled.sponsor {
        return Outcome::Skipped("a transit sponsor");
    }
    if input.compiled.import.transit_free.is_empty() {
        return Outcome::Skipped("the list is empty");
    }
    transit_free_asn(input).map_or(Outcome::Passed(Datum::None), |asn| {
        Outcome::Refused(RejectReason::TransitFree, Datum::Asn(asn))
    })
}

/// The first transit-free AS in the path that is not the member itself.
pub(super) fn transit_free_asn(input: &Input<'_>) -> Option<bgp_wire::Asn> {
    let list = &input.compiled.import.transit_free;
    first(&input.attributes.as_path, |asn| asn != input.peer.asn && list.contains(&asn))
}

/// Row 8.
pub(super) fn never_via_rs<'a>(input: &Input<'a>) -> Outcome<'a> {
    if input.compiled.sponsor {
        return Outcome::Skipped("a transit sponsor");
    }
    let list = &input.compiled.import.never_via_rs;
    if list.is_empty() {
        return Outcome::Skipped("the list is empty");
    }
    first(&input.attributes.as_path, |asn| list.contains(&asn))
        .map_or(Outcome::Passed(Datum::None), |asn| {
            Outcome::Refused(RejectReason::NeverViaRouteServers, Datum::Asn(asn))
        })
}

fn first(path: &AsPath, found: impl Fn(bgp_wire::Asn) -> bool) -> Option<bgp_wire::Asn> {
    path.asns().find(|&asn| found(asn))
}
