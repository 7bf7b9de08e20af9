//! Records of the Multi-Threaded Routing Toolkit's file format (RFC 6396, RFC 8050): tables and
//! what BGP speakers say. Writing only.
//!
//! ```text
//! | Timestamp (4) | Type (2) | Subtype (2) | Length (4) | [Microseconds (4)] | Message |
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::attributes::{encode_all, mp_reach};
use crate::iana::{attribute, flag};
use crate::message::put_u16_at;
use crate::{
    Asn, Family, LinkLocalForm, MessageType, NextHop, PathAttributes, Prefix, encode_message,
};

/// Timestamp, type, subtype and length.
const HEADER_OCTETS: usize = 12;

/// Types (RFC 6396 §4).
mod kind {
    pub(super) const TABLE_DUMP_V2: u16 = 13;
    pub(super) const BGP4MP_ET: u16 = 17;
}

/// Subtypes of TABLE_DUMP_V2 (RFC 6396 §4.3, RFC 8050 §4.1).
mod table {
    pub(super) const PEER_INDEX_TABLE: u16 = 1;
    pub(super) const RIB_IPV4_UNICAST: u16 = 2;
    pub(super) const RIB_IPV6_UNICAST: u16 = 4;
    pub(super) const RIB_IPV4_UNICAST_ADDPATH: u16 = 8;
    pub(super) const RIB_IPV6_UNICAST_ADDPATH: u16 = 10;
}

/// Subtypes of BGP4MP (RFC 6396 §4.4, RFC 8050 §4.2).
mod bgp4mp {
    pub(super) const MESSAGE: u16 = 1;
    pub(super) const MESSAGE_AS4: u16 = 4;
    pub(super) const STATE_CHANGE_AS4: u16 = 5;
    pub(super) const MESSAGE_ADDPATH: u16 = 8;
    pub(super) const MESSAGE_AS4_ADDPATH: u16 = 9;
}

/// Writes a header whose length [`finish`] fills in; gives the place where it starts. `time` is
/// since the Unix epoch.
fn begin(time: Duration, kind: u16, subtype: u16, out: &mut BytesMut) -> usize {
    let mark = out.len();
    // RFC 6396 §2: 32 bits of seconds, which last until 2106.
    out.put_u32(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
    out.put_u16(kind);
    out.put_u16(subtype);
    out.put_u32(0);
    mark
}

fn finish(mark: usize, out: &mut BytesMut) {
    let octets = out.len().saturating_sub(mark + HEADER_OCTETS);
    let octets = u32::try_from(octets).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(mark + 8..mark + HEADER_OCTETS) {
        place.copy_from_slice(&octets.to_be_bytes());
    }
}

/// A peer of a PEER_INDEX_TABLE (RFC 6396 §4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
}

/// PEER_INDEX_TABLE: the peers that entries name by their place (RFC 6396 §4.3.1). At most
/// 65,535 peers and 65,535 octets of name; what is above is left out.
pub fn peer_index_table(
    time: Duration,
    collector: Ipv4Addr,
    view: &str,
    peers: &[Peer],
    out: &mut BytesMut,
) {
    const IPV6: u8 = 1;
    const FOUR_OCTET_AS: u8 = 2;
    let mark = begin(time, kind::TABLE_DUMP_V2, table::PEER_INDEX_TABLE, out);
    out.put_u32(collector.to_bits());
    let most = usize::from(u16::MAX);
    let name = view.as_bytes();
    let name = name.get(..name.len().min(most)).unwrap_or_default();
    out.put_u16(u16::try_from(name.len()).unwrap_or(0));
    out.put_slice(name);
    let peers = peers.get(..peers.len().min(most)).unwrap_or_default();
    out.put_u16(u16::try_from(peers.len()).unwrap_or(0));
    for peer in peers {
        out.put_u8(FOUR_OCTET_AS | if peer.address.is_ipv6() { IPV6 } else { 0 });
        out.put_u32(peer.router_id.to_bits());
        put_address(peer.address, out);
        out.put_u32(peer.asn.0);
    }
    finish(mark, out);
}

fn put_address(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

/// A route of a RIB record (RFC 6396 §4.3.4).
#[derive(Debug, Clone, Copy)]
pub struct RibEntry<'a> {
    /// The peer's place in the PEER_INDEX_TABLE.
    pub peer: u16,
    /// When it came, since the Unix epoch.
    pub originated: Duration,
    /// Its path identifier; looked at with `add_path` only.
    pub path_id: u32,
    /// Its attributes.
    pub attributes: &'a PathAttributes,
}

