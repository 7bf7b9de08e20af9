//! RFC 7947 §2.3: a path that one member may not have hides no other path from it.

use rs_tests::support::loopback::{Exchange, asn, holds, route};

const PREFIX: &str = "203.0.113.0/24";

/// Members: 2 has the best path, 3 the second best, 4 the third; 2 denies its path to 5.
#[test]
fn the_second_best_is_there_for_whom_the_best_is_denied() {
    let exchange = Exchange::new(&[""; 4]);
    let [first, second, third, denied] = [2, 3, 4, 5].map(|n| exchange.speaker(n));
    let best = route(2, PREFIX, "");
    let hidden = best.clone().community(&format!("0:{}", asn(5)));
    let runner_up = route(3, PREFIX, "65100");
    let last = route(4, PREFIX, "65100 65101");

    first.announce(&hidden);
    // Behind it, for all.
    let mark = route(2, "198.51.100.0/24", "");
    first.announce(&mark);
    holds("has the best", &third, &[mark.clone(), best.clone()]);
    holds("has nothing that is denied", &denied, std::slice::from_ref(&mark));
    first.withdraw("198.51.100.0/24");
    holds("has nothing", &denied, &[]);

    second.announce(&runner_up);
    holds("has the second best", &denied, std::slice::from_ref(&runner_up));
    holds("owner of the best has the second best", &first, std::slice::from_ref(&runner_up));
    third.announce(&last);
    holds("owner of the second best has the best", &second, std::slice::from_ref(&best));
    holds("owner of the third has the best", &third, std::slice::from_ref(&best));

    let changed = runner_up.clone().med(5).large("65003:1:1");
    second.announce(&changed);
    holds("sees the second change", &denied, std::slice::from_ref(&changed));

    second.withdraw(PREFIX);
    holds("falls to the third", &denied, std::slice::from_ref(&last));
    third.withdraw(PREFIX);
    holds("has nothing left", &denied, &[]);
    holds("others keep the best", &second, std::slice::from_ref(&best));

    second.announce(&runner_up);
    holds("has the second again", &denied, std::slice::from_ref(&runner_up));
    first.withdraw(PREFIX);
    holds("others fall to the second", &third, std::slice::from_ref(&runner_up));
    holds("keeps the second", &denied, std::slice::from_ref(&runner_up));
    holds("nobody gets its own", &second, &[]);

    first.announce(&best);
    holds("the best is allowed now", &denied, std::slice::from_ref(&best));
    first.announce(&hidden);
    holds("only communities changed", &denied, std::slice::from_ref(&runner_up));
    second.withdraw(PREFIX);
    holds("a secondary path is withdrawn", &denied, &[]);
    holds("others keep the best", &third, std::slice::from_ref(&best));
    assert_eq!(denied.status().empty_withdrawals, 0, "nothing is withdrawn that was not sent");
}

/// A session that goes takes its paths along, for everybody the way it should.
#[test]
fn a_lost_session_withdraws_its_paths_only() {
    let exchange = Exchange::new(&[""; 4]);
    let [first, second, third, denied] = [2, 3, 4, 5].map(|n| exchange.speaker(n));
    let best = route(2, PREFIX, "").community(&format!("0:{}", asn(5)));
    let runner_up = route(3, PREFIX, "65100");
    first.announce(&best);
    second.announce(&runner_up);
    holds("has the second best", &denied, std::slice::from_ref(&runner_up));
    first.close();
    holds("others fall to the second", &third, std::slice::from_ref(&runner_up));
    holds("keeps the second", &denied, std::slice::from_ref(&runner_up));
    second.close();
    holds("nothing is left", &third, &[]);
    holds("nothing is left", &denied, &[]);
}

/// A reload decides again (pitfall: OpenBGPD's fallback was not run on reload).
#[test]
fn a_reload_that_changes_what_is_denied_decides_again() {
    let exchange = Exchange::new(&[""; 3]);
    let [first, second, denied] = [2, 3, 4].map(|n| exchange.speaker(n));
    let hidden = route(2, PREFIX, "").community(&format!("0:{}", asn(4)));
    let runner_up = route(3, PREFIX, "65100");
    first.announce(&hidden);
    second.announce(&runner_up);
    holds("has the second best", &denied, std::slice::from_ref(&runner_up));

    let mut config = exchange.config.clone();
    config.import += "[route_server.export]\ncommunities = false\n";
    exchange.server.reload(&config);
    holds("communities mean nothing now", &denied, std::slice::from_ref(&hidden));
    exchange.server.reload(&exchange.config);
    holds("and something again", &denied, std::slice::from_ref(&runner_up));
    for speaker in [&first, &second, &denied] {
        assert_eq!(speaker.status().closed, None, "a reload closes no session");
    }
}
