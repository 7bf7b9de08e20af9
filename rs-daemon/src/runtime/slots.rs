//! Which session has which slot of a route server.
//!
//! A slot is used again only when its worker has let go of its last session and no shard has a
//! route of it or a plan that could name it: [`is_clear`] says so for one shard.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use policy::Slot;
use rib::{LimitConfig, PeerLimit, Shard};

use crate::config::SessionKey;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SlotTable {
    slots: Vec<SlotState>,
    by_key: HashMap<SessionKey, Slot>,
}

#[derive(Debug)]
enum SlotState {
    Free,
    Used {
        key: SessionKey,
        limit: Arc<SlotLimit>,
    },
    /// Not configured as of this epoch.
    Leaving {
        epoch: u64,
    },
}

/// The prefix limit of a configured session: it outlives reloads. What it counts outlives a
/// connection only if the routes do.
#[derive(Debug)]
pub(crate) struct SlotLimit(ArcSwap<PeerLimit>);

impl SlotLimit {
    pub(crate) fn new(config: LimitConfig) -> Self {
        Self(ArcSwap::from_pointee(PeerLimit::new(config)))
    }

    /// What counts now, for all shards.
    pub(crate) fn current(&self) -> Arc<PeerLimit> {
        self.0.load_full()
    }

    /// From here on nothing that was counted counts, for who comes up next. For the session's worker
    /// only, which configures the limit, too.
    pub(crate) fn begin_anew(&self, config: LimitConfig) {
        self.0.store(Arc::new(PeerLimit::new(config)));
    }
}

/// Whether a shard has nothing left that concerns a slot which `epoch` no longer has.
pub(crate) fn is_clear(shard: &Shard, slot: Slot, epoch: u64) -> bool {
    let empty = shard.counters().slot(slot).is_none_or(|slot| slot.received == [0, 0]);
    empty && shard.epoch() >= epoch && shard.is_settled(slot)
}

impl SlotTable {
    /// The session's slot, a new one (with this limit) where it has none; nothing when there is none left.
    pub(crate) fn assign(
        &mut self,
        key: &SessionKey,
        config: LimitConfig,
    ) -> Option<(Slot, Arc<SlotLimit>)> {
        if let Some(slot) = self.by_key.get(key)
            && let Some(SlotState::Used { limit, .. }) = self.slots.get(slot.index())
        {
            return Some((*slot, Arc::clone(limit)));
        }
        let free = self.slots.iter().position(|state| matches!(state, SlotState::Free));
        let index = free.unwrap_or(self.slots.len());
        let slot = Slot(u16::try_from(index).ok()?);
        let limit = Arc::new(SlotLimit::new(config));
        let state = SlotState::Used { key: key.clone(), limit: Arc::clone(&limit) };
        match self.slots.get_mut(index) {
            Some(place) => *place = state,
            None => self.slots.push(state),
        }
        self.by_key.insert(key.clone(), slot);
        Some((slot, limit))
    }

    /// The session is no longer configured as of `epoch`.
    pub(crate) fn release(&mut self, key: &SessionKey, epoch: u64) -> Option<Slot> {
        let slot = self.by_key.remove(key)?;
        self.slots[slot.index()] = SlotState::Leaving { epoch };
        Some(slot)
    }

    /// Slots that are neither used nor free, and since which epoch.
    pub(crate) fn leaving(&self) -> Vec<(Slot, u64)> {
        let leaving = |(index, state): (usize, &SlotState)| match state {
            SlotState::Leaving { epoch } => Some((Slot(u16::try_from(index).ok()?), *epoch)),
            SlotState::Free | SlotState::Used { .. } => None,
        };
        self.slots.iter().enumerate().filter_map(leaving).collect()
    }

    /// Whether there are such slots.
    pub(crate) fn has_leaving(&self) -> bool {
        self.slots.iter().any(|state| matches!(state, SlotState::Leaving { .. }))
    }

    /// Every shard is clear of it.
    pub(crate) fn free(&mut self, slot: Slot) {
        if let Some(state @ SlotState::Leaving { .. }) = self.slots.get_mut(slot.index()) {
            *state = SlotState::Free;
        }
    }

    /// The session of each slot.
    pub(crate) fn keys(&self) -> Vec<Option<SessionKey>> {
        self.slots
            .iter()
            .map(|state| match state {
                SlotState::Used { key, .. } => Some(key.clone()),
                SlotState::Free | SlotState::Leaving { .. } => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> SessionKey {
        SessionKey {
            route_server: "rs1".into(),
            address: std::net::Ipv4Addr::new(192, 0, 2, last).into(),
            interface: None,
        }
    }

    #[test]
    fn a_slot_is_reused_only_when_all_shards_have_let_go_of_it() {
        let mut slots = SlotTable::default();
        let (first, _) = slots.assign(&key(1), LimitConfig::default()).unwrap();
        let (second, _) = slots.assign(&key(2), LimitConfig::default()).unwrap();
        assert_eq!(slots.assign(&key(1), LimitConfig::default()).unwrap().0, first);
        assert_eq!(slots.release(&key(1), 7), Some(first));
        assert_ne!(slots.assign(&key(3), LimitConfig::default()).unwrap().0, first, "not clear");
        assert_eq!(slots.leaving(), [(first, 7)]);
        slots.free(first);
        slots.free(second);
        assert_eq!(slots.assign(&key(6), LimitConfig::default()).unwrap().0, first);
        assert_eq!(slots.keys()[second.index()], Some(key(2)), "in use all the while");
    }
}
