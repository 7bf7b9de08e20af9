//! Somebody else's description of an exchange, turned into our configuration.
//!
//! What is understood is written; everything else is listed, so that nobody believes that a
//! setting came along which did not.

mod arouteserver;
mod bag;
mod ixf;
mod write;
mod yaml;

pub use arouteserver::arouteserver;
pub use ixf::ixf;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Our configuration, TOML.
    pub configuration: String,
    /// What could not be carried over, and what has to be looked at.
    pub notes: Vec<String>,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No YAML.
    #[error("{file}: {source}")]
    Yaml {
        /// Which file.
        file: &'static str,
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
        file: &'static str,
        /// What.
        what: &'static str,
    },
}
