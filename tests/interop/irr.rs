//! Our IRR client at a real IRRd, and beside Debian's bgpq4 at the same server.
//!
//! One server for everything, since it takes longer to start than all of its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bgp_wire::{Asn, Family, Prefix};
use policy::IrrStatus;
use rs_daemon::irr::{Followers, IrrHandle, IrrSpec, IrrState, MemberSpec, PolicyState, SetStatus};
use rs_tests::support::irrd::Irrd;
use rs_tests::support::ports::free_ports;
use rs_tests::support::process::{output, require};
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FIRST: &str = include_str!("irrd/first.db");
const SECOND: &str = include_str!("irrd/second.db");
const OTHER: &str = include_str!("irrd/other.db");

/// The sources that we ask; OTHER is asked where somebody names it.
const ASKED: [&str; 2] = ["FIRST", "SECOND"];

/// AS numbers of AS-WIDE: more than a window of the client, each with two route objects.
const WIDE: std::ops::Range<u32> = 210_000..210_600;

/// Levels below AS-DEEP.
const DEEP: u32 = 40;

const ROUTE_SERVER: Asn = Asn(131_329);

/// How long a change may take to be seen.
const ARRIVE: Duration = Duration::from_secs(20);

/// Longer than the client waits for an answer.
const TIMED_OUT: Duration = Duration::from_secs(50);

/// What is expected: the set, its AS numbers and its prefixes.
const EXPANDED: &str = "
    AS-ALPHA              204001,204002,204010,204011  45.140.0.0/22,45.140.1.0/24,45.140.4.0/24,45.140.5.0/24,45.140.6.7/32,45.140.7.0/24,2a0e:6000::/32,2a0e:6000:1::/48
    AS-BETA               204001,204002,204010,204011  45.140.0.0/22,45.140.1.0/24,45.140.4.0/24,45.140.5.0/24,45.140.6.7/32,45.140.7.0/24,2a0e:6000::/32,2a0e:6000:1::/48
    AS204001:AS-CUSTOMERS 204010,204011                45.140.5.0/24,45.140.6.7/32,2a0e:6000:1::/48
    AS-BOTH               204020                       45.141.0.0/24
    SECOND::AS-BOTH       204021                       45.141.1.0/24,2a0e:6021::/32
    # Its AS has routes at OTHER only, where routes are not asked for.
    OTHER::AS-BOTH        204022                       -
    # A set that it names is looked for where all sets are.
    OTHER::AS-OTHER-ONLY  204020                       45.141.0.0/24
    AS-SECOND-ONLY        204020,204021                45.141.0.0/24,45.141.1.0/24,2a0e:6021::/32
    AS-REFERENCED         204002,204030                45.140.4.0/24,45.143.30.0/24
    AS-NO-ROUTES          204099                       -
    AS204021              204021                       45.141.1.0/24,2a0e:6021::/32
    AS-SELF               -                            -
    AS-EMPTY              -                            -
    AS-NOWHERE            -                            -
    NOSUCH::AS-ALPHA      -                            -
";

/// A set of that many AS numbers, and one of that many levels.
fn large_sets() -> String {
    let members: Vec<String> = WIDE.map(|asn| format!("AS{asn}")).collect();
    let mut text = format!(
        "as-set: AS-WIDE\nmembers: {}\nmnt-by: WIDE-MNT\nsource: FIRST\n\n",
        members.join(", ")
    );
    for (n, asn) in WIDE.enumerate() {
        let (high, low) = (n / 256, n % 256);
        text += &format!(
            "route: 46.{high}.{low}.0/24\norigin: AS{asn}\nmnt-by: WIDE-MNT\nsource: FIRST\n\n\
             route6: 2a0f:{n:x}::/32\norigin: AS{asn}\nmnt-by: WIDE-MNT\nsource: FIRST\n\n"
        );
    }
    for level in 0..DEEP {
        let below = if level + 1 == DEEP {
            "AS204002".to_owned()
        } else {
            format!("AS-DEEP-{}, AS-DEEP", level + 1)
        };
        let name = if level == 0 { "AS-DEEP".to_owned() } else { format!("AS-DEEP-{level}") };
        text += &format!("as-set: {name}\nmembers: {below}\nmnt-by: WIDE-MNT\nsource: FIRST\n\n");
    }
    text
}

