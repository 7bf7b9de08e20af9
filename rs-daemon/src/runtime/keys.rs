//! Keys of sessions on the listeners (RFC 2385, RFC 5925), from one configuration to the next.
//!
//! The kernel knows keys by the peer's address alone. Where a listener serves several interfaces,
//! sessions with the same link-local address have one place there: a key goes only when no session
//! that stays needs the place.

use super::HandleError;
use super::daemon::StartError;
use super::listener::Listener;
use super::supervisor::Supervisor;
use crate::config::{Config, MemberSession, Secret, TcpAo};
use crate::net::NetError;

impl Supervisor {
    /// Sets the keys of new sessions, and changes those of others, before anything else is touched: a
    /// session without its key would be open to all. Where the kernel refuses one, all are as before.
    pub(super) fn set_protection(&self, old: &Config, new: &Config) -> Result<(), HandleError> {
        let mut changed = Vec::new();
        for session in new.sessions() {
            if old
                .session(&session.key)
                .is_some_and(|before| protection(before) == protection(session))
            {
                continue;
            }
            changed.push(session);
            if let Err(error) = self.change_protection(before(old, new, session), session, new) {
                for session in changed.into_iter().rev() {
                    if let Err(error) = self.release_key(session, old) {
                        tracing::error!(%error, session = %session.key, "its key is not as it was");
                    }
                }
                return Err(HandleError::Config(format!("{}: {error}", session.key)));
            }
        }
        Ok(())
    }

    /// A password is replaced, never removed first: there is no moment without one. Keys of TCP-AO
    /// stand side by side unless they share an id, of which the kernel takes no second.
    fn change_protection(
        &self,
        before: Option<&MemberSession>,
        session: &MemberSession,
        new: &Config,
    ) -> Result<(), StartError> {
        let Some(before) = before else { return self.protect(session) };
        if !has_key(session) {
            self.release_key(before, new)?;
            return self.protect(session);
        }
        if (&before.password, &before.tcp_ao) == (&session.password, &session.tcp_ao) {
            return self.on_listeners(session, |listener| listener.keep_protected(session));
        }
        let old = before.tcp_ao.as_ref();
        let in_the_way = old.is_some_and(|old| {
            let share =
                |new: &TcpAo| old.send_id == new.send_id || old.receive_id == new.receive_id;
            session.tcp_ao.as_ref().is_none_or(share)
        });
        if in_the_way {
            self.on_listeners(before, |listener| listener.protect(before, false))?;
        }
        self.protect(session)?;
        if old.is_some() && !in_the_way {
            self.on_listeners(before, |listener| listener.protect(before, false))?;
        }
        Ok(())
    }

    /// Takes a session's key away, or puts that of the session in its place that `config` has there.
    pub(super) fn release_key(
        &self,
        session: &MemberSession,
        config: &Config,
    ) -> Result<(), StartError> {
        let same_place = || {
            let all = config.sessions_of(session.route_server);
            all.filter(|other| other.key.address == session.key.address && has_key(other))
        };
        self.on_listeners(session, |listener| {
            let heirs = || same_place().filter(|heir| listener.serves(&heir.key));
            let heir = heirs().find(|heir| heir.key == session.key).or_else(|| heirs().next());
            listener.release(session, heir)
        })
    }

    /// All are tried; the first error is told.
    fn on_listeners(
        &self,
        session: &MemberSession,
        act: impl Fn(&Listener) -> Result<(), NetError>,
    ) -> Result<(), StartError> {
        let own = self.listeners.iter().filter(|(it, _)| it.route_server == session.route_server);
        let done = own.map(|(listener, _)| act(listener)).fold(Ok(()), Result::and);
        done.map_err(|source| StartError::Listen { name: session.key.route_server.clone(), source })
    }

    /// Sets a session's key on all listeners of its route server.
    pub(super) fn protect(&self, session: &MemberSession) -> Result<(), StartError> {
        self.on_listeners(session, |listener| listener.protect(session, true))
    }
}

fn has_key(session: &MemberSession) -> bool {
    session.password.is_some() || session.tcp_ao.is_some()
}

fn protection(session: &MemberSession) -> (Option<&Secret>, Option<&TcpAo>, bool) {
    (session.password.as_ref(), session.tcp_ao.as_ref(), session.ttl_security)
}

/// Whose key may be where that of `session` comes: its own, or that of the same address on an
/// interface that it leaves.
fn before<'a>(old: &'a Config, new: &Config, session: &MemberSession) -> Option<&'a MemberSession> {
    old.session(&session.key).or_else(|| {
        let mut all = old.sessions_of(session.route_server);
        all.find(|it| it.key.address == session.key.address && new.session(&it.key).is_none())
    })
}
