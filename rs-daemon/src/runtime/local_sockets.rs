//! The sockets that are not for members, control and HTTP: whatever becomes of them, members are
//! served, and operators are told. Also what all listening sockets do when accepting fails.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::limits::REFUSED_LOG_INTERVAL;
use super::log_limit::LogLimit;
use super::status::LocalSocketStatus;

/// After an accept that failed (no file descriptors left, most likely): it comes back by itself,
/// a hot loop would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How it goes with one of them.
#[derive(Debug, Default)]
pub(crate) struct LocalSocket {
    configured: AtomicBool,
    listening: AtomicBool,
    bind_failures: AtomicU64,
    accept_failures: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
}

/// Both.
#[derive(Debug, Default)]
pub(crate) struct LocalSockets {
    pub(crate) control: LocalSocket,
    pub(crate) http: LocalSocket,
}

impl LocalSocket {
    /// It listens.
    pub(crate) fn is_up(&self) {
        self.configured.store(true, Ordering::Relaxed);
        self.listening.store(true, Ordering::Relaxed);
    }

    /// It cannot be listened on. Says whether that is news.
    pub(crate) fn is_down(&self) -> bool {
        self.configured.store(true, Ordering::Relaxed);
        self.bind_failures.fetch_add(1, Ordering::Relaxed);
        let first = self.bind_failures.load(Ordering::Relaxed) == 1;
        self.listening.swap(false, Ordering::Relaxed) || first
    }

    /// Its file is gone, or another's.
    pub(crate) fn is_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// A client too many.
    pub(crate) fn refuses(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// None: not configured.
    pub(crate) fn status(&self) -> Option<LocalSocketStatus> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.configured.load(Ordering::Relaxed).then(|| LocalSocketStatus {
            listening: self.listening.load(Ordering::Relaxed),
            bind_failures: count(&self.bind_failures),
            accept_failures: count(&self.accept_failures),
            lost: count(&self.lost),
            refused: count(&self.refused),
        })
    }

    /// See [`Accepting::failed`].
    pub(crate) async fn accept_failed(&self, accepting: &mut Accepting, error: &io::Error) {
        if accepting.failed(error).await {
            self.accept_failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Accepting on one socket, with what is said when it does not work.
#[derive(Debug)]
pub(crate) struct Accepting {
    what: String,
    log: LogLimit,
    failing: bool,
}

impl Accepting {
    /// `what`: named in the log.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), log: LogLimit::new(REFUSED_LOG_INTERVAL), failing: false }
    }

    /// A connection was taken.
    pub(crate) fn succeeded(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(socket = %self.what, "connections are accepted again");
        }
    }

    /// Says so now and then, and pauses. False: it was the client's fault, who has gone already.
    pub(crate) async fn failed(&mut self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return false;
        }
        self.failing = true;
        if let Some(unsaid) = self.log.admit(Instant::now()) {
            tracing::error!(
                socket = %self.what, %error, unsaid,
                "connections cannot be accepted and wait; those that are there go on"
            );
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
        true
    }
}
