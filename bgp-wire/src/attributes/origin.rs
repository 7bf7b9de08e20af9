//! ORIGIN (RFC 4271 §4.3 a, RFC 7606 §7.1).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+
//! | 0, 1 or 2     |  IGP, EGP, INCOMPLETE
//! +-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::iana::{attribute, origin};
use crate::{FaultKind, Origin};

pub(super) fn decode(value: &[u8]) -> Result<Origin, FaultKind> {
    match value {
        [origin::IGP] => Ok(Origin::Igp),
        [origin::EGP] => Ok(Origin::Egp),
        [origin::INCOMPLETE] => Ok(Origin::Incomplete),
        [_] => Err(FaultKind::Value),
        _ => Err(FaultKind::Length),
    }
}

pub(super) fn encode(value: Origin, out: &mut BytesMut) {
    put_known(out, attribute::ORIGIN, false, 1);
    out.put_u8(match value {
        Origin::Igp => origin::IGP,
        Origin::Egp => origin::EGP,
        Origin::Incomplete => origin::INCOMPLETE,
    });
}
