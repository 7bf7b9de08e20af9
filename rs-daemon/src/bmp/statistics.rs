//! Numbers for Statistics Reports, gathered from workers and shards.

use std::collections::HashMap;
use std::sync::Arc;

use bgp_wire::bmp::Statistic;
use bgp_wire::{Families, Family};
use policy::Slot;
use rib::Shard;

use super::sessions::Place;
use crate::runtime::Inner;

/// Of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionNumbers {
    pub(super) rejected: u64,
    pub(super) treated_as_withdraw: u64,
    pub(super) received: [u64; 2],
    pub(super) exported: [u64; 2],
}

/// Of everything.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) sessions: HashMap<Place, SessionNumbers>,
    /// Routes in the Loc-RIB of each route server, by family.
    pub(super) loc_rib: Vec<[u64; 2]>,
}

impl Numbers {
    /// Asks for all of it.
    pub(super) async fn gather(inner: Arc<Inner>) -> Self {
        let mut numbers = Self::default();
        let servers = inner.engine.route_servers.load_full();
        for index in 0..servers.len() {
            // While stopping there is nothing to count.
            let _ = inner.count_exported(index).await;
            let counted = inner.ask_shards(index, of_shard).await.unwrap_or_default();
            let mut loc_rib = [0; 2];
            for (slots, best) in counted {
                for (slot, of_shard) in slots {
                    numbers.sessions.entry((index, slot)).or_default().add(&of_shard);
                }
                for f in 0..2 {
                    loc_rib[f] += best[f];
                }
            }
            numbers.loc_rib.push(loc_rib);
        }
        for session in inner.snapshot(None).await {
            let index = servers.iter().position(|server| server.name == session.id.route_server);
            let place = index.map(|index| (index, Slot(session.slot)));
            if let Some(numbers) = place.and_then(|place| numbers.sessions.get_mut(&place)) {
                numbers.treated_as_withdraw = session.malformed.treat_as_withdraw;
            }
        }
        numbers
    }
}

impl SessionNumbers {
    fn add(&mut self, other: &Self) {
        self.rejected += other.rejected;
        for f in 0..2 {
            self.received[f] += other.received[f];
            self.exported[f] += other.exported[f];
        }
    }

    /// As BMP says them (RFC 7854 §4.8, RFC 8671 §5.2). Counters have 32 bits and wrap.
    pub(super) fn statistics(&self, families: Families) -> Vec<Statistic> {
        let mut statistics = vec![
            Statistic::RejectedPrefixes(self.rejected as u32),
            Statistic::TreatedAsWithdraw(self.treated_as_withdraw as u32),
            Statistic::AdjRibIn(self.received.iter().sum()),
        ];
        let of = |numbers: &[u64; 2], family: Family| numbers[family.index()];
        let each = || families.iter();
        statistics.extend(each().map(|f| Statistic::AdjRibInOf(f, of(&self.received, f))));
        statistics.push(Statistic::AdjRibOutPost(self.exported.iter().sum()));
        statistics.extend(each().map(|f| Statistic::AdjRibOutPostOf(f, of(&self.exported, f))));
        statistics
    }
}

/// Of Loc-RIB (RFC 9069 §5.5).
pub(super) fn of_loc_rib(routes: [u64; 2]) -> Vec<Statistic> {
    let mut statistics = vec![Statistic::LocRib(routes.iter().sum())];
    let each = Family::ALL.into_iter();
    statistics.extend(each.map(|family| Statistic::LocRibOf(family, routes[family.index()])));
    statistics
}

/// What a shard has: of each slot with a session, and of Loc-RIB.
type Counted = (Vec<(Slot, SessionNumbers)>, [u64; 2]);

fn of_shard(shard: &mut Shard) -> Counted {
    let exported = shard.exported();
    let counters = shard.counters();
    let of_slot = |slot: Slot| {
        let counted = counters.slot(slot);
        let received = counted.map_or([0; 2], |counted| counted.received.map(u64::from));
        SessionNumbers {
            rejected: counted.map_or(0, |counted| counted.rejected.iter().sum()),
            treated_as_withdraw: 0,
            received,
            exported: exported.get(slot.index()).copied().unwrap_or_default(),
        }
    };
    let sessions = shard.sessions().into_iter().map(|(slot, _)| (slot, of_slot(slot)));
    (sessions.collect(), shard.watched_first())
}
