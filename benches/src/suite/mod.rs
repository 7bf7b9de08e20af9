//! All loads of the results page, one after the other, and the page that they make.
//!
//! After every run what has come so far is written: the runs of a row into `parts/` of the output
//! directory, and the page. A suite that was stopped goes on from there, as long as the row asks
//! for the same and the daemon is the same.

mod document;
mod page;
mod rows;

use std::error::Error;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::daemon::{Daemon, Which};
use crate::loads::{self, Outcome};
use crate::{plot, report};
use document::{Document, RowResults};
use rows::Row;

type BoxError = Box<dyn Error>;

/// The runs of a row, as far as they have ended.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    /// What must be the same for the runs to count.
    key: String,
    runs: Vec<Outcome>,
}

impl Part {
    fn path(row: &Row, options: &Options) -> PathBuf {
        options.out.join("parts").join(format!("{}.json", row.id))
    }

    /// What an earlier suite has left of this row: the runs up to the first that failed.
    fn load(row: &Row, options: &Options) -> Self {
        let key = key(row, options);
        let text = std::fs::read(Self::path(row, options)).unwrap_or_default();
        let known: Self = serde_json::from_slice(&text).unwrap_or_default();
        if options.fresh || known.key != key {
            return Self { key, runs: Vec::new() };
        }
        let wanted = row.repeat(options) as usize * row.daemons.len();
        let fine = known.runs.into_iter().take_while(|run| run.error.is_none());
        Self { key, runs: fine.take(wanted).collect() }
    }

    fn save(&self, row: &Row, options: &Options) -> Result<(), BoxError> {
        let path = Self::path(row, options);
        std::fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new(".")))?;
        std::fs::write(path, serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    fn results(&self, row: &Row) -> RowResults {
        RowResults { id: row.id.to_owned(), daemons: report::summaries(&self.runs) }
    }
}

/// The row's options but for the number of runs, and which build of the daemon.
fn key(row: &Row, options: &Options) -> String {
    let build = std::env::current_exe()
        .and_then(|lab| std::fs::metadata(lab.with_file_name("rs-daemon")))
        .and_then(|file| Ok((file.len(), file.modified()?)));
    format!("{:?} {:?} {}", Row { once: false, goals: &[], ..*row }, build.ok(), options.limit)
}

fn chosen(options: &Options) -> impl Iterator<Item = &'static Row> {
    rows::all().iter().filter(|row| {
        let of_name = |only: &String| row.name.contains(only.as_str()) || row.id.contains(only);
        options.only.as_ref().is_none_or(of_name)
    })
}

fn minutes(secs: u32) -> String {
    format!("{} min", secs.div_ceil(60))
}

/// Seconds that are estimated for what of a row has not been run.
fn left(row: &Row, options: &Options) -> u32 {
    let wanted = row.repeat(options) as usize * row.daemons.len();
    let known = Part::load(row, options).runs.len();
    (f64::from(row.estimate(options)) * (wanted - known) as f64 / wanted as f64) as u32
}

/// Says which rows there are, and how long they take.
pub(crate) fn list(options: &Options) -> Result<(), BoxError> {
    for row in chosen(options) {
        let all = row.estimate(options);
        println!(
            "{:<24} {:<40} {:>6}, left {}",
            row.id,
            row.name,
            minutes(all),
            minutes(left(row, options))
        );
    }
    println!("all: {}", minutes(chosen(options).map(|row| left(row, options)).sum()));
    Ok(())
}

/// Runs all rows and writes the page; whether every target was met.
pub(crate) fn run(options: &Options) -> Result<bool, BoxError> {
    let mut document = Document {
        measured: report::today(),
        machine: report::machine(),
        note: options.note.clone(),
        repeat: options.repeat,
        versions: [Which::Us, Which::Bird, Which::Openbgpd]
            .into_iter()
            .filter_map(|which| Some((which.name().to_owned(), Daemon::version(which)?)))
            .collect(),
        rows: Vec::new(),
    };
    if options.fresh {
        let _ = std::fs::remove_dir_all(options.out.join("parts"));
    }
    // What stands beside the rows that are run.
    for row in rows::all() {
        let part = Part::load(row, options);
        if !part.runs.is_empty() {
            document.rows.push(part.results(row));
        }
    }
    let mut missed = 0;
    for row in chosen(options) {
        let rest: u32 =
            chosen(options).skip_while(|r| r.id != row.id).map(|r| left(r, options)).sum();
        eprintln!("== {} (about {} to the end of the suite)", row.name, minutes(rest));
        run_row(row, options, &mut document)?;
        let results = document.row(row.id);
        if !results.is_some_and(|results| document::met(row, results)) {
            eprintln!("== {}: below its target or failed", row.name);
            missed += 1;
        }
    }
    eprintln!("{missed} rows below their target or failed; see {}", options.page.display());
    Ok(missed == 0)
}

fn run_row(row: &Row, options: &Options, document: &mut Document) -> Result<(), BoxError> {
    let of_row = row.options(options);
    let mut part = Part::load(row, options);
    let skip = part.runs.len();
    loads::run_all(&of_row, skip, |outcome| {
        part.runs.push(outcome.clone());
        part.save(row, options)?;
        document.rows.retain(|r| r.id != row.id);
        document.rows.push(part.results(row));
        write_page(options, document)
    })?;
    Ok(())
}

/// Writes the page again from the JSON beside it.
pub(crate) fn page_again(options: &Options) -> Result<(), BoxError> {
    let document = Document::read(&options.page.with_extension("json"))?;
    write_page(options, &document)
}

fn write_page(options: &Options, document: &Document) -> Result<(), BoxError> {
    let parent = options.page.parent().filter(|p| !p.as_os_str().is_empty());
    std::fs::create_dir_all(parent.unwrap_or_else(|| Path::new(".")))?;
    let mut ordered = document.clone();
    let place = |id: &str| rows::all().iter().position(|row| row.id == id);
    ordered.rows.sort_by_key(|row| place(&row.id));
    let json = serde_json::to_string_pretty(&ordered)? + "\n";
    std::fs::write(options.page.with_extension("json"), json)?;
    std::fs::write(&options.page, page::render(&ordered))?;
    plot::cpu(&options.page.with_extension("svg"), &page::bars(&ordered))?;
    if let Some(readme) = &options.readme {
        let text = std::fs::read_to_string(readme)?;
        let text = page::with_block(&text, &page::readme_block(&ordered))
            .ok_or_else(|| format!("{} has no block of figures", readme.display()))?;
        std::fs::write(readme, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
