//! Communities: patterns, schemes, and what they compile to.

mod key;
mod pattern;
mod scheme;

pub use key::CommunityKey;
pub use pattern::{Encoding, ExtendedKind, Pattern, PatternSyntax, Term};
pub use scheme::{Audience, CommunityScheme, Function, Preset, UnknownFunction};

/// A control community that was found on a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ActionHit {
    pub(crate) community: CommunityKey,
    pub(crate) function: Function,
}
