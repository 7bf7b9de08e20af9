//! From routes to UPDATE messages, as few and as full as possible.

use bytes::{BufMut, BytesMut};

use crate::attributes::{encode_all, mp_reach};
use crate::frame::{HEADER_OCTETS, MAX_EXTENDED_OCTETS, MAX_OCTETS};
use crate::iana::{SAFI_UNICAST, attribute, flag};
use crate::message::{begin, finish, put_u16_at};
use crate::{Family, MessageType, NextHop, Nlri, PathAttributes};

/// How a next hop that is a link-local address alone is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LinkLocalForm {
    /// `:: LL`, 32 octets.
    #[default]
    Native,
    /// `LL`, 16 octets.
    Single,
    /// `LL LL`, 32 octets.
    Double,
}

/// All that decides how the same routes are written for different sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingProfile {
    /// AS numbers have four octets (RFC 6793).
    pub four_octet_as: bool,
    /// NLRI of the family (by [`Family::index`]) has a path identifier (RFC 7911).
    pub add_path: [bool; 2],
    /// Messages may have 65,535 octets (RFC 8654).
    pub extended_message: bool,
    /// How a lone link-local next hop is written.
    pub link_local_form: LinkLocalForm,
}

impl EncodingProfile {
    /// The greatest message, header included.
    pub const fn max_message_octets(&self) -> usize {
        if self.extended_message { MAX_EXTENDED_OCTETS } else { MAX_OCTETS }
    }

    fn add_path(&self, family: Family) -> bool {
        let [v4, v6] = self.add_path;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}

/// Header, and the lengths of withdrawn routes and of attributes.
const UPDATE_OCTETS: usize = HEADER_OCTETS + 4;
/// Flags, type and a length of two octets.
const MP_HEADER_OCTETS: usize = 4;

/// Writes the messages that announce `nlri` with `attributes`; gives their number. Attributes
/// are encoded once. A route that does not fit in a message with these attributes is left out:
/// [`message_octets`] tells beforehand. 0 is "nothing written".
///
/// IPv4 with an IPv4 next hop goes in the NLRI field, all else in MP_REACH_NLRI, which comes
/// first (RFC 7606 §5.1); the other attributes are in ascending order.
pub fn encode_reach(
    profile: &EncodingProfile,
    family: Family,
    attributes: &PathAttributes,
    nlri: &[Nlri],
    out: &mut BytesMut,
) -> usize {
    let Some(template) = Template::new(profile, family, attributes) else { return 0 };
    let add_path = profile.add_path(family);
    let room = profile.max_message_octets().saturating_sub(template.octets());
    pack(nlri, add_path, room, |chunk, octets| template.put(chunk, octets, add_path, out))
}

/// Writes the messages that withdraw `nlri`; gives their number.
pub fn encode_unreach(
    profile: &EncodingProfile,
    family: Family,
    nlri: &[Nlri],
    out: &mut BytesMut,
) -> usize {
    let add_path = profile.add_path(family);
    let fixed = match family {
        Family::V4 => UPDATE_OCTETS,
        Family::V6 => UPDATE_OCTETS + MP_HEADER_OCTETS + 3,
    };
    let room = profile.max_message_octets() - fixed;
    pack(nlri, add_path, room, |chunk, octets| {
        let mark = begin(out, MessageType::Update);
        match family {
            Family::V4 => put_length(out, octets),
            Family::V6 => {
                put_length(out, 0);
                put_length(out, MP_HEADER_OCTETS + 3 + octets);
                put_mp_header(out, attribute::MP_UNREACH_NLRI, 3 + octets);
                put_family(out, family);
            }
        }
        chunk.iter().for_each(|one| one.encode(add_path, out));
        if family == Family::V4 {
            put_length(out, 0);
        }
        finish(out, mark);
    })
}

/// Writes an End-of-RIB marker (RFC 4724 §2).
pub fn encode_end_of_rib(family: Family, out: &mut BytesMut) {
    let mark = begin(out, MessageType::Update);
    put_length(out, 0);
    match family {
        Family::V4 => put_length(out, 0),
        Family::V6 => {
            put_length(out, MP_HEADER_OCTETS + 3);
            put_mp_header(out, attribute::MP_UNREACH_NLRI, 3);
            put_family(out, family);
        }
    }
    finish(out, mark);
}

/// The octets of a message that announces one route of the greatest length: what decides
/// whether a session can take a route. `usize::MAX` when no message can: a next hop that the
/// family cannot have.
pub fn message_octets(
    profile: &EncodingProfile,
    family: Family,
    attributes: &PathAttributes,
) -> usize {
    let add_path = if profile.add_path(family) { 4 } else { 0 };
    let nlri = 1 + usize::from(family.max_len() / 8) + add_path;
    Template::new(profile, family, attributes)
        .map_or(usize::MAX, |template| template.octets() + nlri)
}

/// All of an announcement but its NLRI.
struct Template {
    /// The value of MP_REACH_NLRI up to the NLRI; `None` for the classic encoding.
    mp_reach: Option<BytesMut>,
    /// The other attributes.
    attributes: BytesMut,
}

impl Template {
    fn new(profile: &EncodingProfile, family: Family, attributes: &PathAttributes) -> Option<Self> {
        let classic = family == Family::V4 && matches!(attributes.next_hop, NextHop::V4(_));
        let mut mp_reach = None;
        if !classic {
            let mut start = BytesMut::with_capacity(3 + 1 + 32 + 1);
            put_family(&mut start, family);
            let form = profile.link_local_form;
            if !mp_reach::put_next_hop(&attributes.next_hop, family, form, &mut start) {
                return None;
            }
            mp_reach = Some(start);
        }
        let mut octets = BytesMut::with_capacity(256);
        encode_all(attributes, profile.four_octet_as, classic, &mut octets);
        Some(Self { mp_reach, attributes: octets })
    }

