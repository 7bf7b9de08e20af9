//! The IRR service against a server that speaks the IRRd query protocol.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgp_wire::{Asn, Family};
use policy::IrrStatus;
use rs_daemon::irr::{Followers, IrrHandle, IrrSpec, IrrState, MemberSpec, PolicyState};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);

/// A server with answers by query (source selection before them as `SOURCE/query`).
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn with(answers: &[(&str, &str)]) -> Self {
        let server = Self::default();
        server.set(answers);
        server
    }

    fn set(&self, answers: &[(&str, &str)]) {
        let map = answers.iter().map(|(q, a)| ((*q).to_owned(), (*a).to_owned())).collect();
        *self.answers.lock().unwrap() = map;
    }

    async fn listen(&self) -> (String, tokio::task::JoinHandle<()>) {
        self.listen_on("127.0.0.1:0").await
    }

    async fn listen_on(&self, address: &str) -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = self.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        (address, task)
    }

    async fn serve(self, stream: TcpStream) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut sources = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            self.asked.lock().unwrap().push(line.clone());
            let answer = match line.as_str() {
                "!!" => continue,
                l if l.starts_with("!n") => "C\n".to_owned(),
                "!sNOSUCH" => "F One or more selected sources are unavailable.\n".to_owned(),
                l if l.starts_with("!s") => {
                    sources = l[2..].to_owned();
                    "C\n".to_owned()
                }
                l => {
                    let answers = self.answers.lock().unwrap();
                    let found = answers.get(&format!("{sources}/{l}")).or_else(|| answers.get(l));
                    found
                        .map_or_else(|| "D\n".to_owned(), |a| format!("A{}\n{a}\nC\n", a.len() + 1))
                }
            };
            if write.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn spec(server: &str, cache: Option<&std::path::Path>, sets: &[&[&str]]) -> IrrSpec {
    IrrSpec {
        server: Some(server.to_owned()),
        sources: vec!["RIPE".to_owned(), "ARIN".to_owned()],
        refresh: Duration::from_secs(3600),
        cache: cache.map(Into::into),
        dump: Vec::new(),
        members: (0_u32..)
            .zip(sets)
            .map(|(member, sets)| MemberSpec {
                member,
                asn: Asn(64500 + member),
                as_set: sets.iter().map(|s| (*s).to_owned()).collect(),
            })
            .collect(),
        policies: Followers::new(),
    }
}

async fn until(handle: &IrrHandle, what: &str, holds: impl Fn(&IrrState) -> bool) -> Arc<IrrState> {
    let mut state = handle.subscribe();
    let waited = tokio::time::timeout(LIMIT, state.wait_for(|s| holds(s))).await;
    assert!(waited.is_ok_and(|w| w.is_ok()), "{what}: {:?}", handle.state());
    handle.state()
}

/// Waits until a file, which is replaced whole, holds this.
async fn written(file: &std::path::Path, text: &str) {
    let holds = || std::fs::read_to_string(file).is_ok_and(|all| all.contains(text));
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    assert!(waited.is_ok(), "{file:?}: {:?}", std::fs::read_to_string(file));
}

fn origins(state: &IrrState, member: u32) -> Vec<u32> {
    state.sets.get(member).unwrap().routes.origins().iter().map(|a| a.0).collect()
}

