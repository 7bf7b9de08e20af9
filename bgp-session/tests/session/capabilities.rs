//! What is offered, what two OPENs agree on, and which OPENs are refused.

use bgp_session::{
    ConnectionId, GracefulRestartConfig, LlgrConfig, Negotiated, SessionConfig, negotiate,
};
use bgp_wire::{
    AddPathFamily, Asn, Capability, Families, Family, GracefulRestartFamily, LinkLocalForm,
    LongLivedFamily, Message, Notification, OpenMessage, Role,
};

use crate::rig::*;

/// The OPEN that a session with that configuration sends.
fn offered(config: &SessionConfig) -> OpenMessage {
    let mut rig = Rig::started(config.clone());
    let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
    match sent(&outputs, id).remove(0) {
        Message::Open(open) => open,
        other => panic!("{other:?}"),
    }
}

fn agree(config: &SessionConfig, peer: &OpenMessage) -> Result<Negotiated, Notification> {
    negotiate(config, &offered(config), peer, ConnectionId(1))
}

fn refused(config: &SessionConfig, peer: &OpenMessage) -> (u8, u8) {
    let notification = agree(config, peer).unwrap_err();
    (notification.code, notification.subcode)
}

#[test]
fn everything_configured_is_offered() {
    let config = SessionConfig {
        extended_next_hop: true,
        add_path_send: true,
        graceful_restart: Some(GracefulRestartConfig {
            restart_time: secs(10_000),
            ..GracefulRestartConfig::default()
        }),
        llgr: Some(LlgrConfig { stale_time: secs(3600) }),
        role: Some(Role::RouteServer),
        hostname: Some("rs1".into()),
        link_local_next_hop: true,
        ..config()
    };
    let both = |make: fn(u16) -> GracefulRestartFamily| vec![make(1), make(2)];
    let expected = [
        Capability::multi_protocol(Family::V4),
        Capability::multi_protocol(Family::V6),
        Capability::RouteRefresh,
        Capability::EnhancedRouteRefresh,
        Capability::FourOctetAs(LOCAL_AS),
        Capability::ExtendedNextHop(vec![(1, 1, 2)]),
        Capability::AddPath(vec![
            AddPathFamily { afi: 1, safi: 1, receive: false, send: true },
            AddPathFamily { afi: 2, safi: 1, receive: false, send: true },
        ]),
        Capability::ExtendedMessage,
        Capability::GracefulRestart {
            restarting: false,
            notification: true,
            restart_time: 4095,
            families: both(|afi| GracefulRestartFamily { afi, safi: 1, forwarding: true }),
        },
        Capability::LongLivedGracefulRestart(vec![
            LongLivedFamily { afi: 1, safi: 1, forwarding: true, stale_time: 3600 },
            LongLivedFamily { afi: 2, safi: 1, forwarding: true, stale_time: 3600 },
        ]),
        Capability::Role(Role::RouteServer),
        Capability::Hostname { host: "rs1".into(), domain: String::new() },
        Capability::LinkLocalNextHop,
    ];
    assert_eq!(offered(&config).capabilities, expected);
}

#[test]
fn rfc4724_s3_the_restart_bit_is_set_for_a_while_after_our_restart() {
    let restarting = |rig: &mut Rig| {
        let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
        let Message::Open(open) = sent(&outputs, id).remove(0) else { panic!() };
        rig.input(bgp_session::Input::ConnectionClosed { id });
        open.capabilities.iter().any(|capability| {
            matches!(capability, Capability::GracefulRestart { restarting: true, .. })
        })
    };
    let mut rig = Rig::started(config());
    let graceful = GracefulRestartConfig {
        restarting_until: Some(rig.now + secs(120)),
        ..GracefulRestartConfig::default()
    };
    let now = rig.now;
    rig.session.reconfigure(now, SessionConfig { graceful_restart: Some(graceful), ..config() });
    assert!(restarting(&mut rig));
    rig.pass(secs(119));
    assert!(restarting(&mut rig));
    rig.pass(secs(1));
    assert!(!restarting(&mut rig));
}

#[test]
fn rfc4760_s8_no_multiprotocol_capability_means_ipv4_unicast() {
    let mut peer = open();
    peer.capabilities.drain(..2);
    assert_eq!(agree(&config(), &peer).unwrap().families, Families::only(Family::V4));
}

