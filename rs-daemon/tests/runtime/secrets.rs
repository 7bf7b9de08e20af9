//! Passwords of sessions stand in the configuration and in the kernel, and nowhere else: not in
//! logs (of whatever level), metrics, answers of the control socket and of HTTP, state files, or
//! in what is said about a mistake in the very line.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{PATIENCE, RS, free_port, head, member};

/// In the configuration, in a file of its own, and what it is changed to.
const SECRETS: [&str; 3] = ["hunter2-inline", "hunter2-in-a-file", "hunter2-anew"];
/// What all of them have in common.
const TRACE: &str = "hunter2";

struct Program {
    child: Child,
    http: u16,
    directory: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// With everything in the log that there is.
    fn start(text: impl Fn(u16) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let http = free_port();
        fs::write(directory.path().join("rs.toml"), text(http)).unwrap();
        fs::write(directory.path().join("password"), SECRETS[1]).unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_rs-daemon"))
            .args(["--config", "rs.toml"])
            .current_dir(directory.path())
            .env("RUST_LOG", "trace")
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, http, directory };
        let deadline = Instant::now() + PATIENCE;
        while !program.get("/readyz").is_some_and(|answer| answer.contains("200 OK")) {
            assert!(Instant::now() < deadline, "never ready: {}", program.log());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        program
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((RS, self.http)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: rs\r\nconnection: close\r\n\r\n").ok()?;
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).ok()?;
        Some(String::from_utf8_lossy(&octets).into_owned())
    }

    /// Standard output and standard error.
    fn rsctl(&self, words: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_rsctl"))
            .args(["--socket", "unused.sock"])
            .args(words.split_whitespace())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, err) = (output.stdout, output.stderr);
        String::from_utf8_lossy(&out).into_owned() + &String::from_utf8_lossy(&err)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }
}

/// Two sessions with a password, one of which is given in a file.
fn configuration(port: u16, http: u16, password: &str) -> String {
    let listen = format!("listen = \"{RS}:{http}\"");
    head(port, "").replacen("listen = \"off\"", &listen, 1)
        + "[mrt]\ndirectory = \"mrt\"\n[state]\ndirectory = \"state\"\n"
        + &member(11, "")
        + &format!("password = \"{password}\"\n")
        + &member(12, "")
        + "password_file = \"password\"\n"
}

/// Every command of `rsctl` that asks the daemon something; `top` shows what `status` and
/// `members` say.
const COMMANDS: [&str; 27] = [
    "status",
    "members",
    "members --report",
    "member 127.0.0.11",
    "routes",
    "routes --to 127.0.0.11",
    "explain 198.51.100.0/24 --to 127.0.0.11",
    "diff rs.toml",
    "diff changed.toml",
    "rpki",
    "irr",
    "irr refresh",
    "bmp",
    "mrt dump",
    "policy rs1",
    "policy rs1 --markdown",
    "ixf",
    "as-set AS-TEST --rs rs1",
    "client-config AS1000011 --style bird",
    "client-config AS1000011 --style frr",
    "client-config AS1000012 --style routeros",
    "session reset 127.0.0.11",
    "session soft-in 127.0.0.11",
    "session disable 127.0.0.11",
    "session enable 127.0.0.11",
    "drain on",
    "reload",
];

const PATHS: [&str; 21] = [
    "/",
    "/metrics",
    "/api/v1/status",
    "/api/v1/route-servers",
    "/api/v1/members",
    "/api/v1/member?peer=127.0.0.11",
    "/api/v1/routes",
    "/api/v1/explain?prefix=198.51.100.0/24&to=127.0.0.11",
    "/api/v1/rpki",
    "/api/v1/irr",
    "/api/v1/history",
    "/api/v1/matrix?rs=rs1",
    "/birdwatcher/rs1/status",
    "/birdwatcher/rs1/protocols/bgp",
    "/birdwatcher/rs1/symbols",
    "/birdseye/rs1/status",
    "/birdseye/rs1/protocols/bgp",
    "/birdseye/rs1/symbols",
    "/bgplgd/rs1/neighbors",
    "/bgplgd/rs1/summary",
    "/bgplgd/rs1/rib",
];

