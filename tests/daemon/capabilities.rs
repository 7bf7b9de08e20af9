//! Capabilities that make no sense, OPENs of both forms (RFC 5492, RFC 9072), and ADD-PATH that
//! only one side has (RFC 7911).

use std::net::Ipv4Addr;
use std::panic::{self, AssertUnwindSafe};

use rs_tests::support::loopback::{ARRIVE, Exchange, asn, holds, route};
use rs_tests::support::raw::Speaker;
use rs_tests::support::route::unhex;
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{kind, message};

/// Name, optional parameters behind those of IPv4 and four-octet AS, and NOTIFICATION; none: the
/// session comes up and a route goes through it. Each parameter is one of type 2. A capability that
/// we know, of a length that it cannot have, makes the OPEN malformed (RFC 4271 §6.2).
const CAPABILITIES: &[(&str, &str, Option<&str>)] = &[
    ("nothing else", "", None),
    ("unknown, of no octets", "0202 c800", None),
    ("unknown, of three octets", "0205 c803 010203", None),
    ("an empty parameter", "0200", None),
    ("three in one parameter", "0206 0200 0600 4600", None),
    ("the same again and again", "0202 0200 0202 0200 0202 0200 0206 0200 0200 0200", None),
    ("IPv4 twice more", "0206 0104 00010001 0206 0104 00010001", None),
    ("a family that nobody has", "0206 0104 40090047", None),
    ("IPv4 with something in the reserved octet", "0206 0104 0001ff01", None),
    ("multi-protocol of no octets", "0202 0100", Some("2/0")),
    ("multi-protocol of three octets", "0205 0103 000100", Some("2/0")),
    ("multi-protocol of five octets", "0207 0105 0001000100", Some("2/0")),
    ("route refresh of four octets", "0206 0204 00010001", Some("2/0")),
    ("extended message of two octets", "0204 0602 0000", Some("2/0")),
    ("graceful restart of no octets", "0202 4000", Some("2/0")),
    ("graceful restart of one octet", "0203 4001 00", Some("2/0")),
    ("graceful restart of half a family", "0206 4004 00780001", Some("2/0")),
    ("graceful restart of a family that is not offered", "0208 4006 007800020180", None),
    ("long-lived graceful restart without graceful restart", "0209 4707 00010180000e10", None),
    ("ADD-PATH of no octets", "0202 4500", None),
    ("ADD-PATH of three octets", "0205 4503 000101", Some("2/0")),
    ("ADD-PATH neither to send nor to receive", "0206 4504 00010100", None),
    ("ADD-PATH 4", "0206 4504 00010104", None),
    ("ADD-PATH 255", "0206 4504 000101ff", None),
    ("extended next hop of five octets", "0207 0505 0001000100", Some("2/0")),
    ("role 200", "0203 0901 c8", None),
    ("role of no octets", "0202 0900", Some("2/0")),
    ("host name longer than its capability", "0205 4903 ff6162", None),
    ("four-octet AS twice", "0206 4104 @a", None),
    ("a capability beyond its parameter", "0204 c803 0102", Some("2/0")),
    ("half a capability", "0201 c8", Some("2/0")),
    ("a parameter beyond its parameters", "0206 c800", Some("2/0")),
    ("authentication, which is no more", "0100", Some("2/4")),
];

/// Optional parameters of IPv4 and the four-octet AS.
const USUAL: &str = "0206 0104 00010001 0206 4104 @a";

fn octets(text: &str, n: u8) -> Vec<u8> {
    unhex(&text.replace("@a", &format!("{:08x}", asn(n))))
}

/// An OPEN of member `n` whose length of optional parameters, and what follows, are these.
fn open(n: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![4];
    body.extend((asn(n) as u16).to_be_bytes());
    body.extend([0, 90]);
    body.extend(Ipv4Addr::new(10, 9, 0, n).octets());
    body.extend(rest);
    message(kind::OPEN, &body)
}

/// Up, and a route of its goes to member 2; or the NOTIFICATION.
fn comes_to(exchange: &Exchange, n: u8, open: &[u8], outcome: Option<&str>, witness: &Speaker) {
    let mut config = exchange.speaker_config(n);
    // How it writes AS numbers follows from what it has said.
    config.four_octet_as = open.windows(2).any(|pair| pair == [65, 4]);
    let speaker = Speaker::saying(config, open).unwrap();
    speaker.wait("is answered", ARRIVE, |status| {
        let told = status.notification.as_ref().map(|(code, sub, _)| format!("{code}/{sub}"));
        ensure(told.as_deref() == outcome, || format!("{status:?}"))?;
        ensure(status.established == outcome.is_none(), || format!("{status:?}"))
    });
    if outcome.is_none() {
        let its = route(n, "45.0.0.0/24", "");
        speaker.announce(&its);
        holds("its route", witness, &[its]);
        speaker.withdraw("45.0.0.0/24");
        holds("nothing", witness, &[]);
        assert_eq!(speaker.status().closed, None);
    }
}

fn each<T>(rows: &[T], name: impl Fn(&T) -> &str, mut act: impl FnMut(u8, &T)) {
    let mut failed = Vec::new();
    for (n, row) in (3..).zip(rows) {
        let done = panic::catch_unwind(AssertUnwindSafe(|| act(n, row)));
        failed.extend(done.is_err().then(|| name(row).to_owned()));
    }
    assert_eq!(failed, Vec::<String>::new(), "rows that failed, each said why above");
}

