//! Members that have nothing but link-local addresses: IPv4 and IPv6 routes with the originator's
//! link-local next hop, down to the kernel's routing table and the packets that follow it.

use std::net::IpAddr;

use rs_tests::support::bird::Bird;
use rs_tests::support::gobgp::GoBgp;
use rs_tests::support::member::{ARRIVE, Member, Spec, zoned};
use rs_tests::support::netns::{Host, INTERFACE, Lan};
use rs_tests::support::openbgpd::OpenBgpd;
use rs_tests::support::process::{output, require};
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire;

const RS: u32 = 64500;
const BIRD: u32 = 65011;
const THIRD: u32 = 65012;
const OTHER: u32 = 65013;
const LAST: u32 = 65014;

/// What a host announces: 203.0.N.0/24 and 2001:db8:N::/48, with its link-local next hop.
fn routes_of(host: &Host, asn: u32) -> [Route; 2] {
    let n = host.number;
    let route = |prefix: &str| {
        Route::new(prefix, &asn.to_string(), IpAddr::V6(host.link_local()))
            .med(u32::from(n))
            .community("65010:1")
            .large("65010:1:2")
    };
    [route(&format!("203.0.{n}.0/24")), route(&format!("2001:db8:{n}::/48"))]
}

/// The kernel of `at` sends what goes to `route` to the originator's link-local address.
fn forwards(at: &Host, route: &Route) {
    let next_hop = route.link_local.unwrap();
    let (family, via) = if route.prefix.addr().is_ipv4() {
        ("-4", format!("via inet6 {next_hop} dev {INTERFACE}"))
    } else {
        ("-6", format!("via {next_hop} dev {INTERFACE}"))
    };
    eventually(&format!("the kernel has {}", route.prefix), ARRIVE, || {
        let shown = at.ip(&format!("{family} route show {}", route.prefix));
        ensure(shown.contains(&via), || format!("{via:?} expected, shown: {shown:?}"))
    });
}

/// A route server and members, all with link-local addresses only.
fn exchange<const N: usize>(lines: [&str; N]) -> (Lan, Host, [Host; N], RouteServer) {
    let mut lan = Lan::new();
    let rs = lan.link_local_host();
    let hosts = lines.map(|_| lan.link_local_host());
    let mut config = Config::on_link_local(&rs, RS);
    for ((host, asn), lines) in hosts.iter().zip([BIRD, THIRD, OTHER, LAST]).zip(lines) {
        config = config.member(asn, &[zoned(IpAddr::V6(host.link_local()))], lines);
    }
    let server = RouteServer::start_in(&rs, &config);
    (lan, rs, hosts, server)
}

#[test]
fn bird_and_gobgp_reach_a_third_member_with_their_own_next_hops() {
    // GoBGP takes `::` with a link-local address for an unspecified next hop.
    let gobgp_lines = "link_local_next_hop = \"single\"";
    let (_lan, rs, [bird, third, gobgp], _server) = exchange(["", "", gobgp_lines]);
    let [bird_routes, third_routes, gobgp_routes] =
        [(&bird, BIRD), (&third, THIRD), (&gobgp, OTHER)].map(|(h, asn)| routes_of(h, asn));
    let mut bird_daemon = Bird::start(Spec::link_local(&bird, BIRD, &rs, RS));
    let mut third_daemon = Bird::start(Spec::link_local(&third, THIRD, &rs, RS));
    let mut gobgp_daemon = GoBgp::start(Spec::link_local(&gobgp, OTHER, &rs, RS));
    bird_daemon.wait_established();
    third_daemon.wait_established();
    gobgp_daemon.wait_established();
    bird_daemon.announce(&bird_routes);
    third_daemon.announce(&third_routes);
    gobgp_daemon.announce(&gobgp_routes);

    for route in bird_routes.iter().chain(&gobgp_routes) {
        third_daemon.wait_for_route(route);
        forwards(&third, route);
    }
    for route in bird_routes.iter().chain(&third_routes) {
        gobgp_daemon.wait_for_route(route);
    }

    gobgp_daemon.announce(&[]);
    for route in &gobgp_routes {
        third_daemon.wait_for_withdrawal(&route.prefix.to_string());
    }
}

#[test]
fn openbgpd_exchanges_ipv6_routes() {
    let openbgpd_lines = "families = [\"v6\"]\nlink_local_next_hop = \"single\"";
    let (_lan, rs, [bird, third, openbgpd], _server) = exchange(["", "", openbgpd_lines]);
    let mut spec = Spec::link_local(&openbgpd, OTHER, &rs, RS);
    // It has no RFC 8950 and would announce its IPv4 routes with next hop 127.0.0.1.
    spec.sessions[0].v4 = false;
    let mut bird_daemon = Bird::start(Spec::link_local(&bird, BIRD, &rs, RS));
    let mut third_daemon = Bird::start(Spec::link_local(&third, THIRD, &rs, RS));
    let mut openbgpd_daemon = OpenBgpd::start(spec);
    bird_daemon.wait_established();
    third_daemon.wait_established();
    openbgpd_daemon.wait_established();
    let bird_routes = routes_of(&bird, BIRD);
    let [_, openbgpd_v6] = routes_of(&openbgpd, OTHER);
    bird_daemon.announce(&bird_routes);
    openbgpd_daemon.announce(std::slice::from_ref(&openbgpd_v6));

    third_daemon.wait_for_route(&openbgpd_v6);
    forwards(&third, &openbgpd_v6);
    openbgpd_daemon.wait_for_route(&bird_routes[1]);
    let seen = openbgpd_daemon.routes().unwrap();
    let v4 = seen.iter().find(|route| route.prefix.addr().is_ipv4());
    assert!(v4.is_none(), "a session without IPv4 carries none: {v4:?}");
}

