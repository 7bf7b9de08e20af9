//! Finding the session that a user means: by address, with or without zone, or by AS where that
//! names one session.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bgp_wire::{Asn, Family};

use super::protocol::{Refusal, RefusalKind};
use crate::runtime::status::{SessionState, SessionStatus};

/// What a user wrote for PEER.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Address(IpAddr, Option<String>),
    As(Asn),
}

fn parse(text: &str) -> Option<Wanted> {
    let text = text.trim();
    if let Ok(asn) = text.parse() {
        return Some(Wanted::As(asn));
    }
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.to_owned())),
        None => (text, None),
    };
    Some(Wanted::Address(address.parse().ok()?, zone))
}

impl Wanted {
    fn is(&self, session: &SessionStatus) -> bool {
        match self {
            Self::As(asn) => session.asn == asn.0,
            Self::Address(address, zone) => {
                session.id.address == *address
                    && zone
                        .as_ref()
                        .is_none_or(|zone| session.id.interface.as_deref() == Some(zone.as_str()))
            }
        }
    }
}

/// All sessions that `peer` may mean.
///
/// # Errors
/// When `peer` is neither an address nor an AS, or names nothing.
pub fn matching<'a>(
    sessions: &'a [SessionStatus],
    peer: &str,
    route_server: Option<&str>,
) -> Result<Vec<&'a SessionStatus>, Refusal> {
    let wanted = parse(peer)
        .ok_or_else(|| Refusal::invalid(format!("{peer:?} is neither an address nor an AS")))?;
    let found: Vec<_> = sessions
        .iter()
        .filter(|session| route_server.is_none_or(|name| &*session.id.route_server == name))
        .filter(|session| wanted.is(session))
        .collect();
    if found.is_empty() {
        let place = route_server.map(|name| format!(" at {name}")).unwrap_or_default();
        return Err(Refusal::not_found(format!("no session with {peer} is configured{place}")));
    }
    Ok(found)
}

/// The one session that `peer` means.
///
/// # Errors
/// When it means none or several; the refusal lists the several.
pub fn resolve<'a>(
    sessions: &'a [SessionStatus],
    peer: &str,
    route_server: Option<&str>,
) -> Result<&'a SessionStatus, Refusal> {
    let found = matching(sessions, peer, route_server)?;
    let [session] = found[..] else {
        return Err(Refusal {
            kind: RefusalKind::Ambiguous,
            message: format!("{peer} has {} sessions; say which:", found.len()),
            choices: found.iter().map(|session| choice(session)).collect(),
        });
    };
    Ok(session)
}

/// Where both members are: the one route server at which each has a session that may be meant.
#[must_use]
pub fn common_server(sessions: &[SessionStatus], one: &str, other: &str) -> Option<String> {
    let servers = |peer| {
        let found = matching(sessions, peer, None).unwrap_or_default();
        found.into_iter().map(|session| &*session.id.route_server).collect::<BTreeSet<_>>()
    };
    let (ones, others) = (servers(one), servers(other));
    let mut common = ones.intersection(&others);
    common.next().filter(|_| common.next().is_none()).map(|name| (*name).to_owned())
}

/// The one session that `peer` means where a route of `family` is concerned: members often have
/// one session for each family, and then it is the one over that family.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_for<'a>(
    sessions: &'a [SessionStatus],
    peer: &str,
    route_server: Option<&str>,
    family: Family,
) -> Result<&'a SessionStatus, Refusal> {
    let found = matching(sessions, peer, route_server)?;
    let over = |session: &&&SessionStatus| {
        session.id.address.is_ipv4() == (family == Family::V4)
            && session.state == SessionState::Established
    };
    let mut own = found.iter().filter(over);
    match (own.next(), own.next()) {
        (Some(only), None) if one_route_server(&found) => Ok(only),
        _ => resolve(sessions, peer, route_server),
    }
}

fn one_route_server(sessions: &[&SessionStatus]) -> bool {
    sessions.windows(2).all(|pair| pair[0].id.route_server == pair[1].id.route_server)
}

