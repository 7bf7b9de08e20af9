//! OpenBGPD (Debian's portable build).

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;

use super::ours::TRANSIT_FREE;
use super::{PORT, PolicyLevel, program, routing_data};
use crate::universe::{LoadFamily, RELOAD_AS, ROUTE_SERVER_AS, Universe};

pub(crate) fn prepare(u: &Universe, level: PolicyLevel, dir: &Path) -> io::Result<Command> {
    if u.spec.family == LoadFamily::V4OverV6 {
        return Err(io::Error::other("OpenBGPD 7.7 has no extended next hop (RFC 8950)"));
    }
    let config = dir.join("bgpd.conf");
    let rs = ROUTE_SERVER_AS;
    let address = u.route_server_address();
    let mut text = format!(
        "AS {rs}\nrouter-id 10.255.255.254\nlisten on {address} port {PORT}\nsocket \"{}\"\nfib-update no\nrde rib Loc-RIB no evaluate\n\
         nexthop qualify via default\nrde evaluate all\n",
        dir.join("bgpd.sock").display()
    );
    text = text.replace("rde rib Loc-RIB no evaluate\n", "");
    if level == PolicyLevel::Rs {
        text.push_str("roa-set {\n");
        for (prefix, length, asn) in routing_data::filler_roas().chain(routing_data::load_roas(u)) {
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
    let mut command = Command::new(program("bgpd", &["/usr/sbin"])?);
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
                "allow from AS {} source-as as-set AS-M{m} prefix-set P{m}",
                u.asn(m)
            );
        }
        text.push_str("deny from any max-as-len 32\ndeny from any ovs invalid\ndeny from any AS { 0, 23456, 64496 - 131071, 4200000000 - 4294967295 }\n");
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
         allow to any community {rs}:neighbor-as\n\
         deny to any community 0:neighbor-as\n\
         match to any community {rs}:65502 set prepend-neighbor 2\n\
         match to any community 65504:neighbor-as set prepend-neighbor 1\n\
         match to any set {{ community delete 0:* community delete {rs}:* community delete 65504:* }}\n"
    );
}
