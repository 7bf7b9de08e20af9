//! What is wrong with an UPDATE, and what is done about it (RFC 7606).

use std::fmt;

use crate::iana::{attribute, error, update_error};
use crate::{Family, Notification};

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

impl Fault {
    pub(crate) const fn discard(attribute: u8, kind: FaultKind) -> Self {
        let attribute = Some(attribute);
        Self { action: FaultAction::AttributeDiscard, attribute, kind, family: None }
    }

    pub(crate) const fn withdraw(attribute: u8, kind: FaultKind) -> Self {
        let attribute = Some(attribute);
        Self { action: FaultAction::TreatAsWithdraw, attribute, kind, family: None }
    }

    /// A family that is not in use is disabled: what is said of it is ignored (RFC 7606 §2).
    pub(crate) const fn not_negotiated(attribute: Option<u8>, family: Option<Family>) -> Self {
        let kind = FaultKind::NotNegotiated;
        Self { action: FaultAction::AfiSafiDisable, attribute, kind, family }
    }

    /// The NOTIFICATION where this fault has to end the session: its subcode and the attribute
    /// as data (RFC 4271 §6.3).
    pub(crate) fn notification(&self, attribute: &[u8]) -> Notification {
        let subcode = match (self.kind, self.attribute) {
            (FaultKind::Flags, _) => update_error::ATTRIBUTE_FLAGS,
            (FaultKind::Missing, _) => update_error::MISSING_WELL_KNOWN,
            (FaultKind::UnrecognizedWellKnown, _) => update_error::UNRECOGNIZED_WELL_KNOWN,
            (FaultKind::Nlri, None) => return Notification::invalid_network_field(),
            (FaultKind::Nlri, _) => update_error::OPTIONAL_ATTRIBUTE,
            (FaultKind::NextHopLength, _) => update_error::OPTIONAL_ATTRIBUTE,
            (FaultKind::NextHopValue, Some(attribute::NEXT_HOP)) => update_error::INVALID_NEXT_HOP,
            (FaultKind::Value, Some(attribute::ORIGIN)) => update_error::INVALID_ORIGIN,
            // Malformed AS_PATH has no data.
            (_, Some(attribute::AS_PATH)) => {
                return Notification::new(error::UPDATE_MESSAGE, update_error::MALFORMED_AS_PATH);
            }
            (FaultKind::Length, _) => update_error::ATTRIBUTE_LENGTH,
            (FaultKind::Overrun | FaultKind::Duplicate, _) => {
                return Notification::malformed_attribute_list();
            }
            _ => update_error::OPTIONAL_ATTRIBUTE,
        };
        Notification::with_data(error::UPDATE_MESSAGE, subcode, attribute)
    }
}

impl fmt::Display for Fault {
    /// A sentence: what is wrong, what is done about it, and the section that asks for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attribute {
            Some(code) => match attribute_name(code) {
                Some(name) => f.write_str(name)?,
                None => write!(f, "attribute {code}")?,
            },
            None => f.write_str("UPDATE")?,
        }
        let (what, section) = self.what();
        write!(f, " {what}: ")?;
        match self.action {
            FaultAction::AttributeDiscard => f.write_str("discarded")?,
            FaultAction::TreatAsWithdraw => f.write_str("treated as withdraw")?,
            FaultAction::AfiSafiDisable => match self.family {
                Some(family) => write!(f, "{family} ignored")?,
                None => f.write_str("family ignored")?,
            },
            FaultAction::SessionReset => f.write_str("session reset")?,
        }
        write!(f, " ({section})")
    }
}

