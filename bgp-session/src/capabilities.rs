//! What we offer in our OPEN, and what two OPENs agree on. Pure functions.

use std::time::{Duration, Instant};

use bgp_wire::iana::{AFI_IPV4, AFI_IPV6, SAFI_UNICAST, capability, error, open_error};
use bgp_wire::{
    AddPathFamily, Asn, Capability, DecodeContext, EncodingProfile, Families, Family,
    GracefulRestartFamily, LinkLocalForm, LongLivedFamily, Notification, OpenMessage, Role,
};
use bytes::{Bytes, BytesMut};

use crate::negotiated::{Negotiated, PeerGracefulRestart};
use crate::{ConnectionId, SessionConfig};

/// The greatest restart time that fits in the capability (RFC 4724 §3).
const MAX_RESTART_SECS: u64 = 4095;
/// The greatest stale time that fits in the capability (RFC 9494 §3.1).
const MAX_STALE_SECS: u64 = (1 << 24) - 1;
/// RFC 8950 §4: IPv4 unicast NLRI with IPv6 next hops.
const IPV4_OVER_IPV6: (u16, u16, u16) = (AFI_IPV4, SAFI_UNICAST as u16, AFI_IPV6);

/// Capabilities that the peer has refused, and how long that is remembered (RFC 5492 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Omitted {
    all: bool,
    codes: Vec<u8>,
    families: Families,
    tries_left: u8,
}

/// How many OPENs go out without capabilities before they are offered again: the peer may have
/// been replaced or upgraded meanwhile.
const FALLBACK_TRIES: u8 = 5;

impl Omitted {
    /// Learns from a NOTIFICATION that answered our OPEN; whether the next OPEN will differ.
    ///
    /// 2/4 comes from speakers without any notion of capabilities. 2/7 lists capabilities: one
    /// that we had offered is refused, one that we had not is wanted, and leaving out others would
    /// not help. A family is a capability of its own: a peer that wants IPv6 does not refuse IPv4.
    pub(crate) fn learn(&mut self, notification: &Notification, offered: &OpenMessage) -> bool {
        if notification.code != error::OPEN_MESSAGE || offered.capabilities.is_empty() {
            return false;
        }
        match notification.subcode {
            open_error::UNSUPPORTED_OPTIONAL_PARAMETER => self.all = true,
            open_error::UNSUPPORTED_CAPABILITY if notification.data.is_empty() => self.all = true,
            open_error::UNSUPPORTED_CAPABILITY => {
                let before = (self.codes.len(), self.families);
                for (code, value) in listed(&notification.data) {
                    self.refuse(code, value, offered);
                }
                if (self.codes.len(), self.families) == before {
                    return false;
                }
            }
            _ => return false,
        }
        self.tries_left = FALLBACK_TRIES;
        true
    }

    /// Notes one entry of a 2/7, if it is about something that we had offered.
    fn refuse(&mut self, code: u8, value: &[u8], offered: &OpenMessage) {
        if let (capability::MULTIPROTOCOL, [high, low, _, safi]) = (code, value) {
            let family = Family::from_afi_safi(u16::from_be_bytes([*high, *low]), *safi);
            let was_offered = |family: &Family| {
                offered.capabilities.contains(&Capability::multi_protocol(*family))
            };
            family.filter(was_offered).into_iter().for_each(|family| self.families.insert(family));
        } else if offered.capabilities.iter().any(|capability| capability.code() == code) {
            self.codes.push(code);
        }
    }

    /// To be called for each OPEN made; whether it has to go without something.
    pub(crate) fn take_try(&mut self) -> bool {
        if self.tries_left == 0 {
            *self = Self::default();
            return false;
        }
        self.tries_left -= 1;
        true
    }

    /// The session came up like this: keep to it while the peer stays what it is.
    pub(crate) fn confirm(&mut self) {
        if self.all || !self.codes.is_empty() || !self.families.is_empty() {
            self.tries_left = FALLBACK_TRIES;
        }
    }

    fn omits(&self, capability: &Capability) -> bool {
        let family = match capability {
            Capability::MultiProtocol { afi, safi } => Family::from_afi_safi(*afi, *safi),
            _ => None,
        };
        self.all
            || self.codes.contains(&capability.code())
            || family.is_some_and(|family| self.families.contains(family))
    }
}

