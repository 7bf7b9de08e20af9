//! Who gets a route and how, as far as the tables of `tests/communities.rs` do not say it.

use std::sync::Arc;

use bgp_wire::{AsPath, Asn, Community, Family, NextHop, Origin, PathAttributes, RawAttribute};

use super::ExportPlan;
use crate::communities::{CommunityScheme, Function, Preset};
use crate::rpsl::PeerFilter;
use crate::testing::*;
use crate::{
    CheckMode, ExportRule, FilterMode, IrrState, Kind, MedMode, NoTrace, Policy, PolicyConfig,
    Recorder, Role, RovState, Slot, VerdictClass,
};

/// What a member gets.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Got {
    prepended: usize,
    attributes: PathAttributes,
}

impl Got {
    fn has(&self, community: &str) -> bool {
        let wanted = key(community, Asn(0));
        crate::communities::keys(&self.attributes).any(|key| key == wanted)
    }
}

fn plan_of(policy: &Policy, source: Slot, attributes: &PathAttributes) -> ExportPlan {
    plan_of_class(policy, source, attributes, VerdictClass::new(Family::V4))
}

fn plan_of_class(
    policy: &Policy,
    source: Slot,
    attributes: &PathAttributes,
    class: VerdictClass,
) -> ExportPlan {
    let verdict = policy.attribute_verdict(source, attributes, &mut NoTrace);
    assert_eq!(verdict.reject, None);
    let plan = policy.plan(source, &verdict, class);
    let mut seen = crate::PeerSet::empty();
    for entry in &plan.entries {
        assert!(!entry.peers.is_empty() && !seen.intersects(&entry.peers), "{plan:?}");
        seen = seen.or(&entry.peers);
    }
    // Whoever keeps plans by class may keep this one.
    let same = policy.plan(source, &verdict, policy.plan_class(source, class));
    assert_eq!(plan, same);
    plan
}

fn got(plan: &ExportPlan, slot: Slot) -> Option<Got> {
    let entry = plan.entries.iter().find(|entry| entry.peers.contains(slot))?;
    let attributes = entry.attributes.attributes.clone();
    Some(Got { prepended: attributes.as_path.length() - 2, attributes })
}

/// What each of the others gets of a route from `V4` with these communities.
fn others(policy: &Policy, communities: &[&str]) -> [Option<Got>; 4] {
    let plan = plan_of(policy, V4, &tagged(route(V4), communities));
    assert_eq!(got(&plan, V4), None, "never back to the source");
    [V6, LL, X, Y].map(|slot| got(&plan, slot))
}

fn reached(policy: &Policy, communities: &[&str]) -> [bool; 4] {
    others(policy, communities).map(|got| got.is_some())
}

fn prepends(policy: &Policy, communities: &[&str]) -> [usize; 4] {
    others(policy, communities).map(|got| {
        let got = got.unwrap();
        let member = asn(V4);
        // Only ever the member's AS, on the left.
        assert!(got.attributes.as_path.asns().take(got.prepended + 1).all(|asn| asn == member));
        got.prepended
    })
}

fn base() -> PolicyConfig {
    config(Kind::Regular)
}

fn seen(got: Option<Got>) -> Option<(usize, bool, bool)> {
    let got = got?;
    Some((got.prepended, got.has("65535:65281"), got.has("65535:65282")))
}

#[test]
fn both_forms_of_an_extended_community_are_understood() {
    let policy = compiled(base());
    let mut attributes = route(V4);
    // Type 0x02: the AS in four octets, the value in two (RFC 5668 §2).
    let four_octets = bgp_wire::ExtendedCommunity::four_octet_as(2, 0, 2003);
    attributes.extended_communities = [four_octets].into();
    let plan = plan_of(&policy, V4, &attributes);
    assert!(got(&plan, X).is_none());
    assert!(got(&plan, LL).unwrap().attributes.extended_communities.is_empty());
}

