//! Extended next hop encoding (RFC 8950 §4).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           NLRI AFI            |    NLRI SAFI (2 octets)       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Next hop AFI          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::{Capability, entries};
use crate::cursor::Short;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    let entries = entries(value, |cursor| Ok((cursor.u16()?, cursor.u16()?, cursor.u16()?)))?;
    Ok(Capability::ExtendedNextHop(entries))
}

pub(super) fn encode(entries: &[(u16, u16, u16)], out: &mut BytesMut) {
    for (afi, safi, next_hop_afi) in entries {
        out.put_u16(*afi);
        out.put_u16(*safi);
        out.put_u16(*next_hop_afi);
    }
}
