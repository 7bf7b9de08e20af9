//! After our own restart (RFC 4724 §4.1): members that keep our routes meanwhile are told nothing
//! until the members that were there have told us theirs. Told earlier, they would hear End-of-RIB
//! after a part of the table and let go of the rest, which is as good as ever.
//!
//! Waited for are the members with graceful restart that had a session when the process before
//! this one ended (a file says which), and those that have come since; but not who has restarted
//! itself (R bit) or no longer has graceful restart. A first start knows of nobody: it waits for
//! those that come until they have sent what they have.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bgp_session::PeerGracefulRestart;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::learning::note_written;
use super::locked;
use super::state_file::{self, StateError};
use crate::config::{Config, SessionKey};

/// The file in the state directory.
pub(super) const FILE: &str = "graceful-members.json";

/// A member in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    route_server: String,
    address: std::net::IpAddr,
    interface: Option<String>,
}

/// The members of all route servers that keep our routes over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecoveryFile {
    sessions: Vec<Stored>,
}

impl RecoveryFile {
    /// With these sessions.
    pub(crate) fn new(keys: impl Iterator<Item = SessionKey>) -> Self {
        let stored = |key: SessionKey| Stored {
            route_server: key.route_server.as_ref().to_owned(),
            address: key.address,
            interface: key.interface.as_deref().map(str::to_owned),
        };
        Self { sessions: keys.map(stored).collect() }
    }

    /// What there is; nobody where there is nothing, or nothing that can be read.
    pub(crate) fn read(path: &Path) -> Self {
        match state_file::read(path) {
            Ok(file) => file,
            Err(error @ StateError::Missing(_)) => {
                tracing::debug!(%error, "a first start: nobody is known to keep our routes");
                Self::default()
            }
            Err(error) => {
                tracing::error!(%error, "who keeps our routes over a restart is not known");
                state_file::put_aside(path);
                Self::default()
            }
        }
    }

    /// Writes it, unless it says nothing and there is none. Says so if that cannot be done.
    pub(super) fn keep(&self, written: &AtomicBool, path: &Path) {
        if *self != Self::default() || path.exists() {
            note_written(written, path, state_file::write(path, self));
        }
    }

    /// Those of a route server that may still come.
    pub(crate) fn expected(&self, config: &Config, route_server: usize) -> BTreeSet<SessionKey> {
        let stored = |key: &SessionKey| {
            self.sessions.iter().any(|stored| {
                *stored.route_server == *key.route_server
                    && stored.address == key.address
                    && stored.interface.as_deref() == key.interface.as_deref()
            })
        };
        config
            .sessions_of(route_server)
            .filter(|session| session.graceful_restart && session.disabled.is_none())
            .filter(|session| stored(&session.key))
            .map(|session| session.key.clone())
            .collect()
    }
}

/// See the module; of one route server.
#[derive(Debug)]
pub(crate) struct Recovery {
    over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The selection deferral timer.
    until: Option<Instant>,
    awaited: BTreeSet<SessionKey>,
    /// Sessions with graceful restart that are up.
    graceful: BTreeSet<SessionKey>,
    /// `graceful` or `awaited` differs from what was asked for last.
    changed: bool,
    /// Who waits to be sent something.
    held: Vec<Arc<Notify>>,
}

impl Default for Recovery {
    /// Of a route server that has not restarted.
    fn default() -> Self {
        Self { over: AtomicBool::new(true), state: Mutex::default() }
    }
}

impl Recovery {
    /// We have just started.
    pub(crate) fn begin(&self, until: Instant, expected: BTreeSet<SessionKey>) {
        if !expected.is_empty() {
            tracing::info!(
                members = expected.len(),
                "restarted: members that keep our routes are sent nothing until these have sent theirs"
            );
        }
        let mut state = locked(&self.state);
        state.until = Some(until);
        state.awaited = expected;
        self.over.store(false, Ordering::Release);
    }

    /// A session is established. Must nothing be sent to it yet? Then `attention` is rung when it
    /// is time to ask [`held`](Self::held).
    pub(crate) fn established(
        &self,
        key: &SessionKey,
        peer: Option<&PeerGracefulRestart>,
        now: Instant,
        attention: &Arc<Notify>,
    ) -> bool {
        let mut state = locked(&self.state);
        match peer {
            Some(_) => state.changed |= state.graceful.insert(key.clone()),
            None => state.changed |= state.graceful.remove(key),
        }
        if self.over.load(Ordering::Acquire) {
            return false;
        }
        // RFC 4724 §4.1: without the capability or with the Restart State bit, it is not waited for.
        if peer.is_some_and(|peer| !peer.restarting) {
            state.awaited.insert(key.clone());
        } else {
            state.awaited.remove(key);
        }
        self.finish_if_due(&mut state, now);
        let held = peer.is_some() && !self.over.load(Ordering::Acquire);
        if held {
            state.held.push(Arc::clone(attention));
        }
        held
    }

    /// A session has sent all that it has, in every family.
    pub(crate) fn end_of_rib(&self, key: &SessionKey, now: Instant) {
        self.forget(key, now);
    }

    /// A session is down. It may come back: it is waited for as before.
    pub(crate) fn down(&self, key: &SessionKey) {
        let mut state = locked(&self.state);
        state.changed |= state.graceful.remove(key);
    }

    /// A session is not waited for any longer, whatever becomes of it.
    pub(crate) fn forget(&self, key: &SessionKey, now: Instant) {
        if self.over.load(Ordering::Acquire) {
            return;
        }
        let mut state = locked(&self.state);
        state.awaited.remove(key);
        self.finish_if_due(&mut state, now);
    }

    /// Until when a session that is held has to wait at the latest; none: no longer.
    pub(crate) fn held(&self, now: Instant) -> Option<Instant> {
        if self.over.load(Ordering::Acquire) {
            return None;
        }
        let mut state = locked(&self.state);
        self.finish_if_due(&mut state, now);
        if self.over.load(Ordering::Acquire) { None } else { state.until }
    }

    fn finish_if_due(&self, state: &mut State, now: Instant) {
        let late = state.until.is_some_and(|until| until <= now);
        if !late && !state.awaited.is_empty() {
            return;
        }
        if late && !state.awaited.is_empty() {
            let missing: Vec<_> = state.awaited.iter().take(10).map(ToString::to_string).collect();
            tracing::warn!(
                members = state.awaited.len(), first = %missing.join(", "),
                "not all members have sent their routes after our restart: going on without"
            );
        } else if !state.held.is_empty() {
            tracing::info!("all members have sent their routes after our restart");
        }
        state.awaited.clear();
        state.changed = true;
        self.over.store(true, Ordering::Release);
        state.held.drain(..).for_each(|held| held.notify_one());
    }

    /// How many are waited for; none: nobody is held back.
    pub(crate) fn awaited(&self) -> Option<usize> {
        let over = self.over.load(Ordering::Acquire);
        (!over).then(|| locked(&self.state).awaited.len())
    }

    /// Whether [`members`](Self::members) has changed since this was asked last.
    pub(crate) fn take_changed(&self) -> bool {
        std::mem::take(&mut locked(&self.state).changed)
    }

    /// Who is to be waited for should this process end now.
    pub(crate) fn members(&self) -> BTreeSet<SessionKey> {
        let state = locked(&self.state);
        state.graceful.union(&state.awaited).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
