//! Those who monitor the route servers: a fixed number of series for each configured collector.

use prometheus::proto::MetricFamily;

use super::family::{Family, Labels, unix_secs};
use crate::runtime::status::{MonitoringStatus, MrtStatus};

pub(super) fn families(monitoring: &MonitoringStatus) -> Vec<MetricFamily> {
    let mut families = bmp(monitoring);
    families.extend(monitoring.mrt.iter().flat_map(mrt));
    families
}

fn bmp(monitoring: &MonitoringStatus) -> Vec<MetricFamily> {
    let mut connected = Family::gauge("rs_bmp_connected", "1 while connected to the collector.");
    let mut synced = Family::gauge("rs_bmp_synced", "1 when the collector was told all tables.");
    let mut connections =
        Family::counter("rs_bmp_connections_total", "Connections to the collector.");
    let mut ended = Family::counter(
        "rs_bmp_disconnects_total",
        "Connections that we ended for the collector to begin anew, by reason.",
    );
    let mut sent = Family::counter("rs_bmp_sent_bytes_total", "Octets sent to the collector.");
    let mut queue = Family::gauge("rs_bmp_queue_bytes", "Octets waiting for the collector.");
    for collector in &monitoring.bmp {
        let labels = Labels::none().and("collector", &collector.name);
        connected.add(labels.plain(), f64::from(collector.connected));
        synced.add(labels.plain(), f64::from(collector.synced));
        connections.add_count(labels.plain(), collector.connections);
        ended.add_count(labels.with("reason", "too-slow"), collector.too_slow);
        ended.add_count(labels.with("reason", "lost-changes"), collector.lost_changes);
        sent.add_count(labels.plain(), collector.sent_octets);
        queue.add_count(labels.plain(), collector.queued_octets);
    }
    [connected, synced, connections, ended, sent, queue].map(Family::finish).into()
}

fn mrt(mrt: &MrtStatus) -> Vec<MetricFamily> {
    let none = Labels::none();
    let mut writable = Family::gauge("rs_mrt_writable", "0 when the last MRT file failed.");
    writable.add(none.plain(), f64::from(mrt.writable));
    let mut records = Family::counter("rs_mrt_records_total", "MRT records written.");
    records.add_count(none.plain(), mrt.records);
    let mut octets = Family::counter("rs_mrt_bytes_total", "Octets of MRT records written.");
    octets.add_count(none.plain(), mrt.octets);
    let mut dropped = Family::counter("rs_mrt_dropped_total", "MRT records lost.");
    dropped.add_count(none.plain(), mrt.dropped);
    let mut errors = Family::counter("rs_mrt_errors_total", "Failures to write MRT files.");
    errors.add_count(none.plain(), mrt.errors);
    let mut last = Family::gauge(
        "rs_mrt_last_file_timestamp_seconds",
        "When an MRT file was completed last, by kind.",
    );
    for (kind, at) in [("table", mrt.last_table), ("updates", mrt.last_updates)] {
        if let Some(at) = at {
            last.add(none.with("kind", kind), unix_secs(at));
        }
    }
    [writable, records, octets, dropped, errors, last].map(Family::finish).into()
}
