//! The mocks of the four services: their mailboxes, each a mock, and the handle that sends to them.
//!
//! All of them answer by default what a service would that never has trouble.

use pandaflow::ports::{Filing, Verdict};

use super::MockMailbox;
use crate::{
    dead_letters::{DeadLetterHandle, DeadLetterMailboxes, FileDeadLetter, ListDeadLetters, ShowDeadLetter},
    dedup::{ClaimEvents, DedupHandle, DedupMailboxes, EventsDone, FenceOwner, ReleaseEvents},
    health::{
        ForgetSource, ForgetTask, HealthHandle, HealthMailboxes, HealthReport, ReadHealth, ReportArbiter,
        ReportComponent, ReportPhase, ReportProcessor, ReportProgress, SourceBeat, Status, SupervisorBeat,
    },
    metrics::{CountService, ForgetGauges, MetricsHandle, MetricsMailboxes, Observe, RenderMetrics},
};

/// In place of the dedup actor. By default every claimed event is fresh.
pub struct MockDedup {
    /// Takes claims.
    pub claim: MockMailbox<ClaimEvents>,
    /// Takes ids of settled events.
    pub done: MockMailbox<EventsDone>,
    /// Takes claims back.
    pub release: MockMailbox<ReleaseEvents>,
    /// Takes new owners.
    pub fence: MockMailbox<FenceOwner>,
}

impl MockDedup {
    /// Starts it on the current arbiter.
    #[must_use]
    pub fn start() -> Self {
        Self {
            claim: MockMailbox::answering("dedup claim", |ClaimEvents(claim)| {
                Ok(vec![Verdict::Fresh; claim.ids.len()])
            }),
            done: MockMailbox::answering("dedup done", |_| Ok(())),
            release: MockMailbox::answering("dedup release", |_| Ok(())),
            fence: MockMailbox::answering("dedup fence", |_| Ok(())),
        }
    }

    /// A handle that sends to it.
    #[must_use]
    pub fn handle(&self) -> DedupHandle {
        DedupHandle::new(DedupMailboxes {
            claim: self.claim.mailbox(),
            done: self.done.mailbox(),
            release: self.release.mailbox(),
            fence: self.fence.mailbox(),
        })
    }

    /// Verifies all its mailboxes.
    ///
    /// # Panics
    /// As [`MockMailbox::verify`].
    #[track_caller]
    pub fn verify(&self) {
        self.claim.verify();
        self.done.verify();
        self.release.verify();
        self.fence.verify();
    }
}

/// In place of the dead-letter actor. By default letters are to go with their settlement, and none is stored.
pub struct MockDeadLetters {
    /// Takes letters.
    pub file: MockMailbox<FileDeadLetter>,
    /// Lists letters.
    pub list: MockMailbox<ListDeadLetters>,
    /// Gives one letter.
    pub show: MockMailbox<ShowDeadLetter>,
}

impl MockDeadLetters {
    /// Starts it on the current arbiter.
    #[must_use]
    pub fn start() -> Self {
        Self {
            file: MockMailbox::answering("dead letter file", |FileDeadLetter(letter)| {
                Ok(Filing::WithSettlement(Box::new(letter.clone())))
            }),
            list: MockMailbox::answering("dead letter list", |_| Ok(Vec::new())),
            show: MockMailbox::answering("dead letter show", |_| Ok(None)),
        }
    }

    /// A handle that sends to it.
    #[must_use]
    pub fn handle(&self) -> DeadLetterHandle {
        DeadLetterHandle::new(DeadLetterMailboxes {
            file: self.file.mailbox(),
            list: self.list.mailbox(),
            show: self.show.mailbox(),
        })
    }

    /// Verifies all its mailboxes.
    ///
    /// # Panics
    /// As [`MockMailbox::verify`].
    #[track_caller]
    pub fn verify(&self) {
        self.file.verify();
        self.list.verify();
        self.show.verify();
    }
}

