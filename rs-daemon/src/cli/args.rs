//! What a user can type: the one definition that help, man pages and completions are made from.

use std::path::PathBuf;

use bgp_wire::Asn;
use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::control::protocol::{
    Command, ExplainQuery, PeerQuery, RouteQuery, SessionAction as Action,
};

const AFTER_HELP: &str = "\
PEER is an address (with %zone where it is not unique) or an AS number with one session.
Exit status: 0 done, 1 the daemon says no or does not answer, 2 wrong usage.";

/// Control a running route server.
#[derive(Debug, Parser)]
#[command(name = "rsctl", version, about = "Control a running route server", after_help = AFTER_HELP, max_term_width = 100)]
pub struct Args {
    /// Control socket; default /run/rs-daemon/control.sock, then that of the demo
    #[arg(long, short, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long, short, global = true)]
    pub json: bool,
    /// Colour the tables
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The command line's definition, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Even into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Version, uptime, route servers, sessions, routes, RTR caches, memory
    Status,
    /// A line for each session: state, routes in and out, limits
    Members {
        /// Of this route server only
        #[arg(value_name = "RS")]
        route_server: Option<String>,
        /// Only what is amiss: no session, no routes, other numbers at other route servers, near a limit
        #[arg(long)]
        report: bool,
    },
    /// All of one session: capabilities, timers, counters, last NOTIFICATION
    Member(Peer),
    /// Routes received, filtered or sent
    Routes(Routes),
    /// Why a member has, or has not, got a prefix: every check in order
    Explain {
        /// The destination; an address means its longest match
        prefix: String,
        /// The member that should have it
        #[arg(long, value_name = "PEER")]
        to: String,
        /// The route server, where several are possible
        #[arg(long = "rs", value_name = "RS")]
        route_server: Option<String>,
    },
    /// What loading FILE would change, on the live table; changes nothing
    Diff {
        /// A configuration file
        file: PathBuf,
    },
    /// Read the configuration file again and apply what differs
    Reload,
    /// Reset, soften, disable or enable a session
    Session {
        /// What to do
        #[command(subcommand)]
        action: SessionVerb,
    },
    /// Ask all members to move their traffic away: GRACEFUL_SHUTDOWN on everything (RFC 8326)
    Drain {
        /// On or off
        switch: Switch,
    },
    /// Stop the daemon, and wait until it has ended
    Shutdown {
        /// Without NOTIFICATION, so that members keep the routes over a restart (RFC 4724)
        #[arg(long)]
        graceful: bool,
    },
    /// RTR caches and VRP files: state, serial, age
    Rpki,
    /// IRR sets and their age
    Irr {
        /// Ask the IRR servers again, now
        #[command(subcommand)]
        refresh: Option<IrrVerb>,
    },
    /// BMP collectors: who is connected, what they were told, what waits
    Bmp,
    /// MRT files
    Mrt {
        /// What to do
        #[command(subcommand)]
        action: MrtVerb,
    },
    /// The policy in force at a route server
    Policy {
        /// The route server
        #[arg(value_name = "RS")]
        route_server: String,
        /// As a document for members
        #[arg(long)]
        markdown: bool,
    },
    /// IX-F member export 1.0 (JSON) with the live state of the sessions
    Ixf,
    /// The RPSL as-set object of the members connected to a route server
    AsSet {
        /// Name of the object
        name: String,
        /// The route server
        #[arg(long = "rs", value_name = "RS")]
        route_server: String,
        /// Only members with this family
        #[arg(long)]
        family: Option<Family>,
    },
    /// A ready configuration for a member's router
    ClientConfig {
        /// The member's AS
        #[arg(value_name = "AS", value_parser = asn)]
        asn: u32,
        /// Whose syntax
        #[arg(long)]
        style: Style,
    },
    /// Live view: sessions, routes, what is lagging; arrows scroll, q leaves it
    Top {
        /// Seconds between looks
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        interval: u64,
    },
    /// Print a completion script
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
        /// Of this program
        #[arg(long, default_value = "rsctl")]
        program: Program,
    },
    /// Write the man pages of both programs
    Man {
        /// Into this directory; without one the page of rsctl goes to standard output
        directory: Option<PathBuf>,
    },
}

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The control program.
    Rsctl,
    /// The daemon.
    RsDaemon,
}

