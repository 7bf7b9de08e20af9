//! What another configuration would mean for the routes that are there.
//!
//! The live routes go into a shard of their own, under the policy in force, to the members that
//! are up; then that shard is given the new policy. What it would send is the difference: the same
//! code decides as will decide, and no route of the running daemon is touched or withheld. The
//! live shards are asked for their routes a page at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{
    DecodeContext, DecodedUpdate, Families, MAX_EXTENDED_OCTETS, MessageType, Nlri, Prefix,
    decode_update, next_frame,
};
use bytes::BytesMut;
use policy::{Policy, RoutingData, Slot};
use rib::{
    AttributeSet, Batch, Cursor, Frame, Generation, Ingest, PeerLimit, PeerState, PrefixMatch,
    RouteFilter, Scope, Shard, ShardConfig, ShardInput, ShardOutput,
};

use super::HandleError;
use super::handle::Inner;
use super::limits::{DIFF_PAGE, IDLE_WORK};

/// Differences written out for each member.
const EXAMPLES: usize = 5;
/// Announcements among which those to write out are looked for, for each member.
const CANDIDATES: usize = 64;

/// All sessions of the scratch shard are their slot's first.
const GENERATION: Generation = Generation(1);

/// A route of the live table.
#[derive(Debug)]
struct Route {
    prefix: Prefix,
    source: Slot,
    set: Arc<AttributeSet>,
    received: Option<Instant>,
    rejected: bool,
}

/// What is compared.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) old: Arc<Policy>,
    pub(super) new: Arc<Policy>,
    pub(super) data: RoutingData,
    /// Sessions that are up.
    pub(super) peers: Vec<(Slot, PeerState)>,
    /// Slots whose session would be gone.
    pub(super) removed: Vec<Slot>,
}

/// What would change for one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotDiff {
    pub(super) gained: u64,
    pub(super) lost: u64,
    pub(super) changed: u64,
    pub(super) newly_accepted: u64,
    pub(super) newly_rejected: u64,
    pub(super) examples: Vec<String>,
}

/// What would be sent to one slot.
#[derive(Debug, Default)]
struct Sent {
    announced: u64,
    withdrawn: u64,
    /// The first of them.
    announcements: Vec<Prefix>,
    withdrawals: Vec<Prefix>,
}

