//! From one configuration to the next, touching only what differs.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bgp_wire::Family;
use policy::{RoutingData, Slot};
use rib::{LimitAction, Shard};
use tokio::sync::oneshot;

use super::HandleError;
use super::daemon::{compile, compile_for, new_shard};
use super::diff::{self, Comparison};
use super::engine::RouteServerShared;
use super::listener::Listener;
use super::peer_config::{PeerConfig, limit_config};
use super::query::{DiffReport, MemberDiff, ReloadReport};
use super::registry::id;
use super::slots::SlotTable;
use super::status::SessionId;
use super::supervisor::Supervisor;
use super::to_shards::ShardMessage;
use super::worker::Command;
use crate::config::{
    Config, Irr, LimitCount, ListenAddress, Member, MemberSession, PrefixLimits, Rpki, SessionKey,
};
use crate::net::{self, NetError};
use crate::privileges;

impl Supervisor {
    /// What would change for sessions and policies; changes nothing.
    pub(super) async fn compare(&self, new: &Config) -> ReloadReport {
        let accepted = self.accepted(new).await;
        let local = self.local_addresses().await;
        let old = self.inner.config.load();
        let known = |message: &str| old.warnings.iter().any(|warning| warning.message == message);
        let warnings = new.warnings.iter().filter(|warning| !known(&warning.message));
        let mut report = ReloadReport {
            warnings: warnings.map(ToString::to_string).collect(),
            ..ReloadReport::default()
        };
        let mut in_place: BTreeMap<&str, Vec<SessionId>> = BTreeMap::new();
        for session in old.sessions().filter(|session| new.session(&session.key).is_none()) {
            report.removed.push(id(&session.key));
        }
        for session in new.sessions() {
            match self.peers.get(&session.key) {
                None => report.added.push(id(&session.key)),
                Some(peer) => {
                    let changed = self.changed(new, session, peer);
                    let place = (session.route_server, peer.slot);
                    let accepted = accepted.get(&place).copied().unwrap_or_default();
                    report.warnings.extend(above_limit(session, peer, &changed, accepted));
                    report.warnings.extend(may_close(session, peer, &changed));
                    let id = id(&session.key);
                    if let Some(reason) = peer.needs_restart(&changed, local.get(&id).copied()) {
                        report.restarted.push((id, reason.to_owned()));
                    } else if let Some(what) = peer.changes_in_place(&changed) {
                        in_place.entry(what).or_default().push(id);
                    }
                }
            }
        }
        report.policy_changed = changed_policies(&old, new);
        report.details = details(&old, new, &in_place);
        report.needs_restart = needs_restart(&old, new);
        report
    }

    /// Our end of each connection.
    async fn local_addresses(&self) -> HashMap<SessionId, IpAddr> {
        let sessions = self.inner.snapshot(None).await.into_iter();
        sessions.filter_map(|session| Some((session.id, session.local?.ip()))).collect()
    }

    /// Accepted prefixes by family of the sessions whose limit begins to count only those.
    async fn accepted(&self, new: &Config) -> HashMap<(usize, Slot), [u32; 2]> {
        let mut slots: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
        for session in new.sessions() {
            let Some(peer) = self.peers.get(&session.key) else { continue };
            if (peer.limits.count, session.limits.count)
                == (LimitCount::Received, LimitCount::Accepted)
            {
                slots.entry(session.route_server).or_default().push(peer.slot);
            }
        }
        let mut accepted = HashMap::new();
        for (route_server, slots) in slots {
            let count = {
                let slots = slots.clone();
                move |shard: &mut Shard| {
                    let count = |slot: &Slot| shard.counters().slot(*slot).map(|c| c.accepted);
                    slots.iter().map(|slot| count(slot).unwrap_or_default()).collect::<Vec<_>>()
                }
            };
            for of_shard in self.inner.ask_shards(route_server, count).await.unwrap_or_default() {
                for (slot, [v4, v6]) in slots.iter().zip(of_shard) {
                    let sum: &mut [u32; 2] = accepted.entry((route_server, *slot)).or_default();
                    *sum = [sum[0].saturating_add(v4), sum[1].saturating_add(v6)];
                }
            }
        }
        accepted
    }

    fn changed(&self, new: &Config, session: &MemberSession, peer: &PeerConfig) -> PeerConfig {
        let learned = self.learned_limits(session);
        let until = self.restarting(session.route_server);
        PeerConfig::new(new, session, peer.slot, Arc::clone(&peer.limit), until, learned)
    }

