//! What needs more than a line in the table of `tests/checks.rs`.

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_wire::{AsPath, Asn, Family, NextHop, PathAttributes, SegmentKind};

use crate::testing::*;
use crate::{
    AspaTable, CheckMode, ImportPolicy, IrrState, Kind, MemberAddress, MemberIrr, MoreSpecifics,
    NextHopMode, PolicyConfig, Recorder, RejectReason, Role, RoutingData, RovState, Slot, Verdict,
};

const SESSIONS: [Slot; 3] = [V4, V6, LL];

fn path(attributes: &mut PathAttributes, asns: &[u32]) {
    let first = attributes.as_path.first().unwrap();
    let asns: Vec<Asn> = [first].into_iter().chain(asns.iter().copied().map(Asn)).collect();
    attributes.as_path = AsPath::from_sequence(&asns);
}

#[test]
fn s06_lengths_go_by_the_family_of_the_prefix_not_of_the_session() {
    let policy = compiled(config(Kind::Regular));
    let verdict =
        |text: &str| judge(&policy, &RoutingData::default(), V6, &route(V6), &prefix(text));
    // IPv4 prefixes over an IPv6 session (RFC 8950): neither IPv6's /48 nor its /12 apply.
    assert_eq!(verdict("193.0.0.0/32"), Verdict::Reject(RejectReason::PrefixTooLong));
    assert_eq!(verdict("193.0.0.0/25"), Verdict::Reject(RejectReason::PrefixTooLong));
    assert!(matches!(verdict("193.0.0.0/8"), Verdict::Accept(_)));
    assert!(matches!(verdict("193.0.0.0/24"), Verdict::Accept(_)));
}

#[test]
fn a_transit_free_member_may_be_in_its_own_path() {
    let mut config = config(Kind::Regular);
    with_peer(&mut config, V4, |peer| peer.asn = Asn(174));
    let policy = compiled(config);
    let mut attributes = route(V4);
    attributes.as_path = AsPath::from_sequence(&[Asn(174), ORIGIN]);
    let verdict =
        |a: &PathAttributes| judge(&policy, &RoutingData::default(), V4, a, &good(Family::V4));
    assert!(matches!(verdict(&attributes), Verdict::Accept(_)));
    attributes.as_path = AsPath::from_sequence(&[Asn(174), Asn(3356), ORIGIN]);
    assert_eq!(verdict(&attributes), Verdict::Reject(RejectReason::TransitFree));
}

#[test]
fn s20_a_wrong_first_as_refuses_the_route_and_nothing_else() {
    // The verdict is a reason for one route: there is no way to ask for a NOTIFICATION.
    let policy = compiled(config(Kind::Regular));
    let mut attributes = route(V4);
    attributes.as_path = AsPath::from_sequence(&[ORIGIN]);
    let data = RoutingData::default();
    let verdict = judge(&policy, &data, V4, &attributes, &good(Family::V4));
    assert_eq!(verdict, Verdict::Reject(RejectReason::FirstAs));
    assert!(matches!(judge(&policy, &data, V4, &route(V4), &good(Family::V4)), Verdict::Accept(_)));
}

// Row 2.

fn v6_hop(global: Option<&str>, link_local: Option<&str>) -> NextHop {
    NextHop::V6 { global: global.map(ll), link_local: link_local.map(ll) }
}

fn hop_verdict(config: PolicyConfig, source: Slot, next_hop: NextHop) -> (bool, NextHop) {
    let policy = compiled(config);
    let mut attributes = route(source);
    attributes.next_hop = next_hop;
    let verdict = policy.attribute_verdict(source, &attributes, &mut crate::NoTrace);
    assert!(verdict.reject.is_none_or(|reason| reason == RejectReason::NextHop));
    let stored = verdict.base.map_or(next_hop, |base| base.attributes.next_hop);
    (verdict.reject.is_none(), stored)
}

fn accepts(config: PolicyConfig, source: Slot, next_hop: NextHop) -> bool {
    hop_verdict(config, source, next_hop).0
}

fn with_mode(mode: NextHopMode, source: Slot) -> PolicyConfig {
    let mut config = config(Kind::Regular);
    with_import(&mut config, source, |import| import.next_hop = mode);
    config
}

