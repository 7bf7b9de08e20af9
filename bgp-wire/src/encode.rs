//! From routes to UPDATE messages, as few and as full as possible.

use bytes::BytesMut;

use crate::frame::{MAX_EXTENDED_OCTETS, MAX_OCTETS};
use crate::{Family, Nlri, PathAttributes};

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
}

/// Writes the messages that announce `nlri` with `attributes`; gives their number. Attributes
/// are encoded once; 0 when they are so large that a single route does not fit.
pub fn encode_reach(
    _profile: &EncodingProfile,
    _family: Family,
    _attributes: &PathAttributes,
    _nlri: &[Nlri],
    _out: &mut BytesMut,
) -> usize {
    todo!()
}

/// Writes the messages that withdraw `nlri`; gives their number.
pub fn encode_unreach(
    _profile: &EncodingProfile,
    _family: Family,
    _nlri: &[Nlri],
    _out: &mut BytesMut,
) -> usize {
    todo!()
}

/// Writes an End-of-RIB marker (RFC 4724 §2).
pub fn encode_end_of_rib(_family: Family, _out: &mut BytesMut) {
    todo!()
}

/// The octets of a message that announces one route of the greatest length: what decides
/// whether a session can take a route.
pub fn message_octets(
    _profile: &EncodingProfile,
    _family: Family,
    _attributes: &PathAttributes,
) -> usize {
    todo!()
}
