//! `/{rs}/symbols…`: the names of tables and protocols, of which birdwatcher's and Bird's Eye's
//! readers ask the same.

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::App;
use super::view::{Failure, TABLE, View};
use crate::runtime::status::SessionStatus;

/// What differs between them.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// What a session is called.
    pub(super) name: fn(&SessionStatus) -> String,
    /// An answer of this name.
    pub(super) answer: fn(&str, Value) -> Response,
}

type Answer = Result<Response, Failure>;

pub(super) fn router(shape: Shape) -> Router<App> {
    Router::new()
        .route("/{rs}/symbols", get(both))
        .route("/{rs}/symbols/tables", get(tables))
        .route("/{rs}/symbols/protocols", get(protocols))
        .layer(Extension(shape))
}

fn table_names() -> Value {
    json!([TABLE, format!("{TABLE}4"), format!("{TABLE}6")])
}

fn protocol_names(view: &View, shape: Shape) -> Value {
    view.sessions.iter().map(shape.name).collect()
}

async fn both(
    State(app): State<App>,
    Path(rs): Path<String>,
    Extension(shape): Extension<Shape>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    let protocols = protocol_names(&view, shape);
    let symbols = json!({ "routing table": table_names(), "protocol": protocols });
    Ok((shape.answer)("symbols", symbols))
}

async fn tables(
    State(app): State<App>,
    Path(rs): Path<String>,
    Extension(shape): Extension<Shape>,
) -> Answer {
    View::of(app, &rs).await?;
    Ok((shape.answer)("symbols", table_names()))
}

async fn protocols(
    State(app): State<App>,
    Path(rs): Path<String>,
    Extension(shape): Extension<Shape>,
) -> Answer {
    let view = View::of(app, &rs).await?;
    Ok((shape.answer)("symbols", protocol_names(&view, shape)))
}
