//! What a run found, as JSON or as text.

use std::fmt;

use serde::Serialize;

use crate::{
    options::Ordering,
    stage::Shape,
    usage::{self, Spent},
};

/// A measured workload beside its bound.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which workload.
    pub workload: &'static str,
    /// How many events.
    pub n: u64,
    /// Wall seconds until all were settled; the median of the rounds.
    pub seconds: f64,
    /// Events a second.
    pub events_per_s: f64,
    /// Seconds of processor time, user and system, of all threads.
    pub cpu_s: f64,
    /// The most memory that the process ever had resident, in MB of 2^20 bytes.
    pub max_rss_mb: f64,
    /// Seconds that the bound takes.
    pub bound_seconds: f64,
    /// Its rate, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_events_per_s: Option<f64>,
    /// Processor time of the bound, where it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_cpu_s: Option<f64>,
    /// The rate of a loop that asks Redis for one event after the other, where it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_by_one_events_per_s: Option<f64>,
    /// Our rate ÷ that loop's, to be at least 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_one_by_one: Option<f64>,
    /// Transactions in which both sides wrote, where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions: Option<usize>,
    /// Milliseconds from produced to handled: of half, 99 % and 99.9 % of the events, and of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Percentiles>,
    /// The same of the bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_latency_ms: Option<Percentiles>,
    /// Seconds from the start of the program to the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_start_seconds: Option<f64>,
    /// How far from the bound; see `target`.
    pub ratio: f64,
    /// What `ratio` is, and what it has to be.
    pub target: &'static str,
    /// Keys of the events.
    pub keys: u64,
    /// Handlers that may run at once.
    pub concurrency: usize,
    /// Which events wait for each other.
    pub order: &'static str,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Threads that ran tasks.
    pub arbiters: usize,
    /// How often it was measured.
    pub rounds: usize,
}

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half were as fast.
    pub p50: f64,
    /// 99 % were.
    pub p99: f64,
    /// 99.9 % were.
    pub p999: f64,
    /// All were.
    pub max: f64,
}

impl Percentiles {
    /// Of these times, in any order.
    #[cfg(feature = "kafka")]
    pub(crate) fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let place = (micros.len() as f64 * share).ceil() as usize;
            micros.get(place.clamp(1, micros.len().max(1)) - 1).map_or(0.0, |micros| *micros as f64 / 1_000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p999, max } = self;
        write!(f, "p50 {p50:.3} ms  p99 {p99:.3} ms  p99.9 {p999:.3} ms  max {max:.3} ms")
    }
}

impl Report {
    /// A report without a bound.
    pub(crate) fn new(workload: &'static str, shape: &Shape, spent: Spent) -> Self {
        let Shape { n, keys, concurrency, order, partitions, arbiters, rounds, .. } = *shape;
        let order = Ordering::as_str(order);
        let seconds = spent.wall.as_secs_f64();
        Self {
            workload,
            n,
            seconds,
            events_per_s: n as f64 / seconds,
            cpu_s: spent.cpu.as_secs_f64(),
            max_rss_mb: usage::max_rss_mb(),
            bound_seconds: 0.0,
            bound_events_per_s: None,
            bound_cpu_s: None,
            one_by_one_events_per_s: None,
            times_one_by_one: None,
            transactions: None,
            latency_ms: None,
            bound_latency_ms: None,
            cold_start_seconds: None,
            ratio: 0.0,
            target: "",
            keys,
            concurrency,
            order,
            partitions,
            arbiters,
            rounds,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, n, keys, concurrency, order, partitions, arbiters, rounds, .. } = self;
        writeln!(
            f,
            "{workload}: {n} events, {keys} keys, {partitions} partitions, order by {order}, concurrency {concurrency}, {arbiters} arbiters, {rounds} rounds"
        )?;
        writeln!(
            f,
            "  {:>9.3} s  {:>9.0} events/s  {:>7.3} cpu s  {:.0} MB at most",
            self.seconds, self.events_per_s, self.cpu_s, self.max_rss_mb
        )?;
        write!(f, "  {:>9.3} s", self.bound_seconds)?;
        if let (Some(rate), Some(cpu)) = (self.bound_events_per_s, self.bound_cpu_s) {
            write!(f, "  {rate:>9.0} events/s  {cpu:>7.3} cpu s")?;
        }
        writeln!(f, "  the bound")?;
        if let (Some(ours), Some(bound)) = (&self.latency_ms, &self.bound_latency_ms) {
            writeln!(f, "  {ours}\n  {bound}  the bound")?;
        }
        if let (Some(rate), Some(times)) = (self.one_by_one_events_per_s, self.times_one_by_one) {
            writeln!(
                f,
                "  {:>9}    {rate:>9.0} events/s  one by one: {times:.1} times slower, to be at least 20",
                ""
            )?;
        }
        if let Some(seconds) = self.cold_start_seconds {
            writeln!(f, "  {seconds:.3} s from the start to the first event")?;
        }
        write!(f, "  ratio {:.3} ({})", self.ratio, self.target)
    }
}

/// The middle one; of an even number, the lower of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
