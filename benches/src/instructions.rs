//! Instructions of the hot paths, counted by callgrind: they show a regression on a machine that
//! is busy with other things, where seconds do not.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rs_benches::cases::{self, CASES, Case};
use serde::{Deserialize, Serialize};

use crate::Options;

/// Names the case that a process is to run.
pub(crate) const CASE: &str = "RS_LAB_CASE";
/// More instructions than the baseline's by so many percent are a regression. Tables whose hashes
/// are seeded at random (against members who would choose colliding keys) vary by some tenths.
const TOLERANCE_PERCENT: f64 = 5.0;
/// Counts depend on the compiler: the toolchain is pinned, and this is its version.
const TOOLCHAIN: &str = include_str!("../../rust-toolchain.toml");

/// What counts are compared with.
#[derive(Serialize, Deserialize, Debug)]
struct Baseline {
    /// Architecture and toolchain that it was counted with.
    architecture: String,
    toolchain: String,
    /// Instructions of one run of each case.
    cases: BTreeMap<String, u64>,
}

impl Baseline {
    fn new(cases: BTreeMap<String, u64>) -> Self {
        Self {
            architecture: std::env::consts::ARCH.to_owned(),
            toolchain: toolchain().to_owned(),
            cases,
        }
    }
}

fn toolchain() -> &'static str {
    let line = TOOLCHAIN.lines().find_map(|l| l.strip_prefix("channel"));
    line.map_or("unknown", |l| l.trim_matches([' ', '=', '"']))
}

/// Runs one case twice, the second time where callgrind counts.
pub(crate) fn run_case(name: &str) -> ExitCode {
    let Some(case) = cases::find(name) else { return ExitCode::FAILURE };
    let mut run = case.prepare();
    // The first run fills buffers and caches that a running daemon has filled.
    let warm = run();
    let counted = cases::rs_lab_counted_region(&mut run);
    if warm > 0 && counted > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Counts all cases; `false` where one needs more than its baseline allows.
pub(crate) fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|case| options.only.as_ref().is_none_or(|only| case.name.contains(only.as_str())))
        .collect();
    let counts = count_all(&chosen)?;
    if options.bless {
        let mut cases =
            if options.only.is_some() { read(&options.baseline)?.cases } else { BTreeMap::new() };
        cases.extend(counts.iter().map(|(case, count)| (case.name.to_owned(), *count)));
        let json = serde_json::to_string_pretty(&Baseline::new(cases))?;
        std::fs::write(&options.baseline, json + "\n")?;
        println!("{} is the new baseline", options.baseline.display());
        return Ok(true);
    }
    let baseline = read(&options.baseline)?;
    if baseline.architecture != std::env::consts::ARCH {
        println!("the baseline is for {}: counted, not compared", baseline.architecture);
        return Ok(true);
    }
    if baseline.toolchain != toolchain() {
        return Err(format!(
            "the baseline was counted with Rust {}, this is {}: count again with --bless",
            baseline.toolchain,
            toolchain()
        )
        .into());
    }
    let mut fine = true;
    println!("{:<22} {:>12} {:>12} {:>8}  per item", "case", "instructions", "baseline", "change");
    for (case, count) in counts {
        let (verdict, text) = compare(count, baseline.cases.get(case.name).copied());
        fine &= verdict;
        let each = count / u64::from(case.items);
        println!("{:<22} {count:>12} {text}  {each} a {}", case.name, case.item);
    }
    Ok(fine)
}

fn read(path: &Path) -> Result<Baseline, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// Whether a count is within its bounds, and how to say it.
fn compare(count: u64, baseline: Option<u64>) -> (bool, String) {
    let Some(baseline) = baseline else {
        return (false, format!("{:>12} {:>8}  NOT IN THE BASELINE (--bless)", "-", "-"));
    };
    let percent = (count as f64 / baseline as f64 - 1.0) * 100.0;
    let note = if percent > TOLERANCE_PERCENT {
        "  REGRESSION"
    } else if percent < -TOLERANCE_PERCENT {
        "  better: --bless keeps it so"
    } else {
        ""
    };
    (percent <= TOLERANCE_PERCENT, format!("{baseline:>12} {percent:>+7.2}%{note}"))
}

/// Cases one after the other on each core.
fn count_all<'a>(cases: &[&'a Case]) -> Result<Vec<(&'a Case, u64)>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let mut counts: Vec<(usize, Result<u64, String>)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (dir, cases) = (dir.path(), cases);
                scope.spawn(move || {
                    let mine = (thread..cases.len()).step_by(threads);
                    mine.map(|n| (n, count(cases[n], dir))).collect::<Vec<_>>()
                })
            })
            .collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    counts.sort_by_key(|(n, _)| *n);
    if counts.len() < cases.len() {
        return Err("a thread that counts has panicked".into());
    }
    counts.into_iter().map(|(n, count)| Ok((cases[n], count?))).collect()
}

fn count(case: &Case, dir: &Path) -> Result<u64, String> {
    let name = case.name;
    let file = dir.join(format!("{name}.callgrind"));
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*rs_lab_counted_region*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .env(CASE, name)
        .stdout(Stdio::null())
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
    total(&text).ok_or_else(|| format!("{name}: callgrind counted nothing"))
}

/// What callgrind writes at the end of its file.
fn total(text: &str) -> Option<u64> {
    let line = |key| text.lines().rev().find_map(|l: &str| l.strip_prefix(key));
    let total = line("totals:").or_else(|| line("summary:"))?;
    total.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_tolerance_is_a_regression() {
        assert!(compare(1_049, Some(1_000)).0);
        assert!(compare(500, Some(1_000)).0);
        let (fine, text) = compare(1_051, Some(1_000));
        assert!(!fine && text.contains("REGRESSION"), "{text}");
        assert!(!compare(1, None).0, "a case without a baseline");
    }

    #[test]
    fn the_last_line_of_callgrind_is_the_count() {
        assert_eq!(total("version: 1\nsummary: 12\n\ntotals: 12\n"), Some(12));
        assert_eq!(total("version: 1\nsummary: 7\n"), Some(7));
        assert_eq!(total("totals: 0\n"), None);
    }

    #[test]
    fn the_baseline_has_every_case_and_no_other() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
        let baseline = read(&path).unwrap();
        let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        assert_eq!(baseline.cases.keys().map(String::as_str).collect::<Vec<_>>(), names);
        assert_eq!(baseline.toolchain, toolchain());
    }
}
