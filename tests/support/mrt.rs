//! A small reader of MRT files (RFC 6396, RFC 8050), tables and updates and nothing else, and of
//! tables of route servers as CSV.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use ipnet::IpNet;
use serde::Deserialize;

use super::raw::Set;
use super::wire::{self, Attribute, Nlri, as_path_octets};

const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

/// One peer's table at the end of a file.
#[derive(Debug, Default)]
pub struct PeerTable {
    /// AS number of the peer.
    pub asn: u32,
    /// AS numbers in paths have four octets.
    pub four_octet_as: bool,
    /// What it had announced and not withdrawn.
    pub routes: BTreeMap<Nlri, Arc<Set>>,
}

/// Tables by peer address.
pub type Tables = BTreeMap<(IpAddr, bool), PeerTable>;

/// Reads a file, compressed or not.
pub fn read_tables(path: &Path) -> io::Result<Tables> {
    Ok(tables(&read(path)?))
}

/// A file's octets as its name's end says.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let unpacked = |program: &str| {
        let output = Command::new(program).arg("-dc").arg(path).output()?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    };
    match path.extension().and_then(OsStr::to_str) {
        Some("gz") => {
            let mut octets = Vec::new();
            MultiGzDecoder::new(File::open(path)?).read_to_end(&mut octets)?;
            Ok(octets)
        }
        Some("bz2") => unpacked("bzip2"),
        Some("xz") => unpacked("xz"),
        _ => std::fs::read(path),
    }
}

/// A row of a route server's table: one path.
#[derive(Deserialize)]
struct Row {
    #[serde(alias = "network.address")]
    network: String,
    #[serde(alias = "network.mask")]
    netmask: String,
    #[serde(alias = "next.hop")]
    nexthop: String,
    path: String,
    origin: String,
}

impl Row {
    /// The mask is left out (`NA`) where it is that of the network's class, and where the program
    /// that printed the table cut a long network short: none then.
    fn prefix(&self) -> Option<IpNet> {
        let network: IpAddr = self.network.parse().ok()?;
        let length = match network {
            IpAddr::V4(address) if self.netmask == "NA" => match address.octets()[0] {
                0 => 0,
                1..=127 => 8,
                128..=191 => 16,
                _ => 24,
            },
            _ => self.netmask.parse().ok()?,
        };
        Some(IpNet::new(network, length).ok()?.trunc())
    }
}

/// Reads a route server's table with a path in each row: the table of each next hop. Rows without
/// a path (the route server's own) or a whole prefix are left out.
pub fn read_csv(path: &Path) -> io::Result<BTreeMap<IpAddr, PeerTable>> {
    let mut tables: BTreeMap<IpAddr, PeerTable> = BTreeMap::new();
    let octets = read(path)?;
    for row in csv::Reader::from_reader(&octets[..]).deserialize() {
        let row: Row = row?;
        let words = row.path.replace(',', " ");
        let asn = words.split_whitespace().next().and_then(|asn| asn.parse().ok());
        let (Some(asn), Some(prefix)) = (asn, row.prefix()) else { continue };
        let nexthop: IpAddr = row.nexthop.parse().map_err(io::Error::other)?;
        let origin = match row.origin.as_str() {
            "i" => 0,
            "e" => 1,
            _ => 2,
        };
        let attributes = vec![
            Attribute { flags: 0x40, code: 1, value: vec![origin] },
            Attribute { flags: 0x40, code: 2, value: as_path_octets(&words, true) },
        ];
        let next_hop = match nexthop {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let table = tables.entry(nexthop).or_default();
        (table.asn, table.four_octet_as) = (asn, true);
        let set = Arc::new(Set { attributes, next_hop });
        table.routes.insert(Nlri { prefix, path_id: None }, set);
    }
    Ok(tables)
}

/// Reads records until the first that is cut short.
pub fn tables(octets: &[u8]) -> Tables {
    let mut reader = Reader::default();
    let mut rest = octets;
    while let Some((header, tail)) = rest.split_at_checked(12) {
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some((record, tail)) = tail.split_at_checked(length) else { break };
        let kind = u16::from_be_bytes([header[4], header[5]]);
        let subtype = u16::from_be_bytes([header[6], header[7]]);
        reader.record(kind, subtype, record);
        rest = tail;
    }
    reader.tables
}

#[derive(Default)]
struct Reader {
    tables: Tables,
    /// PEER_INDEX_TABLE.
    peers: Vec<(IpAddr, u32)>,
}

/// A cursor that panics at the end: a record that lies about its length fails the test.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        let octets = self.take(2);
        u16::from_be_bytes([octets[0], octets[1]])
    }

    fn asn(&mut self, four: bool) -> u32 {
        self.take(if four { 4 } else { 2 })
            .iter()
            .fold(0, |number, octet| number << 8 | u32::from(*octet))
    }

    fn address(&mut self, v6: bool) -> IpAddr {
        if v6 {
            IpAddr::from(<[u8; 16]>::try_from(self.take(16)).expect("sixteen"))
        } else {
            IpAddr::from(<[u8; 4]>::try_from(self.take(4)).expect("four"))
        }
    }
}

