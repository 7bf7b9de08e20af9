//! `[bmp]` and `[mrt]`.

use std::{sync::Arc, time::Duration};

use super::value;
use crate::config::{
    Bmp, BmpCollector, BmpView, Exchange, Mrt, RouteServer,
    file::{
        bmp::{BmpCollectorTable, BmpTable},
        mrt::MrtTable,
    },
    report::{Located, Reports},
    value::Interval,
};

const STATISTICS: Duration = Duration::from_secs(60);
/// RFC 7854 §3.2.
const RETRY: Duration = Duration::from_secs(30);
/// RFC 7854 §3.2.
const RETRY_MAX: Duration = Duration::from_secs(720);
const QUEUE_MIB: u32 = 64;
const TABLES: Duration = Duration::from_secs(2 * 3600);
const UPDATES: Duration = Duration::from_secs(15 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn bmp(
    table: Option<&BmpTable>,
    exchange: &Exchange,
    servers: &[RouteServer],
    reports: &mut Reports,
) -> Bmp {
    let given = table.and_then(|table| value(&table.sys_name));
    let sys_name = given.unwrap_or_else(|| exchange.name.clone());
    let Some(table) = table else {
        return Bmp { sys_name, statistics: Some(STATISTICS), collectors: Vec::new() };
    };
    let mut collectors: Vec<BmpCollector> = Vec::new();
    let tables = table.collector.as_ref().map_or(&[][..], |list| &list.value);
    for Located { value: table, at } in tables {
        let Some(collector) = collector(table, servers, reports) else { continue };
        if collectors.iter().any(|other| other.name == collector.name) {
            let message = format!("the collector {} stands here twice", collector.name);
            reports.error(*at, message, "leave one of them out, or give it another `name`");
        }
        collectors.push(collector);
    }
    let statistics = interval(table.statistics, Some(STATISTICS));
    Bmp { sys_name, statistics, collectors }
}

fn collector(
    table: &BmpCollectorTable,
    servers: &[RouteServer],
    reports: &mut Reports,
) -> Option<BmpCollector> {
    let views = views(table, reports);
    if let Some(members) = &table.adj_rib_out_members
        && !views.contains(&BmpView::AdjRibOut)
    {
        let message = "`adj_rib_out_members` without \"adj-rib-out\" in `views`";
        reports.error(members.at, message, "add \"adj-rib-out\" to `views`, or leave it out");
    }
    if let Some(queue) = table.queue_mib.filter(|queue| !(1..=65_536).contains(&queue.value)) {
        let message = format!("queue_mib = {} is out of range", queue.value);
        reports.error(queue.at, message, "write a number of MiB from 1 to 65536");
    }
    let (retry, retry_max) = retries(table, reports);
    let route_servers = route_servers(&table.route_servers, servers, reports);
    let address = value(&table.address)?.0;
    let members = table.adj_rib_out_members.as_ref().map(|list| &list.value);
    Some(BmpCollector {
        name: value(&table.name).unwrap_or_else(|| address.clone()).into(),
        address,
        views,
        route_servers,
        adj_rib_out_members: members.map(|list| list.iter().map(|one| one.value).collect()),
        queue_octets: value(&table.queue_mib).unwrap_or(QUEUE_MIB) as usize * (1 << 20),
        retry,
        retry_max,
    })
}

fn views(table: &BmpCollectorTable, reports: &mut Reports) -> Vec<BmpView> {
    let Some(list) = &table.views else { return vec![BmpView::AdjRibInPre] };
    let mut views = Vec::new();
    for view in &list.value {
        if views.contains(&view.value) {
            reports.error(view.at, "this view stands here twice", "leave one of them out");
        }
        views.push(view.value);
    }
    if views.is_empty() {
        let help = "name what the collector is to be told, such as \"adj-rib-in-pre\"";
        reports.error(list.at, "`views` is empty", help);
    }
    views
}

fn retries(table: &BmpCollectorTable, reports: &mut Reports) -> (Duration, Duration) {
    for (given, name) in [(table.retry, "retry"), (table.retry_max, "retry_max")] {
        if let Some(given) = given.filter(|given| given.value.0.is_none()) {
            let message = format!("`{name}` cannot be off");
            reports.error(given.at, message, "leave the whole collector out, or write \"30s\"");
        }
    }
    let retry = interval(table.retry, Some(RETRY)).unwrap_or(RETRY);
    let longest = interval(table.retry_max, Some(RETRY_MAX.max(retry))).unwrap_or(RETRY_MAX);
    if let Some(given) = table.retry_max.filter(|_| longest < retry) {
        reports.error(given.at, "`retry_max` is shorter than `retry`", "write a longer time");
    }
    (retry, longest)
}

pub(super) fn mrt(table: &MrtTable, servers: &[RouteServer], reports: &mut Reports) -> Option<Mrt> {
    for (given, name) in [(table.tables, "tables"), (table.updates, "updates")] {
        let Some(given) = given else { continue };
        if given.value.0.is_some_and(|interval| interval > DAY) {
            let message = format!("`{name}` is longer than a day");
            reports.error(given.at, message, "write up to \"1d\", or \"off\"");
        }
    }
    let route_servers = route_servers(&table.route_servers, servers, reports);
    Some(Mrt {
        directory: value(&table.directory)?,
        tables: interval(table.tables, Some(TABLES)),
        updates: interval(table.updates, Some(UPDATES)),
        route_servers,
        path_identifiers: value(&table.path_identifiers).unwrap_or(false),
    })
}

fn interval(given: Option<Located<Interval>>, default: Option<Duration>) -> Option<Duration> {
    given.map_or(default, |given| given.value.0)
}

/// The names, checked; none given: `None`, which is all of them, also those of later reloads.
fn route_servers(
    given: &Option<Located<Vec<Located<String>>>>,
    servers: &[RouteServer],
    reports: &mut Reports,
) -> Option<Vec<Arc<str>>> {
    let list = given.as_ref()?;
    if list.value.is_empty() {
        let help = "leave `route_servers` out for all of them";
        reports.error(list.at, "`route_servers` is empty", help);
    }
    let mut names = Vec::new();
    for name in &list.value {
        if servers.iter().all(|server| *server.name != *name.value) {
            let known: Vec<_> = servers.iter().map(|server| &*server.name).collect();
            let message = format!("there is no route server \"{}\"", name.value);
            reports.error(name.at, message, format!("there are: {}", known.join(", ")));
        }
        names.push(Arc::from(name.value.as_str()));
    }
    Some(names)
}
