//! The load generator's own reading and writing of BGP: small, fast, and independent of the code
//! under test.

use std::net::IpAddr;

use crate::recording::Recording;
use crate::universe::{Cell, LoadFamily, ROUTE_SERVER_AS, Universe};

/// Octets of a BGP header (RFC 4271 §4.1).
pub(crate) const HEADER: usize = 19;
/// Prefixes of one UPDATE at most, so that it stays below 4,096 octets with any usual attributes.
const PREFIXES: usize = 300;

/// How long the route server is to keep the routes of a member with graceful restart.
const RESTART_SECS: u8 = 120;

fn frame(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.extend([0xff; 16]);
    out.extend(((HEADER + body.len()) as u16).to_be_bytes());
    out.push(kind);
    out.extend(body);
}

/// The OPEN of `member` (RFC 4271 §4.2; RFC 5492; RFC 6793; RFC 4760; RFC 8950).
pub(crate) fn open(u: &Universe, member: u32) -> Vec<u8> {
    let asn = u.asn(member);
    let mut caps: Vec<u8> = vec![2, 0, 65, 4];
    caps.extend(asn.to_be_bytes());
    let afi: u8 = if u.v6_nlri() { 2 } else { 1 };
    caps.extend([1, 4, 0, afi, 0, 1]);
    if u.spec.family == LoadFamily::V4OverV6 {
        caps.extend([5, 6, 0, 1, 0, 1, 0, 2]);
    }
    if u.is_graceful(member) {
        caps.extend([64, 6, 0, RESTART_SECS, 0, afi, 1, 0x80]);
    } else {
        // Graceful restart (RFC 4724) only so that End-of-RIB is agreed upon; no forwarding state.
        caps.extend([64, 2, 0, 0]);
    }
    let mut body = vec![4];
    body.extend((asn as u16).to_be_bytes());
    body.extend(u.spec.hold_time.to_be_bytes());
    body.extend(u.router_id(member).octets());
    body.extend([caps.len() as u8 + 2, 2, caps.len() as u8]);
    body.extend(caps);
    let mut out = Vec::new();
    frame(1, &body, &mut out);
    out
}

pub(crate) fn keepalive(out: &mut Vec<u8>) {
    frame(4, &[], out);
}

pub(crate) fn end_of_rib(u: &Universe, out: &mut Vec<u8>) {
    match u.spec.family {
        LoadFamily::V4 | LoadFamily::V4OverV6 => frame(2, &[0, 0, 0, 0], out),
        LoadFamily::V6 => frame(2, &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1], out),
    }
}

/// ROUTE-REFRESH of the load's family (RFC 2918).
pub(crate) fn refresh(u: &Universe, out: &mut Vec<u8>) {
    let [a, afi, safi] = mp_family(u);
    frame(5, &[a, afi, 0, safi], out);
}

/// One UPDATE that withdraws a prefix.
pub(crate) fn withdraw(u: &Universe, index: u32, out: &mut Vec<u8>) {
    let mut prefixes = Vec::new();
    nlri(u, index, &mut prefixes);
    let mut body = Vec::new();
    if u.spec.family == LoadFamily::V4 {
        body.extend((prefixes.len() as u16).to_be_bytes());
        body.extend(prefixes);
        body.extend([0, 0]);
    } else {
        let value = [&mp_family(u)[..], &prefixes].concat();
        let mut attributes = Vec::new();
        attribute(0x80, 15, &value, &mut attributes);
        body.extend([0, 0]);
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
    }
    frame(2, &body, out);
}

/// Cease, administrative shutdown.
pub(crate) fn cease(out: &mut Vec<u8>) {
    frame(3, &[6, 2], out);
}

fn attribute(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    if value.len() > 255 {
        out.extend([flags | 0x10, code]);
        out.extend((value.len() as u16).to_be_bytes());
    } else {
        out.extend([flags, code, value.len() as u8]);
    }
    out.extend(value);
}

fn nlri(u: &Universe, index: u32, out: &mut Vec<u8>) {
    if let Some(recording) = u.recording() {
        out.extend(recording.octets(index));
    } else if u.v6_nlri() {
        out.extend([48, 0x24, 0x00]);
        out.extend(index.to_be_bytes());
    } else {
        let [a, b, c, _] = (0x1000_0000 + (index << 8)).to_be_bytes();
        out.extend([24, a, b, c]);
    }
}

fn address_octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn mp_family(u: &Universe) -> [u8; 3] {
    if u.v6_nlri() { [0, 2, 1] } else { [0, 1, 1] }
}