impl Program {
    /// Its command line's definition, and its section of the manual.
    #[must_use]
    pub fn definition(self) -> (clap::Command, &'static str) {
        match self {
            Self::Rsctl => (command(), "1"),
            Self::RsDaemon => (crate::start::command(), "8"),
        }
    }
}

/// One session.
#[derive(Debug, ClapArgs)]
pub struct Peer {
    /// Address or AS
    pub peer: String,
    /// The route server, where several are possible
    #[arg(long = "rs", value_name = "RS")]
    pub route_server: Option<String>,
}

impl Peer {
    fn query(&self) -> PeerQuery {
        PeerQuery { peer: self.peer.clone(), route_server: self.route_server.clone() }
    }
}

/// Which routes.
#[derive(Debug, ClapArgs)]
pub struct Routes {
    /// This destination; an address means its longest match
    pub prefix: Option<String>,
    /// Of this route server
    #[arg(long = "rs", value_name = "RS")]
    pub route_server: Option<String>,
    /// Announced by this member; with --to what that one was given of them
    #[arg(long, value_name = "PEER")]
    pub from: Option<String>,
    /// Sent to this member: its Adj-RIB-Out
    #[arg(long, value_name = "PEER")]
    pub to: Option<String>,
    /// Only rejected ones, with the reason
    #[arg(long, conflicts_with = "to")]
    pub filtered: bool,
    /// And less specific ones
    #[arg(long, requires = "prefix", conflicts_with = "covered")]
    pub covering: bool,
    /// And more specific ones
    #[arg(long, requires = "prefix")]
    pub covered: bool,
    /// That carry this community, of any kind
    #[arg(long, value_name = "C")]
    pub community: Option<String>,
    /// Originated by this AS
    #[arg(long, value_name = "AS", value_parser = asn)]
    pub origin: Option<u32>,
    /// With all attributes
    #[arg(long, short)]
    pub detail: bool,
}

/// What to do to a session.
#[derive(Debug, Subcommand)]
pub enum SessionVerb {
    /// Close it; it comes back by itself
    Reset(Acting),
    /// Ask the member for its routes again (RFC 2918)
    SoftIn(Acting),
    /// Close it and keep it closed
    Disable(Acting),
    /// Let it come up again
    Enable(Acting),
}

/// Whom, and what to say.
#[derive(Debug, ClapArgs)]
pub struct Acting {
    /// The session
    #[command(flatten)]
    pub peer: Peer,
    /// Told to the member where the session is closed (RFC 9003)
    #[arg(long)]
    pub reason: Option<String>,
}

/// What to do about IRR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum IrrVerb {
    /// Ask the servers again, now
    Refresh,
}

/// What to do about MRT files.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum MrtVerb {
    /// Write the tables of what all members send, now
    Dump {
        /// Of this route server only
        #[arg(value_name = "RS")]
        route_server: Option<String>,
    },
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Begin.
    On,
    /// End.
    Off,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Whose configuration syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// BIRD 2 and 3.
    Bird,
    /// FRRouting.
    Frr,
    /// OpenBGPD.
    Openbgpd,
    /// Pathvector.
    Pathvector,
    /// Cisco IOS.
    Ios,
    /// Juniper Junos.
    Junos,
    /// MikroTik RouterOS 7.
    Routeros,
}

impl Style {
    fn name(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Openbgpd => "openbgpd",
            Self::Pathvector => "pathvector",
            Self::Ios => "ios",
            Self::Junos => "junos",
            Self::Routeros => "routeros",
        }
    }
}

fn asn(text: &str) -> Result<u32, String> {
    text.parse::<Asn>().map(|asn| asn.0).map_err(|_| format!("{text:?} is not an AS number"))
}

