//! What the states may touch besides themselves.

use std::collections::VecDeque;
use std::time::Instant;

use bgp_wire::{MessageType, Notification, OpenMessage, RouteRefresh, encode_keepalive};
use bytes::BytesMut;

use crate::{ConnectionId, Output, SessionConfig, SessionCounters};

/// The surroundings of a state while it handles an event.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a SessionConfig,
    pub(crate) counters: &'a mut SessionCounters,
    pub(crate) outbox: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    pub(crate) fn send_open(&mut self, id: ConnectionId, open: &OpenMessage) {
        self.transmit(id, MessageType::Open, |out| open.encode(out));
    }

    pub(crate) fn send_keepalive(&mut self, id: ConnectionId) {
        self.transmit(id, MessageType::Keepalive, encode_keepalive);
    }

    pub(crate) fn send_notification(&mut self, id: ConnectionId, notification: &Notification) {
        self.counters.notifications_sent.add(notification);
        self.transmit(id, MessageType::Notification, |out| notification.encode(out));
    }

    pub(crate) fn send_route_refresh(&mut self, id: ConnectionId, refresh: RouteRefresh) {
        self.transmit(id, MessageType::RouteRefresh, |out| refresh.encode(out));
    }

    fn transmit(
        &mut self,
        id: ConnectionId,
        kind: MessageType,
        encode: impl FnOnce(&mut BytesMut),
    ) {
        let mut out = BytesMut::new();
        encode(&mut out);
        self.counters.sent.add(kind, 1);
        self.outbox.push_back(Output::Transmit { id, octets: out.freeze() });
    }
}
