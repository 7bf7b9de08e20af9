//! A pulled cable: no segment comes any more, and nobody says so.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{ARRIVE, Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::raw::{Config as RawConfig, Remote};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

const RS: u32 = 64500;
const MEMBER: u32 = 65011;
const SENDER: u32 = 65012;
const RECEIVER: u32 = 65013;
const PREFIX: &str = "203.0.113.0/24";
/// The slowest change between the others, on a machine that does much else.
const LATENCY: Duration = Duration::from_secs(1);

/// Two members who must notice nothing, and what they change.
struct Honest {
    sender: Remote,
    receiver: Remote,
    hop: IpAddr,
    probes: u32,
    slowest: Duration,
}

impl Honest {
    fn new(rs: &Host, sender: &Host, receiver: &Host) -> Self {
        let speaker =
            |host: &Host, asn| Remote::established(host, RawConfig::new(host.v4(), rs.v4(), asn));
        Self {
            sender: speaker(sender, SENDER),
            receiver: speaker(receiver, RECEIVER),
            hop: sender.v4().into(),
            probes: 0,
            slowest: Duration::ZERO,
        }
    }

    /// From a change of one route to its arrival.
    fn probe(&mut self) {
        let route = Route::new("46.0.0.0/24", &SENDER.to_string(), self.hop).med(self.probes);
        self.probes += 1;
        let began = Instant::now();
        self.sender.announce(&route);
        while !self.receiver.routes().contains(&route) {
            assert!(began.elapsed() < ARRIVE, "a change does not arrive");
        }
        self.slowest = self.slowest.max(began.elapsed());
    }

    fn noticed_nothing(mut self) {
        assert!(self.slowest < LATENCY, "{:?} for a change", self.slowest);
        for speaker in [&mut self.sender, &mut self.receiver] {
            assert_eq!(speaker.status().closed, None);
        }
    }

    fn has(&mut self, prefix: &str) -> bool {
        self.receiver.routes().iter().any(|route| route.prefix.to_string() == prefix)
    }
}

fn spec(host: &Host, rs: &Host) -> Spec {
    let mut spec = Spec::dual(host, MEMBER, rs, RS);
    spec.sessions.truncate(1);
    spec
}

/// With these lines for the member whose cable is pulled.
fn server(rs: &Host, member: &Host, lines: &str, others: [&Host; 2]) -> RouteServer {
    let config = Config::on(rs, RS)
        .member(MEMBER, &[member.v4().to_string()], lines)
        .member(SENDER, &[others[0].v4().to_string()], "")
        .member(RECEIVER, &[others[1].v4().to_string()], "");
    RouteServer::start_in(rs, &config)
}

fn state(server: &RouteServer, member: &Host) -> Result<bool, String> {
    let status = server.ask(&["member", &member.v4().to_string()])?;
    Ok(status["state"] == "established")
}

#[test]
fn a_member_whose_cable_is_pulled_goes_with_its_hold_time_and_comes_back() {
    let mut lan = Lan::new();
    let (rs, member, sender, receiver) = (lan.host(), lan.host(), lan.host(), lan.host());
    let server = server(&rs, &member, "hold_time = \"3s\"", [&sender, &receiver]);
    let mut honest = Honest::new(&rs, &sender, &receiver);
    let mut bird = Bird::start(spec(&member, &rs));
    bird.wait_established();
    bird.announce(&[Route::new(PREFIX, "", member.v4().into())]);
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));

    lan.unplug(&member);
    let pulled = Instant::now();
    eventually("its session ends", Duration::from_secs(15), || {
        honest.probe();
        ensure(!state(&server, &member)?, || "established".to_owned())
    });
    let took = pulled.elapsed();
    assert!(took > Duration::from_secs(1), "not before its hold time: {took:?}");
    eventually("its route goes", ARRIVE, || ensure(!honest.has(PREFIX), || "there".to_owned()));
    honest.probe();
    lan.plug(&member);
    eventually("it is back", Duration::from_secs(60), || {
        honest.probe();
        ensure(state(&server, &member)?, || "not established".to_owned())
    });
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));
    honest.noticed_nothing();
}

/// Another router takes a member's address while our session with the first one stands half open:
/// it does not wait for that one's hold time of 90 s.
#[test]
fn a_half_open_connection_does_not_keep_its_member_out() {
    let mut lan = Lan::new();
    let (rs, member, sender, receiver) = (lan.host(), lan.host(), lan.host(), lan.host());
    let spare = lan.host();
    let server = server(&rs, &member, "", [&sender, &receiver]);
    let mut honest = Honest::new(&rs, &sender, &receiver);
    let mut bird = Bird::start(spec(&member, &rs));
    bird.wait_established();
    lan.unplug(&member);
    spare.ip(&format!("addr add {}/24 dev eth1", member.v4()));
    let mut spec = spec(&spare, &rs);
    spec.sessions[0].local = member.v4().into();
    let began = Instant::now();
    let mut other = Bird::start(spec);
    assert!(state(&server, &member).unwrap(), "nobody has told us");
    other.wait_established();
    other.announce(&[Route::new(PREFIX, "", member.v4().into())]);
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    let status = server.ask(&["member", &member.v4().to_string()]).unwrap();
    assert_eq!(status["flaps"], 1, "{status}");
    honest.probe();
    honest.noticed_nothing();
}
