//! Reloads touch what changed and nothing else.

use bgp_wire::{Asn, PathAttributes};
use rs_daemon::runtime::query::RouteQuery;
use rs_daemon::runtime::status::SessionState;

use crate::support::{Running, head, member, prefix, prefixes};

const ENGINE: &str = "shards = 2\nworkers = 2";

fn reload(rs: &Running, text: &str) -> rs_daemon::runtime::query::ReloadReport {
    rs.rewrite(text);
    rs.ask(rs.handle.reload(None)).unwrap()
}

#[test]
fn an_unchanged_file_changes_nothing_and_sends_nothing() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    a.announce(&a.attributes(), &prefixes(0..100));
    b.until("the table", |m| m.table.len() == 100);
    let before = b.updates;
    let report = rs.ask(rs.handle.reload(None)).unwrap();
    assert_eq!(report, rs_daemon::runtime::query::ReloadReport::default());
    a.announce(&a.attributes(), &[prefix(500)]);
    b.until("one more", |m| m.table.len() == 101);
    assert_eq!(b.updates, before + 1);
}

#[test]
fn an_invalid_file_changes_nothing_and_says_so() {
    let rs = Running::with_members(ENGINE, &[11]);
    let _a = rs.join(11);
    rs.rewrite("nonsense = [");
    let error = rs.ask(rs.handle.reload(None)).unwrap_err();
    assert!(error.to_string().contains("nothing changed"), "{error}");
    assert_eq!(rs.session(11).state, SessionState::Established);
    assert!(!rs.handle.last_reload().1);
}

#[test]
fn members_come_and_go_without_touching_the_others() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    a.announce(&a.attributes(), &prefixes(0..100));
    b.announce(&b.attributes(), &prefixes(100..150));
    b.until("the table", |m| m.table.len() == 100);
    for round in 0..3_u32 {
        let text = head(rs.port, ENGINE) + &member(11, "") + &member(13, "");
        let report = reload(&rs, &text);
        assert_eq!(report.added, [rs.id(13)]);
        assert_eq!(report.removed, [rs.id(12)]);
        assert!(report.restarted.is_empty());
        b.until_closed();
        let notification = b.notification.take().unwrap();
        assert_eq!((notification.code, notification.subcode), (6, 3), "peer de-configured");
        let mut c = rs.join(13);
        c.until("a's routes", |m| m.table.len() == 100);
        c.announce(&c.attributes(), &prefixes(1000 + round..1001 + round));
        a.until("c's route only", |m| {
            m.table.len() == 1 && m.table.contains_key(&prefix(1000 + round))
        });

        let text = head(rs.port, ENGINE) + &member(11, "") + &member(12, "");
        let report = reload(&rs, &text);
        assert_eq!((report.added.len(), report.removed.len()), (1, 1));
        c.until_closed();
        b = rs.join(12);
        b.announce(&b.attributes(), &prefixes(100..150));
        a.until("b's routes only", |m| m.table.len() == 50 && m.table.contains_key(&prefix(149)));
    }
    assert_eq!(rs.session(11).flaps, 0);
}

#[test]
fn a_changed_policy_is_applied_to_routes_that_are_there() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    let path = bgp_wire::AsPath::from_sequence(&[Asn(1_000_011), Asn(9002)]);
    let long = PathAttributes { as_path: path, ..a.attributes() };
    a.announce(&long, &prefixes(0..300));
    a.announce(&a.attributes(), &prefixes(300..310));
    b.until("the table", |m| m.table.len() == 310);

    let strict =
        head(rs.port, ENGINE) + "transit_free = [9002]\n" + &member(11, "") + &member(12, "");
    let report = reload(&rs, &strict);
    assert_eq!(report.policy_changed.len(), 1);
    assert!(report.restarted.is_empty());
    b.until("what passes", |m| m.table.len() == 10);
    let rejected =
        RouteQuery { from: Some(rs.id(11)), filtered: Some(true), ..RouteQuery::default() };
    let page = rs.ask(rs.handle.routes(&rejected, None, 1000)).unwrap();
    assert_eq!(page.routes.len(), 300);
    assert_eq!(page.routes[0].reject.as_ref().unwrap().code, 8);
    let shown = &page.routes[0].large_communities;
    for reason in [":65520:0", ":65520:8", ":1101:14"] {
        assert!(shown.iter().any(|text| text.ends_with(reason)), "{reason} in {shown:?}");
    }

    reload(&rs, &(head(rs.port, ENGINE) + &member(11, "") + &member(12, "")));
    b.until("all again", |m| m.table.len() == 310);
    assert_eq!((rs.session(11).flaps, rs.session(12).flaps), (0, 0));
}

