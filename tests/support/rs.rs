//! The daemon under test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::netns::Host;
use super::process::{Process, output};
use super::wait::{ensure, eventually};

/// Where cargo puts the programs of this build.
pub fn build_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let mut directory = test.parent().expect("it lies in a directory").to_owned();
    if directory.ends_with("deps") {
        directory.pop();
    }
    directory
}

/// The directory that holds `rs-daemon` and `rsctl`. Cargo does not build another package's
/// programs for a test, so the first to ask does; it costs nothing when they are up to date.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(directory) = std::env::var_os("RS_PROGRAMS") {
            return directory.into();
        }
        let directory = build_directory();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--workspace", "--bins"]);
        build.arg("--target-dir").arg(directory.parent().expect("a target directory"));
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // Build scripts look at these variables, and what cargo set for this test would make them
        // run again, here and at the next build outside.
        for (name, _) in std::env::vars_os() {
            let of_package = name.to_str().is_some_and(|name| name.starts_with("CARGO_"));
            let of_all = name.to_str().is_some_and(|name| {
                name == "CARGO_HOME"
                    || name == "CARGO_INCREMENTAL"
                    || name.starts_with("CARGO_PROFILE_")
            });
            if of_package && !of_all {
                build.env_remove(name);
            }
        }
        if directory.ends_with("release") {
            build.arg("--release");
        }
        output(&mut build).unwrap_or_else(|error| panic!("rs-daemon does not build: {error}"));
        directory
    })
}

/// One of our programs, such as `rs-lab`.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
}

/// A configuration, written as an operator would.
#[derive(Debug, Clone)]
pub struct Config {
    asn: u32,
    router_id: String,
    listen: Vec<String>,
    /// Lines for `[exchange]`.
    pub exchange: String,
    /// Lines for the top of `[[route_server]]`.
    pub route_server: String,
    /// Lines for `[route_server.import]`.
    pub import: String,
    /// Tables of members, and what else comes at the end.
    pub members: String,
    /// The whole text instead, `@control@` standing for the control socket.
    whole: Option<String>,
    /// Port of its HTTP listener on the loopback of its namespace; 0: none.
    pub http_port: u16,
    /// The command line that it is started by, `@directory@` standing for its own directory.
    pub under: Vec<String>,
}

impl Config {
    /// One regular route server that listens on these addresses. Documentation prefixes and
    /// private AS numbers are what tests have, so the checks that refuse them are off.
    pub fn new(asn: u32, listen: &[String]) -> Self {
        let import = "bogon_prefixes = false\nbogon_asns = false\nirr = \"off\"\nrpki = \"off\"\n";
        Self {
            asn,
            router_id: "192.0.2.1".to_owned(),
            listen: listen.to_vec(),
            exchange: "peering_lan = [\"192.0.2.0/24\", \"2001:db8:1::/64\"]\n".to_owned(),
            route_server: String::new(),
            import: import.to_owned(),
            members: String::new(),
            whole: None,
            http_port: 9180,
            under: Vec::new(),
        }
    }

    /// A configuration that the test wrote itself; `@control@` stands for the control socket.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { whole: Some(text.into()), http_port: 0, ..Self::new(0, &[]) }
    }

    /// A route server in a namespace, on all addresses of its host.
    pub fn on(host: &Host, asn: u32) -> Self {
        let listen = [
            format!("{}:179", host.v4()),
            format!("[{}]:179", host.v6()),
            format!("[{}]:179", host.link_local()),
        ];
        let mut config = Self::new(asn, &listen);
        let _ = writeln!(config.exchange, "interface = \"{}\"", super::netns::INTERFACE);
        config
    }

    /// A route server in a namespace that has nothing but a link-local address.
    pub fn on_link_local(host: &Host, asn: u32) -> Self {
        let mut config = Self::on(host, asn);
        config.listen.drain(..2);
        config
    }

    /// Adds a member with one session for each address; `lines` go into each session's table.
    #[must_use]
    pub fn member(mut self, asn: u32, addresses: &[String], lines: &str) -> Self {
        let _ = writeln!(self.members, "[[member]]\nasn = {asn}\nname = \"AS{asn}\"");
        for address in addresses {
            let _ = writeln!(self.members, "[[member.session]]\naddress = \"{address}\"\n{lines}");
        }
        self
    }

    /// Adds lines as they are at the end.
    #[must_use]
    pub fn text(mut self, lines: &str) -> Self {
        self.members += lines;
        self.members += "\n";
        self
    }

    /// Other addresses to listen on.
    pub fn set_listen(&mut self, listen: &[String]) {
        self.listen = listen.to_vec();
    }

    fn render(&self, socket: &Path) -> String {
        if let Some(text) = &self.whole {
            return text.replace("@control@", &socket.to_string_lossy());
        }
        let directory = socket.parent().map(|path| path.display().to_string());
        let listen: Vec<String> = self.listen.iter().map(|l| format!("\"{l}\"")).collect();
        let mut text = format!(
            "[exchange]\nname = \"Test IX\"\nasn = {}\n{}\n[control]\nsocket = \"{}\"\n",
            self.asn,
            self.exchange,
            socket.display()
        );
        if self.http_port != 0 {
            let _ = writeln!(text, "[http]\nlisten = \"127.0.0.1:{}\"", self.http_port);
        }
        let _ = write!(
            text,
            "[[route_server]]\nname = \"rs1\"\nrouter_id = \"{}\"\nlisten = [{}]\n{}\n\
             [route_server.import]\n{}\n{}",
            self.router_id,
            listen.join(", "),
            self.route_server,
            self.import,
            self.members
        );
        text.replace("@directory@", &directory.unwrap_or_default())
    }
}

