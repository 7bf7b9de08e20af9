//! Connection collisions (RFC 4271 §6.8), as pure functions.

use std::time::Instant;

use bgp_wire::OpenMessage;

use crate::Direction;

/// Which of two connections with one peer lives: the one that was opened by the speaker with the
/// higher BGP Identifier, compared as a number (RFC 4271 §6.8). Identifiers may be equal between
/// different ASes; then the one with the larger AS number wins (RFC 6286 §2.3).
///
/// Both sides come to the same connection, because what is inbound here is outbound there.
pub fn survivor(local: &OpenMessage, peer: &OpenMessage) -> Direction {
    let rank = |open: &OpenMessage| (u32::from(open.router_id), open.asn());
    if rank(local) > rank(peer) { Direction::Outbound } else { Direction::Inbound }
}

/// A connection on which the peer's OPEN has been accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contender {
    pub(crate) direction: Direction,
    pub(crate) opened_at: Instant,
    pub(crate) established_at: Option<Instant>,
    /// Graceful restart was negotiated: a new connection of the peer means that it restarted.
    pub(crate) graceful: bool,
}

/// Who stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Newcomer,
    Incumbent,
    /// Both for the moment. The peer confirms one of them with a KEEPALIVE, or closes one.
    PeerDecides,
}

/// What becomes of a connection whose OPEN has just arrived, where another one has got its own
/// before. `survivor` is the outcome of [`survivor`].
///
/// RFC 4271 §6.8 compares identifiers only against a connection in OpenConfirm, and lets an
/// Established one win always. Ours differs in two cases, in both of which closing the newcomer
/// would close what the peer has chosen:
///
/// * The connections were opened at the same time, and ours became Established before the other
///   OPEN was here. The peer may have compared identifiers and chosen the other: it decides.
/// * Graceful restart was negotiated, and the peer connects again (RFC 4724 §5). The newcomer takes
///   over with its KEEPALIVE.
pub(crate) fn judge(survivor: Direction, newcomer: &Contender, incumbent: &Contender) -> Verdict {
    let crossed = newcomer.direction != incumbent.direction;
    let Some(established_at) = incumbent.established_at else {
        // Two connections that the same side opened: it has given up the older one.
        let wins = if crossed {
            newcomer.direction == survivor
        } else {
            newcomer.opened_at >= incumbent.opened_at
        };
        return if wins { Verdict::Newcomer } else { Verdict::Incumbent };
    };
    let simultaneous =
        crossed && newcomer.opened_at < established_at && newcomer.direction == survivor;
    let restarted = incumbent.graceful
        && newcomer.direction == Direction::Inbound
        && newcomer.opened_at >= established_at;
    if simultaneous || restarted { Verdict::PeerDecides } else { Verdict::Incumbent }
}

#[cfg(test)]
mod tests {
    use bgp_wire::{Asn, Capability};

    use super::*;

    fn open(id: [u8; 4], asn: u32) -> OpenMessage {
        OpenMessage {
            version: 4,
            my_as: Asn(asn).two_octets(),
            hold_time: 90,
            router_id: id.into(),
            capabilities: vec![Capability::FourOctetAs(Asn(asn))],
        }
    }

    #[test]
    fn rfc4271_s6_8_the_higher_identifier_keeps_what_it_opened() {
        // As unsigned numbers: 192.0.2.1 is higher than 10.0.0.1.
        let (high, low) = (open([192, 0, 2, 1], 64500), open([10, 0, 0, 1], 64501));
        assert_eq!(survivor(&high, &low), Direction::Outbound);
        assert_eq!(survivor(&low, &high), Direction::Inbound);
    }

    #[test]
    fn rfc6286_s2_3_equal_identifiers_are_decided_by_the_as_number() {
        let (high, low) = (open([10, 0, 0, 1], 4_200_000_000), open([10, 0, 0, 1], 64500));
        assert_eq!(survivor(&high, &low), Direction::Outbound);
        assert_eq!(survivor(&low, &high), Direction::Inbound);
    }
}
