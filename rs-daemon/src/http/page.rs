//! `/`: the looking glass, three files compiled in. Nothing is fetched from elsewhere.

use std::hash::Hasher;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;

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
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(text.as_bytes());
    let tag = format!("\"{:016x}\"", hasher.finish());
    let caching = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))];
    (kind, caching, text).into_response()
}
