//! Route servers beside each other, and beside the sources of data.

use std::collections::HashMap;

use policy::{CheckMode, Kind, NextHopMode};

use crate::config::{
    Config, ListenAddress, RouteServer,
    file::{Document, communities::InformWord, route_server::RouteServerTable},
    report::{At, Reports},
    resolve::route_server::place,
};

pub(super) fn check(document: &Document, config: &Config, reports: &mut Reports) {
    if config.route_servers.is_empty() && !reports.may_hide(None, "route_server") {
        let help = "add `[[route_server]]` with `name`, `router_id` and `listen`";
        reports.error(At { file: 0, offset: 0 }, "there is no [[route_server]]", help);
    }
    names(document, config, reports);
    listeners(document, config, reports);
    router_ids(document, config, reports);
    for (table, server) in document.route_servers.iter().zip(&config.route_servers) {
        outside_data(table, server, config, reports);
        lan(table, server, config, reports);
        short_asn(table, server, reports);
        inform(table, server, reports);
        role(table, server, reports);
    }
}

/// Roles are for regular servers (RFC 9234).
fn role(table: &RouteServerTable, server: &RouteServer, reports: &mut Reports) {
    let Some(role) = table.session.role_rfc9234.as_ref().filter(|role| role.value) else { return };
    let help = match server.kind {
        Kind::Regular => return,
        Kind::Transitable => "leave it out: routes that sponsors learnt from providers carry OTC",
        Kind::Chaos => "leave it out: a chaos server takes every route, leaks included",
    };
    let message = format!("roles are not possible on a {} server", server.kind.name());
    reports.error(role.at, message, help);
}

fn names(document: &Document, config: &Config, reports: &mut Reports) {
    let mut seen: HashMap<&str, At> = HashMap::new();
    for (table, server) in document.route_servers.iter().zip(&config.route_servers) {
        let Some(name) = &table.name else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || !name.value.chars().all(plain) {
            let message = format!("\"{}\" cannot be a route server's name", name.value);
            let help =
                "it stands in commands and URLs: use letters, digits, \"-\", \"_\" and \".\"";
            reports.error(name.at, message, help);
        }
        if let Some(first) = seen.insert(&server.name, name.at) {
            let place = reports.place(first);
            let message = format!("route server \"{}\" stands at {place} already", server.name);
            reports.error(name.at, message, "give each its own name");
        }
    }
}

fn listeners(document: &Document, config: &Config, reports: &mut Reports) {
    let mut seen: Vec<(&ListenAddress, &RouteServer, At)> = Vec::new();
    for (table, server) in document.route_servers.iter().zip(&config.route_servers) {
        let at = table.listen.as_ref().map_or(table.at, |listen| listen.at);
        for address in &server.listen {
            let taken = seen.iter().find(|(other, ..)| *other == address);
            if let Some((_, owner, first)) = taken
                && !std::ptr::eq(*owner, server)
            {
                let message = format!(
                    "{} listens on {address}, which {} has at {} already",
                    server.name,
                    owner.name,
                    reports.place(*first)
                );
                reports.error(at, message, "give each route server its own address");
            }
            seen.push((address, server, at));
        }
    }
}

/// RFC 6286 §2.1: unique within an AS.
fn router_ids(document: &Document, config: &Config, reports: &mut Reports) {
    let mut seen: HashMap<_, &RouteServer> = HashMap::new();
    for (table, server) in document.route_servers.iter().zip(&config.route_servers) {
        let Some(router_id) = table.router_id else { continue };
        if let Some(first) = seen.insert((server.asn, server.router_id), server) {
            let message = format!("router_id {} is {}'s as well", server.router_id, first.name);
            let help = "give each route server of an AS its own (RFC 6286 §2.1)";
            reports.warning(router_id.at, message, help);
        }
    }
}

