//! Extended communities (RFC 4360 §2, RFC 7606 §7.14).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type         | Subtype       |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+          Value                |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::iana::attribute;
use crate::{ExtendedCommunity, FaultKind};

pub(super) fn decode(value: &[u8]) -> Result<Box<[ExtendedCommunity]>, FaultKind> {
    // An empty attribute is malformed too.
    match value.as_chunks::<8>() {
        (chunks, []) if !chunks.is_empty() => {
            Ok(chunks.iter().map(|octets| ExtendedCommunity(*octets)).collect())
        }
        _ => Err(FaultKind::Length),
    }
}

pub(super) fn encode(communities: &[ExtendedCommunity], partial: bool, out: &mut BytesMut) {
    if !communities.is_empty() {
        put_known(out, attribute::EXTENDED_COMMUNITIES, partial, 8 * communities.len());
        communities.iter().for_each(|community| out.put_slice(&community.0));
    }
}