/// The attributes in a table's record.
fn rib_set(octets: &[u8]) -> Set {
    let mut set = Set { attributes: Vec::new(), next_hop: Vec::new() };
    for attribute in wire::read_attributes(octets) {
        match attribute.code {
            3 => set.next_hop = attribute.value,
            // Some dumps hold the whole attribute all the same.
            14 if attribute.value.first() == Some(&0) => {
                let end = 4 + usize::from(attribute.value[3]);
                set.next_hop = attribute.value[4..end].to_vec();
            }
            14 => set.next_hop = attribute.value[1..].to_vec(),
            _ => set.attributes.push(attribute),
        }
    }
    set
}

impl Reader {
    fn record(&mut self, kind: u16, subtype: u16, record: &[u8]) {
        let mut record = Cursor(record);
        match (kind, subtype) {
            (TABLE_DUMP, _) => self.old_rib(record, subtype == 2),
            (TABLE_DUMP_V2, 1) => self.peer_index(record),
            (TABLE_DUMP_V2, 2 | 4 | 8 | 10) => {
                self.rib(record, matches!(subtype, 4 | 10), subtype >= 8);
            }
            (BGP4MP, _) => self.message(record, subtype),
            (BGP4MP_ET, _) => {
                // Microseconds.
                record.take(4);
                self.message(record, subtype);
            }
            _ => {}
        }
    }

    fn peer_index(&mut self, mut record: Cursor<'_>) {
        record.take(4);
        let name = usize::from(record.u16());
        record.take(name);
        let count = record.u16();
        self.peers.clear();
        for _ in 0..count {
            let kind = record.u8();
            record.take(4);
            let address = record.address(kind & 1 != 0);
            self.peers.push((address, record.asn(kind & 2 != 0)));
        }
    }

    /// RFC 6396 §4.2: one route a record, AS numbers of two octets.
    fn old_rib(&mut self, mut record: Cursor<'_>, v6: bool) {
        record.take(4);
        let address = record.address(v6);
        let length = record.u8();
        record.take(5);
        let peer = record.address(v6);
        let asn = record.asn(false);
        let octets = usize::from(record.u16());
        let set = rib_set(record.take(octets));
        let prefix = IpNet::new(address, length).expect("a prefix").trunc();
        let table = self.tables.entry((peer, false)).or_default();
        (table.asn, table.four_octet_as) = (asn, false);
        table.routes.insert(Nlri { prefix, path_id: None }, Arc::new(set));
    }

    /// RFC 6396 §4.3.2: MP_REACH_NLRI holds the next hop only, paths have four octets for an AS.
    fn rib(&mut self, mut record: Cursor<'_>, v6: bool, add_path: bool) {
        record.take(4);
        let width = usize::from(record.0[0].div_ceil(8));
        let prefix = wire::read_nlri(record.take(1 + width), v6, false)[0].prefix;
        let count = record.u16();
        for _ in 0..count {
            let (address, asn) = self.peers[usize::from(record.u16())];
            record.take(4);
            let path_id = add_path
                .then(|| u32::from_be_bytes(record.take(4).try_into().expect("four octets")));
            let length = usize::from(record.u16());
            let set = rib_set(record.take(length));
            let table = self.tables.entry((address, true)).or_default();
            (table.asn, table.four_octet_as) = (asn, true);
            table.routes.insert(Nlri { prefix, path_id }, Arc::new(set));
        }
    }

