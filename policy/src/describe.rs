//! The policy in force, as data: for `rsctl policy` and the document for members.

use bgp_wire::{Asn, Family, Prefix};

use crate::bogons;
use crate::communities::{Audience, Encoding, Function, Pattern, Term};
use crate::config::{
    CheckMode, ImportPolicy, Kind, MedMode, MoreSpecifics, NextHopMode, PeerPolicy, PolicyConfig,
    PrependTie, Role,
};
use crate::policy::{Policy, keeps};
use crate::reject::RejectReason;
use crate::trace::Check;
use crate::verdict::CHECKS;

/// The policy of a route server.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct PolicyDescription {
    /// The route server's name.
    pub route_server: String,
    /// Its kind.
    pub kind: Kind,
    /// Its AS.
    pub asn: u32,
    /// What stands for its AS in standard communities.
    pub short_asn: Option<u16>,
    /// Counts the policies of a run.
    pub epoch: u64,
    /// The checks of import policy, in order.
    pub checks: Vec<CheckSetting>,
    /// What is otherwise for transit sponsors on a transitable route server.
    pub sponsors: Vec<CheckSetting>,
    /// Members for whom a check is set otherwise.
    pub exceptions: Vec<Exception>,
    /// The lists in force.
    pub lists: Vec<ListDescription>,
    /// Further limits, such as those on the number of prefixes, by name; the daemon adds them.
    pub limits: Vec<(String, String)>,
    /// How a route is chosen, in order.
    pub selection: Vec<String>,
    /// What holds for routes on their way out.
    pub export: Vec<String>,
    /// Control communities.
    pub actions: Vec<CommunityDescription>,
    /// Informational communities that members may see.
    pub tags: Vec<CommunityDescription>,
    /// Why routes are refused.
    pub reject_codes: Vec<RejectCode>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// A check and how it is set.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct CheckSetting {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// How it is set, in words.
    pub setting: String,
}

/// A member for whom checks are set otherwise.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Exception {
    /// Its AS.
    pub asn: u32,
    /// Its name.
    pub name: String,
    /// What is set otherwise.
    pub checks: Vec<CheckSetting>,
}

/// A list and its entries.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ListDescription {
    /// What it is.
    pub name: &'static str,
    /// The version of a list that comes with the program.
    pub version: Option<&'static str>,
    /// Entries, and why they are there.
    pub entries: Vec<(String, String)>,
}

/// A function and the communities that mean it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct CommunityDescription {
    /// The function.
    pub function: Function,
    /// What it does.
    pub meaning: &'static str,
    /// The communities, with `$peer` and the like.
    pub communities: Vec<String>,
}

/// A reason for refusal.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct RejectCode {
    /// Our code.
    pub code: u16,
    /// Euro-IX's code, if it has one.
    pub euro_ix: Option<u16>,
    /// The reason.
    pub reason: RejectReason,
    /// In words.
    pub meaning: String,
    /// The communities that the route is shown with.
    pub communities: Vec<String>,
}

