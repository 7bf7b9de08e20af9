//! ETag and If-None-Match (RFC 9110 §8.8.3, §13.1.2): who asks again for what has not changed is
//! told so in a few octets.
//!
//! An answer that is whole in memory gets a tag of its octets. Where a member of it changes by
//! itself (the ages in a list of routes), its handler sets a weak tag of the rest before. An answer
//! that is streamed has none: it is gone before its tag would be known.

use std::hash::Hasher;
use std::io::{self, Write};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The largest answer that is made in memory is some megabytes.
const MAX_OCTETS: u64 = 64 * 1024 * 1024;

/// Makes a tag of what is written to it.
#[derive(Debug, Default)]
pub(super) struct Tag(std::hash::DefaultHasher);

impl Tag {
    /// Equal octets have equal tags.
    pub(super) fn of(octets: &[u8]) -> String {
        let mut tag = Self::default();
        tag.0.write(octets);
        format!("\"{:016x}\"", tag.0.finish())
    }

    /// The same of what was written, for an answer that says the same in other octets.
    pub(super) fn weak(&self) -> String {
        format!("W/\"{:016x}\"", self.0.finish())
    }
}

impl Write for Tag {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does the asker have it already? RFC 9110 §13.1.2: weak comparison, and `*` is anything.
pub(super) fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    known
        .flat_map(|tags| tags.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

/// Browsers keep the answer and ask whether it is still so.
pub(super) fn headers(tag: &str) -> [(header::HeaderName, String); 2] {
    [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.to_owned())]
}

/// Tags answers, and leaves their bodies away where they are known.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    // RFC 9110 §9.3.2: HEAD has the header of GET, and what makes it runs inside of this.
    let tagged = matches!(*request.method(), Method::GET | Method::HEAD);
    let asked = tagged.then(|| request.headers().clone());
    let response = next.run(request).await;
    let whole = response.body().size_hint().exact().is_some_and(|size| size <= MAX_OCTETS);
    let Some(asked) = asked.filter(|_| whole && response.status() == StatusCode::OK) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    // It is in memory already: nothing is waited for.
    let octets = to_bytes(body, usize::MAX).await.unwrap_or_else(|_| Bytes::new());
    let tag = match head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) {
        Some(tag) => tag.to_owned(),
        None => Tag::of(&octets),
    };
    if is_known(&asked, &tag) {
        return (StatusCode::NOT_MODIFIED, headers(&tag)).into_response();
    }
    if let Ok(value) = HeaderValue::from_str(&tag) {
        head.headers.insert(header::ETAG, value);
        head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Response::from_parts(head, Body::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tags: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, tags.parse().unwrap())])
    }

    #[test]
    fn tags_are_compared_as_rfc_9110_says() {
        for (asked_for, known) in [
            ("\"a\"", true),
            ("\"b\", \"a\"", true),
            ("W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(is_known(&asked(asked_for), "\"a\""), known, "{asked_for}");
            assert_eq!(is_known(&asked(asked_for), "W/\"a\""), known, "{asked_for}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }

    #[test]
    fn a_tag_is_of_what_was_written_in_whatever_parts() {
        let (mut whole, mut parts) = (Tag::default(), Tag::default());
        whole.write_all(b"abc").unwrap();
        parts.write_all(b"abc").unwrap();
        assert_eq!(whole.weak(), parts.weak());
        assert_ne!(Tag::of(b"abc"), Tag::of(b"abd"));
    }
}
