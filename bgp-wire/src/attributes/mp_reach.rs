//! MP_REACH_NLRI (RFC 4760 §3, RFC 2545 §3, RFC 8950 §3, RFC 7606 §7.11).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              AFI              |     SAFI      | Next hop len. |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next hop: 4 octets (IPv4), 16 (IPv6), 32 (IPv6 and link-local)|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Reserved    |  NLRI (variable)                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::next_hop::is_host;
use crate::cursor::{Cursor, Short};
use crate::{Family, FaultKind, LinkLocalForm, NextHop};

/// The parts of the attribute; what the next hop's octets mean is [`next_hop`]'s to say.
pub(crate) struct MpReach<'a> {
    /// `None`: not a family of ours.
    pub(crate) family: Option<Family>,
    pub(crate) next_hop: &'a [u8],
    pub(crate) nlri: &'a [u8],
}

pub(crate) fn decode(value: &[u8]) -> Result<MpReach<'_>, Short> {
    let mut cursor = Cursor::new(value);
    let family = Family::from_afi_safi(cursor.u16()?, cursor.u8()?);
    let octets = cursor.u8()?;
    let next_hop = cursor.take(usize::from(octets))?;
    // RFC 4760 §3: the reserved octet is ignored.
    cursor.u8()?;
    Ok(MpReach { family, next_hop, nlri: cursor.rest() })
}

/// A next hop, and whether a second half that is no link-local address was left out.
pub(crate) type Decoded = (NextHop, bool);

/// The next hop of a family. [`FaultKind::NextHopLength`] is a length that no specification of
/// the family knows.
pub(crate) fn next_hop(octets: &[u8], family: Family) -> Result<Decoded, FaultKind> {
    let pair = match (octets.len(), family) {
        (4, Family::V4) => {
            let octets: [u8; 4] = octets.try_into().map_err(|_| FaultKind::NextHopLength)?;
            let address = Ipv4Addr::from(octets);
            return if is_host(address) {
                Ok((NextHop::V4(address), false))
            } else {
                Err(FaultKind::NextHopValue)
            };
        }
        (16 | 32, _) => octets.as_chunks::<16>().0,
        _ => return Err(FaultKind::NextHopLength),
    };
    let mut pair = pair.iter().copied().map(Ipv6Addr::from);
    let first = pair.next().ok_or(FaultKind::NextHopLength)?;
    ipv6(first, pair.next())
}

/// `G`, `G LL`, `LL`, `:: LL` and `LL LL`; of a pair whose second half is something else, the
/// first half alone.
fn ipv6(first: Ipv6Addr, second: Option<Ipv6Addr>) -> Result<Decoded, FaultKind> {
    let link_local = second.filter(Ipv6Addr::is_unicast_link_local);
    let left_out = second.is_some_and(|s| !s.is_unspecified()) && link_local.is_none();
    let next_hop = if first.is_unicast_link_local() {
        // RFC 2545 §3 has the link-local address second; alone or twice it is the first.
        NextHop::V6 { global: None, link_local: Some(link_local.unwrap_or(first)) }
    } else if first.is_unspecified() {
        let link_local = Some(link_local.ok_or(FaultKind::NextHopValue)?);
        NextHop::V6 { global: None, link_local }
    } else if first.is_multicast() {
        return Err(FaultKind::NextHopValue);
    } else {
        NextHop::V6 { global: Some(first), link_local }
    };
    Ok((next_hop, left_out))
}

/// Writes the length of the next hop, the next hop and the reserved octet; `false` when the
/// family cannot have it.
pub(crate) fn put_next_hop(
    next_hop: &NextHop,
    family: Family,
    form: LinkLocalForm,
    out: &mut BytesMut,
) -> bool {
    let (first, second) = match (next_hop, family) {
        (NextHop::V4(address), Family::V4) => {
            out.put_u8(4);
            out.put_u32(address.to_bits());
            out.put_u8(0);
            return true;
        }
        (NextHop::V4(_), Family::V6) | (NextHop::V6 { global: None, link_local: None }, _) => {
            return false;
        }
        (NextHop::V6 { global: Some(global), link_local }, _) => (*global, *link_local),
        (NextHop::V6 { global: None, link_local: Some(link_local) }, _) => match form {
            LinkLocalForm::Native => (Ipv6Addr::UNSPECIFIED, Some(*link_local)),
            LinkLocalForm::Single => (*link_local, None),
            LinkLocalForm::Double => (*link_local, Some(*link_local)),
        },
    };
    out.put_u8(if second.is_some() { 32 } else { 16 });
    out.put_slice(&first.octets());
    if let Some(second) = second {
        out.put_slice(&second.octets());
    }
    out.put_u8(0);
    true
}
