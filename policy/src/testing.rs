//! What the tests share: a small exchange.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp_wire::{AsPath, Asn, Family, NextHop, PathAttributes, Prefix};

use crate::communities::{CommunityKey, Pattern, Values, attach};
use crate::{
    CheckMode, ImportPolicy, IrrSets, Kind, MemberIrr, NoTrace, PeerPolicy, Policy, PolicyConfig,
    RouteSet, RoutingData, Slot, Verdict, Vrp, VrpTable,
};

/// The route server's AS, of 16 bits.
pub(crate) const RS: Asn = Asn(6500);
/// The member over IPv4.
pub(crate) const V4: Slot = Slot(0);
/// The member over global IPv6.
pub(crate) const V6: Slot = Slot(1);
/// The member over link-local IPv6.
pub(crate) const LL: Slot = Slot(2);
/// Two members more, to receive.
pub(crate) const X: Slot = Slot(3);
/// The last one has a 32-bit AS.
pub(crate) const Y: Slot = Slot(4);
/// Everybody.
pub(crate) const ALL: [Slot; 5] = [V4, V6, LL, X, Y];
/// An AS behind the members.
pub(crate) const ORIGIN: Asn = Asn(3000);

pub(crate) fn asn(slot: Slot) -> Asn {
    if slot == Y { Asn(200_004) } else { Asn(2000 + u32::from(slot.0)) }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ll(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// The exchange with every member at the defaults of the kind, IRR off.
pub(crate) fn config(kind: Kind) -> PolicyConfig {
    let mut config = PolicyConfig::new(kind, RS);
    config.peering_lan = vec![prefix("185.1.0.0/24"), prefix("2a11:1::/64")];
    config.own_addresses = ["185.1.0.1", "2a11:1::1", "fe80::1:1"].map(address).to_vec();
    let addresses = ["185.1.0.10", "2a11:1::11", "fe80::12", "185.1.0.13", "2a11:1::14"];
    for (slot, text) in ALL.into_iter().zip(addresses) {
        let mut peer = PeerPolicy::new(slot.0.into(), asn(slot), address(text));
        peer.interface = Some(Arc::from("eth1"));
        let mut import = ImportPolicy::for_kind(kind);
        import.irr = CheckMode::Off;
        peer.import = Arc::new(import);
        config.peers.push(Some(peer));
    }
    config
}

/// Changes what one member is.
pub(crate) fn with_peer(
    config: &mut PolicyConfig,
    slot: Slot,
    change: impl FnOnce(&mut PeerPolicy),
) {
    change(config.peers[slot.index()].as_mut().unwrap());
}

/// Changes what is checked on one member's routes.
pub(crate) fn with_import(
    config: &mut PolicyConfig,
    slot: Slot,
    change: impl FnOnce(&mut ImportPolicy),
) {
    with_peer(config, slot, |peer| change(Arc::make_mut(&mut peer.import)));
}

pub(crate) fn compiled(config: PolicyConfig) -> Policy {
    Policy::new(config).unwrap()
}

/// A next hop that a member may send.
pub(crate) fn next_hop(slot: Slot) -> NextHop {
    let config = config(Kind::Regular);
    match config.peers[slot.index()].as_ref().unwrap().address {
        IpAddr::V4(address) => NextHop::V4(address),
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            NextHop::V6 { global: None, link_local: Some(address) }
        }
        IpAddr::V6(address) => NextHop::V6 { global: Some(address), link_local: None },
    }
}

/// A route that nothing is wrong with.
pub(crate) fn route(slot: Slot) -> PathAttributes {
    PathAttributes::new(AsPath::from_sequence(&[asn(slot), ORIGIN]), next_hop(slot))
}

/// A prefix that nothing is wrong with.
pub(crate) fn good(family: Family) -> Prefix {
    match family {
        Family::V4 => prefix("193.0.0.0/21"),
        Family::V6 => prefix("2a00:1450::/32"),
    }
}

/// Communities by their text, `$rs` and `$peer` filled in.
pub(crate) fn key(text: &str, peer: Asn) -> CommunityKey {
    let values = Values {
        asn: RS,
        short_asn: Some(RS.0 as u16),
        peer: Some((peer, None)),
        ..Values::default()
    };
    let pattern: Pattern = text.parse().unwrap();
    values.encode_one(&pattern).unwrap()
}

/// The route with communities added.
pub(crate) fn tagged(mut attributes: PathAttributes, texts: &[&str]) -> PathAttributes {
    let keys: Vec<CommunityKey> = texts.iter().map(|text| key(text, Asn(0))).collect();
    attach(&mut attributes, &keys);
    attributes
}

/// The verdict on a route.
pub(crate) fn judge(
    policy: &Policy,
    data: &RoutingData,
    source: Slot,
    attributes: &PathAttributes,
    prefix: &Prefix,
) -> Verdict {
    let verdict = policy.attribute_verdict(source, attributes, &mut NoTrace);
    policy.prefix_verdict(source, &verdict, prefix, data, &mut NoTrace)
}

/// Outside data with one member's IRR set and some VRPs.
pub(crate) fn data(irr: Option<(u32, MemberIrr)>, vrps: &[Vrp]) -> RoutingData {
    RoutingData {
        vrps: Arc::new(VrpTable::from_vrps(vrps.iter().copied())),
        irr: Arc::new(IrrSets::from_members(irr)),
        ..RoutingData::default()
    }
}

pub(crate) fn set(origins: &[Asn], prefixes: &[&str]) -> MemberIrr {
    let prefixes = prefixes.iter().map(|text| prefix(text));
    MemberIrr::fetched(
        "TEST::AS-TEST",
        1_700_000_000,
        RouteSet::new(origins.iter().copied(), prefixes),
    )
}

pub(crate) fn vrp(text: &str, max_len: u8, asn: Asn) -> Vrp {
    Vrp { prefix: prefix(text), max_len, asn }
}
