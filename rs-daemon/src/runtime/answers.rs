//! Answers made of what workers and shards say, in the words of [`super::status`] and
//! [`super::query`].

mod pass;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use bgp_wire::{
    Asn, Community, ExtendedCommunity, Family, Ipv6ExtendedCommunity, LargeCommunity, NextHop,
    Origin, PathAttributes, Prefix,
};
use policy::{Encoding, IrrState, Policy, RejectReason, RovState, Slot, VerdictClass};
use rib::{AnyCommunity, CandidateOutcome, Mark, RouteFilter, RouteView, Shard, SlotCounters};

pub(crate) use pass::Passed;

use super::HandleError;
use super::handle::Inner;
use super::locked;
use super::query::{
    Cursor, ExplainedCandidate, ExplainedCheck, Explanation, PrefixMatch, RejectEntry, RouteEntry,
    RoutePage, RouteQuery,
};
use super::registry::key;
use super::signatures;
use super::status::{
    DaemonStatus, RouteCounters, RouteServerStatus, SessionId, SessionState, SessionStatus,
};

/// The most routes of one page: what a shard lists between two turns.
const MAX_PAGE: usize = 1000;

/// Transit routes of others that a sponsor is not sent.
const TRANSIT_WITHHELD: &str = "transit-withheld";

/// Additions that a shard makes at once while it counts what is exported: half a millisecond.
const COUNT_STEPS: usize = 100_000;

/// After so many parts what is left is counted at once: there is always something where much
/// changes, and it is little.
const COUNT_PARTS: usize = 1000;

/// What a shard says of all slots.
struct Counted {
    slots: Vec<SlotCounters>,
    exported: Vec<[u64; 2]>,
    destinations: [usize; 2],
}

fn counted(shard: &mut Shard) -> Counted {
    Counted {
        slots: shard.counters().slots.clone(),
        exported: shard.exported(),
        destinations: shard.counters().destinations,
    }
}

/// What all shards say of a route server, of one moment of each.
pub(super) struct Tables(Vec<Counted>);

impl Inner {
    /// Counts what is exported in parts, between which the shards go on with their work.
    pub(crate) async fn count_exported(&self, route_server: usize) -> Result<(), HandleError> {
        for _ in 0..COUNT_PARTS {
            let done = self.ask_shards(route_server, |shard| shard.count_exported(COUNT_STEPS));
            if done.await?.into_iter().all(|done| done) {
                break;
            }
        }
        Ok(())
    }

    /// Counts the routes of a route server.
    pub(super) async fn tables(&self, route_server: usize) -> Tables {
        // While stopping there are none to count.
        if self.count_exported(route_server).await.is_err() {
            return Tables(Vec::new());
        }
        Tables(self.ask_shards(route_server, counted).await.unwrap_or_default())
    }

