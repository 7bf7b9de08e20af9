//! What a monitor outside sees of a shard: changes as they happen, and the table in pages, in one
//! order. Nothing is noted, and nothing kept, while nobody watches.
//!
//! A page shows the state between two turns. Who takes what was noted ([`Shard::take_watched`])
//! before each page, and keeps that order, has the shard's tables after any number of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_wire::{Family, Prefix};
use foldhash::fast::RandomState;
use policy::Slot;

use crate::destination::{Candidate, Destination};
use crate::table::DestinationId;
use crate::{AttributeSet, Cursor, Generation, Shard};

/// Destinations looked at for one page.
const PAGE_SCAN: usize = 4096;

/// Which tables are watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watch {
    /// What the sessions send, and what policy leaves of it.
    pub adj_rib_in: bool,
    /// The first candidate of each prefix.
    pub loc_rib: bool,
    /// What the sessions are sent. The batches say it; the shard's owner passes them on.
    pub adj_rib_out: bool,
}

/// What becomes of a route in one view of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It is there, new or with other attributes.
    Reach,
    /// It was there, and is not.
    Unreach,
}

/// Something that changed.
#[derive(Debug, Clone)]
pub enum Watched {
    /// In the Adj-RIB-In of an established session.
    In {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// The prefix.
        prefix: Prefix,
        /// The attributes as received; none when it is gone.
        set: Option<Arc<AttributeSet>>,
        /// Before policy.
        pre: Change,
        /// After policy.
        post: Change,
        /// When it came; none when it was not the peer that changed it.
        received: Option<Instant>,
    },
    /// The first candidate of a prefix: its attributes as received, if there is one.
    Loc {
        /// The prefix.
        prefix: Prefix,
        /// The attributes.
        set: Option<Arc<AttributeSet>>,
    },
    /// The peer has sent all that it has.
    EndOfRib {
        /// The slot.
        slot: Slot,
        /// The session.
        generation: Generation,
        /// The family.
        family: Family,
    },
}

impl Watched {
    /// The attributes that it has.
    pub const fn set(&self) -> Option<&Arc<AttributeSet>> {
        match self {
            Self::In { set, .. } | Self::Loc { set, .. } => set.as_ref(),
            Self::EndOfRib { .. } => None,
        }
    }
}

/// A route of a page.
#[derive(Debug, Clone)]
pub struct WatchedRoute {
    /// The prefix.
    pub prefix: Prefix,
    /// The established session of its source; none while that is away.
    pub generation: Option<Generation>,
    /// The attributes as received, and from whom.
    pub set: Arc<AttributeSet>,
    /// Policy lets it through.
    pub accepted: bool,
    /// It is the first candidate of its prefix.
    pub best: bool,
    /// When it came.
    pub received: Option<Instant>,
}

/// A part of the table.
#[derive(Debug, Clone, Default)]
pub struct WatchedPage {
    /// Routes; those of a prefix stand together.
    pub routes: Vec<WatchedRoute>,
    /// Where to go on.
    pub next: Option<Cursor>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    watch: Watch,
    events: Vec<Watched>,
    /// The first candidates that were told.
    told: HashMap<Prefix, Arc<AttributeSet>, RandomState>,
    /// How many, by family.
    told_count: [u64; 2],
}

/// A candidate before and after, in view of its session.
pub(crate) struct Seen<'a> {
    pub(crate) source: Slot,
    pub(crate) prefix: Prefix,
    pub(crate) set: Option<&'a Arc<AttributeSet>>,
    pub(crate) pre: Change,
    /// Accepted before and after.
    pub(crate) accepted: (bool, bool),
    pub(crate) received: Option<Instant>,
}

impl Watcher {
    /// The first candidate was decided.
    fn see_first(&mut self, destination: &Destination) {
        let prefix = destination.prefix;
        let first = destination.candidates.first().filter(|first| first.judged.is_ok());
        let set = first.map(|first| Arc::clone(&first.set));
        let same = match (self.told.get(&prefix), &set) {
            (None, None) => true,
            (Some(told), Some(now)) => Arc::ptr_eq(told, now),
            _ => false,
        };
        if same {
            return;
        }
        match &set {
            Some(set) => self.tell_first(prefix, Arc::clone(set)),
            None => {
                self.told.remove(&prefix);
                self.told_count[prefix.family().index()] -= 1;
            }
        }
        self.events.push(Watched::Loc { prefix, set });
    }

    fn tell_first(&mut self, prefix: Prefix, set: Arc<AttributeSet>) {
        if self.told.insert(prefix, set).is_none() {
            self.told_count[prefix.family().index()] += 1;
        }
    }
}

impl Shard {
    /// Watches these tables from here on. What was noted and not taken is lost when nothing is
    /// watched any more.
    pub fn watch(&mut self, watch: Watch) {
        if watch == Watch::default() {
            self.watcher = None;
            return;
        }
        let watcher = self.watcher.get_or_insert_default();
        watcher.watch = watch;
        if !watch.loc_rib {
            watcher.told = HashMap::default();
            watcher.told_count = [0; 2];
        }
    }

