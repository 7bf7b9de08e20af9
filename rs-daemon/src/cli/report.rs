//! `rsctl members --report`: what an exchange's staff would want to write to a member about.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::Serialize;

use super::Look;
use super::members::is_up;
use super::table::{Cell, Column, Style, Table};
use crate::control::peer::display_address;
use crate::runtime::status::{LimitUse, SessionState, SessionStatus};

/// One thing that is amiss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) asn: u32,
    pub(super) name: String,
    pub(super) route_server: String,
    pub(super) address: String,
    pub(super) finding: &'static str,
    pub(super) detail: String,
}

/// `kinds`: the kind of each route server. Only servers of one kind are expected to be alike. `only`:
/// what concerns this route server, out of the sessions of all.
pub(super) fn findings(
    sessions: &[SessionStatus],
    kinds: &HashMap<String, String>,
    only: Option<&str>,
) -> Vec<Finding> {
    let concerns = |session: &SessionStatus| only.is_none_or(|it| *session.id.route_server == *it);
    let mut findings: Vec<_> =
        sessions.iter().filter(|session| concerns(session)).flat_map(of_session).collect();
    findings.extend(between_route_servers(sessions, kinds, concerns));
    findings.sort_by(|a, b| {
        (a.asn, &a.route_server, a.finding).cmp(&(b.asn, &b.route_server, b.finding))
    });
    findings
}

fn finding(session: &SessionStatus, finding: &'static str, detail: String) -> Finding {
    Finding {
        asn: session.asn,
        name: session.name.to_string(),
        route_server: session.id.route_server.to_string(),
        address: display_address(session),
        finding,
        detail,
    }
}

fn of_session(session: &SessionStatus) -> Vec<Finding> {
    let mut found = Vec::new();
    if session.state == SessionState::Disabled {
        let why = session.disabled.clone().unwrap_or_default();
        return vec![finding(session, "disabled", why)];
    }
    if !is_up(session) {
        let why = session.last_down.clone().unwrap_or_else(|| session.state.name().to_owned());
        return vec![finding(session, "no-session", why)];
    }
    if session.routes.iter().all(|routes| routes.received == 0) {
        found.push(finding(session, "announces-nothing", String::new()));
    }
    if session.lagging {
        let detail = format!("{} routes wait to be sent again", session.dirty_nlri);
        found.push(finding(session, "lagging", detail));
    }
    for one in session.limit_uses().filter(LimitUse::is_near) {
        let detail = format!("{}: {} of {}", one.families, one.counted, one.limit);
        found.push(finding(session, "near-limit", detail));
    }
    for (family, name) in ["ipv4", "ipv6"].into_iter().enumerate() {
        let routes = &session.routes[family];
        if routes.received > 0 && routes.accepted == 0 {
            let detail = format!("{name}: all {} rejected", routes.received);
            found.push(finding(session, "all-filtered", detail));
        }
    }
    found
}

/// A member is told once for all its sessions with the same address on several servers.
fn between_route_servers(
    sessions: &[SessionStatus],
    kinds: &HashMap<String, String>,
    concerns: impl Fn(&SessionStatus) -> bool,
) -> Vec<Finding> {
    let mut by_router: BTreeMap<_, Vec<&SessionStatus>> = BTreeMap::new();
    for session in sessions {
        let kind = kinds.get(&*session.id.route_server);
        by_router.entry((kind, session.asn, session.id.address)).or_default().push(session);
    }
    let mut found = Vec::new();
    let several = |group: &&Vec<&SessionStatus>| {
        group.len() > 1 && group.iter().any(|session| concerns(session))
    };
    for group in by_router.values().filter(several) {
        let (up, down): (Vec<_>, Vec<_>) = group.iter().copied().partition(|s| is_up(s));
        if let (Some(one), false) = (up.first(), down.is_empty()) {
            let missing: Vec<_> = down.iter().map(|s| &*s.id.route_server).collect();
            let detail = format!("not at {}", missing.join(", "));
            found.push(finding(one, "not-at-all-servers", detail));
        }
        // Only those that are up are compared.
        if !up.iter().any(|session| concerns(session)) {
            continue;
        }
        for (family, name) in ["ipv4", "ipv6"].into_iter().enumerate() {
            // Who announces other numbers has other numbers accepted, too.
            let received = differing("received", &up, |s| s.routes[family].received);
            let accepted = || differing("accepted", &up, |s| s.routes[family].accepted);
            if let Some(detail) = received.or_else(accepted) {
                found.push(finding(up[0], "servers-differ", format!("{name} {detail}")));
            }
        }
    }
    found
}

