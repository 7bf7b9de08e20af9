//! `[[route_server]]` but for its import and communities tables.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bgp_wire::Asn;
use policy::MedMode;

use super::{communities::CommunitiesTable, import_policy::ImportTable, session::SessionOptions};
use crate::config::{
    report::Located,
    table::{config_table, words},
    value::{FromText, text_values},
};

config_table! {
    /// A route server. Keys of a session that stand here hold for all its sessions.
    RouteServerTable in "[[route_server]]" {
        /// Unique; it names the route server in sessions, commands and metrics.
        name: String = "required",
        /// `regular` checks everything, `transitable` lets members give transit to members,
        /// `chaos` checks nothing.
        kind: KindWord = "\"regular\"",
        /// The AS of this one, when it is not the exchange's.
        asn: Asn = "`[exchange] asn`",
        /// Stands for the AS in standard communities.
        short_asn: u16 = "`asn` if it fits 16 bits, else `[exchange] short_asn`",
        /// BGP Identifier.
        router_id: Ipv4Addr = "required",
        /// Addresses to listen on, with `%interface` if link-local and other than
        /// `[exchange] interface`. Port 179 unless given; no wildcard.
        listen: Vec<Located<ListenText>> = "required",
        /// After our own restart: how long members keep our routes (RFC 4724).
        restart_time: Duration = "\"120s\"",
        /// Between which routes MED is compared: `off`, `same-as` (those of the same
        /// neighbour AS) or `always`.
        med: MedMode = "\"off\"",
        /// Of equal routes prefer the one that has been here longest (RFC 5004). The choice
        /// then depends on the order of arrival.
        prefer_oldest: bool = "false",
        /// What is checked, see `[route_server.import]`.
        import: ImportTable = "those of `kind`",
        /// What is done on the way out, see `[route_server.export]`.
        export: ExportTable = "those of `kind`",
        /// The community scheme, see `[route_server.communities]`.
        communities: CommunitiesTable = "the preset's",
        ..session: SessionOptions,
    }
}

config_table! {
    /// What is done on the way out.
    ExportTable in "[route_server.export]" {
        /// Control communities are obeyed and removed. `false`: everything passes untouched.
        communities: bool = "true; chaos: false",
        /// Set the Partial bit on unknown transitive attributes, as BIRD does.
        set_partial: bool = "false",
        /// NO_EXPORT and NO_ADVERTISE stop a route here instead of passing through.
        honour_well_known: bool = "false",
        /// Routes of one session go to other sessions of the same AS.
        same_as_export: bool = "true",
        /// The members' RPSL policies hold: `import-via` and `export-via` by way of this route
        /// server, `import` and `export` that name its AS, from their aut-num objects.
        rpsl: bool = "true with the preset irix and [irr], else false",
    }
}

/// The word for a kind, also the one that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum KindWord {
    Regular,
    Transitable,
    Chaos,
    Remote,
}

words!(KindWord {
    "regular" => Self::Regular,
    "transitable" => Self::Transitable,
    "chaos" => Self::Chaos,
    "remote" => Self::Remote,
});

words!(MedMode {
    "off" => Self::Off,
    "same-as" => Self::SameAs,
    "always" => Self::Always,
});

/// An address to listen on, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct ListenText {
    pub(in crate::config) address: IpAddr,
    pub(in crate::config) interface: Option<String>,
    pub(in crate::config) port: u16,
}

impl FromText for ListenText {
    fn kind() -> &'static str {
        "an address, port 179 unless given"
    }

    fn example() -> &'static str {
        "write it like \"192.0.2.250:179\", \"[2001:db8::1]:179\" or \"[fe80::1%eth1]:179\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no address to listen on");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                match port.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if port.is_empty() => (host, None),
                    None => return Err(wrong()),
                }
            }
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(host, port)| (host, Some(port))).ok_or_else(wrong)?
            }
            None => (text, None),
        };
        let SessionAddress { address, interface } =
            SessionAddress::from_text(host).map_err(|_| wrong())?;
        let port = port.map_or(Ok(179), str::parse).map_err(|_| wrong())?;
        Ok(Self { address, interface, port })
    }
}

/// An address with a scope where it needs one, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct SessionAddress {
    pub(in crate::config) address: IpAddr,
    pub(in crate::config) interface: Option<String>,
}

impl FromText for SessionAddress {
    fn kind() -> &'static str {
        "an IP address"
    }

    fn example() -> &'static str {
        "write it like \"192.0.2.65\", \"2001:db8::65\" or \"fe80::65%eth1\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no IP address");
        let (address, interface) = match text.split_once('%') {
            Some((address, interface)) => (address, Some(interface)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let interface = match interface {
            Some(name) => Some(super::exchange::InterfaceName::from_text(name)?.0),
            None => None,
        };
        Ok(Self { address, interface })
    }
}

text_values!(ListenText, SessionAddress);
