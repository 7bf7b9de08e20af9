//! Everything at once for a long time, and what is left of it: nothing but the tables.
//!
//! Members change routes, leave with and without a word, come back, ask for everything again and
//! stop reading for a while; the policy changes with a reload and ROAs turn. At the end of every
//! round all come back and read, and then each table of each member must be exact. Tasks, threads
//! and file descriptors must be no more than in the beginning, and the memory must not grow.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Bench, BoxError, Meter, Outcome, scrape};
use crate::daemon::{PolicyLevel, Which, routing_data};
use crate::generator::Phase;
use crate::universe::Universe;
use crate::wire::{self, CHURN};

/// Rounds of a soak, unless they would be too short or too long to say anything.
const ROUNDS: u32 = 60;
const SHORTEST_ROUND: Duration = Duration::from_secs(5);
const LONGEST_ROUND: Duration = Duration::from_secs(30);
/// So many members are away, and so many do not read, at most: one in this number.
const ONE_IN: u32 = 10;
/// Milliseconds that a member is away, or deaf.
const AWAY_MILLIS: std::ops::Range<u64> = 200..8_000;
const DEAF_MILLIS: std::ops::Range<u64> = 200..10_000;
/// One change in so many is something greater, of each kind.
const SELDOM: u64 = 150;
/// How soon a refused connection is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long tasks and descriptors of connections that have ended may be seen after all is at rest.
const LINGER: Duration = Duration::from_secs(20);
/// After so many sessions shorter than this a member stays for once: the daemon holds off who goes on
/// like that, for minutes.
const SHORT_SESSIONS: u32 = 4;
const LONG_SESSION: Duration = Duration::from_secs(130);
/// Memory may be so much more at the end of the last two thirds than at their beginning, by the
/// line through all measurements: 4 % or these octets. An allocator moves that much.
const GROWTH_PART: f64 = 0.04;
const GROWTH_OCTETS: f64 = 6e6;
/// A line through less time than this is one through the allocator's ups and downs: from one rest to
/// the next they are a tenth, and 20 % are let pass.
const LINE: Duration = Duration::from_secs(600);
const GROWTH_PART_OF_A_SHORT_LINE: f64 = 0.2;

/// What the load is like, before the daemon is configured.
pub(super) fn prepare(universe: &mut Universe) {
    universe.graceful_every = 4;
    // They are read again with every change.
    universe.filler_roas = 2_000;
}

pub(super) fn run(bench: &mut Bench, outcome: &mut Outcome) -> Result<(), BoxError> {
    if bench.options.policy != PolicyLevel::Rs || bench.daemon.which != Which::Us {
        return Err("soak: with --policy rs, and of our daemon alone: it asks for its tasks".into());
    }
    let random = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let seed = bench.options.seed.unwrap_or(random);
    eprintln!("soak: --seed {seed}");
    bench.establish_all()?;
    bench.fill()?;
    bench.settle()?;
    let meter = Meter::start(bench);
    let mut soak = Soak::new(bench, seed)?;
    let time = Duration::from_secs(bench.options.seconds.into());
    let round = (time / ROUNDS).clamp(SHORTEST_ROUND, LONGEST_ROUND);
    while soak.began.elapsed() < time {
        soak.round(bench, round)?;
        soak.rest(bench)?;
    }
    meter.stop(bench, Instant::now(), outcome);
    soak.report(outcome)
}

/// xorshift64*: good enough to choose by, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}

/// What the daemon's process holds at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    tasks: u64,
    threads: usize,
    files: usize,
}

impl Held {
    /// Fewer are no leak: threads of tokio's for files end when they have had nothing to do.
    fn has_more_than(self, first: Self) -> bool {
        self.tasks > first.tasks || self.threads > first.threads || self.files > first.files
    }
}

struct Soak {
    random: Random,
    began: Instant,
    /// Members that are away, and when they try to come back.
    away: Vec<(u32, Instant)>,
    /// Members that do not read, and until when.
    deaf: Vec<(u32, Instant)>,
    /// By member: its short sessions in a row, and when the last session began.
    sessions: Vec<(u32, Instant)>,
    at_first: Held,
    /// Seconds since the beginning and resident octets, at each rest.
    memory: Vec<(f64, f64)>,
    changes: u32,
    flaps: u32,
    refreshes: u32,
    deafened: u32,
    reloads: u32,
    turns: u32,
}

impl Soak {
    fn new(bench: &Bench, seed: u64) -> Result<Self, BoxError> {
        Ok(Self {
            // Zero would stay zero.
            random: Random(seed | 1),
            began: Instant::now(),
            away: Vec::new(),
            deaf: Vec::new(),
            sessions: vec![(0, Instant::now()); bench.options.members as usize],
            at_first: held(bench)?,
            memory: Vec::new(),
            changes: 0,
            flaps: 0,
            refreshes: 0,
            deafened: 0,
            reloads: 0,
            turns: 0,
        })
    }