/// RFC 4360 §6. On a chaos server communities pass untouched.
#[test]
fn non_transitive_extended_communities_stay_with_us() {
    use bgp_wire::{ExtendedCommunity, Ipv6ExtendedCommunity};
    let validation_state = ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 0]);
    let link_bandwidth = ExtendedCommunity([0x40, 4, 0x0b, 0xb8, 0x4b, 0, 0, 0]);
    let target = ExtendedCommunity([0x00, 2, 0x0b, 0xb8, 0, 0, 0, 7]);
    let mut attributes = route(V4);
    attributes.extended_communities = [validation_state, target, link_bandwidth].into();
    let v6 = |kind| {
        let mut octets = [0; 20];
        octets[0] = kind;
        Ipv6ExtendedCommunity(octets)
    };
    attributes.ipv6_extended_communities = [v6(0x40), v6(0x00)].into();
    let plan = plan_of(&compiled(base()), V4, &attributes);
    let sent = got(&plan, X).unwrap().attributes;
    assert_eq!(*sent.extended_communities, [target]);
    assert_eq!(*sent.ipv6_extended_communities, [v6(0x00)]);
    let plan = plan_of(&compiled(config(Kind::Chaos)), V4, &attributes);
    let sent = got(&plan, X).unwrap().attributes;
    assert_eq!(sent.extended_communities, attributes.extended_communities);
    assert_eq!(sent.ipv6_extended_communities, attributes.ipv6_extended_communities);
}

#[test]
fn s11_the_any_rules_hold_for_members_of_32_bits_too() {
    let policy = compiled(base());
    for any in ["0:$rs", "rt:0:$rs", "$rs:0:0"] {
        assert_eq!(reached(&policy, &[any]), [false; 4], "{any}");
    }
    assert_eq!(reached(&policy, &["0:$rs", "$rs:1:200004"]), [false, false, false, true]);
    assert_eq!(reached(&policy, &["$rs:0:200004"]), [true, true, true, false]);
    assert_eq!(reached(&policy, &["rt:0:200004"]), [true, true, true, false]);
}

#[test]
fn an_alias_stands_for_a_32_bit_as_in_standard_communities() {
    let mut config = base();
    assert_eq!(reached(&compiled(config.clone()), &["0:64601"]), [true; 4]);
    with_peer(&mut config, Y, |peer| peer.alias = Some(64601));
    let policy = compiled(config);
    assert_eq!(reached(&policy, &["0:64601"]), [true, true, true, false]);
    assert_eq!(prepends(&policy, &["65505:64601"]), [0, 0, 0, 2]);
    // In the other encodings it is the AS itself.
    assert_eq!(reached(&policy, &["$rs:0:64601"]), [true; 4]);
    assert_eq!(reached(&policy, &["$rs:0:200004"]), [true, true, true, false]);
}

#[test]
fn s30_what_is_prepended_is_the_leftmost_as_on_the_left() {
    let policy = compiled(base());
    let found = others(&policy, &["$rs:102:0"]);
    let path = AsPath::from_sequence(&[asn(V4), asn(V4), asn(V4), ORIGIN]);
    for got in found {
        assert_eq!(got.unwrap().attributes.as_path, path);
    }
}

#[test]
fn the_own_as_may_mean_everybody() {
    let own = ["$rs:101:2000"];
    assert_eq!(prepends(&compiled(base()), &own), [0; 4]);
    let mut config = base();
    config.own_asn_means_any = true;
    let policy = compiled(config);
    assert_eq!(prepends(&policy, &own), [1; 4]);
    assert_eq!(prepends(&policy, &["$rs:101:2000", "$rs:102:2003"]), [1, 1, 2, 1]);
}

#[test]
fn functions_combine() {
    let policy = compiled(base());
    let found = others(&policy, &["$rs:101:0", "$rs:65281:2003", "$rs:0:2001", "$rs:65282:0"]);
    let expect = [None, Some((1, false, true)), Some((1, true, true)), Some((1, false, true))];
    assert_eq!(found.map(seen), expect);
}

#[test]
fn s13_action_communities_are_scrubbed_on_the_way_out() {
    let policy = compiled(base());
    // Of members and of strangers alike; what belongs to others passes, in its order.
    let ours = [
        "0:9",
        "$rs:9",
        "65504:9",
        "65510:9",
        "rt:0:9",
        "rt:$rs:9",
        "ro:0:9",
        "ro:$rs:9",
        "$rs:0:9",
        "$rs:1:9",
        "$rs:100:9",
        "$rs:103:9",
        "$rs:65281:9",
        "$rs:65282:9",
        "$rs:666:9",
    ];
    let others_communities = [
        "65535:666",
        "65535:65281",
        "65535:0",
        "1:$rs",
        "rt:9:9",
        "9:0:9",
        "$rs:2:9",
        "$rs:65530:8",
    ];
    let mut attributes = tagged(tagged(route(V4), &ours), &others_communities);
    let foreign = bgp_wire::ExtendedCommunity([0x03, 0, 0, 0, 0, 0, 0, 1]);
    attributes.extended_communities =
        attributes.extended_communities.iter().copied().chain([foreign]).collect();
    let mut expected = tagged(route(V4), &others_communities);
    expected.extended_communities =
        expected.extended_communities.iter().copied().chain([foreign]).collect();
    let plan = plan_of(&policy, V4, &attributes);
    assert_eq!(got(&plan, X).unwrap().attributes, expected);
}