#[test]
fn families_are_what_both_have() {
    let mut peer = open();
    peer.capabilities.remove(0);
    peer.capabilities.push(Capability::MultiProtocol { afi: 25, safi: 70 });
    assert_eq!(agree(&config(), &peer).unwrap().families, Families::only(Family::V6));
    let only_v4 = SessionConfig { families: Families::only(Family::V4), ..config() };
    let notification = agree(&only_v4, &peer).unwrap_err();
    // RFC 5492 §5: the data names what we had wanted.
    assert_eq!(notification, Notification::with_data(2, 7, &[1, 4, 0, 1, 0, 1]));
}

#[test]
fn rfc8950_extended_next_hop_needs_both() {
    let ours = SessionConfig { extended_next_hop: true, ..config() };
    let theirs = |families| open_with([Capability::ExtendedNextHop(families)]);
    assert!(agree(&ours, &theirs(vec![(1, 1, 2)])).unwrap().extended_next_hop);
    assert!(agree(&ours, &theirs(vec![(1, 1, 2)])).unwrap().decode.extended_next_hop);
    assert!(!agree(&ours, &theirs(vec![(1, 128, 2), (1, 1, 1)])).unwrap().extended_next_hop);
    assert!(!agree(&ours, &open()).unwrap().extended_next_hop);
    assert!(!agree(&config(), &theirs(vec![(1, 1, 2)])).unwrap().extended_next_hop);
}

#[test]
fn rfc7911_s4_we_send_several_paths_only_where_the_peer_wants_to_receive_them() {
    let ours = SessionConfig { add_path_send: true, ..config() };
    let theirs = |afi, receive, send| {
        open_with([Capability::AddPath(vec![AddPathFamily { afi, safi: 1, receive, send }])])
    };
    let add_path = |config: &SessionConfig, peer: &OpenMessage| {
        let negotiated = agree(config, peer).unwrap();
        assert_eq!(negotiated.decode.add_path_receive, [false; 2], "we never receive them");
        negotiated.profile.add_path
    };
    assert_eq!(add_path(&ours, &theirs(1, true, false)), [true, false]);
    assert_eq!(add_path(&ours, &theirs(2, true, true)), [false, true]);
    assert_eq!(add_path(&ours, &theirs(1, false, true)), [false, false]);
    assert_eq!(add_path(&ours, &open()), [false, false]);
    assert_eq!(add_path(&config(), &theirs(1, true, true)), [false, false]);
}

#[test]
fn rfc8654_extended_messages_go_out_if_both_and_are_taken_if_we_said_so() {
    let extended = open_with([Capability::ExtendedMessage]);
    let negotiated = agree(&config(), &extended).unwrap();
    assert!(negotiated.profile.extended_message);
    let negotiated = agree(&config(), &open()).unwrap();
    assert!(!negotiated.profile.extended_message);
    assert_eq!(negotiated.max_receive_octets(), 65535);
    let without = SessionConfig { extended_messages: false, ..config() };
    let negotiated = agree(&without, &extended).unwrap();
    assert!(!negotiated.profile.extended_message);
    assert_eq!(negotiated.max_receive_octets(), 4096);
}

#[test]
fn rfc8654_s5_too_long_a_message_is_a_bad_length() {
    let long = Message::Update(vec![0; 5000].into());
    let (mut rig, id) = Rig::established(config());
    assert_eq!(rig.send(id, &long).len(), 1);
    let (mut rig, id) = Rig::established(SessionConfig { extended_messages: false, ..config() });
    let outputs = rig.send(id, &long);
    assert_eq!(refused_with(&outputs, id), Some((1, 2)));
}

#[test]
fn rfc6793_two_octet_peers_and_as_trans() {
    // A peer without the capability: paths have two octets on the wire, both ways.
    let mut old = open();
    old.capabilities.pop();
    let negotiated = agree(&config(), &old).unwrap();
    assert!(!negotiated.decode.four_octet_as && !negotiated.profile.four_octet_as);
    assert!(agree(&config(), &open()).unwrap().profile.four_octet_as);

    // A peer with a large number.
    let large = SessionConfig { peer_as: Asn(4_200_000_001), ..config() };
    let mut peer = open();
    peer.my_as = 23456;
    peer.capabilities[3] = Capability::FourOctetAs(Asn(4_200_000_001));
    assert_eq!(agree(&large, &peer).unwrap().peer_as, Asn(4_200_000_001));
    // AS_TRANS alone proves nothing.
    peer.capabilities.pop();
    assert_eq!(refused(&large, &peer), (2, 2));

    // We with a large number.
    let ours = SessionConfig { local_as: Asn(4_200_000_000), ..config() };
    let open = offered(&ours);
    assert_eq!(open.my_as, 23456);
    assert!(open.capabilities.contains(&Capability::FourOctetAs(Asn(4_200_000_000))));
}

