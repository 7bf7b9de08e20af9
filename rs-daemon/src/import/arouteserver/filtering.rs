//! `filtering`: the same keys in general.yml and, as exceptions, for each client.

use bgp_wire::Prefix;
use policy::Kind;
use serde_json::Value;

use crate::import::{
    Target,
    arouteserver::{bogons::prefix, general::extended_next_hop},
    asn::asn,
    bag::Bag,
    write::{Lines, inline, list, quoted, strings},
};

/// The file that holds for everybody.
pub(super) const GENERAL: &str = "general.yml";

/// arouteserver's general limits, of IPv4 and IPv6, where the file says none.
const GENERAL_LIMITS: [u32; 2] = [170_000, 12_000];

/// What the general file says, where a client's exception depends on it.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// This is the general file: arouteserver's own defaults are written, as ours differ.
    general: bool,
    v4: (u8, u8),
    v6: (u8, u8),
    tag_as_set: bool,
    origin: bool,
    prefix: bool,
    limits: Limits,
    /// Who may announce transit-free networks is a sponsor, and that is all there is to say.
    sponsors: bool,
    /// IPv4 with IPv6 next hops (RFC 8950).
    pub(super) extended_next_hop: bool,
}

impl Defaults {
    /// arouteserver's, for the general file itself.
    pub(super) fn arouteservers() -> Self {
        Self {
            general: true,
            v4: (8, 24),
            v6: (12, 48),
            tag_as_set: true,
            origin: true,
            prefix: true,
            limits: Limits::default(),
            sponsors: false,
            extended_next_hop: false,
        }
    }

    pub(super) fn read(general: &Value, target: &Target) -> Self {
        let mut bag = Bag::new("", general);
        let mut range = |family: &str, default: (u8, u8)| {
            let path = format!("cfg.filtering.{family}_pref_len");
            (
                bag.number(&format!("{path}.min")).unwrap_or(default.0),
                bag.number(&format!("{path}.max")).unwrap_or(default.1),
            )
        };
        let (v4, v6) = (range("ipv4", (8, 24)), range("ipv6", (12, 48)));
        let mut irrdb =
            |key: &str| bag.truth(&format!("cfg.filtering.irrdb.{key}")).unwrap_or(true);
        Self {
            general: false,
            v4,
            v6,
            tag_as_set: irrdb("tag_as_set"),
            origin: irrdb("enforce_origin_in_as_set"),
            prefix: irrdb("enforce_prefix_in_as_set"),
            limits: Limits::read(&mut bag),
            sponsors: target.kind == Kind::Transitable,
            extended_next_hop: extended_next_hop(&mut bag).unwrap_or(false),
        }
    }

    /// Who may announce transit-free networks gives transit.
    pub(super) fn is_sponsor(&self, bag: &mut Bag<'_>) -> bool {
        let action = bag.text("cfg.filtering.transit_free.action");
        self.sponsors && action.is_some_and(|action| action != "reject")
    }
}

/// What `cfg.filtering.max_prefix` of a file says.
#[derive(Clone, Debug, Default)]
struct Limits {
    v4: Option<u32>,
    v6: Option<u32>,
    action: Option<String>,
    count_rejected: Option<bool>,
    restart_after_minutes: Option<u32>,
    peering_db: Option<bool>,
}

