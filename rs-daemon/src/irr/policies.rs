//! The members' RPSL policies: their aut-num objects, the AS-SETs that these name, and the filters
//! that both make.
//!
//! - No aut-num object, or no line in it that is about a route server here: it restricts nobody.
//! - A line that names a route server here and cannot be understood: the member's last good lines
//!   stay in force, with their age; where there are none, the line is left out and the others hold.
//! - An AS-SET that is unknown: its last good members stay in force; where there are none, it opens
//!   nothing (see [`PeerFilter::compile`]).
//! - Never fetched: it restricts nobody yet.
//!
//! All of it but the first is said in the log and shown until it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp_wire::Asn;
use policy::rpsl::{PeerFilter, PolicyLine, parse_attribute};
use serde::{Deserialize, Serialize};

use super::name::SetName;
use super::object::Object;

/// Members whose RPSL policies hold, and the route servers' ASes that they hold for.
pub type Followers = BTreeMap<Asn, BTreeSet<Asn>>;

/// An aut-num object, as far as it is about the route servers here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutNum {
    /// Whether a database has it.
    pub known: bool,
    /// The route servers' ASes that it was read for.
    pub route_servers: BTreeSet<u32>,
    /// Policy attributes that may be about them: name and text.
    pub lines: Vec<(String, String)>,
    /// Why lines that name them cannot be understood.
    pub broken: Vec<String>,
    /// Its database.
    pub source: String,
    /// When it was fetched, in seconds since 1970.
    pub fetched_unix_secs: u64,
    /// What is wrong with a newer one, in place of which this one is kept.
    #[serde(default)]
    pub kept_for: Option<String>,
}

impl AutNum {
    /// What of an object is about these route servers.
    pub(super) fn read(object: &Object, route_servers: &BTreeSet<Asn>, now: u64) -> Self {
        let mut read = Self::absent(route_servers.iter().copied(), now);
        read.known = true;
        read.source = object.source();
        for (attribute, text) in object.attributes() {
            match parse_attribute(attribute, text) {
                Ok(lines) if lines.iter().any(|line| concerns(line, route_servers)) => {
                    read.lines.push((attribute.to_owned(), text.to_owned()));
                }
                Err(error) if names_one_of(text, route_servers) => {
                    read.broken.push(error.to_string());
                }
                Ok(_) | Err(_) => {}
            }
        }
        read
    }

    /// What there is where no database has the object.
    pub(super) fn absent(route_servers: impl Iterator<Item = Asn>, now: u64) -> Self {
        let route_servers = route_servers.map(|asn| asn.0).collect();
        Self { route_servers, fetched_unix_secs: now, ..Self::default() }
    }

    fn parsed(&self) -> Vec<PolicyLine> {
        let parse = |(name, text): &(String, String)| parse_attribute(name, text);
        self.lines.iter().filter_map(|line| parse(line).ok()).flatten().collect()
    }

    /// What is wrong with the lines, if anything is.
    fn fault(&self) -> Option<String> {
        let kept = self.kept_for.as_ref().map(|why| format!("{why}; the last good lines hold"));
        let left_out = || {
            let broken = self.broken.join("; ");
            (!broken.is_empty()).then(|| format!("{broken}; left out, the other lines hold"))
        };
        kept.or_else(left_out)
    }
}

fn concerns(line: &PolicyLine, route_servers: &BTreeSet<Asn>) -> bool {
    route_servers.iter().any(|asn| line.may_concern(*asn))
}

/// Whether one of the words of a text that cannot be understood is a route server's AS.
fn names_one_of(text: &str, route_servers: &BTreeSet<Asn>) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':')).any(|word| {
        let digits = word.get(..2).filter(|start| start.eq_ignore_ascii_case("as"));
        let asn = digits.and_then(|_| word[2..].parse().ok());
        asn.is_some_and(|asn| route_servers.contains(&Asn(asn)))
    })
}

/// The members of an AS-SET that policies name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicySet {
    origins: Box<[u32]>,
    fetched_unix_secs: u64,
    /// No database has it any more.
    #[serde(default)]
    gone: bool,
    /// It brings more as-sets than are followed.
    #[serde(default)]
    too_much: bool,
}

/// What is kept, also on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredPolicies {
    aut_nums: BTreeMap<u32, AutNum>,
    sets: BTreeMap<String, PolicySet>,
}

/// What a source answered.
#[derive(Clone, Debug, Default)]
pub struct FetchedPolicies {
    /// Everything that was asked for.
    pub aut_nums: BTreeMap<Asn, AutNum>,
    /// The sets that these name; `None`: no database has it.
    pub sets: BTreeMap<SetName, Option<BTreeSet<u32>>>,
    /// Those that bring more as-sets than are followed.
    pub too_much: BTreeSet<SetName>,
}