/// In place of the health actor. By default all is well.
pub struct MockHealth {
    /// Takes components.
    pub component: MockMailbox<ReportComponent>,
    /// Takes processors.
    pub processor: MockMailbox<ReportProcessor>,
    /// Takes the process's phase.
    pub phase: MockMailbox<ReportPhase>,
    /// Takes progress.
    pub progress: MockMailbox<ReportProgress>,
    /// Takes tasks that have ended.
    pub forget_task: MockMailbox<ForgetTask>,
    /// Takes the supervisor's beat.
    pub supervisor: MockMailbox<SupervisorBeat>,
    /// Takes sources' beats.
    pub source: MockMailbox<SourceBeat>,
    /// Takes sources that have ended.
    pub forget_source: MockMailbox<ForgetSource>,
    /// Takes arbiters.
    pub arbiter: MockMailbox<ReportArbiter>,
    /// Gives the report.
    pub read: MockMailbox<ReadHealth>,
}

impl MockHealth {
    /// Starts it on the current arbiter.
    #[must_use]
    pub fn start() -> Self {
        Self {
            component: MockMailbox::answering("health component", |_| ()),
            processor: MockMailbox::answering("health processor", |_| ()),
            phase: MockMailbox::answering("health phase", |_| ()),
            progress: MockMailbox::answering("health progress", |_| ()),
            forget_task: MockMailbox::answering("health forget task", |_| ()),
            supervisor: MockMailbox::answering("health supervisor", |_| ()),
            source: MockMailbox::answering("health source", |_| ()),
            forget_source: MockMailbox::answering("health forget source", |_| ()),
            arbiter: MockMailbox::answering("health arbiter", |_| ()),
            read: MockMailbox::answering("health read", |ReadHealth { now }| HealthReport {
                status: Status::Healthy,
                timestamp: *now,
                ready: true,
                alive: true,
                checks: Vec::new(),
            }),
        }
    }

    /// A handle that sends to it.
    #[must_use]
    pub fn handle(&self) -> HealthHandle {
        HealthHandle::new(HealthMailboxes {
            component: self.component.mailbox(),
            processor: self.processor.mailbox(),
            phase: self.phase.mailbox(),
            progress: self.progress.mailbox(),
            forget_task: self.forget_task.mailbox(),
            supervisor: self.supervisor.mailbox(),
            source: self.source.mailbox(),
            forget_source: self.forget_source.mailbox(),
            arbiter: self.arbiter.mailbox(),
            read: self.read.mailbox(),
        })
    }

    /// Verifies all its mailboxes.
    ///
    /// # Panics
    /// As [`MockMailbox::verify`].
    #[track_caller]
    pub fn verify(&self) {
        self.component.verify();
        self.processor.verify();
        self.phase.verify();
        self.progress.verify();
        self.forget_task.verify();
        self.supervisor.verify();
        self.source.verify();
        self.forget_source.verify();
        self.arbiter.verify();
        self.read.verify();
    }
}

/// In place of the metrics actor. By default it takes all and renders nothing.
pub struct MockMetrics {
    /// Takes batches of tasks.
    pub observe: MockMailbox<Observe>,
    /// Takes tasks that have ended.
    pub forget: MockMailbox<ForgetGauges>,
    /// Takes counts of services.
    pub count: MockMailbox<CountService>,
    /// Gives the text.
    pub render: MockMailbox<RenderMetrics>,
}

impl MockMetrics {
    /// Starts it on the current arbiter.
    #[must_use]
    pub fn start() -> Self {
        Self {
            observe: MockMailbox::answering("metrics observe", |_| ()),
            forget: MockMailbox::answering("metrics forget", |_| ()),
            count: MockMailbox::answering("metrics count", |_| ()),
            render: MockMailbox::answering("metrics render", |_| String::new()),
        }
    }

    /// A handle that sends to it.
    #[must_use]
    pub fn handle(&self) -> MetricsHandle {
        MetricsHandle::new(MetricsMailboxes {
            observe: self.observe.mailbox(),
            forget: self.forget.mailbox(),
            count: self.count.mailbox(),
            render: self.render.mailbox(),
        })
    }

    /// Verifies all its mailboxes.
    ///
    /// # Panics
    /// As [`MockMailbox::verify`].
    #[track_caller]
    pub fn verify(&self) {
        self.observe.verify();
        self.forget.verify();
        self.count.verify();
        self.render.verify();
    }
}
