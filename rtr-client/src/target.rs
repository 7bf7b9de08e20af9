//! What one cache has sent, and the atomic application of its updates.

use std::sync::Arc;

use bgp_wire::{Asn, Prefix};
use policy::{AspaTable, Vrp, VrpTable};
use rpki::rtr::client::{PayloadError, PayloadTarget, PayloadUpdate};
use rpki::rtr::payload::{Action, Payload, Timing};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The data of one cache: replaced whole, so that whoever holds the last one keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheData {
    pub(crate) vrps: Arc<VrpTable>,
    pub(crate) aspas: Arc<BTreeMap<Asn, Vec<Asn>>>,
}

impl CacheData {
    pub(crate) fn aspa_table(&self) -> AspaTable {
        AspaTable::from_aspas(self.aspas.iter().map(|(c, p)| (*c, p.iter().copied())))
    }
}

/// The receiving side of one RTR session.
#[derive(Debug, Default)]
pub(crate) struct Target {
    pub(crate) data: CacheData,
    pub(crate) timing: Timing,
    /// Counts applied updates, so that the owner sees whether there was one.
    pub(crate) applied: u64,
}

/// Payloads in one update that are refused: ten times what the RPKI has, and still no harm to the
/// memory. A provider of an ASPA counts like a VRP.
const MOST_PAYLOADS: usize = 8_000_000;

/// One update on its way: what becomes of each record that it names.
#[derive(Debug, Default)]
pub(crate) struct Update {
    reset: bool,
    payloads: usize,
    vrps: BTreeMap<Vrp, Change>,
    aspas: Vec<(Action, Asn, Vec<Asn>)>,
}

/// A record may leave and come back within one update, or come and leave.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Its withdrawal came first, so it must have been there.
    was_there: bool,
    stays: bool,
}

impl Update {
    fn count(&mut self, payloads: usize) -> Result<(), PayloadError> {
        self.payloads += payloads;
        if self.payloads > MOST_PAYLOADS { Err(PayloadError::Internal) } else { Ok(()) }
    }

    fn push_vrp(&mut self, action: Action, vrp: Vrp) -> Result<(), PayloadError> {
        let stays = action == Action::Announce;
        match self.vrps.entry(vrp) {
            Entry::Vacant(entry) => {
                entry.insert(Change { was_there: !stays, stays });
            }
            Entry::Occupied(entry) if !stays && !entry.get().stays => {
                return Err(PayloadError::UnknownWithdraw);
            }
            Entry::Occupied(mut entry) => entry.get_mut().stays = stays,
        }
        Ok(())
    }

    /// The records that are there in the end, besides old ones that it does not name.
    fn staying(&self) -> impl Iterator<Item = Vrp> {
        self.vrps.iter().filter(|(_, change)| change.stays).map(|(vrp, _)| *vrp)
    }
}

impl PayloadUpdate for Update {
    fn push_update(&mut self, action: Action, payload: Payload) -> Result<(), PayloadError> {
        match payload {
            Payload::Origin(origin) => {
                self.count(1)?;
                let prefix = Prefix::new(origin.prefix.addr(), origin.prefix.prefix_len())
                    .ok_or(PayloadError::Corrupt)?;
                let max_len = origin.prefix.resolved_max_len();
                let vrp = Vrp { prefix, max_len, asn: Asn(origin.asn.into_u32()) };
                self.push_vrp(action, vrp)?;
            }
            Payload::Aspa(aspa) => {
                let providers: Vec<_> = aspa.providers.iter().map(|p| Asn(p.into_u32())).collect();
                self.count(1 + providers.len())?;
                self.aspas.push((action, Asn(aspa.customer.into_u32()), providers));
            }
            // BGPsec is none of a route server's business.
            Payload::RouterKey(_) => {}
        }
        Ok(())
    }
}

impl PayloadTarget for Target {
    type Update = Update;

    fn start(&mut self, reset: bool) -> Update {
        Update { reset, ..Update::default() }
    }

    fn apply(&mut self, update: Update, timing: Timing) -> Result<(), PayloadError> {
        let (vrps, aspas) = if update.reset {
            (changed(&VrpTable::default(), &update)?, BTreeMap::new())
        } else {
            (changed(&self.data.vrps, &update)?, (*self.data.aspas).clone())
        };
        let aspas = with_aspas(aspas, update.aspas);
        // Each update is small enough by itself; they must not add up without end either.
        let providers: usize = aspas.values().map(Vec::len).sum();
        if vrps.len() + providers > MOST_PAYLOADS {
            return Err(PayloadError::Internal);
        }
        self.data = CacheData { vrps: Arc::new(vrps), aspas: Arc::new(aspas) };
        self.timing = timing;
        self.applied += 1;
        Ok(())
    }
}

