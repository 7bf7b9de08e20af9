//! IRR sets: which origins and prefixes a member may announce.

use std::fmt;
use std::sync::Arc;

use bgp_wire::{Asn, Family, Prefix};
use hashbrown::HashMap;

use crate::prefix_index::PrefixIndex;

/// What is known of a member's set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IrrStatus {
    /// Never fetched, or no database knows it.
    #[default]
    Unknown,
    /// It expands to nothing.
    Empty,
    /// It is there.
    Loaded,
}

impl fmt::Display for IrrStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Empty => "empty",
            Self::Loaded => "loaded",
        })
    }
}

/// Origins and prefixes, compiled. Equal ones are shared between members.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RouteSet {
    origins: Box<[Asn]>,
    prefixes: PrefixIndex,
}

impl RouteSet {
    /// From origins and prefixes in any order; duplicates count once.
    pub fn new(
        origins: impl IntoIterator<Item = Asn>,
        prefixes: impl IntoIterator<Item = Prefix>,
    ) -> Self {
        let mut origins: Vec<Asn> = origins.into_iter().collect();
        origins.sort_unstable();
        origins.dedup();
        Self { origins: origins.into(), prefixes: PrefixIndex::new(prefixes) }
    }

    /// Whether an AS is in the set.
    #[must_use]
    pub fn has_origin(&self, asn: Asn) -> bool {
        self.origins.binary_search(&asn).is_ok()
    }

    /// The most specific route object that covers a prefix.
    #[must_use]
    pub fn covering(&self, prefix: &Prefix) -> Option<Prefix> {
        self.prefixes.nearest(prefix).map(|entry| self.prefixes.get(entry))
    }

    /// The origins, ascending.
    #[must_use]
    pub fn origins(&self) -> &[Asn] {
        &self.origins
    }

    /// The prefixes, ascending.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.prefixes.iter()
    }

    /// How many prefixes of a family.
    #[must_use]
    pub fn prefix_count(&self, family: Family) -> usize {
        self.prefixes.len_of(family)
    }

    /// Octets on the heap.
    #[must_use]
    pub fn heap_octets(&self) -> usize {
        size_of_val(&*self.origins) + self.prefixes.heap_octets()
    }
}

/// A member's set and where it is from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemberIrr {
    /// What is known.
    pub status: IrrStatus,
    /// When it was fetched, in seconds since 1970.
    pub fetched_unix_secs: Option<u64>,
    /// What was expanded, and from which database.
    pub source: Arc<str>,
    /// What it holds.
    pub routes: Arc<RouteSet>,
}

impl MemberIrr {
    /// A fetched set: loaded, or empty where it has no origin and no prefix.
    #[must_use]
    pub fn fetched(source: &str, fetched_unix_secs: u64, routes: RouteSet) -> Self {
        let empty = routes.origins.is_empty() && routes.prefixes.len() == 0;
        Self {
            status: if empty { IrrStatus::Empty } else { IrrStatus::Loaded },
            fetched_unix_secs: Some(fetched_unix_secs),
            source: Arc::from(source),
            routes: Arc::new(routes),
        }
    }

    /// A set that is not there, and why.
    #[must_use]
    pub fn unknown(source: &str) -> Self {
        Self { source: Arc::from(source), ..Self::default() }
    }
}

/// The sets of all members, immutable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IrrSets {
    members: HashMap<u32, MemberIrr, foldhash::fast::FixedState>,
}

/// What differs for a member between two snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IrrChange {
    /// The status or the origins: all of the member's routes.
    All,
    /// Routes that these cover.
    Prefixes(Vec<Prefix>),
}

impl IrrSets {
    /// From members (as [`PeerPolicy::member`](crate::PeerPolicy::member) numbers them) and their
    /// sets. Sets with equal content become one.
    pub fn from_members(members: impl IntoIterator<Item = (u32, MemberIrr)>) -> Self {
        let mut shared: HashMap<Arc<RouteSet>, (), foldhash::fast::RandomState> =
            HashMap::default();
        let members = members.into_iter().map(|(member, mut irr)| {
            if let Some((same, ())) = shared.get_key_value(&irr.routes) {
                irr.routes = Arc::clone(same);
            } else {
                shared.insert(Arc::clone(&irr.routes), ());
            }
            (member, irr)
        });
        Self { members: members.collect() }
    }

    /// A member's set; `None` before anything was heard of it.
    #[must_use]
    pub fn get(&self, member: u32) -> Option<&MemberIrr> {
        self.members.get(&member)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &MemberIrr)> {
        self.members.iter().map(|(&member, irr)| (member, irr))
    }

    /// What is to be decided again: members whose set differs, in ascending order. Policy may
    /// widen it, see [`Policy::irr_changes`](crate::Policy::irr_changes).
    #[must_use]
    pub fn changes(old: &Self, new: &Self) -> Vec<(u32, IrrChange)> {
        let mut all: Vec<u32> = old.members.keys().chain(new.members.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
            .filter_map(|member| {
                Some((member, Self::member_change(old.get(member), new.get(member))?))
            })
            .collect()
    }

    fn member_change(old: Option<&MemberIrr>, new: Option<&MemberIrr>) -> Option<IrrChange> {
        let status = |irr: Option<&MemberIrr>| irr.map_or(IrrStatus::Unknown, |irr| irr.status);
        if status(old) != status(new) {
            return Some(IrrChange::All);
        }
        let (old, new) = (&old?.routes, &new?.routes);
        if Arc::ptr_eq(old, new) || old == new {
            return None;
        }
        if old.origins != new.origins {
            return Some(IrrChange::All);
        }
        Some(IrrChange::Prefixes(crate::changes::differing(old.prefixes(), new.prefixes(), |p| *p)))
    }
}

#[cfg(test)]
mod tests;