/// A number of each session, if it is not the same one.
fn differing(
    what: &str,
    up: &[&SessionStatus],
    number: impl Fn(&SessionStatus) -> u64,
) -> Option<String> {
    let (first, rest) = up.split_first()?;
    if rest.iter().all(|session| number(session) == number(first)) {
        return None;
    }
    let each = up.iter().map(|s| format!("{} {}", s.id.route_server, number(s)));
    Some(format!("{what}: {}", each.collect::<Vec<_>>().join(", ")))
}

pub(super) fn write(findings: &[Finding], look: &mut Look<'_>) -> io::Result<()> {
    if findings.is_empty() {
        return writeln!(look.out, "nothing is amiss");
    }
    let mut table = Table::new([
        Column::Right("AS"),
        Column::Left("NAME"),
        Column::Left("RS"),
        Column::Left("ADDRESS"),
        Column::Left("FINDING"),
        Column::Left("DETAIL"),
    ])
    .fit(look.width, &["NAME"], &[]);
    for finding in findings {
        table.push([
            Cell::from(finding.asn),
            Cell::from(&finding.name),
            Cell::from(&finding.route_server),
            Cell::from(&finding.address),
            Cell::styled(finding.finding, Style::Warn),
            Cell::from(&finding.detail),
        ]);
    }
    table.write(look.paint, look.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;

    #[test]
    fn each_kind_of_trouble_is_named() {
        let mut down = sample::session("rs1", 65001, "192.0.2.1");
        down.state = SessionState::Active;
        down.last_down = Some("hold timer expired".into());
        let mut full = sample::session("rs1", 65002, "192.0.2.2");
        full.routes[0].received = 80;
        full.routes[0].accepted = 80;
        full.limits[0] = Some(100);
        full.counted[0] = 80;
        let silent = sample::session("rs1", 65003, "192.0.2.3");
        let mut twin = full.clone();
        twin.id.route_server = "rs2".into();
        twin.routes[0].received = 10;
        twin.counted[0] = 10;
        twin.routes[0].accepted = 0;
        let mut half = down.clone();
        half.id.route_server = "rs2".into();
        half.state = SessionState::Established;
        half.routes[1].received = 1;
        half.routes[1].accepted = 1;

        let sessions = [down, full, silent, twin, half];
        let found = findings(&sessions, &HashMap::new(), None);
        let names: Vec<_> = found.iter().map(|f| (f.asn, f.finding, f.detail.as_str())).collect();
        assert_eq!(
            names,
            [
                (65001, "no-session", "hold timer expired"),
                (65001, "not-at-all-servers", "not at rs1"),
                (65002, "near-limit", "ipv4: 80 of 100"),
                (65002, "servers-differ", "ipv4 received: rs1 80, rs2 10"),
                (65002, "all-filtered", "ipv4: all 10 rejected"),
                (65003, "announces-nothing", ""),
            ]
        );
        let of_one = findings(&sessions, &HashMap::new(), Some("rs2"));
        let names: Vec<_> = of_one.iter().map(|f| (f.asn, f.finding)).collect();
        let between = ["not-at-all-servers", "servers-differ"];
        assert_eq!(
            names,
            [(65001, between[0]), (65002, between[1]), (65002, "all-filtered")],
            "what is between it and the other one, too"
        );
    }

    /// The member's session at a route server.
    fn at(route_server: &str, received: u64, accepted: u64) -> SessionStatus {
        let mut session = sample::session(route_server, 65001, "192.0.2.1");
        (session.routes[0].received, session.routes[0].accepted) = (received, accepted);
        session
    }

    #[test]
    fn who_has_other_numbers_accepted_is_named() {
        let found = findings(&[at("rs1", 10, 10), at("rs2", 10, 9)], &HashMap::new(), None);
        let names: Vec<_> = found.iter().map(|f| (f.finding, f.detail.as_str())).collect();
        assert_eq!(names, [("servers-differ", "ipv4 accepted: rs1 10, rs2 9")]);
    }

    #[test]
    fn what_differs_between_others_is_not_said_of_one_that_is_down() {
        let down = SessionStatus { state: SessionState::Active, ..at("rs2", 10, 10) };
        let sessions = [at("rs1", 10, 10), down, at("rs3", 9, 10)];
        let names = |only: &str| -> Vec<_> {
            let found = findings(&sessions, &HashMap::new(), Some(only));
            found.into_iter().map(|f| f.finding).collect()
        };
        assert_eq!(names("rs2"), ["not-at-all-servers", "no-session"]);
        assert_eq!(names("rs3"), ["not-at-all-servers", "servers-differ"]);
    }
}