    /// Adds what was counted to sessions of a route server.
    pub(super) fn fill_routes<'a>(
        &self,
        route_server: usize,
        tables: &Tables,
        sessions: impl Iterator<Item = &'a mut SessionStatus>,
    ) {
        let Tables(shards) = tables;
        let shared = self.engine.route_servers.load().get(route_server).cloned();
        let policy = shared.map(|shared| shared.policy.load_full());
        let transit = Family::ALL.map(|family| transit_routes(shards, family));
        for session in sessions {
            let slot = Slot(session.slot);
            let withheld = policy.as_ref().is_some_and(|policy| policy.withholds_transit(slot));
            for family in Family::ALL {
                let routes = &mut session.routes[family.index()];
                *routes = slot_routes(shards, slot, family);
                if withheld {
                    let own = number_of(&routes.marked, Mark::Transit.name());
                    let others = transit[family.index()].saturating_sub(own);
                    add_named(&mut routes.marked, TRANSIT_WITHHELD, others);
                }
            }
        }
    }

    /// A route server, from its sessions and what was counted.
    pub(super) fn route_server_status(
        &self,
        index: usize,
        tables: &Tables,
        sessions: &[SessionStatus],
    ) -> Option<RouteServerStatus> {
        let config = self.config.load_full();
        let server = config.route_servers.get(index)?;
        let shared = self.engine.route_servers.load().get(index).cloned()?;
        let mine = || sessions.iter().filter(|s| s.id.route_server == server.name);
        let mut routes = [RouteCounters::default(), RouteCounters::default()];
        for session in mine() {
            for (sum, of_session) in routes.iter_mut().zip(&session.routes) {
                add(sum, of_session);
            }
        }
        let established = mine().filter(|s| s.state == SessionState::Established).count();
        let listeners = self.listeners.load();
        let destinations = |f: usize| tables.0.iter().map(|s| s.destinations[f] as u64).sum();
        Some(RouteServerStatus {
            name: Arc::clone(&server.name),
            kind: server.kind.name().to_owned(),
            asn: server.asn.0,
            router_id: server.router_id,
            listeners: listeners
                .iter()
                .filter(|listener| listener.route_server == index)
                .map(|listener| listener.status())
                .collect(),
            sessions_configured: number(mine().count()),
            sessions_established: number(established),
            restart_awaits: shared.recovery.awaited().map(number),
            epoch: shared.policy.load().epoch(),
            routes,
            destinations: [0, 1].map(destinations),
        })
    }

    pub(super) fn daemon_status(&self, sessions: &[SessionStatus]) -> DaemonStatus {
        let (last_reload, last_reload_success) = *locked(&self.reload);
        let mut sessions_established = 0;
        for session in sessions {
            sessions_established += u32::from(session.state == SessionState::Established);
        }
        DaemonStatus {
            exchange: self.config.load().exchange.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            last_reload,
            last_reload_success,
            workers: u16::try_from(self.workers.len()).unwrap_or(u16::MAX),
            shards: u16::try_from(self.engine.inboxes.len()).unwrap_or(u16::MAX),
            sessions_configured: number(self.registry.len()),
            sessions_established,
            state_written: self.state_written.load(Ordering::Acquire),
            clock_jumps: self.clock_jumps.load(Ordering::Relaxed),
            draining: self.draining.load(Ordering::Acquire),
            ready: *self.ready.borrow(),
            resident_octets: resident_octets(),
            shard_inbox: self.engine.inboxes.iter().map(|inbox| inbox.cost() as u64).collect(),
            signature_failures: signatures::read(),
            control: self.local_sockets.control.status(),
            http: self.local_sockets.http.status(),
        }
    }

    fn route_server_of(&self, query: &RouteQuery) -> Result<usize, HandleError> {
        let servers = self.engine.route_servers.load();
        let from_session = query.from.as_ref().or(query.to.as_ref()).map(|s| &*s.route_server);
        let Some(name) = query.route_server.as_deref().or(from_session) else {
            return match servers.len() {
                1 => Ok(0),
                _ => Err(HandleError::Invalid("say which route server".to_owned())),
            };
        };
        servers
            .iter()
            .position(|server| &*server.name == name)
            .ok_or_else(|| HandleError::NoRouteServer(name.to_owned()))
    }

    fn filter(&self, query: &RouteQuery, index: usize) -> Result<RouteFilter, HandleError> {
        let slot_of = |id: &Option<SessionId>| match id {
            None => Ok(None),
            Some(id) => match self.registry.get(&key(id)) {
                Some(session) if session.route_server == index => Ok(Some(session.slot)),
                _ => Err(HandleError::NoSession(id.to_string())),
            },
        };
        let community = query.community.as_deref().map(parse_community).transpose()?;
        Ok(RouteFilter {
            family: query.family.as_deref().map(parse_family).transpose()?,
            prefix: match &query.prefix {
                None => None,
                Some(text) => Some((parse_prefix(text)?, prefix_match(query.prefix_match))),
            },
            from: slot_of(&query.from)?,
            to: slot_of(&query.to)?,
            not_to: slot_of(&query.not_to)?,
            filtered: query.filtered,
            community_says: community.map_or_else(Vec::new, |one| self.said_by(one, index)),
            community,
            origin: query.origin.map(Asn),
            best: query.best,
        })
    }

    /// The reasons for which a rejected route is shown with this community.
    fn said_by(&self, community: AnyCommunity, index: usize) -> Vec<RejectReason> {
        let Some(shared) = self.engine.route_servers.load().get(index).cloned() else {
            return Vec::new();
        };
        let policy = shared.policy.load();
        let text = community_text(community);
        let says = |reason: &RejectReason| {
            policy.reject_communities(*reason).iter().any(|key| key.to_string() == text)
        };
        RejectReason::ALL.into_iter().filter(says).collect()
    }

    pub(super) async fn routes(
        &self,
        query: &RouteQuery,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<RoutePage, HandleError> {
        let index = self.route_server_of(query)?;
        let filter = self.filter(query, index)?;
        let limit = limit.clamp(1, MAX_PAGE);
        let shared = self.engine.route_servers.load().get(index).cloned();
        let shared = shared.ok_or(HandleError::Stopping)?;
        let naming = Naming { name: Arc::clone(&shared.name), policy: shared.policy.load_full() };
        if filter.prefix.is_some_and(|(_, how)| how == rib::PrefixMatch::Longest) {
            return self.longest(index, filter, &naming).await;
        }
        let (mut shard, mut place) = match from {
            None => (0, rib::Cursor::START),
            Some(cursor) => parse_cursor(cursor)?,
        };
        let mut page = RoutePage::default();
        while shard < self.engine.inboxes.len() {
            let (filter, wanted) = (filter.clone(), limit - page.routes.len());
            let part = self
                .ask_shard(shard, index, move |shard| shard.routes(&filter, place, wanted))
                .await?;
            page.routes.extend(part.routes.iter().map(|view| naming.entry(view)));
            (shard, place) = match part.next {
                Some(next) => (shard, next),
                None => (shard + 1, rib::Cursor::START),
            };
            if page.routes.len() >= limit {
                break;
            }
        }
        if shard < self.engine.inboxes.len() {
            page.next = Some(format_cursor(shard, place));
        }
        Ok(page)
    }

    /// Each shard gives its longest match; the longest of these is the answer.
    async fn longest(
        &self,
        index: usize,
        filter: RouteFilter,
        naming: &Naming,
    ) -> Result<RoutePage, HandleError> {
        let pages = self
            .ask_shards(index, move |shard| shard.routes(&filter, rib::Cursor::START, MAX_PAGE))
            .await?;
        let all: Vec<RouteView> = pages.into_iter().flat_map(|page| page.routes).collect();
        let longest = all.iter().map(|view| view.prefix.len()).max();
        let routes = all
            .iter()
            .filter(|view| Some(view.prefix.len()) == longest)
            .map(|view| naming.entry(view))
            .collect();
        Ok(RoutePage { routes, next: None })
    }

    /// The longest prefix with a route, rejected or not, that covers this one.
    async fn longest_match(
        &self,
        index: usize,
        prefix: Prefix,
        naming: &Naming,
    ) -> Result<Option<Prefix>, HandleError> {
        let prefix = Some((prefix, rib::PrefixMatch::Longest));
        let filter = RouteFilter { prefix, ..RouteFilter::default() };
        let found = self.longest(index, filter, naming).await?;
        Ok(found.routes.first().and_then(|route| route.prefix.parse().ok()))
    }

    pub(super) async fn explain(
        &self,
        prefix: &str,
        to: &SessionId,
    ) -> Result<Explanation, HandleError> {
        let session = self.registry.named(to)?;
        let (index, slot) = (session.route_server, session.slot);
        let asked = parse_prefix(prefix)?;
        let shared = self.engine.route_servers.load().get(index).cloned();
        let shared = shared.ok_or(HandleError::Stopping)?;
        let naming = Naming { name: Arc::clone(&shared.name), policy: shared.policy.load_full() };
        let prefix = match prefix.contains('/') {
            true => asked,
            false => self.longest_match(index, asked, &naming).await?.unwrap_or(asked),
        };
        let shard = rib::shard_of(&prefix, self.engine.inboxes.len());
        // Two questions, and the end of a turn between them.
        self.ask_shard(shard, index, move |shard| shard.freshen(&prefix)).await?;
        let found = self.ask_shard(shard, index, move |shard| shard.explain(&prefix, slot)).await?;
        let (_, asn) = naming.session(slot);
        Ok(naming.explanation(&found, to, asn))
    }
}