/// Codes and values in the data of a 2/7, which has the form of a list of capabilities.
fn listed(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (&code, after) = rest.split_first()?;
        let (&octets, after) = after.split_first().unwrap_or((&0, &[]));
        let (value, after) = after.split_at_checked(usize::from(octets)).unwrap_or((after, &[]));
        rest = after;
        Some((code, value))
    })
}

/// Our OPEN.
pub(crate) fn local_open(config: &SessionConfig, omitted: &Omitted, now: Instant) -> OpenMessage {
    let mut capabilities = offer(config, now);
    capabilities.retain(|capability| !omitted.omits(capability));
    OpenMessage {
        version: 4,
        my_as: config.local_as.two_octets(),
        hold_time: config.hold_time_secs(),
        router_id: config.router_id,
        capabilities,
    }
}

/// Everything that the configuration lets us offer.
fn offer(config: &SessionConfig, now: Instant) -> Vec<Capability> {
    let mut offer: Vec<Capability> =
        config.families.iter().map(Capability::multi_protocol).collect();
    offer.push(Capability::RouteRefresh);
    offer.push(Capability::EnhancedRouteRefresh);
    offer.push(Capability::FourOctetAs(config.local_as));
    if config.extended_next_hop && config.families.contains(Family::V4) {
        offer.push(Capability::ExtendedNextHop(vec![IPV4_OVER_IPV6]));
    }
    if config.add_path_send {
        offer.push(Capability::AddPath(per_family(config.families, |afi, safi| AddPathFamily {
            afi,
            safi,
            receive: false,
            send: true,
        })));
    }
    if config.extended_messages {
        offer.push(Capability::ExtendedMessage);
    }
    offer_graceful_restart(config, now, &mut offer);
    if let Some(role) = config.role {
        offer.push(Capability::Role(role));
    }
    if let Some(host) = &config.hostname {
        offer.push(Capability::Hostname { host: host.clone(), domain: String::new() });
    }
    if config.link_local_next_hop {
        offer.push(Capability::LinkLocalNextHop);
    }
    offer
}

/// A route server keeps no forwarding state, so there is none to lose: the F bit is always set.
fn offer_graceful_restart(config: &SessionConfig, now: Instant, offer: &mut Vec<Capability>) {
    let Some(graceful) = &config.graceful_restart else { return };
    let secs = graceful.restart_time.as_secs().min(MAX_RESTART_SECS);
    offer.push(Capability::GracefulRestart {
        restarting: graceful.restarting_until.is_some_and(|until| now < until),
        notification: graceful.notification,
        restart_time: u16::try_from(secs).unwrap_or_default(),
        families: per_family(config.families, |afi, safi| GracefulRestartFamily {
            afi,
            safi,
            forwarding: true,
        }),
    });
    let Some(llgr) = &config.llgr else { return };
    let stale_time = llgr.stale_time.as_secs().min(MAX_STALE_SECS);
    let stale_time = u32::try_from(stale_time).unwrap_or_default();
    offer.push(Capability::LongLivedGracefulRestart(per_family(config.families, |afi, safi| {
        LongLivedFamily { afi, safi, forwarding: true, stale_time }
    })));
}

fn per_family<T>(families: Families, make: impl Fn(u16, u8) -> T) -> Vec<T> {
    families.iter().map(|family| make(family.afi(), SAFI_UNICAST)).collect()
}

