//! Restarts of members and our own (RFC 4724, RFC 9494) as forwarding tables see them, with BIRD and
//! FRR as the other side: each dies without a word.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rs_tests::support::bird::{self, Bird};
use rs_tests::support::forwarding::Watch;
use rs_tests::support::frr::{self, Frr};
use rs_tests::support::member::{ARRIVE, Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually, stays};

const RS: u32 = 64500;
const ORIGIN: u32 = 65011;
const RECEIVER: u32 = 65012;
const THIRD: u32 = 65013;
const PREFIX: &str = "203.0.113.0/24";
/// Before a restart only, and after it only.
const BEFORE: &str = "198.51.100.0/24";
const AFTER: &str = "100.64.0.0/24";

const LLGR_STALE: &str = "65535:6";
const NO_LLGR: &str = "65535:7";

/// What a session is over, and the routes in it.
#[derive(Clone, Copy)]
enum Over {
    V4,
    V6,
}

impl Over {
    fn of(self, host: &Host) -> IpAddr {
        match self {
            Self::V4 => host.v4().into(),
            Self::V6 => host.v6().into(),
        }
    }

    fn spec(self, host: &Host, asn: u32, rs: &Host) -> Spec {
        let mut spec = Spec::dual(host, asn, rs, RS);
        spec.sessions.retain(|session| session.local == self.of(host));
        spec
    }

    /// [`PREFIX`], [`BEFORE`] and [`AFTER`], or what stands for them.
    fn prefixes(self) -> [&'static str; 3] {
        match self {
            Self::V4 => [PREFIX, BEFORE, AFTER],
            Self::V6 => ["2001:db8:203::/48", "2001:db8:198::/48", "2001:db8:100::/48"],
        }
    }

    /// The route server's two members.
    fn between(self, rs: &Host, origin: &Host, receiver: &Host) -> Config {
        let address = |host| vec![self.of(host).to_string()];
        Config::on(rs, RS).member(ORIGIN, &address(origin), "").member(
            RECEIVER,
            &address(receiver),
            "",
        )
    }

    fn route(self, host: &Host, prefix: &str) -> Route {
        Route::new(prefix, &ORIGIN.to_string(), self.of(host))
    }

    fn shown(self, host: &Host) -> String {
        let [prefix, ..] = self.prefixes();
        match self {
            Self::V4 => host.ip(&format!("route show {prefix}")),
            Self::V6 => host.ip(&format!("-6 route show {prefix}")),
        }
    }

    fn wait_forwards(self, host: &Host, to: &Host) {
        eventually("forwarding table", Duration::from_secs(20), || {
            let shown = self.shown(host);
            ensure(shown.contains(&self.of(to).to_string()), || shown)
        });
    }
}

/// The route was always there.
fn saw_it_always(watch: Watch, prefix: &str) {
    assert_eq!(watch.end(prefix), Vec::<String>::new(), "the route left a forwarding table");
}

/// A member's session over IPv4.
fn spec(host: &Host, asn: u32, rs: &Host) -> Spec {
    let mut spec = Spec::dual(host, asn, rs, RS);
    spec.sessions.truncate(1);
    spec
}

fn address(host: &Host) -> Vec<String> {
    vec![host.v4().to_string()]
}

/// A route server that the originator and the receiver have sessions with.
fn between(rs: &Host, origin: &Host, receiver: &Host, lines: &str) -> Config {
    Config::on(rs, RS).member(ORIGIN, &address(origin), lines).member(
        RECEIVER,
        &address(receiver),
        lines,
    )
}

fn route(host: &Host, prefix: &str) -> Route {
    Route::new(prefix, &ORIGIN.to_string(), host.v4().into())
}

fn wait_forwards(host: &Host, to: &Host) {
    eventually("forwarding table", Duration::from_secs(20), || {
        let shown = host.ip(&format!("route show {PREFIX}"));
        ensure(shown.contains(&to.v4().to_string()), || shown)
    });
}

fn wait_down(server: &RouteServer, address: IpAddr) {
    eventually("the route server has noticed", ARRIVE, || {
        let status = server.ask(&["member", &address.to_string()])?;
        ensure(status["state"] != "established", || status.to_string())
    });
}