/// Names for slots.
struct Naming {
    name: Arc<str>,
    policy: Arc<Policy>,
}

impl Naming {
    fn session(&self, slot: Slot) -> (SessionId, u32) {
        match self.policy.peer(slot) {
            Some(peer) => (
                SessionId {
                    route_server: Arc::clone(&self.name),
                    address: peer.address,
                    interface: peer.interface.clone(),
                },
                peer.asn.0,
            ),
            // Its session was removed a moment ago and its routes are being purged.
            None => (
                SessionId {
                    route_server: Arc::clone(&self.name),
                    address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    interface: None,
                },
                0,
            ),
        }
    }

    fn entry(&self, view: &RouteView) -> RouteEntry {
        let (from, from_asn) = self.session(view.source);
        let attributes = match &view.outgoing {
            Some(outgoing) => &outgoing.attributes,
            None => view.set.attributes(),
        };
        let mut shown = attribute_entry(attributes);
        if let Some(reason) = view.reject {
            self.show_reason(reason, &mut shown);
        }
        let rov = view.class.map(|class| rov_name(class.rov()).to_owned());
        let irr = view.class.map(|class| irr_name(class).to_owned());
        RouteEntry {
            prefix: view.prefix.to_string(),
            from,
            from_asn,
            reject: view.reject.map(reject_entry),
            best: view.best,
            stale: view.stale || view.long_lived_stale,
            age_secs: view.received.map(|at| Instant::now().duration_since(at).as_secs()),
            path_id: view.path_id,
            rov,
            irr,
            ..shown
        }
    }

