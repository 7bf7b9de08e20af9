//! RFC 7606, attribute by attribute and fault by fault: what an UPDATE from a neighbour in
//! another AS comes to. Sections are of RFC 7606 where no other is named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use bgp_wire::{
    DecodeContext, DecodedUpdate, Families, Family, FaultAction, FaultKind, Notification, Prefix,
    decode_update, parse_attributes,
};
use support::{CX, TWO_OCTETS, attribute, hex, update};

/// What the other members see of the message.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The routes are announced, nothing is wrong.
    Fine,
    /// The routes are announced without the attribute.
    Discard(u8, FaultKind),
    /// The routes are withdrawn.
    Withdraw(u8, FaultKind),
    /// As before, without an attribute to blame.
    WithdrawAll(FaultKind),
    /// The session ends: subcode of UPDATE Message Error.
    Reset(u8),
}
use Outcome::{Discard, Fine, Reset, Withdraw, WithdrawAll};

const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const MED: u8 = 4;
const LOCAL_PREF: u8 = 5;
const ATOMIC: u8 = 6;
const AGGREGATOR: u8 = 7;
const COMMUNITIES: u8 = 8;
const ORIGINATOR: u8 = 9;
const CLUSTERS: u8 = 10;
const MP_REACH: u8 = 14;
const EXTENDED: u8 = 16;
const AS4_PATH: u8 = 17;
const AS4_AGGREGATOR: u8 = 18;
const IPV6_EXTENDED: u8 = 25;
const AIGP: u8 = 26;
const LARGE: u8 = 32;
const OTC: u8 = 35;

/// 198.51.100.0/24
const NLRI: &str = "18 c63364";
/// ORIGIN IGP, AS_PATH 64500, NEXT_HOP 192.0.2.1
const GOOD: &str = "400101 00  400206 0201 0000fbf4  400304 c0000201";
const GOOD_TWO: &str = "400101 00  400204 0201 fbf4  400304 c0000201";

/// Decodes, checks that each outcome is carried out, and names it.
fn judge(body: &[u8], cx: &DecodeContext) -> Outcome {
    let mut out = DecodedUpdate::default();
    // Something stale, which must not survive.
    decode_update(&hex("0004 18cb0071 0000"), &CX, &mut out).unwrap();
    if let Err(Notification { code, subcode, .. }) = decode_update(body, cx, &mut out) {
        assert_eq!(code, 3);
        return Reset(subcode);
    }
    let mut faults = out.faults.clone();
    if let Some(reach) = out.reach.first().cloned() {
        match parse_attributes(&out.attributes, reach.next_hop, cx) {
            Ok(parsed) => faults.extend(parsed.faults),
            Err(fault) => {
                assert_eq!(fault.action, FaultAction::TreatAsWithdraw);
                out.treat_as_withdraw(fault);
                faults.push(fault);
            }
        }
    }
    for fault in &faults {
        assert!(fault.to_string().contains("RFC "), "{fault}");
    }
    let Some(worst) = faults.iter().max_by_key(|fault| fault.action) else {
        assert!(!out.reach.is_empty() || !out.unreach.is_empty());
        return Fine;
    };
    match (worst.action, worst.attribute) {
        (FaultAction::TreatAsWithdraw, code) => {
            assert!(out.reach.is_empty(), "the routes must not be announced");
            assert!(!out.unreach.is_empty(), "the routes must be withdrawn");
            code.map_or(WithdrawAll(worst.kind), |code| Withdraw(code, worst.kind))
        }
        (FaultAction::AttributeDiscard, Some(code)) => {
            assert!(!out.reach.is_empty(), "the routes must stay");
            Discard(code, worst.kind)
        }
        other => panic!("{other:?} {faults:?}"),
    }
}

/// GOOD with one more attribute, or with one replaced, in hexadecimal.
fn with(attributes: &str) -> Vec<u8> {
    update(&[], &hex(attributes), &hex(NLRI))
}

fn check(cases: &[(&str, String, &DecodeContext, Outcome)]) {
    for (name, attributes, cx, expected) in cases {
        assert_eq!(judge(&with(attributes), cx), *expected, "{name}");
    }
}

