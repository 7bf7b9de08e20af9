//! Autonomous system numbers (RFC 6793).

use std::fmt;
use std::str::FromStr;

/// A four-octet autonomous system number; displays as plain digits (RFC 5396 asplain).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Asn(pub u32);

impl Asn {
    /// AS_TRANS, which stands for a number that does not fit in two octets (RFC 6793 §9).
    pub const TRANS: Self = Self(23456);

    /// The two octets that a speaker without four-octet support sees (RFC 6793 §4.2.2).
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// The text is not an AS number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an AS number (0 to 4294967295, with or without \"AS\")")]
pub struct ParseAsnError(String);

impl FromStr for Asn {
    type Err = ParseAsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = match text.get(..2) {
            Some(start) if start.eq_ignore_ascii_case("as") => text.get(2..).unwrap_or_default(),
            _ => text,
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseAsnError(text.to_owned()));
        }
        digits.parse().map(Self).map_err(|_| ParseAsnError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_asplain() {
        assert_eq!("AS64500".parse(), Ok(Asn(64500)));
        assert_eq!("as4200000000".parse(), Ok(Asn(4_200_000_000)));
        assert_eq!("0".parse(), Ok(Asn(0)));
        for bad in ["", "AS", "+1", "-1", "1.1", "4294967296", "ASAS1", " 1"] {
            assert!(bad.parse::<Asn>().is_err(), "{bad}");
        }
        assert_eq!(Asn(4_200_000_000).to_string(), "4200000000");
    }

    #[test]
    fn rfc6793_s4_2_2_as_trans_stands_for_what_does_not_fit() {
        assert_eq!(Asn(65535).two_octets(), 65535);
        assert_eq!(Asn(65536).two_octets(), 23456);
    }
}
