//! Assembly of the routing data snapshots (RPKI, IRR) and their distribution.
//!
//! The sources publish whole snapshots; [`Sources::next_change`] turns each into the
//! [`RoutingData`] that shards hold and the exact set of what has to be decided again because of
//! it. A change of VRPs and one of IRR sets are two changes, so that a delta is always made for
//! the snapshot that it travels with.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policy::{IrrChange, Policy, RoutingData, Slot, VrpTable};
use rib::Changed;
use rtr_client::{CacheConfig, RpkiConfig, RpkiHandle, RpkiState};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::irr::{IrrHandle, IrrSpec, IrrState, MemberSpec, RpslPolicies};
use crate::runtime::status::{
    DataStatus, IrrRefreshStatus, IrrSetStatus, RpkiSourceStatus, RpslPolicyStatus,
};

/// Above this many changed prefixes a whole pass over the table is cheaper than looking each up.
const PREFIXES_WORTH_LISTING: usize = 20_000;
/// How long the data of before stay in force when a reload changes the RPKI sources and the new
/// ones have not answered: RFC 8210 §6 recommends this for data that are not confirmed.
const KEPT_OVER_RELOAD: Duration = Duration::from_secs(7200);

/// The outside data of a daemon: running tasks that fetch them.
pub struct Sources {
    rpki_config: RpkiConfig,
    rpki: Option<RpkiHandle>,
    irr: Option<IrrHandle>,
    rpki_states: watch::Receiver<Arc<RpkiState>>,
    irr_states: watch::Receiver<Arc<IrrState>>,
    /// What the shards were given last.
    data: RoutingData,
    /// The RPSL policies that were handed out last.
    rpsl: Arc<RpslPolicies>,
    /// While the sources in `rpki` are awaited: those before them, whose data are in force.
    rpki_before: Option<Before>,
    // Senders for sources that are not configured, so that waiting for them waits for ever.
    idle: (watch::Sender<Arc<RpkiState>>, watch::Sender<Arc<IrrState>>),
}

/// RPKI sources that a reload replaces, for as long as the new ones have not answered: what is not
/// there yet must not turn INVALID routes into NotFound ones. What expires meanwhile does.
struct Before {
    config: RpkiConfig,
    /// No cache is asked any more; files are looked at.
    sources: Option<RpkiHandle>,
    states: watch::Receiver<Arc<RpkiState>>,
    /// No longer than until then.
    until: Instant,
    /// The new caches are awaited, too, and not only the new files: data in force came from a cache,
    /// or from a file that is no longer named.
    cache_awaited: bool,
}

impl Before {
    /// Whether data in force may have come from elsewhere than from files that `new` names, too. If
    /// not, files are all that it takes to have at least as much as before.
    fn needs_cache(&self, new: &RpkiConfig) -> bool {
        let from_cache = self.states.borrow().caches.iter().any(|cache| cache.active);
        from_cache || self.config.json.iter().any(|file| !new.json.contains(file))
    }
}

/// A new snapshot, and what it changes.
#[derive(Debug)]
pub struct DataChange {
    /// What the shards hold from now on.
    pub data: RoutingData,
    /// Why.
    pub kind: ChangeKind,
    /// The members' RPSL policies from now on.
    pub rpsl: Arc<RpslPolicies>,
}

/// What a new snapshot changes.
#[derive(Debug)]
pub enum ChangeKind {
    /// Nothing that a verdict depends on: only ages and states.
    Status,
    /// Verdicts of the prefixes that these cover; `None`: of any.
    Prefixes(Option<Vec<bgp_wire::Prefix>>),
    /// Path verification: verdicts of all routes where it is in force, else of the prefixes that
    /// these cover.
    Paths(Option<Vec<bgp_wire::Prefix>>),
    /// Verdicts of what these members announced, by the number of the member.
    Members(Vec<u32>),
}

impl ChangeKind {
    /// What a route server's shards are told; `None`: nothing.
    #[must_use]
    pub fn for_policy(&self, policy: &Policy) -> Option<Changed> {
        match self {
            Self::Status => None,
            Self::Paths(_) if policy.checks_aspa() => Some(Changed::All),
            Self::Prefixes(None) | Self::Paths(None) => Some(Changed::All),
            Self::Paths(Some(list)) if list.is_empty() => None,
            Self::Prefixes(Some(list)) | Self::Paths(Some(list)) => {
                Some(Changed::Prefixes(list.clone()))
            }
            Self::Members(members) => {
                let concerned = |slot: &Slot| {
                    policy.peer(*slot).is_some_and(|peer| members.contains(&peer.member))
                };
                let slots = (0..policy.slots()).filter_map(|n| u16::try_from(n).ok().map(Slot));
                Some(Changed::Members(slots.filter(concerned).collect()))
            }
        }
    }
}

