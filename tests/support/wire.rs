//! A second, plain reading and writing of BGP messages, kept apart from `bgp-wire` on purpose.
//!
//! It assumes well-formed input from the daemon under test and panics otherwise, which is then the
//! finding.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::route::{Route, Unknown, extended_name, hex, unhex};

/// Message types of RFC 4271 §4.1 and RFC 2918.
pub mod kind {
    /// OPEN.
    pub const OPEN: u8 = 1;
    /// UPDATE.
    pub const UPDATE: u8 = 2;
    /// NOTIFICATION.
    pub const NOTIFICATION: u8 = 3;
    /// KEEPALIVE.
    pub const KEEPALIVE: u8 = 4;
    /// ROUTE-REFRESH.
    pub const ROUTE_REFRESH: u8 = 5;
}

const EXTENDED_LENGTH: u8 = 0x10;
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;

/// One path attribute as it lay on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attribute {
    /// Flags without the extended length bit, which only says how the length was written.
    pub flags: u8,
    /// Type code.
    pub code: u8,
    /// Value.
    pub value: Vec<u8>,
}

/// A prefix, with a path identifier where the session carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nlri {
    /// The prefix.
    pub prefix: IpNet,
    /// RFC 7911.
    pub path_id: Option<u32>,
}

/// An UPDATE taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Withdrawn, both families.
    pub unreach: Vec<Nlri>,
    /// Announced, both families.
    pub reach: Vec<Nlri>,
    /// Next hop octets of the announced: 4, 16 or 32.
    pub next_hop: Vec<u8>,
    /// All attributes but NEXT_HOP, MP_REACH_NLRI and MP_UNREACH_NLRI, in order.
    pub attributes: Vec<Attribute>,
    /// Set when this is an End-of-RIB marker: IPv6 or not.
    pub end_of_rib: Option<bool>,
}

/// Frames a body: marker, length, type (RFC 4271 §4.1).
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).expect("a message fits its length field");
    let mut out = vec![0xff; 16];
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(body);
    out
}

/// Takes an UPDATE body apart; `add_path` for IPv4 and IPv6.
pub fn read_update(body: &[u8], add_path: [bool; 2]) -> Update {
    let mut update = Update::default();
    let (withdrawn, rest) = counted(body);
    let (attributes, nlri) = counted(rest);
    if withdrawn.is_empty() && attributes.is_empty() && nlri.is_empty() {
        update.end_of_rib = Some(false);
        return update;
    }
    update.unreach = read_nlri(withdrawn, false, add_path[0]);
    update.reach = read_nlri(nlri, false, add_path[0]);
    for attribute in read_attributes(attributes) {
        match attribute.code {
            3 => update.next_hop = attribute.value,
            MP_REACH => {
                let v6 = attribute.value[1] == 2;
                let end = 4 + usize::from(attribute.value[3]);
                update.next_hop = attribute.value[4..end].to_vec();
                let nlri = &attribute.value[end + 1..];
                update.reach.extend(read_nlri(nlri, v6, add_path[usize::from(v6)]));
            }
            MP_UNREACH => {
                let v6 = attribute.value[1] == 2;
                let nlri = read_nlri(&attribute.value[3..], v6, add_path[usize::from(v6)]);
                if nlri.is_empty() {
                    update.end_of_rib = Some(v6);
                }
                update.unreach.extend(nlri);
            }
            _ => update.attributes.push(attribute),
        }
    }
    update
}

fn counted(octets: &[u8]) -> (&[u8], &[u8]) {
    let length = usize::from(u16::from_be_bytes([octets[0], octets[1]]));
    octets[2..].split_at(length)
}

/// Reads a list of path attributes.
pub fn read_attributes(mut octets: &[u8]) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    while let [flags, code, rest @ ..] = octets {
        let (length, rest) = if flags & EXTENDED_LENGTH == 0 {
            (usize::from(rest[0]), &rest[1..])
        } else {
            (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..])
        };
        let (value, rest) = rest.split_at(length);
        let flags = flags & !EXTENDED_LENGTH;
        attributes.push(Attribute { flags, code: *code, value: value.to_vec() });
        octets = rest;
    }
    attributes
}

