//! One run: what happens is drawn from the seed; in which order the parts get to it is drawn from
//! the seed and the number of shards.

use std::sync::Arc;
use std::time::Duration;

use bgp_wire::{Asn, Families, Family, PathAttributes, Prefix};
use policy::MedMode;

use crate::exchange::{Exchange, random_size};
use crate::kind::{Kind, founders};
use crate::oracle::Table;
use crate::policies::{Draft, change_irr, change_vrps};
use crate::random::{PREFIXES, Random, attributes, prefix};

/// Between two rests.
const EVENTS: u64 = 30;
const RESTS: u64 = 3;

struct Run {
    exchange: Exchange,
    kinds: Vec<Kind>,
    /// What happens.
    script: Random,
    /// Who takes the next step.
    schedule: Random,
    med: MedMode,
    serial: u32,
    /// Members so far, those that left included.
    hosts: u16,
    last: Vec<Option<(Family, PathAttributes)>>,
}

/// The tables of all members when everything is over.
pub(crate) fn run(seed: u64, shards: usize) -> Vec<Table> {
    let mut script = Random::new(seed, 1);
    let mut schedule = Random::new(seed, 1 + shards as u64);
    let kinds = founders(&mut script);
    // How MED takes part.
    let modes = [MedMode::Off, MedMode::Off, MedMode::SameAs, MedMode::Always];
    let med = script.pick(&modes);
    let draft = Draft::random(&mut script, kinds.len(), med);
    let size = random_size(&mut schedule, shards);
    let capacity = schedule.pick(&[100, 1500, 20_000]);
    let exchange = Exchange::new(&kinds, &size, draft, capacity);
    let (last, hosts) = (vec![None; kinds.len()], kinds.len() as u16);
    let mut run = Run { exchange, kinds, script, schedule, med, serial: 0, hosts, last };
    for _ in 0..RESTS {
        run.eventful_time();
        run.exchange.settle();
        run.exchange.reload_the_same();
    }
    run.the_end()
}

impl Run {
    fn eventful_time(&mut self) {
        let mut events = EVENTS / 2 + self.script.below(EVENTS);
        while events > 0 {
            if self.schedule.percent(6) {
                self.event();
                events -= 1;
            } else {
                self.step();
            }
        }
    }

    /// Everybody comes back, and what was kept as stale has its time.
    fn the_end(mut self) -> Vec<Table> {
        for slot in 0..self.kinds.len() {
            self.exchange.members[slot].wants_up = true;
            self.exchange.wants_slot[slot] = true;
        }
        self.exchange.settle();
        for _ in 0..20 {
            self.exchange.advance(Duration::from_secs(20));
        }
        self.exchange.settle();
        self.exchange.tables()
    }

    // The scheduler.

    fn slot(&mut self) -> u16 {
        self.schedule.index(self.kinds.len()) as u16
    }

    /// A part does some of what it has to do.
    fn step(&mut self) {
        let slot = self.slot();
        let s = usize::from(slot);
        let some = self.schedule.pick(&[1, 20, 100, 1000, usize::MAX]);
        match self.schedule.below(100) {
            0..15 => {
                self.exchange.members[s].transmit(some);
            }
            15..35 => self.exchange.turn_session(slot),
            35..55 => {
                let shard = self.schedule.index(self.exchange.simulation.shards());
                self.exchange.simulation.turn_shard(shard);
            }
            55..75 => {
                let shard = self.schedule.index(self.exchange.simulation.shards());
                let worker = self.schedule.index(self.exchange.simulation.workers());
                self.exchange.simulation.turn_worker(worker, shard);
            }
            75..92 => {
                if !self.exchange.members[s].stalled {
                    self.exchange.read(slot, some);
                }
            }
            92..94 => {
                let stalled = self.exchange.members[s].stalled;
                self.exchange.members[s].stalled = !stalled;
            }
            _ => self.arrive(slot),
        }
    }

