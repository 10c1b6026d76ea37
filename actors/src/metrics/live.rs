//! Gauges and histograms, written by our own code: the recorder can't forget a gauge, and takes samples one by one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use super::{BOUNDS, Gauges, Kind, Metric, Samples, Telemetry};
use crate::health::TaskKey;

/// What tasks that live say of themselves, and durations of all tasks.
#[derive(Debug, Default)]
pub(super) struct Live {
    gauges: HashMap<TaskKey, Gauges>,
    /// Seconds since 1970, by labels.
    last_activity: BTreeMap<String, f64>,
    /// Where there is an outbox.
    outbox_rows: Option<u64>,
    histograms: BTreeMap<(Metric, String), Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl Live {
    pub(super) fn add(&mut self, batch: &Telemetry) {
        let (processor, namespace) = (&*batch.task.processor, batch.task.namespace.as_str());
        self.gauges.insert(batch.task.clone(), batch.gauges);
        if let Some(last) = batch.last_activity {
            let labels = labels(Metric::TradingLastActivity, &[processor, "processing", namespace]);
            let seconds = self.last_activity.entry(labels).or_default();
            // Milliseconds since 1970 are exact in a float.
            let last = last.0 as f64 / 1000.0;
            *seconds = seconds.max(last);
        }
        for event in &batch.events {
            self.record(Metric::Processing, &[processor, namespace, event.event_type], &event.processing);
            self.record(Metric::TradingProcessingLatency, &[processor, event.event_type], &event.processing);
        }
        if !batch.settle.is_empty() {
            self.record(Metric::Settle, &[processor, namespace], &batch.settle);
        }
    }

    pub(super) fn forget(&mut self, task: &TaskKey) {
        self.gauges.remove(task);
    }

    /// So many records wait to be published.
    pub(super) fn outbox(&mut self, rows: u64) {
        self.outbox_rows = Some(rows);
    }

    /// Writes all of it in Prometheus' text format.
    pub(super) fn render(&self, text: &mut String) {
        let mut tasks: Vec<_> = self.gauges.iter().collect();
        tasks.sort_by_key(|(task, _)| *task);
        for metric in [
            Metric::InFlight,
            Metric::Lag,
            Metric::MailboxDepth,
            Metric::CachedKeys,
            Metric::ParkedKeys,
            Metric::ParkedEvents,
            Metric::Halted,
        ] {
            head(text, metric);
            for (task, gauges) in &tasks {
                let partition = task.partition.to_string();
                let labels = labels(metric, &[&task.processor, task.namespace.as_str(), &partition]);
                let _ = writeln!(text, "{}{{{labels}}} {}", metric.name(), value(metric, gauges));
            }
            text.push('\n');
        }
        if let Some(rows) = self.outbox_rows {
            head(text, Metric::OutboxRows);
            let _ = writeln!(text, "{} {rows}\n", Metric::OutboxRows.name());
        }
        head(text, Metric::TradingLastActivity);
        for (labels, seconds) in &self.last_activity {
            let _ = writeln!(text, "{}{{{labels}}} {seconds}", Metric::TradingLastActivity.name());
        }
        text.push('\n');
        for metric in Metric::all().filter(|metric| metric.kind() == Kind::Histogram) {
            head(text, metric);
            for ((_, labels), histogram) in self.histograms.iter().filter(|((of, _), _)| *of == metric) {
                histogram.render(text, metric.name(), labels);
            }
            text.push('\n');
        }
    }

    fn record(&mut self, metric: Metric, values: &[&str], samples: &Samples) {
        self.histograms.entry((metric, labels(metric, values))).or_default().add(samples);
    }
}

impl Histogram {
    fn add(&mut self, samples: &Samples) {
        for (count, more) in self.counts.iter_mut().zip(samples.counts) {
            *count += u64::from(more);
        }
        self.seconds += samples.sum.as_secs_f64();
    }

    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(self.counts) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
        }
        let all: u64 = self.counts.iter().sum();
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {all}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", self.seconds);
        let _ = writeln!(text, "{name}_count{{{labels}}} {all}");
    }
}

fn value(metric: Metric, gauges: &Gauges) -> u64 {
    match metric {
        Metric::Lag => gauges.lag,
        Metric::MailboxDepth => gauges.mailbox_depth,
        Metric::CachedKeys => gauges.cached_keys,
        Metric::ParkedKeys => gauges.parked_keys,
        Metric::ParkedEvents => gauges.parked_events,
        Metric::Halted => gauges.halted,
        _ => gauges.in_flight,
    }
}

fn head(text: &mut String, metric: Metric) {
    let kind = match metric.kind() {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let name = metric.name();
    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", metric.help());
}

/// Labels with their values, escaped as the text format asks.
fn labels(metric: Metric, values: &[&str]) -> String {
    let mut text = String::new();
    for (name, value) in metric.labels().iter().zip(values) {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}
