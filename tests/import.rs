//! The importers, on a small sample of our own and, with `RS_DATA`, on the files of a
//! real exchange. `RS_BLESS=1` rewrites the blessed answers.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use rs_daemon::{
    config::{self, CheckMode, Config, LimitAction},
    import::{self, Imported},
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

#[test]
fn ixf_sample() {
    let imported = import::ixf(&sample("export.json")).unwrap();
    let config = load(&imported);
    assert_eq!(config.exchange.asn.0, 1_000_000);
    assert_eq!(config.members.len(), 2);
    assert_blessed("ixf.ok", &imported);
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

/// An exchange with 66 members and 67 sessions: 44 link-local, 23 global.
#[test]
#[ignore = "reads a real exchange's files: RS_DATA"]
fn a_real_exchange_comes_over_whole() {
    let [general, clients, bogons] = ["general.yml", "clients_all.yml", "bogons.yml"].map(data);
    let imported = import::arouteserver(&general, &clients, Some(&bogons)).unwrap();
    let config = load(&imported);
    let link_local = |address: IpAddr| match address {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    let sessions: Vec<_> = config.sessions().collect();
    assert_eq!((config.members.len(), sessions.len()), (66, 67));
    let local = sessions.iter().filter(|session| link_local(session.key.address)).count();
    assert_eq!((local, sessions.len() - local), (44, 23));
    assert_eq!(config.route_servers[0].communities.base().name(), "poema");
    for clients in ["clients_rs1.yml", "clients_rs2.yml"] {
        load(&import::arouteserver(&general, &data(clients), None).unwrap());
    }
    load(&import::ixf(&data("ix-f.json")).unwrap());
}