#[test]
fn s7_1_and_s7_2_origin_and_as_path() {
    let origin = |text: &str| format!("{text} 400206 0201 0000fbf4 400304 c0000201");
    let path = |text: &str| format!("400101 00 {text} 400304 c0000201");
    check(&[
        ("good", GOOD.into(), &CX, Fine),
        ("good, two octets", GOOD_TWO.into(), &TWO_OCTETS, Fine),
        ("ORIGIN of 0 octets", origin("400100"), &CX, Withdraw(ORIGIN, FaultKind::Length)),
        ("ORIGIN of 2 octets", origin("400102 0000"), &CX, Withdraw(ORIGIN, FaultKind::Length)),
        ("ORIGIN 3", origin("400101 03"), &CX, Withdraw(ORIGIN, FaultKind::Value)),
        ("ORIGIN optional", origin("c00101 00"), &CX, Withdraw(ORIGIN, FaultKind::Flags)),
        ("ORIGIN not transitive", origin("000101 00"), &CX, Withdraw(ORIGIN, FaultKind::Flags)),
        ("ORIGIN partial", origin("600101 00"), &CX, Fine),
        ("ORIGIN missing", origin(""), &CX, Withdraw(ORIGIN, FaultKind::Missing)),
        ("ORIGIN twice", origin("400101 00 400101 02"), &CX, Discard(ORIGIN, FaultKind::Duplicate)),
        ("AS_PATH missing", path(""), &CX, Withdraw(AS_PATH, FaultKind::Missing)),
        ("AS_PATH empty", path("400200"), &CX, Fine),
        ("AS_PATH optional", path("c00200"), &CX, Withdraw(AS_PATH, FaultKind::Flags)),
        (
            "segment overruns",
            path("400206 0202 0000fbf4"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Length),
        ),
        (
            "one octet left",
            path("400207 0201 0000fbf4 02"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Length),
        ),
        (
            "two octets left",
            path("400208 0201 0000fbf4 0201"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Length),
        ),
        (
            "segment of nothing",
            path("400208 0201 0000fbf4 0200"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Length),
        ),
        ("segment type 0", path("400206 0001 0000fbf4"), &CX, Withdraw(AS_PATH, FaultKind::Value)),
        ("segment type 5", path("400206 0501 0000fbf4"), &CX, Withdraw(AS_PATH, FaultKind::Value)),
        ("AS_SET is well-formed", path("400206 0101 0000fbf4"), &CX, Fine),
        (
            "RFC 5065 s5 confederation sequence",
            path("400206 0301 0000fbf4"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Value),
        ),
        (
            "RFC 5065 s5 confederation set",
            path("400206 0401 0000fbf4"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Value),
        ),
        (
            "RFC 7607 s2 AS 0",
            path("40020a 0202 0000fbf4 00000000"),
            &CX,
            Withdraw(AS_PATH, FaultKind::AsZero),
        ),
        (
            "RFC 7607 s2 AS 0, two octets",
            path("400206 0202 fbf4 0000"),
            &TWO_OCTETS,
            Withdraw(AS_PATH, FaultKind::AsZero),
        ),
        (
            "two-octet path at four octets",
            path("400204 0201 fbf4"),
            &CX,
            Withdraw(AS_PATH, FaultKind::Length),
        ),
    ]);
}

#[test]
fn s7_3_next_hop() {
    let hop = |text: &str| format!("400101 00 400206 0201 0000fbf4 {text}");
    check(&[
        ("NEXT_HOP missing", hop(""), &CX, Withdraw(NEXT_HOP, FaultKind::Missing)),
        ("NEXT_HOP of 3 octets", hop("400303 c00002"), &CX, Withdraw(NEXT_HOP, FaultKind::Length)),
        (
            "NEXT_HOP of 16 octets",
            hop("400310 20010db8000000000000000000000001"),
            &CX,
            Withdraw(NEXT_HOP, FaultKind::Length),
        ),
        ("NEXT_HOP of 0 octets", hop("400300"), &CX, Withdraw(NEXT_HOP, FaultKind::Length)),
        ("NEXT_HOP optional", hop("c00304 c0000201"), &CX, Withdraw(NEXT_HOP, FaultKind::Flags)),
        (
            "RFC 4271 s6.3 0.0.0.0",
            hop("400304 00000000"),
            &CX,
            Withdraw(NEXT_HOP, FaultKind::NextHopValue),
        ),
        (
            "RFC 4271 s6.3 multicast",
            hop("400304 e0000001"),
            &CX,
            Withdraw(NEXT_HOP, FaultKind::NextHopValue),
        ),
        (
            "NEXT_HOP twice",
            hop("400304 c0000201 400304 c0000202"),
            &CX,
            Discard(NEXT_HOP, FaultKind::Duplicate),
        ),
        ("no attribute at all", String::new(), &CX, Withdraw(AS_PATH, FaultKind::Missing)),
        ("any order", "400304 c0000201 400206 0201 0000fbf4 400101 00".into(), &CX, Fine),
    ]);
}

