//! A real IRRd with a PostgreSQL and a Redis of its own, on free ports of loopback.
//!
//! IRRd comes from PyPI: `test.sh` installs it into a virtual environment below [`cache`].

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::ports::free_ports;
use super::process::{Process, output, require};
use super::wait::{ensure, eventually};

/// The version that `test.sh` installs.
const VERSION: &str = "4.5.4";

/// PostgreSQL, Redis and IRRd take some seconds each on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Processes that answer queries, each for one connection at a time and out of its own memory.
const WORKERS: usize = 8;

/// What a worker may take for one answer before it is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// Sources of the server, in the order of its own choice.
const SOURCES: [&str; 4] = ["FIRST", "SECOND", "OTHER", "REAL"];

/// A set whose member is the number of the load that it came with.
const MARKER: &str = "AS-LOADED";

/// Where `test.sh` keeps what is no Debian package: `RS_CACHE`, else below the user's cache.
pub fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("RS_CACHE")
        .or_else(|| Some(from("XDG_CACHE_HOME")?.join("rs-tests")))
        .or_else(|| Some(from("HOME")?.join(".cache/rs-tests")))
        .expect("HOME is set")
}

/// A running IRRd; its database and all else ends with it.
#[derive(Debug)]
pub struct Irrd {
    server: Process,
    _postgres: Process,
    _redis: Process,
    port: u16,
    programs: PathBuf,
    files: TempDir,
    /// Number and source of the last load.
    loaded: Cell<(u32, &'static str)>,
}

impl Irrd {
    /// Starts all three, with nothing in the database.
    pub fn start() -> Self {
        let programs = cache().join(format!("irrd-{VERSION}/bin"));
        assert!(
            programs.join("irrd").exists(),
            "IRRd {VERSION} is not in {}: ./test.sh packages installs it",
            programs.display()
        );
        let files = TempDir::new().expect("a temporary directory");
        // PostgreSQL has a user of its own, who must find the way in.
        fs::set_permissions(files.path(), Permissions::from_mode(0o755)).expect("mode");
        let [database, cache, port, http] = free_ports();
        let postgres = postgres(files.path(), database);
        let redis = redis(files.path(), cache);
        let config = config(files.path(), [database, cache, port, http]);
        fs::write(files.path().join("irrd.yaml"), config).expect("a file is written");
        fs::create_dir_all(files.path().join("run/gnupg")).expect("a directory");
        run(&programs, files.path(), "irrd_database_upgrade", &[]);
        let server = server(&programs, files.path(), port);
        let loaded = Cell::new((0, SOURCES[0]));
        Self { server, _postgres: postgres, _redis: redis, port, programs, files, loaded }
    }

    /// Where it answers queries.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Puts a source's objects in the place of those that it had, and waits until they are served.
    pub fn load(&self, source: &'static str, rpsl: &str) {
        let number = self.loaded.get().0 + 1;
        let marker =
            format!("as-set: {MARKER}\nmembers: AS{number}\nmnt-by: M-MNT\nsource: {source}\n");
        let path = self.files.path().join(format!("{source}.db"));
        fs::write(&path, format!("{rpsl}\n\n{marker}")).expect("a file is written");
        let path = path.display().to_string();
        let arguments = ["--source", source, &path];
        run(&self.programs, self.files.path(), "irrd_load_database", &arguments);
        self.loaded.set((number, source));
        self.served();
    }

    /// Waits until every worker serves the last load: each hears of it after a time of its own,
    /// and has what came before it by then.
    fn served(&self) {
        let (number, source) = self.loaded.get();
        eventually("every worker serves what was loaded", START, || {
            let connect = |_| TcpStream::connect(("127.0.0.1", self.port));
            // All at once, so that each has a worker to itself.
            let open: Result<Vec<_>, _> = (0..WORKERS).map(connect).collect();
            for connection in open.map_err(|error| error.to_string())? {
                let members = members(connection, source).map_err(|error| error.to_string())?;
                ensure(members == format!("AS{number}"), || format!("{members:?}"))?;
            }
            Ok(())
        });
    }

    /// SIGSTOP for all of its processes: it takes connections and says nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// It is gone.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// It is there again, at the same address.
    pub fn restart(&mut self) {
        self.server = server(&self.programs, self.files.path(), self.port);
        self.served();
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.server.id());
        let mut kill = Command::new("kill");
        kill.args([&format!("-{signal}"), "--", &group]);
        output(&mut kill).expect("all of IRRd takes the signal");
    }
}

