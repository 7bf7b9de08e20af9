//! NEXT_HOP (RFC 4271 §4.3 c, §6.3, RFC 7606 §7.3).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         IPv4 address                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::FaultKind;
use crate::iana::attribute;

pub(crate) fn decode(value: &[u8]) -> Result<Ipv4Addr, FaultKind> {
    let octets: [u8; 4] = value.try_into().map_err(|_| FaultKind::Length)?;
    let address = Ipv4Addr::from(octets);
    if is_host(address) { Ok(address) } else { Err(FaultKind::NextHopValue) }
}

/// Can a host have this address? Not 0.0.0.0, and neither multicast nor what lies above it.
/// Whether it is a *wanted* one is for policy to say.
pub(crate) fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first < 224 && !address.is_unspecified()
}

pub(crate) fn encode(address: Ipv4Addr, out: &mut BytesMut) {
    put_known(out, attribute::NEXT_HOP, false, 4);
    out.put_u32(address.to_bits());
}
