//! The BGP session state machine of RFC 4271 §8, sans-I/O.
//!
//! A [`Session`] is everything between us and one configured peer: it says when to connect, takes
//! connections from either side, exchanges OPENs, settles collisions, keeps the timers, and hands
//! out the bodies of UPDATEs once it is Established. It owns no socket and reads no clock.
//!
//! Implemented: RFC 4271 §6, §8, §10 (except DelayOpen); RFC 2918 and RFC 7313 (negotiation and
//! dispatch); RFC 4486, RFC 4724 and RFC 8538 (negotiation, and which endings keep routes);
//! RFC 4760 (negotiation), RFC 5492, RFC 6286, RFC 6608, RFC 6793, RFC 7911 (sending), RFC 8654,
//! RFC 8950, RFC 9003, RFC 9234 (negotiation), RFC 9494 (negotiation), RFC 9687.
//!
//! # Layout
//!
//! A file for each state: [`State::Idle`], [`State::Connect`] and [`State::Active`] are how a
//! session without a connection looks for one; [`State::OpenSent`], [`State::OpenConfirm`] and
//! [`State::Established`] belong to a connection each, since RFC 4271 §8.2.1 gives every
//! connection a state machine of its own. A state is a struct that holds what only it needs; its
//! `handle` consumes it and gives the next one.
#![deny(missing_docs)]

mod active;
mod capabilities;
mod collision;
mod config;
mod connect;
mod connection;
mod context;
mod counters;
mod established;
mod events;
mod hints;
mod idle;
mod input;
mod negotiated;
mod open_confirm;
mod open_sent;
mod output;
mod reason;
mod seek;
mod session;
mod timers;

pub use capabilities::negotiate;
pub use collision::survivor;
pub use config::{GracefulRestartConfig, LlgrConfig, SessionConfig};
pub use counters::{LastError, MessageCounts, NotificationCounts, SessionCounters};
pub use input::{ConnectionId, Direction, Input};
pub use negotiated::{Negotiated, PeerGracefulRestart};
pub use output::{Output, State};
pub use reason::{DownReason, StopReason};
pub use session::{MAX_IDLE_HOLD, MAX_INBOUND, NOTIFICATION_LINGER, Session, Timers};
