//! What operators see of collectors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::runtime::status::BmpCollectorStatus;

/// Numbers of one collector, from the start of the process or since it was configured.
#[derive(Debug)]
pub(crate) struct CollectorCounters {
    pub(crate) name: Arc<str>,
    pub(crate) address: String,
    /// What it is told, as the configuration names it.
    pub(crate) views: Vec<&'static str>,
    pub(crate) connected: AtomicBool,
    /// It has been told the tables.
    pub(crate) synced: AtomicBool,
    pub(crate) connections: AtomicU64,
    /// Disconnected by us: it took its octets too slowly.
    pub(crate) too_slow: AtomicU64,
    /// Disconnected by us: changes were left out for want of room in the tap.
    pub(crate) lost_changes: AtomicU64,
    pub(crate) sent_octets: AtomicU64,
    pub(crate) queued_octets: AtomicU64,
}

impl CollectorCounters {
    pub(crate) fn new(name: Arc<str>, address: String, views: Vec<&'static str>) -> Self {
        Self {
            name,
            address,
            views,
            connected: AtomicBool::new(false),
            synced: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            too_slow: AtomicU64::new(0),
            lost_changes: AtomicU64::new(0),
            sent_octets: AtomicU64::new(0),
            queued_octets: AtomicU64::new(0),
        }
    }

    pub(crate) fn status(&self) -> BmpCollectorStatus {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BmpCollectorStatus {
            name: self.name.to_string(),
            address: self.address.clone(),
            views: self.views.iter().map(|view| (*view).to_owned()).collect(),
            connected: self.connected.load(Ordering::Relaxed),
            synced: self.synced.load(Ordering::Relaxed),
            connections: number(&self.connections),
            too_slow: number(&self.too_slow),
            lost_changes: number(&self.lost_changes),
            sent_octets: number(&self.sent_octets),
            queued_octets: number(&self.queued_octets),
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The configured collectors, in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Collectors(ArcSwap<Vec<Arc<CollectorCounters>>>);

impl Collectors {
    pub(crate) fn load(&self) -> Arc<Vec<Arc<CollectorCounters>>> {
        self.0.load_full()
    }

    pub(crate) fn store(&self, collectors: Vec<Arc<CollectorCounters>>) {
        self.0.store(Arc::new(collectors));
    }
}
