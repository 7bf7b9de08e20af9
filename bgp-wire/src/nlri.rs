//! Network layer reachability information (RFC 4271 §4.3, RFC 7911 §3).

use std::fmt;

use crate::Prefix;

/// A prefix with the path identifier that came with it.
///
/// ```text
/// +-----------------------------+
/// | Path Identifier (4 octets)  |  only with ADD-PATH (RFC 7911 §3)
/// +-----------------------------+
/// | Length (1 octet)            |  in bits
/// +-----------------------------+
/// | Prefix (variable)           |  as many octets as the length needs
/// +-----------------------------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nlri {
    /// The prefix.
    pub prefix: Prefix,
    /// The path identifier; 0 without ADD-PATH.
    pub path_id: u32,
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, path_id: 0 }
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path_id {
            0 => self.prefix.fmt(f),
            id => write!(f, "{} (path {id})", self.prefix),
        }
    }
}
