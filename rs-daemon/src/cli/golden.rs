//! What the tables look like, to the letter. `RS_BLESS=1` writes them anew.

use std::path::Path;

use jiff::Timestamp;

use super::table::Paint;
use super::{Look, explain, members, outside, report, routes, status};
use crate::cli::args::{Args, Verb};
use crate::control::answers::{RpkiAnswer, StatusAnswer};
use crate::control::sample;
use crate::irr::PolicyState;
use crate::runtime::query::{
    DiffReport, ExplainedCandidate, ExplainedCheck, Explanation, MemberDiff, RejectEntry,
    ReloadReport, RouteEntry,
};
use crate::runtime::status::{
    BmpCollectorStatus, DaemonStatus, IrrSetStatus, IrrStatus, LearnedLimit, ListenerStatus,
    NegotiatedStatus, NotificationStatus, RouteCounters, RouteServerStatus, RpkiSourceStatus,
    RpslPolicyStatus, SessionState, SessionStatus, TimerStatus,
};

/// Runs `write` and compares with `golden/NAME.txt`.
fn golden(name: &str, write: impl FnOnce(&mut Look<'_>) -> std::io::Result<()>) {
    golden_at(None, name, write);
}

/// The same on a terminal of `width` columns.
fn golden_at(
    width: Option<usize>,
    name: &str,
    write: impl FnOnce(&mut Look<'_>) -> std::io::Result<()>,
) {
    let mut out = Vec::new();
    let now = Timestamp::try_from(sample::time(sample::NOON)).unwrap();
    write(&mut Look { paint: Paint::Bare, width, now, out: &mut out }).unwrap();
    let text = String::from_utf8(out).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/cli/golden/{name}.txt"));
    if std::env::var_os("RS_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} is\n{expected}\nbut should be\n{text}", path.display());
    for line in text.lines() {
        assert_eq!(line, line.trim_end(), "no line trails");
    }
}

fn counters(received: u64, filtered: u64, exported: u64) -> RouteCounters {
    RouteCounters {
        received,
        accepted: received - filtered,
        best: received - filtered,
        filtered,
        exported,
        refused: 0,
        filtered_by_reason: Vec::new(),
        marked: Vec::new(),
    }
}

fn agreed() -> NegotiatedStatus {
    NegotiatedStatus {
        router_id: "192.0.2.10".parse().unwrap(),
        hold_time_secs: 90,
        keepalive_secs: 30,
        families: vec!["ipv4".into(), "ipv6".into()],
        extended_next_hop: false,
        add_path_send: Vec::new(),
        extended_message: true,
        four_octet_as: true,
        route_refresh: true,
        enhanced_route_refresh: true,
        local_capabilities: vec!["multiprotocol ipv4".into(), "route-refresh".into()],
        peer_capabilities: vec!["multiprotocol ipv4".into(), "hostname evil\x1b[2Jname".into()],
    }
}

fn sessions() -> Vec<SessionStatus> {
    let mut alice = sample::session("rs1", 65010, "192.0.2.10");
    alice.name = "Alice Networks".into();
    alice.negotiated = Some(agreed());
    alice.routes = [counters(120, 2, 250_034), counters(12, 0, 41_200)];
    alice.routes[0].filtered_by_reason = vec![("rpki-invalid".into(), 2)];
    alice.routes[1].marked = vec![("transit".into(), 9), ("transit-tagged".into(), 7)];
    alice.limits = [Some(130), Some(100)];
    alice.counted = [120, 12];
    alice.dynamic_limits =
        [None, Some(LearnedLimit { highest: 13, days: 40, ..LearnedLimit::default() })];
    let mut bob = sample::session("rs1", 4_200_000, "fe80::65:20");
    bob.name = "Bøb".into();
    bob.id.interface = Some("eth1".into());
    bob.state = SessionState::Active;
    bob.since = sample::time(sample::NOON - 3 * 86_400 - 4 * 3600);
    bob.last_down = Some("hold timer expired".into());
    let mut carol = sample::session("rs2", 65030, "2001:db8:1::30");
    carol.name = "Carol".into();
    carol.state = SessionState::Disabled;
    carol.disabled = Some("unpaid".into());
    carol.limits = [Some(170_000), None];
    carol.limit_total = Some(180_000);
    vec![alice, bob, carol]
}

fn route(prefix: &str, path: &str) -> RouteEntry {
    RouteEntry {
        prefix: prefix.into(),
        from: sample::session("rs1", 65010, "192.0.2.10").id,
        from_asn: 65010,
        next_hop: "192.0.2.10".into(),
        gateway: "192.0.2.10".parse().unwrap(),
        as_path: path.into(),
        origin: "igp".into(),
        med: None,
        communities: vec!["0:65020".into()],
        extended_communities: Vec::new(),
        large_communities: vec!["64500:1:2".into(), "64500:1:3".into()],
        otc: None,
        atomic_aggregate: false,
        aggregator: None,
        unknown: vec![(0xc0, 99, "0102".into())],
        path_id: None,
        reject: None,
        best: true,
        stale: false,
        age_secs: Some(75),
        rov: Some("valid".into()),
        irr: None,
    }
}

fn rejected() -> RouteEntry {
    RouteEntry {
        reject: Some(RejectEntry {
            code: 14,
            euro_ix: 13,
            name: "rpki-invalid".into(),
            text: "RPKI says that this AS may not announce the prefix".into(),
        }),
        best: false,
        med: Some(20),
        rov: Some("invalid".into()),
        ..route("2001:db8:ffff::/48", "65010 65011 65012")
    }
}

fn status_answer() -> StatusAnswer {
    let server = |name: &str, kind: &str, up| RouteServerStatus {
        name: name.into(),
        kind: kind.into(),
        asn: 64500,
        router_id: "192.0.2.250".parse().unwrap(),
        listeners: Vec::<ListenerStatus>::new(),
        sessions_configured: 12,
        sessions_established: up,
        restart_awaits: None,
        epoch: 1,
        routes: [counters(250_000, 1200, 24_000_000), counters(41_000, 3, 4_000_000)],
        destinations: [180_000, 40_000],
    };
    StatusAnswer {
        daemon: DaemonStatus {
            last_reload: sample::time(sample::NOON - 60),
            last_reload_success: false,
            sessions_configured: 24,
            sessions_established: 22,
            state_written: false,
            clock_jumps: 0,
            draining: true,
            http: Some(crate::runtime::status::LocalSocketStatus::default()),
            ..sample::daemon()
        },
        route_servers: vec![server("rs1", "regular", 12), server("chaos", "chaos", 10)],
        rpki: rpki(),
    }
}

fn rpki() -> RpkiAnswer {
    let source = |name: &str, state: &str, error: Option<&str>| RpkiSourceStatus {
        name: name.into(),
        state: state.into(),
        active: error.is_none(),
        preference: 1,
        version: Some(1),
        session: Some(7),
        serial: error.is_none().then_some(42),
        vrps: 450_000,
        aspas: 0,
        last_sync: error.is_none().then(|| sample::time(sample::NOON - 90)),
        last_error: error.map(str::to_owned),
        failures: Some(u64::from(error.is_some())),
    };
    RpkiAnswer {
        vrps: 450_000,
        aspas: 0,
        sources: vec![
            source("127.0.0.1:3323", "connected", None),
            source("[::1]:3323", "failed", Some("connection refused")),
        ],
    }
}

#[test]
fn status_table() {
    golden("status", |look| status::write(&status_answer(), look));
    golden_at(Some(80), "status-80", |look| status::write(&status_answer(), look));
}

#[test]
fn members_table() {
    golden("members", |look| members::write_list(&sessions(), look));
    golden_at(Some(80), "members-80", |look| members::write_list(&sessions(), look));
}

#[test]
fn member() {
    let mut session = sessions().swap_remove(0);
    session.flaps = 2;
    session.last_down = Some("NOTIFICATION received: 6/2".into());
    session.last_down_at = Some(sample::time(sample::NOON - 3730));
    session.last_notification = Some(NotificationStatus {
        sent: false,
        code: 6,
        subcode: 2,
        text: "6/2 administrative shutdown: \"line\nbreak\"".into(),
        at: sample::time(sample::NOON - 3730),
    });
    session.malformed.treat_as_withdraw = 3;
    session.timers = TimerStatus {
        hold: Some(sample::time(sample::NOON + 77)),
        keepalive: Some(sample::time(sample::NOON + 12)),
        send_hold: Some(sample::time(sample::NOON + 480)),
        ..TimerStatus::default()
    };
    golden("member", |look| members::write_one(&session, look));
}

#[test]
fn member_that_is_held_off() {
    let mut session = sessions().swap_remove(1);
    session.state = SessionState::Idle;
    session.flaps = 6;
    session.timers.idle_hold = Some(sample::time(sample::NOON + 143));
    golden("member-held-off", |look| members::write_one(&session, look));
}

#[test]
fn report_table() {
    let found = report::findings(&sessions(), &std::collections::HashMap::new(), None);
    golden("report", |look| report::write(&found, look));
}

fn listing(words: &str, look: &mut Look<'_>) -> std::io::Result<()> {
    use clap::Parser;
    let args = Args::try_parse_from(words.split(' ')).unwrap();
    let Verb::Routes(asked) = args.verb else { panic!("{words}") };
    let mut listing = routes::Listing::new(&asked, look.width);
    for route in [route("203.0.113.0/24", "65010"), rejected()] {
        listing.push(route, look)?;
    }
    listing.finish(look)
}

#[test]
fn routes_tables() {
    golden("routes", |look| listing("rsctl routes", look));
    golden_at(Some(80), "routes-filtered-80", |look| {
        listing("rsctl routes --rs rs1 --filtered", look)
    });
    golden("routes-filtered", |look| listing("rsctl routes --rs rs1 --filtered", look));
    golden("routes-detail", |look| listing("rsctl routes --detail", look));
}

#[test]
fn explanation() {
    let check = |check: &str, outcome: &str, detail: &str| ExplainedCheck {
        check: check.into(),
        outcome: outcome.into(),
        detail: detail.into(),
    };
    let explanation = Explanation {
        prefix: "203.0.113.0/24".into(),
        to: sample::session("rs1", 65020, "192.0.2.20").id,
        candidates: vec![
            ExplainedCandidate {
                route: route("203.0.113.0/24", "65010"),
                checks: vec![
                    check("next-hop", "pass", "192.0.2.10"),
                    check("never-via-route-servers", "skip", "the list is empty"),
                    check("do-not-announce-to-peer", "note", "0:65020"),
                ],
                outcome: "given".into(),
            },
            ExplainedCandidate {
                route: rejected(),
                checks: vec![check("rov", "fail", "203.0.113.0/24-24 AS65099")],
                outcome: "rejected: RPKI says no".into(),
            },
        ],
        chosen: vec![0],
        summary: "rs1/192.0.2.20 has 203.0.113.0/24 from AS65010 (192.0.2.10)".into(),
    };
    golden("explain", |look| explain::write(&explanation, look));
}

#[test]
fn diff() {
    let id = |address: &str| sample::session("rs1", 65010, address).id;
    let report = DiffReport {
        sessions: ReloadReport {
            added: vec![id("192.0.2.99")],
            removed: vec![id("192.0.2.10")],
            restarted: vec![(id("192.0.2.20"), "families".into())],
            policy_changed: vec!["rs1".into()],
            details: vec!["prefix limits: rs1/192.0.2.20".into()],
            needs_restart: vec!["engine.shards".into()],
            warnings: vec!["rs.toml:3:1: strange\n    do otherwise".into()],
        },
        members: vec![MemberDiff {
            session: id("192.0.2.20"),
            asn: 65010,
            name: "Alice Networks".into(),
            gained: 3,
            lost: 10,
            changed: 0,
            newly_accepted: 0,
            newly_rejected: 1,
            examples: vec!["- 203.0.113.0/24 from AS65010".into()],
        }],
    };
    golden("diff", |look| outside::write_diff(&report, "would", look));
    golden("diff-nothing", |look| outside::write_diff(&DiffReport::default(), "would", look));
}

#[test]
fn irr_table() {
    let fetched = || Some(sample::time(sample::NOON - 4000));
    let set = |name: &str, there: bool, stale| {
        IrrStatus::Set(IrrSetStatus {
            name: name.into(),
            source: if there { "127.0.0.1:43".into() } else { String::new() },
            members: 1,
            asns: 3,
            prefixes: [120, 7],
            fetched: fetched().filter(|_| there),
            stale,
            last_error: (stale || !there).then(|| "the server is away".into()),
        })
    };
    let policy = |aut_num, state, lines, fault: Option<&str>| {
        IrrStatus::Policy(RpslPolicyStatus {
            aut_num,
            state,
            lines,
            source: if lines > 0 { "RIPE".into() } else { String::new() },
            fetched: fetched(),
            stale: aut_num == 65020,
            fault: false,
            last_error: fault.map(str::to_owned),
        })
    };
    let mut all = vec![
        set("RIPE::AS-ALICE", true, false),
        set("AS-BOB", true, true),
        set("AS-NOBODY", false, false),
    ];
    golden("irr", |look| outside::write_irr(&all, look));
    all.truncate(1);
    all.extend([
        policy(65010, PolicyState::InForce, 4, None),
        policy(65020, PolicyState::InForce, 1, Some("the server is away")),
        policy(65030, PolicyState::NoAutNum, 0, None),
        policy(65040, PolicyState::NeverFetched, 0, None),
    ]);
    golden("irr-rpsl", |look| outside::write_irr(&all, look));
}

#[test]
fn bmp_table() {
    let collector = |name: &str, connected, synced| BmpCollectorStatus {
        name: name.into(),
        address: "192.0.2.10:1790".into(),
        views: vec!["adj-rib-in-pre".into(), "loc-rib".into()],
        connected,
        synced,
        connections: 2,
        too_slow: 1,
        lost_changes: 0,
        sent_octets: 1_234_567,
        queued_octets: if synced { 0 } else { 4096 },
    };
    let all = [
        collector("archive", true, true),
        collector("noc", true, false),
        collector("lab", false, false),
    ];
    golden("bmp", |look| outside::write_bmp(&all, look));
}
