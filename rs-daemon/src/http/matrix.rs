//! Who gets what: how many routes of each member each other member has.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::App;
use super::api::{Answer, Asked};
use crate::control::protocol::{Refusal, RefusalKind};
use crate::runtime::query::RouteQuery;
use crate::runtime::status::{SessionId, SessionState, SessionStatus};

/// Routes counted for one answer. Every member's Adj-RIB-Out is walked, page by page; beyond this
/// that takes longer than anybody looks at a page.
const MAX_ROUTES: u64 = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    rs: String,
}

/// A line and a column.
#[derive(Debug, Serialize)]
struct Party {
    id: SessionId,
    asn: u32,
    name: String,
}

#[derive(Debug, Serialize)]
struct Matrix {
    members: Vec<Party>,
    /// `routes[to][from]`, by index into `members`.
    routes: Vec<Vec<u64>>,
}

pub(super) async fn serve(State(app): State<App>, asked: Asked<Question>) -> Answer<Response> {
    let Query(asked) = asked?;
    let mut sessions = app.operations.sessions(Some(&asked.rs)).await?;
    sessions.retain(|session| session.state == SessionState::Established);
    let total: u64 = sessions.iter().flat_map(|s| &s.routes).map(|routes| routes.exported).sum();
    if total > MAX_ROUTES {
        let text =
            format!("{total} routes are exchanged, more than the {MAX_ROUTES} that are counted");
        return Err(Refusal::new(RefusalKind::Unavailable, text).into());
    }
    let index: HashMap<_, _> =
        sessions.iter().enumerate().map(|(index, session)| (session.id.clone(), index)).collect();
    let mut routes = Vec::with_capacity(sessions.len());
    for to in &sessions {
        routes.push(row(&app, to, &index).await?);
    }
    let party = |s: SessionStatus| Party { id: s.id, asn: s.asn, name: s.name.to_string() };
    let members = sessions.into_iter().map(party).collect();
    Ok(Json(Matrix { members, routes }).into_response())
}

async fn row(
    app: &App,
    to: &SessionStatus,
    index: &HashMap<SessionId, usize>,
) -> Result<Vec<u64>, Refusal> {
    let query = RouteQuery {
        route_server: Some(to.id.route_server.to_string()),
        to: Some(to.id.clone()),
        ..RouteQuery::default()
    };
    let mut walk = app.operations.walk(query);
    let mut row = vec![0; index.len()];
    while let Some(page) = walk.next_page().await? {
        for route in page {
            if let Some(count) = index.get(&route.from).and_then(|&from| row.get_mut(from)) {
                *count += 1;
            }
        }
    }
    Ok(row)
}
