//! Properties: what is written reads back equal, and no octets whatever bring the decoder down.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_wire::{
    AddPathFamily, Aggregator, AsPath, Asn, Capability, Community, DecodeContext, DecodedUpdate,
    EncodingProfile, ExtendedCommunity, Family, GracefulRestartFamily, Ipv6ExtendedCommunity,
    KnownAttribute, LargeCommunity, LinkLocalForm, LongLivedFamily, Message, MessageType, NextHop,
    Nlri, Notification, OpenMessage, Origin, PartialFlags, PathAttributes, Prefix, RawAttribute,
    Role, RouteRefresh, SegmentKind, decode_update, encode_reach, encode_unreach, message_octets,
    next_frame, parse_attributes,
};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use support::{CX, body_of};

fn asn() -> impl Strategy<Value = Asn> {
    // AS_TRANS has a meaning of its own to a neighbour with two octets.
    prop_oneof![1..23456_u32, 23457..65536_u32, 65536..=u32::MAX].prop_map(Asn)
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let kind = prop_oneof![4 => Just(SegmentKind::Sequence), 1 => Just(SegmentKind::Set)];
    vec((kind, vec(asn(), 1..6)), 0..4).prop_map(|mut segments| {
        // Two sequences side by side are one for AS4_PATH's arithmetic.
        segments.dedup_by(|b, a| (a.0, b.0) == (SegmentKind::Sequence, SegmentKind::Sequence));
        AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice())))
    })
}

fn link_local() -> impl Strategy<Value = Ipv6Addr> {
    any::<u64>().prop_map(|low| Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(low)))
}

fn global() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 3 | 0x2 << 124))
}

fn next_hop(family: Family) -> BoxedStrategy<NextHop> {
    let pair = (option::of(global()), option::of(link_local()))
        .prop_filter("never both absent", |pair| *pair != (None, None))
        .prop_map(|(global, link_local)| NextHop::V6 { global, link_local });
    let v4 = (1..0xe000_0000_u32).prop_map(|bits| NextHop::V4(Ipv4Addr::from_bits(bits)));
    match family {
        Family::V4 => prop_oneof![pair, v4].boxed(),
        Family::V6 => pair.boxed(),
    }
}

fn unknown() -> impl Strategy<Value = Box<[RawAttribute]>> {
    vec((64..=255_u8, any::<u8>(), vec(any::<u8>(), 0..300)), 0..3).prop_map(|mut all| {
        all.sort_by_key(|(code, ..)| *code);
        all.dedup_by_key(|(code, ..)| *code);
        let raw = all.into_iter().map(|(code, flags, value)| {
            let long = if value.len() > 255 { 0x10 } else { 0 };
            RawAttribute { flags: flags | 0xc0 | long, code, value: value.into() }
        });
        raw.collect()
    })
}

fn attributes(family: Family) -> impl Strategy<Value = PathAttributes> {
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let large = (0..3_u32, 0..3_u32, any::<u32>())
        .prop_map(|(global, local1, local2)| LargeCommunity { global, local1, local2 });
    let aggregator = (asn(), any::<u32>())
        .prop_map(|(asn, id)| Aggregator { asn, address: Ipv4Addr::from_bits(id) });
    let first = (origin, as_path(), next_hop(family), any::<Option<u32>>(), any::<bool>());
    let communities = (
        vec(any::<u32>().prop_map(Community), 0..70),
        vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..4),
        vec(any::<[u8; 20]>().prop_map(Ipv6ExtendedCommunity), 0..3),
        vec(large, 0..4),
    );
    let rest = (option::of(aggregator), option::of(any::<u32>().prop_map(Asn)), unknown());
    (first, communities, rest, any::<[bool; 6]>()).prop_map(|(first, lists, rest, partial)| {
        let (origin, as_path, next_hop, med, atomic_aggregate) = first;
        let (aggregator, otc, unknown) = rest;
        let (communities, extended, ipv6, mut large) = lists;
        let mut seen = std::collections::HashSet::new();
        large.retain(|community| seen.insert(*community));
        let there = [
            (KnownAttribute::Aggregator, aggregator.is_some()),
            (KnownAttribute::Communities, !communities.is_empty()),
            (KnownAttribute::ExtendedCommunities, !extended.is_empty()),
            (KnownAttribute::Ipv6ExtendedCommunities, !ipv6.is_empty()),
            (KnownAttribute::LargeCommunities, !large.is_empty()),
            (KnownAttribute::OnlyToCustomer, otc.is_some()),
        ];
        let mut flags = PartialFlags::NONE;
        for ((attribute, there), partial) in there.into_iter().zip(partial) {
            if there && partial {
                flags.insert(attribute);
            }
        }
        PathAttributes {
            med,
            atomic_aggregate,
            aggregator,
            communities: communities.into(),
            extended_communities: extended.into(),
            ipv6_extended_communities: ipv6.into(),
            large_communities: large.into(),
            otc,
            unknown,
            origin,
            partial: flags,
            ..PathAttributes::new(as_path, next_hop)
        }
    })
}

