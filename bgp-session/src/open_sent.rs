//! OpenSent: our OPEN is out, that of the peer awaited (RFC 4271 §8.2.2).

use std::time::{Duration, Instant};

use bgp_wire::iana::fsm_error;
use bgp_wire::{MessageType, Notification, OpenMessage, encode_message};
use bytes::BytesMut;

use crate::capabilities::negotiate;
use crate::connection::Progress;
use crate::context::Context;
use crate::events::Event;
use crate::open_confirm::OpenConfirm;
use crate::timers::HoldTimer;
use crate::{ConnectionId, DownReason};

/// How long our own connection waits for an OPEN (RFC 4271 §8.2.2 suggests 4 minutes). It blocks
/// nobody meanwhile.
pub(crate) const OUTBOUND_OPEN_TIME: Duration = Duration::from_secs(240);

#[derive(Debug)]
pub(crate) struct OpenSent {
    /// What we have sent.
    pub(crate) local: OpenMessage,
    pub(crate) hold: HoldTimer,
}

impl OpenSent {
    pub(crate) fn new(local: OpenMessage, now: Instant, open_time: Duration) -> Self {
        Self { local, hold: HoldTimer::new(open_time, now) }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.hold.deadline()
    }

    pub(crate) fn handle(
        self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        event: Event,
    ) -> Result<Progress, DownReason> {
        match event {
            Event::Open(peer, octets) => {
                let mut negotiated = negotiate(cx.config, &self.local, &peer, id)
                    .map_err(DownReason::NotificationSent)?;
                // What monitoring shows is what came, not what we would have written.
                let mut received = BytesMut::new();
                encode_message(MessageType::Open, &octets, &mut received);
                negotiated.received_open = received.freeze();
                let state = OpenConfirm::new(cx, self.local, peer, negotiated);
                Ok(Progress::OpenConfirm(state))
            }
            Event::OpenError(fault) | Event::HeaderError(fault) => {
                Err(DownReason::NotificationSent(fault))
            }
            Event::Notification(notification) => {
                Err(DownReason::NotificationReceived(notification))
            }
            Event::HoldTimerExpires => Err(DownReason::HoldTimerExpired),
            Event::TcpConnectionFails => Err(DownReason::ConnectionLost),
            Event::CollisionDump => Err(DownReason::Collision),
            Event::Stop(reason) => Err(DownReason::Stopped(reason)),
            Event::Keepalive
            | Event::Update(_)
            | Event::RouteRefresh(_)
            | Event::RouteRefreshError(_) => Err(unexpected(fsm_error::OPEN_SENT, &event)),
            Event::Start { .. }
            | Event::ConnectRetryTimerExpires
            | Event::KeepaliveTimerExpires
            | Event::IdleHoldTimerExpires
            | Event::TcpConnectionAcked
            | Event::TcpConnectionConfirmed
            | Event::UpdateError(_)
            | Event::SendHoldTimerExpires => Ok(Progress::OpenSent(self)),
        }
    }
}

/// RFC 6608 §3: a message that this state does not take, with its type as data.
pub(crate) fn unexpected(subcode: u8, event: &Event) -> DownReason {
    let kind = event.message_code().and_then(MessageType::from_code);
    DownReason::NotificationSent(Notification::finite_state_machine(subcode, kind))
}
