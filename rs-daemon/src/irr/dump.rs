//! RPSL dump files (RFC 2622): only what set expansion needs of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bgp_wire::{Asn, Prefix};

use super::name::SetName;
use super::object::Object;
use super::policies::{AutNum, FetchedPolicies, Followers};
use super::{Expanded, IrrError};

/// An as-set of one database.
#[derive(Clone, Debug, Default)]
struct AsSet {
    members: Vec<SetName>,
    /// Maintainers whose AS numbers and sets may join with `member-of` (RFC 2622 §5.1).
    by_ref: Vec<String>,
}

/// The objects of all dumps.
#[derive(Debug, Default)]
pub struct Dump {
    /// By name, then by source.
    as_sets: HashMap<String, HashMap<String, AsSet>>,
    routes: HashMap<Asn, Vec<Prefix>>,
    /// What says of itself that it belongs to a set: (set, its maintainers, itself).
    joins: HashMap<String, Vec<(Vec<String>, SetName)>>,
    sources: Vec<String>,
    /// Those that are wanted, by source.
    aut_nums: HashMap<Asn, HashMap<String, AutNum>>,
    wanted: Followers,
    /// When it was read, in seconds since 1970.
    now: u64,
}

impl Dump {
    /// Reads dump files; only objects of `sources` count (empty: of all), and of aut-num objects
    /// only the policies of `wanted`. as-sets of other sources are found where a name says so.
    pub fn read(
        paths: &[impl AsRef<Path>],
        sources: &[String],
        wanted: &Followers,
        now: u64,
    ) -> Result<Self, IrrError> {
        let mut dump = Self::new(sources, wanted, now);
        for path in paths {
            let path = path.as_ref();
            let failed = |source| IrrError::Dump { path: path.to_owned(), source };
            let file = File::open(path).map_err(failed)?;
            let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
                Box::new(flate2::read::MultiGzDecoder::new(file))
            } else {
                Box::new(file)
            };
            dump.read_objects(BufReader::with_capacity(1 << 20, reader)).map_err(failed)?;
        }
        Ok(dump)
    }

    /// Nothing read yet.
    #[must_use]
    pub fn new(sources: &[String], wanted: &Followers, now: u64) -> Self {
        let sources = sources.iter().map(|s| s.to_ascii_uppercase()).collect();
        Self { sources, wanted: wanted.clone(), now, ..Self::default() }
    }

    /// Reads objects: attributes in lines, objects apart by empty lines, continuation lines
    /// beginning with white space or `+` (RFC 2622 §2).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn read_objects(&mut self, mut reader: impl BufRead) -> io::Result<()> {
        let mut object = Object::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let end = reader.read_until(b'\n', &mut line)? == 0;
            // Old databases are Latin-1; names and prefixes are ASCII in either.
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if text.is_empty() {
                self.take(&object);
                object.clear();
                if end {
                    return Ok(());
                }
                continue;
            }
            object.push_line(text);
        }
    }

    fn take(&mut self, object: &Object) {
        let Some((class, key)) = object.class() else { return };
        let source = object.source();
        let asked = self.sources.is_empty() || self.sources.contains(&source);
        match class {
            // `SOURCE::AS-SET` is asked for by its name, as of a server.
            "as-set" => self.take_set(object, key, source, asked),
            _ if !asked => {}
            "route" | "route6" => {
                let origin = object.all("origin").next().and_then(|o| o.split_whitespace().next());
                if let (Ok(prefix), Some(Ok(origin))) = (key.parse(), origin.map(str::parse)) {
                    self.routes.entry(origin).or_default().push(prefix);
                }
            }
            "aut-num" => {
                self.take_joins(object, key);
                self.take_policy(object, key, source);
            }
            _ => {}
        }
    }

    fn take_set(&mut self, object: &Object, key: &str, source: String, asked: bool) {
        let Ok(SetName::Set { name, .. }) = key.parse() else { return };
        // A member that is no name is left out; the rest of the set is still the set.
        let members = object.list("members").filter_map(|m| m.parse().ok()).collect();
        let by_ref = object.list("mbrs-by-ref").map(str::to_ascii_uppercase).collect();
        self.as_sets.entry(name).or_default().insert(source, AsSet { members, by_ref });
        if asked {
            self.take_joins(object, key);
        }
    }

    fn take_policy(&mut self, object: &Object, key: &str, source: String) {
        let Ok(asn) = key.parse() else { return };
        if let Some(servers) = self.wanted.get(&asn) {
            let read = AutNum::read(object, servers, self.now);
            self.aut_nums.entry(asn).or_default().insert(source, read);
        }
    }

    fn take_joins(&mut self, object: &Object, key: &str) {
        let Ok(name) = key.parse::<SetName>() else { return };
        let maintainers: Vec<String> = object.list("mnt-by").map(str::to_ascii_uppercase).collect();
        for set in object.list("member-of") {
            let join = (maintainers.clone(), name.clone());
            self.joins.entry(set.to_ascii_uppercase()).or_default().push(join);
        }
    }

    /// What one source says, or the first of those in order that says something.
    fn preferred<'a, T>(&self, by_source: &'a HashMap<String, T>) -> Option<&'a T> {
        if !self.sources.is_empty() {
            return self.sources.iter().find_map(|source| by_source.get(source));
        }
        // Without an order of sources: the first by name, so that two runs agree.
        by_source.iter().min_by_key(|(source, _)| *source).map(|(_, one)| one)
    }

    /// Direct members of an as-set: of the named source, or of the first that has it.
    fn members(&self, source: Option<&str>, name: &str) -> Option<Vec<SetName>> {
        let by_source = self.as_sets.get(name)?;
        let set = match source {
            Some(source) => by_source.get(source)?,
            None => self.preferred(by_source)?,
        };
        let joined = self.joins.get(name).into_iter().flatten().filter(|(maintainers, _)| {
            set.by_ref.iter().any(|m| m == "ANY" || maintainers.contains(m))
        });
        Some(set.members.iter().cloned().chain(joined.map(|(_, n)| n.clone())).collect())
    }

    /// The AS numbers below a name, whatever loops its sets have; `None`: nobody knows the name.
    #[must_use]
    pub fn origins(&self, root: &SetName) -> Option<BTreeSet<u32>> {
        let (mut known, mut origins) = (false, BTreeSet::new());
        let (mut seen, mut todo) = (HashSet::new(), vec![root.clone()]);
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match &name {
                SetName::Asn(asn) => {
                    origins.insert(asn.0);
                    known |= name == *root;
                }
                SetName::Set { source, name: set } => {
                    let Some(members) = self.members(source.as_deref(), set) else { continue };
                    known |= name == *root;
                    todo.extend(members);
                }
            }
        }
        known.then_some(origins)
    }

    /// Expands a name to AS numbers and route objects.
    #[must_use]
    pub fn expand(&self, root: &SetName) -> Expanded {
        let origins = self.origins(root);
        let routes = |origin: &u32| self.routes.get(&Asn(*origin)).into_iter().flatten().copied();
        let prefixes = origins.iter().flatten().flat_map(routes);
        Expanded::new(origins.is_some(), origins.iter().flatten().copied(), prefixes, self.now)
    }

    /// The RPSL policies that were asked for, and the sets that they name.
    #[must_use]
    pub fn policies(&self) -> FetchedPolicies {
        let mut fetched = FetchedPolicies::default();
        for asn in self.wanted.keys() {
            let found = self.aut_nums.get(asn).and_then(|by_source| self.preferred(by_source));
            let found = found.cloned().unwrap_or_else(|| self.absent(asn));
            fetched.aut_nums.insert(*asn, found);
        }
        fetched.sets = fetched
            .named_sets()
            .into_iter()
            .map(|name| {
                let origins = self.origins(&name);
                (name, origins)
            })
            .collect();
        fetched
    }

    fn absent(&self, asn: &Asn) -> AutNum {
        AutNum::absent(self.wanted.get(asn).into_iter().flatten().copied(), self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: &str = "\
as-set: AS-TOP
members: AS-LEAF, AS64500,
+ AS64501 # a comment
members: NONSENSE
source: A

as-set: AS-LEAF
members: AS-TOP, AS64502
mbrs-by-ref: MNT-X
source: A

as-set: AS-LEAF
members: AS64599
source: B

aut-num: AS64503
member-of: AS-LEAF
mnt-by: MNT-X
source: A

aut-num: AS64504
member-of: AS-LEAF
mnt-by: MNT-STRANGER
source: A

route: 8.8.8.0/24
origin: AS64502
source: A

route6: 2620:fe::/48
origin: AS64503
source: A

route: 9.9.9.0/24
origin: AS64502
source: C
";

    fn dump(sources: &[&str]) -> Dump {
        let mut dump =
            Dump { sources: sources.iter().map(|s| (*s).to_owned()).collect(), ..Dump::default() };
        dump.read_objects(DB.as_bytes()).unwrap();
        dump
    }

    #[test]
    fn sets_expand_through_loops_references_and_continuation_lines() {
        let top = dump(&["A", "B"]).expand(&"as-top".parse().unwrap());
        assert!(top.known);
        assert_eq!(*top.origins, [64500, 64501, 64502, 64503]);
        let prefixes: Vec<String> = top.prefixes.iter().map(ToString::to_string).collect();
        assert_eq!(prefixes, ["8.8.8.0/24", "2620:fe::/48"], "source C was not asked for");
    }

    #[test]
    fn a_source_may_be_named_and_their_order_counts() {
        let origins = |sources: &[&str], name: &str| {
            dump(sources).expand(&name.parse().unwrap()).origins.into_vec()
        };
        assert_eq!(origins(&["A", "B"], "B::AS-LEAF"), [64599]);
        assert_eq!(origins(&["B", "A"], "AS-LEAF"), [64599]);
        assert_eq!(origins(&["A", "B"], "AS64500"), [64500]);
    }

    /// As from a server: its members and their routes are those of the sources that are asked.
    #[test]
    fn a_source_that_is_not_asked_is_found_where_it_is_named() {
        assert_eq!(*dump(&["A"]).expand(&"B::AS-LEAF".parse().unwrap()).origins, [64599]);
        assert_eq!(dump(&["A"]).expand(&"AS-LEAF".parse().unwrap()).origins[0], 64500);
        let other = dump(&["C"]).expand(&"A::AS-TOP".parse().unwrap());
        assert_eq!(*other.origins, [64500, 64501], "its AS-LEAF is nowhere in C");
        assert!(!dump(&["C"]).expand(&"AS-LEAF".parse().unwrap()).known, "nobody named A");
        let joined = dump(&["C"]).expand(&"A::AS-LEAF".parse().unwrap());
        assert_eq!(*joined.origins, [64502], "who joins it does so in a source that is not asked");
    }

    #[test]
    fn an_unknown_set_is_unknown_and_not_empty() {
        assert!(!dump(&[]).expand(&"AS-NOWHERE".parse().unwrap()).known);
    }
}
