//! Durations counted in fixed buckets, so that a task can gather many and send a few numbers.

use std::time::Duration;

/// The upper bounds of the buckets in seconds: 10 µs to 10 s; what takes longer is in a last one.
pub const BOUNDS: [f64; 17] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The same in nanoseconds.
const NANOS: [u64; BOUNDS.len()] = [
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How many durations fell into each bucket of [`BOUNDS`], and their sum.
///
/// ```
/// use std::time::Duration;
/// use pandaflow_actors::metrics::Samples;
/// let mut samples = Samples::default();
/// samples.record(Duration::from_millis(1));
/// samples.record(Duration::from_secs(60));
/// assert_eq!(samples.counts[4], 1);
/// assert_eq!((samples.counts[17], samples.sum), (1, Duration::from_millis(60_001)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Samples {
    /// One count per bound, and one for what is above the last.
    pub counts: [u32; BOUNDS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
}

impl Samples {
    /// Counts a duration.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Most handlers are in the first buckets.
        let bucket = NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(NANOS.len());
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.sum += took;
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_bounds_agree_and_rise() {
        for (seconds, nanos) in BOUNDS.iter().zip(NANOS) {
            assert_eq!(Duration::from_secs_f64(*seconds), Duration::from_nanos(nanos));
        }
        assert!(NANOS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_duration_at_a_bound_counts_below_it() {
        let mut samples = Samples::default();
        samples.record(Duration::ZERO);
        samples.record(Duration::from_micros(10));
        samples.record(Duration::from_nanos(10_001));
        assert_eq!(samples.counts[..2], [2, 1]);
    }
}
