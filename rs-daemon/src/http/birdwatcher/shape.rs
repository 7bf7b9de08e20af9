//! The shapes that Alice-LG expects, as pure functions. Several of its assertions panic on a
//! missing or differently typed member, so what is here is not to be tidied.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::runtime::query::RouteEntry;
use crate::runtime::status::{RouteCounters, SessionId, SessionState, SessionStatus};

/// The version of the API that is spoken. Alice asserts that it is there and a string.
const API_VERSION: &str = "2.2.5";
/// How long an answer may be kept.
const TTL: Duration = Duration::from_secs(60);

/// `api`, `ttl`, `cached_at`: what stands around every payload.
pub(in crate::http) fn envelope(now: SystemTime) -> Value {
    let at = stamp(now).to_string();
    json!({
        "api": {
            "Version": API_VERSION,
            "result_from_cache": false,
            "cache_status": {
                "cached_at": { "date": at, "timezone_type": "UTC", "timezone": "UTC" },
            },
        },
        "ttl": stamp(now + TTL).to_string(),
        "cached_at": at,
    })
}

fn stamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `servertime_short` and `servertime_ext`.
pub(in crate::http) fn time(at: SystemTime) -> String {
    stamp(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Names a session with the characters that birdwatcher allows: a zone's `%` is not among them.
pub(in crate::http) fn protocol_id(session: &SessionStatus) -> String {
    let zone = session.id.interface.as_ref().map(|interface| {
        let plain: String =
            interface.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        format!("_{plain}")
    });
    format!("AS{}_{}{}", session.asn, session.id.address, zone.unwrap_or_default())
}

fn state(session: &SessionStatus) -> &'static str {
    match session.state {
        SessionState::Established => "up",
        SessionState::Disabled => "down",
        _ => "start",
    }
}

fn counts(routes: &RouteCounters) -> Value {
    json!({
        // Alice adds imported and filtered up to received: imported means accepted.
        "imported": routes.accepted,
        "filtered": routes.filtered,
        "exported": routes.exported,
        "preferred": routes.best,
    })
}

/// One of `/protocols/bgp`.
pub(in crate::http) fn protocol(session: &SessionStatus) -> Value {
    let [v4, v6] = &session.routes;
    let both = RouteCounters {
        received: v4.received + v6.received,
        accepted: v4.accepted + v6.accepted,
        best: v4.best + v6.best,
        filtered: v4.filtered + v6.filtered,
        exported: v4.exported + v6.exported,
        refused: v4.refused + v6.refused,
        filtered_by_reason: Vec::new(),
        marked: Vec::new(),
    };
    // birdwatcher writes `routes` in a channel, Alice reads `routes_count`.
    let channel = |routes| json!({ "routes": counts(routes), "routes_count": counts(routes) });
    // BIRD counts changes of routes here. Messages and routes are counted, changes are not: zeros
    // say so, and no sum of other things does.
    let changes =
        json!({ "received": 0, "rejected": 0, "filtered": 0, "ignored": 0, "accepted": 0 });
    let last_error = match (&session.disabled, &session.last_down) {
        (Some(reason), _) => reason.as_str(),
        (None, Some(reason)) if session.state != SessionState::Established => reason.as_str(),
        _ => "",
    };
    json!({
        "protocol": protocol_id(session),
        "bird_protocol": "BGP",
        "table": crate::http::view::TABLE,
        "state": state(session),
        "state_changed": time(session.since),
        "connection": connection(session.state),
        "description": &*session.name,
        "neighbor_address": session.id.address.to_string(),
        "neighbor_as": session.asn,
        "neighbor_id": session
            .negotiated
            .as_ref()
            .map_or_else(String::new, |agreed| agreed.router_id.to_string()),
        "last_error": last_error,
        "routes": counts(&both),
        "channels": { "ipv4": channel(v4), "ipv6": channel(v6) },
        "route_changes": {
            "import_updates": changes,
            "import_withdraws": changes,
            "export_updates": changes,
            "export_withdraws": changes,
        },
    })
}

/// RFC 4271's name of the state, as BIRD prints it.
fn connection(state: SessionState) -> &'static str {
    match state {
        SessionState::Idle | SessionState::Disabled => "Idle",
        SessionState::Connect => "Connect",
        SessionState::Active => "Active",
        SessionState::OpenSent => "OpenSent",
        SessionState::OpenConfirm => "OpenConfirm",
        SessionState::Established => "Established",
    }
}

