//! What no single table can show to be wrong.

mod members;
mod servers;

use std::collections::HashMap;

use bgp_wire::Asn;
use policy::{Encoding, Function, Policy, PolicyError, PolicyWarning};

use crate::config::{
    Config,
    file::{Document, member::SessionTable, route_server::RouteServerTable},
    report::{At, Reports},
};
use crate::privileges;

/// The tables of a member's sessions, in the order of [`crate::config::Member::sessions`].
type SessionTables<'t> = Vec<&'t SessionTable>;

/// Looks at the whole.
pub(super) fn check(
    document: &Document,
    tables: &[SessionTables<'_>],
    config: &Config,
    reports: &mut Reports,
) {
    control_socket(document, config, reports);
    control_group(document, reports);
    servers::check(document, config, reports);
    members::check(document, tables, config, reports);
    let shadowed = policies(document, config, reports);
    members::aliases(document, config, &shadowed, reports);
}

fn control_socket(document: &Document, config: &Config, reports: &mut Reports) {
    // sockaddr_un has 108 octets for the path and its final zero
    const LONGEST_PATH_OCTETS: usize = 107;
    let Some(socket) = document.control.as_ref().and_then(|control| control.socket.as_ref()) else {
        return;
    };
    let octets = config.control.socket.as_os_str().len();
    if octets > LONGEST_PATH_OCTETS {
        let message = format!("the path of the control socket has {octets} octets");
        reports.error(socket.at, message, format!("Linux takes {LONGEST_PATH_OCTETS} at most"));
    }
}

/// One that is not there would end the daemon as it starts, after the last one has gone.
fn control_group(document: &Document, reports: &mut Reports) {
    let Some(group) = document.control.as_ref().and_then(|control| control.group.as_ref()) else {
        return;
    };
    if let Err(error) = privileges::group_id(&group.value) {
        let help = "make it (`groupadd --system NAME`), or leave `group` out";
        reports.error(group.at, error.to_string(), help);
    }
}

/// By AS, what its alias would do that is meant for everybody.
type Shadowed = HashMap<Asn, String>;

/// What the policy of each route server cannot be compiled for.
fn policies(document: &Document, config: &Config, reports: &mut Reports) -> Shadowed {
    let mut shadowed = Shadowed::new();
    for (index, table) in document.route_servers.iter().enumerate() {
        let slots: Vec<_> =
            config.sessions_of(index).map(|session| Some(session.key.clone())).collect();
        let Some(policy) = config.policy_config(index, 0, &slots) else { continue };
        match Policy::new(policy) {
            Ok(policy) => {
                // Communities that name members mean nothing where they decide nothing.
                let decide = config.route_servers[index].export.communities;
                let means = |warning: &&PolicyWarning| decide || !warning.names_peer();
                let all = policy.warnings().iter().filter(means);
                warnings(all, table, config, &mut shadowed, reports);
            }
            Err(errors) => {
                for error in errors {
                    if let Some(at) = place(&error, table) {
                        reports.error(at, error, "");
                    }
                }
            }
        }
    }
    shadowed
}

/// What the policy of a route server leaves out.
fn warnings<'a>(
    warnings: impl Iterator<Item = &'a PolicyWarning>,
    table: &RouteServerTable,
    config: &Config,
    shadowed: &mut Shadowed,
    reports: &mut Reports,
) {
    let has_alias =
        |asn| config.members.iter().any(|member| member.asn == asn && member.alias.is_some());
    let at = super::route_server::place(table);
    let mut nameless = Vec::new();
    for warning in warnings {
        match warning {
            // Said with the route server's short_asn already.
            PolicyWarning::StandardOff { .. } => {}
            // An extended community has no room for two ASNs of 32 bits, alias or not.
            PolicyWarning::PeerLeftOut { asn, .. } if has_alias(*asn) => {}
            PolicyWarning::PeerLeftOut { asn, .. } => nameless.push(format!("AS{asn}")),
            // Only standard communities have aliases in them.
            PolicyWarning::PeerShadowed { asn, function, pattern, means }
                if has_alias(*asn) && pattern.encoding() == Encoding::Standard =>
            {
                let text = format!("\"{pattern}\" of {function} would be one of {means}");
                shadowed.entry(*asn).or_insert(text);
            }
            PolicyWarning::PeerShadowed { .. } => {
                let help = "tell members to use large communities for it, or use other patterns";
                reports.warning(at, warning, help);
            }
            other => reports.warning(at, other, ""),
        }
    }
    nameless.dedup();
    if !nameless.is_empty() {
        let message = format!(
            "patterns of 16 bits cannot name {} of the members: {}",
            nameless.len(),
            nameless.join(", ")
        );
        let help = "give them an `alias` of 16 bits, or tell members to use large communities";
        reports.warning(at, message, help);
    }
}

/// Where a mistake of the policy stands; `None`: it has been reported already.
fn place(error: &PolicyError, table: &RouteServerTable) -> Option<At> {
    let whole = super::route_server::place(table);
    let communities = table.communities.as_ref().map(|communities| &communities.value);
    let list_place = |function: Function, pattern: Option<&policy::Pattern>| {
        let lists = communities.map(|communities| communities.lists()).unwrap_or_default();
        let list = lists.into_iter().find(|(listed, _)| *listed == function).map(|(_, list)| list);
        let Some(list) = list else { return whole };
        let element = list.value.iter().find(|element| Some(&element.value) == pattern);
        element.map_or(list.at, |element| element.at)
    };
    match error {
        PolicyError::PatternNotEncodable { function, pattern, .. }
        | PolicyError::PatternWithoutPeer { function, pattern }
        | PolicyError::VariableOutOfPlace { function, pattern, .. } => {
            Some(list_place(*function, Some(pattern)))
        }
        PolicyError::AttachNotEncodable { .. } => {
            let import = table.import.as_ref().map(|import| &import.value);
            let attach = import.and_then(|import| import.attach_communities.as_ref());
            Some(attach.map_or(whole, |attach| attach.at))
        }
        PolicyError::LengthRange { .. } | PolicyError::DuplicateAddress { .. } => None,
        _ => Some(whole),
    }
}
