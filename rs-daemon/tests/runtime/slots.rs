//! A slot whose member has gone, and who takes it next.

use std::time::Instant;

use bgp_wire::{LargeCommunity, PathAttributes};
use rs_daemon::runtime::query::RouteQuery;

use crate::support::{PATIENCE, Running, asn, head, member, prefixes};

const ENGINE: &str = "shards = 2\nworkers = 2";

#[test]
fn who_takes_a_slot_sees_nothing_of_who_had_it() {
    let limited = "max_prefixes = { v4 = 60, action = \"block\" }";
    let rs = Running::start(|port| head(port, ENGINE) + &member(11, "") + &member(12, limited));
    let (mut stays, mut old) = (rs.join(11), rs.join(12));
    let slot = rs.session(12).slot;
    // One route for all, and some that are denied to the old member by its AS.
    let denied = LargeCommunity { global: 1_000_000, local1: 0, local2: asn(12) };
    let hidden = PathAttributes { large_communities: Box::new([denied]), ..stays.attributes() };
    stays.announce(&hidden, &prefixes(0..40));
    stays.announce(&stays.attributes(), &prefixes(40..50));
    // Ten more than its limit.
    old.announce(&old.attributes(), &prefixes(100..170));
    old.until("what it may have", |m| m.table.len() == 10);
    stays.until("its routes", |m| m.table.len() == 60);
    rs.until(12, "refused", |session| session.routes[0].refused == 10);

    let without = head(rs.port, ENGINE) + &member(11, "");
    let with = head(rs.port, ENGINE) + &member(11, "") + &member(13, limited);
    let reload = |text: &str| {
        rs.rewrite(text);
        rs.ask(rs.handle.reload(None)).unwrap();
    };
    reload(&without);
    old.until_closed();
    stays.until("nothing", |m| m.table.is_empty());
    let deadline = Instant::now() + PATIENCE;
    loop {
        reload(&with);
        if rs.session(13).slot == slot {
            break;
        }
        assert!(Instant::now() < deadline, "the slot is never free");
        reload(&without);
    }

    let fresh = rs.session(13);
    assert_eq!((fresh.flaps, fresh.messages.received.open), (0, 0));
    assert_eq!((fresh.routes[0].received, fresh.routes[0].exported), (0, 0));
    assert_eq!(fresh.routes[0].refused, 0, "that was the old member's");
    let from = RouteQuery { from: Some(rs.id(13)), ..RouteQuery::default() };
    assert!(rs.ask(rs.handle.routes(&from, None, 100)).unwrap().routes.is_empty());
    let mut new = rs.join(13);
    new.until("all routes, also what the old one was denied", |m| {
        m.table.len() == 50 && !m.marks.is_empty()
    });
    // Its own limit, counted from nothing.
    new.announce(&new.attributes(), &prefixes(200..260));
    stays.until("its routes", |m| m.table.len() == 60);
    assert_eq!(rs.session(13).routes[0].refused, 0);
    assert_eq!(rs.session(11).flaps, 0);
}
