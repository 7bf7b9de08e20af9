//! ADD-PATH (RFC 7911 §4).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |     SAFI      | Send/Receive  |  1 receive, 2 send, 3 both
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::{AddPathFamily, Capability, entries};
use crate::cursor::Short;

const RECEIVE: u8 = 1;
const SEND: u8 = 2;

/// `None` with another value of Send/Receive: the capability is then as good as not understood
/// (RFC 7911 §4).
pub(super) fn decode(value: &[u8]) -> Result<Option<Capability>, Short> {
    let families = entries(value, |cursor| {
        let (afi, safi, mode) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
        let known = matches!(mode, RECEIVE | SEND) || mode == RECEIVE | SEND;
        let (receive, send) = (mode & RECEIVE != 0, mode & SEND != 0);
        Ok(known.then_some(AddPathFamily { afi, safi, receive, send }))
    })?;
    Ok(families.into_iter().collect::<Option<_>>().map(Capability::AddPath))
}

pub(super) fn encode(families: &[AddPathFamily], out: &mut BytesMut) {
    for family in families {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        let receive = if family.receive { RECEIVE } else { 0 };
        out.put_u8(receive | if family.send { SEND } else { 0 });
    }
}