    /// A rejected route is shown with the communities that say why, from which looking glasses
    /// make a text. One that the member put there itself is not said twice.
    fn show_reason(&self, reason: RejectReason, entry: &mut RouteEntry) {
        for key in self.policy.reject_communities(reason) {
            let list = match key.encoding() {
                Encoding::Standard => &mut entry.communities,
                Encoding::Extended => &mut entry.extended_communities,
                Encoding::Large => &mut entry.large_communities,
            };
            let text = key.to_string();
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }

    fn explanation(&self, found: &rib::Explanation, to: &SessionId, asn: u32) -> Explanation {
        let candidates: Vec<_> =
            found.candidates.iter().map(|candidate| self.candidate(candidate)).collect();
        let who = format!("AS{asn} ({})", to.address);
        let summary = match (&found.chosen[..], &candidates[..]) {
            (_, []) => {
                format!("there is no route for {}: nobody announces it here", found.prefix)
            }
            ([], [only]) => {
                let from = only.route.from_asn;
                format!(
                    "{who} has no route for {}; that of AS{from}: {}",
                    found.prefix, only.outcome
                )
            }
            ([], several) => format!(
                "{who} has no route for {}: none of {} may go there",
                found.prefix,
                several.len()
            ),
            (chosen, _) => {
                let from: Vec<_> = chosen
                    .iter()
                    .filter_map(|at| candidates.get(*at))
                    .map(|c| format!("AS{} ({})", c.route.from_asn, c.route.from.address))
                    .collect();
                format!("{who} has {} from {}", found.prefix, from.join(", "))
            }
        };
        Explanation {
            prefix: found.prefix.to_string(),
            to: to.clone(),
            candidates,
            chosen: found.chosen.clone(),
            summary,
        }
    }

    fn candidate(&self, candidate: &rib::ExplainedCandidate) -> ExplainedCandidate {
        // What depends on attributes alone is decided once for many prefixes, before the rest; people
        // know the checks in the order in which the first that fails gives the reason.
        let mut import: Vec<_> = candidate.import.iter().collect();
        import.sort_by_key(|step| step.check.row);
        if let Some(fails) = import.iter().position(|step| step.result == "refused") {
            import.truncate(fails + 1);
        }
        let import = import.into_iter().map(|step| ExplainedCheck {
            check: step.check.name.to_owned(),
            outcome: outcome_word(step.result).to_owned(),
            detail: match step.fetched_unix_secs {
                Some(secs) => format!("{}, fetched {} ago", step.detail, age(secs)),
                None => step.detail.clone(),
            },
        });
        let export = candidate.export.iter().map(|step| ExplainedCheck {
            check: step.rule.to_string(),
            outcome: if step.withheld { "fail" } else { "note" }.to_owned(),
            detail: step.detail.clone(),
        });
        ExplainedCandidate {
            route: self.entry(&candidate.route),
            checks: import.chain(export).collect(),
            outcome: match (candidate.outcome, withheld_by(candidate)) {
                (CandidateOutcome::Withheld, Some(step)) => {
                    format!("withheld: {} {}", step.rule, step.detail).trim_end().to_owned()
                }
                (outcome, _) => self.outcome(outcome),
            },
        }
    }

    fn outcome(&self, outcome: CandidateOutcome) -> String {
        let who = |slot: Slot| {
            let (session, asn) = self.session(slot);
            format!("AS{asn} ({})", session.address)
        };
        match outcome {
            CandidateOutcome::Given => "given".to_owned(),
            CandidateOutcome::Owed => "will be given when the walk comes to it".to_owned(),
            CandidateOutcome::Rejected(reason) => format!("rejected: {reason}"),
            CandidateOutcome::Withheld => "withheld by export policy".to_owned(),
            CandidateOutcome::OwnRoute => "the member's own route".to_owned(),
            CandidateOutcome::NoSession => "the member has no session for the family".to_owned(),
            CandidateOutcome::NeedsExtendedNextHop => {
                "the member can't take an IPv6 next hop for IPv4 (RFC 8950)".to_owned()
            }
            CandidateOutcome::NeedsLongLivedGracefulRestart => {
                "long-lived stale, and the member has no LLGR (RFC 9494)".to_owned()
            }
            CandidateOutcome::TooLarge => "fits no message that the member takes".to_owned(),
            CandidateOutcome::HigherMed { than } => {
                format!("higher MED than that of {}", who(than))
            }
            CandidateOutcome::LessPreferred { than, by } => {
                format!("less preferred than that of {}: {by}", who(than))
            }
            CandidateOutcome::Undecided => "not decided yet".to_owned(),
        }
    }
}

/// The last rule that took the member out of those who get the route.
fn withheld_by(candidate: &rib::ExplainedCandidate) -> Option<&policy::ExportStep> {
    candidate.export.iter().rfind(|step| step.withheld)
}

/// How long ago that was, in the largest unit that makes sense.
fn age(unix_secs: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let secs = now.as_secs().saturating_sub(unix_secs);
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs / 60),
        7200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} d", secs / 86_400),
    }
}

