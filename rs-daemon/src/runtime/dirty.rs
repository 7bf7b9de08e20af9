//! The NLRI that changed while a member did not drain its queue.
//!
//! Members that lag together got the same batches: as long as possible the lists of those are kept
//! by handle, and folded into a set of the member's own only when there are many.

use std::sync::Arc;

use bgp_wire::{Family, Nlri};
use foldhash::fast::SeedableRandomState;
use hashbrown::HashSet;

use super::limits::{DIRTY_FOLD_NLRI, DIRTY_MAX_NLRI, Limits};

/// NLRI without duplicates. Members choose them, so hashing is seeded.
pub(crate) type NlriSet = HashSet<Nlri, SeedableRandomState>;

pub(crate) fn nlri_set(limits: &Limits) -> NlriSet {
    let repeatable = limits.repeatable;
    NlriSet::with_hasher(if repeatable { SeedableRandomState::fixed() } else { Default::default() })
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DirtySet {
    shared: Vec<Arc<[Nlri]>>,
    shared_nlri: usize,
    own: NlriSet,
    families: [bool; 2],
}

impl DirtySet {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { own: nlri_set(limits), ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }

    /// Whether an NLRI of this family may be in it.
    pub(crate) fn may_hold(&self, family: Family) -> bool {
        self.families[family.index()]
    }

    /// At most this many NLRI (those in several shared lists count several times).
    pub(crate) fn len(&self) -> usize {
        self.shared_nlri + self.own.len()
    }

    /// Adds all of `nlri`, which are of one family.
    pub(crate) fn add(&mut self, family: Family, nlri: &Arc<[Nlri]>) {
        if nlri.is_empty() {
            return;
        }
        self.families[family.index()] = true;
        self.shared_nlri += nlri.len();
        self.shared.push(Arc::clone(nlri));
        if self.shared_nlri > DIRTY_FOLD_NLRI.max(self.own.len()) {
            self.fold();
        }
    }

    /// Whether there are more than we keep.
    pub(crate) fn is_too_large(&self) -> bool {
        self.own.len() > DIRTY_MAX_NLRI
    }

    /// Takes up to `limit` distinct NLRI.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Nlri> {
        self.fold();
        if self.own.len() <= limit {
            self.families = [false; 2];
            let taken = self.own.drain().collect();
            self.own.shrink_to(0);
            return taken;
        }
        self.own.extract_if(|_| true).take(limit).collect()
    }

    fn fold(&mut self) {
        for nlri in self.shared.drain(..) {
            self.own.extend(nlri.iter().copied());
        }
        self.shared_nlri = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(range: std::ops::Range<u32>) -> Arc<[Nlri]> {
        range
            .map(|n| {
                let prefix = bgp_wire::Prefix::v4((0x0a00_0000 + (n << 8)).into(), 24).unwrap();
                Nlri { prefix, path_id: 0 }
            })
            .collect()
    }

    #[test]
    fn each_nlri_is_taken_once() {
        let mut dirty = DirtySet::default();
        assert!(dirty.is_empty());
        dirty.add(Family::V4, &list(0..100));
        dirty.add(Family::V4, &list(50..150));
        assert!(dirty.may_hold(Family::V4) && !dirty.may_hold(Family::V6));
        let mut taken = dirty.take(60);
        assert_eq!(taken.len(), 60);
        assert!(dirty.may_hold(Family::V4));
        taken.extend(dirty.take(1000));
        assert!(dirty.is_empty() && !dirty.may_hold(Family::V4));
        taken.sort_unstable();
        assert_eq!(taken, list(0..150).to_vec());
    }

    #[test]
    fn shared_lists_fold_before_they_grow_without_bound() {
        let mut dirty = DirtySet::default();
        let same = list(0..1000);
        for _ in 0..1000 {
            dirty.add(Family::V4, &same);
        }
        assert!(dirty.len() <= DIRTY_FOLD_NLRI + 1000);
        assert_eq!(dirty.take(usize::MAX).len(), 1000);
    }
}
