//! What can be asked of the running route server, in the words of users: the control socket and
//! the JSON API are two ways of writing these answers down.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use bgp_wire::Family;

use super::answers::{Document, Done, RpkiAnswer, StatusAnswer};
use super::protocol::{
    ExplainQuery, PeerQuery, Refusal, RefusalKind, RouteQuery, SessionAction as Action,
};
use super::{documents, peer};
use crate::runtime::query::{
    Cursor, DiffReport, Explanation, PrefixMatch, RouteEntry, RouteQuery as Query, SessionAction,
    ShutdownKind,
};
use crate::runtime::status::{
    BmpCollectorStatus, IrrSetStatus, RouteServerStatus, RpslPolicyStatus, SessionState,
    SessionStatus,
};
use crate::runtime::{Exchanged, HandleError, RuntimeHandle};

/// Routes asked of the shards at once: a shard answers a page in well under a millisecond.
const PAGE_ROUTES: usize = 500;

/// A cheap handle to all of it.
#[derive(Clone, Debug)]
pub struct Operations {
    runtime: RuntimeHandle,
}

impl From<HandleError> for Refusal {
    fn from(error: HandleError) -> Self {
        let kind = match &error {
            HandleError::NoSession(_) | HandleError::NoRouteServer(_) => RefusalKind::NotFound,
            HandleError::Ambiguous { .. } => RefusalKind::Ambiguous,
            HandleError::Invalid(_) => RefusalKind::Invalid,
            HandleError::Config(_) | HandleError::Unreadable { .. } => RefusalKind::Configuration,
            HandleError::Stopping => RefusalKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl Operations {
    /// Over a running route server.
    #[must_use]
    pub fn new(runtime: RuntimeHandle) -> Self {
        Self { runtime }
    }

    /// The handle below.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// The whole in figures.
    ///
    /// # Errors
    /// While the daemon stops.
    pub async fn status(&self) -> Result<StatusAnswer, Refusal> {
        Ok(self.overview().await?.0)
    }

    /// The whole in figures and every session, of one moment: sessions are asked and tables
    /// counted once for both.
    ///
    /// # Errors
    /// While the daemon stops.
    pub async fn overview(&self) -> Result<(StatusAnswer, Vec<SessionStatus>), Refusal> {
        let (daemon, route_servers, mut sessions) = self.runtime.overview().await?;
        sort(&mut sessions);
        Ok((StatusAnswer { daemon, route_servers, rpki: self.rpki() }, sessions))
    }

    /// A route server and its sessions.
    ///
    /// # Errors
    /// When there is no such route server.
    pub async fn route_server(
        &self,
        name: &str,
    ) -> Result<(RouteServerStatus, Vec<SessionStatus>), Refusal> {
        let (server, mut sessions) = self.runtime.route_server(name).await?;
        sort(&mut sessions);
        Ok((server, sessions))
    }

    /// Sessions, of one route server or of all.
    ///
    /// # Errors
    /// When there is no such route server.
    pub async fn sessions(
        &self,
        route_server: Option<&str>,
    ) -> Result<Vec<SessionStatus>, Refusal> {
        if let Some(name) = route_server {
            self.known_route_server(name).await?;
            return Ok(self.route_server(name).await?.1);
        }
        let mut sessions = self.runtime.sessions().await;
        sort(&mut sessions);
        Ok(sessions)
    }

    /// One session.
    ///
    /// # Errors
    /// When `peer` names none or several.
    pub async fn session(&self, asked: &PeerQuery) -> Result<SessionStatus, Refusal> {
        let sessions = self.sessions(asked.route_server.as_deref()).await?;
        peer::resolve(&sessions, &asked.peer, asked.route_server.as_deref()).cloned()
    }

    /// Begins to walk over routes.
    ///
    /// # Errors
    /// When the question names something that does not exist.
    pub async fn routes(&self, asked: &RouteQuery) -> Result<RouteWalk, Refusal> {
        if let Some(prefix) = &asked.prefix {
            check_prefix(prefix)?;
        }
        let mut query = Query {
            prefix: asked.prefix.clone(),
            prefix_match: prefix_match(asked),
            filtered: asked.filtered.then_some(true),
            community: asked.community.clone(),
            origin: asked.origin,
            ..Query::default()
        };
        let mut route_server = asked.route_server.clone();
        if let (None, Some(from), Some(to)) = (&route_server, &asked.from, &asked.to) {
            route_server = peer::common_server(&self.sessions(None).await?, from, to);
        }
        for (peer, place) in [(&asked.from, &mut query.from), (&asked.to, &mut query.to)] {
            let Some(peer) = peer else { continue };
            let session = self
                .session(&PeerQuery { peer: peer.clone(), route_server: route_server.clone() })
                .await?;
            route_server = Some(session.id.route_server.to_string());
            *place = Some(session.id);
        }
        let names: Vec<String> = match route_server {
            Some(name) => {
                self.known_route_server(&name).await?;
                vec![name]
            }
            None => self.route_server_names().await?,
        };
        let queries = names
            .into_iter()
            .map(|name| Query { route_server: Some(name), ..query.clone() })
            .collect();
        Ok(RouteWalk {
            runtime: self.runtime.clone(),
            queries,
            cursor: None,
            left: asked.limit.unwrap_or(usize::MAX),
        })
    }

    /// Walks over what one question gives.
    #[must_use]
    pub fn walk(&self, query: Query) -> RouteWalk {
        RouteWalk {
            runtime: self.runtime.clone(),
            queries: VecDeque::from([query]),
            cursor: None,
            left: usize::MAX,
        }
    }

    /// How many routes of each session of a route server each other one has.
    ///
    /// # Errors
    /// When there is no such route server.
    pub async fn exchanged(&self, route_server: &str) -> Result<Exchanged, Refusal> {
        Ok(self.runtime.exchanged(route_server).await?)
    }

    /// Why a member has, or has not, got a prefix.
    ///
    /// # Errors
    /// When prefix or member are not known.
    pub async fn explain(&self, asked: &ExplainQuery) -> Result<Explanation, Refusal> {
        check_prefix(&asked.prefix)?;
        let route_server = asked.route_server.as_deref();
        let sessions = self.sessions(route_server).await?;
        let family = if asked.prefix.contains(':') { Family::V6 } else { Family::V4 };
        let session = peer::resolve_for(&sessions, &asked.to, route_server, family)?;
        let mut explanation = self.runtime.explain(&asked.prefix, &session.id).await?;
        let up = session.state == SessionState::Established;
        if !up && explanation.chosen.is_empty() && !explanation.candidates.is_empty() {
            let why = session.disabled.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            explanation.summary = format!(
                "AS{} ({}) has no route for {}: its session is {}{why}",
                session.asn,
                peer::display_address(session),
                explanation.prefix,
                session.state.name()
            );
        }
        Ok(explanation)
    }

    /// What loading `file` would change.
    ///
    /// # Errors
    /// When that configuration has errors.
    pub async fn diff(&self, file: &Path) -> Result<DiffReport, Refusal> {
        Ok(self.runtime.diff(file).await?)
    }

    /// Loads the configuration again.
    ///
    /// # Errors
    /// When it has errors; nothing is changed then.
    pub async fn reload(&self) -> Result<DiffReport, Refusal> {
        let sessions = self.runtime.reload(None).await?;
        Ok(DiffReport { sessions, members: Vec::new() })
    }

    /// Does something to a session.
    ///
    /// # Errors
    /// When `peer` names none or several.
    pub async fn act(
        &self,
        action: Action,
        peer: &PeerQuery,
        text: Option<String>,
    ) -> Result<Done, Refusal> {
        let session = self.session(peer).await?;
        if action == Action::Reset && session.state == SessionState::Disabled {
            return Err(Refusal::invalid(format!(
                "{} ({}) at {} is disabled: there is nothing to reset; `rsctl session enable` \
                 lets it come up",
                peer::display_member(session.asn, &session.name),
                peer::display_address(&session),
                session.id.route_server
            )));
        }
        let (action, done) = match action {
            Action::Reset => (SessionAction::Reset { text }, "is being reset"),
            Action::SoftIn => (SessionAction::SoftIn, "is asked for its routes"),
            Action::Disable => (SessionAction::Disable { text }, "is disabled"),
            Action::Enable => (SessionAction::Enable, "is enabled"),
        };
        self.runtime.session_action(&session.id, action).await?;
        Ok(Done {
            message: format!(
                "{} ({}) at {} {done}",
                peer::display_member(session.asn, &session.name),
                peer::display_address(&session),
                session.id.route_server
            ),
        })
    }

    /// GRACEFUL_SHUTDOWN on everything, or no longer.
    ///
    /// # Errors
    /// While the daemon stops.
    pub async fn drain(&self, on: bool) -> Result<Done, Refusal> {
        self.runtime.drain(on).await?;
        let message = if on {
            "everything exported carries GRACEFUL_SHUTDOWN (65535:0) from now on"
        } else {
            "GRACEFUL_SHUTDOWN is no longer added"
        };
        Ok(Done { message: message.to_owned() })
    }

    /// Stops the daemon.
    #[must_use]
    pub fn shutdown(&self, graceful: bool) -> Done {
        let (kind, message) = if graceful {
            (ShutdownKind::Graceful, "stopping without NOTIFICATION: helpers keep the routes")
        } else {
            (ShutdownKind::Cease, "stopping")
        };
        self.runtime.shutdown(kind);
        Done { message: message.to_owned() }
    }

    /// RPKI in short.
    #[must_use]
    pub fn rpki(&self) -> RpkiAnswer {
        let data = self.runtime.data();
        RpkiAnswer { vrps: data.vrps, aspas: data.aspas, sources: data.rpki }
    }

    /// IRR sets.
    #[must_use]
    pub fn irr(&self) -> Vec<IrrSetStatus> {
        self.runtime.data().irr
    }

    /// The members' RPSL policies.
    #[must_use]
    pub fn rpsl(&self) -> Vec<RpslPolicyStatus> {
        self.runtime.data().rpsl
    }

    /// Asks the IRR servers now.
    ///
    /// # Errors
    /// When there is nothing to ask.
    pub async fn irr_refresh(&self) -> Result<Done, Refusal> {
        self.runtime.irr_refresh().await?;
        Ok(Done { message: "the IRR sets are being fetched again".to_owned() })
    }

    /// BMP collectors.
    #[must_use]
    pub fn bmp(&self) -> Vec<BmpCollectorStatus> {
        self.runtime.monitoring().bmp
    }

    /// Writes MRT tables now.
    ///
    /// # Errors
    /// When none are configured, there is no such route server, or a file cannot be written.
    pub async fn mrt_dump(&self, route_server: Option<String>) -> Result<Done, Refusal> {
        let files = self.runtime.mrt_dump(route_server).await?;
        let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        Ok(Done { message: format!("written: {}", names.join(", ")) })
    }

    /// The policy of a route server, as a listing or as a document for members.
    ///
    /// # Errors
    /// When there is no such route server.
    pub async fn policy(&self, route_server: &str, markdown: bool) -> Result<Document, Refusal> {
        self.known_route_server(route_server).await?;
        let config = self.runtime.config().await?;
        let policy = self.runtime.policy(route_server)?;
        let (_, server) = config.route_server(route_server).ok_or_else(|| {
            Refusal::not_found(format!("there is no route server {route_server:?}"))
        })?;
        let description = documents::describe(&policy, server);
        let text = match markdown {
            true => description.markdown(),
            false => documents::listing(&description),
        };
        Ok(Document { text, data: serde_json::to_value(&description).ok() })
    }

    /// The IX-F member export.
    ///
    /// # Errors
    /// While the daemon stops.
    pub async fn ixf(&self) -> Result<Document, Refusal> {
        let config = self.runtime.config().await?;
        let export = documents::ixf(&config, &self.runtime.sessions().await, SystemTime::now());
        Ok(Document { text: format!("{export:#}"), data: Some(export) })
    }

    /// The as-set of the members connected to a route server.
    ///
    /// # Errors
    /// When something named does not exist.
    pub async fn as_set(
        &self,
        name: &str,
        route_server: &str,
        family: Option<&str>,
    ) -> Result<Document, Refusal> {
        let family = match family {
            None => None,
            Some("ipv4") => Some(Family::V4),
            Some("ipv6") => Some(Family::V6),
            Some(other) => return Err(Refusal::invalid(format!("{other:?} is no family"))),
        };
        let config = self.runtime.config().await?;
        let sessions = self.runtime.sessions().await;
        let text = documents::as_set(&config, &sessions, name, route_server, family)?;
        Ok(Document::of(text))
    }

    /// A configuration for a member's router.
    ///
    /// # Errors
    /// When the AS is no member or the style is not known.
    pub async fn client_config(&self, asn: u32, style: &str) -> Result<Document, Refusal> {
        let config = self.runtime.config().await?;
        Ok(Document::of(documents::client_config(&config, asn, style)?))
    }

    /// From the configuration: nothing is asked or counted for a name.
    async fn route_server_names(&self) -> Result<Vec<String>, Refusal> {
        let config = self.runtime.config().await?;
        Ok(config.route_servers.iter().map(|server| server.name.to_string()).collect())
    }

    async fn known_route_server(&self, name: &str) -> Result<(), Refusal> {
        let names = self.route_server_names().await?;
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Refusal {
            kind: RefusalKind::NotFound,
            message: format!("there is no route server {name:?}; there are:"),
            choices: names,
        })
    }
}

fn sort(sessions: &mut [SessionStatus]) {
    sessions.sort_by(|a, b| {
        (&a.id.route_server, a.asn, &a.id).cmp(&(&b.id.route_server, b.asn, &b.id))
    });
}

/// Routes, a page at a time; nothing is held between pages.
#[derive(Debug)]
pub struct RouteWalk {
    runtime: RuntimeHandle,
    queries: VecDeque<Query>,
    cursor: Option<Cursor>,
    left: usize,
}

impl RouteWalk {
    /// Passes over the first `routes` routes, and says how many of them are left to pass over in
    /// what comes next: few, for what is passed over here is counted only, and only whole prefixes
    /// are.
    ///
    /// # Errors
    /// When the daemon stops or the question is not understood.
    pub async fn pass(&mut self, routes: usize) -> Result<usize, Refusal> {
        let mut left = routes;
        while left > 0
            && let Some(query) = self.queries.front()
        {
            let passed = self.runtime.pass(query, self.cursor.as_ref(), left).await?;
            left -= passed.routes;
            self.cursor = passed.next;
            if self.cursor.is_some() {
                break;
            }
            self.queries.pop_front();
        }
        Ok(left)
    }

    /// The next routes; `None` after the last.
    ///
    /// # Errors
    /// When the daemon stops or the question is not understood.
    pub async fn next_page(&mut self) -> Result<Option<Vec<RouteEntry>>, Refusal> {
        while self.left > 0
            && let Some(query) = self.queries.front()
        {
            let limit = self.left.min(PAGE_ROUTES);
            let page = self.runtime.routes(query, self.cursor.as_ref(), limit).await?;
            self.cursor = page.next;
            if self.cursor.is_none() {
                self.queries.pop_front();
            }
            let mut routes = page.routes;
            routes.truncate(self.left);
            self.left -= routes.len();
            if !routes.is_empty() {
                return Ok(Some(routes));
            }
        }
        Ok(None)
    }
}

fn prefix_match(asked: &RouteQuery) -> PrefixMatch {
    match &asked.prefix {
        _ if asked.covering => PrefixMatch::Covering,
        _ if asked.covered => PrefixMatch::Covered,
        Some(prefix) if !prefix.contains('/') => PrefixMatch::Longest,
        _ => PrefixMatch::Exact,
    }
}

/// Whether `text` is a prefix or an address.
///
/// # Errors
/// When it is neither.
pub fn check_prefix(text: &str) -> Result<(), Refusal> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let good = address.parse::<IpAddr>().is_ok_and(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_length = |text: &str| {
            // Nothing but digits: `parse` would take a sign.
            text.parse::<u8>().is_ok_and(|length| length <= most && length.to_string() == text)
        };
        length.is_none_or(is_length)
    });
    if good {
        Ok(())
    } else {
        Err(Refusal::invalid(format!("{text:?} is neither a prefix nor an address")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_checked_before_anybody_is_asked() {
        for good in ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "::"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["10.0.0.0/33", "10/8", "x", "", "2001:db8::/129", "1.2.3.4/"] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_means_its_longest_match() {
        let ask = |prefix: &str| RouteQuery { prefix: Some(prefix.into()), ..Default::default() };
        assert_eq!(prefix_match(&ask("10.0.0.1")), PrefixMatch::Longest);
        assert_eq!(prefix_match(&ask("10.0.0.0/8")), PrefixMatch::Exact);
        let covering = RouteQuery { covering: true, ..ask("10.0.0.1") };
        assert_eq!(prefix_match(&covering), PrefixMatch::Covering);
    }
}
