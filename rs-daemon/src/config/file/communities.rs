//! `[route_server.communities]`: the scheme.

use policy::{Function, Pattern, PrependTie, Preset};

use crate::config::{
    report::Located,
    table::{config_table, words},
    value::{FromText, text_values},
};

/// The patterns of one function.
pub(in crate::config) type Patterns = Vec<Located<Pattern>>;

macro_rules! communities_table {
    ($( $field:ident => $function:ident, $meaning:literal; )*) => {
        config_table! {
            /// The community scheme: a preset, and lists that replace the preset's list of
            /// that function. A pattern is `a:b`, `rt:a:b`, `ro:a:b` or `a:b:c`; a part is a
            /// number, `$rs` (the route server's AS, `short_asn` where 16 bits are wanted),
            /// `$peer` (a member's AS or alias), `$code` (a reject code), `$location` or `*`.
            CommunitiesTable in "[route_server.communities]" {
                /// `euro-ix`, `arouteserver`, `irix` or `poema`.
                preset: Preset = "\"euro-ix\"",
                /// Informational communities that are added to accepted routes: `rov`, `irr`,
                /// `learnt_from`, `location`.
                inform: Vec<Located<InformWord>> = "[]",
                /// Which of several prepend requests of one kind counts: `highest`, or
                /// `lowest` as arouteserver has it.
                prepend_tie: PrependTie = "\"highest\"",
                /// A prepend request aimed at the sender's own AS is read as aimed at all.
                own_asn_means_any: bool = "false",
                $( #[doc = $meaning] $field: Patterns = "the preset's", )*
            }
        }

        impl CommunitiesTable {
            /// The lists that were given.
            pub(in crate::config) fn lists(&self) -> Vec<(Function, &Located<Patterns>)> {
                let lists = [$( (Function::$function, self.$field.as_ref()) ),*];
                lists.into_iter().filter_map(|(function, list)| Some((function, list?))).collect()
            }
        }
    };
}

communities_table! {
    do_not_announce_to_any => DoNotAnnounceToAny, "Nobody gets the route.";
    do_not_announce_to_peer => DoNotAnnounceToPeer, "That AS does not get it.";
    announce_to_peer => AnnounceToPeer, "That AS gets it although others do not.";
    announce_to_any => AnnounceToAny, "Everybody gets it, which is so anyway.";
    prepend_once_to_any => PrependOnceToAny, "Prepended once towards everybody.";
    prepend_twice_to_any => PrependTwiceToAny, "Prepended twice towards everybody.";
    prepend_thrice_to_any => PrependThriceToAny, "Prepended thrice towards everybody.";
    prepend_once_to_peer => PrependOnceToPeer, "Prepended once towards that AS.";
    prepend_twice_to_peer => PrependTwiceToPeer, "Prepended twice towards that AS.";
    prepend_thrice_to_peer => PrependThriceToPeer, "Prepended thrice towards that AS.";
    no_prepend_to_peer => NoPrependToPeer, "Not prepended towards that AS.";
    add_noexport_to_any => AddNoexportToAny, "NO_EXPORT is added towards everybody.";
    add_noexport_to_peer => AddNoexportToPeer, "NO_EXPORT is added towards that AS.";
    add_noadvertise_to_any => AddNoadvertiseToAny, "NO_ADVERTISE is added towards everybody.";
    add_noadvertise_to_peer => AddNoadvertiseToPeer, "NO_ADVERTISE is added towards that AS.";
    blackhole => Blackhole, "Traffic to the prefix is to be dropped (RFC 7999).";
    transit => Transit, "Marks transit on a transitable server.";
    rov_valid => RovValid, "Tag: ROV says Valid.";
    rov_unknown => RovUnknown, "Tag: ROV says NotFound.";
    rov_not_checked => RovNotChecked, "Tag: ROV was not done.";
    rov_invalid => RovInvalid, "Tag: ROV says Invalid.";
    irr_present => IrrPresent, "Tag: the IRR knows origin and prefix.";
    irr_not_checked => IrrNotChecked, "Tag: the IRR was not looked at.";
    irr_origin_present => IrrOriginPresent, "Tag: the origin is in the member's set.";
    irr_origin_absent => IrrOriginAbsent, "Tag: the origin is not in the member's set.";
    irr_prefix_present => IrrPrefixPresent, "Tag: the prefix is in the member's set.";
    irr_prefix_absent => IrrPrefixAbsent, "Tag: the prefix is not in the member's set.";
    irr_roa => IrrRoa, "Tag: a ROA stands in for the route object.";
    irr_white_list => IrrWhiteList, "Tag: `irr_extra` let it through.";
    irr_arin => IrrArin, "Tag: ARIN's whois dump has it; only removed, never added.";
    aspa_valid => AspaValid, "Tag: ASPA says Valid.";
    aspa_unknown => AspaUnknown, "Tag: ASPA says Unknown.";
    aspa_invalid => AspaInvalid, "Tag: ASPA says Invalid.";
    path_has_transit_free => PathHasTransitFree, "Tag: the path has a transit-free AS.";
    learnt_from => LearntFrom, "Tag: the member that it was learnt from.";
    location => Location, "Tag: where it was learnt.";
    reject => Reject, "Shown on refused routes: that, and why.";
    reject_euro_ix => RejectEuroIx, "Shown on refused routes: why, in Euro-IX's numbers.";
    scrub_in => ScrubIn, "Removed on the way in, beside our own tags.";
    scrub_out => ScrubOut, "Removed on the way out, beside the action communities.";
}

words!(Preset {
    "euro-ix" => Self::EuroIx,
    "arouteserver" => Self::Arouteserver,
    "irix" => Self::Irix,
    "poema" => Self::Poema,
});

words!(PrependTie { "highest" => Self::Highest, "lowest" => Self::Lowest });

/// A group of informational communities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum InformWord {
    Rov,
    Irr,
    LearntFrom,
    Location,
}

words!(InformWord {
    "rov" => Self::Rov,
    "irr" => Self::Irr,
    "learnt_from" => Self::LearntFrom,
    "location" => Self::Location,
});

impl FromText for Pattern {
    fn kind() -> &'static str {
        "a community pattern"
    }

    fn example() -> &'static str {
        "write a:b, rt:a:b, ro:a:b or a:b:c, each part a number, $rs or $peer; 16-bit parts in a:b"
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is no community pattern"))
    }
}

text_values!(Pattern);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::ConfigTable;

    #[test]
    fn every_function_has_a_key() {
        let keys: Vec<_> = CommunitiesTable::keys().iter().map(|key| key.name).collect();
        for function in Function::ALL {
            assert!(keys.contains(&function.name()), "{function}");
        }
    }
}
