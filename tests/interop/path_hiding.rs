//! RFC 7947 §2.3 as BIRD members see it: a best path that one of them may not have hides nothing.

use std::net::Ipv4Addr;

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};

const RS: u32 = 64500;
const BEST: u32 = 65011;
const SECOND: u32 = 65012;
const DENIED: u32 = 65013;
const OTHER: u32 = 65014;
const PREFIX: &str = "203.0.113.0/24";

#[test]
fn a_member_denied_the_best_path_has_the_second_best_whatever_happens_to_either() {
    let mut lan = Lan::new();
    let rs = lan.host();
    let hosts = [lan.host(), lan.host(), lan.host(), lan.host()];
    let [best, second, denied, other] = &hosts;
    let mut config = Config::on(&rs, RS);
    for (host, asn) in hosts.iter().zip([BEST, SECOND, DENIED, OTHER]) {
        config = config.member(asn, &[host.v4().to_string()], "");
    }
    let _server = RouteServer::start_in(&rs, &config);
    let bird = |host: &Host, asn| {
        let mut spec = Spec::dual(host, asn, &rs, RS);
        spec.sessions.truncate(1);
        let mut bird = Bird::start(spec);
        bird.wait_established();
        bird
    };
    let mut second_daemon = bird(second, SECOND);
    let mut denied_daemon = bird(denied, DENIED);
    let mut other_daemon = bird(other, OTHER);
    // Paths of equal length: the lowest BGP Identifier decides.
    let mut best_config = raw::Config::new(best.v4(), rs.v4(), BEST);
    best_config.router_id = Ipv4Addr::new(1, 0, 0, 1);
    let mut best_speaker = raw::Remote::established(best, best_config);

    let best_route = Route::new(PREFIX, "65011", best.v4().into());
    let hidden = best_route.clone().community(&format!("0:{DENIED}"));
    let second_route = Route::new(PREFIX, "65012", second.v4().into()).large("65012:0:1");
    let changed = second_route.clone().community("65012:2");

    best_speaker.announce(&hidden);
    second_daemon.wait_for_route(&best_route);
    denied_daemon.wait_for_withdrawal(PREFIX);

    // The second appears, changes, goes, comes again.
    second_daemon.announce(std::slice::from_ref(&second_route));
    denied_daemon.wait_for_route(&second_route);
    second_daemon.announce(std::slice::from_ref(&changed));
    denied_daemon.wait_for_route(&changed);
    second_daemon.announce(&[]);
    denied_daemon.wait_for_withdrawal(PREFIX);
    other_daemon.wait_for_route(&best_route);
    second_daemon.announce(std::slice::from_ref(&second_route));
    denied_daemon.wait_for_route(&second_route);

    // The first goes: everybody but its owner has the second.
    best_speaker.withdraw(PREFIX);
    other_daemon.wait_for_route(&second_route);
    denied_daemon.wait_for_route(&second_route);
    second_daemon.wait_for_withdrawal(PREFIX);

    // It comes back, allowed to all; then only its communities change.
    best_speaker.announce(&best_route);
    second_daemon.wait_for_route(&best_route);
    denied_daemon.wait_for_route(&best_route);
    best_speaker.announce(&hidden);
    denied_daemon.wait_for_route(&second_route);
    second_daemon.announce(&[]);
    denied_daemon.wait_for_withdrawal(PREFIX);
}
