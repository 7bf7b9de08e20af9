//! `rsctl members` and `rsctl member`.

use std::io;
use std::time::SystemTime;

use super::Look;
use super::table::{Cell, Column, Style, Table};
use super::text::{age, counted, octets, plain, stamp, time};
use crate::control::peer::{display_address, display_member};
use crate::runtime::status::{
    DirectionCounters, NegotiatedStatus, RouteCounters, SessionState, SessionStatus, TimerStatus,
};

const FAMILY_COLUMNS: [[Column; 5]; 2] = [
    [
        Column::Right("V4 IN"),
        Column::Right("OK"),
        Column::Right("FILT"),
        Column::Right("OUT"),
        Column::Right("LIMIT"),
    ],
    [
        Column::Right("V6 IN"),
        Column::Right("OK"),
        Column::Right("FILT"),
        Column::Right("OUT"),
        Column::Right("LIMIT"),
    ],
];

pub(super) fn write_list(sessions: &[SessionStatus], look: &mut Look<'_>) -> io::Result<()> {
    let several = sessions.windows(2).any(|w| w[0].id.route_server != w[1].id.route_server);
    let mut columns = Vec::new();
    if several {
        columns.push(Column::Left("RS"));
    }
    columns.extend([
        Column::Right("AS"),
        Column::Left("NAME"),
        Column::Left("ADDRESS"),
        Column::Left("STATE"),
        Column::Right("SINCE"),
    ]);
    columns.extend(FAMILY_COLUMNS.concat());
    let spare = &["LIMIT", "OK", "SINCE", "OUT", "FILT", "STATE"];
    let mut table = Table::new(columns).fit(look.width, &["NAME"], spare);
    for session in sessions {
        let mut row = Vec::new();
        if several {
            row.push(Cell::from(&session.id.route_server));
        }
        row.extend([
            Cell::from(session.asn),
            Cell::from(&session.name),
            Cell::from(display_address(session)),
            state(session),
            Cell::from(age(stamp(session.since), look.now)),
        ]);
        for family in 0..2 {
            row.extend(figures(session, family));
        }
        table.push(row);
    }
    table.write(look.paint, look.out)?;
    let up = sessions.iter().filter(|session| is_up(session)).count();
    let total = counted(sessions.len() as u64, "session", "sessions");
    let narrow = table.after();
    let line = look.paint.apply(Style::Dim, &format!("{total}, {up} established{narrow}"));
    writeln!(look.out, "{line}")
}

pub(super) fn is_up(session: &SessionStatus) -> bool {
    session.state == SessionState::Established
}

pub(super) fn state(session: &SessionStatus) -> Cell {
    match session.state {
        SessionState::Established if session.held => Cell::styled("held", Style::Warn),
        SessionState::Established if session.lagging => Cell::styled("lagging", Style::Warn),
        SessionState::Established => Cell::styled("established", Style::Good),
        SessionState::Disabled => Cell::styled("disabled", Style::Bad),
        other => Cell::styled(other.name(), Style::Warn),
    }
}

/// Whether the session carries the family; before it is up nobody knows, and nothing is shown.
fn carries(session: &SessionStatus, family: usize) -> bool {
    let name = ["ipv4", "ipv6"][family];
    session
        .negotiated
        .as_ref()
        .is_some_and(|agreed| agreed.families.iter().any(|family| family == name))
}

fn figures(session: &SessionStatus, family: usize) -> [Cell; 5] {
    let limit_cell = limit_cell(session, family);
    if !is_up(session) || !carries(session, family) {
        let none = || Cell::styled("-", Style::Dim);
        return [none(), none(), none(), none(), limit_cell];
    }
    let routes = &session.routes[family];
    let filtered = if routes.filtered > 0 { Style::Warn } else { Style::Plain };
    let name = ["ipv4", "ipv6"][family];
    let near =
        session.limit_uses().any(|one| [name, "all"].contains(&one.families) && one.is_near());
    [
        Cell::styled(routes.received.to_string(), if near { Style::Bad } else { Style::Plain }),
        Cell::from(routes.accepted),
        Cell::styled(routes.filtered.to_string(), filtered),
        Cell::from(routes.exported),
        limit_cell,
    ]
}