impl Verb {
    /// The question for the daemon; `None` for what `rsctl` does alone.
    #[must_use]
    pub fn request(&self) -> Option<Command> {
        Some(match self {
            Self::Status => Command::Status,
            Self::Members { route_server, .. } => {
                Command::Members { route_server: route_server.clone() }
            }
            Self::Member(peer) => Command::Member(peer.query()),
            Self::Routes(routes) => Command::Routes(routes.query()),
            Self::Explain { prefix, to, route_server } => Command::Explain(ExplainQuery {
                prefix: prefix.clone(),
                to: to.clone(),
                route_server: route_server.clone(),
            }),
            Self::Diff { file } => Command::Diff { file: absolute(file) },
            Self::Reload => Command::Reload,
            Self::Session { action } => action.request(),
            Self::Drain { switch } => Command::Drain { on: *switch == Switch::On },
            Self::Shutdown { graceful } => Command::Shutdown { graceful: *graceful },
            Self::Rpki => Command::Rpki,
            Self::Irr { refresh } => Command::Irr { refresh: refresh.is_some() },
            Self::Bmp => Command::Bmp,
            Self::Mrt { action: MrtVerb::Dump { route_server } } => {
                Command::MrtDump { route_server: route_server.clone() }
            }
            Self::Policy { route_server, markdown } => {
                Command::Policy { route_server: route_server.clone(), markdown: *markdown }
            }
            Self::Ixf => Command::Ixf,
            Self::AsSet { name, route_server, family } => Command::AsSet {
                name: name.clone(),
                route_server: route_server.clone(),
                family: family.map(|family| match family {
                    Family::V4 => "ipv4".to_owned(),
                    Family::V6 => "ipv6".to_owned(),
                }),
            },
            Self::ClientConfig { asn, style } => {
                Command::ClientConfig { asn: *asn, style: style.name().to_owned() }
            }
            Self::Top { .. } | Self::Completions { .. } | Self::Man { .. } => return None,
        })
    }
}

impl Routes {
    fn query(&self) -> RouteQuery {
        RouteQuery {
            prefix: self.prefix.clone(),
            route_server: self.route_server.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            filtered: self.filtered,
            covering: self.covering,
            covered: self.covered,
            community: self.community.clone(),
            origin: self.origin,
            limit: None,
        }
    }
}

impl SessionVerb {
    fn request(&self) -> Command {
        let (action, acting) = match self {
            Self::Reset(acting) => (Action::Reset, acting),
            Self::SoftIn(acting) => (Action::SoftIn, acting),
            Self::Disable(acting) => (Action::Disable, acting),
            Self::Enable(acting) => (Action::Enable, acting),
        };
        Command::Session { action, peer: acting.peer.query(), reason: acting.reason.clone() }
    }
}

/// The daemon may run in another directory.
fn absolute(file: &std::path::Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn an_as_is_written_as_everywhere_else() {
        for text in ["AS65010", "as65010", "As65010", "65010"] {
            assert_eq!(asn(text), Ok(65010), "{text}");
        }
        for text in ["AS+65010", "+65010", "AS", ""] {
            assert!(asn(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_documented_command_is_understood() {
        for line in [
            "status",
            "members",
            "members rs1",
            "members --report",
            "member AS65010 --rs rs1",
            "member fe80::65:10%eth1",
            "routes",
            "routes 192.0.2.0/24 --covering",
            "routes --from 65010 --filtered --json",
            "routes --to AS65010 --rs rs1 --community 0:64500 --origin AS3",
            "routes --from AS65010 --to AS65020 --rs rs1",
            "explain 192.0.2.0/24 --to 65010 --rs rs1",
            "diff new.toml",
            "reload",
            "session reset 192.0.2.1",
            "session soft-in AS1",
            "session disable AS1 --reason later",
            "session enable AS1",
            "drain on",
            "drain off",
            "shutdown --graceful",
            "rpki",
            "irr",
            "irr refresh",
            "policy rs1 --markdown",
            "ixf",
            "as-set AS-ALL --rs rs1 --family v4",
            "client-config AS65010 --style bird",
            "top",
            "top --interval 86400",
            "completions bash",
            "completions zsh --program rs-daemon",
            "man",
        ] {
            let words = std::iter::once("rsctl").chain(line.split(' '));
            if let Err(error) = Args::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn contradictions_are_usage_errors() {
        for line in [
            "routes --covering",
            "routes 10.0.0.0/8 --covering --covered",
            "routes --filtered --to 2",
            "explain 10.0.0.0/8",
            "drain maybe",
            "client-config AS1 --style tcl",
            "as-set AS-X",
            "top --interval 0",
            "top --interval 86401",
            "top --interval 18446744073709551615",
        ] {
            let words = std::iter::once("rsctl").chain(line.split(' '));
            let error = Args::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
