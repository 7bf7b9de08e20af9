//! OpenBGPD as a member.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::member::{Member, Spec, zoned};
use super::process::{Process, output, require};
use super::route::{Route, Shows, Unknown, community_name};
use super::wait::{ensure, eventually};

/// The chroot of its processes, which its service file would make.
const CHROOT: &str = "/run/openbgpd";

/// A running OpenBGPD.
#[derive(Debug)]
pub struct OpenBgpd {
    spec: Spec,
    process: Process,
    announced: Vec<Route>,
    /// Has a /run of its own with the control socket, where the configuration names no socket.
    own_run: bool,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

impl OpenBgpd {
    /// Starts it with nothing to announce.
    pub fn start(spec: Spec) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        fs::create_dir_all(CHROOT).expect("OpenBGPD's chroot is made");
        let program = program();
        write_configuration(&spec, &directory, &[]);
        let process = Self::spawn(&spec, &program, &directory);
        let daemon = Self { spec, directory, process, announced: Vec::new(), own_run: false };
        daemon.wait_ready();
        daemon
    }

    /// Starts it with exactly this configuration; `spec` says where.
    pub fn start_with(spec: Spec, text: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let path = directory.path().join("bgpd.conf");
        fs::write(&path, text).expect("bgpd.conf is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .expect("bgpd.conf is private");
        let script = "mount -t tmpfs none /run && mkdir -m 755 /run/openbgpd && exec \"$0\" \"$@\"";
        let mut command = spec.host.command("unshare");
        command.args(["--mount", "sh", "-c", script, &program(), "-d", "-f"]).arg(path);
        let process = Process::start("openbgpd", directory.path(), command);
        let daemon = Self { spec, directory, process, announced: Vec::new(), own_run: true };
        daemon.wait_ready();
        daemon
    }

    fn spawn(spec: &Spec, program: &str, directory: &TempDir) -> Process {
        let mut command = spec.host.command(program);
        command.arg("-d").arg("-f").arg(directory.path().join("bgpd.conf"));
        Process::start("openbgpd", directory.path(), command)
    }

    fn wait_ready(&self) {
        eventually("openbgpd answers", Duration::from_secs(10), || self.ask(&["-j", "show"]));
    }

    fn ask(&self, question: &[&str]) -> Result<String, String> {
        if self.own_run {
            let mut enter = Command::new("nsenter");
            enter.arg(format!("--target={}", self.process.id())).args(["--mount", "bgpctl"]);
            return output(enter.args(question));
        }
        let socket = self.directory.path().join("bgpd.sock");
        output(Command::new("bgpctl").arg("-s").arg(socket).args(question))
    }

    fn ask_json(&self, question: &[&str]) -> Result<Value, String> {
        let text = self.ask(&[&["-j"], question].concat())?;
        serde_json::from_str(&text).map_err(|error| format!("{question:?}: {error}: {text}"))
    }
}

/// FRR has a program of the same name elsewhere.
fn program() -> String {
    require("bgpctl", "openbgpd");
    require("/usr/sbin/bgpd", "openbgpd")
}

impl Member for OpenBgpd {
    fn name(&self) -> &'static str {
        "openbgpd"
    }

    fn shows(&self) -> Shows {
        Shows { link_local: false, ..Shows::ALL }
    }

    fn session_up(&mut self, remote: IpAddr) -> Result<(), String> {
        self.process.still_runs()?;
        let answer = self.ask_json(&["show", "neighbor"])?;
        let empty = Vec::new();
        let neighbors = answer["neighbors"].as_array().unwrap_or(&empty);
        let found = neighbors.iter().find(|neighbor| {
            let shown = neighbor["remote_addr"].as_str().unwrap_or_default();
            shown.split('%').next() == Some(&remote.to_string())
        });
        let neighbor = found.ok_or_else(|| format!("no neighbor {remote}: {answer}"))?;
        ensure(neighbor["state"] == "Established", || neighbor["state"].to_string())
    }

    fn routes(&mut self) -> Result<Vec<Route>, String> {
        let answer = self.ask_json(&["show", "rib", "detail"])?;
        let empty = Vec::new();
        let entries = answer["rib"].as_array().unwrap_or(&empty);
        Ok(entries.iter().filter(|entry| entry["source"] == "external").map(route).collect())
    }

    fn announce(&mut self, routes: &[Route]) {
        routes.clone_into(&mut self.announced);
        write_configuration(&self.spec, &self.directory, routes);
        self.ask(&["reload"]).unwrap_or_else(|error| panic!("bgpctl reload: {error}"));
    }

