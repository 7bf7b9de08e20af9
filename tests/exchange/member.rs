//! A member's router: speaks BGP in octets, announces what it has, keeps the table it is sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bgp_wire::{
    Families, Family, Nlri, Notification, PathAttributes, Prefix, RouteRefresh, encode_end_of_rib,
    encode_keepalive, encode_reach, encode_unreach,
};
use bytes::BytesMut;
use rs_daemon::runtime::simulation::FarEnd;

use crate::decode;
use crate::kind::Kind;
use crate::oracle::{Table, Told};

const KEEPALIVE_TIME: Duration = Duration::from_secs(25);

/// A connection, and how far the session on it has come.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) far: FarEnd,
    /// The route server's number for it.
    pub(crate) id: u32,
    pub(crate) forwarding: Families,
    /// Not yet on the way.
    outgoing: VecDeque<u8>,
    queued: u64,
    /// What was said, and where the message ends in the stream.
    pub(crate) told: VecDeque<(u64, Told)>,
    incoming: Vec<u8>,
    opened: bool,
    pub(crate) established: bool,
    pub(crate) last_sent: Instant,
    /// The route server said that this is the end.
    pub(crate) notified: bool,
    /// The member has gone: nothing is read or sent any more.
    pub(crate) left: bool,
}

/// What a member is told that the exchange has to look at.
#[derive(Debug)]
pub(crate) enum Heard {
    Announced(Prefix, Box<PathAttributes>),
    /// EoRR, after stale routes were purged.
    Refreshed(Family),
    EndOfRib(Family),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    /// The last one is the current one.
    pub(crate) connections: Vec<Connection>,
    connections_so_far: u32,
    /// What it announces, also to come.
    pub(crate) local: BTreeMap<Prefix, PathAttributes>,
    /// What it was sent on the current connection.
    pub(crate) table: Table,
    /// Of these the route server has not said again that they hold (RFC 7313 §4.2).
    stale: BTreeSet<(Prefix, u32)>,
    pub(crate) refreshing: [bool; 2],
    /// Refreshes asked for on the current connection, and those complete.
    pub(crate) refreshes: [(u32, u32); 2],
    pub(crate) ends_of_rib: [u32; 2],
    pub(crate) stalled: bool,
    pub(crate) wants_up: bool,
    /// The route server did not want the last connection: time must pass.
    pub(crate) refused: bool,
    /// UPDATEs so far.
    pub(crate) updates: u64,
}

