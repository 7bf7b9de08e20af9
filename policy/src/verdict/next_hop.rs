//! Row 2: the next hop, both halves of it.

use std::net::{IpAddr, Ipv6Addr};

use bgp_wire::{NextHop, Prefix};
use smallvec::SmallVec;

use crate::config::{NextHopMode, PeerPolicy};

/// The next hops that one session may send.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextHops {
    /// IPv4 and global IPv6 addresses, for `strict` and `same-as`.
    addresses: SmallVec<[IpAddr; 2]>,
    /// Link-local addresses on the session's own link.
    link_locals: SmallVec<[Ipv6Addr; 2]>,
    /// The session is over a link-local address.
    over_link_local: bool,
    /// A link-local address is registered for this session.
    registered: bool,
}

/// What becomes of a next hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextHopVerdict {
    Accept,
    /// The global half is right, the link-local half is unregistered and taken off.
    StripLinkLocal,
    Refuse(&'static str),
}

impl NextHops {
    /// Those of a session; `others` are the sessions whose addresses count as its own, and `link`
    /// is the interface on which its link-local next hops are.
    pub(crate) fn new<'a>(
        peer: &PeerPolicy,
        others: impl Iterator<Item = &'a PeerPolicy>,
        link: Option<&str>,
    ) -> Self {
        let mut next_hops = Self {
            over_link_local: is_link_local(peer.address),
            registered: peer.link_local.is_some(),
            ..Self::default()
        };
        for other in others {
            // fe80::1 on two LANs are two hops.
            let same_link = other.interface.as_deref() == link;
            next_hops.add(other.address, same_link);
            if let Some(link_local) = other.link_local {
                // Registered with a session: on the link of that one.
                let same_link = same_link || other.interface == peer.interface;
                next_hops.add(link_local.into(), same_link);
            }
        }
        for own in peer.member_addresses.iter() {
            next_hops.add(own.address, own.interface.as_deref() == link);
        }
        next_hops
    }

    fn add(&mut self, address: IpAddr, same_link: bool) {
        match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                if same_link && !self.link_locals.contains(&address) {
                    self.link_locals.push(address);
                }
            }
            _ => {
                if !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
            }
        }
    }

    /// Whether a next hop may be used.
    pub(super) fn check(
        &self,
        mode: NextHopMode,
        next_hop: &NextHop,
        is_own: impl Fn(IpAddr) -> bool,
        peering_lan: &[Prefix],
    ) -> NextHopVerdict {
        let (address, link_local) = match *next_hop {
            NextHop::V4(address) => (Some(IpAddr::V4(address)), None),
            NextHop::V6 { global, link_local } => (global.map(IpAddr::V6), link_local),
        };
        for half in address.into_iter().chain(link_local.map(IpAddr::V6)) {
            if let Some(why) = never(half, &is_own) {
                return NextHopVerdict::Refuse(why);
            }
        }
        if let Some(address) = address {
            let allowed = match mode {
                NextHopMode::Any => true,
                NextHopMode::Lan => Prefix::new(address, host_len(address))
                    .is_some_and(|host| peering_lan.iter().any(|lan| lan.covers(&host))),
                NextHopMode::Strict | NextHopMode::SameAs => self.addresses.contains(&address),
            };
            if !allowed {
                return NextHopVerdict::Refuse("not an address of this member");
            }
        }
        link_local.map_or(NextHopVerdict::Accept, |half| {
            self.check_link_local(mode, half, address.is_some())
        })
    }

    fn check_link_local(
        &self,
        mode: NextHopMode,
        link_local: Ipv6Addr,
        has_global: bool,
    ) -> NextHopVerdict {
        if mode == NextHopMode::Any || self.link_locals.contains(&link_local) {
            return NextHopVerdict::Accept;
        }
        // Nobody registered what could be compared; the global half stands alone.
        if has_global && !self.over_link_local && !self.registered {
            return NextHopVerdict::StripLinkLocal;
        }
        NextHopVerdict::Refuse("the link-local half is not this member's")
    }
}

/// Why nobody may use an address as a next hop, in any mode.
fn never(address: IpAddr, is_own: impl Fn(IpAddr) -> bool) -> Option<&'static str> {
    let address = address.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_multicast() || broadcast {
        Some("a multicast or broadcast address")
    } else if is_own(address) {
        Some("an address of the route server")
    } else {
        None
    }
}

fn host_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
