//! The schedule: fetch, keep what is good, publish.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bgp_wire::Asn;
use policy::{IrrSets, IrrStatus, MemberIrr, RouteSet};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::dump::Dump;
use super::irrd::IrrdClient;
use super::name::SetName;
use super::policies::{FetchedPolicies, PolicyKeeper};
use super::writer::{Round, Writer};
use super::{Expanded, IrrError, IrrSpec, IrrState, MemberSpec, SetStatus, disk, expand, unix_now};

/// Pause after a failed refresh; doubles up to the schedule's own interval.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Shortest interval between refreshes, whatever the configuration says.
const SHORTEST_REFRESH: Duration = Duration::from_secs(10);
/// How long all answers of a server together may take.
const REFRESH_LIMIT: Duration = Duration::from_secs(900);

/// The running service; dropping it ends it.
#[derive(Debug)]
pub struct IrrHandle {
    state: watch::Receiver<Arc<IrrState>>,
    refresh: mpsc::Sender<()>,
    specs: watch::Sender<IrrSpec>,
    task: JoinHandle<()>,
    writer: Arc<Writer>,
}

impl IrrHandle {
    /// Starts on the current tokio runtime; what is on disk is in force before it returns.
    #[must_use]
    pub fn start(spec: IrrSpec) -> Self {
        let mut keeper = Keeper::new(spec);
        let (publish, state) = watch::channel(Arc::new(keeper.state()));
        let (refresh, requests) = mpsc::channel(1);
        let (specs, spec_changes) = watch::channel(keeper.spec.clone());
        let writer = Arc::clone(&keeper.writer);
        tokio::spawn(Arc::clone(&writer).run(publish.clone()));
        let task = tokio::spawn(async move { keeper.run(publish, requests, spec_changes).await });
        Self { state, refresh, specs, task, writer }
    }

    /// The snapshots.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<IrrState>> {
        self.state.clone()
    }

    /// The snapshot in force.
    #[must_use]
    pub fn state(&self) -> Arc<IrrState> {
        self.state.borrow().clone()
    }

    /// Asks for a refresh now; one that is under way answers for it.
    pub fn refresh(&self) {
        // A full queue holds a request already.
        let _ = self.refresh.try_send(());
    }

    /// Puts another configuration in force: sets that it names and are known stay known.
    pub fn reconfigure(&self, spec: IrrSpec) {
        self.specs.send_if_modified(|old| {
            let changed = *old != spec;
            *old = spec;
            changed
        });
    }
}

impl Drop for IrrHandle {
    fn drop(&mut self) {
        self.task.abort();
        self.writer.end();
    }
}

struct Keeper {
    spec: IrrSpec,
    sets: BTreeMap<SetName, Arc<Expanded>>,
    /// Those of them that were on disk at the start, and were not fetched since.
    from_disk: BTreeSet<SetName>,
    /// What the last answers left out, as it brings too much.
    too_much: BTreeSet<SetName>,
    policies: PolicyKeeper,
    last_error: Option<String>,
    last_refresh: Option<u64>,
    failures: u64,
    writer: Arc<Writer>,
}

/// The answers of a refresh.
struct Fetched {
    source_name: String,
    /// Of the names that were asked for, all but those that bring too much.
    sets: BTreeMap<SetName, Expanded>,
    policies: FetchedPolicies,
}

/// The names of a member, or its own AS where it gives none; the second half: entries that are no
/// names (the configuration refuses them, so this is for callers that do not).
fn names_of(member: &MemberSpec) -> (Vec<SetName>, usize) {
    if member.as_set.is_empty() {
        return (vec![SetName::Asn(Asn(member.asn.0))], 0);
    }
    let names: Vec<SetName> = member.as_set.iter().filter_map(|s| s.parse().ok()).collect();
    let wrong = member.as_set.len() - names.len();
    (names, wrong)
}

impl Keeper {
    fn new(spec: IrrSpec) -> Self {
        let sets = spec.cache.as_deref().map(disk::load).unwrap_or_default();
        let sets: BTreeMap<_, _> =
            sets.into_iter().map(|(name, set)| (name, Arc::new(set))).collect();
        let stored = spec.cache.as_deref().map(disk::load_policies).unwrap_or_default();
        let policies = PolicyKeeper::new(stored, &spec.policies);
        Self {
            spec,
            from_disk: sets.keys().cloned().collect(),
            sets,
            too_much: BTreeSet::new(),
            policies,
            last_error: None,
            last_refresh: None,
            failures: 0,
            writer: Arc::default(),
        }
    }