impl Member {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            connections: Vec::new(),
            connections_so_far: 0,
            local: BTreeMap::new(),
            table: Table::new(),
            stale: BTreeSet::new(),
            refreshing: [false; 2],
            refreshes: [(0, 0); 2],
            ends_of_rib: [0; 2],
            stalled: false,
            wants_up: true,
            refused: false,
            updates: 0,
        }
    }

    pub(crate) fn current(&mut self) -> Option<&mut Connection> {
        self.connections.last_mut().filter(|connection| !connection.left)
    }

    pub(crate) fn is_established(&self) -> bool {
        self.connections.last().is_some_and(|c| c.established && !c.left)
    }

    /// A new connection is there. It leaves the old one as it is.
    pub(crate) fn connect(&mut self, far: FarEnd, forwarding: Families, now: Instant) {
        self.leave();
        let id = self.connections_so_far;
        self.connections_so_far += 1;
        self.connections.push(Connection {
            far,
            id,
            forwarding,
            outgoing: VecDeque::new(),
            queued: 0,
            told: VecDeque::new(),
            incoming: Vec::new(),
            opened: false,
            established: false,
            last_sent: now,
            notified: false,
            left: false,
        });
        self.table.clear();
        self.stale.clear();
        self.refreshing = [false; 2];
        self.refreshes = [(0, 0); 2];
        self.ends_of_rib = [0; 2];
        self.stalled = false;
        let mut open = BytesMut::new();
        self.kind.open(forwarding).encode(&mut open);
        self.send(&open, None);
    }

    /// Silence from here on.
    pub(crate) fn leave(&mut self) {
        if let Some(connection) = self.current() {
            connection.left = true;
            self.refused = !connection.established;
        }
        self.table.clear();
    }

    /// Leaves with a NOTIFICATION, behind all that it wanted to say.
    pub(crate) fn say_goodbye(&mut self) {
        let mut octets = BytesMut::new();
        Notification::administrative_reset("").encode(&mut octets);
        self.send(&octets, None);
        self.transmit(usize::MAX);
        if let Some(connection) = self.current() {
            connection.far.close();
        }
        self.leave();
    }

    fn send(&mut self, octets: &[u8], told: Option<Told>) {
        let Some(connection) = self.current() else { return };
        connection.outgoing.extend(octets);
        connection.queued += octets.len() as u64;
        connection.told.extend(told.map(|told| (connection.queued, told)));
    }

    /// Puts octets on the way. Were there any?
    pub(crate) fn transmit(&mut self, limit: usize) -> bool {
        let Some(connection) = self.current() else { return false };
        let n = limit.min(connection.outgoing.len());
        let octets: Vec<u8> = connection.outgoing.drain(..n).collect();
        connection.far.write(&octets);
        n > 0
    }

    pub(crate) fn keep_alive(&mut self, now: Instant) {
        let Some(connection) = self.connections.last_mut() else { return };
        let due = connection.opened && now >= connection.last_sent + KEEPALIVE_TIME;
        if self.kind.hold_time > 0 && due {
            connection.last_sent = now;
            let mut octets = BytesMut::new();
            encode_keepalive(&mut octets);
            self.send(&octets, None);
        }
    }

    // What it announces.

    /// Announces these from now on.
    pub(crate) fn announce(&mut self, prefixes: &[Prefix], attributes: &PathAttributes) {
        for prefix in prefixes {
            self.local.insert(*prefix, attributes.clone());
        }
        if self.is_established() {
            self.send_announcement(prefixes, attributes);
        }
    }

    fn send_announcement(&mut self, prefixes: &[Prefix], attributes: &PathAttributes) {
        let nlri: Vec<Nlri> = prefixes.iter().map(|prefix| Nlri::from(*prefix)).collect();
        let Some(first) = prefixes.first() else { return };
        let mut octets = BytesMut::new();
        let messages =
            encode_reach(&self.kind.writes(), first.family(), attributes, &nlri, &mut octets);
        if messages > 1 {
            prefixes.iter().for_each(|prefix| self.send_announcement(&[*prefix], attributes));
        } else {
            assert_eq!(messages, 1);
            let told = Told::Announce(prefixes.to_vec(), attributes.clone());
            self.send(&octets, Some(told));
        }
    }

    /// Announces these no longer.
    pub(crate) fn withdraw(&mut self, family: Family, prefixes: &[Prefix]) {
        prefixes.iter().for_each(|prefix| {
            self.local.remove(prefix);
        });
        if self.is_established() && self.kind.families.contains(family) {
            let nlri: Vec<Nlri> = prefixes.iter().map(|prefix| Nlri::from(*prefix)).collect();
            let mut octets = BytesMut::new();
            assert_eq!(encode_unreach(&self.kind.writes(), family, &nlri, &mut octets), 1);
            self.send(&octets, Some(Told::Withdraw(prefixes.to_vec())));
        }
    }

    fn send_all(&mut self, family: Family) {
        let local = self.local.clone();
        let mut by_attributes: Vec<(&PathAttributes, Vec<Prefix>)> = Vec::new();
        for (prefix, attributes) in local.iter().filter(|(prefix, _)| prefix.family() == family) {
            match by_attributes.iter_mut().find(|(known, _)| *known == attributes) {
                Some((_, prefixes)) => prefixes.push(*prefix),
                None => by_attributes.push((attributes, vec![*prefix])),
            }
        }
        for (attributes, prefixes) in by_attributes {
            self.send_announcement(&prefixes, attributes);
        }
    }

    pub(crate) fn ask_for_refresh(&mut self, family: Family) {
        self.refreshes[family.index()].0 += 1;
        self.send_refresh(family, 0, None);
    }

    fn send_refresh(&mut self, family: Family, subtype: u8, told: Option<Told>) {
        let mut octets = BytesMut::new();
        RouteRefresh::new(family, subtype).encode(&mut octets);
        self.send(&octets, told);
    }

    /// Sends everything again (RFC 2918, RFC 7313 §4.1).
    fn refresh(&mut self, family: Family) {
        if self.kind.enhanced_refresh {
            self.send_refresh(family, 1, Some(Told::BeginRefresh(family)));
        }
        self.send_all(family);
        if self.kind.enhanced_refresh {
            self.send_refresh(family, 2, Some(Told::EndRefresh(family)));
        }
    }

    // What it is told.

    /// Reads octets. Were there any?
    pub(crate) fn read(&mut self, limit: usize) -> bool {
        let Some(connection) = self.current() else { return false };
        let octets = connection.far.read(limit);
        connection.incoming.extend(&octets);
        !octets.is_empty()
    }

    /// Takes in one message of what was read, and says what it means for the exchange.
    pub(crate) fn hear(&mut self) -> Option<Vec<Heard>> {
        let (code, body) = self.next_message()?;
        let mut heard = Vec::new();
        self.message(code, &body, &mut heard);
        Some(heard)
    }

    fn next_message(&mut self) -> Option<(u8, Vec<u8>)> {
        let connection = self.connections.last_mut().filter(|connection| !connection.left)?;
        decode::message(&mut connection.incoming, &self.kind)
    }

    fn message(&mut self, code: u8, body: &[u8], heard: &mut Vec<Heard>) {
        match code {
            decode::OPEN => self.opened(),
            decode::KEEPALIVE => self.established(),
            decode::NOTIFICATION => self.notified(body),
            decode::UPDATE => self.update(body, heard),
            decode::ROUTE_REFRESH => {
                let (family, subtype) = decode::route_refresh(body);
                match subtype {
                    0 => self.refresh(family),
                    1 => self.refresh_begins(family),
                    _ => self.refresh_ends(family, heard),
                }
            }
            _ => panic!("a message of type {code}"),
        }
    }

    fn opened(&mut self) {
        let mut octets = BytesMut::new();
        encode_keepalive(&mut octets);
        self.send(&octets, None);
        if let Some(connection) = self.current() {
            assert!(!std::mem::replace(&mut connection.opened, true));
        }
    }

    fn established(&mut self) {
        let Some(connection) = self.current() else { return };
        assert!(connection.opened);
        if std::mem::replace(&mut connection.established, true) {
            return;
        }
        for family in self.kind.families.iter() {
            self.send_all(family);
            let mut octets = BytesMut::new();
            encode_end_of_rib(family, &mut octets);
            self.send(&octets, Some(Told::End(family)));
        }
    }

    /// Nothing here is an error: sessions end with Cease.
    fn notified(&mut self, body: &[u8]) {
        assert_eq!(body[0], 6, "{body:?}");
        if let Some(connection) = self.current() {
            connection.notified = true;
            connection.far.close();
        }
        self.leave();
    }

    fn update(&mut self, body: &[u8], heard: &mut Vec<Heard>) {
        self.updates += 1;
        let update = decode::update(body, &self.kind);
        if let Some(family) = update.end_of_rib {
            self.ends_of_rib[family.index()] += 1;
            heard.push(Heard::EndOfRib(family));
        }
        for key in &update.unreach {
            self.table.remove(key);
            self.stale.remove(key);
        }
        for key in update.reach {
            let attributes = update.attributes.clone().unwrap();
            self.stale.remove(&key);
            heard.push(Heard::Announced(key.0, Box::new(attributes.clone())));
            self.table.insert(key, attributes);
        }
    }

    fn refresh_begins(&mut self, family: Family) {
        let f = family.index();
        assert!(self.kind.enhanced_refresh, "BoRR for a member that does not know it");
        assert!(!self.refreshing[f], "BoRR inside a refresh");
        assert!(self.refreshes[f].1 < self.refreshes[f].0, "a refresh that nobody asked for");
        self.refreshing[f] = true;
        let old = self.table.keys().filter(|(prefix, _)| prefix.family() == family);
        self.stale.extend(old.copied());
    }

    fn refresh_ends(&mut self, family: Family, heard: &mut Vec<Heard>) {
        let f = family.index();
        assert!(std::mem::take(&mut self.refreshing[f]), "EoRR without BoRR");
        self.refreshes[f].1 += 1;
        let purged = |(prefix, _): &(Prefix, u32)| prefix.family() == family;
        let purged: Vec<_> = self.stale.iter().filter(|key| purged(key)).copied().collect();
        for key in purged {
            self.stale.remove(&key);
            self.table.remove(&key);
        }
        heard.push(Heard::Refreshed(family));
    }
}
