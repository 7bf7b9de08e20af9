//! BIRD 2 as a member.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::member::{Member, Spec, zoned};
use super::process::{Process, output, require};
use super::route::{Route, Shows, Unknown, community_name, extended_name, unhex};
use super::wait::{ensure, eventually};

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    spec: Spec,
    process: Process,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

impl Bird {
    /// Starts it with nothing to announce.
    pub fn start(spec: Spec) -> Self {
        let text = configuration(&spec);
        Self::start_with(spec, &text)
    }

    /// Starts it with exactly this configuration, which [`Self::routes`](Member::routes) can be
    /// asked about; `spec` says where.
    pub fn start_with(spec: Spec, text: &str) -> Self {
        let program = require("bird", "bird2");
        let directory = TempDir::new().expect("a temporary directory");
        let config = directory.path().join("bird.conf");
        fs::write(&config, text).expect("bird.conf is written");
        fs::write(directory.path().join("routes.conf"), "").expect("routes.conf is written");
        let process = Self::spawn(&spec, &program, &directory, &[]);
        let bird = Self { spec, directory, process };
        bird.wait_ready();
        bird
    }

    fn spawn(spec: &Spec, program: &str, directory: &TempDir, more: &[&str]) -> Process {
        let mut command = spec.host.command(program);
        command.arg("-f").arg("-c").arg(directory.path().join("bird.conf"));
        command.arg("-s").arg(directory.path().join("bird.ctl"));
        command.arg("-P").arg(directory.path().join("bird.pid")).args(more);
        Process::start("bird", directory.path(), command)
    }

    fn wait_ready(&self) {
        eventually("bird answers", Duration::from_secs(10), || self.ask("show status"));
    }

    /// An answer of `birdc`.
    pub fn ask(&self, question: &str) -> Result<String, String> {
        let socket: PathBuf = self.directory.path().join("bird.ctl");
        output(Command::new("birdc").arg("-r").arg("-s").arg(socket).arg(question))
    }

    /// What it has learnt over one of its sessions.
    pub fn routes_of(&self, session: usize) -> Result<Vec<Route>, String> {
        self.ask(&format!("show route all protocol rs{session}")).map(|text| parse(&text))
    }

    /// Goes on with another configuration, as [`Self::start`] would have begun with.
    pub fn reconfigure(&mut self, spec: Spec) {
        fs::write(self.directory.path().join("bird.conf"), configuration(&spec))
            .expect("bird.conf is written");
        self.spec = spec;
        self.act("configure");
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again as one that has kept its forwarding state (`-R`), with these routes.
    pub fn recover(&mut self, routes: &[Route]) {
        fs::write(self.directory.path().join("routes.conf"), static_routes(routes))
            .expect("routes.conf is written");
        let program = require("bird", "bird2");
        self.process = Self::spawn(&self.spec, &program, &self.directory, &["-R"]);
        self.wait_ready();
    }

    /// Sends the daemon a signal by name, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    fn act(&self, action: &str) {
        let socket: PathBuf = self.directory.path().join("bird.ctl");
        let answer = output(Command::new("birdc").arg("-s").arg(socket).arg(action));
        let answer = answer.unwrap_or_else(|error| panic!("birdc {action}: {error}"));
        assert!(!answer.contains("rror"), "birdc {action}: {answer}");
    }
}

impl Member for Bird {
    fn name(&self) -> &'static str {
        "bird"
    }

    fn shows(&self) -> Shows {
        Shows { unknown_flags: false, ..Shows::ALL }
    }

    fn session_up(&mut self, remote: IpAddr) -> Result<(), String> {
        self.process.still_runs()?;
        let index = self.spec.sessions.iter().position(|session| session.remote == remote);
        let index = index.ok_or_else(|| format!("no session with {remote}"))?;
        let state = self.ask(&format!("show protocols all rs{index}"))?;
        ensure(state.contains("BGP state:          Established"), || state)
    }

    fn routes(&mut self) -> Result<Vec<Route>, String> {
        self.ask("show route all where source = RTS_BGP").map(|text| parse(&text))
    }

    fn announce(&mut self, routes: &[Route]) {
        let path = self.directory.path().join("routes.conf");
        fs::write(path, static_routes(routes)).expect("routes.conf is written");
        self.act("configure");
    }

    fn restart(&mut self) {
        self.process.terminate();
        self.process = Self::spawn(&self.spec, &require("bird", "bird2"), &self.directory, &[]);
        self.wait_ready();
    }

    fn refresh(&mut self) -> bool {
        self.act("reload in all");
        true
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }
}

