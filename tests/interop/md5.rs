//! TCP MD5 signatures (RFC 2385) with each daemon: the right password, and a wrong one.

use std::net::IpAddr;

use rs_tests::support::bird::Bird;
use rs_tests::support::exabgp::ExaBgp;
use rs_tests::support::frr::Frr;
use rs_tests::support::gobgp::GoBgp;
use rs_tests::support::member::{ARRIVE, ESTABLISH, Member, Spec};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::openbgpd::OpenBgpd;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

const RS: u32 = 64500;
const MEMBER: u32 = 65010;
const RIGHT: &str = "right-password";
const PASSWORD: &str = "password = \"right-password\"";

/// Segments that the kernel of the route server's namespace dropped for a wrong signature.
fn refused_segments(rs: &Host) -> u64 {
    rs.kernel_counter("TcpExt", "TCPMD5Failure")
}

/// One session with the right password, the other with a wrong one: the first comes up, the
/// kernel drops the second's segments and it stays down.
fn one_right_one_wrong<M: Member>(start: impl Fn(Spec) -> M, wrong: usize) {
    let mut lan = Lan::new();
    let (rs, host) = (lan.host(), lan.host());
    let addresses = [host.v4().to_string(), host.v6().to_string()];
    let config = Config::on(&rs, RS).member(MEMBER, &addresses, PASSWORD);
    let mut server = RouteServer::start_in(&rs, &config);
    let mut spec = Spec::dual(&host, MEMBER, &rs, RS).with_password(RIGHT);
    spec.sessions[wrong].password = Some("wrong-password".to_owned());
    let remotes: Vec<IpAddr> = spec.sessions.iter().map(|session| session.remote).collect();
    let mut member = start(spec);

    eventually("the right password opens the session", ESTABLISH, || {
        member.session_up(remotes[1 - wrong])
    });
    eventually("the wrong password is noticed", ESTABLISH, || {
        ensure(refused_segments(&rs) > 0, || "no segment with a wrong signature".to_owned())
    });
    assert!(member.session_up(remotes[wrong]).is_err(), "a wrong password opens no session");
    eventually("the log says whose it may be", ESTABLISH, || {
        let said = server.log().contains("segments with a wrong signature");
        ensure(said, || "nothing is said of a wrong signature".to_owned())
    });
    let dropped = server.metric(9180, "rs_tcp_signature_failures_total", &["md5-wrong"]).unwrap();
    assert!(dropped > 0.0);
    server.still_runs().unwrap();
}

macro_rules! daemon {
    ($name:ident, $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn right_over_ipv4_and_wrong_over_ipv6() {
                one_right_one_wrong($kind::start, 1);
            }

            #[test]
            fn right_over_ipv6_and_wrong_over_ipv4() {
                one_right_one_wrong($kind::start, 0);
            }
        }
    };
}

daemon!(bird, Bird);
daemon!(openbgpd, OpenBgpd);
daemon!(frr, Frr);
daemon!(gobgp, GoBgp);
daemon!(exabgp, ExaBgp);

/// Two members over link-local addresses, one with a wrong password.
fn over_link_local<M: Member>(start: impl Fn(Spec) -> M) {
    let mut lan = Lan::new();
    let (rs, good, bad) = (lan.link_local_host(), lan.link_local_host(), lan.link_local_host());
    let config = Config::on_link_local(&rs, RS)
        .member(MEMBER, &[good.link_local().to_string()], PASSWORD)
        .member(MEMBER + 1, &[bad.link_local().to_string()], PASSWORD);
    let _server = RouteServer::start_in(&rs, &config);
    let mut good = start(Spec::link_local(&good, MEMBER, &rs, RS).with_password(RIGHT));
    let mut bad = start(Spec::link_local(&bad, MEMBER + 1, &rs, RS).with_password("wrong"));

    good.wait_established();
    eventually("the wrong password is noticed", ESTABLISH, || {
        ensure(refused_segments(&rs) > 0, || "no segment with a wrong signature".to_owned())
    });
    assert!(bad.session_up(IpAddr::V6(rs.link_local())).is_err());
}

