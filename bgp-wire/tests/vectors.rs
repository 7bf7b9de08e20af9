//! Messages that other programs sent or wrote down: a few of ours, and (an ignored test, which needs
//! `RS_DATA`) every line of `$RS_DATA/vectors/*.jsonl`, an object with `hex`, a whole message.
//!
//! A vector does not say what was negotiated, so a message counts as decoded when one of the
//! contexts that a session can have decodes it, and as refused when none does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use bgp_wire::{
    DecodeContext, DecodedUpdate, FaultAction, Message, MessageType, Notification, decode_update,
    next_frame, parse_attributes,
};
use bytes::BytesMut;
use support::{CX, TWO_OCTETS, hex};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// All of it was understood, or passed on.
    Decoded,
    /// Decoded, and an attribute or a family was left out.
    Discarded,
    /// RFC 7606 treat-as-withdraw.
    Withdrawn,
    /// A NOTIFICATION: code and subcode.
    Refused(u8, u8),
    /// The stream ends before the message does.
    Incomplete,
}

fn contexts() -> impl Iterator<Item = DecodeContext> {
    let paths = [[false, false], [true, true], [true, false], [false, true]];
    paths.into_iter().flat_map(|add_path_receive| {
        [CX, TWO_OCTETS].map(|cx| DecodeContext { add_path_receive, ..cx })
    })
}

fn refused(n: &Notification) -> Outcome {
    Outcome::Refused(n.code, n.subcode)
}

/// The worst outcome of the messages in the octets.
fn outcome(octets: &[u8]) -> Outcome {
    let mut buffer = BytesMut::from(octets);
    let mut worst = Outcome::Decoded;
    loop {
        let one = match next_frame(&mut buffer, 65535) {
            Ok(None) if buffer.is_empty() => return worst,
            Ok(None) => return Outcome::Incomplete,
            Err(n) => return refused(&n),
            Ok(Some((MessageType::Update, body))) => {
                contexts().map(|cx| update_outcome(&body, &cx)).min().unwrap()
            }
            Ok(Some((kind, body))) => match Message::decode(kind, body) {
                Ok(_) => Outcome::Decoded,
                Err(n) => refused(&n),
            },
        };
        worst = worst.max(one);
    }
}

fn update_outcome(body: &[u8], cx: &DecodeContext) -> Outcome {
    let mut out = DecodedUpdate::default();
    if let Err(n) = decode_update(body, cx, &mut out) {
        return refused(&n);
    }
    let mut faults = out.faults.clone();
    for reach in &out.reach {
        match parse_attributes(&out.attributes, reach.next_hop, cx) {
            Ok(parsed) => faults.extend(parsed.faults),
            Err(fault) => faults.push(fault),
        }
    }
    match faults.iter().map(|fault| fault.action).max() {
        None => Outcome::Decoded,
        Some(FaultAction::TreatAsWithdraw) => Outcome::Withdrawn,
        Some(_) => Outcome::Discarded,
    }
}

#[test]
fn our_own_vectors() {
    let marker = "ffffffffffffffffffffffffffffffff";
    let vectors = [
        ("KEEPALIVE", "0013 04", Outcome::Decoded),
        ("End-of-RIB", "0017 02 0000 0000", Outcome::Decoded),
        ("OPEN", "001d 01 04 fbf4 005a c0000201 00", Outcome::Decoded),
        ("NOTIFICATION", "0015 03 06 04", Outcome::Decoded),
        ("ROUTE-REFRESH", "0017 05 0001 00 01", Outcome::Decoded),
        (
            "UPDATE",
            "002e 02 0000 0014 40010100 4002 0602010000fbf4 4003 04 c0000201 10 c612",
            Outcome::Decoded,
        ),
        (
            "UPDATE with LOCAL_PREF",
            "0033 02 0000 001b 40010100 4002 0602010000fbf4 4003 04 c0000201 4005 04 00000064 00",
            Outcome::Discarded,
        ),
        (
            "UPDATE without ORIGIN",
            "002a 02 0000 0010 4002 0602010000fbf4 4003 04 c0000201 10 c612",
            Outcome::Withdrawn,
        ),
        ("UPDATE that is all lengths", "0017 02 ffff ffff", Outcome::Refused(3, 1)),
        ("unknown type", "0013 06", Outcome::Refused(1, 3)),
        ("OPEN, version 3", "001d 01 03 fbf4 005a c0000201 00", Outcome::Refused(2, 1)),
        ("short header", "0012 04", Outcome::Refused(1, 2)),
        ("cut short", "0017 02 0000", Outcome::Incomplete),
    ];
    for (name, text, expected) in vectors {
        assert_eq!(outcome(&hex(&format!("{marker}{text}"))), expected, "{name}");
    }
}