impl Policy {
    /// The policy in force, as data.
    #[must_use]
    pub fn describe(&self) -> PolicyDescription {
        let config = self.config();
        PolicyDescription {
            route_server: config.name.to_string(),
            kind: config.kind,
            asn: config.asn.0,
            short_asn: config.short_asn,
            epoch: config.epoch,
            checks: settings(config, &config.import),
            sponsors: sponsors(config),
            exceptions: exceptions(config),
            lists: lists(config),
            limits: Vec::new(),
            selection: selection(config),
            export: export(self),
            actions: self.described(|one| matches!(one.audience(), Audience::Any | Audience::Peer)),
            tags: self.described(|one| self.tells(one)),
            reject_codes: self.reject_codes(),
            warnings: self.warnings().iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether members may see that informational community. Collectors, who are told everything,
    /// are no members.
    fn tells(&self, function: Function) -> bool {
        let (config, readers) = (self.config(), !self.groups().tag_only.is_empty());
        let kept = |of: fn(&ImportPolicy) -> CheckMode| {
            let members = config.peers.iter().flatten().map(|peer| &peer.import);
            members.chain([&config.import]).any(|import| keeps(of(import)))
        };
        match function {
            Function::RovValid | Function::RovUnknown | Function::RovNotChecked => {
                config.inform.rov || readers
            }
            Function::RovInvalid => config.inform.rov || readers || kept(|import| import.rpki),
            Function::AspaValid | Function::AspaUnknown | Function::AspaInvalid => {
                kept(|import| import.aspa)
            }
            // Of a source that we do not have.
            Function::IrrArin => false,
            Function::IrrPresent
            | Function::IrrNotChecked
            | Function::IrrOriginPresent
            | Function::IrrOriginAbsent
            | Function::IrrPrefixPresent
            | Function::IrrPrefixAbsent
            | Function::IrrRoa
            | Function::IrrWhiteList
            | Function::PathHasTransitFree => {
                config.inform.irr || readers || kept(|import| import.irr)
            }
            Function::LearntFrom => config.inform.learnt_from,
            Function::Location => config.inform.location,
            other => other.audience() == Audience::Informational,
        }
    }

    fn described(&self, wanted: impl Fn(Function) -> bool) -> Vec<CommunityDescription> {
        if !self.obeys_communities() {
            return Vec::new();
        }
        let written = |pattern: &Pattern| written(pattern, self.config());
        Function::ALL
            .into_iter()
            .filter(|&function| wanted(function))
            .filter(|&function| {
                function != Function::Transit || self.config().kind == Kind::Transitable
            })
            .map(|function| CommunityDescription {
                function,
                meaning: function.meaning(),
                communities: self.patterns(function).iter().map(written).collect(),
            })
            .filter(|described| !described.communities.is_empty())
            .collect()
    }

    fn reject_codes(&self) -> Vec<RejectCode> {
        RejectReason::ALL
            .into_iter()
            .map(|reason| RejectCode {
                code: reason.code(),
                euro_ix: Some(reason.euro_ix()).filter(|&code| code != 0),
                reason,
                meaning: reason.to_string(),
                communities: self
                    .reject_communities(reason)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            })
            .collect()
    }
}

/// A pattern with the route server's AS filled in.
fn written(pattern: &Pattern, config: &PolicyConfig) -> String {
    let short = config.short_asn.filter(|_| pattern.encoding() == Encoding::Standard);
    let rs = short.map_or(config.asn.0, u32::from);
    let filled = pattern.map(|term| if term == Term::Rs { Term::Number(rs) } else { term });
    filled.to_string()
}

/// How every check is set, in order.
fn settings(config: &PolicyConfig, import: &ImportPolicy) -> Vec<CheckSetting> {
    let setting = |check: Check| match check.row {
        1 => scrub(config, import),
        20 => otc(config.kind).to_owned(),
        _ => setting(check, import),
    };
    CHECKS.iter().map(|&check| CheckSetting { check, setting: setting(check) }).collect()
}

/// What a sponsor's full table is exempt from, and what is done to it instead.
fn sponsors(config: &PolicyConfig) -> Vec<CheckSetting> {
    if config.kind != Kind::Transitable {
        return Vec::new();
    }
    let setting = |check: &Check| match check.row {
        1 => Some("on, TRANSIT may be set"),
        7 | 8 => Some("off"),
        14 | 15 => Some("what fails is kept and gets TRANSIT"),
        18 if config.import.aspa != CheckMode::Off => Some("by the downstream procedure"),
        _ => None,
    };
    let of = |check: &Check| Some(CheckSetting { check: *check, setting: setting(check)?.into() });
    CHECKS.iter().filter_map(of).collect()
}

fn setting(check: Check, import: &ImportPolicy) -> String {
    match check.row {
        0 => "routes from collectors are refused".to_owned(),
        2 => next_hop(import.next_hop).to_owned(),
        3 => limit(import.as_path_max),
        4 => on(import.first_as),
        5 => on(import.reject_as_sets),
        6 => on(import.bogon_asns),
        7 => refused_asns(&import.transit_free),
        8 => refused_asns(&import.never_via_rs),
        9 => limit(import.max_communities),
        10 => on(import.global_unicast_only),
        11 => on(import.peering_lan),
        12 => refused_prefixes(&import.blacklist),
        13 => on(import.bogon_prefixes),
        14 => mode(import.irr).to_owned() + &irr_conditions(import),
        15 => format!("{}, {}", mode(import.irr), more_specifics(import.irr_more_specifics)),
        16 => blackhole(import),
        17 => mode(import.rpki).to_owned(),
        18 => mode(import.aspa).to_owned(),
        19 => lengths(import),
        _ => on(import.graceful_shutdown),
    }
}

fn on(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn limit(limit: u32) -> String {
    if limit == 0 { "no limit".to_owned() } else { format!("at most {limit}") }
}

fn scrub(config: &PolicyConfig, import: &ImportPolicy) -> String {
    let mut text = on(config.kind != Kind::Chaos);
    if !import.attach_communities.is_empty() {
        let attached = import.attach_communities.iter().map(|pattern| written(pattern, config));
        text += &format!(", attaches {}", joined(attached));
    }
    text
}

/// Routes that sponsors learnt from providers carry OTC (RFC 9234 §5), and a chaos server takes what
/// comes.
fn otc(kind: Kind) -> &'static str {
    if kind == Kind::Regular { "for members with role_rfc9234" } else { "off" }
}

fn next_hop(mode: NextHopMode) -> &'static str {
    match mode {
        NextHopMode::Strict => "strict: an address of the same member",
        NextHopMode::SameAs => "same-as: the address of any session of the same AS",
        NextHopMode::Lan => "lan: inside the peering LAN, or the member's own link-local address",
        NextHopMode::Any => "any",
    }
}

fn mode(mode: CheckMode) -> &'static str {
    match mode {
        CheckMode::Reject => "reject",
        CheckMode::Tag => "tag",
        CheckMode::PerMember => "per-member",
        CheckMode::Off => "off",
    }
}

