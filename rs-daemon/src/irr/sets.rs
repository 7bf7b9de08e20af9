//! The as-sets of one refresh: what stands in each of them, and how far they are followed.
//!
//! Anybody who may write an as-set can name any others in it, also ones that are not there: what one
//! name brings must not cost the members of the others their sets.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::name::SetName;

/// As-sets below all names that are followed in one refresh: the whole IRR has half as many.
const MOST_SETS: usize = 100_000;

/// As-sets that are asked for in one refresh, with those below names that turned out to bring too
/// many.
const MOST_ASKED: usize = 200_000;

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
    /// Named in these, and not asked for when they were; who is followed may have named some again.
    left_out: HashSet<SetName>,
    /// Roots that bring too much.
    given_up: BTreeSet<SetName>,
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
        named
            .retain(|name| matches!(name, SetName::Set { .. }) && !self.members.contains_key(name));
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
    fn followed(&mut self, roots: &BTreeSet<SetName>) -> HashSet<SetName> {
        let roots = roots.iter().filter(|root| !self.given_up.contains(*root));
        let mut by_size: Vec<_> = roots.map(|root| (self.below(root).len(), root)).collect();
        by_size.sort_unstable();
        let (mut followed, mut asked) = (HashSet::new(), self.members.len());
        let mut given_up = Vec::new();
        for (_, root) in by_size {
            // Not kept from before: all of them at once are much more than their union.
            let mut below = self.below(root);
            below.retain(|name| !followed.contains(*name));
            let new = below.iter().filter(|name| !self.members.contains_key(**name)).count();
            if followed.len() + below.len() <= MOST_SETS && asked + new <= MOST_ASKED {
                followed.extend(below.into_iter().cloned());
                asked += new;
            } else {
                given_up.push(root.clone());
            }
        }
        self.given_up.extend(given_up);
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
        let is_open =
            |name: &SetName| self.left_out.contains(name) && !self.members.contains_key(name);
        if below.iter().any(|name| is_open(name)) {
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

    /// What it names besides are sets of others, who come to them later than it does.
    #[test]
    fn who_names_most_takes_nothing_from_whom_it_names() {
        let greedy = |name: &str| match name {
            "AS-GREEDY" => {
                let nowhere = (0..=MOST_SETS).map(|n| format!("AS-NOWHERE{n}"));
                nowhere.chain(["AS-FAR".to_owned()]).collect()
            }
            "AS-GOOD" => vec!["AS-NEAR".to_owned()],
            "AS-NEAR" => vec!["AS-FAR".to_owned()],
            _ => vec!["AS64496".to_owned()],
        };
        let (sets, asked) = follow(&["AS-GOOD", "AS-GREEDY"], greedy);
        assert_eq!(asked, 4, "the two, AS-NEAR and AS-FAR");
        assert_eq!(sets.closure(&set("AS-GREEDY")), Below::TooMuch);
        assert_eq!(sets.closure(&set("AS-GOOD")), Below::Origins([64496].into()));
    }

    /// Each a level deeper than the one before, and a little smaller, so that it comes before it.
    #[test]
    fn those_who_name_much_one_after_the_other_are_asked_for_a_bounded_number() {
        let many = |name: &str| match name.split_once("-R").map(|(_, rest)| rest.split_once('D')) {
            // AS-R2D3 is three levels above what AS-R2 brings.
            Some(Some((root, deep))) => {
                let (root, deep): (usize, usize) = (root.parse().unwrap(), deep.parse().unwrap());
                match deep {
                    0 => (0..99_000 - 1000 * root).map(|n| format!("AS-N{root}X{n}")).collect(),
                    _ => vec![format!("AS-R{root}D{}", deep - 1)],
                }
            }
            _ => chain(10)(name),
        };
        let roots = ["AS-R0D0", "AS-R1D1", "AS-R2D2", "AS-R3D3", "AS-X0"];
        let (sets, asked) = follow(&roots, many);
        assert!(asked <= MOST_ASKED, "{asked}");
        assert_eq!(sets.closure(&set("AS-X0")), Below::Origins([64496].into()));
    }
}
