//! `rsctl top`: the members by what they keep us busy with, again and again.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::Look;
use super::json;
use super::members::state;
use super::run::Asker;
use super::table::{Cell, Column, Style, Table, cut};
use super::terminal::{self, Key, Screen, Size};
use super::text::{age, octets, plain, stamp};
use crate::control::answers::StatusAnswer;
use crate::control::client::ClientError;
use crate::control::peer::display_address;
use crate::control::protocol::Command;
use crate::runtime::status::{SessionId, SessionStatus};

/// Of a terminal that does not say.
const UNSAID: Size = Size { lines: 24, columns: 80 };
/// Lines around the sessions: three above, their heading, one below.
const FRAME_LINES: usize = 5;

/// UPDATEs in and out, ever.
type Counts = HashMap<SessionId, (u64, u64)>;

/// What is drawn: the last answer and what follows from it.
struct Picture {
    status: StatusAnswer,
    sessions: Vec<SessionStatus>,
    /// UPDATEs a second, in and out, in the order of `sessions`.
    rates: Vec<(f64, f64)>,
    /// In this order they are shown.
    order: Vec<usize>,
}

impl Picture {
    fn ask(asker: &Asker<'_>, before: Option<&(Instant, Counts)>) -> Result<Self, ClientError> {
        let status: StatusAnswer = asker.one(Command::Status)?;
        let sessions: Vec<SessionStatus> = asker.all(Command::Members { route_server: None })?;
        let rates = rates(&sessions, before, Instant::now());
        let weight = |index: usize| {
            let (received, sent) = rates[index];
            (sessions[index].lagging, received + sent, sessions[index].flaps)
        };
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        order.sort_by(|a, b| weight(*b).partial_cmp(&weight(*a)).unwrap_or(Ordering::Equal));
        Ok(Self { status, sessions, rates, order })
    }
}

