//! Golden octets: every path attribute and both encodings of reach and unreach, written and
//! read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use bgp_wire::{
    Aggregator, AsPath, Asn, Community, DecodeContext, EncodingProfile, ExtendedCommunity, Family,
    Ipv6ExtendedCommunity, KnownAttribute, LargeCommunity, LinkLocalForm, NextHop, Nlri, Origin,
    PathAttributes, Prefix, RawAttribute, SegmentKind, encode_end_of_rib, encode_reach,
    encode_unreach, message_octets, next_frame, parse_attributes,
};
use bytes::{Bytes, BytesMut};
use support::{CX, TWO_OCTETS, body_of, decode, hex, message};

const PROFILE: EncodingProfile = EncodingProfile {
    four_octet_as: true,
    add_path: [false, false],
    extended_message: false,
    link_local_form: LinkLocalForm::Native,
};

fn nlri(text: &str) -> Nlri {
    text.parse::<Prefix>().unwrap().into()
}

fn v4(attributes: impl FnOnce(&mut PathAttributes)) -> PathAttributes {
    let path = AsPath::from_sequence(&[Asn(64500)]);
    let mut value = PathAttributes::new(path, NextHop::V4([192, 0, 2, 1].into()));
    attributes(&mut value);
    value
}

/// Writes an announcement, compares it with the octets, and reads it back.
fn golden(name: &str, profile: &EncodingProfile, value: &PathAttributes, body: &str) {
    let body = hex(body);
    let route = nlri("198.51.100.0/24");
    let written = body_of(|out| {
        assert_eq!(encode_reach(profile, Family::V4, value, &[route], out), 1);
    });
    assert_eq!(written[..], body, "{name}");
    let cx = DecodeContext { four_octet_as: profile.four_octet_as, ..CX };
    let out = decode(&body, &cx).unwrap();
    assert_eq!((out.reach[0].nlri[0], out.faults.len()), (route, 0), "{name}");
    let parsed = parse_attributes(&out.attributes, out.reach[0].next_hop, &cx).unwrap();
    assert_eq!(parsed.attributes, *value, "{name}");
    assert!(parsed.faults.is_empty(), "{name}");
}

/// ORIGIN, AS_PATH, NEXT_HOP, then one more attribute, then the NLRI.
fn one_more(name: &str, value: PathAttributes, attribute: &str) {
    let octets = 20 + hex(attribute).len();
    let body = format!(
        "0000 {octets:04x} 400101 00 400206 0201 0000fbf4 400304 c0000201 {attribute} 18 c63364"
    );
    golden(name, &PROFILE, &value, &body);
}

#[test]
fn rfc4271_s4_3_update() {
    golden(
        "the least that an announcement has",
        &PROFILE,
        &v4(|_| ()),
        "
        0000                # no withdrawn routes
        0014                # attributes: 20 octets
        40 01 01 00         # ORIGIN IGP
        40 02 06            # AS_PATH
           02 01 0000fbf4   #   sequence of one: 64500
        40 03 04 c0000201   # NEXT_HOP
        18 c63364           # 198.51.100.0/24
        ",
    );
}

#[test]
fn rfc4271_s4_3_origin() {
    for (origin, code) in [(Origin::Egp, 1), (Origin::Incomplete, 2)] {
        let body =
            format!("0000 0014 400101 {code:02x} 400206 0201 0000fbf4 400304 c0000201 18 c63364");
        golden("ORIGIN", &PROFILE, &v4(|a| a.origin = origin), &body);
    }
}

#[test]
fn rfc4271_s4_3_as_path_with_a_set() {
    let segments = [(SegmentKind::Sequence, &[Asn(1)][..]), (SegmentKind::Set, &[Asn(2), Asn(3)])];
    golden(
        "AS_PATH",
        &PROFILE,
        &v4(|a| a.as_path = AsPath::from_segments(segments)),
        "0000 001e 400101 00
         400210 0201 00000001 0102 00000002 00000003
         400304 c0000201 18 c63364",
    );
}

