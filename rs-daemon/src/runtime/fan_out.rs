//! The fan-out of batches to members' queues, apart from threads and sockets: the same placement
//! and queues as a worker's, for benchmarks. Not part of the daemon's interface.

use bgp_wire::EncodingProfile;
use policy::Slot;
use rib::Batch;

use super::placement::Placement;
use super::send_queue::SendQueue;

/// One worker with all members of a route server, all up and with sockets that take everything.
#[derive(Debug)]
pub struct FanOut {
    placement: Placement,
    profile: EncodingProfile,
    queues: Vec<SendQueue>,
}

impl FanOut {
    /// With this many members of one profile.
    pub fn new(members: u16, profile: EncodingProfile) -> Self {
        let queues = (0..members).map(|_| SendQueue::default()).collect();
        Self { placement: Placement::new(1), profile, queues }
    }

    /// Pushes a batch to the queue of each member that it names.
    pub fn deliver(&mut self, batch: &Batch) {
        let Self { placement, profile, queues } = self;
        placement.each(0, 0, &batch.peers, |Slot(slot)| {
            let queue = queues.get_mut(usize::from(slot));
            if let (Some(queue), Some(frame)) = (queue, batch.frame(profile)) {
                queue.push(frame.octets.clone());
            }
        });
    }

    /// Writes every queue as a worker does at the end of a turn; gives the octets written.
    pub fn write_all(&mut self) -> usize {
        let mut total = 0;
        for queue in &mut self.queues {
            while !queue.is_empty() {
                let write = |slices: &[std::io::IoSlice<'_>]| {
                    Ok(slices.iter().map(|slice| slice.len()).sum())
                };
                // The writer above takes all it is given.
                let Ok((_, written)) = queue.flush(write) else { break };
                total += written;
            }
        }
        total
    }
}
