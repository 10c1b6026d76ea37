//! The processor host: one processor in one namespace. It joins the group, starts a task for each partition that
//! it is given, starts failed ones over within a budget, and drains them all when it is told to stop.

mod assignee;
mod surroundings;
mod task_seed;

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient,
    ResponseActFuture, WrapFuture,
};
use pandaflow::{
    Epoch, Group, Namespace, Partition, StreamProcessor, TopicName,
    policy::restart_budget::{Restart, RestartBudget, RestartLimits},
    ports::{Assignment, StoreError, Subscription, SubscriptionRequest, TableView},
};
use slog::{Logger, o};
use tokio::{sync::Semaphore, time::Instant};

pub(crate) use self::surroundings::Surroundings;
use self::{
    assignee::{Routes, TaskAddr},
    task_seed::TaskSeed,
};
use super::{
    halt::Halt,
    pulse::Running,
    task::{HowTaskEnded, TaskEnded},
};
use crate::health::{ProcessorState, ReportProcessor};

/// Who the host is.
pub(crate) struct HostParts<P> {
    pub(crate) namespace: Namespace,
    pub(crate) group: Group,
    pub(crate) inputs: Vec<TopicName>,
    pub(crate) outputs: Vec<TopicName>,
    pub(crate) tables: Vec<Arc<dyn TableView>>,
    /// The number that the watchdog knows the processor by.
    pub(crate) number: u32,
    pub(crate) factory: Arc<dyn Fn() -> P + Send + Sync>,
    pub(crate) surroundings: Surroundings,
    pub(crate) supervisor: Recipient<HostFailed>,
}

/// A processor that can't go on; for the supervisor.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct HostFailed {
    pub(crate) group: Group,
    pub(crate) reason: String,
}

/// Drain every task and leave the group; answers when that is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainHost {
    pub(crate) deadline: Duration,
}

/// A partition is ours.
#[derive(Message)]
#[rtype(result = "()")]
struct Assigned(Assignment);

/// The source can't go on.
#[derive(Message)]
#[rtype(result = "()")]
struct SourceFailed(StoreError);

/// Start a failed partition over.
#[derive(Message)]
#[rtype(result = "()")]
struct StartOver(Partition, Epoch);

/// The actor.
pub(crate) struct Host<P> {
    parts: HostParts<P>,
    log: Logger,
    permits: Arc<Semaphore>,
    halt: Halt,
    routes: Routes,
    subscription: Option<Arc<dyn Subscription>>,
    budgets: BTreeMap<Partition, RestartBudget>,
    /// The waits of partitions that begin again through no fault of theirs.
    start_overs: BTreeMap<Partition, RestartBudget>,
    started: Instant,
    draining: bool,
    /// It has been given up on, and health knows.
    failed: Cell<bool>,
}

impl<P: StreamProcessor> Host<P> {
    pub(crate) fn new(parts: HostParts<P>) -> Self {
        let declaration = P::DECLARATION;
        let log = parts.surroundings.log.new(o!(
            "processor" => declaration.name, "namespace" => parts.namespace.to_string()));
        Self {
            permits: Arc::new(Semaphore::new(parts.surroundings.concurrency(declaration.concurrency))),
            halt: Halt::default(),
            routes: Routes::default(),
            subscription: None,
            budgets: BTreeMap::new(),
            start_overs: BTreeMap::new(),
            started: Instant::now(),
            draining: false,
            failed: Cell::new(false),
            log,
            parts,
        }
    }

    fn report(&self, state: ProcessorState) {
        // Nothing that still happens makes it well.
        if self.failed.get() {
            return;
        }
        self.parts.surroundings.services.health.processor(ReportProcessor {
            namespace: self.parts.namespace.clone(),
            processor: P::DECLARATION.name.into(),
            state,
        });
    }

