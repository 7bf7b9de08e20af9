//! A limit on memory (a container's, systemd's `MemoryMax=`), and members who would like to have
//! all of it: one that announces far more than it may, one that reads nothing. The bounds of
//! SECURITY.md keep the daemon below the limit, so that the kernel has no reason to end it.
//!
//! Makes a control group, which needs root.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, asn, measured, route};
use rs_tests::support::raw::{Config as RawConfig, connect};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::message;

/// What the daemon may have beside what it needs at rest.
const ROOM_OCTETS: u64 = 96 << 20;

const KEEPALIVE: u8 = 4;
const ROUTE_REFRESH: u8 = 5;

/// A control group with a limit, of version 2 or 1.
struct Group {
    path: PathBuf,
    limit: &'static str,
}

impl Group {
    fn with(pid: u32, octets: u64) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        let (parent, limit) = if controllers.contains("memory") {
            (root.to_owned(), "memory.max")
        } else {
            (root.join("memory"), "memory.limit_in_bytes")
        };
        let path = parent.join(format!("rst-{}", std::process::id()));
        fs::create_dir(&path).expect("a control group is made: run this as root");
        let group = Self { path, limit };
        fs::write(group.path.join(group.limit), octets.to_string()).expect("a limit");
        fs::write(group.path.join("cgroup.procs"), pid.to_string()).expect("the daemon moves");
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process has ended, or goes back to where all are.
        let procs = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.split_whitespace() {
            let _ = fs::write(self.path.with_file_name("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.path);
    }
}

/// Member `n` says what it wants to say and reads nothing, with a small window.
fn deaf(exchange: &Exchange, n: u8) -> TcpStream {
    let config = RawConfig { receive_buffer: Some(4096), ..exchange.speaker_config(n) };
    let mut stream = connect(&config).unwrap();
    stream.write_all(&config.open()).unwrap();
    stream.write_all(&message(KEEPALIVE, &[])).unwrap();
    stream
}

#[test]
fn members_who_want_all_memory_do_not_get_it() {
    let limit = "max_prefixes = { v4 = 2000, action = \"block\" }\n";
    let exchange = Exchange::with(&["", "", "", ""], |config| {
        config.import += limit;
    });
    let at_rest = exchange.resident_octets();
    let _group = Group::with(exchange.server.id(), at_rest + ROOM_OCTETS);
    let mut honest = Honest::new(&exchange);
    let mut deaf = deaf(&exchange, 5);
    let greedy = exchange.speaker(4);
    // Fifty times what it may announce, with a path of its own for each; over and over.
    for round in 0..2_u32 {
        for n in 0..100_000_u32 {
            let prefix = format!("{}.{}.{}.0/24", 30 + n / 65_536, n / 256 % 256, n % 256);
            let mut one = route(4, &prefix, "");
            one.med = Some(round * 100_000 + n);
            greedy.announce(&one);
            if n % 10_000 == 0 {
                // However long that takes: its hold time is not what ends its session.
                deaf.write_all(&message(KEEPALIVE, &[])).unwrap();
            }
        }
        deaf.write_all(&message(ROUTE_REFRESH, &[0, 1, 0, 1]).repeat(100)).unwrap();
        // Behind what the greedy one has sent, all of which the daemon reads.
        honest.serve_within("beside the greedy and the deaf", 3 * ARRIVE);
    }
    measured(&exchange, "rs_routes", &["kind=\"received\"", &format!("asn=\"{}\"", asn(4))], |n| {
        n == 2000.0
    });
    eventually("the daemon is what it was", ARRIVE, || {
        let resident = exchange.resident_octets();
        ensure(resident < at_rest + ROOM_OCTETS, || format!("{resident} octets, {at_rest} at rest"))
    });
    honest.serve("after it all");
}