/// Reads a list of prefixes of one family.
pub fn read_nlri(mut octets: &[u8], v6: bool, add_path: bool) -> Vec<Nlri> {
    let mut list = Vec::new();
    while !octets.is_empty() {
        let path_id = add_path.then(|| {
            let (id, rest) = octets.split_at(4);
            octets = rest;
            u32::from_be_bytes([id[0], id[1], id[2], id[3]])
        });
        let length = octets[0];
        let width = usize::from(length.div_ceil(8));
        let (address, rest) = octets[1..].split_at(width);
        let mut full = [0; 16];
        full[..width].copy_from_slice(address);
        octets = rest;
        list.push(Nlri { prefix: prefix(full, length, v6), path_id });
    }
    list
}

fn prefix(full: [u8; 16], length: u8, v6: bool) -> IpNet {
    if v6 {
        IpNet::V6(Ipv6Net::new(Ipv6Addr::from(full), length).expect("a length up to 128").trunc())
    } else {
        let address = Ipv4Addr::new(full[0], full[1], full[2], full[3]);
        IpNet::V4(Ipv4Net::new(address, length).expect("a length up to 32").trunc())
    }
}

/// Writes one attribute.
pub fn write_attribute(out: &mut Vec<u8>, attribute: &Attribute) {
    match u8::try_from(attribute.value.len()) {
        Ok(length) => out.extend_from_slice(&[attribute.flags, attribute.code, length]),
        Err(_) => {
            out.extend_from_slice(&[attribute.flags | EXTENDED_LENGTH, attribute.code]);
            let length = u16::try_from(attribute.value.len()).expect("an attribute fits");
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&attribute.value);
}

/// Writes prefixes, with their path identifiers where they have one.
pub fn write_nlri(out: &mut Vec<u8>, list: &[Nlri]) {
    for nlri in list {
        if let Some(id) = nlri.path_id {
            out.extend_from_slice(&id.to_be_bytes());
        }
        let length = nlri.prefix.prefix_len();
        out.push(length);
        let width = usize::from(length.div_ceil(8));
        match nlri.prefix.addr() {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()[..width]),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()[..width]),
        }
    }
}

/// An UPDATE that announces `list` (one family). IPv4 with a four-octet next hop goes the classic
/// way, everything else in MP_REACH_NLRI.
pub fn announcement(attributes: &[Attribute], next_hop: &[u8], list: &[Nlri]) -> Vec<u8> {
    let v6 = list.first().is_some_and(|nlri| nlri.prefix.addr().is_ipv6());
    let mut all = attributes.to_vec();
    let mut nlri = Vec::new();
    write_nlri(&mut nlri, list);
    if !v6 && next_hop.len() == 4 {
        all.push(Attribute { flags: 0x40, code: 3, value: next_hop.to_vec() });
    } else {
        let mut value = vec![0, if v6 { 2 } else { 1 }, 1];
        value.push(u8::try_from(next_hop.len()).expect("a next hop is short"));
        value.extend_from_slice(next_hop);
        value.push(0);
        value.append(&mut nlri);
        all.push(Attribute { flags: 0x80, code: MP_REACH, value });
    }
    all.sort_by_key(|attribute| attribute.code);
    update(&[], &all, &nlri)
}

/// An UPDATE that withdraws `list` (one family).
pub fn withdrawal(list: &[Nlri]) -> Vec<u8> {
    let v6 = list.first().is_some_and(|nlri| nlri.prefix.addr().is_ipv6());
    let mut nlri = Vec::new();
    write_nlri(&mut nlri, list);
    if v6 {
        let value = [&[0, 2, 1][..], &nlri].concat();
        update(&[], &[Attribute { flags: 0x80, code: MP_UNREACH, value }], &[])
    } else {
        update(&nlri, &[], &[])
    }
}

/// The End-of-RIB marker of a family (RFC 4724 §2).
pub fn end_of_rib(v6: bool) -> Vec<u8> {
    if v6 {
        let value = vec![0, 2, 1];
        update(&[], &[Attribute { flags: 0x80, code: MP_UNREACH, value }], &[])
    } else {
        update(&[], &[], &[])
    }
}