    fn names(&self) -> BTreeSet<SetName> {
        self.spec.members.iter().flat_map(|m| names_of(m).0).collect()
    }

    async fn run(
        &mut self,
        publish: watch::Sender<Arc<IrrState>>,
        mut requests: mpsc::Receiver<()>,
        mut specs: watch::Receiver<IrrSpec>,
    ) {
        let mut retry = FIRST_RETRY;
        loop {
            let regular = self.spec.refresh.max(SHORTEST_REFRESH);
            let refreshed = tokio::select! {
                refreshed = self.refresh() => refreshed,
                // A server that hangs must not keep a reload's members waiting for what is known.
                changed = specs.changed() => {
                    if changed.is_err() || !self.reconfigure(&mut specs, &publish) { return }
                    continue;
                }
            };
            let pause = match refreshed {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    if self.last_error.take().is_some() {
                        tracing::info!("IRR refresh succeeded again");
                    }
                    self.last_refresh = Some(unix_now());
                    regular
                }
                Err(error) => {
                    tracing::warn!(%error, "IRR refresh failed, the last good sets stay in force");
                    self.last_error = Some(error.to_string());
                    self.failures += 1;
                    let pause = retry.min(regular);
                    retry = (retry * 2).min(regular);
                    pause
                }
            };
            if !self.publish(&publish) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                request = requests.recv() => if request.is_none() { return },
                changed = specs.changed() => {
                    if changed.is_err() || !self.reconfigure(&mut specs, &publish) { return }
                }
            }
        }
    }

    /// Another configuration: what is known of the new members counts at once. False when nobody
    /// listens any more.
    fn reconfigure(
        &mut self,
        specs: &mut watch::Receiver<IrrSpec>,
        publish: &watch::Sender<Arc<IrrState>>,
    ) -> bool {
        self.spec = specs.borrow_and_update().clone();
        self.policies.compile(&self.spec.policies);
        self.publish(publish)
    }

    /// False when nobody listens any more.
    fn publish(&self, publish: &watch::Sender<Arc<IrrState>>) -> bool {
        let mut state = self.state();
        publish.send_modify(|published| {
            // Asked for here, where the writer cannot publish something newer meanwhile.
            state.cache_written = self.writer.is_written();
            *published = Arc::new(state);
        });
        !publish.is_closed()
    }

    async fn refresh(&mut self) -> Result<(), IrrError> {
        let names = self.names();
        let fetched = match &self.spec.server {
            Some(server) => {
                let asked = tokio::time::timeout(REFRESH_LIMIT, self.ask(server, &names)).await;
                asked.map_err(|_| IrrError::Connection {
                    server: server.clone(),
                    source: std::io::Error::new(
                        std::io::ErrorKind::TimedOut,
                        "not everything was answered within 15 minutes",
                    ),
                })??
            }
            None => self.read_dumps(names.clone()).await?,
        };
        self.accept(&names, fetched)
    }

    async fn ask(&self, server: &str, names: &BTreeSet<SetName>) -> Result<Fetched, IrrError> {
        let now = unix_now();
        let mut client = IrrdClient::connect(server, &self.spec.sources).await?;
        let sets = expand::expand(&mut client, names, now).await?;
        let policies = expand::policies(&mut client, &self.spec.policies, now).await?;
        Ok(Fetched { source_name: server.to_owned(), sets, policies })
    }

    async fn read_dumps(&self, names: BTreeSet<SetName>) -> Result<Fetched, IrrError> {
        let spec = &self.spec;
        let (paths, sources) = (spec.dump.clone(), spec.sources.clone());
        let wanted = spec.policies.clone();
        // Dumps are gigabytes: not on a thread that others wait for.
        let reading = tokio::task::spawn_blocking(move || {
            let dump = Dump::read(&paths, &sources, &wanted, unix_now())?;
            let expanded = |name| {
                let set = dump.expand(&name);
                (name, set)
            };
            let sets = names.into_iter().map(expanded).collect();
            Ok(Fetched { source_name: "the dumps".to_owned(), sets, policies: dump.policies() })
        });
        reading.await.unwrap_or_else(|e| {
            let path = spec.dump.first().cloned().unwrap_or_default();
            Err(IrrError::Dump { path, source: std::io::Error::other(e) })
        })
    }

    /// Takes the answers about `names` over, unless they say that a mirror has lost its data.
    fn accept(&mut self, names: &BTreeSet<SetName>, fetched: Fetched) -> Result<(), IrrError> {
        let Fetched { source_name, sets, policies } = fetched;
        let full = |set: Option<&Expanded>| set.is_some_and(|s| s.known && !s.prefixes.is_empty());
        let before = sets.keys().filter(|n| full(self.sets.get(n).map(Arc::as_ref)));
        let before = before.count();
        let now = sets.values().filter(|set| full(Some(set))).count();
        if before > 1 && now == 0 {
            return Err(IrrError::AllGone { source_name, what: "as-sets", sets: before });
        }
        if let Some(sets) = self.policies.all_gone(&policies) {
            return Err(IrrError::AllGone { source_name, what: "aut-num objects", sets });
        }
        self.too_much = names.iter().filter(|name| !sets.contains_key(name)).cloned().collect();
        for name in &self.too_much {
            tracing::error!(set = %name, source = %source_name, "IRR set: {}", expand::TOO_MUCH);
        }
        let mut good = BTreeMap::new();
        for (name, mut set) in sets {
            set.source.clone_from(&source_name);
            let set = Arc::new(set);
            if self.accept_set(name.clone(), Arc::clone(&set)) {
                good.insert(name, set);
            }
        }
        self.policies.accept(policies, &self.spec.policies);
        if let Some(directory) = self.spec.cache.clone() {
            let followed = !self.spec.policies.is_empty();
            let policies = followed.then(|| self.policies.stored().clone());
            self.writer.add(Round { directory, sets: good, policies });
        }
        Ok(())
    }

    /// Whether the set is good enough to be kept on disk.
    fn accept_set(&mut self, name: SetName, set: Arc<Expanded>) -> bool {
        let source = &set.source;
        if !set.known {
            tracing::error!(set = %name, %source, "IRR set is unknown: every route of the members that name it alone is rejected");
        }
        if set.known && set.origins.is_empty() {
            tracing::error!(set = %name, %source, "IRR set is empty: every route of the members that name it alone is rejected");
        }
        let good = set.known && !set.origins.is_empty();
        self.from_disk.remove(&name);
        self.sets.insert(name, set);
        good
    }

    fn state(&self) -> IrrState {
        let names = self.names();
        let mut users: BTreeMap<SetName, usize> = BTreeMap::new();
        let members = self.spec.members.iter().map(|member| {
            for name in names_of(member).0 {
                *users.entry(name).or_default() += 1;
            }
            (member.member, self.member_irr(member))
        });
        let sets = Arc::new(IrrSets::from_members(members.collect::<Vec<_>>()));
        let statuses = names.iter().map(|name| self.status(name, users.get(name).copied()));
        IrrState {
            sets,
            statuses: statuses.collect(),
            policies: self.policies.in_force(),
            policy_statuses: self.policies.statuses(&self.spec.policies),
            synced: self.last_refresh.is_some()
                || names.iter().all(|n| self.sets.contains_key(n))
                    && self.policies.has_all(&self.spec.policies),
            last_error: self.last_error.clone(),
            last_refresh_unix_secs: self.last_refresh,
            failures: self.failures,
            cache_written: self.writer.is_written(),
        }
    }

    /// The union of a member's sets; where none of them is known, nothing.
    fn member_irr(&self, member: &MemberSpec) -> MemberIrr {
        let (names, _) = names_of(member);
        let source = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let known: Vec<&Arc<Expanded>> =
            names.iter().filter_map(|n| self.sets.get(n)).filter(|s| s.known).collect();
        // The union is as old as its oldest part.
        let Some(fetched) = known.iter().map(|s| s.fetched_unix_secs).min() else {
            return MemberIrr::unknown(&source);
        };
        let origins = known.iter().flat_map(|s| s.origins.iter()).map(|o| Asn(*o));
        let prefixes = known.iter().flat_map(|s| s.prefixes.iter()).copied();
        MemberIrr::fetched(&source, fetched, RouteSet::new(origins, prefixes))
    }

    fn status(&self, name: &SetName, users: Option<usize>) -> SetStatus {
        let set = self.sets.get(name);
        let status = match set {
            Some(set) if set.known && set.origins.is_empty() => IrrStatus::Empty,
            Some(set) if set.known => IrrStatus::Loaded,
            _ => IrrStatus::Unknown,
        };
        SetStatus {
            name: name.to_string(),
            status,
            origins: set.map_or(0, |s| s.origins.len()),
            prefixes: bgp_wire::Family::ALL
                .map(|f| set.map_or(0, |s| s.prefixes.iter().filter(|p| p.family() == f).count())),
            fetched_unix_secs: set.map(|s| s.fetched_unix_secs),
            members: users.unwrap_or(0),
            source: set.map(|s| s.source.clone()).unwrap_or_default(),
            from_disk: self.from_disk.contains(name),
            too_much: self.too_much.contains(name),
        }
    }
}
