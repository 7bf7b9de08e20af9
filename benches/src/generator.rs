//! The load generator: all members of an exchange in one thread, each a real BGP speaker over TCP.
//!
//! It costs far less than any daemon, because it decodes a set of attributes once and then knows
//! it by its octets, and because a prefix is an index into an array. While it reads it keeps
//! count of the cells that differ from what RFC 7947 says they must be; the load has converged
//! when that count is zero, so every run is checked to the last route of every member.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::universe::{Cell, EMPTY, Universe};
use crate::wire::{self, Event, Reader};

/// Connections that are begun at a time and not Established: BIRD has a backlog of 8, and a SYN
/// that is dropped beyond it comes again after seconds, then minutes.
const ARRIVING: usize = 8;
/// Octets that one `read` may take: large, so that the generator makes few system calls.
const READ_OCTETS: usize = 256 * 1024;
/// Receive buffer of a member that does not read.
const DEAF_OCTETS: usize = 64 * 1024;
/// How often every member sends a KEEPALIVE, if its hold time allows.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);

/// How far a member's session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Down,
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
}

struct Member {
    stream: Option<TcpStream>,
    phase: Phase,
    buffer: Vec<u8>,
    queue: VecDeque<Pending>,
    table: Vec<Cell>,
    established_at: Option<Instant>,
    end_of_rib_at: Option<Instant>,
    /// The last KEEPALIVE of the daemon, the one that made the session Established included.
    kept_alive_at: Option<Instant>,
    /// A member that does not read.
    deaf: bool,
}

struct Pending {
    octets: std::rc::Rc<Vec<u8>>,
    written: usize,
}

/// A failure of a run: what a person must know to mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("member {member}: {source}")]
    Read { member: u32, source: wire::ReadError },
    #[error("member {member}: the daemon closed the session ({why})")]
    Closed { member: u32, why: String },
    #[error("not converged after {after:?}: {wrong} cells are not what they must be; {example}")]
    Timeout { after: Duration, wrong: u64, example: String },
    #[error("sessions up: {up} of {wanted} after {after:?}")]
    NotUp { up: usize, wanted: usize, after: Duration },
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Io { what, source }
}

/// One change whose way is timed: sent at, and latencies to each receiver as they come.
#[derive(Default)]
pub(crate) struct Probe {
    pub(crate) sent: Vec<Instant>,
    /// By change: how many members have heard of it.
    pub(crate) heard: Vec<u32>,
    pub(crate) latencies_micros: Vec<u32>,
}

pub(crate) struct Generator {
    pub(crate) universe: Universe,
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    target: SocketAddr,
    scratch: Vec<u8>,
    pub(crate) reader: Reader,
    /// Cells that are not (yet) what they must be.
    pub(crate) wrong: u64,
    pub(crate) probe: Option<Probe>,
    last_keepalive: Instant,
    established: usize,
    /// The longest time between two KEEPALIVEs to the same member, since it was last set to zero.
    longest_silence: Duration,
    /// Sessions that the daemon ended, with why: an error unless a load asks for it.
    pub(crate) tolerate_close: bool,
}

impl Generator {
    pub(crate) fn new(universe: Universe, port: u16) -> Result<Self, LoadError> {
        let width = universe.width() as usize;
        let members = (0..universe.spec.members)
            .map(|_| Member {
                stream: None,
                phase: Phase::Down,
                buffer: Vec::new(),
                queue: VecDeque::new(),
                table: vec![EMPTY; width],
                established_at: None,
                end_of_rib_at: None,
                kept_alive_at: None,
                deaf: false,
            })
            .collect();
        Ok(Self {
            target: SocketAddr::new(universe.route_server_address(), port),
            universe,
            poll: Poll::new().map_err(io_error("poll"))?,
            events: Events::with_capacity(2048),
            members,
            scratch: vec![0; READ_OCTETS],
            reader: Reader::default(),
            wrong: 0,
            probe: None,
            last_keepalive: Instant::now(),
            established: 0,
            longest_silence: Duration::ZERO,
            tolerate_close: false,
        })
    }

