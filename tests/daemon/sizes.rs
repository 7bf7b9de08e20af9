//! Messages as long as they may be, with RFC 8654 and without, and what fills them.

use rs_tests::support::loopback::{ARRIVE, Exchange, holds, route};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{self, Attribute, Nlri};

/// Of the greatest length: whether a route fits is decided for all prefixes of its attributes alike.
const PREFIX: &str = "45.0.0.1/32";
const OTHER: &str = "203.0.113.0/24";
const LONGEST: usize = 4_096;
const LONGEST_EXTENDED: usize = 65_535;

/// Members 2 and up, of whom prefixes of any length are taken.
fn exchange(members: &[&str]) -> Exchange {
    Exchange::with(members, |config| config.import += "prefix_length = { v4 = [8, 32] }\n")
}

fn extended(exchange: &Exchange, n: u8) -> RawConfig {
    RawConfig { extended_messages: true, ..exchange.speaker_config(n) }
}

fn nlri(route: &Route) -> Nlri {
    Nlri { prefix: route.prefix, path_id: None }
}

/// An UPDATE of exactly so many octets that announces `PREFIX` of member `n`, by an attribute that
/// nobody knows; and the length of that attribute's value.
fn full(n: u8, length: usize) -> (Vec<u8>, usize) {
    let route = route(n, PREFIX, "65010");
    let (mut attributes, next_hop) = wire::attributes_of(&route, true);
    let without = wire::announcement(&attributes, &next_hop, &[nlri(&route)]).len();
    let value = length - without - 4;
    attributes.push(Attribute { flags: 0xc0, code: 200, value: vec![7; value] });
    let message = wire::announcement(&attributes, &next_hop, &[nlri(&route)]);
    assert_eq!(message.len(), length);
    (message, value)
}

/// Waits until it has `PREFIX` with so many octets of the unknown attribute; none: not at all.
fn has(what: &str, speaker: &Speaker, octets: Option<usize>) {
    speaker.wait_routes(what, ARRIVE, |seen| {
        let found = seen.iter().find(|route| route.prefix.to_string() == PREFIX);
        let length = found.map(|route| route.unknown.get(&200).map_or(0, |u| u.value.len() / 2));
        ensure(length == octets, || format!("{length:?} octets, expected {octets:?}"))
    });
}

#[test]
fn rfc8654_every_length_goes_where_it_fits_and_is_withdrawn_where_it_does_not() {
    let exchange = exchange(&["", "", ""]);
    let sender = Speaker::established(extended(&exchange, 2));
    let [wide, narrow] =
        [extended(&exchange, 3), exchange.speaker_config(4)].map(Speaker::established);
    for length in [LONGEST - 1, LONGEST, LONGEST + 1, 20_000, LONGEST, LONGEST_EXTENDED, 500] {
        let (message, octets) = full(2, length);
        sender.send(&message).unwrap();
        has(&format!("{length} octets, wide"), &wide, Some(octets));
        let fits = (length <= LONGEST).then_some(octets);
        has(&format!("{length} octets, narrow"), &narrow, fits);
    }
    for speaker in [&sender, &wide, &narrow] {
        let status = speaker.status();
        assert_eq!((status.closed, status.notification), (None, None));
        assert_eq!(status.empty_withdrawals, 0, "nothing is withdrawn that was not sent");
    }
}

/// The next best takes the place of a path that is too long for one member (pitfall 31, 32).
#[test]
fn who_cannot_take_the_best_path_for_its_length_gets_the_second() {
    let exchange = exchange(&["", "", ""]);
    let sender = Speaker::established(extended(&exchange, 2));
    let [second, narrow] = [3, 4].map(|n| exchange.speaker(n));
    let longer = route(3, PREFIX, "65010 65011");
    second.announce(&longer);
    holds("the only one", &narrow, std::slice::from_ref(&longer));
    sender.send(&full(2, LONGEST).0).unwrap();
    has("the best", &narrow, Some(full(2, LONGEST).1));
    sender.send(&full(2, LONGEST + 1).0).unwrap();
    holds("the second", &narrow, std::slice::from_ref(&longer));
    second.withdraw(PREFIX);
    holds("nothing", &narrow, &[]);
}

/// RFC 8654 §4: who has not heard that we take them may not send them.
#[test]
fn rfc8654_s5_where_we_do_not_offer_it_one_octet_too_many_ends_the_session() {
    let exchange = exchange(&["extended_messages = false", ""]);
    let (sender, receiver) = (Speaker::established(extended(&exchange, 2)), exchange.speaker(3));
    let (message, octets) = full(2, LONGEST);
    sender.send(&message).unwrap();
    has("4096 octets", &receiver, Some(octets));
    sender.send(&full(2, LONGEST + 1).0).unwrap();
    sender.wait("is told", ARRIVE, |status| {
        let told = status.notification.as_ref();
        let expected = (1, 2, 4_097_u16.to_be_bytes().to_vec());
        ensure(told == Some(&expected), || format!("{status:?}"))
    });
    has("withdrawn with the session", &receiver, None);
}

