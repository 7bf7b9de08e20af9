//! The stream is cut into the same messages however it arrives. The first octet is the size of
//! the pieces, its top bit allows extended messages.

use bgp_wire::{MAX_EXTENDED_OCTETS, MAX_OCTETS, Message, MessageType, Notification, next_frame};
use bytes::{Bytes, BytesMut};

type Frames = (Vec<(MessageType, Bytes)>, Option<Notification>);

pub fn property(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let max = if first & 0x80 != 0 { MAX_EXTENDED_OCTETS } else { MAX_OCTETS };
    let piece = usize::from(first & 0x7f).max(1);
    let whole = frames(std::iter::once(stream), max);
    let pieces = frames(stream.chunks(piece), max);
    assert_eq!(whole, pieces);
    for (kind, body) in whole.0 {
        assert!(body.len() + 19 <= max);
        // Decoding must not panic; what it thinks of the message is its own affair.
        let _ = Message::decode(kind, body);
    }
}

/// All messages until the stream or its patience ends.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>, max: usize) -> Frames {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match next_frame(&mut buffer, max) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(notification) => return (frames, Some(notification)),
            }
        }
    }
    (frames, None)
}
