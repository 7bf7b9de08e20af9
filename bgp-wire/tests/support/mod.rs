//! Octets as people write them, and UPDATE bodies made of parts.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

use bgp_wire::{DecodeContext, DecodedUpdate, Families, Notification, decode_update};
use bytes::{Bytes, BytesMut};

/// Hexadecimal octets with spaces; `#` starts a remark.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("not hexadecimal: {c:?}")))
        .collect();
    assert!(digits.len().is_multiple_of(2), "half an octet in {text}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// A whole message: marker and length are put in front of type and body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    octets.push(kind);
    octets.extend(body);
    octets
}

/// The only message that `write` writes, without its header; header and length are checked.
pub fn body_of(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out);
    let (_, body) = bgp_wire::next_frame(&mut out, 65535).unwrap().expect("a whole message");
    assert!(out.is_empty(), "more than one message");
    body
}

/// An attribute with a length of one octet.
pub fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![flags, code, u8::try_from(value.len()).unwrap()];
    octets.extend(value);
    octets
}

/// The body of an UPDATE.
pub fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in [withdrawn, attributes] {
        body.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        body.extend(part);
    }
    body.extend(nlri);
    body
}

/// Four-octet AS numbers, both families, RFC 8950, no ADD-PATH.
pub const CX: DecodeContext = DecodeContext {
    four_octet_as: true,
    add_path_receive: [false, false],
    families: Families::BOTH,
    extended_next_hop: true,
};

/// The same with a neighbour that has two-octet AS numbers.
pub const TWO_OCTETS: DecodeContext = DecodeContext { four_octet_as: false, ..CX };

pub fn decode(body: &[u8], cx: &DecodeContext) -> Result<DecodedUpdate, Notification> {
    let mut out = DecodedUpdate::default();
    decode_update(body, cx, &mut out).map(|()| out)
}
