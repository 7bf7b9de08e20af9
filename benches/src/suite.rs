//! All loads of the results page, one after the other, and the page that they make.

use std::fmt::Write as _;
use std::path::Path;

use crate::Options;
use crate::daemon::{PolicyLevel, Which};
use crate::loads::{self, Load, Outcome};
use crate::plot;
use crate::report::{self, Median};

type BoxError = Box<dyn std::error::Error>;

/// One row of the page.
struct Row {
    name: &'static str,
    load: Load,
    members: u32,
    prefixes: u32,
    first: Option<u32>,
    rate: u32,
    seconds: u32,
    /// Ratios to reach, ours to BIRD's: wall (or p99 latency), CPU, peak memory.
    targets: [Option<f64>; 3],
    /// Two members announce the same full table, the others listen; without outside data.
    sponsors: bool,
    /// Runs without BIRD: an absolute figure.
    alone: bool,
}

const ROW: Row = Row {
    name: "",
    load: Load::Announce,
    members: 100,
    prefixes: 1000,
    first: None,
    rate: 200,
    seconds: 10,
    targets: [None; 3],
    sponsors: false,
    alone: false,
};

fn rows() -> Vec<Row> {
    let ratio = |wall: f64, cpu: f64| [Some(1.0 / wall), Some(1.0 / cpu), Some(1.0)];
    vec![
        Row { name: "100 members × 1,000", targets: ratio(15.0, 25.0), ..ROW },
        Row {
            name: "20 × 50,000",
            members: 20,
            prefixes: 50_000,
            targets: ratio(8.0, 12.0),
            ..ROW
        },
        Row { name: "500 × 100", members: 500, prefixes: 100, targets: ratio(25.0, 40.0), ..ROW },
        Row { name: "1,000 × 50", members: 1000, prefixes: 50, targets: ratio(25.0, 40.0), ..ROW },
        Row {
            name: "churn, 200 changes/s, 100 × 200",
            load: Load::Churn,
            prefixes: 200,
            targets: [Some(1.0 / 8.0), Some(1.0), None],
            ..ROW
        },
        Row {
            name: "churn, 2,000 changes/s, 100 × 200",
            load: Load::Churn,
            prefixes: 200,
            rate: 2000,
            ..ROW
        },
        Row {
            name: "a member with 50,000 goes, 100 members",
            load: Load::Flap,
            prefixes: 100,
            first: Some(50_000),
            targets: [Some(1.0 / 3.0), Some(1.0 / 5.0), None],
            ..ROW
        },
        Row { name: "late joiner, 20,000 routes", load: Load::LateJoiner, prefixes: 200, ..ROW },
        Row {
            name: "restart, 500 × 100",
            load: Load::Restart,
            members: 500,
            prefixes: 100,
            targets: [Some(0.1), Some(0.05), None],
            ..ROW
        },
        Row {
            name: "changed policy, 500 × 100",
            load: Load::Reload,
            members: 500,
            prefixes: 100,
            targets: [Some(0.1), Some(0.1), None],
            ..ROW
        },
        Row {
            name: "idle, 1,000 sessions",
            load: Load::Idle,
            members: 1000,
            prefixes: 50,
            seconds: 60,
            alone: true,
            ..ROW
        },
        Row { name: "1,000 × 250", members: 1000, prefixes: 250, alone: true, ..ROW },
        Row {
            name: "the floor at 1,000 × 50",
            load: Load::Floor,
            members: 1000,
            prefixes: 50,
            alone: true,
            ..ROW
        },
    ]
}

fn options_of(row: &Row, base: &Options) -> Options {
    let mut options = base.clone();
    options.load = row.load;
    options.members = row.members;
    options.prefixes = row.prefixes;
    options.first = row.first;
    options.rate = row.rate;
    options.seconds = row.seconds;
    options.per_set = if row.prefixes < 10 { row.prefixes } else { 10 };
    if row.sponsors {
        (options.announcers, options.overlap) = (Some(2), 2);
        options.policy = PolicyLevel::Plain;
    }
    if row.alone {
        options.daemons = vec![Which::Us];
    }
    options
}

/// What a row came to.
struct RowResult {
    row: Row,
    runs: Vec<Outcome>,
    medians: Vec<Median>,
}

/// Runs all rows, and writes the page into `options.page`.
pub(crate) fn run(options: &Options) -> Result<(), BoxError> {
    let mut results = Vec::new();
    for row in rows() {
        if options.only.as_ref().is_some_and(|only| !row.name.contains(only.as_str())) {
            continue;
        }
        eprintln!("== {}", row.name);
        let of_row = options_of(&row, options);
        let runs = loads::run_all(&of_row)?;
        report::write(&of_row, &runs)?;
        let medians = report::medians(&runs);
        results.push(RowResult { row, runs, medians });
        // After every row: a suite that is stopped leaves what it has.
        write_page(options, &results)?;
    }
    let missed = results.iter().filter(|r| !met(r)).count();
    eprintln!("{} rows, {missed} below their target or failed", results.len());
    Ok(())
}

fn find<'a>(result: &'a RowResult, name: &str) -> Option<&'a Median> {
    result.medians.iter().find(|m| m.daemon == name)
}

