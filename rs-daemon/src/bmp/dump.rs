//! What a collector that has connected is still to be told of the tables.

use std::collections::VecDeque;

use rib::{Cursor, Generation, RouteFilter, Shard};

use super::sessions::Place;
use super::tap::{DumpId, DumpPage, Event};
use crate::runtime::limits::MONITOR_PAGE;
use crate::runtime::{Inner, ShardMessage};

/// A step of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A shard's part of the Adj-RIB-Ins and Loc-RIB of a route server.
    Table { route_server: usize, shard: usize },
    /// That was all of the route server.
    TableEnd { route_server: usize },
    /// A shard's part of a session's Adj-RIB-Out.
    Out { place: Place, generation: Generation, shard: usize },
    /// That was all of the session.
    OutEnd { place: Place, generation: Generation },
}

/// See the module. One page at a time is under way.
#[derive(Debug)]
pub(super) struct Dump {
    pub(super) id: DumpId,
    steps: VecDeque<Step>,
    cursor: Cursor,
    under_way: bool,
}

impl Dump {
    pub(super) fn new(id: DumpId, steps: VecDeque<Step>) -> Self {
        Self { id, steps, cursor: Cursor::START, under_way: false }
    }

    /// What is to be done now, if no page is under way; none: it is over.
    pub(super) fn step(&self) -> Option<Step> {
        self.steps.front().copied()
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The step is done.
    pub(super) fn done(&mut self) {
        self.steps.pop_front();
        self.cursor = Cursor::START;
    }

    /// A page has come: it is the last of its step, or there are more.
    pub(super) fn arrived(&mut self, next: Option<Cursor>) {
        self.under_way = false;
        match next {
            Some(next) => self.cursor = next,
            None => self.done(),
        }
    }

    /// Asks for the next page of a step.
    pub(super) fn ask(&mut self, inner: &Inner, step: Step) {
        let (id, cursor) = (self.id, self.cursor);
        let (route_server, shard) = match step {
            Step::Table { route_server, shard } => (route_server, shard),
            Step::Out { place: (route_server, _), shard, .. } => (route_server, shard),
            Step::TableEnd { .. } | Step::OutEnd { .. } => return,
        };
        let tap = std::sync::Arc::clone(&inner.engine.bmp);
        let run = Box::new(move |shard: &mut Shard| {
            let page = match step {
                Step::Out { place: (_, slot), .. } => {
                    let filter = RouteFilter { to: Some(slot), ..RouteFilter::default() };
                    DumpPage::Out(shard.routes(&filter, cursor, MONITOR_PAGE))
                }
                _ => DumpPage::Table(shard.watch_page(cursor, MONITOR_PAGE)),
            };
            tap.push(Event::Page { dump: id, page });
        });
        let Some(inbox) = inner.engine.inboxes.get(shard) else { return };
        inbox.push(1, ShardMessage::Inspect { route_server, run });
        self.under_way = true;
    }
}
