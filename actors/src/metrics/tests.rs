//! The metrics actor by its messages and its text.

use std::collections::HashMap;

use actix::Arbiter;
use pandaflow::{
    ErrorClass, Partition, Timestamp,
    policy::ledger::Ledger,
    ports::{Restored, Verdict},
};

use super::*;
use crate::health::TaskKey;

fn start() -> MetricsHandle {
    start_with(MetricsConfig::default())
}

fn start_with(config: MetricsConfig) -> MetricsHandle {
    MetricsActor::start(&Arbiter::current(), config)
}

fn task(partition: u32) -> TaskKey {
    TaskKey { namespace: "paper".parse().unwrap(), processor: "risk".into(), partition: Partition(partition) }
}

/// A batch of three events of which one is in flight.
fn batch(partition: u32) -> Telemetry {
    let mut batch = Telemetry::new(task(partition));
    batch.ledger = Ledger { consumed: 3, succeeded: 1, dead_lettered: 1, ..Ledger::default() };
    batch.gauges = Gauges {
        in_flight: 1,
        lag: 7,
        mailbox_depth: 2,
        cached_keys: 4,
        parked_keys: 1,
        parked_events: 3,
        halted: 0,
    };
    batch.last_activity = Some(Timestamp(1_381_152_600_500));
    batch.attempted("trading_signal", Duration::from_millis(2));
    batch.attempted("trading_signal", Duration::from_secs(20));
    batch.attempted("order_filled", Duration::from_millis(1));
    batch.failed(ErrorClass::Poison);
    batch.judged(Verdict::Done);
    batch.retries = 1;
    batch.settle.record(Duration::from_millis(5));
    batch
}

/// The samples of the text, by name and labels.
async fn scrape(metrics: &MetricsHandle) -> HashMap<String, f64> {
    let text = metrics.render().await.unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    };
    let samples: Vec<(String, f64)> = lines.map(sample).collect();
    let by_series: HashMap<_, _> = samples.iter().cloned().collect();
    assert_eq!(by_series.len(), samples.len(), "a series stands twice");
    by_series
}

#[actix::test]
async fn what_services_count_is_there_at_0_before_it_happens() {
    let metrics = start();
    metrics.observe(batch(0));
    let samples = scrape(&metrics).await;
    for series in [
        "pandaflow_dedup_store_failures_total",
        "pandaflow_dead_letter_store_failures_total",
        "pandaflow_dead_letters_filed_total{processor=\"risk\",namespace=\"paper\",class=\"poison\"}",
    ] {
        assert_eq!(samples.get(series), Some(&0.0), "{series}");
    }
}