    /// Begins a TCP connection from `member`'s own address.
    pub(crate) fn connect(&mut self, member: u32) -> Result<(), LoadError> {
        let wrap = io_error("connecting to the daemon");
        let connect = || -> io::Result<TcpStream> {
            let domain = if self.target.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            socket.bind(&SocketAddr::new(self.universe.address(member), 0).into())?;
            match socket.connect(&self.target.into()) {
                Ok(()) => {}
                Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
                Err(e) => return Err(e),
            }
            Ok(TcpStream::from_std(socket.into()))
        };
        let mut stream = connect().map_err(wrap)?;
        self.poll
            .registry()
            .register(&mut stream, Token(member as usize), Interest::READABLE | Interest::WRITABLE)
            .map_err(io_error("register"))?;
        let m = &mut self.members[member as usize];
        m.stream = Some(stream);
        m.phase = Phase::Connecting;
        m.established_at = None;
        m.end_of_rib_at = None;
        m.kept_alive_at = None;
        Ok(())
    }

    /// Ends a session with Cease and forgets what the member held.
    pub(crate) fn disconnect(&mut self, member: u32) {
        self.leave(member, true);
    }

    /// Ends a session, with Cease or without a word, and forgets what the member held.
    pub(crate) fn leave(&mut self, member: u32, with_cease: bool) {
        let m = &mut self.members[member as usize];
        if let Some(mut stream) = m.stream.take() {
            let mut octets = Vec::new();
            if with_cease {
                wire::cease(&mut octets);
            }
            // The socket may be full: the daemon then learns it from the close.
            let _ = stream.write(&octets);
            let _ = self.poll.registry().deregister(&mut stream);
        }
        if m.phase == Phase::Established {
            self.established -= 1;
        }
        m.phase = Phase::Down;
        m.deaf = false;
        m.buffer.clear();
        m.queue.clear();
        m.table.fill(EMPTY);
    }

    pub(crate) fn phase(&self, member: u32) -> Phase {
        self.members[member as usize].phase
    }

    pub(crate) fn established_at(&self, member: u32) -> Option<Instant> {
        self.members[member as usize].established_at
    }

    pub(crate) fn end_of_rib_at(&self, member: u32) -> Option<Instant> {
        self.members[member as usize].end_of_rib_at
    }

    /// Begins to watch how long members wait for KEEPALIVEs.
    pub(crate) fn watch_keepalives(&mut self) {
        self.longest_silence = Duration::ZERO;
        let now = Instant::now();
        for member in &mut self.members {
            member.kept_alive_at = member.kept_alive_at.map(|_| now);
        }
    }

    /// The longest that a member has waited for a KEEPALIVE, or still waits.
    pub(crate) fn longest_silence(&self) -> Duration {
        let reading = self.members.iter().filter(|m| m.phase == Phase::Established && !m.deaf);
        let open = reading.filter_map(|m| m.kept_alive_at.map(|at| at.elapsed())).max();
        self.longest_silence.max(open.unwrap_or_default())
    }

    /// Whether a member reads.
    pub(crate) fn reads(&self, member: u32) -> bool {
        !self.members[member as usize].deaf
    }

    /// Makes a member stop reading.
    pub(crate) fn stop_reading(&mut self, member: u32) -> Result<(), LoadError> {
        let m = &mut self.members[member as usize];
        m.deaf = true;
        // The kernel would otherwise take some 30 MB in its place before the window closes.
        let Some(stream) = &m.stream else { return Ok(()) };
        socket2::SockRef::from(stream)
            .set_recv_buffer_size(DEAF_OCTETS)
            .map_err(io_error("receive buffer"))
    }

    /// Makes a member read again, what has waited first.
    pub(crate) fn read_again(&mut self, member: u32) -> Result<(), LoadError> {
        self.members[member as usize].deaf = false;
        self.receive(member)
    }

    /// Octets that `member` sends as soon as its socket takes them.
    pub(crate) fn send(
        &mut self,
        member: u32,
        octets: std::rc::Rc<Vec<u8>>,
    ) -> Result<(), LoadError> {
        self.members[member as usize].queue.push_back(Pending { octets, written: 0 });
        self.flush(member)
    }

    /// Counts anew which cells are wrong: after what is expected has changed.
    pub(crate) fn recount(&mut self) {
        self.wrong = 0;
        for (receiver, member) in (0_u32..).zip(&self.members) {
            for (index, cell) in (0_u32..).zip(&member.table) {
                self.wrong += u64::from(*cell != self.universe.expected(receiver, index));
            }
        }
    }

