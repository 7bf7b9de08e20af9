//! Community patterns are read back as they are written, and mean what a naive reading of them
//! means: whom a route goes to, and which communities it keeps.
//!
//! The first line has `w` where the route server has a 32-bit AS. Each other line is a list's
//! mark and a pattern (`-` do not announce to peer, `+` announce to peer, `!` do not announce to
//! any, `<` scrub in, `>` scrub out), or `=` and a community of the route (`=rt4:1:2` is an extended
//! one of four-octet AS).

use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp_wire::{
    AsPath, Asn, Community, ExtendedCommunity, Family, LargeCommunity, NextHop, PathAttributes,
    Prefix,
};
use policy::{
    CheckMode, CommunityScheme, ExtendedKind, Function, ImportPolicy, Kind, NextHopMode, NoTrace,
    Pattern, PeerPolicy, Policy, PolicyConfig, Preset, RoutingData, Slot, Term, Verdict,
};

const WIDE: Asn = Asn(4_200_000_000);
const SHORT: Asn = Asn(64500);
/// The members, by slot: AS and alias. The first sends the route.
const MEMBERS: [(Asn, Option<u16>); 5] = [
    (Asn(1001), None),
    (Asn(1002), None),
    (Asn(1003), Some(65003)),
    (Asn(200_000), None),
    (Asn(200_001), Some(65001)),
];
const LISTS: [(char, Function); 5] = [
    ('-', Function::DoNotAnnounceToPeer),
    ('+', Function::AnnounceToPeer),
    ('!', Function::DoNotAnnounceToAny),
    ('<', Function::ScrubIn),
    ('>', Function::ScrubOut),
];

/// A community of the route.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Standard(Community),
    Extended(ExtendedCommunity),
    Large(LargeCommunity),
}

#[derive(Default)]
struct Input {
    wide: bool,
    lists: [Vec<Pattern>; 5],
    values: Vec<Value>,
}

pub fn property(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut input = Input { wide: text.starts_with('w'), ..Input::default() };
    for line in text.lines().skip(1).take(64) {
        let Some(mark) = line.chars().next() else { continue };
        let rest = &line[mark.len_utf8()..];
        if mark == '=' {
            input.values.extend(value(rest));
        } else if let Ok(pattern) = rest.parse::<Pattern>() {
            let again = pattern.to_string();
            assert_eq!(again.parse(), Ok(pattern), "{rest:?} as {again:?}");
            if let Some(at) = LISTS.iter().position(|(known, _)| *known == mark) {
                input.lists[at].push(pattern);
            }
        }
    }
    match Policy::new(config(&input)) {
        Ok(policy) => compare(&input, &policy),
        Err(errors) => assert!(errors.iter().all(|error| !error.to_string().is_empty())),
    }
}

fn value(text: &str) -> Option<Value> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str| part.parse::<u32>().ok();
    let short = |part: &str| part.parse::<u16>().ok();
    match parts[..] {
        [a, b] => Some(Value::Standard(Community::new(short(a)?, short(b)?))),
        ["rt", a, b] => Some(extended(ExtendedCommunity::two_octet_as(2, short(a)?, number(b)?))),
        ["ro", a, b] => Some(extended(ExtendedCommunity::two_octet_as(3, short(a)?, number(b)?))),
        ["rt4", a, b] => Some(extended(ExtendedCommunity::four_octet_as(2, number(a)?, short(b)?))),
        ["ro4", a, b] => Some(extended(ExtendedCommunity::four_octet_as(3, number(a)?, short(b)?))),
        [a, b, c] => {
            let (global, local1, local2) = (number(a)?, number(b)?, number(c)?);
            Some(Value::Large(LargeCommunity { global, local1, local2 }))
        }
        _ => None,
    }
}

fn extended(community: ExtendedCommunity) -> Value {
    Value::Extended(community)
}

fn config(input: &Input) -> PolicyConfig {
    let mut config = PolicyConfig::new(Kind::Regular, if input.wide { WIDE } else { SHORT });
    config.short_asn = (!input.wide).then_some(SHORT.0 as u16);
    config.honour_well_known = false;
    let mut scheme = CommunityScheme::preset(Preset::EuroIx);
    for function in Function::ALL {
        scheme.set(function, Vec::new());
    }
    for ((_, function), patterns) in LISTS.iter().zip(&input.lists) {
        scheme.set(*function, patterns.clone());
    }
    config.communities = scheme;
    let import = Arc::new(ImportPolicy {
        next_hop: NextHopMode::Any,
        irr: CheckMode::Off,
        rpki: CheckMode::Off,
        max_communities: 0,
        ..ImportPolicy::for_kind(Kind::Regular)
    });
    config.import = Arc::clone(&import);
    let peers = (0u32..).zip(MEMBERS).map(|(slot, (asn, alias))| {
        let address = Ipv4Addr::from_bits(0xC000_0201 + slot);
        let mut peer = PeerPolicy::new(slot, asn, address.into());
        peer.alias = alias;
        peer.import = Arc::clone(&import);
        Some(peer)
    });
    config.peers = peers.collect();
    config
}

