//! What was done to a route on its way in, as far as it is counted.

use policy::{AttributeFacts, VerdictClass};

/// One of the things that are counted for a session's routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mark {
    /// It is eligible and a transit route (on a transitable route server).
    Transit,
    /// TRANSIT was put on it by us, not by the sponsor.
    TransitTagged,
    /// TRANSIT of a member that may not set it was taken off.
    TransitScrubbed,
    /// Informational communities of ours were taken off.
    Scrubbed,
    /// The unregistered link-local half of its next hop was taken off.
    LinkLocalStripped,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Transit,
        Self::TransitTagged,
        Self::TransitScrubbed,
        Self::Scrubbed,
        Self::LinkLocalStripped,
    ];

    /// A short name for metrics and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transit => "transit",
            Self::TransitTagged => "transit-tagged",
            Self::TransitScrubbed => "transit-scrubbed",
            Self::Scrubbed => "scrubbed",
            Self::LinkLocalStripped => "link-local-stripped",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The marks of one route.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Marks(u8);

impl Marks {
    /// `class`: of an eligible route.
    pub(crate) fn of(facts: &AttributeFacts, class: Option<VerdictClass>) -> Self {
        let transit = class.is_some_and(VerdictClass::transit);
        Self::default()
            .with(Mark::Transit, transit)
            .with(Mark::TransitTagged, transit && !facts.transit_said)
            .with(Mark::TransitScrubbed, facts.transit_scrubbed)
            .with(Mark::Scrubbed, facts.scrubbed > 0)
            .with(Mark::LinkLocalStripped, facts.link_local_stripped)
    }

    fn with(self, mark: Mark, is: bool) -> Self {
        if is { Self(self.0 | mark.bit()) } else { self }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.into_iter().filter(move |mark| self.0 & mark.bit() != 0)
    }
}