/// V4 and X become two routers of one AS: one member if `same_member`.
fn two_routers(mode: NextHopMode, same_member: bool) -> PolicyConfig {
    let mut config = with_mode(mode, V4);
    with_peer(&mut config, X, |peer| {
        peer.asn = asn(V4);
        if same_member {
            peer.member = V4.0.into();
        }
    });
    config
}

#[test]
fn next_hop_of_another_router() {
    let other = next_hop(X);
    assert!(accepts(two_routers(NextHopMode::Strict, true), V4, other));
    assert!(!accepts(two_routers(NextHopMode::Strict, false), V4, other));
    assert!(accepts(two_routers(NextHopMode::SameAs, false), V4, other));
    assert!(!accepts(with_mode(NextHopMode::SameAs, V4), V4, other));
    assert!(accepts(with_mode(NextHopMode::Lan, V4), V4, other));
    let outside = NextHop::V4(Ipv4Addr::new(185, 1, 1, 1));
    assert!(!accepts(with_mode(NextHopMode::Lan, V4), V4, outside));
    assert!(accepts(with_mode(NextHopMode::Any, V4), V4, outside));
    // A session with another route server is an address of the member too.
    let mut config = with_mode(NextHopMode::Strict, V4);
    with_peer(&mut config, V4, |peer| {
        let address = address("185.1.0.77");
        peer.member_addresses = [MemberAddress { address, interface: None }].into();
    });
    assert!(accepts(config, V4, NextHop::V4(Ipv4Addr::new(185, 1, 0, 77))));
}

#[test]
fn some_next_hops_are_refused_in_any_mode() {
    for kind in [Kind::Regular, Kind::Chaos] {
        for (source, next_hop) in [
            (V4, NextHop::V4(Ipv4Addr::UNSPECIFIED)),
            (V4, NextHop::V4(Ipv4Addr::LOCALHOST)),
            (V4, NextHop::V4(Ipv4Addr::new(224, 0, 0, 5))),
            (V4, NextHop::V4(Ipv4Addr::BROADCAST)),
            (V4, NextHop::V4(Ipv4Addr::new(185, 1, 0, 1))),
            (V6, v6_hop(Some("::"), None)),
            (V6, v6_hop(Some("::1"), None)),
            (V6, v6_hop(Some("ff02::1"), None)),
            (V6, v6_hop(Some("2a11:1::1"), None)),
            (V6, v6_hop(Some("::ffff:127.0.0.1"), None)),
            (V6, v6_hop(Some("2a11:1::11"), Some("fe80::1:1"))),
            (LL, v6_hop(None, Some("fe80::1:1"))),
        ] {
            let mut config = config(kind);
            with_import(&mut config, source, |import| import.next_hop = NextHopMode::Any);
            assert!(!accepts(config, source, next_hop), "{kind:?} {next_hop}");
        }
    }
}

#[test]
fn s05_link_local_next_hops_are_checked_on_link_local_sessions() {
    assert!(accepts(config(Kind::Regular), LL, v6_hop(None, Some("fe80::12"))));
    assert!(!accepts(config(Kind::Regular), LL, v6_hop(None, Some("fe80::13"))));
    // The global half counts too: it is what a global member would use.
    assert!(!accepts(config(Kind::Regular), LL, v6_hop(Some("2a11:1::12"), Some("fe80::12"))));
    let mut both = config(Kind::Regular);
    with_peer(&mut both, LL, |peer| {
        let address = address("2a11:1::12");
        peer.member_addresses = [MemberAddress { address, interface: None }].into();
    });
    let pair = v6_hop(Some("2a11:1::12"), Some("fe80::12"));
    assert_eq!(hop_verdict(both.clone(), LL, pair), (true, pair));
    assert!(!accepts(both, LL, v6_hop(Some("2a11:1::12"), Some("fe80::13"))));
}

