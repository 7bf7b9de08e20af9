//! The exchange: a route server's parts, members, links between them, and the oracle that follows
//! what the route server has read.

use std::time::{Duration, Instant};

use bgp_wire::{Families, Family};
use policy::{RoutingData, Slot};
use rib::{Changed, ShardConfig};
use rs_daemon::runtime::query::SessionAction;
use rs_daemon::runtime::simulation::{FarEnd, Limits, Simulation, Size};

use crate::heard::{History, Owed};
use crate::kind::{Kind, session_config};
use crate::member::{Connection, Member};
use crate::oracle::{Oracle, Told, Touched};
use crate::policies::Draft;
use crate::random::Random;

/// How a session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The connection is closed or reset.
    #[default]
    Lost,
    /// With a NOTIFICATION of either side.
    Notification,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) simulation: Simulation,
    pub(crate) members: Vec<Member>,
    pub(crate) oracle: Oracle,
    /// The connection that carries each established session, as the oracle knows.
    established: Vec<Option<u32>>,
    endings: Vec<Ending>,
    /// Who is configured at the route server, by slot.
    pub(crate) present: Vec<bool>,
    /// Whether a slot is to have a member. It waits until the slot is clear of the one before.
    pub(crate) wants_slot: Vec<bool>,
    /// The epoch that a slot's last member was not part of.
    left: Vec<u64>,
    draft: Draft,
    epoch: u64,
    pub(crate) history: History,
    pub(crate) owed_first: Vec<Owed>,
    pub(crate) owed_refresh: Vec<Owed>,
    capacity: usize,
}

/// Small bounds, so that few routes meet them.
pub(crate) fn random_size(random: &mut Random, shards: usize) -> Size {
    let inbox_high = random.pick(&[2, 8, 60, 1000]);
    Size {
        workers: 1 + random.index(3),
        shards,
        limits: Limits {
            queue_high_octets: random.pick(&[100, 500, 4000, 100_000]),
            queue_high_entries: random.pick(&[1, 3, 20, 1000]),
            queue_low_octets: random.pick(&[0, 40, 99]),
            resync_nlri: random.pick(&[1, 3, 100]),
            lane_octets: random.pick(&[100, 1000, 100_000]),
            inbox_high,
            inbox_low: inbox_high / 2,
            turn_budget: random.pick(&[1, 4, 20, 1000]),
            idle_work: random.pick(&[1, 8, 100]),
            read_turn_octets: random.pick(&[50, 500, 100_000]),
            bmp_tap_octets: Limits::default().bmp_tap_octets,
            repeatable: true,
        },
        shard: ShardConfig {
            batch_octets: random.pick(&[100, 1000, 100_000]),
            segment_destinations: random.pick(&[1, 2, 4, 64]),
        },
    }
}

