//! Patterns of communities as they are written in a configuration.
//!
//! `a:b` is a standard community, `rt:a:b` and `ro:a:b` extended ones, `a:b:c` a large one. A part
//! is a number, a variable such as `$rs`, or `*` where a set of communities is meant.

use std::fmt;
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, u32};
use nom::combinator::{all_consuming, map, value};
use nom::multi::separated_list1;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// A part of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Term {
    /// A number.
    Number(u32),
    /// `$rs`: the route server's AS; `short_asn` in a standard community.
    Rs,
    /// `$peer`: a member's AS; its alias in a standard community.
    Peer,
    /// `$code`: a reject code.
    Code,
    /// `$location`: where a route was learnt.
    Location,
    /// `*`: anything.
    Any,
}

impl Term {
    /// How the term is written.
    fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::Number(_) => return None,
            Self::Rs => "$rs",
            Self::Peer => "$peer",
            Self::Code => "$code",
            Self::Location => "$location",
            Self::Any => "*",
        })
    }

    /// The name of a variable that needs a value other than the route server's AS.
    #[must_use]
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Self::Number(_) | Self::Rs => None,
            _ => self.text(),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.text()) {
            (Self::Number(number), _) => number.fmt(f),
            (_, text) => f.write_str(text.unwrap_or_default()),
        }
    }
}

/// Which extended community (RFC 4360 §4, §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExtendedKind {
    /// `rt`: route target.
    RouteTarget,
    /// `ro`: route origin.
    RouteOrigin,
}

impl ExtendedKind {
    /// The sub-type octet.
    #[must_use]
    pub fn sub_type(self) -> u8 {
        match self {
            Self::RouteTarget => 0x02,
            Self::RouteOrigin => 0x03,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::RouteTarget => "rt",
            Self::RouteOrigin => "ro",
        }
    }
}

/// How a community is encoded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1997.
    Standard,
    /// RFC 4360.
    Extended,
    /// RFC 8092.
    Large,
}

/// A pattern of communities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// `a:b`
    Standard([Term; 2]),
    /// `rt:a:b`, `ro:a:b`
    Extended(ExtendedKind, [Term; 2]),
    /// `a:b:c`
    Large([Term; 3]),
}

impl Pattern {
    /// The parts.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        match self {
            Self::Standard(terms) | Self::Extended(_, terms) => terms,
            Self::Large(terms) => terms,
        }
    }

    /// Whether a part is this one.
    #[must_use]
    pub fn has(&self, term: Term) -> bool {
        self.terms().contains(&term)
    }

    /// The encoding.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Standard(_) => Encoding::Standard,
            Self::Extended(..) => Encoding::Extended,
            Self::Large(_) => Encoding::Large,
        }
    }

    /// The pattern with each part replaced.
    #[must_use]
    pub fn map(&self, mut f: impl FnMut(Term) -> Term) -> Self {
        match *self {
            Self::Standard(terms) => Self::Standard(terms.map(f)),
            Self::Extended(kind, terms) => Self::Extended(kind, terms.map(f)),
            Self::Large(terms) => Self::Large(terms.map(&mut f)),
        }
    }

    /// The pattern that stands for every value of its variables but `$rs`.
    #[must_use]
    pub fn widened(&self) -> Self {
        self.map(|term| if term.variable().is_some() { Term::Any } else { term })
    }

    /// Whether it is in the range 65535:* of well-known communities, which are never removed.
    #[must_use]
    pub fn is_well_known(&self) -> bool {
        matches!(self, Self::Standard([Term::Number(0xFFFF), _]))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard([a, b]) => write!(f, "{a}:{b}"),
            Self::Extended(kind, [a, b]) => write!(f, "{}:{a}:{b}", kind.text()),
            Self::Large([a, b, c]) => write!(f, "{a}:{b}:{c}"),
        }
    }
}

/// Text that is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{text}\" is no community pattern: a:b, rt:a:b, ro:a:b or a:b:c, each part a number, $rs, \
     $peer, $code, $location or *"
)]
pub struct PatternSyntax {
    /// The text.
    pub text: String,
}

impl FromStr for Pattern {
    type Err = PatternSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match all_consuming(pattern).parse(text) {
            Ok((_, Some(pattern))) => Ok(pattern),
            _ => Err(PatternSyntax { text: text.to_owned() }),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn pattern(input: &str) -> IResult<&str, Option<Pattern>> {
    let kind = alt((
        value(ExtendedKind::RouteTarget, tag("rt:")),
        value(ExtendedKind::RouteOrigin, tag("ro:")),
    ));
    let extended = (kind, term, preceded(char(':'), term));
    let plain = separated_list1(char(':'), term);
    alt((
        map(extended, |(kind, a, b)| Some(Pattern::Extended(kind, [a, b]))),
        map(plain, |terms| match terms[..] {
            [a, b] if fits_16_bits(a) && fits_16_bits(b) => Some(Pattern::Standard([a, b])),
            [a, b, c] => Some(Pattern::Large([a, b, c])),
            _ => None,
        }),
    ))
    .parse(input)
}

fn term(input: &str) -> IResult<&str, Term> {
    alt((
        map(u32, Term::Number),
        value(Term::Rs, tag("$rs")),
        value(Term::Peer, tag("$peer")),
        value(Term::Code, tag("$code")),
        value(Term::Location, tag("$location")),
        value(Term::Any, tag("*")),
    ))
    .parse(input)
}

fn fits_16_bits(term: Term) -> bool {
    !matches!(term, Term::Number(number) if number > 0xFFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_prints() {
        for text in [
            "0:$rs",
            "$rs:$peer",
            "rt:0:$peer",
            "ro:64500:4200000000",
            "$rs:65520:$code",
            "65535:666",
            "$rs:1020:$location",
            "0:*",
            "4294967295:0:1",
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "1",
            "1:2:3:4",
            "rt:1",
            "rt:1:2:3",
            "$x:1",
            "65536:1",
            "1:65536",
            "1:",
            ":1",
            "1: 2",
            "-1:2",
            "4294967296:1:1",
            "gen:1:2",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