struct Client {
    handle: IrrHandle,
    names: Vec<String>,
    // Its tasks run here.
    runtime: Runtime,
}

impl Client {
    /// A member for each name, with nothing else in its set.
    fn start(server: &Irrd, names: &[&str], cache: Option<&Path>, policies: Followers) -> Self {
        let (server, cache) = (Some(server.address()), cache.map(Into::into));
        Self::with(names, IrrSpec { server, cache, policies, ..IrrSpec::default() })
    }

    /// The same out of a file.
    fn reading(dump: &Path, names: &[&str], policies: Followers) -> Self {
        Self::with(names, IrrSpec { dump: vec![dump.into()], policies, ..IrrSpec::default() })
    }

    fn with(names: &[&str], spec: IrrSpec) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let member = |(member, name): (u32, &&str)| MemberSpec {
            member,
            asn: Asn(1),
            as_set: vec![(*name).to_owned()],
        };
        let spec = IrrSpec {
            sources: ASKED.map(str::to_owned).to_vec(),
            refresh: Duration::from_secs(3600),
            members: (0..).zip(names).map(member).collect(),
            ..spec
        };
        let entered = runtime.enter();
        let handle = IrrHandle::start(spec);
        drop(entered);
        Self { handle, names: names.iter().map(|name| (*name).to_owned()).collect(), runtime }
    }

    fn state(&self) -> Arc<IrrState> {
        self.handle.state()
    }

    fn until(&self, what: &str, limit: Duration, holds: impl Fn(&IrrState) -> bool) {
        let mut states = self.handle.subscribe();
        let waited = self.runtime.block_on(async {
            tokio::time::timeout(limit, states.wait_for(|state| holds(state))).await.is_ok()
        });
        assert!(waited, "{what}: {:?}", self.state().statuses);
    }

    fn synced(self) -> Self {
        self.until("the first answers", TIMED_OUT, |state| state.synced);
        assert_eq!(self.state().last_error, None);
        self
    }

    /// Origins and prefixes of a set.
    fn expanded(&self, name: &str) -> (BTreeSet<u32>, BTreeSet<Prefix>) {
        let member = self.names.iter().position(|one| one == name).unwrap();
        let state = self.state();
        let routes = &state.sets.get(u32::try_from(member).unwrap()).unwrap().routes;
        (routes.origins().iter().map(|asn| asn.0).collect(), routes.prefixes().collect())
    }

    fn status(&self, name: &str) -> IrrStatus {
        self.state().statuses.iter().find(|set| set.name == name).unwrap().status
    }
}

/// The words of a column with commas; `-`: none.
fn list<T: std::str::FromStr + Ord>(column: &str) -> BTreeSet<T> {
    column.split(',').filter(|word| *word != "-").map(|word| word.parse().ok().unwrap()).collect()
}

fn rows() -> impl Iterator<Item = (&'static str, BTreeSet<u32>, BTreeSet<Prefix>)> {
    EXPANDED.lines().filter_map(|line| {
        let words: Vec<&str> =
            line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let [name, origins, prefixes] = words.as_slice() else { return None };
        Some((*name, list(origins), list(prefixes)))
    })
}

fn names() -> Vec<&'static str> {
    rows().map(|row| row.0).collect()
}

#[test]
fn a_real_irrd_is_asked_and_answers_as_bgpq4_is_answered() {
    require("bgpq4", "bgpq4");
    let mut server = Irrd::start();
    server.load("FIRST", &(FIRST.to_owned() + "\n" + &large_sets()));
    server.load("SECOND", SECOND);
    server.load("OTHER", OTHER);
    let real = real_sets(&server);
    let second = real.as_ref().map_or(SECOND, |(rpsl, _)| rpsl.as_str());
    let names = real.as_ref().map_or(&[][..], |(_, names)| names.as_slice());

    expansions(&server);
    large(&server);
    beside_bgpq4(&server, names);
    dumps(&server, second, names);
    policies(&server);
    the_daemon(&server);
    refreshed(&server);
    stopped(&server);
    gone_and_back(&mut server);
}

