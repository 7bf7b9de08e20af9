//! Host name (draft-walton-bgp-hostname-capability §2).
//!
//! ```text
//! | Length (1 octet) | Host name | Length (1 octet) | Domain name |
//! ```

use bytes::{BufMut, BytesMut};

use super::Capability;
use crate::cursor::Cursor;

/// The most octets of a name: both with their lengths fit in a capability.
const MAX_OCTETS: usize = 64;

/// `None` when it cannot be read: a name that is only for display is no ground to refuse a
/// session.
pub(super) fn decode(value: &[u8]) -> Option<Capability> {
    let mut cursor = Cursor::new(value);
    let mut name = || {
        let octets = cursor.u8().ok()?;
        let octets = cursor.take(usize::from(octets)).ok()?;
        std::str::from_utf8(octets).ok().map(str::to_owned)
    };
    let capability = Capability::Hostname { host: name()?, domain: name()? };
    // What would not be written back the same is kept as it came.
    let Capability::Hostname { host, domain } = &capability else { return None };
    let fits = cursor.is_empty() && host.len() <= MAX_OCTETS && domain.len() <= MAX_OCTETS;
    fits.then_some(capability)
}

pub(super) fn encode(host: &str, domain: &str, out: &mut BytesMut) {
    for name in [host, domain] {
        let octets = name.floor_char_boundary(MAX_OCTETS);
        out.put_u8(u8::try_from(octets).unwrap_or(0));
        out.put_slice(name.as_bytes().get(..octets).unwrap_or_default());
    }
}