#[test]
fn what_a_configured_pattern_matches_for_any_peer_is_scrubbed() {
    let mut config = base();
    let patterns = vec!["777:$peer".parse().unwrap()];
    config.communities.set(Function::DoNotAnnounceToPeer, patterns);
    let policy = compiled(config);
    assert_eq!(reached(&policy, &["777:2003"]), [true, true, false, true]);
    let found = others(&policy, &["777:12345", "778:12345"]);
    assert!(!found[0].as_ref().unwrap().has("777:12345"));
    assert!(found[0].as_ref().unwrap().has("778:12345"));
}

#[test]
fn where_the_standard_encoding_is_off_nothing_of_it_is_obeyed_or_removed() {
    let mut config = base();
    config.asn = Asn(199_594);
    config.short_asn = None;
    let policy = compiled(config);
    let mut attributes = tagged(route(V4), &["0:2003", "65504:2003", "0:199", "65535:666"]);
    let large = bgp_wire::LargeCommunity { global: 199_594, local1: 0, local2: 2001 };
    attributes.large_communities = [large].into();
    let plan = plan_of(&policy, V4, &attributes);
    let x = got(&plan, X).unwrap();
    assert_eq!(x.prepended, 0);
    assert_eq!(x.attributes.communities, attributes.communities);
    assert!(x.attributes.large_communities.is_empty());
    assert!(got(&plan, V6).is_none());
}

#[test]
fn the_poema_preset_keeps_its_standard_patterns_with_a_32_bit_as() {
    let mut config = base();
    config.asn = Asn(199_594);
    config.short_asn = None;
    config.communities = CommunityScheme::preset(Preset::Poema);
    let policy = compiled(config);
    assert!(
        policy
            .warnings()
            .iter()
            .all(|warning| { matches!(warning, crate::PolicyWarning::PeerLeftOut { .. }) }),
        "{:?}",
        policy.warnings()
    );
    let large = |local1, local2| bgp_wire::LargeCommunity { global: 199_594, local1, local2 };
    let reached = |texts: &[&str], larges: &[bgp_wire::LargeCommunity]| {
        let mut attributes = tagged(route(V4), texts);
        attributes.large_communities = larges.into();
        let plan = plan_of(&policy, V4, &attributes);
        [V6, LL, X, Y].map(|slot| got(&plan, slot).map(|got| got.prepended))
    };
    let one = [Some(0), Some(0), None, Some(0)];
    assert_eq!(reached(&["0:2003"], &[]), one);
    assert_eq!(reached(&["rt:0:2003"], &[]), one);
    assert_eq!(reached(&[], &[large(0, 2003)]), one);
    assert_eq!(reached(&["rt:0:199594"], &[]), [None; 4]);
    assert_eq!(
        reached(&["0:2003"], &[large(0, 199_594), large(199_594, 200_004)]),
        [None, None, None, Some(0)]
    );
    assert_eq!(reached(&["65505:2003"], &[]), [Some(0), Some(0), Some(2), Some(0)]);
    assert_eq!(reached(&["rt:65503:199594"], &[]), [Some(3); 4]);
    assert_eq!(reached(&[], &[large(65502, 199_594)]), [Some(2); 4]);
}

#[test]
fn communities_may_be_switched_off() {
    let mut config = base();
    config.export_communities = false;
    let policy = compiled(config);
    let found = others(&policy, &["0:$rs", "$rs:102:0"]);
    for got in found {
        let got = got.unwrap();
        assert_eq!(got.prepended, 0);
        assert!(got.has("0:$rs") && got.has("$rs:102:0"));
    }
}

#[test]
fn routes_are_passed_on_unchanged() {
    let policy = compiled(base());
    let mut attributes = route(V4);
    attributes.origin = Origin::Egp;
    attributes.med = Some(77);
    attributes.atomic_aggregate = true;
    attributes.otc = Some(Asn(7));
    attributes.unknown =
        [RawAttribute { flags: 0xC0, code: 99, value: vec![1, 2, 3].into() }].into();
    attributes.communities = [Community::NO_EXPORT, Community::NO_ADVERTISE].into();
    let plan = plan_of(&policy, V4, &attributes);
    assert_eq!(plan.entries.len(), 1);
    assert_eq!(got(&plan, X).unwrap().attributes, attributes);
    assert_eq!((plan.med, plan.neighbour_as), (77, asn(V4)));
}