/// What fills a message of 65,535 octets: name, attributes beside the usual, and whether the route
/// is still announced.
#[test]
fn rfc7606_floods_of_attributes_up_to_the_limit_of_a_message_stay_with_their_route() {
    let exchange = exchange(&["", ""]);
    let sender = Speaker::established(extended(&exchange, 2));
    let receiver = Speaker::established(extended(&exchange, 3));
    let many = |code: u8, flags: u8, value: Vec<u8>| vec![Attribute { flags, code, value }];
    let empty = |code: u8| Attribute { flags: 0xc0, code, value: Vec::new() };
    let sequences =
        |count: usize| [[2, 255].to_vec(), [0, 1, 0x11, 0x70].repeat(255)].concat().repeat(count);
    // RFC 8092 §5: the same again does not count.
    let large: Vec<u8> =
        (0..5_000_u32).flat_map(|k| [300_000, k, 1]).flat_map(u32::to_be_bytes).collect();
    let floods: Vec<(&str, Vec<Attribute>, bool)> = vec![
        ("each code that nobody knows", (100..=254).map(empty).collect(), true),
        ("the same 20,000 times", vec![empty(200); 20_000], true),
        ("communities", many(8, 0xc0, vec![0xfe; 60_000]), false),
        ("large communities", many(32, 0xc0, large), false),
        ("the same large community", many(32, 0xc0, vec![0xfe; 60_000]), true),
        ("extended communities", many(16, 0xc0, vec![0x03; 60_000]), false),
        ("AS_PATH again", many(2, 0x40, sequences(60)), true),
        ("CLUSTER_LIST", many(10, 0x80, vec![1; 60_000]), true),
        ("AS4_PATH", many(17, 0xc0, sequences(60)), true),
        ("unknown, not transitive", many(200, 0x80, vec![1; 60_000]), true),
    ];
    let mut failed = Vec::new();
    for (k, (name, more, kept)) in (1..).zip(&floods) {
        let flooded = route(2, PREFIX, &format!("65010 {}", 300_000 + k));
        let before = route(2, PREFIX, &format!("65010 {}", 200_000 + k));
        let (mut attributes, next_hop) = wire::attributes_of(&flooded, true);
        attributes.extend(more.iter().cloned());
        sender.announce(&before);
        sender.send(&wire::announcement(&attributes, &next_hop, &[nlri(&flooded)])).unwrap();
        // What comes behind it shows that it has been dealt with.
        let mark = route(2, OTHER, &format!("65010 {}", 300_000 + k));
        sender.announce(&mark);
        receiver.wait_routes(name, ARRIVE, |seen| {
            ensure(seen.contains(&mark), || format!("{} routes", seen.len()))
        });
        // What is refused takes the place of the route before all the same (RFC 7606 §2): none is left.
        let found = receiver.routes().into_iter().find(|route| route.prefix == flooded.prefix);
        let path = found.map(|route| route.as_path);
        let expected = kept.then(|| flooded.as_path.clone());
        if path != expected {
            failed.push(format!("{name}: path {path:?}, expected {expected:?}"));
        }
        let status = sender.status();
        assert_eq!((status.closed, status.notification), (None, None), "{name}");
    }
    assert_eq!(failed, Vec::<String>::new());
    let path = Attribute { flags: 0x40, code: 2, value: sequences(60) };
    let (mut attributes, next_hop) = wire::attributes_of(&route(2, PREFIX, ""), true);
    attributes.retain(|attribute| attribute.code != 2);
    attributes.push(path);
    sender
        .send(&wire::announcement(&attributes, &next_hop, &[nlri(&route(2, PREFIX, ""))]))
        .unwrap();
    has("a path of 15,300 AS numbers is refused", &receiver, None);
    assert_eq!(receiver.status().closed, None);
}

/// A message full of prefixes, and one that takes them back.
#[test]
fn rfc8654_a_message_full_of_prefixes() {
    let exchange = exchange(&["", "", ""]);
    let sender = Speaker::established(extended(&exchange, 2));
    let [wide, narrow] =
        [extended(&exchange, 3), exchange.speaker_config(4)].map(Speaker::established);
    let one = route(2, PREFIX, "65010");
    let (attributes, next_hop) = wire::attributes_of(&one, true);
    // Four octets each.
    let all: Vec<Nlri> = (0..16_300_u32)
        .map(|k| format!("{}.{}.{}.0/24", 45 + (k >> 16), k >> 8 & 255, k & 255))
        .map(|text| Nlri { prefix: text.parse().unwrap(), path_id: None })
        .collect();
    sender.send(&wire::announcement(&attributes, &next_hop, &all)).unwrap();
    for speaker in [&wide, &narrow] {
        speaker.wait("all of them", ARRIVE, |status| {
            ensure(status.routes == all.len(), || format!("{} routes", status.routes))
        });
    }
    sender.send(&wire::withdrawal(&all)).unwrap();
    for speaker in [&wide, &narrow] {
        speaker.wait("none of them", ARRIVE, |status| {
            ensure(status.routes == 0, || format!("{} routes", status.routes))
        });
        assert_eq!(speaker.status().closed, None);
    }
}
