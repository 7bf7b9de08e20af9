//! From one shard thread to one session worker: first in, first out, bounded in octets.
//!
//! The order carries meaning (a session takes batches only behind its `Up` marker, a resync's
//! answer stands between its markers), so batches and markers share the lane. The shard never
//! waits: what finds the lane full is kept as NLRI (see [`LaneSender`]) and sent as `Lagged`.

use std::collections::VecDeque;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::limits::LANE_OCTETS;
use super::locked;

/// Wakes a worker once for any number of deliveries.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rung: AtomicBool,
    notify: Notify,
}

impl Doorbell {
    /// Wakes the worker unless somebody has since it looked last.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits for a ring. What is looked at afterwards includes what was put there before it.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
        // A swap, to read what the last `ring` wrote: whoever found `rung` true put its delivery
        // before that, and the take that follows sees it.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct Sized<T> {
    octets: usize,
    delivery: T,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    queue: Mutex<VecDeque<Sized<T>>>,
    octets: AtomicUsize,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { queue: Mutex::new(VecDeque::new()), octets: AtomicUsize::new(0) }
    }
}

impl<T> Lane<T> {
    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.queue).is_empty()
    }

    /// Moves everything into `into`.
    pub(crate) fn take(&self, into: &mut VecDeque<T>) {
        let taken = mem::take(&mut *locked(&self.queue));
        let mut octets = 0;
        into.extend(taken.into_iter().map(|sized| {
            octets += sized.octets;
            sized.delivery
        }));
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }

    fn append(&self, deliveries: &mut Vec<Sized<T>>) {
        self.octets.fetch_add(deliveries.iter().map(|d| d.octets).sum(), Ordering::Relaxed);
        locked(&self.queue).extend(deliveries.drain(..));
    }
}

/// The shard's end of a lane, filled during a turn and flushed at its end.
#[derive(Debug)]
pub(crate) struct LaneSender<T> {
    lane: std::sync::Arc<Lane<T>>,
    doorbell: std::sync::Arc<Doorbell>,
    turn: Vec<Sized<T>>,
    turn_octets: usize,
    /// Octets under way from which on the lane is full.
    pub(crate) bound: usize,
}

impl<T> LaneSender<T> {
    pub(crate) fn new(lane: std::sync::Arc<Lane<T>>, doorbell: std::sync::Arc<Doorbell>) -> Self {
        Self { lane, doorbell, turn: Vec::new(), turn_octets: 0, bound: LANE_OCTETS }
    }

    /// Whether octets would exceed the bound.
    pub(crate) fn is_full(&self) -> bool {
        self.lane.octets.load(Ordering::Relaxed) + self.turn_octets >= self.bound
    }

    /// Whether what lagged may go now.
    pub(crate) fn has_room_again(&self) -> bool {
        self.lane.octets.load(Ordering::Relaxed) + self.turn_octets <= self.bound / 2
    }

    /// Adds a delivery to this turn.
    pub(crate) fn send(&mut self, octets: usize, delivery: T) {
        self.turn_octets += octets;
        self.turn.push(Sized { octets, delivery });
    }

    /// Ends the turn: hands over and wakes the worker.
    pub(crate) fn flush(&mut self) {
        if self.turn.is_empty() {
            return;
        }
        self.lane.append(&mut self.turn);
        self.turn_octets = 0;
        self.doorbell.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lane_is_full_in_octets_until_the_worker_takes() {
        let lane = Arc::new(Lane::default());
        let mut sender = LaneSender::new(Arc::clone(&lane), Arc::default());
        sender.send(LANE_OCTETS, 1);
        assert!(sender.is_full());
        sender.flush();
        assert!(sender.is_full() && !sender.has_room_again());
        sender.send(0, 2);
        sender.flush();
        let mut taken = VecDeque::new();
        lane.take(&mut taken);
        assert_eq!(taken, [1, 2]);
        assert!(!sender.is_full() && sender.has_room_again());
    }

    #[tokio::test]
    async fn no_delivery_is_slept_through() {
        let lane = Arc::new(Lane::default());
        let doorbell = Arc::new(Doorbell::default());
        let shard = std::thread::spawn({
            let mut sender = LaneSender::new(Arc::clone(&lane), Arc::clone(&doorbell));
            move || {
                for n in 0..20_000 {
                    sender.send(1, n);
                    sender.flush();
                }
            }
        });
        let mut taken = VecDeque::new();
        while taken.len() < 20_000 {
            doorbell.heard().await;
            lane.take(&mut taken);
        }
        shard.join().unwrap();
        assert!(taken.iter().copied().eq(0..20_000));
    }
}
