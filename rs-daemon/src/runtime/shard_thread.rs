//! A thread that owns one shard of each route server: takes its inbox in turns, publishes what
//! the shards decide once to each worker with interested members.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bgp_wire::{Family, Nlri};
use policy::Slot;
use rib::{Batch, Generation, Shard, ShardOutput, Watch};
use tokio::sync::mpsc::UnboundedSender;

use super::dirty::{NlriSet, nlri_set};
use super::inbox::{Costed, Inbox};
use super::lane::LaneSender;
use super::limits::{Limits, TURNS_WITHOUT_WORK};
use super::placement::Placement;
use super::to_shards::ShardMessage;
use crate::bmp::{Event, Tap};

/// While something lags, the thread looks that often whether a lane has room again.
const LAGGED_RETRY: Duration = Duration::from_millis(2);

/// From a shard to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) route_server: usize,
    pub(crate) what: Delivered,
}

/// What is delivered.
#[derive(Clone, Debug)]
pub(crate) enum Delivered {
    Output(ShardOutput),
    /// NLRI whose batches found the lane full.
    Lagged(Family, Arc<[Nlri]>),
}

/// From a shard to the supervisor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShardEvent {
    /// Nothing is left of what this session and older ones of the slot sent.
    Purged { shard: usize, route_server: usize, slot: Slot, generation: Generation },
    /// Every destination was judged by the policy of this epoch.
    PolicyApplied { shard: usize, route_server: usize, epoch: u64 },
}

/// Numbers shared with whoever reads them.
#[derive(Debug, Default)]
pub(crate) struct ShardStats {
    pub(crate) batches: AtomicU64,
    pub(crate) lagged: AtomicU64,
}

/// NLRI kept for a worker whose lane is full, for each route server and family.
type Lagging = Vec<[NlriSet; 2]>;

/// See the module.
#[derive(Debug)]
pub(crate) struct ShardThread {
    pub(crate) index: usize,
    pub(crate) inbox: Arc<Inbox<ShardMessage>>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) lanes: Vec<LaneSender<Delivery>>,
    pub(crate) placement: Placement,
    pub(crate) events: UnboundedSender<ShardEvent>,
    pub(crate) stats: Arc<ShardStats>,
    pub(crate) limits: Limits,
    pub(crate) bmp: Arc<Tap>,
    lagging: Vec<Lagging>,
    taken: VecDeque<Costed<ShardMessage>>,
    outputs: Vec<ShardOutput>,
    /// Turns in a row that ended with something left to take.
    without_work: u32,
    stopped: bool,
}