impl FetchedPolicies {
    /// The AS-SETs that are to be expanded.
    #[must_use]
    pub fn named_sets(&self) -> BTreeSet<SetName> {
        let lines = self.aut_nums.values().flat_map(AutNum::parsed);
        let sets = lines.flat_map(|line| {
            line.sets().filter_map(|name| name.parse().ok()).collect::<Vec<SetName>>()
        });
        sets.collect()
    }
}

/// The filters of all members, immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpslPolicies {
    /// By the member's AS and the route server's.
    filters: BTreeMap<(Asn, Asn), Arc<PeerFilter>>,
}

impl RpslPolicies {
    /// A member's filter on a route server; `None`: it was never fetched.
    #[must_use]
    pub fn get(&self, member: Asn, route_server: Asn) -> Option<&Arc<PeerFilter>> {
        self.filters.get(&(member, route_server))
    }

    /// Gives those their filters who follow their RPSL policies.
    pub(crate) fn put_into(&self, config: &mut policy::PolicyConfig) {
        let route_server = config.asn;
        for peer in config.peers.iter_mut().flatten() {
            if let (Some(rpsl), Some(filter)) = (&mut peer.rpsl, self.get(peer.asn, route_server)) {
                *rpsl = Arc::clone(filter);
            }
        }
    }
}

/// What came of a member's RPSL policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyState {
    /// Its lines hold.
    InForce,
    /// No line is about a route server here: it restricts nobody.
    NoLines,
    /// No database has the aut-num object: it restricts nobody.
    NoAutNum,
    /// No answer has come yet: it restricts nobody until then.
    NeverFetched,
}

impl PolicyState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InForce, Self::NoLines, Self::NoAutNum, Self::NeverFetched];

    /// In words, as in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::NoLines => "no-lines",
            Self::NoAutNum => "no-aut-num",
            Self::NeverFetched => "never-fetched",
        }
    }
}

/// One member's RPSL policy, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatus {
    /// Whose.
    pub asn: Asn,
    /// What came of it.
    pub state: PolicyState,
    /// Lines about route servers here.
    pub lines: usize,
    /// Its database.
    pub source: String,
    /// When the lines in force were fetched, in seconds since 1970.
    pub fetched_unix_secs: Option<u64>,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// Keeps what is good, and makes filters of it.
#[derive(Debug, Default)]
pub(super) struct PolicyKeeper {
    stored: StoredPolicies,
    filters: Arc<RpslPolicies>,
    /// AS-SETs that could not be expanded, by member.
    unknown: BTreeMap<Asn, BTreeSet<String>>,
    /// AS-SETs that bring more as-sets than are followed, since they were asked for last.
    too_much: BTreeSet<String>,
    /// What the log has been told.
    told: BTreeMap<Asn, (PolicyState, Option<String>)>,
}

impl PolicyKeeper {
    pub(super) fn new(stored: StoredPolicies, wanted: &Followers) -> Self {
        let mut keeper = Self { stored, ..Self::default() };
        keeper.compile(wanted);
        keeper
    }

    pub(super) fn stored(&self) -> &StoredPolicies {
        &self.stored
    }

    pub(super) fn in_force(&self) -> Arc<RpslPolicies> {
        Arc::clone(&self.filters)
    }

    /// Whether something is known of every member.
    pub(super) fn has_all(&self, wanted: &Followers) -> bool {
        wanted.iter().all(|(asn, servers)| self.read_for(*asn, servers).is_some())
    }

    /// How many objects were known, if all that were are gone at once.
    pub(super) fn all_gone(&self, fetched: &FetchedPolicies) -> Option<usize> {
        let known_before = |asn: &&Asn| self.stored.aut_nums.get(&asn.0).is_some_and(|a| a.known);
        let before = fetched.aut_nums.keys().filter(known_before).count();
        let any_now = fetched.aut_nums.values().any(|aut_num| aut_num.known);
        (before > 1 && !any_now).then_some(before)
    }