/// Ours to BIRD's: wall (for churn: p99 latency), CPU, peak memory.
fn ratios(result: &RowResult) -> Option<[f64; 3]> {
    let (us, bird) = (find(result, "us")?, find(result, "bird2")?);
    let wall = match (us.p99_micros, bird.p99_micros) {
        (Some(us), Some(bird)) => us / bird,
        _ => us.wall_secs / bird.wall_secs,
    };
    Some([wall, us.cpu_secs / bird.cpu_secs, us.peak_octets as f64 / bird.peak_octets as f64])
}

fn met(result: &RowResult) -> bool {
    let fine = result.runs.iter().all(|r| r.error.is_none());
    let Some(ratios) = ratios(result) else { return fine };
    fine && ratios.iter().zip(result.row.targets).all(|(r, t)| t.is_none_or(|t| *r <= t))
}

fn ratio_text(ratio: f64, target: Option<f64>) -> String {
    let as_text = |r: f64| if r < 1.0 { format!("1/{:.1}", 1.0 / r) } else { format!("{r:.2}") };
    match target {
        None => as_text(ratio),
        Some(t) if ratio <= t => format!("{} (≤ {})", as_text(ratio), as_text(t)),
        Some(t) => format!("**{}** (> {})", as_text(ratio), as_text(t)),
    }
}

fn cells(median: &Median) -> String {
    let latency = median.p99_micros.map(|p| format!(", p99 {:.1} ms", p / 1e3)).unwrap_or_default();
    format!(
        "{:.3} s, CPU {:.3} s, {:.0} MB{latency}",
        median.wall_secs,
        median.cpu_secs,
        median.peak_octets as f64 / 1e6
    )
}

fn write_page(options: &Options, results: &[RowResult]) -> Result<(), BoxError> {
    let mut page = format!(
        "# Performance\n\n<!-- Written by `rs-lab suite`; do not edit. -->\n\n\
         Measured on one machine ({}), everything over a loopback of MTU 1500 in a network namespace of its own. Each daemon runs\n\
         alone beside the load generator; medians of {} run{}, policy level `{:?}` (IRR lists for each member, 400,000 ROAs, bogons, path checks,\n\
         control communities, scrubbing), written equally for each. Ten prefixes share an attribute set, a tenth of the sets carry control\n\
         communities. A run counts only when every route of every member's table is what RFC 7947 says it must be.\n\n\
         CPU and wall count from the first announcement (or the event named) until the last table is right; start-up apart.\n\n\
         Repeat: `cargo build --release && target/release/rs-lab suite --repeat 5 --page docs/performance.md`; one row: `--only '100 members'`.\n\n\
         | load | us | BIRD 2 | wall or p99 | CPU | peak memory |\n|---|---|---|---|---|---|\n",
        report::machine(),
        options.repeat,
        if options.repeat == 1 { "" } else { "s" },
        options.policy,
    );
    for result in results {
        let us =
            find(result, "us").or_else(|| find(result, "floor")).map(cells).unwrap_or_default();
        let bird = find(result, "bird2").map_or_else(|| "not run".to_owned(), cells);
        let targets = result.row.targets;
        let [wall, cpu, memory] = ratios(result).map_or_else(
            || [String::new(), String::new(), String::new()],
            |r| [0, 1, 2].map(|i| ratio_text(r[i], targets[i])),
        );
        let failed = result.runs.iter().find_map(|r| r.error.as_deref());
        let failed = failed.map(|e| format!(" FAILED: {e}")).unwrap_or_default();
        let _ = writeln!(
            page,
            "| {} | {us}{failed} | {bird} | {wall} | {cpu} | {memory} |",
            result.row.name
        );
    }
    page.push_str("\nRatios are ours to BIRD's, with what was to be reached in brackets.\n\n## Figures of single loads\n\n");
    for result in results {
        for m in &result.medians {
            let last = result.runs.iter().rev().find(|r| r.daemon == m.daemon && r.error.is_none());
            let Some(last) = last else { continue };
            let figures = last.figures.iter().map(|(n, v)| format!("{n} {v:.2}"));
            let latencies =
                last.latencies.iter().map(|(n, v)| format!("{n} {:.2} ms", f64::from(*v) / 1e3));
            let list: Vec<String> = latencies.chain(figures).collect();
            let _ = writeln!(
                page,
                "- {} ({}): start-up {:.1} s; {} UPDATEs with {:.1} prefixes each; generator's CPU {:.2} s{}{}",
                result.row.name,
                m.daemon,
                m.startup_secs,
                last.updates,
                last.prefixes as f64 / last.updates.max(1) as f64,
                last.generator_cpu_secs,
                if list.is_empty() { "" } else { "; " },
                list.join(", "),
            );
        }
    }
    let plot_path = options.page.with_extension("svg");
    let bars: Vec<plot::Bar<'_>> = results
        .iter()
        .flat_map(|r| {
            r.medians.iter().map(|m| plot::Bar {
                load: r.row.name,
                daemon: &m.daemon,
                value: m.cpu_secs,
            })
        })
        .collect();
    plot::cpu(&plot_path, &bars)?;
    let name = plot_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let _ = write!(page, "\n![CPU seconds of each daemon by load]({name})\n");
    std::fs::create_dir_all(options.page.parent().unwrap_or_else(|| Path::new(".")))?;
    std::fs::write(&options.page, page)?;
    Ok(())
}
