//! A machine of its own to install things on: namespaces, a copy of this system that forgets what
//! is written to it (an overlay), and systemd as its first process.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, output, require};
use super::wait::{ensure, eventually};

/// Becomes systemd in a tree of mounts that only its namespaces see. The first argument is the
/// directory whose files appear as `/package`. A policy that keeps services from starting when
/// they are installed is this machine's, not that one's.
const BOOT: &str = r#"
set -e
T=$1/machine
mkdir "$T"
mount -t tmpfs -o mode=755 tmpfs "$T"
R=$T/root
mkdir "$T/upper" "$T/work" "$R"
mount -t overlay overlay -o "lowerdir=/,upperdir=$T/upper,workdir=$T/work" "$R"
mkdir -p "$R/package" "$R/mnt/old"
cp "$1"/*.deb "$R/package"
rm -f "$R/usr/sbin/policy-rc.d"
mount -t proc proc "$R/proc"
mount -t sysfs sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
for device in null zero full random urandom tty; do
    touch "$R/dev/$device"
    mount --bind "/dev/$device" "$R/dev/$device"
done
mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/mqueue" "$R/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
cd "$R"
pivot_root . mnt/old
umount -l /mnt/old
exec env -i container=rs-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --system --log-target=console --unit=basic.target
"#;

/// Booting, with journal and all that a minimal system starts.
const BOOTED: Duration = Duration::from_secs(90);

/// A running machine; it ends, and all of it is gone, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    init: u32,
    /// Last, so that the log is there when the processes go.
    _directory: TempDir,
}

impl Machine {
    /// Boots one that has the packages of a directory in `/package`.
    pub fn boot(packages: &Path) -> Self {
        require("/usr/lib/systemd/systemd", "systemd");
        let directory = TempDir::new().expect("a temporary directory");
        for entry in fs::read_dir(packages).expect("the packages are there") {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("with a name");
            fs::copy(&path, directory.path().join(name)).expect("it can be copied");
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork"]);
        command.args(["--kill-child", "--mount-proc", "bash", "-c", BOOT, "boot"]);
        command.arg(directory.path());
        let mut process = Process::start("machine", directory.path(), command);
        let init = eventually("the machine's first process", BOOTED, || {
            process.still_runs()?;
            let id = process.id();
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
                .map_err(|error| error.to_string())?;
            children.trim().parse::<u32>().map_err(|error| format!("{children:?}: {error}"))
        });
        let machine = Self { process, init, _directory: directory };
        eventually("the machine has booted", BOOTED, || {
            let state = machine.run("systemctl is-system-running || true")?;
            ensure(["running", "degraded"].contains(&state.trim()), || state)
        });
        machine
    }

    /// Runs a shell command in it; gives what it wrote to standard output.
    pub fn run(&self, script: &str) -> Result<String, String> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.init)).args([
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--net",
            "--cgroup",
            "--root",
            "--wd=/",
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND=noninteractive",
            "LC_ALL=C",
            "bash",
            "-c",
            script,
        ]);
        output(&mut command)
    }

    /// The same, where failing is a failed test.
    pub fn must(&self, script: &str) -> String {
        self.run(script).unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    /// The end of what the service wrote.
    pub fn journal(&self) -> String {
        self.run("journalctl --no-pager --unit rs-daemon --lines 40 || true").unwrap_or_default()
    }

    /// What it has written to its console.
    pub fn console(&self) -> String {
        self.process.log()
    }
}
