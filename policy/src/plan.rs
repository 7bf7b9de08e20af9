//! Export policy: who gets a route, and with which attributes.
//!
//! First it is settled who may have the route at all, then those are split by what is done to
//! the route on its way to them. Both are operations on whole sets of peers, so a plan costs the
//! same for ten members as for a thousand, give or take some words.

mod actions;
mod rpsl;
mod shape;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bgp_wire::Asn;
use smallvec::SmallVec;

use crate::config::{CheckMode, MedMode};
use crate::outgoing::OutgoingAttributes;
use crate::peer_set::{PeerBits, PeerSet, Slot};
use crate::policy::{CompiledPeer, Policy, keeps};
use crate::preference::Preference;
use crate::rov::RovState;
use crate::trace::{Datum, ExportRule, NoTrace, Trace};
use crate::verdict::{AttributeVerdict, VerdictClass};

use actions::Actions;

/// Who gets a route and how, and how good it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportPlan {
    /// Greater is better, see [`Preference`].
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

/// What a plan is made from.
struct Planned<'a> {
    policy: &'a Policy,
    source: Slot,
    asn: Asn,
    compiled: &'a CompiledPeer,
    verdict: &'a AttributeVerdict,
    base: &'a Arc<OutgoingAttributes>,
    class: VerdictClass,
    actions: Actions,
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
        let (Some((peer, compiled)), Some(base)) = (self.source(source), &verdict.base) else {
            return refused_plan();
        };
        let actions = Actions::gather(self, peer.asn, &verdict.hits);
        let asn = peer.asn;
        let planned =
            Planned { policy: self, source, asn, compiled, verdict, base, class, actions };
        let allowed = planned.allowed(trace);
        let entries = planned.entries(allowed, trace);
        planned.plan(entries)
    }

    /// The class that stands for all classes with the same plan from this source: whoever keeps
    /// plans by class keeps fewer of them.
    #[must_use]
    pub fn plan_class(&self, source: Slot, class: VerdictClass) -> VerdictClass {
        let Some((_, compiled)) = self.source(source) else { return class };
        let import = &compiled.import.policy;
        let readers = !self.groups().tag_only.is_empty() || !self.groups().collectors.is_empty();
        let inform = self.config().inform;
        let family = if self.has_rpsl() { class.family() } else { bgp_wire::Family::V4 };
        let mut kept = VerdictClass::new(family);
        let tells_rov = inform.rov || readers;
        if tells_rov || (keeps(import.rpki) && class.rov() == RovState::Invalid) {
            kept = kept.with_rov(class.rov());
        }
        if inform.irr || readers || (keeps(import.irr) && class.fails_irr()) {
            kept = kept.with_irr_origin(class.irr_origin()).with_irr_prefix(class.irr_prefix());
        }
        if keeps(import.aspa) {
            kept = kept.with_aspa(class.aspa());
        }
        if class.blackhole() {
            kept = kept.with_blackhole();
        }
        if class.transit() {
            kept = kept.with_transit();
        }
        kept
    }
}

/// The plan of what has none: nobody gets it.
fn refused_plan() -> ExportPlan {
    let (entries, neighbour_as) = (SmallVec::new(), Asn(0));
    ExportPlan { preference: 0, entries, med: 0, neighbour_as, llgr_stale: false }
}

