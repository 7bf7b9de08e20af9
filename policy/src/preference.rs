//! How good a route is: RFC 4271 §9.1.2.2 as far as a route server has anything to compare.

use bgp_wire::Origin;

/// What decides between routes, packed into one number of which the greater is better.
///
/// From the highest bit down:
///
/// | bits | what |
/// |---|---|
/// | 63 | degree of preference: 0 with GRACEFUL_SHUTDOWN (RFC 8326 §4), else 1 |
/// | 62 | 0 with LLGR_STALE (RFC 9494 §4.3), else 1 |
/// | 61 | 0 with TRANSIT on a transitable route server, else 1 |
/// | 45 to 60 | shorter AS_PATH, as received |
/// | 43 to 44 | lower ORIGIN |
/// | 11 to 42 | lower MED, if it is always compared; else equal |
///
/// Routes with the same number are ordered by arrival where `prefer_oldest` is set (RFC 5004),
/// then by the lowest BGP Identifier (RFC 4271 §9.1.2.2 f), then by the lowest peer address (g).
/// No two sessions of a route server share an address, and a session has one route for each
/// prefix (and path identifier), so that this is a strict total order: the same candidates give
/// the same choice whatever the order they came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preference {
    /// GRACEFUL_SHUTDOWN is honoured.
    pub graceful_shutdown: bool,
    /// LLGR_STALE.
    pub llgr_stale: bool,
    /// TRANSIT on a transitable route server.
    pub transit: bool,
    /// AS_PATH length.
    pub path_length: usize,
    /// ORIGIN.
    pub origin: Origin,
    /// MED, where it is always compared.
    pub med: Option<u32>,
}

impl Preference {
    /// The number.
    #[must_use]
    pub fn packed(&self) -> u64 {
        let longest = u64::from(u16::MAX);
        let path = longest - (self.path_length as u64).min(longest);
        let origin = match self.origin {
            Origin::Igp => 2,
            Origin::Egp => 1,
            Origin::Incomplete => 0,
        };
        u64::from(!self.graceful_shutdown) << 63
            | u64::from(!self.llgr_stale) << 62
            | u64::from(!self.transit) << 61
            | path << 45
            | origin << 43
            | u64::from(!self.med.unwrap_or(0)) << 11
    }
}

/// What set a route back behind another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Criterion {
    /// It is marked with GRACEFUL_SHUTDOWN.
    GracefulShutdown,
    /// It is LLGR_STALE.
    LlgrStale,
    /// It is transit, the other one peering.
    Transit,
    /// Its AS_PATH is longer.
    PathLength,
    /// Its ORIGIN is higher.
    Origin,
    /// Its MED is higher.
    Med,
    /// It came later.
    Age,
    /// The BGP Identifier of its sender is higher.
    RouterId,
    /// The address of its sender is higher.
    Address,
}

impl Criterion {
    /// The first difference between two packed preferences; `None` where they are equal.
    #[must_use]
    pub fn between(better: u64, other: u64) -> Option<Self> {
        Some(match (better ^ other).checked_ilog2()? {
            63 => Self::GracefulShutdown,
            62 => Self::LlgrStale,
            61 => Self::Transit,
            45..61 => Self::PathLength,
            43..45 => Self::Origin,
            _ => Self::Med,
        })
    }
}

impl std::fmt::Display for Criterion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GracefulShutdown => "marked with GRACEFUL_SHUTDOWN",
            Self::LlgrStale => "long-lived stale",
            Self::Transit => "transit after peering",
            Self::PathLength => "longer AS path",
            Self::Origin => "higher ORIGIN",
            Self::Med => "higher MED",
            Self::Age => "younger",
            Self::RouterId => "higher BGP Identifier",
            Self::Address => "higher peer address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decided_is_the_first_difference() {
        let best = Preference {
            graceful_shutdown: false,
            llgr_stale: false,
            transit: false,
            path_length: 3,
            origin: Origin::Igp,
            med: Some(5),
        };
        let by = |other: Preference| Criterion::between(best.packed(), other.packed());
        assert_eq!(by(best), None);
        assert_eq!(by(Preference { med: Some(6), ..best }), Some(Criterion::Med));
        let origin = Preference { origin: Origin::Incomplete, med: Some(0), ..best };
        assert_eq!(by(origin), Some(Criterion::Origin));
        assert_eq!(by(Preference { path_length: 4, ..origin }), Some(Criterion::PathLength));
        assert_eq!(by(Preference { path_length: 300, ..best }), Some(Criterion::PathLength));
        let transit = Preference { transit: true, path_length: 1, ..best };
        assert_eq!(by(transit), Some(Criterion::Transit));
        assert_eq!(by(Preference { llgr_stale: true, ..transit }), Some(Criterion::LlgrStale));
        let shut = Preference { graceful_shutdown: true, ..best };
        assert_eq!(by(shut), Some(Criterion::GracefulShutdown));
    }

    #[test]
    fn an_earlier_criterion_beats_all_later_ones() {
        let worst = |first: usize| Preference {
            graceful_shutdown: first == 0,
            llgr_stale: first <= 1,
            transit: first <= 2,
            path_length: if first <= 3 { 70_000 } else { 1 },
            origin: if first <= 4 { Origin::Incomplete } else { Origin::Igp },
            med: Some(if first <= 5 { u32::MAX } else { 0 }),
        };
        let packed: Vec<u64> = (0..=6).map(|first| worst(first).packed()).collect();
        assert!(packed.is_sorted_by(|a, b| a < b), "{packed:x?}");
    }
}
