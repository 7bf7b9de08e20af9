//! This project's daemon.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{PORT, PolicyLevel, program, routing_data};
use crate::universe::{LoadFamily, RELOAD_AS, ROUTE_SERVER_AS, Universe};

/// Where it serves `/metrics`.
pub(crate) const HTTP_PORT: u16 = 9180;

pub(crate) fn prepare(u: &Universe, level: PolicyLevel, dir: &Path) -> io::Result<Command> {
    let config = dir.join("rs-daemon.toml");
    let mut text = String::new();
    let rs = level == PolicyLevel::Rs;
    let listen = std::net::SocketAddr::new(u.route_server_address(), PORT);
    let _ = write!(
        text,
        "[exchange]\nname = \"lab\"\nasn = {ROUTE_SERVER_AS}\npeering_lan = [\"{}\"]\n\
         [control]\nsocket = \"{}\"\n[http]\nlisten = \"127.0.0.1:{HTTP_PORT}\"\n",
        u.lan(),
        dir.join("control.sock").display(),
    );
    if rs {
        let vrps = dir.join("vrps.json");
        // A reload keeps the data as they are.
        if !vrps.exists() {
            routing_data::write_vrps(u, dir)?;
            routing_data::write_rpsl(u, dir)?;
        }
        let _ = write!(
            text,
            "[rpki]\njson = [\"{}\"]\n[irr]\ndump = [\"{}\"]\nsources = [\"LAB\"]\ncache = \"{}\"\n",
            vrps.display(),
            dir.join("irr.db").display(),
            dir.join("irr-cache").display(),
        );
    }
    let _ = write!(
        text,
        "[[route_server]]\nname = \"rs1\"\nkind = \"regular\"\nrouter_id = \"10.255.255.254\"\nlisten = [\"{listen}\"]\n\
         {}[route_server.import]\nmax_prefixes = {{ v4 = 3000000, v6 = 3000000 }}\n",
        send_hold_time(u),
    );
    if rs {
        let added = if u.reload_as_rejected { format!(", {RELOAD_AS}") } else { String::new() };
        let _ = writeln!(
            text,
            "irr = \"reject\"\nrpki = \"reject\"\ntransit_free = [{}{added}]",
            TRANSIT_FREE.map(|a| a.to_string()).join(", ")
        );
    } else {
        text.push_str(
            "irr = \"off\"\nrpki = \"off\"\nbogon_prefixes = false\nbogon_asns = false\ntransit_free = []\nfirst_as = false\nnext_hop = \"any\"\n\
             prefix_length = false\nas_path_max = 0\nmax_communities = 0\n",
        );
    }
    for m in 0..u.spec.members {
        let families = match u.spec.family {
            LoadFamily::V4 | LoadFamily::V4OverV6 => "v4",
            LoadFamily::V6 => "v6",
        };
        let _ = write!(
            text,
            "[[member]]\nasn = {}\nname = \"Member {m}\"\n{}[[member.session]]\naddress = \"{}\"\nfamilies = [\"{families}\"]\n",
            u.asn(m),
            if rs { format!("as_set = [\"AS-M{m}\"]\n") } else { String::new() },
            u.address(m),
        );
    }
    std::fs::write(&config, text)?;
    let mut command = Command::new(program("rs-daemon", &[])?);
    command.arg("--config").arg(config);
    Ok(command)
}

/// A short SendHoldTimer, which must be longer than the hold time.
fn send_hold_time(u: &Universe) -> String {
    let hold = u.spec.hold_time;
    let lines = |send| format!("hold_time = \"{hold}s\"\nsend_hold_time = \"{send}s\"\n");
    u.spec.send_hold.map(lines).unwrap_or_default()
}

/// Networks that must not stand in a path: the same list for every daemon.
pub(crate) const TRANSIT_FREE: [u32; 14] =
    [174, 701, 1299, 2914, 3257, 3320, 3356, 5511, 6453, 6461, 6762, 6830, 7018, 12956];
