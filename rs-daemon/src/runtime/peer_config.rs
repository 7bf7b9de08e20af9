//! What a worker needs to know of one configured session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_session::SessionConfig;
use policy::Slot;
use rib::LimitConfig;

use super::limits::{ATTRIBUTE_OCTETS, ATTRIBUTE_OCTETS_OF_PREFIX, UNLIMITED_PREFIXES};
use super::slots::SlotLimit;
use crate::config::{
    Config, Limit, LimitAction, LimitCount, ListenAddress, MemberSession, PrefixLimits,
    RouteServer, Secret, SessionKey, TcpAo,
};
use crate::net;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct PeerConfig {
    pub(crate) key: SessionKey,
    pub(crate) route_server: usize,
    pub(crate) slot: Slot,
    pub(crate) member: u32,
    pub(crate) asn: u32,
    pub(crate) name: Arc<str>,
    pub(crate) session: SessionConfig,
    pub(crate) port: u16,
    pub(crate) password: Option<Secret>,
    pub(crate) tcp_ao: Option<TcpAo>,
    pub(crate) ttl_security: bool,
    /// The listener whose address our own attempts come from.
    pub(crate) local: Option<ListenAddress>,
    /// Where its route server listens.
    pub(crate) listen: Arc<[ListenAddress]>,
    /// In force: a limit that follows what is announced is the number that it comes to.
    pub(crate) limits: PrefixLimits,
    /// What counts its prefixes; it belongs to the slot and survives reloads.
    pub(crate) limit: Arc<SlotLimit>,
    pub(crate) disabled: Option<Arc<str>>,
}

impl PeerConfig {
    /// Of one session of a configuration.
    pub(crate) fn new(
        config: &Config,
        session: &MemberSession,
        slot: Slot,
        limit: Arc<SlotLimit>,
        restarting_until: Option<Instant>,
        learned: [Option<u32>; 2],
    ) -> Self {
        let server = &config.route_servers[session.route_server];
        let member = &config.members[session.member];
        Self {
            key: session.key.clone(),
            route_server: session.route_server,
            slot,
            member: u32::try_from(session.member).unwrap_or(u32::MAX),
            asn: session.asn.0,
            name: Arc::clone(&member.name),
            session: session_config(config, session, restarting_until),
            port: session.port,
            password: session.password.clone(),
            tcp_ao: session.tcp_ao.clone(),
            ttl_security: session.ttl_security,
            local: local_address(server, session),
            listen: server.listen.as_slice().into(),
            limits: in_force(&session.limits, learned),
            limit,
            disabled: session.disabled.clone(),
        }
    }

    /// Where we connect to.
    pub(crate) fn remote(&self) -> Result<SocketAddr, net::NetError> {
        net::socket_address(self.key.address, self.port, self.key.interface.as_deref())
    }

    /// Where our attempts come from (any port).
    pub(crate) fn local(&self) -> Result<Option<SocketAddr>, net::NetError> {
        self.local
            .as_ref()
            .map(|local| net::socket_address(local.address, 0, local.interface.as_deref()))
            .transpose()
    }

    /// Whether `new` can only take effect with a new session, and why. `local`: our end of the
    /// connection, if there is one.
    pub(crate) fn needs_restart(&self, new: &Self, local: Option<IpAddr>) -> Option<&'static str> {
        let is_of = |listen: &[ListenAddress]| {
            local.is_some_and(|local| listen.iter().any(|own| own.address == local))
        };
        if self.password != new.password {
            Some("its password changed")
        } else if self.tcp_ao != new.tcp_ao {
            Some("its TCP-AO key changed")
        } else if self.ttl_security != new.ttl_security {
            Some("ttl_security changed")
        } else if is_of(&self.listen) && !is_of(&new.listen) {
            Some("the route server's address changed")
        } else if self.session.needs_reset(&new.session) {
            Some("what is negotiated changed")
        } else {
            None
        }
    }

    /// What `new` changes of a session that stays up.
    pub(crate) fn changes_in_place(&self, new: &Self) -> Option<&'static str> {
        match (&self.disabled, &new.disabled) {
            (None, Some(_)) => Some("disabled"),
            (Some(_), None) => Some("no longer disabled"),
            _ if self.limits != new.limits => Some("prefix limits"),
            _ if self.session.link_local_form != new.session.link_local_form => {
                Some("link_local_next_hop, with their next session")
            }
            _ if self.name != new.name => Some("name"),
            _ if self.local != new.local => Some("the address that we connect from"),
            _ if self.port != new.port => Some("the port that we connect to"),
            _ if self.session.passive != new.session.passive => Some("passive"),
            _ if self.session != new.session => Some("timers"),
            _ => None,
        }
    }

    /// Whether anything at all differs that its worker should know.
    pub(crate) fn differs(&self, new: &Self) -> bool {
        self.member != new.member
            || self.name != new.name
            || self.port != new.port
            || self.session != new.session
            || self.limits != new.limits
            || self.local != new.local
            || self.disabled != new.disabled
            || self.listen != new.listen
            || self.needs_restart(new, None).is_some()
    }
}

