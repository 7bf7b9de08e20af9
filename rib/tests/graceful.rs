//! Graceful restart (RFC 4724) and long-lived graceful restart (RFC 9494) of a member.

mod common;

use bgp_wire::{Community, Families, Family};
use common::{Exchange, MemberKind, attributes, not_to, policy, v4, with_communities};
use policy::Slot;
use rib::{Cursor, RouteFilter, RouteView, ShardInput, ShardOutput};

const LLGR_STALE: Community = Community(0xFFFF_0006);
const NO_LLGR: (u16, u16) = (0xFFFF, 7);

fn routes(exchange: &Exchange) -> Vec<RouteView> {
    exchange.shards[0].routes(&RouteFilter::default(), Cursor::START, 1000).routes
}

/// Member 0 has sent twenty prefixes; member 2 has LLGR.
fn exchange() -> Exchange {
    let mut kinds = vec![MemberKind::PLAIN; 4];
    kinds[2].llgr = true;
    let mut exchange = Exchange::new(&kinds, 1, policy(4, 1));
    (0..4).for_each(|slot| exchange.up(slot));
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    exchange.take_batches();
    exchange
}

#[test]
fn rfc4724_stale_routes_stay_and_what_is_not_sent_again_goes_at_end_of_rib() {
    let mut exchange = exchange();
    exchange.down(0, true);
    exchange.settle();
    assert!(routes(&exchange).iter().all(|route| route.stale));
    assert_eq!(exchange.workers[1].table.len(), 20);
    exchange.up(0);
    exchange.announce(0, &(0..15).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.announce(0, &[v4(15)], attributes(0, 2));
    exchange.settle();
    assert_eq!(routes(&exchange).iter().filter(|route| route.stale).count(), 4);
    exchange.end_of_rib(0);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 16);
    assert_eq!(exchange.sees(1, v4(15)), Some((0, 2)));
    // Nothing was said about what came back as it was.
    let told: usize = exchange
        .take_batches()
        .iter()
        .filter(|batch| batch.peers.contains(Slot(1)))
        .map(|batch| batch.nlri.len())
        .sum();
    assert_eq!(told, 1 + 4);
    assert_eq!(exchange.limits[0].count(Family::V4), 16);
}

#[test]
fn rfc4724_an_end_of_rib_without_a_restart_removes_nothing() {
    let mut exchange = exchange();
    exchange.end_of_rib(0);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 20);
}

#[test]
fn rfc4724_what_does_not_come_back_in_time_goes() {
    let mut exchange = exchange();
    exchange.down(0, true);
    exchange.settle();
    let families = Families::BOTH;
    exchange.send(0, ShardInput::Sweep { slot: Slot(0), families });
    exchange.settle();
    assert!(exchange.workers[1].table.is_empty());
    assert_eq!(exchange.limits[0].count(Family::V4), 0);
}

#[test]
fn rfc4724_a_second_restart_before_end_of_rib_keeps_no_route_of_the_first() {
    let mut exchange = exchange();
    exchange.down(0, true);
    exchange.up(0);
    exchange.announce(0, &(0..5).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.down(0, true);
    exchange.up(0);
    exchange.announce(0, &(5..7).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.end_of_rib(0);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 2);
}

#[test]
fn a_purge_spares_what_the_next_session_sends_meanwhile() {
    let mut exchange = exchange();
    exchange.down(0, false);
    exchange.up(0);
    exchange.announce(0, &(0..8).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.down(0, true);
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 8);
}

#[test]
fn rfc9494_long_lived_stale_routes_are_marked_least_preferred_and_kept_from_others() {
    let mut exchange = exchange();
    exchange.announce(0, &[v4(3)], with_communities(attributes(0, 1), [NO_LLGR]));
    let mut longer = attributes(1, 7);
    longer.as_path = longer.as_path.prepend(common::asn_of(1), 3);
    exchange.announce(1, &[v4(5)], longer);
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(5)), Some((0, 1)));
    exchange.down(0, true);
    let families = Families::BOTH;
    exchange.send(0, ShardInput::LongLivedStale { slot: Slot(0), families });
    exchange.settle();
    // Member 2 negotiated LLGR and sees the mark; members 1 and 3 did not.
    let stale = &exchange.workers[2].table[&(v4(1), 0)];
    assert!(stale.communities.contains(&LLGR_STALE));
    assert_eq!(exchange.sees(1, v4(1)), None);
    assert_eq!(exchange.sees(3, v4(1)), None);
    // Least preferred, whatever the path length.
    assert_eq!(exchange.sees(2, v4(5)), Some((1, 7)));
    assert_eq!(exchange.sees(3, v4(5)), Some((1, 7)));
    // NO_LLGR.
    assert_eq!(exchange.sees(2, v4(3)), None);
    assert!(routes(&exchange).iter().all(|route| route.long_lived_stale || route.source.0 == 1));
    // It comes back: everything as before.
    exchange.up(0);
    exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.end_of_rib(0);
    exchange.settle();
    assert_eq!(exchange.workers[3].table.len(), 20);
    assert_eq!(exchange.sees(3, v4(5)), Some((0, 1)));
    assert!(!exchange.workers[2].table[&(v4(1), 0)].communities.contains(&LLGR_STALE));
}