    /// Applies a configuration. An error means that nothing has changed.
    pub(super) async fn apply(&mut self, new: Config) -> Result<ReloadReport, HandleError> {
        let old = self.inner.config.load_full();
        let mut new = keep_route_server_order(&old, new)?;
        new.keep_member_numbers(&old);
        let report = self.compare(&new).await;
        // Known before anything is touched: a session without its key would be open to all.
        if let Some(session) = new.sessions().find(|session| session.tcp_ao.is_some()) {
            let name = &session.key;
            net::check_tcp_ao().map_err(|error| HandleError::Config(format!("{name}: {error}")))?;
        }
        let opened = self.open_new_listeners(&old, &new)?;
        for listener in &opened {
            listener.listen().map_err(|error| HandleError::Config(error.to_string()))?;
        }
        self.check_policies(&new)?;
        self.set_protection(&old, &new)?;
        self.install_route_servers(&old, &new)?;

        // Who is gone stops first: from the new policy on nothing names it, and until it has
        // stopped the old one holds.
        for session in old.sessions().filter(|session| new.session(&session.key).is_none()) {
            self.take_away(session, &new).await;
        }
        self.close_listeners(&new).await;
        for listener in opened {
            self.listeners.push((Arc::new(listener), None));
            self.listen(self.listeners.len() - 1);
        }
        self.publish_listeners();
        for session in new.sessions() {
            self.slots[session.route_server].assign(&session.key, limit_config(&session.limits));
        }
        let drain = self.inner.draining.load(Ordering::Acquire);
        let touched: Vec<usize> = (0..new.route_servers.len())
            .filter(|index| {
                let name = &new.route_servers[*index].name;
                report.policy_changed.contains(name)
                    || report.added.iter().any(|session| session.route_server == *name)
                    || report.removed.iter().any(|session| session.route_server == *name)
            })
            .collect();
        // The policy stands ahead of the new sessions in every shard's inbox.
        self.set_policies(&new, &touched, drain)?;
        self.reconfigure_learning(&new);
        for session in new.sessions() {
            self.update(&new, session);
        }
        self.publish_learned(&new);
        if let Some(sources) = &mut self.sources {
            sources.reconfigure(&new);
        }
        let new = Arc::new(new);
        self.inner.config.store(Arc::clone(&new));
        self.monitor(&new);
        tracing::info!(
            added = report.added.len(),
            removed = report.removed.len(),
            restarted = report.restarted.len(),
            policies = report.policy_changed.len(),
            "configuration loaded"
        );
        for needed in &report.needs_restart {
            tracing::warn!(%needed, "takes effect when the daemon is restarted");
        }
        Ok(report)
    }

    /// Every policy of the new configuration must compile before anything is touched.
    fn check_policies(&self, new: &Config) -> Result<(), HandleError> {
        for index in 0..new.route_servers.len() {
            let mut scratch = SlotTable::default();
            for session in new.sessions_of(index) {
                if scratch.assign(&session.key, limit_config(&session.limits)).is_none() {
                    return Err(HandleError::Config("too many sessions".to_owned()));
                }
            }
            compile(new, index, 0, &scratch, false, &self.rpsl)
                .map_err(|error| HandleError::Config(error.to_string()))?;
        }
        Ok(())
    }

    /// New route servers get their shards.
    fn install_route_servers(&mut self, old: &Config, new: &Config) -> Result<(), HandleError> {
        for index in old.route_servers.len()..new.route_servers.len() {
            let mut table = SlotTable::default();
            for session in new.sessions_of(index) {
                table.assign(&session.key, limit_config(&session.limits));
            }
            let policy = compile(new, index, 0, &table, false, &self.rpsl)
                .map_err(|error| HandleError::Config(error.to_string()))?;
            self.slots.push(table);
            let data = self.inner.data.load();
            for inbox in &*self.inner.engine.inboxes {
                let shard = Box::new(new_shard(&policy, &data));
                inbox.push(1, ShardMessage::Install(shard));
            }
            let name = Arc::clone(&new.route_servers[index].name);
            let mut servers = (**self.inner.engine.route_servers.load()).clone();
            servers.push(Arc::new(RouteServerShared::new(name, policy)));
            self.inner.engine.route_servers.store(Arc::new(servers));
        }
        Ok(())
    }

