//! GTSM (RFC 5082) with BIRD on the other side: over IPv4, IPv6 and link-local addresses, and what
//! comes of it when one side alone has it.

use std::net::IpAddr;
use std::time::Duration;

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{ESTABLISH, Member, Spec};
use rs_tests::support::netns::Lan;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually, stays};

const RS: u32 = 64500;
const MEMBER: u32 = 65010;
const ON: &str = "ttl_security = true";

#[test]
fn both_sides_over_ipv4_and_ipv6() {
    let mut lan = Lan::new();
    let (rs, host) = (lan.host(), lan.host());
    let addresses = [host.v4().to_string(), host.v6().to_string()];
    let config = Config::on(&rs, RS).member(MEMBER, &addresses, ON);
    let _server = RouteServer::start_in(&rs, &config);
    Bird::start(Spec::dual(&host, MEMBER, &rs, RS).with_ttl_security()).wait_established();
}

#[test]
fn both_sides_over_link_local() {
    let mut lan = Lan::new();
    let (rs, host) = (lan.link_local_host(), lan.link_local_host());
    let addresses = [host.link_local().to_string()];
    let config = Config::on_link_local(&rs, RS).member(MEMBER, &addresses, ON);
    let _server = RouteServer::start_in(&rs, &config);
    Bird::start(Spec::link_local(&host, MEMBER, &rs, RS).with_ttl_security()).wait_established();
}

/// Both sides connect, and neither way of it works until both have GTSM.
#[test]
fn one_side_alone_opens_no_session_and_a_reload_does() {
    let mut lan = Lan::new();
    let (rs, host, other) = (lan.host(), lan.host(), lan.host());
    let config = |lines: &str| {
        let active = format!("passive = false\n{lines}");
        Config::on(&rs, RS).member(MEMBER, &[host.v6().to_string()], &active).member(
            MEMBER + 1,
            &[other.v6().to_string()],
            "",
        )
    };
    let server = RouteServer::start_in(&rs, &config(ON));
    let remote = IpAddr::V6(rs.v6());
    // Without GTSM it sends with a hop limit of one, to a neighbour.
    let mut member = Bird::start(Spec::global_v6(&host, MEMBER, &rs, RS));
    let mut other = Bird::start(Spec::global_v6(&other, MEMBER + 1, &rs, RS));
    other.wait_established();
    // Asked here: an OPEN that came before the connection was accepted is heard, and the answer to
    // it lets BIRD believe that its own was enough.
    let state = || {
        let all = server.ask(&["members"])?;
        let of = all.as_array().and_then(|all| all.iter().find(|one| one["asn"] == MEMBER));
        of.map(|one| one["state"].clone()).ok_or_else(|| format!("not a member: {all}"))
    };
    stays("segments from afar are not heard", Duration::from_secs(5), || {
        let state = state()?;
        ensure(state != "established", || "the session is up".to_owned())
    });
    server.reload(&config("ttl_security = false"));
    eventually("the session comes up without", ESTABLISH, || {
        let state = state()?;
        ensure(state == "established", || format!("it is {state}"))?;
        member.session_up(remote)
    });
    other.session_up(remote).unwrap();
    let flaps = server.metric(9180, "rs_session_flaps_total", &["asn=\"65011\""]).unwrap();
    assert!(flaps == 0.0, "the other session never went down, {flaps} flaps counted");
}
