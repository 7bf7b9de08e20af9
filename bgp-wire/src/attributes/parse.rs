//! From attribute octets to values (RFC 4271 §6.3, RFC 7606 §3, §7).

use smallvec::SmallVec;

use super::raw::{Overrun, Raw, RawAttributes, Seen};
use super::{Aggregator, KnownAttribute, Origin, ParsedAttributes, PathAttributes, RawAttribute};
use super::{
    aggregator, as_path, as4_path, atomic_aggregate, communities, discarded, extended_communities,
    ipv6_extended_communities, large_communities, med, origin, otc, unknown,
};
use crate::iana::attribute as code;
use crate::{AsPath, Asn, DecodeContext, Fault, FaultAction, FaultKind, NextHop};

/// Reads the attribute octets that [`crate::decode_update`] left. An error asks for
/// treat-as-withdraw of all routes that came with them; faults that only cost an attribute are
/// in [`ParsedAttributes::faults`].
pub fn parse_attributes(
    attributes: &[u8],
    next_hop: NextHop,
    cx: &DecodeContext,
) -> Result<ParsedAttributes, Fault> {
    Parser::run(attributes, next_hop, cx)?.finish()
}

/// The strongest fault of attributes that no route goes with: a missing one is none.
pub(crate) fn check_attributes(attributes: &[u8], cx: &DecodeContext) -> Result<(), Fault> {
    let nowhere = NextHop::V4(std::net::Ipv4Addr::UNSPECIFIED);
    Parser::run(attributes, nowhere, cx).map(|_| ())
}

struct Parser {
    four_octet_as: bool,
    seen: Seen,
    origin: Option<Origin>,
    as_path: Option<AsPath>,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<(Aggregator, bool)>,
    unknown: Vec<RawAttribute>,
    /// All that needs no second look.
    attributes: PathAttributes,
    faults: SmallVec<[Fault; 2]>,
}

impl Parser {
    fn run(octets: &[u8], next_hop: NextHop, cx: &DecodeContext) -> Result<Self, Fault> {
        let mut parser = Self {
            four_octet_as: cx.four_octet_as,
            seen: Seen::default(),
            origin: None,
            as_path: None,
            as4_path: None,
            as4_aggregator: None,
            unknown: Vec::new(),
            attributes: PathAttributes::new(AsPath::empty(), next_hop),
            faults: SmallVec::new(),
        };
        for raw in RawAttributes::new(octets) {
            let raw = raw.map_err(|Overrun { code }| Fault {
                attribute: code,
                ..Fault::withdraw(0, FaultKind::Overrun)
            })?;
            parser.attribute(&raw)?;
        }
        Ok(parser)
    }

    fn attribute(&mut self, raw: &Raw<'_>) -> Result<(), Fault> {
        if !self.seen.first(raw.code) {
            // RFC 7606 §3 g: all but the first are discarded.
            self.faults.push(Fault::discard(raw.code, FaultKind::Duplicate));
            return Ok(());
        }
        if discarded::is_discarded(raw.code) {
            self.faults.push(discarded::discard(raw)?);
            return Ok(());
        }
        if !raw.flags_fit() {
            // RFC 7606 §3 c.
            return Err(Fault::withdraw(raw.code, FaultKind::Flags));
        }
        let withdraw = |kind| Fault::withdraw(raw.code, kind);
        match raw.code {
            code::ORIGIN => self.origin = Some(origin::decode(raw.value).map_err(withdraw)?),
            code::AS_PATH => {
                let path = as_path::decode(raw.value, self.four_octet_as);
                self.as_path = Some(path.map_err(withdraw)?);
            }
            code::MULTI_EXIT_DISC => {
                self.attributes.med = Some(med::decode(raw.value).map_err(withdraw)?);
            }
            code::ATOMIC_AGGREGATE | code::AGGREGATOR | code::AS4_PATH | code::AS4_AGGREGATOR => {
                // RFC 7606 §7.6, §7.7, RFC 6793 §6: the attribute goes, the routes stay.
                if let Err(kind) = self.discardable(raw) {
                    self.faults.push(Fault::discard(raw.code, kind));
                }
            }
            _ => self.communities_and_others(raw).map_err(withdraw)?,
        }
        Ok(())
    }

