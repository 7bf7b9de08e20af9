//! What all messages have in common.

use bytes::{BufMut, Bytes, BytesMut};

use crate::frame::HEADER_OCTETS;
use crate::{Notification, OpenMessage, RouteRefresh, iana};

/// The type of a message (RFC 4271 §4.1, RFC 2918 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// OPEN.
    Open,
    /// UPDATE.
    Update,
    /// NOTIFICATION.
    Notification,
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh,
}

impl MessageType {
    /// The type of a code point.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            iana::message::OPEN => Some(Self::Open),
            iana::message::UPDATE => Some(Self::Update),
            iana::message::NOTIFICATION => Some(Self::Notification),
            iana::message::KEEPALIVE => Some(Self::Keepalive),
            iana::message::ROUTE_REFRESH => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// The code point.
    pub const fn code(self) -> u8 {
        match self {
            Self::Open => iana::message::OPEN,
            Self::Update => iana::message::UPDATE,
            Self::Notification => iana::message::NOTIFICATION,
            Self::Keepalive => iana::message::KEEPALIVE,
            Self::RouteRefresh => iana::message::ROUTE_REFRESH,
        }
    }

    /// The smallest and greatest body that the type allows by itself (RFC 4271 §6.1).
    pub(crate) const fn body_octets(self) -> (usize, usize) {
        match self {
            Self::Open => (10, usize::MAX),
            Self::Update => (4, usize::MAX),
            Self::Notification => (2, usize::MAX),
            Self::Keepalive => (0, 0),
            // RFC 7313 §5 answers a wrong length with an error of its own.
            Self::RouteRefresh => (0, usize::MAX),
        }
    }
}

/// A decoded message. An UPDATE stays octets: [`crate::decode_update`] needs to know what was
/// negotiated, and has buffers to reuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// OPEN.
    Open(OpenMessage),
    /// The body of an UPDATE.
    Update(Bytes),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
}

impl Message {
    /// Reads the body of a message of a type.
    pub fn decode(kind: MessageType, body: Bytes) -> Result<Self, Notification> {
        Ok(match kind {
            MessageType::Open => Self::Open(OpenMessage::decode(&body)?),
            MessageType::Update => Self::Update(body),
            MessageType::Notification => Self::Notification(Notification::decode(&body)?),
            MessageType::Keepalive => Self::Keepalive,
            MessageType::RouteRefresh => Self::RouteRefresh(RouteRefresh::decode(&body)?),
        })
    }
}

/// Writes a KEEPALIVE: a header and nothing else (RFC 4271 §4.4).
pub fn encode_keepalive(out: &mut BytesMut) {
    let mark = begin(out, MessageType::Keepalive);
    finish(out, mark);
}

/// Writes a message of a type from its body, which is at most 65,516 octets.
pub fn encode_message(kind: MessageType, body: &[u8], out: &mut BytesMut) {
    let mark = begin(out, kind);
    out.put_slice(body);
    finish(out, mark);
}

/// Writes a header whose length [`finish`] fills in; gives the place where it starts.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                   Marker: 16 octets, all ones                 |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Length               |      Type     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub(crate) fn begin(out: &mut BytesMut, kind: MessageType) -> usize {
    let mark = out.len();
    out.put_bytes(0xff, 16);
    out.put_u16(0);
    out.put_u8(kind.code());
    mark
}

/// Fills in the length of the message that starts at `mark`.
pub(crate) fn finish(out: &mut BytesMut, mark: usize) {
    let octets = out.len().saturating_sub(mark);
    debug_assert!((HEADER_OCTETS..=usize::from(u16::MAX)).contains(&octets), "{octets}");
    put_u16_at(out, mark + 16, octets);
}

/// Overwrites two octets that were written before as a place for a length.
pub(crate) fn put_u16_at(out: &mut BytesMut, at: usize, length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
