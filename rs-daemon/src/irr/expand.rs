//! Expansion of names at an IRRd: as-sets level by level, then the routes of all AS numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bgp_wire::Prefix;

use super::irrd::{Answer, IrrdClient};
use super::name::SetName;
use super::object::Object;
use super::policies::{AutNum, FetchedPolicies, Followers};
use super::sets::{Below, Sets};
use super::{Expanded, IrrError};

/// Why a set stays as it was.
pub(crate) const TOO_MUCH: &str =
    "more as-sets below it than are followed: what was known of it before holds, if anything was";

/// AS numbers that are asked about together.
const AT_ONCE: usize = 256;

/// Expands all names together, so that what they share is asked for once. Names that bring too much
/// are left out.
pub(crate) async fn expand(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
    now: u64,
) -> Result<BTreeMap<SetName, Expanded>, IrrError> {
    let found = closures(client, names).await?;
    let found: Vec<_> = found
        .into_iter()
        .filter_map(|(name, below)| match below {
            Below::Unknown => Some((name, None)),
            Below::TooMuch => None,
            Below::Origins(origins) => Some((name, Some(origins))),
        })
        .collect();
    let origins: BTreeSet<u32> =
        found.iter().filter_map(|(_, origins)| origins.as_ref()).flatten().copied().collect();
    let routes = fetch_routes(client, &origins).await?;
    let expanded = aside(move || {
        let expanded = found.into_iter().map(|(name, origins)| {
            let known = origins.is_some();
            let origins = origins.unwrap_or_default();
            let routes = origins.iter().flat_map(|origin| routes.get(origin).into_iter().flatten());
            let prefixes = routes.copied();
            (name, Expanded::new(known, origins.iter().copied(), prefixes, now))
        });
        expanded.collect()
    });
    Ok(expanded.await)
}

/// Runs what takes as long as other people's as-sets make it, on a thread that nobody waits for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What stands below each name.
async fn closures(
    client: &mut IrrdClient,
    names: &BTreeSet<SetName>,
) -> Result<Vec<(SetName, Below)>, IrrError> {
    let sets = fetch_sets(client, names).await?;
    let names = names.clone();
    let below = move || {
        let below = |name| {
            let below = sets.closure(&name);
            (name, below)
        };
        names.into_iter().map(below).collect()
    };
    Ok(aside(below).await)
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
    for (name, below) in closures(client, &fetched.named_sets()).await? {
        let origins = match below {
            Below::Unknown => None,
            Below::Origins(origins) => Some(origins),
            Below::TooMuch => {
                tracing::error!(set = %name, "AS-SET of an RPSL policy: {TOO_MUCH}");
                fetched.too_much.insert(name);
                continue;
            }
        };
        fetched.sets.insert(name, origins);
    }
    Ok(fetched)
}

/// One level of the sets after another, each asked for in one go.
async fn fetch_sets(client: &mut IrrdClient, names: &BTreeSet<SetName>) -> Result<Sets, IrrError> {
    let mut sets = Sets::default();
    let mut level = sets.next_level(names, names.clone());
    let roots = Arc::new(names.clone());
    while !level.is_empty() {
        let found = in_each_source(client, &level, |set| format!("!i{set}")).await?;
        let mut named = BTreeSet::new();
        for (name, answer) in found {
            let found = match answer {
                Answer::NotFound | Answer::Refused(_) => None,
                answer => {
                    Some(answer.words().filter_map(|w| w.parse().ok()).collect::<Vec<SetName>>())
                }
            };
            named.extend(found.iter().flatten().cloned());
            sets.insert(name, found);
        }
        let roots = Arc::clone(&roots);
        (sets, level) = aside(move || {
            let level = sets.next_level(&roots, named);
            (sets, level)
        })
        .await;
    }
    find_empty(client, names, &mut sets).await?;
    Ok(sets)
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
    sets: &mut Sets,
) -> Result<(), IrrError> {
    let missing: BTreeSet<SetName> =
        names.iter().filter(|name| sets.is_missing(name)).cloned().collect();
    for (name, answer) in in_each_source(client, &missing, |set| format!("!mas-set,{set}")).await? {
        if matches!(answer, Answer::Data(_)) {
            sets.insert(name, Some(Vec::new()));
        }
    }
    Ok(())
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