/// The trace tells more ways apart than a reader wants; the detail says the rest.
fn outcome_word(result: &str) -> &'static str {
    match result {
        "passed" => "pass",
        "refused" => "fail",
        "skipped" => "skip",
        _ => "note",
    }
}

fn attribute_entry(attributes: &PathAttributes) -> RouteEntry {
    let text = |list: &[Community]| list.iter().map(ToString::to_string).collect();
    RouteEntry {
        prefix: String::new(),
        from: SessionId {
            route_server: Arc::from(""),
            address: Ipv4Addr::UNSPECIFIED.into(),
            interface: None,
        },
        from_asn: 0,
        next_hop: attributes.next_hop.to_string(),
        gateway: gateway(&attributes.next_hop),
        as_path: attributes.as_path.to_string(),
        origin: origin_name(attributes.origin).to_owned(),
        med: attributes.med,
        communities: text(&attributes.communities),
        extended_communities: attributes
            .extended_communities
            .iter()
            .map(ToString::to_string)
            .chain(attributes.ipv6_extended_communities.iter().map(ToString::to_string))
            .collect(),
        large_communities: attributes.large_communities.iter().map(ToString::to_string).collect(),
        otc: attributes.otc.map(|asn| asn.0),
        atomic_aggregate: attributes.atomic_aggregate,
        aggregator: attributes.aggregator.as_ref().map(|a| format!("{} {}", a.asn, a.address)),
        unknown: attributes
            .unknown
            .iter()
            .map(|raw| {
                let hex = raw.value.iter().map(|octet| format!("{octet:02x}")).collect();
                (raw.flags, raw.code, hex)
            })
            .collect(),
        path_id: None,
        reject: None,
        best: false,
        stale: false,
        age_secs: None,
        rov: None,
        irr: None,
    }
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "igp",
        Origin::Egp => "egp",
        Origin::Incomplete => "incomplete",
    }
}

