//! What a session tells those who monitor it: BMP's station and the writer of MRT files.

use std::time::SystemTime;

use bgp_session::{DownReason, Negotiated};
use rib::Generation;

use super::connection::Connection;
use super::driver::Driver;
use super::session_task::Peer;
use crate::bmp::{self, Event, SessionUp};

impl Driver {
    /// Says that the session is up, if it is and somebody listens.
    pub(super) fn tell_station(&self, peer: &Peer) {
        let outbound = peer.outbound.borrow();
        if let (Some(negotiated), Some(outbound)) = (&self.negotiated, &*outbound) {
            self.say_up(peer, negotiated, outbound.generation, &outbound.connection);
        }
    }

    pub(super) fn say_up(
        &self,
        peer: &Peer,
        negotiated: &Negotiated,
        generation: Generation,
        connection: &Connection,
    ) {
        let tap = &peer.worker.engine.bmp;
        if !tap.is_on() {
            return;
        }
        tap.push(Event::Up(Box::new(SessionUp {
            route_server: peer.route_server,
            slot: peer.slot,
            generation,
            address: self.config.key.address,
            asn: negotiated.peer_as,
            router_id: negotiated.peer_router_id,
            local: connection.local,
            remote: connection.remote,
            sent_open: negotiated.sent_open.clone(),
            received_open: negotiated.received_open.clone(),
            families: negotiated.families,
            profile: negotiated.profile,
            at: self.established_at,
        })));
    }

    pub(super) fn say_down(&self, peer: &Peer, generation: Generation, reason: &DownReason) {
        let tap = &peer.worker.engine.bmp;
        if tap.is_on() {
            let (route_server, slot) = (peer.route_server, peer.slot);
            let (reason, at) = (bmp::peer_down(reason), SystemTime::now());
            tap.push(Event::Down { route_server, slot, generation, reason, at });
        }
    }
}
