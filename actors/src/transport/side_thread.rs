//! A thread beside the arbiters that drives the connections of a store, so that any executor may wait for its answers.

use std::{future::Future, io, thread};

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::ports::StoreError;
use tokio::{runtime, sync::oneshot};

/// A running thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct SideThread {
    store: &'static str,
    runtime: runtime::Handle,
    _running: oneshot::Sender<()>,
}

impl SideThread {
    /// Starts it; `store` names it and stands in errors.
    pub(super) fn start(store: &'static str) -> io::Result<Self> {
        let (running, ended) = oneshot::channel::<()>();
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(format!("pandaflow-{store}")).spawn(move || {
            // Nothing is ever sent: it waits for the sender's end.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { store, runtime: handle, _running: running })
    }

    /// For what must be made within a runtime.
    pub(super) fn enter(&self) -> runtime::EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Runs `work` on the thread, from now on. It goes on if nobody waits for it any longer; `unheard` gets what it
    /// came to then.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        unheard: impl FnOnce(T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(async move {
            if let Err(Ok(lost)) = answer.send(work.await) {
                unheard(lost);
            }
        });
        let closed = StoreError { store: self.store, message: "it was closed".into() };
        answered.map(|answer| answer.unwrap_or(Err(closed))).boxed()
    }
}
