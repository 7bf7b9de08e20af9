//! The syntaxes.

use std::fmt::Write as _;

use bgp_wire::Family;

use super::{Client, Peering};
use crate::control::peer::display_member;

/// What a member can expect to receive, with room: a limit that only a leak reaches.
const LIMIT_V4: u32 = 400_000;
const LIMIT_V6: u32 = 150_000;

/// A comment on top in a style's own sign.
fn title(client: &Client<'_>, sign: &str, what: &str) -> String {
    let mut title = format!(
        "{sign} {} at {}: {what}\n{sign} Fill in the prefixes that you announce; until then \
         nothing is announced.\n",
        display_member(client.asn, client.name),
        client.exchange
    );
    if let Some(interface) = client.peerings.iter().find_map(|peering| peering.interface) {
        let _ = writeln!(
            title,
            "{sign} {interface} is what the exchange calls its interface: write the name of yours."
        );
    }
    title
}

/// Said where a syntax has no word for the port to connect to.
fn other_ports(client: &Client<'_>, sign: &str, out: &mut String) {
    for peering in &client.peerings {
        if let Some(port) = peering.port() {
            let _ = writeln!(
                out,
                "{sign} {} listens on port {port}, to which this router cannot connect.",
                peering.ours.address
            );
        }
    }
}

/// A password is a secret between the member and the exchange, and no part of this document.
const PASSWORD: &str = "with the password agreed on with the exchange";

/// Families with their limits, in the order in which they are written.
const FAMILIES: [(Family, &str, u32); 2] =
    [(Family::V4, "v4", LIMIT_V4), (Family::V6, "v6", LIMIT_V6)];

pub(super) fn bird(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "BIRD 2 or 3");
    out.push_str(
        "\n# A router without IPv4 addresses needs this line, with a number of its own:\n\
         # router id 192.0.2.1;\n\n# Leave this out where your configuration has it.\n\
         protocol device { }\n",
    );
    for (family, name, _) in FAMILIES {
        if !client.has(family) {
            continue;
        }
        let none = if family == Family::V4 { "0.0.0.0/32" } else { "::/128" };
        let (list, lengths) = (name.to_uppercase(), client.lengths(family));
        let _ = write!(
            out,
            "\n# Your prefixes instead of {none}.\ndefine MY_PREFIXES_{list} = [ {none} ];\n\
             filter to_route_servers_{name} {{\n    \
             if net ~ MY_PREFIXES_{list} then accept;\n    reject;\n}}\n\
             filter from_route_servers_{name} {{\n    \
             if net ~ MY_PREFIXES_{list} then reject;\n    \
             if net.len < {} || net.len > {} then reject;\n    accept;\n}}\n",
            lengths.min, lengths.max
        );
    }
    for peering in &client.peerings {
        bird_protocol(client, peering, &mut out);
    }
    out
}

fn bird_protocol(client: &Client<'_>, peering: &Peering<'_>, out: &mut String) {
    let zone = peering.interface.map_or_else(String::new, |name| format!(" % '{name}'"));
    let _ = writeln!(out, "\nprotocol bgp {} {{", peering.label);
    let _ = writeln!(out, "    description \"{}\";", quotable(client, peering));
    let _ = writeln!(out, "    local {} as {};", peering.member, client.asn);
    let port = peering.port().map_or_else(String::new, |port| format!(" port {port}"));
    let _ = writeln!(
        out,
        "    neighbor {}{zone}{port} as {};",
        peering.ours.address, peering.server.asn
    );
    let _ = writeln!(out, "    enforce first as off;");
    if peering.ttl_security {
        let _ = writeln!(out, "    ttl security on;");
    }
    if peering.password {
        let _ = writeln!(out, "    # password \"\"; {PASSWORD}");
    }
    for (family, name, limit) in FAMILIES {
        if !peering.has(family) {
            continue;
        }
        let _ = writeln!(out, "    ip{name} {{");
        let _ = writeln!(out, "        import filter from_route_servers_{name};");
        let _ = writeln!(out, "        import limit {limit} action restart;");
        let _ = writeln!(out, "        export filter to_route_servers_{name};");
        if family == Family::V4 && peering.extended_next_hop {
            let _ = writeln!(out, "        extended next hop on;");
        }
        let _ = writeln!(out, "    }};");
    }
    let _ = writeln!(out, "}}");
}

/// The route server's name for a place between quotation marks.
fn quotable(client: &Client<'_>, peering: &Peering<'_>) -> String {
    format!("{} {}", client.exchange, peering.server.name).replace(['"', '\\'], "")
}