#[test]
fn what_is_negotiated_restarts_that_session_only() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, _b) = (rs.join(11), rs.join(12));
    let with = member(11, "") + "hold_time = \"30s\"\n";
    let report = reload(&rs, &(head(rs.port, ENGINE) + &with + &member(12, "")));
    assert_eq!(report.restarted.len(), 1, "{report:?}");
    assert_eq!(report.restarted[0].0, rs.id(11));
    a.until_closed();
    let notification = a.notification.unwrap();
    assert_eq!((notification.code, notification.subcode), (6, 6));
    assert_eq!(rs.session(12).flaps, 0);
}

/// What is not in the OPEN can wait for the next session, or is in force without one.
#[test]
fn what_is_not_negotiated_restarts_nobody() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    let port = rs.port;
    let text = |listen: &str, extra: &str| {
        let with = |n| {
            member(n, "").replace("[[member.session]]\n", &format!("[[member.session]]\n{extra}"))
        };
        let one = format!("listen = [\"127.0.0.1:{port}\"]");
        let head = head(port, ENGINE).replace(&one, &format!("listen = [{listen}]"));
        head + &with(11) + &with(12)
    };
    let (own, other) = (format!("\"127.0.0.1:{port}\""), format!("\"127.0.0.9:{port}\""));
    let both = format!("{other}, {own}");
    let form = "link_local_next_hop = \"double\"\n";
    let times = format!("{form}send_hold_time = \"20m\"\n");
    let ways = format!("{times}passive = false\nport = 9\n");
    for (listen, extra, what) in [
        (&own, form, "link_local_next_hop"),
        (&both, form, "the address that we connect from"),
        (&both, times.as_str(), "timers"),
        (&both, ways.as_str(), "the port that we connect to"),
    ] {
        let report = reload(&rs, &text(listen, extra));
        assert_eq!(report.restarted, [], "{what}");
        assert!(report.details.iter().any(|detail| detail.starts_with(what)), "{report:?}");
    }
    a.announce(&a.attributes(), &prefixes(0..1));
    b.until("the route", |m| m.table.len() == 1);
    assert_eq!((rs.session(11).flaps, rs.session(12).flaps), (0, 0));

    let listens = |on: &str| format!("rs1 listens {on} 127.0.0.9:{port}");
    let third = format!("{both}, \"127.0.0.8:{port}\"");
    let report = reload(&rs, &text(&third, &ways));
    assert_eq!(report.details, [listens("on").replace("0.9", "0.8")]);
    // Put first, then alone: it is the other end of no connection.
    reload(&rs, &text(&both, &ways));
    let report = reload(&rs, &text(&own, &ways));
    assert!(report.details.contains(&listens("no longer on")), "{report:?}");
    assert_eq!(report.restarted, []);
    reload(&rs, &text(&both, &ways));
    let report = reload(&rs, &text(&other, &ways));
    let because = "the route server's address changed".to_owned();
    assert_eq!(
        report.restarted,
        [11, 12].map(|n| (rs.id(n), because.clone())),
        "where it was is gone"
    );
    a.until_closed();
    b.until_closed();
}

#[test]
fn drain_adds_graceful_shutdown_and_takes_it_away_again() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    a.announce(&a.attributes(), &prefixes(0..10));
    b.until("the table", |m| m.table.len() == 10);
    let gshut = bgp_wire::Community(0xffff_0000);
    rs.ask(rs.handle.drain(true)).unwrap();
    b.until("GRACEFUL_SHUTDOWN", |m| m.table.values().all(|a| a.communities.contains(&gshut)));
    rs.ask(rs.handle.drain(false)).unwrap();
    b.until("without", |m| m.table.values().all(|a| a.communities.is_empty()));
    assert_eq!(b.table.len(), 10);
}

