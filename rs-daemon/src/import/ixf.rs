//! An IX-F member export (versions 0.4 to 1.0).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use bgp_wire::Prefix;
use serde_json::Value;

use super::{
    ImportError, Imported,
    asn::asn,
    write::{self, Lines, NO_LAN, comment, inline, quoted, strings},
};
use crate::config::is_as_set;

/// Turns a member export into our configuration: one route server, and the members that are said
/// to be at the route servers of the first infrastructure.
///
/// # Errors
///
/// The text is no JSON, or has no list of members.
pub fn ixf(text: &str) -> Result<Imported, ImportError> {
    let document: Value = serde_json::from_str(text)?;
    let missing = |what| ImportError::Missing { file: "the export".to_owned(), what };
    let exchange = array(&document, "ixp_list").next().ok_or_else(|| missing("ixp_list"))?;
    let members: Vec<_> = array(&document, "member_list").collect();
    if members.is_empty() {
        return Err(missing("member_list"));
    }
    let mut export =
        Export { ixp_id: exchange.get("ixp_id").and_then(Value::as_i64), ..Export::default() };
    for member in members {
        export.member(member);
    }
    let mut lines = Lines::default();
    export.write_exchange(exchange, &mut lines);
    export.write_route_server(&mut lines);
    for member in &export.members {
        write_member(member, &mut lines, &mut export.notes);
    }
    Ok(Imported { configuration: lines.finish(), notes: export.notes })
}

/// What states are called where a connection carries traffic, and where it does not: the schema
/// leaves the words to each exchange.
const UP: [&str; 9] =
    ["active", "connected", "enabled", "live", "ok", "online", "operational", "production", "up"];
const DOWN: [&str; 15] = [
    "cancelled",
    "closed",
    "decommissioned",
    "disabled",
    "disconnected",
    "down",
    "inactive",
    "not connected",
    "offline",
    "pending",
    "planned",
    "quarantine",
    "requires cross connect",
    "suspended",
    "terminated",
];

/// What was found.
#[derive(Default)]
struct Export {
    ixp_id: Option<i64>,
    /// The AS of the route servers and their addresses.
    servers: BTreeMap<u32, Vec<IpAddr>>,
    members: Vec<Member>,
    /// Whose each address is.
    owners: BTreeMap<IpAddr, u32>,
    notes: Vec<String>,
}

#[derive(Default)]
struct Member {
    asn: u32,
    name: String,
    as_sets: Vec<String>,
    /// By family: v4, v6.
    limits: [Option<u32>; 2],
    sessions: Vec<Session>,
}

struct Session {
    address: IpAddr,
    macs: Vec<String>,
    disabled: Option<String>,
}

impl Export {
    fn member(&mut self, entry: &Value) {
        let written = entry.get("asnum").unwrap_or(&Value::Null);
        let Some(asn) = asn(written) else {
            self.notes.push(match written {
                Value::Null => "a member without asnum: left out".to_owned(),
                _ => format!("a member with asnum = {written}: left out"),
            });
            return;
        };
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut member = Member { asn, name: name.to_owned(), ..Member::default() };
        let (mut elsewhere, before) = (0, self.notes.len());
        let mut is_server = false;
        for connection in array(entry, "connection_list") {
            let ixp_id = connection.get("ixp_id").and_then(Value::as_i64);
            if ixp_id.is_some() && self.ixp_id.is_some() && ixp_id != self.ixp_id {
                elsewhere += 1;
                continue;
            }
            is_server |= self.connection(connection, &mut member);
        }
        if elsewhere > 0 {
            let note =
                format!("AS{asn}: {elsewhere} connections to other infrastructures: left out");
            self.notes.push(note);
        }
        if !member.sessions.is_empty() {
            self.members.push(member);
        } else if !is_server && self.notes.len() == before {
            self.notes.push(format!("AS{asn}: has no address: left out"));
        }
    }