    /// How many prefixes have a first candidate that was told, by [`Family::index`].
    pub fn watched_first(&self) -> [u64; 2] {
        self.watcher.as_ref().map_or([0; 2], |watcher| watcher.told_count)
    }

    /// What is watched.
    pub fn watched(&self) -> Watch {
        self.watcher.as_ref().map_or_else(Watch::default, |watcher| watcher.watch)
    }

    /// The established sessions that this shard knows.
    pub fn sessions(&self) -> Vec<(Slot, Generation)> {
        let slots = (0..self.peers.len()).filter_map(|slot| u16::try_from(slot).ok().map(Slot));
        slots.filter_map(|slot| Some((slot, self.session_of(slot)?))).collect()
    }

    /// Takes what changed, in order. Due at the end of every turn.
    pub fn take_watched(&mut self) -> Vec<Watched> {
        self.watcher.as_mut().map(|watcher| std::mem::take(&mut watcher.events)).unwrap_or_default()
    }

    /// A page of all routes, rejected ones included. First candidates on it count as told.
    pub fn watch_page(&mut self, cursor: Cursor, limit: usize) -> WatchedPage {
        let mut page = WatchedPage::default();
        let (mut f, mut place) = (usize::from(cursor.family), cursor.place as usize);
        let mut looked_at = 0;
        while let Some(table) = self.tables.get(f) {
            if place >= table.end() {
                (f, place) = (f + 1, 0);
                continue;
            }
            if page.routes.len() >= limit || looked_at >= PAGE_SCAN {
                page.next = Some(Cursor { family: f as u8, place: place as u32 });
                break;
            }
            if let Some(destination) = table.get(DestinationId::from_index(place)) {
                self.add_watched(destination, &mut page.routes);
            }
            place += 1;
            looked_at += 1;
        }
        if let Some(watcher) = self.watcher.as_deref_mut().filter(|w| w.watch.loc_rib) {
            for route in page.routes.iter().filter(|route| route.best) {
                watcher.tell_first(route.prefix, Arc::clone(&route.set));
            }
        }
        page
    }

    fn add_watched(&self, destination: &Destination, routes: &mut Vec<WatchedRoute>) {
        let started = self.started;
        routes.extend(destination.candidates.iter().enumerate().map(|(rank, candidate)| {
            WatchedRoute {
                prefix: destination.prefix,
                generation: self.session_of(candidate.source),
                set: Arc::clone(&candidate.set),
                accepted: candidate.judged.is_ok(),
                best: rank == 0 && candidate.judged.is_ok(),
                received: started.map(|at| at + Duration::from_millis(candidate.received_ms)),
            }
        }));
    }

    fn session_of(&self, slot: Slot) -> Option<Generation> {
        self.peer(slot).filter(|peer| peer.session.is_some()).map(|peer| peer.generation)
    }

    /// Notes a change of a candidate of an established session, if that is watched.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) {
        if self.watcher.as_ref().is_none_or(|watcher| !watcher.watch.adj_rib_in) {
            return;
        }
        let Some(generation) = self.session_of(seen.source) else { return };
        let post = match (seen.accepted, seen.pre) {
            ((_, true), Change::Reach) | ((false, true), _) => Change::Reach,
            ((true, false), _) => Change::Unreach,
            _ => Change::None,
        };
        if let Some(watcher) = &mut self.watcher {
            watcher.events.push(Watched::In {
                slot: seen.source,
                generation,
                prefix: seen.prefix,
                set: seen.set.cloned(),
                pre: seen.pre,
                post,
                received: seen.received,
            });
        }
    }

    /// Notes that a candidate is gone.
    pub(crate) fn see_gone(&mut self, prefix: Prefix, candidate: &Candidate) {
        self.see(&Seen {
            source: candidate.source,
            prefix,
            set: None,
            pre: Change::Unreach,
            accepted: (candidate.judged.is_ok(), false),
            received: None,
        });
    }

    /// Notes that a session's peer has sent all that it has.
    pub(crate) fn see_end_of_rib(&mut self, slot: Slot, generation: Generation, family: Family) {
        if let Some(watcher) = self.watcher.as_deref_mut().filter(|w| w.watch.adj_rib_in) {
            watcher.events.push(Watched::EndOfRib { slot, generation, family });
        }
    }

    /// Notes which candidate is the first after a decision.
    pub(crate) fn see_first(&mut self, family: Family, id: DestinationId) {
        let Self { watcher, tables, .. } = self;
        let Some(watcher) = watcher.as_deref_mut().filter(|w| w.watch.loc_rib) else { return };
        if let Some(destination) = tables[family.index()].get(id) {
            watcher.see_first(destination);
        }
    }
}
