//! Files that are complete when they have their name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::privileges;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Updates,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Table => "rib",
            Self::Updates => "updates",
        }
    }
}

/// Behind the name of a file that is being written; in front of it stands a dot.
const PART: &str = ".part";

/// A file under its temporary name.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
    /// What is on the disk as it should be.
    good_octets: u64,
    kind: Kind,
}

impl Drop for Part {
    /// Half of a table is worth nothing, whyever it ends there. Updates are whole as far as they go:
    /// they are given their name at the next start.
    fn drop(&mut self) {
        if self.kind == Kind::Table && !self.part.as_os_str().is_empty() {
            // What cannot be removed is removed at the next start.
            let _ = fs::remove_file(&self.part);
        }
    }
}

impl Part {
    /// A new file, named by a time: the first free name from there on, so that a restart within
    /// an interval overwrites nothing.
    pub(super) fn create(directory: &Path, kind: Kind, time: Duration) -> io::Result<Self> {
        let created = Self::try_create(directory, kind, time);
        created.map_err(|error| privileges::explained(error, directory))
    }

    fn try_create(directory: &Path, kind: Kind, time: Duration) -> io::Result<Self> {
        const NAMES: u64 = 100;
        fs::create_dir_all(directory)?;
        for secs in time.as_secs()..time.as_secs() + NAMES {
            let name = file_name(kind, secs)?;
            let path = directory.join(&name);
            if path.exists() {
                continue;
            }
            let part = directory.join(format!(".{name}{PART}"));
            // Appending: after a failure what follows stands behind the last whole record.
            match OpenOptions::new().append(true).create_new(true).open(&part) {
                Ok(file) => return Ok(Self { file, part, path, good_octets: 0, kind }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free"))
    }

    /// Appends whole records; says how many octets they are. An error leaves the file as it was
    /// before.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<u64> {
        match self.file.write_all(records) {
            Ok(()) => {
                let octets = records.len() as u64;
                self.good_octets += octets;
                Ok(octets)
            }
            Err(error) => {
                // What a disk took of it is no whole record. If it cannot even do this, readers
                // stop at the end of the last whole one.
                let _ = self.file.set_len(self.good_octets);
                Err(error)
            }
        }
    }

    /// Gives the file its name; one without records goes.
    pub(super) fn finish(mut self) -> io::Result<Option<PathBuf>> {
        if self.good_octets == 0 {
            // What cannot be removed is removed at the next start.
            let _ = fs::remove_file(mem::take(&mut self.part));
            return Ok(None);
        }
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.part = PathBuf::new();
        Ok(Some(mem::take(&mut self.path)))
    }
}

/// `updates.20261122.041500.mrt`.
fn file_name(kind: Kind, secs: u64) -> io::Result<String> {
    let secs = i64::try_from(secs).map_err(io::Error::other)?;
    let at = jiff::Timestamp::from_second(secs).map_err(io::Error::other)?;
    Ok(format!("{}.{}.mrt", kind.name(), at.strftime("%Y%m%d.%H%M%S")))
}

/// Gives files that a process before this one left behind their names: what they hold is whole
/// but for the last record, perhaps. Tables that were not finished go.
pub(super) fn adopt(directory: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut adopted = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(PART)) else {
            continue;
        };
        let is_empty = entry.metadata()?.len() == 0;
        if name.starts_with("updates.") && !is_empty {
            fs::rename(entry.path(), directory.join(name))?;
            adopted += 1;
        } else if name.starts_with("rib.") || is_empty {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(adopted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(1_795_320_900);

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_overwrites_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("rs1");
        let mut first = Part::create(&inside, Kind::Updates, TIME).unwrap();
        first.append(b"one").unwrap();
        first.append(b"two").unwrap();
        assert_eq!(names(&inside), [".updates.20261122.041500.mrt.part"]);
        let mut second = Part::create(&inside, Kind::Updates, TIME).unwrap();
        second.append(b"three").unwrap();
        first.finish().unwrap().unwrap();
        second.finish().unwrap().unwrap();
        let empty = Part::create(&inside, Kind::Updates, TIME).unwrap();
        assert_eq!(empty.finish().unwrap(), None);
        let mut table = Part::create(&inside, Kind::Table, TIME).unwrap();
        table.append(b"half").unwrap();
        drop(table);
        let expected = ["updates.20261122.041500.mrt", "updates.20261122.041501.mrt"];
        assert_eq!(names(&inside), expected);
        assert_eq!(fs::read(inside.join(expected[0])).unwrap(), b"onetwo");
    }

    #[test]
    fn what_an_earlier_process_left_behind_is_given_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for (name, content) in [
            (".updates.20261122.041500.mrt.part", "records"),
            (".updates.20261122.043000.mrt.part", ""),
            (".rib.20261122.040000.mrt.part", "half a table"),
            (".other", "not ours"),
        ] {
            fs::write(path.join(name), content).unwrap();
        }
        assert_eq!(adopt(path).unwrap(), 1);
        assert_eq!(names(path), [".other", "updates.20261122.041500.mrt"]);
        assert_eq!(adopt(&path.join("nowhere")).unwrap(), 0);
    }

    #[test]
    fn a_full_disk_leaves_whole_records() {
        let full = Path::new("/dev/full");
        let file = OpenOptions::new().write(true).open(full).unwrap();
        let (part, path) = (full.to_owned(), full.to_owned());
        let mut part = Part { file, part, path, good_octets: 0, kind: Kind::Updates };
        let error = part.append(b"record").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(part.good_octets, 0);
    }
}