/// One UPDATE that announces prefixes `indices` with the attributes of `set`; `extra` is one more
/// standard community, by which churn tells one announcement of a set from the next.
pub(crate) fn announce(
    u: &Universe,
    set: u32,
    indices: &[u32],
    extra: Option<(u16, u16)>,
    out: &mut Vec<u8>,
) {
    let mut attributes = Vec::new();
    attribute(0x40, 1, &[u.origin(set)], &mut attributes);
    let path = u.as_path(set);
    let mut value = vec![2, path.len() as u8];
    value.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
    attribute(0x40, 2, &value, &mut attributes);
    let next_hop = address_octets(u.address(u.owner(set)));
    if u.spec.family == LoadFamily::V4 {
        attribute(0x40, 3, &next_hop, &mut attributes);
    }
    let mut communities = u.communities(set);
    communities.extend(extra);
    let value: Vec<u8> =
        communities.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()].concat()).collect();
    attribute(0xc0, 8, &value, &mut attributes);
    let mut prefixes = Vec::new();
    indices.iter().for_each(|i| nlri(u, *i, &mut prefixes));
    if u.spec.family != LoadFamily::V4 {
        let mut value = mp_family(u).to_vec();
        value.push(next_hop.len() as u8);
        value.extend(next_hop);
        value.push(0);
        value.append(&mut prefixes);
        attribute(0x80, 14, &value, &mut attributes);
    }
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(prefixes);
    frame(2, &body, out);
}

/// All that `member` announces, with or without End-of-RIB at the end.
pub(crate) fn table(u: &Universe, member: u32, with_end_of_rib: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut indices = Vec::new();
    let prefixes = u.prefixes_of(member);
    for k in 0..prefixes {
        let set = u.set_of(member, k);
        if u.announces(member, k) {
            indices.push(u.prefix_index(member, k));
        }
        let ends = k + 1 == prefixes || u.set_of(member, k + 1) != set;
        if !indices.is_empty() && (ends || indices.len() == PREFIXES) {
            announce(u, set, &indices, None, &mut out);
            indices.clear();
        }
    }
    if with_end_of_rib {
        end_of_rib(u, &mut out);
    }
    out
}

/// What the reader of a stream is told.
pub(crate) enum Event {
    Open,
    Keepalive,
    Notification(u8, u8),
    EndOfRib,
    /// ROUTE-REFRESH (RFC 2918).
    Refresh,
    /// A prefix now has this cell's value and the churn community, if there was one.
    Reach(u32, Cell, Option<(u16, u16)>),
    Unreach(u32),
}

/// Something in a received message that the load's arithmetic says cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("a message that is not well formed: {0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Unexpected(String),
}

/// A set as received, and the community that numbers a change.
type Identified = (Cell, Option<(u16, u16)>);

/// Reads messages, remembering attribute octets that were checked before.
#[derive(Default)]
pub(crate) struct Reader {
    known: hashbrown::HashMap<Vec<u8>, Identified>,
    key: Vec<u8>,
    pub(crate) messages: u64,
    pub(crate) updates: u64,
    pub(crate) prefixes: u64,
    pub(crate) octets: u64,
}

impl Reader {
    /// Reads all whole messages of `octets`; returns how many octets they were.
    pub(crate) fn read(
        &mut self,
        u: &Universe,
        octets: &[u8],
        on: &mut impl FnMut(Event),
    ) -> Result<usize, ReadError> {
        let mut at = 0;
        while octets.len() - at >= HEADER {
            let length = usize::from(u16::from_be_bytes([octets[at + 16], octets[at + 17]]));
            if length < HEADER {
                return Err(ReadError::Malformed("length below 19"));
            }
            let Some(message) = octets.get(at..at + length) else { break };
            self.messages += 1;
            self.octets += length as u64;
            match message[18] {
                1 => on(Event::Open),
                2 => self.update(u, &message[HEADER..], on)?,
                3 => on(Event::Notification(message[HEADER], message[HEADER + 1])),
                4 => on(Event::Keepalive),
                5 => on(Event::Refresh),
                _ => {}
            }
            at += length;
        }
        Ok(at)
    }

