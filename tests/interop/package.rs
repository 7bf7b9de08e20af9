//! The Debian package as an administrator meets it: made, installed, started, reloaded, upgraded,
//! removed and purged on a machine with systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rs_tests::support::forwarding::{BEGIN, END, deleted};
use rs_tests::support::irrd::cache;
use rs_tests::support::machine::Machine;
use rs_tests::support::process::{output, require};
use rs_tests::support::rs::{build_directory, program};
use rs_tests::support::wait::{ensure, eventually};
use tempfile::TempDir;

/// As in `test.sh`, which installs it.
const CARGO_DEB: &str = "3.8.0";
/// What `systemd-analyze security` may say at most, in tenths.
const EXPOSURE: &str = "17";
const PATIENCE: Duration = Duration::from_secs(60);
/// What member 11 announces.
const ANNOUNCED: &str = "198.51.11.0/24";

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Makes the package of the programs under test.
fn make(into: &Path) -> PathBuf {
    let cargo_deb = cache().join(format!("cargo-deb-{CARGO_DEB}/bin/cargo-deb"));
    let there = cargo_deb.exists();
    assert!(there, "{} is missing: ./test.sh packages installs it", cargo_deb.display());
    // Built before, so that the script has nothing to build.
    program("rs-daemon");
    let target = build_directory().parent().unwrap().to_owned();
    let mut script = Command::new(repository().join("scripts/package.sh"));
    for (name, _) in std::env::vars_os() {
        let of_package = name.to_str().is_some_and(|name| name.starts_with("CARGO_"));
        if of_package && name != "CARGO_HOME" {
            script.env_remove(name);
        }
    }
    let profile = if build_directory().ends_with("release") { "release" } else { "dev" };
    script.env("PROFILE", profile).env("BUILD", "no").env("CARGO_DEB", cargo_deb);
    script.env("CARGO_TARGET_DIR", target).env("PACKAGE_DIR", into);
    output(script.args(["--fast", "--strip"])).unwrap();
    let packages: Vec<_> = fs::read_dir(into).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(packages.len(), 1, "{packages:?}");
    packages[0].clone()
}

/// Without the list of crates, or one of the crates, there are no notices, and so no package.
#[test]
fn notices_that_miss_something_are_none() {
    let folder = TempDir::new().unwrap();
    let cargo = folder.path().join("cargo");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let notices = |script: &str| {
        fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        let mut notices = Command::new(repository().join("scripts/notices.sh"));
        notices.env("PATH", &path).env("CARGO_HOME", folder.path()).output().unwrap()
    };
    let crate_of_ours = "echo 'some-crate v1.2.3|MIT|https://example.net/some-crate'";
    for (script, said) in [
        ("exit 101", ""),
        ("true", "is not in"),
        // It printed something, and failed then.
        (&*format!("{crate_of_ours}; exit 101"), ""),
        (crate_of_ours, "some-crate 1.2.3 is not in"),
    ] {
        let output = notices(script);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(said), "{script}: {output:?}");
    }
    let place = folder.path().join("registry/src/index/some-crate-1.2.3");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("LICENSE"), "Do what you like.\n").unwrap();
    let output = notices(crate_of_ours);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Do what you like."), "{output:?}");
}

