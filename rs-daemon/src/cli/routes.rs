//! `rsctl routes`: written as the answer comes in.

use std::io;
use std::sync::Arc;

use bgp_wire::Prefix;

use super::Look;
use super::args::Routes;
use super::table::{Cell, Column, Style, Table};
use super::text::{counted, duration, plain};
use crate::runtime::query::RouteEntry;

/// Rows that set the widths together and are then written.
const PORTION: usize = 256;
/// So many routes are put in order before any is written; a longer list comes as it comes.
const IN_ORDER: usize = 10_000;

/// A list of routes being written.
pub(super) struct Listing {
    table: Table,
    with_server: bool,
    filtered: bool,
    detail: bool,
    routes: u64,
    rejected: u64,
    /// Routes that wait to be put in order.
    waiting: Vec<RouteEntry>,
    streaming: bool,
}

impl Listing {
    pub(super) fn new(asked: &Routes, width: Option<usize>) -> Self {
        let with_server =
            asked.route_server.is_none() && asked.from.is_none() && asked.to.is_none();
        let mut columns = vec![Column::Left("")];
        if with_server {
            columns.push(Column::Left("RS"));
        }
        columns.extend([
            Column::Left("PREFIX"),
            Column::Right("FROM AS"),
            Column::Left("ADDRESS"),
            Column::Left("NEXT HOP"),
            Column::Right("MED"),
        ]);
        // Paths can be of any length: they come last.
        if asked.filtered {
            columns.push(Column::Left("REJECTED"));
        }
        columns.push(Column::Left("PATH"));
        Self {
            table: Table::new(columns).fit(width, &["NEXT HOP"], &["MED", "ADDRESS"]),
            with_server,
            filtered: asked.filtered,
            detail: asked.detail,
            routes: 0,
            rejected: 0,
            waiting: Vec::new(),
            streaming: false,
        }
    }

    pub(super) fn push(&mut self, route: RouteEntry, look: &mut Look<'_>) -> io::Result<()> {
        self.routes += 1;
        self.rejected += u64::from(route.reject.is_some());
        if self.streaming {
            return self.write(&route, look);
        }
        self.waiting.push(route);
        if self.waiting.len() >= IN_ORDER {
            self.streaming = true;
            self.in_order(look)?;
        }
        Ok(())
    }

    /// By route server and prefix; of one prefix the most preferred comes first, as it came.
    fn in_order(&mut self, look: &mut Look<'_>) -> io::Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_cached_key(|route| {
            (Arc::clone(&route.from.route_server), route.prefix.parse::<Prefix>().ok())
        });
        waiting.iter().try_for_each(|route| self.write(route, look))
    }

    fn write(&mut self, route: &RouteEntry, look: &mut Look<'_>) -> io::Result<()> {
        if self.detail {
            return write_detail(route, look);
        }
        let mut row = vec![mark(route)];
        if self.with_server {
            row.push(Cell::from(&route.from.route_server));
        }
        row.extend([
            Cell::from(&route.prefix),
            Cell::from(route.from_asn),
            Cell::from(route.from.address),
            Cell::from(&route.next_hop),
            route.med.map_or_else(Cell::default, Cell::from),
        ]);
        if self.filtered {
            row.push(rejected(route));
        }
        row.push(path_cell(route, self.filtered));
        self.table.push(row);
        if self.table.pending() >= PORTION {
            self.table.write(look.paint, look.out)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, look: &mut Look<'_>) -> io::Result<()> {
        self.in_order(look)?;
        if self.routes == 0 {
            return writeln!(look.out, "no routes");
        }
        if !self.detail {
            self.table.write(look.paint, look.out)?;
        }
        let rejected = match self.rejected {
            0 => String::new(),
            count => format!(", {count} rejected (x)"),
        };
        let total = counted(self.routes, "route", "routes");
        let narrow = if self.detail { String::new() } else { self.table.after() };
        let line = look.paint.apply(Style::Dim, &format!("{total}{rejected}{narrow}"));
        writeln!(look.out, "{line}")
    }
}

