//! arouteserver's general.yml, clients.yml and bogons.yml.

mod bogons;
mod clients;
mod communities;
mod filtering;
mod general;

use policy::Kind;

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
    let extra_bogons = match &bogons {
        Some(bogons) => bogons::unknown(bogons, &mut notes)?,
        None => Vec::new(),
    };
    let mut lines = Lines::default();
    let custom = communities::custom(&mut settings, &mut notes);
    general::write(target, &mut settings, &found, &extra_bogons, &mut lines, &mut notes)?;
    let defaults = filtering::Defaults::read(&general, target);
    clients::write(target, found, &defaults, &custom, &mut lines, &mut notes);
    if target.kind == Kind::Chaos {
        let note = "a chaos server refuses nothing: filtering and communities are left out";
        return Ok(Imported { configuration: lines.finish(), notes: vec![note.to_owned()] });
    }
    notes.extend(settings.left().into_iter().map(|left| format!("{left}: has no counterpart")));
    Ok(Imported { configuration: lines.finish(), notes })
}
