//! The limits that a runtime keeps.

use std::{num::NonZeroUsize, time::Duration};

use pandaflow::policy::{
    dead_letter_budget::DeadLetterLimits, parking::ParkingLimits, restart_budget::RestartLimits,
    retry::RetryOverrides,
};

use super::OnProcessorFailure;

/// Whether each attempt is timed for the histogram of processing times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HandlerTimes {
    /// Yes. The default.
    #[default]
    Measured,
    /// No: the histogram stays empty.
    Unmeasured,
}

/// Limits of a runtime. Every default is a stated one.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Threads that run tasks; as many as there are cores by default. 0 runs all on the calling thread (test kit).
    pub arbiters: usize,
    /// Attempts of each processor at once, in place of what it declares; `None` by default.
    pub concurrency: Option<NonZeroUsize>,
    /// Events of one task that are taken in and not settled, at most; 8,192 by default.
    pub in_flight_events: usize,
    /// Bytes of their records, at most; 8 MiB by default.
    pub in_flight_bytes: usize,
    /// Events in one settlement at most, while more are ready; 1,000 by default.
    pub settle_events: usize,
    /// What one task may have parked; at a limit its partition takes nothing in.
    pub parking: ParkingLimits,
    /// How many dead letters a processor may make on one partition before it takes no more events in this process.
    pub dead_letters: DeadLetterLimits,
    /// Keys of one task whose state is kept in memory; 10,000 by default.
    pub cached_keys: NonZeroUsize,
    /// How long a dedup claim holds; 60 s by default.
    pub lease: Duration,
    /// How often lanes and tasks are restarted before their failure escalates; 10 times in 60 s by default.
    pub restarts: RestartLimits,
    /// How failed events are tried again, where that is to be otherwise than processors declare it; nowhere by default.
    pub retries: RetryOverrides,
    /// After how long an arbiter that doesn't turn is reported; 1 s by default, `None` never.
    pub blocked_arbiter_after: Option<Duration>,
    /// How often the transport is asked how far each processor is behind; every second by default.
    pub check_every: Duration,
    /// Whether each attempt is timed; it is by default.
    pub handler_times: HandlerTimes,
    /// What follows when a processor is over its budget; the process ends by default.
    pub on_processor_failure: OnProcessorFailure,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            arbiters: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            concurrency: None,
            in_flight_events: 8_192,
            in_flight_bytes: 8 << 20,
            settle_events: 1_000,
            parking: ParkingLimits::default(),
            dead_letters: DeadLetterLimits::default(),
            cached_keys: NonZeroUsize::MIN.saturating_add(9_999),
            lease: Duration::from_secs(60),
            restarts: RestartLimits::default(),
            retries: RetryOverrides::default(),
            blocked_arbiter_after: Some(Duration::from_secs(1)),
            check_every: Duration::from_secs(1),
            handler_times: HandlerTimes::default(),
            on_processor_failure: OnProcessorFailure::default(),
        }
    }
}