#[test]
fn the_link_local_half_on_a_global_session() {
    let pair = v6_hop(Some("2a11:1::11"), Some("fe80::99"));
    // Unregistered: the global half stands alone.
    let alone = v6_hop(Some("2a11:1::11"), None);
    assert_eq!(hop_verdict(config(Kind::Regular), V6, pair), (true, alone));
    let mut registered = config(Kind::Regular);
    with_peer(&mut registered, V6, |peer| peer.link_local = Some(ll("fe80::99")));
    assert_eq!(hop_verdict(registered.clone(), V6, pair), (true, pair));
    let other = v6_hop(Some("2a11:1::11"), Some("fe80::98"));
    assert!(!accepts(registered, V6, other));
    // Nothing would be left to use.
    assert!(!accepts(config(Kind::Regular), V6, v6_hop(None, Some("fe80::99"))));
    let policy = compiled(config(Kind::Regular));
    let mut attributes = route(V6);
    attributes.next_hop = pair;
    let verdict = policy.attribute_verdict(V6, &attributes, &mut crate::NoTrace);
    assert!(verdict.facts.link_local_stripped);
}

#[test]
fn a_members_link_local_session_registers_its_address_for_the_global_one() {
    let mut config = config(Kind::Regular);
    with_peer(&mut config, LL, |peer| peer.member = V6.0.into());
    // The configuration knows no interface of a global address.
    with_peer(&mut config, V6, |peer| peer.interface = None);
    let pair = v6_hop(Some("2a11:1::11"), Some("fe80::12"));
    assert_eq!(hop_verdict(config.clone(), V6, pair), (true, pair));
    // Another router of the member may have another one, which nobody registered.
    let alone = v6_hop(Some("2a11:1::11"), None);
    let other = v6_hop(Some("2a11:1::11"), Some("fe80::98"));
    assert_eq!(hop_verdict(config.clone(), V6, other), (true, alone));
    // With two links nobody knows on which of them the global address is.
    with_peer(&mut config, Y, |peer| {
        peer.address = address("fe80::77");
        peer.interface = Some("eth2".into());
    });
    assert_eq!(hop_verdict(config, V6, pair), (true, alone));
}

#[test]
fn s04_the_same_link_local_address_on_another_link_is_another_hop() {
    let mut two_links = config(Kind::Regular);
    // The same member has fe80::99 on eth2; on eth1 that is somebody else.
    with_peer(&mut two_links, Y, |peer| {
        peer.member = LL.0.into();
        peer.address = address("fe80::99");
        peer.interface = Some("eth2".into());
    });
    let other_link = v6_hop(None, Some("fe80::99"));
    assert!(!accepts(two_links.clone(), LL, other_link));
    with_peer(&mut two_links, Y, |peer| peer.interface = Some("eth1".into()));
    assert!(accepts(two_links, LL, other_link));
}

// Rows 14 and 15.

fn with_irr(mode: CheckMode, set_given: bool) -> PolicyConfig {
    let mut config = config(Kind::Regular);
    for source in SESSIONS {
        with_import(&mut config, source, |import| import.irr = mode);
        if set_given {
            with_peer(&mut config, source, |peer| peer.as_set = ["AS-TEST".into()].into());
        }
    }
    config
}

fn irr_verdict(
    config: PolicyConfig,
    irr: Option<MemberIrr>,
    vrps: &[crate::Vrp],
    text: &str,
) -> Verdict {
    let data = data(irr.map(|irr| (V4.0.into(), irr)), vrps);
    judge(&compiled(config), &data, V4, &route(V4), &prefix(text))
}

fn reason(verdict: Verdict) -> Option<RejectReason> {
    match verdict {
        Verdict::Accept(_) => None,
        Verdict::Reject(reason) => Some(reason),
    }
}

#[test]
fn irr_origin_and_prefix_inside_and_outside() {
    for family in Family::ALL {
        let (object, inside, beside) = match family {
            Family::V4 => ("193.0.0.0/16", "193.0.0.0/21", "193.1.0.0/21"),
            Family::V6 => ("2a00:1450::/32", "2a00:1450:8000::/33", "2a00:1451::/32"),
        };
        let verdict = |origins: &[Asn], text| {
            let set = set(origins, &[object]);
            reason(irr_verdict(with_irr(CheckMode::Reject, true), Some(set), &[], text))
        };
        assert_eq!(verdict(&[ORIGIN], object), None);
        assert_eq!(verdict(&[ORIGIN], inside), None);
        assert_eq!(verdict(&[ORIGIN], beside), Some(RejectReason::IrrPrefix));
        assert_eq!(verdict(&[asn(V4)], inside), Some(RejectReason::IrrOrigin));
    }
}

