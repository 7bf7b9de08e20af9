//! How members differ, and the route server's side of their sessions.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_session::{GracefulRestartConfig, LlgrConfig, SessionConfig};
use bgp_wire::{
    AddPathFamily, Asn, Capability, EncodingProfile, Families, Family, GracefulRestartFamily,
    LinkLocalForm, LongLivedFamily, OpenMessage,
};

use crate::random::{RS, Random};

/// How long routes of a member are kept over its restart.
pub(crate) const RESTART_TIME: Duration = Duration::from_secs(60);
/// How long they are kept after that with LLGR.
pub(crate) const LONG_LIVED_TIME: Duration = Duration::from_secs(100);
const SAFI: u8 = 1;

/// Who a member is, and what its router can do.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// Its number on the peering LAN.
    pub(crate) host: u16,
    pub(crate) asn: Asn,
    pub(crate) families: Families,
    pub(crate) add_path: bool,
    pub(crate) extended_next_hop: bool,
    pub(crate) four_octet_as: bool,
    pub(crate) extended_message: bool,
    pub(crate) enhanced_refresh: bool,
    /// Families of graceful restart; none: it has no graceful restart.
    pub(crate) graceful: Families,
    /// Graceful restart after NOTIFICATIONs too (RFC 8538).
    pub(crate) graceful_notification: bool,
    pub(crate) llgr: bool,
    /// It sends KEEPALIVEs, and wants them.
    pub(crate) hold_time: u16,
}

impl Kind {
    pub(crate) fn random(random: &mut Random, host: u16, asn: Asn) -> Self {
        let both = Families::BOTH;
        let families = match random.below(8) {
            0 => Families::only(Family::V4),
            1 => Families::only(Family::V6),
            _ => both,
        };
        let graceful = match random.below(6) {
            0 | 1 => families,
            2 => Families::only(Family::V4).intersection(families),
            _ => Families::NONE,
        };
        Self {
            host,
            asn,
            families,
            add_path: random.percent(25),
            extended_next_hop: random.percent(60),
            four_octet_as: random.percent(85),
            extended_message: random.percent(40),
            enhanced_refresh: random.percent(80),
            graceful,
            graceful_notification: random.percent(50),
            llgr: !graceful.is_empty() && random.percent(40),
            hold_time: random.pick(&[0, 0, 90]),
        }
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(0xC000_0201 + u32::from(self.host))
    }

    pub(crate) fn address_v6(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits((0x2001_07f8_u128 << 96) + u128::from(self.host) + 1)
    }

    /// In another order than the addresses.
    pub(crate) fn router_id(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0A00_0001 + u32::from(self.host ^ 5))
    }

    /// How the member writes.
    pub(crate) fn writes(&self) -> EncodingProfile {
        EncodingProfile {
            four_octet_as: self.four_octet_as,
            add_path: [false; 2],
            extended_message: self.extended_message,
            link_local_form: LinkLocalForm::Native,
        }
    }

    /// How the route server writes to it.
    pub(crate) fn profile(&self) -> EncodingProfile {
        EncodingProfile { add_path: [self.add_path; 2], ..self.writes() }
    }

    /// Its OPEN, with the families of which it says to have kept its forwarding state.
    pub(crate) fn open(&self, forwarding: Families) -> OpenMessage {
        let families = || self.families.iter();
        let mut capabilities: Vec<Capability> =
            families().map(Capability::multi_protocol).collect();
        capabilities.push(Capability::RouteRefresh);
        if self.enhanced_refresh {
            capabilities.push(Capability::EnhancedRouteRefresh);
        }
        if self.four_octet_as {
            capabilities.push(Capability::FourOctetAs(self.asn));
        }
        if self.extended_next_hop {
            capabilities.push(Capability::ExtendedNextHop(vec![(1, 1, 2)]));
        }
        if self.extended_message {
            capabilities.push(Capability::ExtendedMessage);
        }
        if self.add_path {
            let entry =
                |f: Family| AddPathFamily { afi: f.afi(), safi: SAFI, receive: true, send: false };
            capabilities.push(Capability::AddPath(families().map(entry).collect()));
        }
        if !self.graceful.is_empty() {
            let entry = |f: Family| GracefulRestartFamily {
                afi: f.afi(),
                safi: SAFI,
                forwarding: forwarding.contains(f),
            };
            capabilities.push(Capability::GracefulRestart {
                restarting: false,
                notification: self.graceful_notification,
                restart_time: RESTART_TIME.as_secs() as u16,
                families: self.graceful.iter().map(entry).collect(),
            });
        }
        if self.llgr {
            let entry = |f: Family| LongLivedFamily {
                afi: f.afi(),
                safi: SAFI,
                forwarding: forwarding.contains(f),
                stale_time: LONG_LIVED_TIME.as_secs() as u32,
            };
            let entries = self.graceful.iter().map(entry).collect();
            capabilities.push(Capability::LongLivedGracefulRestart(entries));
        }
        let my_as = u16::try_from(self.asn.0).unwrap();
        let router_id = self.router_id();
        OpenMessage { version: 4, my_as, hold_time: self.hold_time, router_id, capabilities }
    }
}

/// The members that an exchange begins with. The last two are sessions of one AS.
pub(crate) fn founders(random: &mut Random) -> Vec<Kind> {
    let members = 4 + random.below(5) as u16;
    let asn = |slot: u16| Asn(1001 + u32::from(slot.min(members - 2)));
    (0..members).map(|slot| Kind::random(random, slot, asn(slot))).collect()
}

/// The route server's side.
pub(crate) fn session_config(peer_as: Asn) -> SessionConfig {
    SessionConfig {
        local_as: Asn(RS),
        peer_as,
        router_id: Ipv4Addr::new(10, 255, 0, 1),
        idle_hold: Duration::from_secs(1),
        // A member may stall for as long as the schedule likes.
        send_hold_time: Some(Duration::ZERO),
        passive: true,
        families: Families::BOTH,
        extended_next_hop: true,
        add_path_send: true,
        extended_messages: true,
        graceful_restart: Some(GracefulRestartConfig::default()),
        llgr: Some(LlgrConfig { stale_time: LONG_LIVED_TIME }),
        ..SessionConfig::default()
    }
}
