//! FRR (zebra and bgpd) as a member.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::member::{Member, Spec};
use super::process::{Process, output, require};
use super::route::{Route, Shows, community_name};
use super::wait::{ensure, eventually};

/// A running FRR.
#[derive(Debug)]
pub struct Frr {
    spec: Spec,
    bgpd: Process,
    zebra: Process,
    announced: Vec<Route>,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

impl Frr {
    /// Starts it with nothing to announce.
    pub fn start(spec: Spec) -> Self {
        let text = configuration(&spec);
        Self::start_with(spec, &text)
    }

    /// Starts it with exactly this configuration of bgpd; `spec` says where. Panics when a line
    /// is not understood.
    pub fn start_with(spec: Spec, text: &str) -> Self {
        require("vtysh", "frr");
        let directory = TempDir::new().expect("a temporary directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("others may enter");
        for name in ["frr", "bgpd.conf"] {
            let path = directory.path().join(name);
            if name == "frr" {
                fs::create_dir(&path).expect("a directory for its sockets");
            } else {
                fs::write(&path, text).expect("bgpd.conf is written");
            }
            chown(&path, Some(id_of("-u")), Some(id_of("-g"))).expect("frr may have it");
        }
        let program = require("/usr/lib/frr/bgpd", "frr");
        let mut check = Command::new(program);
        check.args(["--dryrun", "--config_file"]).arg(directory.path().join("bgpd.conf"));
        output(&mut check).unwrap_or_else(|error| panic!("bgpd.conf: {error}\n{text}"));
        let zebra = spawn(&spec, &directory, "zebra", &[]);
        let bgpd = spawn_bgpd(&spec, &directory);
        let frr = Self { spec, directory, bgpd, zebra, announced: Vec::new() };
        frr.wait_ready();
        frr
    }

    /// Ends bgpd as a crash would; zebra stays.
    pub fn kill(&mut self) {
        self.bgpd.kill();
    }

    /// Resets all sessions, as an operator would.
    pub fn clear(&self) {
        self.ask(&["clear bgp *"]).expect("vtysh clears");
    }

    /// Starts bgpd again with another configuration.
    pub fn start_again(&mut self, text: &str) {
        fs::write(self.directory.path().join("bgpd.conf"), text).expect("bgpd.conf is written");
        self.bgpd = spawn_bgpd(&self.spec, &self.directory);
        self.wait_ready();
    }

    fn wait_ready(&self) {
        eventually("frr answers", Duration::from_secs(20), || {
            let answer = self.ask(&["show bgp summary json"])?;
            ensure(answer.contains("routerId"), || answer)
        });
    }

    fn ask(&self, commands: &[&str]) -> Result<String, String> {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(self.directory.path().join("frr"));
        for command in commands {
            vtysh.args(["-c", command]);
        }
        output(&mut vtysh)
    }

    fn ask_json(&self, question: &str) -> Result<Value, String> {
        let text = self.ask(&[question])?;
        serde_json::from_str(&text).map_err(|error| format!("{question}: {error}: {text}"))
    }

    fn configure(&self, lines: &[String]) {
        let router = format!("router bgp {}", self.spec.asn);
        let mut commands = vec!["configure terminal"];
        for line in lines {
            commands.push(if line == "router" { &router } else { line });
        }
        let answer = self.ask(&commands).unwrap_or_else(|error| panic!("vtysh: {error}"));
        assert!(!answer.contains('%'), "vtysh {commands:?}: {answer}");
    }
}

fn id_of(option: &str) -> u32 {
    let id = output(Command::new("id").args([option, "frr"]));
    let id = id.unwrap_or_else(|error| panic!("Debian's package frr makes a user frr: {error}"));
    id.trim().parse().expect("id prints a number")
}

fn spawn(spec: &Spec, directory: &TempDir, name: &str, arguments: &[&str]) -> Process {
    let program = require(&format!("/usr/lib/frr/{name}"), "frr");
    let sockets = directory.path().join("frr");
    let mut command = spec.host.command(&program);
    command.arg("-i").arg(sockets.join(format!("{name}.pid")));
    command.arg("-z").arg(sockets.join("zserv.api"));
    command.arg("--vty_socket").arg(&sockets).args(["-A", "127.0.0.1", "--log", "stdout"]);
    command.args(arguments);
    Process::start(name, directory.path(), command)
}

fn spawn_bgpd(spec: &Spec, directory: &TempDir) -> Process {
    let socket = directory.path().join("frr/zserv.api");
    eventually("zebra listens", Duration::from_secs(10), || {
        ensure(socket.exists(), || "no socket".to_owned())
    });
    let config = directory.path().join("bgpd.conf");
    spawn(spec, directory, "bgpd", &["-f", &config.to_string_lossy()])
}

impl Member for Frr {
    fn name(&self) -> &'static str {
        "frr"
    }

    fn shows(&self) -> Shows {
        Shows { unknown: false, ..Shows::ALL }
    }

    fn session_up(&mut self, remote: IpAddr) -> Result<(), String> {
        self.zebra.still_runs()?;
        self.bgpd.still_runs()?;
        let answer = self.ask_json("show bgp summary json")?;
        for family in ["ipv4Unicast", "ipv6Unicast"] {
            let peer = &answer[family]["peers"][remote.to_string()];
            if peer["state"] == "Established" {
                return Ok(());
            }
        }
        Err(format!("{remote}: {answer}"))
    }

