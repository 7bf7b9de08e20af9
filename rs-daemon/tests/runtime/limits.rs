//! Prefix limits: what each action does, what counts, and limits that follow what is announced.

use bgp_wire::{AsPath, Asn, Family, LargeCommunity, PathAttributes};
use rs_daemon::runtime::query::{SessionAction, ShutdownKind};
use rs_daemon::runtime::status::{LimitUse, SessionState};

use crate::support::{Mark, Running, Speaker, head, many_communities, member, prefix, prefixes};

const ENGINE: &str = "shards = 2\nworkers = 2";

/// Another AS stands first: rejected.
fn rejected(speaker: &Speaker) -> PathAttributes {
    PathAttributes { as_path: AsPath::from_sequence(&[Asn(1_000_099)]), ..speaker.attributes() }
}

fn refreshes(speaker: &Speaker) -> usize {
    speaker.marks.iter().filter(|(mark, _)| *mark == Mark::Refresh(0)).count()
}

/// What the daemon has said to `owner` so far is read. Two echoes: a worker writes UPDATEs ahead of
/// what shards said of limits at the same time.
fn hear_all(owner: &mut Speaker, other: &mut Speaker) {
    for _ in 0..2 {
        let n = 9000 + owner.table.len() as u32;
        other.announce(&other.attributes(), &prefixes(n..n + 1));
        owner.until("an echo", |m| m.table.contains_key(&prefix(n)));
    }
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
        hear_all(&mut owner, &mut other);
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
        hear_all(&mut owner, &mut other);
        assert_eq!(refreshes(&owner), 0, "95 of 100: {count}");
        owner.withdraw(&prefixes(5..20));
        owner.until("ROUTE-REFRESH", |m| refreshes(m) > 0);
        owner.announce(&owner.attributes(), &prefixes(good..good + 10));
        other.until("ten more", |m| m.table.len() == good as usize - 10);
        hear_all(&mut owner, &mut other);
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

/// A limit on both families together beside wide ones of each: what is said names the one that it was.
#[test]
fn a_limit_on_both_families_is_said_to_be_one() {
    let limits = "max_prefixes = { v4 = 1000, v6 = 500, total = 100 }";
    let engine = "shards = 1\nworkers = 2";
    let rs = Running::start(|port| head(port, engine) + &member(11, limits) + &member(12, ""));
    let (mut owner, mut other) = (rs.join(11), rs.join(12));
    owner.announce(&owner.attributes(), &prefixes(0..90));
    other.until("what is allowed", |m| m.table.len() == 90);
    let status = rs.session(11);
    assert_eq!((status.limits, status.limit_total), ([Some(1000), Some(500)], Some(100)));
    let near: Vec<_> = status.limit_uses().filter(LimitUse::is_near).collect();
    assert_eq!(near, [LimitUse { families: "all", counted: 90, limit: 100 }]);
    owner.announce(&owner.attributes(), &prefixes(90..101));
    owner.until_closed();
    // RFC 4486 §4: what it may have is said of a family only.
    let told = owner.notification.take().unwrap();
    assert_eq!((told.code, told.subcode, told.data.len()), (6, 1, 0));
    let why = rs.session(11).disabled.unwrap();
    assert_eq!(why, "more than 100 prefixes");
}

/// Rejected routes are kept, too, and count for nothing: twice the limit and 1,000 of them.
#[test]
fn where_accepted_routes_count_rejected_ones_are_bounded() {
    let (rs, mut owner, _other, _) = filled("shutdown", "accepted");
    owner.announce(&rejected(&owner), &prefixes(1000..2200));
    owner.keepalive();
    let mark = owner.attributes();
    owner.announce(&mark, &prefixes(0..1));
    rs.until(11, "all of them", |s| s.routes[0].filtered == 1200);
    assert_eq!(rs.session(11).state, SessionState::Established);
    owner.announce(&rejected(&owner), &prefixes(2200..2201));
    owner.until_closed();
    assert_eq!(owner.notification.take().map(|n| (n.code, n.subcode)), Some((6, 1)));
    assert_eq!(rs.session(11).state, SessionState::Disabled);
}

/// The same for routes that were accepted, and are rejected as they are announced anew.
#[test]
fn where_accepted_routes_count_those_that_turn_rejected_are_bounded_too() {
    let (rs, mut owner, _other, good) = filled("shutdown", "accepted");
    let round = |n: u32| n * good..(n + 1) * good;
    for n in 0..8 {
        owner.announce(&rejected(&owner), &prefixes(round(n)));
        owner.announce(&owner.attributes(), &prefixes(round(n + 1)));
    }
    owner.keepalive();
    let status = rs.until(11, "as many as there may be", |s| {
        (s.routes[0].filtered, s.routes[0].accepted) == (1200, 100)
    });
    assert_eq!(status.state, SessionState::Established);
    owner.announce(&rejected(&owner), &prefixes(8 * good..8 * good + 1));
    owner.until_closed();
    assert_eq!(owner.notification.take().map(|n| (n.code, n.subcode)), Some((6, 1)));
}

/// Room that comes and goes: it is asked once, and again when a minute is over.
#[test]
fn who_goes_back_and_forth_at_its_limit_is_asked_once() {
    let (rs, mut owner, mut other, good) = filled("block", "accepted");
    for n in 1..=20 {
        owner.withdraw(&prefixes(0..30));
        owner.announce(&owner.attributes(), &prefixes(0..30));
        owner.announce(&owner.attributes(), &prefixes(good + n..good + n + 1));
    }
    // What is withdrawn last says that everything before was taken in.
    owner.withdraw(&prefixes(31..32));
    other.until("the last one is gone", |m| !m.table.contains_key(&prefix(31)));
    assert_eq!(other.table.len(), good as usize - 1);
    owner.until("ROUTE-REFRESH", |m| refreshes(m) > 0);
    hear_all(&mut owner, &mut other);
    let updates = rs.session(11).messages.received.update;
    assert!(updates > 40, "{updates}");
    assert_eq!(refreshes(&owner), 1);
}

/// Without graceful restart nothing is left of a session but what is yet to be swept: the next one has
/// its whole limit for other prefixes.
#[test]
fn a_session_that_begins_anew_has_its_whole_limit() {
    for count in ["received", "accepted"] {
        let limit =
            format!("max_prefixes = {{ v4 = 500, action = \"shutdown\", count = \"{count}\" }}");
        let rs = Running::start(|port| head(port, ENGINE) + &member(11, &limit) + &member(12, ""));
        let mut other = rs.join(12);
        for round in 0..6 {
            let mut owner = rs.join(11);
            let first = round * 400;
            owner.announce(&owner.attributes(), &prefixes(first..first + 500));
            other.until("these, and none of before", |m| {
                m.table.keys().eq(&prefixes(first..first + 500))
            });
            assert_eq!(rs.session(11).counted, [500, 0], "{count}");
            drop(owner);
            let status = rs.until(11, "it is gone", |s| s.state != SessionState::Established);
            assert_eq!((status.counted, status.disabled), ([0, 0], None), "{count}");
        }
    }
}

/// What was kept over its restart goes when it is back without its forwarding state (RFC 4724 §4.2),
/// and counts no longer for what it sends then.
#[test]
fn rfc4724_s4_2_who_comes_back_without_its_state_has_its_whole_limit() {
    let limit = "max_prefixes = { v4 = 500, action = \"shutdown\" }";
    let rs = Running::start(|port| head(port, ENGINE) + &member(11, limit) + &member(12, ""));
    let mut other = rs.join(12);
    for round in 0..4 {
        // It names no family: nothing was kept at its end.
        let families = [Family::V4];
        let mut owner = rs.join_with(11, Speaker::graceful(11, 120, &families[..1 - round % 2]));
        let first = round as u32 * 500;
        owner.announce(&owner.attributes(), &prefixes(first..first + 500));
        other.until("these, and none of before", |m| {
            m.table.keys().eq(&prefixes(first..first + 500))
        });
        drop(owner);
        let status = rs.until(11, "it is gone", |s| s.state != SessionState::Established);
        let kept = if round % 2 == 0 { 500 } else { 0 };
        assert_eq!((status.counted, status.disabled), ([kept, 0], None));
    }
}

/// Below its prefix limit a member may hold so much of attributes, and no more: five thousand routes
/// with 3.6 kB each.
#[test]
fn what_comes_with_prefixes_is_bounded_too() {
    let limits = "max_prefixes = { v4 = 10000, v6 = 100 }";
    let rs = Running::start(|port| {
        many_communities(&head(port, ENGINE)) + &member(11, limits) + &member(12, "")
    });
    let (mut owner, mut other) = (rs.join(11), rs.join(12));
    other.announce(&other.attributes(), &prefixes(100_000..100_001));
    let with = |n: u32| PathAttributes {
        large_communities: (0..300)
            .map(|m| LargeCommunity { global: 4_200_000_000, local1: n, local2: m })
            .collect(),
        ..owner.attributes()
    };
    // Few enough behind the one that is too many for the sockets' buffers.
    let all: Vec<_> = (0..5150).map(with).collect();
    for (n, attributes) in (0..).zip(&all) {
        owner.announce_if_open(attributes, &prefixes(n..n + 1));
    }
    other.until("some of it", |m| !m.table.is_empty());
    owner.until_closed();
    assert_eq!(owner.notification.take().map(|n| (n.code, n.subcode)), Some((6, 8)));
    other.until("nothing of it", |m| m.table.is_empty());
    assert_eq!(rs.session(12).state, SessionState::Established);
}

/// A member that may announce more has more to say of it, also in the session that is up.
#[test]
fn a_raised_limit_lets_attributes_come_to_more() {
    let text = |port, limits: &str| {
        many_communities(&head(port, ENGINE)) + &member(11, limits) + &member(12, "")
    };
    let limits = |v4: u32| format!("max_prefixes = {{ v4 = {v4}, v6 = 100 }}");
    let rs = Running::start(|port| text(port, &limits(10_000)));
    let mut owner = rs.join(11);
    rs.rewrite(&text(rs.port, &limits(200_000)));
    rs.ask(rs.handle.reload(None)).unwrap();
    // 20 MB: more than a limit of 10,000 stands for, and less than one of 200,000.
    for n in 0..5500 {
        let one = |m| LargeCommunity { global: 4_200_000_000, local1: n, local2: m };
        let large_communities = (0..300).map(one).collect();
        let attributes = PathAttributes { large_communities, ..owner.attributes() };
        owner.announce_if_open(&attributes, &prefixes(n..n + 1));
    }
    rs.until(11, "all of it", |s| s.routes[0].received == 5500);
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

#[test]
fn a_limit_below_what_is_there_is_warned_of() {
    let (rs, mut owner, _other, good) = filled("shutdown", "received");
    let lowered = |v4: u32| {
        let limit = format!("max_prefixes = {{ v4 = {v4}, action = \"shutdown\" }}");
        head(rs.port, "shards = 1\nworkers = 2") + &member(11, &limit) + &member(12, "")
    };
    rs.rewrite(&lowered(100));
    assert_eq!(rs.ask(rs.handle.reload(None)).unwrap().warnings, Vec::<String>::new());
    rs.rewrite(&lowered(50));
    let expected = "AS1000011 (rs1/127.0.0.11) has 100 ipv4 prefixes, its limit is now 50: \
                    this acts on the next one, or when the session starts again";
    let foreseen = rs.ask(rs.handle.diff(&rs.directory.path().join("rs.toml"))).unwrap().sessions;
    assert_eq!(foreseen.warnings, [expected]);
    assert_eq!(rs.ask(rs.handle.reload(None)).unwrap().warnings, [expected]);
    assert_eq!(rs.session(11).state, SessionState::Established);
    owner.announce(&owner.attributes(), &prefixes(good..good + 1));
    owner.until_closed();
}

/// 100 accepted routes and 400 rejected ones, or 60 and 40: which of them count changes, and the
/// session stays as it is.
#[test]
fn a_reload_changes_what_counts_and_warns_by_what_counts_then() {
    for (count, then, limit, counted, warned) in [
        ("accepted", "received", 100, 500, true),
        ("accepted", "received", 600, 500, false),
        ("received", "accepted", 70, 60, false),
        ("received", "accepted", 50, 60, true),
    ] {
        let (rs, mut owner, mut other, good) = filled("shutdown", count);
        let lines =
            format!("max_prefixes = {{ v4 = {limit}, action = \"shutdown\", count = \"{then}\" }}");
        let engine = "shards = 1\nworkers = 2";
        rs.rewrite(&(head(rs.port, engine) + &member(11, &lines) + &member(12, "")));
        let report = rs.ask(rs.handle.reload(None)).unwrap();
        let text =
            format!("has {counted} ipv4 prefixes, its limit is now {limit}: this acts on the");
        assert_eq!(report.warnings.len(), usize::from(warned), "{:?}", report.warnings);
        assert!(report.warnings.iter().all(|warning| warning.contains(&text)), "{report:?}");
        assert_eq!(report.restarted, []);
        rs.until(11, "the count of now", |s| s.counted[0] == counted);
        hear_all(&mut owner, &mut other);
        let status = rs.session(11);
        assert_eq!(
            (status.state, status.flaps),
            (SessionState::Established, 0),
            "{count}, {limit}"
        );
        owner.announce(&owner.attributes(), &prefixes(good..good + 1));
        if warned {
            owner.until_closed();
            assert_eq!(owner.notification.map(|n| (n.code, n.subcode)), Some((6, 1)));
        } else {
            other.until("one more", |m| m.table.len() == good as usize + 1);
        }
    }
}

/// It would be asked for what `block` left out, and be closed for having answered.
#[test]
fn an_action_that_closes_who_has_been_blocked_is_warned_of() {
    let (rs, mut owner, _other, good) = filled("block", "received");
    owner.announce(&owner.attributes(), &prefixes(good..good + 30));
    rs.until(11, "all thirty refused", |s| s.routes[0].refused == 30);
    let path = rs.directory.path().join("rs.toml");
    for (action, warned) in [("shutdown", true), ("warn", false)] {
        let lines = format!("max_prefixes = {{ v4 = 120, action = \"{action}\" }}");
        let text = head(rs.port, "shards = 1\nworkers = 2");
        rs.rewrite(&(text + &member(11, &lines) + &member(12, "")));
        let warnings = rs.ask(rs.handle.diff(&path)).unwrap().sessions.warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
        assert!(warnings.iter().all(|one| one.contains("closes the session if it is more")));
    }
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
    let learning = dynamic("0s", state.path());
    let limit = "max_prefixes = { v4 = 100, action = \"block\" }";
    let blocking = |port| learning(port).replace("max_prefixes = \"dynamic\"", limit);
    let mut rs = Running::start(|port| blocking(port) + &member(13, "max_prefixes = \"dynamic\""));
    assert_eq!(rs.session(13).limits, [Some(100), Some(100)], "nothing announced yet");
    let (mut owner, mut other) = (rs.join(11), rs.join(13));
    owner.announce(&owner.attributes(), &prefixes(0..101));
    other.announce(&other.attributes(), &prefixes(200..300));
    rs.until(11, "all but one", |s| s.routes[0].received == 100 && s.routes[0].refused == 1);
    rs.until(13, "its routes", |s| s.routes[0].received == 100);
    // What is announced at the end is noted.
    rs.rewrite(&(learning(rs.port) + &member(13, "max_prefixes = \"dynamic\"")));
    rs.restart(ShutdownKind::Cease);
    assert_eq!(rs.session(11).limits[0], Some(100), "as if it had announced nothing");
    assert_eq!(rs.session(13).limits[0], Some(500), "for who announced no fewer");
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