/// Who keeps our routes is written down once a second.
fn wait_written_down(server: &RouteServer, addresses: [IpAddr; 2]) {
    eventually("both are written down", ARRIVE, || {
        let text = server.state("graceful-members.json")?;
        let both = addresses.map(|address| text.contains(&address.to_string()));
        ensure(both == [true; 2], || text)
    });
}

/// A member that can die and come back as one that has kept its forwarding state.
trait Restarts: Member {
    fn start_with_routes(spec: Spec, routes: &[Route]) -> Self;
    fn die(&mut self);
    fn come_back(&mut self, routes: &[Route]);
}

/// With these lines in its session.
fn bird_with(spec: Spec, lines: &str) -> Bird {
    let text = bird::configuration(&spec);
    let text = text.replace("strict bind on;", &format!("strict bind on; {lines}"));
    Bird::start_with(spec, &text)
}

impl Restarts for Bird {
    fn start_with_routes(spec: Spec, routes: &[Route]) -> Self {
        let mut bird = bird_with(spec, "graceful restart on; graceful restart time 60;");
        bird.announce(routes);
        bird
    }

    fn die(&mut self) {
        self.kill();
    }

    fn come_back(&mut self, routes: &[Route]) {
        self.recover(routes);
    }
}

/// Its routes stand in the configuration: none of them comes after End-of-RIB. `more` goes under
/// `router bgp`.
fn frr_text(spec: &Spec, routes: &[Route], restart_time: u16, more: &str) -> String {
    let lines = format!(
        " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n \
         bgp graceful-restart restart-time {restart_time}\n{more} no bgp default ipv4-unicast\n"
    );
    let networks: String =
        routes.iter().map(|route| format!("  network {}\n", route.prefix)).collect();
    let v6 = routes.iter().any(|route| route.prefix.to_string().contains(':'));
    let family = format!(" address-family ipv{} unicast\n", if v6 { 6 } else { 4 });
    frr::configuration(spec)
        .replace(" no bgp default ipv4-unicast\n", &lines)
        .replace(&family, &format!("{family}{networks}"))
}

impl Restarts for Frr {
    fn start_with_routes(spec: Spec, routes: &[Route]) -> Self {
        let text = frr_text(&spec, routes, 60, "");
        Self::start_with(spec, &text)
    }

    fn die(&mut self) {
        self.kill();
    }

    fn come_back(&mut self, routes: &[Route]) {
        let text = frr_text(self.spec(), routes, 60, "");
        self.start_again(&text);
    }
}

/// What it announces again never goes; what it does not, goes at its End-of-RIB.
fn a_member_dies_and_comes_back<M: Restarts>(over: Over) {
    let mut lan = Lan::new();
    let (rs, origin, receiver) = (lan.host(), lan.host(), lan.host());
    let config = over.between(&rs, &origin, &receiver);
    let server = RouteServer::start_in(&rs, &config);
    let [stays, goes, comes] = over.prefixes().map(|prefix| over.route(&origin, prefix));
    let [prefix, before, _] = over.prefixes();
    let first = [stays.clone(), goes.clone()];
    let mut member = M::start_with_routes(over.spec(&origin, ORIGIN, &rs), &first);
    let mut receiver_daemon = Bird::start(over.spec(&receiver, RECEIVER, &rs));
    member.wait_established();
    receiver_daemon.wait_established();
    let prefixes = |daemon: &mut Bird| -> Result<Vec<String>, String> {
        let routes = daemon.routes()?;
        Ok(routes.iter().map(|route| route.prefix.to_string()).collect())
    };
    eventually("both routes", ARRIVE, || {
        let seen = prefixes(&mut receiver_daemon)?;
        ensure([prefix, before].iter().all(|one| seen.contains(&(*one).to_owned())), || {
            format!("{seen:?}")
        })
    });
    over.wait_forwards(&receiver, &origin);

    let watch = Watch::start(&receiver);
    member.die();
    wait_down(&server, over.of(&origin));
    let seen = prefixes(&mut receiver_daemon).unwrap();
    assert!(seen.contains(&before.to_owned()), "all is kept while it is away: {seen:?}");
    member.come_back(&[stays, comes]);
    member.wait_established();
    eventually("what it announces now", Duration::from_secs(60), || {
        let seen = prefixes(&mut receiver_daemon)?;
        let has = over.prefixes().map(|one| seen.contains(&one.to_owned()));
        ensure(has == [true, false, true], || format!("{seen:?}"))
    });
    over.wait_forwards(&receiver, &origin);
    saw_it_always(watch, prefix);
    let status = server.ask(&["member", &over.of(&receiver).to_string()]).unwrap();
    assert_eq!(status["flaps"], 0, "{status}");
}

