//! Two sessions connected in memory, with latency, closed ports and pulled cables, on a virtual
//! clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bgp_session::{ConnectionId, Direction, Input, Output, Session, SessionConfig, State};
use bgp_wire::Asn;

use crate::rig::{config, secs};

/// Something under way.
#[derive(Debug)]
enum Packet {
    /// Wants to open connection number `.0` of the link.
    Syn(usize),
    SynAck(usize),
    Refused(usize),
    Octets(usize, Vec<u8>),
    Fin(usize),
}

/// A TCP connection; sides are 0 and 1.
#[derive(Debug)]
struct Link {
    opener: usize,
    open: [bool; 2],
    cancelled: bool,
}

pub(crate) struct Side {
    pub(crate) session: Session,
    /// Whether connections to it are taken.
    pub(crate) listens: bool,
    connecting: Option<usize>,
    pub(crate) established: u32,
    pub(crate) downs: Vec<bgp_session::DownReason>,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) sides: [Side; 2],
    links: Vec<Link>,
    under_way: BTreeMap<(Instant, u64), (usize, Packet)>,
    /// When the last packet of a (link, direction) arrives: TCP keeps its order.
    last_arrival: BTreeMap<(usize, usize), Instant>,
    sequence: u64,
    /// The latencies of packets, used in turn.
    latencies: Vec<Duration>,
    /// Packets are lost; TCP would repeat them, so connections open at that time are dead.
    pub(crate) cable_is_out: bool,
    dead: BTreeSet<usize>,
}

/// Configurations of two sides that fit.
pub(crate) fn configs(passive: [bool; 2], router_ids: [u8; 2]) -> [SessionConfig; 2] {
    let asns = [Asn(64500), Asn(65010)];
    [0, 1].map(|side| SessionConfig {
        local_as: asns[side],
        peer_as: asns[1 - side],
        router_id: [10, 0, 0, router_ids[side]].into(),
        passive: passive[side],
        ..config()
    })
}

impl Pair {
    pub(crate) fn new(configs: [SessionConfig; 2], latencies: Vec<Duration>) -> Self {
        let now = Instant::now();
        let sides = configs.map(|config| Side {
            session: Session::new(config, now),
            listens: true,
            connecting: None,
            established: 0,
            downs: Vec::new(),
        });
        Self {
            now,
            start: now,
            sides,
            links: Vec::new(),
            under_way: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            sequence: 0,
            latencies,
            cable_is_out: false,
            dead: BTreeSet::new(),
        }
    }

    pub(crate) fn start_both(&mut self) {
        self.input(0, Input::Start);
        self.input(1, Input::Start);
    }

