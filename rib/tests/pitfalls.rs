//! What implementers of route servers usually get wrong, one test each.

mod common;

use std::sync::Arc;

use bgp_wire::{Asn, Families, Family, LargeCommunity, Origin};
use common::{
    Exchange, MemberKind, asn_of, attributes, attributes_v6, not_to, policy, policy_config, v4,
    with_communities,
};
use policy::{Criterion, MedMode, Policy, Slot};
use rib::{CandidateOutcome, RouteFilter};

/// Member 0's path is the best and denied to member 3; member 1's is the second best.
fn denied_to_three() -> Exchange {
    let mut exchange = Exchange::plain(4, 1);
    exchange.announce(0, &[v4(1)], with_communities(attributes(0, 1), [not_to(3)]));
    exchange.settle();
    exchange
}

fn second_best(variant: u16) -> bgp_wire::PathAttributes {
    let mut second = attributes(1, variant);
    second.as_path = second.as_path.prepend(asn_of(1), 1);
    second
}

#[test]
fn pitfall_7_a_second_best_path_is_followed_to_its_withdrawal() {
    let mut exchange = denied_to_three();
    assert_eq!(exchange.sees(3, v4(1)), None);
    exchange.announce(1, &[v4(1)], second_best(7));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 7)), "added");
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    exchange.announce(1, &[v4(1)], second_best(8));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 8)), "changed");
    exchange.withdraw(1, &[v4(1)]);
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), None, "withdrawn");
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    exchange.announce(1, &[v4(1)], second_best(9));
    exchange.withdraw(0, &[v4(1)]);
    exchange.settle();
    for member in [0, 2, 3] {
        assert_eq!(exchange.sees(member, v4(1)), Some((1, 9)), "the best is withdrawn");
    }
}

#[test]
fn pitfall_8_a_change_of_communities_alone_moves_the_second_best() {
    let mut exchange = denied_to_three();
    exchange.announce(1, &[v4(1)], second_best(7));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 7)));
    exchange.announce(0, &[v4(1)], with_communities(attributes(0, 1), [not_to(2)]));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((0, 1)));
    assert_eq!(exchange.sees(2, v4(1)), Some((1, 7)));
}

#[test]
fn pitfall_8_a_reload_moves_the_second_best() {
    let mut exchange = denied_to_three();
    exchange.announce(1, &[v4(1)], second_best(7));
    exchange.settle();
    // The new policy refuses what member 0 sends.
    let mut config = policy_config(4, 2, MedMode::Off);
    let mut import = (*config.import).clone();
    import.as_path_max = 1;
    if let Some(peer) = &mut config.peers[0] {
        peer.import = Arc::new(import);
    }
    exchange.set_policy(Arc::new(Policy::new(config).unwrap()));
    exchange.settle();
    for member in [0, 2, 3] {
        assert_eq!(exchange.sees(member, v4(1)), Some((1, 7)));
    }
    exchange.set_policy(policy(4, 3));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 7)));
}

fn with_add_path(members: usize, which: usize) -> Vec<MemberKind> {
    let mut kinds = vec![MemberKind::PLAIN; members];
    kinds[which].add_path = true;
    kinds
}

#[test]
fn pitfall_9_without_add_path_negotiated_a_member_gets_the_single_best_it_may_have() {
    // What is negotiated decides, and member 3 did not negotiate it.
    let mut exchange = Exchange::new(&with_add_path(4, 2), 1, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    exchange.announce(0, &[v4(1)], with_communities(attributes(0, 1), [not_to(3)]));
    exchange.announce(1, &[v4(1)], second_best(7));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 7)));
    let table = &exchange.workers[2].table;
    let paths: Vec<u32> = table.keys().map(|(_, path_id)| *path_id).collect();
    assert_eq!(paths, [1, 2], "with ADD-PATH: both, by source");
    exchange.withdraw(0, &[v4(1)]);
    exchange.settle();
    let paths: Vec<u32> = exchange.workers[2].table.keys().map(|(_, id)| *id).collect();
    assert_eq!(paths, [2], "the identifier of the other stays");
}

