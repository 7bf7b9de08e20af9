//! What a session counts.

use std::collections::BTreeMap;
use std::time::Instant;

use bgp_wire::{MessageType, Notification};

use crate::DownReason;

/// Different (code, subcode) pairs that are counted apart; a peer that makes up subcodes gets the
/// rest counted as (255, 255), so that neither memory nor metrics grow with its imagination.
const MAX_KINDS: usize = 64;

/// Messages by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl MessageCounts {
    /// The count of a type.
    pub fn get(&self, kind: MessageType) -> u64 {
        match kind {
            MessageType::Open => self.open,
            MessageType::Update => self.update,
            MessageType::Notification => self.notification,
            MessageType::Keepalive => self.keepalive,
            MessageType::RouteRefresh => self.route_refresh,
        }
    }

    pub(crate) fn add(&mut self, kind: MessageType, count: u64) {
        let place = match kind {
            MessageType::Open => &mut self.open,
            MessageType::Update => &mut self.update,
            MessageType::Notification => &mut self.notification,
            MessageType::Keepalive => &mut self.keepalive,
            MessageType::RouteRefresh => &mut self.route_refresh,
        };
        *place = place.wrapping_add(count);
    }
}

/// NOTIFICATIONs by code and subcode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotificationCounts(BTreeMap<(u8, u8), u64>);

impl NotificationCounts {
    /// (code, subcode) and how often, in order.
    pub fn iter(&self) -> impl Iterator<Item = ((u8, u8), u64)> + '_ {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }

    pub(crate) fn add(&mut self, notification: &Notification) {
        let kind = (notification.code, notification.subcode);
        let known = self.0.contains_key(&kind) || self.0.len() < MAX_KINDS;
        *self.0.entry(if known { kind } else { (u8::MAX, u8::MAX) }).or_default() += 1;
    }
}

/// The last ending of a session or connection that was no wish of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: Instant,
    /// What.
    pub reason: DownReason,
    /// The reason as a sentence, with the hint where there is one.
    pub text: String,
}

/// Everything counted since the session was made; plain numbers of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionCounters {
    /// Messages received, those of refused connections included.
    pub received: MessageCounts,
    /// Messages sent. The owner writes UPDATEs and ROUTE-REFRESH markers itself and reports them
    /// with [`crate::Session::count_sent`].
    pub sent: MessageCounts,
    /// NOTIFICATIONs received.
    pub notifications_received: NotificationCounts,
    /// NOTIFICATIONs sent.
    pub notifications_sent: NotificationCounts,
    /// How often the session became Established.
    pub established: u64,
    /// How often it left Established.
    pub flaps: u64,
    /// Outbound attempts begun.
    pub connect_attempts: u64,
    /// Outbound attempts failed.
    pub connect_failures: u64,
    /// Connections accepted or opened.
    pub connections: u64,
    /// Inbound connections refused: too many at once, or the session is Idle.
    pub connections_refused: u64,
    /// Connections closed in favour of another one.
    pub collisions: u64,
    /// How often the hold timer expired while unread input waited and time was granted.
    pub hold_grants: u64,
    /// OPENs sent with fewer capabilities because the peer had refused them.
    pub capability_fallbacks: u64,
    /// Why the session last went wrong.
    pub last_error: Option<LastError>,
    /// The last state machine event that happened, by its number in RFC 4271 §8.1.
    pub last_event: Option<u8>,
}
