//! Prefix limits: what each action does, what counts, and limits that follow what is announced.

use bgp_wire::{AsPath, Asn, PathAttributes};
use rs_daemon::runtime::query::{SessionAction, ShutdownKind};
use rs_daemon::runtime::status::SessionState;

use crate::support::{Mark, Running, Speaker, head, member, prefixes};

const ENGINE: &str = "shards = 2\nworkers = 2";

/// Another AS stands first: rejected.
fn rejected(speaker: &Speaker) -> PathAttributes {
    PathAttributes { as_path: AsPath::from_sequence(&[Asn(1_000_099)]), ..speaker.attributes() }
}

fn refreshes(speaker: &Speaker) -> usize {
    speaker.marks.iter().filter(|(mark, _)| *mark == Mark::Refresh(0)).count()
}

/// A limit of 100 with `action`, filled to the last place; `(daemon, its owner, another member,
/// accepted routes)`.
fn filled(action: &str, count: &str) -> (Running, Speaker, Speaker, u32) {
    let limit = format!(
        "max_prefixes = {{ v4 = 100, action = \"{action}\", count = \"{count}\", restart_after = \"1s\" }}"
    );
    // With several shards it depends on the order of arrival what is above.
    let engine = "shards = 1\nworkers = 2";
    let rs = Running::start(|port| head(port, engine) + &member(11, &limit) + &member(12, ""));
    let (mut owner, mut other) = (rs.join(11), rs.join(12));
    let (bad, good) = if count == "received" { (40, 60) } else { (400, 100) };
    owner.announce(&rejected(&owner), &prefixes(1000..1000 + bad));
    owner.announce(&owner.attributes(), &prefixes(0..good));
    other.until("what is allowed", |m| m.table.len() == good as usize);
    let status = rs.session(11);
    assert_eq!(status.state, SessionState::Established, "{action}, {count}");
    assert_eq!(status.routes[0].received, u64::from(bad + good), "{action}, {count}");
    (rs, owner, other, good)
}

#[test]
fn warn_takes_what_is_above_whatever_counts() {
    for count in ["received", "accepted"] {
        let (rs, mut owner, mut other, good) = filled("warn", count);
        owner.announce(&owner.attributes(), &prefixes(good..good + 30));
        other.until("all of them", |m| m.table.len() == good as usize + 30);
        owner.keepalive();
        assert_eq!((rs.session(11).state, rs.session(11).flaps), (SessionState::Established, 0));
    }
}

#[test]
fn block_takes_no_more_and_asks_once_when_there_is_room_whatever_counts() {
    for count in ["received", "accepted"] {
        let (rs, mut owner, mut other, good) = filled("block", count);
        owner.announce(&owner.attributes(), &prefixes(good..good + 30));
        owner.withdraw(&prefixes(0..5));
        other.until("five less and none more", |m| m.table.len() == good as usize - 5);
        assert_eq!(refreshes(&owner), 0, "95 of 100: {count}");
        owner.withdraw(&prefixes(5..20));
        owner.until("ROUTE-REFRESH", |m| refreshes(m) > 0);
        owner.announce(&owner.attributes(), &prefixes(good..good + 10));
        other.until("ten more", |m| m.table.len() == good as usize - 10);
        assert_eq!(refreshes(&owner), 1, "{count}");
        assert_eq!(rs.session(11).flaps, 0);
    }
}

#[test]
fn restart_comes_back_by_itself_whatever_counts() {
    for count in ["received", "accepted"] {
        let (rs, mut owner, mut other, good) = filled("restart", count);
        owner.announce(&owner.attributes(), &prefixes(good..good + 1));
        owner.until_closed();
        assert_eq!(owner.notification.take().map(|n| (n.code, n.subcode)), Some((6, 1)), "{count}");
        other.until("nothing", |m| m.table.is_empty());
        assert_ne!(rs.session(11).state, SessionState::Disabled, "{count}");
        rs.until(11, "ready again", |s| s.state == SessionState::Active);
        let mut owner = rs.join(11);
        owner.announce(&owner.attributes(), &prefixes(0..100));
        other.until("its routes again", |m| m.table.len() == 100);
    }
}

#[test]
fn shutdown_waits_for_the_operator_whatever_counts() {
    for count in ["received", "accepted"] {
        let (rs, mut owner, mut other, good) = filled("shutdown", count);
        owner.announce(&owner.attributes(), &prefixes(good..good + 1));
        owner.until_closed();
        assert_eq!(owner.notification.take().map(|n| (n.code, n.subcode)), Some((6, 1)), "{count}");
        other.until("nothing", |m| m.table.is_empty());
        let status = rs.session(11);
        assert_eq!(status.state, SessionState::Disabled, "{count}");
        assert!(status.disabled.is_some_and(|why| why.contains("100")), "{count}");
        Speaker::connect(11, rs.port).until_closed();
        rs.ask(rs.handle.session_action(&rs.id(11), SessionAction::Enable)).unwrap();
        rs.join(11);
    }
}

#[test]
fn a_route_that_turns_acceptable_counts_as_a_new_one() {
    let (rs, mut owner, _other, good) = filled("shutdown", "accepted");
    // The same prefixes that were rejected, now with its own AS.
    assert_eq!(rs.session(11).routes[0].accepted, u64::from(good));
    owner.announce(&owner.attributes(), &prefixes(1000..1001));
    owner.until_closed();
    assert_eq!(owner.notification.map(|n| (n.code, n.subcode)), Some((6, 1)));
}

