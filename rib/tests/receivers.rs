//! A policy that differs in whom the routes of some sources go to: only those are decided again.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::Arc;

use common::{Exchange, attributes, policy_config, v4};
use policy::rpsl::parse_attribute;
use policy::{MedMode, PeerFilter, Policy};

const MEMBERS: usize = 4;

/// Member 0 sends to everybody but those with these AS numbers.
fn but_not_to(epoch: u64, refused: &[u32]) -> Arc<Policy> {
    let mut config = policy_config(MEMBERS, epoch, MedMode::Off);
    let line = |asn: &u32| {
        let text = format!("AS{} to AS{asn} announce NOT ANY", config.asn);
        parse_attribute("export-via", &text).unwrap()
    };
    let lines: Vec<_> = refused.iter().flat_map(line).collect();
    let filter = PeerFilter::compile(&lines, config.asn, |_| None).filter;
    config.peers[0].as_mut().unwrap().rpsl = Some(Arc::new(filter));
    Arc::new(Policy::new(config).unwrap())
}

/// A route of member 1 that is no one's first choice.
fn longer(variant: u16) -> bgp_wire::PathAttributes {
    let mut longer = attributes(1, variant);
    longer.as_path = longer.as_path.prepend(common::asn_of(1), 1);
    longer
}

fn exchange(shards: usize) -> Exchange {
    let mut exchange = Exchange::plain(MEMBERS, shards);
    exchange.announce(0, &[v4(1), v4(2)], attributes(0, 1));
    exchange.announce(1, &[v4(1), v4(3)], longer(1));
    exchange.announce(2, &[v4(4)], attributes(2, 1));
    exchange.settle();
    exchange.take_batches();
    exchange
}

#[test]
fn only_the_sources_with_other_receivers_are_decided_again() {
    for shards in [1, 3] {
        let mut exchange = exchange(shards);
        assert_eq!(exchange.sees(3, v4(1)), Some((0, 1)));
        exchange.set_receivers(but_not_to(2, &[common::asn_of(3).0]));
        exchange.settle();
        assert_eq!(exchange.sees(3, v4(1)), Some((1, 1)), "the next best");
        assert_eq!(exchange.sees(3, v4(2)), None);
        assert_eq!(exchange.sees(3, v4(3)), Some((1, 1)));
        assert_eq!(exchange.sees(2, v4(1)), Some((0, 1)));
        for batch in exchange.take_batches() {
            assert_eq!(batch.peers.iter().map(|slot| slot.0).collect::<Vec<_>>(), [3]);
            let those = [v4(1), v4(2)];
            assert!(batch.nlri.iter().all(|nlri| those.contains(&nlri.prefix)), "{batch:?}");
        }
        // And back.
        exchange.set_receivers(but_not_to(3, &[]));
        exchange.settle();
        assert_eq!(exchange.sees(3, v4(1)), Some((0, 1)));
        assert_eq!(exchange.sees(3, v4(2)), Some((0, 1)));
        assert!(exchange.shards.iter().all(|shard| !shard.pending_work()));
    }
}

#[test]
fn what_is_touched_before_the_pass_comes_to_it_follows_the_new_policy() {
    let mut exchange = exchange(1);
    exchange.set_receivers(but_not_to(2, &[common::asn_of(3).0]));
    // No work is done in this turn; that nothing leaves against the policy is checked in it.
    exchange.announce(1, &[v4(1)], longer(2));
    exchange.turn(0, usize::MAX, false);
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(1)), Some((1, 2)));
    assert_eq!(exchange.sees(3, v4(2)), None);
}

#[test]
fn a_whole_policy_that_is_still_spreading_spreads_on() {
    let mut exchange = exchange(1);
    let mut config = policy_config(MEMBERS, 2, MedMode::Off);
    let mut import = (*config.import).clone();
    import.as_path_max = 1;
    config.peers[2].as_mut().unwrap().import = Arc::new(import);
    exchange.set_policy(Arc::new(Policy::new(config.clone()).unwrap()));
    exchange.turn(0, usize::MAX, false);
    config.epoch = 3;
    exchange.set_receivers(Arc::new(Policy::new(config).unwrap()));
    exchange.settle();
    assert_eq!(exchange.sees(3, v4(4)), None, "its path is too long now");
    assert_eq!(exchange.sees(3, v4(1)), Some((0, 1)));
}
