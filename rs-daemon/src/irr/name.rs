//! Names of as-sets (RFC 2622 §5.1) and the `SOURCE::` prefix.

use std::fmt;
use std::str::FromStr;

use bgp_wire::Asn;

/// An entry of a member's `as_set`, or a member of an as-set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SetName {
    /// An AS number.
    Asn(Asn),
    /// An as-set, perhaps of one database only. Upper case, as names are compared without case.
    Set {
        /// The database before `::`.
        source: Option<String>,
        /// `AS-NAME` or hierarchical `AS1:AS-NAME`.
        name: String,
    },
}

/// Not a name of an as-set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no as-set: AS-NAME, AS64500:AS-NAME, SOURCE::AS-NAME or AS64500 are")]
pub struct SetNameError(String);

impl FromStr for SetName {
    type Err = SetNameError;

    fn from_str(text: &str) -> Result<Self, SetNameError> {
        let wrong = || SetNameError(text.to_owned());
        let upper = text.trim().to_ascii_uppercase();
        if upper.starts_with("AS")
            && let Ok(asn) = upper.parse()
        {
            return Ok(Self::Asn(asn));
        }
        // Two colons part the database from the name; one parts the levels of a hierarchy.
        let (source, name) = match upper.split_once("::") {
            Some((source, name)) => (Some(source), name),
            None => (None, upper.as_str()),
        };
        let word = |w: &str| {
            !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        let mut parts = name.split(':');
        let is_asn = |p: &str| p.strip_prefix("AS").is_some_and(|n| n.parse::<u32>().is_ok());
        let part = |p: &str| word(p) && (p.starts_with("AS-") || is_asn(p));
        let has_set = name.split(':').any(|p| p.starts_with("AS-"));
        if !has_set || !parts.all(part) || !source.is_none_or(word) {
            return Err(wrong());
        }
        Ok(Self::Set { source: source.map(str::to_owned), name: name.to_owned() })
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn(asn) => write!(f, "AS{asn}"),
            Self::Set { source: Some(source), name } => write!(f, "{source}::{name}"),
            Self::Set { source: None, name } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchical_names_are_not_taken_for_sources() {
        let set = |source: Option<&str>, name: &str| SetName::Set {
            source: source.map(str::to_owned),
            name: name.to_owned(),
        };
        assert_eq!("as-foo".parse(), Ok(set(None, "AS-FOO")));
        assert_eq!("AS64500:AS-FOO:AS-BAR".parse(), Ok(set(None, "AS64500:AS-FOO:AS-BAR")));
        assert_eq!("RIPE::AS64500:AS-FOO".parse(), Ok(set(Some("RIPE"), "AS64500:AS-FOO")));
        assert_eq!("as64500".parse(), Ok(SetName::Asn(Asn(64500))));
        for wrong in
            ["FOO", "RIPE:AS-FOO", "AS1:AS2", "", "AS-FOO BAR", "::AS-FOO", "AS-A\n!q", "AS+1"]
        {
            assert!(wrong.parse::<SetName>().is_err(), "{wrong:?}");
        }
    }
}
