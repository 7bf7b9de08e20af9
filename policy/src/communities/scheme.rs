//! A route server's community scheme: which communities ask for what, and which ones it adds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::pattern::Pattern;

/// What a list of patterns is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Function {
    /// Nobody gets the route.
    DoNotAnnounceToAny,
    /// One AS does not get it.
    DoNotAnnounceToPeer,
    /// One AS gets it although others do not.
    AnnounceToPeer,
    /// Everybody gets it, which is so anyway.
    AnnounceToAny,
    /// Prepended once towards everybody.
    PrependOnceToAny,
    /// Prepended twice towards everybody.
    PrependTwiceToAny,
    /// Prepended thrice towards everybody.
    PrependThriceToAny,
    /// Prepended once towards one AS.
    PrependOnceToPeer,
    /// Prepended twice towards one AS.
    PrependTwiceToPeer,
    /// Prepended thrice towards one AS.
    PrependThriceToPeer,
    /// Not prepended towards one AS.
    NoPrependToPeer,
    /// NO_EXPORT towards everybody.
    AddNoexportToAny,
    /// NO_EXPORT towards one AS.
    AddNoexportToPeer,
    /// NO_ADVERTISE towards everybody.
    AddNoadvertiseToAny,
    /// NO_ADVERTISE towards one AS.
    AddNoadvertiseToPeer,
    /// Traffic to the prefix is to be dropped (RFC 7999).
    Blackhole,
    /// TRANSIT on a transitable route server.
    Transit,
    /// Tag: ROV says Valid.
    RovValid,
    /// Tag: ROV says NotFound.
    RovUnknown,
    /// Tag: ROV was not done.
    RovNotChecked,
    /// Tag: ROV says Invalid.
    RovInvalid,
    /// Tag: ASPA says Valid.
    AspaValid,
    /// Tag: ASPA says Unknown.
    AspaUnknown,
    /// Tag: ASPA says Invalid.
    AspaInvalid,
    /// Tag: origin and prefix are in the member's IRR set.
    IrrPresent,
    /// Tag: IRR was not looked at.
    IrrNotChecked,
    /// Tag: the origin is in the set.
    IrrOriginPresent,
    /// Tag: the origin is not in the set.
    IrrOriginAbsent,
    /// Tag: the prefix is in the set.
    IrrPrefixPresent,
    /// Tag: the prefix is not in the set.
    IrrPrefixAbsent,
    /// Tag: a ROA stands in for the route object.
    IrrRoa,
    /// Tag: the configured extra origins or prefixes let it through.
    IrrWhiteList,
    /// Tag: the prefix is in ARIN's dump of its whois data; only scrubbed, we have no such source.
    IrrArin,
    /// Tag: the path has a transit-free AS.
    PathHasTransitFree,
    /// Tag: the member that the route was learnt from.
    LearntFrom,
    /// Tag: where it was learnt.
    Location,
    /// Shown on refused routes: that, and why.
    Reject,
    /// Shown on refused routes: why, in Euro-IX's numbers.
    RejectEuroIx,
    /// Further communities removed on the way in.
    ScrubIn,
    /// Further communities removed on the way out.
    ScrubOut,
}