/// What [`Bird::start`] starts with.
pub fn configuration(spec: &Spec) -> String {
    let mut text = format!(
        "log stderr all;\nrouter id {};\nprotocol device {{ scan time 1; }}\n\
         protocol kernel {{ ipv4 {{ export where source = RTS_BGP; import none; }}; }}\n\
         protocol kernel {{ ipv6 {{ export where source = RTS_BGP; import none; }}; }}\n\
         filter announce {{\n  if source != RTS_STATIC then reject;\n  \
         # MED goes to an external neighbour only when the export filter sets it.\n  \
         if defined(bgp_med) then bgp_med = bgp_med;\n  accept;\n}}\n\
         include \"routes.conf\";\n",
        spec.router_id()
    );
    for (index, session) in spec.sessions.iter().enumerate() {
        let (local, remote) = (zoned(session.local), zoned(session.remote));
        let _ = writeln!(text, "protocol bgp rs{index} {{");
        let _ = writeln!(text, "  local {local} as {};", spec.asn);
        let _ = writeln!(text, "  neighbor {remote} as {};", spec.rs_asn);
        // A route server does not put its own AS first.
        text += "  strict bind on; enforce first as off;\n";
        text += "  connect delay time 1; connect retry time 2; error wait time 1, 2;\n";
        if session.ttl_security {
            let _ = writeln!(text, "  ttl security on;");
        }
        if let Some(password) = &session.password {
            let _ = writeln!(text, "  password \"{password}\";");
        }
        let channel = "import all; export filter announce;";
        if session.v4 {
            let extended = if session.local.is_ipv6() { "extended next hop on;" } else { "" };
            let _ = writeln!(text, "  ipv4 {{ {channel} {extended} }};");
        }
        if session.v6 {
            let _ = writeln!(text, "  ipv6 {{ {channel} }};");
        }
        text += "}\n";
    }
    text
}

fn static_routes(routes: &[Route]) -> String {
    let mut text = String::new();
    for family in ["ipv4", "ipv6"] {
        let _ = writeln!(text, "protocol static static_{family} {{ {family};");
        let of_family = |route: &&Route| route.prefix.addr().is_ipv4() == (family == "ipv4");
        for route in routes.iter().filter(of_family) {
            let _ = writeln!(text, "  route {} unreachable {{", route.prefix);
            if let Some(med) = route.med {
                let _ = writeln!(text, "    bgp_med = {med};");
            }
            for (list, communities) in [
                ("bgp_community", &route.communities),
                ("bgp_ext_community", &route.extended),
                ("bgp_large_community", &route.large),
            ] {
                for community in communities {
                    let community = community.replace(':', ",");
                    let _ = writeln!(text, "    {list}.add(({community}));");
                }
            }
            text += "  };\n";
        }
        text += "}\n";
    }
    text
}

/// Reads `show route all`.
fn parse(text: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut prefix = String::new();
    for line in text.lines() {
        if let Some(attribute) = line.strip_prefix("\tBGP.") {
            let (Some(route), Some((name, value))) = (routes.last_mut(), attribute.split_once(':'))
            else {
                continue;
            };
            set(route, name, value.trim());
        } else if line.contains('[') && !line.starts_with('\t') && !line.starts_with("Table") {
            if !line.starts_with(' ') {
                line.split_whitespace().next().unwrap_or_default().clone_into(&mut prefix);
            }
            routes.push(Route::new(&prefix, "", IpAddr::from([0_u16; 8])));
        }
    }
    routes
}

fn set(route: &mut Route, name: &str, value: &str) {
    let tuples = || value.trim_matches(['(', ')']).split(") (").map(|tuple| tuple.replace(' ', ""));
    match name {
        "origin" => route.origin = value.to_lowercase(),
        "as_path" => value.clone_into(&mut route.as_path),
        "next_hop" => {
            for address in value.split_whitespace() {
                route.set_next_hop(address.parse().expect("BIRD shows addresses"));
            }
        }
        "med" => route.med = value.parse().ok(),
        "community" => {
            route.communities =
                tuples().map(|tuple| community_name(&tuple.replace(',', ":"))).collect();
        }
        "ext_community" => route.extended = tuples().map(|tuple| extended(&tuple)).collect(),
        "large_community" => route.large = tuples().map(|t| t.replace(',', ":")).collect(),
        _ => {
            let code = name.split_whitespace().next().unwrap_or_default();
            if let Ok(code) = u8::from_str_radix(code, 16)
                && name.contains('[')
            {
                let value = super::route::hex(&unhex(value));
                route.unknown.insert(code, Unknown { flags: None, value });
            }
        }
    }
}

/// `rt,65010,5` or `generic,0x43000000,0x10`.
fn extended(tuple: &str) -> String {
    let Some(rest) = tuple.strip_prefix("generic,") else { return tuple.replace(',', ":") };
    let mut octets = [0; 8];
    for (half, number) in octets.chunks_mut(4).zip(rest.split(',')) {
        let number = u32::from_str_radix(number.trim_start_matches("0x"), 16).expect("hex");
        half.copy_from_slice(&number.to_be_bytes());
    }
    extended_name(octets)
}
