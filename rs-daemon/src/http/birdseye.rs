//! `/birdseye/{rs}/…`: Bird's Eye, the API that IXP Manager's looking glass reads, one for each
//! route server. Its base address is what IXP Manager calls the router's API.
//!
//! IXP Manager's route servers keep rejected routes in the member's table and mark them with the
//! large community `RS:1101:code`; it finds them by that. So a member's list here holds both, and
//! rejected ones carry that community whatever preset the route server has.
//!
//! IXP Manager writes much of what it reads into its page as it is: nothing here contains text that
//! a peer chose.

use std::time::SystemTime;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::App;
use super::birdwatcher::shape::{self, Neighbours};
use super::limits::Place;
use super::symbols::{self, Shape};
use super::view::{Facts, Failure, View, bad, missing, table_family};
use crate::runtime::query::{RouteEntry, RouteQuery};
use crate::runtime::status::{NegotiatedStatus, SessionStatus};

/// The version of the API that is spoken.
const API_VERSION: &str = "1.2.2";
/// Longest list: IXP Manager reads it whole into a page, and links to no longer ones.
const MAX_ROUTES: u64 = 5000;
/// Where IXP Manager looks for the reason of a rejection.
const REJECT_FUNCTION: u32 = 1101;

type Answer = Result<Response, Failure>;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/{rs}/status", get(status))
        .route("/{rs}/protocols/bgp", get(protocols))
        .route("/{rs}/protocol/{protocol}", get(protocol))
        .merge(symbols::router(Shape { name: protocol_name, answer }))
        .route("/{rs}/routes/{list}/{of}", get(routes))
        .route("/{rs}/routes/count/{list}/{of}", get(count))
        .route("/{rs}/routes/lc-zwild/protocol/{protocol}/{x}/{y}", get(with_large_community))
        .route("/{rs}/route/{net}", get(lookup))
        .route("/{rs}/route/{net}/{list}/{of}", get(lookup_in))
        .fallback(|| async { missing("there is nothing at this path".to_owned()) })
}

/// What stands around every payload.
fn envelope() -> Value {
    json!({
        "version": API_VERSION,
        "env": "rs-daemon",
        "from_cache": false,
        "ttl_mins": 0,
        "max_routes": MAX_ROUTES,
    })
}

fn answer(name: &str, payload: Value) -> Response {
    Json(json!({ "api": envelope(), name: payload })).into_response()
}

/// PHP's `c`: IXP Manager reads `Y-m-d\TH:i:sO` and ends with an error where it cannot.
fn time(at: SystemTime) -> String {
    format!("{}+00:00", shape::time(at).replace(' ', "T"))
}

/// Names a session with the characters that IXP Manager takes for a symbol.
fn protocol_name(session: &SessionStatus) -> String {
    let name = shape::protocol_id(session);
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The session of that name, or of the name that IXP Manager's own templates would give it:
/// `pb_as65010_vli12_ipv4`, where the AS has one session over that protocol.
fn named<'a>(view: &'a View, name: &str) -> Result<&'a SessionStatus, Failure> {
    if let Some(session) = view.sessions.iter().find(|session| protocol_name(session) == name) {
        return Ok(session);
    }
    let unknown = || missing(format!("there is no protocol {name:?}"));
    let words: Vec<&str> = name.split('_').collect();
    let ["pb", asn, .., family] = words[..] else { return Err(unknown()) };
    let asn: Option<u32> = asn.strip_prefix("as").and_then(|digits| digits.parse().ok());
    let mut found = view.sessions.iter().filter(|session| {
        let own = if session.id.address.is_ipv4() { "ipv4" } else { "ipv6" };
        Some(session.asn) == asn && own == family
    });
    match (found.next(), found.next()) {
        (Some(session), None) => Ok(session),
        _ => Err(unknown()),
    }
}

async fn status(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let facts = Facts::of(&app, &rs)?;
    let status = json!({
        "version": format!("rs-daemon {}", env!("CARGO_PKG_VERSION")),
        "router_id": facts.router_id.to_string(),
        "server_time": time(SystemTime::now()),
        "last_reboot": time(facts.started),
        "last_reconfig": time(facts.last_reload),
        "message": "Daemon is up and running",
    });
    Ok(answer("status", status))
}

async fn protocols(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let all = view.sessions.iter().map(|session| (protocol_name(session), one_protocol(session)));
    Ok(answer("protocols", Value::Object(all.collect())))
}

async fn protocol(State(app): State<App>, Path((rs, protocol)): Path<(String, String)>) -> Answer {
    let view = View::of(app, &rs).await?;
    Ok(answer("protocol", one_protocol(named(&view, &protocol)?)))
}

fn one_protocol(session: &SessionStatus) -> Value {
    let mut object = shape::protocol(session);
    let received: u64 = session.routes.iter().map(|routes| routes.received).sum();
    let of_families: u64 = session.limits.iter().flatten().map(|limit| u64::from(*limit)).sum();
    let total = session.limit_total.map(u64::from);
    // What both together may come to at most.
    let limit = match (session.limits, total) {
        ([Some(_), Some(_)], Some(total)) => total.min(of_families),
        (_, total) => total.unwrap_or(of_families),
    };
    let agreed = session.negotiated.as_ref();
    let more = json!({
        "protocol": protocol_name(session),
        "state_changed": time(session.since),
        "bgp_state": object["connection"],
        // Why it is down is partly what the peer said.
        "last_error": "",
        "preference": 100,
        "input_filter": "(policy)",
        "output_filter": "(policy)",
        "route_limit_at": received,
        "bgp_session": ["external", "route-server", "AS4"],
        "source_address": session.local.map_or_else(String::new, |local| local.ip().to_string()),
        "hold_timer": agreed.map_or(0, |agreed| agreed.hold_time_secs),
        "keepalive": agreed.map_or(0, |agreed| agreed.keepalive_secs),
        "neighbor_capabilities": agreed.map_or_else(Vec::new, capabilities),
    });
    let (Value::Object(into), Value::Object(more)) = (&mut object, more) else { return object };
    into.extend(more);
    into["routes"]["imported"] = json!(received);
    if limit > 0 {
        into.insert("import_limit".to_owned(), json!(limit));
    }
    object
}

