//! `rsctl ixf`: the IX-F member export 1.0, with the live state of the sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use bgp_wire::{Family, Prefix};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Config, Limit, Member, MemberSession};
use crate::runtime::status::{SessionState, SessionStatus};

/// The only exchange and the only VLAN of the export.
const IXP_ID: u32 = 1;
const VLAN_ID: u32 = 1;

/// The export. `state` of a connection is `active` where at least one session is up.
#[must_use]
pub fn ixf(config: &Config, sessions: &[SessionStatus], now: SystemTime) -> Value {
    let mut by_asn: BTreeMap<u32, Vec<&Member>> = BTreeMap::new();
    for member in &config.members {
        by_asn.entry(member.asn.0).or_default().push(member);
    }
    let members: Vec<_> =
        by_asn.into_iter().map(|(asn, members)| member_entry(asn, &members, sessions)).collect();
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

fn ixp(config: &Config) -> Value {
    let mut vlan = Map::new();
    vlan.insert("id".into(), json!(VLAN_ID));
    vlan.insert("name".into(), json!("Peering LAN"));
    for (name, family) in [("ipv4", Family::V4), ("ipv6", Family::V6)] {
        let lan = config.exchange.peering_lan.iter().find(|lan| Prefix::family(lan) == family);
        if let Some(lan) = lan {
            let lan = json!({ "prefix": lan.address().to_string(), "mask_length": lan.len() });
            vlan.insert(name.into(), lan);
        }
    }
    json!({
        "ixp_id": IXP_ID,
        "ixf_id": 0,
        "shortname": config.exchange.name,
        "name": config.exchange.name,
        "vlan": [vlan],
    })
}

fn member_entry(asn: u32, members: &[&Member], sessions: &[SessionStatus]) -> Value {
    let connections: Vec<_> = members.iter().map(|member| connection(member, sessions)).collect();
    json!({
        "asnum": asn,
        "member_type": "peering",
        "name": members.first().map_or("", |member| &*member.name),
        "connection_list": connections,
    })
}

fn connection(member: &Member, sessions: &[SessionStatus]) -> Value {
    let up = |session: &MemberSession| {
        sessions.iter().find(|status| {
            status.state == SessionState::Established
                && status.id.route_server == session.key.route_server
                && status.id.address == session.key.address
                && status.id.interface == session.key.interface
        })
    };
    let since = member.sessions.iter().filter_map(up).map(|status| status.since).min();
    // One entry for each address, however many route servers it peers with.
    let mut addresses: BTreeMap<IpAddr, Vec<&MemberSession>> = BTreeMap::new();
    for session in &member.sessions {
        addresses.entry(session.key.address).or_default().push(session);
    }
    let vlans: Vec<_> = addresses
        .iter()
        .map(|(address, of)| {
            let routeserver = of.iter().any(|session| up(session).is_some());
            vlan_entry(member, *address, of, routeserver)
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

fn vlan_entry(
    member: &Member,
    address: IpAddr,
    sessions: &[&MemberSession],
    routeserver: bool,
) -> Value {
    let (name, limit): (_, fn(&MemberSession) -> Limit) = match address {
        IpAddr::V4(_) => ("ipv4", |session| session.limits.v4),
        IpAddr::V6(_) => ("ipv6", |session| session.limits.v6),
    };
    let mut entry = json!({ "address": address.to_string(), "routeserver": routeserver });
    if let Some(entry) = entry.as_object_mut() {
        if let Some(set) = member.as_set.first() {
            entry.insert("as_macro".into(), json!(set));
        }
        if let Some(Limit::Fixed(limit)) = sessions.first().map(|session| limit(session)) {
            entry.insert("max_prefix".into(), json!(limit));
        }
    }
    json!({ "vlan_id": VLAN_ID, name: entry })
}
