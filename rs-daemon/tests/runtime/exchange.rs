//! Routes between members.

use bgp_wire::{Capability, Family};
use rs_daemon::runtime::query::RouteQuery;

use crate::support::{Mark, Running, Speaker, head, member, prefix, prefixes};

const ENGINES: [&str; 3] =
    ["shards = 1\nworkers = 1", "shards = 1\nworkers = 3", "shards = 4\nworkers = 2"];

#[test]
fn members_get_each_others_routes_and_lose_what_is_withdrawn() {
    for engine in ENGINES {
        let rs = Running::with_members(engine, &[11, 12, 13]);
        let mut members: Vec<Speaker> = [11, 12, 13].map(|n| rs.join(n)).into();
        for (at, member) in members.iter_mut().enumerate() {
            let from = at as u32 * 100;
            member.announce(&member.attributes(), &prefixes(from..from + 100));
        }
        for member in &mut members {
            member.until("200 routes", |m| m.table.len() == 200);
        }
        members[0].withdraw(&prefixes(0..50));
        for member in &mut members[1..] {
            member.until("150 routes", |m| m.table.len() == 150);
            assert!(!member.table.contains_key(&prefix(0)));
        }
        let changed = members[1].tagged(7);
        members[1].announce(&changed, &[prefix(100)]);
        members[0].until("the change", |m| m.table[&prefix(100)].communities.len() == 1);
        assert_eq!(members[0].table.len(), 200);
    }
}

#[test]
fn the_second_best_path_is_there_when_the_best_goes_with_its_session() {
    let rs = Running::with_members("shards = 1\nworkers = 2", &[11, 12, 13]);
    let (mut first, mut second, mut third) = (rs.join(11), rs.join(12), rs.join(13));
    first.announce(&first.attributes(), &[prefix(1)]);
    third.until("the best", |m| m.table.contains_key(&prefix(1)));
    second.announce(&second.attributes(), &[prefix(1)]);
    first.until("the second best", |m| m.table.contains_key(&prefix(1)));
    drop(first);
    third.until("the second path", |m| {
        m.table.get(&prefix(1)).is_some_and(|a| *a == second.attributes())
    });
}

#[test]
fn a_late_joiner_gets_the_table_and_then_end_of_rib() {
    for engine in ENGINES {
        let rs = Running::with_members(engine, &[11, 12]);
        let mut early = rs.join(11);
        early.until("End-of-RIB", |m| !m.marks.is_empty());
        early.announce(&early.attributes(), &prefixes(0..5000));
        rs.until(11, "5000 routes", |s| s.routes[0].received == 5000);
        let mut late = rs.join(12);
        late.until("End-of-RIB", |m| !m.marks.is_empty());
        assert_eq!(late.marks, [(Mark::EndOfRib(Family::V4), 5000)]);
    }
}

#[test]
fn a_refresh_is_answered_between_its_markers() {
    for engine in ENGINES {
        let rs = Running::with_members(engine, &[11, 12]);
        let (mut sender, mut asker) = (rs.join(11), rs.join(12));
        sender.announce(&sender.attributes(), &prefixes(0..3000));
        asker.until("the table", |m| m.table.len() == 3000 && m.marks.len() == 1);
        asker.table.clear();
        asker.request_refresh();
        asker.until("EoRR", |m| m.marks.len() == 3);
        assert_eq!(asker.marks[1..], [(Mark::Refresh(1), 0), (Mark::Refresh(2), 3000)]);
    }
}

#[test]
fn two_refreshes_at_once_end_both() {
    let rs = Running::with_members("shards = 2\nworkers = 1", &[11, 12]);
    let (mut sender, mut asker) = (rs.join(11), rs.join(12));
    sender.announce(&sender.attributes(), &prefixes(0..3000));
    asker.until("the table", |m| m.table.len() == 3000 && m.marks.len() == 1);
    asker.table.clear();
    asker.request_refresh();
    asker.request_refresh();
    // Folded into one round or two: each begun one ends, and the last is complete.
    asker.until("EoRR", |m| {
        let count =
            |which| m.marks.iter().filter(|(mark, _)| *mark == Mark::Refresh(which)).count();
        count(2) >= 1 && count(1) == count(2)
    });
    assert_eq!(asker.table.len(), 3000);
}

#[test]
fn a_flap_withdraws_and_the_new_session_starts_from_nothing() {
    for engine in ENGINES {
        let rs = Running::with_members(engine, &[11, 12]);
        let mut stays = rs.join(12);
        for round in 0..5_u32 {
            let mut flaps = rs.join(11);
            let mine = prefixes(round * 10..round * 10 + 500);
            flaps.announce(&flaps.attributes(), &mine);
            stays.until("its routes", |m| m.table.len() == 500 && m.table.contains_key(&mine[499]));
            drop(flaps);
            stays.until("none", |m| m.table.is_empty());
            rs.until(11, "the end", |s| s.flaps == u64::from(round) + 1);
        }
    }
}