    fn discardable(&mut self, raw: &Raw<'_>) -> Result<(), FaultKind> {
        match raw.code {
            code::ATOMIC_AGGREGATE => {
                atomic_aggregate::decode(raw.value)?;
                self.attributes.atomic_aggregate = true;
            }
            code::AGGREGATOR => {
                let aggregator = aggregator::decode(raw.value, self.four_octet_as)?;
                self.attributes.aggregator = Some(aggregator);
                self.note_partial(raw, KnownAttribute::Aggregator);
            }
            // RFC 6793 §6: not between two speakers with four octets.
            _ if self.four_octet_as => return Err(FaultKind::NotNegotiated),
            code::AS4_PATH => {
                let (path, confederation) = as4_path::decode(raw.value)?;
                self.as4_path = Some(path);
                if confederation {
                    // Only these segments are discarded, but it is worth telling.
                    return Err(FaultKind::Value);
                }
            }
            _ => {
                let aggregator = aggregator::decode(raw.value, true)?;
                self.as4_aggregator = Some((aggregator, raw.is_partial()));
            }
        }
        Ok(())
    }

    fn communities_and_others(&mut self, raw: &Raw<'_>) -> Result<(), FaultKind> {
        let a = &mut self.attributes;
        let known = match raw.code {
            code::COMMUNITIES => {
                a.communities = communities::decode(raw.value)?;
                KnownAttribute::Communities
            }
            code::EXTENDED_COMMUNITIES => {
                a.extended_communities = extended_communities::decode(raw.value)?;
                KnownAttribute::ExtendedCommunities
            }
            code::IPV6_EXTENDED_COMMUNITIES => {
                a.ipv6_extended_communities = ipv6_extended_communities::decode(raw.value)?;
                KnownAttribute::Ipv6ExtendedCommunities
            }
            code::LARGE_COMMUNITIES => {
                a.large_communities = large_communities::decode(raw.value)?;
                KnownAttribute::LargeCommunities
            }
            code::ONLY_TO_CUSTOMER => {
                a.otc = Some(otc::decode(raw.value)?);
                KnownAttribute::OnlyToCustomer
            }
            // Not among the octets that `decode_update` leaves.
            code::NEXT_HOP | code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => return Ok(()),
            _ => {
                self.unknown.extend(unknown::decode(raw));
                return Ok(());
            }
        };
        self.note_partial(raw, known);
        Ok(())
    }

    fn note_partial(&mut self, raw: &Raw<'_>, known: KnownAttribute) {
        if raw.is_partial() {
            self.attributes.partial.insert(known);
        }
    }

    fn finish(mut self) -> Result<ParsedAttributes, Fault> {
        let missing = |code| Fault::withdraw(code, FaultKind::Missing);
        self.attributes.origin = self.origin.ok_or_else(|| missing(code::ORIGIN))?;
        let as_path = self.as_path.take().ok_or_else(|| missing(code::AS_PATH))?;
        self.attributes.as_path = self.merge_four_octets(as_path);
        self.attributes.unknown = self.unknown.into();
        debug_assert!(self.faults.iter().all(|f| f.action == FaultAction::AttributeDiscard));
        Ok(ParsedAttributes { attributes: self.attributes, faults: self.faults })
    }

    /// RFC 6793 §4.2.3: an AGGREGATOR that is not AS_TRANS beside an AS4_AGGREGATOR tells that
    /// somebody with two octets aggregated since, and then neither AS4 attribute counts.
    fn merge_four_octets(&mut self, as_path: AsPath) -> AsPath {
        if let (Some(two), Some((four, partial))) =
            (self.attributes.aggregator, self.as4_aggregator)
        {
            if two.asn != Asn::TRANS {
                return as_path;
            }
            self.attributes.aggregator = Some(four);
            // RFC 4271 §5: Partial is the attribute's own. That of AGGREGATOR was noted; this one
            // is kept where AS4_AGGREGATOR would be written again.
            if partial && four.asn.0 > u32::from(u16::MAX) {
                self.attributes.partial.insert(KnownAttribute::As4Aggregator);
            }
        }
        match &self.as4_path {
            Some(as4_path) => as4_path::merge(as_path, as4_path),
            None => as_path,
        }
    }
}
