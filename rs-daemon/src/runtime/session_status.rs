//! A session as people see it.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bgp_session::{MessageCounts, Negotiated, SessionCounters, State, StopReason, Timers};
use bgp_wire::{Families, Family, MessageType};

use super::capability;
use super::driver::{Driver, End, notification_status};
use super::peer_config::limit_config;
use super::session_task::Peer;
use super::status::{
    DirectionCounters, MessageCounters, NegotiatedStatus, NotificationCount, NotificationStatus,
    RouteCounters, SessionId, SessionState, SessionStatus, TimerStatus,
};

impl Driver {
    /// All that the worker knows; the counts of routes are the shards'.
    pub(super) fn status(&mut self, peer: &Rc<Peer>) -> SessionStatus {
        let outbound = &mut *peer.outbound.borrow_mut();
        if let Some(outbound) = outbound {
            let (updates, refreshes) = outbound.take_sent();
            self.session.count_sent(MessageType::Update, updates);
            self.session.count_sent(MessageType::RouteRefresh, refreshes);
        }
        let connection = outbound.as_ref().map(|outbound| &outbound.connection);
        let counters = self.session.counters();
        let sent_octets = self.sent_octets_before + connection.map_or(0, |c| c.sent_octets());
        let limits = limit_config(&self.config.limits);
        let counted = self.config.limit.current();
        let (last_end, last_notification) = self.last_end(peer.now());
        SessionStatus {
            id: SessionId {
                route_server: self.config.key.route_server.clone(),
                address: self.config.key.address,
                interface: self.config.key.interface.clone(),
            },
            slot: peer.slot.0,
            member: self.config.member,
            asn: self.config.asn,
            name: self.config.name.clone(),
            state: self.session_state(),
            disabled: self.kept_down(),
            since: self.since,
            flaps: counters.flaps,
            last_down_at: last_end.as_ref().map(|end| end.at),
            last_down: last_end.map(|end| end.text),
            last_notification,
            timers: timers(self.session.timers(), peer.now()),
            negotiated: self.session.negotiated().map(negotiated_status),
            local: connection.and_then(|c| c.local),
            remote: connection.and_then(|c| c.remote),
            messages: MessageCounters {
                received: direction(&counters.received, self.received_octets),
                sent: direction(&counters.sent, sent_octets),
            },
            notifications: notifications(counters),
            malformed: self.malformed,
            routes: [RouteCounters::default(), RouteCounters::default()],
            limits: limits.families,
            limit_total: limits.total,
            counted: Family::ALL.map(|family| u64::from(counted.count(family))),
            dynamic_limits: [None; 2],
            send_queue_octets: connection.map_or(0, |c| c.queue.borrow().octets() as u64),
            dirty_nlri: outbound.as_ref().map_or(0, |o| o.dirty_nlri() as u64),
            held: outbound.as_ref().is_some_and(|o| o.is_held()),
            lagging: outbound.as_ref().is_some_and(|o| o.is_lagging()),
            worker: u16::try_from(peer.worker.index).unwrap_or(u16::MAX),
        }
    }

    /// Why the session went down last, or why it did not come up since, and what was said then.
    fn last_end(&self, now: Instant) -> (Option<End>, Option<NotificationStatus>) {
        let error = self.session.counters().last_error.as_ref();
        let newer = error.filter(|e| self.last_down.as_ref().is_none_or(|down| down.seen < e.at));
        let Some(error) = newer else {
            return (self.last_down.clone(), self.last_notification.clone());
        };
        let ago = now.saturating_duration_since(error.at);
        let at = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        let said = notification_status(&error.reason, at);
        let end = End { text: error.text.clone(), at, seen: error.at };
        (Some(end), said.or_else(|| self.last_notification.clone()))
    }

    fn session_state(&self) -> SessionState {
        if self.kept_down().is_some() {
            return SessionState::Disabled;
        }
        match self.session.state() {
            State::Idle => SessionState::Idle,
            State::Connect => SessionState::Connect,
            State::Active => SessionState::Active,
            State::OpenSent => SessionState::OpenSent,
            State::OpenConfirm => SessionState::OpenConfirm,
            State::Established => SessionState::Established,
        }
    }

    /// Why it is down until somebody enables it.
    fn kept_down(&self) -> Option<String> {
        if let Some(reason) = &self.disabled {
            return Some(reason.clone());
        }
        match self.session.stopped()? {
            reason @ StopReason::MaxPrefixes { restart_after: None, .. } => {
                Some(reason.to_string())
            }
            _ => None,
        }
    }
}

fn timers(timers: Timers, now: Instant) -> TimerStatus {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // To the second: the two clocks are not read at once, and the same timer must look the same.
    let end = |until: Option<Instant>| {
        let at = since_epoch.checked_add(until?.saturating_duration_since(now))?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.as_secs_f64().round() as u64))
    };
    TimerStatus {
        idle_hold: end(timers.idle_hold),
        connect_retry: end(timers.connect_retry),
        hold: end(timers.hold),
        keepalive: end(timers.keepalive),
        send_hold: end(timers.send_hold),
    }
}

fn direction(counts: &MessageCounts, octets: u64) -> DirectionCounters {
    DirectionCounters {
        open: counts.open,
        update: counts.update,
        notification: counts.notification,
        keepalive: counts.keepalive,
        route_refresh: counts.route_refresh,
        octets,
    }
}

fn notifications(counters: &SessionCounters) -> Vec<NotificationCount> {
    [(false, &counters.notifications_received), (true, &counters.notifications_sent)]
        .into_iter()
        .flat_map(|(sent, counts)| {
            counts.iter().map(move |((code, subcode), count)| NotificationCount {
                sent,
                code,
                subcode,
                count,
            })
        })
        .collect()
}

fn negotiated_status(negotiated: &Negotiated) -> NegotiatedStatus {
    let names = |families: Families| families.iter().map(|f| f.to_string()).collect();
    NegotiatedStatus {
        router_id: negotiated.peer_router_id,
        hold_time_secs: negotiated.hold_time.as_secs(),
        keepalive_secs: negotiated.keepalive.as_secs(),
        families: names(negotiated.families),
        extended_next_hop: negotiated.extended_next_hop,
        add_path_send: Family::ALL
            .into_iter()
            .filter(|family| negotiated.profile.add_path[family.index()])
            .map(|family| family.to_string())
            .collect(),
        extended_message: negotiated.profile.extended_message,
        four_octet_as: negotiated.profile.four_octet_as,
        route_refresh: negotiated.route_refresh,
        enhanced_route_refresh: negotiated.enhanced_route_refresh,
        local_capabilities: negotiated.local_capabilities.iter().map(capability::text).collect(),
        peer_capabilities: negotiated.peer_capabilities.iter().map(capability::text).collect(),
    }
}
