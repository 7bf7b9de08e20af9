//! An OPEN that is accepted keeps its values when it is written and read again; what is refused
//! is refused with an OPEN Message Error.

use bgp_wire::{MAX_OCTETS, MessageType, OpenMessage, iana, next_frame};
use bytes::BytesMut;

pub fn property(body: &[u8]) {
    // `next_frame` lets no longer one through (RFC 8654 §4).
    let body = &body[..body.len().min(MAX_OCTETS - 19)];
    let open = match OpenMessage::decode(body) {
        Ok(open) => open,
        Err(notification) => {
            assert_eq!(notification.code, iana::error::OPEN_MESSAGE);
            return;
        }
    };
    assert_eq!(open.version, 4);
    assert!(open.asn().0 != 0 && !open.router_id.is_unspecified());
    let mut out = BytesMut::new();
    open.encode(&mut out);
    let (kind, body) = next_frame(&mut out, MAX_OCTETS).unwrap().unwrap();
    assert_eq!(kind, MessageType::Open);
    assert_eq!(OpenMessage::decode(&body), Ok(open));
}
