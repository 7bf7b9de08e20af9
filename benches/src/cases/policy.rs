//! What is judged: attribute sets by the policy, prefixes by outside data.

use std::sync::Arc;

use bgp_wire::{Asn, Family, Prefix};
use policy::{
    IrrSets, Kind, MemberIrr, NoTrace, PeerPolicy, Policy, PolicyConfig, RouteSet, RoutingData,
    Slot, Verdict, VerdictClass,
};

use super::exchange::{RS, address, asn, attributes};
use super::outside::{asked, spread, vrps};
use super::{Case, Run};

const MEMBERS: u16 = 1000;
const SETS: u32 = 200;
const VRPS: u32 = 50_000;
const OBJECTS: u32 = 5_000;
const LOOKUPS: u32 = 10_000;

/// All checks of an attribute set.
pub(super) const ATTRIBUTE_VERDICT: Case = Case {
    name: "attribute-verdict",
    items: SETS,
    item: "attribute set",
    prepare: attribute_verdict,
};

/// Who may have it, with which attributes, among a thousand members.
pub(super) const PLAN: Case =
    Case { name: "plan", items: SETS, item: "attribute set", prepare: plan };

/// Origin validation.
pub(super) const ROV_LOOKUP: Case =
    Case { name: "rov-lookup", items: LOOKUPS, item: "prefix", prepare: rov_lookup };

/// The route object that covers a prefix.
pub(super) const IRR_LOOKUP: Case =
    Case { name: "irr-lookup", items: LOOKUPS, item: "prefix", prepare: irr_lookup };

/// Bogons, lengths, IRR and origin validation together.
pub(super) const PREFIX_VERDICT: Case =
    Case { name: "prefix-verdict", items: LOOKUPS, item: "prefix", prepare: prefix_verdict };

fn objects() -> RouteSet {
    RouteSet::new([asn(0)], (0..OBJECTS).map(spread))
}

/// A regular route server with everything checked.
fn regular() -> Policy {
    let mut config = PolicyConfig::new(Kind::Regular, Asn(RS));
    config.peers = (0..MEMBERS)
        .map(|slot| Some(PeerPolicy::new(slot.into(), asn(slot), address(slot))))
        .collect();
    Policy::new(config).expect("a valid policy")
}

fn attribute_verdict() -> Run {
    let policy = regular();
    let sets: Vec<_> = (0..SETS).map(|set| attributes(0, set, MEMBERS, 0)).collect();
    Box::new(move || {
        for set in &sets {
            std::hint::black_box(policy.attribute_verdict(Slot(0), set, &mut NoTrace));
        }
        sets.len()
    })
}

fn plan() -> Run {
    let policy = regular();
    let verdicts: Vec<_> = (0..SETS)
        .map(|set| policy.attribute_verdict(Slot(0), &attributes(0, set, MEMBERS, 0), &mut NoTrace))
        .collect();
    let class = VerdictClass::new(Family::V4);
    Box::new(move || {
        verdicts.iter().map(|verdict| policy.plan(Slot(0), verdict, class).entries.len()).sum()
    })
}

fn rov_lookup() -> Run {
    let (table, asked) = (vrps(VRPS), asked(LOOKUPS, VRPS));
    Box::new(move || {
        let invalid =
            |prefix: &&Prefix| table.validate(prefix, Some(Asn(7))) == policy::RovState::Invalid;
        asked.iter().filter(invalid).count()
    })
}

fn irr_lookup() -> Run {
    let (objects, asked) = (objects(), asked(LOOKUPS, OBJECTS));
    Box::new(move || asked.iter().filter(|prefix| objects.covering(prefix).is_some()).count())
}

fn prefix_verdict() -> Run {
    let policy = regular();
    let irr = IrrSets::from_members([(0, MemberIrr::fetched("AS-SET", 0, objects()))]);
    let data = RoutingData { vrps: Arc::new(vrps(VRPS)), irr: Arc::new(irr), ..Default::default() };
    // Its own AS alone in the path, which the IRR set names as origin.
    let mut own = attributes(0, 1, MEMBERS, 0);
    own.as_path = bgp_wire::AsPath::from_sequence(&[asn(0)]);
    let verdict = policy.attribute_verdict(Slot(0), &own, &mut NoTrace);
    let asked = asked(LOOKUPS, OBJECTS);
    Box::new(move || {
        let accepted = |prefix: &&Prefix| {
            let verdict = policy.prefix_verdict(Slot(0), &verdict, prefix, &data, &mut NoTrace);
            matches!(verdict, Verdict::Accept(_))
        };
        asked.len() + asked.iter().filter(accepted).count()
    })
}