#[test]
fn partial_may_be_set_on_unknown_attributes() {
    let mut config = base();
    config.set_partial = true;
    let policy = compiled(config);
    let mut attributes = route(V4);
    attributes.unknown = [RawAttribute { flags: 0xC0, code: 99, value: vec![1].into() }].into();
    let plan = plan_of(&policy, V4, &attributes);
    assert_eq!(got(&plan, X).unwrap().attributes.unknown[0].flags, 0xE0);
}

#[test]
fn well_known_communities_pass_unless_they_are_honoured() {
    let mut config = base();
    for community in ["65535:65281", "65535:65282", "65535:65283"] {
        assert_eq!(reached(&compiled(config.clone()), &[community]), [true; 4]);
    }
    config.honour_well_known = true;
    with_peer(&mut config, X, |peer| peer.collector = true);
    let policy = compiled(config);
    for community in ["65535:65281", "65535:65282", "65535:65283"] {
        assert_eq!(reached(&policy, &[community]), [false, false, true, false]);
    }
    // What we add on the way out is for the receiver to honour.
    assert_eq!(reached(&policy, &["$rs:65281:0"]), [true; 4]);
}

#[test]
fn llgr_stale_is_told_whatever_is_honoured() {
    for honour in [false, true] {
        let mut config = base();
        config.honour_well_known = honour;
        let policy = compiled(config);
        let stale = plan_of(&policy, V4, &tagged(route(V4), &["65535:6"]));
        let fresh = plan_of(&policy, V4, &route(V4));
        assert!(stale.llgr_stale && !fresh.llgr_stale);
        assert!(stale.preference < fresh.preference);
    }
}

#[test]
fn a_route_never_goes_to_the_owner_of_its_next_hop() {
    let mut config = base();
    with_import(&mut config, V4, |import| import.next_hop = crate::NextHopMode::Any);
    with_import(&mut config, LL, |import| import.next_hop = crate::NextHopMode::Any);
    with_peer(&mut config, Y, |peer| {
        peer.link_local = Some(ll("fe80::99"));
        peer.interface = Some("eth2".into());
    });
    let hop = |slot: Slot, next_hop: NextHop, config: &PolicyConfig| {
        let mut attributes = route(slot);
        attributes.next_hop = next_hop;
        let plan = plan_of(&compiled(config.clone()), slot, &attributes);
        ALL.map(|slot| got(&plan, slot).is_some())
    };
    assert_eq!(hop(V4, next_hop(X), &config), [false, true, true, false, true]);
    let registered = NextHop::V6 { global: None, link_local: Some(ll("fe80::99")) };
    // On another link fe80::99 is somebody else.
    assert_eq!(hop(LL, registered, &config), [true, true, false, true, true]);
    with_peer(&mut config, Y, |peer| peer.interface = Some("eth1".into()));
    assert_eq!(hop(LL, registered, &config), [true, true, false, true, false]);
    let either_half =
        NextHop::V6 { global: Some(ll("2a11:1::77")), link_local: Some(ll("fe80::99")) };
    assert_eq!(hop(LL, either_half, &config), [true, true, false, true, false]);
}

#[test]
fn s01_the_next_hop_is_forwarded_as_a_pair_and_never_ours() {
    let mut config = base();
    with_peer(&mut config, V6, |peer| peer.link_local = Some(ll("fe80::99")));
    let policy = compiled(config);
    let mut attributes = route(V6);
    attributes.next_hop =
        NextHop::V6 { global: Some(ll("2a11:1::11")), link_local: Some(ll("fe80::99")) };
    let plan = plan_of(&policy, V6, &attributes);
    assert_eq!(got(&plan, LL).unwrap().attributes.next_hop, attributes.next_hop);
    let alone = plan_of(&policy, LL, &route(LL));
    assert_eq!(got(&alone, V6).unwrap().attributes.next_hop, next_hop(LL));
}

#[test]
fn other_sessions_of_the_same_as() {
    let mut config = base();
    with_peer(&mut config, X, |peer| peer.asn = asn(V4));
    assert_eq!(reached(&compiled(config.clone()), &[]), [true; 4]);
    config.same_as_export = false;
    assert_eq!(reached(&compiled(config), &[]), [true, true, false, true]);
}

#[test]
fn preference_is_decided_by_the_path_as_received() {
    let policy = compiled(base());
    let plain = plan_of(&policy, V4, &route(V4)).preference;
    let prepended = plan_of(&policy, V4, &tagged(route(V4), &["$rs:103:0"])).preference;
    assert_eq!(plain, prepended);
    let mut longer = route(V4);
    longer.as_path = AsPath::from_sequence(&[asn(V4), asn(V4), ORIGIN]);
    assert!(plan_of(&policy, V4, &longer).preference < plain);
    let shut = tagged(route(V4), &["65535:0"]);
    assert!(plan_of(&policy, V4, &shut).preference < plan_of(&policy, V4, &longer).preference);
}

