//! One `[[member]]` and its sessions on each of its route servers.

use std::{path::Path, sync::Arc};

use policy::Role;

use super::{
    import, limits,
    session::{self, Options},
    value, values,
};
use crate::config::{
    Exchange, ImportPolicy, Kind, Member, MemberSession, PrefixLimits, RouteServer, Secret,
    SessionKey, TcpAo,
    file::{
        Document,
        member::{MemberTable, SessionTable, TcpAoTable},
        session::Reason,
    },
    regular,
    report::{Located, Reports},
};

/// RFC 2385 names no bound; Linux has room for so many octets (TCP_MD5SIG_MAXKEYLEN).
const LONGEST_PASSWORD_OCTETS: usize = 80;

/// What members are resolved against.
pub(super) struct Context<'c> {
    pub(super) document: &'c Document,
    pub(super) exchange: &'c Exchange,
    pub(super) servers: &'c [RouteServer],
}

/// A member, and for each of its sessions where that stands.
pub(super) struct Resolved<'t> {
    pub(super) member: Member,
    pub(super) tables: Vec<&'t SessionTable>,
}

pub(super) fn member<'t>(
    index: usize,
    table: &'t MemberTable,
    context: &Context<'_>,
    reports: &mut Reports,
) -> Resolved<'t> {
    let asn = value(&table.asn).unwrap_or_default();
    let role = value(&table.role).unwrap_or_default();
    let mut member = Member {
        number: u32::try_from(index).unwrap_or(u32::MAX),
        asn,
        name: Arc::from(value(&table.name).unwrap_or_else(|| format!("AS{asn}"))),
        as_set: values(&table.as_set).into_iter().map(|set| set.0).collect(),
        role,
        filter: value(&table.filter).unwrap_or_default(),
        alias: value(&table.alias),
        collector: value(&table.collector).unwrap_or(false),
        rpsl: value(&table.rpsl).unwrap_or(true),
        location: value(&table.location),
        receive_transit: value(&table.receive_transit).unwrap_or(false),
        sessions: Vec::new(),
    };
    // The rules are the same for all sessions of the member on one server.
    let rules = rules(table, role, context, reports);
    let sessions = table.session.as_ref().map_or(&[][..], |sessions| &sessions.value);
    let mut tables = Vec::new();
    session::check_options(&table.options, reports);
    for Located { value: session, .. } in sessions {
        let new = member_sessions(index, table, session, &member, context, &rules, reports);
        tables.extend(new.iter().map(|_| session));
        member.sessions.extend(new);
    }
    Resolved { member, tables }
}

struct Rules {
    import: Arc<ImportPolicy>,
    limits: PrefixLimits,
}

/// The member's rules on each route server.
fn rules(
    table: &MemberTable,
    role: Role,
    context: &Context<'_>,
    reports: &mut Reports,
) -> Vec<Rules> {
    let given = table.import.as_ref().map(|import| &import.value);
    let elsewhere = is_elsewhere(table, context);
    let mut rules = Vec::new();
    for (place, server) in context.servers.iter().enumerate() {
        let sponsor = server.kind == Kind::Transitable && role == Role::TransitSponsor;
        let exception = given.and_then(|given| given.max_prefixes.as_ref());
        let unused = [table.max_prefixes.as_ref(), exception.filter(|_| !elsewhere)];
        for unused in unused.into_iter().flatten().filter(|_| sponsor) {
            let message = format!("max_prefixes of a sponsor has no effect on {}", server.name);
            let help = "its limit there is `sponsor_max_prefixes`, in [member.import] or the route server's";
            reports.warning(unused.at, message, help);
        }
        // What is wrong in the member's table is wrong once, not once for each server.
        let mut repeated = Reports::default();
        let reports = if place == 0 { &mut *reports } else { &mut repeated };
        let mut limits = if sponsor { server.sponsor_limits } else { server.limits };
        if let Some(given) = given {
            limits::apply_beside(&mut limits, given);
        }
        if sponsor {
            let own = given.and_then(|given| given.sponsor_max_prefixes.as_ref());
            limits::apply(&mut limits, own);
        } else {
            limits::apply(&mut limits, table.max_prefixes.as_ref());
            limits::apply(&mut limits, exception);
        }
        rules.push(Rules { import: import::apply_member(&server.import, given, reports), limits });
    }
    rules
}

