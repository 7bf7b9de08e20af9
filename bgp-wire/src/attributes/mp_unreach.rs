//! MP_UNREACH_NLRI (RFC 4760 §4, RFC 7606 §5.3).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |     SAFI      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Withdrawn routes (variable)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::Family;
use crate::cursor::{Cursor, Short};

/// The family (`None`: not one of ours) and the octets of the withdrawn routes.
pub(crate) fn decode(value: &[u8]) -> Result<(Option<Family>, &[u8]), Short> {
    let mut cursor = Cursor::new(value);
    let family = Family::from_afi_safi(cursor.u16()?, cursor.u8()?);
    Ok((family, cursor.rest()))
}
