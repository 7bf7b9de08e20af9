//! `/birdwatcher/{rs}/…`: the API that Alice-LG reads, one for each route server.
//!
//! Times are UTC as `2006-01-02 15:04:05`, as from BIRD with `timeformat iso long`; Alice wants
//! that format in `servertime_short` and `servertime_ext`. In Alice a route server is a
//! `birdwatcher` source of type `single_table` with `main_table = master`.

mod shape;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::App;
use super::limits::Place;
use super::stream;
use crate::control::protocol::{Refusal, RefusalKind};
use crate::runtime::query::{PrefixMatch, RouteEntry, RouteQuery};
use crate::runtime::status::{RouteServerStatus, SessionId, SessionStatus};
use shape::{Neighbours, envelope, protocol, protocol_id, protocol_short, route, time};

/// What birdwatcher calls the table. IPv4 and IPv6 alone have a digit behind.
const TABLE: &str = "master";

/// `{"error": …}` without `api`, which Alice shows as an error of the route server.
struct BirdError(StatusCode, String);

impl From<Refusal> for BirdError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, refusal.to_string())
    }
}

impl IntoResponse for BirdError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn bad(text: &str) -> BirdError {
    BirdError(StatusCode::BAD_REQUEST, text.to_owned())
}

fn missing(text: String) -> BirdError {
    BirdError(StatusCode::NOT_FOUND, text)
}

type Answer = Result<Response, BirdError>;
type Parameters = Query<HashMap<String, String>>;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/{rs}/version", get(version))
        .route("/{rs}/status", get(status))
        .route("/{rs}/protocols", get(protocols))
        .route("/{rs}/protocols/bgp", get(protocols))
        .route("/{rs}/protocols/short", get(protocols_short))
        .route("/{rs}/symbols", get(symbols))
        .route("/{rs}/symbols/tables", get(symbol_tables))
        .route("/{rs}/symbols/protocols", get(symbol_protocols))
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

/// One route server as a question sees it.
struct View {
    app: App,
    server: RouteServerStatus,
    sessions: Vec<SessionStatus>,
}

impl View {
    async fn of(app: App, name: &str) -> Result<Self, BirdError> {
        let servers = app.operations.runtime().route_servers().await;
        let server = servers
            .into_iter()
            .find(|server| &*server.name == name)
            .ok_or_else(|| missing(format!("there is no route server {name:?}")))?;
        let sessions = app.operations.sessions(Some(name)).await?;
        Ok(Self { app, server, sessions })
    }

    fn by_id(&self, id: &str) -> Result<&SessionStatus, BirdError> {
        if !allowed(id, "_:.") {
            return Err(bad("a protocol's name has letters, digits and _ : . only"));
        }
        self.sessions
            .iter()
            .find(|session| protocol_id(session) == id)
            .ok_or_else(|| missing(format!("there is no protocol {id:?}")))
    }

    fn by_address(&self, address: &str) -> Result<&SessionStatus, BirdError> {
        let wanted: IpAddr = address.parse().map_err(|_| bad("not an address"))?;
        self.sessions
            .iter()
            .find(|session| session.id.address == wanted)
            .ok_or_else(|| missing(format!("there is no peer {address}")))
    }

    fn query(&self) -> RouteQuery {
        RouteQuery { route_server: Some(self.server.name.to_string()), ..RouteQuery::default() }
    }

    /// A streamed answer: the routes that `query` gives and `keep` wants.
    fn stream(
        &self,
        query: RouteQuery,
        place: Place,
        keep: impl Fn(&RouteEntry) -> bool + Send + 'static,
    ) -> Response {
        let neighbours = Arc::new(Neighbours::new(&self.sessions));
        let walk = self.app.operations.walk(query);
        let now = SystemTime::now();
        let mut before = envelope(now).to_string();
        before.pop();
        before.push_str(",\"routes\":[");
        let body = stream::routes(walk, place, before, "]}", move |entry| {
            keep(&entry).then(|| route(&entry, &neighbours, now))
        });
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }

    /// How many routes `query` gives; they are counted page by page and not kept.
    async fn count(&self, query: RouteQuery) -> Result<u64, BirdError> {
        let mut walk = self.app.operations.walk(query);
        let mut count = 0;
        while let Some(page) = walk.next_page().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }
}

