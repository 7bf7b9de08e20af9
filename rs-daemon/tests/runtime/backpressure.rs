//! Members that do not read, and what becomes of them and the others.

use std::collections::BTreeMap;
use std::time::Instant;

use bgp_wire::{LargeCommunity, PathAttributes};
use rs_daemon::runtime::simulation::Limits;

use crate::support::{PATIENCE, Running, Speaker, head, many_communities, member, prefixes};

/// Attributes of about two kilo-octets, so that few routes fill queues.
fn heavy(speaker: &Speaker, salt: u32) -> PathAttributes {
    let large = |n| LargeCommunity { global: 65_100, local1: salt, local2: n };
    PathAttributes { large_communities: (0..150).map(large).collect(), ..speaker.attributes() }
}

#[test]
fn a_member_that_stops_reading_delays_nobody_and_catches_up() {
    for engine in ["shards = 1\nworkers = 1", "shards = 3\nworkers = 2"] {
        let rs = Running::start(|port| {
            many_communities(&head(port, engine))
                + &member(11, "")
                + &member(12, "")
                + &member(13, "")
        });
        let (mut sender, mut stuck, mut reader) = (rs.join(11), rs.join(12), rs.join(13));
        stuck.until("End-of-RIB", |m| !m.marks.is_empty());
        // Several rounds over the same prefixes: the stuck member owes itself only the last.
        let rounds = 12;
        for round in 0..rounds {
            for n in 0..500 {
                let attributes = heavy(&sender, round * 1000 + n);
                sender.announce(&attributes, &prefixes(n * 2..n * 2 + 2));
            }
            let last = heavy(&sender, round * 1000 + 499);
            reader.until("the round", |m| m.table.get(&crate::support::prefix(998)) == Some(&last));
        }
        sender.withdraw(&prefixes(0..100));
        let expected: BTreeMap<_, _> = (50..500)
            .flat_map(|n| prefixes(n * 2..n * 2 + 2).into_iter().map(move |p| (n, p)))
            .map(|(n, prefix)| (prefix, heavy(&sender, (rounds - 1) * 1000 + n)))
            .collect();
        reader.until("all that is left", |m| m.table == expected);
        let behind = rs.until(12, "lagging", |s| s.lagging);
        assert!(behind.send_queue_octets < 6 << 20, "{behind:#?}");

        stuck.until("all that is left", |m| m.table == expected);
        rs.until(12, "no longer lagging", |s| !s.lagging && s.send_queue_octets == 0);
        assert_eq!(rs.session(12).flaps, 0);
    }
}

#[test]
fn end_of_rib_waits_for_what_is_dirty() {
    let rs = Running::start(|port| {
        many_communities(&head(port, "shards = 2\nworkers = 1")) + &member(11, "") + &member(12, "")
    });
    let mut sender = rs.join(11);
    for n in 0..6000 {
        let attributes = heavy(&sender, n);
        sender.announce(&attributes, &prefixes(n..n + 1));
    }
    rs.until(11, "6000 routes", |s| s.routes[0].received == 6000);
    // It joins, does not read, and everything changes once more behind its back.
    let mut late = rs.join(12);
    for n in 0..6000 {
        let attributes = heavy(&sender, 10_000 + n);
        sender.announce(&attributes, &prefixes(n..n + 1));
    }
    sender.withdraw(&prefixes(0..1000));
    rs.until(11, "5000 routes", |s| s.routes[0].received == 5000);
    late.until("End-of-RIB", |m| !m.marks.is_empty());
    let last = heavy(&sender, 15_999);
    late.until("the table", |m| {
        m.table.len() == 5000 && m.table.get(&crate::support::prefix(5999)) == Some(&last)
    });
    assert!(late.marks[0].1 >= 5000, "End-of-RIB after {} routes", late.marks[0].1);
}

