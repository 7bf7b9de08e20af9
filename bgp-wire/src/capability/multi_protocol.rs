//! Multiprotocol extensions (RFC 4760 §8).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |   Reserved    |     SAFI      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::Capability;
use crate::cursor::Short;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    let [high, low, _, safi] = value.try_into().map_err(|_| Short)?;
    Ok(Capability::MultiProtocol { afi: u16::from_be_bytes([high, low]), safi })
}

pub(super) fn encode(afi: u16, safi: u8, out: &mut BytesMut) {
    out.put_u16(afi);
    out.put_u8(0);
    out.put_u8(safi);
}
