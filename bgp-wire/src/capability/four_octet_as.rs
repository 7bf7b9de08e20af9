//! Four-octet AS numbers (RFC 6793 §3).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    The sender's AS number                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Capability;
use crate::Asn;
use crate::cursor::Short;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    let octets = value.try_into().map_err(|_| Short)?;
    Ok(Capability::FourOctetAs(Asn(u32::from_be_bytes(octets))))
}