fn update(withdrawn: &[u8], attributes: &[Attribute], nlri: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    attributes.iter().for_each(|attribute| write_attribute(&mut encoded, attribute));
    let mut body = Vec::new();
    for part in [withdrawn, &encoded] {
        let length = u16::try_from(part.len()).expect("a part fits its length field");
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(part);
    }
    body.extend_from_slice(nlri);
    message(kind::UPDATE, &body)
}

/// The attributes of a route in normal form, without its next hop, and the next hop's octets.
pub fn attributes_of(route: &Route, four_octet_as: bool) -> (Vec<Attribute>, Vec<u8>) {
    let origin = match route.origin.as_str() {
        "igp" => 0,
        "egp" => 1,
        _ => 2,
    };
    let mut attributes = vec![
        Attribute { flags: 0x40, code: 1, value: vec![origin] },
        Attribute { flags: 0x40, code: 2, value: as_path_octets(&route.as_path, four_octet_as) },
    ];
    let mut push = |flags, code, value: Vec<u8>| {
        if !value.is_empty() {
            attributes.push(Attribute { flags, code, value });
        }
    };
    push(0x80, 4, route.med.map_or_else(Vec::new, |med| med.to_be_bytes().to_vec()));
    push(0xc0, 8, route.communities.iter().flat_map(|text| numbers(text, &[2, 2])).collect());
    push(0xc0, 16, route.extended.iter().flat_map(|text| extended_octets(text)).collect());
    push(0xc0, 32, route.large.iter().flat_map(|text| numbers(text, &[4, 4, 4])).collect());
    for (code, unknown) in &route.unknown {
        let flags = unknown.flags.unwrap_or(0xc0);
        attributes.push(Attribute { flags, code: *code, value: unhex(&unknown.value) });
    }
    attributes.sort_by_key(|attribute| attribute.code);
    (attributes, next_hop_octets(route))
}

/// 4, 16 or 32 octets; only a link-local address gives `::` and the address (32 octets).
fn next_hop_octets(route: &Route) -> Vec<u8> {
    let mut octets = match route.next_hop {
        Some(IpAddr::V4(address)) => return address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
        None => vec![0; 16],
    };
    if let Some(address) = route.link_local {
        octets.extend_from_slice(&address.octets());
    }
    octets
}

/// Big-endian numbers of the given widths out of `a:b:c`.
fn numbers(text: &str, widths: &[usize]) -> Vec<u8> {
    let parts: Vec<&str> = text.split(':').collect();
    assert_eq!(parts.len(), widths.len(), "{text} has as many parts as {widths:?}");
    let octets = parts.iter().zip(widths).flat_map(|(part, width)| {
        let number: u64 = part.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        number.to_be_bytes()[8 - width..].to_vec()
    });
    octets.collect()
}

fn extended_octets(text: &str) -> Vec<u8> {
    let Some((name, rest)) = text.split_once(':') else { return unhex(text) };
    let subtype = if name == "rt" { 2 } else { 3 };
    let asn: u64 = rest.split(':').next().and_then(|asn| asn.parse().ok()).expect("an AS number");
    if asn > 0xffff {
        [vec![0x02, subtype], numbers(rest, &[4, 2])].concat()
    } else {
        [vec![0x00, subtype], numbers(rest, &[2, 4])].concat()
    }
}

/// AS_PATH octets of `1 2 {3 4} 5`.
pub fn as_path_octets(text: &str, four_octet_as: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut segment = |kind: u8, members: &str| {
        let asns: Vec<u32> =
            members.split_whitespace().map(|asn| asn.parse().expect("an AS number")).collect();
        for chunk in asns.chunks(255) {
            octets.extend_from_slice(&[kind, u8::try_from(chunk.len()).expect("at most 255")]);
            for asn in chunk {
                if four_octet_as {
                    octets.extend_from_slice(&asn.to_be_bytes());
                } else {
                    // RFC 6793 §4.2.2: AS_TRANS stands for what does not fit.
                    let asn = u16::try_from(*asn).unwrap_or(23456);
                    octets.extend_from_slice(&asn.to_be_bytes());
                }
            }
        }
    };
    for (index, part) in text.split(['{', '}']).enumerate() {
        segment(if index % 2 == 1 { 1 } else { 2 }, part);
    }
    octets
}

