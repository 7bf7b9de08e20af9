//! Configuration: what the user typed, and what the program needs.
//!
//! `load` reads a file and what it includes, reports *every* mistake with its place, and
//! gives a [`Config`] in which defaults and inheritance are filled in. Nothing past this
//! module asks what was written and what was left out.

mod engine;
mod error;
mod file;
mod model;
mod reference;
mod regular;
mod report;
mod resolve;
mod secret;
mod syntax;
mod table;
mod value;

use std::path::Path;

pub use error::ConfigError;
pub use model::*;
pub use reference::reference;
pub(crate) use regular::open as open_regular;
pub use secret::Secret;

use report::Reports;

/// Whether a text is an as-set or an AS number, as `as_set` takes them.
#[must_use]
pub fn is_as_set(text: &str) -> bool {
    <file::member::AsSetName as value::FromText>::from_text(text).is_ok()
}

/// Reads `path` and the files it includes.
///
/// # Errors
///
/// All mistakes at once, in the order of the files and lines they stand in.
pub fn load(path: &Path) -> Result<Config, Vec<ConfigError>> {
    load_by(path, |path| std::fs::read_to_string(path))
}

/// The same for whoever must not be kept waiting: a FIFO or a device is refused as the first file,
/// too, as it is as any other.
///
/// # Errors
///
/// Likewise.
pub(crate) fn load_regular(path: &Path) -> Result<Config, Vec<ConfigError>> {
    load_by(path, regular::read)
}

fn load_by(
    path: &Path,
    read: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Config, Vec<ConfigError>> {
    let mut reports = Reports::default();
    match file::read_files(path, read, &mut reports) {
        Some(document) => finish(document, reports),
        None => Err(reports.finish().0),
    }
}

/// Reads a configuration out of a text, as if it stood in `path`; it may not include others.
///
/// # Errors
///
/// All mistakes at once.
pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<ConfigError>> {
    let mut reports = Reports::default();
    let document = file::read_single(path.to_owned(), text, &mut reports);
    finish(document, reports)
}

fn finish(document: file::Document, mut reports: Reports) -> Result<Config, Vec<ConfigError>> {
    let config = resolve::resolve(&document, &mut reports);
    let files = reports.paths();
    let (errors, warnings) = reports.finish();
    if errors.is_empty() { Ok(Config { files, warnings, ..config }) } else { Err(errors) }
}