#[test]
fn s38_a_set_that_is_not_there_lets_nothing_through() {
    let text = "193.0.0.0/21";
    let own = |irr: Option<MemberIrr>, given| {
        let data = data(irr.map(|irr| (V4.0.into(), irr)), &[]);
        let mut attributes = route(V4);
        attributes.as_path = AsPath::from_sequence(&[asn(V4)]);
        let policy = compiled(with_irr(CheckMode::Reject, given));
        reason(judge(&policy, &data, V4, &attributes, &prefix(text)))
    };
    // Given but never fetched, unknown or empty: not even the member's own AS.
    assert_eq!(own(None, true), Some(RejectReason::IrrOrigin));
    assert_eq!(own(Some(MemberIrr::unknown("AS-TEST")), true), Some(RejectReason::IrrOrigin));
    assert_eq!(own(Some(set(&[], &[])), true), Some(RejectReason::IrrOrigin));
    // None given: the own AS is known, its route objects are not.
    assert_eq!(own(None, false), Some(RejectReason::IrrPrefix));
    assert_eq!(own(Some(set(&[asn(V4)], &[text])), false), None);
}

#[test]
fn more_specifics_go_up_to_the_length_limit() {
    let verdict = |change: fn(&mut ImportPolicy), text| {
        let mut config = with_irr(CheckMode::Reject, true);
        with_import(&mut config, V4, change);
        let set = set(&[ORIGIN], &["193.0.0.0/16", "193.0.0.0/26"]);
        reason(irr_verdict(config, Some(set), &[], text))
    };
    assert_eq!(verdict(|_| {}, "193.0.0.0/24"), None);
    assert_eq!(verdict(|_| {}, "193.0.0.0/25"), Some(RejectReason::IrrPrefix));
    // It is there as it stands, and too long all the same.
    assert_eq!(verdict(|_| {}, "193.0.0.0/26"), Some(RejectReason::PrefixTooLong));
    let exact: fn(&mut ImportPolicy) = |i| i.irr_more_specifics = MoreSpecifics::Exact;
    assert_eq!(verdict(exact, "193.0.0.0/16"), None);
    assert_eq!(verdict(exact, "193.0.0.0/17"), Some(RejectReason::IrrPrefix));
}

#[test]
fn a_valid_roa_counts_as_a_route_object_of_an_authorised_origin() {
    let roa = |asn| vrp("193.0.0.0/20", 24, asn);
    let verdict = |origins: &[Asn], roa| {
        let set = set(origins, &["198.0.0.0/16"]);
        irr_verdict(with_irr(CheckMode::Reject, true), Some(set), &[roa], "193.0.0.0/21")
    };
    match verdict(&[ORIGIN], roa(ORIGIN)) {
        Verdict::Accept(class) => assert_eq!(class.irr_prefix(), IrrState::Roa),
        refused => panic!("{refused:?}"),
    }
    assert_eq!(reason(verdict(&[ORIGIN], roa(Asn(9)))), Some(RejectReason::IrrPrefix));
    assert_eq!(reason(verdict(&[Asn(9)], roa(ORIGIN))), Some(RejectReason::IrrOrigin));
}

#[test]
fn configured_extras_and_limits_of_a_set() {
    let verdict = |change: fn(&mut ImportPolicy), set: MemberIrr| {
        let mut config = with_irr(CheckMode::Reject, true);
        with_import(&mut config, V4, change);
        reason(irr_verdict(config, Some(set), &[], "193.0.0.0/21"))
    };
    let elsewhere = || set(&[Asn(9)], &["198.0.0.0/16"]);
    let extra: fn(&mut ImportPolicy) = |i| {
        i.irr_extra_asns = [ORIGIN].into();
        i.irr_extra_prefixes = [prefix("193.0.0.0/16")].into();
    };
    assert_eq!(verdict(extra, elsewhere()), None);
    assert_eq!(
        verdict(|i| i.irr_extra_asns = [ORIGIN].into(), elsewhere()),
        Some(RejectReason::IrrPrefix)
    );
    let good = || set(&[ORIGIN], &["193.0.0.0/16", "198.0.0.0/16"]);
    assert_eq!(verdict(|i| i.irr_max_prefixes = [Some(2), None], good()), None);
    assert_eq!(
        verdict(|i| i.irr_max_prefixes = [Some(1), None], good()),
        Some(RejectReason::IrrOrigin)
    );
    let holds_transit = set(&[ORIGIN, Asn(174)], &["193.0.0.0/16"]);
    assert_eq!(verdict(|_| {}, holds_transit.clone()), None);
    assert_eq!(
        verdict(|i| i.irr_refuse_transit_free = true, holds_transit),
        Some(RejectReason::IrrOrigin)
    );
}