#[test]
fn s7_4_to_s7_7_and_rfc7607() {
    let plus = |text: &str| format!("{GOOD} {text}");
    let two = |text: &str| format!("{GOOD_TWO} {text}");
    check(&[
        ("MED", plus("800404 00000001"), &CX, Fine),
        ("MED of 3 octets", plus("800403 000001"), &CX, Withdraw(MED, FaultKind::Length)),
        ("MED of 0 octets", plus("800400"), &CX, Withdraw(MED, FaultKind::Length)),
        ("MED of 5 octets", plus("800405 0000000001"), &CX, Withdraw(MED, FaultKind::Length)),
        ("MED transitive", plus("c00404 00000001"), &CX, Withdraw(MED, FaultKind::Flags)),
        ("MED well-known", plus("400404 00000001"), &CX, Withdraw(MED, FaultKind::Flags)),
        (
            "MED twice",
            plus("800404 00000001 800404 00000002"),
            &CX,
            Discard(MED, FaultKind::Duplicate),
        ),
        (
            "s7.5 LOCAL_PREF",
            plus("400504 00000064"),
            &CX,
            Discard(LOCAL_PREF, FaultKind::NotForEbgp),
        ),
        (
            "s7.5 LOCAL_PREF of 3 octets",
            plus("400503 000064"),
            &CX,
            Discard(LOCAL_PREF, FaultKind::NotForEbgp),
        ),
        (
            "LOCAL_PREF optional",
            plus("c00504 00000064"),
            &CX,
            Withdraw(LOCAL_PREF, FaultKind::Flags),
        ),
        ("ATOMIC_AGGREGATE", plus("400600"), &CX, Fine),
        (
            "s7.6 ATOMIC_AGGREGATE of 1 octet",
            plus("400601 00"),
            &CX,
            Discard(ATOMIC, FaultKind::Length),
        ),
        ("ATOMIC_AGGREGATE optional", plus("c00600"), &CX, Withdraw(ATOMIC, FaultKind::Flags)),
        ("AGGREGATOR", plus("c00708 0000fbf4 c0000201"), &CX, Fine),
        ("AGGREGATOR, two octets", two("c00706 fbf4 c0000201"), &TWO_OCTETS, Fine),
        (
            "s7.7 AGGREGATOR of 6 octets",
            plus("c00706 fbf4 c0000201"),
            &CX,
            Discard(AGGREGATOR, FaultKind::Length),
        ),
        (
            "s7.7 AGGREGATOR of 8, two octets",
            two("c00708 0000fbf4 c0000201"),
            &TWO_OCTETS,
            Discard(AGGREGATOR, FaultKind::Length),
        ),
        ("AGGREGATOR of 0 octets", plus("c00700"), &CX, Discard(AGGREGATOR, FaultKind::Length)),
        (
            "AGGREGATOR not transitive",
            plus("800708 0000fbf4 c0000201"),
            &CX,
            Withdraw(AGGREGATOR, FaultKind::Flags),
        ),
        (
            "RFC 7607 s2 AGGREGATOR of AS 0",
            plus("c00708 00000000 c0000201"),
            &CX,
            Discard(AGGREGATOR, FaultKind::AsZero),
        ),
    ]);
}