    fn update(
        &mut self,
        u: &Universe,
        body: &[u8],
        on: &mut impl FnMut(Event),
    ) -> Result<(), ReadError> {
        const SHORT: ReadError = ReadError::Malformed("UPDATE overruns");
        let sized = |from: usize| -> Option<&[u8]> {
            let length = usize::from(u16::from_be_bytes([*body.get(from)?, *body.get(from + 1)?]));
            body.get(from + 2..from + 2 + length)
        };
        let withdrawn = sized(0).ok_or(SHORT)?;
        let attributes = sized(2 + withdrawn.len()).ok_or(SHORT)?;
        let classic = &body[4 + withdrawn.len() + attributes.len()..];
        if body.len() == 4 {
            on(Event::EndOfRib);
            return Ok(());
        }
        self.updates += 1;
        self.withdraw(u, withdrawn, on)?;
        let (mut mp, mut rest) = (&[][..], attributes);
        self.key.clear();
        while !rest.is_empty() {
            let (header, length) = match rest {
                [flags, _, a, b, ..] if flags & 0x10 != 0 => (4, u16::from_be_bytes([*a, *b])),
                [_, _, length, ..] => (3, u16::from(*length)),
                _ => return Err(SHORT),
            };
            let end = header + usize::from(length);
            let value = rest.get(header..end).ok_or(SHORT)?;
            match rest[1] {
                14 => {
                    let next_hop = usize::from(*value.get(3).ok_or(SHORT)?);
                    // Without the attribute's length, which depends on the number of prefixes.
                    self.key.extend([14, next_hop as u8]);
                    self.key.extend(value.get(..4 + next_hop).ok_or(SHORT)?);
                    mp = value.get(5 + next_hop..).ok_or(SHORT)?;
                }
                15 if value.len() <= 3 && attributes.len() == end => on(Event::EndOfRib),
                15 => self.withdraw(u, &value[3..], on)?,
                _ => self.key.extend(&rest[..end]),
            }
            rest = &rest[end..];
        }
        if classic.is_empty() && mp.is_empty() {
            return Ok(());
        }
        let (cell, extra) = match self.known.get(&self.key) {
            Some(found) => *found,
            None => {
                let found = identify(u, &self.key)?;
                self.known.insert(self.key.clone(), found);
                found
            }
        };
        for list in [classic, mp] {
            self.each(u, list, &mut |index| on(Event::Reach(index, cell, extra)))?;
        }
        Ok(())
    }

    fn withdraw(
        &mut self,
        u: &Universe,
        list: &[u8],
        on: &mut impl FnMut(Event),
    ) -> Result<(), ReadError> {
        self.each(u, list, &mut |index| on(Event::Unreach(index)))
    }

    fn each(
        &mut self,
        u: &Universe,
        list: &[u8],
        on: &mut impl FnMut(u32),
    ) -> Result<(), ReadError> {
        if let Some(recording) = u.recording() {
            return self.each_recorded(recording, list, on);
        }
        let size = if u.v6_nlri() { 7 } else { 4 };
        let wrong =
            || ReadError::Unexpected(format!("prefixes that nobody announced: {list:02x?}"));
        if !list.len().is_multiple_of(size) {
            return Err(wrong());
        }
        for entry in list.chunks_exact(size) {
            let index = match entry {
                [48, 0x24, 0x00, a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
                [24, a, b, c] => {
                    (u32::from_be_bytes([*a, *b, *c, 0]).wrapping_sub(0x1000_0000)) >> 8
                }
                _ => return Err(wrong()),
            };
            if index >= u.width() {
                return Err(wrong());
            }
            self.prefixes += 1;
            on(index);
        }
        Ok(())
    }
}

impl Reader {
    fn each_recorded(
        &mut self,
        recording: &Recording,
        mut list: &[u8],
        on: &mut impl FnMut(u32),
    ) -> Result<(), ReadError> {
        while let Some(bits) = list.first() {
            let length = 1 + usize::from(bits.div_ceil(8));
            let (entry, rest) =
                list.split_at_checked(length).ok_or(ReadError::Malformed("NLRI overruns"))?;
            let index = recording.index(entry).ok_or_else(|| {
                ReadError::Unexpected(format!("a prefix that nobody announced: {entry:02x?}"))
            })?;
            self.prefixes += 1;
            on(index);
            list = rest;
        }
        Ok(())
    }
}

/// Which set these attributes are, after checking that they came through as RFC 7947 demands.
fn identify(u: &Universe, key: &[u8]) -> Result<Identified, ReadError> {
    let (mut path, mut communities, mut next_hop) = (Vec::new(), Vec::new(), Vec::new());
    let mut origin = None;
    let mut rest = key;
    while !rest.is_empty() {
        if rest[0] == 14 {
            let length = usize::from(rest[1]);
            next_hop = rest[6..6 + length].to_vec();
            rest = &rest[6 + length..];
            continue;
        }
        let extended = rest[0] & 0x10 != 0;
        let (header, length) = if extended {
            (4, usize::from(u16::from_be_bytes([rest[2], rest[3]])))
        } else {
            (3, usize::from(rest[2]))
        };
        let value = &rest[header..header + length];
        match rest[1] {
            2 => {
                path = value[2..]
                    .chunks(4)
                    .map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]))
                    .collect()
            }
            1 => origin = value.first().copied(),
            3 => next_hop = value.to_vec(),
            8 => {
                communities = value
                    .chunks(4)
                    .map(|c| (u16::from_be_bytes([c[0], c[1]]), u16::from_be_bytes([c[2], c[3]])))
                    .collect();
            }
            _ => {}
        }
        rest = &rest[header + length..];
    }
    // Some daemons sort them, so that their order says nothing.
    communities.sort_unstable();
    let unexpected = |what: &str| {
        ReadError::Unexpected(format!(
            "{what}: path {path:?} communities {communities:?} next hop {next_hop:?}"
        ))
    };
    let Some(set) = u.marked(&communities) else {
        return Err(unexpected("the set's own community is missing"));
    };
    let owner = u.owner(set);
    if origin != Some(u.origin(set)) {
        return Err(unexpected("ORIGIN changed"));
    }
    let announced = u.as_path(set);
    let prepends = path.len().saturating_sub(announced.len());
    let prepended = path.iter().take(prepends).all(|asn| *asn == announced[0]);
    if prepends > 3 || !prepended || path[prepends.min(path.len())..] != announced {
        return Err(unexpected("AS_PATH changed"));
    }
    let sent = address_octets(u.address(owner));
    // With a link-local half or without: the global half must be the originator's.
    if next_hop.get(..sent.len()) != Some(&sent) {
        return Err(unexpected("NEXT_HOP changed"));
    }
    let extra = communities.iter().find(|c| c.0 == CHURN).copied();
    let mut passed = u.passed_communities(set);
    passed.extend(extra);
    passed.sort_unstable();
    if communities != passed {
        return Err(unexpected("communities are not those that pass"));
    }
    debug_assert!(path.first() != Some(&u32::from(ROUTE_SERVER_AS)));
    Ok((set * 4 + prepends as u32, extra))
}

