//! Attributes that a session between two ASes has no use for, and discards whatever their
//! value is: LOCAL_PREF (RFC 4271 §5.1.5, RFC 7606 §7.5), ORIGINATOR_ID (RFC 4456 §8, RFC 7606
//! §7.9), CLUSTER_LIST (RFC 4456 §8, RFC 7606 §7.10) and AIGP (RFC 7311 §3.3: a session that
//! is not configured for it ignores it).
//!
//! ```text
//! LOCAL_PREF      | Degree of preference (4 octets)                   |
//! ORIGINATOR_ID   | BGP identifier (4 octets)                         |
//! CLUSTER_LIST    | Cluster identifier (4 octets), repeated           |
//! AIGP            | Type 1 | Length 11 (2 octets) | Metric (8 octets) |
//! ```

use super::raw::Raw;
use crate::iana::attribute;
use crate::{Fault, FaultKind};

/// Is the attribute one of those?
pub(super) const fn is_discarded(code: u8) -> bool {
    matches!(
        code,
        attribute::LOCAL_PREF
            | attribute::ORIGINATOR_ID
            | attribute::CLUSTER_LIST
            | attribute::AIGP
    )
}

/// Wrong flags are malformed all the same, and the stronger fault counts (RFC 7606 §3 c, h);
/// AIGP's are not, since its specification discards it then (RFC 7311 §3.2).
pub(super) fn discard(raw: &Raw<'_>) -> Result<Fault, Fault> {
    match raw.code {
        attribute::AIGP if !raw.flags_fit() => Ok(Fault::discard(raw.code, FaultKind::Flags)),
        _ if !raw.flags_fit() => Err(Fault::withdraw(raw.code, FaultKind::Flags)),
        _ => Ok(Fault::discard(raw.code, FaultKind::NotForEbgp)),
    }
}
