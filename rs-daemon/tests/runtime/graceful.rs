//! Graceful restart, the members' and our own, and long-lived stale routes.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use bgp_wire::{
    AsPath, Asn, Capability, Community, Family, LargeCommunity, LongLivedFamily, NextHop,
    PathAttributes, Prefix,
};
use rs_daemon::runtime::query::{RouteQuery, SessionAction, ShutdownKind};

use crate::support::{Mark, Running, Speaker, asn, head, member, prefix, prefixes};

const ENGINE: &str = "shards = 2\nworkers = 2";
const V4: &[Family] = &[Family::V4];

fn prefixes6(range: std::ops::Range<u128>) -> Vec<Prefix> {
    let base: u128 = 0x2a00_0100 << 96;
    range.map(|n| Prefix::v6((base + (n << 80)).into(), 48).unwrap()).collect()
}

fn over_v6(speaker: &Speaker) -> PathAttributes {
    let global: Ipv6Addr = "2001:db8:1::11".parse().unwrap();
    let next_hop = NextHop::V6 { global: Some(global), link_local: None };
    PathAttributes { next_hop, ..speaker.attributes() }
}

fn has(speaker: &Speaker, mark: Mark) -> bool {
    speaker.marks.iter().any(|(seen, _)| *seen == mark)
}

const END: Mark = Mark::EndOfRib(Family::V4);

#[test]
fn a_family_outside_the_peers_graceful_restart_goes_with_the_session() {
    let both = "families = [\"v4\", \"v6\"]\n";
    let rs =
        Running::start(|port| head(port, ENGINE) + &member(11, "") + both + &member(12, "") + both);
    let dual = |mut capabilities: Vec<Capability>| {
        capabilities.push(Capability::multi_protocol(Family::V6));
        capabilities
    };
    let mut stays = rs.join_with(12, dual(Speaker::capabilities(12)));
    // Both families are negotiated; graceful restart names IPv4 only.
    let mut lost = rs.join_with(11, dual(Speaker::graceful(11, 120, V4)));
    lost.announce(&lost.attributes(), &prefixes(0..10));
    lost.announce(&over_v6(&lost), &prefixes6(0..10));
    stays.until("both families", |m| m.table.len() == 20);
    drop(lost);
    rs.until(11, "down", |s| s.flaps == 1);
    stays.until("IPv6 withdrawn, IPv4 kept", |m| {
        m.table.len() == 10 && m.table.keys().all(|prefix| prefix.family() == Family::V4)
    });
    let query = RouteQuery { from: Some(rs.id(11)), ..RouteQuery::default() };
    let kept = rs.ask(rs.handle.routes(&query, None, 1000)).unwrap().routes;
    assert_eq!(kept.len(), 10);
    assert!(kept.iter().all(|route| route.stale));
}

/// With long-lived graceful restart for so many seconds.
fn long_lived(mut capabilities: Vec<Capability>, secs: u32) -> Vec<Capability> {
    capabilities.push(Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
        afi: 1,
        safi: 1,
        forwarding: true,
        stale_time: secs,
    }]));
    capabilities
}

/// What long-lived stale routes keep in memory is bounded as if one session had sent it: a member
/// cannot leave 4,000 routes with 4 kB each again and again.
#[test]
fn rfc9494_attributes_of_one_session_after_the_other_are_bounded() {
    let lines = "llgr = \"1h\"\nmax_prefixes = { v4 = 10000, v6 = 100 }\n";
    let rs = Running::start(|port| head(port, ENGINE) + &member(11, lines));
    let size = 4000;
    for round in 0..3 {
        let mut owner = rs.join_with(11, long_lived(Speaker::graceful(11, 0, V4), 3600));
        let own = owner.attributes();
        for n in round * size..(round + 1) * size {
            let one = |m| LargeCommunity { global: 4_200_000_000, local1: n, local2: m };
            let large_communities = (0..330).map(one).collect();
            owner.announce(
                &PathAttributes { large_communities, ..own.clone() },
                &prefixes(n..n + 1),
            );
        }
        // Two sessions' are more than one may have: the third begins with nothing of them.
        let expected = u64::from(if round == 2 { size } else { (round + 1) * size });
        rs.until(11, &format!("round {round}"), |s| s.routes[0].received == expected);
        drop(owner);
        rs.until(11, "down", |s| s.flaps == u64::from(round) + 1);
        rs.ask(rs.handle.session_action(&rs.id(11), SessionAction::Enable)).unwrap();
    }
}

