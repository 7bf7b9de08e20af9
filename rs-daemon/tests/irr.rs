//! The IRR service against a server that speaks the IRRd query protocol.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgp_wire::Asn;
use policy::IrrStatus;
use rs_daemon::irr::{IrrHandle, IrrSpec, IrrState, MemberSpec};
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
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
    }
}

async fn until(handle: &IrrHandle, what: &str, holds: impl Fn(&IrrState) -> bool) -> Arc<IrrState> {
    let mut state = handle.subscribe();
    let waited = tokio::time::timeout(LIMIT, state.wait_for(|s| holds(s))).await;
    assert!(waited.is_ok_and(|w| w.is_ok()), "{what}: {:?}", handle.state());
    handle.state()
}

fn origins(state: &IrrState, member: u32) -> Vec<u32> {
    state.sets.get(member).unwrap().routes.origins().iter().map(|a| a.0).collect()
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
    let fetched = until(&handle, "synced", |s| s.synced).await.statuses[0].fetched_unix_secs;
    drop(handle);
    task.abort();
    let _ = task.await;
    let handle = IrrHandle::start(spec(&address, Some(dir.path()), &[&["AS-GOOD"]]));
    let state = until(&handle, "an error", |s| s.last_error.is_some()).await;
    assert_eq!(origins(&state, 0), [64510]);
    assert_eq!(state.statuses[0].fetched_unix_secs, fetched, "with its age");
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
