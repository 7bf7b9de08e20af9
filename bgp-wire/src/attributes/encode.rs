//! All attributes but next hop and NLRI, in ascending order of type (RFC 4271 §5).

use bytes::BytesMut;
use smallvec::SmallVec;

use super::{KnownAttribute, PathAttributes, RawAttribute, unknown};
use super::{
    aggregator, as_path, as4_path, atomic_aggregate, communities, extended_communities,
    ipv6_extended_communities, large_communities, med, next_hop, origin, otc,
};
use crate::NextHop;
use crate::iana::attribute as code;

/// Writes the attributes. NEXT_HOP is among them for `classic` NLRI only. A two-octet neighbour
/// also gets AS4_PATH and AS4_AGGREGATOR (RFC 6793 §4.2.2).
pub(crate) fn encode_all(
    attributes: &PathAttributes,
    four_octet_as: bool,
    classic: bool,
    out: &mut BytesMut,
) {
    let mut unknown: SmallVec<[&RawAttribute; 8]> = attributes.unknown.iter().collect();
    // Stable: should one type be there twice, the order stays.
    unknown.sort_by_key(|attribute| attribute.code);
    let mut unknown = unknown.into_iter().peekable();
    for code in KNOWN {
        while let Some(attribute) = unknown.next_if(|attribute| attribute.code < code) {
            unknown::encode(attribute, out);
        }
        put_known(attributes, code, four_octet_as, classic, out);
    }
    unknown.for_each(|attribute| unknown::encode(attribute, out));
}

/// What can be written, in order.
const KNOWN: [u8; 13] = [
    code::ORIGIN,
    code::AS_PATH,
    code::NEXT_HOP,
    code::MULTI_EXIT_DISC,
    code::ATOMIC_AGGREGATE,
    code::AGGREGATOR,
    code::COMMUNITIES,
    code::EXTENDED_COMMUNITIES,
    code::AS4_PATH,
    code::AS4_AGGREGATOR,
    code::IPV6_EXTENDED_COMMUNITIES,
    code::LARGE_COMMUNITIES,
    code::ONLY_TO_CUSTOMER,
];

fn put_known(a: &PathAttributes, code: u8, four_octet_as: bool, classic: bool, out: &mut BytesMut) {
    let partial = |attribute: KnownAttribute| a.partial.contains(attribute);
    match code {
        code::ORIGIN => origin::encode(a.origin, out),
        code::AS_PATH => as_path::encode(&a.as_path, four_octet_as, out),
        code::NEXT_HOP => {
            if let (true, NextHop::V4(address)) = (classic, a.next_hop) {
                next_hop::encode(address, out);
            }
        }
        code::MULTI_EXIT_DISC => a.med.into_iter().for_each(|med| med::encode(med, out)),
        code::ATOMIC_AGGREGATE if a.atomic_aggregate => atomic_aggregate::encode(out),
        code::AGGREGATOR => {
            if let Some(value) = a.aggregator {
                let partial = partial(KnownAttribute::Aggregator);
                aggregator::encode(value, partial, four_octet_as, out);
            }
        }
        code::COMMUNITIES => {
            communities::encode(&a.communities, partial(KnownAttribute::Communities), out);
        }
        code::EXTENDED_COMMUNITIES => extended_communities::encode(
            &a.extended_communities,
            partial(KnownAttribute::ExtendedCommunities),
            out,
        ),
        code::AS4_PATH if !four_octet_as => as4_path::encode(&a.as_path, out),
        code::AS4_AGGREGATOR if !four_octet_as => {
            if let Some(value) = a.aggregator {
                aggregator::encode_as4(value, partial(KnownAttribute::As4Aggregator), out);
            }
        }
        code::IPV6_EXTENDED_COMMUNITIES => ipv6_extended_communities::encode(
            &a.ipv6_extended_communities,
            partial(KnownAttribute::Ipv6ExtendedCommunities),
            out,
        ),
        code::LARGE_COMMUNITIES => large_communities::encode(
            &a.large_communities,
            partial(KnownAttribute::LargeCommunities),
            out,
        ),
        code::ONLY_TO_CUSTOMER => {
            if let Some(asn) = a.otc {
                otc::encode(asn, partial(KnownAttribute::OnlyToCustomer), out);
            }
        }
        _ => {}
    }
}
