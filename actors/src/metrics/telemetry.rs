//! What a task counts by itself between two flushes, so that an event costs a few additions and no message.

use std::time::Duration;

use pandaflow::{ErrorClass, Timestamp, policy::ledger::Ledger, ports::Verdict};

use super::Samples;
use crate::health::TaskKey;

/// What has happened in a task since its last flush, and how it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The task.
    pub task: TaskKey,
    /// Events taken in and ended since; of those that were parked, `parked` says how often that happened.
    pub ledger: Ledger,
    /// Attempts after the first of an event.
    pub retries: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Handlers that took longer than their time-out.
    pub timeouts: u64,
    /// Lanes that were rebuilt.
    pub lane_restarts: u64,
    /// Events emitted and settled.
    pub emitted: u64,
    /// Failed attempts by class, in the order of [`ErrorClass::ALL`].
    pub failures: [u64; ErrorClass::ALL.len()],
    /// What the dedup service said.
    pub verdicts: Verdicts,
    /// States found in the cache.
    pub cache_hits: u64,
    /// States that had to be loaded.
    pub cache_misses: u64,
    /// Attempts by the type of their event.
    pub events: Vec<EventCount>,
    /// How long settlements took.
    pub settle: Samples,
    /// How the task stands.
    pub gauges: Gauges,
    /// When something happened last.
    pub last_activity: Option<Timestamp>,
}

/// Attempts for events of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// The type's name; `unknown` for what can't be decoded.
    pub event_type: &'static str,
    /// How long its attempts took.
    pub processing: Samples,
}

/// How often the dedup service said what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Handle it.
    pub fresh: u64,
    /// It is a duplicate.
    pub done: u64,
    /// Somebody handles it.
    pub leased: u64,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Events taken in and not settled.
    pub in_flight: u64,
    /// Events not settled.
    pub lag: u64,
    /// Messages that wait for the task.
    pub mailbox_depth: u64,
    /// Keys whose state is in memory.
    pub cached_keys: u64,
    /// Keys that are parked.
    pub parked_keys: u64,
    /// Events that are parked.
    pub parked_events: u64,
    /// 1 if the processor has halted.
    pub halted: u64,
}

impl Telemetry {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(task: TaskKey) -> Self {
        Self {
            task,
            ledger: Ledger::default(),
            retries: 0,
            panics: 0,
            timeouts: 0,
            lane_restarts: 0,
            emitted: 0,
            failures: [0; ErrorClass::ALL.len()],
            verdicts: Verdicts::default(),
            cache_hits: 0,
            cache_misses: 0,
            events: Vec::new(),
            settle: Samples::default(),
            gauges: Gauges::default(),
            last_activity: None,
        }
    }

    /// Counts an attempt, however it ended.
    pub fn attempted(&mut self, event_type: &'static str, took: Duration) {
        // A processor has a few types at most: looking through them is quicker than hashing.
        let place =
            self.events.iter().position(|count| is_same(count.event_type, event_type)).unwrap_or_else(|| {
                self.events.push(EventCount { event_type, processing: Samples::default() });
                self.events.len() - 1
            });
        self.events[place].processing.record(took);
    }

    /// Counts a failed attempt.
    pub fn failed(&mut self, class: ErrorClass) {
        self.failures[class as usize] += 1;
    }

    /// Counts a verdict of the dedup service.
    pub fn judged(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Fresh => &mut self.verdicts.fresh,
            Verdict::Done => &mut self.verdicts.done,
            Verdict::Leased { .. } => &mut self.verdicts.leased,
        } += 1;
    }

    /// Takes out what has happened, and begins anew.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let next = Self { gauges: self.gauges, ..Self::new(self.task.clone()) };
        std::mem::replace(self, next)
    }
}

/// Whether two names are equal; mostly they are one.
fn is_same(one: &'static str, other: &'static str) -> bool {
    std::ptr::eq(one, other) || one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_in_the_order_of_all_classes() {
        for (place, class) in ErrorClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }
}
