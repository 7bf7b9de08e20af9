//! What a session tells those who monitor it: BMP's station and the writer of MRT files.

use std::net::SocketAddr;
use std::time::SystemTime;

use bgp_session::{DownReason, Negotiated, State};
use bgp_wire::MessageType;
use bgp_wire::mrt::{self, Ends, Reading};
use bytes::BytesMut;
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

    /// For MRT: what the peer sent, as it came.
    pub(super) fn record_update(&self, peer: &Peer, body: &[u8]) {
        let tap = &peer.worker.engine.mrt;
        if !tap.is_on() {
            return;
        }
        let Some(outbound) = &*peer.outbound.borrow() else { return };
        let ends = self.ends(outbound.connection.local);
        let four_octet_as = self.negotiated.as_ref().is_none_or(|n| n.decode.four_octet_as);
        // Nobody is offered to send us several paths.
        let reading = Reading { four_octet_as, add_path: false };
        tap.push(peer.route_server, |time| {
            let mut out = BytesMut::with_capacity(body.len() + 80);
            mrt::message(time, &ends, reading, MessageType::Update, body, &mut out);
            out.freeze()
        });
    }

    /// For MRT.
    pub(super) fn record_state(&self, peer: &Peer, before: State, after: State) {
        let tap = &peer.worker.engine.mrt;
        if !tap.is_on() {
            return;
        }
        let ends = self.ends(self.connections.first().and_then(|first| first.local));
        tap.push(peer.route_server, |time| {
            let (before, after) = (crate::mrt::state(before), crate::mrt::state(after));
            let mut out = BytesMut::with_capacity(80);
            mrt::state_change(time, &ends, before, after, &mut out);
            out.freeze()
        });
    }

    fn ends(&self, local: Option<SocketAddr>) -> Ends {
        let configured = self.config.local.as_ref().map(|local| local.address);
        Ends {
            peer_as: self.config.session.peer_as,
            local_as: self.config.session.local_as,
            peer_address: self.config.key.address,
            local_address: local.map(|local| local.ip()).or(configured),
        }
    }
}
