//! An IX-F member export (versions 0.4 to 1.0).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use bgp_wire::Prefix;
use serde_json::Value;

use super::{
    ImportError, Imported,
    write::{Lines, comment, inline, quoted, strings},
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
    let missing = |what| ImportError::Missing { file: "the export", what };
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
        write_member(member, &mut lines);
    }
    Ok(Imported { configuration: lines.finish(), notes: export.notes })
}

/// What was found.
#[derive(Default)]
struct Export {
    ixp_id: Option<i64>,
    /// The AS of the route servers and their addresses.
    servers: BTreeMap<u64, Vec<IpAddr>>,
    members: Vec<Member>,
    notes: Vec<String>,
}

#[derive(Default)]
struct Member {
    asn: u64,
    name: String,
    as_sets: Vec<String>,
    /// By family: v4, v6.
    limits: [Option<u64>; 2],
    sessions: Vec<Session>,
}

struct Session {
    address: IpAddr,
    macs: Vec<String>,
    disabled: Option<String>,
}

impl Export {
    fn member(&mut self, entry: &Value) {
        let Some(asn) = entry.get("asnum").and_then(Value::as_u64) else {
            self.notes.push("a member without asnum: left out".to_owned());
            return;
        };
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut member = Member { asn, name: name.to_owned(), ..Member::default() };
        let mut elsewhere = 0;
        for connection in array(entry, "connection_list") {
            let ixp_id = connection.get("ixp_id").and_then(Value::as_i64);
            if ixp_id.is_some() && self.ixp_id.is_some() && ixp_id != self.ixp_id {
                elsewhere += 1;
                continue;
            }
            self.connection(connection, &mut member);
        }
        if elsewhere > 0 {
            let note =
                format!("AS{asn}: {elsewhere} connections to other infrastructures: left out");
            self.notes.push(note);
        }
        if !member.sessions.is_empty() {
            self.members.push(member);
        }
    }

    fn connection(&mut self, connection: &Value, member: &mut Member) {
        let state = connection.get("state").and_then(Value::as_str).unwrap_or("active");
        let disabled = (!matches!(state, "active" | "connected" | "production"))
            .then(|| format!("connection is {state}"));
        for vlan in array(connection, "vlan_list") {
            for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
                if let Some(port) = vlan.get(family) {
                    self.port(port, index, disabled.as_deref(), member);
                }
            }
        }
    }

    fn port(&mut self, port: &Value, family: usize, disabled: Option<&str>, member: &mut Member) {
        let asn = member.asn;
        let Some(text) = port.get("address").and_then(Value::as_str) else { return };
        let Ok(address) = text.parse::<IpAddr>() else {
            self.notes.push(format!("AS{asn}: {text} is no address: left out"));
            return;
        };
        let is_server = array(port, "services")
            .any(|service| service.get("type").and_then(Value::as_str) == Some("ixrouteserver"));
        if is_server {
            self.servers.entry(asn).or_default().push(address);
            return;
        }
        if port.get("routeserver").and_then(Value::as_bool) != Some(true) {
            self.notes.push(format!("AS{asn}: {address} is not at the route servers: left out"));
            return;
        }
        let macs = array(port, "mac_addresses").filter_map(Value::as_str).map(str::to_owned);
        member.sessions.push(Session {
            address,
            macs: macs.collect(),
            disabled: disabled.map(str::to_owned),
        });
        let most = port.get("max_prefix").and_then(Value::as_u64).filter(|most| *most > 0);
        if let Some(limit) = member.limits.get_mut(family) {
            *limit = (*limit).max(most);
        }
        let sets = port.get("as_macro").and_then(Value::as_str).unwrap_or_default();
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
        lines.key("name", quoted(name.unwrap_or("Internet exchange")));
        match self.servers.keys().next() {
            Some(asn) => lines.key("asn", asn),
            None => {
                lines.key("asn", format_args!("64500{}", comment("not said")));
                self.notes.push("exchange.asn: not said there; set it".to_owned());
            }
        }
        let vlans = array(exchange, "vlan");
        let lans: Vec<_> = vlans.flat_map(lans).map(|lan| lan.to_string()).collect();
        if lans.is_empty() {
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
        let router_id = router_id.unwrap_or(Ipv4Addr::new(192, 0, 2, 250));
        lines.key("router_id", format_args!("\"{router_id}\""));
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
        lines.key("listen", strings(listen));
    }
}

fn write_member(member: &Member, lines: &mut Lines) {
    lines.line("\n[[member]]");
    lines.key("asn", member.asn);
    if !member.name.is_empty() {
        lines.key("name", quoted(&member.name));
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
        lines.optional("  disabled", session.disabled.as_deref().map(quoted));
    }
}

fn array<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The prefixes of a VLAN.
fn lans(vlan: &Value) -> impl Iterator<Item = Prefix> {
    ["ipv4", "ipv6"].into_iter().filter_map(move |family| {
        let lan = vlan.get(family)?;
        let length = u8::try_from(lan.get("mask_length")?.as_u64()?).ok()?;
        Prefix::new(lan.get("prefix")?.as_str()?.parse().ok()?, length)
    })
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn socket(address: IpAddr) -> String {
    std::net::SocketAddr::new(address, 179).to_string()
}
