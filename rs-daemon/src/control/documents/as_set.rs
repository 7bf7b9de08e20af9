//! `rsctl as-set`: the RPSL object of those who are connected.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bgp_wire::Family;
use policy::Role;

use crate::config::{Config, Member};
use crate::control::protocol::Refusal;
use crate::runtime::status::{SessionState, SessionStatus};

/// The as-set `name` with the members that have a session up at `route_server`: their as-sets, or
/// their AS where they have none. A transit sponsor's customers are not the exchange's: on a
/// transitable server sponsors are left out.
///
/// # Errors
/// When there is no such route server, or `name` is no name of an as-set.
pub fn as_set(
    config: &Config,
    sessions: &[SessionStatus],
    name: &str,
    route_server: &str,
    family: Option<Family>,
) -> Result<String, Refusal> {
    check_name(name)?;
    let Some((_, server)) = config.route_server(route_server) else {
        return Err(Refusal::not_found(format!("there is no route server {route_server:?}")));
    };
    let connected = sessions.iter().filter(|session| {
        &*session.id.route_server == route_server
            && session.state == SessionState::Established
            && family.is_none_or(|family| carries(session, family))
    });
    let mut members = BTreeSet::new();
    for session in connected {
        let Some(member) = config.members.get(session.member as usize) else { continue };
        let sponsor =
            server.kind == policy::Kind::Transitable && member.role == Role::TransitSponsor;
        if !sponsor && !member.collector {
            members.extend(objects(member));
        }
    }
    let mut text = format!(
        "as-set:         {name}\ndescr:          members connected to {} of {}\n",
        server.name, config.exchange.name
    );
    for member in members {
        let _ = writeln!(text, "members:        {member}");
    }
    let _ = writeln!(text, "remarks:        made by rs-daemon from the sessions that are up");
    Ok(text)
}

fn carries(session: &SessionStatus, family: Family) -> bool {
    let name = family.to_string();
    session.negotiated.as_ref().is_some_and(|agreed| agreed.families.contains(&name))
}

/// What stands for a member in somebody's as-set; a source in front is not RPSL.
fn objects(member: &Member) -> Vec<String> {
    if member.as_set.is_empty() {
        return vec![format!("AS{}", member.asn)];
    }
    member
        .as_set
        .iter()
        .map(|set| set.rsplit_once("::").map_or(set.as_str(), |(_, name)| name))
        .map(|name| match name.parse::<u32>() {
            Ok(asn) => format!("AS{asn}"),
            Err(_) => name.to_uppercase(),
        })
        .collect()
}

/// RFC 2622 §2, §5.1: AS-… or a hierarchy of AS numbers and such names.
fn check_name(name: &str) -> Result<(), Refusal> {
    let parts: Vec<_> = name.split(':').collect();
    let good = parts.iter().all(|part| {
        let upper = part.to_uppercase();
        let rest = upper.strip_prefix("AS").unwrap_or_default();
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    }) && parts.iter().any(|part| part.to_uppercase().starts_with("AS-"));
    if good {
        Ok(())
    } else {
        Err(Refusal::invalid(format!("{name:?} is no name of an as-set; AS-EXAMPLE would be")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_as_sets() {
        for good in ["AS-EXAMPLE", "as-example", "AS64500:AS-MEMBERS", "AS-X:AS-Y"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "AS64500", "EXAMPLE", "AS-", "AS-A B", "AS-A\nmembers: AS1"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