    /// Unrest for so long.
    fn round(&mut self, bench: &mut Bench, time: Duration) -> Result<(), BoxError> {
        let began = Instant::now();
        let interval = Duration::from_secs(1) / bench.options.rate.max(1);
        let (mut reloaded, mut turned) = (false, false);
        let mut due = began;
        while began.elapsed() < time {
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                bench.generator.turn(Some(left))?;
            }
            // Whoever is behind does not make up for it: this measures no speed.
            due = due.max(Instant::now() - interval) + interval;
            self.something(bench)?;
            self.returns(bench)?;
            if !reloaded && began.elapsed() > time / 3 {
                reloaded = true;
                self.reload(bench)?;
            }
            if !turned && began.elapsed() > time * 2 / 3 {
                turned = true;
                self.turn_roas(bench)?;
            }
        }
        Ok(())
    }

    fn something(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let member = self.random.below(bench.options.members.into()) as u32;
        if bench.generator.phase(member) != Phase::Established || self.is_away(member) {
            return Ok(());
        }
        match self.random.below(SELDOM) {
            0 => self.leave(bench, member),
            1 => self.refresh(bench, member)?,
            2 => self.stop_reading(bench, member)?,
            _ => self.change(bench, member)?,
        }
        Ok(())
    }

    fn is_away(&self, member: u32) -> bool {
        self.away.iter().any(|(away, _)| *away == member)
    }

    /// A route goes, comes, or comes with another community.
    fn change(&mut self, bench: &mut Bench, member: u32) -> Result<(), BoxError> {
        let u = &mut bench.generator.universe;
        if u.prefixes_of(member) == 0 {
            return Ok(());
        }
        let k = self.random.below(u.prefixes_of(member).into()) as u32;
        let stays = self.random.below(3) != 0;
        u.set_announces(member, k, stays);
        let mut octets = Vec::new();
        let index = u.prefix_index(member, k);
        if stays {
            let number = self.random.below(4_096) as u16;
            wire::announce(u, u.set_of(member, k), &[index], Some((CHURN, number)), &mut octets);
        } else {
            wire::withdraw(u, index, &mut octets);
        }
        self.changes += 1;
        bench.generator.send(member, Rc::new(octets))?;
        Ok(())
    }

    /// With Cease, or as a crash would; then those with graceful restart keep their routes.
    fn leave(&mut self, bench: &mut Bench, member: u32) {
        if self.away.len() as u32 >= bench.options.members.div_ceil(ONE_IN) {
            return;
        }
        let (short, since) = &mut self.sessions[member as usize];
        if since.elapsed() >= LONG_SESSION {
            *short = 0;
        } else if *short == SHORT_SESSIONS {
            return;
        }
        *short += 1;
        let with_cease = self.random.below(2) == 0;
        self.deaf.retain(|(deaf, _)| *deaf != member);
        bench.generator.leave(member, with_cease);
        let u = &mut bench.generator.universe;
        u.up[member as usize] = false;
        u.kept[member as usize] = !with_cease && u.is_graceful(member);
        self.away.push((member, Instant::now() + self.random.millis(AWAY_MILLIS)));
        self.flaps += 1;
    }

    fn refresh(&mut self, bench: &mut Bench, member: u32) -> Result<(), BoxError> {
        let mut octets = Vec::new();
        wire::refresh(&bench.generator.universe, &mut octets);
        self.refreshes += 1;
        bench.generator.send(member, Rc::new(octets))?;
        Ok(())
    }

    fn stop_reading(&mut self, bench: &mut Bench, member: u32) -> Result<(), BoxError> {
        let enough = self.deaf.len() as u32 >= bench.options.members.div_ceil(ONE_IN);
        if enough || !bench.generator.reads(member) {
            return Ok(());
        }
        bench.generator.stop_reading(member)?;
        self.deaf.push((member, Instant::now() + self.random.millis(DEAF_MILLIS)));
        self.deafened += 1;
        Ok(())
    }

    fn reload(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let u = &mut bench.generator.universe;
        u.reload_as_rejected = !u.reload_as_rejected;
        self.reloads += 1;
        bench.daemon.reload(&bench.generator.universe, bench.options.policy, &bench.dir)?;
        Ok(())
    }

    fn turn_roas(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let u = &mut bench.generator.universe;
        u.roas_turned = !u.roas_turned;
        self.turns += 1;
        routing_data::write_vrps(u, &bench.dir)?;
        Ok(())
    }

    /// Members that are due read again, or come back and say what they have.
    fn returns(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let now = Instant::now();
        for (member, _) in self.deaf.extract_if(.., |(_, until)| *until <= now) {
            bench.generator.read_again(member)?;
        }
        for (member, due) in &mut self.away {
            if *due <= now && bench.generator.phase(*member) == Phase::Down {
                bench.generator.connect(*member)?;
                *due = now + RETRY;
            }
        }
        let is_back =
            |(member, _): &mut (u32, Instant)| bench.generator.phase(*member) == Phase::Established;
        let back: Vec<_> = self.away.extract_if(.., is_back).collect();
        for (member, _) in back {
            self.sessions[member as usize].1 = now;
            let u = &mut bench.generator.universe;
            u.up[member as usize] = true;
            u.kept[member as usize] = false;
            let table = wire::table(u, member, true);
            bench.generator.send(member, Rc::new(table))?;
        }
        Ok(())
    }

    /// All come back and read; then everything must be exact.
    fn rest(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let began = Instant::now();
        for (_, due) in self.away.iter_mut().chain(&mut self.deaf) {
            *due = (*due).min(began);
        }
        loop {
            self.returns(bench)?;
            if self.away.is_empty() {
                break;
            }
            if began.elapsed() > bench.limit() {
                return Err(format!("not back: members {:?}", self.away).into());
            }
            bench.generator.turn(Some(Duration::from_millis(20)))?;
        }
        bench.generator.recount();
        bench.generator.converge(bench.limit())?;
        // What is right must also stay so.
        bench.settle()?;
        bench.generator.converge(bench.limit())?;
        self.measure(bench)
    }

    fn measure(&mut self, bench: &mut Bench) -> Result<(), BoxError> {
        let began = Instant::now();
        let mut now = held(bench)?;
        while now.has_more_than(self.at_first) {
            if began.elapsed() > LINGER {
                return Err(format!("at first {:?}, now {now:?}", self.at_first).into());
            }
            bench.generator.turn(Some(Duration::from_millis(200)))?;
            now = held(bench)?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let octets = bench.daemon.usage().resident_octets as f64;
        self.memory.push((seconds, octets));
        eprintln!(
            "soak: {seconds:.0} s, tables exact, {:.1} MB, {now:?}; {} changes, {} flaps, {} refreshes, {} \
             reloads, {} turns of ROAs, {} deaf",
            octets / 1e6,
            self.changes,
            self.flaps,
            self.refreshes,
            self.reloads,
            self.turns,
            self.deafened
        );
        Ok(())
    }

    fn report(&self, outcome: &mut Outcome) -> Result<(), BoxError> {
        for (name, count) in [
            ("changes", self.changes),
            ("flaps", self.flaps),
            ("refreshes", self.refreshes),
            ("reloads", self.reloads),
            ("turns of ROAs", self.turns),
            ("members deaf", self.deafened),
            ("exact tables", self.memory.len() as u32),
        ] {
            outcome.figure(name, count.into());
        }
        let begins = self.memory.last().map_or(0.0, |(last, _)| last / 3.0);
        let late: Vec<_> = self.memory.iter().copied().filter(|(at, _)| *at >= begins).collect();
        let (grown, mean) = growth(&late);
        outcome.figure("mean memory, last two thirds, MB", mean / 1e6);
        outcome.figure("growth in that time, MB", grown / 1e6);
        outcome.figure("tasks", self.at_first.tasks as f64);
        outcome.figure("threads", self.at_first.threads as f64);
        outcome.figure("file descriptors", self.at_first.files as f64);
        let time = self.memory.last().map_or(0.0, |(last, _)| last - begins);
        let part =
            if time < LINE.as_secs_f64() { GROWTH_PART_OF_A_SHORT_LINE } else { GROWTH_PART };
        let bound = (mean * part).max(GROWTH_OCTETS);
        if grown > bound {
            return Err(format!(
                "memory grew by {:.1} MB, more than {:.1} MB",
                grown / 1e6,
                bound / 1e6
            )
            .into());
        }
        Ok(())
    }
}

