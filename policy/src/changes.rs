//! What differs between two snapshots of outside data.

use std::cmp::Ordering;

use bgp_wire::Prefix;

/// The prefixes of items that are in one of two ascending sequences only, without those that
/// another one covers.
pub(crate) fn differing<T: Ord>(
    old: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
    prefix: impl Fn(&T) -> Prefix,
) -> Vec<Prefix> {
    let mut changed = Vec::new();
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changed,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let differs = match order {
            Ordering::Less => old.next(),
            Ordering::Greater => new.next(),
            Ordering::Equal => {
                old.next();
                new.next();
                None
            }
        };
        if let Some(item) = differs {
            add(&mut changed, prefix(&item));
        }
    }
}

/// In ascending order a prefix comes right before all that it covers.
fn add(changed: &mut Vec<Prefix>, prefix: Prefix) {
    if changed.last().is_none_or(|last| !last.covers(&prefix)) {
        changed.push(prefix);
    }
}
