//! Whole tables through the daemon: what comes out at another member is what went in. Those that
//! routers really had are in `real_tables`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rs_tests::support::loopback::{Exchange, asn};
use rs_tests::support::mrt::PeerTable;
use rs_tests::support::raw::{Set, Speaker};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{self, Attribute, Nlri};

/// How long a whole table may take, in a debug build on a busy machine.
const TABLE: Duration = Duration::from_secs(240);
/// Prefixes in one UPDATE, so that it stays below 4096 octets with any usual attributes.
const NLRI_IN_UPDATE: usize = 100;

pub(crate) type Table = BTreeMap<Nlri, Arc<Set>>;

/// Real tables come as they are: no check may refuse a route here but those of RFC 7606.
fn open_exchange(members: usize) -> Exchange {
    Exchange::with(&vec!["route_servers = [\"rs1\"]"; members], |config| {
        config.route_server += "kind = \"chaos\"\n";
        config.import = "max_prefixes = { total = 4000000, action = \"warn\" }\n".to_owned();
    })
}

/// Sends a table the way a router would: prefixes with the same attributes together.
fn send_table(speaker: &Speaker, table: &Table) {
    let mut by_set: BTreeMap<(&Arc<Set>, bool), Vec<Nlri>> = BTreeMap::new();
    for (nlri, set) in table {
        by_set.entry((set, nlri.prefix.addr().is_ipv6())).or_default().push(*nlri);
    }
    for ((set, _), list) in by_set {
        for chunk in list.chunks(NLRI_IN_UPDATE) {
            speaker.send(&wire::announcement(&set.attributes, &set.next_hop, chunk)).unwrap();
        }
    }
}

/// What a table looks like at another member.
fn expected(table: &PeerTable) -> Table {
    let valid = table.routes.iter().filter(|(_, set)| !holds_as_0(set, table.four_octet_as));
    let passed = |set| {
        let set = passed(set);
        if table.four_octet_as { set } else { with_whole_as4_path(set) }
    };
    valid.map(|(nlri, set)| (*nlri, Arc::new(passed(set)))).collect()
}

/// RFC 6793 §4.2.3: the path of both attributes together is what is passed on, so that a member with
/// two-octet AS numbers gets an AS4_PATH as long as its AS_PATH.
fn with_whole_as4_path(mut set: Set) -> Set {
    let find = |set: &Set, code| set.attributes.iter().position(|attribute| attribute.code == code);
    if let (Some(path), Some(as4_path)) = (find(&set, 2), find(&set, 17)) {
        let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let path = words(wire::as_path_text(&set.attributes[path].value, false));
        let tail = words(wire::as_path_text(&set.attributes[as4_path].value, true));
        let head = &path[..path.len() - tail.len()];
        let whole = [head, &tail].concat().join(" ");
        set.attributes[as4_path].value = wire::as_path_octets(&whole, true);
    }
    set
}

/// RFC 7607 §2: such a route is withdrawn. Real tables have some.
fn holds_as_0(set: &Set, four_octet_as: bool) -> bool {
    set.attributes.iter().any(|Attribute { code, value, .. }| match code {
        2 => wire::as_path_text(value, four_octet_as).split([' ', '{', '}']).any(|asn| asn == "0"),
        _ => false,
    })
}

/// LOCAL_PREF does not pass between ASes (RFC 4271 §5.1.5), nor do AIGP without agreement
/// (RFC 7311 §3.3) and attributes that are optional, unknown and not transitive.
fn passed(set: &Set) -> Set {
    let passes = |attribute: &&Attribute| match attribute.code {
        5 | 9 | 10 | 26 => false,
        // RFC 7607 §2: AGGREGATOR of AS 0 is discarded.
        7 => attribute.value.iter().rev().skip(4).any(|octet| *octet != 0),
        1..=8 => true,
        _ => attribute.flags & 0x40 != 0,
    };
    let mut attributes: Vec<Attribute> = set.attributes.iter().filter(passes).cloned().collect();
    attributes.sort_by_key(|attribute| attribute.code);
    Set { attributes, next_hop: set.next_hop.clone() }
}

fn compare(receiver: &Speaker, expected: &Table) {
    receiver.wait("holds the table", TABLE, |status| {
        ensure(status.closed.is_none(), || format!("{status:?}")).unwrap();
        ensure(status.routes == expected.len(), || {
            let missing = receiver.missing(expected, 5);
            let missing: Vec<_> = missing.iter().map(|nlri| (nlri, &expected[nlri])).collect();
            format!("{} routes of {}, without {missing:?}", status.routes, expected.len())
        })
    });
    // The number may be right while some routes are still to be replaced.
    eventually("its routes are as they were sent", TABLE, || {
        let seen = receiver.table();
        let mut wrong = expected.iter().filter(|(nlri, set)| seen.get(*nlri) != Some(*set));
        wrong.next().map_or(Ok(()), |(nlri, set)| {
            let (prefix, seen, rest) = (nlri.prefix, seen.get(nlri), wrong.count());
            Err(format!("{prefix}: sent {set:?}\n    seen {seen:?}\n(and {rest} more)"))
        })
    });
}

