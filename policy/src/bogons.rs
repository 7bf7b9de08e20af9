//! Lists that come with the program: prefixes and AS numbers nobody may announce, and the
//! transit-free networks. Data files, versioned, so that an operator can see what is in force.

use std::sync::LazyLock;

use bgp_wire::{Asn, Prefix};

use crate::prefix_index::PrefixIndex;

const BOGON_PREFIXES: &str = include_str!("../data/bogon-prefixes.txt");
const BOGON_ASNS: &str = include_str!("../data/bogon-asns.txt");
const TRANSIT_FREE: &str = include_str!("../data/transit-free-asns.txt");

/// A line of the list of bogon prefixes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct BogonPrefix {
    /// The prefix.
    #[serde(serialize_with = "as_text")]
    pub prefix: Prefix,
    /// Whether more specifics are meant too.
    pub more_specifics: bool,
    /// The document that says so, and what for.
    pub source: &'static str,
}

/// A line of the list of bogon AS numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct BogonAsns {
    /// From.
    pub first: u32,
    /// To, included.
    pub last: u32,
    /// The document that says so, and what for.
    pub source: &'static str,
}

/// The bogon prefixes, ready for look-up.
pub(crate) struct BogonTable {
    entries: Vec<BogonPrefix>,
    index: PrefixIndex,
}

static TABLE: LazyLock<BogonTable> = LazyLock::new(|| {
    let mut entries: Vec<BogonPrefix> = lines(BOGON_PREFIXES).filter_map(bogon_prefix).collect();
    entries.sort_unstable_by_key(|entry| entry.prefix);
    let index = PrefixIndex::new(entries.iter().map(|entry| entry.prefix));
    BogonTable { entries, index }
});

static ASNS: LazyLock<Vec<BogonAsns>> =
    LazyLock::new(|| lines(BOGON_ASNS).filter_map(bogon_asns_line).collect());

/// The version of the lists: the date they were compiled.
#[must_use]
pub fn version() -> &'static str {
    BOGON_PREFIXES.lines().find_map(|line| line.strip_prefix("# version ")).unwrap_or("unknown")
}

/// The bogon prefixes.
#[must_use]
pub fn bogon_prefixes() -> &'static [BogonPrefix] {
    &TABLE.entries
}

/// The bogon AS numbers.
#[must_use]
pub fn bogon_asns() -> &'static [BogonAsns] {
    &ASNS
}

/// The transit-free networks of the default list.
#[must_use]
pub fn transit_free_asns() -> Vec<Asn> {
    lines(TRANSIT_FREE).filter_map(|(asn, _)| asn.parse().ok()).collect()
}

/// The entry that a prefix matches.
#[inline]
pub(crate) fn bogon_prefix_of(prefix: &Prefix) -> Option<&'static BogonPrefix> {
    let table = &*TABLE;
    table
        .index
        .covering(prefix)
        .map(|entry| &table.entries[entry])
        .find(|entry| entry.more_specifics || entry.prefix == *prefix)
}

/// The range that an AS number is in.
pub(crate) fn bogon_asn_of(asn: Asn) -> Option<&'static BogonAsns> {
    // Most AS numbers in use lie between these two bounds; a glance sorts them out.
    if (1..23456).contains(&asn.0) || (131_072..4_200_000_000).contains(&asn.0) {
        return None;
    }
    ASNS.iter().find(|range| (range.first..=range.last).contains(&asn.0))
}

/// Lines as their first word and the rest.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(first, rest)| (first, rest.trim()))
}

fn bogon_prefix((text, source): (&'static str, &'static str)) -> Option<BogonPrefix> {
    let (text, more_specifics) = match text.strip_suffix('=') {
        Some(exact) => (exact, false),
        None => (text, true),
    };
    Some(BogonPrefix { prefix: text.parse().ok()?, more_specifics, source })
}

fn bogon_asns_line((range, source): (&'static str, &'static str)) -> Option<BogonAsns> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(BogonAsns { first: first.parse().ok()?, last: last.parse().ok()?, source })
}

fn as_text<S: serde::Serializer>(prefix: &Prefix, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_reads() {
        assert_eq!(TABLE.entries.len(), lines(BOGON_PREFIXES).count());
        assert_eq!(TABLE.index.len(), TABLE.entries.len());
        assert_eq!(ASNS.len(), lines(BOGON_ASNS).count());
        assert_eq!(transit_free_asns().len(), lines(TRANSIT_FREE).count());
        assert!(version().starts_with("20"));
        assert!(bogon_prefixes().iter().all(|entry| entry.source.contains("RFC")));
    }

    #[test]
    fn s39_the_list_agrees_with_what_is_routed() {
        let bogon = |text: &str| bogon_prefix_of(&text.parse().unwrap()).is_some();
        for text in [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/8",
            "10.1.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/24",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "172.31.255.0/24",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.168.1.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "239.0.0.0/8",
            "240.0.0.0/8",
            "255.255.255.255/32",
            "2001:db8::/32",
            "3fff::/20",
            "2002::/16",
            "2001::/32",
            "2001:2::/48",
            "2001:10::/28",
            "2001:20::/28",
            "3ffe::/16",
            "5f00::/16",
            "64:ff9b:1::/48",
            "fc00::/7",
            "fe80::/10",
            "ff02::/16",
            "::1/128",
            "100::/64",
        ] {
            assert!(bogon(text), "{text} is not listed");
        }
        // In use, though close by (RFC 5736's successors, anycast services, RIR space).
        for text in [
            "1.1.1.0/24",
            "9.255.255.0/24",
            "11.0.0.0/8",
            "100.63.0.0/16",
            "100.128.0.0/16",
            "172.32.0.0/16",
            "172.15.0.0/16",
            "192.0.1.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.175.48.0/24",
            "198.17.0.0/16",
            "198.20.0.0/16",
            "223.255.255.0/24",
            "128.0.0.0/1",
            "2001:200::/23",
            "2001:4:112::/48",
            "2001:db9::/32",
            "2400::/12",
            "2620:4f:8000::/48",
            "2a00::/12",
            "2001:1::1/128",
        ] {
            assert!(!bogon(text), "{text} is listed");
        }
    }

    #[test]
    fn bogon_asns_inside_and_outside() {
        for asn in [
            0,
            23456,
            64496,
            64511,
            64512,
            65534,
            65535,
            65536,
            65551,
            65552,
            131_071,
            4_200_000_000,
            4_294_967_294,
            u32::MAX,
        ] {
            assert!(bogon_asn_of(Asn(asn)).is_some(), "{asn}");
        }
        for asn in [1, 23455, 23457, 64495, 131_072, 4_199_999_999] {
            assert!(bogon_asn_of(Asn(asn)).is_none(), "{asn}");
        }
    }
}
