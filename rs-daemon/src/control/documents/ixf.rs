//! `rsctl ixf`: the IX-F member export 1.0, with the live state of the sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use bgp_wire::{Family, Prefix};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Config, Limit, Member, MemberSession};
use crate::runtime::status::{SessionState, SessionStatus};

/// The only exchange of the export.
const IXP_ID: u32 = 1;

/// The export. `state` of a connection is `active` where at least one session is up.
#[must_use]
pub fn ixf(config: &Config, sessions: &[SessionStatus], now: SystemTime) -> Value {
    let mut by_asn: BTreeMap<u32, Vec<&Member>> = BTreeMap::new();
    for member in &config.members {
        by_asn.entry(member.asn.0).or_default().push(member);
    }
    let members =
        by_asn.into_iter().map(|(asn, members)| member_entry(asn, &members, config, sessions));
    let members: Vec<_> = members.collect();
    json!({
        "version": "1.0",
        "timestamp": time(now),
        "ixp_list": [ixp(config)],
        "member_list": members,
    })
}

fn time(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The peering LANs of a family, in the order of the configuration: the first of each are the
/// first VLAN, and so on.
fn lans(config: &Config, family: Family) -> impl Iterator<Item = &Prefix> {
    config.exchange.peering_lan.iter().filter(move |lan| lan.family() == family)
}

/// The VLAN in which an address lies; `None` for one that lies in no peering LAN, such as a
/// link-local one.
fn vlan_of(config: &Config, address: IpAddr) -> Option<usize> {
    let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
    let host = Prefix::new(address, if address.is_ipv4() { 32 } else { 128 })?;
    lans(config, family).position(|lan| lan.covers(&host)).map(|index| index + 1)
}

fn vlans(config: &Config) -> Vec<Value> {
    let count = |family| lans(config, family).count();
    // Without a peering LAN there is still one that the sessions are in.
    let count = count(Family::V4).max(count(Family::V6)).max(1);
    let vlan = |index: usize| {
        let mut vlan = Map::new();
        vlan.insert("id".into(), json!(index + 1));
        let name = match count {
            1 => "Peering LAN".to_owned(),
            _ => format!("Peering LAN {}", index + 1),
        };
        vlan.insert("name".into(), json!(name));
        for (name, family) in [("ipv4", Family::V4), ("ipv6", Family::V6)] {
            if let Some(lan) = lans(config, family).nth(index) {
                let lan = json!({ "prefix": lan.address().to_string(), "mask_length": lan.len() });
                vlan.insert(name.into(), lan);
            }
        }
        Value::Object(vlan)
    };
    (0..count).map(vlan).collect()
}

fn ixp(config: &Config) -> Value {
    json!({
        "ixp_id": IXP_ID,
        "ixf_id": 0,
        "shortname": config.exchange.name,
        "name": config.exchange.name,
        "vlan": vlans(config),
    })
}

fn member_entry(
    asn: u32,
    members: &[&Member],
    config: &Config,
    sessions: &[SessionStatus],
) -> Value {
    let connections: Vec<_> = ports(members)
        .iter()
        .map(|(member, of)| connection(member, of, config, sessions))
        .collect();
    // A name that is only the number says less than any other one.
    let number = format!("AS{asn}");
    let named = members.iter().find(|member| *member.name != *number).or_else(|| members.first());
    // Nobody peers with a collector.
    let peers = members.iter().any(|member| !member.collector);
    json!({
        "asnum": asn,
        "member_type": if peers { "peering" } else { "other" },
        "name": named.map_or("", |member| &*member.name),
        "connection_list": connections,
    })
}

/// One port for each address, also where each route server has an entry of its own for it, and one
/// for all addresses that stand in one entry.
fn ports<'a>(members: &[&'a Member]) -> Vec<(&'a Member, Vec<&'a MemberSession>)> {
    let of = |session: &MemberSession| (session.key.address, session.key.interface.clone());
    let mut ports: Vec<(&Member, Vec<&MemberSession>)> = Vec::new();
    for member in members {
        let here: Vec<_> = member.sessions.iter().map(of).collect();
        let shares = |port: &(&Member, Vec<&MemberSession>)| {
            port.1.iter().any(|session| here.contains(&of(session)))
        };
        let Some(first) = ports.iter().position(shares) else {
            ports.push((member, member.sessions.iter().collect()));
            continue;
        };
        // Those that were apart until here are one.
        let (same, others): (Vec<_>, Vec<_>) =
            ports.split_off(first + 1).into_iter().partition(shares);
        ports.extend(others);
        let one = &mut ports[first].1;
        one.extend(same.into_iter().flat_map(|(_, sessions)| sessions));
        one.extend(&member.sessions);
    }
    ports
}