#[test]
fn a_diff_foretells_what_a_reload_does_and_changes_nothing() {
    let rs = Running::with_members(ENGINE, &[11, 12, 13]);
    let (mut a, mut b, mut c) = (rs.join(11), rs.join(12), rs.join(13));
    let path = bgp_wire::AsPath::from_sequence(&[Asn(1_000_011), Asn(9002)]);
    let long = PathAttributes { as_path: path, ..a.attributes() };
    a.announce(&long, &prefixes(0..300));
    a.announce(&a.attributes(), &prefixes(300..310));
    c.announce(&c.tagged(1), &prefixes(0..20));
    b.until("the table", |m| m.table.len() == 310);
    c.until("the table", |m| m.table.len() == 310);
    a.until("c's routes", |m| m.table.len() == 20);
    b.until("c's better routes", |m| {
        prefixes(0..20).iter().all(|prefix| m.table[prefix].communities.len() == 1)
    });

    let strict = head(rs.port, ENGINE)
        + "transit_free = [9002]\n"
        + &member(14, "")
        + &member(12, "")
        + &member(11, "");
    let file = rs.directory.path().join("new.toml");
    std::fs::write(&file, strict).unwrap();
    let before = (b.updates, c.updates);
    let diff = rs.ask(rs.handle.diff(&file)).unwrap();
    assert_eq!(diff.sessions.added, [rs.id(14)]);
    assert_eq!(diff.sessions.removed, [rs.id(13)]);
    let of = |n| diff.members.iter().find(|d| d.session == rs.id(n)).unwrap();
    // c leaves with its 20 routes, and a's 300 are rejected.
    assert_eq!((of(12).gained, of(12).lost), (0, 300), "{:#?}", of(12));
    assert_eq!(of(11).lost, 20);
    assert_eq!((of(11).newly_rejected, of(11).newly_accepted), (300, 0));
    assert!(of(12).examples[0].starts_with("loses 20."));
    assert_eq!(diff.sessions.details, Vec::<String>::new(), "of who stays, 11 and 12");

    a.announce(&a.attributes(), &[prefix(900)]);
    b.until("one more", |m| m.table.len() == 311);
    c.until("one more", |m| m.table.len() == 311);
    assert_eq!((b.updates, c.updates), (before.0 + 1, before.1 + 1));
}

/// The member with the higher identifier was first.
#[test]
fn a_diff_knows_the_age_of_routes() {
    let table = "[route_server.import]";
    let old = |port| head(port, ENGINE).replace(table, &format!("prefer_oldest = true\n{table}"));
    let members: String = [11, 12, 13].iter().map(|n| member(*n, "")).collect();
    let rs = Running::start(|port| old(port) + &members);
    let (mut a, mut b, mut c) = (rs.join(11), rs.join(12), rs.join(13));
    let by_way_of =
        |n: u8, asn: u32| bgp_wire::AsPath::from_sequence(&[Asn(crate::support::asn(n)), Asn(asn)]);
    let first = PathAttributes { as_path: by_way_of(12, 9002), ..b.attributes() };
    b.announce(&first, &prefixes(0..5));
    c.until("b's routes", |m| m.table.len() == 5);
    // Ages are told apart by the millisecond.
    let here = std::time::Instant::now();
    while here.elapsed().as_millis() < 5 {
        std::thread::yield_now();
    }
    let second = PathAttributes { as_path: by_way_of(11, 9003), ..a.attributes() };
    a.announce(&second, &prefixes(0..5));
    b.until("a's routes", |m| m.table.len() == 5);
    // Behind them in every shard.
    a.announce(&a.attributes(), &prefixes(900..940));
    c.until("what is behind them", |m| m.table.len() == 45);
    assert!(prefixes(0..5).iter().all(|one| c.table[one].as_path == first.as_path));

    let file = rs.directory.path().join("new.toml");
    std::fs::write(&file, old(rs.port) + "transit_free = [9002]\n" + &members).unwrap();
    let diff = rs.ask(rs.handle.diff(&file)).unwrap();
    let of = |n| diff.members.iter().find(|d| d.session == rs.id(n)).unwrap();
    assert_eq!((of(13).gained, of(13).lost, of(13).changed), (0, 0, 5), "{:#?}", of(13));
    assert_eq!(of(13).examples.len(), 5);
    assert!(of(13).examples.iter().all(|it| it.starts_with("changes ")), "{:#?}", of(13));
    assert_eq!((of(11).lost, of(12).newly_rejected), (5, 5));
}