/// The limit that a family meets first: its own, or the one on both together.
fn limit_cell(session: &SessionStatus, family: usize) -> Cell {
    match (session.limits[family], session.limit_total) {
        (None, None) => Cell::from("-"),
        (Some(limit), None) => Cell::from(limit),
        (Some(limit), Some(total)) if limit <= total => Cell::from(limit),
        (_, Some(total)) => Cell::from(format!("{total} all")),
    }
}

/// `key  value` lines.
struct Facts<'a, 'b> {
    look: &'a mut Look<'b>,
}

impl Facts<'_, '_> {
    fn line(&mut self, key: &str, value: impl AsRef<str>) -> io::Result<()> {
        let key = self.look.paint.apply(Style::Dim, &format!("{key:<22}"));
        writeln!(self.look.out, "  {key}{}", plain(value.as_ref()))
    }

    fn maybe(&mut self, key: &str, value: Option<impl AsRef<str>>) -> io::Result<()> {
        value.map_or(Ok(()), |value| self.line(key, value))
    }

    fn list(&mut self, key: &str, values: &[String]) -> io::Result<()> {
        let mut key = key;
        for value in values {
            self.line(key, value)?;
            key = "";
        }
        Ok(())
    }
}

pub(super) fn write_one(session: &SessionStatus, look: &mut Look<'_>) -> io::Result<()> {
    let title = format!(
        "{} ({}) at {}",
        plain(&display_member(session.asn, &session.name)),
        display_address(session),
        session.id.route_server
    );
    let title = look.paint.apply(Style::Head, &title);
    writeln!(look.out, "{title}")?;
    let since = stamp(session.since);
    let at = since.map_or_else(String::new, |since| format!(", since {}", time(since)));
    let state = format!("{} for {}{at}", session.state.name(), age(since, look.now));
    let mut facts = Facts { look };
    facts.line("state", state)?;
    facts.maybe("held down because", session.disabled.as_ref())?;
    facts.line("flaps", session.flaps.to_string())?;
    let down_at = session.last_down_at.and_then(stamp);
    let down_at = down_at.map_or_else(String::new, |at| format!(" ({})", time(at)));
    facts.maybe("last down", session.last_down.as_ref().map(|why| format!("{why}{down_at}")))?;
    if let Some(last) = &session.last_notification {
        let direction = if last.sent { "sent" } else { "received" };
        let at = stamp(last.at).map(time).unwrap_or_default();
        facts.line("last NOTIFICATION", format!("{direction} {} ({at})", last.text))?;
    }
    timers(&session.timers, &mut facts)?;
    if let (Some(local), Some(remote)) = (session.local, session.remote) {
        facts.line("connection", format!("{local} - {remote}"))?;
    }
    if let Some(agreed) = &session.negotiated {
        negotiated(agreed, &mut facts)?;
    }
    counters(session, &mut facts)?;
    dynamic_limits(session, &mut facts)?;
    writeln!(look.out)?;
    families(session, look)
}

/// Those that run, in the order of a session's life.
fn timers(timers: &TimerStatus, facts: &mut Facts<'_, '_>) -> io::Result<()> {
    let now = facts.look.now;
    let left = |end: Option<SystemTime>| {
        let end = end.and_then(stamp)?;
        Some(format!("{} s", end.duration_since(now).as_secs().max(0)))
    };
    let held_off = "nothing is tried or taken ('rsctl session enable' ends that)";
    facts.maybe("held off", left(timers.idle_hold).map(|left| format!("{left}, {held_off}")))?;
    let running: Vec<_> = [
        ("connect retry", timers.connect_retry),
        ("hold", timers.hold),
        ("KEEPALIVE", timers.keepalive),
        ("send hold", timers.send_hold),
    ]
    .into_iter()
    .filter_map(|(name, end)| Some(format!("{name} {}", left(end)?)))
    .collect();
    facts.maybe("timers end in", (!running.is_empty()).then(|| running.join(", ")))
}

fn negotiated(agreed: &NegotiatedStatus, facts: &mut Facts<'_, '_>) -> io::Result<()> {
    facts.line("BGP Identifier", agreed.router_id.to_string())?;
    let hold = match agreed.hold_time_secs {
        0 => "off".to_owned(),
        secs => format!("{secs} s, KEEPALIVE every {} s", agreed.keepalive_secs),
    };
    facts.line("hold time", hold)?;
    facts.line("families", agreed.families.join(" "))?;
    let features = [
        (agreed.extended_next_hop, "extended-next-hop"),
        (!agreed.add_path_send.is_empty(), "add-path-send"),
        (agreed.extended_message, "extended-message"),
        (agreed.four_octet_as, "four-octet-as"),
        (agreed.route_refresh, "route-refresh"),
        (agreed.enhanced_route_refresh, "enhanced-route-refresh"),
    ];
    let on: Vec<_> = features.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    facts.line("agreed on", on.join(" "))?;
    facts.list("capabilities, ours", &agreed.local_capabilities)?;
    facts.list("capabilities, theirs", &agreed.peer_capabilities)
}

