//! Members beside each other and beside the route servers.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use bgp_wire::{Asn, Family, Prefix};
use policy::{CheckMode, Kind, Role};

use super::{SessionTables, Shadowed};
use crate::config::{
    Config, Member, MemberSession, SessionKey,
    file::{
        Document,
        member::{MemberTable, SessionTable},
    },
    report::{At, Reports},
};

pub(super) fn check(
    document: &Document,
    tables: &[SessionTables<'_>],
    config: &Config,
    reports: &mut Reports,
) {
    let mut keys: HashMap<&SessionKey, At> = HashMap::new();
    let rows = document.members.iter().zip(&config.members).zip(tables);
    for ((table, member), sessions) in rows {
        one_member(table, member, config, reports);
        let mut checked: HashSet<*const SessionTable> = HashSet::new();
        for (session, session_table) in member.sessions.iter().zip(sessions) {
            unique(session, session_table, &mut keys, reports);
            on_server(session, session_table, config, reports);
            // What follows does not depend on the route server.
            if checked.insert(std::ptr::from_ref(*session_table)) {
                own_address(session, session_table, config, reports);
                one_session(session, session_table, config, reports);
            }
        }
    }
}

fn one_member(table: &MemberTable, member: &Member, config: &Config, reports: &mut Reports) {
    let at = table.asn.map_or(table.at, |asn| asn.at);
    if table.session.as_ref().is_none_or(|sessions| sessions.value.is_empty()) {
        let message = format!("{} (AS{}) has no session", member.name, member.asn);
        reports.warning(at, message, "add `[[member.session]]` with `address`");
    }
    let on_transitable = member
        .sessions
        .iter()
        .filter_map(|session| config.route_servers.get(session.route_server))
        .any(|server| server.kind == Kind::Transitable);
    if let Some(role) = table.role
        && role.value == Role::TransitSponsor
        && !on_transitable
    {
        let help = "name a transitable server in `route_servers`, or leave `role` out";
        reports.error(role.at, "a transit sponsor without a session on a transitable server", help);
    }
    if let Some(receive) = table.receive_transit
        && receive.value
        && member.role != Role::TransitSponsor
    {
        let help = "leave it out: who is no transit sponsor receives transit anyway";
        reports.error(receive.at, "receive_transit without role = \"transit-sponsor\"", help);
    }
    if let Some(import) = &table.import
        && let Some(irr) = import.value.irr
        && irr.value != CheckMode::Off
        && config.irr.is_none()
        && !reports.may_hide(None, "[irr")
    {
        let help = "add [irr] with `server` or `dump`, or leave `irr` out here";
        reports.error(irr.at, "the IRR is to be looked at, but there is no [irr]", help);
    }
    let own = config.route_servers.iter().any(|server| server.asn == member.asn);
    if own && !member.collector && member.asn != Asn::default() {
        let message = format!("AS{} is a route server's own AS", member.asn);
        let help = "internal BGP is not spoken here; a looking-glass feed has `collector = true`";
        reports.warning(at, message, help);
    }
    let bogon = policy::bogons::bogon_asns()
        .iter()
        .any(|range| (range.first..=range.last).contains(&member.asn.0))
        && member.sessions.iter().any(|session| session.import.bogon_asns);
    if bogon && !own {
        let message = format!("AS{} is a bogon: every route of this member is refused", member.asn);
        reports.warning(at, message, "for a test, set `bogon_asns = false`");
    }
}

fn unique<'k>(
    session: &'k MemberSession,
    table: &SessionTable,
    keys: &mut HashMap<&'k SessionKey, At>,
    reports: &mut Reports,
) {
    let at = address_place(table);
    let Some(first) = keys.insert(&session.key, at) else { return };
    let place = reports.place(first);
    let message = format!(
        "{} has a session with {} at {place} already",
        session.key.route_server,
        written(session)
    );
    reports.error(at, message, "an address may stand once for each route server");
}

/// What is wrong with this session on that route server.
fn on_server(
    session: &MemberSession,
    table: &SessionTable,
    config: &Config,
    reports: &mut Reports,
) {
    let Some(server) = config.route_servers.get(session.route_server) else { return };
    let over_v4 = session.key.address.is_ipv4();
    let heard = server.listen.iter().any(|listen| listen.address.is_ipv4() == over_v4);
    if !heard && !server.listen.is_empty() {
        let family = if over_v4 { "IPv4" } else { "IPv6" };
        let message = format!(
            "{} listens on no {family} address, so {} can never have a session with it",
            server.name,
            written(session)
        );
        let help = format!("add an {family} address to its `listen`, or leave it out here");
        reports.error(address_place(table), message, help);
    }
}

