//! The transport's own thread: what waits for the broker runs on it, and what blocks on its pool.

use std::{
    future::Future,
    sync::{Mutex, PoisonError, mpsc::RecvTimeoutError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::ports::StoreError;
use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle};

use super::failure::{closed, store_error};

/// How long calls to the broker that still block may take when all ends.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// A small runtime of its own. Callers come from any executor.
pub(super) struct Background {
    handle: Handle,
    stop: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
}

impl Background {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| store_error(format!("starting its thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<oneshot::Sender<()>>();
        let run = move || {
            // Without a reply the transport was dropped and not closed.
            let reply = runtime.block_on(stopped).ok();
            runtime.shutdown_timeout(LAST_CALLS);
            if let Some(reply) = reply {
                let _ = reply.send(());
            }
        };
        std::thread::Builder::new().name("kafka".into()).spawn(run).map_err(failed)?;
        Ok(Self { handle, stop: Mutex::new(Some(stop)) })
    }

    /// For threads that wait for a future.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs a future on the thread.
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs what blocks on the pool.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let answer = self.handle.spawn_blocking(work);
        async move { answer.await.unwrap_or_else(|error| Err(store_error(error.to_string()))) }.boxed()
    }

    /// Runs a future on the thread and waits for it, blocking the thread that calls.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        patience: Duration,
    ) -> Result<T, StoreError> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move { reply.send(future.await) });
        answer.recv_timeout(patience).unwrap_or_else(|why| match why {
            RecvTimeoutError::Timeout => Err(store_error(format!("no broker answered within {patience:?}"))),
            RecvTimeoutError::Disconnected => Err(closed()),
        })
    }

    /// Ends the thread once what blocks has come back.
    pub(super) async fn stop(&self) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stop) = stop {
            let (reply, ended) = oneshot::channel();
            let _ = stop.send(reply);
            let _ = ended.await;
        }
    }
}
