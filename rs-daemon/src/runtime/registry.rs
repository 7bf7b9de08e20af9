//! Which sessions are configured: read by every accepted connection and by whoever asks for a
//! session by name, written by a reload.

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use policy::Slot;

use super::HandleError;
use super::status::SessionId;
use crate::config::SessionKey;

/// A configured session.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) key: SessionKey,
    pub(crate) route_server: usize,
    pub(crate) slot: Slot,
    pub(crate) asn: u32,
    pub(crate) ttl_security: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    sessions: DashMap<SessionKey, Arc<Registered>>,
}

impl Registry {
    pub(crate) fn insert(&self, session: Registered) {
        self.sessions.insert(session.key.clone(), Arc::new(session));
    }

    pub(crate) fn remove(&self, key: &SessionKey) {
        self.sessions.remove(key);
    }

    pub(crate) fn get(&self, key: &SessionKey) -> Option<Arc<Registered>> {
        self.sessions.get(key).map(|found| Arc::clone(&found))
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The session that a status or a query names.
    pub(crate) fn named(&self, id: &SessionId) -> Result<Arc<Registered>, HandleError> {
        self.get(&key(id)).ok_or_else(|| HandleError::NoSession(id.to_string()))
    }

    /// The sessions that `peer` may mean: an address, with or without its zone, or an AS.
    pub(crate) fn matching(&self, peer: &str, route_server: Option<&str>) -> Vec<Arc<Registered>> {
        let asn = peer.strip_prefix("AS").or_else(|| peer.strip_prefix("as")).unwrap_or(peer);
        let asn: Option<u32> = asn.parse().ok();
        let (address, zone) = peer.split_once('%').map_or((peer, None), |(a, z)| (a, Some(z)));
        let address: Option<IpAddr> = address.parse().ok();
        let fits = |session: &Registered| {
            route_server.is_none_or(|name| &*session.key.route_server == name)
                && (asn == Some(session.asn)
                    || address == Some(session.key.address)
                        && zone.is_none_or(|zone| session.key.interface.as_deref() == Some(zone)))
        };
        let mut found: Vec<_> =
            self.sessions.iter().filter(|s| fits(s)).map(|s| Arc::clone(&s)).collect();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }
}

/// A session's name as the configuration has it.
pub(crate) fn key(id: &SessionId) -> SessionKey {
    SessionKey {
        route_server: Arc::clone(&id.route_server),
        address: id.address,
        interface: id.interface.clone(),
    }
}

/// A session's name as answers have it.
pub(crate) fn id(key: &SessionKey) -> SessionId {
    SessionId {
        route_server: Arc::clone(&key.route_server),
        address: key.address,
        interface: key.interface.clone(),
    }
}
