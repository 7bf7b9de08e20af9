//! What the attributes alone decide: rows 1 to 9, 20 and 21.

use std::sync::Arc;

use bgp_wire::{Community, PathAttributes};

use super::next_hop::NextHopVerdict;
use super::{AttributeFacts, AttributeVerdict, checks, path};
use crate::communities::{Function, attach, remove};
use crate::config::{ImportPolicy, Kind, PeerPolicy};
use crate::outgoing::OutgoingAttributes;
use crate::peer_set::Slot;
use crate::policy::{CompiledPeer, Policy};
use crate::reject::RejectReason;
use crate::trace::{Check, Datum, Outcome, Trace};

/// What a check on the attributes sees: the attributes as received.
pub(super) struct Input<'a> {
    pub(super) policy: &'a Policy,
    pub(super) peer: &'a PeerPolicy,
    pub(super) compiled: &'a CompiledPeer,
    pub(super) attributes: &'a PathAttributes,
}

impl<'a> Input<'a> {
    pub(super) fn import(&self) -> &'a ImportPolicy {
        &self.compiled.import.policy
    }
}

type AttributeCheck = for<'a> fn(&Input<'a>) -> Outcome<'a>;

/// The checks in order; the first that refuses gives the reason.
const TABLE: [(Check, AttributeCheck); 9] = [
    (checks::COLLECTOR, collector),
    (checks::NEXT_HOP, next_hop),
    (checks::AS_PATH_LENGTH, path::length),
    (checks::FIRST_AS, path::first_as),
    (checks::AS_SET, path::as_set),
    (checks::BOGON_ASN, path::bogon_asn),
    (checks::TRANSIT_FREE, path::transit_free),
    (checks::NEVER_VIA_RS, path::never_via_rs),
    (checks::COMMUNITIES, community_count),
];

impl Policy {
    /// What the attributes alone decide: rows 1 to 9, 20 and 21.
    pub fn attribute_verdict(
        &self,
        source: Slot,
        attributes: &PathAttributes,
        trace: &mut impl Trace,
    ) -> AttributeVerdict {
        let Some((peer, compiled)) = self.source(source) else {
            return refused(RejectReason::Collector, attributes, AttributeFacts::default());
        };
        let input = Input { policy: self, peer, compiled, attributes };
        let (outgoing, mut facts) = self.scrubbed(&input, trace);
        for (check, run) in TABLE {
            let outcome = run(&input);
            trace.check(check, outcome);
            if let Outcome::Refused(reason, _) = outcome {
                return refused(reason, attributes, facts);
            }
        }
        let late = otc(&input);
        trace.check(checks::OTC, late);
        let late_reject = match late {
            Outcome::Refused(reason, _) => Some(reason),
            _ => None,
        };
        self.gather_facts(&input, &outgoing, &mut facts);
        let graceful = if facts.graceful_shutdown {
            Outcome::Noted(Datum::Community(Community::GRACEFUL_SHUTDOWN.into()))
        } else {
            Outcome::Passed(Datum::None)
        };
        trace.check(checks::GRACEFUL_SHUTDOWN, graceful);
        let hits = if self.obeys_communities() {
            self.communities().hits(&outgoing)
        } else {
            Box::default()
        };
        facts.blackhole = hits.iter().any(|hit| hit.function == Function::Blackhole);
        let base = Arc::new(OutgoingAttributes::new(self.base(outgoing, &facts)));
        let origin = attributes.as_path.origin();
        AttributeVerdict { reject: None, late_reject, origin, facts, hits, base: Some(base) }
    }

    /// Row 1: the attributes without what a member cannot set, with what is attached to its
    /// routes, and with the next hop as it is stored.
    fn scrubbed(
        &self,
        input: &Input<'_>,
        trace: &mut impl Trace,
    ) -> (PathAttributes, AttributeFacts) {
        let mut outgoing = input.attributes.clone();
        let mut facts = AttributeFacts::default();
        // On a chaos server communities have no meaning and pass untouched.
        if self.config().kind != Kind::Chaos {
            let removed = self.communities().scrub_in.scrub(&mut outgoing);
            facts.scrubbed = u16::try_from(removed).unwrap_or(u16::MAX);
            if input.compiled.sponsor {
                facts.transit_said = self.communities().has_transit(&outgoing);
            } else {
                facts.transit_scrubbed = self.communities().scrub_transit(&mut outgoing);
            }
        }
        attach(&mut outgoing, &input.compiled.attach);
        facts.transit =
            self.config().kind == Kind::Transitable && self.communities().has_transit(&outgoing);
        let removed = usize::from(facts.scrubbed) + usize::from(facts.transit_scrubbed);
        trace.check(
            checks::SCRUB,
            match removed {
                0 => Outcome::Passed(Datum::None),
                found => Outcome::Noted(Datum::Removed(found)),
            },
        );
        if verdict_of_next_hop(input) == NextHopVerdict::StripLinkLocal {
            facts.link_local_stripped = true;
            if let bgp_wire::NextHop::V6 { link_local, .. } = &mut outgoing.next_hop {
                *link_local = None;
            }
        }
        (outgoing, facts)
    }

