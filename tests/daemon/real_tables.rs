//! Tables that routers really had, from `$RS_DATA/mrt`, through the daemon.
//!
//! `RS_DATA=DIR cargo test -p rs-tests --test daemon real_tables -- --ignored`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rs_tests::support::mrt::{self, PeerTable};
use rs_tests::support::raw::Set;
use rs_tests::support::wire::Nlri;

use crate::tables::{among, through};

/// Files without a unicast table, with what they hold.
const NO_TABLES: [(&str, &str); 14] = [
    ("bgpdump/bview.ipv6_unicast_add_path.gz", "records without a next hop"),
    ("bgpdump/updates.long_withdrawal.gz", "withdrawals alone"),
    ("bgpdump/updates.nlri_mask_trailing_bits.gz", "a message that ends before its prefix does"),
    ("mrtparse-samples/bird-mrtdump_bgp", "a daemon's own messages and state changes"),
    ("mrtparse-samples/bird6-mrtdump_bgp", "a daemon's own messages and state changes"),
    ("mrtparse-samples/bird-mrtdump_rib", "BGP4MP_ENTRY"),
    ("mrtparse-samples/bird6-mrtdump_rib", "BGP4MP_ENTRY"),
    ("mrtparse-samples/bird_bgp", "MRT's old type BGP"),
    ("mrtparse-samples/bird6_bgp", "MRT's old type BGP"),
    ("mrtparse-samples/openbgpd_bgp", "messages of other families"),
    ("mrtparse-samples/openbgpd_rib_table", "aggregators of the wrong width"),
    ("mrtparse-samples/openbgpd_rib_table-mp", "BGP4MP_ENTRY"),
    ("mrtparse-samples/quagga_bgp", "messages of other families"),
    ("bgpipe/updates.jsonl", "JSON"),
];

/// Where the real tables are.
fn directory() -> PathBuf {
    let data = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
    PathBuf::from(data).join("mrt")
}

/// The files below `directory` whose names have one of `suffixes`, or no suffix.
fn files(directory: &Path, found: &mut Vec<PathBuf>, wanted: &dyn Fn(&str) -> bool) {
    for entry in
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"))
    {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "expect" {
            files(&path, found, wanted);
        } else if path.is_file() && wanted(&name) {
            found.push(path);
        }
    }
    found.sort();
}

/// Leaves out what is not for this test: path identifiers (no session here has them), so that the
/// first path of a prefix counts, and what is malformed.
fn usable(table: &mut PeerTable) -> bool {
    for (nlri, set) in std::mem::take(&mut table.routes) {
        table.routes.entry(Nlri { path_id: None, ..nlri }).or_insert(set);
    }
    table.routes.retain(|_, set| {
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
        codes == distinct && codes.starts_with(&[1, 2]) && matches!(set.next_hop.len(), 4 | 16 | 32)
    });
    !table.routes.is_empty()
}

/// The largest table of the file alone, then all of them as members of one exchange.
fn real_file(file: &Path, name: &str) {
    if NO_TABLES.iter().any(|(file, _)| *file == name) {
        return;
    }
    let tables = mrt::read_tables(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let mut tables: Vec<PeerTable> = tables.into_values().collect();
    tables.retain_mut(usable);
    let largest = tables.iter().max_by_key(|table| table.routes.len());
    let largest = largest.unwrap_or_else(|| panic!("{name} holds no table"));
    println!("{name}: {} routes of AS{}", largest.routes.len(), largest.asn);
    through(largest);
    tables.retain(|table| table.four_octet_as);
    if tables.len() > 1 {
        let routes: usize = tables.iter().map(|table| table.routes.len()).sum();
        println!("{name}: {} members with {routes} routes", tables.len());
        among(&tables);
    }
}

#[test]
#[ignore = "reads real tables: RS_DATA"]
fn mrt_files_come_out_as_they_went_in() {
    let directory = directory();
    let mut found = Vec::new();
    files(&directory, &mut found, &|name| !name.contains(".csv") && !name.contains("fulltable"));
    assert!(!found.is_empty(), "no files in {directory:?}");
    // All of them, so that one finding does not hide the next.
    let mut failed = found.clone();
    failed.retain(|file| {
        let name = file.strip_prefix(&directory).unwrap().to_string_lossy().into_owned();
        std::panic::catch_unwind(|| real_file(file, &name)).is_err()
    });
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), found.len());
}

#[test]
#[ignore = "reads real tables: RS_DATA"]
fn a_full_table_comes_out_as_it_went_in() {
    let directory = directory();
    let mut found = Vec::new();
    files(&directory, &mut found, &|name| name.contains("fulltable"));
    assert!(!found.is_empty(), "no full table in {directory:?}");
    for file in found {
        real_file(&file, &file.to_string_lossy());
    }
}

/// Tables of other exchanges' route servers: each next hop was a member.
#[test]
#[ignore = "reads real tables: RS_DATA"]
fn tables_of_route_servers_come_out_as_they_went_in() {
    let directory = directory();
    let mut found = Vec::new();
    files(&directory, &mut found, &|name| name.ends_with(".csv.gz"));
    assert!(!found.is_empty(), "no tables of route servers in {directory:?}");
    for file in found {
        let members: BTreeMap<_, PeerTable> = mrt::read_csv(&file).unwrap();
        let tables: Vec<PeerTable> = members.into_values().collect();
        let routes: usize = tables.iter().map(|table| table.routes.len()).sum();
        println!("{}: {} members with {routes} routes", file.display(), tables.len());
        assert!(tables.len() > 1 && tables.len() < 250, "{}", tables.len());
        among(&tables);
    }
}
