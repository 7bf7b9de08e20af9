//! Import policy: what becomes of a route.

mod attribute;
mod checks;
mod class;
mod next_hop;
mod path;
mod prefix;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bgp_wire::Asn;

pub use checks::CHECKS;
pub use class::{IrrState, VerdictClass};
pub(crate) use next_hop::NextHops;

use crate::communities::ActionHit;
use crate::outgoing::OutgoingAttributes;
use crate::reject::RejectReason;

/// What becomes of a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It takes part in selection.
    Accept(VerdictClass),
    /// It stays in the Adj-RIB-In, and goes to nobody.
    Reject(RejectReason),
}

/// What the attributes alone decide, made once for each attribute set.
#[derive(Clone, Debug)]
pub struct AttributeVerdict {
    /// Refused by a check on the attributes.
    pub reject: Option<RejectReason>,
    /// Refused by a check on the attributes that comes after those on the prefix (row 20).
    pub late_reject: Option<RejectReason>,
    /// The rightmost AS; none where the path ends in a set.
    pub origin: Option<Asn>,
    /// Facts about the attributes.
    pub facts: AttributeFacts,
    /// The control communities that were found.
    pub(crate) hits: Box<[ActionHit]>,
    /// What leaves, if nothing is prepended or added; none where the route is refused.
    pub base: Option<Arc<OutgoingAttributes>>,
}

/// Facts about an attribute set, for verdicts, plans and counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttributeFacts {
    /// A blackhole request (RFC 7999).
    pub blackhole: bool,
    /// GRACEFUL_SHUTDOWN that is honoured (RFC 8326).
    pub graceful_shutdown: bool,
    /// LLGR_STALE (RFC 9494 §4.2).
    pub llgr_stale: bool,
    /// NO_EXPORT, NO_ADVERTISE or NO_EXPORT_SUBCONFED came with the route (RFC 1997).
    pub no_export: bool,
    /// TRANSIT is on the route: from a sponsor, or attached.
    pub transit: bool,
    /// TRANSIT came with the route, from a sponsor, who may set it.
    pub transit_said: bool,
    /// TRANSIT from a member that may not set it was taken off.
    pub transit_scrubbed: bool,
    /// The path has an AS of the member's transit-free list.
    pub transit_free: bool,
    /// How many communities the scrub took off.
    pub scrubbed: u16,
    /// The unregistered link-local half of the next hop was taken off.
    pub link_local_stripped: bool,
}
