//! GoBGP as a member.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::member::{Member, Spec, zoned};
use super::process::{Process, output, require};
use super::route::{Route, Shows, Unknown, extended_name, hex};
use super::wait::{ensure, eventually};

/// A running GoBGP.
#[derive(Debug)]
pub struct GoBgp {
    spec: Spec,
    process: Process,
    announced: Vec<Route>,
    /// Last, so that the logs are there when the processes go.
    directory: TempDir,
}

impl GoBgp {
    /// Starts it with nothing to announce.
    pub fn start(spec: Spec) -> Self {
        require("gobgp", "gobgpd");
        let program = require("gobgpd", "gobgpd");
        let directory = TempDir::new().expect("a temporary directory");
        let config = directory.path().join("gobgpd.toml");
        fs::write(&config, configuration(&spec)).expect("gobgpd.toml is written");
        let process = Self::spawn(&spec, &program, &directory);
        let daemon = Self { spec, directory, process, announced: Vec::new() };
        daemon.wait_ready();
        daemon
    }

    fn spawn(spec: &Spec, program: &str, directory: &TempDir) -> Process {
        let mut command = spec.host.command(program);
        command.arg("-f").arg(directory.path().join("gobgpd.toml"));
        Process::start("gobgpd", directory.path(), command)
    }

    fn wait_ready(&self) {
        // It answers before it has read its configuration, and takes nothing until then.
        eventually("gobgpd answers", Duration::from_secs(60), || {
            let answer = self.ask("global")?;
            ensure(answer.contains(&self.spec.asn.to_string()), || answer)
        });
    }

    fn ask(&self, question: &str) -> Result<String, String> {
        output(self.spec.host.command("gobgp").args(question.split_whitespace()))
    }

    fn ask_json(&self, question: &str) -> Result<Value, String> {
        let text = self.ask(&format!("-j {question}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{question}: {error}: {text}"))
    }

    fn originate(&self, route: &Route) {
        let v4 = route.prefix.addr().is_ipv4();
        let carries = |session: &&super::member::Session| if v4 { session.v4 } else { session.v6 };
        let session = self.spec.sessions.iter().find(carries).expect("a session of that family");
        let mut command = format!(
            "global rib add -a {} {} nexthop {} origin igp",
            if v4 { "ipv4" } else { "ipv6" },
            route.prefix,
            session.local
        );
        if let Some(med) = route.med {
            let _ = write!(command, " med {med}");
        }
        let mut list = |name: &str, communities: Vec<&str>| {
            if !communities.is_empty() {
                let _ = write!(command, " {name} {}", communities.join(","));
            }
        };
        list("community", route.communities.iter().map(String::as_str).collect());
        list("large-community", route.large.iter().map(String::as_str).collect());
        // Its command line takes route targets and no other extended communities, and one of them.
        list("rt", route.extended.iter().filter_map(|c| c.strip_prefix("rt:")).collect());
        self.ask(&command).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Member for GoBgp {
    fn name(&self) -> &'static str {
        "gobgp"
    }

    fn shows(&self) -> Shows {
        Shows { link_local: false, ..Shows::ALL }
    }

    fn session_up(&mut self, remote: IpAddr) -> Result<(), String> {
        /// `SESSION_STATE_ESTABLISHED` of its API.
        const ESTABLISHED: u64 = 6;
        self.process.still_runs()?;
        let answer = self.ask_json("neighbor")?;
        let found = answer.as_array().into_iter().flatten().find(|neighbor| {
            let shown = neighbor["state"]["neighbor_address"].as_str().unwrap_or_default();
            shown.split('%').next() == Some(&remote.to_string())
        });
        let neighbor = found.ok_or_else(|| format!("no neighbor {remote}: {answer}"))?;
        let state = &neighbor["state"]["session_state"];
        ensure(state.as_u64() == Some(ESTABLISHED), || format!("state {state}"))
    }

    fn routes(&mut self) -> Result<Vec<Route>, String> {
        let mut routes = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let table = self.ask_json(&format!("global rib -a {family}"))?;
            for (prefix, paths) in table.as_object().into_iter().flatten() {
                let paths = paths.as_array().into_iter().flatten();
                // Its own routes have no neighbor.
                let learnt = paths.filter(|path| path["neighbor-ip"].is_string());
                routes.extend(learnt.map(|path| route(prefix, path)));
            }
        }
        Ok(routes)
    }

    fn announce(&mut self, routes: &[Route]) {
        for route in self.announced.iter().filter(|route| !routes.contains(route)) {
            let family = if route.prefix.addr().is_ipv4() { "ipv4" } else { "ipv6" };
            self.ask(&format!("global rib del -a {family} {}", route.prefix))
                .unwrap_or_else(|error| panic!("{error}"));
        }
        for route in routes {
            self.originate(route);
        }
        routes.clone_into(&mut self.announced);
    }

    fn restart(&mut self) {
        self.process.terminate();
        self.process = Self::spawn(&self.spec, &require("gobgpd", "gobgpd"), &self.directory);
        self.wait_ready();
        for route in &self.announced {
            self.originate(route);
        }
    }