    /// Whether a route server of the exchange is behind it.
    fn connection(&mut self, connection: &Value, member: &mut Member) -> bool {
        let disabled = self.disabled(connection, member.asn);
        let mut is_server = false;
        for vlan in array(connection, "vlan_list") {
            for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
                if let Some(port) = vlan.get(family).filter(|port| !port.is_null()) {
                    is_server |= self.port(port, index, disabled.as_deref(), member);
                }
            }
        }
        is_server
    }

    /// Why the sessions over a connection are kept down. One in a state that we have no word for
    /// stays as it is: members would be cut off for a word.
    fn disabled(&mut self, connection: &Value, asn: u32) -> Option<String> {
        let written = connection.get("state").filter(|state| !state.is_null())?;
        let state = written.as_str().unwrap_or_default().trim().to_ascii_lowercase();
        let state = state.replace(['_', '-'], " ");
        if DOWN.contains(&&*state) {
            return Some(format!("connection is {state}"));
        }
        if !UP.contains(&&*state) {
            self.notes.push(format!(
                "AS{asn}: the connection's state = {written} is not known: its sessions are not \
                 disabled"
            ));
        }
        None
    }

    /// Whether it is the route server's own.
    fn port(
        &mut self,
        port: &Value,
        family: usize,
        disabled: Option<&str>,
        member: &mut Member,
    ) -> bool {
        let asn = member.asn;
        let written = port.get("address").unwrap_or(&Value::Null);
        let Some(address) = written.as_str().and_then(|text| text.trim().parse().ok()) else {
            // Who has no address of a family says so with none, or with an empty one.
            if !written.is_null() && written != "" {
                self.notes.push(format!("AS{asn}: {written} is no address: left out"));
            }
            return false;
        };
        let is_server = array(port, "services")
            .any(|service| service.get("type").and_then(Value::as_str) == Some("ixrouteserver"));
        if is_server {
            let addresses = self.servers.entry(asn).or_default();
            if addresses.contains(&address) {
                self.notes.push(format!("AS{asn}: {address} stands there twice: written once"));
            } else {
                addresses.push(address);
            }
            return true;
        }
        if port.get("routeserver").and_then(Value::as_bool) != Some(true) {
            self.notes.push(format!("AS{asn}: {address} is not at the route servers: left out"));
            return false;
        }
        let macs = array(port, "mac_addresses").filter_map(Value::as_str).map(str::to_owned);
        let session =
            Session { address, macs: macs.collect(), disabled: disabled.map(str::to_owned) };
        if self.session(session, member) {
            let most = self.limit(port, asn, address);
            if let Some(limit) = member.limits.get_mut(family) {
                *limit = (*limit).max(most);
            }
            self.as_sets(port, member);
        }
        false
    }

    /// Adds a session. A member may have an address over several connections, and is down only
    /// where all of them are. Whether the address is the member's.
    fn session(&mut self, session: Session, member: &mut Member) -> bool {
        let (asn, address) = (member.asn, session.address);
        let Some(owner) = self.owners.insert(address, asn) else {
            member.sessions.push(session);
            return true;
        };
        if owner != asn {
            self.owners.insert(address, owner);
            self.notes.push(format!("AS{asn}: {address} is AS{owner}'s already: left out"));
            return false;
        }
        self.notes.push(format!("AS{asn}: {address} stands there twice: written once"));
        // An AS may have several entries.
        let earlier = self.members.iter_mut().filter(|member| member.asn == asn);
        let mut sessions = earlier.flat_map(|member| &mut member.sessions);
        let known = member.sessions.iter_mut().find(|known| known.address == address);
        if let Some(known) = known.or_else(|| sessions.find(|known| known.address == address)) {
            known.disabled = known.disabled.take().filter(|_| session.disabled.is_some());
            known.macs.extend(session.macs);
            known.macs.dedup();
        }
        true
    }

    /// 0 is none.
    fn limit(&mut self, port: &Value, asn: u32, address: IpAddr) -> Option<u32> {
        let written = port.get("max_prefix").filter(|limit| !limit.is_null())?;
        let limit = written.as_u64().or_else(|| written.as_str()?.trim().parse().ok());
        match limit.map(u32::try_from) {
            Some(Ok(limit)) => Some(limit).filter(|limit| *limit > 0),
            _ => {
                self.notes.push(format!(
                    "AS{asn}: {address}: max_prefix = {written} is no limit: left out"
                ));
                None
            }
        }
    }

    fn as_sets(&mut self, port: &Value, member: &mut Member) {
        let asn = member.asn;
        let Some(written) = port.get("as_macro").filter(|sets| !sets.is_null()) else { return };
        let Some(sets) = written.as_str() else {
            self.notes.push(format!("AS{asn}: as_macro = {written} is no as-set: left out"));
            return;
        };
        for set in sets.split_whitespace() {
            if !is_as_set(set) {
                self.notes.push(format!("AS{asn}: {set} is no as-set: left out"));
            } else if !member.as_sets.iter().any(|known| known == set) {
                member.as_sets.push(set.to_owned());
            }
        }
    }

    fn write_exchange(&mut self, exchange: &Value, lines: &mut Lines) {
        let name = ["name", "shortname"].into_iter().find_map(|key| exchange.get(key)?.as_str());
        lines.line("[exchange]");
        let name = name.unwrap_or("Internet exchange");
        lines.key("name", write::name("exchange", name, &mut self.notes));
        match self.servers.keys().next() {
            Some(asn) => lines.key("asn", asn),
            None => {
                lines.key("asn", format_args!("64500{}", comment("not said")));
                self.notes.push("exchange.asn: not said there; set it".to_owned());
            }
        }
        let lans = self.lans(exchange);
        if lans.is_empty() {
            lines.line(NO_LAN);
            self.notes.push("exchange.peering_lan: not said there; set it".to_owned());
        } else {
            lines.key("peering_lan", strings(lans));
        }
        let mut sessions = self.members.iter().flat_map(|member| &member.sessions);
        if sessions.any(|session| is_link_local(session.address)) {
            lines.key("interface", format_args!("\"eth1\"{}", comment("not said")));
            self.notes.push("exchange.interface: not said there; set it".to_owned());
        }
        lines.line("\n[irr]");
        lines.key("server", format_args!("\"127.0.0.1:43\"{}", comment("not said")));
        lines.line("\n# [[rpki.cache]]\n# address = \"127.0.0.1:3323\"");
        self.notes.push("irr.server and rpki.cache: not said there; set them".to_owned());
    }

    /// The networks of all VLANs, each once.
    fn lans(&mut self, exchange: &Value) -> Vec<String> {
        let mut lans = Vec::new();
        for vlan in array(exchange, "vlan") {
            let families = ["ipv4", "ipv6"].into_iter().filter_map(|family| vlan.get(family));
            for written in families.filter(|lan| !lan.is_null()) {
                match lan(written).map(|lan| lan.to_string()) {
                    Some(lan) if lans.contains(&lan) => {}
                    Some(lan) => lans.push(lan),
                    None => self.notes.push(format!("vlan: {written} is no network: left out")),
                }
            }
        }
        lans
    }

    fn write_route_server(&mut self, lines: &mut Lines) {
        let addresses: Vec<_> = self.servers.values().next().cloned().unwrap_or_default();
        if self.servers.len() > 1 || addresses.len() > 2 {
            self.notes.push(
                "route_server: the export names several; they stand as one here, so give each its \
                 own [[route_server]]"
                    .to_owned(),
            );
        }
        lines.line("\n[[route_server]]\nname = \"rs1\"");
        let router_id = addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        if router_id.is_none() {
            self.notes.push("route_server.router_id: not said there; set it".to_owned());
        }
        let mark = if router_id.is_none() { comment("not said") } else { String::new() };
        let router_id = router_id.unwrap_or(Ipv4Addr::new(192, 0, 2, 250));
        lines.key("router_id", format_args!("\"{router_id}\"{mark}"));
        let listens = |v6: bool| addresses.iter().any(|address| address.is_ipv6() == v6);
        let sessions = || self.members.iter().flat_map(|member| &member.sessions);
        let wanted = |v6: bool| sessions().any(|session| session.address.is_ipv6() == v6);
        let mut listen: Vec<_> = addresses.iter().map(|address| socket(*address)).collect();
        for (example, v6) in [("192.0.2.250:179", false), ("[2001:db8::250]:179", true)] {
            if wanted(v6) && !listens(v6) {
                listen.push(example.to_owned());
                let note = format!("route_server.listen: {example} stands for what is not said");
                self.notes.push(note);
            }
        }
        let mark = match listen.len() - addresses.len() {
            0 => String::new(),
            all if all == listen.len() => comment("not said: name the addresses"),
            _ => comment(&format!("not said: {}", listen[addresses.len()..].join(", "))),
        };
        lines.key("listen", format_args!("{}{mark}", strings(listen)));
    }
}