#[test]
fn a_wrong_as_is_told_with_its_number() {
    let wrong = OpenMessage { my_as: 65011, ..open() };
    let mut capability = open();
    capability.capabilities[3] = Capability::FourOctetAs(Asn(65011));
    let mut alone = wrong.clone();
    alone.capabilities.pop();
    for peer in [wrong, capability, alone] {
        let expected = Notification::with_data(2, 2, &65011_u32.to_be_bytes());
        assert_eq!(agree(&config(), &peer), Err(expected));
    }
    let twice = open_with([Capability::FourOctetAs(Asn(1))]);
    assert_eq!(refused(&config(), &twice), (2, 2));
    let twice_the_same = open_with([Capability::FourOctetAs(PEER_AS)]);
    assert!(agree(&config(), &twice_the_same).is_ok());
}

#[test]
fn rfc4271_s6_2_refused_opens() {
    let with = |change: fn(&mut OpenMessage)| {
        let mut peer = open();
        change(&mut peer);
        refused(&config(), &peer)
    };
    assert_eq!(with(|open| open.version = 3), (2, 1));
    assert_eq!(with(|open| open.hold_time = 1), (2, 6));
    assert_eq!(with(|open| open.hold_time = 2), (2, 6));
    assert_eq!(with(|open| open.router_id = [0; 4].into()), (2, 3));
    let ours = OpenMessage { router_id: config().router_id, ..open() };
    assert!(agree(&config(), &ours).is_ok(), "RFC 6286 §2.1: unique within an AS only");
    let internal = SessionConfig { peer_as: LOCAL_AS, ..config() };
    let mut same_as = ours;
    same_as.my_as = 64500;
    same_as.capabilities[3] = Capability::FourOctetAs(LOCAL_AS);
    assert_eq!(refused(&internal, &same_as), (2, 3));
}

#[test]
fn refused_opens_on_the_wire() {
    for (offset, octets, expected, data) in [
        (19, vec![3_u8], (2, 1), vec![0, 4]),
        (22, vec![0, 2], (2, 6), vec![]),
        (24, vec![0; 4], (2, 3), vec![]),
        (20, vec![0, 0], (2, 2), vec![]),
    ] {
        let mut message = encode(&Message::Open(open()));
        message.splice(offset..offset + octets.len(), octets);
        let mut rig = Rig::started(config());
        let id = rig.inbound();
        let outputs = rig.octets(id, &message);
        let notification = refusal(&outputs, id).unwrap();
        assert_eq!((notification.code, notification.subcode), expected);
        assert_eq!(notification.data, data);
    }
}

#[test]
fn hold_time_is_the_smaller_one_and_may_be_zero() {
    for (ours, theirs, hold, keepalive) in
        [(90, 180, 90, 30), (90, 9, 9, 3), (0, 90, 0, 0), (90, 0, 0, 0), (90, 3, 3, 1)]
    {
        let config = SessionConfig { hold_time: secs(ours), ..config() };
        let peer = OpenMessage { hold_time: theirs, ..open() };
        let negotiated = agree(&config, &peer).unwrap();
        assert_eq!(negotiated.hold_time, secs(hold));
        assert_eq!(negotiated.keepalive, secs(keepalive));
    }
}

#[test]
fn rfc9234_s4_2_roles() {
    let ours = SessionConfig { role: Some(Role::RouteServer), ..config() };
    let theirs = |role| open_with([Capability::Role(role)]);
    let fitting = agree(&ours, &theirs(Role::RouteServerClient)).unwrap();
    assert_eq!(fitting.peer_role, Some(Role::RouteServerClient));
    assert_eq!(agree(&ours, &open()).unwrap().peer_role, None, "no role is tolerated");
    for role in [Role::Provider, Role::RouteServer, Role::Peer, Role::Unassigned(77)] {
        assert_eq!(refused(&ours, &theirs(role)), (2, 11), "{role:?}");
    }
    let both = [Capability::Role(Role::RouteServerClient), Capability::Role(Role::Peer)];
    assert_eq!(refused(&ours, &open_with(both)), (2, 11));
    assert!(agree(&config(), &theirs(Role::Peer)).is_ok(), "we have none configured");
}