fn gateway(next_hop: &NextHop) -> IpAddr {
    match next_hop {
        NextHop::V4(address) => IpAddr::V4(*address),
        NextHop::V6 { global, link_local } => {
            IpAddr::V6(global.or(*link_local).unwrap_or(Ipv6Addr::UNSPECIFIED))
        }
    }
}

fn rov_name(state: RovState) -> &'static str {
    match state {
        RovState::NotChecked => "not-checked",
        RovState::NotFound => "not-found",
        RovState::Valid => "valid",
        RovState::Invalid => "invalid",
    }
}

fn reject_entry(reason: RejectReason) -> RejectEntry {
    RejectEntry {
        code: reason.code(),
        euro_ix: reason.euro_ix(),
        name: reason.name().to_owned(),
        text: reason.to_string(),
    }
}

fn slot_routes(shards: &[Counted], slot: Slot, family: Family) -> RouteCounters {
    let f = family.index();
    let mut routes = RouteCounters::default();
    for shard in shards {
        routes.exported += shard.exported.get(slot.index()).map_or(0, |counts| counts[f]);
        let Some(counts) = shard.slots.get(slot.index()) else { continue };
        routes.received += u64::from(counts.received[f]);
        routes.accepted += u64::from(counts.accepted[f]);
        routes.best += u64::from(counts.best[f]);
        routes.filtered += u64::from(counts.filtered_total(family));
        routes.refused += counts.refused[f];
        for reason in RejectReason::ALL {
            let filtered = u64::from(counts.filtered(family, reason));
            add_named(&mut routes.filtered_by_reason, reason.name(), filtered);
        }
        for mark in Mark::ALL {
            add_named(&mut routes.marked, mark.name(), u64::from(counts.marked(family, mark)));
        }
    }
    routes
}

/// Transit routes of everybody.
fn transit_routes(shards: &[Counted], family: Family) -> u64 {
    let slots = shards.iter().flat_map(|shard| &shard.slots);
    slots.map(|counts| u64::from(counts.marked(family, Mark::Transit))).sum()
}

fn number_of(named: &[(String, u64)], name: &str) -> u64 {
    named.iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number)
}

