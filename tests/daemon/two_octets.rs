//! Members that know AS numbers of two octets only (RFC 6793 §4.2), as senders and as receivers.

use rs_tests::support::loopback::{ARRIVE, Exchange, asn, holds, next_hop, route};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::{Route, Unknown, hex, unhex};
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{self, Attribute, Nlri, as_path_octets};

const AGGREGATOR: u8 = 7;
const AS4_PATH: u8 = 17;
const AS4_AGGREGATOR: u8 = 18;
/// AS_TRANS and an address; AS 400005 and the same.
const TRANS_AGGREGATOR: &str = "5ba0 0a090909";
const REAL_AGGREGATOR: &str = "00061a85 0a090909";

/// What an old speaker says, and what a new one must be told.
struct Row {
    name: &'static str,
    /// In two octets, AS_TRANS for what does not fit; the member's own AS is put before it.
    path: &'static str,
    /// Octets of AS4_PATH, AGGREGATOR and AS4_AGGREGATOR; none: the attribute is not there.
    as4_path: Option<&'static str>,
    aggregators: [Option<&'static str>; 2],
    /// Behind the member's own AS.
    told: &'static str,
    told_aggregator: Option<&'static str>,
}

const PLAIN: Row = Row {
    name: "AS_TRANS alone",
    path: "400001 65010",
    as4_path: None,
    aggregators: [None; 2],
    told: "23456 65010",
    told_aggregator: None,
};

/// AS_SEQUENCE of 400001; of 400001 and 400002.
const ONE: &str = "0201 00061a81";
const TWO: &str = "0202 00061a81 00061a82";

const ROWS: &[Row] = &[
    PLAIN,
    Row {
        name: "shorter than AS_PATH",
        as4_path: Some(TWO),
        path: "65010 400001 400002",
        told: "65010 400001 400002",
        ..PLAIN
    },
    Row { name: "by one", as4_path: Some(ONE), path: "400001", told: "400001", ..PLAIN },
    Row {
        name: "longer than AS_PATH, so not used",
        as4_path: Some("0203 00061a83 00061a81 00061a82"),
        path: "400001",
        told: "23456",
        ..PLAIN
    },
    Row {
        name: "with a confederation segment, which goes",
        as4_path: Some("0301 0000fdf3 0201 00061a81"),
        path: "400001",
        told: "400001",
        ..PLAIN
    },
    Row {
        name: "of odd length",
        as4_path: Some("0201 00061a81 00"),
        path: "400001",
        told: "23456",
        ..PLAIN
    },
    Row {
        name: "cut off",
        as4_path: Some("0202 00061a81"),
        path: "400001",
        told: "23456",
        ..PLAIN
    },
    Row {
        name: "with a segment of nobody",
        as4_path: Some("0200 0201 00061a81"),
        path: "400001",
        told: "23456",
        ..PLAIN
    },
    Row {
        name: "with a segment of type 9",
        as4_path: Some("0901 00061a81"),
        path: "400001",
        told: "23456",
        ..PLAIN
    },
    Row { name: "empty", as4_path: Some(""), path: "400001", told: "23456", ..PLAIN },
    Row {
        name: "both AS4 attributes",
        as4_path: Some(ONE),
        path: "400001",
        aggregators: [Some(TRANS_AGGREGATOR), Some(REAL_AGGREGATOR)],
        told: "400001",
        told_aggregator: Some(REAL_AGGREGATOR),
    },
    Row {
        name: "AS4_AGGREGATOR alone",
        path: "400001",
        aggregators: [Some(TRANS_AGGREGATOR), Some(REAL_AGGREGATOR)],
        told: "23456",
        told_aggregator: Some(REAL_AGGREGATOR),
        ..PLAIN
    },
    Row {
        name: "AGGREGATOR is not AS_TRANS: neither counts",
        as4_path: Some(ONE),
        path: "400001",
        aggregators: [Some("fdf2 0a090909"), Some(REAL_AGGREGATOR)],
        told: "23456",
        told_aggregator: Some("0000fdf2 0a090909"),
    },
    Row {
        name: "AGGREGATOR alone",
        path: "65010",
        aggregators: [Some("fdf2 0a090909"), None],
        told: "65010",
        told_aggregator: Some("0000fdf2 0a090909"),
        ..PLAIN
    },
    Row {
        name: "AS4_AGGREGATOR without AGGREGATOR",
        path: "65010",
        aggregators: [None, Some(REAL_AGGREGATOR)],
        told: "65010",
        ..PLAIN
    },
    Row {
        name: "AS4_AGGREGATOR of seven octets",
        path: "400001",
        as4_path: Some(ONE),
        aggregators: [Some(TRANS_AGGREGATOR), Some("00061a85 0a0909")],
        told: "400001",
        told_aggregator: Some("00005ba0 0a090909"),
    },
];

fn old(exchange: &Exchange, n: u8) -> RawConfig {
    RawConfig { four_octet_as: false, ..exchange.speaker_config(n) }
}

/// A row's UPDATE, with what an old speaker writes.
fn update(row: &Row, n: u8, prefix: &str) -> Vec<u8> {
    let path = format!("{} {}", asn(n), row.path);
    let mut attributes = vec![
        Attribute { flags: 0x40, code: 1, value: vec![0] },
        Attribute { flags: 0x40, code: 2, value: as_path_octets(&path, false) },
    ];
    let given = [
        (AGGREGATOR, row.aggregators[0]),
        (AS4_PATH, row.as4_path),
        (AS4_AGGREGATOR, row.aggregators[1]),
    ];
    for (code, value) in given {
        attributes.extend(value.map(|text| Attribute { flags: 0xc0, code, value: unhex(text) }));
    }
    let hop = Route::new(prefix, "", next_hop(n));
    let (_, next_hop) = wire::attributes_of(&hop, false);
    wire::announcement(&attributes, &next_hop, &[Nlri { prefix: hop.prefix, path_id: None }])
}

#[test]
fn rfc6793_s4_2_3_what_an_old_speaker_says_is_merged() {
    let exchange = Exchange::new(&["", ""]);
    let (sender, receiver) = (Speaker::established(old(&exchange, 2)), exchange.speaker(3));
    let mut expected = Vec::new();
    for (k, row) in ROWS.iter().enumerate() {
        let prefix = format!("45.0.{k}.0/24");
        sender.send(&update(row, 2, &prefix)).unwrap();
        let mut told = route(2, &prefix, row.told);
        if let Some(aggregator) = row.told_aggregator {
            told = told.unknown(0xc0, AGGREGATOR, &hex(&unhex(aggregator)));
        }
        expected.push(told);
    }
    let mut failed = Vec::new();
    receiver.wait_routes("all rows", ARRIVE, |seen| {
        failed.clear();
        for (row, told) in ROWS.iter().zip(&expected) {
            let found = seen.iter().find(|route| route.prefix == told.prefix);
            if found != Some(told) {
                failed.push(format!("{}: expected {told:?}\n    seen {found:?}", row.name));
            }
        }
        ensure(failed.is_empty(), || failed.join("\n"))
    });
    assert_eq!((sender.status().closed, receiver.status().closed), (None, None));
}

#[test]
fn rfc6793_s4_2_2_an_old_speaker_is_told_in_its_own_words() {
    let exchange = Exchange::new(&["", ""]);
    let (sender, receiver) = (exchange.speaker(2), Speaker::established(old(&exchange, 3)));
    let aggregator = hex(&unhex(REAL_AGGREGATOR));
    let large = route(2, "45.0.0.0/24", "400001 65010").unknown(0xc0, AGGREGATOR, &aggregator);
    let small = route(2, "45.0.1.0/24", "65010").unknown(0xc0, AGGREGATOR, "0000fdf20a090909");
    sender.announce(&large);
    sender.announce(&small);

    let mut told = large.clone();
    told.as_path = format!("{} 23456 65010", asn(2));
    let unknown = |value: &str| Unknown { flags: Some(0xc0), value: hex(&unhex(value)) };
    told.unknown = [
        (AGGREGATOR, unknown(TRANS_AGGREGATOR)),
        (AS4_PATH, unknown("0203 0000fdea 00061a81 0000fdf2")),
        (AS4_AGGREGATOR, unknown(REAL_AGGREGATOR)),
    ]
    .into();
    let mut plain = small.clone();
    plain.unknown = [(AGGREGATOR, unknown("fdf2 0a090909"))].into();
    holds("AS4 attributes only where they are needed", &receiver, &[told, plain]);
}

/// From old to old through us: what came in AS4_PATH goes on in it.
#[test]
fn rfc6793_between_two_old_speakers_nothing_is_lost() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| Speaker::established(old(&exchange, n)));
    let row = Row { as4_path: Some(ONE), path: "400001", ..PLAIN };
    sender.send(&update(&row, 2, "45.0.0.0/24")).unwrap();
    let mut told = route(2, "45.0.0.0/24", "23456");
    let whole = Unknown { flags: Some(0xc0), value: "02020000fdea00061a81".to_owned() };
    told.unknown = [(AS4_PATH, whole)].into();
    holds("the whole path", &receiver, &[told]);
}