pub(super) fn frr(client: &Client<'_>) -> String {
    let mut out = title(client, "!", "FRRouting");
    for (family, name, _) in FAMILIES {
        if client.has(family) {
            let (word, all) =
                if family == Family::V4 { ("ip", "0.0.0.0/0") } else { ("ipv6", "::/0") };
            let (list, lengths) = (name.to_uppercase(), client.lengths(family));
            let _ = write!(
                out,
                "! {word} prefix-list MY-PREFIXES-{list} seq 10 permit YOUR-PREFIX\n\
                 {word} prefix-list MY-PREFIXES-{list} seq 999 deny any\n\
                 {word} prefix-list FROM-ROUTE-SERVERS-{list} seq 10 permit {all} ge {} le {}\n",
                lengths.min, lengths.max
            );
        }
    }
    let _ = writeln!(out, "!\nrouter bgp {}\n no bgp default ipv4-unicast", client.asn);
    for peering in &client.peerings {
        frr_neighbor(client, peering, &mut out);
    }
    for (family, name, limit) in FAMILIES {
        if !client.has(family) {
            continue;
        }
        let list = name.to_uppercase();
        let _ = writeln!(out, " !\n address-family ip{name} unicast");
        for peering in client.peerings.iter().filter(|peering| peering.has(family)) {
            let neighbor = peering.ours.address;
            let _ = writeln!(out, "  neighbor {neighbor} activate");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list MY-PREFIXES-{list} out");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list FROM-ROUTE-SERVERS-{list} in");
            let _ = writeln!(out, "  neighbor {neighbor} maximum-prefix {limit}");
        }
        let _ = writeln!(out, " exit-address-family");
    }
    out.push_str("exit\n");
    out
}

fn frr_neighbor(client: &Client<'_>, peering: &Peering<'_>, out: &mut String) {
    let neighbor = peering.ours.address;
    let name = quotable(client, peering);
    let _ = writeln!(out, " neighbor {neighbor} remote-as {}", peering.server.asn);
    let _ = writeln!(out, " neighbor {neighbor} description {name}");
    if let Some(port) = peering.port() {
        let _ = writeln!(out, " neighbor {neighbor} port {port}");
    }
    let _ = match peering.interface {
        Some(interface) => writeln!(out, " neighbor {neighbor} interface {interface}"),
        None => writeln!(out, " neighbor {neighbor} update-source {}", peering.member),
    };
    let _ = writeln!(out, " no neighbor {neighbor} enforce-first-as");
    if peering.ttl_security {
        let _ = writeln!(out, " neighbor {neighbor} ttl-security hops 1");
    }
    if peering.password {
        let _ = writeln!(out, " ! neighbor {neighbor} password … {PASSWORD}");
    }
    if peering.extended_next_hop {
        let _ = writeln!(out, " neighbor {neighbor} capability extended-nexthop");
    }
}

pub(super) fn openbgpd(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "OpenBGPD");
    let _ = writeln!(out, "\nAS {}", client.asn);
    out.push_str(
        "\n# Your prefixes instead of 0.0.0.0/32.\nprefix-set my-prefixes { 0.0.0.0/32 }\n",
    );
    let group: String =
        client.exchange.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let group = format!("{group}-rs");
    let _ = writeln!(out, "\ngroup \"{group}\" {{");
    for peering in &client.peerings {
        openbgpd_neighbor(peering, &mut out);
    }
    let _ = writeln!(out, "}}\n\nallow to group \"{group}\" prefix-set my-prefixes");
    for (family, word) in [(Family::V4, "inet"), (Family::V6, "inet6")] {
        if client.has(family) {
            let lengths = client.lengths(family);
            let _ = writeln!(
                out,
                "allow from group \"{group}\" {word} prefixlen {} - {}",
                lengths.min, lengths.max
            );
        }
    }
    let _ = writeln!(out, "deny from group \"{group}\" prefix-set my-prefixes or-longer");
    out
}

fn openbgpd_neighbor(peering: &Peering<'_>, out: &mut String) {
    let _ = writeln!(out, "    neighbor {}{} {{", peering.ours.address, peering.zone());
    let _ = writeln!(out, "        remote-as {}", peering.server.asn);
    let _ = writeln!(out, "        descr \"{}\"", peering.server.name);
    let _ = writeln!(out, "        local-address {}{}", peering.member, peering.zone());
    if let Some(port) = peering.port() {
        let _ = writeln!(out, "        port {port}");
    }
    out.push_str("        enforce neighbor-as no\n");
    // IPv4 over IPv6 without RFC 8950 would name next hops that do not exist.
    let carries = |family| peering.has(family) && !(family == Family::V4 && over_v6(peering));
    for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
        let word = if carries(family) { "unicast" } else { "none" };
        let _ = writeln!(out, "        announce {name} {word}");
    }
    if over_v6(peering) && peering.has(Family::V4) {
        out.push_str(
            "        # IPv4 over this session takes an OpenBGPD with RFC 8950, which then needs\n\
             \x20       # announce IPv4 unicast\n        # announce extended nexthop yes\n",
        );
    }
    let _ = writeln!(out, "        max-prefix {} restart 30", LIMIT_V4 + LIMIT_V6);
    if peering.ttl_security {
        out.push_str("        ttl-security yes\n");
    }
    if peering.password {
        let _ = writeln!(out, "        # tcp md5sig password … {PASSWORD}");
    }
    out.push_str("    }\n");
}

