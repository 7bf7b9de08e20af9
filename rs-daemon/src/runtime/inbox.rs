//! From session workers to one shard thread.
//!
//! A queue under a lock that is held for an append or a swap only. What costs is counted in NLRI;
//! above [`INBOX_HIGH`] the workers stop reading the sockets that feed it and are woken below
//! [`INBOX_LOW`]. Nothing is ever refused here: control messages must get through, and the octets
//! that a worker has read are in the process anyway.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::limits::{INBOX_HIGH, INBOX_LOW};
use super::locked;

/// A message and what it costs.
#[derive(Debug)]
pub(crate) struct Costed<T> {
    pub(crate) cost: usize,
    pub(crate) message: T,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    /// Cost of all that was appended and not yet [`Inbox::done`].
    cost: AtomicUsize,
    high: usize,
    low: usize,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<Costed<T>>,
    /// The shard thread waits on `filled`.
    parked: bool,
    /// Workers that stopped reading.
    waiting: Vec<Arc<Notify>>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::with_marks(INBOX_HIGH, INBOX_LOW)
    }
}

impl<T> Inbox<T> {
    /// Full from `high` on, and again with room below `low`.
    pub(crate) fn with_marks(high: usize, low: usize) -> Self {
        Self {
            state: Mutex::new(State { queue: VecDeque::new(), parked: false, waiting: Vec::new() }),
            filled: Condvar::new(),
            cost: AtomicUsize::new(0),
            high,
            low,
        }
    }

    /// Appends all of `messages`, in order.
    pub(crate) fn append(&self, messages: &mut Vec<Costed<T>>) {
        if messages.is_empty() {
            return;
        }
        self.cost.fetch_add(messages.iter().map(|m| m.cost).sum(), Ordering::Relaxed);
        let parked = {
            let mut state = locked(&self.state);
            state.queue.extend(messages.drain(..));
            std::mem::take(&mut state.parked)
        };
        if parked {
            self.filled.notify_one();
        }
    }

    /// Appends one message.
    pub(crate) fn push(&self, cost: usize, message: T) {
        self.append(&mut vec![Costed { cost, message }]);
    }

    /// Cost of what is not done.
    pub(crate) fn cost(&self) -> usize {
        self.cost.load(Ordering::Relaxed)
    }

    /// Whether who feeds this should stop reading.
    pub(crate) fn is_full(&self) -> bool {
        self.cost() >= self.high
    }

    /// Asks to be woken when there is room; `false` if there is room already.
    pub(crate) fn wake_when_room(&self, who: &Arc<Notify>) -> bool {
        let mut state = locked(&self.state);
        if self.cost() < self.low {
            return false;
        }
        if !state.waiting.iter().any(|w| Arc::ptr_eq(w, who)) {
            state.waiting.push(Arc::clone(who));
        }
        true
    }

    /// Moves everything into `into` without waiting.
    pub(crate) fn take(&self, into: &mut VecDeque<Costed<T>>) {
        into.append(&mut locked(&self.state).queue);
    }

    /// Waits until there is something, or until `timeout`, and moves it into `into`.
    pub(crate) fn wait(&self, into: &mut VecDeque<Costed<T>>, timeout: Option<Duration>) {
        let mut state = locked(&self.state);
        while state.queue.is_empty() {
            state.parked = true;
            match timeout {
                Some(timeout) => {
                    let (guard, waited) = self
                        .filled
                        .wait_timeout(state, timeout)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    state = guard;
                    if waited.timed_out() {
                        break;
                    }
                }
                None => {
                    state =
                        self.filled.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
            }
        }
        state.parked = false;
        into.append(&mut state.queue);
    }

    /// Messages of this cost have been dealt with.
    pub(crate) fn done(&self, cost: usize) {
        let before = self.cost.fetch_sub(cost, Ordering::Relaxed);
        if before >= self.low && before - cost < self.low {
            for worker in std::mem::take(&mut locked(&self.state).waiting) {
                worker.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_a_parked_shard_wakes() {
        let inbox = Arc::new(Inbox::default());
        let reader = std::thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || {
                let mut seen = VecDeque::new();
                while seen.len() < 1000 {
                    inbox.wait(&mut seen, None);
                }
                seen.into_iter().map(|m| m.message).collect::<Vec<u32>>()
            }
        });
        for n in 0..500 {
            inbox.append(&mut vec![
                Costed { cost: 1, message: 2 * n },
                Costed { cost: 1, message: 2 * n + 1 },
            ]);
        }
        assert_eq!(reader.join().unwrap(), (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_inbox_wakes_who_waits_when_there_is_room() {
        let inbox = Inbox::default();
        inbox.push(INBOX_HIGH, ());
        assert!(inbox.is_full());
        let who = Arc::new(Notify::new());
        assert!(inbox.wake_when_room(&who));
        inbox.done(INBOX_HIGH - INBOX_LOW);
        assert!(inbox.wake_when_room(&who), "at the low-water mark there is no room yet");
        inbox.done(1);
        who.notified().await;
        assert!(!inbox.wake_when_room(&who));
    }

    #[test]
    fn waiting_ends_at_its_timeout() {
        let inbox = Inbox::<()>::default();
        let mut into = VecDeque::new();
        inbox.wait(&mut into, Some(Duration::from_millis(1)));
        assert!(into.is_empty());
    }
}
