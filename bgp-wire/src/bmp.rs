//! Messages of the BGP Monitoring Protocol, version 3 (RFC 7854), with Adj-RIB-Out (RFC 8671) and
//! Loc-RIB (RFC 9069). Writing only: we are the monitored router.
//!
//! ```text
//! | Version (1) | Message length (4) | Type (1) |            every message
//! | Peer type (1) | Flags (1) | Distinguisher (8) | Address (16) |
//! | AS (4) | BGP Identifier (4) | Seconds (4) | Microseconds (4) |   all but Initiation and Termination
//! ```

mod statistics;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::{BufMut, BytesMut};

pub use statistics::{Statistic, statistics_report};

use crate::{Asn, HEADER_OCTETS, Notification};

/// The protocol version (RFC 7854 §4.1).
const VERSION: u8 = 3;
/// Version, length and type.
const COMMON_OCTETS: usize = 6;

/// Message types (RFC 7854 §10.1).
mod kind {
    pub(super) const ROUTE_MONITORING: u8 = 0;
    pub(super) const STATISTICS_REPORT: u8 = 1;
    pub(super) const PEER_DOWN: u8 = 2;
    pub(super) const PEER_UP: u8 = 3;
    pub(super) const INITIATION: u8 = 4;
    pub(super) const TERMINATION: u8 = 5;
}

/// Flags of the per-peer header (RFC 7854 §4.2, RFC 8671 §4).
mod flag {
    /// V: the address is an IPv6 address.
    pub(super) const IPV6: u8 = 0x80;
    /// L: post-policy.
    pub(super) const POST_POLICY: u8 = 0x40;
    /// A: AS_PATH has AS numbers of two octets.
    pub(super) const TWO_OCTET_AS: u8 = 0x20;
    /// O: Adj-RIB-Out.
    pub(super) const ADJ_RIB_OUT: u8 = 0x10;
}

/// The table that a message is about, as the per-peer header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rib {
    /// What a peer sent, before policy (RFC 7854 §5). Also for messages about the peer itself.
    AdjRibInPre,
    /// What policy left of it (RFC 7854 §5).
    AdjRibInPost,
    /// What a peer is sent (RFC 8671 §4).
    AdjRibOutPost,
    /// What was selected (RFC 9069 §4). The F flag stays clear: all of it is told.
    LocRib,
}

/// The per-peer header (RFC 7854 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerHeader {
    /// Which table.
    pub rib: Rib,
    /// 0: the global instance. Else one of several instances of BGP, each with a number of its
    /// own: the peer is a "Local Instance Peer", the number its distinguisher.
    pub instance: u64,
    /// The peer's address; none for Loc-RIB.
    pub address: Option<IpAddr>,
    /// The peer's AS; for Loc-RIB our own.
    pub asn: Asn,
    /// The peer's BGP identifier; for Loc-RIB our own.
    pub router_id: Ipv4Addr,
    /// The AS_PATHs in the message have AS numbers of two octets.
    pub two_octet_as: bool,
    /// When it came, or happened, since the Unix epoch; zero: not known.
    pub time: Duration,
}

impl PeerHeader {
    fn peer_type(&self) -> u8 {
        match (self.rib, self.instance) {
            (Rib::LocRib, _) => 3,
            (_, 0) => 0,
            _ => 2,
        }
    }

    fn flags(&self) -> u8 {
        let rib = match self.rib {
            // RFC 9069 §4.2: the bits have other meanings there.
            Rib::LocRib => return 0,
            Rib::AdjRibInPre => 0,
            Rib::AdjRibInPost => flag::POST_POLICY,
            Rib::AdjRibOutPost => flag::POST_POLICY | flag::ADJ_RIB_OUT,
        };
        let ipv6 = if matches!(self.address, Some(IpAddr::V6(_))) { flag::IPV6 } else { 0 };
        let two_octets = if self.two_octet_as { flag::TWO_OCTET_AS } else { 0 };
        rib | ipv6 | two_octets
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.peer_type());
        out.put_u8(self.flags());
        out.put_u64(self.instance);
        put_address(self.address, out);
        out.put_u32(self.asn.0);
        out.put_u32(self.router_id.to_bits());
        // RFC 7854 §4.2: 32 bits of seconds, which last until 2106.
        out.put_u32(u32::try_from(self.time.as_secs()).unwrap_or(0));
        out.put_u32(self.time.subsec_micros());
    }
}

/// 16 octets: an IPv4 address is in the last four.
fn put_address(address: Option<IpAddr>, out: &mut BytesMut) {
    match address {
        Some(IpAddr::V6(address)) => out.put_slice(&address.octets()),
        Some(IpAddr::V4(address)) => {
            out.put_bytes(0, 12);
            out.put_slice(&address.octets());
        }
        None => out.put_bytes(0, 16),
    }
}

/// Writes a header whose length [`finish`] fills in; gives the place where it starts.
fn begin(kind: u8, out: &mut BytesMut) -> usize {
    let mark = out.len();
    out.put_u8(VERSION);
    out.put_u32(0);
    out.put_u8(kind);
    mark
}

