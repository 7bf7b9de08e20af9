//! Started by root with `--user`: what each thread of the daemon may still do, and that it is
//! enough for all that the daemon does.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{Spec, zoned};
use rs_tests::support::netns::{Host, INTERFACE, Lan};
use rs_tests::support::process::{Process, output};
use rs_tests::support::raw;
use rs_tests::support::rs::program;
use rs_tests::support::wait::{ensure, eventually};
use tempfile::TempDir;

const RS: u32 = 64500;
const MEMBER: u32 = 65011;
/// A user that every Debian has.
const USER: (&str, u32) = ("nobody", 65534);
const PATIENCE: Duration = Duration::from_secs(30);

/// The lines of a thread's status that say what it may do; none of a thread that has ended.
fn rights(status: &Path) -> Option<String> {
    let text = fs::read_to_string(status).ok()?;
    let wanted =
        ["Uid:", "Gid:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:"];
    let lines = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    Some(lines.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join("\n"))
}

/// The daemon's directory and files.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `rs.toml`. The configuration is read again by whom the daemon has become.
    fn configure(&self, listen: &[String], mrt: &str, sessions: &str) {
        let text = format!(
            "[exchange]\nasn = {RS}\ninterface = \"{INTERFACE}\"\n[http]\nlisten = \"off\"\n\
             [control]\nsocket = \"{}\"\n[state]\ndirectory = \"{}\"\n\
             [mrt]\ndirectory = \"{}\"\n[[route_server]]\nname = \"rs1\"\n\
             router_id = \"192.0.2.1\"\nlisten = {listen:?}\n[route_server.import]\n\
             irr = \"off\"\nrpki = \"off\"\n[[member]]\nasn = {MEMBER}\n{sessions}",
            self.at("run/control.sock").display(),
            self.at("state").display(),
            self.at(mrt).display(),
        );
        fs::write(self.at("rs.toml"), text).unwrap();
    }

    fn start(&self, rs: &Host) -> Process {
        let mut command = rs.command(&program("rs-daemon").to_string_lossy());
        command.arg("--config").arg(self.at("rs.toml")).args(["--user", USER.0]);
        let mut daemon = Process::start("rs-daemon", self.directory.path(), command);
        eventually("rs-daemon answers", PATIENCE, || {
            daemon.still_runs()?;
            self.rsctl(&["status"])
        });
        daemon
    }

    fn rsctl(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program("rsctl"));
        output(command.arg("--socket").arg(self.at("run/control.sock")).args(words))
    }

    fn established(&self, address: &str) {
        eventually(&format!("the session with {address} is up"), PATIENCE, || {
            let shown = self.rsctl(&["--json", "member", address])?;
            ensure(shown.contains("\"established\""), || shown)
        });
    }
}

fn session(address: &str, lines: &str) -> String {
    format!("[[member.session]]\naddress = \"{address}\"\n{lines}\n")
}

/// Uid, capabilities and the rest of each thread.
fn has_nothing_but_low_ports(id: u32) {
    let expected = "Uid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\n\
                    CapInh: 0000000000000000\nCapPrm: 0000000000000400\n\
                    CapEff: 0000000000000400\nCapBnd: 0000000000000400\n\
                    CapAmb: 0000000000000000\nNoNewPrivs: 1";
    let threads: Vec<_> = fs::read_dir(format!("/proc/{id}/task")).unwrap().collect();
    let paths = threads.into_iter().map(|thread| thread.unwrap().path().join("status"));
    let found: Vec<_> = paths.filter_map(|path| rights(&path)).collect();
    assert!(found.len() > 2, "{found:?}");
    found.iter().for_each(|rights| assert_eq!(rights, expected));
}

