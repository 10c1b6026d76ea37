//! What a source sees of a host: it finds the task of a partition without asking the host's mailbox.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Addr, Recipient};
use pandaflow::{
    Epoch, Partition, StreamProcessor,
    ports::{Assignee, Assignment, Batch, StoreError},
};

use super::{Assigned, Host, SourceFailed};
use crate::{
    health::HealthHandle,
    runtime::task::{Deliver, Drain, Lose, Task},
};

/// How to reach one task.
#[derive(Clone)]
pub(super) struct TaskAddr {
    epoch: Epoch,
    deliver: Recipient<Deliver>,
    drain: Recipient<Drain>,
    lose: Recipient<Lose>,
    mailbox: Arc<AtomicUsize>,
}

impl TaskAddr {
    pub(super) fn new<P: StreamProcessor>(
        epoch: Epoch,
        addr: Addr<Task<P>>,
        mailbox: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            epoch,
            deliver: addr.clone().recipient(),
            drain: addr.clone().recipient(),
            lose: addr.recipient(),
            mailbox,
        }
    }
}

/// The tasks of a host by partition. Written by the host, read by the source's thread.
#[derive(Clone, Default)]
pub(super) struct Routes {
    tasks: Arc<RwLock<BTreeMap<Partition, TaskAddr>>>,
    /// The newest epoch of each partition that was revoked or lost. Written by the source's thread.
    gone: Arc<RwLock<BTreeMap<Partition, Epoch>>>,
    /// Milliseconds that a drain may take.
    deadline: Arc<AtomicUsize>,
}

impl Routes {
    const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

    /// Starts a task and lets it be found. Both at once: it asks for records as soon as it runs, and what came before it
    /// could be found would be lost to it. One of an older epoch stops: its source told nobody that it was replaced. If
    /// the partition has been taken away meanwhile, the task stops itself.
    pub(super) fn start(&self, partition: Partition, start: impl FnOnce() -> TaskAddr) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let task = start();
        if self.is_gone(partition, task.epoch) {
            task.lose.do_send(Lose);
        } else if let Some(former) = tasks.insert(partition, task) {
            former.lose.do_send(Lose);
        }
    }

    /// Whether the assignment has been revoked or lost.
    pub(super) fn is_gone(&self, partition: Partition, epoch: Epoch) -> bool {
        let gone = self.gone.read().unwrap_or_else(PoisonError::into_inner);
        gone.get(&partition).is_some_and(|newest| *newest >= epoch)
    }

    /// The task of an assignment that is taken away, if it has been started.
    fn take_away(&self, partition: Partition, epoch: Epoch) -> Option<TaskAddr> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        self.gone.write().unwrap_or_else(PoisonError::into_inner).insert(partition, epoch);
        let task = tasks.get(&partition)?;
        if task.epoch < epoch {
            // It was replaced by an assignment whose task has not been started yet.
            task.lose.do_send(Lose);
        }
        (task.epoch == epoch).then(|| task.clone())
    }

    pub(super) fn remove(&self, partition: Partition, epoch: Epoch) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        if tasks.get(&partition).is_some_and(|task| task.epoch == epoch) {
            tasks.remove(&partition);
        }
    }

    /// How many tasks there are.
    pub(super) fn count(&self) -> u32 {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(tasks.len()).unwrap_or(u32::MAX)
    }

    /// From now on a revoked partition has that long to drain.
    pub(super) fn drain_within(&self, deadline: Duration) {
        let millis = usize::try_from(deadline.as_millis()).unwrap_or(usize::MAX);
        self.deadline.store(millis.max(1), Ordering::Relaxed);
    }

    fn deadline(&self) -> Duration {
        match self.deadline.load(Ordering::Relaxed) {
            0 => Self::DEFAULT_DEADLINE,
            millis => Duration::from_millis(millis as u64),
        }
    }
}

/// Given to the source at subscription.
pub(super) struct HostAssignee<P: StreamProcessor> {
    host: Addr<Host<P>>,
    routes: Routes,
    health: HealthHandle,
    /// The group, as health calls the source.
    group: Arc<str>,
}

impl<P: StreamProcessor> HostAssignee<P> {
    pub(super) fn new(host: Addr<Host<P>>, routes: Routes, health: HealthHandle, group: Arc<str>) -> Self {
        Self { host, routes, health, group }
    }
}

impl<P: StreamProcessor> Assignee for HostAssignee<P> {
    fn assigned(&self, assignment: Assignment) {
        // Not bounded by the mailbox, but by the partitions that there are.
        self.host.do_send(Assigned(assignment));
    }

    fn delivered(&self, batch: Batch) {
        let tasks = self.routes.tasks.read().unwrap_or_else(PoisonError::into_inner);
        // Records come only to a task that asked for them. If it has ended or was replaced since, they are of an old
        // assignment: the next one begins with them, at what was settled last.
        if let Some(task) = tasks.get(&batch.partition).filter(|task| task.epoch == batch.epoch) {
            task.mailbox.fetch_add(1, Ordering::Relaxed);
            // Bounded by what the task asked for. A task that is gone has its partition started over.
            task.deliver.do_send(Deliver(batch));
        }
    }

    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>) {
        if let Some(task) = self.routes.take_away(partition, epoch) {
            task.drain.do_send(Drain { deadline: self.routes.deadline(), released: Some(released) });
        }
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        if let Some(task) = self.routes.take_away(partition, epoch) {
            task.lose.do_send(Lose);
        }
    }

    fn failed(&self, error: StoreError) {
        self.host.do_send(SourceFailed(error));
    }

    fn beat(&self) {
        self.health.source_beat(Arc::clone(&self.group));
    }
}