fn more_specifics(mode: MoreSpecifics) -> &'static str {
    match mode {
        MoreSpecifics::Allowed => "more specifics allowed up to the length limit",
        MoreSpecifics::Exact => "exact",
    }
}

fn refused_asns(asns: &[Asn]) -> String {
    if asns.is_empty() { "off".to_owned() } else { format!("reject: {}", joined(asns.iter())) }
}

fn refused_prefixes(prefixes: &[Prefix]) -> String {
    if prefixes.is_empty() {
        "off".to_owned()
    } else {
        format!("reject: {}", joined(prefixes.iter()))
    }
}

fn irr_conditions(import: &ImportPolicy) -> String {
    let mut text = String::new();
    for family in Family::ALL {
        if let Some(most) = import.irr_max_prefixes[family.index()] {
            text += &format!(", a set of more than {most} {family} prefixes does not count");
        }
    }
    if import.irr_refuse_transit_free {
        text += ", a set with a transit-free AS does not count";
    }
    if !import.irr_extra_asns.is_empty() {
        text += &format!(", besides {}", joined(import.irr_extra_asns.iter()));
    }
    if !import.irr_extra_prefixes.is_empty() {
        text += &format!(", besides {}", joined(import.irr_extra_prefixes.iter()));
    }
    text
}

fn blackhole(import: &ImportPolicy) -> String {
    match (import.blackhole, import.blackhole_no_export) {
        (false, _) => "off".to_owned(),
        (true, true) => "on, NO_EXPORT is added".to_owned(),
        (true, false) => "on".to_owned(),
    }
}

fn lengths(import: &ImportPolicy) -> String {
    let range = |family: Family| match import.prefix_length[family.index()] {
        Some(range) => format!("{family} /{} to /{}", range.min, range.max),
        None => format!("{family} any"),
    };
    Family::ALL.map(range).join(", ")
}

fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