#[test]
fn s7_8_to_s7_15_optional_attributes() {
    let plus = |text: &str| format!("{GOOD} {text}");
    let mut cases = vec![
        (
            "s7.9 ORIGINATOR_ID",
            plus("800904 c0000201"),
            &CX,
            Discard(ORIGINATOR, FaultKind::NotForEbgp),
        ),
        (
            "s7.9 of 3 octets",
            plus("800903 c00002"),
            &CX,
            Discard(ORIGINATOR, FaultKind::NotForEbgp),
        ),
        (
            "ORIGINATOR_ID transitive",
            plus("c00904 c0000201"),
            &CX,
            Withdraw(ORIGINATOR, FaultKind::Flags),
        ),
        (
            "s7.10 CLUSTER_LIST",
            plus("800a04 c0000201"),
            &CX,
            Discard(CLUSTERS, FaultKind::NotForEbgp),
        ),
        ("s7.10 of 0 octets", plus("800a00"), &CX, Discard(CLUSTERS, FaultKind::NotForEbgp)),
        (
            "RFC 7311 AIGP",
            plus("801a0b 01000b 0000000000000001"),
            &CX,
            Discard(AIGP, FaultKind::NotForEbgp),
        ),
        (
            "RFC 7311 AIGP malformed",
            plus("801a03 01000b"),
            &CX,
            Discard(AIGP, FaultKind::NotForEbgp),
        ),
        (
            "RFC 7311 AIGP transitive",
            plus("c01a0b 01000b 0000000000000001"),
            &CX,
            Discard(AIGP, FaultKind::Flags),
        ),
        ("OTC", plus("c02304 0000fbf4"), &CX, Fine),
        ("RFC 9234 s5 OTC of 2 octets", plus("c02302 fbf4"), &CX, Withdraw(OTC, FaultKind::Length)),
        (
            "RFC 9234 s5 OTC of 8 octets",
            plus("c02308 0000fbf4 0000fbf4"),
            &CX,
            Withdraw(OTC, FaultKind::Length),
        ),
        ("OTC not transitive", plus("802304 0000fbf4"), &CX, Withdraw(OTC, FaultKind::Flags)),
        ("unknown transitive", plus("c0c804 deadbeef"), &CX, Fine),
        ("unknown transitive, partial", plus("e0c804 deadbeef"), &CX, Fine),
        ("unknown transitive, empty", plus("c0c800"), &CX, Fine),
        ("unknown not transitive", plus("80c804 deadbeef"), &CX, Fine),
        ("unknown twice", plus("c0c801 01 c0c801 02"), &CX, Discard(200, FaultKind::Duplicate)),
        (
            "unknown twice, then as well-known",
            plus("c0c801 01 40c801 02"),
            &CX,
            Discard(200, FaultKind::Duplicate),
        ),
        (
            "likewise, not transitive",
            plus("80c801 01 40c801 02"),
            &CX,
            Discard(200, FaultKind::Duplicate),
        ),
        ("extended length that need not be", plus("90040004 00000001"), &CX, Fine),
    ];
    for (code, unit) in [(COMMUNITIES, 4), (EXTENDED, 8), (LARGE, 12), (IPV6_EXTENDED, 20)] {
        let attribute = |flags: u8, octets: usize| {
            plus(&format!("{flags:02x}{code:02x}{octets:02x}{}", "01".repeat(octets)))
        };
        let withdraw = |kind| Withdraw(code, kind);
        cases.extend([
            ("one community", attribute(0xc0, unit), &CX, Fine),
            ("two communities", attribute(0xc0, 2 * unit), &CX, Fine),
            ("partial", attribute(0xe0, unit), &CX, Fine),
            ("no community", attribute(0xc0, 0), &CX, withdraw(FaultKind::Length)),
            ("an octet too few", attribute(0xc0, unit - 1), &CX, withdraw(FaultKind::Length)),
            ("an octet too many", attribute(0xc0, unit + 1), &CX, withdraw(FaultKind::Length)),
            ("not transitive", attribute(0x80, unit), &CX, withdraw(FaultKind::Flags)),
            ("well-known", attribute(0x40, unit), &CX, withdraw(FaultKind::Flags)),
        ]);
    }
    check(&cases);
}

#[test]
fn rfc6793_s6_as4_path_and_as4_aggregator() {
    let four = |text: &str| format!("{GOOD} {text}");
    let two = |text: &str| format!("{GOOD_TWO} {text}");
    let discard = |code, kind| Discard(code, kind);
    check(&[
        (
            "from four octets",
            four("c01106 0201 00011170"),
            &CX,
            discard(AS4_PATH, FaultKind::NotNegotiated),
        ),
        (
            "from four octets",
            four("c01208 00011170 c0000201"),
            &CX,
            discard(AS4_AGGREGATOR, FaultKind::NotNegotiated),
        ),
        ("good", two("c01106 0201 00011170"), &TWO_OCTETS, Fine),
        ("too short", two("c01104 0201 0001"), &TWO_OCTETS, discard(AS4_PATH, FaultKind::Length)),
        ("empty", two("c01100"), &TWO_OCTETS, discard(AS4_PATH, FaultKind::Length)),
        ("odd", two("c01107 0201 00011170 00"), &TWO_OCTETS, discard(AS4_PATH, FaultKind::Length)),
        (
            "segment of nothing",
            two("c01108 0200 0201 00011170"),
            &TWO_OCTETS,
            discard(AS4_PATH, FaultKind::Length),
        ),
        (
            "segment overruns",
            two("c01106 0202 00011170"),
            &TWO_OCTETS,
            discard(AS4_PATH, FaultKind::Length),
        ),
        (
            "segment type 9",
            two("c01106 0901 00011170"),
            &TWO_OCTETS,
            discard(AS4_PATH, FaultKind::Value),
        ),
        (
            "confederation segment goes",
            two("c0110c 0301 00011170 0201 00011170"),
            &TWO_OCTETS,
            discard(AS4_PATH, FaultKind::Value),
        ),
        (
            "RFC 7607 s2 AS 0",
            two("c01106 0201 00000000"),
            &TWO_OCTETS,
            discard(AS4_PATH, FaultKind::AsZero),
        ),
        ("aggregator", two("c00706 5ba0 c0000201 c01208 00011170 c0000201"), &TWO_OCTETS, Fine),
        (
            "aggregator of 6 octets",
            two("c01206 1170 c0000201"),
            &TWO_OCTETS,
            discard(AS4_AGGREGATOR, FaultKind::Length),
        ),
        (
            "RFC 7607 s2 aggregator of AS 0",
            two("c01208 00000000 c0000201"),
            &TWO_OCTETS,
            discard(AS4_AGGREGATOR, FaultKind::AsZero),
        ),
    ]);
}

