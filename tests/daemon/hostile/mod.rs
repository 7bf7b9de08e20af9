//! Members that send whatever hurts, beside ten honest ones that come, go and change their routes.
//!
//! `RS_HOSTILE_SECONDS=n` lasts so long instead of some seconds, `RS_SEED=n` chooses as a run
//! before that printed n.

mod mutate;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rs_tests::support::loopback::{ARRIVE, Exchange, asn, holds, route};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::wait::{ensure, eventually};

use mutate::Random;

const HONEST: RangeInclusive<u8> = 2..=11;
/// They act as one, and are several because a session that an error has ended pauses.
const HOSTILE: RangeInclusive<u8> = 12..=27;
/// Hostile members that act at the same time.
const AT_ONCE: usize = 2;
/// Prefixes that each honest member has for itself, and that they have in common.
const OWN: usize = 12;
const COMMON: usize = 24;
/// Without `RS_HOSTILE_SECONDS`.
const SECONDS: u64 = 20;
/// Every so often all is compared.
const ROUND: Duration = Duration::from_secs(4);
/// Between two changes of the honest members.
const CHANGE_EVERY: Duration = Duration::from_millis(15);
/// The daemon may not need more than this beside what it had before, whatever it is sent.
const MORE_MEMORY_OCTETS: u64 = 200 << 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// An honest member, and which version of which prefix it announces.
struct Honest {
    n: u8,
    speaker: Speaker,
    says: BTreeMap<String, u32>,
}

/// What all that is honest is measured with: a table kept for each member alone.
fn expected(all: &[Honest], receiver: u8) -> BTreeMap<String, Route> {
    let mut table = BTreeMap::new();
    // Paths are equally long, so the lowest BGP Identifier wins, which is the lowest number.
    for member in all.iter().filter(|member| member.n != receiver) {
        for (prefix, version) in &member.says {
            table.entry(prefix.clone()).or_insert_with(|| member.route(prefix, *version));
        }
    }
    table
}

impl Honest {
    fn route(&self, prefix: &str, version: u32) -> Route {
        route(self.n, prefix, "").large(&format!("300000:{}:{version}", self.n))
    }

    fn prefix(&self, k: usize) -> String {
        match k.checked_sub(OWN) {
            None => format!("45.{}.{k}.0/24", self.n),
            Some(k) => format!("46.0.{k}.0/24"),
        }
    }

    fn change(&mut self, random: &mut Random, version: u32) {
        let prefix = self.prefix(random.below(OWN + COMMON));
        if random.one_in(3) {
            if self.says.remove(&prefix).is_some() {
                self.speaker.withdraw(&prefix);
            }
        } else {
            self.speaker.announce(&self.route(&prefix, version));
            self.says.insert(prefix, version);
        }
    }

    /// Gone without a word, and back with what it had.
    fn flap(&mut self, exchange: &Exchange) {
        self.speaker.close();
        self.speaker = opened(exchange, &exchange.speaker_config(self.n), self.n);
        let all: Vec<Route> =
            self.says.iter().map(|(prefix, version)| self.route(prefix, *version)).collect();
        all.iter().for_each(|route| self.speaker.announce(route));
    }

    /// Whether all that it holds of honest members is what it must hold, and nothing of the
    /// hostile ones has taken the place of that.
    fn is_exact(&self, all: &[Self]) -> Result<(), String> {
        let mut expected = expected(all, self.n);
        for seen in self.speaker.routes() {
            let prefix = seen.prefix.to_string();
            let first: u32 = first_as(&seen);
            if HONEST.map(asn).any(|honest| honest == first) {
                let must = expected.remove(&prefix);
                ensure(must.as_ref() == Some(&seen), || {
                    format!("member {}: {seen:?}\n    must be {must:?}", self.n)
                })?;
            } else {
                ensure(HOSTILE.map(asn).any(|hostile| hostile == first), || {
                    format!("member {}: a route of nobody: {seen:?}", self.n)
                })?;
                // An announcement in an UPDATE that takes the place of an honest one.
                ensure(!expected.contains_key(&prefix), || {
                    format!("member {}: {seen:?} in the place of an honest route", self.n)
                })?;
            }
        }
        ensure(expected.is_empty(), || format!("member {}: missing {expected:?}", self.n))
    }

    fn is_up(&self) {
        let status = self.speaker.status();
        assert_eq!((status.closed, status.notification), (None, None), "member {}", self.n);
    }
}

