//! What the attempts of one task share: who they are, whom they ask, and where they count.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    future::Future,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use futures_util::FutureExt;
use pandaflow::{
    Clock, Declaration, Order, Record, Scope, StreamProcessor,
    policy::{
        dead_letter_budget::DeadLetterBudget, outage::OutageWatch, restart_budget::RestartBudget,
        retry::RetryPolicy,
    },
    ports::{AttemptChange, Owner, SettlementStore, StateStore},
};
use slog::Logger;
use tokio::{sync::Notify, time::Instant};

use super::{
    board::TaskEntry,
    halt::{Halt, Halted},
    permits::Permits,
    pulse::Running,
    state_cache::StateCache,
    task_telemetry::TaskTelemetry,
};
use crate::{
    dead_letters::DeadLetterHandle,
    dedup::DedupHandle,
    health::{HealthHandle, ReportComponent, Status},
    metrics::MetricsHandle,
};

/// The first and the longest wait for a store that doesn't answer.
const STORE_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Shared by a task and its attempts, all on one arbiter.
pub(crate) struct Env<P: StreamProcessor> {
    pub(crate) scope: Rc<Scope>,
    pub(crate) owner: Owner,
    pub(crate) factory: Arc<dyn Fn() -> P + Send + Sync>,
    pub(crate) policy: RetryPolicy,
    /// Attempts of this processor that may run at once in this process.
    pub(crate) permits: Permits,
    pub(crate) states: Arc<dyn StateStore>,
    pub(crate) settlement: Arc<dyn SettlementStore>,
    pub(crate) cache: RefCell<StateCache<P::State>>,
    /// What a key without a stored state has.
    pub(crate) blank: Rc<P::State>,
    pub(crate) dedup: DedupHandle,
    pub(crate) lease: Duration,
    pub(crate) dead_letters: DeadLetterHandle,
    pub(crate) health: HealthHandle,
    /// What handlers count with the macros of the `metrics` crate goes here.
    pub(crate) metrics: MetricsHandle,
    pub(crate) entry: Arc<TaskEntry>,
    /// Whether claims of the partition's earlier owners have been ended.
    pub(crate) fenced: Cell<bool>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) running: Running,
    pub(crate) log: Logger,
    /// The log of the process; what is written of an event says all else itself.
    pub(crate) process_log: Logger,
    /// Failed attempts to be kept with the next settlement.
    pub(crate) failed: RefCell<Vec<AttemptChange>>,
    pub(crate) telemetry: RefCell<TaskTelemetry>,
    pub(crate) outage: RefCell<OutageWatch>,
    /// Dead letters of this task.
    pub(crate) letters: RefCell<DeadLetterBudget>,
    /// Set once a task of the processor has made too many.
    pub(crate) halt: Halt,
    pub(crate) halted: Halted,
    pub(crate) rebuilds: RefCell<RestartBudget>,
    pub(crate) started: Instant,
    /// An earlier task of the partition failed: one event may be the reason.
    pub(crate) careful: bool,
    /// Tasks of the process that a drain's deadline cut off.
    pub(crate) cut_off: Arc<AtomicUsize>,
    /// Set once, when the task drains: what waits for a time gives up waiting.
    pub(crate) draining: Cell<bool>,
    pub(crate) drain: Notify,
}

/// The task drains: whoever waits gives its event back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draining;

impl<P: StreamProcessor> Env<P> {
    pub(crate) const DECLARATION: Declaration = P::DECLARATION;

    /// Whether an event that has to wait for long may be taken out of its partition's way.
    pub(crate) fn may_park(&self, record: &Record) -> bool {
        let allowed = Self::DECLARATION.order != Order::Partition && !self.outage.borrow().is_on();
        allowed && self.settlement.fits_parking(record)
    }

    /// Begins to drain.
    pub(crate) fn begin_drain(&self) {
        self.draining.set(true);
        self.drain.notify_waiters();
    }

    /// Waits, unless the task drains.
    pub(crate) async fn wait(&self, duration: Duration) -> Result<(), Draining> {
        self.unless_draining(tokio::time::sleep(duration)).await
    }

    /// Waits for `future`, unless the task drains.
    pub(crate) async fn unless_draining<F: Future>(&self, future: F) -> Result<F::Output, Draining> {
        let drain = self.drain.notified();
        tokio::pin!(drain);
        drain.as_mut().enable();
        if self.draining.get() {
            return Err(Draining);
        }
        tokio::select! {
            // In this order, so that a simulation runs again the same.
            biased;
            () = drain => Err(Draining),
            output = future => Ok(output),
        }
    }

    /// Asks a store until it answers or the task drains. Its trouble is told to health, and is no event's failure.
    pub(crate) async fn ask<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        component: &str,
        mut question: impl FnMut() -> F,
    ) -> Result<T, Draining> {
        self.ask_until(component, || self.unless_draining(question())).await
    }

    /// As [`Env::ask`], but a question that is under way or has not been asked yet is answered also while the task
    /// drains: what it was asked for would have to be done again.
    pub(crate) async fn ask_to_the_end<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        component: &str,
        mut question: impl FnMut() -> F,
    ) -> Result<T, Draining> {
        self.ask_until(component, || question().map(Ok)).await
    }

    async fn ask_until<T, E: Display, F: Future<Output = Result<Result<T, E>, Draining>>>(
        &self,
        component: &str,
        mut question: impl FnMut() -> F,
    ) -> Result<T, Draining> {
        let mut wait = STORE_BACKOFF.0;
        let mut trouble = None;
        loop {
            match question().await? {
                Ok(answer) => {
                    trouble.into_iter().for_each(Trouble::over);
                    return Ok(answer);
                }
                Err(error) => {
                    if trouble.is_none() {
                        slog::warn!(self.log, "a store doesn't answer: waiting"; "component" => component, "error" => %error);
                    }
                    let trouble = trouble.get_or_insert_with(|| self.trouble(component));
                    trouble.tell(&error);
                    self.wait(wait).await?;
                    wait = (wait * 2).min(STORE_BACKOFF.1);
                }
            }
        }
    }

    /// Something that this task waits for and does not get.
    pub(crate) fn trouble(&self, component: &str) -> Trouble {
        Trouble {
            component: component.into(),
            health: self.health.clone(),
            entry: self.entry.clone(),
            told: false,
        }
    }
}

/// Trouble with a component, told to health until it is over or nobody has it any more.
pub(crate) struct Trouble {
    component: Box<str>,
    health: HealthHandle,
    entry: Arc<TaskEntry>,
    told: bool,
}

impl Trouble {
    /// Tells it; again each time, since the last report of all tasks holds.
    pub(crate) fn tell(&mut self, error: &impl Display) {
        self.told = true;
        self.health.failing(&self.component, &error.to_string());
        self.entry.waits_for(Some(&self.component));
    }

    /// The component did what it should.
    pub(crate) fn over(mut self) {
        self.told = false;
        self.health.healthy(&self.component);
        self.entry.waits_for(None);
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        if self.told {
            let why = "whoever it failed waits for it no longer".into();
            self.health.component(ReportComponent::new(&self.component, Status::Degraded, why));
            self.entry.waits_for(None);
        }
    }
}