/// What kind of function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// An action for everybody.
    Any,
    /// An action for one AS; patterns have `$peer`.
    Peer,
    /// Ours to add; never accepted from members.
    Informational,
    /// A set of communities.
    Scrub,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 40] = [
        Self::DoNotAnnounceToAny,
        Self::DoNotAnnounceToPeer,
        Self::AnnounceToPeer,
        Self::AnnounceToAny,
        Self::PrependOnceToAny,
        Self::PrependTwiceToAny,
        Self::PrependThriceToAny,
        Self::PrependOnceToPeer,
        Self::PrependTwiceToPeer,
        Self::PrependThriceToPeer,
        Self::NoPrependToPeer,
        Self::AddNoexportToAny,
        Self::AddNoexportToPeer,
        Self::AddNoadvertiseToAny,
        Self::AddNoadvertiseToPeer,
        Self::Blackhole,
        Self::Transit,
        Self::RovValid,
        Self::RovUnknown,
        Self::RovNotChecked,
        Self::RovInvalid,
        Self::AspaValid,
        Self::AspaUnknown,
        Self::AspaInvalid,
        Self::IrrPresent,
        Self::IrrNotChecked,
        Self::IrrOriginPresent,
        Self::IrrOriginAbsent,
        Self::IrrPrefixPresent,
        Self::IrrPrefixAbsent,
        Self::IrrRoa,
        Self::IrrWhiteList,
        Self::IrrArin,
        Self::PathHasTransitFree,
        Self::LearntFrom,
        Self::Location,
        Self::Reject,
        Self::RejectEuroIx,
        Self::ScrubIn,
        Self::ScrubOut,
    ];

    /// The key in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DoNotAnnounceToAny => "do_not_announce_to_any",
            Self::DoNotAnnounceToPeer => "do_not_announce_to_peer",
            Self::AnnounceToPeer => "announce_to_peer",
            Self::AnnounceToAny => "announce_to_any",
            Self::PrependOnceToAny => "prepend_once_to_any",
            Self::PrependTwiceToAny => "prepend_twice_to_any",
            Self::PrependThriceToAny => "prepend_thrice_to_any",
            Self::PrependOnceToPeer => "prepend_once_to_peer",
            Self::PrependTwiceToPeer => "prepend_twice_to_peer",
            Self::PrependThriceToPeer => "prepend_thrice_to_peer",
            Self::NoPrependToPeer => "no_prepend_to_peer",
            Self::AddNoexportToAny => "add_noexport_to_any",
            Self::AddNoexportToPeer => "add_noexport_to_peer",
            Self::AddNoadvertiseToAny => "add_noadvertise_to_any",
            Self::AddNoadvertiseToPeer => "add_noadvertise_to_peer",
            Self::Blackhole => "blackhole",
            Self::Transit => "transit",
            Self::RovValid => "rov_valid",
            Self::RovUnknown => "rov_unknown",
            Self::RovNotChecked => "rov_not_checked",
            Self::RovInvalid => "rov_invalid",
            Self::AspaValid => "aspa_valid",
            Self::AspaUnknown => "aspa_unknown",
            Self::AspaInvalid => "aspa_invalid",
            Self::IrrPresent => "irr_present",
            Self::IrrNotChecked => "irr_not_checked",
            Self::IrrOriginPresent => "irr_origin_present",
            Self::IrrOriginAbsent => "irr_origin_absent",
            Self::IrrPrefixPresent => "irr_prefix_present",
            Self::IrrPrefixAbsent => "irr_prefix_absent",
            Self::IrrRoa => "irr_roa",
            Self::IrrWhiteList => "irr_white_list",
            Self::IrrArin => "irr_arin",
            Self::PathHasTransitFree => "path_has_transit_free",
            Self::LearntFrom => "learnt_from",
            Self::Location => "location",
            Self::Reject => "reject",
            Self::RejectEuroIx => "reject_euro_ix",
            Self::ScrubIn => "scrub_in",
            Self::ScrubOut => "scrub_out",
        }
    }

    /// What it does, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::DoNotAnnounceToAny => "do not announce to anybody",
            Self::DoNotAnnounceToPeer => "do not announce to this AS",
            Self::AnnounceToPeer => "announce to this AS even if not to others",
            Self::AnnounceToAny => "announce to everybody (the default)",
            Self::PrependOnceToAny => "prepend once to everybody",
            Self::PrependTwiceToAny => "prepend twice to everybody",
            Self::PrependThriceToAny => "prepend three times to everybody",
            Self::PrependOnceToPeer => "prepend once to this AS",
            Self::PrependTwiceToPeer => "prepend twice to this AS",
            Self::PrependThriceToPeer => "prepend three times to this AS",
            Self::NoPrependToPeer => "do not prepend to this AS",
            Self::AddNoexportToAny => "add NO_EXPORT to everybody",
            Self::AddNoexportToPeer => "add NO_EXPORT to this AS",
            Self::AddNoadvertiseToAny => "add NO_ADVERTISE to everybody",
            Self::AddNoadvertiseToPeer => "add NO_ADVERTISE to this AS",
            Self::Blackhole => "blackhole: drop traffic to this prefix",
            Self::Transit => "a transit route",
            Self::RovValid => "RPKI origin validation: Valid",
            Self::RovUnknown => "RPKI origin validation: NotFound",
            Self::RovNotChecked => "RPKI origin validation: not done",
            Self::RovInvalid => "RPKI origin validation: Invalid",
            Self::AspaValid => "ASPA path verification: Valid",
            Self::AspaUnknown => "ASPA path verification: Unknown",
            Self::AspaInvalid => "ASPA path verification: Invalid",
            Self::IrrPresent => "origin and prefix are in the member's IRR set",
            Self::IrrNotChecked => "IRR: not looked at",
            Self::IrrOriginPresent => "the origin AS is in the member's IRR set",
            Self::IrrOriginAbsent => "the origin AS is not in the member's IRR set",
            Self::IrrPrefixPresent => "the prefix is in the member's IRR set",
            Self::IrrPrefixAbsent => "the prefix is not in the member's IRR set",
            Self::IrrRoa => "a ROA stands in for the route object",
            Self::IrrWhiteList => "on the member's list of exceptions",
            Self::IrrArin => "the prefix is in ARIN's whois dump",
            Self::PathHasTransitFree => "the AS path has a transit-free network",
            Self::LearntFrom => "learnt from this AS",
            Self::Location => "learnt at this location",
            Self::Reject => "refused, and why",
            Self::RejectEuroIx => "refused, in Euro-IX's numbers",
            Self::ScrubIn => "removed on the way in",
            Self::ScrubOut => "removed on the way out",
        }
    }

    /// For whom it is.
    #[must_use]
    pub fn audience(self) -> Audience {
        match self {
            Self::DoNotAnnounceToPeer
            | Self::AnnounceToPeer
            | Self::PrependOnceToPeer
            | Self::PrependTwiceToPeer
            | Self::PrependThriceToPeer
            | Self::NoPrependToPeer
            | Self::AddNoexportToPeer
            | Self::AddNoadvertiseToPeer => Audience::Peer,
            Self::DoNotAnnounceToAny
            | Self::AnnounceToAny
            | Self::PrependOnceToAny
            | Self::PrependTwiceToAny
            | Self::PrependThriceToAny
            | Self::AddNoexportToAny
            | Self::AddNoadvertiseToAny
            | Self::Blackhole => Audience::Any,
            Self::ScrubIn | Self::ScrubOut => Audience::Scrub,
            _ => Audience::Informational,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Function {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Function {
    type Err = UnknownFunction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|function| function.name() == text).ok_or(UnknownFunction)
    }
}

/// No list of that name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no community function of that name")]
pub struct UnknownFunction;

/// A scheme that comes with the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The large communities that exchanges in Euro-IX agreed on.
    #[default]
    EuroIx,
    /// What arouteserver's `configure` writes.
    Arouteserver,
    /// irix's.
    Irix,
    /// Poema IX's.
    Poema,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EuroIx, Self::Arouteserver, Self::Irix, Self::Poema];

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EuroIx => "euro-ix",
            Self::Arouteserver => "arouteserver",
            Self::Irix => "irix",
            Self::Poema => "poema",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::EuroIx => include_str!("../../presets/euro-ix.toml"),
            Self::Arouteserver => include_str!("../../presets/arouteserver.toml"),
            Self::Irix => include_str!("../../presets/irix.toml"),
            Self::Poema => include_str!("../../presets/poema.toml"),
        }
    }
}

