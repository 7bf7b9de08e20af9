//! The timers of a connection. None of them reads a clock: `now` is an argument.

use std::time::{Duration, Instant};

/// What an expired hold timer is granted while unread input waits: our own back-pressure must not
/// kill a peer that has spoken.
pub(crate) const HOLD_GRANT: Duration = Duration::from_secs(10);

/// RFC 4271 §4.4: KEEPALIVEs must not come more often than one a second, whatever a third of the
/// hold time less the jitter is.
const MIN_KEEPALIVE: Duration = Duration::from_secs(1);

/// The longest time that any timer runs; what is configured beyond it is as good as for ever.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A moment in the future, whatever was configured: an [`Instant`] cannot go on for ever.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    now + time.min(FOR_EVER)
}

/// What the hold timer says when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Running,
    /// Time was granted: there is input that we did not read.
    Granted,
    Expired,
}

/// HoldTimer (RFC 4271 §8.2.2), and the time to the OPEN before there is one.
#[derive(Debug, Clone)]
pub(crate) struct HoldTimer {
    /// `None`: hold time zero was negotiated, the timer never runs.
    period: Option<Duration>,
    deadline: Option<Instant>,
    granted: bool,
    read_since_grant: bool,
}

impl HoldTimer {
    pub(crate) fn new(period: Duration, now: Instant) -> Self {
        let period = (!period.is_zero()).then_some(period);
        let deadline = period.map(|period| later(now, period));
        Self { period, deadline, granted: false, read_since_grant: false }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A message arrived that proves the peer alive (RFC 4271 §6.5: KEEPALIVE or UPDATE).
    pub(crate) fn restart(&mut self, now: Instant) {
        self.deadline = self.period.map(|period| later(now, period));
        self.granted = false;
        self.read_since_grant = false;
    }

    /// Octets were read, which need not make a message.
    pub(crate) fn note_octets(&mut self) {
        self.read_since_grant = true;
    }

    /// Brings the end nearer, never further away.
    pub(crate) fn shorten(&mut self, now: Instant, rest: Duration) {
        let end = later(now, rest);
        self.deadline = Some(self.deadline.map_or(end, |deadline| deadline.min(end)));
    }

    /// Asks whether the time is over. With unread input waiting, some more is granted, again and
    /// again as long as we do not come to read. A peer that trickles octets and never completes a
    /// message gets one grant only.
    pub(crate) fn check(&mut self, now: Instant, unread_input: bool) -> Expiry {
        match self.deadline {
            Some(deadline) if deadline <= now => {}
            _ => return Expiry::Running,
        }
        let trickle = self.granted && self.read_since_grant;
        if !unread_input || trickle {
            return Expiry::Expired;
        }
        self.granted = true;
        self.read_since_grant = false;
        self.deadline = Some(now + HOLD_GRANT);
        Expiry::Granted
    }
}

/// KeepaliveTimer (RFC 4271 §4.4).
#[derive(Debug, Clone)]
pub(crate) struct KeepaliveTimer {
    period: Option<Duration>,
    deadline: Option<Instant>,
}

impl KeepaliveTimer {
    /// A period of zero never runs: no KEEPALIVEs with hold time zero.
    pub(crate) fn new(period: Duration, now: Instant) -> Self {
        let period = (!period.is_zero()).then_some(period.max(MIN_KEEPALIVE));
        Self { period, deadline: period.map(|period| later(now, period)) }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether a KEEPALIVE is due; the next one is counted from now on, so that a late call makes
    /// no burst.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.deadline = self.period.map(|period| later(now, period));
        }
        due
    }
}

/// SendHoldTimer (RFC 9687). It runs only while octets wait and the socket takes none.
#[derive(Debug, Clone)]
pub(crate) struct SendHoldTimer {
    period: Option<Duration>,
    deadline: Option<Instant>,
}

impl SendHoldTimer {
    pub(crate) fn new(period: Option<Duration>) -> Self {
        Self { period, deadline: None }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn blocked(&mut self, now: Instant) {
        if self.deadline.is_none() {
            self.deadline = self.period.map(|period| later(now, period));
        }
    }

    pub(crate) fn progress(&mut self) {
        self.deadline = None;
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// The earliest of some deadlines.
pub(crate) fn earliest<const N: usize>(deadlines: [Option<Instant>; N]) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn hold_time_zero_never_expires() {
        let now = Instant::now();
        let mut timer = HoldTimer::new(Duration::ZERO, now);
        assert_eq!(timer.deadline(), None);
        timer.restart(now + S);
        assert_eq!(timer.check(now + 1_000_000 * S, false), Expiry::Running);
    }

    #[test]
    fn hold_expires_at_its_deadline_and_not_before() {
        let now = Instant::now();
        let mut timer = HoldTimer::new(90 * S, now);
        assert_eq!(timer.check(now + 89 * S, false), Expiry::Running);
        timer.restart(now + 89 * S);
        assert_eq!(timer.check(now + 178 * S, false), Expiry::Running);
        assert_eq!(timer.check(now + 179 * S, false), Expiry::Expired);
    }

    #[test]
    fn unread_input_is_read_before_expiry() {
        let now = Instant::now();
        let mut timer = HoldTimer::new(90 * S, now);
        assert_eq!(timer.check(now + 90 * S, true), Expiry::Granted);
        assert_eq!(timer.deadline(), Some(now + 100 * S));
        // Still too busy to read: granted again.
        assert_eq!(timer.check(now + 100 * S, true), Expiry::Granted);
        timer.restart(now + 105 * S);
        assert_eq!(timer.deadline(), Some(now + 195 * S));
    }

    #[test]
    fn a_trickle_of_octets_gets_one_grant() {
        let now = Instant::now();
        let mut timer = HoldTimer::new(90 * S, now);
        timer.note_octets();
        assert_eq!(timer.check(now + 90 * S, true), Expiry::Granted);
        timer.note_octets();
        assert_eq!(timer.check(now + 100 * S, true), Expiry::Expired);
    }

    #[test]
    fn shorten_never_lengthens() {
        let now = Instant::now();
        let mut timer = HoldTimer::new(3 * S, now);
        timer.shorten(now, 5 * S);
        assert_eq!(timer.deadline(), Some(now + 3 * S));
        timer.shorten(now, S);
        assert_eq!(timer.deadline(), Some(now + S));
    }

    #[test]
    fn keepalives_come_every_period_and_not_in_bursts() {
        let now = Instant::now();
        let mut timer = KeepaliveTimer::new(30 * S, now);
        assert!(!timer.take_due(now + 29 * S));
        assert!(timer.take_due(now + 100 * S));
        assert!(!timer.take_due(now + 100 * S));
        assert_eq!(timer.deadline(), Some(now + 130 * S));
    }

    #[test]
    fn rfc9687_send_hold_runs_while_blocked_only() {
        let now = Instant::now();
        let mut timer = SendHoldTimer::new(Some(480 * S));
        assert_eq!(timer.deadline(), None);
        timer.blocked(now);
        timer.blocked(now + 100 * S);
        assert_eq!(timer.deadline(), Some(now + 480 * S));
        timer.progress();
        assert_eq!(timer.deadline(), None);
        timer.blocked(now + 200 * S);
        assert!(!timer.is_expired(now + 679 * S));
        assert!(timer.is_expired(now + 680 * S));
        let mut never = SendHoldTimer::new(None);
        never.blocked(now);
        assert_eq!(never.deadline(), None);
    }
}
