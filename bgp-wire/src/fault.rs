//! What is wrong with an UPDATE, and what is done about it (RFC 7606).

use std::fmt;

use crate::Family;

/// The outcome that a fault asks for, from the weakest to the strongest (RFC 7606 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultAction {
    /// The attribute is dropped, the routes stay.
    AttributeDiscard,
    /// The routes of the message are withdrawn.
    TreatAsWithdraw,
    /// The routes of the family are withdrawn and the family is no longer used.
    AfiSafiDisable,
    /// The session ends with a NOTIFICATION.
    SessionReset,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The last attribute runs over the end of the attributes (RFC 7606 §4).
    Overrun,
    /// The flags do not fit the type (RFC 7606 §3 c).
    Flags,
    /// The length does not fit the type (RFC 7606 §7).
    Length,
    /// The value is not allowed (RFC 7606 §7).
    Value,
    /// The attribute came more than once (RFC 7606 §3 g).
    Duplicate,
    /// A mandatory attribute is missing (RFC 7606 §3 d).
    Missing,
    /// Marked well-known, and not known (RFC 4271 §6.3).
    UnrecognizedWellKnown,
    /// A prefix is too long or cut short (RFC 7606 §5.3).
    Nlri,
    /// The next hop has a length that does not fit the family (RFC 7606 §7.11).
    NextHopLength,
    /// The next hop is no address of a host (RFC 4271 §6.3).
    NextHopValue,
    /// AS 0 (RFC 7607 §2).
    AsZero,
    /// Not for a session between two ASes (RFC 7606 §7.5, §7.9, §7.10; RFC 7311 §3.1).
    NotForEbgp,
    /// A family that was not negotiated (RFC 4760 §8).
    NotNegotiated,
}

/// A fault of an UPDATE that does not end the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What is done about it.
    pub action: FaultAction,
    /// The type code of the attribute, if it is about one.
    pub attribute: Option<u8>,
    /// What is wrong.
    pub kind: FaultKind,
    /// The family, if it is about one only.
    pub family: Option<Family>,
}

impl fmt::Display for Fault {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
