//! Next hops (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where traffic goes. An IPv6 next hop is a pair, and the pair is one identity: never both
/// halves are `None`. The wire's `LL`, `:: LL` and `LL LL` all are `global: None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NextHop {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, a link-local one, or both.
    V6 {
        /// The global address.
        global: Option<Ipv6Addr>,
        /// The link-local address.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// Is the global half absent and only a link-local address there?
    pub fn is_link_local_only(&self) -> bool {
        matches!(self, Self::V6 { global: None, .. })
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6 { global: Some(global), link_local: None } => global.fmt(f),
            Self::V6 { global, link_local } => {
                let unspecified = Ipv6Addr::UNSPECIFIED;
                let (global, link_local) =
                    (global.unwrap_or(unspecified), link_local.unwrap_or(unspecified));
                write!(f, "{global} {link_local}")
            }
        }
    }
}
