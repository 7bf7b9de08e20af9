//! NOTIFICATION (RFC 4271 §4.5, §6).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::Cursor;
use crate::frame::{HEADER_OCTETS, MAX_OCTETS};
use crate::message::{begin, finish};
use crate::{Capability, MessageType, iana};
use iana::{cease, error, header_error, open_error, refresh_error, update_error};

/// A NOTIFICATION: why a session ends.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Error code    | Error subcode |   Data (variable)             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error code, see [`crate::iana::error`].
    pub code: u8,
    /// Error subcode; its meaning depends on the code.
    pub subcode: u8,
    /// What the code and subcode ask for.
    pub data: Bytes,
}

/// The most octets of text that a shutdown carries (RFC 9003 §2).
const MAX_TEXT_OCTETS: usize = 255;

impl Notification {
    /// A notification without data.
    pub const fn new(code: u8, subcode: u8) -> Self {
        Self { code, subcode, data: Bytes::new() }
    }

    /// A notification with data.
    pub fn with_data(code: u8, subcode: u8, data: &[u8]) -> Self {
        Self { code, subcode, data: Bytes::copy_from_slice(data) }
    }

    /// The marker is not all ones (RFC 4271 §6.1).
    pub const fn connection_not_synchronized() -> Self {
        Self::new(error::MESSAGE_HEADER, header_error::NOT_SYNCHRONIZED)
    }

    /// A length that the type does not allow; the data is that length (RFC 4271 §6.1).
    pub fn bad_message_length(length: u16) -> Self {
        Self::with_data(error::MESSAGE_HEADER, header_error::BAD_LENGTH, &length.to_be_bytes())
    }

    /// A type that nobody registered; the data is that type (RFC 4271 §6.1).
    pub fn bad_message_type(code: u8) -> Self {
        Self::with_data(error::MESSAGE_HEADER, header_error::BAD_TYPE, &[code])
    }