#[test]
fn s4_lengths_of_attributes() {
    // The NLRI is found by the total length, whatever the attributes say.
    check(&[
        (
            "length beyond the end",
            format!("{GOOD} 800405 00000001"),
            &CX,
            Withdraw(MED, FaultKind::Overrun),
        ),
        ("no room for a length", format!("{GOOD} 8004"), &CX, Withdraw(MED, FaultKind::Overrun)),
        (
            "no room for an extended length",
            format!("{GOOD} 900400"),
            &CX,
            Withdraw(MED, FaultKind::Overrun),
        ),
        ("flags alone", format!("{GOOD} 80"), &CX, WithdrawAll(FaultKind::Overrun)),
        (
            "overrun beats a discard",
            format!("{GOOD} 400504 00000064 8004"),
            &CX,
            Withdraw(MED, FaultKind::Overrun),
        ),
        ("an MP attribute that is cut off", format!("{GOOD} 800e20 0001"), &CX, Reset(1)),
        ("another one", format!("{GOOD} 800f05 0001"), &CX, Reset(1)),
    ]);
}

#[test]
fn s3_lengths_of_the_message() {
    for (name, body) in [
        ("withdrawn routes beyond the end", "0005 18c63364 0000"),
        ("attributes beyond the end", "0000 0005 40010100"),
        ("no attribute length", "0000"),
        ("half an attribute length", "0000 00"),
        ("nothing", ""),
    ] {
        let mut out = DecodedUpdate::default();
        let error = decode_update(&hex(body), &CX, &mut out).unwrap_err();
        assert_eq!(error, Notification::malformed_attribute_list(), "{name}");
    }
}

#[test]
fn s3_h_the_strongest_action_counts() {
    let unknown_well_known = "40c804 deadbeef";
    check(&[
        (
            "discard and withdraw",
            format!("{GOOD} 400601 00 800403 000001"),
            &CX,
            Withdraw(MED, FaultKind::Length),
        ),
        ("RFC 4271 s6.3 unknown well-known", format!("{GOOD} {unknown_well_known}"), &CX, Reset(2)),
        ("withdraw and reset", format!("{GOOD} 800403 000001 {unknown_well_known}"), &CX, Reset(2)),
    ]);
    let mut out = DecodedUpdate::default();
    let error = decode_update(&with(&format!("{GOOD} {unknown_well_known}")), &CX, &mut out);
    // RFC 4271 §6.3: the data is the attribute.
    assert_eq!(error.unwrap_err().data[..], hex(unknown_well_known));
}

fn mp(flags: u8, code: u8, value: &str) -> Vec<u8> {
    attribute(flags, code, &hex(value))
}

/// ORIGIN and AS_PATH with an MP attribute in front.
fn mp_update(flags: u8, code: u8, value: &str) -> Vec<u8> {
    let mut attributes = mp(flags, code, value);
    attributes.extend(hex("400101 00 400206 0201 0000fbf4"));
    update(&[], &attributes, &[])
}

const GLOBAL: &str = "20010db8 00000000 00000000 00000001";
const LINK_LOCAL: &str = "fe800000 00000000 00000000 00000001";
const NOWHERE: &str = "00000000 00000000 00000000 00000000";
/// 2001:db8::/32
const V6: &str = "20 20010db8";

