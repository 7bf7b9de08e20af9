//! The frame that every attribute has, and the flags that each type must have.

use bytes::{BufMut, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::iana::{attribute as code, flag};

/// One attribute, not yet looked into.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |O|T|P|E| zero  |   Type code   |  O optional, T transitive, P partial
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Length: 1 octet, or 2 with E  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Value (variable)              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) flags: u8,
    pub(crate) code: u8,
    pub(crate) value: &'a [u8],
    /// The attribute from its flags to the end of its value.
    pub(crate) octets: &'a [u8],
}

/// The last attribute does not end where the attributes end (RFC 7606 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun {
    /// Its type code, if that much of it is there.
    pub(crate) code: Option<u8>,
}

/// Attributes one after the other; nothing follows an overrun.
pub(crate) struct RawAttributes<'a>(Cursor<'a>);

impl<'a> RawAttributes<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(Cursor::new(octets))
    }
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = Result<Raw<'a>, Overrun>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let start = self.0;
        Some(read(&mut self.0).map_err(|Short| {
            self.0 = Cursor::new(&[]);
            Overrun { code: start.rest().get(1).copied() }
        }))
    }
}

fn read<'a>(cursor: &mut Cursor<'a>) -> Result<Raw<'a>, Short> {
    let mut start = *cursor;
    let [flags, code] = cursor.array()?;
    let octets = match flags & flag::EXTENDED_LENGTH {
        0 => usize::from(cursor.u8()?),
        _ => usize::from(cursor.u16()?),
    };
    let value = cursor.take(octets)?;
    let octets = start.take(start.remaining() - cursor.remaining())?;
    Ok(Raw { flags, code, value, octets })
}

impl Raw<'_> {
    pub(crate) fn is_partial(&self) -> bool {
        self.flags & flag::PARTIAL != 0
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.flags & flag::OPTIONAL != 0
    }

    pub(crate) fn is_transitive(&self) -> bool {
        self.flags & flag::TRANSITIVE != 0
    }

    /// Do Optional and Transitive have the values that the type asks for? True for unknown
    /// types. The Partial bit is no ground to refuse (RFC 7606 §3 c).
    pub(crate) fn flags_fit(&self) -> bool {
        let mask = flag::OPTIONAL | flag::TRANSITIVE;
        expected_flags(self.code).is_none_or(|expected| self.flags & mask == expected)
    }
}

/// Which type codes came, one bit for each.
#[derive(Debug, Default)]
pub(crate) struct Seen([u128; 2]);

impl Seen {
    /// Notes the code; gives whether it is here for the first time.
    pub(crate) fn first(&mut self, code: u8) -> bool {
        let bit = 1 << (code & 127);
        let [low, high] = &mut self.0;
        let word = if code < 128 { low } else { high };
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

/// The Optional and Transitive flags of the types that we know.
pub(crate) const fn expected_flags(attribute: u8) -> Option<u8> {
    match attribute {
        code::ORIGIN
        | code::AS_PATH
        | code::NEXT_HOP
        | code::LOCAL_PREF
        | code::ATOMIC_AGGREGATE => Some(flag::TRANSITIVE),
        code::MULTI_EXIT_DISC
        | code::ORIGINATOR_ID
        | code::CLUSTER_LIST
        | code::MP_REACH_NLRI
        | code::MP_UNREACH_NLRI
        | code::AIGP => Some(flag::OPTIONAL),
        code::AGGREGATOR
        | code::COMMUNITIES
        | code::EXTENDED_COMMUNITIES
        | code::AS4_PATH
        | code::AS4_AGGREGATOR
        | code::IPV6_EXTENDED_COMMUNITIES
        | code::LARGE_COMMUNITIES
        | code::ONLY_TO_CUSTOMER => Some(flag::OPTIONAL | flag::TRANSITIVE),
        _ => None,
    }
}

/// Writes flags, type and length; the caller writes that many octets of value. The length gets
/// a second octet where it needs one, or where `flags` already asks for it.
pub(crate) fn put_header(out: &mut BytesMut, flags: u8, code: u8, octets: usize) {
    let short = u8::try_from(octets).ok().filter(|_| flags & flag::EXTENDED_LENGTH == 0);
    match short {
        Some(octets) => out.put_slice(&[flags, code, octets]),
        None => {
            out.put_slice(&[flags | flag::EXTENDED_LENGTH, code]);
            // What is longer can not be sent; the encoder finds that out by the total.
            out.put_u16(u16::try_from(octets).unwrap_or(u16::MAX));
        }
    }
}

/// Writes a header with the flags that a known type has.
pub(crate) fn put_known(out: &mut BytesMut, code: u8, partial: bool, octets: usize) {
    let partial = if partial { flag::PARTIAL } else { 0 };
    put_header(out, expected_flags(code).unwrap_or(flag::OPTIONAL) | partial, code, octets);
}
