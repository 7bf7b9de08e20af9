//! What changes in a host's forwarding table, as its kernel tells: also what is there again before
//! anybody could look.

use std::time::Duration;

use tempfile::TempDir;

use super::netns::Host;
use super::process::Process;
use super::wait::{ensure, eventually};

/// A route of nobody else: what happens after it came and went is heard.
pub const BEGIN: &str = "198.19.255.1";
/// As [`BEGIN`], for what stands behind them.
pub const END: &str = "198.19.255.2";

/// How long the kernel's news may take, on a machine that does much else.
const HEARD: Duration = Duration::from_secs(20);

/// Listens to all changes of a host's forwarding table.
#[derive(Debug)]
pub struct Watch {
    host: Host,
    monitor: Process,
    /// Last, so that the log is there when the process goes.
    _directory: TempDir,
}

impl Watch {
    /// From now on nothing is missed.
    pub fn start(host: &Host) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut command = host.command("ip");
        command.args(["-oneline", "monitor", "route"]);
        let monitor = Process::start("ip-monitor", directory.path(), command);
        let mut watch = Self { host: host.clone(), monitor, _directory: directory };
        // Until it listens it hears of none of them.
        eventually("ip monitor listens", HEARD, || {
            watch.host.ip(&format!("route add blackhole {BEGIN}"));
            watch.host.ip(&format!("route del blackhole {BEGIN}"));
            watch.heard(BEGIN)
        });
        watch
    }

    /// Ends it; what went of the routes to a prefix, a line each.
    pub fn end(mut self, prefix: &str) -> Vec<String> {
        self.host.ip(&format!("route add blackhole {END}"));
        eventually("ip monitor is through", HEARD, || self.heard(END));
        self.host.ip(&format!("route del blackhole {END}"));
        let changes = self.monitor.log();
        // News that it has no room for are lost, and it says so.
        assert!(!changes.contains("netlink receive error"), "{changes}");
        deleted(&changes, prefix).map(str::to_owned).collect()
    }

    fn heard(&mut self, address: &str) -> Result<(), String> {
        self.monitor.still_runs()?;
        let changes = self.monitor.log();
        ensure(changes.contains(&format!("blackhole {address}")), || changes)
    }
}

/// Those of the lines of `ip monitor route` by which a route to a prefix went. One that takes
/// another's place is no such line.
pub fn deleted<'a>(changes: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let went = changes.lines().filter(|line| line.starts_with("Deleted "));
    went.filter(move |line| line.split_whitespace().any(|word| word == prefix))
}
