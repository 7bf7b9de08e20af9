use super::*;
use crate::control::sample;

fn entry() -> RouteEntry {
    RouteEntry {
        as_path: "65010 {65012,65013}".into(),
        origin: "incomplete".into(),
        med: Some(7),
        communities: vec!["0:123".into()],
        extended_communities: vec!["rt:64500:100".into()],
        age_secs: Some(3723),
        rov: Some("valid".into()),
        ..sample::route("203.0.113.0/24")
    }
}

/// Alice reads these three forms and takes anything else for no time at all.
#[test]
fn times_have_the_three_forms_of_bgpctl() {
    let hour = 3600;
    for (secs, text) in [
        (0, "00:00:00"),
        (3723, "01:02:03"),
        (24 * hour - 1, "23:59:59"),
        (24 * hour, "1d00h00m"),
        (26 * hour + 180, "1d02h03m"),
        (7 * 24 * hour, "01w0d00h"),
        (10 * 24 * hour + hour, "01w3d01h"),
        (120 * 7 * 24 * hour, "120w0d00h"),
    ] {
        assert_eq!(timeframe(Duration::from_secs(secs)), text);
    }
}

/// Alice asserts that these are numbers, and ends with a panic where they are missing.
#[test]
fn what_alice_asserts_is_there_even_of_a_session_that_never_was_up() {
    let mut session = sample::session("rs1", 65010, "192.0.2.10");
    session.state = SessionState::Active;
    let now = sample::time(sample::NOON);
    for object in [in_short(&session, now), neighbor(&session, now)] {
        assert!(object["stats"]["prefixes"]["received"].is_number(), "{object}");
        assert!(object["stats"]["prefixes"]["sent"].is_number(), "{object}");
        assert_eq!(object["remote_as"], "65010");
        assert_eq!(object["remote_addr"], "192.0.2.10");
        assert_eq!(object["state"], "Active");
        assert_eq!(object["last_updown"], "01:02:03");
        assert!(object.get("bgpid").is_none(), "bgpctl has none either: {object}");
    }
    let route = route(&entry(), None);
    assert!(route["localpref"].is_number(), "{route}");
}

#[test]
fn a_route_is_as_bgpctl_writes_it() {
    let route = route(&entry(), Some("192.0.2.99"));
    assert_eq!(route["aspath"], "65010 { 65012 65013 }");
    assert_eq!(route["neighbor"], json!({ "remote_addr": "fe80::65:10", "bgp_id": "192.0.2.99" }));
    assert_eq!(route["true_nexthop"], "2001:db8::1");
    assert_eq!(route["origin"], "incomplete");
    assert_eq!(route["communities"], json!(["0:123"]));
    assert_eq!(route["extended_communities"], json!(["rt 64500:100"]));
    assert!(route.get("large_communities").is_none(), "{route}");
    assert_eq!(route["last_update"], "01:02:03");
    assert_eq!((&route["ovs"], &route["best"]), (&json!("valid"), &json!(true)));
}

#[test]
fn a_route_that_rpki_refused_is_invalid() {
    let mut entry = entry();
    entry.rov = None;
    entry.reject = Some(crate::runtime::query::RejectEntry {
        code: 14,
        euro_ix: 13,
        name: "rov-invalid".into(),
        text: "RPKI invalid".into(),
    });
    let route = route(&entry, None);
    assert_eq!(route["ovs"], "invalid");
    assert_eq!((&route["valid"], &route["filtered"]), (&json!(false), &json!(true)));
}