/// What two OPENs agree on, or the NOTIFICATION that refuses the peer's.
pub fn negotiate(
    config: &SessionConfig,
    local: &OpenMessage,
    peer: &OpenMessage,
    connection: ConnectionId,
) -> Result<Negotiated, Notification> {
    check_open(config, peer)?;
    let families =
        offered_families(local).intersection(offered_families(peer)).intersection(config.families);
    if families.is_empty() {
        let wanted: Vec<Capability> =
            config.families.iter().map(Capability::multi_protocol).collect();
        return Err(Notification::unsupported_capability(&wanted));
    }
    let both = |is: fn(&Capability) -> bool| has(local, is) && has(peer, is);
    let extended_next_hop = families.contains(Family::V4)
        && offers_ipv4_over_ipv6(local)
        && offers_ipv4_over_ipv6(peer);
    let four_octet_as = both(|c| matches!(c, Capability::FourOctetAs(_)));
    let extended_message = both(|c| *c == Capability::ExtendedMessage);
    let link_local_next_hop = both(|c| *c == Capability::LinkLocalNextHop);
    let hold_time = Duration::from_secs(u64::from(local.hold_time.min(peer.hold_time)));
    let (peer_graceful_restart, graceful_notifications) = graceful_restart(local, peer, families);
    let (peer_llgr, peer_llgr_forwarding) = long_lived(local, peer, families);
    Ok(Negotiated {
        decode: DecodeContext {
            four_octet_as,
            add_path_receive: [false; 2],
            families,
            extended_next_hop,
        },
        profile: EncodingProfile {
            four_octet_as,
            add_path: add_path(local, peer, families),
            extended_message,
            // draft-ietf-idr-linklocal-capability: a lone link-local address takes 16 octets.
            link_local_form: if link_local_next_hop {
                LinkLocalForm::Single
            } else {
                config.link_local_form
            },
        },
        families,
        extended_next_hop,
        hold_time,
        keepalive: hold_time / 3,
        peer_router_id: peer.router_id,
        peer_as: peer.asn(),
        route_refresh: both(|c| *c == Capability::RouteRefresh),
        enhanced_route_refresh: both(|c| *c == Capability::EnhancedRouteRefresh),
        peer_llgr,
        peer_llgr_forwarding,
        peer_graceful_restart,
        graceful_notifications,
        peer_role: roles(peer).next(),
        link_local_next_hop,
        receives_extended_messages: has(local, |c| *c == Capability::ExtendedMessage),
        local_capabilities: local.capabilities.clone(),
        peer_capabilities: peer.capabilities.clone(),
        sent_open: octets_of(local),
        received_open: octets_of(peer),
        connection,
    })
}

fn octets_of(open: &OpenMessage) -> Bytes {
    let mut octets = BytesMut::new();
    open.encode(&mut octets);
    octets.freeze()
}

/// RFC 4271 §6.2, RFC 6286 §2.2, RFC 6793 §4.1, RFC 9234 §4.2: the peer that is configured, and
/// nobody else.
fn check_open(config: &SessionConfig, peer: &OpenMessage) -> Result<(), Notification> {
    if peer.version != 4 {
        return Err(Notification::unsupported_version());
    }
    check_as(config, peer)?;
    let own_identifier = peer.router_id == config.router_id && config.peer_as == config.local_as;
    if peer.router_id.is_unspecified() || own_identifier {
        return Err(Notification::bad_bgp_identifier());
    }
    if matches!(peer.hold_time, 1 | 2) {
        return Err(Notification::unacceptable_hold_time());
    }
    check_role(config, peer)
}

/// The AS number has to be the configured one, wherever it stands: in the two octets, or in the
/// capability with the two octets repeating it or being AS_TRANS.
fn check_as(config: &SessionConfig, peer: &OpenMessage) -> Result<(), Notification> {
    let bad_peer_as = |asn: Asn| {
        let data = asn.0.to_be_bytes();
        Err(Notification::with_data(error::OPEN_MESSAGE, open_error::BAD_PEER_AS, &data))
    };
    let two_octets = Asn(u32::from(peer.my_as));
    let mut four_octets = peer.capabilities.iter().filter_map(|capability| match capability {
        Capability::FourOctetAs(asn) => Some(*asn),
        _ => None,
    });
    // RFC 5492 §4 lets a capability come twice; twice with different numbers makes no sense.
    if let Some(wrong) = four_octets.clone().find(|asn| *asn != config.peer_as) {
        return bad_peer_as(wrong);
    }
    let expected =
        two_octets == config.peer_as || (four_octets.next().is_some() && two_octets == Asn::TRANS);
    if expected { Ok(()) } else { bad_peer_as(two_octets) }
}

/// A peer that names no role is taken (RFC 9234 §4.2 leaves strict mode to configuration).
fn check_role(config: &SessionConfig, peer: &OpenMessage) -> Result<(), Notification> {
    let Some(ours) = config.role else { return Ok(()) };
    // Several different roles are a mismatch whatever they are: one of them does not fit.
    let fit = roles(peer).all(|theirs| ours.fits(theirs));
    if fit { Ok(()) } else { Err(Notification::role_mismatch()) }
}

fn roles(open: &OpenMessage) -> impl Iterator<Item = Role> + '_ {
    open.capabilities.iter().filter_map(|capability| match capability {
        Capability::Role(role) => Some(*role),
        _ => None,
    })
}

fn has(open: &OpenMessage, is: fn(&Capability) -> bool) -> bool {
    open.capabilities.iter().any(is)
}