impl Limits {
    fn read(bag: &mut Bag<'_>) -> Self {
        const PATH: &str = "cfg.filtering.max_prefix";
        let mut number = |keys: [&str; 2]| {
            let [first, second] = keys.map(|key| bag.number(&format!("{PATH}.{key}")));
            // 0 is none.
            first.or(second).map(|limit: u32| if limit == 0 { u32::MAX } else { limit })
        };
        let v4 = number(["limit_ipv4", "general_limit_ipv4"]);
        let v6 = number(["limit_ipv6", "general_limit_ipv6"]);
        let asked =
            ["peering_db", "peering_db.enabled"].map(|key| bag.truth(&format!("{PATH}.{key}")));
        Self {
            v4,
            v6,
            action: bag.text(&format!("{PATH}.action")).map(str::to_owned),
            count_rejected: bag.truth(&format!("{PATH}.count_rejected_routes")),
            restart_after_minutes: bag.number(&format!("{PATH}.restart_after")),
            peering_db: asked.into_iter().flatten().reduce(|one, other| one || other),
        }
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
    networks(bag, defaults, lines, notes, name);
    irr(bag, defaults, lines, notes, name);
    rpki(bag, defaults, lines, notes, name);
    limits(bag, defaults, lines, notes, name);
    graceful_shutdown(bag, defaults, lines, notes, name);
}

fn lengths(bag: &mut Bag<'_>, defaults: &Defaults, lines: &mut Lines) {
    let mut range = |family: &str, default: (u8, u8)| {
        let path = format!("cfg.filtering.{family}_pref_len");
        let (min, max) = (bag.number(&format!("{path}.min")), bag.number(&format!("{path}.max")));
        (min.is_some() || max.is_some())
            .then(|| list([min.unwrap_or(default.0), max.unwrap_or(default.1)]))
    };
    let (v4, v6) = (range("ipv4", defaults.v4), range("ipv6", defaults.v6));
    lines.optional("prefix_length", inline(&[("v4", v4), ("v6", v6)]));
}

fn paths(bag: &mut Bag<'_>, lines: &mut Lines, notes: &mut Vec<String>, name: &str) {
    lines.optional("as_path_max", bag.number::<u32>("cfg.filtering.max_as_path_len"));
    lines.optional("bogon_asns", bag.truth("cfg.filtering.reject_invalid_as_in_as_path"));
    let sets = bag.truth("cfg.filtering.allow_as_set");
    lines.optional("reject_as_sets", sets.map(|allowed| !allowed));
    match bag.text("cfg.filtering.next_hop.policy") {
        None => {}
        Some(policy @ ("strict" | "same-as")) => lines.key("next_hop", quoted(policy)),
        Some(other) => notes.push(format!(
            "{name}: filtering.next_hop.policy = {other}: list the addresses as sessions of the \
             same member, or use \"lan\""
        )),
    }
}

/// Networks that must not stand in a path. Without an action arouteserver looks for none.
fn networks(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    let action = bag.text("cfg.filtering.transit_free.action");
    let asns = bag.asns("cfg.filtering.transit_free.asns");
    match action {
        Some("reject") => lines.optional("transit_free", asns.map(list)),
        None if defaults.general => {
            lines.key("transit_free", "[]");
            if asns.is_some() {
                notes.push(format!(
                    "{name}: filtering.transit_free has no action: its ASNs are not looked for"
                ));
            }
        }
        None => lines.optional("transit_free", asns.map(list)),
        Some(other) => {
            lines.key("transit_free", "[]");
            if !defaults.sponsors {
                notes.push(format!(
                    "{name}: filtering.transit_free.action = {other}: such paths are accepted and \
                     not tagged; who gives transit is a `transit-sponsor` on a transitable server"
                ));
            }
        }
    }
    lines
        .optional("never_via_rs", bag.asns("cfg.filtering.never_via_route_servers.asns").map(list));
    if bag.truth("cfg.filtering.never_via_route_servers.peering_db").unwrap_or(defaults.general) {
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
    let said = ["enforce_origin_in_as_set", "enforce_prefix_in_as_set"]
        .map(|key| bag.truth(&format!("cfg.filtering.irrdb.{key}")));
    let origin = said[0].unwrap_or(defaults.origin);
    let prefix = said[1].unwrap_or(defaults.prefix);
    let mode = (defaults.general || said != [None; 2]).then_some(match (origin, prefix) {
        (false, false) if defaults.tag_as_set => "tag",
        (false, false) => "off",
        _ => "reject",
    });
    if mode.is_some() && origin != prefix {
        notes.push(format!(
            "{name}: filtering.irrdb: origin and prefix are enforced together here, not one \
             without the other"
        ));
    }
    lines.optional("irr", mode.map(quoted));
    let longer = bag.truth("cfg.filtering.irrdb.allow_longer_prefixes");
    lines.optional("irr_more_specifics", longer.or_else(|| defaults.general.then_some(false)));
    if bag.truth("cfg.filtering.irrdb.peering_db") == Some(true) {
        notes.push(format!("{name}: filtering.irrdb.peering_db: PeeringDB is not asked"));
    }
    for key in ["use_arin_bulk_whois_data", "use_registrobr_bulk_whois_data"] {
        let path = format!("cfg.filtering.irrdb.{key}");
        match bag.truth(&format!("{path}.enabled")) {
            Some(true) => {
                notes.push(format!("{name}: filtering.irrdb.{key}: that source is not asked"));
            }
            // Where it would come from says nothing.
            Some(false) => drop(bag.take(&path)),
            None => {}
        }
    }
    let roas = bag.truth("cfg.filtering.irrdb.use_rpki_roas_as_route_objects.enabled");
    // Off by default there; said once, with the general file.
    if roas == Some(false) || (roas.is_none() && mode == Some("reject") && defaults.general) {
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
        ranged(entry, "irrdb: white lists", "irr_more_specifics", notes, name);
        match prefix(entry) {
            Some(prefix) => prefixes.push(quoted(&prefix.to_string())),
            None => notes.push(format!("{name}: filtering.irrdb: {entry} is no prefix: left out")),
        }
        let Some(written) = entry.get("asn").filter(|asn| !asn.is_null()) else { continue };
        match asn(written) {
            Some(asn) if asns.contains(&asn) => {}
            Some(asn) => asns.push(asn),
            None => bag.lose("cfg.filtering.irrdb.white_list_route", written, "is no AS number"),
        }
    }
    let asns = (!asns.is_empty()).then(|| list(asns));
    let prefixes = (!prefixes.is_empty()).then(|| list(prefixes));
    lines.optional("irr_extra", inline(&[("asns", asns), ("prefixes", prefixes)]));
    let black = bag.list("cfg.filtering.black_list_pref").unwrap_or_default();
    for entry in &black {
        ranged(entry, "black_list_pref", "blacklist", notes, name);
    }
    let black = prefixes_of(bag, "cfg.filtering.black_list_pref", &black);
    if !black.is_empty() {
        lines.key("blacklist", strings(black.iter().map(ToString::to_string)));
    }
}

/// The prefixes of a list that was taken; what is none is noted.
pub(super) fn prefixes_of(bag: &mut Bag<'_>, path: &str, entries: &[&Value]) -> Vec<Prefix> {
    let mut prefixes = Vec::new();
    for entry in entries {
        match prefix(entry) {
            Some(prefix) => prefixes.push(prefix),
            None => bag.lose(path, entry, "is no prefix"),
        }
    }
    prefixes
}

/// Says what an entry's `exact`, `ge` and `le` lose.
pub(super) fn ranged(entry: &Value, list: &str, ours: &str, notes: &mut Vec<String>, name: &str) {
    let exact = entry.get("exact").and_then(Value::as_bool) == Some(true);
    let range = ["ge", "le"].iter().any(|key| entry.get(key).is_some_and(|bound| !bound.is_null()));
    if exact || range {
        let which = prefix(entry).map(|prefix| prefix.to_string()).unwrap_or_default();
        notes.push(format!(
            "{name}: filtering.{list}: {which}: `exact`, `ge` and `le` are not carried over: \
             `{ours}` says what is more specific"
        ));
    }
}

/// What is Invalid reaches nobody there, whether it is rejected or kept with a tag.
fn rpki(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    const PATH: &str = "cfg.filtering.rpki_bgp_origin_validation";
    let enabled = bag.truth(&format!("{PATH}.enabled"));
    let enabled = enabled.or_else(|| defaults.general.then_some(false));
    lines.optional("rpki", enabled.map(|on| quoted(if on { "reject" } else { "off" })));
    if bag.truth(&format!("{PATH}.reject_invalid")) == Some(false) && enabled == Some(true) {
        notes.push(format!(
            "{name}: filtering.rpki_bgp_origin_validation.reject_invalid: Invalid routes are kept \
             and shown here as well, and announced to nobody"
        ));
    }
    const ASPA: &str = "cfg.filtering.rpki_aspa_verification";
    let aspa = bag.truth(&format!("{ASPA}.enabled"));
    let rejects = bag.truth(&format!("{ASPA}.reject_invalid")).unwrap_or(true);
    let mode = |on: bool| {
        quoted(if !on {
            "off"
        } else if rejects {
            "reject"
        } else {
            "tag"
        })
    };
    lines.optional("aspa", aspa.map(mode));
}

/// Without an action arouteserver has no limits.
fn limits(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    let sponsor = defaults.is_sponsor(bag);
    let key = if sponsor { "sponsor_max_prefixes" } else { "max_prefixes" };
    let (mut said, general) = (Limits::read(bag), &defaults.limits);
    if said.action.is_none() && general.action.is_none() {
        if said.v4.is_some() || said.v6.is_some() {
            let held = if defaults.general {
                "its limits hold only for clients that have one of their own"
            } else {
                "its limits are not enforced"
            };
            notes.push(format!("{name}: filtering.max_prefix has no action: {held}"));
        }
        lines.optional(key, (defaults.general || sponsor).then(|| quoted("off")));
        return;
    }
    // What the general file wrote for everybody does not hold for a sponsor, and without an action it
    // wrote nothing.
    if !defaults.general && (sponsor || general.action.is_none()) {
        complete(&mut said, general, sponsor, notes, name);
    }
    let number = |limit: Option<u32>| limit.map(|limit| limit.to_string());
    let action = said.action.as_deref().and_then(|action| match action {
        "warning" => Some(quoted("warn")),
        "block" | "restart" | "shutdown" => Some(quoted(action)),
        other => {
            let note = format!("{name}: filtering.max_prefix.action = {other}: has no counterpart");
            notes.push(note);
            None
        }
    });
    let count = said.count_rejected;
    let count = count.map(|rejected| quoted(if rejected { "received" } else { "accepted" }));
    // The general file says none where it does something else.
    let unsaid = [&said, general].map(|limits| limits.action.as_deref() == Some("restart"));
    let unsaid = (unsaid == [true, false]).then(|| general.restart_after_minutes.unwrap_or(15));
    let restart = said.restart_after_minutes.or(unsaid);
    let restart = restart.map(|minutes| quoted(&format!("{minutes}m")));
    let entries = [
        ("v4", number(said.v4)),
        ("v6", number(said.v6)),
        ("action", action),
        ("count", count),
        ("restart_after", restart),
    ];
    lines.optional(key, inline(&entries));
    // On unless the general file says otherwise.
    if said.peering_db.unwrap_or(defaults.general) {
        notes.push(format!(
            "{name}: filtering.max_prefix.peering_db: PeeringDB is not asked; `max_prefixes = \
             \"dynamic\"` follows what a member announces"
        ));
    }
}

/// Adds to a client's limits what it has of the general file. A sponsor that PeeringDB would be
/// asked about keeps our own: the general ones are too low for a full table.
fn complete(
    said: &mut Limits,
    general: &Limits,
    sponsor: bool,
    notes: &mut Vec<String>,
    name: &str,
) {
    let asked = said.peering_db.or(general.peering_db).unwrap_or(true);
    let asked = asked && (said.v4.is_none() || said.v6.is_none());
    if sponsor && asked {
        notes.push(format!(
            "{name}: filtering.max_prefix: PeeringDB is not asked, and the general limits are not \
             those of a `transit-sponsor`: `sponsor_max_prefixes` holds"
        ));
    } else {
        said.v4 = said.v4.or(general.v4).or(Some(GENERAL_LIMITS[0]));
        said.v6 = said.v6.or(general.v6).or(Some(GENERAL_LIMITS[1]));
    }
    if general.action.is_none() {
        said.count_rejected = said.count_rejected.or(general.count_rejected);
        // Not said with the general file, which has no limits.
        said.peering_db = Some(asked && !sponsor);
    }
}

fn graceful_shutdown(
    bag: &mut Bag<'_>,
    defaults: &Defaults,
    lines: &mut Lines,
    notes: &mut Vec<String>,
    name: &str,
) {
    let enabled = bag.truth("cfg.graceful_shutdown.enabled");
    lines.optional("graceful_shutdown", enabled.or_else(|| defaults.general.then_some(false)));
    if bag
        .number::<u32>("cfg.graceful_shutdown.local_pref")
        .is_some_and(|preference| preference > 0)
    {
        notes.push(format!(
            "{name}: graceful_shutdown.local_pref: such routes are always the last choice"
        ));
    }
}
