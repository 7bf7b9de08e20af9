//! The syntaxes.

use std::fmt::Write as _;

use bgp_wire::Family;

use super::{Client, Peering};

/// What a member can expect to receive, with room: a limit that only a leak reaches.
const LIMIT_V4: u32 = 400_000;
const LIMIT_V6: u32 = 150_000;

/// A comment on top in a style's own sign.
fn title(client: &Client<'_>, sign: &str, what: &str) -> String {
    format!(
        "{sign} AS{} {} at {}: {what}\n{sign} Fill in the prefixes that you announce; until then \
         nothing is announced.\n",
        client.asn, client.name, client.exchange
    )
}

fn password_note(peering: &Peering<'_>) -> &'static str {
    if peering.password { "the password agreed on with the exchange goes here" } else { "" }
}

pub(super) fn bird(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "BIRD 2 or 3");
    for (family, name, none) in [(Family::V4, "V4", "0.0.0.0/32"), (Family::V6, "V6", "::/128")] {
        if client.has(family) {
            let _ = writeln!(out, "\ndefine MY_PREFIXES_{name} = [ {none} ];");
            let _ = writeln!(
                out,
                "filter to_route_servers_{} {{\n    if net ~ MY_PREFIXES_{name} then accept;\n    \
                 reject;\n}}",
                name.to_lowercase()
            );
        }
    }
    for peering in &client.peerings {
        bird_protocol(client, peering, &mut out);
    }
    out
}

fn bird_protocol(client: &Client<'_>, peering: &Peering<'_>, out: &mut String) {
    let zone = peering.interface.map_or_else(String::new, |name| format!(" % '{name}'"));
    let _ = writeln!(out, "\nprotocol bgp {} {{", peering.label);
    let _ = writeln!(
        out,
        "    description \"{} {}\";",
        client.exchange.replace('"', ""),
        peering.server.name
    );
    let _ = writeln!(out, "    local {} as {};", peering.member, client.asn);
    let _ = writeln!(
        out,
        "    neighbor {}{zone} port {} as {};",
        peering.ours.address, peering.ours.port, peering.server.asn
    );
    let _ = writeln!(out, "    enforce first as off;");
    if peering.ttl_security {
        let _ = writeln!(out, "    ttl security on;");
    }
    if peering.password {
        let _ = writeln!(out, "    password \"\"; # {}", password_note(peering));
    }
    for (family, name, limit) in [(Family::V4, "v4", LIMIT_V4), (Family::V6, "v6", LIMIT_V6)] {
        if !peering.has(family) {
            continue;
        }
        let _ = writeln!(out, "    ip{name} {{");
        let _ = writeln!(out, "        import all;");
        let _ = writeln!(out, "        import limit {limit} action restart;");
        let _ = writeln!(out, "        export filter to_route_servers_{name};");
        if family == Family::V4 && peering.extended_next_hop {
            let _ = writeln!(out, "        extended next hop on;");
        }
        let _ = writeln!(out, "    }};");
    }
    let _ = writeln!(out, "}}");
}

pub(super) fn frr(client: &Client<'_>) -> String {
    let mut out = title(client, "!", "FRRouting");
    for (family, name, word) in [(Family::V4, "V4", "ip"), (Family::V6, "V6", "ipv6")] {
        if client.has(family) {
            let _ = writeln!(out, "{word} prefix-list MY-PREFIXES-{name} seq 999 deny any");
        }
    }
    let _ = writeln!(
        out,
        "route-map FROM-ROUTE-SERVERS permit 10\nexit\n!\nrouter bgp {}\n no bgp ebgp-requires-policy",
        client.asn
    );
    let _ = writeln!(out, " no bgp default ipv4-unicast");
    for peering in &client.peerings {
        let neighbor = peering.ours.address;
        let _ = writeln!(out, " neighbor {neighbor} remote-as {}", peering.server.asn);
        let _ = writeln!(
            out,
            " neighbor {neighbor} description {} {}",
            client.exchange, peering.server.name
        );
        if peering.ours.port != 179 {
            let _ = writeln!(out, " neighbor {neighbor} port {}", peering.ours.port);
        }
        let source = peering.interface.map_or_else(|| peering.member.to_string(), str::to_owned);
        match peering.interface {
            Some(_) => {
                let _ = writeln!(out, " neighbor {neighbor} interface {source}");
            }
            None => {
                let _ = writeln!(out, " neighbor {neighbor} update-source {source}");
            }
        }
        let _ = writeln!(out, " no neighbor {neighbor} enforce-first-as");
        if peering.ttl_security {
            let _ = writeln!(out, " neighbor {neighbor} ttl-security hops 1");
        }
        if peering.password {
            let _ = writeln!(out, " ! neighbor {neighbor} password: {}", password_note(peering));
        }
        if peering.extended_next_hop {
            let _ = writeln!(out, " neighbor {neighbor} capability extended-nexthop");
        }
    }
    for (family, name, word, limit) in
        [(Family::V4, "V4", "ipv4", LIMIT_V4), (Family::V6, "V6", "ipv6", LIMIT_V6)]
    {
        if !client.has(family) {
            continue;
        }
        let _ = writeln!(out, " !\n address-family {word} unicast");
        for peering in client.peerings.iter().filter(|peering| peering.has(family)) {
            let neighbor = peering.ours.address;
            let _ = writeln!(out, "  neighbor {neighbor} activate");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list MY-PREFIXES-{name} out");
            let _ = writeln!(out, "  neighbor {neighbor} route-map FROM-ROUTE-SERVERS in");
            let _ = writeln!(out, "  neighbor {neighbor} maximum-prefix {limit}");
        }
        let _ = writeln!(out, " exit-address-family");
    }
    out.push_str("exit\n");
    out
}