#[test]
fn a_route_that_turns_unacceptable_leaves_room() {
    let (rs, mut owner, mut other, good) = filled("block", "accepted");
    owner.announce(&owner.attributes(), &prefixes(1000..1001));
    owner.announce(&rejected(&owner), &prefixes(0..20));
    other.until("80 of 100", |m| m.table.len() == good as usize - 20);
    owner.until("ROUTE-REFRESH", |m| refreshes(m) == 1);
    assert_eq!(rs.session(11).flaps, 0);
}

#[test]
fn a_reload_raises_a_limit_and_asks_for_what_was_refused() {
    let (rs, mut owner, mut other, good) = filled("block", "received");
    owner.announce(&owner.attributes(), &prefixes(good..good + 30));
    rs.until(11, "all thirty refused", |s| s.routes[0].refused == 30);
    let raised = "max_prefixes = { v4 = 200, action = \"block\", count = \"received\", restart_after = \"1s\" }";
    rs.rewrite(&(head(rs.port, "shards = 1\nworkers = 2") + &member(11, raised) + &member(12, "")));
    rs.ask(rs.handle.reload(None)).unwrap();
    owner.until("ROUTE-REFRESH", |m| refreshes(m) == 1);
    owner.announce(&owner.attributes(), &prefixes(0..good + 30));
    other.until("all of them", |m| m.table.len() == good as usize + 30);
    assert_eq!(rs.session(11).flaps, 0);
}

// Limits that follow what is announced.

/// A day ago and today, the file says, the session of member 11 announced at most `highest`.
fn remembered(highest: u32) -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let history = format!(r#"{{"watched_secs":90000,"days":{{"{now}":{highest}}}}}"#);
    format!(
        r#"{{"sessions":[{{"route_server":"rs1","address":"127.0.0.11","interface":null,
        "asn":1000011,"ipv4":{history},"ipv6":{{"watched_secs":0,"days":{{}}}}}}]}}"#
    )
}

fn dynamic(first: &str, state: &std::path::Path) -> impl Fn(u16) -> String {
    let tables = format!(
        "[state]\ndirectory = \"{}\"\n[dynamic_limits]\nfirst = \"{first}\"\n",
        state.display()
    );
    let member11 = member(11, "max_prefixes = \"dynamic\"");
    move |port| head(port, ENGINE) + &member11 + &member(12, "") + &tables
}

#[test]
fn a_dynamic_limit_follows_what_was_announced_and_survives_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("announced.json");
    std::fs::write(&file, remembered(300)).unwrap();
    let mut rs = Running::start(dynamic("1d", state.path()));
    let status = rs.session(11);
    assert_eq!(status.limits, [Some(1000), Some(12_000)], "IPv6 is not learned");
    let [v4, v6] = status.dynamic_limits.map(Option::unwrap);
    assert_eq!((v4.highest, v4.learning, v6.learning), (300, false, true));
    assert_eq!(rs.session(12).dynamic_limits, [None; 2], "a static limit wins");

    let (mut owner, mut other) = (rs.join(11), rs.join(12));
    owner.announce(&owner.attributes(), &prefixes(0..700));
    other.until("its routes", |m| m.table.len() == 700);
    rs.restart(ShutdownKind::Cease);
    let status = rs.session(11);
    assert_eq!(status.limits[0], Some(2000), "700 were announced last time");
    assert_eq!(status.dynamic_limits[0].unwrap().highest, 700);

    // A reload leaves it, and the session, as they are.
    let mut owner = rs.join(11);
    rs.ask(rs.handle.reload(None)).unwrap();
    assert_eq!(rs.session(11).limits[0], Some(2000));
    owner.announce(&owner.attributes(), &prefixes(0..2001));
    owner.until_closed();
    assert_eq!(owner.notification.map(|n| (n.code, n.subcode)), Some((6, 1)));
    assert_eq!(rs.session(11).state, SessionState::Disabled);
}

#[test]
fn what_broke_a_limit_does_not_raise_it() {
    let state = tempfile::tempdir().unwrap();
    let mut rs = Running::start(dynamic("0s", state.path()));
    assert_eq!(rs.session(11).limits, [Some(100), Some(100)], "nothing announced yet");
    let mut owner = rs.join(11);
    owner.announce(&owner.attributes(), &prefixes(0..101));
    owner.until_closed();
    rs.restart(ShutdownKind::Cease);
    assert_eq!(rs.session(11).limits[0], Some(100));
}

#[test]
fn a_broken_file_costs_what_was_learned_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("announced.json");
    std::fs::write(&file, "{\"sessions\": [{").unwrap();
    let mut rs = Running::start(dynamic("1d", state.path()));
    let status = rs.session(11);
    assert_eq!(status.limits, [Some(170_000), Some(12_000)], "the static ones");
    assert!(status.dynamic_limits[0].unwrap().learning);
    assert!(state.path().join("announced.broken").exists(), "kept for whoever wants to look");
    let _owner = rs.join(11);
    rs.restart(ShutdownKind::Cease);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("127.0.0.11"), "a new one is written: {text}");
}

#[test]
fn a_directory_that_cannot_be_written_stops_nothing() {
    let rs = Running::start(dynamic("1d", std::path::Path::new("/proc/nowhere")));
    let (mut owner, mut other) = (rs.join(11), rs.join(12));
    owner.announce(&owner.attributes(), &prefixes(0..10));
    other.until("its routes", |m| m.table.len() == 10);
    rs.stop(ShutdownKind::Cease);
}