#[test]
fn irr_tag_and_per_member_keep_the_route() {
    for mode in [CheckMode::Tag, CheckMode::PerMember] {
        let set = set(&[Asn(9)], &["198.0.0.0/16"]);
        match irr_verdict(with_irr(mode, true), Some(set), &[], "193.0.0.0/21") {
            Verdict::Accept(class) => {
                assert_eq!(class.irr_origin(), IrrState::Absent);
                assert_eq!(class.irr_prefix(), IrrState::Absent);
                assert!(class.fails_irr());
            }
            refused => panic!("{refused:?}"),
        }
    }
}

// Row 16.

#[test]
fn blackhole_requests_skip_length_and_rov_but_not_irr() {
    let verdict = |change: fn(&mut ImportPolicy), text: &str, community: &str| {
        let mut config = with_irr(CheckMode::Reject, true);
        with_import(&mut config, V4, change);
        let objects = &["193.0.0.0/16", "2a00:1450::/32"];
        let invalid = [vrp("193.0.0.0/16", 16, Asn(9)), vrp("2a00:1450::/32", 32, Asn(9))];
        let data = data(Some((V4.0.into(), set(&[ORIGIN], objects))), &invalid);
        let attributes = tagged(route(V4), &[community]);
        judge(&compiled(config), &data, V4, &attributes, &prefix(text))
    };
    let on: fn(&mut ImportPolicy) = |import| import.blackhole = true;
    for text in ["193.0.0.1/32", "2a00:1450::1/128", "193.0.0.0/24"] {
        for community in ["65535:666", "$rs:666:0"] {
            match verdict(on, text, community) {
                Verdict::Accept(class) => assert!(class.blackhole()),
                refused => panic!("{text} {community} {refused:?}"),
            }
        }
    }
    assert_eq!(reason(verdict(on, "193.1.0.1/32", "65535:666")), Some(RejectReason::IrrPrefix));
    // Not a request: the ordinary limits.
    assert_eq!(reason(verdict(on, "193.0.0.1/32", "65535:667")), Some(RejectReason::IrrPrefix));
    assert_eq!(reason(verdict(on, "193.0.0.0/24", "65535:667")), Some(RejectReason::RovInvalid));
    // Off by default.
    assert_eq!(reason(verdict(|_| {}, "193.0.0.1/32", "65535:666")), Some(RejectReason::IrrPrefix));
}

#[test]
fn a_blackhole_request_for_somebody_else_is_none_even_where_irr_only_tags() {
    let mut config = with_irr(CheckMode::Tag, true);
    with_import(&mut config, V4, |import| import.blackhole = true);
    let data = data(Some((V4.0.into(), set(&[ORIGIN], &["198.0.0.0/16"]))), &[]);
    let attributes = tagged(route(V4), &["65535:666"]);
    let verdict = judge(&compiled(config), &data, V4, &attributes, &prefix("193.0.0.1/32"));
    assert_eq!(verdict, Verdict::Reject(RejectReason::PrefixTooLong));
}

// Rows 17 and 18.

