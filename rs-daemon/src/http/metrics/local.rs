//! Sockets of this machine: control, HTTP, and what all that listen have in common.

use prometheus::proto::MetricFamily;

use super::family::{Family, Labels};
use crate::control::answers::StatusAnswer;
use crate::runtime::status::SignatureFailures;

pub(super) fn families(status: &StatusAnswer) -> Vec<MetricFamily> {
    let mut up = Family::gauge("rs_socket_up", "1 while clients can connect to the socket.");
    let mut binds = Family::counter(
        "rs_socket_bind_failures_total",
        "Attempts to listen that failed, as another program has the address or path.",
    );
    let mut lost = Family::counter(
        "rs_socket_lost_total",
        "Times the file of the control socket was found missing or replaced.",
    );
    let mut refused = Family::counter(
        "rs_socket_refused_total",
        "Clients of the control socket that were told that there are too many.",
    );
    let mut accepts = Family::counter(
        "rs_accept_failures_total",
        "Times a connection could not be accepted: file descriptors are short.",
    );
    let none = Labels::none();
    let sockets = [("control", status.daemon.control), ("http", status.daemon.http)];
    for (name, socket) in sockets {
        let Some(socket) = socket else { continue };
        let labels = none.with("socket", name);
        up.add(labels.plain(), f64::from(socket.listening));
        binds.add_count(labels.plain(), socket.bind_failures);
        accepts.add_count(labels.plain(), socket.accept_failures);
        if name == "control" {
            lost.add_count(labels.plain(), socket.lost);
            refused.add_count(labels, socket.refused);
        }
    }
    let listeners = status.route_servers.iter().flat_map(|server| &server.listeners);
    accepts.add_count(none.with("socket", "bgp"), listeners.map(|one| one.refused_limit).sum());
    let families =
        [up, binds, lost, refused, accepts, signatures(&status.daemon.signature_failures)];
    families.map(Family::finish).into()
}

/// All that there is about a wrong password: no socket hears of it.
fn signatures(failures: &SignatureFailures) -> Family {
    let mut family = Family::counter(
        "rs_tcp_signature_failures_total",
        "Segments that the kernel dropped for their TCP MD5 or TCP-AO signature.",
    );
    for (kind, count) in [
        ("md5-wrong", failures.md5_wrong),
        ("md5-missing", failures.md5_missing),
        ("md5-unexpected", failures.md5_unexpected),
        ("ao-wrong", failures.ao_wrong),
        ("ao-unknown-key", failures.ao_unknown_key),
        ("ao-missing", failures.ao_missing),
    ] {
        family.add_count(Labels::none().and("kind", kind), count);
    }
    family
}
