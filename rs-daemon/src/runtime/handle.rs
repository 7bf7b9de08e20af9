//! The one way in which control socket, HTTP and metrics reach the running route server.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;

use super::query::{
    Cursor, DiffReport, Explanation, ReloadReport, RoutePage, RouteQuery, SessionAction,
    ShutdownKind,
};
use super::status::{
    DaemonStatus, DataStatus, EngineCounters, RouteServerStatus, SessionId, SessionStatus,
};

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// No such session.
    #[error("no session {0}")]
    NoSession(String),
    /// More than one session fits.
    #[error("{asked} is ambiguous: {candidates}")]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// What fits.
        candidates: String,
    },
    /// No such route server.
    #[error("no route server {0}")]
    NoRouteServer(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The configuration was refused; nothing changed.
    #[error("configuration refused, nothing changed:\n{0}")]
    Config(String),
    /// The daemon is shutting down.
    #[error("the daemon is shutting down")]
    Stopping,
}

/// A cheap handle to the running route server.
#[derive(Clone, Debug)]
pub struct RuntimeHandle {
    _private: (),
}

impl RuntimeHandle {
    /// Every configured session, by route server and address.
    pub async fn sessions(&self) -> Vec<SessionStatus> {
        Vec::new()
    }

    /// One session.
    pub async fn session(&self, id: &SessionId) -> Result<SessionStatus, HandleError> {
        Err(HandleError::NoSession(id.to_string()))
    }

    /// The session that an operator means: an address (zone optional where unique) or an AS with
    /// one session, on `route_server` where given.
    pub fn find_session(
        &self,
        peer: &str,
        _route_server: Option<&str>,
    ) -> Result<SessionId, HandleError> {
        Err(HandleError::NoSession(peer.to_owned()))
    }

    /// Every route server.
    pub async fn route_servers(&self) -> Vec<RouteServerStatus> {
        Vec::new()
    }

    /// The process.
    pub async fn status(&self) -> Result<DaemonStatus, HandleError> {
        Err(HandleError::Stopping)
    }

    /// Routes, a page at a time, so that no answer holds a shard long.
    pub async fn routes(
        &self,
        _query: &RouteQuery,
        _from: Option<&Cursor>,
        _limit: usize,
    ) -> Result<RoutePage, HandleError> {
        Ok(RoutePage::default())
    }

    /// Why `to` has, or has not, got `prefix`.
    pub async fn explain(&self, _prefix: &str, to: &SessionId) -> Result<Explanation, HandleError> {
        Err(HandleError::NoSession(to.to_string()))
    }

    /// Does something to a session.
    pub async fn session_action(
        &self,
        id: &SessionId,
        _action: SessionAction,
    ) -> Result<(), HandleError> {
        Err(HandleError::NoSession(id.to_string()))
    }

    /// Loads the configuration again (`None`: the file of the start) and applies the difference.
    pub async fn reload(&self, _path: Option<&Path>) -> Result<ReloadReport, HandleError> {
        Ok(ReloadReport::default())
    }

    /// What loading `path` would change; changes nothing.
    pub async fn diff(&self, _path: &Path) -> Result<DiffReport, HandleError> {
        Ok(DiffReport::default())
    }

    /// Adds GRACEFUL_SHUTDOWN (RFC 8326) to everything exported, or takes it away again.
    pub async fn drain(&self, _on: bool) -> Result<(), HandleError> {
        Ok(())
    }

    /// Ends the process.
    pub fn shutdown(&self, _kind: ShutdownKind) {}

    /// The configuration in force.
    pub async fn config(&self) -> Result<Arc<Config>, HandleError> {
        Err(HandleError::Stopping)
    }

    /// Numbers of the engine.
    pub fn counters(&self) -> EngineCounters {
        EngineCounters::default()
    }

    /// RPKI and IRR.
    pub fn data(&self) -> DataStatus {
        DataStatus::default()
    }

    /// Fetches every IRR set again now.
    pub async fn irr_refresh(&self) -> Result<(), HandleError> {
        Ok(())
    }
}
