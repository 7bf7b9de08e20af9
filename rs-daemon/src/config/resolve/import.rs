//! Import checks: the default of the kind, what the server says, what the member says.

use std::sync::Arc;

use bgp_wire::Family;
use policy::{CheckMode, ImportPolicy, LengthRange, MoreSpecifics};

use super::values;
use crate::config::{
    file::import_policy::{ImportTable, LengthRange as TypedRange, PrefixLengthValue},
    report::{Located, Reports},
};

/// What a table says over what held before it. The blacklist is not among it: the server's
/// and the member's are two checks.
pub(super) fn apply(policy: &mut ImportPolicy, table: &ImportTable, reports: &mut Reports) {
    apply_switches(policy, table);
    apply_lists(policy, table);
    apply_irr(policy, table);
    if let Some(aspa) = table.aspa {
        if aspa.value == CheckMode::PerMember {
            let help = "write \"reject\", \"tag\" or \"off\"";
            reports.error(aspa.at, "no member can choose about ASPA", help);
        }
        policy.aspa = aspa.value;
    }
    match table.prefix_length.as_ref().map(|length| &length.value) {
        None => {}
        Some(PrefixLengthValue::Off) => policy.prefix_length = [None; 2],
        Some(PrefixLengthValue::Table(table)) => {
            for (family, given) in [(Family::V4, table.v4), (Family::V6, table.v6)] {
                if let Some(range) = given.and_then(|range| length_range(family, range, reports)) {
                    policy.prefix_length[family.index()] = Some(range);
                }
            }
        }
    }
}

fn length_range(
    family: Family,
    given: Located<TypedRange>,
    reports: &mut Reports,
) -> Option<LengthRange> {
    let TypedRange(min, max) = given.value;
    if min <= max && max <= family.max_len() {
        return Some(LengthRange { min, max });
    }
    let message = format!("[{min}, {max}] is no range of {family} prefix lengths");
    let help = format!("write the shortest first, and nothing above {}", family.max_len());
    reports.error(given.at, message, help);
    None
}

fn apply_switches(policy: &mut ImportPolicy, table: &ImportTable) {
    let switches = [
        (&mut policy.bogon_prefixes, table.bogon_prefixes),
        (&mut policy.peering_lan, table.peering_lan),
        (&mut policy.global_unicast_only, table.global_unicast_only),
        (&mut policy.as_path_required, table.as_path_required),
        (&mut policy.first_as, table.first_as),
        (&mut policy.reject_as_sets, table.reject_as_sets),
        (&mut policy.bogon_asns, table.bogon_asns),
        (&mut policy.irr_refuse_transit_free, table.irr_refuse_transit_free),
        (&mut policy.blackhole, table.blackhole),
        (&mut policy.blackhole_no_export, table.blackhole_no_export),
        (&mut policy.graceful_shutdown, table.graceful_shutdown),
    ];
    for (switch, given) in switches {
        set(switch, given);
    }
    set(&mut policy.as_path_max, table.as_path_max);
    set(&mut policy.max_communities, table.max_communities);
    set(&mut policy.next_hop, table.next_hop);
}

fn apply_lists(policy: &mut ImportPolicy, table: &ImportTable) {
    if table.transit_free.is_some() {
        policy.transit_free = values(&table.transit_free).into();
    }
    if table.never_via_rs.is_some() {
        policy.never_via_rs = values(&table.never_via_rs).into();
    }
    if table.attach_communities.is_some() {
        policy.attach_communities = values(&table.attach_communities).into();
    }
}

fn apply_irr(policy: &mut ImportPolicy, table: &ImportTable) {
    set(&mut policy.irr, table.irr);
    set(&mut policy.rpki, table.rpki);
    if let Some(more) = table.irr_more_specifics {
        policy.irr_more_specifics =
            if more.value { MoreSpecifics::Allowed } else { MoreSpecifics::Exact };
    }
    if let Some(extra) = &table.irr_extra {
        policy.irr_extra_asns = values(&extra.value.asns).into();
        policy.irr_extra_prefixes = values(&extra.value.prefixes).into();
    }
    if let Some(most) = &table.irr_max_prefixes {
        let numbers = [most.value.v4, most.value.v6];
        policy.irr_max_prefixes = numbers.map(|number| number.map(|number| number.value));
    }
}

/// The member's own blacklist is a check of its own.
pub(super) fn apply_member(
    server: &Arc<ImportPolicy>,
    table: Option<&ImportTable>,
    reports: &mut Reports,
) -> Arc<ImportPolicy> {
    let Some(table) = table else { return Arc::clone(server) };
    let mut policy = ImportPolicy::clone(server);
    apply(&mut policy, table, reports);
    policy.blacklist = values(&table.blacklist).into();
    Arc::new(policy)
}

fn set<T>(target: &mut T, given: Option<Located<T>>) {
    if let Some(given) = given {
        *target = given.value;
    }
}
