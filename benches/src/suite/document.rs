//! The results of a suite, as they stand beside the page that is made from them.

use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rows::{Goal, Row};
use crate::daemon::Which;
use crate::report::Summary;

/// Everything that the page says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) measured: String,
    pub(crate) machine: String,
    /// What the measuring person has to say about the machine.
    pub(crate) note: Option<String>,
    /// Runs of each daemon in rows that are repeated.
    pub(crate) repeat: u32,
    /// (daemon, what it says its version is).
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) rows: Vec<RowResults>,
}

/// One row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RowResults {
    pub(crate) id: String,
    pub(crate) daemons: Vec<Summary>,
}

impl Document {
    /// Reads the JSON beside a page.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) fn row(&self, id: &str) -> Option<&RowResults> {
        self.rows.iter().find(|row| row.id == id)
    }
}

impl RowResults {
    pub(crate) fn of(&self, which: Which) -> Option<&Summary> {
        self.daemons.iter().find(|s| s.daemon == which.name() && s.measured())
    }

    /// A run of ours that failed, or another's.
    pub(super) fn errors(&self) -> Vec<String> {
        let failed = |s: &Summary| {
            let error = s.error.as_ref()?;
            Some(format!("{}: {} of {} runs failed: {error}", s.daemon, s.failed, s.runs))
        };
        self.daemons.iter().filter_map(failed).collect()
    }
}

/// What came of a goal.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Ours, and the other's where it is a ratio.
    pub(super) figure: f64,
    pub(super) other: Option<f64>,
    /// Ours to the other's.
    pub(super) ratio: Option<f64>,
    pub(super) met: bool,
}

/// `None`: not measured.
pub(super) fn judge(goal: Goal, results: &RowResults) -> Option<Verdict> {
    let ours = results.of(Which::Us)?;
    let figure = goal.measure().of(ours)?;
    let verdict = |other, ratio, met| Some(Verdict { figure, other, ratio, met });
    match goal {
        Goal::Ratio(measure, which, limit) => {
            let other = measure.of(results.of(which)?)?;
            let ratio = figure / other;
            verdict(Some(other), Some(ratio), ratio <= limit)
        }
        Goal::AtMost(_, limit) => verdict(None, None, figure <= limit),
        Goal::AtLeast(_, limit) => verdict(None, None, figure >= limit),
    }
}

/// Whether everything that a row asks for is there and met; rows without results are not.
pub(super) fn met(row: &Row, results: &RowResults) -> bool {
    let ours_failed = results.daemons.iter().any(|s| s.daemon == "us" && s.failed > 0);
    !ours_failed && row.goals.iter().all(|goal| judge(*goal, results).is_some_and(|v| v.met))
}
