//! Results of a load as JSON and as a Markdown table.

use std::fmt::Write as _;
use std::io;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::loads::Outcome;

#[derive(Serialize)]
struct Document<'a> {
    load: String,
    members: u32,
    prefixes: u32,
    policy: crate::daemon::PolicyLevel,
    machine: String,
    runs: &'a [Outcome],
    summaries: Vec<Summary>,
}

/// All runs of one daemon under one load: medians of those that did not fail.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub(crate) struct Summary {
    pub(crate) daemon: String,
    pub(crate) runs: usize,
    pub(crate) failed: usize,
    pub(crate) error: Option<String>,
    pub(crate) wall_secs: f64,
    pub(crate) cpu_secs: f64,
    /// Least and greatest of the CPU times.
    pub(crate) cpu_range: [f64; 2],
    pub(crate) peak_octets: f64,
    pub(crate) startup_secs: f64,
    pub(crate) startup_cpu_secs: f64,
    pub(crate) generator_cpu_secs: f64,
    pub(crate) updates: f64,
    pub(crate) prefixes: f64,
    pub(crate) octets: f64,
    /// (name, microseconds).
    pub(crate) latencies: Vec<(String, f64)>,
    pub(crate) figures: Vec<(String, f64)>,
}

impl Summary {
    /// A further figure of the load.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|f| f.0 == name).map(|f| f.1)
    }

    /// The 99th percentile of latencies in milliseconds.
    pub(crate) fn p99_millis(&self) -> Option<f64> {
        self.latencies.iter().find(|l| l.0 == "p99").map(|l| l.1 / 1e3)
    }

    /// Whether any run gave figures.
    pub(crate) fn measured(&self) -> bool {
        self.runs > self.failed
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The median of each named value, in the order of the first run.
fn medians_by_name(
    runs: &[&Outcome],
    of: fn(&Outcome) -> Vec<(String, f64)>,
) -> Vec<(String, f64)> {
    let all: Vec<Vec<(String, f64)>> = runs.iter().map(|run| of(run)).collect();
    let names = all.first().into_iter().flatten().map(|(name, _)| name.clone());
    names
        .map(|name| {
            let values = all.iter().flatten().filter(|v| v.0 == name).map(|v| v.1).collect();
            (name, median(values))
        })
        .collect()
}

fn summary(daemon: &str, runs: &[&Outcome]) -> Summary {
    let fine: Vec<&Outcome> = runs.iter().copied().filter(|r| r.error.is_none()).collect();
    let pick = |f: fn(&Outcome) -> f64| median(fine.iter().map(|r| f(r)).collect());
    let cpu = || fine.iter().map(|r| r.cpu_secs);
    Summary {
        daemon: daemon.to_owned(),
        runs: runs.len(),
        failed: runs.len() - fine.len(),
        error: runs.iter().find_map(|r| r.error.clone()),
        wall_secs: pick(|r| r.wall_secs),
        cpu_secs: pick(|r| r.cpu_secs),
        cpu_range: [cpu().reduce(f64::min), cpu().reduce(f64::max)].map(Option::unwrap_or_default),
        peak_octets: pick(|r| r.peak_octets as f64),
        startup_secs: pick(|r| r.startup_secs),
        startup_cpu_secs: pick(|r| r.startup_cpu_secs),
        generator_cpu_secs: pick(|r| r.generator_cpu_secs),
        updates: pick(|r| r.updates as f64),
        prefixes: pick(|r| r.prefixes as f64),
        octets: pick(|r| r.octets as f64),
        latencies: medians_by_name(&fine, |r| {
            r.latencies.iter().map(|(name, micros)| (name.clone(), f64::from(*micros))).collect()
        }),
        figures: medians_by_name(&fine, |r| r.figures.clone()),
    }
}

/// One summary for each daemon, in the order of their first runs.
pub(crate) fn summaries(runs: &[Outcome]) -> Vec<Summary> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.daemon.as_str()) {
            names.push(&run.daemon);
        }
    }
    let of = |name: &str| runs.iter().filter(|r| r.daemon == name).collect::<Vec<_>>();
    names.into_iter().map(|name| summary(name, &of(name))).collect()
}

/// The processor, its cores and the kernel.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|m| m.1.trim().to_owned()))
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok());
    let gigabytes = kilobytes.unwrap_or_default() / 1e6;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, {gigabytes:.0} GB, Linux {}", kernel.trim())
}

/// Today, as `date` writes it.
pub(crate) fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

fn list(values: &[(String, f64)]) -> String {
    let each: Vec<String> = values.iter().map(|(name, v)| format!("{name} {v:.2}")).collect();
    each.join(", ")
}

/// Prints a load's results, and writes them as Markdown and JSON into the output directory.
pub(crate) fn write(options: &Options, runs: &[Outcome]) -> io::Result<()> {
    let summaries = summaries(runs);
    let mut table = String::from(
        "| daemon | wall s | CPU s | peak MB | start s | its CPU s | generator CPU s | updates | prefixes/update | latencies µs | figures |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for s in &summaries {
        let failed = s.error.as_deref().map(|e| format!(" FAILED: {e}")).unwrap_or_default();
        let _ = writeln!(
            table,
            "| {} | {:.3} | {:.3} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} | {} | {}{failed} |",
            s.daemon,
            s.wall_secs,
            s.cpu_secs,
            s.peak_octets / 1e6,
            s.startup_secs,
            s.startup_cpu_secs,
            s.generator_cpu_secs,
            s.updates,
            s.prefixes / s.updates.max(1.0),
            list(&s.latencies),
            list(&s.figures),
        );
    }
    println!(
        "{:?} {} x {} {:?}\n{table}",
        options.load, options.members, options.prefixes, options.policy
    );
    let name =
        format!("{:?}-{}x{}", options.load, options.members, options.prefixes).to_lowercase();
    std::fs::write(options.out.join(format!("{name}.md")), &table)?;
    let document = Document {
        load: format!("{:?}", options.load),
        members: options.members,
        prefixes: options.prefixes,
        policy: options.policy,
        machine: machine(),
        runs,
        summaries,
    };
    let json = serde_json::to_vec_pretty(&document).map_err(io::Error::other)?;
    std::fs::write(options.out.join(format!("{name}.json")), json)
}
