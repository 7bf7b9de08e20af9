//! Generations, dirty sets, walks: that a member's view is right whatever its queue went through,
//! and that what must come in order does.

mod common;

use std::sync::Arc;

use bgp_wire::{Families, Family, Nlri};
use common::{Exchange, MemberKind, attributes, attributes_v6, policy, v4, v6};
use policy::Slot;
use rib::{Generation, Scope, ShardInput, ShardOutput};

fn kinds_of(outputs: &[ShardOutput], slot: u16) -> Vec<&'static str> {
    let of = |s: &Slot| s.0 == slot;
    outputs
        .iter()
        .filter_map(|output| match output {
            ShardOutput::Up { slot, .. } if of(slot) => Some("up"),
            ShardOutput::ResyncBegin { slot, .. } if of(slot) => Some("begin"),
            ShardOutput::ResyncEnd { slot, more: true, .. } if of(slot) => Some("end, more"),
            ShardOutput::ResyncEnd { slot, .. } if of(slot) => Some("end"),
            ShardOutput::Batch(batch) if batch.peers.contains(Slot(slot)) => {
                Some(if batch.resync { "answer" } else { "batch" })
            }
            ShardOutput::Purged { slot, .. } if of(slot) => Some("purged"),
            _ => None,
        })
        .collect()
}

fn turn(exchange: &mut Exchange, work: bool) -> Vec<ShardOutput> {
    exchange.turn(0, usize::MAX, work);
    let outputs: Vec<_> = exchange.outputs[0].iter().cloned().collect();
    outputs
}

#[test]
fn the_marker_of_a_session_comes_before_its_batches_and_the_table_in_segments() {
    let mut exchange = Exchange::plain(3, 1);
    // Segments of four.
    let prefixes: Vec<_> = (0..7).map(v4).collect();
    exchange.announce(0, &prefixes, attributes(0, 1));
    exchange.settle();
    exchange.down(1, false);
    exchange.settle();
    exchange.up(1);
    exchange.announce(2, &[v4(100)], attributes(2, 1));
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 1), ["up", "begin", "answer", "end, more"]);
    exchange.outputs[0].clear();
    // Without credit nothing more comes.
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 1), [""; 0]);
    let (slot, generation) = (Slot(1), exchange.generation(1));
    exchange.send(0, ShardInput::Resync { slot, generation, scope: Scope::More });
    let outputs = turn(&mut exchange, true);
    // The second segment holds the change of meanwhile too, which was not told before.
    assert_eq!(kinds_of(&outputs, 1), ["begin", "answer", "end"]);
}

#[test]
fn nothing_is_told_before_the_first_walk_is_asked_for() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.down(1, false);
    exchange.settle();
    let generation = Generation(exchange.generation(1).0 + 1);
    let peer = exchange.peer_state(1);
    exchange.send(0, ShardInput::Up { slot: Slot(1), generation, peer });
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 1), ["up"]);
    assert_eq!(kinds_of(&outputs, 2), ["batch"]);
    exchange.outputs[0].clear();
    // But what it sends is taken: after our own restart members send before they are told.
    exchange.announced.insert((1, 1), vec![attributes(1, 1)]);
    let set = rib::AttributeSet::new(Slot(1), attributes(1, 1));
    let ingest = rib::Ingest {
        slot: Slot(1),
        generation,
        epoch: 1,
        set: Some(set),
        reach: vec![Nlri::from(v4(2))],
        unreach: Vec::new(),
        received: exchange.clock,
    };
    exchange.send(0, ShardInput::Ingest(ingest));
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 2), ["batch"]);
    exchange.outputs[0].clear();
    let scope = Scope::Table { families: Families::BOTH, refresh: false };
    exchange.send(0, ShardInput::Resync { slot: Slot(1), generation, scope });
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 1), ["begin", "answer", "end"]);
}

#[test]
fn a_batch_from_before_a_flap_does_not_reach_the_next_session() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.turn(0, usize::MAX, true);
    // Published, not delivered; the member flaps and the route is withdrawn meanwhile.
    exchange.down(1, false);
    exchange.up(1);
    exchange.withdraw(0, &[v4(1)]);
    exchange.settle();
    assert_eq!(exchange.sees(1, v4(1)), None);
    assert!(exchange.workers[1].is_told());
}

