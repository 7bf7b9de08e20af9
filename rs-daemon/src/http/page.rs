//! `/`: the looking glass, three files compiled in. Nothing is fetched from elsewhere.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::etag::{self, Tag};

const HTML: &str = include_str!("page/index.html");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { file(&headers, "text/html", HTML) }))
        .route(
            "/page.css",
            get(|headers: HeaderMap| async move { file(&headers, "text/css", CSS) }),
        )
        .route(
            "/page.js",
            get(|headers: HeaderMap| async move { file(&headers, "text/javascript", JS) }),
        )
}

/// A file that changes only with the program: browsers ask whether it did.
pub(super) fn file(headers: &HeaderMap, kind: &str, text: &'static str) -> Response {
    let tag = Tag::of(text.as_bytes());
    if etag::is_known(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, etag::headers(&tag)).into_response();
    }
    let kind = [(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))];
    (kind, etag::headers(&tag), text).into_response()
}