/// Letters, digits and what `more` adds; at most 80.
fn allowed(text: &str, more: &str) -> bool {
    text.len() <= 80 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn with_envelope(name: &str, payload: Value) -> Response {
    let mut object = match envelope(SystemTime::now()) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.insert(name.to_owned(), payload);
    Json(Value::Object(object)).into_response()
}

/// `None` for a name that is no table of ours; else the family, or both.
fn table_family(name: &str) -> Result<Option<String>, BirdError> {
    match name.strip_prefix(TABLE) {
        Some("") => Ok(None),
        Some("4") => Ok(Some("ipv4".to_owned())),
        Some("6") => Ok(Some("ipv6".to_owned())),
        _ => Err(missing(format!("there is no table {name:?}"))),
    }
}

async fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), "\n")
}

async fn status(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let daemon = view.app.operations.status().await?.daemon;
    let status = json!({
        "current_server": time(SystemTime::now()),
        "last_reboot": time(daemon.started),
        "last_reconfig": time(daemon.last_reload),
        "version": format!("rs-daemon {}", daemon.version),
        "message": "Daemon is up and running",
        "router_id": view.server.router_id.to_string(),
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

fn tables() -> Value {
    json!([TABLE, format!("{TABLE}4"), format!("{TABLE}6")])
}

fn protocol_ids(view: &View) -> Value {
    view.sessions.iter().map(protocol_id).collect()
}

async fn symbols(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    let symbols = json!({ "routing table": tables(), "protocol": protocol_ids(&view) });
    Ok(with_envelope("symbols", symbols))
}

async fn symbol_tables(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    View::of(app, &rs).await?;
    Ok(with_envelope("symbols", tables()))
}

async fn symbol_protocols(State(app): State<App>, Path(rs): Path<String>) -> Answer {
    let view = View::of(app, &rs).await?;
    Ok(with_envelope("symbols", protocol_ids(&view)))
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
        "noexport" => return not_exported(&view, &of, place).await,
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
    Ok(view.stream(query, place, |_| true))
}

/// What BIRD's `show route noexport` says: best routes of others that this peer has not got.
async fn not_exported(view: &View, id: &str, place: Place) -> Answer {
    let peer = view.by_id(id)?.id.clone();
    let has = exported_prefixes(view, &peer).await?;
    let query = RouteQuery { filtered: Some(false), best: true, ..view.query() };
    Ok(view.stream(query, place, move |entry| entry.from != peer && !has.contains(&entry.prefix)))
}

async fn exported_prefixes(view: &View, to: &SessionId) -> Result<HashSet<String>, BirdError> {
    let mut walk = view.app.operations.walk(RouteQuery { to: Some(to.clone()), ..view.query() });
    let mut has = HashSet::new();
    while let Some(page) = walk.next_page().await? {
        has.extend(page.into_iter().map(|route| route.prefix));
    }
    Ok(has)
}

async fn table_filtered(
    State(app): State<App>,
    Path((rs, table)): Path<(String, String)>,
    Extension(place): Extension<Place>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = RouteQuery { family: table_family(&table)?, filtered: Some(true), ..view.query() };
    Ok(view.stream(query, place, |_| true))
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
    Ok(view.stream(query, place, |_| true))
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
    let query = RouteQuery { filtered: Some(true), ..pipe_query(&view, &parameters)? };
    Ok(view.stream(query, place, |_| true))
}

async fn pipe_filtered_count(
    State(app): State<App>,
    Path(rs): Path<String>,
    Query(parameters): Parameters,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let query = RouteQuery { filtered: Some(true), ..pipe_query(&view, &parameters)? };
    Ok(with_envelope("routes", json!(view.count(query).await?)))
}

/// There are no pipes here: what a multi-table BIRD loses between two tables is what one peer
/// had rejected.
fn pipe_query(view: &View, parameters: &HashMap<String, String>) -> Result<RouteQuery, BirdError> {
    let mut query = view.query();
    if let Some(id) = parameters.get("protocol") {
        query.from = Some(view.by_id(id)?.id.clone());
    }
    if let Some(address) = parameters.get("address") {
        query.from = Some(view.by_address(address)?.id.clone());
    }
    Ok(query)
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
    if !allowed(prefix, ":./") {
        return Err(bad("a prefix has digits, letters a to f and : . / only"));
    }
    crate::control::operations::check_prefix(prefix)?;
    let prefix_match = if prefix.contains('/') { PrefixMatch::Exact } else { PrefixMatch::Longest };
    let query = RouteQuery {
        prefix: Some(prefix.to_owned()),
        prefix_match,
        family,
        filtered: Some(false),
        ..view.query()
    };
    Ok(view.stream(query, place, |_| true))
}
