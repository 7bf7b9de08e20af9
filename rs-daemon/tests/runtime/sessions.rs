//! Sessions: refused, limited, taken down, ended.

use std::time::{Duration, Instant};

use bgp_wire::Asn;
use rs_daemon::runtime::query::{SessionAction, ShutdownKind};
use rs_daemon::runtime::status::SessionState;

use crate::support::{Running, Speaker, head, member, prefixes};

const ENGINE: &str = "shards = 1\nworkers = 2";

#[test]
fn an_unconfigured_address_is_refused_and_counted() {
    let rs = Running::with_members(ENGINE, &[11]);
    let mut stranger = Speaker::connect(99, rs.port);
    stranger.until_closed();
    assert!(stranger.opened.is_none());
    let servers = rs.ask(rs.handle.route_servers());
    assert_eq!(servers[0].listeners[0].refused_unconfigured, 1);
}

#[test]
fn a_wrong_as_gets_bad_peer_as() {
    let rs = Running::with_members(ENGINE, &[11]);
    let mut wrong = Speaker::connect(11, rs.port);
    let mut capabilities = Speaker::capabilities(11);
    capabilities.retain(|c| !matches!(c, bgp_wire::Capability::FourOctetAs(_)));
    capabilities.push(bgp_wire::Capability::FourOctetAs(Asn(1_000_077)));
    wrong.open(capabilities);
    wrong.until_closed();
    let notification = wrong.notification.unwrap();
    assert_eq!((notification.code, notification.subcode), (2, 2));
}

#[test]
fn a_shutdown_tells_every_member_why_and_ends_the_threads() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let mut members = [rs.join(11), rs.join(12)];
    rs.handle.shutdown(ShutdownKind::Cease);
    for member in &mut members {
        member.until_closed();
        let notification = member.notification.take().unwrap();
        assert_eq!((notification.code, notification.subcode), (6, 2));
        assert_eq!(notification.shutdown_text().as_deref(), Some("route server is shutting down"));
    }
    rs.stop(ShutdownKind::Cease);
}

#[test]
fn a_graceful_shutdown_closes_without_a_word() {
    let rs = Running::with_members(ENGINE, &[11]);
    let mut member = rs.join(11);
    rs.handle.shutdown(ShutdownKind::Graceful);
    member.until_closed();
    assert!(member.notification.is_none());
}

#[test]
fn a_disabled_session_says_why_and_stays_down_until_it_is_enabled() {
    let rs = Running::with_members(ENGINE, &[11]);
    let mut peer = rs.join(11);
    let disable = SessionAction::Disable { text: Some("unpaid".to_owned()) };
    rs.ask(rs.handle.session_action(&rs.id(11), disable)).unwrap();
    peer.until_closed();
    assert_eq!(peer.notification.unwrap().shutdown_text().as_deref(), Some("unpaid"));
    let status = rs.session(11);
    assert_eq!(status.state, SessionState::Disabled);
    assert_eq!(status.disabled.as_deref(), Some("unpaid"));
    let mut refused = Speaker::connect(11, rs.port);
    refused.until_closed();

    rs.ask(rs.handle.session_action(&rs.id(11), SessionAction::Enable)).unwrap();
    let peer = rs.join(11);
    assert!(peer.established);
}

#[test]
fn soft_in_asks_the_peer_for_its_routes() {
    let rs = Running::with_members(ENGINE, &[11]);
    let mut peer = rs.join(11);
    peer.until("End-of-RIB", |m| !m.marks.is_empty());
    rs.ask(rs.handle.session_action(&rs.id(11), SessionAction::SoftIn)).unwrap();
    peer.until("ROUTE-REFRESH", |m| {
        m.marks.iter().any(|(mark, _)| *mark == crate::support::Mark::Refresh(0))
    });
}

