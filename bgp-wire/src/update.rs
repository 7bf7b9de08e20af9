//! UPDATE: from octets to reach, unreach and attribute octets (RFC 4271 §4.3, RFC 7606).

use smallvec::SmallVec;

use crate::{Families, Family, Fault, NextHop, Nlri, Notification};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
}

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

/// Takes the body of an UPDATE apart. `out` is overwritten; its buffers are reused.
///
/// An error is the NOTIFICATION of a session reset; all else is told in [`DecodedUpdate::faults`].
pub fn decode_update(
    _body: &[u8],
    _cx: &DecodeContext,
    _out: &mut DecodedUpdate,
) -> Result<(), Notification> {
    todo!()
}
