//! bogons.yml: ours is built in, so only what ours lacks is carried over.

use bgp_wire::{Family, Prefix};
use serde_json::Value;

use crate::import::ImportError;

/// The entries that our list does not cover.
pub(super) fn unknown(
    document: &Value,
    notes: &mut Vec<String>,
) -> Result<Vec<Prefix>, ImportError> {
    let missing = || ImportError::Missing { file: "bogons.yml".to_owned(), what: "list `bogons`" };
    let entries = document.get("bogons").and_then(Value::as_array).ok_or_else(missing)?;
    let mut unknown = Vec::new();
    for entry in entries {
        let Some(prefix) = prefix(entry) else {
            notes.push(format!("bogons.yml: {entry} is no prefix: left out"));
            continue;
        };
        let exact = entry.get("exact").and_then(Value::as_bool) == Some(true);
        let known = policy::bogons::bogon_prefixes().iter().any(|ours| {
            let same = ours.prefix == prefix && (exact || ours.more_specifics);
            same || (ours.more_specifics && ours.prefix.covers(&prefix))
        });
        // `global_unicast_only` refuses what lies outside 2000::/3
        let global = Prefix::v6(std::net::Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
        let apart = prefix.family() == Family::V6
            && global.is_some_and(|global| !global.covers(&prefix) && !prefix.covers(&global));
        if known || apart {
            continue;
        }
        if exact {
            notes.push(format!("bogons.yml: {prefix} (exact): only whole ranges can be refused"));
        } else {
            unknown.push(prefix);
        }
    }
    notes.push(format!(
        "bogons.yml: our own list (version {}) is used instead; {} of its {} entries are not in \
         ours and went into `blacklist`",
        policy::bogons::version(),
        unknown.len(),
        entries.len()
    ));
    Ok(unknown)
}

/// `{ prefix: "10.0.0.0", length: 8 }`.
pub(super) fn prefix(entry: &Value) -> Option<Prefix> {
    let address = entry.get("prefix")?.as_str()?;
    let (address, length) = match address.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()?),
        None => (address, u8::try_from(entry.get("length")?.as_u64()?).ok()?),
    };
    Prefix::new(address.parse().ok()?, length)
}
