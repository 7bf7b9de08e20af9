//! Valid messages, and what becomes of them.

use rs_tests::support::loopback::{asn, route};
use rs_tests::support::route::Route;
use rs_tests::support::wire::{self, Attribute, Nlri, kind, message};

use crate::malformed;

/// Where marker, length and type end.
const HEADER: usize = 19;
/// Octets 24 to 27 of an OPEN: the BGP Identifier.
const IDENTIFIER: std::ops::Range<usize> = 24..28;
/// The longest message without and with RFC 8654.
const LONGEST: [usize; 2] = [4_096, 65_535];

/// xorshift64*: what a seed names is the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Zero would stay zero; neighbouring seeds begin alike without the factor.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        number as usize % limit.max(1)
    }

    pub(super) fn octet(&mut self) -> u8 {
        (self.below(256) & 0xff) as u8
    }

    pub(super) fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }

    pub(super) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Messages of member `n` that are right, and those of the table of malformed ones: both are worth
/// being changed. The prefixes are its own, and `others`', which it claims.
pub(super) fn seeds(n: u8, others: &[String]) -> Vec<Vec<u8>> {
    let longer = "396999 396998";
    let own = (0..=255).map(|k| route(n, &format!("47.{n}.{k}.0/24"), longer));
    let claimed = others.iter().map(|prefix| route(n, prefix, longer));
    let six = (0..16).map(|k| route(n, &format!("2a0e:{k:x}::/32"), longer));
    let routes: Vec<Route> = own.chain(claimed).chain(six).collect();
    let mut all: Vec<Vec<u8>> = routes.iter().step_by(16).map(|one| announce(one, &[])).collect();
    let rich = |one: &Route| {
        one.clone()
            .med(77)
            .community("65000:1")
            .community(&format!("0:{}", asn(2)))
            .extended("rt:65000:1")
            .large("396999:1:2")
            .unknown(0xc0, 99, "0102030405")
            // AGGREGATOR, AS4_PATH, AS4_AGGREGATOR, OTC.
            .unknown(0xc0, 7, "00060e870a090002")
            .unknown(0xc0, 17, "02020006000100060002")
            .unknown(0xc0, 18, "00060e870a090002")
            .unknown(0xc0, 35, "0000fdea")
    };
    all.extend(routes.iter().step_by(24).map(|one| announce(&rich(one), &[])));
    let rest: Vec<Nlri> = routes[..256].iter().map(nlri).collect();
    all.push(announce(&routes[0], &rest));
    all.push(wire::withdrawal(&rest));
    all.extend(routes.iter().step_by(32).map(|one| wire::withdrawal(&[nlri(one)])));
    all.extend([wire::end_of_rib(false), wire::end_of_rib(true)]);
    all.push(message(kind::KEEPALIVE, &[]));
    for subtype in 0..4 {
        all.push(message(kind::ROUTE_REFRESH, &[0, 1, subtype, 1]));
    }
    all.extend(LONGEST.map(|length| full(&routes[1], length)));
    all.extend(malformed::bodies(n).iter().map(|body| message(kind::UPDATE, body)));
    all
}

fn nlri(route: &Route) -> Nlri {
    Nlri { prefix: route.prefix, path_id: None }
}

fn announce(route: &Route, further: &[Nlri]) -> Vec<u8> {
    let (attributes, next_hop) = wire::attributes_of(route, true);
    wire::announcement(&attributes, &next_hop, &[&[nlri(route)], further].concat())
}

/// An UPDATE of exactly this length, by an attribute that nobody knows.
fn full(route: &Route, length: usize) -> Vec<u8> {
    let (mut attributes, next_hop) = wire::attributes_of(route, true);
    let without = wire::announcement(&attributes, &next_hop, &[nlri(route)]).len();
    // Its flags, type and two octets of length.
    attributes.push(Attribute { flags: 0xc0, code: 200, value: vec![7; length - without - 4] });
    wire::announcement(&attributes, &next_hop, &[nlri(route)])
}

/// One of the seeds with a fault or several.
pub(super) fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = random.one_of(seeds).clone();
    for _ in 0..1 + random.below(3) {
        fault(random, &mut octets, seeds);
    }
    // Most get a good header again, else nothing behind it would ever be looked at.
    if !random.one_in(6) {
        octets.resize(octets.len().clamp(HEADER, LONGEST[usize::from(random.one_in(8))]), 0);
        octets[..16].fill(0xff);
        let length = (octets.len() as u16).to_be_bytes();
        octets[16..18].copy_from_slice(&length);
        if !random.one_in(20) {
            octets[18] = kind::UPDATE;
        }
        if octets[18] == kind::UPDATE && !random.one_in(3) {
            whole_attributes(&mut octets);
        }
    }
    octets
}

/// An OPEN with a fault, its BGP Identifier excepted: that decides between equal paths.
pub(super) fn mutated_open(random: &mut Random, open: &[u8]) -> Vec<u8> {
    let mut octets = open.to_vec();
    fault(random, &mut octets, &[open.to_vec()]);
    if let (Some(to), Some(from)) = (octets.get_mut(IDENTIFIER), open.get(IDENTIFIER)) {
        to.copy_from_slice(from);
    }
    octets
}

/// Says that the attributes go to the end of the message.
fn whole_attributes(octets: &mut [u8]) {
    let body = octets.len() - HEADER;
    if let (Some(left), true) = (body.checked_sub(4), body <= 0xffff) {
        octets[HEADER..HEADER + 2].fill(0);
        octets[HEADER + 2..HEADER + 4].copy_from_slice(&(left as u16).to_be_bytes());
    }
}

fn fault(random: &mut Random, octets: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    if octets.is_empty() {
        octets.push(random.octet());
    }
    let at = random.below(octets.len());
    match random.below(8) {
        // Bit flips.
        0 | 1 => octets[at] ^= 1 << random.below(8),
        2 => octets[at] = random.octet(),
        // Lengths that lie: of the message, of the withdrawn routes, of anything.
        3 => {
            let place = [16, HEADER, HEADER + 2, at][random.below(4)].min(octets.len() - 1);
            let lie = [0, 1, 0x7f, 0x80, 0xff, random.octet()];
            octets[place] = lie[random.below(lie.len())];
        }
        // Truncation.
        4 => octets.truncate(at.max(1)),
        // Splice: this one's beginning, another's end.
        5 => {
            let other = random.one_of(seeds);
            let from = random.below(other.len());
            octets.truncate(at);
            octets.extend(&other[from..]);
        }
        // Something twice.
        6 => {
            let end = (at + 1 + random.below(40)).min(octets.len());
            let part = octets[at..end].to_vec();
            octets.splice(at..at, part);
        }
        // Something between.
        _ => {
            let new: Vec<u8> = (0..1 + random.below(8)).map(|_| random.octet()).collect();
            octets.splice(at..at, new);
        }
    }
    octets.truncate(LONGEST[1]);
}