#[test]
fn routes_and_explain_answer_for_what_members_sent() {
    let rs = Running::with_members("shards = 3\nworkers = 1", &[11, 12]);
    let (mut sender, mut other) = (rs.join(11), rs.join(12));
    sender.announce(&sender.attributes(), &prefixes(0..2500));
    other.until("the table", |m| m.table.len() == 2500);

    let mut seen = std::collections::BTreeSet::new();
    let query = RouteQuery { to: Some(rs.id(12)), ..RouteQuery::default() };
    let mut next = None;
    loop {
        let page = rs.ask(rs.handle.routes(&query, next.as_ref(), 300)).unwrap();
        for route in page.routes {
            assert!(seen.insert(route.prefix), "a route twice");
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 2500);
    let own = RouteQuery { to: Some(rs.id(11)), ..RouteQuery::default() };
    assert!(rs.ask(rs.handle.routes(&own, None, 300)).unwrap().routes.is_empty());

    let explained = rs.ask(rs.handle.explain(&prefix(7).to_string(), &rs.id(12))).unwrap();
    assert_eq!(explained.chosen, [0], "{explained:#?}");
    assert_eq!(explained.candidates[0].outcome, "given");
    let longest = RouteQuery {
        prefix: Some("20.0.7.9".to_owned()),
        prefix_match: rs_daemon::runtime::query::PrefixMatch::Longest,
        ..RouteQuery::default()
    };
    let page = rs.ask(rs.handle.routes(&longest, None, 10)).unwrap();
    assert_eq!(page.routes.len(), 1);
    assert_eq!(page.routes[0].prefix, "20.0.7.0/24");
    let status = rs.session(12);
    assert_eq!((status.routes[0].exported, status.routes[0].received), (2500, 0));
}

#[test]
fn a_rejected_route_is_shown_with_the_communities_of_the_preset() {
    for (preset, standard, large) in [
        ("euro-ix", &[][..], &["1000000:65520:0", "1000000:65520:6", "1000000:1101:7"][..]),
        (
            "poema",
            &["65531:0", "65531:6"][..],
            &["1000000:65531:0", "1000000:65531:6", "1000000:1101:7"][..],
        ),
    ] {
        let scheme = format!("[route_server.communities]\npreset = \"{preset}\"\n");
        let rs = Running::start(|port| {
            head(port, "shards = 1\nworkers = 1") + &scheme + &member(11, "") + &member(12, "")
        });
        let (mut sender, mut other) = (rs.join(11), rs.join(12));
        let path = bgp_wire::AsPath::from_sequence(&[bgp_wire::Asn(1_000_099)]);
        let wrong = bgp_wire::PathAttributes { as_path: path, ..sender.attributes() };
        sender.announce(&wrong, &prefixes(0..1));
        sender.announce(&sender.attributes(), &prefixes(1..2));
        other.until("what passes", |m| m.table.len() == 1);
        let query = |filtered| RouteQuery {
            from: Some(rs.id(11)),
            filtered: Some(filtered),
            ..RouteQuery::default()
        };
        let rejected = rs.ask(rs.handle.routes(&query(true), None, 10)).unwrap().routes;
        assert_eq!(rejected[0].communities, standard, "{preset}");
        assert_eq!(rejected[0].large_communities, large, "{preset}");
        let accepted = rs.ask(rs.handle.routes(&query(false), None, 10)).unwrap().routes;
        assert!(accepted[0].large_communities.is_empty(), "{preset}");
        // The IRR is off here: nobody looked.
        assert_eq!(accepted[0].irr.as_deref(), Some("not-checked"));
    }
}

#[test]
fn stale_routes_outlive_a_lost_connection_until_end_of_rib() {
    let rs = Running::with_members("shards = 2\nworkers = 2", &[11, 12]);
    let graceful = |n| {
        let mut capabilities = Speaker::capabilities(n);
        capabilities.push(Capability::GracefulRestart {
            restarting: false,
            notification: false,
            restart_time: 120,
            families: vec![bgp_wire::GracefulRestartFamily { afi: 1, safi: 1, forwarding: true }],
        });
        capabilities
    };
    let mut stays = rs.join(12);
    let connect = || {
        let mut speaker = Speaker::connect(11, rs.port);
        speaker.open(graceful(11));
        speaker.until("Established", |s| s.established);
        speaker
    };
    let mut restarts = connect();
    restarts.announce(&restarts.attributes(), &prefixes(0..100));
    stays.until("its routes", |m| m.table.len() == 100);
    drop(restarts);
    rs.until(11, "down", |s| s.flaps == 1);
    let query = RouteQuery { from: Some(rs.id(11)), ..RouteQuery::default() };
    let kept = rs.ask(rs.handle.routes(&query, None, 1000)).unwrap().routes;
    assert_eq!(kept.iter().filter(|route| route.stale).count(), 100);

    let mut back = connect();
    back.announce(&back.attributes(), &prefixes(0..60));
    back.end_of_rib();
    stays.until("what was sent again", |m| m.table.len() == 60);
    assert!(stays.table.contains_key(&prefix(59)));
}
