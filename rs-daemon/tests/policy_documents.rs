//! What `rsctl policy` says, to the letter: the listing for operators and the document for
//! members, for a server of each kind. `RS_BLESS=1` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use policy::Policy;
use rs_daemon::config;
use rs_daemon::control::documents;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy_documents")
}

fn golden(name: &str, text: &str) {
    let path = directory().join(name);
    if std::env::var_os("RS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} is\n{expected}\nbut should be\n{text}", path.display());
}

#[test]
fn each_kind_of_route_server_describes_itself() {
    let config = config::load(&directory().join("exchange.toml")).unwrap();
    for (index, server) in config.route_servers.iter().enumerate() {
        let slots: Vec<_> =
            config.sessions_of(index).map(|session| Some(session.key.clone())).collect();
        let policy = Policy::new(config.policy_config(index, 1, &slots).unwrap()).unwrap();
        let described = documents::describe(&policy, server);
        golden(&format!("{}.txt", server.name), &documents::listing(&described));
        golden(&format!("{}.md", server.name), &described.markdown());
    }
}

/// A configuration in each style, to the letter: of a member with an IPv4 session, one over global
/// IPv6 and a password, and of one with link-local addresses.
#[test]
fn each_style_of_configuration_for_members() {
    let config = config::load(&directory().join("clients.toml")).unwrap();
    for style in documents::STYLES {
        let text: String = [207705, 212895]
            .into_iter()
            .map(|asn| documents::client_config(&config, asn, style).unwrap())
            .collect::<Vec<_>>()
            .join("\n");
        assert!(!text.contains("s3cret"), "{style}: no password is written down");
        golden(&format!("client.{style}"), &text);
    }
}