fn rpki_config(config: &Config) -> RpkiConfig {
    let cache = |c: &crate::config::RpkiCache| CacheConfig {
        address: c.address.clone(),
        preference: u32::from(c.preference),
    };
    RpkiConfig {
        caches: config.rpki.caches.iter().map(cache).collect(),
        json: config.rpki.json.clone(),
    }
}

fn irr_spec(config: &Config) -> Option<IrrSpec> {
    let irr = config.irr.as_ref()?;
    let member = |m: &crate::config::Member| MemberSpec {
        member: m.number,
        asn: m.asn,
        as_set: m.as_set.clone(),
    };
    Some(IrrSpec {
        server: irr.server.clone(),
        sources: irr.sources.clone(),
        refresh: irr.refresh,
        cache: irr.cache.clone(),
        dump: irr.dump.clone(),
        members: config.members.iter().map(member).collect(),
        policies: config.rpsl_followers(),
    })
}

impl Sources {
    /// Starts what `config` names, on the current tokio runtime.
    #[must_use]
    pub fn start(config: &Config) -> Self {
        let (rpki_idle, rpki_states) = watch::channel(Arc::default());
        let (irr_idle, irr_states) = watch::channel(Arc::default());
        let mut sources = Self {
            rpki_config: RpkiConfig::default(),
            rpki: None,
            irr: None,
            rpki_states,
            irr_states,
            data: RoutingData::default(),
            rpsl: Arc::default(),
            rpki_before: None,
            idle: (rpki_idle, irr_idle),
        };
        sources.reconfigure(config);
        sources
    }

    /// Puts another configuration's sources in force. Where the RPKI sources differ, all of them
    /// are begun anew, and the data of before hold until the new ones have answered; IRR sets that
    /// are known stay known.
    pub fn reconfigure(&mut self, config: &Config) {
        let rpki = rpki_config(config);
        if rpki != self.rpki_config {
            let any = !rpki.caches.is_empty() || !rpki.json.is_empty();
            let sources = any.then(|| RpkiHandle::start(&rpki));
            let states =
                sources.as_ref().map_or_else(|| self.idle.0.subscribe(), RpkiHandle::subscribe);
            let replaced = Before {
                config: std::mem::replace(&mut self.rpki_config, rpki),
                sources: std::mem::replace(&mut self.rpki, sources),
                states: std::mem::replace(&mut self.rpki_states, states),
                until: Instant::now() + KEPT_OVER_RELOAD,
                cache_awaited: false,
            };
            if any {
                // Sources that have not answered yet leave those before them in force.
                let mut before = self.rpki_before.take().unwrap_or(replaced);
                before.sources.iter().for_each(RpkiHandle::disconnect);
                before.cache_awaited = before.needs_cache(&self.rpki_config);
                self.rpki_before = Some(before);
                // A source that has just started has nothing yet: that is not news to act upon.
                self.rpki_states.mark_unchanged();
            } else {
                self.rpki_states.mark_changed();
                self.rpki_before = None;
            }
        }
        match (irr_spec(config), &self.irr) {
            (Some(spec), Some(irr)) => irr.reconfigure(spec),
            (Some(spec), None) => {
                let irr = IrrHandle::start(spec);
                self.irr_states = irr.subscribe();
                // What came from the disk counts at once.
                self.irr_states.mark_changed();
                self.irr = Some(irr);
            }
            (None, Some(_)) => {
                self.irr = None;
                self.irr_states = self.idle.1.subscribe();
                // That there are no sets any more counts at once: who is still checked by them has
                // none.
                self.irr_states.mark_changed();
            }
            (None, None) => {}
        }
    }

