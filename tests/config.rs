//! The configuration reader, case by case: `config/NN-name.toml` and what it says about it,
//! `config/NN-name.ok`. `RS_BLESS=1` rewrites the `.ok` files.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use policy::Function;
use rs_daemon::config::{self, Config, ImportPolicy, Kind, Role, SessionKey};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// The cases, in order.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    cases
}

/// What loading a file says, without the place of this checkout.
fn outcome(path: &Path) -> String {
    let mut text = String::new();
    match config::load(path) {
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(text, "warning: {warning}").unwrap();
            }
            summary(&config, &mut text);
        }
        Err(errors) => {
            for error in errors {
                writeln!(text, "{error}").unwrap();
            }
        }
    }
    text.replace(&format!("{}/", directory().display()), "")
}

/// What the program would run with, a line for each thing.
fn summary(config: &Config, text: &mut String) {
    let mut line = |indent: usize, name: &str, value: &dyn std::fmt::Debug| {
        writeln!(text, "{:indent$}{name}: {value:?}", "").unwrap();
    };
    line(0, "exchange", &config.exchange);
    line(0, "http", &config.http);
    line(0, "engine", &config.engine);
    line(0, "dynamic limits", &config.dynamic_limits);
    line(0, "rpki", &config.rpki);
    if !config.bmp.collectors.is_empty() {
        line(0, "bmp", &config.bmp);
    }
    if let Some(mrt) = &config.mrt {
        line(0, "mrt", mrt);
    }
    line(0, "irr", &config.irr);
    for server in &config.route_servers {
        line(0, "route server", &server.name);
        line(2, "kind", &(server.kind, server.asn, server.short_asn, server.router_id));
        line(2, "listen", &server.listen);
        line(2, "choice", &(server.med, server.prefer_oldest, server.restart_time));
        line(2, "import", &server.import);
        line(2, "blacklist", &server.blacklist);
        line(2, "limits", &server.limits);
        line(2, "sponsors", &server.sponsor_limits);
        line(2, "export", &server.export);
        line(2, "preset", &server.communities.base());
        for function in Function::ALL {
            if server.communities.is_explicit(function) {
                let patterns = server.communities.patterns(function);
                let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                line(2, function.name(), &patterns);
            }
        }
        line(2, "inform", &server.inform);
        line(2, "prepend", &(server.prepend_tie, server.own_asn_means_any));
    }
    for member in &config.members {
        line(0, "member", &(member.asn, &member.name, &member.as_set, member.role, member.filter));
        let flags = (member.alias, member.location, member.collector, member.receive_transit);
        line(2, "alias, location, collector, receive_transit", &flags);
        for session in &member.sessions {
            line(2, "session", &session.key);
            let mut rest = session.clone();
            let server = &config.route_servers[session.route_server];
            if rest.import == server.import {
                line(4, "import", &"the server's");
            } else {
                line(4, "import", &session.import);
            }
            // Shown above; the rest is shown whole, so that a new field shows itself.
            rest.import = Arc::new(ImportPolicy::for_kind(Kind::Chaos));
            let shown = format!("{:?}", rest.import);
            let rest = format!("{rest:?}").replace(&format!("import: {shown}"), "import: …");
            line(4, "all", &format_args!("{rest}"));
        }
    }
}