impl ShardThread {
    pub(crate) fn new(
        index: usize,
        inbox: Arc<Inbox<ShardMessage>>,
        shards: Vec<Shard>,
        lanes: Vec<LaneSender<Delivery>>,
        placement: Placement,
        events: UnboundedSender<ShardEvent>,
        stats: Arc<ShardStats>,
    ) -> Self {
        Self {
            index,
            inbox,
            shards,
            lagging: lanes.iter().map(|_| Vec::new()).collect(),
            lanes,
            placement,
            events,
            stats,
            limits: Limits::default(),
            bmp: Arc::default(),
            taken: VecDeque::new(),
            outputs: Vec::new(),
            without_work: 0,
            stopped: false,
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        while !self.stopped {
            self.receive();
            self.turn();
        }
    }

    /// One turn with what is in the inbox, without waiting. Was there anything to do?
    pub(crate) fn turn_now(&mut self) -> bool {
        self.inbox.take(&mut self.taken);
        let any = !self.taken.is_empty()
            || self.shards.iter().any(Shard::pending_work)
            || !self.lagging.iter().all(is_empty);
        self.turn();
        any
    }

    fn turn(&mut self) {
        self.handle_turn();
        self.without_work += 1;
        if self.taken.is_empty() || self.without_work >= TURNS_WITHOUT_WORK {
            self.without_work = 0;
            self.work();
        }
        self.finish_turn();
    }

    fn receive(&mut self) {
        if !self.taken.is_empty() || self.shards.iter().any(Shard::pending_work) {
            self.inbox.take(&mut self.taken);
            return;
        }
        let lags = self.lagging.iter().any(|lagging| !is_empty(lagging));
        self.inbox.wait(&mut self.taken, lags.then_some(LAGGED_RETRY));
    }

    fn handle_turn(&mut self) {
        let mut spent = 0;
        while let Some(Costed { cost, message }) = self.taken.pop_front() {
            spent += cost;
            self.handle(message);
            if self.taken.is_empty() && spent < self.limits.turn_budget {
                self.inbox.take(&mut self.taken);
            }
            if spent >= self.limits.turn_budget {
                break;
            }
        }
        self.inbox.done(spent);
    }

    fn handle(&mut self, message: ShardMessage) {
        match message {
            ShardMessage::Input { route_server, input } => {
                if let Some(shard) = self.shards.get_mut(route_server) {
                    shard.handle(input);
                }
            }
            ShardMessage::Inspect { route_server, run } => {
                // What was handled so far in this turn is decided first: an answer shows the
                // state between turns.
                self.finish_turn();
                if let Some(shard) = self.shards.get_mut(route_server) {
                    run(shard);
                }
            }
            ShardMessage::Install(shard) => self.shards.push(*shard),
            ShardMessage::Stop => self.stopped = true,
        }
    }

    fn work(&mut self) {
        for shard in &mut self.shards {
            if shard.pending_work() {
                shard.work(self.limits.idle_work);
            }
        }
    }

    fn finish_turn(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for route_server in 0..self.shards.len() {
            self.shards[route_server].finish_turn(&mut outputs);
            let watched = self.shards[route_server].watched();
            if watched != Watch::default() {
                self.tell_station(route_server, watched, &outputs);
            }
            for output in outputs.drain(..) {
                self.publish(route_server, output);
            }
        }
        self.outputs = outputs;
        for worker in 0..self.lanes.len() {
            if !is_empty(&self.lagging[worker]) && self.lanes[worker].has_room_again() {
                self.send_lagged(worker);
            }
            self.lanes[worker].flush();
        }
    }

    /// For BMP: what changed in the tables that are watched, and what members are told.
    fn tell_station(&mut self, route_server: usize, watched: Watch, outputs: &[ShardOutput]) {
        let shard = self.index;
        let changes = self.shards[route_server].take_watched();
        if !changes.is_empty() {
            self.bmp.push_routes(Event::Routes { route_server, shard, changes });
        }
        if !watched.adj_rib_out {
            return;
        }
        for output in outputs {
            match output {
                ShardOutput::Batch(batch) => {
                    let batch = Arc::clone(batch);
                    self.bmp.push_routes(Event::Batch { route_server, shard, batch });
                }
                &ShardOutput::Up { slot, generation } => {
                    self.bmp.push(Event::Taking { route_server, shard, slot, generation });
                }
                &ShardOutput::ResyncEnd {
                    slot,
                    generation,
                    table: true,
                    more: false,
                    refresh: false,
                    ..
                } => self.bmp.push(Event::Walked { route_server, shard, slot, generation }),
                _ => {}
            }
        }
    }

    fn publish(&mut self, route_server: usize, output: ShardOutput) {
        let slot = match output {
            ShardOutput::Batch(batch) => return self.publish_batch(route_server, &batch),
            ShardOutput::Purged { slot, generation } => {
                let shard = self.index;
                let event = ShardEvent::Purged { shard, route_server, slot, generation };
                // The supervisor outlives the shards unless the process is ending.
                let _ = self.events.send(event);
                return;
            }
            ShardOutput::PolicyApplied { epoch } => {
                let shard = self.index;
                let _ = self.events.send(ShardEvent::PolicyApplied { shard, route_server, epoch });
                return;
            }
            ShardOutput::Up { slot, .. }
            | ShardOutput::ResyncBegin { slot, .. }
            | ShardOutput::ResyncEnd { slot, .. }
            | ShardOutput::LimitWarning { slot, .. }
            | ShardOutput::LimitExceeded { slot, .. }
            | ShardOutput::LimitRoom { slot, .. } => slot,
        };
        let worker = self.placement.worker_of(route_server, slot);
        // A marker means something for what stands before it, so what lagged goes first.
        if !is_empty(&self.lagging[worker]) {
            self.send_lagged(worker);
        }
        let what = Delivered::Output(output);
        self.lanes[worker].send(0, Delivery { route_server, what });
    }

    fn publish_batch(&mut self, route_server: usize, batch: &Arc<Batch>) {
        self.stats.batches.fetch_add(1, Ordering::Relaxed);
        let octets: usize = batch.frames.iter().map(|frame| frame.octets.len()).sum();
        for worker in 0..self.lanes.len() {
            if !self.placement.concerns(route_server, worker, batch.peers.words()) {
                continue;
            }
            // A resync's answer is bounded by what was asked for, and has to get through: if it
            // lagged, all members of the worker would ask again, and the answers lag again.
            let room = is_empty(&self.lagging[worker]) && !self.lanes[worker].is_full();
            if batch.resync || room {
                let what = Delivered::Output(ShardOutput::Batch(Arc::clone(batch)));
                self.lanes[worker].send(octets, Delivery { route_server, what });
            } else {
                self.lag(worker, route_server, batch);
            }
        }
    }

    fn lag(&mut self, worker: usize, route_server: usize, batch: &Batch) {
        self.stats.lagged.fetch_add(1, Ordering::Relaxed);
        let lagging = &mut self.lagging[worker];
        if lagging.len() <= route_server {
            lagging.resize_with(route_server + 1, || [(); 2].map(|()| nlri_set(&self.limits)));
        }
        lagging[route_server][batch.family.index()].extend(batch.nlri.iter().copied());
    }

    fn send_lagged(&mut self, worker: usize) {
        for (route_server, sets) in self.lagging[worker].iter_mut().enumerate() {
            for (family, set) in Family::ALL.into_iter().zip(sets) {
                if !set.is_empty() {
                    let nlri = set.drain().collect();
                    let what = Delivered::Lagged(family, nlri);
                    self.lanes[worker].send(0, Delivery { route_server, what });
                }
            }
        }
    }
}

fn is_empty(lagging: &Lagging) -> bool {
    lagging.iter().flatten().all(NlriSet::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_whose_inbox_is_never_empty_works_all_the_same() {
        let policy = |epoch| {
            let mut config = policy::PolicyConfig::new(policy::Kind::Regular, bgp_wire::Asn(64500));
            config.epoch = epoch;
            Arc::new(policy::Policy::new(config).unwrap())
        };
        let sizes = rib::ShardConfig { batch_octets: 4096, segment_destinations: 4 };
        let shard = Shard::new(sizes, policy(1), policy::RoutingData::default());
        let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
        let inbox = Arc::new(Inbox::default());
        let mut thread = ShardThread::new(
            0,
            Arc::clone(&inbox),
            vec![shard],
            Vec::new(),
            Placement::new(1),
            events,
            Arc::default(),
        );
        let data = policy::RoutingData::default();
        let input = rib::ShardInput::Policy { policy: policy(2), data };
        inbox.push(1, ShardMessage::Input { route_server: 0, input });
        // Each message fills a turn, and one more is there before it ends.
        let fill = || {
            let run = Box::new(|_: &mut Shard| ());
            inbox.push(
                super::super::limits::TURN_BUDGET,
                ShardMessage::Inspect { route_server: 0, run },
            );
        };
        fill();
        for turn in 1..=TURNS_WITHOUT_WORK {
            assert!(received.try_recv().is_err(), "before turn {turn}");
            fill();
            thread.turn_now();
            assert!(!thread.taken.is_empty(), "turn {turn} leaves something");
        }
        let event = received.try_recv();
        assert!(matches!(event, Ok(ShardEvent::PolicyApplied { epoch: 2, .. })), "{event:?}");
    }

    #[test]
    fn a_resync_answer_passes_a_full_lane_and_other_batches_lag() {
        let doorbell = Arc::default();
        let lane = Arc::new(super::super::lane::Lane::default());
        let mut sender = LaneSender::new(Arc::clone(&lane), doorbell);
        sender.bound = 0;
        let (events, _received) = tokio::sync::mpsc::unbounded_channel();
        let placement = Placement::new(1);
        let mut thread = ShardThread::new(
            0,
            Arc::new(Inbox::default()),
            Vec::new(),
            vec![sender],
            placement,
            events,
            Arc::default(),
        );
        let nlri = Nlri::from("192.0.2.0/24".parse::<bgp_wire::Prefix>().unwrap());
        let batch = |resync| {
            Arc::new(Batch {
                peers: policy::PeerSet::full(1),
                family: Family::V4,
                frames: smallvec::SmallVec::new(),
                nlri: [nlri].into(),
                resync,
                received: None,
            })
        };
        thread.publish_batch(0, &batch(false));
        assert!(!is_empty(&thread.lagging[0]));
        thread.publish_batch(0, &batch(true));
        thread.lanes[0].flush();
        let mut taken = VecDeque::new();
        lane.take(&mut taken);
        let [Delivery { what: Delivered::Output(ShardOutput::Batch(passed)), .. }] =
            &taken.make_contiguous()[..]
        else {
            panic!("{taken:?}");
        };
        assert!(passed.resync);
    }
}
