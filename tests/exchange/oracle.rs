//! The naive truth: every route that the route server has read, and for each member a table made
//! by asking for each prefix which of them it may have. Uses the policy, nothing of the engine.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_wire::{Community, Families, Family, NextHop, PathAttributes, Prefix, message_octets};
use policy::{ExportPlan, MedMode, NoTrace, Policy, RejectReason, RoutingData, Slot, Verdict};

use crate::kind::{Kind, LONG_LIVED_TIME, RESTART_TIME};

const LLGR_STALE: Community = Community(0xFFFF_0006);
const NO_LLGR: Community = Community(0xFFFF_0007);
/// How long the route server waits for the End-of-RIB of a member that came back.
const END_OF_RIB_WAIT: Duration = Duration::from_secs(360);

/// A member's table: prefix and path identifier.
pub(crate) type Table = BTreeMap<(Prefix, u32), PathAttributes>;

/// What a member told the route server.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Announce(Vec<Prefix>, PathAttributes),
    Withdraw(Vec<Prefix>),
    /// BoRR.
    Begin(Family),
    /// End-of-RIB, or EoRR.
    End(Family),
}

/// The plan of a route, or why nobody may have it.
type Judged = Result<ExportPlan, RejectReason>;

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) attributes: PathAttributes,
    stale: bool,
    judged: Judged,
}

impl Route {
    /// Why nobody may have it.
    pub(crate) fn reject(&self) -> Option<RejectReason> {
        self.judged.as_ref().err().copied()
    }
}

/// Routes kept over a member's restart.
#[derive(Clone, Debug)]
struct Stale {
    families: Families,
    until: Instant,
    /// What comes after it is their time as long-lived stale ones.
    long_lived: bool,
}

#[derive(Debug, Default)]
struct Source {
    up: bool,
    routes: BTreeMap<Prefix, Route>,
    stale: Option<Stale>,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) policy: Arc<Policy>,
    pub(crate) data: RoutingData,
    kinds: Vec<Kind>,
    sources: Vec<Source>,
}

/// What may have changed.
pub(crate) enum Touched {
    Nothing,
    Prefixes(Vec<Prefix>),
    All,
}

impl Oracle {
    pub(crate) fn new(kinds: &[Kind], policy: &Arc<Policy>) -> Self {
        Self {
            policy: Arc::clone(policy),
            data: RoutingData::default(),
            kinds: kinds.to_vec(),
            sources: kinds.iter().map(|_| Source::default()).collect(),
        }
    }

    pub(crate) fn set_policy(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
        self.plan_all();
    }

    pub(crate) fn set_data(&mut self, data: &RoutingData) {
        self.data = data.clone();
        self.plan_all();
    }

    fn plan_all(&mut self) {
        for (slot, source) in (0..).zip(&mut self.sources) {
            for (prefix, route) in &mut source.routes {
                route.judged = judge(&self.policy, &self.data, slot, prefix, &route.attributes);
            }
        }
    }