#[test]
fn med_is_compared_where_it_is_configured() {
    let mut config = base();
    let preference = |config: &PolicyConfig, med| {
        let mut attributes = route(V4);
        attributes.med = med;
        plan_of(&compiled(config.clone()), V4, &attributes).preference
    };
    for mode in [MedMode::Off, MedMode::SameAs] {
        config.med = mode;
        assert_eq!(preference(&config, Some(1)), preference(&config, Some(2)));
    }
    config.med = MedMode::Always;
    assert!(preference(&config, Some(1)) > preference(&config, Some(2)));
    assert_eq!(preference(&config, None), preference(&config, Some(0)));
}

// Section 4 and 5.

fn class(rov: RovState, origin: IrrState, prefix: IrrState) -> VerdictClass {
    VerdictClass::new(Family::V4).with_rov(rov).with_irr_origin(origin).with_irr_prefix(prefix)
}

fn tags(config: PolicyConfig, class: VerdictClass) -> [Option<Vec<String>>; 4] {
    let policy = compiled(config);
    let plan = plan_of_class(&policy, V4, &route(V4), class);
    [V6, LL, X, Y].map(|slot| {
        let got = got(&plan, slot)?;
        Some(crate::communities::keys(&got.attributes).map(|key| key.to_string()).collect())
    })
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|&text| text.to_owned()).collect())
}

#[test]
fn tags_are_added_only_where_they_are_asked_for() {
    let present = class(RovState::Valid, IrrState::Present, IrrState::Present);
    assert_eq!(tags(base(), present), [texts(&[]), texts(&[]), texts(&[]), texts(&[])]);
    let mut config = base();
    config.inform.rov = true;
    assert_eq!(tags(config.clone(), present)[0], texts(&["6500:1000:1"]));
    let unknown = class(RovState::NotFound, IrrState::NotChecked, IrrState::NotChecked);
    assert_eq!(tags(config.clone(), unknown)[0], texts(&["6500:1000:2"]));
    config.inform.irr = true;
    assert_eq!(tags(config.clone(), unknown)[0], texts(&["6500:1000:2", "6500:1001:2"]));
    assert_eq!(tags(config.clone(), present)[0], texts(&["6500:1000:1", "6500:1001:1"]));
    config.inform.learnt_from = true;
    let all = texts(&["6500:1000:1", "6500:1001:1", "6500:1010:2000"]);
    assert_eq!(tags(config, present)[0], all);
}

#[test]
fn s35_filter_modes_withhold_before_selection_and_only_from_those_who_asked() {
    let mut config = base();
    with_import(&mut config, V4, |import| {
        import.irr = CheckMode::PerMember;
        import.rpki = CheckMode::PerMember;
    });
    for (slot, mode) in [
        (V6, FilterMode::IrrRpki),
        (LL, FilterMode::Irr),
        (X, FilterMode::Rpki),
        (Y, FilterMode::TagOnly),
    ] {
        with_peer(&mut config, slot, |peer| peer.filter = mode);
    }
    let policy = compiled(config);
    let reached = |class| {
        let plan = plan_of_class(&policy, V4, &route(V4), class);
        [V6, LL, X, Y].map(|slot| got(&plan, slot).is_some())
    };
    let (valid, invalid) = (RovState::Valid, RovState::Invalid);
    let (present, absent) = (IrrState::Present, IrrState::Absent);
    assert_eq!(reached(class(valid, present, present)), [true; 4]);
    assert_eq!(reached(class(RovState::NotFound, present, present)), [true; 4]);
    assert_eq!(reached(class(invalid, present, present)), [false, true, false, true]);
    assert_eq!(reached(class(valid, absent, present)), [false, false, true, true]);
    assert_eq!(reached(class(valid, present, absent)), [false, false, true, true]);
    assert_eq!(reached(class(invalid, absent, absent)), [false, false, false, true]);
    // Whoever gets it is told.
    let plan = plan_of_class(&policy, V4, &route(V4), class(invalid, present, present));
    assert!(got(&plan, LL).unwrap().has("$rs:1000:4"));
    let plan = plan_of_class(&policy, V4, &route(V4), class(valid, present, absent));
    assert!(got(&plan, X).unwrap().has("$rs:1101:9"));
}

