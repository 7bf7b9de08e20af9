//! What each session announced lately, and the prefix limits that follow from it
//! (`max_prefixes = "dynamic"`). Values only: the clock is an argument, files are the caller's.
//!
//! A limit that followed every announcement at once would never be reached. So what is announced
//! is noted all the time, but limits are computed when the day (UTC) changes, when a session has
//! been watched long enough for the first time, and at a start.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bgp_wire::Family;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::status::LearnedLimit;
use crate::config::{DynamicLimits, SessionKey};

/// The limit for who announced at most so many prefixes in the learning period.
pub(crate) fn limit_for(highest: u32) -> u32 {
    let y = u64::from(highest);
    // The factor falls from 2 at 1000 to 1.5 at 2000 to 1.2 at 10000, as fractions.
    let (factor, of) = match y {
        0..50 => return 100,
        50..250 => return 500,
        250..500 => return 1000,
        500..1000 => return 2000,
        1000..2000 => (5000 - y, 2000),
        2000..10_000 => (126_000 - 3 * y, 80_000),
        _ => (12, 10),
    };
    let thousands = y * factor / (of * 1000) + 1;
    u32::try_from(thousands * 1000).unwrap_or(u32::MAX)
}

/// One family of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct History {
    /// How long it was established while we looked.
    watched_secs: u64,
    /// The most prefixes of each day on which it was established.
    days: BTreeMap<Date, u32>,
    /// What follows; not kept, since it follows.
    #[serde(skip)]
    limit: Option<u32>,
}

impl History {
    fn highest(&self) -> u32 {
        self.days.values().copied().max().unwrap_or(0)
    }

    /// Lets go of what is too old, and of what a clock that was wrong dated into the future.
    fn prune(&mut self, today: Date, period_days: u16) {
        let span = jiff::Span::new().days(i64::from(period_days));
        let oldest = today.checked_sub(span).unwrap_or(Date::MIN);
        self.days.retain(|day, _| *day > oldest && *day <= today);
        if self.days.is_empty() {
            *self = Self::default();
        }
    }

    fn shift(&mut self, span: jiff::Span) {
        let days = std::mem::take(&mut self.days);
        for (day, most) in days {
            let there = self.days.entry(day.saturating_add(span)).or_default();
            *there = most.max(*there);
        }
    }
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// Another AS at the same address is another member.
    asn: u32,
    ipv4: History,
    ipv6: History,
}

impl Memory {
    fn new(asn: u32) -> Self {
        Self { asn, ipv4: History::default(), ipv6: History::default() }
    }

    fn family(&self, family: Family) -> &History {
        match family {
            Family::V4 => &self.ipv4,
            Family::V6 => &self.ipv6,
        }
    }

    fn family_mut(&mut self, family: Family) -> &mut History {
        match family {
            Family::V4 => &mut self.ipv4,
            Family::V6 => &mut self.ipv6,
        }
    }
}

/// A session in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    route_server: String,
    address: std::net::IpAddr,
    interface: Option<String>,
    #[serde(flatten)]
    memory: Memory,
}

/// The file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LearnedFile {
    sessions: Vec<Stored>,
}