fn nlri(family: Family, add_path: bool) -> impl Strategy<Value = Nlri> {
    (any::<u128>(), 0..=family.max_len(), any::<u32>()).prop_map(move |(bits, len, path_id)| {
        let prefix = Prefix::from_bits(family, bits, len).unwrap();
        Nlri { prefix, path_id: if add_path { path_id } else { 0 } }
    })
}

fn profile() -> impl Strategy<Value = EncodingProfile> {
    let form = prop_oneof![
        Just(LinkLocalForm::Native),
        Just(LinkLocalForm::Single),
        Just(LinkLocalForm::Double)
    ];
    let flags = (any::<bool>(), any::<[bool; 2]>(), any::<bool>());
    (flags, form).prop_map(|((four_octet_as, add_path, extended_message), link_local_form)| {
        EncodingProfile { four_octet_as, add_path, extended_message, link_local_form }
    })
}

fn case() -> impl Strategy<Value = (EncodingProfile, Family, PathAttributes, Vec<Nlri>)> {
    (profile(), prop_oneof![Just(Family::V4), Just(Family::V6)]).prop_flat_map(
        |(profile, family)| {
            let add_path = profile.add_path[family.index()];
            let routes = vec(nlri(family, add_path), 1..900);
            (Just(profile), Just(family), attributes(family), routes)
        },
    )
}

fn context(profile: &EncodingProfile) -> DecodeContext {
    DecodeContext { four_octet_as: profile.four_octet_as, add_path_receive: profile.add_path, ..CX }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_announcement_reads_back_equal((profile, family, attributes, routes) in case()) {
        let mut out = BytesMut::new();
        let messages = encode_reach(&profile, family, &attributes, &routes, &mut out);
        let max = profile.max_message_octets();
        let cx = context(&profile);
        if message_octets(&profile, family, &attributes) > max {
            return Ok(());
        }
        let (mut read, mut count) = (Vec::new(), 0);
        let mut update = DecodedUpdate::default();
        while let Some((kind, body)) = next_frame(&mut out, max).unwrap() {
            prop_assert_eq!(kind, MessageType::Update);
            decode_update(&body, &cx, &mut update).unwrap();
            prop_assert!(update.faults.is_empty(), "{:?}", update.faults);
            prop_assert_eq!(update.reach.len(), 1);
            let reach = &update.reach[0];
            let parsed = parse_attributes(&update.attributes, reach.next_hop, &cx).unwrap();
            prop_assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
            prop_assert_eq!(&parsed.attributes, &attributes);
            read.extend_from_slice(&reach.nlri);
            count += 1;
        }
        prop_assert_eq!(read, routes);
        prop_assert_eq!(count, messages);
    }

    #[test]
    fn a_withdrawal_reads_back_equal((profile, family, _, routes) in case()) {
        let mut out = BytesMut::new();
        let messages = encode_unreach(&profile, family, &routes, &mut out);
        let (mut read, mut count) = (Vec::new(), 0);
        let mut update = DecodedUpdate::default();
        while let Some((_, body)) = next_frame(&mut out, profile.max_message_octets()).unwrap() {
            decode_update(&body, &context(&profile), &mut update).unwrap();
            prop_assert!(update.faults.is_empty() && update.reach.is_empty());
            read.append(&mut update.unreach);
            count += 1;
        }
        prop_assert_eq!(read, routes);
        prop_assert_eq!(count, messages);
    }

    #[test]
    fn reused_buffers_hold_nothing_of_the_message_before(
        first in vec(any::<u8>(), 0..200), second in mutated()
    ) {
        let (mut reused, mut fresh) = (DecodedUpdate::default(), DecodedUpdate::default());
        let _ = decode_update(&first, &CX, &mut reused);
        let results =
            (decode_update(&second, &CX, &mut reused), decode_update(&second, &CX, &mut fresh));
        prop_assert_eq!(&results.0, &results.1);
        if results.0.is_ok() {
            prop_assert_eq!(reused, fresh);
        }
    }

    #[test]
    fn no_octets_bring_the_decoder_down(
        body in prop_oneof![vec(any::<u8>(), 0..300), mutated()], add_path: [bool; 2],
        four_octet_as: bool, extended_next_hop: bool,
    ) {
        let cx = DecodeContext { four_octet_as, add_path_receive: add_path, extended_next_hop, ..CX };
        let mut update = DecodedUpdate::default();
        if decode_update(&body, &cx, &mut update).is_ok() {
            for reach in &update.reach {
                let _ = parse_attributes(&update.attributes, reach.next_hop, &cx);
                prop_assert!(update.unreach.iter().all(|one| !reach.nlri.contains(one)));
            }
        }
        let kinds = [MessageType::Open, MessageType::Notification, MessageType::RouteRefresh];
        for kind in kinds {
            let _ = Message::decode(kind, Bytes::copy_from_slice(&body));
        }
    }

    #[test]
    fn an_open_reads_back_equal(
        my_as in 1..=u16::MAX, hold_time in 3..=u16::MAX, id in 1..=u32::MAX,
        capabilities in vec(capability(), 0..20),
    ) {
        let router_id = Ipv4Addr::from_bits(id);
        let open = OpenMessage { version: 4, my_as, hold_time, router_id, capabilities };
        let body = body_of(|out| open.encode(out));
        prop_assert_eq!(OpenMessage::decode(&body), Ok(open));
    }

    #[test]
    fn notification_and_route_refresh_read_back_equal(
        code: u8, subcode: u8, data in vec(any::<u8>(), 0..300), afi: u16, safi: u8, kind in 0..3_u8
    ) {
        let notification = Notification::with_data(code, subcode, &data);
        let body = body_of(|out| notification.encode(out));
        prop_assert_eq!(Notification::decode(&body), Ok(notification.clone()));
        let hard = notification.hard_reset();
        let reason = Some(notification).filter(|inner| !inner.is_hard_reset());
        prop_assert_eq!(hard.hard_reset_reason(), reason);
        let refresh = RouteRefresh { afi, safi, subtype: kind };
        let body = body_of(|out| refresh.encode(out));
        prop_assert_eq!(RouteRefresh::decode(&body), Ok(refresh));
    }

    #[test]
    fn shutdown_text_is_cut_but_never_broken(text in "\\PC{0,300}") {
        let read = Notification::administrative_shutdown(&text).shutdown_text().unwrap_or_default();
        prop_assert!(text.starts_with(&read));
        prop_assert!(read.len() <= 255 && (read.len() > 251 || read == text));
    }
}

