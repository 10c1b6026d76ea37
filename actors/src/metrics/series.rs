//! The counters of the framework: handles kept per processor, so that a flush looks nothing up.

use std::{collections::HashMap, sync::Arc};

use metrics::{Counter, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use pandaflow::{ErrorClass, Namespace, ports::Restored};

use super::{Metric, ServiceCount, Telemetry, names::Kind};

static METADATA: Metadata<'_> = Metadata::new("pandaflow", Level::INFO, None);

/// All counters, in a recorder of their own.
pub(super) struct Counters {
    recorder: Arc<PrometheusRecorder>,
    processors: HashMap<(Namespace, Arc<str>), ProcessorCounters>,
}

struct ProcessorCounters {
    consumed: Counter,
    /// In the order of [`OUTCOMES`].
    outcomes: [Counter; OUTCOMES.len()],
    emitted: Counter,
    retries: Counter,
    panics: Counter,
    timeouts: Counter,
    restarts: Counter,
    /// In the order of [`ErrorClass::ALL`]: ours, and the one under its old name.
    failures: [(Counter, Counter); ErrorClass::ALL.len()],
    /// In the order of [`VERDICTS`].
    verdicts: [Counter; VERDICTS.len()],
    dlq: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    events: HashMap<&'static str, Counter>,
}

const OUTCOMES: [&str; 5] = ["succeeded", "filtered", "duplicate", "dead_lettered", "parked"];
const VERDICTS: [&str; 3] = ["fresh", "done", "leased"];

impl Counters {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>) -> Self {
        for metric in Metric::all().filter(|metric| metric.kind() == Kind::Counter) {
            recorder.describe_counter(metric.name().into(), None, metric.help().into());
        }
        // They are there, at 0, before anything happens: who watches them sees the first time.
        for metric in [Metric::DedupStoreFailures, Metric::DeadLetterStoreFailures] {
            counter(&recorder, metric, &[]).increment(0);
        }
        for source in ["checkpoint", "log"] {
            counter(&recorder, Metric::Restored, &[source]).increment(0);
        }
        Self { recorder, processors: HashMap::new() }
    }

    pub(super) fn add(&mut self, batch: &Telemetry) {
        let recorder = &self.recorder;
        let (namespace, processor) = (&batch.task.namespace, &batch.task.processor);
        let counters = self
            .processors
            .entry((namespace.clone(), Arc::clone(processor)))
            .or_insert_with(|| ProcessorCounters::new(recorder, processor, namespace.as_str()));
        counters.add(batch);
        for event in &batch.events {
            let attempts = event.processing.counts.iter().map(|count| u64::from(*count)).sum();
            let counter = counters.events.entry(event.event_type).or_insert_with(|| {
                let labels = [&**processor, namespace.as_str(), event.event_type];
                counter(recorder, Metric::TradingEventsProcessed, &labels)
            });
            counter.increment(attempts);
        }
    }

    pub(super) fn count(&self, count: &ServiceCount) {
        let (metric, labels, by) = match count {
            ServiceCount::DedupStandIn { policy, ids } => (Metric::DedupStandIn, vec![*policy], *ids),
            ServiceCount::DedupStoreFailed => (Metric::DedupStoreFailures, vec![], 1),
            ServiceCount::DeadLetterFiled { processor, namespace, class } => {
                (Metric::DeadLettersFiled, vec![&**processor, namespace.as_str(), class.as_str()], 1)
            }
            ServiceCount::DeadLetterStoreFailed => (Metric::DeadLetterStoreFailures, vec![], 1),
            ServiceCount::Restored(restored) => return self.restored(*restored),
            // A gauge is no counter.
            ServiceCount::OutboxRows(_) => return,
        };
        counter(&self.recorder, metric, &labels).increment(by);
    }

    fn restored(&self, so_far: Restored) {
        for (source, records) in [("checkpoint", so_far.from_checkpoint), ("log", so_far.from_log)] {
            counter(&self.recorder, Metric::Restored, &[source]).absolute(records);
        }
    }

    pub(super) fn dropped(&self, so_far: u64) {
        counter(&self.recorder, Metric::TelemetryDropped, &[]).absolute(so_far);
    }
}

impl ProcessorCounters {
    fn new(recorder: &PrometheusRecorder, processor: &str, namespace: &str) -> Self {
        let plain = |metric| counter(recorder, metric, &[processor, namespace]);
        let with = |metric, last| counter(recorder, metric, &[processor, namespace, last]);
        Self {
            consumed: plain(Metric::Consumed),
            outcomes: OUTCOMES.map(|outcome| with(Metric::Events, outcome)),
            emitted: plain(Metric::Emitted),
            retries: plain(Metric::Retries),
            panics: plain(Metric::Panics),
            timeouts: plain(Metric::Timeouts),
            restarts: plain(Metric::Restarts),
            failures: ErrorClass::ALL.map(|class| {
                let class = class.as_str();
                let old = counter(recorder, Metric::TradingErrors, &[processor, class, namespace]);
                // Counted by the dead-letter service.
                with(Metric::DeadLettersFiled, class).increment(0);
                (with(Metric::Failures, class), old)
            }),
            verdicts: VERDICTS.map(|verdict| with(Metric::DedupVerdicts, verdict)),
            dlq: plain(Metric::TradingDlqMessages),
            cache_hits: counter(recorder, Metric::CacheHits, &["state"]),
            cache_misses: counter(recorder, Metric::CacheMisses, &["state"]),
            events: HashMap::new(),
        }
    }

    fn add(&self, batch: &Telemetry) {
        let ledger = &batch.ledger;
        self.consumed.increment(ledger.consumed);
        let outcomes =
            [ledger.succeeded, ledger.filtered, ledger.duplicate, ledger.dead_lettered, ledger.parked];
        for (counter, by) in self.outcomes.iter().zip(outcomes) {
            counter.increment(by);
        }
        self.dlq.increment(ledger.dead_lettered);
        self.emitted.increment(batch.emitted);
        self.retries.increment(batch.retries);
        self.panics.increment(batch.panics);
        self.timeouts.increment(batch.timeouts);
        self.restarts.increment(batch.lane_restarts);
        for ((ours, old), by) in self.failures.iter().zip(batch.failures) {
            ours.increment(by);
            old.increment(by);
        }
        let verdicts = [batch.verdicts.fresh, batch.verdicts.done, batch.verdicts.leased];
        for (counter, by) in self.verdicts.iter().zip(verdicts) {
            counter.increment(by);
        }
        self.cache_hits.increment(batch.cache_hits);
        self.cache_misses.increment(batch.cache_misses);
    }
}

fn counter(recorder: &PrometheusRecorder, metric: Metric, values: &[&str]) -> Counter {
    let labels = metric.labels().iter().zip(values);
    let labels: Vec<Label> = labels.map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    recorder.register_counter(&Key::from_parts(metric.name(), labels), &METADATA)
}
