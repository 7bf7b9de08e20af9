//! A small exchange on loopback: member `n` has address 127.0.0.n and AS 65000 + n.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rs_tests::support::ports::free_ports;
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

/// AS of the route server.
pub(crate) const RS: u32 = 64500;
/// How long a change may take to reach a member.
pub(crate) const ARRIVE: Duration = Duration::from_secs(20);

/// A route server and where it listens.
pub(crate) struct Exchange {
    pub(crate) server: RouteServer,
    pub(crate) port: u16,
    pub(crate) http_port: u16,
    pub(crate) config: Config,
}

/// AS of member `n`.
pub(crate) fn asn(n: u8) -> u32 {
    65000 + u32::from(n)
}

/// Next hop of member `n`, on the peering LAN: loopback addresses are refused as next hops.
pub(crate) fn next_hop(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
}

/// A route of member `n` with `extra` appended to its path.
pub(crate) fn route(n: u8, prefix: &str, extra: &str) -> Route {
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
    pub(crate) fn new(members: &[&str]) -> Self {
        Self::with(members, |_| {})
    }

    /// The same with a changed configuration.
    pub(crate) fn with(members: &[&str], change: impl FnOnce(&mut Config)) -> Self {
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
    pub(crate) fn speaker_config(&self, n: u8) -> RawConfig {
        let mut config = RawConfig::new(format!("127.0.0.{n}"), "127.0.0.1", asn(n));
        config.port = self.port;
        config
    }

    /// Member `n`, its session established.
    pub(crate) fn speaker(&self, n: u8) -> Speaker {
        Speaker::established(self.speaker_config(n))
    }

    /// Memory of the daemon's process.
    pub(crate) fn resident_octets(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.server.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("pages of 4 KiB") * 4096
    }

    /// Whether member `n` is established, as `rsctl` says.
    pub(crate) fn is_established(&self, n: u8) -> bool {
        let status = self.server.ask(&["member", &format!("127.0.0.{n}")]);
        status.is_ok_and(|status| status["state"] == "established")
    }

    /// Waits until the daemon has noticed that member `n` is gone.
    pub(crate) fn wait_down(&self, n: u8) {
        eventually(&format!("member {n} is down"), ARRIVE, || {
            ensure(!self.is_established(n), || "established".to_owned())
        });
    }

    /// Whoever pauses after an error is let in at once.
    pub(crate) fn let_in(&self, n: u8) {
        self.server.act(&["session", "enable", &format!("127.0.0.{n}")]);
    }

    /// A metric's sum.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Result<f64, String> {
        self.server.metric(self.http_port, name, labels)
    }
}

/// Waits until `speaker` holds exactly `expected`, in order of prefixes.
pub(crate) fn holds(what: &str, speaker: &Speaker, expected: &[Route]) {
    speaker.wait_routes(what, ARRIVE, |seen| {
        ensure(seen == expected, || format!("expected {expected:?}\n    seen {seen:?}"))
    });
}

/// Two members, 2 and 3, who must notice nothing.
pub(crate) struct Honest {
    pub(crate) sender: Speaker,
    pub(crate) receiver: Speaker,
    sent: u32,
}

impl Honest {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self::of(exchange.speaker(2), exchange.speaker(3))
    }

    pub(crate) const fn of(sender: Speaker, receiver: Speaker) -> Self {
        Self { sender, receiver, sent: 0 }
    }

    /// A new route comes through, and nothing else has changed.
    pub(crate) fn serve(&mut self, what: &str) {
        let mut other = route(2, "203.0.113.0/24", "");
        self.sent += 1;
        other.med = Some(self.sent);
        self.sender.announce(&other);
        self.receiver.wait_routes(what, ARRIVE, |seen| {
            ensure(seen.contains(&other), || format!("expected {other:?}\n    seen {seen:?}"))
        });
        for speaker in [&self.sender, &self.receiver] {
            assert_eq!(speaker.status().closed, None, "{what}");
        }
    }
}

/// Waits until the daemon has said this.
pub(crate) fn logged(exchange: &Exchange, text: &str) {
    eventually(&format!("the log says {text:?}"), ARRIVE, || {
        let log = exchange.server.log();
        ensure(log.contains(text), || log)
    });
}

/// How often the daemon has said this.
pub(crate) fn times_logged(exchange: &Exchange, text: &str) -> usize {
    exchange.server.log().matches(text).count()
}

/// Waits until a metric's sum satisfies a condition.
pub(crate) fn measured(
    exchange: &Exchange,
    name: &str,
    labels: &[&str],
    holds: impl Fn(f64) -> bool,
) {
    eventually(&format!("{name} {labels:?}"), ARRIVE, || {
        let value = exchange.metric(name, labels)?;
        ensure(holds(value), || format!("{value}"))
    });
}
