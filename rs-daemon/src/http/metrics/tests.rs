use super::*;
use crate::control::answers::RpkiAnswer;
use crate::control::sample;
use crate::runtime::status::{
    BmpCollectorStatus, DaemonStatus, HistogramSnapshot, IrrRefreshStatus, IrrSetStatus,
    LearnedLimit, ListenerStatus, LocalSocketStatus, MrtStatus, NotificationCount, RouteCounters,
    RouteServerStatus, RpkiSourceStatus, RpslPolicyStatus, SignatureFailures,
};

fn snapshot() -> Snapshot {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.name = "Quotes \" and \\ and\nlines".into();
    session.limits = [Some(100), None];
    session.limit_total = Some(200);
    session.counted = [12, 3];
    session.dynamic_limits =
        [Some(LearnedLimit { highest: 12, days: 3, watched_secs: 90_000, learning: false }), None];
    session.routes[0] = RouteCounters {
        received: 12,
        accepted: 10,
        best: 9,
        filtered: 2,
        exported: 400,
        refused: 5,
        filtered_by_reason: vec![("bogon-prefix".into(), 2)],
        marked: vec![("transit-scrubbed".into(), 3)],
    };
    session.messages.sent.notification = 2;
    session.notifications = vec![NotificationCount { sent: true, code: 6, subcode: 2, count: 2 }];
    let mut zoned = sample::session("rs1", 65020, "fe80::1");
    zoned.id.interface = Some("eth1".into());
    zoned.state = SessionState::Active;
    Snapshot {
        status: status(),
        sessions: vec![session, zoned],
        engine: EngineCounters {
            propagation: HistogramSnapshot {
                bounds: vec![0.001, 0.01],
                cumulative: vec![3, 5, 6],
                sum_secs: 0.25,
            },
            tasks: 11,
            ..EngineCounters::default()
        },
        operations_tasks: 4,
        data: data(),
        monitoring: MonitoringStatus {
            bmp: vec![BmpCollectorStatus {
                name: "archive".into(),
                connected: true,
                too_slow: 2,
                sent_octets: 99,
                ..BmpCollectorStatus::default()
            }],
            bmp_lost: 0,
            mrt: Some(MrtStatus { writable: true, dropped: 3, ..MrtStatus::default() }),
        },
    }
}

fn status() -> StatusAnswer {
    let server = RouteServerStatus {
        name: "rs1".into(),
        kind: "regular".into(),
        asn: 64500,
        router_id: "192.0.2.250".parse().unwrap(),
        listeners: vec![ListenerStatus {
            address: "192.0.2.250:179".parse().unwrap(),
            interface: None,
            refused_unconfigured: 3,
            refused_limit: 0,
            accepted: 7,
        }],
        sessions_configured: 2,
        sessions_established: 1,
        restart_awaits: Some(3),
        epoch: 1,
        routes: [RouteCounters::default(), RouteCounters::default()],
        destinations: [10, 0],
    };
    let daemon = DaemonStatus {
        exchange: "Example IX".into(),
        version: "0.1.0".into(),
        started: sample::time(sample::NOON),
        last_reload: sample::time(sample::NOON),
        last_reload_success: true,
        workers: 2,
        shards: 1,
        sessions_configured: 2,
        sessions_established: 1,
        state_written: true,
        clock_jumps: 0,
        draining: false,
        ready: true,
        resident_octets: 1_000_000,
        shard_inbox: vec![5],
        signature_failures: SignatureFailures { md5_wrong: 7, ..Default::default() },
        control: Some(LocalSocketStatus { listening: true, lost: 1, ..Default::default() }),
        http: Some(LocalSocketStatus { listening: true, ..Default::default() }),
    };
    StatusAnswer { daemon, route_servers: vec![server], rpki: RpkiAnswer::default() }
}

fn data() -> DataStatus {
    DataStatus {
        rpki: vec![RpkiSourceStatus {
            name: "127.0.0.1:3323".into(),
            state: "connected".into(),
            active: true,
            preference: 1,
            version: Some(1),
            session: Some(7),
            serial: Some(42),
            vrps: 450_000,
            aspas: 0,
            last_sync: Some(sample::time(sample::NOON)),
            last_error: None,
            failures: Some(3),
        }],
        vrps: 450_000,
        aspas: 0,
        irr: vec![IrrSetStatus {
            name: "AS-ALICE".into(),
            source: "127.0.0.1:43".into(),
            members: 1,
            asns: 2,
            prefixes: [10, 20],
            fetched: Some(sample::time(sample::NOON)),
            stale: false,
            last_error: None,
        }],
        rpsl: vec![RpslPolicyStatus {
            aut_num: 65010,
            state: PolicyState::InForce,
            lines: 2,
            source: "RIPE".into(),
            fetched: Some(sample::time(sample::NOON)),
            stale: false,
            fault: true,
            last_error: Some("unknown AS-SETs, which open nothing: AS-GONE".into()),
        }],
        irr_refresh: Some(IrrRefreshStatus {
            last_success: Some(sample::time(sample::NOON)),
            last_error: None,
            failures: 4,
            cache_written: false,
        }),
    }
}