#[test]
fn rov_invalid_is_refused_and_everything_else_passes() {
    for family in Family::ALL {
        let text = match family {
            Family::V4 => "193.0.0.0/21",
            Family::V6 => "2a00:1450::/32",
        };
        let length = prefix(text).len();
        let verdict = |mode, vrps: &[crate::Vrp]| {
            let mut config = config(Kind::Regular);
            with_import(&mut config, V4, |import| import.rpki = mode);
            judge(&compiled(config), &data(None, vrps), V4, &route(V4), &prefix(text))
        };
        let class = |verdict| match verdict {
            Verdict::Accept(class) => class,
            refused => panic!("{refused:?}"),
        };
        assert_eq!(class(verdict(CheckMode::Reject, &[])).rov(), RovState::NotFound);
        let valid = [vrp(text, length, ORIGIN), vrp(text, length, Asn(9))];
        assert_eq!(class(verdict(CheckMode::Reject, &valid)).rov(), RovState::Valid);
        let invalid = [vrp(text, length, Asn(9))];
        assert_eq!(reason(verdict(CheckMode::Reject, &invalid)), Some(RejectReason::RovInvalid));
        assert_eq!(class(verdict(CheckMode::Tag, &invalid)).rov(), RovState::Invalid);
        assert_eq!(class(verdict(CheckMode::PerMember, &invalid)).rov(), RovState::Invalid);
        assert_eq!(class(verdict(CheckMode::Off, &invalid)).rov(), RovState::NotChecked);
    }
}

#[test]
fn s18_a_path_that_ends_in_a_set_has_no_origin() {
    let mut config = config(Kind::Regular);
    with_import(&mut config, V4, |import| import.reject_as_sets = false);
    let policy = compiled(config);
    let mut attributes = route(V4);
    // Neither the AS before the set nor one in it is the origin (RFC 6811 §2).
    let (sequence, set) = ([asn(V4), ORIGIN], [Asn(3001)]);
    attributes.as_path = AsPath::from_segments([
        (SegmentKind::Sequence, &sequence[..]),
        (SegmentKind::Set, &set[..]),
    ]);
    for origin in [ORIGIN, Asn(3001)] {
        let data = data(None, &[vrp("193.0.0.0/21", 21, origin)]);
        let verdict = judge(&policy, &data, V4, &attributes, &good(Family::V4));
        assert_eq!(verdict, Verdict::Reject(RejectReason::RovInvalid));
    }
}

#[test]
fn s19_as_sets_are_refused_by_default_and_that_is_a_setting() {
    assert!(ImportPolicy::for_kind(Kind::Regular).reject_as_sets);
    assert!(ImportPolicy::for_kind(Kind::Transitable).reject_as_sets);
    assert!(!ImportPolicy::for_kind(Kind::Chaos).reject_as_sets);
}

#[test]
fn aspa_is_off_by_default_and_refuses_what_an_attestation_denies() {
    let aspas = AspaTable::from_aspas([(ORIGIN, vec![Asn(9)])]);
    let verdict = |mode| {
        let mut config = config(Kind::Regular);
        with_import(&mut config, V4, |import| import.aspa = mode);
        let data = RoutingData { aspas: aspas.clone().into(), ..RoutingData::default() };
        reason(judge(&compiled(config), &data, V4, &route(V4), &good(Family::V4)))
    };
    assert_eq!(verdict(CheckMode::Off), None);
    assert_eq!(verdict(CheckMode::Tag), None);
    assert_eq!(verdict(CheckMode::Reject), Some(RejectReason::AspaInvalid));
}

// Row 20.

#[test]
fn s16_otc_from_a_client_is_a_leak_whatever_the_peer_negotiated() {
    let mut config = config(Kind::Regular);
    with_peer(&mut config, V4, |peer| peer.role_rfc9234 = true);
    let policy = compiled(config);
    let mut attributes = route(V4);
    let verdict = |attributes: &PathAttributes, text: &str| {
        judge(&policy, &RoutingData::default(), V4, attributes, &prefix(text))
    };
    assert!(matches!(verdict(&attributes, "193.0.0.0/21"), Verdict::Accept(_)));
    attributes.otc = Some(asn(V4));
    assert_eq!(verdict(&attributes, "193.0.0.0/21"), Verdict::Reject(RejectReason::RouteLeak));
    // It comes after the checks on the prefix.
    assert_eq!(verdict(&attributes, "10.0.0.0/8"), Verdict::Reject(RejectReason::BogonPrefix));
}

#[test]
fn s17_roles_are_off_on_a_transitable_route_server() {
    let mut config = config(Kind::Transitable);
    with_peer(&mut config, V4, |peer| peer.role_rfc9234 = true);
    let policy = compiled(config);
    let mut attributes = route(V4);
    attributes.otc = Some(asn(V4));
    let verdict = judge(&policy, &RoutingData::default(), V4, &attributes, &good(Family::V4));
    assert!(matches!(verdict, Verdict::Accept(_)));
}

