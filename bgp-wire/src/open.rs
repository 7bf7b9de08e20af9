//! OPEN (RFC 4271 §4.2, RFC 5492, RFC 9072).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use crate::cursor::{Cursor, Short};
use crate::iana::parameter;
use crate::message::{begin, finish, put_u16_at};
use crate::{Asn, Capability, MessageType, Notification};

/// The one version of BGP that is spoken.
pub(crate) const VERSION: u8 = 4;

/// An OPEN message.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+
/// |    Version    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     My Autonomous System      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Hold Time           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         BGP Identifier                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Opt Parm Len  |  Optional Parameters (variable)               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///
/// with extended lengths (RFC 9072 §2):
/// | 255 | 255 | Extended Opt. Parm. Length (2) | (Type (1), Length (2), Value)* |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenMessage {
    /// Version: 4.
    pub version: u8,
    /// The sender's AS, or 23456 when it needs four octets.
    pub my_as: u16,
    /// Proposed hold time in seconds.
    pub hold_time: u16,
    /// The sender's BGP identifier.
    pub router_id: Ipv4Addr,
    /// Capabilities in order, of all capability parameters.
    pub capabilities: Vec<Capability>,
}

impl OpenMessage {
    /// The sender's AS: that of the four-octet capability, where there is one (RFC 6793 §4.1).
    pub fn asn(&self) -> Asn {
        let four_octets = self.capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        four_octets.unwrap_or_else(|| Asn(u32::from(self.my_as)))
    }

    /// Writes the message with its header: one capability parameter (RFC 5492 §4), with
    /// extended lengths where it does not fit in 255 octets (RFC 9072 §2).
    pub fn encode(&self, out: &mut BytesMut) {
        let mark = begin(out, MessageType::Open);
        out.put_u8(self.version);
        out.put_u16(self.my_as);
        out.put_u16(self.hold_time);
        out.put_u32(self.router_id.to_bits());
        let mut capabilities = BytesMut::new();
        self.capabilities.iter().for_each(|capability| capability.encode(&mut capabilities));
        match u8::try_from(capabilities.len() + 2) {
            Ok(2) => out.put_u8(0),
            Ok(octets) => {
                out.put_u8(octets);
                out.put_u8(parameter::CAPABILITIES);
                out.put_u8(octets - 2);
            }
            _ => {
                out.put_slice(&[parameter::EXTENDED_LENGTH; 2]);
                let total = out.len();
                out.put_u16(0);
                out.put_u8(parameter::CAPABILITIES);
                out.put_u16(0);
                put_u16_at(out, total, capabilities.len() + 3);
                put_u16_at(out, total + 3, capabilities.len());
            }
        }
        out.put_slice(&capabilities);
        finish(out, mark);
    }

    /// Reads a body, and refuses what RFC 4271 §6.2 refuses whatever is configured: another
    /// version, a hold time of 1 or 2, the identifier 0, AS 0 (RFC 7607 §2), and parameters
    /// that are unknown or malformed.
    pub fn decode(body: &[u8]) -> Result<Self, Notification> {
        let mut cursor = Cursor::new(body);
        let open =
            Self::decode_fixed(&mut cursor).map_err(|Short| Notification::open_unspecific())?;
        if open.version != VERSION {
            return Err(Notification::unsupported_version());
        }
        let mut open = Self { capabilities: decode_parameters(cursor)?, ..open };
        open.capabilities.shrink_to_fit();
        if open.my_as == 0 || open.asn() == Asn(0) {
            return Err(Notification::bad_peer_as());
        }
        if matches!(open.hold_time, 1 | 2) {
            return Err(Notification::unacceptable_hold_time());
        }
        if open.router_id.is_unspecified() {
            return Err(Notification::bad_bgp_identifier());
        }
        Ok(open)
    }

    fn decode_fixed(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(Self {
            version: cursor.u8()?,
            my_as: cursor.u16()?,
            hold_time: cursor.u16()?,
            router_id: Ipv4Addr::from(cursor.array::<4>()?),
            capabilities: Vec::new(),
        })
    }
}

/// Reads the optional parameters. Lengths that contradict each other are "Unspecific", as is a
/// malformed parameter (RFC 4271 §6.2).
fn decode_parameters(mut cursor: Cursor<'_>) -> Result<Vec<Capability>, Notification> {
    let unspecific = |Short| Notification::open_unspecific();
    let octets = cursor.u8().map_err(unspecific)?;
    let mut extended = false;
    let mut octets = usize::from(octets);
    // RFC 9072 §2: the first parameter's type decides, and the short length is then ignored
    // unless it is zero.
    if octets != 0 && cursor.rest().first() == Some(&parameter::EXTENDED_LENGTH) {
        extended = true;
        cursor.u8().map_err(unspecific)?;
        octets = usize::from(cursor.u16().map_err(unspecific)?);
    }
    if cursor.remaining() != octets {
        return Err(Notification::open_unspecific());
    }
    let mut capabilities = Vec::new();
    while !cursor.is_empty() {
        let kind = cursor.u8().map_err(unspecific)?;
        let octets = if extended { cursor.u16() } else { cursor.u8().map(u16::from) };
        let value = octets.and_then(|octets| cursor.take(usize::from(octets)));
        let value = value.map_err(unspecific)?;
        if kind != parameter::CAPABILITIES {
            return Err(Notification::unsupported_optional_parameter());
        }
        let mut value = Cursor::new(value);
        while !value.is_empty() {
            let capability = Capability::decode(&mut value).map_err(unspecific)?;
            capabilities.push(capability);
        }
    }
    Ok(capabilities)
}
