//! arouteserver's general.yml, clients.yml and bogons.yml.

mod bogons;
mod clients;
mod communities;
mod filtering;
mod general;

use std::collections::BTreeMap;

use policy::Kind;
use serde_json::Value;

use super::{ImportError, Imported, Target, bag::Bag, write::Lines, yaml};

/// Turns the texts of the files into our configuration.
///
/// # Errors
///
/// A text is no YAML, or has nothing in it that arouteserver would take.
pub fn arouteserver(
    general: &str,
    clients: &str,
    bogons: Option<&str>,
) -> Result<Imported, ImportError> {
    arouteserver_as(&Target::default(), general, clients, bogons)
}

/// The same for one of several route servers. A chaos server has members and nothing else; on a
/// transitable one the clients that may announce transit-free networks are its sponsors.
///
/// # Errors
///
/// A text is no YAML, or has nothing in it that arouteserver would take.
pub fn arouteserver_as(
    target: &Target,
    general: &str,
    clients: &str,
    bogons: Option<&str>,
) -> Result<Imported, ImportError> {
    let general = yaml::document("general.yml", general)?;
    let clients = yaml::document("clients.yml", clients)?;
    let bogons = bogons.map(|text| yaml::document("bogons.yml", text)).transpose()?;
    let mut notes = Vec::new();
    let mut settings = Bag::new("general.yml", &general);
    let found = clients::read(&clients, &mut notes)?;
    let rs_as = general::rs_as(&mut settings, &general)?;
    let found = clients::without_own(found, rs_as, &mut notes);
    let has_policy = target.kind != Kind::Chaos;
    if !has_policy {
        let note = "a chaos server refuses nothing: filtering and communities are left out";
        notes.push(note.to_owned());
    }
    let extra_bogons = match &bogons {
        Some(bogons) if has_policy => bogons::unknown(bogons, &mut notes)?,
        _ => Vec::new(),
    };
    let mut lines = Lines::default();
    let custom =
        if has_policy { communities::custom(&mut settings, &mut notes) } else { BTreeMap::new() };
    general::write(target, rs_as, &mut settings, &found, &extra_bogons, &mut lines, &mut notes);
    let defaults = filtering::Defaults::read(&general, target);
    clients::write(target, found, &defaults, &custom, &mut lines, &mut notes);
    if has_policy {
        notes.extend(settings.left());
    }
    Ok(Imported { configuration: lines.finish(), notes })
}

/// Why a file lacks what it must have: nobody wrote it, or it is the other file, which has `has`
/// and is given as `option`.
fn missing(
    file: &str,
    document: &Value,
    what: &'static str,
    (has, option): (&'static str, &'static str),
) -> ImportError {
    let file = file.to_owned();
    match document.get(has) {
        Some(_) => ImportError::Swapped { file, what, has, option },
        None => ImportError::Missing { file, what },
    }
}