fn exceptions(config: &PolicyConfig) -> Vec<Exception> {
    let mut seen = std::collections::BTreeSet::new();
    config
        .peers
        .iter()
        .flatten()
        .filter(|peer| peer.import != config.import && seen.insert((peer.member, peer.asn)))
        .map(|peer| exception(config, peer))
        .filter(|exception| !exception.checks.is_empty())
        .collect()
}

fn exception(config: &PolicyConfig, peer: &PeerPolicy) -> Exception {
    let usual = settings(config, &config.import);
    let checks =
        settings(config, &peer.import).into_iter().filter(|own| !usual.contains(own)).collect();
    Exception { asn: peer.asn.0, name: peer.name.to_string(), checks }
}

fn lists(config: &PolicyConfig) -> Vec<ListDescription> {
    let import = &config.import;
    let plain = |items: Vec<String>| items.into_iter().map(|item| (item, String::new())).collect();
    let asns = |asns: &[Asn]| plain(asns.iter().map(ToString::to_string).collect());
    let prefixes = |list: &[Prefix]| plain(list.iter().map(ToString::to_string).collect());
    let version = Some(bogons::version());
    let mut lists = Vec::new();
    let mut add = |name, version, entries: Vec<(String, String)>| {
        if !entries.is_empty() {
            lists.push(ListDescription { name, version, entries });
        }
    };
    add("peering LAN", None, prefixes(&config.peering_lan));
    add("blacklist", None, prefixes(&config.blacklist));
    if import.bogon_prefixes {
        let entry = |bogon: &bogons::BogonPrefix| {
            let exact = if bogon.more_specifics { "" } else { " exactly" };
            (format!("{}{exact}", bogon.prefix), bogon.source.to_owned())
        };
        add("bogon prefixes", version, bogons::bogon_prefixes().iter().map(entry).collect());
    }
    if import.bogon_asns {
        let entry = |range: &bogons::BogonAsns| {
            let text = if range.first == range.last {
                range.first.to_string()
            } else {
                format!("{}-{}", range.first, range.last)
            };
            (text, range.source.to_owned())
        };
        add("bogon AS numbers", version, bogons::bogon_asns().iter().map(entry).collect());
    }
    add("transit-free AS numbers", None, asns(&import.transit_free));
    add("never via route servers", None, asns(&import.never_via_rs));
    lists
}

fn selection(config: &PolicyConfig) -> Vec<String> {
    let mut order = vec!["not marked with GRACEFUL_SHUTDOWN", "not LLGR_STALE"];
    if config.kind == Kind::Transitable {
        order.push("peering before transit");
    }
    order.extend(["shortest AS path as received", "lowest ORIGIN"]);
    match config.med {
        MedMode::Off => {}
        MedMode::SameAs => order.push("lowest MED among routes of the same AS"),
        MedMode::Always => order.push("lowest MED"),
    }
    if config.prefer_oldest {
        order.push("oldest route");
    }
    order.extend(["lowest BGP Identifier of the member's router", "lowest peer address"]);
    order.into_iter().map(str::to_owned).collect()
}

fn export(policy: &Policy) -> Vec<String> {
    let config = policy.config();
    let mut rules = vec![
        "AS path, next hop, MED and other attributes pass unchanged".to_owned(),
        "never back to the session a route came from, nor to the owner of its next hop".to_owned(),
    ];
    let mut add = |yes: bool, rule: &str| {
        if yes {
            rules.push(rule.to_owned());
        }
    };
    add(!config.same_as_export, "not to other sessions of the same AS");
    add(config.honour_well_known, "NO_EXPORT and NO_ADVERTISE are honoured");
    add(!config.honour_well_known, "NO_EXPORT and NO_ADVERTISE pass and do not stop a route");
    add(!policy.obeys_communities(), "communities have no meaning here and pass untouched");
    add(config.prepend_tie == PrependTie::Lowest, "of several prepend requests the lowest counts");
    add(config.own_asn_means_any, "a prepend request that names the own AS is for everybody");
    add(config.set_partial, "unknown attributes leave with the Partial bit set");
    add(config.drain, "GRACEFUL_SHUTDOWN is added to everything: this route server is draining");
    let sponsors = config.kind == Kind::Transitable
        && config.peers.iter().flatten().any(|peer| peer.role == Role::TransitSponsor);
    add(sponsors, "transit routes are withheld from sponsors");
    add(policy.has_rpsl(), "RPSL policies of both sides decide who receives from whom");
    rules
}

