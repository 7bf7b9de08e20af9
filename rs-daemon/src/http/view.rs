//! One route server as other people's looking glasses ask about it: what the birdwatcher, Birdseye
//! and bgplgd shapes have in common.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::App;
use super::birdwatcher::shape::protocol_id;
use super::limits::Place;
use super::stream;
use crate::control::protocol::{Refusal, RefusalKind};
use crate::runtime::query::{PrefixMatch, RouteEntry, RouteQuery};
use crate::runtime::status::{RouteServerStatus, SessionStatus};

/// What the table is called. IPv4 and IPv6 alone have a digit behind.
pub(super) const TABLE: &str = "master";

/// `{"error": …}` without `api`, which Alice shows as an error of the route server.
#[derive(Debug)]
pub(super) struct Failure(pub(super) StatusCode, pub(super) String);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, refusal.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

pub(super) fn bad(text: &str) -> Failure {
    Failure(StatusCode::BAD_REQUEST, text.to_owned())
}

pub(super) fn missing(text: String) -> Failure {
    Failure(StatusCode::NOT_FOUND, text)
}

/// What `status` says: nothing of it has to be counted.
pub(super) struct Facts {
    pub(super) router_id: Ipv4Addr,
    pub(super) started: SystemTime,
    pub(super) last_reload: SystemTime,
}

impl Facts {
    pub(super) fn of(app: &App, name: &str) -> Result<Self, Failure> {
        let runtime = app.operations.runtime();
        let router_id = runtime.router_id(name).map_err(Refusal::from)?;
        let (started, (last_reload, _)) = (runtime.started(), runtime.last_reload());
        Ok(Self { router_id, started, last_reload })
    }
}

/// One route server as a question sees it.
pub(super) struct View {
    pub(super) app: App,
    pub(super) server: RouteServerStatus,
    pub(super) sessions: Vec<SessionStatus>,
}

impl View {
    pub(super) async fn of(app: App, name: &str) -> Result<Self, Failure> {
        let (server, sessions) = app.operations.route_server(name).await?;
        Ok(Self { app, server, sessions })
    }

    pub(super) fn by_id(&self, id: &str) -> Result<&SessionStatus, Failure> {
        if !allowed(id, "_:.") {
            return Err(bad("a protocol's name has letters, digits and _ : . only"));
        }
        self.sessions
            .iter()
            .find(|session| protocol_id(session) == id)
            .ok_or_else(|| missing(format!("there is no protocol {id:?}")))
    }

    pub(super) fn by_address(&self, address: &str) -> Result<&SessionStatus, Failure> {
        let wanted: IpAddr = address.parse().map_err(|_| bad("not an address"))?;
        self.sessions
            .iter()
            .find(|session| session.id.address == wanted)
            .ok_or_else(|| missing(format!("there is no peer {address}")))
    }

    /// Everything at this route server.
    pub(super) fn query(&self) -> RouteQuery {
        RouteQuery { route_server: Some(self.server.name.to_string()), ..RouteQuery::default() }
    }

    /// One prefix, or the longest match of an address.
    pub(super) fn query_of(&self, prefix: &str) -> Result<RouteQuery, Failure> {
        if !allowed(prefix, ":./") {
            return Err(bad("a prefix has digits, letters a to f and : . / only"));
        }
        crate::control::operations::check_prefix(prefix)?;
        let prefix_match =
            if prefix.contains('/') { PrefixMatch::Exact } else { PrefixMatch::Longest };
        Ok(RouteQuery { prefix: Some(prefix.to_owned()), prefix_match, ..self.query() })
    }

    /// A streamed answer: `before`, the routes that `query` gives in the shape of their reader,
    /// `after`.
    pub(super) fn stream<T: Serialize + Send>(
        &self,
        query: RouteQuery,
        place: Place,
        before: String,
        after: &'static str,
        shape: impl FnMut(RouteEntry) -> Option<T> + Send + 'static,
    ) -> Response {
        let walk = self.app.operations.walk(query);
        let body = stream::routes(walk, place, before, after, shape);
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }

    /// How many routes `query` gives; they are counted page by page and not kept.
    pub(super) async fn count(&self, query: RouteQuery) -> Result<u64, Failure> {
        let mut walk = self.app.operations.walk(query);
        let mut count = 0;
        while let Some(page) = walk.next_page().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }
}

/// Letters, digits and what `more` adds; at most 80.
pub(super) fn allowed(text: &str, more: &str) -> bool {
    text.len() <= 80 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// The family of a table's name; `None`: both.
pub(super) fn table_family(name: &str) -> Result<Option<String>, Failure> {
    match name.strip_prefix(TABLE) {
        Some("") => Ok(None),
        Some("4") => Ok(Some("ipv4".to_owned())),
        Some("6") => Ok(Some("ipv6".to_owned())),
        _ => Err(missing(format!("there is no table {name:?}"))),
    }
}
