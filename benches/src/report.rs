//! Results as JSON, as a Markdown table, and as bars.

use std::fmt::Write as _;
use std::io;

use crate::Options;
use crate::loads::Outcome;

#[derive(serde::Serialize)]
struct Document<'a> {
    load: String,
    members: u32,
    prefixes: u32,
    policy: crate::daemon::PolicyLevel,
    machine: String,
    runs: &'a [Outcome],
    medians: Vec<Median>,
}

#[derive(serde::Serialize)]
pub(crate) struct Median {
    pub(crate) daemon: String,
    pub(crate) wall_secs: f64,
    pub(crate) cpu_secs: f64,
    pub(crate) peak_octets: u64,
    pub(crate) startup_secs: f64,
    /// Where a load has latencies: the median of their 99th percentiles.
    pub(crate) p99_micros: Option<f64>,
    pub(crate) failed: usize,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn p99(runs: &[&Outcome]) -> Option<f64> {
    let each = runs.iter().flat_map(|r| &r.latencies).filter(|l| l.0 == "p99");
    let values: Vec<f64> = each.map(|l| f64::from(l.1)).collect();
    (!values.is_empty()).then(|| median(values))
}

pub(crate) fn medians(runs: &[Outcome]) -> Vec<Median> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.daemon.as_str()) {
            names.push(&run.daemon);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let of: Vec<&Outcome> =
                runs.iter().filter(|r| r.daemon == name && r.error.is_none()).collect();
            let pick = |f: fn(&Outcome) -> f64| median(of.iter().map(|r| f(r)).collect());
            Median {
                daemon: name.to_owned(),
                wall_secs: pick(|r| r.wall_secs),
                cpu_secs: pick(|r| r.cpu_secs),
                peak_octets: pick(|r| r.peak_octets as f64) as u64,
                startup_secs: pick(|r| r.startup_secs),
                p99_micros: p99(&of),
                failed: runs.iter().filter(|r| r.daemon == name && r.error.is_some()).count(),
            }
        })
        .collect()
}

/// The processor, its cores and the kernel.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|m| m.1.trim().to_owned()))
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

pub(crate) fn write(options: &Options, runs: &[Outcome]) -> io::Result<()> {
    let medians = medians(runs);
    let mut table = String::from(
        "| daemon | wall s | CPU s | peak MB | start s | updates | prefixes/update | latencies µs | figures |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for m in &medians {
        let Some(last) = runs.iter().rev().find(|r| r.daemon == m.daemon) else { continue };
        let latencies: Vec<String> =
            last.latencies.iter().map(|(n, v)| format!("{n} {v}")).collect();
        let figures: Vec<String> =
            last.figures.iter().map(|(n, v)| format!("{n}: {v:.2}")).collect();
        let failed = last.error.as_deref().map(|e| format!(" FAILED: {e}")).unwrap_or_default();
        let _ = writeln!(
            table,
            "| {} | {:.3} | {:.3} | {:.0} | {:.2} | {} | {:.1} | {} | {}{failed} |",
            m.daemon,
            m.wall_secs,
            m.cpu_secs,
            m.peak_octets as f64 / 1e6,
            m.startup_secs,
            last.updates,
            last.prefixes as f64 / (last.updates.max(1)) as f64,
            latencies.join(", "),
            figures.join(", "),
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
        medians,
    };
    let json = serde_json::to_vec_pretty(&document).map_err(io::Error::other)?;
    std::fs::write(options.out.join(format!("{name}.json")), json)
}