    /// Takes answers over.
    pub(super) fn accept(&mut self, fetched: FetchedPolicies, wanted: &Followers) {
        for (asn, new) in fetched.aut_nums {
            let old = self.stored.aut_nums.entry(asn.0).or_default();
            let good = old.known && old.broken.is_empty() && old.route_servers == new.route_servers;
            if good && !new.broken.is_empty() {
                old.kept_for = Some(new.broken.join("; "));
            } else {
                *old = new;
            }
        }
        let now = super::unix_now();
        for (name, found) in fetched.sets {
            let name = name.to_string();
            self.too_much.remove(&name);
            match (found, self.stored.sets.get_mut(&name)) {
                (Some(origins), _) => {
                    let origins = origins.into_iter().collect();
                    let set = PolicySet { origins, fetched_unix_secs: now, ..PolicySet::default() };
                    self.stored.sets.insert(name, set);
                }
                (None, Some(kept)) => (kept.gone, kept.too_much) = (true, false),
                (None, None) => {}
            }
        }
        for name in fetched.too_much {
            let name = name.to_string();
            if let Some(kept) = self.stored.sets.get_mut(&name) {
                (kept.gone, kept.too_much) = (false, true);
            }
            self.too_much.insert(name);
        }
        self.forget(wanted);
        self.compile(wanted);
        self.tell(wanted);
    }

    /// What nobody asks for any more is not kept.
    fn forget(&mut self, wanted: &Followers) {
        self.stored.aut_nums.retain(|asn, _| wanted.contains_key(&Asn(*asn)));
        let lines = self.stored.aut_nums.values().flat_map(AutNum::parsed);
        let named: BTreeSet<String> =
            lines.flat_map(|line| line.sets().map(canonical).collect::<Vec<_>>()).collect();
        self.stored.sets.retain(|name, _| named.contains(name));
        self.too_much.retain(|name| named.contains(name));
    }

    /// Makes the filters.
    pub(super) fn compile(&mut self, wanted: &Followers) {
        let mut made = RpslPolicies::default();
        self.unknown.clear();
        for (asn, servers) in wanted {
            let Some(aut_num) = self.stored.aut_nums.get(&asn.0) else { continue };
            let lines = aut_num.parsed();
            for server in servers.iter().filter(|s| aut_num.route_servers.contains(&s.0)) {
                let compiled = PeerFilter::compile(&lines, *server, |set| {
                    let set = self.stored.sets.get(&canonical(set))?;
                    Some(set.origins.iter().map(|origin| Asn(*origin)).collect())
                });
                if !compiled.unknown_sets.is_empty() {
                    self.unknown.entry(*asn).or_default().extend(compiled.unknown_sets);
                }
                made.filters.insert((*asn, *server), Arc::new(compiled.filter));
            }
        }
        // Whoever looks for a change looks at the pointer first.
        if *self.filters != made {
            self.filters = Arc::new(made);
        }
    }

    fn read_for(&self, asn: Asn, servers: &BTreeSet<Asn>) -> Option<&AutNum> {
        let aut_num = self.stored.aut_nums.get(&asn.0)?;
        servers.iter().all(|server| aut_num.route_servers.contains(&server.0)).then_some(aut_num)
    }

    pub(super) fn statuses(&self, wanted: &Followers) -> Vec<PolicyStatus> {
        wanted.iter().map(|(asn, servers)| self.status(*asn, servers)).collect()
    }

    fn status(&self, asn: Asn, servers: &BTreeSet<Asn>) -> PolicyStatus {
        let aut_num = self.read_for(asn, servers);
        let state = match aut_num {
            None => PolicyState::NeverFetched,
            Some(aut_num) if !aut_num.known => PolicyState::NoAutNum,
            Some(aut_num) if aut_num.lines.is_empty() => PolicyState::NoLines,
            Some(_) => PolicyState::InForce,
        };
        PolicyStatus {
            asn,
            state,
            lines: aut_num.map_or(0, |aut_num| aut_num.lines.len()),
            source: aut_num.map(|aut_num| aut_num.source.clone()).unwrap_or_default(),
            fetched_unix_secs: aut_num.map(|aut_num| aut_num.fetched_unix_secs),
            fault: aut_num.and_then(|aut_num| self.fault(asn, aut_num)),
        }
    }

