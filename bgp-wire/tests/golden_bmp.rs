//! Golden octets of BMP messages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use bgp_wire::bmp::{
    PeerDown, PeerHeader, PeerUp, Rib, Statistic, TerminationReason, initiation, peer_down,
    peer_up, route_monitoring, statistics_report, termination,
};
use bgp_wire::{
    AsPath, Asn, EncodingProfile, Family, LinkLocalForm, NextHop, Notification, PathAttributes,
    Prefix, encode_end_of_rib, encode_reach,
};
use bytes::BytesMut;
use support::hex;

const PEER: PeerHeader = PeerHeader {
    rib: Rib::AdjRibInPre,
    instance: 0,
    address: Some(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
    asn: Asn(64501),
    router_id: std::net::Ipv4Addr::new(10, 0, 0, 1),
    two_octet_as: false,
    time: Duration::new(0x6500_0000, 7_000),
};

/// The per-peer header of [`PEER`] from its distinguisher on.
const PEER_REST: &str = "0000000000000000 000000000000000000000000c0000201 0000fbf5 0a000001 \
                         65000000 00000007";

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

#[test]
fn rfc7854_s4_3_initiation() {
    let octets = written(|out| initiation("d", "nam", out));
    assert_eq!(octets, hex("03 00000012 04 0001 0001 64 0002 0003 6e616d"));
}

#[test]
fn rfc7854_s4_5_termination() {
    let reason = TerminationReason::OutOfResources;
    let octets = written(|out| termination(reason, "no", out));
    assert_eq!(octets, hex("03 00000012 05 0000 0002 6e6f 0001 0002 0002"));
    let reason = TerminationReason::AdministrativelyClosed;
    let octets = written(|out| termination(reason, "", out));
    assert_eq!(octets, hex("03 0000000c 05 0001 0002 0000"));
}

#[test]
fn rfc7854_s4_6_each_update_is_one_message() {
    let mut updates = BytesMut::new();
    encode_end_of_rib(Family::V4, &mut updates);
    encode_end_of_rib(Family::V6, &mut updates);
    let mut out = BytesMut::new();
    assert_eq!(route_monitoring(&PEER, &updates, &mut out), 2);
    let marker = "ff".repeat(16);
    let v4 = format!("03 00000047 00 00 00 {PEER_REST} {marker} 0017 02 0000 0000");
    let v6 =
        format!("03 0000004e 00 00 00 {PEER_REST} {marker} 001e 02 0000 0007 900f 0003 0002 01");
    assert_eq!(out.to_vec(), hex(&format!("{v4} {v6}")));
}

/// Type and flags of the header of a Route Monitoring message.
fn type_and_flags(peer: PeerHeader) -> (u8, u8) {
    let mut update = BytesMut::new();
    encode_end_of_rib(Family::V4, &mut update);
    let octets = written(|out| {
        route_monitoring(&peer, &update, out);
    });
    (octets[6], octets[7])
}

#[test]
fn flags_of_every_table() {
    let v6 = Some("2001:db8::1".parse().unwrap());
    assert_eq!(type_and_flags(PEER), (0, 0x00));
    assert_eq!(type_and_flags(PeerHeader { address: v6, ..PEER }), (0, 0x80));
    assert_eq!(type_and_flags(PeerHeader { two_octet_as: true, ..PEER }), (0, 0x20));
    // RFC 7854 §4.2: L
    assert_eq!(type_and_flags(PeerHeader { rib: Rib::AdjRibInPost, ..PEER }), (0, 0x40));
    // RFC 8671 §4: O with L
    let out = PeerHeader { rib: Rib::AdjRibOutPost, address: v6, ..PEER };
    assert_eq!(type_and_flags(out), (0, 0xd0));
    // RFC 7854 §4.2: a Local Instance Peer
    assert_eq!(type_and_flags(PeerHeader { instance: 2, ..PEER }), (2, 0x00));
    // RFC 9069 §4.1 and §4.2: of the flags only F has a meaning
    let loc_rib = PeerHeader { rib: Rib::LocRib, address: None, instance: 1, ..PEER };
    assert_eq!(type_and_flags(loc_rib), (3, 0x00));
}

#[test]
fn rfc7854_s4_10_peer_up() {
    let up = PeerUp {
        local_address: Some("192.0.2.250".parse().unwrap()),
        local_port: 179,
        remote_port: 0x8001,
        sent_open: &[0xaa; 3],
        received_open: &[0xbb; 2],
        table_name: None,
    };
    let octets = written(|out| peer_up(&PEER, &up, out));
    let expected = format!(
        "03 00000049 03 00 00 {PEER_REST} \
         000000000000000000000000c00002fa 00b3 8001 aaaaaa bbbb"
    );
    assert_eq!(octets, hex(&expected));
}

#[test]
fn rfc9069_s4_3_peer_up_of_loc_rib() {
    let peer = PeerHeader { rib: Rib::LocRib, address: None, ..PEER };
    let up = PeerUp {
        local_address: None,
        local_port: 0,
        remote_port: 0,
        sent_open: &[0xaa],
        received_open: &[0xaa],
        table_name: Some("rs1"),
    };
    let octets = written(|out| peer_up(&peer, &up, out));
    let zeros = "00".repeat(16);
    let expected = format!(
        "03 0000004d 03 03 00 0000000000000000 {zeros} 0000fbf5 0a000001 65000000 00000007 \
         {zeros} 0000 0000 aa aa 0003 0003 727331"
    );
    assert_eq!(octets, hex(&expected));
}

#[test]
fn rfc7854_s4_9_peer_down() {
    let of = |reason: PeerDown| written(|out| peer_down(&PEER, &reason, out));
    let head = |length: u8| format!("03 000000{length:02x} 02 00 00 {PEER_REST}");
    let notification = || Notification::cease(3);
    let message = format!("{} 0015 03 06 03", "ff".repeat(16));
    let local = of(PeerDown::LocalNotification(notification()));
    assert_eq!(local, hex(&format!("{} 01 {message}", head(0x46))));
    let remote = of(PeerDown::RemoteNotification(notification()));
    assert_eq!(remote, hex(&format!("{} 03 {message}", head(0x46))));
    let event = of(PeerDown::LocalNoNotification(2));
    assert_eq!(event, hex(&format!("{} 02 0002", head(0x33))));
    assert_eq!(of(PeerDown::RemoteNoNotification), hex(&format!("{} 04", head(0x31))));
}

#[test]
fn rfc7854_s4_8_statistics() {
    let numbers = [
        Statistic::RejectedPrefixes(5),
        Statistic::AdjRibIn(300),
        Statistic::AdjRibInOf(Family::V6, 299),
        Statistic::TreatedAsWithdraw(1),
        Statistic::AdjRibOutPost(2),
        Statistic::AdjRibOutPostOf(Family::V4, 2),
    ];
    let octets = written(|out| statistics_report(&PEER, &numbers, out));
    let expected = format!(
        "03 0000007a 01 00 00 {PEER_REST} 00000006 \
         0000 0004 00000005 \
         0007 0008 000000000000012c \
         0009 000b 0002 01 000000000000012b \
         000b 0004 00000001 \
         000f 0008 0000000000000002 \
         0011 000b 0001 01 0000000000000002"
    );
    assert_eq!(octets, hex(&expected));
    let of_loc_rib = [Statistic::LocRib(1), Statistic::LocRibOf(Family::V4, 1)];
    let octets = written(|out| statistics_report(&PEER, &of_loc_rib, out));
    let numbers = "0008 0008 0000000000000001 000a 000b 0001 01 0000000000000001";
    assert_eq!(octets[48..], hex(&format!("00000002 {numbers}")));
}

#[test]
fn routes_that_take_several_updates_take_as_many_messages() {
    let profile = EncodingProfile {
        four_octet_as: true,
        add_path: [false; 2],
        extended_message: false,
        link_local_form: LinkLocalForm::Native,
    };
    let path = AsPath::from_sequence(&[Asn(64501)]);
    let attributes = PathAttributes::new(path, NextHop::V4([192, 0, 2, 1].into()));
    let nlri: Vec<_> = (0..2000_u32)
        .map(|n| Prefix::v4(std::net::Ipv4Addr::from_bits(n << 8), 24).unwrap().into())
        .collect();
    let mut updates = BytesMut::new();
    let count = encode_reach(&profile, Family::V4, &attributes, &nlri, &mut updates);
    assert!(count > 1);
    let mut out = BytesMut::new();
    assert_eq!(route_monitoring(&PEER, &updates, &mut out), count);
    assert_eq!(out.len(), updates.len() + count * bgp_wire::bmp::ROUTE_MONITORING_OCTETS);
}
