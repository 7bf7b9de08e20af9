//! `/metrics` read beside a load, as a Prometheus in a hurry would: how long an answer takes, while
//! the load shows what it cost.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Outcome, percentile};

/// Where our daemon serves it, as its configuration says.
const HTTP: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, crate::daemon::ours::HTTP_PORT);

/// Asks until it is stopped.
pub(crate) struct Scraper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Scrapes>>,
}

/// What the answers took.
#[derive(Default)]
struct Scrapes {
    micros: Vec<u32>,
    largest_octets: usize,
}

impl Scraper {
    /// One scrape after the other, this long between their beginnings.
    pub(crate) fn start(every: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut scrapes = Scrapes::default();
            while !stopped.load(Ordering::Acquire) {
                let began = Instant::now();
                let octets = scrape()?.len();
                let took = began.elapsed();
                scrapes.micros.push(took.as_micros() as u32);
                scrapes.largest_octets = scrapes.largest_octets.max(octets);
                std::thread::sleep(every.saturating_sub(took));
            }
            Ok(scrapes)
        });
        Self { stop, thread }
    }

    /// Ends it and adds its figures.
    pub(crate) fn stop(self, outcome: &mut Outcome) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        let joined = self.thread.join().map_err(|_| io::Error::other("the scraper panicked"))?;
        let mut scrapes = joined?;
        scrapes.micros.sort_unstable();
        for (name, fraction) in [("scrape median", 0.5), ("scrape max", 1.0)] {
            outcome.latencies.push((name.into(), percentile(&scrapes.micros, fraction)));
        }
        outcome.figures.push(("scrapes".into(), scrapes.micros.len() as f64));
        outcome.figures.push(("scrape MB".into(), scrapes.largest_octets as f64 / 1e6));
        Ok(())
    }
}

/// What `/metrics` says.
pub(super) fn scrape() -> io::Result<String> {
    let mut stream = TcpStream::connect(HTTP)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if !answer.starts_with("HTTP/1.0 200") && !answer.starts_with("HTTP/1.1 200") {
        let head: String = answer.chars().take(80).collect();
        return Err(io::Error::other(format!("/metrics: {head}")));
    }
    Ok(answer)
}
