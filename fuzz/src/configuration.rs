//! Any text as a configuration: what is refused is refused with places that are in the text; what
//! is accepted can be run with. Any text as somebody else's configuration: what comes out is TOML.
//!
//! A text that begins with `{` is an IX-F export; one with a line `=====` has arouteserver's
//! general.yml before and clients.yml behind it; any other is ours.

use std::path::Path;

use policy::{Kind, Policy};
use rs_daemon::config::{self, Config, ConfigError};
use rs_daemon::import::{self, Imported, Target};

const FILE: &str = "fuzz.toml";

pub fn property(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.starts_with('{') {
        import::ixf(text).iter().for_each(imported);
    } else if let Some((general, clients)) = text.split_once("\n=====\n") {
        for kind in [Kind::Regular, Kind::Transitable, Kind::Chaos] {
            let target = Target { kind, ..Target::default() };
            import::arouteserver_as(&target, general, clients, None).iter().for_each(imported);
        }
    } else {
        match config::parse(Path::new(FILE), text) {
            Ok(config) => accepted(text, &config),
            Err(errors) => refused(text, &errors),
        }
    }
}

fn imported(imported: &Imported) {
    let text = &imported.configuration;
    let table = toml::from_str::<toml::Table>(text);
    assert!(table.is_ok(), "{table:?} in\n{text}");
    // It may lack what only a person knows, so that it need not be accepted.
    if let Err(errors) = config::parse(Path::new(FILE), text) {
        refused(text, &errors);
    }
}

fn refused(text: &str, errors: &[ConfigError]) {
    assert!(!errors.is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for error in errors {
        assert_eq!(error.file, Path::new(FILE));
        let line = lines.get(error.line.wrapping_sub(1));
        let Some(line) = line else { panic!("no line {}: {error}", error.line) };
        let columns = 1..=line.chars().count() + 1;
        assert!(columns.contains(&error.column), "no column {}: {error}", error.column);
        assert!(!error.message.is_empty(), "{error:?}");
    }
    assert!(errors.is_sorted_by_key(|error| (error.line, error.column)));
}

fn accepted(text: &str, config: &Config) {
    assert_eq!(config::parse(Path::new(FILE), text).as_ref(), Ok(config));
    warned(text, config);
    for route_server in 0..config.route_servers.len() {
        let slots: Vec<_> =
            config.sessions_of(route_server).map(|session| Some(session.key.clone())).collect();
        let Some(policy) = config.policy_config(route_server, 1, &slots) else {
            panic!("no policy for route server {route_server}");
        };
        if let Err(errors) = Policy::new(policy) {
            panic!("accepted, and there is no policy: {errors:?}");
        }
        for session in config.sessions_of(route_server) {
            assert!(config.session_config(session).is_some(), "{:?}", session.key);
        }
    }
}

/// Warnings have places as well.
fn warned(text: &str, config: &Config) {
    if !config.warnings.is_empty() {
        refused(text, &config.warnings);
    }
}