    /// The octets of a message without NLRI.
    fn octets(&self) -> usize {
        let mp_reach = self.mp_reach.as_ref().map_or(0, |start| MP_HEADER_OCTETS + start.len());
        UPDATE_OCTETS + mp_reach + self.attributes.len()
    }

    /// Writes a message; `octets` are those of its NLRI.
    fn put(&self, nlri: &[Nlri], octets: usize, add_path: bool, out: &mut BytesMut) {
        let mark = begin(out, MessageType::Update);
        put_length(out, 0);
        match &self.mp_reach {
            None => {
                put_length(out, self.attributes.len());
                out.put_slice(&self.attributes);
                nlri.iter().for_each(|one| one.encode(add_path, out));
            }
            Some(start) => {
                let value = start.len() + octets;
                put_length(out, MP_HEADER_OCTETS + value + self.attributes.len());
                put_mp_header(out, attribute::MP_REACH_NLRI, value);
                out.put_slice(start);
                nlri.iter().for_each(|one| one.encode(add_path, out));
                out.put_slice(&self.attributes);
            }
        }
        finish(out, mark);
    }
}

/// Cuts `nlri` into runs that fill `room` octets as far as they can, and hands each to `put`
/// with the octets it takes; gives the number of runs. A route above `room` is left out.
fn pack(nlri: &[Nlri], add_path: bool, room: usize, mut put: impl FnMut(&[Nlri], usize)) -> usize {
    let mut messages = 0;
    let mut rest = nlri;
    while let Some((_, after_first)) = rest.split_first() {
        let mut octets = 0;
        let mut count = 0;
        for one in rest {
            let more = one.wire_len(add_path);
            if octets + more > room {
                break;
            }
            octets += more;
            count += 1;
        }
        match rest.split_at_checked(count) {
            Some((chunk, after)) if count > 0 => {
                put(chunk, octets);
                messages += 1;
                rest = after;
            }
            _ => rest = after_first,
        }
    }
    messages
}

fn put_length(out: &mut BytesMut, octets: usize) {
    let at = out.len();
    out.put_u16(0);
    put_u16_at(out, at, octets);
}

/// Always with a length of two octets, so that the head of a message has one size.
fn put_mp_header(out: &mut BytesMut, code: u8, octets: usize) {
    out.put_slice(&[flag::OPTIONAL | flag::EXTENDED_LENGTH, code]);
    put_length(out, octets);
}

fn put_family(out: &mut BytesMut, family: Family) {
    out.put_u16(family.afi());
    out.put_u8(SAFI_UNICAST);
}
