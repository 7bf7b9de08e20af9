//! Prefix limits over several shards.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;

use bgp_wire::{Family, Prefix};
use common::{Exchange, MemberKind, attributes, policy, policy_config, v4};
use policy::{ImportPolicy, MedMode, Policy, Slot};
use rib::{LimitAction, LimitConfig, PeerLimit, Recount, ShardInput, ShardOutput};

fn prefixes(range: std::ops::Range<u32>) -> Vec<Prefix> {
    range.map(v4).collect()
}

fn limited(config: LimitConfig, shards: usize) -> Exchange {
    let mut exchange = Exchange::new(&[MemberKind::PLAIN; 3], shards, policy(3, 1));
    exchange.limits[0] = Arc::new(PeerLimit::new(config));
    (0..3).for_each(|slot| exchange.up(slot));
    exchange.settle();
    exchange.log.clear();
    exchange
}

fn v4_limit(limit: u32, action: LimitAction) -> LimitConfig {
    LimitConfig { families: [Some(limit), None], action, ..LimitConfig::default() }
}

/// It takes paths of one AS only; what member 0 sends has two.
fn refusing(epoch: u64) -> Arc<Policy> {
    let mut config = policy_config(3, epoch, MedMode::Off);
    let import = Arc::new(ImportPolicy { as_path_max: 1, ..(*config.import).clone() });
    config.peers.iter_mut().flatten().for_each(|peer| peer.import = Arc::clone(&import));
    Arc::new(Policy::new(config).unwrap())
}

fn events(exchange: &mut Exchange) -> Vec<&'static str> {
    std::mem::take(&mut exchange.log)
        .iter()
        .filter_map(|output| match output {
            ShardOutput::LimitWarning { slot: Slot(0), .. } => Some("warning"),
            ShardOutput::LimitExceeded { slot: Slot(0), close: true, .. } => Some("close"),
            ShardOutput::LimitExceeded { slot: Slot(0), close: false, .. } => Some("exceeded"),
            ShardOutput::LimitRoom { slot: Slot(0), .. } => Some("room"),
            _ => None,
        })
        .collect()
}

#[test]
fn n_routes_are_allowed_and_the_next_one_acts_once_over_all_shards() {
    for shards in [1, 8] {
        let mut exchange = limited(v4_limit(50, LimitAction::Close), shards);
        exchange.announce(0, &prefixes(0..50), attributes(0, 1));
        exchange.settle();
        assert_eq!(events(&mut exchange), ["warning"]);
        assert_eq!(exchange.workers[1].table.len(), 50);
        // Replacing is not receiving more.
        exchange.announce(0, &prefixes(0..50), attributes(0, 2));
        exchange.settle();
        assert_eq!(events(&mut exchange), [""; 0]);
        exchange.announce(0, &prefixes(50..60), attributes(0, 1));
        exchange.settle();
        assert_eq!(events(&mut exchange), ["close"]);
        assert_eq!(exchange.workers[1].table.len(), 50);
        assert_eq!(exchange.limits[0].count(Family::V4), 50);
        // Down, and the count is empty.
        exchange.down(0, false);
        exchange.settle();
        assert_eq!(exchange.limits[0].count(Family::V4), 0);
        let left: usize = exchange.shards.iter().map(|s| s.counters().destinations[0]).sum();
        assert_eq!(left, 0, "refused routes leave no destination behind");
    }
}

#[test]
fn block_keeps_what_is_there_and_says_when_there_is_room() {
    let mut exchange = limited(v4_limit(20, LimitAction::Block), 4);
    exchange.announce(0, &prefixes(0..30), attributes(0, 1));
    exchange.settle();
    assert_eq!(events(&mut exchange), ["warning", "exceeded"]);
    assert_eq!(exchange.workers[1].table.len(), 20);
    let refused: u64 = exchange
        .shards
        .iter()
        .filter_map(|s| s.counters().slot(Slot(0)).map(|c| c.refused[0]))
        .sum();
    assert_eq!(refused, 10);
    let taken: Vec<_> = exchange.workers[1].table.keys().map(|(prefix, _)| *prefix).collect();
    exchange.withdraw(0, &taken[..2]);
    exchange.settle();
    assert_eq!(events(&mut exchange), [""; 0], "90 % is not below 90 %");
    exchange.withdraw(0, &taken[2..3]);
    exchange.settle();
    assert_eq!(events(&mut exchange), ["room"]);
}

