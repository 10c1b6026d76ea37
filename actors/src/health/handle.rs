//! How the health service is called.

use std::{future::Future, sync::Arc};

use pandaflow::Timestamp;

use super::{
    ForgetSource, ForgetTask, HealthReport, Phase, ReadHealth, ReportArbiter, ReportComponent, ReportPhase,
    ReportProcessor, ReportProgress, SourceBeat, Status, SupervisorBeat, TaskKey, TaskProgress,
};
use crate::mailbox::{Mailbox, MailboxError};

/// The mailboxes that a [`HealthHandle`] sends to: those of the actor, or of mocks.
#[derive(Debug, Clone)]
pub struct HealthMailboxes {
    /// Takes components.
    pub component: Mailbox<ReportComponent>,
    /// Takes processors.
    pub processor: Mailbox<ReportProcessor>,
    /// Takes the process's phase.
    pub phase: Mailbox<ReportPhase>,
    /// Takes progress.
    pub progress: Mailbox<ReportProgress>,
    /// Takes tasks that have ended.
    pub forget_task: Mailbox<ForgetTask>,
    /// Takes the supervisor's beat.
    pub supervisor: Mailbox<SupervisorBeat>,
    /// Takes sources' beats.
    pub source: Mailbox<SourceBeat>,
    /// Takes sources that have ended.
    pub forget_source: Mailbox<ForgetSource>,
    /// Takes arbiters.
    pub arbiter: Mailbox<ReportArbiter>,
    /// Gives the report.
    pub read: Mailbox<ReadHealth>,
}

/// Calls the health service. Cheap to clone. Reports never wait and never fail: what comes again by itself
/// (progress, beats) is dropped when the mailbox is full, changes of state are taken in always.
#[derive(Debug, Clone)]
pub struct HealthHandle {
    to: Arc<HealthMailboxes>,
}

impl HealthHandle {
    /// A handle that sends to these.
    #[must_use]
    pub fn new(to: HealthMailboxes) -> Self {
        Self { to: Arc::new(to) }
    }

    /// Says how a component is; to be called when that changes, or at intervals.
    pub fn component(&self, report: ReportComponent) {
        self.to.component.tell_past_bound(report);
    }

    /// Says that a component is well.
    pub fn healthy(&self, component: &str) {
        self.component(ReportComponent::new(component, Status::Healthy, "it answers".into()));
    }

    /// Says that a component doesn't do what it should.
    pub fn failing(&self, component: &str, message: &str) {
        self.component(ReportComponent::new(component, Status::Failing, message.to_owned()));
    }

    /// Says how a processor is; to be called when that changes.
    pub fn processor(&self, report: ReportProcessor) {
        self.to.processor.tell_past_bound(report);
    }

    /// Says in which phase the process is.
    pub fn phase(&self, phase: Phase) {
        self.to.phase.tell_past_bound(ReportPhase(phase));
    }

    /// Says how far a task is.
    pub fn progress(&self, progress: TaskProgress) {
        // The next one tells more.
        let _ = self.to.progress.tell(ReportProgress(progress));
    }

    /// Says that a task has ended.
    pub fn forget_task(&self, task: TaskKey) {
        self.to.forget_task.tell_past_bound(ForgetTask(task));
    }

    /// Says that the supervisor runs.
    pub fn supervisor_beat(&self) {
        let _ = self.to.supervisor.tell(SupervisorBeat);
    }

    /// Says that a source's poll loop turns.
    pub fn source_beat(&self, source: Arc<str>) {
        let _ = self.to.source.tell(SourceBeat { source });
    }

    /// Says that a source has been closed.
    pub fn forget_source(&self, source: Arc<str>) {
        self.to.forget_source.tell_past_bound(ForgetSource { source });
    }

    /// Says how an arbiter is; to be called when that changes, or at intervals of seconds.
    pub fn arbiter(&self, report: ReportArbiter) {
        self.to.arbiter.tell_past_bound(report);
    }

    /// Reads how all is; `now` is the report's time stamp.
    ///
    /// # Errors
    /// The actor has ended.
    pub fn read(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<HealthReport, MailboxError>> + Send + 'static + use<> {
        self.to.read.ask(ReadHealth { now })
    }

    /// Whether the actor is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.to.read.is_open()
    }
}
