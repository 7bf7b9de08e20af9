//! Control and informational communities, in tables: what every function does in each of its
//! encodings, what the presets say, what is tagged, what is taken off both ways.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod tables;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bgp_wire::{Asn, Family, PathAttributes};
use policy::{
    AspaState, Audience, CommunityScheme, Encoding, FilterMode, Function, IrrState, Kind, NoTrace,
    Pattern, PeerPolicy, Policy, PolicyConfig, PolicyWarning, PrependTie, Preset, RovState, Slot,
    VerdictClass,
};
use tables::{RS, SESSIONS, community, exchange, route, rows, tag};

/// Who receives: X, whom the communities name; W, whom they do not; Z, whose AS has 32 bits.
const X: Slot = Slot(12);
const W: Slot = Slot(13);
const Z: Slot = Slot(14);
const ASN_X: u32 = 2300;

/// Each function by itself, in each encoding. What is not said is as it would be anyway: the
/// route arrives, nothing prepended, nothing added.
const FUNCTIONS: &str = "
# function                 | standard       | extended          | large            | X, who is named | W and Z, who are not
do_not_announce_to_any     | 0:$rs          | rt:0:$rs          | $rs:0:0          | no route        | no route
do_not_announce_to_peer    | 0:$peer        | rt:0:$peer        | $rs:0:$peer      | no route        | -
announce_to_peer           | $rs:$peer      | rt:$rs:$peer      | $rs:1:$peer      | -               | -
announce_to_any            | $rs:$rs        | rt:$rs:$rs        | $rs:1:0          | -               | -
prepend_once_to_any        | $rs:65501      | rt:65501:$rs      | $rs:101:0        | prepended 1     | prepended 1
prepend_twice_to_any       | $rs:65502      | rt:65502:$rs      | $rs:102:0        | prepended 2     | prepended 2
prepend_thrice_to_any      | $rs:65503      | rt:65503:$rs      | $rs:103:0        | prepended 3     | prepended 3
prepend_once_to_peer       | 65504:$peer    | rt:65504:$peer    | $rs:101:$peer    | prepended 1     | -
prepend_twice_to_peer      | 65505:$peer    | rt:65505:$peer    | $rs:102:$peer    | prepended 2     | -
prepend_thrice_to_peer     | 65506:$peer    | rt:65506:$peer    | $rs:103:$peer    | prepended 3     | -
no_prepend_to_peer         | 65507:$peer    | rt:65507:$peer    | $rs:100:$peer    | -               | -
add_noexport_to_any        | $rs:65281      | rt:65281:$rs      | $rs:65281:0      | NO_EXPORT       | NO_EXPORT
add_noexport_to_peer       | 65509:$peer    | rt:65509:$peer    | $rs:65281:$peer  | NO_EXPORT       | -
add_noadvertise_to_any     | $rs:65282      | rt:65282:$rs      | $rs:65282:0      | NO_ADVERTISE    | NO_ADVERTISE
add_noadvertise_to_peer    | 65510:$peer    | rt:65510:$peer    | $rs:65282:$peer  | NO_ADVERTISE    | -
blackhole                  | 65535:666      | rt:65535:666      | $rs:666:0        | BLACKHOLE NO_EXPORT | BLACKHOLE NO_EXPORT
";

/// Which beats which; the patterns are those of the table above.
const TOGETHER: &str = "
# communities                                   | X, who is named      | W           | Z, AS 200004
# A refusal to one beats everything; then a permission to one; then a refusal to all.
$rs:0:$x $rs:1:$x                               | no route             | -           | -
0:$rs $rs:1:$x                                  | -                    | no route    | no route
rt:0:$rs $rs:$x                                 | -                    | no route    | no route
$rs:0:0 $rs:1:200004                            | no route             | no route    | -
$rs:0:0 rt:$rs:$x                               | -                    | no route    | no route
$rs:0:0 $rs:1:$x $rs:0:$x                       | no route             | no route    | no route
$rs:0:0 $rs:1:0                                 | no route             | no route    | no route
$rs:0:200004                                    | -                    | -           | no route
rt:0:200004                                     | -                    | -           | no route
# One rule of prepending: what names the member, then what spares it, then what is for all.
$rs:101:0 $rs:103:$x                            | prepended 3          | prepended 1 | prepended 1
$rs:103:0 $rs:101:$x                            | prepended 1          | prepended 3 | prepended 3
$rs:103:0 $rs:100:$x                            | -                    | prepended 3 | prepended 3
$rs:101:$x $rs:100:$x                           | prepended 1          | -           | -
$rs:101:0 $rs:102:0                             | prepended 2          | prepended 2 | prepended 2
65504:$x $rs:103:$x rt:65505:$x                 | prepended 3          | -           | -
# The rest combines.
$rs:101:0 $rs:65281:$x $rs:65282:0              | prepended 1 NO_EXPORT NO_ADVERTISE | prepended 1 NO_ADVERTISE | prepended 1 NO_ADVERTISE
$rs:0:$x $rs:102:0 $rs:65281:0                  | no route             | prepended 2 NO_EXPORT | prepended 2 NO_EXPORT
";

