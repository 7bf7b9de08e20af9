use bgp_wire::Family;
use proptest::prelude::*;

use super::*;
use crate::testing::{prefix, vrp};

fn table() -> VrpTable {
    VrpTable::from_vrps([
        vrp("10.0.0.0/8", 16, Asn(1)),
        vrp("10.0.0.0/8", 8, Asn(2)),
        vrp("10.1.0.0/16", 24, Asn(3)),
        vrp("10.2.0.0/16", 32, Asn(0)),
        vrp("2001:db8::/32", 48, Asn(1)),
    ])
}

#[test]
fn rfc6811_states() {
    let table = table();
    let state = |text: &str, asn| table.validate(&prefix(text), Some(Asn(asn)));
    assert_eq!(state("10.0.0.0/8", 1), RovState::Valid);
    assert_eq!(state("10.0.0.0/16", 1), RovState::Valid);
    assert_eq!(state("10.0.0.0/17", 1), RovState::Invalid, "longer than maxLength");
    assert_eq!(state("10.0.0.0/8", 2), RovState::Valid);
    assert_eq!(state("10.0.0.0/9", 2), RovState::Invalid);
    assert_eq!(state("10.1.0.0/16", 1), RovState::Valid, "a less specific VRP counts too");
    assert_eq!(state("10.1.2.0/24", 3), RovState::Valid);
    assert_eq!(state("10.1.2.0/24", 1), RovState::Invalid);
    assert_eq!(state("8.0.0.0/7", 1), RovState::NotFound, "a VRP does not cover what is shorter");
    assert_eq!(state("11.0.0.0/8", 1), RovState::NotFound);
    assert_eq!(state("2001:db8:1::/48", 1), RovState::Valid);
    assert_eq!(state("2001:db8:1::/49", 1), RovState::Invalid);
    assert_eq!(state("2001:db9::/32", 1), RovState::NotFound);
}

#[test]
fn rfc6483_s4_as0_matches_nothing() {
    assert_eq!(table().validate(&prefix("10.2.0.0/16"), Some(Asn(0))), RovState::Invalid);
    assert_eq!(table().validate(&prefix("10.2.0.0/24"), Some(Asn(7))), RovState::Invalid);
}

#[test]
fn no_origin_is_invalid_where_covered() {
    assert_eq!(table().validate(&prefix("10.0.0.0/8"), None), RovState::Invalid);
    assert_eq!(table().validate(&prefix("11.0.0.0/8"), None), RovState::NotFound);
}

#[test]
fn the_vrp_that_decided() {
    let by = |text: &str, asn| table().validate_by(&prefix(text), Some(Asn(asn))).1;
    assert_eq!(by("10.1.0.0/16", 1), Some(vrp("10.0.0.0/8", 16, Asn(1))));
    assert_eq!(by("10.1.0.0/16", 9), Some(vrp("10.1.0.0/16", 24, Asn(3))), "the most specific");
    assert_eq!(by("11.0.0.0/8", 9), None);
}

#[test]
fn impossible_lengths_are_no_vrps() {
    let table = VrpTable::from_vrps([
        vrp("10.0.0.0/8", 7, Asn(1)),
        vrp("10.0.0.0/8", 33, Asn(1)),
        vrp("10.0.0.0/8", 32, Asn(1)),
        vrp("10.0.0.0/8", 32, Asn(1)),
    ]);
    assert_eq!(table.len(), 1);
}

fn some_vrp() -> impl Strategy<Value = Vrp> {
    (any::<bool>(), 0u128..16, 1u8..=12, 0u8..=8, 0u32..4).prop_map(|(v6, bits, len, more, asn)| {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let prefix = Prefix::from_bits(family, bits << 120, len).unwrap();
        Vrp { prefix, max_len: len + more, asn: Asn(asn) }
    })
}

/// RFC 6811 §2, word for word.
fn naive(vrps: &[Vrp], prefix: &Prefix, origin: Option<Asn>) -> RovState {
    let covered: Vec<&Vrp> = vrps.iter().filter(|vrp| vrp.prefix.covers(prefix)).collect();
    let matched = covered
        .iter()
        .any(|vrp| prefix.len() <= vrp.max_len && vrp.asn != Asn(0) && origin == Some(vrp.asn));
    match (covered.is_empty(), matched) {
        (true, _) => RovState::NotFound,
        (false, true) => RovState::Valid,
        (false, false) => RovState::Invalid,
    }
}

proptest! {
    #[test]
    fn agrees_with_the_definition(
        vrps in proptest::collection::vec(some_vrp(), 0..80),
        routes in proptest::collection::vec((some_vrp(), proptest::option::of(0u32..4)), 1..40),
    ) {
        let table = VrpTable::from_vrps(vrps.iter().copied());
        for (route, origin) in routes {
            let (prefix, origin) = (route.prefix, origin.map(Asn));
            let (state, vrp) = table.validate_by(&prefix, origin);
            prop_assert_eq!(state, naive(&vrps, &prefix, origin));
            prop_assert_eq!(vrp.is_some(), state != RovState::NotFound);
            prop_assert!(vrp.is_none_or(|vrp| vrps.contains(&vrp) && vrp.prefix.covers(&prefix)));
        }
    }

    #[test]
    fn what_is_not_among_the_changed_prefixes_keeps_its_state(
        old in proptest::collection::vec(some_vrp(), 0..40),
        new in proptest::collection::vec(some_vrp(), 0..40),
        routes in proptest::collection::vec((some_vrp(), 0u32..4), 1..40),
    ) {
        let (before, after) = (
            VrpTable::from_vrps(old.iter().copied()),
            // Some VRPs stay, as they would.
            VrpTable::from_vrps(new.into_iter().chain(old.into_iter().step_by(2))),
        );
        let changed = VrpTable::changed_prefixes(&before, &after);
        for (index, prefix) in changed.iter().enumerate() {
            let others = changed.iter().enumerate().filter(|(other, _)| *other != index);
            prop_assert!(others.into_iter().all(|(_, other)| !other.covers(prefix)));
        }
        for (route, origin) in routes {
            if !changed.iter().any(|prefix| prefix.covers(&route.prefix)) {
                let origin = Some(Asn(origin));
                prop_assert_eq!(
                    before.validate(&route.prefix, origin),
                    after.validate(&route.prefix, origin)
                );
            }
        }
    }
}

#[test]
fn equal_tables_differ_nowhere() {
    assert_eq!(VrpTable::changed_prefixes(&table(), &table()), []);
    let changed = VrpTable::changed_prefixes(&table(), &VrpTable::default());
    assert_eq!(changed, [prefix("10.0.0.0/8"), prefix("2001:db8::/32")]);
}

#[test]
fn a_full_table_is_small() {
    let vrps = (0..450_000u32).map(|index| {
        let family = if index % 4 == 0 { Family::V6 } else { Family::V4 };
        // Multiplying by an odd number spreads without collisions.
        let bits = u128::from(index.wrapping_mul(2_654_435_761)) << 96;
        let bits = if family == Family::V6 { bits >> 3 | 1 << 125 } else { bits };
        Vrp { prefix: Prefix::from_bits(family, bits, 24).unwrap(), max_len: 24, asn: Asn(index) }
    });
    let table = VrpTable::from_vrps(vrps);
    assert!(table.len() > 400_000);
    assert!(table.heap_octets() < 20 << 20, "{} octets", table.heap_octets());
}