#[test]
fn what_an_older_session_sent_is_ignored() {
    let mut exchange = Exchange::plain(3, 1);
    let old = exchange.generation(0);
    exchange.down(0, false);
    exchange.up(0);
    exchange.settle();
    let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
    let ingest = rib::Ingest {
        slot: Slot(0),
        generation: old,
        epoch: 1,
        set: Some(set),
        reach: vec![Nlri::from(v4(1))],
        unreach: Vec::new(),
        received: exchange.clock,
    };
    exchange.send(0, ShardInput::Ingest(ingest));
    exchange.send(0, ShardInput::Down { slot: Slot(0), generation: old, stale: false });
    exchange.settle();
    assert_eq!(exchange.sees(1, v4(1)), None);
    assert_eq!(exchange.shards[0].counters().outdated, 2);
    exchange.announce(0, &[v4(2)], attributes(0, 2));
    exchange.settle();
    assert_eq!(exchange.sees(1, v4(2)), Some((0, 2)), "the new session was not touched");
}

#[test]
fn a_thousand_walks_are_one_pass() {
    let mut exchange = Exchange::new(&[MemberKind::PLAIN; 200], 1, policy(200, 1));
    exchange.up(0);
    let prefixes: Vec<_> = (0..40).map(v4).collect();
    exchange.announce(0, &prefixes, attributes(0, 1));
    exchange.settle();
    exchange.take_batches();
    let before = exchange.shards[0].counters().messages;
    (1..200).for_each(|slot| exchange.up(slot));
    exchange.settle();
    let batches = exchange.take_batches();
    assert_eq!(batches.len(), 10, "one for each segment");
    assert!(batches.iter().all(|batch| batch.resync && batch.peers.len() == 199));
    assert_eq!(exchange.shards[0].counters().messages - before, 10);
    assert!((1..200).all(|slot| exchange.workers[slot].table.len() == 40));
}

#[test]
fn a_member_that_does_not_read_costs_a_set_and_is_made_whole() {
    let mut exchange = Exchange::plain(4, 2);
    exchange.announce(0, &[v4(1), v4(2), v4(3)], attributes(0, 1));
    exchange.settle();
    exchange.workers[2].stalled = true;
    exchange.withdraw(0, &[v4(1)]);
    exchange.announce(0, &[v4(2)], attributes(0, 2));
    exchange.announce(1, &[v4(2)], attributes(1, 3));
    exchange.announce(1, &[v4(4)], attributes(1, 3));
    exchange.settle();
    exchange.withdraw(1, &[v4(4)]);
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)), "it has not read");
    exchange.take_batches();
    exchange.workers[2].stalled = false;
    exchange.settle();
    assert_eq!(exchange.workers[2].table, exchange.workers[3].table);
    // Only it was told, one withdrawal for what is in no class any more.
    let batches = exchange.take_batches();
    assert!(batches.iter().all(|b| b.resync && b.peers.len() == 1 && b.peers.contains(Slot(2))));
    assert!(!exchange.workers[2].is_dirty());
}

