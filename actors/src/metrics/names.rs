//! Every metric of the framework: its name, kind, labels and meaning, in one place.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts per bucket, and a sum.
    Histogram,
}

/// A metric of the framework. Those named `trading_*` and `cache_*` are the names that dashboards of the system
/// before know; `service` is the processor there, and `broker` the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the table below says what each one is")]
pub enum Metric {
    Consumed,
    Events,
    Emitted,
    Retries,
    Failures,
    Panics,
    Timeouts,
    Restarts,
    DedupVerdicts,
    DedupStandIn,
    DedupStoreFailures,
    DeadLettersFiled,
    DeadLetterStoreFailures,
    TelemetryDropped,
    Restored,
    InFlight,
    Lag,
    MailboxDepth,
    CachedKeys,
    ParkedKeys,
    ParkedEvents,
    Halted,
    OutboxRows,
    Processing,
    Settle,
    TradingEventsProcessed,
    TradingProcessingLatency,
    TradingErrors,
    TradingDlqMessages,
    TradingLastActivity,
    CacheHits,
    CacheMisses,
}

struct Row(Metric, &'static str, Kind, &'static [&'static str], &'static str);

const PROCESSOR: &[&str] = &["processor", "namespace"];
const TASK: &[&str] = &["processor", "namespace", "partition"];

/// In the order of the enum.
#[rustfmt::skip]
const TABLE: [Row; 32] = [
    Row(Metric::Consumed, "pandaflow_consumed_total", Kind::Counter, PROCESSOR, "Events taken in."),
    Row(Metric::Events, "pandaflow_events_total", Kind::Counter, &["processor", "namespace", "outcome"], "Events that ended, by how: succeeded, filtered, duplicate, dead_lettered; and parked, each time that happened, to end later."),
    Row(Metric::Emitted, "pandaflow_emitted_total", Kind::Counter, PROCESSOR, "Events emitted and settled."),
    Row(Metric::Retries, "pandaflow_retries_total", Kind::Counter, PROCESSOR, "Attempts after the first of an event."),
    Row(Metric::Failures, "pandaflow_failures_total", Kind::Counter, &["processor", "namespace", "class"], "Failed attempts by error class."),
    Row(Metric::Panics, "pandaflow_panics_total", Kind::Counter, PROCESSOR, "Attempts that panicked."),
    Row(Metric::Timeouts, "pandaflow_timeouts_total", Kind::Counter, PROCESSOR, "Attempts that took longer than their time-out."),
    Row(Metric::Restarts, "pandaflow_restarts_total", Kind::Counter, PROCESSOR, "Lanes that were rebuilt."),
    Row(Metric::DedupVerdicts, "pandaflow_dedup_verdicts_total", Kind::Counter, &["processor", "namespace", "verdict"], "What the dedup service said: fresh, done, leased."),
    Row(Metric::DedupStandIn, "pandaflow_dedup_stand_in_total", Kind::Counter, &["policy"], "Events for which bypass or local answered in place of the dedup store."),
    Row(Metric::DedupStoreFailures, "pandaflow_dedup_store_failures_total", Kind::Counter, &[], "Calls in which the dedup store failed or took too long."),
    Row(Metric::DeadLettersFiled, "pandaflow_dead_letters_filed_total", Kind::Counter, &["processor", "namespace", "class"], "Dead letters taken by their store, or for the settlement."),
    Row(Metric::DeadLetterStoreFailures, "pandaflow_dead_letter_store_failures_total", Kind::Counter, &[], "Calls in which the dead-letter store failed or took too long."),
    Row(Metric::TelemetryDropped, "pandaflow_telemetry_dropped_total", Kind::Counter, &[], "Batches of telemetry dropped because the metrics actor was behind."),
    Row(Metric::Restored, "pandaflow_restored_records_total", Kind::Counter, &["source"], "Records read to bring back state and tables, by where they lay: checkpoint, log."),
    Row(Metric::InFlight, "pandaflow_in_flight", Kind::Gauge, TASK, "Events taken in and not settled."),
    Row(Metric::Lag, "pandaflow_lag", Kind::Gauge, TASK, "Events not settled."),
    Row(Metric::MailboxDepth, "pandaflow_mailbox_depth", Kind::Gauge, TASK, "Messages that wait for the task."),
    Row(Metric::CachedKeys, "pandaflow_cached_keys", Kind::Gauge, TASK, "Keys whose state is in memory."),
    Row(Metric::ParkedKeys, "pandaflow_parked_keys", Kind::Gauge, TASK, "Keys that are parked."),
    Row(Metric::ParkedEvents, "pandaflow_parked_events", Kind::Gauge, TASK, "Events that are parked."),
    Row(Metric::Halted, "pandaflow_halted", Kind::Gauge, TASK, "1 if the processor takes no more events, since it has made too many dead letters."),
    Row(Metric::OutboxRows, "pandaflow_outbox_rows", Kind::Gauge, &[], "Records that are settled and wait to be published, of all processes."),
    Row(Metric::Processing, "pandaflow_processing_seconds", Kind::Histogram, &["processor", "namespace", "event_type"], "How long attempts took."),
    Row(Metric::Settle, "pandaflow_settle_seconds", Kind::Histogram, PROCESSOR, "How long settlements took, from staged to confirmed."),
    Row(Metric::TradingEventsProcessed, "trading_events_processed_total", Kind::Counter, &["service", "broker", "event_type"], "Attempts by event type."),
    Row(Metric::TradingProcessingLatency, "trading_processing_latency_seconds", Kind::Histogram, &["service", "event_type"], "How long attempts took."),
    Row(Metric::TradingErrors, "trading_errors_total", Kind::Counter, &["component", "error_type", "broker"], "Failed attempts by error class."),
    Row(Metric::TradingDlqMessages, "trading_dlq_messages_total", Kind::Counter, &["service", "broker"], "Events that ended as a confirmed dead letter."),
    Row(Metric::TradingLastActivity, "trading_last_activity_timestamp_unix", Kind::Gauge, &["service", "stage", "broker"], "When an event was handled last, in seconds since 1970."),
    Row(Metric::CacheHits, "cache_hits_total", Kind::Counter, &["cache_type"], "Lookups that a cache answered."),
    Row(Metric::CacheMisses, "cache_misses_total", Kind::Counter, &["cache_type"], "Lookups that a cache could not answer."),
];

impl Metric {
    /// All metrics.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The name, as it is scraped.
    #[must_use]
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// How it behaves.
    #[must_use]
    pub const fn kind(self) -> Kind {
        TABLE[self as usize].2
    }

    /// The names of its labels.
    #[must_use]
    pub const fn labels(self) -> &'static [&'static str] {
        TABLE[self as usize].3
    }

    /// What it says.
    #[must_use]
    pub const fn help(self) -> &'static str {
        TABLE[self as usize].4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_in_base_units() {
        for (place, metric) in Metric::all().enumerate() {
            assert_eq!(metric as usize, place);
            let name = metric.name();
            match metric.kind() {
                Kind::Counter => assert!(name.ends_with("_total"), "{name}"),
                Kind::Histogram => assert!(name.ends_with("_seconds"), "{name}"),
                Kind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
            }
        }
    }

    #[test]
    fn every_metric_is_documented_with_its_labels() {
        let docs = include_str!("../../../docs/telemetry.md");
        for metric in Metric::all() {
            let row = format!("| `{}` | {} |", metric.name(), metric.labels().join(", "));
            assert!(docs.contains(&row), "docs/telemetry.md has no row beginning with {row}");
            assert!(docs.contains(metric.help()), "docs/telemetry.md does not say: {}", metric.help());
        }
    }
}