/// Whether the member has a session on a server that is not transitable, where nobody is a sponsor.
fn is_elsewhere(table: &MemberTable, context: &Context<'_>) -> bool {
    let other = |name: &str| {
        let named = context.servers.iter().find(|server| *server.name == *name);
        named.is_some_and(|server| server.kind != Kind::Transitable)
    };
    let sessions = table.session.as_ref().map_or(&[][..], |sessions| &sessions.value);
    sessions.iter().any(|session| match &session.value.route_servers {
        // All of kind regular.
        None => true,
        Some(list) => list.value.iter().any(|name| other(&name.value)),
    })
}

/// The sessions that one `[[member.session]]` makes, one for each of its route servers.
fn member_sessions(
    index: usize,
    table: &MemberTable,
    session: &SessionTable,
    member: &Member,
    context: &Context<'_>,
    rules: &[Rules],
    reports: &mut Reports,
) -> Vec<MemberSession> {
    let servers = route_servers(session, context, reports);
    let password = password(session, reports);
    let tcp_ao = session.tcp_ao.as_ref().and_then(|table| tcp_ao(table, session, reports));
    session::check_options(&session.options, reports);
    let Some(given) = &session.address else { return Vec::new() };
    let (address, zone) = (given.value.address, given.value.interface.as_deref());
    let Some(interface) = session::scope(address, zone, context.exchange, given.at, reports) else {
        return Vec::new();
    };
    let disabled = reason(&session.disabled).or_else(|| reason(&table.disabled));
    let mut sessions = Vec::new();
    for server_index in servers {
        let (Some(server), Some(rules), Some(server_table)) = (
            context.servers.get(server_index),
            rules.get(server_index),
            context.document.route_servers.get(server_index),
        ) else {
            continue;
        };
        let options = Options::merge([&session.options, &table.options, &server_table.session]);
        let options = options.resolve(address, member.collector, given.at, reports);
        sessions.push(MemberSession {
            key: SessionKey {
                route_server: Arc::clone(&server.name),
                address,
                interface: interface.clone(),
            },
            route_server: server_index,
            member: index,
            asn: member.asn,
            link_local: value(&session.link_local),
            port: value(&session.port).unwrap_or(179),
            password: password.clone(),
            tcp_ao: tcp_ao.clone(),
            disabled: disabled.clone(),
            import: Arc::clone(&rules.import),
            limits: rules.limits,
            // Routes that sponsors learnt from their providers carry OTC (RFC 9234 §5), and a chaos
            // server takes leaks, too, and adds nothing.
            role_rfc9234: options.role_rfc9234 && server.kind == Kind::Regular,
            ..options
        });
    }
    sessions
}

fn reason(given: &Option<Located<Reason>>) -> Option<Arc<str>> {
    given.as_ref().map(|reason| Arc::from(reason.value.0.as_str()))
}

