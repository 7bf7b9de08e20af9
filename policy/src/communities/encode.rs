//! From patterns to values.

use bgp_wire::{Asn, Community, ExtendedCommunity, LargeCommunity};
use smallvec::SmallVec;

use super::key::CommunityKey;
use super::pattern::{ExtendedKind, Pattern, Term};
use crate::error::NotEncodable;

/// Values for the variables of a pattern.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Values {
    pub(crate) asn: Asn,
    pub(crate) short_asn: Option<u16>,
    pub(crate) peer: Option<(Asn, Option<u16>)>,
    pub(crate) code: Option<u32>,
    pub(crate) location: Option<u32>,
}

/// Communities that agree with `key` where `mask` has bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Masked {
    pub(crate) key: CommunityKey,
    pub(crate) mask: u128,
}

/// A number, or anything.
type Part = Option<u32>;

impl Values {
    /// All communities that a pattern stands for; an extended one may have two forms.
    pub(crate) fn encode(&self, pattern: &Pattern) -> Result<SmallVec<[Masked; 2]>, NotEncodable> {
        match *pattern {
            Pattern::Standard([a, b]) => {
                let (a, b) = (self.short_part(a)?, self.short_part(b)?);
                let key = Community::new(value16(a), value16(b)).into();
                let mask = clear(a, 0xFFFF, 16) & clear(b, 0xFFFF, 0);
                Ok(SmallVec::from_slice(&[Masked { key, mask }]))
            }
            Pattern::Extended(kind, [a, b]) => extended(kind, self.part(a)?, self.part(b)?),
            Pattern::Large(terms) => {
                let [a, b, c] = terms.map(|term| self.part(term));
                let (a, b, c) = (a?, b?, c?);
                let key = CommunityKey::from(LargeCommunity {
                    global: a.unwrap_or(0),
                    local1: b.unwrap_or(0),
                    local2: c.unwrap_or(0),
                });
                let wide = u128::from(u32::MAX);
                let mask = clear(a, wide, 64) & clear(b, wide, 32) & clear(c, wide, 0);
                Ok(SmallVec::from_slice(&[Masked { key, mask }]))
            }
        }
    }

    /// The one community to put on a route.
    pub(crate) fn encode_one(&self, pattern: &Pattern) -> Result<CommunityKey, NotEncodable> {
        let forms = self.encode(pattern)?;
        match forms.first() {
            Some(masked) if masked.mask == u128::MAX => Ok(masked.key),
            _ => Err(NotEncodable::Wildcard),
        }
    }

    /// A part of 16 bits.
    fn short_part(&self, term: Term) -> Result<Part, NotEncodable> {
        let wide = match term {
            Term::Rs => {
                return self.short_asn.map(u32::from).map(Some).ok_or(NotEncodable::NoShortAsn);
            }
            Term::Peer => match self.peer {
                Some((_, Some(alias))) => return Ok(Some(alias.into())),
                _ => self.part(term)?,
            },
            _ => self.part(term)?,
        };
        match wide {
            Some(number) if number > 0xFFFF => Err(NotEncodable::TooWide(number)),
            fits => Ok(fits),
        }
    }

    /// A part of 32 bits.
    fn part(&self, term: Term) -> Result<Part, NotEncodable> {
        let value = match term {
            Term::Number(number) => Some(number),
            Term::Rs => Some(self.asn.0),
            Term::Peer => self.peer.map(|(asn, _)| asn.0),
            Term::Code => self.code,
            Term::Location => self.location,
            Term::Any => return Ok(None),
        };
        value.map(Some).ok_or_else(|| NotEncodable::NoValue(term.variable().unwrap_or("$rs")))
    }
}

/// Types 0x00 (16 bits, then 32) and 0x02 (32 bits, then 16) alike, as far as the parts fit
/// (RFC 4360 §3.1, RFC 5668 §2).
fn extended(kind: ExtendedKind, a: Part, b: Part) -> Result<SmallVec<[Masked; 2]>, NotEncodable> {
    let mut forms = SmallVec::new();
    let (global, local) = (a.unwrap_or(0), b.unwrap_or(0));
    if let Ok(global) = u16::try_from(global) {
        let key = ExtendedCommunity::two_octet_as(kind.sub_type(), global, local).into();
        forms.push(Masked { key, mask: clear(a, 0xFFFF, 32) & clear(b, u32::MAX.into(), 0) });
    }
    if let Ok(local) = u16::try_from(local) {
        let key = ExtendedCommunity::four_octet_as(kind.sub_type(), global, local).into();
        forms.push(Masked { key, mask: clear(a, u32::MAX.into(), 16) & clear(b, 0xFFFF, 0) });
    }
    if forms.is_empty() { Err(NotEncodable::NeitherForm(global, local)) } else { Ok(forms) }
}

fn value16(part: Part) -> u16 {
    // `short_part` has refused what does not fit.
    part.and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

/// All bits, but for those of a part that may be anything.
fn clear(part: Part, width: u128, shift: u32) -> u128 {
    if part.is_some() { u128::MAX } else { !(width << shift) }
}
