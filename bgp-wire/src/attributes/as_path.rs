//! AS_PATH (RFC 4271 §4.3 b, RFC 6793 §4, RFC 7606 §7.2).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Segment type  | Count         |  1 AS_SET, 2 AS_SEQUENCE, 3 and 4 confederation
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Count AS numbers of 2 octets, |
//! | or of 4 (RFC 6793)            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::raw::put_known;
use crate::cursor::{Cursor, Short};
use crate::iana::attribute;
use crate::{AsPath, Asn, FaultKind, SegmentKind};

/// Reads a path that a neighbour in another AS sent. Confederation segments have no place in
/// it: that is a malformed path (RFC 5065 §5), and so is AS 0 (RFC 7607 §2).
pub(super) fn decode(value: &[u8], four_octet_as: bool) -> Result<AsPath, FaultKind> {
    check(value, if four_octet_as { 4 } else { 2 })?;
    let octets = if four_octet_as { Bytes::copy_from_slice(value) } else { widen(value) };
    Ok(AsPath::from_checked_octets(octets))
}

/// Whole, non-empty segments of sets and sequences without AS 0?
fn check(value: &[u8], width: usize) -> Result<(), FaultKind> {
    let mut cursor = Cursor::new(value);
    while !cursor.is_empty() {
        let (kind, asns) = segment(&mut cursor, width)?;
        if !matches!(kind, SegmentKind::Set | SegmentKind::Sequence) {
            return Err(FaultKind::Value);
        }
        if asns.chunks_exact(width).any(|asn| asn.iter().all(|octet| *octet == 0)) {
            return Err(FaultKind::AsZero);
        }
    }
    Ok(())
}

/// Takes one segment off: its kind, and its AS numbers of `width` octets each. A count of zero,
/// an overrun and a single octet left over are malformed (RFC 7606 §7.2).
pub(super) fn segment<'a>(
    cursor: &mut Cursor<'a>,
    width: usize,
) -> Result<(SegmentKind, &'a [u8]), FaultKind> {
    let mut read = || -> Result<(u8, &'a [u8]), Short> {
        let [kind, count] = cursor.array()?;
        Ok((kind, cursor.take(usize::from(count) * width)?))
    };
    let (kind, asns) = read().map_err(|Short| FaultKind::Length)?;
    let kind = SegmentKind::from_code(kind).ok_or(FaultKind::Value)?;
    if asns.is_empty() {
        return Err(FaultKind::Length);
    }
    Ok((kind, asns))
}

/// The wire form with four-octet numbers, of checked two-octet segments.
fn widen(value: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(2 * value.len());
    let mut cursor = Cursor::new(value);
    while let Ok((kind, asns)) = segment(&mut cursor, 2) {
        let asns = asns.as_chunks::<2>().0;
        out.put_u8(kind.code());
        out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
        asns.iter().for_each(|asn| out.put_u32(u32::from(u16::from_be_bytes(*asn))));
    }
    out.freeze()
}

pub(super) fn encode(path: &AsPath, four_octet_as: bool, out: &mut BytesMut) {
    if four_octet_as {
        put_known(out, attribute::AS_PATH, false, path.octets().len());
        out.put_slice(path.octets());
        return;
    }
    let octets = path.segments().map(|segment| 2 + 2 * segment.asns().len()).sum();
    put_known(out, attribute::AS_PATH, false, octets);
    for segment in path.segments() {
        out.put_u8(segment.kind.code());
        out.put_u8(u8::try_from(segment.asns().len()).unwrap_or(u8::MAX));
        segment.asns().for_each(|asn: Asn| out.put_u16(asn.two_octets()));
    }
}