/// The mark is not one community too many.
#[test]
fn rfc9494_a_route_with_as_many_communities_as_there_may_be_is_kept() {
    let mut exchange = exchange();
    let full = |count| with_communities(attributes(0, 1), (0..count).map(|n| (7, n)));
    exchange.announce(0, &[v4(1)], full(100));
    exchange.announce(0, &[v4(2)], full(101));
    exchange.settle();
    assert_eq!((exchange.sees(2, v4(1)), exchange.sees(2, v4(2))), (Some((0, 1)), None));
    exchange.down(0, true);
    exchange.long_lived(0);
    exchange.settle();
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
    let stale = &exchange.workers[2].table[&(v4(1), 0)];
    assert!(stale.communities.contains(&LLGR_STALE) && stale.communities.len() == 101);
    assert!(routes(&exchange).iter().all(|route| route.reject.is_none() || route.prefix == v4(2)));
}

#[test]
fn rfc9494_a_mark_from_outside_is_kept_from_those_without_llgr_too() {
    let mut exchange = exchange();
    exchange.announce(0, &[v4(1)], with_communities(attributes(0, 1), [(0xFFFF, 6)]));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), None, "with well-known communities not honoured");
    assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
}

#[test]
fn rfc9494_the_long_restart_ends_too() {
    let mut exchange = exchange();
    exchange.down(0, true);
    let families = Families::BOTH;
    exchange.send(0, ShardInput::LongLivedStale { slot: Slot(0), families });
    exchange.settle();
    assert_eq!(exchange.workers[2].table.len(), 20);
    let generation = exchange.generation(0);
    exchange.log.clear();
    exchange.send(0, ShardInput::Down { slot: Slot(0), generation, stale: false });
    exchange.settle();
    assert!(exchange.workers[2].table.is_empty());
    assert!(matches!(exchange.log[..], [ShardOutput::Purged { slot: Slot(0), .. }]));
}

#[test]
fn rfc7313_routes_not_sent_between_borr_and_eorr_go() {
    let mut exchange = exchange();
    let (slot, generation, family) = (Slot(0), exchange.generation(0), Family::V4);
    exchange.send(0, ShardInput::MarkStale { slot, generation, family });
    exchange.announce(0, &(0..12).map(v4).collect::<Vec<_>>(), attributes(0, 1));
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 20);
    exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 12);
}

/// So many rounds that the first cannot be told from those to come by the sign of a difference.
const MANY: u32 = 40_000;

#[test]
fn rfc7313_refreshes_that_begin_again_and_again_make_no_route_immortal() {
    for announcing in [true, false] {
        let mut exchange = exchange();
        let (slot, generation, family) = (Slot(0), exchange.generation(0), Family::V4);
        let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
        for _ in 0..MANY {
            exchange.send(0, ShardInput::MarkStale { slot, generation, family });
            if announcing {
                exchange.ingest(0, &[v4(1)], &[], Some(set.clone()));
            }
        }
        exchange.settle();
        // What was not sent in thousands of refreshes goes without an end of them; BoRR after BoRR
        // is no refresh.
        let left = exchange.workers[1].table.len();
        assert_eq!(left, if announcing { 1 } else { 20 });
        exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
        exchange.settle();
        assert_eq!(exchange.workers[1].table.len(), usize::from(announcing));
        exchange.down(0, false);
        exchange.settle();
        assert!(exchange.workers[1].table.is_empty());
        assert_eq!(exchange.limits[0].count(Family::V4), 0);
    }
}

/// All in one turn: what the first sweep is to remove has not been visited when the last begins.
#[test]
fn rfc7313_refreshes_that_outrun_their_sweeps_make_no_route_immortal() {
    let mut exchange = exchange();
    let (slot, generation, family) = (Slot(0), exchange.generation(0), Family::V4);
    let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
    for _ in 0..MANY {
        exchange.send(0, ShardInput::MarkStale { slot, generation, family });
        exchange.ingest(0, &[v4(1)], &[], Some(set.clone()));
        exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
    }
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 1);
}

