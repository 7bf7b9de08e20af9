//! The events of the state machine, numbered as RFC 4271 §8.1 does.

use bgp_wire::{Notification, OpenMessage, RouteRefresh};
use bytes::Bytes;

use crate::StopReason;

/// Something that happened to the session or to one of its connections.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Event 1: ManualStart, or Event 4: ManualStart_with_PassiveTcpEstablishment.
    Start { passive: bool },
    /// Event 2: ManualStop, or Event 8: AutomaticStop.
    Stop(StopReason),
    /// Event 9: ConnectRetryTimer_Expires.
    ConnectRetryTimerExpires,
    /// Event 10: HoldTimer_Expires.
    HoldTimerExpires,
    /// Event 11: KeepaliveTimer_Expires.
    KeepaliveTimerExpires,
    /// Event 13: IdleHoldTimer_Expires.
    IdleHoldTimerExpires,
    /// Event 16: Tcp_CR_Acked: our own connection is open.
    TcpConnectionAcked,
    /// Event 17: TcpConnectionConfirmed: one of the peer's is.
    TcpConnectionConfirmed,
    /// Event 18: TcpConnectionFails.
    TcpConnectionFails,
    /// Event 19: BGPOpen, with the body that it was read from.
    Open(OpenMessage, Bytes),
    /// Event 21: BGPHeaderErr.
    HeaderError(Notification),
    /// Event 22: BGPOpenMsgErr.
    OpenError(Notification),
    /// Event 23: OpenCollisionDump.
    CollisionDump,
    /// Event 24: NotifMsgVerErr, or Event 25: NotifMsg.
    Notification(Notification),
    /// Event 26: KeepAliveMsg.
    Keepalive,
    /// Event 27: UpdateMsg.
    Update(Bytes),
    /// Event 28: UpdateMsgErr.
    UpdateError(Notification),
    /// Event 29: SendHoldTimer_Expires (RFC 9687 §3.1).
    SendHoldTimerExpires,
    /// A ROUTE-REFRESH (RFC 2918), which RFC 4271 does not number.
    RouteRefresh(RouteRefresh),
    /// A ROUTE-REFRESH of a wrong length (RFC 7313 §5).
    RouteRefreshError(Notification),
}

impl Event {
    /// The number in RFC 4271 §8.1.
    pub(crate) fn number(&self) -> Option<u8> {
        Some(match self {
            Self::Start { passive: false } => 1,
            Self::Start { passive: true } => 4,
            Self::Stop(
                StopReason::AdministrativeShutdown(_) | StopReason::AdministrativeReset(_),
            ) => 2,
            Self::Stop(_) => 8,
            Self::ConnectRetryTimerExpires => 9,
            Self::HoldTimerExpires => 10,
            Self::KeepaliveTimerExpires => 11,
            Self::IdleHoldTimerExpires => 13,
            Self::TcpConnectionAcked => 16,
            Self::TcpConnectionConfirmed => 17,
            Self::TcpConnectionFails => 18,
            Self::Open(..) => 19,
            Self::HeaderError(_) => 21,
            Self::OpenError(_) => 22,
            Self::CollisionDump => 23,
            Self::Notification(notification) if is_version_error(notification) => 24,
            Self::Notification(_) => 25,
            Self::Keepalive => 26,
            Self::Update(_) => 27,
            Self::UpdateError(_) => 28,
            Self::SendHoldTimerExpires => 29,
            Self::RouteRefresh(_) | Self::RouteRefreshError(_) => return None,
        })
    }

    /// The type of the message that the event is about, for the data of an RFC 6608 error.
    pub(crate) fn message_code(&self) -> Option<u8> {
        use bgp_wire::iana::message;
        Some(match self {
            Self::Open(..) | Self::OpenError(_) => message::OPEN,
            Self::Update(_) => message::UPDATE,
            Self::Notification(_) => message::NOTIFICATION,
            Self::Keepalive => message::KEEPALIVE,
            Self::RouteRefresh(_) | Self::RouteRefreshError(_) => message::ROUTE_REFRESH,
            _ => return None,
        })
    }
}

fn is_version_error(notification: &Notification) -> bool {
    use bgp_wire::iana::{error, open_error};
    notification.code == error::OPEN_MESSAGE
        && notification.subcode == open_error::UNSUPPORTED_VERSION
}
