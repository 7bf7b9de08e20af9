//! ADD-PATH towards members (RFC 7911): what was negotiated counts, not what was configured.

use rs_tests::support::loopback::{ARRIVE, Exchange, asn, holds, route};
use rs_tests::support::route::Route;
use rs_tests::support::wait::ensure;

const PREFIX: &str = "203.0.113.0/24";
const ADD_PATH: &str = "add_path = \"send\"";

/// Paths without their identifiers, in order of the AS path.
fn paths(routes: &[Route]) -> Vec<Route> {
    let mut paths = routes.to_vec();
    for path in &mut paths {
        assert!(path.path_id.is_some(), "every path has an identifier: {path:?}");
        path.path_id = None;
    }
    paths.sort_by(|a, b| a.as_path.cmp(&b.as_path));
    paths
}

#[test]
fn every_permitted_path_is_sent_with_a_stable_identifier() {
    let exchange = Exchange::new(&["", "", "", ADD_PATH]);
    let [first, second, third] = [2, 3, 4].map(|n| exchange.speaker(n));
    let mut config = exchange.speaker_config(5);
    config.add_path_receive = true;
    let all = rs_tests::support::raw::Speaker::established(config);
    let routes = [route(2, PREFIX, ""), route(3, PREFIX, "65100"), route(4, PREFIX, "65100 65101")];
    let denied = routes[2].clone().community(&format!("0:{}", asn(5)));
    first.announce(&routes[0]);
    second.announce(&routes[1]);
    third.announce(&denied);
    let has = |what: &str, expected: &[Route]| {
        all.wait_routes(what, ARRIVE, |seen| {
            ensure(paths(seen) == expected, || format!("expected {expected:?}\n    seen {seen:?}"))
        });
    };
    has("both permitted paths", &routes[..2]);
    let identifier = |as_path: &str| {
        let routes = all.routes();
        routes.iter().find(|route| route.as_path == as_path).and_then(|route| route.path_id)
    };
    let before = identifier(&routes[1].as_path);
    first.withdraw(PREFIX);
    has("the one that is left", &routes[1..2]);
    third.announce(&routes[2]);
    has("the third, permitted now", &routes[1..]);
    assert_eq!(identifier(&routes[1].as_path), before, "an identifier lives as long as its path");
    first.announce(&routes[0]);
    has("all three", &routes);
    assert_eq!(all.status().empty_withdrawals, 0, "nothing is withdrawn that was not sent");
}

#[test]
fn configured_but_not_negotiated_is_the_best_permitted_path() {
    let exchange = Exchange::new(&["", "", ADD_PATH]);
    let [first, second, plain] = [2, 3, 4].map(|n| exchange.speaker(n));
    let hidden = route(2, PREFIX, "").community(&format!("0:{}", asn(4)));
    let runner_up = route(3, PREFIX, "65100");
    first.announce(&hidden);
    second.announce(&runner_up);
    holds("has the second best", &plain, std::slice::from_ref(&runner_up));
}

/// OpenBGPD kept entries of the ADD-PATH session when the next one had none.
#[test]
fn a_session_without_it_after_one_with_it_holds_one_path() {
    let exchange = Exchange::new(&["", "", ADD_PATH]);
    let [first, second] = [2, 3].map(|n| exchange.speaker(n));
    let (best, runner_up) = (route(2, PREFIX, ""), route(3, PREFIX, "65100"));
    first.announce(&best);
    second.announce(&runner_up);
    let mut config = exchange.speaker_config(4);
    config.add_path_receive = true;
    let with = rs_tests::support::raw::Speaker::established(config);
    with.wait_routes("both paths", ARRIVE, |seen| ensure(seen.len() == 2, || format!("{seen:?}")));
    with.close();
    let without = exchange.speaker(4);
    holds("the best", &without, std::slice::from_ref(&best));
    first.withdraw(PREFIX);
    holds("the second", &without, std::slice::from_ref(&runner_up));
    second.withdraw(PREFIX);
    holds("nothing", &without, &[]);
    assert_eq!(without.status().empty_withdrawals, 0, "nothing is withdrawn that was not sent");
}