#[actix::test]
async fn batches_of_all_partitions_add_up_and_gauges_stand_for_each() {
    let metrics = start();
    metrics.observe(batch(0));
    metrics.observe(batch(1));
    metrics.observe(batch(1));
    let samples = scrape(&metrics).await;
    let table = [
        (r#"pandaflow_consumed_total{processor="risk",namespace="paper"}"#, 9.0),
        (r#"pandaflow_events_total{processor="risk",namespace="paper",outcome="succeeded"}"#, 3.0),
        (r#"pandaflow_events_total{processor="risk",namespace="paper",outcome="dead_lettered"}"#, 3.0),
        (r#"pandaflow_events_total{processor="risk",namespace="paper",outcome="parked"}"#, 0.0),
        (r#"pandaflow_retries_total{processor="risk",namespace="paper"}"#, 3.0),
        (r#"pandaflow_failures_total{processor="risk",namespace="paper",class="poison"}"#, 3.0),
        (r#"pandaflow_dedup_verdicts_total{processor="risk",namespace="paper",verdict="done"}"#, 3.0),
        (r#"pandaflow_in_flight{processor="risk",namespace="paper",partition="1"}"#, 1.0),
        (r#"pandaflow_lag{processor="risk",namespace="paper",partition="0"}"#, 7.0),
        (r#"pandaflow_mailbox_depth{processor="risk",namespace="paper",partition="0"}"#, 2.0),
        (r#"pandaflow_telemetry_dropped_total"#, 0.0),
        (r#"trading_events_processed_total{service="risk",broker="paper",event_type="trading_signal"}"#, 6.0),
        (r#"trading_errors_total{component="risk",error_type="poison",broker="paper"}"#, 3.0),
        (r#"trading_dlq_messages_total{service="risk",broker="paper"}"#, 3.0),
        (
            r#"trading_last_activity_timestamp_unix{service="risk",stage="processing",broker="paper"}"#,
            1_381_152_600.5,
        ),
    ];
    for (series, value) in table {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[actix::test]
async fn durations_are_cumulative_buckets_with_their_exact_sum() {
    let metrics = start();
    metrics.observe(batch(0));
    let samples = scrape(&metrics).await;
    let series = |name: &str, bound: &str| {
        let labels = r#"processor="risk",namespace="paper",event_type="trading_signal""#;
        samples[&format!("pandaflow_processing_seconds{name}{{{labels}{bound}}}")]
    };
    assert_eq!(series("_bucket", r#",le="0.001""#), 0.0);
    assert_eq!(series("_bucket", r#",le="0.0025""#), 1.0);
    assert_eq!(series("_bucket", r#",le="10""#), 1.0);
    assert_eq!(series("_bucket", r#",le="+Inf""#), 2.0);
    assert_eq!(series("_count", ""), 2.0);
    assert_eq!(series("_sum", ""), 20.002);
    let old = r#"trading_processing_latency_seconds_count{service="risk",event_type="order_filled"}"#;
    assert_eq!(samples[old], 1.0);
    assert_eq!(samples[r#"pandaflow_settle_seconds_sum{processor="risk",namespace="paper"}"#], 0.005);
}

#[actix::test]
async fn the_gauges_of_a_task_that_has_ended_vanish_and_its_counts_stay() {
    let metrics = start();
    metrics.observe(batch(0));
    metrics.observe(batch(1));
    metrics.forget_task(task(1));
    let samples = scrape(&metrics).await;
    assert!(!samples.keys().any(|series| series.contains(r#"partition="1""#)));
    assert!(samples.contains_key(r#"pandaflow_lag{processor="risk",namespace="paper",partition="0"}"#));
    assert_eq!(samples[r#"pandaflow_consumed_total{processor="risk",namespace="paper"}"#], 6.0);
}

#[actix::test]
async fn when_the_actor_is_behind_a_batch_stays_with_its_task_or_is_counted_as_dropped() {
    let metrics = start_with(MetricsConfig { mailbox: 2, ..MetricsConfig::default() });
    scrape(&metrics).await;
    let mut kept = batch(0);
    // The actor doesn't run until this test waits.
    let sent = (0..10).take_while(|_| metrics.try_observe(&mut batch(1))).count();
    assert!((2..=3).contains(&sent), "{sent}");
    assert!(!metrics.try_observe(&mut kept));
    assert_eq!(kept, batch(0), "nothing of it is lost");
    metrics.observe(batch(0));
    let consumed = r#"pandaflow_consumed_total{processor="risk",namespace="paper"}"#;
    let samples = scrape(&metrics).await;
    assert_eq!(samples[consumed], 3.0 * sent as f64);
    assert_eq!(samples["pandaflow_telemetry_dropped_total"], 1.0);
    assert!(metrics.try_observe(&mut kept));
    assert_eq!(kept, Telemetry { gauges: kept.gauges, ..Telemetry::new(task(0)) }, "it begins anew");
    assert_eq!(scrape(&metrics).await[consumed], 3.0 * sent as f64 + 3.0);
}

#[actix::test]
async fn what_handlers_and_services_count_lands_in_the_text_of_their_own_app() {
    let (metrics, other) = (start(), start());
    metrics
        .record(|| metrics::counter!("trading_signals_generated_total", "signal_type" => "BUY").increment(2));
    metrics.record(|| metrics::histogram!("paper_fill_latency_seconds").record(0.02));
    metrics.count(ServiceCount::DedupStandIn { policy: "bypass", ids: 4 });
    let samples = scrape(&metrics).await;
    assert_eq!(samples[r#"trading_signals_generated_total{signal_type="BUY"}"#], 2.0);
    assert_eq!(samples[r#"paper_fill_latency_seconds_bucket{le="0.025"}"#], 1.0);
    assert_eq!(samples[r#"pandaflow_dedup_stand_in_total{policy="bypass"}"#], 4.0);
    let others = scrape(&other).await;
    assert!(!others.keys().any(|series| series.contains("signals") || series.contains("stand_in")));
}

#[actix::test]
async fn every_family_has_its_help_and_type_once() {
    let metrics = start();
    metrics.observe(batch(0));
    let text = metrics.render().await.unwrap();
    for metric in Metric::all().filter(|metric| text.contains(&format!("\n{}", metric.name()))) {
        for line in
            [format!("# HELP {} {}\n", metric.name(), metric.help()), format!("# TYPE {} ", metric.name())]
        {
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
    }
}

#[actix::test]
async fn values_of_labels_are_escaped() {
    let metrics = start();
    let mut batch = Telemetry::new(TaskKey { processor: "a\"b\\c\nd".into(), ..task(0) });
    batch.gauges.lag = 1;
    metrics.observe(batch);
    let text = metrics.render().await.unwrap();
    assert!(
        text.contains(r#"pandaflow_lag{processor="a\"b\\c\nd",namespace="paper",partition="0"} 1"#),
        "{text}"
    );
}

#[actix::test]
async fn records_that_were_read_to_restore_are_counted_by_where_they_lay() {
    let metrics = start();
    let counted = async |source: &str| {
        scrape(&metrics).await[&format!("pandaflow_restored_records_total{{source=\"{source}\"}}")]
    };
    assert_eq!((counted("checkpoint").await, counted("log").await), (0.0, 0.0));
    for from_log in [3, 5] {
        // So far, and not since.
        metrics.count(ServiceCount::Restored(Restored { from_checkpoint: 100, from_log }));
    }
    assert_eq!((counted("checkpoint").await, counted("log").await), (100.0, 5.0));
}

#[actix::test]
async fn an_outbox_shows_once_there_is_one() {
    let metrics = start();
    assert!(!scrape(&metrics).await.contains_key("pandaflow_outbox_rows"));
    for rows in [7, 3] {
        metrics.count(ServiceCount::OutboxRows(rows));
    }
    assert_eq!(scrape(&metrics).await["pandaflow_outbox_rows"], 3.0);
}
