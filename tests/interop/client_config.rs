//! What `rsctl client-config` prints, given to real daemons as it is: the sessions come up, nothing
//! goes out until the member says what, and no default route comes in.

use std::net::IpAddr;

use rs_tests::support::bird::Bird;
use rs_tests::support::frr::Frr;
use rs_tests::support::member::{ARRIVE, ESTABLISH, Member, Session, Spec, zoned};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::openbgpd::OpenBgpd;
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;

const RS: u32 = 64500;
const MEMBER: u32 = 65011;
const OTHER: u32 = 65012;
/// What the other member announces.
const THEIRS: [&str; 2] = ["203.0.113.0/24", "2001:db8:113::/48"];
const DEFAULT: &str = "0.0.0.0/0";
/// What the member may announce once it has said so, and what it has besides.
const MINE: [&str; 2] = ["198.51.100.0/24", "2001:db8:100::/48"];
const NOT_FOR_ALL: [&str; 2] = ["198.51.101.0/24", "2001:db8:101::/48"];

/// A daemon and its syntax.
struct Style {
    name: &'static str,
    start: fn(Spec, &str) -> Box<dyn Member>,
    /// The configuration with the prefixes filled in, and routes to announce.
    filled: fn(&str) -> String,
    /// Whether it has RFC 8950.
    v4_over_v6: bool,
}

const BIRD: Style = Style {
    name: "bird",
    start: |spec, text| Box::new(Bird::start_with(spec, text)),
    filled: |text| {
        let mut text = text
            .replace("[ 0.0.0.0/32 ]", &format!("[ {} ]", MINE[0]))
            .replace("[ ::/128 ]", &format!("[ {} ]", MINE[1]));
        for (family, index) in [("ipv4", 0), ("ipv6", 1)] {
            text += &format!(
                "protocol static {{ {family}; route {} unreachable; route {} unreachable; }}\n",
                MINE[index], NOT_FOR_ALL[index]
            );
        }
        text
    },
    v4_over_v6: true,
};

const FRR: Style = Style {
    name: "frr",
    start: |spec, text| Box::new(Frr::start_with(spec, text)),
    filled: |text| {
        let mut text = text.replace("! ip prefix-list", "ip prefix-list");
        text = text.replace("! ipv6 prefix-list", "ipv6 prefix-list");
        text = text.replacen("YOUR-PREFIX", MINE[0], 1).replacen("YOUR-PREFIX", MINE[1], 1);
        text += &format!("router bgp {MEMBER}\n no bgp network import-check\n");
        for (family, index) in [("ipv4", 0), ("ipv6", 1)] {
            text += &format!(
                " address-family {family} unicast\n  network {}\n  network {}\n \
                 exit-address-family\n",
                MINE[index], NOT_FOR_ALL[index]
            );
        }
        text + "exit\n"
    },
    v4_over_v6: true,
};

const OPENBGPD: Style = Style {
    name: "openbgpd",
    start: |spec, text| Box::new(OpenBgpd::start_with(spec, text)),
    filled: |text| {
        let mut text = text.replace(
            "my-prefixes { 0.0.0.0/32 }",
            &format!("my-prefixes {{ {} {} }}", MINE[0], MINE[1]),
        );
        for prefix in MINE.iter().chain(&NOT_FOR_ALL) {
            text += &format!("network {prefix}\n");
        }
        text
    },
    v4_over_v6: false,
};

/// The route server lets a default route through, and next hops of the whole LAN.
fn config(rs: &Host) -> Config {
    let mut config = Config::on(rs, RS);
    config.import += "next_hop = \"lan\"\nprefix_length = { v4 = [0, 24], v6 = [12, 48] }\n";
    config
}

/// Prefixes that the route server has from, or sends to, one session.
fn prefixes(
    server: &RouteServer,
    direction: &str,
    session: &Session,
) -> Result<Vec<String>, String> {
    let answer = server.ask(&["routes", direction, &zoned(session.local), "--rs", "rs1"])?;
    let routes = answer.as_array().cloned().unwrap_or_default();
    let prefix = |route: &Value| route["prefix"].as_str().unwrap_or_default().to_owned();
    let mut prefixes: Vec<_> = routes.iter().map(prefix).collect();
    prefixes.sort();
    Ok(prefixes)
}

