//! A destination: the candidates for one prefix, and what was decided last.

use std::sync::Arc;

use bgp_wire::Prefix;
use policy::{ExportPlan, OutgoingAttributes, RejectReason, Slot};
use smallvec::SmallVec;

use crate::AttributeSet;
use crate::marks::Marks;
use crate::peer_sets::PeerSetId;

/// One route of the Adj-RIB-In: what one peer sent for one prefix. Rejected ones stay, without a
/// plan and with their reason, so that they can be shown, and judged again without the peer.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) set: Arc<AttributeSet>,
    /// What the policy makes of it: `Err` is not eligible for anybody.
    pub(crate) judged: Result<Arc<ExportPlan>, RejectReason>,
    /// Milliseconds since the shard's first ingest.
    pub(crate) received_ms: u64,
    pub(crate) source: Slot,
    /// The round of the source's routes it belongs to; a route of an older round is stale.
    pub(crate) round: u16,
    pub(crate) flags: CandidateFlags,
    /// What is counted of it.
    pub(crate) marks: Marks,
}

/// Facts about a candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CandidateFlags {
    /// The source's prefix limit counts it; else it is one of the rejected ones that do not count.
    /// Neither of a session before the one that the limit is of (`PeerSlot::is_counted`).
    pub(crate) counted: bool,
    /// Carries LLGR_STALE: only for peers that negotiated LLGR (RFC 9494 §4.3).
    pub(crate) llgr_stale: bool,
}

impl Candidate {
    /// The plan, if the route is eligible for somebody.
    pub(crate) fn plan(&self) -> Option<&Arc<ExportPlan>> {
        self.judged.as_ref().ok()
    }
}

/// A class of a partition: what these peers were given.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) attributes: Arc<OutgoingAttributes>,
    pub(crate) peers: PeerSetId,
    pub(crate) source: Slot,
}

/// What is known of one prefix.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) prefix: Prefix,
    /// To be decided at the end of the turn; already in the list.
    pub(crate) touched: bool,
    /// Whose candidate came first when it was decided last, if any was eligible: counted there.
    pub(crate) first: Option<Slot>,
    /// The version of policy and data that all candidates were judged by.
    pub(crate) version: u32,
    /// In order of preference once decided, ineligible ones last.
    pub(crate) candidates: SmallVec<[Candidate; 1]>,
    /// The last partition. Without ADD-PATH a peer is in at most one class; with it, in at most
    /// one for each source.
    pub(crate) classes: SmallVec<[Class; 1]>,
}

impl Destination {
    pub(crate) fn new(prefix: Prefix, version: u32) -> Self {
        Self {
            prefix,
            touched: false,
            first: None,
            version,
            candidates: SmallVec::new(),
            classes: SmallVec::new(),
        }
    }

    /// Whose candidate comes first, if any is eligible. They are in order.
    pub(crate) fn first_eligible(&self) -> Option<Slot> {
        self.candidates.first().filter(|first| first.judged.is_ok()).map(|first| first.source)
    }

    /// Nothing to know any more.
    pub(crate) fn is_vacant(&self) -> bool {
        self.candidates.is_empty() && self.classes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a million routes cost is decided here.
    #[test]
    fn a_route_with_one_candidate_stays_below_a_hundred_octets() {
        assert!(size_of::<Candidate>() <= 40, "{}", size_of::<Candidate>());
        assert_eq!(size_of::<Class>(), 16);
        assert!(size_of::<Destination>() <= 104, "{}", size_of::<Destination>());
    }
}