    /// An OPEN that is wrong as a whole (RFC 4271 §6.2).
    pub const fn open_unspecific() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::UNSPECIFIC)
    }

    /// Not version 4; the data is the largest version that we speak (RFC 4271 §6.2).
    pub fn unsupported_version() -> Self {
        let largest = u16::from(crate::open::VERSION).to_be_bytes();
        Self::with_data(error::OPEN_MESSAGE, open_error::UNSUPPORTED_VERSION, &largest)
    }

    /// Not the AS that is configured (RFC 4271 §6.2).
    pub const fn bad_peer_as() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::BAD_PEER_AS)
    }

    /// A BGP identifier that no router may have (RFC 4271 §6.2, RFC 6286 §2.2).
    pub const fn bad_bgp_identifier() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::BAD_BGP_IDENTIFIER)
    }

    /// An optional parameter that is not a capability (RFC 4271 §6.2).
    pub const fn unsupported_optional_parameter() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::UNSUPPORTED_OPTIONAL_PARAMETER)
    }

    /// A hold time of one or two seconds (RFC 4271 §6.2).
    pub const fn unacceptable_hold_time() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::UNACCEPTABLE_HOLD_TIME)
    }

    /// Capabilities that the peer must have and did not announce; the data lists them
    /// (RFC 5492 §5).
    pub fn unsupported_capability(missing: &[Capability]) -> Self {
        let mut data = BytesMut::new();
        missing.iter().for_each(|capability| capability.encode(&mut data));
        Self {
            code: error::OPEN_MESSAGE,
            subcode: open_error::UNSUPPORTED_CAPABILITY,
            data: data.freeze(),
        }
    }

    /// The two ends' roles do not fit (RFC 9234 §4.2).
    pub const fn role_mismatch() -> Self {
        Self::new(error::OPEN_MESSAGE, open_error::ROLE_MISMATCH)
    }

    /// An UPDATE whose lengths contradict each other (RFC 4271 §6.3).
    pub const fn malformed_attribute_list() -> Self {
        Self::new(error::UPDATE_MESSAGE, update_error::MALFORMED_ATTRIBUTE_LIST)
    }

    /// NLRI or withdrawn routes that cannot be parsed (RFC 4271 §6.3, RFC 7606 §5.3).
    pub const fn invalid_network_field() -> Self {
        Self::new(error::UPDATE_MESSAGE, update_error::INVALID_NETWORK)
    }

    /// An optional attribute that cannot be used; the data is the attribute (RFC 4271 §6.3).
    pub fn optional_attribute_error(attribute: &[u8]) -> Self {
        Self::with_data(error::UPDATE_MESSAGE, update_error::OPTIONAL_ATTRIBUTE, attribute)
    }

    /// Nothing was heard for the hold time (RFC 4271 §6.5).
    pub const fn hold_timer_expired() -> Self {
        Self::new(error::HOLD_TIMER_EXPIRED, 0)
    }

    /// The peer reads nothing (RFC 9687 §4).
    pub const fn send_hold_timer_expired() -> Self {
        Self::new(error::SEND_HOLD_TIMER_EXPIRED, 0)
    }

    /// A message that the state does not allow: a subcode of [`crate::iana::fsm_error`]; the
    /// data is the message's type (RFC 6608 §3).
    pub fn finite_state_machine(subcode: u8, unexpected: Option<MessageType>) -> Self {
        let kind = unexpected.map(|kind| [kind.code()]);
        Self::with_data(error::FINITE_STATE_MACHINE, subcode, kind.as_ref().map_or(&[], |k| k))
    }

    /// The session ends without an error: a subcode of [`crate::iana::cease`] (RFC 4486).
    pub const fn cease(subcode: u8) -> Self {
        Self::new(error::CEASE, subcode)
    }

    /// More prefixes than allowed; the data is AFI, SAFI and the limit (RFC 4486 §4).
    pub fn maximum_prefixes(family: crate::Family, limit: u32) -> Self {
        let mut data = BytesMut::with_capacity(7);
        data.put_u16(family.afi());
        data.put_u8(iana::SAFI_UNICAST);
        data.put_u32(limit);
        Self { code: error::CEASE, subcode: cease::MAXIMUM_PREFIXES, data: data.freeze() }
    }

    /// The operator takes the session down and says why (RFC 9003 §2).
    pub fn administrative_shutdown(text: &str) -> Self {
        Self::with_text(cease::ADMINISTRATIVE_SHUTDOWN, text)
    }

    /// The operator restarts the session and says why (RFC 9003 §2).
    pub fn administrative_reset(text: &str) -> Self {
        Self::with_text(cease::ADMINISTRATIVE_RESET, text)
    }

    fn with_text(subcode: u8, text: &str) -> Self {
        let mut data = BytesMut::new();
        if !text.is_empty() {
            let text = &text.as_bytes().get(..text.floor_char_boundary(MAX_TEXT_OCTETS));
            let text = text.unwrap_or_default();
            data.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.put_slice(text);
        }
        Self { code: error::CEASE, subcode, data: data.freeze() }
    }

    /// What the operator of the other side wrote, if it is a shutdown or reset that carries
    /// valid text (RFC 9003 §2). A hard reset is looked into (RFC 8538 §3.1).
    pub fn shutdown_text(&self) -> Option<String> {
        if let Some(inner) = self.hard_reset_reason() {
            return inner.shutdown_text();
        }
        let subcodes = [cease::ADMINISTRATIVE_SHUTDOWN, cease::ADMINISTRATIVE_RESET];
        if self.code != error::CEASE || !subcodes.contains(&self.subcode) {
            return None;
        }
        let mut data = Cursor::new(&self.data);
        let octets = data.u8().ok()?;
        let text = std::str::from_utf8(data.take(usize::from(octets)).ok()?).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// This notification as a hard reset, which graceful restart does not outlive; the data is
    /// the reason's code, subcode and data (RFC 8538 §3.1).
    #[must_use]
    pub fn hard_reset(&self) -> Self {
        let mut data = BytesMut::with_capacity(2 + self.data.len());
        data.put_u8(self.code);
        data.put_u8(self.subcode);
        data.put_slice(&self.data);
        Self { code: error::CEASE, subcode: cease::HARD_RESET, data: data.freeze() }
    }

    /// Is this a hard reset? (RFC 8538 §3.1)
    pub const fn is_hard_reset(&self) -> bool {
        self.code == error::CEASE && self.subcode == cease::HARD_RESET
    }

    /// The reason that a hard reset encloses (RFC 8538 §3.1).
    pub fn hard_reset_reason(&self) -> Option<Self> {
        if !self.is_hard_reset() {
            return None;
        }
        let inner = Self::decode(&self.data).ok()?;
        // One level only: a hard reset in a hard reset says nothing.
        (!inner.is_hard_reset()).then_some(inner)
    }

    /// A ROUTE-REFRESH of a wrong length; the data is the whole message (RFC 7313 §5).
    pub fn invalid_route_refresh(body: &[u8]) -> Self {
        let mut data = BytesMut::with_capacity(HEADER_OCTETS + body.len());
        let mark = begin(&mut data, MessageType::RouteRefresh);
        data.put_slice(body);
        finish(&mut data, mark);
        data.truncate(MAX_OCTETS - HEADER_OCTETS - 2);
        Self {
            code: error::ROUTE_REFRESH_MESSAGE,
            subcode: refresh_error::INVALID_LENGTH,
            data: data.freeze(),
        }
    }

    /// Writes the message with its header; data that would not fit in 4,096 octets is cut.
    pub fn encode(&self, out: &mut BytesMut) {
        let mark = begin(out, MessageType::Notification);
        out.put_u8(self.code);
        out.put_u8(self.subcode);
        let fits = self.data.len().min(MAX_OCTETS - HEADER_OCTETS - 2);
        out.put_slice(self.data.get(..fits).unwrap_or_default());
        finish(out, mark);
    }

    /// Reads a body. A NOTIFICATION is never answered (RFC 4271 §6.4): the error says only
    /// that there is nothing to read.
    pub fn decode(body: &[u8]) -> Result<Self, Self> {
        let mut cursor = Cursor::new(body);
        let (Ok(code), Ok(subcode)) = (cursor.u8(), cursor.u8()) else {
            let octets = u16::try_from(HEADER_OCTETS + body.len()).unwrap_or(u16::MAX);
            return Err(Self::bad_message_length(octets));
        };
        Ok(Self::with_data(code, subcode, cursor.rest()))
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.code, self.subcode, self.name())?;
        if let Some(inner) = self.hard_reset_reason() {
            return write!(f, " ({inner})");
        }
        match self.shutdown_text() {
            Some(text) => write!(f, ": {text:?}"),
            None => Ok(()),
        }
    }
}

