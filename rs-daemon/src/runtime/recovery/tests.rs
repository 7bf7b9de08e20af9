use std::time::Duration;

use bgp_wire::{Families, Family};

use super::*;

fn key(last: u8) -> SessionKey {
    SessionKey {
        route_server: "rs1".into(),
        address: std::net::Ipv4Addr::new(192, 0, 2, last).into(),
        interface: None,
    }
}

fn graceful(restarting: bool) -> PeerGracefulRestart {
    PeerGracefulRestart {
        restarting,
        restart_time: Duration::from_secs(120),
        families: Families::only(Family::V4),
        forwarding: Families::NONE,
    }
}

struct Rig {
    recovery: Recovery,
    now: Instant,
    bell: Arc<Notify>,
}

impl Rig {
    fn restarted(expected: &[u8]) -> Self {
        let (recovery, now) = (Recovery::default(), Instant::now());
        let expected = expected.iter().map(|n| key(*n)).collect();
        recovery.begin(now + Duration::from_secs(60), expected);
        Self { recovery, now, bell: Arc::default() }
    }

    fn up(&self, n: u8, peer: Option<PeerGracefulRestart>) -> bool {
        self.recovery.established(&key(n), peer.as_ref(), self.now, &self.bell)
    }

    fn is_over(&self) -> bool {
        self.recovery.held(self.now).is_none()
    }
}

#[test]
fn all_that_were_there_are_waited_for() {
    let rig = Rig::restarted(&[1, 2, 3]);
    assert!(rig.up(1, Some(graceful(false))));
    rig.recovery.end_of_rib(&key(1), rig.now);
    assert!(rig.up(2, Some(graceful(false))), "2 has not sent its routes, 3 is not there");
    rig.recovery.end_of_rib(&key(2), rig.now);
    assert!(!rig.is_over());
    assert_eq!(rig.recovery.awaited(), Some(1));
    assert!(rig.up(3, Some(graceful(false))));
    rig.recovery.end_of_rib(&key(3), rig.now);
    assert!(rig.is_over());
    assert!(!rig.up(4, Some(graceful(false))), "who comes later waits for nothing");
}

#[test]
fn who_has_restarted_or_has_no_graceful_restart_is_not_waited_for() {
    let rig = Rig::restarted(&[1, 2, 3]);
    assert!(!rig.up(1, None), "what it is sent replaces nothing that it kept");
    assert!(rig.up(2, Some(graceful(true))), "held, as 3 is not there");
    assert_eq!(rig.recovery.awaited(), Some(1));
    rig.recovery.forget(&key(3), rig.now);
    assert!(rig.is_over());
}

#[test]
fn two_that_have_restarted_do_not_wait_for_each_other() {
    let rig = Rig::restarted(&[1]);
    assert!(!rig.up(1, Some(graceful(true))), "nobody else is waited for");
    assert!(rig.is_over());
}

#[test]
fn a_first_start_waits_for_nobody_who_is_not_there() {
    let rig = Rig::restarted(&[]);
    assert!(!rig.up(1, None));
    assert!(rig.is_over());
    let rig = Rig::restarted(&[]);
    assert!(rig.up(1, Some(graceful(false))), "its own routes are under way");
    rig.recovery.end_of_rib(&key(1), rig.now);
    assert!(rig.is_over());
}

#[test]
fn the_time_ends_it() {
    let mut rig = Rig::restarted(&[1, 2]);
    assert!(rig.up(1, Some(graceful(false))));
    rig.now += Duration::from_secs(59);
    assert!(!rig.is_over());
    rig.now += Duration::from_secs(1);
    assert!(rig.is_over());
}

#[test]
fn a_session_that_is_lost_meanwhile_is_still_waited_for() {
    let rig = Rig::restarted(&[1]);
    assert!(rig.up(1, Some(graceful(false))));
    rig.recovery.down(&key(1));
    assert!(!rig.is_over());
    assert!(rig.recovery.members().contains(&key(1)), "also by who comes after us");
}

#[test]
fn the_file_has_who_is_up_and_who_is_waited_for() {
    let rig = Rig::restarted(&[1, 2]);
    rig.up(2, None);
    rig.up(3, Some(graceful(false)));
    assert!(rig.recovery.take_changed() && !rig.recovery.take_changed());
    let members = rig.recovery.members();
    assert_eq!(members, [key(1), key(3)].into());
    let file = RecoveryFile::new(members.into_iter());
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<RecoveryFile>(&text).unwrap(), file);
}
