//! A small exchange on loopback: member `n` has address 127.0.0.n and AS 65000 + n.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ports::free_ports;
use super::process::output;
use super::raw::{Config as RawConfig, Speaker};
use super::route::Route;
use super::rs::{Config, RouteServer};
use super::wait::{ensure, eventually};

/// AS of the route server.
pub const RS: u32 = 64500;
/// How long a change may take to reach a member.
pub const ARRIVE: Duration = Duration::from_secs(20);
/// The slowest change between honest members, on a machine that does much else. Who waits for one
/// that is stuck waits for as long as that is.
pub const LATENCY: Duration = Duration::from_secs(10);
/// What members that do their worst may cost: all that one of them may have waiting for it
/// (`QUEUE_HIGH_OCTETS`) twice, the batch that went beyond it, and what allocators keep.
pub const MORE_MEMORY_OCTETS: u64 = 48 << 20;

/// A route server on loopback.
#[derive(Debug)]
pub struct Exchange {
    /// The daemon.
    pub server: RouteServer,
    /// Where it listens on 127.0.0.1 for BGP.
    pub port: u16,
    /// Where it listens there for HTTP.
    pub http_port: u16,
    /// What it was started with.
    pub config: Config,
}

/// AS of member `n`.
pub fn asn(n: u8) -> u32 {
    65000 + u32::from(n)
}

/// Next hop of member `n`, on the peering LAN: loopback addresses are refused as next hops.
pub fn next_hop(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
}

/// A route of member `n` with `extra` appended to its path.
pub fn route(n: u8, prefix: &str, extra: &str) -> Route {
    let path = format!("{} {extra}", asn(n));
    let hop = if prefix.contains(':') {
        format!("2001:db8:1::{n}").parse().expect("an address")
    } else {
        next_hop(n)
    };
    Route::new(prefix, path.trim(), hop)
}

impl Exchange {
    /// Members 2 and up, one for each entry; the entry's lines go into its session's table.
    pub fn new(members: &[&str]) -> Self {
        Self::with(members, |_| {})
    }

    /// The same with a changed configuration.
    pub fn with(members: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let [port, http_port] = free_ports();
        let mut config = Config::new(RS, &[format!("127.0.0.1:{port}")]);
        config.http_port = http_port;
        config.import += "next_hop = \"lan\"\n";
        for (n, lines) in (2..).zip(members) {
            let lines = format!("families = [\"v4\", \"v6\"]\n{lines}");
            config = config.member(asn(n), &[format!("127.0.0.{n}")], &lines);
        }
        change(&mut config);
        let server = RouteServer::start(&config);
        Self { server, port, http_port, config }
    }

    /// How member `n` presents itself unless a test says otherwise.
    pub fn speaker_config(&self, n: u8) -> RawConfig {
        let mut config = RawConfig::new(format!("127.0.0.{n}"), "127.0.0.1", asn(n));
        config.port = self.port;
        config
    }

    /// Member `n`, its session established.
    pub fn speaker(&self, n: u8) -> Speaker {
        Speaker::established(self.speaker_config(n))
    }

    /// Memory of the daemon's process.
    pub fn resident_octets(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.server.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("pages of 4 KiB") * 4096
    }

    /// Whether member `n` is established, as `rsctl` says.
    pub fn is_established(&self, n: u8) -> bool {
        let status = self.server.ask(&["member", &format!("127.0.0.{n}")]);
        status.expect("it answers")["state"] == "established"
    }

    /// Waits until the daemon has noticed that member `n` is gone.
    pub fn wait_down(&self, n: u8) {
        eventually(&format!("member {n} is down"), ARRIVE, || {
            ensure(!self.is_established(n), || "established".to_owned())
        });
    }

    /// Whoever pauses after an error is let in at once.
    pub fn let_in(&self, n: u8) {
        self.server.act(&["session", "enable", &format!("127.0.0.{n}")]);
    }

    /// The JSON that a GET gives.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.http_port))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: rs\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        let answer = ask().map_err(|error: std::io::Error| format!("{path}: {error}"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|error| format!("{path}: {error}: {answer}"))
    }

    /// A metric's sum.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Result<f64, String> {
        self.server.metric(self.http_port, name, labels)
    }
}

/// Waits until `speaker` holds exactly `expected`, in order of prefixes.
pub fn holds(what: &str, speaker: &Speaker, expected: &[Route]) {
    holds_within(what, speaker, expected, ARRIVE);
}

/// The same where it may take another time.
pub fn holds_within(what: &str, speaker: &Speaker, expected: &[Route], limit: Duration) {
    speaker.wait_routes(what, limit, |seen| {
        ensure(seen == expected, || format!("expected {expected:?}\n    seen {seen:?}"))
    });
}

