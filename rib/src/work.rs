//! Work that goes over the table: sweeps of stale routes and judging again. Done in segments, as
//! much at a time as the shard's owner allows, so that it delays nothing that peers send.

use std::collections::VecDeque;

use bgp_wire::{Families, Family, Prefix};
use policy::Slot;
use smallvec::SmallVec;

use crate::destination::{Candidate, Destination};
use crate::mask::{self, Mask};
use crate::peers::{PeerSlot, StaleAction};
use crate::{Changed, Shard, ShardOutput};

/// Segments with something to sweep, as a queue of (family, segment). First come, first served: a
/// peer that has its own segments swept again and again must not keep others' routes in the table.
#[derive(Debug, Default)]
pub(crate) struct SweepCursor {
    queue: VecDeque<(Family, usize)>,
}

/// A pass that judges again what changed.
#[derive(Debug, Default)]
pub(crate) struct Rejudge {
    /// Everything that an older version judged.
    outdated: bool,
    /// What these cover; inclusive ranges of left-aligned bits, sorted, disjoint.
    ranges: [Vec<(u128, u128)>; 2],
    /// What these sources sent.
    members: Mask,
    next: (usize, usize),
}

impl Rejudge {
    /// This pass and one for `changed`, from the start.
    pub(crate) fn extended(mut self, changed: Changed) -> Self {
        self.next = (0, 0);
        match changed {
            Changed::All => self.outdated = true,
            Changed::Prefixes(prefixes) => {
                for prefix in prefixes {
                    self.ranges[prefix.family().index()].push(range(&prefix));
                }
                self.ranges.iter_mut().for_each(merge);
            }
            Changed::Members(slots) => {
                slots.into_iter().for_each(|slot| mask::insert(&mut self.members, slot));
            }
        }
        self
    }

    fn concerns(&self, prefix: &Prefix, candidates: &[Candidate]) -> bool {
        let ranges = &self.ranges[prefix.family().index()];
        let bits = prefix.bits();
        let at = ranges.partition_point(|(_, end)| *end < bits);
        ranges.get(at).is_some_and(|(start, _)| *start <= bits)
            || candidates.iter().any(|c| mask::contains(&self.members, c.source))
    }
}

/// First and last address. A prefix lies in it when its first address does, and is covered then,
/// unless it is shorter; those few are judged again for nothing.
fn range(prefix: &Prefix) -> (u128, u128) {
    let rest = u128::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0);
    (prefix.bits(), prefix.bits() | rest)
}

fn merge(ranges: &mut Vec<(u128, u128)>) {
    ranges.sort_unstable();
    // A shorter prefix with the same first address comes after the longer: what is kept grows.
    ranges.dedup_by(|next, kept| {
        let inside = next.0 <= kept.1;
        if inside {
            kept.1 = kept.1.max(next.1);
        }
        inside
    });
}

/// Segments with something of a slot to sweep.
type Marked = SmallVec<[(Family, usize); 8]>;

impl Shard {
    /// Is there work besides what comes in? Then call [`work`](Self::work) when the inbox is empty
    /// (and now and then when it never is).
    pub fn pending_work(&self) -> bool {
        !self.sweeping.queue.is_empty() || self.rejudging.is_some() || self.walks_pending()
    }

    /// Nothing of this slot is to be swept, and everything is judged by the policy in force. What
    /// other peers keep the shard busy with makes no difference.
    pub fn is_settled(&self, slot: Slot) -> bool {
        let swept = |peer: &PeerSlot| peer.sweep_left == 0 && peer.purging.is_empty();
        self.rejudging.is_none() && self.peers.get(slot).is_none_or(swept)
    }

    /// Works on, visiting about `budget` destinations; end the turn afterwards.
    pub fn work(&mut self, budget: usize) {
        let segments = (budget / self.tables[0].segment_len()).max(1);
        let share = segments.div_ceil(3).max(1);
        for _ in 0..share {
            if !self.sweep_next() {
                break;
            }
        }
        for _ in 0..share {
            if !self.rejudge_next() {
                break;
            }
        }
        self.walk_budget += share;
    }

