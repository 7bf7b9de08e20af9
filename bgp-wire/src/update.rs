//! UPDATE: from octets to reach, unreach and attribute octets (RFC 4271 §4.3, RFC 7606).

use smallvec::SmallVec;

use crate::attributes::raw::{Overrun, Raw, RawAttributes, Seen, expected_flags};
use crate::attributes::{check_attributes, mp_reach, mp_unreach, next_hop};
use crate::cursor::{Cursor, Short};
use crate::iana::attribute as code;
use crate::nlri::decode_all;
use crate::{Families, Family, Fault, FaultAction, FaultKind, NextHop, Nlri, Notification};

/// What was negotiated and decides how an UPDATE reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeContext {
    /// AS numbers have four octets in AS_PATH and AGGREGATOR (RFC 6793).
    pub four_octet_as: bool,
    /// NLRI of the family (by [`Family::index`]) has a path identifier (RFC 7911).
    pub add_path_receive: [bool; 2],
    /// The families in use.
    pub families: Families,
    /// IPv4 NLRI may come with an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
}

/// A decoded UPDATE: buffers to reuse from message to message.
///
/// ```text
/// +-----------------------------------------------------+
/// |   Withdrawn Routes Length (2 octets)                |
/// +-----------------------------------------------------+
/// |   Withdrawn Routes (variable)                       |
/// +-----------------------------------------------------+
/// |   Total Path Attribute Length (2 octets)            |
/// +-----------------------------------------------------+
/// |   Path Attributes (variable)                        |
/// +-----------------------------------------------------+
/// |   Network Layer Reachability Information (variable) |
/// +-----------------------------------------------------+
/// ```
///
/// No route is in both `unreach` and `reach`: an announcement wins (RFC 4271 §4.3). A prefix
/// that came by NLRI and by MP_REACH_NLRI is in both entries of `reach`; the later one counts.
#[derive(Debug, Clone, Default)]
pub struct DecodedUpdate {
    /// What is withdrawn, also by way of treat-as-withdraw.
    pub unreach: Vec<Nlri>,
    /// What is announced: at most once by NLRI and once by MP_REACH_NLRI.
    pub reach: SmallVec<[Reach; 2]>,
    /// The attributes as they came, in order, without NEXT_HOP, MP_REACH_NLRI and
    /// MP_UNREACH_NLRI: with [`Reach::next_hop`] the key of an attribute set.
    pub attributes: Vec<u8>,
    /// The message is an End-of-RIB marker (RFC 4724 §2).
    pub end_of_rib: Option<Family>,
    /// What was wrong and did not end the session.
    pub faults: SmallVec<[Fault; 2]>,
    /// Emptied buffers of earlier messages.
    spare: SmallVec<[Vec<Nlri>; 2]>,
}

impl PartialEq for DecodedUpdate {
    fn eq(&self, other: &Self) -> bool {
        self.unreach == other.unreach
            && self.reach == other.reach
            && self.attributes == other.attributes
            && self.end_of_rib == other.end_of_rib
            && self.faults == other.faults
    }
}

impl Eq for DecodedUpdate {}

/// Announced routes that share a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The family of the NLRI.
    pub family: Family,
    /// The next hop, whose own family may be another (RFC 8950).
    pub next_hop: NextHop,
    /// The routes.
    pub nlri: Vec<Nlri>,
}

impl DecodedUpdate {
    /// Empties everything; the buffers stay.
    pub fn clear(&mut self) {
        self.unreach.clear();
        self.attributes.clear();
        self.end_of_rib = None;
        self.faults.clear();
        for Reach { mut nlri, .. } in self.reach.drain(..) {
            nlri.clear();
            // More than two would only be there if somebody put them there.
            if nlri.capacity() > 0 && self.spare.len() < 2 {
                self.spare.push(nlri);
            }
        }
    }

    /// Withdraws what the message announces, and notes why (RFC 7606 §2). For a fault that
    /// [`crate::parse_attributes`] finds; [`decode_update`] has done it for those it finds.
    pub fn treat_as_withdraw(&mut self, fault: Fault) {
        self.faults.push(fault);
        self.withdraw_reach();
    }

    fn withdraw_reach(&mut self) {
        for Reach { mut nlri, .. } in self.reach.drain(..) {
            self.unreach.append(&mut nlri);
            if self.spare.len() < 2 {
                self.spare.push(nlri);
            }
        }
    }

    /// Takes out of `unreach` what the message announces as well: "as though the WITHDRAWN
    /// ROUTES do not contain the address prefix" (RFC 4271 §4.3).
    fn announcement_wins(&mut self) {
        if self.unreach.is_empty() || self.reach.is_empty() {
            return;
        }
        // The order within a message means nothing, and sorting bounds the work.
        self.reach.iter_mut().for_each(|reach| reach.nlri.sort_unstable());
        let reach = &self.reach;
        self.unreach.retain(|one| reach.iter().all(|r| r.nlri.binary_search(one).is_err()));
    }

