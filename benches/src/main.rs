//! `rs-lab`: runs route servers side by side on the same load, measures them from outside, and
//! checks every member's final table.

mod daemon;
mod generator;
mod instructions;
mod isolate;
mod loads;
mod plot;
mod recording;
mod report;
mod suite;
mod universe;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use daemon::{PolicyLevel, Which};
use loads::Load;
use universe::LoadFamily;

/// Runs route servers on the same load and compares what it cost them.
#[derive(Parser, Debug, Clone)]
#[command(version, about)]
pub(crate) struct Options {
    /// The load; see `--help` for what each does.
    #[arg(value_enum, default_value = "announce")]
    pub(crate) load: Load,
    /// Which daemons run, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "us,bird")]
    pub(crate) daemons: Vec<Which>,
    /// Members of the exchange.
    #[arg(long, default_value_t = 100)]
    pub(crate) members: u32,
    /// Prefixes that each member announces.
    #[arg(long, default_value_t = 1000)]
    pub(crate) prefixes: u32,
    /// Prefixes of the first member, where it is larger than the rest (`flap`).
    #[arg(long)]
    pub(crate) first: Option<u32>,
    /// Prefixes that share a set of attributes.
    #[arg(long, default_value_t = 10)]
    pub(crate) per_set: u32,
    /// One attribute set in so many carries a control community; 0: none.
    #[arg(long, default_value_t = 10)]
    pub(crate) control_every: u32,
    /// Only so many members announce anything; the rest listen.
    #[arg(long)]
    pub(crate) announcers: Option<u32>,
    /// How many members announce each prefix.
    #[arg(long, default_value_t = 1)]
    pub(crate) overlap: u32,
    #[arg(long, value_enum, default_value = "v4")]
    pub(crate) family: LoadFamily,
    #[arg(long, value_enum, default_value = "rs")]
    pub(crate) policy: PolicyLevel,
    /// MRT files (tables or updates, plain or gzipped): members announce what the dump's peers
    /// announced, the largest first; where there are more members than peers, slices of it.
    #[arg(long, num_args = 1..)]
    pub(crate) mrt: Vec<PathBuf>,
    /// Changes a second (`churn`, `slow-reader`, `soak`).
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u32,
    /// Seconds that `churn`, `idle` and `soak` last.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// `soak`: what its chances follow from; without one it is another each time, and printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Hold time that members offer, seconds.
    #[arg(long, default_value_t = 240)]
    pub(crate) hold_time: u16,
    /// `slow-reader`: seconds of our daemon's SendHoldTimer; more than the hold time.
    #[arg(long, default_value_t = 20)]
    pub(crate) send_hold: u32,
    /// Milliseconds from one scrape of our daemon's /metrics to the next while a load runs; 0: none.
    #[arg(long, default_value_t = 0)]
    pub(crate) scrape: u64,
    /// Runs of each daemon; the report shows medians.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: u32,
    /// Where results, configurations and logs go.
    #[arg(long, default_value = "lab-output")]
    pub(crate) out: PathBuf,
    /// `suite`, `page`: the page, with its plot and its JSON beside it.
    #[arg(long, default_value = "lab-output/performance.md")]
    pub(crate) page: PathBuf,
    /// `suite`, `page`: a file whose marked block of figures is written as well.
    #[arg(long)]
    pub(crate) readme: Option<PathBuf>,
    /// `suite`: only rows whose name contains this; `instructions`: only such cases.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// `suite`: what the page says about the machine beside its name.
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// `suite`: begins anew, whatever an earlier one has finished.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// `suite`: only says which rows there are and how long they take.
    #[arg(long)]
    pub(crate) list: bool,
    /// Seconds until a run that does not converge is a failure.
    #[arg(long, default_value_t = 300)]
    pub(crate) limit: u64,
    /// `instructions`: what counts are compared with.
    #[arg(long, default_value = "benches/instructions.json")]
    pub(crate) baseline: PathBuf,
    /// `instructions`: makes the counts the new baseline.
    #[arg(long)]
    pub(crate) bless: bool,
}

fn main() -> ExitCode {
    // What `instructions` runs under valgrind.
    if let Some(case) = std::env::var_os(instructions::CASE) {
        return instructions::run_case(&case.to_string_lossy());
    }
    let options = Options::parse();
    let done = match options.load {
        Load::Instructions => instructions::run(&options),
        Load::Page => suite::page_again(&options).map(|()| true),
        Load::Suite if options.list => suite::list(&options).map(|()| true),
        _ => in_own_network(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rs-lab: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that ran is as it must be.
fn in_own_network(options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    isolate::enter()?;
    if options.load == Load::Suite {
        return suite::run(options);
    }
    let mut results = Vec::new();
    loads::run_all(options, 0, |outcome| {
        results.push(outcome.clone());
        Ok(())
    })?;
    report::write(options, &results)?;
    Ok(results.iter().all(|r| r.error.is_none()))
}
