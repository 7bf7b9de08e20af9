//! clients.yml: the members.

use std::{collections::BTreeMap, net::IpAddr};

use policy::{Kind, Pattern};
use serde_json::Value;

use super::{
    filtering::{self, Defaults},
    general::{add_path, extended_next_hop},
};
use crate::{
    config::is_as_set,
    import::{
        ImportError, Target,
        bag::Bag,
        write::{Lines, comment, quoted, strings},
    },
};

/// One client, half read.
pub(super) struct Client<'v> {
    name: String,
    asn: u64,
    sessions: Vec<Session>,
    /// Of the `asns` section, for clients that have none of their own.
    as_sets: Vec<String>,
    bag: Bag<'v>,
}

struct Session {
    address: IpAddr,
    mac: Option<String>,
}

impl Client<'_> {
    pub(super) fn has(&self, v6: bool) -> bool {
        self.sessions.iter().any(|session| session.address.is_ipv6() == v6)
    }

    pub(super) fn needs_interface(&self) -> bool {
        self.sessions.iter().any(|session| match session.address {
            IpAddr::V6(address) => address.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        })
    }
}

/// Reads the list.
pub(super) fn read<'v>(
    document: &'v Value,
    notes: &mut Vec<String>,
) -> Result<Vec<Client<'v>>, ImportError> {
    let missing = ImportError::Missing { file: "clients.yml", what: "list `clients`" };
    let list = document.get("clients").and_then(Value::as_array).ok_or(missing)?;
    let mut clients = Vec::new();
    for (place, entry) in list.iter().enumerate() {
        let name = match entry.get("asn") {
            Some(asn) => format!("clients.yml: AS{asn}"),
            None => format!("clients.yml: client {}", place + 1),
        };
        let mut bag = Bag::new(name.clone(), entry);
        let Some(asn) = bag.number("asn") else {
            notes.push(format!("{name}: has no asn: left out"));
            continue;
        };
        let sessions = sessions(&mut bag, &name, notes);
        let as_sets = as_sets_of(document, asn);
        clients.push(Client { name, asn, sessions, as_sets, bag });
    }
    Ok(clients)
}

