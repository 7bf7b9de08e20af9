//! Origin validation (RFC 6811).

use std::fmt;

use bgp_wire::{Asn, Prefix};

use crate::prefix_index::PrefixIndex;

/// A ROA payload (RFC 6811 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vrp {
    /// The prefix.
    pub prefix: Prefix,
    /// The longest prefix that may be announced.
    pub max_len: u8,
    /// The AS that may originate it.
    pub asn: Asn,
}

impl fmt::Display for Vrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} AS{}", self.prefix, self.max_len, self.asn)
    }
}

/// What origin validation says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum RovState {
    /// Nobody asked.
    #[default]
    NotChecked,
    /// No VRP covers the prefix.
    NotFound,
    /// A VRP matches.
    Valid,
    /// VRPs cover the prefix, and none matches.
    Invalid,
}

impl fmt::Display for RovState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotChecked => "not checked",
            Self::NotFound => "NotFound",
            Self::Valid => "Valid",
            Self::Invalid => "Invalid",
        })
    }
}

/// All VRPs, immutable: 450,000 take about 15 MB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VrpTable {
    /// The value of a prefix is where its payloads start.
    prefixes: PrefixIndex,
    payloads: Box<[Payload]>,
}

/// A VRP without its prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Payload {
    asn: Asn,
    max_len: u8,
}

impl VrpTable {
    /// From VRPs in any order. Duplicates count once; a VRP whose maximum length lies outside
    /// its prefix length and family is none (RFC 6482 §3.3).
    pub fn from_vrps(vrps: impl IntoIterator<Item = Vrp>) -> Self {
        let mut sorted: Vec<Vrp> = vrps
            .into_iter()
            .filter(|vrp| (vrp.prefix.len()..=vrp.prefix.family().max_len()).contains(&vrp.max_len))
            .collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut prefixes: Vec<(Prefix, u32)> = Vec::new();
        for (at, vrp) in (0u32..).zip(&sorted) {
            if prefixes.last().is_none_or(|(last, _)| *last != vrp.prefix) {
                prefixes.push((vrp.prefix, at));
            }
        }
        let payload = |vrp: &Vrp| Payload { asn: vrp.asn, max_len: vrp.max_len };
        Self {
            prefixes: PrefixIndex::with_values(prefixes.len(), prefixes.into_iter()),
            payloads: sorted.iter().map(payload).collect(),
        }
    }

    /// How many VRPs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// Octets on the heap.
    #[must_use]
    pub fn heap_octets(&self) -> usize {
        self.prefixes.heap_octets() + size_of_val(&*self.payloads)
    }

    /// The state of a route. `origin` is the rightmost AS, `None` where the path ends in a set:
    /// that matches no VRP (RFC 6811 §2).
    #[must_use]
    pub fn validate(&self, prefix: &Prefix, origin: Option<Asn>) -> RovState {
        self.decide(prefix, origin).0
    }

    /// The state, and the VRP that decided: the one that matches, or the most specific one
    /// that covers the prefix.
    #[must_use]
    pub fn validate_by(&self, prefix: &Prefix, origin: Option<Asn>) -> (RovState, Option<Vrp>) {
        let (state, decisive) = self.decide(prefix, origin);
        (state, decisive.map(|(entry, at)| self.vrp(entry, at)))
    }

    #[inline]
    fn decide(&self, prefix: &Prefix, origin: Option<Asn>) -> (RovState, Option<(usize, usize)>) {
        // AS 0 in a VRP matches nothing (RFC 6483 §4), nor does AS 0 as an origin.
        let origin = origin.filter(|asn| asn.0 != 0);
        let mut covering = None;
        for entry in self.prefixes.covering(prefix) {
            let range = self.payloads(entry);
            let matched = self.payloads[range.clone()]
                .iter()
                .position(|payload| Some(payload.asn) == origin && prefix.len() <= payload.max_len);
            if let Some(offset) = matched {
                return (RovState::Valid, Some((entry, range.start + offset)));
            }
            covering = covering.or(Some((entry, range.start)));
        }
        (covering.map_or(RovState::NotFound, |_| RovState::Invalid), covering)
    }

    /// Every VRP, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Vrp> + '_ {
        (0..self.prefixes.len())
            .flat_map(move |entry| self.payloads(entry).map(move |at| self.vrp(entry, at)))
    }

    /// The prefixes whose VRPs differ between two tables: routes that they cover are to be
    /// decided again. Prefixes that another one in the answer covers are left out.
    #[must_use]
    pub fn changed_prefixes(old: &Self, new: &Self) -> Vec<Prefix> {
        crate::changes::differing(old.iter(), new.iter(), |vrp| vrp.prefix)
    }

    fn payloads(&self, entry: usize) -> std::ops::Range<usize> {
        let end = self.payloads.len();
        let start = |entry| self.prefixes.value(entry).map_or(end, |start| start as usize);
        start(entry)..start(entry + 1)
    }

    fn vrp(&self, entry: usize, at: usize) -> Vrp {
        let Payload { asn, max_len } = self.payloads[at];
        Vrp { prefix: self.prefixes.get(entry), max_len, asn }
    }
}

#[cfg(test)]
mod tests;
