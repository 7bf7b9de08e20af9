//! Communities: patterns, schemes, and what they compile to.

mod compiled;
mod encode;
mod key;
mod pattern;
mod scheme;
mod scrub;

#[cfg(test)]
pub(crate) use compiled::keys;
pub(crate) use compiled::{ActionHit, Communities, attach, compile};
pub(crate) use encode::Values;
pub use key::CommunityKey;
pub use pattern::{Encoding, ExtendedKind, Pattern, PatternSyntax, Term};
pub use scheme::{Audience, CommunityScheme, Function, Preset, UnknownFunction};
pub(crate) use scrub::remove;
