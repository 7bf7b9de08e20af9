//! AS paths as values (RFC 4271 §4.3, §5.1.2).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Asn, iana};

/// An AS path: whole segments of four-octet numbers, in wire form. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct AsPath(Bytes);

/// The kind of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentKind {
    /// AS_SET (RFC 4271 §4.3; deprecated by RFC 9774).
    Set,
    /// AS_SEQUENCE (RFC 4271 §4.3).
    Sequence,
    /// AS_CONFED_SEQUENCE (RFC 5065 §3).
    ConfedSequence,
    /// AS_CONFED_SET (RFC 5065 §3).
    ConfedSet,
}

impl SegmentKind {
    /// The kind of a code point.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            iana::segment::AS_SET => Some(Self::Set),
            iana::segment::AS_SEQUENCE => Some(Self::Sequence),
            iana::segment::AS_CONFED_SEQUENCE => Some(Self::ConfedSequence),
            iana::segment::AS_CONFED_SET => Some(Self::ConfedSet),
            _ => None,
        }
    }

    /// The code point.
    pub const fn code(self) -> u8 {
        match self {
            Self::Set => iana::segment::AS_SET,
            Self::Sequence => iana::segment::AS_SEQUENCE,
            Self::ConfedSequence => iana::segment::AS_CONFED_SEQUENCE,
            Self::ConfedSet => iana::segment::AS_CONFED_SET,
        }
    }
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its kind.
    pub kind: SegmentKind,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The AS numbers.
    pub fn asns(&self) -> impl DoubleEndedIterator<Item = Asn> + ExactSizeIterator + use<'a> {
        self.octets.as_chunks::<4>().0.iter().map(|octets| Asn(u32::from_be_bytes(*octets)))
    }
}

/// The most AS numbers that a segment holds: its count is one octet.
pub(crate) const MAX_SEGMENT: usize = 255;

impl AsPath {
    /// The empty path.
    pub const fn empty() -> Self {
        Self(Bytes::new())
    }

    /// A path of one sequence (of more where 255 numbers do not suffice).
    pub fn from_sequence(asns: &[Asn]) -> Self {
        let mut octets = BytesMut::with_capacity(2 + 4 * asns.len());
        for chunk in asns.chunks(MAX_SEGMENT) {
            put_segment(&mut octets, SegmentKind::Sequence, chunk.iter().copied());
        }
        Self(octets.freeze())
    }

    /// A path of the segments given; empty ones are left out, long ones divided.
    pub fn from_segments<'s>(segments: impl IntoIterator<Item = (SegmentKind, &'s [Asn])>) -> Self {
        let mut octets = BytesMut::new();
        for (kind, asns) in segments {
            for chunk in asns.chunks(MAX_SEGMENT) {
                put_segment(&mut octets, kind, chunk.iter().copied());
            }
        }
        Self(octets.freeze())
    }

    /// A path of octets that were checked to be whole, non-empty segments of known kinds.
    pub(crate) fn from_checked_octets(octets: Bytes) -> Self {
        Self(octets)
    }

    /// The wire form, with four-octet numbers.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Has the path no segment?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The segments.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let [kind, count, tail @ ..] = rest else { return None };
            let (octets, tail) = tail.split_at_checked(4 * usize::from(*count))?;
            rest = tail;
            Some(Segment { kind: SegmentKind::from_code(*kind)?, octets })
        })
    }

    /// All AS numbers from left to right, those of sets included.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + Clone + '_ {
        self.segments()
            .flat_map(|segment| segment.octets.as_chunks::<4>().0)
            .map(|octets| Asn(u32::from_be_bytes(*octets)))
    }

    /// The length for route selection: a set counts one (RFC 4271 §9.1.2.2), a confederation
    /// segment nothing (RFC 5065 §5.3).
    pub fn length(&self) -> usize {
        self.segments()
            .map(|segment| match segment.kind {
                SegmentKind::Sequence => segment.octets.len() / 4,
                SegmentKind::Set => 1,
                SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
            })
            .sum()
    }

    /// The leftmost AS, when the path starts with a sequence.
    pub fn first(&self) -> Option<Asn> {
        self.segments().next().filter(|s| s.kind == SegmentKind::Sequence)?.asns().next()
    }

    /// The rightmost AS; `None` when the path ends in a set.
    pub fn origin(&self) -> Option<Asn> {
        self.segments().last().filter(|s| s.kind == SegmentKind::Sequence)?.asns().next_back()
    }

    /// Is there a set, or a confederation segment? (RFC 9774, RFC 5065 §5)
    pub fn has_set_or_confed(&self) -> bool {
        self.segments().any(|segment| segment.kind != SegmentKind::Sequence)
    }

    /// Is an AS anywhere in the path?
    pub fn contains(&self, asn: Asn) -> bool {
        self.asns().any(|one| one == asn)
    }

    /// The path with an AS put in front of it `times` times (RFC 4271 §5.1.2).
    #[must_use]
    pub fn prepend(&self, asn: Asn, times: u8) -> Self {
        if times == 0 {
            return self.clone();
        }
        let mut octets = BytesMut::with_capacity(self.0.len() + 2 + 4 * usize::from(times));
        let new = std::iter::repeat_n(asn, usize::from(times));
        match self.segments().next() {
            Some(first)
                if first.kind == SegmentKind::Sequence
                    && first.octets.len() / 4 + usize::from(times) <= MAX_SEGMENT =>
            {
                let old = first.asns();
                let rest = self.0.get(2 + first.octets.len()..).unwrap_or_default();
                octets.put_u8(SegmentKind::Sequence.code());
                octets.put_u8(u8::try_from(old.len()).unwrap_or(u8::MAX).saturating_add(times));
                new.chain(old).for_each(|one| octets.put_u32(one.0));
                octets.put_slice(rest);
            }
            _ => {
                put_segment(&mut octets, SegmentKind::Sequence, new);
                octets.put_slice(&self.0);
            }
        }
        Self(octets.freeze())
    }
}

