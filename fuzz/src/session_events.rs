//! Any sequence of connections, octets, timers and commands: the session keeps its promises, which
//! the rig of bgp-session's own tests checks at every step (at most one Established connection,
//! nothing sent on a closed one, only whole messages, no timer that is over and still runs).
//!
//! The octets of the input are instructions. Well-formed messages are among them, because chance
//! alone rarely writes sixteen octets of ones.
use bgp_session::{
    ConnectionId, Direction, GracefulRestartConfig, Input, SessionConfig, StopReason,
};
use bgp_wire::{
    Capability, Family, GracefulRestartFamily, Message, Notification, OpenMessage, RouteRefresh,
};
use rig::Rig;

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../bgp-session/tests/session/rig.rs"]
mod rig;

/// Takes octets off the input; zero when there are none.
struct Instructions<'a>(&'a [u8]);

impl Instructions<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

/// The octets are instructions; see [`step`].
pub fn property(data: &[u8]) {
    let mut input = Instructions(data);
    let mode = input.next();
    let config = SessionConfig {
        passive: mode & 1 != 0,
        graceful_restart: (mode & 2 != 0).then(GracefulRestartConfig::default),
        extended_messages: mode & 4 != 0,
        hold_time: rig::secs(if mode & 8 != 0 { 0 } else { 90 }),
        ..rig::config()
    };
    let mut rig = Rig::started(config);
    let mut ids = vec![ConnectionId(0)];
    while !input.0.is_empty() {
        step(&mut rig, &mut ids, &mut input);
    }
}

fn step(rig: &mut Rig, ids: &mut Vec<ConnectionId>, input: &mut Instructions<'_>) {
    let op = input.next();
    // The high half of an instruction says on which connection, counted from the newest.
    let id = ids[ids.len().saturating_sub(1 + usize::from(op >> 4 & 3))];
    match op & 15 {
        0 => drop(rig.input(Input::Start)),
        1 => drop(rig.input(Input::Stop(stop(input.next())))),
        2 => ids.push(rig.connection(Direction::Inbound).0),
        3 => ids.push(rig.connection(Direction::Outbound).0),
        4 => drop(rig.input(Input::ConnectFailed)),
        5 => drop(rig.input(Input::ConnectionClosed { id })),
        6 => drop(rig.send(id, &Message::Open(rig::open()))),
        7 => drop(rig.send(id, &Message::Keepalive)),
        8 => drop(rig.send(id, &Message::Open(odd_open(input)))),
        9 => drop(rig.send(id, &message(input))),
        10 => {
            let count = usize::from(input.next());
            let octets = input.take(count);
            drop(rig.octets(id, &octets));
        }
        11 => {
            // A well-formed header in front of anything.
            let count = usize::from(input.next());
            let mut octets = vec![0xff; 16];
            octets.extend(u16::try_from(20 + count).unwrap_or(u16::MAX).to_be_bytes());
            octets.extend(input.take(count + 1));
            drop(rig.octets(id, &octets));
        }
        12 => drop(rig.input(Input::UpdateFault(Notification::new(3, input.next())))),
        13 => drop(rig.input(match input.next() % 3 {
            0 => Input::SendBlocked,
            1 => Input::SendProgress,
            _ => Input::RequestRefresh(RouteRefresh::new(Family::V6, 0)),
        })),
        14 => drop(rig.pass(rig::secs(u64::from(input.next())))),
        _ => drop(rig.pass_with(rig::secs(u64::from(input.next())), true)),
    }
}

fn stop(which: u8) -> StopReason {
    match which % 7 {
        0 => StopReason::AdministrativeShutdown(Some("x".repeat(usize::from(which) * 2))),
        1 => StopReason::AdministrativeReset(None),
        2 => StopReason::Deconfigured,
        3 => StopReason::ConfigurationChange,
        4 => StopReason::MaxPrefixes {
            family: Family::ALL.get(usize::from(which % 3)).copied(),
            limit: 9,
            restart_after: (which & 8 != 0).then(|| rig::secs(u64::from(which))),
        },
        5 => StopReason::OutOfResources,
        _ => StopReason::GracefulRestart,
    }
}

fn odd_open(input: &mut Instructions<'_>) -> OpenMessage {
    let mut open = rig::open();
    open.capabilities.truncate(usize::from(input.next() % 5));
    open.hold_time = u16::from(input.next());
    open.router_id = [192, 0, 2, input.next()].into();
    let bits = input.next();
    if bits & 1 != 0 {
        open.my_as = 1;
    }
    if bits & 2 != 0 {
        open.capabilities.push(Capability::GracefulRestart {
            restarting: bits & 4 != 0,
            notification: bits & 8 != 0,
            restart_time: 120,
            families: vec![GracefulRestartFamily { afi: 1, safi: 1, forwarding: true }],
        });
    }
    open
}

fn message(input: &mut Instructions<'_>) -> Message {
    match input.next() % 3 {
        0 => rig::end_of_rib(),
        1 => rig::refresh(Family::V4),
        _ => {
            let (code, subcode) = (input.next(), input.next());
            let octets = usize::from(input.next());
            Message::Notification(Notification::with_data(code, subcode, &input.take(octets)))
        }
    }
}
