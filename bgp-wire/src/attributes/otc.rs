//! Only to Customer (RFC 9234 §5).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        AS that sent the route to a customer or peer           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::iana::attribute;
use crate::{Asn, FaultKind};

pub(super) fn decode(value: &[u8]) -> Result<Asn, FaultKind> {
    value.try_into().map(|octets| Asn(u32::from_be_bytes(octets))).map_err(|_| FaultKind::Length)
}

pub(super) fn encode(asn: Asn, partial: bool, out: &mut BytesMut) {
    put_known(out, attribute::ONLY_TO_CUSTOMER, partial, 4);
    out.put_u32(asn.0);
}