/// BIRD's words for what was agreed; not the peer's list, in which it may have written a name.
fn capabilities(agreed: &NegotiatedStatus) -> Vec<&'static str> {
    [
        (agreed.route_refresh, "refresh"),
        (agreed.enhanced_route_refresh, "enhanced-refresh"),
        (agreed.four_octet_as, "AS4"),
        (agreed.extended_message, "ext-messages"),
        (agreed.extended_next_hop, "ext-next-hop"),
        (!agreed.add_path_send.is_empty(), "add-path-rx"),
    ]
    .into_iter()
    .filter_map(|(agreed, word)| agreed.then_some(word))
    .collect()
}

/// The question that a list is: `protocol` what came from a member, rejected or not, `export` what
/// it was sent, `table` everything that is not rejected; and how many routes that are.
fn list_of(view: &View, list: &str, of: &str) -> Result<(RouteQuery, u64), Failure> {
    let mut query = view.query();
    let count = match list {
        "protocol" => {
            let session = named(view, of)?;
            query.from = Some(session.id.clone());
            session.routes.iter().map(|routes| routes.received).sum()
        }
        "export" => {
            let session = named(view, of)?;
            query.to = Some(session.id.clone());
            session.routes.iter().map(|routes| routes.exported).sum()
        }
        "table" => {
            query.family = table_family(of)?;
            query.filtered = Some(false);
            let families = ["ipv4", "ipv6"].iter().zip(&view.server.routes);
            let wanted =
                families.filter(|(name, _)| query.family.as_deref().is_none_or(|f| f == **name));
            wanted.map(|(_, routes)| routes.accepted).sum()
        }
        _ => return Err(missing(format!("there is no list {list:?}"))),
    };
    Ok((query, count))
}

async fn routes(
    State(app): State<App>,
    Path((rs, list, of)): Path<(String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let (query, count) = list_of(&view, &list, &of)?;
    if count > MAX_ROUTES {
        let text = format!("{count} routes are more than the {MAX_ROUTES} that are listed at once");
        return Err(Failure(axum::http::StatusCode::FORBIDDEN, text));
    }
    Ok(stream(&view, query, place, |_| true))
}

async fn count(
    State(app): State<App>,
    Path((rs, list, of)): Path<(String, String, String)>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let (_, count) = list_of(&view, &list, &of)?;
    Ok(answer("count", json!({ "routes": count })))
}

/// A member's routes with a large community `(x, y, *)`.
async fn with_large_community(
    State(app): State<App>,
    Path((rs, protocol, x, y)): Path<(String, String, u32, u32)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let (query, _) = list_of(&view, "protocol", &protocol)?;
    Ok(stream(&view, query, place, move |route| {
        let large = route["bgp"]["large_communities"].as_array();
        large.is_some_and(|all| all.iter().any(|one| one[0] == x && one[1] == y))
    }))
}

async fn lookup(
    State(app): State<App>,
    Path((rs, net)): Path<(String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    lookup_answer(&view, &net, view.query(), place)
}

async fn lookup_in(
    State(app): State<App>,
    Path((rs, net, list, of)): Path<(String, String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let (query, _) = list_of(&view, &list, &of)?;
    lookup_answer(&view, &net, query, place)
}

fn lookup_answer(view: &View, net: &str, query: RouteQuery, place: Place) -> Answer {
    let of = view.query_of(net)?;
    if of.prefix.is_none() {
        return Err(bad("a prefix is missing"));
    }
    let query = RouteQuery { prefix: of.prefix, prefix_match: of.prefix_match, ..query };
    Ok(stream(view, query, place, |_| true))
}

fn stream(
    view: &View,
    query: RouteQuery,
    place: Place,
    keep: impl Fn(&Value) -> bool + Send + 'static,
) -> Response {
    let neighbours = Neighbours::named(&view.sessions, protocol_name);
    let (asn, now) = (view.server.asn, SystemTime::now());
    let before = format!("{{\"api\":{},\"routes\":[", envelope());
    view.stream(query, place, before, "]}", move |entry| {
        let route = one_route(&entry, asn, &neighbours, now);
        keep(&route).then_some(route)
    })
}

/// As birdwatcher has it, but for times, the real next hop as gateway, numbers where Bird's Eye has
/// numbers, and the community by which a rejected one is known.
fn one_route(entry: &RouteEntry, asn: u32, neighbours: &Neighbours, now: SystemTime) -> Value {
    let mut route = shape::route(entry, neighbours, now);
    route["age"] = json!(time(shape::since(entry, neighbours, now)));
    route["gateway"] = json!(entry.gateway.to_string());
    let bgp = &mut route["bgp"];
    bgp["med"] = json!(entry.med.unwrap_or(0));
    if let Some(aggregator) = &entry.aggregator {
        bgp["aggregator"] = json!(aggregator);
    }
    if let (Some(reject), Value::Array(large)) = (&entry.reject, &mut bgp["large_communities"]) {
        let reason = json!([asn, REJECT_FUNCTION, reject.euro_ix]);
        if !large.contains(&reason) {
            large.push(reason);
        }
    }
    route
}

#[cfg(test)]
mod tests;
