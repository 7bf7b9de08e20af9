//! IRR sets: which origins and prefixes each member may announce.
//!
//! Names come from the members' `as_set`, objects from a whois server that speaks the IRRd query
//! protocol ([`irrd`]) or from RPSL dump files ([`dump`]). `expand` follows as-sets to their
//! ends, `policies` makes filters out of the members' aut-num objects, `disk` keeps the last good
//! answer, which `writer` puts there, and `service` does all of it on a schedule and publishes
//! snapshots.
//!
//! The rule above all others: a set that is empty, unknown or was never fetched stands for
//! nothing at all. It never means that everything is accepted.

mod disk;
pub mod dump;
mod expand;
pub mod irrd;
mod name;
mod object;
mod policies;
mod service;
mod sets;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgp_wire::{Asn, Prefix};
use policy::{IrrSets, IrrStatus};
use serde::{Deserialize, Serialize};

pub(crate) use expand::TOO_MUCH;
pub use name::{SetName, SetNameError};
pub use policies::{AutNum, FetchedPolicies, Followers, PolicyState, PolicyStatus, RpslPolicies};
pub use service::IrrHandle;

/// What the service is to keep.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IrrSpec {
    /// `host:port` of an IRRd; `None`: the dumps are the source.
    pub server: Option<String>,
    /// Databases in order of preference; empty: the server's own choice, or all of the dumps.
    pub sources: Vec<String>,
    /// How often sets are fetched again.
    pub refresh: Duration,
    /// Where the last good answers are kept.
    pub cache: Option<PathBuf>,
    /// RPSL files, plain or gzip.
    pub dump: Vec<PathBuf>,
    /// The members.
    pub members: Vec<MemberSpec>,
    /// Whose RPSL policies are wanted.
    pub policies: Followers,
}

/// A member and the sets that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpec {
    /// As the policy numbers members.
    pub member: u32,
    /// Its AS: stands for the set where `as_set` is empty.
    pub asn: Asn,
    /// as-sets (`AS-NAME`, `SOURCE::AS-NAME`, `AS1:AS-NAME`) and AS numbers.
    pub as_set: Vec<String>,
}

/// A set, expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expanded {
    /// Whether a database knows the set.
    pub known: bool,
    /// The AS numbers in it, ascending, each once.
    pub origins: Box<[u32]>,
    /// Route and route6 objects of these, likewise.
    #[serde(with = "prefix_texts")]
    pub prefixes: Box<[Prefix]>,
    /// When it was fetched, in seconds since 1970.
    pub fetched_unix_secs: u64,
    /// Who was asked.
    #[serde(default)]
    pub source: String,
}

impl Expanded {
    /// From AS numbers and prefixes in any order.
    pub(crate) fn new(
        known: bool,
        origins: impl IntoIterator<Item = u32>,
        prefixes: impl IntoIterator<Item = Prefix>,
        fetched_unix_secs: u64,
    ) -> Self {
        let (origins, prefixes) = (sorted(origins), sorted(prefixes));
        Self { known, origins, prefixes, fetched_unix_secs, source: String::new() }
    }
}

fn sorted<T: Ord>(all: impl IntoIterator<Item = T>) -> Box<[T]> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

mod prefix_texts {
    //! Prefixes as text, for the files on disk.
    use bgp_wire::Prefix;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(list: &[Prefix], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Box<[Prefix]>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        let parse =
            |t: &String| t.parse().map_err(|_| D::Error::custom(format!("{t} is no prefix")));
        texts.iter().map(parse).collect()
    }
}

/// One set, for `rsctl irr` and the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetStatus {
    /// As named in the configuration.
    pub name: String,
    /// What is known of it.
    pub status: IrrStatus,
    /// AS numbers in it.
    pub origins: usize,
    /// Route and route6 objects.
    pub prefixes: [usize; 2],
    /// When it was fetched, in seconds since 1970.
    pub fetched_unix_secs: Option<u64>,
    /// Members that name it.
    pub members: usize,
    /// Who gave the answer.
    pub source: String,
    /// Nobody has given it since the start: it comes from the disk.
    pub from_disk: bool,
    /// There are more as-sets below it than are followed: it is what it was before that, if anything.
    pub too_much: bool,
}

/// All sets in force.
#[derive(Clone, Debug, Default)]
pub struct IrrState {
    /// For the policy.
    pub sets: Arc<IrrSets>,
    /// For people, in order of name.
    pub statuses: Vec<SetStatus>,
    /// The members' RPSL policies.
    pub policies: Arc<RpslPolicies>,
    /// For people, in order of AS.
    pub policy_statuses: Vec<PolicyStatus>,
    /// Whether a refresh has succeeded, or every set and policy came from the disk.
    pub synced: bool,
    /// Why the last refresh failed: the sets are older than they should be.
    pub last_error: Option<String>,
    /// The last refresh that succeeded, in seconds since 1970.
    pub last_refresh_unix_secs: Option<u64>,
    /// Refreshes that failed, since the start.
    pub failures: u64,
    /// Whether the last good answers could be kept on disk when it was tried last.
    pub cache_written: bool,
}

/// Why sets could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum IrrError {
    /// The connection failed.
    #[error("IRR server {server}: {source}")]
    Connection {
        /// As configured.
        server: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The server does not speak the protocol, or not to us.
    #[error("IRR server {server} answered {answer:?} to {query:?}")]
    Protocol {
        /// As configured.
        server: String,
        /// What was asked.
        query: String,
        /// The line that came.
        answer: String,
    },
    /// More than any registry has.
    #[error("IRR server {server}: more than {limit} {what}: what a loop or a broken mirror gives")]
    TooMuch {
        /// As configured.
        server: String,
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A dump cannot be read.
    #[error("RPSL dump {path}: {source}")]
    Dump {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// All sets that were known are gone at once: a mirror that has lost its data, not a change.
    #[error(
        "{source_name} knows none of the {sets} {what} that it knew before: keeping the last good ones"
    )]
    AllGone {
        /// The server or the dumps.
        source_name: String,
        /// as-sets or aut-num objects.
        what: &'static str,
        /// How many were known.
        sets: usize,
    },
}

pub(crate) fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
