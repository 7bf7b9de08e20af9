//! What a session is configured with.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bgp_wire::{Asn, Families, Family, LinkLocalForm, Role};

/// Everything that a [`crate::Session`] has to know before the first octet. [`Default`] gives the
/// timers and capabilities of a route server; the AS numbers and the router id have to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// Our AS.
    pub local_as: Asn,
    /// The AS that the peer must name in its OPEN; anything else is answered with 2/2.
    pub peer_as: Asn,
    /// Our BGP Identifier (RFC 6286: any non-zero number that is unique within our AS).
    pub router_id: Ipv4Addr,
    /// Hold time that we propose, in whole seconds: zero (no KEEPALIVEs at all) or at least 3.
    pub hold_time: Duration,
    /// ConnectRetryTime: how long an outbound attempt may take, and how long after a failed
    /// attempt the next one starts.
    pub connect_retry: Duration,
    /// How long the session stays in Idle after an error; doubled with every further error up to
    /// [`crate::MAX_IDLE_HOLD`].
    pub idle_hold: Duration,
    /// How long the peer may read nothing of what waits for it (RFC 9687). `None` is the larger of
    /// 8 minutes and twice the negotiated hold time; zero is never, and so is a negotiated hold
    /// time of zero.
    pub send_hold_time: Option<Duration>,
    /// How long an inbound connection may take to deliver its OPEN.
    pub open_time: Duration,
    /// Percentage of connect-retry, keepalive and idle-hold times that is really waited
    /// (RFC 4271 §10 suggests a random number of 75 to 100). The session rolls no dice: whoever
    /// makes the configuration does.
    pub jitter_percent: u8,
    /// Never connect, only listen.
    pub passive: bool,
    /// Address families to offer.
    pub families: Families,
    /// Offer IPv4 NLRI with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Offer to send several paths for one destination (RFC 7911). We never offer to receive them.
    pub add_path_send: bool,
    /// Offer messages of up to 65,535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Graceful restart (RFC 4724, RFC 8538); `None`: the capability is not sent.
    pub graceful_restart: Option<GracefulRestartConfig>,
    /// Long-lived graceful restart (RFC 9494); needs `graceful_restart`.
    pub llgr: Option<LlgrConfig>,
    /// Our role (RFC 9234).
    pub role: Option<Role>,
    /// What the hostname capability says; `None`: it is not sent.
    pub hostname: Option<String>,
    /// Offer the link-local next hop capability (77).
    pub link_local_next_hop: bool,
    /// How a next hop without a global half is written to a peer without capability 77.
    pub link_local_form: LinkLocalForm,
}

/// Our side of graceful restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GracefulRestartConfig {
    /// How long the peer should keep our routes while we are away; at most 4,095 s on the wire.
    pub restart_time: Duration,
    /// Until then the R bit says that we have just restarted.
    pub restarting_until: Option<Instant>,
    /// Offer the N bit: NOTIFICATIONs do not end what graceful restart keeps (RFC 8538).
    pub notification: bool,
}

/// Our side of long-lived graceful restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlgrConfig {
    /// How long the peer may keep our routes as stale; at most 2²⁴-1 s on the wire.
    pub stale_time: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            local_as: Asn(0),
            peer_as: Asn(0),
            router_id: Ipv4Addr::UNSPECIFIED,
            hold_time: Duration::from_secs(90),
            connect_retry: Duration::from_secs(120),
            idle_hold: Duration::from_secs(5),
            send_hold_time: None,
            open_time: Duration::from_secs(5),
            jitter_percent: 100,
            passive: true,
            families: [Family::V4].into_iter().collect(),
            extended_next_hop: false,
            add_path_send: false,
            extended_messages: true,
            graceful_restart: Some(GracefulRestartConfig::default()),
            llgr: None,
            role: None,
            hostname: None,
            link_local_next_hop: false,
            link_local_form: LinkLocalForm::Native,
        }
    }
}

impl Default for GracefulRestartConfig {
    fn default() -> Self {
        Self { restart_time: Duration::from_secs(120), restarting_until: None, notification: true }
    }
}

impl SessionConfig {
    /// Whether a running session has to be reset to take `new` over: only what stands in the OPEN
    /// needs that, timers and the way we connect do not. The form of link-local next hops does not
    /// either: it is in force from the next session on.
    pub fn needs_reset(&self, new: &Self) -> bool {
        let timers_and_ways = Self {
            connect_retry: new.connect_retry,
            idle_hold: new.idle_hold,
            send_hold_time: new.send_hold_time,
            open_time: new.open_time,
            jitter_percent: new.jitter_percent,
            passive: new.passive,
            link_local_form: new.link_local_form,
            graceful_restart: self.graceful_restart.clone().map(|ours| GracefulRestartConfig {
                restarting_until: new
                    .graceful_restart
                    .as_ref()
                    .and_then(|theirs| theirs.restarting_until),
                ..ours
            }),
            ..self.clone()
        };
        timers_and_ways != *new
    }

    /// A time with the configured jitter taken off.
    pub(crate) fn jittered(&self, time: Duration) -> Duration {
        let percent = u32::from(self.jitter_percent.clamp(1, 100));
        time.saturating_mul(percent) / 100
    }

    /// The hold time as OPEN carries it.
    pub(crate) fn hold_time_secs(&self) -> u16 {
        match u16::try_from(self.hold_time.as_secs()).unwrap_or(u16::MAX) {
            // RFC 4271 §4.2: no other speaker would accept them.
            1 | 2 => 3,
            secs => secs,
        }
    }

    /// How long unread output is tolerated with a negotiated hold time; `None`: for ever. With
    /// hold time zero both sides take silence for life, and no SendHoldTimer runs either,
    /// whatever is configured (RFC 9687 §4.3).
    pub(crate) fn send_hold(&self, hold_time: Duration) -> Option<Duration> {
        if hold_time.is_zero() {
            return None;
        }
        let time = self
            .send_hold_time
            .unwrap_or_else(|| Duration::from_secs(8 * 60).max(hold_time.saturating_mul(2)));
        (!time.is_zero()).then_some(time)
    }
}
