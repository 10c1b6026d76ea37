//! The board: how far each task is, written by the tasks once a second, read by the monitor.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::health::{TaskKey, TaskProgress};

/// One task's entry. Written by the task, read by the monitor.
#[derive(Debug, Default)]
pub(crate) struct TaskEntry {
    settled: AtomicU64,
    in_flight: AtomicU64,
    parked: AtomicU64,
    /// Written by the monitor, read by the task for its metrics.
    lag: AtomicU64,
    waits_for: Mutex<Option<String>>,
}

impl TaskEntry {
    /// Notes how far the task is.
    pub(crate) fn note(&self, settled: u64, in_flight: u64, parked: u64) {
        self.settled.store(settled, Ordering::Relaxed);
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.parked.store(parked, Ordering::Relaxed);
    }

    /// How far the task is behind, as the monitor saw it last.
    pub(crate) fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    fn progress(&self, task: &TaskKey) -> TaskProgress {
        TaskProgress {
            task: task.clone(),
            lag: self.lag(),
            settled: self.settled.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
            waits_for: lock(&self.waits_for).clone(),
        }
    }

    /// Notes what the whole task waits for on purpose, such as a store that is down; `None` for nothing.
    pub(crate) fn waits_for(&self, what: Option<&str>) {
        *lock(&self.waits_for) = what.map(str::to_owned);
    }
}

/// The entries of the tasks that live, by task. An entry goes when its task ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<TaskKey, Arc<TaskEntry>>>>);

impl Board {
    /// An entry for a task that begins.
    pub(crate) fn enter(&self, task: TaskKey) -> Arc<TaskEntry> {
        let entry = Arc::new(TaskEntry::default());
        lock(&self.0).insert(task, entry.clone());
        entry
    }

    /// The task has ended; an entry that a later task of the same key made stays.
    pub(crate) fn leave(&self, task: &TaskKey, entry: &Arc<TaskEntry>) {
        let mut entries = lock(&self.0);
        if entries.get(task).is_some_and(|current| Arc::ptr_eq(current, entry)) {
            entries.remove(task);
        }
    }

    /// How far a task is, with its lag; `None` if it doesn't live.
    pub(crate) fn progress(&self, task: &TaskKey, lag: u64) -> Option<TaskProgress> {
        let entry = lock(&self.0).get(task).cloned()?;
        entry.lag.store(lag, Ordering::Relaxed);
        Some(entry.progress(task))
    }

    /// How far all tasks are, by the lag that was seen last; those that wait for nothing else wait for `what`.
    pub(crate) fn waiting_for(&self, what: &str) -> Vec<TaskProgress> {
        let waiting = |(task, entry): (&TaskKey, &Arc<TaskEntry>)| {
            let progress = entry.progress(task);
            TaskProgress { waits_for: progress.waits_for.or_else(|| Some(what.to_owned())), ..progress }
        };
        lock(&self.0).iter().map(waiting).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
