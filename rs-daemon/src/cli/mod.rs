//! `rsctl`: asks the daemon over its control socket and prints the answer as a table or as JSON.

mod args;
mod birdc;
mod explain;
#[cfg(test)]
mod golden;
mod json;
mod members;
mod outside;
mod report;
mod routes;
mod run;
mod status;
mod table;
mod terminal;
mod text;
mod top;

pub use args::{Args, command};
pub use run::{main, run};
pub use table::Paint;

use std::io::Write;

use jiff::Timestamp;

/// What every rendering needs to know beside its answer.
pub struct Look<'a> {
    /// Whether to colour.
    pub paint: Paint,
    /// Columns of the terminal; `None` where there is none, and lines may have any length.
    pub width: Option<usize>,
    /// The time that ages are counted to.
    pub now: Timestamp,
    /// Where the text goes.
    pub out: &'a mut dyn Write,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("paint", &self.paint).field("now", &self.now).finish()
    }
}
