//! The members' decoder. It shares no code with the route server's, accepts only what a route
//! server here may send, and takes everything else for a failure of the run.

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_wire::{
    AsPath, Asn, Community, Family, LargeCommunity, NextHop, Origin, PathAttributes, Prefix,
};

use crate::kind::Kind;

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED_LENGTH: u8 = 0x10;
/// RFC 6793 §3: stands for an AS number that does not fit.
const AS_TRANS: u32 = 23456;
const MARKER: [u8; 16] = [0xff; 16];

/// Type codes of messages.
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const ROUTE_REFRESH: u8 = 5;

/// Takes the first message out of what has come, as its type and body.
pub(crate) fn message(incoming: &mut Vec<u8>, kind: &Kind) -> Option<(u8, Vec<u8>)> {
    if incoming.len() < 19 {
        return None;
    }
    assert_eq!(incoming[..16], MARKER, "RFC 4271 §4.1: the marker");
    let octets = usize::from(u16::from_be_bytes([incoming[16], incoming[17]]));
    let code = incoming[18];
    // RFC 8654 §4: OPEN and KEEPALIVE are never longer.
    let extended = kind.extended_message && ![OPEN, KEEPALIVE].contains(&code);
    let max = if extended { 65535 } else { 4096 };
    assert!((19..=max).contains(&octets), "a message of type {code} with {octets} octets");
    if incoming.len() < octets {
        return None;
    }
    let mut whole: Vec<u8> = incoming.drain(..octets).collect();
    Some((code, whole.split_off(19)))
}

/// What a ROUTE-REFRESH says: family and subtype (RFC 7313 §3.2).
pub(crate) fn route_refresh(body: &[u8]) -> (Family, u8) {
    let mut octets = Octets(body);
    let afi = octets.u16();
    let subtype = octets.u8();
    assert_eq!(octets.u8(), 1, "unicast");
    assert!(octets.is_empty());
    (family(afi), subtype)
}

/// What an UPDATE says.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) unreach: Vec<(Prefix, u32)>,
    pub(crate) reach: Vec<(Prefix, u32)>,
    pub(crate) attributes: Option<PathAttributes>,
    pub(crate) end_of_rib: Option<Family>,
}

/// Decodes the body of an UPDATE to a member of this kind.
pub(crate) fn update(body: &[u8], kind: &Kind) -> Update {
    let mut octets = Octets(body);
    let mut made = Update::default();
    let withdrawn = octets.counted_by_u16();
    let attributes = octets.counted_by_u16();
    let v4 = Family::V4;
    made.unreach = nlri(withdrawn, v4, kind);
    made.reach = nlri(octets.0, v4, kind);
    if withdrawn.is_empty() && attributes.is_empty() && made.reach.is_empty() {
        made.end_of_rib = Some(v4);
        return made;
    }
    let parts = Parts::read(attributes, kind, &mut made);
    if !made.reach.is_empty() {
        made.attributes = Some(parts.together(kind));
    } else {
        assert!(parts.origin.is_none(), "attributes of no route");
    }
    for (prefix, _) in made.reach.iter().chain(&made.unreach) {
        assert!(kind.families.contains(prefix.family()), "{prefix}: not negotiated");
    }
    made
}

/// Attributes as they come.
#[derive(Debug, Default)]
struct Parts {
    origin: Option<Origin>,
    as_path: Option<Vec<u32>>,
    as4_path: Option<Vec<u32>>,
    next_hop: Option<NextHop>,
    med: Option<u32>,
    atomic_aggregate: bool,
    communities: Vec<Community>,
    large_communities: Vec<LargeCommunity>,
}

impl Parts {
    fn read(attributes: &[u8], kind: &Kind, update: &mut Update) -> Self {
        let mut parts = Self::default();
        let mut octets = Octets(attributes);
        let mut before = 0;
        while !octets.is_empty() {
            let (flags, code) = (octets.u8(), octets.u8());
            let long = flags & EXTENDED_LENGTH != 0;
            let length = if long { octets.u16().into() } else { usize::from(octets.u8()) };
            let value = Octets(octets.take(length));
            // RFC 7606 §5.1: MP_REACH_NLRI and MP_UNREACH_NLRI first; ours are in order behind it.
            let place = if [14, 15].contains(&code) { 1 } else { u16::from(code) + 1 };
            assert!(place > before, "attribute {code} at {before}");
            before = place;
            parts.attribute(flags & !EXTENDED_LENGTH, code, value, kind, update);
        }
        parts
    }

