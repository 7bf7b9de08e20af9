//! Network layer reachability information (RFC 4271 §4.3, RFC 7911 §3).

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::{Family, Prefix};

/// A prefix with the path identifier that came with it.
///
/// ```text
/// +-----------------------------+
/// | Path Identifier (4 octets)  |  only with ADD-PATH (RFC 7911 §3)
/// +-----------------------------+
/// | Length (1 octet)            |  in bits
/// +-----------------------------+
/// | Prefix (variable)           |  as many octets as the length needs
/// +-----------------------------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nlri {
    /// The prefix.
    pub prefix: Prefix,
    /// The path identifier; 0 without ADD-PATH.
    pub path_id: u32,
}

impl Nlri {
    /// The octets that it takes.
    pub(crate) fn wire_len(&self, add_path: bool) -> usize {
        1 + self.prefix.wire_octets().len() + if add_path { 4 } else { 0 }
    }

    pub(crate) fn encode(&self, add_path: bool, out: &mut BytesMut) {
        if add_path {
            out.put_u32(self.path_id);
        }
        out.put_u8(self.prefix.len());
        out.put_slice(self.prefix.wire_octets());
    }

    fn decode(cursor: &mut Cursor<'_>, family: Family, add_path: bool) -> Result<Self, Short> {
        let path_id = if add_path { cursor.u32()? } else { 0 };
        let len = cursor.u8()?;
        let octets = cursor.take(usize::from(len.div_ceil(8)))?;
        let prefix = Prefix::from_wire(family, len, octets).ok_or(Short)?;
        Ok(Self { prefix, path_id })
    }
}

/// Reads NLRI to the end. `Short` is also a prefix that is too long (RFC 7606 §5.3).
pub(crate) fn decode_all(
    octets: &[u8],
    family: Family,
    add_path: bool,
    out: &mut Vec<Nlri>,
) -> Result<(), Short> {
    let mut cursor = Cursor::new(octets);
    while !cursor.is_empty() {
        out.push(Nlri::decode(&mut cursor, family, add_path)?);
    }
    Ok(())
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, path_id: 0 }
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path_id {
            0 => self.prefix.fmt(f),
            id => write!(f, "{} (path {id})", self.prefix),
        }
    }
}
