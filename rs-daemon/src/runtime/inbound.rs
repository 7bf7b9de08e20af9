//! From a member's UPDATEs to the shards: decode, intern, split by owner of the prefix.

use std::time::Instant;

use bgp_wire::{
    DecodeContext, DecodedUpdate, Family, Fault, FaultAction, Nlri, Notification, Reach,
    decode_update,
};
use policy::{Policy, Slot};
use rib::{AttributeSet, Generation, Ingest, Interner, ShardInput, shard_of};
use std::sync::Arc;

use super::status::MalformedCounters;
use super::to_shards::ToShards;

/// The inbound side of an established session.
#[derive(Debug)]
pub(crate) struct Inbound {
    route_server: usize,
    slot: Slot,
    generation: Generation,
    context: DecodeContext,
    interner: Interner,
    update: DecodedUpdate,
}

impl Inbound {
    pub(crate) fn new(
        route_server: usize,
        slot: Slot,
        generation: Generation,
        context: DecodeContext,
    ) -> Self {
        Self {
            route_server,
            slot,
            generation,
            context,
            interner: Interner::new(slot),
            update: DecodedUpdate::default(),
        }
    }

    /// Takes the body of an UPDATE. An error asks for a session reset. `Some`: the peer's
    /// End-of-RIB for that family.
    pub(crate) fn on_update(
        &mut self,
        body: &[u8],
        received: Instant,
        policy: &Policy,
        malformed: &mut MalformedCounters,
        shards: &ToShards,
    ) -> Result<Option<Family>, Notification> {
        let mut update = std::mem::take(&mut self.update);
        let decoded = decode_update(body, &self.context, &mut update);
        count(malformed, &update.faults);
        let end_of_rib = update.end_of_rib;
        if decoded.is_ok() {
            self.pass_on(&mut update, received, policy, malformed, shards);
        } else {
            malformed.session_reset += 1;
        }
        self.update = update;
        decoded.map(|()| end_of_rib)
    }

    fn pass_on(
        &mut self,
        update: &mut DecodedUpdate,
        received: Instant,
        policy: &Policy,
        malformed: &mut MalformedCounters,
        shards: &ToShards,
    ) {
        for fault in &update.faults {
            tracing::info!(%fault, "malformed UPDATE");
        }
        let epoch = policy.epoch();
        let mut unreach = std::mem::take(&mut update.unreach);
        let reaches = std::mem::take(&mut update.reach);
        for mut reach in reaches {
            match self.set_of(update, &reach, malformed) {
                Ok(set) => {
                    set.prepare(policy);
                    let nlri = std::mem::take(&mut reach.nlri);
                    let ingest =
                        self.ingest(epoch, Some(set), nlri, std::mem::take(&mut unreach), received);
                    self.send(ingest, shards);
                }
                Err(fault) => {
                    // RFC 7606 §2: treat-as-withdraw.
                    tracing::info!(%fault, routes = reach.nlri.len(), "malformed UPDATE");
                    unreach.append(&mut reach.nlri);
                }
            }
        }
        if !unreach.is_empty() {
            let ingest = self.ingest(epoch, None, Vec::new(), unreach, received);
            self.send(ingest, shards);
        }
    }

    fn set_of(
        &mut self,
        update: &DecodedUpdate,
        reach: &Reach,
        malformed: &mut MalformedCounters,
    ) -> Result<Arc<AttributeSet>, Fault> {
        match self.interner.get_or_parse(update, reach, &self.context) {
            Ok(interned) => {
                count(malformed, &interned.faults);
                Ok(interned.set)
            }
            Err(fault) => {
                count(malformed, std::slice::from_ref(&fault));
                Err(fault)
            }
        }
    }

    fn ingest(
        &self,
        epoch: u64,
        set: Option<Arc<AttributeSet>>,
        reach: Vec<Nlri>,
        unreach: Vec<Nlri>,
        received: Instant,
    ) -> Ingest {
        let (slot, generation) = (self.slot, self.generation);
        Ingest { slot, generation, epoch, set, reach, unreach, received }
    }

    /// Hands an ingest to the shards that own its prefixes.
    fn send(&self, ingest: Ingest, shards: &ToShards) {
        let count = shards.count();
        if count == 1 {
            shards.push(0, self.route_server, ShardInput::Ingest(ingest));
            return;
        }
        let mut parts: Vec<(Vec<Nlri>, Vec<Nlri>)> = vec![Default::default(); count];
        for nlri in &ingest.reach {
            parts[shard_of(&nlri.prefix, count)].0.push(*nlri);
        }
        for nlri in &ingest.unreach {
            parts[shard_of(&nlri.prefix, count)].1.push(*nlri);
        }
        for (shard, (reach, unreach)) in parts.into_iter().enumerate() {
            if reach.is_empty() && unreach.is_empty() {
                continue;
            }
            let set = if reach.is_empty() { None } else { ingest.set.clone() };
            let part = Ingest { set, reach, unreach, ..ingest };
            shards.push(shard, self.route_server, ShardInput::Ingest(part));
        }
    }
}

fn count(malformed: &mut MalformedCounters, faults: &[Fault]) {
    for fault in faults {
        let counter = match fault.action {
            FaultAction::AttributeDiscard => &mut malformed.attribute_discard,
            FaultAction::TreatAsWithdraw => &mut malformed.treat_as_withdraw,
            FaultAction::AfiSafiDisable => &mut malformed.afi_safi_disable,
            FaultAction::SessionReset => &mut malformed.session_reset,
        };
        *counter += 1;
    }
}
