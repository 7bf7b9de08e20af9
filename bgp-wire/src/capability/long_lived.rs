//! Long-lived graceful restart (RFC 9494 §3.1).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |     SAFI      |F|  reserved   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Long-lived stale time (24 bits)       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::graceful_restart::FORWARDING;
use super::{Capability, LongLivedFamily, entries};
use crate::cursor::Short;

const MAX_TIME: u32 = 0x00ff_ffff;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    let families = entries(value, |cursor| {
        let (afi, safi, flags) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
        let [a, b, c] = cursor.array()?;
        let stale_time = u32::from_be_bytes([0, a, b, c]);
        Ok(LongLivedFamily { afi, safi, forwarding: flags & FORWARDING != 0, stale_time })
    })?;
    Ok(Capability::LongLivedGracefulRestart(families))
}

pub(super) fn encode(families: &[LongLivedFamily], out: &mut BytesMut) {
    for family in families {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        out.put_u8(if family.forwarding { FORWARDING } else { 0 });
        let [_, a, b, c] = family.stale_time.min(MAX_TIME).to_be_bytes();
        out.put_slice(&[a, b, c]);
    }
}
