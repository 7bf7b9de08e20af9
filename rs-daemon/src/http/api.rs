//! `/api/v1`: the answers of the control socket over HTTP, in pages.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bgp_wire::Asn;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::App;
use super::etag::Tag;
use super::limits::Place;
use super::stream;
use crate::control::protocol::{ExplainQuery, PeerQuery, Refusal, RefusalKind, RouteQuery};
use crate::runtime::query::RouteEntry;

/// Items on a page unless asked otherwise.
const DEFAULT_PER_PAGE: usize = 500;
/// Most items on a page. `page=all` streams everything.
const MAX_PER_PAGE: usize = 5000;

/// A refusal with its HTTP status.
pub(super) struct ApiError(Refusal);

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self(Refusal::invalid(rejection.body_text()))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Ambiguous => StatusCode::CONFLICT,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::Limit => StatusCode::TOO_MANY_REQUESTS,
            RefusalKind::Invalid | RefusalKind::Version | RefusalKind::Configuration => {
                StatusCode::BAD_REQUEST
            }
        };
        (status, Json(json!({ "error": self.0 }))).into_response()
    }
}

pub(super) type Answer<T> = Result<T, ApiError>;
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/status", get(status))
        .route("/route-servers", get(route_servers))
        .route("/members", get(members))
        .route("/member", get(member))
        .route("/routes", get(routes))
        .route("/explain", get(explain))
        .route("/rpki", get(rpki))
        .route("/irr", get(irr))
        .route("/history", get(history))
        .route("/matrix", get(super::matrix::serve))
        .route("/openapi.json", get(openapi))
        .fallback(|| async { ApiError(Refusal::not_found("there is nothing at this path")) })
}

async fn status(State(app): State<App>) -> Answer<Response> {
    Ok(Json(app.operations.status().await?).into_response())
}

async fn route_servers(State(app): State<App>) -> Answer<Response> {
    let servers = app.operations.runtime().route_servers().await;
    Ok(Json(json!({ "route_servers": servers })).into_response())
}

/// A page of a list: its number, or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    All,
    Number { number: usize, size: usize },
}

impl Page {
    fn parse(page: Option<&str>, per_page: Option<usize>) -> Result<Self, Refusal> {
        let size = per_page.unwrap_or(DEFAULT_PER_PAGE);
        if !(1..=MAX_PER_PAGE).contains(&size) {
            return Err(Refusal::invalid(format!("per_page is from 1 to {MAX_PER_PAGE}")));
        }
        match page {
            None => Ok(Self::Number { number: 1, size }),
            Some("all") => Ok(Self::All),
            Some(text) => match text.parse() {
                Ok(number) if number >= 1 => Ok(Self::Number { number, size }),
                _ => Err(Refusal::invalid("page is a number from 1, or all")),
            },
        }
    }
}

/// What every paged list has around its items.
#[derive(Debug, Serialize)]
struct Paging {
    page: usize,
    per_page: usize,
    next_page: Option<usize>,
}

