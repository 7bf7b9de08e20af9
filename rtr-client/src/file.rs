//! VRP files in the JSON forms of rpki-client, Routinator and StayRTR.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bgp_wire::{Asn, Prefix};
use policy::Vrp;
use serde::Deserialize;
use tokio::sync::mpsc::Sender;

use crate::join::Update;

/// How often files are looked at, and expiry times are honoured.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A file larger than this is refused: the whole RPKI is below 100 MB in this form.
const GREATEST_OCTETS: u64 = 1 << 30;

/// Why a file's newest content is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is not JSON of the form `{"roas": [...]}`.
    #[error("is not VRP JSON ({{\"roas\": [{{\"asn\", \"prefix\", \"maxLength\"}}]}}): {0}")]
    Form(#[from] serde_json::Error),
    /// A payload that cannot be.
    #[error("entry {entry} of roas: {what}")]
    Entry {
        /// Counted from 0.
        entry: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Absurdly large.
    #[error("has {0} octets; more than {GREATEST_OCTETS} are refused")]
    TooLarge(u64),
}

/// The payloads of a file, each with the second (Unix time) at which it expires, if it does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VrpFile {
    /// VRPs.
    pub vrps: Vec<(Vrp, Option<u64>)>,
    /// Customers with their providers.
    pub aspas: Vec<(Asn, Vec<Asn>, Option<u64>)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AsnForm {
    Number(u32),
    Text(String),
}

impl AsnForm {
    fn asn(&self) -> Option<Asn> {
        match self {
            Self::Number(n) => Some(Asn(*n)),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Deserialize)]
struct RoaForm {
    asn: AsnForm,
    prefix: String,
    #[serde(alias = "maxLength", alias = "max_length")]
    max_len: Option<u8>,
    expires: Option<u64>,
}

#[derive(Deserialize)]
struct AspaForm {
    #[serde(alias = "customer_asid", alias = "customer_asn")]
    customer: AsnForm,
    #[serde(alias = "provider_asids", alias = "provider_asns")]
    providers: Vec<AsnForm>,
    expires: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    roas: Vec<RoaForm>,
    #[serde(default)]
    aspas: Vec<AspaForm>,
}

/// Reads the text of a VRP file; one bad entry refuses the file, so that a half-written or
/// foreign file never replaces a good one.
pub fn parse_vrps(text: &[u8]) -> Result<VrpFile, FileError> {
    let document: Document = serde_json::from_slice(text)?;
    let mut file = VrpFile::default();
    file.vrps.reserve(document.roas.len());
    for (entry, roa) in document.roas.iter().enumerate() {
        let wrong = |what: &str| FileError::Entry { entry, what: what.to_owned() };
        let asn = roa.asn.asn().ok_or_else(|| wrong("asn is no AS number"))?;
        let prefix: Prefix = roa
            .prefix
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| wrong(&format!("\"{}\" is no prefix", roa.prefix)))?;
        let max_len = roa.max_len.unwrap_or_else(|| prefix.len());
        if max_len < prefix.len() || max_len > prefix.family().max_len() {
            return Err(wrong(&format!("maxLength {max_len} does not fit {prefix}")));
        }
        file.vrps.push((Vrp { prefix, max_len, asn }, roa.expires));
    }
    for (entry, aspa) in document.aspas.iter().enumerate() {
        let wrong = || FileError::Entry { entry, what: "an ASPA's AS is no AS number".to_owned() };
        let customer = aspa.customer.asn().ok_or_else(wrong)?;
        let providers: Option<Vec<Asn>> = aspa.providers.iter().map(AsnForm::asn).collect();
        file.aspas.push((customer, providers.ok_or_else(wrong)?, aspa.expires));
    }
    Ok(file)
}

fn read(path: &Path) -> Result<VrpFile, FileError> {
    let octets = std::fs::metadata(path)?.len();
    if octets > GREATEST_OCTETS {
        return Err(FileError::TooLarge(octets));
    }
    parse_vrps(&std::fs::read(path)?)
}

/// What tells one content of a file from another without reading it.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

struct Watched {
    path: PathBuf,
    /// The content that was read last, whether or not it is any good; `None`: it could not be read.
    seen: Option<Option<(SystemTime, u64)>>,
    /// Why it could not be, as the log and the joiner know already.
    unread: Option<String>,
    good: VrpFile,
    /// The earliest expiry that is still to come.
    next_expiry: Option<u64>,
    /// What the clock said the last time.
    looked_at: u64,
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Watched {
    /// Reads again what has changed; says what to tell the joiner, if anything.
    fn look(&mut self, index: usize, now: u64) -> Option<Update> {
        let stamp = stamp(&self.path);
        let changed = self.seen != Some(stamp);
        let expired = self.next_expiry.is_some_and(|at| at <= now);
        // A clock that was ahead, and is set right: what expired by it has not.
        let set_back = now < std::mem::replace(&mut self.looked_at, now);
        if !changed && !expired && !set_back {
            return None;
        }
        let error = if changed { self.read(stamp) } else { None };
        let known = error.is_some() && error == self.unread;
        // What could not be read is tried each time, and told when it is news.
        if known && !expired && !set_back {
            return None;
        }
        if let Some(error) = error.as_ref().filter(|_| !known) {
            let kept = if self.good == VrpFile::default() {
                "there are no data from it"
            } else {
                "keeping the last good one"
            };
            tracing::warn!(file = %self.path.display(), %error, "VRP file not usable, {kept}");
        }
        if changed {
            self.unread = error.clone().filter(|_| self.seen.is_none());
        }
        let read = changed && error.is_none();
        Some(self.update(index, now, read, error))
    }

    /// Takes over what the file says; gives why it is not used.
    fn read(&mut self, stamp: Option<(SystemTime, u64)>) -> Option<String> {
        let read = read(&self.path);
        // No content was seen where the system did not give it out: its stamp says nothing.
        self.seen = (!matches!(read, Err(FileError::Read(_)))).then_some(stamp);
        match read {
            Ok(good) => {
                self.good = good;
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }

    fn update(&mut self, index: usize, now: u64, read: bool, error: Option<String>) -> Update {
        let live = |expires: &Option<u64>| expires.is_none_or(|at| at > now);
        let all = self.good.vrps.iter().map(|v| v.1).chain(self.good.aspas.iter().map(|a| a.2));
        self.next_expiry = all.flatten().filter(|at| *at > now).min();
        let vrps = self.good.vrps.iter().filter(|v| live(&v.1)).map(|v| v.0).collect();
        let aspas = self.good.aspas.iter().filter(|a| live(&a.2));
        let aspas = aspas.map(|(customer, providers, _)| (*customer, providers.clone())).collect();
        Update::File { index, vrps, aspas, read, error }
    }
}

/// Looks at the files for as long as the joiner listens.
pub(crate) async fn watch(paths: Vec<PathBuf>, updates: Sender<Update>) {
    let new = |path| Watched {
        path,
        seen: None,
        unread: None,
        good: VrpFile::default(),
        next_expiry: None,
        looked_at: 0,
    };
    let mut files: Vec<Watched> = paths.into_iter().map(new).collect();
    loop {
        for index in 0..files.len() {
            // Reading and parsing 100 MB takes a second: not on a thread that others wait for.
            let Some(mut file) =
                files.get_mut(index).map(|f| std::mem::replace(f, new(PathBuf::new())))
            else {
                continue;
            };
            let looked = tokio::task::spawn_blocking(move || {
                let update = file.look(index, unix_now());
                (file, update)
            });
            let Ok((file, update)) = looked.await else { return };
            if let Some(slot) = files.get_mut(index) {
                *slot = file;
            }
            if let Some(update) = update
                && updates.send(update).await.is_err()
            {
                return;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_three_validators_are_read() {
        let rpki_client = br#"{"metadata":{},"roas":[{"asn":64500,"prefix":"8.0.0.0/8","maxLength":24,"ta":"x","expires":99}],"aspas":[{"customer_asid":1,"providers":[2,3]}]}"#;
        let routinator = br#"{"roas":[{"asn":"AS64500","prefix":"2001:DB8::/32","maxLength":48,"ta":"x"}],"aspas":[{"customer":"AS1","providers":["AS2"]}]}"#;
        let file = parse_vrps(rpki_client).unwrap();
        assert_eq!(file.vrps[0].0.to_string(), "8.0.0.0/8-24 AS64500");
        assert_eq!(file.vrps[0].1, Some(99));
        assert_eq!(file.aspas[0].1, [Asn(2), Asn(3)]);
        let file = parse_vrps(routinator).unwrap();
        assert_eq!(file.vrps[0].0.to_string(), "2001:db8::/32-48 AS64500");
    }

    #[test]
    fn a_bad_entry_refuses_the_file_and_says_which() {
        for (entry, says) in [
            (r#"{"asn":1,"prefix":"8.0.0.0/33"}"#, "no prefix"),
            (r#"{"asn":1,"prefix":"8.0.0.0/24","maxLength":8}"#, "maxLength 8"),
            (r#"{"asn":"ASX","prefix":"8.0.0.0/24"}"#, "no AS number"),
        ] {
            let good = r#"{"asn":1,"prefix":"8.0.0.0/8"}"#;
            let text = format!("{{\"roas\":[{good},{entry}]}}");
            let error = parse_vrps(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("entry 1") && error.contains(says), "{error}");
        }
        assert!(parse_vrps(b"{\"roas\":[").is_err());
    }

    fn watched(path: &Path) -> Watched {
        Watched {
            path: path.to_owned(),
            seen: None,
            unread: None,
            good: VrpFile::default(),
            next_expiry: None,
            looked_at: 0,
        }
    }

    /// VRPs, and whether there is an error.
    fn count(update: Option<Update>) -> Option<(usize, bool)> {
        match update {
            Some(Update::File { vrps, error, .. }) => Some((vrps.len(), error.is_some())),
            _ => None,
        }
    }

    /// A directory stands for what cannot be read for a while: nobody's user is too mighty for it.
    #[test]
    fn what_could_not_be_read_is_tried_again_with_the_same_stamp() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vrps.json");
        std::fs::create_dir(&path).unwrap();
        for n in 0..20 {
            std::fs::write(path.join(format!("file-with-a-long-name-{n}")), "").unwrap();
        }
        let before = stamp(&path).unwrap();
        let mut watched = watched(&path);
        assert_eq!(count(watched.look(0, 50)), Some((0, true)));
        assert_eq!(count(watched.look(0, 51)), None, "said once");
        std::fs::remove_dir_all(&path).unwrap();
        let text = r#"{"roas":[{"asn":1,"prefix":"8.0.0.0/8"}]}"#;
        let room = usize::try_from(before.1).unwrap().checked_sub(text.len());
        std::fs::write(&path, text.to_owned() + &" ".repeat(room.unwrap())).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(before.0).unwrap();
        assert_eq!(stamp(&path), Some(before));
        assert_eq!(count(watched.look(0, 52)), Some((1, false)));
        assert_eq!(count(watched.look(0, 53)), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(count(watched.look(0, 54)), Some((1, true)), "it is gone");
        assert_eq!(count(watched.look(0, 55)), None, "said once");
    }

    #[test]
    fn a_broken_file_keeps_the_last_good_and_expiry_is_honoured_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vrps.json");
        std::fs::write(&path, r#"{"roas":[{"asn":1,"prefix":"8.0.0.0/8","expires":100},{"asn":2,"prefix":"9.0.0.0/8"}]}"#).unwrap();
        let mut watched = watched(&path);
        assert_eq!(count(watched.look(0, 50)), Some((2, false)));
        assert_eq!(count(watched.look(0, 51)), None, "nothing has changed");
        std::fs::write(&path, "{ half a fi").unwrap();
        assert_eq!(count(watched.look(0, 52)), Some((2, true)));
        assert_eq!(count(watched.look(0, 100)), Some((1, false)), "expired meanwhile");
        assert_eq!(count(watched.look(0, 99)), Some((2, false)), "the clock was wrong, and is set");
        assert_eq!(count(watched.look(0, 100)), Some((1, false)), "now it has");
    }
}
