use bgp_session::{ConnectionId, SessionConfig, negotiate};
use bgp_wire::{Asn, Capability, GracefulRestartFamily, LongLivedFamily, OpenMessage};

use super::*;

const RESTART: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(600);
const V4: Families = Families::only(Family::V4);
const V6: Families = Families::only(Family::V6);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A session with graceful restart for IPv4, with these F bits; without the second, it has no LLGR.
fn session(forwarding: bool, long_lived: Option<bool>) -> Negotiated {
    let named = vec![GracefulRestartFamily { afi: 1, safi: 1, forwarding }];
    let entry = |forwarding| LongLivedFamily { afi: 1, safi: 1, forwarding, stale_time: 600 };
    negotiated(named, long_lived.map(|forwarding| vec![entry(forwarding)]))
}

fn negotiated(
    named: Vec<GracefulRestartFamily>,
    long_lived: Option<Vec<LongLivedFamily>>,
) -> Negotiated {
    let config =
        SessionConfig { local_as: Asn(64500), peer_as: Asn(64501), ..SessionConfig::default() };
    let mut capabilities = vec![
        Capability::multi_protocol(Family::V4),
        Capability::multi_protocol(Family::V6),
        Capability::GracefulRestart {
            restarting: false,
            notification: true,
            restart_time: 60,
            families: named,
        },
    ];
    capabilities.extend(long_lived.map(Capability::LongLivedGracefulRestart));
    let open = |asn: u16, id: u8| OpenMessage {
        version: 4,
        my_as: asn,
        hold_time: 90,
        router_id: [192, 0, 2, id].into(),
        capabilities: capabilities.clone(),
    };
    let config = SessionConfig { families: Families::BOTH, ..config };
    negotiate(&config, &open(64500, 1), &open(64501, 2), ConnectionId(0)).unwrap()
}

fn with_llgr() -> Negotiated {
    session(true, Some(true))
}

/// The first loss of a session with LLGR, and its restart time over.
fn long_lived(begin: Instant) -> Stale {
    let mut stale = Stale::default();
    assert_eq!(stale.session_lost(&with_llgr(), begin), (Families::NONE, V6));
    assert_eq!(stale.next(), Some(begin + RESTART));
    assert_eq!(stale.take_due(begin + RESTART), (Families::NONE, V4));
    assert_eq!(stale.next(), Some(begin + RESTART + LONG));
    stale
}

#[test]
fn rfc4724_s4_2_what_is_stale_for_the_second_time_goes() {
    let (now, session) = (Instant::now(), session(true, None));
    let mut stale = Stale::default();
    assert_eq!(stale.session_lost(&session, now), (Families::NONE, V6), "not named");
    assert!(stale.peer_is_back(&session, now).is_empty());
    assert_eq!(stale.session_lost(&session, now), (V4, V6));
    // Not so what became stale only now: the first restart was complete.
    assert!(stale.peer_is_back(&session, now).is_empty());
    stale.end_of_rib(Family::V4);
    assert_eq!(stale.next(), None);
    assert_eq!(stale.session_lost(&session, now), (Families::NONE, V6));
    assert_eq!(stale.take_due(now + RESTART), (V4, Families::NONE));
    assert_eq!(stale.next(), None);
}

#[test]
fn rfc4724_who_never_sends_end_of_rib_has_his_time() {
    let (now, session) = (Instant::now(), with_llgr());
    let mut stale = Stale::default();
    stale.session_lost(&session, now);
    assert!(stale.peer_is_back(&session, now + secs(50)).is_empty());
    assert_eq!(stale.take_due(now + RESTART), (Families::NONE, Families::NONE));
    assert_eq!(stale.next(), Some(now + secs(50) + END_OF_RIB_WAIT));
    // It is there: nothing becomes long-lived stale.
    assert_eq!(stale.take_due(now + secs(50) + END_OF_RIB_WAIT), (V4, Families::NONE));
}

#[test]
fn rfc9494_s4_2_both_f_bits_and_both_capabilities_are_wanted_of_who_comes_back_late() {
    let begin = Instant::now();
    let at = begin + secs(100);
    for (forwarding, llgr, stays) in [
        (true, Some(true), true),
        (true, Some(false), false),
        (true, None, false),
        (false, Some(true), false),
    ] {
        let mut stale = long_lived(begin);
        let gone = stale.peer_is_back(&session(forwarding, llgr), at);
        assert_eq!(gone, if stays { Families::NONE } else { V4 }, "{forwarding} {llgr:?}");
        assert_eq!(stale.next().is_some(), stays);
    }
    // In the restart time only graceful restart counts.
    let mut stale = Stale::default();
    stale.session_lost(&with_llgr(), begin);
    assert!(stale.peer_is_back(&session(true, None), at).is_empty());
}

