//! Two connections with one member at the same time (RFC 4271 §6.8, RFC 6286 §2.3), seen from the
//! member: which of them lives, and what the other one is told.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, RS, asn};
use rs_tests::support::ports::free_ports;
use rs_tests::support::raw::connect;
use rs_tests::support::wait::{ensure, eventually, stays};
use rs_tests::support::wire::{kind, message};

/// Cease, Connection Collision Resolution (RFC 4486 §3).
const COLLISION: [u8; 2] = [6, 7];
/// BGP identifier of the route server.
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The member in question; 2 and 3 are the honest ones.
const MEMBER: u8 = 4;

/// A route server that connects to the member as well, and where the member listens.
fn exchange(member_asn: u32) -> (Exchange, TcpListener) {
    let [port] = free_ports();
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, MEMBER), port)).unwrap();
    let exchange = Exchange::with(&["", ""], |config| {
        let lines = format!("passive = false\nport = {port}\nconnect_retry = \"10s\"");
        *config = config.clone().member(member_asn, &[format!("127.0.0.{MEMBER}")], &lines);
    });
    (exchange, listener)
}

/// One connection, message by message.
struct Connection(TcpStream);

impl Connection {
    fn accepted(listener: &TcpListener) -> Self {
        Self::of(listener.accept().unwrap().0)
    }

    fn opened(exchange: &Exchange) -> Self {
        Self::of(connect(&exchange.speaker_config(MEMBER)).unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(ARRIVE)).unwrap();
        Self(stream)
    }

    fn say(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// Type and body of the next message.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 19];
        self.0.read_exact(&mut header).expect("a message");
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut body = vec![0; length - header.len()];
        self.0.read_exact(&mut body).unwrap();
        (header[18], body)
    }

    fn hear_only(&mut self, expected: u8) {
        let (heard, body) = self.hear();
        assert_eq!(heard, expected, "{body:?}");
    }

    /// It is told why, and closed.
    fn loses(mut self) {
        let (heard, body) = self.hear();
        assert_eq!((heard, &body[..]), (kind::NOTIFICATION, &COLLISION[..]));
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0, "closed");
    }

    /// It becomes the session.
    fn wins(mut self, exchange: &Exchange) -> Self {
        self.say(&message(kind::KEEPALIVE, &[]));
        eventually("established", ARRIVE, || {
            ensure(exchange.is_established(MEMBER), || "not established".to_owned())
        });
        self.0.set_nonblocking(true).unwrap();
        stays("the session", Duration::from_millis(500), || {
            let mut octets = [0; 4096];
            let read = self.0.read(&mut octets);
            ensure(!matches!(read, Ok(0)), || "closed".to_owned())?;
            ensure(exchange.is_established(MEMBER), || "down".to_owned())
        });
        self
    }
}

/// Both connections are in OpenConfirm at the route server when it has to choose; `ours_first`: the
/// one that it has opened gets the member's OPEN first. Whether that one lives.
fn collide(member_asn: u32, identifier: Ipv4Addr, ours_first: bool, ours_lives: bool) {
    let (exchange, listener) = exchange(member_asn);
    let mut honest = Honest::new(&exchange);
    let mut config = exchange.speaker_config(MEMBER);
    (config.asn, config.router_id) = (member_asn, identifier);
    let open = config.open();
    let mut by_it = Connection::accepted(&listener);
    by_it.hear_only(kind::OPEN);
    // Who connects has 5 s to its OPEN, so not before it has to.
    let mut by_member = Connection::opened(&exchange);
    by_member.hear_only(kind::OPEN);
    let order =
        if ours_first { [&mut by_it, &mut by_member] } else { [&mut by_member, &mut by_it] };
    let [first, second] = order;
    first.say(&open);
    first.hear_only(kind::KEEPALIVE);
    second.say(&open);
    let (lives, dies) = if ours_lives { (by_it, by_member) } else { (by_member, by_it) };
    let mut lives = lives;
    // The one whose OPEN came first has its KEEPALIVE already.
    if ours_lives != ours_first {
        lives.hear_only(kind::KEEPALIVE);
    }
    dies.loses();
    let _session = lives.wins(&exchange);
    honest.serve("beside a collision");
}

/// [`collide`] with either order.
fn lives(member_asn: u32, identifier: Ipv4Addr, ours_lives: bool) {
    for ours_first in [true, false] {
        collide(member_asn, identifier, ours_first, ours_lives);
    }
}

#[test]
fn rfc4271_s6_8_with_the_lower_identifier_a_member_keeps_what_we_have_opened() {
    lives(asn(MEMBER), Ipv4Addr::new(10, 9, 0, MEMBER), true);
}

#[test]
fn rfc4271_s6_8_with_the_higher_identifier_a_member_keeps_what_it_has_opened() {
    lives(asn(MEMBER), Ipv4Addr::new(203, 0, 113, MEMBER), false);
}

#[test]
fn rfc6286_s2_3_between_equal_identifiers_the_larger_as_keeps_what_it_has_opened() {
    lives(RS + 1, OURS, false);
    lives(RS - 1, OURS, true);
}

/// RFC 4271 §6.8: an established session is not given up for another connection.
#[test]
fn rfc4271_s6_8_a_second_connection_does_not_end_an_established_session() {
    let (exchange, listener) = exchange(asn(MEMBER));
    let mut config = exchange.speaker_config(MEMBER);
    // It would win the comparison.
    config.router_id = Ipv4Addr::new(203, 0, 113, MEMBER);
    let open = config.open();
    let mut session = Connection::accepted(&listener);
    session.hear_only(kind::OPEN);
    session.say(&open);
    session.hear_only(kind::KEEPALIVE);
    let mut session = session.wins(&exchange);
    Connection::opened(&exchange).loses();
    session.0.set_nonblocking(false).unwrap();
    session.say(&message(kind::KEEPALIVE, &[]));
    assert!(exchange.is_established(MEMBER));
}
