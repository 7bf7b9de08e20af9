//! Text for terminals: what peers can influence cannot move the cursor, and numbers and times read well.

use std::time::SystemTime;

use jiff::Timestamp;

pub(super) use crate::plain::{is_plain, plain};

/// Seconds as bgpctl writes them: `01:02:03`, `3d04h`, `5w2d`.
pub(super) fn duration(secs: u64) -> String {
    const DAY: u64 = 86_400;
    match secs {
        0..DAY => format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60),
        _ if secs < 7 * DAY => format!("{}d{:02}h", secs / DAY, secs % DAY / 3600),
        _ => format!("{}w{}d", secs / (7 * DAY), secs / DAY % 7),
    }
}

/// A system time as a point on the calendar; `None` where it lies beyond it.
pub(super) fn stamp(at: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(at).ok()
}

/// The time from `since` to `now`.
pub(super) fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(
        || "-".to_owned(),
        |since| duration(u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0)),
    )
}

/// A point in time, to the second, UTC.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Octets with a unit.
pub(super) fn octets(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `1 route`, `2 routes`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration(3723), "01:02:03");
        assert_eq!(duration(86_399), "23:59:59");
        assert_eq!(duration(3 * 86_400 + 4 * 3600), "3d04h");
        assert_eq!(duration(37 * 86_400), "5w2d");
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(1_500_000), "1.5 MB");
    }
}