impl Paging {
    /// The page of a number, which may be any; `more`: whether there is another behind it.
    fn new(page: usize, per_page: usize, more: bool) -> Self {
        Self { page, per_page, next_page: more.then(|| page.saturating_add(1)) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersAsked {
    rs: Option<String>,
    page: Option<String>,
    per_page: Option<usize>,
}

async fn members(State(app): State<App>, asked: Asked<MembersAsked>) -> Answer<Response> {
    let Query(asked) = asked?;
    let page = Page::parse(given(asked.page).as_deref(), asked.per_page)?;
    let mut sessions = app.operations.sessions(given(asked.rs).as_deref()).await?;
    let total = sessions.len();
    let Page::Number { number, size } = page else {
        return Ok(Json(json!({ "members": sessions, "total": total })).into_response());
    };
    let start = (number - 1).saturating_mul(size).min(total);
    let sessions: Vec<_> = sessions.drain(start..total.min(start + size)).collect();
    let paging = Paging::new(number, size, start + sessions.len() < total);
    #[derive(Serialize)]
    struct Body<T> {
        members: Vec<T>,
        total: usize,
        #[serde(flatten)]
        paging: Paging,
    }
    Ok(Json(Body { members: sessions, total, paging }).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberAsked {
    peer: String,
    rs: Option<String>,
}

async fn member(State(app): State<App>, asked: Asked<MemberAsked>) -> Answer<Response> {
    let Query(asked) = asked?;
    let query = PeerQuery { peer: asked.peer, route_server: given(asked.rs) };
    Ok(Json(app.operations.session(&query).await?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RoutesAsked {
    prefix: Option<String>,
    rs: Option<String>,
    from: Option<String>,
    to: Option<String>,
    filtered: Option<String>,
    covering: Option<String>,
    covered: Option<String>,
    community: Option<String>,
    origin: Option<String>,
    page: Option<String>,
    per_page: Option<usize>,
}

/// `filtered=true` and `filtered=1` mean yes; an empty one was not filled in.
fn flag(name: &str, value: Option<&str>) -> Result<bool, Refusal> {
    match value {
        None | Some("" | "0" | "false" | "no") => Ok(false),
        Some("1" | "true" | "yes") => Ok(true),
        Some(_) => Err(Refusal::invalid(format!("{name} is true or false"))),
    }
}

/// An empty parameter is one that was not filled in.
pub(super) fn given(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

impl RoutesAsked {
    fn query(self) -> Result<RouteQuery, Refusal> {
        let origin = given(self.origin)
            .map(|text| match text.parse::<Asn>() {
                Ok(asn) => Ok(asn.0),
                Err(_) => Err(Refusal::invalid("origin is an AS number")),
            })
            .transpose()?;
        let query = RouteQuery {
            filtered: flag("filtered", self.filtered.as_deref())?,
            covering: flag("covering", self.covering.as_deref())?,
            covered: flag("covered", self.covered.as_deref())?,
            prefix: given(self.prefix),
            route_server: given(self.rs),
            from: given(self.from),
            to: given(self.to),
            community: given(self.community),
            origin,
            limit: None,
        };
        let contradiction = [
            (query.filtered && query.to.is_some(), "rejected routes are sent to nobody"),
            (query.covering && query.covered, "covering and covered exclude each other"),
            (
                (query.covering || query.covered) && query.prefix.is_none(),
                "covering and covered need a prefix",
            ),
        ]
        .into_iter()
        .find(|(wrong, _)| *wrong);
        match contradiction {
            Some((_, text)) => Err(Refusal::invalid(text)),
            None => Ok(query),
        }
    }
}

#[derive(Serialize)]
struct RoutesPage {
    routes: Vec<RouteEntry>,
    #[serde(flatten)]
    paging: Paging,
}

/// The answer with a tag that does not look at the ages, which would be another every second.
fn tagged(mut page: RoutesPage) -> Response {
    let ages: Vec<_> = page.routes.iter_mut().map(|route| route.age_secs.take()).collect();
    let mut tag = Tag::default();
    let written = serde_json::to_writer(&mut tag, &page);
    for (route, age) in page.routes.iter_mut().zip(ages) {
        route.age_secs = age;
    }
    let mut response = Json(page).into_response();
    if let (Ok(()), Ok(tag)) = (written, HeaderValue::from_str(&tag.weak())) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

async fn routes(
    State(app): State<App>,
    Extension(place): Extension<Place>,
    asked: Asked<RoutesAsked>,
) -> Answer<Response> {
    let Query(mut asked) = asked?;
    let page = Page::parse(given(asked.page.take()).as_deref(), asked.per_page)?;
    let query = asked.query()?;
    let mut walk = app.operations.routes(&query).await?;
    let Page::Number { number, size } = page else {
        let body = stream::routes(walk, place, "{\"routes\":[".to_owned(), "]}", Some);
        return Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response());
    };
    let mut skip = walk.pass((number - 1).saturating_mul(size)).await?;
    let mut routes = Vec::new();
    while routes.len() <= size
        && let Some(mut page) = walk.next_page().await?
    {
        let skipped = skip.min(page.len());
        skip -= skipped;
        routes.extend(page.drain(skipped..));
    }
    // One more than fits was looked for, to know whether there is another page.
    let paging = Paging::new(number, size, routes.len() > size);
    routes.truncate(size);
    Ok(tagged(RoutesPage { routes, paging }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainAsked {
    prefix: String,
    to: String,
    rs: Option<String>,
}

async fn explain(State(app): State<App>, asked: Asked<ExplainAsked>) -> Answer<Response> {
    let Query(asked) = asked?;
    let query = ExplainQuery { prefix: asked.prefix, to: asked.to, route_server: given(asked.rs) };
    Ok(Json(app.operations.explain(&query).await?).into_response())
}

async fn rpki(State(app): State<App>) -> Response {
    Json(app.operations.rpki()).into_response()
}

async fn irr(State(app): State<App>) -> Response {
    let (sets, policies) = (app.operations.irr(), app.operations.rpsl());
    Json(json!({ "sets": sets, "policies": policies })).into_response()
}

async fn history(State(app): State<App>) -> Response {
    let samples = app.history.samples();
    let interval_secs = super::history::INTERVAL.as_secs();
    Json(json!({ "interval_secs": interval_secs, "samples": samples })).into_response()
}

async fn openapi(headers: HeaderMap) -> Response {
    super::page::file(&headers, "application/json", include_str!("openapi.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_checked() {
        assert_eq!(Page::parse(None, None), Ok(Page::Number { number: 1, size: 500 }));
        assert_eq!(Page::parse(Some("3"), Some(10)), Ok(Page::Number { number: 3, size: 10 }));
        assert_eq!(Page::parse(Some("all"), None), Ok(Page::All));
        for (page, size) in
            [(Some("0"), None), (Some("x"), None), (None, Some(0)), (None, Some(5001))]
        {
            assert!(Page::parse(page, size).is_err(), "{page:?} {size:?}");
        }
    }

    #[test]
    fn the_greatest_page_number_has_no_next() {
        let paging = Paging::new(usize::MAX, 5000, false);
        assert_eq!((paging.page, paging.next_page), (usize::MAX, None));
        assert_eq!(Paging::new(2, 10, true).next_page, Some(3));
    }

    #[test]
    fn an_origin_is_a_number_with_or_without_as() {
        for (text, asn) in [
            ("65010", Some(65010)),
            ("AS65010", Some(65010)),
            ("as4294967295", Some(u32::MAX)),
            ("SSSAA65010", None),
            ("ASAS65010", None),
            ("S65010", None),
            ("AS+65010", None),
            ("AS4294967296", None),
            ("AS", None),
            ("ä1", None),
        ] {
            let asked = RoutesAsked { origin: Some(text.to_owned()), ..RoutesAsked::default() };
            assert_eq!(asked.query().ok().and_then(|query| query.origin), asn, "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let rejected_to = RoutesAsked {
            filtered: Some("true".into()),
            to: Some("2".into()),
            ..Default::default()
        };
        assert!(rejected_to.query().is_err());
        let covering_nothing = RoutesAsked { covering: Some("1".into()), ..Default::default() };
        assert!(covering_nothing.query().is_err());
        let empty = RoutesAsked { prefix: Some(String::new()), ..Default::default() };
        assert_eq!(empty.query().unwrap(), RouteQuery::default());
    }
}