/// Each set has another one in it, and so on: anybody can write that below somebody's set. It ends,
/// and the others have theirs.
#[tokio::test]
async fn sets_in_sets_without_end_cost_nobody_else_anything() {
    let chain = |length: usize| {
        let mut answers = Vec::from([("!iAS-GOOD".to_owned(), "AS64510".to_owned())]);
        answers.extend((0..length).map(|n| (format!("!iAS-X{n}"), format!("AS-X{}", n + 1))));
        answers.push((format!("!iAS-X{length}"), "AS64511".to_owned()));
        answers
    };
    let server = Server::default();
    let set = |answers: &[(String, String)]| {
        let answers: Vec<_> = answers.iter().map(|(q, a)| (q.as_str(), a.as_str())).collect();
        server.set(&answers);
    };
    set(&chain(10));
    let (address, _serving) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, None, &[&["AS-GOOD"], &["AS-X0"], &["AS-X1"]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(origins(&state, 1), [64511]);

    let mut without_end = chain(100);
    without_end[0].1 = "AS64510 AS64512".to_owned();
    set(&without_end);
    handle.refresh();
    let state = until(&handle, "too much", |s| s.statuses[1].too_much).await;
    assert_eq!(state.last_error, None);
    assert_eq!(origins(&state, 0), [64510, 64512], "as it is now");
    assert_eq!(origins(&state, 1), [64511], "as it was");
    let too_much: Vec<_> = state.statuses.iter().map(|status| status.too_much).collect();
    assert_eq!(too_much, [false, true, true]);

    let handle = IrrHandle::start(spec(&address, None, &[&["AS-X0"], &["AS-GOOD"]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(state.sets.get(0).unwrap().status, IrrStatus::Unknown, "nothing was known before");
    assert_eq!(state.sets.get(1).unwrap().status, IrrStatus::Loaded);

    set(&chain(10));
    handle.refresh();
    let state = until(&handle, "all again", |s| s.statuses.iter().all(|s| !s.too_much)).await;
    assert_eq!(origins(&state, 0), [64511]);
}

#[tokio::test]
async fn sets_with_loops_sources_and_hierarchies_are_expanded() {
    let server = Server::with(&[
        ("RIPE,ARIN/!iAS-TOP", "AS-LOOP AS64510 AS64511:AS-BELOW"),
        ("RIPE,ARIN/!iAS-LOOP", "AS-TOP AS64512"),
        ("!iAS64511:AS-BELOW", "AS64511"),
        ("RADB/!iAS-OTHER", "AS64520"),
        ("!gAS64510", "8.8.8.0/24 8.8.4.0/24"),
        ("!6AS64511", "2620:fe::/48"),
        ("!gAS64502", "9.9.9.0/24"),
    ]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, None, &[&["AS-TOP"], &["RADB::AS-OTHER"], &[]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(origins(&state, 0), [64510, 64511, 64512]);
    let prefixes: Vec<String> =
        state.sets.get(0).unwrap().routes.prefixes().map(|p| p.to_string()).collect();
    assert_eq!(prefixes, ["8.8.4.0/24", "8.8.8.0/24", "2620:fe::/48"]);
    assert_eq!(origins(&state, 1), [64520], "asked for at RADB alone");
    assert_eq!(origins(&state, 2), [64502], "no as_set: the own AS");
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|q| *q == "!iAS-TOP").count(), 1, "a loop is asked for once");
}

#[tokio::test]
async fn unknown_and_empty_sets_stand_for_nothing() {
    let server =
        Server::with(&[("!iAS-EMPTY", ""), ("!iAS-GOOD", "AS64510"), ("!gAS64510", "8.8.8.0/24")]);
    let (address, _task) = server.listen().await;
    let handle =
        IrrHandle::start(spec(&address, None, &[&["AS-NOWHERE"], &["AS-EMPTY"], &["AS-GOOD"]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    let status = |member| state.sets.get(member).unwrap().status;
    assert_eq!(status(0), IrrStatus::Unknown);
    assert_eq!(status(1), IrrStatus::Empty);
    assert_eq!(status(2), IrrStatus::Loaded);
}

#[tokio::test]
async fn the_last_good_answer_is_served_while_the_server_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(&[("!iAS-GOOD", "AS64510"), ("!gAS64510", "8.8.8.0/24")]);
    let (address, task) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, Some(dir.path()), &[&["AS-GOOD"]]));
    let first = until(&handle, "synced", |s| s.synced).await;
    assert!(!first.statuses[0].from_disk);
    let fetched = first.statuses[0].fetched_unix_secs;
    written(&dir.path().join("AS-GOOD.json"), "8.8.8.0/24").await;
    drop(handle);
    task.abort();
    let _ = task.await;
    let handle = IrrHandle::start(spec(&address, Some(dir.path()), &[&["AS-GOOD"]]));
    let state = until(&handle, "an error", |s| s.last_error.is_some()).await;
    assert_eq!(origins(&state, 0), [64510]);
    assert_eq!(state.statuses[0].fetched_unix_secs, fetched, "with its age");
    assert!(state.statuses[0].from_disk);
    // The server is back.
    let _serving = server.listen_on(&address).await;
    handle.refresh();
    until(&handle, "fetched", |s| !s.statuses[0].from_disk).await;
}

#[tokio::test]
async fn a_mirror_that_has_lost_everything_changes_nothing() {
    let good =
        [("!iAS-A", "AS1"), ("!gAS1", "8.8.8.0/24"), ("!iAS-B", "AS2"), ("!gAS2", "9.9.9.0/24")];
    let server = Server::with(&good);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, None, &[&["AS-A"], &["AS-B"]]));
    until(&handle, "synced", |s| s.synced).await;
    server.set(&[]);
    handle.refresh();
    let state = until(&handle, "the refusal", |s| s.last_error.is_some()).await;
    assert_eq!(origins(&state, 0), [1]);
    // One set that goes is a change like any other.
    server.set(&good[..2]);
    handle.refresh();
    let state = until(&handle, "the good refresh", |s| s.last_error.is_none()).await;
    assert_eq!(state.sets.get(1).unwrap().status, IrrStatus::Unknown);
}

#[tokio::test]
async fn an_answer_of_an_impossible_length_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"C\nA99999999999\nx").await;
            let _ = stream.shutdown().await;
        }
    });
    let handle = IrrHandle::start(spec(&address, None, &[&["AS-GOOD"]]));
    let state = until(&handle, "an error", |s| s.last_error.is_some()).await;
    assert_eq!(state.sets.get(0).unwrap().status, IrrStatus::Unknown);
}

