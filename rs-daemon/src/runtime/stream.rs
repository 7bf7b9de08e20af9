//! What carries a connection: TCP, or memory in a simulation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

use crate::net;

/// See the module.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Memory(NearEnd),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl Stream {
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Memory(_) => None,
        }
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Memory(_) => None,
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Memory(end) => end.read(buffer),
        }
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Memory(end) => end.write(slices),
        }
    }

    /// Has TCP notice that the peer is gone, where BGP's hold timer does not.
    pub(crate) fn notice_silence(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => net::notice_silence(stream),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Whether octets wait to be read.
    pub(crate) fn has_unread_input(&self) -> bool {
        match self {
            Self::Tcp(stream) => net::has_unread_input(stream),
            Self::Memory(end) => !end.0.borrow().to_near.is_empty(),
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            // Who simulates gives the session its turns.
            Self::Memory(_) => Poll::Pending,
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Memory(_) => Poll::Pending,
        }
    }
}

#[derive(Debug, Default)]
struct Pipes {
    to_near: VecDeque<u8>,
    to_far: VecDeque<u8>,
    /// Octets that the way to the far end holds.
    capacity: usize,
    read_by_near: u64,
    near_closed: bool,
    far_closed: bool,
    /// The far end is gone without a word.
    reset: bool,
}

/// The route server's end of a connection in memory. Closed when it is dropped.
#[derive(Debug)]
pub(crate) struct NearEnd(Rc<RefCell<Pipes>>);

impl NearEnd {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipes = self.0.borrow_mut();
        if pipes.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if pipes.to_near.is_empty() && !pipes.far_closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buffer.len().min(pipes.to_near.len());
        for (octet, from) in buffer.iter_mut().zip(pipes.to_near.drain(..n)) {
            *octet = from;
        }
        pipes.read_by_near += n as u64;
        Ok(n)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipes = self.0.borrow_mut();
        if pipes.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if pipes.far_closed {
            // As a kernel does until it hears that nobody is there.
            return Ok(slices.iter().map(|slice| slice.len()).sum());
        }
        let room = pipes.capacity.saturating_sub(pipes.to_far.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = pipes.to_far.len();
        pipes.to_far.extend(slices.iter().flat_map(|slice| slice.iter().copied()).take(room));
        Ok(pipes.to_far.len() - before)
    }

    /// From here on the far end's window is open: what closes gets its last words out.
    pub(crate) fn open_window(&self) {
        self.0.borrow_mut().capacity = usize::MAX;
    }
}

impl Drop for NearEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().near_closed = true;
    }
}

/// The member's end of a connection in memory.
#[derive(Debug)]
pub struct FarEnd(Rc<RefCell<Pipes>>);

/// Both ends of a connection; the way from near to far holds `capacity` octets.
pub(crate) fn connection(capacity: usize) -> (NearEnd, FarEnd) {
    let pipes = Rc::new(RefCell::new(Pipes { capacity, ..Pipes::default() }));
    (NearEnd(Rc::clone(&pipes)), FarEnd(pipes))
}

impl FarEnd {
    /// Takes up to `limit` octets that have arrived.
    pub fn read(&self, limit: usize) -> Vec<u8> {
        let mut pipes = self.0.borrow_mut();
        let n = limit.min(pipes.to_far.len());
        pipes.to_far.drain(..n).collect()
    }

    /// Sends octets; there is always room.
    pub fn write(&self, octets: &[u8]) {
        self.0.borrow_mut().to_near.extend(octets);
    }

    /// Octets that wait to be read here.
    pub fn unread(&self) -> usize {
        self.0.borrow().to_far.len()
    }

    /// Whether the route server has read all that was sent.
    pub fn is_drained(&self) -> bool {
        self.0.borrow().to_near.is_empty()
    }

    /// How much the route server has read.
    pub fn read_by_route_server(&self) -> u64 {
        self.0.borrow().read_by_near
    }

    /// Whether the route server has closed its end.
    pub fn is_closed_by_route_server(&self) -> bool {
        self.0.borrow().near_closed
    }

    /// Closes this end; what was sent before still arrives.
    pub fn close(&self) {
        self.0.borrow_mut().far_closed = true;
    }

    /// Breaks the connection: what was not read is lost.
    pub fn reset(&self) {
        self.0.borrow_mut().reset = true;
    }
}
