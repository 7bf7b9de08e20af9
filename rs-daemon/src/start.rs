//! `rs-daemon`: what the command line asks for.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    config,
    import::{self, Imported},
    plain::plain,
};

/// Wrong usage, or a configuration that cannot be run.
const EXIT_REFUSED: u8 = 2;

/// A BGP route server for Internet exchanges.
#[derive(Debug, Parser)]
#[command(
    name = "rs-daemon",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Only validate the configuration; exit status 0: it can be run, 2: it cannot.
    #[arg(long)]
    check: bool,
    /// How to log to stderr [default: human on a terminal, else json].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Started by root: go on as this user, with no privilege but that to bind ports below 1024.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One object a line.
    Json,
}

impl LogFormat {
    /// The one asked for, else what suits stderr.
    fn or_default(asked: Option<Self>) -> Self {
        let default = if std::io::stderr().is_terminal() { Self::Human } else { Self::Json };
        asked.unwrap_or(default)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an exchange with synthetic members on loopback, to look around.
    Demo,
    /// Turn somebody else's description of an exchange into our configuration, on stdout; what
    /// cannot be carried over is said on stderr.
    #[command(subcommand)]
    Import(Import),
}

#[derive(Debug, Subcommand)]
enum Import {
    /// From arouteserver's files.
    Arouteserver {
        /// The general configuration.
        #[arg(long, value_name = "FILE")]
        general: PathBuf,
        /// The clients.
        #[arg(long, value_name = "FILE")]
        clients: PathBuf,
        /// The bogon prefixes.
        #[arg(long, value_name = "FILE")]
        bogons: Option<PathBuf>,
        /// The route server's name; sessions are then written for it alone.
        #[arg(long, value_name = "NAME", default_value = "rs1")]
        name: String,
        /// Its kind: a transitable one takes those as sponsors who may announce transit-free
        /// networks, a chaos one takes the members only.
        #[arg(long, value_parser = ["regular", "transitable", "chaos"], default_value = "regular")]
        kind: String,
        /// The route server and its members alone, to stand beside another import.
        #[arg(long)]
        servers_only: bool,
    },
    /// From an IX-F member export.
    Ixf {
        /// The JSON document.
        file: PathBuf,
    },
}

/// The command line, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    run(Args::parse())
}

fn run(args: Args) -> ExitCode {
    let log_format = LogFormat::or_default(args.log_format);
    match (args.command, args.config) {
        (Some(Command::Demo), _) => demo(log_format),
        (Some(Command::Import(import)), _) => print_import(&import),
        (None, Some(config)) if args.check => check(&config),
        (None, Some(config)) => serve(&config, args.user.as_deref(), log_format),
        // clap does not let this through.
        (None, None) => ExitCode::from(EXIT_REFUSED),
    }
}

/// `--check`: everything that is wrong on stderr, or a line that says what would be run.
fn check(path: &Path) -> ExitCode {
    match config::load(path) {
        Ok(config) => {
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            println!(
                "{}: fine; route servers: {}, members: {}, sessions: {}",
                path.display(),
                config.route_servers.len(),
                config.members.len(),
                config.sessions().count()
            );
            ExitCode::SUCCESS
        }
        Err(errors) => {
            for error in &errors {
                eprintln!("{error}");
            }
            let plural = if errors.len() == 1 { "" } else { "s" };
            eprintln!("{}: {} mistake{plural}", path.display(), errors.len());
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// Prints the configuration, and on stderr what did not come along.
fn print_import(import: &Import) -> ExitCode {
    match read_import(import) {
        Ok(imported) => {
            print!("{}", imported.configuration);
            for note in &imported.notes {
                eprintln!("{}", plain(note));
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn read_import(import: &Import) -> Result<Imported, String> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let imported = match import {
        Import::Arouteserver {
            general,
            clients,
            bogons: given_bogons,
            name,
            kind,
            servers_only,
        } => {
            let bogons = given_bogons.as_ref().map(read).transpose()?;
            let kind = match kind.as_str() {
                "transitable" => policy::Kind::Transitable,
                "chaos" => policy::Kind::Chaos,
                _ => policy::Kind::Regular,
            };
            let target = import::Target { name: name.clone(), kind, whole: !servers_only };
            let texts = (read(general)?, read(clients)?);
            let imported = import::arouteserver_as(&target, &texts.0, &texts.1, bogons.as_deref());
            // Of several imports their files' names tell whose note it is.
            let mut names =
                vec![("general.yml", general.as_path()), ("clients.yml", clients.as_path())];
            names.extend(given_bogons.as_deref().map(|bogons| ("bogons.yml", bogons)));
            imported
                .map(|imported| imported.with_names(&names))
                .map_err(|error| error.with_names(&names))
        }
        Import::Ixf { file } => {
            return import::ixf(&read(file)?).map_err(|e| format!("{}: {e}", file.display()));
        }
    };
    imported.map_err(|error| error.to_string())
}

fn serve(config: &Path, user: Option<&str>, log_format: LogFormat) -> ExitCode {
    init_log(log_format, "info");
    crate::runtime::run(config, user)
}

/// Logs go to stderr; `RUST_LOG` says how much, else `default`.
fn init_log(format: LogFormat, default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn demo(log_format: LogFormat) -> ExitCode {
    // What comes up is on the looking glass; the terminal keeps what to try.
    init_log(log_format, "warn");
    crate::demo::main()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_there_is_help() {
        let error = Args::try_parse_from(["rs-daemon"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("rs-daemon <COMMAND>"), "{error}");
        assert!(error.to_string().contains("demo "), "{error}");
    }

    #[test]
    fn an_import_names_the_file_that_it_cannot_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("general.yml");
        std::fs::write(&file, "cfg:\n").unwrap();
        for (file, why) in
            [(file, ": expected value"), (directory.path().join("none"), ": No such file")]
        {
            let error = read_import(&Import::Ixf { file: file.clone() }).unwrap_err();
            assert!(error.starts_with(&format!("{}{why}", file.display())), "{error}");
        }
    }

    #[test]
    fn an_import_names_the_file_that_lacks_something_and_knows_swapped_ones() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let general = file("all.yml", "cfg: { rs_as: 64500 }\n");
        let clients = file("clients_rs1.yml", "clients: []\n");
        let (empty, broken) = (file("empty.yml", "{}\n"), file("broken.yml", "cfg: [\n"));
        for (general, clients, bogons, wrong, why) in [
            (
                &clients,
                &general,
                None,
                &general,
                " has no list `clients`, but `cfg`: it is for `--general`; were the two swapped?",
            ),
            (
                &clients,
                &clients,
                None,
                &clients,
                " has no AS number in cfg.rs_as, but `clients`: it is for `--clients`; were the \
                 two swapped?",
            ),
            (&general, &empty, None, &empty, " has no list `clients`"),
            (&empty, &clients, None, &empty, " has no AS number in cfg.rs_as"),
            (&general, &clients, Some(&broken), &broken, ": "),
        ] {
            let (general, clients) = (general.clone(), clients.clone());
            let error = read_import(&Import::Arouteserver {
                general,
                clients,
                bogons: bogons.cloned(),
                name: "rs1".to_owned(),
                kind: "regular".to_owned(),
                servers_only: false,
            });
            let error = error.unwrap_err();
            let said = error.strip_prefix(&*wrong.to_string_lossy());
            let is_said =
                |said: &str| if why == ": " { said.starts_with(why) } else { said == why };
            assert!(said.is_some_and(is_said), "{error}");
        }
    }
}