    /// Waits until every source has answered once, or until `limit` has passed.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        let rpki = async {
            match &self.rpki {
                Some(rpki) => rpki.wait_synced(limit).await,
                None => true,
            }
        };
        let irr = async {
            let Some(irr) = &self.irr else { return true };
            let mut states = irr.subscribe();
            let waited = tokio::time::timeout(limit, states.wait_for(|s| s.synced)).await;
            matches!(waited, Ok(Ok(_)))
        };
        let (rpki, irr) = tokio::join!(rpki, irr);
        rpki && irr
    }

    /// Asks the IRR source for all sets now; says whether there is one.
    pub fn refresh_irr(&self) -> bool {
        self.irr.as_ref().map(IrrHandle::refresh).is_some()
    }

    /// The next change; cancel-safe. `policies`: those of all route servers, which know whose
    /// verdicts depend on more of a set than has changed.
    pub async fn next_change(&mut self, policies: impl Fn() -> Vec<Arc<Policy>>) -> DataChange {
        let before = async {
            let Some(before) = &mut self.rpki_before else { return std::future::pending().await };
            tokio::select! {
                Ok(()) = before.states.changed() => {}
                () = tokio::time::sleep_until(before.until) => {}
            }
        };
        tokio::select! {
            _ = self.rpki_states.changed() => {}
            _ = self.irr_states.changed() => {}
            () = before => {}
        }
        self.take(policies)
    }

    /// Everything that is there now, as one snapshot: for the start.
    pub fn current(&mut self) -> (RoutingData, Arc<RpslPolicies>) {
        let rpki = self.rpki_states.borrow_and_update().clone();
        let irr = self.irr_states.borrow_and_update().clone();
        self.rpki_before = None;
        self.data = RoutingData {
            vrps: Arc::clone(&rpki.vrps),
            aspas: Arc::clone(&rpki.aspas),
            irr: Arc::clone(&irr.sets),
        };
        self.rpsl = Arc::clone(&irr.policies);
        (self.data.clone(), Arc::clone(&self.rpsl))
    }

    fn take(&mut self, policies: impl Fn() -> Vec<Arc<Policy>>) -> DataChange {
        let rpki = self.rpki_in_force();
        let same =
            Arc::ptr_eq(&rpki.vrps, &self.data.vrps) && Arc::ptr_eq(&rpki.aspas, &self.data.aspas);
        if !same {
            let kind = self.rpki_change(&rpki);
            self.data.vrps = Arc::clone(&rpki.vrps);
            self.data.aspas = Arc::clone(&rpki.aspas);
            // An IRR change that came meanwhile is taken with the next call.
            let newer = {
                let irr = self.irr_states.borrow();
                !Arc::ptr_eq(&irr.sets, &self.data.irr) || !Arc::ptr_eq(&irr.policies, &self.rpsl)
            };
            if newer {
                self.irr_states.mark_changed();
            }
            let (data, rpsl) = (self.data.clone(), Arc::clone(&self.rpsl));
            return DataChange { data, kind, rpsl };
        }
        let irr = self.irr_states.borrow_and_update().clone();
        let kind = self.irr_change(&irr, &policies());
        self.data.irr = Arc::clone(&irr.sets);
        self.rpsl = Arc::clone(&irr.policies);
        DataChange { data: self.data.clone(), kind, rpsl: Arc::clone(&irr.policies) }
    }

    /// Of the new sources, once they have answered, and of those before them until then.
    fn rpki_in_force(&mut self) -> Arc<RpkiState> {
        let new = self.rpki_states.borrow_and_update().clone();
        let is_answered = |before: &Before| new.synced || new.files_synced && !before.cache_awaited;
        let is_over = |before: &mut Before| is_answered(before) || before.until <= Instant::now();
        // What it returns is what is over: it goes.
        drop(self.rpki_before.take_if(is_over));
        match &mut self.rpki_before {
            Some(before) => before.states.borrow_and_update().clone(),
            None => new,
        }
    }

    fn rpki_change(&self, new: &RpkiState) -> ChangeKind {
        let changed = VrpTable::changed_prefixes(&self.data.vrps, &new.vrps);
        let none = changed.is_empty();
        let prefixes = (changed.len() <= PREFIXES_WORTH_LISTING).then_some(changed);
        // An ASPA may decide about any path that holds its customer.
        if *new.aspas != *self.data.aspas {
            ChangeKind::Paths(prefixes)
        } else if none {
            ChangeKind::Status
        } else {
            ChangeKind::Prefixes(prefixes)
        }
    }

    fn irr_change(&self, new: &IrrState, policies: &[Arc<Policy>]) -> ChangeKind {
        let (mut whole, mut members, mut prefixes) = (false, Vec::new(), Vec::new());
        for (member, change) in
            policies.iter().flat_map(|p| p.irr_changes(&self.data.irr, &new.sets))
        {
            members.push(member);
            match change {
                IrrChange::All => whole = true,
                IrrChange::Prefixes(list) => prefixes.extend(list),
            }
        }
        members.sort_unstable();
        members.dedup();
        if members.is_empty() {
            ChangeKind::Status
        } else if whole || prefixes.len() > PREFIXES_WORTH_LISTING {
            ChangeKind::Members(members)
        } else {
            ChangeKind::Prefixes(Some(prefixes))
        }
    }

    /// For `rsctl rpki`, `rsctl irr` and the metrics.
    #[must_use]
    pub fn status(&self) -> DataStatus {
        let rpki = self.rpki_states.borrow().clone();
        let irr = self.irr_states.borrow().clone();
        let caches = rpki.caches.iter().map(|c| RpkiSourceStatus {
            name: c.address.clone(),
            state: match (c.connected, &c.last_error) {
                (true, _) => "connected",
                (false, None) => "connecting",
                (false, Some(_)) => "failed",
            }
            .to_owned(),
            active: c.active,
            preference: c.preference,
            version: Some(c.version),
            session: c.session,
            serial: c.serial,
            vrps: c.vrps as u64,
            aspas: c.aspas as u64,
            last_sync: c.last_sync,
            last_error: c.last_error.clone(),
            failures: Some(c.failures),
        });
        let files = rpki.files.iter().map(|f| RpkiSourceStatus {
            name: f.path.display().to_string(),
            state: "file".to_owned(),
            active: f.last_read.is_some(),
            preference: 0,
            version: None,
            session: None,
            serial: None,
            vrps: f.vrps as u64,
            aspas: f.aspas as u64,
            last_sync: f.last_read,
            last_error: f.last_error.clone(),
            failures: None,
        });
        DataStatus {
            rpki: caches.chain(files).collect(),
            vrps: self.data.vrps.len() as u64,
            aspas: self.data.aspas.len() as u64,
            irr: irr.statuses.iter().map(|s| irr_status(s, &irr)).collect(),
            rpsl: irr.policy_statuses.iter().map(|s| policy_status(s, &irr)).collect(),
            irr_refresh: self.irr.is_some().then(|| IrrRefreshStatus {
                last_success: at(irr.last_refresh_unix_secs),
                last_error: irr.last_error.clone(),
                failures: irr.failures,
                cache_written: irr.cache_written,
            }),
        }
    }
}

