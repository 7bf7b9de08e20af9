//! Against StayRTR, the RTR cache that Debian ships. Where it is missing, these tests fail.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it fails")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rtr_client::{CacheConfig, RpkiConfig, RpkiHandle, RpkiState};

const LIMIT: Duration = Duration::from_secs(240);

struct StayRtr {
    child: Child,
}

impl StayRtr {
    fn start(file: &Path, port: u16, protocol: u8) -> Self {
        let child = Command::new("stayrtr")
            .args(["-checktime=false", "-metrics.addr", "", "-refresh", "1", "-log.verbose=false"])
            .args(["-protocol", &protocol.to_string(), "-bind", &format!("127.0.0.1:{port}")])
            .arg("-cache")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("stayrtr (Debian package stayrtr) must be installed");
        Self { child }
    }
}

impl Drop for StayRtr {
    fn drop(&mut self) {
        self.child.kill().expect("stayrtr can be killed");
        self.child.wait().expect("stayrtr ends");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write(dir: &Path, name: &str, roas: usize, asn: u32) -> PathBuf {
    let path = dir.join(name);
    let entries: Vec<String> = (0..roas)
        .map(|n| {
            let address = std::net::Ipv4Addr::from(0x0800_0000 + ((n as u32) << 8));
            format!("{{\"prefix\":\"{address}/24\",\"maxLength\":24,\"asn\":{asn},\"ta\":\"t\"}}")
        })
        .collect();
    let text = format!(
        "{{\"metadata\":{{\"buildtime\":\"2026-01-01T00:00:00Z\"}},\"roas\":[{}],\"provider_authorizations\":{{\"ipv4\":[{{\"customer_asid\":64500,\"providers\":[64501]}}],\"ipv6\":[]}}}}",
        entries.join(",")
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn start(caches: &[(u16, u32)]) -> RpkiHandle {
    let caches = caches
        .iter()
        .map(|(port, preference)| CacheConfig {
            address: format!("127.0.0.1:{port}"),
            preference: *preference,
        })
        .collect();
    RpkiHandle::start(&RpkiConfig { caches, json: Vec::new() })
}

async fn until(handle: &RpkiHandle, what: &str, holds: impl Fn(&RpkiState) -> bool) {
    let mut state = handle.subscribe();
    let waiting = state.wait_for(|s| holds(s));
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    assert!(waited.is_ok_and(|w| w.is_ok()), "{what}: {:?}", handle.state().caches);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_is_followed_killed_restarted_and_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.json", 100, 64500);
    let port = free_port();
    let cache = StayRtr::start(&file, port, 1);
    let handle = start(&[(port, 1)]);
    assert!(handle.wait_synced(LIMIT).await, "{:?}", handle.state().caches);
    until(&handle, "100 VRPs", |s| s.vrps.len() == 100).await;

    drop(cache);
    until(&handle, "the loss is seen", |s| !s.caches[0].connected).await;
    assert_eq!(handle.state().vrps.len(), 100, "data stay until they expire");

    write(dir.path(), "a.json", 40, 64500);
    let cache = StayRtr::start(&file, port, 1);
    until(&handle, "the restarted cache's 40", |s| s.vrps.len() == 40).await;
    drop(cache);

    write(dir.path(), "a.json", 0, 64500);
    let _cache = StayRtr::start(&file, port, 1);
    until(&handle, "the emptied cache's nothing", |s| s.vrps.is_empty() && s.caches[0].connected)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preferred_cache_is_used_left_and_returned_to() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (write(dir.path(), "1.json", 10, 1), write(dir.path(), "2.json", 20, 2));
    let (port_1, port_2) = (free_port(), free_port());
    let preferred = StayRtr::start(&first, port_1, 1);
    let _other = StayRtr::start(&second, port_2, 1);
    let handle = start(&[(port_2, 2), (port_1, 1)]);
    until(&handle, "the preferred one alone", |s| s.vrps.len() == 10 && s.caches[1].vrps == 20)
        .await;
    drop(preferred);
    until(&handle, "failover", |s| s.vrps.len() == 20 && s.caches[1].active).await;
    let _preferred = StayRtr::start(&first, port_1, 1);
    until(&handle, "return", |s| s.vrps.len() == 10 && s.caches[0].active).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aspa_of_an_older_draft_in_version_2_neither_corrupts_nor_loops() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.json", 100, 64500);
    let port = free_port();
    let _cache = StayRtr::start(&file, port, 2);
    let handle = start(&[(port, 1)]);
    until(&handle, "VRPs in spite of it", |s| s.vrps.len() == 100 && s.caches[0].connected).await;
    let status = handle.state().caches[0].clone();
    // Whatever version it came to, the session now holds: no further loss within its refresh.
    let lost = tokio::time::timeout(Duration::from_secs(3), async {
        let mut state = handle.subscribe();
        let _ = state.wait_for(|s| !s.caches[0].connected).await;
    });
    assert!(lost.await.is_err(), "the session loops: {status:?}");
    assert_eq!(handle.state().vrps.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_rpki_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "all.json", 450_000, 64500);
    let port = free_port();
    let _cache = StayRtr::start(&file, port, 1);
    let handle = start(&[(port, 1)]);
    until(&handle, "450,000 VRPs", |s| s.vrps.len() == 450_000).await;
    let octets = handle.state().vrps.heap_octets();
    assert!(octets < 40_000_000, "{octets} octets");
}
