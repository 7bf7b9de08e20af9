//! The last good answers on disk: a file for each set, replaced whole.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Expanded;
use super::name::SetName;
use super::policies::StoredPolicies;
use crate::privileges;

#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    name: String,
    #[serde(flatten)]
    set: Expanded,
}

/// Where RPSL policies are, below the directory.
const POLICIES: &str = "rpsl/policies.json";

/// A file name that no set's name can lead out of the directory with.
fn path_of(dir: &Path, name: &SetName) -> PathBuf {
    dir.join(format!("{}.json", name.to_string().replace(':', "+")))
}

/// All sets of the directory; files that cannot be read are named in the log and passed over.
pub(crate) fn load(dir: &Path) -> BTreeMap<SetName, Expanded> {
    let mut sets = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return sets,
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "IRR cache cannot be read");
            return sets;
        }
    };
    for path in
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json"))
    {
        let stored = std::fs::read(&path)
            .map_err(|e| e.to_string())
            .and_then(|text| serde_json::from_slice::<Stored>(&text).map_err(|e| e.to_string()))
            .and_then(|s| Ok((s.name.parse::<SetName>().map_err(|e| e.to_string())?, s.set)));
        match stored {
            Ok((name, set)) => drop(sets.insert(name, set)),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "IRR cache file passed over")
            }
        }
    }
    sets
}

/// Writes one set beside its old file, and puts it in the old one's place.
pub(crate) fn store(dir: &Path, name: &SetName, set: &Expanded) -> io::Result<()> {
    let text = serde_json::to_vec(&Stored { name: name.to_string(), set: set.clone() })?;
    replace(&path_of(dir, name), &text)
}

/// The RPSL policies; nothing if there are none, or none that can be read.
pub(crate) fn load_policies(dir: &Path) -> StoredPolicies {
    let path = dir.join(POLICIES);
    let stored = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| e.to_string()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return StoredPolicies::default(),
        Err(e) => Err(e.to_string()),
    };
    stored.unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), %error, "IRR cache file passed over");
        StoredPolicies::default()
    })
}

/// Writes the RPSL policies, all together.
pub(crate) fn store_policies(dir: &Path, policies: &StoredPolicies) -> io::Result<()> {
    replace(&dir.join(POLICIES), &serde_json::to_vec(policies)?)
}

/// Writes a file beside the old one, and puts it in the old one's place.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    try_replace(path, text).map_err(|error| privileges::explained(error, path))
}

fn try_replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_back_as_they_were_and_broken_files_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let name: SetName = "RIPE::AS64500:AS-FOO".parse().unwrap();
        let set = Expanded {
            known: true,
            origins: [64500].into(),
            prefixes: ["8.8.8.0/24".parse().unwrap()].into(),
            fetched_unix_secs: 12,
            source: "127.0.0.1:43".to_owned(),
        };
        store(dir.path(), &name, &set).unwrap();
        std::fs::write(dir.path().join("AS-BROKEN.json"), "{").unwrap();
        assert_eq!(load(dir.path()), BTreeMap::from([(name, set)]));
    }
}
