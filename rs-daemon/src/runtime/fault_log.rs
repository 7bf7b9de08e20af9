//! What the log says of malformed UPDATEs (RFC 7606 §6): what is wrong, the prefixes, and the message
//! itself, so that its sender can be shown what it sent.

use std::fmt::{self, Display, Write as _};
use std::time::Instant;

use bgp_wire::Nlri;

use super::limits::FAULT_LOG_INTERVAL;
use super::log_limit::LogLimit;

/// So many prefixes are named, and the number of all. The message has every one of them.
const NAMED_PREFIXES: usize = 20;
/// Octets of a body that are shown: those of any message but an extended one (RFC 8654), which would
/// be 130 kB of text.
const SHOWN_OCTETS: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct FaultLog(LogLimit);

impl FaultLog {
    pub(super) fn new() -> Self {
        Self(LogLimit::new(FAULT_LOG_INTERVAL))
    }

    /// `fault`: what is wrong; `body`: the UPDATE behind its header; `prefixes`: those in it, as far
    /// as they could be read.
    pub(super) fn say<'a>(
        &mut self,
        now: Instant,
        fault: &impl Display,
        prefixes: impl Iterator<Item = &'a Nlri>,
        body: &[u8],
    ) {
        if let Some(unsaid) = self.0.admit(now) {
            write_line(fault, prefixes, body, unsaid);
        }
    }

    /// The one that ends the session is said however soon it comes: no other line follows.
    pub(super) fn say_last<'a>(
        &mut self,
        now: Instant,
        fault: &impl Display,
        prefixes: impl Iterator<Item = &'a Nlri>,
        body: &[u8],
    ) {
        let unsaid = self.0.force(now);
        write_line(fault, prefixes, body, unsaid);
    }
}

fn write_line<'a>(
    fault: &impl Display,
    prefixes: impl Iterator<Item = &'a Nlri>,
    body: &[u8],
    unsaid: u64,
) {
    let prefixes = named(prefixes);
    let update = Hex(body);
    tracing::info!(%fault, %prefixes, %update, unsaid, "malformed UPDATE");
}

fn named<'a>(prefixes: impl Iterator<Item = &'a Nlri>) -> String {
    let (mut text, mut count) = (String::new(), 0);
    for nlri in prefixes {
        if count < NAMED_PREFIXES {
            let comma = if count > 0 { " " } else { "" };
            let _ = write!(text, "{comma}{}", nlri.prefix);
        }
        count += 1;
    }
    if count > NAMED_PREFIXES {
        let _ = write!(text, " and {} more", count - NAMED_PREFIXES);
    }
    if count == 0 { "none that can be read".to_owned() } else { text }
}

/// Two digits for each octet.
struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..SHOWN_OCTETS).unwrap_or(self.0);
        shown.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "… and {more} octets more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_a_message_is() {
        let prefix = |n: u8| Nlri { prefix: format!("20.0.{n}.0/24").parse().unwrap(), path_id: 0 };
        let all: Vec<Nlri> = (0..25).map(prefix).collect();
        assert!(named(all.iter()).ends_with("20.0.19.0/24 and 5 more"));
        assert_eq!(named(all[..2].iter()), "20.0.0.0/24 20.0.1.0/24");
        assert_eq!(named([].iter()), "none that can be read");
        assert_eq!(Hex(&[0, 0xab]).to_string(), "00ab");
        let text = Hex(&[7; 65_000]).to_string();
        assert!(text.ends_with("07… and 60904 octets more"));
    }
}