#[test]
#[ignore = "reads other programs' messages: RS_DATA"]
fn vectors_of_other_programs() {
    let data = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&data).join("vectors"))
        .expect("$RS_DATA/vectors")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {data:?}");
    let mut wrong = Vec::new();
    for path in files {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let vector: serde_json::Value = serde_json::from_str(line).unwrap();
            let octets = hex(vector["hex"].as_str().unwrap());
            let name = vector["name"].as_str().unwrap_or_default();
            let found = outcome(&octets);
            if !fits(&file, name, &octets, &vector, &found) {
                wrong.push(format!("{file} {name} {found:?} {}", vector["note"]));
            }
            *counts.entry(found).or_default() += 1;
        }
        println!("{file}: {counts:?}");
    }
    assert!(wrong.is_empty(), "{} unexpected:\n{}", wrong.len(), wrong.join("\n"));
}

/// Is the outcome what the vector is for? A whole message of a known type decodes, but for the
/// exceptions with their reason.
fn fits(
    file: &str,
    name: &str,
    octets: &[u8],
    vector: &serde_json::Value,
    found: &Outcome,
) -> bool {
    let whole = vector["len_ok"].as_bool().unwrap_or(true)
        && vector["complete"].as_bool().unwrap_or(true)
        && octets.get(18).is_some_and(|kind| (1..=5).contains(kind));
    let exception =
        EXCEPTIONS.iter().find(|(f, prefix, ..)| *f == file && name.starts_with(prefix));
    if let Some((.., outcomes)) = exception
        && outcomes.contains(found)
    {
        return true;
    }
    !whole || matches!(found, Outcome::Decoded | Outcome::Discarded)
}

/// File, start of the name, what is wrong with the message, and what may come of it.
const EXCEPTIONS: &[(&str, &str, &str, &[Outcome])] = &[
    (
        "exabgp-encoding",
        "conf-attributes.ci#3",
        "its next hop is 255.255.255.255, which no host has (RFC 4271 §6.3)",
        &[Outcome::Withdrawn],
    ),
    (
        "odl",
        "extensions/inet:up1.bin",
        "MP_REACH_NLRI with the flags of a well-known attribute (RFC 7606 §5.3)",
        &[Outcome::Refused(3, 4)],
    ),
    (
        "odl",
        "extensions/linkstate:up4.bin",
        "an OPEN with the BGP identifier 0.0.0.0 (RFC 6286 §2.2)",
        &[Outcome::Refused(2, 3)],
    ),
    (
        "odl",
        "parser-impl:up8.bin",
        "ORIGIN says that it has two octets, and all after it is out of step (RFC 7606 §4)",
        &[Outcome::Withdrawn],
    ),
    (
        "pcap-messages",
        "bgp-aigp-oobr.pcap",
        "a capture mutated to crash a decoder: attributes of type 0 marked well-known, MP \
         attributes twice or cut off (RFC 4271 §6.3, RFC 7606 §3)",
        &[Outcome::Refused(3, 1), Outcome::Refused(3, 2)],
    ),
    (
        "pcap-messages",
        "bgp-ub.pcap",
        "mutated in the same way, also in the NLRI",
        &[Outcome::Refused(3, 1), Outcome::Refused(3, 2), Outcome::Refused(3, 10)],
    ),
    (
        "pcap-messages",
        "bgp_mvpn_6_and_7_oobr.pcap",
        "mutated: the withdrawn routes are longer than the message",
        &[Outcome::Refused(3, 1)],
    ),
    (
        "pcap-messages",
        "bgp_vpn_rt-oobr.pcap",
        "mutated: the withdrawn routes are longer than the message",
        &[Outcome::Refused(3, 1)],
    ),
    (
        "pcap-messages",
        "bgp-bgpsec.pcap",
        "BGPsec: routes without AS_PATH, which we did not negotiate (RFC 8205 §4.1)",
        &[Outcome::Withdrawn],
    ),
    (
        "pcap-messages",
        "bgpsec_invalid_signature_block_length.pcap",
        "BGPsec, as above",
        &[Outcome::Withdrawn],
    ),
    (
        "pcap-messages",
        "bgp-infinite-loop.pcap",
        "an UPDATE of 19 octets (RFC 4271 §6.1)",
        &[Outcome::Refused(1, 2)],
    ),
    (
        "source-literals-wellformed",
        "update.rs:1844",
        "an AS_PATH with a confederation segment from another AS (RFC 5065 §5)",
        &[Outcome::Withdrawn],
    ),
    (
        "source-literals-wellformed",
        "raw_bytes.rs:315",
        "announces without any attribute, as its note says (RFC 7606 §3 d)",
        &[Outcome::Withdrawn],
    ),
    (
        "source-literals-wellformed",
        "bgp_bmp.c:536",
        "an OPEN of 19 octets (RFC 4271 §6.1)",
        &[Outcome::Refused(1, 2)],
    ),
    (
        "source-literals-wellformed",
        "bgp.uts:69",
        "an UPDATE of 19 octets (RFC 4271 §6.1)",
        &[Outcome::Refused(1, 2)],
    ),
    (
        "source-literals-wellformed",
        "BgpMessageParserTestData.h:63",
        "an OPEN whose parameters run over its end (RFC 4271 §6.2)",
        &[Outcome::Refused(2, 0)],
    ),
];