#[test]
fn rfc4271_s4_3_a_long_attribute_has_a_length_of_two_octets() {
    let path = AsPath::from_sequence(&[Asn(1); 64]);
    let body = format!(
        "0000 0111 400101 00 50020102 0240 {} 400304 c0000201 18 c63364",
        "00000001".repeat(64)
    );
    golden("AS_PATH of 258 octets", &PROFILE, &v4(|a| a.as_path = path), &body);
}

#[test]
fn attributes_one_by_one() {
    one_more("RFC 4271 s4.3 d", v4(|a| a.med = Some(50)), "800404 00000032");
    one_more("RFC 4271 s4.3 f", v4(|a| a.atomic_aggregate = true), "400600");
    let aggregator = Aggregator { asn: Asn(70000), address: [203, 0, 113, 1].into() };
    one_more(
        "RFC 4271 s4.3 g, RFC 6793 s4",
        v4(|a| a.aggregator = Some(aggregator)),
        "c00708 00011170 cb007101",
    );
    one_more(
        "RFC 1997",
        v4(|a| a.communities = [Community::new(64500, 1), Community::NO_EXPORT].into()),
        "c00808 fbf40001 ffffff01",
    );
    one_more(
        "RFC 4360 s2",
        v4(|a| {
            let target = ExtendedCommunity::two_octet_as(2, 64500, 7);
            a.extended_communities =
                [target, ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 1])].into();
        }),
        "c01010 0002 fbf4 00000007 4300 0000 00000001",
    );
    let ipv6 =
        Ipv6ExtendedCommunity([0, 2, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7]);
    one_more(
        "RFC 5701 s2",
        v4(|a| a.ipv6_extended_communities = [ipv6].into()),
        "c01914 0002 20010db8 00000000 00000000 00000001 0007",
    );
    let large = LargeCommunity { global: 64500, local1: 1, local2: 4_200_000_000 };
    one_more(
        "RFC 8092 s3",
        v4(|a| a.large_communities = [large].into()),
        "c0200c 0000fbf4 00000001 fa56ea00",
    );
    one_more("RFC 9234 s5", v4(|a| a.otc = Some(Asn(64500))), "c02304 0000fbf4");
}

#[test]
fn rfc4271_s5_partial_goes_on_as_it_came() {
    let with = |attribute, octets: &str, set: fn(&mut PathAttributes)| {
        let value = v4(|a| {
            set(a);
            a.partial.insert(attribute);
        });
        one_more("partial", value, octets);
    };
    with(KnownAttribute::Aggregator, "e00708 0000fbf4 cb007101", |a| {
        a.aggregator = Some(Aggregator { asn: Asn(64500), address: [203, 0, 113, 1].into() });
    });
    with(KnownAttribute::Communities, "e00804 fbf40001", |a| {
        a.communities = [Community::new(64500, 1)].into();
    });
    with(KnownAttribute::ExtendedCommunities, "e01008 0002fbf400000007", |a| {
        a.extended_communities = [ExtendedCommunity::two_octet_as(2, 64500, 7)].into();
    });
    with(KnownAttribute::LargeCommunities, "e0200c 000000010000000200000003", |a| {
        a.large_communities = [LargeCommunity { global: 1, local1: 2, local2: 3 }].into();
    });
    with(KnownAttribute::OnlyToCustomer, "e02304 0000fbf4", |a| a.otc = Some(Asn(64500)));
}

#[test]
fn rfc4271_s5_unknown_transitive_attributes_stay_as_they_are() {
    for (flags, octets) in [
        (0xc0, "c0c803 010203"),
        (0xe0, "e0c803 010203"),
        (0xd0, "d0c80003 010203"), // a length of two octets that need not be
        (0xcf, "cfc803 010203"),   // flags that mean nothing
    ] {
        let raw = RawAttribute { flags, code: 200, value: Bytes::from_static(&[1, 2, 3]) };
        one_more("unknown", v4(|a| a.unknown = [raw].into()), octets);
    }
}

