//! The loads: what is done to a daemon, and what is measured while it is done.

mod announce;
mod churn;
mod flap;
mod floor;
mod idle;
mod late;
mod reload;
mod restart;
mod scrape;
mod slow;
mod soak;

use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::Options;
use crate::daemon::{Daemon, PolicyLevel, Usage, Which};
use crate::generator::{Generator, LoadError, Phase};
use crate::recording::Recording;
use crate::universe::{LoadFamily, Spec, Universe};

/// Seconds that a daemon may need to start, whatever the limit of the load: BIRD reads 400,000
/// ROAs as configuration.
const START_SECS: u64 = 120;

/// What is done to the daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
pub(crate) enum Load {
    /// All members, with sessions up, announce their tables at once.
    Announce,
    /// The first (largest) member goes away.
    Flap,
    /// Single changes at a fixed rate; latencies from sender to every receiver.
    Churn,
    /// One more member joins a full table.
    LateJoiner,
    /// All members return; once all sessions are up, each sends its table and End-of-RIB.
    Restart,
    /// All members return; each sends its table and End-of-RIB as soon as its own session is up.
    Return,
    /// One member never reads, while all announce and after, until the daemon ends its session.
    SlowReader,
    /// Nothing happens.
    Idle,
    /// `transit_free` gains an AS, and the daemon is told with SIGHUP.
    Reload,
    /// Everything at once for `--seconds`: changes, flaps, refreshes, reloads, ROAs that turn, members
    /// that do not read for a while. Now and then all comes to rest, and every table, the memory,
    /// tasks, threads and file descriptors of our daemon must be what they have to be.
    Soak,
    /// All rows of the results page, going on where an earlier suite was stopped.
    Suite,
    /// The results page again, from the JSON beside it.
    Page,
    /// Instructions of the hot paths, compared with a baseline.
    Instructions,
}

/// One run of one daemon.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Outcome {
    pub(crate) daemon: String,
    /// Start of the process until a first session is Established (configuration, ROAs and IRR
    /// sets are read by then), seconds.
    pub(crate) startup_secs: f64,
    pub(crate) startup_cpu_secs: f64,
    /// From the load's first octet to the last right cell, seconds.
    pub(crate) wall_secs: f64,
    /// The daemon's CPU time in that time, seconds.
    pub(crate) cpu_secs: f64,
    pub(crate) peak_octets: u64,
    /// The load generator's own CPU time in that time, seconds.
    pub(crate) generator_cpu_secs: f64,
    pub(crate) updates: u64,
    pub(crate) prefixes: u64,
    pub(crate) octets: u64,
    /// Latency percentiles in microseconds, where a load has them: (name, value).
    pub(crate) latencies: Vec<(String, u32)>,
    /// Further figures of a load: (name, value).
    pub(crate) figures: Vec<(String, f64)>,
    /// Why the run failed.
    pub(crate) error: Option<String>,
}

impl Outcome {
    fn figure(&mut self, name: &str, value: f64) {
        self.figures.push((name.to_owned(), value));
    }
}

type BoxError = Box<dyn std::error::Error>;

/// Reads the MRT files of a load, if it has any.
pub(crate) fn recording(options: &Options) -> Result<Option<Rc<Recording>>, BoxError> {
    if options.mrt.is_empty() {
        return Ok(None);
    }
    if options.policy != PolicyLevel::Plain || matches!(options.load, Load::Reload | Load::Soak) {
        return Err("recorded tables: only with --policy plain, and not for reload or soak".into());
    }
    let v6 = options.family == LoadFamily::V6;
    let recording = Recording::read(&options.mrt, options.members, v6)?;
    eprintln!(
        "MRT: {} routes of {} prefixes from {} peers for {} members; {} left out (AS_SET, no \
         usable prefix)",
        recording.routes(),
        recording.width(),
        recording.peers,
        options.members,
        recording.left_out
    );
    Ok(Some(Rc::new(recording)))
}

fn universe(options: &Options, which: Which, recording: Option<&Rc<Recording>>) -> Universe {
    let mut universe = Universe::with(spec(options), recording.cloned());
    universe.own_path_ends_search = which == Which::Openbgpd;
    if options.load == Load::Soak {
        soak::prepare(&mut universe);
    }
    universe
}

fn spec(options: &Options) -> Spec {
    Spec {
        members: options.members,
        prefixes: options.prefixes,
        per_set: options.per_set,
        control_every: options.control_every,
        overlap: options.overlap,
        family: options.family,
        announcers: options.announcers,
        first_member_prefixes: options.first,
        hold_time: options.hold_time,
        send_hold: (options.load == Load::SlowReader).then_some(options.send_hold),
    }
}

