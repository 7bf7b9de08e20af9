//! What passes through untouched (RFC 7947 §2.2), and the little that does not.

use rs_tests::support::loopback::{ARRIVE, Exchange, RS, asn, holds, route};
use rs_tests::support::raw::Speaker;
use rs_tests::support::route::Route;
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{self, Attribute, Nlri};

fn dressed(route: Route) -> Route {
    route
        .med(0)
        .community("65002:1")
        .community("65535:666")
        .community("65535:65281")
        .extended("rt:65002:70000")
        .extended("ro:4200065002:7")
        .extended("0300000000000001")
        .large("4200065002:1:2")
        .unknown(0xc0, 200, "deadbeef00")
        .unknown(0xe0, 201, "")
}

#[test]
fn both_families_pass_with_every_attribute() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let routes = [
        dressed(route(2, "203.0.113.0/24", "65100 4200000001 65100")),
        dressed(route(2, "2001:db8:2::/48", "65100")),
    ];
    for route in &routes {
        sender.announce(route);
    }
    holds("both", &receiver, &routes);
    receiver.wait("End-of-RIB for both", ARRIVE, |status| {
        ensure(status.end_of_rib == [1, 1], || format!("{status:?}"))
    });
}

/// An unknown attribute of 300 octets, AS_PATH of two segments, AGGREGATOR, ATOMIC_AGGREGATE:
/// octet for octet.
#[test]
fn attributes_come_out_octet_for_octet() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let route = dressed(route(2, "203.0.113.0/24", "65100"));
    let (mut attributes, next_hop) = wire::attributes_of(&route, true);
    let aggregator = [&65_100_u32.to_be_bytes()[..], &[198, 51, 100, 1]].concat();
    attributes.push(Attribute { flags: 0x40, code: 6, value: Vec::new() });
    attributes.push(Attribute { flags: 0xc0, code: 7, value: aggregator });
    attributes.push(Attribute { flags: 0xc0, code: 202, value: vec![0xa5; 300] });
    attributes.sort_by_key(|attribute| attribute.code);
    let nlri = Nlri { prefix: route.prefix, path_id: None };
    sender.send(&wire::announcement(&attributes, &next_hop, &[nlri])).unwrap();
    receiver
        .wait("one route", ARRIVE, |status| ensure(status.routes == 1, || format!("{status:?}")));
    let table = receiver.table();
    let set = &table[&nlri];
    assert_eq!(set.attributes, attributes);
    assert_eq!(set.next_hop, next_hop);
}

#[test]
fn local_pref_and_unknown_non_transitive_attributes_do_not_pass() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let plain = route(2, "203.0.113.0/24", "");
    let (mut attributes, next_hop) = wire::attributes_of(&plain, true);
    attributes.push(Attribute { flags: 0x40, code: 5, value: vec![0, 0, 0, 200] });
    attributes.push(Attribute { flags: 0x80, code: 203, value: vec![1] });
    let nlri = Nlri { prefix: plain.prefix, path_id: None };
    sender.send(&wire::announcement(&attributes, &next_hop, &[nlri])).unwrap();
    holds("the rest", &receiver, &[plain]);
}

/// RFC 6793: a peer of two-octet AS numbers reads AS_TRANS, and the true path in AS4_PATH.
#[test]
fn a_two_octet_peer_gets_as4_path() {
    let exchange = Exchange::new(&["", ""]);
    let sender = exchange.speaker(2);
    let mut config = exchange.speaker_config(3);
    config.four_octet_as = false;
    let old = Speaker::established(config);
    let sent = route(2, "203.0.113.0/24", "4200000001 65100");
    sender.announce(&sent);
    let mut expected = route(2, "203.0.113.0/24", "23456 65100");
    let as4_path = wire::as_path_octets(&sent.as_path, true);
    expected = expected.unknown(0xc0, 17, &rs_tests::support::route::hex(&as4_path));
    holds("AS_TRANS", &old, &[expected]);
}

/// The link-local half of a next hop that nobody registered is taken off.
#[test]
fn an_unregistered_link_local_half_is_stripped() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let global = route(2, "2001:db8:2::/48", "");
    sender.announce(&global.clone().link_local("fe80::bad".parse().unwrap()));
    holds("the global half", &receiver, &[global]);
}

/// Action communities act and are gone; informational ones cannot be forged.
#[test]
fn control_communities_act_and_are_removed() {
    let exchange = Exchange::new(&["", "", ""]);
    let [sender, receiver, other] = [2, 3, 4].map(|n| exchange.speaker(n));
    let plain = route(2, "203.0.113.0/24", "").community("65002:1");
    let to_other_only = plain
        .clone()
        .community(&format!("0:{RS}"))
        .community(&format!("{RS}:{}", asn(4)))
        .large(&format!("{RS}:1:{}", asn(4)));
    sender.announce(&to_other_only);
    // Behind it, for all.
    let mark = route(2, "198.51.100.0/24", "");
    sender.announce(&mark);
    holds("the one it is for", &other, &[mark.clone(), plain.clone()]);
    holds("nobody else", &receiver, std::slice::from_ref(&mark));
    sender.withdraw("198.51.100.0/24");

    let prepended = plain.clone().large(&format!("{RS}:102:{}", asn(3)));
    sender.announce(&prepended);
    let mut twice = plain.clone();
    twice.as_path = format!("{0} {0} {0}", asn(2));
    holds("prepended twice with the member's AS", &receiver, &[twice]);
    holds("as it is", &other, std::slice::from_ref(&plain));
}

/// ROUTE-REFRESH (RFC 2918, RFC 7313): everything again, between BoRR and EoRR where agreed.
#[test]
fn a_route_refresh_brings_everything_again() {
    let exchange = Exchange::new(&["", ""]);
    let sender = exchange.speaker(2);
    let mut config = exchange.speaker_config(3);
    // Enhanced route refresh.
    config.capabilities.push((70, Vec::new()));
    let receiver = Speaker::established(config);
    let routes = [route(2, "198.51.100.0/24", ""), route(2, "203.0.113.0/24", "65100")];
    for route in &routes {
        sender.announce(route);
    }
    holds("both", &receiver, &routes);
    let before = receiver.status().changes();
    receiver.send(&wire::message(wire::kind::ROUTE_REFRESH, &[0, 1, 0, 1])).unwrap();
    receiver.wait("BoRR and EoRR", ARRIVE, |status| {
        ensure(status.refreshes == [(1, 1), (1, 2)], || format!("{status:?}"))
    });
    let again = receiver.status().changes() - before;
    assert!(again >= 2, "two attribute sets need two messages, {again} came");
    holds("both still", &receiver, &routes);
}
