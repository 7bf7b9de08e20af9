//! ExaBGP as a member: it announces what it is told through a pipe and reports what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::IpAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::member::{Member, Session, Spec};
use super::process::{Process, output, require};
use super::route::{Route, Shows, Unknown};
use super::wait::ensure;

/// A running ExaBGP.
#[derive(Debug)]
pub struct ExaBgp {
    spec: Spec,
    process: Process,
    commands: File,
    announced: Vec<Route>,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

/// What its reports add up to.
#[derive(Debug, Default)]
struct Heard {
    up: BTreeSet<IpAddr>,
    /// By neighbor, so that a session that goes takes its routes along.
    routes: BTreeMap<(IpAddr, String), Route>,
}

impl ExaBgp {
    /// Starts it with nothing to announce.
    pub fn start(spec: Spec) -> Self {
        let program = require("exabgp", "exabgp");
        let directory = TempDir::new().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let script = format!(
            "exec 3<&0\ncat <&3 >>{} &\nexec cat <{}\n",
            path("heard").display(),
            path("commands").display()
        );
        fs::write(path("api.sh"), script).expect("api.sh is written");
        let config = configuration(&spec, &path("api.sh").to_string_lossy());
        fs::write(path("exabgp.conf"), config).expect("exabgp.conf is written");
        let commands = Self::pipe(&directory);
        let process = Self::spawn(&spec, &program, &directory);
        Self { spec, directory, process, commands, announced: Vec::new() }
    }

    /// A new pipe for commands. One for each process: a reader that a dead process has left behind
    /// would swallow the first command of its successor.
    fn pipe(directory: &TempDir) -> File {
        let path = directory.path().join("commands");
        let _ = fs::remove_file(&path);
        output(Command::new("mkfifo").arg(&path)).expect("a pipe for commands");
        // Open for reading too: a pipe without a writer would end its reader.
        File::options().read(true).write(true).open(path).expect("the pipe for commands opens")
    }

    fn spawn(spec: &Spec, program: &str, directory: &TempDir) -> Process {
        fs::write(directory.path().join("heard"), "").expect("the reports start empty");
        let mut command = spec.host.command("env");
        command.args(["exabgp.daemon.drop=false", "exabgp.api.cli=false", "exabgp.api.ack=false"]);
        command.arg("exabgp.log.level=INFO").arg(program);
        command.arg(directory.path().join("exabgp.conf"));
        Process::start("exabgp", directory.path(), command)
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the pipe for commands takes a line");
    }

    fn sessions_for(&self, route: &Route) -> Vec<Session> {
        let v4 = route.prefix.addr().is_ipv4();
        let carries = |session: &&Session| if v4 { session.v4 } else { session.v6 };
        self.spec.sessions.iter().filter(carries).cloned().collect()
    }

    fn heard(&self) -> Result<Heard, String> {
        let path = self.directory.path().join("heard");
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let mut heard = Heard::default();
        for line in text.lines() {
            // The last line may still be on its way.
            if let Ok(report) = serde_json::from_str(line) {
                heard.report(&report);
            }
        }
        Ok(heard)
    }

    fn send_routes(&mut self, verb: &str, routes: &[Route]) {
        for route in routes {
            for session in self.sessions_for(route) {
                let mut command = format!(
                    "neighbor {} {verb} route {} next-hop {}",
                    session.remote, route.prefix, session.local
                );
                if verb == "announce" {
                    command += &attributes(route);
                }
                self.tell(&command);
            }
        }
    }
}

impl Member for ExaBgp {
    fn name(&self) -> &'static str {
        "exabgp"
    }

    fn shows(&self) -> Shows {
        // It shows the Partial bit of whatever it does not know, set or not.
        Shows { link_local: false, unknown_flags: false, ..Shows::ALL }
    }

    fn session_up(&mut self, remote: IpAddr) -> Result<(), String> {
        self.process.still_runs()?;
        let heard = self.heard()?;
        ensure(heard.up.contains(&remote), || format!("{remote}: {heard:?}"))
    }

    fn routes(&mut self) -> Result<Vec<Route>, String> {
        Ok(self.heard()?.routes.into_values().collect())
    }

    fn announce(&mut self, routes: &[Route]) {
        let gone: Vec<Route> =
            self.announced.iter().filter(|route| !routes.contains(route)).cloned().collect();
        self.send_routes("withdraw", &gone);
        self.send_routes("announce", routes);
        routes.clone_into(&mut self.announced);
    }

    fn restart(&mut self) {
        self.process.terminate();
        self.process.kill();
        self.commands = Self::pipe(&self.directory);
        self.process = Self::spawn(&self.spec, &require("exabgp", "exabgp"), &self.directory);
        self.wait_established();
        let routes = self.announced.clone();
        self.send_routes("announce", &routes);
    }

    fn refresh(&mut self) -> bool {
        for session in self.spec.sessions.clone() {
            for (family, offered) in [("ipv4", session.v4), ("ipv6", session.v6)] {
                if offered {
                    self.tell(&format!(
                        "neighbor {} announce route-refresh {family} unicast",
                        session.remote
                    ));
                }
            }
        }
        true
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }
}

