//! Tables from MRT files (RFC 6396): members announce what the peers of a dump announced.
//!
//! Paths, ORIGIN and communities are the recorded ones, with two changes that the check of every
//! table needs: the first AS is the member's, as its session's, and a community marks the set. The
//! policy level is `plain`: IRR and ROAs of the day of the dump are not there to check against.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;
use rs_tests::support::mrt::{self, PeerTable, Tables};
use rs_tests::support::raw::Set;

use crate::universe::{ROUTE_SERVER_AS, Universe};

/// Type code of AS_SEQUENCE (RFC 4271 §4.3).
const AS_SEQUENCE: u8 = 2;

/// What a set of attributes is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordedSet {
    pub(crate) owner: u32,
    /// As recorded, leftmost first.
    pub(crate) path: Vec<u32>,
    pub(crate) origin: u8,
    /// Without those that a route server would act upon.
    pub(crate) communities: Vec<(u16, u16)>,
}

/// A prefix by its number, and the attribute set that it came with.
type Announced = (u32, u32);

/// The tables of all members.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    prefixes: Vec<(IpNet, Box<[u8]>)>,
    by_octets: HashMap<Box<[u8]>, u32>,
    sets: Vec<RecordedSet>,
    first_set: Vec<u32>,
    tables: Vec<Vec<Announced>>,
    /// By prefix: who announces it, with which set.
    announcers: Vec<Vec<(u32, u32)>>,
    /// Peers of the dump that had routes of the family.
    pub(crate) peers: usize,
    /// Routes left out: a path with sets, an AS that no path may hold, a prefix of no use.
    pub(crate) left_out: usize,
}

/// What the member with this peer's routes announces: a slice of them.
struct Share<'a> {
    table: &'a PeerTable,
    slice: usize,
    slices: usize,
}

impl Recording {
    /// Reads MRT files, plain or gzipped; a later one adds to an earlier one.
    pub(crate) fn read(paths: &[impl AsRef<Path>], members: u32, v6: bool) -> io::Result<Self> {
        let mut tables = Tables::default();
        for path in paths {
            for (peer, table) in mrt::read_tables(path.as_ref())? {
                let known = tables.entry(peer).or_default();
                (known.asn, known.four_octet_as) = (table.asn, table.four_octet_as);
                known.routes.extend(table.routes);
            }
        }
        let recording = Self::new(&tables, members, v6);
        if recording.prefixes.is_empty() {
            let family = if v6 { "IPv6" } else { "IPv4" };
            return Err(io::Error::other(format!("no {family} routes in the MRT files")));
        }
        Ok(recording)
    }

    /// Member by member the largest tables first. Where there are more members than peers, a
    /// peer's table is cut into slices of prefixes in turn.
    fn new(tables: &Tables, members: u32, v6: bool) -> Self {
        let of_family = |net: &IpNet| net.addr().is_ipv6() == v6;
        let mut peers: Vec<(&(IpAddr, bool), &PeerTable, usize)> = tables
            .iter()
            .map(|(key, table)| {
                (key, table, table.routes.keys().filter(|n| of_family(&n.prefix)).count())
            })
            .filter(|(_, _, routes)| *routes > 0)
            .collect();
        peers.sort_by_key(|(key, _, routes)| (Reverse(*routes), **key));
        let mut this = Self { peers: peers.len(), ..Self::default() };
        for member in 0..members as usize {
            this.first_set.push(this.sets.len() as u32);
            let Some((_, table, _)) = peers.get(member % peers.len().max(1)) else {
                this.tables.push(Vec::new());
                continue;
            };
            let slice = member / peers.len();
            let slices = (members as usize - member % peers.len()).div_ceil(peers.len());
            this.add(member as u32, members, v6, &Share { table, slice, slices });
        }
        this
    }