/// The table after an update; RFC 8210 §5.6 makes a withdrawal of the unknown an error, after which
/// the session starts over with a full set.
fn changed(old: &VrpTable, update: &Update) -> Result<VrpTable, PayloadError> {
    let mut missing = update.vrps.values().filter(|change| change.was_there).count();
    let kept: Vec<Vrp> = old
        .iter()
        .filter(|vrp| {
            let change = update.vrps.get(vrp);
            missing -= usize::from(change.is_some_and(|change| change.was_there));
            change.is_none()
        })
        .collect();
    if missing > 0 {
        return Err(PayloadError::UnknownWithdraw);
    }
    Ok(VrpTable::from_vrps(kept.into_iter().chain(update.staying())))
}

/// An announcement replaces a customer's providers; a withdrawal removes them (RTR version 2).
fn with_aspas(
    mut table: BTreeMap<Asn, Vec<Asn>>,
    changes: Vec<(Action, Asn, Vec<Asn>)>,
) -> BTreeMap<Asn, Vec<Asn>> {
    for (action, customer, providers) in changes {
        match action {
            Action::Announce => table.insert(customer, providers),
            Action::Withdraw => table.remove(&customer),
        };
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpki::resources::Asn as RpkiAsn;
    use rpki::resources::addr::MaxLenPrefix;
    use rpki::rtr::payload::RouteOrigin;

    fn origin(text: &str, max_len: u8, asn: u32) -> Payload {
        let prefix = MaxLenPrefix::new(text.parse().unwrap(), Some(max_len)).unwrap();
        Payload::Origin(RouteOrigin::new(prefix, RpkiAsn::from(asn)))
    }

    fn apply(
        target: &mut Target,
        reset: bool,
        list: Vec<(Action, Payload)>,
    ) -> Result<(), PayloadError> {
        let mut update = target.start(reset);
        for (action, payload) in list {
            update.push_update(action, payload)?;
        }
        target.apply(update, Timing::default())
    }

    #[test]
    fn a_delta_is_applied_whole_or_not_at_all() {
        let mut target = Target::default();
        let full = vec![
            (Action::Announce, origin("8.8.8.0/24", 24, 15169)),
            (Action::Announce, origin("2620:fe::/48", 48, 19281)),
        ];
        apply(&mut target, true, full).unwrap();
        assert_eq!(target.data.vrps.len(), 2);
        let bad = vec![
            (Action::Withdraw, origin("8.8.8.0/24", 24, 15169)),
            (Action::Withdraw, origin("9.9.9.0/24", 24, 19281)),
        ];
        assert!(apply(&mut target, false, bad).is_err(), "withdrawal of an unknown record");
        assert_eq!(target.data.vrps.len(), 2);
        let good = vec![
            (Action::Withdraw, origin("8.8.8.0/24", 24, 15169)),
            (Action::Announce, origin("8.8.4.0/24", 24, 15169)),
        ];
        apply(&mut target, false, good).unwrap();
        let left: Vec<String> = target.data.vrps.iter().map(|v| v.to_string()).collect();
        assert_eq!(left, ["8.8.4.0/24-24 AS15169", "2620:fe::/48-48 AS19281"]);
    }

    #[test]
    fn a_record_that_leaves_and_returns_in_one_update_stays() {
        let mut target = Target::default();
        apply(&mut target, true, vec![(Action::Announce, origin("8.8.8.0/24", 24, 1))]).unwrap();
        let back = vec![
            (Action::Withdraw, origin("8.8.8.0/24", 24, 1)),
            (Action::Announce, origin("8.8.8.0/24", 24, 1)),
        ];
        apply(&mut target, false, back).unwrap();
        assert_eq!(target.data.vrps.len(), 1);
    }

    #[test]
    fn a_record_that_comes_and_leaves_in_one_update_is_gone() {
        let record = || origin("8.8.8.0/24", 24, 1);
        let and_gone = || vec![(Action::Announce, record()), (Action::Withdraw, record())];
        let mut target = Target::default();
        apply(&mut target, true, and_gone()).unwrap();
        assert_eq!(target.data.vrps.len(), 0, "in a full set");
        apply(&mut target, false, and_gone()).unwrap();
        assert_eq!(target.data.vrps.len(), 0, "in a delta");
        apply(&mut target, false, vec![(Action::Announce, record())]).unwrap();
        apply(&mut target, false, and_gone()).unwrap();
        assert_eq!(target.data.vrps.len(), 0, "announced although it was there");
    }

    #[test]
    fn two_withdrawals_of_one_record_are_one_too_many() {
        let record = || origin("8.8.8.0/24", 24, 1);
        let mut target = Target::default();
        apply(&mut target, true, vec![(Action::Announce, record())]).unwrap();
        let twice = vec![(Action::Withdraw, record()), (Action::Withdraw, record())];
        assert!(apply(&mut target, false, twice).is_err());
        assert!(apply(&mut target, true, vec![(Action::Withdraw, record())]).is_err());
        assert_eq!(target.data.vrps.len(), 1);
    }

    #[test]
    fn an_update_without_end_is_refused() {
        let mut update = Target::default().start(true);
        update.payloads = MOST_PAYLOADS - 1;
        update.push_update(Action::Announce, origin("8.8.8.0/24", 24, 1)).unwrap();
        assert!(update.push_update(Action::Announce, origin("8.8.8.0/24", 24, 1)).is_err());
    }
}