/// One of `/protocols/short`.
pub(in crate::http) fn protocol_short(session: &SessionStatus) -> Value {
    json!({
        "proto": "BGP",
        "table": crate::http::view::TABLE,
        "state": state(session),
        "since": time(session.since),
        "info": connection(session.state),
    })
}

/// What a route needs to know of the session that it came from.
pub(in crate::http) struct Neighbours {
    by_id: HashMap<SessionId, Neighbour>,
}

struct Neighbour {
    protocol: String,
    interface: String,
    since: SystemTime,
}

impl Neighbours {
    pub(in crate::http) fn new(sessions: &[SessionStatus]) -> Self {
        Self::named(sessions, protocol_id)
    }

    /// With other names for the sessions.
    pub(in crate::http) fn named(
        sessions: &[SessionStatus],
        name: impl Fn(&SessionStatus) -> String,
    ) -> Self {
        let neighbour = |session: &SessionStatus| Neighbour {
            protocol: name(session),
            interface: session.id.interface.as_deref().unwrap_or_default().to_owned(),
            since: session.since,
        };
        let by_id = sessions.iter().map(|s| (s.id.clone(), neighbour(s))).collect();
        Self { by_id }
    }
}

/// When a route came: where that is not known, when its session came up.
pub(in crate::http) fn since(
    entry: &RouteEntry,
    neighbours: &Neighbours,
    now: SystemTime,
) -> SystemTime {
    match (entry.age_secs, neighbours.by_id.get(&entry.from)) {
        (Some(secs), _) => now.checked_sub(Duration::from_secs(secs)).unwrap_or(now),
        (None, Some(neighbour)) => neighbour.since,
        (None, None) => now,
    }
}

/// One of `routes`.
pub(in crate::http) fn route(
    entry: &RouteEntry,
    neighbours: &Neighbours,
    now: SystemTime,
) -> Value {
    let neighbour = neighbours.by_id.get(&entry.from);
    // Alice keeps a rejected route only if gateway or learnt_from is that of the first accepted
    // one: both are the neighbour's address, whatever the next hop.
    let address: IpAddr = entry.from.address;
    json!({
        "network": entry.prefix,
        "gateway": address.to_string(),
        "interface": neighbour.map_or("", |neighbour| neighbour.interface.as_str()),
        "from_protocol": neighbour.map_or("", |neighbour| neighbour.protocol.as_str()),
        "learnt_from": address.to_string(),
        "metric": 100,
        "primary": entry.best,
        "age": time(since(entry, neighbours, now)),
        "type": ["BGP", "univ"],
        "bgp": {
            "origin": origin(&entry.origin),
            "as_path": as_path(&entry.as_path),
            "next_hop": entry.next_hop,
            "local_pref": "100",
            "med": entry.med.unwrap_or(0).to_string(),
            "otc": entry.otc.map_or_else(String::new, |asn| asn.to_string()),
            "communities": numbers(&entry.communities),
            "large_communities": numbers(&entry.large_communities),
            "ext_communities": extended(&entry.extended_communities),
        },
    })
}

fn origin(name: &str) -> &'static str {
    match name {
        "igp" => "IGP",
        "egp" => "EGP",
        _ => "Incomplete",
    }
}

/// Strings: numbers would be ignored. A set loses its braces, as Alice would drop them.
fn as_path(path: &str) -> Vec<&str> {
    path.split([' ', '{', '}', ',', '(', ')', '[', ']']).filter(|asn| !asn.is_empty()).collect()
}

/// Communities as arrays of numbers.
fn numbers(communities: &[String]) -> Vec<Vec<u32>> {
    communities
        .iter()
        .filter_map(|text| text.split(':').map(|part| part.parse().ok()).collect())
        .collect()
}

/// Arrays of three strings; others are skipped by Alice anyway.
fn extended(communities: &[String]) -> Vec<Vec<&str>> {
    communities
        .iter()
        .map(|text| text.splitn(3, ':').collect::<Vec<_>>())
        .filter(|parts| parts.len() == 3)
        .collect()
}

#[cfg(test)]
mod tests;