    fn add_reach(&mut self, family: Family, next_hop: NextHop, nlri: Vec<Nlri>) {
        if nlri.is_empty() {
            self.spare.push(nlri);
        } else {
            self.reach.push(Reach { family, next_hop, nlri });
        }
    }
}

/// Takes the body of an UPDATE apart. `out` is overwritten; its buffers are reused.
///
/// An error is the NOTIFICATION of a session reset; all else is told in [`DecodedUpdate::faults`].
/// What RFC 7606 leaves to choose between session reset and AFI/SAFI disable is a session reset:
/// a family that stays dead until somebody notices is worse for a member than a restart.
pub fn decode_update(
    body: &[u8],
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<(), Notification> {
    out.clear();
    let sections = Sections::of(body)?;
    let attributes = Attributes::scan(sections.attributes, out)?;
    if let Some(marker) = end_of_rib(&sections, &attributes) {
        if cx.families.contains(marker) {
            out.end_of_rib = Some(marker);
        } else {
            out.faults.push(Fault::not_negotiated(None, Some(marker)));
        }
        return Ok(());
    }
    withdrawn_routes(sections.withdrawn, cx, out)?;
    if let Some(raw) = &attributes.mp_unreach {
        mp_unreach_nlri(raw, cx, out)?;
    }
    let announced = classic_nlri(sections.nlri, &attributes, cx, out)?
        | match &attributes.mp_reach {
            Some(raw) => mp_reach_nlri(raw, cx, out)?,
            None => false,
        };
    message_faults(&attributes, announced, out);
    settle(&attributes, announced, cx, out)
}

/// The three variable parts of a body.
struct Sections<'a> {
    withdrawn: &'a [u8],
    attributes: &'a [u8],
    nlri: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Lengths that exceed the message are a session reset (RFC 7606 §3 b).
    fn of(body: &'a [u8]) -> Result<Self, Notification> {
        let mut cursor = Cursor::new(body);
        let mut part = || -> Result<&'a [u8], Short> {
            let octets = cursor.u16()?;
            cursor.take(usize::from(octets))
        };
        let malformed = |Short| Notification::malformed_attribute_list();
        let withdrawn = part().map_err(malformed)?;
        let attributes = part().map_err(malformed)?;
        Ok(Self { withdrawn, attributes, nlri: cursor.rest() })
    }
}

/// What a walk over the attributes finds without looking into most of them.
#[derive(Default)]
struct Attributes<'a> {
    next_hop: Option<Raw<'a>>,
    mp_reach: Option<Raw<'a>>,
    mp_unreach: Option<Raw<'a>>,
    origin: bool,
    as_path: bool,
    /// There is an attribute besides MP_UNREACH_NLRI.
    others: bool,
    /// Types that we do not know.
    unknown: Seen,
    overrun: Option<Overrun>,
}

impl<'a> Attributes<'a> {
    /// Walks over the attributes, copies those of the intern key, and finds what ends the
    /// session whatever else is wrong (RFC 7606 §3 h).
    fn scan(octets: &'a [u8], out: &mut DecodedUpdate) -> Result<Self, Notification> {
        let mut found = Self::default();
        for raw in RawAttributes::new(octets) {
            match raw {
                Ok(raw) => found.add(raw, out)?,
                Err(overrun) => {
                    found.others = true;
                    found.overrun = Some(overrun);
                }
            }
        }
        // The routes of an MP attribute that is cut off cannot be withdrawn (RFC 7606 §3 j).
        match found.overrun.and_then(|overrun| overrun.code) {
            Some(code::MP_REACH_NLRI | code::MP_UNREACH_NLRI) => {
                Err(Notification::malformed_attribute_list())
            }
            _ => Ok(found),
        }
    }

    fn add(&mut self, raw: Raw<'a>, out: &mut DecodedUpdate) -> Result<(), Notification> {
        self.others |= raw.code != code::MP_UNREACH_NLRI;
        match raw.code {
            code::MP_REACH_NLRI => return only_one(&mut self.mp_reach, raw),
            code::MP_UNREACH_NLRI => return only_one(&mut self.mp_unreach, raw),
            code::NEXT_HOP if self.next_hop.is_some() => {
                out.faults.push(Fault::discard(raw.code, FaultKind::Duplicate));
                return Ok(());
            }
            code::NEXT_HOP => {
                self.next_hop = Some(raw);
                return Ok(());
            }
            code::ORIGIN => self.origin = true,
            code::AS_PATH => self.as_path = true,
            other if expected_flags(other).is_none() => self.unknown_type(raw)?,
            _ => {}
        }
        out.attributes.extend_from_slice(raw.octets);
        Ok(())
    }

