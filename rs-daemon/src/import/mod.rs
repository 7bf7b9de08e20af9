//! Somebody else's description of an exchange, turned into our configuration.
//!
//! What is understood is written; everything else is listed, so that nobody believes that a
//! setting came along which did not.

mod arouteserver;
mod asn;
mod bag;
mod ixf;
mod write;
mod yaml;

use std::path::Path;

pub use arouteserver::{arouteserver, arouteserver_as};
pub use ixf::ixf;

/// Which of an exchange's route servers is imported: each of them has files of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: policy::Kind,
    /// With the exchange and its sources of data; else the route server and its members alone,
    /// to stand beside another import.
    pub whole: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self { name: "rs1".to_owned(), kind: policy::Kind::Regular, whole: true }
    }
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Our configuration, TOML.
    pub configuration: String,
    /// What could not be carried over, and what has to be looked at.
    pub notes: Vec<String>,
}

impl Imported {
    /// With notes that begin with the names that the files have, in place of those that
    /// arouteserver gives them.
    #[must_use]
    pub fn with_names(mut self, names: &[(&str, &Path)]) -> Self {
        for note in &mut self.notes {
            let named = names.iter().find_map(|(usual, path)| {
                let rest = note.strip_prefix(usual)?;
                Some(format!("{}{rest}", path.file_name()?.to_string_lossy()))
            });
            *note = named.unwrap_or_else(|| std::mem::take(note));
        }
        self
    }
}

impl ImportError {
    /// With the names that the files have, as they were given.
    #[must_use]
    pub fn with_names(mut self, names: &[(&str, &Path)]) -> Self {
        if let Self::Yaml { file, .. } | Self::Missing { file, .. } | Self::Swapped { file, .. } =
            &mut self
            && let Some((_, path)) = names.iter().find(|(usual, _)| usual == file)
        {
            *file = path.display().to_string();
        }
        self
    }
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No YAML.
    #[error("{file}: {source}")]
    Yaml {
        /// Which file.
        file: String,
        /// Why.
        source: yaml_rust2::ScanError,
    },
    /// No JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Something else than expected.
    #[error("{file} has no {what}")]
    Missing {
        /// Which file.
        file: String,
        /// What.
        what: &'static str,
    },
    /// One of arouteserver's files in place of another.
    #[error("{file} has no {what}, but `{has}`: it is for `{option}`; were the two swapped?")]
    Swapped {
        /// Which file.
        file: String,
        /// What it lacks.
        what: &'static str,
        /// What it has of the other.
        has: &'static str,
        /// How the other is given.
        option: &'static str,
    },
}
