//! A member's session worker, as far as it concerns the shards: generations, dirty sets, walks.

use std::collections::{BTreeMap, BTreeSet};

use bgp_wire::{
    DecodeContext, DecodedUpdate, Families, MessageType, Nlri, PathAttributes, Prefix,
    decode_update, next_frame, parse_attributes,
};
use bytes::BytesMut;
use policy::Slot;
use rib::{Batch, Generation, Scope, ShardInput, ShardOutput};

use super::MemberKind;

/// What the worker keeps for each shard.
#[derive(Default)]
struct Lane {
    /// The shard's `Up` of this session has come.
    marked: bool,
    /// Changed while the member could not take it.
    dirty: BTreeSet<Nlri>,
    /// Asked for and not answered.
    asked: bool,
    /// Between begin and end of an answer.
    answering: bool,
    /// A segment can be asked for when there is room.
    more: bool,
    /// The walk is complete.
    told: bool,
}

pub struct Worker {
    pub slot: Slot,
    pub kind: MemberKind,
    pub generation: Generation,
    pub is_up: bool,
    /// The member does not read.
    pub stalled: bool,
    pub table: BTreeMap<(Prefix, u32), PathAttributes>,
    lanes: Vec<Lane>,
    /// NLRI taken, announcements and withdrawals.
    pub taken: usize,
    pub withdrawals: usize,
}

impl Worker {
    pub fn new(slot: Slot, kind: MemberKind, shards: usize) -> Self {
        Self {
            slot,
            kind,
            generation: Generation(0),
            is_up: false,
            stalled: false,
            table: BTreeMap::new(),
            lanes: (0..shards).map(|_| Lane::default()).collect(),
            taken: 0,
            withdrawals: 0,
        }
    }

    pub fn up(&mut self) -> Generation {
        assert!(!self.is_up);
        self.is_up = true;
        self.generation.0 += 1;
        self.table.clear();
        self.lanes.iter_mut().for_each(|lane| *lane = Lane::default());
        self.generation
    }

    pub fn down(&mut self) -> Generation {
        self.is_up = false;
        self.stalled = false;
        self.table.clear();
        self.generation
    }

    /// Has every shard told the whole table?
    pub fn is_told(&self) -> bool {
        self.lanes.iter().all(|lane| lane.told)
    }

    pub fn is_dirty(&self) -> bool {
        self.lanes.iter().any(|lane| lane.asked || !lane.dirty.is_empty())
    }

    pub fn output(&mut self, shard: usize, output: &ShardOutput) {
        let lane = &mut self.lanes[shard];
        let (slot, generation) = match output {
            ShardOutput::Up { slot, generation }
            | ShardOutput::ResyncBegin { slot, generation, .. }
            | ShardOutput::ResyncEnd { slot, generation, .. } => (*slot, *generation),
            _ => return,
        };
        if !self.is_up || slot != self.slot || generation != self.generation {
            return;
        }
        match output {
            ShardOutput::Up { .. } => lane.marked = true,
            ShardOutput::ResyncBegin { .. } => {
                assert!(lane.marked && !lane.answering, "answers do not nest");
                lane.answering = true;
            }
            ShardOutput::ResyncEnd { table, more, .. } => {
                assert!(lane.answering, "an answer ends that did not begin");
                lane.answering = false;
                if *table {
                    lane.more = *more;
                    lane.told |= !*more;
                } else {
                    lane.asked = false;
                }
            }
            _ => {}
        }
    }

    pub fn batch(&mut self, shard: usize, batch: &Batch) {
        let lane = &mut self.lanes[shard];
        if !self.is_up || !lane.marked {
            return;
        }
        assert!(!batch.resync || lane.answering, "part of an answer that nobody gives");
        let lagging = lane.asked || !lane.dirty.is_empty();
        if self.stalled || (lagging && !batch.resync) {
            lane.dirty.extend(batch.nlri.iter().map(|nlri| self.kind.dirty_entry(*nlri)));
            return;
        }
        self.apply(batch);
    }