fn write_member(member: &Member, lines: &mut Lines, notes: &mut Vec<String>) {
    lines.line("\n[[member]]");
    lines.key("asn", member.asn);
    if !member.name.is_empty() {
        let whose = format!("AS{}", member.asn);
        lines.key("name", write::name(&whose, &member.name, notes));
    }
    if !member.as_sets.is_empty() {
        lines.key("as_set", strings(&member.as_sets));
    }
    let [v4, v6] = member.limits.map(|limit| limit.map(|limit| limit.to_string()));
    lines.optional("max_prefixes", inline(&[("v4", v4), ("v6", v6)]));
    for session in &member.sessions {
        let macs = match session.macs.as_slice() {
            [] => String::new(),
            macs => comment(&format!("MAC {}", macs.join(" "))),
        };
        lines.line("\n  [[member.session]]");
        lines.key("  address", format_args!("\"{}\"{macs}", session.address));
        if let Some(reason) = &session.disabled {
            lines.key("  disabled", quoted(reason));
            notes.push(format!("AS{}: {}: {reason}: disabled", member.asn, session.address));
        }
    }
}

fn array<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The network that a VLAN has of a family.
fn lan(written: &Value) -> Option<Prefix> {
    let length = u8::try_from(written.get("mask_length")?.as_u64()?).ok()?;
    Prefix::new(written.get("prefix")?.as_str()?.parse().ok()?, length)
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn socket(address: IpAddr) -> String {
    std::net::SocketAddr::new(address, 179).to_string()
}