impl Notification {
    /// The registered name of code and subcode.
    pub const fn name(&self) -> &'static str {
        match (self.code, self.subcode) {
            (error::MESSAGE_HEADER, header_error::NOT_SYNCHRONIZED) => {
                "connection not synchronized"
            }
            (error::MESSAGE_HEADER, header_error::BAD_LENGTH) => "bad message length",
            (error::MESSAGE_HEADER, header_error::BAD_TYPE) => "bad message type",
            (error::MESSAGE_HEADER, _) => "message header error",
            (error::OPEN_MESSAGE, open_error::UNSUPPORTED_VERSION) => "unsupported version number",
            (error::OPEN_MESSAGE, open_error::BAD_PEER_AS) => "bad peer AS",
            (error::OPEN_MESSAGE, open_error::BAD_BGP_IDENTIFIER) => "bad BGP identifier",
            (error::OPEN_MESSAGE, open_error::UNSUPPORTED_OPTIONAL_PARAMETER) => {
                "unsupported optional parameter"
            }
            (error::OPEN_MESSAGE, open_error::UNACCEPTABLE_HOLD_TIME) => "unacceptable hold time",
            (error::OPEN_MESSAGE, open_error::UNSUPPORTED_CAPABILITY) => "unsupported capability",
            (error::OPEN_MESSAGE, open_error::ROLE_MISMATCH) => "role mismatch",
            (error::OPEN_MESSAGE, _) => "OPEN message error",
            (error::UPDATE_MESSAGE, subcode) => update_name(subcode),
            (error::HOLD_TIMER_EXPIRED, _) => "hold timer expired",
            (error::FINITE_STATE_MACHINE, _) => "finite state machine error",
            (error::CEASE, subcode) => cease_name(subcode),
            (error::ROUTE_REFRESH_MESSAGE, _) => "ROUTE-REFRESH message error",
            (error::SEND_HOLD_TIMER_EXPIRED, _) => "send hold timer expired",
            _ => "unknown error",
        }
    }
}

const fn update_name(subcode: u8) -> &'static str {
    match subcode {
        update_error::MALFORMED_ATTRIBUTE_LIST => "malformed attribute list",
        update_error::UNRECOGNIZED_WELL_KNOWN => "unrecognized well-known attribute",
        update_error::MISSING_WELL_KNOWN => "missing well-known attribute",
        update_error::ATTRIBUTE_FLAGS => "attribute flags error",
        update_error::ATTRIBUTE_LENGTH => "attribute length error",
        update_error::INVALID_ORIGIN => "invalid ORIGIN attribute",
        update_error::INVALID_NEXT_HOP => "invalid NEXT_HOP attribute",
        update_error::OPTIONAL_ATTRIBUTE => "optional attribute error",
        update_error::INVALID_NETWORK => "invalid network field",
        update_error::MALFORMED_AS_PATH => "malformed AS_PATH",
        _ => "UPDATE message error",
    }
}

const fn cease_name(subcode: u8) -> &'static str {
    match subcode {
        cease::MAXIMUM_PREFIXES => "maximum number of prefixes reached",
        cease::ADMINISTRATIVE_SHUTDOWN => "administrative shutdown",
        cease::PEER_DECONFIGURED => "peer de-configured",
        cease::ADMINISTRATIVE_RESET => "administrative reset",
        cease::CONNECTION_REJECTED => "connection rejected",
        cease::OTHER_CONFIGURATION_CHANGE => "other configuration change",
        cease::CONNECTION_COLLISION => "connection collision resolution",
        cease::OUT_OF_RESOURCES => "out of resources",
        cease::HARD_RESET => "hard reset",
        cease::BFD_DOWN => "BFD down",
        _ => "cease",
    }
}