    /// What the worker has to ask the shards.
    pub fn requests(&mut self) -> Vec<(usize, ShardInput)> {
        let mut requests = Vec::new();
        if !self.is_up || self.stalled {
            return requests;
        }
        let (slot, generation) = (self.slot, self.generation);
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            if lane.marked && !lane.asked && !lane.dirty.is_empty() {
                lane.asked = true;
                let scope = Scope::Nlri(std::mem::take(&mut lane.dirty).into_iter().collect());
                requests.push((shard, ShardInput::Resync { slot, generation, scope }));
            }
            if std::mem::take(&mut lane.more) {
                let scope = Scope::More;
                requests.push((shard, ShardInput::Resync { slot, generation, scope }));
            }
        }
        requests
    }

    fn apply(&mut self, batch: &Batch) {
        let profile = self.kind.profile();
        let frame = batch.frame(&profile).expect("a frame for each profile among the peers");
        let cx = self.kind.decode_context();
        let mut buffer = BytesMut::from(&frame.octets[..]);
        let mut messages = 0;
        let mut nlri = BTreeSet::new();
        let mut update = DecodedUpdate::default();
        while let Some((kind, body)) = next_frame(&mut buffer, 4096).unwrap() {
            assert_eq!(kind, MessageType::Update);
            messages += 1;
            decode_update(&body, &cx, &mut update).unwrap();
            assert!(update.faults.is_empty(), "{:?}", update.faults);
            for unreach in &update.unreach {
                nlri.insert(self.kind.dirty_entry(*unreach));
                self.withdrawals += 1;
                self.table.remove(&(unreach.prefix, unreach.path_id));
            }
            for reach in &update.reach {
                let parsed = parse_attributes(&update.attributes, reach.next_hop, &cx).unwrap();
                for announced in &reach.nlri {
                    nlri.insert(self.kind.dirty_entry(*announced));
                    self.take(*announced, parsed.attributes.clone());
                }
            }
        }
        assert!(buffer.is_empty());
        assert_eq!(messages, frame.messages);
        let named = batch.nlri.iter().map(|n| self.kind.dirty_entry(*n)).collect();
        assert_eq!(nlri, named, "the batch names what its messages are about");
    }

    fn take(&mut self, nlri: Nlri, attributes: PathAttributes) {
        assert_ne!(
            attributes.as_path.first(),
            Some(super::asn_of(self.slot.0)),
            "nobody receives its own path"
        );
        self.taken += 1;
        self.table.insert((nlri.prefix, nlri.path_id), attributes);
    }
}

/// The routes that messages announce.
pub fn announcements(kind: MemberKind, octets: &[u8]) -> Vec<(Prefix, PathAttributes)> {
    let cx = kind.decode_context();
    let mut buffer = BytesMut::from(octets);
    let mut update = DecodedUpdate::default();
    let mut announced = Vec::new();
    while let Some((_, body)) = next_frame(&mut buffer, 4096).unwrap() {
        decode_update(&body, &cx, &mut update).unwrap();
        for reach in &update.reach {
            let parsed = parse_attributes(&update.attributes, reach.next_hop, &cx).unwrap();
            let attributes = parsed.attributes;
            announced.extend(reach.nlri.iter().map(|nlri| (nlri.prefix, attributes.clone())));
        }
    }
    announced
}

impl MemberKind {
    fn decode_context(&self) -> DecodeContext {
        let profile = self.profile();
        DecodeContext {
            four_octet_as: profile.four_octet_as,
            add_path_receive: profile.add_path,
            families: Families::BOTH,
            extended_next_hop: self.extended_next_hop,
        }
    }

    /// An entry of a dirty set: with ADD-PATH it has the path identifier.
    fn dirty_entry(&self, nlri: Nlri) -> Nlri {
        Nlri { path_id: if self.add_path { nlri.path_id } else { 0 }, ..nlri }
    }
}
