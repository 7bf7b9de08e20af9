//! Expansion of names at an IRRd: as-sets level by level, then the routes of all AS numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bgp_wire::Prefix;

use super::irrd::{Answer, IrrdClient};
use super::name::SetName;
use super::object::Object;
use super::policies::{AutNum, FetchedPolicies, Followers};
use super::{Expanded, IrrError};

/// A name's direct members; `None`: the server knows no such set.
type Members = HashMap<SetName, Option<Vec<SetName>>>;

/// AS numbers that are asked about together.
const AT_ONCE: usize = 256;

/// Expands all names together, so that what they share is asked for once.
pub(crate) async fn expand(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
    now: u64,
) -> Result<BTreeMap<SetName, Expanded>, IrrError> {
    let members = fetch_sets(client, names).await?;
    let found: Vec<_> = names.iter().map(|name| (name, closure(name, &members))).collect();
    drop(members);
    let origins: BTreeSet<u32> =
        found.iter().filter_map(|(_, origins)| origins.as_ref()).flatten().copied().collect();
    let routes = fetch_routes(client, &origins).await?;
    let expanded = found.into_iter().map(|(name, origins)| {
        let known = origins.is_some();
        let origins = origins.unwrap_or_default();
        let prefixes = origins.iter().flat_map(|origin| routes.get(origin).into_iter().flatten());
        let prefixes = prefixes.copied();
        (name.clone(), Expanded::new(known, origins.iter().copied(), prefixes, now))
    });
    Ok(expanded.collect())
}

/// The RPSL policies of members, and the sets that they name.
pub(crate) async fn policies(
    client: &mut IrrdClient,
    wanted: &Followers,
    now: u64,
) -> Result<FetchedPolicies, IrrError> {
    let mut fetched = FetchedPolicies::default();
    for (asn, servers) in wanted {
        fetched.aut_nums.insert(*asn, AutNum::absent(servers.iter().copied(), now));
    }
    // Objects may be large, and only some of their lines are kept: a few at a time.
    let all: Vec<_> = wanted.iter().collect();
    for some in all.chunks(AT_ONCE) {
        let queries: Vec<String> =
            some.iter().map(|(asn, _)| format!("!maut-num,AS{asn}")).collect();
        let answers = client.query_all(&queries).await?;
        for ((asn, servers), answer) in some.iter().zip(&answers) {
            if let Answer::Data(text) = answer {
                fetched.aut_nums.insert(**asn, AutNum::read(&Object::parse(text), servers, now));
            }
        }
    }
    let names = fetched.named_sets();
    let members = fetch_sets(client, &names).await?;
    fetched.sets = names
        .into_iter()
        .map(|name| {
            let origins = closure(&name, &members);
            (name, origins)
        })
        .collect();
    Ok(fetched)
}

/// As-sets of one refresh: the whole IRR has half as many.
const MOST_SETS: usize = 100_000;

/// As-sets within as-sets within as-sets.
const MOST_LEVELS: u64 = 64;

/// One level of the sets after another, each asked for in one go; a name is asked for once,
/// which also ends every loop.
async fn fetch_sets(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
) -> Result<Members, IrrError> {
    let mut members = Members::new();
    let mut level: BTreeSet<SetName> = names.clone();
    let mut depth = 0;
    loop {
        level.retain(|n| matches!(n, SetName::Set { .. }) && !members.contains_key(n));
        depth += 1;
        if depth > MOST_LEVELS {
            return Err(client.too_much("levels of as-sets", MOST_LEVELS));
        }
        if members.len() + level.len() > MOST_SETS {
            return Err(client.too_much("as-sets", MOST_SETS as u64));
        }
        if level.is_empty() {
            find_empty(client, names, &mut members).await?;
            return Ok(members);
        }
        let found = in_each_source(client, &level, |set| format!("!i{set}")).await?;
        let mut next = BTreeSet::new();
        for (name, answer) in found {
            let found = match answer {
                Answer::NotFound | Answer::Refused(_) => None,
                answer => {
                    Some(answer.words().filter_map(|w| w.parse().ok()).collect::<Vec<SetName>>())
                }
            };
            next.extend(found.iter().flatten().cloned());
            members.insert(name, found);
        }
        level = next;
    }
}