/// Writes a segment of at most [`MAX_SEGMENT`] numbers.
pub(crate) fn put_segment(
    out: &mut BytesMut,
    kind: SegmentKind,
    asns: impl ExactSizeIterator<Item = Asn>,
) {
    out.put_u8(kind.code());
    out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
    asns.take(MAX_SEGMENT).for_each(|asn| out.put_u32(asn.0));
}

impl fmt::Display for AsPath {
    /// `1 2 {3 4} (5 6) [7]`: sequence, set, confederation sequence, confederation set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments().enumerate() {
            let (open, close) = match segment.kind {
                SegmentKind::Sequence => ("", ""),
                SegmentKind::Set => ("{", "}"),
                SegmentKind::ConfedSequence => ("(", ")"),
                SegmentKind::ConfedSet => ("[", "]"),
            };
            write!(f, "{}{open}", if index > 0 { " " } else { "" })?;
            for (index, asn) in segment.asns().enumerate() {
                write!(f, "{}{asn}", if index > 0 { " " } else { "" })?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(asns: &[u32]) -> AsPath {
        AsPath::from_sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>())
    }

    #[test]
    fn facts_of_a_path_with_a_set() {
        let path = AsPath::from_segments([
            (SegmentKind::Sequence, &[Asn(1), Asn(2)][..]),
            (SegmentKind::Set, &[Asn(3), Asn(4)]),
        ]);
        assert_eq!(path.to_string(), "1 2 {3 4}");
        assert_eq!(path.length(), 3);
        assert_eq!(path.first(), Some(Asn(1)));
        assert_eq!(path.origin(), None);
        assert!(path.has_set_or_confed() && path.contains(Asn(4)));
        assert_eq!(path.asns().collect::<Vec<_>>(), [1, 2, 3, 4].map(Asn));
    }

    #[test]
    fn the_empty_path_has_no_ends() {
        let path = AsPath::empty();
        assert_eq!((path.length(), path.first(), path.origin()), (0, None, None));
        assert_eq!(path.to_string(), "");
        assert_eq!(seq(&[]), path);
    }

    #[test]
    fn rfc5065_s5_3_confederation_segments_count_nothing() {
        let path = AsPath::from_segments([
            (SegmentKind::ConfedSequence, &[Asn(1), Asn(2)][..]),
            (SegmentKind::ConfedSet, &[Asn(3)]),
            (SegmentKind::Sequence, &[Asn(5)]),
        ]);
        assert_eq!(path.length(), 1);
        assert_eq!(path.first(), None);
        assert_eq!(path.to_string(), "(1 2) [3] 5");
    }

    #[test]
    fn rfc4271_s5_1_2_prepend_extends_the_first_sequence() {
        assert_eq!(seq(&[2, 3]).prepend(Asn(1), 2), seq(&[1, 1, 2, 3]));
        assert_eq!(AsPath::empty().prepend(Asn(1), 1), seq(&[1]));
        assert_eq!(seq(&[2]).prepend(Asn(1), 0), seq(&[2]));
        let set = AsPath::from_segments([(SegmentKind::Set, &[Asn(9)][..])]);
        assert_eq!(set.prepend(Asn(1), 1).to_string(), "1 {9}");
    }

    #[test]
    fn rfc4271_s5_1_2_prepend_to_a_full_segment_starts_a_new_one() {
        let full = seq(&[7; 255]);
        let longer = full.prepend(Asn(1), 1);
        assert_eq!(longer.segments().count(), 2);
        assert_eq!(longer.length(), 256);
        assert_eq!(longer.first(), Some(Asn(1)));
        assert_eq!(
            seq(&[7; 300]).segments().map(|s| s.asns().len()).collect::<Vec<_>>(),
            [255, 45]
        );
    }
}
