//! The page and the README's block, as text made from the results alone.

use std::fmt::Write as _;

use super::document::{Document, RowResults, Verdict, judge};
use super::rows::{self, Goal, Measure, Row};
use crate::daemon::Which;
use crate::plot;

/// First and last line of the block of figures in another file.
pub(crate) const BEGIN: &str = "<!-- figures: written by rs-lab from docs/performance.json -->";
pub(crate) const END: &str = "<!-- end of figures -->";

fn ratio(ratio: f64) -> String {
    if ratio < 1.0 { format!("1/{:.1}", 1.0 / ratio) } else { format!("{ratio:.2}") }
}

fn amount(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.3}"),
    }
}

/// All of the page.
pub(crate) fn render(document: &Document) -> String {
    let mut page = String::from(
        "# Performance\n\n<!-- Written by `rs-lab suite` from performance.json; do not edit. -->\n\n",
    );
    introduction(document, &mut page);
    targets(document, &mut page);
    daemons(document, &mut page);
    growth(document, &mut page);
    details(document, &mut page);
    page.push_str("## CPU by load\n\n![CPU seconds of each daemon by load](performance.svg)\n");
    page
}

fn introduction(document: &Document, page: &mut String) {
    let _ = write!(page, "Measured on {} on one machine: {}.", document.measured, document.machine);
    if let Some(note) = &document.note {
        let _ = write!(page, " **{note}**");
    }
    page.push_str("\n\n");
    for (daemon, version) in &document.versions {
        let _ = writeln!(page, "- {daemon}: {version}");
    }
    let _ = write!(
        page,
        "\n\
The lab (`rs-lab`, package `benches`) starts one daemon at a time in a network namespace of its own, all traffic over a loopback\n\
of MTU 1500, beside a load generator that speaks BGP as every member. CPU and memory are the kernel's, of all processes of the daemon.\n\
Figures are medians of {} run{} of each daemon, taken in turn (rows marked ¹: one run). A run counts only when every route of every\n\
member's table is what RFC 7947 says it must be: the generator knows the expected tables by arithmetic and counts the cells that differ.\n\
OpenBGPD gives a member whose own path is the best nothing instead of the second best (`rde evaluate all` passes over what a filter\n\
refuses only); where members announce the same prefixes its tables are checked against that.\n\n\
Policy level `rs`, written equally for each daemon: IRR prefix and origin lists for each member, 400,000 ROAs, bogons, path checks,\n\
control communities, scrubbing. Ten prefixes share an attribute set, a tenth of the sets carry control communities. BIRD has one table\n\
with `secondary`. CPU and wall time count from the first announcement (or the event named) until the last table is right; start-up\n\
(from the start of the process until a first session is Established: configuration, ROAs and IRR sets are read by then) is apart.\n\n\
Repeat: `cargo build --release --workspace && target/release/rs-lab suite --repeat 5 --page docs/performance.md --readme README.md`; \
what is\n\
finished is kept in `lab-output/parts`, so that a suite that was stopped goes on. `--list` says how long it takes, `--only NAME`\n\
runs single rows, `rs-lab --help` has loads of any size.\n\n",
        document.repeat,
        if document.repeat == 1 { "" } else { "s" },
    );
}

fn goal_text(goal: Goal) -> String {
    match goal {
        Goal::Ratio(_, which, limit) => format!("≤ {} of {}", ratio(limit), label(which)),
        Goal::AtMost(_, limit) => format!("≤ {limit}"),
        Goal::AtLeast(_, limit) => format!("≥ {limit}"),
    }
}

fn label(which: Which) -> &'static str {
    match which {
        Which::Us => "rs-daemon",
        Which::Bird => "BIRD 2",
        Which::Openbgpd => "OpenBGPD",
        Which::Floor => "the floor",
    }
}

fn title(row: &Row) -> String {
    format!("{}{}", row.name, if row.once { " ¹" } else { "" })
}

fn targets(document: &Document, page: &mut String) {
    page.push_str("## Targets\n\n| load | what | rs-daemon | other | ratio | target | |\n|---|---|---|---|---|---|---|\n");
    let (mut met, mut all) = (0, 0);
    for row in rows::all() {
        for (n, goal) in row.goals.iter().enumerate() {
            all += 1;
            let verdict = document.row(row.id).and_then(|results| judge(*goal, results));
            met += usize::from(verdict.as_ref().is_some_and(|v| v.met));
            let load = if n == 0 { title(row) } else { String::new() };
            let _ = writeln!(
                page,
                "| {load} | {} {} |",
                goal.measure().name(),
                verdict_cells(*goal, verdict)
            );
        }
    }
    let _ = writeln!(page, "\n{met} of {all} targets met.\n");
    failures(document, page);
}

fn verdict_cells(goal: Goal, verdict: Option<Verdict>) -> String {
    let target = goal_text(goal);
    let Some(Verdict { figure, other, ratio: quotient, met }) = verdict else {
        return format!("| | | | {target} | not measured");
    };
    format!(
        "| {} | {} | {} | {target} | {}",
        amount(figure),
        other.map(amount).unwrap_or_default(),
        quotient.map(ratio).unwrap_or_default(),
        if met { "pass" } else { "**fail**" }
    )
}

