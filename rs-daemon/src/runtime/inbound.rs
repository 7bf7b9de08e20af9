//! From a member's UPDATEs to the shards: decode, intern, split by owner of the prefix.

use std::time::Instant;

use bgp_wire::iana::cease;
use bgp_wire::{
    DecodeContext, DecodedUpdate, Family, Fault, FaultAction, Nlri, Notification, Reach,
    decode_update,
};
use policy::{Policy, Slot};
use rib::{AttributeSet, Generation, Ingest, Interner, ShardInput, shard_of};
use std::sync::Arc;

use super::fault_log::FaultLog;
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
    fault_log: FaultLog,
    /// What the attributes of its routes may come to.
    attribute_octets: usize,
    /// They have come to more.
    too_much: bool,
}

impl Inbound {
    pub(crate) fn new(
        route_server: usize,
        slot: Slot,
        generation: Generation,
        context: DecodeContext,
        attribute_octets: usize,
    ) -> Self {
        Self {
            route_server,
            slot,
            generation,
            context,
            interner: Interner::new(slot),
            attribute_octets,
            too_much: false,
            update: DecodedUpdate::default(),
            fault_log: FaultLog::new(),
        }
    }

    /// A changed prefix limit lets its attributes come to more. Less holds with the next session only:
    /// what is there was taken.
    pub(crate) fn allow_attribute_octets(&mut self, octets: usize) {
        self.attribute_octets = self.attribute_octets.max(octets);
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
        if let Err(notification) = &decoded {
            malformed.session_reset += 1;
            self.fault_log.say_last(received, notification, prefixes(&update), body);
        } else {
            for fault in &update.faults {
                self.fault_log.say(received, fault, prefixes(&update), body);
            }
            self.pass_on(&mut update, body, received, policy, malformed, shards);
        }
        self.update = update;
        decoded?;
        if self.too_much {
            let most = self.attribute_octets;
            tracing::warn!(most, "the attributes of its routes take more octets than it may have");
            return Err(Notification::cease(cease::OUT_OF_RESOURCES));
        }
        Ok(end_of_rib)
    }

    /// At its end: what the attributes of its routes come to, in octets as they came.
    pub(crate) fn into_held_octets(mut self) -> usize {
        self.interner.held_octets()
    }

    fn pass_on(
        &mut self,
        update: &mut DecodedUpdate,
        body: &[u8],
        received: Instant,
        policy: &Policy,
        malformed: &mut MalformedCounters,
        shards: &ToShards,
    ) {
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
                    self.fault_log.say(received, &fault, reach.nlri.iter(), body);
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
                self.too_much |= self.interner.is_over(self.attribute_octets);
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

/// Those that an UPDATE announces and withdraws.
fn prefixes(update: &DecodedUpdate) -> impl Iterator<Item = &Nlri> {
    update.reach.iter().flat_map(|reach| &reach.nlri).chain(&update.unreach)
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::runtime::limits::FAULT_LOG_INTERVAL;

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn malformed_updates_at_line_rate_are_one_log_line_in_a_while() {
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish();
        let inbox = Arc::new(crate::runtime::inbox::Inbox::default());
        let shards = ToShards::new(Arc::from([inbox]));
        let config = policy::PolicyConfig::new(policy::Kind::Regular, bgp_wire::Asn(64500));
        let policy = Policy::new(config).unwrap();
        let context = DecodeContext {
            four_octet_as: true,
            add_path_receive: [false; 2],
            families: bgp_wire::Families::only(Family::V4),
            extended_next_hop: false,
        };
        let mut inbound = Inbound::new(0, Slot(0), Generation(1), context, usize::MAX);
        let mut malformed = MalformedCounters::default();
        // 20.0.0.0/24 without the attributes that a route must have.
        let body = [0, 0, 0, 0, 24, 20, 0, 0];
        let start = Instant::now();
        tracing::subscriber::with_default(subscriber, || {
            for at in [start; 1000].into_iter().chain([start + FAULT_LOG_INTERVAL]) {
                let taken = inbound.on_update(&body, at, &policy, &mut malformed, &shards);
                assert_eq!(taken, Ok(None));
            }
            // Withdrawn routes that are longer than the message: no more is heard of the member.
            let at = start + FAULT_LOG_INTERVAL;
            for (body, ends) in [(&body[..], false), (&[0, 9][..], true)] {
                let taken = inbound.on_update(body, at, &policy, &mut malformed, &shards);
                assert_eq!(taken.is_err(), ends);
            }
        });
        let text = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("malformed UPDATE") && lines[0].contains("unsaid=0"), "{text}");
        assert!(lines[0].contains("prefixes=20.0.0.0/24"), "{text}");
        assert!(lines[0].contains("update=0000000018140000"), "{text}");
        let each = malformed.treat_as_withdraw / 1002;
        assert!(each >= 1, "{malformed:?}");
        assert!(lines[1].contains(&format!("unsaid={}", each * 1000 - 1)), "{text}");
        let last = format!("unsaid={}", each * 2 - 1);
        assert!(lines[2].contains("update=0009") && lines[2].contains(&last), "{text}");
    }
}