/// `asns: { AS64500: { as_sets: [...] } }`.
fn as_sets_of(document: &Value, asn: u64) -> Vec<String> {
    let entry = document.get("asns").and_then(|asns| asns.get(format!("AS{asn}")));
    let sets = entry.and_then(|entry| entry.get("as_sets")).and_then(Value::as_array);
    let names = sets.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// `ip: …`, `ip: [...]` or `sessions: [{ ip: …, mac: … }]`.
fn sessions(bag: &mut Bag<'_>, name: &str, notes: &mut Vec<String>) -> Vec<Session> {
    let mut sessions = Vec::new();
    let mut add = |ip: &Value, mac: Option<String>| match ip.as_str().map(str::parse) {
        Some(Ok(address)) => sessions.push(Session { address, mac }),
        _ => notes.push(format!("{name}: {ip} is no address: left out")),
    };
    for ip in bag.list("ip").unwrap_or_default() {
        add(ip, None);
    }
    for entry in bag.list("sessions").unwrap_or_default() {
        let mac = entry.get("mac").and_then(Value::as_str).map(str::to_owned);
        add(entry.get("ip").unwrap_or(&Value::Null), mac);
    }
    sessions
}

/// Writes the members, and says what of them was not understood.
pub(super) fn write(
    target: &Target,
    clients: Vec<Client<'_>>,
    defaults: &Defaults,
    custom: &BTreeMap<String, Vec<Pattern>>,
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    let macs = clients.iter().flat_map(|client| &client.sessions);
    let macs = macs.filter(|session| session.mac.is_some()).count();
    if macs > 0 {
        notes.push(format!("clients.yml: {macs} MAC addresses are kept as comments only"));
    }
    for client in clients {
        member(target, client, defaults, custom, lines, notes);
    }
}

fn member(
    target: &Target,
    client: Client<'_>,
    defaults: &Defaults,
    custom: &BTreeMap<String, Vec<Pattern>>,
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    let Client { name, asn, sessions, as_sets, mut bag } = client;
    lines.line("\n[[member]]");
    lines.key("asn", asn);
    let called = bag.text("name").or_else(|| bag.text("description"));
    lines.optional("name", called.map(quoted));
    let sets = bag.list("cfg.filtering.irrdb.as_sets").or_else(|| bag.list("as_sets"));
    // An empty list is as good as none: those of the AS hold.
    let sets = sets.filter(|sets| !sets.is_empty()).map_or(as_sets, |sets| {
        sets.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
    });
    let (sets, others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| is_as_set(set));
    notes.extend(others.iter().map(|other| format!("{name}: {other} is no as-set: left out")));
    if !sets.is_empty() {
        lines.key("as_set", strings(sets));
    }
    for path in ["passive", "cfg.passive"] {
        lines.optional("passive", bag.truth(path));
    }
    for path in ["gtsm", "cfg.gtsm"] {
        lines.optional("ttl_security", bag.truth(path));
    }
    for path in ["add_path", "cfg.add_path"] {
        lines.optional("add_path", bag.truth(path).map(add_path));
    }
    lines.optional("alias", bag.number("16bit_mapped_asn"));
    let extended = extended_next_hop(&mut bag);
    lines.optional("extended_next_hop", extended);
    // Of one family each, unless IPv4 has IPv6 next hops.
    let apart = !extended.unwrap_or(defaults.extended_next_hop);
    if target.kind != Kind::Transitable {
        lines.optional("role_rfc9234", bag.truth("cfg.filtering.roles.enabled"));
    }
    if is_sponsor(target, &mut bag) {
        lines.key("role", quoted("transit-sponsor"));
    }
    if target.kind != Kind::Chaos {
        import(&mut bag, &name, defaults, custom, lines, notes);
    }
    let password = bag.text("password").map(quoted);
    for Session { address, mac } in sessions {
        let mac = mac.map(|mac| comment(&format!("MAC {mac}"))).unwrap_or_default();
        lines.line("\n  [[member.session]]");
        lines.key("  address", format_args!("\"{address}\"{mac}"));
        lines.optional("  password", password.as_ref());
        if apart && address.is_ipv6() {
            lines.key("  families", strings(["v6"]));
        }
        if *target != Target::default() {
            lines.key("  route_servers", strings([&target.name]));
        }
    }
    notes.extend(bag.left().into_iter().map(|left| format!("{left}: has no counterpart")));
}

/// Who may announce transit-free networks gives transit.
fn is_sponsor(target: &Target, bag: &mut Bag<'_>) -> bool {
    target.kind == Kind::Transitable
        && bag.text("cfg.filtering.transit_free.action").is_some_and(|action| action != "reject")
}

fn import(
    bag: &mut Bag<'_>,
    name: &str,
    defaults: &Defaults,
    custom: &BTreeMap<String, Vec<Pattern>>,
    lines: &mut Lines,
    notes: &mut Vec<String>,
) {
    let mut import = Lines::default();
    filtering::write(bag, defaults, &mut import, notes, name);
    let mut attached = Vec::new();
    for community in bag.list("cfg.attach_custom_communities").unwrap_or_default() {
        match community.as_str().and_then(|community| custom.get(community)) {
            Some(patterns) => attached.extend(patterns.iter().map(ToString::to_string)),
            None => notes.push(format!("{name}: there is no custom community {community}")),
        }
    }
    if !attached.is_empty() {
        import.key("attach_communities", strings(attached));
    }
    let import = import.finish();
    if !import.is_empty() {
        lines.line("\n  [member.import]");
        for line in import.lines() {
            lines.line(format_args!("  {line}"));
        }
    }
}