fn failures(document: &Document, page: &mut String) {
    let failed = document.rows.iter().flat_map(|row| {
        let name = rows::all().iter().find(|r| r.id == row.id).map_or("", |r| r.name);
        row.errors().into_iter().map(move |error| format!("- {name}: {error}\n"))
    });
    let list: String = failed.collect();
    if !list.is_empty() {
        let _ = writeln!(page, "Runs that failed:\n\n{list}");
    }
}

/// Every daemon's figures.
fn daemons(document: &Document, page: &mut String) {
    page.push_str(
        "## What each daemon needed\n\n\
         | load | daemon | wall s | CPU s (range) | peak MB | start-up s | its CPU s | UPDATEs | prefixes each | generator's CPU s |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (row, results) in measured(document).filter(|(row, _)| !row.is_growth()) {
        for s in results.daemons.iter().filter(|s| s.measured()) {
            let [least, most] = s.cpu_range;
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} ({} to {}) | {:.0} | {:.2} | {:.2} | {:.0} | {:.1} | {:.2} |",
                title(row),
                s.daemon,
                amount(s.wall_secs),
                amount(s.cpu_secs),
                amount(least),
                amount(most),
                s.peak_octets / 1e6,
                s.startup_secs,
                s.startup_cpu_secs,
                s.updates,
                s.prefixes / s.updates.max(1.0),
                s.generator_cpu_secs,
            );
        }
    }
    page.push('\n');
}

fn measured(document: &Document) -> impl Iterator<Item = (&'static Row, &RowResults)> {
    rows::all().iter().filter_map(|row| Some((row, document.row(row.id)?)))
}

/// CPU for each delivered prefix, by members.
fn growth(document: &Document, page: &mut String) {
    page.push_str("## Growth\n\nCPU for each prefix delivered, 50 prefixes a member: it must fall or stay.\n\n");
    page.push_str("| members | deliveries | CPU s | ns a delivery |\n|---|---|---|---|\n");
    let mut first = None;
    let mut last = None;
    for (row, results) in measured(document).filter(|(row, _)| row.is_growth()) {
        let Some(ours) = results.of(Which::Us) else { continue };
        let each = ours.cpu_secs / ours.prefixes.max(1.0) * 1e9;
        first = first.or(Some(each));
        last = Some(each);
        let _ = writeln!(
            page,
            "| {} | {:.0} | {} | {each:.0} |",
            row.members,
            ours.prefixes,
            amount(ours.cpu_secs)
        );
    }
    if let (Some(first), Some(last)) = (first, last) {
        let verdict = if last <= first { "pass" } else { "**fail**" };
        let _ = writeln!(page, "\nThe last to the first: {} ({verdict}).", ratio(last / first));
    }
    page.push('\n');
}

/// Latencies and whatever else a load has.
fn details(document: &Document, page: &mut String) {
    page.push_str("## Further figures\n\n");
    for (row, results) in measured(document) {
        for s in results.daemons.iter().filter(|s| s.measured()) {
            let latencies =
                s.latencies.iter().map(|(name, micros)| format!("{name} {:.2} ms", micros / 1e3));
            let figures = s.figures.iter().map(|(name, v)| format!("{name} {}", amount(*v)));
            let list: Vec<String> = latencies.chain(figures).collect();
            let told = row.load != crate::loads::Load::Announce || row.hold_time < 90;
            if told && !list.is_empty() {
                let _ = writeln!(page, "- {} ({}): {}", row.name, s.daemon, list.join(", "));
            }
        }
    }
    page.push('\n');
}

/// The README's block: the ratios that say most.
pub(crate) fn readme_block(document: &Document) -> String {
    let mut block =
        format!("{BEGIN}\n| load | | rs-daemon | BIRD 2 | ratio |\n|---|---|---|---|---|\n");
    let shown = [
        ("announce-100x1000", &[Measure::Wall, Measure::Cpu, Measure::Memory][..]),
        ("announce-1000x50", &[Measure::Wall, Measure::Cpu][..]),
        ("churn-200", &[Measure::P99][..]),
        ("restart-500x100", &[Measure::Wall][..]),
        ("reload-500x100", &[Measure::Wall][..]),
    ];
    for (id, measures) in shown {
        let found = rows::all().iter().find(|row| row.id == id);
        let (Some(row), Some(results)) = (found, document.row(id)) else { continue };
        for (n, measure) in measures.iter().enumerate() {
            let Some(verdict) = judge(Goal::Ratio(*measure, Which::Bird, 1.0), results) else {
                continue;
            };
            let load = if n == 0 { row.name } else { "" };
            let _ = writeln!(
                block,
                "| {load} | {} | {} | {} | {} |",
                measure.name(),
                amount(verdict.figure),
                verdict.other.map(amount).unwrap_or_default(),
                verdict.ratio.map(ratio).unwrap_or_default(),
            );
        }
    }
    block.push_str(END);
    block
}

/// `text` with its block of figures replaced; `None` where it has none.
pub(crate) fn with_block(text: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{block}{after}"))
}

/// The bars of the plot.
pub(super) fn bars(document: &Document) -> Vec<plot::Bar<'_>> {
    measured(document)
        .flat_map(|(row, results)| {
            results.daemons.iter().filter(|s| s.measured()).map(|s| plot::Bar {
                load: row.name,
                daemon: &s.daemon,
                value: s.cpu_secs,
            })
        })
        .collect()
}