    fn attribute(
        &mut self,
        flags: u8,
        code: u8,
        mut value: Octets<'_>,
        kind: &Kind,
        update: &mut Update,
    ) {
        let expected = match code {
            1 | 2 | 3 | 6 => TRANSITIVE,
            4 | 14 | 15 => OPTIONAL,
            _ => OPTIONAL | TRANSITIVE,
        };
        assert_eq!(flags, expected, "flags of attribute {code}");
        match code {
            1 => self.origin = Some(origin(value.u8())),
            2 => self.as_path = Some(as_path(&mut value, kind.four_octet_as)),
            3 => self.next_hop = Some(NextHop::V4(value.v4())),
            4 => self.med = Some(value.u32()),
            6 => self.atomic_aggregate = true,
            8 => {
                while !value.is_empty() {
                    self.communities.push(Community(value.u32()));
                }
            }
            14 => self.mp_reach(&mut value, kind, update),
            15 => mp_unreach(&mut value, kind, update),
            17 => {
                assert!(!kind.four_octet_as, "AS4_PATH to a member with 4-octet AS numbers");
                self.as4_path = Some(as_path(&mut value, true));
            }
            32 => {
                while !value.is_empty() {
                    let (global, local1, local2) = (value.u32(), value.u32(), value.u32());
                    self.large_communities.push(LargeCommunity { global, local1, local2 });
                }
            }
            _ => panic!("nobody sent an attribute {code}"),
        }
        assert!(value.is_empty(), "attribute {code} is too long");
    }

    /// RFC 4760 §3, with the next hops of RFC 8950.
    fn mp_reach(&mut self, value: &mut Octets<'_>, kind: &Kind, update: &mut Update) {
        let family = value.family();
        assert!(family == Family::V6 || kind.extended_next_hop, "an IPv6 next hop for IPv4");
        assert_eq!(value.u8(), 16, "a global next hop");
        self.next_hop = Some(NextHop::V6 { global: Some(value.v6()), link_local: None });
        assert_eq!(value.u8(), 0, "reserved");
        assert!(update.reach.is_empty(), "routes of two families in one UPDATE");
        update.reach = nlri(value.rest(), family, kind);
        assert!(!update.reach.is_empty(), "MP_REACH_NLRI of nothing");
    }

    fn together(self, kind: &Kind) -> PathAttributes {
        let path = merged(self.as_path.unwrap(), self.as4_path, kind);
        let path: Vec<Asn> = path.into_iter().map(Asn).collect();
        let path = AsPath::from_sequence(&path);
        let mut made = PathAttributes::new(path, self.next_hop.unwrap());
        made.origin = self.origin.unwrap();
        made.med = self.med;
        made.atomic_aggregate = self.atomic_aggregate;
        made.communities = self.communities.into();
        made.large_communities = self.large_communities.into();
        made
    }
}

/// RFC 6793 §4.2.3.
fn merged(path: Vec<u32>, as4: Option<Vec<u32>>, kind: &Kind) -> Vec<u32> {
    if kind.four_octet_as {
        return path;
    }
    let needed = path.contains(&AS_TRANS);
    let Some(as4) = as4 else {
        assert!(!needed, "AS_TRANS without AS4_PATH");
        return path;
    };
    assert!(as4.len() <= path.len());
    let mut whole = path[..path.len() - as4.len()].to_vec();
    whole.extend(as4);
    whole
}

fn origin(code: u8) -> Origin {
    [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(code)]
}

fn as_path(value: &mut Octets<'_>, four_octets: bool) -> Vec<u32> {
    let mut path = Vec::new();
    while !value.is_empty() {
        assert_eq!(value.u8(), 2, "an AS_SEQUENCE");
        for _ in 0..value.u8() {
            path.push(if four_octets { value.u32() } else { value.u16().into() });
        }
    }
    path
}

/// RFC 4760 §4, and End-of-RIB (RFC 4724 §2).
fn mp_unreach(value: &mut Octets<'_>, kind: &Kind, update: &mut Update) {
    let family = value.family();
    let gone = nlri(value.rest(), family, kind);
    if gone.is_empty() {
        assert!(update.reach.is_empty() && update.unreach.is_empty());
        update.end_of_rib = Some(family);
    }
    update.unreach.extend(gone);
}

fn nlri(octets: &[u8], family: Family, kind: &Kind) -> Vec<(Prefix, u32)> {
    let mut octets = Octets(octets);
    let mut made = Vec::new();
    while !octets.is_empty() {
        let path_id = if kind.add_path { octets.u32() } else { 0 };
        assert_eq!(path_id == 0, !kind.add_path, "RFC 7911 §3: the path identifier");
        let length = octets.u8();
        let mut address = [0; 16];
        let part = octets.take(usize::from(length).div_ceil(8));
        address[..part.len()].copy_from_slice(part);
        let prefix = Prefix::from_bits(family, u128::from_be_bytes(address), length).unwrap();
        made.push((prefix, path_id));
    }
    made
}

fn family(afi: u16) -> Family {
    match afi {
        1 => Family::V4,
        2 => Family::V6,
        _ => panic!("AFI {afi}"),
    }
}

/// Octets that are read from the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    fn rest(&mut self) -> &'a [u8] {
        self.take(self.0.len())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn v4(&mut self) -> Ipv4Addr {
        self.array::<4>().into()
    }

    fn v6(&mut self) -> Ipv6Addr {
        self.array::<16>().into()
    }

    /// AFI and SAFI.
    fn family(&mut self) -> Family {
        let family = family(self.u16());
        assert_eq!(self.u8(), 1, "unicast");
        family
    }

    fn counted_by_u16(&mut self) -> &'a [u8] {
        let n = self.u16();
        self.take(n.into())
    }
}