/// `*` eligible, `*>` most preferred, `x` rejected, `s` kept over a restart of the peer.
fn mark(route: &RouteEntry) -> Cell {
    let stale = if route.stale { "s" } else { "" };
    match (&route.reject, route.best) {
        (Some(_), _) => Cell::styled(format!("x{stale}"), Style::Bad),
        (None, true) => Cell::styled(format!("*>{stale}"), Style::Good),
        (None, false) => Cell::from(format!("*{stale}")),
    }
}

/// The path and its origin as one letter, as every router prints them.
fn path(route: &RouteEntry) -> String {
    let origin = match route.origin.as_str() {
        "igp" => "i",
        "egp" => "e",
        _ => "?",
    };
    if route.as_path.is_empty() { origin.to_owned() } else { format!("{} {origin}", route.as_path) }
}

/// Among accepted routes a rejected one says why behind its path.
fn path_cell(route: &RouteEntry, has_column: bool) -> Cell {
    match &route.reject {
        Some(reject) if !has_column => {
            Cell::styled(format!("{}  ({})", path(route), reject.name), Style::Bad)
        }
        _ => Cell::from(path(route)),
    }
}

fn rejected(route: &RouteEntry) -> Cell {
    route.reject.as_ref().map_or_else(Cell::default, |reject| {
        Cell::styled(format!("{} ({})", reject.name, reject.code), Style::Bad)
    })
}

fn write_detail(route: &RouteEntry, look: &mut Look<'_>) -> io::Result<()> {
    let title = format!(
        "{} from AS{} {} at {}",
        route.prefix, route.from_asn, route.from.address, route.from.route_server
    );
    let word = match (&route.reject, route.best) {
        (Some(_), _) => "rejected",
        (None, true) => "best",
        (None, false) => "accepted",
    };
    let style = mark_style(route);
    let title = look.paint.apply(Style::Head, &plain(&title));
    let word = look.paint.apply(style, word);
    writeln!(look.out, "{title}  {word}")?;
    write_attributes(route, "    ", look)?;
    if let Some(reject) = &route.reject {
        let euro_ix = match reject.euro_ix {
            0 => String::new(),
            code => format!(", Euro-IX {code}"),
        };
        let text = format!("{} (code {}{euro_ix})", reject.text, reject.code);
        fact("    ", "rejected", &text, look)?;
    }
    Ok(())
}

fn mark_style(route: &RouteEntry) -> Style {
    match (&route.reject, route.best) {
        (Some(_), _) => Style::Bad,
        (None, true) => Style::Good,
        (None, false) => Style::Plain,
    }
}

fn fact(indent: &str, key: &str, value: &str, look: &mut Look<'_>) -> io::Result<()> {
    let key = look.paint.apply(Style::Dim, &format!("{key:<22}"));
    writeln!(look.out, "{indent}{key}{}", plain(value))
}

/// Every attribute that is there, a line each.
pub(super) fn write_attributes(
    route: &RouteEntry,
    indent: &str,
    look: &mut Look<'_>,
) -> io::Result<()> {
    let unknown: Vec<_> = route
        .unknown
        .iter()
        .map(|(flags, code, value)| format!("type {code} flags 0x{flags:02x} value {value}"))
        .collect();
    let lines = [
        ("path", Some(path(route))),
        ("next hop", Some(route.next_hop.clone())),
        ("MED", route.med.map(|med| med.to_string())),
        ("communities", joined(&route.communities)),
        ("extended communities", joined(&route.extended_communities)),
        ("large communities", joined(&route.large_communities)),
        ("only to customer", route.otc.map(|asn| asn.to_string())),
        ("aggregator", route.aggregator.clone()),
        ("atomic aggregate", route.atomic_aggregate.then(|| "yes".to_owned())),
        ("unknown attributes", joined(&unknown)),
        ("path identifier", route.path_id.map(|id| id.to_string())),
        ("RPKI", route.rov.clone()),
        ("IRR", route.irr.clone()),
        ("stale", route.stale.then(|| "kept over a restart of the peer".to_owned())),
        ("age", route.age_secs.map(duration)),
    ];
    for (key, value) in lines {
        if let Some(value) = value {
            fact(indent, key, &value, look)?;
        }
    }
    Ok(())
}

fn joined(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join(" "))
}
