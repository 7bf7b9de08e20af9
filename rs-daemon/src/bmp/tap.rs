//! Where workers and shards leave what the station has to know: one queue, in the order in which
//! it happened.
//!
//! A worker says that a session is up before the shards hear of it, so whatever a shard says of a
//! session stands behind that. A page of a table is put here by the shard, between two turns, so
//! what stands behind it happened after it.

use std::collections::VecDeque;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bgp_wire::bmp::PeerDown;
use bgp_wire::{Asn, EncodingProfile, Families};
use bytes::Bytes;
use policy::Slot;
use rib::{Batch, Generation, Page, Watched, WatchedPage};

use crate::runtime::{Doorbell, limits::BMP_TAP_OCTETS, locked};

/// An established session.
#[derive(Clone, Debug)]
pub(crate) struct SessionUp {
    pub(crate) route_server: usize,
    pub(crate) slot: Slot,
    pub(crate) generation: Generation,
    pub(crate) address: IpAddr,
    pub(crate) asn: Asn,
    pub(crate) router_id: std::net::Ipv4Addr,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) sent_open: Bytes,
    pub(crate) received_open: Bytes,
    pub(crate) families: Families,
    pub(crate) profile: EncodingProfile,
    pub(crate) at: SystemTime,
}

/// Which dump a page belongs to: the collector's number and which of its connections it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DumpId {
    pub(crate) collector: u64,
    pub(crate) connection: u64,
}

/// A part of a dump.
#[derive(Debug)]
pub(crate) enum DumpPage {
    /// Of what is received, and of Loc-RIB.
    Table(WatchedPage),
    /// Of an Adj-RIB-Out.
    Out(Page),
}

/// What the station is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// A session is established, or was when the station asked.
    Up(Box<SessionUp>),
    /// A worker has named all sessions that were up when the station asked; which of its
    /// questions that was.
    AllUp { question: u64 },
    /// A session is over.
    Down {
        route_server: usize,
        slot: Slot,
        generation: Generation,
        reason: PeerDown,
        at: SystemTime,
    },
    /// Changes that a shard saw.
    Routes { route_server: usize, shard: usize, changes: Vec<Watched> },
    /// What a shard says to members.
    Batch { route_server: usize, shard: usize, batch: Arc<Batch> },
    /// From here on batches of the shard that name the slot are meant for this session.
    Taking { route_server: usize, shard: usize, slot: Slot, generation: Generation },
    /// The shard has told the session all that it has.
    Walked { route_server: usize, shard: usize, slot: Slot, generation: Generation },
    /// The answer to a page asked for.
    Page { dump: DumpId, page: DumpPage },
}

/// See the module. Also says whether there is a station at all.
#[derive(Debug)]
pub(crate) struct Tap {
    on: AtomicBool,
    queue: Mutex<VecDeque<Event>>,
    /// What the routes in the queue take, about.
    octets: AtomicUsize,
    bound: usize,
    lost: AtomicBool,
    lost_total: AtomicU64,
    pub(crate) doorbell: Doorbell,
}

impl Default for Tap {
    fn default() -> Self {
        Self::new(BMP_TAP_OCTETS)
    }
}