fn expansions(server: &Irrd) {
    let client = Client::start(server, &names(), None, Followers::new()).synced();
    for (name, origins, prefixes) in rows() {
        assert_eq!(client.expanded(name), (origins, prefixes), "{name}");
    }
    for (name, status) in [
        ("AS-ALPHA", IrrStatus::Loaded),
        ("AS-NO-ROUTES", IrrStatus::Loaded),
        ("AS-EMPTY", IrrStatus::Empty),
        ("AS-SELF", IrrStatus::Empty),
        ("AS-NOWHERE", IrrStatus::Unknown),
        ("NOSUCH::AS-ALPHA", IrrStatus::Unknown),
    ] {
        assert_eq!(client.status(name), status, "{name}");
    }
}

fn large(server: &Irrd) {
    let client = Client::start(server, &["AS-WIDE", "AS-DEEP"], None, Followers::new()).synced();
    let (origins, prefixes) = client.expanded("AS-WIDE");
    assert_eq!(origins, WIDE.collect());
    assert_eq!(prefixes.len(), 2 * WIDE.len());
    assert_eq!(client.expanded("AS-DEEP").0, [204_002].into());
}

/// What bgpq4 makes of a set at the same server.
fn bgpq4(server: &Irrd, arguments: &[&str], set: &str) -> String {
    let mut command = Command::new("bgpq4");
    command.args(["-h", &server.address(), "-S", &ASKED.join(",")]).args(arguments);
    output(command.arg(set)).unwrap()
}

fn beside_bgpq4(server: &Irrd, real: &[String]) {
    // bgpq4 does not go on without a source.
    let all = names().into_iter().filter(|name| !name.starts_with("NOSUCH"));
    let all: Vec<&str> =
        all.chain(["AS-WIDE", "AS-DEEP"]).chain(real.iter().map(String::as_str)).collect();
    let client = Client::start(server, &all, None, Followers::new()).synced();
    for name in &all {
        let (origins, prefixes) = client.expanded(name);
        let mut theirs = BTreeSet::new();
        for family in ["-4", "-6"] {
            let text = bgpq4(server, &[family, "-F", "%n/%l\\n"], name);
            theirs.extend(text.lines().map(|line| line.parse::<Prefix>().unwrap()));
        }
        assert_eq!(prefixes, theirs, "{name}");
        // An AS number alone is no set to list the members of.
        if !name.trim_start_matches("AS").chars().all(|c| c.is_ascii_digit()) {
            let text = bgpq4(server, &["-tj"], name);
            let digits = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
            assert_eq!(origins, digits.collect::<BTreeSet<u32>>(), "{name}");
        }
    }
}

/// The same objects in a file, without a server. OTHER is not among the sources, so that nothing
/// is found there.
fn dumps(server: &Irrd, second: &str, real: &[String]) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("all.db");
    fs::write(&path, [FIRST, &large_sets(), second, OTHER].join("\n\n")).unwrap();
    let of = [204_001, 204_002, 204_021, 204_099];
    let followers: Followers = of.map(|asn| (Asn(asn), [ROUTE_SERVER].into())).into();
    let all = names().into_iter().filter(|name| !name.starts_with("OTHER"));
    let all: Vec<&str> =
        all.chain(["AS-WIDE", "AS-DEEP"]).chain(real.iter().map(String::as_str)).collect();
    let asked = Client::start(server, &all, None, followers.clone()).synced();
    let read = Client::reading(&path, &all, followers).synced();
    for name in all {
        assert_eq!(read.expanded(name), asked.expanded(name), "{name}");
        assert_eq!(read.status(name), asked.status(name), "{name}");
    }
    assert_eq!(read.state().policies, asked.state().policies);
}