/// What the configuration says, with what only a running daemon knows.
fn session_config(
    config: &Config,
    session: &MemberSession,
    restarting_until: Option<Instant>,
) -> SessionConfig {
    let mut made = config.session_config(session).unwrap_or_default();
    made.jitter_percent = jitter(&session.key);
    if let Some(graceful_restart) = &mut made.graceful_restart {
        graceful_restart.restarting_until = restarting_until;
    }
    made
}

/// RFC 4271 §10 asks for timers of 75 to 100 %, so that sessions do not beat in step. Taken from
/// the session's name: the same after a reload, different between sessions.
fn jitter(key: &SessionKey) -> u8 {
    use std::hash::BuildHasher;
    let hash = foldhash::fast::FixedState::default().hash_one(key);
    75 + u8::try_from(hash % 26).unwrap_or_default()
}

/// The listener in the peer's family and scope.
fn local_address(server: &RouteServer, session: &MemberSession) -> Option<ListenAddress> {
    let peer = session.key.address;
    server
        .listen
        .iter()
        .find(|listen| {
            listen.address.is_ipv4() == peer.is_ipv4()
                && net::is_link_local(listen.address) == net::is_link_local(peer)
                && listen.interface == session.key.interface
        })
        .cloned()
}

/// The limits with what was learned in place of what is dynamic.
pub(crate) fn in_force(limits: &PrefixLimits, learned: [Option<u32>; 2]) -> PrefixLimits {
    let number = |limit, learned: Option<u32>| match limit {
        Limit::Dynamic { until_learned } => {
            learned.or(until_learned).map_or(Limit::Off, Limit::Fixed)
        }
        Limit::Fixed(_) | Limit::Off => limit,
    };
    let [v4, v6] = learned;
    PrefixLimits { v4: number(limits.v4, v4), v6: number(limits.v6, v6), ..*limits }
}

/// A limit as the shards know it.
pub(crate) fn limit_config(limits: &PrefixLimits) -> LimitConfig {
    let fixed = |limit: Limit| match limit {
        Limit::Fixed(n) => Some(n),
        Limit::Dynamic { until_learned } => until_learned,
        Limit::Off => None,
    };
    LimitConfig {
        families: [fixed(limits.v4), fixed(limits.v6)],
        total: fixed(limits.total),
        action: match limits.action {
            LimitAction::Warn => rib::LimitAction::Warn,
            LimitAction::Block => rib::LimitAction::Block,
            LimitAction::Restart | LimitAction::Shutdown => rib::LimitAction::Close,
        },
        count_accepted: limits.count == LimitCount::Accepted,
    }
}

/// When the session comes back after it broke its limit; `None`: when it is enabled.
pub(crate) fn restart_after(limits: &PrefixLimits) -> Option<Duration> {
    (limits.action == LimitAction::Restart).then_some(limits.restart_after)
}

/// What the attributes of a session's routes may come to, in octets as they came: prefixes are
/// limited, and what comes with each of them has to be, too.
pub(crate) fn attribute_octets(limits: &PrefixLimits) -> usize {
    let config = limit_config(limits);
    let most = |limit| config.most_kept(limit).map(|most| most as usize);
    let families: usize =
        config.families.into_iter().map(|limit| most(limit).unwrap_or(UNLIMITED_PREFIXES)).sum();
    let prefixes = families.min(most(config.total).unwrap_or(usize::MAX));
    ATTRIBUTE_OCTETS + prefixes * ATTRIBUTE_OCTETS_OF_PREFIX
}