impl Exchange {
    pub(crate) fn new(kinds: &[Kind], size: &Size, draft: Draft, capacity: usize) -> Self {
        let count = kinds.len();
        let there: Vec<Option<&Kind>> = kinds.iter().map(Some).collect();
        let policy = draft.compile(&there, 1);
        // Nothing depends on where the virtual time begins.
        let begin = Instant::now();
        let mut simulation = Simulation::new(size, &policy, RoutingData::default(), begin);
        for (slot, kind) in (0..).zip(kinds) {
            simulation.add_session(Slot(slot), kind.address().into(), session_config(kind.asn));
        }
        let oracle = Oracle::new(kinds, &policy);
        let history = History::new(&oracle, count);
        Self {
            simulation,
            members: kinds.iter().map(|kind| Member::new(kind.clone())).collect(),
            oracle,
            established: vec![None; count],
            endings: vec![Ending::Lost; count],
            present: vec![true; count],
            wants_slot: vec![true; count],
            left: vec![0; count],
            draft,
            epoch: 1,
            history,
            owed_first: vec![None; count],
            owed_refresh: vec![None; count],
            capacity,
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.members.len() as u16
    }

    fn member(&mut self, slot: u16) -> &mut Member {
        &mut self.members[usize::from(slot)]
    }

    /// Whether the current connection of a member carries an established session.
    pub(crate) fn is_up(&self, slot: u16) -> bool {
        let member = &self.members[usize::from(slot)];
        let current = member.connections.last().filter(|connection| !connection.left);
        current.is_some_and(|c| self.established[usize::from(slot)] == Some(c.id))
    }

    /// Whether a member's session is meant to be up.
    pub(crate) fn should_be_up(&self, slot: u16) -> bool {
        let s = usize::from(slot);
        self.wants_slot[s] && self.members[s].wants_up
    }

    // Steps of the route server.

    pub(crate) fn turn_session(&mut self, slot: u16) {
        self.simulation.turn_session(Slot(slot));
        self.follow(slot);
    }

    pub(crate) fn reset_by_operator(&mut self, slot: u16) {
        self.endings[usize::from(slot)] = Ending::Notification;
        self.simulation.act(Slot(slot), SessionAction::Reset { text: None });
        self.follow(slot);
    }

    pub(crate) fn soft_in(&mut self, slot: u16) {
        self.simulation.act(Slot(slot), SessionAction::SoftIn);
        self.follow(slot);
    }

    pub(crate) fn set_policy(&mut self, draft: Draft) {
        self.draft = draft;
        self.install_policy();
    }

    /// The policy for those who are there, one epoch on.
    pub(crate) fn install_policy(&mut self) {
        self.epoch += 1;
        let all = self.members.iter().zip(&self.present);
        let there: Vec<Option<&Kind>> =
            all.map(|(member, present)| present.then_some(&member.kind)).collect();
        let policy = self.draft.compile(&there, self.epoch);
        self.simulation.set_policy(&policy);
        self.oracle.set_policy(&policy);
        self.history.policies.push(policy);
        self.touched(&Touched::All);
    }

    /// The slot's member is no longer configured. The next one is of this kind.
    pub(crate) fn move_out(&mut self, slot: u16, next: Kind) {
        let s = usize::from(slot);
        if self.present[s] {
            self.simulation.remove_session(Slot(slot));
            for connection in &self.members[s].connections {
                assert!(connection.far.is_closed_by_route_server(), "a session of nobody");
            }
            self.follow(slot);
            self.present[s] = false;
            self.install_policy();
            self.left[s] = self.epoch;
        }
        self.oracle.replace(slot, &next);
        self.members[s] = Member::new(next);
        self.wants_slot[s] = false;
        self.touched(&Touched::All);
    }

    /// The slot's next member is configured, if nothing is left of the one before.
    pub(crate) fn move_in(&mut self, slot: u16) {
        let s = usize::from(slot);
        if self.present[s] || !self.simulation.is_slot_clear(Slot(slot), self.left[s]) {
            return;
        }
        self.present[s] = true;
        self.install_policy();
        self.history.replaced(slot);
        let kind = &self.members[s].kind;
        let (address, session) = (kind.address().into(), session_config(kind.asn));
        self.simulation.add_session(Slot(slot), address, session);
    }

    pub(crate) fn set_data(&mut self, data: &RoutingData, changed: &Changed) {
        self.simulation.set_data(data, changed);
        self.oracle.set_data(data);
        self.history.data.push(data.clone());
        self.touched(&Touched::All);
    }

    /// Time passes. KEEPALIVEs get through meanwhile, and every session looks at its timers.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.simulation.advance(time);
        let now = self.simulation.now();
        for slot in self.slots() {
            if !self.member(slot).is_established() {
                // Who is silent before the session is up is sent away, and rightly so.
                self.read(slot, usize::MAX);
            }
            let member = self.member(slot);
            member.refused = false;
            member.keep_alive(now);
            member.transmit(usize::MAX);
            self.turn_session(slot);
        }
    }

    // Steps of the members.

    pub(crate) fn connect(&mut self, slot: u16, forwarding: Families) {
        let far = self.simulation.connect(Slot(slot), self.capacity);
        let now = self.simulation.now();
        self.member(slot).connect(far, forwarding, now);
        self.owed_refresh[usize::from(slot)] = None;
        self.follow(slot);
    }

