//! The configuration reader, case by case: `config/NN-name.toml` and what it says about it,
//! `config/NN-name.ok`. `RS_BLESS=1` rewrites the `.ok` files.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use policy::Function;
use rs_daemon::config::{self, Config, ImportPolicy, Kind};

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
    line(0, "rpki", &config.rpki);
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