#[test]
fn rfc5492_capabilities_that_make_no_sense_do_no_harm() {
    let exchange = Exchange::new(&vec![""; 1 + CAPABILITIES.len()]);
    let witness = exchange.speaker(2);
    each(
        CAPABILITIES,
        |row| row.0,
        |n, (_, more, outcome)| {
            let parameters = octets(&format!("{USUAL} {more}"), n);
            let rest = [&[parameters.len() as u8][..], &parameters].concat();
            comes_to(&exchange, n, &open(n, &rest), *outcome, &witness);
        },
    );
}

/// All that the one octet of length allows, and a session of the oldest kind.
#[test]
fn rfc5492_the_longest_and_the_shortest_list_of_capabilities() {
    let exchange = Exchange::new(&["", "", ""]);
    let witness = exchange.speaker(2);
    let usual = octets(USUAL, 3);
    let filling = 255 - usual.len() - 4;
    let unknown = [&[2, filling as u8 + 2, 200, filling as u8][..], &vec![7; filling]].concat();
    let full = [&[255][..], &usual, &unknown].concat();
    comes_to(&exchange, 3, &open(3, &full), None, &witness);
    comes_to(&exchange, 4, &open(4, &[0]), None, &witness);
}

/// Name, what stands in place of the length of parameters, and the outcome: @l and @e enclose what
/// a length of two octets counts.
const EXTENDED: &[(&str, &str, Option<&str>)] = &[
    ("the same parameters", "ff ff @l 020006 0104 00010001 020006 4104 @a @e", None),
    ("another first length than 255", "04 ff @l 020006 0104 00010001 020006 4104 @a @e", None),
    ("no parameters", "ff ff 0000", None),
    ("many unknown ones", "ff ff @l 020006 0104 00010001 020006 4104 @a @many @e", None),
    ("an empty parameter", "ff ff @l 020000 020006 0104 00010001 @e", None),
    ("longer than the message", "ff ff 0400 020006 0104 00010001", Some("2/0")),
    ("shorter than the message", "ff ff 0000 020006 0104 00010001", Some("2/0")),
    ("half a length", "ff ff 00", Some("2/0")),
    ("a parameter beyond the parameters", "ff ff @l 0200ff 0104 00010001 @e", Some("2/0")),
    ("a parameter with one octet of length", "ff ff @l 0206 0104 00010001 @e", Some("2/0")),
];

#[test]
fn rfc9072_the_extended_form_is_read_too() {
    let exchange = Exchange::new(&vec![""; 1 + EXTENDED.len()]);
    let witness = exchange.speaker(2);
    // 20 of 103 octets each.
    let many = format!("020064 c862 {}", "00".repeat(0x62)).repeat(20);
    each(
        EXTENDED,
        |row| row.0,
        |n, (_, text, outcome)| {
            let text = text.replace("@many", &many);
            let rest = match text.split_once("@l") {
                None => octets(&text, n),
                Some((head, tail)) => {
                    let inner = octets(tail.trim_end_matches("@e"), n);
                    let length = (inner.len() as u16).to_be_bytes();
                    [&octets(head, n)[..], &length, &inner].concat()
                }
            };
            comes_to(&exchange, n, &open(n, &rest), *outcome, &witness);
        },
    );
}

/// What the member offers for IPv4, and whether paths come with identifiers then.
#[test]
fn rfc7911_path_identifiers_come_only_where_both_sides_say_so() {
    let offers: &[(&str, Option<&[u8]>, bool)] = &[
        ("send", None, false),
        ("send", Some(&[0, 1, 1, 1]), true),
        ("send", Some(&[0, 1, 1, 2]), false),
        ("send", Some(&[0, 1, 1, 3]), true),
        ("send", Some(&[0, 2, 1, 1]), false),
        ("send", Some(&[0, 1, 2, 1]), false),
        ("send", Some(&[0, 1, 1, 4]), false),
        ("send", Some(&[0, 1, 1, 0, 0, 2, 1, 3]), false),
        ("off", Some(&[0, 1, 1, 3]), false),
    ];
    let lines: Vec<String> =
        offers.iter().map(|(ours, ..)| format!("add_path = \"{ours}\"")).collect();
    let all: Vec<&str> = ["", ""].into_iter().chain(lines.iter().map(String::as_str)).collect();
    let exchange = Exchange::new(&all);
    let [first, second] = [2, 3].map(|n| exchange.speaker(n));
    let (best, other) = (route(2, "45.0.0.0/24", ""), route(3, "45.0.0.0/24", "65100"));
    first.announce(&best);
    second.announce(&other);
    for (n, (ours, offer, with)) in (4..).zip(offers) {
        let mut config = exchange.speaker_config(n);
        // How it reads; what it offers is said below.
        config.add_path_receive = *with;
        let mut offering = config.clone();
        offering.add_path_receive = false;
        offering.capabilities.extend(offer.map(|value| (69, value.to_vec())));
        let speaker =
            eventually("up", ARRIVE, || Speaker::saying(config.clone(), &offering.open()));
        speaker.wait_routes(&format!("ours {ours}, offered {offer:?}"), ARRIVE, |seen| {
            let identifiers = seen.iter().filter(|route| route.path_id.is_some()).count();
            let expected = if *with { (2, 2) } else { (1, 0) };
            ensure((seen.len(), identifiers) == expected, || format!("{seen:?}"))
        });
        // We never offer to receive them, whatever the member would like.
        let status = speaker.status();
        let received = status.capabilities.iter().filter(|(code, _)| *code == 69);
        for (_, value) in received {
            assert!(value.chunks(4).all(|family| family[3] == 2), "{value:?}");
        }
    }
}
