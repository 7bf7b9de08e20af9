//! What is done to a route on its way to different peers.

use std::sync::Arc;

use bgp_wire::Community;
use smallvec::SmallVec;

use super::actions::prepend_functions;
use super::{PlanEntry, Planned};
use crate::aspa::AspaState;
use crate::communities::{CommunityKey, Function, Values, attach};
use crate::outgoing::OutgoingAttributes;
use crate::peer_set::{PeerBits, PeerSet};
use crate::policy::keeps;
use crate::rov::RovState;
use crate::trace::{Datum, ExportRule, Trace};
use crate::verdict::IrrState;

/// What is done to a route.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Shape {
    prepend: u8,
    no_export: bool,
    no_advertise: bool,
    /// ROV and IRR tags whatever is configured.
    tags: bool,
    /// For a looking-glass feed.
    collector: bool,
    /// Only to Customer (RFC 9234).
    otc: bool,
}

type Parts = SmallVec<[(Shape, PeerBits); 2]>;

impl Planned<'_> {
    /// Splits those who get the route by what is done to it on the way.
    pub(super) fn entries(
        &self,
        allowed: PeerBits,
        trace: &mut impl Trace,
    ) -> SmallVec<[PlanEntry; 1]> {
        let mut parts: Parts = SmallVec::new();
        if !allowed.is_empty() {
            parts.push((Shape::default(), allowed));
        }
        let groups = self.policy.groups();
        split(&mut parts, &groups.collectors, |shape| shape.collector = true);
        split(&mut parts, &groups.tag_only, |shape| shape.tags = true);
        if self.base.attributes.otc.is_none() {
            split(&mut parts, &groups.otc, |shape| shape.otc = true);
        }
        if !self.actions.is_empty() {
            self.split_by_communities(&mut parts, trace);
        }
        let mut entries: SmallVec<[PlanEntry; 1]> = SmallVec::new();
        for (shape, peers) in parts {
            let (attributes, peers) = (self.shaped(shape), peers.freeze());
            // Different shapes may come to the same, such as a tag where no tag is defined.
            match entries.iter_mut().find(|entry| entry.attributes == attributes) {
                Some(same) => same.peers = same.peers.or(&peers),
                None => entries.push(PlanEntry { attributes, peers }),
            }
        }
        entries
    }

    fn split_by_communities(&self, parts: &mut Parts, trace: &mut impl Trace) {
        let collectors = &self.policy.groups().collectors;
        let prepends = self.actions.prepends(self.policy.config().prepend_tie);
        for (count, peers) in (1u8..).zip(prepends) {
            let peers = peers.and_not(collectors);
            split(parts, &peers, |shape| shape.prepend = count);
            for function in prepend_functions(count.into()) {
                self.tell(function, &peers, trace);
            }
        }
        let both = |to_any, to_peer| {
            self.actions.peers(to_any).or(&self.actions.peers(to_peer)).and_not(collectors)
        };
        let peers = both(Function::AddNoexportToAny, Function::AddNoexportToPeer);
        split(parts, &peers, |shape| shape.no_export = true);
        let peers = both(Function::AddNoadvertiseToAny, Function::AddNoadvertiseToPeer);
        split(parts, &peers, |shape| shape.no_advertise = true);
        for function in [
            Function::NoPrependToPeer,
            Function::AddNoexportToAny,
            Function::AddNoexportToPeer,
            Function::AddNoadvertiseToAny,
            Function::AddNoadvertiseToPeer,
        ] {
            self.tell(function, &self.policy.groups().all, trace);
        }
    }

    /// Reports the communities of a function, as far as they concern `peers`.
    fn tell(&self, function: Function, peers: &PeerSet, trace: &mut impl Trace) {
        for action in self.actions.of(function) {
            let concerned = action.peers.and(peers);
            if !concerned.is_empty() {
                let rule = ExportRule::Community(function);
                trace.applied(rule, &concerned, Datum::Community(action.community));
            }
        }
    }

    /// The attributes of a shape; the base itself where nothing is done.
    fn shaped(&self, shape: Shape) -> Arc<OutgoingAttributes> {
        let added = self.added(shape);
        if added.is_empty() && shape.prepend == 0 && !shape.otc {
            return Arc::clone(self.base);
        }
        let mut attributes = self.base.attributes.clone();
        // What is prepended is the leftmost AS, never ours (RFC 7947 §2.2.2).
        if let Some(first) = attributes.as_path.first().filter(|_| shape.prepend > 0) {
            attributes.as_path = attributes.as_path.prepend(first, shape.prepend);
        }
        attach(&mut attributes, &added);
        if shape.otc {
            // RFC 9234 §5: the value is the AS of who adds it.
            attributes.otc = Some(self.policy.config().asn);
        }
        Arc::new(OutgoingAttributes::new(attributes))
    }

    /// Communities that are added, without those that are there already.
    fn added(&self, shape: Shape) -> SmallVec<[CommunityKey; 4]> {
        let mut added: SmallVec<[CommunityKey; 4]> = SmallVec::new();
        let import = &self.compiled.import.policy;
        let blackhole = self.class.blackhole();
        if blackhole {
            // Where the request was made with a community of ours, which is taken off, the
            // receivers still have to know what it is (RFC 7999 §3.2).
            added.push(Community::BLACKHOLE.into());
        }
        if shape.no_export || (blackhole && import.blackhole_no_export) {
            added.push(Community::NO_EXPORT.into());
        }
        if shape.no_advertise {
            added.push(Community::NO_ADVERTISE.into());
        }
        self.add_tags(shape, &mut added);
        added.retain(|key| !self.has(*key));
        added
    }

    fn add_tags(&self, shape: Shape, added: &mut SmallVec<[CommunityKey; 4]>) {
        let (class, inform) = (self.class, self.policy.config().inform);
        let import = &self.compiled.import.policy;
        let reads = shape.tags || shape.collector;
        let mut tag = |function, values| {
            added.extend(self.policy.communities().tags(function, values));
        };
        let none = Values::default();
        if class.transit() {
            tag(Function::Transit, none);
        }
        let invalid = keeps(import.rpki) && class.rov() == RovState::Invalid;
        if inform.rov || reads || invalid {
            tag(rov_function(class.rov()), none);
        }
        if let Some(function) = aspa_function(class.aspa()).filter(|_| keeps(import.aspa)) {
            tag(function, none);
        }
        let absent = keeps(import.irr) && class.fails_irr();
        if inform.irr || reads || absent {
            for function in irr_functions(class.irr_origin(), class.irr_prefix()) {
                tag(function, none);
            }
            if self.verdict.facts.transit_free {
                tag(Function::PathHasTransitFree, none);
            }
        }
        let Some(peer) = self.policy.peer(self.source) else { return };
        if inform.learnt_from || shape.collector {
            tag(Function::LearntFrom, Values { peer: Some((peer.asn, peer.alias)), ..none });
        }
        if inform.location || shape.collector {
            tag(Function::Location, Values { location: peer.location, ..none });
        }
    }

    fn has(&self, key: CommunityKey) -> bool {
        let attributes = &self.base.attributes;
        key.standard().is_some_and(|community| attributes.communities.contains(&community))
            || key
                .large()
                .is_some_and(|community| attributes.large_communities.contains(&community))
            || key
                .extended()
                .is_some_and(|community| attributes.extended_communities.contains(&community))
    }
}

