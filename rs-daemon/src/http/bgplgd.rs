//! `/bgplgd/{rs}/…`: what OpenBGPD's bgplgd answers, one for each route server, for Alice-LG's
//! `openbgpd-bgplgd` sources and whatever else reads `bgpctl -j`.
//!
//! Alice asks `/rib?neighbor=` for accepted and rejected routes together and tells them apart by
//! the reject communities that it is configured with, so both are in that answer, rejected ones
//! with the communities that say why.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::App;
use super::limits::Place;
use super::view::{Failure, View, bad, missing};
use crate::runtime::query::{PrefixMatch, RouteEntry, RouteQuery};
use crate::runtime::status::{DirectionCounters, SessionState, SessionStatus};

type Answer = Result<Response, Failure>;
type Asked<T> = Result<Query<T>, QueryRejection>;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/{rs}/neighbors", get(neighbors))
        .route("/{rs}/summary", get(summary))
        .route("/{rs}/rib", get(rib))
        .fallback(|| async { missing("there is nothing at this path".to_owned()) })
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NeighborsAsked {
    neighbor: Option<String>,
}

async fn neighbors(
    State(app): State<App>,
    Path(rs): Path<String>,
    asked: Asked<NeighborsAsked>,
) -> Answer {
    let Query(asked) = asked?;
    let view = View::of(app, &rs).await?;
    let sessions: Vec<_> = match asked.neighbor {
        Some(neighbor) => vec![one(&view, &neighbor)?],
        None => view.sessions.iter().collect(),
    };
    let now = SystemTime::now();
    let all: Vec<_> = sessions.into_iter().map(|session| neighbor(session, now)).collect();
    Ok(Json(json!({ "neighbors": all })).into_response())
}

async fn summary(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let now = SystemTime::now();
    let all: Vec<_> = view.sessions.iter().map(|session| in_short(session, now)).collect();
    Ok(Json(json!({ "neighbors": all })).into_response())
}

/// The one session with this address (with or without zone) or description.
fn one<'a>(view: &'a View, neighbor: &str) -> Result<&'a SessionStatus, Failure> {
    let (address, zone) = match neighbor.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (neighbor, None),
    };
    let address: Option<IpAddr> = address.parse().ok();
    let is = |session: &&SessionStatus| match address {
        Some(address) => {
            let interface = session.id.interface.as_deref();
            session.id.address == address && zone.is_none_or(|zone| interface == Some(zone))
        }
        None => &*session.name == neighbor,
    };
    let mut found = view.sessions.iter().filter(is);
    match (found.next(), found.next()) {
        (Some(session), None) => Ok(session),
        (None, _) => Err(missing(format!("there is no neighbor {neighbor:?}"))),
        (Some(_), Some(_)) => Err(bad("there are several of them: say the address")),
    }
}

/// One of `/summary`.
fn in_short(session: &SessionStatus, now: SystemTime) -> Value {
    let mut object = json!({
        "remote_as": session.asn.to_string(),
        "description": &*session.name,
        "group": &*session.id.route_server,
        "remote_addr": session.id.address.to_string(),
        "state": state(session.state),
        "last_updown": timeframe(now.duration_since(session.since).unwrap_or_default()),
        // Alice ends with a panic where these two are missing.
        "stats": { "prefixes": {
            "sent": sum(session, |routes| routes.exported),
            "received": sum(session, |routes| routes.received),
        } },
    });
    if let (Some(agreed), Value::Object(object)) = (&session.negotiated, &mut object) {
        object.insert("bgpid".to_owned(), json!(agreed.router_id.to_string()));
    }
    object
}

fn sum(session: &SessionStatus, field: fn(&crate::runtime::status::RouteCounters) -> u64) -> u64 {
    session.routes.iter().map(field).sum()
}