    async fn take_away(&mut self, session: &MemberSession, new: &Config) {
        self.inner.registry.remove(&session.key);
        self.peers.remove(&session.key);
        if let Err(error) = self.release_key(session, new) {
            tracing::warn!(%error, "the peer's key stays on the listener");
        }
        let route_server = session.route_server;
        let epoch = self.inner.epoch.load(Ordering::Acquire) + 1;
        let Some(slot) = self.slots[route_server].release(&session.key, epoch) else { return };
        let (done, finished) = oneshot::channel();
        self.command(route_server, slot, Command::Remove { route_server, slot, done });
        // An error means that the worker is gone, and the session with it.
        let _ = finished.await;
    }

    /// Tells a session what is new for it, if anything is.
    fn update(&mut self, new: &Config, session: &MemberSession) {
        let unchanged = self
            .peers
            .get(&session.key)
            .is_some_and(|peer| !peer.differs(&self.changed(new, session, peer)));
        if !unchanged {
            self.add(new, session, false);
        }
    }

    fn open_new_listeners(&self, old: &Config, new: &Config) -> Result<Vec<Listener>, HandleError> {
        let mut opened = Vec::new();
        for (index, server) in new.route_servers.iter().enumerate() {
            for address in &server.listen {
                let known =
                    old.route_servers.get(index).is_some_and(|o| o.listen.contains(address));
                if !known {
                    check_not_moved(old, index, &server.name, address)?;
                    let name = Arc::clone(&server.name);
                    let listener = Listener::open(index, name, address.clone())
                        .map_err(|error| HandleError::Config(error.to_string()))?;
                    opened.push(listener);
                }
            }
        }
        for listener in &opened {
            for session in new.sessions_of(listener.route_server) {
                let refused = |error: NetError| HandleError::Config(error.to_string());
                listener.protect(session, true).map_err(refused)?;
            }
        }
        Ok(opened)
    }

    async fn close_listeners(&mut self, new: &Config) {
        let mut ending = Vec::new();
        self.listeners.retain_mut(|(listener, task)| {
            let server = new.route_servers.get(listener.route_server);
            let kept = server.is_some_and(|server| server.listen.contains(&listener.configured));
            if !kept {
                tracing::info!(rs = %listener.name, address = %listener.address, "closed");
                if let Some(task) = task.take() {
                    task.abort();
                    ending.push(task);
                }
            }
            kept
        });
        // A socket has its address, which the next reload may want, until its task is gone, and the
        // list that the status is made of (`publish_listeners`).
        for task in ending {
            let _ = task.await;
        }
    }

    /// What loading `new` would change.
    pub(super) async fn diff(&self, new: &Config) -> Result<DiffReport, HandleError> {
        let old = self.inner.config.load_full();
        let mut new = keep_route_server_order(&old, new.clone())?;
        new.keep_member_numbers(&old);
        self.check_policies(&new)?;
        // Their addresses are had for a moment, and nobody is let in.
        drop(self.open_new_listeners(&old, &new)?);
        let mut sessions = self.compare(&new).await;
        sessions.warnings.extend(unforeseen(&old, &new));
        let mut members = Vec::new();
        for index in 0..old.route_servers.len() {
            let comparison = self.comparison(&new, index).await?;
            let found = diff::compare(&self.inner, index, comparison).await?;
            for (slot, difference) in found.into_iter().filter(|(_, diff)| !diff.is_empty()) {
                let Some(Some(key)) = self.slots[index].keys().get(slot.index()).cloned() else {
                    continue;
                };
                let session = old.session(&key).or_else(|| new.session(&key));
                let asn = session.map_or(0, |session| session.asn.0);
                let name = session.and_then(|session| old.members.get(session.member));
                members.push(MemberDiff {
                    session: id(&key),
                    asn,
                    name: name.map_or_else(String::new, |member| member.name.to_string()),
                    gained: difference.gained,
                    lost: difference.lost,
                    changed: difference.changed,
                    newly_accepted: difference.newly_accepted,
                    newly_rejected: difference.newly_rejected,
                    examples: difference.examples,
                });
            }
        }
        members.sort_by(|a, b| a.session.cmp(&b.session));
        Ok(DiffReport { sessions, members })
    }

