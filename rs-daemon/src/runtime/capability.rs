//! Capabilities in words, as `rsctl member` and the looking glass show them.

use bgp_wire::{Capability, Family};

/// `graceful-restart 120 s (ipv4 ipv6, restarting)` and the like. What the peer wrote itself (its
/// host name) is passed on as it is: whoever shows it escapes it.
pub(super) fn text(capability: &Capability) -> String {
    match capability {
        Capability::MultiProtocol { afi, safi } => format!("multiprotocol {}", family(*afi, *safi)),
        Capability::RouteRefresh => "route-refresh".to_owned(),
        Capability::EnhancedRouteRefresh => "enhanced-route-refresh".to_owned(),
        Capability::FourOctetAs(asn) => format!("four-octet-as {asn}"),
        Capability::ExtendedNextHop(all) => {
            let all = all.iter().map(|(afi, safi, next_hop)| {
                format!("{} over {}", family(*afi, safi_octet(*safi)), afi_name(*next_hop))
            });
            listed("extended-next-hop", all)
        }
        Capability::AddPath(all) => {
            let all = all.iter().map(|one| {
                let way = match (one.receive, one.send) {
                    (true, true) => "both ways",
                    (true, false) => "receive",
                    (false, true) => "send",
                    (false, false) => "neither way",
                };
                format!("{} {way}", family(one.afi, one.safi))
            });
            listed("add-path", all)
        }
        Capability::ExtendedMessage => "extended-message".to_owned(),
        Capability::GracefulRestart { restarting, notification, restart_time, families } => {
            let families = families.iter().map(|one| {
                let kept = if one.forwarding { " forwarding kept" } else { "" };
                format!("{}{kept}", family(one.afi, one.safi))
            });
            let flags = [(*restarting, "restarting"), (*notification, "notification")];
            let flags = flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned());
            listed(&format!("graceful-restart {restart_time} s"), flags.chain(families))
        }
        Capability::LongLivedGracefulRestart(all) => {
            let all =
                all.iter().map(|one| format!("{} {} s", family(one.afi, one.safi), one.stale_time));
            listed("long-lived-graceful-restart", all)
        }
        Capability::Role(role) => format!("role {role:?}").to_lowercase(),
        Capability::Hostname { host, domain } if domain.is_empty() => format!("hostname {host}"),
        Capability::Hostname { host, domain } => format!("hostname {host}.{domain}"),
        Capability::LinkLocalNextHop => "link-local-next-hop".to_owned(),
        Capability::Unknown { code, value } => format!("code {code}, {} octets", value.len()),
    }
}

fn listed(name: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { name.to_owned() } else { format!("{name} ({})", items.join(", ")) }
}

fn family(afi: u16, safi: u8) -> String {
    Family::from_afi_safi(afi, safi)
        .map_or_else(|| format!("AFI {afi} SAFI {safi}"), |family| family.to_string())
}

/// The capability has two octets for what has one elsewhere (RFC 8950 §4).
fn safi_octet(safi: u16) -> u8 {
    u8::try_from(safi).unwrap_or(u8::MAX)
}

fn afi_name(afi: u16) -> String {
    match afi {
        1 => "ipv4".to_owned(),
        2 => "ipv6".to_owned(),
        _ => format!("AFI {afi}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_read_as_words() {
        for (capability, words) in [
            (Capability::MultiProtocol { afi: 2, safi: 1 }, "multiprotocol ipv6"),
            (Capability::MultiProtocol { afi: 25, safi: 70 }, "multiprotocol AFI 25 SAFI 70"),
            (Capability::ExtendedNextHop(vec![(1, 1, 2)]), "extended-next-hop (ipv4 over ipv6)"),
            (
                Capability::GracefulRestart {
                    restarting: true,
                    notification: false,
                    restart_time: 120,
                    families: Vec::new(),
                },
                "graceful-restart 120 s (restarting)",
            ),
            (Capability::Unknown { code: 128, value: vec![1, 2].into() }, "code 128, 2 octets"),
        ] {
            assert_eq!(text(&capability), words);
        }
    }
}