    pub(crate) fn input(&mut self, side: usize, input: Input<'_>) {
        self.sides[side].session.handle(self.now, input);
        self.outputs(side);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let packet = self.under_way.keys().next().map(|(at, _)| *at);
            let timers = [0, 1].map(|side| self.sides[side].session.poll_timeout());
            let Some(next) =
                timers.into_iter().flatten().chain(packet).min().filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let (_, (to, packet)) = self.under_way.pop_first().unwrap();
                self.deliver(to, packet);
            } else {
                for side in [0, 1] {
                    self.sides[side].session.handle_timeout(self.now, false);
                    self.outputs(side);
                }
            }
        }
        self.now = end;
    }

    /// Both sides are Established, and on the same connection.
    pub(crate) fn is_up(&self) -> bool {
        let ids = [0, 1].map(|side| {
            self.sides[side].session.negotiated().map(|negotiated| negotiated.connection)
        });
        ids[0].is_some() && ids[0] == ids[1]
    }

    pub(crate) fn states(&self) -> [State; 2] {
        [0, 1].map(|side| self.sides[side].session.state())
    }

    pub(crate) fn pull_cable(&mut self) {
        self.cable_is_out = true;
        self.dead.extend(0..self.links.len());
        self.under_way.clear();
    }

    pub(crate) fn plug_cable(&mut self) {
        self.cable_is_out = false;
    }

    /// One side loses all state, as in a crash; its connections are dead.
    pub(crate) fn crash(&mut self, side: usize) {
        self.dead.extend(0..self.links.len());
        self.under_way.clear();
        let config = self.sides[side].session.config().clone();
        self.sides[side].session = Session::new(config, self.now);
        self.sides[side].connecting = None;
        self.input(side, Input::Start);
    }

    fn outputs(&mut self, side: usize) {
        while let Some(output) = self.sides[side].session.poll_output() {
            match output {
                Output::Connect => self.connect(side),
                Output::CancelConnect => self.cancel(side),
                Output::Transmit { id, octets } => {
                    self.send(side, Packet::Octets(link(id), octets.to_vec()));
                }
                Output::Close { id, .. } => {
                    self.links[link(id)].open[side] = false;
                    self.send(side, Packet::Fin(link(id)));
                }
                Output::Established(_) => self.sides[side].established += 1,
                Output::Down(reason) => self.sides[side].downs.push(reason),
                Output::Update { .. } | Output::RouteRefresh(_) | Output::StateChanged(_) => {}
            }
        }
    }

    fn connect(&mut self, side: usize) {
        let number = self.links.len();
        self.links.push(Link { opener: side, open: [false; 2], cancelled: false });
        self.sides[side].connecting = Some(number);
        self.send(side, Packet::Syn(number));
    }

    fn cancel(&mut self, side: usize) {
        if let Some(number) = self.sides[side].connecting.take() {
            self.links[number].cancelled = true;
            self.send(side, Packet::Fin(number));
        }
    }

    fn send(&mut self, from: usize, packet: Packet) {
        let number = match &packet {
            Packet::Syn(number)
            | Packet::SynAck(number)
            | Packet::Refused(number)
            | Packet::Octets(number, _)
            | Packet::Fin(number) => *number,
        };
        if self.cable_is_out || self.dead.contains(&number) {
            return;
        }
        self.sequence += 1;
        let latency = self.latencies[self.sequence as usize % self.latencies.len()];
        let after = self.last_arrival.get(&(number, from)).copied().unwrap_or(self.now);
        let arrival = after.max(self.now + latency);
        self.last_arrival.insert((number, from), arrival);
        self.under_way.insert((arrival, self.sequence), (1 - from, packet));
    }

    fn deliver(&mut self, to: usize, packet: Packet) {
        match packet {
            Packet::Syn(number) if self.sides[to].listens => {
                self.links[number].open[to] = true;
                self.send(to, Packet::SynAck(number));
                let id = ConnectionId(number as u32);
                self.input(to, Input::ConnectionOpened { id, direction: Direction::Inbound });
            }
            Packet::Syn(number) => self.send(to, Packet::Refused(number)),
            Packet::SynAck(number) if !self.links[number].cancelled => {
                assert_eq!(self.links[number].opener, to);
                self.links[number].open[to] = true;
                self.sides[to].connecting = None;
                let id = ConnectionId(number as u32);
                self.input(to, Input::ConnectionOpened { id, direction: Direction::Outbound });
            }
            Packet::Refused(number) if self.sides[to].connecting == Some(number) => {
                self.sides[to].connecting = None;
                self.input(to, Input::ConnectFailed);
            }
            Packet::Octets(number, octets) if self.links[number].open[to] => {
                let id = ConnectionId(number as u32);
                self.input(to, Input::Octets { id, octets: &octets });
            }
            Packet::Fin(number) if self.links[number].open[to] => {
                self.links[number].open[to] = false;
                self.input(to, Input::ConnectionClosed { id: ConnectionId(number as u32) });
            }
            _ => {}
        }
    }

    /// What it looks like, for failures.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{:?} after {:?}, established {:?}, downs {:?}",
            self.states(),
            self.now - self.start,
            [0, 1].map(|side| self.sides[side].established),
            [0, 1].map(|side| &self.sides[side].downs),
        )
    }
}

fn link(id: ConnectionId) -> usize {
    id.0 as usize
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A pair that runs with the same latency everywhere.
pub(crate) fn even(passive: [bool; 2], router_ids: [u8; 2]) -> Pair {
    let mut pair = Pair::new(configs(passive, router_ids), vec![millis(10)]);
    pair.start_both();
    pair.run(secs(1));
    pair
}