    async fn comparison(&self, new: &Config, index: usize) -> Result<Comparison, HandleError> {
        let keys = self.slots[index].keys();
        let kept: Vec<Option<SessionKey>> =
            keys.iter().map(|key| key.clone().filter(|key| new.session(key).is_some())).collect();
        let gone = |(slot, (key, kept)): (usize, (&Option<SessionKey>, &Option<SessionKey>))| {
            (key.is_some() && kept.is_none()).then(|| u16::try_from(slot).ok().map(Slot)).flatten()
        };
        let removed = keys.iter().zip(&kept).enumerate().filter_map(gone).collect();
        let servers = self.inner.engine.route_servers.load();
        let old = servers.get(index).ok_or(HandleError::Stopping)?.policy.load_full();
        let drain = self.inner.draining.load(Ordering::Acquire);
        let policy = compile_for(new, index, old.epoch() + 1, &kept, drain, &self.rpsl)
            .map_err(|error| HandleError::Config(error.to_string()))?;
        let peers = self.established(index).await;
        let data = RoutingData::clone(&self.inner.data.load());
        Ok(Comparison { old, new: policy, data, peers, removed })
    }
}

/// New listeners are opened before old ones are closed, so that a reload that fails changes
/// nothing; an address can therefore not go from one route server to another in one reload.
fn check_not_moved(
    old: &Config,
    index: usize,
    name: &str,
    address: &ListenAddress,
) -> Result<(), HandleError> {
    let mut others = old.route_servers.iter().enumerate().filter(|(at, _)| *at != index);
    match others.find(|(_, other)| other.listen.contains(address)) {
        None => Ok(()),
        Some((_, owner)) => Err(HandleError::Config(format!(
            "{name} is to listen on {address}, which is {owner}'s: an address moves in two \
             reloads, the first without it at {owner}, the second with it at {name}",
            owner = owner.name
        ))),
    }
}

/// A route server keeps its number for the life of the process, since slots and shards are known
/// by it: those that are gone stay, empty, until a restart.
fn keep_route_server_order(old: &Config, mut new: Config) -> Result<Config, HandleError> {
    let names: Vec<_> = new.route_servers.iter().map(|server| Arc::clone(&server.name)).collect();
    let mut order = Vec::new();
    for server in &old.route_servers {
        let Some(at) = names.iter().position(|name| *name == server.name) else {
            return Err(HandleError::Config(format!(
                "route server {} is gone; removing a route server needs a restart of the daemon",
                server.name
            )));
        };
        order.push(at);
    }
    order.extend(
        (0..names.len())
            .filter(|at| old.route_servers.iter().all(|server| server.name != names[*at])),
    );
    new.route_servers = order.iter().map(|at| new.route_servers[*at].clone()).collect();
    for session in new.members.iter_mut().flat_map(|member| &mut member.sessions) {
        if let Some(at) = order.iter().position(|at| *at == session.route_server) {
            session.route_server = at;
        }
    }
    Ok(new)
}

/// Names of route servers of both whose policy differs, but for added and removed sessions.
fn changed_policies(old: &Config, new: &Config) -> Vec<Arc<str>> {
    let mut changed = Vec::new();
    for (index, server) in new.route_servers.iter().enumerate() {
        let Some((before, _)) = old.route_server(&server.name) else { continue };
        let keys: Vec<Option<SessionKey>> = new
            .sessions_of(index)
            .filter(|session| old.session(&session.key).is_some())
            .map(|session| Some(session.key.clone()))
            .collect();
        if old.policy_config(before, 0, &keys) != new.policy_config(index, 0, &keys) {
            changed.push(Arc::clone(&server.name));
        }
    }
    changed
}

/// So many sessions are named; of more only the number is told.
const NAMED_SESSIONS: usize = 3;

fn details(old: &Config, new: &Config, in_place: &BTreeMap<&str, Vec<SessionId>>) -> Vec<String> {
    let mut details: Vec<String> = in_place
        .iter()
        .map(|(what, sessions)| match sessions.len() {
            0..=NAMED_SESSIONS => {
                let names: Vec<String> = sessions.iter().map(ToString::to_string).collect();
                format!("{what}: {}", names.join(", "))
            }
            count => format!("{what}: {count} sessions"),
        })
        .collect();
    for server in &new.route_servers {
        let before = old.route_server(&server.name).map_or(&[][..], |(_, it)| &it.listen);
        for (new, old, what) in [
            (&server.listen[..], before, "listens on"),
            (before, &server.listen[..], "listens no longer on"),
        ] {
            let only = new.iter().filter(|address| !old.contains(address));
            details.extend(only.map(|address| format!("{} {what} {address}", server.name)));
        }
    }
    for (differs, what) in [
        (rpki_differs(old, new), "sources of RPKI data"),
        (irr_differs(old, new), "sources of IRR data"),
        (old.dynamic_limits != new.dynamic_limits, "how dynamic limits are learned"),
    ] {
        if differs {
            details.push(what.to_owned());
        }
    }
    details
}

