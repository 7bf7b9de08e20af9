//! The supervisor's part in `max_prefixes = "dynamic"`: looks at what is announced, keeps it in a
//! file, and hands out the limits that follow.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use bgp_wire::Family;
use policy::Slot;
use rib::PeerState;
use tokio::sync::oneshot;

use super::clock::{Clock, News};
use super::learned::{Learned, LearnedFile};
use super::limits::SHUTDOWN_TIMEOUT;
use super::state_file::{self, StateError};
use super::supervisor::Supervisor;
use super::worker::Command;
use crate::config::{Config, Limit, MemberSession};

/// The file in the state directory.
const FILE: &str = "announced.json";

/// How often what is announced is looked at. What comes and goes in between is not seen: a limit
/// is for what a member announces, not for a slip.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// How often the file is written, beside the end of the process.
const WRITE: Duration = Duration::from_secs(600);

/// Some while a limit is dynamic.
pub(super) struct Learning {
    learned: Learned,
    path: PathBuf,
    looked: Instant,
    written: Instant,
}

impl Learning {
    /// If the configuration needs it. What is remembered may know better than the clock what day it
    /// is.
    pub(super) fn start(config: &Config, clock: &mut Clock) -> Option<Self> {
        if !config.has_dynamic_limits() {
            return None;
        }
        let path = config.state.directory.join(FILE);
        let file = match state_file::read::<LearnedFile>(&path) {
            Ok(file) => file,
            Err(error @ StateError::Missing(_)) => {
                tracing::info!(%error, "dynamic prefix limits: nothing is learned yet");
                LearnedFile::default()
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "dynamic prefix limits: what was learned is lost, static limits hold meanwhile"
                );
                state_file::put_aside(&path);
                LearnedFile::default()
            }
        };
        let now = Instant::now();
        if let Some(day) = file.newest_day() {
            clock.is_no_earlier(day, now);
        }
        let learned = Learned::new(config.dynamic_limits, file, clock.today(now));
        Some(Self { learned, path, looked: Instant::now(), written: Instant::now() })
    }

    /// What is known of a session's limits.
    pub(super) fn limits(&self, session: &MemberSession) -> [Option<u32>; 2] {
        self.learned.limits(&session.key, session.asn.0)
    }
}

impl Supervisor {
    /// What is known of a session's dynamic limits.
    pub(super) fn learned_limits(&self, session: &MemberSession) -> [Option<u32>; 2] {
        self.learning.as_ref().map_or([None; 2], |learning| learning.limits(session))
    }

    /// The configuration may ask for it now, or no longer, or by other rules.
    pub(super) fn reconfigure_learning(&mut self, config: &Config) {
        match &mut self.learning {
            Some(learning) if config.has_dynamic_limits() => {
                learning.learned.set_rules(config.dynamic_limits);
                learning.path = config.state.directory.join(FILE);
            }
            _ => self.learning = Learning::start(config, &mut self.clock),
        }
    }

    /// Looks at what is announced, and hands out limits that follow from it anew.
    pub(super) async fn learn(&mut self) {
        self.look().await;
        let config = self.inner.config.load_full();
        self.look_at_clock();
        let Some(learning) = &mut self.learning else { return };
        learning.learned.tick(self.clock.today(Instant::now()));
        self.hand_out(&config);
        self.publish_learned(&config);
        if self.is_writing() {
            return;
        }
        let Some(learning) = &mut self.learning else { return };
        let again = !self.inner.state_written.load(Ordering::Acquire);
        if again || learning.written.elapsed() >= WRITE {
            learning.written = Instant::now();
            let (path, file) = (learning.path.clone(), learning.learned.file());
            self.write_state(path, file);
        }
    }

