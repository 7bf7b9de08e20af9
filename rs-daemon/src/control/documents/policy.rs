//! `rsctl policy`: the policy in force, with the limits that only the daemon knows. As a listing
//! for operators, as a document for members, or as data.

use std::fmt::Write as _;

use policy::{Kind, Policy, PolicyDescription};

use crate::config::{Limit, LimitAction, LimitCount, PrefixLimits, RouteServer};
use crate::control::peer::display_member;

/// The policy in force and the limits of `server`.
#[must_use]
pub fn describe(policy: &Policy, server: &RouteServer) -> PolicyDescription {
    let mut description = policy.describe();
    limits(&server.limits, "", &mut description.limits);
    if server.kind == Kind::Transitable {
        limits(&server.sponsor_limits, "transit sponsors: ", &mut description.limits);
    }
    description
}

fn limit(limit: Limit) -> String {
    match limit {
        Limit::Off => "none".to_owned(),
        Limit::Fixed(most) => most.to_string(),
        Limit::Dynamic { .. } => "follows what the member announces".to_owned(),
    }
}

fn limits(limits: &PrefixLimits, who: &str, out: &mut Vec<(String, String)>) {
    out.push((format!("{who}IPv4 prefixes"), limit(limits.v4)));
    out.push((format!("{who}IPv6 prefixes"), limit(limits.v6)));
    if limits.total != Limit::Off {
        out.push((format!("{who}prefixes in all"), limit(limits.total)));
    }
    let action = match limits.action {
        LimitAction::Warn => "a warning",
        LimitAction::Block => "it is not taken",
        LimitAction::Restart => "the session closes for a while",
        LimitAction::Shutdown => "the session closes until the exchange enables it",
    };
    let counted = match limits.count {
        LimitCount::Received => "all received count",
        LimitCount::Accepted => "accepted ones count",
    };
    out.push((format!("{who}one prefix too many"), format!("{action} ({counted})")));
}

/// The listing for terminals.
#[must_use]
pub fn listing(policy: &PolicyDescription) -> String {
    let mut out = String::new();
    let short = policy.short_asn.map_or_else(
        || "standard communities with its AS are off".to_owned(),
        |short| format!("{short} in standard communities"),
    );
    let _ = writeln!(
        out,
        "{}: {} route server, AS{}, {short}, policy epoch {}",
        policy.route_server,
        policy.kind.name(),
        policy.asn,
        policy.epoch
    );
    for warning in &policy.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    let checks = policy.checks.iter().map(|set| [set.check.name.to_owned(), set.setting.clone()]);
    section("checks, in order", checks, &mut out);
    let sponsors = policy.sponsors.iter().map(|s| [s.check.name.to_owned(), s.setting.clone()]);
    section("otherwise for transit sponsors", sponsors, &mut out);
    for exception in &policy.exceptions {
        let title = format!("otherwise for {}", display_member(exception.asn, &exception.name));
        let checks = exception.checks.iter().map(|s| [s.check.name.to_owned(), s.setting.clone()]);
        section(&title, checks, &mut out);
    }
    section("limits", policy.limits.iter().map(|(n, v)| [n.clone(), v.clone()]), &mut out);
    for list in &policy.lists {
        let version = list.version.map(|version| format!(", version {version}"));
        let title = format!("{}{}", list.name, version.unwrap_or_default());
        section(&title, list.entries.iter().map(|(n, v)| [n.clone(), v.clone()]), &mut out);
    }
    numbered("how a path is chosen", &policy.selection, &mut out);
    numbered("on the way out", &policy.export, &mut out);
    for (title, all) in [
        ("communities that members set", &policy.actions),
        ("informational communities", &policy.tags),
    ] {
        let rows = all.iter().map(|one| [one.meaning.to_owned(), one.communities.join(" ")]);
        section(title, rows, &mut out);
    }
    let codes = policy.reject_codes.iter().map(|reject| {
        let euro_ix = reject.euro_ix.map_or_else(|| "-".to_owned(), |code| code.to_string());
        [
            format!("{} (Euro-IX {euro_ix}) {}", reject.code, reject.reason.name()),
            reject.meaning.clone(),
        ]
    });
    section("reject codes", codes, &mut out);
    out
}

/// A title and two columns; nothing where there are no rows.
fn section(title: &str, rows: impl Iterator<Item = [String; 2]>, out: &mut String) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    let width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
    for [name, value] in rows {
        let line = format!("  {name:<width$}  {value}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn numbered(title: &str, lines: &[String], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(out, "  {}. {line}", index + 1);
    }
}