/// One of `/neighbors`.
fn neighbor(session: &SessionStatus, now: SystemTime) -> Value {
    let mut object = in_short(session, now);
    object["config"] = json!({
        "template": false,
        "cloned": false,
        "down": session.state == SessionState::Disabled,
    });
    object["stats"]["message"] = json!({
        "sent": messages(&session.messages.sent),
        "received": messages(&session.messages.received),
    });
    if let Some(last) = &session.last_notification {
        let name = if last.sent { "last_error_sent" } else { "last_error_received" };
        object[name] = json!(last.text);
    }
    if let Some(agreed) = &session.negotiated {
        let end = |end: Option<std::net::SocketAddr>| match end {
            Some(end) => json!({ "address": end.ip().to_string(), "port": end.port() }),
            None => json!({}),
        };
        object["session"] = json!({
            "holdtime": agreed.hold_time_secs,
            "keepalive": agreed.keepalive_secs,
            "local": end(session.local),
            "remote": end(session.remote),
            "capabilities": {
                "as4byte": agreed.four_octet_as,
                "refresh": agreed.route_refresh,
                "enhanced_refresh": agreed.enhanced_route_refresh,
                "multiprotocol": agreed.families.iter().map(|f| family(f)).collect::<Vec<_>>(),
            },
        });
    }
    object
}

fn family(name: &str) -> &'static str {
    if name == "ipv6" { "IPv6 unicast" } else { "IPv4 unicast" }
}

fn messages(counters: &DirectionCounters) -> Value {
    let total = counters.open
        + counters.update
        + counters.notification
        + counters.keepalive
        + counters.route_refresh;
    json!({
        "open": counters.open,
        "notifications": counters.notification,
        "updates": counters.update,
        "keepalives": counters.keepalive,
        "route_refresh": counters.route_refresh,
        "total": total,
    })
}

/// bgpctl's name of the state.
fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Disabled => "Down",
        SessionState::Idle => "Idle",
        SessionState::Connect => "Connect",
        SessionState::Active => "Active",
        SessionState::OpenSent => "OpenSent",
        SessionState::OpenConfirm => "OpenConfirm",
        SessionState::Established => "Established",
    }
}

/// How bgpctl writes a time: `01w3d01h`, `1d02h03m` or `01:02:03`. Alice reads these three only.
fn timeframe(time: Duration) -> String {
    let secs = time.as_secs();
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    match days {
        0 => format!("{hours:02}:{:02}:{:02}", minutes % 60, secs % 60),
        1..7 => format!("{days}d{:02}h{:02}m", hours % 24, minutes % 60),
        _ => format!("{:02}w{}d{:02}h", days / 7, days % 7, hours % 24),
    }
}

/// bgplgd's parameters, as far as they name something that there is here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct RibAsked {
    neighbor: Option<String>,
    #[serde(rename = "as")]
    origin: Option<u32>,
    community: Option<String>,
    ext_community: Option<String>,
    large_community: Option<String>,
    af: Option<String>,
    ovs: Option<String>,
    best: Option<String>,
    filtered: Option<String>,
    invalid: Option<String>,
    prefix: Option<String>,
    all: Option<String>,
    or_shorter: Option<String>,
}

/// bgplgd knows `1`, and ignores `0`.
fn flag(name: &str, value: Option<&str>) -> Result<bool, Failure> {
    match value {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(bad(&format!("{name} is 1"))),
    }
}

impl RibAsked {
    fn query(&self, view: &View) -> Result<RouteQuery, Failure> {
        let mut query = match &self.prefix {
            Some(prefix) => view.query_of(prefix)?,
            None => view.query(),
        };
        if flag("all", self.all.as_deref())? {
            query.prefix_match = PrefixMatch::Covered;
        } else if flag("or-shorter", self.or_shorter.as_deref())? {
            query.prefix_match = PrefixMatch::Covering;
        }
        query.family = match self.af.as_deref().map(str::to_ascii_lowercase) {
            Some(family) if family != "ipv4" && family != "ipv6" => {
                return Err(bad("af is ipv4 or ipv6"));
            }
            family => family,
        };
        if let Some(neighbor) = &self.neighbor {
            query.from = Some(one(view, neighbor)?.id.clone());
        }
        let communities = [&self.community, &self.large_community, &self.ext_community];
        let mut communities = communities.into_iter().flatten();
        query.community = communities.next().map(|text| text.replace(' ', ":"));
        if communities.next().is_some() {
            return Err(bad("one community at a time"));
        }
        query.origin = self.origin;
        query.best = flag("best", self.best.as_deref())?;
        let rejected = flag("filtered", self.filtered.as_deref())?
            || flag("invalid", self.invalid.as_deref())?;
        query.filtered = rejected.then_some(true);
        Ok(query)
    }
}

