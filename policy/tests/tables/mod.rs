//! What the tables of policy share: how their words are read, and the exchange they stand for.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests: each file uses its part, and what is wrong must panic"
)]

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp_wire::{
    AsPath, Asn, Community, ExtendedCommunity, LargeCommunity, NextHop, PathAttributes, Prefix,
};
use policy::{CommunityKey, ImportPolicy, Kind, PeerPolicy, PolicyConfig, Slot};

/// The route server's AS where it has 16 bits.
pub const RS: u32 = 6500;

/// A session over IPv4, one over global IPv6, one over link-local IPv6.
pub const SESSIONS: [(&str, Slot); 3] = [("v4", Slot(0)), ("v6", Slot(1)), ("ll", Slot(2))];

/// Whose address a next hop is, for each of the three sessions: the member's other router, a
/// router of the same AS that stands as a member of its own, and somebody else.
pub const OTHERS: [&str; 3] = ["second", "same-as", "stranger"];

/// By kind of session, the address of the member and of [`OTHERS`].
const ADDRESSES: [[&str; 4]; 3] = [
    ["185.1.0.10", "185.1.0.20", "185.1.0.30", "185.1.0.40"],
    ["2a11:1::10", "2a11:1::20", "2a11:1::30", "2a11:1::40"],
    ["fe80::10", "fe80::20", "fe80::30", "fe80::40"],
];

/// The rows of a table: cells between bars, without comments and empty lines.
pub fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split('|').map(str::trim).collect())
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no prefix"))
}

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no address"))
}

pub fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no IPv6 address"))
}

/// The AS of a session's member.
pub fn asn_of(session: Slot) -> Asn {
    Asn(2000 + u32::from(session.0))
}

/// An exchange with the three members and, for each, the others of [`OTHERS`]; IRR is off.
pub fn exchange(kind: Kind) -> PolicyConfig {
    let mut config = PolicyConfig::new(kind, Asn(RS));
    config.peering_lan = vec![prefix("185.1.0.0/24"), prefix("2a11:1::/64")];
    config.own_addresses = ["185.1.0.1", "2a11:1::1", "fe80::1"].map(address).to_vec();
    let mut import = ImportPolicy::for_kind(kind);
    import.irr = policy::CheckMode::Off;
    let import = Arc::new(import);
    for of in 0..4u16 {
        for (index, addresses) in (0u16..).zip(ADDRESSES) {
            let (asn, member) = match of {
                0 | 1 => (asn_of(Slot(index)), index),
                2 => (asn_of(Slot(index)), 10 + index),
                _ => (Asn(2100 + u32::from(index)), 20 + index),
            };
            let mut peer = PeerPolicy::new(member.into(), asn, address(addresses[usize::from(of)]));
            peer.interface = Some(Arc::from("eth1"));
            peer.import = Arc::clone(&import);
            config.peers.push(Some(peer));
        }
    }
    config
}

/// The next hop that names this address of this session's kind, as the session would send it.
fn address_of(session: Slot, of: usize) -> NextHop {
    match address(ADDRESSES[session.index()][of]) {
        IpAddr::V4(v4) => NextHop::V4(v4),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            NextHop::V6 { global: None, link_local: Some(v6) }
        }
        IpAddr::V6(v6) => NextHop::V6 { global: Some(v6), link_local: None },
    }
}

/// A next hop by its word: `own`, one of [`OTHERS`], a kind of address, or `GLOBAL+LINKLOCAL`,
/// of which either half may be `own` or `-`.
pub fn next_hop(session: Slot, word: &str) -> NextHop {
    let own = address_of(session, 0);
    let of_family = |v4: &str, v6: &str| {
        if session.0 == 0 { address(v4) } else { address(v6) }
    };
    if let Some((global, link_local)) = word.split_once('+') {
        let NextHop::V6 { global: own_global, link_local: own_link_local } = own else {
            panic!("a pair over IPv4")
        };
        let half = |word: &str, own| match word {
            "-" => None,
            "own" => own,
            text => Some(v6(text)),
        };
        let global = half(global, own_global);
        return NextHop::V6 { global, link_local: half(link_local, own_link_local) };
    }
    let other = OTHERS.iter().position(|other| *other == word);
    let address = match (word, other) {
        ("own", _) => return own,
        (_, Some(other)) => return address_of(session, other + 1),
        ("outside", _) => of_family("185.1.1.1", "2a11:2::1"),
        ("rs", _) => of_family("185.1.0.1", "2a11:1::1"),
        ("loopback", _) => of_family("127.0.0.1", "::1"),
        ("multicast", _) => of_family("224.0.0.5", "ff02::5"),
        ("unspecified", _) => of_family("0.0.0.0", "::"),
        _ => panic!("{word:?} is no next hop"),
    };
    match address {
        IpAddr::V4(v4) => NextHop::V4(v4),
        IpAddr::V6(v6) => NextHop::V6 { global: Some(v6), link_local: None },
    }
}

/// A route that nothing is wrong with.
pub fn route(session: Slot) -> PathAttributes {
    let path = AsPath::from_sequence(&[asn_of(session), Asn(3000)]);
    PathAttributes::new(path, next_hop(session, "own"))
}

/// A community as it is written, `$rs` being the route server's AS.
pub fn community(text: &str, rs: u32) -> CommunityKey {
    let text = text.replace("$rs", &rs.to_string());
    let standard = || text.parse::<Community>().map(CommunityKey::from).ok();
    let large = || text.parse::<LargeCommunity>().map(CommunityKey::from).ok();
    let extended = || text.parse::<ExtendedCommunity>().map(CommunityKey::from).ok();
    standard().or_else(large).or_else(extended).unwrap_or_else(|| panic!("{text:?} is none"))
}

/// Puts a community on a route.
pub fn tag(attributes: &mut PathAttributes, key: CommunityKey) {
    fn append<T: Copy>(list: &mut Box<[T]>, one: Option<T>) {
        *list = list.iter().copied().chain(one).collect();
    }
    append(&mut attributes.communities, key.standard());
    append(&mut attributes.extended_communities, key.extended());
    append(&mut attributes.large_communities, key.large());
}

/// The communities of a route, standard, extended, large, each in its order.
pub fn communities(attributes: &PathAttributes) -> Vec<String> {
    let standard = attributes.communities.iter().map(ToString::to_string);
    let extended = attributes.extended_communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    standard.chain(extended).chain(large).collect()
}