/// AS_PATH as text. Confederation segments are in round brackets.
pub fn as_path_text(octets: &[u8], four_octet_as: bool) -> String {
    let width = if four_octet_as { 4 } else { 2 };
    let mut parts = Vec::new();
    let mut rest = octets;
    while let [kind, count, tail @ ..] = rest {
        let (members, tail) = tail.split_at(usize::from(*count) * width);
        let asns: Vec<String> = members
            .chunks(width)
            .map(|asn| asn.iter().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet)))
            .map(|asn| asn.to_string())
            .collect();
        parts.push(match kind {
            1 => format!("{{{}}}", asns.join(" ")),
            2 => asns.join(" "),
            _ => format!("({})", asns.join(" ")),
        });
        rest = tail;
    }
    parts.join(" ")
}

/// A route in normal form out of what came in.
pub fn route_of(
    nlri: Nlri,
    attributes: &[Attribute],
    next_hop: &[u8],
    four_octet_as: bool,
) -> Route {
    let mut route = Route::new(&nlri.prefix.to_string(), "", IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    route.path_id = nlri.path_id;
    for half in next_hop.chunks(16) {
        route.set_next_hop(address(half));
    }
    for Attribute { flags, code, value } in attributes {
        match code {
            1 => {
                route.origin = match value.as_slice() {
                    [0] => "igp".to_owned(),
                    [1] => "egp".to_owned(),
                    _ => "incomplete".to_owned(),
                }
            }
            2 => route.as_path = as_path_text(value, four_octet_as),
            4 => {
                let octets = value.as_slice().try_into().expect("MED has four octets");
                route.med = Some(u32::from_be_bytes(octets));
            }
            8 => route.communities = joined(value, &[2, 2]),
            16 => {
                route.extended = value
                    .chunks(8)
                    .map(|octets| extended_name(octets.try_into().expect("eight octets")))
                    .collect();
            }
            32 => route.large = joined(value, &[4, 4, 4]),
            _ => {
                let unknown = Unknown { flags: Some(*flags), value: hex(value) };
                route.unknown.insert(*code, unknown);
            }
        }
    }
    route
}

fn address(octets: &[u8]) -> IpAddr {
    match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(v4), _) => IpAddr::from(v4),
        (_, Ok(v6)) => IpAddr::from(v6),
        _ => panic!("a next hop of {} octets", octets.len()),
    }
}

fn joined(value: &[u8], widths: &[usize]) -> BTreeSet<String> {
    value
        .chunks(widths.iter().sum())
        .map(|mut octets| {
            let mut parts = Vec::new();
            for width in widths {
                let (number, rest) = octets.split_at(*width);
                let number = number.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
                parts.push(number.to_string());
                octets = rest;
            }
            parts.join(":")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_reads_as_it_was_written() {
        let mut route = Route::new(
            "2001:db8:7::/48",
            "65010 4200000001 {1 2} 3",
            "2001:db8:1::7".parse().unwrap(),
        )
        .link_local("fe80::7".parse().unwrap())
        .med(5)
        .community("65010:1")
        .community("65535:666")
        .extended("rt:65010:70000")
        .extended("ro:4200000001:2")
        .extended("4300000000000001")
        .large("4200000001:2:3")
        .unknown(0xc0, 200, "deadbeef");
        let (attributes, next_hop) = attributes_of(&route, true);
        for path_id in [None, Some(9)] {
            route.path_id = path_id;
            let nlri = Nlri { prefix: route.prefix, path_id };
            let octets = announcement(&attributes, &next_hop, &[nlri]);
            let update = read_update(&octets[19..], [path_id.is_some(); 2]);
            assert_eq!(update.reach, [nlri]);
            assert_eq!(route_of(nlri, &update.attributes, &update.next_hop, true), route);
            let octets = withdrawal(&[nlri]);
            assert_eq!(read_update(&octets[19..], [path_id.is_some(); 2]).unreach, [nlri]);
        }
        for v6 in [false, true] {
            assert_eq!(read_update(&end_of_rib(v6)[19..], [false; 2]).end_of_rib, Some(v6));
        }
    }

    #[test]
    fn two_octet_paths_carry_as_trans() {
        let octets = as_path_octets("65010 4200000001", false);
        assert_eq!(as_path_text(&octets, false), "65010 23456");
    }
}
