//! What the IRR data of a large exchange cost: 1,000 members with 500,000 route objects in all.
//!
//! Alone in its process, whose greatest resident size the kernel tells. The server in it makes its
//! answers up as it is asked, so that what is measured is ours: the answers as they come, the
//! sets, the tables for the policy, the cache on disk, and during a refresh old and new together.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bgp_wire::{Asn, Family};
use rs_daemon::irr::{Followers, IrrHandle, IrrSpec, IrrState, MemberSpec};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const MEMBERS: u32 = 1000;
const ORIGINS: u32 = 5;
const V4: u32 = 80;
const V6: u32 = 20;

/// What may be used beyond what the process has before it begins.
const BOUND_OCTETS: u64 = 100_000_000;

/// Long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Each round one prefix of every AS is another.
static ROUND: AtomicU32 = AtomicU32::new(0);

fn answer(query: &str) -> Option<String> {
    if let Some(member) = query.strip_prefix("!iAS-M") {
        let member: u32 = member.parse().ok()?;
        let origins = (0..ORIGINS).map(|n| format!("AS{}", 200_000 + member * ORIGINS + n));
        return Some(origins.collect::<Vec<_>>().join(" "));
    }
    let of = |prefix: &str| query.strip_prefix(prefix)?.parse::<u32>().ok();
    let mut text = String::new();
    let round = ROUND.load(Ordering::Relaxed);
    if let Some(asn) = of("!gAS") {
        let first = (asn - 200_000) * V4;
        for n in 0..V4 {
            let length = if n == 0 { 23 - round } else { 24 };
            let address = Ipv4Addr::from((1 << 24) + ((first + n) << 8));
            let _ = write!(text, "{address}/{length} ");
        }
    } else {
        let first = (of("!6AS")? - 200_000) * V6;
        for n in 0..V6 {
            let address = Ipv6Addr::from((0x2a00_u128 << 112) | (u128::from(first + n) << 80));
            let _ = write!(text, "{address}/48 ");
        }
    }
    Some(text.trim_end().to_owned())
}

async fn serve(stream: TcpStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let said = match line.as_str() {
            "!!" => continue,
            l if l.starts_with("!n") => "C\n".to_owned(),
            l => answer(l).map_or_else(
                || "D\n".to_owned(),
                |text| format!("A{}\n{text}\nC\n", text.len() + 1),
            ),
        };
        if write.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A line of /proc/self/status, in octets.
fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|one| one.strip_prefix(line)).unwrap();
    value.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

async fn until(handle: &IrrHandle, what: &str, holds: impl Fn(&IrrState) -> bool) {
    let mut state = handle.subscribe();
    let waited = tokio::time::timeout(LIMIT, state.wait_for(|s| holds(s))).await;
    assert!(waited.is_ok_and(|w| w.is_ok()), "{what}: {:?}", handle.state().last_error);
}

#[tokio::test]
async fn a_large_exchange_stays_below_its_bound_while_it_refreshes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let member = |member| MemberSpec {
        member,
        asn: Asn(200_000 + member * ORIGINS),
        as_set: vec![format!("AS-M{member}")],
    };
    let spec = IrrSpec {
        server: Some(server),
        refresh: Duration::from_secs(3600),
        cache: Some(cache.path().to_owned()),
        members: (0..MEMBERS).map(member).collect(),
        policies: Followers::new(),
        ..IrrSpec::default()
    };
    let before = resident("VmRSS:");
    let handle = IrrHandle::start(spec);
    until(&handle, "the first answers", |state| state.synced).await;
    let count = |state: &IrrState, family| -> usize {
        state.sets.iter().map(|(_, irr)| irr.routes.prefix_count(family)).sum()
    };
    // Shards hold the old tables until they have the new ones.
    let old = handle.state();
    assert_eq!(count(&old, Family::V4) + count(&old, Family::V6), 500_000);
    let loaded = resident("VmRSS:") - before;
    ROUND.fetch_add(1, Ordering::Relaxed);
    handle.refresh();
    until(&handle, "the refresh", |state| !Arc::ptr_eq(&state.sets, &old.sets)).await;
    let new = handle.state();
    for member in 0..MEMBERS {
        let routes = |state: &IrrState| Arc::clone(&state.sets.get(member).unwrap().routes);
        assert_ne!(routes(&old), routes(&new), "all tables are there twice");
    }
    let peak = resident("VmHWM:") - before;
    println!("{loaded} octets loaded, {peak} octets at most while refreshing");
    assert!(peak < BOUND_OCTETS, "{peak} octets");
}
