//! How the metrics service is called.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{NoopRecorder, Recorder};

use super::{CountService, ForgetGauges, Observe, RenderMetrics, ServiceCount, Telemetry};
use crate::{
    health::TaskKey,
    mailbox::{Mailbox, MailboxError},
};

/// The mailboxes that a [`MetricsHandle`] sends to: those of the actor, or of mocks.
#[derive(Debug, Clone)]
pub struct MetricsMailboxes {
    /// Takes batches of tasks.
    pub observe: Mailbox<Observe>,
    /// Takes tasks that have ended.
    pub forget: Mailbox<ForgetGauges>,
    /// Takes counts of services.
    pub count: Mailbox<CountService>,
    /// Gives the text.
    pub render: Mailbox<RenderMetrics>,
}

/// Calls the metrics service. Cheap to clone. Nothing but [`MetricsHandle::render`] ever waits or fails, so that
/// telemetry changes no outcome.
#[derive(Clone)]
pub struct MetricsHandle {
    shared: Arc<Shared>,
}

struct Shared {
    to: MetricsMailboxes,
    recorder: Arc<dyn Recorder + Send + Sync>,
    /// Batches and counts that were dropped; read by the actor.
    dropped: Arc<AtomicU64>,
}

impl MetricsHandle {
    /// A handle that sends to these, such as mocks. Metrics that handlers make themselves go nowhere.
    #[must_use]
    pub fn new(to: MetricsMailboxes) -> Self {
        Self::with(to, Arc::new(NoopRecorder), Arc::default())
    }

    pub(super) fn with(
        to: MetricsMailboxes,
        recorder: Arc<dyn Recorder + Send + Sync>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        Self { shared: Arc::new(Shared { to, recorder, dropped }) }
    }

    /// Sends a batch and empties it. When the mailbox is full, the batch keeps what it has and the next flush tries
    /// again: then nothing is lost, it is only late. Whether it was sent.
    pub fn try_observe(&self, batch: &mut Telemetry) -> bool {
        match self.shared.to.observe.tell(Observe(batch.take())) {
            Ok(()) => true,
            Err(undelivered) => {
                *batch = undelivered.message.0;
                false
            }
        }
    }

    /// Sends a batch; dropped and counted in `pandaflow_telemetry_dropped_total` when the mailbox is full.
    pub fn observe(&self, batch: Telemetry) {
        if self.shared.to.observe.tell(Observe(batch)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts something of a service; dropped and counted as dropped when the mailbox is full.
    pub fn count(&self, count: ServiceCount) {
        if self.shared.to.count.tell(CountService(count)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that a task has ended: its gauges vanish.
    pub fn forget_task(&self, task: TaskKey) {
        self.shared.to.forget.tell_past_bound(ForgetGauges(task));
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// The actor has ended.
    pub fn render(&self) -> impl Future<Output = Result<String, MailboxError>> + Send + 'static + use<> {
        self.shared.to.render.ask(RenderMetrics)
    }

    /// Runs `code` so that what it counts with the macros of the `metrics` crate goes into this service's text.
    /// A task takes its turns in here, and with them its handlers.
    pub fn record<T>(&self, code: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.shared.recorder, code)
    }

    /// Whether the actor is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.to.render.is_open()
    }
}

impl fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsHandle").field("to", &self.shared.to).finish_non_exhaustive()
    }
}