#[test]
fn s5_3_and_s7_11_mp_reach_nlri() {
    let v6 = |octets: usize, hop: &str| format!("0002 01 {octets:02x} {hop} 00 {V6}");
    let v4 = |octets: usize, hop: &str| format!("0001 01 {octets:02x} {hop} 00 {NLRI}");
    let no_extended = DecodeContext { extended_next_hop: false, ..CX };
    let withdraw = |kind| Withdraw(MP_REACH, kind);
    let cases = [
        ("global", v6(16, GLOBAL), &CX, Fine),
        ("global and link-local", v6(32, &format!("{GLOBAL}{LINK_LOCAL}")), &CX, Fine),
        (":: and link-local", v6(32, &format!("{NOWHERE}{LINK_LOCAL}")), &CX, Fine),
        ("link-local", v6(16, LINK_LOCAL), &CX, Fine),
        ("link-local twice", v6(32, &format!("{LINK_LOCAL}{LINK_LOCAL}")), &CX, Fine),
        ("global and ::", v6(32, &format!("{GLOBAL}{NOWHERE}")), &CX, Fine),
        (
            "global twice",
            v6(32, &format!("{GLOBAL}{GLOBAL}")),
            &CX,
            Discard(MP_REACH, FaultKind::NextHopValue),
        ),
        ("::", v6(16, NOWHERE), &CX, withdraw(FaultKind::NextHopValue)),
        (
            ":: twice",
            v6(32, &format!("{NOWHERE}{NOWHERE}")),
            &CX,
            withdraw(FaultKind::NextHopValue),
        ),
        (
            "multicast",
            v6(16, "ff020000 00000000 00000000 00000001"),
            &CX,
            withdraw(FaultKind::NextHopValue),
        ),
        ("IPv6 with 4 octets", v6(4, "c0000201"), &CX, Reset(9)),
        ("IPv6 with 0 octets", v6(0, ""), &CX, Reset(9)),
        ("IPv6 with 15 octets", v6(15, &GLOBAL[..33]), &CX, Reset(9)),
        ("IPv6 with 24 octets", v6(24, &format!("{NOWHERE}{}", &GLOBAL[..17])), &CX, Reset(9)),
        ("next hop beyond the end", "0002 01 20 20010db8".into(), &CX, Reset(9)),
        ("no reserved octet", format!("0002 01 10 {GLOBAL}"), &CX, Reset(9)),
        ("four octets in all", "0002 01 10".into(), &CX, Reset(9)),
        ("nothing", String::new(), &CX, Reset(9)),
        ("IPv4 with an IPv4 next hop", v4(4, "c0000201"), &CX, Fine),
        ("IPv4 with 0.0.0.0", v4(4, "00000000"), &CX, withdraw(FaultKind::NextHopValue)),
        ("RFC 8950 s3 IPv4 over IPv6", v4(16, GLOBAL), &CX, Fine),
        ("RFC 8950 s3 IPv4 over a pair", v4(32, &format!("{NOWHERE}{LINK_LOCAL}")), &CX, Fine),
        (
            "RFC 8950 not negotiated",
            v4(16, GLOBAL),
            &no_extended,
            withdraw(FaultKind::NextHopLength),
        ),
        ("IPv4 with 5 octets", v4(5, "c000020100"), &CX, Reset(9)),
        (
            "IPv6 prefix of 129 bits",
            format!("0002 01 10 {GLOBAL} 00 81 {GLOBAL} 80"),
            &CX,
            Reset(9),
        ),
        ("IPv6 prefix cut off", format!("0002 01 10 {GLOBAL} 00 40 20010db8"), &CX, Reset(9)),
        ("IPv4 prefix of 33 bits", "0001 01 04 c0000201 00 21 c633640080".into(), &CX, Reset(9)),
        ("host bits", format!("0002 01 10 {GLOBAL} 00 1d 20010dbf"), &CX, Fine),
    ];
    for (name, value, cx, expected) in cases {
        assert_eq!(judge(&mp_update(0x80, MP_REACH, &value), cx), expected, "{name}");
    }
    for flags in [0xc0, 0x40, 0x00] {
        assert_eq!(judge(&mp_update(flags, MP_REACH, &v6(16, GLOBAL)), &CX), Reset(4));
    }
    assert_eq!(judge(&mp_update(0xa0, MP_REACH, &v6(16, GLOBAL)), &CX), Fine);
}

#[test]
fn s5_3_and_s7_12_mp_unreach_nlri() {
    for (name, value, expected) in [
        ("good", format!("0002 01 {V6}"), Fine),
        ("host bits", "0002 01 1d 20010dbf".into(), Fine),
        ("two octets", "0002".into(), Reset(9)),
        ("nothing", String::new(), Reset(9)),
        ("prefix of 129 bits", format!("0002 01 81 {GLOBAL} 80"), Reset(9)),
        ("prefix cut off", "0002 01 40 20010db8".into(), Reset(9)),
    ] {
        let body = update(&[], &mp(0x80, 15, &value), &[]);
        assert_eq!(judge(&body, &CX), expected, "{name}");
    }
    let transitive = update(&[], &mp(0xc0, 15, &format!("0002 01 {V6}")), &[]);
    assert_eq!(judge(&transitive, &CX), Reset(4));
}

