//! Why a peer has, or has not, got a prefix: the real candidates through the real evaluation, with
//! somebody listening.

use bgp_wire::{Family, Prefix};
use policy::{
    Criterion, ExportPlan, ExportStep, ImportStep, Recorder, RejectReason, Slot, Verdict,
};

use crate::destination::{Candidate, Destination};
use crate::mask;
use crate::partition::Needs;
use crate::table::DestinationId;
use crate::{RouteView, Shard};

/// The answer, candidates in order of preference.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The prefix.
    pub prefix: Prefix,
    /// The receiving peer.
    pub to: Slot,
    /// Every route there is for it, ineligible ones last.
    pub candidates: Vec<ExplainedCandidate>,
    /// Which of them the peer was given: one, or several with ADD-PATH.
    pub chosen: Vec<usize>,
}

/// A candidate's way.
#[derive(Debug, Clone)]
pub struct ExplainedCandidate {
    /// The route.
    pub route: RouteView,
    /// Import checks that it met, in order.
    pub import: Vec<ImportStep>,
    /// Rules of export policy that concern this peer, in order.
    pub export: Vec<ExportStep>,
    /// What came of it.
    pub outcome: CandidateOutcome,
}

/// What came of a candidate for one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateOutcome {
    /// The peer has it.
    Given,
    /// It will be given when the peer's walk comes to it.
    Owed,
    /// Not eligible for anybody.
    Rejected(RejectReason),
    /// Export policy keeps it from this peer; the steps say which rule.
    Withheld,
    /// The peer sent it.
    OwnRoute,
    /// The peer has no session that takes the family.
    NoSession,
    /// The peer can't take an IPv6 next hop for IPv4 (RFC 8950).
    NeedsExtendedNextHop,
    /// It is LLGR_STALE and the peer did not negotiate LLGR (RFC 9494 §4.3).
    NeedsLongLivedGracefulRestart,
    /// It fits no message that the peer takes (RFC 8654).
    TooLarge,
    /// Another route of the same neighbour AS has a lower MED (RFC 4271 §9.1.2.2 c).
    HigherMed {
        /// Who sent that one.
        than: Slot,
    },
    /// The peer was given a better one.
    LessPreferred {
        /// Who sent that one.
        than: Slot,
        /// What set this one back.
        by: Criterion,
    },
    /// It was not decided yet.
    Undecided,
}

impl Shard {
    /// Has the end of the turn decide the prefix where a change of policy or data has not come to it
    /// yet: asked a turn before [`Self::explain`], which judges by what is in force and shows what
    /// was given.
    pub fn freshen(&mut self, prefix: &Prefix) {
        let family = prefix.family();
        let Some(id) = self.find(prefix) else { return };
        if self.tables[family.index()].get(id).is_some_and(|it| self.is_outdated(it)) {
            self.touch(family, id);
        }
    }

    /// Why `to` has, or has not, got `prefix`; no candidates where there is no route.
    pub fn explain(&self, prefix: &Prefix, to: Slot) -> Explanation {
        let mut explanation =
            Explanation { prefix: *prefix, to, candidates: Vec::new(), chosen: Vec::new() };
        let Some(id) = self.find(prefix) else { return explanation };
        let Some(destination) = self.tables[prefix.family().index()].get(id) else {
            return explanation;
        };
        for (rank, candidate) in destination.candidates.iter().enumerate() {
            let (import, export, plan) = self.retrace(candidate, prefix, to);
            let outcome = self.outcome(destination, id, candidate, plan, to);
            if outcome == CandidateOutcome::Given {
                explanation.chosen.push(rank);
            }
            let given = self.given(destination, id, candidate.source, to);
            let route = self.view(destination, rank, candidate, given, Some(to));
            explanation.candidates.push(ExplainedCandidate { route, import, export, outcome });
        }
        explanation
    }

    /// The evaluation again, recorded.
    fn retrace(
        &self,
        candidate: &Candidate,
        prefix: &Prefix,
        to: Slot,
    ) -> (Vec<ImportStep>, Vec<ExportStep>, Result<ExportPlan, RejectReason>) {
        let (policy, source) = (&self.policy, candidate.source);
        let mut recorder = Recorder::new();
        let verdict = policy.attribute_verdict(source, candidate.set.attributes(), &mut recorder);
        let result = policy.prefix_verdict(source, &verdict, prefix, &self.data, &mut recorder);
        let plan = match result {
            Verdict::Reject(reason) => Err(reason),
            Verdict::Accept(class) => {
                Ok(policy.plan_traced(source, &verdict, class, &mut recorder))
            }
        };
        let Recorder { import, mut export } = recorder;
        export.retain(|step| step.peers.contains(to));
        (import, export, plan)
    }