/// What euro-ix and irix have in common: all of their control functions.
const EURO_IX: &str = "
do_not_announce_to_any     | 0:$rs rt:0:$rs $rs:0:0
do_not_announce_to_peer    | 0:$peer rt:0:$peer $rs:0:$peer
announce_to_peer           | $rs:$peer rt:$rs:$peer $rs:1:$peer
announce_to_any            | $rs:$rs $rs:1:0
prepend_once_to_any        | $rs:65501 $rs:101:0
prepend_twice_to_any       | $rs:65502 $rs:102:0
prepend_thrice_to_any      | $rs:65503 $rs:103:0
prepend_once_to_peer       | 65504:$peer $rs:101:$peer
prepend_twice_to_peer      | 65505:$peer $rs:102:$peer
prepend_thrice_to_peer     | 65506:$peer $rs:103:$peer
no_prepend_to_peer         | $rs:100:$peer
add_noexport_to_any        | $rs:65281 $rs:65281:0
add_noexport_to_peer       | 65509:$peer $rs:65281:$peer
add_noadvertise_to_any     | $rs:65282 $rs:65282:0
add_noadvertise_to_peer    | 65510:$peer $rs:65282:$peer
blackhole                  | 65535:666 $rs:666:0
";

/// The control functions of the presets, complete.
const PRESETS: [(Preset, &str); 4] = [
    (Preset::EuroIx, EURO_IX),
    (
        Preset::Arouteserver,
        "
do_not_announce_to_any     | 0:$rs rt:0:$rs $rs:0:0
do_not_announce_to_peer    | 0:$peer rt:0:$peer $rs:0:$peer
announce_to_peer           | $rs:$peer rt:$rs:$peer $rs:1:$peer
announce_to_any            | $rs:$rs $rs:1:0
prepend_once_to_any        | 65501:$rs rt:65501:$rs $rs:101:0
prepend_twice_to_any       | 65502:$rs rt:65502:$rs $rs:102:0
prepend_thrice_to_any      | 65503:$rs rt:65503:$rs $rs:103:0
prepend_once_to_peer       | 65511:$peer rt:65511:$peer $rs:101:$peer
prepend_twice_to_peer      | 65512:$peer rt:65512:$peer $rs:102:$peer
prepend_thrice_to_peer     | 65513:$peer rt:65513:$peer $rs:103:$peer
no_prepend_to_peer         | $rs:100:$peer
add_noexport_to_any        | 65281:$rs rt:65281:$rs $rs:65281:0
add_noexport_to_peer       | 65281:$peer rt:65281:$peer $rs:65281:$peer
add_noadvertise_to_any     | 65282:$rs rt:65282:$rs $rs:65282:0
add_noadvertise_to_peer    | 65282:$peer rt:65282:$peer $rs:65282:$peer
blackhole                  | 65535:666 65534:0 $rs:666:0
",
    ),
    (Preset::Irix, EURO_IX),
    (
        Preset::Poema,
        "
do_not_announce_to_any     | rt:0:$rs $rs:0:$rs
do_not_announce_to_peer    | 0:$peer rt:0:$peer $rs:0:$peer
announce_to_peer           | $rs:$rs:$peer
announce_to_any            |
prepend_once_to_any        | rt:65501:$rs $rs:65501:$rs
prepend_twice_to_any       | rt:65502:$rs $rs:65502:$rs
prepend_thrice_to_any      | rt:65503:$rs $rs:65503:$rs
prepend_once_to_peer       | 65504:$peer rt:65504:$peer $rs:65504:$peer
prepend_twice_to_peer      | 65505:$peer rt:65505:$peer $rs:65505:$peer
prepend_thrice_to_peer     | 65506:$peer rt:65506:$peer $rs:65506:$peer
no_prepend_to_peer         |
add_noexport_to_any        | rt:65507:$rs $rs:65507:$rs
add_noexport_to_peer       | 65509:$peer rt:65509:$peer $rs:65509:$peer
add_noadvertise_to_any     | rt:65508:$rs $rs:65508:$rs
add_noadvertise_to_peer    | 65510:$peer rt:65510:$peer $rs:65510:$peer
blackhole                  | 65535:666 65534:0 $rs:666:0
",
    ),
];