/// With `RS_DATA`: objects of real databases, served by the IRRd as SECOND's; gives all of SECOND
/// and the names of the sets.
fn real_sets(server: &Irrd) -> Option<(String, Vec<String>)> {
    let data = std::env::var_os("RS_DATA").filter(|data| !data.is_empty()).map(PathBuf::from)?;
    let text = fs::read(data.join("irr/ripe-whois-TEST.db")).unwrap();
    let mut rpsl = SECOND.to_owned() + "\n";
    let mut names = Vec::new();
    for object in String::from_utf8_lossy(&text).split("\n\n") {
        let class = object.split(':').next().unwrap_or_default().trim().to_owned();
        if !matches!(class.as_str(), "as-set" | "route" | "route6" | "aut-num") {
            continue;
        }
        for line in object.lines().filter(|line| !line.starts_with(['#', '%'])) {
            match line.strip_prefix("source:") {
                Some(_) => rpsl += "source: SECOND\n",
                None => rpsl += &format!("{line}\n"),
            }
        }
        rpsl += "\n";
        if class == "as-set" {
            let name = object.split(':').nth(1).unwrap_or_default();
            names.push(name.lines().next().unwrap_or_default().trim().to_ascii_uppercase());
        }
    }
    // What a real set came to, as somebody else's bgpq3 saw it.
    rpsl += "as-set: AS-REAL\nmembers: AS1213\nmnt-by: REAL-MNT\nsource: SECOND\n\n";
    for file in ["heanet-prefixes-v4.json", "heanet-prefixes-v6.json"] {
        let text = fs::read_to_string(data.join("irr").join(file)).unwrap();
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        for entry in list["pl"].as_array().unwrap() {
            let prefix = entry["prefix"].as_str().unwrap();
            let class = if prefix.contains(':') { "route6" } else { "route" };
            rpsl +=
                &format!("{class}: {prefix}\norigin: AS1213\nmnt-by: REAL-MNT\nsource: SECOND\n\n");
        }
    }
    server.load("SECOND", &rpsl);
    names.push("AS-REAL".to_owned());
    Some((rpsl, names))
}

/// From or to which of these a member's policy lets routes pass.
fn passing(passes: impl Fn(Asn) -> bool) -> Vec<u32> {
    [204_001, 204_002, 204_020, 204_021, 204_022]
        .into_iter()
        .filter(|asn| passes(Asn(*asn)))
        .collect()
}

fn policies(server: &Irrd) {
    let of = [204_001, 204_002, 204_021, 204_099];
    let followers = of.map(|asn| (Asn(asn), [ROUTE_SERVER].into())).into();
    let client = Client::start(server, &["AS-ALPHA"], None, followers).synced();
    let state = client.state();
    let states: BTreeMap<u32, (PolicyState, usize, &str)> = state
        .policy_statuses
        .iter()
        .map(|one| (one.asn.0, (one.state, one.lines, one.source.as_str())))
        .collect();
    assert_eq!(states[&204_001], (PolicyState::InForce, 2, "FIRST"), "the first source's");
    assert_eq!(states[&204_002], (PolicyState::NoLines, 0, "FIRST"));
    assert_eq!(states[&204_021], (PolicyState::InForce, 2, "SECOND"));
    assert_eq!(states[&204_099], (PolicyState::NoAutNum, 0, ""));
    let alpha = state.policies.get(Asn(204_001), ROUTE_SERVER).unwrap();
    assert_eq!(passing(|asn| alpha.receives(Family::V4, asn)), [204_001, 204_002, 204_020]);
    assert_eq!(passing(|asn| alpha.sends(Family::V6, asn)), [204_001, 204_002, 204_021, 204_022]);
    assert_eq!(passing(|asn| alpha.sends(Family::V4, asn)).len(), 5);
    let omega = state.policies.get(Asn(204_021), ROUTE_SERVER).unwrap();
    assert_eq!(passing(|asn| omega.receives(Family::V4, asn)), [204_001, 204_002]);
}