    /// The member's session ends from its side; what it had not put on its way is lost.
    pub(crate) fn flap(&mut self, slot: u16, how: u64) {
        // Without graceful restart, or when it is the hold timer that finds out, it is another
        // ending.
        let kind = &self.member(slot).kind;
        let silently = how == 3 && !kind.graceful.is_empty() && kind.hold_time == 0;
        match how {
            0 => {
                self.endings[usize::from(slot)] = Ending::Notification;
                self.member(slot).say_goodbye();
            }
            1 => {
                self.with_connection(slot, |far| far.reset());
                self.member(slot).leave();
            }
            // It starts again, and nobody tells the route server.
            3 if silently => self.member(slot).leave(),
            _ => {
                self.with_connection(slot, |far| far.close());
                self.member(slot).leave();
            }
        }
    }

    fn with_connection(&mut self, slot: u16, act: impl FnOnce(&FarEnd)) {
        if let Some(connection) = self.member(slot).current() {
            act(&connection.far);
        }
    }

    pub(crate) fn ask_for_refresh(&mut self, slot: u16, family: Family) {
        let s = usize::from(slot);
        if self.owed_refresh[s].is_none() {
            self.owed_refresh[s] = Some(self.has_now(slot));
        }
        self.member(slot).ask_for_refresh(family);
    }

    /// The member reads. Was there anything?
    pub(crate) fn read(&mut self, slot: u16, limit: usize) -> bool {
        if !self.member(slot).read(limit) {
            let closed =
                |c: &mut Connection| c.far.is_closed_by_route_server() && c.far.unread() == 0;
            if self.member(slot).current().is_some_and(closed) {
                self.check_ending(slot);
                self.member(slot).leave();
                return true;
            }
            return false;
        }
        while let Some(heard) = self.member(slot).hear() {
            heard.iter().for_each(|heard| self.heard(slot, heard));
        }
        true
    }

    /// A session that was up ends with a NOTIFICATION, if the route server ends it.
    fn check_ending(&mut self, slot: u16) {
        if let Some(connection) = self.member(slot).current() {
            assert!(connection.notified || !connection.established, "closed without a word");
        }
    }

    // The oracle follows.

    /// After anything that a session may have read or done.
    fn follow(&mut self, slot: u16) {
        let s = usize::from(slot);
        let now = self.simulation.now();
        let established = self.simulation.established(Slot(slot)).map(|(_, id)| id.0);
        let before = self.established[s];
        if let Some(id) = before {
            self.follow_told(slot, id);
        }
        if before != established {
            if before.is_some() {
                let kind = &self.members[s].kind;
                let ending = std::mem::take(&mut self.endings[s]);
                let keeps = !kind.graceful.is_empty()
                    && (ending == Ending::Lost || kind.graceful_notification);
                self.oracle.down(slot, keeps, now);
            }
            if let Some(id) = established {
                let connection = self.members[s].connections.iter().find(|c| c.id == id).unwrap();
                self.oracle.up(slot, connection.forwarding, now);
            }
            self.touched(&Touched::All);
            self.established[s] = established;
            self.owed_first[s] = established.map(|_| self.has_now(slot));
            if let Some(id) = established {
                self.follow_told(slot, id);
            }
        }
        if self.oracle.time(slot, now) {
            self.touched(&Touched::All);
        }
        let live = self.established[s];
        self.members[s]
            .connections
            .retain(|c| !c.left || live == Some(c.id) || !c.far.is_closed_by_route_server());
    }

    fn follow_told(&mut self, slot: u16, id: u32) {
        loop {
            let connections = &mut self.members[usize::from(slot)].connections;
            let connection = connections.iter_mut().find(|c| c.id == id).unwrap();
            let read = connection.far.read_by_route_server();
            if connection.told.front().is_none_or(|(end, _)| *end > read) {
                return;
            }
            let Some((_, told)) = connection.told.pop_front() else { return };
            if let Told::Announce(prefixes, attributes) = &told {
                self.history.note(prefixes, attributes);
            }
            let touched = self.oracle.told(slot, &told);
            self.touched(&touched);
        }
    }
}
