//! `[route_server.import]` and `[member.import]`: what is checked on the way in.

use std::time::Duration;

use bgp_wire::{Asn, Prefix};
use policy::{CheckMode, NextHopMode, Pattern};

use crate::config::{
    LimitAction, LimitCount,
    report::{Located, Reports},
    table::{config_table, words},
    value::{FromValue, Input},
};

config_table! {
    /// What is checked on the way in. The same keys in `[member.import]` are exceptions for
    /// one member. The defaults are those of the server's kind: a chaos server checks nothing.
    ImportTable in "[route_server.import]" {
        /// Refuse bogon prefixes and what is more specific; the built-in list is shown by
        /// `rsctl policy`.
        bogon_prefixes: bool = "true; chaos: false",
        /// Refuse the peering LAN and `blacklist`, and what is more specific.
        peering_lan: bool = "true; chaos: false",
        /// Refuse IPv6 outside 2000::/3.
        global_unicast_only: bool = "true; chaos: false",
        /// Shortest and longest prefix by the family of the route:
        /// `{ v4 = [8, 24], v6 = [12, 48] }`, or false.
        prefix_length: PrefixLengthValue = "{ v4 = [8, 24], v6 = [12, 48] }; chaos: false",
        /// Longest AS_PATH. 0: any.
        as_path_max: u32 = "32; chaos: 0",
        /// Refuse routes without an AS_PATH.
        as_path_required: bool = "true; chaos: false",
        /// The leftmost AS is the member's.
        first_as: bool = "true; chaos: false",
        /// Refuse paths with AS_SET or AS_CONFED segments (RFC 9774).
        reject_as_sets: bool = "true; chaos: false",
        /// `strict`: any address of the same `[[member]]` entry; `same-as`: of any session of
        /// that AS; `lan`: inside `peering_lan`; `any`. A link-local address has to be the
        /// member's own (`same-as`: of that AS), but for `any`.
        next_hop: NextHopMode = "\"strict\"; chaos: \"any\"",
        /// Refuse paths with bogon AS numbers.
        bogon_asns: bool = "true; chaos: false",
        /// ASNs that must not stand in the path, the member's own excepted.
        transit_free: Vec<Located<Asn>> = "the built-in list; chaos: []",
        /// Likewise, for networks that are never to be reached by route servers.
        never_via_rs: Vec<Located<Asn>> = "[]",
        /// Routes that the IRR does not know: `reject`, `tag`, `per-member` (each receiver's
        /// `filter` decides) or `off`.
        irr: CheckMode = "\"reject\"; chaos: \"off\"",
        /// Routes that are ROV INVALID; NotFound passes.
        rpki: CheckMode = "\"reject\"; chaos: \"off\"",
        /// Routes that are ASPA INVALID: `reject`, `tag` or `off`.
        aspa: CheckMode = "\"off\"",
        /// Prefixes more specific than the route objects' pass, up to `prefix_length`.
        irr_more_specifics: bool = "true",
        /// Authorised beside what the IRR says: `{ asns = [], prefixes = [] }`.
        irr_extra: IrrExtraTable = "nothing",
        /// A set that expands to more prefixes does not count: `{ v4 = 1000, v6 = 100 }`.
        irr_max_prefixes: FamilyNumbers = "any number",
        /// A set that holds a transit-free AS does not count.
        irr_refuse_transit_free: bool = "false",
        /// Most communities of all kinds together. 0: any number.
        max_communities: u32 = "100; chaos: 0",
        /// Obey blackhole requests (RFC 7999) for prefixes that a route object, a ROA or the
        /// operator says to be the member's: with `irr = "off"`, none.
        blackhole: bool = "false",
        /// Add NO_EXPORT to blackhole routes.
        blackhole_no_export: bool = "true",
        /// Routes with GRACEFUL_SHUTDOWN are the last choice (RFC 8326).
        graceful_shutdown: bool = "true",
        /// Prefixes that are refused, and what is more specific. A member's list adds to the
        /// route server's.
        blacklist: Vec<Located<Prefix>> = "[]",
        /// Communities that are added to every route of the member.
        attach_communities: Vec<Located<Pattern>> = "[]",
        /// Prefix limits of each session: `{ v4, v6, total, action, count, restart_after }`,
        /// `"dynamic"` (follow what was announced lately, see `[dynamic_limits]`; the action is
        /// `shutdown`) or `"off"`.
        max_prefixes: MaxPrefixes =
            "{ v4 = 170000, v6 = 12000, action = \"shutdown\" }; chaos: { total = 2000, action = \"shutdown\" }",
        /// The limits of a transit sponsor, instead of `max_prefixes`.
        sponsor_max_prefixes: MaxPrefixes = "{ v4 = 1500000, v6 = 400000 }",
        /// Which routes count towards the limits: `received` (rejected ones included) or
        /// `accepted`, with rejected ones bounded by twice the limit and 1,000. May stand in
        /// `max_prefixes` as well.
        count: LimitCount = "\"received\"",
        /// With action `restart`: when the session comes back. May stand in `max_prefixes`
        /// as well.
        restart_after: Duration = "\"30m\"",
    }
}

