//! Files with what is to survive a restart: read with care, replaced whole.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::privileges;

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// There is none: a first start.
    #[error("there is no {0}")]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// It does not hold what we wrote.
    #[error("{0} is broken: {1}")]
    Broken(PathBuf, serde_json::Error),
}

/// What a file holds.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StateError> {
    let octets = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StateError::Missing(path.to_owned()),
        _ => StateError::Unreadable(path.to_owned(), error),
    })?;
    serde_json::from_slice(&octets).map_err(|error| StateError::Broken(path.to_owned(), error))
}

/// Keeps a broken file for whoever wants to look at it: the next write would replace it.
pub(crate) fn put_aside(path: &Path) {
    let aside = path.with_extension("broken");
    if let Err(error) = std::fs::rename(path, &aside) {
        tracing::warn!(file = %path.display(), %error, "the broken file cannot be put aside");
    }
}

/// Writes beside the old file and puts it in the old one's place.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, value).map_err(|error| privileges::explained(error, path))
}

fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}
