//! `filtering`: the same keys in general.yml and, as exceptions, for each client.

use serde_json::Value;

use crate::import::{
    arouteserver::bogons::prefix,
    bag::Bag,
    write::{Lines, inline, list, quoted, strings},
};

/// The file that holds for everybody.
pub(super) const GENERAL: &str = "general.yml";

/// What the general file says where a client's exception gives only half.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    v4: (u64, u64),
    v6: (u64, u64),
    tag_as_set: bool,
}

impl Defaults {
    /// Ours, for the general file itself.
    pub(super) fn ours() -> Self {
        Self { v4: (8, 24), v6: (12, 48), tag_as_set: true }
    }

    pub(super) fn read(general: &Value) -> Self {
        let mut bag = Bag::new("", general);
        let mut range = |family: &str, default: (u64, u64)| {
            let path = format!("cfg.filtering.{family}_pref_len");
            (
                bag.number(&format!("{path}.min")).unwrap_or(default.0),
                bag.number(&format!("{path}.max")).unwrap_or(default.1),
            )
        };
        let (v4, v6) = (range("ipv4", (8, 24)), range("ipv6", (12, 48)));
        let tag_as_set = bag.truth("cfg.filtering.irrdb.tag_as_set").unwrap_or(true);
        Self { v4, v6, tag_as_set }
    }
}

/// Writes the import keys that `cfg.filtering` of this file says.
pub(super) fn write(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    lengths(bag, defaults, lines);
    paths(bag, lines, notes, name);
    irr(bag, defaults, lines, notes, name);
    rpki(bag, lines);
    limits(bag, lines, notes, name);
}

fn lengths(bag: &mut Bag<'_>, defaults: &Defaults, lines: &mut Lines) {
    let mut range = |family: &str, default: (u64, u64)| {
        let path = format!("cfg.filtering.{family}_pref_len");
        let (min, max) = (bag.number(&format!("{path}.min")), bag.number(&format!("{path}.max")));
        (min.is_some() || max.is_some())
            .then(|| list([min.unwrap_or(default.0), max.unwrap_or(default.1)]))
    };
    let (v4, v6) = (range("ipv4", defaults.v4), range("ipv6", defaults.v6));
    lines.optional("prefix_length", inline(&[("v4", v4), ("v6", v6)]));
}

fn paths(bag: &mut Bag<'_>, lines: &mut Lines, notes: &mut Vec<String>, name: &str) {
    lines.optional("as_path_max", bag.number("cfg.filtering.max_as_path_len"));
    lines.optional("bogon_asns", bag.truth("cfg.filtering.reject_invalid_as_in_as_path"));
    match bag.text("cfg.filtering.next_hop.policy") {
        None => {}
        Some(policy @ ("strict" | "same-as")) => lines.key("next_hop", quoted(policy)),
        Some(other) => notes.push(format!(
            "{name}: filtering.next_hop.policy = {other}: list the addresses as sessions of the \
             same member, or use \"lan\""
        )),
    }
    let action = bag.text("cfg.filtering.transit_free.action");
    let asns = bag.asns("cfg.filtering.transit_free.asns");
    match action {
        Some("reject") | None => lines.optional("transit_free", asns.map(list)),
        Some(other) => {
            lines.key("transit_free", "[]");
            notes.push(format!(
                "{name}: filtering.transit_free.action = {other}: such paths are accepted and not \
                 tagged; who gives transit is a `transit-sponsor` on a transitable server"
            ));
        }
    }
    lines
        .optional("never_via_rs", bag.asns("cfg.filtering.never_via_route_servers.asns").map(list));
    if bag.truth("cfg.filtering.never_via_route_servers.peering_db") == Some(true) {
        notes.push(format!(
            "{name}: filtering.never_via_route_servers.peering_db: PeeringDB is not asked; list \
             the ASNs in `never_via_rs`"
        ));
    }
}

