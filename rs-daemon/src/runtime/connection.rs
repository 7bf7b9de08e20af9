//! One TCP connection of a session and what waits to be written to it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bgp_session::ConnectionId;
use bytes::Bytes;
use tokio::sync::Notify;

use super::send_queue::{Flushed, SendQueue};
use super::stream::Stream;

/// See the module. Owned by the session's task; the worker's delivery loop holds a handle to the
/// established one and writes to it directly, so that a batch costs no task wake-up.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) stream: Stream,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) queue: RefCell<SendQueue>,
    /// The socket took no more at the last write: the task waits until it is writable.
    blocked: Cell<bool>,
    /// A turn's share was written and more may go.
    unfinished: Cell<bool>,
    /// A write failed; the task tells the session.
    broken: Cell<bool>,
    sent_octets: Cell<u64>,
    /// Octets went out since the task last asked.
    progressed: Cell<bool>,
    /// Wakes the session's task.
    attention: Arc<Notify>,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, stream: Stream, attention: Arc<Notify>) -> Self {
        Self {
            id,
            local: stream.local_addr(),
            remote: stream.peer_addr(),
            stream,
            queue: RefCell::default(),
            blocked: Cell::new(false),
            unfinished: Cell::new(false),
            broken: Cell::new(false),
            sent_octets: Cell::new(0),
            progressed: Cell::new(false),
            attention,
        }
    }

    pub(crate) fn push_urgent(&self, message: Bytes) {
        self.queue.borrow_mut().push_urgent(message);
        self.flush();
    }

    /// Writes what the socket takes, unless it is known to take nothing. The task is woken where
    /// it has to go on.
    pub(crate) fn flush(&self) {
        if self.blocked.get() {
            return;
        }
        self.write();
        if self.blocked.get() || self.unfinished.get() || self.broken.get() {
            self.attention.notify_one();
        }
    }

    /// The socket may have become writable. Called by the task itself, which sees what came of it
    /// (and must not wake itself, or it would never wait).
    pub(crate) fn retry(&self) {
        if self.blocked.get() || self.unfinished.get() {
            self.blocked.set(false);
            self.write();
        }
    }

    fn write(&self) {
        if self.broken.get() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            self.unfinished.set(false);
            return;
        }
        match queue.flush(|slices| self.stream.try_write_vectored(slices)) {
            Ok((flushed, written)) => {
                self.sent_octets.set(self.sent_octets.get() + written as u64);
                self.progressed.set(self.progressed.get() || written > 0);
                self.blocked.set(flushed == Flushed::Blocked);
                self.unfinished.set(flushed == Flushed::More);
            }
            Err(_) => self.broken.set(true),
        }
    }

    /// Whether the task has to wait for writability.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.get() && !self.broken.get()
    }

    /// Whether more can be written without waiting.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.get() && !self.broken.get()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Whether octets went out since the last call.
    pub(crate) fn take_progress(&self) -> bool {
        self.progressed.replace(false)
    }

    pub(crate) fn sent_octets(&self) -> u64 {
        self.sent_octets.get()
    }

    /// Reads into `buffer`. `Ok(None)`: nothing there now.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.try_read(buffer) {
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}
