//! Lists of routes: what is passed over, and what comes then.

use rs_daemon::control::Operations;
use rs_daemon::control::operations::RouteWalk;
use rs_daemon::control::protocol::RouteQuery;

use crate::support::{Running, prefixes};

type Route = (String, u32);

/// What is left of a walk.
fn rest(rs: &Running, mut walk: RouteWalk) -> Vec<Route> {
    let mut routes = Vec::new();
    while let Some(page) = rs.ask(walk.next_page()).unwrap() {
        routes.extend(page.into_iter().map(|route| (route.prefix, route.from_asn)));
    }
    routes
}

/// A far page is found by counting. Only whole prefixes are passed over there, so what is made and
/// thrown away is less than the routes of one prefix.
#[test]
fn what_is_passed_over_is_what_would_have_come() {
    let rs = Running::with_members("shards = 3\nworkers = 2", &[11, 12, 13]);
    let mut members = [rs.join(11), rs.join(12), rs.join(13)];
    for (member, routes) in members.iter_mut().zip([0..1500, 0..900, 700..1800]) {
        member.announce(&member.attributes(), &prefixes(routes));
    }
    for (n, routes) in [(11, 1500), (12, 900), (13, 1100)] {
        rs.until(n, "all routes", |s| s.routes[0].received == routes);
    }
    members[0].until("everything", |m| m.table.len() == 1800);
    let operations = Operations::new(rs.handle.clone());
    let some = |text: &str| Some(text.to_owned());
    let queries = [
        (RouteQuery::default(), 3500, 2),
        (RouteQuery { from: some("1000012"), ..RouteQuery::default() }, 900, 0),
        (RouteQuery { to: some("1000011"), ..RouteQuery::default() }, 1800, 0),
    ];
    for (query, total, most_left) in queries {
        let walk = || rs.ask(operations.routes(&query)).unwrap();
        let whole = rest(&rs, walk());
        assert_eq!(whole.len(), total, "{query:?}");
        for routes in (0..total + 50).step_by(97).chain([1, 2, 3, total - 1, total, usize::MAX]) {
            let mut walk = walk();
            let left = rs.ask(walk.pass(routes)).unwrap();
            let passed = routes - left;
            if routes <= total {
                assert!(left <= most_left, "{left} of {routes} are left: {query:?}");
            } else {
                assert_eq!(passed, total, "{query:?}");
            }
            assert_eq!(rest(&rs, walk), whole[passed..], "{passed} of {routes}: {query:?}");
        }
    }
    // An answer that comes as a whole is passed over as a whole, or not here.
    let prefix = prefixes(800..801)[0].to_string();
    let address = prefix.split('/').next().unwrap().to_owned();
    for (prefix, passed) in [(prefix, 3), (address, 0)] {
        let query = RouteQuery { prefix: Some(prefix), ..RouteQuery::default() };
        for (routes, expected) in [(2, 0), (10, passed)] {
            let mut walk = rs.ask(operations.routes(&query)).unwrap();
            assert_eq!(rs.ask(walk.pass(routes)).unwrap(), routes - expected, "{query:?}");
            assert_eq!(rest(&rs, walk).len(), 3 - expected, "{query:?}");
        }
    }
}
