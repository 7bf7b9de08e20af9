//! The machine's clock, watched beside the monotonic one. One that jumps is not believed at once: what
//! is kept by the day (dynamic prefix limits) would be thrown away as too old, or as of the future,
//! because a machine came up with another year. One that is believed in the end moves it along
//! ([`News::Believed`]).
//!
//! A clock that is ahead at the start cannot be told from a daemon that was off for so long: what was
//! kept is too old then.

use std::time::{Duration, Instant, SystemTime};

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// How often it is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// What differs by no more is the clock being set right, or a machine that stood still.
const TOLERATED: Duration = Duration::from_secs(600);
/// A clock that goes on evenly for so long after it has jumped is right.
const BELIEVED_AFTER: Duration = Duration::from_secs(86_400);

/// The time at some moment, from which it goes on evenly.
#[derive(Debug, Clone, Copy)]
struct Course {
    wall: SystemTime,
    at: Instant,
}

impl Course {
    fn now(&self, now: Instant) -> SystemTime {
        self.wall + now.saturating_duration_since(self.at)
    }

    /// Whether a clock that shows `wall` now is on this course, more or less.
    fn has(&self, wall: SystemTime, now: Instant) -> bool {
        difference(wall, self.now(now)) <= TOLERATED
    }
}

fn difference(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It has jumped, by so much.
    Jumped {
        /// How far.
        by: Duration,
        /// Forward?
        ahead: bool,
    },
    /// It is where it was before it jumped.
    Back,
    /// It has gone on evenly for so long that it is believed.
    Believed {
        /// The day (UTC) until now.
        before: Date,
        /// The day as it shows it.
        after: Date,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    believed: Course,
    /// Where it has jumped to.
    doubted: Option<Course>,
}

impl Clock {
    pub(super) fn new(wall: SystemTime, at: Instant) -> Self {
        Self { believed: Course { wall, at }, doubted: None }
    }

    /// Something that was kept is of this day, so it is no earlier: a clock that says so is found to
    /// have jumped with the next look.
    pub(super) fn is_no_earlier(&mut self, day: Date, now: Instant) {
        if self.today(now) < day
            && let Ok(noon) = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC)
        {
            self.believed = Course { wall: noon.timestamp().into(), at: now };
        }
    }

    /// It shows `wall` now.
    pub(super) fn look(&mut self, wall: SystemTime, now: Instant) -> Option<News> {
        let seen = Course { wall, at: now };
        if self.believed.has(wall, now) {
            self.believed = seen;
            return self.doubted.take().map(|_| News::Back);
        }
        match self.doubted {
            Some(doubted) if doubted.has(wall, now) => {
                let believed = now.saturating_duration_since(doubted.at) >= BELIEVED_AFTER;
                believed.then(|| {
                    let before = self.today(now);
                    *self = Self { believed: seen, doubted: None };
                    News::Believed { before, after: self.today(now) }
                })
            }
            _ => {
                let before = self.doubted.unwrap_or(self.believed).now(now);
                self.doubted = Some(seen);
                Some(News::Jumped { by: difference(wall, before), ahead: wall > before })
            }
        }
    }

    /// The day (UTC) that is believed in.
    pub(super) fn today(&self, now: Instant) -> Date {
        let wall = self.believed.now(now);
        let since = jiff::Timestamp::try_from(wall).unwrap_or(jiff::Timestamp::MIN);
        since.to_zoned(TimeZone::UTC).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const YEARS: Duration = Duration::from_secs(10 * 366 * 86_400);

    /// Noon of 1 February 2026.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_947_200)
    }

    fn day(month: i8, day: i8) -> Date {
        jiff::civil::date(2026, month, day)
    }

    #[test]
    fn a_jump_is_told_once_and_not_believed() {
        let start = Instant::now();
        let mut clock = Clock::new(noon(), start);
        assert_eq!(clock.look(noon() + HOUR, start + HOUR), None);
        // Set right by some seconds, again and again: that is no jump.
        let mut wall = noon() + HOUR;
        for hours in 2..100 {
            wall += HOUR + Duration::from_secs(300);
            assert_eq!(clock.look(wall, start + HOUR * hours), None);
        }
        let at = start + HOUR * 100;
        let (jumped, there) = (wall + YEARS, clock.today(at));
        let by = YEARS - HOUR;
        assert_eq!(clock.look(jumped, at), Some(News::Jumped { by, ahead: true }));
        assert_eq!(clock.look(jumped + HOUR, at + HOUR), None, "told");
        assert_eq!(clock.today(at), there);
        // Another one, and back.
        let back = Some(News::Jumped { by: YEARS * 2, ahead: false });
        assert_eq!(clock.look(jumped + HOUR * 2 - YEARS * 2, at + HOUR * 2), back);
        assert_eq!(clock.look(wall + HOUR * 4, at + HOUR * 3), Some(News::Back));
        assert_eq!(clock.look(wall + HOUR * 5, at + HOUR * 4), None);
    }

    #[test]
    fn a_clock_that_goes_on_evenly_is_believed_after_a_day() {
        let start = Instant::now();
        let mut clock = Clock::new(noon() - YEARS, start);
        assert!(matches!(clock.look(noon(), start), Some(News::Jumped { ahead: true, .. })));
        assert_eq!(clock.look(noon() + HOUR * 23, start + HOUR * 23), None);
        let before = day(2, 2).checked_sub(jiff::Span::new().days(3660)).unwrap();
        let believed = Some(News::Believed { before, after: day(2, 2) });
        assert_eq!(clock.look(noon() + HOUR * 24, start + HOUR * 24), believed);
        assert_eq!(clock.today(start + HOUR * 24), day(2, 2));
    }

    #[test]
    fn what_was_kept_says_how_late_it_is_at_least() {
        let start = Instant::now();
        let mut clock = Clock::new(noon() - YEARS, start);
        clock.is_no_earlier(day(1, 30), start);
        assert_eq!(clock.today(start), day(1, 30));
        assert!(matches!(
            clock.look(noon() - YEARS, start),
            Some(News::Jumped { ahead: false, .. })
        ));
        clock.is_no_earlier(day(1, 20), start);
        assert_eq!(clock.today(start + HOUR * 24), day(1, 31));
    }
}