/// TCP MD5 (RFC 2385), GTSM (RFC 5082), a link-local scope and ports below 1024, the latter three
/// on listeners that come with a reload.
#[test]
fn root_becomes_a_user_who_can_bind_low_ports_and_nothing_else() {
    let mut lan = Lan::new();
    let (rs, signing, near) = (lan.host(), lan.host(), lan.host());
    let place = Place::new();
    let mut listen = vec![format!("{}:179", rs.v4())];
    let mut sessions = session(&signing.v4().to_string(), "password = \"secret\"");
    place.configure(&listen, "mrt", &sessions);
    let mut daemon = place.start(&rs);
    has_nothing_but_low_ports(daemon.id());
    for made in ["run", "state", "mrt", "run/control.sock"] {
        assert_eq!(fs::metadata(place.at(made)).unwrap().uid(), USER.1, "{made}");
    }
    let mut spec = Spec::dual(&signing, MEMBER, &rs, RS).with_password("secret");
    spec.sessions.truncate(1);
    let _bird = Bird::start(spec);
    place.established(&signing.v4().to_string());

    listen.push(format!("[{}]:179", rs.v6()));
    listen.push(format!("[{}]:179", rs.link_local()));
    let (global, scoped) = (near.v6().to_string(), zoned(near.link_local().into()));
    sessions += &session(&global, "ttl_security = true");
    sessions += &session(&scoped, "");
    place.configure(&listen, "mrt", &sessions);
    place.rsctl(&["reload"]).unwrap();
    // GTSM takes packets that have come over no router.
    let hops = format!("net.ipv6.conf.{INTERFACE}.hop_limit=255");
    output(near.command("sysctl").args(["-q", "-w", &hops])).unwrap();
    let remote = zoned(rs.link_local().into());
    let _speakers = [
        raw::Remote::established(&near, raw::Config::new(&global, rs.v6(), MEMBER)),
        raw::Remote::established(&near, raw::Config::new(&scoped, remote, MEMBER)),
    ];
    place.established(&global);
    place.established(&scoped);
    has_nothing_but_low_ports(daemon.id());

    let log = daemon.log();
    assert!(log.contains("privileges are dropped") && log.contains("landlock"), "{log}");
    assert!(!log.contains("not permitted"), "{log}");
    assert_eq!(daemon.terminate(), Some(0));
    assert!(!place.at("run/control.sock").exists(), "it cleans up after itself");
}

/// Landlock holds to the directories of the start, which an operator who names or makes others
/// has to be told.
#[test]
fn what_landlock_does_not_let_be_written_is_said_to_need_a_restart() {
    let mut lan = Lan::new();
    let rs = lan.host();
    let place = Place::new();
    let listen = [format!("{}:179", rs.v4())];
    place.configure(&listen, "mrt", "");
    let daemon = place.start(&rs);
    place.rsctl(&["mrt", "dump"]).unwrap();
    assert!(fs::read_dir(place.at("mrt")).unwrap().count() > 0, "{}", daemon.log());
    if daemon.log().contains("landlock: this kernel has none") {
        eprintln!("this kernel has no landlock: only that the daemon runs has been tested");
        return;
    }

    // Below what is written to anyway, and beside it.
    place.configure(&listen, "state/mrt", "");
    let report = place.rsctl(&["reload"]).unwrap();
    assert!(!report.contains("restart"), "{report}");
    place.rsctl(&["mrt", "dump"]).unwrap();
    place.configure(&listen, "other", "");
    make_for_user(&place.at("other"));
    let new = place.at("rs.toml");
    for words in [&["diff", new.to_str().unwrap()][..], &["reload"]] {
        let report = place.rsctl(words).unwrap();
        let line = format!("restart of the daemon: {}", place.at("other").display());
        assert!(report.contains(&line), "{words:?}: {report}");
    }
    let refused = place.rsctl(&["mrt", "dump"]).unwrap_err();
    assert!(refused.contains("landlock") && refused.contains("restart"), "{refused}");

    // The same name, but not the same directory.
    place.configure(&listen, "mrt", "");
    place.rsctl(&["reload"]).unwrap();
    place.rsctl(&["mrt", "dump"]).unwrap();
    fs::remove_dir_all(place.at("mrt")).unwrap();
    make_for_user(&place.at("mrt"));
    let refused = place.rsctl(&["mrt", "dump"]).unwrap_err();
    assert!(refused.contains("landlock") && refused.contains("restart"), "{refused}");
}

fn make_for_user(directory: &Path) {
    fs::create_dir(directory).unwrap();
    std::os::unix::fs::chown(directory, Some(USER.1), None).unwrap();
}

/// What only root could read when the daemon started is missing at the first reload.
#[test]
fn a_configuration_that_the_user_cannot_read_is_noticed_at_the_start() {
    let mut lan = Lan::new();
    let rs = lan.host();
    let place = Place::new();
    place.configure(&[format!("{}:179", rs.v4())], "mrt", "");
    fs::set_permissions(place.at("rs.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = place.start(&rs);
    let log = daemon.log();
    assert!(log.contains("a reload will be refused") && log.contains("rs.toml"), "{log}");
    assert!(place.rsctl(&["reload"]).unwrap_err().contains("the daemon cannot read"));
}

#[test]
fn a_user_who_is_not_there_is_a_clear_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("rs.toml");
    fs::write(
        &path,
        "[exchange]\nasn = 64500\n[[route_server]]\nname = \"rs1\"\nrouter_id = \"192.0.2.1\"\n\
         listen = [\"127.0.0.1:1790\"]\n[route_server.import]\nirr = \"off\"\nrpki = \"off\"\n",
    )
    .unwrap();
    let mut command = Command::new(program("rs-daemon"));
    let output =
        command.arg("--config").arg(&path).args(["--user", "no-such-user"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--user no-such-user: there is no such user"), "{text}");
}
