//! A community scheme, compiled for one route server and its members.

use bgp_wire::{Asn, PathAttributes};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::encode::{Masked, Values};
use super::key::CommunityKey;
use super::pattern::{Encoding, Pattern, Term};
use super::scheme::{Audience, CommunityScheme, Function};
use super::scrub::CommunitySet;
use crate::config::{Kind, PolicyConfig};
use crate::error::{NotEncodable, PolicyError, PolicyWarning};
use crate::peer_set::{PeerSet, Slot};

/// A control community that was found on a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ActionHit {
    pub(crate) community: CommunityKey,
    pub(crate) function: Function,
    /// Which AS it names: an index for [`Communities::named`].
    named: u32,
}

/// The hit names nobody in particular.
const EVERYBODY: u32 = u32::MAX;

/// Look-ups by community, one hash each.
#[derive(Debug)]
pub(crate) struct Communities {
    values: Values,
    actions: HashMap<CommunityKey, SmallVec<[(Function, u32); 1]>, foldhash::fast::FixedState>,
    named: Vec<Named>,
    /// Patterns in force, by function.
    active: Vec<Vec<Pattern>>,
    transit: HashSet<CommunityKey, foldhash::fast::FixedState>,
    pub(crate) scrub_in: CommunitySet,
    pub(crate) scrub_out: CommunitySet,
}

/// An AS that to-peer communities name.
#[derive(Debug)]
struct Named {
    asn: Asn,
    alias: Option<u16>,
    peers: PeerSet,
}

impl Named {
    /// A collector in the route server's own AS: that `0:$rs` is about everybody is known.
    fn is_own(&self, rs: Asn) -> bool {
        self.asn == rs && self.alias.is_none()
    }
}

impl Communities {
    /// The control communities on a route, in its order.
    pub(crate) fn hits(&self, attributes: &PathAttributes) -> Box<[ActionHit]> {
        keys(attributes)
            .filter_map(|community| Some((community, self.actions.get(&community)?)))
            .flat_map(|(community, found)| {
                found.iter().map(move |&(function, named)| ActionHit { community, function, named })
            })
            .collect()
    }

    /// The peers that a hit is for; `None`: everybody.
    pub(crate) fn named(&self, hit: &ActionHit) -> Option<(Asn, &PeerSet)> {
        self.named.get(hit.named as usize).map(|named| (named.asn, &named.peers))
    }

    /// Whether TRANSIT is on the route.
    pub(crate) fn has_transit(&self, attributes: &PathAttributes) -> bool {
        keys(attributes).any(|community| self.transit.contains(&community))
    }

    /// Takes TRANSIT off; whether it was there.
    pub(crate) fn scrub_transit(&self, attributes: &mut PathAttributes) -> bool {
        if !self.has_transit(attributes) {
            return false;
        }
        let mut set = CommunitySet::default();
        for &key in &self.transit {
            set.insert(Masked { key, mask: u128::MAX });
        }
        set.scrub(attributes) > 0
    }

    /// The communities of a tag. `values` carries what is not the route server's own.
    pub(crate) fn tags(&self, function: Function, values: Values) -> SmallVec<[CommunityKey; 2]> {
        let values = Values { asn: self.values.asn, short_asn: self.values.short_asn, ..values };
        self.active[function as usize]
            .iter()
            .filter_map(|pattern| values.encode_one(pattern).ok())
            .collect()
    }

    /// The patterns in force for a function.
    pub(crate) fn active(&self, function: Function) -> &[Pattern] {
        &self.active[function as usize]
    }

    /// A community to attach to the routes of a member.
    pub(crate) fn attached(
        &self,
        pattern: &Pattern,
        asn: Asn,
        alias: Option<u16>,
    ) -> Result<CommunityKey, NotEncodable> {
        Values { peer: Some((asn, alias)), ..self.values }.encode_one(pattern)
    }
}

/// Every community of a route as a key.
pub(crate) fn keys(attributes: &PathAttributes) -> impl Iterator<Item = CommunityKey> + '_ {
    let standard = attributes.communities.iter().map(|&community| community.into());
    let extended = attributes.extended_communities.iter().map(|&community| community.into());
    let large = attributes.large_communities.iter().map(|&community| community.into());
    standard.chain(extended).chain(large)
}

/// Puts communities on a route that are not there yet, in their order.
pub(crate) fn attach(attributes: &mut PathAttributes, communities: &[CommunityKey]) {
    fn append<T: Copy + PartialEq>(to: &mut Box<[T]>, new: impl Iterator<Item = T>) {
        let mut all: Vec<T> = Vec::new();
        for community in new {
            if !to.contains(&community) && !all.contains(&community) {
                all.push(community);
            }
        }
        if !all.is_empty() {
            *to = to.iter().copied().chain(all).collect();
        }
    }
    append(&mut attributes.communities, communities.iter().filter_map(|key| key.standard()));
    append(
        &mut attributes.extended_communities,
        communities.iter().filter_map(|key| key.extended()),
    );
    append(&mut attributes.large_communities, communities.iter().filter_map(|key| key.large()));
}