    fn outcome(
        &self,
        destination: &Destination,
        id: DestinationId,
        candidate: &Candidate,
        plan: Result<ExportPlan, RejectReason>,
        to: Slot,
    ) -> CandidateOutcome {
        let family = destination.prefix.family();
        let plan = match plan {
            Err(reason) => return CandidateOutcome::Rejected(reason),
            Ok(plan) => plan,
        };
        if self.given(destination, id, candidate.source, to).is_some() {
            return CandidateOutcome::Given;
        }
        if candidate.source == to {
            return CandidateOutcome::OwnRoute;
        }
        if let Some(obstacle) = self.obstacle(family, &plan, to) {
            return obstacle;
        }
        let better = destination.candidates.iter().find(|other| {
            other.source != candidate.source
                && self.given(destination, id, other.source, to).is_some()
        });
        // MED is looked at before what comes after it, and takes a candidate out of the running that
        // may stand before the one that was given.
        let outranked = better
            .and_then(Candidate::plan)
            .is_some_and(|better| better.preference > plan.preference);
        if !outranked && let Some(than) = self.med_rival(destination, candidate, &plan, to) {
            return CandidateOutcome::HigherMed { than };
        }
        if let Some(better) = better {
            let by = self.criterion(better, candidate);
            return CandidateOutcome::LessPreferred { than: better.source, by };
        }
        let owed = self.tables[family.index()]
            .segments
            .get(self.tables[family.index()].segment_of(id))
            .is_some_and(|segment| mask::contains(&segment.owed, to));
        if owed { CandidateOutcome::Owed } else { CandidateOutcome::Undecided }
    }

    /// The first difference between two candidates, of which the first is the better one.
    fn criterion(&self, better: &Candidate, other: &Candidate) -> Criterion {
        let preference = |candidate: &Candidate| candidate.plan().map_or(0, |plan| plan.preference);
        if let Some(by) = Criterion::between(preference(better), preference(other)) {
            return by;
        }
        if self.ordering().prefer_oldest && better.received_ms != other.received_ms {
            return Criterion::Age;
        }
        let same = self.peers.rank(better.source).same_router_id(&self.peers.rank(other.source));
        if same { Criterion::Address } else { Criterion::RouterId }
    }

    /// What keeps a peer from a route, apart from other routes.
    fn obstacle(&self, family: Family, plan: &ExportPlan, to: Slot) -> Option<CandidateOutcome> {
        let masks = &self.peers.masks;
        let Some(entry) = plan.entries.iter().find(|entry| entry.peers.contains(to)) else {
            return Some(CandidateOutcome::Withheld);
        };
        if !mask::contains(&masks.up[family.index()], to) {
            return Some(CandidateOutcome::NoSession);
        }
        let needs = Needs::new(family, plan, &entry.attributes);
        if needs.extended_next_hop && !mask::contains(&masks.extended_next_hop, to) {
            return Some(CandidateOutcome::NeedsExtendedNextHop);
        }
        if needs.long_lived && !mask::contains(&masks.long_lived, to) {
            return Some(CandidateOutcome::NeedsLongLivedGracefulRestart);
        }
        let session = self.peer(to).and_then(|peer| peer.session.as_ref());
        let fits = needs.large.is_none_or(|attributes| {
            session.is_some_and(|session| attributes.fits(&session.profile, family))
        });
        (!fits).then_some(CandidateOutcome::TooLarge)
    }

    fn med_rival(
        &self,
        destination: &Destination,
        candidate: &Candidate,
        plan: &ExportPlan,
        to: Slot,
    ) -> Option<Slot> {
        if self.ordering().med != policy::MedMode::SameAs {
            return None;
        }
        let family = destination.prefix.family();
        destination
            .candidates
            .iter()
            .filter(|other| other.source != candidate.source && other.source != to)
            .find(|other| {
                other.plan().is_some_and(|rival| {
                    rival.preference == plan.preference
                        && rival.neighbour_as == plan.neighbour_as
                        && rival.med < plan.med
                        && self.obstacle(family, rival, to).is_none()
                })
            })
            .map(|other| other.source)
    }
}
