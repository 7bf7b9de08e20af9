//! A pulled cable: no segment comes any more, and nobody says so.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{ARRIVE, Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::raw::{Config as RawConfig, Remote};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::end_of_rib;

const RS: u32 = 64500;
const MEMBER: u32 = 65011;
const SENDER: u32 = 65012;
const RECEIVER: u32 = 65013;
const PREFIX: &str = "203.0.113.0/24";
/// The slowest change between the others, on a machine that does much else: less than the 3 s for
/// which one would be waited for who does not answer.
const LATENCY: Duration = Duration::from_millis(2500);

/// What takes the time of the others takes it always, a machine that stalls does not.
fn delays_nobody(slowest: fn() -> Duration) {
    let tries: Vec<_> =
        (0..3).map(|_| slowest()).take_while(|slowest| *slowest >= LATENCY).collect();
    assert!(tries.len() < 3, "{tries:?} for a change");
}

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
            thread::sleep(Duration::from_millis(5));
        }
        self.slowest = self.slowest.max(began.elapsed());
    }

    /// Both are still there; the slowest change.
    fn noticed_nothing(mut self) -> Duration {
        for speaker in [&mut self.sender, &mut self.receiver] {
            assert_eq!(speaker.status().closed, None);
        }
        self.slowest
    }

    /// The changes of others that the receiver was told.
    fn updates(&mut self) -> u64 {
        self.receiver.status().changes()
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
    delays_nobody(goes_and_comes_back);
}

fn goes_and_comes_back() -> Duration {
    let mut lan = Lan::new();
    let (rs, member, sender, receiver) = (lan.host(), lan.host(), lan.host(), lan.host());
    let server = server(&rs, &member, "hold_time = \"9s\"", [&sender, &receiver]);
    let mut honest = Honest::new(&rs, &sender, &receiver);
    let mut bird = Bird::start(spec(&member, &rs));
    bird.wait_established();
    bird.announce(&[Route::new(PREFIX, "", member.v4().into())]);
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));

    let pulled = Instant::now();
    lan.unplug(&member);
    eventually("its session ends", Duration::from_secs(60), || {
        honest.probe();
        ensure(!state(&server, &member)?, || "established".to_owned())
    });
    let took = pulled.elapsed();
    assert!(took > Duration::from_secs(3), "not before its hold time: {took:?}");
    eventually("its route goes", ARRIVE, || ensure(!honest.has(PREFIX), || "there".to_owned()));
    honest.probe();
    lan.plug(&member);
    eventually("it is back", Duration::from_secs(60), || {
        honest.probe();
        ensure(state(&server, &member)?, || "not established".to_owned())
    });
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));
    honest.noticed_nothing()
}

/// Another router takes a member's address while our session with the first one stands half open:
/// it does not wait for that one's hold time of 90 s.
#[test]
fn a_half_open_connection_does_not_keep_its_member_out() {
    delays_nobody(half_open);
}

fn half_open() -> Duration {
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
    honest.noticed_nothing()
}

/// RFC 8538 §4: with the N bit the hold timer ends the session, not what graceful restart keeps.
#[test]
fn rfc8538_the_routes_of_a_member_with_n_outlive_its_pulled_cable() {
    delays_nobody(kept_with_n);
}

fn kept_with_n() -> Duration {
    const GRACEFUL_RESTART: u8 = 64;
    const N: u8 = 0x40;
    const R: u8 = 0x80;
    let mut lan = Lan::new();
    let (rs, member, sender, receiver) = (lan.host(), lan.host(), lan.host(), lan.host());
    let server = server(&rs, &member, "", [&sender, &receiver]);
    let mut honest = Honest::new(&rs, &sender, &receiver);
    let speaker = |flags: u8| {
        let mut config = RawConfig::new(member.v4(), rs.v4(), MEMBER);
        // Short for the session that it is to end alone.
        config.hold_time = if flags & R == 0 { 3 } else { 90 };
        config.capabilities.push((GRACEFUL_RESTART, vec![flags, 120, 0, 1, 1, 0x80]));
        config
    };
    let route = Route::new(PREFIX, &MEMBER.to_string(), member.v4().into());
    let mut first = Remote::established(&member, speaker(N));
    first.announce(&route);
    first.send(&end_of_rib(false));
    eventually("its route", ARRIVE, || ensure(honest.has(PREFIX), || "no route".to_owned()));

    lan.unplug(&member);
    let told = honest.updates();
    eventually("its session ends", Duration::from_secs(60), || {
        ensure(!state(&server, &member)?, || "established".to_owned())
    });
    honest.probe();
    assert!(honest.has(PREFIX), "its time of 120 s is not over");
    drop(first);
    lan.plug(&member);
    let mut second = Remote::spawn(&member, speaker(N | R));
    eventually("it is back", Duration::from_secs(60), || {
        second.connect()?;
        eventually("an answer", ARRIVE, || {
            let status = second.status();
            ensure(status.established || status.closed.is_some(), || format!("{status:?}"))
        });
        let status = second.status();
        ensure(status.established, || format!("{status:?}"))
    });
    eventually("the route server has it", ARRIVE, || {
        ensure(state(&server, &member)?, || "not established".to_owned())
    });
    second.announce(&route);
    second.send(&end_of_rib(false));
    honest.probe();
    assert!(honest.has(PREFIX), "it was announced again");
    assert_eq!(honest.updates() - told, 2, "the probes alone: its route was never touched");
    honest.noticed_nothing()
}