#[test]
fn rfc4271_s5_attributes_in_ascending_order() {
    let raw = |code| RawAttribute { flags: 0xc0, code, value: Bytes::new() };
    let value = v4(|a| {
        a.otc = Some(Asn(1));
        a.communities = [Community(1)].into();
        // 20 and 33 lie between those that we know, 0 before, 255 behind.
        a.unknown = [raw(255), raw(33), raw(0), raw(20)].into();
    });
    let body = body_of(|out| {
        encode_reach(&PROFILE, Family::V4, &value, &[nlri("10.0.0.0/8")], out);
    });
    let out = decode(&body, &CX).unwrap();
    let parsed = parse_attributes(&out.attributes, value.next_hop, &CX).unwrap();
    let unknown: Vec<_> = parsed.attributes.unknown.iter().map(|a| a.code).collect();
    assert_eq!(unknown, [0, 20, 33, 255]);
    assert_eq!(
        body[4..36],
        hex("c00000 400101 00 400206 0201 0000fbf4 400304 c0000201 c00804 00000001 c01400")[..32]
    );
}

#[test]
fn rfc8092_s5_duplicate_large_communities_go_and_the_order_stays() {
    let large = |local2| LargeCommunity { global: 1, local1: 1, local2 };
    for count in [3_u32, 40] {
        let all: Vec<u32> = (0..count).rev().chain(0..count).collect();
        let mut attribute = vec![0xd0, 32];
        attribute.extend(u16::try_from(12 * all.len()).unwrap().to_be_bytes());
        for local2 in all {
            attribute.extend(hex(&format!("00000001 00000001 {local2:08x}")));
        }
        let attributes = [hex("400101 00 400200"), attribute].concat();
        let next_hop = NextHop::V4([192, 0, 2, 1].into());
        let parsed = parse_attributes(&attributes, next_hop, &CX).unwrap();
        let expected: Vec<_> = (0..count).rev().map(large).collect();
        assert_eq!(parsed.attributes.large_communities[..], expected);
    }
}

#[test]
fn rfc6793_s4_2_2_to_a_neighbour_with_two_octets() {
    let two = EncodingProfile { four_octet_as: false, ..PROFILE };
    golden(
        "nothing to widen",
        &two,
        &v4(|_| ()),
        "
        0000 0012 400101 00 400204 0201 fbf4 400304 c0000201 18 c63364",
    );
    let value = v4(|a| {
        a.as_path = AsPath::from_sequence(&[Asn(64500), Asn(70000)]);
        a.aggregator = Some(Aggregator { asn: Asn(70000), address: [203, 0, 113, 1].into() });
    });
    golden(
        "AS4_PATH and AS4_AGGREGATOR",
        &two,
        &value,
        "
        0000 0035
        400101 00
        400206 0202 fbf4 5ba0           # AS_PATH: 64500 AS_TRANS
        400304 c0000201
        c00706 5ba0 cb007101            # AGGREGATOR: AS_TRANS
        c0110a 0202 0000fbf4 00011170   # AS4_PATH: 64500 70000
        c01208 00011170 cb007101        # AS4_AGGREGATOR: 70000
        18 c63364",
    );
}

