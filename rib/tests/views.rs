//! What operators see: listings, counters, explanations.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp_wire::{Asn, Community, Family, LargeCommunity, Prefix};
use common::{
    Exchange, MemberKind, attributes, attributes_v6, not_to, policy_config, v4, v6,
    with_communities,
};
use policy::{Criterion, Kind, MedMode, Policy, PolicyConfig, RejectReason, Role, Slot};
use rib::{AnyCommunity, CandidateOutcome, Cursor, Mark, PrefixMatch, RouteFilter, RouteView};

fn list(exchange: &Exchange, filter: &RouteFilter, limit: usize) -> Vec<RouteView> {
    let mut routes = Vec::new();
    for shard in &exchange.shards {
        let mut cursor = Cursor::START;
        loop {
            let page = shard.routes(filter, cursor, limit);
            routes.extend(page.routes);
            let Some(next) = page.next else { break };
            assert!(next > cursor);
            cursor = next;
        }
    }
    routes
}

fn prefixes(routes: &[RouteView]) -> BTreeSet<Prefix> {
    routes.iter().map(|route| route.prefix).collect()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn exchange() -> Exchange {
    let mut exchange = Exchange::plain(4, 2);
    let nested = ["20.0.0.0/8", "20.1.0.0/16", "20.1.2.0/24", "20.2.0.0/16", "21.0.0.0/8"];
    exchange.announce(0, &nested.map(prefix), attributes(0, 1));
    exchange.announce(
        1,
        &[prefix("20.1.0.0/16")],
        with_communities(attributes(1, 2), [(7, 7), not_to(3)]),
    );
    exchange.announce(1, &[v6(1)], attributes_v6(1, 3));
    // Too long for the policy.
    exchange.announce(2, &[prefix("20.1.2.128/25"), prefix("20.1.2.0/24")], attributes(2, 4));
    exchange.settle();
    exchange
}

#[test]
fn a_listing_in_pages_shows_each_route_once() {
    let exchange = exchange();
    for limit in [1, 2, 100] {
        let routes = list(&exchange, &RouteFilter::default(), limit);
        let all: BTreeSet<_> = routes.iter().map(|r| (r.prefix, r.source.0)).collect();
        assert_eq!((routes.len(), all.len()), (9, 9));
    }
    let v6_only = RouteFilter { family: Some(Family::V6), ..RouteFilter::default() };
    assert_eq!(prefixes(&list(&exchange, &v6_only, 10)), BTreeSet::from([v6(1)]));
}

#[test]
fn prefixes_are_found_exactly_covering_covered_and_by_longest_match() {
    let exchange = exchange();
    let found = |text: &str, how: PrefixMatch| {
        let filter = RouteFilter { prefix: Some((prefix(text), how)), ..RouteFilter::default() };
        prefixes(&list(&exchange, &filter, 2)).iter().map(Prefix::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found("20.1.0.0/16", PrefixMatch::Exact), ["20.1.0.0/16"]);
    assert_eq!(
        found("20.1.2.0/24", PrefixMatch::Covering),
        ["20.0.0.0/8", "20.1.0.0/16", "20.1.2.0/24"]
    );
    assert_eq!(
        found("20.1.0.0/16", PrefixMatch::Covered),
        ["20.1.0.0/16", "20.1.2.0/24", "20.1.2.128/25"]
    );
    // The longest of each shard: the asker keeps the longest of these.
    assert!(found("20.1.2.3/32", PrefixMatch::Longest).contains(&"20.1.2.0/24".to_owned()));
    assert!(found("99.0.0.0/8", PrefixMatch::Longest).is_empty());
}

#[test]
fn routes_are_found_by_source_receiver_reason_community_and_origin() {
    let exchange = exchange();
    let count = |filter: RouteFilter| list(&exchange, &filter, 3).len();
    let filter = RouteFilter::default;
    assert_eq!(count(RouteFilter { from: Some(Slot(0)), ..filter() }), 5);
    assert_eq!(count(RouteFilter { from: Some(Slot(3)), ..filter() }), 0);
    assert_eq!(count(RouteFilter { filtered: Some(true), ..filter() }), 1);
    assert_eq!(count(RouteFilter { filtered: Some(false), ..filter() }), 8);
    assert_eq!(count(RouteFilter { best: true, ..filter() }), 6);
    let community = Some(AnyCommunity::Standard(Community::new(7, 7)));
    assert_eq!(count(RouteFilter { community, ..filter() }), 1);
    assert_eq!(count(RouteFilter { origin: Some(Asn(20_004)), ..filter() }), 2);
    // An Adj-RIB-Out has one route for each prefix, with the attributes as sent.
    let to_three = list(&exchange, &RouteFilter { to: Some(Slot(3)), ..filter() }, 2);
    assert_eq!(to_three.len(), 6);
    let sent = to_three.iter().find(|r| r.prefix == prefix("20.1.0.0/16")).unwrap();
    assert_eq!(sent.source, Slot(0), "member 1's is not for member 3");
    let to_zero = list(&exchange, &RouteFilter { to: Some(Slot(0)), ..filter() }, 2);
    let sent = to_zero.iter().find(|r| r.prefix == prefix("20.1.0.0/16")).unwrap();
    assert_eq!(sent.source, Slot(1));
    let outgoing = &sent.outgoing.as_ref().unwrap().attributes;
    assert_eq!(outgoing.communities.to_vec(), [Community::new(7, 7)], "scrubbed");
    assert!(sent.set.attributes().communities.len() == 2, "as received");
    assert!(sent.received.is_some() && sent.reject.is_none() && sent.class.is_some());
}

#[test]
fn counters_follow_routes_reasons_and_policy() {
    let mut exchange = exchange();
    let sum = |exchange: &Exchange, slot: u16| {
        exchange.shards.iter().filter_map(|s| s.counters().slot(Slot(slot))).fold(
            (0, 0, 0, 0),
            |sum, c| {
                let long = c.filtered(Family::V4, RejectReason::PrefixTooLong);
                let total = c.filtered_total(Family::V4);
                (sum.0 + c.received[0], sum.1 + c.accepted[0], sum.2 + long, sum.3 + total)
            },
        )
    };
    assert_eq!(sum(&exchange, 0), (5, 5, 0, 0));
    assert_eq!(sum(&exchange, 2), (2, 1, 1, 1));
    let exported: u64 = exchange.shards.iter().map(|s| s.exported()[3][0]).sum();
    assert_eq!(exported, 5);
    let mut config = policy_config(4, 2, MedMode::Off);
    let mut import = (*config.import).clone();
    import.as_path_max = 1;
    let import = std::sync::Arc::new(import);
    config.peers.iter_mut().flatten().for_each(|peer| peer.import = import.clone());
    exchange.set_policy(std::sync::Arc::new(Policy::new(config).unwrap()));
    exchange.settle();
    assert_eq!(sum(&exchange, 0), (5, 0, 0, 5));
    assert_eq!(sum(&exchange, 2), (2, 0, 0, 2), "the path is looked at first");
    exchange.down(2, false);
    exchange.settle();
    assert_eq!(sum(&exchange, 2), (0, 0, 0, 0));
}

#[test]
fn an_explanation_names_the_check_the_rule_and_the_winner() {
    let mut exchange = Exchange::plain(5, 1);
    let p = v4(1);
    let mut longer = attributes(1, 2);
    longer.as_path = longer.as_path.prepend(common::asn_of(1), 1);
    exchange.announce(0, &[p], with_communities(attributes(0, 1), [not_to(3)]));
    exchange.announce(1, &[p], longer);
    let mut refused = attributes(2, 3);
    refused.as_path = refused.as_path.prepend(common::asn_of(2), 40);
    exchange.announce(2, &[p], refused);
    exchange.settle();
    let outcomes = |exchange: &Exchange, to: u16| -> Vec<_> {
        let explained = exchange.shards[0].explain(&p, Slot(to));
        explained.candidates.iter().map(|c| (c.route.source.0, c.outcome)).collect()
    };
    let too_long = (2, CandidateOutcome::Rejected(RejectReason::AsPathTooLong));
    assert_eq!(
        outcomes(&exchange, 4),
        [
            (0, CandidateOutcome::Given),
            (1, CandidateOutcome::LessPreferred { than: Slot(0), by: Criterion::PathLength }),
            too_long
        ]
    );
    assert_eq!(
        outcomes(&exchange, 3),
        [(0, CandidateOutcome::Withheld), (1, CandidateOutcome::Given), too_long]
    );
    assert_eq!(
        outcomes(&exchange, 0)[..2],
        [(0, CandidateOutcome::OwnRoute), (1, CandidateOutcome::Given)]
    );
    let explained = exchange.shards[0].explain(&p, Slot(3));
    assert_eq!(explained.chosen, [1]);
    let steps = &explained.candidates[0].export;
    assert!(steps.iter().any(|step| step.withheld && step.peers.contains(Slot(3))), "{steps:?}");
    let refusal = explained.candidates[2].import.last().unwrap();
    assert_eq!(refusal.reason, Some(RejectReason::AsPathTooLong));
    exchange.down(4, false);
    exchange.settle();
    assert_eq!(outcomes(&exchange, 4)[0], (0, CandidateOutcome::NoSession));
    assert!(exchange.shards[0].explain(&v4(2), Slot(3)).candidates.is_empty());
}

#[test]
fn an_explanation_holds_together_while_a_policy_is_being_applied() {
    let mut exchange = Exchange::plain(3, 1);
    let p = v4(1);
    let mut longer = attributes(1, 2);
    longer.as_path = longer.as_path.prepend(common::asn_of(1), 1);
    exchange.announce(0, &[p], attributes(0, 1));
    exchange.announce(1, &[p], longer);
    exchange.settle();
    let outcomes = |exchange: &Exchange| -> Vec<_> {
        let explained = exchange.shards[0].explain(&p, Slot(2));
        explained.candidates.iter().map(|c| (c.route.source.0, c.outcome)).collect()
    };
    let mut config = policy_config(3, 2, MedMode::Off);
    let member = config.peers[0].as_mut().unwrap();
    Arc::make_mut(&mut member.import).transit_free = [Asn(20_001)].into();
    exchange.set_policy(Arc::new(Policy::new(config).unwrap()));
    // In force, and nothing judged by it: member 2 still has what is not allowed any more.
    exchange.turn(0, usize::MAX, false);
    assert_eq!(
        outcomes(&exchange)[1].1,
        CandidateOutcome::LessPreferred { than: Slot(0), by: Criterion::PathLength }
    );
    exchange.shards[0].freshen(&p);
    exchange.turn(0, 0, false);
    let refused = CandidateOutcome::Rejected(RejectReason::TransitFree);
    assert_eq!(outcomes(&exchange), [(1, CandidateOutcome::Given), (0, refused)]);
    exchange.deliver(0, usize::MAX);
    assert_eq!(exchange.sees(2, p), Some((1, 2)));
    exchange.settle();
    assert_eq!(outcomes(&exchange), [(1, CandidateOutcome::Given), (0, refused)]);
}

#[test]
fn what_a_walk_still_owes_is_not_in_the_view() {
    let mut exchange = Exchange::plain(3, 1);
    exchange.announce(0, &(0..12).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    exchange.down(1, false);
    exchange.up(1);
    exchange.turn(0, usize::MAX, true);
    let filter = RouteFilter { to: Some(Slot(1)), ..RouteFilter::default() };
    assert_eq!(list(&exchange, &filter, 100).len(), 4, "one segment");
    let owed = exchange.shards[0].explain(&v4(11), Slot(1));
    assert_eq!(owed.candidates[0].outcome, CandidateOutcome::Owed);
    exchange.settle();
    assert_eq!(list(&exchange, &filter, 100).len(), 12);
}

/// What was done to a route is counted as long as it is there, by the policy in force.
#[test]
fn marks_are_counted_with_their_routes() {
    let mut config = policy_config(3, 1, MedMode::Off);
    config.kind = Kind::Transitable;
    let sponsor = |config: &mut PolicyConfig, role| {
        config.peers[0].as_mut().unwrap().role = role;
    };
    sponsor(&mut config, Role::TransitSponsor);
    let policy = |config: &PolicyConfig| Arc::new(Policy::new(config.clone()).unwrap());
    let mut exchange = Exchange::new(&[MemberKind::PLAIN; 3], 2, policy(&config));
    (0..3).for_each(|slot| exchange.up(slot));
    let large = |local1, local2| LargeCommunity { global: common::RS, local1, local2 };
    let with = |slot, communities: &[LargeCommunity]| {
        let mut attributes = attributes(slot, 1);
        attributes.large_communities = communities.into();
        attributes
    };
    let transit = large(65530, 7);
    exchange.announce(0, &[v4(0), v4(1)], attributes(0, 1));
    exchange.announce(0, &[v4(2)], with(0, &[transit]));
    exchange.announce(1, &[v4(3)], with(1, &[transit, large(1000, 1)]));
    exchange.settle();
    let counted = |exchange: &Exchange, slot: u16| {
        let of = |mark| {
            let slots = exchange.shards.iter().filter_map(|s| s.counters().slot(Slot(slot)));
            slots.map(|counters| counters.marked(Family::V4, mark)).sum::<u32>()
        };
        Mark::ALL.map(of)
    };
    // Transit, tagged by us, TRANSIT scrubbed, others scrubbed, link-local half stripped.
    assert_eq!(counted(&exchange, 0), [3, 2, 0, 0, 0]);
    assert_eq!(counted(&exchange, 1), [0, 0, 1, 1, 0]);
    exchange.announce(0, &[v4(1)], with(0, &[transit]));
    exchange.withdraw(0, &[v4(0)]);
    exchange.settle();
    assert_eq!(counted(&exchange, 0), [2, 0, 0, 0, 0]);
    // No sponsor any more: it may not set TRANSIT.
    config.epoch = 2;
    sponsor(&mut config, Role::Downstream);
    exchange.set_policy(policy(&config));
    exchange.settle();
    assert_eq!(counted(&exchange, 0), [0, 0, 2, 0, 0]);
    exchange.down(0, false);
    exchange.settle();
    assert_eq!(counted(&exchange, 0), [0; 5]);
    assert_eq!(counted(&exchange, 1), [0, 0, 1, 1, 0]);
}
