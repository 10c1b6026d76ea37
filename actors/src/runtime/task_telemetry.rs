//! What a task tells metrics and health of itself: gathered in plain counters, told once a second.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pandaflow::{
    Timestamp,
    policy::{ledger::Ledger, parking::ParkedCount},
};
use tokio::time::Instant;

use super::{
    board::{Board, TaskEntry},
    config::HandlerTimes,
};
use crate::{
    health::{HealthHandle, TaskKey},
    metrics::{Gauges, MetricsHandle, Telemetry},
};

/// Counters of one task. An event costs a few additions; a message goes out once a second.
pub(crate) struct TaskTelemetry {
    metrics: MetricsHandle,
    board: Board,
    entry: Arc<TaskEntry>,
    /// What has happened since the last message. Attempts of this task count in it, too.
    pub(crate) batch: Telemetry,
    told: Ledger,
    /// Parked events that have ended.
    pub(crate) released: u64,
    /// When an attempt ended, until something else happens than the booking of its end.
    ended_at: Option<Instant>,
    /// Batches in the task's mailbox: counted up by who sends, down by who takes.
    mailbox: Arc<AtomicUsize>,
    times: HandlerTimes,
}

impl TaskTelemetry {
    pub(crate) fn new(
        metrics: MetricsHandle,
        board: Board,
        entry: Arc<TaskEntry>,
        task: TaskKey,
        told: Ledger,
        mailbox: Arc<AtomicUsize>,
        times: HandlerTimes,
    ) -> Self {
        Self {
            metrics,
            board,
            entry,
            batch: Telemetry::new(task),
            told,
            released: 0,
            ended_at: None,
            mailbox,
            times,
        }
    }

    /// A batch was taken out of the mailbox.
    pub(crate) fn took_batch(&self) {
        self.mailbox.fetch_sub(1, Ordering::Relaxed);
    }

    /// A settlement that was cut then is real.
    pub(crate) fn settled(&mut self, cut_at: Instant) {
        self.batch.settle.record(cut_at.elapsed());
    }

    /// Tells what has happened since the last time. If metrics are busy, it is told the next time.
    pub(crate) fn tell(
        &mut self,
        ledger: &Ledger,
        cached_keys: usize,
        parked: ParkedCount,
        halted: bool,
        now: Timestamp,
    ) {
        let in_flight = ledger.in_flight().unwrap_or(0);
        self.entry.note(ledger.ended() + self.released, in_flight, ledger.parked);
        let events = since(ledger, &self.told);
        if events != Ledger::default() {
            self.batch.last_activity = Some(now);
        }
        self.batch.ledger = self.batch.ledger.plus(&events);
        self.told = *ledger;
        self.batch.gauges = Gauges {
            in_flight,
            lag: self.entry.lag(),
            mailbox_depth: self.mailbox.load(Ordering::Relaxed) as u64,
            cached_keys: cached_keys as u64,
            parked_keys: parked.keys as u64,
            parked_events: parked.events as u64,
            halted: halted.into(),
        };
        self.metrics.try_observe(&mut self.batch);
    }

    /// The task is over: its gauges go.
    pub(crate) fn forget(&self, health: &HealthHandle) {
        self.board.leave(&self.batch.task, &self.entry);
        health.forget_task(self.batch.task.clone());
        self.metrics.forget_task(self.batch.task.clone());
    }

    /// When an attempt begins; `None` if it is not timed. One that follows another at once begins when that one ended:
    /// the clock is read once for each event, and what the task does between two is in their time, half a microsecond.
    pub(crate) fn begin(&mut self) -> Option<Instant> {
        (self.times == HandlerTimes::Measured).then(|| self.ended_at.take().unwrap_or_else(Instant::now))
    }

    /// How long a handler took, for the type of its event.
    pub(crate) fn attempted(&mut self, event_type: &'static str, began: Option<Instant>) {
        if let Some(began) = began {
            let now = Instant::now();
            self.batch.attempted(event_type, now.duration_since(began));
            self.ended_at = Some(now);
        }
    }

    /// When the last attempt ended, if that was just now; otherwise the clock is read.
    pub(crate) fn now(&self) -> Instant {
        self.ended_at.unwrap_or_else(Instant::now)
    }

    /// The next attempt does not follow the last one at once.
    pub(crate) fn interrupt(&mut self) {
        self.ended_at = None;
    }
}

/// What was added to a ledger. Events that were given back make `consumed` smaller: that counts as nothing.
fn since(now: &Ledger, then: &Ledger) -> Ledger {
    Ledger {
        consumed: now.consumed.saturating_sub(then.consumed),
        succeeded: now.succeeded - then.succeeded,
        filtered: now.filtered - then.filtered,
        duplicate: now.duplicate - then.duplicate,
        dead_lettered: now.dead_lettered - then.dead_lettered,
        // It goes up and down: how often something was parked is counted as it happens.
        parked: 0,
    }
}