#[test]
fn what_a_diff_makes_of_the_routes_stays_with_the_diff() {
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    let path = bgp_wire::AsPath::from_sequence(&[Asn(1_000_011), Asn(9002)]);
    a.announce(&PathAttributes { as_path: path, ..a.attributes() }, &prefixes(0..50));
    b.until("the table", |m| m.table.len() == 50);

    // Rejects them all, and is never put in force.
    let strict =
        head(rs.port, ENGINE) + "transit_free = [9002]\n" + &member(11, "") + &member(12, "");
    let file = rs.directory.path().join("strict.toml");
    std::fs::write(&file, strict).unwrap();
    let diff = rs.ask(rs.handle.diff(&file)).unwrap();
    assert_eq!(diff.members.iter().map(|member| member.lost).sum::<u64>(), 50);
    let gshut = bgp_wire::Community(0xffff_0000);
    rs.ask(rs.handle.drain(true)).unwrap();
    b.until("GRACEFUL_SHUTDOWN", |m| m.table.values().all(|a| a.communities.contains(&gshut)));
    assert_eq!(b.table.len(), 50);

    // Previewed, then put in force: the member that it adds has the routes.
    let more = head(rs.port, ENGINE) + &member(11, "") + &member(12, "") + &member(13, "");
    std::fs::write(&file, &more).unwrap();
    rs.ask(rs.handle.diff(&file)).unwrap();
    reload(&rs, &more);
    let mut c = rs.join(13);
    c.until("the table", |m| m.table.len() == 50);
}

#[test]
fn an_address_moves_between_route_servers_in_two_reloads_and_an_error_says_so() {
    let second = |listen: &str| {
        format!(
            "[[route_server]]\nname = \"rs2\"\nrouter_id = \"192.0.2.251\"\n\
             listen = [{listen}]\n[route_server.import]\nirr = \"off\"\nrpki = \"off\"\n"
        )
    };
    let text = |first: &str, port: u16, listen: &str| {
        let first = head(port, ENGINE).replace("[\"127.0.0.1:", &format!("[{first}\"127.0.0.1:"));
        first + &second(listen) + &member(11, "")
    };
    let rs = Running::start(|port| {
        text(&format!("\"127.0.0.3:{port}\", "), port, &format!("\"127.0.0.2:{port}\""))
    });
    let moved = format!("\"127.0.0.2:{0}\", \"127.0.0.3:{0}\"", rs.port);
    rs.rewrite(&text("", rs.port, &moved));
    let error = rs.ask(rs.handle.reload(None)).unwrap_err().to_string();
    assert!(error.contains("rs1's") && error.contains("two reloads"), "{error}");

    reload(&rs, &text("", rs.port, &format!("\"127.0.0.2:{}\"", rs.port)));
    reload(&rs, &text("", rs.port, &moved));
    let servers = rs.ask(rs.handle.route_servers());
    assert_eq!((servers[0].listeners.len(), servers[1].listeners.len()), (1, 2));
}

/// The kernel has room for so many keys with a listener. One session more, and it would be open to
/// everybody without its key.
#[test]
fn a_reload_whose_keys_the_kernel_does_not_take_changes_nothing() {
    const KEY_OCTETS: usize = 136;
    let most = std::fs::read_to_string("/proc/sys/net/core/optmem_max").unwrap();
    let too_many = most.trim().parse::<usize>().unwrap() / KEY_OCTETS + 10;
    let protected = |sessions: usize| {
        let one = |n: usize| {
            let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
            format!(
                "[[member]]\nasn = {}\nname = \"m\"\n[[member.session]]\n\
                 address = \"127.1.{high}.{low}\"\npassword = \"{n}\"\n",
                2_000_000 + n
            )
        };
        (1..=sessions).map(one).collect::<String>()
    };
    let rs = Running::with_members(ENGINE, &[11, 12]);
    let (mut a, mut b) = (rs.join(11), rs.join(12));
    let two = head(rs.port, ENGINE) + &member(11, "") + &member(12, "");
    rs.rewrite(&(two.clone() + &protected(too_many)));
    let error = rs.ask(rs.handle.reload(None)).unwrap_err().to_string();
    assert!(error.contains("net.core.optmem_max"), "{error}");
    assert_eq!(rs.ask(rs.handle.sessions()).len(), 2);

    // The keys that it took were given back: there is room for nearly as many.
    let report = reload(&rs, &(two + &protected(too_many * 2 / 3)));
    assert_eq!(report.added.len(), too_many * 2 / 3);
    a.announce(&a.attributes(), &prefixes(0..1));
    b.until("the route", |m| m.table.len() == 1);
}
