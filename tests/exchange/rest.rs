//! The exchange at rest: everybody reads and is there, nothing is under way. Then each member's
//! table is the oracle's, what the shards say about it agrees, and nothing is said for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use bgp_wire::{Families, Prefix};
use policy::{RejectReason, Slot};
use rib::{Changed, Cursor, RouteFilter, RouteView};

use crate::exchange::Exchange;
use crate::heard::History;
use crate::oracle::Table;

/// Far more turns than there is work.
const PASSES: usize = 20_000;
/// Times that the clock may have to go on before all sessions are up.
const ADVANCES: usize = 60;

impl Exchange {
    /// Lets everything come to rest, all members reading and back, and checks what each holds.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ADVANCES {
            self.drain();
            if self.slots().all(|slot| self.is_up(slot) == self.should_be_up(slot)) {
                self.check();
                self.at_rest();
                return;
            }
            self.advance(Duration::from_secs(5));
        }
        let up: Vec<bool> = self.slots().map(|slot| self.is_up(slot)).collect();
        panic!("not every session comes up: {up:?}");
    }

    /// A reload of the same policy, and the same data once more, are no news for anybody.
    pub(crate) fn reload_the_same(&mut self) {
        let before: Vec<u64> = self.members.iter().map(|member| member.updates).collect();
        self.install_policy();
        let data = self.oracle.data.clone();
        self.set_data(&data, &Changed::All);
        self.drain();
        let after: Vec<u64> = self.members.iter().map(|member| member.updates).collect();
        assert_eq!(before, after, "UPDATEs after a reload that changes nothing");
        self.check();
        self.at_rest();
    }

    fn drain(&mut self) {
        let mut busy = Vec::new();
        for _ in 0..PASSES {
            busy = self.pass();
            if busy.is_empty() {
                return;
            }
        }
        panic!("the exchange does not come to rest: {busy:?}");
    }

    /// Everybody's turn once. What there was to do.
    fn pass(&mut self) -> Vec<(&'static str, u16)> {
        let mut busy = Vec::new();
        for slot in self.slots() {
            self.bring_into_line(slot, &mut busy);
            self.pass_member(slot, &mut busy);
        }
        for shard in 0..self.simulation.shards() {
            if self.simulation.turn_shard(shard) {
                busy.push(("shard", shard as u16));
            }
            for worker in 0..self.simulation.workers() {
                if !self.simulation.is_lane_empty(worker, shard) {
                    busy.push(("lane", shard as u16));
                }
                self.simulation.turn_worker(worker, shard);
            }
        }
        busy
    }

    /// The member reads, and is there or not as it is meant to be.
    fn bring_into_line(&mut self, slot: u16, busy: &mut Vec<(&'static str, u16)>) {
        let s = usize::from(slot);
        self.members[s].stalled = false;
        if self.wants_slot[s] && !self.present[s] {
            self.move_in(slot);
            busy.push(("waits for its slot", slot));
        }
        let (should, present) = (self.should_be_up(slot), self.present[s]);
        let member = &mut self.members[s];
        if should && present && member.current().is_none() && !member.refused {
            self.connect(slot, Families::BOTH);
        } else if !should && self.is_up(slot) {
            self.flap(slot, 2);
        }
    }

    fn pass_member(&mut self, slot: u16, busy: &mut Vec<(&'static str, u16)>) {
        let s = usize::from(slot);
        if self.members[s].transmit(usize::MAX) {
            busy.push(("sends", slot));
        }
        self.turn_session(slot);
        while self.read(slot, usize::MAX) {
            self.turn_session(slot);
            busy.push(("receives", slot));
        }
        if self.members[s].current().is_some_and(|c| !c.far.is_drained()) {
            busy.push(("is not read", slot));
        }
        if self.is_up(slot) && self.simulation.is_lagging(Slot(slot)) {
            busy.push(("lags", slot));
        }
    }

    /// From here on only what is known now may be heard of.
    pub(crate) fn at_rest(&mut self) {
        self.history = History::new(&self.oracle, self.members.len());
        self.owed_refresh.fill(None);
    }

    fn check(&self) {
        for slot in self.slots() {
            self.check_adj_rib_in(slot);
            if self.is_up(slot) {
                self.check_member(slot);
                self.check_adj_rib_out(slot);
            }
        }
    }

    fn check_member(&self, slot: u16) {
        let member = &self.members[usize::from(slot)];
        assert_eq!(member.table, self.oracle.table(slot), "table of member {slot}");
        for family in member.kind.families.iter() {
            let f = family.index();
            assert_eq!(member.ends_of_rib[f], 1, "End-of-RIB of {family} to member {slot}");
            assert!(!member.refreshing[f], "BoRR without EoRR");
            let (asked, answered) = member.refreshes[f];
            let complete = !member.kind.enhanced_refresh || asked == 0 || answered > 0;
            assert!(complete, "no answer to a refresh of {family} by member {slot}");
        }
    }

    fn routes(&self, filter: &RouteFilter) -> Vec<RouteView> {
        let shards = (0..self.simulation.shards()).map(|shard| self.simulation.shard(shard));
        shards.flat_map(|shard| shard.routes(filter, Cursor::START, usize::MAX).routes).collect()
    }

    /// The shards keep what each member announced, with the reason where nobody may have it.
    fn check_adj_rib_in(&self, slot: u16) {
        let filter = RouteFilter { from: Some(Slot(slot)), ..RouteFilter::default() };
        let kept = self.routes(&filter);
        let kept: BTreeMap<Prefix, Option<RejectReason>> = kept
            .into_iter()
            .inspect(|route| {
                let told = self.oracle.route(slot, &route.prefix);
                let told = told.map(|route| &route.attributes);
                assert_eq!(told, Some(route.set.attributes()), "{} of {slot}", route.prefix);
            })
            .map(|route| (route.prefix, route.reject))
            .collect();
        let told = self.oracle.routes().filter(|(source, ..)| *source == slot);
        let told: BTreeMap<Prefix, Option<RejectReason>> =
            told.map(|(_, prefix, route)| (prefix, route.reject())).collect();
        assert_eq!(kept, told, "Adj-RIB-In of member {slot}");
    }

    /// The view of a member's Adj-RIB-Out, and the count of it, agree with what it was sent.
    fn check_adj_rib_out(&self, slot: u16) {
        let table = &self.members[usize::from(slot)].table;
        let viewed = self.routes(&RouteFilter { to: Some(Slot(slot)), ..RouteFilter::default() });
        for route in &viewed {
            let key = (route.prefix, route.path_id.unwrap_or(0));
            let sent = route.outgoing.as_ref().map(|outgoing| &outgoing.attributes);
            assert_eq!(table.get(&key), sent, "view of member {slot}");
        }
        let shards = (0..self.simulation.shards()).map(|shard| self.simulation.shard(shard));
        let exported: u64 =
            shards.map(|shard| shard.exported()[usize::from(slot)].iter().sum::<u64>()).sum();
        assert_eq!((viewed.len(), exported), (table.len(), table.len() as u64));
    }

    pub(crate) fn tables(&self) -> Vec<Table> {
        self.members.iter().map(|member| member.table.clone()).collect()
    }
}