pub(super) fn openbgpd(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "OpenBGPD");
    let _ = writeln!(out, "\nAS {}", client.asn);
    out.push_str("\nprefix-set my-prefixes { 0.0.0.0/32 }\n");
    let group = format!("{} route servers", client.exchange.replace('"', ""));
    let _ = writeln!(out, "\ngroup \"{group}\" {{");
    for peering in &client.peerings {
        let zone = peering.interface.map_or_else(String::new, |name| format!("%{name}"));
        let _ = writeln!(out, "    neighbor {}{zone} {{", peering.ours.address);
        let _ = writeln!(out, "        remote-as {}", peering.server.asn);
        let _ = writeln!(out, "        descr \"{}\"", peering.server.name);
        if peering.interface.is_none() {
            let _ = writeln!(out, "        local-address {}", peering.member);
        }
        if peering.ours.port != 179 {
            let _ = writeln!(out, "        port {}", peering.ours.port);
        }
        out.push_str("        enforce neighbor-as no\n");
        for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
            let word = if peering.has(family) { "unicast" } else { "none" };
            let _ = writeln!(out, "        announce {name} {word}");
        }
        if peering.extended_next_hop {
            out.push_str("        announce extended nexthop yes\n");
        }
        let _ = writeln!(out, "        max-prefix {} restart 30", LIMIT_V4 + LIMIT_V6);
        if peering.ttl_security {
            out.push_str("        ttl-security yes\n");
        }
        if peering.password {
            let _ = writeln!(out, "        # tcp md5sig password: {}", password_note(peering));
        }
        out.push_str("    }\n");
    }
    let _ = writeln!(
        out,
        "}}\n\nallow from group \"{group}\"\nallow to group \"{group}\" prefix-set my-prefixes"
    );
    out
}

pub(super) fn pathvector(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "Pathvector (the peers section)");
    let _ = writeln!(out, "\nasn: {}\nprefixes: []\n\npeers:", client.asn);
    for peering in &client.peerings {
        let zone = peering.interface.map_or_else(String::new, |name| format!("%{name}"));
        let _ = writeln!(out, "  {}:", peering.label);
        let _ = writeln!(out, "    asn: {}", peering.server.asn);
        let _ = writeln!(out, "    description: \"{} {}\"", client.exchange, peering.server.name);
        let _ = writeln!(out, "    neighbors:\n      - \"{}{zone}\"", peering.ours.address);
        let _ = writeln!(out, "    listen: \"{}\"", peering.member);
        if peering.ours.port != 179 {
            let _ = writeln!(out, "    neighbor-port: {}", peering.ours.port);
        }
        out.push_str("    enforce-first-as: false\n    enforce-peer-nexthop: false\n");
        let _ = writeln!(out, "    import-limit4: {LIMIT_V4}\n    import-limit6: {LIMIT_V6}");
        if peering.families.contains(Family::V4) && peering.families.contains(Family::V6) {
            out.push_str("    mp-unicast-46: true\n");
        }
        if peering.ttl_security {
            out.push_str("    ttl-security: true\n");
        }
        if peering.password {
            let _ = writeln!(out, "    # password: {}", password_note(peering));
        }
    }
    out
}

