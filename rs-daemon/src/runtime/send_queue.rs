//! What waits to be written to one connection.
//!
//! A queue of handles: a batch that goes to a thousand members is in memory once. Octets of
//! KEEPALIVE, NOTIFICATION, OPEN and ROUTE-REFRESH ("urgent") go ahead of UPDATEs, but only
//! between whole messages, so that they never wait behind more than the one message that the
//! socket has half taken.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::limits::{WRITE_SLICES, WRITE_TURN_OCTETS};

/// Octets of marker and length ahead of a message's type: RFC 4271 §4.1.
const LENGTH_AT: usize = 16;

/// What a write turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is left.
    Empty,
    /// The socket takes no more now.
    Blocked,
    /// The turn's share is used up; the socket may take more.
    More,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    /// Ahead of `data`; also holds the rest of a message that was half written when something
    /// urgent came.
    urgent: VecDeque<Bytes>,
    /// Each entry is one or more whole messages; the first may be partly written.
    data: VecDeque<Bytes>,
    /// Octets of `data[0]`'s current message that are still to write; 0 at a message's start.
    message_left: usize,
    octets: usize,
}

impl SendQueue {
    /// Octets waiting.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Buffers waiting.
    pub(crate) fn entries(&self) -> usize {
        self.urgent.len() + self.data.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Appends whole messages in order.
    pub(crate) fn push(&mut self, messages: Bytes) {
        if messages.is_empty() {
            return;
        }
        self.octets += messages.len();
        self.data.push_back(messages);
    }

    /// Queues a whole message ahead of the data.
    pub(crate) fn push_urgent(&mut self, message: Bytes) {
        if message.is_empty() {
            return;
        }
        if self.urgent.is_empty() && self.message_left > 0 {
            self.set_half_written_apart();
        }
        self.octets += message.len();
        self.urgent.push_back(message);
    }

    /// Drops the data that is not half written (a NOTIFICATION is all that is still to go out).
    pub(crate) fn drop_data(&mut self) {
        if self.message_left > 0 && self.urgent.is_empty() {
            self.set_half_written_apart();
        }
        self.octets = self.urgent.iter().map(Bytes::len).sum();
        self.data.clear();
        self.message_left = 0;
    }

    fn set_half_written_apart(&mut self) {
        let Some(front) = self.data.front_mut() else { return };
        let rest = front.split_to(self.message_left.min(front.len()));
        if front.is_empty() {
            self.data.pop_front();
        }
        self.urgent.push_back(rest);
        self.message_left = 0;
    }

    /// Writes until nothing is left, the socket would block, or the turn's share is used up.
    pub(crate) fn flush(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<(Flushed, usize)> {
        let mut written = 0;
        while !self.is_empty() {
            if written >= WRITE_TURN_OCTETS {
                return Ok((Flushed::More, written));
            }
            match self.write_once(&mut write) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    self.advance(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((Flushed::Blocked, written));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok((Flushed::Empty, written))
    }

    fn write_once(
        &self,
        write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let mut used = 0;
        for (slot, octets) in slices.iter_mut().zip(self.urgent.iter().chain(&self.data)) {
            *slot = IoSlice::new(octets);
            used += 1;
        }
        write(&slices[..used])
    }

    fn advance(&mut self, mut n: usize) {
        self.octets -= n;
        while n > 0 {
            let from_urgent = !self.urgent.is_empty();
            let queue = if from_urgent { &mut self.urgent } else { &mut self.data };
            let Some(front) = queue.front_mut() else {
                debug_assert!(false, "wrote more than was queued");
                return;
            };
            if n >= front.len() {
                n -= front.len();
                queue.pop_front();
                if !from_urgent {
                    self.message_left = 0;
                }
                continue;
            }
            if !from_urgent {
                self.message_left = left_of_message(front, self.message_left, n);
            }
            front.advance(n);
            return;
        }
    }
}

/// Octets of the current message that remain after `n` more octets of `buffer` are written, where
/// `left` octets of a message come first in it (0: a message starts at its first octet).
fn left_of_message(buffer: &[u8], left: usize, n: usize) -> usize {
    let mut boundary = left;
    while boundary < n {
        let length = buffer
            .get(boundary + LENGTH_AT..boundary + LENGTH_AT + 2)
            .map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
        if length == 0 {
            debug_assert!(false, "not a whole message in the queue");
            return buffer.len() - n;
        }
        boundary += length;
    }
    boundary - n
}

#[cfg(test)]
mod tests;
