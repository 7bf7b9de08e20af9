//! Why a session ends.

use std::fmt;
use std::time::Duration;

use bgp_wire::iana::{cease, error};
use bgp_wire::{Family, Notification};

use crate::Negotiated;

/// Why we want a session down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The operator took it down; Cease/2 with the text (RFC 9003). Down until `Start`.
    AdministrativeShutdown(Option<String>),
    /// The operator restarts it; Cease/4 with the text. Up again after the idle-hold time.
    AdministrativeReset(Option<String>),
    /// The peer is no longer configured; Cease/3. Down until `Start`.
    Deconfigured,
    /// The new configuration has to be negotiated; Cease/6. Up again after the idle-hold time.
    ConfigurationChange,
    /// More prefixes than allowed; Cease/1.
    MaxPrefixes {
        /// The family whose limit it was; `None` for one that counts both together.
        family: Option<Family>,
        /// The limit.
        limit: u32,
        /// Up again after this time; `None`: down until `Start`.
        restart_after: Option<Duration>,
    },
    /// We lack memory or the like; Cease/8. Up again after the idle-hold time.
    OutOfResources,
    /// We restart gracefully: connections close without a NOTIFICATION, so that the peer keeps our
    /// routes (RFC 4724 §4.1). Down until `Start`.
    GracefulRestart,
}

/// What becomes of a session after a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comeback {
    OnStart,
    AfterIdleHold,
    After(Duration),
}

impl StopReason {
    pub(crate) fn comeback(&self) -> Comeback {
        match self {
            Self::AdministrativeShutdown(_)
            | Self::Deconfigured
            | Self::GracefulRestart
            | Self::MaxPrefixes { restart_after: None, .. } => Comeback::OnStart,
            Self::AdministrativeReset(_) | Self::ConfigurationChange | Self::OutOfResources => {
                Comeback::AfterIdleHold
            }
            Self::MaxPrefixes { restart_after: Some(time), .. } => Comeback::After(*time),
        }
    }

    /// The NOTIFICATION that says so; `None`: the connection closes without one.
    pub fn notification(&self) -> Option<Notification> {
        Some(match self {
            Self::AdministrativeShutdown(text) => {
                Notification::administrative_shutdown(text.as_deref().unwrap_or_default())
            }
            Self::AdministrativeReset(text) => {
                Notification::administrative_reset(text.as_deref().unwrap_or_default())
            }
            Self::Deconfigured => Notification::cease(cease::PEER_DECONFIGURED),
            Self::ConfigurationChange => Notification::cease(cease::OTHER_CONFIGURATION_CHANGE),
            Self::MaxPrefixes { family: Some(family), limit, .. } => {
                Notification::maximum_prefixes(*family, *limit)
            }
            Self::MaxPrefixes { family: None, .. } => Notification::cease(cease::MAXIMUM_PREFIXES),
            Self::OutOfResources => Notification::cease(cease::OUT_OF_RESOURCES),
            Self::GracefulRestart => return None,
        })
    }

    /// Whether the end is meant to last, so that a peer that keeps routes over NOTIFICATIONs has
    /// to be told with a Hard Reset not to (RFC 8538 §3.1).
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::AdministrativeShutdown(_) | Self::Deconfigured | Self::MaxPrefixes { .. }
        )
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_text = |f: &mut fmt::Formatter<'_>, what: &str, text: &Option<String>| match text {
            Some(text) if !text.is_empty() => write!(f, "{what}: {text}"),
            _ => f.write_str(what),
        };
        match self {
            Self::AdministrativeShutdown(text) => with_text(f, "taken down by the operator", text),
            Self::AdministrativeReset(text) => with_text(f, "reset by the operator", text),
            Self::Deconfigured => f.write_str("no longer configured"),
            Self::ConfigurationChange => f.write_str("reset to take over a changed configuration"),
            Self::MaxPrefixes { family, limit, .. } => match family {
                Some(family) => write!(f, "more than {limit} {family} prefixes"),
                None => write!(f, "more than {limit} prefixes"),
            },
            Self::OutOfResources => f.write_str("out of resources"),
            Self::GracefulRestart => f.write_str("graceful restart of the route server"),
        }
    }
}