impl LearnedFile {
    /// The newest day on which something was announced.
    pub(crate) fn newest_day(&self) -> Option<Date> {
        let memories = self.sessions.iter().map(|stored| &stored.memory);
        let histories = memories.flat_map(|memory| [&memory.ipv4, &memory.ipv6]);
        histories.filter_map(|history| history.days.keys().next_back()).max().copied()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Learned {
    rules: DynamicLimits,
    today: Date,
    sessions: HashMap<SessionKey, Memory>,
}

impl Learned {
    /// With what a file remembered.
    pub(crate) fn new(rules: DynamicLimits, file: LearnedFile, today: Date) -> Self {
        let sessions = file.sessions.into_iter().map(|stored| {
            let key = SessionKey {
                route_server: stored.route_server.into(),
                address: stored.address,
                interface: stored.interface.map(Into::into),
            };
            (key, stored.memory)
        });
        let mut learned = Self { rules, today, sessions: sessions.collect() };
        learned.compute(true);
        learned
    }

    /// What a file is to remember.
    pub(crate) fn file(&self) -> LearnedFile {
        let mut sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|(key, memory)| Stored {
                route_server: key.route_server.as_ref().to_owned(),
                address: key.address,
                interface: key.interface.as_deref().map(str::to_owned),
                memory: memory.clone(),
            })
            .collect();
        sessions.sort_by(|a, b| {
            (&a.route_server, a.address, &a.interface).cmp(&(
                &b.route_server,
                b.address,
                &b.interface,
            ))
        });
        LearnedFile { sessions }
    }

    /// Other rules, from a reload.
    pub(crate) fn set_rules(&mut self, rules: DynamicLimits) {
        if self.rules != rules {
            self.rules = rules;
            self.compute(true);
        }
    }

    /// An established session announces so many prefixes (`None`: it does not carry the family),
    /// and has been established for `elapsed` since the last look.
    pub(crate) fn observe(
        &mut self,
        key: &SessionKey,
        asn: u32,
        counts: [Option<u32>; 2],
        elapsed: Duration,
    ) {
        let memory = self.sessions.entry(key.clone()).or_insert_with(|| Memory::new(asn));
        if memory.asn != asn {
            *memory = Memory::new(asn);
        }
        for family in Family::ALL {
            let Some(count) = counts[family.index()] else { continue };
            let history = memory.family_mut(family);
            history.watched_secs += elapsed.as_secs();
            let most = history.days.entry(self.today).or_default();
            *most = count.max(*most);
        }
    }

    /// What was the day `before` is `after` now: another clock dates the same past.
    pub(crate) fn shift(&mut self, before: Date, after: Date) {
        let span = after - before;
        self.today = self.today.saturating_add(span);
        for memory in self.sessions.values_mut() {
            Family::ALL.into_iter().for_each(|family| memory.family_mut(family).shift(span));
        }
    }

    /// It is `today`. Computes what is due to be computed.
    pub(crate) fn tick(&mut self, today: Date) {
        let rolled = today != self.today;
        self.today = today;
        self.compute(rolled);
    }

    fn compute(&mut self, all: bool) {
        let Self { rules, today, sessions } = self;
        for memory in sessions.values_mut() {
            for family in Family::ALL {
                let history = memory.family_mut(family);
                if all {
                    history.prune(*today, rules.period_days);
                    history.limit = None;
                }
                let known = history.watched_secs >= rules.first.as_secs();
                if history.limit.is_none() && known {
                    history.limit = Some(limit_for(history.highest()));
                }
            }
        }
        if all {
            sessions
                .retain(|_, memory| !(memory.ipv4.days.is_empty() && memory.ipv6.days.is_empty()));
        }
    }

    /// The limits of a session by family, as far as they are known.
    pub(crate) fn limits(&self, key: &SessionKey, asn: u32) -> [Option<u32>; 2] {
        match self.sessions.get(key).filter(|memory| memory.asn == asn) {
            Some(memory) => [memory.ipv4.limit, memory.ipv6.limit],
            // Who does not want to watch first begins with the lowest limit.
            None => [self.rules.first.is_zero().then(|| limit_for(0)); 2],
        }
    }

    /// What is known of a session, for people.
    pub(crate) fn status(&self, key: &SessionKey, asn: u32, family: Family) -> LearnedLimit {
        let limits = self.limits(key, asn);
        let learning = limits[family.index()].is_none();
        let none = LearnedLimit { learning, ..LearnedLimit::default() };
        self.sessions.get(key).filter(|memory| memory.asn == asn).map_or(none, |memory| {
            let history = memory.family(family);
            LearnedLimit {
                highest: history.highest(),
                days: u32::try_from(history.days.len()).unwrap_or(u32::MAX),
                watched_secs: history.watched_secs,
                learning,
            }
        })
    }
}

#[cfg(test)]
mod tests;