/// A member whose own sweeps never end does not keep up those of others.
#[test]
fn rfc7313_refreshes_without_end_keep_nobody_elses_routes() {
    let mut exchange = exchange();
    exchange.announce(1, &(100..180).map(v4).collect::<Vec<_>>(), attributes(1, 1));
    exchange.settle();
    assert_eq!(exchange.workers[2].table.len(), 100);
    exchange.down(1, false);
    let (slot, generation, family) = (Slot(0), exchange.generation(0), Family::V4);
    let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
    let prefixes: Vec<_> = (0..20).map(v4).collect();
    for _ in 0..60 {
        exchange.send(0, ShardInput::MarkStale { slot, generation, family });
        exchange.ingest(0, &prefixes, &[], Some(set.clone()));
        exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
        exchange.turn(0, usize::MAX, true);
        exchange.deliver(0, usize::MAX);
    }
    let purged = |output: &ShardOutput| matches!(output, ShardOutput::Purged { slot: Slot(1), .. });
    assert!(exchange.log.iter().any(purged));
    assert_eq!(exchange.workers[2].table.len(), 20);
}

/// So that its slot may be another's, whatever keeps the shard busy.
#[test]
fn a_slot_is_settled_when_its_own_sweep_is_through() {
    let mut exchange = exchange();
    let prefixes: Vec<_> = (100..120).map(v4).collect();
    exchange.announce(1, &prefixes, attributes(1, 1));
    exchange.settle();
    exchange.down(0, false);
    exchange.turn(0, usize::MAX, false);
    assert!(!exchange.shards[0].is_settled(Slot(0)) && exchange.shards[0].is_settled(Slot(1)));
    let (slot, generation, family) = (Slot(1), exchange.generation(1), Family::V4);
    for _ in 0..30 {
        exchange.send(0, ShardInput::MarkStale { slot, generation, family });
        exchange.announce(1, &prefixes, attributes(1, 1));
        exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
        exchange.turn(0, usize::MAX, true);
    }
    assert!(exchange.shards[0].pending_work() && exchange.shards[0].is_settled(Slot(0)));
}

#[test]
fn rfc4724_restarts_without_an_end_make_no_route_immortal() {
    let mut exchange = exchange();
    let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
    for _ in 0..MANY {
        exchange.down(0, true);
        exchange.up(0);
        exchange.ingest(0, &[v4(1)], &[], Some(set.clone()));
    }
    exchange.settle();
    assert_eq!(exchange.workers[1].table.len(), 1);
    exchange.down(0, false);
    exchange.settle();
    assert!(exchange.workers[1].table.is_empty());
}

#[test]
fn a_stale_route_still_obeys_a_new_policy() {
    let mut exchange = exchange();
    exchange.down(0, true);
    exchange.announce(1, &[v4(1)], with_communities(attributes(1, 1), [not_to(3)]));
    let mut config = common::policy_config(4, 2, policy::MedMode::Off);
    let import = policy::ImportPolicy { as_path_max: 1, ..(*config.import).clone() };
    let import = std::sync::Arc::new(import);
    config.peers.iter_mut().flatten().for_each(|peer| peer.import = import.clone());
    exchange.set_policy(std::sync::Arc::new(policy::Policy::new(config).unwrap()));
    exchange.settle();
    assert!(exchange.workers[3].table.is_empty());
}

#[test]
fn rfc7313_a_route_sent_again_from_the_same_interned_set_is_not_stale() {
    let mut exchange = Exchange::plain(2, 1);
    exchange.announced.insert((0, 1), vec![attributes(0, 1)]);
    let set = rib::AttributeSet::new(Slot(0), attributes(0, 1));
    let (slot, generation, family) = (Slot(0), exchange.generation(0), Family::V4);
    exchange.ingest(0, &[v4(1), v4(2)], &[], Some(set.clone()));
    exchange.send(0, ShardInput::MarkStale { slot, generation, family });
    exchange.ingest(0, &[v4(1)], &[], Some(set));
    exchange.send(0, ShardInput::EndOfRib { slot, generation, family });
    exchange.settle();
    assert_eq!(exchange.sees(1, v4(1)), Some((0, 1)));
    assert_eq!(exchange.sees(1, v4(2)), None);
}

#[test]
fn rfc4724_a_restart_with_another_bgp_identifier_is_told_to_everybody() {
    for (id, winner) in [(1, 1), (200, 0)] {
        let mut exchange = Exchange::new(&[MemberKind::PLAIN; 3], 1, policy(3, 1));
        // Member 1 begins as the less, or as the more preferred of the two.
        exchange.router_ids = vec![0x0A00_0064, 0x0A00_0000 + 201 - id, 0x0A00_0001];
        (0..3).for_each(|slot| exchange.up(slot));
        exchange.announce(0, &(0..20).map(v4).collect::<Vec<_>>(), attributes(0, 1));
        exchange.announce(1, &(0..20).map(v4).collect::<Vec<_>>(), attributes(1, 1));
        exchange.settle();
        assert_eq!(exchange.sees(2, v4(3)), Some((1 - winner, 1)));
        exchange.down(1, true);
        exchange.settle();
        exchange.router_ids[1] = 0x0A00_0000 + id;
        exchange.up(1);
        exchange.settle();
        for n in 0..20 {
            assert_eq!(exchange.sees(2, v4(n)), Some((winner, 1)), "with identifier {id}");
        }
    }
}