#[test]
fn every_case_says_what_it_said() {
    let bless = std::env::var_os("RS_BLESS").is_some();
    let mut differing = Vec::new();
    let cases = cases();
    assert!(!cases.is_empty());
    for case in cases {
        let ok = case.with_extension("ok");
        let now = outcome(&case);
        if bless {
            std::fs::write(&ok, &now).unwrap();
        } else if std::fs::read_to_string(&ok).ok().as_ref() != Some(&now) {
            differing.push(format!("{}:\n{now}", case.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_example_loads_without_a_warning() {
    let config = config::load(&repository().join("config.example.toml")).unwrap();
    assert_eq!(config.warnings, []);
    let listen = config.route_servers.iter().flat_map(|server| &server.listen);
    for address in listen {
        assert!(address.address.is_loopback() && address.port > 1024, "{address}");
    }
    assert!(config.sessions().all(|session| session.key.address.is_loopback()));
    assert!(config.sessions().count() >= 3);
}

#[test]
fn the_reference_is_up_to_date() {
    let path = repository().join("docs/configuration.md");
    let now = config::reference();
    if std::env::var_os("RS_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == now, "docs/configuration.md is old: run this test with RS_BLESS=1");
}

fn case(name: &str) -> Config {
    config::load(&directory().join(name)).unwrap()
}

#[test]
fn a_policy_has_the_sessions_of_its_slots() {
    let config = case("02-kinds.toml");
    let (rs2, _) = config.route_server("rs2").unwrap();
    let keys: Vec<_> = config.sessions_of(rs2).map(|session| session.key.clone()).collect();
    let gone = SessionKey { address: "fe80::99".parse().unwrap(), ..keys[0].clone() };
    let slots = [Some(keys[1].clone()), None, Some(gone), Some(keys[0].clone())];
    let policy = config.policy_config(rs2, 7, &slots).unwrap();
    assert_eq!(policy.epoch, 7);
    let asns: Vec<_> =
        policy.peers.iter().map(|peer| peer.as_ref().map(|peer| peer.asn.0)).collect();
    assert_eq!(asns, [Some(1_000_020), None, None, Some(1_000_010)]);
    let sponsor = policy.peers[3].as_ref().unwrap();
    assert_eq!((sponsor.role, sponsor.receive_transit), (Role::TransitSponsor, true));
    let member = policy.peers[0].as_ref().unwrap();
    let addresses: Vec<_> =
        member.member_addresses.iter().map(|address| address.address.to_string()).collect();
    assert_eq!(addresses, ["fe80::20", "2001:db8:1::20"]);
    // Nobody may name an address of any of our servers as next hop.
    assert_eq!(policy.own_addresses.len(), 4);
    assert!(config.policy_config(9, 0, &[]).is_none());
}

#[test]
fn a_sponsor_is_an_ordinary_member_elsewhere() {
    let config = case("02-kinds.toml");
    for name in ["rs1", "chaos"] {
        let (index, _) = config.route_server(name).unwrap();
        let slots: Vec<_> =
            config.sessions_of(index).map(|session| Some(session.key.clone())).collect();
        let policy = config.policy_config(index, 0, &slots).unwrap();
        let roles: Vec<_> = policy.peers.iter().flatten().map(|peer| peer.role).collect();
        assert!(roles.iter().all(|role| *role == Role::Downstream), "{name}");
    }
}

#[test]
fn a_session_offers_what_it_is_configured_for() {
    let config = case("02-kinds.toml");
    let session = |server: &str, address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let found = config
            .sessions()
            .find(|session| &*session.key.route_server == server && session.key.address == address);
        config.session_config(found.unwrap()).unwrap()
    };
    let second = session("rs2", "fe80::20");
    assert_eq!(second.peer_as.0, 1_000_020);
    assert_eq!(second.hold_time, Duration::from_secs(20));
    assert_eq!(second.send_hold_time, Some(Duration::ZERO));
    assert!(second.passive && !second.extended_messages && !second.extended_next_hop);
    assert_eq!(second.llgr.unwrap().stale_time, Duration::from_secs(5400));
    assert_eq!(second.graceful_restart.unwrap().restart_time, Duration::from_secs(300));
    let first = session("rs1", "fe80::10");
    assert!(!first.passive && first.add_path_send && first.extended_next_hop);
    assert!(first.role.is_some() && session("rs2", "fe80::10").role.is_none());
}

#[test]
fn no_password_is_shown() {
    let config = case("02-kinds.toml");
    assert!(config.sessions().any(|session| session.password.is_some()));
    assert!(!format!("{config:?}").contains("hunter2"));
    let text = "[[member]]\npassword = \"hunter2\"\n[[member.session]]\npassword = hunter2\n";
    let errors = config::parse(Path::new("a.toml"), text).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(!errors.join("\n").contains("hunter2"), "{errors:?}");
}

#[test]
fn the_same_file_is_the_same_configuration() {
    assert!(case("02-kinds.toml") == case("02-kinds.toml"));
    let path = directory().join("02-kinds.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("hunter2", "hunter3");
    let changed = config::parse(&path, &text).unwrap();
    let key = |config: &Config| {
        let with = config.sessions().find(|session| session.password.is_some()).unwrap();
        with.key.clone()
    };
    let (before, after) = (case("02-kinds.toml"), changed);
    assert_eq!(key(&before), key(&after));
    assert!(before.session(&key(&before)) != after.session(&key(&after)));
}

/// Every case with one line or one character less, or one character changed: refused or not, but
/// never with a panic, and every complaint with a place.
#[test]
fn no_mutilated_file_makes_it_panic() {
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for left_out in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(left_out);
            assert_placed(&case, &fewer.join("\n"));
        }
        let ends = text.char_indices().map(|(at, c)| (at, at + c.len_utf8()));
        for (step, (start, end)) in ends.enumerate().filter(|(step, _)| step % 7 == 0) {
            let with = ["", "\"", "[", "]", "=", "{", "\n", "#", "0"][step / 7 % 9];
            assert_placed(&case, &format!("{}{with}{}", &text[..start], &text[end..]));
        }
    }
}

fn assert_placed(case: &Path, text: &str) {
    let lines = text.lines().count().max(1);
    for error in config::parse(case, text).err().unwrap_or_default() {
        assert!(error.line >= 1 && error.line <= lines && error.column >= 1, "{error}\n{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_one_mistake() {
    let errors = config::load(Path::new("/nonexistent/rs.toml")).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains("cannot be read"), "{errors:?}");
}
