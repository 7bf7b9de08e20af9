//! `rs-lab`: runs route servers side by side on the same load, measures them from outside, and
//! checks every member's final table.

mod daemon;
mod generator;
mod isolate;
mod loads;
mod plot;
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
    pub announcers: Option<u32>,
    /// How many members announce each prefix.
    #[arg(long, default_value_t = 1)]
    pub(crate) overlap: u32,
    #[arg(long, value_enum, default_value = "v4")]
    pub(crate) family: LoadFamily,
    #[arg(long, value_enum, default_value = "rs")]
    pub(crate) policy: PolicyLevel,
    /// Changes a second (`churn`).
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u32,
    /// Seconds that `churn` and `idle` last.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// Runs of each daemon; the report shows medians.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: u32,
    /// Where results, configurations and logs go.
    #[arg(long, default_value = "lab-output")]
    pub(crate) out: PathBuf,
    /// `suite`: the page that it writes, with its plot beside it.
    #[arg(long, default_value = "lab-output/performance.md")]
    pub page: PathBuf,
    /// `suite`: only rows whose name contains this.
    #[arg(long)]
    pub only: Option<String>,
    /// Seconds until a run that does not converge is a failure.
    #[arg(long, default_value_t = 300)]
    pub(crate) limit: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(e) = isolate::enter() {
        return fail(&e);
    }
    if options.load == Load::Suite {
        return suite::run(&options).map_or_else(|e| fail(&*e), |()| ExitCode::SUCCESS);
    }
    match loads::run_all(&options) {
        Ok(results) => {
            let written = report::write(&options, &results);
            match written {
                Ok(()) if results.iter().all(|r| r.error.is_none()) => ExitCode::SUCCESS,
                Ok(()) => ExitCode::FAILURE,
                Err(e) => fail(&e),
            }
        }
        Err(e) => fail(&*e),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("rs-lab: {error}");
    ExitCode::from(2)
}
