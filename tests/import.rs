//! The importers, on a small sample of our own and, with `RS_DATA`, on the files of a
//! real exchange. `RS_BLESS=1` rewrites the blessed answers.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bgp_wire::{Families, Family};
use policy::{Kind, MoreSpecifics, Role};
use rs_daemon::{
    config::{self, CheckMode, Config, Limit, LimitAction, LimitCount},
    import::{self, Imported, Target},
};

fn sample(name: &str) -> String {
    std::fs::read_to_string(directory().join(name)).unwrap()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("import")
}

/// The imported configuration as the daemon reads it.
fn load(imported: &Imported) -> Config {
    match config::parse(Path::new("imported.toml"), &imported.configuration) {
        Ok(config) => config,
        Err(errors) => {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}\n{}", errors.join("\n"), imported.configuration)
        }
    }
}

fn assert_blessed(name: &str, imported: &Imported) {
    let path = directory().join(name);
    let now = format!("{}\n# Notes:\n# {}\n", imported.configuration, imported.notes.join("\n# "));
    if std::env::var_os("RS_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), now);
}

#[test]
fn arouteserver_sample() {
    let imported = import::arouteserver(
        &sample("general.yml"),
        &sample("clients.yml"),
        Some(&sample("bogons.yml")),
    )
    .unwrap();
    let config = load(&imported);
    assert_eq!(config.members.len(), 3);
    assert_eq!(config.sessions().count(), 4);
    let sponsor = &config.members[1];
    assert_eq!(sponsor.sessions[0].import.irr, CheckMode::Off);
    assert_eq!(sponsor.sessions[0].import.transit_free.len(), 0);
    assert_eq!(config.route_servers[0].limits.action, LimitAction::Block);
    assert!(!imported.notes.iter().any(|note| note.contains("s3cret")), "{:?}", imported.notes);
    assert_blessed("arouteserver.ok", &imported);
}

/// Where arouteserver's default is not ours, it is written: what the file does not say stays as it
/// was there.
#[test]
fn what_arouteservers_files_do_not_say_is_its_default() {
    let general = "cfg: { rs_as: 64500, router_id: 192.0.2.1 }";
    let clients = "clients: [{ asn: 64501, ip: [192.0.2.10, \"2001:db8::10\"] }]";
    let imported = import::arouteserver(general, clients, None).unwrap();
    let config = load(&imported);
    let server = &config.route_servers[0];
    assert_eq!((server.import.irr, server.import.rpki), (CheckMode::Reject, CheckMode::Off));
    assert_eq!(server.import.irr_more_specifics, MoreSpecifics::Exact);
    assert!(!server.import.graceful_shutdown);
    assert!(server.import.transit_free.is_empty());
    assert_eq!((server.limits.v4, server.limits.v6), (Limit::Off, Limit::Off));
    let families: Vec<_> = config.sessions().map(|session| session.families).collect();
    assert_eq!(families, [Family::V4, Family::V6].map(Families::only), "one each");
    let said =
        |what: &str| assert!(imported.notes.iter().any(|note| note.contains(what)), "{what}");
    said("never_via_route_servers.peering_db");
}

/// Internal BGP is not spoken: a client of the route server's own AS would be a member for nothing.
#[test]
fn a_client_of_the_route_servers_own_as_is_left_out() {
    let general = "cfg: { rs_as: 64500, router_id: 192.0.2.1 }";
    let clients = "clients:\n- { asn: 64500, ip: [192.0.2.2, \"2001:db8::2\"] }\n- { asn: 1000010, ip: 192.0.2.10 }";
    for whole in [true, false] {
        let target = Target { whole, ..Target::default() };
        let imported = import::arouteserver_as(&target, general, clients, None).unwrap();
        assert_eq!(imported.configuration.matches("[[member]]").count(), 1, "{imported:?}");
        assert!(!imported.configuration.contains("2001:db8"), "no listener for it: {imported:?}");
        let note = "clients.yml: AS64500: the route server's own AS, with which there is no \
                    session here: left out";
        assert!(imported.notes.iter().any(|said| said == note), "{:#?}", imported.notes);
    }
}

/// Each option that needs more than a copy.
#[test]
fn arouteservers_options_one_by_one() {
    let both = |general: &str, client: &str| {
        let general = format!("cfg:\n  rs_as: 64500\n  router_id: 192.0.2.1\n{general}");
        let clients = format!(
            "asns: {{ AS1000010: {{ as_sets: [AS-ALICE] }} }}\nclients:\n- asn: 1000010\n  \
             ip: \"2001:db8::10\"\n{client}"
        );
        import::arouteserver(&general, &clients, None).unwrap()
    };
    let said = |imported: &Imported, what: &str| {
        assert!(imported.notes.iter().any(|note| note.contains(what)), "{what}: {imported:?}");
    };
    let rpki = |reject: bool| {
        format!(
            "  filtering: {{ rpki_bgp_origin_validation: {{ enabled: True, reject_invalid: \
             {reject} }}, max_prefix: {{ action: warning, general_limit_ipv6: 0 }} }}\n"
        )
    };
    // Invalid routes were announced to nobody even when they were not rejected.
    for reject in [true, false] {
        let config = load(&both(&rpki(reject), ""));
        assert_eq!(config.route_servers[0].import.rpki, CheckMode::Reject);
        assert_eq!(config.route_servers[0].limits.v6, Limit::Off, "0 is none");
    }
    let general = "  rfc8950: True\n  graceful_shutdown: { enabled: True }\n  \
                   rfc1997_wellknown_communities: { policy: rfc1997 }\n  filtering:\n    \
                   transit_free: { asns: \"174, 701\" }\n    roles: { enabled: True }\n    \
                   irrdb: { enforce_origin_in_as_set: False, enforce_prefix_in_as_set: False }\n";
    let client = "  16bit_mapped_asn: 64601\n  cfg:\n    graceful_shutdown: { enabled: False }\n    \
                  filtering:\n      allow_as_set: True\n      max_prefix: { limit_ipv6: 5 }\n      \
                  irrdb: { as_sets: [], enforce_origin_in_as_set: False }\n      \
                  black_list_pref: [{ prefix: \"2001:db8:1::\", length: 48, exact: True }]\n";
    let imported = both(general, client);
    let config = load(&imported);
    let session = config.sessions().next().unwrap();
    let member = &config.members[0];
    assert_eq!(session.families, Families::BOTH, "IPv4 with IPv6 next hops");
    assert!(config.route_servers[0].export.honour_well_known);
    assert!(config.route_servers[0].import.graceful_shutdown);
    assert!(!session.import.graceful_shutdown && !session.import.reject_as_sets);
    assert!(session.role_rfc9234);
    assert_eq!(session.import.irr, CheckMode::Tag, "the other half is the general file's");
    assert_eq!(member.as_set.len(), 1, "of the AS, as the client's own list is empty");
    assert_eq!(member.alias, Some(64601));
    assert!(config.route_servers[0].import.transit_free.is_empty(), "no action, no check");
    said(&imported, "transit_free has no action");
    said(&imported, "its limits are not enforced");
    said(&imported, "2001:db8:1::/48: `exact`");
}

/// A client that has an action where the general file has none has the general limits as well, of
/// both families.
#[test]
fn an_action_of_a_client_alone_brings_the_general_limits() {
    let read = |general: &str, client: &str| {
        let general = format!(
            "cfg: {{ rs_as: 64500, router_id: 192.0.2.1, filtering: {{ max_prefix: {{ {general} }} }} }}"
        );
        let clients = format!(
            "clients:\n- {{ asn: 1000010, ip: [192.0.2.10, \"2001:db8::10\"], cfg: {{ filtering: {{ \
             max_prefix: {{ {client} }} }} }} }}\n- {{ asn: 1000020, ip: 192.0.2.20 }}\n"
        );
        let imported = import::arouteserver(&general, &clients, None).unwrap();
        let config = load(&imported);
        let other = config.sessions().find(|session| session.asn.0 == 1_000_020).unwrap();
        assert_eq!((other.limits.v4, other.limits.v6), (Limit::Off, Limit::Off));
        let limits = config.sessions().next().unwrap().limits;
        (imported, limits)
    };
    let asked = "clients.yml: AS1000010: filtering.max_prefix.peering_db: PeeringDB is not asked";
    let said =
        |imported: &Imported, what: &str| imported.notes.iter().any(|note| note.starts_with(what));
    let (imported, limits) = read("", "action: block, limit_ipv4: 100");
    let numbers = [100, 12_000].map(Limit::Fixed);
    assert_eq!([limits.v4, limits.v6], numbers, "arouteserver's own");
    assert_eq!((limits.action, limits.count), (LimitAction::Block, LimitCount::Received));
    assert!(said(&imported, asked), "{:#?}", imported.notes);

    let general = "general_limit_ipv4: 900, general_limit_ipv6: 700, count_rejected_routes: False, \
                   restart_after: 7, peering_db: False";
    let (imported, limits) = read(general, "action: restart, limit_ipv4: 100");
    assert_eq!([limits.v4, limits.v6], [100, 700].map(Limit::Fixed));
    assert_eq!((limits.action, limits.count), (LimitAction::Restart, LimitCount::Accepted));
    assert_eq!(limits.restart_after, Duration::from_secs(7 * 60));
    assert!(!said(&imported, asked), "{:#?}", imported.notes);
    let held = "general.yml: filtering.max_prefix has no action: its limits hold only for clients \
                that have one of their own";
    assert!(said(&imported, held), "{:#?}", imported.notes);
    // Both numbers its own: nobody would have been asked.
    let (imported, limits) = read("", "action: restart, limit_ipv4: 100, limit_ipv6: 0");
    assert_eq!([limits.v4, limits.v6], [Limit::Fixed(100), Limit::Off]);
    assert_eq!(limits.restart_after, Duration::from_secs(15 * 60), "its default, too");
    assert!(!said(&imported, asked), "{:#?}", imported.notes);
}

/// AS numbers in any way to write them; what is none, and what else has no place in our
/// configuration, is said.
#[test]
fn nothing_in_arouteservers_lists_is_lost_silently() {
    let general = "\
cfg:
  rs_as: AS64500
  router_id: 192.0.2.1
  communities:
    do_not_announce_to_any: { std: [\"0:rs_as\"], lrg: \"rs_as:0:0\", colour: red }
  filtering:
    ipv4_pref_len: { max: 300 }
    transit_free: { action: reject, asns: [174, \"as701\", \"AS3356\", \"1.10\", 1.10, AS-TIER1, 99999999999] }
    never_via_route_servers: { asns: \"666, as777, x\" }
    max_prefix: { action: sulk, general_limit_ipv4: 99999999999 }
    global_black_list_pref: [{ prefix: 203.0.113.0, length: 24 }, { prefix: here, length: 24 }]
";
    let clients = "\
asns:
  as64501: { as_sets: [AS-ALICE, 5], colour: green }
colours: [red]
clients:
- asn: as64501
  16bit_mapped_asn: 70000
  ip: 192.0.2.10
  cfg:
    filtering:
      max_prefix: { limit_ipv4: 4294967296 }
      irrdb:
        white_list_asn: [AS-FOO, As64502]
        white_list_route: [{ prefix: 198.51.100.0, length: 24, asn: AS64503 }, { prefix: 198.51.101.0, length: 24, asn: bob }]
      black_list_pref: [{ prefix: 203.0.113.1, length: 33 }]
- asn: 64510
  sessions: [{ ip: 192.0.2.11, mac: 5, speed: 10 }]
- asn: 0
";
    let imported = import::arouteserver(general, clients, None).unwrap();
    let config = load(&imported);
    let import = &config.route_servers[0].import;
    let numbers = |asns: &[bgp_wire::Asn]| asns.iter().map(|asn| asn.0).collect::<Vec<_>>();
    assert_eq!(numbers(&import.transit_free), [174, 701, 3356, 65546]);
    assert_eq!(numbers(&import.never_via_rs), [666, 777]);
    assert_eq!(config.exchange.asn.0, 64500);
    let alice = &config.members[0];
    assert_eq!((alice.as_set.len(), alice.alias), (1, None));
    assert!(imported.configuration.contains("asns = [64502, 64503]"), "{}", imported.configuration);
    let path = "cfg.filtering";
    for note in [
        format!("general.yml: {path}.transit_free.asns: \"AS-TIER1\" is no AS number: left out"),
        format!("general.yml: {path}.transit_free.asns: 99999999999 is no AS number: left out"),
        format!(
            "general.yml: {path}.never_via_route_servers.asns: \"x\" is no AS number: left out"
        ),
        format!("general.yml: {path}.ipv4_pref_len.max = 300: has no counterpart"),
        format!(
            "general.yml: {path}.max_prefix.general_limit_ipv4 = 99999999999: has no counterpart"
        ),
        "general.yml: filtering.max_prefix.action = sulk: has no counterpart".to_owned(),
        format!(
            "general.yml: {path}.global_black_list_pref: {{\"length\":24,\"prefix\":\"here\"}} is no \
             prefix: left out"
        ),
        "general.yml: communities.do_not_announce_to_any: colour = \"red\": has no counterpart"
            .to_owned(),
        "general.yml: communities.do_not_announce_to_any: std = [\"0:rs_as\"]: has no counterpart"
            .to_owned(),
        "clients.yml: asns.as64501: as_sets: 5 is no text: left out".to_owned(),
        "clients.yml: asns.as64501: colour = \"green\": has no counterpart".to_owned(),
        "clients.yml: colours = [\"red\"]: has no counterpart".to_owned(),
        "clients.yml: AS64501: 16bit_mapped_asn = 70000: has no counterpart".to_owned(),
        format!(
            "clients.yml: AS64501: {path}.max_prefix.limit_ipv4 = 4294967296: has no counterpart"
        ),
        format!(
            "clients.yml: AS64501: {path}.irrdb.white_list_asn: \"AS-FOO\" is no AS number: left out"
        ),
        format!(
            "clients.yml: AS64501: {path}.irrdb.white_list_route: \"bob\" is no AS number: left out"
        ),
        format!(
            "clients.yml: AS64501: {path}.black_list_pref: {{\"length\":33,\"prefix\":\"203.0.113.1\"}} \
             is no prefix: left out"
        ),
        "clients.yml: AS64510: sessions: mac = 5: has no counterpart".to_owned(),
        "clients.yml: AS64510: sessions: speed = 10: has no counterpart".to_owned(),
        "clients.yml: client 3: asn = 0 is no AS number: left out".to_owned(),
    ] {
        assert!(imported.notes.contains(&note), "{note}: {:#?}", imported.notes);
    }
    // A chaos server has members as well, and they may be lost.
    let target = Target { name: "rs3".to_owned(), kind: Kind::Chaos, whole: false };
    let imported = import::arouteserver_as(&target, general, clients, None).unwrap();
    let note = "clients.yml: client 3: asn = 0 is no AS number: left out".to_owned();
    assert!(imported.notes.contains(&note), "{:#?}", imported.notes);
    assert!(!imported.notes.iter().any(|note| note.contains("cfg.filtering")), "{imported:?}");
}

/// Addresses and a router identifier of its own: what the files of several servers do not say.
fn placed(configuration: &str, index: usize) -> String {
    let server = index + 1;
    let lines = configuration.lines().map(|line| match line.split(" = ").next() {
        Some("listen") => {
            format!("listen = [\"192.0.2.25{server}:179\", \"[fe80::1980:{server}:1]:179\"]")
        }
        Some("router_id") => format!("router_id = \"192.0.2.{server}\""),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The second and third route server of an exchange stand beside the first, each with its own
/// exceptions for the members.
#[test]
fn several_route_servers_come_over_into_one_configuration() {
    let (general, clients) = (sample("general.yml"), sample("clients.yml"));
    let part = |name: &str, kind| {
        let target = Target { name: name.to_owned(), kind, whole: false };
        import::arouteserver_as(&target, &general, &clients, None).unwrap()
    };
    let first = import::arouteserver(&general, &clients, None).unwrap();
    let second = part("rs2", Kind::Transitable);
    let third = part("rs3", Kind::Chaos);
    let parts = [&first, &second, &third].into_iter().enumerate();
    let configuration = parts.map(|(index, part)| placed(&part.configuration, index)).collect();
    let config = load(&Imported { configuration, notes: Vec::new() });
    let kinds: Vec<_> = config.route_servers.iter().map(|server| server.kind).collect();
    assert_eq!(kinds, [Kind::Regular, Kind::Transitable, Kind::Chaos]);
    for index in 0..3 {
        assert_eq!(config.sessions_of(index).count(), 4);
    }
    let bob = |index: usize| {
        config.sessions_of(index).find(|session| session.asn.0 == 1_000_020).unwrap()
    };
    let role = |index: usize| config.members[bob(index).member].role;
    assert_eq!(role(0), Role::Downstream);
    assert_eq!(role(1), Role::TransitSponsor, "it may announce transit-free networks");
    assert_eq!(bob(2).import.irr, CheckMode::Off);
    assert_eq!(bob(2).import.blacklist.len(), 0, "chaos has no filters");
}

/// On a transitable server a sponsor's limits are `sponsor_max_prefixes`, and those it has there.
#[test]
fn a_sponsors_limits_come_over() {
    let (general, clients) = (sample("sponsors-general.yml"), sample("sponsors-clients.yml"));
    let target = Target { name: "rs2".to_owned(), kind: Kind::Transitable, whole: true };
    let read = |general: &str| {
        let imported = import::arouteserver_as(&target, general, &clients, None).unwrap();
        let config = load(&imported);
        let unused = config.warnings.iter().find(|said| said.to_string().contains("no effect"));
        assert!(unused.is_none(), "{unused:?}");
        let limits: Vec<_> = config
            .sessions()
            .map(|session| (session.limits.v4, session.limits.v6, session.limits.action))
            .collect();
        (imported, limits)
    };
    let (imported, limits) = read(&general);
    let [v4, v6] = [170_000, 500].map(Limit::Fixed);
    let own = Limit::Fixed(1_000_000);
    assert_eq!(
        limits,
        [
            (v4, own, LimitAction::Block),
            (v4, v6, LimitAction::Warn),
            (v4, Limit::Fixed(300), LimitAction::Block)
        ],
        "its own, else the general ones"
    );
    assert_blessed("sponsors.ok", &imported);
    // What PeeringDB would say is not known, and a full table is more than the general limits.
    let (imported, limits) = read(&general.replace("peering_db: False", "peering_db: True"));
    let usual = [1_500_000, 400_000].map(Limit::Fixed);
    assert_eq!(limits[0], (usual[0], own, LimitAction::Block));
    assert_eq!(limits[1], (usual[0], usual[1], LimitAction::Warn));
    for asn in [1_000_010, 1_000_020] {
        let note = format!(
            "clients.yml: AS{asn}: filtering.max_prefix: PeeringDB is not asked, and the general \
             limits are not those of a `transit-sponsor`: `sponsor_max_prefixes` holds"
        );
        assert!(imported.notes.contains(&note), "{:#?}", imported.notes);
    }
    // Without an action there were none, for sponsors neither.
    let (imported, limits) = read(&general.replace("action: block,", ""));
    assert_eq!((limits[0].0, limits[0].1), (Limit::Off, Limit::Off));
    let note = "clients.yml: AS1000010: filtering.max_prefix has no action: its limits are not \
                enforced";
    assert!(imported.notes.iter().any(|said| said == note), "{:#?}", imported.notes);
}

#[test]
fn ixf_sample() {
    let imported = import::ixf(&sample("export.json")).unwrap();
    let config = load(&imported);
    assert_eq!(config.exchange.asn.0, 1_000_000);
    assert_eq!(config.members.len(), 2);
    assert_blessed("ixf.ok", &imported);
}

/// Who reads the file alone, without the notes, sees what is a placeholder.
#[test]
fn an_exports_placeholders_are_marked() {
    let export = |vlan: &str, server: &str| {
        let port = |address: &str, rest: &str| {
            format!(r#"{{ "vlan_list": [{{ {address}, {rest} }} }}] }}"#)
        };
        let server = match server {
            "" => String::new(),
            address => {
                let connection = port(
                    &format!(r#""ipv4": {{ "address": "{address}""#),
                    r#""services": [{ "type": "ixrouteserver" }]"#,
                );
                format!(r#"{{ "asnum": 64500, "connection_list": [{connection}] }},"#)
            }
        };
        let at_server = r#""routeserver": true"#;
        let v4 = port(r#""ipv4": { "address": "192.0.2.10""#, at_server);
        let v6 = port(r#""ipv6": { "address": "2001:db8::10""#, at_server);
        let text = format!(
            r#"{{ "ixp_list": [{{ "ixp_id": 1, "vlan": [{vlan}] }}], "member_list": [
                 {server} {{ "asnum": 64501, "connection_list": [{v4}, {v6}] }}] }}"#
        );
        import::ixf(&text).unwrap().configuration
    };
    let has = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.lines().any(|written| written == *line), "{line}: {text}");
        }
    };
    let nothing = [
        "asn = 64500  # not said",
        "# peering_lan = [\"…\"]  # not said",
        "router_id = \"192.0.2.250\"  # not said",
        "listen = [\"192.0.2.250:179\", \"[2001:db8::250]:179\"]  # not said: name the addresses",
    ];
    has(&export("", ""), &nothing);
    let half = [
        "asn = 64500",
        "peering_lan = [\"192.0.2.0/24\"]",
        "router_id = \"192.0.2.1\"",
        "listen = [\"192.0.2.1:179\", \"[2001:db8::250]:179\"]  # not said: [2001:db8::250]:179",
    ];
    let lan = r#"{ "ipv4": { "prefix": "192.0.2.0", "mask_length": 24 } }"#;
    has(&export(lan, "192.0.2.1"), &half);
}

/// The schema leaves the words for a state to each exchange, and exports say things twice.
#[test]
fn an_export_of_other_habits_comes_over_whole() {
    let port = |address: &str, rest: &str| {
        format!(r#"{{ "address": "{address}", "routeserver": true {rest} }}"#)
    };
    let connection = |state: &str, port: &str| {
        format!(r#"{{ "ixp_id": 1, "state": {state}, "vlan_list": [{{ "ipv4": {port} }}] }}"#)
    };
    let member = |asn: &str, connections: &[String]| {
        let connections = connections.join(", ");
        format!(r#"{{ "asnum": {asn}, "connection_list": [{connections}] }}"#)
    };
    let members = [
        member("64501", &[connection("\"operational\"", &port("192.0.2.1", ""))]),
        member("64502", &[connection("\"Not_Connected\"", &port("192.0.2.2", ""))]),
        member("64503", &[connection("\"on holiday\"", &port("192.0.2.3", ""))]),
        member(
            "64504",
            &[
                connection("\"inactive\"", &port("192.0.2.4", r#", "max_prefix": 99999999999"#)),
                connection("\"active\"", &port("192.0.2.4", r#", "max_prefix": "20""#)),
                connection("\"active\"", &port("192.0.2.1", "")),
            ],
        ),
        member("99999999999", &[]),
        member("64505", &[]),
    ];
    let export = format!(
        r#"{{ "ixp_list": [{{ "ixp_id": 1, "vlan": [
               {{ "ipv4": {{ "prefix": "192.0.2.0", "mask_length": 24 }},
                  "ipv6": {{ "prefix": "2001:db8::", "mask_length": 640 }} }} ] }}],
             "member_list": [{}] }}"#,
        members.join(", ")
    );
    let imported = import::ixf(&export).unwrap();
    let configuration = imported.configuration.replace("asn = 64500", "asn = 64499");
    let config = load(&Imported { configuration, notes: Vec::new() });
    let sessions: Vec<_> = config
        .sessions()
        .map(|session| (session.asn.0, session.disabled.as_deref().unwrap_or("up")))
        .collect();
    let not_connected = "connection is not connected";
    assert_eq!(
        sessions,
        [(64501, "up"), (64502, not_connected), (64503, "up"), (64504, "up")],
        "of two connections with one address one is active"
    );
    assert_eq!(config.sessions().nth(3).unwrap().limits.v4, Limit::Fixed(20));
    for note in [
        "AS64502: 192.0.2.2: connection is not connected: disabled",
        "AS64503: the connection's state = \"on holiday\" is not known: its sessions are not disabled",
        "AS64504: 192.0.2.4: max_prefix = 99999999999 is no limit: left out",
        "AS64504: 192.0.2.4 stands there twice: written once",
        "AS64504: 192.0.2.1 is AS64501's already: left out",
        "a member with asnum = 99999999999: left out",
        "AS64505: has no address: left out",
        r#"vlan: {"mask_length":640,"prefix":"2001:db8::"} is no network: left out"#,
    ] {
        assert!(imported.notes.iter().any(|said| said == note), "{note}: {:#?}", imported.notes);
    }
}

/// A name that is no line of text would be refused, or become a line of a router's configuration.
#[test]
fn names_lose_what_steers_a_terminal() {
    let clients =
        "clients: [{ asn: 64501, ip: 192.0.2.10, description: \"Evil\\nredistribute\\e[31m\" }]";
    let general = "cfg: { rs_as: 64500, router_id: 192.0.2.1 }";
    let imported = import::arouteserver(general, clients, None).unwrap();
    assert_eq!(&*load(&imported).members[0].name, "Evil redistribute [31m");
    let note = |imported: &Imported, start: &str| {
        let found = imported.notes.iter().find(|note| note.starts_with(start));
        assert!(found.is_some_and(|note| note.contains("became a space")), "{imported:?}");
    };
    note(&imported, "clients.yml: AS64501: name = \"Evil\\u{a}redistribute");
    let export = sample("export.json")
        .replace("\"Alice\"", r#""Alice\u202e\u007f""#)
        .replace("\"Example IX\"", r#""Example\nIX""#);
    let imported = import::ixf(&export).unwrap();
    let config = load(&imported);
    assert_eq!((&*config.members[0].name, &*config.exchange.name), ("Alice", "Example IX"));
    note(&imported, "AS1000010: name = ");
    note(&imported, "exchange: name = ");
}

#[test]
fn what_is_neither_is_refused() {
    assert!(import::ixf("[1, 2").is_err());
    assert!(import::ixf("{}").is_err());
    assert!(import::arouteserver("cfg: {}", "clients: []", None).is_err());
    assert!(import::arouteserver("cfg: [", "clients: []", None).is_err());
    assert!(import::arouteserver("cfg: {rs_as: 1}", "members: []", None).is_err());
}

fn data(name: &str) -> String {
    let directory = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
    std::fs::read_to_string(Path::new(&directory).join("poema").join(name)).unwrap()
}

/// Of several imports it is to be seen whose note one is.
#[test]
fn notes_have_the_names_of_the_files() {
    let notes = ["general.yml: a", "clients.yml: AS1: b", "bogons.yml: c", "d"];
    let imported =
        Imported { configuration: String::new(), notes: notes.map(str::to_owned).into() };
    let names = [("general.yml", "/x/general.yml"), ("clients.yml", "/x/clients_rs2.yml")];
    let named = imported.with_names(&names.map(|(usual, path)| (usual, Path::new(path))));
    assert_eq!(named.notes, ["general.yml: a", "clients_rs2.yml: AS1: b", "bogons.yml: c", "d"]);
}

/// An exchange with 65 members and 66 sessions: 43 link-local, 23 global; and the route server itself.
#[test]
#[ignore = "reads a real exchange's files: RS_DATA"]
fn a_real_exchange_comes_over_whole() {
    let [general, clients, bogons] = ["general.yml", "clients_all.yml", "bogons.yml"].map(data);
    let imported = import::arouteserver(&general, &clients, Some(&bogons)).unwrap();
    let own = "clients.yml: AS199594: the route server's own AS, with which there is no session \
               here: left out";
    assert!(imported.notes.iter().any(|note| note == own), "{:#?}", imported.notes);
    assert_eq!(imported.notes.len(), 11, "{:#?}", imported.notes);
    let config = load(&imported);
    let link_local = |address: IpAddr| match address {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    let sessions: Vec<_> = config.sessions().collect();
    assert_eq!((config.members.len(), sessions.len()), (65, 66));
    let own = config.warnings.iter().find(|said| said.to_string().contains("own AS"));
    assert!(own.is_none(), "{own:?}");
    let local = sessions.iter().filter(|session| link_local(session.key.address)).count();
    assert_eq!((local, sessions.len() - local), (43, 23));
    assert_eq!(config.route_servers[0].communities.base().name(), "poema");
    for clients in ["clients_rs1.yml", "clients_rs2.yml"] {
        load(&import::arouteserver(&general, &data(clients), None).unwrap());
    }
    three_servers(&general, &clients, &bogons);
    load(&import::ixf(&data("ix-f.json")).unwrap());
}

/// Its three route servers in one configuration, with the exceptions that each has for members.
fn three_servers(general: &str, clients: &str, bogons: &str) {
    let clients_of = [data("clients_rs1.yml"), data("clients_rs2.yml"), clients.to_owned()];
    let kinds = [Kind::Regular, Kind::Transitable, Kind::Chaos];
    let mut configuration = String::new();
    for (index, (clients, kind)) in clients_of.iter().zip(kinds).enumerate() {
        let target = Target { name: format!("rs{}", index + 1), kind, whole: index == 0 };
        let imported = import::arouteserver_as(&target, general, clients, Some(bogons)).unwrap();
        let notes = &imported.notes;
        let expected = [7, 5, 4][index];
        assert_eq!(notes.len(), expected, "{notes:#?}");
        assert!(notes.iter().all(|note| !note.contains("cfg.interface")), "{notes:#?}");
        configuration += &placed(&imported.configuration, index);
    }
    let config = load(&Imported { configuration, notes: Vec::new() });
    let counts: Vec<_> = (0..3).map(|index| config.sessions_of(index).count()).collect();
    assert_eq!(counts, [68, 68, 66]);
    let role = |session: &rs_daemon::config::MemberSession| config.members[session.member].role;
    let of = |index: usize, asn: u32| {
        config.sessions_of(index).find(|session| session.asn.0 == asn).unwrap()
    };
    let mut sponsors: Vec<u32> = config
        .sessions_of(1)
        .filter(|session| role(session) == Role::TransitSponsor)
        .map(|session| session.asn.0)
        .collect();
    sponsors.sort_unstable();
    assert_eq!(sponsors, [44324, 60326, 205_329, 213_605]);
    for asn in sponsors {
        let limits = &of(1, asn).limits;
        assert_eq!((limits.v4, limits.v6), (Limit::Fixed(170_000), Limit::Fixed(1_000_000)));
        assert_eq!(limits.action, LimitAction::Block);
    }
    let unused = config.warnings.iter().find(|said| said.to_string().contains("no effect"));
    assert!(unused.is_none(), "{unused:?}");
    assert!(config.sessions_of(0).all(|session| role(session) == Role::Downstream));
    for index in [0, 1] {
        let import = &config.route_servers[index].import;
        assert_eq!((import.transit_free.len(), import.never_via_rs.len()), (25, 2));
        assert_eq!((import.irr, import.rpki), (CheckMode::Reject, CheckMode::Reject));
        assert_eq!(import.as_path_max, 32);
        assert!(import.blackhole && import.blackhole_no_export && import.graceful_shutdown);
        let limits = &config.route_servers[index].limits;
        assert_eq!((limits.v4, limits.v6), (Limit::Fixed(170_000), Limit::Fixed(12_000)));
        assert_eq!(limits.action, LimitAction::Block);
        assert!(config.sessions_of(index).all(|session| session.passive));
    }
    // A set that its operator counts on rs1 only; what is attached there on rs2.
    let (regular, transitable) = (of(0, 207_705), of(1, 207_705));
    let sets =
        |session: &rs_daemon::config::MemberSession| config.members[session.member].as_set.clone();
    assert_eq!((sets(regular).len(), sets(transitable).len()), (1, 0));
    assert_eq!(regular.import.attach_communities.len(), 0);
    assert_eq!(transitable.import.attach_communities.len(), 2);
    let chaos = &config.route_servers[2];
    assert_eq!(chaos.limits.total, Limit::Fixed(2000));
    assert_eq!(of(2, 207_705).import.irr, CheckMode::Off);
}
