//! OpenConfirm: the OPENs are exchanged, the peer's KEEPALIVE is awaited (RFC 4271 §8.2.2).

use std::time::Instant;

use bgp_wire::OpenMessage;
use bgp_wire::iana::fsm_error;

use crate::connection::Progress;
use crate::context::Context;
use crate::established::Established;
use crate::events::Event;
use crate::open_sent::{OUTBOUND_OPEN_TIME, unexpected};
use crate::timers::{HoldTimer, KeepaliveTimer, earliest};
use crate::{ConnectionId, DownReason, Negotiated};

#[derive(Debug)]
pub(crate) struct OpenConfirm {
    pub(crate) local: OpenMessage,
    pub(crate) peer: OpenMessage,
    pub(crate) negotiated: Box<Negotiated>,
    pub(crate) hold: HoldTimer,
    pub(crate) keepalive: KeepaliveTimer,
}

impl OpenConfirm {
    /// Nothing is sent yet: whether this connection lives is decided first (RFC 4271 §6.8).
    pub(crate) fn new(
        cx: &Context<'_>,
        local: OpenMessage,
        peer: OpenMessage,
        negotiated: Negotiated,
    ) -> Self {
        // With hold time zero no timer would ever end a peer that goes silent right here.
        let hold_time = Some(negotiated.hold_time).filter(|time| !time.is_zero());
        let hold = HoldTimer::new(hold_time.unwrap_or(OUTBOUND_OPEN_TIME), cx.now);
        let keepalive = KeepaliveTimer::new(cx.config.jittered(negotiated.keepalive), cx.now);
        Self { local, peer, negotiated: Box::new(negotiated), hold, keepalive }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest([self.hold.deadline(), self.keepalive.deadline()])
    }

    pub(crate) fn handle(
        self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        event: Event,
    ) -> Result<Progress, DownReason> {
        match event {
            Event::Keepalive => {
                Ok(Progress::Established(Established::new(cx, self.negotiated, self.keepalive)))
            }
            Event::KeepaliveTimerExpires => {
                cx.send_keepalive(id);
                Ok(Progress::OpenConfirm(self))
            }
            Event::HeaderError(fault) => Err(DownReason::NotificationSent(fault)),
            Event::Notification(notification) => {
                Err(DownReason::NotificationReceived(notification))
            }
            Event::HoldTimerExpires => Err(DownReason::HoldTimerExpired),
            Event::TcpConnectionFails => Err(DownReason::ConnectionLost),
            Event::CollisionDump => Err(DownReason::Collision),
            Event::Stop(reason) => Err(DownReason::Stopped(reason)),
            Event::Open(..)
            | Event::OpenError(_)
            | Event::Update(_)
            | Event::RouteRefresh(_)
            | Event::RouteRefreshError(_) => Err(unexpected(fsm_error::OPEN_CONFIRM, &event)),
            Event::Start { .. }
            | Event::ConnectRetryTimerExpires
            | Event::IdleHoldTimerExpires
            | Event::TcpConnectionAcked
            | Event::TcpConnectionConfirmed
            | Event::UpdateError(_)
            | Event::SendHoldTimerExpires => Ok(Progress::OpenConfirm(self)),
        }
    }
}
