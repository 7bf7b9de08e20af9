//! Started by root with `--user`: what each thread of the daemon may still do, and that it is
//! enough for all that the daemon does.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rs_tests::support::netns::Lan;
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

/// The lines of a thread's status that say what it may do.
fn rights(status: &Path) -> String {
    let text = fs::read_to_string(status).unwrap();
    let wanted =
        ["Uid:", "Gid:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:"];
    let lines = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    lines.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn root_becomes_a_user_who_can_bind_low_ports_and_nothing_else() {
    let mut lan = Lan::new();
    let (rs, member) = (lan.host(), lan.host());
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| directory.path().join(name);
    let config = |listen: &str, more: &str| {
        format!(
            "[exchange]\nasn = {RS}\n[http]\nlisten = \"off\"\n[control]\nsocket = \"{}\"\n\
             [state]\ndirectory = \"{}\"\n[[route_server]]\nname = \"rs1\"\n\
             router_id = \"192.0.2.1\"\nlisten = [{listen}]\n[route_server.import]\n\
             irr = \"off\"\nrpki = \"off\"\n[[member]]\nasn = {MEMBER}\n\
             [[member.session]]\naddress = \"{}\"\npassword = \"secret\"\n{more}",
            at("run/control.sock").display(),
            at("state").display(),
            member.v4(),
        )
    };
    let v4 = format!("\"{}:179\"", rs.v4());
    // The configuration is read again by whom the daemon has become.
    fs::write(at("rs.toml"), config(&v4, "")).unwrap();
    let mut command = rs.command(&program("rs-daemon").to_string_lossy());
    command.arg("--config").arg(at("rs.toml")).args(["--user", USER.0]);
    let mut daemon = Process::start("rs-daemon", directory.path(), command);
    let rsctl = |words: &[&str]| {
        output(
            Command::new(program("rsctl")).arg("--socket").arg(at("run/control.sock")).args(words),
        )
    };
    eventually("rs-daemon answers", PATIENCE, || {
        daemon.still_runs()?;
        rsctl(&["status"])
    });

    let expected = "Uid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\n\
                    CapInh: 0000000000000000\nCapPrm: 0000000000000400\n\
                    CapEff: 0000000000000400\nCapBnd: 0000000000000400\n\
                    CapAmb: 0000000000000000\nNoNewPrivs: 1";
    let threads: Vec<_> = fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap().collect();
    assert!(threads.len() > 2, "{threads:?}");
    for thread in threads {
        assert_eq!(rights(&thread.unwrap().path().join("status")), expected);
    }
    for made in ["run", "state", "run/control.sock"] {
        assert_eq!(fs::metadata(at(made)).unwrap().uid(), USER.1, "{made}");
    }

    // A listener on a port below 1024 that comes with a reload, and a session there.
    let both = format!("{v4}, \"[{}]:179\"", rs.v6());
    let session = format!("[[member.session]]\naddress = \"{}\"\n", member.v6());
    fs::write(at("rs.toml"), config(&both, &session)).unwrap();
    rsctl(&["reload"]).unwrap();
    let session = raw::Config::new(member.v6(), rs.v6(), MEMBER);
    let _speaker = raw::Remote::established(&member, session);
    eventually("the session is up", PATIENCE, || {
        let shown = rsctl(&["--json", "member", &member.v6().to_string()])?;
        ensure(shown.contains("\"established\""), || shown)
    });
    let log = daemon.log();
    assert!(log.contains("privileges are dropped") && log.contains("landlock"), "{log}");
    assert_eq!(daemon.terminate(), Some(0));
    assert!(!at("run/control.sock").exists(), "it cleans up after itself");
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
