//! ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2).

use bytes::{BufMut, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::message::{begin, finish};
use crate::{Family, MessageType, Notification};

/// A ROUTE-REFRESH message.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |              AFI              |    Subtype    |     SAFI      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
    /// 0 request, 1 BoRR, 2 EoRR; see [`crate::iana::refresh`].
    pub subtype: u8,
}

impl RouteRefresh {
    /// A message of a subtype for a family.
    pub fn new(family: Family, subtype: u8) -> Self {
        Self { afi: family.afi(), safi: crate::iana::SAFI_UNICAST, subtype }
    }

    /// The family, if it is one of ours.
    pub fn family(&self) -> Option<Family> {
        Family::from_afi_safi(self.afi, self.safi)
    }

    /// Writes the message with its header.
    pub fn encode(&self, out: &mut BytesMut) {
        let mark = begin(out, MessageType::RouteRefresh);
        out.put_u16(self.afi);
        out.put_u8(self.subtype);
        out.put_u8(self.safi);
        finish(out, mark);
    }

    /// Reads a body. A longer one with subtype 0 carries ORF entries (RFC 5291), which are
    /// skipped: we never ask for them. With another subtype it is an error (RFC 7313 §5).
    pub fn decode(body: &[u8]) -> Result<Self, Notification> {
        let mut cursor = Cursor::new(body);
        let mut read = || -> Result<Self, Short> {
            let (afi, subtype, safi) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
            Ok(Self { afi, safi, subtype })
        };
        let refresh = read().map_err(|Short| Notification::invalid_route_refresh(body))?;
        if matches!(refresh.subtype, 1 | 2) && !cursor.is_empty() {
            return Err(Notification::invalid_route_refresh(body));
        }
        Ok(refresh)
    }
}
