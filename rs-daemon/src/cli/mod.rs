//! `rsctl`: asks the daemon over its control socket and prints the answer as a table or as JSON.

mod args;
mod table;
mod text;

pub use args::{Args, command};
pub use table::Paint;