#[cfg(test)]
mod tests {
    use crate::testing::{V4, X, compiled, config, with_import};
    use bgp_wire::Asn;

    use crate::config::{FilterMode, PolicyConfig};
    use crate::{CheckMode, Kind};

    #[test]
    fn every_check_and_every_reason_is_described() {
        for kind in [Kind::Regular, Kind::Transitable, Kind::Chaos] {
            let described = compiled(config(kind)).describe();
            assert_eq!(described.checks.len(), 22);
            assert!(described.checks.iter().all(|check| !check.setting.is_empty()));
            assert_eq!(described.reject_codes.len(), crate::RejectReason::ALL.len());
            assert_eq!(described.actions.is_empty(), kind == Kind::Chaos);
        }
    }

    #[test]
    fn members_that_differ_are_named_with_what_differs() {
        let mut config = config(Kind::Regular);
        for slot in crate::testing::ALL {
            with_import(&mut config, slot, |import| import.irr = CheckMode::Reject);
        }
        with_import(&mut config, X, |import| import.never_via_rs = [Asn(7)].into());
        with_import(&mut config, V4, |import| import.rpki = CheckMode::Tag);
        let described = compiled(config).describe();
        let exceptions: Vec<_> = described
            .exceptions
            .iter()
            .map(|exception| (exception.asn, exception.checks.len(), &*exception.checks[0].setting))
            .collect();
        assert_eq!(exceptions, [(2000, 1, "tag"), (2003, 1, "reject: 7")]);
    }

    /// What is configured to be told, and what checks that keep routes tell of those.
    #[test]
    fn communities_that_nobody_adds_are_not_shown() {
        let told = |change: &dyn Fn(&mut PolicyConfig)| {
            let mut config = config(Kind::Regular);
            change(&mut config);
            let tags = compiled(config).describe().tags;
            let names: Vec<_> = tags.iter().map(|tag| tag.function.name()).collect();
            let parts = ["rov_valid", "rov_invalid", "irr_origin_absent", "learnt_from"];
            parts.map(|part| names.contains(&part))
        };
        let reader = |config: &mut PolicyConfig| {
            config.peers[X.index()].as_mut().unwrap().filter = FilterMode::TagOnly;
        };
        assert_eq!(told(&|_| ()), [false; 4]);
        assert_eq!(told(&|c| c.inform.rov = true), [true, true, false, false]);
        assert_eq!(told(&|c| c.inform.irr = true), [false, false, true, false]);
        assert_eq!(told(&|c| c.inform.learnt_from = true), [false, false, false, true]);
        assert_eq!(told(&reader), [true, true, true, false]);
        let keep = |c: &mut PolicyConfig| with_import(c, X, |it| it.rpki = CheckMode::Tag);
        assert_eq!(told(&keep), [false, true, false, false]);
        let keep = |c: &mut PolicyConfig| with_import(c, X, |it| it.irr = CheckMode::PerMember);
        assert_eq!(told(&keep), [false, false, true, false]);
    }

    #[test]
    fn the_document_names_what_a_member_needs() {
        let mut config = config(Kind::Regular);
        config.name = "rs|1".into();
        let mut described = compiled(config).describe();
        described.limits.push(("prefixes".to_owned(), "v4 170000".to_owned()));
        let text = described.markdown();
        for wanted in [
            "# Policy of rs\\|1",
            "| 17 | rov | reject |",
            "| `0:6500` `rt:0:6500` `6500:0:0` | do not announce to anybody |",
            "| 14 | 13 | RPKI origin validation says Invalid |",
            "203.0.113.0/24",
            "v4 170000",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), 1);
    }
}
