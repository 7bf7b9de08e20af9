//! AS numbers as people write them.

use bgp_wire::Asn;
use serde_json::Value;

/// A number, or a text with or without "AS" in any case, in asplain or asdot (RFC 5396). `None`:
/// it is none, or nobody's: our configuration would refuse it.
pub(super) fn asn(value: &Value) -> Option<u32> {
    let asn = match value {
        Value::String(text) => from_text(text.trim()),
        other => other.as_u64().and_then(|asn| u32::try_from(asn).ok()),
    };
    // RFC 7607: AS 0; RFC 6793: AS_TRANS; RFC 7300: the last one
    asn.filter(|asn| !matches!(*asn, 0 | 23456 | u32::MAX))
}

fn from_text(text: &str) -> Option<u32> {
    let asplain = |text: &str| text.parse::<Asn>().ok().map(|asn| asn.0);
    let Some((high, low)) = text.split_once('.') else { return asplain(text) };
    let half = |asn: &u32| *asn <= u32::from(u16::MAX);
    // "AS" stands before the first half only.
    let low = low.starts_with(|first: char| first.is_ascii_digit()).then_some(low)?;
    Some((asplain(high).filter(half)? << 16) | asplain(low).filter(half)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_write_an_as_number() {
        for (written, meant) in [
            (json!(174), Some(174)),
            (json!("174"), Some(174)),
            (json!("AS174"), Some(174)),
            (json!(" as174"), Some(174)),
            (json!("As1.10"), Some(65_546)),
            (json!("0.174"), Some(174)),
            (json!(4_294_967_294_u32), Some(4_294_967_294)),
            (json!(4_294_967_295_u32), None),
            (json!(99_999_999_999_u64), None),
            (json!("1.65536"), None),
            (json!("1.2.3"), None),
            (json!("AS-FOO"), None),
            (json!("ASAS1"), None),
            (json!("+1"), None),
            (json!("é1"), None),
            (json!(""), None),
            (json!(0), None),
            (json!(1.5), None),
            (json!(null), None),
        ] {
            assert_eq!(asn(&written), meant, "{written}");
        }
    }
}
