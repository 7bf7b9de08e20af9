//! Expressions over AS numbers and AS-SETs (RFC 2622 §5.6).

use bgp_wire::Asn;
use hashbrown::HashSet;

use super::Unknown;

type AsnSet = HashSet<Asn, foldhash::fast::FixedState>;

/// An expression over ASes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AsExpression {
    /// `ANY`, `AS-ANY`
    Any,
    /// `AS64500`
    As(Asn),
    /// `AS-FOO`, `AS64500:AS-FOO`, `RIPE::AS-FOO`
    Set(String),
    /// In a filter, what is about prefixes or paths and not about ASes: `{192.0.2.0/24^+}`,
    /// `<^AS1 .*>`, `PeerAS`, `RS-FOO`, `FLTR-FOO`. It may let something of anybody through, and so
    /// may its contrary.
    Prefixes,
    /// `NOT a`
    Not(Box<Self>),
    /// `a AND b`
    And(Box<Self>, Box<Self>),
    /// `a OR b`
    Or(Box<Self>, Box<Self>),
    /// `a EXCEPT b`
    Except(Box<Self>, Box<Self>),
}

impl AsExpression {
    /// The AS-SETs that are named.
    pub fn sets(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Any | Self::As(_) | Self::Prefixes => Box::new(std::iter::empty()),
            Self::Set(name) => Box::new(std::iter::once(name.as_str())),
            Self::Not(a) => a.sets(),
            Self::And(a, b) | Self::Or(a, b) | Self::Except(a, b) => {
                Box::new(a.sets().chain(b.sets()))
            }
        }
    }

    /// Whether an AS number is written in it.
    #[must_use]
    pub fn names(&self, asn: Asn) -> bool {
        match self {
            Self::Any | Self::Set(_) | Self::Prefixes => false,
            Self::As(named) => *named == asn,
            Self::Not(a) => a.names(asn),
            Self::And(a, b) | Self::Or(a, b) | Self::Except(a, b) => a.names(asn) || b.names(asn),
        }
    }

    /// The ASes that are meant. `expand` gives the members of an AS-SET; `unknown` says which way
    /// to err where it cannot.
    pub fn evaluate(
        &self,
        expand: &mut dyn FnMut(&str) -> Option<Vec<Asn>>,
        unknown: Unknown,
    ) -> AsFilter {
        match self {
            Self::Any => AsFilter::All,
            Self::As(asn) => AsFilter::Only([*asn].into_iter().collect()),
            Self::Set(name) => match (expand(name), unknown) {
                (Some(members), _) => AsFilter::Only(members.into_iter().collect()),
                (None, Unknown::Nobody) => AsFilter::none(),
                (None, Unknown::Everybody) => AsFilter::All,
            },
            // The other way round: only what is said of ASes restricts.
            Self::Prefixes => match unknown {
                Unknown::Nobody => AsFilter::All,
                Unknown::Everybody => AsFilter::none(),
            },
            Self::Not(a) => a.evaluate(expand, unknown.inverted()).inverted(),
            Self::And(a, b) => a.evaluate(expand, unknown).and(&b.evaluate(expand, unknown)),
            Self::Or(a, b) => a.evaluate(expand, unknown).or(&b.evaluate(expand, unknown)),
            Self::Except(a, b) => {
                a.evaluate(expand, unknown).except(&b.evaluate(expand, unknown.inverted()))
            }
        }
    }
}

/// A set of AS numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AsFilter {
    /// Everybody.
    #[default]
    All,
    /// These.
    Only(AsnSet),
    /// Everybody but these.
    AllBut(AsnSet),
}

impl AsFilter {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(AsnSet::default())
    }

    /// Whether an AS is in it.
    #[must_use]
    pub fn allows(&self, asn: Asn) -> bool {
        match self {
            Self::All => true,
            Self::Only(asns) => asns.contains(&asn),
            Self::AllBut(asns) => !asns.contains(&asn),
        }
    }

    /// All others.
    #[must_use]
    pub fn inverted(self) -> Self {
        match self {
            Self::All => Self::none(),
            Self::Only(asns) if asns.is_empty() => Self::All,
            Self::Only(asns) => Self::AllBut(asns),
            Self::AllBut(asns) => Self::Only(asns),
        }
    }

    /// Those in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, same) | (same, Self::All) => same.clone(),
            (Self::AllBut(a), Self::AllBut(b)) => Self::AllBut(a | b),
            (Self::Only(asns), filter) | (filter, Self::Only(asns)) => {
                Self::Only(asns.iter().copied().filter(|&asn| filter.allows(asn)).collect())
            }
        }
    }

    /// Those in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.clone().inverted().and(&other.clone().inverted()).inverted()
    }

    /// Those in this one only.
    #[must_use]
    pub fn except(&self, other: &Self) -> Self {
        self.and(&other.clone().inverted())
    }
}
