//! A session made up for tests.

use std::time::{Duration, SystemTime};

use crate::runtime::status::{
    MalformedCounters, MessageCounters, RouteCounters, SessionId, SessionState, SessionStatus,
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
        negotiated: None,
        local: None,
        remote: None,
        messages: MessageCounters::default(),
        notifications: Vec::new(),
        malformed: MalformedCounters::default(),
        routes: [RouteCounters::default(), RouteCounters::default()],
        limits: [None, None],
        dynamic_limits: [None, None],
        send_queue_octets: 0,
        dirty_nlri: 0,
        held: false,
        lagging: false,
        worker: 0,
    }
}
