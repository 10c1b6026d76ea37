//! The task of a partition, as its host makes it.

use std::{
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

use actix::{Actor, Addr, ArbiterHandle, Recipient};
use pandaflow::{
    Namespace, Scope, StreamProcessor, TopicName,
    policy::{
        dead_letter_budget::DeadLetterBudget, restart_budget::RestartBudget, retry::RetryPolicy,
        watermark::Watermark,
    },
    ports::{Assignment, TableView},
};
use slog::Logger;
use tokio::{sync::Semaphore, time::Instant};

use super::Surroundings;
use crate::{
    health::TaskKey,
    runtime::{
        env::Env,
        halt::Halt,
        permits::Permits,
        pulse::Running,
        state_cache::StateCache,
        task::{Task, TaskEnded, TaskParts},
        task_telemetry::TaskTelemetry,
    },
};

/// What a task is made from, on the arbiter that it will live on.
pub(super) struct TaskSeed<P> {
    pub(super) around: Surroundings,
    pub(super) factory: Arc<dyn Fn() -> P + Send + Sync>,
    pub(super) namespace: Namespace,
    pub(super) outputs: Vec<TopicName>,
    pub(super) tables: Vec<Arc<dyn TableView>>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) halt: Halt,
    pub(super) running: Running,
    pub(super) log: Logger,
    pub(super) mailbox: Arc<AtomicUsize>,
    pub(super) careful: bool,
    pub(super) host: Recipient<TaskEnded>,
}

impl<P: StreamProcessor> TaskSeed<P> {
    /// Starts the task on its arbiter; what it is made of is made there, too, as it may not be sent.
    pub(super) fn start_on(self, arbiter: &ArbiterHandle, assignment: Assignment) -> Addr<Task<P>> {
        Task::start_in_arbiter(arbiter, move |_| Task::new(self.parts(assignment)))
    }

    fn parts(self, assignment: Assignment) -> TaskParts<P> {
        let declaration = P::DECLARATION;
        let acquired = assignment.acquired;
        let partition = acquired.owner.partition;
        let task =
            TaskKey { namespace: self.namespace.clone(), processor: declaration.name.into(), partition };
        let concurrency = self.around.concurrency(declaration.concurrency);
        let entry = self.around.board.enter(task.clone());
        let telemetry = TaskTelemetry::new(
            self.around.services.metrics.clone(),
            self.around.board,
            entry.clone(),
            task,
            acquired.ledger,
            self.mailbox,
            self.around.handler_times,
        );
        let scope = Scope {
            namespace: self.namespace,
            group: acquired.owner.group.clone(),
            outputs: self.outputs,
            tables: self.tables,
            transactions: self.around.transport.transactions(),
        };
        let settlement = self.around.transport.settlement();
        let mut cache = StateCache::new(self.around.cached_keys)
            .removing(&P::State::default(), declaration.state_version);
        if settlement.asks_for_applied() {
            cache = cache.noting_applied(acquired.progress.iter().map(|(topic, _)| topic.clone()).collect());
        }
        let env = Env {
            scope: Rc::new(scope),
            owner: acquired.owner,
            factory: self.factory,
            policy: self.around.retries.apply(declaration.name, RetryPolicy::declared(declaration.retries)),
            permits: Permits::new(self.permits),
            states: self.around.transport.states(),
            settlement: Arc::clone(&settlement),
            cache: cache.into(),
            blank: Rc::new(P::State::default()),
            dedup: self.around.services.dedup,
            lease: self.around.lease,
            dead_letters: self.around.services.dead_letters,
            health: self.around.services.health,
            metrics: self.around.services.metrics,
            entry,
            fenced: false.into(),
            clock: self.around.clock,
            running: self.running,
            log: self.log,
            process_log: self.around.log,
            failed: Default::default(),
            telemetry: telemetry.into(),
            outage: Default::default(),
            letters: DeadLetterBudget::new(
                self.around.limits.dead_letters.declared(declaration.dead_letters),
            )
            .into(),
            halt: self.halt,
            halted: self.around.halted,
            rebuilds: RestartBudget::new(self.around.restarts).into(),
            started: Instant::now(),
            careful: self.careful,
            cut_off: self.around.cut_off,
            draining: false.into(),
            drain: Default::default(),
        };
        let inputs = acquired
            .progress
            .into_iter()
            .map(|(topic, progress)| (topic, Watermark::new(progress)))
            .collect();
        TaskParts {
            env: Rc::new(env),
            inputs,
            ledger: acquired.ledger,
            failed: acquired.attempts,
            parked: acquired.parked,
            applied: acquired.applied,
            settlement,
            demand: assignment.demand,
            limits: self.around.limits,
            host: self.host,
            concurrency,
        }
    }
}