#[test]
fn one_prefix_too_many_ends_the_session_with_cease_1() {
    for engine in ["shards = 1\nworkers = 1", "shards = 4\nworkers = 2"] {
        let rs = Running::start(|port| {
            head(port, engine)
                + &member(11, "max_prefixes = { v4 = 100, action = \"shutdown\" }")
                + &member(12, "")
        });
        let (mut many, mut other) = (rs.join(11), rs.join(12));
        many.announce(&many.attributes(), &prefixes(0..100));
        other.until("what is allowed", |m| m.table.len() == 100);
        assert_eq!(rs.session(11).state, SessionState::Established);
        many.announce(&many.attributes(), &prefixes(100..101));
        many.until_closed();
        let notification = many.notification.unwrap();
        assert_eq!((notification.code, notification.subcode), (6, 1));
        other.until("nothing", |m| m.table.is_empty());
        assert_eq!(rs.session(11).state, SessionState::Disabled);
        rs.ask(rs.handle.session_action(&rs.id(11), SessionAction::Enable)).unwrap();
        rs.join(11);
    }
}

#[test]
fn a_blocked_excess_is_asked_for_when_there_is_room() {
    let rs = Running::start(|port| {
        head(port, ENGINE)
            + &member(11, "max_prefixes = { v4 = 100, action = \"block\" }")
            + &member(12, "")
    });
    let (mut many, mut other) = (rs.join(11), rs.join(12));
    many.announce(&many.attributes(), &prefixes(0..120));
    other.until("what is allowed", |m| m.table.len() == 100);
    many.withdraw(&prefixes(0..40));
    many.until("ROUTE-REFRESH", |m| {
        m.marks.iter().any(|(mark, _)| *mark == crate::support::Mark::Refresh(0))
    });
    many.announce(&many.attributes(), &prefixes(40..120));
    other.until("all that is left", |m| m.table.len() == 80);
    assert_eq!(rs.session(11).state, SessionState::Established);
}

#[test]
fn a_limit_on_accepted_routes_leaves_rejected_ones_out() {
    let limit = "max_prefixes = { v4 = 100, action = \"shutdown\", count = \"accepted\" }";
    let rs = Running::start(|port| head(port, ENGINE) + &member(11, limit) + &member(12, ""));
    let (mut many, mut other) = (rs.join(11), rs.join(12));
    // Another AS stands first: rejected.
    let path = bgp_wire::AsPath::from_sequence(&[Asn(1_000_099)]);
    let rejected = bgp_wire::PathAttributes { as_path: path, ..many.attributes() };
    many.announce(&rejected, &prefixes(1000..1500));
    many.announce(&many.attributes(), &prefixes(0..100));
    other.until("what is allowed", |m| m.table.len() == 100);
    let status = rs.session(11);
    assert_eq!((status.routes[0].received, status.routes[0].accepted), (600, 100));
    many.announce(&many.attributes(), &prefixes(100..101));
    many.until_closed();
    assert_eq!(many.notification.map(|n| (n.code, n.subcode)), Some((6, 1)));
}

/// A member that opens connections faster than they end must not hold a descriptor for each.
#[test]
fn few_closing_connections_of_a_session_are_waited_for() {
    let rs = Running::with_members(ENGINE, &[11]);
    let _peer = rs.join(11);
    // What is closed on both sides answers octets with a reset; what is half closed takes them.
    let gone = |refused: &[Speaker]| refused.iter().filter(|one| !one.takes_octets()).count();
    // Each would be waited for 3 s. On a machine that stands still meanwhile that says nothing.
    for _ in 0..5 {
        let begun = Instant::now();
        // The session is up: each of these is refused with Cease/7, and the member closes none.
        let mut refused: Vec<_> = (0..20).map(|_| Speaker::connect(11, rs.port)).collect();
        for one in &mut refused {
            one.open(Speaker::capabilities(11));
            one.until_closed();
        }
        while begun.elapsed() < Duration::from_millis(2500) {
            if gone(&refused) >= 16 && begun.elapsed() < Duration::from_millis(2500) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    panic!("all are waited for");
}