    fn refresh(&mut self) -> bool {
        // Its softresetin looks at what it has kept; no command makes it send ROUTE-REFRESH.
        false
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }
}

fn configuration(spec: &Spec) -> String {
    let mut text = format!(
        "[global.config]\n  as = {}\n  router-id = \"{}\"\n  port = 179\n",
        spec.asn,
        spec.router_id()
    );
    for session in &spec.sessions {
        let remote = zoned(session.remote);
        text += "[[neighbors]]\n  [neighbors.config]\n";
        let _ = writeln!(text, "    neighbor-address = \"{remote}\"");
        let _ = writeln!(text, "    peer-as = {}", spec.rs_asn);
        if let Some(password) = &session.password {
            let _ = writeln!(text, "    auth-password = \"{password}\"");
        }
        text += "  [neighbors.timers.config]\n    connect-retry = 5\n";
        text += "    idle-hold-time-after-reset = 2\n";
        for (family, offered) in [("ipv4", session.v4), ("ipv6", session.v6)] {
            if offered {
                text += "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n";
                let _ = writeln!(text, "      afi-safi-name = \"{family}-unicast\"");
            }
        }
    }
    text
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn route(prefix: &str, path: &Value) -> Route {
    let mut route = Route::new(prefix, "", IpAddr::from([0_u16; 8]));
    for attribute in path["attrs"].as_array().into_iter().flatten() {
        let value = &attribute["value"];
        let values = || value.as_array().into_iter().flatten();
        match number(&attribute["type"]) {
            1 => {
                let names = ["igp", "egp", "incomplete"];
                let name = names.get(number(value) as usize).copied().unwrap_or("?");
                name.clone_into(&mut route.origin);
            }
            2 => route.as_path = as_path(&attribute["as_paths"]),
            3 | 14 => {
                let next_hop = attribute["nexthop"].as_str().unwrap_or_default();
                let next_hop = next_hop.split('%').next().unwrap_or_default();
                route.set_next_hop(next_hop.parse().expect("GoBGP shows addresses"));
            }
            4 => route.med = Some(number(&attribute["metric"])),
            8 => {
                let list = attribute["communities"].as_array().into_iter().flatten();
                let name = |community: u32| format!("{}:{}", community >> 16, community & 0xffff);
                route.communities = list.map(|community| name(number(community))).collect();
            }
            16 => route.extended = values().map(extended).collect(),
            32 => {
                let name = |large: &Value| {
                    let part = |name: &str| number(&large[name]);
                    format!("{}:{}:{}", part("ASN"), part("LocalData1"), part("LocalData2"))
                };
                route.large = values().map(name).collect();
            }
            // LOCAL_PREF, ORIGINATOR_ID and the like do not come over an external session.
            code => {
                let (Ok(code), Some(text)) = (u8::try_from(code), value.as_str()) else { continue };
                let flags = u8::try_from(number(&attribute["flags"])).ok();
                route.unknown.insert(code, Unknown { flags, value: hex(&base64(text)) });
            }
        }
    }
    route
}

fn as_path(segments: &Value) -> String {
    let segments = segments.as_array().into_iter().flatten().map(|segment| {
        let asns = segment["asns"].as_array().into_iter().flatten();
        let asns: Vec<String> = asns.map(|asn| number(asn).to_string()).collect();
        let set = number(&segment["segment_type"]) == 1;
        if set { format!("{{{}}}", asns.join(" ")) } else { asns.join(" ") }
    });
    segments.collect::<Vec<_>>().join(" ")
}

fn extended(community: &Value) -> String {
    let kind = number(&community["type"]);
    let name = match (kind, number(&community["subtype"])) {
        (0 | 2, 2) => "rt",
        (0 | 2, 3) => "ro",
        _ => {
            let octets = base64(community["value"].as_str().unwrap_or_default());
            let rest: [u8; 7] = octets.try_into().unwrap_or_default();
            let mut all = [0; 8];
            all[0] = u8::try_from(kind).unwrap_or_default();
            all[1..].copy_from_slice(&rest);
            return extended_name(all);
        }
    };
    let shown = community["value"].as_str().unwrap_or_default();
    let (asn, value) = shown.split_once(':').unwrap_or((shown, ""));
    // Four octets are shown as two numbers with a dot (RFC 5396).
    match asn.split_once('.').map(|(high, low)| (high.parse::<u32>(), low.parse::<u32>())) {
        Some((Ok(high), Ok(low))) => format!("{name}:{}:{value}", high << 16 | low),
        _ => format!("{name}:{shown}"),
    }
}

/// RFC 4648 §4.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter_map(|byte| ALPHABET.iter().position(|b| *b == byte)) {
        bits = bits << 6 | u32::try_from(digit).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_decodes() {
        assert_eq!(super::base64("3q2+7w=="), [0xde, 0xad, 0xbe, 0xef]);
    }
}
