//! `/birdwatcher/{rs}/…`: the API that Alice-LG reads, one for each route server.
//!
//! Times are UTC as `2006-01-02 15:04:05`, as from BIRD with `timeformat iso long`; Alice wants
//! that format in `servertime_short` and `servertime_ext`. In Alice a route server is a
//! `birdwatcher` source of type `single_table` with `main_table = master`.

pub(super) mod shape;

use std::collections::HashMap;
use std::time::SystemTime;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::App;
use super::limits::Place;
use super::symbols::{self, Shape};
use super::view::{Facts, Failure, View, bad, missing, table_family};
use crate::runtime::query::{RouteEntry, RouteQuery};
use shape::{Neighbours, envelope, protocol, protocol_id, protocol_short, route, time};

type Answer = Result<Response, Failure>;
type Parameters = Query<HashMap<String, String>>;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/{rs}/version", get(version))
        .route("/{rs}/status", get(status))
        .route("/{rs}/protocols", get(protocols))
        .route("/{rs}/protocols/bgp", get(protocols))
        .route("/{rs}/protocols/short", get(protocols_short))
        .merge(symbols::router(Shape { name: protocol_id, answer: with_envelope }))
        .route("/{rs}/routes/{list}/{of}", get(routes))
        .route("/{rs}/routes/prefix", get(routes_prefix))
        .route("/{rs}/routes/table/{table}/filtered", get(table_filtered))
        .route("/{rs}/routes/table/{table}/peer/{peer}", get(table_peer))
        .route("/{rs}/routes/count/{what}/{of}", get(count))
        .route("/{rs}/routes/pipe/filtered", get(pipe_filtered))
        .route("/{rs}/routes/pipe/filtered/count", get(pipe_filtered_count))
        .route("/{rs}/route/net/{net}", get(net))
        .route("/{rs}/route/net/{net}/table/{table}", get(net_in_table))
        .route("/{rs}/route/net/{net}/mask/{mask}", get(net_mask))
        .route("/{rs}/route/net/{net}/mask/{mask}/table/{table}", get(net_mask_in_table))
        .fallback(|| async { missing("there is nothing at this path".to_owned()) })
}

/// A streamed answer: the routes that `query` gives and `keep` wants.
fn stream(
    view: &View,
    query: RouteQuery,
    place: Place,
    keep: impl Fn(&RouteEntry) -> bool + Send + 'static,
) -> Response {
    let neighbours = Neighbours::new(&view.sessions);
    let now = SystemTime::now();
    let mut before = envelope(now).to_string();
    before.pop();
    before.push_str(",\"routes\":[");
    view.stream(query, place, before, "]}", move |entry| {
        keep(&entry).then(|| route(&entry, &neighbours, now))
    })
}

fn with_envelope(name: &str, payload: Value) -> Response {
    let mut object = match envelope(SystemTime::now()) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.insert(name.to_owned(), payload);
    Json(Value::Object(object)).into_response()
}

async fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), "\n")
}

async fn status(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let facts = Facts::of(&app, &rs)?;
    let status = json!({
        "current_server": time(SystemTime::now()),
        "last_reboot": time(facts.started),
        "last_reconfig": time(facts.last_reload),
        "version": format!("rs-daemon {}", env!("CARGO_PKG_VERSION")),
        "message": "Daemon is up and running",
        "router_id": facts.router_id.to_string(),
    });
    Ok(with_envelope("status", status))
}

async fn protocols(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let all = view.sessions.iter().map(|session| (protocol_id(session), protocol(session)));
    Ok(with_envelope("protocols", Value::Object(all.collect())))
}

async fn protocols_short(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let all = view.sessions.iter().map(|session| (protocol_id(session), protocol_short(session)));
    Ok(with_envelope("protocols", Value::Object(all.collect())))
}

