//! Random events. The promises themselves are checked by [`Rig`] at every step.

use bgp_session::{
    ConnectionId, Direction, GracefulRestartConfig, Input, Output, SessionConfig, StopReason,
};
use bgp_wire::{Capability, Family, Message, Notification, OpenMessage, RouteRefresh};
use proptest::prelude::*;

use crate::rig::*;

#[derive(Debug, Clone)]
enum Step {
    Start,
    Stop(StopReason),
    Inbound,
    Outbound,
    ConnectFailed,
    /// On one of the connections that the owner knows, counted from the newest.
    Closed(usize),
    Message(usize, Message),
    Octets(usize, Vec<u8>),
    /// A message in two parts.
    Split(usize, Message, usize),
    UpdateFault,
    Blocked,
    Progress,
    Refresh,
    Pass(u64, bool),
    Timeout(bool),
}

fn messages() -> impl Strategy<Value = Message> {
    let opens = (0_u16..4, any::<bool>(), prop::sample::select(vec![1_u8, 250, 255]), 0_usize..5)
        .prop_map(|(hold, right_as, id, capabilities)| {
            let mut open = OpenMessage {
                my_as: if right_as { 65010 } else { 65011 },
                hold_time: [0, 2, 3, 90][usize::from(hold)],
                router_id: [192, 0, 2, id].into(),
                ..open()
            };
            open.capabilities.truncate(capabilities.max(2));
            open.capabilities.push(Capability::GracefulRestart {
                restarting: hold == 3,
                notification: right_as,
                restart_time: 100,
                families: vec![],
            });
            Message::Open(open)
        });
    prop_oneof![
        4 => Just(Message::Open(open())),
        2 => opens,
        4 => Just(Message::Keepalive),
        2 => Just(end_of_rib()),
        1 => Just(refresh(Family::V4)),
        1 => (0_u8..9, 0_u8..12).prop_map(|(code, subcode)| {
            Message::Notification(Notification::new(code, subcode))
        }),
    ]
}

fn stops() -> impl Strategy<Value = StopReason> {
    prop::sample::select(vec![
        StopReason::AdministrativeShutdown(Some("x".repeat(300))),
        StopReason::AdministrativeReset(None),
        StopReason::Deconfigured,
        StopReason::ConfigurationChange,
        StopReason::MaxPrefixes { family: None, limit: 9, restart_after: Some(secs(60)) },
        StopReason::GracefulRestart,
    ])
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Start),
        1 => stops().prop_map(Step::Stop),
        4 => Just(Step::Inbound),
        4 => Just(Step::Outbound),
        1 => Just(Step::ConnectFailed),
        2 => (0_usize..4).prop_map(Step::Closed),
        12 => (0_usize..4, messages()).prop_map(|(which, message)| Step::Message(which, message)),
        1 => (0_usize..4, prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(which, octets)| Step::Octets(which, octets)),
        2 => (0_usize..4, messages(), 1_usize..60)
            .prop_map(|(which, message, at)| Step::Split(which, message, at)),
        1 => Just(Step::UpdateFault),
        1 => Just(Step::Blocked),
        1 => Just(Step::Progress),
        1 => Just(Step::Refresh),
        4 => (0_u64..200, any::<bool>()).prop_map(|(secs, unread)| Step::Pass(secs, unread)),
        1 => any::<bool>().prop_map(Step::Timeout),
    ]
}

/// The owner's side of it: which connections it has been told about, open or not.
fn run(rig: &mut Rig, ids: &mut Vec<ConnectionId>, step: Step) -> Vec<Output> {
    let pick = |which: usize| {
        let index = ids.len().checked_sub(1 + which);
        index.map_or(ConnectionId(0), |index| ids[index])
    };
    match step {
        Step::Start => rig.input(Input::Start),
        Step::Stop(reason) => rig.input(Input::Stop(reason)),
        Step::Inbound | Step::Outbound => {
            let direction = if matches!(step, Step::Inbound) {
                Direction::Inbound
            } else {
                Direction::Outbound
            };
            let (id, outputs) = rig.connection(direction);
            ids.push(id);
            outputs
        }
        Step::ConnectFailed => rig.input(Input::ConnectFailed),
        Step::Closed(which) => rig.input(Input::ConnectionClosed { id: pick(which) }),
        Step::Message(which, message) => rig.send(pick(which), &message),
        Step::Octets(which, octets) => rig.octets(pick(which), &octets),
        Step::Split(which, message, at) => {
            let octets = encode(&message);
            let (first, second) = octets.split_at(at.min(octets.len()));
            let mut outputs = rig.octets(pick(which), first);
            outputs.extend(rig.octets(pick(which), second));
            outputs
        }
        Step::UpdateFault => rig.input(Input::UpdateFault(Notification::new(3, 1))),
        Step::Blocked => rig.input(Input::SendBlocked),
        Step::Progress => rig.input(Input::SendProgress),
        Step::Refresh => rig.input(Input::RequestRefresh(RouteRefresh::new(Family::V6, 0))),
        Step::Pass(time, unread) => rig.pass_with(secs(time), unread),
        Step::Timeout(unread) => rig.timeout(unread),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_keeps_the_promises(
        steps in prop::collection::vec(steps(), 0..80),
        passive in any::<bool>(),
        graceful in any::<bool>(),
    ) {
        let config = SessionConfig {
            passive,
            graceful_restart: graceful.then(GracefulRestartConfig::default),
            ..config()
        };
        let mut rig = Rig::started(config);
        let mut ids = Vec::new();
        for step in steps {
            run(&mut rig, &mut ids, step);
        }
        // And whatever happened: after a start, a well-behaved peer comes up.
        rig.pass(secs(300));
        rig.input(Input::Start);
        let rest: Vec<ConnectionId> = rig.session.connections().map(|(id, ..)| id).collect();
        for id in rest {
            rig.input(Input::ConnectionClosed { id });
        }
        rig.input(Input::Start);
        let id = rig.inbound();
        rig.send(id, &Message::Open(open()));
        rig.send(id, &Message::Keepalive);
        prop_assert_eq!(rig.session.negotiated().map(|n| n.connection), Some(id));
    }
}
