//! OpenBGPD (Debian's portable build).

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;

use super::ours::TRANSIT_FREE;
use super::{PORT, PolicyLevel, program, routing_data};
use crate::universe::{LoadFamily, RELOAD_AS, ROUTE_SERVER_AS, Universe};

/// Where Debian and a build from source put it; FRR's program of the same name is elsewhere.
pub(super) const PLACES: &[&str] = &["/usr/sbin", "/usr/local/sbin"];

pub(crate) fn prepare(u: &Universe, level: PolicyLevel, dir: &Path) -> io::Result<Command> {
    if u.spec.family == LoadFamily::V4OverV6 {
        return Err(io::Error::other("OpenBGPD 7.7 has no extended next hop (RFC 8950)"));
    }
    let config = dir.join("bgpd.conf");
    let rs = ROUTE_SERVER_AS;
    let address = u.route_server_address();
    let mut text = format!(
        "AS {rs}\nrouter-id 10.255.255.254\nlisten on {address} port {PORT}\nsocket \"{}\"\nfib-update no\n\
         nexthop qualify via default\nrde evaluate all\n",
        dir.join("bgpd.sock").display()
    );
    if level == PolicyLevel::Rs {
        text.push_str("roa-set {\n");
        let roas = routing_data::filler_roas(u.filler_roas).chain(routing_data::load_roas(u));
        for (prefix, length, asn) in roas {
            let _ = writeln!(text, " {prefix} maxlen {length} source-as {asn}");
        }
        text.push_str("}\n");
        for m in 0..u.spec.members {
            let _ =
                writeln!(text, "as-set AS-M{m} {{ {} {} }}", u.asn(m), Universe::customer_asn(m));
            let _ = writeln!(text, "prefix-set P{m} {{");
            for k in 0..u.prefixes_of(m) {
                let _ = writeln!(text, " {}", u.prefix_text(u.prefix_index(m, k)));
            }
            text.push_str("}\n");
        }
    }
    let (yes, no) = if u.v6_nlri() { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
    text.push_str("group \"members\" {\n transparent-as yes\n passive\n");
    let _ = writeln!(
        text,
        " announce {yes} unicast\n announce {no} none\n enforce neighbor-as {}",
        if level == PolicyLevel::Rs { "yes" } else { "no" }
    );
    for m in 0..u.spec.members {
        let _ = writeln!(
            text,
            " neighbor {} {{\n  remote-as {}\n  local-address {address}\n  multihop 2\n }}",
            u.address(m),
            u.asn(m)
        );
    }
    text.push_str("}\n");
    filters(u, level, &mut text);
    std::fs::write(&config, &text)?;
    // bgpd refuses a configuration that others may read or write.
    let status = Command::new("chmod").arg("600").arg(&config).status()?;
    if !status.success() {
        return Err(io::Error::other("chmod of bgpd.conf failed"));
    }
    let mut command = Command::new(program("bgpd", PLACES)?);
    command.arg("-d").arg("-f").arg(config);
    Ok(command)
}

fn filters(u: &Universe, level: PolicyLevel, text: &mut String) {
    let rs = ROUTE_SERVER_AS;
    if level == PolicyLevel::Rs {
        text.push_str("deny from any\n");
        for m in 0..u.spec.members {
            let _ = writeln!(
                text,
                "allow from AS {} source-as as-set AS-M{m} prefix-set P{m} nexthop neighbor",
                u.asn(m)
            );
        }
        text.push_str("deny from any max-as-len 32\ndeny from any ovs invalid\ndeny from any AS { 0, 23456, 64496 - 131071, 4200000000 - 4294967295 }\n");
        text.push_str(BOGONS);
        for asn in TRANSIT_FREE.iter().copied().chain(u.reload_as_rejected.then_some(RELOAD_AS)) {
            let _ = writeln!(text, "deny from any AS {asn}");
        }
    } else {
        text.push_str("allow from any\n");
    }
    let _ = write!(
        text,
        "allow to any\n\
         match to any set nexthop no-modify\n\
         deny to any community 0:{rs}\n\
         deny to any large-community {rs}:0:0\n\
         allow to any community {rs}:neighbor-as\n\
         allow to any large-community {rs}:1:neighbor-as\n\
         deny to any community 0:neighbor-as\n\
         deny to any large-community {rs}:0:neighbor-as\n"
    );
    for (n, everybody) in [(1, 65_501), (2, 65_502), (3, 65_503)] {
        let _ = write!(
            text,
            "match to any community {rs}:{everybody} set prepend-neighbor {n}\n\
             match to any community {}:neighbor-as set prepend-neighbor {n}\n\
             match to any large-community {rs}:{}:neighbor-as set prepend-neighbor {n}\n",
            65_503 + n,
            100 + n,
        );
    }
    text.push_str("match to any set {");
    for high in ["0", &rs.to_string(), "65504", "65505", "65506", "65509", "65510"] {
        let _ = write!(text, " community delete {high}:*");
    }
    let _ = writeln!(text, " large-community delete {rs}:*:* }}");
}

/// Prefixes that no member may announce, and lengths: the same as for BIRD.
const BOGONS: &str = "deny from any prefix { 0.0.0.0/8 or-longer, 10.0.0.0/8 or-longer, 100.64.0.0/10 or-longer, 127.0.0.0/8 or-longer, 169.254.0.0/16 or-longer, 172.16.0.0/12 or-longer, 192.0.0.0/24 or-longer, 192.0.2.0/24 or-longer, 192.168.0.0/16 or-longer, 198.18.0.0/15 or-longer, 198.51.100.0/24 or-longer, 203.0.113.0/24 or-longer, 224.0.0.0/4 or-longer, 240.0.0.0/4 or-longer }
deny from any inet prefixlen > 24
deny from any inet prefixlen < 8
deny from any prefix { ::/8 or-longer, 64:ff9b::/96 or-longer, 100::/64 or-longer, 2001::/23 or-longer, 2001:db8::/32 or-longer, 2002::/16 or-longer, 3ffe::/16 or-longer, 5f00::/8 or-longer, fc00::/7 or-longer, fe80::/10 or-longer, fec0::/10 or-longer, ff00::/8 or-longer }
deny from any inet6 prefixlen > 48
deny from any inet6 prefixlen < 12
";