/// New objects come with a refresh, not before.
fn refreshed(server: &Irrd) {
    let client = Client::start(server, &["AS-SECOND-ONLY", "AS-ALPHA"], None, Followers::new());
    let client = client.synced();
    assert_eq!(client.expanded("AS-SECOND-ONLY").0, [204_020, 204_021].into());
    server.load("SECOND", &SECOND.replace("AS204021, AS-BOTH", "AS204021"));
    assert_eq!(client.expanded("AS-SECOND-ONLY").0, [204_020, 204_021].into());
    client.handle.refresh();
    eventually("the change is there", TIMED_OUT, || {
        let origins = client.expanded("AS-SECOND-ONLY").0;
        ensure(origins == [204_021].into(), || format!("{origins:?}"))
    });
    server.load("SECOND", SECOND);
}

/// A server that takes connections and says nothing: what was known stays, with its age.
fn stopped(server: &Irrd) {
    let client = Client::start(server, &["AS-ALPHA"], None, Followers::new()).synced();
    let before = client.expanded("AS-ALPHA");
    let fetched = client.state().statuses[0].fetched_unix_secs;
    server.pause();
    client.handle.refresh();
    client.until("the time-out", TIMED_OUT, |state| state.last_error.is_some());
    let error = client.state().last_error.clone().unwrap();
    assert!(error.contains("no answer within"), "{error}");
    assert_eq!(client.expanded("AS-ALPHA"), before);
    assert_eq!(client.state().statuses[0].fetched_unix_secs, fetched);
    server.resume();
    client.handle.refresh();
    client.until("an answer", TIMED_OUT, |state| state.last_error.is_none());
    assert_eq!(client.expanded("AS-ALPHA"), before);
}

/// A server that is gone when we start: the last good answers are on disk.
fn gone_and_back(server: &mut Irrd) {
    let dir = TempDir::new().unwrap();
    let followers: Followers = [(Asn(204_001), [ROUTE_SERVER].into())].into();
    let names = ["AS-ALPHA", "AS-EMPTY"];
    let client = Client::start(server, &names, Some(dir.path()), followers.clone()).synced();
    let (before, fetched) = (client.expanded("AS-ALPHA"), client.state().statuses[0].clone());
    let policies = Arc::clone(&client.state().policies);
    // They are written beside everything else, the policies last.
    eventually("the answers are on the disk", TIMED_OUT, || {
        let file = dir.path().join("rpsl/policies.json");
        ensure(file.exists(), || "they are not".to_owned())
    });
    drop(client);

    server.kill();
    let client = Client::start(server, &names, Some(dir.path()), followers);
    client.until("an error", TIMED_OUT, |state| state.last_error.is_some());
    assert_eq!(client.expanded("AS-ALPHA"), before);
    let kept = SetStatus { from_disk: true, ..fetched };
    assert_eq!(client.state().statuses[0], kept, "with its age");
    assert_eq!(client.state().policies, policies);
    // What was empty is not kept: it stands for nothing all the same.
    assert_eq!(client.expanded("AS-EMPTY"), (BTreeSet::new(), BTreeSet::new()));

    server.restart();
    client.handle.refresh();
    client.until("an answer", TIMED_OUT, |state| state.last_error.is_none());
    assert_eq!(client.expanded("AS-ALPHA"), before);
}