#[test]
fn a_raised_limit_says_that_there_is_room() {
    let mut exchange = limited(v4_limit(5, LimitAction::Block), 1);
    exchange.announce(0, &prefixes(0..9), attributes(0, 1));
    exchange.settle();
    assert_eq!(events(&mut exchange), ["warning", "exceeded"]);
    exchange.limits[0].configure(v4_limit(100, LimitAction::Block));
    exchange.send(0, ShardInput::LimitChanged { slot: Slot(0), recount: None });
    exchange.settle();
    assert!(events(&mut exchange).contains(&"room"));
}

#[test]
fn a_limit_that_is_raised_a_little_says_so_too() {
    let raised = [
        v4_limit(22, LimitAction::Block),
        v4_limit(40, LimitAction::Close),
        v4_limit(20, LimitAction::Warn),
    ];
    for config in raised {
        let mut exchange = limited(v4_limit(20, LimitAction::Block), 1);
        exchange.announce(0, &prefixes(0..25), attributes(0, 1));
        exchange.settle();
        assert_eq!(events(&mut exchange), ["warning", "exceeded"]);
        exchange.limits[0].configure(config);
        exchange.send(0, ShardInput::LimitChanged { slot: Slot(0), recount: None });
        exchange.settle();
        assert_eq!(events(&mut exchange), ["room"], "{config:?}");
    }
}

#[test]
fn warn_takes_everything() {
    let mut exchange = limited(v4_limit(5, LimitAction::Warn), 2);
    exchange.announce(0, &prefixes(0..9), attributes(0, 1));
    exchange.settle();
    assert_eq!(events(&mut exchange), ["warning", "exceeded"]);
    assert_eq!(exchange.workers[1].table.len(), 9);
    exchange.down(0, false);
    exchange.settle();
    assert_eq!(exchange.limits[0].count(Family::V4), 0);
}

#[test]
fn rejected_routes_count_unless_accepted_ones_are_asked_for() {
    for count_accepted in [false, true] {
        let config = LimitConfig { count_accepted, ..v4_limit(10, LimitAction::Close) };
        let mut exchange = limited(config, 1);
        exchange.set_policy(refusing(2));
        exchange.announce(0, &prefixes(0..12), attributes(0, 1));
        exchange.settle();
        let expected: &[&str] = if count_accepted { &[] } else { &["warning", "close"] };
        assert_eq!(events(&mut exchange), expected);
        let counted = if count_accepted { 0 } else { 10 };
        assert_eq!(exchange.limits[0].count(Family::V4), counted);
        // What a new policy accepts is counted, whatever the limit.
        exchange.set_policy(policy(3, 3));
        exchange.settle();
        let counted = if count_accepted { 12 } else { 10 };
        assert_eq!(exchange.limits[0].count(Family::V4), counted);
        exchange.set_policy(refusing(4));
        exchange.settle();
        let counted = if count_accepted { 0 } else { 10 };
        assert_eq!(exchange.limits[0].count(Family::V4), counted);
        exchange.down(0, false);
        exchange.settle();
        assert_eq!(exchange.limits[0].count(Family::V4), 0);
    }
}

