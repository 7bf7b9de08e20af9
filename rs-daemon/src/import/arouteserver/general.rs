//! general.yml: the exchange and its route server.

use bgp_wire::Prefix;
use policy::Kind;
use serde_json::Value;

use super::{
    clients::Client,
    communities,
    filtering::{self, Defaults},
};
use crate::import::{
    ImportError, Target,
    bag::Bag,
    write::{Lines, NO_LAN, comment, list, quoted, strings},
};

/// The AS of the route server.
pub(super) fn rs_as(settings: &mut Bag<'_>, document: &Value) -> Result<u32, ImportError> {
    let what = "AS number in cfg.rs_as";
    let missing = || super::missing("general.yml", document, what, ("clients", "--clients"));
    settings.asn("cfg.rs_as").ok_or_else(missing)
}

pub(super) fn write(
    target: &Target,
    rs_as: u32,
    settings: &mut Bag<'_>,
    clients: &[Client<'_>],
    bogons: &[Prefix],
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    if target.whole {
        exchange(settings, rs_as, clients, lines, notes);
        outside(lines, notes);
    } else {
        // It stands in the [exchange] that there is.
        settings.take("cfg.interface");
    }
    route_server(target, settings, clients, lines, notes);
    if target.kind == Kind::Chaos {
        return;
    }
    let lists = communities::lists(settings, rs_as, notes);
    import(settings, bogons, lines, notes);
    if settings.take("cfg.rpki_roas").is_some() {
        notes.push(
            "general.yml: rpki_roas: ROAs come from `[[rpki.cache]]` or from the files in `json` \
             of [rpki]"
                .to_owned(),
        );
    }
    export(settings, lists.is_empty(), lines, notes);
    if !lists.is_empty() {
        let tags_irr = settings.truth("cfg.filtering.irrdb.tag_as_set").unwrap_or(true);
        let tags_rov = lists.contains_key(&policy::Function::RovValid);
        let inform: Vec<_> =
            [("irr", tags_irr), ("rov", tags_rov)].into_iter().filter(|(_, on)| *on).collect();
        let inform: Vec<_> = inform.into_iter().map(|(word, _)| word).collect();
        communities::write(&lists, &inform, lines);
    }
}

fn exchange(
    settings: &mut Bag<'_>,
    rs_as: u32,
    clients: &[Client<'_>],
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    lines.line("[exchange]");
    lines.key("name", format_args!("\"Internet exchange\"{}", comment("not said")));
    lines.key("asn", rs_as);
    lines.line(NO_LAN);
    notes.push("exchange.name and exchange.peering_lan: not said there; set them".to_owned());
    let interface = settings.text("cfg.interface");
    let link_local = clients.iter().any(Client::needs_interface);
    match interface {
        Some(interface) => lines.key("interface", quoted(interface)),
        None if link_local => {
            lines.key("interface", format_args!("\"eth1\"{}", comment("not said")));
            notes
                .push("exchange.interface: not said there; link-local sessions need it".to_owned());
        }
        None => {}
    }
}

/// Where data comes from stands in a file that is not among these.
fn outside(lines: &mut Lines, notes: &mut Vec<String>) {
    lines.line("\n[irr]");
    lines.key("server", format_args!("\"127.0.0.1:43\"{}", comment("not said")));
    lines.line("# sources = [\"RIPE\", \"ARIN\"]");
    lines.line("\n# [[rpki.cache]]\n# address = \"127.0.0.1:3323\"");
    notes.push("irr.server, irr.sources and rpki.cache: not said there; set them".to_owned());
}

fn route_server(
    target: &Target,
    settings: &mut Bag<'_>,
    clients: &[Client<'_>],
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    lines.line("\n[[route_server]]");
    lines.key("name", quoted(&target.name));
    if target.kind != Kind::Regular {
        lines.key("kind", quoted(target.kind.name()));
    }
    match settings.text("cfg.router_id") {
        Some(router_id) => lines.key("router_id", quoted(router_id)),
        None => {
            lines.key("router_id", format_args!("\"192.0.2.250\"{}", comment("not said")));
            notes.push("route_server.router_id: not said there; set it".to_owned());
        }
    }
    let families = [("192.0.2.250:179", false), ("[2001:db8::250]:179", true)];
    let wanted = families.into_iter().filter(|(_, v6)| clients.iter().any(|one| one.has(*v6)));
    let listen = strings(wanted.map(|(listen, _)| listen));
    lines.key("listen", format_args!("{listen}{}", comment("not said: name the addresses")));
    notes.push("route_server.listen: not said there; name the server's addresses".to_owned());
    lines.optional("passive", settings.truth("cfg.passive"));
    lines.optional("ttl_security", settings.truth("cfg.gtsm"));
    lines.optional("extended_next_hop", extended_next_hop(settings));
    let roles = settings.truth("cfg.filtering.roles.enabled");
    let none_as = match target.kind {
        Kind::Regular => None,
        Kind::Transitable => Some("on a transitable server, as transit would be a leak"),
        Kind::Chaos => Some("on a chaos server, which takes leaks, too"),
    };
    match none_as {
        None => lines.optional("role_rfc9234", roles),
        Some(none) if roles == Some(true) => {
            notes.push(format!("general.yml: filtering.roles: there are none {none}"));
        }
        Some(_) => {}
    }
    lines.optional("add_path", settings.truth("cfg.add_path").map(add_path));
    if settings.truth("cfg.prepend_rs_as") == Some(true) {
        notes.push("general.yml: cfg.prepend_rs_as: our AS is never in a path".to_owned());
    }
    if settings.truth("cfg.path_hiding") == Some(false) {
        notes.push("general.yml: cfg.path_hiding: paths are never hidden here".to_owned());
    }
}

/// A fork's name for it, and its own.
pub(super) fn extended_next_hop(bag: &mut Bag<'_>) -> Option<bool> {
    let [fork, own] = ["cfg.extended_next_hop", "cfg.rfc8950"].map(|path| bag.truth(path));
    fork.or(own)
}

pub(super) fn add_path(on: bool) -> String {
    quoted(if on { "send" } else { "off" })
}

fn import(settings: &mut Bag<'_>, bogons: &[Prefix], lines: &mut Lines, notes: &mut Vec<String>) {
    lines.line("\n[route_server.import]");
    let defaults = Defaults::arouteservers();
    filtering::write(settings, &defaults, lines, notes, filtering::GENERAL);
    let black = settings.list("cfg.filtering.global_black_list_pref").unwrap_or_default();
    for entry in &black {
        filtering::ranged(entry, "global_black_list_pref", "blacklist", notes, filtering::GENERAL);
    }
    let black = filtering::prefixes_of(settings, "cfg.filtering.global_black_list_pref", &black);
    let black: Vec<_> = black.into_iter().chain(bogons.iter().copied()).collect();
    if !black.is_empty() {
        lines.key("blacklist", list(black.iter().map(|prefix| quoted(&prefix.to_string()))));
    }
    blackhole(settings, lines, notes);
    match settings.text("cfg.filtering.reject_policy.policy") {
        None | Some("reject" | "tag_and_reject") => {}
        Some(other) => notes.push(format!(
            "general.yml: filtering.reject_policy.policy = {other}: what fails a check is refused, \
             shown with its reason"
        )),
    }
}

fn export(settings: &mut Bag<'_>, silent: bool, lines: &mut Lines, notes: &mut Vec<String>) {
    let well_known = settings.text("cfg.rfc1997_wellknown_communities.policy") == Some("rfc1997");
    if silent || well_known {
        lines.line("\n[route_server.export]");
    }
    if silent {
        notes.push("general.yml: no communities are configured, so none are obeyed".to_owned());
        lines.key("communities", false);
    }
    if well_known {
        lines.key("honour_well_known", true);
    }
}

fn blackhole(settings: &mut Bag<'_>, lines: &mut Lines, notes: &mut Vec<String>) {
    let policies = ["policy_ipv4", "policy_ipv6"]
        .map(|key| settings.text(&format!("cfg.blackhole_filtering.{key}")));
    if policies.iter().any(Option::is_some) {
        lines.key("blackhole", true);
        if policies != [Some("propagate-unchanged"); 2] {
            notes.push(
                "general.yml: blackhole_filtering: next hops are never rewritten, and both \
                 families are treated alike"
                    .to_owned(),
            );
        }
    }
    let no_export = settings.truth("cfg.blackhole_filtering.add_noexport");
    lines.optional("blackhole_no_export", no_export);
    if settings.truth("cfg.blackhole_filtering.announce_to_client") == Some(false) {
        notes.push(
            "general.yml: blackhole_filtering.announce_to_client: blackhole routes go to every \
             member"
                .to_owned(),
        );
    }
}
