//! Export policy: who gets a route, and with which attributes.

use std::sync::Arc;

use bgp_wire::Asn;
use smallvec::SmallVec;

use crate::outgoing::OutgoingAttributes;
use crate::peer_set::{PeerSet, Slot};
use crate::policy::Policy;
use crate::trace::{NoTrace, Trace};
use crate::verdict::{AttributeVerdict, VerdictClass};

/// Who gets a route and how, and how good it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportPlan {
    /// Greater is better, see [`Preference`](crate::Preference).
    pub preference: u64,
    /// Disjoint sets of peers, without the source and without owners of the next hop.
    pub entries: SmallVec<[PlanEntry; 1]>,
    /// MULTI_EXIT_DISC; 0 where there is none (RFC 4271 §9.1.2.2 c).
    pub med: u32,
    /// The leftmost AS of the path, else the member's.
    pub neighbour_as: Asn,
    /// LLGR_STALE: not for peers without LLGR (RFC 9494 §4.3), whatever the policy says.
    pub llgr_stale: bool,
}

/// Those who get the same attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanEntry {
    /// The attributes.
    pub attributes: Arc<OutgoingAttributes>,
    /// Who gets them.
    pub peers: PeerSet,
}

impl Policy {
    /// Who gets a route of this class.
    #[must_use]
    pub fn plan(
        &self,
        source: Slot,
        verdict: &AttributeVerdict,
        class: VerdictClass,
    ) -> ExportPlan {
        self.plan_traced(source, verdict, class, &mut NoTrace)
    }

    /// The same, with somebody listening.
    pub fn plan_traced(
        &self,
        source: Slot,
        verdict: &AttributeVerdict,
        class: VerdictClass,
        trace: &mut impl Trace,
    ) -> ExportPlan {
        let _ = (source, verdict, class, trace);
        todo!()
    }
}
