//! The machine's clock jumps, by years and both ways: sessions, graceful restart and RPKI data have
//! timers that no clock moves (see SECURITY.md). The daemon runs under libfaketime, which leaves
//! the monotonic clock alone, as the kernel does when the clock is set.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rs_tests::support::cache::{Cache, Data};
use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, measured, route};
use rs_tests::support::raw::Speaker;
use rs_tests::support::route::Route;
use rs_tests::support::wait::{ensure, eventually, stays};
use rs_tests::support::wire::end_of_rib;
use tempfile::TempDir;

const GRACEFUL_RESTART: u8 = 64;
/// Seconds that a member says to be away; longer than the test.
const AWAY: [u8; 2] = 600_u16.to_be_bytes();
/// Seconds that RPKI data stay in force without their cache.
const EXPIRE: u32 = 7_200;
const YEARS: i32 = 10;

/// Where Debian's package has it.
fn library() -> String {
    let found =
        fs::read_dir("/usr/lib").expect("a directory").filter_map(Result::ok).find_map(|one| {
            let path = one.path().join("faketime/libfaketimeMT.so.1");
            path.exists().then(|| path.to_string_lossy().into_owned())
        });
    found.expect("this test needs Debian's package libfaketime (./test.sh installs it)")
}

/// What the clock of the daemon is set to, against the right time.
struct Clock {
    directory: TempDir,
}

impl Clock {
    fn right() -> Self {
        let clock = Self { directory: TempDir::new().expect("a directory") };
        clock.set("+0");
        clock
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    /// Replaced and not rewritten: no reader sees half of it.
    fn set(&self, offset: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(&new, self.file()).unwrap();
    }

    /// What a program is started by.
    fn under(&self) -> Vec<String> {
        let file = self.file();
        let word = |name: &str, value: &str| format!("{name}={value}");
        vec![
            "env".to_owned(),
            word("LD_PRELOAD", &library()),
            word("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy()),
            word("FAKETIME_NO_CACHE", "1"),
            word("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}

/// The year of each line that the daemon has logged.
fn years(exchange: &Exchange) -> Vec<i32> {
    let year = |line: &str| line.strip_prefix("{\"timestamp\":\"")?.get(..4)?.parse().ok();
    exchange.server.log().lines().filter_map(year).collect()
}

/// A member that keeps its forwarding state while it is away.
fn graceful(exchange: &Exchange) -> Speaker {
    let mut config = exchange.speaker_config(4);
    config.capabilities.push((GRACEFUL_RESTART, vec![AWAY[0], AWAY[1], 0, 1, 1, 0x80]));
    Speaker::established(config)
}

fn exchange(clock: &Clock, cache: &Cache) -> Exchange {
    let hold = "hold_time = \"30s\"";
    Exchange::with(&[hold, hold, "", ""], |config| {
        config.under = clock.under();
        config.import = config.import.replace("rpki = \"off\"", "rpki = \"reject\"");
        *config =
            config.clone().text(&format!("[[rpki.cache]]\naddress = \"{}\"", cache.address()));
    })
}

/// For some seconds: a timer that the clock moved would have run out by years.
fn nobody_notices(exchange: &Exchange, honest: &mut Honest, kept: &[Route], what: &str) {
    honest.serve(what);
    stays(what, Duration::from_secs(4), || {
        for speaker in [&honest.sender, &honest.receiver] {
            ensure(speaker.status().closed.is_none(), || format!("{:?}", speaker.status()))?;
        }
        let seen = honest.receiver.routes();
        ensure(kept.iter().all(|one| seen.contains(one)), || format!("{seen:?}"))
    });
    assert_eq!(honest.receiver.routes().len(), kept.len() + 1, "{what}: INVALID stays out");
    assert_eq!(exchange.metric("rs_rpki_vrps_in_force", &[]), Ok(1.0), "{what}");
    assert_eq!(exchange.metric("rs_rpki_up", &[]), Ok(1.0), "{what}");
    honest.serve(what);
}

#[test]
fn a_clock_that_jumps_by_years_moves_no_timer() {
    let clock = Clock::right();
    let mut cache = Cache::start(EXPIRE);
    cache.serve(&Data::default().vrp("198.51.100.0/24", 24, 65099));
    let exchange = exchange(&clock, &cache);
    measured(&exchange, "rs_rpki_vrps_in_force", &[], |vrps| vrps == 1.0);
    let mut honest = Honest::of_hold_time(&exchange, 30);
    honest.sender.announce(&route(2, "198.51.100.0/24", ""));
    let member = graceful(&exchange);
    let stale = route(4, "45.0.0.0/24", "");
    member.announce(&stale);
    member.send(&end_of_rib(false)).unwrap();
    let kept = [stale.clone()];
    honest.receiver.wait_routes("the third's", ARRIVE, |seen| {
        ensure(seen.contains(&stale), || format!("{seen:?}"))
    });
    nobody_notices(&exchange, &mut honest, &kept, "with the right time");
    member.close();
    exchange.wait_down(4);

    let begun = *years(&exchange).first().expect("it logs");
    for (jump, year, jumps) in
        [(YEARS, "ahead", 1.0), (-YEARS, "back", 2.0), (0, "right again", 2.0)]
    {
        clock.set(&format!("{:+}d", jump * 366));
        let lines = years(&exchange).len();
        // Said in the log, with the time that the daemon believes in.
        exchange.server.act(&["session", "disable", "127.0.0.5"]);
        exchange.server.act(&["session", "enable", "127.0.0.5"]);
        eventually("it is said at that time", ARRIVE, || {
            let said = years(&exchange).split_off(lines);
            let there = said.iter().any(|year| (year - begun - jump).abs() <= 1);
            ensure(there, || format!("{said:?}"))
        });
        nobody_notices(&exchange, &mut honest, &kept, year);
        let said = if jump == 0 { "clock is back" } else { "clock has jumped" };
        eventually("it is said that it has jumped", ARRIVE, || {
            let log = exchange.server.log();
            let new: Vec<_> = log.lines().skip(lines).filter(|line| line.contains(said)).collect();
            ensure(new.len() == 1, || log.clone())
        });
        measured(&exchange, "rs_clock_jumps_total", &[], |counted| counted == jumps);
        let answer = exchange.server.ask(&["rpki"]).unwrap();
        assert!(answer.to_string().contains("\"vrps\":1"), "{answer}");
        let few = years(&exchange).len() - lines;
        assert!(few < 60, "{few} lines for one jump");
    }
    // The member that was away all the time is awaited still.
    let again = graceful(&exchange);
    let next = route(4, "45.0.1.0/24", "");
    again.announce(&next);
    again.send(&end_of_rib(false)).unwrap();
    eventually("what it has not said again goes", ARRIVE, || {
        let seen = honest.receiver.routes();
        ensure(seen.contains(&next) && !seen.contains(&stale), || format!("{seen:?}"))
    });
}
