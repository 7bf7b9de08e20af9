//! A watcher that takes what changed and reads the table in pages, at whatever moments, ends up
//! with the shard's tables.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_wire::{Asn, Family, PathAttributes, Prefix};
use common::{Exchange, asn_of, attributes, attributes_v6, v4, v6};
use policy::{RoutingData, Slot, Vrp, VrpTable};
use proptest::prelude::*;
use rib::{Change, Changed, Cursor, Generation, Watch, Watched};

const MEMBERS: u16 = 4;
const PREFIXES: u32 = 24;
const ALL: Watch = Watch { adj_rib_in: true, loc_rib: true, adj_rib_out: false };

type Table = BTreeMap<(Slot, Generation, Prefix), PathAttributes>;

/// Who watches, as a collector would.
#[derive(Debug, Default, PartialEq)]
struct Watcher {
    pre: Table,
    post: Table,
    loc: BTreeMap<Prefix, PathAttributes>,
    ends: Vec<(Slot, Family)>,
    /// Where its pages go on; none when it has read them all.
    next: Option<Cursor>,
}

fn apply(
    table: &mut Table,
    key: (Slot, Generation, Prefix),
    change: Change,
    set: Option<&Arc<rib::AttributeSet>>,
) {
    match change {
        Change::None => {}
        Change::Reach => {
            table.insert(key, set.unwrap().attributes().clone());
        }
        Change::Unreach => {
            table.remove(&key);
        }
    }
}

impl Watcher {
    fn begin() -> Self {
        Self { next: Some(Cursor::START), ..Self::default() }
    }

    fn take(&mut self, exchange: &mut Exchange) {
        for event in exchange.shards[0].take_watched() {
            match event {
                Watched::In { slot, generation, prefix, set, pre, post, .. } => {
                    let key = (slot, generation, prefix);
                    apply(&mut self.pre, key, pre, set.as_ref());
                    apply(&mut self.post, key, post, set.as_ref());
                }
                Watched::Loc { prefix, set: Some(set) } => {
                    self.loc.insert(prefix, set.attributes().clone());
                }
                Watched::Loc { prefix, set: None } => {
                    self.loc.remove(&prefix);
                }
                Watched::EndOfRib { slot, family, .. } => self.ends.push((slot, family)),
            }
        }
    }

    fn page(&mut self, exchange: &mut Exchange) {
        let Some(cursor) = self.next else { return };
        self.take(exchange);
        let page = exchange.shards[0].watch_page(cursor, 3);
        for route in page.routes {
            let attributes = route.set.attributes().clone();
            if route.best {
                self.loc.insert(route.prefix, attributes.clone());
            }
            let Some(generation) = route.generation else { continue };
            let key = (route.set.source(), generation, route.prefix);
            if route.accepted {
                self.post.insert(key, attributes.clone());
            }
            self.pre.insert(key, attributes);
        }
        self.next = page.next;
    }

