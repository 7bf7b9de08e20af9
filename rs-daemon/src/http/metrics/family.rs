//! Metric families made from copied numbers.

use std::time::SystemTime;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::runtime::status::{HistogramSnapshot, SessionStatus};

/// Labels of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(Vec<LabelPair>);

impl Labels {
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn server(name: &str) -> Self {
        Self::none().and("route_server", name)
    }

    /// Route server, peer and AS. A zone belongs to the address: without it two link-local peers
    /// would be one series.
    pub(super) fn of(session: &SessionStatus) -> Self {
        Self::server(&session.id.route_server)
            .and("peer", &crate::control::peer::display_address(session))
            .and("asn", &session.asn.to_string())
    }

    pub(super) fn plain(&self) -> Self {
        self.clone()
    }

    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        self.clone().and(name, value)
    }

    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        self.0.push(pair);
        self
    }
}

/// A family being filled.
#[derive(Debug)]
pub(super) struct Family {
    family: MetricFamily,
    kind: MetricType,
    metrics: Vec<Metric>,
}

impl Family {
    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    fn new(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self { family, kind, metrics: Vec::new() }
    }

    pub(super) fn add(&mut self, labels: Labels, value: f64) {
        let mut metric = Metric::from_label(labels.0);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floats")]
    pub(super) fn add_count(&mut self, labels: Labels, value: u64) {
        self.add(labels, value as f64);
    }

    pub(super) fn finish(mut self) -> MetricFamily {
        self.family.set_metric(self.metrics);
        self.family
    }
}

pub(super) fn histogram(name: &str, help: &str, snapshot: &HistogramSnapshot) -> MetricFamily {
    let mut histogram = Histogram::default();
    let buckets = snapshot.bounds.iter().zip(&snapshot.cumulative).map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(snapshot.cumulative.last().copied().unwrap_or(0));
    histogram.set_sample_sum(snapshot.sum_secs);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let mut family = Family::new(name, help, MetricType::HISTOGRAM);
    family.metrics.push(metric);
    family.finish()
}

/// Seconds since 1970, as Prometheus writes times.
pub(super) fn unix_secs(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