    fn add(&mut self, member: u32, members: u32, v6: bool, share: &Share<'_>) {
        let mut by_set: BTreeMap<RecordedSet, Vec<IpNet>> = BTreeMap::new();
        // The same attributes come with many prefixes: taken apart once.
        let mut known: HashMap<*const Set, Option<RecordedSet>> = HashMap::new();
        let of_family = share.table.routes.iter().filter(|(nlri, _)| {
            nlri.prefix.addr().is_ipv6() == v6 && nlri.path_id.is_none_or(|id| id <= 1)
        });
        let of_slice = of_family
            .enumerate()
            .filter(|(n, _)| n % share.slices == share.slice)
            .map(|(_, route)| route);
        for (nlri, set) in of_slice {
            let found = known
                .entry(Arc::as_ptr(set))
                .or_insert_with(|| recorded(set, share.table.four_octet_as, member, members));
            match found {
                Some(set) if is_usable(nlri.prefix) => {
                    by_set.entry(set.clone()).or_default().push(nlri.prefix.trunc());
                }
                _ => self.left_out += 1,
            }
        }
        let mut table = Vec::new();
        for (set, prefixes) in by_set {
            let number = self.sets.len() as u32;
            self.sets.push(set);
            for prefix in prefixes {
                let index = self.number_of(prefix);
                self.announcers[index as usize].push((member, number));
                table.push((index, number));
            }
        }
        self.tables.push(table);
    }

    fn number_of(&mut self, prefix: IpNet) -> u32 {
        let octets = octets_of(prefix);
        if let Some(known) = self.by_octets.get(&octets) {
            return *known;
        }
        let number = self.prefixes.len() as u32;
        self.prefixes.push((prefix, octets.clone()));
        self.announcers.push(Vec::new());
        self.by_octets.insert(octets, number);
        number
    }

    /// The number of different prefixes.
    pub(crate) fn width(&self) -> u32 {
        self.prefixes.len() as u32
    }

    pub(crate) fn prefix(&self, index: u32) -> IpNet {
        self.prefixes[index as usize].0
    }

    /// A prefix as it stands in an UPDATE.
    pub(crate) fn octets(&self, index: u32) -> &[u8] {
        &self.prefixes[index as usize].1
    }

    /// The number of a prefix as it stands in an UPDATE.
    pub(crate) fn index(&self, octets: &[u8]) -> Option<u32> {
        self.by_octets.get(octets).copied()
    }

    /// What a member announces, attribute set by attribute set.
    pub(crate) fn table(&self, member: u32) -> &[Announced] {
        &self.tables[member as usize]
    }

    pub(crate) fn announcers(&self, index: u32) -> &[(u32, u32)] {
        &self.announcers[index as usize]
    }

    pub(crate) fn sets(&self) -> u32 {
        self.sets.len() as u32
    }

    pub(crate) fn set(&self, set: u32) -> &RecordedSet {
        &self.sets[set as usize]
    }

    pub(crate) fn first_set(&self, member: u32) -> u32 {
        self.first_set[member as usize]
    }

    /// Routes of all members.
    pub(crate) fn routes(&self) -> usize {
        self.tables.iter().map(Vec::len).sum()
    }

    #[cfg(test)]
    pub(crate) fn sample(members: u32, v6: bool) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/small.mrt");
        Self::read(&[path], members, v6).unwrap()
    }
}

