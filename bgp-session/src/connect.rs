//! Connect: our own TCP connection is being opened (RFC 4271 §8.2.2). Connections of the peer are
//! taken meanwhile.

use std::time::Instant;

use crate::Output;
use crate::active::Active;
use crate::context::Context;
use crate::events::Event;
use crate::seek::{Seek, retry_time};
use crate::timers::later;

#[derive(Debug)]
pub(crate) struct Connect {
    /// ConnectRetryTimer: when the attempt is given up and made anew.
    pub(crate) retry_at: Instant,
}

impl Connect {
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        cx.counters.connect_attempts += 1;
        cx.outbox.push_back(Output::Connect);
        Self { retry_at: later(cx.now, retry_time(cx.config)) }
    }

    pub(crate) fn handle(self, cx: &mut Context<'_>, event: &Event) -> Seek {
        match event {
            Event::ConnectRetryTimerExpires => {
                cx.outbox.push_back(Output::CancelConnect);
                Seek::Connect(Self::begin(cx))
            }
            Event::TcpConnectionAcked => Seek::Active(Active::listening()),
            // RFC 4271 §8.2.2 goes to Idle here unless DelayOpen is used; a member whose port is
            // closed may still connect to us, so this session listens on.
            Event::TcpConnectionFails => {
                cx.counters.connect_failures += 1;
                Seek::Active(Active::until(later(cx.now, retry_time(cx.config))))
            }
            _ => Seek::Connect(self),
        }
    }
}