    fn routes(&mut self) -> Result<Vec<Route>, String> {
        let mut routes = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let table = self.ask_json(&format!("show bgp {family} unicast json"))?;
            for prefix in table["routes"].as_object().into_iter().flatten().map(|(p, _)| p) {
                let detail = self.ask_json(&format!("show bgp {family} unicast {prefix} json"))?;
                let paths = detail["paths"].as_array().into_iter().flatten();
                let learnt = paths.filter(|path| path["peer"]["type"] == "external");
                routes.extend(learnt.map(|path| route(prefix, path)));
            }
        }
        Ok(routes)
    }

    fn announce(&mut self, routes: &[Route]) {
        let mut lines = Vec::new();
        let network = |route: &Route, rest: &str| {
            let family = if route.prefix.addr().is_ipv4() { "ipv4" } else { "ipv6" };
            [format!("address-family {family} unicast"), rest.to_owned(), "exit".to_owned()]
        };
        let gone = self.announced.iter().filter(|route| !routes.contains(route));
        for route in gone {
            lines.push("router".to_owned());
            lines.extend(network(route, &format!("no network {}", route.prefix)));
            lines.push("exit".to_owned());
        }
        for route in routes {
            let map = format!("map-{}", route.prefix.to_string().replace(['/', ':', '.'], "-"));
            lines.push(format!("no route-map {map}"));
            lines.push(format!("route-map {map} permit 10"));
            lines.extend(route.med.map(|med| format!("set metric {med}")));
            let mut list = |what: &str, communities: Vec<String>| {
                if !communities.is_empty() {
                    lines.push(format!("set {what} {}", communities.join(" ")));
                }
            };
            list("community", route.communities.iter().cloned().collect());
            list("large-community", route.large.iter().cloned().collect());
            for (kind, name) in [("rt", "rt"), ("ro", "soo")] {
                let values = route.extended.iter().filter_map(|community| {
                    community.strip_prefix(kind).map(|value| value[1..].to_owned())
                });
                list(&format!("extcommunity {name}"), values.collect());
            }
            lines.push("exit".to_owned());
            lines.push("router".to_owned());
            lines.extend(network(route, &format!("network {} route-map {map}", route.prefix)));
            lines.push("exit".to_owned());
        }
        // `no route-map` of one that is not there is an error.
        let known: Vec<&Route> = self.announced.iter().collect();
        lines.retain(|line| {
            line.strip_prefix("no route-map map-").is_none_or(|name| {
                known
                    .iter()
                    .any(|route| route.prefix.to_string().replace(['/', ':', '.'], "-") == name)
            })
        });
        self.configure(&lines);
        routes.clone_into(&mut self.announced);
    }

    fn restart(&mut self) {
        self.bgpd.terminate();
        self.bgpd = spawn_bgpd(&self.spec, &self.directory);
        self.wait_ready();
        let announced = std::mem::take(&mut self.announced);
        self.announce(&announced);
    }

    fn refresh(&mut self) -> bool {
        for family in ["ipv4", "ipv6"] {
            let answer = self.ask(&[&format!("clear bgp {family} unicast * soft in")]);
            answer.unwrap_or_else(|error| panic!("vtysh: {error}"));
        }
        true
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }
}

/// What [`Frr::start`] starts with.
pub fn configuration(spec: &Spec) -> String {
    let mut text = format!("router bgp {}\n bgp router-id {}\n", spec.asn, spec.router_id());
    text += " no bgp ebgp-requires-policy\n";
    text += " no bgp default ipv4-unicast\n no bgp network import-check\n";
    let mut families: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for session in &spec.sessions {
        let remote = session.remote;
        let _ = writeln!(text, " neighbor {remote} remote-as {}", spec.rs_asn);
        let _ = writeln!(text, " neighbor {remote} timers connect 2");
        let _ = writeln!(text, " neighbor {remote} update-source {}", session.local);
        if remote.is_ipv6() && session.v4 {
            let _ = writeln!(text, " neighbor {remote} capability extended-nexthop");
        }
        if let Some(password) = &session.password {
            let _ = writeln!(text, " neighbor {remote} password {password}");
        }
        for (family, offered) in [("ipv4", session.v4), ("ipv6", session.v6)] {
            if offered {
                let lines = families.entry(family).or_default();
                lines.push(format!("  neighbor {remote} activate\n"));
                lines.push(format!("  neighbor {remote} send-community all\n"));
            }
        }
    }
    for (family, lines) in families {
        let _ = write!(text, " address-family {family} unicast\n{}", lines.concat());
        text += " exit-address-family\n";
    }
    text
}

fn route(prefix: &str, path: &Value) -> Route {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = |value: &Value| -> Vec<String> {
        text(value).split_whitespace().map(str::to_owned).collect()
    };
    let unspecified = IpAddr::from([0_u16; 8]);
    let mut route = Route::new(prefix, &text(&path["aspath"]["string"]), unspecified);
    route.origin = text(&path["origin"]).to_lowercase();
    route.med = path["metric"].as_u64().and_then(|med| med.try_into().ok());
    for next_hop in path["nexthops"].as_array().into_iter().flatten() {
        route.set_next_hop(text(&next_hop["ip"]).parse().expect("FRR shows addresses"));
    }
    let communities = words(&path["community"]["string"]);
    route.communities = communities.iter().map(|name| community_name(name)).collect();
    let extended = words(&path["extendedCommunity"]["string"]);
    route.extended =
        extended.iter().map(|shown| shown.replace("RT:", "rt:").replace("SoO:", "ro:")).collect();
    route.large = words(&path["largeCommunity"]["string"]).into_iter().collect();
    route
}