fn octets_of(prefix: IpNet) -> Box<[u8]> {
    let width = usize::from(prefix.prefix_len().div_ceil(8));
    let bits = match prefix.addr() {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    std::iter::once(prefix.prefix_len()).chain(bits.into_iter().take(width)).collect()
}

/// Whether every daemon takes it without policy: no default route, no loopback, no multicast.
fn is_usable(prefix: IpNet) -> bool {
    match prefix.addr() {
        IpAddr::V4(a) => prefix.prefix_len() > 0 && !matches!(a.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(a) => prefix.prefix_len() > 0 && a.octets()[0] & 0xe0 == 0x20,
    }
}

/// The attributes that are announced, unless the path cannot be.
fn recorded(set: &Set, four_octet_as: bool, owner: u32, members: u32) -> Option<RecordedSet> {
    let value = |code: u8| set.attributes.iter().find(|a| a.code == code).map(|a| &a.value[..]);
    let mut path = as_path(value(2)?, four_octet_as)?;
    let rs = u32::from(ROUTE_SERVER_AS);
    if path.iter().any(|asn| *asn == 0 || *asn == rs) || path.len() > 100 {
        return None;
    }
    // The first AS stands for the member's own: it must not be found again behind the member's.
    let first = *path.first()?;
    let leading = path.iter().take_while(|asn| **asn == first).count();
    path.drain(1..leading);
    let mut communities: Vec<(u16, u16)> = value(8)
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|c| (u16::from_be_bytes([c[0], c[1]]), u16::from_be_bytes([c[2], c[3]])))
        .filter(|c| !Universe::is_reserved(*c, members))
        .collect();
    communities.sort_unstable();
    communities.dedup();
    let origin = *value(1)?.first()?;
    Some(RecordedSet { owner, path, origin, communities })
}

/// The ASes of a path that is AS_SEQUENCE only.
fn as_path(mut octets: &[u8], four_octet_as: bool) -> Option<Vec<u32>> {
    let width = if four_octet_as { 4 } else { 2 };
    let mut path = Vec::new();
    while let [kind, count, rest @ ..] = octets {
        let (list, rest) = rest.split_at_checked(usize::from(*count) * width)?;
        if *kind != AS_SEQUENCE {
            return None;
        }
        let asn = |c: &[u8]| c.iter().fold(0, |asn, octet| asn << 8 | u32::from(*octet));
        path.extend(list.chunks_exact(width).map(asn));
        octets = rest;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample: three IPv4 peers with 12, 8 and 4 prefixes (the smaller tables repeat prefixes
    /// of the larger), and besides one path with an AS_SET, one default route, and one peer with
    /// five IPv6 prefixes.
    #[test]
    fn members_announce_the_tables_of_the_peers_the_largest_first() {
        let recording = Recording::sample(3, false);
        let sizes: Vec<usize> = (0..3).map(|m| recording.table(m).len()).collect();
        assert_eq!(sizes, [12, 8, 4]);
        assert_eq!((recording.width(), recording.peers, recording.left_out), (12, 3, 2));
        let most = (0..12).map(|index| recording.announcers(index).len()).max();
        assert_eq!(most, Some(3));
        assert_eq!(Recording::sample(1, true).table(0).len(), 5);
    }

    #[test]
    fn more_members_than_peers_share_a_table() {
        let recording = Recording::sample(7, false);
        assert_eq!(recording.routes(), 24);
        // The largest is cut in three, the others in two.
        let sizes: Vec<usize> = (0..7).map(|m| recording.table(m).len()).collect();
        assert_eq!(sizes.iter().step_by(3).sum::<usize>(), 12);
        assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
    }

    #[test]
    fn paths_keep_their_rest_and_reserved_communities_go() {
        let recording = Recording::sample(3, false);
        let set = recording.set(recording.table(0)[0].1);
        assert_eq!(set.path[1..], [64_700, 64_701]);
        // 65535:65281 (NO_EXPORT) and 0:1 stood there as well.
        assert_eq!(set.communities, [(64_700, 7)]);
    }

    #[test]
    fn a_path_of_sets_is_not_taken() {
        assert_eq!(as_path(&[2, 1, 0, 0, 0, 5, 1, 1, 0, 0, 0, 6], true), None);
        assert_eq!(as_path(&[2, 2, 0, 5, 0, 6], false), Some(vec![5, 6]));
        assert_eq!(as_path(&[2, 9, 0, 5], false), None);
    }

    #[test]
    #[ignore = "reads real tables: RS_DATA"]
    fn real_files_become_tables() {
        let data = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
        let mrt = Path::new(&data).join("mrt");
        for (name, peers, routes) in [
            ("pch-as3856-fulltable.20151023.et.mrt.gz", 1, 500_000),
            ("bgpkit/rrc15-2010.02-updates.20100227.1600.gz", 2, 10_000),
            ("mrtparse-samples/openbgpd_rib_table-v2", 1, 2),
        ] {
            let recording = Recording::read(&[mrt.join(name)], 10, false).unwrap();
            assert!(recording.peers >= peers, "{name}: {} peers", recording.peers);
            assert!(recording.routes() >= routes, "{name}: {} routes", recording.routes());
        }
    }
}