/// The families of an OPEN. Without any multiprotocol capability that is IPv4 unicast
/// (RFC 4760 §8).
fn offered_families(open: &OpenMessage) -> Families {
    let mut named = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::MultiProtocol { afi, safi } => Some(Family::from_afi_safi(*afi, *safi)),
        _ => None,
    });
    let Some(first) = named.next() else { return Families::only(Family::V4) };
    std::iter::once(first).chain(named).flatten().collect()
}

fn offers_ipv4_over_ipv6(open: &OpenMessage) -> bool {
    open.capabilities.iter().any(|capability| match capability {
        Capability::ExtendedNextHop(families) => families.contains(&IPV4_OVER_IPV6),
        _ => false,
    })
}

/// For which families we send several paths: those where we offer it and the peer wants it
/// (RFC 7911 §4).
fn add_path(local: &OpenMessage, peer: &OpenMessage, families: Families) -> [bool; 2] {
    let wants = |open: &OpenMessage, family: Family, side: fn(&AddPathFamily) -> bool| {
        open.capabilities.iter().any(|capability| match capability {
            Capability::AddPath(entries) => entries.iter().any(|entry| {
                Family::from_afi_safi(entry.afi, entry.safi) == Some(family) && side(entry)
            }),
            _ => false,
        })
    };
    let mut add_path = [false; 2];
    for family in families.iter() {
        if let Some(place) = add_path.get_mut(family.index()) {
            *place = wants(local, family, |entry| entry.send)
                && wants(peer, family, |entry| entry.receive);
        }
    }
    add_path
}

/// The peer's side of graceful restart, where we have it too, and whether NOTIFICATIONs leave it
/// in force (RFC 8538 §2: both set the N bit).
fn graceful_restart(
    local: &OpenMessage,
    peer: &OpenMessage,
    negotiated: Families,
) -> (Option<PeerGracefulRestart>, bool) {
    let read = |open: &OpenMessage| {
        // Should it come twice, the last one holds (RFC 4724 §3).
        open.capabilities.iter().rev().find_map(|capability| match capability {
            Capability::GracefulRestart { restarting, notification, restart_time, families } => {
                let of_ours = |entry: &GracefulRestartFamily| {
                    Family::from_afi_safi(entry.afi, entry.safi)
                        .filter(|family| negotiated.contains(*family))
                };
                let graceful = PeerGracefulRestart {
                    restarting: *restarting,
                    restart_time: Duration::from_secs(u64::from(*restart_time)),
                    families: families.iter().filter_map(of_ours).collect(),
                    forwarding: families
                        .iter()
                        .filter(|entry| entry.forwarding)
                        .filter_map(of_ours)
                        .collect(),
                };
                Some((graceful, *notification))
            }
            _ => None,
        })
    };
    match (read(local), read(peer)) {
        (Some((_, ours)), Some((graceful, theirs))) => (Some(graceful), ours && theirs),
        _ => (None, false),
    }
}

/// How long the peer's routes may stay as long-lived stale, by family: what it wants, but no longer
/// than we are configured to (RFC 9494 §4.2). Also of which families it says to have kept the
/// forwarding state. All of it counts only beside graceful restart.
fn long_lived(
    local: &OpenMessage,
    peer: &OpenMessage,
    negotiated: Families,
) -> ([Option<Duration>; 2], Families) {
    let read = |open: &OpenMessage| {
        let mut times = [None; 2];
        let mut forwarding = Families::NONE;
        if !has(open, |c| matches!(c, Capability::GracefulRestart { .. })) {
            return (times, forwarding);
        }
        let entries = open.capabilities.iter().filter_map(|capability| match capability {
            Capability::LongLivedGracefulRestart(entries) => Some(entries),
            _ => None,
        });
        for entry in entries.flatten() {
            let family = Family::from_afi_safi(entry.afi, entry.safi)
                .filter(|family| negotiated.contains(*family));
            let Some(family) = family else { continue };
            times[family.index()] = Some(Duration::from_secs(u64::from(entry.stale_time)));
            if entry.forwarding {
                forwarding.insert(family);
            } else {
                forwarding.remove(family);
            }
        }
        (times, forwarding)
    };
    let (ours, _) = read(local);
    let (theirs, forwarding) = read(peer);
    let both = |family: Family| {
        let [ours, theirs] = [ours, theirs].map(|times| times[family.index()]);
        ours.zip(theirs).map(|(ours, theirs)| ours.min(theirs))
    };
    let times = Family::ALL.map(both);
    let agreed: Families =
        forwarding.iter().filter(|family| times[family.index()].is_some()).collect();
    (times, agreed)
}

#[cfg(test)]
mod tests;