async fn routes(
    State(app): State<App>,
    Path((rs, list, of)): Path<(String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let mut query = view.query();
    match list.as_str() {
        "protocol" => {
            query.from = Some(view.by_id(&of)?.id.clone());
            query.filtered = Some(false);
        }
        "filtered" => {
            query.from = Some(view.by_id(&of)?.id.clone());
            query.filtered = Some(true);
        }
        "export" => query.to = Some(view.by_id(&of)?.id.clone()),
        "noexport" => return not_exported(&view, &of, place),
        "table" => {
            query.family = table_family(&of)?;
            query.filtered = Some(false);
        }
        "peer" => {
            query.from = Some(view.by_address(&of)?.id.clone());
            query.filtered = Some(false);
        }
        _ => return Err(missing(format!("there is no list {list:?}"))),
    }
    Ok(stream(&view, query, place, |_| true))
}

/// What BIRD's `show route noexport` says: best routes of others that this peer has not got.
fn not_exported(view: &View, id: &str, place: Place) -> Answer {
    let peer = view.by_id(id)?.id.clone();
    let not_to = Some(peer.clone());
    let query = RouteQuery { not_to, filtered: Some(false), best: true, ..view.query() };
    Ok(stream(view, query, place, move |entry| entry.from != peer))
}

async fn table_filtered(
    State(app): State<App>,
    Path((rs, table)): Path<(String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = RouteQuery { family: table_family(&table)?, filtered: Some(true), ..view.query() };
    Ok(stream(&view, query, place, |_| true))
}

async fn table_peer(
    State(app): State<App>,
    Path((rs, table, peer)): Path<(String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = RouteQuery {
        family: table_family(&table)?,
        from: Some(view.by_address(&peer)?.id.clone()),
        filtered: Some(false),
        ..view.query()
    };
    Ok(stream(&view, query, place, |_| true))
}

async fn count(
    State(app): State<App>,
    Path((rs, what, of)): Path<(String, String, String)>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let count: u64 = match what.as_str() {
        "protocol" => view.by_id(&of)?.routes.iter().map(|routes| routes.accepted).sum(),
        "table" => {
            let query =
                RouteQuery { family: table_family(&of)?, filtered: Some(false), ..view.query() };
            view.count(query).await?
        }
        "primary" => {
            let from = Some(view.by_id(&of)?.id.clone());
            view.count(RouteQuery { from, filtered: Some(false), best: true, ..view.query() })
                .await?
        }
        _ => return Err(missing(format!("{what:?} cannot be counted"))),
    };
    Ok(with_envelope("routes", json!(count)))
}

async fn pipe_filtered(
    State(app): State<App>,
    Path(rs): Path<String>,
    Query(parameters): Parameters,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = pipe_query(&view, &parameters)?;
    Ok(stream(&view, query, place, |_| true))
}

async fn pipe_filtered_count(
    State(app): State<App>,
    Path(rs): Path<String>,
    Query(parameters): Parameters,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = pipe_query(&view, &parameters)?;
    Ok(with_envelope("routes", json!(view.count(query).await?)))
}

/// There are no pipes here: what a multi-table BIRD loses between two tables is what one peer
/// had rejected. A pipe has the name of its protocol, and all that name a peer name the same one.
fn pipe_query(view: &View, parameters: &HashMap<String, String>) -> Result<RouteQuery, Failure> {
    let given = |name| parameters.get(name).filter(|value: &&String| !value.is_empty());
    let mut named = Vec::new();
    for name in ["pipe", "protocol"] {
        if let Some(id) = given(name) {
            named.push(&view.by_id(id)?.id);
        }
    }
    if let Some(address) = given("address") {
        named.push(&view.by_address(address)?.id);
    }
    let Some((from, others)) = named.split_first() else { return Err(bad("pipe is missing")) };
    if others.iter().any(|other| other != from) {
        return Err(bad("pipe, protocol and address name different peers"));
    }
    let family = given("table").map_or(Ok(None), |table| table_family(table))?;
    Ok(RouteQuery { from: Some((*from).clone()), family, filtered: Some(true), ..view.query() })
}

async fn routes_prefix(
    State(app): State<App>,
    Path(rs): Path<String>,
    Query(parameters): Parameters,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let prefix = parameters.get("prefix").ok_or_else(|| bad("prefix is missing"))?;
    net_answer(&view, prefix, None, place)
}

async fn net(
    State(app): State<App>,
    Path((rs, net)): Path<(String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    net_answer(&View::of(app, &rs).await?, &net, None, place)
}

async fn net_in_table(
    State(app): State<App>,
    Path((rs, net, table)): Path<(String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    net_answer(&View::of(app, &rs).await?, &net, table_family(&table)?, place)
}

async fn net_mask(
    State(app): State<App>,
    Path((rs, net, mask)): Path<(String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    net_answer(&View::of(app, &rs).await?, &format!("{net}/{mask}"), None, place)
}

async fn net_mask_in_table(
    State(app): State<App>,
    Path((rs, net, mask, table)): Path<(String, String, String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let family = table_family(&table)?;
    net_answer(&View::of(app, &rs).await?, &format!("{net}/{mask}"), family, place)
}

fn net_answer(view: &View, prefix: &str, family: Option<String>, place: Place) -> Answer {
    let query = RouteQuery { family, filtered: Some(false), ..view.query_of(prefix)? };
    Ok(stream(view, query, place, |_| true))
}