fn over_v6(peering: &Peering<'_>) -> bool {
    peering.member.is_ipv6()
}

pub(super) fn pathvector(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "Pathvector");
    let _ = writeln!(out, "\nasn: {}\n# router-id: 192.0.2.1\nprefixes: []\n\npeers:", client.asn);
    for peering in &client.peerings {
        let _ = writeln!(out, "  {}:", peering.label);
        let _ = writeln!(out, "    asn: {}", peering.server.asn);
        let _ = writeln!(out, "    description: \"{}\"", quotable(client, peering));
        let neighbor = peering.ours.address;
        let _ = writeln!(out, "    neighbors:\n      - \"{neighbor}{}\"", peering.zone());
        let version = if peering.member.is_ipv4() { 4 } else { 6 };
        let _ = writeln!(out, "    listen{version}: \"{}\"", peering.member);
        if let Some(port) = peering.port() {
            let _ = writeln!(out, "    neighbor-port: {port}");
        }
        out.push_str("    enforce-first-as: false\n    enforce-peer-nexthop: false\n");
        out.push_str("    filter-prefix-length: true\n");
        let _ = writeln!(out, "    import-limit4: {LIMIT_V4}\n    import-limit6: {LIMIT_V6}");
        out.push_str("    import-limit-violation: restart\n");
        if peering.has(Family::V4) && peering.has(Family::V6) {
            out.push_str("    mp-unicast-46: true\n");
        }
        if peering.ttl_security {
            out.push_str("    ttl-security: true\n");
        }
        if peering.password {
            let _ = writeln!(out, "    # password: … {PASSWORD}");
        }
    }
    out
}

pub(super) fn ios(client: &Client<'_>) -> String {
    let mut out = title(client, "!", "Cisco IOS and IOS XE");
    other_ports(client, "!", &mut out);
    for (family, name, _) in FAMILIES {
        if client.has(family) {
            let (word, all, most) = match family {
                Family::V4 => ("ip", "0.0.0.0/0", 32),
                Family::V6 => ("ipv6", "::/0", 128),
            };
            let (list, lengths) = (name.to_uppercase(), client.lengths(family));
            let _ = write!(
                out,
                "! {word} prefix-list MY-PREFIXES-{list} seq 10 permit YOUR-PREFIX\n\
                 {word} prefix-list MY-PREFIXES-{list} seq 999 deny {all} le {most}\n\
                 {word} prefix-list FROM-ROUTE-SERVERS-{list} seq 10 permit {all} ge {} le {}\n",
                lengths.min, lengths.max
            );
        }
    }
    let _ = writeln!(
        out,
        "!\nrouter bgp {}\n no bgp enforce-first-as\n no bgp default ipv4-unicast",
        client.asn
    );
    for peering in &client.peerings {
        let neighbor = format!("{}{}", peering.ours.address, peering.zone());
        let name = quotable(client, peering);
        let _ = writeln!(out, " neighbor {neighbor} remote-as {}", peering.server.asn);
        let _ = writeln!(out, " neighbor {neighbor} description {name}");
        if peering.ttl_security {
            let _ = writeln!(out, " neighbor {neighbor} ttl-security hops 1");
        }
        if peering.password {
            let _ = writeln!(out, " ! neighbor {neighbor} password … {PASSWORD}");
        }
    }
    for (family, name, limit) in FAMILIES {
        if !client.has(family) {
            continue;
        }
        let list = name.to_uppercase();
        let _ = writeln!(out, " address-family ip{name}");
        for peering in client.peerings.iter().filter(|peering| peering.has(family)) {
            let neighbor = format!("{}{}", peering.ours.address, peering.zone());
            let _ = writeln!(out, "  neighbor {neighbor} activate");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list MY-PREFIXES-{list} out");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list FROM-ROUTE-SERVERS-{list} in");
            let _ = writeln!(out, "  neighbor {neighbor} send-community both");
            let _ = writeln!(out, "  neighbor {neighbor} maximum-prefix {limit} restart 30");
        }
        out.push_str(" exit-address-family\n");
    }
    out
}

