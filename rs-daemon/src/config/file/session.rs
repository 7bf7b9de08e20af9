//! Keys of a session: they stand in `[[member.session]]`, in `[[member]]` for all sessions
//! of that member, or in `[[route_server]]` for all sessions of that server.

use std::time::Duration;

use bgp_wire::{Family, LinkLocalForm};

use crate::config::{
    report::{Located, Reports},
    table::{config_table, words},
    value::{FromText, FromValue, Input, text_values},
};

config_table! {
    /// A session takes each of these from `[[member.session]]`, else from `[[member]]`, else
    /// from `[[route_server]]`, else the default.
    SessionOptions in "[[member.session]], [[member]] or [[route_server]]" {
        /// Hold time that we propose: 0 or at least 3 seconds.
        hold_time: Duration = "\"90s\"",
        /// A peer that takes nothing for this long is dropped (RFC 9687). `"0s"`, or no hold time:
        /// never.
        send_hold_time: Duration = "the larger of 8 min and 2 × `hold_time`",
        /// Between our attempts to connect.
        connect_retry: Duration = "\"30s\"",
        /// Only the member connects. `false`: we connect as well.
        passive: bool = "true",
        /// GTSM: only packets with a TTL of 255 are taken (RFC 5082).
        ttl_security: bool = "false",
        /// What MP-BGP offers. IPv4 is offered on IPv6 transport even when RFC 8950 is not
        /// agreed.
        families: Vec<Located<FamilyWord>> = "[\"v4\"] over IPv4, [\"v4\", \"v6\"] over IPv6",
        /// Offer IPv4 routes with IPv6 next hops (RFC 8950).
        extended_next_hop: bool = "true over IPv6",
        /// `send`: offer to send every path that the member may have (RFC 7911).
        add_path: AddPath = "\"off\"; collectors: \"send\"",
        /// How a lone link-local next hop is written: `native` (`::` and the address),
        /// `single` (the address, 16 octets) or `double` (the address twice).
        link_local_next_hop: LinkLocalForm = "\"native\"",
        /// Offer messages up to 65535 octets (RFC 8654).
        extended_messages: bool = "true",
        /// Offer graceful restart (RFC 4724, RFC 8538).
        graceful_restart: bool = "true",
        /// Long-lived graceful restart (RFC 9494): how long stale routes live on at most; the
        /// member may ask for less.
        llgr: LlgrValue = "false",
        /// Take the role of a route server (RFC 9234) and check OTC. On regular servers only.
        role_rfc9234: bool = "false",
    }
}

/// `"v4"` or `"v6"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct FamilyWord(pub(in crate::config) Family);

words!(FamilyWord { "v4" => Self(Family::V4), "v6" => Self(Family::V6) });

/// Whether several paths are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum AddPath {
    Off,
    Send,
}

words!(AddPath { "off" => Self::Off, "send" => Self::Send });

words!(LinkLocalForm {
    "native" => Self::Native,
    "single" => Self::Single,
    "double" => Self::Double,
});

/// `false` or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct LlgrValue(pub(in crate::config) Option<Duration>);

impl FromValue for LlgrValue {
    fn kind() -> String {
        "a duration, or false".to_owned()
    }

    fn example() -> String {
        "write it like \"1h\", or false".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        match (input.value().as_bool(), input.value().as_str()) {
            (Some(false), _) => Some(Self(None)),
            (_, Some(_)) => Duration::from_value(input, reports).map(|time| Self(Some(time))),
            _ => {
                input.mismatch::<Self>(reports);
                None
            }
        }
    }
}

/// The reason why something is kept down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Reason(pub(in crate::config) String);

impl FromText for Reason {
    fn kind() -> &'static str {
        "a reason"
    }

    fn example() -> &'static str {
        "write why, it is shown and sent to the member: disabled = \"unpaid since May\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        // RFC 9003 §2: the text of a shutdown communication has at most 255 octets
        match text.len() {
            0 => Err("the reason is empty".to_owned()),
            1..=255 => Ok(Self(text.to_owned())),
            octets => Err(format!("the reason has {octets} octets; 255 can be sent")),
        }
    }
}

text_values!(Reason);
