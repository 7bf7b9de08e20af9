//! COMMUNITIES (RFC 1997, RFC 7606 §7.8).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           AS number           |             Value             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::iana::attribute;
use crate::{Community, FaultKind};

pub(super) fn decode(value: &[u8]) -> Result<Box<[Community]>, FaultKind> {
    // An empty attribute is malformed too.
    match value.as_chunks::<4>() {
        (chunks, []) if !chunks.is_empty() => {
            Ok(chunks.iter().map(|octets| Community(u32::from_be_bytes(*octets))).collect())
        }
        _ => Err(FaultKind::Length),
    }
}

pub(super) fn encode(communities: &[Community], partial: bool, out: &mut BytesMut) {
    if !communities.is_empty() {
        put_known(out, attribute::COMMUNITIES, partial, 4 * communities.len());
        communities.iter().for_each(|community| out.put_u32(community.0));
    }
}