fn irr(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    let origin = bag.truth("cfg.filtering.irrdb.enforce_origin_in_as_set");
    let prefix = bag.truth("cfg.filtering.irrdb.enforce_prefix_in_as_set");
    let mode = match (origin, prefix) {
        (None, None) => None,
        (Some(false), Some(false)) if defaults.tag_as_set => Some("tag"),
        (Some(false), Some(false)) => Some("off"),
        (origin, prefix) => {
            if origin != prefix {
                notes.push(format!(
                    "{name}: filtering.irrdb: origin and prefix are enforced together here, not \
                     one without the other"
                ));
            }
            Some("reject")
        }
    };
    lines.optional("irr", mode.map(quoted));
    let longer = bag.truth("cfg.filtering.irrdb.allow_longer_prefixes");
    lines.optional("irr_more_specifics", longer);
    for key in
        ["peering_db", "use_arin_bulk_whois_data.enabled", "use_registrobr_bulk_whois_data.enabled"]
    {
        if bag.truth(&format!("cfg.filtering.irrdb.{key}")) == Some(true) {
            notes.push(format!("{name}: filtering.irrdb.{key}: that source is not asked"));
        }
    }
    let roas = bag.truth("cfg.filtering.irrdb.use_rpki_roas_as_route_objects.enabled");
    // Off by default there; said once, with the general file.
    if roas == Some(false) || (roas.is_none() && mode == Some("reject") && name == GENERAL) {
        notes.push(format!(
            "{name}: filtering.irrdb.use_rpki_roas_as_route_objects: a Valid ROA always counts as \
             a route object here"
        ));
    }
    extra(bag, lines, notes, name);
}

/// White and black lists.
fn extra(bag: &mut Bag<'_>, lines: &mut Lines, notes: &mut Vec<String>, name: &str) {
    let mut asns = bag.asns("cfg.filtering.irrdb.white_list_asn").unwrap_or_default();
    let mut prefixes = Vec::new();
    let routes = bag.list("cfg.filtering.irrdb.white_list_route").unwrap_or_default();
    if !routes.is_empty() {
        notes.push(format!(
            "{name}: filtering.irrdb.white_list_route: prefix and origin are authorised \
             independently of each other in `irr_extra`"
        ));
    }
    let listed = bag.list("cfg.filtering.irrdb.white_list_pref").unwrap_or_default();
    for entry in routes.into_iter().chain(listed) {
        match prefix(entry) {
            Some(prefix) => prefixes.push(quoted(&prefix.to_string())),
            None => notes.push(format!("{name}: filtering.irrdb: {entry} is no prefix: left out")),
        }
        let asn = entry.get("asn").and_then(Value::as_u64).and_then(|asn| u32::try_from(asn).ok());
        asns.extend(asn.filter(|asn| !asns.contains(asn)));
    }
    let asns = (!asns.is_empty()).then(|| list(asns));
    let prefixes = (!prefixes.is_empty()).then(|| list(prefixes));
    lines.optional("irr_extra", inline(&[("asns", asns), ("prefixes", prefixes)]));
    let black = bag.list("cfg.filtering.black_list_pref").unwrap_or_default();
    let black: Vec<_> = black.into_iter().filter_map(prefix).collect();
    if !black.is_empty() {
        lines.key("blacklist", strings(black.iter().map(ToString::to_string)));
    }
}

fn rpki(bag: &mut Bag<'_>, lines: &mut Lines) {
    let enabled = bag.truth("cfg.filtering.rpki_bgp_origin_validation.enabled");
    let reject = bag.truth("cfg.filtering.rpki_bgp_origin_validation.reject_invalid");
    let mode = match (enabled, reject) {
        (None, None) => None,
        (Some(false), _) => Some("off"),
        (_, Some(false)) => Some("tag"),
        _ => Some("reject"),
    };
    lines.optional("rpki", mode.map(quoted));
}

fn limits(bag: &mut Bag<'_>, lines: &mut Lines, notes: &mut Vec<String>, name: &str) {
    const PATH: &str = "cfg.filtering.max_prefix";
    let mut number = |keys: [&str; 2]| {
        let [first, second] = keys.map(|key| bag.number(&format!("{PATH}.{key}")));
        first.or(second).map(|number| number.to_string())
    };
    let v4 = number(["limit_ipv4", "general_limit_ipv4"]);
    let v6 = number(["limit_ipv6", "general_limit_ipv6"]);
    let action = bag.text(&format!("{PATH}.action")).map(|action| match action {
        "warning" => quoted("warn"),
        other => quoted(other),
    });
    let count = bag.truth(&format!("{PATH}.count_rejected_routes"));
    let count = count.map(|rejected| quoted(if rejected { "received" } else { "accepted" }));
    let restart = bag.number(&format!("{PATH}.restart_after"));
    let restart = restart.map(|minutes| quoted(&format!("{minutes}m")));
    let entries =
        [("v4", v4), ("v6", v6), ("action", action), ("count", count), ("restart_after", restart)];
    lines.optional("max_prefixes", inline(&entries));
    for key in ["peering_db", "peering_db.enabled"] {
        if bag.truth(&format!("{PATH}.{key}")) == Some(true) {
            notes.push(format!(
                "{name}: filtering.max_prefix.{key}: PeeringDB is not asked; `max_prefixes = \
                 \"dynamic\"` follows what a member announces"
            ));
        }
    }
}