fn finish(mark: usize, out: &mut BytesMut) {
    let octets = u32::try_from(out.len().saturating_sub(mark)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(mark + 1..mark + 5) {
        place.copy_from_slice(&octets.to_be_bytes());
    }
}

/// Type, length and value; a text that is too long is cut.
fn put_text(code: u16, text: &str, out: &mut BytesMut) {
    let mut octets = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(octets) {
        octets -= 1;
    }
    out.put_u16(code);
    out.put_u16(u16::try_from(octets).unwrap_or(0));
    out.put_slice(text.as_bytes().get(..octets).unwrap_or_default());
}

/// Information about the monitored router and its tables (RFC 7854 §4.4, RFC 9069 §4.3).
mod information {
    pub(super) const STRING: u16 = 0;
    pub(super) const SYS_DESCR: u16 = 1;
    pub(super) const SYS_NAME: u16 = 2;
    pub(super) const TABLE_NAME: u16 = 3;
}

/// Initiation: who speaks (RFC 7854 §4.3).
pub fn initiation(sys_descr: &str, sys_name: &str, out: &mut BytesMut) {
    let mark = begin(kind::INITIATION, out);
    put_text(information::SYS_DESCR, sys_descr, out);
    put_text(information::SYS_NAME, sys_name, out);
    finish(mark, out);
}

/// Why the connection to the collector ends (RFC 7854 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum TerminationReason {
    /// The operator wants it; it may come back.
    AdministrativelyClosed = 0,
    /// None is given.
    Unspecified = 1,
    /// Something is exhausted.
    OutOfResources = 2,
}

/// Termination (RFC 7854 §4.5).
pub fn termination(reason: TerminationReason, text: &str, out: &mut BytesMut) {
    const REASON: u16 = 1;
    let mark = begin(kind::TERMINATION, out);
    if !text.is_empty() {
        put_text(information::STRING, text, out);
    }
    out.put_u16(REASON);
    out.put_u16(2);
    out.put_u16(reason as u16);
    finish(mark, out);
}

/// What Peer Up says besides who the peer is (RFC 7854 §4.10).
#[derive(Debug, Clone, Copy)]
pub struct PeerUp<'a> {
    /// Our address; none for Loc-RIB.
    pub local_address: Option<IpAddr>,
    /// Our port.
    pub local_port: u16,
    /// The peer's port.
    pub remote_port: u16,
    /// Our OPEN, header included.
    pub sent_open: &'a [u8],
    /// The peer's OPEN, header included.
    pub received_open: &'a [u8],
    /// The name of the instance of BGP: always there with Loc-RIB (RFC 9069 §4.3).
    pub table_name: Option<&'a str>,
}

/// Peer Up (RFC 7854 §4.10).
pub fn peer_up(peer: &PeerHeader, up: &PeerUp<'_>, out: &mut BytesMut) {
    let mark = begin(kind::PEER_UP, out);
    peer.put(out);
    put_address(up.local_address, out);
    out.put_u16(up.local_port);
    out.put_u16(up.remote_port);
    out.put_slice(up.sent_open);
    out.put_slice(up.received_open);
    if let Some(name) = up.table_name {
        put_text(information::TABLE_NAME, name, out);
    }
    finish(mark, out);
}

/// Why a peer is down (RFC 7854 §4.9).
///
/// Not here are the two reasons that end monitoring and no session: 5, a peer of which the collector
/// is told no more, and 6, a Loc-RIB that is closed (RFC 9069). Who has to tell a collector less than
/// before ends the connection with a Termination (§4.5), and begins anew with what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerDown {
    /// We ended it with a NOTIFICATION.
    LocalNotification(Notification),
    /// We ended it without one; the event of RFC 4271 §8.1 that led to it, 0 for none.
    LocalNoNotification(u16),
    /// The peer ended it with a NOTIFICATION.
    RemoteNotification(Notification),
    /// The connection ended.
    RemoteNoNotification,
}

/// Peer Down (RFC 7854 §4.9).
pub fn peer_down(peer: &PeerHeader, reason: &PeerDown, out: &mut BytesMut) {
    let mark = begin(kind::PEER_DOWN, out);
    peer.put(out);
    match reason {
        PeerDown::LocalNotification(notification) => {
            out.put_u8(1);
            notification.encode(out);
        }
        PeerDown::LocalNoNotification(event) => {
            out.put_u8(2);
            out.put_u16(*event);
        }
        PeerDown::RemoteNotification(notification) => {
            out.put_u8(3);
            notification.encode(out);
        }
        PeerDown::RemoteNoNotification => out.put_u8(4),
    }
    finish(mark, out);
}

/// Route Monitoring (RFC 7854 §4.6), a message for each of `updates`, which are whole UPDATE
/// messages, one after the other; gives their number.
pub fn route_monitoring(peer: &PeerHeader, updates: &[u8], out: &mut BytesMut) -> usize {
    let mut rest = updates;
    let mut messages = 0;
    while let Some((update, behind)) = first_message(rest) {
        let mark = begin(kind::ROUTE_MONITORING, out);
        peer.put(out);
        out.put_slice(update);
        finish(mark, out);
        messages += 1;
        rest = behind;
    }
    debug_assert!(rest.is_empty(), "no whole messages: {rest:?}");
    messages
}

/// The octets that Route Monitoring adds to an UPDATE.
pub const ROUTE_MONITORING_OCTETS: usize = COMMON_OCTETS + 42;

/// The first of several BGP messages, and the others.
fn first_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u16::from_be_bytes([*octets.get(16)?, *octets.get(17)?]);
    let length = usize::from(length).max(HEADER_OCTETS);
    octets.split_at_checked(length)
}