    /// What is left of it when sessions that are over are forgotten.
    fn of_sessions(
        mut self,
        exchange: &Exchange,
    ) -> (Table, Table, BTreeMap<Prefix, PathAttributes>) {
        let sessions = exchange.shards[0].sessions();
        for table in [&mut self.pre, &mut self.post] {
            table.retain(|(slot, generation, _), _| sessions.contains(&(*slot, *generation)));
        }
        (self.pre, self.post, self.loc)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Up(u16),
    Down { slot: u16, stale: bool },
    Announce { slot: u16, first: u32, count: u32, variant: u16, v6: bool },
    Withdraw { slot: u16, first: u32, count: u32 },
    EndOfRib(u16),
    Vrps(u8),
    Turn { inputs: usize, work: bool },
    Page,
    Again,
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..MEMBERS;
    prop_oneof![
        2 => slot.clone().prop_map(Op::Up),
        1 => (slot.clone(), any::<bool>()).prop_map(|(slot, stale)| Op::Down { slot, stale }),
        6 => (slot.clone(), 0..PREFIXES, 1..6_u32, 0..4_u16, any::<bool>()).prop_map(
            |(slot, first, count, variant, v6)| Op::Announce { slot, first, count, variant, v6 }
        ),
        2 => (slot.clone(), 0..PREFIXES, 1..6_u32)
            .prop_map(|(slot, first, count)| Op::Withdraw { slot, first, count }),
        1 => slot.prop_map(Op::EndOfRib),
        1 => any::<u8>().prop_map(Op::Vrps),
        6 => (1..4_usize, any::<bool>()).prop_map(|(inputs, work)| Op::Turn { inputs, work }),
        4 => Just(Op::Page),
        1 => Just(Op::Again),
    ]
}

/// Every VRP is for one origin, so that who has another one is invalid.
fn vrps(mask: u8) -> VrpTable {
    let wanted = (0..PREFIXES).filter(|n| mask & (1 << (n % 8)) != 0);
    VrpTable::from_vrps(wanted.map(|n| Vrp { prefix: v4(n), max_len: 24, asn: Asn(20_001) }))
}

fn is_up(exchange: &Exchange, slot: u16) -> bool {
    exchange.workers[usize::from(slot)].is_up
}

fn run(op: &Op, exchange: &mut Exchange, watcher: &mut Watcher) {
    match *op {
        Op::Up(slot) if !is_up(exchange, slot) => exchange.up(slot),
        Op::Down { slot, stale } if is_up(exchange, slot) => exchange.down(slot, stale),
        Op::Announce { slot, first, count, variant, v6: false } if is_up(exchange, slot) => {
            let prefixes: Vec<_> = (first..first + count).map(|n| v4(n % PREFIXES)).collect();
            exchange.announce(slot, &prefixes, attributes(slot, variant));
        }
        Op::Announce { slot, first, variant, v6: true, .. } if is_up(exchange, slot) => {
            exchange.announce(slot, &[v6(first % 4)], attributes_v6(slot, variant));
        }
        Op::Withdraw { slot, first, count } if is_up(exchange, slot) => {
            let prefixes: Vec<_> = (first..first + count).map(|n| v4(n % PREFIXES)).collect();
            exchange.withdraw(slot, &prefixes);
        }
        Op::EndOfRib(slot) if is_up(exchange, slot) => exchange.end_of_rib(slot),
        Op::Vrps(mask) => {
            let data = RoutingData { vrps: Arc::new(vrps(mask)), ..exchange.data.clone() };
            exchange.set_data(data, &Changed::All);
        }
        Op::Turn { inputs, work } => exchange.turn(0, inputs, work),
        Op::Page => watcher.page(exchange),
        Op::Again => {
            exchange.shards[0].watch(ALL);
            exchange.shards[0].take_watched();
            *watcher = Watcher::begin();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn changes_and_pages_make_the_tables(ops in prop::collection::vec(op(), 1..120)) {
        let mut exchange = Exchange::plain(usize::from(MEMBERS), 1);
        exchange.shards[0].watch(ALL);
        let mut watcher = Watcher::begin();
        for op in &ops {
            run(op, &mut exchange, &mut watcher);
        }
        // What was kept from an earlier session is told anew or gone.
        for slot in (0..MEMBERS).filter(|slot| is_up(&exchange, *slot)).collect::<Vec<_>>() {
            exchange.end_of_rib(slot);
        }
        exchange.settle();
        while watcher.next.is_some() {
            watcher.page(&mut exchange);
        }
        watcher.take(&mut exchange);
        let mut fresh = Watcher::begin();
        while fresh.next.is_some() {
            fresh.page(&mut exchange);
        }
        prop_assert_eq!(watcher.of_sessions(&exchange), fresh.of_sessions(&exchange));
    }
}

/// The same against what the test itself knows.
#[test]
fn a_watcher_sees_what_policy_leaves_what_is_first_and_the_end() {
    let mut exchange = Exchange::plain(2, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.settle();
    exchange.shards[0].watch(ALL);
    let mut watcher = Watcher::begin();
    watcher.page(&mut exchange);
    let vrps = VrpTable::from_vrps(vec![Vrp { prefix: v4(2), max_len: 24, asn: Asn(20_001) }]);
    let data = RoutingData { vrps: Arc::new(vrps), ..exchange.data.clone() };
    exchange.set_data(data, &Changed::All);
    exchange.announce(0, &[v4(2)], attributes(0, 7));
    exchange.announce(1, &[v4(2)], attributes(1, 1));
    exchange.end_of_rib(1);
    exchange.settle();
    watcher.take(&mut exchange);
    let prefixes =
        |table: &Table| table.keys().map(|(slot, _, prefix)| (slot.0, *prefix)).collect::<Vec<_>>();
    assert_eq!(prefixes(&watcher.pre), [(0, v4(1)), (0, v4(2)), (1, v4(2))]);
    assert_eq!(prefixes(&watcher.post), [(0, v4(1)), (1, v4(2))]);
    assert_eq!(watcher.loc[&v4(2)].as_path.asns().next(), Some(asn_of(1)));
    assert_eq!(watcher.ends, [(Slot(1), Family::V4), (Slot(1), Family::V6)]);

    // Another origin is valid now.
    let vrps = VrpTable::from_vrps(vec![Vrp { prefix: v4(2), max_len: 24, asn: Asn(20_007) }]);
    let data = RoutingData { vrps: Arc::new(vrps), ..exchange.data.clone() };
    exchange.set_data(data, &Changed::All);
    exchange.settle();
    watcher.take(&mut exchange);
    assert_eq!(prefixes(&watcher.pre), [(0, v4(1)), (0, v4(2)), (1, v4(2))]);
    assert_eq!(prefixes(&watcher.post), [(0, v4(1)), (0, v4(2))]);
    assert_eq!(watcher.loc[&v4(2)].as_path.asns().next(), Some(asn_of(0)));

    exchange.withdraw(0, &[v4(1), v4(2)]);
    exchange.settle();
    watcher.take(&mut exchange);
    assert_eq!((prefixes(&watcher.pre), watcher.loc.len()), (vec![(1, v4(2))], 0));
}

#[test]
fn who_watches_nothing_is_told_nothing() {
    let mut exchange = Exchange::plain(2, 1);
    exchange.announce(0, &[v4(1)], attributes(0, 1));
    exchange.settle();
    assert!(exchange.shards[0].take_watched().is_empty());
    exchange.shards[0].watch(Watch { loc_rib: true, ..Watch::default() });
    exchange.announce(0, &[v4(2)], attributes(0, 1));
    exchange.settle();
    let taken = exchange.shards[0].take_watched();
    assert!(matches!(&taken[..], [Watched::Loc { set: Some(_), .. }]), "{taken:?}");
    exchange.announce(0, &[v4(3)], attributes(0, 1));
    exchange.settle();
    exchange.shards[0].watch(Watch::default());
    assert!(exchange.shards[0].take_watched().is_empty());
    assert_eq!(exchange.shards[0].watched(), Watch::default());
}
