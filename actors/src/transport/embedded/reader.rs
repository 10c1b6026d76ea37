//! A thread that reads for others, with a connection of its own.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use diesel::SqliteConnection;
use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::ports::StoreError;
use tokio::sync::oneshot;

use super::{
    connection::{open_reader, store_error},
    threads::{Stop, Threads},
    writer::closed,
};

/// At most as many reads wait; beyond, a read fails at once.
const MAX_WAITING: usize = 65_536;

type Task = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

/// Reads in the order of the calls.
pub(super) struct Reader {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    tasks: VecDeque<Task>,
    stopped: bool,
}

impl Reader {
    /// Opens a connection and starts the thread.
    pub(super) fn start(file: &Path, name: &str, threads: &Threads) -> Result<Arc<Self>, String> {
        let mut connection = open_reader(file)?;
        let reader = Arc::new(Self { waiting: Mutex::default(), filled: Condvar::new() });
        let worker = reader.clone();
        threads
            .run(name, reader.clone(), move || {
                while let Some(task) = worker.next() {
                    task(&mut connection);
                }
            })
            .map_err(|error| error.to_string())?;
        Ok(reader)
    }

    /// Runs `read` on the thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            let _ = reply.send(read(connection));
        });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.stopped {
            return future::ready(Err(closed())).boxed();
        }
        if waiting.tasks.len() >= MAX_WAITING {
            return future::ready(Err(store_error(format!("{MAX_WAITING} reads wait already")))).boxed();
        }
        waiting.tasks.push_back(task);
        drop(waiting);
        self.filled.notify_one();
        answer.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed()
    }

    fn next(&self) -> Option<Task> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = waiting.tasks.pop_front() {
                return Some(task);
            }
            if waiting.stopped {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Stop for Reader {
    /// What waits is still done.
    fn stop(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.filled.notify_one();
    }
}
