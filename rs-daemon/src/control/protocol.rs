//! What goes over the control socket: a [`Request`] on one line, then [`Line`]s until `end` or
//! `error`. Long answers are many `item` lines, so neither side holds all of one.

use serde::{Deserialize, Serialize};

/// Raised when a request or an answer changes so that an older side would misread it.
pub const VERSION: u16 = 1;

/// Longest request line. Requests name things, they carry none.
pub const MAX_REQUEST_OCTETS: usize = 64 * 1024;

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`] of the asking side.
    pub version: u16,
    /// What is asked.
    pub request: Command,
}

impl Request {
    /// A request of this version.
    #[must_use]
    pub fn new(request: Command) -> Self {
        Self { version: VERSION, request }
    }
}

/// Everything that can be asked. The comment names the type of the answer's items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// `Status`, one.
    Status,
    /// `Session`, one for each session.
    Members {
        /// Of this route server only.
        route_server: Option<String>,
    },
    /// `SessionDetail`, one.
    Member(PeerQuery),
    /// `Route`, any number.
    Routes(RouteQuery),
    /// `Explanation`, one.
    Explain(ExplainQuery),
    /// `Diff`, one.
    Diff {
        /// The configuration to compare with, absolute.
        file: String,
    },
    /// `Done`: read the configuration file again.
    Reload,
    /// `Done`.
    Session {
        /// What to do.
        action: SessionAction,
        /// To whom.
        #[serde(flatten)]
        peer: PeerQuery,
        /// Told to the peer (RFC 9003) where the action closes the session.
        reason: Option<String>,
    },
    /// `Done`: add GRACEFUL_SHUTDOWN to everything exported, or no longer.
    Drain {
        /// On or off.
        on: bool,
    },
    /// `Done`.
    Shutdown {
        /// Without NOTIFICATION, so that helpers keep our routes (RFC 4724).
        graceful: bool,
    },
    /// `Rpki`, one.
    Rpki,
    /// `IrrStatus`, one for each set and each RPSL policy; with `refresh` a `Done`.
    Irr {
        /// Ask the servers now.
        refresh: bool,
    },
    /// `BmpCollectorStatus`, one for each collector.
    Bmp,
    /// `Done`: write MRT tables now.
    MrtDump {
        /// Of this route server only.
        route_server: Option<String>,
    },
    /// `Document`.
    Policy {
        /// Of which route server.
        route_server: String,
        /// A document for members instead of a listing.
        markdown: bool,
    },
    /// `Document`: IX-F member export.
    Ixf,
    /// `Document`: an RPSL object.
    AsSet {
        /// Name of the object.
        name: String,
        /// Members connected there.
        route_server: String,
        /// ipv4 or ipv6 only.
        family: Option<String>,
    },
    /// `Document`: configuration for a member's router.
    ClientConfig {
        /// The member.
        asn: u32,
        /// Whose syntax.
        style: String,
    },
}

impl Command {
    /// Whether it changes anything.
    #[must_use]
    pub fn acts(&self) -> bool {
        matches!(
            self,
            Self::Reload
                | Self::Session { .. }
                | Self::Drain { .. }
                | Self::Shutdown { .. }
                | Self::Irr { refresh: true }
                | Self::MrtDump { .. }
        )
    }
}

/// A session by address or AS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerQuery {
    /// Address with or without zone, or AS number with or without "AS".
    pub peer: String,
    /// Needed where the answer is ambiguous.
    pub route_server: Option<String>,
}

/// Which routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteQuery {
    /// This destination; with `covering` or `covered` those around it. An address means longest match.
    pub prefix: Option<String>,
    /// Of this route server.
    pub route_server: Option<String>,
    /// Announced by this peer.
    pub from: Option<String>,
    /// Sent to this peer (its Adj-RIB-Out).
    pub to: Option<String>,
    /// Only those with a reject reason.
    pub filtered: bool,
    /// Less specific destinations too.
    pub covering: bool,
    /// More specific destinations too.
    pub covered: bool,
    /// Carrying this community.
    pub community: Option<String>,
    /// Originated by this AS.
    pub origin: Option<u32>,
    /// No more than these.
    pub limit: Option<usize>,
}

/// Which decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// The destination.
    pub prefix: String,
    /// The member.
    pub to: String,
    /// Needed where the answer is ambiguous.
    pub route_server: Option<String>,
}

/// What can be done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionAction {
    /// Close it; it comes back by itself.
    Reset,
    /// Ask the peer for its routes again (RFC 2918).
    SoftIn,
    /// Close it and keep it closed.
    Disable,
    /// Let it come up again.
    Enable,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line<T = serde_json::Value> {
    /// A part of the answer.
    Item(T),
    /// The answer is complete.
    End {
        /// How many items it had.
        items: u64,
    },
    /// The daemon says no.
    Error(Refusal),
}

/// Why the daemon says no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind, for programs.
    pub kind: RefusalKind,
    /// The sentence, for people.
    pub message: String,
    /// What the asker may have meant.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub choices: Vec<String>,
}

impl Refusal {
    /// A refusal without choices.
    #[must_use]
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), choices: Vec::new() }
    }

    /// Something named does not exist.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::NotFound, message)
    }

    /// The request makes no sense.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        for choice in &self.choices {
            write!(f, "\n  {choice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// Not a request of this version.
    Version,
    /// Not understood, or contradictory.
    Invalid,
    /// Names nothing.
    NotFound,
    /// Names several things.
    Ambiguous,
    /// Cannot be done now.
    Unavailable,
    /// The configuration has errors.
    Configuration,
    /// Too many or too long.
    Limit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        let all = [
            Command::Status,
            Command::Member(PeerQuery { peer: "AS1".into(), route_server: None }),
            Command::Session {
                action: SessionAction::SoftIn,
                peer: PeerQuery { peer: "fe80::1%eth0".into(), route_server: Some("rs1".into()) },
                reason: Some("maintenance".into()),
            },
            Command::Routes(RouteQuery { filtered: true, ..RouteQuery::default() }),
        ];
        for command in all {
            let request = Request::new(command);
            let line = serde_json::to_string(&request).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let line = r#"{"version":1,"request":{"command":"routes","prefxi":"10.0.0.0/8"}}"#;
        assert!(serde_json::from_str::<Request>(line).is_err());
    }

    #[test]
    fn lines_have_stable_shapes() {
        let line = serde_json::to_string(&Line::<u8>::End { items: 3 }).unwrap();
        assert_eq!(line, r#"{"end":{"items":3}}"#);
        let line = serde_json::to_string(&Line::Item(5)).unwrap();
        assert_eq!(line, r#"{"item":5}"#);
    }
}