    fn subscribe(&mut self, ctx: &mut Context<Self>) {
        let request = SubscriptionRequest {
            guarantee: P::DECLARATION.guarantee,
            marks: P::DECLARATION.dedup.is_some(),
            ..SubscriptionRequest::new(self.parts.group.clone(), self.parts.inputs.clone())
        };
        let health = self.parts.surroundings.services.health.clone();
        let assignee = assignee::HostAssignee::new(ctx.address(), self.routes.clone(), health, self.source());
        match self.parts.surroundings.transport.source().subscribe(request, Arc::new(assignee)) {
            Ok(subscription) => self.subscription = Some(subscription),
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// How health calls its source.
    fn source(&self) -> Arc<str> {
        self.parts.group.as_str().into()
    }

    fn fail(&self, reason: String) {
        slog::error!(self.log, "the processor can't go on"; "reason" => &reason);
        self.report(ProcessorState::Failed { reason: reason.clone() });
        self.failed.set(true);
        self.parts.supervisor.do_send(HostFailed { group: self.parts.group.clone(), reason });
    }

    fn start_task(&self, assignment: Assignment, host: Recipient<TaskEnded>) {
        let partition = assignment.acquired.owner.partition;
        let epoch = assignment.acquired.owner.epoch;
        let (arbiter, pulse) = self.parts.surroundings.arbiters.of(partition.0);
        let seed = TaskSeed::<P> {
            around: self.parts.surroundings.clone(),
            factory: self.parts.factory.clone(),
            namespace: self.parts.namespace.clone(),
            outputs: self.parts.outputs.clone(),
            tables: self.parts.tables.clone(),
            permits: self.permits.clone(),
            halt: self.halt.clone(),
            running: Running::new(pulse, self.parts.number),
            log: self.log.new(o!("partition" => partition.0, "epoch" => epoch.0)),
            mailbox: Arc::new(AtomicUsize::new(0)),
            careful: self.budgets.contains_key(&partition),
            host,
        };
        let mailbox = seed.mailbox.clone();
        self.routes.start(partition, || TaskAddr::new(epoch, seed.start_on(&arbiter, assignment), mailbox));
    }

    fn restart(&mut self, partition: Partition, epoch: Epoch, reason: &str, ctx: &mut Context<Self>) {
        // What another owner has by now is none of our failures.
        if self.draining || self.routes.is_gone(partition, epoch) {
            return;
        }
        self.report(ProcessorState::Restarting { reason: reason.to_owned() });
        let limits = self.parts.surroundings.restarts;
        let budget = self.budgets.entry(partition).or_insert_with(|| RestartBudget::new(limits));
        match budget.failed(self.started.elapsed()) {
            Restart::After(wait) => {
                slog::warn!(self.log, "a task failed: it is started over"; "partition" => partition.0, "reason" => reason, "wait" => ?wait);
                ctx.notify_later(StartOver(partition, epoch), wait);
            }
            Restart::Escalate => self.fail(format!(
                "partition {partition} failed more often than {} times in {:?}; the last time: {reason}",
                limits.restarts, limits.window
            )),
        }
    }
}

impl<P: StreamProcessor> Host<P> {
    /// As [`Host::restart`], with the same waits, for what is no fault of the processor's: it is never given up on.
    fn start_over(&mut self, partition: Partition, epoch: Epoch, reason: &str, ctx: &mut Context<Self>) {
        if self.draining || self.routes.is_gone(partition, epoch) {
            return;
        }
        self.report(ProcessorState::Restarting { reason: reason.to_owned() });
        let limits = RestartLimits { restarts: usize::MAX, ..self.parts.surroundings.restarts };
        let waits = self.start_overs.entry(partition).or_insert_with(|| RestartBudget::new(limits));
        let wait = match waits.failed(self.started.elapsed()) {
            Restart::After(wait) => wait,
            Restart::Escalate => limits.cap,
        };
        slog::warn!(self.log, "what a task had under way is lost: it begins again"; "partition" => partition.0, "reason" => reason, "wait" => ?wait);
        ctx.notify_later(StartOver(partition, epoch), wait);
    }
}

impl<P: StreamProcessor> Actor for Host<P> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A few messages for each partition at most: assigned, ended, start over.
        ctx.set_mailbox_capacity(1024);
        self.report(ProcessorState::Starting);
        self.subscribe(ctx);
    }
}

impl<P: StreamProcessor> Handler<Assigned> for Host<P> {
    type Result = ();

    fn handle(&mut self, Assigned(assignment): Assigned, ctx: &mut Self::Context) {
        if !self.draining {
            self.start_task(assignment, ctx.address().recipient());
            self.report(ProcessorState::Assigned { partitions: self.routes.count() });
        }
    }
}

impl<P: StreamProcessor> Handler<SourceFailed> for Host<P> {
    type Result = ();

    fn handle(&mut self, SourceFailed(error): SourceFailed, _: &mut Self::Context) {
        self.fail(error.to_string());
    }
}

impl<P: StreamProcessor> Handler<TaskEnded> for Host<P> {
    type Result = ();

    fn handle(&mut self, ended: TaskEnded, ctx: &mut Self::Context) {
        self.routes.remove(ended.partition, ended.epoch);
        match ended.how {
            HowTaskEnded::Released => {}
            HowTaskEnded::Failed(reason) => self.restart(ended.partition, ended.epoch, &reason, ctx),
            HowTaskEnded::StartsOver(reason) => {
                self.start_over(ended.partition, ended.epoch, &reason, ctx);
            }
        }
    }
}

impl<P: StreamProcessor> Handler<StartOver> for Host<P> {
    type Result = ();

    fn handle(&mut self, StartOver(partition, epoch): StartOver, ctx: &mut Self::Context) {
        let wanted = !self.draining && !self.routes.is_gone(partition, epoch);
        let Some(subscription) = self.subscription.clone().filter(|_| wanted) else { return };
        ctx.spawn(async move { subscription.restart(partition).await }.into_actor(self).map(
            move |restarted, host, ctx| {
                if let Err(error) = restarted {
                    host.restart(partition, epoch, &error.to_string(), ctx);
                }
            },
        ));
    }
}

impl<P: StreamProcessor> Handler<DrainHost> for Host<P> {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, DrainHost { deadline }: DrainHost, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        self.report(ProcessorState::Stopped);
        self.routes.drain_within(deadline);
        let subscription = self.subscription.take();
        let (health, source) = (self.parts.surroundings.services.health.clone(), self.source());
        let left = async move {
            if let Some(subscription) = subscription {
                subscription.close().await;
            }
            health.forget_source(source);
        };
        Box::pin(left.into_actor(self).map(|(), _, ctx| ctx.stop()))
    }
}
