//! MULTI_EXIT_DISC (RFC 4271 §4.3 d, RFC 7606 §7.4).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   Metric (smaller is better)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::FaultKind;
use crate::iana::attribute;

pub(super) fn decode(value: &[u8]) -> Result<u32, FaultKind> {
    value.try_into().map(u32::from_be_bytes).map_err(|_| FaultKind::Length)
}

pub(super) fn encode(med: u32, out: &mut BytesMut) {
    put_known(out, attribute::MULTI_EXIT_DISC, false, 4);
    out.put_u32(med);
}