impl SlotDiff {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A few of each kind, so that none hides the others.
fn examples(kinds: [(&str, &[Prefix]); 3]) -> Vec<String> {
    let mut taken = [0; 3];
    let more = |taken: &[usize; 3], kind: usize| {
        taken[kind] < kinds[kind].1.len() && taken.iter().sum::<usize>() < EXAMPLES
    };
    while (0..kinds.len()).any(|kind| more(&taken, kind)) {
        for kind in 0..kinds.len() {
            taken[kind] += usize::from(more(&taken, kind));
        }
    }
    let each = kinds.iter().zip(taken);
    each.flat_map(|((what, all), taken)| {
        all[..taken].iter().map(move |prefix| format!("{what} {prefix}"))
    })
    .collect()
}

/// Keeps the first `most` different ones.
fn keep(kept: &mut Vec<Prefix>, nlri: &[Nlri], most: usize) {
    for Nlri { prefix, .. } in nlri {
        if kept.len() == most {
            return;
        }
        if !kept.contains(prefix) {
            kept.push(*prefix);
        }
    }
}

/// Compares on the live table of a route server; by slot.
pub(super) async fn compare(
    inner: &Inner,
    route_server: usize,
    comparison: Comparison,
) -> Result<HashMap<Slot, SlotDiff>, HandleError> {
    let mut routes = Vec::new();
    for shard in 0..inner.engine.inboxes.len() {
        let mut cursor = Some(Cursor::START);
        while let Some(from) = cursor {
            let filter = RouteFilter::default();
            let page = inner
                .ask_shard(shard, route_server, move |shard| shard.routes(&filter, from, DIFF_PAGE))
                .await?;
            cursor = page.next;
            routes.extend(page.routes.into_iter().map(|view| Route {
                prefix: view.prefix,
                source: view.source,
                set: view.set,
                received: view.received,
                rejected: view.reject.is_some(),
            }));
        }
    }
    let (mut diffs, sent) = tokio::task::spawn_blocking(move || evaluate(routes, comparison))
        .await
        .map_err(|_| HandleError::Stopping)?;
    let had = had(inner, route_server, &sent).await?;
    for (slot, sent) in sent {
        let (changes, gains): (Vec<Prefix>, Vec<Prefix>) =
            sent.announcements.iter().partition(|prefix| had.contains(&(slot, **prefix)));
        diffs.entry(slot).or_default().examples =
            examples([("loses", &sent.withdrawals), ("gets", &gains), ("changes", &changes)]);
    }
    Ok(diffs)
}

/// What of the announcements that are kept the slots have a route of now.
async fn had(
    inner: &Inner,
    route_server: usize,
    sent: &HashMap<Slot, Sent>,
) -> Result<HashSet<(Slot, Prefix)>, HandleError> {
    let announced = sent
        .iter()
        .flat_map(|(slot, sent)| sent.announcements.iter().map(|prefix| (*slot, *prefix)));
    let mut had = HashSet::new();
    for page in announced.collect::<Vec<_>>().chunks(DIFF_PAGE) {
        let page: Arc<[(Slot, Prefix)]> = page.into();
        let of_shard = move |shard: &mut Shard| {
            let given = |(slot, prefix): &&(Slot, Prefix)| {
                let prefix = Some((*prefix, PrefixMatch::Exact));
                let filter = RouteFilter { prefix, to: Some(*slot), ..RouteFilter::default() };
                !shard.routes(&filter, Cursor::START, 1).routes.is_empty()
            };
            page.iter().filter(given).copied().collect::<Vec<_>>()
        };
        had.extend(inner.ask_shards(route_server, of_shard).await?.into_iter().flatten());
    }
    Ok(had)
}

fn evaluate(
    routes: Vec<Route>,
    comparison: Comparison,
) -> (HashMap<Slot, SlotDiff>, HashMap<Slot, Sent>) {
    let Comparison { old, new, data, peers, removed } = comparison;
    let epoch = old.epoch();
    let mut shard = Shard::new(ShardConfig::default(), old, data.clone());
    fill(&mut shard, &routes, &peers, epoch);
    let before = shard.exported();
    for slot in removed {
        shard.handle(ShardInput::Down { slot, generation: GENERATION, stale: false });
    }
    shard.handle(ShardInput::Policy { policy: new, data });
    let mut sent: HashMap<Slot, Sent> = HashMap::new();
    settle(&mut shard, |batch| note(batch, &peers, &mut sent));
    let mut diffs: HashMap<Slot, SlotDiff> = HashMap::new();
    let after = shard.exported();
    for (slot, _) in &peers {
        let count = |counts: &[[u64; 2]]| counts.get(slot.index()).map_or(0, |c| c[0] + c[1]);
        let (announced, lost) = sent.get(slot).map_or((0, 0), |s| (s.announced, s.withdrawn));
        // What was announced is new to the member as far as its table has grown.
        let gained = (count(&after) + lost).saturating_sub(count(&before));
        let changed = announced.saturating_sub(gained);
        diffs.insert(*slot, SlotDiff { gained, lost, changed, ..SlotDiff::default() });
    }
    note_verdicts(&shard, &routes, &mut diffs);
    (diffs, sent)
}

/// The routes, and every peer walked to its end.
fn fill(shard: &mut Shard, routes: &[Route], peers: &[(Slot, PeerState)], epoch: u64) {
    let known: HashSet<Slot> = peers.iter().map(|(slot, _)| *slot).collect();
    for (slot, peer) in peers {
        // Limits are not part of the question.
        let peer = PeerState { limit: Arc::new(PeerLimit::default()), ..peer.clone() };
        shard.handle(ShardInput::Up { slot: *slot, generation: GENERATION, peer });
    }
    // Routes kept for a session that is away are left out: it is not there to be compared. Oldest
    // first, as they came: the age of routes is part of the question (`prefer_oldest`), and a shard
    // counts it from the first.
    let mut live: Vec<&Route> = routes.iter().filter(|r| known.contains(&r.source)).collect();
    live.sort_by_key(|route| (route.received, route.source, Arc::as_ptr(&route.set)));
    let mut sets: HashMap<*const AttributeSet, Arc<AttributeSet>> = HashMap::new();
    let now = Instant::now();
    for same in live.chunk_by(|a, b| a.received == b.received && Arc::ptr_eq(&a.set, &b.set)) {
        let first = same[0];
        // Never the live set: it keeps what a policy made of it by epoch, and the next policy that
        // comes into force has the epoch of the one asked about here.
        let set = sets
            .entry(Arc::as_ptr(&first.set))
            .or_insert_with(|| AttributeSet::new(first.source, first.set.attributes().clone()));
        shard.handle(ShardInput::Ingest(Ingest {
            slot: first.source,
            generation: GENERATION,
            epoch,
            set: Some(Arc::clone(set)),
            reach: same.iter().map(|route| Nlri::from(route.prefix)).collect(),
            unreach: Vec::new(),
            received: first.received.unwrap_or(now),
        }));
    }
    for (slot, peer) in peers {
        let scope = Scope::Table { families: peer.families, refresh: false };
        shard.handle(ShardInput::Resync { slot: *slot, generation: GENERATION, scope });
    }
    settle(shard, |_| {});
}

/// Lets a shard do all that it has to do; walks get the credit they ask for.
fn settle(shard: &mut Shard, mut each: impl FnMut(&Batch)) {
    let mut outputs = Vec::new();
    loop {
        shard.finish_turn(&mut outputs);
        let idle = outputs.is_empty();
        for output in outputs.drain(..) {
            match output {
                ShardOutput::Batch(batch) => each(&batch),
                ShardOutput::ResyncEnd { slot, generation, more: true, .. } => {
                    shard.handle(ShardInput::Resync { slot, generation, scope: Scope::More });
                }
                _ => {}
            }
        }
        if shard.pending_work() {
            shard.work(IDLE_WORK);
        } else if idle {
            return;
        }
    }
}

fn note(batch: &Batch, peers: &[(Slot, PeerState)], sent: &mut HashMap<Slot, Sent>) {
    for frame in &batch.frames {
        let (announced, withdrawn) = contents(frame);
        let concerned = |(slot, peer): &&(Slot, PeerState)| {
            peer.profile == frame.profile && batch.peers.contains(*slot)
        };
        for (slot, _) in peers.iter().filter(concerned) {
            let sent = sent.entry(*slot).or_default();
            sent.announced += announced.len() as u64;
            sent.withdrawn += withdrawn.len() as u64;
            keep(&mut sent.withdrawals, &withdrawn, EXAMPLES);
            keep(&mut sent.announcements, &announced, CANDIDATES);
        }
    }
}

/// Announced and withdrawn NLRI of a frame that we encoded ourselves.
fn contents(frame: &Frame) -> (Vec<Nlri>, Vec<Nlri>) {
    let context = DecodeContext {
        four_octet_as: frame.profile.four_octet_as,
        add_path_receive: frame.profile.add_path,
        families: Families::BOTH,
        extended_next_hop: true,
    };
    let mut octets = BytesMut::from(&frame.octets[..]);
    let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
    let mut update = DecodedUpdate::default();
    while let Ok(Some((kind, body))) = next_frame(&mut octets, MAX_EXTENDED_OCTETS) {
        if kind == MessageType::Update && decode_update(&body, &context, &mut update).is_ok() {
            withdrawn.append(&mut update.unreach);
            for reach in &mut update.reach {
                announced.append(&mut reach.nlri);
            }
        }
    }
    (announced, withdrawn)
}

/// Routes whose verdict would be another.
fn note_verdicts(shard: &Shard, routes: &[Route], diffs: &mut HashMap<Slot, SlotDiff>) {
    let rejected: HashSet<(Prefix, Slot)> =
        routes.iter().filter(|r| r.rejected).map(|r| (r.prefix, r.source)).collect();
    let mut cursor = Some(Cursor::START);
    while let Some(from) = cursor {
        let page = shard.routes(&RouteFilter::default(), from, DIFF_PAGE);
        cursor = page.next;
        for view in page.routes {
            let was = rejected.contains(&(view.prefix, view.source));
            match (was, view.reject.is_some()) {
                (true, false) => diffs.entry(view.source).or_default().newly_accepted += 1,
                (false, true) => diffs.entry(view.source).or_default().newly_rejected += 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_few_and_of_each_kind() {
        let prefixes: Vec<Prefix> =
            (0..9).map(|n| format!("192.0.{n}.0/24").parse().unwrap()).collect();
        let [few, all] = [&prefixes[..1], &prefixes[..]];
        let told = examples([("loses", few), ("gets", all), ("changes", all)]);
        let first = ["loses 192.0.0.0/24", "gets 192.0.0.0/24", "gets 192.0.1.0/24"];
        assert_eq!(told[..3], first);
        assert_eq!(told[3..], ["changes 192.0.0.0/24", "changes 192.0.1.0/24"]);
        assert_eq!(examples([("loses", all), ("gets", &[]), ("changes", &[])]).len(), EXAMPLES);
        assert_eq!(examples([("loses", &[]), ("gets", few), ("changes", &[])]), [first[1]]);
    }

    #[test]
    fn a_prefix_with_several_paths_is_kept_once() {
        let nlri: Nlri = Nlri::from("192.0.2.0/24".parse::<Prefix>().unwrap());
        let mut kept = Vec::new();
        keep(&mut kept, &[nlri; 9], EXAMPLES);
        assert_eq!(kept, [nlri.prefix]);
    }
}