#[test]
fn bird_over_link_local() {
    over_link_local(Bird::start);
}

#[test]
fn openbgpd_over_link_local() {
    over_link_local(OpenBgpd::start);
}

/// A reload that changes the password closes that session and no other; it is back when the member
/// has the new one, too.
#[test]
fn a_changed_password_takes_effect_on_reload() {
    let mut lan = Lan::new();
    let (rs, host, other_host) = (lan.host(), lan.host(), lan.host());
    let config = |password: &str| {
        Config::on(&rs, RS)
            .member(MEMBER, &[host.v4().to_string()], &format!("password = \"{password}\""))
            .member(MEMBER + 1, &[other_host.v4().to_string()], PASSWORD)
    };
    let server = RouteServer::start_in(&rs, &config("old"));
    let spec = |host: &Host, asn, password: &str| {
        let mut spec = Spec::dual(host, asn, &rs, RS).with_password(password);
        spec.sessions.truncate(1);
        spec
    };
    let remote = IpAddr::V4(rs.v4());
    let mut member = Bird::start(spec(&host, MEMBER, "old"));
    let mut other = Bird::start(spec(&other_host, MEMBER + 1, RIGHT));
    member.wait_established();
    other.wait_established();
    let route = Route::new("203.0.113.0/24", "65011", IpAddr::V4(other_host.v4()));
    other.announce(std::slice::from_ref(&route));
    member.wait_for_route(&route);
    let down = |what: &str| {
        eventually(what, ARRIVE, || {
            let status = server.ask(&["member", &host.v4().to_string()])?;
            ensure(status["state"] != "established", || status.to_string())
        });
    };
    let refused = refused_segments(&rs);

    server.reload(&config("new"));
    down("the session with the old password is closed");
    eventually("the old password is noticed", ESTABLISH, || {
        ensure(refused_segments(&rs) > refused, || "no segment with a wrong signature".to_owned())
    });
    assert!(member.session_up(remote).is_err(), "the old password opens no session");
    down("and stays so");

    member.reconfigure(spec(&host, MEMBER, "new"));
    member.wait_established();
    member.wait_for_route(&route);
    other.session_up(remote).unwrap();
    let flaps = |asn: &str| server.metric(9180, "rs_session_flaps_total", &[asn]);
    assert_eq!(flaps("asn=\"65010\""), Ok(1.0), "the session whose password changed");
    assert_eq!(flaps("asn=\"65011\""), Ok(0.0), "the other one never went down");
}

/// The kernel knows keys by address: on a listener with a global address, sessions with the same
/// link-local address on several interfaces have one.
#[test]
fn a_link_local_session_that_changes_its_interface_keeps_its_key() {
    let mut lan = Lan::new();
    let rs = lan.host();
    rs.ip("link add moved1 type veth peer name moved2");
    for interface in ["moved1", "moved2"] {
        rs.ip(&format!("link set {interface} up"));
    }
    let on = |interfaces: &[&str]| {
        interfaces.iter().zip(MEMBER..).fold(Config::on(&rs, RS), |config, (interface, asn)| {
            let (interface, password) = match interface.strip_suffix(" without") {
                Some(interface) => (interface, ""),
                None => (*interface, PASSWORD),
            };
            config.member(asn, &[format!("fe80::10%{interface}")], password)
        })
    };
    let keys = || {
        let output = rs.command("ss").args(["-tlni"]).output().expect("ss runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.matches("fe80::10").count()
    };
    // Listeners: a global one, and one on another interface.
    let server = RouteServer::start_in(&rs, &on(&["moved1"]));
    assert_eq!(keys(), 1, "on the global listener");
    for (interfaces, expected) in [
        (&["moved2"][..], 1),
        (&["moved2", "moved1"], 1),
        (&["moved1"], 1),
        (&[], 0),
        (&["moved1", "moved2"], 1),
        (&["moved2", "moved1 without"], 1),
        (&["moved1 without"], 0),
    ] {
        server.reload(&on(interfaces));
        assert_eq!(keys(), expected, "{interfaces:?}");
    }
}
