//! Our own graceful restart (RFC 4724 §4.1) as members' forwarding tables see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually, stays};

const RS: u32 = 64500;
const ORIGIN: u32 = 65011;
const RECEIVER: u32 = 65012;
const PREFIX: &str = "203.0.113.0/24";

/// Looks at a host's forwarding table all the time.
struct Watch {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<(usize, usize)>,
}

impl Watch {
    fn start(host: &Host) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (host, ending) = (host.clone(), Arc::clone(&stop));
        let looking = std::thread::spawn(move || {
            let (mut looks, mut misses) = (0, 0);
            while !ending.load(Ordering::Relaxed) {
                looks += 1;
                misses += usize::from(host.ip(&format!("route show {PREFIX}")).trim().is_empty());
            }
            (looks, misses)
        });
        Self { stop, looking }
    }

    /// How often it looked, and how often the route was not there.
    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().unwrap()
    }
}

/// The receiver is back long before the originator, whose routes it must not lose meanwhile.
#[test]
fn a_members_forwarding_table_loses_nothing_while_we_are_killed_and_started_again() {
    let mut lan = Lan::new();
    let (rs, origin, receiver) = (lan.host(), lan.host(), lan.host());
    let config = Config::on(&rs, RS).member(ORIGIN, &[origin.v4().to_string()], "").member(
        RECEIVER,
        &[receiver.v4().to_string()],
        "",
    );
    let mut server = RouteServer::start_in(&rs, &config);
    let bird = |host: &Host, asn| {
        let mut spec = Spec::dual(host, asn, &rs, RS);
        spec.sessions.truncate(1);
        let mut bird = Bird::start(spec);
        bird.wait_established();
        bird
    };
    let mut origin_daemon = bird(&origin, ORIGIN);
    let mut receiver_daemon = bird(&receiver, RECEIVER);
    let route = Route::new(PREFIX, &ORIGIN.to_string(), origin.v4().into());
    origin_daemon.announce(std::slice::from_ref(&route));
    receiver_daemon.wait_for_route(&route);
    eventually("forwarding table", Duration::from_secs(10), || {
        let shown = receiver.ip(&format!("route show {PREFIX}"));
        ensure(shown.contains(&origin.v4().to_string()), || shown)
    });
    // Who keeps our routes is written down once a second.
    eventually("both are written down", Duration::from_secs(10), || {
        let text = server.state("graceful-members.json")?;
        let both = [&origin, &receiver].map(|host| text.contains(&host.v4().to_string()));
        ensure(both == [true; 2], || text)
    });

    let watch = Watch::start(&receiver);
    // The originator notices nothing for now.
    origin_daemon.signal("STOP");
    server.crash();
    let receiver_address = receiver.v4().to_string();
    eventually("the receiver is back, and held", Duration::from_secs(30), || {
        let status = server.ask(&["member", &receiver_address])?;
        let held = status["state"] == "established" && status["held"] == true;
        ensure(held, || status.to_string())
    });
    origin_daemon.signal("CONT");
    eventually("the receiver has been told", Duration::from_secs(60), || {
        let status = server.ask(&["member", &receiver_address])?;
        let told = status["held"] == false && status["routes"]["ipv4"]["exported"] == 1;
        ensure(told, || status.to_string())
    });
    // BIRD has dropped what we have not sent again by the time it has our End-of-RIB.
    stays("the route", Duration::from_secs(3), || {
        let shown = receiver_daemon.ask("show route")?;
        ensure(shown.contains(PREFIX), || shown)
    });
    let (looks, misses) = watch.end();
    assert!(looks > 10, "{looks}");
    assert_eq!(misses, 0, "the route was missing in {misses} of {looks} looks");
}
