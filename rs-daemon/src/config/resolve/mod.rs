//! From what was typed to what the program needs: defaults, inheritance, references, and
//! everything that a single value cannot show to be wrong.
//!
//! Nothing stops at a mistake: what is missing gets a stand-in, so that the rest is looked at
//! too. The result is thrown away when anything was reported.

mod checks;
mod import;
mod limits;
mod member;
mod monitoring;
mod route_server;
mod session;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bgp_wire::Asn;

use super::{
    Config, Control, DynamicLimits, Engine, Exchange, Http, Irr, Rpki, RpkiCache, State,
    file::{
        Document,
        exchange::{ControlTable, EngineTable, ExchangeTable, HttpTable},
        irr::IrrTable,
        rpki::RpkiTable,
        state::{DynamicLimitsTable, StateTable},
    },
    regular,
    report::{At, Located, Reports},
};

const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9180);
const DEFAULT_SOCKET: &str = "/run/rs-daemon/control.sock";
const DEFAULT_STATE: &str = "/var/lib/rs-daemon";
const DAY: Duration = Duration::from_secs(24 * 3600);
const DEFAULT_IRR_REFRESH: Duration = Duration::from_secs(3600);

/// Fills in what was left out and checks what was written.
pub(super) fn resolve(document: &Document, reports: &mut Reports) -> Config {
    let exchange = exchange(document.exchange.as_ref(), reports);
    let irr = document.irr.as_ref().map(|table| irr(table, reports));
    let route_servers: Vec<_> = document
        .route_servers
        .iter()
        .map(|table| route_server::route_server(table, &exchange, reports))
        .collect();
    let members: Vec<_> = document
        .members
        .iter()
        .enumerate()
        .map(|(index, table)| {
            let context =
                member::Context { document, exchange: &exchange, servers: &route_servers };
            member::member(index, table, &context, reports)
        })
        .collect();
    let config = Config {
        files: Vec::new(),
        http: http(document.http.as_ref()),
        control: control(document.control.as_ref()),
        engine: engine(document.engine.as_ref(), reports),
        state: state(document.state.as_ref(), document.control.as_ref()),
        dynamic_limits: dynamic_limits(document.dynamic_limits.as_ref(), reports),
        rpki: document.rpki.as_ref().map_or_else(Rpki::default, |table| rpki(table, reports)),
        irr,
        bmp: monitoring::bmp(document.bmp.as_ref(), &exchange, &route_servers, reports),
        mrt: document
            .mrt
            .as_ref()
            .and_then(|table| monitoring::mrt(table, &route_servers, reports)),
        exchange,
        route_servers,
        members: Vec::new(),
        next_member: u32::try_from(members.len()).unwrap_or(u32::MAX),
        warnings: Vec::new(),
    };
    let (members, tables): (Vec<_>, Vec<_>) =
        members.into_iter().map(|one| (one.member, one.tables)).unzip();
    let config = Config { members, ..config };
    checks::check(document, &tables, &config, reports);
    config
}

/// The value, if there is one.
fn value<T: Clone>(located: &Option<Located<T>>) -> Option<T> {
    located.as_ref().map(|located| located.value.clone())
}

/// The values of a list.
fn values<T: Clone>(list: &Option<Located<Vec<Located<T>>>>) -> Vec<T> {
    let list = list.as_ref().map_or(&[][..], |list| &list.value);
    list.iter().map(|element| element.value.clone()).collect()
}

/// Four attempts at a cache that does not answer, and little of an outage if it never does.
const DEFAULT_DATA_WAIT: Duration = Duration::from_secs(20);

fn exchange(table: Option<&ExchangeTable>, reports: &mut Reports) -> Exchange {
    let Some(table) = table else {
        if !reports.may_hide(None, "exchange") {
            let help = "add `[exchange]` with `name`, `asn` and `peering_lan`";
            reports.error(At { file: 0, offset: 0 }, "there is no [exchange]", help);
        }
        return Exchange {
            name: String::new(),
            asn: Asn(0),
            short_asn: None,
            peering_lan: Vec::new(),
            interface: None,
            data_wait: DEFAULT_DATA_WAIT,
        };
    };
    let asn = value(&table.asn).unwrap_or_default();
    Exchange {
        name: value(&table.name).unwrap_or_default(),
        asn,
        short_asn: short_asn(table.short_asn, asn, reports),
        peering_lan: values(&table.peering_lan),
        interface: value(&table.interface).map(|name| Arc::from(name.0)),
        data_wait: value(&table.data_wait).unwrap_or(DEFAULT_DATA_WAIT),
    }
}

/// The given one, checked, or what the AS itself gives.
fn short_asn(given: Option<Located<u16>>, asn: Asn, reports: &mut Reports) -> Option<u16> {
    let own = u16::try_from(asn.0).ok().filter(|own| *own != 0);
    let Some(given) = given else { return own };
    // RFC 7607, RFC 6793 §9 and RFC 7300: never a speaker's number
    if matches!(given.value, 0 | 23456 | u16::MAX) {
        let message = format!("short_asn = {} is nobody's AS number", given.value);
        reports.error(
            given.at,
            message,
            "choose a number that no member has, such as a private one: 64512 to 65534",
        );
    } else if own.is_some_and(|own| own != given.value) {
        let message = format!("AS{asn} fits 16 bits, but short_asn is {}", given.value);
        reports.error(given.at, message, "leave short_asn out: it stands for an AS of 32 bits");
    }
    Some(given.value)
}