/// A valid body with some octets changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (case(), changes).prop_map(|((profile, family, attributes, routes), changes)| {
        let mut out = BytesMut::new();
        let few = routes.get(..routes.len().min(20)).unwrap();
        encode_reach(&profile, family, &attributes, few, &mut out);
        let mut body = out.get(19..).unwrap_or_default().to_vec();
        for (index, octet) in changes {
            if !body.is_empty() {
                let at = index.index(body.len());
                body[at] = octet;
            }
        }
        body
    })
}

fn capability() -> impl Strategy<Value = Capability> {
    let family = (any::<u16>(), any::<u8>(), any::<bool>());
    let families = vec(family, 0..5);
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Capability::MultiProtocol { afi, safi }),
        Just(Capability::RouteRefresh),
        Just(Capability::EnhancedRouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::LinkLocalNextHop),
        asn().prop_map(Capability::FourOctetAs),
        vec(any::<(u16, u16, u16)>(), 0..5).prop_map(Capability::ExtendedNextHop),
        any::<u8>().prop_map(|code| Capability::Role(Role::from_code(code))),
        vec((any::<u16>(), any::<u8>(), 1..4_u8), 0..5).prop_map(|all| {
            let family = |(afi, safi, mode): (u16, u8, u8)| AddPathFamily {
                afi,
                safi,
                receive: mode & 1 != 0,
                send: mode & 2 != 0,
            };
            Capability::AddPath(all.into_iter().map(family).collect())
        }),
        (any::<(bool, bool)>(), 0..4096_u16, families.clone()).prop_map(|(flags, time, all)| {
            let family = |(afi, safi, forwarding)| GracefulRestartFamily { afi, safi, forwarding };
            Capability::GracefulRestart {
                restarting: flags.0,
                notification: flags.1,
                restart_time: time,
                families: all.into_iter().map(family).collect(),
            }
        }),
        (0..1_u32 << 24, families).prop_map(|(stale_time, all)| {
            let family =
                |(afi, safi, forwarding)| LongLivedFamily { afi, safi, forwarding, stale_time };
            Capability::LongLivedGracefulRestart(all.into_iter().map(family).collect())
        }),
        ("[a-z0-9.-]{0,64}", "[a-z0-9.-]{0,64}")
            .prop_map(|(host, domain)| Capability::Hostname { host, domain }),
        (128..=255_u8, vec(any::<u8>(), 0..256))
            .prop_map(|(code, value)| Capability::Unknown { code, value: value.into() }),
    ]
}
