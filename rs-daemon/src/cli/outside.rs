//! RPKI, IRR, and what a configuration changes.

use std::io;

use super::Look;
use super::table::{Cell, Column, Style, Table};
use super::text::{age, counted, plain, stamp};
use crate::control::answers::RpkiAnswer;
use crate::irr::PolicyState;
use crate::runtime::query::{DiffReport, MemberDiff, ReloadReport};
use crate::runtime::status::{BmpCollectorStatus, IrrSetStatus, IrrStatus, RpslPolicyStatus};

fn or_dash<T: ToString>(value: Option<T>) -> Cell {
    value.map_or_else(|| Cell::from("-"), |value| Cell::from(value.to_string()))
}

pub(super) fn write_rpki(rpki: &RpkiAnswer, look: &mut Look<'_>) -> io::Result<()> {
    writeln!(look.out, "RPKI: {} VRPs and {} ASPAs in force", rpki.vrps, rpki.aspas)?;
    if rpki.sources.is_empty() {
        return writeln!(look.out, "no cache is configured");
    }
    let mut table = Table::new([
        Column::Left("SOURCE"),
        Column::Right("PREF"),
        Column::Left("STATE"),
        Column::Left("IN USE"),
        Column::Right("VERSION"),
        Column::Right("SESSION"),
        Column::Right("SERIAL"),
        Column::Right("VRPS"),
        Column::Right("ASPAS"),
        Column::Right("LAST DATA"),
        Column::Left("ERROR"),
    ])
    .fit(look.width, &[], &["SESSION", "PREF", "VERSION", "SERIAL", "ASPAS"]);
    for source in &rpki.sources {
        let style = match source.state.as_str() {
            "connected" | "file" => Style::Good,
            "failed" => Style::Bad,
            _ => Style::Warn,
        };
        table.push([
            Cell::from(&source.name),
            Cell::from(source.preference),
            Cell::styled(&source.state, style),
            Cell::from(if source.active { "yes" } else { "no" }),
            or_dash(source.version),
            or_dash(source.session),
            or_dash(source.serial),
            Cell::from(source.vrps),
            Cell::from(source.aspas),
            Cell::from(age(source.last_sync.and_then(stamp), look.now)),
            source.last_error.as_ref().map_or_else(Cell::default, |e| Cell::styled(e, Style::Bad)),
        ]);
    }
    table.finish(look.paint, look.out)
}

pub(super) fn write_bmp(collectors: &[BmpCollectorStatus], look: &mut Look<'_>) -> io::Result<()> {
    if collectors.is_empty() {
        return writeln!(look.out, "no BMP collector is configured");
    }
    let mut table = Table::new([
        Column::Left("COLLECTOR"),
        Column::Left("ADDRESS"),
        Column::Left("STATE"),
        Column::Right("SENT"),
        Column::Right("QUEUED"),
        Column::Right("CONNECTIONS"),
        Column::Right("TOO SLOW"),
        Column::Right("LOST"),
        Column::Left("VIEWS"),
    ])
    .fit(look.width, &["COLLECTOR"], &["LOST", "ADDRESS", "CONNECTIONS"]);
    for collector in collectors {
        let (state, style) = match (collector.connected, collector.synced) {
            (false, _) => ("away", Style::Bad),
            (true, false) => ("telling tables", Style::Warn),
            (true, true) => ("up to date", Style::Good),
        };
        table.push([
            Cell::from(&collector.name),
            Cell::from(&collector.address),
            Cell::styled(state, style),
            Cell::from(collector.sent_octets),
            Cell::from(collector.queued_octets),
            Cell::from(collector.connections),
            Cell::from(collector.too_slow),
            Cell::from(collector.lost_changes),
            Cell::from(&collector.views.join(" ")),
        ]);
    }
    table.finish(look.paint, look.out)
}

/// Sets, then RPSL policies where there are any.
pub(super) fn write_irr(all: &[IrrStatus], look: &mut Look<'_>) -> io::Result<()> {
    let (mut sets, mut policies) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            IrrStatus::Set(set) => sets.push(set),
            IrrStatus::Policy(policy) => policies.push(policy),
        }
    }
    if all.is_empty() {
        return writeln!(look.out, "no IRR sets are in use");
    }
    write_sets(&sets, look)?;
    if !policies.is_empty() {
        writeln!(look.out)?;
        write_policies(&policies, look)?;
    }
    Ok(())
}

/// Whether an answer is there, and as new as it should be.
fn freshness(fetched: bool, stale: bool) -> (&'static str, Style) {
    match (fetched, stale) {
        (false, _) => ("missing", Style::Bad),
        (true, true) => ("stale", Style::Warn),
        (true, false) => ("fresh", Style::Good),
    }
}

fn error_cell(error: Option<&String>) -> Cell {
    error.map_or_else(Cell::default, |error| Cell::styled(error, Style::Bad))
}

