//! Established: UPDATEs flow (RFC 4271 §8.2.2).

use std::time::Instant;

use bgp_wire::iana::fsm_error;

use crate::connection::Progress;
use crate::context::Context;
use crate::events::Event;
use crate::open_sent::unexpected;
use crate::timers::{HoldTimer, KeepaliveTimer, SendHoldTimer, earliest};
use crate::{ConnectionId, DownReason, Negotiated, Output};

#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) negotiated: Box<Negotiated>,
    pub(crate) since: Instant,
    pub(crate) hold: HoldTimer,
    pub(crate) keepalive: KeepaliveTimer,
    pub(crate) send_hold: SendHoldTimer,
}

impl Established {
    pub(crate) fn new(
        cx: &Context<'_>,
        negotiated: Box<Negotiated>,
        keepalive: KeepaliveTimer,
    ) -> Self {
        let hold = HoldTimer::new(negotiated.hold_time, cx.now);
        let send_hold = SendHoldTimer::new(cx.config.send_hold(negotiated.hold_time));
        Self { negotiated, since: cx.now, hold, keepalive, send_hold }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest([self.hold.deadline(), self.keepalive.deadline(), self.send_hold.deadline()])
    }

    pub(crate) fn handle(
        mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        event: Event,
    ) -> Result<Progress, DownReason> {
        match event {
            Event::Update(body) => {
                self.hold.restart(cx.now);
                cx.outbox.push_back(Output::Update { body });
            }
            Event::Keepalive => self.hold.restart(cx.now),
            Event::RouteRefresh(refresh) => {
                cx.outbox.push_back(Output::RouteRefresh(refresh));
            }
            Event::KeepaliveTimerExpires => cx.send_keepalive(id),
            // RFC 7313 §5 makes it an error between speakers that both know that RFC.
            Event::RouteRefreshError(_) if !self.negotiated.enhanced_route_refresh => {}
            Event::UpdateError(fault)
            | Event::HeaderError(fault)
            | Event::RouteRefreshError(fault) => return Err(DownReason::NotificationSent(fault)),
            Event::Notification(notification) => {
                return Err(DownReason::NotificationReceived(notification));
            }
            Event::HoldTimerExpires => return Err(DownReason::HoldTimerExpired),
            Event::SendHoldTimerExpires => return Err(DownReason::SendHoldTimerExpired),
            Event::TcpConnectionFails => return Err(DownReason::ConnectionLost),
            Event::CollisionDump => return Err(DownReason::Collision),
            Event::Stop(reason) => return Err(DownReason::Stopped(reason)),
            Event::Open(..) | Event::OpenError(_) => {
                return Err(unexpected(fsm_error::ESTABLISHED, &event));
            }
            Event::Start { .. }
            | Event::ConnectRetryTimerExpires
            | Event::IdleHoldTimerExpires
            | Event::TcpConnectionAcked
            | Event::TcpConnectionConfirmed => {}
        }
        Ok(Progress::Established(self))
    }
}
