//! Communities of the four kinds (RFC 1997, RFC 4360, RFC 5701, RFC 8092).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A community (RFC 1997): two octets of AS number, two of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Community(pub u32);

impl Community {
    /// GRACEFUL_SHUTDOWN (RFC 8326 §4).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// LLGR_STALE (RFC 9494 §4.6).
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// NO_LLGR (RFC 9494 §4.6).
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// BLACKHOLE (RFC 7999 §5).
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// NO_EXPORT (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// NO_ADVERTISE (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// NO_EXPORT_SUBCONFED (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);

    /// A community of its two halves.
    pub const fn new(global: u16, local: u16) -> Self {
        Self((global as u32) << 16 | local as u32)
    }

    /// The first half.
    pub const fn global(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The second half.
    pub const fn local(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.global(), self.local())
    }
}

/// A large community (RFC 8092).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LargeCommunity {
    /// Global administrator, an AS number.
    pub global: u32,
    /// First local part.
    pub local1: u32,
    /// Second local part.
    pub local2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

/// An extended community (RFC 4360), as its eight octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// The subtype of a route target (RFC 4360 §4).
const ROUTE_TARGET: u8 = 0x02;
/// The subtype of a route origin (RFC 4360 §5).
const ROUTE_ORIGIN: u8 = 0x03;

impl ExtendedCommunity {
    /// A transitive two-octet-AS community (RFC 4360 §3.1).
    pub const fn two_octet_as(subtype: u8, asn: u16, value: u32) -> Self {
        let [a, b] = asn.to_be_bytes();
        let [c, d, e, f] = value.to_be_bytes();
        Self([0x00, subtype, a, b, c, d, e, f])
    }

    /// A transitive four-octet-AS community (RFC 5668 §2).
    pub const fn four_octet_as(subtype: u8, asn: u32, value: u16) -> Self {
        let [a, b, c, d] = asn.to_be_bytes();
        let [e, f] = value.to_be_bytes();
        Self([0x02, subtype, a, b, c, d, e, f])
    }

    /// Does it cross AS borders? (RFC 4360 §2: the T bit is zero.)
    pub const fn is_transitive(&self) -> bool {
        let [kind, ..] = self.0;
        kind & 0x40 == 0
    }
}

impl fmt::Display for ExtendedCommunity {
    /// `rt:` and `ro:` for route target and route origin, else `generic:` with both words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, a, b, c, d, e, g] = self.0;
        let name = match subtype {
            ROUTE_TARGET => "rt",
            ROUTE_ORIGIN => "ro",
            _ => "",
        };
        match (name, kind) {
            ("rt" | "ro", 0x00) => {
                let value = u32::from_be_bytes([c, d, e, g]);
                write!(f, "{name}:{}:{value}", u16::from_be_bytes([a, b]))
            }
            ("rt" | "ro", 0x01) => {
                let value = u16::from_be_bytes([e, g]);
                write!(f, "{name}:{}:{value}", Ipv4Addr::new(a, b, c, d))
            }
            // A four-octet AS that would fit in two octets keeps its form with a "L", or the
            // text would read back as the two-octet form.
            ("rt" | "ro", 0x02) => {
                let (asn, value) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g]));
                let mark = if asn <= u32::from(u16::MAX) { "L" } else { "" };
                write!(f, "{name}:{asn}{mark}:{value}")
            }
            _ => {
                let high = u32::from_be_bytes([kind, subtype, a, b]);
                let low = u32::from_be_bytes([c, d, e, g]);
                write!(f, "generic:0x{high:08x}:0x{low:08x}")
            }
        }
    }
}

/// An IPv6-address-specific extended community (RFC 5701), as its twenty octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv6ExtendedCommunity(pub [u8; 20]);

impl Ipv6ExtendedCommunity {
    /// Does it cross AS borders? (RFC 5701 §2, with RFC 4360 §2: the T bit is zero.)
    pub const fn is_transitive(&self) -> bool {
        self.0[0] & 0x40 == 0
    }
}

impl fmt::Display for Ipv6ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, address, value) = self.parts();
        match kind {
            0x0002 => write!(f, "rt:[{address}]:{value}"),
            0x0003 => write!(f, "ro:[{address}]:{value}"),
            _ => write!(f, "generic6:0x{kind:04x}:[{address}]:{value}"),
        }
    }
}

impl Ipv6ExtendedCommunity {
    /// Type with subtype, global administrator, local administrator (RFC 5701 §2).
    fn parts(&self) -> (u16, Ipv6Addr, u16) {
        let (mut kind, mut address, mut value) = ([0; 2], [0; 16], [0; 2]);
        let mut octets = self.0.into_iter();
        for place in kind.iter_mut().chain(&mut address).chain(&mut value) {
            *place = octets.next().unwrap_or_default();
        }
        (u16::from_be_bytes(kind), Ipv6Addr::from(address), u16::from_be_bytes(value))
    }

    fn from_parts(kind: u16, address: Ipv6Addr, value: u16) -> Self {
        let mut octets = [0; 20];
        let parts = [&kind.to_be_bytes()[..], &address.octets()[..], &value.to_be_bytes()[..]];
        for (place, octet) in octets.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *octet;
        }
        Self(octets)
    }
}

/// The text is not a community of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not {kind}")]
pub struct ParseCommunityError {
    text: String,
    kind: &'static str,
}

