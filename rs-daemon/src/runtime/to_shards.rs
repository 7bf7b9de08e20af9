//! A worker's end of the shards' inboxes: messages of a turn are handed over together.

use std::cell::RefCell;
use std::sync::Arc;

use rib::{Scope, Shard, ShardInput};

use super::inbox::{Costed, Inbox};

/// A message to a shard thread, which owns one shard of each route server.
pub(crate) enum ShardMessage {
    /// For the route server's shard.
    Input {
        /// Index of the route server.
        route_server: usize,
        /// What.
        input: ShardInput,
    },
    /// A question, run between turns.
    Inspect {
        /// Index of the route server.
        route_server: usize,
        /// What to run.
        run: Box<dyn FnOnce(&mut Shard) + Send>,
    },
    /// A route server that a reload added; its shard takes the next index.
    Install(Box<Shard>),
    /// Ends the thread.
    Stop,
}

impl std::fmt::Debug for ShardMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input { route_server, input } => {
                f.debug_tuple("Input").field(route_server).field(input).finish()
            }
            Self::Inspect { route_server, .. } => {
                f.debug_tuple("Inspect").field(route_server).finish_non_exhaustive()
            }
            Self::Install(_) => f.write_str("Install"),
            Self::Stop => f.write_str("Stop"),
        }
    }
}

/// The inboxes of all shard threads.
pub(crate) type Inboxes = Arc<[Arc<Inbox<ShardMessage>>]>;

/// See the module.
#[derive(Debug)]
pub(crate) struct ToShards {
    inboxes: Inboxes,
    turn: RefCell<Vec<Vec<Costed<ShardMessage>>>>,
}

impl ToShards {
    pub(crate) fn new(inboxes: Inboxes) -> Self {
        let turn = RefCell::new(inboxes.iter().map(|_| Vec::new()).collect());
        Self { inboxes, turn }
    }

    /// How many shards each route server has.
    pub(crate) fn count(&self) -> usize {
        self.inboxes.len()
    }

    /// Adds a message to this turn.
    pub(crate) fn push(&self, shard: usize, route_server: usize, input: ShardInput) {
        let cost = cost(&input);
        let message = ShardMessage::Input { route_server, input };
        self.turn.borrow_mut()[shard].push(Costed { cost, message });
    }

    /// Adds a message for each shard to this turn.
    pub(crate) fn push_all(&self, route_server: usize, mut input: impl FnMut() -> ShardInput) {
        for shard in 0..self.count() {
            self.push(shard, route_server, input());
        }
    }

    /// Hands the turn over.
    pub(crate) fn flush(&self) {
        for (messages, inbox) in self.turn.borrow_mut().iter_mut().zip(self.inboxes.iter()) {
            inbox.append(messages);
        }
    }

    /// The first inbox that is too full to be fed.
    pub(crate) fn full(&self) -> Option<&Arc<Inbox<ShardMessage>>> {
        self.inboxes.iter().find(|inbox| inbox.is_full())
    }
}

/// Octets of path attributes that cost as much as an NLRI. Ordinary sets cost nothing beside their
/// routes; one of 64 kB, which is decoded, planned and encoded for one route, as much as a thousand.
const OCTETS_AS_NLRI: usize = 64;

/// Of these nothing is said.
const ORDINARY_OCTETS: usize = 512;

/// What a message costs the shard, in NLRI.
pub(crate) fn cost(input: &ShardInput) -> usize {
    match input {
        ShardInput::Ingest(ingest) => {
            let octets = ingest.set.as_ref().map_or(0, |set| set.octets());
            let large = octets.saturating_sub(ORDINARY_OCTETS) / OCTETS_AS_NLRI;
            1 + ingest.reach.len() + ingest.unreach.len() + large
        }
        ShardInput::Resync { scope: Scope::Nlri(nlri), .. } => 1 + nlri.len(),
        _ => 1,
    }
}
