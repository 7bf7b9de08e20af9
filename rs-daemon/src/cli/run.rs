//! From the command line to the exit status.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::{Args, Program, Verb, When};
use super::table::Paint;
use super::text::plain;
use super::{Look, birdc, explain, json, members, outside, report, routes, status, terminal, top};
use crate::control::answers::{Document, Done, StatusAnswer};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::Command;

/// The daemon says no, or does not answer.
const EXIT_REFUSED: u8 = 1;

/// `rsctl`. Wrong usage ends with status 2 before anything is asked.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => usage(error),
    };
    let stdout = io::stdout();
    let paint = match args.color {
        When::Always => Paint::Colour,
        When::Never => Paint::Bare,
        When::Auto if stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none() => {
            Paint::Colour
        }
        When::Auto => Paint::Bare,
    };
    let mut out = io::BufWriter::new(stdout.lock());
    let width = terminal::size().map(|size| size.columns);
    let mut look = Look { paint, width, now: Timestamp::now(), out: &mut out };
    let result = run(&args, &mut look).and_then(|()| Ok(look.out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us (head, less) has seen enough.
        Err(ClientError::Broken(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = out.flush();
            for line in error.to_string().lines() {
                let _ = writeln!(io::stderr(), "rsctl: {}", plain(line));
            }
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// Ends with what clap says of the command line, or with our word for one of birdc's: it must not
/// look for the nearest one of ours itself, as `show` is near to `shutdown`.
fn usage(error: clap::Error) -> ! {
    let typed = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    match birdc::answer(&error, typed) {
        Some(text) => super::command().error(ErrorKind::InvalidSubcommand, text).exit(),
        None => error.exit(),
    }
}

/// Does what `args` says and writes to `look`.
///
/// # Errors
/// When the daemon says no or does not answer, or the output cannot be written.
pub fn run(args: &Args, look: &mut Look<'_>) -> Result<(), ClientError> {
    let asker = Asker { socket: args.socket.as_deref() };
    match &args.verb {
        Verb::Completions { shell, program } => {
            let (mut definition, _) = program.definition();
            let name = definition.get_name().to_owned();
            clap_complete::generate(*shell, &mut definition, name, &mut look.out);
            Ok(())
        }
        Verb::Man { directory } => Ok(man(directory.as_deref(), look)?),
        Verb::Top { interval } => top::run(&asker, *interval, args.json, look),
        verb => match verb.request() {
            Some(request) if is_json(args) => print_json(&asker, verb, request, look),
            Some(request) => table(&asker, args, request, look),
            None => Ok(()),
        },
    }
}

/// Asks one question after the other.
pub(super) struct Asker<'a> {
    socket: Option<&'a Path>,
}

impl Asker<'_> {
    /// All items of an answer.
    pub(super) fn all<T: DeserializeOwned>(&self, command: Command) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        self.each(command, |item| {
            items.push(item);
            Ok(())
        })?;
        Ok(items)
    }

    /// The only item of an answer.
    pub(super) fn one<T: DeserializeOwned>(&self, command: Command) -> Result<T, ClientError> {
        self.all(command)?.pop().ok_or(ClientError::Incomplete)
    }

    fn each<T: DeserializeOwned>(
        &self,
        command: Command,
        each: impl FnMut(T) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        Client::connect(self.socket)?.ask(command, each)
    }
}

/// Whether the answer is printed as JSON, as it came: findings are made of answers first, and a
/// member export is JSON in any case.
fn is_json(args: &Args) -> bool {
    match &args.verb {
        Verb::Members { report: true, .. } => false,
        Verb::Ixf => true,
        _ => args.json,
    }
}

/// Whether an answer is a list even when it has one item, or none.
fn is_list(verb: &Verb) -> bool {
    matches!(verb, Verb::Members { .. } | Verb::Routes(_) | Verb::Irr { refresh: None } | Verb::Bmp)
}

fn print_json(
    asker: &Asker<'_>,
    verb: &Verb,
    request: Command,
    look: &mut Look<'_>,
) -> Result<(), ClientError> {
    if !is_list(verb) {
        let item: Value = asker.one(request)?;
        // What a document says, where that has a form of its own.
        let item = item.get("data").unwrap_or(&item);
        return Ok(writeln!(look.out, "{}", json::pretty(item)?)?);
    }
    let mut list = List::default();
    asker.each(request, |item: Value| list.push(&json::compact(&item)?, look))?;
    Ok(list.finish(look)?)
}

fn print_list(
    items: impl Iterator<Item = io::Result<String>>,
    look: &mut Look<'_>,
) -> Result<(), ClientError> {
    let mut list = List::default();
    for item in items {
        list.push(&item?, look)?;
    }
    Ok(list.finish(look)?)
}

/// A list as JSON, one item on each line.
#[derive(Default)]
struct List {
    begun: bool,
}

impl List {
    fn push(&mut self, item: &str, look: &mut Look<'_>) -> io::Result<()> {
        let before = if self.begun { ",\n" } else { "[\n" };
        self.begun = true;
        write!(look.out, "{before}{item}")
    }

    fn finish(self, look: &mut Look<'_>) -> io::Result<()> {
        writeln!(look.out, "{}", if self.begun { "\n]" } else { "[]" })
    }
}

fn table(
    asker: &Asker<'_>,
    args: &Args,
    request: Command,
    look: &mut Look<'_>,
) -> Result<(), ClientError> {
    match &args.verb {
        Verb::Status => status::write(&asker.one(request)?, look)?,
        Verb::Members { report: true, route_server } => {
            let status: StatusAnswer = asker.one(Command::Status)?;
            let kinds = status.route_servers.into_iter().map(|s| (s.name.to_string(), s.kind));
            if route_server.is_some() {
                // Says so where there is none of that name.
                let _: Vec<Value> = asker.all(request)?;
            }
            // Of all: what differs between them is no less a finding of this one.
            let sessions: Vec<_> = asker.all(Command::Members { route_server: None })?;
            let findings = report::findings(&sessions, &kinds.collect(), route_server.as_deref());
            if args.json {
                print_list(findings.iter().map(json::compact), look)?;
            } else {
                report::write(&findings, look)?;
            }
        }
        Verb::Members { .. } => members::write_list(&asker.all(request)?, look)?,
        Verb::Member(_) => members::write_one(&asker.one(request)?, look)?,
        Verb::Routes(asked) => {
            let mut listing = routes::Listing::new(asked, look.width);
            asker.each(request, |route| listing.push(route, look))?;
            listing.finish(look)?;
        }
        Verb::Explain { .. } => explain::write(&asker.one(request)?, look)?,
        Verb::Diff { .. } => outside::write_diff(&asker.one(request)?, "would", look)?,
        Verb::Reload => outside::write_diff(&asker.one(request)?, "did", look)?,
        Verb::Rpki => outside::write_rpki(&asker.one(request)?, look)?,
        Verb::Irr { refresh: None } => outside::write_irr(&asker.all(request)?, look)?,
        Verb::Bmp => outside::write_bmp(&asker.all(request)?, look)?,
        Verb::Policy { .. } | Verb::AsSet { .. } | Verb::ClientConfig { .. } => {
            let document: Document = asker.one(request)?;
            for line in document.text.trim_end().lines() {
                writeln!(look.out, "{}", plain(line))?;
            }
        }
        _ => {
            let done: Done = asker.one(request)?;
            writeln!(look.out, "{}", plain(&done.message))?;
        }
    }
    Ok(())
}

fn man(directory: Option<&Path>, look: &mut Look<'_>) -> io::Result<()> {
    let Some(directory) = directory else {
        return clap_mangen::Man::new(super::command()).render(&mut look.out);
    };
    std::fs::create_dir_all(directory)?;
    for program in [Program::Rsctl, Program::RsDaemon] {
        let (definition, section) = program.definition();
        let mut definition = definition.disable_help_subcommand(true);
        definition.build();
        pages(&definition, section, directory)?;
    }
    Ok(())
}

/// A page for a command and for each of those below it.
fn pages(command: &clap::Command, section: &'static str, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, section, directory)?;
    }
    let page = clap_mangen::Man::new(command.clone()).section(section);
    page.generate_to(directory).map(drop)
}