/// Compiles the scheme of a configuration.
pub(crate) fn compile(
    config: &PolicyConfig,
    errors: &mut Vec<PolicyError>,
    warnings: &mut Vec<PolicyWarning>,
) -> Communities {
    let values = Values { asn: config.asn, short_asn: config.short_asn, ..Values::default() };
    let mut compiler = Compiler {
        scheme: &config.communities,
        values,
        standard_off: config.short_asn.is_none() && !config.communities.keeps_standard(),
        said_standard_off: false,
        obeyed: config.export_communities && config.kind != Kind::Chaos,
        errors,
        warnings,
    };
    let active: Vec<Vec<Pattern>> =
        Function::ALL.iter().map(|&function| compiler.active(function)).collect();
    let named = named(config);
    let actions = compiler.actions(&active, &named);
    let scrub_in = compiler.scrub_in(&active);
    let scrub_out = compiler.scrub_out(&active);
    let transit = active[Function::Transit as usize]
        .iter()
        .filter_map(|pattern| values.encode(pattern).ok())
        .flat_map(|forms| forms.into_iter().map(|masked| masked.key))
        .collect();
    Communities { values, actions, named, active, transit, scrub_in, scrub_out }
}

/// The ASes that there are sessions with.
fn named(config: &PolicyConfig) -> Vec<Named> {
    let mut all: Vec<(Asn, Option<u16>, Slot)> = (0u16..)
        .zip(&config.peers)
        .filter_map(|(slot, peer)| peer.as_ref().map(|peer| (peer.asn, peer.alias, Slot(slot))))
        .collect();
    all.sort_unstable();
    all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|same| Named {
            asn: same[0].0,
            alias: same[0].1,
            peers: same.iter().map(|&(_, _, slot)| slot).collect(),
        })
        .collect()
}

struct Compiler<'a> {
    scheme: &'a CommunityScheme,
    values: Values,
    /// All standard patterns of the preset are off.
    standard_off: bool,
    said_standard_off: bool,
    /// Control communities have a meaning at all.
    obeyed: bool,
    errors: &'a mut Vec<PolicyError>,
    warnings: &'a mut Vec<PolicyWarning>,
}

