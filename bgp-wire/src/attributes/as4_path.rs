//! AS4_PATH (RFC 6793 §3, §4.2, §6): the four-octet numbers of a path that went through a
//! speaker with two. The value is that of AS_PATH with four-octet numbers.

use bytes::{BufMut, BytesMut};

use super::as_path::segment;
use super::raw::put_known;
use crate::as_path::{MAX_SEGMENT, put_segment};
use crate::cursor::Cursor;
use crate::iana::attribute;
use crate::{AsPath, Asn, FaultKind, SegmentKind};

/// Reads the path without its confederation segments, and tells whether there were any
/// (RFC 6793 §6). AS 0 is malformed (RFC 7607 §2).
pub(super) fn decode(value: &[u8]) -> Result<(AsPath, bool), FaultKind> {
    if value.len() < 6 {
        return Err(FaultKind::Length);
    }
    let mut cursor = Cursor::new(value);
    let mut out = BytesMut::with_capacity(value.len());
    let mut confederation = false;
    while !cursor.is_empty() {
        let (kind, asns) = segment(&mut cursor, 4)?;
        let asns = asns.as_chunks::<4>().0;
        if asns.contains(&[0; 4]) {
            return Err(FaultKind::AsZero);
        }
        if matches!(kind, SegmentKind::Set | SegmentKind::Sequence) {
            let asns = asns.iter().map(|asn| Asn(u32::from_be_bytes(*asn)));
            put_segment(&mut out, kind, asns);
        } else {
            confederation = true;
        }
    }
    Ok((AsPath::from_checked_octets(out.freeze()), confederation))
}

/// The path that AS_PATH (of two-octet origin) and AS4_PATH tell together: as much of the front
/// of AS_PATH as AS4_PATH lacks, then AS4_PATH. Where AS4_PATH is the longer one it is wrong,
/// and ignored (RFC 6793 §4.2.3).
pub(super) fn merge(as_path: AsPath, as4_path: &AsPath) -> AsPath {
    let Some(mut missing) = as_path.length().checked_sub(as4_path.length()) else {
        return as_path;
    };
    let mut segments: Vec<(SegmentKind, Vec<Asn>)> = Vec::new();
    for segment in as_path.segments() {
        if missing == 0 {
            break;
        }
        // A set counts as one, and is taken whole.
        let (taken, counted) = match segment.kind {
            SegmentKind::Sequence => (missing.min(segment.asns().len()), missing),
            _ => (segment.asns().len(), 1),
        };
        missing -= taken.min(counted);
        push(&mut segments, segment.kind, segment.asns().take(taken));
    }
    for segment in as4_path.segments() {
        push(&mut segments, segment.kind, segment.asns());
    }
    AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice())))
}

/// Adds a segment; a sequence continues the sequence before it, while the count lasts.
fn push(
    segments: &mut Vec<(SegmentKind, Vec<Asn>)>,
    kind: SegmentKind,
    asns: impl ExactSizeIterator<Item = Asn>,
) {
    match segments.last_mut() {
        Some((SegmentKind::Sequence, last))
            if kind == SegmentKind::Sequence && last.len() + asns.len() <= MAX_SEGMENT =>
        {
            last.extend(asns);
        }
        _ => segments.push((kind, asns.collect())),
    }
}

/// Written for a two-octet neighbour, when the path has a number that needs four; without
/// confederation segments (RFC 6793 §4.2.2).
pub(super) fn encode(path: &AsPath, out: &mut BytesMut) {
    if path.asns().all(|asn| asn.0 <= u32::from(u16::MAX)) {
        return;
    }
    let segments = path
        .segments()
        .filter(|segment| matches!(segment.kind, SegmentKind::Set | SegmentKind::Sequence));
    let octets = segments.clone().map(|segment| 2 + 4 * segment.asns().len()).sum();
    if octets == 0 {
        return;
    }
    put_known(out, attribute::AS4_PATH, false, octets);
    for segment in segments {
        out.put_u8(segment.kind.code());
        out.put_u8(u8::try_from(segment.asns().len()).unwrap_or(u8::MAX));
        segment.asns().for_each(|asn| out.put_u32(asn.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(asns: &[u32]) -> AsPath {
        AsPath::from_sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>())
    }

    #[test]
    fn rfc6793_s4_2_3_front_of_as_path_then_as4_path() {
        let merged = merge(seq(&[1, 2, 23456, 23456]), &seq(&[70000, 80000]));
        assert_eq!(merged, seq(&[1, 2, 70000, 80000]));
        assert_eq!(merge(seq(&[23456]), &seq(&[70000])), seq(&[70000]));
    }

    #[test]
    fn rfc6793_s4_2_3_longer_as4_path_is_ignored() {
        assert_eq!(merge(seq(&[1]), &seq(&[70000, 80000])), seq(&[1]));
    }

    #[test]
    fn rfc6793_s4_2_3_a_set_counts_one() {
        let as_path = AsPath::from_segments([
            (SegmentKind::Set, &[Asn(1), Asn(2)][..]),
            (SegmentKind::Sequence, &[Asn(23456), Asn(3)]),
        ]);
        assert_eq!(merge(as_path.clone(), &seq(&[70000, 3])).to_string(), "{1 2} 70000 3");
        assert_eq!(merge(as_path, &seq(&[3])).to_string(), "{1 2} 23456 3");
    }

    #[test]
    fn rfc6793_s4_2_3_merge_beyond_a_segment_starts_another() {
        let merged = merge(seq(&[7; 300]), &seq(&[70000; 200]));
        assert_eq!(merged.length(), 300);
        assert_eq!(merged.asns().filter(|asn| asn.0 == 70000).count(), 200);
        assert!(merged.segments().all(|segment| segment.asns().len() <= 255));
    }
}
