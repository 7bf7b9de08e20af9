//! The community functions, by arouteserver's names.

use std::collections::BTreeMap;

use policy::{Audience, CommunityScheme, Function, Pattern, Preset, Term};
use serde_json::{Map, Value};

use crate::import::{
    bag::Bag,
    write::{Lines, quoted, strings},
};

/// Names that differ from ours. The others are the same.
const RENAMED: [(&str, Function); 15] = [
    ("blackholing", Function::Blackhole),
    ("reject_cause", Function::Reject),
    ("origin_present_in_as_set", Function::IrrOriginPresent),
    ("origin_not_present_in_as_set", Function::IrrOriginAbsent),
    ("prefix_present_in_as_set", Function::IrrPrefixPresent),
    ("prefix_not_present_in_as_set", Function::IrrPrefixAbsent),
    ("prefix_validated_via_rpki_roas", Function::IrrRoa),
    ("route_validated_via_white_list", Function::IrrWhiteList),
    ("prefix_validated_via_arin_whois_db_dump", Function::IrrArin),
    ("as_path_contains_transit", Function::PathHasTransitFree),
    ("rpki_bgp_origin_validation_valid", Function::RovValid),
    ("rpki_bgp_origin_validation_unknown", Function::RovUnknown),
    ("rpki_bgp_origin_validation_invalid", Function::RovInvalid),
    ("rpki_bgp_origin_validation_not_performed", Function::RovNotChecked),
    ("no_prepend_to_peer", Function::NoPrependToPeer),
];

/// What arouteserver has no word for: the preset's stay.
const NOT_THERE: [Function; 9] = [
    Function::AnnounceToAny,
    Function::Transit,
    Function::IrrPresent,
    Function::IrrNotChecked,
    Function::LearntFrom,
    Function::Location,
    Function::RejectEuroIx,
    Function::ScrubIn,
    Function::ScrubOut,
];

/// Patterns by function.
pub(super) type Lists = BTreeMap<Function, Vec<Pattern>>;

/// The custom communities: name and patterns, for clients to attach.
pub(super) fn custom(
    settings: &mut Bag<'_>,
    notes: &mut Vec<String>,
) -> BTreeMap<String, Vec<Pattern>> {
    let tree = settings.take("cfg.custom_communities");
    let tree = tree.or_else(|| settings.take("custom_communities"));
    let Some(entries) = object("custom_communities", tree, notes) else { return BTreeMap::new() };
    let named = entries.iter();
    named.map(|(name, entry)| (name.clone(), patterns(name, entry, None, notes))).collect()
}

/// The functions that the file gives.
pub(super) fn lists(settings: &mut Bag<'_>, rs_as: u32, notes: &mut Vec<String>) -> Lists {
    let tree = settings.take("cfg.communities");
    let tree = tree.or_else(|| settings.take("communities"));
    let Some(entries) = object("communities", tree, notes) else { return Lists::new() };
    let mut lists = Lists::new();
    for (name, entry) in entries {
        let renamed = RENAMED.iter().find(|(theirs, _)| theirs == name);
        let function = renamed.map(|(_, function)| *function).or_else(|| name.parse().ok());
        let Some(function) = function else {
            notes.push(format!("general.yml: communities.{name}: has no counterpart"));
            continue;
        };
        let mut found = patterns(name, entry, Some(rs_as), notes);
        if function == Function::Blackhole {
            // arouteserver obeys RFC 7999's whatever is configured
            let well_known = Pattern::Standard([Term::Number(65535), Term::Number(666)]);
            if !found.contains(&well_known) {
                found.insert(0, well_known);
            }
        }
        lists.insert(function, found);
    }
    lists
}

fn object<'v>(
    name: &str,
    tree: Option<&'v Value>,
    notes: &mut Vec<String>,
) -> Option<&'v Map<String, Value>> {
    let tree = tree?;
    if !tree.is_object() {
        notes.push(format!("general.yml: {name} is no list of names: left out"));
    }
    tree.as_object()
}

/// `std`, `ext` and `lrg` of an entry. `rs_as`: its size decides what a standard one can hold.
fn patterns(
    name: &str,
    entry: &Value,
    rs_as: Option<u32>,
    notes: &mut Vec<String>,
) -> Vec<Pattern> {
    const ENCODINGS: [&str; 3] = ["std", "ext", "lrg"];
    let mut patterns = Vec::new();
    for (key, value) in entry.as_object().into_iter().flatten() {
        if !(value.is_null() || ENCODINGS.contains(&key.as_str()) && value.is_string()) {
            notes.push(format!(
                "general.yml: communities.{name}: {key} = {value}: has no counterpart"
            ));
        }
    }
    for encoding in ENCODINGS {
        let Some(text) = entry.get(encoding).and_then(Value::as_str) else { continue };
        let ours =
            text.replace("rs_as", "$rs").replace("peer_as", "$peer").replace("dyn_val", "$code");
        let too_wide = encoding == "std"
            && ours.contains("$rs")
            && rs_as.is_some_and(|rs_as| rs_as > u32::from(u16::MAX));
        match ours.parse() {
            Ok(_) if too_wide => notes.push(format!(
                "general.yml: communities.{name}: {text} has no room for a 32-bit AS: left out"
            )),
            Ok(pattern) => patterns.push(pattern),
            Err(_) => {
                notes
                    .push(format!("general.yml: communities.{name}: {text} is no pattern of ours"));
            }
        }
    }
    patterns
}

/// The preset that is nearest, and the lists in which it differs.
pub(super) fn write(lists: &Lists, inform: &[&str], lines: &mut Lines) {
    let nearest = Preset::ALL.into_iter().min_by_key(|preset| differing(lists, *preset).len());
    let preset = nearest.unwrap_or_default();
    lines.line("\n[route_server.communities]");
    lines.key("preset", quoted(preset.name()));
    if !inform.is_empty() {
        lines.key("inform", strings(inform));
    }
    for function in differing(lists, preset) {
        let patterns = lists.get(&function).map_or(&[][..], Vec::as_slice);
        lines.key(function.name(), strings(patterns.iter().map(ToString::to_string)));
    }
}

/// The functions whose list has to be written beside a preset. What is only shown or tagged
/// keeps the preset's list when the file has none.
fn differing(lists: &Lists, preset: Preset) -> Vec<Function> {
    let scheme = CommunityScheme::preset(preset);
    let comparable = Function::ALL.into_iter().filter(|function| !NOT_THERE.contains(function));
    let differs = |function: &Function| {
        let ours = scheme.patterns(*function);
        let Some(theirs) = lists.get(function) else {
            return function.audience() != Audience::Informational && !ours.is_empty();
        };
        let within = theirs.iter().all(|pattern| ours.contains(pattern));
        // Our presets say on refused routes both that and why.
        let same_length = ours.len() == theirs.len();
        !within || !(same_length || (*function == Function::Reject && !theirs.is_empty()))
    };
    comparable.filter(differs).collect()
}
