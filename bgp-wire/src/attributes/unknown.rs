//! Attributes that we do not know: transitive ones are kept byte for byte, others are dropped
//! without a word (RFC 4271 §5). The Partial flag is left as it came: a route server hands on
//! what it does not understand unchanged (RFC 7947 §2.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::raw::{Raw, put_header};
use crate::RawAttribute;

pub(super) fn decode(raw: &Raw<'_>) -> Option<RawAttribute> {
    raw.is_transitive().then(|| RawAttribute {
        flags: raw.flags,
        code: raw.code,
        value: Bytes::copy_from_slice(raw.value),
    })
}

pub(super) fn encode(attribute: &RawAttribute, out: &mut BytesMut) {
    put_header(out, attribute.flags, attribute.code, attribute.value.len());
    out.put_slice(&attribute.value);
}