#[test]
fn rfc6793_s4_2_3_from_a_neighbour_with_two_octets() {
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let parse = |attributes: &str| {
        let parsed =
            parse_attributes(&hex(&format!("400101 00 {attributes}")), next_hop, &TWO_OCTETS);
        let a = parsed.unwrap().attributes;
        (a.as_path.to_string(), a.aggregator.map(|aggregator| aggregator.asn.0))
    };
    let path = "400208 0203 0001 5ba0 5ba0";
    let as4_path = "c0110a 0202 00011170 00013880";
    assert_eq!(parse(&format!("{path} {as4_path}")), ("1 70000 80000".into(), None));
    // AGGREGATOR is AS_TRANS: the four-octet ones count.
    let as4_aggregator = "c01208 00011170 cb007101";
    let all = format!("{path} c00706 5ba0 cb007101 {as4_path} {as4_aggregator}");
    assert_eq!(parse(&all), ("1 70000 80000".into(), Some(70000)));
    // AGGREGATOR is another: somebody aggregated since, neither counts.
    let all = format!("{path} c00706 0007 cb007101 {as4_path} {as4_aggregator}");
    assert_eq!(parse(&all), ("1 23456 23456".into(), Some(7)));
    // AS4_AGGREGATOR alone tells nothing.
    assert_eq!(parse(&format!("{path} {as4_aggregator}")), ("1 23456 23456".into(), None));
    // AS4_PATH is the longer one: it is ignored.
    assert_eq!(parse(&format!("400204 0201 5ba0 {as4_path}")), ("23456".into(), None));
    // Confederation segments of AS4_PATH go (RFC 6793 §6).
    let mixed = "c01110 0301 00000009 0202 00011170 00013880";
    assert_eq!(parse(&format!("{path} {mixed}")), ("1 70000 80000".into(), None));
}

#[test]
fn rfc4271_s5_as4_aggregator_has_a_partial_flag_of_its_own() {
    let attributes = "400101 00 400204 0201 fbf4 400304 c0000201 \
                      c00706 5ba0 cb007101 e01208 00011170 cb007101";
    let aggregator = Aggregator { asn: Asn(70000), address: [203, 0, 113, 1].into() };
    let value = v4(|a| {
        a.aggregator = Some(aggregator);
        a.partial.insert(KnownAttribute::As4Aggregator);
    });
    let two_octets = EncodingProfile { four_octet_as: false, ..PROFILE };
    let body = format!("0000 {:04x} {attributes} 18 c63364", hex(attributes).len());
    golden("two octets", &two_octets, &value, &body);
    // A neighbour with four octets sees an AGGREGATOR that nobody failed to understand.
    let written = body_of(|out| {
        encode_reach(&PROFILE, Family::V4, &value, &[nlri("198.51.100.0/24")], out);
    });
    let aggregator = hex("c00708 00011170 cb007101");
    assert!(written.windows(aggregator.len()).any(|octets| octets == aggregator));
}

fn v6(global: Option<&str>, link_local: Option<&str>) -> PathAttributes {
    let address = |text: &str| text.parse().unwrap();
    let (global, link_local) = (global.map(address), link_local.map(address));
    PathAttributes::new(AsPath::empty(), NextHop::V6 { global, link_local })
}

#[test]
fn rfc4760_s3_rfc2545_s3_mp_reach_nlri() {
    let global = "20010db8 00000000 00000000 00000001";
    let ll = "fe800000 00000000 00000000 00000002";
    let nowhere = "00000000 00000000 00000000 00000000";
    let form = |link_local_form| EncodingProfile { link_local_form, ..PROFILE };
    let lone = v6(None, Some("fe80::2"));
    for (name, profile, value, octets, hop) in [
        ("global", PROFILE, v6(Some("2001:db8::1"), None), 16, global.to_owned()),
        ("pair", PROFILE, v6(Some("2001:db8::1"), Some("fe80::2")), 32, format!("{global}{ll}")),
        (":: LL", PROFILE, lone.clone(), 32, format!("{nowhere}{ll}")),
        ("LL", form(LinkLocalForm::Single), lone.clone(), 16, ll.to_owned()),
        ("LL LL", form(LinkLocalForm::Double), lone, 32, format!("{ll}{ll}")),
    ] {
        for (family, afi, route, prefix) in [
            (Family::V6, 2, "2001:db8:1::/48", "30 20010db80001"),
            (Family::V4, 1, "198.51.100.0/24", "18 c63364"), // RFC 8950 §3
        ] {
            let octets_of = |text: &str| hex(text).len();
            let mp = 5 + octets + octets_of(prefix);
            let all = 4 + mp + 4 + 3;
            let body = hex(&format!(
                "0000 {all:04x}
                 900e {mp:04x} 000{afi} 01 {octets:02x} {hop} 00 {prefix} # first: RFC 7606 §5.1
                 400101 00 400200"
            ));
            let written = body_of(|out| {
                assert_eq!(encode_reach(&profile, family, &value, &[nlri(route)], out), 1);
            });
            assert_eq!(written[..], body, "{name} {family}");
            let out = decode(&body, &CX).unwrap();
            assert_eq!(out.reach[0].next_hop, value.next_hop, "{name} {family}");
            assert_eq!(out.reach[0].nlri, [nlri(route)], "{name} {family}");
        }
    }
}