    fn message(&mut self, mut record: Cursor<'_>, subtype: u16) {
        // MESSAGE and MESSAGE_AS4, of a peer; not state changes, not local messages.
        let four = match subtype {
            1 => false,
            4 => true,
            _ => return,
        };
        let asn = record.asn(four);
        record.asn(four);
        record.take(2);
        let v6 = record.u16() == 2;
        let address = record.address(v6);
        record.address(v6);
        if record.0.get(18) != Some(&wire::kind::UPDATE) {
            return;
        }
        let update = wire::read_update(&record.0[19..], [false; 2]);
        let table = self.tables.entry((address, four)).or_default();
        (table.asn, table.four_octet_as) = (asn, four);
        for nlri in update.unreach {
            table.routes.remove(&nlri);
        }
        let set = Arc::new(Set { attributes: update.attributes, next_hop: update.next_hop });
        for nlri in update.reach {
            table.routes.insert(nlri, Arc::clone(&set));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::wire::{announcement, as_path_text, withdrawal};

    fn record(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        let parts =
            [&[0; 4][..], &kind.to_be_bytes(), &subtype.to_be_bytes(), &length.to_be_bytes(), body];
        parts.concat()
    }

    fn nlri(prefix: &str) -> Nlri {
        Nlri { prefix: prefix.parse().unwrap(), path_id: None }
    }

    #[test]
    fn updates_add_up_to_a_table() {
        let header = [0, 0, 0xfd, 0xf2, 0, 0, 0xfd, 0xf3, 0, 0, 0, 1, 192, 0, 2, 2, 192, 0, 2, 1];
        let attributes = [Attribute { flags: 0x40, code: 1, value: vec![0] }];
        let (kept, gone) = (nlri("198.51.100.0/24"), nlri("203.0.113.0/24"));
        let messages =
            [announcement(&attributes, &[192, 0, 2, 2], &[kept, gone]), withdrawal(&[gone])];
        let mut file = Vec::new();
        for message in &messages {
            file.extend(record(BGP4MP, 4, &[&header[..], message].concat()));
        }
        // Cut short: the end of the file.
        file.extend(&record(BGP4MP, 4, &header)[..20]);
        let tables = tables(&file);
        let table = &tables[&("192.0.2.2".parse().unwrap(), true)];
        assert_eq!((table.asn, table.four_octet_as), (65010, true));
        assert_eq!(table.routes.keys().collect::<Vec<_>>(), [&kept]);
        assert_eq!(table.routes[&kept].attributes, attributes);
    }

    /// What bgpdump, another reader, made of real files.
    #[test]
    #[ignore = "reads real tables: RS_DATA"]
    fn real_files_read_as_bgpdump_reads_them() {
        let data = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
        let directory = Path::new(&data).join("mrt/bgpdump");
        for name in ["updates.20070211.0141", "updates.20100722.2015", "updates.20160811.1600"] {
            let ours = read_tables(&directory.join(format!("{name}.gz"))).unwrap();
            let expected = directory.join(format!("expect/{name}.gz.bgp.gz"));
            let mut text = String::new();
            MultiGzDecoder::new(File::open(expected).unwrap()).read_to_string(&mut text).unwrap();
            let theirs = dumped(&text);
            let mut seen: BTreeMap<(IpAddr, String), String> = BTreeMap::new();
            for ((address, four), table) in &ours {
                for (nlri, set) in &table.routes {
                    let path = set.attributes.iter().find(|attribute| attribute.code == 2);
                    let path = as_path_text(&path.unwrap().value, *four);
                    seen.insert((*address, nlri.prefix.to_string()), path);
                }
            }
            assert_eq!(seen.len(), theirs.len(), "{name}");
            for (key, path) in &theirs {
                let ours = &seen[key];
                // bgpdump puts AS4_PATH in the place of AS_TRANS, and sets in its own brackets.
                let comparable =
                    !ours.contains("23456") && !ours.contains('{') && !ours.contains('(');
                assert!(!comparable || ours == path, "{name} {key:?}: {ours} is {path}");
            }
        }
    }

    /// The last state of each route in the output of `bgpdump -m`.
    fn dumped(text: &str) -> BTreeMap<(IpAddr, String), String> {
        let mut routes = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('|').collect();
            let key = |fields: &[&str]| {
                let prefix: ipnet::IpNet = fields[5].parse().unwrap();
                (fields[3].parse::<IpAddr>().unwrap(), prefix.trunc().to_string())
            };
            match fields.get(2) {
                Some(&"A") => {
                    routes.insert(key(&fields), fields[6].to_owned());
                }
                Some(&"W") => {
                    routes.remove(&key(&fields));
                }
                _ => {}
            }
        }
        routes
    }
}
