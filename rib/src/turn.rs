//! The end of a turn: decide what was touched, serve walks, answer requests, publish.

use bgp_wire::Family;

use crate::outbox::FlushContext;
use crate::partition::Context;
use crate::resync::Serving;
use crate::table::DestinationId;
use crate::{Shard, ShardOutput};

/// Room kept in the list of touched destinations after a turn that needed more.
const KEPT_TOUCHED: usize = 16 * 1024;

impl Shard {
    /// Ends the turn: decides each touched destination once, encodes what changed once for each
    /// profile, and puts it into `out`. The order of `out` is the order in which workers must see
    /// it.
    pub fn finish_turn(&mut self, out: &mut Vec<ShardOutput>) {
        out.append(&mut self.markers);
        let servings = self.choose_servings();
        self.touch_outdated(&servings);
        self.decide_touched(out);
        for serving in &servings {
            self.serve(serving, out);
        }
        self.finish_empty_walks(out);
        self.answer_requests(out);
        out.append(&mut self.events);
        self.partitioner.end_turn();
        self.sets.collect();
        self.oldest = None;
        self.counters.peer_sets = self.sets.len();
    }

    /// Nobody is told what an older policy decided: what is about to be served is decided anew
    /// first, for everybody.
    fn touch_outdated(&mut self, servings: &[Serving]) {
        if self.rejudging.is_none() {
            return;
        }
        for serving in servings {
            let f = serving.family.index();
            for id in self.tables[f].places(serving.segment) {
                if self.tables[f].get(id).is_some_and(|d| self.is_outdated(d)) {
                    self.touch(serving.family, id);
                }
            }
        }
        for prefix in self.requested_prefixes() {
            if let Some(id) = self.find(&prefix) {
                let f = prefix.family().index();
                if self.tables[f].get(id).is_some_and(|d| self.is_outdated(d)) {
                    self.touch(prefix.family(), id);
                }
            }
        }
    }

    fn decide_touched(&mut self, out: &mut Vec<ShardOutput>) {
        if self.touched.is_empty() {
            return;
        }
        self.counters.turns += 1;
        let mut touched = std::mem::take(&mut self.touched);
        self.counters.decisions += touched.len() as u64;
        for (family, id) in touched.drain(..) {
            self.decide(family, id);
        }
        touched.shrink_to(KEPT_TOUCHED);
        self.touched = touched;
        self.flush(false, out);
    }

    fn decide(&mut self, family: Family, id: DestinationId) {
        let f = family.index();
        let Some(destination) = self.tables[f].get_mut(id) else { return };
        destination.touched = false;
        if self.tables[f].get(id).is_some_and(|d| self.is_outdated(d)) {
            self.judge_again(family, id);
        }
        let ordering = self.ordering();
        let Self { tables, peers, sets, outbox, partitioner, counters, .. } = self;
        let table = &mut tables[f];
        // Taken out for the call, so that the destination can be borrowed beside it.
        let segment = table.segment_of(id);
        let owed = std::mem::take(&mut table.segments[segment].owed);
        let mut vacant = false;
        if let Some(destination) = table.get_mut(id) {
            let mut cx = Context { ordering, peers, sets, outbox };
            partitioner.decide(destination, &owed, &mut cx);
            vacant = destination.is_vacant();
            let first = destination.first_eligible();
            if destination.first != first {
                counters.first_changed(family, destination.first, first);
                destination.first = first;
            }
        }
        table.segments[segment].owed = owed;
        if self.watcher.is_some() {
            self.see_first(family, id);
        }
        if vacant {
            self.tables[f].remove(id);
        }
    }

    /// Publishes what is in the outbox.
    pub(crate) fn flush(&mut self, resync: bool, out: &mut Vec<ShardOutput>) {
        let Self { outbox, peers, sets, counters, config, oldest, .. } = self;
        outbox.flush(&mut FlushContext {
            peers,
            sets,
            counters,
            out,
            batch_octets: config.batch_octets,
            resync,
            received: if resync { None } else { *oldest },
        });
    }
}