    /// A member that is not there comes.
    fn arrive(&mut self, slot: u16) {
        let s = usize::from(slot);
        if self.exchange.wants_slot[s] {
            self.exchange.move_in(slot);
        }
        if self.exchange.present[s]
            && self.exchange.should_be_up(slot)
            && self.exchange.members[s].current().is_none()
        {
            let only_v4 = Families::only(Family::V4);
            let forwarding =
                self.schedule.pick(&[Families::BOTH, Families::BOTH, only_v4, Families::NONE]);
            self.exchange.connect(slot, forwarding);
        }
    }

    // The script.

    fn event(&mut self) {
        let slot = self.script.index(self.kinds.len()) as u16;
        let s = usize::from(slot);
        let family = self.script.pick(&Family::ALL);
        let how = self.script.below(4);
        let by_operator = self.script.percent(20);
        let is_up = self.exchange.is_up(slot);
        match self.script.below(100) {
            0..43 => self.announce(slot, family),
            43..55 => self.withdraw(slot, family),
            55..63 if is_up && by_operator => self.exchange.reset_by_operator(slot),
            55..63 if is_up => self.exchange.flap(slot, how),
            63..66 => {
                self.exchange.members[s].wants_up = false;
                if is_up {
                    self.exchange.flap(slot, how % 3);
                }
            }
            66..70 => self.exchange.members[s].wants_up = true,
            70..75 => self.replace(slot),
            75..79 if is_up && self.kinds[s].families.contains(family) => {
                self.exchange.ask_for_refresh(slot, family);
            }
            79..82 if is_up => self.exchange.soft_in(slot),
            82..86 => {
                let draft = Draft::random(&mut self.script, self.kinds.len(), self.med);
                self.exchange.set_policy(draft);
            }
            86..95 => self.change_data(),
            95..100 => {
                let times = self.script.pick(&[1, 1, 2, 5]);
                for _ in 0..times {
                    self.exchange.advance(Duration::from_secs(1 + 4 * how));
                }
            }
            _ => {}
        }
    }

    /// A member leaves for good, or one that has left before has its successor.
    fn replace(&mut self, slot: u16) {
        let s = usize::from(slot);
        let same_as = self.script.percent(30);
        if !self.exchange.wants_slot[s] {
            self.exchange.wants_slot[s] = true;
            return;
        }
        let asn = if same_as { self.kinds[s].asn } else { Asn(1101 + u32::from(self.hosts)) };
        let next = Kind::random(&mut self.script, self.hosts, asn);
        self.hosts += 1;
        self.kinds[s] = next.clone();
        self.last[s] = None;
        self.exchange.move_out(slot, next);
        self.exchange.wants_slot[s] = self.script.percent(50);
    }

    fn change_data(&mut self) {
        let mut data = self.exchange.oracle.data.clone();
        let changed = if self.script.percent(50) {
            change_vrps(&mut self.script, &mut data)
        } else {
            let members = self.kinds.len() as u16;
            let policy = Arc::clone(&self.exchange.oracle.policy);
            change_irr(&mut self.script, members, &policy, &mut data)
        };
        self.exchange.set_data(&data, &changed);
    }

    fn some_prefixes(&mut self, family: Family) -> Vec<Prefix> {
        let first = self.script.below(PREFIXES);
        let count = 1 + self.script.below(8);
        (first..first + count).map(prefix).filter(|p| p.family() == family).collect()
    }

    fn announce(&mut self, slot: u16, family: Family) {
        let s = usize::from(slot);
        let prefixes = self.some_prefixes(family);
        let fresh = attributes(&mut self.script, &self.kinds, slot, family, self.serial);
        self.serial += 1;
        let again = self.script.percent(30);
        let known = self.last[s].clone().filter(|(of, _)| again && *of == family);
        let made = known.map_or(fresh, |(_, attributes)| attributes);
        self.last[s] = Some((family, made.clone()));
        if self.kinds[s].families.contains(family) && !prefixes.is_empty() {
            self.exchange.members[s].announce(&prefixes, &made);
        }
    }

    fn withdraw(&mut self, slot: u16, family: Family) {
        let prefixes = self.some_prefixes(family);
        if !prefixes.is_empty() {
            self.exchange.members[usize::from(slot)].withdraw(family, &prefixes);
        }
    }
}