/// Splits each part in those inside a set, whose shape changes, and those outside.
fn split(parts: &mut Parts, set: &PeerSet, change: impl Fn(&mut Shape)) {
    if set.is_empty() {
        return;
    }
    for index in 0..parts.len() {
        let (shape, peers) = &mut parts[index];
        let mut inside = peers.clone();
        inside.and(set);
        if inside.is_empty() {
            continue;
        }
        peers.and_not(set);
        let mut changed = *shape;
        change(&mut changed);
        parts.push((changed, inside));
    }
    parts.retain(|(_, peers)| !peers.is_empty());
}

fn rov_function(state: RovState) -> Function {
    match state {
        RovState::NotChecked => Function::RovNotChecked,
        RovState::NotFound => Function::RovUnknown,
        RovState::Valid => Function::RovValid,
        RovState::Invalid => Function::RovInvalid,
    }
}

fn aspa_function(state: AspaState) -> Option<Function> {
    match state {
        AspaState::NotChecked => None,
        AspaState::Unknown => Some(Function::AspaUnknown),
        AspaState::Valid => Some(Function::AspaValid),
        AspaState::Invalid => Some(Function::AspaInvalid),
    }
}

fn irr_functions(origin: IrrState, prefix: IrrState) -> SmallVec<[Function; 4]> {
    let mut functions = SmallVec::new();
    if origin == IrrState::NotChecked && prefix == IrrState::NotChecked {
        functions.push(Function::IrrNotChecked);
        return functions;
    }
    functions.push(match origin {
        IrrState::Absent => Function::IrrOriginAbsent,
        IrrState::WhiteList => Function::IrrWhiteList,
        _ => Function::IrrOriginPresent,
    });
    functions.push(match prefix {
        IrrState::Absent => Function::IrrPrefixAbsent,
        IrrState::Roa => Function::IrrRoa,
        IrrState::WhiteList => Function::IrrWhiteList,
        _ => Function::IrrPrefixPresent,
    });
    if origin != IrrState::Absent && prefix != IrrState::Absent {
        functions.push(Function::IrrPresent);
    }
    functions
}
