//! The daemons under test: how each is configured, started, told to reload, and measured.

pub(crate) mod bird;
pub(crate) mod openbgpd;
pub(crate) mod ours;
pub(crate) mod routing_data;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::universe::Universe;

/// The port on which every daemon listens.
pub(crate) const PORT: u16 = 1790;

/// How much a daemon is asked to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
pub(crate) enum PolicyLevel {
    /// Nothing but control communities and scrubbing: everything else passes.
    Plain,
    /// What an exchange runs: IRR lists for each member, 400,000 ROAs, bogons, path checks.
    Rs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
pub(crate) enum Which {
    Us,
    Bird,
    Openbgpd,
    /// Not a daemon: a writer that sends the same octets to the same sockets.
    Floor,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Bird => "bird2",
            Self::Openbgpd => "openbgpd",
            Self::Floor => "floor",
        }
    }
}

/// CPU and memory of a process (and its children), read from /proc.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Usage {
    /// User and system time, seconds.
    pub(crate) cpu_secs: f64,
    /// Peak resident memory, octets.
    pub(crate) peak_octets: u64,
    /// Resident memory now, octets.
    pub(crate) resident_octets: u64,
}

pub(crate) struct Daemon {
    pub(crate) which: Which,
    child: Child,
    /// All processes to measure: the child, and what it has forked.
    pids: Vec<u32>,
    pub(crate) started: Instant,
}

/// Where a program of ours or Debian's is.
fn program(name: &str, places: &[&str]) -> io::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name(name);
    std::iter::once(beside)
        .chain(places.iter().map(|p| Path::new(p).join(name)))
        .find(|p| p.is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{name} is not installed (looked in {places:?})"),
            )
        })
}

impl Daemon {
    /// Writes `which`'s configuration for this load into `dir` and starts it.
    pub(crate) fn start(
        which: Which,
        u: &Universe,
        level: PolicyLevel,
        dir: &Path,
    ) -> io::Result<Self> {
        let mut command = match which {
            Which::Us => ours::prepare(u, level, dir)?,
            Which::Bird => bird::prepare(u, level, dir)?,
            Which::Openbgpd => openbgpd::prepare(u, level, dir)?,
            Which::Floor => return Err(io::Error::other("the floor is not a daemon")),
        };
        let log = std::fs::File::create(dir.join(format!("{}.log", which.name())))?;
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let pids = vec![child.id()];
        Ok(Self { which, child, pids, started })
    }

    /// Waits until the daemon listens; fails when it has ended instead.
    pub(crate) fn wait_listening(&mut self, u: &Universe, limit: Duration) -> io::Result<Duration> {
        let target = std::net::SocketAddr::new(u.route_server_address(), PORT);
        while self.started.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "{} ended at start: {status}",
                    self.which.name()
                )));
            }
            // From the route server's own address: nobody's session.
            if std::net::TcpStream::connect_timeout(&target, Duration::from_millis(200)).is_ok() {
                self.find_children();
                return Ok(self.started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{} does not listen", self.which.name()),
        ))
    }

    fn find_children(&mut self) {
        let mut pids = vec![self.child.id()];
        let mut at = 0;
        while at < pids.len() {
            let path = format!("/proc/{0}/task/{0}/children", pids[at]);
            let list = std::fs::read_to_string(path).unwrap_or_default();
            pids.extend(list.split_whitespace().filter_map(|p| p.parse::<u32>().ok()));
            at += 1;
        }
        self.pids = pids;
    }

    /// What this daemon says its version is.
    pub(crate) fn version(which: Which) -> Option<String> {
        let (path, argument) = match which {
            Which::Us => (program("rs-daemon", &[]).ok()?, "--version"),
            Which::Bird => (program("bird", bird::PLACES).ok()?, "--version"),
            Which::Openbgpd => (program("bgpd", openbgpd::PLACES).ok()?, "-V"),
            Which::Floor => return None,
        };
        let output = Command::new(path).arg(argument).output().ok()?;
        // Some say it on standard error.
        let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let said = String::from_utf8_lossy(&said);
        said.lines().next().map(|line| line.trim().to_owned())
    }

    /// Threads of our daemon's process, and its open file descriptors.
    pub(crate) fn threads_and_files(&self) -> io::Result<(usize, usize)> {
        let count = |what| std::fs::read_dir(format!("/proc/{}/{what}", self.child.id()));
        Ok((count("task")?.count(), count("fd")?.count()))
    }

    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for pid in &self.pids {
            usage.cpu_secs += cpu_secs(*pid).unwrap_or_default();
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            usage.peak_octets += kilobytes(&status, "VmHWM:") * 1024;
            usage.resident_octets += kilobytes(&status, "VmRSS:") * 1024;
        }
        usage
    }

    /// Writes the configuration again for a changed policy, and tells the daemon.
    pub(crate) fn reload(&self, u: &Universe, level: PolicyLevel, dir: &Path) -> io::Result<()> {
        match self.which {
            Which::Us => ours::prepare(u, level, dir).map(drop)?,
            Which::Bird => bird::prepare(u, level, dir).map(drop)?,
            Which::Openbgpd => openbgpd::prepare(u, level, dir).map(drop)?,
            Which::Floor => {}
        }
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kill -HUP failed")) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for pid in self.pids.iter().rev() {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.child.wait();
    }
}

fn kilobytes(status: &str, key: &str) -> u64 {
    status
        .lines()
        .find_map(|l| l.strip_prefix(key))
        .and_then(|v| v.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// CPU time of a process with all its threads. The scheduler's statistics count nanoseconds,
/// which the ticks of /proc/PID/stat (10 ms) do not; threads that ended are only in the latter.
fn cpu_secs(pid: u32) -> Option<f64> {
    let mut nanos = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ is 100 on every Linux there is.
    Some((nanos as f64 / 1e9).max(ticks as f64 / 100.0))
}