#[test]
fn a_next_hop_that_the_family_cannot_have_writes_nothing() {
    let mut out = BytesMut::new();
    let route = [nlri("2001:db8::/32")];
    for value in [v4(|_| ()), v6(None, None)] {
        assert_eq!(encode_reach(&PROFILE, Family::V6, &value, &route, &mut out), 0);
        assert_eq!(message_octets(&PROFILE, Family::V6, &value), usize::MAX);
    }
    assert!(out.is_empty());
}

#[test]
fn rfc4271_s4_3_and_rfc4760_s4_withdrawals() {
    let mut out = BytesMut::new();
    let routes = [nlri("198.51.100.0/24"), nlri("0.0.0.0/0")];
    assert_eq!(encode_unreach(&PROFILE, Family::V4, &routes, &mut out), 1);
    assert_eq!(out[..], message(2, &hex("0005 18c63364 00 0000")));
    out.clear();
    let routes = [nlri("2001:db8::/32"), nlri("::/0")];
    assert_eq!(encode_unreach(&PROFILE, Family::V6, &routes, &mut out), 1);
    assert_eq!(out[..], message(2, &hex("0000 000d 900f0009 0002 01 2020010db8 00")));
}

#[test]
fn rfc7911_s3_path_identifiers() {
    let profile = EncodingProfile { add_path: [true, true], ..PROFILE };
    let mut out = BytesMut::new();
    let route = |text| [Nlri { path_id: 7, ..nlri(text) }];
    encode_unreach(&profile, Family::V4, &route("198.51.100.0/24"), &mut out);
    assert_eq!(out[..], message(2, &hex("0008 00000007 18c63364 0000")));
    out.clear();
    encode_unreach(&profile, Family::V6, &route("2001:db8::/32"), &mut out);
    assert_eq!(out[..], message(2, &hex("0000 0010 900f000c 0002 01 00000007 2020010db8")));
    let cx = DecodeContext { add_path_receive: [true, true], ..CX };
    assert_eq!(decode(&out[19..], &cx).unwrap().unreach, route("2001:db8::/32"));
}

#[test]
fn rfc4724_s2_end_of_rib() {
    for (family, body) in [(Family::V4, "0000 0000"), (Family::V6, "0000 0007 900f0003 000201")] {
        let written = body_of(|out| encode_end_of_rib(family, out));
        assert_eq!(written[..], hex(body));
        assert_eq!(decode(&written, &CX).unwrap().end_of_rib, Some(family));
    }
}

fn many(count: u32) -> Vec<Nlri> {
    (0..count).map(|n| Prefix::v4((0x0a00_0000 + n * 256).into(), 24).unwrap().into()).collect()
}

