//! Why a route is refused on import.

use std::fmt;

/// Why a route is refused: one for each check that can refuse it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RejectReason {
    /// A collector only listens.
    Collector,
    /// The next hop is not one that this member may use.
    NextHop,
    /// The AS_PATH is empty.
    EmptyAsPath,
    /// The AS_PATH is longer than the limit.
    AsPathTooLong,
    /// The leftmost AS is not the member's.
    FirstAs,
    /// AS_SET or AS_CONFED segments (RFC 9774).
    AsSet,
    /// An AS number that nobody may use.
    BogonAsn,
    /// A transit-free AS behind a member.
    TransitFree,
    /// An AS that does not want to be reached by way of route servers.
    NeverViaRouteServers,
    /// More communities than the limit.
    TooManyCommunities,
    /// IPv6 outside 2000::/3.
    NotGlobalUnicast,
    /// The peering LAN or the configured list of refused prefixes.
    Blacklisted,
    /// The list of refused prefixes of this member.
    MemberBlacklisted,
    /// A prefix that nobody may announce.
    BogonPrefix,
    /// The origin AS is not in the member's IRR set.
    IrrOrigin,
    /// The prefix is not in the member's IRR set.
    IrrPrefix,
    /// ROV says Invalid (RFC 6811).
    RovInvalid,
    /// ASPA says Invalid.
    AspaInvalid,
    /// The prefix is longer than the limit.
    PrefixTooLong,
    /// The prefix is shorter than the limit.
    PrefixTooShort,
    /// A leak by the Only to Customer attribute (RFC 9234 §5).
    RouteLeak,
}

struct Facts {
    reason: RejectReason,
    code: u16,
    euro_ix: u16,
    name: &'static str,
    sentence: &'static str,
}

const fn facts(
    reason: RejectReason,
    code: u16,
    euro_ix: u16,
    name: &'static str,
    sentence: &'static str,
) -> Facts {
    Facts { reason, code, euro_ix, name, sentence }
}

/// The numbers that members see, in the order of the enum.
const FACTS: [Facts; 21] = {
    use RejectReason as R;
    [
        facts(R::Collector, 19, 0, "collector", "a collector's routes are not taken"),
        facts(R::NextHop, 5, 8, "next-hop", "the next hop is not an address of this member"),
        facts(R::EmptyAsPath, 1, 6, "as-path-empty", "the AS path is empty"),
        facts(R::AsPathTooLong, 1, 5, "as-path-too-long", "the AS path is too long"),
        facts(R::FirstAs, 6, 7, "first-as", "the leftmost AS is not the member's"),
        facts(
            R::AsSet,
            7,
            4,
            "as-set",
            "the AS path has a set or confederation segment (RFC 9774)",
        ),
        facts(R::BogonAsn, 7, 4, "bogon-asn", "the AS path has an AS number nobody may use"),
        facts(R::TransitFree, 8, 14, "transit-free", "the AS path has a transit-free AS"),
        facts(
            R::NeverViaRouteServers,
            15,
            14,
            "never-via-route-servers",
            "the AS path has an AS that is never reached by way of route servers",
        ),
        facts(
            R::TooManyCommunities,
            16,
            15,
            "too-many-communities",
            "the route has too many communities",
        ),
        facts(R::NotGlobalUnicast, 10, 3, "not-global-unicast", "the prefix is outside 2000::/3"),
        facts(
            R::Blacklisted,
            3,
            3,
            "blacklisted",
            "the prefix is in the peering LAN or on the list of refused prefixes",
        ),
        facts(
            R::MemberBlacklisted,
            11,
            3,
            "member-blacklisted",
            "the prefix is on the list of prefixes refused from this member",
        ),
        facts(R::BogonPrefix, 2, 3, "bogon-prefix", "nobody may announce this prefix"),
        facts(R::IrrOrigin, 9, 10, "irr-origin", "the origin AS is not in the member's IRR set"),
        facts(
            R::IrrPrefix,
            12,
            9,
            "irr-prefix",
            "no route object of the member's IRR set covers the prefix",
        ),
        facts(R::RovInvalid, 14, 13, "rov-invalid", "RPKI origin validation says Invalid"),
        facts(R::AspaInvalid, 17, 0, "aspa-invalid", "ASPA path verification says Invalid"),
        facts(R::PrefixTooLong, 13, 1, "prefix-too-long", "the prefix is too long"),
        facts(R::PrefixTooShort, 13, 2, "prefix-too-short", "the prefix is too short"),
        facts(
            R::RouteLeak,
            18,
            0,
            "route-leak",
            "the Only to Customer attribute marks the route as a leak (RFC 9234)",
        ),
    ]
};

impl RejectReason {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; FACTS.len()] = {
        let mut all = [Self::Collector; FACTS.len()];
        let mut index = 0;
        while index < FACTS.len() {
            all[index] = FACTS[index].reason;
            index += 1;
        }
        all
    };

    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// The reason's place in [`ALL`](Self::ALL), for arrays of counters.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The reject code that members see in `RS:65520:code`.
    #[must_use]
    pub fn code(self) -> u16 {
        self.facts().code
    }

    /// The Euro-IX code of `RS:1101:code`; 0 where Euro-IX has none.
    #[must_use]
    pub fn euro_ix(self) -> u16 {
        self.facts().euro_ix
    }

    /// A short name for metrics and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().sentence)
    }
}

impl serde::Serialize for RejectReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(reason.facts().reason, reason);
        }
    }

    #[test]
    fn names_differ_and_are_kebab_case() {
        let mut names: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.name()).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RejectReason::ALL.len());
    }
}