/// A route that comes out another way than it went in is a finding; one that never comes out too.
pub(crate) fn through(table: &PeerTable) {
    let exchange = open_exchange(2);
    let speaker = |n: u8| {
        let mut config = exchange.speaker_config(n);
        config.four_octet_as = table.four_octet_as;
        Speaker::established(config)
    };
    let [sender, receiver] = [2, 3].map(speaker);
    send_table(&sender, &table.routes);
    compare(&receiver, &expected(table));
    assert_eq!(sender.status().closed, None);

    // A late joiner gets the same.
    let late = {
        drop(receiver);
        speaker(3)
    };
    compare(&late, &expected(table));

    // And all of it goes when its source goes.
    sender.close();
    late.wait("loses everything", TABLE, |status| {
        ensure(status.routes == 0, || format!("{} routes", status.routes))
    });
}

/// What decides between members' routes, the best first: RFC 4271 §9.1.2.2 with MED left out, and
/// before it GRACEFUL_SHUTDOWN (RFC 8326) and LLGR_STALE (RFC 9494).
fn rank(set: &Set, member: usize) -> (bool, bool, usize, u8, usize) {
    let value = |code| {
        let found = set.attributes.iter().find(|attribute| attribute.code == code);
        found.map_or(&[][..], |attribute| &attribute.value)
    };
    let has = |community: u32| value(8).chunks(4).any(|chunk| chunk == community.to_be_bytes());
    let (mut length, mut path) = (0, value(2));
    while let [kind, count, rest @ ..] = path {
        // A set counts as one AS (RFC 4271 §9.1.2.2 a).
        length += if *kind == 1 { 1 } else { usize::from(*count) };
        path = &rest[usize::from(*count) * 4..];
    }
    (has(0xffff_0000), has(0xffff_0006), length, value(1)[0], member)
}

/// What a member that announces nothing must hold when these do.
fn best<'a>(tables: impl Iterator<Item = (usize, &'a Table)> + Clone) -> Table {
    let mut best: BTreeMap<Nlri, (usize, &Arc<Set>)> = BTreeMap::new();
    for (member, table) in tables {
        for (nlri, set) in table {
            let held = best.entry(*nlri).or_insert((member, set));
            if rank(set, member) < rank(held.1, held.0) {
                *held = (member, set);
            }
        }
    }
    best.into_iter().map(|(nlri, (_, set))| (nlri, Arc::clone(set))).collect()
}

/// Several members at once: another one holds the best of what they announce, and the second best
/// when the one with the most routes has gone. All with four-octet AS numbers.
pub(crate) fn among(tables: &[PeerTable]) {
    let exchange = open_exchange(tables.len() + 1);
    let number = |index: usize| u8::try_from(index + 2).expect("a loopback address for each");
    let mut senders: Vec<Speaker> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        assert!(table.four_octet_as);
        let sender = Speaker::established(exchange.speaker_config(number(index)));
        send_table(&sender, &table.routes);
        senders.push(sender);
    }
    let receiver = Speaker::established(exchange.speaker_config(number(tables.len())));
    let tables: Vec<Table> = tables.iter().map(expected).collect();
    compare(&receiver, &best(tables.iter().enumerate()));

    let largest = (0..tables.len()).max_by_key(|index| tables[*index].len()).expect("members");
    senders[largest].close();
    let rest = tables.iter().enumerate().filter(|(index, _)| *index != largest);
    compare(&receiver, &best(rest));
}

/// A table in both families with paths, MEDs and communities of all kinds.
fn generated(prefixes: u32, mut seed: u64) -> PeerTable {
    let mut routes = Table::new();
    let mut random = |below: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        u32::try_from(seed % u64::from(below)).unwrap()
    };
    for n in 0..prefixes {
        let v6 = n % 3 == 0;
        let prefix = if v6 {
            let address = u128::from(0x2600_0000_u32 + n) << 96;
            IpNet::V6(Ipv6Net::new(address.into(), 32).unwrap())
        } else {
            IpNet::V4(Ipv4Net::new((0x0100_0000 + (n << 8)).into(), 24).unwrap())
        };
        // A few thousand attribute sets, as a member has.
        let group = random(prefixes / 4 + 1);
        let length = group % 6;
        let path: Vec<String> = (0..length).map(|i| (group * 7 + i + 1).to_string()).collect();
        let text = prefix.to_string();
        let mut route = rs_tests::support::loopback::route(2, &text, &path.join(" "));
        if group.is_multiple_of(2) {
            route = route.med(group);
        }
        for i in 0..group % 5 {
            route = route.community(&format!("{}:{i}", group % 60_000 + 1));
            route = route.large(&format!("{group}:{i}:4294967295"));
        }
        if group.is_multiple_of(11) {
            route = route.extended(&format!("rt:{}:{group}", group % 60_000 + 1));
            route = route.unknown(0xc0, 222, &"5a".repeat((group % 400) as usize));
        }
        let (attributes, next_hop) = wire::attributes_of(&route, true);
        let nlri = Nlri { prefix, path_id: None };
        routes.insert(nlri, Arc::new(Set { attributes, next_hop }));
    }
    PeerTable { asn: asn(2), four_octet_as: true, routes }
}

#[test]
fn a_generated_table_comes_out_as_it_went_in() {
    through(&generated(6_000, 0x2545_f491_4f6c_dd1d));
}

/// They announce the same prefixes with other attributes, some of them fewer.
#[test]
fn a_member_holds_the_best_of_several_tables() {
    let tables = (1..=6).map(|n| generated(400 * n, 0x9e37_79b9_7f4a_7c15 + u64::from(n)));
    among(&tables.collect::<Vec<_>>());
}