fn connection(
    member: &Member,
    of_port: &[&MemberSession],
    config: &Config,
    sessions: &[SessionStatus],
) -> Value {
    let live = |session: &MemberSession| {
        sessions.iter().find(|status| {
            status.id.route_server == session.key.route_server
                && status.id.address == session.key.address
                && status.id.interface == session.key.interface
        })
    };
    let up = |session: &MemberSession| {
        live(session).filter(|status| status.state == SessionState::Established)
    };
    let since = of_port.iter().copied().filter_map(up).map(|status| status.since).min();
    // One entry for each address, however many route servers it peers with.
    let mut addresses: BTreeMap<IpAddr, Vec<&MemberSession>> = BTreeMap::new();
    for session in of_port.iter().copied() {
        addresses.entry(session.key.address).or_default().push(session);
    }
    // A link-local address is in the VLAN of the member's other ones.
    let usual = addresses.keys().find_map(|address| vlan_of(config, *address)).unwrap_or(1);
    let vlans: Vec<_> = addresses
        .iter()
        .map(|(address, of)| {
            let routeserver = of.iter().any(|session| up(session).is_some());
            let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
            let limit = of.iter().filter_map(|one| limit(one, live(one), family)).max();
            let entry = vlan_entry(member, *address, limit, routeserver);
            let name = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            json!({ "vlan_id": vlan_of(config, *address).unwrap_or(usual), name: entry })
        })
        .collect();
    let mut entry = json!({
        "ixp_id": IXP_ID,
        "state": if since.is_some() { "active" } else { "inactive" },
        "if_list": [],
        "vlan_list": vlans,
    });
    if let (Some(since), Some(entry)) = (since, entry.as_object_mut()) {
        entry.insert("connected_since".into(), json!(time(since)));
    }
    entry
}

/// The limit in force for the address's own family or on both together, whichever is met first: of
/// one that follows the announcements, only the running session knows it.
fn limit(session: &MemberSession, live: Option<&SessionStatus>, family: Family) -> Option<u32> {
    let of = |limit| match limit {
        Limit::Fixed(limit) => Some(limit),
        Limit::Dynamic { until_learned } => until_learned,
        Limit::Off => None,
    };
    let (own, total) = match live {
        Some(live) => (live.limits[family as usize], live.limit_total),
        None => {
            let limits = &session.limits;
            (of(if family == Family::V4 { limits.v4 } else { limits.v6 }), of(limits.total))
        }
    };
    own.into_iter().chain(total).min()
}

