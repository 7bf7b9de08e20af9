use super::*;
use crate::testing::{compiled, config, prefix, set, with_import};
use crate::{Kind, Slot};

#[test]
fn a_fetched_set_is_loaded_or_empty() {
    assert_eq!(set(&[Asn(1)], &[]).status, IrrStatus::Loaded);
    assert_eq!(set(&[], &["10.0.0.0/8"]).status, IrrStatus::Loaded);
    assert_eq!(set(&[], &[]).status, IrrStatus::Empty);
    assert_eq!(MemberIrr::unknown("AS-X").status, IrrStatus::Unknown);
}

#[test]
fn look_ups() {
    let set = set(&[Asn(3), Asn(1), Asn(3)], &["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]);
    let routes = &set.routes;
    assert_eq!(routes.origins(), [Asn(1), Asn(3)]);
    assert!(routes.has_origin(Asn(3)) && !routes.has_origin(Asn(2)));
    assert_eq!(routes.covering(&prefix("10.1.2.0/24")), Some(prefix("10.1.0.0/16")));
    assert_eq!(routes.covering(&prefix("10.2.0.0/16")), Some(prefix("10.0.0.0/8")));
    assert_eq!(routes.covering(&prefix("11.0.0.0/8")), None);
    assert_eq!(routes.covering(&prefix("2001:db8:1::/48")), Some(prefix("2001:db8::/32")));
    assert_eq!((routes.prefix_count(Family::V4), routes.prefix_count(Family::V6)), (2, 1));
}

#[test]
fn equal_sets_are_shared() {
    let same = || set(&[Asn(1)], &["10.0.0.0/8"]);
    let sets = IrrSets::from_members([(1, same()), (2, same()), (3, set(&[Asn(2)], &[]))]);
    let routes = |member| &sets.get(member).unwrap().routes;
    assert!(Arc::ptr_eq(routes(1), routes(2)));
    assert!(!Arc::ptr_eq(routes(1), routes(3)));
    assert!(sets.get(4).is_none());
}

#[test]
fn changes_name_members_and_prefixes() {
    let old = IrrSets::from_members([
        (1, set(&[Asn(1)], &["10.0.0.0/8", "11.0.0.0/8"])),
        (2, set(&[Asn(2)], &["12.0.0.0/8"])),
        (3, set(&[Asn(3)], &["13.0.0.0/8"])),
        (4, set(&[Asn(4)], &["14.0.0.0/8"])),
    ]);
    let new = IrrSets::from_members([
        (1, set(&[Asn(1)], &["10.0.0.0/8", "11.1.0.0/16"])),
        (2, set(&[Asn(2), Asn(9)], &["12.0.0.0/8"])),
        (3, MemberIrr::unknown("gone")),
        (4, set(&[Asn(4)], &["14.0.0.0/8"])),
        (5, set(&[Asn(5)], &["15.0.0.0/8"])),
    ]);
    let changes = IrrSets::changes(&old, &new);
    let expected = [
        // 11.1.0.0/16 lies within 11.0.0.0/8.
        (1, IrrChange::Prefixes(vec![prefix("11.0.0.0/8")])),
        (2, IrrChange::All),
        (3, IrrChange::All),
        (5, IrrChange::All),
    ];
    assert_eq!(changes, expected);
    assert_eq!(IrrSets::changes(&new, &new), []);
}

#[test]
fn where_the_size_of_a_set_counts_a_change_concerns_every_route() {
    let mut config = config(Kind::Regular);
    with_import(&mut config, Slot(1), |import| import.irr_max_prefixes = [Some(1), None]);
    let policy = compiled(config);
    let sets = |text: &str| {
        IrrSets::from_members([
            (0, set(&[Asn(1)], &["10.0.0.0/8", text])),
            (1, set(&[Asn(1)], &["10.0.0.0/8", text])),
        ])
    };
    let changes = policy.irr_changes(&sets("11.0.0.0/8"), &sets("10.0.0.0/8"));
    let prefixes = IrrChange::Prefixes(vec![prefix("11.0.0.0/8")]);
    assert_eq!(changes, [(0, prefixes), (1, IrrChange::All)]);
}

#[test]
fn a_thousand_members_with_half_a_million_route_objects_are_small() {
    let members = (0..1000u32).map(|member| {
        let prefixes = (0..500u32).map(|index| {
            let bits = u128::from((member * 500 + index).wrapping_mul(2_654_435_761)) << 96;
            let family = if index % 4 == 0 { Family::V6 } else { Family::V4 };
            Prefix::from_bits(family, bits, 24).unwrap()
        });
        let routes = RouteSet::new((0..50).map(|origin| Asn(member * 50 + origin)), prefixes);
        (member, MemberIrr::fetched("AS-MEMBER", 0, routes))
    });
    let sets = IrrSets::from_members(members);
    let octets: usize = sets.iter().map(|(_, irr)| irr.routes.heap_octets()).sum();
    assert!(octets < 20 << 20, "{octets} octets");
}