fn at(secs: Option<u64>) -> Option<SystemTime> {
    secs.map(|secs| UNIX_EPOCH + Duration::from_secs(secs))
}

fn irr_status(set: &crate::irr::SetStatus, state: &IrrState) -> IrrSetStatus {
    IrrSetStatus {
        name: set.name.clone(),
        source: set.source.clone(),
        members: set.members as u64,
        asns: set.origins as u64,
        prefixes: set.prefixes.map(|n| n as u64),
        fetched: at(set.fetched_unix_secs),
        stale: set.from_disk || set.too_much || state.last_error.is_some(),
        last_error: match set.status {
            _ if set.too_much => Some(crate::irr::TOO_MUCH.to_owned()),
            policy::IrrStatus::Unknown => {
                Some("unknown: all that depends on it alone is rejected".to_owned())
            }
            policy::IrrStatus::Empty => {
                Some("empty: all that depends on it alone is rejected".to_owned())
            }
            policy::IrrStatus::Loaded => state.last_error.clone(),
        },
    }
}

fn policy_status(of: &crate::irr::PolicyStatus, state: &IrrState) -> RpslPolicyStatus {
    RpslPolicyStatus {
        aut_num: of.asn.0,
        state: of.state,
        lines: of.lines as u64,
        source: of.source.clone(),
        fetched: at(of.fetched_unix_secs),
        // Before the first refresh they are those of the disk.
        stale: state.last_error.is_some()
            || of.fetched_unix_secs.is_some() && state.last_refresh_unix_secs.is_none(),
        fault: of.fault.is_some(),
        last_error: of.fault.clone().or_else(|| state.last_error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with these lines about RPKI.
    fn config(rpki: &str) -> Config {
        config_with(rpki, "")
    }

    fn config_with(sources: &str, members: &str) -> Config {
        let text = format!(
            "[exchange]\nname = \"x\"\nasn = 64500\npeering_lan = [\"192.0.2.0/24\"]\n{sources}\
             [[route_server]]\nname = \"rs1\"\nkind = \"regular\"\nrouter_id = \"192.0.2.1\"\n\
             listen = [\"192.0.2.1:179\"]\n[route_server.import]\nirr = \"off\"\n{members}"
        );
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rs.toml");
        std::fs::write(&file, text).unwrap();
        crate::config::load(&file).unwrap()
    }

    async fn change(sources: &mut Sources) -> Option<DataChange> {
        let next = sources.next_change(Vec::new);
        tokio::time::timeout(Duration::from_secs(60), next).await.ok()
    }

    /// The table of a cache that refuses connections for as long as the socket is there, which
    /// listens to nobody.
    fn dead_cache() -> (tokio::net::TcpSocket, String) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let table = format!("[[rpki.cache]]\naddress = \"{}\"\n", socket.local_addr().unwrap());
        (socket, table)
    }

    const ROA: &str = r#"{"roas": [{"asn": 64496, "prefix": "198.51.100.0/24", "maxLength": 24}]}"#;

    /// Sources with one VRP out of a file, and the table that names it.
    async fn one_file(vrps: &std::path::Path) -> (Sources, String) {
        std::fs::write(vrps, ROA).unwrap();
        let table = format!("[rpki]\njson = [{vrps:?}]\n");
        let mut sources = Sources::start(&config(&table));
        assert!(sources.wait_synced(Duration::from_secs(20)).await);
        assert_eq!(sources.current().0.vrps.len(), 1);
        (sources, table)
    }

    #[tokio::test]
    async fn data_stay_in_force_until_sources_that_a_reload_names_have_answered() {
        let directory = tempfile::tempdir().unwrap();
        let vrps = directory.path().join("vrps.json");
        let (mut sources, file) = one_file(&vrps).await;
        let (_dead, cache) = dead_cache();
        sources.reconfigure(&config(&cache));
        let failed = |sources: &Sources| {
            sources.status().rpki.iter().any(|source| source.last_error.is_some())
        };
        while !failed(&sources) {
            let change = change(&mut sources).await.expect("the cache fails");
            assert!(matches!(change.kind, ChangeKind::Status), "{:?}", change.kind);
            assert_eq!(change.data.vrps.len(), 1);
        }

        // It is named no more, but its data are in force, and so is what becomes of them: there, and
        // where they expire, which is how a cache's go.
        std::fs::write(&vrps, r#"{"roas": []}"#).unwrap();
        while !change(&mut sources).await.expect("it is looked at").data.vrps.is_empty() {}

        // Named again, it is all that it takes, whatever the cache does.
        std::fs::write(&vrps, ROA).unwrap();
        sources.reconfigure(&config(&(file + &cache)));
        while change(&mut sources).await.expect("news").data.vrps.len() != 1 {}
        assert!(sources.rpki_before.is_none());

        // No sources at all: no data.
        sources.reconfigure(&config(""));
        let change = change(&mut sources).await.expect("news at once");
        assert_eq!(change.data.vrps.len(), 0);
        assert!(matches!(change.kind, ChangeKind::Prefixes(Some(list)) if list.len() == 1));
    }

    /// Sponsors are checked with `irr = "off"`, too: old sets would stay in force for them.
    #[tokio::test]
    async fn irr_sets_go_with_their_sources() {
        let directory = tempfile::tempdir().unwrap();
        let dump = directory.path().join("irr.db");
        let set = "as-set: AS-ALICE\nmembers: AS65010\nsource: X\n\n";
        let route = "route: 203.0.113.0/24\norigin: AS65010\nsource: X\n";
        std::fs::write(&dump, format!("{set}{route}")).unwrap();
        let member = "[[member]]\nasn = 65010\nname = \"alice\"\nas_set = [\"AS-ALICE\"]\n\
                      [[member.session]]\naddress = \"192.0.2.10\"\n";
        let mut sources =
            Sources::start(&config_with(&format!("[irr]\ndump = [{dump:?}]\n"), member));
        assert!(sources.wait_synced(Duration::from_secs(20)).await);
        let known = |data: &RoutingData| data.irr.iter().count();
        assert_eq!(known(&sources.current().0), 1);
        sources.reconfigure(&config_with("", member));
        let change = change(&mut sources).await.expect("news at once");
        assert_eq!(known(&change.data), 0);
    }

    /// Files that are named before and after are all that it takes.
    #[tokio::test]
    async fn a_dead_cache_that_a_reload_adds_does_not_hold_up_files() {
        let directory = tempfile::tempdir().unwrap();
        let vrps = directory.path().join("vrps.json");
        let (mut sources, file) = one_file(&vrps).await;
        let two =
            r#"{"roas": [{"asn": 1, "prefix": "8.0.0.0/8"}, {"asn": 1, "prefix": "9.0.0.0/8"}]}"#;
        std::fs::write(&vrps, two).unwrap();
        let (_dead, cache) = dead_cache();
        sources.reconfigure(&config(&(file + &cache)));
        let read =
            async { while change(&mut sources).await.expect("news").data.vrps.len() != 2 {} };
        let limit = tokio::time::timeout(Duration::from_secs(20), read);
        limit.await.expect("what the file says now is in force");
    }
}