#[test]
fn every_documented_metric_is_there() {
    let text = text(&snapshot()).unwrap();
    for series in [
        r#"rs_session_state{route_server="rs1",peer="192.0.2.10",asn="65010",state="established"} 1"#,
        r#"rs_session_state{route_server="rs1",peer="fe80::1%eth1",asn="65020",state="active"} 1"#,
        r#"rs_session_up_seconds{route_server="rs1",peer="fe80::1%eth1",asn="65020"} 0"#,
        r#"rs_session_flaps_total{route_server="rs1",peer="192.0.2.10",asn="65010"} 0"#,
        r#"direction="sent",type="notification"} 2"#,
        r#"rs_notifications_total{route_server="rs1",peer="192.0.2.10",asn="65010",direction="sent",code="6",subcode="2"} 2"#,
        r#"family="ipv4",kind="exported"} 400"#,
        r#"rs_filtered_routes{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4",reason="bogon-prefix"} 2"#,
        r#"rs_marked_routes{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4",mark="transit-scrubbed"} 3"#,
        r#"rs_prefix_limit{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4"} 100"#,
        r#"rs_prefix_limit{route_server="rs1",peer="192.0.2.10",asn="65010",family="all"} 200"#,
        r#"rs_prefix_limit_counted{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4"} 12"#,
        r#"rs_prefix_limit_counted{route_server="rs1",peer="192.0.2.10",asn="65010",family="all"} 15"#,
        r#"rs_prefix_limit_refused_total{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4"} 5"#,
        r#"rs_prefix_limit_highest{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4"} 12"#,
        r#"rs_prefix_limit_learning{route_server="rs1",peer="192.0.2.10",asn="65010",family="ipv4"} 0"#,
        "rs_state_write_success 1",
        r#"rs_bmp_connected{collector="archive"} 1"#,
        r#"rs_bmp_disconnects_total{collector="archive",reason="too-slow"} 2"#,
        r#"rs_bmp_sent_bytes_total{collector="archive"} 99"#,
        "rs_mrt_writable 1",
        "rs_mrt_dropped_total 3",
        r#"action="treat-as-withdraw"} 0"#,
        r#"rs_restart_awaits{route_server="rs1"} 3"#,
        "rs_held{",
        "rs_send_queue_bytes{",
        "rs_lagging{",
        "rs_flush_duration_seconds_count 0",
        r#"rs_propagation_seconds_bucket{le="0.01"} 5"#,
        r#"rs_propagation_seconds_bucket{le="+Inf"} 6"#,
        r#"rs_shard_inbox{shard="0"} 5"#,
        r#"rs_rpki_vrps{cache="127.0.0.1:3323"} 450000"#,
        r#"rs_rpki_serial{cache="127.0.0.1:3323"} 42"#,
        "rs_rpki_last_sync_timestamp_seconds{",
        r#"rs_irr_set_age_seconds{set="AS-ALICE"}"#,
        r#"rs_rpsl_policies{state="in-force"} 1"#,
        r#"rs_rpsl_policies{state="never-fetched"} 0"#,
        "rs_rpsl_policies_faulty 1",
        r#"rs_rpsl_policy_age_seconds{asn="65010"}"#,
        r#"rs_rpki_up{cache="127.0.0.1:3323"} 1"#,
        r#"rs_rpki_failures_total{cache="127.0.0.1:3323"} 3"#,
        "rs_irr_last_refresh_success 1",
        "rs_irr_last_refresh_timestamp_seconds ",
        "rs_irr_refresh_failures_total 4",
        "rs_irr_cache_write_success 0",
        r#"rs_socket_up{socket="http"} 1"#,
        r#"rs_socket_lost_total{socket="control"} 1"#,
        r#"rs_socket_bind_failures_total{socket="http"} 0"#,
        r#"rs_socket_refused_total{socket="control"} 0"#,
        r#"rs_accept_failures_total{socket="bgp"} 0"#,
        r#"rs_tcp_signature_failures_total{kind="md5-wrong"} 7"#,
        "rs_config_last_reload_success 1",
        r#"rs_tasks{of="sessions"} 11"#,
        r#"rs_tasks{of="operations"} 4"#,
        "process_resident_memory_bytes",
        r#"name="Quotes \" and \\ and\nlines""#,
    ] {
        assert!(text.contains(series), "{series} is missing in\n{text}");
    }
}

/// What `docs/http.md` says of the number of series. Nothing that a peer sends makes more of them.
#[test]
fn a_session_has_no_more_series_than_is_documented() {
    let count = |session: SessionStatus| {
        let text = text(&Snapshot { sessions: vec![session], ..snapshot() }).unwrap();
        text.lines().filter(|line| line.contains("peer=\"192.0.2.10\"")).count()
    };
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    let always = count(session.clone());
    let marks = rib::Mark::ALL.map(rib::Mark::name).into_iter().chain(["transit-withheld"]);
    let marked: Vec<_> = marks.map(|mark| (mark.to_owned(), 1)).collect();
    let reasons = policy::RejectReason::ALL.map(policy::RejectReason::name);
    let learned = LearnedLimit { highest: 1, days: 1, watched_secs: 1, learning: true };
    session.limits = [Some(1); 2];
    session.limit_total = Some(1);
    session.dynamic_limits = [Some(learned); 2];
    for routes in &mut session.routes {
        routes.filtered_by_reason = reasons.map(|reason| (reason.to_owned(), 1)).to_vec();
        routes.marked = marked.clone();
    }
    let most = count(session);
    let documented = include_str!("../../../../docs/http.md");
    let sentence = format!("{always} series, and at most {most}");
    assert!(documented.contains(&sentence), "docs/http.md does not say {sentence:?}");
}
