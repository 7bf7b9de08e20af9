//! Golden octets of MRT records.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use bgp_wire::mrt::{
    Ends, Peer, Reading, RibEntry, State, message, peer_index_table, rib, state_change,
};
use bgp_wire::{AsPath, Asn, MessageType, NextHop, PathAttributes, Prefix};
use bytes::BytesMut;
use support::hex;

const TIME: Duration = Duration::new(0x6500_0000, 250_000_000);

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

fn attributes(next_hop: NextHop) -> PathAttributes {
    PathAttributes::new(AsPath::from_sequence(&[Asn(70_000)]), next_hop)
}

#[test]
fn rfc6396_s4_3_1_peer_index_table() {
    let peers = [
        Peer { router_id: [10, 0, 0, 1].into(), address: [192, 0, 2, 1].into(), asn: Asn(70_000) },
        Peer {
            router_id: [10, 0, 0, 2].into(),
            address: "2001:db8::2".parse().unwrap(),
            asn: Asn(64502),
        },
    ];
    let collector = [192, 0, 2, 250].into();
    let octets = written(|out| peer_index_table(TIME, collector, "rs1", &peers, out));
    let expected = "65000000 000d 0001 00000031 c00002fa 0003 727331 0002 \
                    02 0a000001 c0000201 00011170 \
                    03 0a000002 20010db8000000000000000000000002 0000fbf6";
    assert_eq!(octets, hex(expected));
}

#[test]
fn rfc6396_s4_3_2_rib_of_ipv4() {
    let prefix: Prefix = "198.51.100.0/24".parse().unwrap();
    let route = attributes(NextHop::V4([192, 0, 2, 1].into()));
    let originated = Duration::from_secs(0x64ff_0000);
    let entry = RibEntry { peer: 1, originated, path_id: 7, attributes: &route };
    let octets = written(|out| assert_eq!(rib(TIME, 9, &prefix, false, &[entry], out), 1));
    let written_attributes = "40010100 4002060201 00011170 400304 c0000201";
    let expected = format!(
        "65000000 000d 0002 00000026 00000009 18 c63364 0001 \
         0001 64ff0000 0014 {written_attributes}"
    );
    assert_eq!(octets, hex(&expected));
}

#[test]
fn rfc6396_s4_3_4_of_mp_reach_the_next_hop_only() {
    let prefix: Prefix = "2001:db8::/32".parse().unwrap();
    let global = Some("2001:db8::2".parse().unwrap());
    let link_local = Some("fe80::2".parse().unwrap());
    let route = attributes(NextHop::V6 { global, link_local });
    let entry = RibEntry { peer: 0, originated: TIME, path_id: 7, attributes: &route };
    let octets = written(|out| assert_eq!(rib(TIME, 0, &prefix, true, &[entry], out), 1));
    let expected = "65000000 000d 000a 00000048 00000000 20 20010db8 0001 \
                    0000 65000000 00000007 0031 \
                    800e21 20 20010db8000000000000000000000002 fe800000000000000000000000000002 \
                    40010100 4002060201 00011170";
    assert_eq!(octets, hex(expected));
}

#[test]
fn rfc8050_an_ipv4_route_with_an_ipv6_next_hop() {
    let prefix: Prefix = "198.51.100.0/24".parse().unwrap();
    let link_local = Some("fe80::2".parse().unwrap());
    let route = attributes(NextHop::V6 { global: None, link_local });
    let entry = RibEntry { peer: 0, originated: TIME, path_id: 1, attributes: &route };
    let octets = written(|out| assert_eq!(rib(TIME, 0, &prefix, true, &[entry], out), 1));
    assert_eq!(octets[6..8], [0, 8]);
    let zeros = "00".repeat(16);
    let next_hop = hex(&format!("800e21 20 {zeros} fe800000000000000000000000000002"));
    assert_eq!(octets[34..34 + next_hop.len()], next_hop);
}

#[test]
fn attributes_that_no_entry_can_hold_are_left_out() {
    let prefix: Prefix = "198.51.100.0/24".parse().unwrap();
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let small = attributes(next_hop);
    let mut large = attributes(next_hop);
    large.unknown = [0, 1]
        .map(|code| bgp_wire::RawAttribute {
            flags: 0xd0,
            code: 240 + code,
            value: vec![0; 40_000].into(),
        })
        .into();
    let entry = |attributes| RibEntry { peer: 0, originated: TIME, path_id: 1, attributes };
    let mut out = BytesMut::new();
    assert_eq!(rib(TIME, 0, &prefix, false, &[entry(&large), entry(&small)], &mut out), 1);
    let mut alone = BytesMut::new();
    rib(TIME, 0, &prefix, false, &[entry(&small)], &mut alone);
    assert_eq!(out, alone);
}

fn ends() -> Ends {
    Ends {
        peer_as: Asn(70_000),
        local_as: Asn(64500),
        peer_address: [192, 0, 2, 1].into(),
        local_address: Some([192, 0, 2, 250].into()),
    }
}

#[test]
fn rfc6396_s4_4_messages_with_microseconds() {
    let update = [0, 0, 0, 0];
    let marker = "ff".repeat(16);
    let reading = Reading { four_octet_as: true, add_path: false };
    let octets = written(|out| message(TIME, &ends(), reading, MessageType::Update, &update, out));
    let expected = format!(
        "65000000 0011 0004 0000002f 0003d090 00011170 0000fbf4 0000 0001 c0000201 c00002fa \
         {marker} 0017 02 00000000"
    );
    assert_eq!(octets, hex(&expected));
    let reading = Reading { four_octet_as: false, add_path: false };
    let octets = written(|out| message(TIME, &ends(), reading, MessageType::Update, &update, out));
    let expected = format!(
        "65000000 0011 0001 0000002b 0003d090 5ba0 fbf4 0000 0001 c0000201 c00002fa \
         {marker} 0017 02 00000000"
    );
    assert_eq!(octets, hex(&expected));
}

#[test]
fn rfc6396_s4_4_4_state_change() {
    let peer_address = "2001:db8::2".parse().unwrap();
    let ends = Ends { peer_address, ..ends() };
    let octets = written(|out| {
        state_change(TIME, &ends, State::OpenConfirm, State::Established, out);
    });
    let zeros = "00".repeat(16);
    let expected = format!(
        "65000000 0011 0005 00000034 0003d090 00011170 0000fbf4 0000 0002 \
         20010db8000000000000000000000002 {zeros} 0005 0006"
    );
    assert_eq!(octets, hex(&expected));
}