/// The same with a higher version, as the next one would be.
fn next_version(package: &Path, into: &Path) {
    let tree = TempDir::new().unwrap();
    output(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(tree.path())).unwrap();
    let control = tree.path().join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let (before, after) = text.split_once("\nVersion: ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    fs::write(control, format!("{before}\nVersion: 99.0.0-1\n{after}")).unwrap();
    // Its configuration as delivered is another one, too.
    let delivered = tree.path().join("etc/rs-daemon/rs-daemon.toml");
    let text = fs::read_to_string(&delivered).unwrap();
    fs::write(delivered, format!("# The file of version 99.\n{text}")).unwrap();
    let mut build = Command::new("dpkg-deb");
    build.args(["-Znone", "--build"]).arg(tree.path()).arg(into);
    output(&mut build).unwrap();
}

fn main_pid(machine: &Machine) -> u32 {
    machine.must("systemctl show --property MainPID --value rs-daemon").trim().parse().unwrap()
}

fn active(machine: &Machine) {
    eventually("the service is active", PATIENCE, || {
        let state = machine.run("systemctl is-active rs-daemon || true")?;
        ensure(state.trim() == "active", || format!("{state}{}", machine.journal()))
    });
}

/// A line such as `CapEff:` of a process's status.
fn status(machine: &Machine, pid: u32, name: &str) -> String {
    let line = machine.must(&format!("grep ^{name}: /proc/{pid}/status"));
    line.split_once(':').unwrap().1.trim().to_owned()
}

fn installed(machine: &Machine) {
    machine.must("dpkg --install /package/rs-daemon_0*.deb");
    active(machine);
    let shown = machine.must("rsctl status");
    assert!(shown.contains("rs1"), "{shown}");
    let modes = machine.must(
        "stat --format '%a %U %G' /etc/rs-daemon /etc/rs-daemon/rs-daemon.toml /var/lib/rs-daemon \
         /run/rs-daemon/control.sock",
    );
    let expected = "750 root rs-daemon\n640 root rs-daemon\n750 rs-daemon rs-daemon\n\
                    660 rs-daemon rs-daemon\n";
    assert_eq!(modes, expected);
    let page = machine.must("man rsctl-explain | cat; man 8 rs-daemon | cat");
    assert!(page.contains("rsctl-explain") && page.contains("--user"), "{page}");
    machine.must("test -s /usr/share/bash-completion/completions/rsctl");
    // Of a crate, and of the C library inside another.
    machine.must("grep -q '^tokio ' /usr/share/doc/rs-daemon/NOTICES");
    machine.must("grep -q '^libmimalloc-sys ' /usr/share/doc/rs-daemon/NOTICES");
    machine.must("! grep -q 'brings no text' /usr/share/doc/rs-daemon/NOTICES");

    // What is left to it.
    let pid = main_pid(machine);
    let user = machine.must("id --user rs-daemon");
    assert_eq!(status(machine, pid, "Uid").split_whitespace().next(), Some(user.trim()));
    assert_eq!(status(machine, pid, "CapEff"), "0000000000000400", "ports below 1024 alone");
    assert_eq!(status(machine, pid, "CapBnd"), "0000000000000400");
    assert_eq!(status(machine, pid, "NoNewPrivs"), "1");
    assert_eq!(status(machine, pid, "Seccomp"), "2", "a filter of system calls");
    let journal = machine.must("journalctl --sync; journalctl --no-pager --unit rs-daemon");
    assert!(journal.contains("landlock"), "{journal}");
    // Metrics read /proc, much of which is hidden from it.
    let metrics = machine.must(
        "exec 3<>/dev/tcp/127.0.0.1/9180; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
    );
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
    {
        let line = metrics.lines().find(|line| line.starts_with(name));
        assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{name}: {line:?}");
    }
}

/// Two members on a LAN of the machine, each with a routing table of its own.
const LAN: &str = r#"
set -e
ip link add br0 type bridge mcast_snooping 0
ip addr add 192.0.2.250/24 dev br0
ip link set br0 up
for n in 11 12; do
    ip netns add m$n
    ip link add p$n type veth peer name eth0 netns m$n
    ip link set p$n master br0 up
    ip -n m$n addr add 192.0.2.$n/24 dev eth0
    ip -n m$n link set eth0 up
    ip -n m$n link set lo up
    cat >/etc/member-$n.conf <<CONF
router id 192.0.2.$n;
log "/var/log/member-$n" all;
debug protocols { events };
protocol device {}
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol static { ipv4; route 198.51.$n.0/24 blackhole; }
protocol bgp server {
  local 192.0.2.$n as 10000$n;
  neighbor 192.0.2.250 as 1000000;
  password "secret-$n";
  enforce first as off;
  ipv4 { import all; export where source = RTS_STATIC; };
}
CONF
    ip netns exec m$n bird -c /etc/member-$n.conf -s /run/member-$n.ctl -P /run/member-$n.pid
    cat >/etc/rs-daemon/members.d/m$n.toml <<CONF
[[member]]
asn = 10000$n
[[member.session]]
address = "192.0.2.$n"
password = "secret-$n"
CONF
done
sed -i 's/^listen .*/listen = ["192.0.2.250:179"]/; s/^irr .*/irr = "off"\nbogon_prefixes = false/' \
    /etc/rs-daemon/rs-daemon.toml
"#;

/// Members, a port that takes a privilege, keys of TCP MD5: all by a reload.
fn reloaded(machine: &Machine) {
    let pid = main_pid(machine);
    machine.must(LAN);
    machine.must("systemctl reload rs-daemon");
    eventually("the members have each other's routes", PATIENCE, || forwarding(machine));
    assert_eq!(main_pid(machine), pid);
    active(machine);
    let log = machine.must("journalctl --no-pager --unit rs-daemon");
    assert!(!log.contains("secret-"), "{log}");

    // The daemon reads the file, and the unit hides this place from it.
    machine.must("cp /etc/rs-daemon/rs-daemon.toml /root/new.toml");
    let refused = machine.run("rsctl diff /root/new.toml").unwrap_err();
    assert!(refused.contains("put the file beside its configuration"), "{refused}");
    machine.must("install -m 640 -g rs-daemon /root/new.toml /etc/rs-daemon/new.toml");
    // Else what new.toml includes is the same, and so is all of it.
    assert_eq!(machine.must("rsctl diff /etc/rs-daemon/new.toml").trim(), "nothing would change");
}

/// The kernel of each member has the other's route.
fn forwarding(machine: &Machine) -> Result<(), String> {
    for (at, of) in [(11, 12), (12, 11)] {
        let shown = machine.run(&format!("ip -n m{at} route show 198.51.{of}.0/24"))?;
        let via = format!("via 192.0.2.{of} ");
        ensure(shown.contains(&via), || format!("m{at}: {shown:?}\n{}", machine.journal()))?;
    }
    Ok(())
}

/// How many sessions BIRD has had. When one began would tell as much, but BIRD counts that from the
/// clock of the moment, which is set right meanwhile.
fn sessions(machine: &Machine) -> Result<usize, String> {
    let shown = machine.run("birdc -s /run/member-12.ctl show protocols server")?;
    ensure(shown.contains("Established"), || shown)?;
    let log = machine.run("cat /var/log/member-12")?;
    let sessions = log.matches("BGP session established").count();
    ensure(sessions > 0, || log)?;
    Ok(sessions)
}

/// The running daemon stays as it is; the new one begins when the administrator says so, and the
/// members lose no route meanwhile (RFC 4724).
fn upgraded(machine: &Machine) {
    let (pid, before) = (main_pid(machine), sessions(machine).unwrap());
    machine.must("touch /var/lib/rs-daemon/mark");
    machine.must("dpkg --install --force-confold /package/rs-daemon_99*.deb");
    assert_eq!(machine.must("dpkg-query --show --showformat '${Version}' rs-daemon"), "99.0.0-1");
    active(machine);
    assert_eq!(main_pid(machine), pid, "an upgrade leaves the running daemon alone");
    assert_eq!(sessions(machine), Ok(before));
    machine.must("grep 192.0.2.250:179 /etc/rs-daemon/rs-daemon.toml");
    machine.must("grep 'file of version 99' /etc/rs-daemon/rs-daemon.toml.dpkg-dist");

    machine.must("ip -n m12 monitor route >/tmp/changes 2>&1 & echo $! >/tmp/monitor");
    heard(machine, BEGIN);
    machine.must("rsctl shutdown --graceful && systemctl start rs-daemon");
    active(machine);
    assert_ne!(main_pid(machine), pid);
    eventually("the session is a new one", PATIENCE, || {
        let now = sessions(machine)?;
        ensure(now > before, || format!("{now} sessions, as before"))
    });
    eventually("the routes of before are confirmed", PATIENCE, || {
        let shown = machine.run("rsctl routes --to 192.0.2.12")?;
        ensure(shown.contains(ANNOUNCED), || shown)?;
        forwarding(machine)
    });
    heard(machine, END);
    let changes = machine.must("kill $(cat /tmp/monitor); cat /tmp/changes");
    assert!(!changes.contains("netlink receive error"), "{changes}");
    assert_eq!(deleted(&changes, ANNOUNCED).next(), None, "a member lost a route: {changes}");
    machine.must("test -e /var/lib/rs-daemon/mark");
}

/// The kernel's news of what the member's forwarding table became are there up to now.
fn heard(machine: &Machine, mark: &str) {
    eventually("ip monitor is through", PATIENCE, || {
        let route = format!("ip -n m12 route {{}} blackhole {mark}");
        let [add, del] = ["add", "del"].map(|what| route.replace("{}", what));
        machine.run(&format!("{add} && {del} && grep {mark} /tmp/changes")).map(drop)
    });
}

fn purged(machine: &Machine) {
    machine.must("dpkg --remove rs-daemon");
    let state = machine.must("systemctl is-active rs-daemon || true");
    assert_ne!(state.trim(), "active");
    machine.must("test -e /etc/rs-daemon/rs-daemon.toml");
    machine.must("dpkg --purge rs-daemon");
    machine.must("! getent passwd rs-daemon");
    machine.must("! ls -d /etc/rs-daemon /var/lib/rs-daemon /run/rs-daemon 2>/dev/null | grep .");
}

#[test]
fn the_package_is_installed_started_upgraded_and_purged() {
    require("dpkg-shlibdeps", "dpkg-dev");
    require("man", "man-db");
    let packages = TempDir::new().unwrap();
    let package = make(packages.path());
    next_version(&package, packages.path());
    let machine = Machine::boot(packages.path());
    installed(&machine);
    reloaded(&machine);
    upgraded(&machine);
    purged(&machine);
}

/// The number that the documentation says.
#[test]
fn the_unit_is_rated_as_documented() {
    let unit = repository().join("contrib/systemd/rs-daemon.service");
    let mut analyze = Command::new(require("systemd-analyze", "systemd"));
    analyze.args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE]).arg(&unit);
    let text = output(&mut analyze).unwrap();
    let rated = text.lines().last().unwrap();
    let number = rated.split_whitespace().find(|word| word.parse::<f32>().is_ok()).unwrap();
    let page = fs::read_to_string(repository().join("docs/packages.md")).unwrap();
    assert!(page.contains(&format!("an exposure of {number}")), "{rated}");
}