    fn restart(&mut self) {
        self.process.terminate();
        self.process = Self::spawn(&self.spec, &program(), &self.directory);
        self.wait_ready();
    }

    fn refresh(&mut self) -> bool {
        for session in &self.spec.sessions {
            let remote = zoned(session.remote);
            self.ask(&["neighbor", &remote, "refresh"])
                .unwrap_or_else(|error| panic!("bgpctl neighbor refresh: {error}"));
        }
        true
    }

    fn answers_refresh(&self) -> bool {
        // 7.7 says "AID IPv4 unicast not negotiated", to BIRD too.
        false
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }
}

fn write_configuration(spec: &Spec, directory: &TempDir, routes: &[Route]) {
    let path = directory.path().join("bgpd.conf");
    let socket = directory.path().join("bgpd.sock");
    let mut text = format!(
        "AS {}\nrouter-id {}\nsocket \"{}\"\nfib-update no\nnexthop qualify via default\n",
        spec.asn,
        spec.router_id(),
        socket.display()
    );
    for session in &spec.sessions {
        let _ = writeln!(text, "listen on {}", zoned(session.local));
    }
    for route in routes {
        let _ = write!(text, "network {} set {{", route.prefix);
        if let Some(med) = route.med {
            let _ = write!(text, " med {med}");
        }
        for community in &route.communities {
            let _ = write!(text, " community {community}");
        }
        for community in &route.extended {
            let (kind, value) = community.split_once(':').expect("rt: or ro:");
            let kind = if kind == "ro" { "soo" } else { kind };
            let _ = write!(text, " ext-community {kind} {value}");
        }
        for community in &route.large {
            let _ = write!(text, " large-community {community}");
        }
        text += " }\n";
    }
    for session in &spec.sessions {
        // The grammar wants a new line after each bracket.
        let _ = writeln!(text, "neighbor {} {{", zoned(session.remote));
        let _ = writeln!(text, "\tremote-as {}", spec.rs_asn);
        let _ = writeln!(text, "\tlocal-address {}", zoned(session.local));
        text += "\tenforce neighbor-as no\n";
        if let Some(password) = &session.password {
            let _ = writeln!(text, "\ttcp md5sig password {password}");
        }
        for (family, offered) in [("IPv4", session.v4), ("IPv6", session.v6)] {
            let what = if offered { "unicast" } else { "none" };
            let _ = writeln!(text, "\tannounce {family} {what}");
        }
        text += "}\n";
    }
    text += "allow to any\nallow from any\n";
    fs::write(&path, text).expect("bgpd.conf is written");
    // It refuses a file that others can read.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("bgpd.conf is private");
}

fn route(entry: &Value) -> Route {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| {
        entry[name].as_array().into_iter().flatten().map(text).collect::<Vec<String>>()
    };
    let unspecified = IpAddr::from([0_u16; 8]);
    let mut route = Route::new(&text(&entry["prefix"]), &text(&entry["aspath"]), unspecified);
    // A link-local next hop is shown with its zone.
    let next_hop = text(&entry["exit_nexthop"]);
    let next_hop = next_hop.split('%').next().unwrap_or_default();
    route.set_next_hop(next_hop.parse().expect("OpenBGPD shows addresses"));
    route.origin = text(&entry["origin"]).to_lowercase();
    // It shows a metric of zero where there is none.
    route.med = entry["metric"].as_u64().and_then(|med| med.try_into().ok()).filter(|m| *m > 0);
    route.communities = list("communities").iter().map(|c| community_name(c)).collect();
    route.extended = list("extended_communities").iter().map(|c| extended(c)).collect();
    route.large = list("large_communities").into_iter().collect();
    for attribute in entry["attributes"].as_array().into_iter().flatten() {
        let kind = text(&attribute["type"]);
        let Some(code) = kind.rsplit('#').next().and_then(|code| code.parse().ok()) else {
            continue;
        };
        let bit = |name: &str, bit: u8| {
            if attribute["flags"][name].as_bool() == Some(true) { bit } else { 0 }
        };
        let flags = bit("optional", 0x80) | bit("transitive", 0x40) | bit("partial", 0x20);
        let unknown = Unknown { flags: Some(flags), value: text(&attribute["data"]) };
        route.unknown.insert(code, unknown);
    }
    route
}

/// `rt 65010:5`, `soo 65010:5`.
fn extended(shown: &str) -> String {
    shown.replace("soo ", "ro:").replace(' ', ":")
}
