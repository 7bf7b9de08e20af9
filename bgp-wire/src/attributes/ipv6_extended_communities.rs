//! IPv6-address-specific extended communities (RFC 5701 §2, RFC 7606 §7.15).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type         | Subtype       |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               |
//! |         Global administrator: IPv6 address (16 octets)        |
//! |                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               | Local administrator           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::iana::attribute;
use crate::{FaultKind, Ipv6ExtendedCommunity};

pub(super) fn decode(value: &[u8]) -> Result<Box<[Ipv6ExtendedCommunity]>, FaultKind> {
    // An empty attribute is malformed too.
    match value.as_chunks::<20>() {
        (chunks, []) if !chunks.is_empty() => {
            Ok(chunks.iter().map(|octets| Ipv6ExtendedCommunity(*octets)).collect())
        }
        _ => Err(FaultKind::Length),
    }
}

pub(super) fn encode(communities: &[Ipv6ExtendedCommunity], partial: bool, out: &mut BytesMut) {
    if !communities.is_empty() {
        put_known(out, attribute::IPV6_EXTENDED_COMMUNITIES, partial, 20 * communities.len());
        communities.iter().for_each(|community| out.put_slice(&community.0));
    }
}