#[test]
fn a_tagged_failure_is_told_to_everybody() {
    let mut config = base();
    with_import(&mut config, V4, |import| import.rpki = CheckMode::Tag);
    let invalid = class(RovState::Invalid, IrrState::NotChecked, IrrState::NotChecked);
    let told = texts(&["6500:1000:4"]);
    assert_eq!(tags(config.clone(), invalid), [told.clone(), told.clone(), told.clone(), told]);
    let unknown = class(RovState::NotFound, IrrState::NotChecked, IrrState::NotChecked);
    assert_eq!(tags(config, unknown)[0], texts(&[]));
}

/// The filter that lines of an aut-num make.
fn rpsl(lines: &[&str]) -> Option<Arc<PeerFilter>> {
    let parse = |line: &&str| {
        let (attribute, text) = line.split_once(": ").unwrap();
        crate::rpsl::parse_attribute(attribute, text).unwrap()
    };
    let lines: Vec<_> = lines.iter().flat_map(parse).collect();
    Some(Arc::new(PeerFilter::compile(&lines, RS, |_| None).filter))
}

fn rpsl_on_both_sides() -> Policy {
    let mut config = base();
    with_peer(&mut config, V4, |peer| {
        let (x, y) = (asn(X), asn(Y));
        peer.rpsl = rpsl(&[&format!("export-via: afi ipv4 AS{RS} to AS{x} OR AS{y} announce ANY")]);
    });
    with_peer(&mut config, Y, |peer| {
        let line = format!("import-via: afi ipv4 AS{RS} from AS{} accept NOT ANY", asn(V4));
        peer.rpsl = rpsl(&[&line]);
    });
    compiled(config)
}

#[test]
fn rpsl_policies_of_both_sides_decide_by_family() {
    let policy = rpsl_on_both_sides();
    let reached = |source, family| {
        let plan = plan_of_class(&policy, source, &route(source), VerdictClass::new(family));
        ALL.map(|slot| got(&plan, slot).is_some())
    };
    assert_eq!(reached(V4, Family::V4), [false, false, false, true, false]);
    assert_eq!(reached(V4, Family::V6), [false, true, true, true, true]);
    assert_eq!(reached(X, Family::V4), [true, true, true, false, true]);
}

#[test]
fn rpsl_lines_that_decide_are_named() {
    let policy = rpsl_on_both_sides();
    let steps = |family| {
        let mut recorder = Recorder::new();
        let attributes = route(V4);
        let verdict = policy.attribute_verdict(V4, &attributes, &mut NoTrace);
        policy.plan_traced(V4, &verdict, VerdictClass::new(family), &mut recorder);
        let of_slot = |slot: Slot| {
            let step = |step: &&crate::ExportStep| {
                step.rule == ExportRule::Rpsl && step.peers.contains(slot)
            };
            recorder.export.iter().find(step).map(|step| (step.withheld, step.detail.clone()))
        };
        ALL.map(of_slot)
    };
    let (own, x, y) = (asn(V4), asn(X), asn(Y));
    let line = format!("export-via: afi ipv4 AS{RS} to AS{x} OR AS{y} announce ANY");
    let [itself, v6, _, to_x, to_y] = steps(Family::V4);
    assert_eq!(itself, None);
    let others = format!("aut-num AS{own} sends to others only: no line is for AS{}", asn(V6));
    assert_eq!(v6, Some((true, others)));
    assert_eq!(to_x, Some((false, format!("aut-num AS{own}: {line}"))));
    let refusal = format!("import-via: afi ipv4 AS{RS} from AS{own} accept NOT ANY");
    assert_eq!(to_y, Some((true, format!("aut-num AS{y}: {refusal}"))));
    assert_eq!(steps(Family::V6), [const { None }; 5]);
}

#[test]
fn only_sources_whose_receivers_differ_are_named_as_changed() {
    let before = compiled(base());
    let after = rpsl_on_both_sides();
    assert_eq!(Policy::rpsl_changes(&before, &after), [V4]);
    assert!(Policy::rpsl_changes(&after, &after).is_empty());
}

#[test]
fn s29_a_collector_sees_every_eligible_route() {
    let mut config = base();
    with_peer(&mut config, X, |peer| peer.collector = true);
    let policy = compiled(config);
    assert_eq!(reached(&policy, &["0:$rs"]), [false, false, true, false]);
    assert_eq!(reached(&policy, &["$rs:0:2003"]), [true; 4]);
    let found = others(&policy, &["$rs:103:0", "$rs:65281:0"]);
    let collector = found[2].as_ref().unwrap();
    assert_eq!(collector.prepended, 0);
    assert!(!collector.has("65535:65281"));
    assert!(collector.has("$rs:1010:2000") && collector.has("$rs:1000:3"));
    assert_eq!(found[0].as_ref().unwrap().prepended, 3);
}

