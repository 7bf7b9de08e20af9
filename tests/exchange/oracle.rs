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
    BeginRefresh(Family),
    /// EoRR.
    EndRefresh(Family),
    /// End-of-RIB.
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

/// Routes of one family kept over a member's restart.
#[derive(Clone, Copy, Debug)]
struct Stale {
    until: Instant,
    /// The member is there again.
    back: bool,
    /// What comes after `until` is their time as long-lived stale ones.
    long_lived: bool,
    /// There are long-lived stale ones, until then.
    long_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Source {
    up: bool,
    routes: BTreeMap<Prefix, Route>,
    stale: [Option<Stale>; 2],
    /// Families of which the member has not sent all it has.
    incomplete: Families,
    /// Between BoRR and EoRR.
    refreshing: Families,
    /// Their long-lived stale time ended while they were incomplete.
    expired: Families,
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
        let Self { policy, data, sources, kinds } = self;
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
            // RFC 7313 §4: nothing before End-of-RIB with graceful restart, no EoRR without BoRR.
            Told::BeginRefresh(family) | Told::EndRefresh(family)
                if !kinds[usize::from(slot)].graceful.is_empty()
                    && source.incomplete.contains(*family) =>
            {
                Touched::Nothing
            }
            Told::BeginRefresh(family) => {
                source.refreshing.insert(*family);
                source.mark_stale(*family);
                Touched::Nothing
            }
            Told::EndRefresh(family) => {
                if source.refreshing.contains(*family) {
                    source.refreshing.remove(*family);
                    source.sweep(*family);
                }
                Touched::All
            }
            Told::End(family) => {
                source.sweep(*family);
                source.stale[family.index()] = None;
                source.incomplete.remove(*family);
                source.refreshing.remove(*family);
                source.expired.remove(*family);
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
        let before = std::mem::take(&mut source.stale);
        let expired = std::mem::take(&mut source.expired);
        for family in Family::ALL {
            let f = family.index();
            if !keeps || !kind.graceful.contains(family) || expired.contains(family) {
                source.routes.retain(|prefix, _| prefix.family() != family);
                continue;
            }
            let long_until = before[f].and_then(|stale| stale.long_until);
            // RFC 4724 §4.2: twice stale is too much. RFC 9494 §4.2: unless it is long-lived.
            if before[f].is_some() && long_until.is_none() {
                source.sweep(family);
            }
            source.mark_stale(family);
            let until = now + RESTART_TIME;
            let long_lived = kind.llgr && long_until.is_none();
            source.stale[f] = Some(Stale { until, back: false, long_lived, long_until });
        }
    }

    /// The session is there again, with these families' forwarding state kept.
    pub(crate) fn up(&mut self, slot: u16, forwarding: Families, now: Instant) {
        let kind = &self.kinds[usize::from(slot)];
        let source = &mut self.sources[usize::from(slot)];
        source.up = true;
        source.incomplete = kind.families;
        source.refreshing = Families::NONE;
        for family in Family::ALL {
            let Some(stale) = &mut source.stale[family.index()] else { continue };
            if forwarding.contains(family) {
                stale.back = true;
                stale.until = now + END_OF_RIB_WAIT;
                stale.long_lived = false;
            } else {
                source.stale[family.index()] = None;
                source.sweep(family);
            }
        }
    }

    /// Timers. Whether anything has changed.
    pub(crate) fn time(&mut self, slot: u16, now: Instant) -> bool {
        let mut changed = false;
        for family in Family::ALL {
            let source = &mut self.sources[usize::from(slot)];
            let Some(stale) = source.stale[family.index()] else { continue };
            let long_over = stale.long_until.is_some_and(|until| until <= now);
            if !long_over && stale.until > now {
                continue;
            }
            changed = true;
            let lives_on = stale.long_lived || stale.long_until.is_some();
            if long_over || stale.back || !lives_on {
                source.sweep(family);
                source.stale[family.index()] = None;
                if long_over && stale.back {
                    source.expired.insert(family);
                }
                continue;
            }
            let until = stale.long_until.unwrap_or(now + LONG_LIVED_TIME);
            let (long_lived, long_until) = (false, Some(until));
            source.stale[family.index()] = Some(Stale { until, long_lived, long_until, ..stale });
            self.make_long_lived(slot, family);
        }
        changed
    }

    fn make_long_lived(&mut self, slot: u16, family: Family) {
        let Self { policy, data, sources, .. } = self;
        let source = &mut sources[usize::from(slot)];
        let is_stale = |prefix: &Prefix, route: &Route| prefix.family() == family && route.stale;
        source.routes.retain(|prefix, route| {
            !is_stale(prefix, route) || !route.attributes.communities.contains(&NO_LLGR)
        });
        for (prefix, route) in &mut source.routes {
            if is_stale(prefix, route) {
                route.attributes = long_lived(&route.attributes);
                route.judged = judge(policy, data, slot, prefix, &route.attributes);
            }
        }
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
    fn mark_stale(&mut self, family: Family) {
        let of_family = |(prefix, _): &(&Prefix, &mut Route)| prefix.family() == family;
        self.routes.iter_mut().filter(of_family).for_each(|(_, route)| route.stale = true);
    }

    fn sweep(&mut self, family: Family) {
        self.routes.retain(|prefix, route| !route.stale || prefix.family() != family);
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
