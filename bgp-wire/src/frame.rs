//! Messages out of a stream of octets (RFC 4271 §4.1, RFC 8654).

use bytes::{Buf, Bytes, BytesMut};

use crate::cursor::Cursor;
use crate::{MessageType, Notification};

/// Octets of the header that every message starts with.
pub const HEADER_OCTETS: usize = 19;
/// The greatest message without extended messages (RFC 4271 §4.1).
pub const MAX_OCTETS: usize = 4096;
/// The greatest message with extended messages (RFC 8654 §4).
pub const MAX_EXTENDED_OCTETS: usize = 65535;

/// Cuts the next message off the front of `buffer`; `None` when it is not all there yet. The
/// body comes without its header.
///
/// `max_octets` is what was negotiated. OPEN and KEEPALIVE are held to 4,096 octets whatever it
/// is (RFC 8654 §4). An error is the NOTIFICATION to send before the session ends.
pub fn next_frame(
    buffer: &mut BytesMut,
    max_octets: usize,
) -> Result<Option<(MessageType, Bytes)>, Notification> {
    let mut header = Cursor::new(buffer);
    // A wrong marker is told as soon as it shows: a stream that is out of step may never
    // deliver the rest of the "header".
    if header.rest().iter().take(16).any(|octet| *octet != 0xff) {
        return Err(Notification::connection_not_synchronized());
    }
    let (Ok(_), Ok(length), Ok(code)) = (header.array::<16>(), header.u16(), header.u8()) else {
        return Ok(None);
    };
    let octets = usize::from(length);
    if octets < HEADER_OCTETS || octets > max_octets {
        return Err(Notification::bad_message_length(length));
    }
    let kind = MessageType::from_code(code).ok_or_else(|| Notification::bad_message_type(code))?;
    let (min, max) = kind.body_octets();
    let body_octets = octets - HEADER_OCTETS;
    let too_long_for_type =
        matches!(kind, MessageType::Open | MessageType::Keepalive) && octets > MAX_OCTETS;
    if body_octets < min || body_octets > max || too_long_for_type {
        return Err(Notification::bad_message_length(length));
    }
    if buffer.len() < octets {
        return Ok(None);
    }
    let mut message = buffer.split_to(octets);
    message.advance(HEADER_OCTETS);
    Ok(Some((kind, message.freeze())))
}