/// A query for each set, each in its source: a named one is selected for the query, and the
/// configured ones again after it. [`Answer::Refused`] says that there is no such source, which is
/// the fault of who named it and nobody else's.
async fn in_each_source(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
    query: impl Fn(&str) -> String,
) -> Result<Vec<(SetName, Answer)>, IrrError> {
    let named = |name: &SetName| matches!(name, SetName::Set { source: Some(_), .. });
    if names.iter().any(named) {
        client.learn_sources().await?;
    }
    let mut queries = Vec::new();
    let mut asked = Vec::new();
    for name in names {
        let SetName::Set { source, name: set } = name else { continue };
        let select = source.as_deref().and_then(|s| client.select(Some(s)));
        let selects = select.is_some();
        queries.extend(select);
        asked.push((queries.len(), selects, name.clone()));
        queries.push(query(set));
        queries.extend(selects.then(|| client.select(None)).flatten());
    }
    let answers = client.query_each(&queries).await?;
    let mut found = Vec::new();
    for (at, selects, name) in asked {
        let refused = selects && matches!(answers.get(at - 1), Some(Answer::Refused(_)));
        let picked = if refused { at - 1 } else { at };
        let answer = answers.get(picked).cloned().unwrap_or(Answer::NotFound);
        if refused {
            tracing::warn!(set = %name, ?answer, "the IRR server does not have that source");
        } else if let Some(query) = queries.get(at) {
            client.accepted(query, &answer)?;
        }
        found.push((name, answer));
    }
    Ok(found)
}

/// IRRd says of a set without members what it says of one that does not exist: among those that
/// were asked for by name, this finds the ones that are there and empty.
async fn find_empty(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
    members: &mut Members,
) -> Result<(), IrrError> {
    let missing = |name: &&SetName| members.get(*name).is_some_and(Option::is_none);
    let missing: BTreeSet<SetName> = names.iter().filter(missing).cloned().collect();
    for (name, answer) in in_each_source(client, &missing, |set| format!("!mas-set,{set}")).await? {
        if matches!(answer, Answer::Data(_)) {
            members.insert(name, Some(Vec::new()));
        }
    }
    Ok(())
}

/// All AS numbers below a name; `None`: the server does not know the name itself.
fn closure(root: &SetName, members: &Members) -> Option<BTreeSet<u32>> {
    if matches!(root, SetName::Set { .. }) {
        members.get(root).and_then(Option::as_ref)?;
    }
    let (mut origins, mut seen, mut todo) = (BTreeSet::new(), HashSet::new(), vec![root]);
    while let Some(name) = todo.pop() {
        if !seen.insert(name) {
            continue;
        }
        match name {
            SetName::Asn(asn) => {
                origins.insert(asn.0);
            }
            SetName::Set { .. } => {
                todo.extend(members.get(name).iter().copied().flatten().flatten())
            }
        }
    }
    Some(origins)
}

async fn fetch_routes(
    client: &mut IrrdClient,
    origins: &BTreeSet<u32>,
) -> Result<HashMap<u32, Box<[Prefix]>>, IrrError> {
    let mut routes = HashMap::with_capacity(origins.len());
    let origins: Vec<u32> = origins.iter().copied().collect();
    // Some at a time, so that the answers' text is never there all at once.
    for some in origins.chunks(AT_ONCE) {
        let queries: Vec<String> =
            some.iter().flat_map(|o| [format!("!gAS{o}"), format!("!6AS{o}")]).collect();
        let answers = client.query_all(&queries).await?;
        for (origin, pair) in some.iter().zip(answers.chunks(2)) {
            let prefixes = pair.iter().flat_map(Answer::words).filter_map(|w| w.parse().ok());
            routes.insert(*origin, prefixes.collect());
        }
    }
    Ok(routes)
}
