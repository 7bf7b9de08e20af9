//! Graceful restart (RFC 4724 §3, RFC 8538 §2).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |R|N|r r| Restart time (12 bits)|  R restarting, N also after NOTIFICATION
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |     SAFI      |F|  reserved   |  F forwarding kept
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::{Capability, GracefulRestartFamily, entries};
use crate::cursor::{Cursor, Short};

const RESTARTING: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const TIME: u16 = 0x0fff;
/// Also the forwarding bit of LLGR.
pub(super) const FORWARDING: u8 = 0x80;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    let mut cursor = Cursor::new(value);
    let head = cursor.u16()?;
    let families = entries(cursor.rest(), |cursor| {
        let (afi, safi, flags) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
        Ok(GracefulRestartFamily { afi, safi, forwarding: flags & FORWARDING != 0 })
    })?;
    Ok(Capability::GracefulRestart {
        restarting: head & RESTARTING != 0,
        notification: head & NOTIFICATION != 0,
        restart_time: head & TIME,
        families,
    })
}

pub(super) fn encode(
    (restarting, notification, restart_time): (bool, bool, u16),
    families: &[GracefulRestartFamily],
    out: &mut BytesMut,
) {
    let restarting = if restarting { RESTARTING } else { 0 };
    let notification = if notification { NOTIFICATION } else { 0 };
    out.put_u16(restarting | notification | restart_time.min(TIME));
    for family in families {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        out.put_u8(if family.forwarding { FORWARDING } else { 0 });
    }
}
