//! Golden octets: every message and capability, written and read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use bgp_wire::{
    AddPathFamily, Asn, Capability, Family, GracefulRestartFamily, LongLivedFamily, MessageType,
    Notification, OpenMessage, Role, RouteRefresh, encode_keepalive, iana, next_frame,
};
use bytes::{Bytes, BytesMut};
use support::{body_of, hex, message};

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

#[test]
fn rfc4271_s4_4_keepalive() {
    let octets = hex("
        ffffffff ffffffff ffffffff ffffffff  # marker
        0013                                 # length
        04                                   # KEEPALIVE
    ");
    assert_eq!(written(encode_keepalive), octets);
    let frame = next_frame(&mut BytesMut::from(&octets[..]), 4096).unwrap();
    assert_eq!(frame, Some((MessageType::Keepalive, Bytes::new())));
}

fn open(capabilities: Vec<Capability>) -> OpenMessage {
    OpenMessage {
        version: 4,
        my_as: 64500,
        hold_time: 90,
        router_id: [192, 0, 2, 1].into(),
        capabilities,
    }
}

#[test]
fn rfc4271_s4_2_open_without_parameters() {
    let octets = hex("
        ffffffff ffffffff ffffffff ffffffff
        001d 01    # OPEN
        04         # version
        fbf4       # my AS 64500
        005a       # hold time 90
        c0000201   # BGP identifier
        00         # no optional parameters
    ");
    let value = open(vec![]);
    assert_eq!(written(|out| value.encode(out)), octets);
    assert_eq!(OpenMessage::decode(&octets[19..]), Ok(value));
}

#[test]
fn rfc5492_s4_open_with_one_parameter_of_two_capabilities() {
    let octets = hex("
        ffffffff ffffffff ffffffff ffffffff
        002b 01 04 5ba0 00b4 c0000201
        0e                # parameters: 14 octets
        02 0c             # capabilities: 12 octets
        01 04 0001 00 01  # IPv4 unicast
        41 04 00011170    # AS 70000
    ");
    let value = OpenMessage {
        my_as: 23456,
        hold_time: 180,
        ..open(vec![Capability::multi_protocol(Family::V4), Capability::FourOctetAs(Asn(70000))])
    };
    assert_eq!(written(|out| value.encode(out)), octets);
    assert_eq!(value.asn(), Asn(70000));
    assert_eq!(OpenMessage::decode(&octets[19..]), Ok(value));
}

#[test]
fn rfc5492_s4_a_parameter_for_each_capability_reads_the_same() {
    let body = hex("04 fbf4 005a c0000201 0c 02 02 0200 02 06 4104 0000fbf4");
    let value = open(vec![Capability::RouteRefresh, Capability::FourOctetAs(Asn(64500))]);
    assert_eq!(OpenMessage::decode(&body), Ok(value));
}

fn unknown(code: u8, octets: usize) -> Capability {
    Capability::Unknown { code, value: vec![0xab; octets].into() }
}

#[test]
fn rfc9072_s2_extended_parameters_where_255_octets_do_not_suffice() {
    let value = open(vec![unknown(200, 200), unknown(201, 100)]);
    let octets = written(|out| value.encode(out));
    let head = hex("
        ff      # the short length says nothing
        ff      # parameter type: extended lengths
        0133    # 307 octets of parameters
        02 0130 # capabilities: 304 octets
        c8 c8   # capability 200: 200 octets
    ");
    assert_eq!(octets[28..28 + head.len()], head);
    assert_eq!(OpenMessage::decode(&octets[19..]), Ok(value));
}

#[test]
fn rfc9072_s2_the_border_between_short_and_extended() {
    for (octets, extended) in [(251, false), (252, true)] {
        let value = open(vec![unknown(200, octets)]);
        let body = body_of(|out| value.encode(out));
        assert_eq!(body[10] == 255, extended, "{octets}");
        assert_eq!(OpenMessage::decode(&body), Ok(value));
    }
}

#[test]
fn rfc9072_s2_extended_parameters_are_read_whatever_the_short_length_says() {
    for short in ["ff", "05", "01"] {
        let body = hex(&format!("04 fbf4 005a c0000201 {short} ff 0005 02 0002 0200"));
        assert_eq!(OpenMessage::decode(&body), Ok(open(vec![Capability::RouteRefresh])));
    }
}

#[test]
fn rfc4271_s6_2_what_open_refuses() {
    for (name, body, expected) in [
        ("version 3", "03 fbf4 005a c0000201 00", Notification::unsupported_version()),
        ("RFC 7607 s2 AS 0", "04 0000 005a c0000201 00", Notification::bad_peer_as()),
        (
            "RFC 7607 s2 AS 0 in four octets",
            "04 fbf4 005a c0000201 08 02 06 4104 00000000",
            Notification::bad_peer_as(),
        ),
        ("hold time 1", "04 fbf4 0001 c0000201 00", Notification::unacceptable_hold_time()),
        ("hold time 2", "04 fbf4 0002 c0000201 00", Notification::unacceptable_hold_time()),
        ("identifier 0", "04 fbf4 005a 00000000 00", Notification::bad_bgp_identifier()),
        (
            "an unknown parameter",
            "04 fbf4 005a c0000201 02 01 00",
            Notification::unsupported_optional_parameter(),
        ),
        ("parameters too short", "04 fbf4 005a c0000201 04 02 00", Notification::open_unspecific()),
        ("parameters too long", "04 fbf4 005a c0000201 00 02 00", Notification::open_unspecific()),
        (
            "parameter overruns",
            "04 fbf4 005a c0000201 03 02 04 02",
            Notification::open_unspecific(),
        ),
        (
            "capability overruns",
            "04 fbf4 005a c0000201 04 02 02 0204",
            Notification::open_unspecific(),
        ),
        ("half a parameter", "04 fbf4 005a c0000201 01 02", Notification::open_unspecific()),
        ("extended, too short", "04 fbf4 005a c0000201 ff ff 00", Notification::open_unspecific()),
        (
            "extended, contradiction",
            "04 fbf4 005a c0000201 ff ff 0006 02 0002 0200",
            Notification::open_unspecific(),
        ),
        ("cut off", "04 fbf4", Notification::open_unspecific()),
    ] {
        assert_eq!(OpenMessage::decode(&hex(body)), Err(expected), "{name}");
    }
    // Hold time 0 and 3 are allowed.
    for hold_time in ["0000", "0003"] {
        assert!(OpenMessage::decode(&hex(&format!("04 fbf4 {hold_time} c0000201 00"))).is_ok());
    }
}

#[test]
fn capabilities() {
    let golden = [
        ("RFC 4760 s8", "01 04 0002 00 01", Capability::multi_protocol(Family::V6)),
        ("RFC 2918 s2", "02 00", Capability::RouteRefresh),
        (
            "RFC 8950 s4: IPv4 unicast with an IPv6 next hop",
            "05 06 0001 0001 0002",
            Capability::ExtendedNextHop(vec![(1, 1, 2)]),
        ),
        ("RFC 8654 s3", "06 00", Capability::ExtendedMessage),
        ("RFC 9234 s4.1", "09 01 01", Capability::Role(Role::RouteServer)),
        ("RFC 9234 s4.1, unassigned", "09 01 63", Capability::Role(Role::Unassigned(99))),
        (
            "RFC 4724 s3 and RFC 8538 s2",
            "40 0a c078 0001 01 80 0002 01 00",
            Capability::GracefulRestart {
                restarting: true,
                notification: true,
                restart_time: 120,
                families: vec![
                    GracefulRestartFamily { afi: 1, safi: 1, forwarding: true },
                    GracefulRestartFamily { afi: 2, safi: 1, forwarding: false },
                ],
            },
        ),
        (
            "RFC 4724 s3: helper only",
            "40 02 0000",
            Capability::GracefulRestart {
                restarting: false,
                notification: false,
                restart_time: 0,
                families: vec![],
            },
        ),
        ("RFC 6793 s3", "41 04 fa56ea00", Capability::FourOctetAs(Asn(4_200_000_000))),
        (
            "RFC 7911 s4",
            "45 08 0001 01 01 0002 01 03",
            Capability::AddPath(vec![
                AddPathFamily { afi: 1, safi: 1, receive: true, send: false },
                AddPathFamily { afi: 2, safi: 1, receive: true, send: true },
            ]),
        ),
        ("RFC 7313 s3.1", "46 00", Capability::EnhancedRouteRefresh),
        (
            "RFC 9494 s3.1",
            "47 07 0001 01 80 015180",
            Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
                afi: 1,
                safi: 1,
                forwarding: true,
                stale_time: 86400,
            }]),
        ),
        (
            "host name",
            "49 05 03 727331 00",
            Capability::Hostname { host: "rs1".into(), domain: String::new() },
        ),
        ("link-local next hop", "4d 00", Capability::LinkLocalNextHop),
        ("RFC 5492 s3: unknown", "c8 03 010203", unknown_of(200, &[1, 2, 3])),
        ("RFC 7911 s4: another Send/Receive", "45 04 0001 01 04", unknown_of(69, &[0, 1, 1, 4])),
        ("a host name that is cut off", "49 02 05 72", unknown_of(73, &[5, 0x72])),
        ("a host name that is not UTF-8", "49 03 01 ff 00", unknown_of(73, &[1, 0xff, 0])),
    ];
    for (name, octets, capability) in golden {
        let octets = hex(octets);
        assert_eq!(written(|out| capability.encode(out)), octets, "{name}");
        let mut body = hex("04 fbf4 005a c0000201");
        let length = u8::try_from(octets.len()).unwrap();
        body.extend([length + 2, 2, length]);
        body.extend(octets);
        assert_eq!(OpenMessage::decode(&body).unwrap().capabilities, [capability], "{name}");
    }
}

fn unknown_of(code: u8, value: &[u8]) -> Capability {
    Capability::Unknown { code, value: Bytes::copy_from_slice(value) }
}

#[test]
fn rfc4271_s6_2_malformed_capabilities_are_unspecific() {
    for capability in [
        "01 03 0001 00", // RFC 4760
        "01 05 0001 000100",
        "02 01 00",           // RFC 2918
        "05 05 0001 0001 00", // RFC 8950
        "06 01 00",           // RFC 8654
        "09 00",              // RFC 9234
        "09 02 0101",
        "40 01 00", // RFC 4724
        "40 05 0000 0001 01",
        "41 02 fbf4",            // RFC 6793
        "45 03 0001 01",         // RFC 7911
        "46 01 00",              // RFC 7313
        "47 06 0001 01 80 0151", // RFC 9494
        "4d 01 00",
    ] {
        let octets = hex(capability);
        let mut body = hex("04 fbf4 005a c0000201");
        let length = u8::try_from(octets.len()).unwrap();
        body.extend([length + 2, 2, length]);
        body.extend(octets);
        assert_eq!(
            OpenMessage::decode(&body),
            Err(Notification::open_unspecific()),
            "{capability}"
        );
    }
}

#[test]
fn rfc9234_s4_2_roles_that_fit() {
    let all = [0, 1, 2, 3, 4, 5].map(Role::from_code);
    let fits = |a: Role| all.iter().filter(|b| a.fits(**b)).copied().collect::<Vec<_>>();
    assert_eq!(fits(Role::Provider), [Role::Customer]);
    assert_eq!(fits(Role::RouteServer), [Role::RouteServerClient]);
    assert_eq!(fits(Role::RouteServerClient), [Role::RouteServer]);
    assert_eq!(fits(Role::Customer), [Role::Provider]);
    assert_eq!(fits(Role::Peer), [Role::Peer]);
    assert_eq!(fits(Role::Unassigned(5)), []);
}

#[test]
fn rfc2918_s3_and_rfc7313_s3_2_route_refresh() {
    for (subtype, octets) in [
        (iana::refresh::REQUEST, "0002 00 01"),
        (iana::refresh::BEGIN, "0002 01 01"),
        (iana::refresh::END, "0002 02 01"),
    ] {
        let value = RouteRefresh::new(Family::V6, subtype);
        assert_eq!(written(|out| value.encode(out)), message(5, &hex(octets)));
        assert_eq!(RouteRefresh::decode(&hex(octets)), Ok(value));
        assert_eq!(value.family(), Some(Family::V6));
    }
    // RFC 5291: a request with ORF entries is a request all the same.
    assert!(RouteRefresh::decode(&hex("0001 00 01 01 40 00")).is_ok());
}

#[test]
fn rfc7313_s5_route_refresh_of_a_wrong_length_comes_back_whole() {
    for body in ["", "0001", "0001 01 01 00", "0001 02 01 00"] {
        let error = RouteRefresh::decode(&hex(body)).unwrap_err();
        assert_eq!((error.code, error.subcode), (7, 1));
        assert_eq!(error.data[..], message(5, &hex(body)));
    }
}

#[test]
fn rfc4271_s4_5_notifications() {
    let limit = Notification::maximum_prefixes(Family::V6, 2000);
    for (name, value, octets) in [
        ("RFC 4271 s6.1", Notification::connection_not_synchronized(), "01 01"),
        ("RFC 4271 s6.1: the length", Notification::bad_message_length(18), "01 02 0012"),
        ("RFC 4271 s6.1: the type", Notification::bad_message_type(9), "01 03 09"),
        ("RFC 4271 s6.2: unspecific", Notification::open_unspecific(), "02 00"),
        ("RFC 4271 s6.2: largest version", Notification::unsupported_version(), "02 01 0004"),
        ("RFC 4271 s6.2", Notification::bad_peer_as(), "02 02"),
        ("RFC 4271 s6.2", Notification::bad_bgp_identifier(), "02 03"),
        ("RFC 4271 s6.2", Notification::unsupported_optional_parameter(), "02 04"),
        ("RFC 4271 s6.2", Notification::unacceptable_hold_time(), "02 06"),
        (
            "RFC 5492 s5: the capabilities",
            Notification::unsupported_capability(&[
                Capability::multi_protocol(Family::V6),
                Capability::ExtendedNextHop(vec![(1, 1, 2)]),
            ]),
            "02 07 0104 0002 0001 0506 0001 0001 0002",
        ),
        ("RFC 9234 s4.2", Notification::role_mismatch(), "02 0b"),
        ("RFC 4271 s6.3", Notification::malformed_attribute_list(), "03 01"),
        ("RFC 4271 s6.3", Notification::invalid_network_field(), "03 0a"),
        ("RFC 4271 s6.5", Notification::hold_timer_expired(), "04 00"),
        (
            "RFC 6608 s3: the type",
            Notification::finite_state_machine(
                iana::fsm_error::OPEN_SENT,
                Some(MessageType::Update),
            ),
            "05 01 02",
        ),
        ("RFC 4486 s4: AFI, SAFI, limit", limit, "06 01 0002 01 000007d0"),
        ("RFC 4486 s3", Notification::cease(iana::cease::CONNECTION_COLLISION), "06 07"),
        ("RFC 9003 s2", Notification::administrative_shutdown("bye"), "06 02 03 627965"),
        ("RFC 9003 s2: no text", Notification::administrative_reset(""), "06 04"),
        (
            "RFC 8538 s3.1",
            Notification::administrative_shutdown("x").hard_reset(),
            "06 09 06 02 01 78",
        ),
        ("RFC 9687 s4", Notification::send_hold_timer_expired(), "08 00"),
    ] {
        let body = hex(octets);
        assert_eq!(written(|out| value.encode(out)), message(3, &body), "{name}");
        assert_eq!(Notification::decode(&body), Ok(value), "{name}");
    }
    assert!(Notification::decode(&[6]).is_err());
}

#[test]
fn rfc9003_s2_shutdown_text() {
    let text = |body: &str| Notification::decode(&hex(body)).unwrap().shutdown_text();
    assert_eq!(text("06 02 03 627965"), Some("bye".into()));
    assert_eq!(text("06 04 02 c3a9"), Some("é".into()));
    assert_eq!(text("06 09 06 02 03 627965"), Some("bye".into()), "RFC 8538 hard reset");
    assert_eq!(text("06 02 00"), None);
    assert_eq!(text("06 02"), None);
    assert_eq!(text("06 02 05 627965"), None, "longer than the data");
    assert_eq!(text("06 02 02 c328"), None, "not UTF-8");
    assert_eq!(text("06 03 03 627965"), None, "another subcode");
    assert_eq!(text("06 09 06 09 06 02 03 627965"), None, "a hard reset in a hard reset");
    // 255 octets at most, and never half a character.
    let long = Notification::administrative_shutdown(&"é".repeat(200));
    assert_eq!(long.data.len(), 255);
    assert_eq!(long.shutdown_text(), Some("é".repeat(127)));
    let text = Notification::administrative_shutdown("back at \"noon\"\n").to_string();
    assert_eq!(text, r#"6/2 administrative shutdown: "back at \"noon\"\n""#);
}

#[test]
fn rfc4271_s6_1_frames() {
    let frame = |octets: Vec<u8>, max| next_frame(&mut BytesMut::from(&octets[..]), max);
    let long = |kind, octets: usize| message(kind, &vec![0; octets - 19]);
    let bad = |octets: u16| Err(Notification::bad_message_length(octets));
    // Marker: told at the first wrong octet, before the header is whole.
    assert_eq!(frame(vec![0xff, 0xfe], 4096), Err(Notification::connection_not_synchronized()));
    assert_eq!(frame(vec![0xff; 15], 4096), Ok(None));
    // Length 18, which no message has.
    assert_eq!(frame(hex(&format!("{} 0012 04", "ff".repeat(16))), 4096), bad(18));
    // What each type needs.
    assert_eq!(frame(message(4, &[0]), 4096), bad(20));
    assert_eq!(frame(long(1, 28), 4096), bad(28));
    assert_eq!(frame(long(2, 22), 4096), bad(22));
    assert_eq!(frame(long(3, 20), 4096), bad(20));
    assert!(frame(long(1, 29), 4096).unwrap().is_some());
    assert!(frame(long(2, 23), 4096).unwrap().is_some());
    assert!(frame(long(3, 21), 4096).unwrap().is_some());
    // Types that nobody registered.
    for kind in [0, 6, 255] {
        assert_eq!(frame(message(kind, &[]), 4096), Err(Notification::bad_message_type(kind)));
    }
    // RFC 8654 §4: sizes at both limits; OPEN never grows.
    assert!(frame(long(2, 4096), 4096).unwrap().is_some());
    assert_eq!(frame(long(2, 4097), 4096), bad(4097));
    assert!(frame(long(2, 4097), 65535).unwrap().is_some());
    assert!(frame(long(2, 65535), 65535).unwrap().is_some());
    assert!(frame(long(3, 65535), 65535).unwrap().is_some());
    assert_eq!(frame(long(1, 4097), 65535), bad(4097));
}

#[test]
fn frames_come_out_of_any_division_of_the_stream() {
    let refresh = RouteRefresh::new(Family::V4, 0);
    let mut stream = BytesMut::new();
    encode_keepalive(&mut stream);
    refresh.encode(&mut stream);
    for step in 1..stream.len() {
        let mut buffer = BytesMut::new();
        let mut kinds = Vec::new();
        for part in stream.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some((kind, body)) = next_frame(&mut buffer, 4096).unwrap() {
                kinds.push((kind, body.len()));
            }
        }
        assert_eq!(kinds, [(MessageType::Keepalive, 0), (MessageType::RouteRefresh, 4)]);
        assert!(buffer.is_empty());
    }
}
