use super::*;
use crate::control::sample;

fn entry() -> RouteEntry {
    RouteEntry {
        as_path: "65010 65011 {65012 65013}".into(),
        communities: vec!["0:123".into(), "65535:666".into()],
        extended_communities: vec!["rt:64500:100".into(), "generic:0x43000000:0x1".into()],
        large_communities: vec!["64500:1:2".into()],
        ..sample::route("203.0.113.0/24")
    }
}

fn shaped(entry: &RouteEntry) -> Value {
    let mut session = sample::session("rs1", 65010, "fe80::65:10");
    session.id.interface = Some("eth1.5".into());
    let mut entry = entry.clone();
    entry.from = session.id.clone();
    route(&entry, &Neighbours::new(&[session]), sample::time(sample::NOON))
}

/// Alice type-asserts `Version` (capital V) and `result_from_cache`, and parses `ttl`.
#[test]
fn the_envelope_does_not_make_alice_panic() {
    let envelope = envelope(sample::time(sample::NOON));
    assert!(envelope["api"]["Version"].is_string());
    assert!(envelope["api"]["result_from_cache"].is_boolean());
    let ttl = envelope["ttl"].as_str().unwrap();
    assert!(ttl.parse::<Timestamp>().is_ok(), "{ttl}");
    let cached = &envelope["api"]["cache_status"]["cached_at"];
    assert_eq!(cached["date"], "2026-11-21T12:00:00Z");
    for (key, value) in envelope.as_object().unwrap() {
        // The stream decoder looks for these words among all top-level keys and strings.
        assert!(!["api", "ttl", "routes"].contains(&value.as_str().unwrap_or_default()));
        assert!(["api", "ttl", "cached_at"].contains(&key.as_str()));
    }
}

#[test]
fn times_are_utc_iso_long() {
    assert_eq!(time(sample::time(sample::NOON)), "2026-11-21 12:00:00");
}

#[test]
fn a_protocols_name_has_allowed_characters_only() {
    let mut session = sample::session("rs1", 65010, "fe80::65:10");
    session.id.interface = Some("eth1.5".into());
    let id = protocol_id(&session);
    assert_eq!(id, "AS65010_fe80::65:10_eth1_5");
    assert!(crate::http::view::allowed(&id, "_:."));
    assert_eq!(protocol(&session)["neighbor_address"], "fe80::65:10");
}

#[test]
fn a_protocol_has_every_member_in_the_type_that_alice_asserts() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.routes[0].received = 12;
    session.routes[0].accepted = 10;
    session.routes[0].filtered = 2;
    session.routes[1].exported = 7;
    let protocol = protocol(&session);
    assert_eq!(protocol["bird_protocol"], "BGP");
    assert_eq!(protocol["state"], "up");
    assert_eq!(protocol["neighbor_as"], 65010);
    assert_eq!(protocol["routes"]["imported"], 10);
    assert_eq!(protocol["routes"]["filtered"], 2);
    assert_eq!(protocol["routes"]["exported"], 7);
    for name in ["routes", "routes_count"] {
        assert_eq!(protocol["channels"]["ipv4"][name]["imported"], 10);
    }
    for text in [
        "protocol",
        "table",
        "state_changed",
        "connection",
        "description",
        "neighbor_id",
        "last_error",
    ] {
        assert!(protocol[text].is_string(), "{text}");
    }
}

/// Messages, routes and changes of routes are three things: a table of them adds up or says nothing.
#[test]
fn changes_of_routes_are_not_made_of_messages_and_routes() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.messages.received.update = 6;
    session.messages.sent.update = 9;
    session.routes[0].accepted = 7;
    session.routes[0].filtered = 2;
    let changes = &protocol(&session)["route_changes"];
    for of in ["import_updates", "import_withdraws", "export_updates", "export_withdraws"] {
        // Alice and IXP Manager want numbers.
        for number in ["received", "rejected", "filtered", "ignored", "accepted"] {
            assert_eq!(changes[of][number], 0, "{of} {number}");
        }
    }
}

#[test]
fn a_session_that_is_down_says_why() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.state = SessionState::Active;
    session.last_down = Some("Hold timer expired".into());
    assert_eq!(protocol(&session)["state"], "start");
    assert_eq!(protocol(&session)["last_error"], "Hold timer expired");
    session.state = SessionState::Disabled;
    assert_eq!(protocol_short(&session)["state"], "down");
}

#[test]
fn a_route_has_strings_where_strings_are_read_and_numbers_where_numbers() {
    let route = shaped(&entry());
    assert_eq!(route["bgp"]["as_path"], json!(["65010", "65011", "65012", "65013"]));
    assert_eq!(route["bgp"]["communities"], json!([[0, 123], [65535, 666]]));
    assert_eq!(route["bgp"]["large_communities"], json!([[64500, 1, 2]]));
    assert_eq!(
        route["bgp"]["ext_communities"],
        json!([["rt", "64500", "100"], ["generic", "0x43000000", "0x1"]])
    );
    assert_eq!(route["bgp"]["local_pref"], "100");
    assert_eq!(route["bgp"]["med"], "0");
    assert_eq!(route["bgp"]["next_hop"], "2001:db8::1 fe80::1");
    assert_eq!(route["age"], "2026-11-21 11:59:00");
    assert_eq!(route["metric"], 100);
    assert_eq!(route["primary"], true);
    assert_eq!(route["type"], json!(["BGP", "univ"]));
}

/// Else Alice throws rejected routes away.
#[test]
fn gateway_and_learnt_from_are_the_neighbours_address_without_zone() {
    let route = shaped(&entry());
    assert_eq!(route["gateway"], "fe80::65:10");
    assert_eq!(route["learnt_from"], "fe80::65:10");
    assert_eq!(route["interface"], "eth1.5");
    assert_eq!(route["from_protocol"], "AS65010_fe80::65:10_eth1_5");
}
