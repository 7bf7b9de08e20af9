//! `rsctl explain`: a decision, readable from top to bottom.

use std::io;

use super::Look;
use super::routes::write_attributes;
use super::table::Style;
use super::text::plain;
use crate::runtime::query::{ExplainedCandidate, ExplainedCheck, Explanation};

pub(super) fn write(explanation: &Explanation, look: &mut Look<'_>) -> io::Result<()> {
    let title = format!("{} to {}", explanation.prefix, explanation.to);
    let title = look.paint.apply(Style::Head, &plain(&title));
    writeln!(look.out, "{title}")?;
    let style = if explanation.chosen.is_empty() { Style::Bad } else { Style::Good };
    let summary = look.paint.apply(style, &plain(&explanation.summary));
    writeln!(look.out, "{summary}")?;
    for (index, candidate) in explanation.candidates.iter().enumerate() {
        writeln!(look.out)?;
        write_candidate(index, candidate, explanation.chosen.contains(&index), look)?;
    }
    Ok(())
}

fn write_candidate(
    index: usize,
    candidate: &ExplainedCandidate,
    chosen: bool,
    look: &mut Look<'_>,
) -> io::Result<()> {
    let route = &candidate.route;
    let title = format!("{}. from AS{} {}", index + 1, route.from_asn, route.from.address);
    let style = match (&route.reject, chosen) {
        (Some(_), _) => Style::Bad,
        (None, true) => Style::Good,
        (None, false) => Style::Plain,
    };
    let title = look.paint.apply(Style::Head, &title);
    writeln!(look.out, "{title}")?;
    write_attributes(route, "     ", look)?;
    let names = candidate.checks.iter().map(|check| plain(&check.check).chars().count());
    let width = names.max().unwrap_or(0);
    for check in &candidate.checks {
        write_check(check, width, look)?;
    }
    let outcome = look.paint.apply(style, &plain(&candidate.outcome));
    writeln!(look.out, "  => {outcome}")
}

fn write_check(check: &ExplainedCheck, width: usize, look: &mut Look<'_>) -> io::Result<()> {
    let (mark, style) = match check.outcome.as_str() {
        "pass" => ("ok  ", Style::Good),
        "fail" => ("FAIL", Style::Bad),
        "skip" => ("-   ", Style::Dim),
        _ => ("note", Style::Warn),
    };
    let mark = look.paint.apply(style, mark);
    let name = plain(&check.check);
    let detail = plain(&check.detail);
    let line = format!("{name:<width$}  {detail}");
    writeln!(look.out, "  {mark} {}", line.trim_end())
}