#[test]
fn blackhole_routes_carry_blackhole_and_no_export() {
    let mut config = base();
    with_import(&mut config, V4, |import| import.blackhole = true);
    let taken = VerdictClass::new(Family::V4).with_blackhole();
    let sent = |config: &PolicyConfig, community: &str| {
        let policy = compiled(config.clone());
        let plan = plan_of_class(&policy, V4, &tagged(route(V4), &[community]), taken);
        got(&plan, X).unwrap()
    };
    for community in ["65535:666", "$rs:666:0"] {
        let got = sent(&config, community);
        assert!(got.has("65535:666") && got.has("65535:65281"));
        assert!(!got.has("$rs:666:0"));
    }
    with_import(&mut config, V4, |import| import.blackhole_no_export = false);
    let got = sent(&config, "65535:666");
    assert!(got.has("65535:666") && !got.has("65535:65281"));
}

#[test]
fn otc_is_added_towards_clients_where_it_is_absent() {
    let mut config = base();
    with_peer(&mut config, X, |peer| peer.role_rfc9234 = true);
    let policy = compiled(config);
    let plan = plan_of(&policy, V4, &route(V4));
    assert_eq!(got(&plan, X).unwrap().attributes.otc, Some(RS));
    assert_eq!(got(&plan, LL).unwrap().attributes.otc, None);
    let mut marked = route(V4);
    marked.otc = Some(Asn(7));
    let plan = plan_of(&policy, V4, &marked);
    assert_eq!(got(&plan, X).unwrap().attributes.otc, Some(Asn(7)));
}

#[test]
fn drain_marks_everything_that_leaves() {
    let mut config = base();
    config.drain = true;
    let policy = compiled(config);
    let plan = plan_of(&policy, V4, &route(V4));
    assert!(got(&plan, X).unwrap().has("65535:0"));
    // It says something about us, not about the route.
    assert_eq!(plan.preference, plan_of(&compiled(base()), V4, &route(V4)).preference);
}

// Section 7.

fn transitable() -> PolicyConfig {
    let mut config = config(Kind::Transitable);
    for sponsor in [V4, X] {
        with_peer(&mut config, sponsor, |peer| peer.role = Role::TransitSponsor);
    }
    config
}

#[test]
fn transit_goes_to_downstreams_and_not_to_sponsors() {
    let transit = VerdictClass::new(Family::V4).with_transit();
    let peering = VerdictClass::new(Family::V4);
    let mut config = transitable();
    let reached = |config: &PolicyConfig, class| {
        let plan = plan_of_class(&compiled(config.clone()), V4, &route(V4), class);
        [V6, LL, X, Y].map(|slot| got(&plan, slot).map(|got| got.has("$rs:65530:7")))
    };
    assert_eq!(reached(&config, transit), [Some(true), Some(true), None, Some(true)]);
    assert_eq!(reached(&config, peering), [Some(false); 4]);
    with_peer(&mut config, X, |peer| peer.receive_transit = true);
    assert_eq!(reached(&config, transit), [Some(true); 4]);
}

#[test]
fn peering_is_preferred_to_transit_before_the_length_of_the_path() {
    let policy = compiled(transitable());
    let transit = VerdictClass::new(Family::V4).with_transit();
    let mut long = route(V4);
    long.as_path = AsPath::from_sequence(&[asn(V4); 20]);
    let peering = plan_of(&policy, V4, &long).preference;
    assert!(peering > plan_of_class(&policy, V4, &route(V4), transit).preference);
}

#[test]
fn a_sponsor_refuses_transit_to_one_downstream() {
    let policy = compiled(transitable());
    let transit = VerdictClass::new(Family::V4).with_transit();
    let attributes = tagged(route(V4), &["$rs:0:2001"]);
    let plan = plan_of_class(&policy, V4, &attributes, transit);
    assert!(got(&plan, V6).is_none() && got(&plan, LL).is_some());
}

#[test]
fn a_sponsor_s_own_transit_mark_is_left_on() {
    let policy = compiled(transitable());
    let attributes = tagged(route(V4), &["$rs:65530:7", "9:9"]);
    let transit = VerdictClass::new(Family::V4).with_transit();
    let plan = plan_of_class(&policy, V4, &attributes, transit);
    assert_eq!(got(&plan, V6).unwrap().attributes, attributes);
}

