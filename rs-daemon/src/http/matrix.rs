//! Who gets what: how many routes of each member each other member has.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::App;
use super::api::{Answer, Asked, given};
use crate::control::protocol::Refusal;
use crate::runtime::status::{SessionId, SessionState, SessionStatus};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    rs: Option<String>,
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
    routes: Vec<Vec<u32>>,
}

/// The shards count classes, not deliveries, and a part at a time: a thousand members cost no more
/// than a listing of the table.
pub(super) async fn serve(State(app): State<App>, asked: Asked<Question>) -> Answer<Response> {
    let Query(asked) = asked?;
    let rs = given(asked.rs).ok_or_else(|| Refusal::invalid("rs is missing"))?;
    let mut sessions = app.operations.sessions(Some(&rs)).await?;
    sessions.retain(|session| session.state == SessionState::Established);
    let exchanged = app.operations.exchanged(&rs).await?;
    let row = |to: &SessionStatus| -> Vec<u32> {
        sessions.iter().map(|from| exchanged.routes(to.slot, from.slot)).collect()
    };
    let routes = sessions.iter().map(row).collect();
    let party = |s: SessionStatus| Party { id: s.id, asn: s.asn, name: s.name.to_string() };
    let members = sessions.into_iter().map(party).collect();
    Ok(Json(Matrix { members, routes }).into_response())
}
