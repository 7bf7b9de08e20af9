use super::*;
use crate::control::sample;
use crate::runtime::status::{NotificationStatus, SessionState};

/// What IXP Manager lets through as a symbol.
fn is_symbol(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[test]
fn names_are_symbols_and_differ() {
    let mut session = sample::session("rs1", 65010, "fe80::65:10");
    session.id.interface = Some("eth1.5".into());
    let v6 = protocol_name(&session);
    assert_eq!(v6, "AS65010_fe80__65_10_eth1_5");
    let v4 = protocol_name(&sample::session("rs1", 65010, "192.0.2.10"));
    assert_eq!(v4, "AS65010_192_0_2_10");
    assert!(is_symbol(&v6) && is_symbol(&v4));
}

/// IXP Manager's `DateTime::createFromFormat('Y-m-d\TH:i:sO', …)` gives false for anything else,
/// and what it does with that ends the page.
#[test]
fn times_are_what_php_calls_c() {
    assert_eq!(time(sample::time(sample::NOON)), "2026-11-21T12:00:00+00:00");
}

/// IXP Manager writes into its page what it reads here.
#[test]
fn nothing_that_a_peer_said_is_in_a_protocol() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    let hostile = "<script>alert(1)</script>".to_owned();
    session.state = SessionState::Active;
    session.last_down = Some(hostile.clone());
    session.last_notification = Some(NotificationStatus {
        sent: false,
        code: 6,
        subcode: 2,
        text: hostile.clone(),
        at: sample::time(sample::NOON),
    });
    session.negotiated = Some(NegotiatedStatus {
        router_id: [192, 0, 2, 99].into(),
        hold_time_secs: 90,
        keepalive_secs: 30,
        families: vec!["ipv4".into()],
        extended_next_hop: false,
        add_path_send: Vec::new(),
        extended_message: false,
        four_octet_as: true,
        route_refresh: true,
        enhanced_route_refresh: false,
        local_capabilities: Vec::new(),
        peer_capabilities: vec![format!("hostname {hostile}")],
    });
    let protocol = one_protocol(&session);
    assert!(!protocol.to_string().contains("alert"), "{protocol}");
    assert_eq!(protocol["neighbor_capabilities"], json!(["refresh", "AS4"]));
    assert_eq!(protocol["bgp_state"], "Active");
}

#[test]
fn imported_counts_what_the_list_has_and_the_limit_is_there_only_if_set() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.routes[0].received = 12;
    session.routes[0].accepted = 10;
    session.routes[0].filtered = 2;
    let protocol = one_protocol(&session);
    assert_eq!(
        (&protocol["routes"]["imported"], &protocol["route_limit_at"]),
        (&json!(12), &json!(12))
    );
    assert!(protocol.get("import_limit").is_none());
    session.limits = [Some(100), Some(50)];
    assert_eq!(one_protocol(&session)["import_limit"], 150);
    session.limit_total = Some(120);
    assert_eq!(one_protocol(&session)["import_limit"], 120);
}
