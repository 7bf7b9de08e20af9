//! AGGREGATOR (RFC 4271 §4.3 g, RFC 7606 §7.7) and AS4_AGGREGATOR (RFC 6793 §3).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  AS number: 2 octets, or 4 (RFC 6793; always in AS4_AGGREGATOR)|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  BGP identifier (4 octets)                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::cursor::{Cursor, Short};
use crate::iana::attribute;
use crate::{Aggregator, Asn, FaultKind};

/// Reads either attribute; AS 0 is malformed (RFC 7607 §2).
pub(super) fn decode(value: &[u8], four_octet_as: bool) -> Result<Aggregator, FaultKind> {
    let mut cursor = Cursor::new(value);
    let mut read = || -> Result<Aggregator, Short> {
        let asn = if four_octet_as { cursor.u32()? } else { u32::from(cursor.u16()?) };
        Ok(Aggregator { asn: Asn(asn), address: Ipv4Addr::from(cursor.array::<4>()?) })
    };
    let aggregator = read().map_err(|Short| FaultKind::Length)?;
    if !cursor.is_empty() {
        return Err(FaultKind::Length);
    }
    if aggregator.asn == Asn(0) { Err(FaultKind::AsZero) } else { Ok(aggregator) }
}

pub(super) fn encode(value: Aggregator, partial: bool, four_octet_as: bool, out: &mut BytesMut) {
    put_known(out, attribute::AGGREGATOR, partial, if four_octet_as { 8 } else { 6 });
    if four_octet_as {
        out.put_u32(value.asn.0);
    } else {
        out.put_u16(value.asn.two_octets());
    }
    out.put_u32(value.address.to_bits());
}

/// Written for a two-octet neighbour, when the number needs four (RFC 6793 §4.2.2).
pub(super) fn encode_as4(value: Aggregator, partial: bool, out: &mut BytesMut) {
    if value.asn.0 > u32::from(u16::MAX) {
        put_known(out, attribute::AS4_AGGREGATOR, partial, 8);
        out.put_u32(value.asn.0);
        out.put_u32(value.address.to_bits());
    }
}