fn add(sum: &mut RouteCounters, one: &RouteCounters) {
    sum.received += one.received;
    sum.accepted += one.accepted;
    sum.best += one.best;
    sum.filtered += one.filtered;
    sum.exported += one.exported;
    sum.refused += one.refused;
    for (name, count) in &one.filtered_by_reason {
        add_named(&mut sum.filtered_by_reason, name, *count);
    }
    for (name, count) in &one.marked {
        add_named(&mut sum.marked, name, *count);
    }
}

fn add_named(named: &mut Vec<(String, u64)>, name: &str, count: u64) {
    if count == 0 {
        return;
    }
    match named.iter_mut().find(|(known, _)| known == name) {
        Some((_, sum)) => *sum += count,
        None => named.push((name.to_owned(), count)),
    }
}

fn irr_name(class: VerdictClass) -> &'static str {
    let states = [class.irr_origin(), class.irr_prefix()];
    if class.fails_irr() {
        "not-in-set"
    } else if states.contains(&IrrState::NotChecked) {
        "not-checked"
    } else {
        "in-set"
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn resident_octets() -> u64 {
    // Second field of statm: resident pages, of 4 KiB on every machine this is built for.
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

// What people write.

fn parse_prefix(text: &str) -> Result<Prefix, HandleError> {
    let invalid = || HandleError::Invalid(format!("{text:?} is neither a prefix nor an address"));
    // Whoever looks up an address of a network need not work out where the network begins.
    if let Some((address, len)) = text.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let len = len.parse().map_err(|_| invalid())?;
        return Prefix::new(address, len).ok_or_else(invalid);
    }
    let address: IpAddr = text.parse().map_err(|_| invalid())?;
    Prefix::new(address, if address.is_ipv4() { 32 } else { 128 }).ok_or_else(invalid)
}

fn parse_family(text: &str) -> Result<Family, HandleError> {
    Family::ALL
        .into_iter()
        .find(|family| family.to_string() == text || format!("ip{text}") == family.to_string())
        .ok_or_else(|| HandleError::Invalid(format!("{text:?} is not a family")))
}

fn prefix_match(how: PrefixMatch) -> rib::PrefixMatch {
    match how {
        PrefixMatch::Exact => rib::PrefixMatch::Exact,
        PrefixMatch::Covering => rib::PrefixMatch::Covering,
        PrefixMatch::Covered => rib::PrefixMatch::Covered,
        PrefixMatch::Longest => rib::PrefixMatch::Longest,
    }
}

fn parse_community(text: &str) -> Result<AnyCommunity, HandleError> {
    text.parse::<Community>()
        .map(AnyCommunity::Standard)
        .or_else(|_| text.parse::<LargeCommunity>().map(AnyCommunity::Large))
        .or_else(|_| text.parse::<ExtendedCommunity>().map(AnyCommunity::Extended))
        .or_else(|_| text.parse::<Ipv6ExtendedCommunity>().map(AnyCommunity::Ipv6Extended))
        .map_err(|_| HandleError::Invalid(format!("{text:?} is not a community")))
}

fn community_text(community: AnyCommunity) -> String {
    match community {
        AnyCommunity::Standard(community) => community.to_string(),
        AnyCommunity::Extended(community) => community.to_string(),
        AnyCommunity::Ipv6Extended(community) => community.to_string(),
        AnyCommunity::Large(community) => community.to_string(),
    }
}

fn format_cursor(shard: usize, place: rib::Cursor) -> Cursor {
    Cursor(format!("{shard}.{}.{}", place.family, place.place))
}

fn parse_cursor(cursor: &Cursor) -> Result<(usize, rib::Cursor), HandleError> {
    let mut parts = cursor.0.split('.');
    let parsed = (|| {
        let shard = parts.next()?.parse().ok()?;
        let family = parts.next()?.parse().ok()?;
        let place = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some((shard, rib::Cursor { family, place }))
    })();
    parsed.ok_or_else(|| HandleError::Invalid(format!("{:?} is not a cursor", cursor.0)))
}