/// A member cannot have an address of ours.
fn own_address(
    session: &MemberSession,
    table: &SessionTable,
    config: &Config,
    reports: &mut Reports,
) {
    let owner = config.route_servers.iter().find(|server| {
        server.listen.iter().any(|listen| {
            listen.address == session.key.address && listen.interface == session.key.interface
        })
    });
    if let Some(owner) = owner {
        let message = format!("{} is an address of route server {}", written(session), owner.name);
        reports.error(address_place(table), message, "write the member's address here");
    }
}

fn one_session(
    session: &MemberSession,
    table: &SessionTable,
    config: &Config,
    reports: &mut Reports,
) {
    let address = session.key.address;
    let at = address_place(table);
    let unusable = address.is_unspecified() || address.is_multicast();
    if unusable {
        reports.error(at, format!("{address} is nobody's address"), "write the member's address");
    }
    let lan = &config.exchange.peering_lan;
    let inside = session.key.interface.is_some()
        || lan.iter().any(|lan| host(address).is_some_and(|host| lan.covers(&host)));
    if !inside && !lan.is_empty() && !unusable {
        let message = format!("{address} lies outside the peering LAN");
        reports.warning(at, message, "check the address, or add its prefix to `peering_lan`");
    }
    if let Some(link_local) = table.link_local {
        if session.key.interface.is_some() {
            let help = "leave it out: the address of the session is link-local itself";
            reports.error(link_local.at, "link_local on a link-local session", help);
        } else if !link_local.value.is_unicast_link_local() {
            let message = format!("{} is not link-local", link_local.value);
            reports.error(link_local.at, message, "write an address of fe80::/10");
        }
    }
    if let Some(extended) = table.options.extended_next_hop
        && extended.value
        && !session.families.contains(Family::V4)
    {
        let help = "leave it out, or add \"v4\" to `families`";
        let message = "extended_next_hop is about IPv4 routes (RFC 8950), which are not offered";
        reports.error(extended.at, message, help);
    }
}

/// Aliases stand for one AS, and for nothing that exists.
pub(super) fn aliases(
    document: &Document,
    config: &Config,
    shadowed: &Shadowed,
    reports: &mut Reports,
) {
    // No preset has a meaning for any of these after `$rs:`.
    let private = "choose a private number: 64512 to 65000";
    let asns: HashSet<Asn> = config.members.iter().map(|member| member.asn).collect();
    let mut seen: HashMap<u16, Asn> = HashMap::new();
    for (table, member) in document.members.iter().zip(&config.members) {
        let Some(alias) = table.alias else { continue };
        let owner = *seen.entry(alias.value).or_insert(member.asn);
        let servers = &config.route_servers;
        let (message, help) = if member.asn.0 <= 0xFFFF {
            (format!("AS{} fits 16 bits and needs no alias", member.asn), "leave `alias` out")
        } else if asns.contains(&Asn(u32::from(alias.value))) {
            (format!("{} is the AS of a member", alias.value), "choose a number nobody has")
        } else if servers.iter().any(|server| server.short_asn == Some(alias.value)) {
            (format!("{} is a route server's short_asn", alias.value), "choose another number")
        } else if owner != member.asn {
            (format!("{} is the alias of AS{owner} already", alias.value), "choose another number")
        } else if matches!(alias.value, 0 | 23456 | u16::MAX) {
            (format!("{} cannot be an alias", alias.value), private)
        } else if let Some(why) = shadowed.get(&member.asn) {
            (format!("{} cannot be an alias: {why}", alias.value), private)
        } else {
            continue;
        };
        reports.error(alias.at, message, help);
    }
}

fn address_place(table: &SessionTable) -> At {
    table.address.as_ref().map_or(table.at, |address| address.at)
}

fn host(address: IpAddr) -> Option<Prefix> {
    Prefix::new(address, if address.is_ipv4() { 32 } else { 128 })
}

fn written(session: &MemberSession) -> String {
    match &session.key.interface {
        Some(interface) => format!("{}%{interface}", session.key.address),
        None => session.key.address.to_string(),
    }
}