/// What is found about a route, and the tags that say so where `inform` asks for all of them.
/// `-`: the preset has none.
const TAGS: &str = "
# found                  | euro-ix                   | arouteserver               | irix              | poema
rov=valid                | $rs:1000:1                | $rs:1000:1                 | $rs:65012:0       | -
rov=not-found            | $rs:1000:2                | $rs:1000:2                 | $rs:65023:0       | -
rov=not-checked          | $rs:1000:3                | $rs:1000:3                 | -                 | -
rov=invalid              | $rs:1000:4                | $rs:1000:4                 | $rs:65022:0       | -
irr=present,present      | $rs:1001:1                | 64512:11 64512:21 $rs:64512:11 $rs:64512:21 | $rs:65011:0 | 65530:1 65530:5 $rs:65530:1 $rs:65530:5
irr=present,absent       | $rs:1101:9                | 64512:11 64512:20 $rs:64512:11 $rs:64512:20 | $rs:65021:0 | 65530:1 65530:6 $rs:65530:1 $rs:65530:6
irr=absent,absent        | $rs:1101:10 $rs:1101:9    | 64512:10 64512:20 $rs:64512:10 $rs:64512:20 | $rs:65021:0 | 65530:0 65530:6 $rs:65530:0 $rs:65530:6
irr=present,roa          | $rs:1001:1                | 64512:11 64512:31 $rs:64512:11 $rs:64512:31 | $rs:65011:0 | 65530:1 65530:2 $rs:65530:1 $rs:65530:2
irr=white-list,white-list | $rs:1001:1               | 64512:41 $rs:64512:41      | $rs:65011:0       | 65530:3 $rs:65530:3
irr=not-checked,not-checked | $rs:1001:2             | -                          | -                 | -
transit                  | $rs:65530:7               | $rs:65530:7                | $rs:65530:7       | $rs:65530:7
transit-free             | -                         | -                          | -                 | 65530:8 $rs:65530:8
learnt-from              | $rs:1010:2000             | $rs:1010:2000              | $rs:1010:2000     | -
";

/// On refused routes (here: for the next hop).
const REFUSED: &str = "
euro-ix      | $rs:65520:0 $rs:65520:5 $rs:1101:8
arouteserver | 65520:0 65520:5 $rs:65520:0 $rs:65520:5 $rs:1101:8
irix         | $rs:65520:0 $rs:65520:5 $rs:1101:8
poema        | 65531:0 65531:5 $rs:65531:0 $rs:65531:5 $rs:1101:8
";

