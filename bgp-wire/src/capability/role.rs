//! BGP role (RFC 9234 §4.1): one octet.
//!
//! ```text
//! | 0 provider, 1 route server, 2 its client, 3 customer, 4 peer |
//! ```

use super::{Capability, Role};
use crate::cursor::Short;

pub(super) fn decode(value: &[u8]) -> Result<Capability, Short> {
    match value {
        [code] => Ok(Capability::Role(Role::from_code(*code))),
        _ => Err(Short),
    }
}