/// First half of the community that numbers churn.
pub(crate) const CHURN: u16 = 48_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::universe::Spec;

    /// What `member` sends, read by `receiver` as if it had come through unchanged.
    fn read_back(u: &Universe, member: u32) -> Vec<(u32, u32)> {
        let mut cells = Vec::new();
        let octets = table(u, member, true);
        let mut ended = false;
        let used = Reader::default().read(u, &octets, &mut |event| match event {
            Event::Reach(index, cell, None) => cells.push((index, cell / 4)),
            Event::EndOfRib => ended = true,
            _ => panic!("nothing else was sent"),
        });
        assert_eq!(used.unwrap(), octets.len());
        assert!(ended);
        cells
    }

    fn announced(u: &Universe, member: u32) -> Vec<(u32, u32)> {
        let each = 0..u.prefixes_of(member);
        each.map(|k| (u.prefix_index(member, k), u.set_of(member, k))).collect()
    }

    fn spec(family: LoadFamily, control_every: u32, prefixes: u32, per_set: u32) -> Spec {
        Spec {
            members: 5,
            prefixes,
            per_set,
            control_every,
            overlap: 2,
            family,
            announcers: None,
            first_member_prefixes: None,
            hold_time: 90,
            send_hold: None,
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_sent() {
        for family in [LoadFamily::V4, LoadFamily::V6, LoadFamily::V4OverV6] {
            let u = Universe::new(spec(family, 0, 40, 10));
            for member in 0..5 {
                assert_eq!(read_back(&u, member), announced(&u, member), "{family:?}");
            }
        }
    }

    #[test]
    fn more_sets_than_a_community_can_number_are_told_apart() {
        let u = Universe::new(spec(LoadFamily::V4, 0, 70_000, 1));
        assert_eq!(read_back(&u, 3), announced(&u, 3));
    }

    #[test]
    fn a_control_community_that_comes_through_is_an_error() {
        let u = Universe::new(spec(LoadFamily::V4, 1, 40, 10));
        let octets = table(&u, 1, false);
        let error = Reader::default().read(&u, &octets, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("communities are not those that pass"), "{error}");
    }

    #[test]
    fn recorded_tables_are_read_as_they_were_sent() {
        let recording = Recording::sample(4, false);
        let members = spec(LoadFamily::V4, 0, 1, 1);
        let u = Universe::with(Spec { members: 4, ..members }, Some(recording.into()));
        for member in 0..4 {
            assert_eq!(read_back(&u, member), announced(&u, member));
            assert!(u.prefixes_of(member) > 0);
        }
    }
}
