//! `[irr]`.

use std::{path::PathBuf, time::Duration};

use super::rpki::HostPort;
use crate::config::{report::Located, table::config_table};

config_table! {
    /// Where as-sets and route objects come from: a server, or RPSL files.
    IrrTable in "[irr]" {
        /// A whois server that speaks the IRRd query protocol.
        server: HostPort = "none",
        /// The sources to ask, by preference. Empty: all that the server has.
        sources: Vec<Located<String>> = "[]",
        /// How often everything is fetched again.
        refresh: Duration = "\"1h\"",
        /// A directory for the last good answers, used when the server is away.
        cache: PathBuf = "none",
        /// RPSL files (also gzipped) instead of a server.
        dump: Vec<Located<PathBuf>> = "[]",
    }
}
