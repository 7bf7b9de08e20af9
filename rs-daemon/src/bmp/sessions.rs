//! The established sessions, as the station knows them.

use std::collections::HashMap;
use std::time::Duration;

use bgp_wire::bmp::{PeerHeader, PeerUp, Rib};
use bgp_wire::{Asn, Capability, Families, Family, OpenMessage};
use bytes::{Bytes, BytesMut};
use policy::Slot;
use rib::Generation;

use super::tap::SessionUp;
use crate::times::since_epoch;

/// A session's place: the route server's number, and the slot there.
pub(super) type Place = (usize, Slot);

/// An established session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) up: SessionUp,
    /// Shards that have yet to see the end of what its peer sends, by family.
    end_of_rib: [Shards; 2],
    /// Shards that have yet to tell it all they have.
    walked: Shards,
}

/// Which of the shards are still waited for.
#[derive(Debug)]
struct Shards {
    waited: Vec<bool>,
}

impl Shards {
    fn all(count: usize) -> Self {
        Self { waited: vec![true; count] }
    }

    /// `true`: this one was the last.
    fn done(&mut self, shard: usize) -> bool {
        let was = self.waited.get_mut(shard).is_some_and(std::mem::take);
        was && !self.waited.contains(&true)
    }
}

impl Session {
    /// Its header in messages about a table.
    pub(super) fn header(&self, rib: Rib, time: Duration) -> PeerHeader {
        PeerHeader {
            rib,
            instance: self.up.route_server as u64,
            address: Some(self.up.address),
            asn: self.up.asn,
            router_id: self.up.router_id,
            // What members are sent is passed on as they are sent it.
            two_octet_as: rib == Rib::AdjRibOutPost && !self.up.profile.four_octet_as,
            time,
        }
    }

    /// Its Peer Up.
    pub(super) fn peer_up(&self) -> (PeerHeader, PeerUp<'_>) {
        let header = self.header(Rib::AdjRibInPre, since_epoch(self.up.at));
        let peer_up = PeerUp {
            local_address: self.up.local.map(|local| local.ip()),
            local_port: self.up.local.map_or(0, |local| local.port()),
            remote_port: self.up.remote.map_or(0, |remote| remote.port()),
            sent_open: &self.up.sent_open,
            received_open: &self.up.received_open,
            table_name: None,
        };
        (header, peer_up)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sessions {
    shards: usize,
    up: HashMap<Place, Session>,
    /// For which session each shard's batches are meant that name a slot.
    taking: HashMap<(usize, Place), Generation>,
}

impl Sessions {
    pub(super) fn new(shards: usize) -> Self {
        Self { shards, up: HashMap::new(), taking: HashMap::new() }
    }

    /// A session is up. `false`: that was known.
    pub(super) fn add(&mut self, up: SessionUp) -> bool {
        let place = (up.route_server, up.slot);
        if self.get(place, up.generation).is_some() {
            return false;
        }
        let shards = || Shards::all(self.shards);
        let session = Session { up, end_of_rib: [shards(), shards()], walked: shards() };
        self.up.insert(place, session);
        true
    }

    /// A session is down: itself, if it was up.
    pub(super) fn remove(&mut self, place: Place, generation: Generation) -> Option<Session> {
        self.get(place, generation)?;
        self.up.remove(&place)
    }

    /// The session in that place, if it is this one.
    pub(super) fn get(&self, place: Place, generation: Generation) -> Option<&Session> {
        self.up.get(&place).filter(|session| session.up.generation == generation)
    }

    /// The session in that place.
    pub(super) fn in_place(&self, place: Place) -> Option<&Session> {
        self.up.get(&place)
    }

    /// The sessions of a route server, by slot.
    pub(super) fn of(&self, route_server: usize) -> Vec<&Session> {
        let mut sessions: Vec<_> =
            self.up.values().filter(|session| session.up.route_server == route_server).collect();
        sessions.sort_by_key(|session| session.up.slot);
        sessions
    }

    /// From here on batches of the shard are for this session of the slot.
    pub(super) fn take(&mut self, shard: usize, place: Place, generation: Generation) {
        self.taking.insert((shard, place), generation);
    }

    /// The session that a shard means with a slot.
    pub(super) fn meant(&self, shard: usize, place: Place) -> Option<&Session> {
        self.get(place, *self.taking.get(&(shard, place))?)
    }

    /// A shard has seen the end of what a peer sends. `true`: all have, for the first time.
    pub(super) fn end_of_rib(
        &mut self,
        shard: usize,
        place: Place,
        generation: Generation,
        family: Family,
    ) -> bool {
        let session = self.up.get_mut(&place).filter(|s| s.up.generation == generation);
        session.is_some_and(|session| session.end_of_rib[family.index()].done(shard))
    }

    /// A shard has told a session all it has. Families: all shards have, for the first time.
    pub(super) fn walked(
        &mut self,
        shard: usize,
        place: Place,
        generation: Generation,
    ) -> Families {
        let session = self.up.get_mut(&place).filter(|s| s.up.generation == generation);
        let Some(session) = session else { return Families::NONE };
        if session.walked.done(shard) { session.up.families } else { Families::NONE }
    }
}

/// A route server, as far as its Loc-RIB has to say who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) index: usize,
    pub(super) name: std::sync::Arc<str>,
    pub(super) asn: Asn,
    pub(super) router_id: std::net::Ipv4Addr,
}

impl Server {
    pub(super) fn header(&self, time: Duration) -> PeerHeader {
        PeerHeader {
            rib: Rib::LocRib,
            instance: self.index as u64,
            address: None,
            asn: self.asn,
            router_id: self.router_id,
            two_octet_as: false,
            time,
        }
    }

    /// The OPEN that stands for both sides in the Peer Up of Loc-RIB: it names all that is needed
    /// to read the routes (RFC 9069 §4.3).
    pub(super) fn open(&self) -> Bytes {
        /// AS_TRANS (RFC 6793 §9).
        const AS_TRANS: u16 = 23456;
        let mut capabilities: Vec<_> =
            Family::ALL.into_iter().map(Capability::multi_protocol).collect();
        capabilities.push(Capability::FourOctetAs(self.asn));
        let open = OpenMessage {
            version: 4,
            my_as: u16::try_from(self.asn.0).unwrap_or(AS_TRANS),
            hold_time: 0,
            router_id: self.router_id,
            capabilities,
        };
        let mut octets = BytesMut::new();
        open.encode(&mut octets);
        octets.freeze()
    }
}