/// Taken off on the way in, since a member could forge it; taken off on the way out, since it
/// was for us; and what passes both ways.
const SCRUBBED: &str = "
# preset     | on the way in                                     | on the way out                              | never
euro-ix      | $rs:1000:9 $rs:1001:9 $rs:1101:99 $rs:1010:7 $rs:65520:99 $rs:65530:7 | 0:9 $rs:9 65504:9 65506:9 65509:9 65510:9 rt:0:9 rt:$rs:9 ro:0:9 ro:$rs:9 $rs:0:9 $rs:1:9 $rs:100:9 $rs:103:9 $rs:65281:9 $rs:65282:9 $rs:666:9 | 65535:666 65535:0 65535:65281 3000:1 9:$rs rt:9:9 9:0:9 $rs:2:9 65501:9
arouteserver | 64512:99 $rs:64512:99 $rs:1000:9 $rs:1010:7 65520:99 $rs:65520:99 $rs:65530:7 | 0:9 $rs:9 65501:9 65503:9 65511:9 65513:9 65281:9 65282:9 rt:0:9 rt:$rs:9 ro:0:9 $rs:0:9 $rs:1:9 $rs:100:9 $rs:103:9 $rs:65281:9 $rs:666:9 65534:0 | 65535:666 65535:65281 3000:1 65504:9 $rs:1001:1 rt:9:9
irix         | $rs:65011:9 $rs:65012:9 $rs:65021:9 $rs:65022:9 $rs:65023:9 $rs:1010:7 $rs:65520:9 $rs:1101:9 | 0:9 $rs:9 65504:9 65510:9 rt:0:9 rt:$rs:9 ro:0:9 $rs:0:9 $rs:1:9 $rs:103:9 $rs:65282:9 $rs:666:9 | 65535:666 3000:1 65012:0 $rs:1000:1
poema        | 65530:0 65530:3 65530:4 65530:6 65530:7 65530:8 $rs:65530:0 $rs:65530:4 $rs:65530:7 $rs:65530:8 65531:99 $rs:65531:99 | 0:9 65504:9 65506:9 65509:9 65510:9 65534:0 rt:0:9 ro:0:9 rt:65501:9 rt:65504:9 rt:65508:9 $rs:0:9 $rs:$rs:9 $rs:65501:9 $rs:65504:9 $rs:65510:9 $rs:666:9 | 65535:666 65535:65281 3000:1 65501:9 65530:9 rt:9:9 9:0:9
";

/// The exchange with those who receive.
fn receivers() -> PolicyConfig {
    let mut config = exchange(Kind::Regular);
    for (last, asn) in [(100, ASN_X), (101, 2301), (102, 200_004)] {
        let address = Ipv4Addr::new(185, 1, 0, last);
        let mut peer = PeerPolicy::new(100 + u32::from(last), Asn(asn), address.into());
        peer.import.clone_from(&config.peers[0].as_ref().unwrap().import);
        config.peers.push(Some(peer));
    }
    for peer in config.peers.iter_mut().flatten() {
        let import = std::sync::Arc::make_mut(&mut peer.import);
        import.blackhole = true;
    }
    config
}

fn with_preset(preset: Preset) -> PolicyConfig {
    PolicyConfig { communities: CommunityScheme::preset(preset), ..receivers() }
}

fn tagged(session: Slot, communities: &[&str]) -> PathAttributes {
    let mut attributes = route(session);
    for text in communities {
        tag(&mut attributes, community(&text.replace("$x", &ASN_X.to_string()), RS));
    }
    attributes
}

/// What a receiver gets.
fn got(
    policy: &Policy,
    session: Slot,
    attributes: &PathAttributes,
    class: VerdictClass,
    to: Slot,
) -> Option<PathAttributes> {
    let verdict = policy.attribute_verdict(session, attributes, &mut NoTrace);
    assert_eq!(verdict.reject, None);
    let class = if verdict.facts.blackhole { class.with_blackhole() } else { class };
    let plan = policy.plan(session, &verdict, class);
    let entry = plan.entries.iter().find(|entry| entry.peers.contains(to))?;
    Some(entry.attributes.attributes.clone())
}