    /// Routes and whose they are.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (u16, Prefix, &Route)> {
        (0..).zip(&self.sources).flat_map(|(slot, source)| {
            source.routes.iter().map(move |(prefix, route)| (slot, *prefix, route))
        })
    }

    pub(crate) fn route(&self, slot: u16, prefix: &Prefix) -> Option<&Route> {
        self.sources[usize::from(slot)].routes.get(prefix)
    }

    pub(crate) fn told(&mut self, slot: u16, told: &Told) -> Touched {
        let Self { policy, data, sources, .. } = self;
        let source = &mut sources[usize::from(slot)];
        match told {
            Told::Announce(prefixes, attributes) => {
                for prefix in prefixes {
                    let judged = judge(policy, data, slot, prefix, attributes);
                    let route = Route { attributes: attributes.clone(), stale: false, judged };
                    source.routes.insert(*prefix, route);
                }
                Touched::Prefixes(prefixes.clone())
            }
            Told::Withdraw(prefixes) => {
                prefixes.iter().for_each(|prefix| {
                    source.routes.remove(prefix);
                });
                Touched::Prefixes(prefixes.clone())
            }
            Told::Begin(family) => {
                let of_family = |(prefix, _): &(&Prefix, &mut Route)| prefix.family() == *family;
                source.routes.iter_mut().filter(of_family).for_each(|(_, r)| r.stale = true);
                Touched::Nothing
            }
            Told::End(family) => {
                source.sweep(Families::only(*family));
                if let Some(stale) = &mut source.stale {
                    stale.families.remove(*family);
                    if stale.families.is_empty() {
                        source.stale = None;
                    }
                }
                Touched::All
            }
        }
    }

    /// The member is no longer one; the next in its slot is of this kind.
    pub(crate) fn replace(&mut self, slot: u16, kind: &Kind) {
        self.kinds[usize::from(slot)] = kind.clone();
        self.sources[usize::from(slot)] = Source::default();
    }

    /// The session ends. `keeps`: as it did in a way that lets the routes of graceful restart stay.
    pub(crate) fn down(&mut self, slot: u16, keeps: bool, now: Instant) {
        let kind = &self.kinds[usize::from(slot)];
        let source = &mut self.sources[usize::from(slot)];
        source.up = false;
        source.stale = None;
        let kept = if keeps { kind.graceful } else { Families::NONE };
        source.routes.retain(|prefix, _| kept.contains(prefix.family()));
        source.routes.values_mut().for_each(|route| route.stale = true);
        if !kept.is_empty() {
            let until = now + RESTART_TIME;
            source.stale = Some(Stale { families: kept, until, long_lived: kind.llgr });
        }
    }

    /// The session is there again, with these families' forwarding state kept.
    pub(crate) fn up(&mut self, slot: u16, forwarding: Families, now: Instant) {
        let kind = &self.kinds[usize::from(slot)];
        let source = &mut self.sources[usize::from(slot)];
        source.up = true;
        let Some(stale) = source.stale.take() else { return };
        let kept = stale.families.intersection(forwarding).intersection(kind.graceful);
        let gone = stale.families.iter().filter(|family| !kept.contains(*family)).collect();
        source.sweep(gone);
        if !kept.is_empty() {
            let until = now + END_OF_RIB_WAIT;
            source.stale = Some(Stale { families: kept, until, long_lived: false });
        }
    }

    /// Timers. Whether anything has changed.
    pub(crate) fn time(&mut self, slot: u16, now: Instant) -> bool {
        let Self { policy, data, sources, .. } = self;
        let source = &mut sources[usize::from(slot)];
        let Some(stale) = source.stale.take_if(|stale| stale.until <= now) else { return false };
        if !stale.long_lived {
            source.sweep(stale.families);
            return true;
        }
        source
            .routes
            .retain(|_, route| !route.stale || !route.attributes.communities.contains(&NO_LLGR));
        for (prefix, route) in &mut source.routes {
            if route.stale {
                route.attributes = long_lived(&route.attributes);
                route.judged = judge(policy, data, slot, prefix, &route.attributes);
            }
        }
        let until = now + LONG_LIVED_TIME;
        source.stale = Some(Stale { families: stale.families, until, long_lived: false });
        true
    }

    /// What a member must hold of a prefix.
    pub(crate) fn paths(&self, member: u16, prefix: &Prefix) -> Vec<(u32, PathAttributes)> {
        let kind = &self.kinds[usize::from(member)];
        if !kind.families.contains(prefix.family()) {
            return Vec::new();
        }
        let mut candidates: Vec<Candidate<'_>> = Vec::new();
        for (slot, source) in (0..).zip(&self.sources) {
            let plan = source.routes.get(prefix).and_then(|route| route.judged.as_ref().ok());
            let Some(plan) = plan.filter(|_| slot != member) else { continue };
            if let Some(attributes) = outgoing(plan, member, kind, prefix) {
                candidates.push((slot, plan, attributes));
            }
        }
        if kind.add_path {
            let all = candidates.into_iter();
            return all.map(|(slot, _, a)| (u32::from(slot) + 1, a.clone())).collect();
        }
        let best = self.best(&candidates);
        best.map(|(_, _, attributes)| (0, PathAttributes::clone(attributes))).into_iter().collect()
    }

    fn best<'a>(&self, candidates: &'a [Candidate<'a>]) -> Option<&'a Candidate<'a>> {
        let med = self.policy.config().med;
        let running = candidates.iter().filter(|(_, plan, _)| {
            med != MedMode::SameAs
                || !candidates.iter().any(|(_, other, _)| {
                    other.preference == plan.preference
                        && other.neighbour_as == plan.neighbour_as
                        && other.med < plan.med
                })
        });
        running.min_by_key(|(slot, plan, _)| {
            let kind = &self.kinds[usize::from(*slot)];
            (Reverse(plan.preference), kind.router_id(), kind.address())
        })
    }

    /// What a member must hold.
    pub(crate) fn table(&self, member: u16) -> Table {
        let prefixes: BTreeSet<Prefix> = self.routes().map(|(_, prefix, _)| prefix).collect();
        let mut table = Table::new();
        for prefix in prefixes {
            let paths = self.paths(member, &prefix);
            table.extend(paths.into_iter().map(|(id, attributes)| ((prefix, id), attributes)));
        }
        table
    }
}