// Rows 1 and 21.

#[test]
fn s13_tags_of_ours_are_scrubbed_on_the_way_in() {
    let mut config = config(Kind::Regular);
    with_import(&mut config, V4, |import| {
        import.attach_communities = ["$rs:1000:77".parse().unwrap()].into();
    });
    let policy = compiled(config);
    let forged = [
        "$rs:1000:1",
        "$rs:1000:9",
        "$rs:1001:1",
        "$rs:1101:13",
        "$rs:1010:2000",
        "$rs:65520:0",
        "$rs:65520:14",
        "$rs:65530:7",
    ];
    let others = ["3000:1000:1", "65535:65281", "rt:3000:7", "3000:77", "64500:1000:1"];
    let attributes = tagged(tagged(route(V4), &forged), &others);
    let verdict = policy.attribute_verdict(V4, &attributes, &mut crate::NoTrace);
    let base = verdict.base.unwrap();
    let attached = tagged(tagged(route(V4), &others), &["$rs:1000:77"]);
    assert_eq!(base.attributes, attached);
    assert_eq!(verdict.facts.scrubbed, 7);
    assert!(verdict.facts.transit_scrubbed && !verdict.facts.transit);
}

#[test]
fn graceful_shutdown_is_noted_and_stays() {
    let policy = compiled(config(Kind::Regular));
    let attributes = tagged(route(V4), &["65535:0"]);
    let verdict = policy.attribute_verdict(V4, &attributes, &mut crate::NoTrace);
    assert!(verdict.facts.graceful_shutdown);
    assert_eq!(verdict.base.unwrap().attributes, attributes);
}

#[test]
fn s29_what_a_collector_sends_is_refused() {
    let mut config = config(Kind::Regular);
    with_peer(&mut config, V4, |peer| peer.collector = true);
    let policy = compiled(config);
    let verdict = judge(&policy, &RoutingData::default(), V4, &route(V4), &good(Family::V4));
    assert_eq!(verdict, Verdict::Reject(RejectReason::Collector));
}

// Section 7.

#[test]
fn chaos_takes_everything_but_impossible_next_hops() {
    let policy = compiled(config(Kind::Chaos));
    let mut attributes = tagged(route(V4), &["0:$rs", "$rs:1000:1"]);
    attributes.as_path = AsPath::from_sequence(&[Asn(64512), Asn(174), Asn(0)]);
    attributes.next_hop = NextHop::V6 { global: Some(Ipv6Addr::from(7 << 64)), link_local: None };
    let invalid = [vrp("193.0.0.0/21", 21, Asn(9))];
    for text in ["193.0.0.0/21", "10.0.0.1/32", "0.0.0.0/0", "::/0", "4000::/3", "185.1.0.0/24"] {
        let verdict = judge(&policy, &data(None, &invalid), V4, &attributes, &prefix(text));
        assert!(matches!(verdict, Verdict::Accept(_)), "{text} {verdict:?}");
    }
    let verdict = policy.attribute_verdict(V4, &attributes, &mut crate::NoTrace);
    assert_eq!(verdict.base.unwrap().attributes, attributes, "communities pass untouched");
    attributes.as_path = AsPath::empty();
    assert!(policy.attribute_verdict(V4, &attributes, &mut crate::NoTrace).reject.is_none());
}

fn sponsored() -> PolicyConfig {
    let mut config = config(Kind::Transitable);
    with_peer(&mut config, V4, |peer| {
        peer.role = Role::TransitSponsor;
        peer.as_set = ["AS-TEST".into()].into();
    });
    with_import(&mut config, V4, |import| import.irr = CheckMode::Reject);
    with_import(&mut config, X, |import| import.irr = CheckMode::Reject);
    config
}