/// On a terminal until somebody quits; else a picture, or a line of JSON, for each look.
pub(super) fn run(
    asker: &Asker<'_>,
    interval: u64,
    json: bool,
    look: &mut Look<'_>,
) -> Result<(), ClientError> {
    let interval = Duration::from_secs(interval);
    // An answer first: without a daemon there is nothing to show, and the screen stays as it is.
    let mut picture = Picture::ask(asker, None)?;
    let screen = if json { None } else { Screen::enter()? };
    let (mut first, mut trouble) = (0, None);
    loop {
        let before = (Instant::now(), counts(&picture.sessions));
        let next = before.0 + interval;
        look.now = Timestamp::now();
        match &screen {
            Some(screen) => {
                let quits = on_screen(screen, next, &picture, &mut first, trouble.as_ref(), look)?;
                if quits {
                    return Ok(());
                }
            }
            None => {
                write_plain(&picture, json, look)?;
                std::thread::sleep(interval);
            }
        }
        match Picture::ask(asker, Some(&before)) {
            Ok(now) => (picture, trouble) = (now, None),
            // It may come back: a restart is when one wants to look.
            Err(error) if screen.is_some() => trouble = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
}

/// Draws, and again for each key, until it is time for the next look. Whether to quit.
fn on_screen(
    screen: &Screen,
    next: Instant,
    picture: &Picture,
    first: &mut usize,
    trouble: Option<&String>,
    look: &mut Look<'_>,
) -> Result<bool, ClientError> {
    loop {
        let size = terminal::size().unwrap_or(UNSAID);
        let page = size.lines.saturating_sub(FRAME_LINES).max(1);
        let last = picture.sessions.len().saturating_sub(page);
        *first = (*first).min(last);
        write_screen(picture, size, *first, trouble, look)?;
        match screen.key(next.saturating_duration_since(Instant::now()))? {
            None | Some(Key::Again) => return Ok(false),
            Some(Key::Quit) => return Ok(true),
            Some(Key::Resized) => {}
            Some(Key::Up) => *first = first.saturating_sub(1),
            Some(Key::Down) => *first += 1,
            Some(Key::PageUp) => *first = first.saturating_sub(page),
            Some(Key::PageDown) => *first += page,
            Some(Key::First) => *first = 0,
            Some(Key::Last) => *first = last,
        }
    }
}

/// Line over line, so that the picture does not flicker and never scrolls.
fn write_screen(
    picture: &Picture,
    size: Size,
    first: usize,
    trouble: Option<&String>,
    look: &mut Look<'_>,
) -> io::Result<()> {
    let shown = size.lines.saturating_sub(FRAME_LINES).max(1);
    let mut text = Vec::new();
    let width = Some(size.columns);
    let mut page = Look { paint: look.paint, width, now: look.now, out: &mut text };
    draw(picture, first, shown, &mut page)?;
    let total = picture.sessions.len();
    let foot = match trouble {
        Some(trouble) => plain(trouble).into_owned(),
        None => format!(
            "{}-{} of {total}  q quits, arrows and pages scroll",
            (first + 1).min(total),
            (first + shown).min(total)
        ),
    };
    let style = if trouble.is_some() { Style::Bad } else { Style::Dim };
    let foot = look.paint.apply(style, &cut(&foot, size.columns));
    let text = String::from_utf8_lossy(&text);
    write!(look.out, "\x1b[H")?;
    for line in text.lines().take(size.lines.saturating_sub(1)) {
        write!(look.out, "{line}\x1b[K\r\n")?;
    }
    write!(look.out, "{foot}\x1b[J")?;
    look.out.flush()
}

fn write_plain(picture: &Picture, json: bool, look: &mut Look<'_>) -> Result<(), ClientError> {
    if json {
        let sessions = picture.sessions.iter().zip(&picture.rates);
        let rates = sessions.map(|(session, (received, sent))| {
            json!({ "id": session.id, "updates_in_per_sec": received, "updates_out_per_sec": sent })
        });
        let rates: Vec<_> = rates.collect();
        let line = json!({
            "at": look.now,
            "status": picture.status,
            "sessions": picture.sessions,
            "rates": rates,
        });
        writeln!(look.out, "{}", json::compact(&line)?)?;
    } else {
        draw(picture, 0, picture.sessions.len(), look)?;
        writeln!(look.out)?;
    }
    Ok(look.out.flush()?)
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

fn draw(picture: &Picture, first: usize, count: usize, look: &mut Look<'_>) -> io::Result<()> {
    let Picture { status, sessions, rates, order } = picture;
    let daemon = &status.daemon;
    let lagging = sessions.iter().filter(|session| session.lagging).count();
    let (total_in, total_out) = rates.iter().fold((0.0, 0.0), |sum, r| (sum.0 + r.0, sum.1 + r.1));
    let head = [
        format!(
            "up {}  sessions {}/{}  lagging {lagging}  memory {}  inbox {}",
            age(stamp(daemon.started), look.now),
            daemon.sessions_established,
            daemon.sessions_configured,
            octets(daemon.resident_octets),
            daemon.shard_inbox.iter().sum::<u64>()
        ),
        format!("UPDATEs a second: {total_in:.1} in, {total_out:.1} out"),
    ];
    for line in &head {
        writeln!(look.out, "{}", cut(line, look.width.unwrap_or(usize::MAX)))?;
    }
    writeln!(look.out)?;
    let several = sessions.windows(2).any(|w| w[0].id.route_server != w[1].id.route_server);
    let mut columns = Vec::new();
    if several {
        columns.push(Column::Left("RS"));
    }
    columns.extend([
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
    let spare = &["SINCE", "FLAPS", "OUT", "IN", "QUEUE", "NAME", "STATE", "UPD/S OUT"];
    let mut table = Table::new(columns).fit(look.width, &["NAME", "ADDRESS"], spare);
    for &index in order.iter().skip(first).take(count) {
        let session = &sessions[index];
        let (received, sent) = rates[index];
        let mut row = Vec::new();
        if several {
            row.push(Cell::from(&session.id.route_server));
        }
        row.extend([
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
        table.push(row);
    }
    table.write(look.paint, look.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::Paint;
    use crate::control::sample;
    use unicode_width::UnicodeWidthStr;

    fn picture(sessions: u32) -> Picture {
        let sessions: Vec<_> = (1..=sessions)
            .map(|n| sample::session("rs1", 65000 + n, "2001:db8:1::6:5010:1"))
            .collect();
        Picture {
            status: StatusAnswer {
                daemon: sample::daemon(),
                route_servers: Vec::new(),
                rpki: crate::control::answers::RpkiAnswer::default(),
            },
            rates: vec![(1.5, 2.0); sessions.len()],
            order: (0..sessions.len()).collect(),
            sessions,
        }
    }

    fn screen(sessions: u32, lines: usize, columns: usize, first: usize) -> Vec<String> {
        let mut out = Vec::new();
        let now = Timestamp::try_from(sample::time(sample::NOON)).unwrap();
        let mut look = Look { paint: Paint::Bare, width: None, now, out: &mut out };
        let size = Size { lines, columns };
        write_screen(&picture(sessions), size, first, None, &mut look).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = text.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
        text.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn no_screen_is_too_small_and_none_scrolls() {
        for (lines, columns) in [(1, 10), (3, 40), (24, 80), (50, 132), (24, 20)] {
            let drawn = screen(800, lines, columns, 0);
            assert!(drawn.len() <= lines.max(1), "{lines}x{columns}: {drawn:#?}");
            if columns >= 40 {
                let longest = drawn.iter().map(|line| line.width()).max();
                assert!(longest <= Some(columns), "{lines}x{columns}: {drawn:#?}");
            }
        }
    }

    #[test]
    fn a_line_of_json_steers_no_terminal() {
        let mut picture = picture(1);
        picture.sessions[0].last_down = Some("a\u{9b}2J\u{202e}".into());
        let mut out = Vec::new();
        let now = Timestamp::try_from(sample::time(sample::NOON)).unwrap();
        let mut look = Look { paint: Paint::Bare, width: None, now, out: &mut out };
        write_plain(&picture, true, &mut look).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("a\\u009b2J\\u202e"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["sessions"][0]["last_down"], "a\u{9b}2J\u{202e}");
    }

    #[test]
    fn a_long_list_is_scrolled() {
        let drawn = screen(800, 24, 120, 100);
        assert_eq!(drawn.len(), 24);
        assert!(drawn[4].contains("65101"), "{drawn:#?}");
        assert!(drawn[23].starts_with("101-119 of 800"), "{drawn:#?}");
        assert!(screen(2, 24, 80, 0).last().unwrap().starts_with("1-2 of 2"));
        assert!(screen(0, 24, 80, 0).last().unwrap().starts_with("0-0 of 0"));
    }
}
