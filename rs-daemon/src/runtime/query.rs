//! Questions about routes, and their answers.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::status::SessionId;

/// How `prefix` of a [`RouteQuery`] is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrefixMatch {
    /// This prefix only.
    #[default]
    Exact,
    /// This prefix and what it lies in.
    Covering,
    /// This prefix and what lies in it.
    Covered,
    /// The longest that covers it (an address given as /32 or /128).
    Longest,
}

/// Which routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteQuery {
    /// Name of the route server; needed where there are several.
    pub route_server: Option<String>,
    /// A prefix or an address.
    pub prefix: Option<String>,
    /// How it is meant.
    #[serde(default)]
    pub prefix_match: PrefixMatch,
    /// Received from this session.
    pub from: Option<SessionId>,
    /// In this session's Adj-RIB-Out.
    pub to: Option<SessionId>,
    /// Of a prefix of which this session was given nothing.
    #[serde(default)]
    pub not_to: Option<SessionId>,
    /// `Some(true)`: rejected ones only; `Some(false)`: accepted ones only.
    pub filtered: Option<bool>,
    /// Carries this community (any of the three kinds, as text).
    pub community: Option<String>,
    /// Originated by this AS.
    pub origin: Option<u32>,
    /// Only this family ("ipv4" or "ipv6").
    pub family: Option<String>,
    /// Only routes that are some member's best (the first candidate).
    #[serde(default)]
    pub best: bool,
}

/// Where to go on, opaque to the asker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// A part of an answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoutePage {
    /// The routes, in the order of their prefixes.
    pub routes: Vec<RouteEntry>,
    /// Present when there is more.
    pub next: Option<Cursor>,
}

/// One route of one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteEntry {
    /// The prefix.
    pub prefix: String,
    /// Who sent it.
    pub from: SessionId,
    /// The sender's AS.
    pub from_asn: u32,
    /// The next hop as the peer sent it (or as it goes out, with `to`).
    pub next_hop: String,
    /// The global address of the next hop, or its only one.
    pub gateway: IpAddr,
    /// AS_PATH, with sets in braces.
    pub as_path: String,
    /// "igp", "egp" or "incomplete".
    pub origin: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// RFC 1997.
    pub communities: Vec<String>,
    /// RFC 4360 and RFC 5701.
    pub extended_communities: Vec<String>,
    /// RFC 8092.
    pub large_communities: Vec<String>,
    /// RFC 9234.
    pub otc: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// "AS address".
    pub aggregator: Option<String>,
    /// Unknown transitive attributes: (flags, code, value in hex).
    pub unknown: Vec<(u8, u8, String)>,
    /// Path identifier in the Adj-RIB-Out of an ADD-PATH peer.
    pub path_id: Option<u32>,
    /// Why it is not eligible.
    pub reject: Option<RejectEntry>,
    /// Whether it is the first candidate of its prefix.
    pub best: bool,
    /// Kept over the peer's restart (RFC 4724, RFC 9494).
    pub stale: bool,
    /// Seconds since it came, where known.
    pub age_secs: Option<u64>,
    /// RPKI state ("valid", "invalid", "not-found", "not-checked"), where known.
    pub rov: Option<String>,
    /// IRR state ("in-set", "not-in-set", "not-checked"), where known.
    pub irr: Option<String>,
}

/// A reject reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RejectEntry {
    /// Our code.
    pub code: u16,
    /// The Euro-IX code.
    pub euro_ix: u16,
    /// The kebab-case name.
    pub name: String,
    /// A sentence.
    pub text: String,
}

/// Why a member has, or has not, got a prefix.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The prefix.
    pub prefix: String,
    /// The receiving session.
    pub to: SessionId,
    /// Every candidate, in order of preference, ineligible ones last.
    pub candidates: Vec<ExplainedCandidate>,
    /// Index into `candidates` of what the member has (several with ADD-PATH).
    pub chosen: Vec<usize>,
    /// A sentence that sums it up.
    pub summary: String,
}

/// One candidate's way through the checks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedCandidate {
    /// The route, as the member has it where it does, and as received where it does not.
    pub route: RouteEntry,
    /// Each check that it met, in order.
    pub checks: Vec<ExplainedCheck>,
    /// Whether this member may have it, can take it, and has it.
    pub outcome: String,
}

/// One check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedCheck {
    /// Its name.
    pub check: String,
    /// "pass", "fail", "skip", "note".
    pub outcome: String,
    /// The datum that decided.
    pub detail: String,
}

/// What an operator does to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum SessionAction {
    /// Cease/Administrative Reset, then up again.
    Reset {
        /// RFC 9003 text for the peer.
        text: Option<String>,
    },
    /// Asks the peer to send its routes again (RFC 2918).
    SoftIn,
    /// Cease/Administrative Shutdown, stays down.
    Disable {
        /// RFC 9003 text for the peer, and the reason shown to operators.
        text: Option<String>,
    },
    /// Ends `Disable`, and a shutdown by prefix limit.
    Enable,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownKind {
    /// Cease/Administrative Shutdown to everybody.
    Cease,
    /// No NOTIFICATION, so that graceful restart helpers keep our routes.
    Graceful,
}

/// What a reload did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Sessions that are new.
    pub added: Vec<SessionId>,
    /// Sessions that are gone.
    pub removed: Vec<SessionId>,
    /// Sessions that restart, and why.
    pub restarted: Vec<(SessionId, String)>,
    /// Route servers whose policy changed without any session reset.
    pub policy_changed: Vec<Arc<str>>,
    /// What else changes without a reset of any session, in words.
    #[serde(default)]
    pub details: Vec<String>,
    /// Changes that need a restart of the process to take effect.
    pub needs_restart: Vec<String>,
    /// Warnings of the configuration, but those that the running one has as well.
    pub warnings: Vec<String>,
}

/// What a new configuration would change on the live table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DiffReport {
    /// Sessions.
    pub sessions: ReloadReport,
    /// For each member session with a difference.
    pub members: Vec<MemberDiff>,
}

/// Routes gained and lost for one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberDiff {
    /// Who.
    pub session: SessionId,
    /// Its AS.
    pub asn: u32,
    /// Its name.
    pub name: String,
    /// Routes it would gain in its Adj-RIB-Out.
    pub gained: u64,
    /// Routes it would lose.
    pub lost: u64,
    /// Routes whose attributes would change.
    pub changed: u64,
    /// Of its own routes: newly accepted.
    pub newly_accepted: u64,
    /// Of its own routes: newly rejected.
    pub newly_rejected: u64,
    /// The first few, as text.
    pub examples: Vec<String>,
}
