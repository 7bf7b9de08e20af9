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
        asn::asn,
        bag::Bag,
        write::{self, Lines, comment, quoted, strings},
    },
};

/// One client, half read.
pub(super) struct Client<'v> {
    pub(super) name: String,
    pub(super) asn: u32,
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
    let missing =
        || super::missing("clients.yml", document, "list `clients`", ("cfg", "--general"));
    let list = document.get("clients").and_then(Value::as_array).ok_or_else(missing)?;
    let mut rest = Bag::new("clients.yml", document);
    rest.take("clients");
    rest.take("asns");
    notes.extend(rest.left());
    let mut clients = Vec::new();
    for (place, entry) in list.iter().enumerate() {
        let Some(number) = entry.get("asn").and_then(asn) else {
            let why = match entry.get("asn").filter(|asn| !asn.is_null()) {
                Some(written) => format!("asn = {written} is no AS number"),
                None => "has no asn".to_owned(),
            };
            notes.push(format!("clients.yml: client {}: {why}: left out", place + 1));
            continue;
        };
        let name = format!("clients.yml: AS{number}");
        let mut bag = Bag::new(name.clone(), entry);
        bag.take("asn");
        let sessions = sessions(&mut bag, &name, notes);
        let as_sets = as_sets_of(document, number, notes);
        clients.push(Client { name, asn: number, sessions, as_sets, bag });
    }
    Ok(clients)
}

/// The clients of other ASes: internal BGP is not spoken here.
pub(super) fn without_own<'v>(
    clients: Vec<Client<'v>>,
    rs_as: u32,
    notes: &mut Vec<String>,
) -> Vec<Client<'v>> {
    let (own, others): (Vec<_>, Vec<_>) =
        clients.into_iter().partition(|client| client.asn == rs_as);
    notes.extend(own.iter().map(|own| {
        let name = &own.name;
        format!("{name}: the route server's own AS, with which there is no session here: left out")
    }));
    others
}

/// `asns: { AS64500: { as_sets: [...] } }`.
fn as_sets_of(document: &Value, number: u32, notes: &mut Vec<String>) -> Vec<String> {
    let mut sets = Vec::new();
    let entries = document.get("asns").and_then(Value::as_object).into_iter().flatten();
    for (key, entry) in entries.filter(|(key, _)| asn(&Value::from(key.as_str())) == Some(number)) {
        let mut bag = Bag::new(format!("clients.yml: asns.{key}"), entry);
        sets.extend(bag.texts("as_sets").unwrap_or_default());
        notes.extend(bag.left());
    }
    sets
}

/// `ip: …`, `ip: [...]` or `sessions: [{ ip: …, mac: … }]`.
fn sessions(bag: &mut Bag<'_>, name: &str, notes: &mut Vec<String>) -> Vec<Session> {
    let (mut sessions, mut entries) = (Vec::new(), Vec::new());
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
        entries.push(entry);
    }
    for entry in entries {
        let mut rest = Bag::new(format!("{name}: sessions"), entry);
        rest.take("ip");
        rest.text("mac");
        notes.extend(rest.left());
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
    lines.optional("name", called.map(|called| write::name(&name, called, notes)));
    let sets = bag.texts("cfg.filtering.irrdb.as_sets").or_else(|| bag.texts("as_sets"));
    // An empty list is as good as none: those of the AS hold.
    let sets = sets.filter(|sets| !sets.is_empty()).unwrap_or(as_sets);
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
    lines.optional("alias", bag.number::<u16>("16bit_mapped_asn"));
    let extended = extended_next_hop(&mut bag);
    lines.optional("extended_next_hop", extended);
    // Of one family each, unless IPv4 has IPv6 next hops.
    let apart = !extended.unwrap_or(defaults.extended_next_hop);
    if target.kind == Kind::Regular {
        lines.optional("role_rfc9234", bag.truth("cfg.filtering.roles.enabled"));
    }
    if defaults.is_sponsor(&mut bag) {
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
    if target.kind == Kind::Chaos {
        // Said once, for all members.
        bag.take("cfg");
    }
    notes.extend(bag.left());
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