/// A running `rs-daemon`.
#[derive(Debug)]
pub struct RouteServer {
    host: Option<Host>,
    process: Process,
    under: Vec<String>,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

impl RouteServer {
    /// Starts it in a namespace and waits until it answers.
    pub fn start_in(host: &Host, config: &Config) -> Self {
        Self::start_with(Some(host.clone()), config)
    }

    /// Starts it on loopback and waits until it answers.
    pub fn start(config: &Config) -> Self {
        Self::start_with(None, config)
    }

    fn start_with(host: Option<Host>, config: &Config) -> Self {
        let mut server = Self::launch(host, TempDir::new().expect("a directory"), config);
        server.wait_ready();
        server
    }

    /// Starts it in a directory on loopback and waits for nothing.
    pub fn start_in_directory(directory: TempDir, config: &Config) -> Self {
        Self::launch(None, directory, config)
    }

    fn launch(host: Option<Host>, directory: TempDir, config: &Config) -> Self {
        let text = config.render(&directory.path().join("control.sock"));
        fs::write(directory.path().join("rs.toml"), text).expect("rs.toml is written");
        let process = spawn(host.as_ref(), &directory, &config.under);
        Self { host, directory, process, under: config.under.clone() }
    }

    /// Starts it where it is to end at once; its exit code and what it said.
    pub fn refused(directory: TempDir, config: &Config) -> (Option<i32>, String) {
        let mut server = Self::launch(None, directory, config);
        let code = server.process.ended();
        (code, server.log())
    }

    /// Waits until it answers.
    pub fn wait_ready(&mut self) {
        eventually("rs-daemon answers", Duration::from_secs(20), || {
            self.process.still_runs()?;
            self.ask(&["status"])
        });
    }

    /// Answer of `rsctl --json`.
    pub fn ask(&self, question: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(programs().join("rsctl"));
        command.arg("--socket").arg(self.directory.path().join("control.sock"));
        let text = output(command.arg("--json").args(question))?;
        serde_json::from_str(&text).map_err(|error| format!("{question:?}: {error}: {text}"))
    }

    /// Does something with `rsctl`; panics when the daemon says no.
    pub fn act(&self, action: &[&str]) {
        let mut command = Command::new(programs().join("rsctl"));
        command.arg("--socket").arg(self.directory.path().join("control.sock"));
        output(command.args(action)).unwrap_or_else(|error| panic!("{error}"));
    }

    /// `/metrics`, as text.
    pub fn metrics(&self, port: u16) -> Result<String, String> {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /metrics HTTP/1.0\\r\\nHost: rs\\r\\n\\r\\n' >&3; cat <&3"
        );
        let mut command = match &self.host {
            Some(host) => host.command("bash"),
            None => Command::new("bash"),
        };
        output(command.arg("-c").arg(script))
    }

    /// Sum of the samples of a metric whose labels contain all of `labels`.
    pub fn metric(&self, port: u16, name: &str, labels: &[&str]) -> Result<f64, String> {
        let text = self.metrics(port)?;
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values: Vec<f64> = samples
            .filter_map(|line| line.rsplit(' ').next().and_then(|value| value.parse().ok()))
            .collect();
        ensure(!values.is_empty(), || format!("no {name} with {labels:?} in\n{text}"))?;
        Ok(values.iter().sum())
    }

    /// Stops it as an operator would and starts it again with the same configuration.
    pub fn restart(&mut self) {
        assert_eq!(self.process.terminate(), Some(0), "rs-daemon ends with 0 on SIGTERM");
        self.process = spawn(self.host.as_ref(), &self.directory, &self.under);
        self.wait_ready();
    }

    /// Kills it, as a crash would, and starts it again.
    pub fn crash(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after that.
    pub fn start_again(&mut self) {
        self.process = spawn(self.host.as_ref(), &self.directory, &self.under);
        self.wait_ready();
    }

    /// Writes another configuration and makes it reload.
    pub fn reload(&self, config: &Config) {
        self.write_config(config);
        self.act(&["reload"]);
    }

    /// Writes another configuration.
    pub fn write_config(&self, config: &Config) {
        let text = config.render(&self.directory.path().join("control.sock"));
        fs::write(self.directory.path().join("rs.toml"), text).expect("rs.toml is written");
    }

    /// The directory of its configuration, its control socket and, unless the configuration says
    /// otherwise, its state.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends a signal by name, such as `HUP`.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits until it has ended by itself; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.process.ended()
    }

    /// What `rsctl diff` says of another configuration, which stays in a file of its own.
    pub fn diff(&self, config: &Config) -> Result<Value, String> {
        let text = config.render(&self.directory.path().join("control.sock"));
        let path = self.directory.path().join("new.toml");
        fs::write(&path, text).expect("new.toml is written");
        self.ask(&["diff", &path.to_string_lossy()])
    }

    /// A file of its state directory, which is that of its control socket.
    pub fn state(&self, name: &str) -> Result<String, String> {
        let path = self.directory.path().join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Fails once it has ended.
    pub fn still_runs(&mut self) -> Result<(), String> {
        self.process.still_runs()
    }
}

fn spawn(host: Option<&Host>, directory: &TempDir, under: &[String]) -> Process {
    let program = programs().join("rs-daemon").to_string_lossy().into_owned();
    let own = directory.path().to_string_lossy();
    let mut words = under.iter().map(|word| word.replace("@directory@", &own)).chain([program]);
    let first = words.next().unwrap_or_default();
    let mut command = match host {
        Some(host) => host.command(&first),
        None => Command::new(first),
    };
    command.args(words);
    command.arg("--config").arg(directory.path().join("rs.toml"));
    Process::start("rs-daemon", directory.path(), command)
}