#[test]
fn chaos_passes_everything_to_everybody_but_the_source() {
    let policy = compiled(config(Kind::Chaos));
    let communities = ["0:$rs", "$rs:0:0", "$rs:103:0", "65535:65281", "$rs:1000:1"];
    let attributes = tagged(route(V4), &communities);
    let plan = plan_of(&policy, V4, &attributes);
    assert_eq!(plan.entries.len(), 1);
    for slot in [V6, LL, X, Y] {
        assert_eq!(got(&plan, slot).unwrap().attributes, attributes);
    }
    // Nor to who is the next hop.
    let mut attributes = route(V4);
    attributes.next_hop = next_hop(X);
    assert!(got(&plan_of(&policy, V4, &attributes), X).is_none());
}

// Explain.

#[test]
fn an_explanation_names_the_rule_and_the_community() {
    let policy = compiled(base());
    let attributes = tagged(route(V4), &["$rs:0:2003", "$rs:102:0"]);
    let verdict = policy.attribute_verdict(V4, &attributes, &mut NoTrace);
    let mut recorder = Recorder::new();
    let class = VerdictClass::new(Family::V4);
    let plan = policy.plan_traced(V4, &verdict, class, &mut recorder);
    assert_eq!(plan, policy.plan(V4, &verdict, class));
    let concerning =
        |slot| recorder.export.iter().filter(|step| step.peers.contains(slot)).collect::<Vec<_>>();
    let x = concerning(X);
    assert_eq!(x[0].rule, ExportRule::Community(Function::DoNotAnnounceToPeer));
    assert!(x[0].withheld);
    assert_eq!(x[0].detail, "6500:0:2003");
    let v6 = concerning(V6);
    assert_eq!(v6.len(), 1);
    assert_eq!(v6[0].rule, ExportRule::Community(Function::PrependTwiceToAny));
    assert!(!v6[0].withheld);
    assert_eq!(concerning(V4)[0].rule, ExportRule::SplitHorizon);
}

// Load.

#[test]
fn s12_a_pattern_that_cannot_be_encoded_is_refused_at_load() {
    let mut config = base();
    config.asn = Asn(199_594);
    config.short_asn = None;
    let patterns = vec!["0:$rs".parse().unwrap()];
    config.communities.set(Function::DoNotAnnounceToAny, patterns);
    let wide = vec!["rt:$rs:70000".parse().unwrap()];
    config.communities.set(Function::PrependOnceToAny, wide);
    let errors = Policy::new(config).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("do_not_announce_to_any") && texts[0].contains("\"0:$rs\""));
    assert!(texts[1].contains("prepend_once_to_any") && texts[1].contains("70000"));
}

#[test]
fn s12_defaults_that_cannot_be_encoded_are_left_out_with_a_warning() {
    let mut config = base();
    config.asn = Asn(199_594);
    config.short_asn = None;
    let policy = compiled(config);
    let said: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(said.iter().filter(|text| text.contains("short_asn")).count(), 1, "{said:?}");
    let patterns = policy.patterns(Function::DoNotAnnounceToAny);
    assert_eq!(
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["rt:0:$rs", "$rs:0:0"]
    );
}

#[test]
fn patterns_that_make_no_sense_are_refused_at_load() {
    for (function, pattern) in [
        (Function::DoNotAnnounceToPeer, "0:1"),
        (Function::DoNotAnnounceToAny, "0:$peer"),
        (Function::PrependOnceToAny, "$rs:*"),
        (Function::RovValid, "$rs:1000:$code"),
    ] {
        let mut config = base();
        config.communities.set(function, vec![pattern.parse().unwrap()]);
        assert_eq!(Policy::new(config).unwrap_err().len(), 1, "{function} {pattern}");
    }
}

#[test]
fn two_sessions_cannot_share_an_address() {
    let mut config = base();
    with_peer(&mut config, Y, |peer| peer.address = address("fe80::12"));
    assert_eq!(Policy::new(config.clone()).unwrap_err().len(), 1);
    // On another link it is another address.
    with_peer(&mut config, Y, |peer| peer.interface = Some("eth2".into()));
    assert!(Policy::new(config).is_ok());
}

#[test]
fn refused_routes_are_shown_with_their_reason() {
    let policy = compiled(base());
    let shown = |reason| {
        policy.reject_communities(reason).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(crate::RejectReason::RovInvalid),
        ["6500:65520:0", "6500:65520:14", "6500:1101:13"]
    );
    assert_eq!(
        shown(crate::RejectReason::PrefixTooShort),
        ["6500:65520:0", "6500:65520:13", "6500:1101:2"]
    );
    assert_eq!(shown(crate::RejectReason::AspaInvalid), ["6500:65520:0", "6500:65520:17"]);
}