#[test]
fn s3_g_an_mp_attribute_twice_is_a_session_reset() {
    for (code, value) in
        [(MP_REACH, format!("0002 01 10 {GLOBAL} 00 {V6}")), (15, "0002 01".into())]
    {
        let twice = [mp(0x80, code, &value), hex(GOOD), mp(0x80, code, &value)].concat();
        assert_eq!(judge(&update(&[], &twice, &hex(NLRI)), &CX), Reset(1));
    }
}

#[test]
fn s5_1_mp_reach_nlri_in_any_place() {
    let reach = mp(0x80, MP_REACH, &format!("0002 01 10 {GLOBAL} 00 {V6}"));
    let unreach = mp(0x80, 15, "0002 01 20 20010db9");
    let attributes = [hex(GOOD), reach, unreach].concat();
    let body = update(&hex("18 cb0071"), &attributes, &hex(NLRI));
    let out = support::decode(&body, &CX).unwrap();
    let unreach: Vec<_> = out.unreach.iter().map(ToString::to_string).collect();
    assert_eq!(unreach, ["203.0.113.0/24", "2001:db9::/32"]);
    let reach: Vec<_> = out
        .reach
        .iter()
        .map(|r| (r.family, r.next_hop.to_string(), r.nlri[0].to_string()))
        .collect();
    assert_eq!(
        reach,
        [
            (Family::V4, "192.0.2.1".into(), "198.51.100.0/24".into()),
            (Family::V6, "2001:db8::1".into(), "2001:db8::/32".into()),
        ]
    );
    assert_eq!(out.attributes, hex("400101 00 400206 0201 0000fbf4"));
    assert!(out.faults.is_empty());
}

#[test]
fn s5_1_one_prefix_in_both_encodings() {
    let reach = mp(0x80, MP_REACH, &format!("0001 01 10 {GLOBAL} 00 {NLRI}"));
    let out = support::decode(&update(&[], &[hex(GOOD), reach].concat(), &hex(NLRI)), &CX).unwrap();
    assert_eq!(out.reach.len(), 2);
    assert_eq!(out.reach[0].nlri, out.reach[1].nlri);
    assert_eq!(out.reach[1].next_hop.to_string(), "2001:db8::1", "the later one counts");
}

#[test]
fn rfc4271_s4_3_announced_and_withdrawn_is_announced() {
    let withdrawn = hex(&format!("{NLRI} 18 cb0071"));
    let out = support::decode(&update(&withdrawn, &hex(GOOD), &hex(NLRI)), &CX).unwrap();
    assert_eq!(out.unreach.len(), 1);
    assert_eq!(out.unreach[0].to_string(), "203.0.113.0/24");
    assert_eq!(out.reach[0].nlri[0].to_string(), "198.51.100.0/24");
    // Treated as withdraw, it is withdrawn.
    let bad = hex("400206 0201 0000fbf4 400304 c0000201");
    let out = support::decode(&update(&withdrawn, &bad, &hex(NLRI)), &CX).unwrap();
    assert!(out.reach.is_empty());
    let prefix: Prefix = "198.51.100.0/24".parse().unwrap();
    assert!(out.unreach.iter().any(|nlri| nlri.prefix == prefix));
}

#[test]
fn s5_2_without_routes_an_attribute_fault_is_a_session_reset() {
    let none = |withdrawn: &str, attributes: &str| {
        let mut out = DecodedUpdate::default();
        let body = update(&hex(withdrawn), &hex(attributes), &[]);
        decode_update(&body, &CX, &mut out).map_err(|n| (n.subcode, n.data.to_vec()))
    };
    for (name, attributes, subcode, data) in [
        ("ORIGIN of 2 octets", "400102 0000", 5, "400102 0000"),
        ("ORIGIN 3", "400101 03", 6, "400101 03"),
        ("ORIGIN optional", "c00101 00", 4, "c00101 00"),
        ("malformed AS_PATH", "400101 00 400201 02", 11, ""),
        ("NEXT_HOP of 3 octets", "400303 c00002", 5, "400303 c00002"),
        ("MED of 3 octets", "800403 000001", 5, "800403 000001"),
        ("overrun", "400101 00 800404 00", 1, ""),
    ] {
        for withdrawn in ["", "18 cb0071"] {
            let expected = Err((subcode, hex(data)));
            assert_eq!(none(withdrawn, attributes), expected, "{name} {withdrawn}");
        }
    }
    // "Attribute discard" is not enough for that, and a missing attribute misses nothing.
    assert_eq!(none("", "400601 00"), Ok(()));
    assert_eq!(none("18 cb0071", "400101 00"), Ok(()));
    assert_eq!(none("18 cb0071", GOOD), Ok(()));
    // RFC 4271 §6.3: attributes without NLRI are valid.
    assert_eq!(none("", GOOD), Ok(()));
    // A NEXT_HOP that no route uses may be any address.
    assert_eq!(none("", "400101 00 400200 400304 00000000"), Ok(()));
}

