//! Data from outside that prefixes are judged by.

use bgp_wire::{Asn, Family, Prefix};
use policy::{Vrp, VrpTable};

/// A /24 of 1.0.0.0 to 223.0.0.0 or a /32 of 2000::/3, spread as allocations are: evenly enough.
pub fn spread(index: u32) -> Prefix {
    let spread = index.wrapping_mul(2_654_435_761);
    let (family, bits, len) = if index.is_multiple_of(4) {
        (Family::V6, u128::from(spread >> 3 | 1 << 29) << 96, 32)
    } else {
        (Family::V4, u128::from(spread % 0xDE00_0000 + 0x0100_0000) << 96, 24)
    };
    Prefix::from_bits(family, bits, len).expect("the length fits the family")
}

/// A VRP for each of the first `count` of these prefixes.
pub fn vrps(count: u32) -> VrpTable {
    VrpTable::from_vrps((0..count).map(|index| {
        let prefix = spread(index);
        Vrp { prefix, max_len: prefix.len(), asn: Asn(1 + index % 20_000) }
    }))
}

/// This many of them, half of which are among the first `known`, in an order that is none.
pub fn asked(count: u32, known: u32) -> Vec<Prefix> {
    (0..count).map(|index| spread(index.wrapping_mul(7919) % (2 * known))).collect()
}