#[test]
fn long_lived_stale_routes_are_marked_go_only_where_allowed_and_end() {
    const LLGR_STALE: Community = Community(0xffff_0006);
    const NO_LLGR: Community = Community(0xffff_0007);
    let llgr = "llgr = \"40s\"\n";
    let rs = Running::start(|port| {
        head(port, ENGINE)
            + &member(11, "")
            + llgr
            + &member(12, "")
            + llgr
            + &member(13, "")
            + &member(14, "")
    });
    let mut knows = rs.join_with(12, long_lived(Speaker::graceful(12, 120, V4), 40));
    knows.end_of_rib();
    let (mut ignorant, mut second) = (rs.join(13), rs.join(14));
    let mut lost = rs.join_with(11, long_lived(Speaker::graceful(11, 1, V4), 40));
    lost.announce(&lost.attributes(), &prefixes(0..10));
    let mine = PathAttributes { communities: Box::new([NO_LLGR]), ..lost.attributes() };
    lost.announce(&mine, &prefixes(10..12));
    lost.end_of_rib();
    // A longer path to the first of them.
    let path = AsPath::from_sequence(&[Asn(asn(14)), Asn(9002)]);
    second.announce(&PathAttributes { as_path: path, ..second.attributes() }, &prefixes(0..1));
    let owner = |m: &Speaker| m.table.get(&prefix(0)).and_then(|a| a.as_path.first());
    for member in [&mut knows, &mut ignorant] {
        member.until("all of them", |m| m.table.len() == 12 && owner(m) == Some(Asn(asn(11))));
    }

    drop(lost);
    rs.until(11, "down", |s| s.flaps == 1);
    let marked =
        |m: &Speaker| m.table.values().filter(|a| a.communities.contains(&LLGR_STALE)).count();
    // The fresh path beats the stale one; what asked for it is gone; the rest is marked.
    knows.until("stale ones", |m| {
        m.table.len() == 10 && marked(m) == 9 && owner(m) == Some(Asn(asn(14)))
    });
    ignorant.until("none of them", |m| m.table.len() == 1 && owner(m) == Some(Asn(asn(14))));
    assert_eq!(marked(&ignorant), 0);
    knows.until("the end", |m| m.table.len() == 1);
    assert_eq!(rs.session(11).routes[0].received, 0);
}

// Our own restart.

/// Members 11 and 12 with graceful restart, 13 without; all have told us what they have, and stay
/// connected until we end.
fn before_restart() -> (Running, Vec<Speaker>) {
    let mut rs = Running::with_members(ENGINE, &[11, 12, 13]);
    let mut members = vec![
        rs.join_with(11, Speaker::graceful(11, 120, V4)),
        rs.join_with(12, Speaker::graceful(12, 120, V4)),
        rs.join(13),
    ];
    for (n, member) in (0..).zip(&mut members) {
        member.announce(&member.attributes(), &prefixes(n * 10..n * 10 + 10));
        member.end_of_rib();
    }
    for member in &mut members {
        member.until("all routes", |m| m.table.len() == 20 && has(m, END));
    }
    rs.restart_deferral = Some(crate::support::PATIENCE * 4);
    (rs, members)
}

/// Whether the OPEN that it got has the R bit; the F bits are always there.
fn restarting(speaker: &Speaker) -> bool {
    let graceful = |c: &Capability| match c {
        Capability::GracefulRestart { restarting, families, .. } => {
            assert!(families.iter().all(|family| family.forwarding));
            Some(*restarting)
        }
        _ => None,
    };
    speaker.opened.as_ref().unwrap().capabilities.iter().find_map(graceful).unwrap()
}

