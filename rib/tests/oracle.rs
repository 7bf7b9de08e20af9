//! Random members, routes, communities, flaps, stalls, changes of policy, VRPs, ASPAs and IRR sets, refreshes, under a
//! scheduler that interleaves shards and workers at random: after everything has settled, each
//! member holds what a naive table made for it alone holds.

mod common;

use bgp_wire::Community;
use common::run::{Attributes, MEMBERS, Op, PREFIXES, Run};
use common::v4;
use policy::MedMode;
use proptest::prelude::*;

fn attributes_strategy() -> impl Strategy<Value = Attributes> {
    (
        (0..40u16, any::<bool>(), prop::bool::weighted(0.3), 0..3u32, prop::bool::weighted(0.8)),
        prop_oneof![4 => Just(0u8), 2 => any::<u8>()],
        prop_oneof![5 => Just(None), 1 => any::<u8>().prop_map(Some)],
        prop_oneof![4 => Just(0u8), 1 => any::<u8>()],
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(facts, not_to, only_to, prepend, v6_next_hop, no_llgr)| {
            let (variant, longer, same_neighbour, med, origin) = facts;
            Attributes {
                variant,
                longer,
                same_neighbour,
                med,
                origin,
                not_to,
                only_to,
                prepend,
                v6_next_hop,
                no_llgr,
            }
        })
}

fn op_strategy() -> impl Strategy<Value = Op> {
    let slot = 0..MEMBERS as u16;
    let shard = 0..8usize;
    prop_oneof![
        2 => slot.clone().prop_map(Op::Up),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, id)| Op::UpAs(slot, id)),
        1 => (slot.clone(), any::<bool>()).prop_map(|(slot, stale)| Op::Down { slot, stale }),
        8 => (slot.clone(), 0..PREFIXES, 1..6u32, attributes_strategy()).prop_map(
            |(slot, first, count, attributes)| Op::Announce { slot, first, count, attributes }
        ),
        3 => (slot.clone(), 0..PREFIXES, 1..6u32)
            .prop_map(|(slot, first, count)| Op::Withdraw { slot, first, count }),
        1 => slot.clone().prop_map(Op::EndOfRib),
        1 => slot.clone().prop_map(Op::LongLived),
        1 => slot.clone().prop_map(Op::TimeOver),
        1 => slot.clone().prop_map(Op::Stall),
        1 => slot.clone().prop_map(Op::Resume),
        1 => slot.clone().prop_map(Op::Refresh),
        1 => any::<u8>().prop_map(|closed| Op::Policy { closed }),
        1 => any::<u8>().prop_map(Op::Vrps),
        1 => any::<u8>().prop_map(Op::Aspas),
        2 => (0..MEMBERS as u16, any::<u8>(), any::<u16>())
            .prop_map(|(member, origins, prefixes)| Op::Irr { member, origins, prefixes }),
        6 => (shard.clone(), 0..4usize, any::<bool>())
            .prop_map(|(shard, inputs, work)| Op::Turn { shard, inputs, work }),
        6 => (shard, 0..6usize).prop_map(|(shard, count)| Op::Deliver { shard, count }),
    ]
}

fn check(ops: &[Op], med: MedMode) {
    for shards in [1, 8] {
        let mut run = Run::new(shards, med);
        ops.iter().for_each(|op| run.step(op));
        run.finish();
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op_strategy(), 1..200).prop_map(|mut ops| {
        // Most members are there from the beginning, else little happens.
        let mut all: Vec<Op> = (0..MEMBERS as u16 - 2).map(Op::Up).collect();
        all.append(&mut ops);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_member_holds_what_a_table_of_its_own_would_hold(ops in ops()) {
        check(&ops, MedMode::Off);
    }

    #[test]
    fn with_med_between_routes_of_the_same_neighbour_too(ops in ops()) {
        check(&ops, MedMode::SameAs);
    }
}

#[test]
fn communities_of_the_harness_are_those_of_the_policy() {
    let made = Attributes {
        variant: 1,
        longer: false,
        same_neighbour: false,
        med: 0,
        origin: true,
        not_to: 0b10,
        only_to: None,
        prepend: 0b100,
        v6_next_hop: false,
        no_llgr: false,
    }
    .make(0, false);
    assert!(made.communities.contains(&Community::new(0, 1002)));
    let mut run = Run::new(1, MedMode::Off);
    (0..3).for_each(|slot| run.exchange.up(slot));
    run.exchange.announce(0, &[v4(0)], made);
    run.exchange.settle();
    assert_eq!(run.exchange.sees(1, v4(0)), None, "not to member 1");
    let prepended = run.exchange.workers[2].table.values().next();
    assert_eq!(prepended.map(|a| a.as_path.length()), Some(3), "prepended towards member 2");
}