#[test]
fn pitfall_10_renegotiation_without_add_path_leaves_nothing_behind() {
    let mut exchange = Exchange::new(&with_add_path(4, 3), 2, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    for prefix in 0..20 {
        exchange.announce(0, &[v4(prefix)], attributes(0, 1));
        exchange.announce(1, &[v4(prefix)], second_best(7));
    }
    exchange.settle();
    assert_eq!(exchange.workers[3].table.len(), 40);
    exchange.down(3, true);
    exchange.workers[3].kind.add_path = false;
    exchange.up(3);
    // Before the walk has come by, the best goes for some and the second best for others.
    exchange.withdraw(0, &[v4(3), v4(4)]);
    exchange.withdraw(1, &[v4(5)]);
    exchange.settle();
    assert_eq!(exchange.workers[3].table.len(), 20);
    assert_eq!(exchange.sees(3, v4(3)), Some((1, 7)));
    assert_eq!(exchange.sees(3, v4(5)), Some((0, 1)));
    let exported: u64 = exchange.shards.iter().map(|shard| shard.exported()[3][0]).sum();
    assert_eq!(exported, 20);
    exchange.down(3, false);
    exchange.workers[3].kind.add_path = true;
    exchange.up(3);
    exchange.withdraw(0, &[v4(6)]);
    exchange.settle();
    assert_eq!(exchange.workers[3].table.len(), 17 + 19);
}

#[test]
fn pitfall_27_what_leaves_the_same_is_not_sent_again() {
    let mut exchange = Exchange::plain(4, 2);
    let prefixes: Vec<_> = (0..30).map(v4).collect();
    exchange.announce(0, &prefixes, attributes(0, 1));
    exchange.settle();
    exchange.take_batches();
    // The same again (another set, equal content), a policy that changes nothing, and data that
    // change nothing.
    exchange.announce(0, &prefixes, attributes(0, 1));
    exchange.settle();
    exchange.set_policy(policy(4, 2));
    exchange.settle();
    exchange.set_data(policy::RoutingData::default(), &rib::Changed::All);
    exchange.settle();
    // Nor what only our own control communities tell apart.
    exchange.announce(0, &prefixes, with_communities(attributes(0, 1), [(64500, 64500)]));
    exchange.settle();
    assert!(exchange.take_batches().is_empty());
}

#[test]
fn pitfall_28_an_action_for_one_peer_on_few_routes_splits_nothing_else() {
    let mut exchange = Exchange::plain(70, 1);
    let prefixes: Vec<_> = (0..100).map(v4).collect();
    exchange.take_batches();
    exchange.announce(0, &prefixes[..98], attributes(0, 1));
    exchange.announce(0, &prefixes[98..], with_communities(attributes(0, 1), [not_to(7)]));
    exchange.turn(0, usize::MAX, false);
    exchange.settle();
    let batches = exchange.take_batches();
    let mut sizes: Vec<_> = batches.iter().map(|b| (b.peers.len(), b.nlri.len())).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(68, 2), (69, 98)]);
    assert!(batches.iter().all(|batch| batch.frames.len() == 1), "one encoding");
    // Everybody's Adj-RIB-Out is in three peer sets at most, not in seventy tables.
    assert!(exchange.shards[0].counters().peer_sets <= 3);
    assert_eq!(exchange.workers[7].table.len(), 98);
    assert_eq!(exchange.workers[8].table.len(), 100);
}

#[test]
fn pitfall_32_a_route_that_one_peer_can_no_longer_take_is_withdrawn_there() {
    let mut kinds = vec![MemberKind::PLAIN; 4];
    kinds[2].extended_next_hop = false;
    let mut exchange = Exchange::new(&kinds, 1, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    // Now with an IPv6 next hop, which member 2 can't take (RFC 8950).
    exchange.announce(0, &[v4(1)], attributes_v6(0, 2));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), None);
    assert_eq!(exchange.sees(3, v4(1)), Some((0, 2)));
    let explained = exchange.shards[0].explain(&v4(1), Slot(2));
    assert_eq!(explained.candidates[0].outcome, CandidateOutcome::NeedsExtendedNextHop);
    // The next one is tried for it.
    exchange.announce(1, &[v4(1)], second_best(3));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((1, 3)));
    assert_eq!(exchange.sees(3, v4(1)), Some((0, 2)));
}

#[test]
fn pitfall_32_what_fits_no_message_is_withdrawn_and_the_next_one_tried() {
    let mut exchange = Exchange::plain(4, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.announce(1, &[v4(1)], second_best(3));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    let mut large = attributes(0, 2);
    // Below the limit on their number when the policy allows it, above 4096 octets.
    large.large_communities =
        (0..400).map(|n| LargeCommunity { global: 4, local1: 5, local2: n }).collect();
    let mut config = policy_config(4, 2, MedMode::Off);
    let import = policy::ImportPolicy { max_communities: 0, ..(*config.import).clone() };
    let import = Arc::new(import);
    config.peers.iter_mut().flatten().for_each(|peer| peer.import = Arc::clone(&import));
    exchange.set_policy(Arc::new(Policy::new(config).unwrap()));
    exchange.announce(0, &[v4(1)], large);
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((1, 3)));
    assert_eq!(exchange.sees(1, v4(1)), None);
    let explained = exchange.shards[0].explain(&v4(1), Slot(2));
    assert_eq!(explained.candidates[0].outcome, CandidateOutcome::TooLarge);
}

#[test]
fn pitfall_41_the_owner_of_the_best_path_gets_the_second_best() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.announce(1, &[v4(1)], second_best(2));
    exchange.settle();
    assert_eq!(exchange.sees(0, v4(1)), Some((1, 2)));
    assert_eq!(exchange.sees(1, v4(1)), Some((0, 1)));
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
}