#[test]
fn stale_routes_stay_counted_and_move_to_another_counter() {
    let mut exchange = limited(v4_limit(10, LimitAction::Close), 2);
    exchange.announce(0, &prefixes(0..10), attributes(0, 1));
    exchange.down(0, true);
    exchange.settle();
    assert_eq!(exchange.limits[0].count(Family::V4), 10);
    let old = Arc::clone(&exchange.limits[0]);
    exchange.limits[0] = Arc::new(PeerLimit::new(v4_limit(10, LimitAction::Close)));
    exchange.up(0);
    exchange.announce(0, &prefixes(0..4), attributes(0, 1));
    exchange.settle();
    assert_eq!((old.count(Family::V4), exchange.limits[0].count(Family::V4)), (0, 10));
    assert_eq!(events(&mut exchange), ["warning"]);
    exchange.end_of_rib(0);
    exchange.settle();
    assert_eq!(exchange.limits[0].count(Family::V4), 4);
}

/// What counts changes while the session runs: nothing is refused by a count that is half of each,
/// and from the last shard on the limit of now holds, by the count of now.
#[test]
fn what_counts_changes_while_the_session_runs() {
    let config = |count_accepted, limit| LimitConfig {
        count_accepted,
        ..v4_limit(limit, LimitAction::Close)
    };
    let mut exchange = limited(config(false, 100), 4);
    exchange.set_policy(refusing(2));
    exchange.announce(0, &prefixes(0..40), attributes(0, 1));
    exchange.settle();
    let change = |exchange: &mut Exchange, config, meanwhile: std::ops::Range<u32>| {
        let recount = Recount::begin(&exchange.limits[0], config);
        let changed = |recount| ShardInput::LimitChanged { slot: Slot(0), recount };
        (0..3).for_each(|n| exchange.send(n, changed(Some(Arc::clone(&recount)))));
        exchange.settle();
        exchange.announce(0, &prefixes(meanwhile), attributes(0, 1));
        exchange.settle();
        assert_eq!(events(exchange), [""; 0], "the last shard has not counted yet");
        exchange.send(3, changed(Some(recount)));
        exchange.settle();
    };
    // Forty are rejected: they are far above ten, and count for nothing.
    change(&mut exchange, config(true, 10), 40..45);
    let limit = Arc::clone(&exchange.limits[0]);
    assert_eq!((limit.count(Family::V4), limit.rejected(Family::V4)), (0, 45));
    // They count again, and are more than there may be: that acts on the next one.
    change(&mut exchange, config(false, 30), 45..50);
    assert_eq!((limit.count(Family::V4), limit.rejected(Family::V4)), (50, 0));
    exchange.announce(0, &prefixes(50..51), attributes(0, 1));
    exchange.settle();
    assert_eq!(events(&mut exchange), ["close"]);
    exchange.withdraw(0, &prefixes(0..51));
    exchange.settle();
    assert_eq!((limit.count(Family::V4), limit.rejected(Family::V4)), (0, 0));
}

/// Rejected routes were in the way of others: there is room for them when they no longer count.
#[test]
fn what_no_longer_counts_leaves_room() {
    let config =
        |count_accepted| LimitConfig { count_accepted, ..v4_limit(10, LimitAction::Block) };
    let mut exchange = limited(config(false), 1);
    exchange.set_policy(refusing(2));
    exchange.announce(0, &prefixes(0..12), attributes(0, 1));
    exchange.settle();
    assert_eq!(events(&mut exchange), ["warning", "exceeded"]);
    let recount = Some(Recount::begin(&exchange.limits[0], config(true)));
    exchange.send(0, ShardInput::LimitChanged { slot: Slot(0), recount });
    exchange.settle();
    assert_eq!(events(&mut exchange), ["room"]);
}