/// The address with its zone, as a user writes it.
#[must_use]
pub fn display_address(session: &SessionStatus) -> String {
    match &session.id.interface {
        Some(interface) => format!("{}%{interface}", session.id.address),
        None => session.id.address.to_string(),
    }
}

/// A member's AS and name. One without a name in the configuration is named after its AS.
#[must_use]
pub fn display_member(asn: u32, name: &str) -> String {
    let number = format!("AS{asn}");
    if name == number { number } else { format!("{number} {name}") }
}

fn choice(session: &SessionStatus) -> String {
    format!(
        "{} --rs {}   {} ({})",
        display_address(session),
        session.id.route_server,
        display_member(session.asn, &session.name),
        session.state.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;

    fn sessions() -> Vec<SessionStatus> {
        let mut zoned = sample::session("rs1", 65001, "fe80::1");
        zoned.id.interface = Some("eth1".into());
        let mut other = sample::session("rs1", 65002, "fe80::1");
        other.id.interface = Some("eth2".into());
        vec![
            sample::session("rs1", 65010, "192.0.2.10"),
            sample::session("rs2", 65010, "192.0.2.10"),
            sample::session("rs1", 65020, "192.0.2.20"),
            zoned,
            other,
        ]
    }

    #[test]
    fn an_as_with_one_session_is_enough() {
        let all = sessions();
        for text in ["AS65020", "65020", "as65020", "As65020", "192.0.2.20"] {
            assert_eq!(resolve(&all, text, None).unwrap().asn, 65020, "{text}");
        }
    }

    #[test]
    fn a_member_without_a_name_has_its_as_once() {
        assert_eq!(display_member(65020, "Bob Transit"), "AS65020 Bob Transit");
        assert_eq!(display_member(65020, "AS65020"), "AS65020");
        assert_eq!(display_member(65020, "AS6502"), "AS65020 AS6502");
    }

    #[test]
    fn ambiguity_lists_the_choices() {
        let all = sessions();
        let refusal = resolve(&all, "AS65010", None).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Ambiguous);
        assert_eq!(refusal.choices.len(), 2);
        assert!(refusal.choices[1].starts_with("192.0.2.10 --rs rs2"), "{refusal}");
        assert_eq!(&*resolve(&all, "AS65010", Some("rs2")).unwrap().id.route_server, "rs2");
    }

    #[test]
    fn of_two_members_the_server_at_which_both_are_is_meant() {
        let all = sessions();
        for (one, other) in [("AS65010", "AS65020"), ("AS65020", "192.0.2.10")] {
            assert_eq!(common_server(&all, one, other).as_deref(), Some("rs1"), "{one} {other}");
        }
        assert_eq!(common_server(&all, "AS65010", "192.0.2.10"), None, "at both");
        assert_eq!(common_server(&all, "AS65020", "AS65099"), None);
    }

    #[test]
    fn zones_tell_link_local_addresses_apart() {
        let all = sessions();
        assert_eq!(resolve(&all, "fe80::1%eth2", None).unwrap().asn, 65002);
        assert_eq!(resolve(&all, "fe80::1", None).unwrap_err().kind, RefusalKind::Ambiguous);
        assert_eq!(resolve(&all, "fe80::1%eth9", None).unwrap_err().kind, RefusalKind::NotFound);
    }

    #[test]
    fn of_a_session_for_each_family_the_prefix_says_which() {
        let mut all = vec![
            sample::session("rs1", 65010, "192.0.2.10"),
            sample::session("rs1", 65010, "2001:db8:1::10"),
        ];
        for session in &mut all {
            session.state = SessionState::Established;
        }
        let found = |all: &[SessionStatus], family| {
            resolve_for(all, "AS65010", None, family).map(|found| found.id.address.is_ipv4())
        };
        assert!(found(&all, Family::V4).unwrap());
        assert!(!found(&all, Family::V6).unwrap());
        all.push(sample::session("rs2", 65010, "192.0.2.10"));
        assert_eq!(found(&all, Family::V4).unwrap_err().kind, RefusalKind::Ambiguous);
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["alice", "AS+65020", "+65020"] {
            let refusal = resolve(&sessions(), text, None).unwrap_err();
            assert_eq!(refusal.kind, RefusalKind::Invalid, "{text}");
        }
    }
}