    /// Cells of one member that are not what they must be.
    pub(crate) fn missing(&self, member: u32) -> usize {
        (0_u32..)
            .zip(&self.members[member as usize].table)
            .filter(|(index, cell)| **cell != self.universe.expected(member, *index))
            .count()
    }

    /// Begins connections of those `members` that are down, as many as fit into [`ARRIVING`];
    /// one that the daemon refused is tried again.
    pub(crate) fn arrive(&mut self, members: impl Iterator<Item = u32>) -> Result<(), LoadError> {
        let mut begun = 0;
        let mut down = Vec::new();
        for member in members {
            match self.phase(member) {
                Phase::Established => {}
                Phase::Down => down.push(member),
                _ => begun += 1,
            }
        }
        down.into_iter().take(ARRIVING.saturating_sub(begun)).try_for_each(|m| self.connect(m))
    }

    /// Connects `members` and waits until all of them are Established.
    pub(crate) fn establish(
        &mut self,
        members: impl Iterator<Item = u32>,
        limit: Duration,
    ) -> Result<(), LoadError> {
        let members: Vec<u32> = members.collect();
        let started = Instant::now();
        loop {
            let missing: Vec<u32> =
                members.iter().copied().filter(|m| self.phase(*m) != Phase::Established).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if started.elapsed() > limit {
                let up = members.len() - missing.len();
                return Err(LoadError::NotUp { up, wanted: members.len(), after: limit });
            }
            self.arrive(members.iter().copied())?;
            self.turn(Some(Duration::from_millis(20)))?;
        }
    }

    /// Runs until no cell is wrong; returns when the last one became right.
    pub(crate) fn converge(&mut self, limit: Duration) -> Result<Instant, LoadError> {
        let started = Instant::now();
        while self.wrong > 0 {
            self.turn(Some(Duration::from_millis(50)))?;
            if started.elapsed() > limit {
                return Err(LoadError::Timeout {
                    after: limit,
                    wrong: self.wrong,
                    example: self.example(),
                });
            }
        }
        Ok(Instant::now())
    }

    fn example(&self) -> String {
        for (receiver, member) in (0_u32..).zip(&self.members) {
            for (index, cell) in (0_u32..).zip(&member.table) {
                let expected = self.universe.expected(receiver, index);
                if *cell != expected {
                    let prefix = self.universe.prefix_text(index);
                    return format!(
                        "member {receiver} prefix {prefix}: has {cell:#x}, must have {expected:#x}"
                    );
                }
            }
        }
        "none is wrong when counted anew".to_owned()
    }

