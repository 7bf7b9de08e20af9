//! The control communities of a route, sorted by what they ask for.

use bgp_wire::Asn;
use smallvec::SmallVec;

use crate::communities::{ActionHit, CommunityKey, Function};
use crate::config::PrependTie;
use crate::peer_set::{PeerBits, PeerSet};
use crate::policy::Policy;

/// A control community and whom it is for.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) community: CommunityKey,
    pub(super) function: Function,
    /// Everybody, for the functions to any.
    pub(super) peers: PeerSet,
}

/// All control communities of a route.
#[derive(Clone, Debug, Default)]
pub(super) struct Actions(SmallVec<[Action; 4]>);

/// Prepending once, twice and thrice.
const TO_PEER: [Function; 3] =
    [Function::PrependOnceToPeer, Function::PrependTwiceToPeer, Function::PrependThriceToPeer];
const TO_ANY: [Function; 3] =
    [Function::PrependOnceToAny, Function::PrependTwiceToAny, Function::PrependThriceToAny];

impl Actions {
    pub(super) fn gather(policy: &Policy, source: Asn, hits: &[ActionHit]) -> Self {
        let own_means_any = policy.config().own_asn_means_any;
        Self(
            hits.iter()
                .map(|hit| {
                    let (mut function, mut peers) = (hit.function, &policy.groups().all);
                    if let Some((asn, named)) = policy.communities().named(hit) {
                        let to_any = to_any(function).filter(|_| own_means_any && asn == source);
                        match to_any {
                            Some(to_any) => function = to_any,
                            None => peers = named,
                        }
                    }
                    Action { community: hit.community, function, peers: peers.clone() }
                })
                .collect(),
        )
    }

    /// Those of one function, in the order of the route's communities.
    pub(super) fn of(&self, function: Function) -> impl Iterator<Item = &Action> {
        self.0.iter().filter(move |action| action.function == function)
    }

    /// Whom those of one function are for.
    pub(super) fn peers(&self, function: Function) -> PeerSet {
        let mut peers = PeerBits::new();
        for action in self.of(function) {
            peers.or(&action.peers);
        }
        peers.freeze()
    }

    /// Whether there is any at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who gets the path prepended once, twice and thrice: disjoint sets. One rule applies to a
    /// peer: what names it, then "do not prepend" naming it, then what is for everybody. Of
    /// several that name it the highest count applies, or the lowest if so configured.
    pub(super) fn prepends(&self, tie: PrependTie) -> [PeerSet; 3] {
        let mut prepends: [PeerSet; 3] = Default::default();
        if self.is_empty() {
            return prepends;
        }
        let order = match tie {
            PrependTie::Highest => [2, 1, 0],
            PrependTie::Lowest => [0, 1, 2],
        };
        let mut settled = PeerSet::empty();
        for index in order {
            let named = self.peers(TO_PEER[index]).and_not(&settled);
            settled = settled.or(&named);
            prepends[index] = named;
        }
        settled = settled.or(&self.peers(Function::NoPrependToPeer));
        for index in order {
            let rest = self.peers(TO_ANY[index]).and_not(&settled);
            settled = settled.or(&rest);
            prepends[index] = prepends[index].or(&rest);
        }
        prepends
    }
}

/// The function to any that corresponds to a prepending function to one peer.
fn to_any(function: Function) -> Option<Function> {
    let index = TO_PEER.iter().position(|&to_peer| to_peer == function)?;
    Some(TO_ANY[index])
}

/// The prepending functions that lead to a count of 1, 2 or 3.
pub(super) fn prepend_functions(count: usize) -> [Function; 2] {
    [TO_PEER[count - 1], TO_ANY[count - 1]]
}
