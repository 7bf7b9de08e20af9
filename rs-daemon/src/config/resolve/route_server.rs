//! One `[[route_server]]`.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use policy::{CommunityScheme, ImportPolicy, Inform, Preset};

use super::{import, limits, short_asn, value, values};
use crate::config::{
    Exchange, ExportRules, Kind, ListenAddress, RouteServer,
    file::{
        communities::{CommunitiesTable, InformWord},
        route_server::{ExportTable, KindWord, ListenText, RouteServerTable},
    },
    report::{At, Located, Reports},
};

const DEFAULT_RESTART_TIME: Duration = Duration::from_secs(120);
/// RFC 4724 §3: twelve bits.
const LONGEST_RESTART_TIME: Duration = Duration::from_secs(4095);

pub(super) fn route_server(
    table: &RouteServerTable,
    exchange: &Exchange,
    reports: &mut Reports,
) -> RouteServer {
    let kind = kind(table.kind, reports);
    super::session::check_options(&table.session, reports);
    let asn = value(&table.asn).unwrap_or(exchange.asn);
    let mut import = ImportPolicy::for_kind(kind);
    let mut limits = limits::for_kind(kind);
    let given = table.import.as_ref().map(|import| &import.value);
    if let Some(given) = given {
        import::apply(&mut import, given, reports);
        limits::apply_beside(&mut limits, given);
        limits::apply(&mut limits, given.max_prefixes.as_ref());
    }
    let mut sponsor_limits = limits::for_sponsors(limits);
    limits::apply(&mut sponsor_limits, given.and_then(|given| given.sponsor_max_prefixes.as_ref()));
    let communities = table.communities.as_ref().map(|communities| &communities.value);
    RouteServer {
        name: Arc::from(value(&table.name).unwrap_or_default()),
        kind,
        asn,
        short_asn: match table.short_asn {
            None if asn.0 > u32::from(u16::MAX) => exchange.short_asn,
            given => short_asn(given, asn, reports),
        },
        router_id: router_id(table.router_id, reports),
        listen: listen(table, exchange, reports),
        restart_time: restart_time(table.restart_time, reports),
        med: value(&table.med).unwrap_or_default(),
        prefer_oldest: value(&table.prefer_oldest).unwrap_or(false),
        import: Arc::new(import),
        blacklist: given.map(|given| values(&given.blacklist)).unwrap_or_default(),
        limits,
        sponsor_limits,
        export: export(table, kind),
        communities: scheme(communities),
        inform: inform(communities),
        prepend_tie: communities
            .and_then(|communities| value(&communities.prepend_tie))
            .unwrap_or_default(),
        own_asn_means_any: communities
            .and_then(|communities| value(&communities.own_asn_means_any))
            .unwrap_or(false),
    }
}

fn kind(given: Option<Located<KindWord>>, reports: &mut Reports) -> Kind {
    match given.map(|given| (given.value, given.at)) {
        None | Some((KindWord::Regular, _)) => Kind::Regular,
        Some((KindWord::Transitable, _)) => Kind::Transitable,
        Some((KindWord::Chaos, _)) => Kind::Chaos,
        Some((KindWord::Remote, at)) => {
            let help = "write \"regular\", \"transitable\" or \"chaos\"";
            reports.error(at, "kind \"remote\" is not there yet", help);
            Kind::Regular
        }
    }
}

fn router_id(given: Option<Located<Ipv4Addr>>, reports: &mut Reports) -> Ipv4Addr {
    let Some(given) = given else { return Ipv4Addr::UNSPECIFIED };
    if given.value.is_unspecified() {
        // RFC 6286 §2.1
        let help = "write an IPv4 address of this machine, or any other number in that form";
        reports.error(given.at, "router_id is 0.0.0.0", help);
    }
    given.value
}

fn restart_time(given: Option<Located<Duration>>, reports: &mut Reports) -> Duration {
    let Some(given) = given else { return DEFAULT_RESTART_TIME };
    if given.value > LONGEST_RESTART_TIME {
        let message = "restart_time does not fit the 12 bits it has in OPEN";
        reports.error(given.at, message, "write at most \"4095s\" (RFC 4724 §3)");
    }
    given.value
}

fn listen(
    table: &RouteServerTable,
    exchange: &Exchange,
    reports: &mut Reports,
) -> Vec<ListenAddress> {
    let Some(list) = &table.listen else { return Vec::new() };
    if list.value.is_empty() {
        let help = "write at least one address, such as \"192.0.2.250:179\"";
        reports.error(list.at, "listen is empty", help);
    }
    let mut listen: Vec<ListenAddress> = Vec::new();
    for given in &list.value {
        let Some(address) = listen_address(given, exchange, reports) else { continue };
        if super::session::is_wildcard(address.address) {
            // A next hop of our own would not be known as such, and keys are set per address.
            let message = format!("{address} is every address of this machine");
            let help = "name the addresses of the route server one by one";
            reports.error(given.at, message, help);
        } else if listen.contains(&address) {
            reports.error(given.at, "this address stands here twice", "leave one of them out");
        } else {
            listen.push(address);
        }
    }
    listen
}

/// The address with its scope; reported and left out if it has none.
pub(super) fn listen_address(
    given: &Located<ListenText>,
    exchange: &Exchange,
    reports: &mut Reports,
) -> Option<ListenAddress> {
    let ListenText { address, interface, port } = &given.value;
    let interface =
        super::session::scope(*address, interface.as_deref(), exchange, given.at, reports)?;
    Some(ListenAddress { address: *address, port: *port, interface })
}

fn export(server: &RouteServerTable, kind: Kind) -> ExportRules {
    let table = server.export.as_ref().map(|export| &export.value);
    let scheme = server.communities.as_ref().map(|communities| &communities.value);
    let irix = scheme.and_then(|scheme| value(&scheme.preset)) == Some(Preset::Irix);
    let given = |pick: fn(&ExportTable) -> Option<Located<bool>>, default: bool| {
        table.and_then(pick).map_or(default, |given| given.value)
    };
    ExportRules {
        communities: given(|table| table.communities, kind != Kind::Chaos),
        set_partial: given(|table| table.set_partial, false),
        honour_well_known: given(|table| table.honour_well_known, false),
        same_as_export: given(|table| table.same_as_export, true),
        rpsl: given(|table| table.rpsl, irix && kind != Kind::Chaos),
    }
}

fn scheme(table: Option<&CommunitiesTable>) -> CommunityScheme {
    let preset = table.and_then(|table| value(&table.preset)).unwrap_or(Preset::EuroIx);
    let mut scheme = CommunityScheme::preset(preset);
    for (function, patterns) in table.map(CommunitiesTable::lists).unwrap_or_default() {
        let patterns = patterns.value.iter().map(|pattern| pattern.value).collect();
        scheme.set(function, patterns);
    }
    scheme
}

fn inform(table: Option<&CommunitiesTable>) -> Inform {
    let words = table.map(|table| values(&table.inform)).unwrap_or_default();
    Inform {
        rov: words.contains(&InformWord::Rov),
        irr: words.contains(&InformWord::Irr),
        learnt_from: words.contains(&InformWord::LearntFrom),
        location: words.contains(&InformWord::Location),
    }
}

/// Where the route server is named, else where it begins.
pub(super) fn place(table: &RouteServerTable) -> At {
    table.name.as_ref().map_or(table.at, |name| name.at)
}