impl Tap {
    /// Full from `bound` octets on.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            on: AtomicBool::new(false),
            queue: Mutex::default(),
            octets: AtomicUsize::new(0),
            bound,
            lost: AtomicBool::new(false),
            lost_total: AtomicU64::new(0),
            doorbell: Doorbell::default(),
        }
    }

    /// Whether anybody wants to hear of sessions.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Wakes the station's appetite, or ends it.
    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
        if !on {
            self.take(&mut VecDeque::new());
        }
    }

    /// Adds what must not be lost: few, or asked for.
    pub(crate) fn push(&self, event: Event) {
        locked(&self.queue).push_back(event);
        self.doorbell.ring();
    }

    /// Adds routes. When there is no room they are left out, which the station learns, as
    /// every collector has to begin anew then.
    pub(crate) fn push_routes(&self, event: Event) {
        let octets = octets_of(&event);
        if self.octets.load(Ordering::Relaxed) + octets > self.bound {
            self.lost.store(true, Ordering::Release);
            self.lost_total.fetch_add(1, Ordering::Relaxed);
            self.doorbell.ring();
            return;
        }
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.push(event);
    }

    /// Moves everything into `into`. `true`: something was left out since the last time.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>) -> bool {
        let lost = self.lost.swap(false, Ordering::AcqRel);
        let taken = mem::take(&mut *locked(&self.queue));
        let octets = taken.iter().map(octets_of).sum();
        self.octets.fetch_sub(octets, Ordering::Relaxed);
        into.extend(taken);
        lost
    }

    /// How often something was left out.
    pub(crate) fn lost_total(&self) -> u64 {
        self.lost_total.load(Ordering::Relaxed)
    }
}

/// What routes in the queue keep in memory, about. The rest is bounded by the number of sessions.
/// Attributes count, too: nothing else may hold them any more. Those of one message stand together.
fn octets_of(event: &Event) -> usize {
    match event {
        Event::Routes { changes, .. } => {
            let mut last = std::ptr::null();
            let attributes = changes.iter().filter_map(Watched::set).filter(|set| {
                let before = std::mem::replace(&mut last, Arc::as_ptr(set));
                !std::ptr::eq(before, last)
            });
            let octets: usize = attributes.map(|set| set.octets()).sum();
            changes.len() * size_of::<Watched>() + octets
        }
        Event::Batch { batch, .. } => {
            batch.frames.iter().map(|frame| frame.octets.len()).sum::<usize>() + 256
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(count: usize) -> Event {
        let end = Watched::EndOfRib {
            slot: Slot(0),
            generation: Generation(1),
            family: bgp_wire::Family::V4,
        };
        Event::Routes { route_server: 0, shard: 0, changes: vec![end; count] }
    }

    #[test]
    fn what_finds_no_room_is_left_out_and_said_once() {
        let tap = Tap::default();
        let most = BMP_TAP_OCTETS / size_of::<Watched>();
        tap.push_routes(routes(most - 10));
        tap.push_routes(routes(100));
        // There is room for what is small, and for what must not be lost.
        tap.push_routes(routes(1));
        tap.push(routes(0));
        let mut taken = VecDeque::new();
        assert!(tap.take(&mut taken));
        assert_eq!((taken.len(), tap.lost_total()), (3, 1));
        tap.push_routes(routes(most));
        assert!(!tap.take(&mut taken));
        assert_eq!(tap.lost_total(), 1);
    }

    /// Attributes that nothing else may hold any more are what a change keeps, once for a message.
    #[test]
    fn a_change_takes_as_much_as_its_attributes() {
        let large = || {
            let path = bgp_wire::AsPath::from_sequence(&[Asn(64501)]);
            let next_hop = bgp_wire::NextHop::V4([192, 0, 2, 1].into());
            let attributes = bgp_wire::PathAttributes::new(path, next_hop);
            rib::AttributeSet::received(Slot(0), attributes, 4000)
        };
        let loc = |set: &Arc<rib::AttributeSet>, n: u8| Watched::Loc {
            prefix: bgp_wire::Prefix::v4([20, 0, n, 0].into(), 24).unwrap(),
            set: Some(Arc::clone(set)),
        };
        let (one, other) = (large(), large());
        let event = |changes| Event::Routes { route_server: 0, shard: 0, changes };
        let of = |changes: Vec<Watched>| {
            let count = changes.len();
            octets_of(&event(changes)) - count * size_of::<Watched>()
        };
        assert_eq!(of(vec![loc(&one, 0), loc(&one, 1), loc(&one, 2)]), 4000);
        assert_eq!(of(vec![loc(&one, 0), loc(&other, 1), loc(&other, 2)]), 8000);
    }
}
