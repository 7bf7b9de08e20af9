//! Two of our sessions with each other.

use bgp_session::{DownReason, Input, SessionConfig, State, StopReason};
use proptest::prelude::*;

use crate::pair::{Pair, configs, even, millis};
use crate::rig::secs;

#[test]
fn active_and_passive_come_up_at_once() {
    for passive in [[false, true], [true, false]] {
        let pair = even(passive, [1, 2]);
        assert!(pair.is_up(), "{}", pair.describe());
    }
}

#[test]
fn two_passive_sides_wait() {
    let mut pair = even([true, true], [1, 2]);
    pair.run(secs(1000));
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn rfc4271_s6_8_of_a_simultaneous_open_exactly_one_survives() {
    for router_ids in [[1, 2], [2, 1], [7, 7]] {
        let mut pair = even([false, false], router_ids);
        assert!(pair.is_up(), "{}", pair.describe());
        pair.run(secs(1000));
        assert!(pair.is_up());
        for side in &pair.sides {
            assert_eq!(side.established, 1);
            assert_eq!(side.session.connections().count(), 1);
        }
    }
}

#[test]
fn pitfall_40_a_side_whose_port_is_closed() {
    let mut pair = Pair::new(configs([false, false], [2, 1]), vec![millis(10)]);
    // Side 1 takes no connections, and starts late.
    pair.sides[1].listens = false;
    pair.input(0, Input::Start);
    pair.run(secs(100));
    let attempts = pair.sides[0].session.counters().connect_attempts;
    assert!((3..=5).contains(&attempts), "no hot loop, no giving up: {attempts}");
    pair.input(1, Input::Start);
    pair.run(millis(200));
    assert!(pair.is_up(), "{}", pair.describe());
    pair.run(secs(1000));
    assert_eq!(pair.sides[0].established, 1);
    assert_eq!(pair.sides[0].session.counters().connect_attempts, attempts);
}

#[test]
fn a_pulled_cable_is_noticed_by_the_hold_timer_and_healed() {
    let mut pair = even([true, false], [1, 2]);
    pair.pull_cable();
    pair.run(secs(59));
    assert_eq!(pair.states(), [State::Established; 2]);
    pair.run(secs(40));
    assert_eq!(pair.sides[0].downs, [DownReason::HoldTimerExpired]);
    assert_eq!(pair.sides[1].downs, [DownReason::HoldTimerExpired]);
    pair.plug_cable();
    pair.run(secs(40));
    assert!(pair.is_up(), "{}", pair.describe());
}

#[test]
fn a_crashed_side_is_back_soon_after_its_restart() {
    // Without graceful restart: the survivor refuses the newcomer until its hold timer expires.
    let mut pair = even([true, false], [1, 2]);
    pair.crash(1);
    pair.run(secs(150));
    assert!(pair.is_up(), "{}", pair.describe());
    // With it: at once.
    let graceful = configs([true, false], [1, 2]).map(|config| SessionConfig {
        graceful_restart: Some(bgp_session::GracefulRestartConfig::default()),
        ..config
    });
    let mut pair = Pair::new(graceful, vec![millis(10)]);
    pair.start_both();
    pair.run(secs(10));
    pair.crash(1);
    pair.run(millis(100));
    assert!(pair.is_up(), "{}", pair.describe());
    assert_eq!(pair.sides[0].downs, [DownReason::PeerRestarted]);
}

#[test]
fn a_shutdown_is_understood_and_the_peer_keeps_trying_in_measure() {
    let mut pair = even([true, false], [1, 2]);
    pair.input(0, Input::Stop(StopReason::AdministrativeShutdown(Some("moving".into()))));
    pair.run(secs(1));
    assert!(pair.sides[1].downs[0].to_string().contains("moving"), "{}", pair.describe());
    let before = pair.sides[1].session.counters().connect_attempts;
    pair.run(secs(300));
    let attempts = pair.sides[1].session.counters().connect_attempts - before;
    assert!((5..=20).contains(&attempts), "{attempts}");
    pair.input(0, Input::Start);
    pair.run(secs(31));
    assert!(pair.is_up(), "{}", pair.describe());
}

#[test]
fn sessions_with_hold_time_zero_last() {
    let configs =
        configs([true, false], [1, 2]).map(|config| SessionConfig { hold_time: secs(0), ..config });
    let mut pair = Pair::new(configs, vec![millis(10)]);
    pair.start_both();
    pair.run(secs(100_000));
    assert!(pair.is_up());
    assert_eq!(pair.sides[0].established, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the latencies, two sides end up with one and the same connection, and keep it.
    #[test]
    fn any_pair_comes_up_and_stays_up(
        passive in (any::<bool>(), any::<bool>()).prop_filter("one connects", |(a, b)| !(a & b)),
        router_ids in (1_u8..4, 1_u8..4),
        latencies in prop::collection::vec(1_u64..400, 1..20),
        late in 0_u64..2000,
        jitter in 75_u8..=100,
    ) {
        let mut configs = configs([passive.0, passive.1], [router_ids.0, router_ids.1]);
        configs[1].jitter_percent = jitter;
        let latencies = latencies.into_iter().map(millis).collect();
        let mut pair = Pair::new(configs, latencies);
        pair.input(0, Input::Start);
        pair.run(millis(late));
        pair.input(1, Input::Start);
        pair.run(secs(100));
        prop_assert!(pair.is_up(), "{}", pair.describe());
        let established = [0, 1].map(|side| pair.sides[side].established);
        pair.run(secs(1000));
        prop_assert!(pair.is_up(), "{}", pair.describe());
        prop_assert_eq!([0, 1].map(|side| pair.sides[side].established), established);
    }

    /// Cables pulled, sides crashed and sessions reset at random: afterwards it heals.
    #[test]
    fn any_pair_heals(
        faults in prop::collection::vec((0_u8..5, 0_u64..100_000), 1..12),
        latencies in prop::collection::vec(1_u64..300, 1..20),
        passive in any::<bool>(),
    ) {
        let configs = configs([passive, false], [1, 2]);
        let mut pair = Pair::new(configs, latencies.into_iter().map(millis).collect());
        pair.start_both();
        for (fault, wait) in faults {
            match fault {
                0 => pair.pull_cable(),
                1 => pair.plug_cable(),
                2 => pair.crash(0),
                3 => pair.crash(1),
                _ => pair.input(0, Input::Stop(StopReason::AdministrativeReset(None))),
            }
            pair.run(millis(wait));
        }
        pair.plug_cable();
        pair.run(secs(600));
        prop_assert!(pair.is_up(), "{}", pair.describe());
    }
}