/// In the words of the tables; `before`: the route as it came.
fn in_words(before: &PathAttributes, after: Option<&PathAttributes>) -> String {
    let Some(after) = after else { return "no route".to_owned() };
    let mut words = Vec::new();
    let prepended = after.as_path.length() - before.as_path.length();
    if prepended > 0 {
        let member = before.as_path.first().unwrap();
        assert!(after.as_path.asns().take(prepended + 1).all(|asn| asn == member));
        words.push(format!("prepended {prepended}"));
    }
    for (community, name) in
        [("65535:666", "BLACKHOLE"), ("65535:65281", "NO_EXPORT"), ("65535:65282", "NO_ADVERTISE")]
    {
        if tables::communities(after).iter().any(|text| text == community) {
            words.push(name.to_owned());
        }
    }
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn function(name: &str) -> Function {
    name.parse().unwrap_or_else(|_| panic!("{name:?} is no function"))
}

/// The standard, extended and large pattern of each function in the first table.
fn every_encoding() -> PolicyConfig {
    let mut config = receivers();
    for row in rows(FUNCTIONS) {
        let patterns: Vec<Pattern> = row[1..4].iter().map(|text| text.parse().unwrap()).collect();
        let encodings: Vec<Encoding> = patterns.iter().map(Pattern::encoding).collect();
        assert_eq!(encodings, [Encoding::Standard, Encoding::Extended, Encoding::Large]);
        config.communities.set(function(row[0]), patterns);
    }
    config
}

/// What a function does to X and to W and Z.
fn effect(name: &str) -> [&'static str; 2] {
    let row = rows(FUNCTIONS).find(|row| row[0] == name).unwrap();
    [row[4], row[5]]
}

/// One community of a function does what it should, from every session, for both families, and
/// does not travel on.
fn does(policy: &Policy, name: &str, pattern: &str) {
    let text = pattern.replace("$peer", "$x");
    let [to_named, to_others] = effect(name);
    for (_, session) in SESSIONS {
        for family in Family::ALL {
            let before = tagged(session, &[&text]);
            let class = VerdictClass::new(family);
            for (to, expected) in [(X, to_named), (W, to_others), (Z, to_others)] {
                let after = got(policy, session, &before, class, to);
                let found = in_words(&before, after.as_ref());
                assert_eq!(found, expected, "{name} {pattern} from {session:?} to {to:?}");
                let key = community(&text.replace("$x", &ASN_X.to_string()), RS).to_string();
                let left = after.map(|after| tables::communities(&after)).unwrap_or_default();
                let stays = text.starts_with("65535:");
                assert!(stays || !left.contains(&key), "{pattern} travels on");
            }
        }
    }
}

#[test]
fn every_function_in_each_of_the_three_encodings() {
    let policy = Policy::new(every_encoding()).unwrap();
    for row in rows(FUNCTIONS) {
        for pattern in &row[1..4] {
            does(&policy, row[0], pattern);
        }
    }
    let actions = Function::ALL
        .into_iter()
        .filter(|one| matches!(one.audience(), Audience::Any | Audience::Peer));
    let listed: BTreeSet<&str> = rows(FUNCTIONS).map(|row| row[0]).collect();
    assert_eq!(listed, actions.map(Function::name).collect());
}

#[test]
fn one_beats_the_other_in_this_order() {
    let policy = Policy::new(every_encoding()).unwrap();
    for row in rows(TOGETHER) {
        let communities: Vec<&str> = row[0].split_whitespace().collect();
        for (_, session) in SESSIONS {
            let before = tagged(session, &communities);
            for (to, expected) in [X, W, Z].into_iter().zip(&row[1..]) {
                let after = got(&policy, session, &before, VerdictClass::new(Family::V4), to);
                assert_eq!(in_words(&before, after.as_ref()), *expected, "{row:?} to {to:?}");
            }
        }
    }
}

#[test]
fn of_several_prepends_the_lowest_may_count() {
    let policy =
        Policy::new(PolicyConfig { prepend_tie: PrependTie::Lowest, ..every_encoding() }).unwrap();
    for (communities, expected) in [
        (["$rs:101:0", "$rs:102:0"], "prepended 1"),
        (["$rs:102:$x", "$rs:103:$x"], "prepended 2"),
        (["$rs:103:0", "$rs:102:$x"], "prepended 2"),
    ] {
        let before = tagged(Slot(0), &communities);
        let after = got(&policy, Slot(0), &before, VerdictClass::new(Family::V4), X);
        assert_eq!(in_words(&before, after.as_ref()), expected, "{communities:?}");
    }
}

#[test]
fn the_presets_have_these_functions_and_they_work() {
    for (preset, table) in PRESETS {
        let scheme = CommunityScheme::preset(preset);
        let policy = Policy::new(with_preset(preset)).unwrap();
        let mut listed = BTreeSet::new();
        for row in rows(table) {
            listed.insert(row[0]);
            let found: Vec<String> =
                scheme.patterns(function(row[0])).iter().map(ToString::to_string).collect();
            let patterns: Vec<&str> = row[1].split_whitespace().collect();
            assert_eq!(found, patterns, "{} {}", preset.name(), row[0]);
            patterns.iter().for_each(|pattern| does(&policy, row[0], pattern));
        }
        let all: BTreeSet<&str> = rows(FUNCTIONS).map(|row| row[0]).collect();
        assert_eq!(listed, all, "{}", preset.name());
    }
}

/// A class out of `rov=…`, `irr=ORIGIN,PREFIX`, `transit`.
fn class(found: &str) -> VerdictClass {
    let class = VerdictClass::new(Family::V4);
    let irr = |word: &str| match word {
        "present" => IrrState::Present,
        "absent" => IrrState::Absent,
        "roa" => IrrState::Roa,
        "white-list" => IrrState::WhiteList,
        _ => IrrState::NotChecked,
    };
    match found.split_once('=') {
        Some(("rov", state)) => class.with_rov(match state {
            "valid" => RovState::Valid,
            "not-found" => RovState::NotFound,
            "invalid" => RovState::Invalid,
            _ => RovState::NotChecked,
        }),
        Some(("irr", states)) => {
            let (origin, prefix) = states.split_once(',').expect("ORIGIN,PREFIX");
            class.with_irr_origin(irr(origin)).with_irr_prefix(irr(prefix))
        }
        _ if found == "transit" => class.with_transit(),
        _ => class,
    }
}

#[test]
fn each_preset_says_what_was_found_in_its_own_way() {
    for row in rows(TAGS) {
        for (preset, expected) in Preset::ALL.into_iter().zip(&row[1..]) {
            let mut config = with_preset(preset);
            if row[0] == "transit" {
                config.kind = Kind::Transitable;
            }
            let inform = &mut config.inform;
            inform.rov = row[0].starts_with("rov");
            inform.irr = row[0].starts_with("irr") || row[0] == "transit-free";
            inform.learnt_from = row[0] == "learnt-from";
            let mut before = route(Slot(0));
            if row[0] == "transit-free" {
                let sponsor = config.peers[0].as_mut().unwrap();
                (config.kind, sponsor.role) = (Kind::Transitable, policy::Role::TransitSponsor);
                before.as_path = before.as_path.prepend(Asn(174), 1).prepend(Asn(2000), 1);
            }
            let policy = Policy::new(config).unwrap();
            let after = got(&policy, Slot(0), &before, class(row[0]), X).unwrap();
            let mut found = tables::communities(&after);
            if row[0] == "transit-free" {
                // IRR was asked about too.
                let other = community("$rs:1001:2", RS).to_string();
                found.retain(|text| *text != other);
            }
            let expected: Vec<String> = expected
                .split_whitespace()
                .filter(|word| *word != "-")
                .map(|word| community(word, RS).to_string())
                .collect();
            assert_eq!(found, expected, "{}: {}", preset.name(), row[0]);
        }
    }
}

#[test]
fn refused_routes_are_shown_in_each_preset_s_way() {
    for (row, preset) in
        rows(REFUSED).zip([Preset::EuroIx, Preset::Arouteserver, Preset::Irix, Preset::Poema])
    {
        assert_eq!(row[0], preset.name());
        let policy = Policy::new(with_preset(preset)).unwrap();
        let shown = policy.reject_communities(policy::RejectReason::NextHop);
        let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
        let expected: Vec<String> =
            row[1].split_whitespace().map(|word| community(word, RS).to_string()).collect();
        assert_eq!(shown, expected, "{}", row[0]);
    }
}

/// No preset has these two; whoever configures them gets them.
#[test]
fn tags_of_location_and_aspa_can_be_configured() {
    let mut config = receivers();
    config.communities.set(Function::Location, vec!["$rs:1011:$location".parse().unwrap()]);
    for (function, text) in [
        (Function::AspaValid, "$rs:1002:1"),
        (Function::AspaUnknown, "$rs:1002:2"),
        (Function::AspaInvalid, "$rs:1002:4"),
    ] {
        config.communities.set(function, vec![text.parse().unwrap()]);
    }
    config.inform.location = true;
    let source = config.peers[0].as_mut().unwrap();
    source.location = Some(42);
    std::sync::Arc::make_mut(&mut source.import).aspa = policy::CheckMode::Tag;
    let policy = Policy::new(config).unwrap();
    for (state, expected) in [
        (AspaState::Valid, "6500:1002:1"),
        (AspaState::Unknown, "6500:1002:2"),
        (AspaState::Invalid, "6500:1002:4"),
    ] {
        let class = VerdictClass::new(Family::V6).with_aspa(state);
        // A member cannot forge either.
        let before = tagged(Slot(0), &["$rs:1011:7", "$rs:1002:1", "$rs:1002:4"]);
        let after = got(&policy, Slot(0), &before, class, X).unwrap();
        let mut found = tables::communities(&after);
        found.sort_unstable();
        assert_eq!(found, [expected, "6500:1011:42"]);
    }
}

#[test]
fn a_member_that_reads_tags_gets_them_without_being_asked_for() {
    let mut config = receivers();
    config.peers[X.index()].as_mut().unwrap().filter = FilterMode::TagOnly;
    let policy = Policy::new(config).unwrap();
    let class = class("irr=present,present").with_rov(RovState::Valid);
    let after =
        |to| tables::communities(&got(&policy, Slot(0), &route(Slot(0)), class, to).unwrap());
    assert_eq!(after(X), ["6500:1000:1", "6500:1001:1"]);
    assert!(after(W).is_empty());
}

#[test]
fn what_is_scrubbed_both_ways_and_what_never() {
    for row in rows(SCRUBBED) {
        let preset = Preset::ALL.into_iter().find(|preset| preset.name() == row[0]).unwrap();
        let policy = Policy::new(with_preset(preset)).unwrap();
        let words = |cell: &'static str| cell.split_whitespace().collect::<Vec<_>>();
        let (inwards, outwards, never) = (words(row[1]), words(row[2]), words(row[3]));
        for (_, session) in SESSIONS {
            for text in &inwards {
                let before = tagged(session, &[text]);
                let verdict = policy.attribute_verdict(session, &before, &mut NoTrace);
                assert!(
                    verdict.facts.scrubbed > 0 || verdict.facts.transit_scrubbed,
                    "{}: {text} stays on the way in",
                    row[0]
                );
            }
            let all: Vec<&str> = inwards.iter().chain(&outwards).chain(&never).copied().collect();
            let before = tagged(session, &all);
            let verdict = policy.attribute_verdict(session, &before, &mut NoTrace);
            let left = tables::communities(&verdict.base.unwrap().attributes);
            let expected = tables::communities(&tagged(session, &never));
            assert_eq!(left, expected, "{}", row[0]);
        }
    }
}

/// Whose number in a community is one that means everybody there already. The community stays
/// what it is for everybody, and that is said.
#[test]
fn a_member_whose_number_has_a_meaning_for_everybody_is_named() {
    let shadowed = |asn: u32, alias: Option<u16>, preset: Preset| {
        let mut config = with_preset(preset);
        let peer = config.peers[Z.index()].as_mut().unwrap();
        (peer.asn, peer.alias) = (Asn(asn), alias);
        let policy = Policy::new(config).unwrap();
        let shadowed = policy.warnings().iter().filter_map(|warning| match warning {
            PolicyWarning::PeerShadowed { asn: of, function, pattern, means } => {
                assert_eq!(*of, Asn(asn));
                Some(format!("{function} {pattern} {means}"))
            }
            _ => None,
        });
        (shadowed.collect::<Vec<_>>(), policy)
    };
    let once = "announce_to_peer $rs:$peer prepend_once_to_any";
    let (said, policy) = shadowed(200_004, Some(65501), Preset::EuroIx);
    assert_eq!(said, [once]);
    let class = VerdictClass::new(Family::V4);
    let before = tagged(Slot(0), &["$rs:0:0", "$rs:65501"]);
    assert_eq!(got(&policy, Slot(0), &before, class, Z), None, "it permits nothing");
    assert_eq!(shadowed(65501, None, Preset::EuroIx).0, [once]);
    assert_eq!(
        shadowed(65282, None, Preset::Irix).0,
        ["announce_to_peer $rs:$peer add_noadvertise_to_any"]
    );
    // Where the patterns are the other way round nothing coincides, nor does it for most numbers.
    assert!(shadowed(200_004, Some(65501), Preset::Arouteserver).0.is_empty());
    assert!(shadowed(200_004, Some(64601), Preset::EuroIx).0.is_empty());
    // A collector has the route server's AS: `0:$rs` is for everybody, and nobody takes it else.
    assert!(shadowed(RS, None, Preset::EuroIx).0.is_empty());
}