#[test]
fn s5_3_withdrawn_routes_and_nlri() {
    for (name, field) in [
        ("33 bits", "21 c633640080"),
        ("255 bits", "ff c63364"),
        ("cut off", "18 c633"),
        ("length alone", "18 c63364 18"),
    ] {
        let network = Reset(10);
        assert_eq!(judge(&update(&hex(field), &[], &[]), &CX), network, "withdrawn, {name}");
        assert_eq!(judge(&update(&[], &hex(GOOD), &hex(field)), &CX), network, "NLRI, {name}");
    }
    // RFC 4271 §4.3: trailing bits have no meaning.
    let out = support::decode(&update(&[], &hex(GOOD), &hex("11 c633ff")), &CX).unwrap();
    assert_eq!(out.reach[0].nlri[0].to_string(), "198.51.128.0/17");
}

#[test]
fn rfc7911_s3_a_path_identifier_more_or_less_than_negotiated() {
    let cx = DecodeContext { add_path_receive: [true, false], ..CX };
    let out = support::decode(&update(&[], &hex(GOOD), &hex("00000007 18 c63364")), &cx).unwrap();
    assert_eq!((out.reach[0].nlri[0].path_id, out.reach[0].nlri.len()), (7, 1));
    // A sender that leaves it out makes the field unreadable.
    assert_eq!(judge(&update(&[], &hex(GOOD), &hex(NLRI)), &cx), Reset(10));
    // One that puts it in where it was not negotiated announces default routes that are not.
    let out =
        support::decode(&update(&[], &hex(GOOD), &hex("00000007 18 c63364")), &CX).unwrap_err();
    assert_eq!(out.subcode, 10);
}

#[test]
fn rfc4760_s8_families_that_were_not_negotiated_are_ignored() {
    let v4 = DecodeContext { families: Families::only(Family::V4), ..CX };
    let v6 = DecodeContext { families: Families::only(Family::V6), ..CX };
    let reach = mp_update(0x80, MP_REACH, &format!("0002 01 10 {GLOBAL} 00 {V6}"));
    // Not even looked into: the NLRI of a family that we do not know could be anything.
    let vpn = mp_update(0x80, MP_REACH, "0001 80 0c 0000000000000000c0000201 00 ffffff");
    let unreach = update(&[], &mp(0x80, 15, "0002 01 ffff"), &[]);
    let classic = update(&hex("18 cb0071"), &hex(GOOD), &hex(NLRI));
    for (name, body, cx, family) in [
        ("IPv6", &reach, v4, Some(Family::V6)),
        ("VPN", &vpn, CX, None),
        ("withdrawn IPv6", &unreach, v4, Some(Family::V6)),
        ("IPv4", &classic, v6, Some(Family::V4)),
    ] {
        let out = support::decode(body, &cx).unwrap();
        assert!(out.reach.is_empty() && out.unreach.is_empty(), "{name}");
        let fault = out.faults[0];
        assert_eq!(
            (fault.action, fault.kind),
            (FaultAction::AfiSafiDisable, FaultKind::NotNegotiated)
        );
        assert_eq!(fault.family, family, "{name}");
    }
}

#[test]
fn rfc4724_s2_end_of_rib() {
    let marker = |body: &str| support::decode(&hex(body), &CX).unwrap().end_of_rib;
    assert_eq!(marker("0000 0000"), Some(Family::V4));
    assert_eq!(marker("0000 0006 800f03 000201"), Some(Family::V6));
    assert_eq!(marker("0000 0007 900f0003 000201"), Some(Family::V6));
    assert_eq!(marker("0000 0006 800f03 000101"), Some(Family::V4));
    assert_eq!(marker("0000 0006 800f03 000180"), None);
    assert_eq!(marker("0000 000b 800f08 000201 20 20010db8"), None);
    assert_eq!(marker("0004 18cb0071 0006 800f03 000201"), None);
    assert_eq!(marker("0000 0004 40010100"), None);
}