/// The daemon: what `rsctl irr` shows, and that a set which is empty or unknown lets nothing in.
fn the_daemon(server: &Irrd) {
    let [port, http] = free_ports();
    let config = CONFIG
        .replace("@irrd@", &server.address())
        .replace("@port@", &port.to_string())
        .replace("@http@", &http.to_string());
    let daemon = RouteServer::start(&Config::whole(config));
    let shown = eventually("the daemon has its data", ARRIVE, || {
        let shown = daemon.ask(&["irr"])?;
        // What is configured is shown before it is fetched.
        let fetched = |one: &Value| one["name"] == "AS-ALPHA" && one["fetched"].is_string();
        let all = shown.as_array();
        let all = all.is_some_and(|all| all.len() == 6 && all.iter().any(fetched));
        ensure(all, || shown.to_string())?;
        Ok(shown)
    });
    let find = |key: &str, value: Value| {
        shown.as_array().unwrap().iter().find(|one| one[key] == value).unwrap().clone()
    };
    let alpha = find("name", "AS-ALPHA".into());
    assert_eq!((&alpha["asns"], &alpha["members"]), (&4.into(), &1.into()));
    assert_eq!(alpha["prefixes"], serde_json::json!({ "ipv4": 6, "ipv6": 2 }));
    assert_eq!(alpha["source"], Value::from(server.address()));
    assert!(alpha["fetched"].is_string() && alpha["last_error"].is_null(), "{alpha}");
    for (name, word) in [("AS-EMPTY", "empty"), ("AS-NOWHERE", "unknown")] {
        let error = find("name", name.into())["last_error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(word), "{error}");
    }
    assert_eq!(find("aut_num", 204_001.into())["state"], "in-force");
    let metrics = daemon.metrics(http).unwrap();
    for series in
        ["rs_irr_set_age_seconds{set=\"AS-ALPHA\"}", "rs_rpsl_policies{state=\"in-force\"} 2"]
    {
        assert!(metrics.contains(series), "{series}");
    }

    let members = [
        (2, 204_001, "45.140.0.0/24"),
        (3, 204_021, "45.141.1.0/24"),
        (4, 204_099, "45.140.4.0/24"),
    ];
    let mut speakers = Vec::new();
    for (n, asn, prefix) in members {
        let mut config = raw::Config::new(format!("127.0.0.{n}"), "127.0.0.1", asn);
        config.port = port;
        let speaker = raw::Speaker::established(config);
        let hop = format!("192.0.2.{n}").parse().unwrap();
        speaker.announce(&Route::new(prefix, &asn.to_string(), hop));
        speakers.push(speaker);
    }
    eventually("each has its verdict", ARRIVE, || {
        let rejected = daemon.ask(&["routes", "--filtered"])?;
        let all = rejected.as_array().ok_or("no list")?;
        let names: Vec<_> =
            all.iter().map(|r| format!("{} {}", r["prefix"], r["reject"]["name"])).collect();
        let origin = |prefix| format!("\"{prefix}\" \"irr-origin\"");
        let expected = BTreeSet::from([origin("45.141.1.0/24"), origin("45.140.4.0/24")]);
        ensure(names.iter().cloned().collect::<BTreeSet<_>>() == expected, || format!("{names:?}"))
    });
    eventually("the one that is taken", ARRIVE, || {
        let taken = daemon.ask(&["routes", "45.140.0.0/24"])?;
        let is_taken = taken.as_array().is_some_and(|list| list.len() == 1)
            && taken[0]["reject"] == Value::Null;
        ensure(is_taken, || taken.to_string())
    });
}

const CONFIG: &str = r#"
[exchange]
name        = "IRR"
asn         = 131329
peering_lan = ["192.0.2.0/24"]

[http]
listen = "127.0.0.1:@http@"

[control]
socket = "@control@"

[irr]
server  = "@irrd@"
sources = ["FIRST", "SECOND"]

[[route_server]]
name      = "rs1"
router_id = "192.0.2.1"
listen    = ["127.0.0.1:@port@"]
[route_server.import]
next_hop = "lan"
rpki     = "off"
[route_server.export]
rpsl = true

[[member]]
asn    = 204001
as_set = ["AS-ALPHA"]
[[member.session]]
address = "127.0.0.2"

[[member]]
asn    = 204021
as_set = ["AS-EMPTY"]
[[member.session]]
address = "127.0.0.3"

[[member]]
asn    = 204099
as_set = ["AS-NOWHERE"]
[[member.session]]
address = "127.0.0.4"
"#;