fn vlan_entry(member: &Member, address: IpAddr, limit: Option<u32>, routeserver: bool) -> Value {
    let mut entry = json!({ "address": address.to_string(), "routeserver": routeserver });
    if let Some(entry) = entry.as_object_mut() {
        if let Some(set) = member.as_set.first() {
            entry.insert("as_macro".into(), json!(set));
        }
        if let Some(limit) = limit {
            entry.insert("max_prefix".into(), json!(limit));
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::control::sample;

    const CONFIG: &str = r#"
        [exchange]
        name        = "Test IX"
        asn         = 64500
        peering_lan = ["192.0.2.0/24"]
        interface   = "eth1"
        [[route_server]]
        name      = "rs1"
        router_id = "192.0.2.250"
        listen    = ["192.0.2.250:179", "[fe80::1]:179"]
        [route_server.import]
        irr          = "off"
        rpki         = "off"
        max_prefixes = "dynamic"
        [[member]]
        asn    = 20001
        name   = "Alder"
        as_set = ["AS-ALDER"]
        [[member.session]]
        address = "192.0.2.1"
        [[member.session]]
        address = "fe80::2:1"
        [[member]]
        asn = 20002
        max_prefixes = { v4 = 50 }
        [[member.session]]
        address = "192.0.2.2"
    "#;

    /// What is live comes from the sessions: who is up, since when, and the limit that a member's
    /// announcements have led to.
    #[test]
    fn the_export_says_what_is_live() {
        let config = crate::config::parse(Path::new("ixf.toml"), CONFIG).unwrap();
        let mut alder = sample::session("rs1", 20001, "192.0.2.1");
        alder.limits[0] = Some(1000);
        let mut alder_v6 = sample::session("rs1", 20001, "fe80::2:1");
        alder_v6.id.interface = Some("eth1".into());
        alder_v6.state = SessionState::Active;
        alder_v6.limits[1] = Some(100);
        let export = ixf(&config, &[alder, alder_v6], sample::time(sample::NOON));

        assert_eq!(export["version"], "1.0");
        assert_eq!(export["timestamp"], "2026-11-21T12:00:00Z");
        let lan = json!({ "prefix": "192.0.2.0", "mask_length": 24 });
        assert_eq!(export["ixp_list"][0]["vlan"][0]["ipv4"], lan);
        let [alder, birch] = &export["member_list"].as_array().unwrap()[..] else {
            panic!("two members: {export:#}")
        };
        assert_eq!((&alder["asnum"], &alder["name"]), (&json!(20001), &json!("Alder")));
        let connection = &alder["connection_list"][0];
        assert_eq!(connection["state"], "active");
        assert_eq!(connection["connected_since"], "2026-11-21T10:57:57Z");
        let expected = json!([
            { "vlan_id": 1, "ipv4": { "address": "192.0.2.1", "routeserver": true,
              "as_macro": "AS-ALDER", "max_prefix": 1000 } },
            { "vlan_id": 1, "ipv6": { "address": "fe80::2:1", "routeserver": false,
              "as_macro": "AS-ALDER", "max_prefix": 100 } },
        ]);
        assert_eq!(connection["vlan_list"], expected);
        let connection = &birch["connection_list"][0];
        assert_eq!(connection["state"], "inactive");
        assert!(connection.get("connected_since").is_none(), "{connection}");
        assert_eq!(connection["vlan_list"][0]["ipv4"]["max_prefix"], 50);
    }

    /// A limit on both families comes beside those of each, which the member inherits.
    #[test]
    fn the_smaller_limit_is_exported() {
        let text = CONFIG
            .replace("max_prefixes = \"dynamic\"", "")
            .replace("max_prefixes = { v4 = 50 }", "max_prefixes = { total = 2000 }");
        let config = crate::config::parse(Path::new("ixf.toml"), &text).unwrap();
        let limit = |config: &Config, sessions: &[SessionStatus]| {
            let export = ixf(config, sessions, sample::time(sample::NOON));
            let connection = &export["member_list"][1]["connection_list"][0];
            connection["vlan_list"][0]["ipv4"]["max_prefix"].clone()
        };
        assert_eq!(limit(&config, &[]), 2000, "as configured");
        let mut live = sample::session("rs1", 20002, "192.0.2.2");
        (live.limits, live.limit_total) = ([Some(170_000), None], Some(2000));
        assert_eq!(limit(&config, std::slice::from_ref(&live)), 2000, "as it is live");
        live.limits[0] = Some(50);
        assert_eq!(limit(&config, &[live]), 50);
        let both = text.replace("total = 2000", "v4 = 50, total = 2000");
        let config = crate::config::parse(Path::new("ixf.toml"), &both).unwrap();
        assert_eq!(limit(&config, &[]), 50);
    }

    /// `CONFIG` with a second route server, at which Birch is with what `more` says, if at all.
    fn with_two_route_servers(more: &str) -> Config {
        let second = r#"
            [[route_server]]
            name      = "rs2"
            router_id = "192.0.2.251"
            listen    = ["192.0.2.251:179", "[fe80::2]:179"]
            [route_server.import]
            irr  = "off"
            rpki = "off"
        "#;
        let text = CONFIG.replace(
            "        address = \"192.0.2.2\"",
            "        address = \"192.0.2.2\"\n        route_servers = [\"rs1\"]",
        );
        crate::config::parse(Path::new("ixf.toml"), &(text + second + more)).unwrap()
    }

    /// Each route server may have a table of its own for a member, as an import of several
    /// configurations writes it: it is one port all the same.
    #[test]
    fn a_port_of_several_tables_is_exported_once() {
        let second = r#"
            [[member]]
            asn  = 20002
            name = "Birch"
            max_prefixes = { v4 = 70 }
            [[member.session]]
            address       = "192.0.2.2"
            route_servers = ["rs2"]
            [[member]]
            asn  = 20002
            name = "Birch, another port"
            [[member.session]]
            address = "192.0.2.3"
        "#;
        let config = with_two_route_servers(second);
        let mut live = sample::session("rs2", 20002, "192.0.2.2");
        live.limits[0] = Some(70);
        let export = ixf(&config, &[live], sample::time(sample::NOON));
        let member = &export["member_list"][1];
        assert_eq!(member["name"], "Birch", "not what stands for a name");
        let ports = member["connection_list"].as_array().unwrap();
        let port = |index: usize| &ports[index]["vlan_list"];
        assert_eq!((ports.len(), &ports[0]["state"]), (2, &json!("active")));
        let expected = json!([{ "vlan_id": 1, "ipv4": {
            "address": "192.0.2.2", "routeserver": true, "max_prefix": 70 } }]);
        assert_eq!(port(0), &expected);
        assert_eq!(port(1)[0]["ipv4"]["address"], "192.0.2.3");
    }

    /// One route server has a table for each family, the other one for both: one port again, and
    /// others stay where they are.
    #[test]
    fn a_table_that_has_the_addresses_of_two_joins_them() {
        let more = r#"
            [[member]]
            asn = 20002
            [[member.session]]
            address = "192.0.2.3"
            [[member]]
            asn = 20002
            [[member.session]]
            address       = "fe80::2:2"
            route_servers = ["rs1"]
            [[member]]
            asn = 20002
            [[member.session]]
            address       = "192.0.2.2"
            route_servers = ["rs2"]
            [[member.session]]
            address       = "fe80::2:2"
            route_servers = ["rs2"]
        "#;
        let config = with_two_route_servers(more);
        let export = ixf(&config, &[], sample::time(sample::NOON));
        let ports = export["member_list"][1]["connection_list"].as_array().unwrap();
        let addresses = ports.iter().map(|port| {
            let vlans = port["vlan_list"].as_array().unwrap().iter();
            let address = |vlan: &Value| {
                let family = if vlan.get("ipv4").is_some() { "ipv4" } else { "ipv6" };
                vlan[family]["address"].as_str().unwrap().to_owned()
            };
            vlans.map(address).collect::<Vec<_>>()
        });
        let addresses: Vec<_> = addresses.collect();
        assert_eq!(addresses, [vec!["192.0.2.2", "fe80::2:2"], vec!["192.0.2.3"]]);
    }

    /// Networks of each family make a VLAN in the order in which they stand, and a collector is no
    /// member to peer with.
    #[test]
    fn each_pair_of_lans_is_a_vlan_and_a_collector_no_peer() {
        let text = CONFIG
            .replace(
                "[\"192.0.2.0/24\"]",
                "[\"192.0.2.0/25\", \"2001:db8:1::/64\", \"192.0.2.128/25\", \"2001:db8:2::/64\", \
                 \"2001:db8:3::/64\"]",
            )
            .replace("\"[fe80::1]:179\"", "\"[fe80::1]:179\", \"[2001:db8:2::250]:179\"")
            .replace("asn = 20002", "asn = 20002\n        collector = true");
        let more = r#"
            [[member.session]]
            address = "fe80::2:2"
            [[member]]
            asn = 20003
            [[member.session]]
            address = "192.0.2.130"
            [[member.session]]
            address = "2001:db8:2::3"
            [[member.session]]
            address = "fe80::2:3"
            [[member]]
            asn = 20003
            collector = true
            [[member.session]]
            address = "2001:db8:3::4"
        "#;
        let config = crate::config::parse(Path::new("ixf.toml"), &(text + more)).unwrap();
        let export = ixf(&config, &[], sample::time(sample::NOON));
        let lan = |prefix: &str, length: u8| json!({ "prefix": prefix, "mask_length": length });
        let expected = json!([
            { "id": 1, "name": "Peering LAN 1",
              "ipv4": lan("192.0.2.0", 25), "ipv6": lan("2001:db8:1::", 64) },
            { "id": 2, "name": "Peering LAN 2",
              "ipv4": lan("192.0.2.128", 25), "ipv6": lan("2001:db8:2::", 64) },
            { "id": 3, "name": "Peering LAN 3", "ipv6": lan("2001:db8:3::", 64) },
        ]);
        assert_eq!(export["ixp_list"][0]["vlan"], expected);
        let members = export["member_list"].as_array().unwrap().iter();
        let kinds = members.map(|member| (&member["asnum"], member["member_type"].as_str()));
        let kinds: Vec<_> = kinds.map(|(asn, kind)| (asn.as_u64(), kind)).collect();
        assert_eq!(
            kinds,
            [
                (Some(20001), Some("peering")),
                (Some(20002), Some("other")),
                (Some(20003), Some("peering"))
            ]
        );
        let vlans = |member: usize, connection: usize| -> Vec<_> {
            let connection = &export["member_list"][member]["connection_list"][connection];
            let entries = connection["vlan_list"].as_array().unwrap().iter();
            entries.map(|entry| entry["vlan_id"].as_u64().unwrap()).collect()
        };
        assert_eq!(vlans(0, 0), [1, 1]);
        assert_eq!(vlans(2, 0), [2, 2, 2], "link-local beside those of the second");
        assert_eq!(vlans(2, 1), [3]);
    }
}