impl Planned<'_> {
    fn plan(&self, entries: SmallVec<[PlanEntry; 1]>) -> ExportPlan {
        let (attributes, facts) = (&self.base.attributes, &self.verdict.facts);
        let preference = Preference {
            graceful_shutdown: facts.graceful_shutdown,
            llgr_stale: facts.llgr_stale,
            transit: self.class.transit(),
            path_length: attributes.as_path.length(),
            origin: attributes.origin,
            med: (self.policy.config().med == MedMode::Always).then(|| attributes.med.unwrap_or(0)),
        };
        ExportPlan {
            preference: preference.packed(),
            entries,
            med: attributes.med.unwrap_or(0),
            neighbour_as: attributes.as_path.first().unwrap_or(self.asn),
            llgr_stale: facts.llgr_stale,
        }
    }

    /// Who may have the route.
    fn allowed(&self, trace: &mut impl Trace) -> PeerBits {
        let groups = self.policy.groups();
        let mut withholding = Withholding { allowed: PeerBits::from(&groups.all), trace };
        self.withhold_by_origin(&mut withholding);
        self.withhold_by_class(&mut withholding);
        self.withhold_by_communities(&mut withholding);
        withholding.allowed
    }

    /// What holds for every route of the source.
    fn withhold_by_origin(&self, withholding: &mut Withholding<'_, impl Trace>) {
        let (policy, groups) = (self.policy, self.policy.groups());
        let own = PeerSet::empty().with(self.source);
        withholding.withhold(ExportRule::SplitHorizon, &own, Datum::None);
        let next_hop = &self.base.attributes.next_hop;
        let owners = policy.next_hop_owners(self.compiled, next_hop);
        withholding.withhold(ExportRule::NextHopOwner, &owners, Datum::NextHop(*next_hop));
        if !policy.config().same_as_export {
            let same_as = &self.compiled.same_as;
            withholding.withhold(ExportRule::SameAs, same_as, Datum::Asn(self.asn));
        }
        if let Some(allowed) = policy.rpsl_allowed(self.source, self.class.family()) {
            let others = groups.all.and_not(allowed).and_not(&groups.collectors);
            withholding.allowed.and_not(&others);
            if withholding.trace.listens() {
                rpsl::explain(policy, self.source, self.class.family(), withholding.trace);
            }
        }
        if policy.config().honour_well_known && self.verdict.facts.no_export {
            let others = groups.all.and_not(&groups.collectors);
            withholding.withhold(ExportRule::WellKnown, &others, Datum::None);
        }
    }

    /// What follows from the prefix. All of it is settled before selection: a path that somebody
    /// does not want never hides one that it does.
    fn withhold_by_class(&self, withholding: &mut Withholding<'_, impl Trace>) {
        let (groups, import) = (self.policy.groups(), &self.compiled.import.policy);
        if self.class.transit() {
            let sponsors = &groups.no_transit;
            withholding.withhold(ExportRule::TransitToSponsor, sponsors, Datum::None);
        }
        // A sponsor's routes that fail IRR are transit, not refused.
        let by_irr = import.irr == CheckMode::PerMember && !self.compiled.sponsor;
        if by_irr && self.class.fails_irr() {
            withholding.withhold(ExportRule::FilterIrr, &groups.withhold_irr, Datum::None);
        }
        if import.rpki == CheckMode::PerMember && self.class.rov() == RovState::Invalid {
            let datum = Datum::Rov { state: RovState::Invalid, vrp: None };
            withholding.withhold(ExportRule::FilterRpki, &groups.withhold_rpki, datum);
        }
    }

    /// A refusal to one member, then a permission to one member, then a refusal to all, then the
    /// default. Collectors see what is eligible, whoever it is meant for.
    fn withhold_by_communities(&self, withholding: &mut Withholding<'_, impl Trace>) {
        use crate::communities::Function::{
            AnnounceToPeer, DoNotAnnounceToAny, DoNotAnnounceToPeer,
        };
        let (actions, groups) = (&self.actions, self.policy.groups());
        for hit in actions.of(DoNotAnnounceToPeer) {
            let refused = hit.peers.and_not(&groups.collectors);
            let rule = ExportRule::Community(DoNotAnnounceToPeer);
            withholding.withhold(rule, &refused, Datum::Community(hit.community));
        }
        let permitted = actions.peers(AnnounceToPeer);
        if let Some(hit) = actions.of(DoNotAnnounceToAny).next() {
            let refused = groups.all.and_not(&permitted).and_not(&groups.collectors);
            let rule = ExportRule::Community(DoNotAnnounceToAny);
            withholding.withhold(rule, &refused, Datum::Community(hit.community));
        }
        for hit in actions.of(AnnounceToPeer) {
            let rule = ExportRule::Community(AnnounceToPeer);
            withholding.trace.applied(rule, &hit.peers, Datum::Community(hit.community));
        }
    }
}

/// Takes peers out, and says so.
struct Withholding<'t, T: Trace> {
    allowed: PeerBits,
    trace: &'t mut T,
}

impl<T: Trace> Withholding<'_, T> {
    fn withhold(&mut self, rule: ExportRule, peers: &PeerSet, datum: Datum<'_>) {
        if !peers.is_empty() {
            self.allowed.and_not(peers);
            self.trace.withheld(rule, peers, datum);
        }
    }
}
