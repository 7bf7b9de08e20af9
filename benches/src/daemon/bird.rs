//! BIRD 2, configured as a careful operator would write it by hand: one table with `secondary`,
//! filters as functions, sets for everything that can be a set.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;

use super::ours::TRANSIT_FREE;
use super::{PORT, PolicyLevel, program, routing_data};
use crate::universe::{LoadFamily, RELOAD_AS, ROUTE_SERVER_AS, Universe};

/// Where Debian and a build from source put it.
pub(super) const PLACES: &[&str] = &["/usr/sbin", "/usr/local/sbin"];

pub(crate) fn prepare(u: &Universe, level: PolicyLevel, dir: &Path) -> io::Result<Command> {
    let config = dir.join("bird.conf");
    let af = if u.v6_nlri() { "ipv6" } else { "ipv4" };
    let mut text = String::from("router id 10.255.255.254;\nprotocol device {}\n");
    let _ = writeln!(text, "{af} table master sorted;");
    if level == PolicyLevel::Rs {
        roas(u, dir, &mut text)?;
        checks(u, &mut text);
    }
    export_function(&mut text);
    for m in 0..u.spec.members {
        member(u, level, m, af, &mut text);
    }
    std::fs::write(&config, text)?;
    let mut command = Command::new(program("bird", PLACES)?);
    command.arg("-f").arg("-c").arg(config).arg("-s").arg(dir.join("bird.ctl"));
    Ok(command)
}

fn roas(u: &Universe, dir: &Path, text: &mut String) -> io::Result<()> {
    let file = dir.join("roas.conf");
    if !file.exists() {
        let (mut v4, mut v6) = (String::new(), String::new());
        let roas = routing_data::filler_roas(u.filler_roas).chain(routing_data::load_roas(u));
        for (prefix, length, asn) in roas {
            let list = if prefix.contains(':') { &mut v6 } else { &mut v4 };
            let _ = writeln!(list, " route {prefix} max {length} as {asn};");
        }
        let roas = format!(
            "protocol static roas4 {{ roa4 {{ table r4; }};\n{v4}}}\nprotocol static roas6 {{ roa6 {{ table r6; }};\n{v6}}}\n"
        );
        std::fs::write(&file, roas)?;
    }
    let _ = writeln!(text, "roa4 table r4;\nroa6 table r6;\ninclude \"{}\";", file.display());
    Ok(())
}

/// The import checks of a regular route server that are the same for every member.
fn checks(u: &Universe, text: &mut String) {
    let transit: Vec<String> = TRANSIT_FREE
        .iter()
        .copied()
        .chain(u.reload_as_rejected.then_some(RELOAD_AS))
        .map(|a| a.to_string())
        .collect();
    let (bogons, lengths, roa) = if u.v6_nlri() {
        (
            "[ ::/8+, 64:ff9b::/96+, 100::/64+, 2001::/23+, 2001:db8::/32+, 2002::/16+, 3ffe::/16+, 5f00::/8+, 6000::/3+, 8000::/3+, a000::/3+, c000::/3+, e000::/4+, f000::/5+, f800::/6+, fc00::/7+, fe80::/10+, fec0::/10+, ff00::/8+ ]",
            "net.len < 12 || net.len > 48",
            "r6",
        )
    } else {
        (
            "[ 0.0.0.0/0, 0.0.0.0/8+, 10.0.0.0/8+, 100.64.0.0/10+, 127.0.0.0/8+, 169.254.0.0/16+, 172.16.0.0/12+, 192.0.0.0/24+, 192.0.2.0/24+, 192.168.0.0/16+, 198.18.0.0/15+, 198.51.100.0/24+, 203.0.113.0/24+, 224.0.0.0/4+, 240.0.0.0/4+ ]",
            "net.len < 8 || net.len > 24",
            "r4",
        )
    };
    let _ = write!(
        text,
        "function checked(int peeras) {{\n\
         if bgp_path.len < 1 || bgp_path.len > 32 then return false;\n\
         if bgp_path.first != peeras then return false;\n\
         if bgp_path ~ [ 0, 23456, 64496..131071, 4200000000..4294967295 ] then return false;\n\
         if bgp_path ~ [ {} ] then return false;\n\
         if net ~ {bogons} then return false;\n\
         if {lengths} then return false;\n\
         if roa_check({roa}, net, bgp_path.last) = ROA_INVALID then return false;\n\
         bgp_large_community.delete([({ROUTE_SERVER_AS}, 1000..1101, *)]);\n\
         return true;\n}}\n",
        transit.join(", ")
    );
}

