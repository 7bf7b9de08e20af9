//! Address families and prefixes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::iana;

/// An address family, unicast only (RFC 4760 AFI with SAFI 1).
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4 unicast.
    V4 = 0,
    /// IPv6 unicast.
    V6 = 1,
}

impl Family {
    /// Both families, in the order of [`Family::index`].
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Dense index, for arrays with one entry for each family.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The AFI; the SAFI is 1.
    pub const fn afi(self) -> u16 {
        match self {
            Self::V4 => iana::AFI_IPV4,
            Self::V6 => iana::AFI_IPV6,
        }
    }

    /// The greatest prefix length, in bits.
    pub const fn max_len(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The family of an AFI and SAFI, if it is one of ours.
    pub const fn from_afi_safi(afi: u16, safi: u8) -> Option<Self> {
        match (afi, safi) {
            (iana::AFI_IPV4, iana::SAFI_UNICAST) => Some(Self::V4),
            (iana::AFI_IPV6, iana::SAFI_UNICAST) => Some(Self::V6),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

/// A set of families.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Families(u8);

impl Families {
    /// No family.
    pub const NONE: Self = Self(0);
    /// IPv4 and IPv6.
    pub const BOTH: Self = Self(3);

    /// The set of one family.
    pub const fn only(family: Family) -> Self {
        Self(1 << family as u8)
    }

    /// Is the family in the set?
    pub const fn contains(self, family: Family) -> bool {
        self.0 & (1 << family as u8) != 0
    }

    /// Adds a family.
    pub fn insert(&mut self, family: Family) {
        self.0 |= 1 << family as u8;
    }

    /// Takes a family out.
    pub fn remove(&mut self, family: Family) {
        self.0 &= !(1 << family as u8);
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Is the set empty?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The families, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |family| self.contains(*family))
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<T: IntoIterator<Item = Family>>(families: T) -> Self {
        let mut set = Self::NONE;
        families.into_iter().for_each(|family| set.insert(family));
        set
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A prefix of either family. Host bits are always zero, so that derived equality is equality
/// of prefixes. The order is by family, then address, then length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    octets: [u8; 16],
    len: u8,
    family: Family,
}

impl Prefix {
    /// An IPv4 prefix; `None` when `len` is above 32. Host bits are cleared.
    pub fn v4(address: Ipv4Addr, len: u8) -> Option<Self> {
        Self::from_bits(Family::V4, u128::from(address.to_bits()) << 96, len)
    }

    /// An IPv6 prefix; `None` when `len` is above 128. Host bits are cleared.
    pub fn v6(address: Ipv6Addr, len: u8) -> Option<Self> {
        Self::from_bits(Family::V6, address.to_bits(), len)
    }

    /// A prefix of the address's family; `None` when too long. Host bits are cleared.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::v4(address, len),
            IpAddr::V6(address) => Self::v6(address, len),
        }
    }

    /// A prefix from left-aligned bits; `None` when too long. What lies beyond `len` is cleared.
    pub fn from_bits(family: Family, bits: u128, len: u8) -> Option<Self> {
        if len > family.max_len() {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
        Some(Self { octets: (bits & mask).to_be_bytes(), len, family })
    }

    /// A prefix of the octets that NLRI carries; `None` when they are not exactly as many as
    /// the length asks for. Trailing bits have no meaning (RFC 4271 §4.3) and are cleared.
    pub(crate) fn from_wire(family: Family, len: u8, wire: &[u8]) -> Option<Self> {
        if wire.len() != usize::from(len.div_ceil(8)) {
            return None;
        }
        let mut octets = [0; 16];
        octets.get_mut(..wire.len())?.copy_from_slice(wire);
        Self::from_bits(family, u128::from_be_bytes(octets), len)
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The length in bits.
    #[expect(clippy::len_without_is_empty, reason = "the length of a prefix is not a count")]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// The network address.
    pub fn address(&self) -> IpAddr {
        match self.family {
            Family::V4 => {
                let [a, b, c, d, ..] = self.octets;
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            Family::V6 => IpAddr::V6(Ipv6Addr::from(self.octets)),
        }
    }

    /// The network address in octets: 4 or 16.
    pub fn octets(&self) -> &[u8] {
        match self.family {
            Family::V4 => {
                let [first, ..] = self.octets.as_chunks::<4>().0 else { return &[] };
                first
            }
            Family::V6 => &self.octets,
        }
    }

    /// The octets that NLRI carries: as many as the length needs (RFC 4271 §4.3).
    pub(crate) fn wire_octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len.div_ceil(8))).unwrap_or_default()
    }

    /// The network address as left-aligned bits.
    pub const fn bits(&self) -> u128 {
        u128::from_be_bytes(self.octets)
    }

    /// Is `other` this prefix or a more specific one?
    pub fn covers(&self, other: &Self) -> bool {
        self.family == other.family
            && self.len <= other.len
            && (self.bits() ^ other.bits()).leading_zeros() >= u32::from(self.len)
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.family, self.octets, self.len).cmp(&(other.family, other.octets, other.len))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixError {
    /// Not `address/length`, or the length is beyond the family's.
    #[error("\"{0}\" is not a prefix (address/length)")]
    Syntax(String),
    /// The address has bits beyond the length.
    #[error("\"{0}\" has bits set beyond its length")]
    HostBits(String),
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    /// Strict: host bits are an error, since in a configuration they are a slip of the pen.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || ParsePrefixError::Syntax(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(syntax)?;
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        if len.is_empty() || !len.bytes().all(|b| b.is_ascii_digit()) {
            return Err(syntax());
        }
        let prefix = Self::new(address, len.parse().map_err(|_| syntax())?).ok_or_else(syntax)?;
        if prefix.address() != address {
            return Err(ParsePrefixError::HostBits(text.to_owned()));
        }
        Ok(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn is_eighteen_octets_without_padding() {
        assert_eq!((size_of::<Prefix>(), align_of::<Prefix>()), (18, 1));
    }

    #[test]
    fn clears_host_bits_and_refuses_what_is_too_long() {
        assert_eq!(Prefix::v4(Ipv4Addr::new(192, 0, 2, 255), 25).unwrap(), p("192.0.2.128/25"));
        assert_eq!(Prefix::v4(Ipv4Addr::BROADCAST, 0).unwrap(), p("0.0.0.0/0"));
        assert_eq!(Prefix::v4(Ipv4Addr::BROADCAST, 33), None);
        assert_eq!(Prefix::v6(Ipv6Addr::from_bits(u128::MAX), 129), None);
        assert_eq!(p("192.0.2.0/24").octets(), [192, 0, 2, 0]);
        assert_eq!(p("2001:db8::/32").octets().len(), 16);
        assert!(matches!("192.0.2.1/24".parse::<Prefix>(), Err(ParsePrefixError::HostBits(_))));
        for bad in ["", "192.0.2.0", "192.0.2.0/", "192.0.2.0/33", "::/129", "::/+1", "x/1"] {
            assert!(matches!(bad.parse::<Prefix>(), Err(ParsePrefixError::Syntax(_))), "{bad}");
        }
    }

    #[test]
    fn covers_itself_and_more_specifics_only() {
        assert!(p("10.0.0.0/8").covers(&p("10.255.0.0/16")));
        assert!(p("10.0.0.0/8").covers(&p("10.0.0.0/8")));
        assert!(!p("10.0.0.0/8").covers(&p("10.0.0.0/7")));
        assert!(!p("10.0.0.0/8").covers(&p("11.0.0.0/16")));
        assert!(p("0.0.0.0/0").covers(&p("255.0.0.0/8")));
        assert!(!p("0.0.0.0/0").covers(&p("::/0")));
    }

    #[test]
    fn orders_by_family_address_length() {
        let mut prefixes = vec![p("::/0"), p("10.0.0.0/9"), p("9.0.0.0/16"), p("10.0.0.0/8")];
        prefixes.sort();
        assert_eq!(prefixes, [p("9.0.0.0/16"), p("10.0.0.0/8"), p("10.0.0.0/9"), p("::/0")]);
    }

    #[test]
    fn families_are_a_set() {
        let mut set = Families::NONE;
        set.insert(Family::V6);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Family::V6]);
        set.insert(Family::V4);
        assert_eq!(set, Families::BOTH);
        set.remove(Family::V6);
        assert_eq!(set, Families::only(Family::V4));
        assert_eq!(Family::from_afi_safi(2, 1), Some(Family::V6));
        assert_eq!(Family::from_afi_safi(2, 2), None);
    }
}