/// RIB_IPV4_UNICAST, RIB_IPV6_UNICAST, or their ADD-PATH forms (RFC 6396 §4.3.2, RFC 8050 §4.1):
/// all routes for a prefix. Entries whose attributes no entry can hold are left out; gives the
/// number of the others.
pub fn rib(
    time: Duration,
    sequence: u32,
    prefix: &Prefix,
    add_path: bool,
    entries: &[RibEntry<'_>],
    out: &mut BytesMut,
) -> usize {
    let subtype = match (prefix.family(), add_path) {
        (Family::V4, false) => table::RIB_IPV4_UNICAST,
        (Family::V6, false) => table::RIB_IPV6_UNICAST,
        (Family::V4, true) => table::RIB_IPV4_UNICAST_ADDPATH,
        (Family::V6, true) => table::RIB_IPV6_UNICAST_ADDPATH,
    };
    let mark = begin(time, kind::TABLE_DUMP_V2, subtype, out);
    out.put_u32(sequence);
    out.put_u8(prefix.len());
    out.put_slice(prefix.wire_octets());
    let count_at = out.len();
    out.put_u16(0);
    let mut attributes = BytesMut::new();
    let mut count = 0;
    for entry in entries.iter().take(usize::from(u16::MAX)) {
        attributes.clear();
        put_attributes(entry.attributes, prefix.family(), &mut attributes);
        let Ok(octets) = u16::try_from(attributes.len()) else { continue };
        out.put_u16(entry.peer);
        out.put_u32(u32::try_from(entry.originated.as_secs()).unwrap_or(u32::MAX));
        if add_path {
            out.put_u32(entry.path_id);
        }
        out.put_u16(octets);
        out.put_slice(&attributes);
        count += 1;
    }
    put_u16_at(out, count_at, count);
    finish(mark, out);
    count
}

/// AS numbers have four octets; of MP_REACH_NLRI only the next hop and its length are there (RFC
/// 6396 §4.3.4).
fn put_attributes(attributes: &PathAttributes, family: Family, out: &mut BytesMut) {
    let classic = family == Family::V4 && matches!(attributes.next_hop, NextHop::V4(_));
    if !classic {
        let mut next_hop = BytesMut::with_capacity(34);
        let form = LinkLocalForm::Native;
        if mp_reach::put_next_hop(&attributes.next_hop, family, form, &mut next_hop) {
            // The reserved octet is not part of it.
            next_hop.truncate(next_hop.len() - 1);
            out.put_slice(&[flag::OPTIONAL, attribute::MP_REACH_NLRI]);
            out.put_u8(u8::try_from(next_hop.len()).unwrap_or(0));
            out.put_slice(&next_hop);
        }
    }
    encode_all(attributes, true, classic, out);
}

/// The two ends of a session, as BGP4MP records name them (RFC 6396 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The peer's AS.
    pub peer_as: Asn,
    /// Our AS.
    pub local_as: Asn,
    /// The peer's address.
    pub peer_address: IpAddr,
    /// Our address; where it is not known, or not of the peer's family, it is written as zeros.
    pub local_address: Option<IpAddr>,
}

impl Ends {
    fn put(&self, four_octet_as: bool, out: &mut BytesMut) {
        for asn in [self.peer_as, self.local_as] {
            if four_octet_as {
                out.put_u32(asn.0);
            } else {
                out.put_u16(u16::try_from(asn.0).unwrap_or(AS_TRANS));
            }
        }
        // The index of the interface is "the interface index, if known".
        out.put_u16(0);
        let (family, unknown) = match self.peer_address {
            IpAddr::V4(_) => (Family::V4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (Family::V6, IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
        };
        out.put_u16(family.afi());
        put_address(self.peer_address, out);
        let local = self.local_address.filter(|a| a.is_ipv4() == self.peer_address.is_ipv4());
        put_address(local.unwrap_or(unknown), out);
    }
}

/// Stands for an AS that two octets cannot hold (RFC 6793).
const AS_TRANS: u16 = 23456;

/// How a session's messages are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// AS numbers have four octets.
    pub four_octet_as: bool,
    /// NLRI has path identifiers.
    pub add_path: bool,
}

/// BGP4MP_ET, a message that a peer sent (RFC 6396 §4.4.2 and §4.4.3, RFC 8050 §4.2), from its body.
pub fn message(
    time: Duration,
    ends: &Ends,
    reading: Reading,
    message: MessageType,
    body: &[u8],
    out: &mut BytesMut,
) {
    let subtype = match (reading.four_octet_as, reading.add_path) {
        (true, false) => bgp4mp::MESSAGE_AS4,
        (false, false) => bgp4mp::MESSAGE,
        (true, true) => bgp4mp::MESSAGE_AS4_ADDPATH,
        (false, true) => bgp4mp::MESSAGE_ADDPATH,
    };
    let mark = begin(time, kind::BGP4MP_ET, subtype, out);
    out.put_u32(time.subsec_micros());
    ends.put(reading.four_octet_as, out);
    encode_message(message, body, out);
    finish(mark, out);
}

/// States of a session as BGP4MP_STATE_CHANGE names them (RFC 6396 §4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum State {
    /// Refuses all connections.
    Idle = 1,
    /// Waits for our connection.
    Connect = 2,
    /// Waits for the peer's connection.
    Active = 3,
    /// OPEN is sent.
    OpenSent = 4,
    /// OPENs are exchanged.
    OpenConfirm = 5,
    /// Up.
    Established = 6,
}

/// BGP4MP_STATE_CHANGE_AS4 with an extended timestamp (RFC 6396 §4.4.4).
pub fn state_change(time: Duration, ends: &Ends, old: State, new: State, out: &mut BytesMut) {
    let mark = begin(time, kind::BGP4MP_ET, bgp4mp::STATE_CHANGE_AS4, out);
    out.put_u32(time.subsec_micros());
    ends.put(true, out);
    out.put_u16(old as u16);
    out.put_u16(new as u16);
    finish(mark, out);
}