fn wait_up(server: &RouteServer, sessions: &[Session]) {
    eventually("sessions at the route server", ESTABLISH, || {
        for session in sessions {
            let member = server.ask(&["member", &zoned(session.local), "--rs", "rs1"])?;
            ensure(member["state"] == "established", || member["state"].to_string())?;
        }
        Ok(())
    });
}

/// Of two prefixes, those whose family a session carries.
fn carried(session: &Session, of: [&str; 2]) -> Vec<String> {
    let mut carried = Vec::new();
    carried.extend(session.v4.then(|| of[0].to_owned()));
    carried.extend(session.v6.then(|| of[1].to_owned()));
    carried.sort();
    carried
}

fn check(style: &Style, spec: fn(&Host, u32, &Host, u32) -> Spec, lines: &str) {
    let mut lan = Lan::new();
    let (rs, other, host) = (lan.host(), lan.host(), lan.host());
    let mut spec = spec(&host, MEMBER, &rs, RS);
    let addresses: Vec<_> = spec.sessions.iter().map(|session| zoned(session.local)).collect();
    let both = "families = [\"v4\", \"v6\"]";
    let config = config(&rs)
        .member(OTHER, &[other.v4().to_string()], both)
        .member(MEMBER, &addresses, lines);
    let server = RouteServer::start_in(&rs, &config);
    for session in &mut spec.sessions {
        session.v4 &= style.v4_over_v6 || session.local.is_ipv4();
    }

    // As it was printed.
    let answer = server.ask(&["client-config", &MEMBER.to_string(), "--style", style.name]);
    let text = answer.unwrap()["text"].as_str().unwrap().to_owned();
    let mut daemon = (style.start)(spec.clone(), &text);
    wait_up(&server, &spec.sessions);
    let mut theirs = raw::Remote::established(&other, raw::Config::new(other.v4(), rs.v4(), OTHER));
    theirs.announce(&Route::new(DEFAULT, "65012", IpAddr::V4(other.v4())));
    let v4 = spec.sessions.iter().find(|session| session.v4);
    if let Some(session) = v4 {
        eventually("the default route goes out", ARRIVE, || {
            let sent = prefixes(&server, "--to", session)?;
            ensure(sent.iter().any(|prefix| prefix == DEFAULT), || format!("{sent:?}"))
        });
    }
    theirs.announce(&Route::new(THEIRS[0], "65012", IpAddr::V4(other.v4())));
    theirs.announce(&Route::new(THEIRS[1], "65012", IpAddr::V6(other.v6())));
    let mut expected: Vec<_> =
        spec.sessions.iter().flat_map(|session| carried(session, THEIRS)).collect();
    expected.sort();
    eventually("the other member's routes, and no default route", ARRIVE, || {
        let mut has: Vec<_> =
            daemon.routes()?.iter().map(|route| route.prefix.to_string()).collect();
        has.sort();
        ensure(has == expected, || format!("{has:?}, expected {expected:?}"))
    });
    for session in &spec.sessions {
        assert_eq!(prefixes(&server, "--from", session).unwrap(), [""; 0], "nothing goes out");
    }
    drop(daemon);

    // With the member's prefixes in it.
    let daemon = (style.start)(spec.clone(), &(style.filled)(&text));
    wait_up(&server, &spec.sessions);
    for session in &spec.sessions {
        eventually("the prefixes that were filled in", ARRIVE, || {
            let has = prefixes(&server, "--from", session)?;
            let expected = carried(session, MINE);
            ensure(has == expected, || format!("{has:?}, expected {expected:?}"))
        });
    }
    drop(daemon);
}

const GTSM: &str = "ttl_security = true";

#[test]
fn bird_takes_its_configuration_as_it_is() {
    check(&BIRD, Spec::dual, GTSM);
}

#[test]
fn bird_takes_its_configuration_with_link_local_addresses() {
    check(&BIRD, Spec::link_local, "");
}

#[test]
fn frr_takes_its_configuration_as_it_is() {
    check(&FRR, Spec::dual, GTSM);
}

#[test]
fn frr_takes_its_configuration_over_global_ipv6() {
    check(&FRR, Spec::global_v6, "");
}

#[test]
fn openbgpd_takes_its_configuration_as_it_is() {
    check(&OPENBGPD, Spec::dual, GTSM);
}

#[test]
fn openbgpd_takes_its_configuration_with_link_local_addresses() {
    check(&OPENBGPD, Spec::link_local, "");
}