/// What is not kept waits to be swept, in some shards longer than in others: the next session has its
/// whole limit all the same, and neither its count nor its routes go with what is swept.
#[test]
fn a_session_that_begins_anew_has_its_whole_limit_at_once() {
    for count_accepted in [false, true] {
        let config = LimitConfig { count_accepted, ..v4_limit(40, LimitAction::Close) };
        let mut exchange = limited(config, 4);
        exchange.announce(0, &prefixes(0..40), attributes(0, 1));
        exchange.settle();
        events(&mut exchange);
        exchange.down(0, false);
        exchange.limits[0] = Arc::new(PeerLimit::new(config));
        exchange.up(0);
        // Nothing is swept before these are taken in: ten that are still there, and thirty others.
        exchange.announce(0, &prefixes(30..70), attributes(0, 2));
        for shard in 0..4 {
            exchange.turn(shard, usize::MAX, false);
            exchange.deliver(shard, usize::MAX);
        }
        assert!(exchange.shards.iter().any(rib::Shard::pending_work), "something to sweep");
        assert_eq!(exchange.limits[0].count(Family::V4), 40);
        assert_eq!(events(&mut exchange), ["warning"]);
        // Turned rejected, and accepted again: those that wait are judged, too, and count for nothing.
        for (epoch, policy) in [(2, refusing(2)), (3, policy(3, 3))] {
            exchange.set_policy(policy);
            exchange.settle();
            let counted = if count_accepted && epoch == 2 { 0 } else { 40 };
            assert_eq!(exchange.limits[0].count(Family::V4), counted);
        }
        assert_eq!(exchange.workers[1].table.len(), 40);
        exchange.withdraw(0, &prefixes(0..40));
        exchange.settle();
        assert_eq!(exchange.limits[0].count(Family::V4), 30, "of the forty ten were its own");
        exchange.announce(0, &prefixes(70..81), attributes(0, 2));
        exchange.settle();
        assert_eq!(events(&mut exchange).last(), Some(&"close"));
    }
}

/// A member that comes and goes faster than the table is swept leaves one session's routes there, and
/// not those of all.
#[test]
fn sessions_that_come_faster_than_they_are_swept_leave_twice_the_limit_at_most() {
    let config = v4_limit(40, LimitAction::Close);
    let mut exchange = limited(config, 4);
    for round in 0..10 {
        exchange.announce(0, &prefixes(round * 40..(round + 1) * 40), attributes(0, 1));
        exchange.down(0, false);
        exchange.limits[0] = Arc::new(PeerLimit::new(config));
        exchange.up(0);
        for shard in 0..4 {
            exchange.turn(shard, usize::MAX, false);
            exchange.deliver(shard, usize::MAX);
        }
        let slots = exchange.shards.iter().filter_map(|shard| shard.counters().slot(Slot(0)));
        let there: u32 = slots.map(|slot| slot.received[0]).sum();
        assert!(there <= 80, "{there} in round {round}");
        assert_eq!(exchange.limits[0].count(Family::V4), 0);
    }
    assert!(!events(&mut exchange).contains(&"close"));
}

/// What counts changes between two sessions: each kept route is counted as it counts now, and goes
/// as that.
#[test]
fn stale_routes_that_were_counted_and_no_longer_count_go_without_a_trace() {
    for (before, after) in [(false, true), (true, false)] {
        let config =
            |count_accepted| LimitConfig { count_accepted, ..v4_limit(100, LimitAction::Close) };
        let mut exchange = limited(config(before), 2);
        exchange.set_policy(refusing(2));
        exchange.announce(0, &prefixes(0..12), attributes(0, 1));
        exchange.down(0, true);
        exchange.settle();
        assert_eq!(exchange.limits[0].count(Family::V4), if before { 0 } else { 12 });
        exchange.limits[0] = Arc::new(PeerLimit::new(config(after)));
        exchange.up(0);
        exchange.settle();
        assert_eq!(exchange.limits[0].count(Family::V4), if after { 0 } else { 12 });
        exchange.end_of_rib(0);
        exchange.settle();
        let counts = Family::ALL.map(|family| exchange.limits[0].count(family));
        assert_eq!(counts, [0, 0], "nothing was given back that was not there");
    }
}

#[test]
fn reservations_of_many_threads_are_exact() {
    let limit = PeerLimit::new(v4_limit(1000, LimitAction::Block));
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..500)
                        .filter(|_| {
                            !matches!(
                                limit.reserve(Family::V4, rib::Generation(1)),
                                rib::Reservation::Refused { .. }
                            )
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((taken, limit.count(Family::V4)), (1000, 1000));
}
