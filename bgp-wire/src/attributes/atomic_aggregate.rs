//! ATOMIC_AGGREGATE (RFC 4271 §4.3 f, RFC 7606 §7.6): a mark without a value.

use bytes::BytesMut;

use super::raw::put_known;
use crate::FaultKind;
use crate::iana::attribute;

pub(super) fn decode(value: &[u8]) -> Result<(), FaultKind> {
    if value.is_empty() { Ok(()) } else { Err(FaultKind::Length) }
}

pub(super) fn encode(out: &mut BytesMut) {
    put_known(out, attribute::ATOMIC_AGGREGATE, false, 0);
}