    /// Waits for sockets at most `wait`, and serves those that are ready.
    pub(crate) fn turn(&mut self, wait: Option<Duration>) -> Result<(), LoadError> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, wait);
        match polled {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(io_error("poll")(e)),
            _ => {}
        }
        for event in &events {
            let member = event.token().0 as u32;
            if event.is_writable() {
                self.writable(member)?;
            }
            if event.is_readable() && !self.members[member as usize].deaf {
                self.receive(member)?;
            }
        }
        self.events = events;
        let hold_time = Duration::from_secs(self.universe.spec.hold_time.into());
        if self.last_keepalive.elapsed() > KEEPALIVE_EVERY.min(hold_time / 3) {
            self.keepalives()?;
        }
        Ok(())
    }

    fn keepalives(&mut self) -> Result<(), LoadError> {
        self.last_keepalive = Instant::now();
        let mut octets = Vec::new();
        wire::keepalive(&mut octets);
        let octets = std::rc::Rc::new(octets);
        for member in 0..self.members.len() as u32 {
            if self.phase(member) == Phase::Established {
                self.send(member, octets.clone())?;
            }
        }
        Ok(())
    }

    fn writable(&mut self, member: u32) -> Result<(), LoadError> {
        let m = &mut self.members[member as usize];
        if m.phase == Phase::Connecting {
            let Some(stream) = &m.stream else { return Ok(()) };
            if stream.take_error().ok().flatten().is_some() || stream.peer_addr().is_err() {
                m.stream = None;
                m.phase = Phase::Down;
                return Ok(());
            }
            m.phase = Phase::OpenSent;
            let open = wire::open(&self.universe, member);
            return self.send(member, std::rc::Rc::new(open));
        }
        self.flush(member)
    }

    fn flush(&mut self, member: u32) -> Result<(), LoadError> {
        let m = &mut self.members[member as usize];
        let Some(stream) = &mut m.stream else { return Ok(()) };
        while let Some(pending) = m.queue.front_mut() {
            match stream.write(&pending.octets[pending.written..]) {
                Ok(n) => {
                    pending.written += n;
                    if pending.written == pending.octets.len() {
                        m.queue.pop_front();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return self.closed(member, e.to_string()),
            }
        }
        Ok(())
    }

    fn closed(&mut self, member: u32, why: String) -> Result<(), LoadError> {
        let before = self.phase(member);
        self.disconnect(member);
        // Before Established a daemon may refuse and be asked again.
        if self.tolerate_close || before != Phase::Established {
            return Ok(());
        }
        Err(LoadError::Closed { member, why })
    }

    fn receive(&mut self, member: u32) -> Result<(), LoadError> {
        loop {
            let m = &mut self.members[member as usize];
            let Some(stream) = &mut m.stream else { return Ok(()) };
            let n = match stream.read(&mut self.scratch) {
                Ok(0) => return self.closed(member, "end of stream".to_owned()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return self.closed(member, e.to_string()),
            };
            self.consume(member, n)?;
        }
    }

    fn consume(&mut self, member: u32, n: usize) -> Result<(), LoadError> {
        let m = &mut self.members[member as usize];
        let (mut reply, mut refresh) = (false, false);
        let mut notification = None;
        let now = Instant::now();
        let carried = !m.buffer.is_empty();
        if carried {
            m.buffer.extend_from_slice(&self.scratch[..n]);
        }
        let octets: &[u8] = if carried { &m.buffer } else { &self.scratch[..n] };
        let (universe, table, wrong) = (&self.universe, &mut m.table, &mut self.wrong);
        let (phase, end_of_rib_at) = (&mut m.phase, &mut m.end_of_rib_at);
        let (probe, established) = (&mut self.probe, &mut self.established);
        let established_at = &mut m.established_at;
        let (kept_alive_at, silence) = (&mut m.kept_alive_at, &mut self.longest_silence);
        let used = self
            .reader
            .read(universe, octets, &mut |event| match event {
                Event::Open => {
                    reply = true;
                    *phase = Phase::OpenConfirm;
                }
                Event::Keepalive if *phase == Phase::OpenConfirm => {
                    *phase = Phase::Established;
                    *established_at = Some(now);
                    *kept_alive_at = Some(now);
                    *established += 1;
                }
                Event::Keepalive => {
                    let since = kept_alive_at.replace(now).map_or(Duration::ZERO, |at| now - at);
                    *silence = (*silence).max(since);
                }
                Event::Notification(code, subcode) => notification = Some((code, subcode)),
                Event::EndOfRib => *end_of_rib_at = Some(now),
                Event::Refresh => refresh = true,
                Event::Reach(index, cell, extra) => {
                    set_cell(universe, table, wrong, member, index, cell);
                    if let (Some(probe), Some((_, number))) = (probe.as_mut(), extra) {
                        let sent = probe.sent[usize::from(number)];
                        probe.heard[usize::from(number)] += 1;
                        probe.latencies_micros.push((now - sent).as_micros() as u32);
                    }
                }
                Event::Unreach(index) => set_cell(universe, table, wrong, member, index, EMPTY),
            })
            .map_err(|source| LoadError::Read { member, source })?;
        if carried {
            m.buffer.drain(..used);
        } else {
            m.buffer.extend_from_slice(&self.scratch[used..n]);
        }
        if let Some((code, subcode)) = notification {
            return self.closed(member, format!("NOTIFICATION {code}/{subcode}"));
        }
        if reply {
            let mut octets = Vec::new();
            wire::keepalive(&mut octets);
            self.send(member, std::rc::Rc::new(octets))?;
        }
        if refresh {
            let table = wire::table(&self.universe, member, false);
            self.send(member, std::rc::Rc::new(table))?;
        }
        Ok(())
    }
}

fn set_cell(u: &Universe, table: &mut [Cell], wrong: &mut u64, member: u32, index: u32, new: Cell) {
    let cell = &mut table[index as usize];
    let expected = u.expected(member, index);
    // While a load changes what is expected without counting anew, this may pass through zero.
    *wrong = wrong.wrapping_sub(u64::from(*cell != expected));
    *wrong = wrong.wrapping_add(u64::from(new != expected));
    *cell = new;
}
