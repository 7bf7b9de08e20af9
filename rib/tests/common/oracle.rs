//! The naive truth: every route of every member, and for each member a table made by asking for
//! each prefix which of them it may have. Uses the policy, and nothing of the engine.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bgp_wire::{Community, Family, NextHop, PathAttributes, Prefix};
use policy::{ExportPlan, MedMode, NoTrace, Policy, RoutingData, Slot, Verdict};

use super::{Exchange, MemberKind, address_of};

#[derive(Clone, Debug)]
struct Route {
    attributes: PathAttributes,
    stale: bool,
}

#[derive(Default)]
pub struct Oracle {
    routes: BTreeMap<(u16, Prefix), Route>,
}

const LLGR_STALE: Community = Community(0xFFFF_0006);
const NO_LLGR: Community = Community(0xFFFF_0007);

impl Oracle {
    pub fn announce(&mut self, slot: u16, prefix: Prefix, attributes: PathAttributes) {
        self.routes.insert((slot, prefix), Route { attributes, stale: false });
    }

    pub fn withdraw(&mut self, slot: u16, prefix: Prefix) {
        self.routes.remove(&(slot, prefix));
    }

    pub fn down(&mut self, slot: u16, stale: bool) {
        if stale {
            self.of(slot).for_each(|route| route.stale = true);
        } else {
            self.routes.retain(|(source, _), _| *source != slot);
        }
    }

    pub fn sweep(&mut self, slot: u16) {
        self.routes.retain(|(source, _), route| *source != slot || !route.stale);
    }

    pub fn long_lived(&mut self, slot: u16) {
        self.routes.retain(|(source, _), route| {
            let gone = route.stale && route.attributes.communities.contains(&NO_LLGR);
            *source != slot || !gone
        });
        for route in self.of(slot).filter(|route| route.stale) {
            let mut communities = std::mem::take(&mut route.attributes.communities).into_vec();
            if !communities.contains(&LLGR_STALE) {
                communities.push(LLGR_STALE);
            }
            route.attributes.communities = communities.into();
        }
    }

    fn of(&mut self, slot: u16) -> impl Iterator<Item = &mut Route> {
        self.routes.iter_mut().filter(move |((s, _), _)| *s == slot).map(|(_, route)| route)
    }

    /// The table that a member must hold.
    pub fn table(
        &self,
        exchange: &Exchange,
        member: u16,
    ) -> BTreeMap<(Prefix, u32), PathAttributes> {
        let kind = exchange.workers[usize::from(member)].kind;
        let mut candidates: BTreeMap<Prefix, Vec<(u16, ExportPlan)>> = BTreeMap::new();
        for ((source, prefix), route) in &self.routes {
            let plan = plan(&exchange.policy, &exchange.data, *source, prefix, &route.attributes);
            if let Some(plan) = plan {
                candidates.entry(*prefix).or_default().push((*source, plan));
            }
        }
        let med = exchange.policy.config().med;
        let mut table = BTreeMap::new();
        for (prefix, mut candidates) in candidates {
            if !kind.families.contains(prefix.family()) {
                continue;
            }
            candidates.retain(|(source, plan)| {
                *source != member && outgoing(plan, member, kind, &prefix).is_some()
            });
            if kind.add_path {
                for (source, plan) in &candidates {
                    let attributes = outgoing(plan, member, kind, &prefix).unwrap();
                    table.insert((prefix, u32::from(*source) + 1), attributes);
                }
            } else if let Some((_, plan)) = best(&candidates, med, &exchange.router_ids) {
                table.insert((prefix, 0), outgoing(plan, member, kind, &prefix).unwrap());
            }
        }
        table
    }
}

fn best<'a>(
    candidates: &'a [(u16, ExportPlan)],
    med: MedMode,
    router_ids: &[u32],
) -> Option<&'a (u16, ExportPlan)> {
    let running = candidates.iter().filter(|(_, plan)| {
        med != MedMode::SameAs
            || !candidates.iter().any(|(_, other)| {
                other.preference == plan.preference
                    && other.neighbour_as == plan.neighbour_as
                    && other.med < plan.med
            })
    });
    running.min_by_key(|(source, plan)| {
        let router_id = router_ids[usize::from(*source)];
        (Reverse(plan.preference), router_id, address_of(*source))
    })
}

fn plan(
    policy: &Policy,
    data: &RoutingData,
    source: u16,
    prefix: &Prefix,
    attributes: &PathAttributes,
) -> Option<ExportPlan> {
    let source = Slot(source);
    let verdict = policy.attribute_verdict(source, attributes, &mut NoTrace);
    match policy.prefix_verdict(source, &verdict, prefix, data, &mut NoTrace) {
        Verdict::Reject(_) => None,
        Verdict::Accept(class) => Some(policy.plan(source, &verdict, class)),
    }
}

/// Does the policy let the member have this route at all?
pub fn may_have(
    policy: &Policy,
    data: &RoutingData,
    source: u16,
    prefix: &Prefix,
    attributes: &PathAttributes,
    member: u16,
) -> bool {
    let source = Slot(source);
    let verdict = policy.attribute_verdict(source, attributes, &mut NoTrace);
    match policy.prefix_verdict(source, &verdict, prefix, data, &mut NoTrace) {
        Verdict::Reject(_) => false,
        Verdict::Accept(class) => {
            let plan = policy.plan(source, &verdict, class);
            plan.entries.iter().any(|entry| entry.peers.contains(Slot(member)))
        }
    }
}

/// What the member is sent of a plan, if it may have and can take it.
fn outgoing(
    plan: &ExportPlan,
    member: u16,
    kind: MemberKind,
    prefix: &Prefix,
) -> Option<PathAttributes> {
    let entry = plan.entries.iter().find(|entry| entry.peers.contains(Slot(member)))?;
    let attributes = &entry.attributes.attributes;
    let v6_next_hop = matches!(attributes.next_hop, NextHop::V6 { .. });
    let takes_next_hop = kind.extended_next_hop || prefix.family() == Family::V6 || !v6_next_hop;
    let takes_stale = kind.llgr || !attributes.communities.contains(&LLGR_STALE);
    (takes_next_hop && takes_stale).then(|| attributes.clone())
}