/// Message sizes, and all the routes in them.
fn read_all(out: &mut BytesMut, max: usize) -> (Vec<usize>, Vec<Nlri>) {
    let (mut sizes, mut routes) = (Vec::new(), Vec::new());
    while let Some((_, body)) = next_frame(out, max).unwrap() {
        sizes.push(body.len() + 19);
        let update = decode(&body, &CX).unwrap();
        assert!(update.faults.is_empty());
        routes.extend(update.unreach);
        routes.extend(update.reach.into_iter().flat_map(|reach| reach.nlri));
    }
    assert!(out.is_empty());
    (sizes, routes)
}

#[test]
fn messages_are_as_full_as_can_be() {
    let routes = many(3000);
    let value = v4(|_| ());
    let extended = EncodingProfile { extended_message: true, ..PROFILE };
    for (profile, max) in [(PROFILE, 4096), (extended, 65535)] {
        let mut out = BytesMut::new();
        let messages = encode_reach(&profile, Family::V4, &value, &routes, &mut out);
        let (sizes, read) = read_all(&mut out, max);
        assert_eq!((sizes.len(), &read), (messages, &routes));
        // All but the last have no room for one more route of 4 octets.
        assert!(sizes[..messages - 1].iter().all(|size| (max - 3..=max).contains(size)));
        assert_eq!(messages, (3000 * 4_usize).div_ceil((max - 43) / 4 * 4));

        let messages = encode_unreach(&profile, Family::V4, &routes, &mut out);
        let (sizes, read) = read_all(&mut out, max);
        assert_eq!((sizes.len(), read), (messages, routes.clone()));
        assert_eq!(messages, (3000 * 4_usize).div_ceil((max - 23) / 4 * 4));
    }
    // The same in MP_REACH_NLRI (RFC 8950).
    let mut out = BytesMut::new();
    let value = v6(Some("2001:db8::1"), None);
    let messages = encode_reach(&PROFILE, Family::V4, &value, &routes, &mut out);
    let (sizes, read) = read_all(&mut out, 4096);
    assert_eq!((sizes.len(), read), (messages, routes));
    assert!(sizes[..messages - 1].iter().all(|size| (4093..=4096).contains(size)));
}

#[test]
fn nothing_to_say_is_no_message() {
    let mut out = BytesMut::new();
    assert_eq!(encode_reach(&PROFILE, Family::V4, &v4(|_| ()), &[], &mut out), 0);
    assert_eq!(encode_unreach(&PROFILE, Family::V6, &[], &mut out), 0);
    assert!(out.is_empty());
}

#[test]
fn message_octets_decides_what_a_session_can_take() {
    let long = [nlri("203.0.113.1/32")];
    // Fill up to a message of exactly 4,096 octets with a route of the greatest length.
    let fixed = message_octets(&PROFILE, Family::V4, &v4(|_| ()));
    let fill = |octets: usize| {
        let value = Bytes::from(vec![0; octets - 4]);
        v4(|a| a.unknown = [RawAttribute { flags: 0xd0, code: 200, value }].into())
    };
    let mut out = BytesMut::new();
    let full = fill(4096 - fixed);
    assert_eq!(message_octets(&PROFILE, Family::V4, &full), 4096);
    assert_eq!(encode_reach(&PROFILE, Family::V4, &full, &long, &mut out), 1);
    assert_eq!(out.len(), 4096);
    out.clear();
    let over = fill(4097 - fixed);
    assert_eq!(message_octets(&PROFILE, Family::V4, &over), 4097);
    assert_eq!(encode_reach(&PROFILE, Family::V4, &over, &long, &mut out), 0);
    assert!(out.is_empty());
    let extended = EncodingProfile { extended_message: true, ..PROFILE };
    assert_eq!(encode_reach(&extended, Family::V4, &over, &long, &mut out), 1);
    assert_eq!(out.len(), 4097);
    // Longer than any message: an attribute of more than 65,535 octets.
    out.clear();
    let huge = fill(70_000);
    assert!(message_octets(&extended, Family::V4, &huge) > 65535);
    assert_eq!(encode_reach(&extended, Family::V4, &huge, &long, &mut out), 0);
    assert!(out.is_empty());
}