fn write_sets(sets: &[&IrrSetStatus], look: &mut Look<'_>) -> io::Result<()> {
    let mut table = Table::new([
        Column::Left("SET"),
        Column::Right("MEMBERS"),
        Column::Right("ORIGINS"),
        Column::Right("V4"),
        Column::Right("V6"),
        Column::Right("AGE"),
        Column::Left("STATE"),
        Column::Left("SOURCE"),
        Column::Left("ERROR"),
    ])
    .fit(look.width, &["SOURCE"], &["MEMBERS", "ORIGINS"]);
    for set in sets {
        let (state, style) = freshness(set.fetched.is_some(), set.stale);
        table.push([
            Cell::from(&set.name),
            Cell::from(set.members),
            Cell::from(set.asns),
            Cell::from(set.prefixes[0]),
            Cell::from(set.prefixes[1]),
            Cell::from(age(set.fetched.and_then(stamp), look.now)),
            Cell::styled(state, style),
            Cell::from(&set.source),
            error_cell(set.last_error.as_ref()),
        ]);
    }
    table.finish(look.paint, look.out)
}

fn write_policies(policies: &[&RpslPolicyStatus], look: &mut Look<'_>) -> io::Result<()> {
    let mut table = Table::new([
        Column::Left("RPSL POLICY"),
        Column::Right("LINES"),
        Column::Right("AGE"),
        Column::Left("STATE"),
        Column::Left("SOURCE"),
        Column::Left("ERROR"),
    ]);
    for policy in policies {
        let style = match (policy.state, policy.stale) {
            (PolicyState::NeverFetched, _) => Style::Bad,
            (_, true) => Style::Warn,
            (PolicyState::InForce, false) => Style::Good,
            (PolicyState::NoLines | PolicyState::NoAutNum, false) => Style::Dim,
        };
        let stale = if policy.stale { ", stale" } else { "" };
        table.push([
            Cell::from(format!("AS{}", policy.aut_num)),
            Cell::from(policy.lines),
            Cell::from(age(policy.fetched.and_then(stamp), look.now)),
            Cell::styled(format!("{}{stale}", policy.state.name()), style),
            Cell::from(&policy.source),
            error_cell(policy.last_error.as_ref()),
        ]);
    }
    table.finish(look.paint, look.out)
}

/// `would` for a diff, `did` for a reload.
pub(super) fn write_diff(
    report: &DiffReport,
    mood: &'static str,
    look: &mut Look<'_>,
) -> io::Result<()> {
    write_sessions(&report.sessions, look)?;
    write_members(&report.members, look)?;
    if report.sessions == ReloadReport::default() && report.members.is_empty() {
        let text = if mood == "did" { "nothing changed" } else { "nothing would change" };
        writeln!(look.out, "{text}")?;
    }
    Ok(())
}

fn write_sessions(report: &ReloadReport, look: &mut Look<'_>) -> io::Result<()> {
    for (mark, style, sessions) in
        [("+", Style::Good, &report.added), ("-", Style::Bad, &report.removed)]
    {
        for session in sessions {
            let line = look.paint.apply(style, &format!("{mark} session {session}"));
            writeln!(look.out, "{line}")?;
        }
    }
    for (session, why) in &report.restarted {
        let line = format!("! session {session} restarts: {}", plain(why));
        let line = look.paint.apply(Style::Warn, &line);
        writeln!(look.out, "{line}")?;
    }
    for server in &report.policy_changed {
        writeln!(look.out, "~ policy of {}, without a session reset", plain(server))?;
    }
    for what in &report.details {
        writeln!(look.out, "~ {}", plain(what))?;
    }
    for what in &report.needs_restart {
        let line = format!("! needs a restart of the daemon: {}", plain(what));
        let line = look.paint.apply(Style::Warn, &line);
        writeln!(look.out, "{line}")?;
    }
    for warning in &report.warnings {
        // The second line is the remedy.
        for line in format!("warning: {warning}").lines() {
            let line = look.paint.apply(Style::Warn, &plain(line));
            writeln!(look.out, "{line}")?;
        }
    }
    Ok(())
}

fn write_members(members: &[MemberDiff], look: &mut Look<'_>) -> io::Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::Left("SESSION"),
        Column::Right("AS"),
        Column::Left("NAME"),
        Column::Right("GAINS"),
        Column::Right("LOSES"),
        Column::Right("CHANGED"),
        Column::Right("OWN: ACCEPTED"),
        Column::Right("REJECTED"),
    ])
    .fit(look.width, &["NAME"], &["NAME"]);
    for member in members {
        table.push([
            Cell::from(&member.session),
            Cell::from(member.asn),
            Cell::from(&member.name),
            Cell::from(member.gained),
            Cell::from(member.lost),
            Cell::from(member.changed),
            Cell::from(member.newly_accepted),
            Cell::from(member.newly_rejected),
        ]);
    }
    writeln!(look.out)?;
    table.write(look.paint, look.out)?;
    for member in members.iter().filter(|member| !member.examples.is_empty()) {
        writeln!(look.out, "\nAS{} at {}, for example:", member.asn, member.session)?;
        for example in &member.examples {
            writeln!(look.out, "  {}", plain(example))?;
        }
    }
    let differing = members.iter().map(|m| m.gained + m.lost + m.changed).filter(|m| *m > 0);
    let (total, sessions) = differing.fold((0, 0), |(total, n), each| (total + each, n + 1));
    let line = format!(
        "{} in the tables of {}",
        counted(total, "difference", "differences"),
        counted(sessions, "session", "sessions")
    ) + &table.after();
    let line = look.paint.apply(Style::Dim, &line);
    writeln!(look.out, "{line}")
}