fn route(values: &[Value]) -> PathAttributes {
    let next_hop = NextHop::V4(Ipv4Addr::from_bits(0xC000_0201));
    let mut made = PathAttributes::new(AsPath::from_sequence(&[MEMBERS[0].0]), next_hop);
    let (mut standard, mut extended, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Standard(community) => standard.push(*community),
            Value::Extended(community) => extended.push(*community),
            Value::Large(community) => large.push(*community),
        }
    }
    made.communities = standard.into();
    made.extended_communities = extended.into();
    made.large_communities = large.into();
    made
}

/// What the policy says beside what the patterns say.
fn compare(input: &Input, policy: &Policy) {
    let source = Slot(0);
    let verdict = policy.attribute_verdict(source, &route(&input.values), &mut NoTrace);
    let prefix = Prefix::v4(Ipv4Addr::new(20, 0, 0, 0), 24).unwrap();
    assert_eq!(prefix.family(), Family::V4);
    let data = RoutingData::default();
    let class = match policy.prefix_verdict(source, &verdict, &prefix, &data, &mut NoTrace) {
        Verdict::Accept(class) => class,
        Verdict::Reject(reason) => panic!("refused: {reason:?}"),
    };
    let plan = policy.plan(source, &verdict, class);
    let scrubbed = scrubbed_in(input);
    let kept: Vec<Value> = scrubbed.iter().copied().filter(|v| !removed_out(input, v)).collect();
    for slot in 0..MEMBERS.len() as u16 {
        let entry = plan.entries.iter().find(|entry| entry.peers.contains(Slot(slot)));
        let expected = slot != 0 && goes_to(input, &scrubbed, MEMBERS[usize::from(slot)]);
        assert_eq!(entry.is_some(), expected, "to member {slot}: {:?}", input.values);
        if let Some(entry) = entry {
            let expected = route(&kept);
            let got = &entry.attributes.attributes;
            assert_eq!(got.communities, expected.communities);
            assert_eq!(got.extended_communities, expected.extended_communities);
            assert_eq!(got.large_communities, expected.large_communities);
        }
    }
}

fn scrubbed_in(input: &Input) -> Vec<Value> {
    let [.., scrub_in, _] = &input.lists;
    let removed =
        |value: &Value| scrub_in.iter().any(|pattern| matches(input, pattern, value, None));
    input.values.iter().copied().filter(|value| is_well_known(value) || !removed(value)).collect()
}

/// All lists but that of what is scrubbed on the way in.
fn removed_out(input: &Input, value: &Value) -> bool {
    let [a, b, c, _, d] = &input.lists;
    let mut all = [a, b, c, d].into_iter().flatten();
    !is_well_known(value) && all.any(|pattern| matches(input, pattern, value, None))
}

fn is_well_known(value: &Value) -> bool {
    matches!(value, Value::Standard(community) if community.0 >> 16 == 0xFFFF)
}

/// A refusal to one, then a permission to one, then a refusal to all.
fn goes_to(input: &Input, values: &[Value], member: (Asn, Option<u16>)) -> bool {
    let [refused, permitted, to_nobody, ..] = &input.lists;
    let any = |value: &Value| to_nobody.iter().any(|p| matches(input, p, value, Some(member)));
    let named = |patterns: &[Pattern]| {
        // What is meant for everybody names nobody.
        let mut others = values.iter().filter(|value| !any(value));
        others.any(|value| patterns.iter().any(|p| matches(input, p, value, Some(member))))
    };
    !named(refused) && (named(permitted) || !values.iter().any(any))
}

/// Whether a community is one of a pattern's. Without a member `$peer` is anything.
fn matches(
    input: &Input,
    pattern: &Pattern,
    value: &Value,
    member: Option<(Asn, Option<u16>)>,
) -> bool {
    let part = |term: Term, number: u32, standard: bool| match (term, member) {
        (Term::Number(expected), _) => expected == number,
        (Term::Rs, _) if input.wide => !standard && number == WIDE.0,
        (Term::Rs, _) => number == SHORT.0,
        (Term::Peer, Some((_, Some(alias)))) if standard => number == u32::from(alias),
        (Term::Peer, Some((asn, _))) => number == asn.0,
        (Term::Peer, None) | (Term::Any, _) => true,
        (Term::Code | Term::Location, _) => false,
    };
    match (*pattern, *value) {
        (Pattern::Standard([a, b]), Value::Standard(Community(bits))) => {
            part(a, bits >> 16, true) && part(b, bits & 0xFFFF, true)
        }
        (Pattern::Extended(kind, [a, b]), Value::Extended(ExtendedCommunity(octets))) => {
            let sub_type = if kind == ExtendedKind::RouteTarget { 2 } else { 3 };
            let [form, sub, a0, a1, m0, m1, b0, b1] = octets;
            let (global, local) = match form {
                0 => (u32::from_be_bytes([0, 0, a0, a1]), u32::from_be_bytes([m0, m1, b0, b1])),
                2 => (u32::from_be_bytes([a0, a1, m0, m1]), u32::from_be_bytes([0, 0, b0, b1])),
                _ => return false,
            };
            sub == sub_type && part(a, global, false) && part(b, local, false)
        }
        (Pattern::Large([a, b, c]), Value::Large(large)) => {
            part(a, large.global, false)
                && part(b, large.local1, false)
                && part(c, large.local2, false)
        }
        _ => false,
    }
}