fn configuration(spec: &Spec, script: &str) -> String {
    let mut text = format!("process api {{\n  run /bin/sh {script};\n  encoder json;\n}}\n");
    for session in &spec.sessions {
        let _ = writeln!(text, "neighbor {} {{", session.remote);
        let _ = writeln!(text, "  local-address {};", session.local);
        let _ = writeln!(text, "  router-id {};", spec.router_id());
        let _ = writeln!(text, "  local-as {}; peer-as {};", spec.asn, spec.rs_asn);
        if let Some(password) = &session.password {
            let _ = writeln!(text, "  md5-password \"{password}\"; md5-base64 false;");
        }
        text += "  capability { route-refresh; }\n  family {";
        for (family, offered) in [("ipv4", session.v4), ("ipv6", session.v6)] {
            if offered {
                let _ = write!(text, " {family} unicast;");
            }
        }
        text += " }\n  api { processes [ api ]; neighbor-changes;";
        text += " receive { parsed; update; notification; } }\n}\n";
    }
    text
}

fn attributes(route: &Route) -> String {
    let mut text = String::from(" origin igp");
    if let Some(med) = route.med {
        let _ = write!(text, " med {med}");
    }
    let mut list = |name: &str, communities: Vec<String>| {
        if !communities.is_empty() {
            let _ = write!(text, " {name} [ {} ]", communities.join(" "));
        }
    };
    list("community", route.communities.iter().cloned().collect());
    list("large-community", route.large.iter().cloned().collect());
    let extended = route
        .extended
        .iter()
        .map(|community| community.replace("rt:", "target:").replace("ro:", "origin:"));
    list("extended-community", extended.collect());
    for (code, unknown) in &route.unknown {
        let flags = unknown.flags.unwrap_or(0xc0);
        let _ = write!(text, " attribute [ {code:#04x} {flags:#04x} 0x{} ]", unknown.value);
    }
    text
}

impl Heard {
    fn report(&mut self, report: &Value) {
        let neighbor = &report["neighbor"];
        let peer = neighbor["address"]["peer"].as_str().and_then(|peer| peer.parse().ok());
        let Some(peer) = peer else { return };
        match neighbor["state"].as_str() {
            Some("up") => {
                self.up.insert(peer);
            }
            Some("down") => {
                self.up.remove(&peer);
                self.routes.retain(|(of, _), _| *of != peer);
            }
            _ => {}
        }
        let update = &neighbor["message"]["update"];
        for (_, prefixes) in update["withdraw"].as_object().into_iter().flatten() {
            for entry in prefixes.as_array().into_iter().flatten() {
                let prefix = entry["nlri"].as_str().unwrap_or_default();
                self.routes.remove(&(peer, prefix.to_owned()));
            }
        }
        for (_, by_next_hop) in update["announce"].as_object().into_iter().flatten() {
            for (next_hop, prefixes) in by_next_hop.as_object().into_iter().flatten() {
                for entry in prefixes.as_array().into_iter().flatten() {
                    let prefix = entry["nlri"].as_str().unwrap_or_default();
                    let route = route(prefix, next_hop, &update["attribute"]);
                    let key = (peer, prefix.to_owned());
                    // It reports each half of a next hop by itself; the link-local one is not
                    // shown as belonging to the other.
                    if route.next_hop.is_some() || !self.routes.contains_key(&key) {
                        self.routes.insert(key, route);
                    }
                }
            }
        }
    }
}

fn route(prefix: &str, next_hop: &str, attributes: &Value) -> Route {
    let mut route = Route::new(prefix, "", next_hop.parse().expect("ExaBGP shows addresses"));
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let joined = |value: &Value, with: &str| {
        let parts = value.as_array().into_iter().flatten().map(text);
        parts.collect::<Vec<_>>().join(with)
    };
    for (name, value) in attributes.as_object().into_iter().flatten() {
        let values = || value.as_array().into_iter().flatten();
        match name.as_str() {
            "origin" => route.origin = text(value),
            "as-path" => route.as_path = joined(value, " "),
            "med" => route.med = value.as_u64().and_then(|med| med.try_into().ok()),
            "community" => route.communities = values().map(|c| joined(c, ":")).collect(),
            "large-community" => route.large = values().map(|c| joined(c, ":")).collect(),
            "extended-community" => {
                let name = |community: &Value| {
                    let shown = text(&community["string"]);
                    // `L` marks an AS number of four octets.
                    shown.replace("target:", "rt:").replace("origin:", "ro:").replace("L:", ":")
                };
                route.extended = values().map(name).collect();
            }
            // `attribute-0xC8-0xE0`: code and flags, which are not those that came.
            _ => {
                let Some(rest) = name.strip_prefix("attribute-0x") else { continue };
                let mut numbers = rest.split("-0x").map(|n| u8::from_str_radix(n, 16).ok());
                let Some(Some(code)) = numbers.next() else { continue };
                let value = text(value).trim_start_matches("0x").to_lowercase();
                route.unknown.insert(code, Unknown { flags: None, value });
            }
        }
    }
    route
}