/// Why a session, or a connection that was to become one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// We found an error and said so.
    NotificationSent(Notification),
    /// The peer ended it.
    NotificationReceived(Notification),
    /// The TCP connection ended without a word.
    ConnectionLost,
    /// The peer said nothing for the hold time (4/0 was sent).
    HoldTimerExpired,
    /// The peer read nothing for the send hold time (8/0 was sent, if it could be).
    SendHoldTimerExpired,
    /// We wanted it down.
    Stopped(StopReason),
    /// Another connection with the same peer won (RFC 4271 §6.8; 6/7 was sent).
    Collision,
    /// The peer restarted gracefully and already has a new connection (RFC 4724 §5).
    PeerRestarted,
}

impl DownReason {
    /// Whether the routes learnt from the peer are kept as stale for its restart time, given what
    /// the session that ended had negotiated (RFC 4724 §4.2, RFC 8538 §4).
    pub fn keeps_routes(&self, negotiated: &Negotiated) -> bool {
        // A peer may have the capability for our sake only, and name no family of its own, neither
        // there nor for long-lived restarts.
        let Some(graceful) = &negotiated.peer_graceful_restart else { return false };
        let long_lived = negotiated.peer_llgr.iter().flatten().any(|time| !time.is_zero());
        if graceful.families.is_empty() && !long_lived {
            return false;
        }
        match self {
            // The peer goes on with another connection, on which it sends everything again.
            Self::ConnectionLost | Self::PeerRestarted | Self::Collision => true,
            Self::HoldTimerExpired | Self::SendHoldTimerExpired => {
                negotiated.graceful_notifications
            }
            Self::NotificationReceived(notification) | Self::NotificationSent(notification) => {
                negotiated.graceful_notifications && !notification.is_hard_reset()
            }
            Self::Stopped(reason) => {
                negotiated.graceful_notifications
                    && !reason.is_lasting()
                    && *reason != StopReason::GracefulRestart
            }
        }
    }

    /// Whether the other side (or we) found fault with the protocol: such sessions are not tried
    /// again at once.
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Self::NotificationSent(notification) | Self::NotificationReceived(notification) => {
                notification.code != error::CEASE && notification.code != error::HOLD_TIMER_EXPIRED
            }
            Self::SendHoldTimerExpired => true,
            Self::ConnectionLost
            | Self::HoldTimerExpired
            | Self::Stopped(_)
            | Self::Collision
            | Self::PeerRestarted => false,
        }
    }

    /// The NOTIFICATION that took part in it, and whether it was ours.
    pub fn notification(&self) -> Option<(Notification, bool)> {
        match self {
            Self::NotificationSent(notification) => Some((notification.clone(), true)),
            Self::NotificationReceived(notification) => Some((notification.clone(), false)),
            Self::HoldTimerExpired => Some((Notification::hold_timer_expired(), true)),
            Self::SendHoldTimerExpired => Some((Notification::send_hold_timer_expired(), true)),
            Self::Stopped(reason) => reason.notification().map(|notification| (notification, true)),
            Self::Collision => Some((Notification::cease(cease::CONNECTION_COLLISION), true)),
            Self::ConnectionLost | Self::PeerRestarted => None,
        }
    }

    /// What an operator can do about it, for the endings that puzzle people.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotificationReceived(notification) => crate::hints::received(notification),
            Self::NotificationSent(notification) => crate::hints::sent(notification),
            Self::SendHoldTimerExpired => Some(
                "the peer's TCP took nothing for the send hold time: its BGP process hangs or is \
                 starved of CPU",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotificationSent(notification) => write!(f, "sent {notification}"),
            Self::NotificationReceived(notification) => write!(f, "received {notification}"),
            Self::ConnectionLost => f.write_str("the TCP connection ended without a NOTIFICATION"),
            Self::HoldTimerExpired => f.write_str("the peer sent nothing for the hold time"),
            Self::SendHoldTimerExpired => {
                f.write_str("the peer read nothing for the send hold time")
            }
            Self::Stopped(reason) => reason.fmt(f),
            Self::Collision => f.write_str("another connection with this peer was kept instead"),
            Self::PeerRestarted => f.write_str("the peer restarted and has a new connection"),
        }
    }
}