/// Only the files that the operator wrote hold it.
fn only_where_it_was_written(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            only_where_it_was_written(&entry.path());
        } else if entry.file_type().unwrap().is_file() && !name.ends_with(".toml") {
            let octets = fs::read(entry.path()).unwrap();
            let holds = octets.windows(TRACE.len()).any(|part| part == TRACE.as_bytes());
            assert_eq!(holds, name == "password", "{name}");
        }
    }
}

#[test]
fn every_command_is_asked_for_what_it_must_not_say() {
    let asked = |words: &str| COMMANDS.iter().any(|command| command.starts_with(words));
    for command in rs_daemon::cli::command().get_subcommands() {
        let name = command.get_name();
        let silent = ["help", "completions", "man", "shutdown", "top"].contains(&name);
        assert!(silent || asked(name), "{name} is a new command: add it to the list");
    }
}

#[test]
fn a_password_is_said_nowhere() {
    let port = free_port();
    let mut program = Program::start(|http| configuration(port, http, SECRETS[0]));
    let http = program.http;
    let changed = configuration(port, http, SECRETS[2]);
    program.write("changed.toml", &changed);
    // The peers of sessions with a password are logged when they are called and when they call.
    drop(TcpStream::connect((RS, port)).unwrap());
    for command in COMMANDS {
        for look in ["", "--json ", "--color always "] {
            let said = program.rsctl(&format!("{look}{command}"));
            assert!(!said.is_empty(), "{look}{command}");
            assert!(!said.contains(TRACE), "{look}{command}: {said}");
        }
    }
    for path in PATHS {
        let answer = program.get(path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(!answer.contains(TRACE), "{path}: {answer}");
    }

    // A change of password is told as one, and not to what.
    program.write("rs.toml", &changed);
    let said = program.rsctl("reload");
    assert!(said.contains("password") && !said.contains(TRACE), "{said}");

    // A key of TCP-AO, which one kernel takes and another does not.
    let password = format!("password = \"{}\"", SECRETS[2]);
    let key = "tcp_ao = { send_id = 1, receive_id = 1, key = \"hunter2\" }";
    program.write("rs.toml", &changed.replace(&password, key));
    for said in [program.rsctl("reload"), program.rsctl("--json reload")] {
        assert!(!said.is_empty() && !said.contains(TRACE), "{said}");
    }

    // Mistakes in the very line.
    for line in [
        "password = \"hunter2",
        "password = \"hunter2\" \"x\"",
        "pasword = \"hunter2\"",
        "password = [\"hunter2\"]",
        "password = \"hunter2\\q\"",
        "password = \"hunter2\"\npassword = \"hunter2\"",
        &format!("password = \"hunter2{}\"", "x".repeat(80)),
        "tcp_ao = { send_id = 1, receive_id = 1, key = [\"hunter2\"] }",
        "tcp_ao = { send_id = 1, receive_id = 1, kee = \"hunter2\" }",
        "tcp_ao = { send_id = 1, receive_id = \"hunter2\", key = \"hunter2\" }",
        "password = \"hunter2\"\ntcp_ao = { send_id = 1, receive_id = 1, key = \"hunter2\" }",
        &format!("tcp_ao = {{ send_id = 1, receive_id = 1, key = \"hunter2{}\" }}", "x".repeat(80)),
    ] {
        program.write("rs.toml", &changed.replace(&password, line));
        for said in [program.rsctl("reload"), program.rsctl("--json reload")] {
            assert!(said.contains("rs.toml:"), "{line}: {said}");
            assert!(!said.contains(TRACE), "{line}: {said}");
        }
    }
    program.rsctl("shutdown");
    assert!(program.child.wait().unwrap().success());
    let log = program.log();
    assert!(log.contains("configuration loaded") && log.contains("DEBUG"), "{log}");
    only_where_it_was_written(program.directory.path());
}