#[test]
fn hold_timers_do_not_run_out_while_we_are_the_ones_who_do_not_read() {
    // A burst far larger than the shards' inboxes, from members with a short hold time: all of it
    // is taken, and nobody is thrown out.
    let rs = Running::start(|port| {
        head(port, "shards = 1\nworkers = 1")
            .replace("[[route_server]]", "[[route_server]]\nhold_time = \"12s\"")
            + &member(11, "max_prefixes = { v4 = 900000 }")
            + &member(12, "")
    });
    let (mut sender, mut reader) = (rs.join(11), rs.join(12));
    let begun = Instant::now();
    let mut beats = 0;
    let mut beat = |sender: &mut Speaker, reader: &mut Speaker| {
        if begun.elapsed().as_millis() / 250 >= beats {
            beats += 1;
            sender.keepalive();
            reader.keepalive();
        }
    };
    let all = prefixes(0..200_000);
    for (n, part) in all.chunks(1000).enumerate() {
        let attributes = sender.tagged(u16::try_from(n).unwrap());
        sender.announce(&attributes, part);
        beat(&mut sender, &mut reader);
    }
    let sent = Instant::now();
    while reader.table.len() < 200_000 {
        assert!(!reader.closed && sent.elapsed() < PATIENCE);
        reader.read();
        beat(&mut sender, &mut reader);
    }
    assert_eq!(rs.session(11).routes[0].received, 200_000);
}

/// A lane that is full costs nobody a route: members are told which NLRI they may have missed, and
/// ask for them.
#[test]
fn what_a_full_lane_left_out_is_made_up_for_exactly() {
    for engine in ["shards = 1\nworkers = 1", "shards = 3\nworkers = 2"] {
        let limits = Limits { lane_octets: 4_000, ..Limits::default() };
        let rs = Running::start_with(limits, |port| {
            many_communities(&head(port, engine))
                + &member(11, "")
                + &member(12, "")
                + &member(13, "")
        });
        let (mut sender, mut slow, mut reader) = (rs.join(11), rs.join(12), rs.join(13));
        for round in 0..4 {
            for n in 0..400 {
                let attributes = heavy(&sender, round * 1000 + n);
                sender.announce(&attributes, &prefixes(n * 2..n * 2 + 2));
            }
        }
        sender.withdraw(&prefixes(0..100));
        let expected: BTreeMap<_, _> = (50..400)
            .flat_map(|n| prefixes(n * 2..n * 2 + 2).into_iter().map(move |p| (n, p)))
            .map(|(n, prefix)| (prefix, heavy(&sender, 3000 + n)))
            .collect();
        reader.until("all that is left", |m| m.table == expected);
        slow.until("all that is left", |m| m.table == expected);
        for n in [12, 13] {
            rs.until(n, "no longer lagging", |s| !s.lagging && s.dirty_nlri == 0);
            assert_eq!(rs.session(n).flaps, 0);
        }
        assert!(rs.handle.counters().lagged > 0, "the lanes were never full");
    }
}

/// RFC 9687: who takes nothing of what we send is ended, however alive it looks otherwise.
#[test]
fn a_member_that_never_reads_is_ended_and_delays_nobody() {
    let rs = Running::start(|port| {
        many_communities(&head(port, "shards = 1\nworkers = 1"))
            + &member(11, "")
            + &member(12, "")
            + "hold_time = \"12s\"\nsend_hold_time = \"13s\"\n"
            + &member(13, "")
    });
    let (mut sender, mut stuck, mut reader) = (rs.join(11), rs.join(12), rs.join(13));
    stuck.until("End-of-RIB", |m| !m.marks.is_empty());
    let (mut salt, mut meanwhile) = (0, 0);
    // From here on the stuck member sends, but does not read.
    let ended = loop {
        for _ in 0..50 {
            salt += 1;
            let attributes = heavy(&sender, salt);
            let n = salt % 3000;
            sender.announce(&attributes, &prefixes(n..n + 1));
        }
        // The other one has each round at once, while the stuck one's time runs.
        let (n, last) = (salt % 3000, heavy(&sender, salt));
        reader.until("the round", |m| m.table.get(&crate::support::prefix(n)) == Some(&last));
        stuck.keepalive_if_open();
        let status = rs.session(12);
        meanwhile += u32::from(status.send_queue_octets > 0);
        if status.flaps == 1 {
            break status;
        }
        assert!(salt < 2_000_000, "it is never ended: {status:#?}");
    };
    let why = ended.last_down.unwrap().to_lowercase();
    assert!(why.contains("send hold"), "{why}");
    assert!(meanwhile > 0, "nothing waited for it while others had theirs");
    assert_eq!((rs.session(11).flaps, rs.session(13).flaps), (0, 0));
}