/// What a worker says of the marker in a source: the length, the members, the end (IRRd's
/// protocol).
fn members(mut connection: TcpStream, source: &str) -> std::io::Result<String> {
    connection.set_read_timeout(Some(ANSWER))?;
    connection.write_all(format!("!!\n!s{source}\n!i{MARKER}\n").as_bytes())?;
    let mut lines = BufReader::new(connection).lines();
    let found = lines.find(|line| !line.as_ref().is_ok_and(|line| line == "C"));
    match found.transpose()? {
        Some(line) if line.starts_with('A') => {
            lines.next().transpose().map(Option::unwrap_or_default)
        }
        other => Ok(other.unwrap_or_default()),
    }
}

fn run(programs: &Path, files: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(programs.join(program));
    command.arg("--config").arg(files.join("irrd.yaml")).args(arguments);
    let said = output(&mut command).unwrap_or_else(|complaint| panic!("{complaint}"));
    assert!(!said.contains("Error occurred"), "{program}: {said}");
}

fn answers(process: &mut Process, what: &str, port: u16) {
    eventually(&format!("{what} answers"), START, || {
        process.still_runs()?;
        TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
    });
}

/// The programs of the newest PostgreSQL.
fn postgres_programs() -> PathBuf {
    let all = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or(0)
    };
    let newest = all.map(|entry| entry.path()).max_by_key(version).unwrap_or_default();
    let programs = newest.join("bin");
    require(&format!("{}/initdb", programs.display()), "postgresql");
    programs
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new(require("setpriv", "util-linux"));
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

fn postgres(files: &Path, port: u16) -> Process {
    let programs = postgres_programs();
    let home = files.join("postgres");
    fs::create_dir(&home).expect("a directory");
    let mut own = Command::new("chown");
    output(own.arg("postgres").arg(&home)).expect("Debian's package makes the user");
    let data = home.join("data");
    let mut initdb = as_postgres(&programs.join("initdb"));
    initdb.args(["-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
    output(&mut initdb).unwrap_or_else(|complaint| panic!("{complaint}"));
    let mut command = as_postgres(&programs.join("postgres"));
    command.arg("-D").arg(&data).arg("-k").arg(&home).arg("-p").arg(port.to_string());
    for setting in ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"] {
        command.args(["-c", setting]);
    }
    let mut process = Process::start("postgres", files, command);
    let psql = |database: &str, statement: &str| {
        let mut psql = Command::new(programs.join("psql"));
        psql.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
        output(psql.args(["-d", database, "-c", statement]))
    };
    eventually("PostgreSQL answers", START, || {
        process.still_runs()?;
        psql("postgres", "SELECT 1")
    });
    psql("postgres", "CREATE DATABASE irrd").expect("a database");
    psql("irrd", "CREATE EXTENSION pgcrypto").expect("an extension of Debian's package");
    process
}

fn redis(files: &Path, port: u16) -> Process {
    let mut command = Command::new(require("redis-server", "redis-server"));
    let port_text = port.to_string();
    command.args(["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(files);
    let mut process = Process::start("redis", files, command);
    answers(&mut process, "Redis", port);
    process
}

fn server(programs: &Path, files: &Path, port: u16) -> Process {
    let mut command = Command::new(programs.join("irrd"));
    command.arg("--foreground").arg("--config").arg(files.join("irrd.yaml"));
    // Else it refuses to run as root.
    command.env("CI", "1");
    let mut process = Process::start("irrd", files, command);
    answers(&mut process, "IRRd", port);
    process
}

fn config(files: &Path, [database, cache, port, http]: [u16; 4]) -> String {
    let run = files.join("run").display().to_string();
    let source =
        |name: &str| format!("    {name}: {{authoritative: false, keep_journal: false}}\n");
    let sources: String = SOURCES.into_iter().map(source).collect();
    format!(
        "irrd:\n\
         \x20 database_url: 'postgresql://postgres@127.0.0.1:{database}/irrd'\n\
         \x20 redis_url: 'redis://127.0.0.1:{cache}'\n\
         \x20 piddir: {run}\n\
         \x20 server:\n\
         \x20   http: {{interface: 127.0.0.1, port: {http}, workers: 1, url: 'http://127.0.0.1:{http}/'}}\n\
         \x20   whois: {{interface: 127.0.0.1, port: {port}, max_connections: {WORKERS}}}\n\
         \x20 auth: {{gnupg_keyring: {run}/gnupg}}\n\
         \x20 email: {{from: irr@example.net, smtp: 127.0.0.1}}\n\
         \x20 rpki: {{roa_source: null}}\n\
         \x20 log: {{level: WARNING}}\n\
         \x20 sources_default: [{}]\n\
         \x20 sources:\n{sources}",
        SOURCES.join(", ")
    )
}
