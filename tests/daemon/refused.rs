//! Whom the route server does not talk to, and how it says so.

use rs_tests::support::loopback::{ARRIVE, Exchange, holds, route};
use rs_tests::support::raw::Speaker;
use rs_tests::support::wait::{ensure, eventually};

#[test]
fn a_peer_from_an_unconfigured_address_is_refused_and_counted() {
    let exchange = Exchange::new(&[""]);
    let config = exchange.speaker_config(99);
    // Refused before or after OPEN was written: both are a refusal.
    if let Ok(speaker) = Speaker::start(config) {
        speaker.wait("refused", ARRIVE, |status| {
            ensure(status.closed.is_some(), || format!("{status:?}"))
        });
        assert!(!speaker.status().established);
    }
    eventually("the refusal is counted", ARRIVE, || {
        let labels = ["reason=\"unconfigured\""];
        let count = exchange.metric("rs_connections_refused_total", &labels)?;
        ensure(count >= 1.0, || format!("{count}"))
    });
    exchange.speaker(2);
}

/// RFC 4271 §6.2: OPEN Message Error, Bad Peer AS.
#[test]
fn a_wrong_as_in_open_is_answered_with_2_2() {
    let exchange = Exchange::new(&[""]);
    let mut config = exchange.speaker_config(2);
    config.asn = 65099;
    let speaker = Speaker::start(config).unwrap();
    speaker.wait("told why", ARRIVE, |status| {
        let told = status.notification.as_ref().map(|(code, subcode, _)| (*code, *subcode));
        ensure(told == Some((2, 2)), || format!("{status:?}"))
    });
    speaker
        .wait("closed", ARRIVE, |status| ensure(status.closed.is_some(), || format!("{status:?}")));
    assert!(!speaker.status().established);
    // The right AS is welcome afterwards.
    exchange.speaker(2);
}

/// RFC 7606: a malformed attribute costs its routes, not the session.
#[test]
fn a_malformed_update_withdraws_its_routes_and_keeps_the_session() {
    let exchange = Exchange::new(&["", ""]);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let good = [route(2, "198.51.100.0/24", ""), route(2, "203.0.113.0/24", "")];
    sender.announce(&good[0]);
    sender.announce(&good[1]);
    holds("both", &receiver, &good);
    // ORIGIN of two octets (RFC 7606 §7.1).
    let malformed = [
        &[0, 0, 0, 19][..],
        &[0x40, 1, 2, 0, 0],
        &[0x40, 2, 4, 2, 1, 0, 0],
        &[0x40, 3, 4, 192, 0, 2, 2],
    ];
    let mut body = malformed.concat();
    // An AS_PATH of one four-octet AS is six octets long.
    body.splice(9..16, [0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea]);
    body[3] = u8::try_from(body.len() - 4).unwrap();
    body.extend_from_slice(&[24, 203, 0, 113]);
    sender.send(&rs_tests::support::wire::message(2, &body)).unwrap();
    holds("the other only", &receiver, &good[..1]);
    assert_eq!(sender.status().closed, None);
    eventually("it is counted", ARRIVE, || {
        let labels = ["action=\"treat-as-withdraw\""];
        let count = exchange.metric("rs_updates_malformed_total", &labels)?;
        ensure(count >= 1.0, || format!("{count}"))
    });
}