/// A family that long-lived graceful restart alone names has no restart time before it.
#[test]
fn rfc9494_s4_2_a_family_without_graceful_restart_is_long_lived_at_once() {
    let begin = Instant::now();
    let entry =
        |forwarding, stale_time| LongLivedFamily { afi: 2, safi: 1, forwarding, stale_time };
    let named = || vec![GracefulRestartFamily { afi: 1, safi: 1, forwarding: true }];
    let with = |forwarding| negotiated(named(), Some(vec![entry(forwarding, 600)]));
    let lost = || {
        let mut stale = Stale::default();
        assert_eq!(stale.session_lost(&with(true), begin), (Families::NONE, Families::NONE));
        assert_eq!(stale.take_due(begin), (Families::NONE, V6));
        assert_eq!(stale.take_due(begin + RESTART), (V4, Families::NONE));
        assert_eq!(stale.next(), Some(begin + LONG));
        stale
    };
    assert_eq!(lost().take_due(begin + LONG), (V6, Families::NONE));
    for (forwarding, gone) in [(true, Families::NONE), (false, V6)] {
        assert_eq!(lost().peer_is_back(&with(forwarding), begin + secs(100)), gone);
    }
    // For no time at all is not at all.
    let nothing = negotiated(named(), Some(vec![entry(true, 0)]));
    assert_eq!(Stale::default().session_lost(&nothing, begin), (Families::NONE, V6));
}

#[test]
fn rfc9494_s4_2_the_long_lived_time_runs_on_through_sessions_until_end_of_rib() {
    let begin = Instant::now();
    let end = begin + RESTART + LONG;
    let mut stale = long_lived(begin);
    // Back and gone again, and again: nothing goes (consecutive restarts), nothing lasts longer.
    for n in 0..6 {
        let at = begin + secs(100 + 90 * n);
        assert!(stale.peer_is_back(&with_llgr(), at).is_empty());
        assert_eq!(stale.session_lost(&with_llgr(), at + secs(10)), (Families::NONE, V6));
        // What the session in between said becomes long-lived stale after the restart time.
        let (gone, long) = stale.take_due(at + secs(10) + RESTART);
        assert_eq!((gone, long), (Families::NONE, V4), "{n}");
        assert_eq!(stale.next(), Some(end), "{n}");
    }
    assert_eq!(stale.take_due(end), (V4, Families::NONE));
    assert_eq!(stale.next(), None);
    // A loss whose restart time goes beyond the end.
    let mut stale = long_lived(begin);
    stale.peer_is_back(&with_llgr(), end - secs(5));
    stale.session_lost(&with_llgr(), end - secs(4));
    assert_eq!(stale.next(), Some(end));
    assert_eq!(stale.take_due(end), (V4, Families::NONE));
    // After End-of-RIB a loss begins anew.
    let mut stale = long_lived(begin);
    stale.peer_is_back(&with_llgr(), begin + secs(100));
    stale.end_of_rib(Family::V4);
    assert_eq!(stale.next(), None);
    stale.session_lost(&with_llgr(), end);
    assert_eq!(stale.take_due(end + RESTART), (Families::NONE, V4));
    assert_eq!(stale.next(), Some(end + RESTART + LONG));
}

#[test]
fn rfc9494_s4_2_a_session_lost_after_the_time_ended_in_it_leaves_nothing() {
    let begin = Instant::now();
    let end = begin + RESTART + LONG;
    for complete in [false, true] {
        let mut stale = long_lived(begin);
        stale.peer_is_back(&with_llgr(), end - secs(5));
        assert_eq!(stale.take_due(end), (V4, Families::NONE));
        if complete {
            stale.end_of_rib(Family::V4);
        }
        let (old, all) = stale.session_lost(&with_llgr(), end + secs(1));
        assert!(old.is_empty());
        assert_eq!(all, if complete { V6 } else { Families::BOTH });
    }
}

/// What several sessions left counts together as long as something of the first may be there.
#[test]
fn attributes_of_long_lived_routes_add_up_over_sessions() {
    let begin = Instant::now();
    let mut stale = long_lived(begin);
    stale.add_octets(60);
    assert!(!stale.is_over(100));
    stale.peer_is_back(&with_llgr(), begin + secs(100));
    stale.session_lost(&with_llgr(), begin + secs(110));
    stale.add_octets(60);
    assert!(stale.is_over(100));
    assert_eq!(stale.take_all(), V4);
    assert!(!stale.is_over(100), "nothing is kept");
    // After End-of-RIB, and without LLGR, what is kept is of one session.
    let mut stale = long_lived(begin);
    stale.add_octets(60);
    stale.peer_is_back(&with_llgr(), begin + secs(100));
    stale.end_of_rib(Family::V4);
    stale.session_lost(&with_llgr(), begin + secs(110));
    stale.add_octets(60);
    assert!(!stale.is_over(100));
    let mut stale = Stale::default();
    for _ in 0..3 {
        stale.session_lost(&session(true, None), begin);
        stale.add_octets(60);
        assert!(!stale.is_over(100) && stale.is_over(50));
    }
}

#[test]
fn what_is_taken_is_what_was_kept() {
    let now = Instant::now();
    let mut stale = long_lived(now);
    assert_eq!(stale.take_all(), V4);
    assert!(stale.take_all().is_empty());
    assert_eq!(stale.next(), None);
}
