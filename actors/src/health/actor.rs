//! The health actor: enters reports into the book with their time, and reads it.

use std::time::Duration;

use actix::{Actor, ArbiterHandle, Context, Handler};
use tokio::time::Instant;

use super::{
    ForgetSource, ForgetTask, HealthBook, HealthConfig, HealthHandle, HealthMailboxes, HealthReport,
    ReadHealth, ReportArbiter, ReportComponent, ReportPhase, ReportProcessor, ReportProgress, SourceBeat,
    SupervisorBeat,
};
use crate::mailbox::Mailbox;

/// Gathers reports. It ends when the last handle is gone.
pub struct HealthActor {
    book: HealthBook,
    begun: Instant,
}

impl HealthActor {
    /// Starts it on `arbiter`.
    #[must_use]
    pub fn start(arbiter: &ArbiterHandle, config: HealthConfig) -> HealthHandle {
        let address = Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(config.mailbox);
            Self { book: HealthBook::new(config.limits), begun: Instant::now() }
        });
        let to = address;
        HealthHandle::new(HealthMailboxes {
            component: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            processor: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            phase: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            progress: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            forget_task: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            supervisor: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            source: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            forget_source: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            arbiter: Mailbox::new("health", to.clone().recipient(), config.mailbox),
            read: Mailbox::new("health", to.recipient(), config.mailbox),
        })
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Actor for HealthActor {
    type Context = Context<Self>;
}

impl Handler<ReportComponent> for HealthActor {
    type Result = ();

    fn handle(&mut self, report: ReportComponent, _ctx: &mut Self::Context) {
        self.book.component(report);
    }
}

impl Handler<ReportProcessor> for HealthActor {
    type Result = ();

    fn handle(&mut self, report: ReportProcessor, _ctx: &mut Self::Context) {
        self.book.processor(report);
    }
}

impl Handler<ReportPhase> for HealthActor {
    type Result = ();

    fn handle(&mut self, ReportPhase(phase): ReportPhase, _ctx: &mut Self::Context) {
        self.book.phase(phase);
    }
}

impl Handler<ReportProgress> for HealthActor {
    type Result = ();

    fn handle(&mut self, ReportProgress(progress): ReportProgress, _ctx: &mut Self::Context) {
        self.book.progress(progress, self.now());
    }
}

impl Handler<ForgetTask> for HealthActor {
    type Result = ();

    fn handle(&mut self, ForgetTask(task): ForgetTask, _ctx: &mut Self::Context) {
        self.book.forget_task(&task);
    }
}

impl Handler<SupervisorBeat> for HealthActor {
    type Result = ();

    fn handle(&mut self, SupervisorBeat: SupervisorBeat, _ctx: &mut Self::Context) {
        self.book.supervisor_beat(self.now());
    }
}

impl Handler<SourceBeat> for HealthActor {
    type Result = ();

    fn handle(&mut self, SourceBeat { source }: SourceBeat, _ctx: &mut Self::Context) {
        self.book.source_beat(source, self.now());
    }
}

impl Handler<ForgetSource> for HealthActor {
    type Result = ();

    fn handle(&mut self, ForgetSource { source }: ForgetSource, _ctx: &mut Self::Context) {
        self.book.forget_source(&source);
    }
}

impl Handler<ReportArbiter> for HealthActor {
    type Result = ();

    fn handle(&mut self, report: ReportArbiter, _ctx: &mut Self::Context) {
        self.book.arbiter(report);
    }
}

impl Handler<ReadHealth> for HealthActor {
    type Result = HealthReport;

    fn handle(&mut self, ReadHealth { now }: ReadHealth, _ctx: &mut Self::Context) -> HealthReport {
        self.book.report(self.now(), now)
    }
}
