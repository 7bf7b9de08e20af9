//! Expansion of names at an IRRd: as-sets level by level, then the routes of all AS numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bgp_wire::Prefix;

use super::irrd::{Answer, IrrdClient};
use super::name::SetName;
use super::{Expanded, IrrError};

/// A name's direct members; `None`: the server knows no such set.
type Members = HashMap<SetName, Option<Vec<SetName>>>;

/// Expands all names together, so that what they share is asked for once.
pub(crate) async fn expand(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
    now: u64,
) -> Result<BTreeMap<SetName, Expanded>, IrrError> {
    let members = fetch_sets(client, names).await?;
    let mut expanded: BTreeMap<SetName, Expanded> = BTreeMap::new();
    for name in names {
        let (known, origins) = closure(name, &members);
        let entry = Expanded { known, origins, prefixes: BTreeSet::new(), fetched_unix_secs: now };
        expanded.insert(name.clone(), entry);
    }
    let origins: BTreeSet<u32> = expanded.values().flat_map(|e| &e.origins).copied().collect();
    let routes = fetch_routes(client, &origins).await?;
    for entry in expanded.values_mut() {
        for origin in &entry.origins {
            entry.prefixes.extend(routes.get(origin).into_iter().flatten().copied());
        }
    }
    Ok(expanded)
}

/// One level of the sets after another, each asked for in one go; a name is asked for once,
/// which also ends every loop.
async fn fetch_sets(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
) -> Result<Members, IrrError> {
    let mut members = Members::new();
    let mut level: BTreeSet<SetName> = names.clone();
    loop {
        level.retain(|n| matches!(n, SetName::Set { .. }) && !members.contains_key(n));
        if level.is_empty() {
            return Ok(members);
        }
        // A named source is selected for its query and the configured ones again after it.
        let mut queries = Vec::new();
        let mut asked = Vec::new();
        for name in &level {
            let SetName::Set { source, name: set } = name else { continue };
            let select = source.as_deref().and_then(|s| client.select(Some(s)));
            let restore = if select.is_some() { client.select(None) } else { None };
            queries.extend(select);
            asked.push((queries.len(), name.clone()));
            queries.push(format!("!i{set}"));
            queries.extend(restore);
        }
        let answers = client.query_all(&queries).await?;
        let mut next = BTreeSet::new();
        for (at, name) in asked {
            let found = match answers.get(at) {
                None | Some(Answer::NotFound) => None,
                Some(answer) => {
                    Some(answer.words().filter_map(|w| w.parse().ok()).collect::<Vec<SetName>>())
                }
            };
            next.extend(found.iter().flatten().cloned());
            members.insert(name, found);
        }
        level = next;
    }
}

/// All AS numbers below a name, and whether the name itself is known.
fn closure(root: &SetName, members: &Members) -> (bool, BTreeSet<u32>) {
    let known = match root {
        SetName::Asn(_) => true,
        SetName::Set { .. } => members.get(root).is_some_and(Option::is_some),
    };
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
    (known, origins)
}

async fn fetch_routes(
    client: &mut IrrdClient,
    origins: &BTreeSet<u32>,
) -> Result<HashMap<u32, Vec<Prefix>>, IrrError> {
    let queries: Vec<String> =
        origins.iter().flat_map(|o| [format!("!gAS{o}"), format!("!6AS{o}")]).collect();
    let answers = client.query_all(&queries).await?;
    let mut routes: HashMap<u32, Vec<Prefix>> = HashMap::new();
    for (origin, pair) in origins.iter().zip(answers.chunks(2)) {
        let prefixes = pair.iter().flat_map(Answer::words).filter_map(|w| w.parse().ok());
        routes.insert(*origin, prefixes.collect());
    }
    Ok(routes)
}
