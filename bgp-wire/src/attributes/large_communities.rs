//! Large communities (RFC 8092 §3, §5, §6).
//!
//! ```text
//! repeated:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Global administrator                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Local data part 1                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Local data part 2                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::collections::HashSet;

use bytes::{BufMut, BytesMut};

use super::raw::put_known;
use crate::cursor::{Cursor, Short};
use crate::iana::attribute;
use crate::{FaultKind, LargeCommunity};

const OCTETS: usize = 12;

/// Up to here, looking at all before is faster than a hash table.
const FEW: usize = 32;

/// Reads the communities without duplicates, in the order of their first appearance
/// (RFC 8092 §5).
pub(super) fn decode(value: &[u8]) -> Result<Box<[LargeCommunity]>, FaultKind> {
    if value.is_empty() || !value.len().is_multiple_of(OCTETS) {
        return Err(FaultKind::Length);
    }
    let mut cursor = Cursor::new(value);
    let mut communities = Vec::with_capacity(value.len() / OCTETS);
    while let Ok(community) = read(&mut cursor) {
        communities.push(community);
    }
    Ok(without_duplicates(communities).into())
}

fn read(cursor: &mut Cursor<'_>) -> Result<LargeCommunity, Short> {
    Ok(LargeCommunity { global: cursor.u32()?, local1: cursor.u32()?, local2: cursor.u32()? })
}

fn without_duplicates(mut communities: Vec<LargeCommunity>) -> Vec<LargeCommunity> {
    if communities.len() > FEW {
        let mut seen = HashSet::with_capacity(communities.len());
        communities.retain(|community| seen.insert(*community));
        return communities;
    }
    let mut kept: Vec<LargeCommunity> = Vec::with_capacity(communities.len());
    for community in communities {
        if !kept.contains(&community) {
            kept.push(community);
        }
    }
    kept
}

pub(super) fn encode(communities: &[LargeCommunity], partial: bool, out: &mut BytesMut) {
    if !communities.is_empty() {
        put_known(out, attribute::LARGE_COMMUNITIES, partial, OCTETS * communities.len());
        for community in communities {
            out.put_u32(community.global);
            out.put_u32(community.local1);
            out.put_u32(community.local2);
        }
    }
}
