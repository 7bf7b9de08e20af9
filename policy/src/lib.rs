//! Import verdicts and export plans: pure functions of attributes, prefix and peer.
//!
//! A route meets policy three times, each result kept for as long as it holds:
//!
//! 1. [`Policy::attribute_verdict`], once for each attribute set of a session.
//! 2. [`Policy::prefix_verdict`], once for each prefix, on snapshots of outside data
//!    ([`RoutingData`]). Its [`VerdictClass`] is all that a plan needs to know of the prefix.
//! 3. [`Policy::plan`], once for each attribute set and class: who gets the route, with which
//!    attributes, and how good it is.
//!
//! Whoever wants to know why calls the same functions with a [`Recorder`].
#![warn(missing_docs)]

mod aspa;
pub mod bogons;
mod changes;
mod communities;
mod config;
mod describe;
mod error;
mod irr;
mod markdown;
mod outgoing;
mod peer_set;
mod plan;
mod policy;
mod preference;
mod prefix_index;
mod reject;
mod rov;
pub mod rpsl;
#[cfg(test)]
mod testing;
mod trace;
mod verdict;

pub use aspa::{AspaResult, AspaState, AspaTable};
pub use communities::{
    Audience, CommunityKey, CommunityScheme, Encoding, ExtendedKind, Function, Pattern,
    PatternSyntax, Preset, Term, UnknownFunction,
};
pub use config::{
    CheckMode, FilterMode, ImportPolicy, Inform, Kind, LengthRange, MedMode, MemberAddress,
    MoreSpecifics, NextHopMode, PeerPolicy, PolicyConfig, PrependTie, Role,
};
pub use describe::{
    CheckSetting, CommunityDescription, Exception, ListDescription, PolicyDescription, RejectCode,
};
pub use error::{NotEncodable, PolicyError, PolicyWarning};
pub use irr::{IrrChange, IrrSets, IrrStatus, MemberIrr, RouteSet};
pub use outgoing::OutgoingAttributes;
pub use peer_set::{PeerBits, PeerSet, Slot};
pub use plan::{ExportPlan, PlanEntry};
pub use policy::{Policy, RoutingData};
pub use preference::{Criterion, Preference};
pub use reject::RejectReason;
pub use rov::{RovState, Vrp, VrpTable};
pub use rpsl::PeerFilter;
pub use trace::{
    Check, Datum, Discount, ExportRule, ExportStep, ImportStep, IrrEntry, NoTrace, Outcome,
    Recorder, Trace,
};
pub use verdict::{AttributeFacts, AttributeVerdict, CHECKS, IrrState, Verdict, VerdictClass};