/// Patterns for every function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommunityScheme {
    preset: Preset,
    /// Whether the preset's standard patterns stay on without a 16-bit AS.
    keeps_standard: bool,
    lists: Vec<List>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct List {
    patterns: Vec<Pattern>,
    explicit: bool,
}

#[derive(Deserialize)]
struct PresetFile {
    keeps_standard: bool,
    functions: BTreeMap<String, Vec<Pattern>>,
}

impl CommunityScheme {
    /// The scheme of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        // The files are compiled in and a test reads each of them; there is no other way to fail.
        Self::parse(preset).unwrap_or_else(|error| {
            debug_assert!(false, "preset {}: {error}", preset.name());
            Self {
                preset,
                keeps_standard: false,
                lists: vec![List::default(); Function::ALL.len()],
            }
        })
    }

    fn parse(preset: Preset) -> Result<Self, String> {
        let file: PresetFile = toml::from_str(preset.text()).map_err(|error| error.to_string())?;
        let mut lists = vec![List::default(); Function::ALL.len()];
        for (name, patterns) in file.functions {
            let function: Function =
                name.parse().map_err(|error: UnknownFunction| format!("{name}: {error}"))?;
            lists[function.index()] = List { patterns, explicit: false };
        }
        Ok(Self { preset, keeps_standard: file.keeps_standard, lists })
    }

    /// The preset that the scheme started from.
    #[must_use]
    pub fn base(&self) -> Preset {
        self.preset
    }

    /// Whether the preset's standard patterns stay on without a 16-bit route server AS.
    #[must_use]
    pub fn keeps_standard(&self) -> bool {
        self.keeps_standard
    }

    /// Replaces a function's list by a configured one.
    pub fn set(&mut self, function: Function, patterns: Vec<Pattern>) {
        self.lists[function.index()] = List { patterns, explicit: true };
    }

    /// A function's patterns.
    #[must_use]
    pub fn patterns(&self, function: Function) -> &[Pattern] {
        &self.lists[function.index()].patterns
    }

    /// Whether a function's list was configured, not taken from the preset.
    #[must_use]
    pub fn is_explicit(&self, function: Function) -> bool {
        self.lists[function.index()].explicit
    }
}

impl Default for CommunityScheme {
    fn default() -> Self {
        Self::preset(Preset::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_reads() {
        for preset in Preset::ALL {
            let scheme = CommunityScheme::parse(preset).unwrap();
            assert!(!scheme.patterns(Function::DoNotAnnounceToPeer).is_empty(), "{preset:?}");
            assert!(!scheme.patterns(Function::Reject).is_empty(), "{preset:?}");
        }
    }

    #[test]
    fn functions_are_in_order_and_names_read_back() {
        for (index, function) in Function::ALL.into_iter().enumerate() {
            assert_eq!(function.index(), index);
            assert_eq!(function.name().parse(), Ok(function));
        }
    }

    #[test]
    fn a_configured_list_replaces_the_preset_s() {
        let mut scheme = CommunityScheme::preset(Preset::EuroIx);
        scheme.set(Function::DoNotAnnounceToAny, vec!["1:2:3".parse().unwrap()]);
        assert_eq!(scheme.patterns(Function::DoNotAnnounceToAny).len(), 1);
        assert!(scheme.is_explicit(Function::DoNotAnnounceToAny));
        assert!(!scheme.is_explicit(Function::AnnounceToAny));
    }
}
