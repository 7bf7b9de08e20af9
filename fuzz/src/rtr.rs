//! Whatever a cache sends: the data in force are those of a complete End of Data and nothing else.
//! What follows RFC 8210 comes through as it was sent.
//!
//! The first octet: 1, the rest is a full set and a delta to encode; else the version to begin
//! with (its two lowest bits, less one at the top), and the rest is what the cache sends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use bgp_wire::{Asn, Prefix};
use policy::{AspaTable, Vrp, VrpTable};
use tokio::io::{join, sink};
use tokio::runtime::{Builder, Runtime};

use crate::Reader;

const END_OF_DATA: u8 = 7;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

pub fn property(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match first {
        1 => encoded(&mut Reader(rest)),
        _ => foreign((first & 3).min(2), rest),
    }
}

/// What each End of Data made of the octets.
fn completed(version: u8, octets: &[u8]) -> Vec<(VrpTable, AspaTable)> {
    let mut all = Vec::new();
    let stream = join(octets, sink());
    let mut complete = |vrps: &VrpTable, aspas: &AspaTable| all.push((vrps.clone(), aspas.clone()));
    RUNTIME.block_on(rtr_client::follow(stream, version, &mut complete));
    all
}

fn foreign(version: u8, octets: &[u8]) {
    let mut cache = Cache::default();
    let expected = cache.read(octets);
    let completed = completed(version, octets);
    assert!(completed.len() <= expected.len(), "more sets than End of Data");
    for (got, expected) in completed.into_iter().zip(expected) {
        let Some((vrps, aspas)) = expected else { panic!("a withdrawal of nothing: {got:?}") };
        assert_eq!(got, (VrpTable::from_vrps(vrps), aspa_table(&aspas)));
    }
}

fn aspa_table(aspas: &BTreeMap<Asn, Vec<Asn>>) -> AspaTable {
    AspaTable::from_aspas(aspas.iter().map(|(asn, providers)| (*asn, providers.iter().copied())))
}

type Data = (BTreeSet<Vrp>, BTreeMap<Asn, Vec<Asn>>);

/// RFC 8210 read naively: each PDU does what it says, at once.
#[derive(Default)]
struct Cache {
    whole: Data,
    under_way: Option<Data>,
    begins_anew: bool,
}

impl Cache {
    /// The data at each End of Data; `None` where the PDUs before it contradict themselves.
    fn read(&mut self, mut octets: &[u8]) -> Vec<Option<Data>> {
        let mut all = Vec::new();
        self.begins_anew = true;
        while let Some(length) = octets.get(4..8).map(|l| u32::from_be_bytes(l.try_into().unwrap()))
        {
            let length = length as usize;
            let Some(pdu) = octets.get(..length).filter(|pdu| pdu.len() >= 8) else { break };
            octets = &octets[length..];
            match pdu[1] {
                3 if self.begins_anew => self.under_way = Some(Data::default()),
                3 => self.under_way = Some(self.whole.clone()),
                8 => self.begins_anew = true,
                4 | 6 | 11 => {
                    if let Some(data) = self.under_way.take() {
                        self.under_way = payload(pdu, data);
                    }
                }
                END_OF_DATA => {
                    if let Some(data) = &self.under_way {
                        self.whole = data.clone();
                        self.begins_anew = false;
                    }
                    all.push(self.under_way.take());
                }
                _ => {}
            }
        }
        all
    }
}

/// The data after a payload PDU, if it can be.
fn payload(pdu: &[u8], mut data: Data) -> Option<Data> {
    let mut body = Reader(&pdu[8..]);
    if pdu[1] == 11 {
        let customer = Asn(body.u32());
        let providers = std::iter::from_fn(|| (!body.0.is_empty()).then(|| Asn(body.u32())));
        match pdu[2] & 1 {
            1 => data.1.insert(customer, providers.collect()),
            _ => data.1.remove(&customer),
        };
        return Some(data);
    }
    let [flags, len, max_len, _] = body.array();
    let address = if pdu[1] == 4 {
        Ipv4Addr::from(body.array::<4>()).into()
    } else {
        Ipv6Addr::from(body.array::<16>()).into()
    };
    let vrp = Vrp { prefix: Prefix::new(address, len)?, max_len, asn: Asn(body.u32()) };
    if flags & 1 != 0 {
        data.0.insert(vrp);
    } else if !data.0.remove(&vrp) {
        return None;
    }
    Some(data)
}

/// A full set and a delta, as RFC 8210 §5 and §8.1 have them.
fn encoded(input: &mut Reader<'_>) {
    let (mut first, mut octets) = (BTreeSet::new(), pdu(3, 0, &[]));
    for _ in 0..input.u8() {
        let vrp = vrp(input);
        if first.insert(vrp) {
            octets.extend(prefix(&vrp, true));
        }
    }
    octets.extend(end_of_data(1));
    octets.extend(pdu(0, 0, &2u32.to_be_bytes()));
    octets.extend(pdu(3, 0, &[]));
    let mut second = first.clone();
    let mut changed = BTreeSet::new();
    while !input.0.is_empty() {
        let nth = usize::from(input.u8());
        let vrp = first.iter().nth(nth).copied().unwrap_or_else(|| vrp(input));
        // Each record once in a delta (RFC 8210 §5.6).
        if changed.insert(vrp) {
            let added = second.insert(vrp);
            if !added {
                second.remove(&vrp);
            }
            octets.extend(prefix(&vrp, added));
        }
    }
    octets.extend(end_of_data(2));
    let made: Vec<_> = completed(2, &octets).into_iter().map(|(vrps, _)| vrps).collect();
    assert_eq!(made, [VrpTable::from_vrps(first), VrpTable::from_vrps(second)]);
}

fn vrp(input: &mut Reader<'_>) -> Vrp {
    let bits = input.u8();
    let (prefix, max) = if bits & 0x80 == 0 {
        let address = Ipv4Addr::from(input.array::<4>());
        (Prefix::new(address.into(), bits % 33), 32)
    } else {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&input.array::<4>());
        (Prefix::new(Ipv6Addr::from(address).into(), bits & 0x7f), 128)
    };
    let prefix = prefix.unwrap();
    let max_len = prefix.len() + input.u8() % (max - prefix.len() + 1);
    Vrp { prefix, max_len, asn: Asn(input.u8().into()) }
}

fn pdu(kind: u8, session: u16, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![2, kind];
    octets.extend(session.to_be_bytes());
    octets.extend(u32::try_from(8 + body.len()).unwrap().to_be_bytes());
    octets.extend(body);
    octets
}

fn prefix(vrp: &Vrp, announced: bool) -> Vec<u8> {
    let mut body = vec![announced.into(), vrp.prefix.len(), vrp.max_len, 0];
    let kind = match vrp.prefix.address() {
        std::net::IpAddr::V4(address) => {
            body.extend(address.octets());
            4
        }
        std::net::IpAddr::V6(address) => {
            body.extend(address.octets());
            6
        }
    };
    body.extend(vrp.asn.0.to_be_bytes());
    pdu(kind, 0, &body)
}

fn end_of_data(serial: u32) -> Vec<u8> {
    let body: Vec<u8> = [serial, 3600, 600, 7200].into_iter().flat_map(u32::to_be_bytes).collect();
    pdu(END_OF_DATA, 0, &body)
}
