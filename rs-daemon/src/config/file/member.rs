//! `[[member]]` and `[[member.session]]`.

use std::{net::Ipv6Addr, path::PathBuf};

use bgp_wire::Asn;
use policy::{FilterMode, Role};

use super::{
    import_policy::{ImportTable, MaxPrefixes},
    route_server::SessionAddress,
    session::{Reason, SessionOptions},
};
use crate::config::{
    AoAlgorithm, Secret,
    report::{Located, Reports},
    table::{config_table, words},
    value::{FromText, FromValue, Input, integer},
};

config_table! {
    /// A member. Several may share an AS: then each vouches for its own next hops only. Keys
    /// of a session that stand here hold for all its sessions.
    MemberTable in "[[member]]" {
        /// Its AS.
        asn: Asn = "required",
        /// Shown to people.
        name: String = "\"AS…\"",
        /// What it may announce by the IRR: as-sets (`"AS-X"`, `"SOURCE::AS-X"`) and AS
        /// numbers.
        as_set: Vec<Located<AsSetName>> = "the member's own AS",
        /// On a transitable server: `downstream`, or `transit-sponsor`.
        role: Role = "\"downstream\"",
        /// What is withheld from this member where `irr` or `rpki` is `per-member`:
        /// `irr+rpki`, `irr`, `rpki` or `tag-only`, nothing: on any server it sees the
        /// informational communities of IRR and RPKI then.
        filter: FilterMode = "\"irr+rpki\"",
        /// Its RPSL policy holds, on route servers with `rpsl`.
        rpsl: bool = "true",
        /// Stands for a 32-bit AS in standard communities.
        alias: u16 = "none",
        /// A looking-glass feed: gets every eligible path; what it sends is refused.
        collector: bool = "false",
        /// A transit sponsor that wants the transit routes of other sponsors as well.
        receive_transit: bool = "false",
        /// Where it is, for the informational community of that name.
        location: u32 = "none",
        /// Keeps all its sessions down; the reason is shown and sent.
        disabled: Reason = "none",
        /// The same key of `[member.import]`.
        max_prefixes: MaxPrefixes = "the route server's",
        /// Exceptions from `[route_server.import]`, on every server of the member.
        import: ImportTable = "the route server's",
        /// Its sessions, see `[[member.session]]`.
        session: Vec<Located<SessionTable>> = "[]",
        ..options: SessionOptions,
    }
}

config_table! {
    /// An address of the member, and the route servers that it has a session with.
    SessionTable in "[[member.session]]" {
        /// Names of route servers.
        route_servers: Vec<Located<String>> = "all of kind regular",
        /// The member's address, with `%interface` if link-local and other than
        /// `[exchange] interface`.
        address: SessionAddress = "required",
        /// On a session over a global address: the member's registered link-local address,
        /// which may stand beside the global one in its next hops.
        link_local: Ipv6Addr = "none",
        /// The port we connect to when not passive.
        port: u16 = "179",
        /// TCP MD5 (RFC 2385), at most 80 octets.
        password: Secret = "none",
        /// A file that holds the password; a newline at its end does not count.
        password_file: PathBuf = "none",
        /// TCP-AO (RFC 5925) in the place of a password, see `[member.session.tcp_ao]`.
        tcp_ao: TcpAoTable = "none",
        /// Keeps this session down; the reason is shown and sent.
        disabled: Reason = "none",
        ..options: SessionOptions,
    }
}

config_table! {
    /// A key of TCP-AO (RFC 5925), where the kernel has it: Linux 6.7 or later with
    /// CONFIG_TCP_AO. Both sides have the same key and algorithm, and each other's ids.
    TcpAoTable in "[member.session.tcp_ao]" {
        /// KeyID of what we send.
        send_id: u8 = "required",
        /// KeyID of what the member sends.
        receive_id: u8 = "required",
        /// `hmac-sha-1-96` or `aes-128-cmac-96` (RFC 5926).
        algorithm: AoAlgorithm = "\"hmac-sha-1-96\"",
        /// The master key, at most 80 octets.
        key: Secret = "none",
        /// A file that holds the master key; a newline at its end does not count.
        key_file: PathBuf = "none",
    }
}

words!(AoAlgorithm {
    "hmac-sha-1-96" => Self::HmacSha1,
    "aes-128-cmac-96" => Self::Aes128Cmac,
});

words!(Role {
    "downstream" => Self::Downstream,
    "transit-sponsor" => Self::TransitSponsor,
});

words!(FilterMode {
    "irr+rpki" => Self::IrrRpki,
    "irr" => Self::Irr,
    "rpki" => Self::Rpki,
    "tag-only" => Self::TagOnly,
});

/// An as-set, `SOURCE::` before it or not, or an AS number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct AsSetName(pub(in crate::config) String);

impl FromText for AsSetName {
    fn kind() -> &'static str {
        "an as-set or AS number"
    }

    fn example() -> &'static str {
        "write it like \"AS-ALICE\", \"RIPE::AS-ALICE\", \"AS64500:AS-ALL\" or \"AS64500\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no as-set and no AS number");
        let upper = text.to_ascii_uppercase();
        let name = match upper.split_once("::") {
            Some((source, name)) if is_word(source) => name,
            Some(_) => return Err(wrong()),
            None => &upper,
        };
        // RFC 2622 §5: a hierarchical name has at least one part that is a set's
        let is_number =
            |part: &str| part.strip_prefix("AS").is_some_and(|n| n.parse::<u32>().is_ok());
        let is_set = |part: &str| part.strip_prefix("AS-").is_some_and(is_word);
        let parts: Vec<_> = name.split(':').collect();
        let right = parts.iter().all(|part| is_number(part) || is_set(part))
            && (parts.len() == 1 || parts.iter().any(|part| is_set(part)));
        if right { Ok(Self(upper)) } else { Err(wrong()) }
    }
}

/// RFC 2622 §2: letters, digits, `-` and `_`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

impl FromValue for AsSetName {
    fn kind() -> String {
        <Self as FromText>::kind().to_owned()
    }

    fn example() -> String {
        <Self as FromText>::example().to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        match integer(input) {
            Some(_) => Asn::from_value(input, reports).map(|asn| Self(format!("AS{}", asn.0))),
            None => crate::config::value::from_text(input, reports),
        }
    }
}
