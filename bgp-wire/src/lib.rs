//! BGP messages as octets and as values (RFC 4271).
//!
//! No clock, no socket, no allocation on the strength of an unchecked length, and no panic
//! whatever the octets. A message is taken apart in three steps, each for another owner:
//!
//! 1. [`next_frame`] cuts the octet stream into messages (RFC 4271 §4.1, §6.1).
//! 2. [`decode_update`] sorts an UPDATE into reach and unreach, and finds the faults that
//!    concern the message as a whole (RFC 7606 §3 to §5).
//! 3. [`parse_attributes`] turns the remaining attribute octets into values. A session interns
//!    attribute sets by their octets and takes this step on first sight only.
//!
//! The way out is [`encode_reach`], [`encode_unreach`] and [`encode_end_of_rib`].
#![deny(missing_docs, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail by panicking"))]

mod as_path;
mod asn;
pub mod attributes;
pub mod bmp;
pub mod capability;
mod communities;
mod cursor;
mod encode;
mod fault;
mod frame;
pub mod iana;
mod message;
pub mod mrt;
mod next_hop;
mod nlri;
mod notification;
mod open;
mod prefix;
mod route_refresh;
mod update;

pub use as_path::{AsPath, Segment, SegmentKind};
pub use asn::{Asn, ParseAsnError};
pub use attributes::{
    Aggregator, KnownAttribute, Origin, ParsedAttributes, PartialFlags, PathAttributes,
    RawAttribute, parse_attributes,
};
pub use capability::{AddPathFamily, Capability, GracefulRestartFamily, LongLivedFamily, Role};
pub use communities::{
    Community, ExtendedCommunity, Ipv6ExtendedCommunity, LargeCommunity, ParseCommunityError,
};
pub use encode::{
    EncodingProfile, LinkLocalForm, encode_end_of_rib, encode_reach, encode_unreach, message_octets,
};
pub use fault::{Fault, FaultAction, FaultKind};
pub use frame::{HEADER_OCTETS, MAX_EXTENDED_OCTETS, MAX_OCTETS, next_frame};
pub use message::{Message, MessageType, encode_keepalive, encode_message};
pub use next_hop::NextHop;
pub use nlri::Nlri;
pub use notification::Notification;
pub use open::OpenMessage;
pub use prefix::{Families, Family, ParsePrefixError, Prefix};
pub use route_refresh::RouteRefresh;
pub use update::{DecodeContext, DecodedUpdate, Reach, decode_update};