config_table! {
    /// Prefix limits: N routes are allowed, the next one acts. A warning comes at 80 %.
    LimitsTable in "max_prefixes" {
        /// IPv4 routes. 4294967295: any number.
        v4: u32 = "as in `max_prefixes`",
        /// IPv6 routes. 4294967295: any number.
        v6: u32 = "as in `max_prefixes`",
        /// Routes of both families together.
        total: u32 = "as in `max_prefixes`",
        /// `warn`, `block` (the excess is not taken), `restart` (down, back after
        /// `restart_after`) or `shutdown` (down until enabled).
        action: LimitAction = "\"shutdown\"",
        /// `received` (rejected routes included) or `accepted`.
        count: LimitCount = "\"received\"",
        /// With action `restart`: when the session comes back.
        restart_after: Duration = "\"30m\"",
    }
}

config_table! {
    /// Authorised beside what the IRR says.
    IrrExtraTable in "irr_extra" {
        /// Origin ASNs.
        asns: Vec<Located<Asn>> = "[]",
        /// Prefixes, and what is more specific if `irr_more_specifics`.
        prefixes: Vec<Located<Prefix>> = "[]",
    }
}

config_table! {
    /// A number for each family.
    FamilyNumbers in "irr_max_prefixes" {
        /// IPv4.
        v4: u32 = "any number",
        /// IPv6.
        v6: u32 = "any number",
    }
}

config_table! {
    /// Shortest and longest prefix for each family, both inclusive.
    PrefixLengthTable in "prefix_length" {
        /// IPv4.
        v4: LengthRange = "[8, 24]",
        /// IPv6.
        v6: LengthRange = "[12, 48]",
    }
}

words!(NextHopMode {
    "strict" => Self::Strict,
    "same-as" => Self::SameAs,
    "lan" => Self::Lan,
    "any" => Self::Any,
});

words!(CheckMode {
    "reject" => Self::Reject,
    "tag" => Self::Tag,
    "per-member" => Self::PerMember,
    "off" => Self::Off,
});

words!(LimitAction {
    "shutdown" => Self::Shutdown,
    "restart" => Self::Restart,
    "block" => Self::Block,
    "warn" => Self::Warn,
});

words!(LimitCount { "received" => Self::Received, "accepted" => Self::Accepted });

/// `max_prefixes`: a table or a word.
#[derive(Debug)]
pub(in crate::config) enum MaxPrefixes {
    Off,
    Dynamic,
    Table(LimitsTable),
}

impl FromValue for MaxPrefixes {
    fn kind() -> String {
        "a table of limits, \"dynamic\" or \"off\"".to_owned()
    }

    fn example() -> String {
        "write it like { v4 = 200, v6 = 100, action = \"shutdown\" }, \"dynamic\" or \"off\""
            .to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        match input.value().as_str() {
            Some("dynamic") => Some(Self::Dynamic),
            Some("off") => Some(Self::Off),
            Some(other) => {
                reports.error(input.at(), format!("unknown value \"{other}\""), Self::example());
                None
            }
            None if input.value().is_table() => {
                LimitsTable::from_value(input, reports).map(Self::Table)
            }
            None => {
                input.mismatch::<Self>(reports);
                None
            }
        }
    }
}

/// `prefix_length`: a table, or false.
#[derive(Debug)]
pub(in crate::config) enum PrefixLengthValue {
    Off,
    Table(PrefixLengthTable),
}

impl FromValue for PrefixLengthValue {
    fn kind() -> String {
        "a table of ranges, or false".to_owned()
    }

    fn example() -> String {
        "write it like { v4 = [8, 24], v6 = [12, 48] }, or false".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        if input.value().as_bool() == Some(false) {
            return Some(Self::Off);
        }
        if input.value().is_table() {
            return PrefixLengthTable::from_value(input, reports).map(Self::Table);
        }
        input.mismatch::<Self>(reports);
        None
    }
}

/// `[shortest, longest]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct LengthRange(pub(in crate::config) u8, pub(in crate::config) u8);

impl FromValue for LengthRange {
    fn kind() -> String {
        "two prefix lengths".to_owned()
    }

    fn example() -> String {
        "write the shortest and the longest, like [8, 24]".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        let numbers = Vec::<Located<u8>>::from_value(input, reports)?;
        match numbers.as_slice() {
            [shortest, longest] => Some(Self(shortest.value, longest.value)),
            _ => {
                let message = format!("expected two prefix lengths, found {}", numbers.len());
                reports.error(input.at(), message, Self::example());
                None
            }
        }
    }
}
