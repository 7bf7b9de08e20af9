//! `rsctl top`: the members by what they keep us busy with, again and again.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Look;
use super::members::state;
use super::run::Asker;
use super::table::{Cell, Column, Table};
use super::text::{age, octets, stamp};
use crate::control::answers::StatusAnswer;
use crate::control::client::ClientError;
use crate::control::peer::display_address;
use crate::control::protocol::Command;
use crate::runtime::status::{SessionId, SessionStatus};

/// Lines of sessions, where the terminal does not say its height.
const DEFAULT_LINES: usize = 30;
/// Lines above the sessions.
const HEAD_LINES: usize = 4;

/// UPDATEs in and out, ever.
type Counts = HashMap<SessionId, (u64, u64)>;

pub(super) fn run(
    asker: &Asker<'_>,
    interval: u64,
    look: &mut Look<'_>,
) -> Result<(), ClientError> {
    let mut before: Option<(Instant, Counts)> = None;
    loop {
        look.now = Timestamp::now();
        let status: StatusAnswer = asker.one(Command::Status)?;
        let sessions: Vec<SessionStatus> = asker.all(Command::Members { route_server: None })?;
        let at = Instant::now();
        let rates = rates(&sessions, before.as_ref(), at);
        // Home, then clear what is below: the picture does not flicker.
        write!(look.out, "\x1b[H\x1b[J")?;
        draw(&status, &sessions, &rates, look)?;
        look.out.flush()?;
        before = Some((at, counts(&sessions)));
        std::thread::sleep(Duration::from_secs(interval));
    }
}

fn counts(sessions: &[SessionStatus]) -> Counts {
    sessions
        .iter()
        .map(|s| (s.id.clone(), (s.messages.received.update, s.messages.sent.update)))
        .collect()
}

/// UPDATEs a second, in and out, in the order of `sessions`.
fn rates(
    sessions: &[SessionStatus],
    before: Option<&(Instant, Counts)>,
    at: Instant,
) -> Vec<(f64, f64)> {
    let rate = |session: &SessionStatus| {
        let (then, counts) = before?;
        let (received, sent) = counts.get(&session.id)?;
        let secs = at.duration_since(*then).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown with one digit")]
        let per_sec = |now: u64, then: u64| now.saturating_sub(then) as f64 / secs;
        Some((
            per_sec(session.messages.received.update, *received),
            per_sec(session.messages.sent.update, *sent),
        ))
    };
    sessions.iter().map(|session| rate(session).unwrap_or_default()).collect()
}

fn draw(
    status: &StatusAnswer,
    sessions: &[SessionStatus],
    rates: &[(f64, f64)],
    look: &mut Look<'_>,
) -> io::Result<()> {
    let daemon = &status.daemon;
    let lagging = sessions.iter().filter(|session| session.lagging).count();
    let (total_in, total_out) = rates.iter().fold((0.0, 0.0), |sum, r| (sum.0 + r.0, sum.1 + r.1));
    writeln!(
        look.out,
        "up {}  sessions {}/{}  lagging {lagging}  memory {}  inbox {}",
        age(stamp(daemon.started), look.now),
        daemon.sessions_established,
        daemon.sessions_configured,
        octets(daemon.resident_octets),
        daemon.shard_inbox.iter().sum::<u64>()
    )?;
    writeln!(look.out, "UPDATEs a second: {total_in:.1} in, {total_out:.1} out\n")?;
    let mut order: Vec<usize> = (0..sessions.len()).collect();
    let weight = |index: usize| {
        let (received, sent) = rates[index];
        (sessions[index].lagging, received + sent, sessions[index].flaps)
    };
    order.sort_by(|a, b| weight(*b).partial_cmp(&weight(*a)).unwrap_or(std::cmp::Ordering::Equal));
    let mut table = Table::new([
        Column::Left("RS"),
        Column::Right("AS"),
        Column::Left("NAME"),
        Column::Left("ADDRESS"),
        Column::Left("STATE"),
        Column::Right("SINCE"),
        Column::Right("FLAPS"),
        Column::Right("IN"),
        Column::Right("OUT"),
        Column::Right("UPD/S IN"),
        Column::Right("UPD/S OUT"),
        Column::Right("QUEUE"),
    ]);
    for index in order.into_iter().take(lines()) {
        let session = &sessions[index];
        let (received, sent) = rates[index];
        table.push([
            Cell::from(&session.id.route_server),
            Cell::from(session.asn),
            Cell::from(&session.name),
            Cell::from(display_address(session)),
            state(session),
            Cell::from(age(stamp(session.since), look.now)),
            Cell::from(session.flaps),
            Cell::from(session.routes.iter().map(|routes| routes.received).sum::<u64>()),
            Cell::from(session.routes.iter().map(|routes| routes.exported).sum::<u64>()),
            Cell::from(format!("{received:.1}")),
            Cell::from(format!("{sent:.1}")),
            Cell::from(octets(session.send_queue_octets)),
        ]);
    }
    table.write(look.paint, look.out)
}

fn lines() -> usize {
    std::env::var("LINES")
        .ok()
        .and_then(|lines| lines.parse::<usize>().ok())
        .map_or(DEFAULT_LINES, |lines| lines.saturating_sub(HEAD_LINES).max(1))
}