#[test]
fn a_sponsor_s_routes_are_transit_unless_they_are_its_own() {
    let policy = compiled(sponsored());
    let own = data(Some((V4.0.into(), set(&[ORIGIN], &["193.0.0.0/16"]))), &[]);
    let transit = |data: &RoutingData, attributes: &PathAttributes, text: &str| match judge(
        &policy,
        data,
        V4,
        attributes,
        &prefix(text),
    ) {
        Verdict::Accept(class) => Ok(class.transit()),
        Verdict::Reject(reason) => Err(reason),
    };
    let plain = route(V4);
    assert_eq!(transit(&own, &plain, "193.0.0.0/21"), Ok(false));
    assert_eq!(transit(&own, &plain, "194.0.0.0/21"), Ok(true));
    // No usable set: everything.
    assert_eq!(transit(&RoutingData::default(), &plain, "193.0.0.0/21"), Ok(true));
    // The sponsor may say so itself.
    let said = tagged(route(V4), &["$rs:65530:7"]);
    assert_eq!(transit(&own, &said, "193.0.0.0/21"), Ok(true));
    // Exempt from transit-free, not from the rest.
    let mut far = route(V4);
    path(&mut far, &[174, 3000]);
    assert_eq!(transit(&own, &far, "194.0.0.0/21"), Ok(true));
    assert_eq!(transit(&own, &plain, "10.0.0.0/8"), Err(RejectReason::BogonPrefix));
    assert_eq!(transit(&own, &plain, "194.0.0.0/25"), Err(RejectReason::PrefixTooLong));
    path(&mut far, &[64512]);
    assert_eq!(transit(&own, &far, "194.0.0.0/21"), Err(RejectReason::BogonAsn));
    let invalid = data(None, &[vrp("194.0.0.0/21", 21, Asn(9))]);
    assert_eq!(transit(&invalid, &plain, "194.0.0.0/21"), Err(RejectReason::RovInvalid));
}

#[test]
fn a_downstream_cannot_set_transit_and_is_held_to_its_set() {
    let policy = compiled(sponsored());
    let attributes = tagged(route(X), &["$rs:65530:7"]);
    let own = data(Some((X.0.into(), set(&[ORIGIN], &["193.0.0.0/16"]))), &[]);
    let verdict = policy.attribute_verdict(X, &attributes, &mut crate::NoTrace);
    assert!(verdict.facts.transit_scrubbed);
    match judge(&policy, &own, X, &attributes, &prefix("193.0.0.0/21")) {
        Verdict::Accept(class) => assert!(!class.transit()),
        refused => panic!("{refused:?}"),
    }
    let elsewhere = judge(&policy, &own, X, &attributes, &prefix("194.0.0.0/21"));
    assert_eq!(elsewhere, Verdict::Reject(RejectReason::IrrPrefix));
}

#[test]
fn transit_may_be_attached_to_a_downstream_s_routes() {
    let mut config = config(Kind::Transitable);
    with_import(&mut config, X, |import| {
        import.attach_communities = ["$rs:65530:7".parse().unwrap()].into();
    });
    let policy = compiled(config);
    match judge(&policy, &RoutingData::default(), X, &route(X), &good(Family::V4)) {
        Verdict::Accept(class) => assert!(class.transit()),
        refused => panic!("{refused:?}"),
    }
}

// Explain.

#[test]
fn an_explanation_is_the_same_evaluation_in_order_with_what_decided() {
    let policy = compiled(with_irr(CheckMode::Reject, true));
    let data = data(
        Some((V4.0.into(), set(&[ORIGIN], &["193.0.0.0/16"]))),
        &[vrp("193.0.0.0/16", 20, ORIGIN)],
    );
    let mut recorder = Recorder::new();
    let verdict = policy.attribute_verdict(V4, &route(V4), &mut recorder);
    let text = prefix("193.0.0.0/21");
    let found = policy.prefix_verdict(V4, &verdict, &text, &data, &mut recorder);
    assert_eq!(found, judge(&policy, &data, V4, &route(V4), &text));
    let step = |name: &str| {
        recorder
            .import
            .iter()
            .find(|step| step.check.name == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(step("next-hop").detail, "185.1.0.10");
    let irr = step("irr-prefix");
    assert_eq!(irr.result, "passed");
    assert_eq!(irr.detail, "route object 193.0.0.0/16; TEST::AS-TEST: loaded");
    assert_eq!(irr.fetched_unix_secs, Some(1_700_000_000));
    let rov = step("rov");
    assert_eq!(rov.reason, Some(RejectReason::RovInvalid));
    assert_eq!(rov.detail, "Invalid by 193.0.0.0/16-20 AS3000");
    // Nothing after the refusal.
    assert_eq!(recorder.import.last().unwrap().check.name, "rov");
}