fn counters(session: &SessionStatus, facts: &mut Facts<'_, '_>) -> io::Result<()> {
    facts.line("messages in", messages(&session.messages.received))?;
    facts.line("messages out", messages(&session.messages.sent))?;
    let bad = &session.malformed;
    let bad: Vec<_> = [
        (bad.attribute_discard, "attribute discard"),
        (bad.treat_as_withdraw, "treat-as-withdraw"),
        (bad.afi_safi_disable, "AFI/SAFI disable"),
        (bad.session_reset, "session reset"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    if !bad.is_empty() {
        facts.line("malformed (RFC 7606)", bad.join(", "))?;
    }
    for (routes, family) in session.routes.iter().zip(["ipv4", "ipv6"]) {
        if routes.refused > 0 {
            let refused = counted(routes.refused, "announcement", "announcements");
            facts.line(&format!("above the limit, {family}"), format!("{refused} not taken"))?;
        }
    }
    if session.held {
        let text = "sent nothing yet: after our restart other members' routes are missing";
        facts.line("graceful restart", text)?;
    }
    let lag = if session.lagging { ", lagging" } else { "" };
    let queue = format!("{}, {} dirty{lag}", octets(session.send_queue_octets), session.dirty_nlri);
    facts.line("queue", queue)
}

/// What limits that follow the member's announcements follow from.
fn dynamic_limits(session: &SessionStatus, facts: &mut Facts<'_, '_>) -> io::Result<()> {
    for (learned, family) in session.dynamic_limits.iter().zip(["ipv4", "ipv6"]) {
        let Some(learned) = learned else { continue };
        let days = counted(u64::from(learned.days), "day", "days");
        let seen = format!("at most {} announced on {days}", learned.highest);
        let text = match learned.learning {
            true => format!("not learned yet, the static limit holds; {seen}"),
            false => seen,
        };
        facts.line(&format!("dynamic limit, {family}"), text)?;
    }
    Ok(())
}

fn messages(count: &DirectionCounters) -> String {
    format!(
        "{} UPDATE, {} KEEPALIVE, {} OPEN, {} NOTIFICATION, {} ROUTE-REFRESH, {}",
        count.update,
        count.keepalive,
        count.open,
        count.notification,
        count.route_refresh,
        octets(count.octets)
    )
}

fn families(session: &SessionStatus, look: &mut Look<'_>) -> io::Result<()> {
    let mut table = Table::new([
        Column::Left("FAMILY"),
        Column::Right("RECEIVED"),
        Column::Right("ACCEPTED"),
        Column::Right("FILTERED"),
        Column::Right("EXPORTED"),
        Column::Right("LIMIT"),
    ]);
    for (family, name) in ["ipv4", "ipv6"].into_iter().enumerate() {
        let routes = &session.routes[family];
        table.push([
            Cell::from(name),
            Cell::from(routes.received),
            Cell::from(routes.accepted),
            Cell::from(routes.filtered),
            Cell::from(routes.exported),
            limit_cell(session, family),
        ]);
    }
    table.write(look.paint, look.out)?;
    named("FILTERED BECAUSE", |routes| &routes.filtered_by_reason, session, look)?;
    named("MARKED", |routes| &routes.marked, session, look)
}

/// Numbers of routes by name, where there are any.
fn named(
    title: &'static str,
    of: fn(&RouteCounters) -> &[(String, u64)],
    session: &SessionStatus,
    look: &mut Look<'_>,
) -> io::Result<()> {
    let mut table =
        Table::new([Column::Left(title), Column::Left("FAMILY"), Column::Right("ROUTES")]);
    for (routes, family) in session.routes.iter().zip(["ipv4", "ipv6"]) {
        for (name, count) in of(routes) {
            table.push([Cell::from(name), Cell::from(family), Cell::from(count)]);
        }
    }
    if table.pending() > 0 {
        writeln!(look.out)?;
        table.write(look.paint, look.out)?;
    }
    Ok(())
}
