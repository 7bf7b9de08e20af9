//! The as-sets of one refresh: what stands in each of them, and how far they are followed.
//!
//! Anybody who may write an as-set can name any others in it, also ones that are not there: what one
//! name brings must not cost the members of the others their sets.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::name::SetName;

/// As-sets of one refresh: the whole IRR has half as many.
const MOST_SETS: usize = 100_000;

/// As-sets within as-sets within as-sets.
const MOST_LEVELS: usize = 64;

/// What stands below a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// The server does not know the name itself.
    Unknown,
    /// More as-sets than are followed.
    TooMuch,
    /// These AS numbers.
    Origins(BTreeSet<u32>),
}

/// As-sets that were asked for.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// A name's direct members; `None`: the server knows no such set.
    members: HashMap<SetName, Option<Vec<SetName>>>,
    /// Named in these, and not asked for.
    left_out: HashSet<SetName>,
    levels: usize,
}

impl Sets {
    /// What the server says of a name.
    pub(super) fn insert(&mut self, name: SetName, members: Option<Vec<SetName>>) {
        self.members.insert(name, members);
    }

    /// Whether the server was asked for this and knew nothing of it.
    pub(super) fn is_missing(&self, name: &SetName) -> bool {
        self.members.get(name).is_some_and(Option::is_none)
    }

    /// The next level: of names that have come up below `roots`, those to ask for, as far as the
    /// limits allow. A name is asked for once, which also ends every loop.
    pub(super) fn next_level(
        &mut self,
        roots: &BTreeSet<SetName>,
        mut named: BTreeSet<SetName>,
    ) -> BTreeSet<SetName> {
        named.retain(|name| {
            matches!(name, SetName::Set { .. })
                && !self.members.contains_key(name)
                && !self.left_out.contains(name)
        });
        if named.is_empty() {
            return named;
        }
        if self.levels == MOST_LEVELS {
            self.left_out.extend(named);
            return BTreeSet::new();
        }
        self.levels += 1;
        if self.members.len() + named.len() > MOST_SETS {
            let followed = self.followed(roots);
            let (level, left_out) = named.into_iter().partition(|name| followed.contains(name));
            named = level;
            self.left_out.extend::<BTreeSet<_>>(left_out);
        }
        named
    }

    /// As-sets below as many roots as there is room for: those that bring the fewest come first.
    fn followed(&self, roots: &BTreeSet<SetName>) -> HashSet<SetName> {
        let mut by_size: Vec<_> = roots.iter().map(|root| (self.below(root).len(), root)).collect();
        by_size.sort_unstable();
        let mut followed = HashSet::new();
        for (_, root) in by_size {
            // Not kept from before: all of them at once are much more than their union.
            let mut below = self.below(root);
            below.retain(|name| !followed.contains(*name));
            if followed.len() + below.len() <= MOST_SETS {
                followed.extend(below.into_iter().cloned());
            }
        }
        followed
    }

    /// A root and all as-sets below it that have come up, asked for or not.
    fn below<'a>(&'a self, root: &'a SetName) -> HashSet<&'a SetName> {
        let (mut seen, mut todo) = (HashSet::new(), vec![root]);
        while let Some(name) = todo.pop() {
            if matches!(name, SetName::Set { .. }) && seen.insert(name) {
                todo.extend(self.members.get(name).into_iter().flatten().flatten());
            }
        }
        seen
    }

    /// All AS numbers below a name.
    pub(super) fn closure(&self, root: &SetName) -> Below {
        if self.is_missing(root) {
            return Below::Unknown;
        }
        let below = self.below(root);
        if below.iter().any(|name| self.left_out.contains(*name)) {
            return Below::TooMuch;
        }
        let members = below.into_iter().filter_map(|name| self.members.get(name)?.as_ref());
        let origins = members.flatten().chain([root]).filter_map(|name| match name {
            SetName::Asn(asn) => Some(asn.0),
            SetName::Set { .. } => None,
        });
        Below::Origins(origins.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> SetName {
        name.parse().unwrap()
    }

    /// Follows `roots` as a refresh does, with the members that `of` gives; how many were asked for.
    fn follow(roots: &[&str], of: impl Fn(&str) -> Vec<String>) -> (Sets, usize) {
        let roots = roots.iter().copied().map(set).collect::<BTreeSet<_>>();
        let (mut sets, mut asked) = (Sets::default(), 0);
        let mut level = sets.next_level(&roots, roots.clone());
        while !level.is_empty() {
            asked += level.len();
            let mut named = BTreeSet::new();
            for name in level {
                let members: Vec<_> = of(&name.to_string()).iter().map(|name| set(name)).collect();
                named.extend(members.iter().cloned());
                sets.insert(name, Some(members));
            }
            level = sets.next_level(&roots, named);
        }
        (sets, asked)
    }

    /// AS-X0 names AS-X1 and so on; the last of `length` has AS64496 in it.
    fn chain(length: usize) -> impl Fn(&str) -> Vec<String> {
        move |name| match name.strip_prefix("AS-X").and_then(|n| n.parse::<usize>().ok()) {
            Some(n) if n + 1 < length => vec![format!("AS-X{}", n + 1)],
            _ => vec!["AS64496".to_owned()],
        }
    }

    #[test]
    fn sets_in_sets_are_followed_as_deep_as_documented_and_no_deeper() {
        let origins = Below::Origins([64496].into());
        let (sets, asked) = follow(&["AS-X0"], chain(MOST_LEVELS));
        assert_eq!((sets.closure(&set("AS-X0")), asked), (origins, MOST_LEVELS));

        let (sets, asked) = follow(&["AS-GOOD", "AS-X0", "AS-X1"], chain(MOST_LEVELS + 1));
        assert_eq!(asked, MOST_LEVELS + 2, "the last one for who is nearer to it");
        assert_eq!(sets.closure(&set("AS-X0")), Below::Origins([64496].into()));
        let (sets, _) = follow(&["AS-GOOD", "AS-X0", "AS-X2"], chain(MOST_LEVELS + 10));
        for deep in ["AS-X0", "AS-X2"] {
            assert_eq!(sets.closure(&set(deep)), Below::TooMuch, "{deep}");
        }
        assert_eq!(sets.closure(&set("AS-GOOD")), Below::Origins([64496].into()));
    }

    #[test]
    fn who_names_most_is_the_one_who_is_not_followed() {
        let greedy = |name: &str| match name {
            "AS-GREEDY" => (0..=MOST_SETS).map(|n| format!("AS-NOWHERE{n}")).collect(),
            "AS-GOOD" => vec!["AS-BELOW".to_owned()],
            "AS-ABOVE" => vec!["AS-GREEDY".to_owned(), "AS64497".to_owned()],
            _ => vec!["AS64496".to_owned()],
        };
        let (sets, asked) = follow(&["AS-ABOVE", "AS-GOOD", "AS-GREEDY"], greedy);
        assert_eq!(asked, 4, "the three and AS-BELOW");
        assert_eq!(sets.closure(&set("AS-GREEDY")), Below::TooMuch);
        assert_eq!(sets.closure(&set("AS-ABOVE")), Below::TooMuch, "it has that one in it");
        assert_eq!(sets.closure(&set("AS-GOOD")), Below::Origins([64496].into()));
    }
}