/// Checks that need data which nobody delivers.
fn outside_data(
    table: &RouteServerTable,
    server: &RouteServer,
    config: &Config,
    reports: &mut Reports,
) {
    let import = table.import.as_ref().map(|import| &import.value);
    let whole = place(table);
    if config.irr.is_none() && !reports.may_hide(None, "[irr") {
        let at = import.and_then(|import| import.irr.as_ref()).map_or(whole, |irr| irr.at);
        let help = "add [irr] with `server` or `dump`, or write `irr = \"off\"` in \
                    [route_server.import]";
        match server.import.irr {
            CheckMode::Reject => {
                let message = format!(
                    "{} refuses what the IRR does not know, but there is no [irr]: it would \
                     refuse everything",
                    server.name
                );
                reports.error(at, message, help);
            }
            CheckMode::PerMember | CheckMode::Tag => {
                let message = format!("{} looks at the IRR, but there is no [irr]", server.name);
                reports.error(at, message, help);
            }
            CheckMode::Off => {}
        }
    }
    rpsl(table, server, config, reports);
    let has_rpki = !config.rpki.caches.is_empty() || !config.rpki.json.is_empty();
    if server.import.rpki != CheckMode::Off && !has_rpki {
        let at = import.and_then(|import| import.rpki.as_ref()).map_or(whole, |rpki| rpki.at);
        let message = format!(
            "{} does origin validation, but [rpki] names no cache and no file: nothing is INVALID",
            server.name
        );
        let help = "add [[rpki.cache]], or write `rpki = \"off\"` in [route_server.import]";
        reports.warning(at, message, help);
    }
}

/// RPSL policies that are asked for and cannot be had.
fn rpsl(table: &RouteServerTable, server: &RouteServer, config: &Config, reports: &mut Reports) {
    let export = table.export.as_ref().map(|export| &export.value);
    let Some(asked) = export.and_then(|export| export.rpsl).filter(|asked| asked.value) else {
        return;
    };
    if server.kind == Kind::Chaos {
        let message = format!("{} is a chaos server, on which no policy holds", server.name);
        reports.error(asked.at, message, "leave `rpsl` out here");
    } else if config.irr.is_none() && !reports.may_hide(None, "[irr") {
        let message = format!("{} looks at RPSL policies, but there is no [irr]", server.name);
        reports.error(asked.at, message, "add [irr] with `server` or `dump`, or leave `rpsl` out");
    }
}

fn lan(table: &RouteServerTable, server: &RouteServer, config: &Config, reports: &mut Reports) {
    if server.import.next_hop == NextHopMode::Lan && config.exchange.peering_lan.is_empty() {
        let import = table.import.as_ref().map(|import| &import.value);
        let at = import.and_then(|import| import.next_hop.as_ref()).map(|next_hop| next_hop.at);
        let message = "next_hop = \"lan\", but [exchange] has no peering_lan";
        reports.error(at.unwrap_or_else(|| place(table)), message, "add `peering_lan` there");
    }
}

fn short_asn(table: &RouteServerTable, server: &RouteServer, reports: &mut Reports) {
    let missed = server.export.communities && !server.communities.keeps_standard();
    if server.short_asn.is_none() && server.asn.0 > 0xFFFF && missed {
        let message = format!(
            "{}: AS{} does not fit 16 bits and there is no short_asn: standard communities that \
             name it are off",
            server.name, server.asn
        );
        let help = "set `short_asn` to a private number, or tell members to use large communities";
        reports.warning(place(table), message, help);
    }
}

/// Tags that are asked for and that the scheme has no communities for would silently be missing.
fn inform(table: &RouteServerTable, server: &RouteServer, reports: &mut Reports) {
    use policy::Function as F;
    let Some(communities) = table.communities.as_ref().map(|table| &table.value) else { return };
    for word in communities.inform.iter().flat_map(|inform| &inform.value) {
        let (name, lists) = match word.value {
            InformWord::Rov => ("rov", &[F::RovValid, F::RovUnknown, F::RovInvalid][..]),
            InformWord::Irr => (
                "irr",
                &[F::IrrPresent, F::IrrOriginPresent, F::IrrOriginAbsent, F::IrrPrefixAbsent][..],
            ),
            InformWord::LearntFrom => ("learnt_from", &[F::LearntFrom][..]),
            InformWord::Location => ("location", &[F::Location][..]),
        };
        if lists.iter().all(|function| server.communities.patterns(*function).is_empty()) {
            let message = format!(
                "{}: inform has \"{name}\", but the scheme has no community to say it",
                server.name
            );
            let help = format!("leave it out, or give `{}`", lists[0]);
            reports.warning(word.at, message, help);
        }
    }
}