impl ParseCommunityError {
    fn new(text: &str, kind: &'static str) -> Self {
        Self { text: text.to_owned(), kind }
    }
}

/// Digits only: `u32::from_str` would take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok())?
}

impl FromStr for Community {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (global, local) = text.split_once(':')?;
            Some(Self::new(number(global)?, number(local)?))
        };
        parse().ok_or_else(|| ParseCommunityError::new(text, "a community (1:2, each to 65535)"))
    }
}

impl FromStr for LargeCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (global, rest) = text.split_once(':')?;
            let (local1, local2) = rest.split_once(':')?;
            Some(Self { global: number(global)?, local1: number(local1)?, local2: number(local2)? })
        };
        parse().ok_or_else(|| ParseCommunityError::new(text, "a large community (1:2:3)"))
    }
}

impl FromStr for ExtendedCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (kind, rest) = text.split_once(':')?;
            let (global, local) = rest.split_once(':')?;
            let subtype = match kind {
                "rt" => ROUTE_TARGET,
                "ro" => ROUTE_ORIGIN,
                "generic" => {
                    let [a, b, c, d] = hex(global)?.to_be_bytes();
                    let [e, f, g, h] = hex(local)?.to_be_bytes();
                    return Some(Self([a, b, c, d, e, f, g, h]));
                }
                _ => return None,
            };
            if let Ok(address) = global.parse::<Ipv4Addr>() {
                let [a, b, c, d] = address.octets();
                let [e, f] = number::<u16>(local)?.to_be_bytes();
                return Some(Self([0x01, subtype, a, b, c, d, e, f]));
            }
            if let Some(asn) = global.strip_suffix('L') {
                return Some(Self::four_octet_as(subtype, number(asn)?, number(local)?));
            }
            Some(match number::<u16>(global) {
                Some(asn) => Self::two_octet_as(subtype, asn, number(local)?),
                None => Self::four_octet_as(subtype, number(global)?, number(local)?),
            })
        };
        parse().ok_or_else(|| {
            ParseCommunityError::new(
                text,
                "an extended community (rt:1:2, ro:1:2, generic:0x1:0x2)",
            )
        })
    }
}

impl FromStr for Ipv6ExtendedCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (kind, rest) = text.split_once(':')?;
            let (kind, rest) = match kind {
                "rt" => (0x0002, rest),
                "ro" => (0x0003, rest),
                "generic6" => {
                    let (kind, rest) = rest.split_once(':')?;
                    (u16::try_from(hex(kind)?).ok()?, rest)
                }
                _ => return None,
            };
            let (address, value) = rest.strip_prefix('[')?.split_once("]:")?;
            Some(Self::from_parts(kind, address.parse().ok()?, number(value)?))
        };
        parse().ok_or_else(|| {
            ParseCommunityError::new(text, "an IPv6 extended community (rt:[2001:db8::1]:2)")
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        assert_eq!(Community::new(64500, 1).to_string(), "64500:1");
        assert_eq!("65535:666".parse(), Ok(Community::BLACKHOLE));
        assert_eq!("rt:64500:1".parse(), Ok(ExtendedCommunity([0, 2, 0xfb, 0xf4, 0, 0, 0, 1])));
        assert_eq!("ro:192.0.2.1:7".parse(), Ok(ExtendedCommunity([1, 3, 192, 0, 2, 1, 0, 7])));
        assert_eq!(
            "rt:4200000000:7".parse(),
            Ok(ExtendedCommunity::four_octet_as(2, 4_200_000_000, 7))
        );
        assert_eq!("rt:1L:7".parse(), Ok(ExtendedCommunity::four_octet_as(2, 1, 7)));
        assert_eq!(
            ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 2]).to_string(),
            "generic:0x43000000:0x00000002"
        );
        assert!(!ExtendedCommunity([0x43, 0, 0, 0, 0, 0, 0, 2]).is_transitive());
        for bad in ["", "1", "1:65536", "+1:1", "1:2:3", " 1:2"] {
            assert!(bad.parse::<Community>().is_err(), "{bad}");
        }
        for bad in ["1:2", "1:2:4294967296", "1:2:3:4"] {
            assert!(bad.parse::<LargeCommunity>().is_err(), "{bad}");
        }
        for bad in ["rt:4200000000:65536", "xx:1:2", "generic:1:2", "rt:1", "rt:192.0.2.1:65536"] {
            assert!(bad.parse::<ExtendedCommunity>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_community_reads_back_from_its_text(
            octets: [u8; 8], long: [u8; 20], kind in 0u8..4, subtype in 0u8..5, word: u32, large: (u32, u32, u32)
        ) {
            let community = Community(word);
            prop_assert_eq!(community.to_string().parse(), Ok(community));
            let large = LargeCommunity { global: large.0, local1: large.1, local2: large.2 };
            prop_assert_eq!(large.to_string().parse(), Ok(large));
            let long = Ipv6ExtendedCommunity(long);
            prop_assert_eq!(long.to_string().parse(), Ok(long));
            let [_, _, rest @ ..] = octets;
            let [a, b, c, d, e, f] = rest;
            for octets in [octets, [kind, subtype, a, b, c, d, e, f], [2, 2, 0, 0, c, d, e, f]] {
                let extended = ExtendedCommunity(octets);
                prop_assert_eq!(extended.to_string().parse(), Ok(extended));
            }
        }
    }
}