/// A FIFO in the place of a file: whoever opens it waits for its other end, as for a disk that
/// hangs.
pub fn hang(path: &Path) {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).expect("a directory");
    }
    // What the daemon writes there just now is out of the way in a moment.
    eventually("a FIFO", ARRIVE, || output(Command::new("mkfifo").arg(path)).map(drop));
}

/// Two members, 2 and 3, who must notice nothing.
#[derive(Debug)]
pub struct Honest {
    /// Member 2.
    pub sender: Speaker,
    /// Member 3.
    pub receiver: Speaker,
    sent: u32,
    probes: usize,
    slowest: Duration,
}

impl Honest {
    /// As they present themselves unless a test says otherwise.
    pub fn new(exchange: &Exchange) -> Self {
        Self::of(exchange.speaker(2), exchange.speaker(3))
    }

    /// With this hold time, in seconds.
    pub fn of_hold_time(exchange: &Exchange, hold_time: u16) -> Self {
        let [sender, receiver] = [2, 3]
            .map(|n| Speaker::established(RawConfig { hold_time, ..exchange.speaker_config(n) }));
        Self::of(sender, receiver)
    }

    /// Members 2 and 3 as they are.
    pub const fn of(sender: Speaker, receiver: Speaker) -> Self {
        Self { sender, receiver, sent: 0, probes: 0, slowest: Duration::ZERO }
    }

    /// From the announcement of a new prefix, 46.0.0.0/24 and up, to its arrival.
    pub fn probe(&mut self) {
        let prefix = format!("46.{}.{}.0/24", self.probes >> 8, self.probes & 255);
        self.probes += 1;
        let began = Instant::now();
        self.sender.announce(&route(2, &prefix, ""));
        while !self.receiver.has(&prefix) {
            assert!(began.elapsed() < ARRIVE, "a change does not arrive");
            thread::sleep(Duration::from_millis(1));
        }
        self.slowest = self.slowest.max(began.elapsed());
    }

    /// No probe took too long, and both sessions are there.
    pub fn is_served(&self, what: &str) {
        let Self { probes, slowest, .. } = self;
        assert!(
            *probes > 0 && *slowest < LATENCY,
            "{what}: {slowest:?} for one of {probes} changes"
        );
        for speaker in [&self.sender, &self.receiver] {
            assert_eq!(speaker.status().closed, None, "{what}");
        }
        eprintln!("{what}: slowest of {probes} changes {slowest:?}");
    }

    /// A new route comes through, and nothing else has changed.
    pub fn serve(&mut self, what: &str) {
        self.serve_within(what, ARRIVE);
    }

    /// The same, in this time.
    pub fn serve_within(&mut self, what: &str, limit: Duration) {
        let mut other = route(2, "203.0.113.0/24", "");
        self.sent += 1;
        other.med = Some(self.sent);
        self.sender.announce(&other);
        self.receiver.wait_routes(what, limit, |seen| {
            ensure(seen.contains(&other), || format!("expected {other:?}\n    seen {seen:?}"))
        });
        for speaker in [&self.sender, &self.receiver] {
            assert_eq!(speaker.status().closed, None, "{what}");
        }
    }
}

/// What honest members and the daemon's memory notice while something is done to it.
#[derive(Debug)]
pub struct Meanwhile<'a> {
    exchange: &'a Exchange,
    /// The two that change something now and then.
    pub honest: Honest,
    before: u64,
    most: u64,
}

impl<'a> Meanwhile<'a> {
    /// From now on.
    pub fn new(exchange: &'a Exchange) -> Self {
        let honest = Honest::new(exchange);
        let before = exchange.resident_octets();
        Self { exchange, honest, before, most: before }
    }

    /// A change goes from one to the other.
    pub fn look(&mut self) {
        self.honest.probe();
        self.most = self.most.max(self.exchange.resident_octets());
    }

    /// None of them took long, and memory stayed within its bound.
    pub fn nothing_noticed(&self, what: &str) {
        self.honest.is_served(what);
        let Self { before, most, .. } = self;
        assert!(*most < before + MORE_MEMORY_OCTETS, "{what}: {most} octets, before {before}");
    }
}

/// Waits until the daemon has said this.
pub fn logged(exchange: &Exchange, text: &str) {
    eventually(&format!("the log says {text:?}"), ARRIVE, || {
        let log = exchange.server.log();
        ensure(log.contains(text), || log)
    });
}

/// How often the daemon has said this.
pub fn times_logged(exchange: &Exchange, text: &str) -> usize {
    exchange.server.log().matches(text).count()
}

/// Waits until a metric's sum satisfies a condition.
pub fn measured(exchange: &Exchange, name: &str, labels: &[&str], holds: impl Fn(f64) -> bool) {
    eventually(&format!("{name} {labels:?}"), ARRIVE, || {
        let value = exchange.metric(name, labels)?;
        ensure(holds(value), || format!("{value}"))
    });
}
