//! An exchange as the cases and the benchmarks of the table see it: members, their attribute
//! sets, their routes, and a shard that holds them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp_wire::{
    AsPath, Asn, Community, DecodeContext, EncodingProfile, Families, LinkLocalForm, NextHop, Nlri,
    PathAttributes, Prefix,
};
use policy::{CheckMode, ImportPolicy, Kind, PeerPolicy, Policy, PolicyConfig, RoutingData, Slot};
use rib::{
    AttributeSet, Generation, Ingest, PeerState, Scope, Shard, ShardConfig, ShardInput, ShardOutput,
};

/// The route server's AS.
pub const RS: u32 = 50_000;
/// The session of every member.
pub const GENERATION: Generation = Generation(1);
/// Prefixes that share an attribute set.
pub const PER_SET: u32 = 10;
/// How modern members are written to.
pub const PROFILE: EncodingProfile = EncodingProfile {
    four_octet_as: true,
    add_path: [false; 2],
    extended_message: false,
    link_local_form: LinkLocalForm::Native,
};
/// What was negotiated with them.
pub const CONTEXT: DecodeContext = DecodeContext {
    four_octet_as: true,
    add_path_receive: [false; 2],
    families: Families::BOTH,
    extended_next_hop: false,
};

/// A member's AS.
pub fn asn(slot: u16) -> Asn {
    Asn(20_000 + u32::from(slot))
}

/// A member's address.
pub fn address(slot: u16) -> IpAddr {
    IpAddr::V4(next_hop(slot))
}

fn next_hop(slot: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xB900_0001 + u32::from(slot))
}

/// The nth prefix.
pub fn prefix(n: u32) -> Prefix {
    Prefix::v4(Ipv4Addr::from_bits(0x1700_0000 + (n << 8)), 24).expect("a valid prefix")
}

/// The policy of a regular route server without outside data.
pub fn policy(members: u16) -> Arc<Policy> {
    let mut config = PolicyConfig::new(Kind::Regular, Asn(RS));
    config.epoch = 1;
    let import =
        Arc::new(ImportPolicy { irr: CheckMode::Off, ..ImportPolicy::for_kind(Kind::Regular) });
    config.import = Arc::clone(&import);
    config.peers = (0..members)
        .map(|slot| {
            let mut peer = PeerPolicy::new(u32::from(slot), asn(slot), address(slot));
            peer.import = Arc::clone(&import);
            Some(peer)
        })
        .collect();
    Arc::new(Policy::new(config).expect("a valid policy"))
}

/// The attributes of a member's set; a tenth of the sets carry control communities. `variant`
/// tells one announcement of a set from the next.
pub fn attributes(slot: u16, set: u32, members: u16, variant: u32) -> PathAttributes {
    let path = AsPath::from_sequence(&[asn(slot), Asn(3000 + set), Asn(9000 + set)]);
    let mut attributes = PathAttributes::new(path, NextHop::V4(next_hop(slot)));
    let mut communities = vec![Community::new(20_000, set as u16)];
    if (u32::from(slot) * 7 + set).is_multiple_of(10) {
        communities.push(Community::new(0, asn((slot + 1) % members).0 as u16));
    }
    if variant > 0 {
        communities.push(Community::new(20_001, variant as u16));
    }
    attributes.communities = communities.into();
    attributes
}

/// What a shard is told of a member.
pub fn peer(slot: u16) -> PeerState {
    PeerState {
        families: Families::BOTH,
        profile: PROFILE,
        extended_next_hop: false,
        long_lived_graceful_restart: false,
        router_id: Ipv4Addr::from_bits(u32::from(slot) + 1),
        address: address(slot),
        limit: Arc::default(),
    }
}

/// A shard with this many members up, which have been told the (empty) table.
pub fn shard(members: u16) -> Shard {
    let mut shard = Shard::new(ShardConfig::default(), policy(members), RoutingData::default());
    let mut out = Vec::new();
    for slot in (0..members).map(Slot) {
        shard.handle(ShardInput::Up { slot, generation: GENERATION, peer: peer(slot.0) });
        let scope = Scope::Table { families: Families::BOTH, refresh: false };
        shard.handle(ShardInput::Resync { slot, generation: GENERATION, scope });
    }
    while shard.pending_work() {
        shard.work(usize::MAX);
        shard.finish_turn(&mut out);
    }
    shard
}

/// Every member's announcements, members taking turns, an UPDATE for each attribute set.
pub fn ingests(members: u16, per_member: u32, variant: u32) -> Vec<Ingest> {
    let received = Instant::now();
    let mut ingests = Vec::new();
    for set in 0..per_member.div_ceil(PER_SET) {
        for slot in 0..members {
            let first = u32::from(slot) * per_member + set * PER_SET;
            let count = PER_SET.min(per_member - set * PER_SET);
            let attributes = attributes(slot, set, members, variant);
            ingests.push(Ingest {
                slot: Slot(slot),
                generation: GENERATION,
                epoch: 1,
                set: Some(AttributeSet::new(Slot(slot), attributes)),
                reach: (first..first + count).map(|n| Nlri::from(prefix(n))).collect(),
                unreach: Vec::new(),
                received,
            });
        }
    }
    ingests
}

/// A destination of 1,024 members with this many candidates, each for its own part of the members
/// so that none ends the walk early; and two versions of the first candidate's announcement, each
/// a change after the other.
pub fn contested(candidates: u16) -> (Shard, [Ingest; 2]) {
    let announcement = |slot: u16, variant: u32| {
        let path = AsPath::from_sequence(&[asn(slot), Asn(3000 + variant)]);
        let mut attributes = PathAttributes::new(path, NextHop::V4(next_hop(slot)));
        attributes.communities =
            (0..40).map(|n| Community::new(0, asn(slot * 61 + n).0 as u16)).collect();
        Ingest {
            slot: Slot(slot),
            generation: GENERATION,
            epoch: 1,
            set: Some(AttributeSet::new(Slot(slot), attributes)),
            reach: vec![Nlri::from(prefix(1))],
            unreach: Vec::new(),
            received: Instant::now(),
        }
    };
    let mut shard = shard(1024);
    let candidates = (0..candidates).map(|slot| announcement(slot, 0)).collect();
    run(&mut shard, candidates, usize::MAX);
    (shard, [announcement(0, 1), announcement(0, 2)])
}

/// Gives all of it to a shard, ending a turn after every so many.
pub fn run(shard: &mut Shard, ingests: Vec<Ingest>, turn: usize) -> Vec<ShardOutput> {
    let mut out = Vec::new();
    for (n, ingest) in ingests.into_iter().enumerate() {
        shard.handle(ShardInput::Ingest(ingest));
        if n % turn == turn - 1 {
            shard.finish_turn(&mut out);
        }
    }
    shard.finish_turn(&mut out);
    out
}