#[tokio::test]
async fn a_source_that_the_server_does_not_have_concerns_its_set_alone() {
    let server = Server::with(&[("RIPE,ARIN/!iAS-GOOD", "AS64510"), ("!gAS64510", "8.8.8.0/24")]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, None, &[&["NOSUCH::AS-GOOD"], &["AS-GOOD"]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(state.sets.get(0).unwrap().status, IrrStatus::Unknown);
    assert_eq!(origins(&state, 1), [64510]);
}

#[tokio::test]
async fn an_empty_set_is_told_from_an_unknown_one_where_members_are_not_listed() {
    let server = Server::with(&[("!mas-set,AS-EMPTY", "as-set: AS-EMPTY\nsource: RIPE")]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(spec(&address, None, &[&["AS-EMPTY"], &["AS-NOWHERE"]]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(state.sets.get(0).unwrap().status, IrrStatus::Empty);
    assert_eq!(state.sets.get(1).unwrap().status, IrrStatus::Unknown);
}

const ROUTE_SERVER: Asn = Asn(131_329);

/// Members AS1 and on follow their RPSL policies.
fn with_policies(server: &str, cache: Option<&std::path::Path>, members: u32) -> IrrSpec {
    let policies = (1..=members).map(|n| (Asn(n), [ROUTE_SERVER].into())).collect();
    IrrSpec { policies, ..spec(server, cache, &[]) }
}

/// From which of AS1 to AS5 a member receives IPv4 routes; `None`: nothing is known of it.
fn receives(state: &IrrState, member: u32) -> Option<Vec<u32>> {
    let filter = state.policies.get(Asn(member), ROUTE_SERVER)?;
    Some((1..=5).filter(|n| filter.receives(Family::V4, Asn(*n))).collect())
}

fn status(state: &IrrState, member: u32) -> (PolicyState, usize, Option<String>) {
    let status = state.policy_statuses.iter().find(|s| s.asn == Asn(member)).unwrap();
    (status.state, status.lines, status.fault.clone())
}

const AUT_NUM_1: &str = "aut-num: AS1\n\
    import-via: AS131329 from AS-ANY\n            EXCEPT AS-OUT # not them\n+ accept ANY\n\
    import-via: AS64999 from AS-FOREIGN accept ANY\n\
    import: from AS9 accept AS-FOREIGN\n\
    source: RIPE";

#[tokio::test]
async fn rpsl_policies_are_fetched_with_the_sets_that_they_name() {
    let server = Server::with(&[
        ("RIPE,ARIN/!maut-num,AS1", AUT_NUM_1),
        ("!maut-num,AS2", "aut-num: AS2\nimport: from AS9 accept ANY\nsource: ARIN"),
        ("!iAS-OUT", "AS2 AS-LOOP"),
        ("!iAS-LOOP", "AS3 AS-OUT"),
    ]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(with_policies(&address, None, 3));
    assert_eq!(receives(&handle.state(), 1), None);
    assert_eq!(status(&handle.state(), 1).0, PolicyState::NeverFetched);
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(receives(&state, 1), Some(vec![1, 4, 5]));
    assert_eq!(status(&state, 1), (PolicyState::InForce, 1, None));
    assert_eq!(state.policy_statuses[0].source, "RIPE");
    // No line about us, and no object: nobody is restricted.
    assert_eq!(receives(&state, 2), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(status(&state, 2), (PolicyState::NoLines, 0, None));
    assert_eq!(receives(&state, 3), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(status(&state, 3), (PolicyState::NoAutNum, 0, None));
    let asked = server.asked.lock().unwrap();
    assert!(!asked.iter().any(|q| q.contains("AS-FOREIGN")), "lines about others: {asked:?}");
    assert_eq!(asked.iter().filter(|q| *q == "!iAS-OUT").count(), 1);
}

#[tokio::test]
async fn an_rpsl_policy_that_cannot_be_understood_leaves_the_last_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let good = [
        ("!maut-num,AS1", "aut-num: AS1\nimport-via: AS131329 from AS2 accept ANY\nsource: RIPE"),
        ("!maut-num,AS2", "aut-num: AS2\nimport-via: AS131329 from AS-OUT accept ANY"),
        ("!iAS-OUT", "AS4"),
    ];
    let server = Server::with(&good);
    let (address, task) = server.listen().await;
    let handle = IrrHandle::start(with_policies(&address, Some(dir.path()), 3));
    let first = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(receives(&first, 1), Some(vec![2]));
    assert_eq!(receives(&first, 2), Some(vec![4]));

    let broken = "aut-num: AS1\nimport-via: AS131329 frm AS3 accept ANY\nsource: RIPE";
    let new = "aut-num: AS3\nimport-via: AS131329 frm AS3 accept ANY\n\
               import-via: AS131329 from AS5 accept NOT ANY\nsource: RIPE";
    server.set(&[("!maut-num,AS1", broken), good[1], ("!maut-num,AS3", new)]);
    handle.refresh();
    let state = until(&handle, "the fault", |s| status(s, 1).2.is_some()).await;
    assert_eq!(receives(&state, 1), Some(vec![2]), "the last good lines");
    let fault = status(&state, 1).2.unwrap();
    assert!(fault.contains("\"frm AS3 accept ANY\"") && fault.contains("last good"), "{fault}");
    // The set is gone: its last members hold.
    assert_eq!(receives(&state, 2), Some(vec![4]));
    assert!(status(&state, 2).2.unwrap().contains("AS-OUT"));
    // Nothing good was there before: what can be understood holds.
    assert_eq!(receives(&state, 3), Some(vec![1, 2, 3, 4]));
    assert!(status(&state, 3).2.unwrap().contains("left out"));

    // The server is away, and we start anew: all of it is on disk, with its age.
    written(&dir.path().join("rpsl/policies.json"), "\"3\":").await;
    drop(handle);
    task.abort();
    let _ = task.await;
    let handle = IrrHandle::start(with_policies(&address, Some(dir.path()), 3));
    let from_disk = handle.state();
    assert_eq!(receives(&from_disk, 1), Some(vec![2]));
    assert_eq!(receives(&from_disk, 2), Some(vec![4]));
    let ages = |s: &IrrState| s.policy_statuses[0].fetched_unix_secs;
    assert_eq!(ages(&from_disk), ages(&first), "the age of the lines in force");
    let state = until(&handle, "an error", |s| s.last_error.is_some()).await;
    assert_eq!(receives(&state, 1), Some(vec![2]));
}

#[tokio::test]
async fn an_unknown_set_in_an_rpsl_policy_opens_nothing() {
    let object = "aut-num: AS1\nimport-via: AS131329 from AS-LOST OR AS2 accept ANY\n";
    let server = Server::with(&[("!maut-num,AS1", object)]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(with_policies(&address, None, 1));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(receives(&state, 1), Some(vec![2]));
    assert!(status(&state, 1).2.unwrap().contains("AS-LOST"));
}

#[tokio::test]
async fn a_mirror_that_has_lost_every_aut_num_changes_nothing() {
    let refuse =
        |asn: u32| format!("aut-num: AS{asn}\nimport-via: AS131329 from AS4 accept NOT ANY");
    let (one, two) = (refuse(1), refuse(2));
    let server = Server::with(&[("!maut-num,AS1", &one), ("!maut-num,AS2", &two)]);
    let (address, _task) = server.listen().await;
    let handle = IrrHandle::start(with_policies(&address, None, 2));
    until(&handle, "synced", |s| s.synced).await;
    server.set(&[]);
    handle.refresh();
    let state = until(&handle, "the refusal", |s| s.last_error.is_some()).await;
    assert_eq!(receives(&state, 1), Some(vec![1, 2, 3, 5]));
    assert!(state.last_error.as_ref().unwrap().contains("2 aut-num objects"));
}

#[tokio::test]
async fn dumps_have_rpsl_policies_too_and_the_order_of_sources_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let text = format!(
        "{}\n\naut-num: AS1\nimport-via: AS131329 from AS5 accept ANY\nsource: ARIN\n\n\
         as-set: AS-OUT\nmembers: AS2, AS-OUT\nsource: RIPE\n",
        AUT_NUM_1
    );
    std::fs::write(&path, text).unwrap();
    let of = |sources: &[&str]| IrrSpec {
        server: None,
        dump: vec![path.clone()],
        sources: sources.iter().map(|s| (*s).to_owned()).collect(),
        ..with_policies("", None, 1)
    };
    let handle = IrrHandle::start(of(&["RIPE", "ARIN"]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(receives(&state, 1), Some(vec![1, 3, 4, 5]));
    let handle = IrrHandle::start(of(&["ARIN", "RIPE"]));
    let state = until(&handle, "synced", |s| s.synced).await;
    assert_eq!(receives(&state, 1), Some(vec![5]));
}
