use bgp_wire::SegmentKind;
use proptest::prelude::*;

use super::*;

fn table(aspas: &[(u32, &[u32])]) -> AspaTable {
    AspaTable::from_aspas(
        aspas
            .iter()
            .map(|(customer, providers)| (Asn(*customer), providers.iter().copied().map(Asn))),
    )
}

/// A path as it is written: the neighbour first, the origin last.
fn path(asns: &[u32]) -> AsPath {
    AsPath::from_sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>())
}

#[test]
fn upstream_every_hop_climbs() {
    let aspas = table(&[(1, &[2]), (2, &[3])]);
    let state = |asns: &[u32]| aspas.verify_upstream(&path(asns)).state;
    assert_eq!(state(&[1]), AspaState::Valid, "nothing to attest");
    assert_eq!(state(&[2, 1]), AspaState::Valid);
    assert_eq!(state(&[3, 2, 1]), AspaState::Valid);
    assert_eq!(state(&[3, 3, 2, 2, 2, 1]), AspaState::Valid, "prepended");
    assert_eq!(state(&[4, 3, 2, 1]), AspaState::Unknown, "3 attests nothing");
    assert_eq!(state(&[4, 2, 1]), AspaState::Invalid, "4 is no provider of 2");
    assert_eq!(state(&[2, 9, 4, 1]), AspaState::Invalid, "4 is no provider of 1");
    // The hop that refutes decides, wherever the first unattested one is.
    assert_eq!(state(&[9, 2, 8]), AspaState::Invalid);
}

#[test]
fn upstream_names_the_hop_that_decided() {
    let aspas = table(&[(1, &[2]), (2, &[3])]);
    let hop = |asns: &[u32]| aspas.verify_upstream(&path(asns)).hop;
    assert_eq!(hop(&[4, 2, 1]), Some((Asn(2), Asn(4))));
    assert_eq!(hop(&[5, 4, 3, 2, 1]), Some((Asn(3), Asn(4))));
    assert_eq!(hop(&[3, 2, 1]), None);
}

#[test]
fn s25_sets_and_empty_paths_are_invalid() {
    let aspas = AspaTable::default();
    let set = AsPath::from_segments([
        (SegmentKind::Sequence, &[Asn(2)][..]),
        (SegmentKind::Set, &[Asn(1)][..]),
    ]);
    for path in [set, AsPath::empty()] {
        assert_eq!(aspas.verify_upstream(&path).state, AspaState::Invalid);
        assert_eq!(aspas.verify_downstream(&path).state, AspaState::Invalid);
    }
}

#[test]
fn s25_downstream_the_path_climbs_and_descends_and_peers_meet_at_the_top() {
    // 1 and 6 are customers, 2 and 5 their providers, 3 and 4 above them.
    let aspas = table(&[(1, &[2]), (2, &[3]), (3, &[0]), (4, &[0]), (5, &[4]), (6, &[5])]);
    let state = |asns: &[u32]| aspas.verify_downstream(&path(asns)).state;
    assert_eq!(state(&[1]), AspaState::Valid);
    assert_eq!(state(&[9, 1]), AspaState::Valid, "two ASes can always be up, or peers, or down");
    assert_eq!(state(&[3, 2, 1]), AspaState::Valid, "up only");
    assert_eq!(state(&[6, 5, 4]), AspaState::Valid, "down only");
    assert_eq!(state(&[6, 5, 4, 3, 2, 1]), AspaState::Valid, "3 and 4 are peers at the apex");
    assert_eq!(state(&[5, 4, 3, 2, 1]), AspaState::Valid);
    // A valley: 2 is a customer of 3 that passes 3's route to 7.
    assert_eq!(state(&[3, 2, 3]), AspaState::Invalid);
    assert_eq!(state(&[6, 5, 2, 3, 4]), AspaState::Invalid);
    // Two lateral hops, 3 to 7 and 7 to 4: one too many.
    assert_eq!(state(&[4, 7, 3]), AspaState::Invalid);
}

#[test]
fn downstream_without_attestations_is_unknown_from_three_ases_on() {
    let aspas = AspaTable::default();
    assert_eq!(aspas.verify_downstream(&path(&[2, 1])).state, AspaState::Valid);
    let result = aspas.verify_downstream(&path(&[3, 2, 1]));
    assert_eq!(result.state, AspaState::Unknown);
    assert_eq!(result.hop, Some((Asn(1), Asn(2))));
}

#[test]
fn several_payloads_of_a_customer_are_joined() {
    let aspas = table(&[(1, &[2]), (1, &[3, 2])]);
    assert_eq!(aspas.len(), 1);
    for provider in [2, 3] {
        assert_eq!(aspas.verify_upstream(&path(&[provider, 1])).state, AspaState::Valid);
    }
}

#[test]
fn changed_customers() {
    let (old, new) =
        (table(&[(1, &[2]), (2, &[3]), (4, &[5])]), table(&[(1, &[2]), (2, &[4]), (3, &[1])]));
    assert_eq!(AspaTable::changed_customers(&old, &new), [Asn(2), Asn(3), Asn(4)]);
}

/// The draft's definition of the ramps, index by index (AS(1) is the origin).
fn naive_downstream(aspas: &AspaTable, path: &[Asn]) -> AspaState {
    let n = path.len();
    let up = |bad: &dyn Fn(Hop) -> bool| {
        (1..n).find(|&i| bad(aspas.hop(path[i - 1], path[i]))).unwrap_or(n)
    };
    let down = |bad: &dyn Fn(Hop) -> bool| {
        (2..=n).rev().find(|&j| bad(aspas.hop(path[j - 1], path[j - 2]))).map_or(n, |j| n - j + 1)
    };
    let denied = |hop| hop == Hop::NotProvider;
    let unproven = |hop| hop != Hop::Provider;
    if up(&denied) + down(&denied) < n {
        AspaState::Invalid
    } else if up(&unproven) + down(&unproven) < n {
        AspaState::Unknown
    } else {
        AspaState::Valid
    }
}

proptest! {
    #[test]
    fn downstream_agrees_with_the_draft(
        aspas in proptest::collection::vec(
            (0u32..6, proptest::collection::vec(0u32..6, 0..4)), 0..8),
        asns in proptest::collection::vec(0u32..6, 1..8),
    ) {
        let aspas = AspaTable::from_aspas(
            aspas.into_iter().map(|(c, p)| (Asn(c), p.into_iter().map(Asn).collect::<Vec<_>>())));
        let written: Vec<Asn> = asns.iter().copied().map(Asn).collect();
        let as_path = AsPath::from_sequence(&written);
        let mut from_origin = written;
        from_origin.reverse();
        from_origin.dedup();
        let result = aspas.verify_downstream(&as_path);
        prop_assert_eq!(result.state, naive_downstream(&aspas, &from_origin));
        prop_assert_eq!(result.hop.is_some(), result.state != AspaState::Valid);
        // What climbs all the way is fine from above, too.
        if aspas.verify_upstream(&as_path).state == AspaState::Valid {
            prop_assert_eq!(result.state, AspaState::Valid);
        }
    }
}