#[test]
fn the_order_of_arrival_does_not_matter_unless_it_is_asked_for() {
    for reversed in [false, true] {
        for prefer_oldest in [false, true] {
            let mut config = policy_config(4, 1, MedMode::Off);
            config.prefer_oldest = prefer_oldest;
            let policy = Arc::new(Policy::new(config).unwrap());
            let mut exchange = Exchange::new(&[MemberKind::PLAIN; 4], 1, policy);
            (0..4).for_each(|slot| exchange.up(slot));
            let order = if reversed { [1, 0] } else { [0, 1] };
            for slot in order {
                exchange.announce(slot, &[v4(1)], attributes(slot, 1));
                exchange.settle();
            }
            // Router identifiers of the harness: slot ^ 5, so that of member 1 is the lower.
            let expected = if prefer_oldest { order[0] } else { 1 };
            assert_eq!(exchange.sees(3, v4(1)), Some((u32::from(expected), 1)));
        }
    }
}

#[test]
fn med_is_compared_between_routes_of_the_same_neighbour_as_only_and_exactly() {
    let config = policy_config(5, 1, MedMode::SameAs);
    let policy = Arc::new(Policy::new(config).unwrap());
    let mut exchange = Exchange::new(&[MemberKind::PLAIN; 5], 1, policy);
    (0..5).for_each(|slot| exchange.up(slot));
    // Members 0 and 1 pass on paths of AS 900 with MED 5 and 3; member 2's path is another's.
    // By router identifier the order is 1 (4), 0 (5), 2 (7).
    let path = |slot: u16, neighbour: u32, med: u32| {
        let mut made = attributes(slot, 1);
        made.as_path = made.as_path.prepend(Asn(neighbour), 1);
        made.med = Some(med);
        made.origin = Origin::Igp;
        made
    };
    let source = |exchange: &Exchange, slot: usize| {
        exchange.workers[slot]
            .table
            .values()
            .next()
            .map(|a| a.as_path.asns().nth(1).unwrap().0 - 1001)
    };
    exchange.announce(0, &[v4(1)], path(0, 900, 3));
    exchange.announce(1, &[v4(1)], with_communities(path(1, 900, 5), [not_to(4)]));
    exchange.announce(2, &[v4(1)], path(2, 901, 0));
    exchange.settle();
    assert_eq!(source(&exchange, 3), Some(0), "lower MED beats lower identifier");
    let outcomes: Vec<_> = exchange.shards[0]
        .explain(&v4(1), Slot(3))
        .candidates
        .iter()
        .map(|candidate| (candidate.route.source.0, candidate.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            (1, CandidateOutcome::HigherMed { than: Slot(0) }),
            (0, CandidateOutcome::Given),
            (2, CandidateOutcome::LessPreferred { than: Slot(0), by: Criterion::RouterId }),
        ]
    );
    exchange.announce(0, &[v4(1)], with_communities(path(0, 900, 3), [not_to(3)]));
    exchange.settle();
    assert_eq!(source(&exchange, 3), Some(1), "what it may not have takes nothing out");
    assert_eq!(source(&exchange, 4), Some(0));
}

#[test]
fn a_member_of_one_family_gets_nothing_of_the_other() {
    let mut kinds = vec![MemberKind::PLAIN; 3];
    kinds[2].families = Families::only(Family::V6);
    let mut exchange = Exchange::new(&kinds, 1, policy(3, 1));
    (0..3).for_each(|slot| exchange.up(slot));
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), None);
    let filter = RouteFilter { to: Some(Slot(2)), ..RouteFilter::default() };
    assert!(exchange.shards[0].routes(&filter, rib::Cursor::START, 10).routes.is_empty());
}

/// The first member's route turns invalid, the second's valid: nobody is without one in between,
/// though the first sends its own again before the shard comes to judge what the change is about.
#[test]
fn a_change_of_data_leaves_no_hole_where_a_route_comes_before_it_is_applied() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.announce(1, &[v4(1)], attributes(1, 2));
    let valid = |variant: u32| {
        let vrp = policy::Vrp { prefix: v4(1), max_len: 24, asn: Asn(20_000 + variant) };
        let vrps = Arc::new(policy::VrpTable::from_vrps([vrp]));
        policy::RoutingData { vrps, ..Default::default() }
    };
    exchange.set_data(valid(1), &rib::Changed::All);
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    exchange.set_data(valid(2), &rib::Changed::Prefixes(vec![v4(1)]));
    exchange.announce(0, &[v4(1)], attributes(0, 3));
    exchange.turn(0, usize::MAX, false);
    exchange.deliver(0, usize::MAX);
    assert_eq!(exchange.sees(2, v4(1)), Some((1, 2)));
}
