//! A session and a route made up for tests.

use std::time::{Duration, SystemTime};

use crate::runtime::query::RouteEntry;
use crate::runtime::status::{
    DaemonStatus, MalformedCounters, MessageCounters, RouteCounters, SessionId, SessionState,
    SessionStatus, TimerStatus,
};

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOON: u64 = 1_795_262_400;

pub(crate) fn time(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

pub(crate) fn session(route_server: &str, asn: u32, address: &str) -> SessionStatus {
    SessionStatus {
        id: SessionId {
            route_server: route_server.into(),
            address: address.parse().unwrap(),
            interface: None,
        },
        slot: 0,
        member: 0,
        asn,
        name: format!("Member {asn}").into(),
        state: SessionState::Established,
        disabled: None,
        since: time(NOON - 3723),
        flaps: 0,
        last_down: None,
        last_down_at: None,
        last_notification: None,
        timers: TimerStatus::default(),
        negotiated: None,
        local: None,
        remote: None,
        messages: MessageCounters::default(),
        notifications: Vec::new(),
        malformed: MalformedCounters::default(),
        routes: [RouteCounters::default(), RouteCounters::default()],
        limits: [None, None],
        limit_total: None,
        counted: [0, 0],
        dynamic_limits: [None, None],
        send_queue_octets: 0,
        dirty_nlri: 0,
        held: false,
        lagging: false,
        worker: 0,
    }
}

/// From AS65010's session with a link-local address; a test says what it is about.
pub(crate) fn route(prefix: &str) -> RouteEntry {
    RouteEntry {
        prefix: prefix.into(),
        from: session("rs1", 65010, "fe80::65:10").id,
        from_asn: 65010,
        next_hop: "2001:db8::1 fe80::1".into(),
        gateway: "2001:db8::1".parse().unwrap(),
        as_path: "65010".into(),
        origin: "igp".into(),
        med: None,
        communities: Vec::new(),
        extended_communities: Vec::new(),
        large_communities: Vec::new(),
        otc: None,
        atomic_aggregate: false,
        aggregator: None,
        unknown: Vec::new(),
        path_id: None,
        reject: None,
        best: true,
        stale: false,
        age_secs: Some(60),
        rov: None,
        irr: None,
    }
}

/// The process, well and without sessions.
pub(crate) fn daemon() -> DaemonStatus {
    DaemonStatus {
        exchange: "Example IX".into(),
        version: "0.1.0".into(),
        started: time(NOON - 37 * 86_400),
        last_reload: time(NOON - 37 * 86_400),
        last_reload_success: true,
        workers: 2,
        shards: 1,
        sessions_configured: 0,
        sessions_established: 0,
        state_written: true,
        clock_jumps: 0,
        draining: false,
        ready: true,
        resident_octets: 512_300_000,
        shard_inbox: vec![0],
        signature_failures: crate::runtime::status::SignatureFailures::default(),
        control: None,
        http: None,
    }
}
