//! Segments that the kernel drops for their signature (TCP MD5, RFC 2385; TCP-AO, RFC 5925). No
//! socket hears of them, so that a wrong password looks like a peer that is not there. All there
//! is are counters of the network namespace: when they grow, the log says so, and which sessions
//! may be meant.

use std::time::{Duration, Instant};

use policy::Slot;

use super::log_limit::LogLimit;
use super::status::SignatureFailures;
use super::supervisor::Supervisor;
use crate::config::MemberSession;

/// How often the counters are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Time between two lines about them.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Sessions that a line names.
const NAMED: usize = 5;

/// What was said last.
#[derive(Debug)]
pub(super) struct Signatures {
    said: SignatureFailures,
    log: LogLimit,
}

impl Default for Signatures {
    /// Nothing that happened before our start is ours.
    fn default() -> Self {
        Self { said: read(), log: LogLimit::new(LOG_INTERVAL) }
    }
}

/// The counters as they are; zero where the kernel has none.
pub(crate) fn read() -> SignatureFailures {
    parse(&std::fs::read_to_string("/proc/net/netstat").unwrap_or_default())
}

/// Two lines of `TcpExt:`, names and values.
fn parse(text: &str) -> SignatureFailures {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut failures = SignatureFailures::default();
    for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
        let value = value.parse().unwrap_or(0);
        match name {
            "TCPMD5Failure" => failures.md5_wrong = value,
            "TCPMD5NotFound" => failures.md5_missing = value,
            "TCPMD5Unexpected" => failures.md5_unexpected = value,
            "TCPAOBad" => failures.ao_wrong = value,
            "TCPAOKeyNotFound" => failures.ao_unknown_key = value,
            "TCPAORequired" => failures.ao_missing = value,
            _ => {}
        }
    }
    failures
}

impl Supervisor {
    /// Says what has come since it was said last.
    pub(super) async fn look_at_signatures(&mut self) {
        let now = read();
        let said = self.signatures.said;
        if now == said || self.signatures.log.admit(Instant::now()).is_none() {
            return;
        }
        self.signatures.said = now;
        let any_key = self.inner.config.load().sessions().any(is_signed);
        let (wrong, missing) = of_keys(&now, &said, any_key);
        let unexpected = now.md5_unexpected.saturating_sub(said.md5_unexpected);
        if wrong + missing > 0 {
            let sessions = self.not_up(is_signed).await;
            tracing::warn!(
                wrong,
                missing,
                sessions,
                "the kernel drops segments with a wrong signature, or with none where a password is \
                 configured: is it the same on both sides?"
            );
        }
        if unexpected > 0 {
            let sessions = self.not_up(|session| !is_signed(session)).await;
            tracing::warn!(
                unexpected,
                sessions,
                "the kernel drops segments with a TCP MD5 signature from a peer for which no password \
                 is configured"
            );
        }
    }

    /// The first few sessions of a kind that are not established, by name.
    async fn not_up(&self, kind: impl Fn(&MemberSession) -> bool) -> String {
        let config = self.inner.config.load_full();
        let mut names = Vec::new();
        for index in 0..self.slots.len() {
            let keys = self.slots[index].keys();
            let up: Vec<Slot> =
                self.established(index).await.into_iter().map(|(slot, _)| slot).collect();
            for (at, key) in keys.iter().enumerate() {
                let Some(session) = key.as_ref().and_then(|key| config.session(key)) else {
                    continue;
                };
                let is_up = up.iter().any(|slot| slot.index() == at);
                if !is_up && session.disabled.is_none() && kind(session) {
                    names.push(format!("{} (AS{})", session.key, session.asn.0));
                }
            }
        }
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        names.join(", ")
    }
}

/// Wrong and missing signatures that have come. The counters are those of all programs in the
/// network namespace: where no session has a key, it is another's that was wanted.
fn of_keys(now: &SignatureFailures, said: &SignatureFailures, any_key: bool) -> (u64, u64) {
    if !any_key {
        return (0, 0);
    }
    let new = |count: fn(&SignatureFailures) -> u64| count(now).saturating_sub(count(said));
    let wrong = new(|f| f.md5_wrong) + new(|f| f.ao_wrong) + new(|f| f.ao_unknown_key);
    (wrong, new(|f| f.md5_missing) + new(|f| f.ao_missing))
}

const fn is_signed(session: &MemberSession) -> bool {
    session.password.is_some() || session.tcp_ao.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_other_programs_are_meant() {
        let said = SignatureFailures { md5_missing: 1, ..SignatureFailures::default() };
        let now = SignatureFailures { md5_missing: 3, ao_wrong: 1, ..said };
        assert_eq!(of_keys(&now, &said, true), (1, 2));
        assert_eq!(of_keys(&now, &said, false), (0, 0));
    }

    #[test]
    fn the_kernels_counters_are_read_by_name() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPAOBad\n\
                    TcpExt: 9 1 2 3 4\nIpExt: TCPMD5Failure\nIpExt: 7\n";
        let expected = SignatureFailures {
            md5_missing: 1,
            md5_unexpected: 2,
            md5_wrong: 3,
            ao_wrong: 4,
            ..SignatureFailures::default()
        };
        assert_eq!(parse(text), expected);
        assert_eq!(parse(""), SignatureFailures::default());
    }
}