    /// The routes of a family so far are stale from here on. Without an end of it in between, those
    /// that were stale before stay for a long time, but not for ever: a peer could mark them anew
    /// until their rounds cannot be told from those of fresh ones.
    pub(crate) fn mark_stale(&mut self, slot: Slot, family: Family) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        peer.next_round(family);
        if !peer.has_too_many_rounds(family) {
            return;
        }
        peer.retire_older_rounds(family);
        let marked = peer.segments(family).map(|segment| (family, segment)).collect();
        self.sweep_segments(slot, marked);
        // Also when no end of a sweep was seen for as many rounds. Once in so many, and in the
        // segments of this peer: that is time it has paid for.
        while self.peers.get(slot).is_some_and(|peer| peer.sweep_left > 0) && self.sweep_next() {}
    }

    /// Lets the stale routes of a slot go, or turns them into long-lived stale ones.
    pub(crate) fn sweep(&mut self, slot: Slot, families: Families, action: StaleAction) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let mut marked = Marked::new();
        for family in families.iter() {
            if peer.retire_stale(family, action) {
                marked.extend(peer.segments(family).map(|segment| (family, segment)));
            }
        }
        self.sweep_segments(slot, marked);
    }

    /// Puts segments on the queue.
    fn sweep_segments(&mut self, slot: Slot, marked: Marked) {
        let width = self.peers.masks.width;
        for (family, segment) in marked {
            let Some(state) = self.tables[family.index()].segments.get_mut(segment) else {
                continue;
            };
            if state.sweep.is_empty() {
                self.sweeping.queue.push_back((family, segment));
            }
            state.sweep.resize(width, 0);
            if !mask::contains(&state.sweep, slot) {
                mask::insert(&mut state.sweep, slot);
                if let Some(peer) = self.peers.get_mut(slot) {
                    peer.sweep_left += 1;
                }
            }
        }
        self.confirm_purge(slot);
    }

    /// Sweeps a segment for all slots that want it at once. Was there one?
    pub(crate) fn sweep_next(&mut self) -> bool {
        let Some((family, segment)) = self.sweeping.queue.pop_front() else { return false };
        let table = &mut self.tables[family.index()];
        let sources = std::mem::take(&mut table.segments[segment].sweep);
        let mut kept: Mask = vec![0; sources.len()];
        for id in table.places(segment) {
            let Some(destination) = self.tables[family.index()].get_mut(id) else { continue };
            let mut gone: SmallVec<[Candidate; 2]> = SmallVec::new();
            let mut changed = false;
            let mut at = 0;
            while at < destination.candidates.len() {
                let candidate = &mut destination.candidates[at];
                let source = candidate.source;
                if !mask::contains(&sources, source) {
                    at += 1;
                    continue;
                }
                let fate = self.peers.get(source).and_then(|p| p.fate(family, candidate.round));
                let long_lived = fate == Some(StaleAction::LongLived);
                if fate == Some(StaleAction::Remove) || (long_lived && candidate.set.refuses_llgr())
                {
                    gone.push(destination.candidates.remove(at));
                    continue;
                }
                if long_lived && !candidate.flags.llgr_stale {
                    candidate.set = candidate.set.long_lived();
                    candidate.flags.llgr_stale = true;
                    changed = true;
                }
                mask::insert(&mut kept, source);
                at += 1;
            }
            if !gone.is_empty() {
                let prefix = destination.prefix;
                for candidate in &gone {
                    self.see_gone(prefix, candidate);
                    self.forget(family, candidate);
                }
                self.touch(family, id);
            }
            if changed {
                self.outdate(family, id);
            }
        }
        self.swept(family, segment, &sources, &kept);
        true
    }

    /// A segment was swept; sources of which it keeps nothing no longer occupy it.
    fn swept(&mut self, family: Family, segment: usize, sources: &[u64], kept: &[u64]) {
        for slot in mask::slots(sources) {
            if let Some(peer) = self.peers.get_mut(slot) {
                peer.sweep_left = peer.sweep_left.saturating_sub(1);
                if !mask::contains(kept, slot) {
                    peer.vacate(family, segment);
                }
            }
            self.confirm_purge(slot);
        }
    }

    fn confirm_purge(&mut self, slot: Slot) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        if peer.sweep_left > 0 {
            return;
        }
        peer.note_swept();
        for generation in std::mem::take(&mut peer.purging) {
            self.events.push(ShardOutput::Purged { slot, generation });
        }
    }

    /// Whether candidates may have been judged by older data or an older policy. Where one is judged
    /// anew all are, or a member would for a moment have what no state of the data gives it.
    pub(crate) fn is_outdated(&self, destination: &Destination) -> bool {
        let concerns = |job: &Rejudge| job.concerns(&destination.prefix, &destination.candidates);
        destination.version != self.version || self.rejudging.as_ref().is_some_and(concerns)
    }

    /// Judges a segment again as far as it must be. Was there one?
    fn rejudge_next(&mut self) -> bool {
        let Some(mut job) = self.rejudging.take() else { return false };
        let (f, segment) = job.next;
        let Some(table) = self.tables.get(f) else {
            if job.outdated {
                self.events.push(ShardOutput::PolicyApplied { epoch: self.policy.epoch() });
            }
            return false;
        };
        if segment >= table.segments.len() {
            job.next = (f + 1, 0);
            self.rejudging = Some(job);
            return true;
        }
        let family = table.family;
        for id in table.places(segment) {
            let Some(destination) = self.tables[f].get(id) else { continue };
            if job.outdated && destination.version != self.version {
                self.touch(family, id);
            } else if job.concerns(&destination.prefix, &destination.candidates) {
                self.outdate(family, id);
            }
        }
        job.next = (f, segment + 1);
        self.rejudging = Some(job);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use bgp_wire::{Asn, EncodingProfile, LinkLocalForm};
    use policy::{Kind, PeerPolicy, Policy, PolicyConfig, RoutingData};

    use super::*;
    use crate::{Generation, PeerLimit, PeerState, ShardConfig, ShardInput};

    /// A shard with one member that is up.
    fn shard() -> Shard {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let mut config = PolicyConfig::new(Kind::Regular, Asn(64500));
        config.peers = vec![Some(PeerPolicy::new(0, Asn(1001), address))];
        let policy = Arc::new(Policy::new(config).unwrap());
        let sizes = ShardConfig { batch_octets: 4096, segment_destinations: 4 };
        let mut shard = Shard::new(sizes, policy, RoutingData::default());
        let profile = EncodingProfile {
            four_octet_as: true,
            add_path: [false; 2],
            extended_message: false,
            link_local_form: LinkLocalForm::Native,
        };
        let peer = PeerState {
            families: Families::BOTH,
            profile,
            extended_next_hop: false,
            long_lived_graceful_restart: true,
            router_id: Ipv4Addr::new(192, 0, 2, 1),
            address,
            limit: Arc::new(PeerLimit::default()),
        };
        shard.handle(ShardInput::Up { slot: Slot(0), generation: Generation(1), peer });
        shard
    }

    /// In each round a route is announced and all are marked stale; one in so many has an end.
    #[test]
    fn what_is_fresh_stays_so_and_what_is_old_does_not_after_more_rounds_than_can_be_told_apart() {
        let nlri = [bgp_wire::Nlri::from("10.0.0.0/24".parse::<Prefix>().unwrap())];
        for every in [1, 2, 5000, 30_000, u32::MAX] {
            let mut shard = shard();
            let (slot, generation, family) = (Slot(0), Generation(1), Family::V4);
            for round in 0..140_000_u32 {
                shard.peers.get_mut(slot).unwrap().note_announced(&nlri);
                shard.handle(ShardInput::MarkStale { slot, generation, family });
                let ends = (round + 1) % every == 0;
                if ends {
                    shard.handle(ShardInput::EndOfRib { slot, generation, family });
                }
                let peer = shard.peer(slot).unwrap();
                let fate = |ago| peer.fate(family, peer.round[family.index()].wrapping_sub(ago));
                assert_eq!(fate(0), None, "in round {round}");
                let before = ends.then_some(StaleAction::Remove);
                assert_eq!(fate(1), before, "in round {round} with an end every {every}");
                assert_eq!(fate(16_385), Some(StaleAction::Remove), "in round {round}");
                assert_eq!(fate(u16::MAX), Some(StaleAction::Remove), "in round {round}");
            }
            // What is stale still turns into long-lived stale.
            shard.peers.get_mut(slot).unwrap().note_announced(&nlri);
            shard.handle(ShardInput::MarkStale { slot, generation, family });
            shard.handle(ShardInput::LongLivedStale { slot, families: Families::BOTH });
            let peer = shard.peer(slot).unwrap();
            let before = peer.round[family.index()].wrapping_sub(1);
            assert_eq!(peer.fate(family, before), Some(StaleAction::LongLived));
        }
    }

    /// Without an announcement in between what is stale is so already.
    #[test]
    fn rfc7313_borr_after_borr_is_the_same_round() {
        let mut shard = shard();
        let (slot, generation, family) = (Slot(0), Generation(1), Family::V4);
        let nlri = [bgp_wire::Nlri::from("10.0.0.0/24".parse::<Prefix>().unwrap())];
        shard.peers.get_mut(slot).unwrap().note_announced(&nlri);
        for _ in 0..3 {
            shard.handle(ShardInput::MarkStale { slot, generation, family });
            assert_eq!(shard.peers.round(slot, family), 1);
            assert_eq!(shard.peers.round(slot, Family::V6), 0);
        }
    }

    #[test]
    fn of_nested_changes_the_larger_one_counts_whatever_their_order() {
        let prefixes: Vec<Prefix> = ["10.0.0.0/24", "10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/24"]
            .iter()
            .map(|p| p.parse().unwrap())
            .collect();
        let within = "10.200.0.0/16".parse().unwrap();
        let beside = "11.0.1.0/24".parse().unwrap();
        for order in [[0_usize, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0], [2, 3, 0, 1]] {
            let at_once = Rejudge::default()
                .extended(Changed::Prefixes(order.iter().map(|n| prefixes[*n]).collect()));
            let one_by_one = order.iter().fold(Rejudge::default(), |job, n| {
                job.extended(Changed::Prefixes(vec![prefixes[*n]]))
            });
            for job in [at_once, one_by_one] {
                for prefix in prefixes.iter().chain([&within]) {
                    assert!(job.concerns(prefix, &[]), "{prefix} after {order:?}");
                }
                assert!(!job.concerns(&beside, &[]));
            }
        }
    }
}
