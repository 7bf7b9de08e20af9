//! `[rpki]`.

use std::path::PathBuf;

use crate::config::{
    report::Located,
    table::config_table,
    value::{FromText, text_values},
};

config_table! {
    /// Where ROA payloads come from. The most preferred cache that has data is used alone
    /// (RFC 8210 §10); files add to it.
    RpkiTable in "[rpki]" {
        /// VRP files as rpki-client, Routinator and StayRTR write them, read again when they
        /// change.
        json: Vec<Located<PathBuf>> = "[]",
        /// RTR caches, see `[[rpki.cache]]`.
        cache: Vec<Located<RpkiCacheTable>> = "[]",
    }
}

config_table! {
    /// An RTR cache, spoken to over plain TCP.
    RpkiCacheTable in "[[rpki.cache]]" {
        /// Its address and port.
        address: HostPort = "required",
        /// The lowest is tried first.
        preference: u8 = "its place in the list, from 1",
    }
}

/// `host:port`, where the host is a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct HostPort(pub(in crate::config) String);

impl FromText for HostPort {
    fn kind() -> &'static str {
        "an address or host name with a port"
    }

    fn example() -> &'static str {
        "write it like \"127.0.0.1:3323\", \"[::1]:3323\" or \"cache.example.net:3323\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no address with a port");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_is_right = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c))
            }
        };
        if host_is_right && port != 0 { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

text_values!(HostPort);