pub(super) fn junos(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "Junos (set commands)");
    other_ports(client, "#", &mut out);
    let _ = writeln!(out, "set routing-options autonomous-system {}", client.asn);
    let ours = "set policy-options policy-statement to-route-servers";
    let theirs = "set policy-options policy-statement from-route-servers";
    let mine = FAMILIES.into_iter().filter(|(family, ..)| client.has(*family));
    // A list of its own for each family, which is what Junos asks for in one `from`, and something in
    // it that nobody announces: it does not say what a list without anything matches.
    for (family, name, _) in mine.clone() {
        let nothing = if family == Family::V4 { "0.0.0.0/32" } else { "::/128" };
        let _ = writeln!(out, "# Your prefixes instead of {nothing}.");
        let _ = writeln!(out, "set policy-options prefix-list my-prefixes-{name} {nothing}");
    }
    for (statement, action) in [(ours, "accept"), (theirs, "reject")] {
        for (_, name, _) in mine.clone() {
            let term = format!("{statement} term mine-{name}");
            let _ = writeln!(out, "{term} from prefix-list my-prefixes-{name}");
            let _ = writeln!(out, "{term} then {action}");
        }
    }
    let _ = writeln!(out, "{ours} then reject");
    for (family, name, _) in FAMILIES {
        if client.has(family) {
            let all = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
            let lengths = client.lengths(family);
            let _ = writeln!(
                out,
                "{theirs} term {name} from route-filter {all} prefix-length-range /{}-/{}\n\
                 {theirs} term {name} then accept",
                lengths.min, lengths.max
            );
        }
    }
    let base = "set protocols bgp group route-servers";
    let _ = writeln!(
        out,
        "{theirs} then reject\n{base} type external\n{base} import from-route-servers\n\
         {base} export to-route-servers"
    );
    for peering in &client.peerings {
        junos_neighbor(client, peering, base, &mut out);
    }
    out
}

fn junos_neighbor(client: &Client<'_>, peering: &Peering<'_>, base: &str, out: &mut String) {
    let neighbor = format!("{base} neighbor {}", peering.ours.address);
    let _ = writeln!(out, "{neighbor} description \"{}\"", quotable(client, peering));
    let _ = writeln!(out, "{neighbor} peer-as {}", peering.server.asn);
    let _ = match peering.interface {
        Some(interface) => writeln!(out, "{neighbor} local-interface {interface}"),
        None => writeln!(out, "{neighbor} local-address {}", peering.member),
    };
    for (family, name, limit) in [(Family::V4, "inet", LIMIT_V4), (Family::V6, "inet6", LIMIT_V6)] {
        if peering.has(family) {
            let _ = writeln!(
                out,
                "{neighbor} family {name} unicast prefix-limit maximum {limit} \
                 teardown idle-timeout 30"
            );
        }
    }
    if peering.extended_next_hop {
        let _ = writeln!(out, "{neighbor} family inet unicast extended-nexthop");
    }
    if peering.ttl_security {
        let _ = writeln!(out, "{neighbor} ttl 255");
    }
    if peering.password {
        let _ = writeln!(out, "# {neighbor} authentication-key … {PASSWORD}");
    }
}

pub(super) fn routeros(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "MikroTik RouterOS 7");
    out.push_str("/ip/firewall/address-list\n# add list=my-prefixes address=…\n");
    out.push_str("/ipv6/firewall/address-list\n# add list=my-prefixes address=…\n");
    out.push_str("/routing/filter/rule\n");
    for (family, name, _) in FAMILIES {
        if client.has(family) {
            let lengths = client.lengths(family);
            let _ = writeln!(
                out,
                "add chain=from-route-servers rule=\"if (afi ip{name} && dst-len in {}-{}) \
                 {{ accept }}\"",
                lengths.min, lengths.max
            );
        }
    }
    out.push_str("add chain=from-route-servers rule=\"reject\"\n/routing/bgp/connection\n");
    for peering in &client.peerings {
        let families: Vec<_> = [(Family::V4, "ip"), (Family::V6, "ipv6")]
            .into_iter()
            .filter(|(family, _)| peering.has(*family))
            .map(|(_, name)| name)
            .collect();
        let _ = write!(
            out,
            "add name={} as={} local.role=ebgp local.address={} remote.address={}{} \
             remote.as={} address-families={} output.network=my-prefixes \
             input.filter=from-route-servers input.limit-process-routes-ipv4={LIMIT_V4} \
             input.limit-process-routes-ipv6={LIMIT_V6}",
            peering.label,
            client.asn,
            peering.member,
            peering.ours.address,
            peering.zone(),
            peering.server.asn,
            families.join(",")
        );
        if let Some(port) = peering.port() {
            let _ = write!(out, " remote.port={port}");
        }
        if peering.ttl_security {
            out.push_str(" local.ttl=255");
        }
        out.push('\n');
        if peering.password {
            let _ = writeln!(out, "# tcp-md5-key=… {PASSWORD}");
        }
    }
    out
}