fn first_as(route: &Route) -> u32 {
    route.as_path.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// A session, also where too many that ended had it pause: the operator lets it in again.
fn opened(exchange: &Exchange, config: &RawConfig, n: u8) -> Speaker {
    eventually(&format!("member {n} is let in"), ARRIVE, || {
        let speaker = Speaker::start(config.clone())?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let status = speaker.status();
            if status.established {
                return Ok(speaker);
            }
            if status.closed.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        exchange.let_in(n);
        Err(format!("{:?}", speaker.status()))
    })
}

/// What the hostile members have done.
#[derive(Default)]
struct Tally {
    sessions: AtomicU64,
    messages: AtomicU64,
    ended: AtomicU64,
}

/// Members of those in `mine`, one after the other, until it is over.
fn hostile(exchange: &Exchange, mine: &[u8], seed: u64, stop: &AtomicBool, tally: &Tally) {
    let mut random = Random::new(seed);
    let honest: Vec<String> = (0..COMMON)
        .map(|k| format!("46.0.{k}.0/24"))
        .chain(HONEST.flat_map(|n| (0..OWN).map(move |k| format!("45.{n}.{k}.0/24"))))
        .collect();
    let seeds: BTreeMap<u8, Vec<Vec<u8>>> =
        mine.iter().map(|n| (*n, mutate::seeds(*n, &honest))).collect();
    while !stop.load(Ordering::Relaxed) {
        let n = *random.one_of(mine);
        let mut config = exchange.speaker_config(n);
        config.extended_messages = random.one_in(2);
        config.four_octet_as = !random.one_in(4);
        config.capabilities.push((70, Vec::new()));
        if random.one_in(3) {
            // Graceful restart of both families, the N bit as well (RFC 4724, RFC 8538).
            config.capabilities.push((64, vec![0x40, 2, 0, 1, 1, 0x80, 0, 2, 1, 0x80]));
        }
        let open = config.open();
        if random.one_in(4) {
            let broken = mutate::mutated_open(&mut random, &open);
            let _ = Speaker::saying(config.clone(), &broken);
            tally.messages.fetch_add(1, Ordering::Relaxed);
        }
        let speaker = opened(exchange, &config, n);
        tally.sessions.fetch_add(1, Ordering::Relaxed);
        for _ in 0..2_000 {
            let sent = speaker.send(&mutate::mutated(&mut random, &seeds[&n]));
            if sent.is_err() || speaker.status().closed.is_some() {
                tally.ended.fetch_add(1, Ordering::Relaxed);
                break;
            }
            tally.messages.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

/// Until `end`: the honest members change and flap, and now and then all of them compare.
fn honest_life(exchange: &Exchange, all: &mut [Honest], random: &mut Random, end: Instant) -> u32 {
    let mut version = 0;
    while Instant::now() < end {
        let round = Instant::now() + ROUND;
        while Instant::now() < round {
            let chosen = random.below(all.len());
            version += 1;
            all[chosen].change(random, version);
            // The pace of its changes, not a wait for something to happen.
            thread::sleep(CHANGE_EVERY);
        }
        all[random.below(all.len())].flap(exchange);
        for member in all.iter() {
            eventually("exact beside hostile members", ARRIVE, || member.is_exact(all));
            member.is_up();
        }
    }
    version
}

#[test]
fn honest_members_tables_stay_exact_whatever_hostile_ones_send() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("RS_SEED").unwrap_or(now);
    eprintln!("RS_SEED={seed}");
    let seconds = number("RS_HOSTILE_SECONDS").unwrap_or(SECONDS);
    let mut exchange = Exchange::new(&vec![""; HONEST.count() + HOSTILE.count()]);
    let mut all: Vec<Honest> =
        HONEST.map(|n| Honest { n, speaker: exchange.speaker(n), says: BTreeMap::new() }).collect();
    let before = exchange.resident_octets();
    let (stop, tally) = (AtomicBool::new(false), Tally::default());
    let end = Instant::now() + Duration::from_secs(seconds);
    let changes = thread::scope(|scope| {
        let hostile_members: Vec<u8> = HOSTILE.collect();
        for (k, mine) in (0..).zip(hostile_members.chunks(HOSTILE.count() / AT_ONCE)) {
            let (exchange, stop, tally, mine) = (&exchange, &stop, &tally, mine.to_vec());
            scope.spawn(move || hostile(exchange, &mine, seed + k, stop, tally));
        }
        let life = std::panic::AssertUnwindSafe(|| {
            honest_life(&exchange, &mut all, &mut Random::new(!seed), end)
        });
        // The others must end, or the failure would never be told.
        let lived = std::panic::catch_unwind(life);
        stop.store(true, Ordering::Relaxed);
        lived.unwrap_or_else(|failure| std::panic::resume_unwind(failure))
    });
    // Nothing of what they announced outlives them, kept as stale or not.
    for n in HOSTILE {
        exchange.server.act(&["session", "disable", &format!("127.0.0.{n}")]);
    }
    for member in &all {
        let last: Vec<Route> = expected(&all, member.n).into_values().collect();
        holds("in the end", &member.speaker, &sorted(last));
        member.is_up();
    }
    exchange.server.still_runs().unwrap();
    let after = exchange.resident_octets();
    let [sessions, messages, ended] =
        [&tally.sessions, &tally.messages, &tally.ended].map(|count| count.load(Ordering::Relaxed));
    eprintln!(
        "{seconds} s: {messages} hostile messages in {sessions} sessions, {ended} of them ended by \
         the route server; {changes} honest changes; {before} octets before, {after} after"
    );
    assert!(messages > 50 * seconds && ended > 0, "{messages} messages, {ended} ended");
    assert!(after < before + MORE_MEMORY_OCTETS, "{after} octets, before {before}");
}

fn sorted(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| route.prefix);
    routes
}
