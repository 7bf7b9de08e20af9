//! `[exchange]`, `[http]`, `[control]` and `[engine]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use bgp_wire::{Asn, Prefix};

use crate::config::{
    report::Located,
    table::config_table,
    value::{FromText, text_values},
};

config_table! {
    /// The exchange that all route servers of this file serve.
    ExchangeTable in "[exchange]" {
        /// Its name, shown to people.
        name: String = "\"\"",
        /// The route servers' AS. 32 bits are normal.
        asn: Asn = "required",
        /// Stands for the AS in standard communities, which have room for 16 bits.
        /// Without one, a route server with a 32-bit AS has no standard communities, and
        /// says so at start.
        short_asn: u16 = "`asn` if it fits 16 bits",
        /// Next hops lie in here or are link-local. Never accepted as a route.
        peering_lan: Vec<Located<Prefix>> = "[]",
        /// Scope of link-local addresses that are written without `%interface`.
        interface: InterfaceName = "none",
        /// How long a start waits for the first answer of RPKI caches and IRR sources before it
        /// listens, and judges without what is missing.
        data_wait: Duration = "\"20s\"",
    }
}

config_table! {
    /// Looking glass, JSON API, the APIs of other looking glasses and metrics: see http.md. Read-only.
    HttpTable in "[http]" {
        /// Where to listen; `"off"`: nowhere.
        listen: HttpListen = "\"127.0.0.1:9180\"",
    }
}

config_table! {
    /// The socket that `rsctl` speaks to.
    ControlTable in "[control]" {
        /// Its path. Its mode is 0660.
        socket: PathBuf = "\"/run/rs-daemon/control.sock\"",
        /// The group that may use it.
        group: String = "the group of the process",
    }
}

config_table! {
    /// Threads. 0 asks for the default.
    EngineTable in "[engine]" {
        /// Shards of the routing table. 0: the measured default.
        shards: u16 = "0",
        /// Threads that serve sessions. 0: one for each core.
        workers: u16 = "0",
    }
}

/// `"off"` or an address with a port.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct HttpListen(pub(in crate::config) Option<SocketAddr>);

impl FromText for HttpListen {
    fn kind() -> &'static str {
        "an address with a port, or \"off\""
    }

    fn example() -> &'static str {
        "write it like \"127.0.0.1:9180\" or \"[::1]:9180\", or \"off\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| format!("\"{text}\" is no address with a port"))?;
        Ok(Self(Some(address)))
    }
}

/// The name of a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct InterfaceName(pub(in crate::config) String);

impl FromText for InterfaceName {
    fn kind() -> &'static str {
        "the name of a network interface"
    }

    fn example() -> &'static str {
        "write it like \"eth1\"; Linux allows 15 characters without spaces and slashes"
    }

    fn from_text(text: &str) -> Result<Self, String> {
        // IFNAMSIZ is 16 with the final zero octet
        let fits = (1..=15).contains(&text.len());
        if fits && !text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '%')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("\"{text}\" is no name of a network interface"))
        }
    }
}

text_values!(HttpListen, InterfaceName);