#[test]
fn rfc4724_what_bird_announces_again_after_a_crash_was_never_away() {
    a_member_dies_and_comes_back::<Bird>(Over::V4);
}

#[test]
fn rfc4724_what_bird_announces_again_after_a_crash_was_never_away_of_ipv6() {
    a_member_dies_and_comes_back::<Bird>(Over::V6);
}

#[test]
fn rfc4724_what_frr_announces_again_after_a_crash_was_never_away() {
    a_member_dies_and_comes_back::<Frr>(Over::V4);
}

#[test]
fn rfc4724_what_frr_announces_again_after_a_crash_was_never_away_of_ipv6() {
    a_member_dies_and_comes_back::<Frr>(Over::V6);
}

/// The receiver is back long before the originator, whose routes it must not lose meanwhile.
fn we_die_and_come_back<R: Member>(start: impl Fn(Spec) -> R, over: Over) {
    let mut lan = Lan::new();
    let (rs, origin, receiver) = (lan.host(), lan.host(), lan.host());
    let config = over.between(&rs, &origin, &receiver);
    let mut server = RouteServer::start_in(&rs, &config);
    let mut origin_daemon = Bird::start(over.spec(&origin, ORIGIN, &rs));
    let mut receiver_daemon = start(over.spec(&receiver, RECEIVER, &rs));
    origin_daemon.wait_established();
    receiver_daemon.wait_established();
    let [prefix, ..] = over.prefixes();
    let route = over.route(&origin, prefix);
    let family = match over {
        Over::V4 => "ipv4",
        Over::V6 => "ipv6",
    };
    origin_daemon.announce(std::slice::from_ref(&route));
    receiver_daemon.wait_for_route(&route);
    over.wait_forwards(&receiver, &origin);
    wait_written_down(&server, [&origin, &receiver].map(|host| over.of(host)));

    let watch = Watch::start(&receiver);
    // The originator notices nothing for now.
    origin_daemon.signal("STOP");
    server.crash();
    let receiver_address = over.of(&receiver).to_string();
    eventually("the receiver is back, and held", Duration::from_secs(30), || {
        let status = server.ask(&["member", &receiver_address])?;
        let held = status["state"] == "established" && status["held"] == true;
        ensure(held, || status.to_string())
    });
    origin_daemon.signal("CONT");
    eventually("the receiver has been told", Duration::from_secs(60), || {
        let status = server.ask(&["member", &receiver_address])?;
        let told = status["held"] == false && status["routes"][family]["exported"] == 1;
        ensure(told, || status.to_string())
    });
    // It has dropped what we have not sent again by the time it has our End-of-RIB.
    stays("the route", Duration::from_secs(3), || {
        let seen = receiver_daemon.routes()?;
        ensure(seen.iter().any(|one| one.prefix == route.prefix), || format!("{seen:?}"))
    });
    saw_it_always(watch, prefix);
}

#[test]
fn rfc4724_s4_1_birds_forwarding_table_loses_nothing_while_we_are_killed_and_started_again() {
    we_die_and_come_back(Bird::start, Over::V4);
}

#[test]
fn rfc4724_s4_1_birds_forwarding_table_loses_nothing_while_we_are_killed_and_started_again_of_ipv6()
{
    we_die_and_come_back(Bird::start, Over::V6);
}

#[test]
fn rfc4724_s4_1_frrs_forwarding_table_loses_nothing_while_we_are_killed_and_started_again() {
    we_die_and_come_back(Frr::start, Over::V4);
}

#[test]
fn rfc4724_s4_1_frrs_forwarding_table_loses_nothing_while_we_are_killed_and_started_again_of_ipv6()
{
    we_die_and_come_back(Frr::start, Over::V6);
}