    /// RFC 4271 §6.3, which RFC 7606 leaves as it is: what we do not know cannot be well-known.
    /// All but the first are about to be discarded, whatever their flags (RFC 7606 §3 g).
    fn unknown_type(&mut self, raw: Raw<'_>) -> Result<(), Notification> {
        if self.unknown.first(raw.code) && !raw.is_optional() {
            let fault = Fault::withdraw(raw.code, FaultKind::UnrecognizedWellKnown);
            return Err(fault.notification(raw.octets));
        }
        Ok(())
    }
}

/// RFC 7606 §3 g: an MP attribute that comes twice is a session reset; so is one with wrong
/// flags (RFC 7606 §5.3).
fn only_one<'a>(place: &mut Option<Raw<'a>>, raw: Raw<'a>) -> Result<(), Notification> {
    if place.is_some() {
        return Err(Notification::malformed_attribute_list());
    }
    if !raw.flags_fit() {
        return Err(Fault::withdraw(raw.code, FaultKind::Flags).notification(raw.octets));
    }
    *place = Some(raw);
    Ok(())
}

/// RFC 4724 §2: an UPDATE without anything, or with an MP_UNREACH_NLRI of no routes only.
fn end_of_rib(sections: &Sections<'_>, attributes: &Attributes<'_>) -> Option<Family> {
    if !sections.withdrawn.is_empty() || !sections.nlri.is_empty() || attributes.others {
        return None;
    }
    match attributes.mp_unreach {
        None => Some(Family::V4),
        Some(raw) => match mp_unreach::decode(raw.value) {
            Ok((family, [])) => family,
            _ => None,
        },
    }
}

