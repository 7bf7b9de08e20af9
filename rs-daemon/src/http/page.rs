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

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use crate::plain::is_plain;

    /// The characters of `UNSEEN`, which is a class of escapes and ranges of them. Without the flag
    /// `u` those above U+FFFF would be something else.
    fn unseen() -> Vec<RangeInclusive<char>> {
        let (_, class) = JS.split_once("const UNSEEN = /[").unwrap();
        let (class, _) = class.split_once("]/gu;").unwrap();
        let mut ranges = Vec::new();
        let mut first = None;
        for escape in class.split("\\u").skip(1) {
            let digits = escape.trim_end_matches('-');
            let braced = digits.strip_prefix('{').and_then(|digits| digits.strip_suffix('}'));
            assert!(braced.is_some() || digits.len() == 4, "{escape}");
            let code = u32::from_str_radix(braced.unwrap_or(digits), 16).unwrap();
            let c = char::from_u32(code).unwrap();
            if escape.ends_with('-') {
                first = Some(c);
            } else {
                ranges.push(first.take().unwrap_or(c)..=c);
            }
        }
        ranges
    }

    /// Tabs and line ends do no harm in a page.
    #[test]
    fn the_page_makes_visible_what_a_terminal_is_not_shown() {
        let unseen = unseen();
        for c in (char::MIN..=char::MAX).filter(|c| !['\t', '\n'].contains(c)) {
            let hidden = unseen.iter().any(|range| range.contains(&c));
            assert_eq!(hidden, !is_plain(c), "{}", c.escape_unicode());
        }
    }
}