/// Restart time 1 s, then 40 s as long-lived stale: marked, for those who know what that is, but for
/// routes with NO_LLGR; then gone.
#[test]
fn rfc9494_birds_routes_live_on_marked_and_end() {
    const LLGR: &str = "llgr = \"40s\"";
    let mut lan = Lan::new();
    let (rs, origin, receiver, third) = (lan.host(), lan.host(), lan.host(), lan.host());
    let config = Config::on(&rs, RS)
        .member(ORIGIN, &address(&origin), LLGR)
        .member(RECEIVER, &address(&receiver), LLGR)
        .member(THIRD, &address(&third), "");
    let server = RouteServer::start_in(&rs, &config);
    let long_lived = "graceful restart on; graceful restart time 1;\
                      long lived graceful restart on; long lived stale time 40;";
    let mut member = bird_with(spec(&origin, ORIGIN, &rs), long_lived);
    let mut knows = bird_with(spec(&receiver, RECEIVER, &rs), long_lived);
    let mut ignorant = Bird::start(spec(&third, THIRD, &rs));
    for daemon in [&mut member, &mut knows, &mut ignorant] {
        daemon.wait_established();
    }
    let stays = route(&origin, PREFIX);
    let asks_not_to = route(&origin, BEFORE).community(NO_LLGR);
    member.announce(&[stays.clone(), asks_not_to.clone()]);
    for daemon in [&mut knows, &mut ignorant] {
        daemon.wait_for_route(&stays);
        daemon.wait_for_route(&asks_not_to);
    }
    wait_forwards(&receiver, &origin);

    let watch = Watch::start(&receiver);
    let began = Instant::now();
    member.kill();
    wait_down(&server, origin.v4().into());
    knows.wait_for_route(&stays.clone().community(LLGR_STALE));
    saw_it_always(watch, PREFIX);
    knows.wait_for_withdrawal(BEFORE);
    ignorant.wait_for_withdrawal(PREFIX);
    ignorant.wait_for_withdrawal(BEFORE);
    ends(&mut knows);
    let took = began.elapsed();
    assert!(took > Duration::from_secs(40), "1 s and 40 s, but gone after {took:?}");
}

/// The time as a long-lived stale route is over.
fn ends<M: Member>(knows: &mut M) {
    eventually("the end of the stale route", 3 * ARRIVE, || {
        let seen = knows.routes()?;
        ensure(seen.iter().all(|one| one.prefix.to_string() != PREFIX), || format!("{seen:?}"))
    });
}

/// The same with FRR as both: its routes are marked once its restart time is over, and it sees the mark
/// on another's.
#[test]
fn rfc9494_frrs_routes_live_on_marked_and_end() {
    const LLGR: &str = "llgr = \"40s\"";
    let mut lan = Lan::new();
    let (rs, origin, receiver, third) = (lan.host(), lan.host(), lan.host(), lan.host());
    let config = between(&rs, &origin, &receiver, LLGR).member(THIRD, &address(&third), "");
    let server = RouteServer::start_in(&rs, &config);
    let long_lived = " bgp long-lived-graceful-restart stale-time 40\n";
    // FRR sends a MED of 0 with its own routes.
    let stays = route(&origin, PREFIX).med(0);
    let spec_of = |host: &Host, asn| spec(host, asn, &rs);
    let start = |spec: Spec, routes: &[Route]| {
        let text = frr_text(&spec, routes, 1, long_lived);
        Frr::start_with(spec, &text)
    };
    let mut member = start(spec_of(&origin, ORIGIN), std::slice::from_ref(&stays));
    let mut knows = start(spec_of(&receiver, RECEIVER), &[]);
    let mut ignorant = Bird::start(spec_of(&third, THIRD));
    member.wait_established();
    knows.wait_established();
    ignorant.wait_established();
    knows.wait_for_route(&stays);
    ignorant.wait_for_route(&stays);
    wait_forwards(&receiver, &origin);

    let watch = Watch::start(&receiver);
    member.kill();
    wait_down(&server, origin.v4().into());
    knows.wait_for_route(&stays.clone().community(LLGR_STALE));
    saw_it_always(watch, PREFIX);
    ignorant.wait_for_withdrawal(PREFIX);
    ends(&mut knows);
}

