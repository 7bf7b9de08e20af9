//! A route server's policy, compiled.

use std::sync::Arc;

use crate::aspa::AspaTable;
use crate::config::{PeerPolicy, PolicyConfig};
use crate::error::{PolicyError, PolicyWarning};
use crate::irr::IrrSets;
use crate::peer_set::Slot;
use crate::rov::VrpTable;

/// Outside data, as immutable snapshots. The default is "nothing loaded".
#[derive(Clone, Debug, Default)]
pub struct RoutingData {
    /// ROA payloads.
    pub vrps: Arc<VrpTable>,
    /// ASPA payloads.
    pub aspas: Arc<AspaTable>,
    /// The members' IRR sets.
    pub irr: Arc<IrrSets>,
}

/// A route server's policy: immutable, made for look-ups.
#[derive(Debug)]
pub struct Policy {
    config: PolicyConfig,
    warnings: Vec<PolicyWarning>,
}

impl Policy {
    /// Compiles a policy; all errors at once.
    pub fn new(config: PolicyConfig) -> Result<Self, Vec<PolicyError>> {
        Ok(Self { config, warnings: Vec::new() })
    }

    /// The policies of a run are counted.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.config.epoch
    }

    /// How many slots there are, free ones included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.config.peers.len()
    }

    /// The session of a slot.
    #[must_use]
    pub fn peer(&self, slot: Slot) -> Option<&PeerPolicy> {
        self.config.peers.get(slot.index())?.as_ref()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// What the operator should know.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyWarning] {
        &self.warnings
    }
}
