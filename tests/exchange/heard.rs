//! What must hold at every moment: nobody is sent its own route, or one that no policy since the
//! last rest lets it have, and what ends a transfer of routes comes behind all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp_wire::{Family, PathAttributes, Prefix};
use policy::{Policy, RoutingData};

use crate::exchange::Exchange;
use crate::member::Heard;
use crate::oracle::{Oracle, Touched, allows};
use crate::random::tag_of;

/// What may be on its way, since the exchange was last at rest.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) data: Vec<RoutingData>,
    /// For each slot, the first policy that means the member which has it now.
    since: Vec<usize>,
    /// By the number that names them.
    attributes: BTreeMap<u32, PathAttributes>,
    announced: BTreeSet<(u32, Prefix)>,
}

impl History {
    /// At rest: what the oracle knows, and nothing else.
    pub(crate) fn new(oracle: &Oracle, members: usize) -> Self {
        let mut history = Self {
            policies: vec![Arc::clone(&oracle.policy)],
            data: vec![oracle.data.clone()],
            since: vec![0; members],
            ..Self::default()
        };
        for (_, prefix, route) in oracle.routes() {
            history.note(&[prefix], &route.attributes);
        }
        history
    }

    /// A route was read.
    pub(crate) fn note(&mut self, prefixes: &[Prefix], attributes: &PathAttributes) {
        let (_, tag) = tag_of(attributes);
        self.attributes.insert(tag, attributes.clone());
        self.announced.extend(prefixes.iter().map(|prefix| (tag, *prefix)));
    }

    /// A slot has a new member, named by the last policy.
    pub(crate) fn replaced(&mut self, slot: u16) {
        self.since[usize::from(slot)] = self.policies.len() - 1;
    }
}

/// Routes (prefix and path identifier) that a member could have at every moment since: owed before
/// the end of a transfer.
pub(crate) type Owed = Option<BTreeSet<(Prefix, u32)>>;

impl Exchange {
    pub(crate) fn heard(&mut self, slot: u16, heard: &Heard) {
        let s = usize::from(slot);
        match heard {
            Heard::Announced(prefix, attributes) => self.check_route(slot, prefix, attributes),
            Heard::EndOfRib(family) => {
                assert_eq!(self.members[s].ends_of_rib[family.index()], 1, "one End-of-RIB");
                self.check_owed(slot, *family, &self.owed_first[s], "End-of-RIB");
            }
            Heard::Refreshed(family) => {
                self.check_owed(slot, *family, &self.owed_refresh[s], "EoRR");
            }
        }
    }

    fn check_route(&self, slot: u16, prefix: &Prefix, received: &PathAttributes) {
        let (source, tag) = tag_of(received);
        assert_ne!(source, slot, "{prefix}: its own route");
        let history = &self.history;
        let known = history.attributes.get(&tag);
        let Some(sent) = known.filter(|_| history.announced.contains(&(tag, *prefix))) else {
            panic!("{prefix} of member {source} to member {slot}: a route that is long gone");
        };
        let kind = &self.members[usize::from(slot)].kind;
        let policies = &history.policies[history.since[usize::from(slot)]..];
        let allowed = policies.iter().rev().any(|policy| {
            let route = (source, prefix, sent);
            let mut data = history.data.iter().rev();
            data.any(|data| allows(policy, data, route, slot, kind, received))
        });
        assert!(allowed, "{prefix} of member {source} to member {slot}: {received:?}");
    }

    fn check_owed(&self, slot: u16, family: Family, owed: &Owed, what: &str) {
        let table = &self.members[usize::from(slot)].table;
        for key in owed.iter().flatten().filter(|(prefix, _)| prefix.family() == family) {
            assert!(table.contains_key(key), "{what} of {family} to member {slot} before {key:?}");
        }
    }

    /// Routes that the member has at this moment.
    pub(crate) fn has_now(&self, slot: u16) -> BTreeSet<(Prefix, u32)> {
        self.oracle.table(slot).into_keys().collect()
    }

    /// Something has changed: what a member cannot have now is no longer owed to it.
    pub(crate) fn touched(&mut self, touched: &Touched) {
        let Self { oracle, owed_first, owed_refresh, .. } = self;
        for owed in [owed_first, owed_refresh] {
            for (slot, owed) in (0..).zip(owed) {
                let Some(owed) = owed else { continue };
                owed.retain(|(prefix, path_id)| {
                    let concerned = match touched {
                        Touched::Nothing => false,
                        Touched::Prefixes(list) => list.contains(prefix),
                        Touched::All => true,
                    };
                    !concerned || oracle.paths(slot, prefix).iter().any(|(id, _)| id == path_id)
                });
            }
        }
    }
}