async fn rib(
    State(app): State<App>,
    Path(rs): Path<String>,
    Extension(place): Extension<Place>,
    asked: Asked<RibAsked>,
) -> Answer {
    let Query(asked) = asked?;
    let view = View::of(app, &rs).await?;
    let query = asked.query(&view)?;
    // What cannot be asked is told before the answer begins.
    view.app
        .operations
        .runtime()
        .routes(&query, None, 1)
        .await
        .map_err(|error| Failure::from(crate::control::protocol::Refusal::from(error)))?;
    let wanted = match asked.ovs.as_deref() {
        Some(state) if !["valid", "invalid", "not-found"].contains(&state) => {
            return Err(bad("ovs is valid, invalid or not-found"));
        }
        state => state.map(str::to_owned),
    };
    let ids: std::collections::HashMap<_, _> = view
        .sessions
        .iter()
        .map(|s| (s.id.clone(), s.negotiated.as_ref().map(|agreed| agreed.router_id.to_string())))
        .collect();
    let before = "{\"rib\":[".to_owned();
    Ok(view.stream(query, place, before, "]}", move |entry| {
        let keep = wanted.as_ref().is_none_or(|wanted| validation(&entry) == wanted);
        keep.then(|| route(&entry, ids.get(&entry.from).and_then(Option::as_deref)))
    }))
}

/// RFC 6811 state in bgpctl's words.
fn validation(entry: &RouteEntry) -> &'static str {
    let refused = entry.reject.as_ref().is_some_and(|reject| reject.name == "rov-invalid");
    match entry.rov.as_deref() {
        _ if refused => "invalid",
        Some("valid") => "valid",
        Some("invalid") => "invalid",
        _ => "not-found",
    }
}

/// One of `/rib`. Alice ends with a panic where `localpref` is missing.
fn route(entry: &RouteEntry, bgp_id: Option<&str>) -> Value {
    let mut neighbor = json!({ "remote_addr": entry.from.address.to_string() });
    if let Some(id) = bgp_id {
        neighbor["bgp_id"] = json!(id);
    }
    let age = Duration::from_secs(entry.age_secs.unwrap_or(0));
    let mut object = json!({
        "prefix": entry.prefix,
        "aspath": as_path(&entry.as_path),
        "exit_nexthop": entry.gateway.to_string(),
        "true_nexthop": entry.gateway.to_string(),
        "neighbor": neighbor,
        "valid": entry.reject.is_none(),
        "filtered": entry.reject.is_some(),
        "best": entry.best,
        "stale": entry.stale,
        "source": "external",
        "ovs": validation(entry),
        "origin": match &*entry.origin { "igp" => "IGP", "egp" => "EGP", _ => "incomplete" },
        "metric": entry.med.unwrap_or(0),
        "localpref": 100,
        "weight": 0,
        "last_update": timeframe(age),
        "last_update_sec": age.as_secs(),
    });
    let extended = entry.extended_communities.iter().map(|text| text.replacen(':', " ", 1));
    let Value::Object(into) = &mut object else { return object };
    add_list(into, "communities", entry.communities.clone());
    add_list(into, "large_communities", entry.large_communities.clone());
    add_list(into, "extended_communities", extended.collect());
    object
}

/// bgpctl leaves empty lists out.
fn add_list(object: &mut Map<String, Value>, name: &str, list: Vec<String>) {
    if !list.is_empty() {
        object.insert(name.to_owned(), json!(list));
    }
}

/// A set stands apart: `65010 { 65011 65012 }`.
fn as_path(path: &str) -> String {
    let apart = path.replace('{', "{ ").replace('}', " }").replace(',', " ");
    apart.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