fn http(table: Option<&HttpTable>) -> Http {
    let listen = table.and_then(|table| value(&table.listen));
    Http { listen: listen.map_or(Some(DEFAULT_HTTP), |listen| listen.0) }
}

fn control(table: Option<&ControlTable>) -> Control {
    Control {
        socket: table
            .and_then(|table| value(&table.socket))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET)),
        group: table.and_then(|table| value(&table.group)),
    }
}

fn state(table: Option<&StateTable>, control: Option<&ControlTable>) -> State {
    // Who runs a second daemon gives it a control socket of its own; they must not share this.
    let beside = || {
        let socket = control.and_then(|control| value(&control.socket))?;
        (socket.as_os_str() != DEFAULT_SOCKET).then(|| socket.parent().map(PathBuf::from))?
    };
    let given = table.and_then(|table| value(&table.directory));
    State { directory: given.or_else(beside).unwrap_or_else(|| PathBuf::from(DEFAULT_STATE)) }
}

fn dynamic_limits(table: Option<&DynamicLimitsTable>, reports: &mut Reports) -> DynamicLimits {
    let defaults = DynamicLimits { period_days: 60, first: DAY };
    let Some(table) = table else { return defaults };
    let mut period_days = defaults.period_days;
    if let Some(period) = &table.period {
        let secs = period.value.as_secs();
        match u16::try_from(secs / DAY.as_secs()) {
            Ok(days @ 1..) if secs.is_multiple_of(DAY.as_secs()) => period_days = days,
            _ => {
                let help = "write a number of days, like \"60d\"";
                reports.error(period.at, "the learning period is not a number of whole days", help);
            }
        }
    }
    let first = value(&table.first).unwrap_or(defaults.first);
    if let Some(given) =
        table.first.as_ref().filter(|given| given.value > DAY * u32::from(period_days))
    {
        reports.error(given.at, "`first` is longer than the learning period", "write \"1d\"");
    }
    DynamicLimits { period_days, first }
}

fn engine(table: Option<&EngineTable>, reports: &mut Reports) -> Engine {
    // More threads than this help nobody; a typing mistake would start tens of thousands.
    const MOST_THREADS: u16 = 256;
    let Some(table) = table else { return Engine::default() };
    let mut threads = |given: Option<Located<u16>>, name| {
        let Some(given) = given else { return 0 };
        if given.value > MOST_THREADS {
            let message = format!("{name} = {} is too many", given.value);
            reports.error(
                given.at,
                message,
                format!("write 0 for the default, or up to {MOST_THREADS}"),
            );
        }
        usize::from(given.value)
    };
    Engine { shards: threads(table.shards, "shards"), workers: threads(table.workers, "workers") }
}

fn rpki(table: &RpkiTable, reports: &mut Reports) -> Rpki {
    let mut caches: Vec<RpkiCache> = Vec::new();
    let tables = table.cache.as_ref().map_or(&[][..], |list| &list.value);
    for (place, Located { value: cache, at }) in tables.iter().enumerate() {
        let Some(address) = value(&cache.address) else { continue };
        if caches.iter().any(|other| other.address == address.0) {
            let message = format!("the cache {} stands here twice", address.0);
            reports.error(*at, message, "leave one of them out");
        }
        let by_place = u8::try_from(place + 1).unwrap_or(u8::MAX);
        let preference = value(&cache.preference).unwrap_or(by_place);
        caches.push(RpkiCache { address: address.0, preference });
    }
    caches.sort_by_key(|cache| cache.preference);
    readable(table.json.as_ref(), reports);
    Rpki { caches, json: values(&table.json) }
}

/// A file of data may come later, and elsewhere than where the configuration is checked.
fn readable(files: Option<&Located<Vec<Located<PathBuf>>>>, reports: &mut Reports) {
    for file in files.map_or(&[][..], |list| &list.value) {
        let Err(error) = regular::open(&file.value) else { continue };
        let message = format!("{} cannot be read: {error}", file.value.display());
        reports.warning(file.at, message, "until it can be, there are no data from it");
    }
}

fn irr(table: &IrrTable, reports: &mut Reports) -> Irr {
    readable(table.dump.as_ref(), reports);
    let irr = Irr {
        server: value(&table.server).map(|server| server.0),
        sources: values(&table.sources),
        refresh: value(&table.refresh).unwrap_or(DEFAULT_IRR_REFRESH),
        cache: value(&table.cache),
        dump: values(&table.dump),
    };
    if table.server.is_none()
        && irr.dump.is_empty()
        && !reports.may_hide(Some(table.at.file), "server")
    {
        let help = "add `server = \"127.0.0.1:43\"` or `dump = [\"ripe.db.gz\"]`";
        reports.error(table.at, "[irr] has neither `server` nor `dump`", help);
    }
    if let (Some(_), Some(dump)) = (&table.server, &table.dump) {
        let help = "leave one of them out: the files are read instead of asking a server";
        reports.error(dump.at, "[irr] has both `server` and `dump`", help);
    }
    if let Some(refresh) = table.refresh
        && refresh.value < Duration::from_secs(60)
    {
        reports.error(refresh.at, "refresh is shorter than a minute", "write at least \"1m\"");
    }
    irr
}