#[test]
fn traffic_passes_between_two_members_prefixes() {
    let ping = require("ping", "iputils-ping");
    let (_lan, rs, [left, right], _server) = exchange(["", ""]);
    let start = |host: &Host, asn| {
        let n = host.number;
        host.ip(&format!("addr add 203.0.{n}.1/32 dev lo"));
        host.ip(&format!("addr add 2001:db8:{n}::1/128 dev lo"));
        let mut daemon = Bird::start(Spec::link_local(host, asn, &rs, RS));
        daemon.wait_established();
        daemon.announce(&routes_of(host, asn));
        daemon
    };
    let _left_daemon = start(&left, BIRD);
    let _right_daemon = start(&right, THIRD);
    for route in routes_of(&left, BIRD) {
        forwards(&right, &route);
    }
    for route in routes_of(&right, THIRD) {
        forwards(&left, &route);
    }
    let (from, to) = (left.number, right.number);
    for (source, target) in [
        (format!("203.0.{from}.1"), format!("203.0.{to}.1")),
        (format!("2001:db8:{from}::1"), format!("2001:db8:{to}::1")),
    ] {
        eventually(&format!("{source} reaches {target}"), ARRIVE, || {
            let mut command = left.command(&ping);
            output(command.args(["-n", "-c", "3", "-i", "0.2", "-W", "2", "-I", &source, &target]))
        });
    }
}

/// Every form of a link-local next hop comes in, and goes out in the form the receiver asked for.
#[test]
fn each_form_of_a_link_local_next_hop_is_taken_and_given() {
    let lines = ["", "", "link_local_next_hop = \"single\"", "link_local_next_hop = \"double\""];
    let (_lan, rs, hosts, _server) = exchange(lines);
    let speaker = |host: &Host, asn| {
        let local = zoned(IpAddr::V6(host.link_local()));
        let remote = zoned(IpAddr::V6(rs.link_local()));
        raw::Remote::established(host, raw::Config::new(local, remote, asn))
    };
    let mut from = speaker(&hosts[0], BIRD);
    let routes = routes_of(&hosts[0], BIRD);
    let address = hosts[0].link_local().octets();
    let native = [[0; 16], address].concat();
    let double = [address, address].concat();
    let mut receivers = [
        (speaker(&hosts[1], THIRD), &native),
        (speaker(&hosts[2], OTHER), &address.to_vec()),
        (speaker(&hosts[3], LAST), &double),
    ];
    for form in [&address.to_vec(), &native, &double] {
        for route in &routes {
            let (attributes, _) = wire::attributes_of(route, true);
            let nlri = wire::Nlri { prefix: route.prefix, path_id: None };
            from.send(&wire::announcement(&attributes, form, &[nlri]));
        }
        for (receiver, given) in &mut receivers {
            eventually("both families arrive", ARRIVE, || {
                let seen = receiver.routes();
                ensure(seen == routes, || format!("expected {routes:?}\n    seen {seen:?}"))
            });
            assert_eq!(receiver.next_hops(), [&given[..]; 2], "what came in as {form:?}");
        }
        for route in &routes {
            from.withdraw(&route.prefix.to_string());
        }
        for (receiver, _) in &mut receivers {
            eventually("both are withdrawn", ARRIVE, || {
                let seen = receiver.routes();
                ensure(seen.is_empty(), || format!("{seen:?}"))
            });
        }
    }
}

/// A next hop that is not the member's own, or is the route server's, is refused (hijack).
#[test]
fn a_foreign_link_local_next_hop_is_refused() {
    let (_lan, rs, [sender, receiver], server) = exchange(["", ""]);
    let speaker = |host: &Host, asn| {
        let local = zoned(IpAddr::V6(host.link_local()));
        let remote = zoned(IpAddr::V6(rs.link_local()));
        raw::Remote::established(host, raw::Config::new(local, remote, asn))
    };
    let mut from = speaker(&sender, BIRD);
    let mut to = speaker(&receiver, THIRD);
    let own = routes_of(&sender, BIRD);
    for (foreign, prefix) in [(&rs, "2001:db8:a::/48"), (&receiver, "2001:db8:b::/48")] {
        from.announce(&Route::new(prefix, &BIRD.to_string(), IpAddr::V6(foreign.link_local())));
    }
    from.announce(&own[1]);
    eventually("the one with its own next hop arrives", ARRIVE, || {
        let seen = to.routes();
        ensure(seen == own[1..], || format!("{seen:?}"))
    });
    let labels = ["reason=\"next-hop"];
    eventually("the others are counted", ARRIVE, || {
        let count = server.metric(9180, "rs_filtered_routes", &labels)?;
        ensure(count == 2.0, || format!("{count} filtered"))
    });
}