#[test]
fn after_our_restart_a_graceful_member_is_sent_nothing_before_all_have_sent_theirs() {
    let (mut rs, _members) = before_restart();
    rs.restart(ShutdownKind::Graceful);
    let mut second = rs.join_with(12, Speaker::graceful(12, 120, V4));
    assert!(restarting(&second));
    second.announce(&second.attributes(), &prefixes(10..20));
    second.end_of_rib();
    let mut third = rs.join(13);
    third.announce(&third.attributes(), &prefixes(20..30));
    third.until("is not held", |m| m.table.len() == 10 && has(m, END));

    let mut first = rs.join_with(11, Speaker::graceful(11, 120, V4));
    first.announce(&first.attributes(), &prefixes(0..10));
    third.until("the first one's routes", |m| m.table.len() == 20);
    // The shards have long decided; neither of the two was told.
    for n in [11, 12] {
        let status = rs.session(n);
        assert!(status.held, "{n}");
        assert_eq!(status.messages.sent.update, 0, "{n}");
    }
    assert_eq!(rs.ask(rs.handle.route_servers())[0].restart_awaits, Some(1));

    first.end_of_rib();
    for member in [&mut first, &mut second] {
        member.until("its table", |m| has(m, END));
        assert_eq!(member.marks, [(END, 20)], "End-of-RIB behind the whole table");
    }
    assert!(!rs.session(12).held);
    assert_eq!(rs.ask(rs.handle.route_servers())[0].restart_awaits, None);
}

#[test]
fn who_does_not_come_back_is_waited_for_no_longer_than_the_deferral() {
    let (mut rs, _members) = before_restart();
    rs.restart_deferral = Some(Duration::from_secs(6));
    let begun = Instant::now();
    rs.restart(ShutdownKind::Graceful);
    let mut second = rs.join_with(12, Speaker::graceful(12, 120, V4));
    second.end_of_rib();
    let held = rs.session(12).held;
    assert!(held || begun.elapsed() >= Duration::from_secs(6), "11 is missing");
    second.until("End-of-RIB", |m| has(m, END));
    assert!(!rs.session(12).held);
}

#[test]
fn a_member_that_was_removed_is_not_waited_for() {
    let (mut rs, _members) = before_restart();
    rs.restart(ShutdownKind::Graceful);
    let mut second = rs.join_with(12, Speaker::graceful(12, 120, V4));
    second.end_of_rib();
    let keep = head(rs.port, ENGINE) + &member(12, "") + &member(13, "");
    assert!(rs.session(12).held);
    rs.rewrite(&keep);
    rs.ask(rs.handle.reload(None)).unwrap();
    second.until("End-of-RIB", |m| has(m, END));
    // The R bit stays for its time, whatever is reloaded meanwhile.
    drop(second);
    rs.until(12, "down", |s| s.flaps == 1);
    let again = rs.join_with(12, Speaker::graceful(12, 120, V4));
    assert!(restarting(&again));
}

#[test]
fn a_first_start_waits_for_nobody_who_is_not_there() {
    let rs = Running::with_members(ENGINE, &[11, 12, 13]);
    let mut first = rs.join_with(11, Speaker::graceful(11, 120, V4));
    first.end_of_rib();
    first.until("End-of-RIB", |m| has(m, END));
    let mut second = rs.join_with(12, Speaker::graceful(12, 120, V4));
    second.until("End-of-RIB, without its own", |m| has(m, END));
}

#[test]
fn after_an_end_with_cease_nobody_is_waited_for() {
    let (mut rs, _members) = before_restart();
    rs.restart(ShutdownKind::Cease);
    let mut second = rs.join_with(12, Speaker::graceful(12, 120, V4));
    second.end_of_rib();
    second.until("End-of-RIB", |m| has(m, END));
}
