//! AS path verification by ASPA (draft-ietf-sidrops-aspa-verification).

use std::fmt;

use bgp_wire::{AsPath, Asn};
use hashbrown::HashMap;

/// What path verification says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum AspaState {
    /// Nobody asked.
    #[default]
    NotChecked,
    /// Attestations are missing.
    Unknown,
    /// Every hop is attested.
    Valid,
    /// An attestation says otherwise.
    Invalid,
}

impl fmt::Display for AspaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotChecked => "not checked",
            Self::Unknown => "Unknown",
            Self::Valid => "Valid",
            Self::Invalid => "Invalid",
        })
    }
}

/// The outcome of verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AspaResult {
    /// The state.
    pub state: AspaState,
    /// The customer and supposed provider of the hop that decided, where one did.
    pub hop: Option<(Asn, Asn)>,
}

/// Whether one AS says that another is its provider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hop {
    Provider,
    NoAttestation,
    NotProvider,
}

/// Validated ASPA payloads: the providers of each customer AS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AspaTable {
    providers: HashMap<Asn, Box<[Asn]>, foldhash::fast::FixedState>,
}

impl AspaTable {
    /// From customers and their providers; several payloads of one customer are joined.
    pub fn from_aspas<P: IntoIterator<Item = Asn>>(
        aspas: impl IntoIterator<Item = (Asn, P)>,
    ) -> Self {
        let mut joined: HashMap<Asn, Vec<Asn>, foldhash::fast::FixedState> = HashMap::default();
        for (customer, providers) in aspas {
            joined.entry(customer).or_default().extend(providers);
        }
        let sorted = joined.into_iter().map(|(customer, mut providers)| {
            providers.sort_unstable();
            providers.dedup();
            (customer, providers.into_boxed_slice())
        });
        Self { providers: sorted.collect() }
    }

    /// How many customers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.providers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// The customers whose providers differ between two tables.
    #[must_use]
    pub fn changed_customers(old: &Self, new: &Self) -> Vec<Asn> {
        let removed = old.providers.keys().filter(|asn| !new.providers.contains_key(*asn));
        let changed =
            new.providers.iter().filter(|(asn, set)| old.providers.get(*asn) != Some(*set));
        let mut all: Vec<Asn> = removed.chain(changed.map(|(asn, _)| asn)).copied().collect();
        all.sort_unstable();
        all
    }

    /// Upstream verification: what a route server does with the routes of its clients. Every
    /// hop from the origin on must go from customer to provider.
    #[must_use]
    pub fn verify_upstream(&self, path: &AsPath) -> AspaResult {
        let Some(path) = collapsed(path) else { return INVALID };
        let mut result = AspaResult { state: AspaState::Valid, hop: None };
        for pair in path.windows(2) {
            let hop = (pair[0], pair[1]);
            match self.hop(pair[0], pair[1]) {
                Hop::Provider => {}
                Hop::NotProvider => {
                    return AspaResult { state: AspaState::Invalid, hop: Some(hop) };
                }
                Hop::NoAttestation if result.hop.is_none() => {
                    result = AspaResult { state: AspaState::Unknown, hop: Some(hop) };
                }
                Hop::NoAttestation => {}
            }
        }
        result
    }

    /// Downstream verification: what a customer does with the routes of its provider. The path
    /// climbs from the origin, and then descends; at the top two ASes may be peers.
    #[must_use]
    pub fn verify_downstream(&self, path: &AsPath) -> AspaResult {
        let Some(path) = collapsed(path) else { return INVALID };
        let hops = path.len() - 1;
        // How many ASes the ramps hold: with what is attested, and with what is not refuted.
        let ramp = |worst: Hop, pairs: &mut dyn Iterator<Item = (Asn, Asn)>| {
            1 + pairs
                .take_while(|&(customer, provider)| self.hop(customer, provider) <= worst)
                .count()
        };
        let up = || path.windows(2).map(|pair| (pair[0], pair[1]));
        let down = || path.windows(2).rev().map(|pair| (pair[1], pair[0]));
        let reach = |worst| ramp(worst, &mut up()) + ramp(worst, &mut down());
        if reach(Hop::NoAttestation) < hops + 1 {
            let top = ramp(Hop::NoAttestation, &mut up());
            return AspaResult { state: AspaState::Invalid, hop: up().nth(top - 1) };
        }
        if reach(Hop::Provider) < hops + 1 {
            let top = ramp(Hop::Provider, &mut up());
            return AspaResult { state: AspaState::Unknown, hop: up().nth(top - 1) };
        }
        AspaResult { state: AspaState::Valid, hop: None }
    }

    fn hop(&self, customer: Asn, provider: Asn) -> Hop {
        match self.providers.get(&customer) {
            None => Hop::NoAttestation,
            Some(providers) if providers.binary_search(&provider).is_ok() => Hop::Provider,
            Some(_) => Hop::NotProvider,
        }
    }
}

const INVALID: AspaResult = AspaResult { state: AspaState::Invalid, hop: None };

/// The path from the origin to the neighbour without repetitions; `None` when it is empty or has
/// sets, both of which are Invalid.
fn collapsed(path: &AsPath) -> Option<Vec<Asn>> {
    if path.has_set_or_confed() {
        return None;
    }
    let mut asns: Vec<Asn> = path.asns().collect();
    asns.reverse();
    asns.dedup();
    (!asns.is_empty()).then_some(asns)
}

#[cfg(test)]
mod tests;
