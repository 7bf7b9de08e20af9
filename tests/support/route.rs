//! A route in one normal form, whichever daemon showed it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A path attribute that has no name here: its flags where the daemon shows them, its value as hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Flags octet.
    pub flags: Option<u8>,
    /// Value in lower-case hex.
    pub value: String,
}

/// What a member announces, or what it has learnt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination.
    pub prefix: IpNet,
    /// Path identifier (RFC 7911), when the session carries one.
    pub path_id: Option<u32>,
    /// `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// `1 2 {3 4}`.
    pub as_path: String,
    /// The next hop that is not link-local.
    pub next_hop: Option<IpAddr>,
    /// The link-local next hop.
    pub link_local: Option<Ipv6Addr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// `a:b`.
    pub communities: BTreeSet<String>,
    /// `rt:a:b`, `ro:a:b`, else sixteen hex digits.
    pub extended: BTreeSet<String>,
    /// `a:b:c`.
    pub large: BTreeSet<String>,
    /// By attribute code.
    pub unknown: BTreeMap<u8, Unknown>,
}

/// What a daemon shows of a route: the rest cannot be compared there.
#[derive(Debug, Clone, Copy)]
pub struct Shows {
    /// The link-local half of a next hop that has both halves.
    pub link_local: bool,
    /// The global half where there is only a link-local address to forward to.
    pub unknown: bool,
    /// Flags of unknown attributes.
    pub unknown_flags: bool,
}

impl Shows {
    /// Everything.
    pub const ALL: Self = Self { link_local: true, unknown: true, unknown_flags: true };
}

impl Route {
    /// A route with the mandatory attributes only.
    pub fn new(prefix: &str, as_path: &str, next_hop: IpAddr) -> Self {
        let mut route = Self {
            prefix: prefix.parse().unwrap_or_else(|error| panic!("{prefix}: {error}")),
            path_id: None,
            origin: "igp".to_owned(),
            as_path: as_path.to_owned(),
            next_hop: None,
            link_local: None,
            med: None,
            communities: BTreeSet::new(),
            extended: BTreeSet::new(),
            large: BTreeSet::new(),
            unknown: BTreeMap::new(),
        };
        route.set_next_hop(next_hop);
        route
    }

    /// Puts an address where it belongs: link-local or not. `::` says nothing and is left out.
    pub fn set_next_hop(&mut self, address: IpAddr) {
        match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                self.link_local = Some(address);
            }
            IpAddr::V6(address) if address.is_unspecified() => {}
            address => self.next_hop = Some(address),
        }
    }

    /// With MED.
    #[must_use]
    pub fn med(mut self, med: u32) -> Self {
        self.med = Some(med);
        self
    }

    /// With a standard community.
    #[must_use]
    pub fn community(mut self, community: &str) -> Self {
        self.communities.insert(community.to_owned());
        self
    }

    /// With an extended community.
    #[must_use]
    pub fn extended(mut self, community: &str) -> Self {
        self.extended.insert(community.to_owned());
        self
    }

    /// With a large community.
    #[must_use]
    pub fn large(mut self, community: &str) -> Self {
        self.large.insert(community.to_owned());
        self
    }

    /// With the link-local half of the next hop.
    #[must_use]
    pub fn link_local(mut self, address: Ipv6Addr) -> Self {
        self.link_local = Some(address);
        self
    }

    /// With an attribute that nobody knows.
    #[must_use]
    pub fn unknown(mut self, flags: u8, code: u8, value: &str) -> Self {
        self.unknown.insert(code, Unknown { flags: Some(flags), value: value.to_owned() });
        self
    }

    /// What a daemon that shows less would show of this route.
    #[must_use]
    pub fn as_shown(&self, shows: Shows) -> Self {
        let mut shown = self.clone();
        if !shows.link_local && shown.next_hop.is_some() {
            shown.link_local = None;
        }
        if !shows.unknown {
            shown.unknown.clear();
        }
        if !shows.unknown_flags {
            shown.unknown.values_mut().for_each(|attribute| attribute.flags = None);
        }
        shown
    }
}

/// The names that daemons show instead of numbers (the IANA registry of well-known communities).
pub fn well_known(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    Some(match name.as_str() {
        "graceful-shutdown" => "65535:0",
        "llgr-stale" => "65535:6",
        "no-llgr" => "65535:7",
        "blackhole" => "65535:666",
        "no-export" => "65535:65281",
        "no-advertise" => "65535:65282",
        "no-export-subconfed" | "local-as" => "65535:65283",
        "no-peer" => "65535:65284",
        _ => return None,
    })
}

/// A standard community as `a:b`, whatever a daemon calls it.
pub fn community_name(shown: &str) -> String {
    well_known(shown).map_or_else(|| shown.to_owned(), str::to_owned)
}

/// An extended community from its eight octets.
pub fn extended_name(octets: [u8; 8]) -> String {
    let [kind, subtype, a, b, c, d, e, f] = octets;
    let name = match subtype {
        0x02 => "rt",
        0x03 => "ro",
        _ => return hex(&octets),
    };
    match kind {
        0x00 => {
            let value = u32::from_be_bytes([c, d, e, f]);
            format!("{name}:{}:{value}", u16::from_be_bytes([a, b]))
        }
        0x02 => {
            let asn = u32::from_be_bytes([a, b, c, d]);
            format!("{name}:{asn}:{}", u16::from_be_bytes([e, f]))
        }
        _ => hex(&octets),
    }
}

/// Lower-case hex.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of a hex string; panics on anything else.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
            u8::from_str_radix(pair, 16).unwrap_or_else(|error| panic!("{text}: {error}"))
        })
        .collect()
}