/// From the first measurement to the last on the line through all (least squares), and the mean.
fn growth(measured: &[(f64, f64)]) -> (f64, f64) {
    let n = measured.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| measured.iter().map(of).sum::<f64>() / n;
    let (at, octets) = (mean(&|m| m.0), mean(&|m| m.1));
    let spread: f64 = measured.iter().map(|m| (m.0 - at).powi(2)).sum();
    let together: f64 = measured.iter().map(|m| (m.0 - at) * (m.1 - octets)).sum();
    let time = measured.last().map_or(0.0, |m| m.0) - measured.first().map_or(0.0, |m| m.0);
    (if spread > 0.0 { together / spread * time } else { 0.0 }, octets)
}

fn held(bench: &Bench) -> Result<Held, BoxError> {
    let text = scrape::scrape()?;
    let (threads, files) = bench.daemon.threads_and_files()?;
    // Those of sessions, and of the control socket and HTTP.
    let values = text.lines().filter(|line| line.starts_with("rs_tasks{"));
    let tasks = values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    Ok(Held { tasks, threads, files })
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_is_that_of_the_line_and_not_of_its_ends() {
        let flat = [(0.0, 10.0), (1.0, 12.0), (2.0, 10.0), (3.0, 12.0), (4.0, 10.0)];
        assert_eq!(growth(&flat), (0.0, 10.8));
        let rising = [(10.0, 1.0), (20.0, 2.0), (30.0, 3.0)];
        assert_eq!(growth(&rising), (2.0, 2.0));
        assert_eq!(growth(&[(1.0, 5.0)]), (0.0, 5.0));
    }
}