    /// Says where the machine's clock goes if it does not go on as it did.
    pub(super) fn look_at_clock(&mut self) {
        match self.clock.look(SystemTime::now(), Instant::now()) {
            None => {}
            Some(News::Jumped { by, ahead }) => {
                self.inner.clock_jumps.fetch_add(1, Ordering::Relaxed);
                let way = if ahead { "ahead" } else { "back" };
                tracing::warn!(
                    seconds = by.as_secs(),
                    way,
                    "the machine's clock has jumped: timers do not mind, and what is kept by the day \
                     goes on by the time before, until the clock is back or a day has passed"
                );
            }
            Some(News::Back) => tracing::info!("the machine's clock is back where it was"),
            Some(News::Believed { before, after }) => {
                if let Some(learning) = &mut self.learning {
                    learning.learned.shift(before, after);
                }
                tracing::info!(
                    %before, %after,
                    "the machine's clock has gone on evenly for a day: it is believed, and what is \
                     kept by the day moves along"
                );
            }
        }
    }

    async fn look(&mut self) {
        if self.learning.is_none() {
            return;
        }
        let config = self.inner.config.load_full();
        let mut seen = Vec::new();
        for index in 0..self.slots.len() {
            let keys = self.slots[index].keys();
            for (slot, peer) in self.established(index).await {
                let Some(Some(key)) = keys.get(slot.index()) else { continue };
                let Some(session) = config.session(key) else { continue };
                // Who is over its limit does not show what it usually announces.
                if !peer.limit.is_exceeded() {
                    let count = |family: Family| {
                        peer.families.contains(family).then(|| peer.limit.count(family))
                    };
                    seen.push((key.clone(), session.asn.0, Family::ALL.map(count)));
                }
            }
        }
        let Some(learning) = &mut self.learning else { return };
        let now = Instant::now();
        let elapsed = now - std::mem::replace(&mut learning.looked, now);
        for (key, asn, counts) in seen {
            learning.learned.observe(&key, asn, counts, elapsed);
        }
    }

    /// What the shards were told of the sessions of a route server that are up.
    pub(super) async fn established(&self, route_server: usize) -> Vec<(Slot, PeerState)> {
        let mut asked = Vec::new();
        for worker in &*self.inner.workers {
            let (answer, answered) = oneshot::channel();
            if worker.send(Command::Established { route_server, answer }).is_ok() {
                asked.push(answered);
            }
        }
        let mut peers = Vec::new();
        for answered in asked {
            peers.extend(answered.await.unwrap_or_default());
        }
        peers
    }

    fn hand_out(&mut self, config: &Config) {
        for session in config.sessions() {
            let Some(peer) = self.peers.get(&session.key) else { continue };
            let before = peer.limits;
            let after = super::peer_config::in_force(&session.limits, self.learned_limits(session));
            if before != after {
                tracing::info!(
                    session = %session.key, v4 = ?after.v4, v6 = ?after.v6,
                    "dynamic prefix limit computed"
                );
                self.add(config, session, false);
            }
        }
    }

    /// Puts what is known where status answers find it.
    pub(super) fn publish_learned(&self, config: &Config) {
        let Some(learning) = &self.learning else {
            self.inner.learned.store(Arc::default());
            return;
        };
        let status = |session: &MemberSession| {
            let [v4, v6] = [session.limits.v4, session.limits.v6];
            let of = |limit, family| {
                matches!(limit, Limit::Dynamic { .. })
                    .then(|| learning.learned.status(&session.key, session.asn.0, family))
            };
            (session.key.clone(), [of(v4, Family::V4), of(v6, Family::V6)])
        };
        self.inner.learned.store(Arc::new(config.sessions().map(status).collect()));
    }

    /// The process ends: what is announced now is the last that is noted. A worker that does not
    /// answer leaves it with what was seen before.
    pub(super) async fn last_learned(&mut self) -> Option<(PathBuf, LearnedFile)> {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.look()).await.is_err() {
            tracing::warn!("dynamic prefix limits: a worker takes too long to answer");
        }
        let learning = self.learning.as_ref()?;
        Some((learning.path.clone(), learning.learned.file()))
    }
}

/// Says once that the state cannot be written, and once that it can again.
pub(super) fn note_written(
    written: &std::sync::atomic::AtomicBool,
    path: &std::path::Path,
    result: std::io::Result<()>,
) {
    let before = written.swap(result.is_ok(), Ordering::AcqRel);
    match result {
        Err(error) if before => tracing::error!(
            file = %path.display(), %error,
            "cannot be written: what it should hold is lost at the next restart"
        ),
        Ok(()) if !before => tracing::info!(file = %path.display(), "can be written again"),
        _ => {}
    }
}
