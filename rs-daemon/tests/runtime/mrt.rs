//! MRT files of a running daemon.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bgp_wire::mrt::{Ends, Reading};
use bgp_wire::{Asn, MessageType};
use bytes::BytesMut;

use crate::support::{PATIENCE, RS, Running, address, asn, head, member, prefix, prefixes};

/// Type, subtype and what follows the header.
type Record = (u16, u16, Vec<u8>);

fn records(path: &Path) -> Vec<Record> {
    let octets = std::fs::read(path).unwrap();
    let mut rest = &octets[..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let u16_at = |at: usize| u16::from_be_bytes(rest[at..at + 2].try_into().unwrap());
        let length = u32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
        records.push((u16_at(4), u16_at(6), rest[12..12 + length].to_vec()));
        rest = &rest[12 + length..];
    }
    records
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn is_complete(path: &Path) -> bool {
    !path.file_name().unwrap().to_str().unwrap().starts_with('.')
}

const MRT: &str = "[mrt]\ndirectory = \"mrt\"\ntables = \"off\"\nupdates = \"1s\"\n";

fn text(port: u16, mrt: &str) -> String {
    head(port, "shards = 2\nworkers = 2") + &member(11, "") + &member(12, "") + mrt
}

/// Half a table of an earlier process goes, also where no updates are written.
#[test]
fn half_a_table_goes_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let half = directory.path().join("rs1/.rib.20261122.040000.mrt.part");
    std::fs::create_dir(half.parent().unwrap()).unwrap();
    std::fs::write(&half, "half").unwrap();
    let place = directory.path().display();
    let mrt = format!("[mrt]\ndirectory = \"{place}\"\nupdates = \"off\"\n");
    let _rs = Running::start(|port| text(port, &mrt));
    let deadline = Instant::now() + PATIENCE;
    while half.exists() {
        assert!(Instant::now() < deadline, "{} is there", half.display());
        std::thread::yield_now();
    }
}

#[test]
fn updates_are_in_the_files_as_they_came_and_so_are_states() {
    let rs = Running::start(|port| text(port, MRT));
    let directory = rs.directory.path().join("mrt/rs1");
    let mut first = rs.join(11);
    first.announce(&first.attributes(), &prefixes(0..3));
    first.withdraw(&[prefix(1)]);
    rs.until(11, "2 routes", |s| s.routes[0].received == 2);
    let deadline = Instant::now() + PATIENCE;
    let complete = loop {
        // A file that is being written has another name, and is complete after its second.
        let complete: Vec<_> = files(&directory).into_iter().filter(|f| is_complete(f)).collect();
        let updates = |f: &PathBuf| records(f).iter().filter(|r| r.1 == 4).count();
        if complete.iter().map(updates).sum::<usize>() >= 2 {
            break complete;
        }
        assert!(Instant::now() < deadline, "{:?}", files(&directory));
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let all: Vec<_> = complete.iter().flat_map(|file| records(file)).collect();
    assert!(all.iter().all(|(kind, ..)| *kind == 17), "BGP4MP_ET");
    // What was sent, as a record; its time is behind the header.
    let mut octets = BytesMut::new();
    let nlri: Vec<_> = prefixes(0..3).into_iter().map(Into::into).collect();
    let profile = crate::support::PROFILE;
    let family = bgp_wire::Family::V4;
    bgp_wire::encode_reach(&profile, family, &first.attributes(), &nlri, &mut octets);
    let ends = Ends {
        peer_as: Asn(asn(11)),
        local_as: Asn(1_000_000),
        peer_address: address(11).into(),
        local_address: Some(RS.into()),
    };
    let mut expected = BytesMut::new();
    let reading = Reading { four_octet_as: true, add_path: false };
    let time = std::time::Duration::ZERO;
    let body = &octets[19..];
    bgp_wire::mrt::message(time, &ends, reading, MessageType::Update, body, &mut expected);
    let found = all.iter().find(|(_, subtype, _)| *subtype == 4).unwrap();
    assert_eq!(found.2[4..], expected[16..]);
    // To Established, from whatever state was the last that lasted.
    let up = |record: &&Record| record.1 == 5 && record.2.ends_with(&[0, 6]);
    assert_eq!(all.iter().filter(up).count(), 1);
    assert!(rs.handle.monitoring().mrt.is_some_and(|mrt| mrt.writable && mrt.records >= 3));
}

#[test]
fn a_table_has_all_routes_and_can_be_asked_for() {
    let mrt = MRT.replace("\"1s\"", "\"off\"");
    let rs = Running::start(|port| text(port, &mrt));
    let (mut first, mut second) = (rs.join(11), rs.join(12));
    first.announce(&first.attributes(), &prefixes(0..3000));
    second.announce(&second.attributes(), &prefixes(2990..3010));
    rs.until(11, "3000 routes", |s| s.routes[0].received == 3000);
    rs.until(12, "20 routes", |s| s.routes[0].received == 20);
    let written = rs.ask(rs.handle.mrt_dump(None)).unwrap();
    let [path] = &written[..] else { panic!("{written:?}") };
    assert_eq!(files(&rs.directory.path().join("mrt/rs1")), std::slice::from_ref(path));
    let all = records(path);
    assert_eq!(all.len(), 1 + 3010);
    assert_eq!((all[0].0, all[0].1), (13, 1), "PEER_INDEX_TABLE");
    assert!(all[1..].iter().all(|(kind, subtype, _)| (*kind, *subtype) == (13, 2)));
    // Behind sequence, length and three octets of a /24: how many entries.
    let entries = |record: &Record| u16::from_be_bytes([record.2[8], record.2[9]]);
    assert_eq!(all[1..].iter().map(|r| u32::from(entries(r))).sum::<u32>(), 3020);
    let sequences: Vec<_> = all[1..].iter().map(|r| r.2[..4].to_vec()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b));
    let error = rs.ask(rs.handle.mrt_dump(Some("rs9".to_owned()))).unwrap_err();
    assert_eq!(error.to_string(), "no route server rs9");
}

#[test]
fn a_reload_begins_and_ends_it_and_a_disk_in_the_way_harms_nobody() {
    let rs = Running::start(|port| text(port, ""));
    let error = rs.ask(rs.handle.mrt_dump(None)).unwrap_err();
    assert!(error.to_string().contains("[mrt]"), "{error}");
    let directory = rs.directory.path().join("mrt");
    std::fs::write(&directory, "in the way").unwrap();
    rs.rewrite(&text(rs.port, MRT));
    rs.ask(rs.handle.reload(None)).unwrap();
    let (mut first, mut second) = (rs.join(11), rs.join(12));
    first.announce(&first.attributes(), &prefixes(0..10));
    second.until("10 routes", |s| s.table.len() == 10);
    assert!(rs.ask(rs.handle.mrt_dump(None)).is_err());
    let deadline = Instant::now() + PATIENCE;
    let is_counted = || {
        let mrt = rs.handle.monitoring().mrt.unwrap();
        !mrt.writable && mrt.dropped > 0 && mrt.errors > 0
    };
    while !is_counted() {
        assert!(Instant::now() < deadline, "{:?}", rs.handle.monitoring());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::fs::remove_file(&directory).unwrap();
    let written = rs.ask(rs.handle.mrt_dump(Some("rs1".to_owned()))).unwrap();
    assert_eq!(records(&written[0]).len(), 11);
    rs.rewrite(&text(rs.port, ""));
    rs.ask(rs.handle.reload(None)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while rs.handle.monitoring().mrt.is_some() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}
