//! Whatever sessions, routes, policies, data and orders of turns there are: at rest each member
//! holds what a naive table kept for it alone holds. Exchange and oracle are those of the tests
//! of `rib`.
//!
//! The first octet says how many shards there are and whether MED counts; then come instructions,
//! listed at `operation`.

use policy::MedMode;

use crate::Reader;
use crate::exchange::run::{Attributes, MEMBERS, Op, PREFIXES, Run};

/// Instructions of one run: a second is enough for each input.
const MOST: usize = 256;

pub fn property(data: &[u8]) {
    let mut input = Reader(data);
    let bits = input.u8();
    let shards = [1, 8, 3, 2][usize::from(bits & 3)];
    let med = if bits & 4 == 0 { MedMode::Off } else { MedMode::SameAs };
    let mut run = Run::new(shards, med);
    if bits & 8 == 0 {
        (0..MEMBERS as u16 - 2).for_each(|slot| run.step(&Op::Up(slot)));
    }
    for _ in 0..MOST {
        if input.0.is_empty() {
            break;
        }
        match operation(&mut input) {
            Some(operation) => run.step(&operation),
            None => run.finish(),
        }
    }
    run.finish();
}

/// `None`: come to rest and compare.
fn operation(input: &mut Reader<'_>) -> Option<Op> {
    let code = input.u8();
    let slot = u16::from(input.u8()) % MEMBERS as u16;
    let of_shard = usize::from(slot);
    let few = |octet: u8| usize::from(octet % 8);
    Some(match code % 20 {
        0 => Op::Up(slot),
        1 => Op::UpAs(slot, input.u8()),
        2 => Op::Down { slot, stale: false },
        3 => Op::Down { slot, stale: true },
        4 | 5 | 6 => {
            let (first, count) = prefixes(input);
            Op::Announce { slot, first, count, attributes: attributes(input) }
        }
        7 => {
            let (first, count) = prefixes(input);
            Op::Withdraw { slot, first, count }
        }
        8 => Op::EndOfRib(slot),
        9 => Op::LongLived(slot),
        10 => Op::Stall(slot),
        11 => Op::Resume(slot),
        12 => Op::Refresh(slot),
        13 => Op::Policy { closed: input.u8() },
        14 => Op::Vrps(input.u8()),
        15 => Op::Aspas(input.u8()),
        16 => Op::Irr { member: slot, origins: input.u8(), prefixes: input.u16() },
        17 => Op::Turn { shard: of_shard, inputs: few(input.u8()), work: code & 0x80 != 0 },
        18 => Op::Deliver { shard: of_shard, count: few(input.u8()) },
        _ => return None,
    })
}

fn prefixes(input: &mut Reader<'_>) -> (u32, u32) {
    let octet = u32::from(input.u8());
    (octet % PREFIXES, 1 + octet / PREFIXES % 6)
}

fn attributes(input: &mut Reader<'_>) -> Attributes {
    let (bits, variant) = (input.u8(), input.u8());
    let bit = |n: u8| bits & (1 << n) != 0;
    let mut where_to = |bit: bool| if bit { input.u8() } else { 0 };
    let (not_to, only_to, prepend) = (where_to(bit(0)), where_to(bit(1)), where_to(bit(2)));
    Attributes {
        variant: u16::from(variant % 40),
        longer: bit(3),
        same_neighbour: bit(4),
        med: u32::from(variant / 40 % 3),
        origin: !bit(5),
        not_to,
        only_to: bit(1).then_some(only_to),
        prepend,
        v6_next_hop: bit(6),
        no_llgr: bit(7),
    }
}