    fn fault(&self, asn: Asn, aut_num: &AutNum) -> Option<String> {
        let mut faults: Vec<String> = aut_num.fault().into_iter().collect();
        // What was never known opens nothing: there are no last members of it.
        let never = self.unknown.get(&asn).into_iter().flatten();
        let (too_much, unknown): (Vec<&str>, Vec<&str>) =
            never.map(String::as_str).partition(|name| self.too_much.contains(&canonical(name)));
        for (what, names) in [
            ("unknown AS-SETs", unknown),
            ("AS-SETs that bring more as-sets than are followed", too_much),
        ] {
            if !names.is_empty() {
                faults.push(format!("{what}, which open nothing: {}", names.join(", ")));
            }
        }
        let parsed = aut_num.parsed();
        let named: BTreeSet<String> =
            parsed.iter().flat_map(|line| line.sets().map(canonical)).collect();
        let is = |wrong: fn(&PolicySet) -> bool| {
            let sets = named.iter().filter(|name| self.stored.sets.get(*name).is_some_and(wrong));
            sets.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        for (what, names) in [
            ("are gone", is(|set| set.gone)),
            ("bring more as-sets than are followed", is(|set| set.too_much)),
        ] {
            if !names.is_empty() {
                faults.push(format!("AS-SETs that {what}, whose last members hold: {names}"));
            }
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Says in the log what has changed for a member, once.
    fn tell(&mut self, wanted: &Followers) {
        for PolicyStatus { asn, state, fault, source, lines, .. } in self.statuses(wanted) {
            let news = (state, fault);
            if self.told.get(&asn) == Some(&news) {
                continue;
            }
            match &news {
                (_, Some(fault)) => {
                    tracing::error!(%asn, %source, %fault, "RPSL policy of a member is not right");
                }
                (PolicyState::NoAutNum, None) => {
                    tracing::warn!(%asn, "no aut-num object: the member's RPSL policy restricts nobody");
                }
                (state, None) => {
                    tracing::info!(%asn, %source, lines, state = state.name(), "RPSL policy read");
                }
            }
            self.told.insert(asn, news);
        }
        self.told.retain(|asn, _| wanted.contains_key(asn));
    }
}

/// The name as sets are kept by; what is no name stays as it is, and is never found.
fn canonical(name: &str) -> String {
    name.parse::<SetName>().map_or_else(|_| name.to_owned(), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(sets: &[(&str, &[u32])], too_much: &[&str]) -> FetchedPolicies {
        let text = "aut-num: AS65010\nexport-via: AS64500 to AS-FRIENDS announce AS65010\n\
                    source: X\n";
        let route_servers = BTreeSet::from([Asn(64500)]);
        let aut_num = AutNum::read(&Object::parse(text), &route_servers, 1);
        assert_eq!((aut_num.lines.len(), &aut_num.broken), (1, &Vec::new()));
        let name = |name: &&str| name.parse().unwrap();
        let set =
            |(set, origins): &(&str, &[u32])| (name(set), Some(origins.iter().copied().collect()));
        FetchedPolicies {
            aut_nums: [(Asn(65010), aut_num)].into(),
            sets: sets.iter().map(set).collect(),
            too_much: too_much.iter().map(name).collect(),
        }
    }

    #[test]
    fn a_set_that_brings_too_much_keeps_its_members_and_is_said() {
        let wanted = Followers::from([(Asn(65010), [Asn(64500)].into())]);
        let mut keeper = PolicyKeeper::default();
        let good = [("AS-FRIENDS", &[65011][..])];
        let fault = |keeper: &PolicyKeeper| keeper.statuses(&wanted)[0].fault.clone();
        keeper.accept(fetched(&good, &[]), &wanted);
        let before = keeper.in_force();
        assert_eq!(fault(&keeper), None);
        keeper.accept(fetched(&[], &["AS-FRIENDS"]), &wanted);
        assert!(Arc::ptr_eq(&before, &keeper.in_force()), "its last members hold");
        let said = fault(&keeper).unwrap();
        assert!(said.contains("more as-sets than are followed"), "{said}");
        assert!(said.ends_with("AS-FRIENDS"), "{said}");
        keeper.accept(fetched(&good, &[]), &wanted);
        assert_eq!(fault(&keeper), None);
    }

    #[test]
    fn a_set_that_always_brought_too_much_is_not_unknown() {
        let wanted = Followers::from([(Asn(65010), [Asn(64500)].into())]);
        let mut keeper = PolicyKeeper::default();
        let fault = |keeper: &PolicyKeeper| keeper.statuses(&wanted)[0].fault.clone();
        keeper.accept(fetched(&[], &["AS-FRIENDS"]), &wanted);
        let said =
            "AS-SETs that bring more as-sets than are followed, which open nothing: AS-FRIENDS";
        assert_eq!(fault(&keeper).as_deref(), Some(said));
        let mut gone = fetched(&[], &[]);
        gone.sets.insert("AS-FRIENDS".parse().unwrap(), None);
        keeper.accept(gone, &wanted);
        let said = "unknown AS-SETs, which open nothing: AS-FRIENDS";
        assert_eq!(fault(&keeper).as_deref(), Some(said));
        keeper.accept(fetched(&[("AS-FRIENDS", &[65011])], &[]), &wanted);
        assert_eq!(fault(&keeper), None);
    }
}
