//! The checks of import policy, in order.

use crate::trace::Check;

macro_rules! checks {
    ($($(#[$doc:meta])* $id:ident = $row:literal $name:literal;)*) => {
        $($(#[$doc])* pub(super) const $id: Check = Check { row: $row, name: $name };)*

        /// Every check of import policy, in the order of evaluation.
        pub const CHECKS: &[Check] = &[$($id),*];
    };
}

checks! {
    COLLECTOR = 0 "collector";
    SCRUB = 1 "scrub";
    NEXT_HOP = 2 "next-hop";
    AS_PATH_LENGTH = 3 "as-path-length";
    FIRST_AS = 4 "first-as";
    AS_SET = 5 "as-set";
    BOGON_ASN = 6 "bogon-asn";
    TRANSIT_FREE = 7 "transit-free";
    NEVER_VIA_RS = 8 "never-via-route-servers";
    COMMUNITIES = 9 "communities";
    GLOBAL_UNICAST = 10 "global-unicast";
    BLACKLIST = 11 "blacklist";
    MEMBER_BLACKLIST = 12 "member-blacklist";
    BOGON_PREFIX = 13 "bogon-prefix";
    IRR_ORIGIN = 14 "irr-origin";
    IRR_PREFIX = 15 "irr-prefix";
    BLACKHOLE = 16 "blackhole";
    ROV = 17 "rov";
    ASPA = 18 "aspa";
    PREFIX_LENGTH = 19 "prefix-length";
    OTC = 20 "otc";
    GRACEFUL_SHUTDOWN = 21 "graceful-shutdown";
}