#[test]
fn with_add_path_a_dirty_entry_is_a_path() {
    let mut kinds = vec![MemberKind::PLAIN; 4];
    kinds[2].add_path = true;
    let mut exchange = Exchange::new(&kinds, 1, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.announce(1, &[v4(1)], attributes(1, 1));
    exchange.settle();
    exchange.workers[2].stalled = true;
    exchange.withdraw(0, &[v4(1)]);
    exchange.announce(1, &[v4(1)], attributes(1, 2));
    exchange.announce(3, &[v4(1)], attributes(3, 3));
    exchange.settle();
    let before = exchange.workers[2].withdrawals;
    exchange.workers[2].stalled = false;
    exchange.settle();
    let paths: Vec<_> = exchange.workers[2].table.keys().map(|(_, id)| *id).collect();
    assert_eq!(paths, [2, 4]);
    assert_eq!(exchange.workers[2].withdrawals, before + 1, "path 1");
}

#[test]
fn a_prefix_without_a_path_identifier_is_not_withdrawn_from_an_add_path_peer() {
    let mut kinds = vec![MemberKind::PLAIN; 4];
    kinds[2].add_path = true;
    let mut exchange = Exchange::new(&kinds, 1, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    exchange.settle();
    exchange.take_batches();
    // What a worker's lane could not take, told to all its members.
    for slot in [2, 3] {
        let (slot, generation) = (Slot(slot), exchange.generation(slot));
        let scope = Scope::Nlri(vec![Nlri::from(v4(1))]);
        exchange.send(0, ShardInput::Resync { slot, generation, scope });
    }
    let outputs = turn(&mut exchange, false);
    assert_eq!(kinds_of(&outputs, 2), ["begin", "end"]);
    assert_eq!(kinds_of(&outputs, 3), ["begin", "answer", "end"]);
}

#[test]
fn an_nlri_that_many_ask_for_is_answered_once() {
    let mut exchange = Exchange::plain(50, 1);
    exchange.announce(0, &[v4(1), v4(2)], attributes(0, 1));
    exchange.settle();
    exchange.take_batches();
    for slot in 1..50 {
        let nlri = vec![Nlri::from(v4(1)), Nlri::from(v4(9))];
        let (slot, generation) = (Slot(slot), exchange.generation(slot));
        let scope = Scope::Nlri(nlri);
        exchange.send(0, ShardInput::Resync { slot, generation, scope });
    }
    let outputs = turn(&mut exchange, false);
    assert_eq!(kinds_of(&outputs, 7), ["begin", "answer", "end"]);
    let batches: Vec<_> = outputs
        .iter()
        .filter_map(|o| if let ShardOutput::Batch(batch) = o { Some(batch) } else { None })
        .collect();
    assert_eq!(batches.len(), 1, "withdrawal and announcement go to the same peers");
    assert_eq!(batches[0].frames[0].messages, 2);
    assert_eq!(batches[0].nlri.to_vec(), [Nlri::from(v4(9)), Nlri::from(v4(1))]);
}

#[test]
fn a_refresh_tells_the_table_again_and_says_so() {
    let mut exchange = Exchange::plain(3, 2);
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.announce(0, &(0..20).map(v6).collect::<Vec<_>>(), attributes_v6(0, 1));
    exchange.settle();
    let taken = exchange.workers[1].taken;
    exchange.log.clear();
    exchange.refresh(1);
    exchange.settle();
    assert_eq!(exchange.workers[1].taken, taken + 40);
    let ends: Vec<_> = exchange
        .log
        .iter()
        .filter_map(|output| match output {
            ShardOutput::ResyncEnd { slot: Slot(1), more: false, families, refresh, .. } => {
                Some((*families, *refresh))
            }
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(Families::BOTH, true); 2], "each shard once");
}

#[test]
fn a_withdrawal_during_a_refresh_is_not_lost() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    exchange.refresh(1);
    exchange.turn(0, usize::MAX, true);
    // The segments of these are still owed.
    exchange.withdraw(0, &[v4(2), v4(19)]);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 18);
}

#[test]
fn a_change_in_a_segment_still_owed_is_told_once() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    exchange.down(1, false);
    exchange.up(1);
    exchange.turn(0, usize::MAX, true);
    let taken = exchange.workers[1].taken;
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 2));
    exchange.withdraw(0, &[v4(19)]);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 19);
    assert_eq!(exchange.workers[1].withdrawals, 0);
    // The first segment was told before the change, and changed after.
    assert_eq!(exchange.workers[1].taken - taken, 4 + 4 + 15);
}

#[test]
fn a_change_in_the_turn_that_tells_the_table_is_told_once() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &[v4(0), v4(1), v4(2)], attributes(0, 1));
    exchange.settle();
    exchange.down(1, false);
    exchange.settle();
    let (taken, withdrawals) = (exchange.workers[1].taken, exchange.workers[1].withdrawals);
    // One changed, one gone, one new: all in the segment that this turn's walk is about.
    exchange.announce(0, &[v4(0), v4(3)], attributes(0, 2));
    exchange.withdraw(0, &[v4(1)]);
    exchange.up(1);
    let outputs = turn(&mut exchange, true);
    assert_eq!(kinds_of(&outputs, 1), ["up", "begin", "answer", "end"]);
    exchange.settle();
    let worker = &exchange.workers[1];
    assert_eq!((worker.taken - taken, worker.withdrawals - withdrawals), (3, 0));
    assert_eq!(worker.table.len(), 3);
}

#[test]
fn a_purge_is_confirmed_when_nothing_is_left_and_not_before() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    let generation = exchange.generation(0);
    exchange.down(0, false);
    let mut turns = 0;
    loop {
        exchange.turn(0, usize::MAX, true);
        turns += 1;
        let purged = exchange.outputs[0]
            .iter()
            .any(|o| matches!(o, ShardOutput::Purged { slot: Slot(0), generation: g } if *g == generation));
        let received = exchange.shards[0].counters().slot(Slot(0)).unwrap().received[0];
        assert_eq!(purged, received == 0);
        if purged {
            break;
        }
    }
    assert_eq!(turns, 5, "a segment at a time");
    // The withdrawals came before the confirmation.
    let last = exchange.outputs[0].back().unwrap();
    assert!(matches!(last, ShardOutput::Purged { .. }));
    exchange.settle();
    assert!(exchange.workers[1].table.is_empty());
    assert_eq!(exchange.shards[0].counters().destinations, [0, 0]);
    assert_eq!(exchange.shards[0].counters().peer_sets, 0);
}