/// RFC 7606 §5.3: routes that cannot be parsed are a session reset.
fn withdrawn_routes(
    octets: &[u8],
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<(), Notification> {
    if octets.is_empty() {
        return Ok(());
    }
    let add_path = add_path(cx, Family::V4);
    decode_all(octets, Family::V4, add_path, &mut out.unreach)
        .map_err(|Short| Notification::invalid_network_field())?;
    if !cx.families.contains(Family::V4) {
        out.unreach.clear();
        out.faults.push(Fault::not_negotiated(None, Some(Family::V4)));
    }
    Ok(())
}

fn mp_unreach_nlri(
    raw: &Raw<'_>,
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<(), Notification> {
    let malformed = |Short| Notification::optional_attribute_error(raw.octets);
    let (family, nlri) = mp_unreach::decode(raw.value).map_err(malformed)?;
    match family.filter(|family| cx.families.contains(*family)) {
        Some(family) => {
            decode_all(nlri, family, add_path(cx, family), &mut out.unreach).map_err(malformed)
        }
        None => {
            out.faults.push(Fault::not_negotiated(Some(raw.code), family));
            Ok(())
        }
    }
}

/// Reads the NLRI field; gives whether it announces anything.
fn classic_nlri(
    octets: &[u8],
    attributes: &Attributes<'_>,
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<bool, Notification> {
    // RFC 7606 §7.3: a malformed NEXT_HOP is one also where RFC 4760 §3 has it ignored.
    let next_hop = attributes.next_hop.map(|raw| match raw.flags_fit() {
        true => next_hop::decode(raw.value),
        false => Err(FaultKind::Flags),
    });
    match next_hop {
        Some(Err(FaultKind::NextHopValue)) if octets.is_empty() => {}
        Some(Err(kind)) => out.faults.push(Fault::withdraw(code::NEXT_HOP, kind)),
        None if !octets.is_empty() => {
            out.faults.push(Fault::withdraw(code::NEXT_HOP, FaultKind::Missing));
        }
        _ => {}
    }
    if octets.is_empty() {
        return Ok(false);
    }
    let mut nlri = out.spare.pop().unwrap_or_default();
    decode_all(octets, Family::V4, add_path(cx, Family::V4), &mut nlri)
        .map_err(|Short| Notification::invalid_network_field())?;
    if !cx.families.contains(Family::V4) {
        nlri.clear();
        out.faults.push(Fault::not_negotiated(None, Some(Family::V4)));
    }
    // Without a next hop the routes are about to be withdrawn.
    let next_hop = next_hop.and_then(Result::ok).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
    out.add_reach(Family::V4, NextHop::V4(next_hop), nlri);
    Ok(true)
}

/// Reads MP_REACH_NLRI; gives whether it announces anything.
fn mp_reach_nlri(
    raw: &Raw<'_>,
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<bool, Notification> {
    let malformed = || Notification::optional_attribute_error(raw.octets);
    let parts = mp_reach::decode(raw.value).map_err(|Short| malformed())?;
    let Some(family) = parts.family.filter(|family| cx.families.contains(*family)) else {
        out.faults.push(Fault::not_negotiated(Some(raw.code), parts.family));
        return Ok(!parts.nlri.is_empty());
    };
    let withdraw = |kind| Fault { family: Some(family), ..Fault::withdraw(raw.code, kind) };
    let next_hop = match mp_reach::next_hop(parts.next_hop, family) {
        // RFC 7606 §7.11: where a next hop of unknown kind ends, the NLRI cannot be trusted.
        Err(FaultKind::NextHopLength) => return Err(malformed()),
        Err(kind) => {
            out.faults.push(withdraw(kind));
            NextHop::V4(std::net::Ipv4Addr::UNSPECIFIED)
        }
        Ok((next_hop, left_out)) => {
            if left_out {
                out.faults.push(Fault::discard(raw.code, FaultKind::NextHopValue));
            }
            next_hop
        }
    };
    // An IPv6 next hop without RFC 8950 has a length that does tell where the NLRI begins, so
    // that the routes can be withdrawn without a reset.
    if family == Family::V4 && parts.next_hop.len() > 4 && !cx.extended_next_hop {
        out.faults.push(withdraw(FaultKind::NextHopLength));
    }
    let mut nlri = out.spare.pop().unwrap_or_default();
    decode_all(parts.nlri, family, add_path(cx, family), &mut nlri).map_err(|Short| malformed())?;
    out.add_reach(family, next_hop, nlri);
    Ok(!parts.nlri.is_empty())
}

/// Faults of the message as a whole: an overrun, and mandatory attributes that are missing
/// beside routes (RFC 7606 §3 d, §4).
fn message_faults(attributes: &Attributes<'_>, announced: bool, out: &mut DecodedUpdate) {
    if let Some(Overrun { code }) = attributes.overrun {
        let fault = Fault { attribute: code, ..Fault::withdraw(0, FaultKind::Overrun) };
        out.faults.push(fault);
    }
    for (there, code) in [(attributes.origin, code::ORIGIN), (attributes.as_path, code::AS_PATH)] {
        if announced && !there {
            out.faults.push(Fault::withdraw(code, FaultKind::Missing));
        }
    }
}

/// Draws the consequence of the faults.
///
/// With attributes but without a route that could be withdrawn, it is not certain that the
/// routes were found at all: what would be treat-as-withdraw is a session reset (RFC 7606 §5.2).
fn settle(
    attributes: &Attributes<'_>,
    announced: bool,
    cx: &DecodeContext,
    out: &mut DecodedUpdate,
) -> Result<(), Notification> {
    let withdraw = |fault: &&Fault| fault.action == FaultAction::TreatAsWithdraw;
    let fault = out.faults.iter().find(withdraw).copied();
    if !announced && attributes.others {
        if let Some(fault) = fault {
            let raw = match fault.attribute {
                Some(code::NEXT_HOP) => attributes.next_hop,
                Some(code::MP_REACH_NLRI) => attributes.mp_reach,
                _ => None,
            };
            return Err(fault.notification(raw.map_or(&[], |raw| raw.octets)));
        }
        return check_attributes(&out.attributes, cx).map_err(|fault| {
            let mut all = RawAttributes::new(&out.attributes).flatten();
            let raw = all.find(|raw| Some(raw.code) == fault.attribute);
            fault.notification(raw.map_or(&[], |raw| raw.octets))
        });
    }
    match fault {
        Some(_) => out.withdraw_reach(),
        None => out.announcement_wins(),
    }
    Ok(())
}

fn add_path(cx: &DecodeContext, family: Family) -> bool {
    let [v4, v6] = cx.add_path_receive;
    match family {
        Family::V4 => v4,
        Family::V6 => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ORIGIN, AS_PATH 64500, NEXT_HOP 192.0.2.1; then 198.51.100.0/24 and 198.18.0.0/16.
    const BODY: &[u8] = &[
        0, 0, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfb, 0xf4, 0x40, 3, 4, 192, 0, 2, 1,
        24, 198, 51, 100, 16, 198, 18,
    ];

    #[test]
    fn buffers_are_reused() {
        let cx = DecodeContext {
            four_octet_as: true,
            add_path_receive: [false; 2],
            families: Families::BOTH,
            extended_next_hop: false,
        };
        let mut update = DecodedUpdate::default();
        let places = |update: &DecodedUpdate| {
            (update.attributes.as_ptr(), update.reach.first().map(|reach| reach.nlri.as_ptr()))
        };
        assert_eq!(decode_update(BODY, &cx, &mut update), Ok(()));
        let first = places(&update);
        assert_eq!(update.reach.len(), 1);
        // A message without routes in between does not lose the buffer.
        assert_eq!(decode_update(&[0; 4], &cx, &mut update), Ok(()));
        assert_eq!(decode_update(BODY, &cx, &mut update), Ok(()));
        assert_eq!(places(&update), first);
    }
}