impl Compiler<'_> {
    /// The patterns of a function that can be encoded. What can't is an error where it was
    /// configured, and left out with a warning where it comes from the preset.
    fn active(&mut self, function: Function) -> Vec<Pattern> {
        let explicit = self.scheme.is_explicit(function);
        let patterns = self.scheme.patterns(function);
        let mut active = Vec::with_capacity(patterns.len());
        for &pattern in patterns {
            if !explicit && self.is_switched_off(&pattern) {
                continue;
            }
            if let Some(error) = misplaced(function, pattern) {
                self.errors.push(error);
                continue;
            }
            match self.trial(function, &pattern) {
                Ok(()) => active.push(pattern),
                Err(reason) if explicit => self.errors.push(PolicyError::PatternNotEncodable {
                    function,
                    pattern,
                    asn: self.values.asn,
                    reason,
                }),
                // Sets of communities are cut down to what there is; only functions are missed.
                Err(_) if function.audience() == Audience::Scrub => {}
                Err(reason) => {
                    self.warnings.push(PolicyWarning::DefaultLeftOut { function, pattern, reason })
                }
            }
        }
        active
    }

    /// Without a 16-bit AS *every* standard pattern of a preset is off, since `0:peer` of two
    /// route servers could not be told apart.
    fn is_switched_off(&mut self, pattern: &Pattern) -> bool {
        let off = self.standard_off
            && pattern.encoding() == Encoding::Standard
            && !pattern.is_well_known();
        if off && !self.said_standard_off {
            self.said_standard_off = true;
            self.warnings.push(PolicyWarning::StandardOff { asn: self.values.asn });
        }
        off
    }

    /// Whether the pattern can be encoded for a member with a short AS.
    fn trial(&self, function: Function, pattern: &Pattern) -> Result<(), NotEncodable> {
        if function.audience() == Audience::Scrub {
            return self.values.encode(&pattern.widened()).map(drop);
        }
        let values =
            Values { peer: Some((Asn(1), None)), code: Some(1), location: Some(1), ..self.values };
        values.encode_one(pattern).map(drop)
    }

    fn actions(
        &mut self,
        active: &[Vec<Pattern>],
        named: &[Named],
    ) -> HashMap<CommunityKey, SmallVec<[(Function, u32); 1]>, foldhash::fast::FixedState> {
        type Hits = SmallVec<[(Function, u32); 1]>;
        let mut actions: HashMap<CommunityKey, Hits, _> = HashMap::default();
        // The any-functions first: `0:$rs` means everybody even if a member has that AS.
        for function in of_audience(Audience::Any) {
            for pattern in &active[function as usize] {
                for masked in self.values.encode(pattern).into_iter().flatten() {
                    actions.entry(masked.key).or_default().push((function, EVERYBODY));
                }
            }
        }
        for (index, named) in (0u32..).zip(named) {
            let values = Values { peer: Some((named.asn, named.alias)), ..self.values };
            let mut left_out = 0;
            for function in of_audience(Audience::Peer) {
                for pattern in &active[function as usize] {
                    let Ok(forms) = values.encode(pattern) else {
                        left_out += 1;
                        continue;
                    };
                    let mut means = None;
                    for masked in forms {
                        let hits = actions.entry(masked.key).or_default();
                        match hits.iter().find(|(_, named)| *named == EVERYBODY) {
                            None => hits.push((function, index)),
                            Some((any, _)) => means = Some(*any),
                        }
                    }
                    let matters = self.obeyed && !named.is_own(self.values.asn);
                    if let Some(means) = means.filter(|_| matters) {
                        let (asn, pattern) = (named.asn, *pattern);
                        let shadowed =
                            PolicyWarning::PeerShadowed { asn, function, pattern, means };
                        self.warnings.push(shadowed);
                    }
                }
            }
            if left_out > 0 {
                let asn = named.asn;
                self.warnings.push(PolicyWarning::PeerLeftOut { asn, count: left_out });
            }
        }
        actions
    }

    /// What a member cannot forge: every tag, for every value of its variables.
    fn scrub_in(&self, active: &[Vec<Pattern>]) -> CommunitySet {
        let tags = of_audience(Audience::Informational)
            .filter(|&function| function != Function::Transit)
            .chain([Function::ScrubIn])
            .flat_map(|function| &active[function as usize]);
        self.set(tags)
    }

    /// What is not passed on: every action, for every AS it could name, and the ranges around
    /// them, in those encodings that are in use.
    fn scrub_out(&self, active: &[Vec<Pattern>]) -> CommunitySet {
        let actions = || {
            of_audience(Audience::Any)
                .chain(of_audience(Audience::Peer))
                .flat_map(|function| &active[function as usize])
        };
        let in_use = |encoding| {
            actions().any(|pattern| pattern.encoding() == encoding && !pattern.is_well_known())
        };
        let explicit = self.scheme.is_explicit(Function::ScrubOut);
        let ranges = active[Function::ScrubOut as usize]
            .iter()
            .filter(|pattern| explicit || in_use(pattern.encoding()));
        self.set(actions().chain(ranges))
    }

    fn set<'p>(&self, patterns: impl Iterator<Item = &'p Pattern>) -> CommunitySet {
        let mut set = CommunitySet::default();
        for pattern in patterns {
            // `active` holds only what can be encoded.
            for masked in self.values.encode(&pattern.widened()).into_iter().flatten() {
                set.insert(masked);
            }
        }
        set
    }
}

fn of_audience(audience: Audience) -> impl Iterator<Item = Function> {
    Function::ALL.into_iter().filter(move |function| function.audience() == audience)
}

/// Variables where they have no value, and to-peer patterns that name nobody.
fn misplaced(function: Function, pattern: Pattern) -> Option<PolicyError> {
    let allowed: &[Term] = match (function, function.audience()) {
        (_, Audience::Peer) | (Function::LearntFrom, _) => &[Term::Peer],
        (Function::Reject | Function::RejectEuroIx, _) => &[Term::Code],
        (Function::Location, _) => &[Term::Location],
        (_, Audience::Scrub) => &[Term::Any, Term::Peer],
        _ => &[],
    };
    if function.audience() == Audience::Peer && !pattern.has(Term::Peer) {
        return Some(PolicyError::PatternWithoutPeer { function, pattern });
    }
    let stray =
        pattern.terms().iter().find(|term| term.variable().is_some() && !allowed.contains(term))?;
    let variable = stray.variable()?;
    Some(PolicyError::VariableOutOfPlace { function, pattern, variable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{V4, route, tagged};

    #[test]
    fn s34_communities_are_attached_once_and_the_order_stays() {
        let mut attributes = tagged(route(V4), &["9:9:9", "7:7:7", "2:2", "1:1"]);
        let new = tagged(route(V4), &["7:7:7", "5:5:5", "1:1", "3:3"]);
        let twice: Vec<CommunityKey> = keys(&new).chain(keys(&new)).collect();
        attach(&mut attributes, &twice);
        let expected = tagged(route(V4), &["9:9:9", "7:7:7", "5:5:5", "2:2", "1:1", "3:3"]);
        assert_eq!(attributes, expected);
        attach(&mut attributes, &twice);
        assert_eq!(attributes, expected);
    }
}