#[test]
fn a_purge_without_routes_is_confirmed_at_once() {
    let mut exchange = Exchange::plain(2, 1);
    exchange.down(0, false);
    exchange.turn(0, usize::MAX, false);
    let outputs: Vec<_> = exchange.outputs[0].iter().cloned().collect();
    assert_eq!(kinds_of(&outputs, 0), ["purged"]);
}

#[test]
fn withdrawals_come_before_announcements_and_batches_are_split_by_size() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &[v4(1), v4(2)], attributes(0, 1));
    exchange.settle();
    exchange.take_batches();
    exchange.announce(0, &[v4(1)], attributes(0, 2));
    exchange.withdraw(0, &[v4(2)]);
    exchange.settle();
    let batches = exchange.take_batches();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].nlri.to_vec(), [Nlri::from(v4(2)), Nlri::from(v4(1))]);
    assert_eq!(batches[0].received, Some(exchange.clock - std::time::Duration::from_millis(1)));
    // 300 sets of one prefix to the same peers: one after the other, in pieces of 4 kB.
    for n in 0..300 {
        exchange.announce(0, &[v4(1000 + n)], attributes(0, n as u16));
    }
    exchange.turn(0, usize::MAX, false);
    exchange.settle();
    let batches = exchange.take_batches();
    let octets: Vec<_> = batches.iter().map(|b| b.frames[0].octets.len()).collect();
    assert!(batches.len() > 1 && octets.iter().all(|o| *o < 4096 + 200), "{octets:?}");
    assert_eq!(batches.iter().map(|b| b.nlri.len()).sum::<usize>(), 300);
}

#[test]
fn both_families_have_their_own_first_walk() {
    let mut kinds = vec![MemberKind::PLAIN; 2];
    kinds[1].families = Families::BOTH;
    let mut exchange = Exchange::new(&kinds, 1, policy(2, 1));
    exchange.up(0);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.announce(0, &[v6(1)], attributes_v6(0, 1));
    exchange.settle();
    let generation = exchange.workers[1].up();
    let peer = exchange.peer_state(1);
    let slot = Slot(1);
    exchange.send(0, ShardInput::Up { slot, generation, peer });
    for family in Family::ALL {
        let scope = Scope::Table { families: Families::only(family), refresh: false };
        exchange.send(0, ShardInput::Resync { slot, generation, scope });
        exchange.settle();
        assert_eq!(exchange.workers[1].table.len(), family.index() + 1);
    }
}

#[test]
fn one_encoding_for_each_profile_among_the_peers_and_no_more() {
    let mut kinds = vec![MemberKind::PLAIN; 6];
    kinds[3].four_octet_as = false;
    kinds[4].add_path = true;
    let mut exchange = Exchange::new(&kinds, 1, policy(6, 1));
    (0..6).for_each(|slot| exchange.up(slot));
    exchange.settle();
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.settle();
    let batches = exchange.take_batches();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].frames.len(), 3);
    assert!(Arc::strong_count(&batches[0]) == 1);
    exchange.announce(
        0,
        &[v4(2)],
        common::with_communities(attributes(0, 1), [common::not_to(3), common::not_to(4)]),
    );
    exchange.settle();
    assert_eq!(exchange.take_batches()[0].frames.len(), 1);
}

#[test]
fn what_an_answer_told_of_a_segment_still_owed_can_be_withdrawn_again() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &(0..12).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    exchange.down(1, false);
    exchange.up(1);
    exchange.turn(0, usize::MAX, true);
    exchange.deliver(0, usize::MAX);
    assert_eq!(exchange.workers[1].table.len(), 4, "the first segment");
    // Turns without work from here on: the walk does not go on.
    let step = |exchange: &mut Exchange| {
        exchange.turn(0, usize::MAX, false);
        exchange.deliver(0, usize::MAX);
    };
    exchange.workers[1].stalled = true;
    for prefix in [v4(0), v4(8)] {
        exchange.withdraw(0, &[prefix]);
        step(&mut exchange);
    }
    // It comes back, to the place of the other: in a segment that is still owed.
    exchange.announce(0, &[v4(0)], attributes(0, 2));
    step(&mut exchange);
    exchange.workers[1].stalled = false;
    exchange.collect_requests();
    step(&mut exchange);
    assert_eq!(exchange.sees(1, v4(0)), Some((0, 2)), "answered");
    exchange.withdraw(0, &[v4(0)]);
    step(&mut exchange);
    assert_eq!(exchange.sees(1, v4(0)), None);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 10);
}