impl Source {
    fn sweep(&mut self, families: Families) {
        self.routes.retain(|prefix, route| !route.stale || !families.contains(prefix.family()));
    }
}

type Candidate<'a> = (u16, &'a ExportPlan, &'a PathAttributes);

/// A route as it stands for its source over a long restart.
fn long_lived(attributes: &PathAttributes) -> PathAttributes {
    let mut made = attributes.clone();
    let mut communities = std::mem::take(&mut made.communities).into_vec();
    if !communities.contains(&LLGR_STALE) {
        communities.push(LLGR_STALE);
    }
    made.communities = communities.into();
    made
}

fn judge(
    policy: &Policy,
    data: &RoutingData,
    source: u16,
    prefix: &Prefix,
    attributes: &PathAttributes,
) -> Judged {
    let source = Slot(source);
    let verdict = policy.attribute_verdict(source, attributes, &mut NoTrace);
    match policy.prefix_verdict(source, &verdict, prefix, data, &mut NoTrace) {
        Verdict::Reject(reason) => Err(reason),
        Verdict::Accept(class) => Ok(policy.plan(source, &verdict, class)),
    }
}

/// What the member is sent of a plan, if it may have and can take it.
fn outgoing<'a>(
    plan: &'a ExportPlan,
    member: u16,
    kind: &Kind,
    prefix: &Prefix,
) -> Option<&'a PathAttributes> {
    let entry = plan.entries.iter().find(|entry| entry.peers.contains(Slot(member)))?;
    let attributes = &entry.attributes.attributes;
    let family = prefix.family();
    let v6_next_hop = matches!(attributes.next_hop, NextHop::V6 { .. });
    let takes_next_hop = kind.extended_next_hop || family == Family::V6 || !v6_next_hop;
    let takes_stale = kind.llgr || !attributes.communities.contains(&LLGR_STALE);
    let max = if kind.extended_message { 65535 } else { 4096 };
    let fits = message_octets(&kind.profile(), family, attributes) <= max;
    (takes_next_hop && takes_stale && fits).then_some(attributes)
}

/// Whether a policy lets a member have what it received, given that the source sent `sent`.
pub(crate) fn allows(
    policy: &Policy,
    data: &RoutingData,
    (source, prefix, sent): (u16, &Prefix, &PathAttributes),
    member: u16,
    kind: &Kind,
    received: &PathAttributes,
) -> bool {
    [sent.clone(), long_lived(sent)].iter().any(|sent| {
        let plan = judge(policy, data, source, prefix, sent);
        plan.is_ok_and(|plan| outgoing(&plan, member, kind, prefix) == Some(received))
    })
}
