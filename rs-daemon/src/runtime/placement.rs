//! Which worker owns which session: fixed by slot, so that every thread knows it without asking.

use policy::{PeerSet, Slot};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    workers: usize,
    /// For each worker (as of route server 0) a word mask that repeats with this period.
    patterns: Vec<Vec<u64>>,
}

impl Placement {
    pub(crate) fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        let patterns = (0..workers)
            .map(|worker| {
                (0..workers)
                    .map(|word| {
                        (0..64)
                            .filter(|bit| (word * 64 + bit) % workers == worker)
                            .fold(0, |mask, bit| mask | 1 << bit)
                    })
                    .collect()
            })
            .collect();
        Self { workers, patterns }
    }

    /// The owner of a session. Route servers begin at different workers, so that members with
    /// few sessions each do not all land on the first.
    pub(crate) fn worker_of(&self, route_server: usize, slot: Slot) -> usize {
        (usize::from(slot.0) + route_server) % self.workers
    }

    /// The bits of the `word`th word of a peer set that are `worker`'s.
    pub(crate) fn mask(&self, route_server: usize, worker: usize, word: usize) -> u64 {
        let pattern = (worker + self.workers - route_server % self.workers) % self.workers;
        self.patterns[pattern][word % self.workers]
    }

    /// Calls `act` for each of the peers that is `worker`'s, in ascending order.
    pub(crate) fn each(
        &self,
        route_server: usize,
        worker: usize,
        peers: &PeerSet,
        mut act: impl FnMut(Slot),
    ) {
        for (word, bits) in peers.words().iter().enumerate() {
            let mut bits = bits & self.mask(route_server, worker, word);
            while bits != 0 {
                act(Slot((word * 64) as u16 + bits.trailing_zeros() as u16));
                bits &= bits - 1;
            }
        }
    }

    /// Whether any of the peers is `worker`'s.
    pub(crate) fn concerns(&self, route_server: usize, worker: usize, words: &[u64]) -> bool {
        let mask = |(word, bits): (usize, &u64)| bits & self.mask(route_server, worker, word) != 0;
        words.iter().enumerate().any(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_agree_with_the_owner_for_any_number_of_workers() {
        for workers in 1..9 {
            let placement = Placement::new(workers);
            for route_server in 0..4 {
                for slot in 0..1000_usize {
                    let owner =
                        placement.worker_of(route_server, Slot(u16::try_from(slot).unwrap()));
                    for worker in 0..workers {
                        let mask = placement.mask(route_server, worker, slot / 64);
                        assert_eq!(mask >> (slot % 64) & 1 == 1, owner == worker);
                    }
                }
            }
        }
    }

    #[test]
    fn the_workers_together_reach_every_peer_once() {
        let placement = Placement::new(3);
        let peers = PeerSet::full(200);
        let mut reached = Vec::new();
        for worker in 0..3 {
            placement.each(1, worker, &peers, |slot| {
                assert_eq!(placement.worker_of(1, slot), worker);
                reached.push(slot);
            });
        }
        reached.sort_unstable();
        assert_eq!(reached, (0..200).map(Slot).collect::<Vec<_>>());
    }
}
