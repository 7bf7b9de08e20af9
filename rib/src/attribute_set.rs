//! Attribute sets: what depends on the attributes alone is computed once for each.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bgp_wire::{Community, PathAttributes};
use policy::{AttributeVerdict, ExportPlan, NoTrace, Policy, Slot, VerdictClass};
use smallvec::SmallVec;

/// Marks a route kept over a long restart (RFC 9494 §4.1).
pub(crate) const LLGR_STALE: Community = Community(0xFFFF_0006);
/// The route must not be kept over a long restart (RFC 9494 §4.2).
pub(crate) const NO_LLGR: Community = Community(0xFFFF_0007);

/// A set of path attributes that one peer sent, interned per session, with what the policy of an
/// epoch makes of it. Shared by the session's worker and all shards; whoever asks first computes.
pub struct AttributeSet {
    source: Slot,
    /// As they came; 0 where they did not.
    octets: u32,
    attributes: PathAttributes,
    derived: Mutex<Option<Arc<Derived>>>,
    long_lived: OnceLock<Arc<Self>>,
}

type Plans = SmallVec<[(VerdictClass, Arc<ExportPlan>); 1]>;

/// What a policy makes of an attribute set.
pub(crate) struct Derived {
    epoch: u64,
    pub(crate) verdict: AttributeVerdict,
    plans: Mutex<Plans>,
}

impl AttributeSet {
    /// The attributes that the session in this slot sent.
    pub fn new(source: Slot, attributes: PathAttributes) -> Arc<Self> {
        Self::received(source, attributes, 0)
    }

    /// The same, from so many octets of path attributes.
    pub fn received(source: Slot, attributes: PathAttributes, octets: usize) -> Arc<Self> {
        Arc::new(Self {
            source,
            octets: u32::try_from(octets).unwrap_or(u32::MAX),
            attributes,
            derived: Mutex::new(None),
            long_lived: OnceLock::new(),
        })
    }

    /// The session that sent them.
    pub fn source(&self) -> Slot {
        self.source
    }

    /// The octets that they came in: what it costs to hold them and to send them on follows from
    /// that.
    pub fn octets(&self) -> usize {
        self.octets as usize
    }

    /// The attributes as received.
    pub fn attributes(&self) -> &PathAttributes {
        &self.attributes
    }

    /// Computes the attribute verdict of this policy if nobody has: called by the session's
    /// worker, so that the shards need not.
    pub fn prepare(&self, policy: &Policy) {
        self.derived(policy);
    }

    /// What the policy makes of the attributes.
    pub(crate) fn derived(&self, policy: &Policy) -> Arc<Derived> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_epoch = match &*derived {
            Some(kept) if kept.epoch == policy.epoch() => return Arc::clone(kept),
            Some(kept) => Some(kept.epoch),
            None => None,
        };
        let fresh = Arc::new(Derived {
            epoch: policy.epoch(),
            verdict: policy.attribute_verdict(self.source, &self.attributes, &mut NoTrace),
            plans: Mutex::new(SmallVec::new()),
        });
        // While a new policy spreads, some ask for the old one and some for the new: the new one
        // is kept, so that the two do not take turns.
        if kept_epoch.is_none_or(|kept| kept < policy.epoch()) {
            *derived = Some(Arc::clone(&fresh));
        }
        fresh
    }

    /// The same attributes with LLGR_STALE: what stands for the route while it is kept over a
    /// long restart of its source (RFC 9494 §4.2).
    pub(crate) fn long_lived(&self) -> Arc<Self> {
        Arc::clone(self.long_lived.get_or_init(|| {
            let mut attributes = self.attributes.clone();
            if !attributes.communities.contains(&LLGR_STALE) {
                let mut communities = attributes.communities.into_vec();
                communities.push(LLGR_STALE);
                attributes.communities = communities.into();
            }
            Self::received(self.source, attributes, self.octets())
        }))
    }

    /// Does it carry LLGR_STALE?
    pub(crate) fn is_llgr_stale(&self) -> bool {
        self.attributes.communities.contains(&LLGR_STALE)
    }

    /// Does it carry NO_LLGR?
    pub(crate) fn refuses_llgr(&self) -> bool {
        self.attributes.communities.contains(&NO_LLGR)
    }
}

impl Derived {
    /// The export plan for a verdict class; classes that the plan does not tell apart share it.
    pub(crate) fn plan(
        &self,
        policy: &Policy,
        source: Slot,
        class: VerdictClass,
    ) -> Arc<ExportPlan> {
        let class = policy.plan_class(source, class);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(known, _)| *known == class) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(policy.plan(source, &self.verdict, class));
        plans.push((class, Arc::clone(&plan)));
        plan
    }
}

impl fmt::Debug for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributeSet")
            .field("source", &self.source)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bgp_wire::{AsPath, Asn, Family, NextHop};
    use policy::{Kind, PeerPolicy, PolicyConfig, RovState};

    use super::*;

    /// Where nobody is told what ROV found, a change of VRPs is no change of plans.
    #[test]
    fn classes_that_a_plan_does_not_tell_apart_share_it() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let mut config = PolicyConfig::new(Kind::Regular, Asn(64500));
        config.peers = vec![Some(PeerPolicy::new(0, Asn(1001), IpAddr::V4(address)))];
        let policy = Policy::new(config).unwrap();
        let path = AsPath::from_sequence(&[Asn(1001)]);
        let set = AttributeSet::new(Slot(0), PathAttributes::new(path, NextHop::V4(address)));
        let derived = set.derived(&policy);
        let plan = |class| derived.plan(&policy, Slot(0), class);
        let class = VerdictClass::new(Family::V4);
        let valid = plan(class.with_rov(RovState::Valid));
        assert!(Arc::ptr_eq(&valid, &plan(class.with_rov(RovState::NotFound))));
        assert!(!Arc::ptr_eq(&valid, &plan(class.with_blackhole())));
        assert_eq!(derived.plans.lock().unwrap().len(), 2);
    }
}
