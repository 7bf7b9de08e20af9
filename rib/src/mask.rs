//! Operations on masks: one bit for each slot, in words.
//!
//! Everything a shard keeps about "which peers" is a mask of the shard's width, so that a
//! decision is a handful of word operations. Peer sets of plans may be shorter (trailing zero
//! words are never stored); a missing word is zero.

use policy::Slot;

/// A mask of the shard's width.
pub(crate) type Mask = Vec<u64>;

/// The word and the bit of a slot.
pub(crate) const fn position(slot: Slot) -> (usize, u64) {
    ((slot.0 >> 6) as usize, 1 << (slot.0 & 63))
}

/// Is the slot's bit set?
pub(crate) fn contains(words: &[u64], slot: Slot) -> bool {
    let (word, bit) = position(slot);
    words.get(word).is_some_and(|w| w & bit != 0)
}

/// Sets the slot's bit, growing the mask where it must.
pub(crate) fn insert(words: &mut Mask, slot: Slot) {
    let (word, bit) = position(slot);
    if words.len() <= word {
        words.resize(word + 1, 0);
    }
    words[word] |= bit;
}

/// Clears the slot's bit. Was it set?
pub(crate) fn remove(words: &mut [u64], slot: Slot) -> bool {
    let (word, bit) = position(slot);
    match words.get_mut(word) {
        Some(w) => {
            let was = *w & bit != 0;
            *w &= !bit;
            was
        }
        None => false,
    }
}

/// Sets or clears the slot's bit.
pub(crate) fn assign(words: &mut Mask, slot: Slot, on: bool) {
    if on {
        insert(words, slot);
    } else {
        remove(words, slot);
    }
}

/// Is no bit set?
pub(crate) fn is_empty(words: &[u64]) -> bool {
    words.iter().all(|w| *w == 0)
}

/// `a & b` has no bit.
pub(crate) fn disjoint(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a & b == 0)
}

/// Every bit of `a` is in `b`.
pub(crate) fn is_subset(a: &[u64], b: &[u64]) -> bool {
    a.iter().enumerate().all(|(i, a)| a & !b.get(i).copied().unwrap_or(0) == 0)
}

/// `a &= b`.
pub(crate) fn and_assign(a: &mut [u64], b: &[u64]) {
    let common = a.len().min(b.len());
    a[..common].iter_mut().zip(b).for_each(|(a, b)| *a &= b);
    a[common..].fill(0);
}

/// `a |= b`; `b` is not longer than `a`.
pub(crate) fn or_assign(a: &mut [u64], b: &[u64]) {
    debug_assert!(b.len() <= a.len() || is_empty(&b[a.len()..]));
    a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
}

/// `a &= !b`.
pub(crate) fn and_not_assign(a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a &= !b);
}

/// The slots of a mask, in order.
pub(crate) fn slots(words: &[u64]) -> impl Iterator<Item = Slot> {
    words.iter().enumerate().flat_map(|(i, w)| {
        let mut rest = *w;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                // Slots are 16 bits wide, and no mask is longer than that.
                Slot((i * 64) as u16 + bit as u16)
            })
        })
    })
}

/// The words without trailing zeros: what is equal is equal word by word.
pub(crate) fn trimmed(words: &[u64]) -> &[u64] {
    let end = words.iter().rposition(|w| *w != 0).map_or(0, |last| last + 1);
    &words[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_and_go() {
        let mut mask = Mask::new();
        insert(&mut mask, Slot(3));
        insert(&mut mask, Slot(130));
        assert_eq!(mask.len(), 3);
        assert!(contains(&mask, Slot(130)) && !contains(&mask, Slot(131)));
        assert!(!contains(&mask, Slot(1000)));
        assert_eq!(slots(&mask).collect::<Vec<_>>(), [Slot(3), Slot(130)]);
        assert!(remove(&mut mask, Slot(130)) && !remove(&mut mask, Slot(130)));
        assert_eq!(trimmed(&mask), [8]);
        assign(&mut mask, Slot(3), false);
        assert!(is_empty(&mask) && trimmed(&mask).is_empty());
    }

    #[test]
    fn shorter_operands_count_as_zero() {
        let mut a = vec![7, 7];
        and_assign(&mut a, &[5]);
        assert_eq!(a, [5, 0]);
        or_assign(&mut a, &[2]);
        assert_eq!(a, [7, 0]);
        and_not_assign(&mut a, &[1]);
        assert_eq!(a, [6, 0]);
        assert!(is_subset(&[4], &a) && !is_subset(&[4, 1], &[4]));
        assert!(disjoint(&a, &[1, 1]) && !disjoint(&a, &[2]));
    }
}