fn rpki_differs(old: &Config, new: &Config) -> bool {
    let rpki = |config: &Config| Rpki { json: absolute(&config.rpki.json), ..config.rpki.clone() };
    rpki(old) != rpki(new)
}

fn irr_differs(old: &Config, new: &Config) -> bool {
    let irr = |config: &Config| {
        let irr = config.irr.clone()?;
        let cache = irr.cache.as_deref().map(|path| absolute(&[path.to_owned()]));
        Some((absolute(&irr.dump), cache, Irr { dump: Vec::new(), cache: None, ..irr }))
    };
    irr(old) != irr(new)
}

/// `rsctl` names files by their whole path, the command line of the daemon often does not.
fn absolute(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|p| std::path::absolute(p).unwrap_or_else(|_| p.clone())).collect()
}

/// A changed limit that the session is above already. It acts on the next prefix only, which may
/// come weeks later, or all of them do with the session's next start. `accepted`: its accepted
/// prefixes, where they begin to be what counts.
fn above_limit(
    session: &MemberSession,
    old: &PeerConfig,
    new: &PeerConfig,
    accepted: [u32; 2],
) -> Option<String> {
    if old.limits == new.limits || new.disabled.is_some() {
        return None;
    }
    let limits = limit_config(&new.limits);
    let limit = old.limit.current();
    let counts_otherwise = old.limits.count != new.limits.count;
    let counts = Family::ALL.map(|family| match (counts_otherwise, limits.count_accepted) {
        (false, _) => limit.count(family),
        // Those that are rejected count from now on.
        (true, false) => limit.count(family).saturating_add(limit.rejected(family)),
        (true, true) => accepted[family.index()],
    });
    let scopes = [
        ("ipv4 prefixes", counts[0], limits.families[0]),
        ("ipv6 prefixes", counts[1], limits.families[1]),
        ("prefixes", counts[0].saturating_add(counts[1]), limits.total),
    ];
    let above = |&(_, count, limit): &(&str, u32, Option<u32>)| limit.is_some_and(|n| count > n);
    let (what, count, limit) = scopes.into_iter().find(above)?;
    Some(format!(
        "AS{} ({}) has {count} {what}, its limit is now {}: this acts on the next one, or when the \
         session starts again",
        session.asn.0,
        id(&session.key),
        limit.unwrap_or_default()
    ))
}

/// Where `block` has left something out and an action follows that closes: it is asked for where
/// there is room, and nobody knows how much it is.
fn may_close(session: &MemberSession, old: &PeerConfig, new: &PeerConfig) -> Option<String> {
    let closes = |limits: &PrefixLimits| limit_config(limits).action == LimitAction::Close;
    let begins = closes(&new.limits) && !closes(&old.limits) && new.disabled.is_none();
    if !begins || !old.limit.current().has_refused() {
        return None;
    }
    Some(format!(
        "AS{} ({}) has announced more than its limit let in: that is asked for where there is room \
         now, and closes the session if it is more than the limit",
        session.asn.0,
        id(&session.key),
    ))
}

/// What a comparison on the live table cannot know: data that nobody has fetched.
fn unforeseen(old: &Config, new: &Config) -> Vec<String> {
    let mut all = Vec::new();
    if rpki_differs(old, new) {
        all.push("other RPKI data are not foreseen: what is here is compared".to_owned());
    }
    if irr_differs(old, new) {
        all.push("other IRR data are not foreseen: what is here is compared".to_owned());
    }
    let before = |member: &Member| {
        let same = |old: &&Member| old.number == member.number;
        old.members.iter().find(same)
    };
    for member in &new.members {
        if before(member).is_none_or(|before| before.as_set != member.as_set) {
            all.push(format!(
                "what the as_set of AS{} lets through is known once it has been fetched",
                member.asn
            ));
        }
    }
    all
}

fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let mut needed = Vec::new();
    if old.engine != new.engine {
        needed.push("[engine] changed".to_owned());
    }
    if old.http != new.http {
        needed.push("[http] changed".to_owned());
    }
    if old.control != new.control {
        needed.push("[control] changed".to_owned());
    }
    for directory in privileges::out_of_reach(new) {
        needed.push(format!(
            "{} is outside of what landlock lets be written to since the start",
            directory.display()
        ));
    }
    needed
}
