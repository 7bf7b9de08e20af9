//! Whole tables through the daemon: what comes out at another member is what went in.
//!
//! With `RS_DATA` set, the tables in its `mrt` folder (real ones, MRT); always, a generated one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rs_tests::support::mrt::{self, PeerTable};
use rs_tests::support::raw::{Set, Speaker};
use rs_tests::support::wait::ensure;
use rs_tests::support::wire::{self, Attribute, Nlri};

use crate::exchange::{Exchange, asn};

/// How long a whole table may take, in a debug build on a busy machine.
const TABLE: Duration = Duration::from_secs(240);
/// Prefixes in one UPDATE, so that it stays below 4096 octets with any usual attributes.
const NLRI_IN_UPDATE: usize = 100;

type Table = BTreeMap<Nlri, Arc<Set>>;

/// Real tables come as they are: no check may refuse a route here but those of RFC 7606.
fn open_exchange() -> Exchange {
    Exchange::with(&["route_servers = [\"rs1\"]"; 2], |config| {
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
    valid.map(|(nlri, set)| (*nlri, Arc::new(passed(set)))).collect()
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
    let seen = receiver.table();
    let mut wrong = expected.iter().filter(|(nlri, set)| seen.get(*nlri) != Some(*set));
    if let Some((nlri, set)) = wrong.next() {
        let rest = wrong.count();
        panic!("{}: sent {set:?}\n    seen {:?}\n(and {rest} more)", nlri.prefix, seen.get(nlri));
    }
}

/// A route that comes out another way than it went in is a finding; one that never comes out too.
fn through(table: &PeerTable) {
    let exchange = open_exchange();
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

/// A table in both families with paths, MEDs and communities of all kinds.
fn generated(prefixes: u32) -> PeerTable {
    let mut routes = Table::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
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
        let mut route = crate::exchange::route(2, &text, &path.join(" "));
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
    through(&generated(6_000));
}

/// Where the real tables are, if this run has any.
fn data() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("RS_DATA")?).join("mrt");
    assert!(directory.is_dir(), "RS_DATA is set but has no folder {}", directory.display());
    Some(directory)
}

/// Members' tables may hold a path identifier or a malformed route: those are not for this test.
fn usable(table: &mut PeerTable) -> bool {
    table.routes.retain(|nlri, set| {
        // A route server's own dump has LOCAL_PREF; no member sends it (RFC 4271 §5.1.5).
        let mut attributes = set.attributes.clone();
        attributes.retain(|attribute| attribute.code != 5);
        // A dump is no wire: some programs write large communities with the flags of nothing.
        for attribute in &mut attributes {
            if matches!(attribute.code, 7 | 8 | 16 | 32) {
                attribute.flags |= 0xc0;
            }
        }
        *set = Arc::new(Set { attributes, next_hop: set.next_hop.clone() });
        let codes: Vec<u8> = set.attributes.iter().map(|attribute| attribute.code).collect();
        let mut distinct = codes.clone();
        distinct.dedup();
        nlri.path_id.is_none()
            && codes == distinct
            && codes.starts_with(&[1, 2])
            && matches!(set.next_hop.len(), 4 | 16 | 32)
    });
    !table.routes.is_empty()
}

/// The largest table of each file.
fn real_tables(file: &Path) {
    let tables = mrt::read_tables(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let largest = tables.into_values().max_by_key(|table| table.routes.len());
    let mut table = largest.unwrap_or_else(|| panic!("{file:?} holds no routes"));
    if usable(&mut table) {
        println!("{}: {} routes of AS{}", file.display(), table.routes.len(), table.asn);
        through(&table);
    }
}

#[test]
fn real_tables_come_out_as_they_went_in() {
    let Some(directory) = data() else { return };
    for file in [
        "nlix-185.186.mrt",
        "bgpkit/rrc15-2010.02-updates.20100227.1600.gz",
        "bgpdump/updates.20160811.1600.gz",
        "bgpipe/equinix-ixp-sample.mrt",
    ] {
        real_tables(&directory.join(file));
    }
}

#[test]
fn a_full_real_table_comes_out_as_it_went_in() {
    let Some(directory) = data() else { return };
    real_tables(&directory.join("pch-as3856-fulltable.20151023.et.mrt.gz"));
}