pub(super) fn ios(client: &Client<'_>) -> String {
    let mut out = title(client, "!", "Cisco IOS and IOS XE");
    out.push_str("ip prefix-list MY-PREFIXES-V4 seq 999 deny 0.0.0.0/0 le 32\n");
    out.push_str("ipv6 prefix-list MY-PREFIXES-V6 seq 999 deny ::/0 le 128\n!\n");
    let _ = writeln!(
        out,
        "router bgp {}\n no bgp enforce-first-as\n no bgp default ipv4-unicast",
        client.asn
    );
    for peering in &client.peerings {
        let zone = peering.interface.map_or_else(String::new, |name| format!("%{name}"));
        let neighbor = format!("{}{zone}", peering.ours.address);
        let _ = writeln!(out, " neighbor {neighbor} remote-as {}", peering.server.asn);
        let _ = writeln!(
            out,
            " neighbor {neighbor} description {} {}",
            client.exchange, peering.server.name
        );
        if peering.ttl_security {
            let _ = writeln!(out, " neighbor {neighbor} ttl-security hops 1");
        }
        if peering.password {
            let _ = writeln!(out, " ! neighbor {neighbor} password: {}", password_note(peering));
        }
    }
    for (family, name, word, limit) in
        [(Family::V4, "V4", "ipv4", LIMIT_V4), (Family::V6, "V6", "ipv6", LIMIT_V6)]
    {
        if !client.has(family) {
            continue;
        }
        let _ = writeln!(out, " address-family {word}");
        for peering in client.peerings.iter().filter(|peering| peering.has(family)) {
            let zone = peering.interface.map_or_else(String::new, |name| format!("%{name}"));
            let neighbor = format!("{}{zone}", peering.ours.address);
            let _ = writeln!(out, "  neighbor {neighbor} activate");
            let _ = writeln!(out, "  neighbor {neighbor} prefix-list MY-PREFIXES-{name} out");
            let _ = writeln!(out, "  neighbor {neighbor} send-community both");
            let _ = writeln!(out, "  neighbor {neighbor} maximum-prefix {limit} restart 30");
        }
        out.push_str(" exit-address-family\n");
    }
    out
}

pub(super) fn junos(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "Junos (set commands)");
    let group = "route-servers";
    let _ = writeln!(out, "set routing-options autonomous-system {}", client.asn);
    for line in [
        "set policy-options prefix-list my-prefixes",
        "set policy-options policy-statement to-route-servers term mine from prefix-list my-prefixes",
        "set policy-options policy-statement to-route-servers term mine then accept",
        "set policy-options policy-statement to-route-servers then reject",
    ] {
        let _ = writeln!(out, "{line}");
    }
    let base = format!("set protocols bgp group {group}");
    let _ = writeln!(out, "{base} type external\n{base} export to-route-servers");
    for peering in &client.peerings {
        let neighbor = format!("{base} neighbor {}", peering.ours.address);
        let _ =
            writeln!(out, "{neighbor} description \"{} {}\"", client.exchange, peering.server.name);
        let _ = writeln!(out, "{neighbor} peer-as {}", peering.server.asn);
        match peering.interface {
            Some(interface) => {
                let _ = writeln!(out, "{neighbor} local-interface {interface}");
            }
            None => {
                let _ = writeln!(out, "{neighbor} local-address {}", peering.member);
            }
        }
        for (family, name, limit) in
            [(Family::V4, "inet", LIMIT_V4), (Family::V6, "inet6", LIMIT_V6)]
        {
            if peering.has(family) {
                let _ = writeln!(
                    out,
                    "{neighbor} family {name} unicast prefix-limit maximum {limit} teardown idle-timeout 30"
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
            let _ = writeln!(out, "# {neighbor} authentication-key: {}", password_note(peering));
        }
    }
    out
}

pub(super) fn routeros(client: &Client<'_>) -> String {
    let mut out = title(client, "#", "MikroTik RouterOS 7");
    out.push_str("/ip/firewall/address-list\n# add list=my-prefixes address=…\n");
    out.push_str("/ipv6/firewall/address-list\n# add list=my-prefixes address=…\n");
    out.push_str("/routing/filter/rule\nadd chain=from-route-servers rule=\"accept\"\n");
    out.push_str("/routing/bgp/connection\n");
    for peering in &client.peerings {
        let families: Vec<_> = [(Family::V4, "ip"), (Family::V6, "ipv6")]
            .into_iter()
            .filter(|(family, _)| peering.has(*family))
            .map(|(_, name)| name)
            .collect();
        let zone = peering.interface.map_or_else(String::new, |name| format!("%{name}"));
        let _ = write!(
            out,
            "add name={} as={} local.role=ebgp local.address={} remote.address={}{zone} \
             remote.as={} address-families={} output.network=my-prefixes \
             input.filter=from-route-servers input.limit-process-routes-ipv4={LIMIT_V4} \
             input.limit-process-routes-ipv6={LIMIT_V6}",
            peering.label,
            client.asn,
            peering.member,
            peering.ours.address,
            peering.server.asn,
            families.join(",")
        );
        if peering.ours.port != 179 {
            let _ = write!(out, " remote.port={}", peering.ours.port);
        }
        out.push('\n');
        if peering.password {
            let _ = writeln!(out, "# tcp-md5-key: {}", password_note(peering));
        }
    }
    out
}