/// Between FRR as the originator and FRR as the receiver, who agree on the N bit with us: `ends` ends
/// a session. Whether the receiver's forwarding table has the route all the time.
fn frr_agrees_on_notifications(lines: &str, ends: impl Fn(&RouteServer, &[Frr; 2])) -> bool {
    let mut lan = Lan::new();
    let (rs, origin, receiver) = (lan.host(), lan.host(), lan.host());
    let server = RouteServer::start_in(&rs, &between(&rs, &origin, &receiver, ""));
    let notifications = format!(" bgp graceful-restart notification\n{lines}");
    let own = route(&origin, PREFIX).med(0);
    let start = |host: &Host, asn, routes: &[Route]| {
        let spec = spec(host, asn, &rs);
        let text = frr_text(&spec, routes, 60, &notifications);
        let mut frr = Frr::start_with(spec, &text);
        frr.wait_established();
        frr
    };
    let mut both =
        [start(&origin, ORIGIN, std::slice::from_ref(&own)), start(&receiver, RECEIVER, &[])];
    both[1].wait_for_route(&own);
    wait_forwards(&receiver, &origin);
    let flaps = |host: &Host| {
        let status = server.ask(&["member", &host.v4().to_string()]).unwrap();
        status["flaps"].as_u64().unwrap()
    };
    let before = [flaps(&origin), flaps(&receiver)];
    let watch = Watch::start(&receiver);
    ends(&server, &both);
    eventually("a session has ended", ARRIVE, || {
        ensure([flaps(&origin), flaps(&receiver)] != before, || "no session".to_owned())
    });
    both.iter_mut().for_each(Member::wait_established);
    both[1].wait_for_route(&own);
    wait_forwards(&receiver, &origin);
    watch.end(PREFIX).is_empty()
}

#[test]
fn rfc8538_a_reset_of_frrs_loses_nothing() {
    let soft = " no bgp hard-administrative-reset\n";
    assert!(frr_agrees_on_notifications(soft, |_, [origin, _]| origin.clear()));
}

#[test]
fn rfc8538_a_hard_reset_of_frrs_lets_its_routes_go() {
    assert!(!frr_agrees_on_notifications("", |_, [origin, _]| origin.clear()));
}

/// Our own: FRR keeps what it has from us.
#[test]
fn rfc8538_a_reset_of_ours_loses_nothing_at_frr() {
    assert!(frr_agrees_on_notifications("", |server, [_, receiver]| {
        let address = receiver.spec().sessions[0].local.to_string();
        server.act(&["session", "reset", &address]);
    }));
}

/// We are away for longer than our restart time: BIRD keeps our routes as long-lived stale ones, and
/// they are as before when we are back.
#[test]
fn rfc9494_while_we_are_away_for_long_bird_keeps_forwarding() {
    const LLGR: &str = "llgr = \"60s\"";
    let mut lan = Lan::new();
    let (rs, origin, receiver) = (lan.host(), lan.host(), lan.host());
    let mut config = between(&rs, &origin, &receiver, LLGR);
    config.route_server = "restart_time = \"2s\"\n".to_owned();
    let mut server = RouteServer::start_in(&rs, &config);
    let long_lived = "long lived graceful restart on; long lived stale time 60;";
    let mut member = bird_with(spec(&origin, ORIGIN, &rs), long_lived);
    let mut knows = bird_with(spec(&receiver, RECEIVER, &rs), long_lived);
    member.wait_established();
    knows.wait_established();
    let route = route(&origin, PREFIX);
    member.announce(std::slice::from_ref(&route));
    knows.wait_for_route(&route);
    wait_forwards(&receiver, &origin);
    wait_written_down(&server, [&origin, &receiver].map(|host| host.v4().into()));

    let watch = Watch::start(&receiver);
    server.kill();
    eventually("it is stale for long", ARRIVE, || {
        let seen = knows.routes()?;
        let stale =
            |one: &Route| one.prefix == route.prefix && one.communities.contains(LLGR_STALE);
        ensure(seen.iter().any(stale), || format!("{seen:?}"))
    });
    server.start_again();
    member.wait_established();
    knows.wait_established();
    knows.wait_for_route(&route);
    saw_it_always(watch, PREFIX);
}
