//! The metrics service: counts of what happens, gathered in batches from tasks and rendered as text for
//! Prometheus. Every name stands in [`Metric`] and in `docs/telemetry.md`.

mod actor;
mod handle;
mod live;
mod messages;
mod names;
mod samples;
mod series;
mod telemetry;

pub use actor::MetricsActor;
pub use handle::{MetricsHandle, MetricsMailboxes};
pub use messages::{CountService, ForgetGauges, Observe, RenderMetrics, ServiceCount};
pub use names::{Kind, Metric};
pub use samples::{BOUNDS, Samples};
pub use telemetry::{EventCount, Gauges, Telemetry, Verdicts};

use std::time::Duration;

/// How the metrics service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Batches that wait to be counted; 1,024 by default. See [`MetricsHandle::try_observe`] for what happens
    /// when it is full.
    pub mailbox: usize,
    /// How often samples of handlers' own histograms are folded, so that they don't pile up; every 5 s by default.
    pub upkeep_every: Duration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { mailbox: 1_024, upkeep_every: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests;