#[test]
fn rfc4724_and_rfc9494_graceful_restart_needs_both_sides() {
    let graceful = |families: Vec<(u16, u8)>| Capability::GracefulRestart {
        restarting: true,
        notification: true,
        restart_time: 77,
        families: families
            .into_iter()
            .map(|(afi, safi)| GracefulRestartFamily { afi, safi, forwarding: afi == 1 })
            .collect(),
    };
    let long =
        |afi, forwarding, stale_time| LongLivedFamily { afi, safi: 1, forwarding, stale_time };
    let llgr = Capability::LongLivedGracefulRestart(vec![long(2, true, 500)]);
    let ours = SessionConfig {
        graceful_restart: Some(GracefulRestartConfig::default()),
        llgr: Some(LlgrConfig { stale_time: secs(60) }),
        ..config()
    };
    let peer = open_with([graceful(vec![(1, 1), (2, 1), (1, 128)]), llgr.clone()]);
    let negotiated = agree(&ours, &peer).unwrap();
    let theirs = negotiated.peer_graceful_restart.unwrap();
    assert!(theirs.restarting);
    assert_eq!(theirs.restart_time, secs(77));
    assert_eq!(theirs.families, Families::BOTH);
    assert_eq!(theirs.forwarding, Families::only(Family::V4));
    assert!(negotiated.graceful_notifications);
    // RFC 9494 §4.2: the peer's time may be reduced by local configuration.
    assert_eq!(negotiated.peer_llgr, [None, Some(secs(60))]);
    assert_eq!(negotiated.peer_llgr_forwarding, Families::only(Family::V6));
    // Both families, F for one of them, a shorter time than ours for the other.
    let llgr_of_both =
        Capability::LongLivedGracefulRestart(vec![long(1, true, 7), long(2, false, 500)]);
    let both = open_with([graceful(vec![(1, 1), (2, 1)]), llgr_of_both]);
    let negotiated = agree(&ours, &both).unwrap();
    assert_eq!(negotiated.peer_llgr, [Some(secs(7)), Some(secs(60))]);
    assert_eq!(negotiated.peer_llgr_forwarding, Families::only(Family::V4));

    assert_eq!(agree(&config(), &peer).unwrap().peer_graceful_restart, None);
    assert_eq!(agree(&ours, &open()).unwrap().peer_graceful_restart, None);
    // RFC 9494 §4.1: without graceful restart it means nothing.
    let negotiated = agree(&ours, &open_with([llgr.clone()])).unwrap();
    assert_eq!(
        (negotiated.peer_llgr, negotiated.peer_llgr_forwarding),
        ([None; 2], Families::NONE)
    );
    // Nor does it where we do not offer it.
    let without = SessionConfig { llgr: None, ..ours.clone() };
    let negotiated = agree(&without, &open_with([graceful(vec![(2, 1)]), llgr])).unwrap();
    assert_eq!(
        (negotiated.peer_llgr, negotiated.peer_llgr_forwarding),
        ([None; 2], Families::NONE)
    );
    let ours_without_n = SessionConfig {
        graceful_restart: Some(GracefulRestartConfig {
            notification: false,
            ..GracefulRestartConfig::default()
        }),
        ..config()
    };
    assert!(!agree(&ours_without_n, &peer).unwrap().graceful_notifications);
}

#[test]
fn capability_77_decides_the_form_of_lone_link_local_next_hops() {
    let ours = SessionConfig {
        link_local_next_hop: true,
        link_local_form: LinkLocalForm::Double,
        ..config()
    };
    let form = |peer: &OpenMessage| agree(&ours, peer).unwrap().profile.link_local_form;
    assert_eq!(form(&open_with([Capability::LinkLocalNextHop])), LinkLocalForm::Single);
    assert_eq!(form(&open()), LinkLocalForm::Double);
}

#[test]
fn capability_nonsense_is_survived() {
    let nonsense = [
        Capability::Unknown { code: 200, value: vec![1; 100].into() },
        Capability::MultiProtocol { afi: 0, safi: 0 },
        Capability::MultiProtocol { afi: 1, safi: 1 },
        Capability::ExtendedNextHop(vec![]),
        Capability::AddPath(vec![AddPathFamily { afi: 9, safi: 9, receive: true, send: true }]),
    ];
    let (rig, _) = Rig::established_with(config(), open_with(nonsense));
    let negotiated = rig.session.negotiated().unwrap();
    assert_eq!(negotiated.families, Families::BOTH);
    assert_eq!(negotiated.profile.add_path, [false; 2]);
    assert_eq!(negotiated.peer_capabilities.len(), 9);

    // A known one that cannot be read is an error of the OPEN (RFC 4271 §6.2).
    let mut rig = Rig::started(config());
    let id = rig.inbound();
    let torn = open_with([Capability::Unknown { code: 1, value: vec![0].into() }]);
    let outputs = rig.send(id, &Message::Open(torn));
    assert_eq!(refused_with(&outputs, id), Some((2, 0)));
}

