//! `rsctl status`.

use std::io;

use super::Look;
use super::outside;
use super::table::{Cell, Column, Style, Table};
use super::text::{age, octets, plain, stamp, time};
use crate::control::answers::StatusAnswer;
use crate::runtime::status::{LocalSocketStatus, RouteServerStatus};

pub(super) fn write(status: &StatusAnswer, look: &mut Look<'_>) -> io::Result<()> {
    let daemon = &status.daemon;
    writeln!(
        look.out,
        "rs-daemon {}, up {}, {} of {} sessions established, {}, {} and {}",
        daemon.version,
        age(stamp(daemon.started), look.now),
        daemon.sessions_established,
        daemon.sessions_configured,
        octets(daemon.resident_octets),
        super::text::counted(u64::from(daemon.shards), "shard", "shards"),
        super::text::counted(u64::from(daemon.workers), "worker", "workers"),
    )?;
    let loaded = stamp(daemon.last_reload).map_or_else(|| "-".to_owned(), time);
    writeln!(look.out, "{}, configuration of {loaded}", plain(&daemon.exchange))?;
    let warnings = [
        (!daemon.last_reload_success, "the last reload was refused; the one before is in force"),
        (daemon.draining, "draining: GRACEFUL_SHUTDOWN is on everything exported"),
        (!daemon.state_written, "what should survive a restart cannot be written (see the log)"),
        (is_down(daemon.http), "HTTP: the port cannot be had, tried again (see the log)"),
        (!daemon.ready, "not ready: listeners or the first RPKI data are missing"),
    ];
    for (_, text) in warnings.iter().filter(|(applies, _)| *applies) {
        writeln!(look.out, "{}", look.paint.apply(Style::Warn, text))?;
    }
    writeln!(look.out)?;
    route_servers(&status.route_servers, look)?;
    if !status.rpki.sources.is_empty() || status.rpki.vrps > 0 {
        writeln!(look.out)?;
        outside::write_rpki(&status.rpki, look)?;
    }
    Ok(())
}

fn is_down(socket: Option<LocalSocketStatus>) -> bool {
    socket.is_some_and(|socket| !socket.listening)
}

fn route_servers(servers: &[RouteServerStatus], look: &mut Look<'_>) -> io::Result<()> {
    let mut table = Table::new([
        Column::Left("ROUTE SERVER"),
        Column::Left("KIND"),
        Column::Right("AS"),
        Column::Left("ROUTER ID"),
        Column::Right("SESSIONS"),
        Column::Left("FAMILY"),
        Column::Right("RECEIVED"),
        Column::Right("ACCEPTED"),
        Column::Right("FILTERED"),
        Column::Right("BEST"),
        Column::Right("EXPORTED"),
    ])
    .fit(look.width, &[], &["ROUTER ID", "ACCEPTED", "AS", "KIND"]);
    for server in servers {
        let style = if server.sessions_established == server.sessions_configured {
            Style::Good
        } else {
            Style::Warn
        };
        let sessions = format!("{}/{}", server.sessions_established, server.sessions_configured);
        let mut head = vec![
            Cell::from(&server.name),
            Cell::from(&server.kind),
            Cell::from(server.asn),
            Cell::from(server.router_id),
            Cell::styled(sessions, style),
        ];
        for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
            let routes = &server.routes[index];
            let mut row = std::mem::replace(&mut head, vec![Cell::default(); 5]);
            row.extend([
                Cell::from(family),
                Cell::from(routes.received),
                Cell::from(routes.accepted),
                Cell::from(routes.filtered),
                Cell::from(server.destinations[index]),
                Cell::from(routes.exported),
            ]);
            table.push(row);
        }
    }
    table.finish(look.paint, look.out)
}