    fn gather_facts(
        &self,
        input: &Input<'_>,
        outgoing: &PathAttributes,
        facts: &mut AttributeFacts,
    ) {
        let has = |community| outgoing.communities.contains(&community);
        facts.graceful_shutdown =
            input.import().graceful_shutdown && has(Community::GRACEFUL_SHUTDOWN);
        facts.llgr_stale = has(Community::LLGR_STALE);
        facts.no_export = has(Community::NO_EXPORT)
            || has(Community::NO_ADVERTISE)
            || has(Community::NO_EXPORT_SUBCONFED);
        facts.transit_free = path::transit_free_asn(input).is_some();
    }

    /// What leaves if nothing is prepended or added: without control communities.
    fn base(&self, mut outgoing: PathAttributes, facts: &AttributeFacts) -> PathAttributes {
        if self.obeys_communities() {
            self.communities().scrub_out.scrub(&mut outgoing);
            // A sponsor's TRANSIT is always left on the route, whatever range it lies in.
            if facts.transit {
                let transit = self.communities().tags(Function::Transit, Default::default());
                attach(&mut outgoing, &transit);
            }
        }
        // They are a neighbour's own (RFC 4360 §6), and we are none: what one member says about its
        // link, or as its validation state (RFC 8097), is not another's to believe.
        if self.config().kind != Kind::Chaos {
            strip_non_transitive(&mut outgoing);
        }
        if self.config().set_partial {
            for unknown in &mut outgoing.unknown {
                unknown.flags |= FLAG_PARTIAL;
            }
        }
        if self.config().drain && !outgoing.communities.contains(&Community::GRACEFUL_SHUTDOWN) {
            attach(&mut outgoing, &[Community::GRACEFUL_SHUTDOWN.into()]);
        }
        outgoing
    }
}

fn strip_non_transitive(attributes: &mut PathAttributes) {
    remove(&mut attributes.extended_communities, |community| !community.is_transitive());
    remove(&mut attributes.ipv6_extended_communities, |community| !community.is_transitive());
}

/// The Partial bit of the attribute flags (RFC 4271 §4.3).
const FLAG_PARTIAL: u8 = 0x20;

fn refused(
    reason: RejectReason,
    attributes: &PathAttributes,
    facts: AttributeFacts,
) -> AttributeVerdict {
    AttributeVerdict {
        reject: Some(reason),
        late_reject: None,
        origin: attributes.as_path.origin(),
        facts,
        hits: Box::default(),
        base: None,
    }
}

fn collector<'a>(input: &Input<'a>) -> Outcome<'a> {
    if input.peer.collector {
        Outcome::Refused(RejectReason::Collector, Datum::None)
    } else {
        Outcome::Passed(Datum::None)
    }
}

/// Row 2.
fn next_hop<'a>(input: &Input<'a>) -> Outcome<'a> {
    let next_hop = input.attributes.next_hop;
    let fault = |fault| Datum::NextHopFault { next_hop, fault };
    match verdict_of_next_hop(input) {
        NextHopVerdict::Accept => Outcome::Passed(Datum::NextHop(next_hop)),
        NextHopVerdict::StripLinkLocal => {
            Outcome::Noted(fault("its link-local half is not registered and is taken off"))
        }
        NextHopVerdict::Refuse(why) => Outcome::Refused(RejectReason::NextHop, fault(why)),
    }
}

fn verdict_of_next_hop(input: &Input<'_>) -> NextHopVerdict {
    input.compiled.next_hops.check(
        input.import().next_hop,
        &input.attributes.next_hop,
        |address| input.policy.is_own_address(address),
        &input.policy.config().peering_lan,
    )
}

/// Row 9.
fn community_count<'a>(input: &Input<'a>) -> Outcome<'a> {
    let limit = input.import().max_communities as usize;
    if limit == 0 {
        return Outcome::Skipped("no limit");
    }
    let attributes = input.attributes;
    // The mark of a route that we keep over its source's long restart is ours (RFC 9494 §4.2), and
    // does not make one too many; nor does another helper's.
    let mark = usize::from(attributes.communities.contains(&Community::LLGR_STALE));
    let found = attributes.communities.len() - mark
        + attributes.extended_communities.len()
        + attributes.ipv6_extended_communities.len()
        + attributes.large_communities.len();
    let datum = Datum::Count { found, limit };
    if found > limit {
        Outcome::Refused(RejectReason::TooManyCommunities, datum)
    } else {
        Outcome::Passed(datum)
    }
}

/// Row 20: whatever an RS-client sends with OTC is a leak; ineligible, not withdrawn
/// (RFC 9234 §5).
fn otc<'a>(input: &Input<'a>) -> Outcome<'a> {
    if !input.compiled.otc {
        return Outcome::Skipped("roles are off");
    }
    input.attributes.otc.map_or(Outcome::Passed(Datum::None), |asn| {
        Outcome::Refused(RejectReason::RouteLeak, Datum::Asn(asn))
    })
}
