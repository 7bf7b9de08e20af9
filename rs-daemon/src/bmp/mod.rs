//! Monitoring by BMP (RFC 7854, RFC 8671, RFC 9069): what members send, what policy leaves of it,
//! what is best, and what members are sent, told to collectors.
//!
//! ```text
//! workers ──sessions──┐                          ┌─► queue ─► connection ─► collector
//!                     ├──► tap ──► station ──────┤
//! shards ──changes,───┘     (one thread of its   └─► queue ─► connection ─► collector
//!          pages             own for all of this)
//! ```
//!
//! The station keeps no table. A collector that has connected is told the sessions, then the
//! tables page by page as fast as it takes them, while changes go out as they come: a page and a
//! change stand in the tap in the order in which the shard made them, so what comes last is right.
//! What is bounded: the tap (when full, all collectors begin anew), each collector's queue (when
//! full, that collector begins anew). No member ever waits.

mod collector;
mod dump;
mod messages;
mod service;
mod sessions;
mod station;
mod statistics;
mod status;
mod tap;

use bgp_session::{DownReason, StopReason};
use bgp_wire::bmp::PeerDown;

pub(crate) use service::{Service, start};
pub(crate) use status::Collectors;
pub(crate) use tap::{Event, SessionUp, Tap};

/// Why a session is over, as BMP says it (RFC 7854 §4.9).
pub(crate) fn peer_down(reason: &DownReason) -> PeerDown {
    /// RFC 4271 §8.1.2: ManualStop.
    const MANUAL_STOP: u16 = 2;
    match (reason.notification(), reason) {
        (Some((notification, true)), _) => PeerDown::LocalNotification(notification),
        (Some((notification, false)), _) => PeerDown::RemoteNotification(notification),
        (None, DownReason::Stopped(StopReason::GracefulRestart)) => {
            PeerDown::LocalNoNotification(MANUAL_STOP)
        }
        (None, _) => PeerDown::RemoteNoNotification,
    }
}

#[cfg(test)]
mod tests {
    use bgp_wire::Notification;

    use super::*;

    #[test]
    fn rfc7854_s4_9_every_end_has_its_reason() {
        let theirs = Notification::cease(2);
        let ours = Notification::cease(9);
        let cases = [
            (
                DownReason::NotificationReceived(theirs.clone()),
                PeerDown::RemoteNotification(theirs),
            ),
            (DownReason::NotificationSent(ours.clone()), PeerDown::LocalNotification(ours)),
            (
                DownReason::HoldTimerExpired,
                PeerDown::LocalNotification(Notification::hold_timer_expired()),
            ),
            (DownReason::ConnectionLost, PeerDown::RemoteNoNotification),
            (DownReason::Stopped(StopReason::GracefulRestart), PeerDown::LocalNoNotification(2)),
            (
                DownReason::Stopped(StopReason::Deconfigured),
                PeerDown::LocalNotification(Notification::cease(3)),
            ),
        ];
        for (reason, expected) in cases {
            assert_eq!(peer_down(&reason), expected, "{reason}");
        }
    }
}