fn refuse(rig: &mut Rig, notification: Notification) {
    let id = rig.inbound();
    rig.send(id, &Message::Notification(notification));
}

fn next_open(rig: &mut Rig) -> OpenMessage {
    let (id, outputs) = rig.connection(bgp_session::Direction::Inbound);
    rig.input(bgp_session::Input::ConnectionClosed { id });
    match sent(&outputs, id).remove(0) {
        Message::Open(open) => open,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc5492_s3_a_peer_that_refuses_capabilities_gets_an_open_without() {
    for notification in [Notification::unsupported_optional_parameter(), Notification::new(2, 7)] {
        let mut rig = Rig::started(config());
        refuse(&mut rig, notification);
        for _ in 0..5 {
            assert_eq!(next_open(&mut rig).capabilities, []);
        }
        assert!(!next_open(&mut rig).capabilities.is_empty(), "forgotten after some tries");
        assert_eq!(rig.session.counters().capability_fallbacks, 5);
    }
}

#[test]
fn rfc5492_s5_a_refused_capability_is_left_out_alone() {
    let mut rig = Rig::started(config());
    let data = [6, 0];
    refuse(&mut rig, Notification::with_data(2, 7, &data));
    let capabilities = next_open(&mut rig).capabilities;
    assert!(!capabilities.contains(&Capability::ExtendedMessage));
    assert!(capabilities.contains(&Capability::RouteRefresh));
    // A capability that the peer wants and we do not have: nothing to leave out.
    let mut rig = Rig::started(config());
    refuse(&mut rig, Notification::with_data(2, 7, &[5, 6, 0, 1, 0, 1, 0, 2]));
    assert_eq!(next_open(&mut rig), offered(&config()));
}

#[test]
fn rfc5492_s5_a_family_that_the_peer_wants_is_no_refusal_of_ours() {
    let only_v4 = SessionConfig { families: Families::only(Family::V4), ..config() };
    let mut rig = Rig::started(only_v4.clone());
    // We say the same to a peer that has only the other family.
    refuse(
        &mut rig,
        Notification::unsupported_capability(&[Capability::multi_protocol(Family::V6)]),
    );
    assert_eq!(next_open(&mut rig), offered(&only_v4));
    assert_eq!(rig.session.counters().capability_fallbacks, 0);
}

#[test]
fn rfc5492_s5_a_refused_family_is_left_out_alone() {
    let mut rig = Rig::started(config());
    refuse(
        &mut rig,
        Notification::unsupported_capability(&[Capability::multi_protocol(Family::V4)]),
    );
    let id = rig.inbound();
    let mut only_v6 = open();
    only_v6.capabilities.remove(0);
    rig.send(id, &Message::Open(only_v6));
    rig.send(id, &Message::Keepalive);
    let negotiated = rig.session.negotiated().expect("IPv6 is what both have");
    assert_eq!(negotiated.families, Families::only(Family::V6));
    assert!(!negotiated.local_capabilities.contains(&Capability::multi_protocol(Family::V4)));
}

#[test]
fn an_active_session_retries_without_capabilities_soon() {
    let mut rig = Rig::started(active());
    let id = rig.outbound();
    rig.send(id, &Message::Notification(Notification::unsupported_optional_parameter()));
    let outputs = rig.pass(secs(1));
    assert!(outputs.contains(&bgp_session::Output::Connect));
}

#[test]
fn a_session_without_capabilities_is_ipv4_with_two_octet_paths_and_is_kept_to() {
    let mut rig = Rig::started(config());
    refuse(&mut rig, Notification::unsupported_optional_parameter());
    let id = rig.inbound();
    let old = OpenMessage { capabilities: vec![], ..open() };
    rig.send(id, &Message::Open(old));
    rig.send(id, &Message::Keepalive);
    let negotiated = rig.session.negotiated().unwrap();
    assert_eq!(negotiated.families, Families::only(Family::V4));
    assert!(!negotiated.profile.four_octet_as);
    assert!(!negotiated.route_refresh);
    rig.input(bgp_session::Input::ConnectionClosed { id });
    for _ in 0..5 {
        assert_eq!(next_open(&mut rig).capabilities, []);
    }
}

#[test]
fn ipv6_alone_cannot_do_without_capabilities() {
    let only_v6 = SessionConfig { families: Families::only(Family::V6), ..config() };
    let mut rig = Rig::started(only_v6);
    refuse(&mut rig, Notification::unsupported_optional_parameter());
    let id = rig.inbound();
    let outputs = rig.send(id, &Message::Open(OpenMessage { capabilities: vec![], ..open() }));
    assert_eq!(refused_with(&outputs, id), Some((2, 7)));
}