/// All runs of all daemons, in turn (so that a drift of the machine meets all alike), each told to
/// `done` when it has ended. The first `skip` were run before.
pub(crate) fn run_all(
    options: &Options,
    skip: usize,
    mut done: impl FnMut(&Outcome) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    std::fs::create_dir_all(&options.out)?;
    let out = options.out.canonicalize()?;
    let recording = recording(options)?;
    let total = options.repeat as usize * options.daemons.len();
    let bar = ProgressBar::new(total as u64).with_position(skip as u64);
    let all = (0..options.repeat).flat_map(|n| options.daemons.iter().map(move |d| (n, *d)));
    for (repeat, which) in all.skip(skip) {
        bar.println(format!("{} run {}", which.name(), repeat + 1));
        let dir = out.join(which.name());
        // What an earlier load left there is not of this one.
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let mut outcome = Outcome { daemon: which.name().to_owned(), ..Outcome::default() };
        let u = universe(options, which, recording.as_ref());
        let result = match which {
            Which::Floor => floor::run(&u, &mut outcome),
            _ => run_one(options, which, u, &dir, &mut outcome),
        };
        outcome.error = result.err().map(|e| e.to_string());
        bar.println(serde_json::to_string(&outcome)?);
        done(&outcome)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A daemon that listens, a generator beside it, and what a load needs of the options.
pub(crate) struct Bench {
    pub(crate) daemon: Daemon,
    pub(crate) generator: Generator,
    pub(crate) options: Options,
    pub(crate) dir: std::path::PathBuf,
}

fn run_one(
    options: &Options,
    which: Which,
    u: Universe,
    dir: &std::path::Path,
    outcome: &mut Outcome,
) -> Result<(), BoxError> {
    let mut daemon = Daemon::start(which, &u, options.policy, dir)?;
    daemon.wait_listening(&u, Duration::from_secs(options.limit.max(START_SECS)))?;
    let generator = Generator::new(u, crate::daemon::PORT)?;
    let mut bench = Bench { daemon, generator, options: options.clone(), dir: dir.to_owned() };
    // Some listen before they have read everything, but let nobody in.
    bench.generator.establish(0..1, bench.limit())?;
    outcome.startup_secs = bench.daemon.started.elapsed().as_secs_f64();
    outcome.startup_cpu_secs = bench.daemon.usage().cpu_secs;
    let scraper = (options.scrape > 0 && which == Which::Us)
        .then(|| scrape::Scraper::start(Duration::from_millis(options.scrape)));
    let run = match options.load {
        Load::Announce => announce::run(&mut bench, outcome),
        Load::Flap => flap::run(&mut bench, outcome),
        Load::Churn => churn::run(&mut bench, outcome),
        Load::LateJoiner => late::run(&mut bench, outcome),
        Load::Restart => restart::run(&mut bench, outcome),
        Load::Return => restart::one_by_one(&mut bench, outcome),
        Load::Idle => idle::run(&mut bench, outcome),
        Load::SlowReader => slow::run(&mut bench, outcome),
        Load::Reload => reload::run(&mut bench, outcome),
        Load::Soak => soak::run(&mut bench, outcome),
        Load::Suite | Load::Page | Load::Instructions => Ok(()),
    };
    if let Some(scraper) = scraper {
        scraper.stop(outcome)?;
    }
    run
}

impl Bench {
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(self.options.limit)
    }

    pub(crate) fn members(&self) -> std::ops::Range<u32> {
        0..self.options.members
    }

    /// Sessions of all members up, and the daemon quiet again.
    pub(crate) fn establish_all(&mut self) -> Result<(), LoadError> {
        let limit = self.limit();
        let down = |m: &u32| self.generator.phase(*m) == Phase::Down;
        let members: Vec<u32> = self.members().filter(down).collect();
        self.generator.establish(members.into_iter(), limit)?;
        self.settle()
    }

    /// Sends the tables of all members and waits until every table is right.
    pub(crate) fn fill(&mut self) -> Result<Instant, LoadError> {
        self.generator.recount();
        for member in self.members() {
            let table = crate::wire::table(&self.generator.universe, member, true);
            self.generator.send(member, std::rc::Rc::new(table))?;
        }
        let limit = self.limit();
        self.generator.converge(limit)
    }

    /// Reads until nothing has come for a while: work left over must not count for a load.
    pub(crate) fn settle(&mut self) -> Result<(), LoadError> {
        let mut quiet_since = Instant::now();
        let mut seen = self.generator.reader.messages;
        while quiet_since.elapsed() < Duration::from_millis(500) {
            self.generator.turn(Some(Duration::from_millis(50)))?;
            if self.generator.reader.messages != seen {
                seen = self.generator.reader.messages;
                quiet_since = Instant::now();
            }
        }
        Ok(())
    }
}

/// Measures the daemon and the generator from here to [`Meter::stop`].
pub(crate) struct Meter {
    before: Usage,
    own_before: f64,
    started: Instant,
    updates: u64,
    prefixes: u64,
    octets: u64,
}

impl Meter {
    pub(crate) fn start(bench: &Bench) -> Self {
        Self {
            before: bench.daemon.usage(),
            own_before: own_cpu_secs(),
            started: Instant::now(),
            updates: bench.generator.reader.updates,
            prefixes: bench.generator.reader.prefixes,
            octets: bench.generator.reader.octets,
        }
    }

    pub(crate) fn stop(self, bench: &Bench, ended: Instant, outcome: &mut Outcome) {
        let after = bench.daemon.usage();
        outcome.wall_secs = (ended - self.started).as_secs_f64();
        outcome.cpu_secs = after.cpu_secs - self.before.cpu_secs;
        outcome.peak_octets = after.peak_octets;
        outcome.generator_cpu_secs = own_cpu_secs() - self.own_before;
        outcome.updates = bench.generator.reader.updates - self.updates;
        outcome.prefixes = bench.generator.reader.prefixes - self.prefixes;
        outcome.octets = bench.generator.reader.octets - self.octets;
    }
}

pub(crate) fn own_cpu_secs() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    nanos.unwrap_or(0) as f64 / 1e9
}

pub(crate) fn percentile(sorted: &[u32], fraction: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * fraction).round() as usize).copied().unwrap_or(0)
}