/// The route servers that a session names, else all of kind regular; of several with one name,
/// which are a mistake of their own, the first.
fn route_servers(
    session: &SessionTable,
    context: &Context<'_>,
    reports: &mut Reports,
) -> Vec<usize> {
    let Some(list) = &session.route_servers else {
        let is_first = |index: usize, server: &RouteServer| {
            context.servers.iter().take(index).all(|earlier| earlier.name != server.name)
        };
        let servers = context.servers.iter().enumerate();
        let regular: Vec<_> = servers
            .filter(|(index, server)| server.kind == Kind::Regular && is_first(*index, server))
            .map(|(index, _)| index)
            .collect();
        if regular.is_empty() && !context.servers.is_empty() {
            let message = "the session names no route server, and none is of kind regular";
            reports.error(
                session.at,
                message,
                format!("add `route_servers = [{}]`", names(context)),
            );
        }
        return regular;
    };
    if list.value.is_empty() {
        let help = "name a route server, or use `disabled` to keep the session down";
        reports.error(list.at, "route_servers is empty", help);
    }
    let mut found: Vec<usize> = Vec::new();
    for name in &list.value {
        let place = context.servers.iter().position(|server| *server.name == name.value);
        match place {
            Some(place) if found.contains(&place) => {
                let message = format!("route server \"{}\" stands here twice", name.value);
                reports.error(name.at, message, "leave one of them out");
            }
            Some(place) => found.push(place),
            None => {
                let message = format!("there is no route server \"{}\"", name.value);
                reports.error(name.at, message, unknown_server(&name.value, context));
            }
        }
    }
    found
}

fn unknown_server(written: &str, context: &Context<'_>) -> String {
    let known: Vec<&str> = context.servers.iter().map(|server| &*server.name).collect();
    match crate::config::table::nearest(written, &known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the route servers are: {}", names(context)),
    }
}

fn names(context: &Context<'_>) -> String {
    let names: Vec<_> =
        context.servers.iter().map(|server| format!("\"{}\"", server.name)).collect();
    names.join(", ")
}

fn password(session: &SessionTable, reports: &mut Reports) -> Option<Secret> {
    if let (Some(_), Some(file)) = (&session.password, &session.password_file) {
        let help = "leave one of them out";
        reports.error(file.at, "both password and password_file are given", help);
        return None;
    }
    let (secret, at) = match (&session.password, &session.password_file) {
        (Some(password), _) => (password.value.clone(), password.at),
        (None, Some(file)) => (read_password(file, reports)?, file.at),
        (None, None) => return None,
    };
    match secret.expose().len() {
        0 => reports.error(at, "the password is empty", "leave it out if there is none"),
        1..=LONGEST_PASSWORD_OCTETS => {}
        octets => {
            let message = format!("the password has {octets} octets");
            let help = format!("TCP MD5 takes at most {LONGEST_PASSWORD_OCTETS}");
            reports.error(at, message, help);
        }
    }
    Some(secret)
}

fn tcp_ao(
    table: &Located<TcpAoTable>,
    session: &SessionTable,
    reports: &mut Reports,
) -> Option<TcpAo> {
    if session.password.is_some() || session.password_file.is_some() {
        let message = "the session has both a password (TCP MD5) and tcp_ao";
        let help = "a connection has one or the other (RFC 5925 §1): leave one of them out";
        reports.error(table.at, message, help);
        return None;
    }
    let given = &table.value;
    let (key, at) = match (&given.key, &given.key_file) {
        (Some(_), Some(file)) => {
            reports.error(file.at, "both key and key_file are given", "leave one of them out");
            return None;
        }
        (Some(key), None) => (key.value.clone(), key.at),
        (None, Some(file)) => (read_password(file, reports)?, file.at),
        (None, None) => {
            reports.error(table.at, "tcp_ao has no key", "add `key = …` or `key_file = …`");
            return None;
        }
    };
    let octets = key.expose().len();
    if !(1..=LONGEST_PASSWORD_OCTETS).contains(&octets) {
        let message = format!("the key has {octets} octets");
        let help = format!("TCP-AO on Linux takes 1 to {LONGEST_PASSWORD_OCTETS}");
        reports.error(at, message, help);
        return None;
    }
    Some(TcpAo {
        send_id: value(&given.send_id)?,
        receive_id: value(&given.receive_id)?,
        algorithm: value(&given.algorithm).unwrap_or_default(),
        key,
    })
}

fn read_password(file: &Located<impl AsRef<Path>>, reports: &mut Reports) -> Option<Secret> {
    match regular::read(file.value.as_ref()) {
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", file.value.as_ref().display());
            reports.error(file.at, message, "the file has to be readable when we start");
            None
        }
    }
}