impl Fault {
    fn what(&self) -> (&'static str, &'static str) {
        match self.kind {
            FaultKind::Overrun => ("runs over the end of the attributes", "RFC 7606 §4"),
            FaultKind::Flags => ("has flags that do not fit its type", "RFC 7606 §3 c"),
            FaultKind::Length => ("has a wrong length", self.attribute_section()),
            FaultKind::Value => ("has a value that is not allowed", self.attribute_section()),
            FaultKind::Duplicate => ("came more than once", "RFC 7606 §3 g"),
            FaultKind::Missing => ("is missing", "RFC 7606 §3 d"),
            FaultKind::UnrecognizedWellKnown => ("claims to be well-known", "RFC 4271 §6.3"),
            FaultKind::Nlri => ("has a prefix that cannot be read", "RFC 7606 §5.3"),
            FaultKind::NextHopLength => ("has a next hop of a wrong length", "RFC 7606 §7.11"),
            FaultKind::NextHopValue => {
                ("has a next hop that is no address of a host", "RFC 4271 §6.3")
            }
            FaultKind::AsZero => ("holds AS 0", "RFC 7607 §2"),
            FaultKind::NotForEbgp => {
                ("is not for a session between two ASes", self.attribute_section())
            }
            FaultKind::NotNegotiated => match self.attribute {
                Some(attribute::AS4_PATH | attribute::AS4_AGGREGATOR) => {
                    ("came from a speaker with four-octet AS numbers", "RFC 6793 §6")
                }
                _ => ("is about a family that was not negotiated", "RFC 4760 §8"),
            },
        }
    }

    fn attribute_section(&self) -> &'static str {
        match self.attribute {
            Some(attribute::ORIGIN) => "RFC 7606 §7.1",
            Some(attribute::AS_PATH) => "RFC 7606 §7.2",
            Some(attribute::NEXT_HOP) => "RFC 7606 §7.3",
            Some(attribute::MULTI_EXIT_DISC) => "RFC 7606 §7.4",
            Some(attribute::LOCAL_PREF) => "RFC 7606 §7.5",
            Some(attribute::ATOMIC_AGGREGATE) => "RFC 7606 §7.6",
            Some(attribute::AGGREGATOR) => "RFC 7606 §7.7",
            Some(attribute::COMMUNITIES) => "RFC 7606 §7.8",
            Some(attribute::ORIGINATOR_ID) => "RFC 7606 §7.9",
            Some(attribute::CLUSTER_LIST) => "RFC 7606 §7.10",
            Some(attribute::MP_REACH_NLRI) => "RFC 7606 §7.11",
            Some(attribute::MP_UNREACH_NLRI) => "RFC 7606 §7.12",
            Some(attribute::EXTENDED_COMMUNITIES) => "RFC 7606 §7.14",
            Some(attribute::IPV6_EXTENDED_COMMUNITIES) => "RFC 7606 §7.15",
            Some(attribute::AS4_PATH | attribute::AS4_AGGREGATOR) => "RFC 6793 §6",
            Some(attribute::AIGP) => "RFC 7311 §3.3",
            Some(attribute::LARGE_COMMUNITIES) => "RFC 8092 §6",
            Some(attribute::ONLY_TO_CUSTOMER) => "RFC 9234 §5",
            _ => "RFC 7606 §3",
        }
    }
}

/// The registered name of an attribute that we know.
fn attribute_name(code: u8) -> Option<&'static str> {
    Some(match code {
        attribute::ORIGIN => "ORIGIN",
        attribute::AS_PATH => "AS_PATH",
        attribute::NEXT_HOP => "NEXT_HOP",
        attribute::MULTI_EXIT_DISC => "MULTI_EXIT_DISC",
        attribute::LOCAL_PREF => "LOCAL_PREF",
        attribute::ATOMIC_AGGREGATE => "ATOMIC_AGGREGATE",
        attribute::AGGREGATOR => "AGGREGATOR",
        attribute::COMMUNITIES => "COMMUNITIES",
        attribute::ORIGINATOR_ID => "ORIGINATOR_ID",
        attribute::CLUSTER_LIST => "CLUSTER_LIST",
        attribute::MP_REACH_NLRI => "MP_REACH_NLRI",
        attribute::MP_UNREACH_NLRI => "MP_UNREACH_NLRI",
        attribute::EXTENDED_COMMUNITIES => "EXTENDED_COMMUNITIES",
        attribute::AS4_PATH => "AS4_PATH",
        attribute::AS4_AGGREGATOR => "AS4_AGGREGATOR",
        attribute::IPV6_EXTENDED_COMMUNITIES => "IPV6_EXTENDED_COMMUNITIES",
        attribute::AIGP => "AIGP",
        attribute::LARGE_COMMUNITIES => "LARGE_COMMUNITIES",
        attribute::ONLY_TO_CUSTOMER => "ONLY_TO_CUSTOMER",
        _ => return None,
    })
}