/// Control communities, prepends and scrubbing on the way out.
fn export_function(text: &mut String) {
    let rs = ROUTE_SERVER_AS;
    let _ = write!(
        text,
        "function to_member(int peeras) {{\n\
         if (0, peeras) ~ bgp_community then return false;\n\
         if ({rs}, 0, peeras) ~ bgp_large_community then return false;\n\
         if !((({rs}, peeras) ~ bgp_community) || (({rs}, 1, peeras) ~ bgp_large_community)) then {{\n\
           if (0, {rs}) ~ bgp_community then return false;\n\
           if ({rs}, 0, 0) ~ bgp_large_community then return false;\n\
         }}\n\
         if ((65506, peeras) ~ bgp_community) || (({rs}, 103, peeras) ~ bgp_large_community) then {{ bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); }}\n\
         else if ((65505, peeras) ~ bgp_community) || (({rs}, 102, peeras) ~ bgp_large_community) then {{ bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); }}\n\
         else if ((65504, peeras) ~ bgp_community) || (({rs}, 101, peeras) ~ bgp_large_community) then {{ bgp_path.prepend(bgp_path.first); }}\n\
         else if ({rs}, 65503) ~ bgp_community then {{ bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); }}\n\
         else if ({rs}, 65502) ~ bgp_community then {{ bgp_path.prepend(bgp_path.first); bgp_path.prepend(bgp_path.first); }}\n\
         else if ({rs}, 65501) ~ bgp_community then {{ bgp_path.prepend(bgp_path.first); }}\n\
         bgp_community.delete([(0, *), ({rs}, *), (65504..65506, *), (65509..65510, *)]);\n\
         bgp_large_community.delete([({rs}, 0..103, *), ({rs}, 65281..65282, *)]);\n\
         return true;\n}}\n"
    );
}

fn member(u: &Universe, level: PolicyLevel, m: u32, af: &str, text: &mut String) {
    let (asn, customer, address) = (u.asn(m), Universe::customer_asn(m), u.address(m));
    let import = if level == PolicyLevel::Rs {
        let _ = write!(text, "define P{m} = [");
        for k in 0..u.prefixes_of(m) {
            let comma = if k == 0 { "" } else { "," };
            let plus = if u.v6_nlri() { "{48,48}" } else { "{24,24}" };
            let _ = write!(text, "{comma}{}{plus}", u.prefix_text(u.prefix_index(m, k)));
        }
        text.push_str("];\n");
        format!(
            "filter {{ if !checked({asn}) then reject; if bgp_next_hop != {address} then reject; if !(bgp_path.last ~ [{asn}, {customer}]) then reject; if !(net ~ P{m}) then reject; accept; }}"
        )
    } else {
        "all".to_owned()
    };
    let extended = if u.spec.family == LoadFamily::V4OverV6 { "extended next hop on;" } else { "" };
    let _ = write!(
        text,
        "protocol bgp m{m} {{ local {} port {PORT} as {ROUTE_SERVER_AS}; neighbor {address} as {asn}; direct; passive on; strict bind on; rs client;\n\
         {af} {{ table master; {extended} import {import}; export filter {{ if to_member({asn}) then accept; reject; }}; secondary on; next hop keep; }}; }}\n",
        u.route_server_address(),
    );
}
